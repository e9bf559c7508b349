/* One token: finding it by URI, its session, its PIN. The PIN goes from the locked page straight into C_Login and nowhere else. */
#include <string.h>
#include "ceremony/token/internal.h"

typedef struct { Module *module; CK_SLOT_ID slot; CK_TOKEN_INFO info; } Match;

static gboolean
slot_matches (Module *module, CK_SLOT_ID slot, P11KitUri *uri, CK_TOKEN_INFO *info)
{
    CK_SLOT_INFO slot_info = { 0 };
    return module->f->C_GetSlotInfo (slot, &slot_info) == CKR_OK && (slot_info.flags & CKF_TOKEN_PRESENT)
        && module->f->C_GetTokenInfo (slot, info) == CKR_OK
        && p11_kit_uri_match_module_info (uri, &module->info) && p11_kit_uri_match_slot_info (uri, &slot_info)
        && p11_kit_uri_match_token_info (uri, info);
}

/* Every token that @uri fits; those not initialised only counted. Match elements. */
static GArray *
find_matches (TokenModules *modules, P11KitUri *uri, guint *blank)
{
    GArray *matches = g_array_new (FALSE, TRUE, sizeof (Match));
    *blank = 0;
    for (guint i = 0; i < modules->modules->len; i++) {
        Module *module = modules->modules->pdata[i];
        CK_RV rv;
        g_autoptr(GArray) slots = module_slots (module, TRUE, &rv);
        for (guint j = 0; j < slots->len; j++) {
            Match match = { .module = module, .slot = g_array_index (slots, CK_SLOT_ID, j) };
            if (!slot_matches (module, match.slot, uri, &match.info))
                continue;
            if (match.info.flags & CKF_TOKEN_INITIALIZED)
                g_array_append_val (matches, match);
            else
                ++*blank;
        }
    }
    return matches;
}

static gboolean
just_one (GArray *matches, guint blank, const char *uri, GError **error)
{
    if (matches->len == 1)
        return TRUE;
    if (matches->len == 0) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "no token matches %s%s; put it in, and look at what `ceremony tokens` lists", uri,
                     blank ? ", but one that isn't initialised yet: initialise it with the maker's tool" : "");
        return FALSE;
    }
    g_autoptr(GString) list = g_string_new (NULL);
    for (guint i = 0; i < matches->len; i++) {
        Match *match = &g_array_index (matches, Match, i);
        g_autofree char *one = uri_of_token (&match->info);
        g_string_append_printf (list, "\n  %s  (%s)", one, match->module->path);
    }
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_AMBIGUOUS, "%u tokens match %s; name one of them by its URI, or pull the others out:%s", matches->len, uri,
                 list->str);
    return FALSE;
}

/* Never the same twice in a process, so that a key of an earlier Token at the same address isn't taken for one of ours. */
static guint
next_generation (void)
{
    static gint last;
    return (guint) g_atomic_int_add (&last, 1) + 1;
}

gboolean
token_take_slot (Token *self, Module *module, CK_SLOT_ID slot, GError **error)
{
    CK_RV rv = module->f->C_OpenSession (slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &self->session);
    if (rv == CKR_OK)
        rv = module->f->C_GetTokenInfo (slot, &self->info);
    if (rv != CKR_OK) {
        self->session = NO_SESSION;
        return ckr_fail (error, rv, "opening a session with the token");
    }
    self->module = module;
    self->slot = slot;
    self->logged_in = FALSE;
    self->generation = next_generation ();
    return TRUE;
}

Token *
token_open (TokenModules *modules, const char *uri, GError **error)
{
    g_autoptr(P11KitUri) parsed = uri_parse (uri, error);
    if (!parsed)
        return NULL;
    guint blank;
    g_autoptr(GArray) matches = find_matches (modules, parsed, &blank);
    if (!just_one (matches, blank, uri, error))
        return NULL;
    Match *match = &g_array_index (matches, Match, 0);
    g_autoptr(Token) self = g_new0 (Token, 1);
    self->modules = modules;
    self->session = NO_SESSION;
    self->uri = uri_of_token (&match->info);
    if (!token_take_slot (self, match->module, match->slot, error))
        return NULL;
    return g_steal_pointer (&self);
}

gboolean
token_locate (Token *self, Module **module, CK_SLOT_ID *slot)
{
    guint blank;
    g_autoptr(P11KitUri) uri = uri_parse (self->uri, NULL);
    if (!uri)
        return FALSE;
    g_autoptr(GArray) matches = find_matches (self->modules, uri, &blank);
    for (guint i = 0; i < matches->len; i++) {
        Match *match = &g_array_index (matches, Match, i);
        if (match->module != self->module)
            continue;
        *module = match->module;
        *slot = match->slot;
        return TRUE;
    }
    return FALSE;
}

void
token_drop_session (Token *self)
{
    if (self->session == NO_SESSION)
        return;
    if (self->logged_in)
        self->module->f->C_Logout (self->session);
    self->module->f->C_CloseSession (self->session);
    self->session = NO_SESSION;
    self->logged_in = FALSE;
    self->generation = next_generation ();
}

void
token_close (Token *self)
{
    if (!self)
        return;
    token_drop_session (self);
    g_free (self->uri);
    g_free (self);
}

