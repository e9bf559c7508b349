/* Every cell is placed by us: text laid out by the font alone would drift apart from the columns as soon as a fallback font takes part.
 * A cell is drawn only when libvterm reports damage to it; the layouts of characters seen before are kept. */
#include "media/terminal.h"
#include "media/boxes.h"
#include "media/utf8.h"
#include <math.h>
#include <pango/pangocairo.h>
#include <vterm.h>

#define FONT "DejaVu Sans Mono, monospace"
#define FOREGROUND 0xd5dae3
#define BACKGROUND 0x0b0e14
#define GLYPHS_MAX 4096         /* layouts kept; then all are forgotten */
#define CONDENSE_MIN 0.84       /* how narrow letters may become, so that they can be taller */
#define CELL_MAX_RATIO 1.25     /* of the font's own line height */

/* The sixteen colours that programs name, chosen to be read on BACKGROUND after a video codec. */
static const guint32 palette[16] = { 0x1c2230, 0xe8636f, 0x45cf80, 0xe5b84b, 0x6ea8fe, 0xc67be0, 0x4fd1c5, 0xd5dae3,
                                     0x7b879c, 0xff8a94, 0x7ce8a8, 0xffd97a, 0x9cc4ff, 0xe2a1f5, 0x86ece3, 0xffffff };

typedef struct {
    PangoLayout *layout;
    double width;               /* as laid out, before condensing */
} Glyph;

struct Terminal {
    VTerm *vt;
    GByteArray *held;           /* the first bytes of a character, cut by a packet's end */
    VTermScreen *screen;
    int cols, rows;
    int *from, *to;             /* dirty columns of each row, from ≤ x < to */
    VTermPos cursor;
    gboolean cursor_visible;

    int width, height;
    cairo_surface_t *surface;
    cairo_t *cr;
    PangoContext *pango;
    PangoFontDescription *font;
    GHashTable *glyphs;         /* style digit and UTF-8 → Glyph */
    double cell_w, cell_h, x0, y0;
    double condense, ascent, line_h, advance;
};

static void
glyph_free (gpointer data)
{
    Glyph *self = data;
    g_object_unref (self->layout);
    g_free (self);
}

static void
damage (Terminal *self, int row, int from, int to)
{
    if (row < 0 || row >= self->rows)
        return;
    self->from[row] = MIN (self->from[row], MAX (from, 0));
    self->to[row] = MAX (self->to[row], MIN (to, self->cols));
}

static void
damage_all (Terminal *self)
{
    for (int row = 0; row < self->rows; row++)
        damage (self, row, 0, self->cols);
}

static int
on_damage (VTermRect rect, void *user)
{
    for (int row = rect.start_row; row < rect.end_row; row++)
        damage (user, row, rect.start_col, rect.end_col);
    return 1;
}

static void
damage_cursor (Terminal *self)
{
    damage (self, self->cursor.row, self->cursor.col, self->cursor.col + 1);
}

static int
on_cursor (VTermPos pos, VTermPos old, int visible, void *user)
{
    Terminal *self = user;
    damage_cursor (self);
    self->cursor = pos;
    damage_cursor (self);
    return 1;
}

static int
on_property (VTermProp prop, VTermValue *value, void *user)
{
    Terminal *self = user;
    if (prop == VTERM_PROP_CURSORVISIBLE) {
        self->cursor_visible = value->boolean;
        damage_cursor (self);
    } else if (prop == VTERM_PROP_REVERSE)
        damage_all (self);
    return 1;
}

/* What the terminal would answer to the program: nobody listens here. */
static void
on_answer (const char *data, size_t len, void *user)
{
}

static const VTermScreenCallbacks callbacks = { .damage = on_damage, .movecursor = on_cursor, .settermprop = on_property };

