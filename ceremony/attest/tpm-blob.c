/* TPM 2.0 structures over (pointer, length): TPMT_PUBLIC, TPMS_ATTEST of a certified key, TPMT_SIGNATURE. They are hostile input: every size is held against what is
 * left, and nothing may be left at the end. TCG TPM 2.0 library part 2, sections 10.12, 11.3 and 12.2. */
#include "ceremony/attest/tpm-blob.h"
#include "ceremony/attest/keys.h"
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

enum { ALG_RSA = 0x0001, ALG_SHA1 = 0x0004, ALG_SHA256 = 0x000b, ALG_SHA384 = 0x000c, ALG_SHA512 = 0x000d, ALG_NULL = 0x0010, ALG_RSASSA = 0x0014,
       ALG_RSAPSS = 0x0016, ALG_ECDSA = 0x0018, ALG_ECC = 0x0023 };

gboolean
tpm_take (TpmIn *in, gsize n, const guint8 **p)
{
    if (in->n < n)
        return FALSE;
    *p = in->p;
    in->p += n;
    in->n -= n;
    return TRUE;
}

gboolean
tpm_take_uint (TpmIn *in, guint bytes, guint64 *v)
{
    const guint8 *p;
    if (!tpm_take (in, bytes, &p))
        return FALSE;
    *v = 0;
    for (guint i = 0; i < bytes; i++)
        *v = *v << 8 | p[i];
    return TRUE;
}

gboolean
tpm_take_sized (TpmIn *in, TpmIn *out)
{
    guint64 n;
    if (!tpm_take_uint (in, 2, &n) || !tpm_take (in, (gsize) n, &out->p))
        return FALSE;
    out->n = (gsize) n;
    return TRUE;
}

static const EVP_MD *
digest_of (guint alg)
{
    return alg == ALG_SHA256 ? EVP_sha256 () : alg == ALG_SHA384 ? EVP_sha384 () : alg == ALG_SHA512 ? EVP_sha512 () : NULL;
}

/* Exponent 0 stands for 65537 (part 2, 12.2.3.5). */
static EVP_PKEY *
rsa_unique (guint64 exponent, TpmIn n)
{
    guint32 value = exponent ? (guint32) exponent : 65537;
    const guint8 e[4] = { (guint8) (value >> 24), (guint8) (value >> 16), (guint8) (value >> 8), (guint8) value };
    return key_from_rsa (n.p, n.n, e, sizeof e);
}

static EVP_PKEY *
ecc_unique (guint64 curve, TpmIn x, TpmIn y)
{
    static const struct { guint curve; gsize n; const char *name; } curves[] = { { 3, 32, "P-256" }, { 4, 48, "P-384" }, { 5, 66, "P-521" } };
    for (guint i = 0; i < G_N_ELEMENTS (curves); i++) {
        gsize n = curves[i].n;
        if (curves[i].curve != curve || x.n > n || y.n > n)
            continue;
        guint8 point[1 + 2 * 66] = { 4 };
        memcpy (point + 1 + n - x.n, x.p, x.n);
        memcpy (point + 1 + 2 * n - y.n, y.p, y.n);
        return key_from_point (curves[i].name, point, 1 + 2 * n);
    }
    return NULL;
}

/* TPMT_SYM_DEF_OBJECT, TPMT_ASYM_SCHEME: an algorithm and, unless it is null, its details. */
static gboolean
skip_symmetric (TpmIn *in)
{
    guint64 alg, skip;
    return tpm_take_uint (in, 2, &alg) && (alg == ALG_NULL || (tpm_take_uint (in, 2, &skip) && tpm_take_uint (in, 2, &skip)));
}

static gboolean
skip_scheme (TpmIn *in)
{
    guint64 alg, skip;
    if (!tpm_take_uint (in, 2, &alg))
        return FALSE;
    if (alg == ALG_NULL || alg == 0x0015)       /* RSAES has no details */
        return TRUE;
    return tpm_take_uint (in, 2, &skip) && (alg != 0x001a || tpm_take_uint (in, 2, &skip)); /* ECDAA has a counter too */
}

static EVP_PKEY *
read_unique (TpmIn *in, guint type)
{
    guint64 bits, exponent, curve;
    TpmIn a, b;
    if (type == ALG_RSA)
        return tpm_take_uint (in, 2, &bits) && tpm_take_uint (in, 4, &exponent) && tpm_take_sized (in, &a) && a.n <= 1024 && in->n == 0 ? rsa_unique (exponent, a) : NULL;
    if (type != ALG_ECC)
        return NULL;
    return tpm_take_uint (in, 2, &curve) && skip_scheme (in) && tpm_take_sized (in, &a) && tpm_take_sized (in, &b) && in->n == 0 ? ecc_unique (curve, a, b) : NULL;
}

