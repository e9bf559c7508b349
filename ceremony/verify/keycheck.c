/* Takes a request, certificate or public key apart and lets the judges at it; see keycheck.h. */
#include "ceremony/verify/keycheck-internal.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

static const guint8 oid_rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01 };
static const guint8 oid_rsa_pss[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a };
static const guint8 oid_ec[] = { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 };

static void
finding_free (KeyFinding *self)
{
    g_free (self->reason);
    g_free (self);
}

void
keycheck_free (KeyCheck *self)
{
    if (!self)
        return;
    g_ptr_array_unref (self->findings);
    g_free (self->algorithm);
    g_free (self->curve);
    g_free (self->exponent);
    g_free (self->signature);
    g_clear_pointer (&self->spki, g_bytes_unref);
    g_free (self);
}

static KeyCheck *
keycheck_new (void)
{
    KeyCheck *self = g_new0 (KeyCheck, 1);
    self->accept = TRUE;
    self->findings = g_ptr_array_new_with_free_func ((GDestroyNotify) finding_free);
    return self;
}

static void
add (KeyCheck *self, const char *id, const char *clause, gboolean warning, char *reason)
{
    KeyFinding *f = g_new0 (KeyFinding, 1);
    *f = (KeyFinding) { id, clause, reason, warning };
    g_ptr_array_add (self->findings, f);
    self->accept &= warning;
}

void
keycheck_find (KeyCheck *self, const char *id, const char *clause, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    add (self, id, clause, FALSE, g_strdup_vprintf (format, args));
    va_end (args);
}

void
keycheck_warn (KeyCheck *self, const char *id, const char *clause, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    add (self, id, clause, TRUE, g_strdup_vprintf (format, args));
    va_end (args);
}

typedef struct { Der whole, oid, parameters, key; } Spki;

/* SubjectPublicKeyInfo, RFC 5280 4.1.2.7: the next element of @in. */
static gboolean
take_spki (Der *in, Spki *out)
{
    Der at = *in, body, algorithm, bits;
    guint8 tag;
    if (!der_next (&at, &tag, &body, &out->whole) || tag != DER_SEQUENCE || !der_take (&body, DER_SEQUENCE, &algorithm, NULL) ||
        !der_take (&algorithm, DER_OID, &out->oid, NULL) || !der_take (&body, DER_BIT_STRING, &bits, NULL) || body.len || bits.len < 1 || bits.p[0] != 0)
        return FALSE;
    out->parameters = algorithm;
    out->key = (Der) { bits.p + 1, bits.len - 1 };
    *in = at;
    return TRUE;
}

/* CertificationRequest, RFC 2986 4.2. */
static gboolean
read_request (Der in, Spki *spki)
{
    Der body, info, skip;
    return der_only (in.p, in.len, DER_SEQUENCE, &body) && der_take (&body, DER_SEQUENCE, &info, NULL) && der_take (&info, DER_INTEGER, &skip, NULL) &&
           der_take (&info, DER_SEQUENCE, &skip, NULL) && take_spki (&info, spki) && (info.len == 0 || der_take (&info, 0xa0, &skip, NULL)) && info.len == 0 &&
           der_take (&body, DER_SEQUENCE, &skip, NULL) && der_take (&body, DER_BIT_STRING, &skip, NULL) && body.len == 0;
}

/* Certificate, RFC 5280 4.1. */
static gboolean
read_certificate (Der in, Spki *spki)
{
    Der body, tbs, skip;
    if (!der_only (in.p, in.len, DER_SEQUENCE, &body) || !der_take (&body, DER_SEQUENCE, &tbs, NULL))
        return FALSE;
    der_take (&tbs, 0xa0, &skip, NULL);
    return der_take (&tbs, DER_INTEGER, &skip, NULL) && der_take (&tbs, DER_SEQUENCE, &skip, NULL) && der_take (&tbs, DER_SEQUENCE, &skip, NULL) &&
           der_take (&tbs, DER_SEQUENCE, &skip, NULL) && der_take (&tbs, DER_SEQUENCE, &skip, NULL) && take_spki (&tbs, spki) &&
           der_take (&body, DER_SEQUENCE, &skip, NULL) && der_take (&body, DER_BIT_STRING, &skip, NULL) && body.len == 0;
}

