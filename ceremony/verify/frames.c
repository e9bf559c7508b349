/* The recorder's accounts: that the frames which each piece of video tells of add up, that few are missing, and that the video's time, the machine's clocks and
 * the journal's ran together. */
#include <string.h>
#include "ceremony/verify/checks.h"

#define STEP_NOTICED_MS 60000           /* a stepped clock is noticed, and journaled, within this time */
#define LATE_MAX_MS 30000               /* a busy machine hands its pictures over late, but not later than this */
#define PIECE "part %" G_GINT64_FORMAT ", %.1f s to %.1f s (bytes %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ")"
#define PIECE_ARGS(from, to) member_int ((to)->data, "part"), member_int ((from)->data, "first_ms") / 1000.0, member_int ((to)->data, "last_ms") / 1000.0, \
    member_int ((from)->data, "offset"), member_int ((to)->data, "offset") + member_int ((to)->data, "length")

static gint64
frames_of (const Event *chunk, const char *key)
{
    return member_int (json_object_get (chunk->data, "frames"), key);
}

/* ── how many ── */

typedef struct {
    gint64 asked, dropped;              /* in all */
    gint64 worst;                       /* dropped in one run of pieces that each miss some */
    const Event *from, *to;             /* that run */
    gboolean interrupted;               /* some account ended with its recorder */
} Sums;

static void
check_account (Context *c, const Event *chunk)
{
    gint64 asked = frames_of (chunk, "asked"), composed = frames_of (chunk, "composed"), encoded = frames_of (chunk, "encoded"), dropped = frames_of (chunk, "dropped");

    if (!json_object_get (chunk->data, "frames"))
        flaw (c, CHECK_FAIL, chunk, PIECE " doesn't tell how many frames it holds", PIECE_ARGS (chunk, chunk));
    else if (encoded < 0 || dropped < 0 || asked != encoded + dropped || composed < encoded || composed > asked)
        flaw (c, CHECK_FAIL, chunk, PIECE ": of %" G_GINT64_FORMAT " frames asked for %" G_GINT64_FORMAT " were composed, %" G_GINT64_FORMAT " encoded and %" G_GINT64_FORMAT
              " dropped: that doesn't add up", PIECE_ARGS (chunk, chunk), asked, composed, encoded, dropped);
}

static void
add_part (Context *c, const GPtrArray *chunks, Sums *sums)
{
    const Event *from = NULL;
    gint64 run = 0;

    for (guint i = 0; i < chunks->len; i++) {
        const Event *chunk = chunks->pdata[i];
        if (member_true (chunk->data, "recovered")) {
            sums->interrupted = TRUE;
            continue;
        }
        check_account (c, chunk);
        gint64 dropped = MAX (frames_of (chunk, "dropped"), 0);
        sums->asked += MAX (frames_of (chunk, "asked"), 0);
        sums->dropped += dropped;
        from = dropped == 0 ? NULL : from ? from : chunk;
        run = dropped == 0 ? 0 : run + dropped;
        if (run > sums->worst) {
            sums->worst = run;
            sums->from = from;
            sums->to = chunk;
        }
    }
}

/* What was told while it happened is what the pieces tell afterwards. */
static void
check_told (Context *c, const Sums *sums)
{
    const GPtrArray *told = events_of (c, "frames.dropped");
    gint64 sum = 0;

    for (guint i = 0; i < told->len; i++)
        sum += member_int (((const Event *) told->pdata[i])->data, "count");
    if (sum != sums->dropped && !sums->interrupted && !event_first (c, "recorder.failed"))
        flaw (c, CHECK_WARN, event_first (c, "frames.dropped"), "%" G_GINT64_FORMAT " frames were told as dropped while it was recorded, %" G_GINT64_FORMAT " are missing in its pieces",
              sum, sums->dropped);
}

