/* The call's own recording (--recording), and what the witness's program saw of the call (witness/seen…json): that they saw this journal, and no other, in order, at its
 * pace, and for how long. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ceremony/base/file.h"
#include "ceremony/base/scan.h"
#include "ceremony/bundle/seen.h"
#include "ceremony/verify/call.h"
#include "ceremony/verify/checks.h"

#define SLACK_MS 1500                   /* a call's picture may hang behind by so much, and catch up again, and nothing is said */

typedef struct {
    char    *name;
    Seen    *seen;
    gboolean given;                     /* decoded here; else the witness's word in the bundle */
    GArray  *sights, *faults, *covered; /* as call.h has them; faults NULL until judged */
} Call;

static void
call_free (gpointer data)
{
    Call *call = data;

    g_free (call->name);
    seen_free (call->seen);
    g_clear_pointer (&call->sights, g_array_unref);
    g_clear_pointer (&call->faults, g_array_unref);
    g_clear_pointer (&call->covered, g_array_unref);
    g_free (call);
}

static void
add_call (Context *c, const char *name, Seen *seen, gboolean given)
{
    Call *call = g_new0 (Call, 1);

    *call = (Call) { .name = printable (name, 200), .seen = seen, .given = given, .sights = g_array_new (FALSE, FALSE, sizeof (CallSight)) };
    g_ptr_array_add (c->calls, call);
}

/* ── reading ── */

static void
take_find (gint64 ms, const char *text, gpointer user_data)
{
    gboolean fresh;

    seen_add (user_data, ms, text, &fresh);
}

Seen *
seen_of_recording (const char *path, GPtrArray *keys, GError **error)
{
    g_autoptr (Seen) seen = seen_new (keys);
    ScanState state = { 0 };
    guint8 digest[SHA256_LEN];
    struct stat st;
    gint64 length = 0;
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    gboolean ok;

    if (fd < 0 || fstat (fd, &st) != 0 || !S_ISREG (st.st_mode)) {
        int err = errno;
        if (fd >= 0)
            close (fd);
        if (fd >= 0 || err == ENOENT)
            g_set_error (error, BASE_ERROR, fd >= 0 ? BASE_ERROR_FORMAT : BASE_ERROR_MISSING, "%s: %s", path, fd >= 0 ? "it isn't a file" : "there is no such file");
        else
            io_fail (error, err, "%s", path);
        return NULL;
    }
    ok = sha256_fd (fd, 0, -1, digest, &length, error)
        && scan_video (fd, CLAMP (600000 + (guint64) length / 50, 600000, 6 * 3600000), take_find, seen, &state, error);
    close (fd);
    if (!ok) {
        g_prefix_error (error, "%s: ", path);
        return NULL;
    }
    seen->name = g_path_get_basename (path);
    seen->sha256 = hex_encode (digest, sizeof digest);
    seen->length = length;
    seen->duration_ms = state.duration_ms;
    seen->frames = state.frames;
    seen->width = state.width;
    seen->height = state.height;
    return g_steal_pointer (&seen);
}

static void
take_seen (Context *c, const char *name, GBytes *bytes, GError *failed)
{
    g_autoptr (GError) error = failed;
    gsize len = 0;
    const void *data = bytes ? g_bytes_get_data (bytes, &len) : NULL;
    Seen *seen = bytes ? seen_parse (data, len, NULL, &error) : NULL;

    if (seen)
        add_call (c, name, seen, FALSE);
    else
        flaw (c, CHECK_FAIL, NULL, "%s: %s", name, error->message);
    if (bytes)
        g_bytes_unref (bytes);
}

static void
read_seen (Context *c)
{
    const GPtrArray *entries = asice_entries (c->asice);

    for (guint i = 0; i < entries->len; i++) {
        const AsiceEntry *entry = entries->pdata[i];
        GError *error = NULL;
        if (g_str_has_prefix (entry->name, "witness/seen") && g_str_has_suffix (entry->name, ".json")) {
            GBytes *bytes = asice_read (c->asice, entry->name, SEEN_MAX_LEN, &error);
            take_seen (c, entry->name, bytes, error);
        }
    }
    for (gsize i = 0; c->options->seen && c->options->seen[i]; i++) {
        GError *error = NULL;
        GBytes *bytes = file_read (c->options->seen[i], SEEN_MAX_LEN, &error);
        take_seen (c, c->options->seen[i], bytes, error);
    }
}

