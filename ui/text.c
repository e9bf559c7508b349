/* Text for terminals: labels of tokens, names and messages come from strangers, so every string is made harmless before it is measured or drawn.
 * Widths follow wcwidth, as ncurses does; without UTF-8 the text is brought down to ASCII first. */
#include "ui/text.h"
#include <string.h>
#include <wchar.h>

static GlyphSet glyph_set = GLYPHS_FULL;

static const char *const glyphs[GLYPHS][3] = {
    [GLYPH_TODO]      = { "·", "·", "." },
    [GLYPH_NOW]       = { "▶", "►", ">" },
    [GLYPH_DONE]      = { "✓", "√", "+" },
    [GLYPH_SKIPPED]   = { "–", "-", "-" },
    [GLYPH_REC]       = { "●", "■", "*" },
    [GLYPH_ERROR]     = { "✗", "‼", "!!" },
    [GLYPH_WARNING]   = { "!", "!", "!" },
    [GLYPH_NEWS]      = { "•", "•", "*" },
    [GLYPH_WAIT]      = { "…", ".", ".." },
    [GLYPH_MORE_UP]   = { "▲", "▲", "^" },
    [GLYPH_MORE_DOWN] = { "▼", "▼", "v" },
    [GLYPH_ELLIPSIS]  = { "…", "~", "~" },
    [GLYPH_DOT]       = { "·", "·", "-" },
    [GLYPH_POINT]     = { "▸", "►", ">" },
};

void text_set_glyphs (GlyphSet set) { glyph_set = set; }

GlyphSet text_glyphs (void) { return glyph_set; }

const char *text_glyph (Glyph glyph) { return glyphs[glyph][glyph_set]; }

/* Characters without a picture of their own that change how others look: directions, joiners, separators, byte order marks, tags. */
static gboolean deceives (gunichar c)
{
    return c == 0x61c || c == 0xad || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff) || c == 0x3164 || c == 0x115f || c == 0x1160 || c == 0xffa0 || c == 0x180e;
}

static gboolean printable (gunichar c)
{
    return c >= 0x20 && (c < 0x7f || c >= 0xa0) && !deceives (c) && (c < 0x80 || g_unichar_isprint (c) || g_unichar_ismark (c)) &&
           (glyph_set == GLYPHS_ASCII || wcwidth ((wchar_t) c) >= 0);
}

gboolean text_may_type (gunichar c) { return printable (c); }

static void append_control (GString *out, gunichar c, gboolean lines)
{
    if (c == '\n')
        g_string_append_c (out, lines ? '\n' : ' ');
    else if (c == '\t')
        g_string_append (out, "    ");
    else if (c < 0x20 || c == 0x7f)
        g_string_append_printf (out, "^%c", (char) (c ^ 0x40));
    else if (c < 0xa0)
        g_string_append_printf (out, "\\x%02x", c);
    else
        g_string_append_printf (out, "<U+%04X>", c);
}

static void append_printable (GString *out, gunichar c)
{
    if (glyph_set != GLYPHS_ASCII || c < 0x80)
    {
        g_string_append_unichar (out, c);
        return;
    }
    char utf8[7] = { 0 };
    g_unichar_to_utf8 (c, utf8);
    g_autofree char *ascii = g_str_to_ascii (utf8, "C");
    g_string_append (out, ascii);
}

char *text_visible (const char *text, gboolean lines)
{
    GString *out = g_string_new (NULL);
    const char *p = text ? text : "";
    while (*p)
    {
        gunichar c = g_utf8_get_char_validated (p, -1);
        if (c == (gunichar) -1 || c == (gunichar) -2)
        {
            g_string_append_printf (out, "\\x%02x", (guint8) *p++);
            continue;
        }
        p = g_utf8_next_char (p);
        if (c == '\r' && *p == '\n')
            continue;
        if (printable (c))
            append_printable (out, c);
        else
            append_control (out, c, lines);
    }
    return g_string_free (out, FALSE);
}

guint text_char_columns (gunichar c)
{
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f;
    int n = wcwidth ((wchar_t) c);
    return n < 0 ? 1 : (guint) n;
}

