/* appsrc → openh264enc → matroskamux → appsink, and Opus beside it. The muxer's bytes go straight to the caller; streamable=true makes it
 * write in sequence, and cluster durations of 0 make it begin a cluster exactly at each key unit. */
#include "media/encode.h"
#include "ceremony/base/errors.h"
#include <gst/app/app.h>
#include <gst/video/video.h>
#include <string.h>

#define SOUND_QUEUE_SECONDS 2
#define GOP_SECONDS 10          /* a key unit at least so often; the recorder forces them far more often */

struct Encode {
    EncodeCalls calls;
    gpointer user;
    int width, height, fps;
    GstElement *pipeline, *video, *sound;
    GstVideoInfo info;
    GstBufferPool *pool;
    guint watch;
    gint64 next_sample;
    gboolean ended;
};

static const struct {
    const char *element, *package;
} needed[] = {
    { "openh264enc", "gstreamer1.0-plugins-bad" }, { "h264parse", "gstreamer1.0-plugins-bad" }, { "matroskamux", "gstreamer1.0-plugins-good" },
    { "opusenc", "gstreamer1.0-plugins-base" },    { "appsrc", "gstreamer1.0-plugins-base" },
};

const char *
encode_name (void)
{
    return "openh264enc";
}

static gboolean
check_elements (GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS (needed); i++) {
        g_autoptr (GstElementFactory) factory = gst_element_factory_find (needed[i].element);
        if (!factory) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "GStreamer's element %s isn't installed: install the package %s", needed[i].element,
                         needed[i].package);
            return FALSE;
        }
    }
    return TRUE;
}

static GstFlowReturn
on_sample (GstAppSink *sink, gpointer data)
{
    Encode *self = data;
    g_autoptr (GstSample) sample = gst_app_sink_pull_sample (sink);
    GstBuffer *buffer = sample ? gst_sample_get_buffer (sample) : NULL;
    GstMapInfo map;
    if (!buffer)
        return GST_FLOW_EOS;
    if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
        return GST_FLOW_ERROR;
    gboolean kept = self->calls.bytes (map.data, map.size, self->user);
    gst_buffer_unmap (buffer, &map);
    return kept ? GST_FLOW_OK : GST_FLOW_EOS;
}

static void
finish (Encode *self, const char *reason)
{
    if (self->ended)
        return;
    self->ended = TRUE;
    self->calls.ended (reason, self->user);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
    Encode *self = data;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
        finish (self, NULL);
    else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
        g_autoptr (GError) error = NULL;
        g_autofree char *debug = NULL;
        gst_message_parse_error (message, &error, &debug);
        g_printerr ("encoder: %s (%s)\n", error->message, debug ? debug : "");
        finish (self, error->message);
    }
    return G_SOURCE_CONTINUE;
}

static char *
describe (const Encode *self, gboolean sound)
{
    g_autofree char *video = g_strdup_printf (
        "appsrc name=video format=time max-bytes=0 "
        "! openh264enc complexity=low rate-control=quality qp-min=18 qp-max=30 multi-thread=2 gop-size=%d "
        "! h264parse ! video/x-h264,stream-format=avc,alignment=au ! queue max-size-buffers=8 max-size-bytes=0 max-size-time=0 ! mux.video_0 "
        "matroskamux name=mux streamable=true min-cluster-duration=0 max-cluster-duration=0 writing-app=ceremony-media "
        "! appsink name=out sync=false async=false",
        GOP_SECONDS * self->fps);
    if (!sound)
        return g_steal_pointer (&video);
    return g_strconcat (video,
                        " appsrc name=sound format=time max-bytes=0 ! opusenc bitrate=48000 bitrate-type=cbr ! opusparse "
                        "! queue max-size-buffers=100 max-size-bytes=0 max-size-time=0 ! mux.audio_0", NULL);
}

static gboolean
make_pool (Encode *self, GError **error)
{
    g_autoptr (GstCaps) caps = gst_video_info_to_caps (&self->info);
    self->pool = gst_video_buffer_pool_new ();
    GstStructure *config = gst_buffer_pool_get_config (self->pool);
    gst_buffer_pool_config_set_params (config, caps, (guint) self->info.size, 4, 0);
    if (gst_buffer_pool_set_config (self->pool, config) && gst_buffer_pool_set_active (self->pool, TRUE))
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "no memory for frames of %dx%d", self->width, self->height);
    return FALSE;
}

static void
set_caps (Encode *self)
{
    g_autoptr (GstCaps) video = gst_video_info_to_caps (&self->info);
    g_object_set (self->video, "caps", video, NULL);
    if (!self->sound)
        return;
    g_autoptr (GstCaps) sound = gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING, G_BYTE_ORDER == G_LITTLE_ENDIAN ? "S16LE" : "S16BE", "rate",
                                                     G_TYPE_INT, ENCODE_SOUND_RATE, "channels", G_TYPE_INT, 1, "layout", G_TYPE_STRING,
                                                     "interleaved", NULL);
    g_object_set (self->sound, "caps", sound, NULL);
}

