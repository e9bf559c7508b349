/* Pictures and sound come from ceremony-media, which decodes the hostile video in its sandbox; the page holds no script and nothing from elsewhere. */
#include "ceremony/report/liveness.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/media-job.h"
#include "ceremony/bundle/moments.h"
#include <string.h>

#define PICTURES_MAX 24
#define MARGIN_MS 2000
#define LONGEST_MS (10 * 60 * 1000)
#define OUTPUT_MAX (128 * 1024 * 1024)

typedef struct {
    const Asice *bundle;
    const AsiceEntry *video;
    const Event *given, *shown;
    Liveness *found;
    gint64 head, skip, until;   /* bytes of the video that hold the stretch: its head, and the chunks of that time */
    GArray *keys;               /* gint64: ms of the key units in the stretch, where chunks begin */
    GString *page;
} Work;

void
liveness_free (Liveness *self)
{
    if (!self)
        return;
    g_free (self->words);
    g_free (self);
}

static const Event *
last_before (const Moments *moments, const char *type, guint64 seq)
{
    const Event *found = NULL;
    for (guint i = 0; i < moments->events->len; i++) {
        const Event *event = g_ptr_array_index (moments->events, i);
        if (event->seq < seq && strcmp (event->type, type) == 0)
            found = event;
    }
    return found;
}

static void
find_bytes (Work *work, const Moments *moments)
{
    g_autoptr (GPtrArray) chunks = moments_of_part (moments, "video.chunk", work->found->part);
    for (guint i = 0; i < chunks->len; i++) {
        const Event *chunk = g_ptr_array_index (chunks, i);
        gint64 end = event_number (chunk, "offset") + event_number (chunk, "length");
        if (i == 0)
            work->head = work->skip = work->until = end;
        else if (event_number (chunk, "last_ms") < work->found->from_ms - MARGIN_MS)
            work->skip = end;
        gint64 first = event_number (chunk, "first_ms");
        if (first <= work->found->to_ms + MARGIN_MS)
            work->until = end;
        if (first >= work->found->from_ms && first <= work->found->to_ms - MARGIN_MS)
            g_array_append_val (work->keys, first);
    }
}

/* When, in which file, beside which words. */
static gboolean
find_place (Work *work, const Moments *moments, GError **error)
{
    work->shown = last_before (moments, "liveness.shown", G_MAXUINT64);
    work->given = work->shown ? last_before (moments, "challenge.given", work->shown->seq) : NULL;
    const Event *begun = work->shown ? last_before (moments, "step.begun", work->shown->seq) : NULL;
    Moment from = begun ? moments_at (moments, begun) : (Moment) { 0 }, to = work->shown ? moments_at (moments, work->shown) : (Moment) { 0 };
    const Event *started = to.part ? moments_first (moments, "recording.started", to.part) : NULL;
    const char *path = started ? event_text (started, "video") : NULL;
    g_autoptr (GBytes) challenge = work->given && event_text (work->given, "challenge") ? hex_decode (event_text (work->given, "challenge"), NULL) : NULL;
    work->video = path ? asice_find (work->bundle, path) : NULL;
    if (!work->video || !challenge || g_bytes_get_size (challenge) != 8) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "nobody showed the challenge before a camera in this ceremony, or its video isn't in the bundle");
        return FALSE;
    }
    work->found->words = pgp_words (g_bytes_get_data (challenge, NULL), 8);
    work->found->part = to.part;
    work->found->to_ms = MAX (to.ms, 0) + MARGIN_MS;
    work->found->from_ms = CLAMP (from.part == to.part ? from.ms : 0, MAX (work->found->to_ms - LONGEST_MS, 0), work->found->to_ms);
    find_bytes (work, moments);
    return TRUE;
}

/* What ceremony-media prints for this job about the video. */
static GBytes *
ask_media (const Work *work, GPtrArray *words, GError **error)
{
    GBytes *output;

    g_ptr_array_add (words, NULL);
    output = media_job (work->bundle, work->video, (const char *const *) words->pdata, OUTPUT_MAX, NULL, error);
    if (!output)
        g_prefix_error (error, "%s: ", work->video->name);
    return output;
}

static void
add_number (GPtrArray *words, const char *name, gint64 value)
{
    g_ptr_array_add (words, g_strdup (name));
    g_ptr_array_add (words, g_strdup_printf ("%" G_GINT64_FORMAT, value));
}

static gboolean
write_file (const char *dir, const char *name, const void *data, gsize len, GError **error)
{
    g_autofree char *path = g_build_filename (dir, name, NULL);
    return file_write (path, data, len, 0644, FALSE, error);
}

