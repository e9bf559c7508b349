/* The job remux: a recording of ours from descriptor 4 (a file) into an MP4 on standard output (a file too): copied, never decoded, with the index in front, so that
 * a browser plays and seeks it. The file is hostile: demuxer and muxer work in the sandbox. */
#include <errno.h>
#include <gst/gst.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ceremony/base/errors.h"
#include "media/jobs.h"
#include "media/mkv.h"
#include "media/sandbox.h"

#define INPUT_FD 4
#define PIECE (256 * 1024)
#define INDEX_BYTES_PER_SECOND 1000     /* of each track, reserved in front; measured: 400 at 15 frames and 50 packets of sound a second */
#define QUEUE_BYTES (64 * 1024 * 1024)
#define PATIENCE_S 60                   /* nothing written for so long is an error */

static const struct { const char *caps, *parser; } streams[] = { { "video/x-h264", "h264parse" }, { "audio/x-opus", "opusparse" } };

typedef struct {
    GstElement *pipeline, *mux;
    gboolean    taken[G_N_ELEMENTS (streams)];
    guint8      opus[8];                /* pre-skip, rate and gain, big endian, as the dOps box holds them */
    gboolean    has_opus;
} Remux;

static GstElement *
add (Remux *r, const char *name)
{
    GstElement *element = gst_element_factory_make (name, NULL);

    if (element != NULL)
        gst_bin_add (GST_BIN (r->pipeline), element);
    return element;
}

static void
link_stream (Remux *r, GstPad *pad, const char *parser_name)
{
    GstElement *queue = add (r, "queue"), *parser = add (r, parser_name);

    g_object_set (queue, "max-size-buffers", 0, "max-size-time", (guint64) 0, "max-size-bytes", QUEUE_BYTES, NULL);
    gst_element_link_many (queue, parser, r->mux, NULL);
    gst_element_sync_state_with_parent (parser);
    gst_element_sync_state_with_parent (queue);
    g_autoptr (GstPad) into = gst_element_get_static_pad (queue, "sink");
    gst_pad_link (pad, into);
}

/* RFC 7845 5.1: what the recording's own header says, little endian there. */
static void
read_opus_head (Remux *r, const GstStructure *caps)
{
    const GValue *headers = gst_structure_get_value (caps, "streamheader");
    const GValue *first = headers && GST_VALUE_HOLDS_ARRAY (headers) && gst_value_array_get_size (headers) ? gst_value_array_get_value (headers, 0) : NULL;
    GstBuffer *buffer = first ? gst_value_get_buffer (first) : NULL;
    guint8 head[18];

    if (buffer == NULL || gst_buffer_extract (buffer, 0, head, sizeof head) != sizeof head || memcmp (head, "OpusHead", 8) != 0)
        return;
    const guint8 swapped[8] = { head[11], head[10], head[15], head[14], head[13], head[12], head[17], head[16] };
    memcpy (r->opus, swapped, sizeof swapped);
    r->has_opus = TRUE;
}

/* GStreamer 1.22 writes the pre-skip into dOps as it found it, little endian: players then skip the first third of a second of sound. Put right in the index as it passes. */
static GstPadProbeReturn
mend_index (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    const Remux *r = user_data;
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
    GstMapInfo map;
    guint8 kind[4] = { 0 };

    if (!r->has_opus || gst_buffer_extract (buffer, 4, kind, 4) != 4 || memcmp (kind, "moov", 4) != 0)
        return GST_PAD_PROBE_OK;
    buffer = GST_PAD_PROBE_INFO_DATA (info) = gst_buffer_make_writable (buffer);
    if (!gst_buffer_map (buffer, &map, GST_MAP_READWRITE))
        return GST_PAD_PROBE_OK;
    guint8 *box = memmem (map.data, map.size, "dOps", 4);
    if (box != NULL && (gsize) (map.data + map.size - box) >= 6 + sizeof r->opus)
        memcpy (box + 6, r->opus, sizeof r->opus);      /* behind name, version and channels */
    gst_buffer_unmap (buffer, &map);
    return GST_PAD_PROBE_OK;
}

static void
pad_added (GstElement *demuxer, GstPad *pad, gpointer user_data)
{
    Remux *r = user_data;
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
    const char *name = caps != NULL && gst_caps_get_size (caps) > 0 ? gst_structure_get_name (gst_caps_get_structure (caps, 0)) : "";

    for (gsize i = 0; i < G_N_ELEMENTS (streams); i++)
        if (strcmp (streams[i].caps, name) == 0 && !r->taken[i]) {
            r->taken[i] = TRUE;
            read_opus_head (r, gst_caps_get_structure (caps, 0));
            link_stream (r, pad, streams[i].parser);
            return;
        }
    GstElement *sink = add (r, "fakesink");
    g_object_set (sink, "async", FALSE, "sync", FALSE, NULL);
    gst_element_sync_state_with_parent (sink);
    g_autoptr (GstPad) into = gst_element_get_static_pad (sink, "sink");
    gst_pad_link (pad, into);
}

