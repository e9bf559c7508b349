/* The order of what happened: opened first, the key only after the challenge and the sign of life, nothing but the recording's end after the close; breaks,
 * interruptions and deviations. */
#include <string.h>
#include "ceremony/verify/checks.h"

#define PROMPT_MS (10 * 60 * 1000)      /* reading aloud and confirming between the sign of life and generation */

static const char *const after_closing[] = {
    "qr.shown", "video.chunk", "terminal.chunk", "frames.dropped", "source.lost", "source.returned", "camera.repeats", "camera.moves", "recorder.failed", "track.closed", "ceremony.closed",
    "ceremony.resumed", NULL,
};

static void
check_ends (Context *c)
{
    const Event *last = c->events->pdata[c->events->len - 1];
    guint opened = events_of (c, "ceremony.opened")->len, closed = events_of (c, "ceremony.closed")->len;

    if (opened != 1)
        flaw (c, CHECK_FAIL, event_last (c, "ceremony.opened"), "the ceremony was opened %u times", opened);
    if (closed != 1)
        flaw (c, CHECK_FAIL, event_last (c, "ceremony.closed"), "the ceremony was closed %u times", closed);
    else if (last != c->closed)
        flaw (c, CHECK_FAIL, last, "event %" G_GUINT64_FORMAT " (%s) stands after ceremony.closed", last->seq, last->type);
}

/* A sitting that crashed while it closed is closed again by the next one. */
static void
check_closings (Context *c, const GPtrArray *closings)
{
    for (guint i = 1; i < closings->len; i++) {
        const Event *one = closings->pdata[i - 1], *next = closings->pdata[i];
        if (one->sitting == next->sitting)
            flaw (c, CHECK_FAIL, next, "the recording was closed twice in sitting %" G_GUINT64_FORMAT, one->sitting);
    }
    for (guint i = 0; c->worst != CHECK_FAIL && i < closings->len; i++) {
        const Event *closing = closings->pdata[i];
        for (guint64 seq = closing->seq + 1; seq < c->events->len; seq++) {
            const Event *event = c->events->pdata[seq];
            if (event->sitting != closing->sitting && i + 1 < closings->len)
                break;
            if (!g_strv_contains (after_closing, event->type))
                flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT " (%s) happened after the recording was being closed", event->seq, event->type);
        }
    }
}

/* The last QR shows a checkpoint over recording.closing, so the picture holds all but the recording's own end. */
static void
check_last_qr (Context *c, const Event *closing)
{
    const Event *qr = event_last (c, "qr.shown");

    if (!event_last (c, "recording.started"))
        return;
    if (!qr)
        flaw (c, CHECK_FAIL, closing, "no QR code was ever shown in the picture");
    else if (member_int (qr->data, "size") <= (gint64) closing->seq)
        flaw (c, events_of (c, "recorder.failed")->len ? CHECK_WARN : CHECK_FAIL, qr,
              "the last QR code in the picture is older than recording.closing: what happened last isn't bound to the video");
}

CheckResult
check_sequence_close (Context *c)
{
    const GPtrArray *closings = events_of (c, "recording.closing");

    check_ends (c);
    check_closings (c, closings);
    if (closings->len == 0)
        flaw (c, CHECK_FAIL, c->closed, "recording.closing is missing: the recording wasn't closed in order");
    else
        check_last_qr (c, closings->pdata[closings->len - 1]);
    return done (c, "opened first, closed last, and nothing in between that doesn't belong there");
}

gboolean
was_aborted (const Context *c)
{
    return c->closed ? g_str_equal (member (c->closed->data, "outcome"), "aborted") : c->evidence && g_str_equal (member (c->evidence, "outcome"), "aborted");
}

CheckResult
check_outcome_completed (Context *c)
{
    if (!c->closed)
        flaw (c, CHECK_FAIL, NULL, "the ceremony was never closed");
    else if (!g_str_equal (member (c->closed->data, "outcome"), "completed"))
        flaw (c, CHECK_FAIL, c->closed, "the ceremony was %s: %s", member (c->closed->data, "outcome"), member (c->closed->data, "reason"));
    else if (!c->generated)
        flaw (c, CHECK_FAIL, c->closed, "no key was generated");
    return done (c, "carried out to its end");
}

static void
check_liveness (Context *c)
{
    const Event *shown = event_after (c, "liveness.shown", c->given->seq);

    if (!shown || shown->seq > c->generating->seq) {
        flaw (c, c->rule.camera_required ? CHECK_FAIL : CHECK_WARN, c->generating,
              "no witness confirmed, between challenge and generation, that the challenge was held before the camera");
        return;
    }
    if (!g_str_equal (member (shown->data, "challenge"), member (c->given->data, "challenge")))
        flaw (c, CHECK_FAIL, shown, "another challenge was held before the camera than the one given");
    if (event_span (c->given, shown) > c->rule.liveness_ms)
        flaw (c, CHECK_FAIL, shown, "the challenge was shown %" G_GINT64_FORMAT " s after it was given, policy allows %" G_GINT64_FORMAT " s",
              event_span (c->given, shown) / 1000, c->rule.liveness_ms / 1000);
    cite (c, shown);
}

/* What every other check relies on may be told just once: of two tellings one would be judged and the other believed. */
static void
check_once (Context *c)
{
    static const char *const types[] = { "token.inventoried", "key.absent", "opening.committed", "challenge.given", "liveness.shown", "representation.agreed",
                                         "request.made", "request.countersigned", "fingerprint.read" };

    for (gsize i = 0; i < G_N_ELEMENTS (types); i++) {
        const GPtrArray *list = events_of (c, types[i]);
        if (list->len > 1)
            flaw (c, CHECK_FAIL, list->pdata[list->len - 1], "%s is told %u times: a ceremony has one, and which of them counts can't be known", types[i], list->len);
    }
}