/* Measures the font at 100 px, then takes the largest size at which cols × rows fit, condensing letters rather than making them small. */
static void
choose_geometry (Terminal *self)
{
    pango_font_description_set_absolute_size (self->font, 100 * PANGO_SCALE);
    PangoFontMetrics *metrics = pango_context_get_metrics (self->pango, self->font, NULL);
    double ascent = pango_font_metrics_get_ascent (metrics) / (100.0 * PANGO_SCALE);
    double line_h = ascent + pango_font_metrics_get_descent (metrics) / (100.0 * PANGO_SCALE);
    double advance = pango_font_metrics_get_approximate_char_width (metrics) / (100.0 * PANGO_SCALE);
    pango_font_metrics_unref (metrics);

    self->cell_w = (double) self->width / self->cols;
    if (self->cell_w >= 8)
        self->cell_w = floor (self->cell_w);
    self->cell_h = (double) self->height / self->rows;
    double size = MIN (self->cell_w / (advance * CONDENSE_MIN), self->cell_h / line_h);
    self->cell_w = MIN (self->cell_w, MAX (size * advance * 1.04, 1));
    if (self->cell_w >= 8)
        self->cell_w = floor (self->cell_w);
    self->cell_h = MIN (self->cell_h, size * line_h * CELL_MAX_RATIO);
    if (self->cell_h >= 8)
        self->cell_h = floor (self->cell_h);
    self->condense = MIN (self->cell_w / (size * advance), 1);
    self->ascent = ascent * size;
    self->line_h = line_h * size;
    self->advance = advance * size;
    self->x0 = floor ((self->width - self->cell_w * self->cols) / 2);
    self->y0 = floor ((self->height - self->cell_h * self->rows) / 2);
    pango_font_description_set_absolute_size (self->font, size * PANGO_SCALE);
}

static void
set_colour (cairo_t *cr, guint32 rgb)
{
    cairo_set_source_rgb (cr, ((rgb >> 16) & 0xff) / 255.0, ((rgb >> 8) & 0xff) / 255.0, (rgb & 0xff) / 255.0);
}

static void
start_surface (Terminal *self)
{
    g_hash_table_remove_all (self->glyphs);
    g_clear_object (&self->pango);
    g_clear_pointer (&self->cr, cairo_destroy);
    g_clear_pointer (&self->surface, cairo_surface_destroy);
    self->surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, self->width, self->height);
    self->cr = cairo_create (self->surface);
    self->pango = pango_cairo_create_context (self->cr);
    cairo_font_options_t *options = cairo_font_options_create ();
    cairo_font_options_set_antialias (options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_metrics (options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_hint_style (options, CAIRO_HINT_STYLE_SLIGHT);
    pango_cairo_context_set_font_options (self->pango, options);
    cairo_font_options_destroy (options);
    choose_geometry (self);
    set_colour (self->cr, BACKGROUND);
    cairo_paint (self->cr);
    damage_all (self);
}

static void
start_rows (Terminal *self)
{
    self->from = g_renew (int, self->from, self->rows);
    self->to = g_renew (int, self->to, self->rows);
    for (int row = 0; row < self->rows; row++) {
        self->from[row] = self->cols;
        self->to[row] = 0;
    }
}

static VTermColor
from_rgb (guint32 rgb)
{
    VTermColor colour;
    vterm_color_rgb (&colour, (guint8) (rgb >> 16), (guint8) (rgb >> 8), (guint8) rgb);
    return colour;
}

static void
start_screen (Terminal *self)
{
    self->vt = vterm_new (self->rows, self->cols);
    vterm_set_utf8 (self->vt, 1);
    vterm_output_set_callback (self->vt, on_answer, NULL);
    self->screen = vterm_obtain_screen (self->vt);
    vterm_screen_set_callbacks (self->screen, &callbacks, self);
    vterm_screen_set_damage_merge (self->screen, VTERM_DAMAGE_ROW);
    vterm_screen_enable_altscreen (self->screen, 1);
    VTermState *state = vterm_obtain_state (self->vt);
    VTermColor fg = from_rgb (FOREGROUND), bg = from_rgb (BACKGROUND);
    vterm_state_set_default_colors (state, &fg, &bg);
    for (int i = 0; i < 16; i++) {
        VTermColor colour = from_rgb (palette[i]);
        vterm_state_set_palette_color (state, i, &colour);
    }
    vterm_screen_reset (self->screen, 1);
}

Terminal *
terminal_new (int cols, int rows, int width, int height)
{
    Terminal *self = g_new0 (Terminal, 1);
    self->cols = CLAMP (cols, TERMINAL_MIN_COLS, TERMINAL_MAX_COLS);
    self->rows = CLAMP (rows, TERMINAL_MIN_ROWS, TERMINAL_MAX_ROWS);
    self->width = width;
    self->height = height;
    self->cursor_visible = TRUE;
    self->font = pango_font_description_from_string (FONT);
    self->glyphs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, glyph_free);
    self->held = g_byte_array_new ();
    start_rows (self);
    start_screen (self);
    start_surface (self);
    return self;
}

