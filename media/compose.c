/* One canvas that lives through the recording. Each pane is drawn only when what it shows changed; a frame costs a copy of the canvas,
 * which the recorder makes, and the camera's pixels. */
#include "media/compose.h"
#include "media/qr_out.h"
#include "media/terminal.h"
#include "ceremony/base/clock.h"
#include <pango/pangocairo.h>
#include <string.h>

#define INK 0xe6eaf2
#define DIM 0x8f9bb0
#define GROUND 0x161b26
#define FRAME 0x2c3547
#define BAR 0x1f2737
#define AMBER 0xffb020
#define RED 0xff5a4e

typedef struct {
    char *title, *headline, *detail;    /* headline: words in the picture's place */
    gboolean draw, shown;               /* shown: a picture has come */
    Picture *kept;                      /* what it showed in its former size, until a picture of the new one comes */
} Pane;

struct Compose {
    Picture *canvas;
    Layout at;
    guint cameras;
    Pane pane[CAMERAS_MAX];
    double unit;                /* pixels a pixel of a 720-line picture */
    Terminal *terminal;
    gboolean terminal_whole;    /* its place was covered: copy all of it */
    char *ceremony, *step, *qr_text;
    gint64 events, qr_size, second;
    gboolean mark_camera, rehearsal;
    gboolean draw_titles, draw_frame, draw_qr, draw_status;
};

Compose *
compose_new (int width, int height, int cols, int rows, guint cameras, const char *ceremony)
{
    Compose *self = g_new0 (Compose, 1);
    self->canvas = picture_new (width, height);
    self->cameras = CLAMP (cameras, 1, CAMERAS_MAX);
    self->at = layout_make (width, height, self->cameras, FALSE);
    self->unit = self->at.unit;
    self->terminal = terminal_new (cols, rows, self->at.main.width, self->at.main.height);
    self->ceremony = g_strdup (ceremony);
    self->step = g_strdup ("");
    for (guint i = 0; i < self->cameras; i++) {
        self->pane[i].title = g_strdup ("camera");
        self->pane[i].draw = TRUE;
    }
    picture_fill (self->canvas, (Box) { 0, 0, width, height }, GROUND);
    self->terminal_whole = self->draw_titles = self->draw_qr = TRUE;
    return self;
}

void
compose_free (Compose *self)
{
    if (!self)
        return;
    picture_free (self->canvas);
    terminal_free (self->terminal);
    g_free (self->ceremony);
    g_free (self->step);
    g_free (self->qr_text);
    for (guint i = 0; i < self->cameras; i++) {
        g_free (self->pane[i].title);
        g_free (self->pane[i].headline);
        g_free (self->pane[i].detail);
        picture_free (self->pane[i].kept);
    }
    g_free (self);
}

void
compose_terminal (Compose *self, const void *data, gsize len)
{
    terminal_write (self->terminal, data, len);
}

void
compose_resize (Compose *self, int cols, int rows)
{
    terminal_resize (self->terminal, cols, rows);
    self->terminal_whole = TRUE;
}

gboolean
compose_qr (Compose *self, const char *text, gint64 size)
{
    g_autoptr (Picture) trial = picture_new (self->at.qr.width, self->at.qr.height);
    if (!qr_draw (trial, (Box) { 0, 0, trial->width, trial->height }, text, NULL))
        return FALSE;
    g_free (self->qr_text);
    self->qr_text = g_strdup (text);
    self->qr_size = size;
    self->draw_qr = TRUE;
    return TRUE;
}

