/* The parts of the screens that need no terminal: key decoder, text, line editor, words, layout, size of QR codes. */
#include "ceremony/base/encode.h"
#include "ui/editor.h"
#include "ui/keys.h"
#include "ui/layout.h"
#include "ui/qr.h"
#include "ui/text.h"
#include "ui/words.h"
#include <locale.h>
#include <string.h>

/* All keys of @bytes, as hexadecimal numbers. */
static char *decode (const char *bytes)
{
    KeyDecoder decoder = { 0 };
    guint32 keys[KEYS_PER_BYTE], last;
    GString *out = g_string_new (NULL);
    for (const char *p = bytes; *p; p++)
    {
        guint n = key_decoder_feed (&decoder, (guint8) *p, keys);
        g_assert_cmpuint (n, <=, KEYS_PER_BYTE);
        for (guint i = 0; i < n; i++)
            g_string_append_printf (out, "%x ", keys[i]);
    }
    if (key_decoder_pending (&decoder) && key_decoder_timeout (&decoder, &last))
        g_string_append_printf (out, "%x ", last);
    g_assert_false (key_decoder_pending (&decoder));
    return g_string_free (out, FALSE);
}

static void one (const char *bytes, guint32 key)
{
    g_autofree char *got = decode (bytes), *want = g_strdup_printf ("%x ", key);
    g_assert_cmpstr (got, ==, want);
}

static void test_key_forms (void)
{
    static const char *const f1_to_f12[][12] = {
        { "OP", "OQ", "OR", "OS", "[15~", "[17~", "[18~", "[19~", "[20~", "[21~", "[23~", "[24~" },        /* xterm, tmux */
        { "[[A", "[[B", "[[C", "[[D", "[[E", "[17~", "[18~", "[19~", "[20~", "[21~", "[23~", "[24~" },      /* Linux console */
        { "[11~", "[12~", "[13~", "[14~", "[15~", "[17~", "[18~", "[19~", "[20~", "[21~", "[23~", "[24~" }, /* rxvt */
        { "[1;5P", "[1;5Q", "[1;5R", "[1;5S", "[15;5~", "[17;2~", "[18;2~", "[19;2~", "[20^", "[21$", "[23@", "[24;6~" },
    };
    for (guint t = 0; t < G_N_ELEMENTS (f1_to_f12); t++)
        for (guint i = 0; i < 12; i++)
        {
            g_autofree char *bytes = g_strconcat ("\033", f1_to_f12[t][i], NULL);
            one (bytes, K_FN + i + 1);
        }
    one ("\033[A", K_UP), one ("\033OB", K_DOWN), one ("\033[1;2C", K_RIGHT), one ("\033[D", K_LEFT), one ("\033[5~", K_PGUP), one ("\033[6~", K_PGDN);
    one ("\033[1~", K_HOME), one ("\033[7~", K_HOME), one ("\033OH", K_HOME), one ("\033[4~", K_END), one ("\033[8~", K_END), one ("\033[F", K_END);
    one ("\033[3~", K_DEL), one ("\033[Z", K_BACKTAB), one ("\t", K_TAB), one ("\r", K_ENTER), one ("\n", K_ENTER), one ("\177", K_ERASE), one ("\b", K_ERASE);
    one ("\003", K_CTRL + 'c'), one ("a", 'a'), one ("ä", 0xe4), one ("€", 0x20ac), one ("\xf0\x9f\x94\x91", 0x1f511), one ("\033", K_ESC);
    one ("\033[200~", K_PASTE_BEGIN), one ("\033[201~", K_PASTE_END), one ("\033[99~", K_UNKNOWN), one ("\033[?1;2c", K_UNKNOWN);
}

static void several (const char *bytes, const char *want)
{
    g_autofree char *got = decode (bytes);
    g_assert_cmpstr (got, ==, want);
}

