/* journal/checkpoints.txt: the notes and the lines between them are the whole file. */
#include "ceremony/journal/note.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) notes = checkpoints_split (data, size, &error);
    g_assert_true ((notes == NULL) == (error != NULL));
    if (notes == NULL)
        return 0;
    g_autoptr (GByteArray) whole = g_byte_array_new ();
    for (guint i = 0; i < notes->len; i++) {
        gsize len;
        const guint8 *bytes = g_bytes_get_data (notes->pdata[i], &len);
        if (i > 0)
            g_byte_array_append (whole, (const guint8 *) "--\n", 3);
        g_byte_array_append (whole, bytes, (guint) len);
        note_free (note_parse (bytes, len, NULL));
    }
    g_assert_cmpmem (whole->data, whole->len, data, size);
    return 0;
}
