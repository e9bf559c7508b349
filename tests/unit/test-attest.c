/* Real attestations of five vendors: each gets the expected answer, and none survives being altered, cut, crossed or judged by other anchors.
 * The data is read in place; without it these tests are skipped. */
#include "attest-pki.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/file.h"

static char *data_dir;
static AttestAnchors *vendors;

static char *
find_data (void)
{
    const char *named = g_getenv ("CEREMONY_TEST_DATA");
    const char *const places[] = { named ? named : "../shared/data", "../shared/data", "../../shared/data" };
    for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
        g_autofree char *dir = g_build_filename (places[i], "attestation", NULL);
        g_autofree char *index = g_build_filename (dir, "INDEX.md", NULL);
        if (g_file_test (index, G_FILE_TEST_EXISTS))
            return g_steal_pointer (&dir);
    }
    return NULL;
}

static GBytes *
read_data (const char *name)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = g_build_filename (data_dir, name, NULL);
    GBytes *bytes = file_read (path, ATTEST_MAX_INPUT_LEN, &error);
    g_assert_no_error (error);
    return bytes;
}

static GPtrArray *
files (const char *names)
{
    GPtrArray *inputs = attest_inputs_new ();
    g_auto (GStrv) list = g_strsplit (names, " ", -1);
    for (char **n = list; *n; n++)
        pki_give (inputs, *n, read_data (*n));
    return inputs;
}

typedef struct {
    const char *files, *kind, *serial, *firmware, *fields;
    AttestTri   matches_csr;
} Row;