static gboolean
build (Remux *r, GError **error)
{
    static const char *const late[] = { "queue", "fakesink", "h264parse", "opusparse" };
    r->pipeline = gst_pipeline_new (NULL);
    GstElement *source = add (r, "fdsrc"), *demuxer = add (r, "matroskademux"), *sink = add (r, "fdsink");
    r->mux = add (r, "mp4mux");
    gboolean there = source && demuxer && sink && r->mux;

    /* Loaded now: nothing can be opened later. */
    for (gsize i = 0; i < G_N_ELEMENTS (late); i++) {
        GstElement *element = gst_element_factory_make (late[i], NULL);
        there = there && element != NULL;
        g_clear_object (&element);
    }
    if (!there) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "GStreamer lacks an element: install gstreamer1.0-plugins-good and -bad");
        return FALSE;
    }
    g_object_set (source, "fd", INPUT_FD, "blocksize", PIECE, NULL);
    g_object_set (sink, "fd", STDOUT_FILENO, "sync", FALSE, NULL);
    g_signal_connect (demuxer, "pad-added", G_CALLBACK (pad_added), r);
    g_autoptr (GstPad) out = gst_element_get_static_pad (r->mux, "src");
    gst_pad_add_probe (out, GST_PAD_PROBE_TYPE_BUFFER, mend_index, r, NULL);
    return gst_element_link (source, demuxer) && gst_element_link (r->mux, sink);
}

/* The media time of the last whole picture, by our own walker: how much room the index needs. -1: there is none. */
static gint64
length_ms (void)
{
    g_autofree guint8 *piece = g_malloc (PIECE);
    Mkv mkv = { 0 };
    gint64 last = -1;
    guint64 at = 0;

    for (ssize_t n; (n = pread (INPUT_FD, piece, PIECE, (off_t) at)) > 0; at += (guint64) n)
        for (gsize done = 0, used; done < (gsize) n; done += used) {
            MkvStep step = mkv_walk (&mkv, piece + done, (gsize) n - done, &used);
            if (step == MKV_FRAME)
                last = MAX (last, mkv.frame_ms);
            if (step == MKV_BAD)
                return last;
            if (step == MKV_MORE && used == 0)
                break;
        }
    return last;
}

static gboolean
run (Remux *r, GError **error)
{
    g_autoptr (GstBus) bus = gst_element_get_bus (r->pipeline);
    gint64 before = -1, now;

    for (;;) {
        g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus, PATIENCE_S * GST_SECOND, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
        if (message != NULL && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
            return TRUE;
        if (message != NULL) {
            g_autoptr (GError) why = NULL;
            gst_message_parse_error (message, &why, NULL);
            g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s", why->message);
            return FALSE;
        }
        now = lseek (STDOUT_FILENO, 0, SEEK_CUR);
        if (now == before) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "nothing was written for %d s", PATIENCE_S);
            return FALSE;
        }
        before = now;
    }
}

static gboolean
remux (Remux *r, GError **error)
{
    struct stat in, out;
    SandboxLimits limits = { G_GUINT64_CONSTANT (3) << 30, 3600 };
    const char *without = NULL;

#ifdef __SANITIZE_ADDRESS__
    limits.memory_bytes = 0;
#endif
    if (fstat (INPUT_FD, &in) != 0 || fstat (STDOUT_FILENO, &out) != 0 || !S_ISREG (in.st_mode) || !S_ISREG (out.st_mode)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "descriptor 4 and standard output must be files");
        return FALSE;
    }
    if (!build (r, error))
        return FALSE;
    struct rlimit most = { (rlim_t) in.st_size * 2 + (64 << 20), (rlim_t) in.st_size * 2 + (64 << 20) };
    setrlimit (RLIMIT_FSIZE, &most);
    gst_element_set_state (r->pipeline, GST_STATE_READY);
    if (!sandbox_enter (&limits, &without, error))
        return FALSE;
    gint64 length = length_ms ();
    if (length < 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "no picture in it is whole");
        return FALSE;
    }
    g_object_set (r->mux, "reserved-max-duration", (guint64) (length + 10000) * GST_MSECOND, "reserved-bytes-per-sec", INDEX_BYTES_PER_SECOND, NULL);
    gst_element_set_state (r->pipeline, GST_STATE_PLAYING);
    gboolean ok = run (r, error);
    gst_element_set_state (r->pipeline, GST_STATE_NULL);
    if (ok && !r->taken[0]) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "there is no H.264 video in it");
        return FALSE;
    }
    return ok;
}

int
job_remux (int argc, char **argv)
{
    g_autoptr (GError) error = NULL;
    Remux r = { 0 };

    if (argc != 1) {
        fputs ("usage: ceremony-media remux   (Matroska: descriptor 4; MP4: standard output; both files)\n", stderr);
        return 2;
    }
    gst_registry_fork_set_enabled (FALSE);
    gst_init (NULL, NULL);
    gboolean ok = remux (&r, &error);
    if (!ok)
        fprintf (stderr, "ceremony-media: remux: %s\n", error->message);
    if (r.pipeline != NULL) {
        gst_element_set_state (r.pipeline, GST_STATE_NULL);
        gst_object_unref (r.pipeline);
    }
    return ok ? 0 : 1;
}
