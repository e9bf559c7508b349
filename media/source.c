/* Starting and stopping a device may block in the kernel, so both happen in GStreamer's helper threads. A source that gave nothing for a while is
 * lost, whatever it says; each second another attempt is made, once the last one is really over. */
#include "media/source.h"
#include <gst/app/app.h>

#define SILENT_US (3 * G_USEC_PER_SEC)      /* without anything for so long, it is lost */
#define FIRST_US (8 * G_USEC_PER_SEC)       /* … the first time: cameras start slowly */
#define RETRY_MS 1000

struct Source {
    char *description, *property, *value;
    GstCaps *caps;
    gboolean loop, lost, ever;
    SourceChanged changed;
    gpointer user;
    GstElement *pipeline, *sink;
    guint watch, retry;
    gint64 quiet_since;
    gint *closing;              /* shared with the helper thread: attempts that are not over yet */
};

static gboolean on_message (GstBus *bus, GstMessage *message, gpointer data);

static void
to_playing (GstElement *pipeline, gpointer data)
{
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
}

static void
to_null (GstElement *pipeline, gpointer data)
{
    gst_element_set_state (pipeline, GST_STATE_NULL);
    g_atomic_int_add ((gint *) data, -1);
}

static void
stop (Source *self)
{
    if (!self->pipeline)
        return;
    g_clear_handle_id (&self->watch, g_source_remove);
    g_clear_object (&self->sink);
    g_atomic_int_inc (self->closing);
    gst_element_call_async (self->pipeline, to_null, g_atomic_rc_box_acquire (self->closing), (GDestroyNotify) g_atomic_rc_box_release);
    g_clear_object (&self->pipeline);
}

static gboolean on_retry (gpointer data);

static void
lose (Source *self, const char *reason)
{
    stop (self);
    if (!self->retry)
        self->retry = g_timeout_add (RETRY_MS, on_retry, self);
    if (!self->lost) {
        self->lost = TRUE;
        self->changed (TRUE, reason, self->user);
    }
}

static void
start (Source *self)
{
    g_autoptr (GError) error = NULL;
    self->pipeline = gst_parse_launch_full (self->description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    if (!self->pipeline) {
        lose (self, error->message);
        return;
    }
    gst_object_ref_sink (self->pipeline);
    self->sink = gst_bin_get_by_name (GST_BIN (self->pipeline), "out");
    g_autoptr (GstElement) src = self->property ? gst_bin_get_by_name (GST_BIN (self->pipeline), "src") : NULL;
    if (src)
        g_object_set (src, self->property, self->value, NULL);
    if (self->caps)
        source_set_caps (self, self->caps);
    g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);
    self->watch = gst_bus_add_watch (bus, on_message, self);
    self->quiet_since = g_get_monotonic_time ();
    gst_element_call_async (self->pipeline, to_playing, NULL, NULL);
}

static gboolean
on_retry (gpointer data)
{
    Source *self = data;
    if (g_atomic_int_get (self->closing) > 0)
        return G_SOURCE_CONTINUE;
    self->retry = 0;
    start (self);
    return G_SOURCE_REMOVE;
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
    Source *self = data;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
        g_autoptr (GError) error = NULL;
        g_autofree char *debug = NULL;
        gst_message_parse_error (message, &error, &debug);
        g_printerr ("source: %s (%s)\n", error->message, debug ? debug : "");
        self->watch = 0;
        lose (self, error->message);
        return G_SOURCE_REMOVE;
    }
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS
        && !(self->loop && gst_element_seek_simple (self->pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT, 0))) {
        self->watch = 0;
        lose (self, "it came to its end");
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

Source *
source_new (const char *description, const char *property, const char *value, GstCaps *caps, gboolean loop, SourceChanged changed, gpointer user)
{
    Source *self = g_new0 (Source, 1);
    self->description = g_strdup (description);
    self->property = g_strdup (property);
    self->value = g_strdup (value);
    self->caps = caps ? gst_caps_ref (caps) : NULL;
    self->loop = loop;
    self->changed = changed;
    self->user = user;
    self->closing = g_atomic_rc_box_new0 (gint);
    start (self);
    return self;
}

void
source_free (Source *self)
{
    if (!self)
        return;
    stop (self);
    g_clear_handle_id (&self->retry, g_source_remove);
    g_atomic_rc_box_release (self->closing);
    g_clear_pointer (&self->caps, gst_caps_unref);
    g_free (self->description);
    g_free (self->property);
    g_free (self->value);
    g_free (self);
}

void
source_set_caps (Source *self, GstCaps *caps)
{
    gst_caps_replace (&self->caps, caps);
    g_autoptr (GstElement) filter = self->pipeline ? gst_bin_get_by_name (GST_BIN (self->pipeline), "caps") : NULL;
    if (filter)
        g_object_set (filter, "caps", caps, NULL);
}

GstSample *
source_pull (Source *self)
{
    if (!self->pipeline)
        return NULL;
    gint64 now = g_get_monotonic_time ();
    GstSample *sample = gst_app_sink_try_pull_sample (GST_APP_SINK (self->sink), 0);
    if (sample) {
        self->quiet_since = now;
        self->ever = TRUE;
        if (self->lost) {
            self->lost = FALSE;
            self->changed (FALSE, NULL, self->user);
        }
    } else if (now - self->quiet_since > (self->ever ? SILENT_US : FIRST_US))
        lose (self, self->ever ? "nothing came from it for 3 seconds" : "nothing came from it for 8 seconds");
    return sample;
}
