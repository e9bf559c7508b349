/* Trust by role: pins, issuers with what a signer must carry, times, and who must be nobody. */
#include "ceremony/base/child.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/trust.h"
#include <openssl/pem.h>
#include <string.h>

#define NOW ((gint64) g_get_real_time () / 1000)
#define DAY (24 * 3600 * G_GINT64_CONSTANT (1000))

static char *folder;

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

static const char setup[] =
    "key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1.key; };"
    "for k in root mid other witness stranger anyeku policy short caleaf enc pinned appliance; do key $k; done;"
    "printf 'basicConstraints=critical,CA:TRUE\\n' > ca.ext;"
    "printf 'basicConstraints=CA:FALSE\\nextendedKeyUsage=1.3.6.1.4.1.99999.1.1\\n' > witness.ext;"
    "printf 'basicConstraints=CA:FALSE\\n' > stranger.ext; printf 'basicConstraints=CA:FALSE\\nextendedKeyUsage=anyExtendedKeyUsage\\n' > anyeku.ext;"
    "printf 'basicConstraints=CA:FALSE\\ncertificatePolicies=1.3.6.1.4.1.99999.2.1\\n' > policy.ext; cp witness.ext short.ext;"
    "printf 'basicConstraints=critical,CA:TRUE\\nextendedKeyUsage=1.3.6.1.4.1.99999.1.1\\n' > caleaf.ext;"
    "printf 'basicConstraints=CA:FALSE\\nkeyUsage=keyEncipherment\\nextendedKeyUsage=1.3.6.1.4.1.99999.1.1\\n' > enc.ext;"
    "openssl req -x509 -new -key root.key -subj /CN=Root -days 3650 -out root.crt; openssl req -x509 -new -key other.key -subj /CN=Root -days 3650 -out other.crt;"
    "openssl req -new -key mid.key -subj /CN=Mid -out mid.csr; openssl x509 -req -in mid.csr -CA root.crt -CAkey root.key -CAcreateserial -extfile ca.ext -days 3000 -out mid.crt 2>/dev/null;"
    "for k in witness stranger anyeku policy caleaf enc; do openssl req -new -key $k.key -subj /CN=$k -out $k.csr;"
    "  openssl x509 -req -in $k.csr -CA mid.crt -CAkey mid.key -CAcreateserial -extfile $k.ext -days 1000 -out $k.crt 2>/dev/null; done;"
    "openssl req -new -key short.key -subj /CN=short -out short.csr; openssl x509 -req -in short.csr -CA mid.crt -CAkey mid.key -CAcreateserial -extfile short.ext -days 10 -out short.crt 2>/dev/null;"
    "openssl req -new -key witness.key -subj /CN=forged -out forged.csr; openssl x509 -req -in forged.csr -CA other.crt -CAkey other.key -CAcreateserial -extfile witness.ext -out forged.crt 2>/dev/null;"
    "openssl req -x509 -new -key pinned.key -subj /CN=pinned -days 10 -out pinned.crt; openssl req -x509 -new -key appliance.key -subj /CN=appliance -days 10 -out appliance.crt;"
    "openssl genpkey -algorithm ED25519 -out note.key; openssl pkey -in note.key -pubout -out note.pub;"
    "mkdir -p trust/witness trust/appliance trust/reviewer trust/vendor; cp root.crt trust/witness/root.crt; cp root.crt trust/reviewer/root.crt;"
    "printf 'issuer: root.crt\\neku: 1.3.6.1.4.1.99999.1.1\\nnote: our auditors\\n' > trust/witness/auditors.yaml;"
    "printf 'issuer: root.crt\\npolicy: 1.3.6.1.4.1.99999.2.1\\n' > trust/reviewer/staff.yaml; echo 'anything: here' > trust/vendor/list.yaml;"
    "cp pinned.crt trust/witness/pinned.pem; cp appliance.crt trust/appliance/cert.pem; cp note.pub trust/appliance/note.pem; echo hello > trust/witness/README.md";

