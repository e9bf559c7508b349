/* CAdES signatures: made with OpenSSL's CMS; judged first by a walk of our own, which allows one form of every byte, then by OpenSSL. */
#include "ceremony/bundle/cades.h"
#include "ceremony/base/der.h"
#include "ceremony/bundle/tsa.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/ess.h>
#include <openssl/x509v3.h>
#include <string.h>

#define MAX_CERTS 10

/* A kind of key with the one digest and the one signature algorithm that we allow for it (RFC 5754): whole AlgorithmIdentifiers, since
 * OpenSSL takes any of several OIDs here and doesn't look at parameters. */
typedef struct {
    const char *type;
    int bits;                               /* 0: any */
    const char *digest;                     /* OpenSSL's name */
    guint8 digest_oid[11], signature[15];
    gsize signature_len;
} Suite;

#define OID_SHA(n) { 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, n }
#define ALG_ECDSA(n) { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, n }
static const Suite suites[] = {
    { "EC", 256, "SHA256", OID_SHA (1), ALG_ECDSA (2), 12 },
    { "EC", 384, "SHA384", OID_SHA (2), ALG_ECDSA (3), 12 },
    { "EC", 521, "SHA512", OID_SHA (3), ALG_ECDSA (4), 12 },
    { "RSA", 0, "SHA256", OID_SHA (1), { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 }, 15 },
};

static const guint8 oid_signed_data[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02 };
static const guint8 encap_data[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01 };
static const guint8 version_1[] = { 0x02, 0x01, 0x01 };

/* The signed attributes, in no order: just these, each once; the last in a countersignature only. */
enum { ATTR_CONTENT_TYPE, ATTR_TIME, ATTR_DIGEST, ATTR_CERTIFICATE, ATTR_DECLARATION, N_ATTRS };
static const guint8 attr_oids[N_ATTRS][21] = {
    { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03 },
    { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x05 },
    { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04 },
    { 0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f },
    { 0x06, 0x13, 0x69, 0xae, 0xed, 0xc2, 0xc7, 0xf9, 0x92, 0xe2, 0x83, 0xfb, 0xae, 0xe7, 0x84, 0x89, 0xef, 0x8c, 0xe5, 0x90, 0x00 },
};
static const guint8 attr_timestamp[] = { 0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0e };

static const Suite *
suite_of (X509 *cert)
{
    EVP_PKEY *key = X509_get0_pubkey (cert);
    for (gsize i = 0; key != NULL && i < G_N_ELEMENTS (suites); i++)
        if (EVP_PKEY_is_a (key, suites[i].type) && (suites[i].bits == 0 || suites[i].bits == EVP_PKEY_get_bits (key)))
            return &suites[i];
    return NULL;
}

static gboolean
is_self_signed (X509 *cert)
{
    gboolean ok = X509_check_issued (cert, cert) == X509_V_OK && X509_verify (cert, X509_get0_pubkey (cert)) == 1;
    ERR_clear_error ();
    return ok;
}

/* Making */

/* Names the signer's certificate, and the whole chain where it doesn't reach a self-signed root: else nothing would bind its topmost certificate's bytes. */
static gboolean
add_signing_certificate (CMS_SignerInfo *si, const Signer *signer, const EVP_MD *md)
{
    int n = sk_X509_num (signer->chain);
    X509 *top = n > 0 ? sk_X509_value (signer->chain, n - 1) : signer->cert;
    STACK_OF(X509) *named = n > 0 && !is_self_signed (top) ? signer->chain : NULL;
    ESS_SIGNING_CERT_V2 *attribute = OSSL_ESS_signing_cert_v2_new_init (md, signer->cert, named, 1);
    guint8 *der = NULL;
    int len = attribute != NULL ? i2d_ESS_SIGNING_CERT_V2 (attribute, &der) : -1;
    gboolean ok = len > 0 && CMS_signed_add1_attr_by_NID (si, NID_id_smime_aa_signingCertificateV2, V_ASN1_SEQUENCE, der, len) == 1;
    OPENSSL_free (der);
    ESS_SIGNING_CERT_V2_free (attribute);
    return ok;
}