/* Camera and terminal change places: everything but the QR code and the status line is drawn anew. */
static void
swap_panes (Compose *self)
{
    for (guint i = 0; i < self->cameras; i++)
        if (self->pane[i].shown && !self->pane[i].headline) {
            picture_free (self->pane[i].kept);
            self->pane[i].kept = picture_cut (self->canvas, self->at.camera[i]);
        }
    picture_fill (self->canvas, (Box) { 0, 0, self->canvas->width, self->at.status.y }, GROUND);
    self->at = layout_make (self->canvas->width, self->canvas->height, self->cameras, self->mark_camera);
    terminal_set_area (self->terminal, self->at.terminal.width, self->at.terminal.height);
    self->terminal_whole = self->draw_titles = self->draw_frame = self->draw_qr = TRUE;
    for (guint i = 0; i < self->cameras; i++)
        self->pane[i].draw = TRUE;
}

gboolean
compose_status (Compose *self, const char *step, gint64 events, gboolean mark_camera, gboolean rehearsal)
{
    if (g_strcmp0 (step, self->step) != 0) {
        g_free (self->step);
        self->step = g_strdup (step);
    }
    self->events = events;
    self->rehearsal = rehearsal;
    self->draw_status = TRUE;
    if (self->mark_camera == mark_camera)
        return FALSE;
    self->mark_camera = mark_camera;
    swap_panes (self);
    return TRUE;
}

void
compose_camera_size (const Compose *self, guint camera, int *width, int *height)
{
    *width = self->at.camera[camera].width;
    *height = self->at.camera[camera].height;
}

void
compose_camera_title (Compose *self, guint camera, const char *title)
{
    g_free (self->pane[camera].title);
    self->pane[camera].title = g_strdup (title);
    self->draw_titles = self->draw_frame = TRUE;
}

void
compose_camera_words (Compose *self, guint camera, const char *headline, const char *detail)
{
    Pane *pane = &self->pane[camera];
    g_free (pane->headline);
    g_free (pane->detail);
    pane->headline = g_strdup (headline);
    pane->detail = g_strdup (detail);
    pane->draw = TRUE;
}

/* Words on a box of one colour: @px is the letters' size at 720 lines. */
typedef struct {
    cairo_surface_t *surface;
    cairo_t *cr;
    double unit;
} Ink;

static void
colour (cairo_t *cr, guint32 rgb)
{
    cairo_set_source_rgb (cr, ((rgb >> 16) & 0xff) / 255.0, ((rgb >> 8) & 0xff) / 255.0, (rgb & 0xff) / 255.0);
}

static Ink
ink_start (const Compose *self, int width, int height, guint32 ground)
{
    Ink ink = { .surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, width, height), .unit = self->unit };
    ink.cr = cairo_create (ink.surface);
    colour (ink.cr, ground);
    cairo_paint (ink.cr);
    return ink;
}

static void
ink_end (Compose *self, Ink *ink, Box at)
{
    picture_draw (self->canvas, at.x, at.y, ink->surface, (Box) { 0, 0, at.width, at.height });
    cairo_destroy (ink->cr);
    cairo_surface_destroy (ink->surface);
}

typedef enum { LEFT, MIDDLE, RIGHT } Align;

/* Writes one line into @x … @x + @width, cut off with an ellipsis, in the middle of @height; gives the width that it took. */
static int
ink_text (Ink *ink, Box at, Align align, double px, gboolean bold, guint32 rgb, const char *text)
{
    g_autoptr (PangoLayout) layout = pango_cairo_create_layout (ink->cr);
    PangoFontDescription *font = pango_font_description_from_string (bold ? "DejaVu Sans Bold" : "DejaVu Sans");
    pango_font_description_set_absolute_size (font, px * ink->unit * PANGO_SCALE);
    pango_layout_set_font_description (layout, font);
    pango_font_description_free (font);
    pango_layout_set_single_paragraph_mode (layout, TRUE);
    pango_layout_set_ellipsize (layout, PANGO_ELLIPSIZE_END);
    pango_layout_set_width (layout, MAX (at.width, 0) * PANGO_SCALE);
    pango_layout_set_text (layout, text, -1);
    int width, height;
    pango_layout_set_alignment (layout, PANGO_ALIGN_LEFT);
    pango_layout_get_pixel_size (layout, &width, &height);
    int spare = MAX (at.width - width, 0);
    colour (ink->cr, rgb);
    cairo_move_to (ink->cr, at.x + (align == RIGHT ? spare : align == MIDDLE ? spare / 2 : 0), at.y + (at.height - height) / 2);
    pango_cairo_show_layout (ink->cr, layout);
    return width;
}

