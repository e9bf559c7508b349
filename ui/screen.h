/* All that is to be seen at one moment, and the drawing of it: run screen, page, QR, "enlarge the terminal". */
#pragma once
#include "ui/ask.h"
#include "ui/layout.h"

typedef struct { guint first, n, room; } Scroll;    /* n lines, of which room are shown from first on */

typedef struct {
    ViewState state;                    /* an own copy, its texts made harmless */
    Ask      *ask;                      /* borrowed; NULL: nothing is asked */
    const char *note;                   /* beside the keys: that a function key waits for the next question, that the autopilot types; NULL none */
    gboolean  qr_alone;                 /* the QR code has the screen for itself */
    Scroll    aloud, detail;
    guint     cols, rows;
    gboolean  cursor;                   /* set by drawing: where the cursor belongs, if anywhere */
    int       cursor_y, cursor_x;
} Screen;

Screen  *screen_new (void);
void     screen_free (Screen *self);
void     screen_set_state (Screen *self, const ViewState *state);
void     screen_set_ask (Screen *self, Ask *ask);
void     screen_draw (Screen *self);                    /* on ncurses' stdscr, at cols x rows */
gboolean screen_too_small (const Screen *self);
gboolean screen_key (Screen *self, guint32 key);        /* scrolling and F4's toggle; TRUE: taken */
gboolean screen_at_end (const Screen *self);            /* a page: its last line has been reached */

/* For the drawing files: run_screen.c, panel.c, page.c. */
void     draw_title (Screen *self, Rect area);
void     draw_keys (Screen *self, Rect area);
void     draw_run_screen (Screen *self);
void     draw_page (Screen *self);
void     draw_qr_alone (Screen *self);
void     draw_panel (Screen *self, Rect area, gboolean only_question);
/* Room that a QR code may take beside a text; TRUE: @area is where. */
gboolean qr_beside (const Screen *self, Rect *area, int *text_width);
gboolean qr_fits_alone (const Screen *self);
char    *qr_in_words (const Screen *self, gboolean shown);  /* what the code says, as text, and how to see it; g_free */
