/* What the token says about the key, the device, and its presence. These are the module's words: attestation and people in the picture say the rest. */
#include <string.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include "ceremony/verify/checks.h"

typedef struct { const char *name; gboolean value, past; const char *meaning; } Required;    /* past: tells of what was before now */

static const Required required[] = {
    { "cka_token", TRUE, FALSE, "a token object" },
    { "cka_private", TRUE, FALSE, "private" },
    { "cka_sensitive", TRUE, FALSE, "sensitive" },
    { "cka_always_sensitive", TRUE, TRUE, "always sensitive: it may once have been readable" },
    { "cka_never_extractable", TRUE, TRUE, "never extractable: it may once have left the device" },
    { "cka_local", TRUE, TRUE, "one that the token says it has generated itself: it may have been imported" },
    { "cka_extractable", FALSE, FALSE, "unextractable" },
};

static void
check_required (Context *c, const Event *read, const json_t *private)
{
    for (gsize i = 0; i < G_N_ELEMENTS (required); i++) {
        const json_t *entry = json_object_get (private, required[i].name), *value = json_object_get (entry, "value");
        g_autofree char *name = g_ascii_strup (required[i].name, -1);
        if (!json_is_boolean (value))
            flaw (c, required[i].past && c->rule.unknown_history_allowed ? CHECK_WARN : CHECK_FAIL, read, "the token doesn't tell %s (%s)", name, *member (entry, "error") ? member (entry, "error") : "not read");
        else if (json_is_true (value) != required[i].value)
            flaw (c, CHECK_FAIL, read, "%s reads %s: the key isn't %s", name, json_is_true (value) ? "true" : "false", required[i].meaning);
    }
}

static gboolean
mechanism_fits (Context *c, const char *mechanism)
{
    const char *used = member (c->generated->data, "mechanism");

    if (*used)
        return g_str_equal (mechanism, used);
    if (g_str_has_prefix (member (c->generated->data, "algorithm"), "rsa"))
        return g_str_equal (mechanism, "CKM_RSA_PKCS_KEY_PAIR_GEN") || g_str_equal (mechanism, "CKM_RSA_X9_31_KEY_PAIR_GEN");
    return g_str_equal (mechanism, "CKM_EC_KEY_PAIR_GEN");
}

static void
check_mechanism (Context *c, const Event *read, const json_t *private)
{
    const json_t *entry = json_object_get (private, "cka_key_gen_mechanism");
    const char *mechanism = member (entry, "value");

    if (*mechanism && !mechanism_fits (c, mechanism))
        flaw (c, CHECK_FAIL, read, "CKA_KEY_GEN_MECHANISM reads %s, generated was with %s", mechanism, member (c->generated->data, "mechanism"));
    else if (!*mechanism && *member (entry, "error"))
        flaw (c, CHECK_WARN, read, "the token can't tell by which mechanism the key was generated (%s)", member (entry, "error"));
    else if (!*mechanism)
        flaw (c, CHECK_FAIL, read, "CKA_KEY_GEN_MECHANISM wasn't read, or doesn't name a mechanism");
}

/* What was read after generation must be read again. */
static void
compare_reads (Context *c, const Event *first, const Event *again)
{
    const json_t *one = json_object_get (first->data, "private"), *two = json_object_get (again->data, "private");
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *) one, key, value) {
        gboolean needed = g_str_equal (key, "cka_key_gen_mechanism") || g_str_equal (key, "cka_id");
        g_autofree char *name = g_ascii_strup (key, -1);
        for (gsize i = 0; i < G_N_ELEMENTS (required); i++)
            needed = needed || g_str_equal (key, required[i].name);
        if (!json_equal (value, json_object_get (two, key)))
            flaw (c, needed ? CHECK_FAIL : CHECK_WARN, again, "%s reads otherwise than after generation", name);
    }
}

static gboolean
ends_with_bytes (const char *hex, const guint8 *bytes, gsize len)
{
    g_autofree char *wanted = hex_encode (bytes, len), *lower = g_ascii_strdown (hex, -1);

    return g_str_has_suffix (lower, wanted);
}

