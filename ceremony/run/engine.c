/* The engine: steps in order, each begun, carried out, confirmed, done; what happens beside them (signals, the clock, the disk); and the end. */
#include "ceremony/run/acts/acts.h"
#include "ceremony/token/evidence.h"
#include "ceremony/base/child.h"
#include <glib-unix.h>
#include <signal.h>
#include <string.h>

#define LOW_SPACE (500 * 1024 * 1024)

/* ── what the journal is told of the machine ── */

json_t *
run_clock (void)
{
    g_autofree char *boot = clock_boot_id (), *wall = clock_format (clock_wall_ms ());

    return json_pack ("{s:s,s:I,s:s,s:s}", "boot_id", boot, "boottime_ms", (json_int_t) clock_boot_ms (), "wall", wall, "ntp", clock_ntp_state ());
}

static char *
file_hash (const char *path)
{
    guint8 digest[SHA256_LEN];

    return path && sha256_file (path, digest, NULL, NULL) ? hex_encode (digest, sizeof digest) : NULL;
}

json_t *
run_program (Run *run)
{
    /* Through the link, not by its text: that names another file, or none, once the program was replaced or its mount left behind. */
    g_autofree char *media = child_media_path (NULL), *self_hash = file_hash ("/proc/self/exe"), *media_hash = file_hash (media);

    return json_pack ("{s:s,s:s?,s:s?}", "version", CEREMONY_VERSION, "sha256", self_hash, "media_sha256", media_hash);
}

json_t *
run_terminal (Run *run)
{
    guint cols, rows;

    run->view->size (run->view, &cols, &rows);
    return json_pack ("{s:i,s:i}", "cols", (int) cols, "rows", (int) rows);
}

/* ── beside the steps ── */

static gint64
recorded_bytes (Run *run)
{
    gint64 sum = 0, length;

    for (guint64 seq = 0; seq < journal_size (run->journal); seq++) {
        const Event *event = journal_event (run->journal, seq);
        if (g_str_has_suffix (event->type, ".chunk") && cjson_int (event->data, "length", &length, NULL))
            sum += length;
    }
    return sum;
}

/* The container is a second copy of what was recorded: room for it is needed too. */
static void
watch_disk (Run *run)
{
    gint64 space = file_free_space (run->folder), needed = LOW_SPACE + recorded_bytes (run);

    run->shown.free_bytes = space;
    if (space < 0 || space >= needed) {
        run->low_told = FALSE;
    } else if (!run->low_told) {
        run->low_told = TRUE;
        screen_say (run, MOOD_WARNING, "Only %" G_GINT64_FORMAT " MB are free on the disk. Make room now: when it is full the recording stops, and the ceremony with it.",
                    space / (1024 * 1024));
    }
}

static void
watch_clock (Run *run)
{
    gint64 drift = (clock_wall_ms () - run->wall_start) - (clock_boot_ms () - run->boot_start);

    if (ABS (drift - run->drift_told) <= 500 || run->closing)
        return;
    run->drift_told = drift;
    run_event (run, "clock.stepped", "appliance", json_pack ("{s:I}", "drift_ms", (json_int_t) drift), NULL);
    screen_say (run, MOOD_WARNING, "The machine's clock was set while the ceremony ran (by %" G_GINT64_FORMAT " ms). It is in the record.", drift);
}

/* The clock that stands still while the machine sleeps falls behind the one that doesn't. */
static void
watch_sleep (Run *run)
{
    gint64 slept = clock_boot_ms () - g_get_monotonic_time () / 1000, ms = slept - run->slept;

    if (ABS (ms) <= 500 || run->closing)
        return;
    run->slept = slept;
    run_event (run, "machine.slept", "appliance", json_pack ("{s:I}", "ms", (json_int_t) ms), NULL);
    screen_say (run, MOOD_WARNING, "The machine slept for %" G_GINT64_FORMAT " s while the ceremony ran: nothing was recorded then. It is in the record; note a deviation (F3).",
                ms / 1000);
}

