/* Whether a camera's pictures repeat: a sensor never gives the same picture twice, a still file, a frozen driver or a loop does. The recorder looks at
 * what comes from the camera, bit by bit; verify looks again at the video itself (media/look.c). */
#pragma once
#include <glib.h>

typedef struct Repeats Repeats;

typedef enum { REPEATS_NEWS_NONE, REPEATS_NEWS_FROZEN, REPEATS_NEWS_LOOP, REPEATS_NEWS_OVER } RepeatsNews;

Repeats    *repeats_new (void);
void        repeats_free (Repeats *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Repeats, repeats_free)

/* The next picture, by its hash, at @ms (ascending). What there is to tell: FROZEN once the same picture came for 5 s, LOOP once a second's worth of pictures
 * all were there before, OVER when new ones come again after either. */
RepeatsNews repeats_take (Repeats *self, guint64 hash, gint64 ms);
gint64      repeats_period (const Repeats *self);   /* ms from a picture to its return, the last one; 0: none */
gint64      repeats_since (const Repeats *self);    /* FROZEN: the ms of the first of the pictures that are all the same */
void        repeats_resized (Repeats *self);        /* pictures come in another size from now on: their hashes say nothing about the earlier ones */
