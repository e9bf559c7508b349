/* The operator's terminal as a picture: libvterm keeps the screen, pango and cairo draw the cells that changed. */
#pragma once
#include "media/picture.h"

#define TERMINAL_MIN_COLS 20
#define TERMINAL_MAX_COLS 500
#define TERMINAL_MIN_ROWS 5
#define TERMINAL_MAX_ROWS 300

typedef struct Terminal Terminal;

Terminal *terminal_new (int cols, int rows, int width, int height); /* cells, within the bounds above; pixels of the picture */
void      terminal_free (Terminal *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Terminal, terminal_free)

void terminal_write (Terminal *self, const void *data, gsize len);  /* bytes as the terminal got them; sequences may be split anywhere */
void terminal_resize (Terminal *self, int cols, int rows);          /* clamped to the bounds; everything is drawn anew */
void terminal_set_area (Terminal *self, int width, int height);     /* another size of the picture: everything is drawn anew */
/* Draws what changed since the last call. FALSE: nothing did. @changed: the pixels that may differ. */
gboolean terminal_draw (Terminal *self, Box *changed);
cairo_surface_t *terminal_surface (Terminal *self);                 /* RGB24, borrowed, valid until the area changes */
