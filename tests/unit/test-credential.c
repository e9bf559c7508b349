/* Credentials for a TPM's keys: made here, opened as a TPM does it (by the endorsement key's private half, in the test), never for other keys; and hostile requests and files.
 * With CEREMONY_TEST_TPM set the TPM of TPM2_PKCS11_TCTI opens them itself (tests/attacks/credential.t). */
#include "attest-made.h"
#include "ceremony/attest/credential.h"
#include "ceremony/attest/tpm-blob.h"
#include "ceremony/base/cjson.h"
#include "ceremony/token/evidence.h"
#include <openssl/core_names.h>
#include <openssl/kdf.h>

static EVP_PKEY *root, *ak, *ec_ek, *rsa_ek;
static const guint8 sealed[CREDENTIAL_SECRET_LEN] = "a secret that is thirty-two long";

static GBytes *
name_of (EVP_PKEY *key)
{
    g_autoptr (GBytes) area = tpm_public (key, AK_ATTRS);
    return tpm_name (area);
}

static GBytes *
ek_cert (EVP_PKEY *ek)
{
    return pki_cert (&(CertSpec) { .subject = "CN=ek", .issuer = "CN=TPM Maker", .key = ek, .signer = root, .eku = "2.23.133.8.1", .usage = "critical,keyAgreement" });
}

/* ---- a TPM's side, by part 1 of the specification, over plain HMAC and SHA-256 ---- */

static void
kdfa (const guint8 *seed, const char *label, const void *context, gsize context_len, guint bits, guint8 *out)
{
    g_autoptr (GByteArray) text = g_byte_array_new ();
    guint8 digest[32], counter[4] = { 0, 0, 0, 1 }, size[4] = { 0, 0, (guint8) (bits >> 8), (guint8) bits };
    size_t n;
    g_byte_array_append (text, counter, 4);
    g_byte_array_append (text, (const guint8 *) label, (guint) strlen (label) + 1);
    g_byte_array_append (text, context, (guint) context_len);
    g_byte_array_append (text, size, 4);
    g_assert_nonnull (EVP_Q_mac (NULL, "HMAC", NULL, "SHA256", NULL, seed, 32, text->data, text->len, digest, sizeof digest, &n));
    memcpy (out, digest, bits / 8);
}

