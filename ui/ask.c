/* Keys to answers, a small handler for each kind of question. A PIN goes byte by byte from the read buffer into its Secret and is in no other memory. */
#include "ui/ask.h"
#include "ui/keys.h"
#include "ui/text.h"
#include "ui/words.h"
#include <string.h>

static guint last_serial;

Ask *ask_new (const Question *question, AnswerFunc answered, gpointer user_data)
{
    Ask *self = g_new0 (Ask, 1);
    self->kind = question->kind;
    self->id = g_strdup (question->id ? question->id : "");
    self->role = text_visible (question->role, FALSE);
    self->title = text_visible (question->title, TRUE);
    self->detail = text_visible (question->detail, TRUE);
    self->qr = g_strdup (question->qr);
    self->may_be_empty = question->may_be_empty;
    self->yes = -1;
    self->answered = answered;
    self->user_data = user_data;
    self->serial = ++last_serial;
    self->n_choices = question->choices ? g_strv_length ((GStrv) question->choices) : 0;
    self->choices = g_new0 (char *, self->n_choices + 1);
    for (guint i = 0; i < self->n_choices; i++)
        self->choices[i] = text_visible (question->choices[i], FALSE);
    if (self->kind == ASK_TEXT || self->kind == ASK_CONFIRM || self->kind == ASK_WORDS)
        self->line = editor_new (self->kind == ASK_TEXT ? question->initial : NULL);
    if (self->kind == ASK_PIN)
        self->pin = secret_new ();
    return self;
}

Ask *ask_new_page (const char *title, const char *text, const char *qr, AnswerFunc answered, gpointer user_data)
{
    const Question question = { .kind = ASK_CONTINUE, .id = "page", .title = title, .detail = text, .qr = qr };
    Ask *self = ask_new (&question, answered, user_data);
    self->page = TRUE;
    return self;
}

void ask_free (Ask *self)
{
    if (!self)
        return;
    editor_free (self->line);
    if (self->pin)
        secret_free (self->pin);
    g_strfreev (self->choices);
    g_free (self->id);
    g_free (self->role);
    g_free (self->title);
    g_free (self->detail);
    g_free (self->qr);
    g_free (self->problem);
    g_free (self);
}

static AskKeyResult refuse (Ask *self, const char *why)
{
    g_free (self->problem);
    self->problem = g_strdup (why);
    return ASK_KEY_TAKEN;
}

static AskKeyResult key_continue (Ask *self, guint32 key) { return key == K_ENTER ? ASK_KEY_GIVES : ASK_KEY_IGNORED; }

static AskKeyResult key_text (Ask *self, guint32 key)
{
    if (key != K_ENTER)
        return editor_key (self->line, key) ? ASK_KEY_TAKEN : ASK_KEY_IGNORED;
    g_strstrip (self->line->text->str);
    g_string_set_size (self->line->text, strlen (self->line->text->str));
    self->line->cursor = self->line->text->len;
    if (self->line->text->len > 0 || self->may_be_empty)
        return ASK_KEY_GIVES;
    return refuse (self, self->kind == ASK_CONFIRM ? "Type your initials, then Enter." : "This can't be left empty.");
}

static AskKeyResult key_words (Ask *self, guint32 key)
{
    if (key == K_TAB)
    {
        self->line->cursor = self->line->text->len;
        g_autofree char *rest = words_complete (self->line->text->str);
        editor_insert (self->line, rest);
        return ASK_KEY_TAKEN;
    }
    if (key != K_ENTER)
        return key_text (self, key);
    if (self->may_be_empty && self->line->text->len == 0)
        return ASK_KEY_GIVES;
    g_autofree char *problem = words_problem (self->line->text->str);
    return problem ? refuse (self, problem) : key_text (self, key);
}

static AskKeyResult key_choice (Ask *self, guint32 key)
{
    guint last = self->n_choices ? self->n_choices - 1 : 0;
    if (key == K_UP)
        self->selected -= self->selected > 0;
    else if (key == K_DOWN)
        self->selected += self->selected < last;
    else if (key == K_HOME || key == K_END)
        self->selected = key == K_HOME ? 0 : last;
    else if (key >= '1' && key <= '9' && key - '1' <= last)
        self->selected = key - '1';
    else
        return key == K_ENTER && self->n_choices ? ASK_KEY_GIVES : ASK_KEY_IGNORED;
    return ASK_KEY_TAKEN;
}

static AskKeyResult key_yes_no (Ask *self, guint32 key)
{
    if (key == 'y' || key == 'Y' || key == K_LEFT || key == K_UP)
        self->yes = 1;
    else if (key == 'n' || key == 'N' || key == K_RIGHT || key == K_DOWN)
        self->yes = 0;
    else if (key == K_TAB)
        self->yes = self->yes != 1;
    else if (key != K_ENTER)
        return ASK_KEY_IGNORED;
    else if (self->yes < 0)
        return refuse (self, "Press y or n, then Enter.");
    else
        return ASK_KEY_GIVES;
    return ASK_KEY_TAKEN;
}

static AskKeyResult key_pin (Ask *self, guint32 key)
{
    return ASK_KEY_IGNORED;             /* all of a PIN comes through ask_pin_byte */
}

AskKeyResult ask_key (Ask *self, guint32 key)
{
    static AskKeyResult (*const handlers[]) (Ask *, guint32) = {
        [ASK_CONTINUE] = key_continue, [ASK_CONFIRM] = key_text, [ASK_TEXT] = key_text, [ASK_CHOICE] = key_choice,
        [ASK_PIN] = key_pin, [ASK_WORDS] = key_words, [ASK_YES_NO] = key_yes_no,
    };
    g_autofree char *before = g_steal_pointer (&self->problem);
    AskKeyResult result = handlers[self->kind] (self, key);
    if (result == ASK_KEY_IGNORED && !self->problem)
        self->problem = g_steal_pointer (&before);
    return result;
}

AskKeyResult ask_pin_byte (Ask *self, guint8 byte)
{
    g_clear_pointer (&self->problem, g_free);
    if (byte == '\r' || byte == '\n')
        return secret_len (self->pin) > 0 || self->may_be_empty ? ASK_KEY_GIVES : refuse (self, "Nothing was typed. Type the PIN, then Enter.");
    if (byte == 0x08 || byte == 0x7f)
        secret_backspace (self->pin);
    else if (byte == 0x15)
        secret_wipe (self->pin);
    else if (byte < 0x20)
        return ASK_KEY_IGNORED;
    else if (!secret_append (self->pin, byte))
    {
        secret_wipe (self->pin);
        return refuse (self, "That is too long for a PIN. Type it again.");
    }
    return ASK_KEY_TAKEN;
}

void ask_answer (Ask *self, Answer *answer)
{
    *answer = (Answer) { .kind = ANSWER_GIVEN, .text = self->line ? self->line->text->str : "", .pin = self->pin };
    if (self->kind == ASK_CHOICE)
        answer->choice = (gint) self->selected;
    if (self->kind == ASK_YES_NO)
        answer->choice = self->yes;
}
