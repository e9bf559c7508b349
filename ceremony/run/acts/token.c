/* Acts on the token before anything is generated: finding and unlocking it, showing it, what it holds, that the name is free. */
#include "ceremony/run/acts/acts.h"
#include <string.h>

static gboolean
call_list (Run *run, gpointer data, GError **error)
{
    json_t **list = data;

    *list = token_modules_list (run->modules, error);
    return *list != NULL;
}

/* A field of the token as readable text. */
static char *
readable (const json_t *value)
{
    if (json_is_string (value))
        return g_strdup (json_string_value (value));
    if (json_is_object (value) && json_is_string (json_object_get (value, "hex")))
        return g_strconcat ("0x", json_string_value (json_object_get (value, "hex")), NULL);
    return g_strdup ("");
}

static char *
token_line (const json_t *entry)
{
    const json_t *token = json_object_get (entry, "token");
    g_autofree char *label = readable (json_object_get (token, "label")), *maker = readable (json_object_get (token, "manufacturer"));
    g_autofree char *model = readable (json_object_get (token, "model")), *serial = readable (json_object_get (token, "serial"));

    return g_strdup_printf ("%s: %s %s, serial number %s", label, maker, model, serial);
}

static char *
choose (Run *run, json_t *list, GError **error)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
    const json_t *entry;
    gsize i;
    int choice;

    json_array_foreach (list, i, entry)
        g_ptr_array_add (lines, token_line (entry));
    g_ptr_array_add (lines, g_strdup ("Look again"));
    g_ptr_array_add (lines, NULL);
    choice = run_ask_choice (run, "token", "operator", json_array_size (list) ? "On which token is the key generated?" : "There is no token: connect it, then look again.",
                             "", (const char *const *) lines->pdata, error);
    if (choice < 0)
        return NULL;
    return (gsize) choice < json_array_size (list) ? g_strdup (cjson_str (json_array_get (list, (gsize) choice), "uri", NULL)) : g_strdup ("");
}

static char *
token_wanted (Run *run, GError **error)
{
    const Event *found = run_last_event (run, "token.found");
    const char *given = run->setup->token_uri ? run->setup->token_uri : run->order ? cjson_str (run->order->json, "token_uri", NULL) : NULL;

    if (found != NULL)
        return g_strdup (cjson_str (found->data, "uri", NULL));
    if (given != NULL)
        return g_strdup (given);
    for (;;) {
        g_autoptr(json_t) list = NULL;
        char *uri;
        if (!run_token_call (run, "Looking for tokens", call_list, &list, error))
            return NULL;
        uri = choose (run, list, error);
        if (uri == NULL || uri[0] != '\0')
            return uri;
        g_free (uri);
    }
}

static gboolean
able (Run *run, GError **error)
{
    const json_t *algorithms = json_object_get (run_last_event (run, "token.found")->data, "algorithms"), *value;
    gsize i;

    json_array_foreach (algorithms, i, value)
        if (g_strcmp0 (json_string_value (value), run->algorithm) == 0)
            return TRUE;
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_UNSUPPORTED, "this token can't generate %s: the ceremony can't be carried out with it; abort, and begin again with another "
                 "token or an order for another algorithm", run->algorithm);
    return FALSE;
}

gboolean
act_select_token (Run *run, const ScriptStep *step, GError **error)
{
    g_autofree char *uri = NULL;

    if (run_step_event (run, "token.unlocked") && (run->resumed || run->token != NULL))
        return able (run, error);
    uri = token_wanted (run, error);
    return uri != NULL && run_unlock (run, uri, error) && able (run, error);
}

gboolean
act_show_token (Run *run, const ScriptStep *step, GError **error)
{
    const Event *found = run_last_event (run, "token.found");
    g_autofree char *serial = NULL, *title = NULL;
    int yes;

    if (run_step_event (run, "token.shown"))
        return TRUE;
    serial = readable (json_object_get (json_object_get (found->data, "token"), "serial"));
    title = g_strdup_printf ("Is the serial number on the token %s?", serial[0] ? serial : "(the token tells none)");
    recorder_mark_camera (run->recorder, TRUE);
    yes = run_ask_yes_no (run, "token.shown", "witness", title, "The witness compares it with what is printed on the device. No is noted as a deviation.", error);
    recorder_mark_camera (run->recorder, FALSE);
    if (yes < 0)
        return FALSE;
    if (yes == 0 && !run_event (run, "deviation.noted", "witness", json_pack ("{s:s,s:s,s:s}", "expected", "the serial number on the token is the one on the screen",
                                "happened", "it is another one, or none can be read", "decided", "the ceremony goes on; the reviewer decides"), error))
        return FALSE;
    return run_event (run, "token.shown", "witness", json_pack ("{s:s,s:b,s:s}", "serial", serial, "matches", yes, "how", "held before the camera, read by the witness"),
                      error);
}

