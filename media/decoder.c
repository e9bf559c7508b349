/* appsrc → decoder → appsink. */
#include "media/decoder.h"
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>

#define QUEUE_BYTES (24 * 1024 * 1024)
#define POLL_TIME (100 * GST_MSECOND)

struct Decoder {
    Decoding   *shared;
    guint       index;
    GstElement *pipeline, *source, *sink;
    GThread    *thread;
    gint        done;           /* atomic */
};

static gboolean
give_picture (Decoder *self, GstSample *sample)
{
    Decoding *shared = self->shared;
    GstVideoInfo info;
    GstVideoFrame frame;
    if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample)) || !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
        return TRUE;
    GstClockTime pts = GST_BUFFER_PTS (gst_sample_get_buffer (sample));
    GreyPicture picture = { GST_CLOCK_TIME_IS_VALID (pts) ? (gint64) (pts / GST_MSECOND) : -1, info.width, info.height,
                            GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0), GST_VIDEO_FRAME_PLANE_DATA (&frame, 0), self->index };
    g_mutex_lock (&shared->lock);
    shared->summary->frames++;
    if (picture.media_ms >= shared->summary->duration_ms) {
        shared->summary->duration_ms = picture.media_ms;
        shared->summary->width = picture.width;
        shared->summary->height = picture.height;
    }
    g_mutex_unlock (&shared->lock);
    gboolean more = shared->func (&picture, shared->user_data);
    gst_video_frame_unmap (&frame);
    return more;
}

static gboolean
has_failed (Decoder *self)
{
    g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);
    g_autoptr (GstMessage) message = gst_bus_peek (bus);
    while (message != NULL && GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR) {
        gst_message_unref (gst_bus_pop (bus));
        gst_message_unref (message);
        message = gst_bus_peek (bus);
    }
    return message != NULL;
}

static gpointer
pull_pictures (gpointer data)
{
    Decoder *self = data;
    while (!g_atomic_int_get (&self->shared->stop)) {
        g_autoptr (GstSample) sample = gst_app_sink_try_pull_sample (GST_APP_SINK (self->sink), POLL_TIME);
        if (sample != NULL) {
            g_atomic_int_inc (&self->shared->pictures);
            if (!give_picture (self, sample))
                g_atomic_int_set (&self->shared->stop, 1);
        } else if (gst_app_sink_is_eos (GST_APP_SINK (self->sink)) || has_failed (self)) {
            break;
        }
    }
    g_atomic_int_set (&self->done, 1);
    return NULL;
}

static GstElement *
add (Decoder *self, const char *name)
{
    GstElement *element = gst_element_factory_make (name, NULL);
    if (element != NULL)
        gst_bin_add (GST_BIN (self->pipeline), element);
    return element;
}

Decoder *
decoder_new (const char *element, guint index, Decoding *shared)
{
    Decoder *self = g_new0 (Decoder, 1);
    self->shared = shared;
    self->index = index;
    self->pipeline = gst_pipeline_new (NULL);
    self->source = add (self, "appsrc");
    GstElement *decoder = add (self, element), *convert = add (self, "videoconvert");
    self->sink = add (self, "appsink");
    if (self->source == NULL || decoder == NULL || convert == NULL || self->sink == NULL || !gst_element_link_many (self->source, decoder, convert, self->sink, NULL)) {
        gst_object_unref (self->pipeline);
        g_free (self);
        return NULL;
    }
    /* Whatever has its luma in a plane of its own is passed on as it is. */
    g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw, format={ I420, YV12, NV12, Y42B, Y444, GRAY8 }");
    g_object_set (self->source, "format", GST_FORMAT_TIME, "max-bytes", (guint64) 0, "block", FALSE, NULL);
    g_object_set (self->sink, "sync", FALSE, "max-buffers", 2, "caps", caps, "qos", FALSE, NULL);
    gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
    self->thread = g_thread_new ("pictures", pull_pictures, self);
    return self;
}

gsize
decoder_queued (Decoder *self)
{
    return gst_app_src_get_current_level_bytes (GST_APP_SRC (self->source));
}

gboolean
decoder_has_room (Decoder *self)
{
    return decoder_queued (self) < QUEUE_BYTES || g_atomic_int_get (&self->done);
}

void
decoder_push (Decoder *self, GstSample *sample)
{
    if (!g_atomic_int_get (&self->done))
        gst_app_src_push_sample (GST_APP_SRC (self->source), sample);
}

void
decoder_end (Decoder *self)
{
    gst_app_src_end_of_stream (GST_APP_SRC (self->source));
}

gboolean
decoder_is_done (Decoder *self)
{
    return g_atomic_int_get (&self->done);
}

char *
decoder_error (Decoder *self)
{
    g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);
    g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    g_autoptr (GError) why = NULL;
    if (message == NULL)
        return NULL;
    gst_message_parse_error (message, &why, NULL);
    return g_strdup (why->message);
}

void
decoder_free (Decoder *self)
{
    if (self == NULL)
        return;
    g_thread_join (self->thread);
    gst_element_set_state (self->pipeline, GST_STATE_NULL);
    gst_object_unref (self->pipeline);
    g_free (self);
}
