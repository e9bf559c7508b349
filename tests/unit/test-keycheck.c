/* Weak keys of every kind that the key check knows, made here, are refused for the right reason; good ones are accepted. */
#include "ceremony/base/encode.h"
#include "ceremony/verify/keycheck.h"
#include <glib/gstdio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

static BN_CTX *ctx;
static BIGNUM *p, *q, *n, *phi;                 /* 1536-bit primes, their product and its order */

static BIGNUM *
prime (int bits)
{
    BIGNUM *r = BN_new ();
    g_assert_true (BN_generate_prime_ex (r, bits, 0, NULL, NULL, NULL));
    return r;
}

static BIGNUM *
product (const BIGNUM *a, const BIGNUM *b)
{
    BIGNUM *r = BN_new ();
    BN_mul (r, a, b, ctx);
    return r;
}

static void
put (GByteArray *out, guint8 tag, const guint8 *data, gsize len)
{
    guint8 head[4] = { tag, 0x82, (guint8) (len >> 8), (guint8) len }, brief[3] = { tag, (guint8) len, 0 }, mid[3] = { tag, 0x81, (guint8) len };
    if (len < 0x80)
        g_byte_array_append (out, brief, 2);
    else if (len < 0x100)
        g_byte_array_append (out, mid, 3);
    else
        g_byte_array_append (out, head, 4);
    g_byte_array_append (out, data, (guint) len);
}

static void
put_number (GByteArray *out, const BIGNUM *v)
{
    guint8 raw[1200] = { 0 };
    int len = BN_bn2bin (v, raw + 1);
    gboolean pad = len == 0 || raw[1] & 0x80;
    put (out, 0x02, raw + !pad, (gsize) (len + pad));
}

static GBytes *
wrap_spki (const guint8 *algorithm, gsize algorithm_len, const guint8 *key, gsize key_len)
{
    g_autoptr (GByteArray) bits = g_byte_array_new (), body = g_byte_array_new ();
    GByteArray *all = g_byte_array_new ();
    put (body, 0x30, algorithm, algorithm_len);
    g_byte_array_append (bits, (const guint8 *) "", 1);
    g_byte_array_append (bits, key, (guint) key_len);
    put (body, 0x03, bits->data, bits->len);
    put (all, 0x30, body->data, body->len);
    return g_byte_array_free_to_bytes (all);
}

static GBytes *
rsa_spki (const BIGNUM *modulus, const BIGNUM *e)
{
    static const guint8 algorithm[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };
    g_autoptr (GByteArray) pair = g_byte_array_new (), key = g_byte_array_new ();
    put_number (pair, modulus);
    put_number (pair, e);
    put (key, 0x30, pair->data, pair->len);
    return wrap_spki (algorithm, sizeof algorithm, key->data, key->len);
}

static gboolean
found (const KeyCheck *check, const char *id)
{
    for (guint i = 0; i < check->findings->len; i++)
        if (g_str_equal (((KeyFinding *) check->findings->pdata[i])->id, id))
            return TRUE;
    return FALSE;
}

/* @id NULL: accepted without a finding; "~id": accepted with the warning @id; else refused with @id among the findings. */
static void
expect_at (int line, const void *data, gsize len, const KeyCheckLists *lists, const char *id)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (KeyCheck) check = keycheck (data, len, lists, &error);
    if (error)
        g_error ("line %d: %s", line, error->message);
    gboolean accept = !id || *id == '~';
    if (check->accept != accept || (id && !found (check, id + (*id == '~'))) || (!id && check->findings->len))
        g_error ("line %d: %s, %u findings, first %s", line, check->accept ? "accept" : "refuse", check->findings->len,
                 check->findings->len ? ((KeyFinding *) check->findings->pdata[0])->id : "none");
}
#define expect(bytes, id) expect_bytes (__LINE__, bytes, id)