/* FALSE: there is no scanner. */
static gboolean
read_recordings (Context *c)
{
    for (gsize i = 0; c->options->recordings && c->options->recordings[i]; i++) {
        g_autoptr (GError) error = NULL;
        Seen *seen = seen_of_recording (c->options->recordings[i], NULL, &error);
        if (seen)
            add_call (c, seen->name, seen, TRUE);
        else if (g_error_matches (error, BASE_ERROR, BASE_ERROR_MISSING) && g_file_test (c->options->recordings[i], G_FILE_TEST_EXISTS))
            return FALSE;
        else
            flaw (c, CHECK_FAIL, NULL, "%s", error->message);
    }
    return TRUE;
}

/* A recording that was given should be the one that the witness's program read. */
static void
compare_named (Context *c, guint *named)
{
    for (guint i = 0; i < c->calls->len; i++) {
        const Call *call = c->calls->pdata[i];
        gboolean any = FALSE, same = FALSE;
        for (guint j = 0; call->given && j < c->calls->len; j++) {
            const Call *other = c->calls->pdata[j];
            if (other->given || !other->seen->sha256)
                continue;
            any = TRUE;
            same = same || (g_str_equal (other->seen->sha256, call->seen->sha256) && other->seen->length == call->seen->length);
        }
        *named += same;
        if (any && !same)
            flaw (c, CHECK_WARN, NULL, "%s isn't the file that the witness named by its SHA-256: it was changed or re-encoded since, or is another recording", call->name);
    }
}

static CheckResult
none_given (Context *c)
{
    if (c->rule.recording_required && c->worst == CHECK_PASS)
        flaw (c, CHECK_FAIL, NULL, "the policy asks for the call's recording: give it with --recording, or let the witness seal what `ceremony watch` saw");
    if (c->worst != CHECK_PASS)
        return done (c, "%s", "");
    return skip (c, "no recording of a call was given, and the witness's program saw none");
}

CheckResult
check_recording_read (Context *c)
{
    guint named = 0, given = 0;

    c->calls = g_ptr_array_new_with_free_func (call_free);
    read_seen (c);
    if (c->options->flags & VERIFY_NO_VIDEO && c->options->recordings && c->options->recordings[0])
        return unreached (c, "recordings weren't decoded (--no-video)");
    if (!read_recordings (c))
        return unreached (c, "ceremony-media isn't there to read recordings: install it beside ceremony, or set CEREMONY_MEDIA");
    if (c->calls->len == 0)
        return none_given (c);
    compare_named (c, &named);
    for (guint i = 0; i < c->calls->len; i++)
        given += ((const Call *) c->calls->pdata[i])->given;
    return done (c, "%u recording%s read here, and what the witness's program saw in %u; %s", given, given == 1 ? "" : "s", c->calls->len - given,
                 named ? "a recording is the very file that the witness named" : given ? "the witness named no recording" : "the times are the witness's word");
}

static gboolean
nothing_read (const Context *c)
{
    return !c->calls || c->calls->len == 0;
}

/* ── whose codes they are ── */

/* One sentence for each other ceremony, however many of its codes there are. */
static void
tell_foreign (Context *c, const Call *call)
{
    g_autoptr (GHashTable) told = g_hash_table_new (g_str_hash, g_str_equal);
    const GPtrArray *codes = call->seen->codes;

    for (guint i = 0; i < codes->len; i++) {
        const SeenCode *code = codes->pdata[i];
        g_autofree char *from = seen_time (code->first_ms), *to = NULL;
        gint64 last = code->last_ms;
        if (code->kind != SEEN_CHECKPOINT || g_str_equal (code->origin, c->note_key->name) || !g_hash_table_add (told, code->origin))
            continue;
        for (guint j = i; j < codes->len; j++)
            if (g_str_equal (((const SeenCode *) codes->pdata[j])->origin, code->origin))
                last = ((const SeenCode *) codes->pdata[j])->last_ms;
        to = seen_time (last);
        flaw (c, CHECK_FAIL, NULL, "%s shows codes of another ceremony, from %s to %s: '%s'", call->name, from, to, code->origin);
    }
}

