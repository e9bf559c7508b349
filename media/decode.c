/* appsrc → demuxer → parser → appsink gives packets, which are dealt to the decoders: a key unit and what depends on it to the one that has the least to do. Elements
 * are named in tables: nothing is looked up by what a hostile file asks for. */
#include "media/decode.h"
#include <errno.h>
#include "media/decoder.h"
#include "media/h264.h"
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ceremony/base/errors.h"

#define PIECE (256 * 1024)

#define TOO_LARGE "its pictures are larger than any camera's"
#define THIN_NS (300 * GST_MSECOND)             /* pictures that nothing refers to are decoded only so far apart */

typedef struct { const char *caps, *parser, *packets, *decoders[3]; gboolean shared; } Codec;

typedef struct {
    DecodeOptions options;
    guint64     length, position;
    GstElement *pipeline, *source, *sink;       /* of packets */
    const Codec *codec;                         /* NULL: no pad that we read, yet */
    gboolean    foreign_codec, too_large;
    gint        all_pads;                       /* atomic: the demuxer says that there will be no more */
    Decoding    shared;
    Decoder    *decoders[DECODE_WORKERS_MAX], *current;
    GstCaps    *caps;                           /* checked */
    guint       turn;
    GstClockTime kept;                          /* time of the last packet that was dealt */
} Decode;

/* What is shared among decoders needs nothing but the packets from a key unit on. */
static const Codec codecs[] = {
    { "video/x-h264", "h264parse", "video/x-h264, stream-format=byte-stream, alignment=au", { "avdec_h264", "openh264dec", NULL }, TRUE },
    { "video/x-h265", "h265parse", "video/x-h265, stream-format=byte-stream, alignment=au", { "avdec_h265", NULL }, FALSE },
    { "video/x-vp8", NULL, NULL, { "vp8dec", NULL }, TRUE },
    { "video/x-vp9", NULL, NULL, { "vp9dec", NULL }, TRUE },
    { "video/x-av1", "av1parse", NULL, { "dav1ddec", "av1dec", NULL }, FALSE },
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
    ssize_t got = want > 0 ? pread (d->options.fd, piece, want, d->options.offset + d->position) : 0;
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

/* Without the sizes that the container tells, the parser tells those of the stream, which the decoder would make room for. */
static GstPadProbeReturn
forget_size (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
    GstCaps *caps;
    if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
        return GST_PAD_PROBE_OK;
    gst_event_parse_caps (event, &caps);
    g_autoptr (GstCaps) sizeless = gst_caps_copy (caps);
    for (guint i = 0; i < gst_caps_get_size (sizeless); i++)
        gst_structure_remove_fields (gst_caps_get_structure (sizeless, i), "width", "height", NULL);
    GST_PAD_PROBE_INFO_DATA (info) = gst_event_new_caps (sizeless);
    gst_event_unref (event);
    return GST_PAD_PROBE_OK;
}

/* The first decoder of @codec that this machine has. */
static const char *
decoder_of (const Codec *codec)
{
    for (const char *const *name = codec->decoders; *name != NULL; name++) {
        g_autoptr (GstElementFactory) factory = gst_element_factory_find (*name);
        if (factory != NULL)
            return *name;
    }
    return NULL;
}

static gboolean
link_codec (Decode *d, GstPad *pad, const Codec *codec)
{
    GstElement *parser = add (d, codec->parser);
    if (decoder_of (codec) == NULL || (codec->parser != NULL && parser == NULL))
        return FALSE;
    if (parser != NULL && g_object_class_find_property (G_OBJECT_GET_CLASS (parser), "config-interval") != NULL)
        g_object_set (parser, "config-interval", -1, NULL);     /* each decoder meets its first key unit at another one */
    if (codec->packets != NULL) {
        g_autoptr (GstCaps) caps = gst_caps_from_string (codec->packets);
        g_object_set (d->sink, "caps", caps, NULL);
    }
    if (parser != NULL && !gst_element_link (parser, d->sink))
        return FALSE;
    if (parser != NULL)
        gst_element_sync_state_with_parent (parser);
    g_autoptr (GstPad) first = gst_element_get_static_pad (parser ? parser : d->sink, "sink");
    if (parser != NULL)
        gst_pad_add_probe (first, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, forget_size, NULL, NULL);
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
    gboolean wanted = g_str_has_prefix (name, "video/") && g_atomic_pointer_get (&d->codec) == NULL;
    for (gsize i = 0; wanted && i < G_N_ELEMENTS (codecs); i++)
        if (strcmp (codecs[i].caps, name) == 0 && !too_large (s) && link_codec (d, pad, &codecs[i])) {
            g_atomic_pointer_set (&d->codec, &codecs[i]);
            return;
        }
    if (wanted && too_large (s))
        d->too_large = TRUE;
    else if (wanted)
        d->foreign_codec = TRUE;
    ignore_pad (d, pad);
}

static void
no_more_pads (GstElement *demuxer, gpointer user_data)
{
    g_atomic_int_set (&((Decode *) user_data)->all_pads, 1);
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
    g_object_set (d->sink, "sync", FALSE, "max-buffers", 64, "qos", FALSE, NULL);
    g_signal_connect (demuxer, "pad-added", G_CALLBACK (pad_added), d);
    g_signal_connect (demuxer, "no-more-pads", G_CALLBACK (no_more_pads), d);
    return gst_element_link (d->source, demuxer);
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
any_error (Decode *d, GError **error)
{
    gboolean failed = bus_error (d, error);
    for (guint i = 0; !failed && i < DECODE_WORKERS_MAX; i++) {
        g_autofree char *why = d->decoders[i] != NULL ? decoder_error (d->decoders[i]) : NULL;
        if (why != NULL)
            g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "video: %s", why);
        failed = why != NULL;
    }
    return failed;
}

/* The decoder for what begins with a key unit. Key units alone go round, so that each run is like the other; else the one with the shortest queue takes it. */
static Decoder *
choose (Decode *d)
{
    guint most = d->codec->shared ? CLAMP (d->options.workers, 1, DECODE_WORKERS_MAX) : 1;
    guint best = d->options.key_units ? d->turn++ % most : 0;
    for (guint i = 0; !d->options.key_units && i < most; i++) {
        if (d->decoders[i] == NULL || decoder_queued (d->decoders[i]) < decoder_queued (d->decoders[best]))
            best = i;
        if (d->decoders[i] == NULL)
            break;
    }
    if (d->decoders[best] == NULL)
        d->decoders[best] = decoder_new (decoder_of (d->codec), best, &d->shared);
    return d->decoders[best];
}

/* A key unit whose only use is a look at its codes. */
static GstSample *
made_quick (GstSample *sample)
{
    GstBuffer *buffer = gst_buffer_copy_deep (gst_sample_get_buffer (sample));
    GstMapInfo map;
    if (gst_buffer_map (buffer, &map, GST_MAP_READWRITE)) {
        h264_without_deblocking (map.data, map.size);
        gst_buffer_unmap (buffer, &map);
    }
    GstSample *quick = gst_sample_new (buffer, gst_sample_get_caps (sample), NULL, NULL);
    gst_buffer_unref (buffer);
    return quick;
}

typedef struct { gboolean key, restart, disposable; } Packet;   /* restart: another decoder may go on from here */

static Packet
look_at_packet (const Decode *d, GstSample *sample)
{
    GstBuffer *buffer = gst_sample_get_buffer (sample);
    H264Packet h264;
    GstMapInfo map;
    Packet packet = { .key = !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT) };
    packet.restart = packet.key;
    if (d->codec == &codecs[0] && gst_buffer_map (buffer, &map, GST_MAP_READ)) {
        if (h264_packet (map.data, map.size, &h264)) {
            packet.restart = h264.key;
            packet.disposable = h264.disposable;
        }
        gst_buffer_unmap (buffer, &map);
    }
    return packet;
}

