/* An attached file that may be a cloud provider's: read without fault, and told in canonical JSON. */
#include "ceremony/attest/cloud.h"
#include "ceremony/base/cjson.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL, encoding = NULL;
    g_autoptr (json_t) read = cloud_recognise (data, size, &error);
    g_assert_true (read == NULL || error == NULL);
    if (read == NULL)
        return 0;
    g_autofree char *text = cjson_encode (read, &encoding);
    g_assert_no_error (encoding);
    return 0;
}
