/* Objects and attributes: finding them, reading one attribute at a time, and building a plain public key from what an object tells. */
#include <string.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include "ceremony/token/internal.h"

#define OBJECTS_MAX 20000

static GBytes *
read_once (Token *self, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_RV *rv)
{
    CK_FUNCTION_LIST *f = self->module->f;
    CK_ATTRIBUTE attribute = { type, NULL, 0 };
    *rv = f->C_GetAttributeValue (self->session, object, &attribute, 1);
    if (*rv == CKR_OK && attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION)
        *rv = CKR_ATTRIBUTE_TYPE_INVALID;
    if (*rv == CKR_OK && attribute.ulValueLen > ATTRIBUTE_MAX)
        *rv = CKR_BUFFER_TOO_SMALL;
    if (*rv != CKR_OK)
        return NULL;
    if (attribute.ulValueLen == 0)
        return g_bytes_new (NULL, 0);

    gsize room = attribute.ulValueLen;
    g_autofree guint8 *value = g_malloc0 (room);
    attribute.pValue = value;
    *rv = f->C_GetAttributeValue (self->session, object, &attribute, 1);
    if (*rv == CKR_OK && attribute.ulValueLen > room)
        *rv = CKR_ATTRIBUTE_TYPE_INVALID;
    return *rv == CKR_OK ? g_bytes_new_take (g_steal_pointer (&value), attribute.ulValueLen) : NULL;
}

GBytes *
attribute_read (Token *self, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_RV *rv)
{
    GBytes *value = read_once (self, object, type, rv);
    return value || !ckr_may_pass (*rv) ? value : read_once (self, object, type, rv);
}

gboolean
attribute_ulong (Token *self, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG *value)
{
    CK_RV rv;
    g_autoptr(GBytes) bytes = attribute_read (self, object, type, &rv);
    if (!bytes || g_bytes_get_size (bytes) != sizeof *value)
        return FALSE;
    memcpy (value, g_bytes_get_data (bytes, NULL), sizeof *value);
    return TRUE;
}

GArray *
objects_find (Token *self, CK_ATTRIBUTE *match, CK_ULONG n, GError **error)
{
    CK_FUNCTION_LIST *f = self->module->f;
    g_autoptr(GArray) found = g_array_new (FALSE, FALSE, sizeof (CK_OBJECT_HANDLE));
    CK_OBJECT_HANDLE some[64] = { 0 };
    gboolean honest = TRUE;
    CK_ULONG count = 0;
    CK_RV rv = f->C_FindObjectsInit (self->session, match, n);
    if (rv == CKR_OPERATION_ACTIVE) {           /* a search that failed half-way before */
        f->C_FindObjectsFinal (self->session);
        rv = f->C_FindObjectsInit (self->session, match, n);
    }
    if (rv == CKR_OK) {
        do {
            count = 0;
            rv = f->C_FindObjects (self->session, some, G_N_ELEMENTS (some), &count);
            honest = rv != CKR_OK || count <= G_N_ELEMENTS (some);
            if (rv == CKR_OK && honest)
                g_array_append_vals (found, some, (guint) count);
        } while (rv == CKR_OK && honest && count > 0 && found->len < OBJECTS_MAX);
        if (ckr_may_pass (f->C_FindObjectsFinal (self->session)))
            f->C_FindObjectsFinal (self->session);
    }
    if (rv != CKR_OK) {
        if (rv == CKR_OPERATION_ACTIVE)
            token_unwedge (self, "searching the token's objects", error);
        else
            ckr_fail (error, rv, "searching the token's objects");
        return NULL;
    }
    if (!honest) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "searching the token's objects: the module claims to have found %lu where it was asked for at most %u; "
                     "its word is worth nothing: use another version of the module", count, (guint) G_N_ELEMENTS (some));
        return NULL;
    }
    return g_steal_pointer (&found);
}

