/* The table of checks, and the run through it from top to bottom: cheap ones first, pictures last. A check whose ground failed is skipped and says which
 * check it was; nothing skipped so ever gives an accept. */
#include <string.h>
#include "ceremony/bundle/clip.h"
#include "ceremony/verify/checks.h"

typedef enum {
    NEEDS_DOCUMENTS  = 1 << 0,
    NEEDS_SCRIPT     = 1 << 1,
    NEEDS_PARSED     = 1 << 2,
    NEEDS_EVENTS     = 1 << 3,
    NEEDS_POINTS     = 1 << 4,
    NEEDS_NOTE_KEY   = 1 << 5,
    NEEDS_STATEMENT  = 1 << 6,
    NEEDS_GIVEN      = 1 << 7,
    NEEDS_GENERATED  = 1 << 8,
    NEEDS_KEY        = 1 << 9,
    NEEDS_MANIFESTS  = 1 << 10,
} Needs;

typedef struct {
    CheckInfo info;
    Needs     needs;
    gboolean  fixed;                    /* no policy can make it less than required: without it a bundle proves nothing */
    CheckFunc run;
} Check;

#define EV (NEEDS_DOCUMENTS | NEEDS_SCRIPT | NEEDS_EVENTS)

static const Check checks[] = {
    { { "container.structure", "container", "The bundle is a strict ASiC-E container that holds only known files, each added by the role it belongs to.",
        "ETSI EN 319 162-1" }, 0, TRUE, check_container_structure },
    { { "container.documents", "container", "Evidence, people, statement and decision are canonical JSON of their formats.", "docs/formats.md" },
      0, TRUE, check_container_documents },
    { { "container.manifests", "container", "Each manifest lists every file of its time, and each file has the digest that was signed.", "ETSI EN 319 162-1" },
      0, TRUE, check_container_manifests },
    { { "script.readable", "script", "Script and policy can be read.", "docs/formats.md" }, 0, TRUE, check_script_readable },
    { { "signature.chain", "signatures", "Each signature is a strictly formed CAdES signature over its manifest, in the roles' order, each by another key.",
        "ETSI EN 319 122-1" }, NEEDS_MANIFESTS, TRUE, check_signature_chain },
    { { "signature.appliance", "signatures", "The evidence is signed by an enrolled appliance.", "CSBR 6.2.7.4.2 (6)" },
      NEEDS_MANIFESTS | NEEDS_DOCUMENTS, TRUE, check_signature_appliance },
    { { "signature.witness", "signatures", "The statement is signed by an approved witness, over the evidence as it was closed.", "CSBR 6.2.7.4.2 (6)" },
      NEEDS_MANIFESTS, TRUE, check_signature_witness },
    { { "signature.reviewer", "signatures", "A decision, where there is one, is signed by a reviewer over all before it.", "CSBR 4.2.1" },
      NEEDS_MANIFESTS, TRUE, check_signature_reviewer },
    { { "order.signature", "order", "The CA's order is there, signed, with this script and policy.", "CSBR 6.1.1.1" }, NEEDS_SCRIPT, TRUE, check_order_signature },
    { { "order.trust", "order", "The order is by a CA that the reviewer trusts.", "CSBR 6.1.1.1" }, 0, TRUE, check_order_trust },
    { { "appliance.note_key", "signatures", "The journal's key is that of an enrolled appliance, the same that signed the evidence.", "C2SP signed-note" },
      NEEDS_MANIFESTS | NEEDS_DOCUMENTS, TRUE, check_appliance_note_key },
    { { "journal.canonical", "journal", "Every event is one line of canonical JSON.", "RFC 8785" }, 0, TRUE, check_journal_canonical },
    { { "journal.types", "journal", "Every event is of a known type and holds what that type must hold.", "CSBR 5.4.1.1" },
      NEEDS_PARSED | NEEDS_SCRIPT, TRUE, check_journal_types },
    { { "journal.sequence", "journal", "Events are numbered without a gap, sittings and times only go forward.", "CSBR 5.4.1.1" }, EV, TRUE, check_journal_sequence },
    { { "journal.checkpoints", "journal", "Every checkpoint is signed by the appliance and is the root of the events before it; the last is over all.",
        "RFC 9162 2.1, C2SP tlog-checkpoint" }, NEEDS_PARSED | NEEDS_NOTE_KEY | NEEDS_DOCUMENTS, TRUE, check_journal_checkpoints },
    { { "journal.clock", "journal", "Within a sitting the wall clock keeps step with the machine's own clock.", "CSBR 5.4.1.1" }, EV, FALSE, check_journal_clock },
    { { "journal.cosignatures", "journal", "Cosignatures of a witness on the growing journal are theirs.", "C2SP tlog-cosignature" },
      NEEDS_POINTS, FALSE, check_journal_cosignatures },
    { { "evidence.consistent", "journal", "The evidence says what follows from the journal, and nothing else.", "CSBR 5.4.1.1" }, EV | NEEDS_POINTS, TRUE,
      check_evidence_consistent },
    { { "order.matches", "order", "The ceremony was held as ordered: script, policy, appliance, witness, key, subject and time.", "CSBR 6.1.1.1" }, EV, TRUE,
      check_order_matches },
    { { "sequence.close", "sequence", "Opened first, closed last and once, and nothing happened after the recording was being closed.", "CSBR 6.1.1.1" }, EV, TRUE,
      check_sequence_close },
    { { "outcome.completed", "sequence", "The ceremony was carried out to its end.", "CSBR 6.1.1.1" }, EV, TRUE, check_outcome_completed },
    { { "rehearsal", "sequence", "It was a ceremony, not a rehearsal.", "CSBR 6.2.7.4.1" }, EV, TRUE, check_rehearsal },
    { { "script.followed", "script", "Each step of the script was done in its place and confirmed by the roles that it names.", "CSBR 6.1.1.1" }, EV, FALSE,
      check_script_followed },
    { { "people.entries", "people", "The people named are those identified in the ceremony, in their roles.", "CSBR 5.4.1.1" }, EV, TRUE, check_people_entries },
    { { "consent.given", "people", "Everybody agreed to being recorded.", "GDPR 6 (1)" }, EV, FALSE, check_consent_given },
    { { "contract.agreed", "people", "The subscriber represented by contract how the key is protected.", "CSBR 6.2.7.4.1" }, EV, FALSE, check_contract_agreed },
    { { "attachments", "people", "Attached files are those that were attached in the ceremony.", "CSBR 5.4.1.1" }, EV, TRUE, check_attachments },
    { { "challenge.opening", "challenge", "The appliance had committed to its opening, and shown that, before the challenge was given.", "CSBR 6.2.7.4.2 (6)" },
      EV | NEEDS_POINTS | NEEDS_GIVEN, TRUE, check_challenge_opening },
    { { "challenge.commitment", "challenge", "The witness's secret is the one that the order committed to.", "CSBR 6.2.7.4.2 (6)" }, EV | NEEDS_GIVEN, TRUE,
      check_challenge_commitment },
    { { "challenge.computed", "challenge", "The challenge follows from the secret and the opening checkpoint, or from the witness's words.", "CSBR 6.2.7.4.2 (6)" },
      EV | NEEDS_GIVEN, TRUE, check_challenge_computed },
    { { "sequence.generation", "sequence", "Challenge, sign of life before the camera, generation: in this order, and soon after each other.", "CSBR 6.2.7.4.2 (6)" },
      EV | NEEDS_GENERATED | NEEDS_GIVEN, TRUE, check_sequence_generation },
    { { "key.id", "key", "The key's id follows from the challenge.", "CSBR 6.2.7.4.1" }, EV | NEEDS_GENERATED | NEEDS_GIVEN, TRUE, check_key_id },
    { { "key.unique", "key", "No key of that label was there before, exactly one pair is there after.", "CSBR 6.2.7.4.1" }, EV | NEEDS_GENERATED, TRUE,
      check_key_unique },
    { { "key.match", "key", "The key generated is the key of the request, of public.pem and of the evidence.", "CSBR 6.2.7.4.2 (6)" }, EV | NEEDS_GENERATED, TRUE,
      check_key_match },
    { { "key.algorithm", "key", "The key is of the algorithm that was ordered and that the policy allows.", "CSBR 6.1.5.2" }, EV | NEEDS_GENERATED | NEEDS_KEY, TRUE,
      check_key_algorithm },
    { { "key.request", "key", "The request was made in the ceremony, is signed by its key, for the subject ordered.", "RFC 2986" },
      EV | NEEDS_GENERATED | NEEDS_KEY, TRUE, check_key_request },
    { { "key.attributes", "key", "The token says that the key was generated in it, is sensitive and was never extractable.", "CSBR 6.2.7.4.1, PKCS#11 4.9" },
      EV | NEEDS_GENERATED, TRUE, check_key_attributes },
    { { "key.possession", "key", "The key signed the challenge, fresh nonces and checkpoints of this journal.", "CSBR 3.2.1" },
      EV | NEEDS_GENERATED | NEEDS_KEY | NEEDS_POINTS | NEEDS_GIVEN, TRUE, check_key_possession },
    { { "key.uses", "key", "Every use of the private key was announced, and is accounted for.", "CSBR 6.2.7.4.1" }, EV | NEEDS_GENERATED | NEEDS_KEY, TRUE,
      check_key_uses },
    { { "key.quality", "key", "The key has no known weakness: size, parameters, factors, generation.", "CSBR 6.1.1.3, 6.1.6" },
      EV | NEEDS_GENERATED | NEEDS_KEY, TRUE, check_key_quality },
    { { "key.recovered", "key", "Generation wasn't interrupted.", "CSBR 6.1.1.1" }, EV | NEEDS_GENERATED, FALSE, check_key_recovered },
    { { "device.consistent", "device", "One token throughout, its serial number seen by the witness.", "CSBR 6.2.7.4.1" }, EV, TRUE, check_device_consistent },
    { { "device.sole", "device", "The token holds nobody else's keys.", "CSBR 6.2.7.4.1" }, EV, FALSE, check_device_sole },
    { { "presence.unplug", "device", "The device in the hand is the device on the bus: unplugged after generation, read and used again.", "CSBR 6.2.7.4.2 (6)" },
      EV | NEEDS_GENERATED, FALSE, check_presence_unplug },
    { { "attachments.cloud", "device", "A cloud key's attached descriptions are of this key: made in a hardware module, not imported, its use logged.",
        "CSBR 6.2.7.4.2 (4), (5)" }, EV, FALSE, check_attachments_cloud },
    { { "attestation.credential", "device", "The TPM opened what the witness had sealed to its attestation key and its endorsement key.", "TPM 2.0 part 3, 12.5" }, EV, FALSE,
      check_attestation_credential },
    { { "attestation", "device", "The vendor attests that the key was generated in the device and can't leave it.", "CSBR 6.2.7.4.2 (2)" }, EV, FALSE,
      check_attestation },
    { { "key.history", "key", "The key was born in the device: neither imported, unwrapped, copied nor restored.", "CSBR 6.2.7.4.1" }, EV | NEEDS_GENERATED, FALSE,
      check_key_history },
    { { "module.suitable", "device", "The device is a hardware crypto module certified as the rules ask.", "CSBR 6.2.7.4.1 (7)-(9)" }, EV, FALSE,
      check_module_suitable },
    { { "service.signature", "service", "A signing service countersigned exactly this request.", "CSBR 6.2.7.4.2 (7)" }, EV, FALSE,
      check_service_signature },
    { { "service.trust", "service", "The countersignature is by a signing service that is trusted, and that played no other part.", "CSBR 6.2.7.3" }, EV, FALSE,
      check_service_trust },
    { { "service.declaration", "service", "The signing service's declaration is the one that was countersigned, whole, and about this request.", "CSBR 6.2.7.3" }, EV, FALSE,
      check_service_declaration },
    { { "service.module", "service", "The module that the signing service declares is certified as the rules ask of such a service.", "CSBR 6.2.7.3" }, EV, FALSE,
      check_service_module },
    { { "host.program", "sequence", "The program that held the ceremony is named by its digest.", "CSBR 6.2.7.4.2 (3)" }, EV, FALSE, check_host_program },
    { { "clock.ntp", "sequence", "The appliance's clock was right.", "CSBR 5.4.1.1" }, EV, FALSE, check_clock_ntp },
    { { "interruptions", "sequence", "The ceremony was held in one sitting.", "CSBR 6.1.1.1" }, EV, FALSE, check_interruptions },
    { { "deviations", "sequence", "Nothing deviated from the script.", "CSBR 6.1.1.1" }, EV, FALSE, check_deviations },
    { { "timestamps", "journal", "Trusted timestamps hold the journal outside the operator's reach.", "RFC 3161" }, EV | NEEDS_POINTS, FALSE, check_timestamps },
    { { "statement.consistent", "statement", "The statement says what follows from journal, evidence, people and order, in the witness's name.",
        "CSBR 6.2.7.4.2 (6)" }, NEEDS_STATEMENT | EV | NEEDS_POINTS, TRUE, check_statement_consistent },
    { { "statement.opinion", "statement", "The witness's opinion is that the key pair was generated as told.", "CSBR 6.2.7.4.2 (6)" }, NEEDS_STATEMENT | EV, TRUE,
      check_statement_opinion },
    { { "witness.key_place", "statement", "The witness's key lives where nobody can copy it.", "CSBR 6.2.7.4.2 (6)" }, NEEDS_STATEMENT | EV, FALSE,
      check_witness_key_place },
    { { "camera.real", "tracks", "A camera recorded the ceremony.", "CSBR 6.1.1.1" }, EV, FALSE, check_camera_real },
    { { "tracks.files", "tracks", "The recordings are the files that the journal tells of, no more and no less.", "CSBR 6.1.1.1" }, EV, TRUE, check_tracks_files },
    { { "tracks.chunks", "tracks", "Every byte of every recording was hashed into the journal as it was recorded.", "CSBR 6.1.1.1" }, EV, TRUE, check_tracks_chunks },
    { { "tracks.container", "tracks", "Video is Matroska cut at clusters, the terminal is asciicast of what was shown.", "RFC 9559" }, EV, TRUE,
      check_tracks_container },
    { { "tracks.drops", "tracks", "Few pictures were dropped, no source was lost.", "CSBR 6.1.1.1" }, EV, FALSE, check_tracks_drops },
    { { "tracks.clock", "tracks", "The video's time, the machine's clocks and the journal's ran together.", "CSBR 5.4.1.1" }, EV, FALSE, check_tracks_clock },
    { { "tracks.cover", "tracks", "A recording ran whenever something was done, and its time is the journal's.", "CSBR 6.1.1.1" }, EV, FALSE, check_tracks_cover },
    { { "camera.live", "tracks", "The cameras were alive: no picture stands still or comes again, and they had the large pane while the challenge was shown.",
        "CSBR 6.1.1.1" }, EV, FALSE, check_camera_live },
    { { "sound.live", "tracks", "While the challenge was read aloud the microphone heard something.", "CSBR 6.1.1.1" }, EV, FALSE, check_sound_live },
    { { "pictures.codes", "tracks", "The QR codes in the picture are this journal's checkpoints, where the journal says that they were shown.", "CSBR 6.1.1.1" },
      EV | NEEDS_POINTS, FALSE, check_pictures_codes },
    { { "recording.read", "recording", "The call's recording, and what the witness's program saw of the call, can be read and are the same.", "CSBR 6.2.7.4.2 (6)" },
      EV | NEEDS_POINTS | NEEDS_NOTE_KEY, FALSE, check_recording_read },
    { { "recording.codes", "recording", "The codes seen in the call are this journal's checkpoints, and no other ceremony's or log's.", "CSBR 6.2.7.4.2 (6)" },
      EV | NEEDS_POINTS | NEEDS_NOTE_KEY, TRUE, check_recording_codes },
    { { "recording.order", "recording", "They were seen in the journal's order.", "CSBR 6.2.7.4.2 (6)" }, EV | NEEDS_POINTS | NEEDS_NOTE_KEY, FALSE,
      check_recording_order },
    { { "recording.pace", "recording", "The recording's time is the journal's: not cut, slowed or put together.", "CSBR 6.2.7.4.2 (6)" },
      EV | NEEDS_POINTS | NEEDS_NOTE_KEY, FALSE, check_recording_pace },
    { { "recording.cover", "recording", "The call saw the ceremony from its opening to its end.", "CSBR 6.2.7.4.2 (6)" }, EV | NEEDS_POINTS | NEEDS_NOTE_KEY, FALSE,
      check_recording_cover },
};

