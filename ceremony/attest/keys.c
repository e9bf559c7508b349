/* Public keys from their numbers, for formats that hold no SubjectPublicKeyInfo. */
#include "ceremony/attest/keys.h"
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

static EVP_PKEY *
from_params (const char *type, OSSL_PARAM_BLD *bld)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param (bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name (NULL, type, NULL);
    EVP_PKEY *key = NULL;
    if (!params || !ctx || EVP_PKEY_fromdata_init (ctx) != 1 || EVP_PKEY_fromdata (ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free (ctx);
    OSSL_PARAM_free (params);
    ERR_clear_error ();
    return key;
}

EVP_PKEY *
key_from_rsa (const guint8 *n, gsize n_len, const guint8 *e, gsize e_len)
{
    if (n_len == 0 || n_len > 2048 || e_len == 0 || e_len > 64)
        return NULL;
    BIGNUM *modulus = BN_bin2bn (n, (int) n_len, NULL), *exponent = BN_bin2bn (e, (int) e_len, NULL);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new ();
    OSSL_PARAM_BLD_push_BN (bld, OSSL_PKEY_PARAM_RSA_N, modulus);
    OSSL_PARAM_BLD_push_BN (bld, OSSL_PKEY_PARAM_RSA_E, exponent);
    EVP_PKEY *key = from_params ("RSA", bld);
    OSSL_PARAM_BLD_free (bld);
    BN_free (modulus);
    BN_free (exponent);
    return key;
}

EVP_PKEY *
key_from_point (const char *group, const guint8 *point, gsize len)
{
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new ();
    OSSL_PARAM_BLD_push_utf8_string (bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
    OSSL_PARAM_BLD_push_octet_string (bld, OSSL_PKEY_PARAM_PUB_KEY, point, len);
    EVP_PKEY *key = from_params ("EC", bld);
    OSSL_PARAM_BLD_free (bld);
    return key;
}

GBytes *
key_spki (EVP_PKEY *key)
{
    guint8 *out = NULL;
    int n = key ? i2d_PUBKEY (key, &out) : -1;
    GBytes *bytes = n > 0 ? g_bytes_new (out, (gsize) n) : NULL;
    OPENSSL_free (out);
    return bytes;
}