guint text_columns (const char *text)
{
    guint n = 0;
    for (const char *p = text; *p; p = g_utf8_next_char (p))
        n += text_char_columns (g_utf8_get_char (p));
    return n;
}

/* Where the part of @text that fits @columns ends; combining marks stay with their letter. */
static const char *fit (const char *text, guint columns)
{
    guint n = 0;
    const char *p = text;
    while (*p)
    {
        n += text_char_columns (g_utf8_get_char (p));
        if (n > columns)
            break;
        p = g_utf8_next_char (p);
    }
    return p;
}

char *text_cut (const char *text, guint columns)
{
    if (text_columns (text) <= columns)
        return g_strdup (text);
    const char *ellipsis = text_glyph (GLYPH_ELLIPSIS);
    guint room = text_columns (ellipsis);
    if (columns < room)
        return g_strdup ("");
    const char *end = fit (text, columns - room);
    while (end > text && end[-1] == ' ')
        end--;
    g_autofree char *head = g_strndup (text, end - text);
    return g_strconcat (head, ellipsis, NULL);
}

char *text_cut_middle (const char *text, guint columns)
{
    const char *ellipsis = text_glyph (GLYPH_ELLIPSIS);
    guint width = text_columns (text), room = text_columns (ellipsis);
    if (width <= columns || columns < room + 2)
        return text_cut (text, columns);
    guint tail = (columns - room) / 2;
    const char *end = text + strlen (text);
    for (guint n = 0; end > text;)
    {
        const char *p = g_utf8_prev_char (end);
        n += text_char_columns (g_utf8_get_char (p));
        if (n > tail)
            break;
        end = p;
    }
    g_autofree char *head = g_strndup (text, fit (text, columns - room - tail) - text);
    return g_strconcat (head, ellipsis, end, NULL);
}

/* How far the lines after the first of a paragraph are set in: its own indent, and the width of a list mark: "- ", "* ", "12. ". */
static guint hanging_indent (const char *line, guint columns)
{
    guint indent = strspn (line, " ");
    const char *p = line + indent;
    guint digits = strspn (p, "0123456789");
    if ((p[0] == '-' || p[0] == '*') && p[1] == ' ')
        indent += 2;
    else if (g_str_has_prefix (p, "• ") || g_str_has_prefix (p, "– "))
        indent += 2;
    else if (digits >= 1 && digits <= 3 && p[digits] == '.' && p[digits + 1] == ' ')
        indent += digits + 2;
    return indent < columns / 2 ? indent : 0;
}

/* The end of the next line of @p: the last space that fits, else as many characters as fit, at least one. */
static const char *line_end (const char *p, guint columns)
{
    const char *end = fit (p, columns);
    if (*end == 0 || *end == ' ')
        return end;
    const char *space = end;
    while (space > p && space[-1] != ' ')
        space--;
    if (space > p + strspn (p, " "))
        return space;
    return end > p ? end : g_utf8_next_char (p);
}

static void add_line (GPtrArray *out, guint indent, const char *from, const char *to)
{
    while (to > from && to[-1] == ' ')
        to--;
    GString *s = g_string_new (NULL);
    for (guint i = 0; i < indent; i++)
        g_string_append_c (s, ' ');
    g_string_append_len (s, from, to - from);
    g_ptr_array_add (out, g_string_free (s, FALSE));
}

static void wrap_paragraph (GPtrArray *out, const char *line, guint columns)
{
    guint indent = hanging_indent (line, columns);
    const char *end = line_end (line, columns);
    add_line (out, 0, line, end);
    while (*(end += strspn (end, " ")))
    {
        const char *p = end;
        end = line_end (p, MAX (1, columns - indent));
        add_line (out, indent, p, end);
    }
}

GPtrArray *text_wrap (const char *text, guint columns)
{
    GPtrArray *out = g_ptr_array_new_with_free_func (g_free);
    if (*text == 0)
        return out;
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    for (guint i = 0; lines[i]; i++)
        if (lines[i][0] || lines[i + 1])
            wrap_paragraph (out, lines[i], MAX (1, columns));
    return out;
}
