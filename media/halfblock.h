/* A picture as characters of a terminal: two pixels, one above the other, in each cell. */
#pragma once
#include <glib.h>

typedef enum { HALFBLOCK_TRUE, HALFBLOCK_256, HALFBLOCK_SHADES, HALFBLOCK_ASCII } HalfblockMode;

/* "truecolor", "256", "shades", "ascii"; FALSE: another. */
gboolean halfblock_mode (const char *name, HalfblockMode *mode);
/* Appends what draws @columns × @rows cells from line @top (from 1) on; @rgb: columns × 2 rows pixels of three bytes, lines @stride bytes apart. */
void     halfblock_draw (GString *out, HalfblockMode mode, const guint8 *rgb, gsize stride, guint columns, guint rows, guint top);
