/* Picture, terminal, QR code and composition, without any codec: what is drawn is read back by zbar or by comparing pixels. */
#include "media/boxes.h"
#include "media/compose.h"
#include "media/qr_out.h"
#include "media/terminal.h"
#include <string.h>
#include <zbar.h>

#define NOTE "ca.example/ceremony/2026-11-24-abcd2345\n57\n8TqK0CyF6pSdZzDqwD0cJvYzl1oGm6q1m0Gf0Q9R3c0=\n\n\342\200\224 ca.example/ceremony/2026-11-24-abcd2345 " \
             "xkXUhJ1t7mT7m3d9tSd0b0Ft9f1kQXw2J6lF5m8JkP2zWqk7C3XQmVYp2b6Y8m0R0Vt7xk3p2Fq8dL9wPp2fVw==\n"

/* The text of the only QR code in the luma plane, g_free; NULL where there is none. */
static char *
scan (const Picture *picture)
{
    char *text = NULL;
    zbar_image_t *image = zbar_image_create ();
    zbar_image_scanner_t *scanner = zbar_image_scanner_create ();
    zbar_image_set_format (image, zbar_fourcc ('Y', '8', '0', '0'));
    zbar_image_set_size (image, (unsigned) picture->width, (unsigned) picture->height);
    zbar_image_set_data (image, picture->plane[0], (unsigned long) picture->width * (unsigned long) picture->height, NULL);
    zbar_image_scanner_set_config (scanner, ZBAR_NONE, ZBAR_CFG_ENABLE, 0);
    zbar_image_scanner_set_config (scanner, ZBAR_QRCODE, ZBAR_CFG_ENABLE, 1);
    int n = zbar_scan_image (scanner, image);
    g_assert_cmpint (n, <=, 1);
    if (n == 1)
        text = g_strdup (zbar_symbol_get_data (zbar_image_first_symbol (image)));
    zbar_image_scanner_destroy (scanner);
    zbar_image_destroy (image);
    return text;
}

static int
luma_at (const Picture *picture, int x, int y)
{
    return picture->plane[0][y * picture->stride[0] + x];
}

static void
test_picture (void)
{
    g_autoptr (Picture) picture = picture_new (64, 48);
    g_assert_cmpint (luma_at (picture, 0, 0), ==, 16);
    picture_fill (picture, (Box) { 10, 10, 20, 20 }, 0xffffff);
    g_assert_cmpint (luma_at (picture, 10, 10), ==, 235);
    g_assert_cmpint (luma_at (picture, 29, 29), ==, 235);
    g_assert_cmpint (luma_at (picture, 30, 30), ==, 16);
    g_assert_cmpint (picture->plane[1][5 * 32 + 5], ==, 128);
    picture_fill (picture, (Box) { 0, 0, 64, 48 }, 0xff0000);
    g_assert_cmpint (luma_at (picture, 1, 1), ==, 63);          /* BT.709, limited range: 16 + 219 × 0.2126 */
    g_assert_cmpint (picture->plane[2][0], ==, 240);
    picture_fill (picture, (Box) { -9, -9, 900, 900 }, 0x000000); /* cut off at the edges */
    g_autoptr (Picture) big = picture_new (100, 100);
    picture_fill (big, (Box) { 0, 0, 100, 100 }, 0xffffff);
    picture_copy (picture, 60, 40, big);
    g_assert_cmpint (luma_at (picture, 63, 47), ==, 235);
    g_assert_cmpint (luma_at (picture, 59, 47), ==, 16);
}

static void
test_draw (void)
{
    g_autoptr (Picture) picture = picture_new (32, 32);
    cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, 31, 31);
    cairo_t *cr = cairo_create (surface);
    cairo_set_source_rgb (cr, 1, 1, 1);
    cairo_paint (cr);
    picture_draw (picture, 8, 8, surface, (Box) { 3, 3, 1, 1 });  /* widened to whole squares */
    g_assert_cmpint (luma_at (picture, 10, 10), ==, 235);
    g_assert_cmpint (luma_at (picture, 11, 11), ==, 235);
    g_assert_cmpint (luma_at (picture, 12, 12), ==, 16);
    picture_draw (picture, 8, 8, surface, (Box) { 0, 0, 500, 500 });
    g_assert_cmpint (luma_at (picture, 31, 31), ==, 235);
    g_assert_cmpint (luma_at (picture, 7, 7), ==, 16);
    cairo_destroy (cr);
    cairo_surface_destroy (surface);
}

