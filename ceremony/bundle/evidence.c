/* evidence.json: what the appliance closes, from the events and the final checkpoint alone. */
#include "ceremony/bundle/statement-internal.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/journal/note.h"
#include <string.h>

const Event *
events_first (const GPtrArray *events, const char *type)
{
    for (guint i = 0; i < events->len; i++) {
        const Event *event = g_ptr_array_index (events, i);
        if (g_str_equal (event->type, type))
            return event;
    }
    return NULL;
}

const Event *
events_last (const GPtrArray *events, const char *type)
{
    for (guint i = events->len; i-- > 0;) {
        const Event *event = g_ptr_array_index (events, i);
        if (g_str_equal (event->type, type))
            return event;
    }
    return NULL;
}

guint
events_count (const GPtrArray *events, const char *type)
{
    guint n = 0;
    for (guint i = 0; i < events->len; i++)
        n += g_str_equal (((const Event *) g_ptr_array_index (events, i))->type, type) ? 1 : 0;
    return n;
}

void
take (json_t *object, const char *name, const json_t *from, const char *key)
{
    json_t *value = json_object_get (from, key);
    if (value != NULL)
        json_object_set (object, name, value);
    else
        json_object_set_new (object, name, json_null ());
}

void
take_all (json_t *object, const json_t *from, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        take (object, *keys, from, *keys);
}

void
put_time (json_t *object, const char *name, gint64 ms)
{
    g_autofree char *text = clock_format (ms);
    json_object_set_new (object, name, json_string (text));
}

json_t *
mention (const Event *event)
{
    json_t *object = json_pack ("{s:I}", "seq", (json_int_t) event->seq);
    put_time (object, "time", event->time);
    if (event->step[0] != '\0')
        json_object_set_new (object, "step", json_string (event->step));
    return object;
}

json_t *
mention_with (const Event *event, const char *const *keys)
{
    json_t *object = mention (event);
    take_all (object, event->data, keys);
    return object;
}

json_t *
mention_all (const GPtrArray *events, const char *type, const char *const *keys)
{
    json_t *list = json_array ();
    for (guint i = 0; i < events->len; i++) {
        const Event *event = g_ptr_array_index (events, i);
        if (g_str_equal (event->type, type))
            json_array_append_new (list, mention_with (event, keys));
    }
    return list;
}

json_t *
mention_last (const GPtrArray *events, const char *type, const char *const *keys)
{
    const Event *event = events_last (events, type);
    return event != NULL ? mention_with (event, keys) : json_null ();
}

const char *
text_of (const json_t *object, const char *key)
{
    const char *text = json_string_value (json_object_get (object, key));
    return text != NULL ? text : "";
}

static gboolean
contradict (GError **error, const char *what)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "evidence: %s", what);
    return FALSE;
}

/* The tree over all lines must be the one that the checkpoint commits to. */
static json_t *
final_checkpoint (const GPtrArray *events, const json_t *opened, const char *note_text, GError **error)
{
    g_autoptr (Note) note = note_parse (note_text, strlen (note_text), error);
    g_autoptr (Checkpoint) checkpoint = note != NULL ? checkpoint_parse (note->text, error) : NULL;
    if (checkpoint == NULL)
        return NULL;
    g_autoptr (MerkleTree) tree = merkle_tree_new ();
    MerkleHash hash;
    for (guint i = 0; i < events->len; i++) {
        const Event *event = g_ptr_array_index (events, i);
        merkle_leaf (event->line, strlen (event->line), &hash);
        merkle_tree_append (tree, &hash);
    }
    merkle_tree_root (tree, events->len, &hash);
    if (checkpoint->size != events->len || memcmp (&hash, &checkpoint->root, sizeof hash) != 0 || !g_str_equal (checkpoint->origin, text_of (opened, "origin"))) {
        contradict (error, "the final checkpoint isn't one of these events");
        return NULL;
    }
    g_autofree char *root = base64_encode (hash.b, sizeof hash.b);
    return json_pack ("{s:I, s:s, s:s}", "size", (json_int_t) checkpoint->size, "root", root, "note", note_text);
}

static json_t *
parts (const GPtrArray *events)
{
    static const char *const keys[] = { "track", "part", "path", "length", "sha256", "chunks", NULL };
    json_t *list = json_array ();
    for (guint i = 0; i < events->len; i++) {
        const Event *event = g_ptr_array_index (events, i);
        if (!g_str_equal (event->type, "track.closed"))
            continue;
        json_t *part = json_object ();
        take_all (part, event->data, keys);
        json_array_append_new (list, part);
    }
    return list;
}