/* Where the token tells label, id or the public key's numbers, they are this key's: else the attributes are those of another. */
static void
check_whose (Context *c, const Event *read, const json_t *object)
{
    static const struct { const char *attribute, *member; } names[] = { { "cka_label", "label" }, { "cka_id", "id" } };
    const char *point = member (json_object_get (object, "cka_ec_point"), "value"), *modulus = member (json_object_get (object, "cka_modulus"), "value");
    g_autofree guint8 *bytes = NULL;
    BIGNUM *n = NULL;
    gsize len = 0;

    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
        const char *value = member (json_object_get (object, names[i].attribute), "value");
        if (*value && !g_str_equal (value, member (c->generated->data, names[i].member)))
            flaw (c, CHECK_FAIL, read, "the attributes are those of another key: its %s is '%s'", names[i].member, value);
    }
    if (*point && c->key && EVP_PKEY_get_octet_string_param (c->key, OSSL_PKEY_PARAM_PUB_KEY, NULL, 0, &len) && len > 0) {
        bytes = g_malloc (len);
        if (EVP_PKEY_get_octet_string_param (c->key, OSSL_PKEY_PARAM_PUB_KEY, bytes, len, &len) && bytes[0] == 4 && !ends_with_bytes (point, bytes, len))
            flaw (c, CHECK_FAIL, read, "the attributes are those of another key: its point isn't the request's");
    } else if (*modulus && c->key && EVP_PKEY_get_bn_param (c->key, OSSL_PKEY_PARAM_RSA_N, &n)) {
        bytes = g_malloc (BN_num_bytes (n));
        if (!ends_with_bytes (modulus, bytes, BN_bn2bin (n, bytes)))
            flaw (c, CHECK_FAIL, read, "the attributes are those of another key: its modulus isn't the request's");
        BN_free (n);
    }
    ERR_clear_error ();
}

CheckResult
check_key_attributes (Context *c)
{
    const GPtrArray *reads = events_of (c, "attributes.read");
    const Event *first = NULL;

    for (guint i = 0; i < reads->len; i++) {
        const Event *read = reads->pdata[i];
        if (read->seq < c->generated->seq)
            continue;
        check_required (c, read, json_object_get (read->data, "private"));
        check_mechanism (c, read, json_object_get (read->data, "private"));
        check_whose (c, read, json_object_get (read->data, "private"));
        check_whose (c, read, json_object_get (read->data, "public"));
        if (first)
            compare_reads (c, first, read);
        else
            first = read;
    }
    if (!first)
        flaw (c, CHECK_FAIL, c->generated, "the key's attributes were never read back");
    cite (c, first);
    return done (c, "by the module's word: generated on the token, never extractable, always sensitive");
}

static void
compare_serial (Context *c, const Event *event, const char *serial, const char *expected)
{
    if (!g_str_equal (serial, expected))
        flaw (c, CHECK_FAIL, event, "the token of event %" G_GUINT64_FORMAT " bears the serial number '%s', the first one '%s'", event->seq, serial, expected);
}

CheckResult
check_device_consistent (Context *c)
{
    const GPtrArray *found = events_of (c, "token.found"), *returned = events_of (c, "token.returned"), *shown = events_of (c, "token.shown");
    const char *serial = found->len ? member2 (((const Event *) found->pdata[0])->data, "token", "serial") : "";

    if (found->len == 0 && was_aborted (c))
        return unreached (c, "the ceremony was aborted before the token was unlocked");
    if (found->len == 0) {
        flaw (c, CHECK_FAIL, NULL, "the journal names no token");
        return done (c, "%s", "");
    }
    for (guint i = 0; i < found->len; i++) {
        const Event *event = found->pdata[i], *first = found->pdata[0];
        static const char *const names[] = { "manufacturer", "model", "serial" };
        for (gsize j = 0; j < G_N_ELEMENTS (names); j++)
            if (!g_str_equal (member2 (event->data, "token", names[j]), member2 (first->data, "token", names[j])))
                flaw (c, CHECK_FAIL, event, "another token was found at event %" G_GUINT64_FORMAT ": its %s is '%s', not '%s'", event->seq, names[j],
                      member2 (event->data, "token", names[j]), member2 (first->data, "token", names[j]));
        if (!g_str_equal (member2 (event->data, "module", "sha256"), member2 (first->data, "module", "sha256")))
            flaw (c, CHECK_WARN, event, "another PKCS#11 module was used at event %" G_GUINT64_FORMAT " than before", event->seq);
    }
    for (guint i = 0; i < returned->len; i++)
        compare_serial (c, returned->pdata[i], member (((const Event *) returned->pdata[i])->data, "serial"), serial);
    for (guint i = 0; i < shown->len; i++) {
        const Event *event = shown->pdata[i];
        if (*serial)
            compare_serial (c, event, member (event->data, "serial"), serial);
        if (!member_true (event->data, "matches"))
            flaw (c, CHECK_WARN, event, "the witness said that the serial number on the token isn't the one on the screen, or can't be read: look at the picture");
    }
    cite (c, event_first (c, "token.shown"));
    return done (c, "one token throughout: %s %s, serial number %s", member2 (((const Event *) found->pdata[0])->data, "token", "manufacturer"),
                 member2 (((const Event *) found->pdata[0])->data, "token", "model"), serial);
}

