/* Box-drawing and block characters, drawn by hand: a font's are made for its own line height, and leave gaps in any other cell. */
#pragma once
#include <cairo.h>
#include <glib.h>

/* Draws U+2500–U+259F in the current colour, filling the cell from @x0, @y0 to @x1, @y1. FALSE: not such a character, the font must do it. */
gboolean boxes_draw (cairo_t *cr, gunichar c, int x0, int y0, int x1, int y1);
