/* Lists of weak and compromised keys; see keycheck.h. */
#include "ceremony/verify/keycheck-internal.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include <openssl/evp.h>
#include <string.h>

#define LIST_MAX_LEN (64 * 1024 * 1024)

struct KeyCheckLists {
    GHashTable *entries;                        /* lower-case hex: 20 digits or 64 */
};

KeyCheckLists *
keycheck_lists_new (void)
{
    KeyCheckLists *self = g_new0 (KeyCheckLists, 1);
    self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    return self;
}

void
keycheck_lists_free (KeyCheckLists *self)
{
    if (!self)
        return;
    g_hash_table_unref (self->entries);
    g_free (self);
}

static gboolean
add_line (KeyCheckLists *self, const char *line, gsize len, GError **error)
{
    while (len && g_ascii_isspace (line[len - 1]))
        len--;
    while (len && g_ascii_isspace (*line))
        line++, len--;
    if (len == 0 || *line == '#')
        return TRUE;
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_isxdigit (line[i]))
            len = 0;
    if (len != 20 && len != 64) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "neither 20 hex digits (Debian) nor 64 (SHA-256 of a key)");
        return FALSE;
    }
    g_hash_table_add (self->entries, g_ascii_strdown (line, (gssize) len));
    return TRUE;
}

static gboolean
add_file (KeyCheckLists *self, const char *path, GError **error)
{
    g_autoptr (GBytes) bytes = file_read (path, LIST_MAX_LEN, error);
    if (!bytes)
        return FALSE;
    gsize n;
    const char *p = g_bytes_get_data (bytes, &n), *end = p + n;
    for (guint line = 1; p < end; line++) {
        const char *eol = memchr (p, '\n', (gsize) (end - p));
        gsize len = (gsize) ((eol ? eol : end) - p);
        if (!add_line (self, p, len, error)) {
            g_prefix_error (error, "%s:%u: ", path, line);
            return FALSE;
        }
        p += len + 1;
    }
    return TRUE;
}

gboolean
keycheck_lists_add (KeyCheckLists *self, const char *path, GError **error)
{
    if (!g_file_test (path, G_FILE_TEST_IS_DIR))
        return add_file (self, path, error);
    g_autoptr (GDir) dir = g_dir_open (path, 0, error);
    const char *name;
    while (dir && (name = g_dir_read_name (dir))) {
        g_autofree char *file = g_build_filename (path, name, NULL);
        if (g_file_test (file, G_FILE_TEST_IS_REGULAR) && !add_file (self, file, error))
            return FALSE;
    }
    return dir != NULL;
}

gboolean
keycheck_lists_debian (const KeyCheckLists *self, const char *modulus_hex)
{
    g_autofree char *line = g_strdup_printf ("Modulus=%s\n", modulus_hex);
    guint8 digest[20];
    if (!self || EVP_Q_digest (NULL, "SHA1", NULL, line, strlen (line), digest, NULL) != 1)
        return FALSE;
    g_autofree char *last = hex_encode (digest + 10, 10);
    return g_hash_table_contains (self->entries, last);
}

gboolean
keycheck_lists_compromised (const KeyCheckLists *self, const char *spki_sha256)
{
    return self && g_hash_table_contains (self->entries, spki_sha256);
}
