/* Generating the key, and reading it back. Intent before effect: after a crash the journal says that a key may have been made, and it is looked for. */
#include "ceremony/run/acts/acts.h"
#include <string.h>

typedef struct {
    TokenKeySpec spec;
    guint   with_label, with_id;
    json_t *tried, *found;
} Making;

static gboolean
call_count (Run *run, gpointer data, GError **error)
{
    Making *making = data;

    return token_count (run->token, making->spec.label, making->spec.id, &making->with_label, &making->with_id, error);
}

static gboolean
call_generate (Run *run, gpointer data, GError **error)
{
    Making *making = data;

    run->key = token_generate (run->token, &making->spec, &making->tried, error);
    return run->key != NULL;
}

static gboolean
call_find (Run *run, gpointer data, GError **error)
{
    Making *making = data;

    run->key = token_find_key (run->token, &making->spec, NULL, error);
    return run->key != NULL;
}

static gboolean
call_unique (Run *run, gpointer data, GError **error)
{
    return token_key_unique (run->key, &((Making *) data)->found, error);
}

/* A twin is journaled as what it is, once, and nothing goes on with it. */
static gboolean
refuse_twin (Run *run, const char *expected, const char *happened, GError **error)
{
    g_autofree char *text = g_utf8_make_valid (happened, -1);

    if (!run_step_has (run, "deviation.noted", "happened", text)
        && !run_event (run, "deviation.noted", "appliance", json_pack ("{s:s,s:s,s:s}", "expected", expected, "happened", text, "decided",
                       "the key isn't used; the ceremony can't be completed with it"), error))
        return FALSE;
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "%s: it couldn't be told which key signs, so nothing goes on with it; abort, remove what is foreign from the token, and "
                 "begin a new ceremony", text);
    return FALSE;
}

static gboolean
counts_are_one (const json_t *found)
{
    static const char *const keys[] = { "private_with_label", "private_with_id", "public_with_label", "public_with_id" };

    for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
        gint64 n;
        if (!cjson_int (found, keys[i], &n, NULL) || n != 1)
            return FALSE;
    }
    return TRUE;
}

/* Tells of the key with what was found beside it, a twin too; then refuses the twin. */
static gboolean
tell_generated (Run *run, Making *making, gint64 ms, gboolean recovered, GError **error)
{
    g_autoptr(GError) twin = NULL;
    g_autoptr(GBytes) spki = token_key_spki (run->key, error);
    g_autofree char *hash = NULL, *text = NULL, *id = hex_encode (g_bytes_get_data (making->spec.id, NULL), g_bytes_get_size (making->spec.id));
    gboolean unique;

    if (spki == NULL)
        return FALSE;
    unique = run_token_call (run, "Making sure that there is just one", call_unique, making, &twin);
    if (!unique && (!g_error_matches (twin, TOKEN_ERROR, TOKEN_ERROR_TWIN) || making->found == NULL)) {
        g_propagate_error (error, g_steal_pointer (&twin));
        return FALSE;
    }
    hash = sha256_hex (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki));
    text = base64_encode (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki));
    if (!run_event (run, "key.generated", "appliance", json_pack ("{s:s,s:s,s:s,s:s?,s:s,s:s,s:o,s:I,s:O,s:b}", "algorithm", run->algorithm, "label", run->label, "id", id,
                    "mechanism", recovered ? NULL : token_key_mechanism (run->key), "spki_sha256", hash, "spki", text, "tried",
                    making->tried ? json_incref (making->tried) : json_array (), "ms", (json_int_t) ms, "found", making->found, "recovered", (int) recovered), error))
        return FALSE;
    return unique || refuse_twin (run, "exactly one private and one public key of that label and id", twin->message, error);
}

static gboolean
intent (Run *run, const Making *making, GError **error)
{
    g_autofree char *id = hex_encode (g_bytes_get_data (making->spec.id, NULL), g_bytes_get_size (making->spec.id));

    return run_event (run, "key.generating", "appliance", json_pack ("{s:s,s:s,s:s,s:i}", "algorithm", run->algorithm, "label", run->label, "id", id, "attempt",
                      (int) run_count_events (run, "key.generating") + 1), error);
}

/* The key that was being generated when the program stopped, where it is the only one of its label and id. */
static gboolean
recover_key (Run *run, Making *making, GError **error)
{
    g_autoptr(GError) failed = NULL;

    if (run->key != NULL || run_token_call (run, "Finding the key that was being generated", call_find, making, &failed))
        return tell_generated (run, making, 0, TRUE, error);
    if (g_error_matches (failed, TOKEN_ERROR, TOKEN_ERROR_TWIN))
        return refuse_twin (run, "just the one key that was being generated when the program stopped", failed->message, error);
    g_propagate_error (error, g_steal_pointer (&failed));
    return FALSE;
}