static gboolean
seed_by_rsa (EVP_PKEY *ek, TpmIn shared, guint8 seed[32])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new (ek, NULL);
    guint8 out[512];
    size_t n = sizeof out;
    g_assert_true (EVP_PKEY_decrypt_init (ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding (ctx, RSA_PKCS1_OAEP_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_oaep_md (ctx, EVP_sha256 ()) == 1 &&
                   EVP_PKEY_CTX_set0_rsa_oaep_label (ctx, OPENSSL_memdup ("IDENTITY", 9), 9) == 1);
    gboolean ok = EVP_PKEY_decrypt (ctx, out, &n, shared.p, shared.n) == 1 && n == 32;
    memcpy (seed, out, 32);
    EVP_PKEY_CTX_free (ctx);
    return ok;
}

static EVP_PKEY *
point_key (const guint8 *x, const guint8 *y)
{
    guint8 point[65] = { 4 };
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name (NULL, "EC", NULL);
    memcpy (point + 1, x, 32);
    memcpy (point + 33, y, 32);
    OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string ("group", (char *) "P-256", 0), OSSL_PARAM_construct_octet_string ("pub", point, sizeof point), OSSL_PARAM_construct_end () };
    g_assert_true (EVP_PKEY_fromdata_init (ctx) == 1 && EVP_PKEY_fromdata (ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
    EVP_PKEY_CTX_free (ctx);
    return key;
}

/* KDFe: SHA-256 over a counter, the shared x, the label with its NUL, and both x coordinates. */
static gboolean
seed_by_ec (EVP_PKEY *ek, TpmIn shared, guint8 seed[32])
{
    guint8 z[32], ours[65], text[4 + 32 + 9 + 64] = { 0, 0, 0, 1 };
    size_t n = sizeof z;
    TpmIn x, y;
    g_assert_true (tpm_take_sized (&shared, &x) && tpm_take_sized (&shared, &y) && shared.n == 0 && x.n == 32 && y.n == 32);
    EVP_PKEY *theirs = point_key (x.p, y.p);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new (ek, NULL);
    g_assert_true (EVP_PKEY_derive_init (ctx) == 1 && EVP_PKEY_derive_set_peer (ctx, theirs) == 1 && EVP_PKEY_derive (ctx, z, &n) == 1);
    g_assert_true (EVP_PKEY_get_octet_string_param (ek, "pub", ours, sizeof ours, &n) == 1 && n == 65);
    memcpy (text + 4, z, 32);
    memcpy (text + 36, "IDENTITY", 9);
    memcpy (text + 45, x.p, 32);
    memcpy (text + 77, ours + 1, 32);
    sha256 (text, sizeof text, seed);
    EVP_PKEY_CTX_free (ctx);
    EVP_PKEY_free (theirs);
    return TRUE;
}

/* NULL: the TPM would answer that it is no credential for these keys. */
static GBytes *
activate (GBytes *file, EVP_PKEY *ek, GBytes *name)
{
    g_autoptr (GBytes) id = NULL, shared = NULL;
    g_autoptr (GByteArray) covered = g_byte_array_new ();
    guint8 seed[32], mac_key[32], aes[16], mac[32], plain[64];
    size_t n;
    int len = 0;
    TpmIn in, object, outer, wrapped;
    g_assert_true (credential_read (file, &id, &shared, NULL));
    in = (TpmIn) { g_bytes_get_data (shared, NULL), g_bytes_get_size (shared) };
    g_assert_true (tpm_take_sized (&in, &wrapped));
    in = (TpmIn) { g_bytes_get_data (id, NULL), g_bytes_get_size (id) };
    g_assert_true (tpm_take_sized (&in, &object) && tpm_take_sized (&object, &outer) && outer.n == 32 && object.n == 34);
    if (!(EVP_PKEY_get_base_id (ek) == EVP_PKEY_RSA ? seed_by_rsa : seed_by_ec) (ek, wrapped, seed))
        return NULL;
    kdfa (seed, "INTEGRITY", "", 0, 256, mac_key);
    g_byte_array_append (covered, object.p, (guint) object.n);
    g_byte_array_append (covered, g_bytes_get_data (name, NULL), (guint) g_bytes_get_size (name));
    EVP_Q_mac (NULL, "HMAC", NULL, "SHA256", NULL, mac_key, 32, covered->data, covered->len, mac, sizeof mac, &n);
    if (memcmp (mac, outer.p, 32) != 0)
        return NULL;
    kdfa (seed, "STORAGE", g_bytes_get_data (name, NULL), g_bytes_get_size (name), 128, aes);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new ();
    static const guint8 iv[16];
    g_assert_true (EVP_DecryptInit_ex (ctx, EVP_aes_128_cfb128 (), NULL, aes, iv) == 1 && EVP_DecryptUpdate (ctx, plain, &len, object.p, (int) object.n) == 1 && len == 34);
    EVP_CIPHER_CTX_free (ctx);
    g_assert_true (plain[0] == 0 && plain[1] == 32);
    return g_bytes_new (plain + 2, 32);
}

/* ---- tests ---- */

static void
test_opened (gconstpointer data)
{
    EVP_PKEY *ek = *(EVP_PKEY *const *) data, *other = EVP_PKEY_get_base_id (ek) == EVP_PKEY_RSA ? EVP_RSA_gen (2048) : pki_ec ();
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) name = name_of (ak), other_name = name_of (root), file = credential_make (ek, name, sealed, &error), found = NULL, by_name = NULL, by_ek = NULL;
    g_assert_no_error (error);
    found = activate (file, ek, name);
    g_assert_nonnull (found);
    g_assert_cmpmem (g_bytes_get_data (found, NULL), g_bytes_get_size (found), sealed, sizeof sealed);
    by_name = activate (file, ek, other_name);      /* an attestation key of another TPM */
    by_ek = activate (file, other, name);           /* another endorsement key */
    g_assert_null (by_name);
    g_assert_null (by_ek);
    EVP_PKEY_free (other);
}

static void
test_other_templates (void)
{
    EVP_PKEY *keys[] = { EVP_RSA_gen (3072), EVP_EC_gen ("P-384"), EVP_PKEY_Q_keygen (NULL, NULL, "ED25519") };
    g_autoptr (GBytes) name = name_of (ak);
    for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
        g_autoptr (GError) error = NULL;
        g_assert_null (credential_make (keys[i], name, sealed, &error));
        g_assert_nonnull (strstr (error->message, "another template"));
        EVP_PKEY_free (keys[i]);
    }
}