/* What stands for each need, and the checks that give it, first to fail first. */
static const struct { Needs need; const char *givers; } grounds[] = {
    { NEEDS_MANIFESTS, "container.structure container.manifests" },
    { NEEDS_DOCUMENTS, "container.documents" },
    { NEEDS_SCRIPT, "script.readable" },
    { NEEDS_PARSED, "journal.canonical" },
    { NEEDS_EVENTS, "journal.canonical journal.types journal.sequence" },
    { NEEDS_NOTE_KEY, "appliance.note_key" },
    { NEEDS_POINTS, "appliance.note_key journal.canonical journal.checkpoints" },
    { NEEDS_STATEMENT, "container.documents signature.witness" },
    { NEEDS_GIVEN, "script.followed" },
    { NEEDS_GENERATED, "outcome.completed" },
    { NEEDS_KEY, "key.match" },
};

static gboolean
has_manifests (const Context *c)
{
    for (guint i = 0; i < c->n_signatures; i++)
        if (!c->signatures[i].listed)
            return FALSE;
    return c->n_signatures > 0;
}

static gboolean
has (const Context *c, Needs need)
{
    switch (need) {
    case NEEDS_MANIFESTS: return has_manifests (c);
    case NEEDS_DOCUMENTS: return c->evidence && c->people;
    case NEEDS_SCRIPT: return c->script && c->policy;
    case NEEDS_PARSED: return c->parsed != NULL;
    case NEEDS_EVENTS: return c->events != NULL;
    case NEEDS_NOTE_KEY: return c->note_key != NULL;
    case NEEDS_POINTS: return c->points != NULL;
    case NEEDS_STATEMENT: return c->statement != NULL;
    case NEEDS_GIVEN: return c->given != NULL;
    case NEEDS_GENERATED: return c->generated != NULL;
    case NEEDS_KEY: return c->key != NULL;
    }
    return FALSE;
}

