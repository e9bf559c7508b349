/* ceremony play: the recorded video in a player, from its beginning or from a step. The player gets a plain copy of each part: its codecs never see the container. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/asice.h"
#include "ceremony/commands/commands.h"
#include "ceremony/journal/event.h"

static const char help[] =
    "usage: ceremony play BUNDLE [--step ID] [--print]\n"
    "\n"
    "Opens the recorded video in mpv, vlc or ffplay, whichever is installed. `ceremony verify` first: playing proves nothing.\n"
    "  --step ID   begin at that step of the script\n"
    "  --print     start no player: copy the parts out and print where they are and where the step begins\n";

typedef struct { guint part; gint64 ms; gboolean found; } Moment;

/* Where step @id begins: the media time of the newest code shown before it. */
static gboolean
find_step (const Asice *bundle, const char *id, Moment *moment, GError **error)
{
    g_autoptr (GBytes) bytes = asice_read (bundle, "journal/events.jsonl", ASICE_MAX_SMALL, error);
    if (bytes == NULL)
        return FALSE;
    gsize len;
    const char *p = g_bytes_get_data (bytes, &len), *end = p + len;
    Moment shown = { 1, 0, FALSE };
    g_autoptr (GString) steps = g_string_new (NULL);
    while (p < end && !moment->found) {
        const char *nl = memchr (p, '\n', end - p);
        g_autoptr (Event) event = event_parse (p, (nl ? nl : end) - p, error);
        if (event == NULL)
            return FALSE;
        gint64 part, ms;
        if (strcmp (event->type, "qr.shown") == 0 && cjson_int (event->data, "part", &part, NULL) && cjson_int (event->data, "media_ms", &ms, NULL))
            shown = (Moment){ part, ms, FALSE };
        if (strcmp (event->type, "step.begun") == 0)
            g_string_append_printf (steps, " %s", event->step);
        if (strcmp (event->type, "step.begun") == 0 && strcmp (event->step, id) == 0)
            *moment = (Moment){ shown.part, shown.ms, TRUE };
        p = nl ? nl + 1 : end;
    }
    if (!moment->found)
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "play: the ceremony has no step \"%s\"; it has:%s", id, steps->str);
    return moment->found;
}

static gboolean
copy_out (const Asice *bundle, const AsiceEntry *entry, const char *path, GError **error)
{
    int out = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return io_fail (error, errno, "play: %s", path);
    g_autofree char *piece = g_malloc (1 << 20);
    gboolean ok = TRUE;
    for (guint64 done = 0; ok && done < entry->length;) {
        ssize_t got = pread (asice_fd (bundle), piece, MIN (entry->length - done, 1u << 20), entry->offset + done);
        if (got <= 0 || write (out, piece, got) != got)
            ok = io_fail (error, errno, "play: copying %s out", entry->name);
        done += MAX (got, 0);
    }
    close (out);
    return ok;
}

static GPtrArray *
copy_videos (const Asice *bundle, const char *dir, GError **error)
{
    g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
    const GPtrArray *entries = asice_entries (bundle);
    for (guint i = 0; i < entries->len; i++) {
        const AsiceEntry *entry = g_ptr_array_index (entries, i);
        if (!g_str_has_prefix (entry->name, "video/") || !g_str_has_suffix (entry->name, ".mkv"))
            continue;
        g_autofree char *base = g_path_get_basename (entry->name);
        char *path = g_build_filename (dir, base, NULL);
        g_ptr_array_add (paths, path);
        if (!copy_out (bundle, entry, path, error))
            return NULL;
    }
    if (paths->len == 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "play: the bundle holds no video");
        return NULL;
    }
    return g_steal_pointer (&paths);
}

/* The first player that there is, with arguments to begin at @moment. */
static GPtrArray *
player (const GPtrArray *paths, const Moment *moment)
{
    static const struct { const char *name, *start, *more; gboolean one; } players[] = {
        { "mpv", "--start=%.1f", NULL, FALSE }, { "vlc", "--start-time=%.1f", NULL, FALSE }, { "ffplay", "%.1f", "-autoexit", TRUE },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (players); i++) {
        char *program = g_find_program_in_path (players[i].name);
        if (program == NULL)
            continue;
        GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);
        g_ptr_array_add (argv, program);
        if (players[i].more != NULL)
            g_ptr_array_add (argv, g_strdup (players[i].more));
        if (players[i].one)
            g_ptr_array_add (argv, g_strdup ("-ss"));
        g_autofree char *seconds = g_strdup_printf ("%.1f", moment->ms / 1000.0);
        g_auto (GStrv) parts = g_strsplit (players[i].start, "%.1f", 2);
        g_ptr_array_add (argv, g_strconcat (parts[0], seconds, NULL));
        for (guint p = moment->part - 1; p < paths->len && (!players[i].one || p == moment->part - 1); p++)
            g_ptr_array_add (argv, g_strdup (g_ptr_array_index (paths, p)));
        g_ptr_array_add (argv, NULL);
        return argv;
    }
    return NULL;
}

static int
play (const char *path, const char *step, gboolean print)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Asice) bundle = asice_open (path, &error);
    Moment moment = { 1, 0, FALSE };
    g_autofree char *dir = NULL;
    g_autoptr (GPtrArray) paths = NULL;
    if (bundle != NULL && (step == NULL || find_step (bundle, step, &moment, &error)) && (dir = g_dir_make_tmp ("ceremony-play-XXXXXX", &error)) != NULL)
        paths = copy_videos (bundle, dir, &error);
    if (paths == NULL) {
        fprintf (stderr, "ceremony: %s\n", error->message);
        return 1;
    }
    g_autoptr (GPtrArray) argv = print ? NULL : player (paths, &moment);
    if (argv == NULL) {
        if (!print)
            fprintf (stderr, "ceremony: play: no player here: install mpv. The video was copied out:\n");
        for (guint i = 0; i < paths->len; i++)
            puts (g_ptr_array_index (paths, i));
        printf ("begin: part %u at %" G_GINT64_FORMAT ".%03d s\n", moment.part, moment.ms / 1000, (int) (moment.ms % 1000));
        return print ? 0 : 1;
    }
    int status;
    gboolean ok = g_spawn_sync (NULL, (char **) argv->pdata, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, NULL, NULL, &status, &error);
    file_remove_tree (dir, NULL);
    if (!ok)
        fprintf (stderr, "ceremony: play: %s\n", error->message);
    return ok && status == 0 ? 0 : 1;
}

int
command_play (int argc, char **argv)
{
    const char *path = NULL, *step = NULL;
    gboolean print = FALSE, bad = FALSE;
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0) {
            fputs (help, stdout);
            return 0;
        }
        if (strcmp (argv[i], "--print") == 0)
            print = TRUE;
        else if (strcmp (argv[i], "--step") == 0 && i + 1 < argc)
            step = argv[++i];
        else if (argv[i][0] != '-' && path == NULL)
            path = argv[i];
        else
            bad = TRUE;
    }
    if (bad || path == NULL) {
        fputs (help, stderr);
        return 2;
    }
    return play (path, step, print);
}
