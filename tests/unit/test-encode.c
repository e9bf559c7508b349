/* Hex, base64, SHA-256 and the PGP words, against published vectors and the whole range of bytes. */
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <string.h>
#include <unistd.h>

static void
assert_bytes (GBytes *stolen, const void *data, gsize len)
{
    g_autoptr (GBytes) bytes = stolen;
    g_assert_nonnull (bytes);
    g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), data, len);
}

static void
test_hex (void)
{
    g_autofree char *text = hex_encode ("\x00\xff\x1a", 3);
    g_assert_cmpstr (text, ==, "00ff1a");
    assert_bytes (hex_decode ("00ff1a", NULL), "\x00\xff\x1a", 3);
    assert_bytes (hex_decode ("", NULL), "", 0);
    static const char *const bad[] = { "0", "0G", "FF", " 00", "00 ", "0x00", "\xc3\xb6" };
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr (GError) error = NULL;
        g_assert_null (hex_decode (bad[i], &error));
        g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    }
}

/* RFC 4648 section 10. */
static void
test_base64 (void)
{
    static const char *const vectors[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
                                              { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xfb\xff", "+/8=" } };
    for (gsize i = 0; i < G_N_ELEMENTS (vectors); i++) {
        gsize len = strlen (vectors[i][0]);
        g_autofree char *text = base64_encode (vectors[i][0], len);
        g_assert_cmpstr (text, ==, vectors[i][1]);
        assert_bytes (base64_decode (text, -1, NULL), vectors[i][0], len);
        g_autofree char *url = base64url_encode (vectors[i][0], len);
        assert_bytes (base64url_decode (url, NULL), vectors[i][0], len);
        g_assert_null (strpbrk (url, "+/="));
    }
    static const char *const bad[] = { "Zg", "Zg=", "Zh==", "Zg==\n", " Zg==", "Z g==", "Zm9=", "====", "Z", "Zg==Zg==", "-_8=", "Zm9v\r\nZm9v" };
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr (GError) error = NULL;
        g_assert_null (base64_decode (bad[i], -1, &error));
        g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    }
    static const char *const bad_url[] = { "Zg==", "Zh", "+/8", "A", "AAAAA", "Zg\n", "Zm9\n" };
    for (gsize i = 0; i < G_N_ELEMENTS (bad_url); i++)
        g_assert_null (base64url_decode (bad_url[i], NULL));
    g_assert_null (base64_decode ("Zm9v\0Zm9v", 9, NULL));
    assert_bytes (base64_decode ("Zm9vXX", 4, NULL), "foo", 3);
}

/* FIPS 180-4 examples. */
static void
test_sha256 (void)
{
    g_autofree char *empty = sha256_hex (NULL, 0);
    g_assert_cmpstr (empty, ==, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    g_autoptr (Sha256) hash = sha256_new ();
    guint8 digest[SHA256_LEN], whole[SHA256_LEN];
    sha256_update (hash, "a", 1);
    sha256_peek (hash, digest);
    sha256_update (hash, "bc", 2);
    sha256_peek (hash, digest);
    g_autofree char *abc = hex_encode (digest, sizeof digest);
    g_assert_cmpstr (abc, ==, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256 ("abc", 3, whole);
    g_assert_cmpmem (whole, sizeof whole, digest, sizeof digest);
    sha256_reset (hash);
    sha256_peek (hash, digest);
    sha256 ("", 0, whole);
    g_assert_cmpmem (whole, sizeof whole, digest, sizeof digest);
}

static void
test_sha256_file (void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp ("sha-XXXXXX", &path, NULL);
    g_assert_cmpint (write (fd, "xabcx", 5), ==, 5);
    guint8 digest[SHA256_LEN], expected[SHA256_LEN];
    gint64 total = 0;
    g_autoptr (GError) error = NULL;
    sha256 ("abc", 3, expected);
    g_assert_true (sha256_fd (fd, 1, 3, digest, &total, &error));
    g_assert_cmpmem (digest, 32, expected, 32);
    g_assert_cmpint (total, ==, 3);
    g_assert_true (sha256_fd (fd, 1, 100, digest, &total, &error));
    g_assert_cmpint (total, ==, 4);
    g_assert_false (sha256_fd (fd, 1, 100, digest, NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_clear_error (&error);
    sha256 ("xabcx", 5, expected);
    g_assert_true (sha256_file (path, digest, &total, &error));
    g_assert_cmpmem (digest, 32, expected, 32);
    unlink (path);
    close (fd);
    g_assert_false (sha256_file (path, digest, &total, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
}

static void
test_random (void)
{
    guint8 a[32] = { 0 }, b[32] = { 0 };
    random_bytes (a, sizeof a);
    random_bytes (b, sizeof b);
    g_assert_cmpint (memcmp (a, b, sizeof a), !=, 0);
}

/* All 2x256 words: there, different, and each reads back to its byte at its parity alone. */
static void
test_words_list (void)
{
    g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    for (int i = 0; i < 256; i++) {
        guint8 pair[2] = { (guint8) i, (guint8) i };
        g_autofree char *text = pgp_words (pair, 2);
        g_auto (GStrv) words = g_strsplit (text, " ", -1);
        g_assert_cmpuint (g_strv_length (words), ==, 2);
        g_assert_true (g_hash_table_add (seen, g_ascii_strdown (words[0], -1)));
        g_assert_true (g_hash_table_add (seen, g_ascii_strdown (words[1], -1)));
        assert_bytes (pgp_words_decode (text, NULL), pair, 2);
        g_autofree char *swapped = g_strdup_printf ("%s %s", words[1], words[0]);
        g_autoptr (GError) error = NULL;
        g_assert_null (pgp_words_decode (swapped, &error));
        g_assert_nonnull (strstr (error->message, "word 1"));
        g_assert_nonnull (strstr (error->message, "swapped"));
    }
    g_assert_cmpuint (g_hash_table_size (seen), ==, 512);
}

/* Published for PGP fingerprints; and the lists' own order: of the alphabet, so that a slip of one entry would show. */
static void
test_words_vectors (void)
{
    static const struct { const char *hex, *words; } vectors[] = {
        { "e58294f2e9a227486e8b061b31cc528fd7fa3f19", "topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa "
                                                      "afflict bravado chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless" },
        { "d1d464c004f00fb5c9a4c8d8e433e7fb7ff56256", "stairway souvenir flytrap recipe adrift upcoming artist positive spearhead Pandora "
                                                      "spaniel stupendous tonic concurrent transit Wichita lockup visitor flagpole escapade" },
        { "12b4b0057400076fa5c0f5cbf726ac65", "atlas politeness ruffled almighty indoors adroitness ahead hemisphere reindeer recipe "
                                              "vapor revival virus caretaker ribcage glossary" },
        { "0000ffff", "aardvark adroitness Zulu Yucatan" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (vectors); i++) {
        g_autoptr (GBytes) bytes = hex_decode (vectors[i].hex, NULL);
        g_autofree char *words = pgp_words (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
        g_assert_cmpstr (words, ==, vectors[i].words);
    }
    for (int parity = 0; parity < 2; parity++) {
        g_autofree char *last = g_strdup ("");
        for (int i = 0; i < 256; i++) {
            guint8 pair[2] = { (guint8) i, (guint8) i };
            g_autofree char *text = pgp_words (pair, 2);
            g_auto (GStrv) words = g_strsplit (text, " ", -1);
            /* The published list has one pair out of order. */
            if (strcmp (words[parity], "Apollo") != 0)
                g_assert_cmpint (g_ascii_strcasecmp (last, words[parity]), <, 0);
            g_free (last);
            last = g_strdup (words[parity]);
        }
    }
}

static void
test_words_typed (void)
{
    assert_bytes (pgp_words_decode ("  TOPMOST-istanbul,Pluto\n", NULL), "\xe5\x82\x94", 3);
    assert_bytes (pgp_words_decode ("", NULL), "", 0);
    static const struct { const char *text, *part; } bad[] = {
        { "topmost Pluto", "word 2, Pluto: is of the other list" },
        { "topmost topmost", "word 2, topmost: is of the other list" },
        { "topmost Istambul", "word 2, Istambul: isn't in the word list" },
        { "top\x1b[2Jmost", "word 1, (unreadable)" },
        { "topmostIstanbulPluto", "word 1, " },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr (GError) error = NULL;
        g_assert_null (pgp_words_decode (bad[i].text, &error));
        g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
        if (strstr (error->message, bad[i].part) == NULL)
            g_error ("%s", error->message);
    }
    g_autofree char *longer = g_strnfill (5000, ' ');
    g_autoptr (GError) error = NULL;
    g_assert_null (pgp_words_decode (longer, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_LIMIT);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/encode/hex", test_hex);
    g_test_add_func ("/encode/base64", test_base64);
    g_test_add_func ("/encode/sha256", test_sha256);
    g_test_add_func ("/encode/sha256-file", test_sha256_file);
    g_test_add_func ("/encode/random", test_random);
    g_test_add_func ("/encode/words-list", test_words_list);
    g_test_add_func ("/encode/words-vectors", test_words_vectors);
    g_test_add_func ("/encode/words-typed", test_words_typed);
    return g_test_run ();
}
