/* A signature over one manifest: nothing verifies but the seeds, byte for byte. */
#include "ceremony/bundle/cades.h"
#include "tests/fuzz/harness.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    static char *content;
    static gsize len;
    if (content == NULL && !g_file_get_contents ("tests/fuzz/seeds/manifest/order", &content, &len, NULL))
        g_error ("tests/fuzz/seeds/manifest/order isn't there: run from the top folder");
    g_autoptr (GError) error = NULL;
    g_autoptr (Cades) cades = cades_verify (data, size, content, len, &error);
    g_assert_true ((cades == NULL) == (error != NULL));
    g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
    g_assert_true ((cades != NULL) == is_seed ("cades", data, size));
    g_assert_true (cades == NULL || (cades->signer != NULL && sk_X509_num (cades->certificates) >= 1 && strlen (cades->spki_sha256) == 64));
    return 0;
}
