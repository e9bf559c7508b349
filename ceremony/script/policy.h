/* A policy: what a CA requires of a bundle, in YAML. The file that went into the order is the one that counts for the ceremony; the reviewer's
 * --policy may ask for more. */
#pragma once
#include <glib.h>

typedef enum { PRESENCE_UNPLUG, PRESENCE_CONSOLE, PRESENCE_NONE } PolicyPresence;
typedef enum { SEAL_NEVER, SEAL_TOKEN, SEAL_KEY_FILE } PolicySeal;      /* who may sign the statement inside `run` */
typedef enum { CHALLENGE_SECRET, CHALLENGE_WORDS } PolicyChallenge;     /* words: a local witness's dice are accepted too */
typedef enum { LEVEL_REQUIRE, LEVEL_WARN, LEVEL_IGNORE } PolicyLevel;   /* what a failed check does to the verdict */

typedef struct {
    char *title, *version;
    PolicyPresence presence;
    PolicySeal local_seal;
    PolicySeal local_countersignature;      /* who may countersign the request inside of `run` */
    PolicyChallenge challenge;
    char **algorithms;          /* NULL-terminated */
    gint64 qr_gap_ms;           /* longest time in a part without a new QR */
    gint64 liveness_ms;         /* longest time between challenge.given and liveness.shown */
    gint64 camera_still_ms;     /* a camera whose picture is the same for so long stands still */
    gint64 drops_per_mille;     /* dropped frames of those asked for */
    gint64 clock_drift_ms;
    gint64 recording_gap_ms;    /* longest time in a call's recording without a code of this journal */
    gint64 max_sittings;        /* 0: any */
    gboolean order_required, camera_required, audio_required, timestamp_required, attestation_required, sole_device, countersignature_required, recording_required;
    gboolean unknown_history_allowed;
    GHashTable *levels;         /* check id → GINT_TO_POINTER (PolicyLevel); not in it: LEVEL_REQUIRE */
    char sha256[65];
    GBytes *source;
} Policy;

Policy *policy_parse (const char *name, const void *data, gsize len, GError **error);  /* errors as script_parse */
Policy *policy_load (const char *path, GError **error);
void    policy_free (Policy *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Policy, policy_free)
PolicyLevel policy_level (const Policy *self, const char *check_id);
