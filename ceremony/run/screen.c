/* What the screen shows: keeps the view's state and hands it over when something changed. */
#include "ceremony/run/recorder.h"
#include <stdarg.h>
#include <string.h>

void
screen_init (Run *run)
{
    ViewState *shown = &run->shown;

    run->view_steps = g_array_new (FALSE, TRUE, sizeof (ViewStep));
    for (guint i = 0; i < run->script->steps->len; i++) {
        const ScriptStep *step = g_ptr_array_index (run->script->steps, i);
        ViewStep row = { step->id, step->title, STEP_TODO };
        g_array_append_val (run->view_steps, row);
    }
    shown->title = run->script->title;
    shown->ceremony = run->id;
    shown->rehearsal = run->setup->rehearsal;
    shown->n_steps = run->script->steps->len;
    shown->current = shown->n_steps;
    shown->recording_ms = -1;
    shown->free_bytes = -1;
}

void
screen_clear (Run *run)
{
    g_clear_pointer (&run->view_steps, g_array_unref);
    g_clear_pointer (&run->read_aloud, g_free);
    g_clear_pointer (&run->action, g_free);
    g_clear_pointer (&run->waiting, g_free);
    g_clear_pointer (&run->message, g_free);
    g_clear_pointer (&run->words, g_free);
    g_clear_pointer (&run->camera, g_free);
    g_clear_pointer (&run->token_name, g_free);
}

static void
take_facts (Run *run)
{
    ViewState *shown = &run->shown;
    guint64 size = journal_checkpoint_size (run->journal);

    shown->events = journal_size (run->journal);
    if (size > 0 && (size != shown->checkpoint_size || run->words == NULL)) {
        MerkleHash root;
        merkle_tree_root (journal_tree (run->journal), size, &root);
        g_free (run->words);
        run->words = pgp_words (root.b, 4);
    }
    shown->checkpoint_size = size;
    if (run->recorder == NULL)
        return;
    shown->recording_ms = recorder_ms (run->recorder);
    shown->frames_dropped = recorder_dropped (run->recorder);
    g_free (run->camera);
    run->camera = g_strdup (recorder_camera (run->recorder));
}

void
screen_update (Run *run)
{
    ViewState *shown = &run->shown;

    if (run->view_steps == NULL)
        return;
    if (run->journal != NULL)
        take_facts (run);
    shown->steps = (const ViewStep *) (gpointer) run->view_steps->data;
    shown->closed = run->closing;
    shown->read_aloud = run->read_aloud ? run->read_aloud : "";
    shown->action = run->action ? run->action : "";
    shown->waiting = run->waiting ? run->waiting : "";
    shown->message = run->message ? run->message : "";
    shown->checkpoint_words = run->words ? run->words : "";
    shown->camera = run->camera ? run->camera : "";
    shown->token = run->token_name ? run->token_name : "";
    run->view->update (run->view, shown);
}

void
screen_step (Run *run, guint index, StepState state)
{
    const ScriptStep *step = g_ptr_array_index (run->script->steps, index);

    g_array_index (run->view_steps, ViewStep, index).state = state;
    if (state == STEP_NOW) {
        run->shown.current = index;
        g_free (run->read_aloud);
        g_free (run->action);
        run->read_aloud = g_strdup (step->read);
        run->action = g_strdup (step->action);
    }
    screen_update (run);
}

void
screen_waiting (Run *run, const char *waiting)
{
    g_free (run->waiting);
    run->waiting = g_strdup (waiting);
    screen_update (run);
}

void
screen_task (Run *run, const char *action)
{
    g_clear_pointer (&run->read_aloud, g_free);
    g_free (run->action);
    run->action = g_strdup (action);
    screen_update (run);
}

void
screen_say (Run *run, ViewMood mood, const char *format, ...)
{
    va_list args;

    g_free (run->message);
    va_start (args, format);
    run->message = g_strdup_vprintf (format, args);
    va_end (args);
    run->shown.mood = mood;
    screen_update (run);
}

/* A member of "token" as readable text, also where the token gave bytes that aren't UTF-8. */
static char *
token_text (const json_t *info, const char *key)
{
    const json_t *value = json_object_get (json_object_get (info, "token"), key);

    if (json_is_string (value))
        return g_strdup (json_string_value (value));
    if (json_is_object (value) && json_is_string (json_object_get (value, "hex")))
        return g_strconcat ("bytes ", json_string_value (json_object_get (value, "hex")), NULL);
    return g_strdup ("?");
}

void
screen_token (Run *run, const json_t *info)
{
    g_autofree char *label = token_text (info, "label"), *serial = token_text (info, "serial");

    g_free (run->token_name);
    run->token_name = g_strdup_printf ("%s, serial %s", label, serial);
    screen_update (run);
}