#define YK "yubikey-piv/"
#define YK2(dir, dev, key) YK dir "/" dir "_device_cert." dev ".pem " YK dir "/" dir "_key_cert." key ".pem"
static const Row rows[] = {
    { YK2 ("10550341", "8b363cad", "7708eb2c"), "yubikey-piv", "10550341", "4.4.5", "slot=9c pin_policy=always touch_policy=always bits=256", ATTEST_NULL },
    { YK2 ("10550341", "8b363cad", "8f552e6b"), "yubikey-piv", "10550341", "4.4.5", "slot=9c", ATTEST_NULL },
    { YK2 ("10550341", "8b363cad", "9530e746"), "yubikey-piv", "10550341", "4.4.5", "slot=9c", ATTEST_NULL },
    { YK2 ("10550341", "8b363cad", "d2e2a682"), "yubikey-piv", "10550341", "4.4.5", "slot=9c", ATTEST_NULL },
    { YK2 ("13078778", "5ba855cb", "ed8de79b"), "yubikey-piv", "13078778", "5.2.6", "slot=9c form_factor=usb-c-keychain", ATTEST_NULL },
    { YK2 ("14454335", "62ef07fc", "625894eb"), "yubikey-piv", "14454335", "5.2.7", "slot=9c form_factor=usb-c-keychain", ATTEST_NULL },
    { YK2 ("14469571", "62ef07fc", "33c891fd"), "yubikey-piv", "14469571", "5.2.7", "slot=9c form_factor=usb-c-keychain", ATTEST_NULL },
    { YK2 ("14470876", "62ef07fc", "decf7375"), "yubikey-piv", "14470876", "5.2.7", "slot=9c form_factor=usb-c-keychain", ATTEST_NULL },
    { YK2 ("15724862", "62ef07fc", "4e8c85ae"), "yubikey-piv", "15724862", "5.2.7", "slot=9c form_factor=usb-c-nano", ATTEST_NULL },
    { YK2 ("15724862", "62ef07fc", "63643060"), "yubikey-piv", "15724862", "5.2.7", "slot=9c form_factor=usb-c-nano", ATTEST_NULL },
    { YK2 ("15724862", "62ef07fc", "807da940"), "yubikey-piv", "15724862", "5.2.7", "slot=9c form_factor=usb-c-nano", ATTEST_NULL },
    { YK2 ("15724862", "62ef07fc", "d2b85ad0"), "yubikey-piv", "15724862", "5.2.7", "slot=9c form_factor=usb-c-nano", ATTEST_NULL },
    { YK "15732500/key_cert.pem " YK "15732500/device_cert.pem", "yubikey-piv", "15732500", "5.4.3", "slot=9a pin_policy=once touch_policy=never", ATTEST_NULL },
    { YK2 ("15935408", "62ef07fc", "16cbc8c1"), "yubikey-piv", "15935408", "5.2.7", "slot=9c form_factor=usb-c-keychain", ATTEST_NULL },
    { YK2 ("15935408", "62ef07fc", "4627fc1d"), "yubikey-piv", "15935408", "5.2.7", "slot=9c", ATTEST_NULL },
    { YK2 ("15935408", "62ef07fc", "788a1afc"), "yubikey-piv", "15935408", "5.2.7", "slot=9c", ATTEST_NULL },
    { YK2 ("15935408", "62ef07fc", "fb95822f"), "yubikey-piv", "15935408", "5.2.7", "slot=9c", ATTEST_NULL },
    { YK "same-key-twice/key_cert_run1.pem " YK "same-key-twice/device_cert.pem", "yubikey-piv", "13078782", "5.2.6", "slot=9c", ATTEST_NULL },
    { YK "same-key-twice/device_cert.pem " YK "same-key-twice/key_cert_run2_same_key.pem " YK "same-key-twice/pubkey.pem", "yubikey-piv", "13078782",
      "5.2.6", "slot=9c", ATTEST_NULL },
    { YK "csr/yubikey_valid_5_4_3_Always_Never_UsbAKeychain_9a_Normal_ECC_384_CSR.csr", "yubikey-piv", "19661687", "5.4.3",
      "slot=9a pin_policy=always touch_policy=never form_factor=usb-a-keychain bits=256", ATTEST_TRUE },
    { YK "csr/yubikey_valid_5_4_3_Once_Cached_UsbAKeychain_9a_FIPS_RSA_2048_CSR.csr", "yubikey-piv", "28989702", "5.4.3",
      "slot=9a pin_policy=once touch_policy=cached bits=2048", ATTEST_TRUE },
    { YK "csr/yubikey_valid_5_4_3_Once_Never_UsbAKeychain_9a_Normal_RSA_2048_CSR.csr", "yubikey-piv", "19661687", "5.4.3",
      "slot=9a pin_policy=once touch_policy=never bits=2048", ATTEST_TRUE },
    { YK "csr/csr_5_7_4_standard.pem", "yubikey-piv", "33064031", "5.7.4", "slot=9a bits=384 form_factor=usb-c-keychain", ATTEST_TRUE },
    { "yubihsm2/31650425/key_attestation_0x7e57.pem yubihsm2/31650425/device_cert.pem", "yubihsm2", "31650425", "2.4.0",
      "object_id=0x7e57 label=hsmaudit-test bits=256", ATTEST_NULL },
    { "yubihsm2/20783176/chain2.pem yubihsm2/20783176/key.csr yubihsm2/20783176/chain0.pem yubihsm2/20783176/chain1.pem", "yubihsm2", "20783176", "2.2.0",
      "object_id=0x0024 bits=4096", ATTEST_TRUE },
    { "luna/rsa-pkc.p7b luna/rsa-test.csr", "luna", "521174", "7.8.4", "bits=2048", ATTEST_TRUE },
    { "luna/ecc-test.csr luna/ecc-pkc.p7b", "luna", "521174", NULL, "bits=256", ATTEST_TRUE },
    { "google-cloud-hsm/ec.certs google-cloud-hsm/ec.dat", "marvell", "5.2G1804-ICM000678", NULL, "bits=256", ATTEST_NULL },
    { "securosys/key.csr securosys/chain1.pem securosys/attestation.sig securosys/chain0.pem securosys/attestation.xml", "securosys", "18386101", NULL,
      "bits=4096 creation=generated label=rsa_4096_sign", ATTEST_TRUE },
};

