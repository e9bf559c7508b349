/* Signers and CAdES signatures: stock tools take them, and no byte of one can differ. */
#include "ceremony/base/child.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/cades.h"
#include "ceremony/base/der.h"
#include <glib/gstdio.h>
#include <openssl/cms.h>
#include <openssl/pem.h>
#include <string.h>

static char *folder;
static const char content[] = "<?xml version=\"1.0\"?>\n<manifest/>\n";

/* Runs a shell script in the folder. */
static int
shell (const char *script)
{
    g_autoptr (GBytes) output = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree char *log = g_build_filename (folder, "log", NULL), *full = g_strdup_printf ("set -e; cd %s; %s", folder, script);
    int status = -1;
    child_run ((const char *[]) { "/bin/sh", "-c", full, NULL }, -1, log, 60000, 1024 * 1024, &output, &status, &error);
    g_assert_no_error (error);
    return status;
}

static char *
path_of (const char *name)
{
    return g_build_filename (folder, name, NULL);
}

/* A root, an intermediate, and leaves of each kind of key; the same keys self-signed; PKCS#12 and encrypted forms. */
static const char setup[] =
    "ext() { printf '%s\\n' 'basicConstraints=critical,CA:TRUE' > ca.ext; printf '%s\\n' 'basicConstraints=CA:FALSE' 'keyUsage=digitalSignature' > leaf.ext; }; ext;"
    "openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.crt -subj /CN=Root -days 30 2>/dev/null;"
    "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout mid.key -out mid.csr -subj '/CN=Intermediate' 2>/dev/null;"
    "openssl x509 -req -in mid.csr -CA root.crt -CAkey root.key -CAcreateserial -extfile ca.ext -out mid.crt -days 30 2>/dev/null;"
    "leaf() { openssl req -new -key $1.key -out $1.csr -subj \"/O=Example/CN=$1\";"
    "  openssl x509 -req -in $1.csr -CA mid.crt -CAkey mid.key -CAcreateserial -extfile leaf.ext -out $1.crt -days 30 2>/dev/null;"
    "  openssl req -x509 -new -key $1.key -out $1-self.crt -subj \"/CN=$1 self\" -days 30;"
    "  cat $1.key $1-self.crt > $1-self.pem; cat $1.crt root.crt mid.crt $1.key > $1-full.pem; cat $1.key $1.crt mid.crt > $1-short.pem; cat $1.key $1.crt > $1-bare.pem; };"
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.key; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.key;"
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out rsa.key 2>/dev/null; leaf p256; leaf p384; leaf rsa;"
    "openssl pkcs12 -export -inkey p256.key -in p256.crt -certfile mid.crt -passout pass:geheim -out p256.p12;"
    "openssl pkcs12 -export -inkey p256.key -in p256.crt -passout pass: -out open.p12;"
    "openssl pkcs8 -topk8 -in p256.key -passout pass:geheim -out enc.key; cat enc.key p256.crt > enc.pem;"
    "cat p256.key p384.crt > crossed.pem; openssl genpkey -algorithm ED25519 -out ed.key; openssl req -x509 -new -key ed.key -out ed.crt -subj /CN=ed; cat ed.key ed.crt > ed.pem;"
    "cat root.crt mid.crt > both.crt; printf '<?xml version=\"1.0\"?>\\n<manifest/>\\n' > content";

static Signer *
signer_of (const char *name)
{
    g_autofree char *path = path_of (name);
    g_autoptr (GError) error = NULL;
    Signer *signer = signer_load_file (path, NULL, &error);
    g_assert_no_error (error);
    return signer;
}

static GBytes *
sign_with (const char *name)
{
    g_autoptr (Signer) signer = signer_of (name);
    g_autoptr (GError) error = NULL;
    GBytes *p7s = cades_sign (signer, content, strlen (content), &error);
    g_assert_no_error (error);
    return p7s;
}

static gboolean
verifies (const void *p7s, gsize len)
{
    g_autoptr (Cades) cades = cades_verify (p7s, len, content, strlen (content), NULL);
    return cades != NULL;
}

static const char *const signers[] = { "p256-self.pem", "p384-self.pem", "rsa-self.pem", "p256-full.pem", "p384-full.pem", "rsa-full.pem", "p256-short.pem", "rsa-short.pem",
                                       "p256-bare.pem" };

