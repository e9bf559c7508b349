/* The job screen: looks at an X display and writes what QR codes are on it, until its standard output closes or it is stopped. Two processes: one takes pictures of the
 * display and has its socket; the other, locked in the sandbox before the first picture, reads the codes. Nothing here decodes video. */
#include <errno.h>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zbar.h>
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"
#include "media/jobs.h"
#include "media/lines.h"
#include "media/sandbox.h"

#define RATE 4                              /* pictures a second: a code stays for two seconds */
#define PIXELS_MAX (8192u * 8192u)
#define FIRST_PICTURE_S 20

typedef struct { guint32 width, height; gint64 ms; } Head;     /* before each picture in the pipe: luma without padding */

/* ── the reader, in the sandbox ── */

static gboolean
read_all (int fd, void *data, gsize len)
{
    for (gsize at = 0; at < len;) {
        ssize_t n = read (fd, (guint8 *) data + at, len - at);
        if (n > 0)
            at += n;
        else if (n == 0 || errno != EINTR)
            return FALSE;
    }
    return TRUE;
}

static gboolean
read_codes (zbar_image_scanner_t *scanner, const Head *head, const guint8 *luma)
{
    zbar_image_t *image = zbar_image_create ();
    gboolean ok = TRUE;
    zbar_image_set_format (image, zbar_fourcc ('Y', '8', '0', '0'));
    zbar_image_set_size (image, head->width, head->height);
    zbar_image_set_data (image, luma, (gsize) head->width * head->height, NULL);
    if (zbar_scan_image (scanner, image) > 0)
        for (const zbar_symbol_t *symbol = zbar_image_first_symbol (image); ok && symbol != NULL; symbol = zbar_symbol_next (symbol))
            if (zbar_symbol_get_type (symbol) == ZBAR_QRCODE)
                ok = print_line (json_pack ("{s:I, s:o}", "ms", (json_int_t) head->ms, "text", cjson_bytes (zbar_symbol_get_data (symbol), zbar_symbol_get_data_length (symbol))));
    zbar_image_destroy (image);
    return ok;
}

static json_t *
state_line (const Head *head, guint64 frames)
{
    return json_pack ("{s:I, s:I, s:I, s:I}", "duration_ms", (json_int_t) head->ms, "frames", (json_int_t) frames, "width", (json_int_t) head->width, "height",
                      (json_int_t) head->height);
}

static int
reader (int fd)
{
    g_autoptr (GError) error = NULL;
    const char *without = NULL;
    SandboxLimits limits = { .memory_bytes = G_GUINT64_CONSTANT (2) << 30 };
    zbar_image_scanner_t *scanner = zbar_image_scanner_create ();
    guint8 *luma = NULL;
    Head head = { 0 };
    guint64 frames = 0;
    gint64 told = G_MININT64 / 2;
    gboolean ok = TRUE;
#ifdef __SANITIZE_ADDRESS__
    limits.memory_bytes = 0;
#endif
    zbar_image_scanner_set_config (scanner, ZBAR_NONE, ZBAR_CFG_ENABLE, 0);
    zbar_image_scanner_set_config (scanner, ZBAR_QRCODE, ZBAR_CFG_ENABLE, 1);
    if (!sandbox_enter (&limits, &without, &error)) {
        fprintf (stderr, "ceremony-media: screen: %s\n", error->message);
        return 1;
    }
    while (ok && read_all (fd, &head, sizeof head) && head.width > 0 && head.height > 0 && head.width <= PIXELS_MAX / head.height) {
        luma = g_realloc (luma, (gsize) head.width * head.height);
        if (!read_all (fd, luma, (gsize) head.width * head.height))
            break;
        frames++;
        ok = read_codes (scanner, &head, luma);
        if (ok && head.ms - told >= 1000) {
            told = head.ms;
            ok = print_line (state_line (&head, frames));
        }
    }
    json_t *end = state_line (&head, frames);
    json_object_set_new (end, "end", json_true ());
    ok = ok && print_line (end);
    g_free (luma);
    zbar_image_scanner_destroy (scanner);
    return ok && frames > 0 ? 0 : 1;
}

/* ── the taker of pictures ── */

static gboolean
write_all (int fd, const void *data, gsize len)
{
    for (gsize at = 0; at < len;) {
        ssize_t n = write (fd, (const guint8 *) data + at, len - at);
        if (n > 0)
            at += n;
        else if (n == 0 || errno != EINTR)
            return FALSE;
    }
    return TRUE;
}

