/* Sorts files by what their bytes are; see evidence.h. */
#include "ceremony/attest/evidence.h"
#include "ceremony/attest/request.h"
#include "ceremony/base/der.h"
#include "ceremony/base/errors.h"
#include <gio/gio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <string.h>

typedef struct {
    Evidence  *ev;
    const char *file;
    GPtrArray *unknown;                         /* AttestBlob: perhaps a detached signature, if there is something that wants one */
} Sorter;

static void
cert_free (AttestCert *self)
{
    X509_free (self->x);
    g_bytes_unref (self->der);
    g_bytes_unref (self->spki);
    g_free (self->subject);
    g_free (self->issuer);
    g_free (self->file);
    g_free (self);
}

static void
csr_free (AttestCsr *self)
{
    X509_REQ_free (self->req);
    g_bytes_unref (self->der);
    g_bytes_unref (self->spki);
    g_free (self->file);
    g_free (self);
}

static void
blob_free (AttestBlob *self)
{
    g_bytes_unref (self->bytes);
    g_free (self->file);
    g_free (self);
}

void
evidence_free (Evidence *self)
{
    if (!self)
        return;
    g_ptr_array_unref (self->certs);
    g_ptr_array_unref (self->csrs);
    g_ptr_array_unref (self->keys);
    g_ptr_array_unref (self->blobs);
    g_free (self);
}

static char *
name_text (const X509_NAME *name)
{
    BIO *bio = BIO_new (BIO_s_mem ());
    char *data = NULL;
    X509_NAME_print_ex (bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    long n = BIO_get_mem_data (bio, &data);
    char *text = n > 0 ? g_utf8_make_valid (data, n) : g_strdup ("");
    BIO_free (bio);
    return text;
}

static GBytes *
pubkey_der (X509_PUBKEY *key)
{
    guint8 *out = NULL;
    int n = key ? i2d_X509_PUBKEY (key, &out) : -1;
    if (n <= 0)
        return NULL;
    GBytes *bytes = g_bytes_new (out, (gsize) n);
    OPENSSL_free (out);
    return bytes;
}

static void
add_blob (Sorter *s, AttestBlobKind kind, const void *data, gsize len)
{
    AttestBlob *blob = g_new0 (AttestBlob, 1);
    *blob = (AttestBlob) { kind, g_bytes_new (data, len), g_strdup (s->file) };
    g_ptr_array_add (s->ev->blobs, blob);
}

/* TRUE where the element is a certificate; it may be refused for their number. */
static gboolean
add_cert (Sorter *s, const guint8 *der, gsize len, GError **error)
{
    const guint8 *p = der;
    X509 *x = d2i_X509 (NULL, &p, (long) len);
    GBytes *spki = x && p == der + len ? pubkey_der (X509_get_X509_PUBKEY (x)) : NULL;
    ERR_clear_error ();
    if (!spki) {
        X509_free (x);
        return FALSE;
    }
    AttestCert *cert = g_new0 (AttestCert, 1);
    *cert = (AttestCert) { x, g_bytes_new (der, len), spki, name_text (X509_get_subject_name (x)), name_text (X509_get_issuer_name (x)),
                           g_strdup (s->file) };
    for (guint i = 0; i < s->ev->certs->len; i++)
        if (g_bytes_equal (((AttestCert *) s->ev->certs->pdata[i])->der, cert->der)) {
            cert_free (cert);
            return TRUE;
        }
    g_ptr_array_add (s->ev->certs, cert);
    if (s->ev->certs->len > EVIDENCE_MAX_CERTS)
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "%s: more than %d certificates; give those of one device", s->file, EVIDENCE_MAX_CERTS);
    return TRUE;
}

static const char *const embedded_oids[] = {
    "1.3.6.1.4.1.41482.3.1",                    /* attestation, yubico-piv-tool */
    "1.3.6.1.4.1.41482.3.2",                    /* the device's certificate (slot F9) */
    "1.3.6.1.4.1.41482.3.11",                   /* attestation, as TameMyCerts and older scripts put it */
};

