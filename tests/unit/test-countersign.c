/* A signing service's facts, its declaration and its countersignature as files: what is taken, and what of each is refused, and why. */
#include <openssl/pem.h>
#include <string.h>
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/bundle/countersignature.h"

static const char facts_yaml[] =
    "format: ceremony/signing-service/v1\n"
    "declared_by: Head of keys\n"
    "service: {name: Example Signing, operator: Example Signing GmbH, country: DE}\n"
    "authentication: {kind: server-to-server, description: mutual TLS}\n"
    "module: {vendor: Example, model: T5, scheme: Common Criteria, level: EAL4+, certificate: \"5\", serial: \"77\"}\n"
    "isolation: {kind: key, description: one each}\n"
    "audit: {criteria: WebTrust, auditor: Example Audit LLP, period_from: 2025-10-01, period_to: 2026-09-30}\n"
    "redundancy: {kind: none, description: none}\n"
    "recovery: {kind: none, description: none}\n";

static json_t *
facts (void)
{
    g_autoptr (GError) error = NULL;
    json_t *json = declaration_facts ("facts", facts_yaml, strlen (facts_yaml), &error);
    g_assert_no_error (error);
    return json;
}

static X509_REQ *
request_new (EVP_PKEY *key)
{
    X509_REQ *request = X509_REQ_new ();
    X509_NAME_add_entry_by_txt (X509_REQ_get_subject_name (request), "CN", MBSTRING_UTF8, (const guint8 *) "Exämple", -1, -1, 0);
    X509_REQ_set_pubkey (request, key);
    g_assert_cmpint (X509_REQ_sign (request, key, EVP_sha256 ()), >, 0);
    return request;
}

static GBytes *
pem_of (X509_REQ *request)
{
    BIO *bio = BIO_new (BIO_s_mem ());
    char *data;
    g_assert_cmpint (PEM_write_bio_X509_REQ (bio, request), ==, 1);
    long len = BIO_get_mem_data (bio, &data);
    GBytes *bytes = g_bytes_new (data, (gsize) len);
    BIO_free (bio);
    return bytes;
}

