/* A RunView for tests: answers questions from a table or by a function, some milliseconds after they were asked, as a person would; and writes what it would draw
 * to the output tap, so that the recorder has a terminal to record. Included by the tests that need it. */
#include <string.h>
#include "ceremony/run/view.h"

typedef struct Scripted Scripted;
/* Looks at each question first; FALSE: the table answers. */
typedef gboolean (*ScriptedHook) (Scripted *self, const Question *question, Answer *answer, gpointer user_data);

struct Scripted {
    RunView      view;
    GHashTable  *answers;           /* "id:role" or "id" → text */
    ScriptedHook hook;
    gpointer     user_data;
    GPtrArray   *asked;             /* ids, in order */
    GPtrArray   *said;              /* messages shown, in order */
    char        *last_page;
    guint        cols, rows;
    gboolean     silent;            /* set by the hook: this question isn't answered */
    void       (*tap) (const guint8 *, gsize, gpointer);
    void       (*resized) (guint, guint, gpointer);
    gpointer     tap_data;
    guint        source;
    Answer       answer;
    char        *text;
    Secret      *pin;
    AnswerFunc   answered;
    gpointer     answered_data;
};

static void
scripted_draw (Scripted *self, const char *text)
{
    g_autofree char *line = g_strconcat ("\r\n", text, NULL);

    if (self->tap && text && *text)
        self->tap ((const guint8 *) line, strlen (line), self->tap_data);
}

static void
scripted_update (RunView *view, const ViewState *state)
{
    Scripted *self = (Scripted *) view;
    const char *last = self->said->len ? g_ptr_array_index (self->said, self->said->len - 1) : "";

    if (state->message && *state->message && strcmp (state->message, last) != 0) {
        g_ptr_array_add (self->said, g_strdup (state->message));
        scripted_draw (self, state->message);
    }
}

static gboolean
scripted_deliver (gpointer data)
{
    Scripted *self = data;
    AnswerFunc answered = self->answered;
    Answer answer = self->answer;

    self->source = 0;
    answer.text = self->text;
    answer.pin = self->pin;
    answered (&answer, self->answered_data);
    return G_SOURCE_REMOVE;
}

static const char *
scripted_lookup (Scripted *self, const Question *question)
{
    g_autofree char *key = g_strdup_printf ("%s:%s", question->id, question->role ? question->role : "");
    const char *text = g_hash_table_lookup (self->answers, key);

    return text ? text : g_hash_table_lookup (self->answers, question->id);
}

static void
scripted_set_text (Scripted *self, const char *text)
{
    g_free (self->text);
    self->text = g_strdup (text);
}

static void
scripted_from_table (Scripted *self, const Question *question)
{
    const char *text = scripted_lookup (self, question);

    switch (question->kind) {
    case ASK_YES_NO:
        self->answer.choice = !text || strcmp (text, "yes") == 0;
        break;
    case ASK_CHOICE:
        for (gint i = 0; text && question->choices[i]; i++)
            if (g_str_has_prefix (question->choices[i], text))
                self->answer.choice = i;
        break;
    case ASK_PIN:
        secret_set (self->pin, text ? text : "", text ? strlen (text) : 0);
        break;
    default:
        scripted_set_text (self, text ? text : question->initial ? question->initial : "");
        break;
    }
}

static void
scripted_ask (RunView *view, const Question *question, AnswerFunc answered, gpointer user_data)
{
    Scripted *self = (Scripted *) view;

    g_assert_cmpuint (self->source, ==, 0);
    g_assert_nonnull (question->id);
    g_assert_nonnull (question->title);
    g_ptr_array_add (self->asked, g_strdup (question->id));
    scripted_draw (self, question->title);
    self->answered = answered;
    self->answered_data = user_data;
    memset (&self->answer, 0, sizeof self->answer);
    scripted_set_text (self, "");
    secret_wipe (self->pin);
    self->silent = FALSE;
    if (!self->hook || !self->hook (self, question, &self->answer, self->user_data))
        scripted_from_table (self, question);
    if (!self->silent)
        self->source = g_timeout_add (5, scripted_deliver, self);
}

static void
scripted_withdraw (RunView *view)
{
    g_clear_handle_id (&((Scripted *) view)->source, g_source_remove);
}

static void
scripted_page (RunView *view, const char *title, const char *text, const char *qr, AnswerFunc answered, gpointer user_data)
{
    Scripted *self = (Scripted *) view;
    Question question = { .kind = ASK_CONTINUE, .id = "page", .role = "", .title = title, .detail = text, .initial = "", .qr = qr };

    g_free (self->last_page);
    self->last_page = g_strdup (text);
    scripted_ask (view, &question, answered, user_data);
}

static void
scripted_set_tap (RunView *view, void (*tap) (const guint8 *, gsize, gpointer), void (*resized) (guint, guint, gpointer), gpointer user_data)
{
    Scripted *self = (Scripted *) view;

    self->tap = tap;
    self->resized = resized;
    self->tap_data = user_data;
}

static void
scripted_size (RunView *view, guint *cols, guint *rows)
{
    *cols = ((Scripted *) view)->cols;
    *rows = ((Scripted *) view)->rows;
}

static void
scripted_redraw (RunView *view)
{
    scripted_draw ((Scripted *) view, "\033[2J\033[HA whole screen");
}

static void
scripted_free (RunView *view)
{
    Scripted *self = (Scripted *) view;

    scripted_withdraw (view);
    g_hash_table_unref (self->answers);
    g_ptr_array_unref (self->asked);
    g_ptr_array_unref (self->said);
    g_free (self->last_page);
    g_free (self->text);
    secret_free (self->pin);
    g_free (self);
}

/* @answers: pairs of key and text, ends with NULL. */
static Scripted *
scripted_new (const char *const *answers, ScriptedHook hook, gpointer user_data)
{
    Scripted *self = g_new0 (Scripted, 1);

    self->view = (RunView){ scripted_update, scripted_ask, scripted_withdraw, scripted_page, scripted_set_tap, scripted_size, scripted_redraw, scripted_free };
    self->answers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    for (gsize i = 0; answers[i]; i += 2)
        g_hash_table_insert (self->answers, g_strdup (answers[i]), g_strdup (answers[i + 1]));
    self->hook = hook;
    self->user_data = user_data;
    self->asked = g_ptr_array_new_with_free_func (g_free);
    self->said = g_ptr_array_new_with_free_func (g_free);
    self->cols = 80;
    self->rows = 24;
    self->pin = secret_new ();
    return self;
}

G_GNUC_UNUSED static gboolean
scripted_was_said (const Scripted *self, const char *part)
{
    for (guint i = 0; i < self->said->len; i++)
        if (strstr (g_ptr_array_index (self->said, i), part))
            return TRUE;
    return FALSE;
}

G_GNUC_UNUSED static guint
scripted_times_asked (const Scripted *self, const char *id)
{
    guint n = 0;

    for (guint i = 0; i < self->asked->len; i++)
        n += strcmp (g_ptr_array_index (self->asked, i), id) == 0;
    return n;
}
