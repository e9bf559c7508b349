/* What screens are drawn from: styles, text, boxes, bars. All of it draws on ncurses' stdscr; term_flush sends it. */
#pragma once
#include "ui/layout.h"

typedef enum {
    STYLE_NORMAL, STYLE_STRONG, STYLE_QUIET, STYLE_BAR, STYLE_REHEARSAL, STYLE_OK, STYLE_NOW, STYLE_WARNING, STYLE_ERROR, STYLE_REC, STYLE_LINE, STYLE_KEY,
    STYLE_FIELD, STYLE_CHOSEN, STYLE_ALOUD, STYLE_QR, STYLES
} Style;

void widgets_start (void);              /* after ncurses is up: makes the colours where there are any */
void draw_erase (void);
/* Draws @text at (@y, @x), cut to @width; gives the columns used. */
int  draw_text (int y, int x, int width, Style style, const char *text);
void draw_fill (int y, int x, int width, Style style);
/* @lines from @first into @area, a line each. */
void draw_lines (Rect area, GPtrArray *lines, guint first, Style style);
void draw_rule (int y, int x, int width, int tee);      /* a line; @tee: the column where a vertical line meets it from above, -1 none */
void draw_divider (int x, int y, int height);
void draw_box (Rect area, const char *title);
/* On the rule or border at @y, ending at @right: which keys show the rest, where more than @room of @n lines are there. */
void draw_more (int y, int right, guint first, guint n, guint room);
/* A label in a rule: "── Witness confirms ─────". */
void draw_heading (int y, int x, int width, const char *label);