/* ── inventory ── */

static gboolean
call_inventory (Run *run, gpointer data, GError **error)
{
    json_t **inventory = data;

    *inventory = token_inventory (run->token, error);
    return *inventory != NULL;
}

static char *
inventory_text (const json_t *inventory)
{
    GString *text = g_string_new (NULL);
    const json_t *object;
    gsize i;

    json_array_foreach (json_object_get (inventory, "objects"), i, object) {
        g_autofree char *class = readable (json_object_get (object, "class")), *label = readable (json_object_get (object, "label"));
        g_autofree char *id = readable (json_object_get (object, "id")), *subject = readable (json_object_get (object, "subject"));
        g_string_append_printf (text, "%2" G_GSIZE_FORMAT ". %s \"%s\" id %s %s\n", i + 1, class, label, id, subject);
    }
    if (text->len == 0)
        g_string_append (text, "The token holds no object that this login can see.\n");
    g_string_append (text, "\nSay aloud of each key whose it is and what it is for. One that nobody can explain is a deviation (F3).\n");
    return g_string_free (text, FALSE);
}

gboolean
act_inventory (Run *run, const ScriptStep *step, GError **error)
{
    static const char *const choices[] = { "The subscriber's alone", "Others have keys on it too", NULL };
    g_autoptr(json_t) inventory = NULL;
    g_autofree char *text = NULL;
    gint64 keys = 0;
    int shared = 0;

    if (run_step_event (run, "token.inventoried"))
        return TRUE;
    if (!run_need_token (run, error) || !run_token_call (run, "Reading what the token holds", call_inventory, &inventory, error))
        return FALSE;
    text = inventory_text (inventory);
    cjson_int (inventory, "private_keys", &keys, NULL);
    if (!run_page (run, "What the token holds", text, NULL, error))
        return FALSE;
    if (keys > 0 && (shared = run_ask_choice (run, "token.shared", "operator", "Whose are the keys on this token?", "", choices, error)) < 0)
        return FALSE;
    json_object_set_new (inventory, "shared", json_string (shared ? "shared" : "sole"));
    return run_event (run, "token.inventoried", "appliance", g_steal_pointer (&inventory), error);
}

typedef struct { guint label, id; } Counts;

static gboolean
call_count_label (Run *run, gpointer data, GError **error)
{
    Counts *counts = data;

    return token_count (run->token, run->label, NULL, &counts->label, &counts->id, error);
}

static gboolean
refuse_present (Run *run, guint n, GError **error)
{
    g_autofree char *happened = g_strdup_printf ("%u objects bear the label '%s'", n, run->label);

    if (!run_step_has (run, "deviation.noted", "happened", happened)
        && !run_event (run, "deviation.noted", "appliance", json_pack ("{s:s,s:s,s:s}", "expected", "no object bears the key's label", "happened", happened, "decided",
                       "nothing is generated beside it"), error))
        return FALSE;
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_EXISTS, "%u objects on the token bear the label '%s' already: a key generated beside them could be confused with them; "
                 "remove them with the token's own tool if nobody needs them and try again, or abort and begin anew with another label", n, run->label);
    return FALSE;
}

gboolean
act_absent (Run *run, const ScriptStep *step, GError **error)
{
    Counts counts = { 0, 0 };

    if (run_step_event (run, "key.absent"))
        return TRUE;
    if (!run_need_token (run, error) || !run_token_call (run, "Looking for keys of that name", call_count_label, &counts, error))
        return FALSE;
    if (counts.label > 0)
        return refuse_present (run, counts.label, error);
    screen_say (run, MOOD_NORMAL, "No object on the token bears the label '%s'.", run->label);
    return run_event (run, "key.absent", "appliance", json_pack ("{s:s,s:i}", "label", run->label, "with_label", 0), error);
}
