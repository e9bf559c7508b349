/* The jobs scan and thumbnail: hostile video from descriptor 4, finds or pictures to standard output. */
#include <cairo.h>
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zbar.h>
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"
#include "media/decode.h"
#include "media/jobs.h"

#define INPUT_FD 4
#define TIMES_MAX 100

typedef struct {
    DecodeOptions decode;
    guint   every;                          /* look at each nth picture */
    guint   region[4];                      /* x, y, width, height; width 0: whole picture */
    gint64  times[TIMES_MAX];               /* thumbnail: ascending */
    guint   n_times, next_time, width;
    guint64 seen;
    zbar_image_scanner_t *scanner;
    cairo_surface_t *last;                  /* thumbnail: the newest picture at or before the next time */
    gint64  last_ms;
} Scan;

static gboolean
print_line (json_t *line)
{
    g_autofree char *text = cjson_encode (line, NULL);
    json_decref (line);
    return text != NULL && puts (text) != EOF && fflush (stdout) == 0;
}

/* @left and @top: where the part that was scanned lies in the picture. */
static void
print_find (const GreyPicture *picture, const zbar_symbol_t *symbol, guint left, guint top)
{
    int x0 = G_MAXINT, y0 = G_MAXINT, x1 = 0, y1 = 0;
    for (unsigned i = 0; i < zbar_symbol_get_loc_size (symbol); i++) {
        x0 = MIN (x0, zbar_symbol_get_loc_x (symbol, i));
        y0 = MIN (y0, zbar_symbol_get_loc_y (symbol, i));
        x1 = MAX (x1, zbar_symbol_get_loc_x (symbol, i));
        y1 = MAX (y1, zbar_symbol_get_loc_y (symbol, i));
    }
    print_line (json_pack ("{s:I, s:o, s:i, s:i, s:i, s:i}", "ms", (json_int_t) picture->media_ms, "text",
                           cjson_bytes (zbar_symbol_get_data (symbol), zbar_symbol_get_data_length (symbol)), "x", x0 + (int) left, "y", y0 + (int) top, "w", x1 - x0, "h", y1 - y0));
}

/* The part of @p that is looked at, without padding, as zbar wants it. */
static guint8 *
cut_luma (const GreyPicture *p, guint x0, guint y0, guint width, guint height)
{
    guint8 *luma = g_malloc ((gsize) width * height);
    for (guint y = 0; y < height; y++)
        memcpy (luma + (gsize) y * width, p->luma + (gsize) (y0 + y) * p->stride + x0, width);
    return luma;
}

static gboolean
scan_picture (const GreyPicture *picture, gpointer user_data)
{
    Scan *scan = user_data;
    gboolean whole = scan->region[2] == 0;
    guint x = whole ? 0 : scan->region[0], y = whole ? 0 : scan->region[1];
    if (scan->seen++ % scan->every != 0 || x >= picture->width || y >= picture->height)
        return TRUE;
    guint width = whole ? picture->width : MIN (scan->region[2], picture->width - x);
    guint height = whole ? picture->height : MIN (scan->region[3], picture->height - y);
    gboolean as_is = width == picture->width && picture->stride == width;
    g_autofree guint8 *copy = as_is ? NULL : cut_luma (picture, x, y, width, height);
    zbar_image_t *image = zbar_image_create ();
    zbar_image_set_format (image, zbar_fourcc ('Y', '8', '0', '0'));
    zbar_image_set_size (image, width, height);
    zbar_image_set_data (image, copy ? copy : picture->luma + (gsize) y * width, (gsize) width * height, NULL);
    if (zbar_scan_image (scan->scanner, image) > 0)
        for (const zbar_symbol_t *symbol = zbar_image_first_symbol (image); symbol != NULL; symbol = zbar_symbol_next (symbol))
            if (zbar_symbol_get_type (symbol) == ZBAR_QRCODE)
                print_find (picture, symbol, x, y);
    zbar_image_destroy (image);
    return !ferror (stdout);
}

static cairo_status_t
collect_png (void *closure, const unsigned char *data, unsigned length)
{
    g_byte_array_append (closure, data, length);
    return CAIRO_STATUS_SUCCESS;
}

static void
print_thumbnail (Scan *scan)
{
    g_autoptr (GByteArray) png = g_byte_array_new ();
    cairo_surface_write_to_png_stream (scan->last, collect_png, png);
    print_line (json_pack ("{s:I, s:I}", "ms", (json_int_t) scan->last_ms, "png_length", (json_int_t) png->len));
    fwrite (png->data, 1, png->len, stdout);
    fflush (stdout);
}

/* Grey is enough to know a moment again; colours stay in the sandbox's decoder. */
static cairo_surface_t *
scaled (const GreyPicture *p, guint width)
{
    guint w = MIN (width, p->width), h = MAX (1, (guint) ((guint64) p->height * w / MAX (p->width, 1)));
    cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_RGB24, w, h);
    guint32 *pixels = (guint32 *) (gpointer) cairo_image_surface_get_data (surface);
    int stride = cairo_image_surface_get_stride (surface) / 4;
    for (guint y = 0; y < h; y++)
        for (guint x = 0; x < w; x++)
            pixels[y * stride + x] = 0x010101u * p->luma[(gsize) (y * p->height / h) * p->stride + x * p->width / w];
    cairo_surface_mark_dirty (surface);
    return surface;
}