static gboolean
generate (Run *run, Making *making, GError **error)
{
    gboolean tried_before = run_step_event (run, "key.generating") != NULL;
    gint64 began;

    if (!run_token_call (run, "Looking for keys of that label and id", call_count, making, error))
        return FALSE;
    if (making->with_label > 0 && making->with_id > 0 && tried_before)
        return recover_key (run, making, error);
    if (making->with_label > 0 || making->with_id > 0) {
        g_autofree char *happened = g_strdup_printf ("before generation %u objects bear the label '%s' and %u the id", making->with_label, run->label, making->with_id);
        return refuse_twin (run, "no object of that label or id before generation", happened, error);
    }
    if (!intent (run, making, error))
        return FALSE;
    began = clock_boot_ms ();
    return run_token_call (run, "The token generates the key", call_generate, making, error)
           && tell_generated (run, making, clock_boot_ms () - began, FALSE, error);
}

gboolean
act_generate (Run *run, const ScriptStep *step, GError **error)
{
    const Event *generated = run_step_event (run, "key.generated");
    g_autoptr(GBytes) challenge = NULL, id = NULL;
    Making making = { 0 };
    gboolean ok;

    if (generated != NULL) {
        if (counts_are_one (json_object_get (generated->data, "found")))
            return TRUE;
        return refuse_twin (run, "exactly one private and one public key of that label and id", "after generation another object bore the key's label or id", error);
    }
    if ((challenge = run_challenge (run, error)) == NULL || !run_need_token (run, error))
        return FALSE;
    id = challenge_key_id (g_bytes_get_data (challenge, NULL), run->id);
    making.spec = (TokenKeySpec){ run->algorithm, run->label, id };
    ok = generate (run, &making, error);
    g_clear_pointer (&making.tried, json_decref);
    g_clear_pointer (&making.found, json_decref);
    if (ok)
        screen_say (run, MOOD_NORMAL, "The key is generated.");
    return ok;
}

/* ── what the token says of it ── */

typedef struct { const char *key; gboolean good; const char *meaning; } Claim;
static const Claim claims[] = {
    { "cka_local", TRUE, "generated on the token" },
    { "cka_always_sensitive", TRUE, "never readable in plain text" },
    { "cka_never_extractable", TRUE, "could never be taken out" },
    { "cka_sensitive", TRUE, "not readable in plain text" },
    { "cka_extractable", FALSE, "can't be taken out" },
    { "cka_token", TRUE, "stored on the token" },
    { "cka_private", TRUE, "used only after login" },
};

/* An attribute as the journal holds it, for people. */
static char *
attribute_text (const json_t *item)
{
    const json_t *value = json_object_get (item, "value"), *hex = json_object_get (value, "hex");
    const char *text = json_string_value (json_is_object (value) ? hex : value);

    if (value == NULL)
        return g_strdup ("not told");
    if (json_is_boolean (value))
        return g_strdup (json_is_true (value) ? "yes" : "no");
    if (text != NULL)
        return g_strdup (*text ? text : "empty");
    if (json_is_array (value) && json_array_size (value) == 0)
        return g_strdup ("none");
    return cjson_encode (value, NULL);
}

static char *
attributes_text (json_t *private)
{
    GString *text = g_string_new ("What the token says of the private key:\n\n");
    const char *name;
    json_t *item;

    for (gsize i = 0; i < G_N_ELEMENTS (claims); i++) {
        const json_t *one = json_object_get (private, claims[i].key), *value = json_object_get (one, "value");
        const char *said = json_is_true (value) ? "yes" : json_is_false (value) ? "no" : cjson_str (one, "error", NULL);
        gboolean good = json_is_boolean (value) && json_is_true (value) == claims[i].good;
        g_autofree char *name_shown = g_ascii_strup (claims[i].key, -1);
        g_string_append_printf (text, "%s %-21s %-5s  %s\n", good ? "  " : "!!", name_shown, said ? said : "not told", claims[i].meaning);
    }
    g_string_append (text, "\n!! marks what is not as it must be: note a deviation (F3).\n\nAll that it says:\n\n");
    json_object_foreach (private, name, item) {
        g_autofree char *name_shown = g_ascii_strup (name, -1), *value = attribute_text (item);
        g_string_append_printf (text, "   %-23s %s\n", name_shown, value);
    }
    return g_string_free (text, FALSE);
}

gboolean
act_attributes (Run *run, const ScriptStep *step, GError **error)
{
    const Event *generated = run_last_event (run, "key.generated");
    gboolean later = generated != NULL && generated->sitting != journal_sitting (run->journal);
    g_autofree char *text = NULL;

    if (!run_step_event (run, "attributes.read") && (!run_need_key (run, error) || !run_read_attributes (run, later ? "resume" : "generation", error)))
        return FALSE;
    text = attributes_text (json_object_get (run_step_event (run, "attributes.read")->data, "private"));
    return run_page (run, "What the token says of the key", text, NULL, error);
}