static gboolean
is_near (GstClockTime a, GstClockTime b)
{
    return GST_CLOCK_TIME_IS_VALID (a) && GST_CLOCK_TIME_IS_VALID (b) && (a > b ? a - b : b - a) < THIN_NS;
}

/* Deals one packet. FALSE: no decoder, or pictures too large. */
static gboolean
deal (Decode *d, GstSample *sample, GError **error)
{
    Packet packet = look_at_packet (d, sample);
    GstClockTime pts = GST_BUFFER_PTS (gst_sample_get_buffer (sample));
    if ((d->options.key_units && !packet.key) || (d->options.thin && packet.disposable && is_near (pts, d->kept)))
        return TRUE;
    GstCaps *caps = gst_sample_get_caps (sample);
    if (caps != d->caps && caps != NULL && gst_caps_get_size (caps) > 0 && too_large (gst_caps_get_structure (caps, 0))) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "video: %s", TOO_LARGE);
        return FALSE;
    }
    gst_caps_replace (&d->caps, caps);
    if (d->current == NULL || packet.restart)
        d->current = choose (d);
    if (d->current == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "video: the decoder %s can't be started", decoder_of (d->codec));
        return FALSE;
    }
    while (!decoder_has_room (d->current) && !g_atomic_int_get (&d->shared.stop))
        g_usleep (2000);
    g_autoptr (GstSample) quick = d->options.codes_only && d->options.key_units && d->codec == &codecs[0] ? made_quick (sample) : gst_sample_ref (sample);
    decoder_push (d->current, quick);
    d->kept = pts;
    return TRUE;
}

static gboolean
all_done (const Decode *d)
{
    gboolean done = TRUE;
    for (guint i = 0; i < DECODE_WORKERS_MAX; i++)
        done = done && (d->decoders[i] == NULL || decoder_is_done (d->decoders[i]));
    return done;
}

static void
end_all (Decode *d)
{
    for (guint i = 0; i < DECODE_WORKERS_MAX; i++)
        if (d->decoders[i] != NULL)
            decoder_end (d->decoders[i]);
}