static gboolean
add_declaration (CMS_SignerInfo *si, const guint8 *sha256)
{
    ASN1_OBJECT *oid = OBJ_txt2obj (CADES_DECLARATION_OID, 1);
    gboolean ok = oid != NULL && CMS_signed_add1_attr_by_OBJ (si, oid, V_ASN1_OCTET_STRING, sha256, SHA256_LEN) == 1;
    ASN1_OBJECT_free (oid);
    return ok;
}

static CMS_ContentInfo *
sign_cms (const Signer *signer, const Suite *suite, BIO *content, const guint8 *declaration)
{
    const unsigned flags = CMS_DETACHED | CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP;
    const EVP_MD *md = EVP_get_digestbyname (suite->digest);
    CMS_ContentInfo *cms = CMS_sign (NULL, NULL, signer->chain, NULL, flags);
    CMS_SignerInfo *si = cms != NULL ? CMS_add1_signer (cms, signer->cert, signer->key, md, flags) : NULL;
    if (si != NULL && add_signing_certificate (si, signer, md) && (declaration == NULL || add_declaration (si, declaration)) && CMS_final (cms, content, NULL, flags) == 1)
        return cms;
    CMS_ContentInfo_free (cms);
    return NULL;
}

static Cades *judge (const void *p7s, gsize p7s_len, const void *data, gsize len, gboolean countersignature, GError **error);

static GBytes *
sign (const Signer *signer, const void *data, gsize len, const guint8 *declaration, GError **error)
{
    const Suite *suite = suite_of (signer->cert);
    if (suite == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "signing: this kind of key can't sign here");
        return NULL;
    }
    BIO *content = BIO_new_mem_buf (data, (int) len);
    CMS_ContentInfo *cms = content != NULL ? sign_cms (signer, suite, content, declaration) : NULL;
    BIO_free (content);
    guint8 *der = NULL;
    int der_len = cms != NULL ? i2d_CMS_ContentInfo (cms, &der) : -1;
    CMS_ContentInfo_free (cms);
    if (der_len <= 0) {
        crypto_fail (error, "signing");
        return NULL;
    }
    g_autoptr (GBytes) p7s = g_bytes_new (der, (gsize) der_len);
    OPENSSL_free (der);
    /* A token may sign with another key than its certificate says: that must show before anybody relies on it. */
    g_autoptr (Cades) check = judge (g_bytes_get_data (p7s, NULL), g_bytes_get_size (p7s), data, len, declaration != NULL, error);
    if (check == NULL) {
        g_prefix_error (error, "signing: the signature just made doesn't verify: ");
        return NULL;
    }
    return g_steal_pointer (&p7s);
}

GBytes *
cades_sign (const Signer *signer, const void *data, gsize len, GError **error)
{
    return sign (signer, data, len, NULL, error);
}

GBytes *
cades_countersign (const Signer *signer, const void *data, gsize len, const guint8 *declaration_sha256, GError **error)
{
    return sign (signer, data, len, declaration_sha256, error);
}

/* Judging */

typedef struct {
    Der certs;                              /* content of [0] */
    Der digests;                            /* content of digestAlgorithms */
    Der issuer, serial;                     /* whole elements */
    Der digest_alg, signature_alg;          /* whole elements */
    Der attrs, attrs_whole;                 /* content, and the element with its tag [0] */
    Der values[N_ATTRS];                    /* the one value of each, whole */
    Der signature;                          /* content */
    Der timestamp;                          /* whole token, or nothing */
} Walk;

static gboolean
refuse (GError **error, const char *why)
{
    ERR_clear_error ();
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "signature: %s", why);
    return FALSE;
}