static void
test_sign (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (signers); i++) {
        g_autoptr (GBytes) p7s = sign_with (signers[i]);
        g_autoptr (GError) error = NULL;
        g_autoptr (Signer) signer = signer_of (signers[i]);
        g_autoptr (Cades) cades = cades_verify (g_bytes_get_data (p7s, NULL), g_bytes_get_size (p7s), content, strlen (content), &error);
        g_assert_no_error (error);
        g_assert_cmpint (X509_cmp (cades->signer, signer->cert), ==, 0);
        g_assert_cmpint (sk_X509_num (cades->certificates), ==, sk_X509_num (signer->chain) + 1);
        g_autofree char *spki = signer_spki_sha256 (signer->cert);
        g_assert_cmpstr (cades->spki_sha256, ==, spki);
        g_assert_cmpint (ABS (cades->signing_time - g_get_real_time () / 1000), <, 60000);
        g_assert_null (cades->timestamp);
        g_assert_null (cades_verify (g_bytes_get_data (p7s, NULL), g_bytes_get_size (p7s), "other", 5, &error));
        g_assert_error (error, BASE_ERROR, BASE_ERROR_REFUSED);
    }
}

/* Stock programs take each of them. */
static void
test_stock_tools (void)
{
    for (guint i = 0; i < G_N_ELEMENTS (signers); i++) {
        g_autoptr (GBytes) p7s = sign_with (signers[i]);
        g_autofree char *path = path_of ("stock.p7s");
        g_assert_true (file_write (path, g_bytes_get_data (p7s, NULL), g_bytes_get_size (p7s), 0600, TRUE, NULL));
        g_autofree char *base = g_strndup (signers[i], (gsize) (strchr (signers[i], '-') - signers[i]));
        gboolean self = strstr (signers[i], "-self") != NULL;
        g_autofree char *script =
            g_strdup_printf ("openssl cms -verify -binary -inform DER -in stock.p7s -content content -CAfile %s%s -purpose any -cades -out /dev/null 2>>log",
                             self ? base : strstr (signers[i], "-bare") != NULL ? "both" : "root", self ? "-self.crt" : ".crt");
        g_assert_cmpint (shell (script), ==, 0);
    }
}

/* GnuPG's checker is another implementation: it must find the signature good; trust isn't its matter here. */
static void
test_gpgsm (void)
{
    g_autofree char *gpgsm = g_find_program_in_path ("gpgsm");
    if (gpgsm == NULL) {
        g_test_skip ("gpgsm isn't installed");
        return;
    }
    g_autoptr (GBytes) p7s = sign_with ("rsa-full.pem");
    g_autofree char *path = path_of ("gpg.p7s");
    g_assert_true (file_write (path, g_bytes_get_data (p7s, NULL), g_bytes_get_size (p7s), 0600, TRUE, NULL));
    g_assert_cmpint (shell ("mkdir -p gnupg; chmod 700 gnupg; export GNUPGHOME=$PWD/gnupg; f=$(openssl x509 -in root.crt -noout -fingerprint -sha1 | sed 's/.*=//'); "
                            "echo \"$f S relax\" > gnupg/trustlist.txt; printf 'disable-crl-checks\\ndisable-dirmngr\\n' > gnupg/gpgsm.conf; "
                            "timeout 30 gpgsm --batch --import root.crt mid.crt >>log 2>&1; "
                            "timeout 30 gpgsm --batch --status-fd 1 --verify gpg.p7s content > gpg.out 2>>log || true; gpgconf --kill all 2>/dev/null || true; "
                            "grep -q 'GOODSIG' gpg.out"),
                     ==, 0);
}

#ifdef __SANITIZE_ADDRESS__
#define STEP 29                             /* unwinding the stack at each malloc takes its time */
#else
#define STEP 1
#endif

/* 0x0a turns rsaEncryption into sha256WithRSAEncryption; the rest are bits and their opposite. */
static const guint8 masks[] = { 0x01, 0x0a, 0x80, 0xff, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40 };

static void
flip_all (const char *name, guint n_masks)
{
    g_autoptr (GBytes) p7s = sign_with (name);
    gsize len;
    const guint8 *data = g_bytes_get_data (p7s, &len);
    g_assert_true (verifies (data, len));
    g_autofree guint8 *changed = g_memdup2 (data, len);
    for (gsize i = 0; i < len; i += STEP)
        for (guint m = 0; m < n_masks; m++) {
            changed[i] = data[i] ^ masks[m];
            if (verifies (changed, len))
                g_error ("%s: byte %" G_GSIZE_FORMAT " xor %02x wasn't seen", name, i, masks[m]);
            changed[i] = data[i];
        }
}

