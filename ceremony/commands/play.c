/* ceremony play: the recorded video in a player, or the terminal's recording on this terminal, from its beginning, a step or a time. The player gets a plain copy of each
 * part: its codecs never see the container. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/clip.h"
#include "ceremony/commands/commands.h"
#include "ceremony/commands/replay.h"

static const char help[] =
    "usage: ceremony play BUNDLE [--step ID | [--part N] --from TIME] [--player NAME] [--print]\n"
    "       ceremony play BUNDLE --terminal [--step ID | [--part N] --from TIME] [--speed N]\n"
    "\n"
    "Opens the recorded video, or that of a clip, in mpv, vlc, ffplay or gst-play-1.0, whichever is installed. `ceremony verify` first: playing proves nothing.\n"
    "  --step ID      begin at that step of the script\n"
    "  --from TIME    begin at this time of the video: 75, 1:15 or 0:01:15.5\n"
    "  --part N       which part the time is of (1 if not said)\n"
    "  --player NAME  that player, not the first that is found\n"
    "  --print        start no player: copy the parts out and print where they are and where it would begin\n"
    "  --terminal     show the terminal's recording on this terminal: space pauses, left and right jump ten seconds, + and - change the speed, q ends\n"
    "  --speed N      so many times as fast as it was\n";

typedef struct {
    char    *step, *from, *player;
    int      part;
    double   speed;
    gboolean print, terminal, help;
    char   **bundle;
} Options;

typedef struct {
    GPtrArray *paths;           /* char *, NULL-terminated: the parts from the first to play on */
    gint64     part, ms;        /* where it begins, in the first of them */
} Film;

/* ── where it begins ── */

static gboolean
step_begins (const Moments *moments, const char *id, Moment *moment, GError **error)
{
    const StepPlace *place = moments_step (moments, id, error);
    const char *reason = place && place->skipped ? event_text (place->skipped, "reason") : NULL;

    if (place == NULL)
        return FALSE;
    *moment = place->begun ? moments_at (moments, place->begun) : (Moment) { 0, 0 };
    if (moment->part > 0)
        return TRUE;
    if (place->begun == NULL)
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "step \"%s\" was skipped (%s): there is nothing to see", id, reason ? reason : "no reason is told");
    else
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "nothing was being recorded when step \"%s\" began: `ceremony verify` tells why", id);
    return FALSE;
}

static gboolean
begins (const Asice *bundle, gboolean clip, const Options *o, Moment *moment, GError **error)
{
    *moment = (Moment) { o->part ? o->part : 1, 0 };
    if (o->from)
        return moment_parse (o->from, &moment->ms, error);
    if (!o->step)
        return TRUE;
    if (clip) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "a clip has no steps to choose from: it plays from its beginning");
        return FALSE;
    }
    g_autoptr(Moments) moments = moments_read (bundle, error);
    return moments != NULL && step_begins (moments, o->step, moment, error);
}

/* ── the video ── */

/* "video/0003.mkv": 3; 0 where the name is another. */
static gint64
part_of_name (const char *name)
{
    guint64 n = 0;
    g_autofree char *digits = g_str_has_prefix (name, "video/") && g_str_has_suffix (name, ".mkv") ? g_strndup (name + 6, strlen (name) - 10) : NULL;

    return digits && g_ascii_string_to_unsigned (digits, 10, 1, G_MAXINT32, &n, NULL) ? (gint64) n : 0;
}

static gboolean
copy_parts (const Asice *bundle, const char *dir, Film *film, GError **error)
{
    const GPtrArray *entries = asice_entries (bundle);

    for (guint i = 0; i < entries->len; i++) {
        const AsiceEntry *entry = entries->pdata[i];
        gint64 part = part_of_name (entry->name);
        if (part == 0 || (film->paths->len == 0 && part < film->part))
            continue;
        g_autofree char *base = g_path_get_basename (entry->name);
        char *path = g_build_filename (dir, base, NULL);
        if (film->paths->len == 0 && part != film->part)
            *film = (Film) { film->paths, part, 0 };
        g_ptr_array_add (film->paths, path);
        if (!asice_extract (bundle, entry, path, error))
            return FALSE;
    }
    if (film->paths->len == 0)
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "there is no video of part %" G_GINT64_FORMAT " in it", film->part);
    return film->paths->len > 0;
}

/* ── players ── */

static void
add (GPtrArray *argv, char *word)
{
    g_ptr_array_add (argv, word);
}

static char *
seconds (const Film *film)
{
    return g_strdup_printf ("%" G_GINT64_FORMAT ".%03d", film->ms / 1000, (int) (film->ms % 1000));
}

