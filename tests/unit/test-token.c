/* The token room against SoftHSM, plain and behind the module that misbehaves (tests/lib/wrap-pkcs11.c). */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include "ceremony/base/file.h"
#include "ceremony/token/internal.h"

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"
#define PIN "71539264"
#ifdef __SANITIZE_ADDRESS__
#define SWEEP_STEP 37       /* each run takes half a second there */
#else
#define SWEEP_STEP 5
#endif
static char *dir, *wrapper, *conf;

/* Runs a program to its end; its standard output where asked for. */
static gboolean
run (char **out, const char *first, ...)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new ();
    va_list args;
    va_start (args, first);
    for (const char *a = first; a; a = va_arg (args, const char *))
        g_ptr_array_add (argv, (char *) a);
    va_end (args);
    g_ptr_array_add (argv, NULL);
    int status = -1;
    g_autofree char *text = NULL, *noise = NULL;
    g_autoptr(GError) error = NULL;
    g_spawn_sync (NULL, (char **) argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &text, &noise, &status, &error);
    g_assert_no_error (error);
    if (status != 0)
        g_test_message ("%s: %s%s", first, text, noise);
    if (out)
        *out = g_steal_pointer (&text);
    return status == 0;
}

static void
init_token (const char *label)
{
    g_assert_true (run (NULL, "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "12345678", NULL));
}

static void
set_conf (const char *text)
{
    g_assert_true (g_file_set_contents (conf, text, -1, NULL));
}

typedef struct { TokenModules *modules; Token *token; TokenKey *key; GBytes *id; TokenKeySpec spec; char label[64]; } Fix;

static GBytes *
fresh_id (void)
{
    guint8 id[16];
    random_bytes (id, sizeof id);
    return g_bytes_new (id, sizeof id);
}

static void
login (Token *token)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Secret) pin = secret_new ();
    secret_set (pin, PIN, strlen (PIN));
    token_login (token, pin, FALSE, &error);
    g_assert_no_error (error);
    g_assert_true (token_logged_in (token));
}

static void
open_with (Fix *fix, const char *module, const char *uri)
{
    g_autoptr(GError) error = NULL;
    fix->modules = token_modules_load (module, TRUE, NULL, &error);
    g_assert_no_error (error);
    fix->token = token_open (fix->modules, uri, &error);
    g_assert_no_error (error);
}

/* A fresh id and a label that no other test uses. */
static void
make_spec (Fix *fix, const char *algorithm)
{
    static guint n;
    g_clear_pointer (&fix->id, g_bytes_unref);
    fix->id = fresh_id ();
    g_snprintf (fix->label, sizeof fix->label, "key %u", ++n);
    fix->spec = (TokenKeySpec) { algorithm, fix->label, fix->id };
}

static void
generate (Fix *fix, const char *algorithm)
{
    g_autoptr(GError) error = NULL;
    make_spec (fix, algorithm);
    fix->key = token_generate (fix->token, &fix->spec, NULL, &error);
    g_assert_no_error (error);
}

static void
close_all (Fix *fix)
{
    g_clear_pointer (&fix->key, token_key_free);
    g_clear_pointer (&fix->token, token_close);
    g_clear_pointer (&fix->modules, token_modules_free);
    g_clear_pointer (&fix->id, g_bytes_unref);
}

static json_t *
member (json_t *object, const char *a, const char *b)
{
    return json_object_get (json_object_get (object, a), b);
}

/* Asserts that a call failed so, that the message says @says, and clears the error. */
static void
expect (GError **error, GQuark domain, int code, const char *says)
{
    g_assert_error (*error, domain, code);
    if (!strstr ((*error)->message, says))
        g_test_message ("%s", (*error)->message);
    g_assert_nonnull (strstr ((*error)->message, says));
    g_clear_error (error);
}

static void
test_list (void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(TokenModules) modules = token_modules_load (SOFTHSM, TRUE, NULL, &error);
    g_assert_no_error (error);
    g_autoptr(json_t) list = token_modules_list (modules, &error);
    g_assert_no_error (error);
    g_autofree char *text = cjson_encode (list, &error), *sum = NULL;
    g_assert_no_error (error);
    g_assert_true (run (&sum, "sha256sum", SOFTHSM, NULL));
    g_assert_nonnull (strstr (text, "/libcrypto.so.3"));
    g_assert_nonnull (strstr (text, "\"CKF_TOKEN_INITIALIZED\""));
    g_assert_nonnull (strstr (text, "\"name\":\"CKM_EC_KEY_PAIR_GEN\""));

    guint latin = 0, main_token = 0;
    for (gsize i = 0; i < json_array_size (list); i++) {
        json_t *entry = json_array_get (list, i), *label = member (entry, "token", "label");
        g_assert_cmpint (strncmp (json_string_value (member (entry, "module", "sha256")), sum, 64), ==, 0);
        if (json_is_object (label)) {
            latin++;
            g_assert_cmpstr (json_string_value (json_object_get (label, "hex")), ==, "436c6520e9");
            g_assert_nonnull (strstr (json_string_value (json_object_get (entry, "uri")), "token=Cle%20%E9"));
        } else if (g_strcmp0 (json_string_value (label), "Main") == 0) {
            main_token++;
            g_assert_cmpuint (json_array_size (json_object_get (entry, "algorithms")), ==, 4);
            g_assert_cmpstr (json_string_value (member (entry, "token", "pin_state")), ==, "ok");
        }
    }
    g_assert_cmpuint (latin, ==, 1);
    g_assert_cmpuint (main_token, ==, 1);
}