static X509 *
cert_of (const char *name)
{
    g_autofree char *file = g_strconcat (name, ".crt", NULL), *path = g_build_filename (folder, file, NULL);
    BIO *bio = BIO_new_file (path, "r");
    X509 *cert = PEM_read_bio_X509 (bio, NULL, NULL, NULL);
    BIO_free (bio);
    g_assert_nonnull (cert);
    return cert;
}

static Trust *
load (const char *name)
{
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_autoptr (GError) error = NULL;
    Trust *trust = trust_load (path, &error);
    g_assert_no_error (error);
    return trust;
}

static void
expect (const char *role, const char *name, gboolean with_mid, gint64 when, gboolean trusted, const char *says)
{
    g_autoptr (Trust) trust = load ("trust");
    g_autofree char *why = NULL;
    X509 *cert = cert_of (name), *mid = cert_of ("mid");
    STACK_OF(X509) *chain = sk_X509_new_null ();
    sk_X509_push (chain, cert);
    if (with_mid)
        sk_X509_push (chain, mid);
    gboolean ok = trust_judge (trust, role, cert, chain, when, &why);
    if (ok != trusted || why == NULL || strstr (why, says) == NULL)
        g_error ("%s as %s: %d, %s; expected %d, %s", name, role, ok, why, trusted, says);
    sk_X509_free (chain);
    X509_free (cert);
    X509_free (mid);
}

static void
test_issued (void)
{
    expect ("witness", "witness", TRUE, NOW + 1000, TRUE, "EKU 1.3.6.1.4.1.99999.1.1");
    expect ("witness", "witness", FALSE, NOW + 1000, FALSE, "nobody trusted");
    expect ("reviewer", "policy", TRUE, NOW + 1000, TRUE, "policy 1.3.6.1.4.1.99999.2.1");
}

static void
test_nobody (void)
{
    expect ("appliance", "witness", TRUE, NOW + 1000, FALSE, "nobody trusted");
    expect ("order", "witness", TRUE, NOW + 1000, FALSE, "nobody trusted");
    expect ("reviewer", "witness", TRUE, NOW + 1000, FALSE, "doesn't carry policy");
    expect ("witness", "stranger", TRUE, NOW + 1000, FALSE, "doesn't carry EKU");
    expect ("witness", "anyeku", TRUE, NOW + 1000, FALSE, "doesn't carry EKU");
    expect ("witness", "policy", TRUE, NOW + 1000, FALSE, "doesn't carry EKU");
    expect ("witness", "caleaf", TRUE, NOW + 1000, FALSE, "isn't one for signing");
    expect ("witness", "enc", TRUE, NOW + 1000, FALSE, "isn't one for signing");
    expect ("witness", "forged", TRUE, NOW + 1000, FALSE, "");
    expect ("king", "witness", TRUE, NOW + 1000, FALSE, "no role");
}

static void
test_pinned (void)
{
    expect ("witness", "pinned", FALSE, NOW + 1000, TRUE, "pinned as witness/pinned.pem");
    expect ("appliance", "appliance", FALSE, NOW + 1000, TRUE, "pinned as appliance/cert.pem");
    expect ("appliance", "pinned", FALSE, NOW + 1000, FALSE, "pinned as witness/pinned.pem");
    expect ("witness", "appliance", FALSE, NOW + 1000, FALSE, "pinned as appliance/cert.pem");
}

static void
test_time (void)
{
    expect ("witness", "pinned", FALSE, NOW + 20 * DAY, FALSE, "had expired");
    expect ("witness", "pinned", FALSE, NOW - DAY, FALSE, "wasn't valid yet");
    expect ("witness", "short", TRUE, NOW + 1000, TRUE, "EKU");
    expect ("witness", "short", TRUE, NOW + 20 * DAY, FALSE, "expired");
    expect ("witness", "short", TRUE, NOW - DAY, FALSE, "not yet valid");
}

