/* TPM2_MakeCredential without a TPM; see credential.h. */
#include "ceremony/attest/credential.h"
#include "ceremony/attest/tpm-blob.h"
#include "ceremony/attest/vendor.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/rsa.h>
#include <string.h>

#define REQUEST_FORMAT "ceremony/credential-request/v1"
#define FILE_MAGIC 0xbadcc0de                   /* tpm2-tools, lib/files.c */
#define FILE_VERSION 1
#define AES_LEN 16
#define COORDINATE_LEN 32

/* ── the request ── */

void
credential_request_free (CredentialRequest *self)
{
    if (self == NULL)
        return;
    g_free (self->ceremony);
    g_clear_pointer (&self->ek_certificate, g_bytes_unref);
    g_clear_pointer (&self->ak_public, g_bytes_unref);
    g_clear_pointer (&self->ak_name, g_bytes_unref);
    EVP_PKEY_free (self->ek);
    g_free (self);
}

static gboolean
read_certificate (CredentialRequest *self, GError **error)
{
    gsize len;
    const guint8 *der = g_bytes_get_data (self->ek_certificate, &len), *p = der;
    X509 *x = d2i_X509 (NULL, &p, (long) len);
    guint8 *spki = NULL;
    int n = x && p == der + len ? i2d_X509_PUBKEY (X509_get_X509_PUBKEY (x), &spki) : -1;
    if (n > 0) {
        sha256 (spki, (gsize) n, self->ek_spki_sha256);
        self->ek = X509_get_pubkey (x);
    }
    OPENSSL_free (spki);
    X509_free (x);
    ERR_clear_error ();
    if (self->ek != NULL)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "the endorsement certificate can't be read: it isn't the DER of one certificate");
    return FALSE;
}

static gboolean
read_attestation_key (CredentialRequest *self, GError **error)
{
    static const guint32 all = TPM_FIXED_TPM | TPM_FIXED_PARENT | TPM_ORIGIN | TPM_RESTRICTED | TPM_SIGN;
    gsize len;
    const guint8 *data = g_bytes_get_data (self->ak_public, &len);
    TpmIn in = { data, len }, area;
    TpmPublic public;
    gboolean sized = tpm_take_sized (&in, &area) && in.n == 0;
    if (!(sized && tpm_public_read (area.p, area.n, &public)) && !tpm_public_read (data, len, &public)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "the attestation key's public area can't be read (TPM2B_PUBLIC)");
        return FALSE;
    }
    self->ak_name = g_bytes_ref (public.name);
    self->ak_fit = (public.attributes & (all | TPM_DECRYPT)) == all;
    tpm_public_clear (&public);
    return TRUE;
}

CredentialRequest *
credential_request_new (const char *ceremony, GBytes *ek_certificate, GBytes *ak_public, GError **error)
{
    g_autoptr (CredentialRequest) self = g_new0 (CredentialRequest, 1);
    self->ceremony = g_strdup (ceremony);
    self->ek_certificate = g_bytes_ref (ek_certificate);
    self->ak_public = g_bytes_ref (ak_public);
    return read_certificate (self, error) && read_attestation_key (self, error) ? g_steal_pointer (&self) : NULL;
}

static GBytes *
decode (const json_t *object, const char *key, GError **error)
{
    const char *text = cjson_str (object, key, error);
    GBytes *bytes = text ? base64_decode (text, -1, error) : NULL;
    if (text && !bytes)
        g_prefix_error (error, "%s: ", key);
    return bytes;
}

