/* A call's recording against the journal, on made-up times: honest ones say nothing, and each thing done to a recording is told with its place. */
#include <string.h>
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"
#include "ceremony/bundle/seen.h"
#include "ceremony/verify/call.h"

#define N 60
#define STEP 2000
#define EPOCH G_GINT64_CONSTANT (1764000000000)
#define SLACK 1500

static GArray *
shown_list (void)
{
    GArray *list = g_array_new (FALSE, FALSE, sizeof (CallShown));

    for (guint i = 0; i < N; i++) {
        CallShown s = { 10 + 10 * i, EPOCH + i * STEP, EPOCH + (i + 1) * STEP, FALSE };
        g_array_append_val (list, s);
    }
    return list;
}

static void
see (GArray *sights, guint i, gint64 first, gint64 last)
{
    CallSight s = { 10 + 10 * i, first, last };

    g_array_append_val (sights, s);
}

/* Codes @from … @to of the ceremony, as recorded from recording time @at, at a pace of @num/@den. */
static void
record (GArray *sights, guint from, guint to, gint64 at, gint num, gint den)
{
    GRand *rand = g_rand_new_with_seed (7);

    for (guint i = from; i <= to; i++) {
        gint64 begin = (gint64) (i - from) * STEP * den / num, end = (gint64) (i + 1 - from) * STEP * den / num;
        see (sights, i, at + begin + g_rand_int_range (rand, 0, 350), at + end - g_rand_int_range (rand, 1, 350));
    }
    g_rand_free (rand);
}

static GArray *
judge (const GArray *sights, GArray **covered)
{
    g_autoptr (GArray) shown = shown_list ();
    GArray *spans = g_array_new (FALSE, FALSE, sizeof (CallSpan)), *faults = call_judge (shown, sights, SLACK, spans);

    if (covered)
        *covered = spans;
    else
        g_array_unref (spans);
    for (guint i = 0; i < faults->len; i++) {
        const CallFault *f = &g_array_index (faults, CallFault, i);
        g_test_message ("kind %d from %d to %d, %d ms, rate %d", f->kind, (int) f->from_ms, (int) f->to_ms, (int) f->ms, f->rate);
    }
    return faults;
}

#define SIGHTS g_autoptr (GArray) sights = g_array_new (FALSE, FALSE, sizeof (CallSight))
#define FAULT(i) (&g_array_index (faults, CallFault, i))

static void
test_honest (void)
{
    SIGHTS;
    g_autoptr (GArray) spans = NULL, faults = NULL, holes = NULL;

    record (sights, 0, N - 1, 7300, 1, 1);
    faults = judge (sights, &spans);
    g_assert_cmpuint (faults->len, ==, 0);
    holes = call_holes (spans, EPOCH, EPOCH + N * STEP, 1500);
    g_assert_cmpuint (holes->len, ==, 0);
}

/* A call that hangs behind for a second now and then, misses codes, joins late and leaves early: nothing but what it didn't see. */
static void
test_honest_call (void)
{
    SIGHTS;
    g_autoptr (GArray) spans = NULL, faults = NULL, holes = NULL;

    for (guint i = 5; i < N - 5; i++)
        if (i % 7 != 3 && (i < 20 || i > 30)) {
            gint64 late = i % 5 == 0 ? 900 : 0;
            see (sights, i, 100 + i * STEP + late, 1700 + i * STEP + late);
        }
    faults = judge (sights, &spans);
    g_assert_cmpuint (faults->len, ==, 0);
    holes = call_holes (spans, EPOCH, EPOCH + N * STEP, 10000);
    g_assert_cmpuint (holes->len, ==, 3);
    g_assert_cmpint (g_array_index (holes, CallSpan, 0).from, ==, EPOCH);
    g_assert_cmpint (ABS (g_array_index (holes, CallSpan, 1).from - (EPOCH + 20 * STEP)), <, 2 * STEP);
    g_assert_cmpint (ABS (g_array_index (holes, CallSpan, 1).to - (EPOCH + 31 * STEP)), <, 2 * STEP);
    g_assert_cmpint (g_array_index (holes, CallSpan, 2).to, ==, EPOCH + N * STEP);
}

static void
test_cut (void)
{
    SIGHTS;
    g_autoptr (GArray) faults = NULL;

    record (sights, 0, 19, 0, 1, 1);
    record (sights, 35, N - 1, 20 * STEP, 1, 1);
    faults = judge (sights, NULL);
    g_assert_cmpuint (faults->len, ==, 1);
    g_assert_cmpint (FAULT (0)->kind, ==, CALL_CUT);
    g_assert_cmpint (ABS (FAULT (0)->ms - 15 * STEP), <, 1000);
    g_assert_cmpint (ABS (FAULT (0)->from_ms - 20 * STEP), <, 500);
    g_assert_cmpint (ABS (FAULT (0)->to_ms - 20 * STEP), <, 500);
    g_assert_cmpuint (FAULT (0)->before, ==, 200);
    g_assert_cmpuint (FAULT (0)->after, ==, 360);
}

