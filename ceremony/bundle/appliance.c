/* The appliance's two keys in their folder: note-key.pem (Ed25519), cms-key.pem with cms-cert.pem (P-256). */
#include "ceremony/bundle/appliance.h"
#include "ceremony/bundle/signer-internal.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CERT_DAYS 3653
#define KEY_FILE_MAX (64 * 1024)
enum { NOTE_KEY, CMS_KEY, CMS_CERT, N_FILES };
static const char *const file_names[N_FILES] = { "note-key.pem", "cms-key.pem", "cms-cert.pem" };

char *
appliance_default_dir (void)
{
    const char *home = g_getenv ("CEREMONY_HOME");
    if (home != NULL && home[0] != '\0')
        return g_build_filename (home, "appliance", NULL);
    return g_build_filename (g_get_user_data_dir (), "ceremony", "appliance", NULL);
}

typedef int (*PemWrite) (BIO *bio, gconstpointer object);

static int
write_private (BIO *bio, gconstpointer key)
{
    return PEM_write_bio_PKCS8PrivateKey (bio, key, NULL, NULL, 0, NULL, NULL);
}

static int
write_public (BIO *bio, gconstpointer key)
{
    return PEM_write_bio_PUBKEY (bio, key);
}

static int
write_cert (BIO *bio, gconstpointer cert)
{
    return PEM_write_bio_X509 (bio, cert);
}

static gboolean
write_pem (const char *path, PemWrite write, gconstpointer object, int mode, GError **error)
{
    BIO *bio = BIO_new (BIO_s_secmem ());
    char *data = NULL;
    long len = bio != NULL && write (bio, object) == 1 ? BIO_get_mem_data (bio, &data) : 0;
    gboolean ok = len > 0 ? file_write (path, data, (gsize) len, mode, FALSE, error) : crypto_fail (error, "writing PEM");
    BIO_free (bio);
    return ok;
}

static gboolean
write_keys (char *const paths[N_FILES], EVP_PKEY *note, EVP_PKEY *cms, X509 *cert, GError **error)
{
    guint written = 0;
    gboolean ok = write_pem (paths[NOTE_KEY], write_private, note, 0600, error) && ++written && write_pem (paths[CMS_KEY], write_private, cms, 0600, error)
                  && ++written && write_pem (paths[CMS_CERT], write_cert, cert, 0600, error);
    for (guint i = 0; !ok && i < written; i++)
        g_unlink (paths[i]);                /* half an appliance would only be in the way of the next try */
    return ok;
}

static void
make_paths (const char *dir, char *paths[N_FILES])
{
    for (guint i = 0; i < N_FILES; i++)
        paths[i] = g_build_filename (dir, file_names[i], NULL);
}

static void
free_paths (char *paths[N_FILES])
{
    for (guint i = 0; i < N_FILES; i++)
        g_free (paths[i]);
}

static gboolean
check_none (char *const paths[N_FILES], GError **error)
{
    for (guint i = 0; i < N_FILES; i++)
        if (g_file_test (paths[i], G_FILE_TEST_EXISTS)) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_EXISTS,
                         "appliance: %s is there already; keys are never overwritten. ceremony appliance show prints them; move them away to make new ones", paths[i]);
            return FALSE;
        }
    return TRUE;
}

gboolean
appliance_init (const char *dir, const char *name, GError **error)
{
    char *paths[N_FILES];
    if (name[0] == '\0' || strlen (name) > 64 || !g_utf8_validate (name, -1, NULL)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "appliance: its name must have 1 to 64 bytes of UTF-8");
        return FALSE;
    }
    make_paths (dir, paths);
    EVP_PKEY *cms = NULL, *note = NULL;
    X509 *cert = NULL;
    gboolean ok = check_none (paths, error) && file_mkdir (dir, error) && signer_generate (name, CERT_DAYS, &cms, &cert, error);
    if (ok)
        note = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    if (ok)
        ok = note != NULL ? write_keys (paths, note, cms, cert, error) : crypto_fail (error, "making an Ed25519 key");
    EVP_PKEY_free (note);
    EVP_PKEY_free (cms);
    X509_free (cert);
    free_paths (paths);
    return ok;
}

static BIO *
open_private (const char *path, gboolean secret, GError **error)
{
    struct stat st;
    if (stat (path, &st) < 0) {
        int err = errno;
        if (err == ENOENT)
            g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "appliance: there is no %s; make the keys with: ceremony appliance init", path);
        else
            io_fail (error, err, "appliance: %s", path);
        return NULL;
    }
    if (secret && (st.st_mode & 077) != 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "appliance: others may read %s (mode %03o): chmod 600 it, and think whether somebody did", path,
                     st.st_mode & 0777);
        return NULL;
    }
    if (!S_ISREG (st.st_mode) || st.st_size > KEY_FILE_MAX) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "appliance: %s isn't a key file", path);
        return NULL;
    }
    BIO *bio = BIO_new_file (path, "r");
    if (bio == NULL)
        crypto_fail (error, path);
    return bio;
}

static int
no_passphrase (char *out, int size, int writing, void *user_data)
{
    return -1;                              /* OpenSSL would ask on the terminal */
}

