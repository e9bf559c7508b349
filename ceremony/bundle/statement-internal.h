/* What the files that build evidence and statement share: looking into events, which may be a stranger's and lack anything. */
#pragma once
#include "ceremony/bundle/statement.h"

const Event *events_first (const GPtrArray *events, const char *type);
const Event *events_last (const GPtrArray *events, const char *type);
guint        events_count (const GPtrArray *events, const char *type);
/* Sets @object's @name to a reference of @from's @key, or to null where that isn't there. */
void         take (json_t *object, const char *name, const json_t *from, const char *key);
void         take_all (json_t *object, const json_t *from, const char *const *keys);   /* NULL-terminated, under their own names */
void         put_time (json_t *object, const char *name, gint64 ms);
/* A new object with "seq" and "time" of @event, and "step" where it has one. */
json_t      *mention (const Event *event);
/* mention() with @keys of its data. */
json_t      *mention_with (const Event *event, const char *const *keys);
/* An array of mention_with() of each event of @type. */
json_t      *mention_all (const GPtrArray *events, const char *type, const char *const *keys);
/* mention_with() of the last event of @type, or null. */
json_t      *mention_last (const GPtrArray *events, const char *type, const char *const *keys);
const char  *text_of (const json_t *object, const char *key);   /* "" where it isn't a text */
/* statement-key.c: the group "key"; new reference, null without a key. */
json_t      *statement_key (const GPtrArray *events, const json_t *evidence);
