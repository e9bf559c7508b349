/* Signing through the key's own handle. Hashing is done here, in software, unless the token has only a mechanism that hashes itself; each signature is
 * verified with the plain public key before anybody else sees it. */
#include <string.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include "ceremony/token/internal.h"

#define SIGNATURE_MAX 2048

/* What may be signed with, the best first: the bare operation on our own hash, else the token hashes. */
typedef struct { CK_KEY_TYPE type; const char *hash; CK_MECHANISM_TYPE mechanism; gboolean hashes; } Way;
static const Way WAYS[] = {
    { CKK_RSA, "SHA256", CKM_RSA_PKCS, FALSE },
    { CKK_RSA, "SHA256", CKM_SHA256_RSA_PKCS, TRUE },
    { CKK_EC, "SHA256", CKM_ECDSA, FALSE },
    { CKK_EC, "SHA256", CKM_ECDSA_SHA256, TRUE },
    { CKK_EC, "SHA384", CKM_ECDSA, FALSE },
    { CKK_EC, "SHA384", CKM_ECDSA_SHA384, TRUE },
};

/* DigestInfo of SHA-256 before the hash itself (RFC 8017, 9.2, note 1). */
static const guint8 SHA256_INFO[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };

static const Way *
way_of (const TokenKey *key, GError **error)
{
    Token *token = key->token;
    for (gsize i = 0; i < G_N_ELEMENTS (WAYS); i++) {
        CK_MECHANISM_INFO info = { 0 };
        if (WAYS[i].type == key->algorithm->type && g_str_equal (WAYS[i].hash, key->algorithm->hash)
            && token->module->f->C_GetMechanismInfo (token->slot, WAYS[i].mechanism, &info) == CKR_OK && (info.flags == 0 || (info.flags & CKF_SIGN)))
            return &WAYS[i];
    }
    if (token_still_there (token, error))
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_UNSUPPORTED, "the token offers no way to sign with this key and %s", key->algorithm->hash);
    return NULL;
}

/* What goes into C_Sign. */
static GByteArray *
input_of (const Way *way, const void *data, gsize len, GError **error)
{
    guint8 digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    g_autoptr(GByteArray) input = g_byte_array_new ();
    if (way->hashes)
        return g_byte_array_append (g_steal_pointer (&input), data, (guint) len);
    EVP_MD *md = EVP_MD_fetch (NULL, way->hash, NULL);
    gboolean hashed = md && EVP_Digest (data, len, digest, &digest_len, md, NULL) == 1;
    EVP_MD_free (md);
    if (!hashed) {
        crypto_fail (error, "hashing what is to be signed");
        return NULL;
    }
    if (way->type == CKK_RSA)
        g_byte_array_append (input, SHA256_INFO, sizeof SHA256_INFO);
    return g_byte_array_append (g_steal_pointer (&input), digest, digest_len);
}

/* PKCS#11 gives r and s side by side, each padded with zeros; X.509 wants a SEQUENCE of two integers (RFC 3279, 2.2.3). */
static GBytes *
ecdsa_der (const guint8 *raw, gsize len)
{
    if (len == 0 || len % 2)
        return NULL;
    ECDSA_SIG *pair = ECDSA_SIG_new ();
    BIGNUM *r = BN_bin2bn (raw, (int) (len / 2), NULL), *s = BN_bin2bn (raw + len / 2, (int) (len / 2), NULL);
    unsigned char *der = NULL;
    int der_len = 0;
    if (pair && r && s && ECDSA_SIG_set0 (pair, r, s) == 1)
        der_len = i2d_ECDSA_SIG (pair, &der);
    else {
        BN_free (r);
        BN_free (s);
    }
    ECDSA_SIG_free (pair);
    GBytes *bytes = der_len > 0 ? g_bytes_new (der, (gsize) der_len) : NULL;
    OPENSSL_free (der);
    return bytes;
}

static gboolean
verifies (const TokenKey *key, const void *data, gsize len, GBytes *signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    gboolean good = ctx && EVP_DigestVerifyInit_ex (ctx, NULL, key->algorithm->hash, NULL, NULL, key->public, NULL) == 1
        && EVP_DigestVerify (ctx, g_bytes_get_data (signature, NULL), g_bytes_get_size (signature), data, len) == 1;
    EVP_MD_CTX_free (ctx);
    ERR_clear_error ();
    return good;
}

static gboolean
context_login (TokenKey *self, const Secret *pin, GError **error)
{
    Token *token = self->token;
    if (!token_key_always_authenticate (self))
        return TRUE;
    if (!pin && !token_has_pinpad (token)) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "this key wants the PIN for each signature; type it again");
        return FALSE;
    }
    return token_call_login (token, CKU_CONTEXT_SPECIFIC, pin, error);
}

static GBytes *
sign_raw (TokenKey *self, const Way *way, GByteArray *input, const Secret *pin, GError **error)
{
    CK_FUNCTION_LIST *f = self->token->module->f;
    CK_MECHANISM mechanism = { way->mechanism, NULL, 0 };
    guint8 out[SIGNATURE_MAX];
    CK_ULONG len = sizeof out;
    CK_RV rv = f->C_SignInit (self->token->session, &mechanism, self->private_key);
    if (rv != CKR_OK) {
        if (rv == CKR_OPERATION_ACTIVE)
            token_unwedge (self->token, "signing with the token", error);
        else
            ckr_fail (error, rv, "signing with the token (C_SignInit)");
        return NULL;
    }
    if (!context_login (self, pin, error)) {
        /* Without its PIN the key refuses, and by refusing ends the operation, which would block the next C_SignInit. */
        f->C_Sign (self->token->session, input->data, input->len, out, &len);
        return NULL;
    }
    rv = f->C_Sign (self->token->session, input->data, input->len, out, &len);
    if (rv != CKR_OK || len > sizeof out) {
        ckr_fail (error, rv == CKR_OK ? CKR_GENERAL_ERROR : rv, "signing with the token (C_Sign)");
        return NULL;
    }
    return way->type == CKK_EC ? ecdsa_der (out, len) : g_bytes_new (out, len);
}

GBytes *
token_key_sign (TokenKey *self, const void *data, gsize len, const Secret *context_pin, const char **mechanism, const char **hash, GError **error)
{
    const Way *way = token_key_ready (self, error) ? way_of (self, error) : NULL;
    if (!way)
        return NULL;
    if (mechanism)
        *mechanism = ckm_name (way->mechanism);
    if (hash)
        *hash = way->hash;
    g_autoptr(GByteArray) input = input_of (way, data, len, error);
    if (!input)
        return NULL;
    g_autoptr(GError) why = NULL;
    g_autoptr(GBytes) signature = sign_raw (self, way, input, context_pin, &why);
    if (why) {
        g_propagate_error (error, g_steal_pointer (&why));
        return NULL;
    }
    if (!signature || !verifies (self, data, len, signature)) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "the token's signature doesn't verify with the public key that it gave: the private key isn't the one "
                     "that belongs to it; note the deviation, and don't use this key");
        return NULL;
    }
    return g_steal_pointer (&signature);
}