static void
take_checkpoint (Context *c, Call *call, const SeenCode *code)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Checkpoint) checkpoint = checkpoint_open (code->text, strlen (code->text), c->note_key, &error);
    g_autofree char *at = seen_time (code->first_ms), *root = checkpoint ? root_at (c, checkpoint->size) : NULL;
    CallSight sight = { code->size, code->first_ms, code->last_ms };

    if (!checkpoint)
        flaw (c, CHECK_FAIL, NULL, "%s, at %s: a checkpoint in this ceremony's name isn't signed by its appliance: it is forged (%s)", call->name, at, error->message);
    else if (!root)
        flaw (c, CHECK_FAIL, NULL, "%s, at %s: the appliance signed a log of %" G_GUINT64_FORMAT " events, and the bundle's journal ends at %u: TWO DIFFERENT LOGS of this "
              "ceremony exist. What was shown in the call is not what is in the bundle. Refuse it, and ask the subscriber why", call->name, at, checkpoint->size, c->events->len);
    else if (!g_str_equal (root, code->root))
        flaw (c, CHECK_FAIL, NULL, "%s, at %s: the appliance signed a log of %" G_GUINT64_FORMAT " events that differs from the bundle's journal: TWO DIFFERENT LOGS of this "
              "ceremony exist. What was shown in the call is not what is in the bundle. Refuse it, and ask the subscriber why", call->name, at, checkpoint->size);
    else
        g_array_append_val (call->sights, sight);
}

static void
take_codes (Context *c, Call *call, guint *others)
{
    for (guint i = 0; i < call->seen->codes->len; i++) {
        const SeenCode *code = call->seen->codes->pdata[i];
        g_autofree char *at = seen_time (code->first_ms);
        if (code->kind == SEEN_CHECKPOINT && g_str_equal (code->origin, c->note_key->name))
            take_checkpoint (c, call, code);
        else if (code->kind == SEEN_BROKEN)
            flaw (c, CHECK_FAIL, NULL, "%s, at %s: a code looks like a checkpoint and isn't one: it bears no signature, or was changed", call->name, at);
        else
            *others += code->kind == SEEN_OTHER;
    }
    tell_foreign (c, call);
    if (call->sights->len == 0)
        flaw (c, CHECK_FAIL, NULL, "%s shows no checkpoint of this journal: it is no recording of this ceremony, or its codes can't be read", call->name);
    if (call->seen->full)
        flaw (c, CHECK_WARN, NULL, "%s shows more codes than the %d that are looked at", call->name, SEEN_MAX_CODES);
}

CheckResult
check_recording_codes (Context *c)
{
    guint others = 0, codes = 0;

    if (nothing_read (c))
        return skip (c, "no recording to look at");
    for (guint i = 0; i < c->calls->len; i++) {
        Call *call = c->calls->pdata[i];
        take_codes (c, call, &others);
        codes += call->sights->len;
    }
    return done (c, "%u checkpoints seen, each of this journal and signed by its appliance, and none of another%s", codes,
                 others ? "; other codes are in the picture too, which aren't checkpoints" : "");
}

/* ── when they were shown ── */

/* By the clock that counts through a sitting, from the wall clock at its beginning. */
static gint64
journal_time (const Context *c, const Event *event)
{
    guint from = 0, to = event->seq;

    while (from < to) {                 /* the first event of its sitting */
        guint middle = from + (to - from) / 2;
        if (((const Event *) c->events->pdata[middle])->sitting < event->sitting)
            from = middle + 1;
        else
            to = middle;
    }
    const Event *first = c->events->pdata[from];
    return first->time + (event->mono - first->mono);
}

/* The recorder tells of a code after its frame: the true moment lies between the part's clock and that event. */
static void
shown_between (Context *c, const Event *shown, gint64 *early, gint64 *late)
{
    const GPtrArray *list = events_of_part (c, "recording.started", member_int (shown->data, "part"));
    const Event *started = list->len ? list->pdata[0] : NULL;

    *late = *early = journal_time (c, shown);
    if (started && started->sitting == shown->sitting)
        *early = journal_time (c, started) + member_int (shown->data, "media_ms");
    if (*early > *late) {
        gint64 swap = *early;
        *early = *late;
        *late = swap;
    }
}

static gint64
end_of_part (Context *c, const Event *shown)
{
    const GPtrArray *closed = events_of_part (c, "track.closed", member_int (shown->data, "part"));

    for (guint i = 0; i < closed->len; i++)
        if (((const Event *) closed->pdata[i])->sitting == shown->sitting)
            return journal_time (c, closed->pdata[i]);
    return CALL_OPEN;
}

