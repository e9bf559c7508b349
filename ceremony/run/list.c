/* Which ceremonies lie under the home folder, and how far each has come. */
#include "ceremony/run/engine.h"
#include "ceremony/run/seal.h"
#include <string.h>
#include <unistd.h>

static int
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static gboolean
is_held (const char *folder)
{
    g_autofree char *path = g_build_filename (folder, "lock", NULL);
    g_autoptr(GError) failed = NULL;
    int fd;

    if (!g_file_test (path, G_FILE_TEST_EXISTS))
        return FALSE;
    fd = file_lock (path, &failed);
    if (fd >= 0)
        close (fd);
    return g_error_matches (failed, BASE_ERROR, BASE_ERROR_BUSY);
}

static const char *
last_step (Journal *journal)
{
    const Event *begun = journal_last (journal, "step.begun");

    return begun ? begun->step : "";
}

static void
tell_journal (json_t *entry, Journal *journal, const char *folder, const char *bundle)
{
    const Event *opened = journal_event (journal, 0), *closed = journal_last (journal, "ceremony.closed");
    g_autofree char *started = clock_format (opened->time);
    gboolean there = g_file_test (bundle, G_FILE_TEST_EXISTS), rehearsal = FALSE;
    const char *state = is_held (folder) ? "running" : there ? seal_is_sealed (bundle) ? "sealed" : "closed" : "open";

    cjson_bool (opened->data, "rehearsal", &rehearsal, NULL);
    json_object_set_new (entry, "state", json_string (state));
    json_object_set_new (entry, "started", json_string (started));
    json_object_set_new (entry, "rehearsal", json_boolean (rehearsal));
    json_object_set_new (entry, "events", json_integer ((json_int_t) journal_size (journal)));
    json_object_set_new (entry, "sitting", json_integer ((json_int_t) journal_event (journal, journal_size (journal) - 1)->sitting));
    json_object_set_new (entry, "step", json_string (last_step (journal)));
    json_object_set_new (entry, "outcome", closed ? json_string (cjson_str (closed->data, "outcome", NULL)) : json_null ());
    json_object_set_new (entry, "bundle", there ? json_string (bundle) : json_null ());
}

static json_t *
tell_ceremony (const char *dir, const char *name)
{
    g_autofree char *folder = g_build_filename (dir, name, NULL), *path = g_build_filename (folder, "journal.db", NULL);
    g_autofree char *file = g_strconcat (name, ".asice", NULL), *bundle = g_build_filename (folder, file, NULL);
    g_autoptr(GError) failed = NULL;
    g_autoptr(Journal) journal = journal_open_readonly (path, &failed);
    json_t *entry = json_pack ("{s:s,s:s}", "id", name, "folder", folder);

    if (journal != NULL && journal_size (journal) > 0) {
        tell_journal (entry, journal, folder, bundle);
        return entry;
    }
    json_object_set_new (entry, "state", json_string ("damaged"));
    json_object_set_new (entry, "reason", json_string (failed ? failed->message : "its journal holds no event yet"));
    return entry;
}

json_t *
run_list (const char *home, GError **error)
{
    g_autofree char *base = run_home (home), *dir = g_build_filename (base, "ceremonies", NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    g_autoptr(GDir) handle = NULL;
    json_t *list = json_array ();
    const char *name;

    if (!g_file_test (dir, G_FILE_TEST_EXISTS))
        return list;
    if ((handle = g_dir_open (dir, 0, error)) == NULL) {
        json_decref (list);
        return NULL;
    }
    while ((name = g_dir_read_name (handle)) != NULL)
        if (g_utf8_validate (name, -1, NULL))
            g_ptr_array_add (names, g_strdup (name));
    g_ptr_array_sort (names, compare_names);
    for (guint i = 0; i < names->len; i++)
        json_array_append_new (list, tell_ceremony (dir, g_ptr_array_index (names, i)));
    return list;
}
