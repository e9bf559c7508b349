/* What the files of this room share. Nobody outside ceremony/token/ includes it. */
#pragma once
#include <p11-kit/pkcs11.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/token/token.h"

#define CKA_UNIQUE_ID_ 0x04UL               /* PKCS#11 3.0, unknown to p11-kit's header of 2.40 */

/* names.c: names of numbers. Static where known, else "0x%08lx" in a buffer of the calling thread, good until the fourth call after. */
const char *ckr_name (CK_RV rv);
const char *ckm_name (CK_MECHANISM_TYPE mechanism);
const char *cko_name (CK_OBJECT_CLASS class);
const char *ckk_name (CK_KEY_TYPE type);
typedef struct { CK_FLAGS flag; const char *name; } FlagName;
extern const FlagName TOKEN_FLAGS[], SLOT_FLAGS[], MECHANISM_FLAGS[];   /* each ends in a zero flag */
json_t *flags_json (CK_FLAGS flags, const FlagName *names);             /* array of names; unknown bits as "0x…" */
json_t *padded_json (const void *text, gsize len);                      /* a blank-padded field, trimmed, by cjson_bytes */
char   *padded_text (const void *text, gsize len);                      /* likewise for people: valid UTF-8; g_free */
json_t *version_json (CK_VERSION version);                              /* "2.40" */
/* Sets @error from @rv, as "@what: CKR_…: what it means; what to do". The TokenError follows from @rv. Returns FALSE. */
gboolean ckr_fail (GError **error, CK_RV rv, const char *format, ...) G_GNUC_PRINTF (3, 4);
gboolean ckr_is_gone (CK_RV rv);            /* the token or its session is no more */
gboolean ckr_may_pass (CK_RV rv);           /* a fault of device or machine that says nothing of what was asked: asking again may help */

/* modules.c */
typedef struct {
    CK_FUNCTION_LIST *f;
    char      *path;                        /* resolved */
    CK_INFO    info;
    gboolean   initialised_by_us, from_path;
    GPtrArray *libraries;                   /* paths of what it pulled in, sorted */
    json_t    *described;                   /* the "module" object, made once */
} Module;
struct TokenModules { GPtrArray *modules; };
/* The slots of @module (only those with a token where @present), refreshed. CK_SLOT_ID elements. */
GArray *module_slots (Module *module, gboolean present, CK_RV *rv);
/* A module that was shut down by another part of the process (libp11 does so when it fails half-way) is initialised again: its sessions are lost. */
void module_revive (Module *module);
/* Mechanisms of the token, sorted; CK_MECHANISM_TYPE elements. NULL with @rv where the token doesn't say. */
GArray *module_mechanisms (Module *module, CK_SLOT_ID slot, CK_RV *rv);
/* C_GetSlotInfo and C_GetTokenInfo. Their texts come out padded with blanks, as PKCS#11 wants them, where a module ends them with zeros: else no URI would match. */
CK_RV module_slot_info (Module *module, CK_SLOT_ID slot, CK_SLOT_INFO *info);
CK_RV module_token_info (Module *module, CK_SLOT_ID slot, CK_TOKEN_INFO *info);
json_t *module_json (Module *module);       /* borrowed */
json_t *slot_json (Module *module, CK_SLOT_ID slot, GError **error);    /* one entry of token_modules_list; new reference */

/* libraries.c: the shared objects that the module at @path needs, by the loader's own tables (DT_NEEDED, followed), and those of @more. */
GPtrArray *libraries_loaded (void);                                     /* paths of all loaded now */
GPtrArray *libraries_of (const char *path, GPtrArray *before, GPtrArray *after);