/* The bytes of docs/formats.md, computed with openssl: printf '…' | openssl dgst -sha256 -mac HMAC -macopt hexkey:… */
static void
test_secret (void)
{
    guint8 secret[32], ek[32], out[32], again[32];
    memset (secret, 0x5a, sizeof secret);
    memset (ek, 0xee, sizeof ek);
    g_autoptr (GBytes) name = g_bytes_new_static ("\x00\x0b\x01", 3), other = g_bytes_new_static ("\x00\x0b\x02", 3);
    credential_secret (secret, "2026-11-24-abcdefgh", ek, name, out);
    g_autofree char *hex = hex_encode (out, 32);
    g_assert_cmpstr (hex, ==, "02346fbdab630f3afac90c91ebad98c653c73b2b9784176ea7358512644508ce");
    credential_secret (secret, "2026-11-24-abcdefgh", ek, other, again);
    g_assert_true (memcmp (out, again, 32) != 0);
    credential_secret (secret, "2026-11-24-abcdefgi", ek, name, again);
    g_assert_true (memcmp (out, again, 32) != 0);
    ek[0] = 0;
    credential_secret (secret, "2026-11-24-abcdefgh", ek, name, again);
    g_assert_true (memcmp (out, again, 32) != 0);
}

static void
test_cut (void)
{
    g_autoptr (GBytes) name = name_of (ak), file = credential_make (ec_ek, name, sealed, NULL), longer = NULL;
    gsize n;
    const guint8 *data = g_bytes_get_data (file, &n);
    for (gsize len = 0; len <= n + 1; len++) {
        g_autofree guint8 *copy = g_malloc0 (len + 1);
        memcpy (copy, data, MIN (len, n));
        g_autoptr (GBytes) cut = g_bytes_new (copy, len), id = NULL, shared = NULL;
        g_autoptr (GError) error = NULL;
        g_assert_cmpint (credential_read (cut, &id, &shared, &error), ==, len == n);
        g_assert_true (len == n || strstr (error->message, "not a credential"));
    }
}

static void
test_requests (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) cert = ek_cert (ec_ek), area = tpm_public (ak, AK_ATTRS), loose = tpm_public (ak, KEY_ATTRS), cut = g_bytes_new_from_bytes (cert, 0, 60);
    g_autoptr (CredentialRequest) request = credential_request_new ("2026-11-24-abcdefgh", cert, area, &error), again = NULL, unfit = NULL;
    g_assert_no_error (error);
    g_assert_true (request->ak_fit);
    g_autoptr (json_t) json = credential_request_json (request);
    g_autofree char *text = cjson_encode (json, &error);
    again = credential_request_parse (text, strlen (text), &error);
    g_assert_no_error (error);
    g_assert_cmpmem (again->ek_spki_sha256, 32, request->ek_spki_sha256, 32);
    g_assert_true (g_bytes_equal (again->ak_name, request->ak_name));
    unfit = credential_request_new ("x", cert, loose, &error);
    g_assert_false (unfit->ak_fit);
    g_assert_null (credential_request_new ("x", cut, area, &error));
    g_clear_error (&error);
    g_assert_null (credential_request_new ("x", cert, cut, &error));
    g_clear_error (&error);
    for (gsize len = 0; len < strlen (text); len += 7) {
        g_assert_null (credential_request_parse (text, len, &error));
        g_assert_nonnull (error);
        g_clear_error (&error);
    }
}

static void
test_bad_requests (void)
{
    static const struct { const char *text, *reason; } cases[] = {
        { "[]", "" }, { "{\"format\":\"ceremony/order/v1\"}", "this program reads" }, { "{\"format\":\"ceremony/credential-request/v1\"}", "ceremony" },
        { "{\"format\":\"ceremony/credential-request/v1\",\"ceremony\":\"x\",\"ek_certificate\":\"AAAA\",\"ak_public\":\"AAAA\"}", "endorsement certificate" },
        { "{\"format\":\"ceremony/credential-request/v1\",\"ceremony\":\"x\",\"ek_certificate\":\"!\",\"ak_public\":\"AAAA\"}", "ek_certificate" },
        { "{\"format\":\"ceremony/credential-request/v1\",\"ceremony\":\"../x\\n\",\"ek_certificate\":\"AAAA\",\"ak_public\":\"AAAA\"}", "isn't the id" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GError) error = NULL;
        g_assert_null (credential_request_parse (cases[i].text, strlen (cases[i].text), &error));
        if (!strstr (error->message, cases[i].reason))
            g_error ("case %zu: %s", i, error->message);
    }
}

