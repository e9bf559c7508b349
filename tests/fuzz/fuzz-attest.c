/* One file of evidence, whatever it is: read and judged without fault, and never genuine, since no vendor's key signed what is in the seeds. */
#include "ceremony/attest/attest.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    static AttestAnchors *anchors;
    g_autoptr (GError) error = NULL;
    if (anchors == NULL)
        anchors = attest_anchors_load ("scripts/vendors.yaml", &error);
    g_assert_no_error (error);
    g_autoptr (GPtrArray) inputs = attest_inputs_new ();
    g_autoptr (GBytes) bytes = g_bytes_new (data, size), challenge = g_bytes_new_static ("12345678", 8);
    g_ptr_array_add (inputs, attest_input_new ("input", bytes));
    g_autoptr (AttestResult) result = attest_verify (inputs, NULL, NULL, challenge, anchors, &error);
    g_assert_true ((result == NULL) == (error != NULL));
    if (result == NULL)
        return 0;
    g_assert_false (result->genuine);
    g_assert_nonnull (result->reason);
    json_t *json = attest_result_json (result);
    g_assert_nonnull (json);
    json_decref (json);
    return 0;
}
