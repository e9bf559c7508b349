/* tpm2-pkcs11 1.9 keeps in tpm2_pkcs11.sqlite3 per token a sealed object, whose authorisation follows from the PIN and which holds an AES key; that key wraps the
 * authorisation of each of the token's keys. The store is the operator's: nothing in it is believed, it is only needed to ask the TPM. */
#include "ceremony/token/tpm-store.h"
#include <sqlite3.h>
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"

#define FILE_NAME "tpm2_pkcs11.sqlite3"
#define AES_KEY_LEN 32
#define IV_MAX 64
#define TAG_LEN 16

void
tpm_store_free (TpmStore *self)
{
    if (!self)
        return;
    secret_free (self->parent_auth);
    g_clear_pointer (&self->seal_public, g_bytes_unref);
    g_clear_pointer (&self->seal_private, g_bytes_unref);
    g_free (self->salt);
    g_free (self);
}

/* Where the module itself looks: its environment variable, the system's folder, the user's. */
static char *
store_path (void)
{
    const char *set = g_getenv ("TPM2_PKCS11_STORE");
    g_autofree char *user = g_build_filename (g_get_home_dir (), ".tpm2_pkcs11", NULL);
    const char *const folders[] = { set && *set ? set : "/etc/tpm2_pkcs11", user, "." };

    for (gsize i = 0; i < G_N_ELEMENTS (folders); i++) {
        g_autofree char *path = g_build_filename (folders[i], FILE_NAME, NULL);
        if (g_file_test (path, G_FILE_TEST_IS_REGULAR) || (i == 0 && set && *set))
            return g_steal_pointer (&path);
    }
    return NULL;
}

static GBytes *
blob (sqlite3_stmt *row, int column)
{
    const void *data = sqlite3_column_blob (row, column);
    return g_bytes_new (data ? data : "", data ? (gsize) sqlite3_column_bytes (row, column) : 0);
}

/* The parent's persistent handle: the first four bytes of the serialised object in its YAML, "esys-tr": "81000001…". */
static gboolean
read_parent (const char *config, guint32 *handle)
{
    static const char key[] = "esys-tr";
    const char *at = config ? strstr (config, key) : NULL, *digits = at ? strstr (at + sizeof key, "81") : NULL;
    if (!digits || strlen (digits) < 8)
        return FALSE;
    g_autofree char *text = g_strndup (digits, 8);
    char *end;
    *handle = (guint32) g_ascii_strtoull (text, &end, 16);
    return *end == '\0';
}

static TpmStore *
read_row (sqlite3_stmt *row, GError **error)
{
    g_autoptr(TpmStore) self = g_new0 (TpmStore, 1);
    const char *auth = (const char *) sqlite3_column_text (row, 1), *salt = (const char *) sqlite3_column_text (row, 4);
    self->parent_auth = secret_new ();
    self->seal_public = blob (row, 2);
    self->seal_private = blob (row, 3);
    self->salt = g_strdup (salt ? salt : "");
    if (!read_parent ((const char *) sqlite3_column_text (row, 0), &self->parent)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "the parent of this token's keys isn't a persistent key of the TPM: a key under another kind of parent can't be "
                     "certified here; certify it with the TPM's tools, and give the files");
        return NULL;
    }
    if (auth && strlen (auth) <= 64)
        secret_set (self->parent_auth, auth, strlen (auth));
    if (g_bytes_get_size (self->seal_public) == 0 || g_bytes_get_size (self->seal_private) == 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "the module's store has no user PIN for this token");
        return NULL;
    }
    return g_steal_pointer (&self);
}

static TpmStore *
query (sqlite3 *db, const char *label, GError **error)
{
    static const char sql[] = "SELECT p.config, p.objauth, s.userpub, s.userpriv, s.userauthsalt FROM tokens t JOIN pobjects p ON p.id = t.pid "
                              "JOIN sealobjects s ON s.tokid = t.id WHERE t.label = ?1";
    sqlite3_stmt *row = NULL;
    TpmStore *self = NULL;
    if (sqlite3_prepare_v2 (db, sql, -1, &row, NULL) == SQLITE_OK && sqlite3_bind_text (row, 1, label, -1, SQLITE_TRANSIENT) == SQLITE_OK &&
        sqlite3_step (row) == SQLITE_ROW)
        self = read_row (row, error);
    else
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "the token \"%s\" isn't in it: %s", label, sqlite3_errmsg (db));
    sqlite3_finalize (row);
    return self;
}

