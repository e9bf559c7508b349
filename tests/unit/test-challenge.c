/* The challenge: vectors computed with Python, and words of a person's own. */
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/bundle/challenge.h"
#include <string.h>

#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

/* The digest of the text as sha256sum would hash it. */
static void
test_compute (void)
{
    guint8 secret[32], out[CHALLENGE_LEN], digest[32];
    for (guint i = 0; i < 32; i++)
        secret[i] = (guint8) i;
    challenge_compute ("2026-11-23-abcdefgh", ROOT, secret, out);
    g_autoptr (GByteArray) text = g_byte_array_new ();
    const char *head = "ceremony/challenge/v1\n2026-11-23-abcdefgh\n" ROOT "\n";
    g_byte_array_append (text, (const guint8 *) head, (guint) strlen (head));
    g_byte_array_append (text, secret, 32);
    sha256 (text->data, text->len, digest);
    g_assert_cmpmem (out, CHALLENGE_LEN, digest, CHALLENGE_LEN);
    g_autofree char *hex = hex_encode (out, CHALLENGE_LEN);
    g_assert_cmpstr (hex, ==, "a2ba812dae2e111c");
}

static void
test_depends (void)
{
    guint8 secret[32] = { 1 }, other[32] = { 2 }, a[CHALLENGE_LEN], b[CHALLENGE_LEN];
    challenge_compute ("x", ROOT, secret, a);
    challenge_compute ("y", ROOT, secret, b);
    g_assert_cmpint (memcmp (a, b, sizeof a), !=, 0);
    challenge_compute ("x", "AAAA", secret, b);
    g_assert_cmpint (memcmp (a, b, sizeof a), !=, 0);
    challenge_compute ("x", ROOT, other, b);
    g_assert_cmpint (memcmp (a, b, sizeof a), !=, 0);
}

static void
test_words (void)
{
    guint8 a[CHALLENGE_LEN], b[CHALLENGE_LEN];
    g_autoptr (GError) error = NULL;
    g_assert_true (challenge_from_words ("correct horse battery staple käse", a, &error));
    g_autofree char *hex = hex_encode (a, sizeof a);
    g_assert_cmpstr (hex, ==, "13b9ebca52660b35");
    g_assert_true (challenge_from_words ("  Correct\tHORSE  battery staple\nKA\u0308SE ", b, &error));
    g_assert_cmpmem (a, sizeof a, b, sizeof b);
    static const char *const bad[] = { "", "one two three four", "a b c d e", "correct horse battery staple ka;se", "correct horse battery staple \xff", "aaaa bbbb cccc dddd eee" };
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_assert_false (challenge_from_words (bad[i], a, &error));
        g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
        g_clear_error (&error);
    }
    g_autofree char *endless = g_strnfill (600, 'a');
    g_assert_false (challenge_from_words (endless, a, NULL));
}

static void
test_key_id (void)
{
    const guint8 challenge[CHALLENGE_LEN] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    g_autoptr (GBytes) id = challenge_key_id (challenge, "2026-11-23-abcdefgh");
    g_autofree char *hex = hex_encode (g_bytes_get_data (id, NULL), g_bytes_get_size (id));
    g_assert_cmpstr (hex, ==, "a9526ba2a5300c64cf33f9add3a0c7da");
}

static void
test_possession (void)
{
    const guint8 nonce[] = { 0xde, 0xad };
    g_autofree char *text = possession_text (nonce, sizeof nonce, "origin\n1\nroot\n\nsig\n");
    g_assert_cmpstr (text, ==, "ceremony/possession/v1\ndead\norigin\n1\nroot\n\nsig\n");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/challenge/compute", test_compute);
    g_test_add_func ("/challenge/depends", test_depends);
    g_test_add_func ("/challenge/words", test_words);
    g_test_add_func ("/challenge/key-id", test_key_id);
    g_test_add_func ("/challenge/possession", test_possession);
    return g_test_run ();
}
