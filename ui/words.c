/* The words that a witness gives aloud, as they are typed: even places hold words of two syllables, odd ones of three, so that a dropped or swapped
 * word shows at once. */
#include "ui/words.h"
#include "ceremony/base/encode.h"
#include <string.h>

static char *list[2][256];

/* Both lists through the public encoder: an odd word stands at offset 1. */
static void load_list (void)
{
    if (list[0][0])
        return;
    for (guint i = 0; i < 256; i++)
    {
        guint8 bytes[2] = { (guint8) i, (guint8) i };
        g_autofree char *pair = pgp_words (bytes, 2);
        char *space = strchr (pair, ' ');
        list[0][i] = g_strndup (pair, space - pair);
        list[1][i] = g_strdup (space + 1);
    }
}

static gboolean in_list (const char *word, guint parity)
{
    for (guint i = 0; i < 256; i++)
        if (g_ascii_strcasecmp (list[parity][i], word) == 0)
            return TRUE;
    return FALSE;
}

/* The first word of @parity that begins with @part, and how many characters all such words share. */
static const char *candidate (const char *part, guint parity, gsize *shared)
{
    const char *first = NULL;
    for (guint i = 0; i < 256; i++)
    {
        const char *word = list[parity][i];
        if (g_ascii_strncasecmp (word, part, strlen (part)) != 0)
            continue;
        gsize n = 0;
        while (first && first[n] && g_ascii_tolower (first[n]) == g_ascii_tolower (word[n]))
            n++;
        *shared = first ? MIN (*shared, n) : strlen (word);
        first = first ? first : word;
    }
    return first;
}

static char *candidates (const char *part, guint parity)
{
    g_autoptr (GString) out = g_string_new (NULL);
    for (guint i = 0; i < 256; i++)
        if (g_ascii_strncasecmp (list[parity][i], part, strlen (part)) == 0)
            g_string_append_printf (out, "%s%s", out->len ? " " : "", list[parity][i]);
    return out->len ? g_strdup (out->str) : NULL;
}

static void typed_word_free (gpointer data)
{
    TypedWord *word = data;
    g_free (word->text);
    g_free (word->candidates);
    g_free (word);
}

static gboolean is_separator (char c) { return strchr (" \t\n-,", c) != NULL; }

static TypedWord *judge (char *text, guint place, gboolean begun)
{
    TypedWord *word = g_new0 (TypedWord, 1);
    guint parity = place % 2;
    word->text = text;
    if (place >= WORDS_WANTED)
        word->state = WORD_TOO_MANY;
    else if (in_list (text, parity))
        word->state = WORD_RIGHT;
    else if (begun && (word->candidates = candidates (text, parity)))
        word->state = WORD_BEGUN;
    else
        word->state = in_list (text, !parity) ? WORD_WRONG_PARITY : WORD_UNKNOWN;
    return word;
}

GPtrArray *words_typed (const char *text)
{
    load_list ();
    GPtrArray *out = g_ptr_array_new_with_free_func (typed_word_free);
    const char *p = text;
    for (;;)
    {
        while (*p && is_separator (*p))
            p++;
        if (!*p)
            return out;
        const char *end = p;
        while (*end && !is_separator (*end))
            end++;
        g_ptr_array_add (out, judge (g_strndup (p, end - p), out->len, *end == 0));
        p = end;
    }
}

char *words_complete (const char *text)
{
    g_autoptr (GPtrArray) words = words_typed (text);
    if (words->len == 0 || words->len > WORDS_WANTED || is_separator (text[strlen (text) - 1]))
        return g_strdup ("");
    const TypedWord *last = words->pdata[words->len - 1];
    gsize shared = 0, typed = strlen (last->text);
    const char *word = candidate (last->text, (words->len - 1) % 2, &shared);
    if (!word)
        return g_strdup ("");
    if (shared == strlen (word))
        return g_strconcat (word + typed, words->len < WORDS_WANTED ? " " : "", NULL);
    return g_strndup (word + typed, shared - typed);
}

char *words_problem (const char *text)
{
    g_autoptr (GPtrArray) words = words_typed (text);
    for (guint i = 0; i < words->len; i++)
    {
        const TypedWord *word = words->pdata[i];
        if (word->state == WORD_TOO_MANY)
            return g_strdup_printf ("There are more than %d words. Take away the last ones.", WORDS_WANTED);
        if (word->state == WORD_WRONG_PARITY)
            return g_strdup_printf ("Word %u, \"%s\", belongs to the other list: a word before it was dropped or swapped. Ask for the words again.", i + 1, word->text);
        if (word->state != WORD_RIGHT)
            return g_strdup_printf ("Word %u, \"%s\", is not in the list. Check its spelling; Tab completes it.", i + 1, word->text);
    }
    if (words->len < WORDS_WANTED)
        return g_strdup_printf ("There are %u of %d words. Type the others.", words->len, WORDS_WANTED);
    return NULL;
}
