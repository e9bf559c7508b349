/* A signing service's declaration, and the facts that its operator writes: what is read is written again as it was. */
#include "ceremony/bundle/declaration.h"
#include "tests/fuzz/harness.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) declaration = declaration_parse (data, size, &error);
    g_assert_true ((declaration == NULL) == (error != NULL));
    g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
    if (declaration != NULL) {
        g_autofree char *text = cjson_encode (declaration, NULL);
        g_assert_cmpmem (text, strlen (text), data, size);
    }
    g_autoptr (GError) why = NULL;
    g_autoptr (json_t) facts = declaration_facts ("facts", data, size, &why);
    g_assert_true ((facts == NULL) == (why != NULL));
    g_assert_true (facts == NULL || json_object_size (facts) == 8);
    g_assert_true (!is_seed ("declaration", data, size) || facts != NULL || declaration != NULL);
    return 0;
}
