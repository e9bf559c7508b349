/* An event: one line of canonical JSON, one leaf of the journal. docs/formats.md lists types and their data. */
#pragma once
#include <glib.h>
#include "ceremony/base/cjson.h"

#define EVENT_MAX_LEN (1024 * 1024)

typedef struct {
    guint64 seq;                            /* from 0, without a gap */
    guint64 sitting;                        /* from 1 */
    gint64  mono;                           /* ms since the start of its sitting */
    gint64  time;                           /* wall clock, UTC ms */
    char   *type;                           /* noun.verb */
    char   *actor;                          /* "appliance", "operator", "witness", "recorder", … */
    char   *step;                           /* step id, "" outside of steps */
    char   *salt;                           /* base64url of 16 random bytes */
    json_t *data;                           /* an object */
    char   *line;                           /* the exact bytes hashed, no newline */
} Event;
/* Reads one line under EVENT_MAX_LEN; just the nine members are allowed, each of its type. */
Event *event_parse (const void *line, gsize len, GError **error);
void   event_free (Event *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Event, event_free)
/* The lines of journal/events.jsonl: an array of Event. Each line must end in a newline; errors name the line. No line is no event. */
GPtrArray *events_parse (const void *data, gsize len, GError **error);
/* Builds event @seq with a fresh salt; @data is borrowed. */
Event *event_new (guint64 seq, guint64 sitting, gint64 mono, gint64 time, const char *type, const char *actor, const char *step, const json_t *data,
                  GError **error);