static void
check_fields (const AttestResult *r, const char *fields)
{
    g_auto (GStrv) list = g_strsplit (fields, " ", -1);
    for (char **f = list; *f; f++) {
        char *eq = strchr (*f, '=');
        *eq = 0;
        const json_t *value = json_object_get (r->details, *f);
        if (json_is_integer (value))
            g_assert_cmpint (json_integer_value (value), ==, g_ascii_strtoll (eq + 1, NULL, 10));
        else
            g_assert_cmpstr (json_string_value (value), ==, eq + 1);
    }
}

static void
test_rows (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autoptr (AttestResult) r = pki_expect_at (rows[i].files, (int) i, files (rows[i].files), vendors, NULL);
        g_assert_cmpstr (r->kind, ==, rows[i].kind);
        g_assert_cmpstr (r->serial, ==, rows[i].serial);
        g_assert_cmpstr (r->firmware, ==, rows[i].firmware);
        g_assert_cmpint (r->origin, ==, ATTEST_ORIGIN_GENERATED);
        g_assert_cmpint (r->exportable, ==, ATTEST_FALSE);
        g_assert_cmpint (r->matches_csr, ==, rows[i].matches_csr);
        check_fields (r, rows[i].fields);
    }
}

static void
test_refused (void)
{
    pki_expect (files ("refuse/self-signed-device-76651934/76651934_device_cert.c3d3c10d.pem refuse/self-signed-device-76651934/76651934_key_cert.c3db23c0.pem"),
                vendors, "there is no vendor root");
    g_autoptr (AttestResult) r = pki_expect_at (__func__, __LINE__, files ("refuse/grafted-on-another-csr/csr-line875.csr"), vendors,
                                                "isn't the request's key");
    g_assert_cmpint (r->matches_csr, ==, ATTEST_FALSE);
}

/* The named departures are told, and only where they were needed. */
static gboolean
has_anomaly (const AttestResult *r, const char *prefix)
{
    gsize i;
    json_t *value;
    json_array_foreach (json_object_get (r->details, "anomalies"), i, value)
        if (g_str_has_prefix (json_string_value (value), prefix))
            return TRUE;
    return FALSE;
}

static void
test_exceptions_are_named (void)
{
    g_autoptr (AttestResult) luna = pki_expect_at (__func__, __LINE__, files ("luna/ecc-pkc.p7b"), vendors, NULL);
    g_assert_true (has_anomaly (luna, "negative-ecdsa-integer"));
    g_autoptr (AttestResult) google = pki_expect_at (__func__, __LINE__, files ("google-cloud-hsm/ec.certs google-cloud-hsm/ec.dat"), vendors, NULL);
    g_assert_true (has_anomaly (google, "version-1-issuer"));
    g_autoptr (AttestResult) rsa = pki_expect_at (__func__, __LINE__, files ("luna/rsa-pkc.p7b"), vendors, NULL);
    g_assert_false (has_anomaly (rsa, "negative-ecdsa-integer"));
    g_autoptr (AttestResult) yubikey = pki_expect_at (__func__, __LINE__, files (rows[0].files), vendors, NULL);
    g_assert_false (has_anomaly (yubikey, "no-basic-constraints"));
}

/* The vendors' names over keys of our own. */
static AttestAnchors *
usurped (void)
{
    g_autofree char *path = g_strdup ("scripts/vendors.yaml");
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) bytes = file_read (path, 1 << 20, &error);
    g_assert_no_error (error);
    EVP_PKEY *key = pki_ec ();
    g_autoptr (GBytes) spki = pki_spki (key);
    g_autofree char *b64 = base64_encode (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki));
    g_autofree char *text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    g_autoptr (GString) out = g_string_new (NULL);
    for (char **l = lines; *l; l++)
        if (g_str_has_prefix (*l, "    spki: "))
            g_string_append_printf (out, "    spki: %s\n", b64);
        else
            g_string_append_printf (out, "%s\n", *l);
    EVP_PKEY_free (key);
    return pki_anchors (out);
}

static void
test_other_anchors (void)
{
    g_autoptr (AttestAnchors) same_names = usurped ();
    g_autoptr (GString) yaml = g_string_new (NULL);
    EVP_PKEY *key = pki_ec ();
    pki_anchor (yaml, "yubikey-piv", "CN=Nobody", key);
    g_autoptr (AttestAnchors) nobody = pki_anchors (yaml);
    EVP_PKEY_free (key);
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        pki_expect (files (rows[i].files), same_names, "isn't signed by that vendor's key");
        pki_expect (files (rows[i].files), nobody, "there is no vendor root");
    }
}