static void
test_qr (void)
{
    g_autoptr (Picture) picture = picture_new (400, 400);
    int modules = 0;
    g_assert_true (qr_draw (picture, (Box) { 20, 20, 346, 346 }, NOTE, &modules));
    g_assert_cmpint (modules, <=, 61);                            /* version 11 */
    g_autofree char *text = scan (picture);
    g_assert_cmpstr (text, ==, NOTE);
    g_autofree char *far_too_long = g_strnfill (2500, 'x');
    g_assert_false (qr_draw (picture, (Box) { 20, 20, 346, 346 }, far_too_long, NULL));
    g_autofree char *same = scan (picture);
    g_assert_cmpstr (same, ==, NOTE);                             /* untouched */
}

static void
write_text (Terminal *terminal, const char *text)
{
    terminal_write (terminal, text, strlen (text));
}

static guint
hash_surface (Terminal *terminal)
{
    cairo_surface_t *surface = terminal_surface (terminal);
    cairo_surface_flush (surface);
    const guint8 *data = cairo_image_surface_get_data (surface);
    guint hash = 5381;
    for (int i = 0; i < cairo_image_surface_get_stride (surface) * cairo_image_surface_get_height (surface); i++)
        hash = hash * 33 + data[i];
    return hash;
}

static void
test_damage (void)
{
    g_autoptr (Terminal) terminal = terminal_new (80, 24, 904, 664);
    Box changed;
    g_assert_true (terminal_draw (terminal, &changed));
    g_assert_cmpint (changed.width, >=, 800);
    g_assert_false (terminal_draw (terminal, &changed));
    write_text (terminal, "\033[10;40Hx");
    g_assert_true (terminal_draw (terminal, &changed));           /* that cell, and where the cursor was: not the lower half */
    g_assert_cmpint (changed.y + changed.height, <, 664 / 2);
    write_text (terminal, "y");
    g_assert_true (terminal_draw (terminal, &changed));
    g_assert_cmpint (changed.width, <, 100);
    g_assert_cmpint (changed.height, <=, 30);
    g_assert_false (terminal_draw (terminal, &changed));
}

/* What is drawn piece by piece, cut anywhere, equals what is drawn at once. */
static void
test_split (void)
{
    const char *text = "a\342\202\254\033[1;31mr\303\266t\033[0m\033[7m\346\274\242\345\255\227\033[m\033]0;title\007\r\n\342\224\214\342\224\200\342\224\220\360\237\224\221.";
    Box changed;
    g_autoptr (Terminal) whole = terminal_new (80, 24, 904, 664);
    write_text (whole, text);
    terminal_draw (whole, &changed);
    guint expected = hash_surface (whole);
    g_autoptr (Terminal) bytes = terminal_new (80, 24, 904, 664);
    for (gsize i = 0; i < strlen (text); i++) {
        terminal_write (bytes, text + i, 1);
        terminal_draw (bytes, &changed);
    }
    g_assert_cmpuint (hash_surface (bytes), ==, expected);
    g_autoptr (Terminal) blank = terminal_new (80, 24, 904, 664);
    terminal_draw (blank, &changed);
    g_assert_cmpuint (hash_surface (blank), !=, expected);
}

static void
test_resize (void)
{
    g_autoptr (Terminal) terminal = terminal_new (120, 36, 904, 664);
    static const int sizes[][2] = { { 80, 24 }, { 20, 5 }, { 500, 300 }, { 1, 1 }, { 9999, 9999 }, { 132, 50 } };
    Box changed;
    for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
        write_text (terminal, "\033[36;118Hend\033[?1049h\033[999;999H\346\274\242\033[?1049l");
        terminal_resize (terminal, sizes[i][0], sizes[i][1]);
        g_assert_true (terminal_draw (terminal, &changed));
        g_assert_cmpint (changed.x, >=, 0);
        g_assert_cmpint (changed.x + changed.width, <=, 904);
        g_assert_cmpint (changed.y + changed.height, <=, 664);
    }
    terminal_set_area (terminal, 344, 258);
    g_assert_true (terminal_draw (terminal, &changed));
    g_assert_cmpint (changed.x + changed.width, <=, 344);
}

/* Any bytes at all leave a terminal that can be drawn. */
static void
test_noise (void)
{
    static const char alphabet[] = "\033\033\033[[;;;0123456789ABCDHJKLMPSTXfhlmqr?]()#%\r\n\t\b\016\017ab\302\342\202\254\377";
    g_autoptr (GRand) rand = g_rand_new_with_seed (7);
    g_autoptr (Terminal) terminal = terminal_new (40, 12, 440, 324);
    Box changed;
    for (int round = 0; round < 60; round++) {
        char noise[400];
        for (gsize i = 0; i < sizeof noise; i++)
            noise[i] = g_rand_int_range (rand, 0, 20) ? alphabet[g_rand_int_range (rand, 0, sizeof alphabet - 1)] : (char) g_rand_int (rand);
        terminal_write (terminal, noise, sizeof noise);
        if (round % 10 == 9)
            terminal_resize (terminal, g_rand_int_range (rand, 20, 60), g_rand_int_range (rand, 5, 20));
        terminal_draw (terminal, &changed);
    }
}

