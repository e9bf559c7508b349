/* A timestamp, as a response and as the bare token in one: nothing verifies but the seeds, byte for byte. */
#include "ceremony/bundle/tsa.h"
#include "tests/fuzz/harness.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    static const char text[] = "a checkpoint's note\n";
    gboolean accepted = FALSE;
    for (int is_token = 0; is_token < 2; is_token++) {
        g_autoptr (GError) error = NULL;
        gint64 when = -1;
        X509 *signer = NULL;
        gboolean ok = tsa_verify (data, size, is_token, text, sizeof text - 1, &when, &signer, &error);
        g_assert_true (ok == (error == NULL));
        g_assert_true (!ok || (signer != NULL && when > 0));
        X509_free (signer);
        accepted |= ok;
    }
    g_assert_true (accepted == is_seed ("tsa", data, size));
    return 0;
}
