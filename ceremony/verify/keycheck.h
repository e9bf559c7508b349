/* Key quality: may a code-signing certificate be issued for this key (CSBR 6.1.1.3, 6.1.5.2, 6.1.6)? One request, certificate or
 * public key, PEM or DER, is taken apart by hand, so that a key that OpenSSL won't load is refused with its reason. */
#pragma once
#include <glib.h>
#include <jansson.h>

#define KEYCHECK_MAX_LEN (256 * 1024)
#define KEYCHECK_DEBIAN_LISTS "/usr/share/openssl-blacklist"       /* where Debian's package of lists puts them, should it be installed */

/* Keys known to be weak or compromised. */
typedef struct KeyCheckLists KeyCheckLists;
KeyCheckLists *keycheck_lists_new (void);
/* Adds a file, or every file of a folder. Lines of 20 hex digits are Debian's openssl-blacklist (the last 80 bits of the SHA-1 of
 * "Modulus=HEX\n"); lines of 64 are SHA-256 of a compromised key's SPKI; '#' begins a comment. Errors: BASE_ERROR_FORMAT names file and
 * line, BASE_ERROR_IO, BASE_ERROR_MISSING, BASE_ERROR_LIMIT. */
gboolean       keycheck_lists_add (KeyCheckLists *self, const char *path, GError **error);
void           keycheck_lists_free (KeyCheckLists *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (KeyCheckLists, keycheck_lists_free)

typedef struct {
    const char *id, *clause;                    /* stable id; CSBR's clause */
    char       *reason;
    gboolean    warning;                        /* shown, refuses nothing */
} KeyFinding;

typedef struct {
    gboolean    accept;
    GPtrArray  *findings;                       /* KeyFinding */
    const char *input;                          /* "request", "certificate", "public-key", "private-key" */
    char       *algorithm;                      /* "rsa", "ec", else the OID's name; NULL for a private key */
    char       *curve;                          /* of an EC key, where it is a named one */
    char       *exponent;                       /* of an RSA key, decimal where small, else hex */
    char       *signature;                      /* of a request: its signature algorithm */
    guint       bits;
    GBytes     *spki;                           /* DER; NULL for a private key */
} KeyCheck;

/* Judges @len hostile bytes. @lists may be NULL. Errors: BASE_ERROR_FORMAT, BASE_ERROR_LIMIT where they are none of the kinds above. A
 * private key is no error but a refusal ("private-key-given"); it isn't read further. */
KeyCheck *keycheck (const void *data, gsize len, const KeyCheckLists *lists, GError **error);
KeyCheck *keycheck_spki (GBytes *spki, const KeyCheckLists *lists, GError **error);
void      keycheck_free (KeyCheck *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (KeyCheck, keycheck_free)
json_t   *keycheck_json (const KeyCheck *self); /* the object of design section 7; new reference */
