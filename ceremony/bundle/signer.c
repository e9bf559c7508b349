/* Who signs: keys with certificates from files (PEM, PKCS#12), fresh ones, and what the rooms above ask of a certificate. */
#include "ceremony/bundle/signer-internal.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#define KEY_FILE_MAX (1024 * 1024)
#define CHAIN_MAX 10

void
signer_free (Signer *self)
{
    if (self == NULL)
        return;
    EVP_PKEY_free (self->key);
    X509_free (self->cert);
    sk_X509_pop_free (self->chain, X509_free);
    if (self->owner_free != NULL)
        self->owner_free (self->owner);
    g_free (self);
}

/* Moves the issuers of @cert out of @further, nearest first: a signature carries nobody else's certificates. */
static STACK_OF(X509) *
chain_of (X509 *cert, STACK_OF(X509) *further)
{
    STACK_OF(X509) *chain = sk_X509_new_null ();
    X509 *top = cert;
    while (sk_X509_num (chain) < CHAIN_MAX && X509_check_issued (top, top) != X509_V_OK) {
        X509 *issuer = NULL;
        for (int i = 0; i < sk_X509_num (further) && issuer == NULL; i++) {
            X509 *candidate = sk_X509_value (further, i);
            if (X509_check_issued (candidate, top) == X509_V_OK && X509_verify (top, X509_get0_pubkey (candidate)) == 1)
                issuer = candidate;
        }
        if (issuer == NULL || !X509_up_ref (issuer))
            break;
        sk_X509_push (chain, issuer);
        top = issuer;
    }
    ERR_clear_error ();
    return chain;
}

static gboolean
usable (const EVP_PKEY *key, GError **error)
{
    int bits = EVP_PKEY_get_bits (key);
    if ((EVP_PKEY_is_a (key, "EC") && (bits == 256 || bits == 384 || bits == 521)) || (EVP_PKEY_is_a (key, "RSA") && bits >= 2048 && bits <= 8192))
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "signer: this kind of key can't sign here: use RSA of 2048 to 8192 bits, or EC P-256, P-384 or P-521");
    return FALSE;
}

Signer *
signer_new (EVP_PKEY *key, X509 *cert, STACK_OF(X509) *further, SignerPlace place, GError **error)
{
    g_autoptr (Signer) self = g_new0 (Signer, 1);
    self->key = key;
    self->cert = cert;
    self->place = place;
    if (!usable (key, error))
        return NULL;
    if (EVP_PKEY_eq (X509_get0_pubkey (cert), key) != 1) {
        ERR_clear_error ();
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "signer: the private key and the certificate don't belong together");
        return NULL;
    }
    self->chain = chain_of (cert, further);
    return g_steal_pointer (&self);
}

static int
give_passphrase (char *out, int size, int writing, void *user_data)
{
    const Secret *passphrase = user_data;
    if (passphrase == NULL || secret_len (passphrase) == 0 || secret_len (passphrase) > (gsize) size)
        return -1;
    memcpy (out, secret_data (passphrase), secret_len (passphrase));
    return (int) secret_len (passphrase);
}

static EVP_PKEY *
read_pem_key (const void *data, gsize len, const Secret *passphrase, GError **error)
{
    g_autofree char *text = g_strndup (data, len);
    gboolean encrypted = strstr (text, "ENCRYPTED") != NULL;
    OPENSSL_cleanse (text, strlen (text));
    gboolean given = passphrase != NULL && secret_len (passphrase) > 0;
    BIO *bio = BIO_new_mem_buf (data, (int) len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey (bio, NULL, give_passphrase, (void *) passphrase);
    BIO_free (bio);
    if (key == NULL) {
        ERR_clear_error ();
        g_set_error (error, BASE_ERROR, encrypted ? BASE_ERROR_REFUSED : BASE_ERROR_FORMAT, "%s",
                     !encrypted ? "no private key in PEM form in it" : given ? "the passphrase is wrong; try again" : "its key is encrypted: a passphrase is needed");
    }
    return key;
}

static STACK_OF(X509) *
read_pem_certs (const void *data, gsize len)
{
    STACK_OF(X509) *certs = sk_X509_new_null ();
    BIO *bio = BIO_new_mem_buf (data, (int) len);
    for (X509 *cert; sk_X509_num (certs) < CHAIN_MAX && (cert = PEM_read_bio_X509 (bio, NULL, NULL, NULL)) != NULL;)
        sk_X509_push (certs, cert);
    BIO_free (bio);
    ERR_clear_error ();
    return certs;
}

static Signer *
load_pem (const void *data, gsize len, const Secret *passphrase, GError **error)
{
    EVP_PKEY *key = read_pem_key (data, len, passphrase, error);
    if (key == NULL)
        return NULL;
    STACK_OF(X509) *certs = read_pem_certs (data, len);
    X509 *own = NULL;
    for (int i = 0; i < sk_X509_num (certs) && own == NULL; i++)
        if (EVP_PKEY_eq (X509_get0_pubkey (sk_X509_value (certs, i)), key) == 1)
            own = sk_X509_value (certs, i);
    ERR_clear_error ();
    Signer *self = NULL;
    if (own != NULL && X509_up_ref (own)) {
        self = signer_new (key, own, certs, SIGNER_KEY_FILE, error);
    } else {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s", sk_X509_num (certs) == 0 ? "no certificate in it: put the key's certificate into the same file"
                                                                                      : "no certificate in it belongs to its private key");
        EVP_PKEY_free (key);
    }
    sk_X509_pop_free (certs, X509_free);
    return self;
}