static const CheckOutcome *
outcome_of (const Verdict *verdict, const char *id)
{
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *outcome = verdict->outcomes->pdata[i];
        if (g_str_equal (outcome->id, id))
            return outcome;
    }
    return NULL;
}

static CheckResult
not_reached (Context *c, const char *givers)
{
    g_auto(GStrv) list = g_strsplit (givers, " ", -1);
    const char *first = list[0];

    for (gsize i = 0; list[i]; i++) {
        const CheckOutcome *outcome = outcome_of (c->verdict, list[i]);
        if (!outcome || outcome->result == CHECK_PASS || outcome->result == CHECK_WARN)
            continue;
        first = list[i];
        break;
    }
    if (was_aborted (c))
        return unreached (c, "not reached: the ceremony was aborted before");
    return unreached (c, "not reached: %s failed", first);
}

static CheckResult
run_one (Context *c, const Check *check)
{
    if (check->needs & NEEDS_STATEMENT && !c->statement && c->options->flags & VERIFY_EVIDENCE_ONLY)
        return skip (c, "not signed yet");
    for (gsize i = 0; i < G_N_ELEMENTS (grounds); i++)
        if (check->needs & grounds[i].need && !has (c, grounds[i].need))
            return not_reached (c, grounds[i].givers);
    return check->run (c);
}

