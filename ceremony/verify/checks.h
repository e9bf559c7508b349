/* What the checks share, and the checks themselves. Private to verify/. A check looks at a Context, tells each flaw by flaw(), and ends in done(), which
 * gives the worst of them, or a pass with its reason. What one check has read (events, evidence, keys) later checks use; where it failed they are skipped. */
#pragma once
#include <stddef.h>
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/bundle/challenge.h"
#include "ceremony/bundle/media-job.h"
#include "ceremony/bundle/statement.h"
#include "ceremony/bundle/tsa.h"
#include "ceremony/journal/event.h"
#include "ceremony/script/acts.h"
#include "ceremony/verify/countersigned.h"
#include "ceremony/verify/verify.h"

#define SIGNATURES_MAX 3
#define SLEEP_NOTICED_MS 5000           /* a sleep of the machine is noticed, and journaled, so soon after it */

typedef struct {                        /* one signed checkpoint of journal/checkpoints.txt */
    Checkpoint *checkpoint;
    char       *note;                   /* as the appliance signed it, without cosignatures */
    guint       others;                 /* signatures beside the appliance's */
} Point;

typedef struct {                        /* one manifest with its signature */
    guint       number;
    const char *role;                   /* "appliance", "witness", "reviewer"; NULL unknown */
    GPtrArray  *listed;                 /* ManifestEntry */
    GBytes     *manifest, *p7s;
    Cades      *cades;                  /* NULL where it isn't a valid signature */
    gint64      when;                   /* the time that trust is judged at */
    gboolean    stamped;                /* by a trusted timestamp, not the signer's word */
} Signed;

typedef struct {                        /* what policies in force ask, the strictest of each */
    const Policy *sources[2];
    guint         n;
    PolicyPresence  presence;
    PolicySeal      local_seal;
    PolicyChallenge challenge;
    gint64 qr_gap_ms, liveness_ms, drops_per_mille, clock_drift_ms, max_sittings, camera_still_ms, recording_gap_ms;
    gboolean order_required, camera_required, audio_required, timestamp_required, attestation_required, sole_device, unknown_history_allowed, countersignature_required, recording_required;
} Rule;

typedef struct {
    Asice               *asice;
    const VerifyOptions *options;
    Verdict             *verdict;
    /* the check that runs now */
    CheckOutcome        *outcome;
    GString             *reason;
    CheckResult          worst;
    guint                flaws;
    gboolean             incomplete;    /* some check wasn't reached: never an accept */
    /* what was read, each NULL until its check has passed */
    Signed     signatures[SIGNATURES_MAX];
    guint      n_signatures;
    json_t    *evidence, *people, *statement, *decision;
    Script    *script;
    Policy    *policy;
    Order     *order;
    gboolean   order_trusted;
    Rule       rule;
    GPtrArray *parsed;                  /* Event, as read */
    GPtrArray *events;                  /* the same, once their types and members are known to be right */
    GHashTable *by_type;                /* type → GPtrArray of borrowed Event */
    MerkleTree *tree;
    NoteKey   *note_key;
    GPtrArray *points;                  /* Point, by size */
    EVP_PKEY  *key;                     /* of the request */
    GBytes    *spki;
    const Event *activated;             /* credential.activated that may be relied on; NULL */
    json_t    *attested;                /* vendor, model, serial, firmware by a genuine attestation; NULL where there is none */
    Countersigned *countersigned;       /* NULL where no signing service's countersignature is there, or it couldn't be judged */
    gboolean   attested_import;         /* the device's evidence, judged anew, says that the key was imported */
    GPtrArray *calls;                   /* recordings of the call, as recording.c reads them */
    guint8     challenge[CHALLENGE_LEN];
    const Event *opened, *closed, *given, *generating, *generated;   /* given: the challenge that the generation answers */
    /* the last entry peeked into, where the container is in memory */
    const AsiceEntry *peeked;
    GBytes    *peeked_bytes;
    struct ClipView *clip;              /* clip.c's own */
} Context;

typedef CheckResult (*CheckFunc) (Context *c);

