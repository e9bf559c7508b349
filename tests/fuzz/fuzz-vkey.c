/* A verifier key: one text a key. */
#include "ceremony/journal/note.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autofree char *text = g_strndup (size > 0 ? (const char *) data : "", size);
    g_autoptr (GError) error = NULL;
    g_autoptr (NoteKey) key = note_key_parse (text, &error);
    g_assert_true ((key == NULL) == (error != NULL));
    if (key != NULL) {
        g_autofree char *again = note_key_format (key);
        g_assert_cmpstr (again, ==, text);
    }
    return 0;
}