/* id-aa-attestation of draft-ietf-lamps-csr-attestation: the certificates that its bundle carries, wherever they stand in it. */
static void
collect_nested (Sorter *s, Der in, guint depth)
{
    Der content, whole;
    guint8 tag;
    while (depth < 8 && s->ev->certs->len < EVIDENCE_MAX_CERTS && der_next (&in, &tag, &content, &whole))
        if (!(tag == DER_SEQUENCE && add_cert (s, whole.p, whole.len, NULL)) && (tag & 0x20))
            collect_nested (s, content, depth + 1);
}

static gboolean sort_tpm (Sorter *s, const guint8 *p, gsize n);

static gboolean
is_oid (Der content, const char *oid)
{
    ASN1_OBJECT *object = OBJ_txt2obj (oid, 1);
    gboolean same = der_is (&content, OBJ_get0_data (object), OBJ_length (object));
    ASN1_OBJECT_free (object);
    return same;
}

/* A TPM's certification in the draft's bundle: the statement's octet strings, and the attestation key among the certificates. What isn't of that form is left alone. */
static void
collect_tpm (Sorter *s, Der in, guint depth)
{
    Der content, octets;
    guint8 tag;
    for (guint n = 0; depth < 6 && n < EVIDENCE_MAX_CERTS && s->ev->blobs->len < EVIDENCE_MAX_CERTS && der_next (&in, &tag, &content, NULL); n++) {
        Der parts = content, oid, stmt;
        if ((tag == DER_SEQUENCE || tag == 0xa3) && der_take (&parts, DER_OID, &oid, NULL)) {
            if (tag == DER_SEQUENCE && is_oid (oid, REQUEST_OID_TPM) && der_take (&parts, DER_SEQUENCE, &stmt, NULL) && parts.len == 0)
                for (guint i = 0; i < 3 && der_take (&stmt, DER_OCTETS, &octets, NULL); i++)
                    sort_tpm (s, octets.p, octets.len);
            else if (tag == 0xa3 && is_oid (oid, REQUEST_OID_TPM_AK) && der_take (&parts, DER_OCTETS, &octets, NULL) && parts.len == 0)
                sort_tpm (s, octets.p, octets.len);
        } else if (tag == DER_SEQUENCE || tag == DER_SET) {
            collect_tpm (s, content, depth + 1);
        }
    }
}

static void
csr_embedded (Sorter *s, X509_REQ *req)
{
    STACK_OF (X509_EXTENSION) *exts = X509_REQ_get_extensions (req);
    for (int i = 0; exts && i < sk_X509_EXTENSION_num (exts); i++) {
        X509_EXTENSION *ext = sk_X509_EXTENSION_value (exts, i);
        char oid[64];
        OBJ_obj2txt (oid, sizeof oid, X509_EXTENSION_get_object (ext), 1);
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data (ext);
        for (guint k = 0; k < G_N_ELEMENTS (embedded_oids); k++)
            if (strcmp (oid, embedded_oids[k]) == 0)
                add_cert (s, ASN1_STRING_get0_data (value), (gsize) ASN1_STRING_length (value), NULL);
    }
    sk_X509_EXTENSION_pop_free (exts, X509_EXTENSION_free);
    ASN1_OBJECT *draft = OBJ_txt2obj ("1.2.840.113549.1.9.16.2.59", 1);
    int at = X509_REQ_get_attr_by_OBJ (req, draft, -1);
    ASN1_OBJECT_free (draft);
    if (at >= 0) {
        guint8 *out = NULL;
        int n = i2d_X509_ATTRIBUTE (X509_REQ_get_attr (req, at), &out);
        if (n > 0) {
            collect_nested (s, (Der) { out, (gsize) n }, 0);
            Der attribute = { out, (gsize) n }, values;
            if (der_take (&attribute, DER_SEQUENCE, &values, NULL) && der_take (&values, DER_OID, NULL, NULL))
                collect_tpm (s, values, 0);
        }
        OPENSSL_free (out);
    }
    ERR_clear_error ();
}