CredentialRequest *
credential_request_parse (const void *data, gsize len, GError **error)
{
    if (len > CREDENTIAL_REQUEST_MAX_LEN) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "larger than a request for a credential can be");
        return NULL;
    }
    g_autoptr (json_t) object = cjson_parse_loose (data, len, error);
    const char *format = object ? cjson_str (object, "format", error) : NULL;
    if (format && strcmp (format, REQUEST_FORMAT) != 0)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "its format is \"%s\", this program reads \"%s\"", format, REQUEST_FORMAT);
    if (format == NULL || strcmp (format, REQUEST_FORMAT) != 0)
        return NULL;
    const char *ceremony = cjson_str (object, "ceremony", error);
    g_autoptr (GBytes) ek = ceremony ? decode (object, "ek_certificate", error) : NULL, ak = ek ? decode (object, "ak_public", error) : NULL;
    if (ceremony && (strlen (ceremony) > 64 || ceremony[strspn (ceremony, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')) {
        g_clear_error (error);
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "\"ceremony\" isn't the id of a ceremony");
        return NULL;
    }
    return ak ? credential_request_new (ceremony, ek, ak, error) : NULL;
}

json_t *
credential_request_json (const CredentialRequest *self)
{
    g_autofree char *ek = base64_encode (g_bytes_get_data (self->ek_certificate, NULL), g_bytes_get_size (self->ek_certificate));
    g_autofree char *ak = base64_encode (g_bytes_get_data (self->ak_public, NULL), g_bytes_get_size (self->ak_public));
    return json_pack ("{s:s, s:s, s:s, s:s}", "format", REQUEST_FORMAT, "ceremony", self->ceremony, "ek_certificate", ek, "ak_public", ak);
}

/* ── the secret ── */

static void
hmac (const void *key, gsize key_len, const void *data, gsize len, guint8 out[SHA256_LEN])
{
    size_t n = 0;
    if (EVP_Q_mac (NULL, "HMAC", NULL, "SHA256", NULL, key, key_len, data, len, out, SHA256_LEN, &n) == NULL || n != SHA256_LEN)
        g_error ("HMAC-SHA-256 isn't to be had from OpenSSL");
}

void
credential_secret (const guint8 secret[32], const char *ceremony, const guint8 ek_spki_sha256[32], GBytes *ak_name, guint8 out[CREDENTIAL_SECRET_LEN])
{
    g_autofree char *ek = hex_encode (ek_spki_sha256, SHA256_LEN), *ak = hex_encode (g_bytes_get_data (ak_name, NULL), g_bytes_get_size (ak_name));
    g_autofree char *text = g_strdup_printf ("ceremony/credential/v1\n%s\n%s\n%s\n", ceremony, ek, ak);
    hmac (secret, 32, text, strlen (text), out);
}

/* ── making ── */

/* KDFa: SP 800-108 in counter mode with HMAC, as OpenSSL's KBKDF has it. */
static gboolean
kdfa (const guint8 seed[SHA256_LEN], const char *label, GBytes *context, guint8 *out, gsize len)
{
    EVP_KDF *kdf = EVP_KDF_fetch (NULL, "KBKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new (kdf) : NULL;
    OSSL_PARAM params[7], *p = params;
    *p++ = OSSL_PARAM_construct_utf8_string (OSSL_KDF_PARAM_MODE, (char *) "counter", 0);
    *p++ = OSSL_PARAM_construct_utf8_string (OSSL_KDF_PARAM_MAC, (char *) "HMAC", 0);
    *p++ = OSSL_PARAM_construct_utf8_string (OSSL_KDF_PARAM_DIGEST, (char *) "SHA256", 0);
    *p++ = OSSL_PARAM_construct_octet_string (OSSL_KDF_PARAM_KEY, (void *) seed, SHA256_LEN);
    *p++ = OSSL_PARAM_construct_octet_string (OSSL_KDF_PARAM_SALT, (void *) label, strlen (label));
    if (context)
        *p++ = OSSL_PARAM_construct_octet_string (OSSL_KDF_PARAM_INFO, (void *) g_bytes_get_data (context, NULL), g_bytes_get_size (context));
    *p = OSSL_PARAM_construct_end ();
    gboolean ok = ctx && EVP_KDF_derive (ctx, out, len, params) == 1;
    EVP_KDF_CTX_free (ctx);
    EVP_KDF_free (kdf);
    return ok;
}

static void
put_sized (GByteArray *out, const void *data, gsize len)
{
    guint8 size[2] = { (guint8) (len >> 8), (guint8) len };
    g_byte_array_append (out, size, 2);
    g_byte_array_append (out, data, (guint) len);
}

/* A fresh seed, and how it gets to the TPM: by RSA-OAEP with the label "IDENTITY" and its NUL. */
static gboolean
share_by_rsa (EVP_PKEY *ek, guint8 seed[SHA256_LEN], GByteArray *shared)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new (ek, NULL);
    guint8 out[512];
    size_t len = sizeof out;
    void *label = OPENSSL_memdup ("IDENTITY", 9);
    random_bytes (seed, SHA256_LEN);
    gboolean ok = ctx && EVP_PKEY_encrypt_init (ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding (ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
                  EVP_PKEY_CTX_set_rsa_oaep_md (ctx, EVP_sha256 ()) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md (ctx, EVP_sha256 ()) == 1 &&
                  EVP_PKEY_CTX_set0_rsa_oaep_label (ctx, label, 9) == 1;
    if (!ok)
        OPENSSL_free (label);
    ok = ok && EVP_PKEY_encrypt (ctx, out, &len, seed, SHA256_LEN) == 1;
    EVP_PKEY_CTX_free (ctx);
    if (ok)
        put_sized (shared, out, len);
    return ok;
}

/* KDFe: SP 800-56A's one-step derivation, as OpenSSL's SSKDF has it, over the x coordinate that both sides get. */
static gboolean
kdfe (const guint8 *z, const guint8 *ours, const guint8 *theirs, guint8 seed[SHA256_LEN])
{
    guint8 info[9 + 2 * COORDINATE_LEN];
    memcpy (info, "IDENTITY", 9);
    memcpy (info + 9, ours, COORDINATE_LEN);
    memcpy (info + 9 + COORDINATE_LEN, theirs, COORDINATE_LEN);
    EVP_KDF *kdf = EVP_KDF_fetch (NULL, "SSKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new (kdf) : NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string (OSSL_KDF_PARAM_DIGEST, (char *) "SHA256", 0), OSSL_PARAM_construct_octet_string (OSSL_KDF_PARAM_KEY, (void *) z, COORDINATE_LEN),
        OSSL_PARAM_construct_octet_string (OSSL_KDF_PARAM_INFO, info, sizeof info), OSSL_PARAM_construct_end (),
    };
    gboolean ok = ctx && EVP_KDF_derive (ctx, seed, SHA256_LEN, params) == 1;
    EVP_KDF_CTX_free (ctx);
    EVP_KDF_free (kdf);
    return ok;
}

static gboolean
point_of (EVP_PKEY *key, guint8 point[1 + 2 * COORDINATE_LEN])
{
    gsize len = 0;
    return EVP_PKEY_get_octet_string_param (key, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * COORDINATE_LEN, &len) == 1 && len == 1 + 2 * COORDINATE_LEN && point[0] == 4;
}

static gboolean
share_by_ec (EVP_PKEY *ek, guint8 seed[SHA256_LEN], GByteArray *shared)
{
    EVP_PKEY *ours = EVP_EC_gen ("P-256");
    EVP_PKEY_CTX *ctx = ours ? EVP_PKEY_CTX_new (ours, NULL) : NULL;
    guint8 z[COORDINATE_LEN], mine[1 + 2 * COORDINATE_LEN], theirs[1 + 2 * COORDINATE_LEN];
    size_t len = sizeof z;
    gboolean ok = ctx && point_of (ours, mine) && point_of (ek, theirs) && EVP_PKEY_derive_init (ctx) == 1 && EVP_PKEY_derive_set_peer (ctx, ek) == 1 &&
                  EVP_PKEY_derive (ctx, z, &len) == 1 && len == COORDINATE_LEN && kdfe (z, mine + 1, theirs + 1, seed);
    if (ok) {
        g_autoptr (GByteArray) point = g_byte_array_new ();
        put_sized (point, mine + 1, COORDINATE_LEN);
        put_sized (point, mine + 1 + COORDINATE_LEN, COORDINATE_LEN);
        put_sized (shared, point->data, point->len);
    }
    OPENSSL_cleanse (z, sizeof z);
    EVP_PKEY_CTX_free (ctx);
    EVP_PKEY_free (ours);
    return ok;
}

/* The secret as TPM2B_DIGEST, encrypted, and over it and the name an HMAC: TPMS_ID_OBJECT. */
static gboolean
seal (const guint8 seed[SHA256_LEN], GBytes *name, const guint8 secret[CREDENTIAL_SECRET_LEN], GByteArray *id_object)
{
    static const guint8 iv[AES_LEN];
    guint8 plain[2 + CREDENTIAL_SECRET_LEN] = { 0, CREDENTIAL_SECRET_LEN }, sealed[sizeof plain], aes[AES_LEN], mac_key[SHA256_LEN], mac[SHA256_LEN];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new ();
    int n = 0;
    memcpy (plain + 2, secret, CREDENTIAL_SECRET_LEN);
    gboolean ok = kdfa (seed, "STORAGE", name, aes, sizeof aes) && kdfa (seed, "INTEGRITY", NULL, mac_key, sizeof mac_key) &&
                  EVP_EncryptInit_ex (ctx, EVP_aes_128_cfb128 (), NULL, aes, iv) == 1 && EVP_EncryptUpdate (ctx, sealed, &n, plain, sizeof plain) == 1 && n == sizeof plain;
    EVP_CIPHER_CTX_free (ctx);
    if (ok) {
        g_autoptr (GByteArray) covered = g_byte_array_new (), object = g_byte_array_new ();
        g_byte_array_append (covered, sealed, sizeof sealed);
        g_byte_array_append (covered, g_bytes_get_data (name, NULL), (guint) g_bytes_get_size (name));
        hmac (mac_key, sizeof mac_key, covered->data, covered->len, mac);
        put_sized (object, mac, sizeof mac);
        g_byte_array_append (object, sealed, sizeof sealed);
        put_sized (id_object, object->data, object->len);
    }
    OPENSSL_cleanse (plain, sizeof plain);
    OPENSSL_cleanse (aes, sizeof aes);
    return ok;
}

static gboolean
by_default_template (EVP_PKEY *ek, gboolean *rsa)
{
    char group[40] = "";
    *rsa = EVP_PKEY_get_base_id (ek) == EVP_PKEY_RSA;
    if (*rsa)
        return EVP_PKEY_get_bits (ek) == 2048;
    return EVP_PKEY_get_base_id (ek) == EVP_PKEY_EC && EVP_PKEY_get_group_name (ek, group, sizeof group, NULL) == 1 && strcmp (group, "prime256v1") == 0;
}

GBytes *
credential_make (EVP_PKEY *ek, GBytes *ak_name, const guint8 secret[CREDENTIAL_SECRET_LEN], GError **error)
{
    static const guint8 head[8] = { 0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, FILE_VERSION };
    g_autoptr (GByteArray) id_object = g_byte_array_new (), shared = g_byte_array_new (), file = g_byte_array_new ();
    guint8 seed[SHA256_LEN];
    gboolean rsa;
    if (!by_default_template (ek, &rsa)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "the endorsement key is neither RSA of 2048 bits nor on P-256: a credential for another template isn't made by this program");
        return NULL;
    }
    gboolean ok = (rsa ? share_by_rsa : share_by_ec) (ek, seed, shared) && seal (seed, ak_name, secret, id_object);
    OPENSSL_cleanse (seed, sizeof seed);
    if (!ok) {
        crypto_fail (error, "making the credential");
        return NULL;
    }
    g_byte_array_append (file, head, sizeof head);
    g_byte_array_append (file, id_object->data, id_object->len);
    g_byte_array_append (file, shared->data, shared->len);
    return g_byte_array_free_to_bytes (g_steal_pointer (&file));
}

gboolean
credential_read (GBytes *file, GBytes **id_object, GBytes **encrypted_secret, GError **error)
{
    gsize len;
    const guint8 *data = g_bytes_get_data (file, &len);
    TpmIn in = { data, len }, id, shared;
    guint64 magic, version;
    if (len > CREDENTIAL_MAX_LEN || !tpm_take_uint (&in, 4, &magic) || magic != FILE_MAGIC || !tpm_take_uint (&in, 4, &version) || version != FILE_VERSION ||
        !tpm_take_sized (&in, &id) || id.n == 0 || !tpm_take_sized (&in, &shared) || shared.n == 0 || in.n != 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "not a credential as `ceremony challenge credential` or tpm2_makecredential writes it, or cut off");
        return FALSE;
    }
    *id_object = g_bytes_new (id.p - 2, id.n + 2);
    *encrypted_secret = g_bytes_new (shared.p - 2, shared.n + 2);
    return TRUE;
}

gboolean
credential_ek_trusted (GBytes *certificate, GPtrArray *others, const AttestAnchors *anchors, char **why)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) inputs = attest_inputs_new ();
    g_ptr_array_add (inputs, attest_input_new ("the endorsement certificate", certificate));
    for (guint i = 0; others && i < others->len; i++) {
        const AttestInput *in = others->pdata[i];
        g_ptr_array_add (inputs, attest_input_new (in->name, in->bytes));
    }
    g_autoptr (Evidence) evidence = evidence_read (inputs, NULL, &error);
    g_auto (Chain) chain = { 0 };
    if (evidence == NULL || evidence->certs->len == 0) {
        *why = g_strdup (error ? error->message : "it is no certificate");
        return FALSE;
    }
    return tpm_ek_chain (evidence, evidence->certs->pdata[0], anchors, &chain, why);
}
