/* The statement's group "key": the key with each attribute as read and what it means, what was there before and after, and every use of it. */
#include "ceremony/bundle/statement-internal.h"
#include <string.h>
#include "ceremony/token/evidence.h"

typedef enum { ANY, MUST_BE_TRUE, MUST_BE_FALSE, MUST_BE_MECHANISM } Wanted;
typedef struct { const char *name, *meaning; Wanted wanted; } Attribute;

/* PKCS#11 2.40 4.4 to 4.9. Public objects are told with the same words, without anything wanted of them. */
static const Attribute attributes[] = {
    { "cka_token", "it is stored in the token, not in a session only", MUST_BE_TRUE },
    { "cka_private", "it can be seen and used after login only", MUST_BE_TRUE },
    { "cka_sensitive", "its value can't be read out in plain text", MUST_BE_TRUE },
    { "cka_always_sensitive", "there was never a time when its value could be read out", MUST_BE_TRUE },
    { "cka_extractable", "whether it may leave the token encrypted", MUST_BE_FALSE },
    { "cka_never_extractable", "there was never a time when it could leave the token", MUST_BE_TRUE },
    { "cka_local", "it was generated in the token, or copied from a key that was", MUST_BE_TRUE },
    { "cka_key_gen_mechanism", "the mechanism that generated it", MUST_BE_MECHANISM },
    { "cka_id", "its identifier, which follows from the challenge", ANY },
    { "cka_label", "its name", ANY },
    { "cka_unique_id", "the token's own number for this object", ANY },
    { "cka_modifiable", "whether its attributes may be changed later", ANY },
    { "cka_copyable", "whether the token may copy it", ANY },
    { "cka_destroyable", "whether it may be deleted", ANY },
    { "cka_sign", "whether it may sign", ANY },
    { "cka_sign_recover", "whether it may sign so that the data can be recovered", ANY },
    { "cka_derive", "whether other keys may be derived from it", ANY },
    { "cka_unwrap", "whether it may unwrap other keys", ANY },
    { "cka_decrypt", "whether it may decrypt", ANY },
    { "cka_wrap_with_trusted", "whether it may leave only under a key that the token trusts", ANY },
    { "cka_always_authenticate", "whether each use asks for the PIN", ANY },
    { "cka_allowed_mechanisms", "the mechanisms that it may be used with", ANY },
    { "cka_public_key_info", "the public key that belongs to it", ANY },
};

static const Attribute *
find_attribute (const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS (attributes); i++)
        if (g_str_equal (attributes[i].name, name))
            return &attributes[i];
    return NULL;
}

/* true, false, or null where nothing is wanted or the token can't tell. */
static json_t *
fits (const Attribute *attribute, const json_t *value, const char *mechanism)
{
    if (attribute == NULL || attribute->wanted == ANY || value == NULL)
        return json_null ();
    if (attribute->wanted != MUST_BE_MECHANISM)
        return json_boolean (attribute->wanted == MUST_BE_TRUE ? json_is_true (value) : json_is_false (value));
    return mechanism[0] != '\0' ? json_boolean (g_strcmp0 (json_string_value (value), mechanism) == 0) : json_null ();
}

static void
add_attributes (json_t *list, const char *which, const json_t *read, const char *mechanism)
{
    const char *name;
    json_t *entry;
    gboolean private = g_str_equal (which, "private");
    json_object_foreach ((json_t *) read, name, entry) {
        const Attribute *attribute = find_attribute (name);
        g_autofree char *shown = g_ascii_strup (name, -1);
        json_t *value = json_object_get (entry, "value"), *item = json_pack ("{s:s, s:s}", "object", which, "name", shown);
        take (item, value != NULL ? "value" : "error", entry, value != NULL ? "value" : "error");
        json_object_set_new (item, "meaning", json_string (attribute != NULL ? attribute->meaning : ""));
        json_object_set_new (item, "as_required", private ? fits (attribute, value, mechanism) : json_null ());
        json_array_append_new (list, item);
    }
}

static int
compare_items (const void *a, const void *b)
{
    const json_t *left = *(json_t *const *) a, *right = *(json_t *const *) b;
    int order = strcmp (text_of (left, "object"), text_of (right, "object"));
    return order != 0 ? order : strcmp (text_of (left, "name"), text_of (right, "name"));
}

