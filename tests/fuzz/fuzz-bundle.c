/* A bundle by its files, with everything but pictures judged: never an accept, since nobody is trusted, and every check has a reason. */
#include "ceremony/verify/verify.h"
#include "tests/fuzz/harness.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_outcome (const CheckOutcome *outcome)
{
    g_assert_true (outcome->id != NULL && outcome->reason != NULL && g_utf8_validate (outcome->reason, -1, NULL));
    g_assert_cmpint (outcome->video_ms, >=, -1);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GPtrArray) parts = parts_split (data, size);
    g_autoptr (GBytes) zip = parts_zip (parts);
    g_autoptr (GError) error = NULL;
    g_autoptr (Asice) asice = asice_open_bytes (zip, &error);
    if (asice == NULL) {
        g_assert_false (is_seed ("bundle", data, size));
        return 0;
    }
    g_autoptr (Verdict) verdict = verify_asice (asice, "fuzz", &(VerifyOptions) { .flags = VERIFY_NO_VIDEO });
    g_assert_true (verdict->kind != VERDICT_ACCEPT && !verdict->genuine);
    for (guint i = 0; i < verdict->outcomes->len; i++)
        check_outcome (verdict->outcomes->pdata[i]);
    json_t *json = verdict_json (verdict);
    g_autofree char *text = cjson_encode (json, &error);
    g_assert_no_error (error);
    json_decref (json);
    return 0;
}