static EVP_PKEY *
key_from (const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param (build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name (NULL, type, NULL);
    if (params && ctx && EVP_PKEY_fromdata_init (ctx) == 1)
        EVP_PKEY_fromdata (ctx, &key, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free (ctx);
    OSSL_PARAM_free (params);
    return key;
}

static EVP_PKEY *
rsa_public (Token *self, CK_OBJECT_HANDLE object)
{
    CK_RV rv;
    g_autoptr(GBytes) modulus = attribute_read (self, object, CKA_MODULUS, &rv);
    g_autoptr(GBytes) exponent = attribute_read (self, object, CKA_PUBLIC_EXPONENT, &rv);
    if (!modulus || !exponent || g_bytes_get_size (modulus) == 0 || g_bytes_get_size (modulus) > 2048 || g_bytes_get_size (exponent) == 0)
        return NULL;
    BIGNUM *n = BN_bin2bn (g_bytes_get_data (modulus, NULL), (int) g_bytes_get_size (modulus), NULL);
    BIGNUM *e = BN_bin2bn (g_bytes_get_data (exponent, NULL), (int) g_bytes_get_size (exponent), NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new ();
    EVP_PKEY *key = NULL;
    if (n && e && build && OSSL_PARAM_BLD_push_BN (build, OSSL_PKEY_PARAM_RSA_N, n) && OSSL_PARAM_BLD_push_BN (build, OSSL_PKEY_PARAM_RSA_E, e))
        key = key_from ("RSA", build);
    OSSL_PARAM_BLD_free (build);
    BN_free (n);
    BN_free (e);
    return key;
}

/* CKA_EC_POINT is the DER of an OCTET STRING (PKCS#11 2.40, 2.3.3); older modules give the bare point. */
static gboolean
bare_point (const guint8 *der, gsize len, const guint8 **point, gsize *point_len)
{
    const unsigned char *p = der;
    ASN1_OCTET_STRING *string = d2i_ASN1_OCTET_STRING (NULL, &p, (long) len);
    *point = der;
    *point_len = len;
    if (string && p == der + len) {
        *point_len = (gsize) ASN1_STRING_length (string);
        *point = der + len - *point_len;
    }
    ASN1_OCTET_STRING_free (string);
    ERR_clear_error ();
    return *point_len > 1 && ((*point)[0] == 4 || (*point)[0] == 2 || (*point)[0] == 3);
}

static const Algorithm *
curve_of (GBytes *params)
{
    for (const Algorithm *a = ALGORITHMS; a->name; a++)
        if (a->group && g_bytes_get_size (params) == a->params_len && memcmp (g_bytes_get_data (params, NULL), a->params, a->params_len) == 0)
            return a;
    return NULL;
}

static EVP_PKEY *
ec_public (Token *self, CK_OBJECT_HANDLE object)
{
    CK_RV rv;
    g_autoptr(GBytes) params = attribute_read (self, object, CKA_EC_PARAMS, &rv);
    g_autoptr(GBytes) value = attribute_read (self, object, CKA_EC_POINT, &rv);
    const Algorithm *curve = params ? curve_of (params) : NULL;
    const guint8 *point;
    gsize point_len;
    if (!curve || !value || !bare_point (g_bytes_get_data (value, NULL), g_bytes_get_size (value), &point, &point_len))
        return NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new ();
    if (build && OSSL_PARAM_BLD_push_utf8_string (build, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0)
        && OSSL_PARAM_BLD_push_octet_string (build, OSSL_PKEY_PARAM_PUB_KEY, point, point_len))
        key = key_from ("EC", build);
    OSSL_PARAM_BLD_free (build);
    return key;
}

static EVP_PKEY *
info_public (Token *self, CK_OBJECT_HANDLE object)
{
    CK_RV rv;
    g_autoptr(GBytes) info = attribute_read (self, object, CKA_PUBLIC_KEY_INFO, &rv);
    if (!info || g_bytes_get_size (info) == 0)
        return NULL;
    const unsigned char *p = g_bytes_get_data (info, NULL);
    EVP_PKEY *key = d2i_PUBKEY (NULL, &p, (long) g_bytes_get_size (info));
    return key;
}

EVP_PKEY *
object_public (Token *self, CK_OBJECT_HANDLE object)
{
    CK_KEY_TYPE type;
    EVP_PKEY *key = NULL;
    if (attribute_ulong (self, object, CKA_KEY_TYPE, &type))
        key = type == CKK_RSA ? rsa_public (self, object) : type == CKK_EC ? ec_public (self, object) : NULL;
    if (!key)
        key = info_public (self, object);
    ERR_clear_error ();
    return key;
}