static void
test_every_byte (void)
{
    flip_all ("p256-self.pem", G_N_ELEMENTS (masks));
    flip_all ("p256-bare.pem", 2);
    flip_all ("rsa-self.pem", 3);
    flip_all ("rsa-full.pem", 2);
    flip_all ("p256-full.pem", 1);
    flip_all ("p384-full.pem", 1);
    flip_all ("p256-short.pem", 2);
}

static const guint8 declared[32] = "digest of a declaration, 32 byte";

static gboolean
countersigns (const void *p7s, gsize len)
{
    g_autoptr (Cades) cades = cades_verify_countersignature (p7s, len, content, strlen (content), NULL);
    return cades != NULL && memcmp (cades->declaration_sha256, declared, sizeof declared) == 0;
}

/* A countersignature: as strict, and neither kind passes for the other. */
static void
test_countersign (void)
{
    static const char *const names[] = { "p256-self.pem", "p384-full.pem", "rsa-short.pem" };
    for (guint n = 0; n < G_N_ELEMENTS (names); n++) {
        g_autoptr (Signer) signer = signer_of (names[n]);
        g_autoptr (GError) error = NULL;
        g_autoptr (GBytes) p7s = cades_countersign (signer, content, strlen (content), declared, &error), plain = sign_with (names[n]);
        g_assert_no_error (error);
        gsize len;
        const guint8 *data = g_bytes_get_data (p7s, &len);
        g_assert_true (countersigns (data, len));
        g_assert_false (verifies (data, len));
        g_assert_null (cades_verify_countersignature (g_bytes_get_data (plain, NULL), g_bytes_get_size (plain), content, strlen (content), &error));
        g_assert_error (error, BASE_ERROR, BASE_ERROR_REFUSED);
        g_assert_nonnull (strstr (error->message, "no digest of a declaration"));
        g_autofree guint8 *changed = g_memdup2 (data, len);
        for (gsize i = 0; i < len; i += STEP) {
            changed[i] ^= 1u << i % 8;
            if (countersigns (changed, len))
                g_error ("%s: byte %" G_GSIZE_FORMAT " of the countersignature wasn't seen", names[n], i);
            changed[i] = data[i];
        }
        for (gsize short_len = 0; short_len < len; short_len += STEP)
            g_assert_false (countersigns (data, short_len));
        g_autoptr (GBytes) value = cades_value (data, len);
        g_assert_nonnull (value);
        g_autofree char *path = path_of ("counter.p7s"), *script = g_strdup_printf (
            "openssl cms -verify -binary -inform DER -in counter.p7s -content content -CAfile %s -purpose any -cades -out /dev/null 2>>log", n == 0 ? "p256-self.crt" : "root.crt");
        g_assert_true (file_write (path, data, len, 0600, TRUE, NULL));
        g_assert_cmpint (shell (script), ==, 0);
    }
}

/* An attribute of another kind under that OID, or there twice: what no program of ours writes. */
static GBytes *
with_attribute (int type, const void *value, int len, gboolean twice)
{
    g_autoptr (Signer) signer = signer_of ("p256-self.pem");
    const unsigned flags = CMS_DETACHED | CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP | CMS_CADES;
    BIO *bio = BIO_new_mem_buf (content, (int) strlen (content));
    CMS_ContentInfo *cms = CMS_sign (NULL, NULL, NULL, NULL, flags);
    CMS_SignerInfo *si = CMS_add1_signer (cms, signer->cert, signer->key, EVP_sha256 (), flags);
    ASN1_OBJECT *oid = OBJ_txt2obj (CADES_DECLARATION_OID, 1);
    guint8 *der = NULL;
    g_assert_cmpint (CMS_signed_add1_attr_by_OBJ (si, oid, type, value, len), ==, 1);
    if (twice) {
        X509_ATTRIBUTE *attribute = CMS_signed_get_attr (si, CMS_signed_get_attr_by_OBJ (si, oid, -1));
        g_assert_cmpint (X509_ATTRIBUTE_set1_data (attribute, V_ASN1_OCTET_STRING, "another digest, also of 32 bytes", 32), ==, 1);
    }
    g_assert_cmpint (CMS_final (cms, bio, NULL, flags), ==, 1);
    int der_len = i2d_CMS_ContentInfo (cms, &der);
    GBytes *bytes = g_bytes_new (der, (gsize) der_len);
    OPENSSL_free (der);
    ASN1_OBJECT_free (oid);
    CMS_ContentInfo_free (cms);
    BIO_free (bio);
    return bytes;
}

