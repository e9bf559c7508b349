/* A QR code in terminal cells that a camera or zbar can read: half blocks (a module is one column wide, half a row high), black on white, with its quiet zone. */
#pragma once
#include <glib.h>

typedef struct { guint cols, rows, quiet; gboolean half, low; } QrPlan; /* low: error correction L, for a little less room */

/* The best way to draw @text in @cols x @rows; FALSE where none fits. Without UTF-8 a module takes two whole cells. */
gboolean qr_plan (const char *text, guint cols, guint rows, QrPlan *plan);
/* The least room that @text needs; 0, 0 where it is too long for any code. */
void     qr_least (const char *text, guint *cols, guint *rows);
void     qr_draw (const char *text, const QrPlan *plan, int y, int x);