static void
test_put_in (void)
{
    SIGHTS;
    g_autoptr (GArray) faults = NULL;

    record (sights, 0, 29, 0, 1, 1);
    record (sights, 30, N - 1, 30 * STEP + 40000, 1, 1);
    faults = judge (sights, NULL);
    g_assert_cmpuint (faults->len, ==, 1);
    g_assert_cmpint (FAULT (0)->kind, ==, CALL_ADDED);
    g_assert_cmpint (ABS (FAULT (0)->ms - 40000), <, 3000);
}

/* The picture freezes, and is in time again after that. */
static void
test_still (void)
{
    SIGHTS;
    g_autoptr (GArray) faults = NULL;

    record (sights, 0, 29, 0, 1, 1);
    g_array_index (sights, CallSight, 29).last_ms = 36 * STEP;
    record (sights, 36, N - 1, 36 * STEP, 1, 1);
    faults = judge (sights, NULL);
    g_assert_cmpuint (faults->len, ==, 1);
    g_assert_cmpint (FAULT (0)->kind, ==, CALL_STILL);
    g_assert_cmpint (ABS (FAULT (0)->ms - 6 * STEP), <, 2000);
}

static void
check_pace (gint num, gint den)
{
    SIGHTS;
    g_autoptr (GArray) faults = NULL;

    record (sights, 0, N - 1, 500, num, den);
    faults = judge (sights, NULL);
    g_assert_cmpuint (faults->len, ==, 1);
    g_assert_cmpint (FAULT (0)->kind, ==, CALL_RATE);
    g_assert_cmpint (ABS (FAULT (0)->rate - 1000 * num / den), <, 1000 * num / den / 10);
}

static void
test_pace (void)
{
    check_pace (1, 2);
    check_pace (4, 5);
    check_pace (5, 4);
    check_pace (2, 1);
    check_pace (4, 1);
}

/* Only a stretch in the middle. */
static void
test_slow_stretch (void)
{
    SIGHTS;
    g_autoptr (GArray) faults = NULL;
    gboolean told = FALSE;

    record (sights, 0, 19, 0, 1, 1);
    record (sights, 20, 39, 20 * STEP, 1, 2);
    record (sights, 40, N - 1, 60 * STEP, 1, 1);
    faults = judge (sights, NULL);
    for (guint i = 0; i < faults->len; i++)
        told = told || (FAULT (i)->kind == CALL_RATE && ABS (FAULT (i)->rate - 500) < 60 && FAULT (i)->from_ms >= 18 * STEP && FAULT (i)->to_ms <= 63 * STEP);
    g_assert_true (told);
    g_assert_cmpuint (faults->len, <=, 3);
}

static void
test_reordered (void)
{
    SIGHTS;
    g_autoptr (GArray) faults = NULL;
    guint backs = 0;

    record (sights, 30, N - 1, 0, 1, 1);
    record (sights, 0, 29, 30 * STEP, 1, 1);
    faults = judge (sights, NULL);
    for (guint i = 0; i < faults->len; i++)
        backs += FAULT (i)->kind == CALL_BACK;
    g_assert_cmpuint (backs, ==, 1);
}

/* A code that the terminal holds may be read beside newer ones, and says nothing about time. */
static void
test_held (void)
{
    g_autoptr (GArray) shown = shown_list (), faults = NULL, spans = g_array_new (FALSE, FALSE, sizeof (CallSpan));
    const CallShown held = { 110, EPOCH + 10 * STEP, CALL_OPEN, TRUE };
    SIGHTS;

    record (sights, 0, 9, 0, 1, 1);
    see (sights, 10, 10 * STEP + 100, 10 * STEP + 25000);
    record (sights, 11, 20, 11 * STEP, 1, 1);
    see (sights, 10, 21 * STEP, 21 * STEP + 900);
    record (sights, 22, 40, 22 * STEP, 1, 1);
    g_array_append_val (shown, held);
    faults = call_judge (shown, sights, SLACK, spans);
    g_assert_cmpuint (faults->len, ==, 0);
}

/* ── codes into stretches ── */

static const char *const other = "https://call.example/join/1234";

static char *
note (const char *origin, guint size, char root)
{
    char hash[33];

    memset (hash, root, 32);
    g_autofree char *b64 = g_base64_encode ((guchar *) hash, 32);
    return g_strdup_printf ("%s\n%u\n%s\n\n— %s AAAAAGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWZnaGlqa2w=\n", origin, size, b64, origin);
}

static void
add (Seen *seen, gint64 ms, const char *text)
{
    gboolean fresh;

    seen_add (seen, ms, text, &fresh);
}