static gboolean
write_pictures (Work *work, const char *dir, GError **error)
{
    g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GString) at = g_string_new (NULL);
    guint all = work->keys->len, n = MIN (all, PICTURES_MAX);
    gint64 ms = -1;
    if (n == 0)
        return TRUE;
    for (guint i = 0; i < n; i++)
        g_string_append_printf (at, "%s%" G_GINT64_FORMAT, i ? "," : "", g_array_index (work->keys, gint64, n > 1 ? i * (all - 1) / (n - 1) : 0));
    for (const char **word = (const char *[]) { "thumbnail", "--key-units", "--width", "960", "--at-ms", at->str, NULL }; *word; word++)
        g_ptr_array_add (words, g_strdup (*word));
    g_autoptr (GBytes) output = ask_media (work, words, error);
    gsize pos = 0, len;
    const guint8 *png;
    while (output && media_picture (output, &pos, &ms, &png, &len)) {
        g_autofree char *name = g_strdup_printf ("%02u.png", ++work->found->pictures), *time = moment_format (ms);
        if (!write_file (dir, name, png, len, error))
            return FALSE;
        g_string_append_printf (work->page, "<figure><img src=\"%s\" alt=\"Picture of the video at %s\"><figcaption>%s</figcaption></figure>\n", name, time, time);
    }
    return output != NULL;
}

static gboolean
write_sound (Work *work, const char *dir, GError **error)
{
    g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
    g_ptr_array_add (words, g_strdup ("hear"));
    g_ptr_array_add (words, g_strdup ("--wav"));
    add_number (words, "--head", work->head);
    add_number (words, "--skip", MAX (work->skip, work->head));
    add_number (words, "--until", work->until);
    add_number (words, "--from-ms", work->found->from_ms);
    add_number (words, "--to-ms", work->found->to_ms);
    g_autoptr (GBytes) output = ask_media (work, words, error);
    gsize size = 0, pos = 0;
    gint64 len = 0, peak = 0;
    if (!output)
        return FALSE;
    const char *data = g_bytes_get_data (output, &size);
    g_autoptr (json_t) line = media_line (output, &pos);
    if (!cjson_int (line, "ms", &work->found->sound_ms, NULL) || !cjson_int (line, "wav_length", &len, NULL) || !cjson_int (line, "peak", &peak, NULL)
        || len != (gint64) (size - pos)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: its sound can't be decoded", work->video->name);
        return FALSE;
    }
    work->found->silent = peak < 8;
    if (work->found->sound_ms == 0) {
        g_string_append (work->page, "<p>It was recorded without sound.</p>\n");
        return TRUE;
    }
    g_string_append_printf (work->page, "<p><audio controls src=\"sound.wav\"></audio>%s</p>\n",
                            work->found->silent ? " <strong>It is silence itself: no microphone was on.</strong>" : "");
    return write_file (dir, "sound.wav", data + pos, (gsize) len, error);
}

static void
begin_page (Work *work)
{
    g_autofree char *words = g_markup_escape_text (work->found->words, -1), *from = moment_format (work->found->from_ms), *to = moment_format (work->found->to_ms);
    g_autofree char *video = g_markup_escape_text (work->video->name, -1), *given = clock_format (work->given->time), *shown = clock_format (work->shown->time);
    g_string_append_printf (work->page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self' file:; media-src 'self' file:; style-src 'unsafe-inline'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Sign of life</title>\n"
        "<style>body{font:16px sans-serif;max-width:64em;margin:2em auto;padding:0 1em;color:#16202e;background:#fff}.words{font-size:1.6em;font-weight:bold}"
        "figure{display:inline-block;margin:.5em;width:30em;max-width:100%%}img{width:100%%}figcaption{color:#3d4a5c}</style>\n</head>\n<body>\n"
        "<h1>The challenge before the camera</h1>\n<p class=\"words\">%s</p>\n"
        "<p>These words must be read aloud, and be seen in handwriting beside the token. They were given at %s, and confirmed as shown at %s: %s from %s to %s.</p>\n"
        "<p>Nothing here is verified: <code>ceremony verify</code> judges the bundle that it was taken from.</p>\n",
        words, given, shown, video, from, to);
}

Liveness *
liveness_write (const Asice *bundle, const char *dir, GError **error)
{
    g_autoptr (Moments) moments = moments_read (bundle, error);
    g_autoptr (Liveness) found = g_new0 (Liveness, 1);
    g_autoptr (GArray) keys = g_array_new (FALSE, FALSE, sizeof (gint64));
    Work work = { .bundle = bundle, .found = found, .keys = keys };
    if (!moments || !find_place (&work, moments, error))
        return NULL;
    g_autoptr (GString) page = g_string_new (NULL);
    work.page = page;
    begin_page (&work);
    if (!write_sound (&work, dir, error) || !write_pictures (&work, dir, error))
        return NULL;
    g_string_append (page, "</body>\n</html>\n");
    return write_file (dir, "index.html", page->str, page->len, error) ? g_steal_pointer (&found) : NULL;
}