static void test_key_broken (void)
{
    several ("ab", "61 62 ");
    several ("\033x", "200000 78 ");                            /* ESC, then x */
    several ("\xc3" "a", "200011 61 ");                         /* a UTF-8 character that breaks off */
    several ("\xe2\x82\xe2\x82\xac", "200011 20ac ");
    several ("\xff\xfe", "200011 200011 ");
    several ("\xed\xa0\x80", "200011 ");                        /* a surrogate */
    several ("\033[1\r", "200011 200001 ");
    several ("\033[", "");                                      /* dropped when nothing follows */
    several ("\033[1111111111111111111111111111111111111111111x", "200011 31 31 31 31 31 31 31 31 31 31 31 31 31 31 78 ");
}

static void test_key_any_bytes (void)
{
    KeyDecoder decoder = { 0 };
    guint32 keys[KEYS_PER_BYTE];
    g_autoptr (GRand) rand = g_rand_new_with_seed (7);
    for (guint i = 0; i < 200000; i++)
    {
        guint8 byte = g_rand_boolean (rand) ? (guint8) g_rand_int (rand) : (guint8) "\033[O1;~\xe2\x82"[g_rand_int_range (rand, 0, 8)];
        g_assert_cmpuint (key_decoder_feed (&decoder, byte, keys), <=, KEYS_PER_BYTE);
        g_assert_cmpuint (decoder.len, <, KEY_SEQUENCE_MAX);
    }
}

static void visible (const char *text, const char *want)
{
    g_autofree char *got = text_visible (text, FALSE);
    g_assert_cmpstr (got, ==, want);
}

static void test_text_visible (void)
{
    visible ("plain", "plain");
    visible ("\033]0;title\007", "^[]0;title^G");
    visible ("a\x9b" "b\xc2\x9b", "a\\x9bb\\x9b");
    visible ("M\xfcller", "M\\xfcller");
    visible ("abc\xe2\x80\xaetxt", "abc<U+202E>txt");
    visible ("zero\xe2\x80\x8bwidth\xef\xbb\xbf", "zero<U+200B>width<U+FEFF>");
    visible ("a\tb\nc\177", "a    b c^?");
    visible (NULL, "");
    g_autofree char *lines = text_visible ("a\r\nb\rc", TRUE);
    g_assert_cmpstr (lines, ==, "a\nb^Mc");
    text_set_glyphs (GLYPHS_ASCII);
    visible ("Müller – “ok” 日本", "Muller - \"ok\" ??");
    text_set_glyphs (GLYPHS_FULL);
}

static void wrapped (const char *text, guint columns, const char *want)
{
    g_autoptr (GPtrArray) lines = text_wrap (text, columns);
    for (guint i = 0; i < lines->len; i++)
        g_assert_cmpuint (text_columns (lines->pdata[i]), <=, columns);
    g_ptr_array_add (lines, NULL);
    g_autofree char *got = g_strjoinv ("|", (char **) lines->pdata);
    g_assert_cmpstr (got, ==, want);
}

static void test_text_wrap (void)
{
    wrapped ("", 10, "");
    wrapped ("one two three", 20, "one two three");
    wrapped ("one two three", 7, "one two|three");
    wrapped ("one two three", 8, "one two|three");
    wrapped ("one two three", 3, "one|two|thr|ee");
    wrapped ("a\n\nb\n", 5, "a||b");
    wrapped ("- a list of things", 10, "- a list|  of|  things");
    wrapped ("12. number twelve", 10, "12. number|    twelve");
    wrapped ("  set in text here", 12, "  set in|  text here");
    wrapped ("日本語の文", 4, "日本|語の|文");
}

static void cut (const char *text, guint columns, const char *want)
{
    g_autofree char *got = text_cut (text, columns);
    g_assert_cmpstr (got, ==, want);
}

static void test_text_cut (void)
{
    cut ("certificate", 11, "certificate");
    cut ("certificate", 5, "cert…");
    cut ("one two", 5, "one…");
    cut ("日本語", 4, "日…");
    g_autofree char *middle = text_cut_middle ("token Rehearsal 3f1b9a2c4d5e6f70", 20), *whole = text_cut_middle ("token", 5), *wide = text_cut_middle ("日本語日本語", 6);
    g_assert_cmpstr (middle, ==, "token Rehe…c4d5e6f70");
    g_assert_cmpstr (whole, ==, "token");
    g_assert_cmpstr (wide, ==, "日…語");
    cut ("x", 0, "");
    cut ("e\xcc\x81tude", 3, "e\xcc\x81t…");
    g_assert_cmpuint (text_columns ("e\xcc\x81日"), ==, 3);
}

