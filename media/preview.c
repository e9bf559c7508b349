/* The job preview: what a camera sees, in half-block characters on standard output, or in a window. `ceremony` starts it, before anything is recorded. */
#include "media/camera.h"
#include "media/halfblock.h"
#include "media/jobs.h"
#include "media/share.h"
#include "ceremony/base/errors.h"
#include <glib-unix.h>
#include <gst/video/video.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACE_MS 100

typedef struct {
    GMainLoop *loop;
    Source *source;
    HalfblockMode mode;
    guint columns, rows, top;
} Preview;

static void
flush (const char *text, gsize len)
{
    if (fwrite (text, 1, len, stdout) != len || fflush (stdout) != 0)
        exit (0);               /* whoever looked is gone */
}

static void
on_changed (gboolean lost, const char *reason, gpointer user)
{
    Preview *self = user;
    g_autofree char *text = lost ? g_strdup_printf ("\x1b[%u;1H\x1b[KNothing comes from it: %.*s", self->top, (int) self->columns - 26, reason) : NULL;
    if (text)
        flush (text, strlen (text));
}

static gboolean
on_pace (gpointer user)
{
    Preview *self = user;
    g_autoptr (GstSample) sample = source_pull (self->source);
    GstVideoInfo info;
    GstVideoFrame frame;
    if (!sample || !gst_video_info_from_caps (&info, gst_sample_get_caps (sample)) || (guint) info.width != self->columns || (guint) info.height != 2 * self->rows
        || !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
        return G_SOURCE_CONTINUE;
    g_autoptr (GString) out = g_string_new (NULL);
    halfblock_draw (out, self->mode, GST_VIDEO_FRAME_PLANE_DATA (&frame, 0), (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0), self->columns, self->rows, self->top);
    gst_video_frame_unmap (&frame);
    flush (out->str, out->len);
    return G_SOURCE_CONTINUE;
}

static int
in_terminal (Preview *self, const char *camera, GError **error)
{
    const char *property;
    g_autofree char *value = NULL;
    gboolean loop;
    g_autofree char *description = cameras_describe (camera, &property, &value, &loop, error);
    if (!description)
        return 2;
    g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "RGB", "width", G_TYPE_INT, (int) self->columns, "height", G_TYPE_INT,
                                                    (int) (2 * self->rows), "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, NULL);
    self->source = source_new (description, property, value, caps, loop, on_changed, self);
    g_timeout_add (PACE_MS, on_pace, self);
    g_main_loop_run (self->loop);
    return 0;
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer user)
{
    Preview *self = user;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
        g_autoptr (GError) why = NULL;
        gst_message_parse_error (message, &why, NULL);
        puts (why->message);
        fflush (stdout);
        g_main_loop_quit (self->loop);
    }
    return G_SOURCE_CONTINUE;
}

/* The same pipeline with a window at its end. */
static int
in_window (Preview *self, const char *camera, GError **error)
{
    const char *property, *sink = share_window_sink (error);
    g_autofree char *value = NULL;
    gboolean loop;
    g_autofree char *description = sink ? cameras_describe (camera, &property, &value, &loop, error) : NULL;
    if (!description)
        return sink ? 2 : 1;
    char *end = strstr (description, "videoscale");
    g_autofree char *whole = g_strdup_printf ("%.*s videoscale ! %s", (int) (end - description), description, sink);
    g_autoptr (GstElement) pipeline = gst_parse_launch_full (whole, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
    if (!pipeline)
        return 1;
    g_autoptr (GstElement) src = property ? gst_bin_get_by_name (GST_BIN (pipeline), "src") : NULL;
    if (src)
        g_object_set (src, property, value, NULL);
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
    gst_bus_add_watch (bus, on_message, self);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    g_main_loop_run (self->loop);
    gst_element_set_state (pipeline, GST_STATE_NULL);
    return 0;
}

static gboolean
read_number (const char *text, guint max, guint *value)
{
    guint64 n;
    if (!g_ascii_string_to_unsigned (text, 10, 1, max, &n, NULL))
        return FALSE;
    *value = (guint) n;
    return TRUE;
}

static gboolean
read_options (Preview *self, int argc, char **argv, gboolean *window)
{
    if (argc < 2)
        return FALSE;
    for (int i = 2; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp (argv[i], "--window") == 0) {
            *window = TRUE;
            continue;
        }
        if (!(strcmp (argv[i], "--columns") == 0 && read_number (value, 1000, &self->columns)) && !(strcmp (argv[i], "--rows") == 0 && read_number (value, 1000, &self->rows))
            && !(strcmp (argv[i], "--top") == 0 && read_number (value, 1000, &self->top)) && !(strcmp (argv[i], "--colours") == 0 && halfblock_mode (value, &self->mode)))
            return FALSE;
        i++;
    }
    return TRUE;
}

int
job_preview (int argc, char **argv)
{
    Preview self = { .loop = g_main_loop_new (NULL, FALSE), .columns = 80, .rows = 22, .top = 1 };
    gboolean window = FALSE;
    if (!read_options (&self, argc, argv, &window)) {
        fputs ("usage: ceremony-media preview CAMERA [--columns N] [--rows N] [--top N] [--colours truecolor|256|shades|ascii] | --window\n", stderr);
        return 2;
    }
    signal (SIGPIPE, SIG_IGN);
    g_set_prgname ("Camera");
    gst_init (NULL, NULL);
    g_autoptr (GError) error = NULL;
    int status = window ? in_window (&self, argv[1], &error) : in_terminal (&self, argv[1], &error);
    if (error) {
        puts (error->message);
        fflush (stdout);
    }
    return status;
}
