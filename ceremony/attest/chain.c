/* Path building and checking; see chain.h. */
#include "ceremony/attest/chain.h"
#include "ceremony/base/der.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define MAX_DEPTH 8
#define MAX_SIGNATURES 512

typedef struct {
    const Evidence      *ev;
    const AttestAnchors *anchors;
    const ChainRules    *rules;
    Chain               *out;
    guint                signatures;
    char                *reason;
    int                  weight;                /* of the reason: what was nearest to holding is told */
} Walk;

void
chain_clear (Chain *self)
{
    g_clear_pointer (&self->path, g_ptr_array_unref);
    g_clear_pointer (&self->exceptions, g_ptr_array_unref);
}

G_GNUC_PRINTF (3, 4)
static void
complain (Walk *w, int weight, const char *format, ...)
{
    if (weight <= w->weight)
        return;
    va_list args;
    va_start (args, format);
    g_free (w->reason);
    w->reason = g_strdup_vprintf (format, args);
    w->weight = weight;
    va_end (args);
}

/* The INTEGER @in as an unsigned number: its octets with a zero before them where the first bit is set. */
static gboolean
unsigned_integer (Der in, guint8 *out, gsize *n)
{
    if (in.len < 1 || in.len > 72)
        return FALSE;
    gsize at = 0;
    out[at++] = DER_INTEGER;
    out[at++] = (guint8) (in.len + (in.p[0] >> 7));
    if (in.p[0] & 0x80)
        out[at++] = 0;
    memcpy (out + at, in.p, in.len);
    *n = at + in.len;
    return TRUE;
}

/* Gives the signature with r and s read as unsigned; NULL where it isn't an ECDSA signature, or needs no help. */
static GBytes *
unsigned_ecdsa (Der sig)
{
    Der seq, r, s;
    guint8 body[160], out[168];
    gsize rn, sn;
    if (!der_only (sig.p, sig.len, DER_SEQUENCE, &seq) || !der_take (&seq, DER_INTEGER, &r, NULL) || !der_take (&seq, DER_INTEGER, &s, NULL) || seq.len ||
        !r.len || !s.len || !((r.p[0] | s.p[0]) & 0x80) || !unsigned_integer (r, body, &rn) || !unsigned_integer (s, body + rn, &sn))
        return NULL;
    gsize n = 0;
    out[n++] = DER_SEQUENCE;
    if (rn + sn >= 0x80)
        out[n++] = 0x81;
    out[n++] = (guint8) (rn + sn);
    memcpy (out + n, body, rn + sn);
    return g_bytes_new (out, n + rn + sn);
}

static gboolean
signed_by_unsigned (const AttestCert *cert, EVP_PKEY *key)
{
    const ASN1_BIT_STRING *sig = NULL;
    const X509_ALGOR *alg = NULL;
    X509_get0_signature (&sig, &alg, cert->x);
    int digest = NID_undef, pkey = NID_undef;
    Der in = { g_bytes_get_data (cert->der, NULL), g_bytes_get_size (cert->der) }, body, tbs_content, tbs;
    if (!OBJ_find_sigid_algs (X509_get_signature_nid (cert->x), &digest, &pkey) || pkey != NID_X9_62_id_ecPublicKey ||
        !der_take (&in, DER_SEQUENCE, &body, NULL) || !der_next (&body, NULL, &tbs_content, &tbs))
        return FALSE;
    g_autoptr (GBytes) fixed = unsigned_ecdsa ((Der) { ASN1_STRING_get0_data (sig), (gsize) ASN1_STRING_length (sig) });
    if (!fixed)
        return FALSE;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    gboolean ok = EVP_DigestVerifyInit (ctx, NULL, EVP_get_digestbynid (digest), NULL, key) == 1 &&
                  EVP_DigestVerify (ctx, g_bytes_get_data (fixed, NULL), g_bytes_get_size (fixed), tbs.p, tbs.len) == 1;
    EVP_MD_CTX_free (ctx);
    ERR_clear_error ();
    return ok;
}

/* SHA-1 and older prove nothing any more. */
static gboolean
weak_digest (const AttestCert *cert)
{
    int digest = NID_undef, pkey;
    return OBJ_find_sigid_algs (X509_get_signature_nid (cert->x), &digest, &pkey) &&
           (digest == NID_sha1 || digest == NID_md5 || digest == NID_md4 || digest == NID_md2 || digest == NID_mdc2);
}

