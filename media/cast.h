/* The terminal track: asciicast v2, a line for each packet of terminal bytes. Lines are written by a thread of their own, so that a slow
 * disk never holds up the main loop. */
#pragma once
#include "media/track.h"

typedef struct Cast Cast;

/* In the cast's thread, at most once: the disk takes no more. */
typedef void (*CastFailed) (const char *reason, gpointer user);

/* Takes over @track and writes the header: the terminal's size, @wall_ms as time zero, the ceremony's id as title. */
Cast  *cast_new (Track *track, int cols, int rows, gint64 wall_ms, const char *ceremony, CastFailed failed, gpointer user);
void   cast_output (Cast *self, gint64 us, const void *data, gsize len); /* @us: microseconds since time zero */
void   cast_resize (Cast *self, gint64 us, int cols, int rows);
void   cast_end_chunk (Cast *self);         /* nothing happens where no line was added */
void   cast_free (Cast *self);              /* writes what is left, ends chunk and file, waits for that */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cast, cast_free)
