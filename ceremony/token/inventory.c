/* What a token holds: counts by class, and each object by label, id and public key; and how many objects bear a label or id. */
#include <string.h>
#include <openssl/err.h>
#include "ceremony/token/internal.h"

#define LISTED_MAX 500
#define UNREADABLE ((CK_OBJECT_CLASS) -1)

/* What a fault kept from being read isn't passed over as if the object had none. */
static void
add_unread (json_t *object, const char *key, CK_RV rv)
{
    json_t *unread = json_object_get (object, "unread");
    if (!unread)
        json_object_set_new (object, "unread", unread = json_object ());
    json_object_set_new (unread, key, json_string (ckr_name (rv)));
}

static void
add_bytes (json_t *object, const char *key, Token *token, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE_TYPE type, gboolean text)
{
    CK_RV rv;
    g_autoptr(GBytes) bytes = attribute_read (token, handle, type, &rv);
    if (!bytes && rv != CKR_ATTRIBUTE_TYPE_INVALID && rv != CKR_ATTRIBUTE_SENSITIVE)
        add_unread (object, key, rv);
    if (!bytes)
        return;
    gsize len;
    const void *data = g_bytes_get_data (bytes, &len);
    g_autofree char *hex = text ? NULL : hex_encode (data, len);
    json_object_set_new (object, key, text ? cjson_bytes (data, len) : json_string (hex));
}

static void
add_spki (json_t *object, EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int len = key ? i2d_PUBKEY (key, &der) : 0;
    if (len > 0) {
        g_autofree char *hex = sha256_hex (der, (gsize) len);
        json_object_set_new (object, "spki_sha256", json_string (hex));
    }
    OPENSSL_free (der);
}

static void
add_certificate (json_t *object, Token *token, CK_OBJECT_HANDLE handle)
{
    CK_RV rv;
    g_autoptr(GBytes) value = attribute_read (token, handle, CKA_VALUE, &rv);
    if (!value || g_bytes_get_size (value) == 0)
        return;
    const unsigned char *p = g_bytes_get_data (value, NULL);
    X509 *cert = d2i_X509 (NULL, &p, (long) g_bytes_get_size (value));
    BIO *out = BIO_new (BIO_s_mem ());
    if (cert && out && X509_NAME_print_ex (out, X509_get_subject_name (cert), 0, XN_FLAG_RFC2253) >= 0) {
        char *text;
        long len = BIO_get_mem_data (out, &text);
        json_object_set_new (object, "subject", cjson_bytes (text, (gsize) MAX (len, 0)));
        add_spki (object, X509_get0_pubkey (cert));
    }
    BIO_free (out);
    X509_free (cert);
    ERR_clear_error ();
}

static json_t *
object_json (Token *token, CK_OBJECT_HANDLE handle, CK_OBJECT_CLASS class)
{
    json_t *object = json_object ();
    CK_KEY_TYPE type;
    json_object_set_new (object, "class", json_string (class == UNREADABLE ? "unreadable" : cko_name (class)));
    add_bytes (object, "label", token, handle, CKA_LABEL, TRUE);
    if (class != CKO_DATA)
        add_bytes (object, "id", token, handle, CKA_ID, FALSE);
    if ((class == CKO_PRIVATE_KEY || class == CKO_PUBLIC_KEY || class == CKO_SECRET_KEY) && attribute_ulong (token, handle, CKA_KEY_TYPE, &type))
        json_object_set_new (object, "key_type", json_string (ckk_name (type)));
    if (class == CKO_PRIVATE_KEY || class == CKO_PUBLIC_KEY) {
        EVP_PKEY *key = object_public (token, handle);
        add_spki (object, key);
        EVP_PKEY_free (key);
    }
    if (class == CKO_CERTIFICATE)
        add_certificate (object, token, handle);
    return object;
}

static const struct { CK_OBJECT_CLASS class; const char *counter; } COUNTED[] = {
    { CKO_PRIVATE_KEY, "private_keys" }, { CKO_PUBLIC_KEY, "public_keys" }, { CKO_CERTIFICATE, "certificates" }, { CKO_SECRET_KEY, "secret_keys" },
    { CKO_DATA, "data" },
};

json_t *
token_inventory (Token *self, GError **error)
{
    if (!token_need_session (self, error))
        return NULL;
    g_autoptr(GArray) handles = objects_find (self, NULL, 0, error);
    if (!handles)
        return NULL;
    guint counts[G_N_ELEMENTS (COUNTED)] = { 0 };
    json_t *objects = json_array ();
    for (guint i = 0; i < handles->len; i++) {
        CK_OBJECT_HANDLE handle = g_array_index (handles, CK_OBJECT_HANDLE, i);
        CK_OBJECT_CLASS class = UNREADABLE;
        attribute_ulong (self, handle, CKA_CLASS, &class);
        for (gsize c = 0; c < G_N_ELEMENTS (COUNTED); c++)
            counts[c] += COUNTED[c].class == class;
        if (class != CKO_HW_FEATURE && class != CKO_MECHANISM && json_array_size (objects) < LISTED_MAX)
            json_array_append_new (objects, object_json (self, handle, class));
    }
    if (!token_still_there (self, error)) {
        json_decref (objects);
        return NULL;
    }
    json_t *inventory = json_object ();
    for (gsize c = 0; c < G_N_ELEMENTS (COUNTED); c++)
        json_object_set_new (inventory, COUNTED[c].counter, json_integer (counts[c]));
    json_object_set_new (inventory, "logged_in", json_boolean (token_logged_in (self)));
    json_object_set_new (inventory, "truncated", json_boolean (json_array_size (objects) == LISTED_MAX));
    json_object_set_new (inventory, "objects", objects);
    return inventory;
}

/* Data objects may bear any label: a file beside the key is no twin of it. What doesn't say what it is may be a key. */
static gboolean
counts_as_key (Token *self, CK_OBJECT_HANDLE handle)
{
    CK_OBJECT_CLASS class;
    return !attribute_ulong (self, handle, CKA_CLASS, &class)
        || class == CKO_PRIVATE_KEY || class == CKO_PUBLIC_KEY || class == CKO_SECRET_KEY || class == CKO_CERTIFICATE;
}

static gboolean
count_with (Token *self, CK_ATTRIBUTE_TYPE type, const void *value, gsize len, guint *n, GError **error)
{
    CK_ATTRIBUTE match = { type, (void *) value, len };
    g_autoptr(GArray) handles = objects_find (self, &match, 1, error);
    if (!handles)
        return FALSE;
    *n = 0;
    for (guint i = 0; i < handles->len; i++)
        *n += counts_as_key (self, g_array_index (handles, CK_OBJECT_HANDLE, i));
    return token_still_there (self, error);
}

gboolean
token_count (Token *self, const char *label, GBytes *id, guint *with_label, guint *with_id, GError **error)
{
    guint labels = 0, ids = 0;
    if (!token_need_login (self, error))
        return FALSE;
    if (label && !count_with (self, CKA_LABEL, label, strlen (label), &labels, error))
        return FALSE;
    if (id && !count_with (self, CKA_ID, g_bytes_get_data (id, NULL), g_bytes_get_size (id), &ids, error))
        return FALSE;
    if (with_label)
        *with_label = labels;
    if (with_id)
        *with_id = ids;
    return TRUE;
}