static CheckOutcome *
outcome_new (const CheckInfo *info)
{
    CheckOutcome *outcome = g_new0 (CheckOutcome, 1);

    *outcome = (CheckOutcome) { .id = info->id, .family = info->family, .meaning = info->meaning, .clause = info->clause, .video_ms = -1,
                                .events = g_array_new (FALSE, FALSE, sizeof (guint64)) };
    return outcome;
}

static void
outcome_free (CheckOutcome *self)
{
    g_free (self->reason);
    g_array_unref (self->events);
    g_free (self);
}

CheckOutcome *
outcome_begin (Context *c, const CheckInfo *info)
{
    c->outcome = outcome_new (info);
    c->worst = CHECK_PASS;
    c->flaws = 0;
    g_string_truncate (c->reason, 0);
    return c->outcome;
}

void
outcome_end (Context *c, CheckResult result)
{
    c->outcome->result = result;
    c->outcome->reason = g_strdup (c->reason->str);
    g_ptr_array_add (c->verdict->outcomes, c->outcome);
}

static gboolean
run_check (Context *c, const Check *check)
{
    CheckOutcome *outcome = outcome_begin (c, &check->info);

    outcome_end (c, run_one (c, check));
    return outcome->result != CHECK_FAIL || !(c->options->flags & VERIFY_STOP_AT_FAIL);
}