static void
add_shown (GArray *list, guint64 size, gint64 from, gint64 to, gboolean held)
{
    CallShown shown = { size, from, to, held };

    g_array_append_val (list, shown);
}

static gboolean
is_listed (const GArray *list, guint64 size)
{
    for (guint i = 0; i < list->len; i++)
        if (g_array_index (list, CallShown, i).size == size)
            return TRUE;
    return FALSE;
}

/* What the terminal shows full-screen, and what is signed and told nowhere else: a console may show it. */
static void
add_held (Context *c, GArray *list)
{
    const GPtrArray *committed = events_of (c, "opening.committed"), *held = events_of (c, "checkpoint.shown");
    const Event *last = c->events->pdata[c->events->len - 1];

    for (guint i = 0; i < committed->len; i++)
        add_shown (list, member_int (((const Event *) committed->pdata[i])->data, "size"), journal_time (c, committed->pdata[i]), CALL_OPEN, TRUE);
    for (guint i = 0; i < held->len; i++)
        add_shown (list, member_int (((const Event *) held->pdata[i])->data, "size"), journal_time (c, held->pdata[i]), CALL_OPEN, TRUE);
    for (guint i = 0; i < c->points->len; i++) {
        guint64 size = ((const Point *) c->points->pdata[i])->checkpoint->size;
        if (size > 0 && size < c->events->len && !is_listed (list, size))
            add_shown (list, size, journal_time (c, c->events->pdata[size - 1]), CALL_OPEN, TRUE);
    }
    add_shown (list, c->events->len, journal_time (c, last), CALL_OPEN, FALSE);
}

static GArray *
list_shown (Context *c)
{
    const GPtrArray *shown = events_of (c, "qr.shown");
    GArray *list = g_array_new (FALSE, FALSE, sizeof (CallShown));

    for (guint i = 0; i < shown->len; i++) {
        const Event *event = shown->pdata[i], *next = i + 1 < shown->len ? shown->pdata[i + 1] : NULL;
        gint64 early, late, next_early, next_late;
        shown_between (c, event, &early, &late);
        if (next && next->sitting == event->sitting && member_int (next->data, "part") == member_int (event->data, "part"))
            shown_between (c, next, &next_early, &next_late);
        else
            next_late = end_of_part (c, event);
        add_shown (list, member_int (event->data, "size"), early, MAX (early, next_late), FALSE);
    }
    add_held (c, list);
    return list;
}

static void
judge_calls (Context *c)
{
    g_autoptr (GArray) shown = list_shown (c);

    for (guint i = 0; i < c->calls->len; i++) {
        Call *call = c->calls->pdata[i];
        if (call->faults)
            continue;
        call->covered = g_array_new (FALSE, FALSE, sizeof (CallSpan));
        call->faults = call_judge (shown, call->sights, SLACK_MS, call->covered);
    }
}

/* ── order and pace ── */

static void
tell_fault (Context *c, const Call *call, const CallFault *fault)
{
    g_autofree char *from = seen_time (MIN (fault->from_ms, fault->to_ms)), *to = seen_time (fault->to_ms);
    double seconds = fault->ms / 1000.0;

    switch (fault->kind) {
    case CALL_BACK:
        flaw (c, CHECK_FAIL, NULL, "%s, at %s: it goes back from a checkpoint over %" G_GUINT64_FORMAT " events to one over %" G_GUINT64_FORMAT
              ": its parts were put together in another order", call->name, to, fault->before, fault->after);
        break;
    case CALL_CUT:
        flaw (c, CHECK_WARN, NULL, "%s was cut between %s and %s: about %.1f s of the ceremony are missing there (between %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT " events)",
              call->name, from, to, seconds, fault->before, fault->after);
        break;
    case CALL_ADDED:
        flaw (c, CHECK_WARN, NULL, "%s holds about %.1f s more than the ceremony took between %s and %s: something was put in, or it stood still", call->name, seconds, from, to);
        break;
    case CALL_STILL:
        flaw (c, CHECK_WARN, NULL, "%s stood still from %s to %s, about %.1f s longer than that code was shown", call->name, from, to, seconds);
        break;
    case CALL_RATE:
        flaw (c, CHECK_FAIL, NULL, "%s runs at %d.%02d times the ceremony's pace from %s to %s: it was %s", call->name, fault->rate / 1000, fault->rate / 10 % 100, from, to,
              fault->rate < 1000 ? "slowed down" : "sped up");
        break;
    }
}