/* Every character of both blocks but the three diagonals is drawn, and stays in its cell. */
static void
test_boxes (void)
{
    cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, 30, 40);
    cairo_t *cr = cairo_create (surface);
    for (gunichar c = 0x2500; c <= 0x259f; c++) {
        cairo_set_source_rgb (cr, 0, 0, 0);
        cairo_paint (cr);
        cairo_set_source_rgb (cr, 1, 1, 1);
        g_assert_cmpint (boxes_draw (cr, c, 10, 10, 21, 37), ==, !(c >= 0x2571 && c <= 0x2573));
        cairo_surface_flush (surface);
        const guint8 *data = cairo_image_surface_get_data (surface);
        int inside = 0, outside = 0;
        for (int y = 0; y < 40; y++)
            for (int x = 0; x < 30; x++)
                if (data[y * cairo_image_surface_get_stride (surface) + 4 * x] > 0)
                    (*(x >= 10 && x < 21 && y >= 10 && y < 37 ? &inside : &outside))++;
        g_assert_cmpint (outside, ==, 0);
        g_assert_cmpint (inside > 0, ==, !(c >= 0x2571 && c <= 0x2573));
    }
    g_assert_false (boxes_draw (cr, 'x', 0, 0, 9, 9));
    cairo_destroy (cr);
    cairo_surface_destroy (surface);
}

static void
test_compose (void)
{
    g_autoptr (Compose) compose = compose_new (1280, 720, 80, 24, 1, "2026-11-24-abcd2345");
    const Picture *frame = compose_frame (compose, G_GINT64_CONSTANT (1795521043000));
    g_autofree char *none = scan (frame);
    g_assert_null (none);
    g_assert_true (compose_qr (compose, NOTE, 57));
    frame = compose_frame (compose, G_GINT64_CONSTANT (1795521043100));
    g_autofree char *text = scan (frame);
    g_assert_cmpstr (text, ==, NOTE);
    g_autofree char *huge = g_strnfill (2500, 'x');
    g_assert_false (compose_qr (compose, huge, 58));

    g_autofree guint8 *before = g_memdup2 (frame->plane[0], 1280 * 720);
    frame = compose_frame (compose, G_GINT64_CONSTANT (1795521043900));
    g_assert_cmpint (memcmp (before, frame->plane[0], 1280 * 720), ==, 0);  /* the same second */
    frame = compose_frame (compose, G_GINT64_CONSTANT (1795521044000));
    g_assert_cmpint (memcmp (before, frame->plane[0], 1280 * 680), ==, 0);  /* only the status line, at the bottom */
    g_assert_cmpint (memcmp (before, frame->plane[0], 1280 * 720), !=, 0);
}

static void
test_camera_pane (void)
{
    g_autoptr (Compose) compose = compose_new (1280, 720, 80, 24, 1, "2026-11-24-abcd2345");
    int width, height, wide, high;
    compose_camera_size (compose, 0, &width, &height);
    compose_status (compose, "Show the challenge", 3, TRUE, FALSE);
    compose_camera_size (compose, 0, &wide, &high);
    g_assert_cmpint (wide, >, 2 * width);
    g_assert_cmpint (high, >, 2 * height);
    compose_qr (compose, NOTE, 57);
    compose_frame (compose, 0);
    g_autoptr (Picture) camera = picture_new (wide, high);
    picture_fill (camera, (Box) { 0, 0, wide, high }, 0x00ff00);
    compose_camera_picture (compose, 0, camera);
    const Picture *frame = compose_frame (compose, 0);
    int green = luma_at (camera, 0, 0);
    g_assert_cmpint (luma_at (frame, 400, 400), ==, green);
    compose_qr (compose, NOTE, 58);                               /* the picture stays while the code changes */
    frame = compose_frame (compose, 0);
    g_assert_cmpint (luma_at (frame, 400, 400), ==, green);
    g_autoptr (Picture) other = picture_new (width, height);
    compose_camera_picture (compose, 0, other);                      /* of another size: passed over */
    compose_camera_words (compose, 0, "CAMERA LOST", "since 12:00:00 UTC");
    compose_camera_picture (compose, 0, camera);                     /* while the words stand: passed over */
    frame = compose_frame (compose, 0);
    g_assert_cmpint (luma_at (frame, 400, 400), !=, green);
    g_autofree char *text = scan (frame);
    g_assert_cmpstr (text, ==, NOTE);
}

