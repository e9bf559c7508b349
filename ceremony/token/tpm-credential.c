/* The TPM's part in a credential: it shows which keys it has, and opens what was sealed to them. TPM2_ActivateCredential, TPM 2.0 part 3, 12.5. */
#include <string.h>
#include <openssl/x509.h>
#include <tss2/tss2_mu.h>
#include "ceremony/token/tpm-internal.h"

/* TCG EK credential profile, B.3.3 and B.3.4: the default templates of the endorsement keys, which only a session that knows the hierarchy's authorisation may use. */
#define EK_POLICY { .size = 32, .buffer = { 0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, \
                                            0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa } }
#define EK_ATTRIBUTES (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | \
                       TPMA_OBJECT_DECRYPT)
#define EK_SYMMETRIC { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB }

static const TPM2B_PUBLIC RSA_TEMPLATE = { .publicArea = {
    .type = TPM2_ALG_RSA, .nameAlg = TPM2_ALG_SHA256, .objectAttributes = EK_ATTRIBUTES, .authPolicy = EK_POLICY,
    .parameters.rsaDetail = { .symmetric = EK_SYMMETRIC, .scheme.scheme = TPM2_ALG_NULL, .keyBits = 2048, .exponent = 0 }, .unique.rsa.size = 256,
} };
static const TPM2B_PUBLIC ECC_TEMPLATE = { .publicArea = {
    .type = TPM2_ALG_ECC, .nameAlg = TPM2_ALG_SHA256, .objectAttributes = EK_ATTRIBUTES, .authPolicy = EK_POLICY,
    .parameters.eccDetail = { .symmetric = EK_SYMMETRIC, .scheme.scheme = TPM2_ALG_NULL, .curveID = TPM2_ECC_NIST_P256, .kdf.scheme = TPM2_ALG_NULL },
    .unique.ecc = { .x.size = 32, .y.size = 32 },
} };

static gboolean
is_key_of (const TPM2B_PUBLIC *public, EVP_PKEY *key)
{
    const TPMT_PUBLIC *area = &public->publicArea;
    guint8 point[65];
    BIGNUM *n = NULL, *have = NULL;
    gsize len = 0;
    gboolean same;
    if (area->type == TPM2_ALG_RSA) {
        have = BN_bin2bn (area->unique.rsa.buffer, area->unique.rsa.size, NULL);
        same = EVP_PKEY_get_bn_param (key, "n", &n) == 1 && BN_cmp (n, have) == 0;
        BN_free (n);
        BN_free (have);
        return same;
    }
    return EVP_PKEY_get_octet_string_param (key, "pub", point, sizeof point, &len) == 1 && len == sizeof point && area->unique.ecc.x.size == 32 &&
           area->unique.ecc.y.size == 32 && memcmp (point + 1, area->unique.ecc.x.buffer, 32) == 0 && memcmp (point + 33, area->unique.ecc.y.buffer, 32) == 0;
}

/* The endorsement key is made anew from the TPM's seed: the same one each time, and it must be the certificate's. */
static gboolean
load_ek (Tpm *self, EVP_PKEY *certified, GError **error)
{
    const TPM2B_SENSITIVE_CREATE nothing = { 0 };
    const TPM2B_DATA outside = { 0 };
    const TPML_PCR_SELECTION pcrs = { 0 };
    const TPM2B_PUBLIC *template = EVP_PKEY_get_base_id (certified) == EVP_PKEY_RSA ? &RSA_TEMPLATE : &ECC_TEMPLATE;
    TPM2B_PUBLIC *public = NULL;
    TPM2B_CREATION_DATA *data = NULL;
    TPM2B_DIGEST *hash = NULL;
    TPMT_TK_CREATION *ticket = NULL;
    TSS2_RC rc = Esys_CreatePrimary (self->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &nothing, template, &outside, &pcrs, &self->ek, &public,
                                     &data, &hash, &ticket);
    gboolean same = rc == TSS2_RC_SUCCESS && is_key_of (public, certified);
    if (rc != TSS2_RC_SUCCESS)
        self->ek = ESYS_TR_NONE;
    Esys_Free (public);
    Esys_Free (data);
    Esys_Free (hash);
    Esys_Free (ticket);
    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail (error, rc, "making the endorsement key (its hierarchy may have a password)");
    if (!same)
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the endorsement certificate isn't of the key that this TPM makes by the default template: it is another TPM's, or "
                     "its maker used a template of their own; have the credential activated by the maker's tools, and pin the attestation key");
    return same;
}

