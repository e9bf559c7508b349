/* The job look: what the camera's pane shows at each key unit of our own recording, decoded in the sandbox, and whether it was there before. A key unit is coded
 * by itself, so the same picture from the camera gives the same bytes again; a sensor's noise never does: two key units of an honest camera differ by half a grey
 * level and more, even of a still scene and even where the noise itself is below what the encoder keeps. */
#include "media/decode.h"
#include "media/lines.h"
#include "media/jobs.h"
#include "media/layout.h"
#include "ceremony/base/cjson.h"
#include <gst/gst.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define INPUT_FD 4
#define SAMPLES 4096            /* pixels of a pane that are compared, the same ones each time */
#define FIRST_SAMPLES 256       /* … of which so many tell most pictures apart */
#define SERIES_MAX 6000         /* more than three hours of key units; then the oldest give way */
#define APART_MS 2000           /* pictures nearer to each other than this aren't a repetition */

typedef struct {
    gint64 ms;
    guint8 px[SAMPLES];
} Shot;

typedef struct {                /* one camera, in one of its two sizes */
    GArray *shots;              /* Shot */
    guint next;                 /* where the next one goes once it is full */
    const Shot *last;
} Series;

typedef struct {
    DecodeOptions decode;
    guint cameras;
    Series series[CAMERAS_MAX][2];
} Look;

static guint
difference (const Shot *a, const Shot *b, guint n)
{
    guint sum = 0;
    for (guint i = 0; i < n; i++)
        sum += (guint) ABS ((int) a->px[i] - (int) b->px[i]);
    return sum;
}

/* Fixed places all over the pane, in no pattern that a picture could have. */
static void
sample (const GreyPicture *picture, Box box, Shot *shot)
{
    guint32 state = 12345;
    for (guint i = 0; i < SAMPLES; i++) {
        state = state * 1664525u + 1013904223u;
        guint x = (state >> 16) * (guint) box.width >> 16;
        state = state * 1664525u + 1013904223u;
        guint y = (state >> 16) * (guint) box.height >> 16;
        shot->px[i] = picture->luma[(gsize) ((guint) box.y + y) * picture->stride + (guint) box.x + x];
    }
}

/* The frame around marked cameras has one colour that fills its lower edge. */
static gboolean
is_marked (const GreyPicture *picture, const Layout *layout)
{
    Box edge = layout_mark (layout);
    int want = 16 + ((47 * (LAYOUT_MARK >> 16) + 157 * ((LAYOUT_MARK >> 8) & 0xff) + 16 * (LAYOUT_MARK & 0xff) + 128) >> 8);
    int y = edge.y + edge.height / 2;
    for (int i = 1; i < 32; i++) {
        int x = edge.x + edge.width * i / 32;
        if (ABS ((int) picture->luma[(gsize) y * picture->stride + (gsize) x] - want) > 12)
            return FALSE;
    }
    return TRUE;
}

static gboolean
tell (guint camera, gboolean marked, const Shot *shot, gint64 before, const Shot *again, gint64 again_d)
{
    double sum = 0, squares = 0;
    for (guint i = 0; i < SAMPLES; i++) {
        sum += shot->px[i];
        squares += (double) shot->px[i] * shot->px[i];
    }
    double mean = sum / SAMPLES, spread = sqrt (MAX (squares / SAMPLES - mean * mean, 0));
    return print_line (json_pack ("{s:i,s:I,s:b,s:I,s:I,s:I,s:I,s:I}", "camera", (int) camera + 1, "ms", (json_int_t) shot->ms, "marked", (int) marked,
                                  "mean", (json_int_t) lround (mean * 10), "spread", (json_int_t) lround (spread * 10), "before", (json_int_t) before,
                                  "again_ms", (json_int_t) (again ? again->ms : -1), "again", (json_int_t) again_d));
}

/* The earlier picture that is the most like this one, and their difference in thousandths of a grey level. */
static const Shot *
find_again (const Series *series, const Shot *shot, gint64 *d)
{
    const Shot *best = NULL;
    guint least = G_MAXUINT;
    for (guint i = 0; i < series->shots->len; i++) {
        const Shot *other = &g_array_index (series->shots, Shot, i);
        if (shot->ms - other->ms < APART_MS || difference (shot, other, FIRST_SAMPLES) > 2 * FIRST_SAMPLES)
            continue;
        guint sum = difference (shot, other, SAMPLES);
        if (sum < least) {
            least = sum;
            best = other;
        }
    }
    *d = best ? (gint64) least * 1000 / SAMPLES : -1;
    return best;
}

