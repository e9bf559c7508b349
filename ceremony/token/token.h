/* A PKCS#11 token, from finding it to reading a key back. Selection is by RFC 7512 URI or by label and serial, never by slot number.
 * Calls block as long as the device does: run/ calls them in a worker thread. JSON results are what the events hold (docs/formats.md). */
#pragma once
#include <gio/gio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "ceremony/base/cjson.h"
#include "ceremony/base/secret.h"

#define TOKEN_ERROR (token_error_quark ())
GQuark token_error_quark (void);
typedef enum {
    TOKEN_ERROR_FAILED,             /* the message holds the CKR */
    TOKEN_ERROR_MODULE,             /* the module can't be loaded or initialised */
    TOKEN_ERROR_ABSENT,             /* no token matches, or it was pulled */
    TOKEN_ERROR_AMBIGUOUS,          /* more than one matches: the message lists their URIs */
    TOKEN_ERROR_PIN_WRONG,          /* one try is gone */
    TOKEN_ERROR_PIN_LOCKED,         /* no try is left */
    TOKEN_ERROR_PIN_FINAL_TRY,      /* the message says so; nothing was tried */
    TOKEN_ERROR_EXISTS,             /* an object of that label or id is there already */
    TOKEN_ERROR_TWIN,               /* more or fewer than one object where exactly one must be, or another public key */
    TOKEN_ERROR_UNSUPPORTED,        /* the token can't generate that algorithm */
} TokenError;

typedef struct TokenModules TokenModules;   /* loaded modules; finalises them when freed */
/* Loads every module registered with p11-kit, and @module_path (absolute; may be NULL; alone where @only is TRUE). A module that fails to load is
 * named in @warnings (may be NULL; strings) and passed over; none at all is TOKEN_ERROR_MODULE. */
TokenModules *token_modules_load (const char *module_path, gboolean only, GPtrArray *warnings, GError **error);
void token_modules_free (TokenModules *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TokenModules, token_modules_free)
/* Every token present: {"module":{path,sha256,manufacturer,description,version,cryptoki,registered,libraries:[{path,sha256}]},"slot":{…},"token":{label,manufacturer,model,serial,
 * hardware,firmware,flags:[…],pin_state, and counters},"uri","mechanisms":[{"name","min","max","flags":[…]} or {"name","error":CKR}],"algorithms":["rsa-3072",…]}. New reference, array. */
json_t *token_modules_list (TokenModules *self, GError **error);

typedef struct Token Token;                 /* one token, selected; holds a read-write session */
/* @uri: RFC 7512 with any of token, serial, manufacturer, model, slot-description; module-path and pin-value are refused (a PIN in a URI ends up in logs). */
Token *token_open (TokenModules *modules, const char *uri, GError **error);
void   token_close (Token *self);           /* logs out; ready for an unplug challenge */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Token, token_close)
const char *token_uri (const Token *self);  /* with label, serial, manufacturer, model */
json_t *token_info (Token *self, GError **error);   /* as one entry of token_modules_list, new reference */
/* "ok", "count-low", "final-try", "locked", "not-initialised", "to-be-changed" (the PIN that the maker set, or one that has expired), and whether it has a PIN
 * pad (then @pin of login is NULL). */
const char *token_pin_state (Token *self);
gboolean token_has_pinpad (Token *self);
/* Whether a login may be tried at all, by what the token says of its PIN: asked before anybody types one. @state (may be NULL) gets the PIN's state. Errors:
 * PIN_LOCKED, PIN_FINAL_TRY unless @even_final. */
gboolean token_may_log_in (Token *self, gboolean even_final, const char **state, GError **error);
/* Logs in as user. The PIN is given to C_Login alone (never to libp11, which keeps a copy). On the final try refuses with PIN_FINAL_TRY unless @even_final. */
gboolean token_login (Token *self, const Secret *pin, gboolean even_final, GError **error);
gboolean token_logged_in (Token *self);
/* Asks the module: the session is alive, and where there was a login it still holds. FALSE after the token was pulled out, or logged us out by itself. */
gboolean    token_ready (Token *self);

/* Whether the token gives one more session beside ours: asked before libp11 is let loose on it, which waits for ever where it gets none (0.4.12). */
gboolean    token_spare_session (Token *self, GError **error);

/* What the token holds: {"private_keys":n,"public_keys":n,"certificates":n,"secret_keys":n,"data":n,"logged_in":bool,"truncated":bool,
 * "objects":[{"class","label","id":"hex","key_type","subject"?,"spki_sha256"?,"unread"?:{name:CKR}}]}; at most 500 objects. Before the login a token hides its private ones. */
