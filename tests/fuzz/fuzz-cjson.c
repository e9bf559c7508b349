/* Canonical JSON: what the strict reader takes is exactly what the writer gives; what the loose one takes, the writer may refuse but never spoil. */
#include "ceremony/base/cjson.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) strict = cjson_parse (data, size, &error);
    g_assert_true ((strict == NULL) == (error != NULL));
    g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
    g_autoptr (json_t) loose = cjson_parse_loose (data, size, NULL);
    g_assert_true (strict == NULL || loose != NULL);
    g_autofree char *text = loose != NULL ? cjson_encode (loose, NULL) : NULL;
    if (strict != NULL)
        g_assert_cmpmem (text, strlen (text), data, size);
    if (text != NULL) {
        g_autoptr (json_t) again = cjson_parse (text, strlen (text), NULL);
        g_assert_true (again != NULL && json_equal (again, loose));
    }
    return 0;
}
