/* The sandboxed scanner on videos that ffmpeg makes: codes, times, containers, damage. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <qrencode.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ceremony/base/child.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"

#define SIDE 640
#define HEIGHT 360
#define CODES 4

static char *dir;

static void
run (const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *command = g_strdup_vprintf (format, args);
    va_end (args);
    g_autoptr (GError) error = NULL;
    const char *const argv[] = { "/bin/sh", "-c", command, NULL };
    int status;
    g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status, &error));
    if (status != 0)
        g_error ("%s failed", command);
}

/* A grey picture with the code of "code N" off its middle. */
static void
write_picture (guint n)
{
    g_autofree char *text = g_strdup_printf ("code %u: a checkpoint would stand here, some lines long, to give the code its size", n);
    QRcode *qr = QRcode_encodeString8bit (text, 0, QR_ECLEVEL_M);
    guint scale = 4, x0 = 300, y0 = 80;
    g_autofree guint8 *pixels = g_malloc (SIDE * HEIGHT);
    memset (pixels, 200, SIDE * HEIGHT);
    for (int y = -4; y < qr->width + 4; y++)
        for (int x = -4; x < qr->width + 4; x++) {
            gboolean black = x >= 0 && y >= 0 && x < qr->width && y < qr->width && (qr->data[y * qr->width + x] & 1);
            for (guint i = 0; i < scale * scale; i++)
                pixels[(y0 + y * scale + i / scale) * SIDE + x0 + x * scale + i % scale] = black ? 16 : 235;
        }
    QRcode_free (qr);
    g_autofree char *path = g_strdup_printf ("%s/%u.pgm", dir, n);
    FILE *file = fopen (path, "w");
    fprintf (file, "P5 %d %d 255\n", SIDE, HEIGHT);
    g_assert_cmpuint (fwrite (pixels, 1, SIDE * HEIGHT, file), ==, SIDE * HEIGHT);
    fclose (file);
}

/* Runs the job on @path; gives its output, or NULL where it failed. */
static GBytes *
job (const char *path, const char *name, const char *const *options)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *media = child_media_path (&error);
    g_assert_no_error (error);
    g_autoptr (GPtrArray) argv = g_ptr_array_new ();
    g_ptr_array_add (argv, media);
    g_ptr_array_add (argv, (char *) name);
    for (; options != NULL && *options != NULL; options++)
        g_ptr_array_add (argv, (char *) *options);
    g_ptr_array_add (argv, NULL);
    int fd = g_open (path, O_RDONLY | O_CLOEXEC, 0), status;
    g_assert_cmpint (fd, >=, 0);
    g_autoptr (GBytes) output = NULL;
    gboolean ran = child_run ((const char *const *) argv->pdata, fd, NULL, 60000, 16 << 20, &output, &status, &error);
    close (fd);
    g_assert_no_error (error);
    g_assert_true (ran);
    g_assert_cmpint (status, >=, 0);
    return status == 0 ? g_steal_pointer (&output) : NULL;
}

/* Distinct codes found, and that each stands at about its second. */
static guint
count_codes (const char *path, const char *const *options)
{
    g_autoptr (GBytes) output = job (path, "scan", options);
    if (output == NULL)
        return 0;
    gboolean seen[CODES] = { FALSE }, ended = FALSE;
    g_autofree char *text = g_strndup (g_bytes_get_data (output, NULL), g_bytes_get_size (output));
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    for (char **line = lines; **line != '\0'; line++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (json_t) find = cjson_parse (*line, strlen (*line), &error);
        g_assert_no_error (error);
        g_assert_false (ended);
        ended = json_object_get (find, "end") != NULL;
        gint64 ms;
        guint n;
        if (ended)
            continue;
        g_assert_cmpint (sscanf (cjson_str (find, "text", NULL), "code %u:", &n), ==, 1);
        g_assert_cmpuint (n, <, CODES);
        g_assert_true (cjson_int (find, "ms", &ms, NULL));
        g_assert_cmpint (ABS (ms - (gint64) n * 1000 - 450), <, 1000);
        seen[n] = TRUE;
    }
    g_assert_true (ended);
    return seen[0] + seen[1] + seen[2] + seen[3];
}

static void
test_containers (void)
{
    static const struct { const char *file, *how; } videos[] = {
        { "a.mkv", "-c:v libx264 -profile:v baseline -force_key_frames 0,1,2,3 -pix_fmt yuv420p" },
        { "b.mp4", "-c:v libx264 -bf 2 -g 50 -pix_fmt yuv420p" },
        { "c.mp4", "-c:v libx264 -pix_fmt yuv420p -movflags +faststart -b:v 300k" },
        { "d.webm", "-c:v libvpx -b:v 400k -deadline realtime" },
    };
    for (guint i = 0; i < G_N_ELEMENTS (videos); i++) {
        run ("ffmpeg -y -framerate 1 -i %s/%%d.pgm -f lavfi -i sine=r=48000 -shortest -r 10 %s %s/%s", dir, videos[i].how, dir, videos[i].file);
        g_autofree char *path = g_build_filename (dir, videos[i].file, NULL);
        g_assert_cmpuint (count_codes (path, NULL), ==, CODES);
    }
}