static gboolean
walk_signer_info (Walk *w, Der in)
{
    Der version, sid;
    if (!der_take (&in, DER_INTEGER, NULL, &version) || !der_is (&version, version_1, sizeof version_1) || !der_take (&in, DER_SEQUENCE, &sid, NULL)
        || !der_take (&sid, DER_SEQUENCE, NULL, &w->issuer) || !der_take (&sid, DER_INTEGER, NULL, &w->serial) || sid.len != 0
        || !der_take (&in, DER_SEQUENCE, NULL, &w->digest_alg) || !der_take (&in, DER_CONTEXT0, &w->attrs, &w->attrs_whole)
        || !der_take (&in, DER_SEQUENCE, NULL, &w->signature_alg) || !der_take (&in, DER_OCTETS, &w->signature, NULL))
        return FALSE;
    if (in.len == 0)
        return TRUE;
    Der unsigned_attrs, attr, oid, values;
    return der_take (&in, DER_CONTEXT1, &unsigned_attrs, NULL) && in.len == 0 && der_take (&unsigned_attrs, DER_SEQUENCE, &attr, NULL) && unsigned_attrs.len == 0
           && der_take (&attr, DER_OID, NULL, &oid) && der_is (&oid, attr_timestamp, sizeof attr_timestamp) && der_take (&attr, DER_SET, &values, NULL)
           && attr.len == 0 && der_take (&values, DER_SEQUENCE, NULL, &w->timestamp) && values.len == 0;
}

static gboolean
walk (Walk *w, const void *p7s, gsize len)
{
    Der all = { p7s, len }, content_info, oid, explicit0, signed_data, version, encap, signers, signer;
    return der_take (&all, DER_SEQUENCE, &content_info, NULL) && all.len == 0 && der_take (&content_info, DER_OID, NULL, &oid)
           && der_is (&oid, oid_signed_data, sizeof oid_signed_data) && der_take (&content_info, DER_CONTEXT0, &explicit0, NULL) && content_info.len == 0
           && der_take (&explicit0, DER_SEQUENCE, &signed_data, NULL) && explicit0.len == 0 && der_take (&signed_data, DER_INTEGER, NULL, &version)
           && der_is (&version, version_1, sizeof version_1) && der_take (&signed_data, DER_SET, &w->digests, NULL)
           && der_take (&signed_data, DER_SEQUENCE, &encap, NULL) && der_is (&encap, encap_data, sizeof encap_data)
           && der_take (&signed_data, DER_CONTEXT0, &w->certs, NULL) && der_set_sorted (w->certs) && der_take (&signed_data, DER_SET, &signers, NULL)
           && signed_data.len == 0 && der_take (&signers, DER_SEQUENCE, &signer, NULL) && signers.len == 0 && walk_signer_info (w, signer);
}

/* All but the declaration's digest must be there; that one only in a countersignature, where check_declaration tells what is missing. */
static gboolean
walk_attributes (Walk *w, gboolean countersignature)
{
    Der rest = w->attrs;
    if (!der_set_sorted (rest))
        return FALSE;
    while (rest.len > 0) {
        Der attr, oid, values;
        if (!der_take (&rest, DER_SEQUENCE, &attr, NULL) || !der_take (&attr, DER_OID, NULL, &oid) || !der_take (&attr, DER_SET, &values, NULL) || attr.len != 0)
            return FALSE;
        guint which = 0;
        while (which < N_ATTRS && !der_is (&oid, attr_oids[which], 2u + attr_oids[which][1]))
            which++;
        if (which == N_ATTRS || (which == ATTR_DECLARATION && !countersignature) || w->values[which].p != NULL || !der_take (&values, der_peek (&values), NULL, &w->values[which]) || values.len != 0)
            return FALSE;
    }
    for (guint which = 0; which < ATTR_DECLARATION; which++)
        if (w->values[which].p == NULL)
            return FALSE;
    return TRUE;
}

/* AlgorithmIdentifier of a digest; RFC 5754 2: parameters absent, though NULL must be taken too. */
static gboolean
is_digest (const Der *whole, const Suite *suite)
{
    static const guint8 null[] = { DER_NULL, 0 };
    Der in = *whole, alg, oid;
    return der_take (&in, DER_SEQUENCE, &alg, NULL) && in.len == 0 && der_take (&alg, DER_OID, NULL, &oid) && der_is (&oid, suite->digest_oid, sizeof suite->digest_oid)
           && (alg.len == 0 || der_is (&alg, null, sizeof null));
}