/* One step of reading: a packet, or a while without one. TRUE in *@ended: there are no more. */
static gboolean
read_step (Decode *d, gboolean *ended, gboolean *moved, GError **error)
{
    g_autoptr (GstSample) sample = *ended ? NULL : gst_app_sink_try_pull_sample (GST_APP_SINK (d->sink), 20 * GST_MSECOND);
    *moved = sample != NULL;
    if (sample != NULL)
        return deal (d, sample, error);
    if (*ended)
        g_usleep (2000);
    else if (gst_app_sink_is_eos (GST_APP_SINK (d->sink))) {
        *ended = TRUE;
        end_all (d);
    } else if (g_atomic_int_get (&d->all_pads) && g_atomic_pointer_get (&d->codec) == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "video: %s", d->too_large ? TOO_LARGE :
                     d->foreign_codec ? "no decoder for its codec here: gstreamer1.0-libav has more" : "there is only sound in it, or nothing");
        return FALSE;
    }
    return TRUE;
}

static gboolean
run (Decode *d, GError **error)
{
    gint64 since = g_get_monotonic_time ();
    gint pictures = 0;
    gboolean ended = FALSE, moved;
    while (!g_atomic_int_get (&d->shared.stop)) {
        if (!read_step (d, &ended, &moved, error))
            return FALSE;
        if (ended && all_done (d))
            return !any_error (d, error);
        if (!moved && any_error (d, error))
            return FALSE;
        gint now = g_atomic_int_get (&d->shared.pictures);
        if (moved || now != pictures)
            since = g_get_monotonic_time ();
        pictures = now;
        if (g_get_monotonic_time () - since > (gint64) d->options.timeout_ms * 1000) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "video: no picture and no end for %u s", d->options.timeout_ms / 1000);
            return FALSE;
        }
    }
    return TRUE;
}

static void
decode_free (Decode *d)
{
    for (guint i = 0; i < DECODE_WORKERS_MAX; i++)
        decoder_free (d->decoders[i]);
    if (d->pipeline != NULL) {
        gst_element_set_state (d->pipeline, GST_STATE_NULL);
        gst_object_unref (d->pipeline);
    }
    gst_caps_replace (&d->caps, NULL);
    g_mutex_clear (&d->shared.lock);
    g_free (d);
}

/* TRUE in *@stuck: something may still be at work on what damage gave it, and taking it down would wait for that; func won't be called any more. */
static gboolean
play (Decode *d, gboolean *stuck, GError **error)
{
    gst_element_set_state (d->pipeline, GST_STATE_PLAYING);
    GError *why = NULL;
    gboolean ok = run (d, &why);
    *stuck = !ok || g_atomic_int_get (&d->shared.stop);
    g_atomic_int_set (&d->shared.stop, 1);
    while (*stuck && !all_done (d))
        g_usleep (2000);
    if (why != NULL)
        g_propagate_error (error, why);
    return ok;
}

/* Looks at the range and builds what reads it; everything is loaded afterwards. */
static gboolean
prepare (Decode *d, GError **error)
{
    const DecodeOptions *options = &d->options;
    struct stat st;
    guint8 head[12] = { 0 };
    if (fstat (options->fd, &st) != 0)
        return io_fail (error, errno, "video: descriptor %d", options->fd);
    guint64 size = st.st_size;
    if (options->offset > size || options->length > size - options->offset ||
        pread (options->fd, head, sizeof head, options->offset) != (ssize_t) sizeof head) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "video: it is shorter than any video");
        return FALSE;
    }
    d->length = options->length > 0 ? options->length : size - options->offset;
    const char *demuxer = demuxer_for (head);
    if (demuxer == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "video: neither Matroska, WebM nor MP4");
        return FALSE;
    }
    load_all ();
    if (build (d, demuxer))
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "video: GStreamer lacks %s: install gstreamer1.0-plugins-good and -bad", demuxer);
    return FALSE;
}

gboolean
decode_video (const DecodeOptions *options, DecodeFunc func, gpointer user_data, DecodeSummary *summary, GError **error)
{
    memset (summary, 0, sizeof *summary);
    Decode *d = g_new0 (Decode, 1);     /* on the heap: a decoder that got stuck outlives this call */
    d->options = *options;
    d->kept = GST_CLOCK_TIME_NONE;
    d->shared = (Decoding) { .func = func, .user_data = user_data, .summary = summary };
    g_mutex_init (&d->shared.lock);
    gboolean ok = prepare (d, error);
    if (ok)
        gst_element_set_state (d->pipeline, GST_STATE_READY);
    ok = ok && (!options->sandbox || sandbox_enter (&options->limits, &summary->without, error));
    gboolean stuck = FALSE;
    if (ok)
        ok = play (d, &stuck, error);
    if (ok && summary->frames == 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "video: no picture in it could be decoded%s", d->foreign_codec ? ": no decoder for its codec here" : "");
        ok = FALSE;
    }
    if (!stuck)
        decode_free (d);
    return ok;
}