static gboolean
thumbnail_picture (const GreyPicture *picture, gpointer user_data)
{
    Scan *scan = user_data;
    while (scan->next_time < scan->n_times && picture->media_ms > scan->times[scan->next_time] && scan->last != NULL) {
        print_thumbnail (scan);
        scan->next_time++;
    }
    if (scan->next_time == scan->n_times)
        return FALSE;
    g_clear_pointer (&scan->last, cairo_surface_destroy);
    scan->last = scaled (picture, scan->width);
    scan->last_ms = picture->media_ms;
    return TRUE;
}

static gboolean
read_numbers (const char *text, gint64 *out, guint *n, guint max)
{
    g_auto (GStrv) parts = g_strsplit (text, ",", -1);
    for (*n = 0; parts[*n] != NULL; (*n)++)
        if (*n == max || !g_ascii_string_to_signed (parts[*n], 10, 0, G_GINT64_CONSTANT (1) << 50, &out[*n], NULL))
            return FALSE;
    return *n > 0;
}

/* One option with its value; FALSE where it isn't one of ours. */
static gboolean
read_option (Scan *scan, const char *name, const char *value)
{
    gint64 numbers[4];
    guint n;
    if (strcmp (name, "--at-ms") == 0)
        return read_numbers (value, scan->times, &scan->n_times, TIMES_MAX);
    if (strcmp (name, "--region") == 0) {
        if (!read_numbers (value, numbers, &n, 4) || n != 4)
            return FALSE;
        for (guint i = 0; i < 4; i++)
            scan->region[i] = MIN (numbers[i], DECODE_MAX_SIDE);
        return TRUE;
    }
    if (!read_numbers (value, numbers, &n, 1))
        return FALSE;
    if (strcmp (name, "--offset") == 0)
        scan->decode.offset = numbers[0];
    else if (strcmp (name, "--length") == 0)
        scan->decode.length = numbers[0];
    else if (strcmp (name, "--every") == 0)
        scan->every = CLAMP (numbers[0], 1, 1000);
    else if (strcmp (name, "--width") == 0)
        scan->width = CLAMP (numbers[0], 16, 1920);
    else if (strcmp (name, "--timeout-ms") == 0)
        scan->decode.timeout_ms = CLAMP (numbers[0], 100, 3600000);
    else if (strcmp (name, "--cpu-seconds") == 0)
        scan->decode.limits.cpu_seconds = CLAMP (numbers[0], 1, 86400);
    else
        return FALSE;
    return TRUE;
}

static gboolean
read_options (Scan *scan, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--key-units") == 0)
            scan->decode.key_units = TRUE;
        else if (strcmp (argv[i], "--no-sandbox") == 0)
            scan->decode.sandbox = FALSE;
        else if (i + 1 >= argc || !read_option (scan, argv[i], argv[i + 1]))
            return FALSE;
        else
            i++;
    }
    return TRUE;
}

static int
run_scan (int argc, char **argv, DecodeFunc func)
{
    Scan scan = { .decode = { .fd = INPUT_FD, .sandbox = TRUE, .timeout_ms = 20000, .limits = { G_GUINT64_CONSTANT (3) << 30, 3600 } }, .every = 1, .width = 480 };
#ifdef __SANITIZE_ADDRESS__
    scan.decode.limits.memory_bytes = 0;
#endif
    if (!read_options (&scan, argc, argv)) {
        fprintf (stderr, "usage: ceremony-media %s [--key-units] [--offset N] [--length N] [--region X,Y,W,H] [--every N] [--at-ms N,…] [--width N] "
                         "[--timeout-ms N] [--cpu-seconds N] [--no-sandbox]   (video: descriptor 4)\n", argv[0]);
        return 2;
    }
    gst_registry_fork_set_enabled (FALSE);
    gst_init (NULL, NULL);
    scan.scanner = zbar_image_scanner_create ();
    zbar_image_scanner_set_config (scan.scanner, ZBAR_NONE, ZBAR_CFG_ENABLE, 0);
    zbar_image_scanner_set_config (scan.scanner, ZBAR_QRCODE, ZBAR_CFG_ENABLE, 1);
    DecodeSummary summary;
    g_autoptr (GError) error = NULL;
    gboolean ok = decode_video (&scan.decode, func, &scan, &summary, &error);
    while (scan.last != NULL && scan.next_time < scan.n_times) {
        print_thumbnail (&scan);
        scan.next_time++;
    }
    if (!ok)
        fprintf (stderr, "ceremony-media: %s: %s\n", argv[0], error->message);
    json_t *end = json_pack ("{s:b, s:I, s:I, s:i, s:i, s:s}", "end", 1, "frames", (json_int_t) summary.frames, "duration_ms", (json_int_t) summary.duration_ms,
                             "width", (int) summary.width, "height", (int) summary.height, "without", summary.without ? summary.without : "");
    if (ok)
        print_line (end);
    else
        json_decref (end);
    zbar_image_scanner_destroy (scan.scanner);
    g_clear_pointer (&scan.last, cairo_surface_destroy);
    return ok ? 0 : 1;
}

int
job_scan (int argc, char **argv)
{
    return run_scan (argc, argv, scan_picture);
}

int
job_thumbnail (int argc, char **argv)
{
    return run_scan (argc, argv, thumbnail_picture);
}
