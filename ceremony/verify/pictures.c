/* The QR codes in the picture, read by ceremony-media in its sandbox: each a checkpoint of this journal, each where the journal says that it was shown. */
#include <string.h>
#include "ceremony/verify/checks.h"

#define FINDS_MAX_OUTPUT (64 * 1024 * 1024)
#define PLACE_SLACK_MS 1000             /* between the frame that the recorder named and the one decoded */

typedef struct { gint64 ms; guint64 size; } Find;

typedef struct {
    gint64   part;
    const Event *closed;
    GArray  *finds;                     /* Find, in order of time */
    guint    other;                     /* codes that aren't checkpoints: on a box, on a token */
    gint64   duration;                  /* -1: the scan didn't end */
    gboolean recovered;
    gboolean cut;                       /* shorter than the journal tells: tracks.chunks says what is missing */
} Scanned;

GBytes *
media_read (Context *c, const AsiceEntry *entry, const char *const *job, GError **error)
{
    return media_job (c->asice, entry, job, FINDS_MAX_OUTPUT, NULL, error);
}

/* A code whose text begins as a checkpoint must be one of this journal, signed by this appliance. */
static void
take_code (Context *c, Scanned *s, const char *text, gint64 ms)
{
    const char *newline = strchr (text, '\n');
    g_autofree char *origin = newline ? g_strndup (text, newline - text) : NULL, *root = NULL, *found = NULL;
    g_autoptr(Checkpoint) checkpoint = NULL;
    g_autoptr(GError) error = NULL;
    Find find = { .ms = ms };

    if (!origin || !strstr (origin, "/ceremony/")) {
        s->other++;
        return;
    }
    if (!g_str_equal (origin, c->note_key->name)) {
        flaw (c, CHECK_FAIL, s->closed, "at %" G_GINT64_FORMAT " s the picture shows a code of another ceremony, '%s'", ms / 1000, origin);
        return;
    }
    checkpoint = checkpoint_open (text, strlen (text), c->note_key, &error);
    root = checkpoint ? root_at (c, checkpoint->size) : NULL;
    found = checkpoint ? base64_encode (checkpoint->root.b, sizeof checkpoint->root.b) : NULL;
    if (!checkpoint)
        flaw (c, CHECK_FAIL, s->closed, "at %" G_GINT64_FORMAT " s the picture shows a checkpoint that isn't the appliance's: %s", ms / 1000, error->message);
    else if (g_strcmp0 (root, found) != 0)
        flaw (c, CHECK_FAIL, s->closed, "at %" G_GINT64_FORMAT " s the picture shows a checkpoint of another journal: what is in the bundle isn't what was recorded", ms / 1000);
    else {
        find.size = checkpoint->size;
        g_array_append_val (s->finds, find);
    }
}

static void
read_finds (Context *c, Scanned *s, GBytes *output)
{
    json_t *line;

    for (gsize at = 0; (line = media_line (output, &at)) != NULL; json_decref (line)) {
        const char *text = json_string_value (json_object_get (line, "text"));
        if (member_true (line, "end"))
            s->duration = MAX (member_int (line, "duration_ms"), 0);
        else if (text)
            take_code (c, s, text, member_int (line, "ms"));
        else if (json_object_get (line, "text"))
            s->other++;
    }
}

static const Find *
find_near (const Scanned *s, guint64 size, gint64 ms)
{
    guint from = 0, to = s->finds->len;

    while (from < to) {
        guint middle = from + (to - from) / 2;
        if (g_array_index (s->finds, Find, middle).ms < ms - PLACE_SLACK_MS)
            from = middle + 1;
        else
            to = middle;
    }
    for (guint i = from; i < s->finds->len && g_array_index (s->finds, Find, i).ms <= ms + PLACE_SLACK_MS; i++)
        if (g_array_index (s->finds, Find, i).size == size)
            return &g_array_index (s->finds, Find, i);
    return NULL;
}

/* Each code that the journal tells of is there; only what a crash cut off may be missing. */
static void
check_shown (Context *c, const Scanned *s)
{
    const GPtrArray *shown = events_of_part (c, "qr.shown", s->part);
    gint64 last = s->finds->len ? g_array_index (s->finds, Find, s->finds->len - 1).ms : 0;

    for (guint i = 0; i < shown->len; i++) {
        const Event *event = shown->pdata[i];
        gint64 ms = member_int (event->data, "media_ms");
        if (find_near (s, member_int (event->data, "size"), ms) || (s->cut && ms > last))
            continue;
        flaw (c, s->recovered && ms > last ? CHECK_WARN : CHECK_FAIL, event,
              "part %" G_GINT64_FORMAT ", at %.1f s: the code over %" G_GINT64_FORMAT " events, which the journal says was shown, isn't in the picture", s->part,
              ms / 1000.0, member_int (event->data, "size"));
    }
}