/* Adds a flaw: @result CHECK_WARN or CHECK_FAIL, @event (may be NULL) the event concerned. The sentence is made printable. */
void flaw (Context *c, CheckResult result, const Event *event, const char *format, ...) G_GNUC_PRINTF (4, 5);
/* The end of a check: the worst flaw, or a pass with this reason. */
CheckResult done (Context *c, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* A check that doesn't apply, which says nothing against an accept; and one that couldn't be made, which does. */
CheckResult skip (Context *c, const char *format, ...) G_GNUC_PRINTF (2, 3);
CheckResult unreached (Context *c, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* The ceremony says of itself that it was aborted: outcome.completed fails, and what wasn't done yet isn't a fault of its own. */
gboolean was_aborted (const Context *c);
/* Adds @event to those that the reason concerns. */
void cite (Context *c, const Event *event);

/* Events of one type, in order (never NULL); the n-th, the last, the newest before @seq. NULL where there is none. */
const GPtrArray *events_of (Context *c, const char *type);
/* The same for what a recorder tells of one part. */
const GPtrArray *events_of_part (Context *c, const char *type, gint64 part);
const Event *event_last (Context *c, const char *type);
const Event *event_first (Context *c, const char *type);
const Event *event_before (Context *c, const char *type, guint64 seq);
const Event *event_after (Context *c, const char *type, guint64 seq);
/* Milliseconds from @from to @to: by mono within a sitting, else by wall clock. */
gint64 event_span (const Event *from, const Event *to);
/* How long the machine slept between two events of a sitting: the journal's clock went on, the video's didn't. tracks.clock tells that by itself; it is no lateness. */
gint64 event_slept_between (Context *c, const Event *from, const Event *to);
/* Where @event is in the video of its part; -1 unknown. */
gint64 event_video_ms (Context *c, const Event *event);

/* A member of an object in an object; "" where missing: for comparing. */
const char *member (const json_t *object, const char *key);
const char *member2 (const json_t *object, const char *outer, const char *key);
gint64 member_int (const json_t *object, const char *key);      /* -1 where missing */
gboolean member_true (const json_t *object, const char *key);
/* The signed note over exactly @size events; NULL where there is none. */
const Point *point_at (Context *c, guint64 size);
/* base64 root of the journal's first @size events; NULL where it has fewer. g_free. */
char *root_at (Context *c, guint64 size);
/* SHA-256 of an entry in hex; NULL (and @error) where it is missing or damaged. g_free. */
char *entry_sha256 (Context *c, const char *name, GError **error);
/* The first bytes of @entry from @offset, at most @max: how many. */
gsize entry_peek (Context *c, const AsiceEntry *entry, guint64 offset, void *out, gsize max);
/* What ceremony-media prints when it carries out @job on @entry, a video: media_job, all or nothing. */
GBytes *media_read (Context *c, const AsiceEntry *entry, const char *const *job, GError **error);
/* A copy of @text without control characters, marks of direction or bytes that aren't UTF-8, at most @max bytes. g_free. */
char *printable (const char *text, gsize max);

/* verify.c: what runs a table of checks. An outcome is begun, the check run, and the outcome ended with its result; at the end all are weighed. */
CheckOutcome *outcome_begin (Context *c, const CheckInfo *info);
void outcome_end (Context *c, CheckResult result);
void verdict_decide (Context *c);
Verdict *verdict_new (const char *name);
void context_clear (Context *c);

/* challenge.c: the witness's 32 bytes, where they are disclosed; NULL. Whether it is too early for that; and the end of a check that must wait for them. */
GBytes *witness_secret (Context *c);
gboolean before_disclosure (const Context *c);
CheckResult not_disclosed (Context *c);

/* rule.c: what the policies in force ask. The bundle's own counts only where an order's signer, who is trusted, or a rehearsal brought it. */
void rule_make (Context *c);
gboolean rule_algorithm (const Context *c, const char *algorithm);
PolicyLevel rule_level (const Context *c, const char *check_id);

#define CHECKS(X) \
    X (container_structure) X (container_documents) X (container_manifests) X (script_readable) \
    X (signature_chain) X (signature_appliance) X (signature_witness) X (signature_reviewer) \
    X (order_signature) X (order_trust) X (order_matches) X (appliance_note_key) \
    X (journal_canonical) X (journal_types) X (journal_sequence) X (journal_clock) X (journal_checkpoints) X (journal_cosignatures) \
    X (evidence_consistent) X (sequence_close) X (outcome_completed) X (rehearsal) X (host_program) X (clock_ntp) \
    X (script_followed) X (people_entries) X (consent_given) X (contract_agreed) X (attachments) X (attachments_cloud) \
    X (challenge_opening) X (challenge_commitment) X (challenge_computed) X (sequence_generation) \
    X (key_id) X (key_unique) X (key_match) X (key_algorithm) X (key_request) X (key_attributes) X (key_possession) X (key_uses) X (key_quality) \
    X (key_recovered) X (device_consistent) X (device_sole) X (presence_unplug) X (attestation_credential) X (attestation) X (key_history) X (module_suitable) \
    X (service_signature) X (service_trust) X (service_declaration) X (service_module) \
    X (timestamps) X (statement_consistent) X (statement_opinion) X (witness_key_place) X (interruptions) X (deviations) \
    X (camera_real) X (tracks_files) X (tracks_chunks) X (tracks_container) X (tracks_drops) X (tracks_clock) X (tracks_cover) X (camera_live) X (sound_live) X (pictures_codes) \
    X (recording_read) X (recording_codes) X (recording_order) X (recording_pace) X (recording_cover)
#define CHECK_DECLARE(name) CheckResult check_##name (Context *c);
CHECKS (CHECK_DECLARE)
#undef CHECK_DECLARE
