/* The TPM behind tpm2-pkcs11 asked directly, for what no PKCS#11 call gives: its certification of a key of the module's (TPM2_Certify), with the ceremony's challenge
 * inside what it signs. The key is loaded once more from the blobs that the module shows, with the authorisation that the PIN unwraps. */
#include <string.h>
#include <openssl/crypto.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
#include "ceremony/token/tpm-internal.h"
#include "ceremony/token/tpm-store.h"

/* tpm2-pkcs11's own attributes (src/lib/attrs.h of 1.9). */
#define CKA_TPM2_OBJAUTH_ENC 0x8F000001UL
#define CKA_TPM2_PUB_BLOB 0x8F000002UL
#define CKA_TPM2_PRIV_BLOB 0x8F000003UL
/* TCG EK credential profile 2.2.1.4: certificates of the RSA 2048 and the P-256 endorsement key. */
static const TPM2_HANDLE EK_CERTIFICATES[] = { 0x01c00002, 0x01c0000a };
#define NV_PIECE 512
#define EK_CERTIFICATE_MAX 8192

gboolean
token_module_is_tpm (const json_t *module)
{
    static const char *const fields[] = { "path", "description", "manufacturer" };
    const json_t *libraries = json_object_get (module, "libraries"), *library;
    gsize i;
    for (gsize k = 0; k < G_N_ELEMENTS (fields); k++) {
        const char *text = json_string_value (json_object_get (module, fields[k]));
        if (text && (strstr (text, "tpm2_pkcs11") || strstr (text, "TPM2.0 Cryptoki") || strstr (text, "tpm2-software")))
            return TRUE;
    }
    json_array_foreach (libraries, i, library) {
        const char *path = json_string_value (json_object_get (library, "path"));
        if (path && (strstr (path, "libtss2-") || strstr (path, "tpm2_pkcs11")))
            return TRUE;
    }
    return FALSE;
}

gboolean
tpm_fail (GError **error, TSS2_RC rc, const char *what)
{
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "%s: the TPM answers %s (0x%x)", what, Tss2_RC_Decode (rc), rc);
    return FALSE;
}

void
tpm_clear (Tpm *self)
{
    ESYS_TR transient[] = { self->seal, self->key, self->ak_transient ? self->ak : ESYS_TR_NONE, self->ek };
    for (gsize i = 0; self->esys && i < G_N_ELEMENTS (transient); i++)
        if (transient[i] != ESYS_TR_NONE)
            Esys_FlushContext (self->esys, transient[i]);
    if (self->esys)
        Esys_Finalize (&self->esys);
    if (self->tcti)
        Tss2_TctiLdr_Finalize (&self->tcti);
}

gboolean
tpm_open (Tpm *self, GError **error)
{
    const char *tcti = g_getenv ("TPM2_PKCS11_TCTI");
    self->parent = self->seal = self->key = self->ak = self->ek = ESYS_TR_NONE;
    TSS2_RC rc = Tss2_TctiLdr_Initialize (tcti && *tcti ? tcti : NULL, &self->tcti);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_Initialize (&self->esys, self->tcti, NULL);
    return rc == TSS2_RC_SUCCESS || tpm_fail (error, rc, "reaching the TPM that the module uses (TPM2_PKCS11_TCTI)");
}

static void
set_auth (Tpm *self, ESYS_TR object, const Secret *auth)
{
    TPM2B_AUTH value = { .size = (guint16) MIN (secret_len (auth), sizeof value.buffer) };
    memcpy (value.buffer, secret_data (auth), value.size);
    Esys_TR_SetAuth (self->esys, object, &value);
    OPENSSL_cleanse (&value, sizeof value);
}

static gboolean
load (Tpm *self, GBytes *public, GBytes *private, const Secret *auth, const char *what, ESYS_TR *object, GError **error)
{
    TPM2B_PUBLIC pub = { 0 };
    TPM2B_PRIVATE priv = { 0 };
    size_t at = 0, from = 0;
    TSS2_RC rc = Tss2_MU_TPM2B_PUBLIC_Unmarshal (g_bytes_get_data (public, NULL), g_bytes_get_size (public), &at, &pub);
    if (rc == TSS2_RC_SUCCESS)
        rc = Tss2_MU_TPM2B_PRIVATE_Unmarshal (g_bytes_get_data (private, NULL), g_bytes_get_size (private), &from, &priv);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_Load (self->esys, self->parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &priv, &pub, object);
    if (rc != TSS2_RC_SUCCESS) {
        *object = ESYS_TR_NONE;
        return tpm_fail (error, rc, what);
    }
    set_auth (self, *object, auth);
    return TRUE;
}

