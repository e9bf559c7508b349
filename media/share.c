/* Two frames in a memfd, written in turn; a counter says which is whole. The other process looks at its own pace. */
#include "media/share.h"
#include "media/jobs.h"
#include "media/protocol.h"
#include "ceremony/base/child.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"
#include <errno.h>
#include <glib-unix.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FRAMES_FD 4
#define MAGIC 0x63657265u

typedef struct {
    guint32 magic;
    gint32 width, height, fps;
    _Atomic guint64 count;      /* frames written; the last one lies in place count % 2 */
    guint8 frames[];
} Shared;

struct Share {
    const char *to;
    Shared *shared;
    gsize size;
    Child child;
    guint watch;
    char *reason;
    ShareEnded ended;
    gpointer user;
};

static gsize
frame_size (int width, int height)
{
    return (gsize) width * (gsize) height * 3 / 2;
}

/* ── the recorder's end ── */

static gboolean
on_word (int fd, GIOCondition condition, gpointer data)
{
    Share *self = data;
    char packet[2048];
    ssize_t len = recv (fd, packet, sizeof packet - 1, MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    if (len > 0) {
        g_free (self->reason);
        packet[len] = '\0';
        self->reason = g_utf8_make_valid (packet, -1);
        return G_SOURCE_CONTINUE;
    }
    self->watch = 0;
    self->ended (self->to, self->reason ? self->reason : "it ended unexpectedly", self->user);
    return G_SOURCE_REMOVE;
}

static Shared *
make_shared (int width, int height, int fps, gsize *size, int *fd, GError **error)
{
    *size = sizeof (Shared) + 2 * frame_size (width, height);
    *fd = memfd_create ("picture", MFD_CLOEXEC);
    Shared *shared = *fd >= 0 && ftruncate (*fd, (off_t) *size) == 0 ? mmap (NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0) : MAP_FAILED;
    if (shared == MAP_FAILED) {
        io_fail (error, errno, "memory for the shared picture");
        if (*fd >= 0)
            close (*fd);
        return NULL;
    }
    shared->width = width;
    shared->height = height;
    shared->fps = fps;
    shared->magic = MAGIC;
    return shared;
}

Share *
share_new (const char *device, int width, int height, int fps, ShareEnded ended, gpointer user, GError **error)
{
    g_autoptr (Share) self = g_new0 (Share, 1);
    g_autofree char *program = child_self_path ();
    const char *argv[] = { program, "share", device ? device : "window", NULL };
    int fd;
    self->child = (Child) { 0, -1, -1 };
    self->to = device ? "virtual camera" : "window";
    self->ended = ended;
    self->user = user;
    self->shared = make_shared (width, height, fps, &self->size, &fd, error);
    if (!self->shared)
        return NULL;
    gboolean started = child_start (argv, CHILD_SOCKET | CHILD_DIES_WITH_US, fd, NULL, &self->child, error);
    close (fd);
    if (!started) {
        self->child = (Child) { 0, -1, -1 };
        return NULL;
    }
    self->watch = g_unix_fd_add (self->child.sock, G_IO_IN | G_IO_HUP | G_IO_ERR, on_word, self);
    return g_steal_pointer (&self);
}

void
share_free (Share *self)
{
    if (!self)
        return;
    g_clear_handle_id (&self->watch, g_source_remove);
    if (self->child.sock >= 0)
        close (self->child.sock);
    if (self->child.pid > 0) {
        kill (self->child.pid, SIGKILL);
        waitpid (self->child.pid, NULL, 0);
    }
    if (self->shared)
        munmap (self->shared, self->size);
    g_free (self->reason);
    g_free (self);
}

void
share_frame (Share *self, const Picture *picture)
{
    if (self->watch == 0)
        return;
    gsize size = frame_size (self->shared->width, self->shared->height);
    guint64 next = atomic_load_explicit (&self->shared->count, memory_order_relaxed) + 1;
    guint8 *to = self->shared->frames + (next % 2) * size;
    for (int p = 0; p < 3; p++)
        for (int y = 0; y < picture->height >> (p > 0); y++, to += picture->width >> (p > 0))
            memcpy (to, picture->plane[p] + (gsize) y * picture->stride[p], picture->width >> (p > 0));
    atomic_store_explicit (&self->shared->count, next, memory_order_release);
}

/* ── the other process ── */

typedef struct {
    GMainLoop *loop;
    Shared *shared;
    guint64 shown;
    GstElement *pipeline, *source;
    int status;
} Viewer;

static void
say (Viewer *self, const char *reason)
{
    if (send (MEDIA_FD, reason, strlen (reason), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        g_printerr ("share: %s\n", reason);
    self->status = 1;
    g_main_loop_quit (self->loop);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
    if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR)
        return G_SOURCE_CONTINUE;
    g_autoptr (GError) error = NULL;
    gst_message_parse_error (message, &error, NULL);
    say (data, error->message);
    return G_SOURCE_REMOVE;
}

/* The newest whole frame, where there is a new one. */
static gboolean
on_pace (gpointer data)
{
    Viewer *self = data;
    gsize size = frame_size (self->shared->width, self->shared->height);
    guint64 count = atomic_load_explicit (&self->shared->count, memory_order_acquire);
    if (count == self->shown || gst_app_src_get_current_level_bytes (GST_APP_SRC (self->source)) > size)
        return G_SOURCE_CONTINUE;
    gst_app_src_push_buffer (GST_APP_SRC (self->source), gst_buffer_new_memdup (self->shared->frames + (count % 2) * size, size));
    self->shown = count;
    return G_SOURCE_CONTINUE;
}

static gboolean
on_over (int fd, GIOCondition condition, gpointer data)
{
    g_main_loop_quit (((Viewer *) data)->loop);
    return G_SOURCE_REMOVE;
}

static gboolean
map_frames (Viewer *self)
{
    struct stat st;
    if (fstat (FRAMES_FD, &st) != 0 || st.st_size < (off_t) sizeof (Shared))
        return FALSE;
    self->shared = mmap (NULL, (gsize) st.st_size, PROT_READ, MAP_SHARED, FRAMES_FD, 0);
    return self->shared != MAP_FAILED && self->shared->magic == MAGIC && self->shared->width > 0 && self->shared->height > 0 && self->shared->fps > 0
           && (gsize) st.st_size == sizeof (Shared) + 2 * frame_size (self->shared->width, self->shared->height);
}

/* Named by what the session offers: autovideosink would try a bare graphics card first. */
const char *
share_window_sink (GError **error)
{
    static const struct { const char *display, *sink, *package; } sinks[] = {
        { "WAYLAND_DISPLAY", "waylandsink", "gstreamer1.0-plugins-bad" },
        { "DISPLAY", "ximagesink", "gstreamer1.0-x" },
        { "DISPLAY", "glimagesink", "gstreamer1.0-gl" },
    };
    const char *lacks = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS (sinks); i++) {
        if (!g_getenv (sinks[i].display))
            continue;
        g_autoptr (GstElementFactory) factory = gst_element_factory_find (sinks[i].sink);
        if (factory)
            return sinks[i].sink;
        lacks = lacks ? lacks : sinks[i].package;
    }
    if (lacks)
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "GStreamer can't open a window here: install the package %s", lacks);
    else
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "there is no display here");
    return NULL;
}

