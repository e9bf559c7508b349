/* The screens of `ceremony run`: a RunView (ceremony/run/view.h) on ncurses, and the autopilot that types at it in an unattended rehearsal.
 *
 * How the bytes flow: ncurses draws into a memory file that stands in for a pty (nothing can block there); whatever it wrote is handed, in order and whole, to the
 * output tap (the recorder) and to the real terminal. What is typed comes from the terminal through our own key decoder, never through ncurses.
 *
 * How people answer: Enter gives the answer. CHOICE: arrows or a digit, then Enter. YES_NO: y or n, then Enter; nothing is preset. CONFIRM: initials, then Enter.
 * WORDS: Tab completes. F2 note, F3 deviation, F4 QR, F5 pause, F8 or Ctrl-C abort, Ctrl-L repaints. PgUp and PgDn scroll. Page and QR screens: Enter goes on when the
 * end of the text has been on the screen, before that it shows the next part; F4 changes between text and QR where both don't fit. A function key pressed while
 * nothing is asked is kept, and answers the next question. */
#pragma once
#include "ceremony/run/view.h"

#define UI_MIN_COLS 80
#define UI_MIN_ROWS 24
#define UI_MAX_COLS 300
#define UI_MAX_ROWS 100

typedef struct {                        /* zeroed: the process's terminal */
    gboolean    headless;               /* no terminal even where there is one */
    guint       cols, rows;             /* headless; 0: 120x36 */
    const char *term;                   /* NULL: $TERM; headless: xterm-256color */
    gboolean    monochrome, ascii;      /* beyond what NO_COLOR, $TERM and the locale say */
    int         in_fd, out_fd;          /* both 0: standard input and output */
} UiOptions;

/* Takes over the terminal; where input or output is none, works headless: bytes go to the tap alone. One at a time. Sets LC_CTYPE of the process from the environment.
 * Needs the default main context to run. Call its `free` (never from within an answer) to give the terminal back; that also happens at exit and on a signal that ends the process.
 * BASE_ERROR_MISSING: the terminal is unknown or can't place its cursor; BASE_ERROR_IO. */
RunView *ui_run_view_new (const UiOptions *options, GError **error);

/* Told to the autopilot instead of a table: the answer to type, g_free; NULL: none known. */
typedef char *(*AutopilotAnswerFunc) (const Question *question, gpointer user_data);

typedef struct {
    GHashTable *answers;                /* char * → char *: "id:role" is looked up first, then "id". "@PATH": the first line of that file, read when it is typed (a PIN: straight into a
                                         * Secret). CHOICE: the text of the choice, or its number from 1. YES_NO: "yes" or "no". May be NULL; a reference is kept */
    AutopilotAnswerFunc answer;         /* asked before the table; may be NULL */
    gpointer    user_data;
    gboolean    fast;                   /* 30 ms before each answer, typed at once; else at reading speed, key by key */
    guint       chars_per_second;       /* reading speed; 0: 15 */
} AutopilotOptions;

/* Answers every question of @view (made by ui_run_view_new) by typing keys into it. Where no answer is known: Enter at CONTINUE and pages, "RH" at CONFIRM, what ASK_TEXT starts
 * from; else it says so on standard error, presses the abort key and says yes to what follows, so that an unattended run ends (after 40 more questions by SIGTERM). A key pressed by a person stops it for good. */
void     ui_autopilot_attach (RunView *view, const AutopilotOptions *options);
