/* The tie between a TPM's attestation key and its endorsement key: TPM2_MakeCredential in software, on the witness's machine, and what a ceremony needs around it.
 * A credential is a secret sealed to an endorsement key and to the *name* of an attestation key; a TPM opens it (TPM2_ActivateCredential) only where both keys live in it.
 * The secret follows from the witness's own one, to which the order commits, and from what it is sealed to: so whoever has another credential opened learns nothing of
 * this one, and verify computes it again once the witness has disclosed theirs. TCG TPM 2.0 library part 1, 24 and B.10.3, C.6.3; part 3, 12.5 and 12.6. */
#pragma once
#include <glib.h>
#include <jansson.h>
#include <openssl/evp.h>
#include "ceremony/attest/attest.h"

#define CREDENTIAL_SECRET_LEN 32
#define CREDENTIAL_MAX_LEN 2048
#define CREDENTIAL_REQUEST_MAX_LEN (64 * 1024)

/* What the appliance hands to the witness: which attestation key, in the TPM of which endorsement certificate, in which ceremony. */
typedef struct {
    char     *ceremony;
    GBytes   *ek_certificate;                   /* DER */
    EVP_PKEY *ek;
    guint8    ek_spki_sha256[32];
    GBytes   *ak_public, *ak_name;              /* TPM2B_PUBLIC or TPMT_PUBLIC; as TPM2B_NAME holds it */
    gboolean  ak_fit;                           /* restricted, made inside, can't leave: what a TPM may be believed with */
} CredentialRequest;
/* Reads certificate and public area. Errors: BASE_ERROR_FORMAT. */
CredentialRequest *credential_request_new (const char *ceremony, GBytes *ek_certificate, GBytes *ak_public, GError **error);
/* {"format":"ceremony/credential-request/v1",…} (docs/formats.md); hostile. Errors: BASE_ERROR_FORMAT, BASE_ERROR_LIMIT. */
CredentialRequest *credential_request_parse (const void *data, gsize len, GError **error);
json_t            *credential_request_json (const CredentialRequest *self);     /* new reference */
void               credential_request_free (CredentialRequest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CredentialRequest, credential_request_free)

/* HMAC-SHA-256 under the witness's @secret over "ceremony/credential/v1\n" ‖ ceremony ‖ "\n" ‖ hex of @ek_spki_sha256 ‖ "\n" ‖ hex of @ak_name ‖ "\n". */
void credential_secret (const guint8 secret[32], const char *ceremony, const guint8 ek_spki_sha256[32], GBytes *ak_name, guint8 out[CREDENTIAL_SECRET_LEN]);
/* TPM2_MakeCredential for an endorsement key by the TCG's default templates (RSA 2048 or P-256, SHA-256, AES-128 in CFB): the file that tpm2_makecredential writes, which
 * tpm2_activatecredential reads too. Errors: BASE_ERROR_FORMAT for another kind of key, BASE_ERROR_FAILED. */
GBytes  *credential_make (EVP_PKEY *ek, GBytes *ak_name, const guint8 secret[CREDENTIAL_SECRET_LEN], GError **error);
/* The two structures of such a file, each with its size before it: TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET. Errors: BASE_ERROR_FORMAT. */
gboolean credential_read (GBytes *file, GBytes **id_object, GBytes **encrypted_secret, GError **error);
/* Whether @certificate (DER) leads to a TPM maker's key among @anchors (use tpm2-ek), through those of @others (AttestInput; may be NULL). FALSE: @why (g_free). */
gboolean credential_ek_trusted (GBytes *certificate, GPtrArray *others, const AttestAnchors *anchors, char **why);