gboolean
cert_signed_by (const AttestCert *cert, EVP_PKEY *key, gboolean allow_negative, gboolean *negative)
{
    if (negative)
        *negative = FALSE;
    if (!key || weak_digest (cert))
        return FALSE;
    int ok = X509_verify (cert->x, key);
    ERR_clear_error ();
    if (ok == 1)
        return TRUE;
    if (!allow_negative || !signed_by_unsigned (cert, key))
        return FALSE;
    if (negative)
        *negative = TRUE;
    return TRUE;
}

static gboolean
known_critical (const ChainRules *rules, X509_EXTENSION *ext)
{
    switch (OBJ_obj2nid (X509_EXTENSION_get_object (ext))) {
    case NID_basic_constraints:
    case NID_key_usage:
        return TRUE;
    default:
        break;
    }
    char oid[80];
    OBJ_obj2txt (oid, sizeof oid, X509_EXTENSION_get_object (ext), 1);
    return rules->critical && g_strv_contains (rules->critical, oid);
}

static gboolean
dates_and_extensions (Walk *w, const AttestCert *c, gint64 now)
{
    time_t at = (time_t) now;
    if (X509_cmp_time (X509_get0_notBefore (c->x), &at) != -1) {
        complain (w, 60, "the certificate %s isn't valid yet on that day", c->subject);
        return FALSE;
    }
    if (X509_cmp_time (X509_get0_notAfter (c->x), &at) != 1) {
        complain (w, 60, "the certificate %s has expired", c->subject);
        return FALSE;
    }
    for (int i = 0; i < X509_get_ext_count (c->x); i++) {
        X509_EXTENSION *ext = X509_get_ext (c->x, i);
        if (X509_EXTENSION_get_critical (ext) && !known_critical (w->rules, ext)) {
            char oid[80];
            OBJ_obj2txt (oid, sizeof oid, X509_EXTENSION_get_object (ext), 1);
            complain (w, 60, "the certificate %s has a critical extension %s that this program doesn't know", c->subject, oid);
            return FALSE;
        }
    }
    return TRUE;
}

/* RFC 5280 4.2.1.9 and 4.2.1.3 for the issuer at @at of the path, with the vendor's exceptions. */
static gboolean
issuer_constraints (Walk *w, guint at)
{
    const AttestCert *c = w->out->path->pdata[at];
    ChainAllow allow = w->rules->allow ? w->rules->allow (c, at + 1 == w->out->path->len) : 0;
    guint32 flags = X509_get_extension_flags (c->x);
    BASIC_CONSTRAINTS *bc = X509_get_ext_d2i (c->x, NID_basic_constraints, NULL, NULL);
    gboolean present = X509_get_ext_by_NID (c->x, NID_basic_constraints, -1) >= 0, ca = bc && bc->ca;
    BASIC_CONSTRAINTS_free (bc);
    if (X509_get_version (c->x) == X509_VERSION_1) {
        if (!(allow & CHAIN_ALLOW_V1)) {
            complain (w, 60, "the issuer %s has a certificate of version 1, which can't make it a CA", c->subject);
            return FALSE;
        }
        g_ptr_array_add (w->out->exceptions, g_strdup_printf ("version-1-issuer: %s is an X.509 v1 certificate and can't say that it is a CA", c->subject));
        return TRUE;
    }
    if (!present && allow & CHAIN_ALLOW_NO_BASIC_CONSTRAINTS)
        g_ptr_array_add (w->out->exceptions, g_strdup_printf ("no-basic-constraints: %s doesn't say that it is a CA", c->subject));
    else if (!ca) {
        complain (w, 60, "the issuer %s isn't a CA", c->subject);
        return FALSE;
    }
    if ((flags & EXFLAG_KUSAGE) && !(X509_get_key_usage (c->x) & KU_KEY_CERT_SIGN)) {
        complain (w, 60, "the issuer %s may not sign certificates (its key usage)", c->subject);
        return FALSE;
    }
    long pathlen = X509_get_pathlen (c->x);
    if (present && pathlen >= 0 && (long) at - 1 > pathlen) {
        complain (w, 60, "the path under %s is longer than it allows", c->subject);
        return FALSE;
    }
    return TRUE;
}