/* Before and after the certificates' dates. */
static void
test_dates (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (AttestAnchors) anchors = attest_anchors_load ("scripts/vendors.yaml", &error);
    g_assert_no_error (error);
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        attest_anchors_set_time (anchors, 1000000000000);                   /* 2001 */
        pki_expect (files (rows[i].files), anchors, "isn't valid yet");
        if (g_str_equal (rows[i].serial, "33064031"))
            continue;                                                       /* until 9999 */
        attest_anchors_set_time (anchors, 3502000000000);                   /* 2080 */
        pki_expect (files (rows[i].files), anchors, "has expired");
    }
    /* Cavium's root of 2015 expired in 2025; its key is pinned, and the cards' own certificates still hold. */
    attest_anchors_set_time (anchors, 1780000000000);
    pki_expect (files ("google-cloud-hsm/ec.certs google-cloud-hsm/ec.dat"), anchors, NULL);
}

/* DER of the @n-th certificate of a PEM file, or the file itself. */
static GBytes *
der_of (const char *name, int n)
{
    g_autoptr (GBytes) file = read_data (name);
    BIO *bio = BIO_new_mem_buf (g_bytes_get_data (file, NULL), (int) g_bytes_get_size (file));
    char *label = NULL, *header = NULL;
    guint8 *data = NULL;
    long len = 0;
    GBytes *out = NULL;
    for (int i = 0; i <= n && PEM_read_bio (bio, &label, &header, &data, &len); i++) {
        if (i == n)
            out = g_bytes_new (data, (gsize) len);
        OPENSSL_free (label);
        OPENSSL_free (header);
        OPENSSL_free (data);
    }
    BIO_free (bio);
    return out ? out : g_steal_pointer (&file);
}

typedef struct { const char *target, *others; } Target;
static const Target targets[] = {
    { YK "15732500/key_cert.pem", YK "15732500/device_cert.pem" },
    { YK "15732500/device_cert.pem", YK "15732500/key_cert.pem" },
    { YK "csr/yubikey_valid_5_4_3_Always_Never_UsbAKeychain_9a_Normal_ECC_384_CSR.csr", NULL },
    { "yubihsm2/31650425/key_attestation_0x7e57.pem", "yubihsm2/31650425/device_cert.pem" },
    { "yubihsm2/31650425/device_cert.pem", "yubihsm2/31650425/key_attestation_0x7e57.pem" },
    { "luna/ecc-pkc.p7b", NULL },
    { "luna/rsa-pkc.p7b", NULL },
    { "google-cloud-hsm/ec.dat", "google-cloud-hsm/ec.certs" },
    { "securosys/attestation.xml", "securosys/attestation.sig securosys/chain0.pem securosys/chain1.pem" },
    { "securosys/attestation.sig", "securosys/attestation.xml securosys/chain0.pem securosys/chain1.pem" },
    { "securosys/chain0.pem", "securosys/attestation.sig securosys/attestation.xml securosys/chain1.pem" },
};

static gboolean
survives (const Target *t, GBytes *bytes)
{
    g_autoptr (GPtrArray) inputs = t->others ? files (t->others) : attest_inputs_new ();
    g_autoptr (GError) error = NULL;
    g_ptr_array_add (inputs, attest_input_new ("altered", bytes));
    g_autoptr (AttestResult) r = attest_verify (inputs, NULL, NULL, NULL, vendors, &error);
    g_assert_true ((r == NULL) == (error != NULL));
    return r && r->genuine;
}

