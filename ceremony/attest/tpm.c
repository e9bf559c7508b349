/* TPM 2.0: TPM2_Certify or TPM2_CertifyCreation of a key by an attestation key (AK). What is signed is the key's *name*, a digest of its
 * public area, so that area must be given too: it says sensitiveDataOrigin (generated inside), fixedTPM and fixedParent (can't leave).
 * Anybody can make an AK in software: that this one lives in a TPM is believed only for an AK that is an anchor itself (use tpm2-ak), whose
 * certificate leads to one (use tpm2-ak-ca), or whose activation the caller has seen under an endorsement certificate that leads to an
 * anchor (use tpm2-ek). TCG TPM 2.0 library part 2, sections 10.12, 11.3 and 12.2. */
#include "ceremony/attest/vendor.h"
#include "ceremony/base/encode.h"
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { ALG_RSA = 0x0001, ALG_SHA1 = 0x0004, ALG_SHA256 = 0x000b, ALG_SHA384 = 0x000c, ALG_SHA512 = 0x000d, ALG_NULL = 0x0010, ALG_RSASSA = 0x0014,
       ALG_RSAPSS = 0x0016, ALG_ECDSA = 0x0018, ALG_ECC = 0x0023 };
enum { ATTR_FIXED_TPM = 1 << 1, ATTR_FIXED_PARENT = 1 << 4, ATTR_ORIGIN = 1 << 5, ATTR_RESTRICTED = 1 << 16, ATTR_DECRYPT = 1 << 17,
       ATTR_SIGN = 1 << 18, ATTR_DUPLICATION = 1 << 11 };
enum { ST_CERTIFY = 0x8017, ST_CREATION = 0x801a };

typedef struct { const guint8 *p; gsize n; } In;

typedef struct {
    const AttestBlob *blob;
    guint             type, name_alg;
    guint32           attributes;
    EVP_PKEY         *key;
    GBytes           *spki, *name;
} Public;

typedef struct {
    guint   type;
    guint64 clock;
    guint32 resets;
    In      extra, name;
    guint64 firmware;
} Quote;

static gboolean
take (In *in, gsize n, const guint8 **p)
{
    if (in->n < n)
        return FALSE;
    *p = in->p;
    in->p += n;
    in->n -= n;
    return TRUE;
}

static gboolean
take_uint (In *in, guint bytes, guint64 *v)
{
    const guint8 *p;
    if (!take (in, bytes, &p))
        return FALSE;
    *v = 0;
    for (guint i = 0; i < bytes; i++)
        *v = *v << 8 | p[i];
    return TRUE;
}

static gboolean
take_sized (In *in, In *out)
{
    guint64 n;
    if (!take_uint (in, 2, &n) || !take (in, (gsize) n, &out->p))
        return FALSE;
    out->n = (gsize) n;
    return TRUE;
}

static const EVP_MD *
digest_of (guint alg)
{
    return alg == ALG_SHA256 ? EVP_sha256 () : alg == ALG_SHA384 ? EVP_sha384 () : alg == ALG_SHA512 ? EVP_sha512 () : NULL;
}

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

static EVP_PKEY *
rsa_unique (guint64 exponent, In n)
{
    BIGNUM *bn = BN_bin2bn (n.p, (int) n.n, NULL), *e = BN_new ();
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new ();
    BN_set_word (e, exponent ? exponent : 65537);
    OSSL_PARAM_BLD_push_BN (bld, OSSL_PKEY_PARAM_RSA_N, bn);
    OSSL_PARAM_BLD_push_BN (bld, OSSL_PKEY_PARAM_RSA_E, e);
    EVP_PKEY *key = from_params ("RSA", bld);
    OSSL_PARAM_BLD_free (bld);
    BN_free (bn);
    BN_free (e);
    return key;
}

