/* A manifest has one form: what is read is what would be written. */
#include "ceremony/bundle/asice.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    guint number = 0;
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) entries = manifest_parse (data, size, &number, &error);
    g_assert_true ((entries == NULL) == (error != NULL));
    if (entries == NULL)
        return 0;
    g_autoptr (GBytes) again = manifest_write (number, entries, &error);
    g_assert_no_error (error);
    g_assert_cmpmem (data, size, g_bytes_get_data (again, NULL), g_bytes_get_size (again));
    return 0;
}