/* A word in dark letters on a bright ground; gives its width. */
static int
ink_badge (Ink *ink, int x, int height, guint32 rgb, const char *text)
{
    int pad = (int) (9 * ink->unit), inset = (int) (6 * ink->unit);
    Ink probe = *ink;
    int width = ink_text (&probe, (Box) { -10000, 0, 5000, height }, LEFT, 15, TRUE, rgb, text);
    colour (ink->cr, rgb);
    cairo_rectangle (ink->cr, x, inset, width + 2 * pad, height - 2 * inset);
    cairo_fill (ink->cr);
    ink_text (ink, (Box) { x + pad, 0, width + pad, height }, LEFT, 15, TRUE, GROUND, text);
    return width + 2 * pad;
}

static void
draw_title (Compose *self, Box at, const char *left, const char *right)
{
    Ink ink = ink_start (self, at.width, at.height, GROUND);
    int used = ink_text (&ink, (Box) { 0, 0, at.width, at.height }, LEFT, 14, TRUE, DIM, left);
    int gap = (int) (10 * self->unit);
    ink_text (&ink, (Box) { used + gap, 0, at.width - used - gap, at.height }, RIGHT, 14, FALSE, DIM, right);
    ink_end (self, &ink, at);
}

/* In the big pane the cameras have a bright frame, with its words in the frame's upper edge. */
static void
draw_liveness_frame (Compose *self)
{
    Box head = self->at.head;
    g_autoptr (GString) names = g_string_new (NULL);
    for (guint i = 0; i < self->cameras; i++)
        g_string_append_printf (names, "%s%s", i ? "  |  " : "", self->pane[i].title);
    picture_fill (self->canvas, self->at.main, LAYOUT_MARK);
    Ink ink = ink_start (self, head.width, head.height, LAYOUT_MARK);
    int pad = (int) (14 * self->unit);
    int used = ink_text (&ink, (Box) { pad, 0, head.width, head.height }, LEFT, 24, TRUE, GROUND, "LIVENESS");
    ink_text (&ink, (Box) { 2 * pad + used, 0, head.width - 3 * pad - used, head.height }, RIGHT, 17, FALSE, GROUND, names->str);
    ink_end (self, &ink, head);
    for (guint i = 0; i < self->cameras; i++)
        self->pane[i].draw = TRUE;
}

static void
draw_titles (Compose *self)
{
    g_autofree char *events = g_strdup_printf ("first %" G_GINT64_FORMAT " events", self->qr_size);
    draw_title (self, self->at.qr_title, "CHECKPOINT", self->qr_text ? events : "none yet");
    if (self->mark_camera) {
        draw_title (self, self->at.side_title, "TERMINAL", "small while the camera shows");
        return;
    }
    for (guint i = 0; i < self->cameras; i++) {
        g_autofree char *name = self->cameras > 1 ? g_strdup_printf ("CAMERA %u", i + 1) : g_strdup ("CAMERA");
        draw_title (self, self->at.camera_title[i], name, self->pane[i].title);
    }
}