/* An HMAC session salted to the parent, with which the TPM encrypts its answer: the wrapping key doesn't cross the bus in the clear. */
static TSS2_RC
sealed_session (Tpm *self, ESYS_TR *session)
{
    TPMT_SYM_DEF aes = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB };
    TPMA_SESSION flags = TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION;
    TSS2_RC rc = Esys_StartAuthSession (self->esys, self->parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_HMAC, &aes, TPM2_ALG_SHA256, session);
    return rc == TSS2_RC_SUCCESS ? Esys_TRSess_SetAttributes (self->esys, *session, flags, 0xff) : rc;
}

/* The wrapping key, which the TPM gives out for the PIN. */
static Secret *
unseal (Tpm *self, const TpmStore *store, const Secret *pin, GError **error)
{
    g_autoptr(Secret) auth = tpm_store_seal_auth (store, pin);
    TPM2B_SENSITIVE_DATA *data = NULL;
    ESYS_TR session = ESYS_TR_NONE;
    Secret *key = NULL;
    if (!load (self, store->seal_public, store->seal_private, auth, "loading the object that the PIN opens", &self->seal, error))
        return NULL;
    TSS2_RC rc = sealed_session (self, &session);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_Unseal (self->esys, self->seal, session, ESYS_TR_NONE, ESYS_TR_NONE, &data);
    if (session != ESYS_TR_NONE)
        Esys_FlushContext (self->esys, session);
    Esys_FlushContext (self->esys, self->seal);     /* a TPM without a resource manager has room for three objects, and the module has some */
    self->seal = ESYS_TR_NONE;
    if (rc == TSS2_RC_SUCCESS && data->size <= SECRET_MAX) {
        key = secret_new ();
        secret_set (key, data->buffer, data->size);
    } else if ((rc & 0x3f) == (TPM2_RC_AUTH_FAIL & 0x3f) && (rc & TPM2_RC_FMT1)) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_PIN_WRONG, "the PIN is wrong; the TPM counts wrong tries");
    } else {
        tpm_fail (error, rc, "asking the TPM for what the PIN opens");
    }
    if (data)
        OPENSSL_cleanse (data, sizeof *data);
    Esys_Free (data);
    return key;
}

static gboolean
load_key (Tpm *self, TokenKey *key, const TpmStore *store, const Secret *pin, GBytes *public, GError **error)
{
    CK_RV rv;
    g_autoptr(GBytes) private = attribute_read (key->token, key->private_key, CKA_TPM2_PRIV_BLOB, &rv), wrapped = NULL;
    g_autoptr(Secret) wrapping = NULL, auth = NULL;
    if (private)
        wrapped = attribute_read (key->token, key->private_key, CKA_TPM2_OBJAUTH_ENC, &rv);
    if (!wrapped)
        return ckr_fail (error, rv, "reading the key's blobs from the module");
    if (Esys_TR_FromTPMPublic (self->esys, store->parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &self->parent) != TSS2_RC_SUCCESS) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "the parent of the module's keys isn't at 0x%08x in this TPM: the store belongs to another TPM", store->parent);
        return FALSE;
    }
    set_auth (self, self->parent, store->parent_auth);
    if (!(wrapping = unseal (self, store, pin, error)) || !(auth = tpm_store_unwrap (wrapped, wrapping, error)))
        return FALSE;
    return load (self, public, private, auth, "loading the key into the TPM once more", &self->key, error);
}

