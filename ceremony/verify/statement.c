/* The statement, and what else holds the journal outside the operator's reach: timestamps. */
#include <string.h>
#include "ceremony/verify/checks.h"

#define SIGNING_MS (60 * 60 * 1000)     /* reading a statement, fetching the token, and a clock that isn't quite right */

static char *
secret_text (Context *c)
{
    g_autoptr(GBytes) file = asice_find (c->asice, "witness/challenge-secret") ? asice_read (c->asice, "witness/challenge-secret", 1024, NULL) : NULL;
    gsize len = 0;
    const char *data = file ? g_bytes_get_data (file, &len) : NULL;

    return len == 65 && data[64] == '\n' ? g_strndup (data, 64) : NULL;
}

/* Which fields of @held differ from @again, one flaw each. */
static void
compare_fields (Context *c, const json_t *again, const json_t *held)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *) again, key, value)
        if (!json_equal (value, json_object_get (held, key)))
            flaw (c, CHECK_FAIL, NULL, "the statement says something else about '%s' than follows from journal and evidence", key);
    if (c->worst == CHECK_PASS)
        flaw (c, CHECK_FAIL, NULL, "the statement says more than follows from journal and evidence");
}

static void
check_derived (Context *c)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *secret = secret_text (c);
    g_autoptr(json_t) digests = asice_signature_digests (c->asice, &error), again = NULL;
    const json_t *held = json_object_get (c->statement, "derived");

    while (digests && json_array_size (digests) > 1)
        json_array_remove (digests, json_array_size (digests) - 1);
    if (digests)
        again = statement_derive (c->events, c->evidence, c->people, c->order ? c->order->json : NULL, secret, digests, &error);
    if (!again)
        flaw (c, CHECK_FAIL, NULL, "what the statement must say can't be derived: %s", error->message);
    else if (!json_equal (again, held))
        compare_fields (c, again, held);
}

static void
check_witness (Context *c, const json_t *stated)
{
    static const char *const fields[] = { "name", "employer", "qualification", "approval" };
    const json_t *list = json_object_get (c->people, "people"), *entry, *witness = json_object_get (stated, "witness");
    gsize i;

    json_array_foreach (list, i, entry) {
        gboolean same = TRUE;
        if (!g_str_equal (member (entry, "role"), "witness"))
            continue;
        for (gsize j = 0; j < G_N_ELEMENTS (fields); j++)
            same = same && g_str_equal (member (entry, fields[j]), member (witness, fields[j]));
        if (same)
            return;
    }
    flaw (c, CHECK_FAIL, NULL, "the statement is by '%s', whom people.json doesn't name as the witness in these words", member (witness, "name"));
}

static void
check_stated (Context *c, const json_t *stated)
{
    const char *opinion = member (stated, "opinion"), *sentence = NULL;
    gint64 signed_at = 0, closed = 0;

    for (gsize i = 0; statement_opinions[i][0]; i++)
        if (g_str_equal (statement_opinions[i][0], opinion))
            sentence = statement_opinions[i][1];
    if (g_strcmp0 (sentence, member (stated, "sentence")) != 0)
        flaw (c, CHECK_FAIL, NULL, "the opinion '%s' isn't one of the fixed sentences", opinion);
    if (!clock_parse (member (stated, "signed_at"), &signed_at, NULL))
        flaw (c, CHECK_FAIL, NULL, "the statement doesn't tell when it was signed");
    else if (clock_parse (member (c->evidence, "closed"), &closed, NULL) && signed_at + 300000 < closed)
        flaw (c, CHECK_FAIL, NULL, "the statement says it was signed before the ceremony closed");
    if (signed_at && c->n_signatures > 1 && c->signatures[1].when && ABS (c->signatures[1].when - signed_at) > SIGNING_MS)
        flaw (c, CHECK_FAIL, NULL, "the statement says it was signed at %s, and its signature was made %" G_GINT64_FORMAT " minutes %s", member (stated, "signed_at"),
              ABS (c->signatures[1].when - signed_at) / 60000, c->signatures[1].when < signed_at ? "before" : "after");
    if (events_of (c, "deviation.noted")->len > 0 && g_str_equal (opinion, "witnessed"))
        flaw (c, CHECK_FAIL, event_first (c, "deviation.noted"), "the opinion is 'witnessed throughout', and the journal holds deviations");
    if (was_aborted (c) && !g_str_equal (opinion, "refused"))
        flaw (c, CHECK_FAIL, c->closed, "the opinion is '%s', and the ceremony was aborted", opinion);
}

CheckResult
check_statement_consistent (Context *c)
{
    const json_t *stated = json_object_get (c->statement, "stated");

    check_derived (c);
    check_stated (c, stated);
    check_witness (c, stated);
    return done (c, "what it states follows from journal, evidence, people and order");
}

