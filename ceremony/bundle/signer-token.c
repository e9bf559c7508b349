/* A signer whose key lives in a token. The PIN goes to C_Login alone, by way of token/; libp11, which would keep a copy of it, opens the same module and
 * finds itself logged in. A key that asks for its PIN at each signature gets it from locked memory. */
#include "ceremony/bundle/signer-internal.h"
#include "ceremony/base/errors.h"
#include "ceremony/token/token.h"
#include <libp11.h>
#include <openssl/err.h>
#include <openssl/ui.h>
#include <p11-kit/uri.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    TokenModules *modules;
    Token        *token;
    PKCS11_CTX   *ctx;
    PKCS11_SLOT  *slots;
    unsigned      n_slots;
    UI_METHOD    *ui;
    Secret       *pin;
} Owner;

typedef struct {
    char   *token_uri;
    GBytes *id;                             /* NULL: any */
    char   *label;                          /* NULL: any */
} Wanted;

/* The module is finalised by token/, when nobody else uses it: libp11 mustn't do that, so its context is freed and not unloaded. */
static void
owner_free (gpointer data)
{
    Owner *self = data;
    token_close (self->token);
    token_modules_free (self->modules);
    if (self->slots != NULL)
        PKCS11_release_all_slots (self->ctx, self->slots, self->n_slots);
    if (self->ctx != NULL)
        PKCS11_CTX_free (self->ctx);
    if (self->ui != NULL)
        UI_destroy_method (self->ui);
    secret_free (self->pin);
    ERR_clear_error ();
    g_free (self);
}

static void
wanted_clear (Wanted *wanted)
{
    g_free (wanted->token_uri);
    g_free (wanted->label);
    g_clear_pointer (&wanted->id, g_bytes_unref);
}

static gboolean
take_attributes (P11KitUri *uri, Wanted *wanted)
{
    CK_ATTRIBUTE *id = p11_kit_uri_get_attribute (uri, CKA_ID), *label = p11_kit_uri_get_attribute (uri, CKA_LABEL);
    if (id != NULL)
        wanted->id = g_bytes_new (id->pValue, id->ulValueLen);
    if (label != NULL)
        wanted->label = g_strndup (label->pValue, label->ulValueLen);
    p11_kit_uri_clear_attributes (uri);
    char *text = NULL;
    if (p11_kit_uri_format (uri, P11_KIT_URI_FOR_OBJECT_ON_TOKEN_AND_MODULE, &text) != P11_KIT_URI_OK)
        return FALSE;
    wanted->token_uri = g_strdup (text);
    free (text);
    return TRUE;
}

/* Parts the object from its token. PINs and module paths in it are refused by token_open. */
static gboolean
split_uri (const char *text, Wanted *wanted, GError **error)
{
    P11KitUri *uri = p11_kit_uri_new ();
    gboolean ok = p11_kit_uri_parse (text, P11_KIT_URI_FOR_ANY, uri) == P11_KIT_URI_OK && p11_kit_uri_get_pin_value (uri) == NULL
                  && p11_kit_uri_get_pin_source (uri) == NULL && take_attributes (uri, wanted);
    p11_kit_uri_free (uri);
    if (!ok)
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "signer: not a PKCS#11 URI (RFC 7512) without a PIN, such as pkcs11:token=Witness;object=sign");
    return ok;
}

static int
answer_pin (UI *ui, UI_STRING *string)
{
    const Secret *pin = UI_get0_user_data (ui);
    return UI_set_result (ui, string, pin != NULL ? secret_data (pin) : "") == 0;
}

static gboolean
open_token (Owner *self, const char *uri, const char *module, const Secret *pin, GError **error)
{
    self->modules = token_modules_load (module, module != NULL, NULL, error);
    self->token = self->modules != NULL ? token_open (self->modules, uri, error) : NULL;
    return self->token != NULL && token_login (self->token, token_has_pinpad (self->token) ? NULL : pin, FALSE, error);
}