/* The sizes that the journal says were shown in this part, or at any time on the terminal. */
static GHashTable *
told_sizes (Context *c, const Scanned *s)
{
    const GPtrArray *shown = events_of_part (c, "qr.shown", s->part), *held = events_of (c, "checkpoint.shown");
    GHashTable *sizes = g_hash_table_new (NULL, NULL);

    for (guint i = 0; i < held->len; i++)
        g_hash_table_add (sizes, GSIZE_TO_POINTER (member_int (((const Event *) held->pdata[i])->data, "size")));
    for (guint i = 0; i < shown->len; i++)
        g_hash_table_add (sizes, GSIZE_TO_POINTER (member_int (((const Event *) shown->pdata[i])->data, "size")));
    return sizes;
}

/* A chunk that shows a checkpoint can't have been journaled before that checkpoint's events: its hash would have had to be known before its picture. */
static void
check_interlock (Context *c, const Scanned *s, const Find *find, guint *next)
{
    const GPtrArray *chunks = events_of_part (c, "video.chunk", s->part);

    /* Chunks are in order of time, and so are finds: what ended before this find has ended before the next too. */
    while (*next < chunks->len && member_int (((const Event *) chunks->pdata[*next])->data, "last_ms") < find->ms)
        ++*next;
    for (guint i = *next; i < chunks->len && i < *next + 2; i++) {
        const Event *chunk = chunks->pdata[i];
        if (member_int (chunk->data, "first_ms") < 0 || member_int (chunk->data, "first_ms") > find->ms || member_int (chunk->data, "last_ms") < find->ms)
            continue;
        if (chunk->seq < find->size)
            flaw (c, CHECK_FAIL, chunk, "part %" G_GINT64_FORMAT ", at %.1f s: the picture shows a checkpoint over events that came after this piece of video was hashed",
                  s->part, find->ms / 1000.0);
    }
}

/* The sizes of checkpoints that the terminal itself showed full-screen: they stay as long as people look at them, and may be legible beside newer codes. The opening
 * checkpoint may be shown until the challenge is given: after an interruption, say. */
static GHashTable *
held_sizes (Context *c)
{
    static const char *const types[] = { "opening.committed", "checkpoint.shown" };
    GHashTable *sizes = g_hash_table_new (NULL, NULL);

    for (gsize t = 0; t < G_N_ELEMENTS (types); t++) {
        const GPtrArray *events = events_of (c, types[t]);
        for (guint i = 0; i < events->len; i++)
            g_hash_table_add (sizes, GSIZE_TO_POINTER (member_int (((const Event *) events->pdata[i])->data, "size")));
    }
    return sizes;
}

static void
check_finds (Context *c, const Scanned *s)
{
    g_autoptr(GHashTable) told = told_sizes (c, s), held = held_sizes (c);
    gint64 changed = 0, longest = 0;
    guint64 size = 0;
    guint chunk = 0;

    for (guint i = 0; i < s->finds->len; i++) {
        const Find *find = &g_array_index (s->finds, Find, i);
        gboolean is_held = g_hash_table_contains (held, GSIZE_TO_POINTER (find->size));
        if (is_held && find->size < size)
            continue;
        if (find->size < size)
            flaw (c, CHECK_FAIL, s->closed, "part %" G_GINT64_FORMAT ", at %.1f s: the picture goes back from a checkpoint over %" G_GUINT64_FORMAT " events to one over %"
                  G_GUINT64_FORMAT, s->part, find->ms / 1000.0, size, find->size);
        if (find->size == size)
            continue;
        if (!s->recovered && !g_hash_table_contains (told, GSIZE_TO_POINTER (find->size)))
            flaw (c, CHECK_FAIL, s->closed, "part %" G_GINT64_FORMAT ", at %.1f s: the picture shows a checkpoint that the journal doesn't say was shown", s->part,
                  find->ms / 1000.0);
        check_interlock (c, s, find, &chunk);
        longest = MAX (longest, find->ms - changed);
        changed = find->ms;
        size = find->size;
    }
    longest = MAX (longest, s->duration - changed);
    if (longest > c->rule.qr_gap_ms)
        flaw (c, CHECK_FAIL, s->closed, "part %" G_GINT64_FORMAT " shows no new code for %.1f s, policy allows %.1f s: that stretch isn't bound to the journal", s->part,
              longest / 1000.0, c->rule.qr_gap_ms / 1000.0);
}