/* The time is of the first file alone: mpv's braces say so. */
static void
mpv (GPtrArray *argv, const Film *film)
{
    g_autofree char *time = seconds (film);

    add (argv, g_strdup ("--force-window=yes"));
    add (argv, g_strdup ("--{"));
    add (argv, g_strconcat ("--start=", time, NULL));
    add (argv, g_strdup (film->paths->pdata[0]));
    add (argv, g_strdup ("--}"));
    for (guint i = 1; i < film->paths->len; i++)
        add (argv, g_strdup (film->paths->pdata[i]));
}

/* Options of vlc that begin with a colon are of the file before them. */
static void
vlc (GPtrArray *argv, const Film *film)
{
    g_autofree char *time = seconds (film);

    add (argv, g_strdup ("--play-and-exit"));
    add (argv, g_strdup (film->paths->pdata[0]));
    add (argv, g_strconcat (":start-time=", time, NULL));
    for (guint i = 1; i < film->paths->len; i++)
        add (argv, g_strdup (film->paths->pdata[i]));
}

static void
ffplay (GPtrArray *argv, const Film *film)
{
    add (argv, g_strdup ("-loglevel"));
    add (argv, g_strdup ("error"));
    add (argv, g_strdup ("-autoexit"));
    add (argv, g_strdup ("-ss"));
    add (argv, seconds (film));
    add (argv, g_strdup (film->paths->pdata[0]));
}

static void
gst_play (GPtrArray *argv, const Film *film)
{
    g_autofree char *time = seconds (film);

    add (argv, g_strdup ("--quiet"));
    add (argv, g_strconcat ("--start-position=", time, NULL));
    add (argv, g_strdup (film->paths->pdata[0]));
}

static const struct {
    const char *name;
    void      (*arguments) (GPtrArray *argv, const Film *film);
    gboolean    one;                    /* takes one file: the parts come one after the other */
} players[] = { { "mpv", mpv, FALSE }, { "vlc", vlc, FALSE }, { "ffplay", ffplay, TRUE }, { "gst-play-1.0", gst_play, TRUE } };

/* Its number in the table; -1 and @error where there is none. */
static int
find_player (const char *wanted, char **program, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS (players); i++) {
        if (wanted && strcmp (wanted, players[i].name) != 0)
            continue;
        *program = g_find_program_in_path (players[i].name);
        if (*program)
            return (int) i;
    }
    if (wanted)
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "there is no player \"%s\" here that I know how to start: mpv, vlc, ffplay or gst-play-1.0", wanted);
    else
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "there is no player here: install one with `apt-get install mpv`; or `ceremony extract BUNDLE -d DIR --viewing` makes a copy for a browser");
    return -1;
}

/* Ctrl-C ends the player, not us: what was copied out is still to be removed. */
static void
own_signals (gpointer data)
{
    signal (SIGINT, SIG_DFL);
}

static gboolean
run_player (char *program, int player, const Film *film, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
    int status = 0;

    add (argv, g_strdup (program));
    players[player].arguments (argv, film);
    g_ptr_array_add (argv, NULL);
    if (!g_spawn_sync (NULL, (char **) argv->pdata, NULL, G_SPAWN_CHILD_INHERITS_STDIN, own_signals, NULL, NULL, NULL, &status, error))
        return FALSE;
    if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "%s ended with %s %d: try another with --player", players[player].name, WIFEXITED (status) ? "status" : "signal",
                 WIFEXITED (status) ? WEXITSTATUS (status) : WTERMSIG (status));
    return FALSE;
}

static gboolean
play_parts (char *program, int player, Film *film, GError **error)
{
    void (*before) (int) = signal (SIGINT, SIG_IGN);
    gboolean ok = run_player (program, player, film, error);

    while (ok && players[player].one && film->paths->len > 1) {
        g_ptr_array_remove_index (film->paths, 0);
        film->ms = 0;
        ok = run_player (program, player, film, error);
    }
    signal (SIGINT, before);
    return ok;
}

static gboolean
has_display (GError **error)
{
    if (g_getenv ("DISPLAY") || g_getenv ("WAYLAND_DISPLAY"))
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING,
                 "there is no display here: `ceremony extract BUNDLE -d DIR --viewing` makes a copy to look at elsewhere, --terminal shows the terminal's recording here");
    return FALSE;
}

static void
print_parts (const Film *film)
{
    for (guint i = 0; i < film->paths->len; i++)
        puts (film->paths->pdata[i]);
    printf ("begin: part %" G_GINT64_FORMAT " at %" G_GINT64_FORMAT ".%03d s\n", film->part, film->ms / 1000, (int) (film->ms % 1000));
}