CheckResult
check_tracks_drops (Context *c)
{
    const GPtrArray *started = events_of (c, "recording.started"), *lost = events_of (c, "source.lost"), *failed = events_of (c, "recorder.failed");
    Sums sums = { 0 };

    for (guint i = 0; i < started->len; i++)
        add_part (c, events_of_part (c, "video.chunk", member_int (((const Event *) started->pdata[i])->data, "part")), &sums);
    if (sums.asked > 0 && sums.dropped > sums.asked * c->rule.drops_per_mille / 1000)
        flaw (c, CHECK_FAIL, sums.from, "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " frames were dropped, policy allows %" G_GINT64_FORMAT " of 1000; most at a stretch in "
              PIECE ": %" G_GINT64_FORMAT, sums.dropped, sums.asked, c->rule.drops_per_mille, PIECE_ARGS (sums.from, sums.to), sums.worst);
    check_told (c, &sums);
    for (guint i = 0; i < lost->len; i++)
        flaw (c, CHECK_WARN, lost->pdata[i], "the %s was lost at event %" G_GUINT64_FORMAT ": %s", member (((const Event *) lost->pdata[i])->data, "source"),
              ((const Event *) lost->pdata[i])->seq, member (((const Event *) lost->pdata[i])->data, "reason"));
    for (guint i = 0; i < failed->len; i++)
        flaw (c, CHECK_WARN, failed->pdata[i], "the recorder failed at event %" G_GUINT64_FORMAT ": %s", ((const Event *) failed->pdata[i])->seq,
              member (((const Event *) failed->pdata[i])->data, "reason"));
    return done (c, "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " frames dropped", sums.dropped, sums.asked);
}

/* ── when ── */

typedef struct {
    gint64 media, boot, monotonic, wall;        /* of the first frame of a piece */
    const Event *chunk;
} Moment;

static gboolean
read_moment (Context *c, const Event *chunk, Moment *m)
{
    const json_t *clock = json_object_get (chunk->data, "clock");

    *m = (Moment) { member_int (chunk->data, "first_ms"), member_int (clock, "boot_ms"), member_int (clock, "monotonic_ms"), member_int (clock, "wall_ms"), chunk };
    if (m->media >= 0 && m->boot >= 0 && m->monotonic >= 0 && m->wall >= 0)
        return TRUE;
    if (frames_of (chunk, "encoded") > 0)
        flaw (c, CHECK_FAIL, chunk, PIECE " doesn't tell what the clocks said as it was recorded", PIECE_ARGS (chunk, chunk));
    return FALSE;
}

/* CLOCK_BOOTTIME at an event: that of its sitting's first event, which names it, and the journal's time since. */
static gint64
boot_of (Context *c, const Event *event)
{
    const Event *resumed = event_before (c, "ceremony.resumed", event->seq), *first = resumed ? resumed : c->opened;

    return member_int (json_object_get (first->data, "clock"), "boottime_ms") + event->mono - first->mono;
}

static gboolean
step_told (Context *c, const Moment *from, const Moment *to)
{
    const GPtrArray *stepped = events_of (c, "clock.stepped");

    for (guint i = 0; i < stepped->len; i++) {
        gint64 at = boot_of (c, stepped->pdata[i]);
        if (at >= from->boot && at <= to->boot + STEP_NOTICED_MS)
            return TRUE;
    }
    return FALSE;
}

/* From the first frame of one piece to that of the next. */
static void
check_interval (Context *c, const Moment *from, const Moment *to)
{
    gint64 media = to->media - from->media, boot = to->boot - from->boot, slept = boot - (to->monotonic - from->monotonic), wall = to->wall - from->wall;

    if (ABS (slept) > c->rule.clock_drift_ms)
        flaw (c, CHECK_WARN, to->chunk, "the machine slept for %.1f s within " PIECE ": what happened then isn't recorded", slept / 1000.0,
              PIECE_ARGS (from->chunk, from->chunk));
    if (ABS (boot - slept - media) > c->rule.clock_drift_ms)
        flaw (c, CHECK_FAIL, to->chunk, PIECE ": the video's time went on by %.3f s, the machine's clock by %.3f s", PIECE_ARGS (from->chunk, from->chunk), media / 1000.0,
              (boot - slept) / 1000.0);
    if (ABS (wall - boot) > c->rule.clock_drift_ms && !step_told (c, from, to))
        flaw (c, CHECK_FAIL, to->chunk, PIECE ": the wall clock went on by %.3f s, the machine's clock by %.3f s, and the journal tells of no step", PIECE_ARGS (from->chunk, from->chunk),
              wall / 1000.0, boot / 1000.0);
}

static gint64
slept_since (Context *c, const Moment *m)
{
    const GPtrArray *slept = events_of (c, "machine.slept");
    gint64 ms = 0, until = boot_of (c, m->chunk) + SLEEP_NOTICED_MS;

    for (guint i = 0; i < slept->len; i++) {
        gint64 at = boot_of (c, slept->pdata[i]);
        if (at > m->boot && at <= until)
            ms += MAX (member_int (((const Event *) slept->pdata[i])->data, "ms"), 0);
    }
    return ms;
}

/* No piece is told before its last frame was there, nor long after it. */
static void
check_order (Context *c, const Moment *m)
{
    gint64 late = boot_of (c, m->chunk) - m->boot - (member_int (m->chunk->data, "last_ms") - m->media);

    if (late < -c->rule.clock_drift_ms)
        flaw (c, CHECK_FAIL, m->chunk, PIECE " was journaled at event %" G_GUINT64_FORMAT ", %.3f s before its last frame: the recorder's clock isn't the journal's",
              PIECE_ARGS (m->chunk, m->chunk), m->chunk->seq, -late / 1000.0);
    else if (late > LATE_MAX_MS + slept_since (c, m))
        flaw (c, CHECK_FAIL, m->chunk, PIECE " was journaled at event %" G_GUINT64_FORMAT ", %.1f s after its last frame: the recorder's clock isn't the journal's",
              PIECE_ARGS (m->chunk, m->chunk), m->chunk->seq, late / 1000.0);
}

static gint64
check_part_clock (Context *c, const GPtrArray *chunks)
{
    Moment first = { .chunk = NULL }, before = first;
    gint64 worst = 0;

    for (guint i = 0; i < chunks->len; i++) {
        Moment m;
        if (member_true (((const Event *) chunks->pdata[i])->data, "recovered") || !read_moment (c, chunks->pdata[i], &m))
            continue;
        check_order (c, &m);
        if (before.chunk)
            check_interval (c, &before, &m);
        else
            first = m;
        before = m;
        worst = MAX (worst, ABS ((m.monotonic - first.monotonic) - (m.media - first.media)));
    }
    if (before.chunk && worst > c->rule.clock_drift_ms)
        flaw (c, CHECK_FAIL, before.chunk, PIECE ": the video's time and the machine's clock drifted apart by %" G_GINT64_FORMAT " ms, policy allows %" G_GINT64_FORMAT,
              PIECE_ARGS (first.chunk, before.chunk), worst, c->rule.clock_drift_ms);
    return worst;
}

CheckResult
check_tracks_clock (Context *c)
{
    const GPtrArray *started = events_of (c, "recording.started"), *slept = events_of (c, "machine.slept");
    gint64 worst = 0;

    for (guint i = 0; i < started->len; i++)
        worst = MAX (worst, check_part_clock (c, events_of_part (c, "video.chunk", member_int (((const Event *) started->pdata[i])->data, "part"))));
    for (guint i = 0; i < slept->len; i++)
        flaw (c, CHECK_WARN, slept->pdata[i], "the machine slept for %.1f s before event %" G_GUINT64_FORMAT ": what happened then isn't recorded",
              member_int (((const Event *) slept->pdata[i])->data, "ms") / 1000.0, ((const Event *) slept->pdata[i])->seq);
    return done (c, "the video's time and the machine's clock kept step within %" G_GINT64_FORMAT " ms", worst);
}
