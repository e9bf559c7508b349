/* The verdict on a bundle: every check of one table, each with its result and reason. Bundles are hostile input; video is decoded only in ceremony-media's sandbox. */
#pragma once
#include "ceremony/bundle/asice.h"
#include "ceremony/bundle/order.h"
#include "ceremony/bundle/seen.h"
#include "ceremony/bundle/trust.h"
#include "ceremony/journal/journal.h"

typedef enum { CHECK_PASS, CHECK_WARN, CHECK_FAIL, CHECK_SKIPPED } CheckResult;
typedef enum { VERDICT_ACCEPT, VERDICT_REFUSE, VERDICT_UNREADABLE, VERDICT_REVIEW } VerdictKind;   /* exit statuses 0 … 3 */

typedef struct {
    const char *id, *family, *meaning, *clause;     /* from the table */
    CheckResult result;
    gboolean    ignored;                            /* it warned or failed, and the policy passes over that */
    char       *reason;
    GArray     *events;                             /* guint64 seq, may be empty */
    gint64      video_ms;                           /* -1: none */
    gboolean    fixed;                              /* this result stands whatever a policy says */
} CheckOutcome;

typedef struct {
    char       *bundle;                             /* path as given */
    VerdictKind kind;
    gboolean    rehearsal, genuine;                 /* genuine: nothing fails but that it is a rehearsal */
    GPtrArray  *outcomes;                           /* CheckOutcome, in the table's order */
    json_t     *key, *device;                       /* as design: {"algorithm","spki_sha256"}, {"vendor","model","serial","firmware"}; may be NULL */
    json_t     *summary;                            /* ceremony, subscriber, started, closed, sittings, opinion … for text and report */
    json_t     *clip;                               /* of a clip: what it shows and what it doesn't (docs/formats.md); NULL for a bundle */
} Verdict;

typedef enum { VERIFY_EVIDENCE_ONLY = 1, VERIFY_NO_VIDEO = 2, VERIFY_STOP_AT_FAIL = 4, VERIFY_CLIP = 8 } VerifyFlags;
/* EVIDENCE_ONLY: for seal, which verifies before the witness has signed. NO_VIDEO: pictures aren't decoded (their check is skipped, so never an accept).
 * CLIP: a clip is what is expected: without it a clip never gives an accept, so that none is taken for a bundle. */
typedef struct {
    const Trust  *trust;                            /* NULL: nobody is trusted */
    const Policy *policy;                           /* the reviewer's, beside the bundle's own; may be NULL */
    const char   *vendors_path, *modules_path;      /* YAML; NULL: none */
    const char   *vendors_dir;                      /* trust/vendor: a CA's additions to vendors_path; may be NULL or missing */
    const char *const *blocklists;                  /* lists of weak and compromised keys, files or folders (keycheck.h), NULL-terminated; may be NULL */
    GBytes       *checkpoint;                       /* the final checkpoint's note as the reviewer knows it from elsewhere, to judge a clip by; may be NULL */
    const char *const *recordings;                  /* of the call: paths of videos; NULL-terminated, may be NULL */
    const char *const *seen;                        /* what `ceremony watch` wrote, beside what the bundle holds of it; likewise */
    VerifyFlags   flags;
} VerifyOptions;

/* Never fails: a file that can't be read as a bundle gives VERDICT_UNREADABLE with one failed check that says why. */
Verdict *verify_bundle (const char *path, const VerifyOptions *options);
Verdict *verify_asice (Asice *asice, const char *name, const VerifyOptions *options);
/* The same for clips (bundle/clip.h); verify_bundle recognises them. */
Verdict *verify_clip (const char *path, const VerifyOptions *options);
Verdict *verify_clip_bytes (GBytes *bytes, const char *name, const VerifyOptions *options);     /* for tests and fuzzing */
void     verdict_free (Verdict *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Verdict, verdict_free)
json_t  *verdict_json (const Verdict *self);        /* stable names: design section 7; new reference */

typedef struct { const char *id, *family, *meaning, *clause; } CheckInfo;
const CheckInfo *verify_checks (gsize *n);          /* for docs and `ceremony verify --checks` */
const CheckInfo *verify_clip_checks (gsize *n);

/* Reads the QR codes off a recording in any container and codec that ceremony-media decodes, with the file's SHA-256 and length. @keys: GBytes of 32, Ed25519 keys of
 * appliances to check signatures by; may be NULL. BASE_ERROR_MISSING (no such file, or no ceremony-media), BASE_ERROR_FAILED with the scanner's reason. */
Seen *seen_of_recording (const char *path, GPtrArray *keys, GError **error);
