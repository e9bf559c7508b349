/* Box-drawing (U+2500–U+257F) by a table of arms, block elements (U+2580–U+259F) by rectangles. */
#include "media/boxes.h"

/* Four digits a character: the arm to the left, up, right, down; 1 light, 2 heavy, 3 double. Dashes are drawn whole, arcs as corners;
 * 0: a diagonal, left to the font. From the names in the Unicode standard. */
static const guint16 arms[128] = {
    0x1010, 0x2020, 0x0101, 0x0202, 0x1010, 0x2020, 0x0101, 0x0202, 0x1010, 0x2020, 0x0101, 0x0202, 0x0011, 0x0021, 0x0012, 0x0022,
    0x1001, 0x2001, 0x1002, 0x2002, 0x0110, 0x0120, 0x0210, 0x0220, 0x1100, 0x2100, 0x1200, 0x2200, 0x0111, 0x0121, 0x0211, 0x0112,
    0x0212, 0x0221, 0x0122, 0x0222, 0x1101, 0x2101, 0x1201, 0x1102, 0x1202, 0x2201, 0x2102, 0x2202, 0x1011, 0x2011, 0x1021, 0x2021,
    0x1012, 0x2012, 0x1022, 0x2022, 0x1110, 0x2110, 0x1120, 0x2120, 0x1210, 0x2210, 0x1220, 0x2220, 0x1111, 0x2111, 0x1121, 0x2121,
    0x1211, 0x1112, 0x1212, 0x2211, 0x1221, 0x2112, 0x1122, 0x2221, 0x2122, 0x2212, 0x1222, 0x2222, 0x1010, 0x2020, 0x0101, 0x0202,
    0x3030, 0x0303, 0x0031, 0x0013, 0x0033, 0x3001, 0x1003, 0x3003, 0x0130, 0x0310, 0x0330, 0x3100, 0x1300, 0x3300, 0x0131, 0x0313,
    0x0333, 0x3101, 0x1303, 0x3303, 0x3031, 0x1013, 0x3033, 0x3130, 0x1310, 0x3330, 0x3131, 0x1313, 0x3333, 0x0011, 0x1001, 0x1100,
    0x0110, 0x0000, 0x0000, 0x0000, 0x1000, 0x0100, 0x0010, 0x0001, 0x2000, 0x0200, 0x0020, 0x0002, 0x1020, 0x0102, 0x2010, 0x0201,
};

typedef struct {
    int x0, y0, x1, y1;
    int cx, cy;         /* upper left pixel of the light line through the middle */
    int thin;           /* width of a light line */
} Cell;

static void
rect (cairo_t *cr, int x0, int y0, int x1, int y1)
{
    cairo_rectangle (cr, x0, y0, x1 - x0, y1 - y0);
}

/* One line of an arm, @width wide and @shift beside the middle; it reaches over the middle by @over so that corners close. */
static void
line (cairo_t *cr, const Cell *c, int direction, int shift, int width, int over)
{
    int x = c->cx + shift - (width - c->thin) / 2, y = c->cy + shift - (width - c->thin) / 2;
    switch (direction) {
    case 0: rect (cr, c->x0, y, c->cx + over, y + width); break;
    case 1: rect (cr, x, c->y0, x + width, c->cy + over); break;
    case 2: rect (cr, c->cx + c->thin - over, y, c->x1, y + width); break;
    default: rect (cr, x, c->cy + c->thin - over, x + width, c->y1); break;
    }
}

static int
weight (guint16 code, int direction)
{
    return (code >> (12 - 4 * (direction & 3))) & 0xf;
}

/* A double arm: each of its lines stops at the first line of a double arm on its own side, or goes on to the second where there is none. */
static void
draw_double (cairo_t *cr, guint16 code, const Cell *c, int direction)
{
    int t = c->thin;
    gboolean crossed = weight (code, direction + 1) == 3 || weight (code, direction + 3) == 3;
    for (int side = -1; side <= 1; side += 2) {
        int across = direction % 2 == 0 ? (side < 0 ? 1 : 3) : (side < 0 ? 0 : 2);
        line (cr, c, direction, side * 2 * t, t, !crossed ? t : weight (code, across) == 3 ? -t : 3 * t);
    }
}

