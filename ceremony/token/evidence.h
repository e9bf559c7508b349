/* What a token can be made to hand over as evidence of where a key was born: certificate objects (as a YubiKey's module shows its attestations), and, where a TPM
 * stands behind the module, the TPM's own certification of the key. Nothing here is judged: that is attest/'s. */
#pragma once
#include "ceremony/token/token.h"

typedef struct {
    char   *name;                           /* a plain file name, as "tpm-certify.bin" */
    GBytes *bytes;
} TokenFile;
/* A GPtrArray of TokenFile that frees them. */
GPtrArray *token_files_new (void);

/* Certificates on the token that concern the key: those with its public key, and their issuers by name, as far as the token holds them. Added to @files as
 * "token-N.der". Not one is fine. Errors: a token that is gone. */
gboolean token_key_certificates (TokenKey *self, GPtrArray *files, GError **error);

/* A module (the "module" object of token.found) that keeps its keys' attributes as text in the operator's own files, as tpm2-pkcs11 does in its SQLite store: what
 * it says of a key is then nobody's word but the operator's, and the TPM must be asked itself. */
gboolean token_module_is_tpm (const json_t *module);

/* Has the TPM behind tpm2-pkcs11 certify the key (TPM2_Certify, TPM 2.0 part 3, 18.2) with @qualifying (at most 64 bytes) as qualifying data. The attestation key is
 * the persistent object @ak_handle, or with 0 the primary key of the endorsement hierarchy that docs/formats.md describes: the same one each time in the same TPM.
 * Logs in anew with @pin, which also unwraps the key's own authorisation from the module's store. Adds to @files tpm-certify.bin, tpm-certify.sig, tpm-key.pub, tpm-ak.pub, and tpm-ek.der where
 * the TPM has an endorsement certificate. Errors: those of token_login, TOKEN_ERROR_FAILED with the TPM's answer. */
gboolean token_key_tpm_certify (TokenKey *self, const Secret *pin, GBytes *qualifying, guint32 ak_handle, GPtrArray *files, GError **error);

/* What a witness needs to make a credential for the TPM behind the token's module (TPM2_MakeCredential): adds to @files tpm-ak.pub of the attestation key (@ak_handle as
 * above) and tpm-ek.der, tpm-ek-ec.der, as far as the TPM holds endorsement certificates. Needs no PIN. Errors: TOKEN_ERROR_FAILED with the TPM's answer. */
gboolean token_tpm_identity (guint32 ak_handle, GPtrArray *files, GError **error);
/* TPM2_ActivateCredential (part 3, 12.5): the TPM opens @id_object and @encrypted_secret (TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET) only where the attestation key and the
 * endorsement key of the certificate @ek_certificate (DER) both live in it. Gives the secret. Errors: BASE_ERROR_REFUSED where it is no credential for these keys (the TPM
 * answers so), TOKEN_ERROR_FAILED. */
GBytes  *token_tpm_activate (guint32 ak_handle, GBytes *ek_certificate, GBytes *id_object, GBytes *encrypted_secret, GError **error);