static X509 *
parse_cert (const Der *whole)
{
    const guint8 *p = whole->p;
    X509 *cert = d2i_X509 (NULL, &p, (long) whole->len);
    guint8 *again = NULL;
    int len = cert != NULL ? i2d_X509 (cert, &again) : -1;
    gboolean same = len > 0 && der_is (whole, again, (gsize) len);
    OPENSSL_free (again);
    if (!same)
        g_clear_pointer (&cert, X509_free);
    return cert;
}

static gboolean
parse_certs (Cades *self, Der certs, GError **error)
{
    self->certificates = sk_X509_new_null ();
    for (Der whole; certs.len > 0;) {
        X509 *cert = der_take (&certs, DER_SEQUENCE, NULL, &whole) ? parse_cert (&whole) : NULL;
        if (cert == NULL)
            return refuse (error, "a certificate in it can't be read");
        sk_X509_push (self->certificates, cert);
        if (sk_X509_num (self->certificates) > MAX_CERTS)
            return refuse (error, "too many certificates in it");
    }
    return TRUE;
}

static gboolean
is_named_by (X509 *cert, const Walk *w)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber (cert);
    const guint8 *name;
    gsize name_len;
    guint8 *der = NULL;
    int len = i2d_ASN1_INTEGER (serial, &der);
    gboolean same = len > 0 && der_is (&w->serial, der, (gsize) len) && X509_NAME_get0_der (X509_get_issuer_name (cert), &name, &name_len) == 1
                    && der_is (&w->issuer, name, name_len);
    OPENSSL_free (der);
    return same;
}

/* One certificate must bear that issuer and number, byte for byte (OpenSSL compares names without case). */
static gboolean
find_signer (Cades *self, const Walk *w, GError **error)
{
    for (int i = 0; i < sk_X509_num (self->certificates); i++) {
        X509 *cert = sk_X509_value (self->certificates, i);
        if (!is_named_by (cert, w))
            continue;
        if (self->signer != NULL)
            return refuse (error, "two certificates with the signer's issuer and number");
        X509_up_ref (cert);
        self->signer = cert;
    }
    return self->signer != NULL || refuse (error, "the signer's certificate isn't in it");
}

static gboolean
id_fits (const ESS_CERT_ID_V2 *id, X509 *cert, const EVP_MD *md, GError **error)
{
    /* OpenSSL hides the structure: what it is, its DER says. hashAlgorithm stands only where it isn't SHA-256 (RFC 5035). */
    guint8 *der = NULL, digest[EVP_MAX_MD_SIZE];
    guint digest_len = 0;
    int len = i2d_ESS_CERT_ID_V2 (id, &der);
    Der in = { der, len > 0 ? (gsize) len : 0 }, content, hash = { 0 };
    gboolean ok = X509_digest (cert, md, digest, &digest_len) == 1 && der_take (&in, DER_SEQUENCE, &content, NULL);
    if (ok && der_peek (&content) == DER_SEQUENCE)
        ok = der_take (&content, DER_SEQUENCE, NULL, NULL);
    ok = ok && der_take (&content, DER_OCTETS, &hash, NULL) && der_is (&hash, digest, digest_len);
    OPENSSL_free (der);
    return ok;
}

/* The signing-certificate-v2 attribute: the first hash is the signer's certificate's, every other one that of a certificate inside.
 * @bound marks the certificates so named. */