/* A light arm ends at the first line of a double one that it only touches, else it reaches across. */
static void
draw_light (cairo_t *cr, guint16 code, const Cell *c, int direction)
{
    int left = weight (code, direction + 1), right = weight (code, direction + 3);
    int over = left != 3 && right != 3 ? c->thin : left == 3 && right == 3 && !weight (code, direction + 2) ? -c->thin : 3 * c->thin;
    line (cr, c, direction, 0, c->thin, over);
}

static void
draw_arms (cairo_t *cr, guint16 code, const Cell *c)
{
    for (int d = 0; d < 4; d++)
        switch (weight (code, d)) {
        case 1: draw_light (cr, code, c, d); break;
        case 2: line (cr, c, d, 0, c->thin * 2 + 1, c->thin * 2); break;
        case 3: draw_double (cr, code, c, d); break;
        }
    cairo_fill (cr);
}

static void
draw_quadrants (cairo_t *cr, guint bits, int x0, int y0, int x1, int y1)
{
    int mx = (x0 + x1) / 2, my = (y0 + y1) / 2;
    for (int i = 0; i < 4; i++)
        if (bits & (1u << i))
            rect (cr, i & 1 ? mx : x0, i & 2 ? my : y0, i & 1 ? x1 : mx, i & 2 ? y1 : my);
    cairo_fill (cr);
}

static void
draw_shade (cairo_t *cr, double alpha, int x0, int y0, int x1, int y1)
{
    cairo_save (cr);
    rect (cr, x0, y0, x1, y1);
    cairo_clip (cr);
    cairo_paint_with_alpha (cr, alpha);
    cairo_restore (cr);
}

static void
draw_block (cairo_t *cr, int n, int x0, int y0, int x1, int y1)
{
    /* U+2596–U+259F: bits are upper left, upper right, lower left, lower right. */
    static const guint8 quadrants[10] = { 4, 8, 1, 13, 9, 7, 11, 2, 6, 14 };
    int w = x1 - x0, h = y1 - y0;
    if (n == 0)
        rect (cr, x0, y0, x1, (y0 + y1) / 2);
    else if (n == 4)
        rect (cr, x0, (y0 + y1) / 2, x1, y1);
    else if (n <= 8)
        rect (cr, x0, y1 - h * n / 8, x1, y1);
    else if (n <= 15)
        rect (cr, x0, y0, x0 + w * (16 - n) / 8, y1);
    else if (n == 16)
        rect (cr, (x0 + x1) / 2, y0, x1, y1);
    else if (n <= 19)
        draw_shade (cr, (n - 16) * 0.25, x0, y0, x1, y1);
    else if (n == 20)
        rect (cr, x0, y0, x1, y0 + MAX (h / 8, 1));
    else if (n == 21)
        rect (cr, x1 - MAX (w / 8, 1), y0, x1, y1);
    else
        draw_quadrants (cr, quadrants[n - 22], x0, y0, x1, y1);
    cairo_fill (cr);
}

gboolean
boxes_draw (cairo_t *cr, gunichar c, int x0, int y0, int x1, int y1)
{
    if (c < 0x2500 || c > 0x259f)
        return FALSE;
    if (c >= 0x2580) {
        draw_block (cr, (int) (c - 0x2580), x0, y0, x1, y1);
        return TRUE;
    }
    guint16 code = arms[c - 0x2500];
    if (!code)
        return FALSE;
    int thin = MAX ((y1 - y0) / 16, 1);
    draw_arms (cr, code, &(Cell) { x0, y0, x1, y1, (x0 + x1 - thin) / 2, (y0 + y1 - thin) / 2, thin });
    return TRUE;
}
