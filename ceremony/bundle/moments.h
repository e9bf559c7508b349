/* Where in the video an event happened: what `play`, `clip` and `extract` begin and end at. By the newest QR code before the event, whose media time the recorder
 * told, and the monotonic time since; before the first code by the time since the part began. Good to about a tenth of a second. */
#pragma once
#include "ceremony/bundle/asice.h"
#include "ceremony/journal/event.h"

typedef struct { gint64 part, ms; } Moment;             /* part 0: nothing was being recorded */

typedef struct {
    const Event *begun, *done;      /* the first step.begun, the last step.done; NULL: skipped, not ended */
    const Event *hold;              /* the first step.confirmed; may be NULL */
    const Event *skipped;
} StepPlace;

typedef struct {
    GPtrArray *events;              /* Event */
    GArray    *moments;             /* Moment, an event each */
    GPtrArray *order;               /* char *: ids of steps as they were begun or skipped */
    GHashTable *steps;              /* id → StepPlace */
} Moments;

/* Of the events of a bundle (journal/events.jsonl). They aren't verified. */
Moments *moments_read (const Asice *bundle, GError **error);
Moments *moments_new (GPtrArray *events);               /* takes them */
void     moments_free (Moments *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Moments, moments_free)

Moment moments_at (const Moments *self, const Event *event);
/* The step named @id. BASE_ERROR_USAGE where there is none: the message lists those that there are. */
const StepPlace *moments_step (const Moments *self, const char *id, GError **error);
/* Members of an event's data; -1 and NULL where they are missing. */
gint64      event_number (const Event *event, const char *key);
const char *event_text (const Event *event, const char *key);
/* Events of @type and part in order (container: g_ptr_array_unref), the first of them (NULL), and how many parts were begun with video. */
GPtrArray   *moments_of_part (const Moments *self, const char *type, gint64 part);
const Event *moments_first (const Moments *self, const char *type, gint64 part);
guint        moments_parts (const Moments *self);

/* How the recorder names a part's video; any other name is somebody else's. g_free. */
char        *moments_video_path (gint64 part);
/* "12", "12.5", "1:02", "1:02:03.5": ms. BASE_ERROR_USAGE. */
gboolean moment_parse (const char *text, gint64 *ms, GError **error);
char    *moment_format (gint64 ms);                     /* "1:02.500", "0:12.000"; g_free */
