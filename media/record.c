/* `ceremony-media record`: the protocol of media/protocol.h on descriptor 3, and the clock. The main loop reads the socket, composes a frame a
 * tick and hands it to the encoder; disks and codecs are waited for in other threads only. */
#include "media/camera.h"
#include "media/cast.h"
#include "media/encode.h"
#include "media/jobs.h"
#include "media/outbox.h"
#include "media/protocol.h"
#include "media/share.h"
#include "media/sound.h"
#include "media/video.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK_SECONDS 2         /* at least so often a chunk ends */
#define CELLS_MAX 5000          /* columns, rows: the cast holds what is said; the picture's own bounds are narrower */
#define DRAIN_MS 15000          /* how long the end of streams may take */
#define FLIGHT_MS 600           /* frames on their way into the file; then frames are dropped before the encoder */

typedef enum { WAITING, RECORDING, ENDING, OVER } State;

typedef struct {
    GMainLoop *loop;
    Outbox *outbox;
    State state;
    gboolean faulted;
    gboolean fast;              /* media time doesn't wait for the clock: for measuring only */
    int lock, part, fps, cols, rows;
    Compose *compose;
    Cameras *cameras;
    Sound *sound;
    Share *shares[2];           /* window, virtual camera; NULL: not asked for */
    Encode *encode;
    Video *video;
    Cast *cast;
    gint64 zero_us;             /* monotonic time of tick 0 */
    gint64 next_tick;           /* the first that hasn't come yet */
    gint64 key_tick;            /* of the last forced key unit */
    gint64 qr_size;             /* ≥ 0: the next frame is the first with it */
    gboolean force_key;
    GQueue flight;              /* ticks handed to the encoder and not yet in the file */
    gint64 lost_frames, told_us;
    gint64 cast_us;             /* when the terminal's last chunk ended */
    gint64 sample;              /* sound handed over so far */
    GSource *clock;
    guint drain;
} Record;

static void end_streams (Record *self);
static void push_sound (Record *self, gint64 tick, gint64 wait_ms);

/* A reason that is told once, from any thread, and ends the recording. */
typedef struct {
    Record *record;
    char *reason;
} Fault;

static gboolean
on_fault (gpointer data)
{
    Fault *fault = data;
    Record *self = fault->record;
    g_printerr ("recording can't go on: %s\n", fault->reason);
    if (!self->faulted)
        outbox_post (self->outbox, json_pack ("{s:s,s:s}", "event", "fault", "reason", fault->reason));
    self->faulted = TRUE;
    end_streams (self);
    return G_SOURCE_REMOVE;
}

static void
fault_free (gpointer data)
{
    g_free (((Fault *) data)->reason);
    g_free (data);
}

static void
report_fault (Record *self, const char *reason)
{
    Fault *fault = g_new0 (Fault, 1);
    fault->record = self;
    fault->reason = g_utf8_make_valid (reason, -1);
    g_main_context_invoke_full (NULL, G_PRIORITY_DEFAULT, on_fault, fault, fault_free);
}

static gint64
media_us (const Record *self)
{
    if (self->fast)
        return self->next_tick * G_USEC_PER_SEC / self->fps;
    return g_get_monotonic_time () - self->zero_us;
}

/* The streams have ended, or never will: last chunks, both tracks closed. */
static void
finish (Record *self)
{
    if (self->state == OVER)
        return;
    self->state = OVER;
    g_clear_handle_id (&self->drain, g_source_remove);
    g_clear_pointer (&self->sound, sound_free);
    g_clear_pointer (&self->cameras, cameras_free);
    for (gsize i = 0; i < G_N_ELEMENTS (self->shares); i++)
        g_clear_pointer (&self->shares[i], share_free);
    g_clear_pointer (&self->encode, encode_free);
    if (self->video)
        video_close (self->video, self->next_tick);
    g_clear_pointer (&self->cast, cast_free);
    outbox_post (self->outbox, json_pack ("{s:s}", "event", "stopped"));
    g_main_loop_quit (self->loop);
}