static void
test_key_units_and_region (void)
{
    g_autofree char *path = g_build_filename (dir, "a.mkv", NULL);
    g_assert_cmpuint (count_codes (path, (const char *const[]){ "--key-units", "--region", "280,60,300,300", NULL }), ==, CODES);
    g_assert_cmpuint (count_codes (path, (const char *const[]){ "--region", "0,0,200,200", NULL }), ==, 0);
    g_assert_null (job (path, "scan", (const char *const[]){ "--region", "0,0", NULL }));
}

/* A video inside of a larger file, as it lies in a container. */
static void
test_range (void)
{
    run ("(head -c 1000 /dev/zero; cat %s/a.mkv; head -c 5000 /dev/urandom) >%s/range.bin", dir, dir);
    g_autofree char *path = g_build_filename (dir, "range.bin", NULL), *video = g_build_filename (dir, "a.mkv", NULL);
    GStatBuf st;
    g_assert_cmpint (g_stat (video, &st), ==, 0);
    g_autofree char *length = g_strdup_printf ("%" G_GINT64_FORMAT, (gint64) st.st_size);
    g_assert_cmpuint (count_codes (path, (const char *const[]){ "--offset", "1000", "--length", length, NULL }), ==, CODES);
    g_assert_null (job (path, "scan", (const char *const[]){ "--offset", "1000", "--length", "99999999", NULL }));
}

static void
test_thumbnails (void)
{
    g_autofree char *path = g_build_filename (dir, "a.mkv", NULL);
    g_autoptr (GBytes) output = job (path, "thumbnail", (const char *const[]){ "--at-ms", "100,2500,99000", "--width", "320", NULL });
    g_assert_nonnull (output);
    gsize len;
    const char *p = g_bytes_get_data (output, &len), *end = p + len;
    guint pictures = 0;
    for (; p < end && *p == '{'; pictures++) {
        const char *nl = memchr (p, '\n', end - p);
        g_autoptr (json_t) line = cjson_parse (p, nl - p, NULL);
        gint64 png;
        if (line == NULL || !cjson_int (line, "png_length", &png, NULL))
            break;
        g_assert_cmpmem (nl + 1, 8, "\x89PNG\r\n\x1a\n", 8);
        p = nl + 1 + png;
    }
    g_assert_cmpuint (pictures, ==, 3);
}

/* Whatever is broken: fewer codes or a failed job, never a crash or a hang. */
static void
test_damage (void)
{
    g_autofree char *path = g_build_filename (dir, "a.mkv", NULL), *bad = g_build_filename (dir, "bad.mkv", NULL), *data = NULL;
    gsize len;
    g_assert_true (g_file_get_contents (path, &data, &len, NULL));
    g_autoptr (GRand) rand = g_rand_new_with_seed (7);
    for (guint round = 0; round < 12; round++) {
        g_autofree char *copy = g_memdup2 (data, len);
        for (guint i = 0; i < 40; i++)
            copy[g_rand_int_range (rand, round % 2 ? 0 : 300, len)] ^= 1 << g_rand_int_range (rand, 0, 8);
        g_assert_true (g_file_set_contents (bad, copy, round % 3 == 0 ? (gssize) (len * (round + 1) / 14) : (gssize) len, NULL));
        g_autoptr (GBytes) output = job (bad, "scan", (const char *const[]){ "--timeout-ms", "3000", NULL });
    }
    g_assert_true (g_file_set_contents (bad, "no video at all", -1, NULL));
    g_assert_null (job (bad, "scan", NULL));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_setenv ("CEREMONY_MEDIA", strstr (argv[0], "build-san") ? "build-san/ceremony-media" : "build/ceremony-media", FALSE);
    g_autofree char *absolute = g_canonicalize_filename (g_getenv ("CEREMONY_MEDIA"), NULL);
    g_setenv ("CEREMONY_MEDIA", absolute, TRUE);
    /* LeakSanitizer can't look into a process that seccomp holds: it would end each job with an abort. */
    const char *asan = g_getenv ("ASAN_OPTIONS");
    g_autofree char *no_leaks = g_strconcat (asan ? asan : "", asan ? ":" : "", "detect_leaks=0", NULL);
    g_setenv ("ASAN_OPTIONS", no_leaks, TRUE);
    dir = g_dir_make_tmp ("scan-XXXXXX", NULL);
    for (guint n = 0; n < CODES; n++)
        write_picture (n);
    g_test_add_func ("/scan/containers", test_containers);
    g_test_add_func ("/scan/key-units-and-region", test_key_units_and_region);
    g_test_add_func ("/scan/range", test_range);
    g_test_add_func ("/scan/thumbnails", test_thumbnails);
    g_test_add_func ("/scan/damage", test_damage);
    int status = g_test_run ();
    run ("rm -rf %s", dir);
    return status;
}