static const Check *
check_of (const char *id)
{
    for (gsize i = 0; i < G_N_ELEMENTS (checks); i++)
        if (g_str_equal (checks[i].info.id, id))
            return &checks[i];
    return NULL;
}

/* What a policy lowers stays in the verdict, and says that it was lowered. */
static void
tell_level (CheckOutcome *outcome, PolicyLevel level)
{
    g_autofree char *reason = g_steal_pointer (&outcome->reason);
    const char *note = level == LEVEL_IGNORE ? " (the policy passes over this)" : level == LEVEL_WARN && outcome->result == CHECK_FAIL ? " (for the policy a warning)" : "";

    outcome->reason = g_strconcat (reason, note, NULL);
}

void
verdict_decide (Context *c)
{
    Verdict *verdict = c->verdict;
    gboolean refuse = FALSE, review = c->incomplete, other = FALSE;

    for (guint i = 0; i < verdict->outcomes->len; i++) {
        CheckOutcome *outcome = verdict->outcomes->pdata[i];
        const Check *check = check_of (outcome->id);
        PolicyLevel level = outcome->fixed || check->fixed ? LEVEL_REQUIRE : rule_level (c, outcome->id);
        if (outcome->result == CHECK_PASS || outcome->result == CHECK_SKIPPED)
            continue;
        tell_level (outcome, level);
        outcome->ignored = level == LEVEL_IGNORE;
        if (outcome->ignored)
            continue;
        refuse = refuse || (outcome->result == CHECK_FAIL && level == LEVEL_REQUIRE);
        review = TRUE;
        other = other || (outcome->result == CHECK_FAIL && level == LEVEL_REQUIRE && !g_str_equal (outcome->id, "rehearsal"));
    }
    verdict->kind = refuse ? VERDICT_REFUSE : review ? VERDICT_REVIEW : VERDICT_ACCEPT;
    verdict->genuine = !other && refuse && verdict->rehearsal;
}

