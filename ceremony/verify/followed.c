/* That the script was carried out: each step in its place, begun, its act's events there, confirmed by its roles in order, done. */
#include <string.h>
#include "ceremony/verify/checks.h"

typedef struct {
    guint    index;                     /* of the step that is open or comes next */
    gboolean open;
    const Event *begun;                 /* first begun of the open step */
    guint64  newest_begun;
    guint    confirmed;
} Walk;

static const ScriptStep *
expected_step (Context *c, const Walk *w)
{
    return w->index < c->script->steps->len ? c->script->steps->pdata[w->index] : NULL;
}

static gboolean
resumed_between (Context *c, guint64 from, guint64 to)
{
    const Event *resumed = event_after (c, "ceremony.resumed", from);

    return resumed && resumed->seq < to;
}

static void
on_begun (Context *c, Walk *w, const Event *event)
{
    const ScriptStep *step = expected_step (c, w);

    if (!step || !g_str_equal (step->id, event->step)) {
        flaw (c, CHECK_FAIL, event, "step '%s' was begun where the script has '%s'", event->step, step ? step->id : "no further step");
        return;
    }
    if (w->open && !resumed_between (c, w->newest_begun, event->seq))
        flaw (c, CHECK_FAIL, event, "step '%s' was begun twice", event->step);
    if (!g_str_equal (member (event->data, "act"), step->act) || member_int (event->data, "n") != w->index + 1)
        flaw (c, CHECK_FAIL, event, "step '%s' was carried out as '%s', the script says '%s'", event->step, member (event->data, "act"), step->act);
    if (!w->open)
        w->begun = event;
    w->open = TRUE;
    w->newest_begun = event->seq;
    w->confirmed = 0;
}

static void
on_confirmed (Context *c, Walk *w, const Event *event)
{
    const ScriptStep *step = expected_step (c, w);
    const char *role;

    if (!step || !w->open || !g_str_equal (step->id, event->step)) {
        flaw (c, CHECK_FAIL, event, "step '%s' was confirmed while it wasn't being carried out", event->step);
        return;
    }
    role = step->confirm[w->confirmed];
    if (!role || !g_str_equal (role, member (event->data, "role")))
        flaw (c, CHECK_FAIL, event, "step '%s' was confirmed by '%s', the script asks for '%s'", event->step, member (event->data, "role"), role ? role : "nobody else");
    else
        w->confirmed++;
    if (!g_str_equal (event->actor, member (event->data, "role")))
        flaw (c, CHECK_FAIL, event, "step '%s' was confirmed by '%s' in the name of '%s'", event->step, event->actor, member (event->data, "role"));
}

static void
close_step (Walk *w)
{
    w->index++;
    w->open = FALSE;
    w->confirmed = 0;
}

static void
on_done (Context *c, Walk *w, const Event *event)
{
    const ScriptStep *step = expected_step (c, w);
    const ActInfo *act;

    if (!step || !w->open || !g_str_equal (step->id, event->step)) {
        flaw (c, CHECK_FAIL, event, "step '%s' was done without having been begun", event->step);
        return;
    }
    if (step->confirm[w->confirmed])
        flaw (c, CHECK_FAIL, event, "step '%s' went on without the %s's confirmation", event->step, step->confirm[w->confirmed]);
    act = act_find (step->act);
    for (gsize i = 0; act && act->events && act->events[i]; i++) {
        const Event *shows = event_after (c, act->events[i], w->begun->seq);
        if (!shows || shows->seq > event->seq)
            flaw (c, CHECK_FAIL, event, "step '%s' is said to be done, and no %s shows it", event->step, act->events[i]);
    }
    close_step (w);
}

static gboolean
may_skip (Context *c, const ScriptStep *step)
{
    const ActInfo *act = act_find (step->act);

    if (g_str_equal (step->act, "unplug"))
        return c->rule.presence != PRESENCE_UNPLUG;
    if (g_str_equal (step->act, "attest"))
        return !c->rule.attestation_required;
    return act && !(act->flags & ACT_REQUIRED);
}

static void
on_skipped (Context *c, Walk *w, const Event *event)
{
    const ScriptStep *step = expected_step (c, w);

    if (!step || !g_str_equal (step->id, event->step)) {
        flaw (c, CHECK_FAIL, event, "step '%s' was skipped where the script has '%s'", event->step, step ? step->id : "no further step");
        return;
    }
    if (!may_skip (c, step))
        flaw (c, CHECK_FAIL, event, "step '%s' may not be skipped (%s)", event->step, member (event->data, "reason"));
    close_step (w);
}

/* What an act brings about is told while its step is carried out, and nowhere else. What a resumed sitting reads anew may be told in any. */
static void
check_place (Context *c, const Walk *w, const Event *event)
{
    static const char *const anywhere[] = { "token.found", "token.unlocked", "attributes.read", NULL };
    const ScriptStep *step = expected_step (c, w);
    const ActInfo *act = step && w->open ? act_find (step->act) : NULL;
    gboolean known = FALSE;

    if (g_strv_contains (anywhere, event->type))
        return;
    for (const ActInfo *other = act_table; other->name; other++)
        known = known || (other->events && g_strv_contains (other->events, event->type));
    if (!known)
        return;
    if (!act || !act->events || !g_strv_contains (act->events, event->type))
        flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT " (%s) is told %s%s%s, which isn't the step that brings it about", event->seq, event->type,
              act ? "in step '" : "between two steps", act ? step->id : "", act ? "'" : "");
    else if (!g_str_equal (event->step, step->id))
        flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT " (%s) names step '%s' while '%s' was carried out", event->seq, event->type, event->step, step->id);
}

CheckResult
check_script_followed (Context *c)
{
    static const struct { const char *type; void (*take) (Context *, Walk *, const Event *); } table[] = {
        { "step.begun", on_begun }, { "step.confirmed", on_confirmed }, { "step.done", on_done }, { "step.skipped", on_skipped },
    };
    Walk walk = { 0 };
    const ScriptStep *next;

    for (guint i = 0; i < c->events->len; i++) {
        const Event *event = c->events->pdata[i];
        check_place (c, &walk, event);
        for (gsize j = 0; j < G_N_ELEMENTS (table); j++)
            if (g_str_equal (event->type, table[j].type))
                table[j].take (c, &walk, event);
    }
    next = expected_step (c, &walk);
    if (next && was_aborted (c) && c->flaws == 0)
        return unreached (c, "the ceremony was aborted in step '%s' (%u of %u); up to there the script was followed", next->id, walk.index + 1, c->script->steps->len);
    if (next)
        flaw (c, CHECK_FAIL, NULL, "step '%s' (%u of %u) was never done", next->id, walk.index + 1, c->script->steps->len);
    return done (c, "all %u steps, in order, confirmed by the roles that the script names", c->script->steps->len);
}