static void
test_countersign_other_forms (void)
{
    static const struct { int type, len; gboolean twice, good; } forms[] = {
        { V_ASN1_OCTET_STRING, 32, FALSE, TRUE }, { V_ASN1_OCTET_STRING, 31, FALSE, FALSE }, { V_ASN1_UTF8STRING, 32, FALSE, FALSE }, { V_ASN1_OCTET_STRING, 32, TRUE, FALSE },
    };
    for (guint i = 0; i < G_N_ELEMENTS (forms); i++) {
        g_autoptr (GBytes) p7s = with_attribute (forms[i].type, declared, forms[i].len, forms[i].twice);
        g_assert_cmpint (countersigns (g_bytes_get_data (p7s, NULL), g_bytes_get_size (p7s)), ==, forms[i].good);
        g_assert_false (verifies (g_bytes_get_data (p7s, NULL), g_bytes_get_size (p7s)));
    }
}

static void
test_truncated_and_padded (void)
{
    g_autoptr (GBytes) p7s = sign_with ("p256-full.pem");
    gsize len;
    const guint8 *data = g_bytes_get_data (p7s, &len);
    for (gsize n = 0; n < len; n++)
        g_assert_false (verifies (data, n));
    g_autofree guint8 *more = g_malloc0 (len + 1);
    memcpy (more, data, len);
    g_assert_false (verifies (more, len + 1));
}

/* Changes a signature through OpenSSL as an attacker would, without the key. */
static gboolean
still_verifies (GBytes *p7s, void (*change) (CMS_ContentInfo *cms))
{
    const guint8 *p = g_bytes_get_data (p7s, NULL);
    guint8 *der = NULL;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo (NULL, &p, (long) g_bytes_get_size (p7s));
    change (cms);
    int len = i2d_CMS_ContentInfo (cms, &der);
    gboolean ok = verifies (der, (gsize) len);
    g_assert_cmpint (len, >, 0);
    OPENSSL_free (der);
    CMS_ContentInfo_free (cms);
    return ok;
}

static void
nothing (CMS_ContentInfo *cms)
{
}

static void
add_stranger (CMS_ContentInfo *cms)
{
    EVP_PKEY *key;
    X509 *cert;
    g_assert_true (signer_generate ("Stranger", 1, &key, &cert, NULL));
    g_assert_cmpint (CMS_add1_cert (cms, cert), ==, 1);
    EVP_PKEY_free (key);
    X509_free (cert);
}

static void
add_unsigned (CMS_ContentInfo *cms)
{
    CMS_SignerInfo *si = sk_CMS_SignerInfo_value (CMS_get0_SignerInfos (cms), 0);
    g_assert_cmpint (CMS_unsigned_add1_attr_by_NID (si, NID_pkcs9_unstructuredName, V_ASN1_UTF8STRING, "x", 1), ==, 1);
}

static void
add_rubbish_timestamp (CMS_ContentInfo *cms)
{
    static const guint8 rubbish[] = { 0x30, 0x03, 0x02, 0x01, 0x01 };
    CMS_SignerInfo *si = sk_CMS_SignerInfo_value (CMS_get0_SignerInfos (cms), 0);
    g_assert_cmpint (CMS_unsigned_add1_attr_by_NID (si, NID_id_smime_aa_timeStampToken, V_ASN1_SEQUENCE, rubbish, sizeof rubbish), ==, 1);
}

static void
add_crl (CMS_ContentInfo *cms)
{
    X509_CRL *crl = X509_CRL_new ();
    X509_NAME *name = X509_NAME_new ();
    EVP_PKEY *key = EVP_PKEY_Q_keygen (NULL, NULL, "EC", "P-256");
    X509_NAME_add_entry_by_NID (name, NID_commonName, MBSTRING_ASC, (const guchar *) "x", -1, -1, 0);
    X509_CRL_set_issuer_name (crl, name);
    ASN1_TIME *now = X509_gmtime_adj (NULL, 0);
    X509_CRL_set1_lastUpdate (crl, now);
    X509_CRL_sign (crl, key, EVP_sha256 ());
    g_assert_cmpint (CMS_add1_crl (cms, crl), ==, 1);
    ASN1_TIME_free (now);
    EVP_PKEY_free (key);
    X509_NAME_free (name);
    X509_CRL_free (crl);
}

