/* Sets up everything that a rehearsal throws away afterwards. */
#include "ceremony/run/rehearsal.h"
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <string.h>
#include "ceremony/base/child.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/appliance.h"
#include "ceremony/bundle/challenge.h"
#include "ceremony/bundle/order.h"
#include "ceremony/journal/journal.h"
#include "ceremony/token/soft_token.h"

#define TOKEN_LABEL "Rehearsal"
#define PIN_DIGITS 8
#define DAYS 30

void
rehearsal_free (Rehearsal *self)
{
    if (self == NULL)
        return;
    run_setup_free (self->setup);
    g_free (self->trust_dir);
    g_free (self->pin_path);
    explicit_bzero (self->secret, sizeof self->secret);
    g_free (self);
}

static char *
path_in (const char *home, const char *name)
{
    return g_build_filename (home, "rehearsal", name, NULL);
}

/* Key and certificate of a role in one PEM file, and its certificate in the trust folder. */
static gboolean
make_role (const char *home, const char *trust_dir, const char *role, const char *name, GError **error)
{
    g_autofree char *file = g_strdup_printf ("%s.pem", role), *path = path_in (home, file);
    if (g_file_test (path, G_FILE_TEST_EXISTS))
        return TRUE;
    g_autofree char *dir = g_build_filename (trust_dir, role, NULL), *pinned = g_build_filename (dir, "rehearsal.pem", NULL);
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    if (!signer_generate (name, DAYS, &key, &cert, error))
        return FALSE;
    BIO *both = BIO_new (BIO_s_secmem ()), *alone = BIO_new (BIO_s_mem ());
    char *data, *public;
    gboolean ok = PEM_write_bio_PKCS8PrivateKey (both, key, NULL, NULL, 0, NULL, NULL) == 1 && PEM_write_bio_X509 (both, cert) == 1 &&
                  PEM_write_bio_X509 (alone, cert) == 1;
    if (!ok)
        crypto_fail (error, "rehearsal: writing a key");
    long len = BIO_get_mem_data (both, &data), public_len = BIO_get_mem_data (alone, &public);
    ok = ok && file_mkdir (dir, error) && file_write (pinned, public, public_len, 0600, TRUE, error) && file_write (path, data, len, 0600, FALSE, error);
    BIO_free (both);
    BIO_free (alone);
    EVP_PKEY_free (key);
    X509_free (cert);
    return ok;
}

static gboolean
read_secret (const char *path, guint8 secret[32], GError **error)
{
    g_autoptr (GBytes) bytes = file_read (path, 100, error);
    if (bytes == NULL)
        return FALSE;
    g_autofree char *text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    g_autoptr (GBytes) decoded = hex_decode (g_strchomp (text), error);
    if (decoded == NULL)
        return FALSE;
    if (g_bytes_get_size (decoded) != 32) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: the witness's secret must be 64 hex digits; make one with `ceremony challenge new`", path);
        return FALSE;
    }
    memcpy (secret, g_bytes_get_data (decoded, NULL), 32);
    return TRUE;
}

static gboolean
make_secret (Rehearsal *self, const char *home, GError **error)
{
    g_autofree char *path = path_in (home, "challenge-secret"), *hex = NULL;
    if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
        random_bytes (self->secret, sizeof self->secret);
        hex = hex_encode (self->secret, sizeof self->secret);
        g_autofree char *line = g_strconcat (hex, "\n", NULL);
        if (!file_write (path, line, strlen (line), 0600, FALSE, error))
            return FALSE;
    }
    if (!read_secret (path, self->secret, error))
        return FALSE;
    self->setup->secret_path = g_strdup (path);
    return TRUE;
}

/* The PIN's first line into @pin; where @given is NULL one is made and kept. */
static gboolean
make_pin (Rehearsal *self, const char *home, const char *given, Secret *pin, GError **error)
{
    self->pin_path = given ? g_strdup (given) : path_in (home, "pin");
    if (given == NULL && !g_file_test (self->pin_path, G_FILE_TEST_EXISTS)) {
        soft_token_pin (pin, PIN_DIGITS);
        secret_append (pin, '\n');
        return file_write (self->pin_path, secret_data (pin), secret_len (pin), 0600, FALSE, error) && (secret_backspace (pin), TRUE);
    }
    g_autoptr (GBytes) bytes = file_read (self->pin_path, SECRET_MAX, error);
    if (bytes == NULL)
        return FALSE;
    gsize len;
    const char *text = g_bytes_get_data (bytes, &len);
    const char *end = memchr (text, '\n', len);
    secret_set (pin, text, end ? (gsize) (end - text) : len);
    explicit_bzero ((char *) text, len);
    return TRUE;
}

