/* Asking: a question goes to the view, the main loop goes on until it is answered. Keys that work at any time (note, deviation, pause, abort, QR) are carried out
 * here, and the question is asked again. */
#include "ceremony/run/recorder.h"
#include <string.h>

typedef struct {
    gboolean   done;
    AnswerKind kind;
    Reply     *reply;
} Pending;

void
reply_clear (Reply *self)
{
    g_clear_pointer (&self->text, g_free);
    g_clear_pointer (&self->pin, secret_free);
}

static void
on_answer (const Answer *answer, gpointer user_data)
{
    Pending *pending = user_data;

    pending->done = TRUE;
    pending->kind = answer->kind;
    if (answer->kind != ANSWER_GIVEN || pending->reply == NULL)
        return;
    reply_clear (pending->reply);
    pending->reply->text = g_utf8_make_valid (answer->text ? answer->text : "", -1);
    g_strstrip (pending->reply->text);
    pending->reply->choice = answer->choice;
    if (answer->pin != NULL) {
        pending->reply->pin = secret_new ();
        secret_set (pending->reply->pin, secret_data (answer->pin), secret_len (answer->pin));
    }
}

static gboolean
on_timeout (gpointer user_data)
{
    *(gboolean *) user_data = TRUE;
    return G_SOURCE_REMOVE;
}

gboolean
run_wait (Run *run, const gboolean *done, guint timeout_ms)
{
    gboolean late = FALSE;
    guint source = timeout_ms ? g_timeout_add (timeout_ms, on_timeout, &late) : 0;

    while (!*done && !late && (run->stop == STOP_NONE || run->stop == STOP_ABORT))
        g_main_context_iteration (run->context, TRUE);
    if (source && !late)
        g_source_remove (source);
    return *done;
}

gboolean
run_stopped (Run *run, GError **error)
{
    switch (run->stop) {
    case STOP_ABORT:
        g_set_error (error, BASE_ERROR, BASE_ERROR_ABORTED, "the ceremony was aborted: %s", run->abort_reason);
        break;
    case STOP_FAULT:
        if (error && run->fault)
            *error = g_error_copy (run->fault);
        break;
    default:
        g_set_error (error, BASE_ERROR, BASE_ERROR_ABORTED, "the ceremony was interrupted; `ceremony resume %s` goes on with it", run->id);
        break;
    }
    return FALSE;
}

void
run_abort (Run *run, const char *reason)
{
    g_free (run->abort_reason);
    run->abort_reason = g_strdup (reason);
    run->stop = STOP_ABORT;
}

static gboolean
wants_attention (const Run *run)
{
    return run->attention != NULL && run->nested == 0 && !run->closing;
}

/* One answer, of whatever kind. FALSE: the ceremony stops. */
static gboolean
ask_once (Run *run, const Question *question, const char *page_text, Reply *reply, AnswerKind *kind, GError **error)
{
    Pending pending = { FALSE, ANSWER_GIVEN, reply };

    if (run->stop != STOP_NONE)
        return run_stopped (run, error);
    screen_update (run);
    if (page_text != NULL)
        run->view->page (run->view, question->title, page_text, question->qr, on_answer, &pending);
    else
        run->view->ask (run->view, question, on_answer, &pending);
    while (!pending.done && run->stop == STOP_NONE && !wants_attention (run))
        g_main_context_iteration (run->context, TRUE);
    if (!pending.done)
        run->view->withdraw (run->view);
    if (run->stop != STOP_NONE)
        return run_stopped (run, error);
    *kind = pending.done ? pending.kind : ANSWER_QR;
    return TRUE;
}

/* Questions that belong to a function key: another function key gives them up (kind is then not ANSWER_GIVEN). */
static gboolean
nested_ask (Run *run, AskKind kind, const char *id, const char *role, const char *title, const char *detail, const char *const *choices, Reply *reply,
            gboolean *given, GError **error)
{
    Question question = { .kind = kind, .id = id, .role = role, .title = title, .detail = detail, .initial = "", .choices = choices };
    AnswerKind answer;

    question.may_be_empty = strcmp (id, "abort.reason") == 0;
    if (!ask_once (run, &question, NULL, reply, &answer, error))
        return FALSE;
    *given = answer == ANSWER_GIVEN;
    return TRUE;
}

