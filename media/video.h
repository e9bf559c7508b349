/* The video track: the muxer's bytes are cut into chunks at their clusters, and every tick of the frame clock is accounted for by what the file holds. */
#pragma once
#include "media/track.h"

typedef struct Video Video;

Video *video_new (Outbox *outbox, Track *track, int part, int fps); /* takes over @track */
void   video_free (Video *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Video, video_free)

gint64 video_ms_of_tick (int fps, gint64 tick);

/* From the main loop: the frame of @tick goes to the encoder; with @qr_size ≥ 0 it is the first that shows that checkpoint. */
void   video_composed (Video *self, gint64 tick, gint64 qr_size);
gint64 video_seen_tick (Video *self);   /* the last frame that is in the file, or -1 */
/* From the pipeline's thread. FALSE: they could not be written. */
gboolean video_bytes (Video *self, const guint8 *data, gsize len, GError **error);
/* The pipeline has stopped; @ticks is how many there were in all. Last chunk, track_closed. */
void   video_close (Video *self, gint64 ticks);
