/* A policy: what is read lies within its bounds. */
#include "ceremony/script/policy.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Policy) policy = policy_parse ("fuzz", data, size, &error);
    g_assert_true ((policy == NULL) == (error != NULL));
    if (policy == NULL) {
        g_assert_true (g_utf8_validate (error->message, -1, NULL));
        return 0;
    }
    g_assert_true (policy->title != NULL && policy->version != NULL && policy->algorithms != NULL && policy->levels != NULL);
    g_assert_true (policy->presence <= PRESENCE_NONE && policy->local_seal <= SEAL_KEY_FILE && policy->challenge <= CHALLENGE_WORDS);
    g_assert_true (policy->qr_gap_ms >= 2000 && policy->liveness_ms >= 10000 && policy->clock_drift_ms >= 1 && policy->max_sittings >= 0);
    g_assert_true (policy->drops_per_mille >= 0 && policy->drops_per_mille <= 1000 && policy_level (policy, "attestation") <= LEVEL_IGNORE);
    return 0;
}