static void
expect_bytes (int line, GBytes *bytes, const char *id)
{
    expect_at (line, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), NULL, id);
    g_bytes_unref (bytes);
}

static void
rsa_at (int line, BIGNUM *modulus, unsigned long e, const char *id)
{
    BIGNUM *exponent = BN_new ();
    BN_set_word (exponent, e);
    expect_bytes (line, rsa_spki (modulus, exponent), id);
    BN_free (exponent);
    BN_free (modulus);
}
#define rsa(modulus, e, id) rsa_at (__LINE__, modulus, e, id)

static void
test_rsa_numbers (void)
{
    BIGNUM *even = BN_dup (n), *square = product (p, p), *near = BN_dup (p), *near_product;
    BN_clear_bit (even, 0);
    rsa (BN_dup (n), 65537, NULL);
    rsa (BN_dup (n), 3, "~rsa-exponent-range");
    rsa (BN_dup (n), 65535, "~rsa-exponent-range");
    rsa (BN_dup (n), 1, "rsa-exponent");
    rsa (BN_dup (n), 2, "rsa-exponent");
    rsa (BN_dup (n), 65536, "rsa-exponent");
    rsa (BN_dup (n), 0, "rsa-exponent");
    rsa (even, 65537, "rsa-even-modulus");
    rsa (square, 65537, "rsa-prime-power");
    rsa (BN_dup (p), 65537, "rsa-prime-modulus");
    BN_add_word (near, 2);
    while (!BN_check_prime (near, ctx, NULL))
        BN_add_word (near, 2);
    near_product = product (p, near);
    rsa (near_product, 65537, "rsa-close-primes");
    BN_free (near);
}

static void
test_rsa_sizes (void)
{
    BIGNUM *a = prime (512), *b = prime (512), *cube = product (a, a), *c = BN_new ();
    rsa (product (a, b), 65537, "rsa-size");
    BN_mul (c, cube, a, ctx);
    rsa (c, 65537, "rsa-prime-power");
    BIGNUM *small = BN_new (), *odd = product (p, q);
    BN_set_word (small, 743);
    rsa (product (small, q), 65537, "rsa-small-factor");
    BN_set_word (small, 65521);
    rsa (product (small, q), 65537, "rsa-small-factor");
    BN_lshift (odd, odd, 3);
    BN_add_word (odd, 5);
    rsa (odd, 65537, "rsa-size-multiple");
    BN_free (a);
    BN_free (b);
    BN_free (cube);
    BN_free (small);
}