static gboolean
who_notes (Run *run, const char *id, char **role, gboolean *given, GError **error)
{
    g_auto(Reply) reply = { 0 };
    gint n = g_strv_length (run->script->roles);

    if (!nested_ask (run, ASK_CHOICE, id, "", "Who says so?", "", (const char *const *) run->script->roles, &reply, given, error))
        return FALSE;
    if (*given)
        *role = g_strdup (run->script->roles[CLAMP (reply.choice, 0, n - 1)]);
    return TRUE;
}

static gboolean
key_note (Run *run, GError **error)
{
    g_auto(Reply) reply = { 0 };
    g_autofree char *role = NULL;
    gboolean given;

    if (!who_notes (run, "note.role", &role, &given, error))
        return FALSE;
    if (!given || !nested_ask (run, ASK_TEXT, "note.text", role, "Note", "It goes into the record as it stands; nothing can be deleted.", NULL, &reply, &given, error))
        return !given;
    if (!given)
        return TRUE;
    if (!run_event (run, "note.made", role, json_pack ("{s:s}", "text", reply.text), error))
        return FALSE;
    screen_say (run, MOOD_NORMAL, "The note is in the record.");
    return TRUE;
}

static gboolean
key_deviation (Run *run, GError **error)
{
    static const char *const ids[] = { "deviation.expected", "deviation.happened", "deviation.decided" };
    static const char *const titles[] = { "What was expected?", "What happened?", "What was decided?" };
    static const char *const keys[] = { "expected", "happened", "decided" };
    g_autofree char *role = NULL;
    g_autoptr(json_t) data = json_object ();
    gboolean given;

    if (!who_notes (run, "deviation.role", &role, &given, error))
        return FALSE;
    for (gsize i = 0; given && i < G_N_ELEMENTS (ids); i++) {
        g_auto(Reply) reply = { 0 };
        if (!nested_ask (run, ASK_TEXT, ids[i], role, titles[i], "A deviation goes into the record as it stands.", NULL, &reply, &given, error))
            return FALSE;
        json_object_set_new (data, keys[i], json_string (reply.text ? reply.text : ""));
    }
    if (!given)
        return TRUE;
    if (!run_event (run, "deviation.noted", role, g_steal_pointer (&data), error))
        return FALSE;
    screen_say (run, MOOD_WARNING, "The deviation is in the record.");
    return TRUE;
}

/* Recording goes on while people pause: a break is seen as one. */
static gboolean
key_pause (Run *run, GError **error)
{
    g_auto(Reply) reply = { 0 }, none = { 0 };
    gboolean given, ok;
    gint64 began;

    if (!nested_ask (run, ASK_TEXT, "break.reason", "", "Why is there a break?", "The recording goes on meanwhile.", NULL, &reply, &given, error))
        return FALSE;
    if (!given)
        return TRUE;
    if (!run_event (run, "break.begun", "operator", json_pack ("{s:s}", "reason", reply.text), error))
        return FALSE;
    began = journal_mono_ms (run->journal);
    run->shown.paused = TRUE;
    screen_say (run, MOOD_WARNING, "Break: %s", reply.text);
    ok = nested_ask (run, ASK_CONTINUE, "break.end", "", "Press Enter when everybody is back", "The recording goes on meanwhile, and shows that it is a break.", NULL, &none, &given, error);
    run->shown.paused = FALSE;
    screen_say (run, MOOD_NORMAL, "%s", "");
    if (!ok)
        return FALSE;
    return run_event (run, "break.ended", "operator", json_pack ("{s:I}", "ms", (json_int_t) (journal_mono_ms (run->journal) - began)), error);
}

static gboolean
key_abort (Run *run, GError **error)
{
    g_auto(Reply) sure = { 0 }, reason = { 0 };
    gboolean given;

    if (!nested_ask (run, ASK_YES_NO, "abort.confirm", "", "Abort the ceremony?",
                     "The evidence is closed as aborted, with everything recorded so far. It can't be taken up again; a new ceremony begins anew.\n"
                     "To stop for a while and go on later, answer no and pause instead.", NULL, &sure, &given, error))
        return FALSE;
    if (!given || sure.choice != 1)
        return TRUE;
    if (!nested_ask (run, ASK_TEXT, "abort.reason", "", "Why is the ceremony aborted? Enter aborts it, a function key goes back.", "", NULL, &reason, &given, error))
        return FALSE;
    if (!given)
        return TRUE;
    run_abort (run, reason.text[0] ? reason.text : "no reason was given");
    return run_stopped (run, error);
}

