/* The decoders of words, hex, base64 and times: each takes only what its encoder writes (words: in any case, with any separator). */
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

typedef char *(*Encode) (const void *data, gsize len);

static void
check (const char *text, GBytes *stolen, Encode encode)
{
    g_autoptr (GBytes) bytes = stolen;
    if (bytes == NULL)
        return;
    g_autofree char *again = encode (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    g_assert_cmpstr (again, ==, text);
}

static void
check_words (const char *text)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) bytes = pgp_words_decode (text, &error);
    g_assert_true (bytes != NULL || g_utf8_validate (error->message, -1, NULL));
    if (bytes == NULL)
        return;
    g_autofree char *again = pgp_words (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    g_autoptr (GBytes) twice = pgp_words_decode (again, NULL);
    g_assert_true (twice != NULL && g_bytes_equal (bytes, twice));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autofree char *text = g_strndup (size > 0 ? (const char *) data : "", size);
    check (text, hex_decode (text, NULL), hex_encode);
    check (text, base64_decode (text, -1, NULL), base64_encode);
    check (text, base64url_decode (text, NULL), base64url_encode);
    check_words (text);
    gint64 ms;
    if (clock_parse (text, &ms, NULL)) {
        g_autofree char *again = clock_format (ms);
        g_assert_cmpstr (again, ==, text);
    }
    return 0;
}