static EVP_PKEY *
read_key (const char *path, const char *type, GError **error)
{
    BIO *bio = open_private (path, TRUE, error);
    if (bio == NULL)
        return NULL;
    EVP_PKEY *key = PEM_read_bio_PrivateKey (bio, NULL, no_passphrase, NULL);
    BIO_free (bio);
    if (key == NULL || !EVP_PKEY_is_a (key, type)) {
        g_clear_pointer (&key, EVP_PKEY_free);
        ERR_clear_error ();
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "appliance: %s holds no %s private key", path, type);
    }
    return key;
}

static X509 *
read_cert (const char *path, GError **error)
{
    BIO *bio = open_private (path, FALSE, error);
    if (bio == NULL)
        return NULL;
    X509 *cert = PEM_read_bio_X509 (bio, NULL, NULL, NULL);
    BIO_free (bio);
    if (cert == NULL) {
        ERR_clear_error ();
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "appliance: %s holds no certificate", path);
    }
    return cert;
}

static Appliance *
load (char *const paths[N_FILES], GError **error)
{
    g_autoptr (Appliance) self = g_new0 (Appliance, 1);
    gsize len = sizeof self->note_public;
    self->note_private = read_key (paths[NOTE_KEY], "ED25519", error);
    if (self->note_private == NULL)
        return NULL;
    if (EVP_PKEY_get_raw_public_key (self->note_private, self->note_public, &len) != 1 || len != sizeof self->note_public) {
        crypto_fail (error, "appliance: reading its note key");
        return NULL;
    }
    EVP_PKEY *key = read_key (paths[CMS_KEY], "EC", error);
    X509 *cert = key != NULL ? read_cert (paths[CMS_CERT], error) : NULL;
    if (cert == NULL) {
        EVP_PKEY_free (key);
        return NULL;
    }
    self->signer = signer_new (key, cert, NULL, SIGNER_KEY_FILE, error);
    return self->signer != NULL ? g_steal_pointer (&self) : NULL;
}

Appliance *
appliance_load (const char *dir, GError **error)
{
    char *paths[N_FILES];
    make_paths (dir, paths);
    Appliance *self = load (paths, error);
    free_paths (paths);
    return self;
}

void
appliance_free (Appliance *self)
{
    if (self == NULL)
        return;
    EVP_PKEY_free (self->note_private);
    signer_free (self->signer);
    g_free (self);
}

NoteKey *
appliance_note_key (const Appliance *self, const char *origin, GError **error)
{
    return note_key_new (origin, NOTE_TYPE_ED25519, self->note_public, error);
}

static char *
cert_sha256 (X509 *cert)
{
    guint8 *der = NULL;
    int len = i2d_X509 (cert, &der);
    char *hex = sha256_hex (der, len > 0 ? (gsize) len : 0);
    OPENSSL_free (der);
    return hex;
}

json_t *
appliance_describe (const Appliance *self)
{
    X509 *cert = self->signer->cert;
    guint8 digest[SHA256_LEN];
    struct tm end = { 0 };
    sha256 (self->note_public, sizeof self->note_public, digest);
    ASN1_TIME_to_tm (X509_get0_notAfter (cert), &end);
    g_autofree char *note = base64_encode (self->note_public, sizeof self->note_public), *words = pgp_words (digest, 16);
    g_autofree char *fingerprint = cert_sha256 (cert), *spki = signer_spki_sha256 (cert), *subject = signer_subject (cert);
    g_autofree char *not_after = clock_format ((gint64) timegm (&end) * 1000);
    return json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s}", "note_key", note, "note_key_words", words, "certificate_sha256", fingerprint, "spki_sha256", spki,
                      "subject", subject, "not_after", not_after);
}

/* Enrolling the same appliance twice is fine; another one under the same name isn't. */
static gboolean
enrol_file (const char *path, PemWrite write, gconstpointer object, GError **error)
{
    g_autoptr (GError) local = NULL;
    if (write_pem (path, write, object, 0644, &local))
        return TRUE;
    g_autoptr (GBytes) old = g_error_matches (local, BASE_ERROR, BASE_ERROR_EXISTS) ? file_read (path, KEY_FILE_MAX, NULL) : NULL;
    BIO *bio = BIO_new (BIO_s_mem ());
    char *data = NULL;
    long len = write (bio, object) == 1 ? BIO_get_mem_data (bio, &data) : 0;
    gboolean same = old != NULL && g_bytes_get_size (old) == (gsize) len && memcmp (g_bytes_get_data (old, NULL), data, (gsize) len) == 0;
    BIO_free (bio);
    if (!same)
        g_propagate_prefixed_error (error, g_steal_pointer (&local), "enrolling the appliance: ");
    return same;
}

gboolean
appliance_enrol (const Appliance *self, const char *trust_dir, GError **error)
{
    g_autofree char *dir = g_build_filename (trust_dir, "appliance", NULL);
    g_autofree char *note = g_build_filename (dir, "note.pem", NULL), *cert = g_build_filename (dir, "cert.pem", NULL);
    return file_mkdir (dir, error) && enrol_file (note, write_public, self->note_private, error) && enrol_file (cert, write_cert, self->signer->cert, error);
}
