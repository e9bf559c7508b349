/* What each type of event must hold: the part of docs/formats.md that the checks rely on, as one table. An event of a type that isn't there, by another actor,
 * or without one of these members fails journal.types, and nothing that needs the events is judged. */
#include <string.h>
#include "ceremony/verify/checks.h"

/* Members as NAME:KIND. Kinds: s text, b true or false, i a whole number from 0, o object, a array, h SHA-256 in hex, x hex of any length.
 * A ? after the kind: may be null or absent. Actor "*": any role of the script. */
typedef struct { const char *type, *actor, *members; } TypeInfo;

static const TypeInfo types[] = {
    { "ceremony.opened", "appliance", "ceremony:s origin:s rehearsal:b method:s order:o? script:o policy:o subscriber:o? algorithm:s label:s subject:s presence:s "
      "challenge_commitment:h? program:o appliance:o clock:o" },
    { "ceremony.resumed", "appliance", "after:i gap_ms:n rebooted:b program:o clock:o" },
    { "clock.stepped", "appliance", "drift_ms:n" },
    { "machine.slept", "appliance", "ms:n" },
    { "step.begun", "appliance", "act:s n:i" },
    { "step.confirmed", "*", "role:s person:s" },
    { "step.done", "appliance", "act:s" },
    { "step.skipped", "appliance", "act:s reason:s" },
    { "consent.given", "*", "role:s text_sha256:h" },
    { "person.identified", "appliance", "person:s role:s entry_sha256:h" },
    { "clock.checked", "appliance", "ntp:s" },
    { "representation.agreed", "operator", "text_sha256:h person:s" },
    { "token.found", "appliance", "module:o token:o uri:s" },
    { "token.unlocked", "operator", "uri:s" },
    { "token.refused", "appliance", "reason:s" },
    { "token.shown", "witness", "serial:s matches:b" },
    { "token.inventoried", "appliance", "shared:s" },
    { "key.absent", "appliance", "label:s with_label:i id:x? with_id:i?" },
    { "credential.asked", "appliance", "ak_name:x? ek_spki_sha256:h?" },
    { "credential.activated", "appliance", "source:s ak_name:x ek_spki_sha256:h credential_sha256:h recovered:x" },
    { "opening.committed", "appliance", "size:i root:s" },
    { "challenge.given", "witness", "source:s checkpoint:o challenge:x" },
    { "liveness.shown", "witness", "confirmed_by:s challenge:x" },
    { "key.generating", "appliance", "algorithm:s label:s id:x" },
    { "key.generated", "appliance", "algorithm:s label:s id:x mechanism:s? spki_sha256:h spki:s found:o recovered:b" },
    { "attributes.read", "appliance", "occasion:s private:o public:o" },
    { "key.using", "appliance", "use:i purpose:s digest:x?" },
    { "key.used", "appliance", "use:i signature_sha256:h" },
    { "possession.proved", "appliance", "n:i nonce:x checkpoint:o text_sha256:h signature_sha256:h mechanism:s hash:s" },
    { "request.made", "appliance", "csr_sha256:h spki_sha256:h subject:s attestation:s?" },
    { "request.countersigned", "appliance", "csr_sha256:h spki_sha256:h signature_sha256:h declaration_sha256:h signer:o signed_at:s service:o authentication:s module:o how:s" },
    { "token.removed", "appliance", "observed:a" },
    { "token.returned", "appliance", "observed:a serial:s" },
    { "fingerprint.read", "operator", "spki_sha256:h" },
    { "attestation.read", "appliance", "files:a result:o" },
    { "file.attached", "appliance", "name:s sha256:h length:i scope:s? auditor:s? period:s? expires:s? recognised:o?" },
    { "note.made", "*", "text:s" },
    { "deviation.noted", "*", "expected:s happened:s decided:s" },
    { "break.begun", "*", "reason:s" },
    { "break.ended", "*", "ms:i" },
    { "recording.started", "recorder", "part:i video:s? terminal:s? camera:o cameras:a? audio:o" },
    { "qr.shown", "recorder", "size:i part:i media_ms:i" },
    { "video.chunk", "recorder", "part:i offset:i length:i sha256:h recovered:b? frames:o? first_ms:i? last_ms:i? clock:o?" },
    { "terminal.chunk", "recorder", "part:i offset:i length:i sha256:h recovered:b?" },
    { "frames.dropped", "recorder", "count:i" },
    { "source.lost", "recorder", "source:s reason:s" },
    { "source.returned", "recorder", "source:s" },
    { "camera.repeats", "recorder", "part:i camera:i kind:s media_ms:i period_ms:i" },
    { "camera.moves", "recorder", "part:i camera:i media_ms:i" },
    { "recorder.failed", "recorder", "reason:s" },
    { "checkpoint.shown", "appliance", "size:i" },
    { "terminal.resized", "appliance", "cols:i rows:i" },
    { "recording.closing", "appliance", "outcome:s" },
    { "track.closed", "recorder", "track:s part:i path:s length:i sha256:h chunks:i" },
    { "ceremony.closed", "appliance", "outcome:s uses:i parts:a" },
};

