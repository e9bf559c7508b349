/* The microphone's clock and ours differ, and so do their pace on a busy machine: what is heard waits in a store, always equally long, so that it goes to the time at
 * which it was heard. What is there too much is dropped, what is missing is silence. */
#include "media/sound.h"
#include <string.h>

#define SLACK_MS 40             /* so much longer than SOUND_STORE_MS it may wait */

struct Sound {
    Source *source;
    GByteArray *store;
    gsize kept, slack;          /* bytes: what stays behind when a piece was taken; how much more may */
    gboolean primed;            /* so much was there once: only then it is taken from */
};

static const char *
describe (const char *audio)
{
    if (strcmp (audio, "test") == 0)
        return "audiotestsrc is-live=true wave=ticks volume=0.2 samplesperbuffer=960";
    if (strcmp (audio, "default") == 0)
        return "autoaudiosrc";
    return "pulsesrc name=src";
}

Sound *
sound_new (const char *audio, int rate, SourceChanged changed, gpointer user)
{
    Sound *self = g_new0 (Sound, 1);
    self->store = g_byte_array_new ();
    self->kept = (gsize) rate * SOUND_STORE_MS / 1000 * sizeof (gint16);
    self->slack = (gsize) rate * SLACK_MS / 1000 * sizeof (gint16);
    g_autofree char *description = g_strdup_printf (
        "%s ! audioconvert ! audioresample ! audio/x-raw,format=%s,rate=%d,channels=1,layout=interleaved "
        "! appsink name=out sync=false max-buffers=100 drop=true",
        describe (audio), G_BYTE_ORDER == G_LITTLE_ENDIAN ? "S16LE" : "S16BE", rate);
    gboolean named = strcmp (audio, "test") != 0 && strcmp (audio, "default") != 0;
    self->source = source_new (description, named ? "device" : NULL, named ? audio : NULL, NULL, FALSE, changed, user);
    return self;
}

void
sound_free (Sound *self)
{
    if (!self)
        return;
    source_free (self->source);
    g_byte_array_unref (self->store);
    g_free (self);
}

static void
collect (Sound *self)
{
    GstSample *sample;
    while ((sample = source_pull (self->source))) {
        GstMapInfo map;
        GstBuffer *buffer = gst_sample_get_buffer (sample);
        if (buffer && gst_buffer_map (buffer, &map, GST_MAP_READ)) {
            g_byte_array_append (self->store, map.data, (guint) (map.size & ~(gsize) 1));
            gst_buffer_unmap (buffer, &map);
        }
        gst_sample_unref (sample);
    }
}

void
sound_take (Sound *self, gint16 *into, gsize samples)
{
    gsize want = samples * sizeof *into;
    collect (self);
    gsize most = self->kept + want;
    if (self->store->len > most + (self->primed ? self->slack : 0))
        g_byte_array_remove_range (self->store, 0, (guint) (self->store->len - most));
    self->primed |= self->store->len >= most;
    gsize have = self->primed ? MIN (want, self->store->len) : 0;
    if (have > 0) {
        memcpy (into, self->store->data, have);
        g_byte_array_remove_range (self->store, 0, (guint) have);
    }
    memset ((guint8 *) into + have, 0, want - have);
    if (have < want)
        self->primed = FALSE;
}