static void
test_additions (void)
{
    g_autoptr (GBytes) p7s = sign_with ("p256-full.pem");
    g_assert_true (still_verifies (p7s, nothing));
    g_assert_false (still_verifies (p7s, add_stranger));
    g_assert_false (still_verifies (p7s, add_unsigned));
    g_assert_false (still_verifies (p7s, add_rubbish_timestamp));
    g_assert_false (still_verifies (p7s, add_crl));
}

static void
test_two_signers (void)
{
    const unsigned flags = CMS_DETACHED | CMS_BINARY | CMS_CADES | CMS_NOSMIMECAP | CMS_PARTIAL;
    g_autoptr (Signer) one = signer_of ("p256-self.pem"), two = signer_of ("rsa-self.pem");
    CMS_ContentInfo *cms = CMS_sign (NULL, NULL, NULL, NULL, flags);
    BIO *bio = BIO_new_mem_buf (content, -1);
    guint8 *der = NULL;
    g_assert_nonnull (CMS_add1_signer (cms, one->cert, one->key, EVP_sha256 (), flags));
    g_assert_nonnull (CMS_add1_signer (cms, two->cert, two->key, EVP_sha256 (), flags));
    g_assert_cmpint (CMS_final (cms, bio, NULL, flags), ==, 1);
    int len = i2d_CMS_ContentInfo (cms, &der);
    g_assert_cmpint (len, >, 0);
    g_assert_false (verifies (der, (gsize) len));
    OPENSSL_free (der);
    BIO_free (bio);
    CMS_ContentInfo_free (cms);
}

/* What OpenSSL can also sign, and we don't take: without signing-certificate-v2, without attributes, attached, with another digest. */
static void
test_other_forms (void)
{
    static const struct { unsigned flags; const char *md; } forms[] = {
        { CMS_DETACHED | CMS_BINARY | CMS_NOSMIMECAP, "SHA256" },           { CMS_DETACHED | CMS_BINARY | CMS_CADES, "SHA256" },
        { CMS_DETACHED | CMS_BINARY | CMS_NOATTR, "SHA256" },               { CMS_BINARY | CMS_CADES | CMS_NOSMIMECAP, "SHA256" },
        { CMS_DETACHED | CMS_BINARY | CMS_CADES | CMS_NOSMIMECAP, "SHA512" }, { CMS_DETACHED | CMS_BINARY | CMS_CADES | CMS_NOSMIMECAP | CMS_USE_KEYID, "SHA256" },
        { CMS_DETACHED | CMS_BINARY | CMS_CADES | CMS_NOSMIMECAP | CMS_NOCERTS, "SHA256" }, { CMS_DETACHED | CMS_BINARY | CMS_CADES | CMS_NOSMIMECAP, "SHA256" },
    };
    g_autoptr (Signer) signer = signer_of ("p256-self.pem");
    for (guint i = 0; i < G_N_ELEMENTS (forms); i++) {
        unsigned flags = forms[i].flags;
        CMS_ContentInfo *cms = CMS_sign (NULL, NULL, NULL, NULL, (flags & ~(unsigned) (CMS_CADES | CMS_USE_KEYID | CMS_NOATTR)) | CMS_PARTIAL);
        g_assert_nonnull (CMS_add1_signer (cms, signer->cert, signer->key, EVP_get_digestbyname (forms[i].md), flags | CMS_PARTIAL));
        BIO *bio = BIO_new_mem_buf (content, -1);
        g_assert_cmpint (CMS_final (cms, bio, NULL, flags), ==, 1);
        BIO_free (bio);
        guint8 *der = NULL;
        int len = i2d_CMS_ContentInfo (cms, &der);
        gboolean last = i == G_N_ELEMENTS (forms) - 1;      /* the form that we write, made by OpenSSL alone */
        g_assert_cmpint (verifies (der, (gsize) len), ==, last);
        OPENSSL_free (der);
        CMS_ContentInfo_free (cms);
    }
}