static gboolean
give_picture (GstSample *sample, gint64 ms, int fd)
{
    GstVideoInfo info;
    GstVideoFrame frame;
    gboolean ok;
    if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample)) || !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
        return TRUE;
    Head head = { info.width, info.height, ms };
    ok = write_all (fd, &head, sizeof head);
    for (guint y = 0; ok && y < head.height; y++)
        ok = write_all (fd, (const guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, 0) + (gsize) y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0), head.width);
    gst_video_frame_unmap (&frame);
    return ok;
}

static int
refuse (const char *display, const char *why)
{
    fprintf (stderr, "ceremony-media: screen: the display %s can't be looked at: %s. It must be an X display that this user may open (DISPLAY, XAUTHORITY); "
                     "of a Wayland session only windows of X programs can be seen: log in to an X session, or watch the recording\n",
             display && *display ? display : g_getenv ("DISPLAY") ? g_getenv ("DISPLAY") : "(none is named)", why);
    return 1;
}

static GstElement *
build (GstElement **sink, GError **error)
{
    g_autofree char *text = g_strdup_printf ("ximagesrc use-damage=false show-pointer=false ! video/x-raw,framerate=%d/1 ! videoconvert ! "
                                             "video/x-raw,format=GRAY8 ! appsink name=sink max-buffers=1 drop=true sync=false", RATE);
    GstElement *pipeline = gst_parse_launch (text, error);
    if (pipeline == NULL)
        return NULL;
    *sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
    return pipeline;
}

/* The pipeline's own word where it failed. g_free. */
static char *
bus_words (GstElement *pipeline)
{
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
    g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    g_autoptr (GError) why = NULL;
    if (message != NULL)
        gst_message_parse_error (message, &why, NULL);
    return why ? g_strdup (why->message) : NULL;
}

static int
take_pictures (const char *display, int fd)
{
    g_autoptr (GError) error = NULL;
    GstElement *sink = NULL, *pipeline = build (&sink, &error);
    gint64 first = 0, waited = g_get_monotonic_time ();
    g_autofree char *why = NULL;
    gboolean ok = TRUE;
    if (pipeline == NULL)
        return refuse (display, error->message);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    while (ok && why == NULL) {
        g_autoptr (GstSample) sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 200 * GST_MSECOND);
        gint64 now = g_get_monotonic_time ();
        if (sample != NULL) {
            first = first ? first : now;
            waited = now;
            ok = give_picture (sample, (now - first) / 1000, fd);
        } else if ((why = bus_words (pipeline)) == NULL && now - waited > FIRST_PICTURE_S * G_USEC_PER_SEC) {
            why = g_strdup ("no picture comes");
        }
    }
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_object_unref (sink);
    gst_object_unref (pipeline);
    return why ? refuse (display, why) : 0;
}

int
job_screen (int argc, char **argv)
{
    const char *display = NULL;
    int fds[2], status = 0, code;
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--display") != 0 || i + 1 >= argc) {
            fprintf (stderr, "usage: ceremony-media screen [--display NAME]\n");
            return 2;
        }
        display = argv[++i];
    }
    if (pipe (fds) != 0)
        return refuse (display, g_strerror (errno));
    /* Before GStreamer has threads, and before there is a socket to inherit. */
    pid_t pid = fork ();
    if (pid == 0) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        close (fds[1]);
        code = reader (fds[0]);
        fflush (stdout);
        _exit (code);
    }
    close (fds[0]);
    if (pid < 0)
        return refuse (display, g_strerror (errno));
    dup2 (STDERR_FILENO, STDOUT_FILENO);        /* the reader's output is the reader's alone */
    signal (SIGPIPE, SIG_IGN);
    /* By the environment: with its property of that name ximagesrc gives a picture, and then says that it can't open the display. */
    if (display != NULL && *display != '\0')
        g_setenv ("DISPLAY", display, TRUE);
    gst_registry_fork_set_enabled (FALSE);
    gst_init (NULL, NULL);
    code = take_pictures (display, fds[1]);
    close (fds[1]);
    while (waitpid (pid, &status, 0) < 0 && errno == EINTR)
        ;
    return code ? code : WIFEXITED (status) ? WEXITSTATUS (status) : 1;
}
