/* Sound in even pieces: whatever the microphone gives, or silence, so that the muxer never waits for it. */
#pragma once
#include "media/source.h"

#define SOUND_STORE_MS 100      /* how long sound waits before it is taken */

typedef struct Sound Sound;

/* @audio: "test", "default", or a PulseAudio device's name; @changed as for a source. */
Sound *sound_new (const char *audio, int rate, SourceChanged changed, gpointer user);
void   sound_free (Sound *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sound, sound_free)

/* Fills @samples at @into: what came in since the last call, then silence. */
void   sound_take (Sound *self, gint16 *into, gsize samples);
