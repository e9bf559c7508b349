/* Whether cameras and microphone were alive, by the video itself: ceremony-media compares what their panes show at each key unit. The same picture from a camera is coded into
 * the same bytes again, while two pictures of a real sensor, even of a room where nothing moves, differ by half a grey level: so equality is a still or a loop. */
#include <string.h>
#include "ceremony/verify/checks.h"

#define SAME_D 100                      /* thousandths of a grey level: measured 0 for the same picture, 360 and more for an honest still scene */
#define BLANK_SPREAD 15                 /* tenths of a grey level */
#define SILENT_MS 4000                  /* a camera that is lost stood still so long before it was told, at most */
#define SLACK_MS 2000
#define SILENCE_PEAK 8                  /* of 32768: what the decoder makes of nothing */

typedef struct {
    gint64   ms, before, again, again_ms, spread;
    gboolean marked;
} Shot;

typedef struct {                        /* one camera in one part of the video */
    const Event *started;
    gint64       part;
    guint        number;                /* from 1 */
    const char  *kind;
    GArray      *shots;                 /* Shot, in order of time */
} Camera;

static const char *
source_name (guint camera, char out[16])
{
    g_snprintf (out, 16, camera > 1 ? "camera %u" : "camera", camera);
    return out;
}

static gboolean
shot_blank (const Shot *shot)
{
    return shot->spread < BLANK_SPREAD;
}

/* The recorder had lost the camera then: its pane shows words. */
static gboolean
was_lost (Context *c, const Camera *camera, gint64 ms)
{
    const GPtrArray *lost = events_of (c, "source.lost");
    char name[16];

    source_name (camera->number, name);
    for (guint i = 0; i < lost->len; i++) {
        const Event *event = lost->pdata[i], *back;
        if (!g_str_equal (member (event->data, "source"), name) || event_before (c, "recording.started", event->seq) != camera->started)
            continue;
        gint64 from = event_video_ms (c, event), to = G_MAXINT64;
        for (back = event_after (c, "source.returned", event->seq); back && !g_str_equal (member (back->data, "source"), name);
             back = event_after (c, "source.returned", back->seq + 1));
        if (back && event_before (c, "recording.started", back->seq) == camera->started)
            to = event_video_ms (c, back) + SLACK_MS;
        if (ms >= from - SILENT_MS && ms <= to)
            return TRUE;
    }
    return FALSE;
}

static void
blame (Context *c, const Camera *camera, gint64 from, const char *what)
{
    gboolean rehearsed = c->verdict->rehearsal && g_str_equal (camera->kind, "file");
    CheckResult result = rehearsed ? CHECK_WARN : CHECK_FAIL;
    g_autofree char *which = camera->number > 1 ? g_strdup_printf ("part %" G_GINT64_FORMAT ", camera %u", camera->part, camera->number)
                                                : g_strdup_printf ("part %" G_GINT64_FORMAT, camera->part);

    if (c->outcome->video_ms < 0)
        c->outcome->video_ms = from;
    flaw (c, result, camera->started, "%s, %s", which, what);
}

typedef gboolean (*ShotTest) (const Shot *shot, gboolean begun);

static gboolean
is_blank (const Shot *shot, gboolean begun)
{
    return shot_blank (shot);
}

/* The first of a run only has what follows it to be the same as. */
static gboolean
is_still (const Shot *shot, gboolean begun)
{
    return !shot_blank (shot) && (!begun || (shot->before >= 0 && shot->before <= SAME_D));
}

/* Tells each run of shots that @test finds, from its first to its last, where it lasts as long as the policy minds. */
static void
check_runs (Context *c, const Camera *camera, ShotTest test, const char *what)
{
    gint64 from = -1, to = -1;
    gboolean marked = FALSE;

    for (guint i = 0; i <= camera->shots->len; i++) {
        const Shot *shot = i < camera->shots->len ? &g_array_index (camera->shots, Shot, i) : NULL;
        gboolean in = shot && from >= 0 && shot->marked == marked && test (shot, TRUE) && !was_lost (c, camera, shot->ms);
        if (in) {
            to = shot->ms;
            continue;
        }
        if (from >= 0 && to - from >= c->rule.camera_still_ms) {
            g_autofree char *text = g_strdup_printf ("from %.1f to %.1f s: %s", from / 1000.0, to / 1000.0, what);
            blame (c, camera, from, text);
        }
        from = shot && test (shot, FALSE) && !was_lost (c, camera, shot->ms) ? shot->ms : -1;
        to = from;
        marked = shot && shot->marked;
    }
}