void
terminal_free (Terminal *self)
{
    if (!self)
        return;
    g_hash_table_unref (self->glyphs);
    g_clear_object (&self->pango);
    cairo_destroy (self->cr);
    cairo_surface_destroy (self->surface);
    pango_font_description_free (self->font);
    vterm_free (self->vt);
    g_byte_array_unref (self->held);
    g_free (self->from);
    g_free (self->to);
    g_free (self);
}

void
terminal_write (Terminal *self, const void *data, gsize len)
{
    g_autoptr (GString) text = g_string_new (NULL);
    g_byte_array_append (self->held, data, (guint) len);
    utf8_take (self->held, text, FALSE);
    vterm_input_write (self->vt, text->str, text->len);
}

void
terminal_resize (Terminal *self, int cols, int rows)
{
    vterm_screen_flush_damage (self->screen);
    self->cols = CLAMP (cols, TERMINAL_MIN_COLS, TERMINAL_MAX_COLS);
    self->rows = CLAMP (rows, TERMINAL_MIN_ROWS, TERMINAL_MAX_ROWS);
    start_rows (self);
    vterm_set_size (self->vt, self->rows, self->cols);
    start_surface (self);
}

void
terminal_set_area (Terminal *self, int width, int height)
{
    self->width = width;
    self->height = height;
    start_surface (self);
}

static guint32
to_rgb (Terminal *self, VTermColor colour)
{
    vterm_screen_convert_color_to_rgb (self->screen, &colour);
    return (guint32) colour.rgb.red << 16 | (guint32) colour.rgb.green << 8 | colour.rgb.blue;
}

static const Glyph *
find_glyph (Terminal *self, const VTermScreenCell *cell)
{
    char key[2 + VTERM_MAX_CHARS_PER_CELL * 6] = { (char) ('0' + cell->attrs.bold + 2 * cell->attrs.italic) };
    int len = 1;
    for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell->chars[i]; i++)
        len += g_unichar_to_utf8 (g_unichar_validate (cell->chars[i]) ? cell->chars[i] : 0xfffd, key + len);
    Glyph *glyph = g_hash_table_lookup (self->glyphs, key);
    if (glyph)
        return glyph;
    if (g_hash_table_size (self->glyphs) >= GLYPHS_MAX)
        g_hash_table_remove_all (self->glyphs);
    glyph = g_new0 (Glyph, 1);
    glyph->layout = pango_layout_new (self->pango);
    pango_font_description_set_weight (self->font, cell->attrs.bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_font_description_set_style (self->font, cell->attrs.italic ? PANGO_STYLE_ITALIC : PANGO_STYLE_NORMAL);
    pango_layout_set_font_description (glyph->layout, self->font);
    pango_layout_set_single_paragraph_mode (glyph->layout, TRUE);
    pango_layout_set_text (glyph->layout, key + 1, len - 1);
    PangoRectangle logical;
    pango_layout_get_extents (glyph->layout, NULL, &logical);
    glyph->width = (double) logical.width / PANGO_SCALE;
    g_hash_table_insert (self->glyphs, g_strdup (key), glyph);
    return glyph;
}

/* The letter stands in the middle of its cell, on the common base line; one that a fallback font makes too wide is pressed into it. */
static void
draw_letter (Terminal *self, const VTermScreenCell *cell, Box at)
{
    const Glyph *glyph = find_glyph (self, cell);
    double fits = at.width / self->condense, scale = glyph->width > fits * 1.01 ? fits / glyph->width : 1;
    cairo_save (self->cr);
    cairo_rectangle (self->cr, at.x, at.y, at.width, at.height);
    cairo_clip (self->cr);
    cairo_translate (self->cr, at.x + (at.width - glyph->width * scale * self->condense) / 2,
                     floor (at.y + (at.height - self->line_h) / 2 + self->ascent + 0.5));
    cairo_scale (self->cr, self->condense * scale, scale);
    if (scale < 1) {
        pango_cairo_layout_line_path (self->cr, pango_layout_get_line_readonly (glyph->layout, 0));
        cairo_fill (self->cr);
    } else
        pango_cairo_show_layout_line (self->cr, pango_layout_get_line_readonly (glyph->layout, 0));
    cairo_restore (self->cr);
}