/* ---- what the verdict says beside its checks ---- */

static json_t *
text_or_null (const json_t *object, const char *key)
{
    const char *text = member (object, key);
    g_autofree char *clean = printable (text, 500);

    return *text ? json_string (clean) : json_null ();
}

/* The device by its maker's word where there is an attestation, else by what the module says. */
static json_t *
describe_device (const Context *c, const json_t *device)
{
    static const char *const names[][2] = { { "vendor", "manufacturer" }, { "model", "model" }, { "serial", "serial" }, { "firmware", "firmware" } };
    json_t *object = json_object ();

    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
        const json_t *source = *member (c->attested, names[i][0]) ? c->attested : device;
        json_object_set_new (object, names[i][0], text_or_null (source, source == device ? names[i][1] : names[i][0]));
    }
    json_object_set_new (object, "attested", json_boolean (c->attested != NULL));
    return object;
}

static void
describe (Context *c)
{
    const json_t *key = json_object_get (c->evidence, "key"), *device = json_object_get (c->evidence, "device");
    const json_t *opened = c->opened ? c->opened->data : NULL;
    json_t *summary = json_object ();
    static const char *const texts[] = { "ceremony", "origin", "outcome", "started", "closed" };

    if (json_is_object (key))
        c->verdict->key = json_pack ("{s:o, s:o, s:o}", "algorithm", text_or_null (key, "algorithm"), "spki_sha256", text_or_null (key, "spki_sha256"),
                                     "label", text_or_null (key, "label"));
    if (json_is_object (device))
        c->verdict->device = describe_device (c, device);
    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
        json_object_set_new (summary, texts[i], text_or_null (c->evidence, texts[i]));
    json_object_set_new (summary, "subscriber", text_or_null (json_object_get (opened, "subscriber"), "name"));
    json_object_set_new (summary, "subject", text_or_null (opened, "subject"));
    json_object_set_new (summary, "order", text_or_null (json_object_get (opened, "order"), "id"));
    json_object_set_new (summary, "script", text_or_null (json_object_get (opened, "script"), "title"));
    json_object_set_new (summary, "policy", text_or_null (json_object_get (opened, "policy"), "title"));
    json_object_set_new (summary, "sittings", c->events ? json_integer (events_of (c, "ceremony.resumed")->len + 1) : json_null ());
    json_object_set_new (summary, "events", c->parsed ? json_integer (c->parsed->len) : json_null ());
    json_object_set_new (summary, "deviations", c->events ? json_integer (events_of (c, "deviation.noted")->len) : json_null ());
    json_object_set_new (summary, "opinion", text_or_null (json_object_get (c->statement, "stated"), "opinion"));
    json_object_set_new (summary, "decision", text_or_null (c->decision, "decision"));
    json_object_set_new (summary, "attested", json_boolean (c->events && events_of (c, "attestation.read")->len > 0));
    c->verdict->summary = summary;
}

