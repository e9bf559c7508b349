/* The appliance's keys; and a witness's key that lives in a token (SoftHSM), whose PIN stays in locked memory. */
#include "ceremony/base/child.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/appliance.h"
#include "ceremony/bundle/cades.h"
#include "ceremony/bundle/trust.h"
#include "ceremony/token/token.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"
#define PIN "60417738"

static char *folder;
static const char content[] = "manifest";

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

static void
test_appliance (void)
{
    g_autofree char *dir = g_build_filename (folder, "appliance", NULL), *key = g_build_filename (dir, "cms-key.pem", NULL), *trust_dir = g_build_filename (folder, "trust", NULL);
    g_autoptr (GError) error = NULL;
    struct stat st;
    g_assert_null (appliance_load (dir, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
    g_clear_error (&error);
    g_assert_false (appliance_init (dir, "", &error));
    g_clear_error (&error);
    g_assert_true (appliance_init (dir, "Appliance 1", &error));
    g_assert_no_error (error);
    g_assert_cmpint (stat (key, &st), ==, 0);
    g_assert_cmpint (st.st_mode & 0777, ==, 0600);
    g_assert_false (appliance_init (dir, "Appliance 1", &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_EXISTS);
    g_clear_error (&error);
    g_autoptr (Appliance) appliance = appliance_load (dir, &error);
    g_assert_no_error (error);
    g_autoptr (json_t) described = appliance_describe (appliance);
    g_autofree char *note = base64_encode (appliance->note_public, 32);
    g_assert_cmpstr (cjson_str (described, "note_key", NULL), ==, note);
    g_assert_cmpstr (cjson_str (described, "subject", NULL), ==, "CN=Appliance 1");
    /* What openssl says of the same files. */
    g_autofree char *script = g_strdup_printf ("test \"$(openssl x509 -in appliance/cms-cert.pem -outform DER | sha256sum | cut -c1-64)\" = %s;"
                                               "test \"$(openssl pkey -in appliance/note-key.pem -pubout -outform DER | tail -c 32 | base64)\" = %s",
                                               cjson_str (described, "certificate_sha256", NULL), note);
    g_assert_cmpint (shell (script), ==, 0);
    g_autoptr (NoteKey) note_key = appliance_note_key (appliance, "ca.example/ceremony/x", &error);
    g_autofree char *signed_note = note_key != NULL ? note_sign ("ca.example/ceremony/x\n1\nAAAA\n", note_key, appliance->note_private, &error) : NULL;
    g_assert_no_error (error);
    g_assert_nonnull (signed_note);
    g_assert_true (appliance_enrol (appliance, trust_dir, &error));
    g_assert_true (appliance_enrol (appliance, trust_dir, &error));
    g_autoptr (Trust) trust = trust_load (trust_dir, &error);
    g_assert_no_error (error);
    g_assert_true (trust_has_key (trust, "appliance", appliance->note_private, NULL));
    g_assert_true (trust_judge (trust, "appliance", appliance->signer->cert, NULL, g_get_real_time () / 1000 + 1000, NULL));
    g_assert_false (trust_judge (trust, "witness", appliance->signer->cert, NULL, g_get_real_time () / 1000 + 1000, NULL));
}

static void
test_appliance_refused (void)
{
    g_autofree char *dir = g_build_filename (folder, "a1", NULL), *other = g_build_filename (folder, "a2", NULL), *trust_dir = g_build_filename (folder, "trust3", NULL);
    g_autoptr (GError) error = NULL;
    g_assert_true (appliance_init (dir, "One", NULL) && appliance_init (other, "Two", NULL));
    {
        g_autoptr (Appliance) one = appliance_load (dir, NULL), two = appliance_load (other, NULL);
        g_assert_true (appliance_enrol (one, trust_dir, NULL));
        g_assert_false (appliance_enrol (two, trust_dir, &error));
        g_assert_error (error, BASE_ERROR, BASE_ERROR_EXISTS);
        g_clear_error (&error);
    }
    static const struct { const char *script; int code; } cases[] = {
        { "chmod 640 a1/cms-key.pem", BASE_ERROR_REFUSED },          { "chmod 600 a1/cms-key.pem; chmod 604 a1/note-key.pem", BASE_ERROR_REFUSED },
        { "chmod 600 a1/note-key.pem; cp a2/cms-cert.pem a1/", BASE_ERROR_FORMAT }, { "cp a1/cms-key.pem a1/note-key.pem", BASE_ERROR_FORMAT },
        { "echo x > a1/note-key.pem", BASE_ERROR_FORMAT },           { "rm a1/note-key.pem", BASE_ERROR_MISSING },
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_assert_cmpint (shell (cases[i].script), ==, 0);
        g_assert_null (appliance_load (dir, &error));
        g_assert_error (error, BASE_ERROR, cases[i].code);
        g_clear_error (&error);
    }
}

static const char token_setup[] =
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key; openssl req -x509 -new -key ec.key -subj '/CN=Witness EC' -days 30 -outform DER -out ec.der;"
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out rsa.key 2>/dev/null; openssl req -x509 -new -key rsa.key -subj '/CN=Witness RSA' -days 30 -outform DER -out rsa.der;"
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out lone.key;"
    "t() { softhsm2-util --init-token --free --label $1 --pin " PIN " --so-pin 12345678; };"
    "k() { softhsm2-util --import $2.key --token $1 --label $2 --id $3 --pin " PIN "; };"
    "c() { pkcs11-tool --module " SOFTHSM " --token-label $1 --login --pin " PIN " --write-object $4.der --type cert --label $2 --id $3; };"
    "{ t one; k one ec 01; c one ec 01 ec; t two; k two ec 01; c two ec 01 ec; k two rsa 02; c two rsa 02 rsa; t none; k none lone 01; t crossed; k crossed lone 01; c crossed lone 01 ec; } >>log 2>&1";

static Signer *
load (const char *uri, const char *pin, GError **error)
{
    g_autoptr (Secret) secret = secret_new ();
    secret_set (secret, pin, strlen (pin));
    return signer_load_token (uri, SOFTHSM, secret, error);
}

static void
test_token (void)
{
    static const struct { const char *uri, *subject; } cases[] = {
        { "pkcs11:token=one", "CN=Witness EC" }, { "pkcs11:token=two;object=rsa", "CN=Witness RSA" }, { "pkcs11:token=two;id=%01", "CN=Witness EC" },
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (Signer) signer = load (cases[i].uri, PIN, &error);
        g_assert_no_error (error);
        g_assert_cmpint (signer->place, ==, SIGNER_TOKEN);
        g_autofree char *subject = signer_subject (signer->cert);
        g_assert_cmpstr (subject, ==, cases[i].subject);
        for (guint n = 0; n < 2; n++) {
            g_autoptr (GBytes) p7s = cades_sign (signer, content, strlen (content), &error);
            g_assert_no_error (error);
            g_autoptr (Cades) cades = cades_verify (g_bytes_get_data (p7s, NULL), g_bytes_get_size (p7s), content, strlen (content), &error);
            g_assert_no_error (error);
        }
    }
}

static void
test_token_refused (void)
{
    static const struct { const char *uri, *pin; } cases[] = {
        { "pkcs11:token=two", PIN }, { "pkcs11:token=none", PIN }, { "pkcs11:token=one;object=other", PIN }, { "pkcs11:token=absent", PIN },
        { "pkcs11:token=one?pin-value=" PIN, PIN }, { "file:/x", PIN }, { "pkcs11:token=crossed", PIN },
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (Signer) signer = load (cases[i].uri, cases[i].pin, &error);
        if (signer != NULL) {               /* SoftHSM ties certificate to key by id alone: signing must notice */
            g_assert_null (cades_sign (signer, content, strlen (content), &error));
        }
        g_assert_nonnull (error);
        g_assert_null (strstr (error->message, PIN));
    }
    g_autoptr (GError) error = NULL;
    g_assert_null (load ("pkcs11:token=one", "00000000", &error));
    g_assert_error (error, TOKEN_ERROR, TOKEN_ERROR_PIN_WRONG);
}

/* A token that gives just one session, or that fails as the next is opened: libp11 would wait for it for ever. */
static void
test_no_more_sessions (void)
{
    g_autofree char *self = child_self_path (), *here = g_path_get_dirname (self), *wrapper = g_build_filename (here, "..", "lib", "wrap-pkcs11.so", NULL);
    g_autofree char *conf = g_build_filename (folder, "wrapper.conf", NULL), *module = g_canonicalize_filename (wrapper, NULL);
    g_autoptr (Secret) pin = secret_new ();
    g_autoptr (GError) error = NULL;

    secret_set (pin, PIN, strlen (PIN));
    g_assert_true (g_file_set_contents (conf, "fail C_OpenSession 2 0xb1\n", -1, NULL));
    g_setenv ("WRAP_PKCS11_CONF", conf, TRUE);
    g_assert_null (signer_load_token ("pkcs11:token=one", module, pin, &error));
    g_assert_error (error, TOKEN_ERROR, TOKEN_ERROR_FAILED);
    g_assert_nonnull (strstr (error->message, "other programs hold all of the token's sessions"));
}

/* In a process that got the PIN byte by byte from descriptor 4: how often it lies in the heap while a signer is open and has signed. 200: no signature. */
static int
count_copies (void)
{
    guint8 masked[16];
    gsize len = 0;
    g_autoptr (Secret) pin = secret_new ();
    for (guint8 byte; len < sizeof masked && read (4, &byte, 1) == 1; len++) {
        secret_append (pin, byte);
        masked[len] = byte ^ 1;
    }
    g_autoptr (Signer) signer = signer_load_token ("pkcs11:token=one", SOFTHSM, pin, NULL);
    g_autoptr (GBytes) p7s = signer != NULL ? cades_sign (signer, content, strlen (content), NULL) : NULL;
    g_autofree char *maps = NULL;
    if (len != strlen (PIN) || p7s == NULL || !g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL))
        return 200;
    g_auto (GStrv) lines = g_strsplit (maps, "\n", -1);
    int copies = 0;
    for (char **line = lines; *line != NULL; line++) {
        unsigned long from, to;
        if (strstr (*line, "[heap]") == NULL || sscanf (*line, "%lx-%lx rw", &from, &to) != 2)
            continue;
        for (const guint8 *p = (const guint8 *) from; p + len <= (const guint8 *) to; p++) {
            gsize n = 0;
            while (n < len && (p[n] ^ 1) == masked[n])
                n++;
            copies += n == len ? 1 : 0;
        }
    }
    return MIN (copies, 100);
}

static void
test_pin_not_copied (void)
{
#ifdef __SANITIZE_ADDRESS__
    g_test_skip ("with AddressSanitizer there is no heap of this name");
#else
    g_autofree char *path = g_build_filename (folder, "pin", NULL), *self = child_self_path ();
    g_autoptr (GBytes) output = NULL;
    g_autoptr (GError) error = NULL;
    int status = -1;
    g_assert_cmpint (shell ("printf %s " PIN " > pin"), ==, 0);
    int fd = open (path, O_RDONLY);
    g_assert_true (child_run ((const char *[]) { self, "--count-copies", NULL }, fd, NULL, 30000, 65536, &output, &status, &error));
    close (fd);
    g_assert_cmpint (status, ==, 0);
#endif
}

int
main (int argc, char **argv)
{
    if (argc == 2 && g_str_equal (argv[1], "--count-copies"))
        return count_copies ();
    g_test_init (&argc, &argv, NULL);
    folder = g_dir_make_tmp ("signer-XXXXXX", NULL);
    g_autofree char *conf = g_build_filename (folder, "softhsm2.conf", NULL), *text = g_strdup_printf ("directories.tokendir = %s/tokens\nlog.level = ERROR\n", folder);
    g_autofree char *tokens = g_build_filename (folder, "tokens", NULL);
    g_mkdir (tokens, 0700);
    g_assert_true (g_file_set_contents (conf, text, -1, NULL));
    g_setenv ("SOFTHSM2_CONF", conf, TRUE);
    g_assert_cmpint (shell (token_setup), ==, 0);
    g_test_add_func ("/signer/appliance", test_appliance);
    g_test_add_func ("/signer/appliance-refused", test_appliance_refused);
    g_test_add_func ("/signer/token", test_token);
    g_test_add_func ("/signer/token-refused", test_token_refused);
    g_test_add_func ("/signer/no-more-sessions", test_no_more_sessions);
    g_test_add_func ("/signer/pin-not-copied", test_pin_not_copied);
    int status = g_test_run ();
    file_remove_tree (folder, NULL);
    g_free (folder);
    return status;
}