static gboolean
on_drain_timeout (gpointer data)
{
    Record *self = data;
    self->drain = 0;
    g_printerr ("the streams did not end within %d ms: closed as they are\n", DRAIN_MS);
    finish (self);
    return G_SOURCE_REMOVE;
}

static void
tell_drops (Record *self, gint64 lost, gint64 tick)
{
    gint64 now = g_get_monotonic_time ();
    self->lost_frames += lost;
    if (self->lost_frames == 0 || (self->state == RECORDING && now - self->told_us < G_USEC_PER_SEC))
        return;
    outbox_post (self->outbox, json_pack ("{s:s,s:I,s:I}", "event", "frames_dropped", "count", (json_int_t) self->lost_frames, "media_ms",
                                          (json_int_t) video_ms_of_tick (self->fps, tick)));
    self->lost_frames = 0;
    self->told_us = now;
}

static void
end_streams (Record *self)
{
    if (self->state == ENDING || self->state == OVER)
        return;
    gboolean recording = self->state == RECORDING;
    self->state = ENDING;
    if (self->clock) {
        g_source_destroy (self->clock);
        tell_drops (self, 0, self->next_tick);
    }
    if (!recording || self->faulted) {
        finish (self);
        return;
    }
    if (self->sound && self->next_tick > 0)
        push_sound (self, self->next_tick - 1, 0);
    encode_end (self->encode);
    self->drain = g_timeout_add (DRAIN_MS, on_drain_timeout, self);
}

static gboolean
on_bytes (const guint8 *data, gsize len, gpointer user)
{
    Record *self = user;
    g_autoptr (GError) error = NULL;
    if (video_bytes (self->video, data, len, &error))
        return TRUE;
    report_fault (self, error->message);
    return FALSE;
}

static void
on_ended (const char *reason, gpointer user)
{
    Record *self = user;
    if (reason)
        report_fault (self, reason);
    else if (self->state == ENDING)
        finish (self);
}

static void
on_cast_failed (const char *reason, gpointer user)
{
    report_fault (user, reason);
}

static void
tell_source (Record *self, const char *source, gboolean lost, const char *reason)
{
    g_autofree char *valid = g_utf8_make_valid (reason ? reason : "", -1);
    outbox_post (self->outbox, lost ? json_pack ("{s:s,s:s,s:s}", "event", "source_lost", "source", source, "reason", valid)
                                    : json_pack ("{s:s,s:s}", "event", "source_returned", "source", source));
}

static void
on_camera (guint camera, gboolean lost, const char *reason, gpointer user)
{
    Record *self = user;
    g_autofree char *time = clock_format (clock_wall_ms ()), *source = camera ? g_strdup_printf ("camera %u", camera + 1) : g_strdup ("camera");
    g_autofree char *since = g_strdup_printf ("since %.8s UTC", time + 11);
    compose_camera_words (self->compose, camera, lost ? "CAMERA LOST" : NULL, lost ? since : NULL);
    tell_source (self, source, lost, reason);
}

static void
on_repeats (guint camera, RepeatsNews news, gint64 since_ms, gint64 period_ms, gpointer user)
{
    Record *self = user;
    if (news == REPEATS_NEWS_OVER)
        outbox_post (self->outbox, json_pack ("{s:s,s:i,s:i,s:I}", "event", "camera_moves", "part", self->part, "camera", (int) camera + 1, "media_ms",
                                              (json_int_t) since_ms));
    else
        outbox_post (self->outbox, json_pack ("{s:s,s:i,s:i,s:s,s:I,s:I}", "event", "camera_repeats", "part", self->part, "camera", (int) camera + 1, "kind",
                                              news == REPEATS_NEWS_FROZEN ? "frozen" : "loop", "media_ms", (json_int_t) since_ms, "period_ms",
                                              (json_int_t) period_ms));
}

static void
on_share_ended (const char *to, const char *reason, gpointer user)
{
    Record *self = user;
    outbox_post (self->outbox, json_pack ("{s:s,s:s,s:s}", "event", "share_ended", "to", to, "reason", reason));
}

