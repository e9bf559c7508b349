/* Signed notes, checkpoints, cosignatures: vectors of c2sp.org/signed-note, round trips, and what must be refused. */
#include "ceremony/journal/note.h"
#include "ceremony/base/errors.h"
#include <string.h>

#define DASH "\xe2\x80\x94"
#define VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define SIGNATURE DASH " example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
#define NOTE "This is an example message.\n\n" SIGNATURE

static Note *
parse (const char *text)
{
    g_autoptr (GError) error = NULL;
    Note *note = note_parse (text, strlen (text), &error);
    g_assert_no_error (error);
    return note;
}

static void
test_vector (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (NoteKey) key = note_key_parse (VKEY, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (key->name, ==, "example.com/foo");
    g_assert_cmphex (key->id, ==, 0x530d903a);
    g_autofree char *again = note_key_format (key);
    g_assert_cmpstr (again, ==, VKEY);
    g_autoptr (Note) note = parse (NOTE);
    g_assert_cmpstr (note->text, ==, "This is an example message.\n");
    g_assert_true (note_verify (note, key, &error));
    g_autofree char *text = note_format (note);
    g_assert_cmpstr (text, ==, NOTE);
}

/* No byte of the note can be changed: what still parses doesn't verify, or is no signature by the key any more. */
static void
test_every_byte (void)
{
    g_autoptr (NoteKey) key = note_key_parse (VKEY, NULL);
    gsize len = strlen (NOTE);
    for (gsize i = 0; i < len; i++)
        for (int bit = 0; bit < 8; bit++) {
            g_autofree char *bad = g_memdup2 (NOTE, len);
            bad[i] = (char) (bad[i] ^ 1 << bit);
            g_autoptr (Note) note = note_parse (bad, len, NULL);
            g_assert_false (note != NULL && note_verify (note, key, NULL));
        }
    for (gsize n = 0; n < len; n++) {
        g_autoptr (Note) note = note_parse (NOTE, n, NULL);
        g_assert_null (note);
    }
}

static void
test_refuses (void)
{
    static const char *const bad[] = {
        "", "\n", "\n\n", "text\n", "text\n\n", "text\n\n\n", "text" SIGNATURE, "\n" SIGNATURE, "text\n\n" SIGNATURE "\n", "text\n\nx " SIGNATURE,
        "text\n\n" DASH "example.com/foo AAAAAAA=\n", "text\n\n" DASH " a+b AAAAAAA=\n", "text\n\n" DASH " a  AAAAAAA=\n", "text\n\n" DASH " a AAAAAAA\n",
        "text\n\n" DASH " a AAAA\n", "text\n\n" DASH " a AAAAAA==\n", "text\n\n" DASH "  AAAAAAA=\n", "text\n\n" DASH " a\xc2\xa0" "b AAAAAAA=\n",
        "te\txt\n\n" SIGNATURE, "te\rxt\n\n" SIGNATURE, "te\xffxt\n\n" SIGNATURE, "text\n\n" SIGNATURE "more\n", "text\n\n" DASH " a AAAAAAA= \n",
        "text\n\n" DASH " a AAAAAAA= AAAAAAA=\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr (GError) error = NULL;
        if (note_parse (bad[i], strlen (bad[i]), &error) != NULL)
            g_error ("accepted number %zu", i);
        g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    }
    g_assert_null (note_parse ("te\0xt\n\n" SIGNATURE, 7 + strlen (SIGNATURE), NULL));
}

static void
test_limits (void)
{
    g_autoptr (GString) text = g_string_new ("text\n\n");
    for (int i = 0; i < NOTE_MAX_SIGNATURES; i++)
        g_string_append (text, SIGNATURE);
    g_autoptr (Note) note = parse (text->str);
    g_assert_cmpuint (note->signatures->len, ==, NOTE_MAX_SIGNATURES);
    g_string_append (text, SIGNATURE);
    g_autoptr (GError) error = NULL;
    g_assert_null (note_parse (text->str, text->len, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_LIMIT);
    g_clear_error (&error);
    g_autofree char *long_text = g_strnfill (NOTE_MAX_LEN + 1, 'a');
    g_assert_null (note_parse (long_text, NOTE_MAX_LEN + 1, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_LIMIT);
}

static void
test_split_at_last_empty_line (void)
{
    g_autoptr (Note) note = parse ("first\n\nsecond\n\n" SIGNATURE);
    g_assert_cmpstr (note->text, ==, "first\n\nsecond\n");
}

static void
test_key_refuses (void)
{
    static const char *const bad[] = {
        "", "foo", "foo+530d903a", "foo+530d903a+", "foo+530d903a+AAAA", "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fo0+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+CekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", VKEY "\n", VKEY "+x",
    };
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr (GError) error = NULL;
        if (note_key_parse (bad[i], &error) != NULL)
            g_error ("accepted: %s", bad[i]);
        g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    }
    guint8 key[32] = { 0 };
    g_assert_null (note_key_new ("a+b", NOTE_TYPE_ED25519, key, NULL));
    g_assert_null (note_key_new ("a\nb", NOTE_TYPE_ED25519, key, NULL));
    g_assert_null (note_key_new ("ab", 0x06, key, NULL));
}

static EVP_PKEY *
new_key (const char *name, guint8 type, NoteKey **note_key)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    guint8 public_key[32];
    gsize len = sizeof public_key;
    g_assert_cmpint (EVP_PKEY_get_raw_public_key (pkey, public_key, &len), ==, 1);
    *note_key = note_key_new (name, type, public_key, NULL);
    return pkey;
}

static void
test_sign (void)
{
    g_autoptr (NoteKey) key = NULL;
    g_autoptr (NoteKey) other = NULL;
    EVP_PKEY *pkey = new_key ("ca.example/ceremony/1", NOTE_TYPE_ED25519, &key);
    EVP_PKEY *other_pkey = new_key ("ca.example/ceremony/1", NOTE_TYPE_ED25519, &other);
    g_autoptr (GError) error = NULL;
    g_autofree char *text = note_sign ("some\ntext\n", key, pkey, &error);
    g_assert_no_error (error);
    g_autoptr (Note) note = parse (text);
    g_assert_true (note_verify (note, key, NULL));
    g_assert_false (note_verify (note, other, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_REFUSED);
    g_clear_error (&error);
    g_assert_null (note_sign ("some\n", key, other_pkey, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_REFUSED);
    g_assert_null (note_sign ("no newline", key, pkey, NULL));
    g_assert_null (note_sign ("", key, pkey, NULL));
    /* A good signature doesn't excuse a bad one by the same key. */
    g_autofree char *second = note_sign ("other\n", key, pkey, NULL);
    g_autofree char *both = g_strconcat (text, strstr (second, DASH), NULL);
    g_autoptr (Note) mixed = parse (both);
    g_assert_false (note_verify (mixed, key, NULL));
    EVP_PKEY_free (pkey);
    EVP_PKEY_free (other_pkey);
}

static void
test_checkpoint (void)
{
    g_autoptr (NoteKey) key = NULL;
    EVP_PKEY *pkey = new_key ("ca.example/ceremony/1", NOTE_TYPE_ED25519, &key);
    MerkleHash root = { { 1, 2, 3 } };
    g_autofree char *text = checkpoint_text (key->name, 42, &root);
    g_assert_cmpstr (text, ==, "ca.example/ceremony/1\n42\nAQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    g_autofree char *note = note_sign (text, key, pkey, NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (Checkpoint) checkpoint = checkpoint_open (note, strlen (note), key, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (checkpoint->size, ==, 42);
    g_assert_cmpmem (checkpoint->root.b, 32, root.b, 32);

    g_autofree char *foreign_text = checkpoint_text ("ca.example/ceremony/2", 42, &root);
    g_autofree char *foreign = note_sign (foreign_text, key, pkey, NULL);
    g_assert_null (checkpoint_open (foreign, strlen (foreign), key, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_REFUSED);
    EVP_PKEY_free (pkey);
}

static void
test_checkpoint_refuses (void)
{
#define ROOT "AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    static const char *const bad[] = {
        "", "o\n", "o\n1\n", "o\n1\n" ROOT, "o\n01\n" ROOT "\n", "o\n+1\n" ROOT "\n", "o\n-1\n" ROOT "\n", "o\n\n" ROOT "\n", "o\n1 \n" ROOT "\n",
        "o\n1\n" ROOT "\nextension\n", "o\n1\n" ROOT "\n\n", "\n1\n" ROOT "\n", "o\n1\nAAAA\n", "o\n1\nnot base64\n", "o\n18446744073709551616\n" ROOT "\n",
        "o\n9223372036854775808\n" ROOT "\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
        if (checkpoint_parse (bad[i], NULL) != NULL)
            g_error ("accepted: %s", bad[i]);
    g_autoptr (Checkpoint) empty = checkpoint_parse ("o\n0\n" ROOT "\n", NULL);
    g_assert_nonnull (empty);
}

static void
test_cosignature (void)
{
    g_autoptr (NoteKey) log = NULL;
    g_autoptr (NoteKey) witness = NULL;
    EVP_PKEY *log_pkey = new_key ("ca.example/ceremony/1", NOTE_TYPE_ED25519, &log);
    EVP_PKEY *witness_pkey = new_key ("witness.example", NOTE_TYPE_COSIGNATURE, &witness);
    MerkleHash root = { { 7 } };
    g_autofree char *text = checkpoint_text (log->name, 5, &root);
    g_autofree char *signed_text = note_sign (text, log, log_pkey, NULL);
    g_autoptr (Note) note = parse (signed_text);
    g_autoptr (GError) error = NULL;
    NoteSignature *line = cosignature_sign (note->text, 1700000000, witness, witness_pkey, &error);
    g_assert_no_error (error);
    g_ptr_array_add (note->signatures, line);
    g_autofree char *full = note_format (note);
    g_autoptr (Note) again = parse (full);
    guint64 time = 0;
    g_assert_true (note_verify (again, log, NULL));
    g_assert_true (cosignature_verify (again, witness, &time, NULL));
    g_assert_cmpuint (time, ==, 1700000000);
    g_assert_false (cosignature_verify (again, log, &time, NULL));
    g_assert_false (note_verify (again, witness, NULL));
    g_assert_null (cosignature_sign (note->text, 1, log, log_pkey, NULL));
    g_assert_null (note_sign (note->text, witness, witness_pkey, NULL));

    /* Another time is another signature. */
    gsize len;
    g_autofree guint8 *blob = g_memdup2 (g_bytes_get_data (line->signature, &len), 72);
    g_assert_cmpuint (len, ==, 72);
    blob[7] ^= 1;
    NoteSignature *last = again->signatures->pdata[1];
    g_bytes_unref (last->signature);
    last->signature = g_bytes_new (blob, 72);
    g_assert_false (cosignature_verify (again, witness, &time, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_REFUSED);
    EVP_PKEY_free (log_pkey);
    EVP_PKEY_free (witness_pkey);
}

static void
test_split (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) two = checkpoints_split (NOTE "--\n" NOTE, 2 * strlen (NOTE) + 3, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (two->len, ==, 2);
    for (guint i = 0; i < 2; i++)
        g_assert_cmpmem (g_bytes_get_data (two->pdata[i], NULL), g_bytes_get_size (two->pdata[i]), NOTE, strlen (NOTE));
    g_autoptr (GPtrArray) none = checkpoints_split ("", 0, NULL);
    g_assert_cmpuint (none->len, ==, 0);
    static const char *const bad[] = { "\n", "--\n", NOTE "--\n", "--\n" NOTE, NOTE "--\n--\n" NOTE, NOTE "--", "x" };
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr (GPtrArray) notes = checkpoints_split (bad[i], strlen (bad[i]), NULL);
        gboolean all = notes != NULL;
        for (guint n = 0; all && n < notes->len; n++) {
            g_autoptr (Note) note = note_parse (g_bytes_get_data (notes->pdata[n], NULL), g_bytes_get_size (notes->pdata[n]), NULL);
            all = note != NULL;
        }
        if (all)
            g_error ("accepted number %zu", i);
    }
    g_autofree char *big = g_strnfill (NOTE_MAX_LEN * 2, '\n');
    g_assert_null (checkpoints_split (big, NOTE_MAX_LEN * 2, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_LIMIT);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/note/vector", test_vector);
    g_test_add_func ("/note/every-byte", test_every_byte);
    g_test_add_func ("/note/refuses", test_refuses);
    g_test_add_func ("/note/limits", test_limits);
    g_test_add_func ("/note/split-at-last-empty-line", test_split_at_last_empty_line);
    g_test_add_func ("/note/key-refuses", test_key_refuses);
    g_test_add_func ("/note/sign", test_sign);
    g_test_add_func ("/checkpoint/round-trip", test_checkpoint);
    g_test_add_func ("/checkpoint/refuses", test_checkpoint_refuses);
    g_test_add_func ("/checkpoint/cosignature", test_cosignature);
    g_test_add_func ("/checkpoint/split", test_split);
    return g_test_run ();
}