/* A picture that moved on and is there again, exactly, was recorded before. */
static void
check_loop (Context *c, const Camera *camera)
{
    gint64 first = -1, last = -1, gap = G_MAXINT64;
    guint n = 0;

    for (guint i = 0; i < camera->shots->len; i++) {
        const Shot *shot = &g_array_index (camera->shots, Shot, i);
        gboolean still = shot->before >= 0 && shot->before <= SAME_D;
        if (shot->again < 0 || shot->again > SAME_D || still || shot_blank (shot) || was_lost (c, camera, shot->ms) || was_lost (c, camera, shot->again_ms))
            continue;
        if (n++ == 0)
            first = shot->ms;
        last = shot->ms;
        gap = MIN (gap, shot->ms - shot->again_ms);
    }
    if (n < 2)
        return;
    g_autofree char *text = g_strdup_printf ("from %.1f to %.1f s: %u pictures of the camera are, to the last grain, pictures that it showed before, the nearest %.1f s "
                                             "before: a loop", first / 1000.0, last / 1000.0, n, gap / 1000.0);
    blame (c, camera, first, text);
}

/* What the recorder saw of it, bit by bit, before the encoder. */
static void
check_told (Context *c, const Camera *camera)
{
    const GPtrArray *told = events_of_part (c, "camera.repeats", camera->part);

    for (guint i = 0; i < told->len; i++) {
        const Event *event = told->pdata[i];
        gboolean loop = g_str_equal (member (event->data, "kind"), "loop");
        if (member_int (event->data, "camera") != camera->number || !g_str_equal (member (event->data, "kind"), loop ? "loop" : "frozen"))
            continue;
        g_autofree char *text = loop ? g_strdup_printf ("at %.1f s: the recorder told that the camera's pictures had been there %.1f s before: a loop",
                                                        member_int (event->data, "media_ms") / 1000.0, member_int (event->data, "period_ms") / 1000.0)
                                     : g_strdup_printf ("at %.1f s: the recorder told that the camera gave the same picture again and again",
                                                        member_int (event->data, "media_ms") / 1000.0);
        cite (c, event);
        blame (c, camera, member_int (event->data, "media_ms"), text);
        return;
    }
}

/* Between which moments of the part the sign of life must be seen: after what was in the file when its step began, before it was confirmed. */
static gboolean
liveness_window (Context *c, const Event *shown, gint64 *from, gint64 *to)
{
    const Event *begun = event_before (c, "step.begun", shown->seq), *started = event_before (c, "recording.started", shown->seq);
    const Event *chunk = begun ? event_before (c, "video.chunk", begun->seq) : NULL;

    *to = event_video_ms (c, shown);
    if (!started || *to < 0)
        return FALSE;
    *to += SLACK_MS;
    *from = chunk && chunk->seq > started->seq ? MAX (member_int (chunk->data, "last_ms"), 0) : 0;
    return TRUE;
}

/* While the challenge was held up, the cameras had the large pane, and there was something to see in it. */
static gboolean
check_liveness_seen (Context *c, const GPtrArray *cameras, const Event *shown)
{
    gint64 from, to;
    guint marked = 0, seen = 0;

    if (!liveness_window (c, shown, &from, &to))
        return FALSE;
    for (guint i = 0; i < cameras->len; i++) {
        const Camera *camera = cameras->pdata[i];
        if (camera->started != event_before (c, "recording.started", shown->seq))
            continue;
        for (guint j = 0; j < camera->shots->len; j++) {
            const Shot *shot = &g_array_index (camera->shots, Shot, j);
            if (!shot->marked || shot->ms < from || shot->ms > to)
                continue;
            marked++;
            seen += !shot_blank (shot) && !was_lost (c, camera, shot->ms);
        }
    }
    if (seen > 0)
        return TRUE;
    flaw (c, CHECK_FAIL, shown, marked ? "while the challenge was held before the camera (from %.1f to %.1f s) the picture is black or of one colour"
                                       : "while the challenge was held before the camera (from %.1f to %.1f s) the picture doesn't show the camera large",
          from / 1000.0, to / 1000.0);
    return FALSE;
}

