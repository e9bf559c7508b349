/* media-video FILE SECONDS CAST [WIDTH HEIGHT FPS]: a recording as the recorder makes it (composer, encoder, muxer), without waiting for the time to pass: the terminal of
 * a ceremony's cast, spread over the time; something noisy that moves before the camera; a checkpoint's length of text in a new QR code every two seconds, "code N"
 * first. */
#include <gst/gst.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "media/compose.h"
#include "media/encode.h"
#include "media/mkv.h"

#define AHEAD 30                /* frames that may be in the pipeline */

typedef struct {
    FILE *out;
    Mkv mkv;
    gint frames;                /* that came out; atomic */
    GMainLoop *loop;
    const char *reason;
} Out;

static gboolean
keep_bytes (const guint8 *data, gsize len, gpointer user)
{
    Out *out = user;
    gsize used;
    MkvStep step;
    if (fwrite (data, 1, len, out->out) != len)
        return FALSE;
    do {
        step = mkv_walk (&out->mkv, data, len, &used);
        data += used;
        len -= used;
        if (step == MKV_FRAME)
            g_atomic_int_inc (&out->frames);
    } while (step != MKV_MORE && step != MKV_BAD);
    return step == MKV_MORE;
}

static void
on_end (const char *reason, gpointer user)
{
    Out *out = user;
    out->reason = g_strdup (reason);
    g_main_loop_quit (out->loop);
}

static void
show_camera (Compose *compose, GRand *rand, int tick)
{
    int width, height;
    compose_camera_size (compose, 0, &width, &height);
    g_autoptr (Picture) picture = picture_new (width, height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x += 4) {
            guint32 noise = g_rand_int (rand);
            for (int i = 0; i < 4 && x + i < width; i++)
                picture->plane[0][y * picture->stride[0] + x + i] = 60 + (x + i) * 80 / width + y * 60 / height + ((noise >> (8 * i)) & 1);
        }
    picture_fill (picture, (Box) { tick * 2 % (width - 80) & ~1, height / 3 & ~1, 60, 80 }, 0xc09070);
    compose_camera_picture (compose, 0, picture);
}

static void
show_code (Compose *compose, guint n)
{
    g_autofree char *text = g_strdup_printf ("code %05u: bench.invalid/ceremony/01JD0000000000000000000000\n%u\n", n, n);
    g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
    g_checksum_update (sum, (const guchar *) text, -1);
    g_autofree char *more = g_strconcat (text, g_checksum_get_string (sum), g_checksum_get_string (sum), "-----------------------------", NULL);
    if (!compose_qr (compose, more, n))
        g_error ("the code is too long");
}

/* The terminal of an asciicast v2. */
typedef struct { char **lines; guint next, n; double length; int cols, rows; } Cast;

static void
open_cast (const char *path, Cast *cast)
{
    char *text;
    if (!g_file_get_contents (path, &text, NULL, NULL))
        g_error ("%s can't be read", path);
    cast->lines = g_strsplit (g_strchomp (text), "\n", -1);
    cast->n = g_strv_length (cast->lines);
    cast->next = 1;
    json_t *head = json_loads (cast->lines[0], 0, NULL), *last = NULL;
    cast->cols = (int) json_integer_value (json_object_get (head, "width"));
    cast->rows = (int) json_integer_value (json_object_get (head, "height"));
    last = json_loads (cast->lines[cast->n - 1], 0, NULL);
    cast->length = json_number_value (json_array_get (last, 0)) + 0.001;
    json_decref (head);
    json_decref (last);
}

static void
play_cast (Cast *cast, Compose *compose, double share)
{
    for (; cast->next < cast->n; cast->next++) {
        json_t *event = json_loads (cast->lines[cast->next], 0, NULL);
        const char *kind = json_string_value (json_array_get (event, 1)), *data = json_string_value (json_array_get (event, 2));
        gboolean later = json_number_value (json_array_get (event, 0)) > share * cast->length;
        if (!later && g_strcmp0 (kind, "o") == 0 && data != NULL)
            compose_terminal (compose, data, strlen (data));
        json_decref (event);
        if (later)
            return;
    }
}

int
main (int argc, char **argv)
{
    if (argc != 4 && argc != 7) {
        fprintf (stderr, "usage: media-video FILE SECONDS CAST [WIDTH HEIGHT FPS]\n");
        return 2;
    }
    int seconds = atoi (argv[2]), width = argc > 4 ? atoi (argv[4]) : 1280, height = argc > 4 ? atoi (argv[5]) : 720, fps = argc > 4 ? atoi (argv[6]) : 15;
    Cast cast;
    open_cast (argv[3], &cast);
    gst_init (NULL, NULL);
    Out out = { .out = fopen (argv[1], "w"), .loop = g_main_loop_new (NULL, FALSE) };
    EncodeCalls calls = { keep_bytes, on_end };
    g_autoptr (GError) error = NULL;
    g_autoptr (Encode) encode = encode_new (width, height, fps, FALSE, &calls, &out, &error);
    if (out.out == NULL || encode == NULL)
        g_error ("%s: %s", argv[1], error ? error->message : "can't be written");
    g_autoptr (Compose) compose = compose_new (width, height, cast.cols, cast.rows, 1, "01JD0000000000000000000000");
    g_autoptr (GRand) rand = g_rand_new_with_seed (5);
    for (int tick = 0; tick < seconds * fps; tick++) {
        gboolean key = tick % (2 * fps) == 0;
        if (key)
            show_code (compose, tick / (2 * fps));
        play_cast (&cast, compose, (double) tick / (seconds * fps));
        if (tick % fps == 0)
            compose_status (compose, "a step of the ceremony", tick / fps, FALSE, TRUE);
        show_camera (compose, rand, tick);
        encode_frame (encode, compose_frame (compose, G_GINT64_CONSTANT (1790000000000) + tick * 1000 / fps), tick, key);
        while (tick - g_atomic_int_get (&out.frames) > AHEAD && out.reason == NULL)
            g_usleep (500);
    }
    encode_end (encode);
    g_main_loop_run (out.loop);
    if (fclose (out.out) != 0 || out.reason != NULL)
        g_error ("%s: %s", argv[1], out.reason ? out.reason : "not written");
    g_strfreev (cast.lines);
    return 0;
}
