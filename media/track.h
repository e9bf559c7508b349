/* One file of a track: strictly append-only, cut into chunks, each hashed and on disk before it is told. */
#pragma once
#include "media/outbox.h"

typedef struct Track Track;

/* Makes @path under @dir (its folder too), which must not exist (BASE_ERROR_EXISTS). @kind is "video" or "terminal". */
Track *track_new (Outbox *outbox, const char *kind, int part, const char *dir, const char *path, GError **error);
void   track_free (Track *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Track, track_free)

/* Appends. FALSE: the disk took not all of it (BASE_ERROR_SPACE, BASE_ERROR_IO); what it took counts, and nothing more will be written. */
gboolean track_write (Track *self, const void *data, gsize len, GError **error);
gint64   track_pending (const Track *self);     /* bytes since the last chunk's end */
/* Ends a chunk: fdatasync, then the message, with the members of @more (may be NULL; taken over). Without pending bytes nothing happens. */
gboolean track_end_chunk (Track *self, json_t *more, GError **error);
/* Ends the file: fsync, track_closed. Its last chunk must have been ended before. */
void     track_close (Track *self);
const char *track_path (const Track *self);     /* relative to the ceremony's folder */