static gboolean
add_csr (Sorter *s, const guint8 *der, gsize len)
{
    const guint8 *p = der;
    X509_REQ *req = d2i_X509_REQ (NULL, &p, (long) len);
    GBytes *spki = req && p == der + len ? pubkey_der (X509_REQ_get_X509_PUBKEY (req)) : NULL;
    if (!spki) {
        X509_REQ_free (req);
        ERR_clear_error ();
        return FALSE;
    }
    EVP_PKEY *key = X509_REQ_get0_pubkey (req);
    AttestCsr *csr = g_new0 (AttestCsr, 1);
    *csr = (AttestCsr) { req, g_bytes_new (der, len), spki, key && X509_REQ_verify (req, key) == 1, g_strdup (s->file) };
    g_ptr_array_add (s->ev->csrs, csr);
    csr_embedded (s, req);
    ERR_clear_error ();
    return TRUE;
}

static gboolean
add_pkcs7 (Sorter *s, const guint8 *der, gsize len, GError **error)
{
    const guint8 *p = der;
    PKCS7 *p7 = d2i_PKCS7 (NULL, &p, (long) len);
    gboolean ok = p7 && p == der + len && PKCS7_type_is_signed (p7) && p7->d.sign && p7->d.sign->cert;
    for (int i = 0; ok && i < sk_X509_num (p7->d.sign->cert); i++) {
        guint8 *out = NULL;
        GError *inner = NULL;
        int n = i2d_X509 (sk_X509_value (p7->d.sign->cert, i), &out);
        ok = n > 0 && add_cert (s, out, (gsize) n, &inner) && !inner;
        OPENSSL_free (out);
        if (inner)
            g_propagate_error (error, inner);
    }
    PKCS7_free (p7);
    ERR_clear_error ();
    return ok;
}

static gboolean
add_key (Sorter *s, const guint8 *der, gsize len)
{
    const guint8 *p = der;
    X509_PUBKEY *key = d2i_X509_PUBKEY (NULL, &p, (long) len);
    GBytes *spki = key && p == der + len ? pubkey_der (key) : NULL;
    X509_PUBKEY_free (key);
    ERR_clear_error ();
    if (spki)
        g_ptr_array_add (s->ev->keys, spki);
    return spki != NULL;
}

/* PKCS#8, PKCS#1 and SEC 1 private keys begin with a SEQUENCE whose first element is the INTEGER 0 or 1; so does no other thing we read. */
static gboolean
looks_private (const guint8 *der, gsize len)
{
    Der in = { der, len }, seq, version, second;
    guint8 tag;
    return der_take (&in, DER_SEQUENCE, &seq, NULL) && der_take (&seq, DER_INTEGER, &version, NULL) && version.len == 1 && version.p[0] <= 1 &&
           der_next (&seq, &tag, &second, NULL) && (tag == DER_INTEGER || tag == DER_SEQUENCE || tag == DER_OCTETS);
}

static gboolean
refuse_private (Sorter *s, GError **error)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: this is a private key, and it was not read further; a key that lies in a file doesn't "
                 "live in a device: give the attestation", s->file);
    return FALSE;
}

static gboolean
sort_der (Sorter *s, const guint8 *data, gsize len, gboolean *known, GError **error)
{
    g_autoptr (GError) inner = NULL;
    *known = TRUE;
    if (add_csr (s, data, len) || add_key (s, data, len) || add_pkcs7 (s, data, len, &inner))
        return TRUE;
    if (inner) {
        g_propagate_error (error, g_steal_pointer (&inner));
        return FALSE;
    }
    if (looks_private (data, len))
        return refuse_private (s, error);
    Der in = { data, len }, content, whole;
    guint count = 0;
    while (in.len && der_next (&in, NULL, &content, &whole) && add_cert (s, whole.p, whole.len, &inner) && !inner)
        count++;
    if (inner) {
        g_propagate_error (error, g_steal_pointer (&inner));
        return FALSE;
    }
    *known = count > 0 && in.len == 0;
    if (count > 0 && in.len > 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: bytes after the certificate that are no certificate", s->file);
        return FALSE;
    }
    return TRUE;
}