static void
draw_camera_words (Compose *self, guint camera)
{
    Box at = self->at.camera[camera];
    Pane *pane = &self->pane[camera];
    if (pane->kept && !pane->headline) {
        picture_scale (self->canvas, at, pane->kept);
        g_clear_pointer (&pane->kept, picture_free);
        return;
    }
    Ink ink = ink_start (self, at.width, at.height, pane->headline ? 0x2a1216 : 0x000000);
    int line = (int) (34 * self->unit), middle = at.height / 2;
    double scale = CLAMP (at.width / (340 * self->unit), 0.5, 1.0);
    if (pane->headline)
        ink_text (&ink, (Box) { 8, middle - line, at.width - 16, line }, MIDDLE, 24 * scale, TRUE, RED, pane->headline);
    if (pane->detail)
        ink_text (&ink, (Box) { 8, middle, at.width - 16, line }, MIDDLE, 15 * MAX (scale, 0.7), FALSE, INK, pane->detail);
    ink_end (self, &ink, at);
}

static void
draw_panes (Compose *self)
{
    if (self->draw_frame && self->mark_camera)
        draw_liveness_frame (self);
    self->draw_frame = FALSE;
    for (guint i = 0; i < self->cameras; i++) {
        if (self->pane[i].draw)
            draw_camera_words (self, i);
        self->pane[i].draw = FALSE;
    }
}

void
compose_camera_picture (Compose *self, guint camera, const Picture *picture)
{
    Box box = self->at.camera[camera];
    if (self->pane[camera].headline || picture->width != box.width || picture->height != box.height)
        return;
    draw_panes (self);          /* the frame goes below the picture, not over it */
    picture_copy (self->canvas, box.x, box.y, picture);
    self->pane[camera].shown = TRUE;
}

static void
draw_qr (Compose *self)
{
    if (self->qr_text)
        qr_draw (self->canvas, self->at.qr, self->qr_text, NULL);
    else
        picture_fill (self->canvas, self->at.qr, BAR);
}

static void
draw_status (Compose *self, gint64 wall_ms)
{
    Box at = self->at.status;
    int pad = (int) (14 * self->unit), h = at.height;
    Ink ink = ink_start (self, at.width, at.height, BAR);
    g_autofree char *time = clock_format (wall_ms);
    g_autofree char *clock = g_strdup_printf ("%.10s  %.8s UTC", time, time + 11);
    g_autofree char *events = g_strdup_printf ("%" G_GINT64_FORMAT " events", self->events);
    int right = at.width - pad;
    right -= ink_text (&ink, (Box) { 0, 0, right, h }, RIGHT, 18, TRUE, INK, clock) + 2 * pad;
    right -= ink_text (&ink, (Box) { 0, 0, right, h }, RIGHT, 16, FALSE, DIM, events) + 2 * pad;
    int x = pad;
    if (self->rehearsal)
        x += ink_badge (&ink, x, h, AMBER, "REHEARSAL") + pad;
    x += ink_text (&ink, (Box) { x, 0, right - x, h }, LEFT, 18, TRUE, INK, self->ceremony) + 2 * pad;
    if (right > x)
        ink_text (&ink, (Box) { x, 0, right - x, h }, LEFT, 17, FALSE, INK, self->step);
    ink_end (self, &ink, at);
}

static void
draw_terminal (Compose *self)
{
    Box at = self->at.terminal, changed;
    gboolean drawn = terminal_draw (self->terminal, &changed);
    if (self->terminal_whole)
        changed = (Box) { 0, 0, at.width, at.height };
    else if (!drawn)
        return;
    picture_draw (self->canvas, at.x, at.y, terminal_surface (self->terminal), changed);
    self->terminal_whole = FALSE;
}

const Picture *
compose_frame (Compose *self, gint64 wall_ms)
{
    if (self->draw_qr) {
        draw_qr (self);
        self->draw_titles = TRUE;
    }
    if (self->draw_titles)
        draw_titles (self);
    draw_panes (self);
    draw_terminal (self);
    if (self->draw_status || wall_ms / 1000 != self->second)
        draw_status (self, wall_ms);
    self->second = wall_ms / 1000;
    self->draw_qr = self->draw_titles = self->draw_status = FALSE;
    return self->canvas;
}

Box
compose_qr_box (const Compose *self)
{
    return self->at.qr;
}