static void
on_sound (gboolean lost, const char *reason, gpointer user)
{
    tell_source (user, "audio", lost, reason);
}

/* TRUE: the encoder has taken in enough of what it was given. */
static gboolean
has_room (Record *self)
{
    gint64 seen = video_seen_tick (self->video);
    while (!g_queue_is_empty (&self->flight) && (gint64) GPOINTER_TO_SIZE (g_queue_peek_head (&self->flight)) <= seen)
        g_queue_pop_head (&self->flight);
    return g_queue_get_length (&self->flight) < (guint) MAX (self->fps * FLIGHT_MS / 1000, 4);
}

/* Sound waits in the store for SOUND_STORE_MS before it is taken: it goes to the time at which it was heard, not to that at which it is taken. */
static void
push_sound (Record *self, gint64 tick, gint64 wait_ms)
{
    gint64 end = (tick + 1) * ENCODE_SOUND_RATE / self->fps - ENCODE_SOUND_RATE * wait_ms / 1000, most = ENCODE_SOUND_RATE;
    gint64 first = MAX (self->sample, end - most);
    if (end <= first)
        return;
    g_autofree gint16 *samples = g_new (gint16, (gsize) (end - first));
    sound_take (self->sound, samples, (gsize) (end - first));
    encode_sound (self->encode, samples, (gsize) (end - first), first);
    self->sample = end;
}

static void
push_frame (Record *self, gint64 tick)
{
    const Picture *picture = compose_frame (self->compose, clock_wall_ms ());
    gboolean key = self->force_key || tick - self->key_tick >= CHUNK_SECONDS * self->fps;
    video_composed (self->video, tick, self->qr_size);
    encode_frame (self->encode, picture, tick, key);
    for (gsize i = 0; i < G_N_ELEMENTS (self->shares); i++)
        if (self->shares[i])
            share_frame (self->shares[i], picture);
    g_queue_push_tail (&self->flight, GSIZE_TO_POINTER ((gsize) tick));
    if (key)
        self->key_tick = tick;
    self->force_key = FALSE;
    self->qr_size = -1;
}

static void
tick_clock (Record *self)
{
    gint64 tick = self->fast ? self->next_tick : media_us (self) * self->fps / G_USEC_PER_SEC;
    if (tick < self->next_tick)
        return;
    gint64 lost = tick - self->next_tick;
    self->next_tick = tick + 1;
    cameras_tick (self->cameras, video_ms_of_tick (self->fps, tick));
    if (self->sound)
        push_sound (self, tick, SOUND_STORE_MS);
    if (has_room (self))
        push_frame (self, tick);
    else
        lost++;
    tell_drops (self, lost, tick);
    if (media_us (self) - self->cast_us >= CHUNK_SECONDS * G_USEC_PER_SEC) {
        cast_end_chunk (self->cast);
        self->cast_us = media_us (self);
    }
}

static gboolean
on_clock (gpointer data)
{
    Record *self = data;
    if (self->fast && !has_room (self)) {
        g_source_set_ready_time (self->clock, g_get_monotonic_time () + 1000);
        return G_SOURCE_CONTINUE;
    }
    tick_clock (self);
    if (self->fast)
        g_source_set_ready_time (self->clock, 0);
    else if (self->state == RECORDING)
        g_source_set_ready_time (self->clock, self->zero_us + (self->next_tick * G_USEC_PER_SEC + self->fps - 1) / self->fps);
    return G_SOURCE_CONTINUE;
}

static gboolean
dispatch_clock (GSource *source, GSourceFunc callback, gpointer data)
{
    return callback (data);
}

static GSourceFuncs clock_funcs = { .dispatch = dispatch_clock };

static void
start_clock (Record *self)
{
    self->clock = g_source_new (&clock_funcs, sizeof (GSource));
    g_source_set_callback (self->clock, on_clock, self, NULL);
    g_source_set_ready_time (self->clock, self->zero_us);
    g_source_attach (self->clock, NULL);
}