static void
test_stretches (void)
{
    g_autoptr (Seen) seen = seen_new (NULL), again = NULL;
    g_autofree char *a = note ("ca.example/ceremony/2026-11-24-abcdefgh", 2, 'a'), *b = note ("ca.example/ceremony/2026-11-24-abcdefgh", 20, 'b');
    g_autofree char *fork = note ("ca.example/ceremony/2026-11-24-abcdefgh", 20, 'c'), *foreign = note ("ca.example/ceremony/2026-11-25-hgfedcba", 30, 'd');
    g_autoptr (GPtrArray) alarms = NULL;
    g_autoptr (json_t) json = NULL;
    g_autoptr (GError) error = NULL;
    g_autofree char *text = NULL, *text2 = NULL, *all = NULL;
    const char *main = NULL;

    for (gint64 ms = 0; ms < 2000; ms += 200)
        add (seen, ms, a);
    for (gint64 ms = 2000; ms < 4000; ms += 400)
        add (seen, ms, b);
    g_assert_cmpuint (seen->codes->len, ==, 2);
    alarms = seen_alarms (seen, &main);
    g_assert_cmpstr (main, ==, "ca.example/ceremony/2026-11-24-abcdefgh");
    g_assert_cmpuint (alarms->len, ==, 0);
    g_ptr_array_unref (alarms);
    add (seen, 4000, a);
    add (seen, 5000, other);
    add (seen, 6000, NULL);
    add (seen, 7000, fork);
    add (seen, 8000, foreign);
    add (seen, 9000, "ca.example/ceremony/2026-11-24-abcdefgh\n7\n");
    add (seen, 30000, fork);
    seen->duration_ms = 45000;
    seen->name = g_strdup ("call.mp4");
    seen->sha256 = g_strnfill (64, 'a');
    seen->length = 12345;
    alarms = seen_alarms (seen, &main);
    g_ptr_array_add (alarms, NULL);
    all = g_strjoinv ("; ", (char **) alarms->pdata);
    g_test_message ("%s", all);
    g_assert_nonnull (strstr (all, "at 0:04.0 the codes go back, from 20 to 2 events"));
    g_assert_nonnull (strstr (all, "at 0:07.0 a second, different log of the same ceremony"));
    g_assert_nonnull (strstr (all, "at 0:08.0 a code of another ceremony is seen: ca.example/ceremony/2026-11-25-hgfedcba"));
    g_assert_nonnull (strstr (all, "at 0:09.0 a code looks like a checkpoint and isn't one"));
    g_autoptr (GArray) gaps = seen_gaps (seen, main, 10000);
    g_assert_cmpuint (gaps->len, ==, 2);
    json = seen_json (seen, &error);
    g_assert_no_error (error);
    text = cjson_encode (json, &error);
    g_assert_no_error (error);
    again = seen_parse (text, strlen (text), NULL, &error);
    g_assert_no_error (error);
    g_autoptr (json_t) json2 = seen_json (again, &error);
    text2 = cjson_encode (json2, &error);
    g_assert_cmpstr (text, ==, text2);
    for (gsize cut = 0; cut < strlen (text); cut += 37) {
        g_autoptr (Seen) broken = seen_parse (text, cut, NULL, NULL);
        g_assert_null (broken);
    }
}

static void
test_full (void)
{
    g_autoptr (Seen) seen = seen_new (NULL);
    g_autofree char *huge = g_strnfill (5000, 'x');

    for (guint i = 0; i < SEEN_MAX_CODES + 5; i++) {
        g_autofree char *text = g_strdup_printf ("%u", i);
        add (seen, i, text);
    }
    g_assert_cmpuint (seen->codes->len, ==, SEEN_MAX_CODES);
    g_assert_true (seen->full);
    g_autoptr (Seen) other_one = seen_new (NULL);
    add (other_one, 0, huge);
    add (other_one, 100, huge);
    g_assert_cmpuint (other_one->codes->len, ==, 1);
    g_assert_cmpuint (strlen (((const SeenCode *) other_one->codes->pdata[0])->text), ==, SEEN_TEXT_MAX);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/call/honest", test_honest);
    g_test_add_func ("/call/honest-but-late-and-hidden", test_honest_call);
    g_test_add_func ("/call/cut", test_cut);
    g_test_add_func ("/call/put-in", test_put_in);
    g_test_add_func ("/call/still", test_still);
    g_test_add_func ("/call/pace", test_pace);
    g_test_add_func ("/call/slow-stretch", test_slow_stretch);
    g_test_add_func ("/call/reordered", test_reordered);
    g_test_add_func ("/call/held", test_held);
    g_test_add_func ("/seen/stretches", test_stretches);
    g_test_add_func ("/seen/full", test_full);
    return g_test_run ();
}
