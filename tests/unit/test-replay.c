/* The replay's filter: what could harm a reviewer's terminal doesn't get through, however it is cut up; what draws does. */
#include <string.h>
#include "ceremony/base/errors.h"
#include "ceremony/report/replay.h"

static const struct { const char *in, *out; } sequences[] = {
    { "plain text\r\n\b\t", "plain text\r\n\b\t" },
    { "\303\244\342\224\200\360\237\224\221", "\303\244\342\224\200\360\237\224\221" },
    { "\033[1;32mgreen\033[0m", "\033[1;32mgreen\033[0m" },
    { "\033[38;5;12mx\033[38:2::1:2:3my", "\033[38;5;12mx\033[38:2::1:2:3my" },
    { "\033[H\033[2J\033[12;40H\033[K\033[4X\033[2;20r", "\033[H\033[2J\033[12;40H\033[K\033[4X\033[2;20r" },
    { "\033[?25l\033[?1049h\033[?7l\0337\0338\033M", "\033[?25l\033[?1049h\033[?7l\0337\0338\033M" },
    { "\033(0lqk\033(B\016x\017", "\033(0lqk\033(B\016x\017" },
    /* titles, clipboard, links, colours' questions: OSC, ended by BEL, by ST, or not at all */
    { "a\033]0;title\007b", "ab" }, { "a\033]52;c;ZXZpbA==\033\\b", "ab" }, { "a\033]8;;http://x/\033\\link\033]8;;\033\\b", "alinkb" }, { "a\033]0;never ended", "a" },
    { "a\033]0;x\033]0;y\007b", "ab" },
    /* DCS (DECRQSS, sixel), APC, PM, SOS */
    { "a\033P$q\"p\033\\b", "ab" }, { "a\033_Gdata\033\\b", "ab" }, { "a\033^pm\033\\b", "ab" }, { "a\033Xsos\033\\b", "ab" },
    /* what makes a terminal answer: DSR, DA, DECRQM, ENQ, window reports */
    { "a\033[6nb", "ab" }, { "a\033[cb\033[>c\033[=c", "ab" }, { "a\033[?2026$pb", "ab" }, { "a\005b", "ab" }, { "a\033[21tb\033[8;1;1t", "ab" },
    /* printing, resets, mouse, paste, keyboards, leds, unknown modes */
    { "a\033[5ib\033[?5i", "ab" }, { "a\033cb", "ab" }, { "a\033[!pb", "ab" }, { "a\033[?1000hb\033[?2004h\033[?1006h", "ab" }, { "a\033[>4;2mb", "ab" }, { "a\033[3qb", "ab" },
    { "a\033[20hb\033[2h", "ab" }, { "a\033#8b", "ab" }, { "a\033%Gb", "ab" }, { "a\033=b\033>", "ab" },
    /* numbers that no terminal has, too many of them, and one inside of another */
    { "a\033[99999Ab", "ab" }, { "a\033[1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1mb", "ab" }, { "a\033[1\033[31mb", "a\033[31mb" },
    { "a\033\033[31mb", "a\033[31mb" },
    /* C1 as bytes and as UTF-8, bells, DEL, bytes that aren't UTF-8, right-to-left marks */
    { "a\2335nb", "a\357\277\2755nb" }, { "a\302\2335nb", "a\357\277\2755nb" }, { "a\302\235title\302\234b", "a\357\277\275title\357\277\275b" }, { "a\007\177b", "ab" },
    { "a\377\303b", "a\357\277\275\357\277\275b" }, { "a\342\200\256b", "a\357\277\275b" }, { "\355\240\200", "\357\277\275" }, { "\303\033[31mx", "\357\277\275\033[31mx" },
};

static char *
filtered (const char *in, gsize piece)
{
    ReplayFilter filter = { 0 };
    GString *out = g_string_new (NULL);

    for (gsize len = strlen (in), at = 0; at < len; at += piece)
        replay_filter (&filter, in + at, MIN (piece, len - at), out);
    return g_string_free (out, FALSE);
}

