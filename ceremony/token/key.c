/* A key pair on the token: by the handles that its generation gave, or found again; and the proof that it is the only one of its name. */
#include <string.h>
#include <openssl/err.h>
#include "ceremony/token/internal.h"

static gboolean
is_of_algorithm (EVP_PKEY *key, const Algorithm *algorithm)
{
    char group[64] = "";
    if (!algorithm->group)
        return EVP_PKEY_is_a (key, "RSA") && EVP_PKEY_get_bits (key) == (int) algorithm->bits;
    return EVP_PKEY_is_a (key, "EC") && EVP_PKEY_get_group_name (key, group, sizeof group, NULL) == 1 && g_str_equal (group, algorithm->group);
}

TokenKey *
token_key_new (Token *self, const Algorithm *algorithm, const TokenKeySpec *spec, CK_OBJECT_HANDLE private_key, CK_OBJECT_HANDLE public_key,
               const char *mechanism, GError **error)
{
    EVP_PKEY *public = object_public (self, public_key);
    if (!public || !is_of_algorithm (public, algorithm)) {
        g_set_error (error, TOKEN_ERROR, public ? TOKEN_ERROR_TWIN : TOKEN_ERROR_FAILED, "the key is on the token, but its public key %s; "
                     "note the deviation, and don't use this key", public ? "is of another kind than was asked for" : "can't be read");
        EVP_PKEY_free (public);
        return NULL;
    }
    TokenKey *key = g_new0 (TokenKey, 1);
    key->token = self;
    key->generation = self->generation;
    key->private_key = private_key;
    key->public_key = public_key;
    key->algorithm = algorithm;
    key->label = g_strdup (spec->label);
    key->id = g_bytes_ref (spec->id);
    key->public = public;
    key->mechanism = mechanism;
    return key;
}

void
token_key_free (TokenKey *self)
{
    if (!self)
        return;
    EVP_PKEY_free (self->public);
    g_bytes_unref (self->id);
    g_free (self->label);
    g_free (self);
}

const char *
token_key_mechanism (const TokenKey *self)
{
    return self->mechanism;
}

EVP_PKEY *
token_key_public (const TokenKey *self)
{
    return self->public;
}

static GBytes *
spki_of (EVP_PKEY *key, GError **error)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY (key, &der);
    if (len <= 0) {
        crypto_fail (error, "encoding the public key");
        return NULL;
    }
    GBytes *bytes = g_bytes_new (der, (gsize) len);
    OPENSSL_free (der);
    return bytes;
}

GBytes *
token_key_spki (const TokenKey *self, GError **error)
{
    return spki_of (self->public, error);
}

gboolean
token_key_ready (TokenKey *self, GError **error)
{
    if (!token_need_login (self->token, error))
        return FALSE;
    if (self->generation == self->token->generation)
        return TRUE;
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "the token was away since this key was found; find the key again");
    return FALSE;
}

/* Handles of @class with the label or the id of @spec. */
static GArray *
find_by (Token *self, CK_OBJECT_CLASS class, const TokenKeySpec *spec, gboolean by_id, GError **error)
{
    CK_ATTRIBUTE match[2] = { { CKA_CLASS, &class, sizeof class }, { 0 } };
    if (by_id)
        match[1] = (CK_ATTRIBUTE) { CKA_ID, (void *) g_bytes_get_data (spec->id, NULL), g_bytes_get_size (spec->id) };
    else
        match[1] = (CK_ATTRIBUTE) { CKA_LABEL, (void *) spec->label, strlen (spec->label) };
    return objects_find (self, match, 2, error);
}

typedef struct { CK_OBJECT_HANDLE private_key, public_key; } Pair;

