/* appsrc → demuxer → parser → decoder → appsink, with elements named in tables: nothing is looked up by what a hostile file asks for. */
#include "media/decode.h"
#include <errno.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/video/video.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ceremony/base/errors.h"

#define PIECE (256 * 1024)

typedef struct {
    const DecodeOptions *options;
    guint64     length, position;
    GstElement *pipeline, *source, *sink;
    GstElement *parser, *decoder;
    gboolean    linked, foreign_codec;
} Decode;

static const struct { const char *caps, *parser, *decoders[3]; } codecs[] = {
    { "video/x-h264", "h264parse", { "avdec_h264", "openh264dec", NULL } },
    { "video/x-h265", "h265parse", { "avdec_h265", NULL } },
    { "video/x-vp8", NULL, { "vp8dec", NULL } },
    { "video/x-vp9", NULL, { "vp9dec", NULL } },
    { "video/x-av1", "av1parse", { "dav1ddec", "av1dec", NULL } },
};

/* Loads the plug-in of @name, so that nothing needs to be opened later. */
static GstElementFactory *
load (const char *name)
{
    GstElementFactory *factory = name ? gst_element_factory_find (name) : NULL;
    if (factory == NULL)
        return NULL;
    GstPluginFeature *loaded = gst_plugin_feature_load (GST_PLUGIN_FEATURE (factory));
    gst_object_unref (factory);
    return loaded ? GST_ELEMENT_FACTORY (loaded) : NULL;
}

static void
load_all (void)
{
    static const char *const always[] = { "appsrc", "appsink", "matroskademux", "qtdemux", "videoconvert", "queue", "fakesink", NULL };
    for (const char *const *name = always; *name != NULL; name++)
        load (*name);
    for (gsize i = 0; i < G_N_ELEMENTS (codecs); i++) {
        load (codecs[i].parser);
        for (const char *const *name = codecs[i].decoders; *name != NULL; name++)
            load (*name);
    }
}

static const char *
demuxer_for (const guint8 head[12])
{
    if (memcmp (head, "\x1a\x45\xdf\xa3", 4) == 0)
        return "matroskademux";
    if (memcmp (head + 4, "ftyp", 4) == 0)
        return "qtdemux";
    return NULL;
}

static void
need_data (GstAppSrc *source, guint hint, gpointer user_data)
{
    Decode *d = user_data;
    gsize want = MIN ((guint64) PIECE, d->length - d->position);
    guint8 *piece = want > 0 ? g_malloc (want) : NULL;
    ssize_t got = want > 0 ? pread (d->options->fd, piece, want, d->options->offset + d->position) : 0;
    if (got <= 0) {
        g_free (piece);
        gst_app_src_end_of_stream (source);
        return;
    }
    GstBuffer *buffer = gst_buffer_new_wrapped_full (0, piece, want, 0, got, piece, g_free);
    GST_BUFFER_OFFSET (buffer) = d->position;
    d->position += got;
    gst_app_src_push_buffer (source, buffer);
}

static gboolean
seek_data (GstAppSrc *source, guint64 position, gpointer user_data)
{
    Decode *d = user_data;
    if (position > d->length)
        return FALSE;
    d->position = position;
    return TRUE;
}

