/* A picture in I420 (BT.709, limited range), and how pixels drawn by cairo get into it. */
#pragma once
#include <cairo.h>
#include <glib.h>

typedef struct {
    int     width, height;      /* even */
    guint8 *plane[3];           /* Y, U, V */
    int     stride[3];
    guint8 *memory;             /* ours, or NULL where the planes are another's */
} Picture;

typedef struct {
    int x, y, width, height;    /* pixels; all even where a picture is written */
} Box;

Picture *picture_new (int width, int height);               /* black; even sizes */
void     picture_free (Picture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Picture, picture_free)

void picture_fill (Picture *self, Box box, guint32 rgb);    /* 0xRRGGBB */
/* Copies @src into @self with its upper left corner at @x, @y (even), cut off at the edges. */
void picture_copy (Picture *self, int x, int y, const Picture *src);
/* @box of a picture as a new one, and @src drawn into @box in its size, by the nearest pixel: for a picture that stands in for a better one. */
Picture *picture_cut (const Picture *self, Box box);
void picture_scale (Picture *self, Box box, const Picture *src);
/* Copies @part of an RGB24 or ARGB32 surface (whose alpha is ignored) to @x, @y (even). @part is widened to even borders, cut off at the edges. */
void picture_draw (Picture *self, int x, int y, cairo_surface_t *surface, Box part);
