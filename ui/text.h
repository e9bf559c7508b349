/* Text as a terminal may show it: made harmless, measured in columns, wrapped and cut. Knows no ncurses. */
#pragma once
#include <glib.h>

typedef enum { GLYPHS_FULL, GLYPHS_CONSOLE, GLYPHS_ASCII } GlyphSet;    /* CONSOLE: UTF-8, but only the glyphs of a VGA font */
typedef enum { GLYPH_TODO, GLYPH_NOW, GLYPH_DONE, GLYPH_SKIPPED, GLYPH_REC, GLYPH_ERROR, GLYPH_WARNING, GLYPH_NEWS, GLYPH_WAIT,
               GLYPH_MORE_UP, GLYPH_MORE_DOWN, GLYPH_ELLIPSIS, GLYPH_DOT, GLYPH_POINT, GLYPHS } Glyph;

/* For the whole process: which characters the terminal has. With GLYPHS_ASCII, text_visible leaves ASCII only. */
void        text_set_glyphs (GlyphSet set);
GlyphSet    text_glyphs (void);
const char *text_glyph (Glyph glyph);

/* A copy of @text (NULL: "") in which nothing can act on a terminal or deceive a reader: control characters become "^[", "\x9b", "<U+202E>", bytes that aren't UTF-8
 * "\xNN", a tab spaces. Newlines stay with @lines, else become spaces. g_free. */
char *text_visible (const char *text, gboolean lines);
/* Whether @c may be typed into a line: printable, not invisible and no direction control. */
gboolean text_may_type (gunichar c);

guint text_columns (const char *text);              /* columns that it takes */
guint text_char_columns (gunichar c);               /* 0 for combining marks, 2 for wide ones */
/* The longest part of @text that fits @columns, ending in an ellipsis where something was cut. g_free. */
char *text_cut (const char *text, guint columns);
/* The same, but what is cut out is in the middle: for labels with a serial number at their end. g_free. */
char *text_cut_middle (const char *text, guint columns);
/* Lines of at most @columns (at least 1) columns; broken at spaces, long words anywhere; an indented or listed paragraph keeps its indent. Array of char *, freed with it. */
GPtrArray *text_wrap (const char *text, guint columns);
