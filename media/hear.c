/* The job hear: the sound of a stretch of our own recording, decoded in the sandbox: how loud it is, and as WAV. Of a long recording only the head and the clusters
 * that are asked for are read: their times are in them. */
#include "media/jobs.h"
#include "media/lines.h"
#include "media/sandbox.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INPUT_FD 4
#define PIECE (64 * 1024)
#define RATE 48000
#define LONGEST_MS (30 * 60 * 1000)     /* of a WAV */

typedef struct {
    gint64 offset, length, head, skip, until;   /* bytes of the video in the descriptor; [0, head) and [skip, until) of it are read */
    gint64 from_ms, to_ms;
    gboolean wav;
    gint64 position;
    GstElement *pipeline, *source, *decoder, *sink;
    gboolean linked;
    GByteArray *samples;                /* S16LE */
    gint64 count, peak, loud;           /* loud: samples that anybody would hear */
} Hear;

static void
need_data (GstAppSrc *source, guint hint, gpointer user_data)
{
    Hear *self = user_data;
    if (self->head > 0 && self->position >= self->head && self->position < self->skip)
        self->position = self->skip;
    gint64 end = self->head > 0 && self->position < self->head ? self->head : self->length;
    gsize want = (gsize) CLAMP (end - self->position, 0, PIECE);
    guint8 *piece = g_malloc (PIECE);
    ssize_t got = want > 0 ? pread (INPUT_FD, piece, want, self->offset + self->position) : 0;
    if (got <= 0) {
        g_free (piece);
        gst_app_src_end_of_stream (source);
        return;
    }
    self->position += got;
    gst_app_src_push_buffer (source, gst_buffer_new_wrapped_full (0, piece, PIECE, 0, (gsize) got, piece, g_free));
}

static void
pad_added (GstElement *demuxer, GstPad *pad, gpointer user_data)
{
    Hear *self = user_data;
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
    const char *name = caps && gst_caps_get_size (caps) > 0 ? gst_structure_get_name (gst_caps_get_structure (caps, 0)) : "";
    gboolean ours = !self->linked && strcmp (name, "audio/x-opus") == 0;
    GstElement *into = ours ? self->decoder : gst_element_factory_make ("fakesink", NULL);
    if (!ours) {
        g_object_set (into, "async", FALSE, "sync", FALSE, NULL);
        gst_bin_add (GST_BIN (self->pipeline), into);
        gst_element_sync_state_with_parent (into);
    }
    self->linked = self->linked || ours;
    g_autoptr (GstPad) sink = gst_element_get_static_pad (into, "sink");
    gst_pad_link (pad, sink);
}

static gboolean
build (Hear *self, GError **error)
{
    GstElement *demuxer = gst_element_factory_make ("matroskademux", NULL), *convert = gst_element_factory_make ("audioconvert", NULL);
    GstElement *spare = gst_element_factory_make ("fakesink", NULL);    /* its plug-in is loaded before the sandbox */
    self->pipeline = gst_pipeline_new (NULL);
    self->source = gst_element_factory_make ("appsrc", NULL);
    self->decoder = gst_element_factory_make ("opusdec", NULL);
    self->sink = gst_element_factory_make ("appsink", NULL);
    g_clear_object (&spare);
    if (!demuxer || !convert || !self->source || !self->decoder || !self->sink) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "GStreamer lacks matroskademux, opusdec or audioconvert: install gstreamer1.0-plugins-base and -good");
        return FALSE;
    }
    gst_bin_add_many (GST_BIN (self->pipeline), self->source, demuxer, self->decoder, convert, self->sink, NULL);
    g_autoptr (GstCaps) caps = gst_caps_new_simple ("audio/x-raw", "format", G_TYPE_STRING, "S16LE", "rate", G_TYPE_INT, RATE, "channels", G_TYPE_INT, 1, "layout",
                                                    G_TYPE_STRING, "interleaved", NULL);
    g_object_set (self->sink, "sync", FALSE, "max-buffers", 16, "caps", caps, NULL);
    g_object_set (self->source, "format", GST_FORMAT_BYTES, "max-bytes", (guint64) 4 * PIECE, NULL);
    GstAppSrcCallbacks callbacks = { .need_data = need_data };
    gst_app_src_set_callbacks (GST_APP_SRC (self->source), &callbacks, self, NULL);
    g_signal_connect (demuxer, "pad-added", G_CALLBACK (pad_added), self);
    return gst_element_link (self->source, demuxer) && gst_element_link_many (self->decoder, convert, self->sink, NULL);
}

/* What of a buffer lies in the stretch. */
static void
take_buffer (Hear *self, GstBuffer *buffer, gint64 start_ms)
{
    GstMapInfo map;
    if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
        return;
    for (gsize i = 0; i + 1 < map.size; i += 2) {
        gint64 ms = start_ms + (gint64) (i / 2) * 1000 / RATE;
        if (ms < self->from_ms || ms >= self->to_ms)
            continue;
        gint64 level = ABS ((gint64) (gint16) (map.data[i] | map.data[i + 1] << 8));
        self->count++;
        self->peak = MAX (self->peak, level);
        self->loud += level > 200;
        if (self->wav)
            g_byte_array_append (self->samples, map.data + i, 2);
    }
    gst_buffer_unmap (buffer, &map);
}