static void
test_plain_keys (void)
{
    g_autoptr (Trust) trust = load ("trust"), empty = trust_new_empty ();
    g_autofree char *path = g_build_filename (folder, "note.key", NULL), *why = NULL;
    BIO *bio = BIO_new_file (path, "r");
    EVP_PKEY *key = PEM_read_bio_PrivateKey (bio, NULL, NULL, NULL), *other = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    BIO_free (bio);
    g_assert_true (trust_has_key (trust, "appliance", key, &why));
    g_assert_nonnull (strstr (why, "appliance/note.pem"));
    g_clear_pointer (&why, g_free);
    g_assert_false (trust_has_key (trust, "witness", key, &why));
    g_assert_nonnull (strstr (why, "doesn't let it act as witness"));
    g_assert_false (trust_has_key (trust, "appliance", other, NULL));
    g_assert_false (trust_has_key (empty, "appliance", key, NULL));
    EVP_PKEY_free (key);
    EVP_PKEY_free (other);
}

static void
test_empty (void)
{
    g_autoptr (Trust) empty = trust_new_empty ();
    static const char *const roles[] = { "order", "appliance", "witness", "reviewer", "tsa", "vendor" };
    X509 *cert = cert_of ("pinned");
    for (guint i = 0; i < G_N_ELEMENTS (roles); i++)
        g_assert_false (trust_judge (empty, roles[i], cert, NULL, NOW, NULL));
    X509_free (cert);
}

static void
test_bad_folders (void)
{
    static const struct { const char *script, *says; } cases[] = {
        { "cp root.crt bad/witness/r.crt; printf 'issuer: r.crt\\n' > bad/witness/x.yaml", "eku or policy must be there" },
        { "printf 'issuer: absent.crt\\neku: 1.2.3\\n' > bad/witness/x.yaml", "absent.crt" },
        { "printf 'issuer: ../root.crt\\neku: 1.2.3\\n' > bad/witness/x.yaml", "beside it" },
        { "cp stranger.crt bad/witness/r.crt; printf 'issuer: r.crt\\neku: 1.2.3\\n' > bad/witness/x.yaml", "CA's certificate" },
        { "cp root.crt bad/witness/r.crt; printf 'issuer: r.crt\\neku: 1.2.3\\nekus: x\\n' > bad/witness/x.yaml", "ekus" },
        { "cp root.crt bad/witness/r.crt; printf 'issuer: r.crt\\neku: serverAuth\\n' > bad/witness/x.yaml", "OID in numbers" },
        { "echo rubbish > bad/witness/x.pem", "PEM" },
        { "cp witness.key bad/witness/x.pem", "nothing else" },
        { "cat pinned.crt witness.key > bad/witness/x.pem", "nothing else" },
        { "cp pinned.crt bad/witness/pinned.crt", "call it .pem" },
        { "cp root.crt bad/witness/x.cer", "end in .pem" },
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *script = g_strdup_printf ("rm -rf bad; mkdir -p bad/witness; %s", cases[i].script), *path = g_build_filename (folder, "bad", NULL);
        g_autoptr (GError) error = NULL;
        g_assert_cmpint (shell (script), ==, 0);
        g_autoptr (Trust) trust = trust_load (path, &error);
        if (trust != NULL || strstr (error->message, cases[i].says) == NULL)
            g_error ("%s: %s", cases[i].script, trust != NULL ? "loaded" : error->message);
    }
    g_autoptr (GError) error = NULL;
    g_assert_null (trust_load ("/nonexistent", &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    folder = g_dir_make_tmp ("trust-XXXXXX", NULL);
    g_assert_cmpint (shell (setup), ==, 0);
    g_test_add_func ("/trust/issued", test_issued);
    g_test_add_func ("/trust/nobody", test_nobody);
    g_test_add_func ("/trust/pinned", test_pinned);
    g_test_add_func ("/trust/time", test_time);
    g_test_add_func ("/trust/plain-keys", test_plain_keys);
    g_test_add_func ("/trust/empty", test_empty);
    g_test_add_func ("/trust/bad-folders", test_bad_folders);
    int status = g_test_run ();
    file_remove_tree (folder, NULL);
    g_free (folder);
    return status;
}
