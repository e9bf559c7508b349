/* What an interrupted recording left behind: parts that were started and never closed are closed by what their files hold, so that the journal tells of every
 * byte; files that the journal never heard of are put out of the way. */
#include "ceremony/run/recorder.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const tracks[][2] = { { "video", "video.chunk" }, { "terminal", "terminal.chunk" } };

typedef struct {
    const char *track, *chunk_type;
    char       *path;               /* relative to the folder */
    gint64      part, end, chunks;  /* as journaled */
    gboolean    closed;
} Leftover;

static void
leftover_free (gpointer data)
{
    g_free (((Leftover *) data)->path);
    g_free (data);
}

static gint64
event_int (const Event *event, const char *key)
{
    gint64 n = 0;

    return cjson_int (event->data, key, &n, NULL) ? n : -1;
}

static void
add_started (GPtrArray *list, const Event *event)
{
    for (gsize t = 0; t < G_N_ELEMENTS (tracks); t++) {
        const char *path = cjson_str (event->data, tracks[t][0], NULL);
        if (path == NULL)
            continue;
        Leftover *one = g_new0 (Leftover, 1);
        one->track = tracks[t][0];
        one->chunk_type = tracks[t][1];
        one->path = g_strdup (path);
        one->part = event_int (event, "part");
        g_ptr_array_add (list, one);
    }
}

static void
add_to (GPtrArray *list, const Event *event)
{
    for (guint i = 0; i < list->len; i++) {
        Leftover *one = g_ptr_array_index (list, i);
        if (strcmp (event->type, one->chunk_type) == 0 && event_int (event, "part") == one->part) {
            one->end = event_int (event, "offset") + event_int (event, "length");
            one->chunks++;
        } else if (strcmp (event->type, "track.closed") == 0 && g_strcmp0 (cjson_str (event->data, "path", NULL), one->path) == 0) {
            one->closed = TRUE;
        }
    }
}

/* Every part that was started, with what the journal holds of it. */
static GPtrArray *
parts (Run *run)
{
    GPtrArray *list = g_ptr_array_new_with_free_func (leftover_free);

    for (guint64 seq = 0; seq < journal_size (run->journal); seq++) {
        const Event *event = journal_event (run->journal, seq);
        if (strcmp (event->type, "recording.started") == 0)
            add_started (list, event);
        else
            add_to (list, event);
    }
    return list;
}

json_t *
recorder_leftovers (Run *run)
{
    g_autoptr(GPtrArray) list = parts (run);
    json_t *paths = json_array ();

    for (guint i = 0; i < list->len; i++) {
        const Leftover *one = g_ptr_array_index (list, i);
        g_autofree char *full = g_build_filename (run->folder, one->path, NULL);
        struct stat st;
        if (!one->closed && stat (full, &st) == 0 && st.st_size > one->end)
            json_array_append_new (paths, json_string (one->path));
    }
    return paths;
}

static gboolean
recover_bytes (Run *run, Leftover *one, int fd, gint64 length, GError **error)
{
    guint8 digest[SHA256_LEN];
    g_autofree char *hex = NULL;
    gint64 total;

    if (!sha256_fd (fd, one->end, length - one->end, digest, &total, error))
        return FALSE;
    hex = hex_encode (digest, sizeof digest);
    one->chunks++;
    return run_event (run, one->chunk_type, "recorder", json_pack ("{s:I,s:I,s:I,s:s,s:b}", "part", (json_int_t) one->part, "offset", (json_int_t) one->end,
                      "length", (json_int_t) (length - one->end), "sha256", hex, "recovered", 1), error);
}

static gboolean
close_track (Run *run, Leftover *one, GError **error)
{
    g_autofree char *full = g_build_filename (run->folder, one->path, NULL), *hex = NULL;
    int fd = open (full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    guint8 digest[SHA256_LEN];
    gint64 total = 0;
    gboolean ok;

    if (fd < 0)
        return io_fail (error, errno, "%s: the journal tells of this recording, and it can't be read; put the file back, then resume", full);
    ok = fstat (fd, &st) == 0 && fsync (fd) == 0;
    if (!ok)
        io_fail (error, errno, "%s", full);
    ok = ok && (st.st_size <= one->end || recover_bytes (run, one, fd, st.st_size, error));
    ok = ok && sha256_fd (fd, 0, st.st_size, digest, &total, error);
    close (fd);
    if (!ok)
        return FALSE;
    hex = hex_encode (digest, sizeof digest);
    return run_event (run, "track.closed", "recorder", json_pack ("{s:s,s:I,s:s,s:I,s:s,s:I}", "track", one->track, "part", (json_int_t) one->part, "path",
                      one->path, "length", (json_int_t) total, "sha256", hex, "chunks", (json_int_t) one->chunks), error);
}

/* A recorder that began a file and died before it could say so: nothing is known of it but its bytes. They stay in the folder, outside of the evidence. */
static gboolean
set_aside (Run *run, const char *folder, const GPtrArray *known, GError **error)
{
    g_autofree char *dir = g_build_filename (run->folder, folder, NULL), *aside = g_build_filename (run->folder, "unjournaled", NULL);
    g_autoptr(GDir) handle = g_dir_open (dir, 0, NULL);
    const char *name;

    while (handle && (name = g_dir_read_name (handle)) != NULL) {
        g_autofree char *path = g_strconcat (folder, "/", name, NULL), *from = g_build_filename (dir, name, NULL);
        g_autofree char *to = g_strdup_printf ("%s/%" G_GINT64_FORMAT "-%s", aside, clock_wall_ms (), name);
        gboolean found = FALSE;
        for (guint i = 0; i < known->len; i++)
            found = found || strcmp (((Leftover *) g_ptr_array_index (known, i))->path, path) == 0;
        if (found)
            continue;
        if (!file_mkdir (aside, error))
            return FALSE;
        if (rename (from, to) != 0)
            return io_fail (error, errno, "%s", from);
    }
    return TRUE;
}

gboolean
recorder_recover (Run *run, GError **error)
{
    g_autoptr(GPtrArray) list = parts (run);

    for (guint i = 0; i < list->len; i++) {
        Leftover *one = g_ptr_array_index (list, i);
        if (!one->closed && !close_track (run, one, error))
            return FALSE;
    }
    for (gsize t = 0; t < G_N_ELEMENTS (tracks); t++)
        if (!set_aside (run, tracks[t][0], list, error))
            return FALSE;
    return TRUE;
}
