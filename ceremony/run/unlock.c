/* Finding and unlocking the token, and the key on it: at the beginning, after an unplug challenge, and after a resume, when what the journal tells of must be found
 * again. The PIN lives no longer than the login. */
#include "ceremony/run/engine.h"
#include <string.h>

typedef struct { const char *uri; const Secret *pin; gboolean even_final; const char *state; json_t *info; TokenKeySpec spec; const guint8 *spki; json_t *found; } TokenArgs;

static void
forget (Run *run)
{
    g_clear_pointer (&run->key, token_key_free);
    g_clear_pointer (&run->token, token_close);
}

static gboolean
call_forget (Run *run, gpointer data, GError **error)
{
    forget (run);
    return TRUE;
}

static gboolean
call_open (Run *run, gpointer data, GError **error)
{
    TokenArgs *args = data;

    forget (run);
    run->token = token_open (run->modules, args->uri, error);
    if (run->token == NULL)
        return FALSE;
    args->info = token_info (run->token, error);
    if (args->info == NULL)
        g_clear_pointer (&run->token, token_close);
    return args->info != NULL;
}

static gboolean
call_login (Run *run, gpointer data, GError **error)
{
    TokenArgs *args = data;

    if (!token_login (run->token, args->pin, args->even_final, error))
        return FALSE;
    args->state = token_pin_state (run->token);
    return TRUE;
}

static gboolean
refused (Run *run, const char *reason, const char *message, GError **error)
{
    g_autofree char *text = g_utf8_make_valid (message, -1);

    return run_event (run, "token.refused", "appliance", json_pack ("{s:s,s:s}", "reason", reason, "message", text), error);
}

/* The token that the ceremony began with must be the one that it goes on with: same maker, model and serial number. */
static gboolean
same_device (Run *run, const json_t *info, GError **error)
{
    static const char *const keys[] = { "manufacturer", "model", "serial" };
    const json_t *now = json_object_get (info, "token"), *first = NULL;

    for (guint64 seq = 0; seq < journal_size (run->journal) && first == NULL; seq++) {
        const Event *event = journal_event (run->journal, seq);
        if (strcmp (event->type, "token.found") == 0)
            first = json_object_get (event->data, "token");
    }
    for (gsize i = 0; first && i < G_N_ELEMENTS (keys); i++)
        if (!json_equal (json_object_get (first, keys[i]), json_object_get (now, keys[i]))) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "this is another token than the one that the ceremony began with (its %s differs): the key could not be "
                         "shown to come from one device; connect the first token, or abort and begin a new ceremony", keys[i]);
            return FALSE;
        }
    return TRUE;
}

void
run_forget_token (Run *run)
{
    if (run->token == NULL || !run_token_call (run, "Letting go of the token", call_forget, NULL, NULL))
        forget (run);
}

static gboolean
open_token (Run *run, const char *uri, GError **error)
{
    TokenArgs args = { .uri = uri };
    gboolean ok;

    if (!run_token_call (run, "Looking for the token", call_open, &args, error))
        return FALSE;
    ok = same_device (run, args.info, error);
    if (ok) {
        screen_token (run, args.info);
        ok = run_event (run, "token.found", "appliance", args.info, error);
    } else {
        json_decref (args.info);
    }
    if (!ok)
        run_forget_token (run);
    return ok;
}

/* Opens the token, asking to plug it in as long as it isn't there. */
static gboolean
open_patiently (Run *run, const char *uri, GError **error)
{
    static const char *const choices[] = { "It is connected now: look again", "Stop here; resume later", "Abort the ceremony", NULL };

    for (;;) {
        g_autoptr(GError) failed = NULL;
        int choice;
        if (open_token (run, uri, &failed))
            return TRUE;
        if (!g_error_matches (failed, TOKEN_ERROR, TOKEN_ERROR_ABSENT) || run->stop != STOP_NONE) {
            g_propagate_error (error, g_steal_pointer (&failed));
            return FALSE;
        }
        if (!refused (run, "absent", failed->message, error))
            return FALSE;
        screen_say (run, MOOD_ERROR, "%s", failed->message);
        choice = run_ask_choice (run, "token.absent", "operator", "The token isn't there", failed->message, choices, error);
        if (choice < 0)
            return FALSE;
        if (choice == 1)
            run->stop = STOP_INTERRUPT;
        if (choice == 2)
            run_abort (run, "the token could not be found");
        if (choice > 0)
            return run_stopped (run, error);
    }
}