static gboolean
check_signing_certificate (const Cades *self, const Walk *w, const Suite *suite, gboolean *bound, GError **error)
{
    const EVP_MD *md = EVP_get_digestbyname (suite->digest);
    Der in = w->values[ATTR_CERTIFICATE], attribute, ids, whole;
    if (!der_take (&in, DER_SEQUENCE, &attribute, NULL) || in.len != 0 || !der_take (&attribute, DER_SEQUENCE, &ids, NULL) || attribute.len != 0 || ids.len == 0)
        return refuse (error, "its signing-certificate attribute can't be read");
    for (gboolean first = TRUE; ids.len > 0; first = FALSE) {
        const guint8 *p = ids.p;
        if (!der_take (&ids, DER_SEQUENCE, NULL, &whole))
            return refuse (error, "its signing-certificate attribute can't be read");
        ESS_CERT_ID_V2 *id = d2i_ESS_CERT_ID_V2 (NULL, &p, (long) whole.len);
        gboolean found = FALSE;
        for (int i = 0; id != NULL && i < sk_X509_num (self->certificates); i++) {
            X509 *cert = sk_X509_value (self->certificates, i);
            if ((!first || cert == self->signer) && id_fits (id, cert, md, NULL))
                found = bound[i] = TRUE;
        }
        ESS_CERT_ID_V2_free (id);
        if (!found)
            return refuse (error, first ? "its signing-certificate attribute names another certificate than the signer's" : "it names a certificate that isn't in it");
    }
    return TRUE;
}

/* Every certificate must be an issuer on the signer's way up, and its bytes be bound: by the signing-certificate attribute, by an issuer's signature that is
 * here too, or by its own where it is a root. */
static gboolean
check_chain (const Cades *self, const gboolean *bound, GError **error)
{
    int n = sk_X509_num (self->certificates);
    gboolean used[MAX_CERTS + 1] = { FALSE };
    X509 *top = self->signer;
    gboolean top_bound = FALSE;
    for (int left = n; left > 0; left--) {
        int at = 0;
        while (at < n && sk_X509_value (self->certificates, at) != top)
            at++;
        used[at] = TRUE;
        top_bound = bound[at] || is_self_signed (top);
        if (is_self_signed (top))
            break;
        X509 *issuer = NULL;
        for (int i = 0; i < n && issuer == NULL; i++) {
            X509 *candidate = sk_X509_value (self->certificates, i);
            if (!used[i] && X509_check_issued (candidate, top) == X509_V_OK && X509_verify (top, X509_get0_pubkey (candidate)) == 1)
                issuer = candidate;
        }
        if (issuer == NULL)
            break;
        top = issuer;
    }
    ERR_clear_error ();
    for (int i = 0; i < n; i++)
        if (!used[i])
            return refuse (error, "a certificate in it that is neither the signer's nor in its chain");
    return top_bound || refuse (error, "the topmost certificate in it is bound by nothing");
}

static gboolean
check_digest (const Walk *w, const Suite *suite, const void *data, gsize len, GError **error)
{
    guint8 digest[EVP_MAX_MD_SIZE];
    guint digest_len = 0;
    Der in = w->values[ATTR_DIGEST], value;
    if (EVP_Digest (data, len, digest, &digest_len, EVP_get_digestbyname (suite->digest), NULL) != 1)
        return crypto_fail (error, "hashing");
    if (!der_take (&in, DER_OCTETS, &value, NULL) || in.len != 0 || !der_is (&value, digest, digest_len))
        return refuse (error, CADES_OTHER_BYTES);
    return TRUE;
}

/* The signature is over the attributes as a SET (RFC 5652 5.4), not under their tag [0]. */
static gboolean
check_value (const Cades *self, const Walk *w, const Suite *suite, GError **error)
{
    g_autofree guint8 *attrs = g_memdup2 (w->attrs_whole.p, w->attrs_whole.len);
    EVP_PKEY *key = X509_get0_pubkey (self->signer);
    attrs[0] = DER_SET;
    if (EVP_PKEY_is_a (key, "RSA") && w->signature.len != (gsize) EVP_PKEY_get_size (key))
        return refuse (error, "its value has the wrong length");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    gboolean ok = EVP_DigestVerifyInit (ctx, NULL, EVP_get_digestbyname (suite->digest), NULL, key) == 1
                  && EVP_DigestVerify (ctx, w->signature.p, w->signature.len, attrs, w->attrs_whole.len) == 1;
    EVP_MD_CTX_free (ctx);
    return ok || refuse (error, "it doesn't verify");
}

