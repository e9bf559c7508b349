/* A recording's time against the journal's. */
#include "ceremony/verify/call.h"

#define NO_LIMIT (G_MAXINT64 / 4)
#define RATE_LEAST 30                   /* per mille: less is no other pace */
#define FAULTS_FOR_RATE 3

typedef struct {
    const CallSight *sight;
    gint64 from, to;                    /* of the showing that it is taken for */
    gint64 low, high;                   /* the offsets that explain it */
    gint64 offset;                      /* once known: of its stretch */
} Placed;

/* The offsets that explain @sight as a sight of @shown. Less than none where it was seen for longer than it was shown. */
static void
bounds (const CallShown *shown, const CallSight *sight, gint64 slack, gint64 *low, gint64 *high)
{
    *high = sight->first_ms - shown->from + slack;
    *low = shown->held || shown->to == CALL_OPEN ? -NO_LIMIT : sight->last_ms - shown->to - slack;
}

static gint64
distance (gint64 low, gint64 high, gint64 from, gint64 to)
{
    return low > to ? low - to : high < from ? from - high : 0;
}

static gboolean
is_held (const GArray *list)
{
    for (guint i = 0; i < list->len; i++)
        if (g_array_index (list, CallShown, i).held)
            return TRUE;
    return FALSE;
}

/* Size → its showings: most have one; some are shown again, after a resume or on the terminal. */
static GHashTable *
index_shown (const GArray *shown)
{
    GHashTable *first = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, (GDestroyNotify) g_array_unref);

    for (guint i = 0; i < shown->len; i++) {
        const CallShown *s = &g_array_index (shown, CallShown, i);
        gint64 key = (gint64) s->size;
        GArray *list = g_hash_table_lookup (first, &key);
        if (!list) {
            list = g_array_new (FALSE, FALSE, sizeof (CallShown));
            g_hash_table_insert (first, g_memdup2 (&key, sizeof key), list);
        }
        g_array_append_val (list, *s);
    }
    return first;
}

/* Of several showings of the same code the one that fits the offsets [from, to] best. */
static const CallShown *
fitting (const GArray *list, const CallSight *sight, gint64 slack, gint64 from, gint64 to)
{
    const CallShown *best = NULL;
    gint64 least = G_MAXINT64;

    for (guint i = 0; i < list->len; i++) {
        const CallShown *shown = &g_array_index (list, CallShown, i);
        gint64 low, high;
        bounds (shown, sight, slack, &low, &high);
        gint64 d = distance (MIN (low, high), high, from, to) + MAX (low - high, 0);
        if (d < least || (d == least && best->held && !shown->held)) {
            least = d;
            best = shown;
        }
    }
    return best;
}

static void
add_fault (GArray *faults, CallKind kind, const CallSight *before, const CallSight *after, gint64 ms)
{
    CallFault fault = { .kind = kind, .from_ms = before->last_ms, .to_ms = after->first_ms, .before = before->size, .after = after->size, .ms = ms };

    if (before == after) {
        fault.from_ms = before->first_ms;
        fault.to_ms = before->last_ms;
    }
    g_array_append_val (faults, fault);
}

typedef struct {
    gint64  slack;
    GArray *placed, *faults, *at;       /* at: for each fault the place of the sight that showed it */
    gint64  from, to, offset;           /* the offsets that explain this stretch; the best of them so far */
    guint   begin;                      /* its first sight */
} Walk;

static void
end_stretch (Walk *w)
{
    for (guint i = w->begin; i < w->placed->len; i++)
        g_array_index (w->placed, Placed, i).offset = w->offset;
    w->begin = w->placed->len;
}

/* Takes one sight into the stretch, or ends the stretch before it and tells why. */
static void
place (Walk *w, const CallShown *shown, const CallSight *sight)
{
    Placed p = { .sight = sight, .from = shown->from, .to = shown->to };
    const Placed *before = w->placed->len ? &g_array_index (w->placed, Placed, w->placed->len - 1) : NULL;
    guint here = w->placed->len;
    gint64 late = sight->first_ms - shown->from, apart;

    bounds (shown, sight, w->slack, &p.low, &p.high);
    apart = before ? distance (MIN (p.low, p.high), p.high, w->from, w->to) : 0;
    if (p.low > p.high) {
        add_fault (w->faults, CALL_STILL, sight, sight, p.low - p.high + 2 * w->slack);
        g_array_append_val (w->at, here);
        p.low = p.high - 2 * w->slack;
        apart = before ? distance (p.low, p.high, w->from, w->to) : 0;
    }
    if (apart > 0) {
        gboolean cut = p.high < w->from;
        add_fault (w->faults, cut ? CALL_CUT : CALL_ADDED, before->sight, sight, cut ? w->offset - late : MAX (p.low - w->offset, apart));
        g_array_append_val (w->at, here);
        end_stretch (w);
    }
    if (!before || apart > 0) {
        w->from = p.low;
        w->to = p.high;
        w->offset = late;
    } else {
        w->from = MAX (w->from, p.low);
        w->to = MIN (w->to, p.high);
        w->offset = MIN (w->offset, late);
    }
    g_array_append_val (w->placed, p);
}

