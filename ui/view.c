/* The RunView that people see: joins terminal, input, screen and the question that waits. */
#include "ui/view.h"
#include "ui/input.h"
#include "ui/keys.h"
#include "ui/term.h"
#include "ui/widgets.h"

typedef struct {
    RunView base;                       /* first: a RunView is this */
    Term *term;
    Input *input;
    Screen *screen;
    Ask *ask;                           /* owned; NULL: nothing is asked */
    const char *note;
    AnswerKind held;                    /* function key for the next question; ANSWER_GIVEN: none */
    guint held_source;
    ViewObserver observer;
} View;

static const struct { guint32 key; AnswerKind kind; const char *held; } function_keys[] = {
    { K_FN + 2, ANSWER_NOTE, "F2 note: in a moment" },   { K_FN + 3, ANSWER_DEVIATION, "F3 deviation: in a moment" },
    { K_FN + 4, ANSWER_QR, "F4 QR: in a moment" },       { K_FN + 5, ANSWER_PAUSE, "F5 pause: in a moment" },
    { K_FN + 8, ANSWER_ABORT, "F8 abort: in a moment" }, { K_CTRL + 'c', ANSWER_ABORT, "F8 abort: in a moment" },
};

static void draw (View *self)
{
    term_size (self->term, &self->screen->cols, &self->screen->rows);
    screen_draw (self->screen);
    term_cursor (self->term, self->screen->cursor, self->screen->cursor_y, self->screen->cursor_x);
    term_flush (self->term);
}

static void set_ask (View *self, Ask *ask)
{
    self->ask = ask;
    screen_set_ask (self->screen, ask);
}

/* Takes the question away first, so that the callback may ask the next one. */
static void give (View *self, Answer *answer)
{
    Ask *ask = self->ask;
    set_ask (self, NULL);
    ask->answered (answer, ask->user_data);
    ask_free (ask);
    draw (self);
}

static gboolean take (View *self, AskKeyResult result)
{
    Answer answer;
    if (result == ASK_KEY_GIVES)
    {
        ask_answer (self->ask, &answer);
        give (self, &answer);
        return TRUE;
    }
    if (result == ASK_KEY_TAKEN)
        draw (self);
    return FALSE;
}

static void hold (View *self, guint i)
{
    self->held = function_keys[i].kind;
    self->screen->note = function_keys[i].held;
    draw (self);
}

static gboolean function_key (View *self, guint32 key)
{
    for (guint i = 0; i < G_N_ELEMENTS (function_keys); i++)
    {
        Answer answer = { .kind = function_keys[i].kind, .text = "" };
        if (function_keys[i].key != key)
            continue;
        if (self->ask && !self->ask->page)
            give (self, &answer);
        else
            hold (self, i);
        return TRUE;
    }
    return FALSE;
}

static gboolean give_held (gpointer data)
{
    View *self = data;
    Answer answer = { .kind = self->held, .text = "" };
    self->held_source = 0;
    if (!self->ask || self->ask->page)
        return G_SOURCE_REMOVE;         /* withdrawn meanwhile: the key waits on */
    self->held = ANSWER_GIVEN;
    self->screen->note = self->note;
    give (self, &answer);
    return G_SOURCE_REMOVE;
}

static gboolean on_key (guint32 key, gpointer data)
{
    View *self = data;
    if (key == K_CTRL + 'l')
        term_repaint (self->term);
    if (key == K_CTRL + 'l' || (!screen_too_small (self->screen) && screen_key (self->screen, key)))
    {
        draw (self);
        return FALSE;
    }
    if (screen_too_small (self->screen) && key != K_FN + 8 && key != K_CTRL + 'c')
        return FALSE;                   /* nobody answers what can't be read */
    if (function_key (self, key))
        return TRUE;
    return self->ask ? take (self, ask_key (self->ask, key)) : FALSE;
}

static gboolean is_secret (gpointer data)
{
    View *self = data;
    return self->ask && self->ask->kind == ASK_PIN;
}

