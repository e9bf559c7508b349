/* statement.json: what follows from the ceremony, group by group as the rules ask for it, and what the witness adds in their own words. */
#include "ceremony/bundle/statement-internal.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <string.h>

#define PURPOSE "to show how the key was generated, for the issue of a code-signing certificate (CSBR 6.2.7.4.2)"
#define NONE ((const char *const[]) { NULL })

const char *const statement_opinions[][2] = {
    { "witnessed", "I witnessed this key pair creation throughout, as this statement and the recordings show it." },
    { "witnessed-with-deviations", "I witnessed this key pair creation throughout, with the deviations that this statement lists." },
    { "refused", "I do not confirm this key pair creation." },
    { NULL, NULL },
};

static json_t *
identity (const Event *opened, const json_t *evidence)
{
    static const char *const from_opened[] = { "method", "order", "script", "policy", NULL };
    static const char *const from_evidence[] = { "ceremony", "origin", "rehearsal", "outcome", "reason", "program", "appliance", NULL };
    json_t *object = json_object ();
    take_all (object, opened->data, from_opened);
    take_all (object, evidence, from_evidence);
    return object;
}

static const Event *
identification_of (const GPtrArray *events, const char *person)
{
    for (guint i = events->len; i-- > 0;) {
        const Event *event = g_ptr_array_index (events, i);
        if (g_str_equal (event->type, "person.identified") && g_str_equal (text_of (event->data, "person"), person))
            return event;
    }
    return NULL;
}

/* Persons by number and role; their names stay in people.json. */
static json_t *
parties (const GPtrArray *events, const Event *opened, const json_t *people)
{
    json_t *list = json_array (), *object = json_object ();
    const json_t *entries = json_object_get (people, "people");
    for (gsize i = 0; i < json_array_size (entries); i++) {
        const json_t *entry = json_array_get (entries, i);
        const Event *identified = identification_of (events, text_of (entry, "person"));
        json_t *party = json_object ();
        take_all (party, entry, (const char *const[]) { "person", "role", "identified_by", NULL });
        take (party, "entry_sha256", identified != NULL ? identified->data : NULL, "entry_sha256");
        json_object_set_new (party, "identified", identified != NULL ? mention (identified) : json_null ());
        json_array_append_new (list, party);
    }
    json_object_set_new (object, "people", list);
    take (object, "subscriber", opened->data, "subscriber");
    return object;
}

/* A sitting each: when it began and ended, and what its clock was. */
static json_t *
sittings (const GPtrArray *events)
{
    json_t *list = json_array (), *sitting = NULL;
    guint64 number = 0;
    for (guint i = 0; i < events->len; i++) {
        const Event *event = g_ptr_array_index (events, i);
        if (event->sitting != number) {
            number = event->sitting;
            sitting = json_pack ("{s:I}", "sitting", (json_int_t) number);
            put_time (sitting, "began", event->time);
            take (sitting, "clock", event->data, "clock");
            json_array_append_new (list, sitting);
        }
        put_time (sitting, "ended", event->time);
    }
    return list;
}

static json_t *
time_and_place (const GPtrArray *events, const Event *opened, const json_t *evidence)
{
    json_t *object = json_object ();
    take_all (object, opened->data, (const char *const[]) { "place", "region", NULL });
    take_all (object, evidence, (const char *const[]) { "started", "closed", NULL });
    json_object_set_new (object, "sittings", sittings (events));
    json_object_set_new (object, "checked", mention_all (events, "clock.checked", (const char *const[]) { "wall", "ntp", "confirmed", NULL }));
    json_object_set_new (object, "stepped", mention_all (events, "clock.stepped", (const char *const[]) { "drift_ms", NULL }));
    return object;
}

static json_t *
module (const GPtrArray *events, const json_t *evidence)
{
    static const char *const facts[] = { "path", "version", "sha256", "manufacturer", "description", "cryptoki", NULL };
    const json_t *device = json_object_get (evidence, "device");
    const Event *found = events_last (events, "token.found"), *attestation = events_last (events, "attestation.read");
    if (!json_is_object (device) || found == NULL)
        return json_null ();
    json_t *object = json_object (), *library = json_object ();
    take_all (object, device, (const char *const[]) { "manufacturer", "model", "serial", "firmware", "label", "uri", NULL });
    take (object, "hardware", json_object_get (found->data, "token"), "hardware");
    take_all (library, json_object_get (found->data, "module"), facts);
    json_object_set_new (object, "module", library);
    json_object_set_new (object, "shown", mention_last (events, "token.shown", (const char *const[]) { "serial", "matches", "how", NULL }));
    take (object, "certification_claimed", attestation != NULL ? json_object_get (json_object_get (attestation->data, "result"), "details") : NULL, "certification");
    return object;
}

