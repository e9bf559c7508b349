/* Two columns over a status line: left the large pane, right cameras (or the small terminal) over the QR code. */
#include "media/layout.h"

#define QR_SIDE 345             /* at 720 lines: version 11, 5 px a module, with its quiet zone */
#define EDGE 8                  /* of the frame around marked cameras */
#define BLOCK 16                /* of the encoder: a macroblock */

static int
even (double n)
{
    return (int) n & ~1;
}

static int
up16 (int n)
{
    return (n + BLOCK - 1) & ~(BLOCK - 1);
}

/* The largest box of 4:3 in the middle of @room. */
static Box
fit (Box room)
{
    int high = even (MIN (room.height, room.width * 3 / 4)), wide = even (MIN (room.width, high * 4 / 3));
    return (Box) { room.x + ((room.width - wide) / 2 & ~1), room.y + ((room.height - high) / 2 & ~1), wide, high };
}

/* Cameras side by side in @room, each under its title. What the encoder makes of a block of 16 pixels depends on those to its left and above: so each camera begins
 * at a block, and a block of one colour stands between it and what else changes. Then the same picture from the camera is the same in the video, and verify may tell. */
static void
place_beside (Layout *l, Box room, int title)
{
    int left = up16 (room.x), wide = (room.x + room.width - left - BLOCK * ((int) l->cameras - 1)) / (int) l->cameras & ~(BLOCK - 1);
    int high = even (MIN (room.height - title, wide * 3 / 4));
    wide = MIN (wide, high * 4 / 3) & ~(BLOCK - 1);
    for (int i = 0; i < (int) l->cameras; i++) {
        int x = left + i * (wide + BLOCK);
        l->camera_title[i] = (Box) { x, room.y, wide, title };
        l->camera[i] = (Box) { x, room.y + title, wide, even (MIN (high, wide * 3 / 4)) };
    }
}

/* In the large pane a single camera fills its frame; several share it, one below the other, which suits pictures of 16:9. */
static void
place_marked (Layout *l)
{
    int edge = even (EDGE * l->unit), head = even (40 * l->unit), n = (int) l->cameras;
    Box inner = { l->main.x + edge, l->main.y + head, l->main.width - 2 * edge, l->main.height - head - edge };
    l->head = (Box) { l->main.x, l->main.y, l->main.width, head };
    l->camera[0] = inner;
    if (n == 1)
        return;
    int left = up16 (inner.x), top = up16 (inner.y), wide = (inner.x + inner.width - left) & ~(BLOCK - 1);
    int high = (inner.y + inner.height - top - BLOCK * (n - 1)) / n & ~(BLOCK - 1);
    for (int i = 0; i < n; i++)
        l->camera[i] = (Box) { left, top + i * (high + BLOCK), wide, high };
}

Layout
layout_make (int width, int height, guint cameras, gboolean marked)
{
    Layout l = { .cameras = CLAMP (cameras, 1, CAMERAS_MAX), .unit = MIN (height / 720.0, width / 1280.0) };
    double u = l.unit;
    int gap = even (10 * u), title = even (24 * u), bar = even (36 * u), qr = even (QR_SIDE * u + 1.99);
    int x = width - gap - qr, bottom = height - bar - gap, top = gap / 2 & ~1;
    l.status = (Box) { 0, height - bar, width, bar };
    l.qr = (Box) { x, bottom - qr, qr, qr };
    l.qr_title = (Box) { x, l.qr.y - title, qr, title };
    l.side_title = (Box) { x, top, qr, title };
    l.main = (Box) { gap, gap, MIN (x - gap, up16 (x) - BLOCK) - gap, bottom - gap };
    Box room = { x, top, qr, even (l.qr_title.y - gap / 2 - top) };
    Box side = { x, top + title, qr, room.height - title };
    l.terminal = marked ? fit (side) : l.main;
    if (marked)
        place_marked (&l);
    else
        place_beside (&l, room, title);
    return l;
}

Box
layout_mark (const Layout *self)
{
    int edge = even (EDGE * self->unit);
    return (Box) { self->main.x, self->main.y + self->main.height - edge, self->main.width, edge };
}