static gboolean
key_qr (Run *run, GError **error)
{
    g_autofree char *copy = g_strdup (run_checkpoint (run, NULL, error));
    gint64 size = (gint64) journal_checkpoint_size (run->journal);
    Question question = { .title = "The checkpoint of now", .id = "page", .qr = copy };
    AnswerKind kind;

    return copy && run_event (run, "checkpoint.shown", "appliance", json_pack ("{s:I}", "size", (json_int_t) size), error)
           && ask_once (run, &question, copy, NULL, &kind, error);
}

static gboolean
recording_lost (Run *run, GError **error)
{
    static const char *const choices[] = { "Try to record again (a new part)", "Stop here; resume later", "Abort the ceremony", NULL };
    g_autofree char *reason = g_steal_pointer (&run->attention);
    g_autofree char *detail = g_strdup_printf ("%s\n\nWhat was recorded so far is kept. Nothing may go on without a recording.", reason);
    g_auto(Reply) reply = { 0 };
    gboolean given = FALSE;

    while (!given)
        if (!nested_ask (run, ASK_CHOICE, "recorder.failed", "", "The recording stands still", detail, choices, &reply, &given, error))
            return FALSE;
    if (reply.choice == 0) {
        g_autoptr(GError) failed = NULL;
        if (!recorder_start (run->recorder, &failed) && run->attention == NULL)
            run->attention = g_strdup (failed->message);
        return run->stop == STOP_NONE || run_stopped (run, error);
    }
    if (reply.choice == 1)
        run->stop = STOP_INTERRUPT;
    else
        run_abort (run, reason);
    return run_stopped (run, error);
}

static gboolean
handle_key (Run *run, AnswerKind kind, GError **error)
{
    static gboolean (*const table[]) (Run *, GError **) = {
        [ANSWER_NOTE] = key_note, [ANSWER_DEVIATION] = key_deviation, [ANSWER_PAUSE] = key_pause, [ANSWER_ABORT] = key_abort, [ANSWER_QR] = key_qr,
    };
    gboolean ok;

    if (run->closing) {
        screen_say (run, MOOD_WARNING, "The record is closed: nothing can be added to it any more.");
        return TRUE;
    }
    run->nested++;
    if (run->attention != NULL)
        ok = recording_lost (run, error);
    else
        ok = (guint) kind < G_N_ELEMENTS (table) && table[kind] ? table[kind] (run, error) : TRUE;
    run->nested--;
    return ok;
}

static gboolean
ask_until_given (Run *run, const Question *question, const char *page_text, Reply *reply, GError **error)
{
    AnswerKind kind = ANSWER_QR;

    for (;;) {
        if (!wants_attention (run) && !ask_once (run, question, page_text, reply, &kind, error))
            return FALSE;
        if (!wants_attention (run) && kind == ANSWER_GIVEN)
            return TRUE;
        if (!handle_key (run, kind, error))
            return FALSE;
    }
}

gboolean
run_ask (Run *run, const Question *question, Reply *reply, GError **error)
{
    Question full = *question;

    full.role = full.role ? full.role : "";
    full.detail = full.detail ? full.detail : "";
    full.initial = full.initial ? full.initial : "";
    return ask_until_given (run, &full, NULL, reply, error);
}

gboolean
run_continue (Run *run, const char *id, const char *title, const char *detail, GError **error)
{
    g_auto(Reply) reply = { 0 };

    return run_ask (run, &(Question){ .kind = ASK_CONTINUE, .id = id, .title = title, .detail = detail }, &reply, error);
}