/* The pace from sight @from to sight @to by least squares, per mille; 0 where a straight line doesn't explain them. */
static gint
pace (const GArray *placed, guint from, guint to, gint64 slack)
{
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, slope, base;

    for (guint i = from; i <= to; i++) {
        const Placed *p = &g_array_index (placed, Placed, i);
        double x = p->from, y = p->sight->first_ms;
        x -= g_array_index (placed, Placed, from).from;
        n++, sx += x, sy += y, sxx += x * x, sxy += x * y;
    }
    if (n < 4 || n * sxx - sx * sx < 1)
        return 0;
    slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    base = (sy - slope * sx) / n;
    for (guint i = from; i <= to; i++) {
        const Placed *p = &g_array_index (placed, Placed, i);
        double off = p->sight->first_ms - base - slope * (p->from - g_array_index (placed, Placed, from).from);
        if (off > 2 * slack || off < -2 * slack)
            return 0;
    }
    slope = slope > 0 ? 1 / slope : 0;
    return slope > 0 && slope < 1000 ? (gint) (slope * 1000 + 0.5) : 0;
}

static gboolean
slower (const CallFault *fault)
{
    return fault->kind == CALL_STILL || fault->kind == CALL_ADDED;
}

/* Many faults in one direction are one: another pace. */
static GArray *
as_pace (const Walk *w)
{
    GArray *faults = g_array_new (FALSE, FALSE, sizeof (CallFault));

    for (guint i = 0, next; i < w->faults->len; i = next) {
        const CallFault *fault = &g_array_index (w->faults, CallFault, i);
        guint first = g_array_index (w->at, guint, i), last = first;
        gint rate;
        for (next = i + 1; next < w->faults->len && slower (&g_array_index (w->faults, CallFault, next)) == slower (fault); next++)
            last = g_array_index (w->at, guint, next);
        first -= fault->kind == CALL_STILL || first == 0 ? 0 : 1;
        rate = next - i >= FAULTS_FOR_RATE ? pace (w->placed, first, last, w->slack) : 0;
        if (rate && ABS (rate - 1000) >= RATE_LEAST) {
            const CallSight *a = g_array_index (w->placed, Placed, first).sight, *b = g_array_index (w->placed, Placed, last).sight;
            CallFault one = { .kind = CALL_RATE, .from_ms = a->first_ms, .to_ms = b->last_ms, .before = a->size, .after = b->size, .rate = rate };
            g_array_append_val (faults, one);
        } else {
            g_array_append_vals (faults, fault, next - i);
        }
    }
    return faults;
}

static gint
by_from (gconstpointer a, gconstpointer b)
{
    const CallSpan *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

void
call_merge (GArray *spans)
{
    guint n = 0;

    g_array_sort (spans, by_from);
    for (guint i = 0; i < spans->len; i++) {
        CallSpan span = g_array_index (spans, CallSpan, i), *last = n ? &g_array_index (spans, CallSpan, n - 1) : NULL;
        if (last && span.from <= last->to)
            last->to = MAX (last->to, span.to);
        else
            g_array_index (spans, CallSpan, n++) = span;
    }
    g_array_set_size (spans, n);
}

GArray *
call_holes (const GArray *spans, gint64 from, gint64 to, gint64 least_ms)
{
    GArray *holes = g_array_new (FALSE, FALSE, sizeof (CallSpan));

    for (guint i = 0; i <= spans->len && from < to; i++) {
        CallSpan hole = { from, i < spans->len ? MIN (g_array_index (spans, CallSpan, i).from, to) : to };
        if (hole.to - hole.from >= least_ms)
            g_array_append_val (holes, hole);
        if (i < spans->len)
            from = MAX (from, g_array_index (spans, CallSpan, i).to);
    }
    return holes;
}

static void
tell_covered (const Walk *w, GArray *covered)
{
    for (guint i = 0; i < w->placed->len; i++) {
        const Placed *p = &g_array_index (w->placed, Placed, i);
        gint64 from = CLAMP (p->sight->first_ms - p->offset, p->from, p->to);
        CallSpan span = { from, CLAMP (p->sight->last_ms - p->offset, from, MAX (from, p->to)) };
        g_array_append_val (covered, span);
    }
    call_merge (covered);
}

GArray *
call_judge (const GArray *shown, const GArray *sights, gint64 slack_ms, GArray *covered)
{
    g_autoptr (GHashTable) showings = index_shown (shown);
    Walk w = { .slack = slack_ms, .placed = g_array_new (FALSE, FALSE, sizeof (Placed)), .faults = g_array_new (FALSE, FALSE, sizeof (CallFault)),
               .at = g_array_new (FALSE, FALSE, sizeof (guint)) };
    g_autoptr (GArray) backs = g_array_new (FALSE, FALSE, sizeof (CallFault));
    const CallSight *newest = NULL;
    GArray *faults;

    for (guint i = 0; i < sights->len; i++) {
        const CallSight *sight = &g_array_index (sights, CallSight, i);
        gint64 key = (gint64) sight->size;
        const GArray *list = g_hash_table_lookup (showings, &key);
        gboolean back = newest && sight->size < newest->size;
        if (!list || (back && is_held (list)))
            continue;
        if (back)
            add_fault (backs, CALL_BACK, newest, sight, 0);
        place (&w, fitting (list, sight, slack_ms, w.from, w.to), sight);
        newest = sight;
    }
    end_stretch (&w);
    tell_covered (&w, covered);
    faults = as_pace (&w);
    g_array_append_vals (faults, backs->data, backs->len);
    g_array_unref (w.placed);
    g_array_unref (w.faults);
    g_array_unref (w.at);
    return faults;
}
