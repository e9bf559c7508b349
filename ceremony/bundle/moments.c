/* One pass over the journal gives each event its place in the video, and each step its events. */
#include "ceremony/bundle/moments.h"
#include <string.h>
#include "ceremony/base/errors.h"

#define MOMENT_MAX_MS (G_GINT64_CONSTANT (1000) * 60 * 60 * 1000)

gint64
event_number (const Event *event, const char *key)
{
    gint64 n = -1;

    return cjson_int (event->data, key, &n, NULL) ? n : -1;
}

const char *
event_text (const Event *event, const char *key)
{
    return cjson_str (event->data, key, NULL);
}

typedef struct {
    gint64       part;              /* 0: none is being recorded */
    const Event *mark;              /* recording.started, or the newest qr.shown of it */
    gint64       mark_ms;
    gint64       last_ms;           /* never goes back, by whatever the next code says */
} Clock;

static gboolean
ends_part (const Event *event, gint64 part)
{
    if (strcmp (event->type, "track.closed") == 0)
        return g_strcmp0 (event_text (event, "track"), "video") == 0 && event_number (event, "part") == part;
    return strcmp (event->type, "recorder.failed") == 0 || strcmp (event->type, "ceremony.resumed") == 0;
}

static Moment
tick (Clock *clock, const Event *event)
{
    Moment moment;
    gint64 ms = event_number (event, "media_ms");

    if (strcmp (event->type, "recording.started") == 0 && event_text (event, "video") != NULL)
        *clock = (Clock) { event_number (event, "part"), event, 0, 0 };
    if (strcmp (event->type, "qr.shown") == 0 && clock->part > 0 && event_number (event, "part") == clock->part && ms >= 0)
        *clock = (Clock) { clock->part, event, ms, clock->last_ms };
    moment.part = clock->part > 0 && clock->mark->sitting == event->sitting ? clock->part : 0;
    moment.ms = moment.part ? MAX (clock->mark_ms + MAX (event->mono - clock->mark->mono, 0), clock->last_ms) : 0;
    clock->last_ms = moment.part ? moment.ms : clock->last_ms;
    if (clock->part > 0 && ends_part (event, clock->part))
        clock->part = 0;
    return moment;
}

static void
take_step (Moments *self, const Event *event)
{
    static const char *const types[] = { "step.begun", "step.done", "step.confirmed", "step.skipped" };
    gsize t = 0;

    while (t < G_N_ELEMENTS (types) && strcmp (event->type, types[t]) != 0)
        t++;
    if (t == G_N_ELEMENTS (types))
        return;
    StepPlace *place = g_hash_table_lookup (self->steps, event->step);
    if (place == NULL) {
        place = g_new0 (StepPlace, 1);
        g_hash_table_insert (self->steps, g_strdup (event->step), place);
        g_ptr_array_add (self->order, event->step);
    }
    if (t == 0 && place->begun == NULL)
        place->begun = event;
    if (t == 1)
        place->done = event;
    if (t == 2 && place->hold == NULL)
        place->hold = event;
    if (t == 3)
        place->skipped = event;
}

Moments *
moments_new (GPtrArray *events)
{
    Moments *self = g_new0 (Moments, 1);
    Clock clock = { 0 };

    self->events = events;
    self->moments = g_array_sized_new (FALSE, FALSE, sizeof (Moment), events->len);
    self->order = g_ptr_array_new ();
    self->steps = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; i < events->len; i++) {
        Moment moment = tick (&clock, events->pdata[i]);
        g_array_append_val (self->moments, moment);
        take_step (self, events->pdata[i]);
    }
    return self;
}

Moments *
moments_read (const Asice *bundle, GError **error)
{
    g_autoptr(GBytes) bytes = asice_read (bundle, "journal/events.jsonl", ASICE_MAX_SMALL, error);
    gsize len = 0;
    const void *data = bytes ? g_bytes_get_data (bytes, &len) : NULL;
    GPtrArray *events = bytes ? events_parse (data, len, error) : NULL;

    if (events == NULL)
        g_prefix_error (error, "journal/events.jsonl: ");
    return events ? moments_new (events) : NULL;
}