static void
test_trusted (void)
{
    g_autoptr (GString) yaml = g_string_new (NULL), other_yaml = g_string_new (NULL);
    pki_anchor (yaml, "tpm2-ek", "CN=TPM Maker", root);
    pki_anchor (other_yaml, "tpm2-ek", "CN=TPM Maker", ak);
    g_autoptr (AttestAnchors) anchors = pki_anchors (yaml), others = pki_anchors (other_yaml);
    g_autoptr (GBytes) cert = ek_cert (rsa_ek), leaf = pki_cert (&(CertSpec) { .subject = "CN=ek", .issuer = "CN=TPM Maker", .key = ec_ek, .signer = root });
    g_autofree char *why = NULL, *other = NULL, *purpose = NULL;
    g_assert_true (credential_ek_trusted (cert, NULL, anchors, &why));
    g_assert_false (credential_ek_trusted (cert, NULL, others, &other));
    g_assert_nonnull (strstr (other, "isn't signed by that vendor's key"));
    g_assert_false (credential_ek_trusted (leaf, NULL, anchors, &purpose));
    g_assert_nonnull (strstr (purpose, "isn't an endorsement certificate"));
}

/* ---- a real TPM ---- */

#define SAYS(error, words) ({ if (!strstr ((error)->message, words)) g_error ("line %d: %s", __LINE__, (error)->message); })

static GBytes *
file_named (GPtrArray *files, const char *name)
{
    for (guint i = 0; i < files->len; i++)
        if (g_str_equal (((TokenFile *) files->pdata[i])->name, name))
            return ((TokenFile *) files->pdata[i])->bytes;
    return NULL;
}

static GBytes *
by_tpm (const CredentialRequest *request, EVP_PKEY *ek, GBytes *name, GError **error)
{
    g_autoptr (GBytes) file = credential_make (ek, name, sealed, error), id = NULL, shared = NULL;
    g_assert_true (file && credential_read (file, &id, &shared, NULL));
    return token_tpm_activate (0, request->ek_certificate, id, shared, error);
}

static void
test_tpm (gconstpointer data)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) files = token_files_new ();
    g_assert_true (token_tpm_identity (0, files, &error));
    GBytes *cert = file_named (files, data);
    if (!cert) {
        g_test_skip ("this TPM has no such certificate");
        return;
    }
    g_autoptr (CredentialRequest) request = credential_request_new ("2026-11-24-abcdefgh", cert, file_named (files, "tpm-ak.pub"), &error);
    g_assert_no_error (error);
    g_autoptr (GBytes) found = by_tpm (request, request->ek, request->ak_name, &error), other = name_of (ak), wrong = NULL;
    g_assert_no_error (error);
    g_assert_cmpmem (g_bytes_get_data (found, NULL), g_bytes_get_size (found), sealed, sizeof sealed);
    wrong = by_tpm (request, request->ek, other, &error);               /* sealed to an attestation key of another TPM */
    g_assert_null (wrong);
    SAYS (error, "another attestation key or another endorsement key");
    g_clear_error (&error);
    wrong = by_tpm (request, EVP_PKEY_get_base_id (request->ek) == EVP_PKEY_RSA ? rsa_ek : ec_ek, request->ak_name, &error);   /* sealed to another TPM's endorsement key */
    g_assert_null (wrong);
    SAYS (error, "another attestation key or another endorsement key");
    g_clear_error (&error);
    g_autoptr (GBytes) strange = ek_cert (EVP_PKEY_get_base_id (request->ek) == EVP_PKEY_RSA ? rsa_ek : ec_ek);
    g_autoptr (CredentialRequest) stranger = credential_request_new ("x", strange, request->ak_public, NULL);
    wrong = by_tpm (stranger, stranger->ek, stranger->ak_name, &error); /* another TPM's certificate */
    g_assert_null (wrong);
    SAYS (error, "another TPM's");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    root = pki_ec ();
    ak = pki_ec ();
    ec_ek = pki_ec ();
    rsa_ek = EVP_RSA_gen (2048);
    g_test_add_data_func ("/credential/opened/ec", &ec_ek, test_opened);
    g_test_add_data_func ("/credential/opened/rsa", &rsa_ek, test_opened);
    g_test_add_func ("/credential/other-templates", test_other_templates);
    g_test_add_func ("/credential/secret", test_secret);
    g_test_add_func ("/credential/cut", test_cut);
    g_test_add_func ("/credential/requests", test_requests);
    g_test_add_func ("/credential/bad-requests", test_bad_requests);
    g_test_add_func ("/credential/trusted", test_trusted);
    if (g_getenv ("CEREMONY_TEST_TPM")) {
        g_test_add_data_func ("/credential/tpm/rsa", "tpm-ek.der", test_tpm);
        g_test_add_data_func ("/credential/tpm/ec", "tpm-ek-ec.der", test_tpm);
    }
    int status = g_test_run ();
    EVP_PKEY_free (root);
    EVP_PKEY_free (ak);
    EVP_PKEY_free (ec_ek);
    EVP_PKEY_free (rsa_ek);
    return status;
}