static void type (Editor *editor, const guint32 *keys)
{
    for (; *keys; keys++)
        editor_key (editor, *keys);
}

static void test_editor (void)
{
    static const guint32 keys[] = { 'e', 0x301, 'x', K_LEFT, K_LEFT, 'A', K_END, 0x65e5, K_ERASE, 'z', 0x202e, 7, 0 };
    Editor *editor = editor_new (NULL);
    guint column;
    type (editor, keys);
    g_assert_cmpstr (editor->text->str, ==, "Ae\xcc\x81xz");
    type (editor, (const guint32[]) { K_HOME, K_DEL, K_RIGHT, K_ERASE, 0 });    /* the accent goes with its letter */
    g_assert_cmpstr (editor->text->str, ==, "xz");
    type (editor, (const guint32[]) { K_END, ' ', 'a', 'b', ' ', K_CTRL + 'w', 0 });
    g_assert_cmpstr (editor->text->str, ==, "xz ");
    type (editor, (const guint32[]) { K_CTRL + 'a', K_CTRL + 'k', 0 });
    g_assert_cmpstr (editor->text->str, ==, "");
    for (guint i = 0; i < 2 * EDITOR_MAX; i++)
        editor_key (editor, 'a' + i % 26);
    g_assert_cmpuint (editor->text->len, ==, EDITOR_MAX);
    g_autofree char *end = editor_visible (editor, 10, &column);
    g_assert_cmpuint (column, ==, 9);
    g_assert_cmpstr (end, ==, editor->text->str + EDITOR_MAX - 9);
    editor_key (editor, K_HOME);
    g_autofree char *start = editor_visible (editor, 10, &column);
    g_assert_cmpuint (column, ==, 0);
    g_assert_cmpstr (start, ==, "abcdefghij");
    editor_free (editor);
}

static void completes (const char *text, const char *want)
{
    g_autofree char *got = words_complete (text);
    g_assert_cmpstr (got, ==, want);
}

static void test_words (void)
{
    const guint8 bytes[] = { 0xe5, 0x82, 0x94, 0xf2, 0xe9, 0xa2, 0x27, 0x48 };
    g_autofree char *right = pgp_words (bytes, sizeof bytes), *none = words_problem (right);
    g_assert_null (none);
    g_auto (GStrv) words = g_strsplit (right, " ", -1);
    g_autofree char *swapped = g_strdup_printf ("%s %s", words[1], words[0]), *odd = words_problem (swapped);
    g_assert_nonnull (strstr (odd, "Word 1"));
    g_assert_nonnull (strstr (odd, "other list"));
    g_autofree char *few = words_problem (words[0]), *more = g_strconcat (right, " ", words[0], NULL), *many = words_problem (more);
    g_assert_nonnull (strstr (few, "1 of 8"));
    g_assert_nonnull (strstr (many, "more than 8"));
    g_autofree char *unknown = words_problem ("stagnate wrongword");
    g_assert_nonnull (strstr (unknown, "\"wrongword\""));
    completes ("stagn", "ate ");
    completes ("STAGN", "ate ");
    completes ("stagnate specu", "late ");
    completes ("stagnate ", "");
    completes ("stagnate stagn", "");           /* not in the list of odd places */
    completes ("zzz", "");
    completes ("", "");
    g_autoptr (GPtrArray) typed = words_typed ("stagnate, specu");
    const TypedWord *last = typed->pdata[1];
    g_assert_cmpint (last->state, ==, WORD_BEGUN);
    g_assert_cmpstr (last->candidates, ==, "speculate");
}

static void inside (Rect r, guint cols, guint rows)
{
    g_assert_cmpint (r.x, >=, 0);
    g_assert_cmpint (r.y, >=, 0);
    g_assert_cmpint (r.w, >, 0);
    g_assert_cmpint (r.h, >, 0);
    g_assert_cmpint (r.x + r.w, <=, (int) cols);
    g_assert_cmpint (r.y + r.h, <=, (int) rows);
}

