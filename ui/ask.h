/* A question on the screen, or a page to be read, while it waits for its answer: what has been typed, and what each key does to it. Draws nothing. */
#pragma once
#include "ceremony/run/view.h"
#include "ui/editor.h"

typedef struct {
    gboolean    page;                   /* title, detail (the text) and qr only */
    AskKind     kind;
    char       *id, *role, *title, *detail, *initial, *qr;  /* texts made harmless but qr */
    GStrv       choices;
    guint       n_choices;
    gboolean    may_be_empty;
    Editor     *line;                   /* CONFIRM, TEXT, WORDS; else NULL */
    guint       selected;               /* CHOICE */
    gint        yes;                    /* YES_NO: -1 not chosen, 0, 1 */
    Secret     *pin;                    /* PIN */
    char       *problem;                /* why Enter didn't give the answer; NULL */
    AnswerFunc  answered;
    gpointer    user_data;
    guint       serial;
} Ask;

typedef enum { ASK_KEY_IGNORED, ASK_KEY_TAKEN, ASK_KEY_GIVES } AskKeyResult;

Ask         *ask_new (const Question *question, AnswerFunc answered, gpointer user_data);
Ask         *ask_new_page (const char *title, const char *text, const char *qr, AnswerFunc answered, gpointer user_data);
void         ask_free (Ask *self);
AskKeyResult ask_key (Ask *self, guint32 key);      /* GIVES: ask_answer is the answer. Never called with a PIN's characters */
AskKeyResult ask_pin_byte (Ask *self, guint8 byte); /* PIN: a byte as the terminal sent it, no escape sequence */
void         ask_answer (Ask *self, Answer *answer); /* points into @self */
