/* Vendor key attestations: is there evidence, signed under a manufacturer's key, that a key was generated in a device and can't
 * leave it (CSBR 6.2.7.4.2 method 2)? Files of any kind in any order go in; one common result comes out. Each vendor is a file
 * beside this header and a row of one table. The evidence is hostile input: it is parsed under bounds, and nothing in it is
 * trusted for being there; only the anchors are, and they are pinned by key (vendors.yaml). */
#pragma once
#include <glib.h>
#include <jansson.h>

#define ATTEST_MAX_INPUTS 64
#define ATTEST_MAX_INPUT_LEN (1024 * 1024)

typedef struct {
    char   *name;                               /* file name as the user gave it, for messages */
    GBytes *bytes;
} AttestInput;
AttestInput *attest_input_new (const char *name, GBytes *bytes);   /* copies the name, takes a reference */
void         attest_input_free (AttestInput *self);
/* A GPtrArray of AttestInput that frees them. */
GPtrArray   *attest_inputs_new (void);

/* The manufacturers' keys that are believed: rows of vendors.yaml, each a name, an SPKI and what it may vouch for. */
typedef struct AttestAnchors AttestAnchors;
/* Reads @len bytes of YAML. Errors: BASE_ERROR_FORMAT, BASE_ERROR_LIMIT, naming the row. */
AttestAnchors *attest_anchors_parse (const void *data, gsize len, GError **error);
AttestAnchors *attest_anchors_load (const char *path, GError **error);
/* The rows and rules of @path, and of each NAME.yaml in @folder beside them (trust/vendor; may be NULL or missing): a CA's own additions. */
AttestAnchors *attest_anchors_load_with (const char *path, const char *folder, GError **error);
/* The vendors.yaml that comes with the program: $CEREMONY_VENDORS, scripts/ beside the program's source, or the installed one. g_free. */
char          *attest_anchors_default_path (void);
/* Certificates are judged as of @ms (milliseconds since 1970) instead of now: for old bundles. */
void           attest_anchors_set_time (AttestAnchors *self, gint64 ms);
/* The caller has itself seen TPM2_ActivateCredential return its secret: the attestation key of TPM name @ak_name (algorithm and
 * digest, as TPM2B_NAME holds it) lives in the TPM whose endorsement key has the SPKI digest @ek_spki_sha256 (32 bytes). */
void           attest_anchors_add_activation (AttestAnchors *self, GBytes *ak_name, const guint8 *ek_spki_sha256);
void           attest_anchors_free (AttestAnchors *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AttestAnchors, attest_anchors_free)

typedef enum { ATTEST_ORIGIN_UNKNOWN, ATTEST_ORIGIN_GENERATED, ATTEST_ORIGIN_IMPORTED } AttestOrigin;
typedef enum { ATTEST_NULL = -1, ATTEST_FALSE = 0, ATTEST_TRUE = 1 } AttestTri;

typedef struct {
    gboolean     genuine;                       /* the verdict: genuine or refused */
    gboolean     authentic;                     /* signatures lead to an anchor: what is said below is the manufacturer's word */
    char        *reason;                        /* one sentence; for a refusal the first thing that is wrong */
    const char  *vendor;                        /* "Yubico", …; NULL where no vendor's evidence was found */
    const char  *kind;                          /* "yubikey-piv", "yubihsm2", "luna", "marvell", "securosys", "tpm2"; NULL */
    char        *model, *serial, *firmware;     /* NULL where the evidence doesn't say */
    AttestOrigin origin;
    AttestTri    exportable;
    GBytes      *spki;                          /* DER of the attested key; NULL where none */
    AttestTri    matches_csr;                   /* NULL only where there is no CSR */
    AttestTri    challenge;                     /* the challenge's digest is in the evidence; NULL: none asked, or the device can't carry one */
    json_t      *details;                       /* vendor's fields, chain, anomalies */
} AttestResult;
void attest_result_free (AttestResult *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AttestResult, attest_result_free)

/* Judges @inputs (AttestInput). @csr: DER of the request whose key must be the attested one; may be NULL, and a CSR among @inputs
 * counts as one. @spki_sha256: 32 bytes, the attested key's SPKI must have this digest; may be NULL. @challenge: the ceremony's
 * challenge, looked for where a device lets the caller put bytes into its attestation; may be NULL. Refused evidence is a result
 * with its reason; errors (BASE_ERROR_FORMAT, BASE_ERROR_LIMIT) only where a file can't be read as anything. */
AttestResult *attest_verify (GPtrArray *inputs, GBytes *csr, const guint8 *spki_sha256, GBytes *challenge, const AttestAnchors *anchors,
                             GError **error);
/* The object of design section 7; new reference. Where nothing leads to an anchor, what the evidence claims stands under details.claimed. */
json_t *attest_result_json (const AttestResult *self);

/* What goes into a device's attestation for @challenge. YubiHSM 2: a label of 40 bytes, "ceremony" and 32 hex digits of SHA-256(challenge).
 * TPM: qualifying data, SHA-256(challenge), 32 bytes. */
char   *attest_challenge_label (GBytes *challenge);     /* g_free */
GBytes *attest_challenge_qualifying (GBytes *challenge);