static void on_pin_byte (guint8 byte, gpointer data)
{
    View *self = data;
    if (byte == 0x03 || byte == 0x0c)
        on_key (byte == 0x03 ? K_CTRL + 'c' : K_CTRL + 'l', self);
    else if (!screen_too_small (self->screen))
        take (self, ask_pin_byte (self->ask, byte));
}

static void on_touched (gpointer data)
{
    View *self = data;
    if (self->observer.touched)
        self->observer.touched (self->observer.data);
}

static void on_changed (gpointer data) { draw (data); }

static void view_update (RunView *base, const ViewState *state)
{
    View *self = (View *) base;
    screen_set_state (self->screen, state);
    draw (self);
}

static void begin (View *self, Ask *ask)
{
    set_ask (self, ask);
    draw (self);
    if (self->held != ANSWER_GIVEN && !ask->page && !self->held_source)
        self->held_source = g_idle_add (give_held, self);
    if (self->observer.asked)
        self->observer.asked (self->observer.data);
}

static void view_ask (RunView *base, const Question *question, AnswerFunc answered, gpointer user_data)
{
    View *self = (View *) base;
    g_return_if_fail (self->ask == NULL);
    begin (self, ask_new (question, answered, user_data));
}

static void view_page (RunView *base, const char *title, const char *text, const char *qr, AnswerFunc answered, gpointer user_data)
{
    View *self = (View *) base;
    g_return_if_fail (self->ask == NULL);
    begin (self, ask_new_page (title, text, qr, answered, user_data));
}

static void view_withdraw (RunView *base)
{
    View *self = (View *) base;
    Ask *ask = self->ask;
    set_ask (self, NULL);
    ask_free (ask);
    draw (self);
}

static void view_set_output_tap (RunView *base, TermTapFunc tap, TermResizedFunc resized, gpointer user_data)
{
    View *self = (View *) base;
    term_set_tap (self->term, tap, resized, user_data);
    draw (self);
}

static void view_size (RunView *base, guint *cols, guint *rows) { term_size (((View *) base)->term, cols, rows); }

static void view_redraw (RunView *base)
{
    View *self = (View *) base;
    term_repaint (self->term);
    draw (self);
}

static void view_free (RunView *base)
{
    View *self = (View *) base;
    g_clear_handle_id (&self->held_source, g_source_remove);
    input_free (self->input);
    term_free (self->term);
    if (self->observer.freed)
        self->observer.freed (self->observer.data);
    ask_free (self->ask);
    screen_free (self->screen);
    g_free (self);
}

static const RunView functions = { view_update, view_ask, view_withdraw, view_page, view_set_output_tap, view_size, view_redraw, view_free };

RunView *ui_run_view_new (const UiOptions *options, GError **error)
{
    View *self = g_new0 (View, 1);
    self->base = functions;
    self->term = term_new (options, on_changed, self, error);
    if (!self->term)
    {
        g_free (self);
        return NULL;
    }
    const InputEvents events = { .secret = is_secret, .pin_byte = on_pin_byte, .key = on_key, .touched = on_touched, .user_data = self };
    widgets_start ();
    self->screen = screen_new ();
    self->input = input_new (term_input_fd (self->term), &events);
    draw (self);
    return &self->base;
}

void view_observe (RunView *view, const ViewObserver *observer) { ((View *) view)->observer = *observer; }

const Screen *view_screen (RunView *view) { return ((View *) view)->screen; }

gboolean view_has_terminal (RunView *view) { return term_input_fd (((View *) view)->term) >= 0; }

void view_set_note (RunView *view, const char *note)
{
    View *self = (View *) view;
    self->note = note;
    if (self->held == ANSWER_GIVEN)
        self->screen->note = note;
    draw (self);
}

void view_type (RunView *view, const guint8 *bytes, gsize len) { input_feed (((View *) view)->input, bytes, len); }
