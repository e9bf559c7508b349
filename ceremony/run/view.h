/* What run/ shows and asks, and who shows it: an interface that ui/ implements. run/ never waits for a key itself: it asks, goes on with its main loop
 * (recording, checkpoints, timers), and gets the answer by a call. Everything here is in the main thread. */
#pragma once
#include <glib.h>
#include "ceremony/base/secret.h"

typedef enum { STEP_TODO, STEP_NOW, STEP_DONE, STEP_SKIPPED } StepState;
typedef struct { const char *id, *title; StepState state; } ViewStep;

typedef enum { MOOD_NORMAL, MOOD_WARNING, MOOD_ERROR } ViewMood;

typedef struct {                        /* all that the screen draws but the question; strings live until the next update */
    const char *title, *ceremony;       /* script's title; ceremony id */
    gboolean    rehearsal;
    const ViewStep *steps;
    guint       n_steps, current;       /* n_steps where none is */
    const char *read_aloud;             /* "" nothing to read */
    const char *action;                 /* what to do now */
    const char *waiting;                /* "" or what the program waits for: "The token generates the key: 12 s" */
    const char *message;                /* last message: error or news; "" none */
    ViewMood    mood;
    /* live facts */
    gint64      recording_ms;           /* -1: not recording */
    guint64     events, checkpoint_size;
    const char *checkpoint_words;       /* first 4 bytes of the last checkpoint's root as words */
    guint64     frames_dropped;
    gint64      free_bytes;             /* of the disk; -1 unknown */
    const char *camera;                 /* "test picture", "/dev/video0", "lost", "none" */
    const char *token;                  /* label and serial, "" none */
    gboolean    paused;
    gboolean    closed;                 /* nothing can be added to the record: of the function keys only abort has a meaning, which is to break off */
} ViewState;

typedef enum {
    ASK_CONTINUE,                       /* Enter goes on */
    ASK_CONFIRM,                        /* a hold point: @role confirms with initials (text) */
    ASK_TEXT,                           /* a line; @initial is there to edit */
    ASK_CHOICE,                         /* one of @choices: index */
    ASK_PIN,                            /* into a Secret; nothing is echoed, not even its length */
    ASK_WORDS,                          /* words of the challenge; completed from the PGP list as typed */
    ASK_YES_NO,
} AskKind;

typedef struct {
    AskKind     kind;
    const char *id;                     /* stable name of the question: what the autopilot answers by: "confirm", "person.name", "pin", "challenge", … */
    const char *role;                   /* who answers, "" anybody */
    const char *title;                  /* the question itself */
    const char *detail;                 /* help: several lines, may be "" */
    const char *initial;                /* ASK_TEXT: text to start from */
    const char *const *choices;         /* ASK_CHOICE, NULL-terminated */
    gboolean    may_be_empty;
    const char *qr;                     /* not NULL: the text of a QR to show full-screen beside the question (checkpoint note) */
} Question;

typedef enum {
    ANSWER_GIVEN,
    ANSWER_NOTE, ANSWER_DEVIATION, ANSWER_PAUSE, ANSWER_ABORT,  /* keys that work at any time (F-keys): run/ handles them, then asks again */
    ANSWER_QR,                          /* show the current checkpoint full-screen, then ask again */
} AnswerKind;
typedef struct {
    AnswerKind  kind;
    const char *text;                   /* CONFIRM (initials), TEXT, WORDS */
    gint        choice;                 /* CHOICE; YES_NO: 1 yes, 0 no */
    Secret     *pin;                    /* PIN: owned by the view until the callback returns; copy with secret_set */
} Answer;

typedef struct RunView RunView;
typedef void (*AnswerFunc) (const Answer *answer, gpointer user_data);
struct RunView {
    void (*update) (RunView *self, const ViewState *state);
    void (*ask) (RunView *self, const Question *question, AnswerFunc answered, gpointer user_data); /* one at a time; exactly one call of @answered */
    void (*withdraw) (RunView *self);   /* takes the question back without an answer */
    /* full-screen text, e.g. the final checkpoint or the summary to read before signing; scrolls; answered with ASK_CONTINUE's answer */
    void (*page) (RunView *self, const char *title, const char *text, const char *qr, AnswerFunc answered, gpointer user_data);
    /* called by run/ when it starts: every byte that the real terminal gets, for the recorder; and each new size */
    void (*set_output_tap) (RunView *self, void (*tap) (const guint8 *data, gsize len, gpointer user_data),
                            void (*resized) (guint cols, guint rows, gpointer user_data), gpointer user_data);
    void (*size) (RunView *self, guint *cols, guint *rows);
    void (*redraw) (RunView *self);     /* repaint the whole screen: a new part of the recording begins with it */
    void (*free) (RunView *self);       /* restores the terminal */
};