static gboolean
locked (Run *run, const char *message, GError **error)
{
    static const char *const choices[] = { "Try again (the PIN was unlocked elsewhere)", "Stop here; resume later", "Abort the ceremony", NULL };
    int choice = run_ask_choice (run, "token.locked", "operator", "The token's PIN is locked", message, choices, error);

    if (choice <= 0)
        return choice == 0;
    if (choice == 1)
        run->stop = STOP_INTERRUPT;
    else
        run_abort (run, "the token's PIN is locked");
    return run_stopped (run, error);
}

/* What a failed login means for the ceremony, and whether to ask again. */
static gboolean
after_refusal (Run *run, const GError *failed, gboolean *even_final, GError **error)
{
    if (g_error_matches (failed, TOKEN_ERROR, TOKEN_ERROR_PIN_WRONG)) {
        if (!refused (run, "wrong-pin", failed->message, error))
            return FALSE;
        screen_say (run, MOOD_ERROR, "%c%s. Nothing is lost: type the PIN again, slowly. Too many wrong tries lock the token.", g_ascii_toupper (failed->message[0]), failed->message + 1);
        return TRUE;
    }
    if (g_error_matches (failed, TOKEN_ERROR, TOKEN_ERROR_PIN_FINAL_TRY)) {
        int yes = run_ask_yes_no (run, "pin.final", "operator", "This is the last try before the token locks. Try it?", failed->message, error);
        *even_final = yes == 1;
        if (yes == 0)
            return locked (run, failed->message, error);
        return yes == 1;
    }
    if (g_error_matches (failed, TOKEN_ERROR, TOKEN_ERROR_PIN_LOCKED)) {
        screen_say (run, MOOD_ERROR, "%s", failed->message);
        return refused (run, "locked-pin", failed->message, error) && locked (run, failed->message, error);
    }
    if (run->stop == STOP_NONE && !refused (run, g_error_matches (failed, TOKEN_ERROR, TOKEN_ERROR_ABSENT) ? "absent" : "failed", failed->message, error))
        return FALSE;
    if (error)
        *error = g_error_copy (failed);
    return FALSE;
}

static gboolean
call_may_log_in (Run *run, gpointer data, GError **error)
{
    TokenArgs *args = data;

    return token_may_log_in (run->token, args->even_final, &args->state, error);
}

/* What the token says of its PIN before one is typed. */
static const char *
pin_detail (const char *state)
{
    static const char *const details[][2] = {
        { "count-low", "The token says that a wrong PIN was typed before and few tries are left: type it slowly. It is neither shown nor recorded." },
        { "final-try", "This is the last try: a wrong PIN locks the token. It is neither shown nor recorded." },
        { "not-initialised", "The token says that no PIN was set yet: if it refuses, set one with the maker's tool. It is neither shown nor recorded." },
        { "to-be-changed", "The token says that this PIN is its maker's or has expired and should be changed. It is neither shown nor recorded." },
    };

    for (gsize i = 0; i < G_N_ELEMENTS (details); i++)
        if (strcmp (details[i][0], state) == 0)
            return details[i][1];
    return "It is neither shown nor recorded.";
}

