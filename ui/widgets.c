/* Styles and the few shapes that all screens share. Colour only repeats what a word, a mark or an attribute says already. */
#include "ui/widgets.h"
#include "ui/text.h"
#include <curses.h>

/* Foreground and background (-1: the terminal's own), attributes with colours, attributes without. */
static const struct { short fg, bg; attr_t colour, mono; } styles[STYLES] = {
    [STYLE_NORMAL]    = { -1, -1, A_NORMAL, A_NORMAL },
    [STYLE_STRONG]    = { -1, -1, A_BOLD, A_BOLD },
    [STYLE_QUIET]     = { COLOR_CYAN, -1, A_NORMAL, A_NORMAL },
    [STYLE_BAR]       = { -1, -1, A_REVERSE, A_REVERSE },
    [STYLE_REHEARSAL] = { COLOR_BLACK, COLOR_YELLOW, A_NORMAL, A_BOLD },
    [STYLE_OK]        = { COLOR_GREEN, -1, A_NORMAL, A_NORMAL },
    [STYLE_NOW]       = { COLOR_YELLOW, -1, A_BOLD, A_BOLD },
    [STYLE_WARNING]   = { COLOR_YELLOW, -1, A_BOLD, A_BOLD },
    [STYLE_ERROR]     = { COLOR_RED, -1, A_BOLD, A_BOLD },
    [STYLE_REC]       = { COLOR_RED, -1, A_BOLD, A_BOLD },
    [STYLE_LINE]      = { -1, -1, A_NORMAL, A_NORMAL },
    [STYLE_KEY]       = { COLOR_CYAN, -1, A_BOLD, A_BOLD },
    [STYLE_FIELD]     = { -1, -1, A_UNDERLINE, A_UNDERLINE },
    [STYLE_CHOSEN]    = { -1, -1, A_REVERSE, A_REVERSE },
    [STYLE_ALOUD]     = { -1, -1, A_BOLD, A_NORMAL },
    [STYLE_QR]        = { COLOR_BLACK, COLOR_WHITE, A_NORMAL, A_REVERSE },
};

static gboolean coloured;

void widgets_start (void)
{
    coloured = has_colors () && COLOR_PAIRS > STYLES;
    for (short i = 1; coloured && i < STYLES; i++)
    {
        short bg = i == STYLE_QR && COLORS >= 16 ? 15 : styles[i].bg;   /* bright white: a scanner wants contrast */
        if (init_pair (i, styles[i].fg, bg) == ERR)
            coloured = FALSE;
    }
}

static void use (Style style)
{
    attr_set (coloured ? styles[style].colour : styles[style].mono, coloured ? (short) style : 0, NULL);
}

void draw_erase (void)
{
    use (STYLE_NORMAL);
    erase ();
}

int draw_text (int y, int x, int width, Style style, const char *text)
{
    g_autofree char *part = text_cut (text, width > 0 ? (guint) width : 0);
    glong n;
    g_autofree gunichar *chars = g_utf8_to_ucs4_fast (part, -1, &n);
    use (style);
    if (n > 0)
        mvaddnwstr (y, x, (const wchar_t *) chars, (int) n);
    use (STYLE_NORMAL);
    return (int) text_columns (part);
}

void draw_fill (int y, int x, int width, Style style)
{
    use (style);
    mvhline (y, x, ' ' | (chtype) (coloured ? COLOR_PAIR (style) | styles[style].colour : styles[style].mono), width);
    use (STYLE_NORMAL);
}

void draw_lines (Rect area, GPtrArray *lines, guint first, Style style)
{
    for (int i = 0; i < area.h && first + (guint) i < lines->len; i++)
        draw_text (area.y + i, area.x, area.w, style, lines->pdata[first + (guint) i]);
}

void draw_rule (int y, int x, int width, int tee)
{
    use (STYLE_LINE);
    mvhline_set (y, x, WACS_HLINE, width);
    if (tee >= 0)
        mvadd_wch (y, tee, WACS_BTEE);
    use (STYLE_NORMAL);
}

void draw_divider (int x, int y, int height)
{
    use (STYLE_LINE);
    mvvline_set (y, x, WACS_VLINE, height);
    use (STYLE_NORMAL);
}

void draw_box (Rect area, const char *title)
{
    int right = area.x + area.w - 1, bottom = area.y + area.h - 1;
    use (STYLE_LINE);
    mvhline_set (area.y, area.x, WACS_HLINE, area.w);
    mvhline_set (bottom, area.x, WACS_HLINE, area.w);
    mvvline_set (area.y, area.x, WACS_VLINE, area.h);
    mvvline_set (area.y, right, WACS_VLINE, area.h);
    mvadd_wch (area.y, area.x, WACS_ULCORNER);
    mvadd_wch (area.y, right, WACS_URCORNER);
    mvadd_wch (bottom, area.x, WACS_LLCORNER);
    mvadd_wch (bottom, right, WACS_LRCORNER);
    use (STYLE_NORMAL);
    g_autofree char *label = g_strdup_printf (" %s ", title);
    draw_text (area.y, area.x + 2, area.w - 4, STYLE_QUIET, label);
}

void draw_more (int y, int right, guint first, guint n, guint room)
{
    if (n <= room)
        return;
    guint below = n > first + room ? n - first - room : 0;
    g_autofree char *up = g_strdup_printf (" %s PgUp ", text_glyph (GLYPH_MORE_UP));
    g_autofree char *down = g_strdup_printf (" %s PgDn: %u more ", text_glyph (GLYPH_MORE_DOWN), below);
    int x = right;
    if (below)
        draw_text (y, x -= (int) text_columns (down), 40, STYLE_KEY, down);
    if (first)
        draw_text (y, x - (int) text_columns (up), 40, STYLE_KEY, up);
}

void draw_heading (int y, int x, int width, const char *label)
{
    g_autofree char *text = g_strdup_printf (" %s ", label);
    draw_rule (y, x, width, -1);
    draw_text (y, x + 2, width - 4, STYLE_QUIET, text);
}