/* A private exponent of 700 bits, and one of 12. */
static void
test_wiener (void)
{
    static const int bits[] = { 700, 12 };
    for (guint i = 0; i < G_N_ELEMENTS (bits); i++) {
        BIGNUM *d = prime (bits[i]), *e = BN_mod_inverse (NULL, d, phi, ctx);
        if (e)
            expect (rsa_spki (n, e), "rsa-small-private-exponent");
        BN_free (d);
        BN_free (e);
    }
    /* A public exponent as large as the modulus, its private one large too. */
    BIGNUM *e = BN_new ();
    BN_rand (e, 3000, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    expect (rsa_spki (n, e), "~rsa-exponent-range");
    BN_free (e);
}

/* k·M + (65537^a mod M), M the product of the primes up to 167. */
static BIGNUM *
roca_prime (void)
{
    BIGNUM *m = BN_new (), *r = BN_new (), *g = BN_new (), *a = BN_new (), *k = BN_new (), *small = BN_new ();
    BN_one (m);
    for (unsigned long w = 2; w <= 167; w++) {
        BN_set_word (small, w);
        if (BN_check_prime (small, ctx, NULL) == 1)
            BN_mul_word (m, w);
    }
    BN_set_word (g, 65537);
    do {
        BN_rand (a, 120, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
        BN_mod_exp (r, g, a, m, ctx);
        BN_rand (k, 1536 - BN_num_bits (m), BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ANY);
        BN_mul (k, k, m, ctx);
        BN_add (r, r, k);
    } while (BN_check_prime (r, ctx, NULL) != 1);
    BN_free (m);
    BN_free (g);
    BN_free (a);
    BN_free (k);
    BN_free (small);
    return r;
}

static void
test_roca (void)
{
    BIGNUM *a = roca_prime (), *b = roca_prime ();
    rsa (product (a, b), 65537, "rsa-roca");
    BN_free (a);
    BN_free (b);
}

static void
test_patterns (void)
{
    guint8 bytes[384];
    for (int kind = 0; kind < 6; kind++) {
        BN_bn2binpad (n, bytes, sizeof bytes);
        for (guint i = 0; i < sizeof bytes; i++)
            if (kind == 0)
                bytes[i] = (guint8) (0xa7 + i % 3);
            else if (kind == 1 && i >= 192)
                bytes[i] = bytes[i - 192];
            else if (kind == 2 && i >= 100 && i < 120)
                bytes[i] = 0xff;
            else if (kind == 3)
                bytes[i] &= 0x8f;
            else if (kind == 4 && i % 4 == 1)
                bytes[i] &= 0xfc;
            else if (kind == 5 && i % 16 == 6)
                bytes[i] = 0x5a;
        bytes[0] |= 0x80;
        bytes[383] |= 1;
        rsa (BN_bin2bn (bytes, sizeof bytes, NULL), 65537, "rsa-pattern");
    }
}

static void
test_lists (void)
{
    g_autofree char *dir = g_dir_make_tmp ("keycheck-XXXXXX", NULL), *file = g_build_filename (dir, "blacklist.RSA-3072", NULL);
    char *hex = BN_bn2hex (n);
    g_autofree char *line = g_strdup_printf ("Modulus=%s\n", hex);
    guint8 digest[20];
    EVP_Q_digest (NULL, "SHA1", NULL, line, strlen (line), digest, NULL);
    g_autofree char *tail = hex_encode (digest + 10, 10), *text = g_strdup_printf ("# made by a test\n0123456789abcdef0123\n%s\n", tail);
    g_file_set_contents (file, text, -1, NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (KeyCheckLists) lists = keycheck_lists_new ();
    g_assert_true (keycheck_lists_add (lists, dir, &error));
    BIGNUM *e = BN_new (), *other = BN_dup (q), *m;
    BN_set_word (e, 65537);
    do
        BN_add_word (other, 2);
    while (BN_check_prime (other, ctx, NULL) != 1);
    m = product (p, other);
    g_autoptr (GBytes) weak = rsa_spki (n, e), good = rsa_spki (m, e);
    expect_at (__LINE__, g_bytes_get_data (weak, NULL), g_bytes_get_size (weak), lists, "rsa-debian-weak");
    expect_at (__LINE__, g_bytes_get_data (good, NULL), g_bytes_get_size (good), lists, NULL);
    g_autofree char *spki = sha256_hex (g_bytes_get_data (good, NULL), g_bytes_get_size (good));
    g_file_set_contents (file, spki, -1, NULL);
    g_assert_true (keycheck_lists_add (lists, file, &error));
    expect_at (__LINE__, g_bytes_get_data (good, NULL), g_bytes_get_size (good), lists, "known-compromised");
    g_file_set_contents (file, "abc\n", -1, NULL);
    g_assert_false (keycheck_lists_add (lists, file, &error));
    g_assert_nonnull (strstr (error->message, "blacklist.RSA-3072:1"));
    g_unlink (file);
    g_rmdir (dir);
    OPENSSL_free (hex);
    BN_free (e);
    BN_free (other);
    BN_free (m);
}

/* ---- EC ---- */

static const guint8 p256_algorithm[] = { 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };

static GBytes *
spki_of (EVP_PKEY *key)
{
    guint8 *der = NULL;
    int len = i2d_PUBKEY (key, &der);
    GBytes *bytes = g_bytes_new (der, (gsize) len);
    OPENSSL_free (der);
    return bytes;
}

static void
test_ec_points (void)
{
    EVP_PKEY *key = EVP_EC_gen ("P-256");
    g_autoptr (GBytes) spki = spki_of (key);
    gsize len = g_bytes_get_size (spki);
    guint8 point[66];
    memcpy (point, (const guint8 *) g_bytes_get_data (spki, NULL) + len - 65, 65);
    expect (wrap_spki (p256_algorithm, sizeof p256_algorithm, point, 65), NULL);
    point[64] ^= 1;
    expect (wrap_spki (p256_algorithm, sizeof p256_algorithm, point, 65), "ec-off-curve");
    point[64] ^= 1;
    expect (wrap_spki (p256_algorithm, sizeof p256_algorithm, point, 64), "ec-point-form");
    point[65] = 0;
    expect (wrap_spki (p256_algorithm, sizeof p256_algorithm, point, 66), "ec-point-form");
    expect (wrap_spki (p256_algorithm, sizeof p256_algorithm, (const guint8 *) "", 1), "ec-point-infinity");
    memset (point + 33, 0xff, 32);
    expect (wrap_spki (p256_algorithm, sizeof p256_algorithm, point, 65), "ec-point-range");
    point[0] = 5;
    expect (wrap_spki (p256_algorithm, sizeof p256_algorithm, point, 65), "ec-point-form");
    expect (wrap_spki (p256_algorithm, 9, point, 65), "ec-explicit-parameters");
    EVP_PKEY_free (key);
}

static void
test_ec_small_scalar (void)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name (NID_X9_62_prime256v1);
    EC_POINT *at = EC_POINT_new (group);
    BIGNUM *k = BN_new ();
    guint8 point[65];
    static const unsigned long scalars[] = { 1, 2, 700, 1024 };
    for (guint i = 0; i < G_N_ELEMENTS (scalars); i++) {
        BN_set_word (k, scalars[i]);
        EC_POINT_mul (group, at, k, NULL, NULL, ctx);
        if (i == 1)
            EC_POINT_invert (group, at, ctx);
        EC_POINT_point2oct (group, at, POINT_CONVERSION_UNCOMPRESSED, point, sizeof point, ctx);
        expect (wrap_spki (p256_algorithm, sizeof p256_algorithm, point, 65), "ec-small-scalar");
    }
    EC_POINT_point2oct (group, at, POINT_CONVERSION_COMPRESSED, point, sizeof point, ctx);
    expect (wrap_spki (p256_algorithm, sizeof p256_algorithm, point, 33), "ec-small-scalar");
    BN_free (k);
    EC_POINT_free (at);
    EC_GROUP_free (group);
}

static void
test_curves (void)
{
    static const char *const good[] = { "P-256", "P-384", "P-521" }, *const bad[] = { "P-224", "secp256k1", "brainpoolP384r1" };
    for (guint i = 0; i < 3; i++) {
        EVP_PKEY *key = EVP_EC_gen (good[i]), *other = EVP_EC_gen (bad[i]);
        expect (spki_of (key), NULL);
        expect (spki_of (other), "ec-curve");
        EVP_PKEY_free (key);
        EVP_PKEY_free (other);
    }
    EVP_PKEY *ed = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    expect (spki_of (ed), "algorithm");
    EVP_PKEY_free (ed);
}

/* ---- requests, certificates, files ---- */

static GBytes *
csr_of (EVP_PKEY *key, const EVP_MD *md, EVP_PKEY *signer)
{
    X509_REQ *req = X509_REQ_new ();
    guint8 *der = NULL;
    X509_REQ_set_pubkey (req, key);
    X509_NAME_add_entry_by_txt (X509_REQ_get_subject_name (req), "CN", MBSTRING_UTF8, (const guint8 *) "x", -1, -1, 0);
    g_assert_cmpint (X509_REQ_sign (req, signer, md), >, 0);
    int len = i2d_X509_REQ (req, &der);
    GBytes *bytes = g_bytes_new (der, (gsize) len);
    OPENSSL_free (der);
    X509_REQ_free (req);
    return bytes;
}

static void
test_requests (void)
{
    EVP_PKEY *key = EVP_EC_gen ("P-384"), *other = EVP_EC_gen ("P-384");
    g_autoptr (GBytes) good = csr_of (key, EVP_sha384 (), key);
    expect (g_bytes_ref (good), NULL);
    expect (csr_of (key, EVP_sha1 (), key), "csr-signature-algorithm");
    expect (csr_of (key, EVP_sha256 (), other), "csr-signature");
    gsize len = g_bytes_get_size (good);
    guint8 *copy = g_memdup2 (g_bytes_get_data (good, NULL), len);
    copy[len - 1] ^= 4;
    expect (g_bytes_new_take (copy, len), "csr-signature");
    /* The request's text form, with words before it. */
    g_autofree char *b64 = base64_encode (g_bytes_get_data (good, NULL), len);
    g_autoptr (GString) pem = g_string_new ("Certificate Request:\n-----BEGIN CERTIFICATE REQUEST-----\n");
    for (gsize at = 0; at < strlen (b64); at += 64)
        g_string_append_printf (pem, "%.64s\n", b64 + at);
    g_string_append (pem, "-----END CERTIFICATE REQUEST-----\n");
    expect_at (__LINE__, pem->str, pem->len, NULL, NULL);
    expect_at (__LINE__, b64, strlen (b64), NULL, NULL);
    EVP_PKEY_free (key);
    EVP_PKEY_free (other);
}

static void
test_private (void)
{
    EVP_PKEY *key = EVP_EC_gen ("P-256");
    guint8 *der = NULL;
    int len = i2d_PrivateKey (key, &der);
    expect_at (__LINE__, der, (gsize) len, NULL, "private-key-given");
    OPENSSL_free (der);
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8 (key);
    der = NULL;
    len = i2d_PKCS8_PRIV_KEY_INFO (p8, &der);
    expect_at (__LINE__, der, (gsize) len, NULL, "private-key-given");
    g_autoptr (GError) error = NULL;
    g_autoptr (KeyCheck) check = keycheck (der, (gsize) len, NULL, &error);
    g_assert_null (check->spki);
    g_assert_null (check->algorithm);
    OPENSSL_free (der);
    PKCS8_PRIV_KEY_INFO_free (p8);
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    expect_at (__LINE__, pem, strlen (pem), NULL, "private-key-given");
    EVP_PKEY_free (key);
}

static void
test_rubbish (void)
{
    EVP_PKEY *key = EVP_EC_gen ("P-256");
    g_autoptr (GBytes) csr = csr_of (key, EVP_sha256 (), key), spki = spki_of (key);
    g_autofree guint8 *random = g_malloc (2000);
    GBytes *const wholes[] = { csr, spki };
    for (guint w = 0; w < 2; w++)
        for (gsize len = 0; len < g_bytes_get_size (wholes[w]); len++) {
            g_autoptr (GError) error = NULL;
            g_assert_null (keycheck (g_bytes_get_data (wholes[w], NULL), len, NULL, &error));
            g_assert_nonnull (error);
        }
    for (guint i = 0; i < 300; i++) {
        g_autoptr (GError) error = NULL;
        for (guint k = 0; k < 2000; k++)
            random[k] = (guint8) g_test_rand_int ();
        random[0] = i % 2 ? 0x30 : random[0];
        g_autoptr (KeyCheck) check = keycheck (random, 2000, NULL, &error);
        g_assert_null (check);
        g_assert_nonnull (error);
    }
    g_autofree guint8 *huge = g_malloc0 (KEYCHECK_MAX_LEN + 1);
    g_autoptr (GError) error = NULL;
    g_assert_null (keycheck (huge, KEYCHECK_MAX_LEN + 1, NULL, &error));
    EVP_PKEY_free (key);
}

/* A bit flipped anywhere in a request is refused or unreadable; nothing crashes. */
static void
test_flips (void)
{
    EVP_PKEY *key = EVP_EC_gen ("P-256");
    g_autoptr (GBytes) csr = csr_of (key, EVP_sha256 (), key);
    gsize len = g_bytes_get_size (csr);
    for (gsize at = 0; at < len; at++) {
        g_autofree guint8 *copy = g_memdup2 (g_bytes_get_data (csr, NULL), len);
        copy[at] ^= 0x04;
        g_autoptr (KeyCheck) check = keycheck (copy, len, NULL, NULL);
        if (check && check->accept)
            g_error ("a request with byte %zu altered is accepted", at);
    }
    EVP_PKEY_free (key);
}

static void
test_many_good (void)
{
    static const char *const curves[] = { "P-256", "P-384", "P-521" };
    for (guint i = 0; i < 90; i++) {
        EVP_PKEY *key = EVP_EC_gen (curves[i % 3]);
        expect (spki_of (key), NULL);
        EVP_PKEY_free (key);
    }
    BIGNUM *e = BN_new ();
    BN_set_word (e, 65537);
    for (guint i = 0; i < 3; i++) {
        EVP_PKEY *key = EVP_RSA_gen (3072);
        expect (spki_of (key), NULL);
        EVP_PKEY_free (key);
    }
    BN_free (e);
}

static void
test_json (void)
{
    BIGNUM *e = BN_new ();
    BN_set_word (e, 1);
    g_autoptr (GBytes) spki = rsa_spki (n, e);
    g_autoptr (KeyCheck) check = keycheck_spki (spki, NULL, NULL);
    json_t *json = keycheck_json (check);
    json_t *first = json_array_get (json_object_get (json, "findings"), 0);
    g_assert_cmpstr (json_string_value (json_object_get (json, "verdict")), ==, "refuse");
    g_assert_cmpstr (json_string_value (json_object_get (first, "id")), ==, "rsa-exponent");
    g_assert_cmpstr (json_string_value (json_object_get (first, "clause")), ==, "6.1.6");
    g_assert_cmpint (json_integer_value (json_object_get (json_object_get (json, "key"), "bits")), ==, 3072);
    json_decref (json);
    BN_free (e);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    ctx = BN_CTX_new ();
    p = prime (1536);
    q = prime (1536);
    n = product (p, q);
    BIGNUM *p1 = BN_dup (p), *q1 = BN_dup (q);
    BN_sub_word (p1, 1);
    BN_sub_word (q1, 1);
    phi = product (p1, q1);
    g_test_add_func ("/keycheck/rsa-numbers", test_rsa_numbers);
    g_test_add_func ("/keycheck/rsa-sizes", test_rsa_sizes);
    g_test_add_func ("/keycheck/wiener", test_wiener);
    g_test_add_func ("/keycheck/roca", test_roca);
    g_test_add_func ("/keycheck/patterns", test_patterns);
    g_test_add_func ("/keycheck/lists", test_lists);
    g_test_add_func ("/keycheck/ec-points", test_ec_points);
    g_test_add_func ("/keycheck/ec-small-scalar", test_ec_small_scalar);
    g_test_add_func ("/keycheck/curves", test_curves);
    g_test_add_func ("/keycheck/requests", test_requests);
    g_test_add_func ("/keycheck/private", test_private);
    g_test_add_func ("/keycheck/rubbish", test_rubbish);
    g_test_add_func ("/keycheck/flips", test_flips);
    g_test_add_func ("/keycheck/many-good", test_many_good);
    g_test_add_func ("/keycheck/json", test_json);
    int status = g_test_run ();
    BN_free (p);
    BN_free (q);
    BN_free (n);
    BN_free (phi);
    BN_free (p1);
    BN_free (q1);
    BN_CTX_free (ctx);
    return status;
}