static EVP_PKEY *
ecc_unique (guint64 curve, In x, In y)
{
    static const struct { guint curve; gsize n; const char *name; } curves[] = { { 3, 32, "P-256" }, { 4, 48, "P-384" }, { 5, 66, "P-521" } };
    for (guint i = 0; i < G_N_ELEMENTS (curves); i++) {
        gsize n = curves[i].n;
        if (curves[i].curve != curve || x.n > n || y.n > n)
            continue;
        guint8 point[1 + 2 * 66] = { 4 };
        memcpy (point + 1 + n - x.n, x.p, x.n);
        memcpy (point + 1 + 2 * n - y.n, y.p, y.n);
        OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new ();
        OSSL_PARAM_BLD_push_utf8_string (bld, OSSL_PKEY_PARAM_GROUP_NAME, curves[i].name, 0);
        OSSL_PARAM_BLD_push_octet_string (bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * n);
        EVP_PKEY *key = from_params ("EC", bld);
        OSSL_PARAM_BLD_free (bld);
        return key;
    }
    return NULL;
}

/* TPMT_SYM_DEF_OBJECT, TPMT_ASYM_SCHEME: an algorithm and, unless it is null, its details. */
static gboolean
skip_symmetric (In *in)
{
    guint64 alg, skip;
    return take_uint (in, 2, &alg) && (alg == ALG_NULL || (take_uint (in, 2, &skip) && take_uint (in, 2, &skip)));
}

static gboolean
skip_scheme (In *in)
{
    guint64 alg, skip;
    if (!take_uint (in, 2, &alg))
        return FALSE;
    if (alg == ALG_NULL || alg == 0x0015)       /* RSAES has no details */
        return TRUE;
    return take_uint (in, 2, &skip) && (alg != 0x001a || take_uint (in, 2, &skip)); /* ECDAA has a counter too */
}

static EVP_PKEY *
read_unique (In *in, guint type)
{
    guint64 bits, exponent, curve;
    In a, b;
    if (type == ALG_RSA)
        return take_uint (in, 2, &bits) && take_uint (in, 4, &exponent) && take_sized (in, &a) && a.n <= 1024 && in->n == 0 ? rsa_unique (exponent, a) : NULL;
    return take_uint (in, 2, &curve) && skip_scheme (in) && take_sized (in, &a) && take_sized (in, &b) && in->n == 0 ? ecc_unique (curve, a, b) : NULL;
}