/* docs/formats.md, "Attestation by a TPM": P-256, ECDSA with SHA-256, restricted, in the endorsement hierarchy. */
static const TPM2B_PUBLIC AK_TEMPLATE = { .publicArea = {
    .type = TPM2_ALG_ECC, .nameAlg = TPM2_ALG_SHA256,
    .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_RESTRICTED |
                        TPMA_OBJECT_SIGN_ENCRYPT,
    .parameters.eccDetail = { .symmetric.algorithm = TPM2_ALG_NULL, .scheme = { .scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256 },
                              .curveID = TPM2_ECC_NIST_P256, .kdf.scheme = TPM2_ALG_NULL },
} };

gboolean
tpm_load_ak (Tpm *self, guint32 handle, GError **error)
{
    const TPM2B_SENSITIVE_CREATE nothing = { 0 };
    const TPM2B_DATA outside = { 0 };
    const TPML_PCR_SELECTION pcrs = { 0 };
    TPM2B_PUBLIC *public = NULL;
    TPM2B_CREATION_DATA *data = NULL;
    TPM2B_DIGEST *hash = NULL;
    TPMT_TK_CREATION *ticket = NULL;
    TSS2_RC rc;
    if (handle != 0) {
        rc = Esys_TR_FromTPMPublic (self->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &self->ak);
        return rc == TSS2_RC_SUCCESS || tpm_fail (error, rc, "finding the attestation key that the script names");
    }
    rc = Esys_CreatePrimary (self->esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &nothing, &AK_TEMPLATE, &outside, &pcrs, &self->ak, &public,
                             &data, &hash, &ticket);
    self->ak_transient = rc == TSS2_RC_SUCCESS;
    Esys_Free (public);
    Esys_Free (data);
    Esys_Free (hash);
    Esys_Free (ticket);
    return rc == TSS2_RC_SUCCESS || tpm_fail (error, rc, "making the attestation key (its hierarchy may have a password: then name a persistent key in the script)");
}

static void
add_file (GPtrArray *files, const char *name, const void *data, gsize len)
{
    TokenFile *file = g_new0 (TokenFile, 1);
    file->name = g_strdup (name);
    file->bytes = g_bytes_new (data, len);
    g_ptr_array_add (files, file);
}

gboolean
tpm_add_public (Tpm *self, ESYS_TR object, const char *name, GPtrArray *files, GError **error)
{
    guint8 buffer[sizeof (TPM2B_PUBLIC)];
    size_t len = 0;
    TPM2B_PUBLIC *public = NULL;
    TPM2B_NAME *object_name = NULL, *qualified = NULL;
    TSS2_RC rc = Esys_ReadPublic (self->esys, object, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, &object_name, &qualified);
    if (rc == TSS2_RC_SUCCESS)
        rc = Tss2_MU_TPM2B_PUBLIC_Marshal (public, buffer, sizeof buffer, &len);
    if (rc == TSS2_RC_SUCCESS)
        add_file (files, name, buffer, len);
    Esys_Free (public);
    Esys_Free (object_name);
    Esys_Free (qualified);
    return rc == TSS2_RC_SUCCESS || tpm_fail (error, rc, "reading a public area");
}

static gboolean
certify (Tpm *self, GBytes *qualifying, GPtrArray *files, GError **error)
{
    const TPMT_SIG_SCHEME scheme = { .scheme = TPM2_ALG_NULL };
    TPM2B_DATA extra = { .size = (guint16) MIN (g_bytes_get_size (qualifying), sizeof extra.buffer) };
    TPM2B_ATTEST *attest = NULL;
    TPMT_SIGNATURE *signature = NULL;
    guint8 buffer[sizeof (TPMT_SIGNATURE)];
    size_t len = 0;
    memcpy (extra.buffer, g_bytes_get_data (qualifying, NULL), extra.size);
    TSS2_RC rc = Esys_Certify (self->esys, self->key, self->ak, ESYS_TR_PASSWORD, ESYS_TR_PASSWORD, ESYS_TR_NONE, &extra, &scheme, &attest, &signature);
    if (rc == TSS2_RC_SUCCESS)
        rc = Tss2_MU_TPMT_SIGNATURE_Marshal (signature, buffer, sizeof buffer, &len);
    if (rc == TSS2_RC_SUCCESS) {
        add_file (files, "tpm-certify.bin", attest->attestationData, attest->size);
        add_file (files, "tpm-certify.sig", buffer, len);
    }
    Esys_Free (attest);
    Esys_Free (signature);
    return rc == TSS2_RC_SUCCESS || tpm_fail (error, rc, "having the TPM certify the key");
}