Encode *
encode_new (int width, int height, int fps, gboolean sound, const EncodeCalls *calls, gpointer user, GError **error)
{
    if (!check_elements (error))
        return NULL;
    g_autoptr (Encode) self = g_new0 (Encode, 1);
    self->calls = *calls;
    self->user = user;
    self->width = width;
    self->height = height;
    self->fps = fps;
    gst_video_info_set_format (&self->info, GST_VIDEO_FORMAT_I420, (guint) width, (guint) height);
    gst_video_colorimetry_from_string (&self->info.colorimetry, GST_VIDEO_COLORIMETRY_BT709);
    self->info.fps_n = fps;
    self->info.fps_d = 1;
    g_autofree char *description = describe (self, sound);
    self->pipeline = gst_parse_launch_full (description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
    if (!self->pipeline)
        return NULL;
    gst_object_ref_sink (self->pipeline);
    self->video = gst_bin_get_by_name (GST_BIN (self->pipeline), "video");
    self->sound = gst_bin_get_by_name (GST_BIN (self->pipeline), "sound");
    set_caps (self);
    g_autoptr (GstElement) out = gst_bin_get_by_name (GST_BIN (self->pipeline), "out");
    GstAppSinkCallbacks sink = { .new_sample = on_sample };
    gst_app_sink_set_callbacks (GST_APP_SINK (out), &sink, self, NULL);
    g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);
    self->watch = gst_bus_add_watch (bus, on_message, self);
    if (!make_pool (self, error))
        return NULL;
    if (gst_element_set_state (self->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "the encoder doesn't start: see recorder.log");
        return NULL;
    }
    return g_steal_pointer (&self);
}

void
encode_free (Encode *self)
{
    if (!self)
        return;
    g_clear_handle_id (&self->watch, g_source_remove);
    if (self->pipeline)
        gst_element_set_state (self->pipeline, GST_STATE_NULL);
    g_clear_object (&self->video);
    g_clear_object (&self->sound);
    g_clear_object (&self->pipeline);
    if (self->pool)
        gst_buffer_pool_set_active (self->pool, FALSE);
    g_clear_object (&self->pool);
    g_free (self);
}

static gboolean
fill_frame (Encode *self, GstBuffer *buffer, const Picture *picture)
{
    GstVideoFrame frame;
    if (!gst_video_frame_map (&frame, &self->info, buffer, GST_MAP_WRITE))
        return FALSE;
    Picture into = { .width = self->width, .height = self->height };
    for (int p = 0; p < 3; p++) {
        into.plane[p] = GST_VIDEO_FRAME_PLANE_DATA (&frame, p);
        into.stride[p] = GST_VIDEO_FRAME_PLANE_STRIDE (&frame, p);
    }
    picture_copy (&into, 0, 0, picture);
    gst_video_frame_unmap (&frame);
    return TRUE;
}

void
encode_frame (Encode *self, const Picture *picture, gint64 tick, gboolean force_key)
{
    GstBuffer *buffer = NULL;
    if (gst_buffer_pool_acquire_buffer (self->pool, &buffer, NULL) != GST_FLOW_OK)
        return;
    if (!fill_frame (self, buffer, picture)) {
        gst_buffer_unref (buffer);
        return;
    }
    GST_BUFFER_PTS (buffer) = gst_util_uint64_scale_int ((guint64) tick, GST_SECOND, self->fps);
    GST_BUFFER_DURATION (buffer) = gst_util_uint64_scale_int ((guint64) tick + 1, GST_SECOND, self->fps) - GST_BUFFER_PTS (buffer);
    if (force_key)
        gst_element_send_event (self->video, gst_video_event_new_downstream_force_key_unit (GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE,
                                                                                              GST_CLOCK_TIME_NONE, TRUE, (guint) tick));
    gst_app_src_push_buffer (GST_APP_SRC (self->video), buffer);
}

void
encode_sound (Encode *self, const gint16 *data, gsize samples, gint64 first)
{
    if (!self->sound || gst_app_src_get_current_level_bytes (GST_APP_SRC (self->sound)) > SOUND_QUEUE_SECONDS * ENCODE_SOUND_RATE * sizeof *data)
        return;
    GstBuffer *buffer = gst_buffer_new_memdup (data, samples * sizeof *data);
    GST_BUFFER_PTS (buffer) = gst_util_uint64_scale_int ((guint64) first, GST_SECOND, ENCODE_SOUND_RATE);
    GST_BUFFER_DURATION (buffer) = gst_util_uint64_scale_int (samples, GST_SECOND, ENCODE_SOUND_RATE);
    if (first != self->next_sample)
        GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
    self->next_sample = first + (gint64) samples;
    gst_app_src_push_buffer (GST_APP_SRC (self->sound), buffer);
}

void
encode_end (Encode *self)
{
    gst_app_src_end_of_stream (GST_APP_SRC (self->video));
    if (self->sound)
        gst_app_src_end_of_stream (GST_APP_SRC (self->sound));
}
