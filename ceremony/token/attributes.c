/* Every attribute that says where a key was born and what may be done with it, read one by one, so that each has its own value or its own error. */
#include <string.h>
#include <openssl/crypto.h>
#include "ceremony/token/internal.h"

typedef enum { FLAG, BYTES, TEXT, MECHANISM, MECHANISMS, CLASS, KEY_TYPE, NUMBER, DATE } Kind;
enum { PRIVATE = 1, PUBLIC = 2, BOTH = 3 };

static const struct { CK_ATTRIBUTE_TYPE type; const char *name; Kind kind; guint of; } READ[] = {
    { CKA_CLASS, "cka_class", CLASS, BOTH },
    { CKA_TOKEN, "cka_token", FLAG, BOTH },
    { CKA_PRIVATE, "cka_private", FLAG, BOTH },
    { CKA_LABEL, "cka_label", TEXT, BOTH },
    { CKA_ID, "cka_id", BYTES, BOTH },
    { CKA_UNIQUE_ID_, "cka_unique_id", BYTES, BOTH },
    { CKA_KEY_TYPE, "cka_key_type", KEY_TYPE, BOTH },
    { CKA_LOCAL, "cka_local", FLAG, BOTH },
    { CKA_KEY_GEN_MECHANISM, "cka_key_gen_mechanism", MECHANISM, BOTH },
    { CKA_SENSITIVE, "cka_sensitive", FLAG, PRIVATE },
    { CKA_ALWAYS_SENSITIVE, "cka_always_sensitive", FLAG, PRIVATE },
    { CKA_EXTRACTABLE, "cka_extractable", FLAG, PRIVATE },
    { CKA_NEVER_EXTRACTABLE, "cka_never_extractable", FLAG, PRIVATE },
    { CKA_MODIFIABLE, "cka_modifiable", FLAG, BOTH },
    { CKA_COPYABLE, "cka_copyable", FLAG, BOTH },
    { CKA_DESTROYABLE, "cka_destroyable", FLAG, BOTH },
    { CKA_DERIVE, "cka_derive", FLAG, BOTH },
    { CKA_SIGN, "cka_sign", FLAG, PRIVATE },
    { CKA_SIGN_RECOVER, "cka_sign_recover", FLAG, PRIVATE },
    { CKA_DECRYPT, "cka_decrypt", FLAG, PRIVATE },
    { CKA_UNWRAP, "cka_unwrap", FLAG, PRIVATE },
    { CKA_WRAP_WITH_TRUSTED, "cka_wrap_with_trusted", FLAG, PRIVATE },
    { CKA_ALWAYS_AUTHENTICATE, "cka_always_authenticate", FLAG, PRIVATE },
    { CKA_VERIFY, "cka_verify", FLAG, PUBLIC },
    { CKA_ENCRYPT, "cka_encrypt", FLAG, PUBLIC },
    { CKA_WRAP, "cka_wrap", FLAG, PUBLIC },
    { CKA_TRUSTED, "cka_trusted", FLAG, PUBLIC },
    { CKA_ALLOWED_MECHANISMS, "cka_allowed_mechanisms", MECHANISMS, BOTH },
    { CKA_START_DATE, "cka_start_date", DATE, BOTH },
    { CKA_END_DATE, "cka_end_date", DATE, BOTH },
    { CKA_SUBJECT, "cka_subject", BYTES, BOTH },
    { CKA_PUBLIC_KEY_INFO, "cka_public_key_info", BYTES, BOTH },
    { CKA_MODULUS_BITS, "cka_modulus_bits", NUMBER, PUBLIC },
    { CKA_MODULUS, "cka_modulus", BYTES, BOTH },
    { CKA_PUBLIC_EXPONENT, "cka_public_exponent", BYTES, BOTH },
    { CKA_EC_PARAMS, "cka_ec_params", BYTES, BOTH },
    { CKA_EC_POINT, "cka_ec_point", BYTES, BOTH },
};

/* An RSA key has no curve, an EC key no modulus: asking would only journal the same two errors for every key. */
static gboolean
applies (const TokenKey *key, CK_ATTRIBUTE_TYPE type)
{
    gboolean of_rsa = type == CKA_MODULUS || type == CKA_PUBLIC_EXPONENT || type == CKA_MODULUS_BITS;
    gboolean of_ec = type == CKA_EC_PARAMS || type == CKA_EC_POINT;
    return key->algorithm->group ? !of_rsa : !of_ec;
}

