/* Encodings: hex (lower case), base64 (RFC 4648, padded), base64url (unpadded), SHA-256, random bytes, the PGP word list.
 * Decoders are strict: they accept just what the encoder writes. */
#pragma once
#include <glib.h>

#define SHA256_LEN 32

char   *hex_encode (const void *data, gsize len);
GBytes *hex_decode (const char *text, GError **error);          /* accepts lower case only */
char   *base64_encode (const void *data, gsize len);
GBytes *base64_decode (const char *text, gssize len, GError **error); /* len -1: NUL-terminated; one encoding a value */
char   *base64url_encode (const void *data, gsize len);
GBytes *base64url_decode (const char *text, GError **error);

void  sha256 (const void *data, gsize len, guint8 out[SHA256_LEN]);
char *sha256_hex (const void *data, gsize len);                 /* 64 hex digits; g_free */
/* SHA-256 of @length bytes from @offset of @fd (length -1: to the end), read in pieces; @total gets the bytes read. */
gboolean sha256_fd (int fd, gint64 offset, gint64 length, guint8 out[SHA256_LEN], gint64 *total, GError **error);
gboolean sha256_file (const char *path, guint8 out[SHA256_LEN], gint64 *total, GError **error);

typedef struct Sha256 Sha256;                                   /* incremental */
Sha256 *sha256_new (void);
void    sha256_update (Sha256 *self, const void *data, gsize len);
void    sha256_peek (const Sha256 *self, guint8 out[SHA256_LEN]); /* digest so far; the state goes on */
void    sha256_reset (Sha256 *self);
void    sha256_free (Sha256 *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sha256, sha256_free)

void random_bytes (void *out, gsize len);                       /* from OpenSSL's CSPRNG; aborts the process if that fails */

/* @len bytes as PGP words separated by one space: even offsets from the two-syllable list, odd ones from the three-syllable
 * list, so that a dropped or swapped word shows. g_free. */
char *pgp_words (const void *data, gsize len);
/* Reads words back, any case, separated by white space, hyphens or commas. Errors (BASE_ERROR_FORMAT) name the word and its
 * place: not a word of the list, or one of the other parity (dropped or swapped). */
GBytes *pgp_words_decode (const char *text, GError **error);
