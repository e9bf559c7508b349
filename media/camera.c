/* GStreamer scales and converts, keeping the picture's shape; a pane may change its size at any time. */
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
    gboolean named, loop, watched;      /* watched: a picture that comes again is told; a test picture's always do */
} kinds[] = {
    { "test", NULL, "test picture",
      "videotestsrc is-live=true pattern=smpte75 horizontal-speed=2 ! video/x-raw,width=640,height=480,framerate=15/1 ! " TO_PANE "sync=false",
      FALSE, FALSE, FALSE },
    { "file", "location", "from a file", "filesrc name=src ! decodebin ! " TO_PANE "sync=true", TRUE, TRUE, TRUE },
    { "device", "device", NULL, "v4l2src name=src ! " WEBCAM "! decodebin ! " TO_PANE "sync=false", TRUE, FALSE, TRUE },
    { "none", NULL, "none", NULL, FALSE, FALSE, FALSE },
};

typedef struct {
    Cameras *set;
    guint index;
    gsize kind;
    char *name;
    Source *source;
    Repeats *repeats;
    int width, height;          /* asked for */
} Camera;

struct Cameras {
    Compose *compose;
    CameraCalls calls;
    gpointer user;
    Camera camera[CAMERAS_MAX];
    guint n;
};

static GstCaps *
pane_caps (Camera *self)
{
    compose_camera_size (self->set->compose, self->index, &self->width, &self->height);
    return gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "I420", "width", G_TYPE_INT, self->width, "height", G_TYPE_INT, self->height,
                                "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, "colorimetry", G_TYPE_STRING, "bt709", NULL);
}

/* The kind that @name asks for, and in @rest what follows it. */
static gboolean
parse (const char *name, gsize *kind, const char **rest, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++) {
        gsize len = strlen (kinds[i].kind);
        gboolean match = kinds[i].named ? g_str_has_prefix (name, kinds[i].kind) && name[len] == ':' && name[len + 1] == '/'
                                        : strcmp (name, kinds[i].kind) == 0;
        if (!match)
            continue;
        *kind = i;
        *rest = kinds[i].named ? name + len + 1 : kinds[i].kind;
        return TRUE;
    }
    g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "camera %s: it must be test, none, file:/PATH or device:/dev/videoN", name);
    return FALSE;
}

gboolean
cameras_check (const char *name, GError **error)
{
    gsize kind;
    const char *rest;
    return parse (name, &kind, &rest, error);
}

char *
cameras_describe (const char *name, const char **property, char **value, gboolean *loop, GError **error)
{
    gsize kind;
    const char *rest;
    if (!parse (name, &kind, &rest, error))
        return NULL;
    if (!kinds[kind].description) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "camera %s: there is nothing to see of it", name);
        return NULL;
    }
    *property = kinds[kind].property;
    *value = g_strdup (rest);
    *loop = kinds[kind].loop;
    return g_strdup (kinds[kind].description);
}

static void
on_changed (gboolean lost, const char *reason, gpointer user)
{
    Camera *self = user;
    self->set->calls.changed (self->index, lost, reason, self->set->user);
}

static gboolean
camera_start (Camera *self, const char *name, GError **error)
{
    Compose *compose = self->set->compose;
    const char *rest;
    if (!parse (name, &self->kind, &rest, error))
        return FALSE;
    self->name = g_strdup (rest);
    compose_camera_title (compose, self->index, kinds[self->kind].title ? kinds[self->kind].title : self->name);
    if (!kinds[self->kind].description) {
        compose_camera_words (compose, self->index, NULL, "recorded without a camera");
        return TRUE;
    }
    if (kinds[self->kind].watched)
        self->repeats = repeats_new ();
    g_autoptr (GstCaps) caps = pane_caps (self);
    self->source = source_new (kinds[self->kind].description, kinds[self->kind].property, self->name, caps, kinds[self->kind].loop, on_changed, self);
    return TRUE;
}

Cameras *
cameras_new (const char *const *names, Compose *compose, const CameraCalls *calls, gpointer user, GError **error)
{
    g_autoptr (Cameras) self = g_new0 (Cameras, 1);
    self->compose = compose;
    self->calls = *calls;
    self->user = user;
    for (; names[self->n]; self->n++) {
        if (self->n == CAMERAS_MAX) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "more than %d cameras don't fit into the picture", CAMERAS_MAX);
            return NULL;
        }
        Camera *camera = &self->camera[self->n];
        camera->set = self;
        camera->index = self->n;
        if (!camera_start (camera, names[self->n], error))
            return NULL;
    }
    return g_steal_pointer (&self);
}

void
cameras_free (Cameras *self)
{
    if (!self)
        return;
    for (guint i = 0; i < self->n; i++) {
        source_free (self->camera[i].source);
        repeats_free (self->camera[i].repeats);
        g_free (self->camera[i].name);
    }
    g_free (self);
}

guint
cameras_count (const Cameras *self)
{
    return self->n;
}

const char *
cameras_kind (const Cameras *self, guint camera)
{
    return kinds[self->camera[camera].kind].kind;
}

const char *
cameras_name (const Cameras *self, guint camera)
{
    return self->camera[camera].name;
}

static guint64
hash_of (const Picture *picture)
{
    g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA1);
    guint8 digest[20];
    gsize len = sizeof digest;
    guint64 hash;
    for (int p = 0; p < 3; p++)
        for (int y = 0; y < picture->height >> (p > 0); y++)
            g_checksum_update (sum, picture->plane[p] + (gsize) y * picture->stride[p], picture->width >> (p > 0));
    g_checksum_get_digest (sum, digest, &len);
    memcpy (&hash, digest, sizeof hash);
    return hash;
}

static void
watch (Camera *self, const Picture *picture, gint64 ms)
{
    static const char *const titles[] = { [REPEATS_NEWS_FROZEN] = "the picture stands still", [REPEATS_NEWS_LOOP] = "the picture repeats itself" };
    RepeatsNews news = self->repeats ? repeats_take (self->repeats, hash_of (picture), ms) : REPEATS_NEWS_NONE;
    if (news == REPEATS_NEWS_NONE)
        return;
    const char *title = news != REPEATS_NEWS_OVER ? titles[news] : kinds[self->kind].title ? kinds[self->kind].title : self->name;
    compose_camera_title (self->set->compose, self->index, title);
    gint64 since = news == REPEATS_NEWS_FROZEN ? repeats_since (self->repeats) : ms;
    self->set->calls.repeats (self->index, news, since, news == REPEATS_NEWS_LOOP ? repeats_period (self->repeats) : 0, self->set->user);
}

static void
show (Camera *self, GstSample *sample, gint64 ms)
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
    if (picture.width == self->width && picture.height == self->height)
        watch (self, &picture, ms);
    compose_camera_picture (self->set->compose, self->index, &picture);
    gst_video_frame_unmap (&frame);
}

static void
tick (Camera *self, gint64 ms)
{
    if (!self->source)
        return;
    int width, height;
    compose_camera_size (self->set->compose, self->index, &width, &height);
    if (width != self->width || height != self->height) {
        g_autoptr (GstCaps) caps = pane_caps (self);
        source_set_caps (self->source, caps);
        if (self->repeats)
            repeats_resized (self->repeats);
    }
    g_autoptr (GstSample) sample = source_pull (self->source);
    if (sample)
        show (self, sample, ms);
}

void
cameras_tick (Cameras *self, gint64 ms)
{
    for (guint i = 0; i < self->n; i++)
        tick (&self->camera[i], ms);
}
