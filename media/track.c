/* Written with plain write(), so that what is on disk is what was hashed: a short write counts with the bytes that it took. */
#include "media/track.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct Track {
    Outbox *outbox;
    const char *kind;
    char *path;
    int part, fd;
    gint64 length, chunk_start;
    int chunks;
    gboolean failed;
    Sha256 *whole, *chunk;
};

/* A new file must survive a power cut as well as its bytes do. */
static void
sync_folder (const char *path)
{
    int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync (fd);
    close (fd);
}

Track *
track_new (Outbox *outbox, const char *kind, int part, const char *dir, const char *path, GError **error)
{
    g_autofree char *full = g_build_filename (dir, path, NULL), *folder = g_path_get_dirname (full);
    if (!file_mkdir (folder, error))
        return NULL;
    int fd = open (full, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_EXISTS, "%s: it is there already, and a recording is never overwritten; start a new part", full);
        return NULL;
    }
    if (fd < 0) {
        io_fail (error, errno, "%s", full);
        return NULL;
    }
    sync_folder (folder);
    sync_folder (dir);
    Track *self = g_new0 (Track, 1);
    self->outbox = outbox;
    self->kind = kind;
    self->path = g_strdup (path);
    self->part = part;
    self->fd = fd;
    self->whole = sha256_new ();
    self->chunk = sha256_new ();
    return self;
}

void
track_free (Track *self)
{
    if (!self)
        return;
    if (self->fd >= 0)
        close (self->fd);
    sha256_free (self->whole);
    sha256_free (self->chunk);
    g_free (self->path);
    g_free (self);
}

gboolean
track_write (Track *self, const void *data, gsize len, GError **error)
{
    const guint8 *bytes = data;
    if (self->failed)
        return io_fail (error, EIO, "%s: an earlier write failed", self->path);
    while (len > 0) {
        ssize_t n = write (self->fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            self->failed = TRUE;
            return io_fail (error, n < 0 ? errno : EIO, "%s: writing at byte %" G_GINT64_FORMAT, self->path, self->length);
        }
        sha256_update (self->whole, bytes, (gsize) n);
        sha256_update (self->chunk, bytes, (gsize) n);
        self->length += n;
        bytes += n;
        len -= (gsize) n;
    }
    return TRUE;
}

gint64
track_pending (const Track *self)
{
    return self->length - self->chunk_start;
}

static json_t *
hash_json (const Sha256 *hash)
{
    guint8 digest[SHA256_LEN];
    sha256_peek (hash, digest);
    g_autofree char *hex = hex_encode (digest, sizeof digest);
    return json_string (hex);
}

gboolean
track_end_chunk (Track *self, json_t *more, GError **error)
{
    gboolean ok = TRUE;
    if (track_pending (self) > 0) {
        json_t *message = json_pack ("{s:s,s:s,s:i,s:I,s:I,s:o}", "event", "chunk", "track", self->kind, "part", self->part, "offset",
                                     (json_int_t) self->chunk_start, "length", (json_int_t) track_pending (self), "sha256", hash_json (self->chunk));
        if (more)
            json_object_update (message, more);
        if (fdatasync (self->fd) < 0) {
            self->failed = TRUE;
            ok = io_fail (error, errno, "%s: the disk refused to keep the last %" G_GINT64_FORMAT " bytes", self->path, track_pending (self));
        }
        outbox_post (self->outbox, message);
        sha256_reset (self->chunk);
        self->chunk_start = self->length;
        self->chunks++;
    }
    json_decref (more);
    return ok;
}

void
track_close (Track *self)
{
    if (self->fd < 0)
        return;
    fsync (self->fd);
    close (self->fd);
    self->fd = -1;
    outbox_post (self->outbox, json_pack ("{s:s,s:s,s:i,s:s,s:I,s:o,s:i}", "event", "track_closed", "track", self->kind, "part", self->part, "path",
                                          self->path, "length", (json_int_t) self->length, "sha256", hash_json (self->whole), "chunks", self->chunks));
}

const char *
track_path (const Track *self)
{
    return self->path;
}