static Box
cell_box (const Terminal *self, int row, int col, int width)
{
    int x = (int) floor (self->x0 + col * self->cell_w), y = (int) floor (self->y0 + row * self->cell_h);
    return (Box) { x, y, (int) floor (self->x0 + (col + width) * self->cell_w) - x, (int) floor (self->y0 + (row + 1) * self->cell_h) - y };
}

static void
draw_lines (Terminal *self, const VTermScreenCell *cell, Box at)
{
    int thick = MAX (at.height / 16, 1);
    if (cell->attrs.underline)
        cairo_rectangle (self->cr, at.x, at.y + at.height - 2 * thick, at.width, thick);
    if (cell->attrs.underline == VTERM_UNDERLINE_DOUBLE)
        cairo_rectangle (self->cr, at.x, at.y + at.height - 4 * thick, at.width, thick);
    if (cell->attrs.strike)
        cairo_rectangle (self->cr, at.x, at.y + at.height / 2, at.width, thick);
    cairo_fill (self->cr);
}

static void
draw_cell (Terminal *self, int row, int col, const VTermScreenCell *cell)
{
    Box at = cell_box (self, row, col, MAX (cell->width, 1));
    guint32 fg = to_rgb (self, cell->fg), bg = to_rgb (self, cell->bg);
    gboolean cursor = self->cursor_visible && self->cursor.row == row && self->cursor.col >= col && self->cursor.col < col + MAX (cell->width, 1);
    if (cell->attrs.reverse != cursor) {
        guint32 swap = fg;
        fg = bg;
        bg = swap;
    }
    set_colour (self->cr, bg);
    cairo_rectangle (self->cr, at.x, at.y, at.width, at.height);
    cairo_fill (self->cr);
    set_colour (self->cr, fg);
    if (cell->chars[0] && cell->chars[0] != (guint32) -1 && cell->chars[0] != ' '
        && (cell->chars[1] || !boxes_draw (self->cr, cell->chars[0], at.x, at.y, at.x + at.width, at.y + at.height)))
        draw_letter (self, cell, at);
    if (cell->attrs.underline || cell->attrs.strike)
        draw_lines (self, cell, at);
}

/* Damage may begin in the second half of a wide character: then all of it is drawn. */
static void
draw_row (Terminal *self, int row, int from, int to)
{
    VTermScreenCell cell;
    if (from > 0 && vterm_screen_get_cell (self->screen, (VTermPos) { row, from }, &cell) && cell.chars[0] == (guint32) -1)
        from--;
    for (int col = from; col < to; col += MAX (cell.width, 1)) {
        if (!vterm_screen_get_cell (self->screen, (VTermPos) { row, col }, &cell))
            return;
        draw_cell (self, row, col, &cell);
    }
}

gboolean
terminal_draw (Terminal *self, Box *changed)
{
    vterm_screen_flush_damage (self->screen);
    int first = -1, last = -1, left = self->cols, right = 0;
    for (int row = 0; row < self->rows; row++) {
        if (self->from[row] >= self->to[row])
            continue;
        draw_row (self, row, self->from[row], self->to[row]);
        first = first < 0 ? row : first;
        last = row;
        left = MIN (left, MAX (self->from[row] - 1, 0));
        right = MAX (right, MIN (self->to[row] + 1, self->cols));
        self->from[row] = self->cols;
        self->to[row] = 0;
    }
    if (first < 0)
        return FALSE;
    Box a = cell_box (self, first, left, 1), b = cell_box (self, last, right - 1, 1);
    *changed = (Box) { a.x, a.y, b.x + b.width - a.x, b.y + b.height - a.y };
    return TRUE;
}

cairo_surface_t *
terminal_surface (Terminal *self)
{
    return self->surface;
}
