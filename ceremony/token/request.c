/* The certificate request, signed through the key's own handle like all else that the key signs: no search by id, no second login, nobody who keeps the PIN. */
#include <openssl/err.h>
#include "ceremony/token/internal.h"

/* RFC 4055, 5 (RSA: parameters NULL) and RFC 5758, 3.2 (ECDSA: none). */
static X509_ALGOR *
signature_algorithm (const Algorithm *algorithm)
{
    gboolean rsa = algorithm->group == NULL;
    int nid = rsa ? NID_sha256WithRSAEncryption : g_str_equal (algorithm->hash, "SHA384") ? NID_ecdsa_with_SHA384 : NID_ecdsa_with_SHA256;
    X509_ALGOR *result = X509_ALGOR_new ();
    if (result && X509_ALGOR_set0 (result, OBJ_nid2obj (nid), rsa ? V_ASN1_NULL : V_ASN1_UNDEF, NULL) == 1)
        return result;
    X509_ALGOR_free (result);
    return NULL;
}

static GBytes *
tbs_of (X509_REQ *request, GError **error)
{
    unsigned char *der = NULL;
    int len = i2d_re_X509_REQ_tbs (request, &der);
    if (len <= 0) {
        crypto_fail (error, "encoding the certificate request");
        return NULL;
    }
    GBytes *bytes = g_bytes_new (der, (gsize) len);
    OPENSSL_free (der);
    return bytes;
}

static gboolean
copy_attributes (X509_REQ *request, X509_REQ *carrying)
{
    for (int i = 0; carrying && i < X509_REQ_get_attr_count (carrying); i++)
        if (X509_REQ_add1_attr (request, X509_REQ_get_attr (carrying, i)) != 1)
            return FALSE;
    return TRUE;
}

X509_REQ *
token_key_request_new (const TokenKey *self, X509_NAME *subject, X509_REQ *carrying, GBytes **tbs, GError **error)
{
    X509_REQ *request = X509_REQ_new ();
    gboolean made = request && X509_REQ_set_version (request, X509_REQ_VERSION_1) && X509_REQ_set_subject_name (request, subject)
        && X509_REQ_set_pubkey (request, self->public) && copy_attributes (request, carrying);
    if (!made)
        crypto_fail (error, "making the certificate request");
    *tbs = made ? tbs_of (request, error) : NULL;
    if (*tbs)
        return request;
    X509_REQ_free (request);
    return NULL;
}

static gboolean
put_signature (X509_REQ *request, const Algorithm *algorithm, GBytes *signature)
{
    gsize len;
    const guint8 *data = g_bytes_get_data (signature, &len);
    X509_ALGOR *how = signature_algorithm (algorithm);
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new ();
    gboolean put = how && bits && ASN1_STRING_set (bits, data, (int) len) == 1 && X509_REQ_set1_signature_algo (request, how) == 1;
    if (put) {
        bits->flags = (bits->flags & ~(ASN1_STRING_FLAG_BITS_LEFT | 7L)) | ASN1_STRING_FLAG_BITS_LEFT;     /* no unused bits */
        X509_REQ_set0_signature (request, g_steal_pointer (&bits));
    }
    ASN1_BIT_STRING_free (bits);
    X509_ALGOR_free (how);
    return put;
}

gboolean
token_key_request_sign (TokenKey *self, X509_REQ *request, const Secret *context_pin, GError **error)
{
    g_autoptr(GBytes) tbs = token_key_unique (self, NULL, error) ? tbs_of (request, error) : NULL, signature = NULL;
    if (tbs)
        signature = token_key_sign (self, g_bytes_get_data (tbs, NULL), g_bytes_get_size (tbs), context_pin, NULL, NULL, error);
    if (!signature)
        return FALSE;
    if (put_signature (request, self->algorithm, signature) && X509_REQ_verify (request, self->public) == 1)
        return TRUE;
    return crypto_fail (error, "the signed certificate request");
}

X509_REQ *
token_key_request (TokenKey *self, X509_NAME *subject, const Secret *context_pin, GError **error)
{
    g_autoptr(GBytes) tbs = NULL;
    X509_REQ *request = token_key_request_new (self, subject, NULL, &tbs, error);
    if (request && token_key_request_sign (self, request, context_pin, error))
        return request;
    X509_REQ_free (request);
    return NULL;
}