static gboolean
read_spki (Der in, Spki *spki)
{
    return take_spki (&in, spki) && in.len == 0;
}

/* PKCS#1 RSAPublicKey alone: two INTEGERs. */
static gboolean
read_pkcs1 (Der in)
{
    Der body, n, e;
    return der_only (in.p, in.len, DER_SEQUENCE, &body) && der_take (&body, DER_INTEGER, &n, NULL) && der_take (&body, DER_INTEGER, &e, NULL) && body.len == 0;
}

/* PKCS#8 (version, algorithm), PKCS#1 (version, nine integers), SEC 1 (version, octets), encrypted PKCS#8 (algorithm, octets), PKCS#12 (version 3). */
static gboolean
looks_private (Der in)
{
    Der body, first, second, third;
    guint8 t1, t2, t3;
    if (!der_only (in.p, in.len, DER_SEQUENCE, &body) || !der_next (&body, &t1, &first, NULL) || !der_next (&body, &t2, &second, NULL))
        return FALSE;
    if (t1 == DER_SEQUENCE && t2 == DER_OCTETS && body.len == 0)
        return TRUE;
    if (t1 != DER_INTEGER || first.len != 1 || !der_next (&body, &t3, &third, NULL))
        return t1 == DER_INTEGER && first.len == 1 && first.p[0] == 1 && t2 == DER_OCTETS;
    return (first.p[0] <= 1 && ((t2 == DER_SEQUENCE && t3 == DER_OCTETS) || (t2 == DER_INTEGER && t3 == DER_INTEGER) || t2 == DER_OCTETS)) ||
           (first.p[0] == 3 && t2 == DER_SEQUENCE && t3 == DER_SEQUENCE);
}

static KeyCheck *
private_given (void)
{
    KeyCheck *self = keycheck_new ();
    self->input = "private-key";
    keycheck_find (self, "private-key-given", "6.1.1.3", "this is a private key, and it was not read further; a private key that lies in a file may "
                   "be in other hands already, so no certificate should be issued for it. Give the request or the public key");
    return self;
}

static void
judge_key (KeyCheck *self, const Spki *spki, const KeyCheckLists *lists)
{
    self->spki = g_bytes_new (spki->whole.p, spki->whole.len);
    g_autofree char *digest = sha256_hex (spki->whole.p, spki->whole.len);
    if (der_is (&spki->oid, oid_rsa, sizeof oid_rsa) || der_is (&spki->oid, oid_rsa_pss, sizeof oid_rsa_pss)) {
        self->algorithm = g_strdup ("rsa");
        if (der_is (&spki->oid, oid_rsa_pss, sizeof oid_rsa_pss))
            keycheck_warn (self, "rsa-pss-identifier", "7.1.3.1", "the key is marked as one for RSASSA-PSS alone, which many programs don't read");
        keycheck_rsa (self, spki->key, lists);
    } else if (der_is (&spki->oid, oid_ec, sizeof oid_ec)) {
        self->algorithm = g_strdup ("ec");
        keycheck_ec (self, spki->parameters, spki->key);
    } else {
        const guint8 *start = spki->oid.p - 2, *p = start;
        ASN1_OBJECT *object = spki->oid.len < 0x80 ? d2i_ASN1_OBJECT (NULL, &p, (long) spki->oid.len + 2) : NULL;
        char name[80] = "unknown";
        if (object)
            OBJ_obj2txt (name, sizeof name, object, 0);
        ASN1_OBJECT_free (object);
        ERR_clear_error ();
        self->algorithm = g_strdup (name);
        keycheck_find (self, "algorithm", "6.1.5.2", "the key's algorithm is %s; only RSA and ECDSA are allowed", name);
    }
    if (keycheck_lists_compromised (lists, digest))
        keycheck_find (self, "known-compromised", "6.1.1.3", "this key is known to be compromised");
}