/* Our walk has judged every byte; OpenSSL reads it once more as other programs will. */
static gboolean
check_with_openssl (const void *p7s, gsize p7s_len, const void *data, gsize len, GError **error)
{
    const guint8 *p = p7s;
    guint8 *again = NULL;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo (NULL, &p, (long) p7s_len);
    int again_len = cms != NULL ? i2d_CMS_ContentInfo (cms, &again) : -1;
    gboolean same = again_len == (int) p7s_len && memcmp (again, p7s, p7s_len) == 0;
    OPENSSL_free (again);
    BIO *content = BIO_new_mem_buf (data, (int) len);
    gboolean ok = same && CMS_verify (cms, NULL, NULL, content, NULL, CMS_BINARY | CMS_DETACHED | CMS_NO_SIGNER_CERT_VERIFY) == 1;
    BIO_free (content);
    CMS_ContentInfo_free (cms);
    return ok || refuse (error, same ? "it doesn't verify" : "not in DER's one form");
}

/* UTCTime or GeneralizedTime with seconds and Z. */
static gboolean
read_time (Cades *self, const Walk *w, GError **error)
{
    const Der *value = &w->values[ATTR_TIME];
    const guint8 *p = value->p;
    struct tm tm = { 0 };
    ASN1_TIME *time = d2i_ASN1_TIME (NULL, &p, (long) value->len);
    gboolean ok = time != NULL && p == value->p + value->len && ASN1_TIME_to_tm (time, &tm) == 1;
    ASN1_TIME_free (time);
    if (ok)
        self->signing_time = (gint64) timegm (&tm) * 1000;
    return ok || refuse (error, "its signing time can't be read");
}

static gboolean
check_timestamp (Cades *self, const Walk *w, GError **error)
{
    if (w->timestamp.p == NULL)
        return TRUE;
    gint64 when;
    if (!tsa_verify (w->timestamp.p, w->timestamp.len, TRUE, w->signature.p, w->signature.len, &when, NULL, error)) {
        g_prefix_error (error, "signature: its timestamp: ");
        return FALSE;
    }
    self->timestamp = g_bytes_new (w->timestamp.p, w->timestamp.len);
    return TRUE;
}

static gboolean
check_declaration (Cades *self, const Walk *w, gboolean countersignature, GError **error)
{
    Der in = w->values[ATTR_DECLARATION], digest;
    if (!countersignature)
        return TRUE;
    if (in.p == NULL)
        return refuse (error, "it holds no digest of a declaration: it is no countersignature of a signing service");
    if (!der_take (&in, DER_OCTETS, &digest, NULL) || in.len != 0 || digest.len != sizeof self->declaration_sha256)
        return refuse (error, "its digest of the declaration can't be read");
    memcpy (self->declaration_sha256, digest.p, digest.len);
    return TRUE;
}

static gboolean
check_all (Cades *self, Walk *w, const void *p7s, gsize p7s_len, const void *data, gsize len, gboolean countersignature, GError **error)
{
    gboolean bound[MAX_CERTS + 1] = { FALSE };
    if (!walk (w, p7s, p7s_len) || !walk_attributes (w, countersignature)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "signature: not a CAdES signature in the form that docs/formats.md allows");
        return FALSE;
    }
    if (!parse_certs (self, w->certs, error) || !find_signer (self, w, error))
        return FALSE;
    const Suite *suite = suite_of (self->signer);
    if (suite == NULL || !is_digest (&w->digests, suite) || !der_equal (&w->digests, &w->digest_alg) || !der_is (&w->signature_alg, suite->signature, suite->signature_len))
        return refuse (error, "its algorithms aren't the ones for this kind of key");
    if (!der_is (&w->values[ATTR_CONTENT_TYPE], encap_data, sizeof encap_data))
        return refuse (error, "its content type isn't id-data");
    self->spki_sha256 = signer_spki_sha256 (self->signer);
    return check_signing_certificate (self, w, suite, bound, error) && check_chain (self, bound, error) && check_digest (w, suite, data, len, error)
           && check_value (self, w, suite, error) && read_time (self, w, error) && check_with_openssl (p7s, p7s_len, data, len, error)
           && check_timestamp (self, w, error) && check_declaration (self, w, countersignature, error);
}

