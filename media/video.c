/* A chunk is a cluster: the ticks from its first frame to the next chunk's first frame are its own. asked: those ticks; composed: those whose frame
 * went to the encoder; encoded: the blocks that its bytes hold; dropped: asked − encoded. What was composed and never came out is told at the end. */
#include "media/video.h"
#include "media/mkv.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/errors.h"

#define COMPOSED_MAX 100000     /* ticks remembered: never reached while anything gets encoded */

typedef struct {
    gint64 tick, qr_size;
    gint64 boot_ms, monotonic_ms, wall_ms;      /* the machine's clocks as it was composed */
} Composed;

struct Video {
    Outbox *outbox;
    Track *track;
    int part, fps;
    GMutex lock;                /* over composed and seen */
    GQueue composed;            /* Composed, of the chunk at hand and later */
    GQueue shown;               /* Composed with a QR code that no encoded frame shows yet */
    gint64 seen;
    Mkv mkv;
    GByteArray *pending;        /* walked, not written */
    gboolean in_cluster;
    gint64 first_tick;          /* of the chunk at hand */
    gint64 encoded, first_ms, last_ms;
    gint64 lost;                /* composed, and never in the file */
};

Video *
video_new (Outbox *outbox, Track *track, int part, int fps)
{
    Video *self = g_new0 (Video, 1);
    self->outbox = outbox;
    self->track = track;
    self->part = part;
    self->fps = fps;
    self->seen = -1;
    g_mutex_init (&self->lock);
    g_queue_init (&self->composed);
    g_queue_init (&self->shown);
    self->pending = g_byte_array_new ();
    return self;
}

void
video_free (Video *self)
{
    if (!self)
        return;
    track_free (self->track);
    g_queue_clear_full (&self->composed, g_free);
    g_queue_clear_full (&self->shown, g_free);
    g_byte_array_unref (self->pending);
    g_mutex_clear (&self->lock);
    g_free (self);
}

gint64
video_ms_of_tick (int fps, gint64 tick)
{
    return (tick * 1000 + fps / 2) / fps;
}

static gint64
tick_of_ms (const Video *self, gint64 ms)
{
    return (ms * self->fps + 500) / 1000;
}

void
video_composed (Video *self, gint64 tick, gint64 qr_size)
{
    Composed entry = { tick, qr_size, clock_boot_ms (), g_get_monotonic_time () / 1000, clock_wall_ms () };
    g_mutex_lock (&self->lock);
    g_queue_push_tail (&self->composed, g_memdup2 (&entry, sizeof entry));
    if (g_queue_get_length (&self->composed) > COMPOSED_MAX)
        g_free (g_queue_pop_head (&self->composed));
    if (qr_size >= 0)
        g_queue_push_tail (&self->shown, g_memdup2 (&entry, sizeof entry));
    g_mutex_unlock (&self->lock);
}

gint64
video_seen_tick (Video *self)
{
    g_mutex_lock (&self->lock);
    gint64 seen = self->seen;
    g_mutex_unlock (&self->lock);
    return seen;
}

/* A whole frame went into the file: the first one at or after a QR code's tick shows it. */
static void
on_frame (Video *self)
{
    gint64 ms = self->mkv.frame_ms, tick = tick_of_ms (self, ms);
    if (self->encoded++ == 0)
        self->first_ms = ms;
    self->last_ms = ms;
    g_mutex_lock (&self->lock);
    self->seen = tick;
    Composed *next;
    while ((next = g_queue_peek_head (&self->shown)) && next->tick <= tick) {
        g_queue_pop_head (&self->shown);
        Composed *later = g_queue_peek_head (&self->shown);
        if (!later || later->tick > tick)
            outbox_post (self->outbox, json_pack ("{s:s,s:I,s:i,s:I}", "event", "qr_shown", "size", (json_int_t) next->qr_size, "part", self->part,
                                                  "media_ms", (json_int_t) ms));
        g_free (next);
    }
    g_mutex_unlock (&self->lock);
}