/* uri.c */
P11KitUri *uri_parse (const char *text, GError **error);
char      *uri_of_token (const CK_TOKEN_INFO *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (P11KitUri, p11_kit_uri_free)
const char *pin_state_name (CK_FLAGS flags);

/* session.c */
struct Token {
    TokenModules     *modules;
    Module           *module;
    CK_SLOT_ID        slot;
    CK_SESSION_HANDLE session;              /* NO_SESSION once the token is gone */
    char             *uri;
    CK_TOKEN_INFO     info;
    gboolean          logged_in;
    GHashTable       *known;                /* URIs of the tokens that were there before ours was pulled out; NULL */
    guint             generation;           /* another at each session: handles of an older one are worthless */
};
#define NO_SESSION ((CK_SESSION_HANDLE) 0)
gboolean token_need_session (Token *self, GError **error);
gboolean token_need_login (Token *self, GError **error);
/* Asks the session whether it still lives: what was read from a token that is gone meanwhile means nothing. */
gboolean token_still_there (Token *self, GError **error);
/* C_Login with @pin (NULL: the token's own PIN pad), its answers as errors a person understands. */
gboolean token_call_login (Token *self, CK_USER_TYPE user, const Secret *pin, GError **error);
void     token_drop_session (Token *self);  /* closes what is left of it */
/* A session in which an operation that failed half-way stands open (CKR_OPERATION_ACTIVE) is ended: signing would end the operation too, but nothing is signed that
 * nobody asked for. Sets @error, as of a token that is away. */
void     token_unwedge (Token *self, const char *what, GError **error);
/* Opens a session on @slot of @module and takes them over. */
gboolean token_take_slot (Token *self, Module *module, CK_SLOT_ID slot, GError **error);
/* Where the token of @self's URI is now: FALSE without error where nowhere. */
gboolean token_locate (Token *self, Module **module, CK_SLOT_ID *slot);

/* objects.c: handles and attributes */
#define ATTRIBUTE_MAX 65536
/* One attribute, alone; asked twice where the answer is a fault of the token and none of the attribute. @rv CKR_OK: its bytes; CKR_ATTRIBUTE_TYPE_INVALID also stands for CK_UNAVAILABLE_INFORMATION. */
GBytes *attribute_read (Token *self, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_RV *rv);
gboolean attribute_ulong (Token *self, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG *value);
/* Handles of the objects that match; CK_OBJECT_HANDLE elements. */
GArray *objects_find (Token *self, CK_ATTRIBUTE *match, CK_ULONG n, GError **error);
/* The plain public key that @object's own attributes give (RSA modulus and exponent, EC point, or CKA_PUBLIC_KEY_INFO); NULL where unreadable. */
EVP_PKEY *object_public (Token *self, CK_OBJECT_HANDLE object);

/* generate.c, key.c */
typedef struct {
    const char *name;
    CK_KEY_TYPE type;
    guint       bits;
    const char *group;                      /* OpenSSL's name of the curve, NULL for RSA */
    const char *hash;                       /* "SHA256", "SHA384" for OpenSSL */
    const guint8 *params;                   /* DER of the curve's OID */
    gsize       params_len;
} Algorithm;
extern const Algorithm ALGORITHMS[];        /* ends in a NULL name */
const Algorithm *algorithm_find (const char *name, GError **error);
/* The mechanism that generates @algorithm there; FALSE where none does. One that the token lists and can't tell the key sizes of is taken: generating will show. */
gboolean algorithm_mechanism (Module *module, CK_SLOT_ID slot, const Algorithm *algorithm, CK_MECHANISM_TYPE *mechanism);

struct TokenKey {
    Token            *token;                /* must outlive the key */
    guint             generation;
    CK_OBJECT_HANDLE  private_key, public_key;
    const Algorithm  *algorithm;
    char             *label;
    GBytes           *id;
    EVP_PKEY         *public;
    const char       *mechanism;            /* NULL where found again */
};
TokenKey *token_key_new (Token *self, const Algorithm *algorithm, const TokenKeySpec *spec, CK_OBJECT_HANDLE private_key, CK_OBJECT_HANDLE public_key,
                         const char *mechanism, GError **error);
gboolean token_key_ready (TokenKey *self, GError **error);  /* its handles still mean something */