char *
run_ask_text (Run *run, const char *id, const char *role, const char *title, const char *detail, const char *initial, gboolean may_be_empty, GError **error)
{
    g_auto(Reply) reply = { 0 };
    Question question = { .kind = ASK_TEXT, .id = id, .role = role, .title = title, .detail = detail, .initial = initial, .may_be_empty = may_be_empty };

    for (;;) {
        if (!run_ask (run, &question, &reply, error))
            return NULL;
        if (may_be_empty || reply.text[0] != '\0')
            return g_steal_pointer (&reply.text);
        screen_say (run, MOOD_WARNING, "This can't be left empty.");
    }
}

int
run_ask_choice (Run *run, const char *id, const char *role, const char *title, const char *detail, const char *const *choices, GError **error)
{
    g_auto(Reply) reply = { 0 };
    Question question = { .kind = ASK_CHOICE, .id = id, .role = role, .title = title, .detail = detail, .choices = choices };
    int n = g_strv_length ((char **) choices);

    do {
        if (!run_ask (run, &question, &reply, error))
            return -1;
    } while (reply.choice < 0 || reply.choice >= n);
    return reply.choice;
}

int
run_ask_yes_no (Run *run, const char *id, const char *role, const char *title, const char *detail, GError **error)
{
    g_auto(Reply) reply = { 0 };

    if (!run_ask (run, &(Question){ .kind = ASK_YES_NO, .id = id, .role = role, .title = title, .detail = detail }, &reply, error))
        return -1;
    return reply.choice == 1;
}

Secret *
run_ask_pin (Run *run, const char *id, const char *title, const char *detail, GError **error)
{
    g_auto(Reply) reply = { 0 };

    if (!run_ask (run, &(Question){ .kind = ASK_PIN, .id = id, .role = "operator", .title = title, .detail = detail }, &reply, error))
        return NULL;
    return reply.pin ? g_steal_pointer (&reply.pin) : secret_new ();
}

gboolean
run_page (Run *run, const char *title, const char *text, const char *qr, GError **error)
{
    return ask_until_given (run, &(Question){ .kind = ASK_CONTINUE, .id = "page", .title = title, .qr = qr }, text, NULL, error);
}

/* Initials are compared with those of the person identified in the role; they are never journaled. */
static gboolean
confirm (Run *run, const char *role, GError **error)
{
    g_autofree char *title = g_strdup_printf ("The %s confirms: %s", role, run->step->title);
    const json_t *entry;
    const char *expected;

    for (;;) {
        g_auto(Reply) reply = { 0 };
        if (!run_ask (run, &(Question){ .kind = ASK_CONFIRM, .id = "confirm", .role = role, .title = title, .detail = "Type your initials, then Enter." },
                      &reply, error))
            return FALSE;
        entry = people_entry (run, role);
        expected = entry ? cjson_str (entry, "initials", NULL) : NULL;
        if (reply.text[0] == '\0') {
            screen_say (run, MOOD_WARNING, "The %s confirms by typing their initials.", role);
        } else if (expected != NULL) {
            g_autofree char *a = g_utf8_casefold (reply.text, -1), *b = g_utf8_casefold (expected, -1);
            if (strcmp (a, b) == 0)
                return TRUE;
            screen_say (run, MOOD_WARNING, "These aren't the initials of the person identified as %s. Only the %s confirms here.", role, role);
        } else {
            return TRUE;
        }
    }
}

/* How many of the step's confirmations the journal holds since the step was last begun. */
static guint
confirmed_so_far (Run *run)
{
    guint n = 0;

    for (guint64 seq = journal_size (run->journal); seq-- > 0;) {
        const Event *event = journal_event (run->journal, seq);
        if (strcmp (event->step, run->step->id) != 0)
            continue;
        if (strcmp (event->type, "step.begun") == 0)
            break;
        n += strcmp (event->type, "step.confirmed") == 0;
    }
    return n;
}

gboolean
run_hold_points (Run *run, GError **error)
{
    guint n = g_strv_length (run->step->confirm);

    for (guint i = confirmed_so_far (run); i < n; i++) {
        const char *role = run->step->confirm[i];
        if (!confirm (run, role, error)
            || !run_event (run, "step.confirmed", role, json_pack ("{s:s,s:s}", "role", role, "person", people_person_of (run, role)), error))
            return FALSE;
        screen_say (run, MOOD_NORMAL, "%s", "");
    }
    return TRUE;
}