static json_t *
challenge (const GPtrArray *events, const Event *opened, const char *secret)
{
    json_t *object = mention_last (events, "challenge.given", (const char *const[]) { "source", "checkpoint", "challenge", "words", NULL });
    if (!json_is_object (object))
        return object;
    const Event *given = events_last (events, "challenge.given");
    take (object, "typed", given->data, "typed");
    take (object, "commitment", opened->data, "challenge_commitment");
    json_object_set_new (object, "secret", secret != NULL ? json_string (secret) : json_null ());
    return object;
}

static json_t *
qr_codes (const GPtrArray *events)
{
    const Event *first = events_first (events, "qr.shown"), *last = events_last (events, "qr.shown");
    json_t *object = json_pack ("{s:i}", "shown", (int) events_count (events, "qr.shown"));
    take (object, "first_size", first != NULL ? first->data : NULL, "size");
    take (object, "last_size", last != NULL ? last->data : NULL, "size");
    return object;
}

static json_int_t
number_in (const json_t *object, const char *key)
{
    return json_integer_value (json_object_get (object, key));
}

/* Frames over all chunks of video. */
static json_t *
frames (const GPtrArray *events)
{
    static const char *const names[] = { "asked", "composed", "encoded", "dropped" };
    json_t *object = json_object ();
    for (gsize n = 0; n < G_N_ELEMENTS (names); n++) {
        json_int_t sum = 0;
        for (guint i = 0; i < events->len; i++) {
            const Event *event = g_ptr_array_index (events, i);
            if (g_str_equal (event->type, "video.chunk"))
                sum += CLAMP (number_in (json_object_get (event->data, "frames"), names[n]), 0, 1000000000);
        }
        json_object_set_new (object, names[n], json_integer (sum));
    }
    return object;
}

/* SHA-256 of a value's canonical JSON, which are the bytes of its file in the bundle. */
static json_t *
digest_of (const json_t *value)
{
    g_autofree char *text = value != NULL ? cjson_encode (value, NULL) : NULL;
    g_autofree char *hex = text != NULL ? sha256_hex (text, strlen (text)) : NULL;
    return hex != NULL ? json_string (hex) : json_null ();
}

/* Each attached file, with what is told of a report and what was recognised in it, as far as there is any. */
static json_t *
attachments (const GPtrArray *events)
{
    static const char *const told[] = { "scope", "auditor", "period", "expires", "recognised" };
    json_t *list = json_array ();
    for (guint i = 0; i < events->len; i++) {
        const Event *event = g_ptr_array_index (events, i);
        if (!g_str_equal (event->type, "file.attached"))
            continue;
        json_t *item = mention_with (event, (const char *const[]) { "name", "sha256", "length", "description", NULL });
        for (gsize k = 0; k < G_N_ELEMENTS (told); k++)
            if (json_object_get (event->data, told[k]))
                json_object_set (item, told[k], json_object_get (event->data, told[k]));
        json_array_append_new (list, item);
    }
    return list;
}

static json_t *
evidence_group (const GPtrArray *events, const Event *opened, const json_t *evidence, const json_t *people, const char *secret, const json_t *digests)
{
    static const char *const possession[] = { "n", "nonce", "checkpoint", "text_sha256", "signature_sha256", "mechanism", "hash", NULL };
    static const char *const credential[] = { "source", "ak_name", "ek_spki_sha256", "credential_sha256", "recovered", "typed", NULL };
    static const char *const countersigned[] = { "csr_sha256", "signature_sha256", "declaration_sha256", "signer", "signed_at", "service", "authentication", "module", "how", NULL };
    json_t *object = json_object (), *journal = json_object ();
    take_all (journal, json_object_get (evidence, "checkpoint"), (const char *const[]) { "size", "root", NULL });
    json_object_set_new (object, "journal", journal);
    take (object, "parts", evidence, "parts");
    json_object_set_new (object, "opening", mention_last (events, "opening.committed", (const char *const[]) { "size", "root", NULL }));
    json_object_set_new (object, "challenge", challenge (events, opened, secret));
    json_object_set_new (object, "possession", mention_all (events, "possession.proved", possession));
    json_object_set_new (object, "request", mention_last (events, "request.made", (const char *const[]) { "csr_sha256", "spki_sha256", "subject", NULL }));
    const Event *made = events_last (events, "request.made");
    if (made != NULL && json_is_string (json_object_get (made->data, "attestation")))
        take (json_object_get (object, "request"), "attestation", made->data, "attestation");
    if (events_count (events, "request.countersigned") > 0)
        json_object_set_new (object, "countersignature", mention_last (events, "request.countersigned", countersigned));
    if (events_count (events, "credential.asked") > 0)
        json_object_set_new (object, "credential", mention_last (events, "credential.activated", credential));
    json_object_set_new (object, "attestations", mention_all (events, "attestation.read", (const char *const[]) { "files", "result", NULL }));
    json_object_set_new (object, "attachments", attachments (events));
    json_object_set_new (object, "qr_codes", qr_codes (events));
    json_object_set_new (object, "frames", frames (events));
    json_object_set_new (object, "drops", mention_all (events, "frames.dropped", (const char *const[]) { "count", "media_ms", NULL }));
    json_object_set_new (object, "signatures", json_incref ((json_t *) digests));
    json_object_set_new (object, "evidence_sha256", digest_of (evidence));
    json_object_set_new (object, "people_sha256", digest_of (people));
    return object;
}

