/* Who signs a manifest: a private key with its certificate, from files or a token. */
#pragma once
#include <glib.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "ceremony/base/secret.h"

typedef enum { SIGNER_KEY_FILE, SIGNER_TOKEN } SignerPlace;
typedef struct {
    EVP_PKEY       *key;
    X509           *cert;
    STACK_OF(X509) *chain;      /* further certificates, may be empty */
    SignerPlace     place;
    gpointer        owner;      /* what must outlive key (libp11's context); freed by signer_free */
    GDestroyNotify  owner_free;
} Signer;

/* @path: PEM (private key and certificates in one file, key perhaps encrypted) or PKCS#12. @passphrase may be NULL or empty. A wrong passphrase
 * and a key that doesn't fit the certificate are told apart (BASE_ERROR_REFUSED, BASE_ERROR_FORMAT). */
Signer *signer_load_file (const char *path, const Secret *passphrase, GError **error);
/* @uri: RFC 7512, naming token and object (or a token with one key that has a certificate). @module: a PKCS#11 module or NULL for p11-kit's. */
Signer *signer_load_token (const char *uri, const char *module, const Secret *pin, GError **error);
void    signer_free (Signer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Signer, signer_free)

/* A fresh P-256 key with a self-signed certificate of @common_name, valid @days: appliance, rehearsal roles. */
gboolean signer_generate (const char *common_name, int days, EVP_PKEY **key, X509 **cert, GError **error);
char *signer_spki_sha256 (X509 *cert);      /* hex; g_free */
char *signer_subject (X509 *cert);          /* RFC 4514; g_free */