/* libp11's slot of the same token: by serial number and label, which token_open found to be unique. */
static PKCS11_SLOT *
find_slot (Owner *self, GError **error)
{
    g_autoptr (json_t) info = token_info (self->token, error);
    if (info == NULL)
        return NULL;
    const char *path = cjson_str (cjson_obj (info, "module", NULL), "path", error);
    const char *serial = cjson_str (cjson_obj (info, "token", NULL), "serial", NULL), *label = cjson_str (cjson_obj (info, "token", NULL), "label", NULL);
    if (path == NULL)
        return NULL;
    self->ctx = PKCS11_CTX_new ();
    if (self->ctx == NULL || PKCS11_CTX_load (self->ctx, path) != 0 || PKCS11_enumerate_slots (self->ctx, &self->slots, &self->n_slots) != 0) {
        crypto_fail (error, "libp11 can't use the token's module");
        return NULL;
    }
    for (unsigned i = 0; i < self->n_slots; i++) {
        const PKCS11_TOKEN *token = self->slots[i].token;
        if (token != NULL && (serial == NULL || g_strcmp0 (token->serialnr, serial) == 0) && (label == NULL || g_strcmp0 (token->label, label) == 0))
            return &self->slots[i];
    }
    g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "signer: libp11 doesn't see the token; is it still plugged in?");
    return NULL;
}

static gboolean
is_wanted (const PKCS11_CERT *cert, const Wanted *wanted)
{
    return cert->x509 != NULL && (wanted->id == NULL || (cert->id_len == g_bytes_get_size (wanted->id) && memcmp (cert->id, g_bytes_get_data (wanted->id, NULL), cert->id_len) == 0))
           && (wanted->label == NULL || g_strcmp0 (cert->label, wanted->label) == 0);
}

/* The one wanted certificate that has its private key on the token. */
static PKCS11_KEY *
find_key (PKCS11_CERT *certs, unsigned n, const Wanted *wanted, PKCS11_CERT **cert, GError **error)
{
    PKCS11_KEY *found = NULL;
    guint matches = 0;
    for (unsigned i = 0; i < n; i++) {
        PKCS11_KEY *key = is_wanted (&certs[i], wanted) ? PKCS11_find_key (&certs[i]) : NULL;
        if (key == NULL)
            continue;
        found = key;
        *cert = &certs[i];
        matches++;
    }
    if (matches == 1)
        return found;
    g_set_error (error, BASE_ERROR, matches == 0 ? BASE_ERROR_MISSING : BASE_ERROR_USAGE, "%s",
                 matches == 0 ? "signer: the token has no private key with a certificate of the same id that fits the URI"
                              : "signer: several keys on the token have certificates; name one by object= or id= in the URI");
    return NULL;
}

static Signer *
make_signer (Owner *self, const Wanted *wanted, GError **error)
{
    PKCS11_SLOT *slot = token_spare_session (self->token, error) ? find_slot (self, error) : NULL;
    PKCS11_CERT *certs = NULL, *cert = NULL;
    unsigned n = 0;
    if (slot == NULL)
        return NULL;
    if (PKCS11_enumerate_certs (slot->token, &certs, &n) != 0) {
        crypto_fail (error, "signer: listing the token's certificates");
        return NULL;
    }
    PKCS11_KEY *key = find_key (certs, n, wanted, &cert, error);
    EVP_PKEY *private_key = key != NULL ? PKCS11_get_private_key (key) : NULL;
    if (private_key == NULL) {
        if (key != NULL)
            crypto_fail (error, "signer: using the token's key");
        return NULL;
    }
    STACK_OF(X509) *further = sk_X509_new_null ();
    for (unsigned i = 0; i < n; i++)
        if (certs[i].x509 != NULL && &certs[i] != cert)
            sk_X509_push (further, certs[i].x509);
    X509_up_ref (cert->x509);
    Signer *signer = signer_new (private_key, cert->x509, further, SIGNER_TOKEN, error);
    sk_X509_free (further);
    return signer;
}

Signer *
signer_load_token (const char *uri, const char *module, const Secret *pin, GError **error)
{
    Wanted wanted = { 0 };
    Owner *owner = g_new0 (Owner, 1);
    Signer *signer = NULL;
    if (pin != NULL) {
        owner->pin = secret_new ();
        secret_set (owner->pin, secret_data (pin), secret_len (pin));
    }
    if (split_uri (uri, &wanted, error) && open_token (owner, wanted.token_uri, module, pin, error))
        signer = make_signer (owner, &wanted, error);
    wanted_clear (&wanted);
    if (signer == NULL) {
        owner_free (owner);
        return NULL;
    }
    owner->ui = UI_create_method ("ceremony");
    UI_method_set_reader (owner->ui, answer_pin);
    PKCS11_set_ui_method (owner->ctx, owner->ui, owner->pin);
    signer->owner = owner;
    signer->owner_free = owner_free;
    return signer;
}