/* The digest of a signature algorithm, NID_undef where it has none or it can't be told. */
static int
signature_digest (const X509_ALGOR *alg)
{
    const ASN1_OBJECT *object;
    const void *value;
    int type, digest = NID_undef, pkey;
    X509_ALGOR_get0 (&object, &type, &value, alg);
    int nid = OBJ_obj2nid (object);
    if (nid == NID_rsassaPss) {
        RSA_PSS_PARAMS *pss = type == V_ASN1_SEQUENCE ? ASN1_item_unpack (value, ASN1_ITEM_rptr (RSA_PSS_PARAMS)) : NULL;
        const ASN1_OBJECT *hash = NULL;
        if (pss && pss->hashAlgorithm)
            X509_ALGOR_get0 (&hash, NULL, NULL, pss->hashAlgorithm);
        digest = hash ? OBJ_obj2nid (hash) : NID_sha1;  /* RFC 4055: the default */
        RSA_PSS_PARAMS_free (pss);
    } else if (nid != NID_undef)
        OBJ_find_sigid_algs (nid, &digest, &pkey);
    return digest;
}

static void
judge_signature (KeyCheck *self, Der der)
{
    const guint8 *p = der.p;
    X509_REQ *req = d2i_X509_REQ (NULL, &p, (long) der.len);
    const X509_ALGOR *alg = NULL;
    const ASN1_OBJECT *object = NULL;
    char name[80] = "unknown";
    if (!req || p != der.p + der.len) {
        keycheck_find (self, "csr-malformed", "3.2.1", "the request can't be read whole, so its signature can't be checked");
        X509_REQ_free (req);
        ERR_clear_error ();
        return;
    }
    X509_REQ_get0_signature (req, NULL, &alg);
    X509_ALGOR_get0 (&object, NULL, NULL, alg);
    OBJ_obj2txt (name, sizeof name, object, 0);
    self->signature = g_strdup (name);
    int digest = signature_digest (alg);
    EVP_PKEY *key = X509_REQ_get0_pubkey (req);
    if (digest == NID_sha1 || digest == NID_md5 || digest == NID_md2 || digest == NID_md4 || digest == NID_mdc2 || digest == NID_ripemd160)
        keycheck_find (self, "csr-signature-algorithm", "7.1.3.2", "the request is signed with %s, whose digest %s proves nothing any more", name, OBJ_nid2ln (digest));
    if (!key || X509_REQ_verify (req, key) != 1)
        keycheck_find (self, "csr-signature", "3.2.1", "the request isn't signed by its own key, so nobody has shown to hold the private key");
    X509_REQ_free (req);
    ERR_clear_error ();
}

static KeyCheck *
judge_der (Der in, const KeyCheckLists *lists)
{
    Spki spki = { 0 };
    gboolean request = read_request (in, &spki), certificate = !request && read_certificate (in, &spki);
    if (!request && !certificate && !read_spki (in, &spki)) {
        if (looks_private (in))
            return private_given ();
        if (!read_pkcs1 (in))
            return NULL;
        g_autoptr (GByteArray) wrapped = g_byte_array_new ();
        X509_PUBKEY *pub = X509_PUBKEY_new ();
        guint8 *out = NULL;
        X509_PUBKEY_set0_param (pub, OBJ_nid2obj (NID_rsaEncryption), V_ASN1_NULL, NULL, OPENSSL_memdup (in.p, in.len), (int) in.len);
        int n = i2d_X509_PUBKEY (pub, &out);
        g_byte_array_append (wrapped, out, (guint) MAX (n, 0));
        OPENSSL_free (out);
        X509_PUBKEY_free (pub);
        in = (Der) { wrapped->data, wrapped->len };
        KeyCheck *self = read_spki (in, &spki) ? keycheck_new () : NULL;
        if (self) {
            self->input = "public-key";
            judge_key (self, &spki, lists);
        }
        return self;
    }
    KeyCheck *self = keycheck_new ();
    self->input = request ? "request" : certificate ? "certificate" : "public-key";
    judge_key (self, &spki, lists);
    if (request)
        judge_signature (self, in);
    return self;
}

static gboolean
judgeable (const char *label)
{
    static const char *const labels[] = { PEM_STRING_X509, PEM_STRING_X509_OLD, PEM_STRING_X509_TRUSTED, PEM_STRING_X509_REQ, PEM_STRING_X509_REQ_OLD,
                                          PEM_STRING_PUBLIC, PEM_STRING_RSA_PUBLIC, NULL };
    return g_strv_contains (labels, label);
}