static void
expect_load (const char *name, const char *passphrase, int code)
{
    g_autofree char *path = path_of (name);
    g_autoptr (Secret) secret = secret_new ();
    g_autoptr (GError) error = NULL;
    if (passphrase != NULL)
        secret_set (secret, passphrase, strlen (passphrase));
    g_autoptr (Signer) signer = signer_load_file (path, passphrase != NULL ? secret : NULL, &error);
    if (code < 0) {
        g_assert_no_error (error);
        g_assert_nonnull (signer);
        g_assert_cmpint (signer->place, ==, SIGNER_KEY_FILE);
    } else {
        g_assert_null (signer);
        g_assert_error (error, BASE_ERROR, code);
    }
}

static void
test_load (void)
{
    expect_load ("p256-full.pem", NULL, -1);
    expect_load ("p256.p12", "geheim", -1);
    expect_load ("open.p12", "", -1);
    expect_load ("open.p12", NULL, -1);
    expect_load ("enc.pem", "geheim", -1);
    expect_load ("p256.p12", "falsch", BASE_ERROR_REFUSED);
    expect_load ("p256.p12", NULL, BASE_ERROR_REFUSED);
    expect_load ("enc.pem", "falsch", BASE_ERROR_REFUSED);
    expect_load ("enc.pem", NULL, BASE_ERROR_REFUSED);
    expect_load ("crossed.pem", NULL, BASE_ERROR_FORMAT);
    expect_load ("p256.crt", NULL, BASE_ERROR_FORMAT);
    expect_load ("p256.key", NULL, BASE_ERROR_FORMAT);
    expect_load ("ed.pem", NULL, BASE_ERROR_FORMAT);
    expect_load ("content", NULL, BASE_ERROR_FORMAT);
    expect_load ("absent.pem", NULL, BASE_ERROR_MISSING);
    g_autoptr (Signer) signer = signer_of ("p256-full.pem");
    g_assert_cmpint (sk_X509_num (signer->chain), ==, 2);
    g_autofree char *subject = signer_subject (signer->cert);
    g_assert_cmpstr (subject, ==, "CN=p256,O=Example");
}

static void
test_generate (void)
{
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    g_autoptr (GError) error = NULL;
    g_assert_true (signer_generate ("Gerät 1", 30, &key, &cert, &error));
    g_assert_no_error (error);
    g_autofree char *subject = signer_subject (cert);
    g_assert_cmpstr (subject, ==, "CN=Gerät 1");
    g_assert_cmpint (X509_verify (cert, key), ==, 1);
    EVP_PKEY_free (key);
    X509_free (cert);
}

static void
test_der (void)
{
    static const struct { const char *hex; gboolean ok; } cases[] = {
        { "3000", TRUE }, { "30020500", TRUE }, { "3080", FALSE }, { "308100", FALSE }, { "30", FALSE }, { "", FALSE }, { "300105", TRUE }, { "3002", FALSE },
        { "30820001ff", FALSE }, { "3084ffffffff", FALSE }, { "3085000000000000", FALSE }, { "3100", FALSE },
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GBytes) bytes = hex_decode (cases[i].hex, NULL);
        Der in = { g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes) }, inside;
        g_assert_cmpint (der_take (&in, DER_SEQUENCE, &inside, NULL), ==, cases[i].ok);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    folder = g_dir_make_tmp ("cades-XXXXXX", NULL);
    g_assert_cmpint (shell (setup), ==, 0);
    g_test_add_func ("/cades/der", test_der);
    g_test_add_func ("/cades/load", test_load);
    g_test_add_func ("/cades/generate", test_generate);
    g_test_add_func ("/cades/sign", test_sign);
    g_test_add_func ("/cades/stock-tools", test_stock_tools);
    g_test_add_func ("/cades/gpgsm", test_gpgsm);
    g_test_add_func ("/cades/every-byte", test_every_byte);
    g_test_add_func ("/cades/countersign", test_countersign);
    g_test_add_func ("/cades/countersign-other-forms", test_countersign_other_forms);
    g_test_add_func ("/cades/truncated", test_truncated_and_padded);
    g_test_add_func ("/cades/additions", test_additions);
    g_test_add_func ("/cades/two-signers", test_two_signers);
    g_test_add_func ("/cades/other-forms", test_other_forms);
    int status = g_test_run ();
    file_remove_tree (folder, NULL);
    g_free (folder);
    return status;
}