static gboolean
same_paths (const json_t *list, const json_t *paths)
{
    if (json_array_size (list) != json_array_size (paths))
        return FALSE;
    for (gsize i = 0; i < json_array_size (list); i++) {
        gboolean found = FALSE;
        for (gsize j = 0; j < json_array_size (paths); j++)
            found |= json_equal (json_object_get (json_array_get (list, i), "path"), json_array_get (paths, j));
        if (!found)
            return FALSE;
    }
    return TRUE;
}

static json_t *
key (const GPtrArray *events)
{
    static const char *const keys[] = { "algorithm", "label", "id", "mechanism", "spki_sha256", "recovered", NULL };
    const Event *generated = events_last (events, "key.generated"), *request = events_last (events, "request.made");
    const Event *countersigned = events_last (events, "request.countersigned");
    if (generated == NULL)
        return json_null ();
    json_t *object = json_object ();
    take_all (object, generated->data, keys);
    take (object, "csr_sha256", request != NULL ? request->data : NULL, "csr_sha256");
    if (countersigned != NULL) {
        take (object, "countersignature_sha256", countersigned->data, "signature_sha256");
        take (object, "declaration_sha256", countersigned->data, "declaration_sha256");
    }
    json_object_set_new (object, "uses", json_integer (events_count (events, "key.using")));
    return object;
}

static json_t *
device (const GPtrArray *events)
{
    static const char *const keys[] = { "manufacturer", "model", "serial", "firmware", "label", NULL };
    const Event *found = events_last (events, "token.found");
    if (found == NULL)
        return json_null ();
    json_t *object = json_object ();
    take_all (object, json_object_get (found->data, "token"), keys);
    take (object, "uri", found->data, "uri");
    take (object, "module_sha256", json_object_get (found->data, "module"), "sha256");
    return object;
}

static gboolean
check_ends (const GPtrArray *events, GError **error)
{
    const Event *first = events->len > 0 ? g_ptr_array_index (events, 0) : NULL, *last = events->len > 0 ? g_ptr_array_index (events, events->len - 1) : NULL;
    if (first == NULL || !g_str_equal (first->type, "ceremony.opened") || events_count (events, "ceremony.opened") != 1)
        return contradict (error, "the journal doesn't begin with its one ceremony.opened");
    if (!g_str_equal (last->type, "ceremony.closed") || events_count (events, "ceremony.closed") != 1)
        return contradict (error, "the journal doesn't end with its one ceremony.closed");
    if (json_integer_value (json_object_get (last->data, "uses")) != events_count (events, "key.using"))
        return contradict (error, "ceremony.closed counts the uses of the key otherwise than the events");
    return TRUE;
}

json_t *
evidence_build (const GPtrArray *events, const char *final_note, GError **error)
{
    static const char *const identity[] = { "ceremony", "origin", "rehearsal", "program", NULL };
    static const char *const appliance[] = { "note_key", "certificate_sha256", NULL };
    if (!check_ends (events, error))
        return NULL;
    const Event *opened = g_ptr_array_index (events, 0), *closed = g_ptr_array_index (events, events->len - 1);
    json_t *checkpoint = final_checkpoint (events, opened->data, final_note, error);
    if (checkpoint == NULL)
        return NULL;
    g_autoptr (json_t) evidence = json_pack ("{s:s, s:o}", "format", "ceremony/evidence/v1", "checkpoint", checkpoint);
    json_t *tracks = parts (events), *keys = json_object ();
    json_object_set_new (evidence, "parts", tracks);
    json_object_set_new (evidence, "appliance", keys);
    take_all (evidence, opened->data, identity);
    take_all (keys, json_object_get (opened->data, "appliance"), appliance);
    take (evidence, "outcome", closed->data, "outcome");
    take (evidence, "reason", closed->data, "reason");
    put_time (evidence, "started", opened->time);
    put_time (evidence, "closed", closed->time);
    json_object_set_new (evidence, "sittings", json_integer ((json_int_t) closed->sitting));
    json_object_set_new (evidence, "key", key (events));
    json_object_set_new (evidence, "device", device (events));
    if (!same_paths (tracks, json_object_get (closed->data, "parts"))) {
        contradict (error, "ceremony.closed names other recordings than the track.closed events");
        return NULL;
    }
    return g_steal_pointer (&evidence);
}