/* The challenge is known from when it is given: whoever has the time could make a key elsewhere that answers it, and bring it in. */
static void
check_promptness (Context *c)
{
    gint64 span = event_span (c->given, c->generating);

    if (c->given->sitting != c->generating->sitting)
        flaw (c, CHECK_WARN, c->generating, "an interruption lies between challenge and generation (%" G_GINT64_FORMAT " s): a key that answers the challenge could have been made "
              "elsewhere meanwhile; look at the picture on both sides of it", span / 1000);
    else if (span > c->rule.liveness_ms + PROMPT_MS)
        flaw (c, CHECK_WARN, c->generating, "%" G_GINT64_FORMAT " s lie between challenge and generation: a key that answers the challenge could have been made elsewhere meanwhile; "
              "look at the picture", span / 1000);
}

CheckResult
check_sequence_generation (Context *c)
{
    const GPtrArray *generating = events_of (c, "key.generating"), *generated = events_of (c, "key.generated");

    if (generated->len != 1)
        flaw (c, CHECK_FAIL, c->generated, "%u keys were generated, one is allowed", generated->len);
    if (!c->generating)
        flaw (c, CHECK_FAIL, c->generated, "a key was generated without being announced in the journal first");
    else if (!c->given)
        flaw (c, CHECK_FAIL, c->generating, "the key was generated before any challenge was given: it may be older than the ceremony");
    else
        check_liveness (c);
    if (c->given && c->generating)
        check_promptness (c);
    check_once (c);
    for (guint i = 0; i < generating->len; i++) {
        const Event *event = generating->pdata[i];
        const Event *given = event_before (c, "challenge.given", event->seq);
        if (!given)
            flaw (c, CHECK_FAIL, event, "a generation was begun before any challenge was given");
        if (event->seq > c->generated->seq)
            flaw (c, CHECK_FAIL, event, "another generation was begun after the key was generated: what it made isn't told");
    }
    return done (c, "challenge, sign of life, generation: in this order, %" G_GINT64_FORMAT " s apart",
                 c->given && c->generating ? event_span (c->given, c->generating) / 1000 : 0);
}

CheckResult
check_interruptions (Context *c)
{
    const GPtrArray *resumed = events_of (c, "ceremony.resumed"), *breaks = events_of (c, "break.begun");
    gint64 sittings = resumed->len + 1;

    if (c->rule.max_sittings && sittings > c->rule.max_sittings)
        flaw (c, CHECK_FAIL, event_last (c, "ceremony.resumed"), "%" G_GINT64_FORMAT " sittings, policy allows %" G_GINT64_FORMAT, sittings, c->rule.max_sittings);
    for (guint i = 0; i < resumed->len; i++) {
        const Event *event = resumed->pdata[i];
        flaw (c, CHECK_WARN, event, "interrupted for %.1f s before event %" G_GUINT64_FORMAT "%s: nothing was recorded then",
              member_int (event->data, "gap_ms") / 1000.0, event->seq, member_true (event->data, "rebooted") ? ", the machine was restarted" : "");
    }
    return done (c, "one sitting%s", breaks->len ? ", with breaks that were recorded" : ", no interruption");
}

CheckResult
check_deviations (Context *c)
{
    const GPtrArray *noted = events_of (c, "deviation.noted");

    for (guint i = 0; i < noted->len; i++) {
        const Event *event = noted->pdata[i];
        flaw (c, CHECK_WARN, event, "event %" G_GUINT64_FORMAT ": expected '%s', happened '%s', decided '%s'", event->seq, member (event->data, "expected"),
              member (event->data, "happened"), member (event->data, "decided"));
    }
    return done (c, "none noted");
}

CheckResult
check_clock_ntp (Context *c)
{
    const Event *checked = event_last (c, "clock.checked");
    const char *ntp = member2 (c->opened->data, "clock", "ntp");

    if (!g_str_equal (ntp, "synchronised") && checked && member_true (checked->data, "confirmed"))
        return done (c, "the appliance's clock was %s, and people confirmed the time against another clock", ntp);
    if (!g_str_equal (ntp, "synchronised"))
        flaw (c, CHECK_WARN, checked ? checked : c->opened, "the appliance's clock was %s: its times are its own word, compare them with the call's recording", ntp);
    return done (c, "synchronised by NTP");
}

CheckResult
check_host_program (Context *c)
{
    const json_t *program = json_object_get (c->opened->data, "program");
    const GPtrArray *resumed = events_of (c, "ceremony.resumed");

    if (strlen (member (program, "sha256")) != 64 || !*member (program, "version"))
        flaw (c, CHECK_FAIL, c->opened, "the program that held the ceremony isn't named by its SHA-256");
    for (guint i = 0; i < resumed->len; i++) {
        const Event *event = resumed->pdata[i];
        if (!g_str_equal (member2 (event->data, "program", "sha256"), member (program, "sha256")))
            flaw (c, CHECK_WARN, event, "another program went on after the interruption than the one that began");
    }
    return done (c, "version %s, SHA-256 %.16s…", member (program, "version"), member (program, "sha256"));
}

CheckResult
check_rehearsal (Context *c)
{
    if (member_true (c->opened->data, "rehearsal") || c->verdict->rehearsal) {
        flaw (c, CHECK_FAIL, NULL, "a genuine rehearsal is never evidence");
        c->verdict->rehearsal = TRUE;
    }
    return done (c, "this wasn't a rehearsal");
}