static gboolean
is_recovered (Context *c, gint64 part)
{
    const GPtrArray *chunks = events_of_part (c, "video.chunk", part);

    return chunks->len > 0 && member_true (((const Event *) chunks->pdata[chunks->len - 1])->data, "recovered");
}

/* A part is interrupted where the sitting that began it isn't the one that closed it, or where the recorder failed in it. */
static gboolean
is_interrupted (Context *c, const Event *closed)
{
    const GPtrArray *list = events_of_part (c, "recording.started", member_int (closed->data, "part"));
    const Event *started = list->len ? list->pdata[0] : NULL, *failed = started ? event_after (c, "recorder.failed", started->seq) : NULL;

    return started && (started->sitting != closed->sitting || (failed && failed->seq < closed->seq));
}

/* The file is shorter than what was journaled as recorded. */
static gboolean
is_cut (Context *c, gint64 part, const AsiceEntry *entry)
{
    const GPtrArray *chunks = events_of_part (c, "video.chunk", part);
    const Event *last = chunks->len ? chunks->pdata[chunks->len - 1] : NULL;

    return last && (gint64) entry->length < member_int (last->data, "offset") + member_int (last->data, "length");
}

/* The file must hold as long a picture as its chunks say. */
static void
check_duration (Context *c, const Scanned *s)
{
    const GPtrArray *chunks = events_of_part (c, "video.chunk", s->part);
    gint64 last = chunks->len ? member_int (((const Event *) chunks->pdata[chunks->len - 1])->data, "last_ms") : -1;

    if (!s->recovered && !s->cut && last > s->duration + c->rule.qr_gap_ms)
        flaw (c, CHECK_FAIL, s->closed, "part %" G_GINT64_FORMAT " holds %.1f s of picture, the journal tells of %.1f s", s->part, s->duration / 1000.0, last / 1000.0);
}

static gboolean
check_part (Context *c, const Event *closed, guint *codes)
{
    const AsiceEntry *entry = asice_find (c->asice, member (closed->data, "path"));
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) output = entry ? media_read (c, entry, (const char *const[]) { "scan", "--key-units", NULL }, &error) : NULL;
    Scanned s = { .part = member_int (closed->data, "part"), .closed = closed, .duration = -1 };

    if (!entry)
        return TRUE;
    s.recovered = is_recovered (c, s.part) || is_interrupted (c, closed);
    s.cut = is_cut (c, s.part, entry);
    if (!output) {
        if (g_error_matches (error, BASE_ERROR, BASE_ERROR_MISSING))
            return FALSE;
        flaw (c, s.recovered ? CHECK_WARN : CHECK_FAIL, closed, "%s: %s%s", entry->name, error->message, s.recovered ? ". It was cut off by an interruption" : "");
        return TRUE;
    }
    s.finds = g_array_new (FALSE, FALSE, sizeof (Find));
    read_finds (c, &s, output);
    if (s.cut)
        flaw (c, CHECK_FAIL, closed, "%s was cut off: its codes could be read up to %.1f s", entry->name, MAX (s.duration, 0) / 1000.0);
    if (s.duration < 0) {
        flaw (c, s.recovered ? CHECK_WARN : CHECK_FAIL, closed, "%s can't be decoded to its end", entry->name);
    } else {
        check_shown (c, &s);
        check_finds (c, &s);
        check_duration (c, &s);
    }
    *codes += s.finds->len;
    g_array_unref (s.finds);
    return TRUE;
}

CheckResult
check_pictures_codes (Context *c)
{
    const GPtrArray *closed = events_of (c, "track.closed");
    guint codes = 0, parts = 0;

    if (c->options->flags & VERIFY_NO_VIDEO)
        return unreached (c, "the pictures weren't decoded (--no-video)");
    for (guint i = 0; i < closed->len; i++) {
        const Event *event = closed->pdata[i];
        if (!g_str_equal (member (event->data, "track"), "video"))
            continue;
        if (!check_part (c, event, &codes))
            return unreached (c, "ceremony-media isn't there to read the pictures: install it beside ceremony, or set CEREMONY_MEDIA");
        parts++;
    }
    if (parts == 0)
        flaw (c, CHECK_FAIL, NULL, "there is no video");
    return done (c, "%u codes read in %u part%s of video: each a signed checkpoint of this journal, shown when the journal says", codes, parts, parts == 1 ? "" : "s");
}
