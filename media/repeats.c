/* A table of fixed size, whatever the length of the recording: an old entry gives way to a new one in its place. */
#include "media/repeats.h"

#define ENTRIES (1u << 17)      /* more than two hours of 15 pictures a second */
#define FROZEN_MS 5000
#define RETURN_MS 2000          /* a picture that comes back sooner is a camera's own doubling */
#define STREAK 15

typedef struct {
    guint64 hash;
    gint64 first, latest;       /* ms */
} Entry;

struct Repeats {
    Entry *seen;
    guint64 last;
    gint64 same_since, period, now, patience;   /* patience: until then news of an end are not believed, for the size has changed */
    guint streak, fresh;
    gboolean any;
    RepeatsNews state;
};

Repeats *
repeats_new (void)
{
    Repeats *self = g_new0 (Repeats, 1);
    self->seen = g_new0 (Entry, ENTRIES);
    return self;
}

void
repeats_free (Repeats *self)
{
    if (!self)
        return;
    g_free (self->seen);
    g_free (self);
}

static RepeatsNews
change (Repeats *self, RepeatsNews state)
{
    if (self->state == state)
        return REPEATS_NEWS_NONE;
    self->state = state;
    return state == REPEATS_NEWS_NONE ? REPEATS_NEWS_OVER : state;
}

RepeatsNews
repeats_take (Repeats *self, guint64 hash, gint64 ms)
{
    gboolean same = self->any && hash == self->last;
    self->any = TRUE;
    self->last = hash;
    self->now = ms;
    if (same)
        return ms - self->same_since >= FROZEN_MS ? change (self, REPEATS_NEWS_FROZEN) : REPEATS_NEWS_NONE;
    self->same_since = ms;
    Entry *entry = &self->seen[hash % ENTRIES];
    gboolean known = entry->hash == hash && entry->latest > 0, again = known && ms - entry->first >= RETURN_MS;
    if (again)
        self->period = ms - entry->latest;
    self->streak = again ? self->streak + 1 : 0;
    self->fresh = again ? 0 : self->fresh + 1;
    *entry = (Entry) { hash, known ? entry->first : ms, MAX (ms, 1) };
    if (self->streak >= STREAK)
        return change (self, REPEATS_NEWS_LOOP);
    if (self->state == REPEATS_NEWS_FROZEN || (self->state == REPEATS_NEWS_LOOP && self->fresh >= STREAK && ms >= self->patience))
        return change (self, REPEATS_NEWS_NONE);
    return REPEATS_NEWS_NONE;
}

gint64
repeats_period (const Repeats *self)
{
    return self->period;
}

gint64
repeats_since (const Repeats *self)
{
    return self->same_since;
}

void
repeats_resized (Repeats *self)
{
    self->patience = self->now + self->period + RETURN_MS;
    self->streak = self->fresh = 0;
}