typedef struct {
    const char *dir, *audio, *ceremony, *virtual_camera;
    gboolean window;
    const char *cameras[CAMERAS_MAX + 1];
    int width, height;
} Wanted;

static gboolean
read_number (const json_t *message, const char *key, int min, int max, int *value, GError **error)
{
    gint64 n;
    if (!cjson_int (message, key, &n, error))
        return FALSE;
    if (n < min || n > max) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "%s must be %d to %d", key, min, max);
        return FALSE;
    }
    *value = (int) n;
    return TRUE;
}

/* "camera", and what "more_cameras" names beside it. */
static gboolean
read_cameras (const json_t *message, Wanted *w, GError **error)
{
    const json_t *more = json_object_get (message, "more_cameras");
    if (!(w->cameras[0] = cjson_str (message, "camera", error)))
        return FALSE;
    for (gsize i = 0; i < json_array_size (more); i++) {
        if (i + 1 == CAMERAS_MAX || !json_is_string (json_array_get (more, i))) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "more_cameras must name at most %d", CAMERAS_MAX - 1);
            return FALSE;
        }
        w->cameras[i + 1] = json_string_value (json_array_get (more, i));
    }
    return TRUE;
}

static gboolean
read_start (Record *self, const json_t *message, Wanted *w, GError **error)
{
    if (!(w->dir = cjson_str (message, "dir", error)) || !read_cameras (message, w, error)
        || !(w->audio = cjson_str (message, "audio", error)) || !(w->ceremony = cjson_str (message, "ceremony", error))
        || !read_number (message, "part", 1, 9999, &self->part, error) || !read_number (message, "width", 640, 3840, &w->width, error)
        || !read_number (message, "height", 360, 2160, &w->height, error) || !read_number (message, "fps", 1, 60, &self->fps, error)
        || !read_number (message, "cols", 1, CELLS_MAX, &self->cols, error)
        || !read_number (message, "rows", 1, CELLS_MAX, &self->rows, error))
        return FALSE;
    w->window = json_is_true (json_object_get (message, "window"));
    w->virtual_camera = json_string_value (json_object_get (message, "virtual_camera"));
    w->width &= ~1;
    w->height &= ~1;
    return TRUE;
}

static gboolean
open_tracks (Record *self, const Wanted *w, Track **video, Track **terminal, GError **error)
{
    g_autofree char *lock = g_build_filename (w->dir, "recorder.lock", NULL);
    g_autofree char *video_path = g_strdup_printf ("video/%04d.mkv", self->part), *cast_path = g_strdup_printf ("terminal/%04d.cast", self->part);
    if ((self->lock = file_lock (lock, error)) < 0) {
        g_prefix_error (error, "another recorder is at work in this ceremony: ");
        return FALSE;
    }
    if (!(*video = track_new (self->outbox, "video", self->part, w->dir, video_path, error)))
        return FALSE;
    *terminal = track_new (self->outbox, "terminal", self->part, w->dir, cast_path, error);
    return *terminal != NULL;
}

static const char *
audio_kind (const char *audio)
{
    static const char *const known[] = { "none", "test", "default" };
    for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
        if (strcmp (audio, known[i]) == 0)
            return audio;
    return "device";
}

static json_t *
describe_cameras (const Record *self)
{
    json_t *list = json_array ();
    for (guint i = 0; i < cameras_count (self->cameras); i++)
        json_array_append_new (list, json_pack ("{s:s,s:s}", "kind", cameras_kind (self->cameras, i), "name", cameras_name (self->cameras, i)));
    return list;
}

static void
tell_started (Record *self, const Wanted *w, const char *video, const char *terminal)
{
    g_autoptr (json_t) cameras = describe_cameras (self);
    outbox_post (self->outbox, json_pack ("{s:s,s:i,s:s,s:s,s:i,s:i,s:i,s:O,s:O,s:{s:s,s:s},s:s}", "event", "started", "part", self->part, "video", video,
                                          "terminal", terminal, "width", w->width, "height", w->height, "fps", self->fps, "camera",
                                          json_array_get (cameras, 0), "cameras", cameras, "audio", "kind", audio_kind (w->audio), "name", w->audio,
                                          "encoder", encode_name ()));
}

