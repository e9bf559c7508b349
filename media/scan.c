/* The jobs scan and thumbnail: hostile video from descriptor 4, finds or pictures to standard output. */
#include <cairo.h>
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"
#include "media/codes.h"
#include "media/lines.h"
#include "media/jobs.h"

#define INPUT_FD 4
#define TIMES_MAX 100

#define FINDS_MAX_BYTES (32 * 1024 * 1024)

typedef struct { gint64 ms; char *line; } Find;
typedef struct { Codes *codes; guint64 seen; } Worker;

typedef struct {
    DecodeOptions decode;
    guint   every;                          /* look at each nth picture */
    CodesMode mode;
    Box     region;
    Worker  workers[DECODE_WORKERS_MAX];
    GMutex  lock;                           /* over finds and bytes */
    GArray *finds;
    gsize   bytes;
    gint64  times[TIMES_MAX];               /* thumbnail: ascending */
    guint   n_times, next_time, width;
    cairo_surface_t *last;                  /* thumbnail: the newest picture at or before the next time */
    gint64  last_ms;
} Scan;

/* Decoders give their finds in any order; they are written in order of time. */
static void
keep_find (gint64 ms, const char *text, gsize len, Box box, gpointer user_data)
{
    Scan *scan = user_data;
    g_autoptr (json_t) line = json_pack ("{s:I, s:o, s:i, s:i, s:i, s:i}", "ms", (json_int_t) ms, "text", cjson_bytes (text, len), "x", box.x, "y", box.y, "w", box.width, "h",
                                         box.height);
    Find find = { ms, cjson_encode (line, NULL) };
    if (find.line == NULL)
        return;
    g_mutex_lock (&scan->lock);
    scan->bytes += strlen (find.line) + 1;
    if (scan->bytes <= FINDS_MAX_BYTES)
        g_array_append_val (scan->finds, find);
    else
        g_free (find.line);
    g_mutex_unlock (&scan->lock);
}

static gint
by_time (gconstpointer a, gconstpointer b)
{
    const Find *x = a, *y = b;
    return x->ms != y->ms ? (x->ms > y->ms) - (x->ms < y->ms) : strcmp (x->line, y->line);
}

static void
print_finds (Scan *scan)
{
    g_array_sort (scan->finds, by_time);
    for (guint i = 0; i < scan->finds->len; i++)
        puts (g_array_index (scan->finds, Find, i).line);
}

static gboolean
scan_picture (const GreyPicture *picture, gpointer user_data)
{
    Scan *scan = user_data;
    Worker *worker = &scan->workers[picture->worker];
    if (worker->seen++ % scan->every != 0)
        return TRUE;
    codes_look (worker->codes, picture);
    g_mutex_lock (&scan->lock);
    gboolean flood = scan->bytes > FINDS_MAX_BYTES;
    g_mutex_unlock (&scan->lock);
    return !flood;
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
            numbers[i] = MIN (numbers[i], DECODE_MAX_SIDE);
        scan->region = (Box) { numbers[0], numbers[1], numbers[2], numbers[3] };
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
    else if (strcmp (name, "--threads") == 0)
        scan->decode.workers = CLAMP (numbers[0], 1, DECODE_WORKERS_MAX);
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
        else if (strcmp (argv[i], "--whole") == 0)
            scan->mode = CODES_WHOLE;
        else if (strcmp (argv[i], "--foreign") == 0) {
            scan->mode = CODES_CHANGES;
            scan->decode.thin = TRUE;
        } else if (strcmp (argv[i], "--no-sandbox") == 0)
            scan->decode.sandbox = FALSE;
        else if (i + 1 >= argc || !read_option (scan, argv[i], argv[i + 1]))
            return FALSE;
        else
            i++;
    }
    return TRUE;
}

static int
run_job (Scan *scan, int argc, char **argv, DecodeFunc func)
{
    DecodeSummary summary;
    g_autoptr (GError) error = NULL;
    gst_registry_fork_set_enabled (FALSE);
    gst_init (NULL, NULL);
    gboolean ok = decode_video (&scan->decode, func, scan, &summary, &error);
    print_finds (scan);
    for (; scan->last != NULL && scan->next_time < scan->n_times; scan->next_time++)
        print_thumbnail (scan);
    if (ok && scan->bytes > FINDS_MAX_BYTES) {
        ok = FALSE;
        g_set_error (&error, BASE_ERROR, BASE_ERROR_LIMIT, "more codes than any recording holds");
    }
    if (ok)
        print_line (json_pack ("{s:b, s:I, s:I, s:i, s:i, s:s}", "end", 1, "frames", (json_int_t) summary.frames, "duration_ms", (json_int_t) summary.duration_ms, "width",
                               (int) summary.width, "height", (int) summary.height, "without", summary.without ? summary.without : ""));
    else
        fprintf (stderr, "ceremony-media: %s: %s\n", argv[0], error->message);
    /* At once: a decoder that got stuck would hold up an orderly end. */
    fflush (stdout);
    if (!ok && g_error_matches (error, BASE_ERROR, BASE_ERROR_LIMIT))
        _exit (1);
    return ok ? 0 : 1;
}

static int
run_scan (int argc, char **argv, DecodeFunc func)
{
    Scan scan = { .decode = { .fd = INPUT_FD, .sandbox = TRUE, .timeout_ms = 20000, .limits = { G_GUINT64_CONSTANT (3) << 30, 3600 } }, .every = 1, .width = 480 };
    gboolean codes = func == scan_picture;
#ifdef __SANITIZE_ADDRESS__
    scan.decode.limits.memory_bytes = 0;
#endif
    scan.decode.workers = codes ? MIN (g_get_num_processors (), 4) : 1;
    scan.decode.codes_only = codes;
    if (!read_options (&scan, argc, argv) || (!codes && scan.decode.workers > 1)) {
        fprintf (stderr, "usage: ceremony-media %s [--key-units] [--offset N] [--length N] [--foreign | --whole | --region X,Y,W,H] [--every N] [--threads N] [--at-ms N,…] "
                         "[--width N] [--timeout-ms N] [--cpu-seconds N] [--no-sandbox]   (video: descriptor 4)\n", argv[0]);
        return 2;
    }
    g_mutex_init (&scan.lock);
    scan.finds = g_array_new (FALSE, FALSE, sizeof (Find));
    for (guint i = 0; codes && i < scan.decode.workers; i++)
        scan.workers[i].codes = codes_new (scan.mode, scan.region, keep_find, &scan);
    int status = run_job (&scan, argc, argv, func);
    for (guint i = 0; i < DECODE_WORKERS_MAX; i++)
        codes_free (scan.workers[i].codes);
    for (guint i = 0; i < scan.finds->len; i++)
        g_free (g_array_index (scan.finds, Find, i).line);
    g_array_unref (scan.finds);
    g_mutex_clear (&scan.lock);
    g_clear_pointer (&scan.last, cairo_surface_destroy);
    return status;
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
