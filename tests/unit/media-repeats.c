/* What the recorder makes of pictures that come again, by their hashes and times alone. */
#include "media/repeats.h"

#define FRAME_MS 67

/* Takes @n pictures from @from on, whose hashes are those of a loop of @loop pictures (0: never the same); gives the news there were, OR'ed as bits. */
static guint
film (Repeats *repeats, guint64 from, guint n, guint loop)
{
    guint news = 0;
    for (guint64 i = from; i < from + n; i++)
        news |= 1u << repeats_take (repeats, (loop ? i % loop : i) * G_GUINT64_CONSTANT (0x9E3779B97F4A7C15) + 1, (gint64) i * FRAME_MS);
    return news & ~1u;
}

static void
test_honest (void)
{
    g_autoptr (Repeats) repeats = repeats_new ();
    g_assert_cmpuint (film (repeats, 0, 400000, 0), ==, 0);     /* seven hours: more than the table holds */
}

static void
test_doubled (void)
{
    g_autoptr (Repeats) repeats = repeats_new ();
    guint news = 0;
    for (guint i = 0; i < 900; i++)     /* a camera that gives each picture four times in dim light */
        news |= 1u << repeats_take (repeats, i / 4 + 7, i * FRAME_MS);
    g_assert_cmpuint (news & ~1u, ==, 0);
}

static void
test_frozen (void)
{
    g_autoptr (Repeats) repeats = repeats_new ();
    film (repeats, 0, 30, 0);
    g_assert_cmpuint (film (repeats, 30, 70, 1), ==, 0);        /* 4.7 s */
    g_assert_cmpuint (film (repeats, 100, 10, 1), ==, 1u << REPEATS_NEWS_FROZEN);
    g_assert_cmpint (repeats_since (repeats), ==, 30 * FRAME_MS);
    g_assert_cmpuint (film (repeats, 110, 300, 1), ==, 0);      /* told once */
    g_assert_cmpuint (film (repeats, 410, 30, 0), ==, 1u << REPEATS_NEWS_OVER);
}

static void
test_loop (gconstpointer data)
{
    guint n = GPOINTER_TO_UINT (data);
    g_autoptr (Repeats) repeats = repeats_new ();
    g_assert_cmpuint (film (repeats, 0, n, n), ==, 0);
    g_assert_cmpuint (film (repeats, n, n + 60, n), ==, 1u << REPEATS_NEWS_LOOP);
    g_assert_cmpint (repeats_period (repeats), ==, n * FRAME_MS);
    repeats_resized (repeats);          /* other hashes of the same loop: not over before they had time to come again */
    guint news = 0;
    for (guint64 i = 2 * n + 60; i < 4 * n + 120; i++)
        news |= 1u << repeats_take (repeats, (i % n) * G_GUINT64_CONSTANT (0xD1B54A32D192ED03) + 5, (gint64) i * FRAME_MS);
    g_assert_cmpuint (news & ~1u, ==, 0);
    g_assert_cmpuint (film (repeats, 500000, 60, 0), ==, 1u << REPEATS_NEWS_OVER);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/repeats/honest", test_honest);
    g_test_add_func ("/repeats/doubled", test_doubled);
    g_test_add_func ("/repeats/frozen", test_frozen);
    g_test_add_data_func ("/repeats/loop/one second", GUINT_TO_POINTER (15), test_loop);
    g_test_add_data_func ("/repeats/loop/ten seconds", GUINT_TO_POINTER (150), test_loop);
    g_test_add_data_func ("/repeats/loop/ten minutes", GUINT_TO_POINTER (9000), test_loop);
    return g_test_run ();
}