CheckResult
check_device_sole (Context *c)
{
    const Event *inventory = event_last (c, "token.inventoried");

    if (!inventory && was_aborted (c))
        return unreached (c, "the ceremony was aborted before it was read what the token held");
    if (!inventory)
        flaw (c, CHECK_FAIL, NULL, "what the token held before wasn't read");
    else if (!g_str_equal (member (inventory->data, "shared"), "sole"))
        flaw (c, c->rule.sole_device ? CHECK_FAIL : CHECK_WARN, inventory, "the token holds keys of others too: ask whose they are%s",
              c->rule.sole_device ? "; the policy asks for a token of the subscriber's alone" : "");
    return done (c, "no other key on the token");
}

/* In a person's words, what slot and module said; a device put in meanwhile that isn't ours is for the reviewer to look at. */
static char *
observed_text (Context *c, const Event *removed, const Event *returned)
{
    static const struct { const char *what, *words; } said[] = {
        { "slot-event", "a slot event" }, { "device-removed", "an empty slot" }, { "session-failed", "a dead session" },
    };
    const json_t *list = json_object_get (removed->data, "observed"), *item;
    GString *text = g_string_new (NULL);
    gsize n;

    for (gsize i = 0; i < G_N_ELEMENTS (said); i++)
        json_array_foreach (list, n, item)
            if (g_str_equal (member (item, "what"), said[i].what)) {
                g_string_append_printf (text, "%s%s", text->len ? ", " : "", said[i].words);
                break;
            }
    json_array_foreach (json_object_get (returned->data, "observed"), n, item)
        if (g_str_equal (member (item, "what"), "other-token"))
            flaw (c, CHECK_WARN, returned, "another token was put in while the ceremony's was out: %s; look at the picture", member (item, "detail"));
    return g_string_free (text, FALSE);
}

CheckResult
check_presence_unplug (Context *c)
{
    const Event *removed, *returned, *read, *proved;
    g_autofree char *seen = NULL;

    if (c->rule.presence == PRESENCE_NONE)
        return skip (c, "the policy asks for no proof that the device in the hand is the device on the bus");
    if (c->rule.presence == PRESENCE_CONSOLE)
        return skip (c, "a network module can't be unplugged: the policy asks for its console in the picture");
    removed = event_after (c, "token.removed", c->generated->seq);
    returned = removed ? event_after (c, "token.returned", removed->seq) : NULL;
    read = returned ? event_after (c, "attributes.read", returned->seq) : NULL;
    proved = returned ? event_after (c, "possession.proved", returned->seq) : NULL;
    if (!removed)
        flaw (c, CHECK_FAIL, c->generated, "the token was never unplugged after generation, as the policy asks");
    else if (!returned)
        flaw (c, CHECK_FAIL, removed, "the token was unplugged and never came back");
    else if (json_array_size (json_object_get (removed->data, "observed")) == 0)
        flaw (c, CHECK_FAIL, removed, "nothing was observed when the token was unplugged");
    else if (!read)
        flaw (c, CHECK_FAIL, returned, "after the token came back its key's attributes weren't read again");
    else if (!proved)
        flaw (c, CHECK_FAIL, returned, "after the token came back its key signed no second nonce");
    else if (member_int (json_object_get (proved->data, "checkpoint"), "size") <= (gint64) returned->seq)
        flaw (c, CHECK_FAIL, proved, "what the key signed after the token came back is a checkpoint from before that: it could have been signed beforehand");
    cite (c, removed);
    if (removed && returned)
        seen = observed_text (c, removed, returned);
    return done (c, "unplugged after generation (noticed by %s), put back after %.1f s, read again, signed again", seen && *seen ? seen : "nothing that is told",
                 removed && returned ? (double) (returned->time - removed->time) / 1000 : 0.0);
}
