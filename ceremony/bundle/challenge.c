/* The challenge, the key's id that follows from it, and the text that proves possession. */
#include "ceremony/bundle/challenge.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <string.h>

#define MIN_WORDS 5
#define MIN_LETTERS 20
#define MAX_TYPED 512

static void
hash_text (Sha256 *hash, const char *text)
{
    sha256_update (hash, text, strlen (text));
}

void
challenge_compute (const char *ceremony, const char *root_base64, const guint8 secret[32], guint8 out[CHALLENGE_LEN])
{
    guint8 digest[SHA256_LEN];
    g_autoptr (Sha256) hash = sha256_new ();
    hash_text (hash, "ceremony/challenge/v1\n");
    hash_text (hash, ceremony);
    hash_text (hash, "\n");
    hash_text (hash, root_base64);
    hash_text (hash, "\n");
    sha256_update (hash, secret, 32);
    sha256_peek (hash, digest);
    memcpy (out, digest, CHALLENGE_LEN);
}

/* Lower case, composed, one space between words; NULL where a character is neither letter, mark, digit, hyphen, apostrophe nor space. */
static char *
normalise (const char *words, guint *n_words, guint *n_letters)
{
    g_autofree char *composed = g_utf8_normalize (words, -1, G_NORMALIZE_ALL_COMPOSE);
    g_autofree char *lower = composed != NULL ? g_utf8_strdown (composed, -1) : NULL;
    g_autoptr (GString) out = g_string_new (NULL);
    gboolean in_word = FALSE;
    *n_words = *n_letters = 0;
    for (const char *p = lower; p != NULL && *p != '\0'; p = g_utf8_next_char (p)) {
        gunichar c = g_utf8_get_char (p);
        if (g_unichar_isspace (c)) {
            in_word = FALSE;
            continue;
        }
        if (!g_unichar_isalnum (c) && !g_unichar_ismark (c) && c != '-' && c != '\'')
            return NULL;
        if (!in_word && (*n_words)++ > 0)
            g_string_append_c (out, ' ');
        in_word = TRUE;
        *n_letters += g_unichar_isalpha (c) ? 1 : 0;
        g_string_append_unichar (out, c);
    }
    return lower != NULL ? g_string_free (g_steal_pointer (&out), FALSE) : NULL;
}

gboolean
challenge_from_words (const char *words, guint8 out[CHALLENGE_LEN], GError **error)
{
    guint n_words = 0, n_letters = 0;
    guint8 digest[SHA256_LEN];
    g_autofree char *text = strlen (words) <= MAX_TYPED && g_utf8_validate (words, -1, NULL) ? normalise (words, &n_words, &n_letters) : NULL;
    if (text == NULL || n_words < MIN_WORDS || n_letters < MIN_LETTERS) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT,
                     "challenge: at least %d words with %d letters in all are needed, of letters and digits alone; throw dice for them, don't think of them", MIN_WORDS,
                     MIN_LETTERS);
        return FALSE;
    }
    g_autoptr (Sha256) hash = sha256_new ();
    hash_text (hash, "ceremony/challenge/words/v1\n");
    hash_text (hash, text);
    sha256_peek (hash, digest);
    memcpy (out, digest, CHALLENGE_LEN);
    return TRUE;
}

gboolean
challenge_seed_from_words (const char *words, guint8 out[32], GError **error)
{
    static const char prefix[] = "ceremony/credential/words/v1\n";
    guint8 challenge[CHALLENGE_LEN];
    Sha256 *hash;

    if (!challenge_from_words (words, challenge, error))
        return FALSE;
    hash = sha256_new ();
    sha256_update (hash, prefix, sizeof prefix - 1);
    sha256_update (hash, challenge, sizeof challenge);
    sha256_peek (hash, out);
    sha256_free (hash);
    return TRUE;
}

GBytes *
challenge_key_id (const guint8 challenge[CHALLENGE_LEN], const char *ceremony)
{
    guint8 digest[SHA256_LEN];
    g_autoptr (Sha256) hash = sha256_new ();
    sha256_update (hash, challenge, CHALLENGE_LEN);
    hash_text (hash, ceremony);
    sha256_peek (hash, digest);
    return g_bytes_new (digest, 16);
}

char *
possession_text (const guint8 *nonce, gsize nonce_len, const char *note)
{
    g_autofree char *hex = hex_encode (nonce, nonce_len);
    return g_strdup_printf ("ceremony/possession/v1\n%s\n%s", hex, note);
}