static gboolean
pull_all (Hear *self, GError **error)
{
    g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);
    for (guint quiet = 0; quiet < 200;) {
        g_autoptr (GstSample) sample = gst_app_sink_try_pull_sample (GST_APP_SINK (self->sink), 100 * GST_MSECOND);
        g_autoptr (GstMessage) message = sample ? NULL : gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
        quiet = sample ? 0 : quiet + 1;
        if (sample) {
            GstClockTime pts = GST_BUFFER_PTS (gst_sample_get_buffer (sample));
            gint64 ms = GST_CLOCK_TIME_IS_VALID (pts) ? (gint64) (pts / GST_MSECOND) : 0;
            if (ms >= self->to_ms)
                return TRUE;
            take_buffer (self, gst_sample_get_buffer (sample), ms);
        } else if (gst_app_sink_is_eos (GST_APP_SINK (self->sink)) || (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)) {
            return TRUE;
        } else if (!self->linked && self->position >= self->length && quiet > 10) {
            return TRUE;                /* no sound in it */
        } else if (message) {
            g_autoptr (GError) why = NULL;
            gst_message_parse_error (message, &why, NULL);
            if (self->count > 0 || !self->linked)
                return TRUE;            /* cut off: what there was counts */
            g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "sound: %s", why->message);
            return FALSE;
        }
    }
    g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "sound: nothing and no end for 20 s");
    return FALSE;
}

static void
put_number (GByteArray *out, guint32 n, guint bytes)
{
    for (guint i = 0; i < bytes; i++) {
        guint8 byte = (guint8) (n >> (8 * i));
        g_byte_array_append (out, &byte, 1);
    }
}

/* RIFF WAVE, PCM (Microsoft and IBM, Multimedia Programming Interface 1.0). */
static void
print_wav (const Hear *self)
{
    g_autoptr (GByteArray) head = g_byte_array_new ();
    g_byte_array_append (head, (const guint8 *) "RIFF", 4);
    put_number (head, 36 + self->samples->len, 4);
    g_byte_array_append (head, (const guint8 *) "WAVEfmt ", 8);
    put_number (head, 16, 4);
    put_number (head, 1, 2);
    put_number (head, 1, 2);
    put_number (head, RATE, 4);
    put_number (head, RATE * 2, 4);
    put_number (head, 2, 2);
    put_number (head, 16, 2);
    g_byte_array_append (head, (const guint8 *) "data", 4);
    put_number (head, self->samples->len, 4);
    fwrite (head->data, 1, head->len, stdout);
    fwrite (self->samples->data, 1, self->samples->len, stdout);
}

static gboolean
read_options (Hear *self, int argc, char **argv)
{
    const struct { const char *name; gint64 *value; } options[] = {
        { "--offset", &self->offset }, { "--length", &self->length }, { "--head", &self->head },
        { "--skip", &self->skip },     { "--until", &self->until },     { "--from-ms", &self->from_ms }, { "--to-ms", &self->to_ms },
    };
    for (int i = 1; i < argc; i++) {
        gboolean known = strcmp (argv[i], "--wav") == 0;
        self->wav = self->wav || known;
        for (gsize n = 0; n < G_N_ELEMENTS (options) && !known && i + 1 < argc; n++)
            known = strcmp (argv[i], options[n].name) == 0 && g_ascii_string_to_signed (argv[i + 1], 10, 0, G_GINT64_CONSTANT (1) << 50, options[n].value, NULL);
        if (!known)
            return FALSE;
        i += strcmp (argv[i], "--wav") != 0;
    }
    if (self->length == 0)
        self->length = MAX (lseek (INPUT_FD, 0, SEEK_END) - self->offset, 0);
    if (self->until > 0)
        self->length = MIN (self->length, self->until);
    if (self->wav)
        self->to_ms = MIN (self->to_ms, self->from_ms + LONGEST_MS);
    return self->skip >= self->head && self->to_ms >= self->from_ms;
}

static gboolean
hear (Hear *self, GError **error)
{
    SandboxLimits limits = { G_GUINT64_CONSTANT (3) << 30, 600 };
    const char *without;
#ifdef __SANITIZE_ADDRESS__
    limits.memory_bytes = 0;
#endif
    if (!build (self, error))
        return FALSE;
    gst_element_set_state (self->pipeline, GST_STATE_READY);
    if (!sandbox_enter (&limits, &without, error))
        return FALSE;
    gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
    /* It isn't taken down: that would wait for a demuxer that damage keeps busy. The process ends at once afterwards. */
    return pull_all (self, error);
}

int
job_hear (int argc, char **argv)
{
    Hear self = { .to_ms = G_GINT64_CONSTANT (1) << 50, .samples = g_byte_array_new () };
    if (!read_options (&self, argc, argv)) {
        fputs ("usage: ceremony-media hear [--offset N] [--length N] [--head N --skip N] [--until N] [--from-ms N] [--to-ms N] [--wav]   (video: descriptor 4)\n", stderr);
        return 2;
    }
    gst_registry_fork_set_enabled (FALSE);
    gst_init (NULL, NULL);
    g_autoptr (GError) error = NULL;
    gboolean good = hear (&self, &error);
    if (good) {
        good = print_line (json_pack ("{s:b,s:I,s:I,s:I,s:I,s:I}", "end", 1, "loud", (json_int_t) self.loud, "ms", (json_int_t) (self.count * 1000 / RATE), "peak",
                                      (json_int_t) self.peak, "samples", (json_int_t) self.count, "wav_length",
                                      (json_int_t) (self.wav ? 44 + self.samples->len : 0)));
        if (self.wav)
            print_wav (&self);
    } else
        fprintf (stderr, "ceremony-media: hear: %s\n", error->message);
    g_byte_array_unref (self.samples);
    return good && fflush (stdout) == 0 ? 0 : 1;
}