static gboolean
sort_pem_block (Sorter *s, const char *label, const guint8 *data, gsize len, GError **error)
{
    GError *inner = NULL;
    gboolean ok;
    if (g_str_has_suffix (label, "PRIVATE KEY"))
        return refuse_private (s, error);
    if (g_str_equal (label, PEM_STRING_X509) || g_str_equal (label, PEM_STRING_X509_OLD))
        ok = add_cert (s, data, len, &inner);
    else if (g_str_equal (label, PEM_STRING_X509_REQ) || g_str_equal (label, PEM_STRING_X509_REQ_OLD))
        ok = add_csr (s, data, len);
    else if (g_str_equal (label, PEM_STRING_PKCS7) || g_str_equal (label, PEM_STRING_CMS))
        ok = add_pkcs7 (s, data, len, &inner);
    else if (g_str_equal (label, PEM_STRING_PUBLIC))
        ok = add_key (s, data, len);
    else {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: a PEM block \"%s\" has no place among attestations", s->file, label);
        return FALSE;
    }
    if (inner) {
        g_propagate_error (error, inner);
        return FALSE;
    }
    if (!ok)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: the PEM block \"%s\" doesn't hold what it says", s->file, label);
    return ok;
}

static guint
count_begins (const char *data, gsize len)
{
    guint n = 0;
    for (const char *p = data; (p = g_strstr_len (p, (gssize) (len - (gsize) (p - data)), "-----BEGIN ")); p += 11)
        n++;
    return n;
}

static gboolean
sort_pem (Sorter *s, const char *data, gsize len, GError **error)
{
    BIO *bio = BIO_new_mem_buf (data, (int) len);
    char *label = NULL, *header = NULL;
    guint8 *body = NULL;
    long n;
    guint blocks = 0;
    gboolean ok = TRUE;
    while (ok && blocks < EVIDENCE_MAX_CERTS * 2 && PEM_read_bio (bio, &label, &header, &body, &n)) {
        ok = sort_pem_block (s, label, body, (gsize) n, error);
        OPENSSL_free (label);
        OPENSSL_free (header);
        OPENSSL_clear_free (body, (size_t) n);
        blocks++;
    }
    BIO_free (bio);
    ERR_clear_error ();
    if (ok && blocks != count_begins (data, len)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: a PEM block is damaged or cut off", s->file);
        return FALSE;
    }
    return ok;
}

/* One gzip member, and not a byte after it. */
static GBytes *
inflate_gzip (Sorter *s, const guint8 *data, gsize len, GError **error)
{
    g_autoptr (GConverter) gz = G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
    g_autofree guint8 *out = g_malloc (EVIDENCE_MAX_INFLATED + 1);
    gsize used = 0, made = 0;
    GConverterResult result = G_CONVERTER_CONVERTED;
    while (result == G_CONVERTER_CONVERTED && made <= EVIDENCE_MAX_INFLATED) {
        gsize read = 0, written = 0;
        result = g_converter_convert (gz, data + used, len - used, out + made, EVIDENCE_MAX_INFLATED + 1 - made, G_CONVERTER_INPUT_AT_END, &read, &written, NULL);
        used += read;
        made += written;
    }
    if (made > EVIDENCE_MAX_INFLATED) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "%s: inflates to more than %d bytes", s->file, EVIDENCE_MAX_INFLATED);
        return NULL;
    }
    if (result != G_CONVERTER_FINISHED || used != len) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: the gzip file is damaged, cut off, or followed by something else", s->file);
        return NULL;
    }
    return g_bytes_new (out, made);
}

static guint32
be32 (const guint8 *p)
{
    return (guint32) p[0] << 24 | (guint32) p[1] << 16 | (guint32) p[2] << 8 | p[3];
}

static guint
be16 (const guint8 *p)
{
    return (guint) p[0] << 8 | p[1];
}

/* Marvell's response header: four 32-bit words, the first 0 (success), the third the whole length (firmware 3.x). */
static gboolean
looks_marvell (const guint8 *p, gsize n)
{
    return n > 256 + 32 && be32 (p) == 0 && be32 (p + 8) == n;
}

static gboolean tpm_hash (guint alg) { return alg == 0x0004 || (alg >= 0x000b && alg <= 0x000d); }

/* TPM 2.0 part 2: TPMS_ATTEST starts with TPM_GENERATED_VALUE, TPMT_PUBLIC with type and nameAlg, TPMT_SIGNATURE with scheme and hash.
 * Tools write the first bare or as TPM2B, the second mostly as TPM2B, the third bare. */