static TSS2_RC
read_piece (Tpm *self, ESYS_TR index, gsize left, guint16 offset, GByteArray *all)
{
    TPM2B_MAX_NV_BUFFER *piece = NULL;
    TSS2_RC rc = Esys_NV_Read (self->esys, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, (guint16) MIN (left, NV_PIECE), offset, &piece);
    if (rc == TSS2_RC_SUCCESS)
        g_byte_array_append (all, piece->buffer, piece->size);
    Esys_Free (piece);
    return rc;
}

/* The maker's certificate of this TPM, where it has one. That it can't be read is no fault: what is missing will be said by who judges. */
static void
add_ek_certificate (Tpm *self, TPM2_HANDLE handle, GPtrArray *files)
{
    g_autoptr(GByteArray) all = g_byte_array_new ();
    TPM2B_NV_PUBLIC *public = NULL;
    TPM2B_NAME *name = NULL;
    ESYS_TR index = ESYS_TR_NONE;
    if (Esys_TR_FromTPMPublic (self->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &index) != TSS2_RC_SUCCESS)
        return;
    gsize size = Esys_NV_ReadPublic (self->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, &name) == TSS2_RC_SUCCESS ? public->nvPublic.dataSize : 0;
    Esys_Free (public);
    Esys_Free (name);
    while (size <= EK_CERTIFICATE_MAX && all->len < size) {
        guint before = all->len;
        if (read_piece (self, index, size - all->len, (guint16) all->len, all) != TSS2_RC_SUCCESS || all->len == before)
            return;
    }
    const unsigned char *p = all->data;
    X509 *x = all->len ? d2i_X509 (NULL, &p, (long) all->len) : NULL;   /* the index may be larger than the certificate in it */
    if (x)
        add_file (files, handle == EK_CERTIFICATES[0] ? "tpm-ek.der" : "tpm-ek-ec.der", all->data, (gsize) (p - all->data));
    X509_free (x);
}

void
tpm_add_ek_certificates (Tpm *self, GPtrArray *files)
{
    for (gsize i = 0; i < G_N_ELEMENTS (EK_CERTIFICATES); i++)
        add_ek_certificate (self, EK_CERTIFICATES[i], files);
}

static gboolean
ask_tpm (Tpm *self, TokenKey *key, const TpmStore *store, const Secret *pin, GBytes *qualifying, guint32 ak_handle, GPtrArray *files, GError **error)
{
    CK_RV rv;
    g_autoptr(GBytes) public = attribute_read (key->token, key->private_key, CKA_TPM2_PUB_BLOB, &rv);
    if (!public)
        return ckr_fail (error, rv, "reading the key's public blob from the module");
    if (!tpm_open (self, error) || !load_key (self, key, store, pin, public, error) || !tpm_load_ak (self, ak_handle, error) || !certify (self, qualifying, files, error) ||
        !tpm_add_public (self, self->key, "tpm-key.pub", files, error) || !tpm_add_public (self, self->ak, "tpm-ak.pub", files, error))
        return FALSE;
    tpm_add_ek_certificates (self, files);
    return TRUE;
}

gboolean
token_key_tpm_certify (TokenKey *self, const Secret *pin, GBytes *qualifying, guint32 ak_handle, GPtrArray *files, GError **error)
{
    g_autofree char *label = padded_text (self->token->info.label, sizeof self->token->info.label);
    g_autoptr(TpmStore) store = NULL;
    g_auto(Tpm) tpm = { 0 };
    /* A new login proves the PIN by the module's own way, and has the module take its objects out of the TPM, which has room for three. */
    if (!token_login (self->token, pin, FALSE, error))
        return FALSE;
    store = token_key_ready (self, error) ? tpm_store_read (label, error) : NULL;
    if (store && ask_tpm (&tpm, self, store, pin, qualifying, ak_handle, files, error))
        return TRUE;
    g_prefix_error (error, "the TPM's certification of the key: ");
    return FALSE;
}