/* What can't be shown is told; the recording goes on without it. */
static void
start_share (Record *self, gsize i, const char *device, const Wanted *w)
{
    g_autoptr (GError) error = NULL;
    self->shares[i] = share_new (device, w->width, w->height, self->fps, on_share_ended, self, &error);
    if (!self->shares[i])
        on_share_ended (device ? "virtual camera" : "window", error->message, self);
}

static gboolean
start (Record *self, const Wanted *w, GError **error)
{
    g_autoptr (Track) video = NULL, terminal = NULL;
    if (!open_tracks (self, w, &video, &terminal, error))
        return FALSE;
    g_autofree char *video_path = g_strdup (track_path (video)), *cast_path = g_strdup (track_path (terminal));
    gboolean with_sound = strcmp (w->audio, "none") != 0;
    self->video = video_new (self->outbox, g_steal_pointer (&video), self->part, self->fps);
    self->encode = encode_new (w->width, w->height, self->fps, with_sound, &(EncodeCalls) { on_bytes, on_ended }, self, error);
    if (!self->encode)
        return FALSE;
    self->compose = compose_new (w->width, w->height, self->cols, self->rows, g_strv_length ((char **) w->cameras), w->ceremony);
    if (!(self->cameras = cameras_new (w->cameras, self->compose, &(CameraCalls) { on_camera, on_repeats }, self, error)))
        return FALSE;
    compose_frame (self->compose, clock_wall_ms ());    /* finds the fonts, which may take a while the first time */
    tell_started (self, w, video_path, cast_path);
    if (with_sound)
        self->sound = sound_new (w->audio, ENCODE_SOUND_RATE, on_sound, self);
    if (w->window)
        start_share (self, 0, NULL, w);
    if (w->virtual_camera)
        start_share (self, 1, w->virtual_camera, w);
    self->zero_us = g_get_monotonic_time ();
    self->cast = cast_new (g_steal_pointer (&terminal), self->cols, self->rows, clock_wall_ms (), w->ceremony, on_cast_failed, self);
    self->state = RECORDING;
    start_clock (self);
    return TRUE;
}

static gboolean
do_start (Record *self, const json_t *message, GError **error)
{
    Wanted wanted = { 0 };
    g_autoptr (GError) why = NULL;
    if (!read_start (self, message, &wanted, &why) || !start (self, &wanted, &why))
        report_fault (self, why->message);
    return TRUE;
}

static gboolean
do_qr (Record *self, const json_t *message, GError **error)
{
    gint64 size;
    const char *text = cjson_str (message, "text", error);
    if (!text || !cjson_int (message, "size", &size, error))
        return FALSE;
    if (size < 0 || !compose_qr (self->compose, text, size)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "a checkpoint of %zu bytes fits into no QR code of this picture", strlen (text));
        return FALSE;
    }
    self->qr_size = size;
    self->force_key = TRUE;
    cast_end_chunk (self->cast);
    self->cast_us = media_us (self);
    return TRUE;
}

static gboolean
do_status (Record *self, const json_t *message, GError **error)
{
    gint64 events;
    gboolean mark, rehearsal;
    const char *step = cjson_str (message, "step", error);
    if (!step || !cjson_int (message, "events", &events, error) || !cjson_bool (message, "mark_camera", &mark, error)
        || !cjson_bool (message, "rehearsal", &rehearsal, error))
        return FALSE;
    if (compose_status (self->compose, step, events, mark, rehearsal))
        self->force_key = TRUE;         /* whoever looks at key units only sees what the camera showed large */
    return TRUE;
}

static gboolean
do_resize (Record *self, const json_t *message, GError **error)
{
    if (!read_number (message, "cols", 1, CELLS_MAX, &self->cols, error) || !read_number (message, "rows", 1, CELLS_MAX, &self->rows, error))
        return FALSE;
    compose_resize (self->compose, self->cols, self->rows);
    cast_resize (self->cast, media_us (self), self->cols, self->rows);
    return TRUE;
}