static void
camera_free (gpointer data)
{
    Camera *camera = data;

    g_array_unref (camera->shots);
    g_free (camera);
}

/* The cameras of a part, as recording.started names them. */
static GPtrArray *
cameras_of (const Event *started)
{
    const json_t *list = json_object_get (started->data, "cameras"), *alone = json_object_get (started->data, "camera");
    GPtrArray *cameras = g_ptr_array_new_with_free_func (camera_free);
    gsize n = json_is_array (list) ? MIN (json_array_size (list), 3) : 1;

    for (gsize i = 0; i < MAX (n, 1); i++) {
        Camera *camera = g_new0 (Camera, 1);
        camera->started = started;
        camera->part = member_int (started->data, "part");
        camera->number = i + 1;
        camera->kind = member (json_is_array (list) ? json_array_get (list, i) : alone, "kind");
        camera->shots = g_array_new (FALSE, FALSE, sizeof (Shot));
        g_ptr_array_add (cameras, camera);
    }
    return cameras;
}

/* FALSE: there was no end line, what there is is all the same looked at. */
static gboolean
read_shots (GPtrArray *cameras, GBytes *output)
{
    gboolean ended = FALSE;
    json_t *line;

    for (gsize at = 0; (line = media_line (output, &at)) != NULL; json_decref (line)) {
        gint64 number = member_int (line, "camera");
        ended = ended || member_true (line, "end");
        if (number < 1 || number > (gint64) cameras->len)
            continue;
        Shot shot = { member_int (line, "ms"), member_int (line, "before"), member_int (line, "again"), member_int (line, "again_ms"), member_int (line, "spread"),
                      member_true (line, "marked") };
        g_array_append_val (((Camera *) cameras->pdata[number - 1])->shots, shot);
    }
    return ended;
}

/* Looks at one part; its cameras join @all. FALSE: ceremony-media is missing. */
static gboolean
look_at_part (Context *c, const Event *closed, GPtrArray *all)
{
    const AsiceEntry *entry = asice_find (c->asice, member (closed->data, "path"));
    const GPtrArray *list = events_of_part (c, "recording.started", member_int (closed->data, "part"));
    g_autoptr(GPtrArray) cameras = list->len && entry ? cameras_of (list->pdata[0]) : NULL;
    g_autofree char *n = cameras ? g_strdup_printf ("%u", cameras->len) : NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) output = NULL;

    if (!cameras)
        return TRUE;                    /* tracks.files tells */
    output = media_read (c, entry, (const char *const[]) { "look", "--cameras", n, NULL }, &error);
    if (!output)
        return !g_error_matches (error, BASE_ERROR, BASE_ERROR_MISSING);    /* pictures.codes tells what can't be decoded */
    read_shots (cameras, output);
    while (cameras->len > 0)
        g_ptr_array_add (all, g_ptr_array_steal_index (cameras, 0));
    return TRUE;
}

static gboolean
look_at_all (Context *c, GPtrArray *cameras)
{
    const GPtrArray *closed = events_of (c, "track.closed");

    for (guint i = 0; i < closed->len; i++)
        if (g_str_equal (member (((const Event *) closed->pdata[i])->data, "track"), "video") && !look_at_part (c, closed->pdata[i], cameras))
            return FALSE;
    return TRUE;
}

static gboolean
by_nature (const char *kind)
{
    return g_str_equal (kind, "test") || g_str_equal (kind, "none");
}

