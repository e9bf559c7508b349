/* Written straight into the setup of the ceremony. */
#include "ceremony/commands/recording-options.h"
#include "ceremony/base/errors.h"
#include <stdio.h>
#include <string.h>

static void
add_camera (RunSetup *setup, const char *camera)
{
    if (setup->camera == NULL) {
        setup->camera = g_strdup (camera);
        return;
    }
    guint n = setup->more_cameras ? g_strv_length (setup->more_cameras) : 0;
    setup->more_cameras = g_renew (char *, setup->more_cameras, n + 2);
    setup->more_cameras[n] = g_strdup (camera);
    setup->more_cameras[n + 1] = NULL;
}

/* "1920x1080@30", or one of the two names. */
static gboolean
take_picture (RunSetup *setup, const char *text, GError **error)
{
    static const struct { const char *name, *size; } names[] = { { "720p", "1280x720@15" }, { "1080p", "1920x1080@30" } };
    char rest;
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
        if (strcmp (text, names[i].name) == 0)
            text = names[i].size;
    if (sscanf (text, "%4ux%4u@%3u%c", &setup->width, &setup->height, &setup->fps, &rest) == 3 && setup->width >= 640 && setup->width <= 3840 && setup->height >= 360
        && setup->height <= 2160 && setup->fps >= 1 && setup->fps <= 60 && setup->width % 2 == 0 && setup->height % 2 == 0)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "--picture %s: it must be 720p, 1080p, or WIDTHxHEIGHT@FRAMES, even numbers from 640x360 to 3840x2160, 1 to 60 frames", text);
    return FALSE;
}

gboolean
recording_option (RunSetup *setup, int argc, char **argv, int *i, GError **error)
{
    const char *name = argv[*i], *value = *i + 1 < argc ? argv[*i + 1] : NULL;
    if (strcmp (name, "--window") == 0)
        return setup->window = TRUE;
    if (value == NULL)
        return FALSE;
    if (strcmp (name, "--camera") == 0) {
        add_camera (setup, value);
    } else if (strcmp (name, "--audio") == 0) {
        g_free (setup->audio);
        setup->audio = g_strdup (value);
    } else if (strcmp (name, "--virtual-camera") == 0) {
        g_free (setup->virtual_camera);
        setup->virtual_camera = g_canonicalize_filename (value, NULL);
    } else if (strcmp (name, "--picture") != 0 || !take_picture (setup, value, error)) {
        return FALSE;
    }
    (*i)++;
    return TRUE;
}