json_t *token_inventory (Token *self, GError **error);
/* How many objects (private, public, secret, certificates) bear @label or @id (either NULL). Needs the login, without which zero means nothing. */
gboolean token_count (Token *self, const char *label, GBytes *id, guint *with_label, guint *with_id, GError **error);

typedef struct {
    const char *algorithm;                  /* "rsa-3072", "rsa-4096", "ec-p256", "ec-p384" */
    const char *label;
    GBytes     *id;                         /* CKA_ID, 16 bytes */
} TokenKeySpec;
typedef struct TokenKey TokenKey;           /* never outlives its Token: the pair by the handles that C_GenerateKeyPair gave, or found again by token_find_key */
/* Generates. Refuses an existing label or id (TOKEN_ERROR_EXISTS). @tried gets an array of {"template":"full|no-verify|…","result":"CKR_…"} */
TokenKey *token_generate (Token *self, const TokenKeySpec *spec, json_t **tried, GError **error);
/* The key of @label and @id whose public key has @spki_sha256 (32 bytes; NULL where a crash came before it was known): exactly one private and one
 * public object, else TOKEN_ERROR_TWIN. For resume, and after unplugging. */
TokenKey *token_find_key (Token *self, const TokenKeySpec *spec, const guint8 *spki_sha256, GError **error);
void token_key_free (TokenKey *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TokenKey, token_key_free)
/* "CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_EC_KEY_PAIR_GEN" (or X9.31): the mechanism used; NULL where found again. */
const char *token_key_mechanism (const TokenKey *self);
EVP_PKEY   *token_key_public (const TokenKey *self);        /* plain software public key, borrowed */
GBytes     *token_key_spki (const TokenKey *self, GError **error); /* DER */
/* Attributes of both objects read through the handles: {"private":{"cka_local":{"value":true},"cka_unique_id":{"error":"unavailable"},…},"public":{…}}.
 * Each has "value" or "error" ("unavailable" for CKR_ATTRIBUTE_TYPE_INVALID and CK_UNAVAILABLE_INFORMATION, "sensitive", "malformed" for bytes that don't
 * fit the attribute, else the CKR's name). Only a token that is gone makes the whole call fail. */
json_t *token_key_attributes (TokenKey *self, GError **error);
/* Exactly one private and one public object bear the label, exactly one each the id, the public objects' key is ours and matches the private key's public
 * parts where readable: else TOKEN_ERROR_TWIN with what was found. @found gets {"private_with_label":n,"private_with_id":n,"public_with_label":n,"public_with_id":n}. */
gboolean token_key_unique (TokenKey *self, json_t **found, GError **error);
/* Signs @data through the key's handle: RSA PKCS#1 v1.5 with SHA-256, or ECDSA with SHA-256 (P-384: SHA-384), in X.509's encoding (ECDSA as DER).
 * @context_pin: for always-authenticate keys, else NULL. @mechanism and @hash get static names. Verified with the public key before it is returned. */
GBytes *token_key_sign (TokenKey *self, const void *data, gsize len, const Secret *context_pin, const char **mechanism, const char **hash, GError **error);
gboolean token_key_always_authenticate (TokenKey *self);
/* The CSR (PKCS#10) of @subject for this key, not signed yet, with the attributes of @carrying (another request; may be NULL); @tbs gets the bytes that the signature is over, so that they can be journaled before. X509_REQ_free. */
X509_REQ *token_key_request_new (const TokenKey *self, X509_NAME *subject, X509_REQ *carrying, GBytes **tbs, GError **error);
/* Signs it as token_key_sign does, after token_key_unique; verified as a whole with the plain public key. */
gboolean  token_key_request_sign (TokenKey *self, X509_REQ *request, const Secret *context_pin, GError **error);
/* Both at once. */
X509_REQ *token_key_request (TokenKey *self, X509_NAME *subject, const Secret *context_pin, GError **error);

/* Waits until the token is gone, or back (again found by URI, in whatever slot). @cancel stops it (BASE_ERROR_ABORTED); at the end of @timeout_ms
 * TOKEN_ERROR_FAILED (still there) or TOKEN_ERROR_ABSENT (not back). @observed gets what slot and module said, with milliseconds since the call:
 * [{"ms","what":"slot-event|session-failed|device-removed|other-token|token-present","detail"}]; "other-token" is another one put in instead, by its URI.
 * The session is closed when gone; after the return it needs login, and keys must be found again (token_find_key). */
gboolean token_wait_removed (Token *self, guint timeout_ms, GCancellable *cancel, json_t **observed, GError **error);
gboolean token_wait_returned (Token *self, guint timeout_ms, GCancellable *cancel, json_t **observed, GError **error);