static Cades *
judge (const void *p7s, gsize p7s_len, const void *data, gsize len, gboolean countersignature, GError **error)
{
    if (p7s_len > CADES_MAX_LEN || len > G_MAXINT) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "signature: larger than %d bytes", CADES_MAX_LEN);
        return NULL;
    }
    g_autoptr (Cades) self = g_new0 (Cades, 1);
    Walk w = { 0 };
    gboolean ok = check_all (self, &w, p7s, p7s_len, data != NULL ? data : "", len, countersignature, error);
    ERR_clear_error ();
    return ok ? g_steal_pointer (&self) : NULL;
}

Cades *
cades_verify (const void *p7s, gsize p7s_len, const void *data, gsize len, GError **error)
{
    return judge (p7s, p7s_len, data, len, FALSE, error);
}

Cades *
cades_verify_countersignature (const void *p7s, gsize p7s_len, const void *data, gsize len, GError **error)
{
    return judge (p7s, p7s_len, data, len, TRUE, error);
}

GBytes *
cades_value (const void *p7s, gsize p7s_len)
{
    Walk w = { 0 };
    return p7s_len <= CADES_MAX_LEN && walk (&w, p7s, p7s_len) ? g_bytes_new (w.signature.p, w.signature.len) : NULL;
}

void
cades_free (Cades *self)
{
    if (self == NULL)
        return;
    X509_free (self->signer);
    sk_X509_pop_free (self->certificates, X509_free);
    g_free (self->spki_sha256);
    g_clear_pointer (&self->timestamp, g_bytes_unref);
    g_free (self);
}

/* Timestamps */

static GBytes *
with_timestamp (GBytes *p7s, GBytes *token, GError **error)
{
    gsize len, token_len;
    const guint8 *p = g_bytes_get_data (p7s, &len);
    const void *token_data = g_bytes_get_data (token, &token_len);
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo (NULL, &p, (long) len);
    STACK_OF(CMS_SignerInfo) *signers = cms != NULL ? CMS_get0_SignerInfos (cms) : NULL;
    guint8 *der = NULL;
    int der_len = -1;
    if (sk_CMS_SignerInfo_num (signers) == 1
        && CMS_unsigned_add1_attr_by_NID (sk_CMS_SignerInfo_value (signers, 0), NID_id_smime_aa_timeStampToken, V_ASN1_SEQUENCE, token_data, (int) token_len) == 1)
        der_len = i2d_CMS_ContentInfo (cms, &der);
    CMS_ContentInfo_free (cms);
    GBytes *result = der_len > 0 ? g_bytes_new (der, (gsize) der_len) : NULL;
    OPENSSL_free (der);
    if (result == NULL)
        crypto_fail (error, "putting a timestamp into a signature");
    return result;
}

GBytes *
cades_add_timestamp (GBytes *p7s, const char *tsa_url, guint timeout_ms, GError **error)
{
    gsize len;
    const void *data = g_bytes_get_data (p7s, &len);
    Walk w = { 0 };
    if (len > CADES_MAX_LEN || !walk (&w, data, len) || w.timestamp.p != NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "timestamp: not a signature without one");
        return NULL;
    }
    g_autoptr (GBytes) response = tsa_request (tsa_url, w.signature.p, w.signature.len, timeout_ms, error);
    if (response == NULL)
        return NULL;
    /* TimeStampResp ::= SEQUENCE { status, timeStampToken }, RFC 3161 2.4.2; tsa_request has judged it. */
    Der in = { g_bytes_get_data (response, NULL), g_bytes_get_size (response) }, content, token;
    if (!der_take (&in, DER_SEQUENCE, &content, NULL) || !der_take (&content, DER_SEQUENCE, NULL, NULL) || !der_take (&content, DER_SEQUENCE, NULL, &token)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "timestamp: the answer of %s can't be read", tsa_url);
        return NULL;
    }
    g_autoptr (GBytes) bytes = g_bytes_new (token.p, token.len);
    return with_timestamp (p7s, bytes, error);
}