/* One try: the token is asked whether it takes one, then the operator for the PIN. FALSE with @failed: the token refuses; with @error: the ceremony stops. */
static gboolean
try_pin (Run *run, TokenArgs *args, gboolean pinpad, GError **failed, GError **error)
{
    g_autoptr(Secret) pin = NULL;
    gboolean ok;

    if (!run_token_call (run, "Asking the token about its PIN", call_may_log_in, args, failed))
        return FALSE;
    if (!pinpad && (pin = run_ask_pin (run, "pin", "The token's PIN", pin_detail (args->state), error)) == NULL)
        return FALSE;
    if (pinpad)
        screen_say (run, strcmp (args->state, "ok") == 0 ? MOOD_NORMAL : MOOD_WARNING, "Enter the PIN on the token's own keypad. %s", pin_detail (args->state));
    args->pin = pin;
    ok = run_token_call (run, pinpad ? "Waiting for the PIN on the token's own keypad" : "The token checks the PIN", call_login, args, failed);
    args->pin = NULL;
    return ok;
}

static gboolean
log_in (Run *run, GError **error)
{
    gboolean even_final = FALSE, pinpad = token_has_pinpad (run->token);
    g_autofree char *uri = g_strdup (token_uri (run->token));
    TokenArgs args;

    for (;;) {
        g_autoptr(GError) failed = NULL;
        args = (TokenArgs){ .even_final = even_final };
        if (try_pin (run, &args, pinpad, &failed, error))
            break;
        if (failed == NULL)
            return FALSE;
        even_final = FALSE;
        if (!after_refusal (run, failed, &even_final, error))
            return FALSE;
    }
    screen_say (run, MOOD_NORMAL, "The token is unlocked.");
    return run_event (run, "token.unlocked", "operator", json_pack ("{s:s,s:b,s:s}", "uri", uri, "pinpad", (int) pinpad, "pin_state",
                      args.state), error);
}

gboolean
run_unlock (Run *run, const char *uri, GError **error)
{
    return open_patiently (run, uri, error) && log_in (run, error);
}

gboolean
run_need_token (Run *run, GError **error)
{
    const Event *found = run_last_event (run, "token.found");
    g_autofree char *uri = found ? g_strdup (cjson_str (found->data, "uri", NULL)) : NULL;

    if (run->token != NULL && token_logged_in (run->token))
        return TRUE;
    if (uri == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "no token was chosen yet: the script must have select-token before this step");
        return FALSE;
    }
    screen_say (run, MOOD_NORMAL, "The token is needed again.");
    return run_unlock (run, uri, error);
}

static gboolean
call_find (Run *run, gpointer data, GError **error)
{
    TokenArgs *args = data;

    run->key = token_find_key (run->token, &args->spec, args->spki, error);
    return run->key != NULL && token_key_unique (run->key, &args->found, error);
}

static gboolean
call_attributes (Run *run, gpointer data, GError **error)
{
    TokenArgs *args = data;

    args->found = token_key_attributes (run->key, error);
    return args->found != NULL;
}

gboolean
run_read_attributes (Run *run, const char *occasion, GError **error)
{
    TokenArgs args = { 0 };

    if (!run_token_call (run, "Reading the key's attributes", call_attributes, &args, error))
        return FALSE;
    json_object_set_new (args.found, "occasion", json_string (occasion));
    return run_event (run, "attributes.read", "appliance", args.found, error);
}

gboolean
run_need_key (Run *run, GError **error)
{
    const Event *generated = run_last_event (run, "key.generated");
    g_autoptr(GBytes) id = NULL, spki = NULL;
    TokenArgs args = { 0 };

    if (!run_need_token (run, error))
        return FALSE;
    if (run->key != NULL)
        return TRUE;
    if (generated == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "no key was generated yet: the script must have generate before this step");
        return FALSE;
    }
    generated = run_last_event (run, "key.generated");
    id = hex_decode (cjson_str (generated->data, "id", NULL), error);
    spki = id ? hex_decode (cjson_str (generated->data, "spki_sha256", NULL), error) : NULL;
    if (spki == NULL)
        return FALSE;
    args.spec = (TokenKeySpec){ run->algorithm, run->label, id };
    args.spki = g_bytes_get_data (spki, NULL);
    if (!run_token_call (run, "Finding the key again", call_find, &args, error)) {
        g_clear_pointer (&run->key, token_key_free);
        g_clear_pointer (&args.found, json_decref);
        return FALSE;
    }
    json_decref (args.found);
    return TRUE;
}