static const Shot *
keep (Series *series, const Shot *shot)
{
    if (series->shots->len < SERIES_MAX) {
        g_array_append_val (series->shots, *shot);
        return &g_array_index (series->shots, Shot, series->shots->len - 1);
    }
    Shot *place = &g_array_index (series->shots, Shot, series->next);
    series->next = (series->next + 1) % SERIES_MAX;
    *place = *shot;
    return place;
}

static gboolean
look_picture (const GreyPicture *picture, gpointer user_data)
{
    Look *look = user_data;
    if (picture->width < 640 || picture->height < 360 || picture->width % 2 || picture->height % 2)
        return TRUE;
    Layout layout = layout_make ((int) picture->width, (int) picture->height, look->cameras, FALSE);
    gboolean marked = is_marked (picture, &layout);
    if (marked)
        layout = layout_make ((int) picture->width, (int) picture->height, look->cameras, TRUE);
    for (guint i = 0; i < look->cameras; i++) {
        Series *series = &look->series[i][marked];
        Shot shot = { .ms = picture->media_ms };
        gint64 again_d;
        sample (picture, layout.camera[i], &shot);
        gint64 before = series->last ? (gint64) difference (&shot, series->last, SAMPLES) * 1000 / SAMPLES : -1;
        const Shot *again = find_again (series, &shot, &again_d);
        if (!tell (i, marked, &shot, before, again, again_d))
            return FALSE;
        series->last = keep (series, &shot);
    }
    return TRUE;
}

static gboolean
read_options (Look *look, int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        gint64 n;
        if (!g_ascii_string_to_signed (argv[i + 1], 10, 0, G_GINT64_CONSTANT (1) << 50, &n, NULL))
            return FALSE;
        if (strcmp (argv[i], "--offset") == 0)
            look->decode.offset = (guint64) n;
        else if (strcmp (argv[i], "--length") == 0)
            look->decode.length = (guint64) n;
        else if (strcmp (argv[i], "--cameras") == 0)
            look->cameras = (guint) CLAMP (n, 1, CAMERAS_MAX);
        else if (strcmp (argv[i], "--timeout-ms") == 0)
            look->decode.timeout_ms = (guint) CLAMP (n, 100, 3600000);
        else
            return FALSE;
    }
    return argc % 2 == 1;
}

int
job_look (int argc, char **argv)
{
    Look look = { .decode = { .fd = INPUT_FD, .key_units = TRUE, .sandbox = TRUE, .timeout_ms = 20000, .limits = { G_GUINT64_CONSTANT (3) << 30, 3600 } },
                  .cameras = 1 };
#ifdef __SANITIZE_ADDRESS__
    look.decode.limits.memory_bytes = 0;
#endif
    if (!read_options (&look, argc, argv)) {
        fputs ("usage: ceremony-media look [--offset N] [--length N] [--cameras N] [--timeout-ms N]   (video: descriptor 4)\n", stderr);
        return 2;
    }
    for (guint i = 0; i < CAMERAS_MAX; i++)
        for (int marked = 0; marked < 2; marked++)
            look.series[i][marked].shots = g_array_sized_new (FALSE, FALSE, sizeof (Shot), SERIES_MAX);
    gst_registry_fork_set_enabled (FALSE);
    gst_init (NULL, NULL);
    DecodeSummary summary;
    g_autoptr (GError) error = NULL;
    gboolean ok = decode_video (&look.decode, look_picture, &look, &summary, &error);
    if (ok)
        ok = print_line (json_pack ("{s:b,s:I,s:I}", "end", 1, "frames", (json_int_t) summary.frames, "duration_ms", (json_int_t) summary.duration_ms));
    else
        fprintf (stderr, "ceremony-media: look: %s\n", error->message);
    for (guint i = 0; i < CAMERAS_MAX; i++)
        for (int marked = 0; marked < 2; marked++)
            g_array_unref (look.series[i][marked].shots);
    return ok ? 0 : 1;
}
