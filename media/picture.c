/* I420 in memory: the one canvas that terminal, camera, QR code and status line are put on, since the encoder takes nothing else. */
#include "media/picture.h"
#include <string.h>

Picture *
picture_new (int width, int height)
{
    g_return_val_if_fail (width > 0 && height > 0 && width % 2 == 0 && height % 2 == 0, NULL);
    Picture *self = g_new0 (Picture, 1);
    gsize luma = (gsize) width * height;
    self->width = width;
    self->height = height;
    self->memory = g_malloc (luma + luma / 2);
    self->plane[0] = self->memory;
    self->plane[1] = self->memory + luma;
    self->plane[2] = self->memory + luma + luma / 4;
    self->stride[0] = width;
    self->stride[1] = self->stride[2] = width / 2;
    picture_fill (self, (Box) { 0, 0, width, height }, 0x000000);
    return self;
}

void
picture_free (Picture *self)
{
    if (!self)
        return;
    g_free (self->memory);
    g_free (self);
}

static inline guint8
luma (int r, int g, int b)
{
    return (guint8) (16 + ((47 * r + 157 * g + 16 * b + 128) >> 8));
}

static inline guint8
chroma_blue (int r, int g, int b)
{
    return (guint8) (128 + ((-26 * r - 86 * g + 112 * b + 128) >> 8));
}

static inline guint8
chroma_red (int r, int g, int b)
{
    return (guint8) (128 + ((112 * r - 102 * g - 10 * b + 128) >> 8));
}

/* The part of @box that lies in a picture of @width by @height, as even coordinates. */
static Box
cut (Box box, int width, int height)
{
    int x0 = CLAMP (box.x, 0, width) & ~1, y0 = CLAMP (box.y, 0, height) & ~1;
    int x1 = (CLAMP (box.x + box.width, 0, width) + 1) & ~1, y1 = (CLAMP (box.y + box.height, 0, height) + 1) & ~1;
    return (Box) { x0, y0, MAX (MIN (x1, width & ~1) - x0, 0), MAX (MIN (y1, height & ~1) - y0, 0) };
}

void
picture_fill (Picture *self, Box box, guint32 rgb)
{
    int r = (rgb >> 16) & 0xff, g = (rgb >> 8) & 0xff, b = rgb & 0xff;
    const guint8 value[3] = { luma (r, g, b), chroma_blue (r, g, b), chroma_red (r, g, b) };
    box = cut (box, self->width, self->height);
    for (int p = 0; p < 3; p++) {
        int half = p > 0;
        for (int y = 0; y < box.height >> half; y++)
            memset (self->plane[p] + (gsize) ((box.y >> half) + y) * self->stride[p] + (box.x >> half), value[p], box.width >> half);
    }
}

void
picture_copy (Picture *self, int x, int y, const Picture *src)
{
    Box box = cut ((Box) { x, y, src->width & ~1, src->height & ~1 }, self->width, self->height);
    for (int p = 0; p < 3; p++) {
        int half = p > 0;
        for (int row = 0; row < box.height >> half; row++)
            memcpy (self->plane[p] + (gsize) ((box.y >> half) + row) * self->stride[p] + (box.x >> half),
                    src->plane[p] + (gsize) row * src->stride[p], box.width >> half);
    }
}

Picture *
picture_cut (const Picture *self, Box box)
{
    box = cut (box, self->width, self->height);
    Picture *out = picture_new (MAX (box.width, 2), MAX (box.height, 2));
    for (int p = 0; p < 3; p++) {
        int half = p > 0;
        for (int row = 0; row < box.height >> half; row++)
            memcpy (out->plane[p] + (gsize) row * out->stride[p],
                    self->plane[p] + (gsize) ((box.y >> half) + row) * self->stride[p] + (box.x >> half), box.width >> half);
    }
    return out;
}

void
picture_scale (Picture *self, Box box, const Picture *src)
{
    Box at = cut (box, self->width, self->height);
    for (int p = 0; p < 3; p++) {
        int half = p > 0, wide = at.width >> half, high = at.height >> half;
        for (int y = 0; y < high; y++) {
            const guint8 *from = src->plane[p] + (gsize) (y * (src->height >> half) / high) * src->stride[p];
            guint8 *to = self->plane[p] + (gsize) ((at.y >> half) + y) * self->stride[p] + (at.x >> half);
            for (int x = 0; x < wide; x++)
                to[x] = from[x * (src->width >> half) / wide];
        }
    }
}

/* Two by two pixels at @px (rows @pitch words apart) become four lumas and one pair of chromas, of their mean. */
static inline void
convert_square (const guint32 *px, gsize pitch, guint8 *y, int y_stride, guint8 *u, guint8 *v)
{
    int sum_r = 2, sum_g = 2, sum_b = 2;
    for (int i = 0; i < 4; i++) {
        guint32 c = px[(gsize) (i >> 1) * pitch + (i & 1)];
        int r = (c >> 16) & 0xff, g = (c >> 8) & 0xff, b = c & 0xff;
        y[(i >> 1) * y_stride + (i & 1)] = luma (r, g, b);
        sum_r += r;
        sum_g += g;
        sum_b += b;
    }
    *u = chroma_blue (sum_r >> 2, sum_g >> 2, sum_b >> 2);
    *v = chroma_red (sum_r >> 2, sum_g >> 2, sum_b >> 2);
}

void
picture_draw (Picture *self, int x, int y, cairo_surface_t *surface, Box part)
{
    cairo_surface_flush (surface);
    part = cut (part, cairo_image_surface_get_width (surface), cairo_image_surface_get_height (surface));
    const guint8 *pixels = cairo_image_surface_get_data (surface);
    int pitch = cairo_image_surface_get_stride (surface);
    Box to = cut ((Box) { x + part.x, y + part.y, part.width, part.height }, self->width, self->height);
    for (int row = 0; row < to.height; row += 2) {
        const guint32 *src = (const guint32 *) (const void *) (pixels + (gsize) (part.y + row) * pitch) + part.x;
        guint8 *luma_row = self->plane[0] + (gsize) (to.y + row) * self->stride[0] + to.x;
        guint8 *u = self->plane[1] + (gsize) ((to.y + row) / 2) * self->stride[1] + to.x / 2;
        guint8 *v = self->plane[2] + (gsize) ((to.y + row) / 2) * self->stride[2] + to.x / 2;
        for (int col = 0; col < to.width; col += 2)
            convert_square (src + col, pitch / 4, luma_row + col, self->stride[0], u + col / 2, v + col / 2);
    }
}