/* TPMT_PUBLIC; the name is nameAlg and the digest of the whole area. */
gboolean
tpm_public_read (const void *data, gsize total, TpmPublic *out)
{
    const guint8 *all = data;
    TpmIn in = { all, total }, policy;
    guint64 type, name_alg, attributes;
    if (!tpm_take_uint (&in, 2, &type) || !tpm_take_uint (&in, 2, &name_alg) || !tpm_take_uint (&in, 4, &attributes) || !tpm_take_sized (&in, &policy) ||
        !skip_symmetric (&in) || !skip_scheme (&in))
        return FALSE;
    const EVP_MD *md = digest_of ((guint) name_alg);
    EVP_PKEY *key = md ? read_unique (&in, (guint) type) : NULL;
    guint8 name[2 + EVP_MAX_MD_SIZE] = { (guint8) (name_alg >> 8), (guint8) name_alg }, *der = NULL;
    guint n = 0;
    int len = key ? i2d_PUBKEY (key, &der) : -1;
    if (len <= 0 || EVP_Digest (all, total, name + 2, &n, md, NULL) != 1) {
        EVP_PKEY_free (key);
        return FALSE;
    }
    *out = (TpmPublic) { (guint) type, (guint) name_alg, (guint32) attributes, key, g_bytes_new (der, (gsize) len), g_bytes_new (name, n + 2) };
    OPENSSL_free (der);
    return TRUE;
}

void
tpm_public_clear (TpmPublic *self)
{
    EVP_PKEY_free (self->key);
    g_bytes_unref (self->spki);
    g_bytes_unref (self->name);
}

gboolean
tpm_attest_read (const void *data, gsize len, TpmAttest *out)
{
    TpmIn in = { data, len }, signer, rest;
    guint64 magic, type, resets, restarts, safe;
    if (!tpm_take_uint (&in, 4, &magic) || magic != 0xff544347 || !tpm_take_uint (&in, 2, &type) || !tpm_take_sized (&in, &signer) || !tpm_take_sized (&in, &out->extra) ||
        !tpm_take_uint (&in, 8, &out->clock) || !tpm_take_uint (&in, 4, &resets) || !tpm_take_uint (&in, 4, &restarts) || !tpm_take_uint (&in, 1, &safe) ||
        !tpm_take_uint (&in, 8, &out->firmware))
        return FALSE;
    out->type = (guint) type;
    out->resets = (guint32) resets;
    /* TPMS_CERTIFY_INFO: name, qualifiedName. TPMS_CREATION_INFO: objectName, creationHash. */
    return (type == TPM_ST_CERTIFY || type == TPM_ST_CREATION) && tpm_take_sized (&in, &out->name) && tpm_take_sized (&in, &rest) && in.n == 0;
}

static GBytes *
ecdsa_der (TpmIn *in)
{
    TpmIn r, s;
    if (!tpm_take_sized (in, &r) || !tpm_take_sized (in, &s) || in->n || r.n > 72 || s.n > 72)
        return NULL;
    ECDSA_SIG *sig = ECDSA_SIG_new ();
    guint8 *der = NULL;
    ECDSA_SIG_set0 (sig, BN_bin2bn (r.p, (int) r.n, NULL), BN_bin2bn (s.p, (int) s.n, NULL));
    int n = i2d_ECDSA_SIG (sig, &der);
    GBytes *bytes = n > 0 ? g_bytes_new (der, (gsize) n) : NULL;
    OPENSSL_free (der);
    ECDSA_SIG_free (sig);
    return bytes;
}

/* TPMT_SIGNATURE over @data by @key. */
gboolean
tpm_signature_holds (GBytes *signature, GBytes *data, EVP_PKEY *key)
{
    gsize n;
    TpmIn in = { g_bytes_get_data (signature, &n), 0 }, raw;
    guint64 scheme, hash;
    in.n = n;
    if (!tpm_take_uint (&in, 2, &scheme) || !tpm_take_uint (&in, 2, &hash) || !digest_of ((guint) hash))
        return FALSE;
    g_autoptr (GBytes) sig = scheme == ALG_ECDSA ? ecdsa_der (&in) : tpm_take_sized (&in, &raw) && in.n == 0 ? g_bytes_new (raw.p, raw.n) : NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    EVP_PKEY_CTX *pctx = NULL;
    gboolean ok = sig && (EVP_PKEY_get_base_id (key) == EVP_PKEY_EC) == (scheme == ALG_ECDSA) &&
                  EVP_DigestVerifyInit (ctx, &pctx, digest_of ((guint) hash), NULL, key) == 1 &&
                  (scheme != ALG_RSAPSS || (EVP_PKEY_CTX_set_rsa_padding (pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
                                            EVP_PKEY_CTX_set_rsa_pss_saltlen (pctx, RSA_PSS_SALTLEN_AUTO) == 1)) &&
                  EVP_DigestVerify (ctx, g_bytes_get_data (sig, NULL), g_bytes_get_size (sig), g_bytes_get_data (data, NULL), g_bytes_get_size (data)) == 1;
    EVP_MD_CTX_free (ctx);
    ERR_clear_error ();
    return ok;
}