/* Each event of @type with who did it, beside @keys. */
static json_t *
by_actor (const GPtrArray *events, const char *type, const char *const *keys)
{
    json_t *list = json_array ();
    for (guint i = 0; i < events->len; i++) {
        const Event *event = g_ptr_array_index (events, i);
        if (!g_str_equal (event->type, type))
            continue;
        json_t *item = mention_with (event, keys);
        json_object_set_new (item, "by", json_string (event->actor));
        json_array_append_new (list, item);
    }
    return list;
}

static json_t *
unplug (const GPtrArray *events)
{
    const Event *removed = events_last (events, "token.removed"), *returned = events_last (events, "token.returned");
    if (removed == NULL)
        return json_null ();
    json_t *object = json_object ();
    json_object_set_new (object, "removed", mention_with (removed, (const char *const[]) { "observed", "serial", NULL }));
    json_object_set_new (object, "returned", returned != NULL && returned->seq > removed->seq ? mention_with (returned, (const char *const[]) { "observed", "serial", NULL })
                                                                                             : json_null ());
    return object;
}

static json_t *
faults (const GPtrArray *events)
{
    static const char *const types[] = { "source.lost", "source.returned", "camera.repeats", "recorder.failed", "token.refused" };
    json_t *list = json_array ();
    for (guint i = 0; i < events->len; i++) {
        const Event *event = g_ptr_array_index (events, i);
        for (gsize t = 0; t < G_N_ELEMENTS (types); t++)
            if (g_str_equal (event->type, types[t])) {
                json_t *fault = mention_with (event, (const char *const[]) { "reason", NULL });
                json_object_set_new (fault, "what", json_string (types[t]));
                json_array_append_new (list, fault);
            }
    }
    return list;
}

static json_t *
observation (const GPtrArray *events)
{
    json_t *object = json_object ();
    json_object_set_new (object, "hold_points", mention_all (events, "step.confirmed", (const char *const[]) { "role", "person", NULL }));
    json_object_set_new (object, "liveness", mention_last (events, "liveness.shown", (const char *const[]) { "confirmed_by", "challenge", NULL }));
    json_object_set_new (object, "unplug", unplug (events));
    json_object_set_new (object, "fingerprint", mention_last (events, "fingerprint.read", (const char *const[]) { "spki_sha256", "words", NULL }));
    json_object_set_new (object, "skipped", mention_all (events, "step.skipped", (const char *const[]) { "act", "reason", NULL }));
    json_object_set_new (object, "deviations", by_actor (events, "deviation.noted", (const char *const[]) { "expected", "happened", "decided", NULL }));
    json_object_set_new (object, "notes", by_actor (events, "note.made", (const char *const[]) { "text", NULL }));
    json_object_set_new (object, "breaks", by_actor (events, "break.begun", (const char *const[]) { "reason", NULL }));
    json_object_set_new (object, "breaks_ended", by_actor (events, "break.ended", (const char *const[]) { "ms", NULL }));
    json_object_set_new (object, "interruptions", mention_all (events, "ceremony.resumed", (const char *const[]) { "after", "gap_ms", "rebooted", "recovered", NULL }));
    json_object_set_new (object, "faults", faults (events));
    return object;
}

