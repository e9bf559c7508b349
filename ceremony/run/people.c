/* people.json: the one file that names persons. Events know them as p1, p2 and the salted hash of their entry. */
#include "ceremony/run/engine.h"
#include <string.h>

#define PEOPLE_MAX (256 * 1024)

static char *
people_path (const Run *run)
{
    return g_build_filename (run->folder, "people.json", NULL);
}

gboolean
people_load (Run *run, GError **error)
{
    g_autofree char *path = people_path (run);
    g_autoptr(GBytes) bytes = NULL;

    g_clear_pointer (&run->people, json_decref);
    if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
        run->people = json_pack ("{s:s,s:[]}", "format", "ceremony/people/v1", "people");
        return TRUE;
    }
    if ((bytes = file_read (path, PEOPLE_MAX, error)) != NULL)
        run->people = cjson_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error);
    if (run->people != NULL && cjson_arr (run->people, "people", error) != NULL)
        return TRUE;
    g_prefix_error (error, "%s: ", path);
    return FALSE;
}

const json_t *
people_entry (Run *run, const char *role)
{
    json_t *entry, *found = NULL;
    gsize i;

    json_array_foreach (json_object_get (run->people, "people"), i, entry)
        if (g_strcmp0 (cjson_str (entry, "role", NULL), role) == 0)
            found = entry;
    return found;
}

/* The entry counts once the journal knows of it. */
const char *
people_person_of (Run *run, const char *role)
{
    for (guint64 seq = journal_size (run->journal); seq-- > 0;) {
        const Event *event = journal_event (run->journal, seq);
        if (strcmp (event->type, "person.identified") == 0 && g_strcmp0 (cjson_str (event->data, "role", NULL), role) == 0)
            return cjson_str (event->data, "person", NULL);
    }
    return "";
}

gboolean
people_put (Run *run, json_t *entry, GError **error)
{
    json_t *list = json_object_get (run->people, "people"), *old;
    g_autofree char *path = people_path (run), *text = NULL;
    gsize i;

    json_array_foreach (list, i, old)
        if (g_strcmp0 (cjson_str (old, "person", NULL), cjson_str (entry, "person", NULL)) == 0)
            break;
    if (i < json_array_size (list))
        json_array_set_new (list, i, entry);
    else
        json_array_append_new (list, entry);
    text = cjson_encode (run->people, error);
    return text != NULL && file_write (path, text, strlen (text), 0600, TRUE, error);
}
