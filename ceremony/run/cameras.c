/* The list comes from ceremony-media, which alone knows cameras. */
#include "ceremony/run/cameras.h"
#include "ceremony/base/child.h"
#include "ceremony/base/errors.h"
#include <string.h>

json_t *
cameras_list (GError **error)
{
    g_autofree char *media = child_media_path (error);
    g_autoptr(GBytes) output = NULL;
    g_autoptr(json_t) list = json_array ();
    int status = -1;

    if (media == NULL || !child_run ((const char *const[]) { media, "cameras", NULL }, -1, NULL, 20000, 1 << 20, &output, &status, error))
        return NULL;
    if (status != 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "%s can't list cameras (exit status %d): install gstreamer1.0-plugins-base, -good and -bad", media, status);
        return NULL;
    }
    g_autofree char *text = g_bytes_get_size (output) ? g_strndup (g_bytes_get_data (output, NULL), g_bytes_get_size (output)) : g_strdup ("");
    g_auto(GStrv) lines = g_strsplit (text, "\n", -1);
    for (gsize i = 0; lines[i]; i++) {
        json_t *camera = cjson_parse (lines[i], strlen (lines[i]), NULL);
        if (camera && cjson_str (camera, "device", NULL))
            json_array_append_new (list, camera);
        else
            json_decref (camera);
    }
    return g_steal_pointer (&list);
}

static char *
described (const json_t *list)
{
    GString *text = g_string_new (NULL);
    const json_t *camera;
    gsize i;

    json_array_foreach (list, i, camera) {
        const char *name = cjson_str (camera, "name", NULL);
        g_string_append_printf (text, "%s%s (%s)", i ? ", " : "", name ? name : "?", cjson_str (camera, "device", NULL));
    }
    return g_string_free (text, FALSE);
}

static char *
by_name (const char *text, GError **error)
{
    g_autoptr(json_t) list = cameras_list (error);
    g_autofree char *wanted = g_utf8_casefold (text, -1), *known = NULL;
    const json_t *camera;
    const char *device = NULL;
    guint found = 0;
    gsize i;

    if (list == NULL)
        return NULL;
    json_array_foreach (list, i, camera) {
        const char *name = cjson_str (camera, "name", NULL);
        g_autofree char *folded = g_utf8_casefold (name ? name : "", -1);
        if (!strstr (folded, wanted))
            continue;
        device = cjson_str (camera, "device", NULL);
        found++;
    }
    if (found == 1)
        return g_strconcat ("device:", device, NULL);
    known = described (list);
    g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "camera '%s': %s; %s%s", text, found ? "several cameras have that in their name" : "no camera has that name",
                 *known ? "there are: " : "there is none here: connect one, any that Linux knows as /dev/video*", known);
    return NULL;
}

char *
camera_resolve (const char *text, GError **error)
{
    static const char *const kinds[] = { "file:", "device:" };

    if (strcmp (text, "test") == 0 || strcmp (text, "none") == 0)
        return g_strdup (text);
    for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
        if (g_str_has_prefix (text, kinds[i]) && text[strlen (kinds[i])] != '\0') {
            g_autofree char *path = g_canonicalize_filename (text + strlen (kinds[i]), NULL);
            return g_strconcat (kinds[i], path, NULL);
        }
    if (g_str_has_prefix (text, "/dev/"))
        return g_strconcat ("device:", text, NULL);
    if (*text && g_utf8_validate (text, -1, NULL))
        return by_name (text, error);
    g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "a camera must be named: test, none, file:PATH, device:PATH, or a part of its name");
    return NULL;
}