/* TPMT_PUBLIC; the name is nameAlg and the digest of the whole area. */
static gboolean
read_public (const AttestBlob *blob, Public *out)
{
    gsize total;
    const guint8 *all = g_bytes_get_data (blob->bytes, &total);
    In in = { all, total }, policy;
    guint64 type, name_alg, attributes;
    if (!take_uint (&in, 2, &type) || !take_uint (&in, 2, &name_alg) || !take_uint (&in, 4, &attributes) || !take_sized (&in, &policy) ||
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
    *out = (Public) { blob, (guint) type, (guint) name_alg, (guint32) attributes, key, g_bytes_new (der, (gsize) len), g_bytes_new (name, n + 2) };
    OPENSSL_free (der);
    return TRUE;
}

static void
public_clear (Public *self)
{
    EVP_PKEY_free (self->key);
    g_bytes_unref (self->spki);
    g_bytes_unref (self->name);
}

static gboolean
read_attest (GBytes *bytes, Quote *out)
{
    gsize n;
    In in = { g_bytes_get_data (bytes, &n), 0 }, signer, rest;
    guint64 magic, type, resets, restarts, safe;
    in.n = n;
    if (!take_uint (&in, 4, &magic) || magic != 0xff544347 || !take_uint (&in, 2, &type) || !take_sized (&in, &signer) || !take_sized (&in, &out->extra) ||
        !take_uint (&in, 8, &out->clock) || !take_uint (&in, 4, &resets) || !take_uint (&in, 4, &restarts) || !take_uint (&in, 1, &safe) ||
        !take_uint (&in, 8, &out->firmware))
        return FALSE;
    out->type = (guint) type;
    out->resets = (guint32) resets;
    /* TPMS_CERTIFY_INFO: name, qualifiedName. TPMS_CREATION_INFO: objectName, creationHash. */
    return (type == ST_CERTIFY || type == ST_CREATION) && take_sized (&in, &out->name) && take_sized (&in, &rest) && in.n == 0;
}

static GBytes *
ecdsa_der (In *in)
{
    In r, s;
    if (!take_sized (in, &r) || !take_sized (in, &s) || in->n || r.n > 72 || s.n > 72)
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
static gboolean
signature_holds (GBytes *signature, GBytes *data, EVP_PKEY *key)
{
    gsize n;
    In in = { g_bytes_get_data (signature, &n), 0 }, raw;
    guint64 scheme, hash;
    in.n = n;
    if (!take_uint (&in, 2, &scheme) || !take_uint (&in, 2, &hash) || !digest_of ((guint) hash))
        return FALSE;
    g_autoptr (GBytes) sig = scheme == ALG_ECDSA ? ecdsa_der (&in) : take_sized (&in, &raw) && in.n == 0 ? g_bytes_new (raw.p, raw.n) : NULL;
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

static const Public *
certified (const GArray *publics, In name)
{
    for (guint i = 0; i < publics->len; i++) {
        const Public *p = &g_array_index (publics, Public, i);
        if (g_bytes_get_size (p->name) == name.n && memcmp (g_bytes_get_data (p->name, NULL), name.p, name.n) == 0)
            return p;
    }
    return NULL;
}

static gboolean
is_attestation_key (const Public *p)
{
    const guint32 all = ATTR_FIXED_TPM | ATTR_FIXED_PARENT | ATTR_ORIGIN | ATTR_RESTRICTED | ATTR_SIGN;
    return (p->attributes & (all | ATTR_DECRYPT)) == all;
}

static const Public *
find_ak (const GArray *publics, const Quote *quote, GBytes *attest, GPtrArray *blobs)
{
    for (guint i = 0; i < publics->len; i++) {
        const Public *p = &g_array_index (publics, Public, i);
        for (guint k = 0; k < blobs->len; k++) {
            const AttestBlob *sig = blobs->pdata[k];
            if (sig->kind == BLOB_TPM_SIGNATURE && signature_holds (sig->bytes, attest, p->key))
                return p;
        }
    }
    return NULL;
}

static gboolean
anchored (const AttestAnchors *anchors, const char *use, GBytes *spki)
{
    for (guint i = 0; i < anchors->rows->len; i++) {
        const AttestAnchor *a = anchors->rows->pdata[i];
        if (g_str_equal (a->use, use) && spki_same (a->spki, spki))
            return TRUE;
    }
    return FALSE;
}

/* tcg-kp-EKCertificate 2.23.133.8.1 and tcg-kp-AIKCertificate 2.23.133.8.3. */
static gboolean
has_purpose (const AttestCert *cert, const char *oid)
{
    EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i (cert->x, NID_ext_key_usage, NULL, NULL);
    gboolean found = FALSE;
    for (int i = 0; eku && i < sk_ASN1_OBJECT_num (eku); i++) {
        char text[80];
        OBJ_obj2txt (text, sizeof text, sk_ASN1_OBJECT_value (eku, i), 1);
        found |= g_str_equal (text, oid);
    }
    EXTENDED_KEY_USAGE_free (eku);
    return found;
}

static gboolean
activated (const AttestAnchors *anchors, GBytes *name, GBytes *ek_spki)
{
    guint8 digest[SHA256_LEN];
    sha256 (g_bytes_get_data (ek_spki, NULL), g_bytes_get_size (ek_spki), digest);
    for (guint i = 0; i < anchors->activations->len; i++) {
        const AttestActivation *a = anchors->activations->pdata[i];
        if (g_bytes_equal (a->ak_name, name) && memcmp (a->ek_spki_sha256, digest, SHA256_LEN) == 0)
            return TRUE;
    }
    return FALSE;
}

/* subjectAltName's directory name of an EK certificate: manufacturer, model and version (TCG EK credential profile 3.2.9). */
static void
note_maker (AttestResult *claim, const AttestCert *ek)
{
    static const struct { const char *oid, *key; } fields[] = { { "2.23.133.2.1", "tpm_manufacturer" }, { "2.23.133.2.2", "tpm_model" },
                                                                { "2.23.133.2.3", "tpm_version" } };
    GENERAL_NAMES *names = X509_get_ext_d2i (ek->x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; names && i < sk_GENERAL_NAME_num (names); i++) {
        GENERAL_NAME *name = sk_GENERAL_NAME_value (names, i);
        for (guint k = 0; name->type == GEN_DIRNAME && k < G_N_ELEMENTS (fields); k++) {
            ASN1_OBJECT *object = OBJ_txt2obj (fields[k].oid, 1);
            int at = X509_NAME_get_index_by_OBJ (name->d.directoryName, object, -1);
            guint8 *utf8 = NULL;
            int n = at < 0 ? -1 : ASN1_STRING_to_UTF8 (&utf8, X509_NAME_ENTRY_get_data (X509_NAME_get_entry (name->d.directoryName, at)));
            g_autofree char *text = n > 0 ? g_utf8_make_valid ((char *) utf8, n) : NULL;
            claim_set_str (claim, fields[k].key, text);
            if (k == 1 && text && !claim->model)
                claim->model = g_strdup (text);
            OPENSSL_free (utf8);
            ASN1_OBJECT_free (object);
        }
    }
    GENERAL_NAMES_free (names);
}

static const char *const critical_oids[] = { "2.5.29.17", "2.5.29.37", "2.5.29.32", NULL };

/* How the attestation key is known to live in a TPM; NULL: it isn't, and @why says what is missing (g_free). */
static const char *
bind_ak (AttestJob *job, AttestResult *claim, const Public *ak, char **why)
{
    static const ChainRules ak_rules = { .use = "tpm2-ak-ca", .critical = critical_oids }, ek_rules = { .use = "tpm2-ek", .critical = critical_oids };
    if (anchored (job->anchors, "tpm2-ak", ak->spki)) {
        claim->serial = sha256_hex (g_bytes_get_data (ak->spki, NULL), g_bytes_get_size (ak->spki));    /* the device's identity, as far as there is one */
        claim_set_str (claim, "ak_spki_sha256", claim->serial);
        return "pinned";
    }
    *why = g_strdup ("nothing shows that the attestation key lives in a TPM: give its certificate, or the TPM's endorsement certificate and the activation "
                     "of the key under it");
    for (guint i = 0; i < job->evidence->certs->len; i++) {
        const AttestCert *cert = job->evidence->certs->pdata[i];
        g_auto (Chain) chain = { 0 };
        g_autofree char *problem = NULL;
        gboolean ak_cert = spki_same (cert->spki, ak->spki), ek = has_purpose (cert, "2.23.133.8.1");
        if (!ak_cert && !ek)
            continue;
        if (!chain_find (job->evidence, cert, job->anchors, ak_cert ? &ak_rules : &ek_rules, &chain, &problem) ||
            (ak_cert && !has_purpose (cert, "2.23.133.8.3"))) {
            g_free (*why);
            *why = problem ? g_steal_pointer (&problem) : g_strdup_printf ("%s isn't a certificate for an attestation key", cert->subject);
            continue;
        }
        if (ek)
            note_maker (claim, cert);
        g_autofree char *serial = sha256_hex (g_bytes_get_data (cert->spki, NULL), g_bytes_get_size (cert->spki));
        claim_set_str (claim, ek ? "ek_spki_sha256" : "ak_spki_sha256", serial);
        if (ak_cert || activated (job->anchors, ak->name, cert->spki)) {
            g_free (claim->serial);
            claim->serial = g_steal_pointer (&serial);
            return ak_cert ? "certificate" : "activation";
        }
        g_free (*why);
        *why = g_strdup ("that the attestation key lives in the TPM of this endorsement certificate is the operator's word alone: an activation "
                         "(TPM2_ActivateCredential) with a secret of the verifying side is missing");
    }
    return NULL;
}

static void
judge_attributes (AttestResult *claim, const Public *key)
{
    claim->origin = key->attributes & ATTR_ORIGIN ? ATTEST_ORIGIN_GENERATED : ATTEST_ORIGIN_IMPORTED;
    claim->exportable = (key->attributes & (ATTR_FIXED_TPM | ATTR_FIXED_PARENT)) == (ATTR_FIXED_TPM | ATTR_FIXED_PARENT) ? ATTEST_FALSE : ATTEST_TRUE;
    claim_set (claim, "object_attributes", json_sprintf ("0x%08x", key->attributes));
    if (claim->origin == ATTEST_ORIGIN_IMPORTED)
        claim_refuse (claim, "the key isn't bound to the device: it was imported (sensitiveDataOrigin is clear)");
    if (claim->exportable)
        claim_refuse (claim, "the key isn't bound to the device: it can be duplicated (fixedTPM or fixedParent is clear)");
    if (!(key->attributes & ATTR_SIGN))
        claim_refuse (claim, "the key can't sign (its attributes): it is no signing key");
    if (key->attributes & ATTR_RESTRICTED)
        claim_refuse (claim, "this is the device's own kind of key (restricted), which is no signing key");
}

static void
judge_challenge (AttestJob *job, AttestResult *claim, In extra)
{
    g_autofree char *hex = hex_encode (extra.p, extra.n);
    claim_set_str (claim, "qualifying_data", hex);
    if (!job->challenge)
        return;
    g_autoptr (GBytes) expected = attest_challenge_qualifying (job->challenge), have = g_bytes_new (extra.p, extra.n);
    claim->challenge = g_bytes_equal (have, expected) || g_bytes_equal (have, job->challenge) ? ATTEST_TRUE : ATTEST_FALSE;
    if (!claim->challenge)
        claim_refuse (claim, "the attestation answers another challenge (its qualifying data isn't this one's digest)");
}

static void
judge_quote (AttestJob *job, AttestResult *claim, const AttestBlob *blob, const GArray *publics, const Quote *quote, const Public *key)
{
    g_autofree char *why = NULL;
    judge_challenge (job, claim, quote->extra);
    claim_set_str (claim, "structure", quote->type == ST_CERTIFY ? "TPM2_Certify" : "TPM2_CertifyCreation");
    claim_set (claim, "reset_count", json_integer (quote->resets));
    claim->firmware = g_strdup_printf ("%u.%u.%u.%u", (guint) (quote->firmware >> 48), (guint) (quote->firmware >> 32 & 0xffff),
                                       (guint) (quote->firmware >> 16 & 0xffff), (guint) (quote->firmware & 0xffff));
    const Public *ak = find_ak (publics, quote, blob->bytes, job->evidence->blobs);
    claim_set (claim, "signature_valid", json_boolean (ak != NULL));
    if (!ak) {
        claim_refuse (claim, "no key among the files signed this attestation: it was altered, or its signature or the attestation key's public area is missing");
        return;
    }
    if (!is_attestation_key (ak))
        claim_refuse (claim, "the key that signed isn't a TPM's attestation key (restricted, fixedTPM, fixedParent, generated inside)");
    g_autofree char *name = hex_encode (g_bytes_get_data (ak->name, NULL), g_bytes_get_size (ak->name));
    claim_set_str (claim, "ak_name", name);
    const char *bound = bind_ak (job, claim, ak, &why);
    claim_set_str (claim, "ak_bound", bound ? bound : "no");
    claim->authentic = bound != NULL;
    judge_attributes (claim, key);
    if (!bound)
        claim_refuse (claim, "%s", why);
}

static void
judge (AttestJob *job, const AttestBlob *blob, const GArray *publics)
{
    Quote quote = { 0 };
    gboolean readable = read_attest (blob->bytes, &quote);
    const Public *key = readable ? certified (publics, quote.name) : NULL;
    AttestResult *claim = claim_new (job, "tpm2", "TPM 2.0", key ? key->spki : NULL, blob->file);
    if (!readable)
        claim_refuse (claim, "the TPM's structure isn't a certification of a key (TPM2_Certify, TPM2_CertifyCreation), or is damaged");
    else if (!key)
        claim_refuse (claim, "the certified key's public area isn't among the files: none there has the name that the TPM certified");
    else
        judge_quote (job, claim, blob, publics, &quote, key);
}

void
tpm_collect (AttestJob *job)
{
    g_autoptr (GArray) publics = g_array_new (FALSE, TRUE, sizeof (Public));
    g_array_set_clear_func (publics, (GDestroyNotify) public_clear);
    for (guint i = 0; i < job->evidence->blobs->len; i++) {
        const AttestBlob *blob = job->evidence->blobs->pdata[i];
        Public p;
        if (blob->kind == BLOB_TPM_PUBLIC && read_public (blob, &p))
            g_array_append_val (publics, p);
    }
    for (guint i = 0; i < job->evidence->blobs->len; i++) {
        const AttestBlob *blob = job->evidence->blobs->pdata[i];
        if (blob->kind == BLOB_TPM_ATTEST)
            judge (job, blob, publics);
        else if (blob->kind == BLOB_TPM_PUBLIC || blob->kind == BLOB_TPM_SIGNATURE)
            g_ptr_array_add (job->leftovers, g_strdup ("a TPM's public area or signature, but no certification of a key"));
    }
}