static gboolean
sort_tpm (Sorter *s, const guint8 *p, gsize n)
{
    const guint8 *q = p;
    gsize m = n;
    if (n >= 4 && be16 (p) == n - 2)
        q = p + 2, m = n - 2;
    if (m >= 6 && memcmp (q, "\xff\x54\x43\x47", 4) == 0)
        add_blob (s, BLOB_TPM_ATTEST, q, m);
    else if (m >= 10 && (be16 (q) == 0x0001 || be16 (q) == 0x0023) && tpm_hash (be16 (q + 2)))
        add_blob (s, BLOB_TPM_PUBLIC, q, m);
    else if (n >= 6 && (be16 (p) == 0x0014 || be16 (p) == 0x0016 || be16 (p) == 0x0018) && tpm_hash (be16 (p + 2)))
        add_blob (s, BLOB_TPM_SIGNATURE, p, n);
    else
        return FALSE;
    return TRUE;
}

static gboolean
is_base64_text (const guint8 *p, gsize n)
{
    gsize chars = 0;
    for (gsize i = 0; i < n; i++)
        if (g_ascii_isalnum (p[i]) || (p[i] && strchr ("+/-_=", p[i])))
            chars++;
        else if (!g_ascii_isspace (p[i]))
            return FALSE;
    return chars >= 64;
}

static gboolean
sort_bytes (Sorter *s, const guint8 *p, gsize n, guint depth, GError **error)
{
    gboolean known = FALSE;
    if (n >= 3 && memcmp (p, "\xef\xbb\xbf", 3) == 0)
        p += 3, n -= 3;
    if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b && depth == 0) {
        g_autoptr (GBytes) plain = inflate_gzip (s, p, n, error);
        return plain && sort_bytes (s, g_bytes_get_data (plain, NULL), g_bytes_get_size (plain), 1, error);
    }
    if (n >= 4 && memcmp (p, "PK\x03\x04", 4) == 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: a ZIP archive; unpack it and give the files in it", s->file);
        return FALSE;
    }
    if (g_strstr_len ((const char *) p, (gssize) n, "-----BEGIN "))
        return sort_pem (s, (const char *) p, n, error);
    gsize blank = 0;
    while (blank < n && g_ascii_isspace (p[blank]))
        blank++;
    if (blank < n && p[blank] == '<') {
        add_blob (s, BLOB_XML, p, n);
        return TRUE;
    }
    if (n && p[0] == DER_SEQUENCE && !sort_der (s, p, n, &known, error))
        return FALSE;
    if (known)
        return TRUE;
    if (sort_tpm (s, p, n))
        return TRUE;
    if (looks_marvell (p, n)) {
        add_blob (s, BLOB_MARVELL, p, n);
        return TRUE;
    }
    if (depth < 2 && is_base64_text (p, n)) {
        g_autofree char *text = g_strdelimit (g_strdelimit (g_strndup ((const char *) p, n), "-", '+'), "_", '/');
        gsize len;
        g_autofree guchar *raw = g_base64_decode (text, &len);
        return sort_bytes (s, raw, len, 2, error);
    }
    if (depth == 1 && n > 256) {                /* gzip is Marvell's wrapping: an older layout has no mark of its own */
        add_blob (s, BLOB_MARVELL, p, n);
        return TRUE;
    }
    AttestBlob *blob = g_new0 (AttestBlob, 1);
    *blob = (AttestBlob) { BLOB_SIGNATURE, g_bytes_new (p, n), g_strdup (s->file) };
    g_ptr_array_add (s->unknown, blob);
    return TRUE;
}

/* Bytes without a form of their own are a detached signature, if there is one document that wants one. */
static gboolean
settle_unknown (Sorter *s, GError **error)
{
    gboolean wanted = FALSE;
    for (guint i = 0; i < s->ev->blobs->len; i++)
        wanted |= ((AttestBlob *) s->ev->blobs->pdata[i])->kind == BLOB_XML;
    for (guint i = 0; i < s->unknown->len; i++) {
        AttestBlob *blob = s->unknown->pdata[i];
        gsize n = g_bytes_get_size (blob->bytes);
        if (!wanted || s->unknown->len > 1 || n < 32 || n > 1024) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: not a form of attestation, certificate or request that this program knows; "
                         "it may be damaged or cut off", blob->file);
            return FALSE;
        }
    }
    if (s->unknown->len)
        g_ptr_array_add (s->ev->blobs, g_ptr_array_steal_index (s->unknown, 0));
    return TRUE;
}