static gboolean
path_holds (Walk *w)
{
    gint64 now = anchors_time (w->anchors);
    g_ptr_array_set_size (w->out->exceptions, 0);
    for (guint i = 0; i < w->out->path->len; i++)
        if (!dates_and_extensions (w, w->out->path->pdata[i], now) || (i > 0 && !issuer_constraints (w, i)))
            return FALSE;
    return TRUE;
}

static gboolean
check_signature (Walk *w, const AttestCert *cert, EVP_PKEY *key)
{
    return w->signatures++ < MAX_SIGNATURES && cert_signed_by (cert, key, w->rules->negative_ecdsa, NULL);
}

static gboolean
to_anchor (Walk *w, const AttestCert *cur)
{
    for (guint i = 0; i < w->anchors->rows->len; i++) {
        const AttestAnchor *a = w->anchors->rows->pdata[i];
        if (!g_str_equal (a->use, w->rules->use) || !g_str_equal (a->name, cur->issuer))
            continue;
        if (!check_signature (w, cur, a->key)) {
            complain (w, 50, weak_digest (cur) ? "the certificate %s is signed with a digest that proves nothing any more (issuer %s)" :
                             "the certificate %s names %s as its issuer, but isn't signed by that vendor's key", cur->subject, cur->issuer);
            continue;
        }
        w->out->anchor = a;
        if (path_holds (w))
            return TRUE;
    }
    return FALSE;
}

static gboolean
on_path (const Walk *w, const AttestCert *cert)
{
    return g_ptr_array_find (w->out->path, cert, NULL);
}

static gboolean
climb (Walk *w, const AttestCert *cur)
{
    g_ptr_array_add (w->out->path, (gpointer) cur);
    if (to_anchor (w, cur))
        return TRUE;
    gboolean named = FALSE;
    for (guint i = 0; i < w->ev->certs->len && w->out->path->len < MAX_DEPTH; i++) {
        const AttestCert *up = w->ev->certs->pdata[i];
        if (X509_NAME_cmp (X509_get_subject_name (up->x), X509_get_issuer_name (cur->x)) != 0)
            continue;
        if (on_path (w, up)) {
            if (up == cur && check_signature (w, cur, X509_get0_pubkey (up->x))) {
                complain (w, 10 + (int) w->out->path->len, "there is no vendor root: %s is signed by itself and isn't an anchor of this vendor", cur->subject);
                named = TRUE;
            }
            continue;
        }
        named = TRUE;
        if (!check_signature (w, cur, X509_get0_pubkey (up->x)))
            complain (w, 30, "the certificate %s isn't signed by the key of %s that was given", cur->subject, up->subject);
        else if (climb (w, up))
            return TRUE;
    }
    if (!named)
        complain (w, 10 + (int) w->out->path->len, "there is no vendor root: the issuer of %s, %s, is neither among the files nor an anchor of this vendor",
                  cur->subject, cur->issuer);
    g_ptr_array_set_size (w->out->path, (gint) w->out->path->len - 1);
    return FALSE;
}

gboolean
chain_find (const Evidence *ev, const AttestCert *leaf, const AttestAnchors *anchors, const ChainRules *rules, Chain *out, char **reason)
{
    out->path = g_ptr_array_new ();
    out->exceptions = g_ptr_array_new_with_free_func (g_free);
    Walk w = { ev, anchors, rules, out, 0, NULL, -1 };
    gboolean ok = climb (&w, leaf);
    for (guint i = 0; ok && i < out->path->len; i++) {
        gboolean negative = FALSE;
        EVP_PKEY *key = i + 1 < out->path->len ? X509_get0_pubkey (((AttestCert *) out->path->pdata[i + 1])->x) : out->anchor->key;
        cert_signed_by (out->path->pdata[i], key, rules->negative_ecdsa, &negative);
        if (negative)
            g_ptr_array_add (out->exceptions, g_strdup_printf ("negative-ecdsa-integer: the signature on %s writes r or s as a negative INTEGER",
                                                               ((AttestCert *) out->path->pdata[i])->subject));
    }
    out->nearness = w.weight;
    if (ok)
        g_free (w.reason);
    else
        *reason = w.reason ? w.reason : g_strdup ("no path to an anchor");
    return ok;
}
