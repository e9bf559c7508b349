/* A certification authority of the test's own, for evidence that no vendor ever made: certificates with chosen names, extensions and keys,
 * and anchors with a vendor's name over them. */
#pragma once
#include "ceremony/attest/attest.h"
#include "ceremony/base/encode.h"
#include <openssl/evp.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

typedef struct { const char *oid; const char *hex; gboolean critical; } Ext;   /* raw content of an extension */

typedef struct {
    const char *subject, *issuer;               /* "CN=a", "C=US/O=b/CN=c" */
    EVP_PKEY   *key, *signer;
    const char *basic, *usage, *eku;            /* OpenSSL's extension words; NULL: none */
    const Ext  *ext;                            /* ends with a NULL oid; may be NULL */
    int         version1;
    long        from, to;                       /* days from now; 0, 0: ten years around now */
    EVP_PKEY   *raw_key;
} CertSpec;

static inline EVP_PKEY *pki_ec (void) { return EVP_EC_gen ("P-256"); }

static inline X509_NAME *pki_name (const char *text)
{
    X509_NAME *name = X509_NAME_new ();
    g_auto (GStrv) parts = g_strsplit (text, "/", -1);
    for (char **p = parts; *p; p++) {
        char *eq = strchr (*p, '=');
        *eq = 0;
        g_assert_true (X509_NAME_add_entry_by_txt (name, *p, MBSTRING_UTF8, (const guint8 *) eq + 1, -1, -1, 0));
    }
    return name;
}

static inline void pki_word (X509 *x, int nid, const char *value)
{
    if (!value)
        return;
    X509_EXTENSION *ext = X509V3_EXT_conf_nid (NULL, NULL, nid, value);
    g_assert_nonnull (ext);
    X509_add_ext (x, ext, -1);
    X509_EXTENSION_free (ext);
}

static inline void pki_raw (X509 *x, const Ext *e)
{
    g_autoptr (GBytes) data = hex_decode (e->hex, NULL);
    g_assert_nonnull (data);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new ();
    ASN1_OCTET_STRING_set (value, g_bytes_get_data (data, NULL), (int) g_bytes_get_size (data));
    ASN1_OBJECT *object = OBJ_txt2obj (e->oid, 1);
    X509_EXTENSION *ext = X509_EXTENSION_create_by_OBJ (NULL, object, e->critical, value);
    X509_add_ext (x, ext, -1);
    X509_EXTENSION_free (ext);
    ASN1_OBJECT_free (object);
    ASN1_OCTET_STRING_free (value);
}

static inline GBytes *pki_cert (const CertSpec *spec)
{
    static int serial = 1000;
    X509 *x = X509_new ();
    X509_set_version (x, spec->version1 ? X509_VERSION_1 : X509_VERSION_3);
    ASN1_INTEGER_set (X509_get_serialNumber (x), serial++);
    X509_NAME *subject = pki_name (spec->subject), *issuer = pki_name (spec->issuer);
    X509_set_subject_name (x, subject);
    X509_set_issuer_name (x, issuer);
    X509_gmtime_adj (X509_getm_notBefore (x), (spec->from || spec->to ? spec->from : -3650) * 86400L);
    X509_gmtime_adj (X509_getm_notAfter (x), (spec->from || spec->to ? spec->to : 3650) * 86400L);
    X509_set_pubkey (x, spec->key);
    pki_word (x, NID_basic_constraints, spec->basic);
    pki_word (x, NID_key_usage, spec->usage);
    pki_word (x, NID_ext_key_usage, spec->eku);
    for (const Ext *e = spec->ext; e && e->oid; e++)
        pki_raw (x, e);
    g_assert_cmpint (X509_sign (x, spec->signer, EVP_sha256 ()), >, 0);
    guint8 *der = NULL;
    int n = i2d_X509 (x, &der);
    GBytes *bytes = g_bytes_new (der, (gsize) n);
    OPENSSL_free (der);
    X509_free (x);
    X509_NAME_free (subject);
    X509_NAME_free (issuer);
    return bytes;
}

static inline GBytes *pki_spki (EVP_PKEY *key)
{
    guint8 *der = NULL;
    int n = i2d_PUBKEY (key, &der);
    GBytes *bytes = g_bytes_new (der, (gsize) n);
    OPENSSL_free (der);
    return bytes;
}

static inline GBytes *pki_csr (EVP_PKEY *key)
{
    X509_REQ *req = X509_REQ_new ();
    guint8 *der = NULL;
    X509_REQ_set_pubkey (req, key);
    X509_NAME *name = pki_name ("CN=subscriber");
    X509_REQ_set_subject_name (req, name);
    g_assert_cmpint (X509_REQ_sign (req, key, EVP_sha256 ()), >, 0);
    int n = i2d_X509_REQ (req, &der);
    GBytes *bytes = g_bytes_new (der, (gsize) n);
    OPENSSL_free (der);
    X509_REQ_free (req);
    X509_NAME_free (name);
    return bytes;
}

static inline void pki_anchor (GString *yaml, const char *use, const char *rfc2253, EVP_PKEY *key)
{
    g_autoptr (GBytes) spki = pki_spki (key);
    g_autofree char *text = base64_encode (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki));
    if (!yaml->len)
        g_string_append (yaml, "anchors:\n");
    g_string_append_printf (yaml, "  - {vendor: Test, use: %s, name: \"%s\", spki: \"%s\", source: test}\n", use, rfc2253, text);
}

static inline AttestAnchors *pki_anchors (const GString *yaml)
{
    g_autoptr (GError) error = NULL;
    AttestAnchors *anchors = attest_anchors_parse (yaml->str, yaml->len, &error);
    g_assert_no_error (error);
    return anchors;
}

static inline void pki_give (GPtrArray *inputs, const char *name, GBytes *bytes)
{
    g_ptr_array_add (inputs, attest_input_new (name, bytes));
    g_bytes_unref (bytes);
}

/* NULL @reason: genuine; else refused with a reason that holds this text. Takes the inputs. */
static inline AttestResult *pki_expect_at (const char *where, int line, GPtrArray *inputs, const AttestAnchors *anchors, const char *reason)
{
    g_autoptr (GError) error = NULL;
    AttestResult *r = attest_verify (inputs, NULL, NULL, NULL, anchors, &error);
    g_ptr_array_unref (inputs);
    if (error)
        g_error ("%s:%d: %s", where, line, error->message);
    if (r->genuine != (reason == NULL) || (reason && !strstr (r->reason, reason)))
        g_error ("%s:%d: %s: %s (expected %s)", where, line, r->genuine ? "genuine" : "refused", r->reason, reason ? reason : "genuine");
    return r;
}
#define pki_expect(inputs, anchors, reason) attest_result_free (pki_expect_at (__func__, __LINE__, inputs, anchors, reason))
