/* ceremony cameras: which cameras this machine has, and what they see. */
#include "ceremony/run/cameras.h"
#include "ceremony/base/child.h"
#include "ceremony/base/errors.h"
#include "ceremony/commands/commands.h"
#include "ceremony/commands/preview.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: ceremony cameras [--json]\n"
    "       ceremony cameras --preview [CAMERA]…\n"
    "       ceremony cameras --window CAMERA\n\n"
    "Lists the cameras of this machine: `ceremony run` takes their device, or a part of their name.\n"
    "  --preview   what they see, in this terminal; n shows the next one, q ends it. Nothing is recorded\n"
    "  --window    what one sees, in a window\n"
    "  --json      the list as a JSON array of {\"device\",\"name\"}\n";

static int
fail (const GError *error)
{
    fprintf (stderr, "ceremony: cameras: %s\n", error->message);
    return g_error_matches (error, BASE_ERROR, BASE_ERROR_USAGE) ? 2 : 1;
}

static int
list_all (gboolean as_json)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) list = cameras_list (&error);
    const json_t *camera;
    gsize i;
    if (list == NULL)
        return fail (error);
    if (as_json) {
        g_autofree char *text = cjson_encode (list, NULL);
        puts (text ? text : "[]");
        return 0;
    }
    json_array_foreach (list, i, camera) {
        const char *name = cjson_str (camera, "name", NULL);
        g_autofree char *shown = g_strescape (name ? name : "?", NULL);
        printf ("%-16s %s\n", cjson_str (camera, "device", NULL), shown);
    }
    if (json_array_size (list) == 0)
        puts ("There is no camera here: plug one in (any that Linux knows as /dev/video*). A rehearsal can do without: ceremony rehearse --camera test");
    return 0;
}

/* The cameras named, or all there are, as the recorder takes them. */
static GPtrArray *
resolve_all (char **names, GError **error)
{
    g_autoptr (GPtrArray) cameras = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (json_t) list = names[0] ? NULL : cameras_list (error);
    if (!names[0] && list == NULL)
        return NULL;
    for (gsize i = 0; names[0] ? names[i] != NULL : i < json_array_size (list); i++) {
        const char *device = names[0] ? NULL : cjson_str (json_array_get (list, i), "device", NULL);
        char *camera = device ? g_strconcat ("device:", device, NULL) : camera_resolve (names[i], error);
        if (camera == NULL)
            return NULL;
        g_ptr_array_add (cameras, camera);
    }
    if (cameras->len == 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "there is no camera here: plug one in (any that Linux knows as /dev/video*)");
        return NULL;
    }
    g_ptr_array_add (cameras, NULL);
    return g_steal_pointer (&cameras);
}

static int
preview (char **names)
{
    g_autoptr (GError) error = NULL;
    PreviewAnswer answer;
    if (!isatty (STDIN_FILENO) || !isatty (STDOUT_FILENO)) {
        fputs ("ceremony: cameras: --preview draws into a terminal, and this isn't one\n", stderr);
        return 2;
    }
    g_autoptr (GPtrArray) cameras = resolve_all (names, &error);
    return cameras && preview_cameras ((const char *const *) cameras->pdata, "end", &answer, &error) ? 0 : fail (error);
}

static int
window (char **names)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) cameras = names[0] && names[1] ? NULL : resolve_all (names, &error);
    g_autofree char *media = cameras ? child_media_path (&error) : NULL;
    g_autoptr (GBytes) output = NULL;
    int status = -1;
    if (!cameras && !error)
        g_set_error (&error, BASE_ERROR, BASE_ERROR_USAGE, "--window shows one camera");
    if (error)
        return fail (error);
    const char *argv[] = { media, "preview", cameras->pdata[0], "--window", NULL };
    if (!child_run (argv, -1, NULL, G_MAXINT / 2, 4096, &output, &status, &error))
        return fail (error);
    g_autofree char *text = g_bytes_get_size (output) ? g_strndup (g_bytes_get_data (output, NULL), g_bytes_get_size (output)) : g_strdup ("");
    if (status != 0)
        fprintf (stderr, "ceremony: cameras: %s\n", *g_strchomp (text) ? text : "the window ended unexpectedly");
    return status == 0 ? 0 : 1;
}

int
command_cameras (int argc, char **argv)
{
    gboolean json = FALSE, in_terminal = FALSE, in_window = FALSE, bad = FALSE;
    g_autoptr (GPtrArray) names = g_ptr_array_new ();
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0) {
            fputs (help, stdout);
            return 0;
        }
        if (strcmp (argv[i], "--json") == 0)
            json = TRUE;
        else if (strcmp (argv[i], "--preview") == 0)
            in_terminal = TRUE;
        else if (strcmp (argv[i], "--window") == 0)
            in_window = TRUE;
        else if (argv[i][0] == '-')
            bad = TRUE;
        else
            g_ptr_array_add (names, argv[i]);
    }
    if (bad || json + in_terminal + in_window > 1 || (names->len > 0 && !in_terminal && !in_window)) {
        fputs (help, stderr);
        return 2;
    }
    g_ptr_array_add (names, NULL);
    return in_terminal ? preview ((char **) names->pdata) : in_window ? window ((char **) names->pdata) : list_all (json);
}