static gboolean
on_tick (gpointer data)
{
    Run *run = data;

    if (run->stop == STOP_FAULT)
        return G_SOURCE_CONTINUE;
    watch_clock (run);
    watch_sleep (run);
    if (run->ticks++ % 5 == 0)
        watch_disk (run);
    if (run->recorder)
        recorder_tick (run->recorder);
    screen_update (run);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer data)
{
    run_interrupt (data);
    return G_SOURCE_CONTINUE;
}

void
run_interrupt (Run *run)
{
    if (run->stop == STOP_NONE)
        run->stop = STOP_INTERRUPT;
    g_main_context_wakeup (run->context);
}

/* ── the steps ── */

static gboolean
call_ready (Run *run, gpointer data, GError **error)
{
    return token_ready (run->token);
}

/* What is left of the token after @failed; a session that is dead is found anew by the next attempt. */
static void
look_after_token (Run *run, const GError *failed)
{
    if (g_error_matches (failed, TOKEN_ERROR, TOKEN_ERROR_ABSENT)
        || (failed->domain == TOKEN_ERROR && run->token != NULL && !run_token_call (run, "Looking whether the token still answers", call_ready, NULL, NULL)))
        run_forget_token (run);
}

/* An act that failed may be tried again: each is safe to enter again. */
static gboolean
after_failure (Run *run, GError *failed, GError **error)
{
    static const char *const choices[] = { "Try again", "Stop here; resume later", "Abort the ceremony", NULL };
    g_autofree char *title = g_strdup_printf ("The step could not be carried out: %s", run->step->title);
    g_autofree char *text = g_utf8_make_valid (failed->message, -1);
    int choice;

    if (run->stop != STOP_NONE)
        return run_stopped (run, error);
    look_after_token (run, failed);
    screen_say (run, MOOD_ERROR, "%s", text);
    choice = run_ask_choice (run, "act.failed", "operator", title, text, choices, error);
    if (choice < 0)
        return FALSE;
    screen_say (run, MOOD_NORMAL, "%s", "");
    if (choice == 0)
        return TRUE;
    if (choice == 1)
        run->stop = STOP_INTERRUPT;
    else
        run_abort (run, text);
    return run_stopped (run, error);
}

/* A network module can't be pulled out: policy says whether the unplug challenge is held. Only a TPM opens credentials. */
static const char *
skip_reason (Run *run, const ScriptStep *step)
{
    const Event *found = run_last_event (run, "token.found");

    if (strcmp (step->act, "credential") == 0)
        return found && !token_module_is_tpm (json_object_get (found->data, "module")) ? "no TPM stands behind the token's module" : NULL;
    if (strcmp (step->act, "unplug") != 0 || run->policy->presence == PRESENCE_UNPLUG)
        return NULL;
    return run->policy->presence == PRESENCE_CONSOLE ? "policy says presence: console" : "policy says presence: none";
}

static gboolean
carry_out (Run *run, const ScriptStep *step, GError **error)
{
    ActFunc act = acts_find (step->act);

    for (;;) {
        g_autoptr(GError) failed = NULL;
        if (act (run, step, &failed) && run_hold_points (run, &failed))
            return TRUE;
        if (failed == NULL)
            g_set_error (&failed, BASE_ERROR, BASE_ERROR_FAILED, "the act %s gave no reason", step->act);
        if (!after_failure (run, failed, error))
            return FALSE;
    }
}

