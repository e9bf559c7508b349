/* The certificate request, signed through libp11's EVP_PKEY. libp11 opens the same module, so our C_Login counts for it too and it never gets the PIN
 * (it would keep a copy). Its contexts stay until the module is finalised: closing one closes every session of the module, unloading one finalises it. */
#include <string.h>
#include <libp11.h>
#include <openssl/err.h>
#include <openssl/ui.h>
#include "ceremony/token/internal.h"

typedef struct {
    PKCS11_CTX  *ctx;
    PKCS11_SLOT *slots;
    unsigned     n;
    UI_METHOD   *ui;
    gboolean     loaded, may_finalise;
} P11;

void
p11_free (gpointer p)
{
    P11 *self = p;
    if (self->slots)
        PKCS11_release_all_slots (self->ctx, self->slots, self->n);
    if (self->loaded && self->may_finalise)
        PKCS11_CTX_unload (self->ctx);
    PKCS11_CTX_free (self->ctx);
    if (self->ui)
        UI_destroy_method (self->ui);
    ERR_clear_error ();
    g_free (self);
}

/* A key that wants its PIN for each signature asks here; OpenSSL wipes the buffer that this fills. */
static int
answer_pin (UI *ui, UI_STRING *string)
{
    const Secret *pin = UI_get0_user_data (ui);
    UI_set_result (ui, string, pin ? secret_data (pin) : "");
    return 1;
}

static P11 *
p11_open (Token *token, const Secret *context_pin, GError **error)
{
    P11 *self = g_new0 (P11, 1);
    self->may_finalise = token->module->initialised_by_us;
    self->ctx = PKCS11_CTX_new ();
    if (self->ctx) {
        g_ptr_array_add (token->module->p11, self);
        self->loaded = PKCS11_CTX_load (self->ctx, token->module->path) == 0;
    }
    if (!self->loaded || PKCS11_enumerate_slots (self->ctx, &self->slots, &self->n) != 0) {
        crypto_fail (error, "libp11 can't use the token's module");
        if (!self->ctx)
            g_free (self);
        return NULL;
    }
    self->ui = UI_create_method ("ceremony");
    UI_method_set_reader (self->ui, answer_pin);
    PKCS11_set_ui_method (self->ctx, self->ui, (void *) context_pin);
    return self;
}

static PKCS11_SLOT *
p11_slot (P11 *self, CK_SLOT_ID slot)
{
    for (unsigned i = 0; i < self->n; i++)
        if (PKCS11_get_slotid_from_slot (&self->slots[i]) == slot && self->slots[i].token)
            return &self->slots[i];
    return NULL;
}

/* The one private key with our id whose public key is ours. */
static EVP_PKEY *
p11_key (P11 *self, TokenKey *key, GError **error)
{
    PKCS11_SLOT *slot = p11_slot (self, key->token->slot);
    PKCS11_KEY *keys = NULL, *ours = NULL;
    unsigned n = 0, matches = 0;
    if (!slot || PKCS11_enumerate_keys (slot->token, &keys, &n) != 0) {
        crypto_fail (error, "libp11 can't list the token's keys");
        return NULL;
    }
    for (unsigned i = 0; i < n; i++)
        if (keys[i].id_len == g_bytes_get_size (key->id) && memcmp (keys[i].id, g_bytes_get_data (key->id, NULL), keys[i].id_len) == 0) {
            ours = &keys[i];
            matches++;
        }
    EVP_PKEY *private = matches == 1 ? PKCS11_get_private_key (ours) : NULL;
    if (private && EVP_PKEY_eq (private, key->public) == 1)
        return private;
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "libp11 sees %u private keys with this key's id%s; which key would sign can't be told: note the deviation",
                 matches, private ? ", with another public key" : "");
    EVP_PKEY_free (private);
    ERR_clear_error ();
    return NULL;
}

static X509_REQ *
signed_request (TokenKey *self, X509_NAME *subject, EVP_PKEY *private, GError **error)
{
    EVP_MD *md = EVP_MD_fetch (NULL, self->algorithm->hash, NULL);
    X509_REQ *request = X509_REQ_new ();
    gboolean done = md && request && X509_REQ_set_version (request, X509_REQ_VERSION_1) && X509_REQ_set_subject_name (request, subject)
        && X509_REQ_set_pubkey (request, self->public) && X509_REQ_sign (request, private, md) > 0;
    if (!done)
        crypto_fail (error, "signing the certificate request with the token");
    /* With the token's own EVP_PKEY this would answer 0 for EC: the plain key tells. */
    else if (X509_REQ_verify (request, self->public) != 1) {
        ERR_clear_error ();
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "the request's signature doesn't verify with the key's public part; note the deviation, "
                     "and don't use this key");
        done = FALSE;
    }
    EVP_MD_free (md);
    if (done)
        return request;
    X509_REQ_free (request);
    return NULL;
}

X509_REQ *
token_key_request_with_pin (TokenKey *self, X509_NAME *subject, const Secret *context_pin, GError **error)
{
    if (!token_key_unique (self, NULL, error))
        return NULL;
    P11 *p11 = p11_open (self->token, context_pin, error);
    EVP_PKEY *private = p11 ? p11_key (p11, self, error) : NULL;
    X509_REQ *request = private ? signed_request (self, subject, private, error) : NULL;
    EVP_PKEY_free (private);
    if (p11)
        PKCS11_set_ui_method (p11->ctx, p11->ui, NULL);     /* the caller's PIN may go now */
    return request;
}

X509_REQ *
token_key_request (TokenKey *self, X509_NAME *subject, GError **error)
{
    return token_key_request_with_pin (self, subject, NULL, error);
}
