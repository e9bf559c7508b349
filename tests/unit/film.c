/* The forger's film: the real recorder with its test picture, told what to show; what it tells becomes events, as run/ does it. */
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ceremony/base/child.h"
#include "media/protocol.h"

typedef struct {
    Child    child;
    char    *dir;
    gboolean shown, started, stopped, marked, never_mark;
    const char *camera, *second, *audio;        /* NULL: the test picture, no second one, no sound */
    gint64   boot;                      /* of its first picture: forged events follow each other faster than pictures do */
    guint    n_asked, n_shown;
    gint64   began_us;
    /* what to lie about in the picture */
    guint    replace_at;                /* this showing (from 1) … */
    char  *(*replacement) (Forge *f, const char *note);     /* … shows this text instead */
} Film;

static gboolean
film_there (void)
{
    g_autofree char *path = child_media_path (NULL);

    return path != NULL;
}

/* For main: the test framework, with the recorder and scanner that were built beside the test. */
static ForgeWorld *
film_init (int *argc, char ***argv)
{
    g_autofree char *dir = g_path_get_dirname (**argv), *media = g_build_filename (dir, "..", "..", "ceremony-media", NULL), *asan = NULL;

    forge_quick (*argv);
    g_test_init (argc, argv, NULL);
    g_setenv ("CEREMONY_MEDIA", media, FALSE);
    /* LeakSanitizer can't work in the scanner's sandbox. */
    asan = g_strconcat (g_getenv ("ASAN_OPTIONS") ? g_getenv ("ASAN_OPTIONS") : "", ":detect_leaks=0", NULL);
    g_setenv ("ASAN_OPTIONS", asan, TRUE);
    return forge_world_new ();
}

static void
film_send (Film *film, json_t *message)
{
    g_autofree char *text = cjson_encode (message, NULL), *packet = g_strdup_printf ("%c%s", MEDIA_JSON, text);

    json_decref (message);
    g_assert_cmpint (send (film->child.sock, packet, strlen (packet), MSG_NOSIGNAL), ==, (gssize) strlen (packet));
}

/* A copy of @message with the members named, and the word "track" in the type. */
static json_t *
pick (const json_t *message, const char *const *names)
{
    json_t *data = json_object ();

    for (gsize i = 0; names[i]; i++)
        if (json_object_get (message, names[i]))
            json_object_set (data, names[i], json_object_get (message, names[i]));
    return data;
}

static void
film_closed (Forge *f, Film *film, const json_t *message)
{
    static const char *const names[] = { "track", "part", "path", "length", "sha256", "chunks", NULL };
    const char *path = json_string_value (json_object_get (message, "path"));
    g_autofree char *full = g_build_filename (film->dir, path, NULL);

    forge_emit (f, "track.closed", "recorder", pick (message, names));
    put (f->items, path, file_read (full, G_MAXINT, NULL));
    json_array_append_new (f->parts, json_string (path));
}

/* The recorder's clocks are this machine's, the journal's are forged: they are told as a machine whose clocks are the journal's would. */
static json_t *
with_clock (Forge *f, Film *film, json_t *data)
{
    gint64 at = film->boot + json_integer_value (json_object_get (data, "first_ms"));

    if (json_object_get (data, "clock"))
        json_object_set_new (data, "clock", json_pack ("{s:I, s:I, s:I}", "boot_ms", (json_int_t) at, "monotonic_ms", (json_int_t) at, "wall_ms",
                                                       (json_int_t) (f->base - f->boot + at)));
    return data;
}

static void
film_take (Forge *f, Film *film, const json_t *message)
{
    static const char *const chunk[] = { "part", "offset", "length", "sha256", "frames", "first_ms", "last_ms", "clock", NULL };
    static const char *const started[] = { "part", "video", "terminal", "width", "height", "fps", "camera", "cameras", "audio", "encoder", NULL };
    static const char *const repeats[] = { "part", "camera", "kind", "media_ms", "period_ms", NULL };
    static const char *const dropped[] = { "count", "media_ms", NULL };
    static const char *const shown[] = { "size", "part", "media_ms", NULL };
    const char *event = json_string_value (json_object_get (message, "event")), *track = json_string_value (json_object_get (message, "track"));

    if (g_str_equal (event, "started")) {
        json_t *data = pick (message, started);
        if (!f->rehearsal && film->audio)
            json_object_set_new (json_object_get (data, "audio"), "kind", json_string ("device"));
        if (!f->rehearsal)
            json_object_set_new (json_object_get (data, "camera"), "kind", json_string ("device"));
        for (gsize i = 0; !f->rehearsal && i < json_array_size (json_object_get (data, "cameras")); i++)
            json_object_set_new (json_array_get (json_object_get (data, "cameras"), i), "kind", json_string ("device"));
        forge_emit (f, "recording.started", "recorder", data);
        film->started = TRUE;
        film->boot = f->boot + f->mono - 25000;
    } else if (g_str_equal (event, "chunk")) {
        forge_emit (f, g_str_equal (track, "video") ? "video.chunk" : "terminal.chunk", "recorder", with_clock (f, film, pick (message, chunk)));
    } else if (g_str_equal (event, "frames_dropped")) {
        forge_emit (f, "frames.dropped", "recorder", pick (message, dropped));
    } else if (g_str_equal (event, "qr_shown")) {
        forge_emit (f, "qr.shown", "recorder", pick (message, shown));
        film->shown = TRUE;
    } else if (g_str_equal (event, "track_closed")) {
        film_closed (f, film, message);
    } else if (g_str_equal (event, "camera_repeats")) {
        forge_emit (f, "camera.repeats", "recorder", pick (message, repeats));
    } else if (g_str_equal (event, "stopped")) {
        film->stopped = TRUE;
    }
    g_assert_cmpstr (event, !=, "fault");
}