static gboolean
do_step (Run *run, guint index, GError **error)
{
    const ScriptStep *step = g_ptr_array_index (run->script->steps, index);
    const char *skip = skip_reason (run, step);

    run->step = step;
    screen_step (run, index, STEP_NOW);
    if (skip) {
        screen_step (run, index, STEP_SKIPPED);
        return run_event (run, "step.skipped", "appliance", json_pack ("{s:s,s:s}", "act", step->act, "reason", skip), error);
    }
    if (!run_step_event (run, "step.begun")
        && !run_event (run, "step.begun", "appliance", json_pack ("{s:s,s:i}", "act", step->act, "n", (int) index + 1), error))
        return FALSE;
    recorder_status (run->recorder);
    if (!carry_out (run, step, error) || !run_event (run, "step.done", "appliance", json_pack ("{s:s}", "act", step->act), error))
        return FALSE;
    screen_step (run, index, STEP_DONE);
    return TRUE;
}

static void
mark_finished (Run *run)
{
    for (guint i = 0; i < run->script->steps->len; i++) {
        const ScriptStep *step = g_ptr_array_index (run->script->steps, i);
        if (run_step_finished (run, step))
            g_array_index (run->view_steps, ViewStep, i).state = skip_reason (run, step) ? STEP_SKIPPED : STEP_DONE;
    }
}

static gboolean
do_steps (Run *run, GError **error)
{
    g_autoptr(GError) failed = NULL;

    mark_finished (run);
    if (!recorder_start (run->recorder, &failed) && run->stop == STOP_NONE && run->attention == NULL)
        run->attention = g_strdup (failed->message);
    for (guint i = 0; i < run->script->steps->len; i++)
        if (!run_step_finished (run, g_ptr_array_index (run->script->steps, i)) && !do_step (run, i, error))
            return FALSE;
    run->step = NULL;
    return run->stop == STOP_NONE || run_stopped (run, error);
}

/* ── the whole ── */

/* Interrupted: the recording's end goes into the journal where that still can be; the rest is for resume. */
static RunOutcome
interrupted (Run *run, GError *failed, GError **error)
{
    if (run->stop == STOP_INTERRUPT && run->recorder)
        recorder_stop (run->recorder, NULL);
    if (run->stop == STOP_INTERRUPT)
        g_clear_error (&failed);
    else
        g_propagate_prefixed_error (error, failed, "the ceremony stands still and nothing recorded is lost (`ceremony resume %s` goes on once this is mended): ", run->id);
    return RUN_INTERRUPTED;
}

static RunOutcome
whole_ceremony (Run *run, GError **error)
{
    GError *failed = NULL;
    gboolean closing;

    if (!run_begin_sitting (run, &failed))
        return interrupted (run, failed, error);
    closing = run_last_event (run, "recording.closing") != NULL;
    if (!closing && !do_steps (run, &failed) && run->stop != STOP_ABORT)
        return interrupted (run, failed, error);
    g_clear_error (&failed);
    if (run->stop == STOP_ABORT)
        run->stop = STOP_NONE;
    run->step = NULL;
    if (!run_close (run, &failed))
        return interrupted (run, failed, error);
    if (!run_local_seal (run, &failed)) {
        screen_say (run, MOOD_WARNING, "%s", failed->message);
        g_propagate_error (error, failed);
    }
    return strcmp (cjson_str (run_last_event (run, "ceremony.closed")->data, "outcome", NULL), "completed") == 0 ? RUN_COMPLETED : RUN_ABORTED;
}

RunOutcome
run_main (Run *run, GError **error)
{
    static const int signals[] = { SIGTERM, SIGHUP, SIGINT };
    guint sources[G_N_ELEMENTS (signals)], tick;
    RunOutcome outcome;

    for (gsize i = 0; i < G_N_ELEMENTS (signals); i++)
        sources[i] = g_unix_signal_add (signals[i], on_signal, run);
    tick = g_timeout_add (1000, on_tick, run);
    run->recorder = recorder_new (run);
    outcome = whole_ceremony (run, error);
    g_source_remove (tick);
    for (gsize i = 0; i < G_N_ELEMENTS (signals); i++)
        g_source_remove (sources[i]);
    g_clear_pointer (&run->recorder, recorder_free);
    run_loud (run);
    return outcome;
}
