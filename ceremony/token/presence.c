/* The unplug challenge: seeing a token go and come back. Slot events are unreliable (many modules have none, some only for the first reader), so slot
 * and session are asked every 100 ms, and an event is only one more observation. */
#include <string.h>
#include "ceremony/base/clock.h"
#include "ceremony/token/internal.h"

#define POLL_MS 100

typedef struct {
    gint64        began, timeout_ms;
    GCancellable *cancel;
    json_t       *observed;
} Watch;

/* What is seen again at the next look is told once. */
static void
observe (Watch *watch, const char *what, const char *detail)
{
    const json_t *before = json_array_get (watch->observed, json_array_size (watch->observed) - 1);
    if (before && g_strcmp0 (cjson_str (before, "what", NULL), what) == 0 && g_strcmp0 (cjson_str (before, "detail", NULL), detail) == 0)
        return;
    json_array_append_new (watch->observed, json_pack ("{s:I, s:s, s:s}", "ms", (json_int_t) (clock_boot_ms () - watch->began), "what", what,
                                                       "detail", detail));
}

static void
observe_event (Watch *watch, Token *self)
{
    CK_SLOT_ID slot = 0;
    if (self->module->f->C_WaitForSlotEvent (CKF_DONT_BLOCK, &slot, NULL) == CKR_OK)
        observe (watch, "slot-event", slot == self->slot ? "in the token's slot" : "in another slot");
}

/* FALSE when time is up or a person ended it. */
static gboolean
go_on (Watch *watch, const char *waited_for, TokenError code, GError **error)
{
    if (g_cancellable_is_cancelled (watch->cancel)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_ABORTED, "%s: cancelled", waited_for);
        return FALSE;
    }
    if (clock_boot_ms () - watch->began >= watch->timeout_ms) {
        g_set_error (error, TOKEN_ERROR, code, "%s: it didn't happen within %" G_GINT64_FORMAT " seconds; try again, or note a deviation", waited_for,
                     (watch->timeout_ms + 999) / 1000);
        return FALSE;
    }
    g_usleep (POLL_MS * 1000);
    return TRUE;
}

static gboolean
slot_is_empty (Watch *watch, Token *self)
{
    CK_SLOT_INFO info = { 0 };
    CK_RV rv = self->module->f->C_GetSlotInfo (self->slot, &info);
    if (rv == CKR_OK && (info.flags & CKF_TOKEN_PRESENT))
        return FALSE;
    if (rv != CKR_OK && !ckr_is_gone (rv))
        return FALSE;
    observe (watch, "device-removed", rv == CKR_OK ? "the slot is empty" : ckr_name (rv));
    return TRUE;
}

/* A token that is back already between two looks has lost its session. */
static gboolean
session_is_dead (Watch *watch, Token *self)
{
    CK_SESSION_INFO info = { 0 };
    CK_RV rv = self->module->f->C_GetSessionInfo (self->session, &info);
    if (!ckr_is_gone (rv) && rv != CKR_DEVICE_ERROR)
        return FALSE;
    observe (watch, rv == CKR_DEVICE_REMOVED ? "device-removed" : "session-failed", ckr_name (rv));
    return TRUE;
}

/* URIs of the tokens that are in @module's slots now; NULL where one couldn't be asked. */
static GHashTable *
tokens_present (Module *module)
{
    GHashTable *uris = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    CK_RV rv;
    g_autoptr(GArray) slots = module_slots (module, TRUE, &rv);
    for (guint i = 0; rv == CKR_OK && i < slots->len; i++) {
        CK_TOKEN_INFO info = { 0 };
        rv = module_token_info (module, g_array_index (slots, CK_SLOT_ID, i), &info);
        if (rv == CKR_OK)
            g_hash_table_add (uris, uri_of_token (&info));
    }
    if (rv == CKR_OK)
        return uris;
    g_hash_table_unref (uris);
    return NULL;
}

gboolean
token_wait_removed (Token *self, guint timeout_ms, GCancellable *cancel, json_t **observed, GError **error)
{
    g_autoptr(json_t) list = json_array ();
    Watch watch = { clock_boot_ms (), timeout_ms, cancel, list };
    if (observed)
        *observed = json_incref (list);
    if (!token_need_session (self, error))
        return FALSE;
    g_clear_pointer (&self->known, g_hash_table_unref);
    for (;;) {
        for (guint attempt = 0; !self->known && attempt < 3; attempt++)
            self->known = tokens_present (self->module);    /* before ours is gone */
        observe_event (&watch, self);
        gboolean empty = slot_is_empty (&watch, self), dead = session_is_dead (&watch, self);
        if (empty || dead)
            break;
        if (!go_on (&watch, "waiting for the token to be pulled out", TOKEN_ERROR_FAILED, error))
            return FALSE;
    }
    token_drop_session (self);
    return TRUE;
}

/* Another device put in instead of ours is just what the witness should hear of. */
static void
observe_others (Watch *watch, Module *module, GHashTable *known)
{
    g_autoptr(GHashTable) now = tokens_present (module);
    GHashTableIter iter;
    gpointer uri;
    if (!now)
        return;
    g_hash_table_iter_init (&iter, now);
    while (g_hash_table_iter_next (&iter, &uri, NULL))
        if (g_hash_table_add (known, g_strdup (uri)))
            observe (watch, "other-token", uri);
}

gboolean
token_wait_returned (Token *self, guint timeout_ms, GCancellable *cancel, json_t **observed, GError **error)
{
    g_autoptr(json_t) list = json_array ();
    Watch watch = { clock_boot_ms (), timeout_ms, cancel, list };
    if (observed)
        *observed = json_incref (list);
    guint missed = 0;
    token_drop_session (self);
    if (!self->known)
        self->known = tokens_present (self->module);
    if (!self->known)
        self->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    for (;;) {
        Module *module;
        CK_SLOT_ID slot;
        g_autoptr(GError) why = NULL;
        observe_event (&watch, self);
        if (token_locate (self, &module, &slot)) {
            gboolean moved = slot != self->slot;
            if (token_take_slot (self, module, slot, &why)) {
                observe (&watch, "token-present", moved ? "in another slot" : "in the same slot");
                return TRUE;
            }
            observe (&watch, "session-failed", why->message);   /* readers report a card before it answers */
        } else if (missed++ > 0)         /* not at the first look: one answer that fails isn't an absence */
            observe_others (&watch, self->module, self->known);
        if (!go_on (&watch, "waiting for the token to come back", TOKEN_ERROR_ABSENT, error))
            return FALSE;
    }
}
