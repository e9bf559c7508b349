/* ECMA-48 colours, told only where they change; without colours the brightness of both pixels together makes one character. */
#include "media/halfblock.h"
#include <string.h>

gboolean
halfblock_mode (const char *name, HalfblockMode *mode)
{
    static const char *const names[] = { [HALFBLOCK_TRUE] = "truecolor", [HALFBLOCK_256] = "256", [HALFBLOCK_SHADES] = "shades", [HALFBLOCK_ASCII] = "ascii" };
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
        if (strcmp (names[i], name) == 0) {
            *mode = (HalfblockMode) i;
            return TRUE;
        }
    return FALSE;
}

/* The nearest of the 256: a cube of six levels a colour from 16 on, 24 greys from 232 on. */
static guint
nearest_256 (const guint8 *px)
{
    static const guint8 levels[] = { 0, 95, 135, 175, 215, 255 };
    guint cube[3], error = 0;
    for (int c = 0; c < 3; c++) {
        cube[c] = px[c] < 48 ? 0 : px[c] < 115 ? 1 : (px[c] - 35u) / 40u;
        error += (guint) ABS (levels[cube[c]] - px[c]);
    }
    guint mean = (px[0] + px[1] + px[2]) / 3u, grey = mean < 8 ? 0 : MIN ((mean - 8u) / 10u, 23u), grey_error = 0;
    for (int c = 0; c < 3; c++)
        grey_error += (guint) ABS ((int) (8 + 10 * grey) - px[c]);
    return grey_error < error ? 232 + grey : 16 + 36 * cube[0] + 6 * cube[1] + cube[2];
}

static void
put_colour (GString *out, HalfblockMode mode, int layer, const guint8 *px)
{
    if (mode == HALFBLOCK_TRUE)
        g_string_append_printf (out, "\x1b[%d;2;%u;%u;%um", layer, px[0], px[1], px[2]);
    else
        g_string_append_printf (out, "\x1b[%d;5;%um", layer, nearest_256 (px));
}

static void
draw_colours (GString *out, HalfblockMode mode, const guint8 *upper, const guint8 *lower, guint columns)
{
    const guint8 *above = NULL, *below = NULL;
    for (guint x = 0; x < columns; x++, upper += 3, lower += 3) {
        if (!above || memcmp (above, upper, 3) != 0)
            put_colour (out, mode, 38, upper);
        if (!below || memcmp (below, lower, 3) != 0)
            put_colour (out, mode, 48, lower);
        g_string_append (out, "\u2580");
        above = upper;
        below = lower;
    }
    g_string_append (out, "\x1b[0m");
}

static guint
brightness (const guint8 *px)
{
    return (54u * px[0] + 183u * px[1] + 19u * px[2]) >> 8;
}

static void
draw_shades (GString *out, HalfblockMode mode, const guint8 *upper, const guint8 *lower, guint columns)
{
    static const char *const shades[] = { " ", "\u2591", "\u2592", "\u2593", "\u2588" };
    static const char ascii[] = " .:-=+*#%@";
    for (guint x = 0; x < columns; x++, upper += 3, lower += 3) {
        guint both = (brightness (upper) + brightness (lower)) / 2;
        if (mode == HALFBLOCK_SHADES)
            g_string_append (out, shades[both * G_N_ELEMENTS (shades) / 256]);
        else
            g_string_append_c (out, ascii[both * (sizeof ascii - 1) / 256]);
    }
}

void
halfblock_draw (GString *out, HalfblockMode mode, const guint8 *rgb, gsize stride, guint columns, guint rows, guint top)
{
    for (guint y = 0; y < rows; y++) {
        const guint8 *upper = rgb + 2 * y * stride, *lower = upper + stride;
        g_string_append_printf (out, "\x1b[%u;1H", top + y);
        if (mode <= HALFBLOCK_256)
            draw_colours (out, mode, upper, lower, columns);
        else
            draw_shades (out, mode, upper, lower, columns);
    }
}
