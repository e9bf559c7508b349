/* QR codes on the screen. Error correction M with the four-module quiet zone of ISO/IEC 18004 where there is room; else two modules, which zbar
 * reads too; else error correction L. */
#include "ui/qr.h"
#include "ui/text.h"
#include "ui/widgets.h"
#include <qrencode.h>

static struct { char *text; QRcode *codes[2]; } cache;  /* the last text, at M and L: the screen is drawn four times a second */

static QRcode *encode (const char *text, gboolean low)
{
    if (g_strcmp0 (cache.text, text) != 0)
    {
        for (guint i = 0; i < 2; i++)
            g_clear_pointer (&cache.codes[i], QRcode_free);
        g_free (cache.text);
        cache.text = g_strdup (text);
    }
    if (!cache.codes[low])
        cache.codes[low] = QRcode_encodeString8bit (text, 0, low ? QR_ECLEVEL_L : QR_ECLEVEL_M);
    return cache.codes[low];
}

static gboolean plan_one (const char *text, gboolean low, guint quiet, QrPlan *plan)
{
    QRcode *code = encode (text, low);
    if (!code)
        return FALSE;
    guint modules = (guint) code->width + 2 * quiet;
    gboolean half = text_glyphs () != GLYPHS_ASCII;
    *plan = (QrPlan) { .cols = half ? modules : 2 * modules, .rows = half ? (modules + 1) / 2 : modules, .quiet = quiet, .half = half, .low = low };
    return TRUE;
}

gboolean qr_plan (const char *text, guint cols, guint rows, QrPlan *plan)
{
    static const struct { gboolean low; guint quiet; } ways[] = { { FALSE, 4 }, { FALSE, 2 }, { TRUE, 4 }, { TRUE, 2 } };
    for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
        if (plan_one (text, ways[i].low, ways[i].quiet, plan) && plan->cols <= cols && plan->rows <= rows)
            return TRUE;
    return FALSE;
}

void qr_least (const char *text, guint *cols, guint *rows)
{
    QrPlan plan = { 0 };
    plan_one (text, TRUE, 2, &plan);
    *cols = plan.cols;
    *rows = plan.rows;
}

static gboolean dark (const QRcode *code, guint quiet, guint x, guint y)
{
    guint w = (guint) code->width;
    return x >= quiet && y >= quiet && x < quiet + w && y < quiet + w && (code->data[(y - quiet) * w + x - quiet] & 1);
}

static const char *cell (const QRcode *code, const QrPlan *plan, guint col, guint row)
{
    gboolean upper = dark (code, plan->quiet, col, 2 * row), lower = dark (code, plan->quiet, col, 2 * row + 1);
    return upper ? (lower ? "█" : "▀") : lower ? "▄" : " ";
}

/* Whole cells: a dark module is an unpainted cell, so that it is as black as the terminal's ground. */
static void draw_whole_cells (const QRcode *code, const QrPlan *plan, guint row, int y, int x)
{
    for (guint col = 0; col < plan->cols; col++)
        draw_text (y, x + (int) col, 1, dark (code, plan->quiet, col / 2, row) ? STYLE_NORMAL : STYLE_QR, " ");
}

void qr_draw (const char *text, const QrPlan *plan, int y, int x)
{
    QRcode *code = encode (text, plan->low);
    for (guint row = 0; code && row < plan->rows; row++)
    {
        if (!plan->half)
        {
            draw_whole_cells (code, plan, row, y + (int) row, x);
            continue;
        }
        g_autoptr (GString) line = g_string_new (NULL);
        for (guint col = 0; col < plan->cols; col++)
            g_string_append (line, cell (code, plan, col, row));
        draw_text (y + (int) row, x, (int) plan->cols, STYLE_QR, line->str);
    }
}
