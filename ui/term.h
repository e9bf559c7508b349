/* The terminal: its modes, its size, and the way of every byte that ncurses draws to the tap and the real tty. */
#pragma once
#include "ui/ui.h"

typedef struct Term Term;
typedef void (*TermTapFunc) (const guint8 *data, gsize len, gpointer user_data);
typedef void (*TermResizedFunc) (guint cols, guint rows, gpointer user_data);

/* Brings up ncurses' stdscr on the terminal or headless. @changed is called when the size has changed or a slow terminal has caught up: draw again. */
Term    *term_new (const UiOptions *options, void (*changed) (gpointer user_data), gpointer user_data, GError **error);
void     term_free (Term *self);        /* gives the terminal back */
int      term_input_fd (const Term *self);          /* -1: headless */
void     term_size (const Term *self, guint *cols, guint *rows);
void     term_set_tap (Term *self, TermTapFunc tap, TermResizedFunc resized, gpointer user_data);
/* Sends what ncurses has to change. Does nothing while the terminal hasn't taken what it got before (then @changed follows). */
void     term_flush (Term *self);
void     term_repaint (Term *self);     /* the next flush paints everything, terminal modes included */
void     term_cursor (Term *self, gboolean visible, int y, int x); /* where it stands after the next flush */