static gboolean
is_hex (const char *text, gsize exactly)
{
    gsize len = strlen (text);

    return (exactly ? len == exactly : len % 2 == 0) && strspn (text, "0123456789abcdef") == len;
}

static gboolean
is_kind (const json_t *value, const char *kind)
{
    if (kind[1] == '?' && (!value || json_is_null (value)))
        return TRUE;
    switch (kind[0]) {
    case 's': return json_is_string (value);
    case 'b': return json_is_boolean (value);
    case 'i': return json_is_integer (value) && json_integer_value (value) >= 0;
    case 'n': return json_is_integer (value);
    case 'o': return json_is_object (value);
    case 'a': return json_is_array (value);
    case 'h': return json_is_string (value) && is_hex (json_string_value (value), 64);
    case 'x': return json_is_string (value) && is_hex (json_string_value (value), 0);
    default: return FALSE;
    }
}

static void
check_members (Context *c, const Event *event, const char *members)
{
    g_auto(GStrv) list = g_strsplit (members, " ", -1);

    for (gsize i = 0; list[i]; i++) {
        char *kind = strchr (list[i], ':');
        *kind++ = '\0';
        if (!is_kind (json_object_get (event->data, list[i]), kind))
            flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT " (%s) has no '%s', or one of another type", event->seq, event->type, list[i]);
    }
}

static gboolean
may_act (const Context *c, const TypeInfo *info, const char *actor)
{
    if (!g_str_equal (info->actor, "*"))
        return g_str_equal (info->actor, actor);
    /* Only a clip has no script: there any role may have acted. */
    return g_str_equal (actor, "appliance") || !c->script || g_strv_contains ((const char *const *) c->script->roles, actor);
}

static void
index_under (Context *c, const char *key, Event *event)
{
    GPtrArray *list = g_hash_table_lookup (c->by_type, key);

    if (!list) {
        list = g_ptr_array_new ();
        g_hash_table_insert (c->by_type, g_strdup (key), list);
    }
    g_ptr_array_add (list, event);
}

/* By type, and what a recorder tells of a part also by type and part. */
static void
index_event (Context *c, Event *event)
{
    gint64 part = member_int (event->data, "part");

    index_under (c, event->type, event);
    if (part >= 0) {
        g_autofree char *key = g_strdup_printf ("%s %" G_GINT64_FORMAT, event->type, part);
        index_under (c, key, event);
    }
}

static void
find_landmarks (Context *c)
{
    c->opened = event_first (c, "ceremony.opened");
    c->closed = event_last (c, "ceremony.closed");
    c->generated = event_last (c, "key.generated");
    c->generating = c->generated ? event_before (c, "key.generating", c->generated->seq) : event_last (c, "key.generating");
    /* Generation answers the newest challenge before it: a later attempt has another opening, so another challenge. */
    c->given = c->generating ? event_before (c, "challenge.given", c->generating->seq) : event_last (c, "challenge.given");
}

CheckResult
check_journal_types (Context *c)
{
    g_autoptr(GHashTable) table = g_hash_table_new (g_str_hash, g_str_equal);

    for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
        g_hash_table_insert (table, (gpointer) types[i].type, (gpointer) &types[i]);
    for (guint i = 0; i < c->parsed->len; i++) {
        Event *event = c->parsed->pdata[i];
        const TypeInfo *info = g_hash_table_lookup (table, event->type);
        if (!info) {
            flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT " has the type '%s', which this version doesn't know: verify with the version that made it",
                  event->seq, event->type);
            continue;
        }
        if (!may_act (c, info, event->actor))
            flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT " (%s) is said to be by '%s'", event->seq, event->type, event->actor);
        check_members (c, event, info->members);
        index_event (c, event);
    }
    if (c->worst == CHECK_PASS && !g_hash_table_contains (c->by_type, "ceremony.opened"))
        flaw (c, CHECK_FAIL, NULL, "no ceremony.opened: the journal has no beginning");
    if (c->worst == CHECK_PASS) {
        c->events = c->parsed;
        find_landmarks (c);
    }
    return done (c, "%u events, each with what its type must hold", c->parsed->len);
}