/* Digests are customer content. What the journal shows of them to others: checkpoints, as QR codes in the picture. */
static json_t *
digests_sent (const GPtrArray *events, const Event *opened)
{
    json_t *list = json_array ();
    if (events_count (events, "qr.shown") == 0)
        return list;
    json_t *picture = json_pack ("{s:s, s:s}", "to", "whoever sees the picture, live or recorded", "what", "checkpoints, as QR codes");
    take (picture, "region", opened->data, "region");
    json_array_append_new (list, picture);
    return list;
}

static json_t *
data_protection (const GPtrArray *events)
{
    json_t *object = json_pack ("{s:s, s:[s, s]}", "purpose", PURPOSE, "copies", "the subscriber", "the certification authority");
    json_object_set_new (object, "consents", mention_all (events, "consent.given", (const char *const[]) { "role", "text_sha256", NULL }));
    return object;
}

json_t *
statement_derive (const GPtrArray *events, const json_t *evidence, const json_t *people, const json_t *order, const char *challenge_secret, const json_t *digests,
                  GError **error)
{
    const Event *opened = events->len > 0 ? g_ptr_array_index (events, 0) : NULL;
    if (opened == NULL || !g_str_equal (opened->type, "ceremony.opened") || !json_is_object (evidence) || !json_is_object (people) || !json_is_array (digests)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "statement: there is no whole journal, evidence.json and people.json to derive it from");
        return NULL;
    }
    json_t *derived = json_object ();
    json_object_set_new (derived, "identity", identity (opened, evidence));
    json_object_set_new (derived, "parties", parties (events, opened, people));
    json_object_set_new (derived, "time", time_and_place (events, opened, evidence));
    json_object_set_new (derived, "module", module (events, evidence));
    json_object_set_new (derived, "key", statement_key (events, evidence));
    json_object_set_new (derived, "evidence", evidence_group (events, opened, evidence, people, challenge_secret, digests));
    json_object_set_new (derived, "observation", observation (events));
    json_object_set_new (derived, "digests_sent", digests_sent (events, opened));
    json_object_set_new (derived, "contract", mention_last (events, "representation.agreed", (const char *const[]) { "text_sha256", "person", NULL }));
    json_object_set_new (derived, "data_protection", data_protection (events));
    /* What the order asked for, beside what was done: who reads the statement needn't have the order. */
    json_object_set_new (derived, "ordered", order != NULL ? json_object () : json_null ());
    if (order != NULL)
        take_all (json_object_get (derived, "ordered"), order, (const char *const[]) { "id", "subscriber", "algorithm", "label", "subject", "valid_from", "valid_to", NULL });
    return derived;
}

static const char *
sentence_of (const char *opinion)
{
    for (gsize i = 0; opinion != NULL && statement_opinions[i][0] != NULL; i++)
        if (g_str_equal (statement_opinions[i][0], opinion))
            return statement_opinions[i][1];
    return NULL;
}

static json_t *
stated (const StatementInput *input, const char *sentence)
{
    const struct { const char *name, *value; } texts[] = {
        { "opinion", input->opinion }, { "sentence", sentence }, { "remarks", input->remarks },     { "not_seen", input->not_seen },
        { "place", input->place },     { "region", input->region }, { "retention", input->retention }, { "key_place", input->key_place },
    };
    json_t *object = json_object ();
    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
        json_object_set_new (object, texts[i].name, json_string (texts[i].value != NULL ? texts[i].value : ""));
    json_t *witness = json_object ();
    take_all (witness, input->witness, (const char *const[]) { "name", "employer", "qualification", "approval", NULL });
    json_object_set_new (object, "witness", witness);
    put_time (object, "signed_at", input->signed_at);
    return object;
}

json_t *
statement_build (const GPtrArray *events, const json_t *evidence, const json_t *people, const json_t *order, const char *challenge_secret, const json_t *digests,
                 const StatementInput *input, GError **error)
{
    const char *sentence = sentence_of (input->opinion);
    if (sentence == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "statement: the opinion must be one of: %s, %s, %s", statement_opinions[0][0], statement_opinions[1][0],
                     statement_opinions[2][0]);
        return NULL;
    }
    if (g_str_equal (input->opinion, "witnessed") && events_count (events, "deviation.noted") > 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "statement: the journal holds deviations: the opinion must be %s, or %s", statement_opinions[1][0],
                     statement_opinions[2][0]);
        return NULL;
    }
    json_t *derived = statement_derive (events, evidence, people, order, challenge_secret, digests, error);
    return derived != NULL ? json_pack ("{s:s, s:s, s:o, s:o}", "format", "ceremony/statement/v1", "role", "witness", "stated", stated (input, sentence), "derived", derived)
                           : NULL;
}