/* The members that a video chunk adds, for the ticks up to @end. */
static json_t *
accounts (Video *self, gint64 end)
{
    gint64 composed = 0, first = tick_of_ms (self, self->first_ms);
    json_t *clock = NULL;
    g_mutex_lock (&self->lock);
    Composed *entry;
    while ((entry = g_queue_peek_head (&self->composed)) && entry->tick < end) {
        if (self->encoded > 0 && entry->tick == first && !clock)
            clock = json_pack ("{s:I,s:I,s:I}", "boot_ms", (json_int_t) entry->boot_ms, "monotonic_ms", (json_int_t) entry->monotonic_ms, "wall_ms",
                               (json_int_t) entry->wall_ms);
        g_free (g_queue_pop_head (&self->composed));
        composed++;
    }
    g_mutex_unlock (&self->lock);
    gint64 asked = end - self->first_tick;
    self->lost += composed - self->encoded;
    json_t *members = json_pack ("{s:{s:I,s:I,s:I,s:I},s:I,s:I}", "frames", "asked", (json_int_t) asked, "composed", (json_int_t) composed, "encoded",
                                 (json_int_t) self->encoded, "dropped", (json_int_t) (asked - self->encoded), "first_ms", (json_int_t) self->first_ms,
                                 "last_ms", (json_int_t) self->last_ms);
    if (clock)
        json_object_set_new (members, "clock", clock);
    return members;
}

static gboolean
end_chunk (Video *self, gint64 end, GError **error)
{
    gboolean ok = track_end_chunk (self->track, accounts (self, end), error);
    self->first_tick = end;
    self->encoded = 0;
    return ok;
}

/* Writes what was walked but its last @keep bytes. */
static gboolean
write_pending (Video *self, guint keep, GError **error)
{
    guint n = self->pending->len - keep;
    gboolean ok = n == 0 || track_write (self->track, self->pending->data, n, error);
    g_byte_array_remove_range (self->pending, 0, n);
    return ok;
}

/* The cluster's first frame tells where the chunk before it ended; until it has come, that chunk stays open in the accounts only: the bytes of
 * the new one wait in memory. */
static gboolean
start_cluster (Video *self, GError **error)
{
    self->in_cluster = TRUE;
    return write_pending (self, self->mkv.head_len, error);
}

gboolean
video_bytes (Video *self, const guint8 *data, gsize len, GError **error)
{
    for (;;) {
        gsize used;
        MkvStep step = mkv_walk (&self->mkv, data, len, &used);
        g_byte_array_append (self->pending, data, (guint) used);
        data += used;
        len -= used;
        if (step == MKV_BAD) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "the muxer wrote what isn't Matroska; start a new part");
            return FALSE;
        }
        if (step == MKV_CLUSTER && !start_cluster (self, error))
            return FALSE;
        if (step == MKV_FRAME) {
            if (self->in_cluster && !end_chunk (self, tick_of_ms (self, self->mkv.frame_ms), error))
                return FALSE;
            self->in_cluster = FALSE;
            if (!write_pending (self, 0, error))
                return FALSE;
            on_frame (self);
        }
        if (step == MKV_MORE)
            break;
    }
    return self->in_cluster || write_pending (self, mkv_open_head (&self->mkv), error);
}

void
video_close (Video *self, gint64 ticks)
{
    g_autoptr (GError) error = NULL;
    if (!write_pending (self, 0, &error))
        g_printerr ("%s\n", error->message);
    g_clear_error (&error);
    if (!end_chunk (self, ticks, &error))
        g_printerr ("%s\n", error->message);
    if (self->lost > 0)
        outbox_post (self->outbox, json_pack ("{s:s,s:I,s:I}", "event", "frames_dropped", "count", (json_int_t) self->lost, "media_ms",
                                              (json_int_t) video_ms_of_tick (self->fps, ticks)));
    track_close (self->track);
}
