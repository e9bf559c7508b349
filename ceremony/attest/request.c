/* Evidence into a request: picks what is about the key out of the files that were collected, and writes it as the form wants it. */
#include "ceremony/attest/request.h"
#include "ceremony/attest/evidence.h"
#include "ceremony/base/der.h"
#include "ceremony/base/errors.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define CHAIN_MAX 8
#define DER_CONTEXT3 0xa3

static const char *const words[] = { "none", "yubico", "ietf" };

int
request_form (const char *word)
{
    for (guint i = 0; i < G_N_ELEMENTS (words); i++)
        if (strcmp (words[i], word) == 0)
            return (int) i;
    return -1;
}

const char *
request_form_word (RequestForm form)
{
    return words[form];
}

static gboolean
missing (GError **error, const char *what)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "the request can't carry the device's evidence: %s", what);
    return FALSE;
}

/* ── picking ── */

/* The certificate among the evidence that attests the key: not a CA's, and not signed by that key itself. */
static const AttestCert *
find_leaf (const Evidence *evidence, GBytes *spki)
{
    for (guint i = 0; i < evidence->certs->len; i++) {
        const AttestCert *cert = evidence->certs->pdata[i];
        if (spki_same (cert->spki, spki) && X509_check_ca (cert->x) == 0 && X509_check_issued (cert->x, cert->x) != X509_V_OK)
            return cert;
    }
    ERR_clear_error ();
    return NULL;
}

static const AttestCert *
find_issuer (const Evidence *evidence, const AttestCert *of)
{
    for (guint i = 0; i < evidence->certs->len; i++) {
        const AttestCert *cert = evidence->certs->pdata[i];
        EVP_PKEY *key = X509_get0_pubkey (cert->x);
        gboolean issued = cert != of && key != NULL && strcmp (cert->subject, of->issuer) == 0 && X509_verify (of->x, key) == 1;
        ERR_clear_error ();
        if (issued)
            return cert;
    }
    return NULL;
}

static gboolean
is_yubikey (const AttestCert *leaf)
{
    static const char *const oids[] = { "1.3.6.1.4.1.41482.3.3", "1.3.6.1.4.1.41482.3.7", "1.3.6.1.4.1.41482.3.8" };
    gsize len;
    guint n, found = 0;
    for (guint i = 0; i < G_N_ELEMENTS (oids); i++) {
        cert_extension (leaf, oids[i], &len, &n);
        found += n;
    }
    return found > 0;
}

static const AttestBlob *
find_blob (const Evidence *evidence, AttestBlobKind kind)
{
    for (guint i = 0; i < evidence->blobs->len; i++)
        if (((const AttestBlob *) evidence->blobs->pdata[i])->kind == kind)
            return evidence->blobs->pdata[i];
    return NULL;
}

/* ── DER ── */