TpmStore *
tpm_store_read (const char *label, GError **error)
{
    g_autofree char *path = store_path ();
    sqlite3 *db = NULL;
    TpmStore *self = NULL;
    if (!path) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "the store of tpm2-pkcs11 isn't found; set TPM2_PKCS11_STORE as the module has it");
        return NULL;
    }
    if (sqlite3_open_v2 (path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout (db, 3000);
        self = query (db, label, error);
    } else {
        g_set_error (error, BASE_ERROR, BASE_ERROR_IO, "%s", sqlite3_errmsg (db));
    }
    sqlite3_close (db);
    if (!self)
        g_prefix_error (error, "%s: ", path);
    return self;
}

Secret *
tpm_store_seal_auth (const TpmStore *self, const Secret *pin)
{
    static const char digits[] = "0123456789abcdef";
    guint8 digest[SHA256_LEN];
    char hex[32];
    Secret *auth = secret_new ();
    Sha256 *hash = sha256_new ();
    sha256_update (hash, secret_data (pin), secret_len (pin));
    sha256_update (hash, self->salt, strlen (self->salt));
    sha256_peek (hash, digest);
    sha256_free (hash);
    for (gsize i = 0; i < sizeof hex; i++)
        hex[i] = digits[i % 2 ? digest[i / 2] & 15 : digest[i / 2] >> 4];
    secret_set (auth, hex, sizeof hex);
    OPENSSL_cleanse (hex, sizeof hex);
    OPENSSL_cleanse (digest, sizeof digest);
    return auth;
}

static gboolean
key_bytes (const Secret *hex, guint8 out[AES_KEY_LEN])
{
    const char *text = secret_data (hex);
    if (secret_len (hex) != 2 * AES_KEY_LEN)
        return FALSE;
    for (gsize i = 0; i < AES_KEY_LEN; i++) {
        int high = g_ascii_xdigit_value (text[2 * i]), low = g_ascii_xdigit_value (text[2 * i + 1]);
        if (high < 0 || low < 0)
            return FALSE;
        out[i] = (guint8) (high << 4 | low);
    }
    return TRUE;
}

static gboolean
decrypt (const guint8 *key, GBytes *iv, GBytes *tag, GBytes *ct, guint8 *out, int *len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new ();
    int tail = 0;
    gboolean ok = EVP_DecryptInit_ex (ctx, EVP_aes_256_gcm (), NULL, NULL, NULL) == 1 &&
                  EVP_CIPHER_CTX_ctrl (ctx, EVP_CTRL_GCM_SET_IVLEN, (int) g_bytes_get_size (iv), NULL) == 1 &&
                  EVP_DecryptInit_ex (ctx, NULL, NULL, key, g_bytes_get_data (iv, NULL)) == 1 &&
                  EVP_DecryptUpdate (ctx, out, len, g_bytes_get_data (ct, NULL), (int) g_bytes_get_size (ct)) == 1 &&
                  EVP_CIPHER_CTX_ctrl (ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, (void *) g_bytes_get_data (tag, NULL)) == 1 &&
                  EVP_DecryptFinal_ex (ctx, out + *len, &tail) == 1;
    *len += tail;
    EVP_CIPHER_CTX_free (ctx);
    return ok;
}

Secret *
tpm_store_unwrap (GBytes *wrapped, const Secret *key, GError **error)
{
    g_autofree char *text = g_strndup (g_bytes_get_data (wrapped, NULL), g_bytes_get_size (wrapped));
    g_auto(GStrv) parts = g_strsplit (text, ":", -1);
    guint8 aes[AES_KEY_LEN], plain[SECRET_MAX];
    int len = 0;
    Secret *auth = NULL;
    gboolean three = g_strv_length (parts) == 3;
    g_autoptr(GBytes) iv = three ? hex_decode (parts[0], NULL) : NULL, tag = iv ? hex_decode (parts[1], NULL) : NULL, ct = tag ? hex_decode (parts[2], NULL) : NULL;
    if (ct && g_bytes_get_size (iv) > 0 && g_bytes_get_size (iv) <= IV_MAX && g_bytes_get_size (tag) == TAG_LEN && g_bytes_get_size (ct) <= sizeof plain - 32 &&
        key_bytes (key, aes) && decrypt (aes, iv, tag, ct, plain, &len)) {
        auth = secret_new ();
        secret_set (auth, plain, (gsize) len);
    } else {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "the key's wrapped authorisation in the module's store can't be unwrapped: the store was altered, or is of another version");
    }
    OPENSSL_cleanse (aes, sizeof aes);
    OPENSSL_cleanse (plain, sizeof plain);
    return auth;
}