static CheckResult
tell_faults (Context *c, gboolean order, const char *pass)
{
    gboolean any = FALSE;

    if (nothing_read (c))
        return skip (c, "no recording to look at");
    judge_calls (c);
    for (guint i = 0; i < c->calls->len; i++) {
        const Call *call = c->calls->pdata[i];
        any = any || call->sights->len > 0;
        for (guint f = 0; f < call->faults->len; f++)
            if ((g_array_index (call->faults, CallFault, f).kind == CALL_BACK) == order)
                tell_fault (c, call, &g_array_index (call->faults, CallFault, f));
    }
    return any ? done (c, "%s", pass) : skip (c, "no checkpoint of this journal was seen");
}

CheckResult
check_recording_order (Context *c)
{
    return tell_faults (c, TRUE, "each code was seen after those that came before it");
}

CheckResult
check_recording_pace (Context *c)
{
    return tell_faults (c, FALSE, "the recording's time is the journal's from its first code to its last: not cut, slowed or put together");
}

/* ── how much of it ── */

static const struct { const char *type, *what; } moments[] = {
    { "opening.committed", "the opening checkpoint" }, { "challenge.given", "the challenge" }, { "liveness.shown", "the sign of life" },
    { "key.generated", "the generation" }, { "token.removed", "the unplugging" }, { "recording.closing", "the end" },
};

static gboolean
is_seen (const Context *c, guint64 size)
{
    for (guint i = 0; i < c->calls->len; i++) {
        const Call *call = c->calls->pdata[i];
        for (guint s = 0; s < call->sights->len; s++)
            if (g_array_index (call->sights, CallSight, s).size == size)
                return TRUE;
    }
    return FALSE;
}

static void
tell_moments (Context *c, CheckResult result, const GArray *holes)
{
    for (gsize i = 0; i < G_N_ELEMENTS (moments); i++) {
        const Event *event = event_last (c, moments[i].type);
        gint64 at = event ? journal_time (c, event) : 0;
        for (guint h = 0; event && h < holes->len; h++) {
            const CallSpan *hole = &g_array_index (holes, CallSpan, h);
            if (at >= hole->from && at <= hole->to)
                flaw (c, result, event, "%s isn't in it", moments[i].what);
        }
    }
}

static CheckResult
tell_cover (Context *c, const GArray *spans, gint64 from, gint64 to)
{
    CheckResult result = c->rule.recording_required ? CHECK_FAIL : CHECK_WARN;
    g_autoptr (GArray) holes = call_holes (spans, from, to, c->rule.recording_gap_ms), all = call_holes (spans, from, to, 1);
    gboolean last = is_seen (c, c->events->len);
    gint64 longest = 0;

    for (guint i = 0; i < holes->len; i++) {
        const CallSpan *hole = &g_array_index (holes, CallSpan, i);
        g_autofree char *begin = clock_format (hole->from), *end = clock_format (hole->to);
        flaw (c, result, NULL, "no code was seen for %.1f s, from %.8s to %.8s UTC", (hole->to - hole->from) / 1000.0, begin + 11, end + 11);
    }
    for (guint i = 0; i < all->len; i++)
        longest = MAX (longest, g_array_index (all, CallSpan, i).to - g_array_index (all, CallSpan, i).from);
    tell_moments (c, result, holes);
    return done (c, "seen from beginning to end, at most %.1f s without a code; the final checkpoint %s", longest / 1000.0,
                 last ? "was seen too" : "wasn't seen (it is shown after the recording, and is in no picture of ours)");
}

CheckResult
check_recording_cover (Context *c)
{
    const Event *first = event_first (c, "qr.shown"), *last = event_last (c, "qr.shown");
    g_autoptr (GArray) spans = g_array_new (FALSE, FALSE, sizeof (CallSpan));

    if (nothing_read (c))
        return skip (c, "no recording to look at");
    judge_calls (c);
    for (guint i = 0; i < c->calls->len; i++) {
        const Call *call = c->calls->pdata[i];
        g_array_append_vals (spans, call->covered->data, call->covered->len);
    }
    if (spans->len == 0 || !first)
        return skip (c, "no checkpoint of this journal was seen");
    call_merge (spans);
    return tell_cover (c, spans, journal_time (c, first), journal_time (c, last));
}
