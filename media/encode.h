/* The pipeline: frames and sound in, Matroska bytes out. It has its own threads; times are counted in ticks of the frame rate. */
#pragma once
#include "media/picture.h"

typedef struct Encode Encode;

typedef struct {
    /* In the pipeline's threads, one call at a time. FALSE: the bytes couldn't be kept, stop. */
    gboolean (*bytes) (const guint8 *data, gsize len, gpointer user);
    /* In the main loop, once: all bytes are out (@reason NULL), or why no more will come. */
    void (*ended) (const char *reason, gpointer user);
} EncodeCalls;

#define ENCODE_SOUND_RATE 48000 /* mono, signed 16 bit in the machine's order */

const char *encode_name (void);  /* what to write down as the encoder */
/* NULL with BASE_ERROR_MISSING where a plug-in isn't installed. @calls is copied. */
Encode *encode_new (int width, int height, int fps, gboolean sound, const EncodeCalls *calls, gpointer user, GError **error);
void    encode_free (Encode *self);  /* stops at once */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Encode, encode_free)

/* A copy of @picture is shown from @tick on; @force_key makes it a key unit. */
void encode_frame (Encode *self, const Picture *picture, gint64 tick, gboolean force_key);
/* Sound (@samples of them) that begins with sample number @first. Where the pipeline is stuck, it is dropped. */
void encode_sound (Encode *self, const gint16 *data, gsize samples, gint64 first);
void encode_end (Encode *self);     /* no more will come: `ended` follows */