/* The endorsement key may be used only by who satisfies PolicySecret of its hierarchy. */
static TSS2_RC
policy_session (Tpm *self, ESYS_TR *session)
{
    const TPMT_SYM_DEF none = { .algorithm = TPM2_ALG_NULL };
    TPM2B_TIMEOUT *timeout = NULL;
    TPMT_TK_AUTH *ticket = NULL;
    TSS2_RC rc = Esys_StartAuthSession (self->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_POLICY, &none, TPM2_ALG_SHA256, session);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_PolicySecret (self->esys, ESYS_TR_RH_ENDORSEMENT, *session, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL, 0, &timeout, &ticket);
    Esys_Free (timeout);
    Esys_Free (ticket);
    return rc;
}

/* What the TPM answers to a credential that isn't for these keys: a seed that doesn't decrypt (libtpms calls that a failure, and goes on), an HMAC that doesn't fit. */
static gboolean
is_not_for_us (TSS2_RC rc)
{
    static const TSS2_RC answers[] = { TPM2_RC_INTEGRITY, TPM2_RC_VALUE, TPM2_RC_SIZE, TPM2_RC_ECC_POINT, TPM2_RC_INSUFFICIENT };
    for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
        if ((rc & 0xff000000) == 0 && (rc & TPM2_RC_FMT1) && (rc & 0xbf) == (answers[i] & 0xbf))
            return TRUE;
    return rc == TPM2_RC_FAILURE;
}

static GBytes *
activate (Tpm *self, GBytes *id_object, GBytes *encrypted_secret, GError **error)
{
    TPM2B_ID_OBJECT id = { 0 };
    TPM2B_ENCRYPTED_SECRET shared = { 0 };
    TPM2B_DIGEST *secret = NULL;
    ESYS_TR session = ESYS_TR_NONE;
    size_t at = 0, from = 0;
    GBytes *bytes = NULL;
    TSS2_RC rc = Tss2_MU_TPM2B_ID_OBJECT_Unmarshal (g_bytes_get_data (id_object, NULL), g_bytes_get_size (id_object), &at, &id);
    if (rc == TSS2_RC_SUCCESS)
        rc = Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal (g_bytes_get_data (encrypted_secret, NULL), g_bytes_get_size (encrypted_secret), &from, &shared);
    if (rc == TSS2_RC_SUCCESS)
        rc = policy_session (self, &session);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_ActivateCredential (self->esys, self->ak, self->ek, ESYS_TR_PASSWORD, session, ESYS_TR_NONE, &id, &shared, &secret);
    if (rc == TSS2_RC_SUCCESS)
        bytes = g_bytes_new (secret->buffer, secret->size);
    if (session != ESYS_TR_NONE)
        Esys_FlushContext (self->esys, session);
    Esys_Free (secret);
    if (is_not_for_us (rc))
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the TPM doesn't open the credential (0x%x): it was made for another attestation key or another endorsement key, or was "
                     "altered; give the witness this ceremony's request, and take the file that comes back", rc);
    else if (rc != TSS2_RC_SUCCESS)
        tpm_fail (error, rc, "having the TPM open the credential");
    return bytes;
}

gboolean
token_tpm_identity (guint32 ak_handle, GPtrArray *files, GError **error)
{
    g_auto(Tpm) tpm = { 0 };
    if (!tpm_open (&tpm, error) || !tpm_load_ak (&tpm, ak_handle, error) || !tpm_add_public (&tpm, tpm.ak, "tpm-ak.pub", files, error))
        return FALSE;
    tpm_add_ek_certificates (&tpm, files);
    return TRUE;
}

GBytes *
token_tpm_activate (guint32 ak_handle, GBytes *ek_certificate, GBytes *id_object, GBytes *encrypted_secret, GError **error)
{
    g_auto(Tpm) tpm = { 0 };
    const unsigned char *p = g_bytes_get_data (ek_certificate, NULL);
    X509 *x = d2i_X509 (NULL, &p, (long) g_bytes_get_size (ek_certificate));
    EVP_PKEY *certified = x ? X509_get0_pubkey (x) : NULL;
    GBytes *secret = NULL;
    if (!certified)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "the endorsement certificate can't be read");
    else if (tpm_open (&tpm, error) && tpm_load_ak (&tpm, ak_handle, error) && load_ek (&tpm, certified, error))
        secret = activate (&tpm, id_object, encrypted_secret, error);
    X509_free (x);
    return secret;
}
