/* The sign of life, for a reviewer's eyes and ears: pictures and sound of the stretch of video in which the challenge was read aloud and held before the camera,
 * beside the words that had to be seen and heard. */
#pragma once
#include "ceremony/bundle/asice.h"

typedef struct {
    char  *words;               /* the eight words of the challenge */
    gint64 part, from_ms, to_ms;
    guint  pictures;
    gint64 sound_ms;            /* how long the sound is; 0: there was none */
    gboolean silent;            /* … and it is silence itself */
} Liveness;
void liveness_free (Liveness *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Liveness, liveness_free)

/* Writes index.html, NN.png and sound.wav into @dir, which must be there and empty. The bundle isn't verified. BASE_ERROR_MISSING: nobody showed a sign of life while
 * something was recorded, or there is no ceremony-media. */
Liveness *liveness_write (const Asice *bundle, const char *dir, GError **error);
