/* The recorder's process: starting it, feeding it, and making events of what it says. */
#include "ceremony/run/recorder.h"
#include "ceremony/base/child.h"
#include "media/protocol.h"
#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEUE_MAX (8 * 1024 * 1024)     /* more that isn't taken: the recorder hangs */
#define SILENCE_MS 10000                /* it says something every 2 s */
#define STOP_MS 20000
#define RESTARTS_MAX 5

struct Recorder {
    Run        *run;
    Child       child;
    gboolean    running, started, stopping, stopped;
    guint       in, out, again;         /* sources */
    GQueue     *queue;                  /* GBytes */
    gsize       queued;
    gint64      part;
    gint64      heard_ms;               /* of its last message, by the clock that stands still while the machine sleeps */
    gint64      began_ms, before_ms;    /* this part's start; what earlier parts hold */
    guint64     dropped;
    guint       restarts;
    char       *fault, *camera;
    gint64      awaited;                /* size of the checkpoint that recorder_show waits for */
    gboolean    seen;
    gboolean    pace_on, marked;
    guint       pace;
};

static void failed (Recorder *self, const char *reason);

/* ── sending ── */

static gboolean
send_queued (Recorder *self)
{
    GBytes *packet;

    while ((packet = g_queue_peek_head (self->queue)) != NULL) {
        gsize len;
        const void *data = g_bytes_get_data (packet, &len);
        if (send (self->child.sock, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS;
        self->queued -= len;
        g_bytes_unref (g_queue_pop_head (self->queue));
    }
    return TRUE;
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer data)
{
    Recorder *self = data;

    if (!send_queued (self) || g_queue_is_empty (self->queue)) {
        self->out = 0;          /* a broken socket is noticed by reading */
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void
send_packet (Recorder *self, char kind, const void *data, gsize len)
{
    guint8 *packet;

    if (!self->running || len >= MEDIA_PACKET_MAX)
        return;
    packet = g_malloc (len + 1);
    packet[0] = kind;
    memcpy (packet + 1, data, len);
    g_queue_push_tail (self->queue, g_bytes_new_take (packet, len + 1));
    self->queued += len + 1;
    send_queued (self);
    if (!g_queue_is_empty (self->queue) && self->out == 0)
        self->out = g_unix_fd_add (self->child.sock, G_IO_OUT, on_writable, self);
    if (self->queued > QUEUE_MAX)
        failed (self, "the recorder takes nothing any more");
}

static void
send_json (Recorder *self, json_t *message)
{
    g_autoptr(json_t) owned = message;
    g_autofree char *text = owned ? cjson_encode (owned, NULL) : NULL;

    if (text)
        send_packet (self, MEDIA_JSON, text, strlen (text));
}

static void
on_terminal (const guint8 *data, gsize len, gpointer user_data)
{
    Recorder *self = user_data;

    while (len > 0 && self->running) {
        gsize n = MIN (len, MEDIA_PACKET_MAX - 1);
        send_packet (self, MEDIA_TERMINAL, data, n);
        data += n;
        len -= n;
    }
}

static void
on_resized (guint cols, guint rows, gpointer user_data)
{
    Recorder *self = user_data;

    send_json (self, json_pack ("{s:s,s:i,s:i}", "cmd", "resize", "cols", (int) cols, "rows", (int) rows));
    if (self->running && !self->stopping && !self->run->closing)
        run_event (self->run, "terminal.resized", "appliance", json_pack ("{s:i,s:i}", "cols", (int) cols, "rows", (int) rows), NULL);
}

/* ── what it says ── */

/* A copy of @message with just these members. */
static json_t *
pick (const json_t *message, const char *keys)
{
    json_t *out = json_object ();
    g_auto(GStrv) list = g_strsplit (keys, " ", -1);

    for (gsize i = 0; list[i]; i++) {
        json_t *value = json_object_get (message, list[i]);
        if (value)
            json_object_set (out, list[i], value);
    }
    return out;
}

static void
on_started (Recorder *self, const json_t *message)
{
    self->started = TRUE;
    self->began_ms = clock_boot_ms ();
    g_free (self->camera);
    self->camera = g_strdup (cjson_str (cjson_obj (message, "camera", NULL), "name", NULL));
    run_event (self->run, "recording.started", "recorder", pick (message, "part video terminal width height fps camera cameras audio encoder"), NULL);
}

static void
on_chunk (Recorder *self, const json_t *message)
{
    gboolean video = g_strcmp0 (cjson_str (message, "track", NULL), "video") == 0;

    run_event (self->run, video ? "video.chunk" : "terminal.chunk", "recorder",
               pick (message, video ? "part offset length sha256 frames first_ms last_ms clock" : "part offset length sha256"), NULL);
}

static void
on_qr_shown (Recorder *self, const json_t *message)
{
    gint64 size = 0;

    run_event (self->run, "qr.shown", "recorder", pick (message, "size part media_ms"), NULL);
    if (cjson_int (message, "size", &size, NULL) && size == self->awaited)
        self->seen = TRUE;
}

static void
on_dropped (Recorder *self, const json_t *message)
{
    gint64 n = 0;

    if (cjson_int (message, "count", &n, NULL))
        self->dropped += n;
    run_event (self->run, "frames.dropped", "recorder", pick (message, "count media_ms"), NULL);
}

static void
on_source_lost (Recorder *self, const json_t *message)
{
    const char *source = cjson_str (message, "source", NULL), *reason = cjson_str (message, "reason", NULL);

    if (g_strcmp0 (source, "camera") == 0) {
        g_free (self->camera);
        self->camera = g_strdup ("lost");
    }
    run_event (self->run, "source.lost", "recorder", pick (message, "source reason"), NULL);
    if (!self->stopping)
        screen_say (self->run, MOOD_ERROR, "The %s is gone (%s). The recording goes on without it: plug it in again; if it stays away, pause (F5) and note a deviation (F3).",
                    source ? source : "source", reason ? reason : "");
}

static void
on_source_returned (Recorder *self, const json_t *message)
{
    if (g_strcmp0 (cjson_str (message, "source", NULL), "camera") == 0) {
        g_free (self->camera);
        self->camera = g_strdup ("back");
    }
    run_event (self->run, "source.returned", "recorder", pick (message, "source reason"), NULL);
    screen_say (self->run, MOOD_NORMAL, "The %s is back.", cjson_str (message, "source", NULL));
}

static void
on_camera_repeats (Recorder *self, const json_t *message)
{
    gboolean loop = g_strcmp0 (cjson_str (message, "kind", NULL), "loop") == 0;

    run_event (self->run, "camera.repeats", "recorder", pick (message, "part camera kind media_ms period_ms"), NULL);
    if (!self->stopping)
        screen_say (self->run, MOOD_ERROR, loop ? "The camera's pictures repeat themselves: this isn't a live camera. Choose another source, pause (F5) and note a deviation (F3)."
                                                : "The camera's picture stands still. Look whether the camera hangs: unplug it and plug it in again; verify will refuse a picture that stands still.");
}

static void
on_camera_moves (Recorder *self, const json_t *message)
{
    run_event (self->run, "camera.moves", "recorder", pick (message, "part camera media_ms"), NULL);
    screen_say (self->run, MOOD_NORMAL, "The camera's picture moves again.");
}

/* Whom the picture was shown to is no fact of the ceremony: it isn't journaled. */
static void
on_share_ended (Recorder *self, const json_t *message)
{
    const char *to = cjson_str (message, "to", NULL), *reason = cjson_str (message, "reason", NULL);

    if (!self->stopping)
        screen_say (self->run, MOOD_WARNING, "The %s that shows the picture ended (%s). The recording isn't touched by that.", to ? to : "window", reason ? reason : "");
}

static void
on_track_closed (Recorder *self, const json_t *message)
{
    run_event (self->run, "track.closed", "recorder", pick (message, "track part path length sha256 chunks"), NULL);
}

static void
on_fault (Recorder *self, const json_t *message)
{
    g_free (self->fault);
    self->fault = g_strdup (cjson_str (message, "reason", NULL));
}

static void
on_stopped (Recorder *self, const json_t *message)
{
    self->stopped = TRUE;
}

static const struct {
    const char *event;
    void (*take) (Recorder *self, const json_t *message);
} messages[] = {
    { "started", on_started }, { "chunk", on_chunk }, { "qr_shown", on_qr_shown }, { "frames_dropped", on_dropped }, { "source_lost", on_source_lost },
    { "source_returned", on_source_returned }, { "track_closed", on_track_closed }, { "camera_repeats", on_camera_repeats }, { "camera_moves", on_camera_moves }, { "share_ended", on_share_ended }, { "fault", on_fault }, { "stopped", on_stopped },
};

static void
take_message (Recorder *self, const guint8 *packet, gsize len)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) message = len > 1 && packet[0] == MEDIA_JSON ? cjson_parse (packet + 1, len - 1, &error) : NULL;
    const char *event = message ? cjson_str (message, "event", NULL) : NULL;

    self->heard_ms = g_get_monotonic_time () / 1000;
    for (gsize i = 0; event && i < G_N_ELEMENTS (messages); i++)
        if (strcmp (messages[i].event, event) == 0) {
            messages[i].take (self, message);
            screen_update (self->run);
            return;
        }
}

/* ── its end ── */

/* Nothing of the child may write any more when this returns. */
static void
reap (Recorder *self, guint patience_ms)
{
    if (self->child.pid <= 0)
        return;
    for (guint waited = 0; waitpid (self->child.pid, NULL, WNOHANG) == 0; waited += 20) {
        if (waited >= patience_ms) {
            kill (self->child.pid, SIGKILL);
            waitpid (self->child.pid, NULL, 0);
            break;
        }
        g_usleep (20 * 1000);
    }
    self->child.pid = 0;
}

static void
put_away (Recorder *self, guint patience_ms)
{
    g_clear_handle_id (&self->in, g_source_remove);
    g_clear_handle_id (&self->out, g_source_remove);
    g_clear_handle_id (&self->pace, g_source_remove);
    if (self->running)
        close (self->child.sock);
    reap (self, patience_ms);
    if (self->running && self->started)
        self->before_ms += clock_boot_ms () - self->began_ms;
    self->running = self->started = FALSE;
    g_queue_clear_full (self->queue, (GDestroyNotify) g_bytes_unref);
    self->queued = 0;
}

static gboolean begin (Recorder *self, GError **error);

static gboolean
on_again (gpointer data)
{
    Recorder *self = data;
    g_autoptr(GError) error = NULL;

    self->again = 0;
    if (!self->running && self->run->stop == STOP_NONE && !begin (self, &error) && self->run->attention == NULL)
        self->run->attention = g_strdup (error->message);
    return G_SOURCE_REMOVE;
}

static void
failed (Recorder *self, const char *reason)
{
    Run *run = self->run;
    g_autofree char *why = g_utf8_make_valid (reason, -1);
    g_autoptr(GError) error = NULL;
    gint64 space;

    put_away (self, self->fault ? 2000 : 0);
    if (self->stopping)
        return;
    if (!run_event (run, "recorder.failed", "recorder", json_pack ("{s:s,s:I}", "reason", why, "part", (json_int_t) self->part), &error)
        || !recorder_recover (run, &error)) {
        if (run->attention == NULL)
            run->attention = g_strdup_printf ("%s\n%s", why, error->message);
        return;
    }
    if (run->closing)
        return;                 /* the end of the recording is what it is */
    space = file_free_space (run->folder);
    if (self->restarts++ < RESTARTS_MAX && (space < 0 || space > 50 * 1024 * 1024)) {
        screen_say (run, MOOD_ERROR, "The recorder failed (%s). What it recorded is kept; a new part begins. Wait until the recording time counts again.", why);
        self->again = g_timeout_add (300, on_again, self);
    } else if (run->attention == NULL) {
        run->attention = g_strdup_printf ("The recorder failed: %s%s", why, space >= 0 && space <= 50 * 1024 * 1024
                                          ? "\nThe disk is full: make room on it, then try again." : "");
    }
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer data)
{
    static guint8 packet[MEDIA_PACKET_MAX + 1];
    Recorder *self = data;
    ssize_t len = recv (fd, packet, sizeof packet, MSG_DONTWAIT);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (len > 0) {
        take_message (self, packet, len);
        return self->in ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
    }
    self->in = 0;
    if (self->stopping && self->stopped)
        put_away (self, 2000);
    else
        failed (self, self->fault ? self->fault : "it ended unexpectedly; recorder.log in the ceremony's folder tells more");
    return G_SOURCE_REMOVE;
}

/* ── starting ── */

static gint64
next_part (Run *run)
{
    gint64 last = 0;

    for (guint64 seq = 0; seq < journal_size (run->journal); seq++) {
        const Event *event = journal_event (run->journal, seq);
        gint64 part;
        if (strcmp (event->type, "recording.started") == 0 && cjson_int (event->data, "part", &part, NULL))
            last = MAX (last, part);
    }
    return last + 1;
}

static json_t *
start_message (Recorder *self)
{
    const RunSetup *setup = self->run->setup;
    guint cols, rows;

    self->run->view->size (self->run->view, &cols, &rows);
    json_t *message = json_pack ("{s:s,s:s,s:I,s:i,s:i,s:i,s:i,s:i,s:s,s:s,s:s,s:s,s:b}", "cmd", "start", "dir", self->run->folder, "part", (json_int_t) self->part, "width",
                      setup->width ? (int) setup->width : 1280, "height", setup->height ? (int) setup->height : 720, "fps", setup->fps ? (int) setup->fps : 15,
                      "cols", (int) cols, "rows", (int) rows, "camera", setup->camera ? setup->camera : "none", "audio",
                      setup->audio ? setup->audio : "none", "ceremony", self->run->id, "origin", self->run->origin, "window", (int) setup->window);
    for (gsize i = 0; setup->more_cameras != NULL && setup->more_cameras[i] != NULL; i++) {
        if (i == 0)
            json_object_set_new (message, "more_cameras", json_array ());
        json_array_append_new (json_object_get (message, "more_cameras"), json_string (setup->more_cameras[i]));
    }
    if (setup->virtual_camera != NULL)
        json_object_set_new (message, "virtual_camera", json_string (setup->virtual_camera));
    return message;
}

static gboolean
on_pace (gpointer data)
{
    Recorder *self = data;
    const char *note;

    if (!self->pace_on || !self->started || self->stopping || self->run->stop == STOP_FAULT)
        return G_SOURCE_CONTINUE;
    note = journal_checkpoint (self->run->journal, NULL);
    if (note != NULL)
        send_json (self, json_pack ("{s:s,s:s,s:I}", "cmd", "qr", "text", note, "size", (json_int_t) journal_checkpoint_size (self->run->journal)));
    recorder_status (self);
    return self->running ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean
begin (Recorder *self, GError **error)
{
    g_autofree char *path = child_media_path (error), *log = g_build_filename (self->run->folder, "recorder.log", NULL);
    const char *argv[] = { path, "record", NULL };

    if (path == NULL || !child_start (argv, CHILD_SOCKET, -1, log, &self->child, error)) {
        g_prefix_error (error, "starting the recorder: ");
        return FALSE;
    }
    self->part = next_part (self->run);
    self->running = TRUE;
    self->started = self->stopping = self->stopped = FALSE;
    g_clear_pointer (&self->fault, g_free);
    self->heard_ms = g_get_monotonic_time () / 1000;
    self->in = g_unix_fd_add (self->child.sock, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, self);
    send_json (self, start_message (self));
    self->run->view->redraw (self->run->view);
    recorder_status (self);
    self->pace = g_timeout_add (self->run->setup->fast ? 1000 : 2000, on_pace, self);
    return TRUE;
}

gboolean
recorder_start (Recorder *self, GError **error)
{
    g_clear_handle_id (&self->again, g_source_remove);
    self->restarts = RESTARTS_MAX;      /* a failure before it records is told at once */
    /* One that failed a moment ago may be starting again by itself. */
    if (!self->running && !begin (self, error))
        return FALSE;
    while (self->running && !self->started && self->run->stop == STOP_NONE)
        g_main_context_iteration (self->run->context, TRUE);
    if (self->started) {
        self->restarts = 0;
        on_pace (self);
        return TRUE;
    }
    if (self->run->stop != STOP_NONE)
        return run_stopped (self->run, error);
    g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "%s", self->run->attention ? self->run->attention : "the recorder ended before it recorded anything");
    return FALSE;
}

gboolean
recorder_stop (Recorder *self, GError **error)
{
    gint64 until = clock_boot_ms () + STOP_MS;

    g_clear_handle_id (&self->again, g_source_remove);
    if (self->running) {
        self->stopping = TRUE;
        send_json (self, json_pack ("{s:s}", "cmd", "stop"));
        while (self->running && clock_boot_ms () < until && self->run->stop != STOP_FAULT)
            g_main_context_iteration (self->run->context, TRUE);
        put_away (self, 0);
    }
    return self->run->stop == STOP_FAULT ? run_stopped (self->run, error) : recorder_recover (self->run, error);
}

gboolean
recorder_show (Recorder *self, const char *note, guint64 size)
{
    self->awaited = (gint64) size;
    self->seen = FALSE;
    if (!self->running)
        return FALSE;
    send_json (self, json_pack ("{s:s,s:s,s:I}", "cmd", "qr", "text", note, "size", (json_int_t) size));
    return run_wait (self->run, &self->seen, 10000);
}

void
recorder_pace (Recorder *self, gboolean on)
{
    self->pace_on = on;
}

void
recorder_mark_camera (Recorder *self, gboolean on)
{
    self->marked = on;
    recorder_status (self);
}

void
recorder_status (Recorder *self)
{
    const Run *run = self->run;

    if (!self->running || self->stopping)
        return;
    send_json (self, json_pack ("{s:s,s:s,s:I,s:b,s:b}", "cmd", "status", "step", run->step ? run->step->title : run->script->title, "events",
                                (json_int_t) journal_size (run->journal), "mark_camera", (int) self->marked, "rehearsal", (int) run->setup->rehearsal));
}

void
recorder_tick (Recorder *self)
{
    gint64 limit = self->run->setup->silence_ms ? self->run->setup->silence_ms : SILENCE_MS;

    if (self->running && g_get_monotonic_time () / 1000 - self->heard_ms > limit && !self->stopping) {
        g_autofree char *why = g_strdup_printf ("it said nothing for %" G_GINT64_FORMAT " seconds", limit / 1000);
        failed (self, why);
    }
}

/* ── what the screen asks ── */

gboolean
recorder_running (const Recorder *self)
{
    return self->running && self->started;
}

gint64
recorder_ms (const Recorder *self)
{
    return recorder_running (self) ? self->before_ms + clock_boot_ms () - self->began_ms : -1;
}

guint64
recorder_dropped (const Recorder *self)
{
    return self->dropped;
}

const char *
recorder_camera (const Recorder *self)
{
    return self->camera ? self->camera : "";
}

Recorder *
recorder_new (Run *run)
{
    Recorder *self = g_new0 (Recorder, 1);

    self->run = run;
    self->queue = g_queue_new ();
    self->pace_on = TRUE;
    run->view->set_output_tap (run->view, on_terminal, on_resized, self);
    return self;
}

void
recorder_free (Recorder *self)
{
    if (self == NULL)
        return;
    self->run->view->set_output_tap (self->run->view, NULL, NULL, NULL);
    g_clear_handle_id (&self->again, g_source_remove);
    put_away (self, 3000);
    g_queue_free (self->queue);
    g_free (self->fault);
    g_free (self->camera);
    g_free (self);
}