static Signer *
load_pkcs12 (PKCS12 *p12, const Secret *passphrase, GError **error)
{
    const char *text = passphrase != NULL ? secret_data (passphrase) : "";
    gboolean right = PKCS12_verify_mac (p12, text, -1) == 1 || (text[0] == '\0' && PKCS12_verify_mac (p12, NULL, 0) == 1);
    ERR_clear_error ();
    if (!right) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "%s", text[0] != '\0' ? "the passphrase is wrong; try again" : "a passphrase is needed");
        return NULL;
    }
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    STACK_OF(X509) *further = NULL;
    if (PKCS12_parse (p12, text, &key, &cert, &further) != 1) {
        crypto_fail (error, "opening PKCS#12 (an old form of encryption? export it again with openssl pkcs12 -export)");
        return NULL;
    }
    Signer *self = NULL;
    if (key == NULL || cert == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "it holds no private key with its certificate");
        EVP_PKEY_free (key);
        X509_free (cert);
    } else {
        self = signer_new (key, cert, further, SIGNER_KEY_FILE, error);
    }
    sk_X509_pop_free (further, X509_free);
    return self;
}

/* GBytes aren't wiped when freed; what may be a private key is, before. */
static void
wipe (GBytes *bytes)
{
    gsize len;
    const void *data = g_bytes_get_data (bytes, &len);
    if (data != NULL)
        OPENSSL_cleanse ((void *) data, len);
    g_bytes_unref (bytes);
}

Signer *
signer_load_file (const char *path, const Secret *passphrase, GError **error)
{
    GBytes *bytes = file_read (path, KEY_FILE_MAX, error);
    if (bytes == NULL)
        return NULL;
    gsize len;
    const guint8 *data = g_bytes_get_data (bytes, &len);
    const guint8 *p = data;
    PKCS12 *p12 = len > 0 && data[0] == 0x30 ? d2i_PKCS12 (NULL, &p, (long) len) : NULL;
    ERR_clear_error ();
    Signer *self = p12 != NULL ? load_pkcs12 (p12, passphrase, error) : load_pem (data != NULL ? data : (const guint8 *) "", len, passphrase, error);
    PKCS12_free (p12);
    wipe (bytes);
    if (self == NULL)
        g_prefix_error (error, "%s: ", path);
    return self;
}

static gboolean
add_extension (X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb (&ctx);
    X509V3_set_ctx (&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid (NULL, &ctx, nid, value);
    gboolean ok = extension != NULL && X509_add_ext (cert, extension, -1);
    X509_EXTENSION_free (extension);
    return ok;
}

static gboolean
set_serial (X509 *cert)
{
    guint8 bytes[16];
    random_bytes (bytes, sizeof bytes);
    bytes[0] = (bytes[0] & 0x3f) | 0x40;    /* positive, and always 16 bytes */
    BIGNUM *number = BN_bin2bn (bytes, sizeof bytes, NULL);
    gboolean ok = number != NULL && BN_to_ASN1_INTEGER (number, X509_get_serialNumber (cert)) != NULL;
    BN_free (number);
    return ok;
}

static gboolean
fill_certificate (X509 *cert, EVP_PKEY *key, const char *common_name, int days)
{
    X509_NAME *name = X509_get_subject_name (cert);
    return X509_set_version (cert, X509_VERSION_3) && set_serial (cert)
           && X509_NAME_add_entry_by_NID (name, NID_commonName, MBSTRING_UTF8, (const guchar *) common_name, -1, -1, 0)
           && X509_set_issuer_name (cert, name) && X509_gmtime_adj (X509_getm_notBefore (cert), 0) != NULL
           && X509_time_adj_ex (X509_getm_notAfter (cert), days, 0, NULL) != NULL && X509_set_pubkey (cert, key)
           && add_extension (cert, NID_basic_constraints, "critical,CA:FALSE") && add_extension (cert, NID_key_usage, "critical,digitalSignature,nonRepudiation")
           && add_extension (cert, NID_subject_key_identifier, "hash") && X509_sign (cert, key, EVP_sha256 ()) > 0;
}

gboolean
signer_generate (const char *common_name, int days, EVP_PKEY **key, X509 **cert, GError **error)
{
    *key = EVP_PKEY_Q_keygen (NULL, NULL, "EC", "P-256");
    *cert = X509_new ();
    if (*key != NULL && *cert != NULL && fill_certificate (*cert, *key, common_name, days))
        return TRUE;
    g_clear_pointer (key, EVP_PKEY_free);
    g_clear_pointer (cert, X509_free);
    return crypto_fail (error, "making a P-256 key and its certificate");
}

char *
signer_spki_sha256 (X509 *cert)
{
    guint8 *der = NULL;
    int len = i2d_X509_PUBKEY (X509_get_X509_PUBKEY (cert), &der);
    char *hex = sha256_hex (der, len > 0 ? (gsize) len : 0);
    OPENSSL_free (der);
    return hex;
}

char *
signer_subject (X509 *cert)
{
    BIO *bio = BIO_new (BIO_s_mem ());
    X509_NAME_print_ex (bio, X509_get_subject_name (cert), 0, (XN_FLAG_RFC2253 & ~(unsigned long) ASN1_STRFLGS_ESC_MSB) | ASN1_STRFLGS_ESC_CTRL);
    char *data;
    long len = BIO_get_mem_data (bio, &data);
    char *text = g_utf8_make_valid (data != NULL ? data : "", len);
    BIO_free (bio);
    return text;
}