CheckResult
check_camera_live (Context *c)
{
    g_autoptr(GPtrArray) cameras = g_ptr_array_new_with_free_func (camera_free);
    const Event *shown = event_last (c, "liveness.shown");
    guint judged = 0, shots = 0;
    gboolean seen = FALSE, filmed = FALSE;

    if (c->options->flags & VERIFY_NO_VIDEO)
        return unreached (c, "the pictures weren't decoded (--no-video)");
    if (!look_at_all (c, cameras))
        return unreached (c, "ceremony-media isn't there to look at the pictures: install it beside ceremony, or set CEREMONY_MEDIA");
    for (guint i = 0; i < cameras->len; i++) {
        const Camera *camera = cameras->pdata[i];
        filmed = filmed || !g_str_equal (camera->kind, "none");
        if (by_nature (camera->kind))
            continue;
        judged++;
        shots += camera->shots->len;
        check_runs (c, camera, is_still, "the camera's picture stands still, grain and all, while the rest goes on");
        check_runs (c, camera, is_blank, "the camera's picture is black or of one colour");
        check_loop (c, camera);
        check_told (c, camera);
    }
    if (shown && filmed)
        seen = check_liveness_seen (c, cameras, shown);
    if (judged == 0)
        return filmed && c->worst == CHECK_PASS ? done (c, "a test picture, which is no camera's%s", seen ? "; it has the large pane while the challenge is shown" : "")
                                                : done (c, "there was no camera to judge");
    return done (c, "%u pictures compared: none stands still, none comes again%s", shots, seen ? "; the camera is large while the challenge is shown" : "");
}

/* The bytes of the video that hold the stretch: its head, and the chunks between @from and @to (ms). */
static void
chunks_between (Context *c, gint64 part, gint64 from, gint64 to, gint64 bytes[3])
{
    const GPtrArray *chunks = events_of_part (c, "video.chunk", part);

    bytes[0] = chunks->len ? member_int (((const Event *) chunks->pdata[0])->data, "length") : 0;
    bytes[1] = bytes[2] = bytes[0];
    for (guint i = 0; i < chunks->len; i++) {
        const json_t *chunk = ((const Event *) chunks->pdata[i])->data;
        if (i > 0 && member_int (chunk, "last_ms") < from - 1000)
            bytes[1] = member_int (chunk, "offset") + member_int (chunk, "length");
        if (member_int (chunk, "first_ms") <= to + 1000)
            bytes[2] = member_int (chunk, "offset") + member_int (chunk, "length");
    }
    bytes[1] = MAX (bytes[1], bytes[0]);
}

CheckResult
check_sound_live (Context *c)
{
    const Event *shown = event_last (c, "liveness.shown"), *started = shown ? event_before (c, "recording.started", shown->seq) : NULL;
    const AsiceEntry *entry = started ? asice_find (c->asice, member (started->data, "video")) : NULL;
    const char *kind = started ? member2 (started->data, "audio", "kind") : "";
    CheckResult bad = c->rule.audio_required ? CHECK_FAIL : CHECK_WARN;
    g_autoptr(GError) error = NULL;
    gint64 from, to, bytes[3];

    if (c->options->flags & VERIFY_NO_VIDEO)
        return unreached (c, "the sound wasn't decoded (--no-video)");
    if (!entry || !liveness_window (c, shown, &from, &to))
        return skip (c, "nothing was read aloud before a recording");
    if (!*kind || g_str_equal (kind, "none"))
        return skip (c, "recorded without sound");
    chunks_between (c, member_int (started->data, "part"), from, to, bytes);
    const gint64 numbers[] = { bytes[0], bytes[1], bytes[2], from, to };
    const char *names[] = { "--head", "--skip", "--until", "--from-ms", "--to-ms" }, *job[2 * G_N_ELEMENTS (names) + 2] = { "hear" };
    char texts[G_N_ELEMENTS (names)][24];
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
        g_snprintf (texts[i], sizeof texts[i], "%" G_GINT64_FORMAT, numbers[i]);
        job[1 + 2 * i] = names[i];
        job[2 + 2 * i] = texts[i];
    }
    g_autoptr(GBytes) output = media_read (c, entry, job, &error);
    if (!output && g_error_matches (error, BASE_ERROR, BASE_ERROR_MISSING))
        return unreached (c, "ceremony-media isn't there to hear the sound: install it beside ceremony, or set CEREMONY_MEDIA");
    gsize at = 0;
    g_autoptr(json_t) line = output ? media_line (output, &at) : NULL;
    c->outcome->video_ms = from;
    if (!line)
        flaw (c, bad, shown, "the sound of the sign of life can't be decoded: %s", error ? error->message : "ceremony-media gave no answer");
    else if (member_int (line, "peak") < SILENCE_PEAK)
        flaw (c, bad, shown, "while the challenge was read aloud (from %.1f to %.1f s) the sound is silence itself: no microphone was on", from / 1000.0, to / 1000.0);
    return done (c, "from %.1f to %.1f s the microphone heard something: listen whether it is the challenge", from / 1000.0, to / 1000.0);
}