static GstPadProbeReturn
drop_delta_units (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    return GST_BUFFER_FLAG_IS_SET (GST_PAD_PROBE_INFO_BUFFER (info), GST_BUFFER_FLAG_DELTA_UNIT) ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

/* A picture of more pixels than any camera has is an attack on memory. */
static gboolean
too_large (const GstStructure *s)
{
    int width = 0, height = 0;
    gst_structure_get_int (s, "width", &width);
    gst_structure_get_int (s, "height", &height);
    return width < 0 || height < 0 || width > DECODE_MAX_SIDE || height > DECODE_MAX_SIDE || (gint64) width * height > 4096 * 4096;
}

static GstElement *
add (Decode *d, const char *name)
{
    GstElement *element = name ? gst_element_factory_make (name, NULL) : NULL;
    if (element != NULL)
        gst_bin_add (GST_BIN (d->pipeline), element);
    return element;
}

static gboolean
link_codec (Decode *d, GstPad *pad, gsize i)
{
    GstElement *parser = add (d, codecs[i].parser), *decoder = NULL;
    for (const char *const *name = codecs[i].decoders; decoder == NULL && *name != NULL; name++)
        decoder = add (d, *name);
    if (decoder == NULL || (codecs[i].parser != NULL && parser == NULL))
        return FALSE;
    GstElement *convert = add (d, "videoconvert");
    if ((parser != NULL && !gst_element_link (parser, decoder)) || !gst_element_link_many (decoder, convert, d->sink, NULL))
        return FALSE;
    g_autoptr (GstPad) into = gst_element_get_static_pad (decoder, "sink");
    if (d->options->key_units)
        gst_pad_add_probe (into, GST_PAD_PROBE_TYPE_BUFFER, drop_delta_units, NULL, NULL);
    gst_element_sync_state_with_parent (convert);
    gst_element_sync_state_with_parent (decoder);
    if (parser != NULL)
        gst_element_sync_state_with_parent (parser);
    g_autoptr (GstPad) first = gst_element_get_static_pad (parser ? parser : decoder, "sink");
    return gst_pad_link (pad, first) == GST_PAD_LINK_OK;
}

static void
ignore_pad (Decode *d, GstPad *pad)
{
    GstElement *sink = add (d, "fakesink");
    g_object_set (sink, "async", FALSE, "sync", FALSE, NULL);
    gst_element_sync_state_with_parent (sink);
    g_autoptr (GstPad) into = gst_element_get_static_pad (sink, "sink");
    gst_pad_link (pad, into);
}

static void
pad_added (GstElement *demuxer, GstPad *pad, gpointer user_data)
{
    Decode *d = user_data;
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
    const GstStructure *s = caps != NULL && gst_caps_get_size (caps) > 0 ? gst_caps_get_structure (caps, 0) : NULL;
    const char *name = s ? gst_structure_get_name (s) : "";
    for (gsize i = 0; !d->linked && i < G_N_ELEMENTS (codecs); i++)
        if (strcmp (codecs[i].caps, name) == 0 && !too_large (s)) {
            d->linked = link_codec (d, pad, i);
            d->foreign_codec = !d->linked;
            return;
        }
    if (g_str_has_prefix (name, "video/") && !d->linked)
        d->foreign_codec = TRUE;
    ignore_pad (d, pad);
}

static gboolean
build (Decode *d, const char *demuxer_name)
{
    d->pipeline = gst_pipeline_new (NULL);
    d->source = add (d, "appsrc");
    d->sink = add (d, "appsink");
    GstElement *demuxer = add (d, demuxer_name);
    if (d->source == NULL || d->sink == NULL || demuxer == NULL)
        return FALSE;
    GstAppSrcCallbacks callbacks = { need_data, NULL, seek_data, { NULL } };
    gst_app_src_set_callbacks (GST_APP_SRC (d->source), &callbacks, d, NULL);
    gst_app_src_set_size (GST_APP_SRC (d->source), d->length);
    gst_app_src_set_stream_type (GST_APP_SRC (d->source), GST_APP_STREAM_TYPE_SEEKABLE);
    g_object_set (d->source, "format", GST_FORMAT_BYTES, "max-bytes", (guint64) 4 * PIECE, NULL);
    g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw, format={ I420, YV12, NV12, Y42B, Y444, GRAY8 }");
    g_object_set (d->sink, "sync", FALSE, "max-buffers", 2, "caps", caps, "qos", FALSE, NULL);
    g_signal_connect (demuxer, "pad-added", G_CALLBACK (pad_added), d);
    return gst_element_link (d->source, demuxer);
}

static gboolean
give_picture (GstSample *sample, DecodeFunc func, gpointer user_data, DecodeSummary *summary)
{
    GstVideoInfo info;
    GstVideoFrame frame;
    if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample)) || !gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
        return TRUE;
    GstClockTime pts = GST_BUFFER_PTS (gst_sample_get_buffer (sample));
    GreyPicture picture = { GST_CLOCK_TIME_IS_VALID (pts) ? (gint64) (pts / GST_MSECOND) : -1, info.width, info.height,
                            GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0), GST_VIDEO_FRAME_PLANE_DATA (&frame, 0) };
    summary->frames++;
    summary->duration_ms = MAX (summary->duration_ms, picture.media_ms);
    summary->width = picture.width;
    summary->height = picture.height;
    gboolean more = func (&picture, user_data);
    gst_video_frame_unmap (&frame);
    return more;
}