/* A picture that the camera gave before the panes changed places stands in its new pane at once, never black. */
static void
test_swap_keeps_picture (void)
{
    g_autoptr (Compose) compose = compose_new (1280, 720, 80, 24, 1, "2026-11-24-abcd2345");
    int width, height;
    compose_camera_size (compose, 0, &width, &height);
    g_autoptr (Picture) camera = picture_new (width, height);
    picture_fill (camera, (Box) { 0, 0, width, height }, 0x00ff00);
    compose_camera_picture (compose, 0, camera);
    compose_frame (compose, 0);
    g_assert_true (compose_status (compose, "Liveness", 3, TRUE, FALSE));
    g_assert_false (compose_status (compose, "Liveness", 4, TRUE, FALSE));
    const Picture *frame = compose_frame (compose, 0);
    g_assert_cmpint (luma_at (frame, 400, 400), ==, luma_at (camera, 0, 0));
    compose_status (compose, "after", 5, FALSE, FALSE);
    Layout at = layout_make (1280, 720, 1, FALSE);
    frame = compose_frame (compose, 0);
    g_assert_cmpint (luma_at (frame, at.camera[0].x + 9, at.camera[0].y + 9), ==, luma_at (camera, 0, 0));
}

static gboolean
inside (Box inner, Box outer)
{
    return inner.x >= outer.x && inner.y >= outer.y && inner.width > 0 && inner.height > 0 && inner.x + inner.width <= outer.x + outer.width
           && inner.y + inner.height <= outer.y + outer.height;
}

/* Panes of one, two and three cameras lie within the picture and don't touch the code, the terminal or each other. */
static void
test_layouts (void)
{
    static const int sizes[][2] = { { 640, 360 }, { 1280, 720 }, { 1920, 1080 }, { 3840, 2160 }, { 720, 1280 } };
    for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
        for (guint n = 1; n <= CAMERAS_MAX; n++)
            for (int marked = 0; marked < 2; marked++) {
                Layout l = layout_make (sizes[i][0], sizes[i][1], n, marked);
                Box all = { 0, 0, sizes[i][0], sizes[i][1] };
                Box panes[] = { l.qr, l.status, l.terminal, l.camera[0], l.camera[n > 1 ? 1 : 0], l.camera[n > 2 ? 2 : 0] };
                for (gsize a = 0; a < G_N_ELEMENTS (panes); a++) {
                    g_assert_true (inside (panes[a], all));
                    for (gsize b = 0; b < a && a < 3 + n; b++)
                        g_assert_true (panes[a].x + panes[a].width <= panes[b].x || panes[b].x + panes[b].width <= panes[a].x
                                       || panes[a].y + panes[a].height <= panes[b].y || panes[b].y + panes[b].height <= panes[a].y);
                }
                if (marked)
                    g_assert_true (inside (layout_mark (&l), l.main));
            }
}

/* The smallest and a large picture: every pane lies inside, and the code can be read. */
static void
test_sizes (void)
{
    static const int sizes[][2] = { { 640, 360 }, { 800, 600 }, { 1280, 720 }, { 1920, 1080 }, { 3840, 2160 } };
    for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
        g_autoptr (Compose) compose = compose_new (sizes[i][0], sizes[i][1], 120, 36, 1, "2026-11-24-abcd2345");
        g_assert_true (compose_qr (compose, NOTE, 57));
        Box qr = compose_qr_box (compose);
        g_assert_cmpint (qr.x, >=, 0);
        g_assert_cmpint (qr.x + qr.width, <=, sizes[i][0]);
        g_assert_cmpint (qr.y + qr.height, <=, sizes[i][1]);
        int width, height;
        compose_camera_size (compose, 0, &width, &height);
        g_assert_cmpint (width, >, 100);
        g_assert_cmpint (height, >, 80);
        g_autofree char *text = scan (compose_frame (compose, 0));
        g_assert_cmpstr (text, ==, NOTE);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/media/picture", test_picture);
    g_test_add_func ("/media/picture/draw", test_draw);
    g_test_add_func ("/media/qr", test_qr);
    g_test_add_func ("/media/terminal/damage", test_damage);
    g_test_add_func ("/media/terminal/split", test_split);
    g_test_add_func ("/media/terminal/resize", test_resize);
    g_test_add_func ("/media/terminal/noise", test_noise);
    g_test_add_func ("/media/boxes", test_boxes);
    g_test_add_func ("/media/compose", test_compose);
    g_test_add_func ("/media/compose/camera", test_camera_pane);
    g_test_add_func ("/media/compose/swap", test_swap_keeps_picture);
    g_test_add_func ("/media/layouts", test_layouts);
    g_test_add_func ("/media/compose/sizes", test_sizes);
    return g_test_run ();
}
