/* Calls that block as long as a device does run in a worker thread, one at a time, while the main loop goes on recording. */
#include "ceremony/run/engine.h"

typedef struct {
    Run      *run;
    TokenCall call;
    gpointer  data;
    GError   *error;
    gboolean  ok, done;
} Work;

static gboolean
on_done (gpointer data)
{
    ((Work *) data)->done = TRUE;
    return G_SOURCE_REMOVE;
}

static gpointer
work (gpointer data)
{
    Work *self = data;

    self->ok = self->call (self->run, self->data, &self->error);
    g_main_context_invoke (self->run->context, on_done, self);
    return NULL;
}

typedef struct { Run *run; const char *waiting; gint64 began; } Counter;

static gboolean
count_seconds (gpointer data)
{
    Counter *self = data;
    g_autofree char *text = g_strdup_printf ("%s: %" G_GINT64_FORMAT " s", self->waiting, (clock_boot_ms () - self->began) / 1000);

    screen_waiting (self->run, text);
    return G_SOURCE_CONTINUE;
}

/* A device can't be stopped in the middle of a call: the loop goes on to its end whatever else is asked for. */
gboolean
run_token_call (Run *run, const char *waiting, TokenCall call, gpointer data, GError **error)
{
    Work self = { run, call, data, NULL, FALSE, FALSE };
    Counter counter = { run, waiting, clock_boot_ms () };
    GThread *thread;
    guint source;

    if (run->stop != STOP_NONE)
        return run_stopped (run, error);
    screen_waiting (run, waiting);
    source = g_timeout_add (1000, count_seconds, &counter);
    thread = g_thread_new ("token", work, &self);
    while (!self.done)
        g_main_context_iteration (run->context, TRUE);
    g_thread_join (thread);
    g_source_remove (source);
    screen_waiting (run, "");
    if (self.error != NULL)
        g_propagate_error (error, self.error);
    return self.ok;
}

typedef struct { GCancellable *cancel; gboolean answered; } Giving;

static void
on_give_up (const Answer *answer, gpointer user_data)
{
    Giving *giving = user_data;

    giving->answered = TRUE;
    g_cancellable_cancel (giving->cancel);
}

static gboolean
watch_stop (gpointer data)
{
    Work *self = data;

    if (self->run->stop != STOP_NONE)
        g_cancellable_cancel (self->data);
    return G_SOURCE_CONTINUE;
}

gboolean
run_token_wait (Run *run, const Question *question, GCancellable *cancel, TokenCall call, gpointer data, GError **error)
{
    Giving giving = { cancel, FALSE };
    Work stop = { .run = run, .data = cancel };
    guint source;
    gboolean ok;

    if (run->stop != STOP_NONE)
        return run_stopped (run, error);
    run->view->ask (run->view, question, on_give_up, &giving);
    source = g_timeout_add (200, watch_stop, &stop);
    ok = run_token_call (run, question->title, call, data, error);
    g_source_remove (source);
    if (!giving.answered)
        run->view->withdraw (run->view);
    return ok;
}
