/* GStreamer scales and converts, keeping the picture's shape; the pane may change its size at any time. */
#include "media/camera.h"
#include "ceremony/base/errors.h"
#include <gst/video/video.h>
#include <string.h>

/* What a webcam is asked for, best first: left to itself, v4l2src takes the largest raw picture, at two or three frames a second. */
#define WEBCAM "capsfilter caps=\"image/jpeg,width=1280,height=720;video/x-raw,width=1280,height=720,framerate=[10/1,60/1];" \
               "video/x-raw,width=640,height=480;image/jpeg;video/x-raw\" "
#define TO_PANE "videoconvert ! videoscale add-borders=true ! capsfilter name=caps ! appsink name=out drop=true max-buffers=1 "

static const struct {
    const char *kind, *property, *title, *description;
    gboolean named, loop;
} kinds[] = {
    { "test", NULL, "test picture",
      "videotestsrc is-live=true pattern=smpte75 horizontal-speed=2 ! video/x-raw,width=640,height=480,framerate=15/1 ! " TO_PANE "sync=false", FALSE, FALSE },
    { "file", "location", "from a file", "filesrc name=src ! decodebin ! " TO_PANE "sync=true", TRUE, TRUE },
    { "device", "device", NULL, "v4l2src name=src ! " WEBCAM "! decodebin ! " TO_PANE "sync=false", TRUE, FALSE },
    { "none", NULL, "none", NULL, FALSE, FALSE },
};

struct Camera {
    gsize kind;
    char *name;
    Compose *compose;
    Source *source;
    int width, height;          /* asked for */
};

static GstCaps *
pane_caps (Camera *self)
{
    compose_camera_size (self->compose, &self->width, &self->height);
    return gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "I420", "width", G_TYPE_INT, self->width, "height", G_TYPE_INT, self->height,
                                "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, "colorimetry", G_TYPE_STRING, "bt709", NULL);
}

static gboolean
parse (Camera *self, const char *camera, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++) {
        gsize len = strlen (kinds[i].kind);
        gboolean match = kinds[i].named ? g_str_has_prefix (camera, kinds[i].kind) && camera[len] == ':' && camera[len + 1] == '/'
                                        : strcmp (camera, kinds[i].kind) == 0;
        if (!match)
            continue;
        self->kind = i;
        self->name = g_strdup (kinds[i].named ? camera + len + 1 : kinds[i].kind);
        return TRUE;
    }
    g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "camera %s: it must be test, none, file:/PATH or device:/dev/videoN", camera);
    return FALSE;
}

Camera *
camera_new (const char *camera, Compose *compose, SourceChanged changed, gpointer user, GError **error)
{
    g_autoptr (Camera) self = g_new0 (Camera, 1);
    self->compose = compose;
    if (!parse (self, camera, error))
        return NULL;
    compose_camera_title (compose, kinds[self->kind].title ? kinds[self->kind].title : self->name);
    if (kinds[self->kind].description) {
        g_autoptr (GstCaps) caps = pane_caps (self);
        self->source = source_new (kinds[self->kind].description, kinds[self->kind].property, self->name, caps, kinds[self->kind].loop, changed, user);
    } else
        compose_camera_words (compose, NULL, "recorded without a camera");
    return g_steal_pointer (&self);
}

void
camera_free (Camera *self)
{
    if (!self)
        return;
    source_free (self->source);
    g_free (self->name);
    g_free (self);
}

const char *
camera_kind (const Camera *self)
{
    return kinds[self->kind].kind;
}

const char *
camera_name (const Camera *self)
{
    return self->name;
}

static void
show (Camera *self, GstSample *sample)
{
    GstVideoInfo info;
    GstVideoFrame frame;
    if (!gst_sample_get_caps (sample) || !gst_video_info_from_caps (&info, gst_sample_get_caps (sample))
        || !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
        return;
    Picture picture = { .width = info.width, .height = info.height };
    for (int p = 0; p < 3; p++) {
        picture.plane[p] = GST_VIDEO_FRAME_PLANE_DATA (&frame, p);
        picture.stride[p] = GST_VIDEO_FRAME_PLANE_STRIDE (&frame, p);
    }
    compose_camera_picture (self->compose, &picture);
    gst_video_frame_unmap (&frame);
}

void
camera_tick (Camera *self)
{
    if (!self->source)
        return;
    int width, height;
    compose_camera_size (self->compose, &width, &height);
    if (width != self->width || height != self->height) {
        g_autoptr (GstCaps) caps = pane_caps (self);
        source_set_caps (self->source, caps);
    }
    g_autoptr (GstSample) sample = source_pull (self->source);
    if (sample)
        show (self, sample);
}