void
context_clear (Context *c)
{
    for (guint i = 0; i < SIGNATURES_MAX; i++) {
        g_clear_pointer (&c->signatures[i].listed, g_ptr_array_unref);
        g_clear_pointer (&c->signatures[i].manifest, g_bytes_unref);
        g_clear_pointer (&c->signatures[i].p7s, g_bytes_unref);
        g_clear_pointer (&c->signatures[i].cades, cades_free);
    }
    g_clear_pointer (&c->evidence, json_decref);
    g_clear_pointer (&c->people, json_decref);
    g_clear_pointer (&c->statement, json_decref);
    g_clear_pointer (&c->attested, json_decref);
    g_clear_pointer (&c->countersigned, countersigned_free);
    g_clear_pointer (&c->decision, json_decref);
    g_clear_pointer (&c->script, script_free);
    g_clear_pointer (&c->policy, policy_free);
    g_clear_pointer (&c->order, order_free);
    g_clear_pointer (&c->by_type, g_hash_table_unref);
    g_clear_pointer (&c->parsed, g_ptr_array_unref);
    g_clear_pointer (&c->tree, merkle_tree_free);
    g_clear_pointer (&c->note_key, note_key_free);
    g_clear_pointer (&c->points, g_ptr_array_unref);
    g_clear_pointer (&c->key, EVP_PKEY_free);
    g_clear_pointer (&c->spki, g_bytes_unref);
    g_clear_pointer (&c->calls, g_ptr_array_unref);
    g_clear_pointer (&c->peeked_bytes, g_bytes_unref);
    g_string_free (c->reason, TRUE);
}