void
moments_free (Moments *self)
{
    g_hash_table_unref (self->steps);
    g_ptr_array_unref (self->order);
    g_array_unref (self->moments);
    g_ptr_array_unref (self->events);
    g_free (self);
}

Moment
moments_at (const Moments *self, const Event *event)
{
    /* Where the journal is in order an event's number is its place. */
    if (event->seq < self->events->len && self->events->pdata[event->seq] == event)
        return g_array_index (self->moments, Moment, event->seq);
    for (guint i = 0; i < self->events->len; i++)
        if (self->events->pdata[i] == event)
            return g_array_index (self->moments, Moment, i);
    return (Moment) { 0, 0 };
}

const StepPlace *
moments_step (const Moments *self, const char *id, GError **error)
{
    const StepPlace *place = g_hash_table_lookup (self->steps, id);
    g_autoptr(GString) known = g_string_new (NULL);

    if (place != NULL)
        return place;
    for (guint i = 0; i < self->order->len; i++)
        g_string_append_printf (known, " %s", (const char *) self->order->pdata[i]);
    g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "the ceremony has no step \"%s\"; it has:%s", id, known->str);
    return NULL;
}

GPtrArray *
moments_of_part (const Moments *self, const char *type, gint64 part)
{
    GPtrArray *list = g_ptr_array_new ();

    for (guint i = 0; i < self->events->len; i++) {
        Event *event = self->events->pdata[i];
        if (strcmp (event->type, type) == 0 && event_number (event, "part") == part)
            g_ptr_array_add (list, event);
    }
    return list;
}

const Event *
moments_first (const Moments *self, const char *type, gint64 part)
{
    g_autoptr(GPtrArray) list = moments_of_part (self, type, part);

    return list->len ? list->pdata[0] : NULL;
}

guint
moments_parts (const Moments *self)
{
    guint n = 0;

    for (guint i = 0; i < self->events->len; i++) {
        const Event *event = self->events->pdata[i];
        n += strcmp (event->type, "recording.started") == 0 && event_text (event, "video") != NULL;
    }
    return n;
}

gboolean
moment_parse (const char *text, gint64 *ms, GError **error)
{
    g_auto(GStrv) parts = g_strsplit (text, ":", 4);
    guint n = g_strv_length (parts);
    double seconds = 0;

    for (guint i = 0; i < n && n <= 3; i++) {
        char *end = NULL;
        double value = g_ascii_isdigit (parts[i][0]) ? g_ascii_strtod (parts[i], &end) : -1;
        if (end == NULL || *end != '\0' || parts[i][strspn (parts[i], "0123456789.")] != '\0' || (i > 0 && value >= 60) || (i + 1 < n && strchr (parts[i], '.') != NULL))
            seconds = -1e18;
        seconds = seconds * 60 + value;
    }
    if (n >= 1 && n <= 3 && seconds >= 0 && seconds <= MOMENT_MAX_MS / 1000.0) {
        *ms = (gint64) (seconds * 1000 + 0.5);
        return TRUE;
    }
    g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "\"%s\" is no time in a video; write 75, 1:15 or 0:01:15.5", text);
    return FALSE;
}

char *
moment_format (gint64 ms)
{
    if (ms >= 3600000)
        return g_strdup_printf ("%" G_GINT64_FORMAT ":%02d:%02d.%03d", ms / 3600000, (int) (ms / 60000 % 60), (int) (ms / 1000 % 60), (int) (ms % 1000));
    return g_strdup_printf ("%" G_GINT64_FORMAT ":%02d.%03d", ms / 60000, (int) (ms / 1000 % 60), (int) (ms % 1000));
}

char *
moments_video_path (gint64 part)
{
    return g_strdup_printf ("video/%04" G_GINT64_FORMAT ".mkv", part);
}