static void
put_bytes (GByteArray *out, GBytes *bytes)
{
    g_byte_array_append (out, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
}

/* The element of @tag with @content, which is freed. */
static void
put_element (GByteArray *out, guint8 tag, GByteArray *content)
{
    guint len = content->len;
    guint8 head[6] = { tag };
    guint n = 1;
    if (len < 0x80) {
        head[n++] = (guint8) len;
    } else {
        guint bytes = len < 0x100 ? 1 : len < 0x10000 ? 2 : 3;
        head[n++] = (guint8) (0x80 | bytes);
        while (bytes-- > 0)
            head[n++] = (guint8) (len >> (8 * bytes));
    }
    g_byte_array_append (out, head, n);
    g_byte_array_append (out, content->data, len);
    g_byte_array_unref (content);
}

static void
put_octets (GByteArray *out, GBytes *bytes)
{
    GByteArray *content = g_byte_array_new ();
    put_bytes (content, bytes);
    put_element (out, DER_OCTETS, content);
}

static void
put_oid (GByteArray *out, const char *oid)
{
    ASN1_OBJECT *object = OBJ_txt2obj (oid, 1);
    guint8 *der = NULL;
    int len = i2d_ASN1_OBJECT (object, &der);
    g_byte_array_append (out, der, (guint) MAX (len, 0));
    OPENSSL_free (der);
    ASN1_OBJECT_free (object);
}

/* ── Yubico's form ── */

static gboolean
push_extension (STACK_OF(X509_EXTENSION) *list, const char *oid, GBytes *der)
{
    ASN1_OBJECT *object = OBJ_txt2obj (oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new ();
    ASN1_OCTET_STRING_set (value, g_bytes_get_data (der, NULL), (int) g_bytes_get_size (der));
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ (NULL, object, 0, value);
    ASN1_OBJECT_free (object);
    ASN1_OCTET_STRING_free (value);
    return extension != NULL && sk_X509_EXTENSION_push (list, extension) > 0;
}

static gboolean
add_yubico (X509_REQ *request, const Evidence *evidence, GBytes *spki, GError **error)
{
    const AttestCert *leaf = find_leaf (evidence, spki), *device = leaf != NULL ? find_issuer (evidence, leaf) : NULL;
    if (leaf == NULL || !is_yubikey (leaf))
        return missing (error, "there is no YubiKey's attestation of this key among it, and Yubico's extensions hold nothing else (attestation: ietf may)");
    if (device == NULL)
        return missing (error, "the YubiKey's own certificate (slot f9), which signed the attestation, isn't among it: give it too");
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null ();
    gboolean ok = push_extension (list, REQUEST_OID_YUBICO, leaf->der) && push_extension (list, REQUEST_OID_YUBICO_DEVICE, device->der)
                  && X509_REQ_add_extensions (request, list) == 1;
    sk_X509_EXTENSION_pop_free (list, X509_EXTENSION_free);
    return ok || crypto_fail (error, "putting the attestation into the request");
}

/* ── the draft's form ── */

/* AttestationStatement ::= SEQUENCE { type OBJECT IDENTIFIER, stmt ANY } */
static void
put_statement (GByteArray *list, const char *type, GByteArray *stmt)
{
    GByteArray *statement = g_byte_array_new ();
    put_oid (statement, type);
    g_byte_array_append (statement, stmt->data, stmt->len);
    g_byte_array_unref (stmt);
    put_element (list, DER_SEQUENCE, statement);
}

static void
put_certificate (GByteArray *statements, GByteArray *certs, const Evidence *evidence, const AttestCert *leaf)
{
    GByteArray *stmt = g_byte_array_new ();
    put_bytes (stmt, leaf->der);
    put_statement (statements, is_yubikey (leaf) ? REQUEST_OID_YUBICO : REQUEST_OID_CERTIFICATE, stmt);
    const AttestCert *at = leaf;
    for (guint i = 0; i < CHAIN_MAX && (at = find_issuer (evidence, at)) != NULL && X509_check_issued (at->x, at->x) != X509_V_OK; i++)
        put_bytes (certs, at->der);
    ERR_clear_error ();
}

/* What a TPM certifies is a name: the digest, by the area's own algorithm (its third and fourth byte), of the key's public area. */
static gboolean
is_certified (const AttestBlob *attest, const AttestBlob *area)
{
    gsize len, attest_len;
    const guint8 *p = g_bytes_get_data (area->bytes, &len), *all = g_bytes_get_data (attest->bytes, &attest_len);
    const EVP_MD *md = len < 4 || p[2] != 0 ? NULL : p[3] == 0x0b ? EVP_sha256 () : p[3] == 0x0c ? EVP_sha384 () : p[3] == 0x0d ? EVP_sha512 () : NULL;
    guint8 digest[EVP_MAX_MD_SIZE];
    guint n = 0;
    gsize skip = attest_len < 8 ? attest_len : 8 + ((gsize) all[6] << 8 | all[7]);     /* magic, type, and the signer, whose name isn't what is certified */
    return md != NULL && skip < attest_len && EVP_Digest (p, len, digest, &n, md, NULL) == 1 && memmem (all + skip, attest_len - skip, digest, n) != NULL;
}

/* The public areas beside the certified key's, among them the attestation key's, go with the certificates, as OtherCertificateFormat (RFC 5652 10.2.2). */
static void
put_tpm (GByteArray *statements, GByteArray *certs, const Evidence *evidence, const AttestBlob *attest, const AttestBlob *signature)
{
    GByteArray *content = g_byte_array_new (), *stmt = g_byte_array_new ();
    put_octets (content, attest->bytes);
    put_octets (content, signature->bytes);
    for (guint i = 0; i < evidence->blobs->len; i++) {
        const AttestBlob *blob = evidence->blobs->pdata[i];
        if (blob->kind != BLOB_TPM_PUBLIC)
            continue;
        if (is_certified (attest, blob)) {
            put_octets (content, blob->bytes);
        } else {
            GByteArray *other = g_byte_array_new ();
            put_oid (other, REQUEST_OID_TPM_AK);
            put_octets (other, blob->bytes);
            put_element (certs, DER_CONTEXT3, other);
        }
    }
    put_element (stmt, DER_SEQUENCE, content);
    put_statement (statements, REQUEST_OID_TPM, stmt);
    for (guint i = 0; i < evidence->certs->len; i++)
        put_bytes (certs, ((const AttestCert *) evidence->certs->pdata[i])->der);
}

/* AttestationBundle ::= SEQUENCE { attestations SEQUENCE OF AttestationStatement, certs SEQUENCE OF LimitedCertChoices OPTIONAL } */
static gboolean
add_ietf (X509_REQ *request, const Evidence *evidence, GBytes *spki, GError **error)
{
    const AttestCert *leaf = find_leaf (evidence, spki);
    const AttestBlob *attest = find_blob (evidence, BLOB_TPM_ATTEST), *signature = find_blob (evidence, BLOB_TPM_SIGNATURE);
    if (leaf == NULL && (attest == NULL || signature == NULL))
        return missing (error, "there is neither a certificate that attests this key among it nor a TPM's certification, and the draft has no type of statement for other kinds");
    g_autoptr (GByteArray) whole = g_byte_array_new ();
    GByteArray *bundle = g_byte_array_new (), *statements = g_byte_array_new (), *certs = g_byte_array_new ();
    if (leaf != NULL)
        put_certificate (statements, certs, evidence, leaf);
    else
        put_tpm (statements, certs, evidence, attest, signature);
    put_element (bundle, DER_SEQUENCE, statements);
    if (certs->len > 0)
        put_element (bundle, DER_SEQUENCE, certs);
    else
        g_byte_array_unref (certs);
    put_element (whole, DER_SEQUENCE, bundle);
    ASN1_OBJECT *oid = OBJ_txt2obj (REQUEST_OID_IETF, 1);
    gboolean ok = X509_REQ_add1_attr_by_OBJ (request, oid, V_ASN1_SEQUENCE, whole->data, (int) whole->len) == 1;
    ASN1_OBJECT_free (oid);
    return ok || crypto_fail (error, "putting the attestation into the request");
}

X509_REQ *
request_carrying (RequestForm form, GPtrArray *inputs, GBytes *spki, GError **error)
{
    g_autoptr (Evidence) evidence = evidence_read (inputs, NULL, error);
    X509_REQ *request = evidence != NULL ? X509_REQ_new () : NULL;
    gboolean ok = request != NULL && (form == REQUEST_YUBICO ? add_yubico (request, evidence, spki, error) : form == REQUEST_IETF ? add_ietf (request, evidence, spki, error)
                                                                                                                                : missing (error, "none was asked for"));
    if (ok)
        return request;
    X509_REQ_free (request);
    return NULL;
}

static gboolean
has_extension (X509_REQ *request, const char *oid)
{
    STACK_OF(X509_EXTENSION) *list = X509_REQ_get_extensions (request);
    ASN1_OBJECT *object = OBJ_txt2obj (oid, 1);
    gboolean found = list != NULL && X509v3_get_ext_by_OBJ (list, object, -1) >= 0;
    ASN1_OBJECT_free (object);
    sk_X509_EXTENSION_pop_free (list, X509_EXTENSION_free);
    return found;
}

RequestForm
request_carries (GBytes *csr)
{
    const guint8 *p = g_bytes_get_data (csr, NULL);
    X509_REQ *request = d2i_X509_REQ (NULL, &p, (long) g_bytes_get_size (csr));
    ASN1_OBJECT *oid = OBJ_txt2obj (REQUEST_OID_IETF, 1);
    RequestForm form = REQUEST_PLAIN;
    if (request != NULL && X509_REQ_get_attr_by_OBJ (request, oid, -1) >= 0)
        form = REQUEST_IETF;
    else if (request != NULL && (has_extension (request, REQUEST_OID_YUBICO) || has_extension (request, "1.3.6.1.4.1.41482.3.11")))
        form = REQUEST_YUBICO;
    ASN1_OBJECT_free (oid);
    X509_REQ_free (request);
    ERR_clear_error ();
    return form;
}

static gboolean
holds_cert (const Evidence *evidence, const AttestCert *wanted)
{
    for (guint i = 0; i < evidence->certs->len; i++)
        if (g_bytes_equal (((const AttestCert *) evidence->certs->pdata[i])->der, wanted->der))
            return TRUE;
    return FALSE;
}

static gboolean
holds_blob (const Evidence *evidence, const AttestBlob *wanted)
{
    for (guint i = 0; i < evidence->blobs->len; i++) {
        const AttestBlob *blob = evidence->blobs->pdata[i];
        if (blob->kind == wanted->kind && g_bytes_equal (blob->bytes, wanted->bytes))
            return TRUE;
    }
    return FALSE;
}

gboolean
request_carries_only (GBytes *csr, GPtrArray *inputs)
{
    g_autoptr (GPtrArray) none = attest_inputs_new ();
    g_autoptr (Evidence) carried = evidence_read (none, csr, NULL), given = evidence_read (inputs, NULL, NULL);
    gboolean all = carried != NULL && given != NULL;
    for (guint i = 0; all && i < carried->certs->len; i++)
        all = holds_cert (given, carried->certs->pdata[i]);
    for (guint i = 0; all && i < carried->blobs->len; i++)
        all = holds_blob (given, carried->blobs->pdata[i]);
    return all;
}
