/* That a recording ran whenever something was done: parts cover the acts, pictures kept arriving, and their time is the journal's. */
#include <string.h>
#include "ceremony/verify/checks.h"

#define LAG_MAX_MS 30000                /* a busy machine hands its pictures over late, but not later than this */

static gboolean
is_act_event (const char *type)
{
    for (const ActInfo *act = act_table; act->name; act++)
        if (act->events && g_strv_contains (act->events, type))
            return TRUE;
    return FALSE;
}

/* Every event that shows an act lies between the start and the end of a part that holds video. */
static void
check_acts_recorded (Context *c)
{
    gboolean running = FALSE, failed = FALSE;
    gint64 part = -1;

    for (guint i = 0; i < c->events->len; i++) {
        const Event *event = c->events->pdata[i];
        if (g_str_equal (event->type, "recording.started"))
            running = *member (event->data, "video") != '\0', failed = FALSE, part = member_int (event->data, "part");
        else if (g_str_equal (event->type, "ceremony.resumed"))
            running = failed = FALSE;
        else if (g_str_equal (event->type, "recorder.failed"))
            running = FALSE, failed = TRUE;
        else if (g_str_equal (event->type, "track.closed") && g_str_equal (member (event->data, "track"), "video"))
            running = running && member_int (event->data, "part") != part;      /* what a crash left may be closed while the next part runs */
        else if (!running && is_act_event (event->type))
            flaw (c, failed ? CHECK_WARN : CHECK_FAIL, event, "event %" G_GUINT64_FORMAT " (%s) happened while nothing was recorded", event->seq, event->type);
    }
}

static gboolean
failed_between (Context *c, const Event *from, const Event *to)
{
    const Event *failed = event_after (c, "recorder.failed", from->seq);

    return failed && failed->seq <= to->seq;
}

/* Pictures come every few seconds: where they don't, the recorder was held, or nobody knows what was before the camera. */
static void
check_arrival (Context *c, const Event *before, const Event *event)
{
    gint64 gap = event->mono - before->mono - event_slept_between (c, before, event);

    if (before->sitting == event->sitting && gap > c->rule.qr_gap_ms + LAG_MAX_MS && !failed_between (c, before, event))
        flaw (c, CHECK_FAIL, event, "no picture arrived for %.1f s between events %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT ": what happened then isn't recorded", gap / 1000.0,
              before->seq, event->seq);
}

static void
check_time (Context *c, const Event *started, const Event *chunk)
{
    gint64 last = member_int (chunk->data, "last_ms"), lag = chunk->mono - started->mono - last - event_slept_between (c, started, chunk);

    if (member_true (chunk->data, "recovered") || chunk->sitting != started->sitting)
        return;
    if (last < 0)
        flaw (c, CHECK_FAIL, chunk, "the piece of video of event %" G_GUINT64_FORMAT " doesn't tell which time it shows", chunk->seq);
    else if (ABS (lag) > LAG_MAX_MS)
        flaw (c, CHECK_FAIL, chunk, "the piece of video of event %" G_GUINT64_FORMAT " ends %.1f s after its part began, and was recorded after %.1f s: the picture's time isn't the "
              "journal's", chunk->seq, last / 1000.0, (chunk->mono - started->mono) / 1000.0);
}

static void
check_part (Context *c, const Event *started)
{
    gint64 part = member_int (started->data, "part");
    const GPtrArray *chunks = events_of_part (c, "video.chunk", part), *closed = events_of_part (c, "track.closed", part);
    const Event *before = started;

    for (guint i = 0; i < chunks->len; i++) {
        const Event *chunk = chunks->pdata[i];
        check_arrival (c, before, chunk);
        check_time (c, started, chunk);
        before = chunk;
    }
    if (closed->len > 0)
        check_arrival (c, before, closed->pdata[0]);
}

CheckResult
check_tracks_cover (Context *c)
{
    const GPtrArray *started = events_of (c, "recording.started");

    check_acts_recorded (c);
    for (guint i = 0; i < started->len; i++)
        if (*member (((const Event *) started->pdata[i])->data, "video"))
            check_part (c, started->pdata[i]);
    return done (c, "recorded from the first act to the last, in the journal's time");
}