static void
test_sequences (void)
{
    for (gsize i = 0; i < G_N_ELEMENTS (sequences); i++)
        for (gsize piece = 1; piece < 80; piece += piece < 4 ? 1 : 19) {
            g_autofree char *out = filtered (sequences[i].in, piece);
            g_autofree char *shown = g_strescape (sequences[i].in, NULL);
            g_test_message ("%s", shown);
            g_assert_cmpstr (out, ==, sequences[i].out);
        }
}

/* Whatever comes in, out comes text, and after each ESC one of few things; and what came out passes as it is. */
static void
check_harmless (const char *out)
{
    g_assert_true (g_utf8_validate (out, -1, NULL));
    for (const char *p = out; *p; p = g_utf8_next_char (p)) {
        gunichar ch = g_utf8_get_char (p);
        g_assert_true (ch == 0x1b || strchr ("\r\n\b\t\016\017", *p) || !g_unichar_iscntrl (ch));
        if (ch == 0x1b)
            g_assert_true (p[1] && strchr ("[()78DEM", p[1]));
    }
    g_autofree char *again = filtered (out, 7);
    g_assert_cmpstr (again, ==, out);
}

static void
test_noise (void)
{
    static const char alphabet[] = "\033\033\033[[]]P_()?;;0123456789hlmHJKcnqtABx\007\\ \302\233\342\224\200\377";

    for (guint i = 0; i < (g_test_slow () ? 2000000 : 20000); i++) {
        char in[60];
        gsize len = (gsize) g_test_rand_int_range (0, sizeof in);
        for (gsize k = 0; k < len; k++)
            in[k] = alphabet[g_test_rand_int_range (0, sizeof alphabet - 1)];
        in[len] = '\0';
        g_autofree char *out = filtered (in, (gsize) g_test_rand_int_range (1, 10));
        check_harmless (out);
    }
}

static void
test_cast (void)
{
    static const char cast[] = "{\"version\":2,\"width\":80,\"height\":24}\n[0.5, \"o\", \"one\\u001b]0;x\"]\n[0.75, \"r\", \"90x30\"]\n[1, \"o\", \"hidden\\u0007two\"]\n[1.5, \"o\", \"thr";
    g_autoptr(GError) error = NULL;
    g_autoptr(Replay) replay = replay_read (cast, strlen (cast), &error);

    g_assert_no_error (error);
    g_assert_cmpuint (replay->cols, ==, 80);
    g_assert_cmpuint (replay->pieces->len, ==, 2);
    g_assert_cmpstr (((ReplayPiece *) replay->pieces->pdata[0])->text, ==, "one");
    g_assert_cmpstr (((ReplayPiece *) replay->pieces->pdata[1])->text, ==, "two");     /* a sequence split over two lines */
    g_assert_cmpint (((ReplayPiece *) replay->pieces->pdata[1])->ms, ==, 1000);
    g_assert_true (replay->cut);
    for (gsize len = 0; len < strlen (cast); len++) {
        g_autoptr(Replay) part = replay_read (cast, len, NULL);
        g_assert_true (!part || part->pieces->len <= 2);
    }
    static const char *const bad[] = { "", "\n", "{}\n", "{\"version\":3,\"width\":80,\"height\":24}\n", "{\"version\":2,\"width\":0,\"height\":24}\n", "[1]\n" };
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr(GError) why = NULL;
        g_assert_null (replay_read (bad[i], strlen (bad[i]), &why));
        g_assert_error (why, BASE_ERROR, BASE_ERROR_FORMAT);
    }
    static const char *const ends[] = { "[-1, \"o\", \"x\"]\n", "[1e300, \"o\", \"x\"]\n", "[1, \"o\"]\n", "[1, 2, 3]\n", "x\n" };
    for (gsize i = 0; i < G_N_ELEMENTS (ends); i++) {
        g_autofree char *text = g_strconcat ("{\"version\":2,\"width\":80,\"height\":24}\n", ends[i], "[2, \"o\", \"y\"]\n", NULL);
        g_autoptr(Replay) part = replay_read (text, strlen (text), NULL);
        g_assert_true (part->cut);
        g_assert_cmpuint (part->pieces->len, ==, 0);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/replay/sequences", test_sequences);
    g_test_add_func ("/replay/noise", test_noise);
    g_test_add_func ("/replay/cast", test_cast);
    return g_test_run ();
}
