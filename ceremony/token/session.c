/* One token: finding it by URI, its session, its PIN. The PIN goes from the locked page straight into C_Login and nowhere else. */
#include <string.h>
#include "ceremony/token/internal.h"

#define LISTED_MAX 10

typedef struct { Module *module; CK_SLOT_ID slot; CK_TOKEN_INFO info; } Match;

/* Whether @uri fits the token in @slot. @rv: what kept it from being asked. */
static gboolean
slot_matches (Module *module, CK_SLOT_ID slot, P11KitUri *uri, CK_TOKEN_INFO *info, CK_RV *rv)
{
    CK_SLOT_INFO slot_info = { 0 };
    *rv = module_slot_info (module, slot, &slot_info);
    if (*rv != CKR_OK || !(slot_info.flags & CKF_TOKEN_PRESENT))
        return FALSE;
    *rv = module_token_info (module, slot, info);
    return *rv == CKR_OK && p11_kit_uri_match_module_info (uri, &module->info) && p11_kit_uri_match_slot_info (uri, &slot_info)
        && p11_kit_uri_match_token_info (uri, info);
}

/* Every token that @uri fits. */
typedef struct {
    GArray *list;                           /* Match */
    guint   blank;                          /* those not initialised are only counted */
    char   *trouble;                        /* what a module answered that could not be asked; NULL */
} Matches;

static void
matches_clear (Matches *self)
{
    g_clear_pointer (&self->list, g_array_unref);
    g_clear_pointer (&self->trouble, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Matches, matches_clear)

static void
note_trouble (Matches *self, const Module *module, CK_RV rv)
{
    if (!self->trouble && rv != CKR_OK && !ckr_is_gone (rv))
        self->trouble = g_strdup_printf ("%s answered %s", module->path, ckr_name (rv));
}

static void
find_in_module (Matches *self, Module *module, P11KitUri *uri)
{
    CK_RV rv;
    g_autoptr(GArray) slots = module_slots (module, TRUE, &rv);
    note_trouble (self, module, rv);
    for (guint i = 0; i < slots->len; i++) {
        Match match = { .module = module, .slot = g_array_index (slots, CK_SLOT_ID, i) };
        gboolean fits = slot_matches (module, match.slot, uri, &match.info, &rv);
        note_trouble (self, module, rv);
        if (fits && (match.info.flags & CKF_TOKEN_INITIALIZED))
            g_array_append_val (self->list, match);
        else if (fits)
            self->blank++;
    }
}

static Matches
find_matches (TokenModules *modules, P11KitUri *uri)
{
    Matches self = { .list = g_array_new (FALSE, TRUE, sizeof (Match)) };
    for (guint i = 0; i < modules->modules->len; i++)
        find_in_module (&self, modules->modules->pdata[i], uri);
    return self;
}

static gboolean
just_one (const Matches *matches, const char *uri, GError **error)
{
    if (matches->list->len == 1)
        return TRUE;
    if (matches->list->len == 0) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "no token matches %s%s%s%s%s; put it in, and look at what `ceremony tokens` lists", uri,
                     matches->blank ? ", but one that isn't initialised yet: initialise it with the maker's tool" : "",
                     matches->trouble ? " (asked what is there, " : "", matches->trouble ? matches->trouble : "", matches->trouble ? ")" : "");
        return FALSE;
    }
    g_autoptr(GString) list = g_string_new (NULL);
    for (guint i = 0; i < matches->list->len && i < LISTED_MAX; i++) {
        Match *match = &g_array_index (matches->list, Match, i);
        g_autofree char *one = uri_of_token (&match->info);
        g_string_append_printf (list, "\n  %s  (%s)", one, match->module->path);
    }
    if (matches->list->len > LISTED_MAX)
        g_string_append_printf (list, "\n  and %u more", matches->list->len - LISTED_MAX);
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_AMBIGUOUS, "%u tokens match %s; name one of them by its URI, or pull the others out:%s", matches->list->len, uri,
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
    gboolean opened = rv == CKR_OK;
    if (opened)
        rv = module_token_info (module, slot, &self->info);
    if (rv != CKR_OK) {
        if (opened)
            module->f->C_CloseSession (self->session);
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
    g_auto(Matches) matches = find_matches (modules, parsed);
    if (!just_one (&matches, uri, error))
        return NULL;
    Match *match = &g_array_index (matches.list, Match, 0);
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
    g_autoptr(P11KitUri) uri = uri_parse (self->uri, NULL);
    if (!uri)
        return FALSE;
    g_auto(Matches) matches = find_matches (self->modules, uri);
    for (guint i = 0; i < matches.list->len; i++) {
        Match *match = &g_array_index (matches.list, Match, i);
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
token_unwedge (Token *self, const char *what, GError **error)
{
    token_drop_session (self);
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_ABSENT, "%s: an operation that failed before is still open there, so the session with the token was ended; try again: "
                 "the PIN is asked anew", what);
}

void
token_close (Token *self)
{
    if (!self)
        return;
    token_drop_session (self);
    g_clear_pointer (&self->known, g_hash_table_unref);
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
    if (module_token_info (self->module, self->slot, &info) == CKR_OK)
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
token_spare_session (Token *self, GError **error)
{
    CK_SESSION_HANDLE spare = NO_SESSION;
    CK_RV rv = self->module->f->C_OpenSession (self->slot, CKF_SERIAL_SESSION, NULL, NULL, &spare);
    if (rv != CKR_OK)
        return ckr_fail (error, rv, "opening one more session with the token");
    self->module->f->C_CloseSession (spare);
    return TRUE;
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
token_may_log_in (Token *self, gboolean even_final, const char **state_out, GError **error)
{
    if (!token_need_session (self, error))
        return FALSE;
    const char *state = token_pin_state (self);
    if (state_out)
        *state_out = state;
    if (g_str_equal (state, "locked"))
        return fail_locked (error);
    if (g_str_equal (state, "final-try") && !even_final) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_PIN_FINAL_TRY,
                     "the token says that one try is left: a wrong PIN now locks it. Nothing was tried; be certain of the PIN, then confirm the last try");
        return FALSE;
    }
    return TRUE;
}

gboolean
token_login (Token *self, const Secret *pin, gboolean even_final, GError **error)
{
    if (!token_may_log_in (self, even_final, NULL, error))
        return FALSE;
    if (!pin && !token_has_pinpad (self)) {
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "this token has no PIN pad; type the PIN here");
        return FALSE;
    }
    self->logged_in = FALSE;
    return self->logged_in = token_call_login (self, CKU_USER, pin, error);
}
