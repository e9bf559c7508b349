/* Public keys from their numbers; each NULL where they make no key. EVP_PKEY_free. */
#pragma once
#include <glib.h>
#include <openssl/evp.h>

EVP_PKEY *key_from_rsa (const guint8 *n, gsize n_len, const guint8 *e, gsize e_len);    /* big-endian */
EVP_PKEY *key_from_point (const char *group, const guint8 *point, gsize len);           /* @group as OpenSSL names it; an encoded point */
GBytes   *key_spki (EVP_PKEY *key);                                                     /* DER; NULL for NULL. g_bytes_unref */