static void
test_truncation (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (targets); i++) {
        g_autoptr (GBytes) whole = der_of (targets[i].target, 0);
        gsize n = g_bytes_get_size (whole);
        g_assert_true (survives (&targets[i], whole));
        for (gsize len = 0; len < n; len += MAX (1, n / 60)) {
            g_autoptr (GBytes) cut = g_bytes_new_from_bytes (whole, 0, len);
            if (survives (&targets[i], cut))
                g_error ("%s cut to %zu of %zu bytes is still genuine", targets[i].target, len, n);
        }
        g_autoptr (GByteArray) more = g_byte_array_new ();
        g_byte_array_append (more, g_bytes_get_data (whole, NULL), (guint) n);
        g_byte_array_append (more, (const guint8 *) "x", 1);
        g_autoptr (GBytes) longer = g_byte_array_free_to_bytes (g_steal_pointer (&more));
        if (survives (&targets[i], longer))
            g_error ("%s with a byte after it is still genuine", targets[i].target);
    }
}

/* A flipped bit is never genuine. Some bytes of a PKCS#7 and of gzip's header are read by nobody: its certificates and its body are what counts. */
static void
test_flips (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (targets); i++) {
        g_autoptr (GBytes) whole = der_of (targets[i].target, 0);
        gsize n = g_bytes_get_size (whole);
        gboolean luna = g_str_has_prefix (targets[i].target, "luna/"), gzip = g_str_has_suffix (targets[i].target, ".dat");
        gsize from = luna ? 60 : gzip ? 10 : 0, to = luna ? 1200 : gzip ? n - 8 : n;
        for (gsize at = from; at < to; at += MAX (1, (to - from) / 60)) {
            g_autofree guint8 *copy = g_memdup2 (g_bytes_get_data (whole, NULL), n);
            copy[at] ^= 0x10;
            g_autoptr (GBytes) altered = g_bytes_new (copy, n);
            if (survives (&targets[i], altered))
                g_error ("%s with a bit of byte %zu flipped is still genuine", targets[i].target, at);
        }
    }
}

static void
test_crossed (void)
{
    /* Device certificates of another device. */
    pki_expect (files (YK "15732500/key_cert.pem " YK "13078778/13078778_device_cert.5ba855cb.pem"), vendors, "isn't signed by the key of");
    pki_expect (files ("yubihsm2/31650425/key_attestation_0x7e57.pem yubihsm2/20783176/chain1.pem"), vendors, "there is no vendor root");
    pki_expect (files ("yubihsm2/20783176/chain0.pem yubihsm2/31650425/device_cert.pem"), vendors, "there is no vendor root");
    /* Without the certificates above it. */
    pki_expect (files (YK "15732500/key_cert.pem"), vendors, "there is no vendor root");
    pki_expect (files ("google-cloud-hsm/ec.dat"), vendors, "isn't signed by the key of any certificate given");
    pki_expect (files ("securosys/attestation.xml securosys/chain0.pem securosys/chain1.pem"), vendors, "signature isn't among the files");
    pki_expect (files ("securosys/attestation.xml securosys/attestation.sig securosys/chain1.pem"), vendors, "isn't signed by the key of any");
    pki_expect (files ("securosys/attestation.xml securosys/attestation.sig securosys/chain0.pem"), vendors, "there is no vendor root");
    /* A device's, an intermediate's and a root's certificate given as the key's. */
    pki_expect (files (YK "15732500/device_cert.pem"), vendors, "no attestation of a key");
    pki_expect (files ("yubihsm2/20783176/chain1.pem yubihsm2/20783176/chain2.pem"), vendors, "no attestation of a key");
    pki_expect (files ("roots/yubico-piv-root-263751.pem"), vendors, "");
    pki_expect (files ("luna/ecc-test.csr"), vendors, "the request carries no attestation");
    pki_expect (files ("roots/chrysalis-its-root.pem"), vendors, "no confirmation of a key");
    pki_expect (files ("securosys/chain0.pem securosys/chain1.pem"), vendors, "none of the certificates is the attestation");
    /* Another key's request. */
    g_autoptr (AttestResult) r = pki_expect_at (__func__, __LINE__, files ("luna/rsa-pkc.p7b luna/ecc-test.csr"), vendors, "isn't the request's key");
    g_assert_cmpint (r->matches_csr, ==, ATTEST_FALSE);
    pki_expect (files ("securosys/attestation.xml securosys/attestation.sig securosys/chain0.pem securosys/chain1.pem yubihsm2/20783176/key.csr"), vendors,
                "isn't the request's key");
    pki_expect (files ("yubihsm2/31650425/device_cert.pem yubihsm2/31650425/key_attestation_0x7e57.pem yubihsm2/20783176/key.csr"), vendors,
                "isn't the request's key");
    /* Both PKCs of one device with one request: the one whose key it has. */
    pki_expect (files ("luna/rsa-pkc.p7b luna/ecc-pkc.p7b luna/ecc-test.csr"), vendors, NULL);
    /* Another key's bare public key. */
    pki_expect (files (YK "13078778/13078778_pubkey.efb60401.pem " YK "15732500/key_cert.pem " YK "15732500/device_cert.pem"), vendors, "isn't the key that is asked for");
}