static void test_layout (void)
{
    for (guint cols = 80; cols <= 300; cols++)
        for (guint rows = 24; rows <= 100; rows++)
        {
            Layout l = layout_run (cols, rows), p = layout_page (cols, rows);
            g_assert_false (l.too_small);
            inside (l.title, cols, rows), inside (l.steps, cols, rows), inside (l.panel, cols, rows), inside (l.facts, cols, rows), inside (l.keys, cols, rows);
            inside (p.panel, cols, rows);
            g_assert_cmpint (l.steps.x + l.steps.w, <=, l.divider);
            g_assert_cmpint (l.divider, <, l.panel.x);
            g_assert_cmpint (l.panel.y + l.panel.h, <=, l.rule);
            g_assert_cmpint (l.rule, <, l.facts.y);
            g_assert_cmpint (l.facts.y + l.facts.h, ==, l.keys.y);
            g_assert_cmpint (l.panel.w, >=, 50);
            g_assert_cmpint (l.panel.h, >=, 18);
        }
    g_assert_true (layout_run (79, 24).too_small);
    g_assert_true (layout_run (80, 23).too_small);
}

static void test_layout_share (void)
{
    Share s[] = { { 2, 4, 0, 0 }, { 3, 9, 1, 0 }, { 1, 2, 2, 0 } };
    layout_share (20, s, 3);
    g_assert_true (s[0].got == 4 && s[1].got == 9 && s[2].got == 2);
    layout_share (10, s, 3);
    g_assert_true (s[0].got == 4 && s[1].got == 5 && s[2].got == 1);
    layout_share (4, s, 3);
    g_assert_true (s[0].got == 2 && s[1].got == 2 && s[2].got == 0);
    layout_share (-3, s, 3);
    g_assert_true (s[0].got == 0 && s[1].got == 0 && s[2].got == 0);
    g_assert_cmpuint (layout_scroll_to (0, 50, 10), ==, 0);
    g_assert_cmpuint (layout_scroll_to (49, 50, 10), ==, 40);
    for (guint i = 0; i < 50; i++)
        g_assert_true (layout_scroll_to (i, 50, 10) <= i && i < layout_scroll_to (i, 50, 10) + 10);
}

static void test_qr_plan (void)
{
    QrPlan plan;
    guint cols, rows;
    g_autofree char *note = g_strnfill (230, 'x'), *long_text = g_strnfill (4000, 'x');
    g_assert_true (qr_plan (note, 200, 100, &plan));
    g_assert_true (plan.cols == 69 && plan.rows == 35 && plan.quiet == 4 && !plan.low);     /* version 11, M */
    g_assert_true (qr_plan (note, 66, 33, &plan));
    g_assert_true (plan.quiet == 2 && plan.cols == 65);
    g_assert_false (qr_plan (note, 80, 22, &plan));
    qr_least (note, &cols, &rows);
    g_assert_true (cols >= 57 && cols <= 61 && rows >= 29 && rows <= 31);
    g_assert_false (qr_plan (long_text, 300, 300, &plan));
    text_set_glyphs (GLYPHS_ASCII);
    g_assert_true (qr_plan (note, 200, 100, &plan));
    g_assert_true (plan.cols == 138 && plan.rows == 69);
    text_set_glyphs (GLYPHS_FULL);
}

int main (int argc, char **argv)
{
    setlocale (LC_CTYPE, "C.UTF-8");
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/ui/keys/forms", test_key_forms);
    g_test_add_func ("/ui/keys/broken", test_key_broken);
    g_test_add_func ("/ui/keys/any-bytes", test_key_any_bytes);
    g_test_add_func ("/ui/text/visible", test_text_visible);
    g_test_add_func ("/ui/text/wrap", test_text_wrap);
    g_test_add_func ("/ui/text/cut", test_text_cut);
    g_test_add_func ("/ui/editor", test_editor);
    g_test_add_func ("/ui/words", test_words);
    g_test_add_func ("/ui/layout/rectangles", test_layout);
    g_test_add_func ("/ui/layout/share", test_layout_share);
    g_test_add_func ("/ui/qr/plan", test_qr_plan);
    return g_test_run ();
}