/* jansson keeps members in the order of the text that was read: sorted here, so that it follows from what the journal says alone. */
static json_t *
sorted (json_t *list)
{
    gsize n = json_array_size (list);
    g_autofree json_t **items = g_new (json_t *, n + 1);
    json_t *result = json_array ();
    for (gsize i = 0; i < n; i++)
        items[i] = json_array_get (list, i);
    if (n > 1)
        qsort (items, n, sizeof *items, compare_items);
    for (gsize i = 0; i < n; i++)
        json_array_append (result, items[i]);
    json_decref (list);
    return result;
}

static json_t *
attributes_read (const GPtrArray *events, const char *mechanism)
{
    const Event *read = events_first (events, "attributes.read");
    json_t *list = json_array ();
    if (read != NULL) {
        add_attributes (list, "private", json_object_get (read->data, "private"), mechanism);
        add_attributes (list, "public", json_object_get (read->data, "public"), mechanism);
    }
    return sorted (list);
}

/* Later readings: whether they said the same. */
static json_t *
attributes_again (const GPtrArray *events)
{
    static const char *const keys[] = { "occasion", NULL };
    const Event *first = events_first (events, "attributes.read");
    json_t *list = json_array ();
    for (guint i = 0; i < events->len; i++) {
        const Event *event = g_ptr_array_index (events, i);
        if (event == first || !g_str_equal (event->type, "attributes.read"))
            continue;
        json_t *again = mention_with (event, keys);
        json_object_set_new (again, "same", json_boolean (json_equal (json_object_get (event->data, "private"), json_object_get (first->data, "private"))
                                                          && json_equal (json_object_get (event->data, "public"), json_object_get (first->data, "public"))));
        json_array_append_new (list, again);
    }
    return list;
}

static json_t *
uses (const GPtrArray *events)
{
    static const char *const keys[] = { "use", "purpose", "digest", NULL };
    json_t *list = mention_all (events, "key.using", keys);
    for (gsize i = 0; i < json_array_size (list); i++) {
        json_t *use = json_array_get (list, i);
        json_object_set_new (use, "signature_sha256", json_null ());
        for (guint j = 0; j < events->len; j++) {
            const Event *event = g_ptr_array_index (events, j);
            if (g_str_equal (event->type, "key.used") && json_equal (json_object_get (event->data, "use"), json_object_get (use, "use")))
                take (use, "signature_sha256", event->data, "signature_sha256");
        }
    }
    return list;
}

static gboolean
reads (const json_t *private, const char *name, gboolean wanted)
{
    const json_t *value = json_object_get (json_object_get (private, name), "value");
    return wanted ? json_is_true (value) : json_is_false (value);
}

typedef enum { SAYS_NOTHING, SAYS_BORN, SAYS_IMPORTED } Says;

/* The attributes as first read, and what they come to. A module that keeps them as text in the operator's files says nothing by them. */
static Says
attributes_say (const GPtrArray *events, const Event *read, char **words)
{
    static const char *const names[] = { "cka_local", "cka_always_sensitive", "cka_never_extractable" };
    const json_t *private = json_object_get (read->data, "private");
    const Event *found = events_last (events, "token.found");
    g_autoptr(GString) text = g_string_new (NULL);
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
        g_autofree char *name = g_ascii_strup (names[i], -1);
        g_string_append_printf (text, "%s%s %s", i ? ", " : "", name, reads (private, names[i], TRUE) ? "true" : reads (private, names[i], FALSE) ? "false" : "not told");
    }
    gboolean worthless = found != NULL && token_module_is_tpm (json_object_get (found->data, "module"));
    if (worthless)
        g_string_append (text, "; this module keeps them as text in the operator's files");
    *words = g_string_free (g_steal_pointer (&text), FALSE);
    if (reads (private, "cka_local", FALSE))
        return SAYS_IMPORTED;
    return !worthless && reads (private, "cka_local", TRUE) && reads (private, "cka_always_sensitive", TRUE) && reads (private, "cka_never_extractable", TRUE) ? SAYS_BORN
                                                                                                                                                    : SAYS_NOTHING;
}

