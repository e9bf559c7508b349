/* Making and reading a signing service's countersignature. Who may give one is trust's matter, what its declaration is worth verify's. */
#include "ceremony/bundle/countersignature.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#define TSA_TIMEOUT_MS 30000

static gboolean
refuse (GError **error, const char *what)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "%s", what);
    return FALSE;
}

/* One block, and nothing behind it that a reader of the text could take for part of what was signed. */
static X509_REQ *
read_pem (const char *data, gsize len)
{
    BIO *bio = BIO_new_mem_buf (data, (int) len);
    X509_REQ *request = bio != NULL && g_str_has_prefix (data, "-----BEGIN ") ? PEM_read_bio_X509_REQ (bio, NULL, NULL, NULL) : NULL;
    char rest[64];
    for (int n = request != NULL ? BIO_read (bio, rest, sizeof rest) : 0; n > 0; n = request != NULL ? BIO_read (bio, rest, sizeof rest) : 0)
        for (int i = 0; i < n && request != NULL; i++)
            if (!g_ascii_isspace (rest[i]))
                g_clear_pointer (&request, X509_REQ_free);
    BIO_free (bio);
    return request;
}

static X509_REQ *
read_der (const guint8 *data, gsize len)
{
    const guint8 *p = data;
    X509_REQ *request = d2i_X509_REQ (NULL, &p, (long) len);
    if (request != NULL && p != data + len)
        g_clear_pointer (&request, X509_REQ_free);
    return request;
}

X509_REQ *
countersign_request (const void *data, gsize len, GError **error)
{
    g_autofree char *text = g_strndup (data != NULL ? data : "", MIN (len, COUNTERSIGN_MAX_REQUEST));
    X509_REQ *request = len == 0 || len > COUNTERSIGN_MAX_REQUEST ? NULL : ((const guint8 *) data)[0] == 0x30 ? read_der (data, len) : read_pem (text, len);
    EVP_PKEY *key = request != NULL ? X509_REQ_get0_pubkey (request) : NULL;
    gboolean own = key != NULL && X509_REQ_verify (request, key) == 1;
    ERR_clear_error ();
    if (own)
        return request;
    if (request == NULL)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "not one certificate request (PKCS#10, in PEM or DER form) and nothing beside it");
    else
        refuse (error, "the request isn't signed by its own key");
    X509_REQ_free (request);
    return NULL;
}

static GBytes *
sign_with (GBytes *request, GBytes *declaration, const Signer *signer, const char *tsa_url, GError **error)
{
    guint8 digest[SHA256_LEN];
    sha256 (g_bytes_get_data (declaration, NULL), g_bytes_get_size (declaration), digest);
    GBytes *p7s = cades_countersign (signer, g_bytes_get_data (request, NULL), g_bytes_get_size (request), digest, error);
    if (p7s != NULL && tsa_url != NULL) {
        GBytes *stamped = cades_add_timestamp (p7s, tsa_url, TSA_TIMEOUT_MS, error);
        g_bytes_unref (p7s);
        p7s = stamped;
    }
    return p7s;
}

gboolean
countersign (GBytes *request, const json_t *facts, const Signer *signer, const char *tsa_url, GBytes **signature, GBytes **declaration, GError **error)
{
    X509_REQ *parsed = countersign_request (g_bytes_get_data (request, NULL), g_bytes_get_size (request), error);
    if (parsed == NULL)
        return FALSE;
    gboolean same = EVP_PKEY_eq (X509_REQ_get0_pubkey (parsed), X509_get0_pubkey (signer->cert)) == 1;
    g_autoptr (json_t) json = same ? NULL : declaration_make (facts, parsed, clock_wall_ms (), error);
    char *text = json != NULL ? cjson_encode (json, error) : NULL;
    X509_REQ_free (parsed);
    ERR_clear_error ();
    if (same)
        return refuse (error, "the request's own key can't countersign it: that is done by the signing service's");
    if (text == NULL)
        return FALSE;
    g_autoptr (GBytes) bytes = g_bytes_new_take (text, strlen (text));
    if ((*signature = sign_with (request, bytes, signer, tsa_url, error)) == NULL)
        return FALSE;
    *declaration = g_steal_pointer (&bytes);
    return TRUE;
}