/* The pipeline's error, where it has one, in words. */
static gboolean
bus_error (Decode *d, GError **error)
{
    g_autoptr (GstBus) bus = gst_element_get_bus (d->pipeline);
    g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    if (message == NULL)
        return FALSE;
    g_autoptr (GError) why = NULL;
    gst_message_parse_error (message, &why, NULL);
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "video: %s%s", why->message, d->foreign_codec ? " (no decoder for it here: gstreamer1.0-libav has more)" : "");
    return TRUE;
}

static gboolean
pull_all (Decode *d, DecodeFunc func, gpointer user_data, DecodeSummary *summary, GError **error)
{
    gint64 since = g_get_monotonic_time ();
    for (;;) {
        g_autoptr (GstSample) sample = gst_app_sink_try_pull_sample (GST_APP_SINK (d->sink), 100 * GST_MSECOND);
        if (sample != NULL) {
            since = g_get_monotonic_time ();
            if (!give_picture (sample, func, user_data, summary))
                return TRUE;
        } else if (gst_app_sink_is_eos (GST_APP_SINK (d->sink))) {
            return !bus_error (d, error);
        } else if (bus_error (d, error)) {
            return FALSE;
        } else if (g_get_monotonic_time () - since > (gint64) d->options->timeout_ms * 1000) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "video: no picture and no end for %u s", d->options->timeout_ms / 1000);
            return FALSE;
        }
    }
}

gboolean
decode_video (const DecodeOptions *options, DecodeFunc func, gpointer user_data, DecodeSummary *summary, GError **error)
{
    memset (summary, 0, sizeof *summary);
    struct stat st;
    if (fstat (options->fd, &st) != 0)
        return io_fail (error, errno, "video: descriptor %d", options->fd);
    guint64 size = st.st_size;
    guint8 head[12] = { 0 };
    Decode d = { .options = options };
    if (options->offset > size || options->length > size - options->offset ||
        pread (options->fd, head, sizeof head, options->offset) != (ssize_t) sizeof head) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "video: it is shorter than any video");
        return FALSE;
    }
    d.length = options->length > 0 ? options->length : size - options->offset;
    const char *demuxer = demuxer_for (head);
    if (demuxer == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "video: neither Matroska, WebM nor MP4");
        return FALSE;
    }
    load_all ();
    if (!build (&d, demuxer)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "video: GStreamer lacks %s: install gstreamer1.0-plugins-good and -bad", demuxer);
        return FALSE;
    }
    gst_element_set_state (d.pipeline, GST_STATE_READY);
    gboolean ok = !options->sandbox || sandbox_enter (&options->limits, &summary->without, error);
    if (ok) {
        gst_element_set_state (d.pipeline, GST_STATE_PLAYING);
        ok = pull_all (&d, func, user_data, summary, error);
        gst_element_set_state (d.pipeline, GST_STATE_NULL);
    }
    gst_object_unref (d.pipeline);
    if (ok && summary->frames == 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "video: no picture in it could be decoded%s", d.foreign_codec ? ": no decoder for its codec here" : "");
        return FALSE;
    }
    return ok;
}