static gboolean
build (Viewer *self, const char *to, GError **error)
{
    gboolean window = strcmp (to, "window") == 0;
    const char *name = window ? share_window_sink (error) : "v4l2sink";
    if (!name)
        return FALSE;
    g_autofree char *description = g_strdup_printf ("appsrc name=in is-live=true do-timestamp=true format=time ! videoconvert ! videoscale ! %s name=sink sync=false", name);
    self->pipeline = gst_parse_launch_full (description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
    if (!self->pipeline)
        return FALSE;
    GstVideoInfo info;
    gst_video_info_set_format (&info, GST_VIDEO_FORMAT_I420, (guint) self->shared->width, (guint) self->shared->height);
    gst_video_colorimetry_from_string (&info.colorimetry, GST_VIDEO_COLORIMETRY_BT709);
    info.fps_n = self->shared->fps;
    info.fps_d = 1;
    g_autoptr (GstCaps) caps = gst_video_info_to_caps (&info);
    self->source = gst_bin_get_by_name (GST_BIN (self->pipeline), "in");
    g_object_set (self->source, "caps", caps, NULL);
    g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (self->pipeline), "sink");
    if (!window)
        g_object_set (sink, "device", to, NULL);
    return TRUE;
}

int
job_share (int argc, char **argv)
{
    Viewer self = { .loop = g_main_loop_new (NULL, FALSE) };
    g_autoptr (GError) error = NULL;
    if (argc != 2 || !map_frames (&self)) {
        g_printerr ("ceremony-media: share: it is started by the recorder, which gives it the picture as descriptor 4\n");
        return 2;
    }
    g_set_prgname ("Key ceremony");     /* the window's title */
    gst_init (NULL, NULL);
    if (!build (&self, argv[1], &error)) {
        say (&self, error->message);
        return 1;
    }
    g_autoptr (GstBus) bus = gst_element_get_bus (self.pipeline);
    gst_bus_add_watch (bus, on_message, &self);
    g_unix_fd_add (MEDIA_FD, G_IO_HUP | G_IO_ERR, on_over, &self);
    g_timeout_add ((guint) MAX (1000 / self.shared->fps / 2, 5), on_pace, &self);
    gst_element_set_state (self.pipeline, GST_STATE_PLAYING);
    g_main_loop_run (self.loop);
    gst_element_set_state (self.pipeline, GST_STATE_NULL);
    return self.status;
}