static gboolean
play_video (const Asice *bundle, const Options *o, Moment moment, GError **error)
{
    g_autofree char *program = NULL, *dir = NULL;
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
    Film film = { paths, moment.part, moment.ms };
    int player = o->print ? 0 : find_player (o->player, &program, error);
    gboolean ok = player >= 0 && (o->print || has_display (error)) && (dir = g_dir_make_tmp ("ceremony-play-XXXXXX", error)) != NULL;

    ok = ok && copy_parts (bundle, dir, &film, error);
    if (ok && o->print)
        print_parts (&film);
    else if (ok)
        ok = play_parts (program, player, &film, error);
    if (dir && !(ok && o->print))
        file_remove_tree (dir, NULL);
    return ok;
}

/* ── the terminal ── */

static gboolean
play_terminal (const Asice *bundle, const Options *o, Moment moment, GError **error)
{
    g_autofree char *name = g_strdup_printf ("terminal/%04" G_GINT64_FORMAT ".cast", moment.part);
    g_autoptr(GBytes) bytes = asice_read (bundle, name, ASICE_MAX_SMALL, error);
    g_autoptr(Replay) replay = bytes ? replay_read (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error) : NULL;

    if (replay == NULL) {
        g_prefix_error (error, "%s: ", name);
        return FALSE;
    }
    gboolean ok = replay_on_terminal (replay, moment.ms, o->speed > 0 ? o->speed : 1);
    if (ok && replay->cut)
        fprintf (stderr, "ceremony: play: %s is cut off or damaged after what was shown\n", name);
    return ok;
}

/* ── the command ── */

static gboolean
parse (int argc, char **argv, Options *o, GError **error)
{
    const GOptionEntry entries[] = {
        { "step", 0, 0, G_OPTION_ARG_STRING, &o->step, NULL, NULL },
        { "from", 0, 0, G_OPTION_ARG_STRING, &o->from, NULL, NULL },
        { "part", 0, 0, G_OPTION_ARG_INT, &o->part, NULL, NULL },
        { "player", 0, 0, G_OPTION_ARG_STRING, &o->player, NULL, NULL },
        { "print", 0, 0, G_OPTION_ARG_NONE, &o->print, NULL, NULL },
        { "terminal", 0, 0, G_OPTION_ARG_NONE, &o->terminal, NULL, NULL },
        { "speed", 0, 0, G_OPTION_ARG_DOUBLE, &o->speed, NULL, NULL },
        { "help", 0, 0, G_OPTION_ARG_NONE, &o->help, NULL, NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->bundle, NULL, NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };

    if (!command_options (entries, &argc, &argv, error) || o->help)
        return o->help;
    if (!o->bundle || g_strv_length (o->bundle) != 1)
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "name one bundle or clip");
    else if (o->step && (o->from || o->part))
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "say either --step or --from and --part");
    else if (o->part < 0 || !(o->speed >= 0 && o->speed <= 64))
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "parts are counted from 1, and --speed is at most 64");
    else if (o->terminal && (o->print || o->player))
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "--terminal needs no player");
    else
        return TRUE;
    return FALSE;
}

static int
run (const Options *o)
{
    g_autoptr(GError) error = NULL;
    gboolean clip = asice_begins_as (o->bundle[0], CLIP_MIMETYPE);
    g_autoptr(Asice) bundle = asice_open_as (o->bundle[0], clip ? CLIP_MIMETYPE : ASICE_MIMETYPE, &error);
    Moment moment;

    if (bundle == NULL || !begins (bundle, clip, o, &moment, &error)) {
        fprintf (stderr, "ceremony: play: %s\n", error->message);
        return g_error_matches (error, BASE_ERROR, BASE_ERROR_MISSING) && bundle ? 1 : 2;
    }
    if (o->terminal ? play_terminal (bundle, o, moment, &error) : play_video (bundle, o, moment, &error))
        return 0;
    if (error != NULL)
        fprintf (stderr, "ceremony: play: %s\n", error->message);
    return 1;
}

int
command_play (int argc, char **argv)
{
    Options o = { 0 };
    g_autoptr(GError) error = NULL;
    int status = 2;

    if (!parse (argc, argv, &o, &error)) {
        fprintf (stderr, "ceremony: play: %s; `ceremony play --help` tells how\n", error->message);
    } else if (o.help) {
        fputs (help, stdout);
        status = 0;
    } else {
        status = run (&o);
    }
    g_free (o.step);
    g_free (o.from);
    g_free (o.player);
    g_strfreev (o.bundle);
    return status;
}