const char *
token_uri (const Token *self)
{
    return self->uri;
}

json_t *
token_info (Token *self, GError **error)
{
    return slot_json (self->module, self->slot, error);
}

/* What the token says now; what it said last where it doesn't answer. */
static CK_FLAGS
fresh_flags (Token *self)
{
    CK_TOKEN_INFO info = { 0 };
    if (self->module->f->C_GetTokenInfo (self->slot, &info) == CKR_OK)
        self->info = info;
    return self->info.flags;
}

const char *
token_pin_state (Token *self)
{
    return pin_state_name (fresh_flags (self));
}

gboolean
token_has_pinpad (Token *self)
{
    return (self->info.flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0;
}

gboolean
token_logged_in (Token *self)
{
    return self->logged_in && self->session != NO_SESSION;
}

gboolean
token_ready (Token *self)
{
    CK_SESSION_INFO info = { 0 };
    if (self->session == NO_SESSION || self->module->f->C_GetSessionInfo (self->session, &info) != CKR_OK)
        return FALSE;
    return !self->logged_in || !(self->info.flags & CKF_LOGIN_REQUIRED) || info.state == CKS_RW_USER_FUNCTIONS || info.state == CKS_RO_USER_FUNCTIONS;
}

gboolean
token_need_session (Token *self, GError **error)
{
    if (self->session != NO_SESSION)
        return TRUE;
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "the token was pulled out; put it back and log in again");
    return FALSE;
}

gboolean
token_still_there (Token *self, GError **error)
{
    CK_SESSION_INFO info = { 0 };
    CK_RV rv = token_need_session (self, error) ? self->module->f->C_GetSessionInfo (self->session, &info) : CKR_OK;
    return rv == CKR_OK ? self->session != NO_SESSION : ckr_fail (error, rv, "reading from the token");
}

gboolean
token_need_login (Token *self, GError **error)
{
    if (!token_need_session (self, error))
        return FALSE;
    if (self->logged_in || !(self->info.flags & CKF_LOGIN_REQUIRED))
        return TRUE;
    return ckr_fail (error, CKR_USER_NOT_LOGGED_IN, "before the login a token hides its private keys");
}

static gboolean
fail_locked (GError **error)
{
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_PIN_LOCKED,
                 "the token's PIN is locked: too many wrong tries. Nothing recorded so far is lost. Unlock it with the maker's tool (it needs the SO PIN or PUK), "
                 "then go on with `ceremony resume`, or use another token in a new ceremony");
    return FALSE;
}

/* How many tries are left, as far as the flags tell; PKCS#11 has no number for it. */
static gboolean
fail_wrong_pin (Token *self, CK_RV rv, GError **error)
{
    static const struct { const char *state, *tells; } TELLS[] = {
        { "count-low", "the token says that few tries are left" },
        { "final-try", "the token says that just one try is left; another wrong PIN locks it" },
        { "ok", "the token doesn't say that few tries are left, but most allow three to ten in all" },
    };
    const char *state = token_pin_state (self);
    if (g_str_equal (state, "locked"))
        return fail_locked (error);
    ckr_fail (error, rv, "the token refused the PIN");
    for (gsize i = 0; error && *error && i < G_N_ELEMENTS (TELLS); i++)
        if (g_str_equal (TELLS[i].state, state)) {
            g_autofree char *before = (*error)->message;
            (*error)->message = g_strdup_printf ("%s; %s", before, TELLS[i].tells);
        }
    return FALSE;
}

gboolean
token_call_login (Token *self, CK_USER_TYPE user, const Secret *pin, GError **error)
{
    CK_FUNCTION_LIST *f = self->module->f;
    /* C_Login's parameter isn't const, but no module writes to it; a copy would be one more place to wipe. */
    CK_UTF8CHAR *bytes = pin ? (CK_UTF8CHAR *) (gpointer) secret_data (pin) : NULL;
    CK_ULONG len = pin ? secret_len (pin) : 0;
    CK_RV rv = f->C_Login (self->session, user, bytes, len);
    if (rv == CKR_USER_ALREADY_LOGGED_IN && user == CKU_USER) { /* by an earlier session of ours: this PIN must prove itself all the same */
        f->C_Logout (self->session);
        rv = f->C_Login (self->session, user, bytes, len);
    }
    if (rv == CKR_PIN_LOCKED)
        return fail_locked (error);
    if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE)
        return fail_wrong_pin (self, rv, error);
    return rv == CKR_OK ? TRUE : ckr_fail (error, rv, "logging in");
}

gboolean
token_login (Token *self, const Secret *pin, gboolean even_final, GError **error)
{
    if (!token_need_session (self, error))
        return FALSE;
    const char *state = token_pin_state (self);
    if (g_str_equal (state, "locked"))
        return fail_locked (error);
    if (g_str_equal (state, "final-try") && !even_final) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_PIN_FINAL_TRY,
                     "the token says that one try is left: a wrong PIN now locks it. Nothing was tried; be certain of the PIN, then confirm the last try");
        return FALSE;
    }
    if (!pin && !token_has_pinpad (self)) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "this token has no PIN pad; type the PIN here");
        return FALSE;
    }
    self->logged_in = FALSE;
    return self->logged_in = token_call_login (self, CKU_USER, pin, error);
}