/* One genuine chain lends no credit to another leaf. */
static void
test_no_credit (void)
{
    pki_expect (files (YK2 ("10550341", "8b363cad", "7708eb2c") " refuse/self-signed-device-76651934/76651934_key_cert.c3db23c0.pem"), vendors,
                "there is no vendor root");
    pki_expect (files (YK2 ("10550341", "8b363cad", "7708eb2c") " " YK "10550341/10550341_key_cert.8f552e6b.pem"), vendors, "several keys");
    pki_expect (files (YK "same-key-twice/key_cert_run1.pem " YK "same-key-twice/key_cert_run2_same_key.pem " YK "same-key-twice/device_cert.pem"), vendors, NULL);
    pki_expect (files (YK2 ("10550341", "8b363cad", "7708eb2c") " " YK "15732500/device_cert.pem roots/yubico-u2f-root-457200631.pem roots/securosys-primus-root.pem"),
                vendors, NULL);
}

static void
test_asked_for (void)
{
    const Row *row = &rows[13];
    g_autoptr (GPtrArray) inputs = files (row->files);
    g_autoptr (GError) error = NULL;
    g_autoptr (AttestResult) r = attest_verify (inputs, NULL, NULL, NULL, vendors, &error);
    guint8 digest[SHA256_LEN];
    sha256 (g_bytes_get_data (r->spki, NULL), g_bytes_get_size (r->spki), digest);
    g_autoptr (AttestResult) same = attest_verify (inputs, NULL, digest, NULL, vendors, &error);
    g_assert_true (same->genuine);
    digest[0] ^= 1;
    g_autoptr (AttestResult) other = attest_verify (inputs, NULL, digest, NULL, vendors, &error);
    g_assert_false (other->genuine);
    g_autoptr (json_t) json = attest_result_json (same);
    g_assert_cmpstr (json_string_value (json_object_get (json, "verdict")), ==, "genuine");
    g_assert_true (json_is_null (json_object_get (json, "matches_csr")));
    g_assert_true (json_is_false (json_object_get (json, "exportable")));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    data_dir = find_data ();
    g_autoptr (GError) error = NULL;
    vendors = attest_anchors_load ("scripts/vendors.yaml", &error);
    if (!data_dir || !vendors) {
        g_print ("1..0 # SKIP %s\n", data_dir ? error->message : "no attestations in CEREMONY_TEST_DATA, ../shared/data or ../../shared/data");
        return data_dir ? 1 : 0;
    }
    g_test_add_func ("/attest/rows", test_rows);
    g_test_add_func ("/attest/refused", test_refused);
    g_test_add_func ("/attest/exceptions", test_exceptions_are_named);
    g_test_add_func ("/attest/other-anchors", test_other_anchors);
    g_test_add_func ("/attest/dates", test_dates);
    g_test_add_func ("/attest/truncation", test_truncation);
    g_test_add_func ("/attest/flips", test_flips);
    g_test_add_func ("/attest/crossed", test_crossed);
    g_test_add_func ("/attest/no-credit", test_no_credit);
    g_test_add_func ("/attest/asked-for", test_asked_for);
    int status = g_test_run ();
    attest_anchors_free (vendors);
    g_free (data_dir);
    return status;
}