static void
test_latin1 (void)
{
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    open_with (&fix, SOFTHSM, "pkcs11:token=Cle%20%E9");
    login (fix.token);
    generate (&fix, "ec-p256");
    g_autoptr(json_t) info = token_info (fix.token, &error);
    g_autofree char *text = cjson_encode (info, &error);
    g_assert_no_error (error);
    g_assert_nonnull (strstr (text, "\"label\":{\"hex\":\"436c6520e9\"}"));
    close_all (&fix);
}

static void
test_uri (void)
{
    static const struct { const char *uri, *says; } BAD[] = {
        { "pkcs11:token=Main?pin-value=" PIN, "PIN" }, { "pkcs11:token=Main?pin-source=file:/x", "PIN" },
        { "pkcs11:token=Main?module-path=/x.so", "--module" }, { "pkcs11:slot-id=3", "slot" }, { "pkcs11:token=Main;object=k", "object" },
        { "pkcs11:token=Main;other=1", "part" }, { "Main", "RFC 7512" }, { "pkcs11:token=%zz?pin-value=" PIN, "RFC 7512" },
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(TokenModules) modules = token_modules_load (SOFTHSM, TRUE, NULL, &error);
    for (gsize i = 0; i < G_N_ELEMENTS (BAD); i++) {
        g_assert_null (token_open (modules, BAD[i].uri, &error));
        g_assert_null (strstr (error->message, PIN));
        expect (&error, BASE_ERROR, BASE_ERROR_USAGE, BAD[i].says);
    }
    g_assert_null (token_open (modules, "pkcs11:token=Nobody", &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "ceremony tokens");
    g_assert_null (token_open (modules, "pkcs11:manufacturer=SoftHSM%20project", &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_AMBIGUOUS, "token=Main");
}

static void
test_modules (void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
    g_assert_null (token_modules_load ("/nowhere/module.so", TRUE, warnings, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_MODULE, "no such file");
    g_assert_cmpuint (warnings->len, ==, 1);
    g_assert_null (token_modules_load ("module.so", TRUE, warnings, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_MODULE, "begin with /");
    g_autofree char *text = g_build_filename (dir, "no-module.so", NULL);
    g_assert_true (g_file_set_contents (text, "no library", -1, NULL));
    g_assert_null (token_modules_load (text, TRUE, warnings, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_MODULE, "no-module.so");
    set_conf ("fail C_Initialize 0 0x30\n");
    g_assert_null (token_modules_load (wrapper, TRUE, warnings, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_MODULE, "CKR_DEVICE_ERROR");
    set_conf ("");
}

static void
test_wrong_pin (void)
{
    static const struct { const char *conf, *tells; TokenError code; } CASES[] = {
        { "", "few tries", TOKEN_ERROR_PIN_WRONG }, { "pin-low\n", "few tries", TOKEN_ERROR_PIN_WRONG },
        { "pin-final\n", "one try is left", TOKEN_ERROR_PIN_FINAL_TRY }, { "pin-locked\n", "Nothing recorded so far is lost", TOKEN_ERROR_PIN_LOCKED },
        { "fail C_Login 0 0xa4\n", "Nothing recorded so far is lost", TOKEN_ERROR_PIN_LOCKED },
    };
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    open_with (&fix, wrapper, "pkcs11:token=Main");
    g_autoptr(Secret) pin = secret_new ();
    secret_set (pin, "00000000", 8);
    for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++) {
        set_conf (CASES[i].conf);
        g_assert_false (token_login (fix.token, pin, FALSE, &error));
        g_assert_null (strstr (error->message, "00000000"));
        expect (&error, TOKEN_ERROR, (int) CASES[i].code, CASES[i].tells);
        g_assert_false (token_logged_in (fix.token));
    }
    set_conf ("pin-final\n");
    g_assert_cmpstr (token_pin_state (fix.token), ==, "final-try");
    g_assert_false (token_login (fix.token, pin, TRUE, &error));    /* now it is tried, and wrong */
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_PIN_WRONG, "one try is left");
    set_conf ("");
    /* A login that stands already must not let a wrong PIN pass. */
    login (fix.token);
    g_assert_false (token_login (fix.token, pin, TRUE, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_PIN_WRONG, "CKR_PIN_INCORRECT");
    g_assert_false (token_logged_in (fix.token));
    close_all (&fix);
}

/* How often the unmasked bytes stand in this process's writable memory. */
static guint
scan_memory (const guint8 *masked, gsize len)
{
    static guint8 piece[1 << 16];
    g_autofree char *maps = NULL;
    guint hits = 0;
    int fd = open ("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    g_assert_cmpint (fd, >=, 0);
    g_assert_true (g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit (maps, "\n", -1);
    for (char **line = lines; *line; line++) {
        gulong from, to;
        char mode[8];
        if (sscanf (*line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[0] != 'r' || mode[1] != 'w' || to - from > (1UL << 30))
            continue;
        for (gulong at = from; at < to; at += sizeof piece - len) {
            ssize_t got = pread (fd, piece, MIN (sizeof piece, to - at), (off_t) at);
            const guint8 *p = piece, *end = got > 0 ? piece + got : piece;
            while ((p = memchr (p, masked[0] ^ 0x5a, (gsize) (end - p))) && p + len <= end) {
                gulong place = at + (gulong) (p - piece);
                gsize k = 0;
                while (k < len && (p[k] ^ 0x5a) == masked[k])
                    k++;
                hits += k == len && (place + len <= (gulong) piece || place >= (gulong) piece + sizeof piece);
                p++;
            }
        }
        explicit_bzero (piece, sizeof piece);
    }
    close (fd);
    return hits;
}

static X509_NAME *
common_name (const char *cn)
{
    X509_NAME *name = X509_NAME_new ();
    X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_UTF8, (const guint8 *) cn, -1, -1, 0);
    return name;
}

/* A PIN typed byte by byte into a Secret, and wiped: no copy of it is left by login, generation, or libp11. */
static void
test_pin_leaves_no_trace (void)
{
    /* Masked, so that what is found isn't this program's own text. */
    static const char MARKED[] = "\x17\x3b\x28\x31\x3f\x3e\x0a\x13\x14\x77\x6f\x69\x68\x6a\x6c\x63";
    const gsize len = sizeof MARKED - 1;
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(Secret) pin = secret_new ();
    g_autofree char *script = g_strdup_printf ("softhsm2-util --init-token --free --label Marked --so-pin 12345678 --pin \"$(printf '%s' | "
                                               "python3 -c 'import sys; sys.stdout.write(bytes(b^0x5a for b in bytes.fromhex(sys.stdin.read())).decode())')\"",
                                               "173b28313f3e0a1314776f69686a6c63");
    g_assert_true (run (NULL, "sh", "-c", script, NULL));
    open_with (&fix, SOFTHSM, "pkcs11:token=Marked");
    for (gsize i = 0; i < len; i++)
        secret_append (pin, (guint8) (MARKED[i] ^ 0x5a));
    g_assert_cmpuint (scan_memory ((const guint8 *) MARKED, len), ==, 1);   /* the scan finds the Secret's own page */
    g_assert_true (token_login (fix.token, pin, FALSE, &error));
    generate (&fix, "ec-p256");
    X509_NAME *name = common_name ("Marked");
    X509_REQ *request = token_key_request (fix.key, name, NULL, &error);
    g_assert_no_error (error);
    X509_REQ_free (request);
    X509_NAME_free (name);
    secret_wipe (pin);
    g_assert_cmpuint (scan_memory ((const guint8 *) MARKED, len), ==, 0);
    close_all (&fix);
}

static void
check_required (json_t *attributes, const char *mechanism, gboolean born_here)
{
    static const struct { const char *name; gboolean value; } WANTED[] = {
        { "cka_token", TRUE }, { "cka_private", TRUE }, { "cka_sensitive", TRUE }, { "cka_extractable", FALSE }, { "cka_sign", TRUE },
        { "cka_decrypt", FALSE }, { "cka_unwrap", FALSE }, { "cka_derive", FALSE }, { "cka_modifiable", FALSE }, { "cka_copyable", FALSE },
    };
    json_t *private = json_object_get (attributes, "private");
    for (gsize i = 0; i < G_N_ELEMENTS (WANTED); i++) {
        json_t *value = member (private, WANTED[i].name, "value");
        g_assert_true (json_is_boolean (value) && json_is_true (value) == WANTED[i].value);
    }
    g_assert_true (json_is_true (member (private, "cka_local", "value")) == born_here);
    g_assert_true (json_is_true (member (private, "cka_always_sensitive", "value")) == born_here);
    g_assert_true (json_is_true (member (private, "cka_never_extractable", "value")) == born_here);
    if (born_here)
        g_assert_cmpstr (json_string_value (member (private, "cka_key_gen_mechanism", "value")), ==, mechanism);
    g_assert_cmpstr (json_string_value (member (private, "cka_unique_id", "error")), ==, "unavailable");    /* of 3.0; SoftHSM is 2.40 */
    g_assert_true (json_is_array (member (private, "cka_allowed_mechanisms", "value")));
}

static void
check_signature (Fix *fix, const char *hash)
{
    g_autoptr(GError) error = NULL;
    const char *mechanism, *used;
    g_autoptr(GBytes) signature = token_key_sign (fix->key, "a text to sign", 14, NULL, &mechanism, &used, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (used, ==, hash);

    g_autofree char *text = g_build_filename (dir, "text", NULL), *sig = g_build_filename (dir, "sig", NULL), *pem = g_build_filename (dir, "pem", NULL);
    g_assert_true (g_file_set_contents (text, "a text to sign", 14, NULL));
    g_assert_true (g_file_set_contents (sig, g_bytes_get_data (signature, NULL), (gssize) g_bytes_get_size (signature), NULL));
    FILE *out = fopen (pem, "w");
    g_assert_true (PEM_write_PUBKEY (out, token_key_public (fix->key)) == 1);
    fclose (out);
    g_autofree char *flag = g_ascii_strdown (hash, -1), *option = g_strdup_printf ("-%s", flag);
    g_assert_true (run (NULL, "openssl", "dgst", option, "-verify", pem, "-signature", sig, text, NULL));
}

static void
check_request (Fix *fix)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *csr = g_build_filename (dir, "csr", NULL), *told = NULL;
    X509_NAME *name = common_name ("Exämple");
    X509_REQ *request = token_key_request (fix->key, name, NULL, &error);
    g_assert_no_error (error);
    FILE *out = fopen (csr, "w");
    PEM_write_X509_REQ (out, request);
    fclose (out);
    g_assert_true (run (&told, "openssl", "req", "-in", csr, "-verify", "-noout", "-subject", "-nameopt", "utf8", NULL));
    g_assert_nonnull (strstr (told, "Exämple"));
    g_assert_cmpint (EVP_PKEY_eq (X509_REQ_get0_pubkey (request), token_key_public (fix->key)), ==, 1);
    X509_REQ_free (request);
    X509_NAME_free (name);
}

static void
digest_of (TokenKey *key, guint8 digest[SHA256_LEN])
{
    g_autoptr(GBytes) spki = token_key_spki (key, NULL);
    sha256 (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), digest);
}

/* The key just generated, in a session of another time. */
static void
check_found_again (Fix *fix, const char *hash)
{
    g_autoptr(GError) error = NULL;
    guint8 digest[SHA256_LEN];
    g_autofree char *uri = g_strdup (token_uri (fix->token));
    digest_of (fix->key, digest);
    g_clear_pointer (&fix->key, token_key_free);
    g_clear_pointer (&fix->token, token_close);
    fix->token = token_open (fix->modules, uri, &error);
    g_assert_no_error (error);
    login (fix->token);
    fix->key = token_find_key (fix->token, &fix->spec, digest, &error);
    g_assert_no_error (error);
    g_assert_null (token_key_mechanism (fix->key));
    check_signature (fix, hash);
    digest[0] ^= 1;
    g_assert_null (token_find_key (fix->token, &fix->spec, digest, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "another key");
}

/* One algorithm, from generation to request. */
static void
test_whole (gconstpointer data)
{
    const char *algorithm = data, *hash = g_str_equal (algorithm, "ec-p384") ? "SHA384" : "SHA256";
    const char *mechanism = g_str_has_prefix (algorithm, "rsa") ? "CKM_RSA_PKCS_KEY_PAIR_GEN" : "CKM_EC_KEY_PAIR_GEN";
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) tried = NULL, found = NULL;
    guint labels, ids;
    open_with (&fix, SOFTHSM, "pkcs11:token=Main");
    make_spec (&fix, algorithm);
    g_assert_null (token_generate (fix.token, &fix.spec, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "CKR_USER_NOT_LOGGED_IN");
    login (fix.token);
    fix.key = token_generate (fix.token, &fix.spec, &tried, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (json_array_size (tried), ==, 1);
    g_assert_cmpstr (json_string_value (json_object_get (json_array_get (tried, 0), "result")), ==, "CKR_OK");
    g_assert_cmpstr (token_key_mechanism (fix.key), ==, mechanism);
    g_assert_true (token_count (fix.token, fix.spec.label, fix.id, &labels, &ids, &error));
    g_assert_cmpuint (labels, ==, 2);
    g_assert_cmpuint (ids, ==, 2);
    g_assert_true (token_key_unique (fix.key, &found, &error));
    g_assert_cmpint (json_integer_value (json_object_get (found, "private_with_id")), ==, 1);

    g_autoptr(json_t) attributes = token_key_attributes (fix.key, &error);
    g_assert_no_error (error);
    check_required (attributes, mechanism, TRUE);
    g_autofree char *text = cjson_encode (attributes, &error);
    g_assert_no_error (error);
    check_signature (&fix, hash);
    check_request (&fix);
    check_found_again (&fix, hash);
    close_all (&fix);
}

/* Writes a software key under that label and id with other people's programs, as an attacker would. */
static void
import_from_outside (const char *label, GBytes *id)
{
    g_autofree char *pem = g_build_filename (dir, "outside.pem", NULL), *der = g_build_filename (dir, "outside.der", NULL);
    g_autofree char *public = g_build_filename (dir, "outside.pub", NULL);
    g_autofree char *hex = hex_encode (g_bytes_get_data (id, NULL), g_bytes_get_size (id));
    g_assert_true (run (NULL, "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", pem, NULL));
    g_assert_true (run (NULL, "openssl", "ec", "-in", pem, "-outform", "DER", "-out", der, NULL));
    g_assert_true (run (NULL, "openssl", "ec", "-in", pem, "-pubout", "-outform", "DER", "-out", public, NULL));
    g_assert_true (run (NULL, "pkcs11-tool", "--module", SOFTHSM, "--token-label", "Main", "--login", "--pin", PIN, "--write-object", der, "--type", "privkey",
                        "--id", hex, "--label", label, NULL));
    g_assert_true (run (NULL, "pkcs11-tool", "--module", SOFTHSM, "--token-label", "Main", "--login", "--pin", PIN, "--write-object", public, "--type", "pubkey",
                        "--id", hex, "--label", label, NULL));
}

static void
test_exists_and_twin (void)
{
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) other = fresh_id ();
    g_autoptr(json_t) found = NULL;
    make_spec (&fix, "ec-p256");
    import_from_outside (fix.spec.label, fix.id);
    open_with (&fix, SOFTHSM, "pkcs11:token=Main");
    login (fix.token);
    TokenKeySpec same_label = { "ec-p256", fix.spec.label, other }, same_id = { "ec-p256", "another label", fix.id };
    g_assert_null (token_generate (fix.token, &same_label, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_EXISTS, "choose another label");
    g_assert_null (token_generate (fix.token, &same_id, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_EXISTS, "choose another label");

    generate (&fix, "ec-p256");
    g_assert_true (token_key_unique (fix.key, NULL, &error));
    import_from_outside (fix.spec.label, fix.id);
    g_assert_false (token_key_unique (fix.key, &found, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "2 private_with_label");
    g_assert_cmpint (json_integer_value (json_object_get (found, "private_with_label")), ==, 2);
    g_assert_null (token_find_key (fix.token, &fix.spec, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "isn't one key pair");
    X509_NAME *name = common_name ("x");
    g_assert_null (token_key_request (fix.key, name, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "isn't one key pair");
    X509_NAME_free (name);
    close_all (&fix);
}

static void
test_inventory (void)
{
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    guint labels;
    open_with (&fix, SOFTHSM, "pkcs11:token=Cle%20%E9");
    g_autoptr(json_t) before = token_inventory (fix.token, &error);
    g_assert_no_error (error);
    g_assert_false (json_is_true (json_object_get (before, "logged_in")));
    g_assert_cmpint (json_integer_value (json_object_get (before, "public_keys")), ==, 1);
    g_assert_cmpint (json_integer_value (json_object_get (before, "private_keys")), ==, 0);
    json_t *object = json_array_get (json_object_get (before, "objects"), 0);
    g_assert_cmpstr (json_string_value (json_object_get (object, "class")), ==, "CKO_PUBLIC_KEY");
    g_assert_cmpstr (json_string_value (json_object_get (object, "key_type")), ==, "CKK_EC");
    g_assert_cmpuint (strlen (json_string_value (json_object_get (object, "spki_sha256"))), ==, 64);
    g_assert_false (token_count (fix.token, "x", NULL, &labels, NULL, &error));     /* what is hidden can't be counted */
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "hides its private keys");
    login (fix.token);
    g_autoptr(json_t) after = token_inventory (fix.token, &error);
    g_assert_cmpint (json_integer_value (json_object_get (after, "private_keys")), ==, 1);
    close_all (&fix);
}

static void
test_reductions (void)
{
    static const struct { const char *conf, *template; guint attempts; } CASES[] = {
        { "refuse-attribute 0x171 0x12\n", "no-copyable", 3 }, { "refuse-attribute 0x170 0x10\n", "no-modifiable", 4 },
        { "refuse-attribute 0x10a 0x5\n", "no-verify", 2 }, { "refuse-attribute 0x105 0xd1\n", "no-uses", 5 },
    };
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    open_with (&fix, wrapper, "pkcs11:token=Main");
    login (fix.token);
    for (gsize i = 0; i < G_N_ELEMENTS (CASES); i++) {
        g_autoptr(json_t) tried = NULL;
        set_conf (CASES[i].conf);
        make_spec (&fix, "ec-p256");
        fix.key = token_generate (fix.token, &fix.spec, &tried, &error);
        g_assert_no_error (error);
        g_assert_cmpuint (json_array_size (tried), ==, CASES[i].attempts);
        json_t *last = json_array_get (tried, CASES[i].attempts - 1);
        g_assert_cmpstr (json_string_value (json_object_get (last, "template")), ==, CASES[i].template);
        g_clear_pointer (&fix.key, token_key_free);
    }
    g_autoptr(json_t) tried = NULL;
    set_conf ("fail C_GenerateKeyPair 0 0x31\n");       /* a full token isn't asked seven times */
    make_spec (&fix, "ec-p256");
    g_assert_null (token_generate (fix.token, &fix.spec, &tried, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "full");
    g_assert_cmpuint (json_array_size (tried), ==, 1);
    set_conf ("half 0x30\n");                             /* nor one that made a key and denies it */
    make_spec (&fix, "ec-p256");
    g_assert_null (token_generate (fix.token, &fix.spec, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "yet left 2 objects");
    set_conf ("no-mechanism 0x1040\n");
    make_spec (&fix, "ec-p256");
    g_assert_null (token_generate (fix.token, &fix.spec, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_UNSUPPORTED, "ec-p256");
    set_conf ("");
    close_all (&fix);
}

static void
test_dishonest (void)
{
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    open_with (&fix, wrapper, "pkcs11:token=Main");
    login (fix.token);
    set_conf ("import\n");
    generate (&fix, "ec-p256");
    g_assert_true (token_key_unique (fix.key, NULL, &error));
    g_autoptr(json_t) imported = token_key_attributes (fix.key, &error);
    check_required (imported, NULL, FALSE);
    g_clear_pointer (&fix.key, token_key_free);

    set_conf ("twin\n");
    generate (&fix, "rsa-3072");
    g_assert_false (token_key_unique (fix.key, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "2 private_with_id");
    g_clear_pointer (&fix.key, token_key_free);

    set_conf ("");
    generate (&fix, "ec-p384");
    set_conf ("lie 0x163 00\nlie 0x166 none\nlie 0x164 unavailable\nlie 0x162 0203\nlie 0x40000600 4010000000000000\n");
    g_autoptr(json_t) lied = token_key_attributes (fix.key, &error);
    json_t *private = json_object_get (lied, "private");
    g_assert_true (json_is_false (member (private, "cka_local", "value")));
    g_assert_cmpstr (json_string_value (member (private, "cka_key_gen_mechanism", "error")), ==, "unavailable");
    g_assert_cmpstr (json_string_value (member (private, "cka_never_extractable", "error")), ==, "unavailable");
    g_assert_cmpstr (json_string_value (member (private, "cka_extractable", "error")), ==, "malformed");
    g_assert_cmpstr (json_string_value (json_array_get (member (private, "cka_allowed_mechanisms", "value"), 0)), ==, "CKM_EC_KEY_PAIR_GEN");
    set_conf ("");
    close_all (&fix);
}

static void
test_signing (void)
{
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    const char *mechanism;
    open_with (&fix, wrapper, "pkcs11:token=Main");
    login (fix.token);
    generate (&fix, "ec-p256");
    set_conf ("no-mechanism 0x1041\n");     /* SoftHSM has no ECDSA mechanism that hashes itself */
    g_assert_null (token_key_sign (fix.key, "x", 1, NULL, NULL, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_UNSUPPORTED, "no way to sign");
    set_conf ("fail C_Sign 1 0x32\n");
    g_assert_null (token_key_sign (fix.key, "x", 1, NULL, NULL, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "pulled out");
    set_conf ("fail C_Sign 1 0x30\n");
    g_assert_null (token_key_sign (fix.key, "x", 1, NULL, NULL, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "CKR_DEVICE_ERROR");
    check_signature (&fix, "SHA256");       /* a fault in C_Sign leaves no operation that blocks the next */
    set_conf ("always-authenticate\n");
    g_assert_true (token_key_always_authenticate (fix.key));
    g_assert_null (token_key_sign (fix.key, "x", 1, NULL, NULL, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "PIN for each signature");
    set_conf ("");
    check_signature (&fix, "SHA256");
    g_clear_pointer (&fix.key, token_key_free);

    generate (&fix, "rsa-3072");
    set_conf ("no-mechanism 0x1\n");
    g_autoptr(GBytes) signature = token_key_sign (fix.key, "x", 1, NULL, &mechanism, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (mechanism, ==, "CKM_SHA256_RSA_PKCS");
    set_conf ("");
    close_all (&fix);
}

/* A key that SoftHSM itself guards with CKA_ALWAYS_AUTHENTICATE: each signature and the request need the PIN. */
static void
test_always_authenticate (void)
{
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(Secret) pin = secret_new (), wrong = secret_new ();
    make_spec (&fix, "ec-p256");
    g_autofree char *hex = hex_encode (g_bytes_get_data (fix.id, NULL), g_bytes_get_size (fix.id));
    g_assert_true (run (NULL, "pkcs11-tool", "--module", SOFTHSM, "--token-label", "Main", "--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:prime256v1",
                        "--id", hex, "--label", fix.spec.label, "--always-auth", NULL));
    secret_set (pin, PIN, strlen (PIN));
    secret_set (wrong, "00000000", 8);
    open_with (&fix, SOFTHSM, "pkcs11:token=Main");
    login (fix.token);
    fix.key = token_find_key (fix.token, &fix.spec, NULL, &error);
    g_assert_no_error (error);
    g_assert_true (token_key_always_authenticate (fix.key));
    g_assert_null (token_key_sign (fix.key, "x", 1, NULL, NULL, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "PIN for each signature");
    g_assert_null (token_key_sign (fix.key, "x", 1, wrong, NULL, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_PIN_WRONG, "CKR_PIN_INCORRECT");
    g_autoptr(GBytes) signature = token_key_sign (fix.key, "x", 1, pin, NULL, NULL, &error);
    g_assert_no_error (error);
    X509_NAME *name = common_name ("x");
    X509_REQ *request = token_key_request (fix.key, name, pin, &error);
    g_assert_no_error (error);
    X509_REQ_free (request);
    X509_NAME_free (name);
    close_all (&fix);
}

/* Pulls the token a moment from now, or puts it back. */
static gpointer
change_later (gpointer text)
{
    g_usleep (250 * 1000);
    set_conf (text);
    return NULL;
}

static gpointer
cancel_later (gpointer cancel)
{
    g_usleep (150 * 1000);
    g_cancellable_cancel (cancel);
    return NULL;
}

static void
check_waiting_ends (Fix *fix)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GCancellable) cancel = g_cancellable_new ();
    g_assert_false (token_wait_removed (fix->token, 150, NULL, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "didn't happen within");
    GThread *canceller = g_thread_new ("cancel", cancel_later, cancel);
    g_assert_false (token_wait_removed (fix->token, 5000, cancel, NULL, &error));
    expect (&error, BASE_ERROR, BASE_ERROR_ABORTED, "cancelled");
    g_thread_join (canceller);
}

static void
test_unplug (gconstpointer mode)
{
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) gone = NULL, back = NULL;
    guint8 digest[SHA256_LEN];
    open_with (&fix, wrapper, "pkcs11:token=Main");
    login (fix.token);
    generate (&fix, "ec-p256");
    check_request (&fix);               /* libp11's sessions are open too */
    digest_of (fix.key, digest);
    check_waiting_ends (&fix);

    GThread *puller = g_thread_new ("pull", change_later, (gpointer) mode);
    g_assert_true (token_wait_removed (fix.token, 5000, NULL, &gone, &error));
    g_thread_join (puller);
    g_assert_cmpuint (json_array_size (gone), >=, 1);
    g_assert_false (token_logged_in (fix.token));
    g_assert_null (token_key_sign (fix.key, "x", 1, NULL, NULL, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "pulled out");
    g_assert_false (token_wait_returned (fix.token, 150, NULL, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "didn't happen within");

    GThread *putter = g_thread_new ("put", change_later, (gpointer) "");
    g_assert_true (token_wait_returned (fix.token, 5000, NULL, &back, &error));
    g_thread_join (putter);
    login (fix.token);
    g_assert_null (token_key_sign (fix.key, "x", 1, NULL, NULL, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "find the key again");
    g_clear_pointer (&fix.key, token_key_free);
    fix.key = token_find_key (fix.token, &fix.spec, digest, &error);
    g_assert_no_error (error);
    check_signature (&fix, "SHA256");
    check_request (&fix);
    close_all (&fix);
}

static gpointer
swap_then_return (gpointer data)
{
    g_usleep (250 * 1000);
    set_conf ("serial 0123\n");
    g_usleep (400 * 1000);
    set_conf ("");
    return NULL;
}

/* Another device is put in instead, and only then the right one: the witness hears of it. */
static void
test_swapped (void)
{
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) back = NULL;
    open_with (&fix, wrapper, "pkcs11:token=Main");
    set_conf ("remove\n");
    g_assert_true (token_wait_removed (fix.token, 5000, NULL, NULL, &error));
    GThread *thread = g_thread_new ("swap", swap_then_return, NULL);
    g_assert_true (token_wait_returned (fix.token, 5000, NULL, &back, &error));
    g_thread_join (thread);
    g_autofree char *text = cjson_encode (back, &error);
    g_assert_nonnull (strstr (text, "serial=0123;token=Main\",\"ms\":"));
    g_assert_nonnull (strstr (text, "\"what\":\"other-token\""));
    g_assert_nonnull (strstr (text, "\"what\":\"token-present\""));
    close_all (&fix);
}

/* The token pulled out in the middle of each thing that one does with it. */
static void
test_pulled_in_the_middle (void)
{
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) list = NULL;
    guint n;
    open_with (&fix, wrapper, "pkcs11:token=Main");
    login (fix.token);
    generate (&fix, "ec-p256");
    set_conf ("remove\n");
    g_assert_null (token_key_attributes (fix.key, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "pulled out");
    g_assert_false (token_key_unique (fix.key, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "pulled out");
    g_assert_false (token_count (fix.token, "x", NULL, &n, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "pulled out");
    g_assert_null (token_inventory (fix.token, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "pulled out");
    g_assert_null (token_info (fix.token, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "no token is there");
    g_assert_null (token_key_sign (fix.key, "x", 1, NULL, NULL, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "pulled out");
    make_spec (&fix, "ec-p256");
    g_assert_null (token_generate (fix.token, &fix.spec, NULL, &error));
    expect (&error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "pulled out");
    list = token_modules_list (fix.modules, &error);
    g_assert_cmpuint (json_array_size (list), ==, 0);
    set_conf ("");
    close_all (&fix);
}

/* Everything, perhaps with one call failing; gives whether all of it succeeded. */
static gboolean
whole_with_fault (guint n)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(TokenModules) modules = token_modules_load (wrapper, TRUE, NULL, &error);
    g_autoptr(Token) token = modules ? token_open (modules, "pkcs11:token=Faults", &error) : NULL;
    g_autoptr(Secret) pin = secret_new ();
    secret_set (pin, PIN, strlen (PIN));
    g_autofree char *label = g_strdup_printf ("fault %u", n);
    g_autoptr(GBytes) id = fresh_id ();
    TokenKeySpec spec = { "ec-p256", label, id };
    X509_NAME *name = common_name ("x");
    X509_REQ *request = NULL;
    g_autoptr(json_t) inventory = NULL, attributes = NULL;
    g_autoptr(GBytes) signature = NULL;
    g_autoptr(TokenKey) key = NULL;
    if (token && token_login (token, pin, FALSE, &error) && (inventory = token_inventory (token, &error))
        && (key = token_generate (token, &spec, NULL, &error)) && (attributes = token_key_attributes (key, &error))
        && token_key_unique (key, NULL, &error) && (signature = token_key_sign (key, "x", 1, NULL, NULL, NULL, &error)))
        request = token_key_request (key, name, NULL, &error);
    g_assert_true ((request != NULL) == (error == NULL));
    g_assert_true (!error || strlen (error->message) > 20);
    if (key) {                          /* so that the next run makes the same calls */
        set_conf ("");
        token->module->f->C_DestroyObject (token->session, key->private_key);
        token->module->f->C_DestroyObject (token->session, key->public_key);
    }
    X509_NAME_free (name);
    X509_REQ_free (request);
    return request != NULL;
}

static void
test_fault_sweep (void)
{
    g_autofree char *log = g_build_filename (dir, "calls", NULL), *text = NULL;
    guint calls = 0, survived = 0, step = g_test_slow () ? 1 : SWEEP_STEP;
    init_token ("Faults");
    g_autofree char *counted = g_strdup_printf ("log %s\n", log);
    set_conf (counted);
    g_assert_true (whole_with_fault (0));
    g_assert_true (g_file_get_contents (log, &text, NULL, NULL));
    for (const char *p = text; *p; p++)
        calls += *p == '\n';
    g_assert_cmpuint (calls, >, 100);
    for (guint n = 1; n <= calls; n += step) {
        static const char *const CODES[] = { "0x30", "0x32", "0xb3", "0x5", "0x101" };
        g_autofree char *line = g_strdup_printf ("failall %u %s\n", n, CODES[n / step % G_N_ELEMENTS (CODES)]);
        set_conf (line);
        survived += whole_with_fault (n);
    }
    g_test_message ("%u calls, %u of %u faults survived", calls, survived, (calls + step - 1) / step);
    g_assert_cmpuint (survived, <, calls / step);
    set_conf ("");
}

/* Another token than SoftHSM, named by the environment: TEST_TOKEN_MODULE (empty: those that p11-kit knows), TEST_TOKEN_URI, TEST_TOKEN_PIN,
 * TEST_TOKEN_ALGORITHMS with blanks between. What it answers is told, line by line, for a script to judge. */
static void
test_foreign (void)
{
    Fix fix = { 0 };
    g_autoptr(GError) error = NULL;
    const char *module = g_getenv ("TEST_TOKEN_MODULE"), *pin_text = g_getenv ("TEST_TOKEN_PIN");
    g_auto(GStrv) algorithms = g_strsplit (g_getenv ("TEST_TOKEN_ALGORITHMS"), " ", -1);
    fix.modules = token_modules_load (*module ? module : NULL, *module != 0, NULL, &error);
    g_assert_no_error (error);
    fix.token = token_open (fix.modules, g_getenv ("TEST_TOKEN_URI"), &error);
    g_assert_no_error (error);
    g_autoptr(Secret) pin = secret_new ();
    secret_set (pin, pin_text, strlen (pin_text));
    token_login (fix.token, pin, FALSE, &error);
    g_assert_no_error (error);
    for (char **algorithm = algorithms; *algorithm; algorithm++) {
        g_autoptr(json_t) tried = NULL;
        make_spec (&fix, *algorithm);
        g_snprintf (fix.label, sizeof fix.label, "ceremony %s", *algorithm);
        fix.key = token_generate (fix.token, &fix.spec, &tried, &error);
        g_autofree char *attempts = cjson_encode (tried, NULL);
        g_test_message ("%s tried %s", *algorithm, attempts);
        g_assert_no_error (error);
        g_autoptr(json_t) attributes = token_key_attributes (fix.key, &error);
        g_autofree char *text = cjson_encode (attributes, &error);
        g_assert_no_error (error);
        g_test_message ("%s attributes %s", *algorithm, text);
        g_assert_true (token_key_unique (fix.key, NULL, &error));
        check_signature (&fix, g_str_equal (*algorithm, "ec-p384") ? "SHA384" : "SHA256");
        check_request (&fix);
        g_clear_pointer (&fix.key, token_key_free);
    }
    close_all (&fix);
}

static void
set_up (void)
{
    g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL), *unit = g_path_get_dirname (self);
    wrapper = g_build_filename (unit, "..", "lib", "wrap-pkcs11.so", NULL);
    conf = g_build_filename (dir, "wrap.conf", NULL);
    g_autofree char *hsm = g_build_filename (dir, "softhsm2.conf", NULL), *tokens = g_build_filename (dir, "tokens", NULL);
    g_autofree char *text = g_strdup_printf ("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", tokens);
    g_assert_true (g_file_set_contents (hsm, text, -1, NULL));
    g_mkdir (tokens, 0700);
    g_setenv ("SOFTHSM2_CONF", hsm, TRUE);
    g_setenv ("WRAP_PKCS11_CONF", conf, TRUE);
    set_conf ("");
    init_token ("Main");
    init_token ("Cle \xe9");
}

static void
add_tests (void)
{
    g_test_add_func ("/token/list", test_list);
    g_test_add_func ("/token/latin1", test_latin1);
    g_test_add_func ("/token/uri", test_uri);
    g_test_add_func ("/token/modules", test_modules);
    g_test_add_func ("/token/wrong-pin", test_wrong_pin);
    g_test_add_func ("/token/inventory", test_inventory);
    g_test_add_func ("/token/pin-leaves-no-trace", test_pin_leaves_no_trace);
    g_test_add_data_func ("/token/whole/ec-p256", "ec-p256", test_whole);
    g_test_add_data_func ("/token/whole/ec-p384", "ec-p384", test_whole);
    g_test_add_data_func ("/token/whole/rsa-3072", "rsa-3072", test_whole);
    if (g_test_slow ())
        g_test_add_data_func ("/token/whole/rsa-4096", "rsa-4096", test_whole);
    g_test_add_func ("/token/exists-and-twin", test_exists_and_twin);
    g_test_add_func ("/token/reductions", test_reductions);
    g_test_add_func ("/token/dishonest", test_dishonest);
    g_test_add_func ("/token/signing", test_signing);
    g_test_add_func ("/token/always-authenticate", test_always_authenticate);
    g_test_add_data_func ("/token/unplug/device-removed", "remove\n", test_unplug);
    g_test_add_data_func ("/token/unplug/session-dead", "remove\nremove-mode session\n", test_unplug);
    g_test_add_func ("/token/swapped", test_swapped);
    g_test_add_func ("/token/pulled-in-the-middle", test_pulled_in_the_middle);
    g_test_add_func ("/token/fault-sweep", test_fault_sweep);
}

int
main (int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_test_init (&argc, &argv, NULL);
    dir = g_dir_make_tmp ("test-token-XXXXXX", &error);
    g_assert_no_error (error);
    if (g_getenv ("TEST_TOKEN_MODULE"))
        g_test_add_func ("/token/foreign", test_foreign);
    else {
        set_up ();
        add_tests ();
    }
    int status = g_test_run ();
    file_remove_tree (dir, NULL);
    return status;
}