static json_t *
order_json (const Rehearsal *self, const Appliance *appliance, const Script *script, const Policy *policy, const char *algorithm, GError **error)
{
    guint8 commitment[SHA256_LEN];
    sha256 (self->secret, sizeof self->secret, commitment);
    g_autofree char *hex = hex_encode (commitment, sizeof commitment), *note = base64_encode (appliance->note_public, 32);
    g_autofree char *spki = signer_spki_sha256 (appliance->signer->cert);
    gint64 now = clock_wall_ms ();
    g_autofree char *issued = clock_format (now), *from = clock_format (now - 3600 * 1000), *to = clock_format (now + DAYS * G_GINT64_CONSTANT (86400000));
    json_error_t why;
    json_t *order = json_pack_ex (&why, 0,
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:{s:s, s:s, s:s}, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:n}, s:n, s:s, s:s}",
        "format", "ceremony/order/v1", "id", "rehearsal", "ca_domain", "rehearsal.invalid", "issued", issued, "valid_from", from, "valid_to", to, "rehearsal", 1,
        "subscriber", "name", "Rehearsal subscriber", "country", "DE", "registration", "none", "algorithm", algorithm ? algorithm : script->algorithm,
        "label", "Code signing rehearsal", "subject", script->subject ? script->subject : "CN=Rehearsal subscriber,O=Rehearsal subscriber,C=DE",
        "script_sha256", script->sha256, "policy_sha256", policy->sha256, "challenge_commitment", hex, "appliance", "note_key", note, "spki_sha256", spki,
        "witness", "name", "Rehearsal witness", "employer", "Rehearsal CA", "qualification", "none: a rehearsal", "approval", "none: a rehearsal", "spki_sha256",
        "token_uri", "place", "Rehearsal", "region", "EU");
    if (order == NULL)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "rehearsal: order: %s", why.text);
    return order;
}

static gboolean
make_order (Rehearsal *self, const RehearsalOptions *options, GError **error)
{
    RunSetup *setup = self->setup;
    setup->order_path = path_in (options->home, "order.asice");
    if (g_file_test (setup->order_path, G_FILE_TEST_EXISTS))
        return TRUE;
    g_autofree char *dir = run_appliance_dir (options->home), *ca = path_in (options->home, "order.pem");
    g_autofree char *script_path = options->script_path ? g_strdup (options->script_path) : child_script_path ("code-signing.yaml");
    g_autofree char *policy_path = options->policy_path ? g_strdup (options->policy_path) : child_script_path ("rehearsal-policy.yaml");
    g_autoptr (Script) script = script_load (script_path, error);
    g_autoptr (Policy) policy = script ? policy_load (policy_path, error) : NULL;
    g_autoptr (Appliance) appliance = policy ? appliance_load (dir, error) : NULL;
    g_autoptr (Signer) signer = appliance ? signer_load_file (ca, NULL, error) : NULL;
    if (signer == NULL || !appliance_enrol (appliance, self->trust_dir, error))
        return FALSE;
    g_autoptr (json_t) order = order_json (self, appliance, script, policy, options->algorithm, error);
    return order != NULL && order_write (setup->order_path, order, script, policy, signer, error);
}

static void
take_recording (RunSetup *setup, const RunSetup *from)
{
    setup->camera = g_strdup (from && from->camera ? from->camera : "test");
    setup->audio = g_strdup (from && from->audio ? from->audio : "test");
    if (from == NULL)
        return;
    setup->more_cameras = g_strdupv (from->more_cameras);
    setup->virtual_camera = g_strdup (from->virtual_camera);
    setup->window = from->window;
    setup->width = from->width;
    setup->height = from->height;
    setup->fps = from->fps;
}