Cades *
countersignature_open (GBytes *request, GBytes *signature, GError **error)
{
    g_autoptr (GError) inner = NULL;
    Cades *cades = cades_verify_countersignature (g_bytes_get_data (signature, NULL), g_bytes_get_size (signature), g_bytes_get_data (request, NULL),
                                                  g_bytes_get_size (request), &inner);
    if (cades != NULL)
        return cades;
    if (strstr (inner->message, CADES_OTHER_BYTES) != NULL)
        refuse (error, "the countersignature is of another request than this one, or of this one in another form: it is over the file, byte for byte");
    else
        g_propagate_prefixed_error (error, g_steal_pointer (&inner), "the countersignature isn't genuine: ");
    return NULL;
}

static gboolean
names_request (const json_t *declaration, GBytes *request, GError **error)
{
    g_autofree char *csr = NULL, *spki = NULL, *subject = NULL;
    const json_t *named = json_object_get (declaration, "request");
    X509_REQ *parsed = countersign_request (g_bytes_get_data (request, NULL), g_bytes_get_size (request), error);
    gboolean ok = parsed != NULL && request_digests (parsed, &csr, &spki, &subject, error);
    X509_REQ_free (parsed);
    if (!ok)
        return FALSE;
    if (g_strcmp0 (cjson_str (named, "csr_sha256", NULL), csr) != 0 || g_strcmp0 (cjson_str (named, "spki_sha256", NULL), spki) != 0)
        return refuse (error, "the declaration is about another request than this one");
    return g_strcmp0 (cjson_str (named, "subject", NULL), subject) == 0 || refuse (error, "the declaration names another subject than the request");
}

json_t *
countersignature_declaration (const Cades *cades, GBytes *request, GBytes *declaration, GError **error)
{
    guint8 digest[SHA256_LEN];
    gsize len;
    const void *data = g_bytes_get_data (declaration, &len);
    sha256 (data, len, digest);
    if (memcmp (digest, cades->declaration_sha256, sizeof digest) != 0) {
        refuse (error, "the declaration isn't the one that the countersignature was made with: its SHA-256 is another");
        return NULL;
    }
    g_autoptr (json_t) json = declaration_parse (data, len, error);
    return json != NULL && names_request (json, request, error) ? g_steal_pointer (&json) : NULL;
}

json_t *
countersignature_describe (const Cades *cades, const json_t *declaration, GBytes *signature, GBytes *declaration_bytes)
{
    g_autofree char *p7s = sha256_hex (g_bytes_get_data (signature, NULL), g_bytes_get_size (signature)), *subject = signer_subject (cades->signer);
    g_autofree char *json = sha256_hex (g_bytes_get_data (declaration_bytes, NULL), g_bytes_get_size (declaration_bytes)), *at = clock_format (cades->signing_time);
    const json_t *request = json_object_get (declaration, "request"), *service = json_object_get (declaration, "service");
    return json_pack ("{s:O, s:O, s:s, s:s, s:{s:s, s:s}, s:s, s:{s:O, s:O, s:O}, s:O, s:O}", "csr_sha256", json_object_get (request, "csr_sha256"), "spki_sha256",
                      json_object_get (request, "spki_sha256"), "signature_sha256", p7s, "declaration_sha256", json, "signer", "subject", subject, "spki_sha256",
                      cades->spki_sha256, "signed_at", at, "service", "name", json_object_get (service, "name"), "operator", json_object_get (service, "operator"), "country",
                      json_object_get (service, "country"), "authentication", json_object_get (json_object_get (declaration, "authentication"), "kind"), "module",
                      json_object_get (declaration, "module"));
}
