/* Hex, base64, SHA-256 and random bytes. The decoders compare with what the encoder writes, so that a value has one spelling. */
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#define PIECE (256 * 1024)

char *
hex_encode (const void *data, gsize len)
{
    static const char digits[] = "0123456789abcdef";
    const guint8 *bytes = data;
    char *out = g_malloc (len * 2 + 1);
    for (gsize i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
    return out;
}

static GBytes *
decode_fail (GError **error, const char *what)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s", what);
    return NULL;
}

GBytes *
hex_decode (const char *text, GError **error)
{
    gsize len = strlen (text);
    if (len % 2 != 0 || strspn (text, "0123456789abcdef") != len)
        return decode_fail (error, "hex: must be pairs of 0-9 and a-f");
    guint8 *out = g_malloc (len / 2 + 1);
    for (gsize i = 0; i < len / 2; i++)
        out[i] = (guint8) (g_ascii_xdigit_value (text[2 * i]) << 4 | g_ascii_xdigit_value (text[2 * i + 1]));
    return g_bytes_new_take (out, len / 2);
}

char *
base64_encode (const void *data, gsize len)
{
    return len == 0 ? g_strdup ("") : g_base64_encode (data, len);
}

GBytes *
base64_decode (const char *text, gssize len, GError **error)
{
    gsize n = len < 0 ? strlen (text) : (gsize) len;
    g_autofree char *copy = g_strndup (text, n);
    gsize out_len = 0;
    g_autofree guint8 *out = g_base64_decode (copy, &out_len);
    g_autofree char *again = base64_encode (out, out_len);
    if (strlen (again) != n || memcmp (again, text, n) != 0)
        return decode_fail (error, "base64: not as RFC 4648 writes it, padded and without a line break");
    return g_bytes_new_take (g_steal_pointer (&out), out_len);
}

char *
base64url_encode (const void *data, gsize len)
{
    char *text = base64_encode (data, len);
    g_strdelimit (text, "+", '-');
    g_strdelimit (text, "/", '_');
    text[strcspn (text, "=")] = '\0';
    return text;
}

GBytes *
base64url_decode (const char *text, GError **error)
{
    gsize len = strlen (text);
    if (strpbrk (text, "+/=") != NULL || len % 4 == 1)
        return decode_fail (error, "base64url: not as RFC 4648 section 5 writes it, unpadded");
    g_autofree char *padded = g_strconcat (text, len % 4 == 2 ? "==" : len % 4 == 3 ? "=" : "", NULL);
    g_strdelimit (padded, "-", '+');
    g_strdelimit (padded, "_", '/');
    GBytes *out = base64_decode (padded, -1, NULL);
    return out != NULL ? out : decode_fail (error, "base64url: not as RFC 4648 section 5 writes it, unpadded");
}

/* Fetched once: with EVP_sha256 () OpenSSL 3 looks the algorithm up anew for each digest, which costs more than the hashing. */
static const EVP_MD *
algorithm (void)
{
    static gsize once = 0;
    static EVP_MD *md = NULL;
    if (g_once_init_enter (&once)) {
        md = EVP_MD_fetch (NULL, "SHA256", NULL);
        if (md == NULL)
            g_error ("SHA-256: OpenSSL has none");
        g_once_init_leave (&once, 1);
    }
    return md;
}

void
sha256 (const void *data, gsize len, guint8 out[SHA256_LEN])
{
    if (EVP_Digest (len == 0 ? "" : data, len, out, NULL, algorithm (), NULL) != 1)
        g_error ("SHA-256: OpenSSL failed");
}

char *
sha256_hex (const void *data, gsize len)
{
    guint8 digest[SHA256_LEN];
    sha256 (data, len, digest);
    return hex_encode (digest, sizeof digest);
}

struct Sha256 {
    EVP_MD_CTX *ctx;
};

Sha256 *
sha256_new (void)
{
    Sha256 *self = g_new0 (Sha256, 1);
    self->ctx = EVP_MD_CTX_new ();
    sha256_reset (self);
    return self;
}

void
sha256_reset (Sha256 *self)
{
    if (self->ctx == NULL || EVP_DigestInit_ex (self->ctx, algorithm (), NULL) != 1)
        g_error ("SHA-256: OpenSSL failed");
}

void
sha256_update (Sha256 *self, const void *data, gsize len)
{
    if (len > 0 && EVP_DigestUpdate (self->ctx, data, len) != 1)
        g_error ("SHA-256: OpenSSL failed");
}

void
sha256_peek (const Sha256 *self, guint8 out[SHA256_LEN])
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new ();
    if (copy == NULL || EVP_MD_CTX_copy_ex (copy, self->ctx) != 1 || EVP_DigestFinal_ex (copy, out, NULL) != 1)
        g_error ("SHA-256: OpenSSL failed");
    EVP_MD_CTX_free (copy);
}

void
sha256_free (Sha256 *self)
{
    if (self == NULL)
        return;
    EVP_MD_CTX_free (self->ctx);
    g_free (self);
}

gboolean
sha256_fd (int fd, gint64 offset, gint64 length, guint8 out[SHA256_LEN], gint64 *total, GError **error)
{
    g_autoptr (Sha256) hash = sha256_new ();
    g_autofree guint8 *piece = g_malloc (PIECE);
    gint64 done = 0;
    while (length < 0 || done < length) {
        gsize want = length < 0 ? PIECE : (gsize) MIN ((gint64) PIECE, length - done);
        ssize_t n = pread (fd, piece, want, offset + done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_fail (error, errno, "reading for SHA-256");
        if (n == 0)
            break;
        sha256_update (hash, piece, (gsize) n);
        done += n;
    }
    if (length >= 0 && done < length && total == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "reading for SHA-256: the file ends %" G_GINT64_FORMAT " bytes too early", length - done);
        return FALSE;
    }
    sha256_peek (hash, out);
    if (total != NULL)
        *total = done;
    return TRUE;
}

gboolean
sha256_file (const char *path, guint8 out[SHA256_LEN], gint64 *total, GError **error)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "%s: no such file", path);
        return FALSE;
    }
    if (fd < 0)
        return io_fail (error, errno, "%s", path);
    gboolean ok = sha256_fd (fd, 0, -1, out, total, error);
    close (fd);
    if (!ok)
        g_prefix_error (error, "%s: ", path);
    return ok;
}

void
random_bytes (void *out, gsize len)
{
    if (len > 0 && RAND_bytes (out, (int) len) != 1)
        g_error ("random bytes: OpenSSL's generator failed");
}