static gboolean
do_stop (Record *self, const json_t *message, GError **error)
{
    end_streams (self);
    return TRUE;
}

/* What is said in which state; anything else is written to the log and changes nothing. */
static const struct {
    const char *cmd;
    State state;
    gboolean (*run) (Record *self, const json_t *message, GError **error);
} commands[] = {
    { "start", WAITING, do_start },    { "qr", RECORDING, do_qr },     { "status", RECORDING, do_status },
    { "resize", RECORDING, do_resize }, { "stop", RECORDING, do_stop }, { "stop", WAITING, do_stop },
};

static gboolean
run_command (Record *self, const void *data, gsize len, GError **error)
{
    g_autoptr (json_t) message = cjson_parse (data, len, error);
    const char *cmd = message ? cjson_str (message, "cmd", error) : NULL;
    if (!cmd)
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
        if (commands[i].state == self->state && strcmp (commands[i].cmd, cmd) == 0)
            return commands[i].run (self, message, error);
    g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "`%s` means nothing now", cmd);
    return FALSE;
}

static void
take_packet (Record *self, const guint8 *packet, gsize len)
{
    g_autoptr (GError) error = NULL;
    if (packet[0] == MEDIA_TERMINAL && self->state == RECORDING) {
        cast_output (self->cast, media_us (self), packet + 1, len - 1);
        compose_terminal (self->compose, packet + 1, len - 1);
    } else if (packet[0] == MEDIA_JSON && !run_command (self, packet + 1, len - 1, &error))
        g_printerr ("message refused: %s\n", error->message);
}

static gboolean
on_packet (int fd, GIOCondition condition, gpointer data)
{
    static guint8 packet[MEDIA_PACKET_MAX + 1];
    Record *self = data;
    ssize_t len = recv (fd, packet, sizeof packet, MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (len <= 0) {
        g_printerr ("the ceremony's end of the socket is closed: ending the recording\n");
        end_streams (self);
        return G_SOURCE_REMOVE;
    }
    if (len <= MEDIA_PACKET_MAX)
        take_packet (self, packet, (gsize) len);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer data)
{
    end_streams (data);
    return G_SOURCE_CONTINUE;
}

static gboolean
is_packet_socket (int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    return getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

int
job_record (int argc, char **argv)
{
    gboolean fast = argc == 2 && strcmp (argv[1], "--as-fast-as-possible") == 0;
    if ((argc != 1 && !fast) || !is_packet_socket (MEDIA_FD)) {
        g_printerr ("ceremony-media: record: it is started by `ceremony`, which gives it a socket as descriptor 3\n");
        return 2;
    }
    signal (SIGPIPE, SIG_IGN);
    signal (SIGXFSZ, SIG_IGN);
    gst_init (NULL, NULL);
    Record self = { .loop = g_main_loop_new (NULL, FALSE), .outbox = outbox_new (MEDIA_FD), .lock = -1, .qr_size = -1, .fast = fast };
    g_queue_init (&self.flight);
    guint socket = g_unix_fd_add (MEDIA_FD, G_IO_IN | G_IO_HUP | G_IO_ERR, on_packet, &self);
    guint term = g_unix_signal_add (SIGTERM, on_signal, &self), intr = g_unix_signal_add (SIGINT, on_signal, &self);
    g_main_loop_run (self.loop);
    if (g_main_context_find_source_by_id (NULL, socket))
        g_source_remove (socket);
    g_source_remove (term);
    g_source_remove (intr);
    outbox_drain (self.outbox, DRAIN_MS);
    video_free (self.video);
    compose_free (self.compose);
    outbox_free (self.outbox);
    g_queue_clear (&self.flight);
    g_clear_pointer (&self.clock, g_source_unref);
    g_main_loop_unref (self.loop);
    if (self.lock >= 0)
        close (self.lock);
    return self.faulted ? 1 : 0;
}