/* The first block that holds a key; a private key anywhere decides, whatever stands before it. */
static KeyCheck *
judge_pem (const char *data, gsize len, const KeyCheckLists *lists, GError **error)
{
    if (g_strstr_len (data, (gssize) len, "PRIVATE KEY-----"))
        return private_given ();
    BIO *bio = BIO_new_mem_buf (data, (int) len);
    char *label = NULL, *header = NULL;
    guint8 *body = NULL;
    long n;
    guint blocks = 0;
    KeyCheck *self = NULL;
    while (blocks < 64 && PEM_read_bio (bio, &label, &header, &body, &n)) {
        if (judgeable (label) && blocks++ == 0)
            self = judge_der ((Der) { body, (gsize) n }, lists);
        OPENSSL_free (label);
        OPENSSL_free (header);
        OPENSSL_free (body);
    }
    BIO_free (bio);
    ERR_clear_error ();
    if (blocks > 1) {
        g_clear_pointer (&self, keycheck_free);
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%u keys in one file: give them one at a time", blocks);
    } else if (!self)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "its PEM block is damaged, cut off, or holds no request, certificate or public key");
    return self;
}

static gboolean
looks_base64 (const char *p, gsize n)
{
    gsize chars = 0;
    for (gsize i = 0; i < n; i++)
        if (g_ascii_isalnum (p[i]) || (p[i] && strchr ("+/=", p[i])))
            chars++;
        else if (!g_ascii_isspace (p[i]))
            return FALSE;
    return chars >= 64;
}

KeyCheck *
keycheck (const void *data, gsize len, const KeyCheckLists *lists, GError **error)
{
    const char *p = data;
    if (len > KEYCHECK_MAX_LEN) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "larger than a request, certificate or key can be");
        return NULL;
    }
    if (len && g_strstr_len (p, (gssize) len, "-----BEGIN "))
        return judge_pem (p, len, lists, error);
    g_autofree guchar *decoded = NULL;
    if (len && looks_base64 (p, len)) {
        g_autofree char *text = g_strndup (p, len);
        decoded = g_base64_decode (text, &len);
        p = (const char *) decoded;
    }
    KeyCheck *self = len ? judge_der ((Der) { (const guint8 *) p, len }, lists) : NULL;
    if (!self)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, len ? "neither a request nor a certificate nor a public key, in PEM or DER; it may be damaged" : "empty");
    return self;
}

KeyCheck *
keycheck_spki (GBytes *spki, const KeyCheckLists *lists, GError **error)
{
    gsize n;
    const guint8 *p = g_bytes_get_data (spki, &n);
    Spki parts = { 0 };
    if (!read_spki ((Der) { p, n }, &parts)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "not a SubjectPublicKeyInfo");
        return NULL;
    }
    KeyCheck *self = keycheck_new ();
    self->input = "public-key";
    judge_key (self, &parts, lists);
    return self;
}

static void
set_text (json_t *object, const char *key, const char *value)
{
    if (value)
        json_object_set_new (object, key, json_string (value));
}

json_t *
keycheck_json (const KeyCheck *self)
{
    json_t *object = json_object (), *findings = json_array (), *key = json_object ();
    for (guint i = 0; i < self->findings->len; i++) {
        const KeyFinding *f = self->findings->pdata[i];
        json_array_append_new (findings, json_pack ("{s:s, s:s, s:s, s:s}", "id", f->id, "clause", f->clause, "reason", f->reason, "severity",
                                                    f->warning ? "warning" : "error"));
    }
    g_autofree char *digest = self->spki ? sha256_hex (g_bytes_get_data (self->spki, NULL), g_bytes_get_size (self->spki)) : NULL;
    set_text (key, "algorithm", self->algorithm);
    set_text (key, "curve", self->curve);
    set_text (key, "exponent", self->exponent);
    set_text (key, "spki_sha256", digest);
    if (self->spki)
        json_object_set_new (key, "bits", json_integer (self->bits));
    json_object_set_new (object, "verdict", json_string (self->accept ? "accept" : "refuse"));
    json_object_set_new (object, "findings", findings);
    json_object_set_new (object, "key", key);
    set_text (object, "input", self->input);
    set_text (object, "signature_algorithm", self->signature);
    return object;
}