static gboolean
sort_all (Sorter *s, GPtrArray *inputs, GBytes *csr, GError **error)
{
    for (guint i = 0; i < inputs->len; i++) {
        AttestInput *in = inputs->pdata[i];
        gsize n;
        const guint8 *p = g_bytes_get_data (in->bytes, &n);
        s->file = in->name;
        if (n == 0 || n > ATTEST_MAX_INPUT_LEN) {
            g_set_error (error, BASE_ERROR, n ? BASE_ERROR_LIMIT : BASE_ERROR_FORMAT, n ? "%s: larger than an attestation can be" : "%s: empty", s->file);
            return FALSE;
        }
        if (!sort_bytes (s, p, n, 0, error))
            return FALSE;
    }
    s->file = "the request";
    if (csr && !add_csr (s, g_bytes_get_data (csr, NULL), g_bytes_get_size (csr))) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "the request: not a PKCS#10 certificate request");
        return FALSE;
    }
    return settle_unknown (s, error);
}

Evidence *
evidence_read (GPtrArray *inputs, GBytes *csr, GError **error)
{
    if (inputs->len > ATTEST_MAX_INPUTS) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "more than %d files", ATTEST_MAX_INPUTS);
        return NULL;
    }
    g_autoptr (Evidence) ev = g_new0 (Evidence, 1);
    ev->certs = g_ptr_array_new_with_free_func ((GDestroyNotify) cert_free);
    ev->csrs = g_ptr_array_new_with_free_func ((GDestroyNotify) csr_free);
    ev->keys = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
    ev->blobs = g_ptr_array_new_with_free_func ((GDestroyNotify) blob_free);
    g_autoptr (GPtrArray) unknown = g_ptr_array_new_with_free_func ((GDestroyNotify) blob_free);
    Sorter s = { ev, NULL, unknown };
    return sort_all (&s, inputs, csr, error) ? g_steal_pointer (&ev) : NULL;
}

gboolean
spki_same (GBytes *a, GBytes *b)
{
    if (!a || !b)
        return FALSE;
    if (g_bytes_equal (a, b))
        return TRUE;
    const guint8 *pa = g_bytes_get_data (a, NULL), *pb = g_bytes_get_data (b, NULL);
    EVP_PKEY *ka = d2i_PUBKEY (NULL, &pa, (long) g_bytes_get_size (a)), *kb = d2i_PUBKEY (NULL, &pb, (long) g_bytes_get_size (b));
    gboolean same = ka && kb && EVP_PKEY_eq (ka, kb) == 1;
    EVP_PKEY_free (ka);
    EVP_PKEY_free (kb);
    ERR_clear_error ();
    return same;
}

const guint8 *
cert_extension (const AttestCert *cert, const char *oid, gsize *len, guint *n)
{
    ASN1_OBJECT *object = OBJ_txt2obj (oid, 1);
    int first = X509_get_ext_by_OBJ (cert->x, object, -1);
    int second = first >= 0 ? X509_get_ext_by_OBJ (cert->x, object, first) : -1;
    ASN1_OBJECT_free (object);
    *len = 0;
    *n = first < 0 ? 0 : second < 0 ? 1 : 2;
    if (*n != 1)
        return NULL;
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data (X509_get_ext (cert->x, first));
    *len = (gsize) ASN1_STRING_length (value);
    return ASN1_STRING_get0_data (value);
}

char *
cert_cn (const AttestCert *cert)
{
    X509_NAME *name = X509_get_subject_name (cert->x);
    int at = X509_NAME_get_index_by_NID (name, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID (name, NID_commonName, at) >= 0)
        return NULL;
    guint8 *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8 (&utf8, X509_NAME_ENTRY_get_data (X509_NAME_get_entry (name, at)));
    char *text = n > 0 && !memchr (utf8, 0, (size_t) n) ? g_strndup ((const char *) utf8, (gsize) n) : NULL;
    OPENSSL_free (utf8);
    return text;
}