/* Just one of each class by label and by id, and both ways the same object. */
static gboolean
find_pair (Token *self, const TokenKeySpec *spec, json_t **found, Pair *pair, GError **error)
{
    static const struct { CK_OBJECT_CLASS class; gboolean by_id; const char *name; } WAYS[] = {
        { CKO_PRIVATE_KEY, FALSE, "private_with_label" }, { CKO_PRIVATE_KEY, TRUE, "private_with_id" },
        { CKO_PUBLIC_KEY, FALSE, "public_with_label" }, { CKO_PUBLIC_KEY, TRUE, "public_with_id" },
    };
    CK_OBJECT_HANDLE handles[G_N_ELEMENTS (WAYS)] = { 0 };
    g_autoptr(json_t) counts = json_object ();
    g_autoptr(GString) told = g_string_new (NULL);
    gboolean single = TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS (WAYS); i++) {
        g_autoptr(GArray) list = find_by (self, WAYS[i].class, spec, WAYS[i].by_id, error);
        if (!list)
            return FALSE;
        json_object_set_new (counts, WAYS[i].name, json_integer (list->len));
        g_string_append_printf (told, "%s%u %s", i ? ", " : "", list->len, WAYS[i].name);
        single = single && list->len == 1;
        handles[i] = list->len ? g_array_index (list, CK_OBJECT_HANDLE, 0) : 0;
    }
    if (found)
        *found = json_incref (counts);
    if (!single || handles[0] != handles[1] || handles[2] != handles[3]) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "\"%s\" isn't one key pair on the token (%s%s); which key signs can't be told: note the deviation, "
                     "and generate a new key under another label", spec->label, told->str, single ? ", but not the same objects" : "");
        return FALSE;
    }
    *pair = (Pair) { handles[0], handles[2] };
    return TRUE;
}

/* The private object tells its public key on most tokens; where it doesn't, the first signature will. */
static gboolean
pair_has_public (Token *self, const Pair *pair, EVP_PKEY *expected, GError **error)
{
    EVP_PKEY *public = object_public (self, pair->public_key), *private = object_public (self, pair->private_key);
    gboolean public_ok = public && EVP_PKEY_eq (public, expected) == 1, private_ok = !private || EVP_PKEY_eq (private, expected) == 1;
    ERR_clear_error ();
    EVP_PKEY_free (public);
    EVP_PKEY_free (private);
    if (!token_still_there (self, error))
        return FALSE;
    if (public_ok && private_ok)
        return TRUE;
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "the token's %s object holds another public key than was generated; somebody put another key in its place: "
                 "note the deviation, and don't use this key", public_ok ? "private" : "public");
    return FALSE;
}

gboolean
token_key_unique (TokenKey *self, json_t **found, GError **error)
{
    TokenKeySpec spec = { self->algorithm->name, self->label, self->id };
    Pair pair, ours = { self->private_key, self->public_key };
    return token_key_ready (self, error) && find_pair (self->token, &spec, found, &pair, error)
        && pair_has_public (self->token, &pair, self->public, error) && pair_has_public (self->token, &ours, self->public, error);
}

TokenKey *
token_find_key (Token *self, const TokenKeySpec *spec, const guint8 *spki_sha256, GError **error)
{
    const Algorithm *algorithm = algorithm_find (spec->algorithm, error);
    Pair pair;
    if (!algorithm || !token_need_login (self, error) || !find_pair (self, spec, NULL, &pair, error))
        return NULL;
    g_autoptr(TokenKey) key = token_key_new (self, algorithm, spec, pair.private_key, pair.public_key, NULL, error);
    g_autoptr(GBytes) spki = key ? token_key_spki (key, error) : NULL;
    guint8 digest[SHA256_LEN];
    if (!spki)
        return NULL;
    sha256 (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), digest);
    if (spki_sha256 && memcmp (digest, spki_sha256, sizeof digest) != 0) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "\"%s\" on the token is another key than the one generated in this ceremony; note the deviation, "
                     "and don't use this key", spec->label);
        return NULL;
    }
    return pair_has_public (self, &pair, key->public, error) ? g_steal_pointer (&key) : NULL;
}