static Says
attestation_says (const Event *attestation, char **words)
{
    const json_t *result = json_object_get (attestation->data, "result");
    const char *origin = text_of (result, "origin");
    *words = g_strdup_printf ("%s: %s", text_of (result, "verdict"), text_of (result, "reason"));
    if (g_str_equal (origin, "imported"))
        return SAYS_IMPORTED;
    return g_str_equal (text_of (result, "verdict"), "genuine") && g_str_equal (origin, "generated") ? SAYS_BORN : SAYS_NOTHING;
}

static void
add_evidence (json_t *history, const Event *event, const char *source, Says says, const char *words)
{
    static const char *const kinds[] = { "unknown", "born-here", "imported" };
    const char *kind = text_of (history, "kind");
    json_t *item = mention (event);
    json_object_set_new (item, "source", json_string (source));
    json_object_set_new (item, "says", json_string (words));
    json_array_append_new (json_object_get (history, "evidence"), item);
    if (says == SAYS_NOTHING || (says == SAYS_BORN && g_str_equal (kind, "imported")))
        return;
    if (says == SAYS_IMPORTED && g_str_equal (kind, "born-here"))
        json_array_clear (json_object_get (history, "sources"));
    json_array_append_new (json_object_get (history, "sources"), json_string (source));
    json_object_set_new (history, "kind", json_string (kinds[says]));
}

/* Where the key was born, as far as anything tells: imported (or copied, unwrapped, restored: no module tells these apart) where anything says so; born-here where
 * something that can be believed says so; else unknown. */
json_t *
statement_history (const GPtrArray *events)
{
    const Event *read = events_first (events, "attributes.read"), *attestation = events_last (events, "attestation.read");
    json_t *history = json_pack ("{s:s, s:[], s:[]}", "kind", "unknown", "sources", "evidence");
    if (read != NULL) {
        g_autofree char *words = NULL;
        Says says = attributes_say (events, read, &words);
        add_evidence (history, read, "attributes", says, words);
    }
    if (attestation != NULL && json_array_size (json_object_get (attestation->data, "files")) > 0) {
        g_autofree char *words = NULL;
        Says says = attestation_says (attestation, &words);
        add_evidence (history, attestation, "attestation", says, words);
    }
    return history;
}

/* Nothing in the journal tells how a device backs up its keys, but for what its attestation may say. */
static json_t *
backup (const GPtrArray *events)
{
    const Event *attestation = events_last (events, "attestation.read");
    const json_t *details = attestation != NULL ? json_object_get (json_object_get (attestation->data, "result"), "details") : NULL;
    const char *kind = text_of (details, "backup");
    return json_pack ("{s:s, s:s}", "kind", kind[0] != '\0' ? kind : "unknown", "source", kind[0] != '\0' ? "attestation" : "nothing tells");
}

json_t *
statement_key (const GPtrArray *events, const json_t *evidence)
{
    static const char *const keys[] = { "algorithm", "label", "id", "mechanism", "spki_sha256", "csr_sha256", "recovered", "uses", NULL };
    static const char *const absent[] = { "label", "with_label", "id", "with_id", NULL };
    static const char *const held[] = { "private_keys", "public_keys", "certificates", "secret_keys", "data", "shared", NULL };
    const json_t *key = json_object_get (evidence, "key");
    const Event *generated = events_last (events, "key.generated");
    if (!json_is_object (key) || generated == NULL)
        return json_null ();
    json_t *object = json_object ();
    take_all (object, key, keys);
    json_object_set_new (object, "generated", mention (generated));
    json_object_set_new (object, "absent_before", mention_all (events, "key.absent", absent));
    take (object, "found_after", generated->data, "found");
    json_object_set_new (object, "attributes", attributes_read (events, text_of (key, "mechanism")));
    json_object_set_new (object, "attributes_again", attributes_again (events));
    json_object_set_new (object, "signatures", uses (events));
    json_object_set_new (object, "history", statement_history (events));
    json_object_set_new (object, "backup", backup (events));
    json_object_set_new (object, "others_before", mention_last (events, "token.inventoried", held));
    return object;
}