static gboolean
prepare (Rehearsal *self, const RehearsalOptions *options, GError **error)
{
    g_autofree char *dir = g_build_filename (options->home, "rehearsal", NULL), *store = g_build_filename (dir, "token", NULL);
    g_autofree char *appliance = run_appliance_dir (options->home), *note_key = g_build_filename (appliance, "note-key.pem", NULL);
    g_autoptr (Secret) pin = secret_new ();
    if (!file_mkdir (dir, error) || !make_pin (self, options->home, options->pin_path, pin, error) || !soft_token_make (store, TOKEN_LABEL, pin, error))
        return FALSE;
    if (!g_file_test (note_key, G_FILE_TEST_EXISTS) && !appliance_init (appliance, "Rehearsal appliance", error))
        return FALSE;
    self->trust_dir = g_build_filename (options->home, "trust", NULL);
    RunSetup *setup = self->setup;
    setup->module_path = options->module_path ? g_canonicalize_filename (options->module_path, NULL) : soft_token_module (error);
    setup->module_only = TRUE;
    setup->token_uri = g_strdup ("pkcs11:token=" TOKEN_LABEL);
    setup->tsa_url = g_strdup (options->tsa_url);
    take_recording (setup, options->recording);
    setup->home = g_strdup (options->home);
    setup->trust_dir = g_strdup (self->trust_dir);
    setup->rehearsal = TRUE;
    setup->fast = options->fast;
    setup->witness_key = path_in (options->home, "witness.pem");
    setup->service_key = path_in (options->home, "service.pem");
    setup->service_facts = child_script_path ("signing-service-facts.yaml");
    return setup->module_path != NULL && make_role (options->home, self->trust_dir, "order", "Rehearsal CA", error) &&
           make_role (options->home, self->trust_dir, "witness", "Rehearsal witness", error) &&
           make_role (options->home, self->trust_dir, "service", "Rehearsal signing service", error) && make_secret (self, options->home, error) &&
           make_order (self, options, error);
}

Rehearsal *
rehearsal_prepare (const RehearsalOptions *options, GError **error)
{
    g_autoptr (Rehearsal) self = g_new0 (Rehearsal, 1);
    self->setup = run_setup_new ();
    if (!prepare (self, options, error)) {
        g_prefix_error (error, "preparing the rehearsal in %s: ", options->home);
        return NULL;
    }
    return g_steal_pointer (&self);
}

static char *
words_for (const char *ceremony, const char *root, const guint8 secret[32])
{
    guint8 challenge[CHALLENGE_LEN];
    challenge_compute (ceremony, root, secret, challenge);
    return pgp_words (challenge, sizeof challenge);
}

char *
rehearsal_hint (const RunSetup *setup, const char *ceremony, const Event *opening)
{
    guint8 secret[32];
    const char *root = opening ? cjson_str (opening->data, "root", NULL) : NULL;
    if (!setup->rehearsal || setup->secret_path == NULL || root == NULL || !read_secret (setup->secret_path, secret, NULL))
        return NULL;
    char *words = words_for (ceremony, root, secret);
    explicit_bzero (secret, sizeof secret);
    return words;
}

char *
rehearsal_credential (const RunSetup *setup, const CredentialRequest *request)
{
    guint8 secret[32], sealed[CREDENTIAL_SECRET_LEN];
    if (!setup->rehearsal || setup->secret_path == NULL || !read_secret (setup->secret_path, secret, NULL))
        return NULL;
    credential_secret (secret, request->ceremony, request->ek_spki_sha256, request->ak_name, sealed);
    explicit_bzero (secret, sizeof secret);
    g_autoptr (GBytes) file = credential_make (request->ek, request->ak_name, sealed, NULL);
    g_autofree char *dir = g_path_get_dirname (setup->secret_path), *path = g_build_filename (dir, "credential", NULL);
    return file && file_write (path, g_bytes_get_data (file, NULL), g_bytes_get_size (file), 0600, TRUE, NULL) ? g_steal_pointer (&path) : NULL;
}

char *
rehearsal_words (const Rehearsal *self, const char *ceremony, const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename (folder, "journal.db", NULL);
    g_autoptr (Journal) journal = journal_open_readonly (path, error);
    const Event *opening = journal ? journal_last (journal, "opening.committed") : NULL;
    if (opening == NULL) {
        if (journal != NULL)
            g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "rehearsal: there is no opening checkpoint to answer yet");
        return NULL;
    }
    const char *root = cjson_str (opening->data, "root", error);
    return root != NULL ? words_for (ceremony, root, self->secret) : NULL;
}