/* One line of the facts replaced; the problem that must be told. */
static void
test_facts (void)
{
    static const char *const wrong[][3] = {
        { "format: ceremony/signing-service/v1", "format: other", "facts:1:9: format: this program reads" },
        { "declared_by: Head of keys", "declared_by: \"\"", "facts:2:14: declared_by must be a text" },
        { "declared_by: Head of keys", "declared_by: [a]", "facts:2:14: declared_by must be a single value" },
        { "country: DE", "country: Germany", "country: two capital letters" },
        { "kind: server-to-server", "kind: passwords", "kind: one of multi-factor, server-to-server" },
        { ", description: mutual TLS", "", "authentication.description is missing" },
        { "scheme: Common Criteria", "scheme: homemade", "scheme: one of FIPS 140-2, FIPS 140-3, Common Criteria" },
        { "level: EAL4+", "level: EAL9", "level: 1 to 4 of FIPS 140" },
        { "level: EAL4+", "level: 3+", "level: 1 to 4 of FIPS 140" },
        { "period_to: 2026-09-30", "period_to: 2026-02-30", "period_to: a day" },
        { "period_to: 2026-09-30", "period_to: 2025-09-30", "its period ends before it begins" },
        { "redundancy: {kind: none, description: none}", "redundancy: none", "redundancy: a group of facts is expected" },
        { "serial: \"77\"", "colour: blue", "module.colour: there is no such fact" },
        { "recovery:", "request: {csr_sha256: \"00\"}\nrecovery:", "request: there is no such fact" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++) {
        g_auto (GStrv) parts = g_strsplit (facts_yaml, wrong[i][0], 2);
        g_autofree char *text = g_strjoinv (wrong[i][1], parts);
        g_autoptr (GError) error = NULL;
        g_assert_nonnull (parts[1]);
        g_assert_null (declaration_facts ("facts", text, strlen (text), &error));
        if (strstr (error->message, wrong[i][2]) == NULL)
            g_error ("%s: %s", wrong[i][1], error->message);
    }
    g_autoptr (json_t) good = facts ();
    g_assert_cmpstr (cjson_str (json_object_get (good, "module"), "serial", NULL), ==, "77");
    g_assert_true (json_is_null (json_object_get (json_object_get (good, "module"), "firmware")));
    g_assert_null (declaration_facts ("facts", "[]", 2, NULL));
}

static json_t *
declared (X509_REQ *request)
{
    g_autoptr (json_t) service = facts ();
    g_autoptr (GError) error = NULL;
    json_t *json = declaration_make (service, request, 1790000000000, &error);
    g_assert_no_error (error);
    return json;
}

static void
must_fail (const json_t *declaration, const char *why)
{
    g_autofree char *text = cjson_encode (declaration, NULL);
    g_autoptr (GError) error = NULL;
    g_assert_null (declaration_parse (text, strlen (text), &error));
    if (strstr (error->message, why) == NULL)
        g_error ("%s isn't in: %s", why, error->message);
}

static void
test_declaration (void)
{
    EVP_PKEY *key = EVP_EC_gen ("P-256");
    X509_REQ *request = request_new (key);
    g_autoptr (json_t) whole = declared (request);
    g_autofree char *text = cjson_encode (whole, NULL), *loose = g_strconcat (text, "\n", NULL);
    g_autoptr (json_t) again = declaration_parse (text, strlen (text), NULL);
    static const char *const groups[] = { "service", "authentication", "module", "isolation", "audit", "redundancy", "recovery", "request", "declared_by", "declared_at", "format" };
    g_assert_true (json_equal (again, whole));
    g_assert_cmpstr (cjson_str (json_object_get (whole, "request"), "subject", NULL), ==, "CN=Exämple");
    g_assert_null (declaration_parse (loose, strlen (loose), NULL));
    g_assert_null (declaration_parse (text, strlen (text) - 1, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS (groups); i++) {
        g_autoptr (json_t) less = json_deep_copy (whole);
        json_object_del (less, groups[i]);
        must_fail (less, i < 7 || i == 8 ? "is missing" : i == 7 ? "doesn't name a request" : i == 9 ? "when it was made" : "isn't of the format");
    }
    g_autoptr (json_t) more = json_deep_copy (whole);
    json_object_set_new (more, "also", json_true ());
    must_fail (more, "something else");
    g_autoptr (json_t) deep = json_deep_copy (whole);
    json_object_set_new (json_object_get (deep, "audit"), "also", json_string ("x"));
    must_fail (deep, "audit holds something else");
    g_autoptr (json_t) typed = json_deep_copy (whole);
    json_object_set_new (json_object_get (typed, "module"), "level", json_integer (3));
    must_fail (typed, "module.level is of another type");
    g_autofree char *big = g_strnfill (DECLARATION_MAX + 1, ' ');
    g_assert_null (declaration_parse (big, DECLARATION_MAX + 1, NULL));
    X509_REQ_free (request);
    EVP_PKEY_free (key);
}

static Signer *
service_new (void)
{
    Signer *signer = g_new0 (Signer, 1);
    g_assert_true (signer_generate ("Service", 2, &signer->key, &signer->cert, NULL));
    signer->chain = sk_X509_new_null ();
    return signer;
}

static void
test_whole (void)
{
    EVP_PKEY *key = EVP_EC_gen ("P-256"), *other_key = EVP_EC_gen ("P-256");
    X509_REQ *request = request_new (key), *other = request_new (other_key);
    g_autoptr (GBytes) csr = pem_of (request), other_csr = pem_of (other), signature = NULL, declaration = NULL, signature2 = NULL, declaration2 = NULL;
    g_autoptr (json_t) service = facts ();
    g_autoptr (Signer) signer = service_new (), itself = service_new ();
    g_autoptr (GError) error = NULL;
    g_assert_true (countersign (csr, service, signer, NULL, &signature, &declaration, &error));
    g_assert_no_error (error);
    g_assert_true (countersign (other_csr, service, signer, NULL, &signature2, &declaration2, &error));
    g_autoptr (Cades) cades = countersignature_open (csr, signature, &error);
    g_assert_no_error (error);
    g_autoptr (json_t) json = countersignature_declaration (cades, csr, declaration, &error);
    g_assert_no_error (error);
    g_assert_nonnull (json);
    g_assert_null (countersignature_open (other_csr, signature, &error));
    g_assert_nonnull (strstr (error->message, "of another request"));
    g_clear_error (&error);
    g_assert_null (countersignature_declaration (cades, csr, declaration2, &error));
    g_assert_nonnull (strstr (error->message, "isn't the one"));
    g_clear_error (&error);
    EVP_PKEY_free (itself->key);
    itself->key = key;
    EVP_PKEY_up_ref (key);
    X509_set_pubkey (itself->cert, key);
    g_clear_pointer (&signature2, g_bytes_unref);
    g_clear_pointer (&declaration2, g_bytes_unref);
    g_assert_false (countersign (csr, service, itself, NULL, &signature2, &declaration2, &error));
    g_assert_nonnull (strstr (error->message, "own key"));
    X509_REQ_free (request);
    X509_REQ_free (other);
    EVP_PKEY_free (key);
    EVP_PKEY_free (other_key);
}

/* A request file is one request and nothing else, signed by its key. */
static void
test_request (void)
{
    EVP_PKEY *key = EVP_EC_gen ("P-256");
    X509_REQ *request = request_new (key), *parsed;
    g_autoptr (GBytes) pem = pem_of (request);
    g_autofree char *text = g_strndup (g_bytes_get_data (pem, NULL), g_bytes_get_size (pem));
    g_autofree char *twice = g_strconcat (text, text, NULL), *before = g_strconcat ("note\n", text, NULL), *after = g_strconcat (text, "note", NULL), *blank = g_strconcat (text, "\r\n\n", NULL);
    guint8 *der = NULL;
    int len = i2d_X509_REQ (request, &der);
    const struct { const void *data; gsize len; gboolean good; } cases[] = {
        { text, strlen (text), TRUE }, { blank, strlen (blank), TRUE }, { twice, strlen (twice), FALSE }, { before, strlen (before), FALSE }, { after, strlen (after), FALSE },
        { der, (gsize) len, TRUE }, { der, (gsize) len - 1, FALSE }, { "", 0, FALSE }, { "0", 1, FALSE }, { text, strlen (text) / 2, FALSE },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GError) error = NULL;
        parsed = countersign_request (cases[i].data, cases[i].len, &error);
        g_assert_cmpint (parsed != NULL, ==, cases[i].good);
        g_assert_true ((parsed == NULL) == (error != NULL));
        X509_REQ_free (parsed);
    }
    g_autoptr (GError) error = NULL;
    der[len - 3] ^= 1;
    parsed = countersign_request (der, (gsize) len, &error);
    g_assert_null (parsed);
    g_assert_error (error, BASE_ERROR, BASE_ERROR_REFUSED);
    OPENSSL_free (der);
    X509_REQ_free (request);
    EVP_PKEY_free (key);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/countersign/facts", test_facts);
    g_test_add_func ("/countersign/declaration", test_declaration);
    g_test_add_func ("/countersign/whole", test_whole);
    g_test_add_func ("/countersign/request", test_request);
    return g_test_run ();
}
