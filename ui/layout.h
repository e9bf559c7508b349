/* Where things stand on the screen: rectangles from a size, and heights shared out by importance. Pure arithmetic. */
#pragma once
#include <glib.h>

typedef struct { int y, x, h, w; } Rect;

typedef struct {
    gboolean too_small;                 /* nothing else is set */
    gboolean roomy;                     /* rows to spare: blank lines between things */
    Rect     title, steps, panel, facts, keys;
    int      divider, rule;             /* column of the line between steps and panel; row of the line above the facts */
} Layout;

Layout layout_run (guint cols, guint rows);
Layout layout_page (guint cols, guint rows);    /* the panel takes the steps' and the facts' room */

typedef struct { int min, want, rank, got; } Share;     /* rank 0 is served first */
/* Shares @total rows out: first every minimum by rank, then up to what each wants, by rank. */
void   layout_share (int total, Share *shares, guint n);
/* The first line to show so that line @current of @n is seen among @room, with lines around it where there are. */
guint  layout_scroll_to (guint current, guint n, guint room);