static void
film_pump (Forge *f, Film *film, const gboolean *until)
{
    gint64 deadline = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
    g_autofree char *packet = g_malloc (MEDIA_PACKET_MAX + 1);

    while (!(until && *until) && g_get_monotonic_time () < deadline) {
        struct pollfd pollfd = { film->child.sock, POLLIN, 0 };
        if (poll (&pollfd, 1, until ? 100 : 0) <= 0) {
            if (!until)
                return;
            continue;
        }
        gssize n = recv (film->child.sock, packet, MEDIA_PACKET_MAX, 0);
        g_autoptr(json_t) message = n > 1 ? cjson_parse (packet + 1, n - 1, NULL) : NULL;
        g_assert_nonnull (message);
        film_take (f, film, message);
    }
    g_assert_true (!until || *until);
    /* However slow the machine is: the journal's time is the film's. */
    if (film->began_us)
        f->mono = MAX (f->mono, (g_get_monotonic_time () - film->began_us) / 1000);
}

static void
film_start (Forge *f)
{
    Film *film = f->film_data;
    g_autofree char *media = child_media_path (NULL), *log = g_build_filename (f->world->dir, "recorder.log", NULL);
    const char *argv[] = { media, "record", NULL };
    g_autoptr(GError) error = NULL;

    film->dir = g_build_filename (f->world->dir, "film", NULL);
    g_assert_true (file_remove_tree (film->dir, NULL) || !g_file_test (film->dir, G_FILE_TEST_EXISTS));
    g_assert_true (file_mkdir (film->dir, NULL));
    g_assert_true (child_start (argv, CHILD_SOCKET | CHILD_DIES_WITH_US, -1, log, &film->child, &error));
    g_assert_no_error (error);
    film_send (film, json_pack ("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:s, s:o}", "cmd", "start", "dir", film->dir, "part", f->part, "width", 1280, "height", 720,
                                "fps", 15, "cols", 80, "rows", 24, "camera", film->camera ? film->camera : "test", "audio", film->audio ? film->audio : "none", "ceremony", f->ceremony, "origin", f->origin,
                                "more_cameras", film->second ? json_pack ("[s]", film->second) : json_array ()));
    film_pump (f, film, &film->started);
    film->began_us = g_get_monotonic_time () - f->mono * 1000;
}

static void
film_turn (Forge *f)
{
    film_pump (f, f->film_data, NULL);
}

static void
film_show (Forge *f, const char *note, guint64 size)
{
    Film *film = f->film_data;

    gboolean live = g_str_equal (f->step, "liveness");

    if (live != film->marked && !film->never_mark) {
        film_send (film, json_pack ("{s:s, s:s, s:i, s:b, s:b}", "cmd", "status", "step", f->step, "events", (int) f->events->len, "mark_camera", live, "rehearsal", 0));
        film->marked = live;
    }
    /* Every sixth will do, the opening, the sign of life and the last. */
    if (film->n_asked++ % 6 && !g_str_equal (f->step, "opening") && !live && *f->step)
        return;
    g_autofree char *other = ++film->n_shown == film->replace_at ? film->replacement (f, note) : NULL;

    film->shown = FALSE;
    g_assert_cmpint (send (film->child.sock, "Tstep\r\n", 7, MSG_NOSIGNAL), ==, 7);
    film_send (film, json_pack ("{s:s, s:s, s:I}", "cmd", "qr", "text", other ? other : note, "size", (json_int_t) size));
    film_pump (f, film, &film->shown);
}

static void
film_stop (Forge *f)
{
    Film *film = f->film_data;

    film_send (film, json_pack ("{s:s}", "cmd", "stop"));
    film_pump (f, film, &film->stopped);
    close (film->child.sock);
    waitpid (film->child.pid, NULL, 0);
    g_clear_pointer (&film->dir, g_free);
}

static const ForgeFilm film_ops = { film_start, film_turn, film_show, film_stop };