static json_t *
mechanisms_value (const guint8 *data, gsize len)
{
    json_t *array = json_array ();
    for (gsize i = 0; i + sizeof (CK_MECHANISM_TYPE) <= len; i += sizeof (CK_MECHANISM_TYPE)) {
        CK_MECHANISM_TYPE mechanism;
        memcpy (&mechanism, data + i, sizeof mechanism);
        json_array_append_new (array, json_string (ckm_name (mechanism)));
    }
    return array;
}

static json_t *
hex_value (const guint8 *data, gsize len)
{
    g_autofree char *hex = hex_encode (data, len);
    return json_string (hex);
}

static json_t *
ulong_value (Kind kind, CK_ULONG n)
{
    if (n == CK_UNAVAILABLE_INFORMATION)
        return NULL;
    switch (kind) {
    case MECHANISM: return json_string (ckm_name (n));
    case CLASS:     return json_string (cko_name (n));
    case KEY_TYPE:  return json_string (ckk_name (n));
    default:        return cjson_u64 (n);
    }
}

/* NULL with @problem where the bytes don't fit the kind. */
static json_t *
value_of (Kind kind, const guint8 *data, gsize len, const char **problem)
{
    CK_ULONG n;
    *problem = "malformed";
    switch (kind) {
    case FLAG:
        return len == sizeof (CK_BBOOL) && *data <= 1 ? json_boolean (*data == CK_TRUE) : NULL;
    case TEXT:
    case DATE:
        return cjson_bytes (data, len);
    case BYTES:
        return hex_value (data, len);
    case MECHANISMS:
        return len % sizeof (CK_MECHANISM_TYPE) == 0 ? mechanisms_value (data, len) : NULL;
    default:
        if (len != sizeof n)
            return NULL;
        memcpy (&n, data, sizeof n);
        *problem = "unavailable";
        return ulong_value (kind, n);
    }
}

static const char *
error_name (CK_RV rv)
{
    return rv == CKR_ATTRIBUTE_TYPE_INVALID ? "unavailable" : rv == CKR_ATTRIBUTE_SENSITIVE ? "sensitive" : ckr_name (rv);
}

static json_t *
attribute_json (Token *token, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, Kind kind, CK_RV *rv)
{
    g_autoptr(GBytes) bytes = attribute_read (token, object, type, rv);
    const char *problem = NULL;
    json_t *value = NULL;
    if (bytes) {
        gsize len;
        const guint8 *data = g_bytes_get_data (bytes, &len);
        value = value_of (kind, len ? data : (const guint8 *) "", len, &problem);
    }
    json_t *entry = json_object ();
    json_object_set_new (entry, value ? "value" : "error", value ? value : json_string (bytes ? problem : error_name (*rv)));
    return entry;
}

static json_t *
object_attributes (TokenKey *key, CK_OBJECT_HANDLE object, guint of, GError **error)
{
    g_autoptr(json_t) all = json_object ();
    for (gsize i = 0; i < G_N_ELEMENTS (READ); i++) {
        CK_RV rv;
        if (!(READ[i].of & of) || !applies (key, READ[i].type))
            continue;
        json_object_set_new (all, READ[i].name, attribute_json (key->token, object, READ[i].type, READ[i].kind, &rv));
        if (ckr_is_gone (rv)) {
            ckr_fail (error, rv, "reading the key's attributes");
            return NULL;
        }
    }
    return g_steal_pointer (&all);
}

json_t *
token_key_attributes (TokenKey *self, GError **error)
{
    if (!token_key_ready (self, error))
        return NULL;
    g_autoptr(json_t) private = object_attributes (self, self->private_key, PRIVATE, error);
    g_autoptr(json_t) public = private ? object_attributes (self, self->public_key, PUBLIC, error) : NULL;
    return public ? json_pack ("{s:O, s:O}", "private", private, "public", public) : NULL;
}

gboolean
token_key_always_authenticate (TokenKey *self)
{
    CK_RV rv;
    if (!token_key_ready (self, NULL))
        return FALSE;
    g_autoptr(GBytes) bytes = attribute_read (self->token, self->private_key, CKA_ALWAYS_AUTHENTICATE, &rv);
    return bytes && g_bytes_get_size (bytes) == 1 && *(const guint8 *) g_bytes_get_data (bytes, NULL) == CK_TRUE;
}