CheckResult
check_statement_opinion (Context *c)
{
    const json_t *stated = json_object_get (c->statement, "stated");
    const char *opinion = member (stated, "opinion");

    if (g_str_equal (opinion, "refused"))
        flaw (c, CHECK_FAIL, NULL, "the witness refused: %s", member (stated, "remarks"));
    else if (!g_str_equal (opinion, "witnessed"))
        flaw (c, CHECK_WARN, NULL, "%s %s", member (stated, "sentence"), member (stated, "remarks"));
    if (*member (stated, "not_seen") && !g_str_equal (opinion, "refused"))
        flaw (c, CHECK_WARN, NULL, "what the witness did not see: %s", member (stated, "not_seen"));
    return done (c, "%s", member (stated, "sentence"));
}

CheckResult
check_witness_key_place (Context *c)
{
    const char *place = member (json_object_get (c->statement, "stated"), "key_place");

    if (g_str_equal (place, "token"))
        return done (c, "by the statement's word, the witness's key lives in a token");
    if (!g_str_equal (place, "key-file")) {
        flaw (c, CHECK_FAIL, NULL, "the statement doesn't tell where the witness's key lives");
        return done (c, "%s", "");
    }
    if (c->verdict->rehearsal && c->rule.local_seal == SEAL_KEY_FILE)
        return done (c, "a rehearsal's throw-away key file");
    flaw (c, CHECK_WARN, NULL, "the witness's key is a file: whoever copies it can sign in the witness's name");
    return done (c, "%s", "");
}

/* TRUE: by an authority that is trusted, over the final checkpoint. */
static gboolean
check_timestamp (Context *c, const AsiceEntry *entry)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) response = asice_read (c->asice, entry->name, 1024 * 1024, &error);
    const char *number = entry->name + strlen ("journal/timestamps/");
    g_autofree char *expected = NULL, *why = NULL;
    guint64 size = g_ascii_strtoull (number, NULL, 10);
    const Point *point = point_at (c, size);
    X509 *signer = NULL;
    gint64 at = 0, opened = c->opened->time;
    guint flaws = c->flaws;
    gsize len;

    expected = g_strdup_printf ("%" G_GUINT64_FORMAT ".tsr", size);
    if (!response || !g_str_equal (number, expected) || !point) {
        flaw (c, CHECK_FAIL, NULL, "%s belongs to no checkpoint of this journal", entry->name);
        return FALSE;
    }
    const void *data = g_bytes_get_data (response, &len);
    if (!tsa_verify (data, len, FALSE, point->note, strlen (point->note), &at, &signer, &error))
        flaw (c, CHECK_FAIL, NULL, "%s: %s", entry->name, error->message);
    else if (!c->options->trust || !trust_judge (c->options->trust, "tsa", signer, NULL, at, &why))
        flaw (c, c->rule.timestamp_required ? CHECK_FAIL : CHECK_WARN, NULL, "%s is by an authority that isn't trusted: %s", entry->name, why ? why : "no trust given");
    else if (at + 60000 < opened)
        flaw (c, CHECK_FAIL, NULL, "%s was given before the ceremony was opened", entry->name);
    else if (size > 0 && size <= c->events->len && at + 60000 < ((const Event *) c->events->pdata[size - 1])->time)
        flaw (c, CHECK_FAIL, c->events->pdata[size - 1], "%s was given before the time that its last event bears: the appliance's clock was ahead", entry->name);
    X509_free (signer);
    return c->flaws == flaws && size == c->events->len;
}

/* A trusted timestamp of the witness's signature, or of the appliance's, is over all that they sign. */
static gboolean
signature_stamped (Context *c)
{
    for (guint i = 0; i < c->n_signatures; i++)
        if (c->signatures[i].cades && c->signatures[i].stamped)
            return TRUE;
    return FALSE;
}

CheckResult
check_timestamps (Context *c)
{
    const GPtrArray *entries = asice_entries (c->asice);
    gboolean signature = signature_stamped (c), final = FALSE;
    guint n = 0;

    for (guint i = 0; i < entries->len; i++) {
        const AsiceEntry *entry = entries->pdata[i];
        if (!g_str_has_prefix (entry->name, "journal/timestamps/"))
            continue;
        final = check_timestamp (c, entry) || final;
        n++;
    }
    if (n == 0 && !signature && !c->rule.timestamp_required)
        return skip (c, "no timestamps were taken, and the policy asks for none");
    if (c->rule.timestamp_required && !final && !signature)
        flaw (c, CHECK_FAIL, c->closed, "the policy asks for a trusted timestamp over the whole journal, and %s",
              n == 0 ? "none was taken" : "those that were taken aren't over its final checkpoint");
    return done (c, "%u timestamp%s over checkpoints of this journal%s", n, n == 1 ? "" : "s", signature ? ", one over a signature of the bundle" : "");
}