Verdict *
verdict_new (const char *name)
{
    Verdict *verdict = g_new0 (Verdict, 1);

    verdict->bundle = g_strdup (name);
    verdict->outcomes = g_ptr_array_new_with_free_func ((GDestroyNotify) outcome_free);
    return verdict;
}

Verdict *
verify_asice (Asice *asice, const char *name, const VerifyOptions *options)
{
    Verdict *verdict = verdict_new (name);
    Context c = { .asice = asice, .options = options, .verdict = verdict, .reason = g_string_new (NULL) };

    rule_make (&c);
    for (gsize i = 0; i < G_N_ELEMENTS (checks); i++)
        if (!run_check (&c, &checks[i]))
            break;
    verdict_decide (&c);
    describe (&c);
    context_clear (&c);
    return verdict;
}

Verdict *
verify_bundle (const char *path, const VerifyOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Asice) asice = asice_open (path, &error);
    Verdict *verdict;
    CheckOutcome *outcome;

    if (asice_begins_as (path, CLIP_MIMETYPE))
        return verify_clip (path, options);
    if (asice)
        return verify_asice (asice, path, options);
    verdict = verdict_new (path);
    verdict->kind = VERDICT_UNREADABLE;
    verdict->summary = json_object ();
    outcome = outcome_new (&checks[0].info);
    outcome->result = CHECK_FAIL;
    outcome->reason = printable (error->message, 4000);
    g_ptr_array_add (verdict->outcomes, outcome);
    return verdict;
}

void
verdict_free (Verdict *self)
{
    g_free (self->bundle);
    g_ptr_array_unref (self->outcomes);
    json_decref (self->key);
    json_decref (self->device);
    json_decref (self->summary);
    json_decref (self->clip);
    g_free (self);
}

static json_t *
outcome_json (const CheckOutcome *outcome)
{
    static const char *const results[] = { "pass", "warn", "fail", "skipped" };
    json_t *events = json_array ();

    for (guint i = 0; i < outcome->events->len; i++)
        json_array_append_new (events, json_integer (g_array_index (outcome->events, guint64, i)));
    return json_pack ("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "id", outcome->id, "family", outcome->family, "result", results[outcome->result], "reason",
                      outcome->reason, "clause", outcome->clause, "events", events, "video_ms",
                      outcome->video_ms < 0 ? json_null () : json_integer (outcome->video_ms));
}

json_t *
verdict_json (const Verdict *self)
{
    static const char *const kinds[] = { "accept", "refuse", "unreadable", "review" };
    g_autofree char *bundle = g_filename_display_name (self->bundle);
    json_t *list = json_array (), *json;

    for (guint i = 0; i < self->outcomes->len; i++)
        json_array_append_new (list, outcome_json (self->outcomes->pdata[i]));
    json = json_pack ("{s:s, s:s, s:b, s:b, s:o, s:O?, s:O?, s:O}", "bundle", bundle, "verdict", kinds[self->kind], "rehearsal", self->rehearsal, "genuine",
                      self->genuine, "checks", list, "key", self->key, "device", self->device, "summary", self->summary);
    if (self->clip)
        json_object_set (json, "clip", self->clip);
    return json;
}

const CheckInfo *
verify_checks (gsize *n)
{
    static CheckInfo infos[G_N_ELEMENTS (checks)];

    for (gsize i = 0; i < G_N_ELEMENTS (checks); i++)
        infos[i] = checks[i].info;
    *n = G_N_ELEMENTS (checks);
    return infos;
}
