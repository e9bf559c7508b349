/* A clip by its files, with everything but pictures judged: never an accept, since nobody is trusted; and whose proofs all lead to the checkpoint that it brings
 * is the seed, in all that the proofs cover. */
#include "ceremony/bundle/clip.h"
#include "ceremony/verify/verify.h"
#include "tests/fuzz/harness.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* A document that a mutation left readable is written canonically again, so that what is behind the check of its form is reached. */
static void
repair (Part *part)
{
    gsize len;
    const char *data = g_bytes_get_data (part->bytes, &len);
    g_autoptr (json_t) json = strcmp (part->name, "clip.json") == 0 ? cjson_parse_loose (data, len, NULL) : NULL;
    char *text = json ? cjson_encode (json, NULL) : NULL;
    if (text == NULL)
        return;
    g_bytes_unref (part->bytes);
    part->bytes = g_bytes_new_take (text, strlen (text));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GPtrArray) parts = parts_split (data, size);
    for (guint i = 0; i < parts->len; i++)
        repair (parts->pdata[i]);
    g_autoptr (GBytes) zip = parts_zip (parts);
    g_autoptr (Verdict) verdict = verify_clip_bytes (zip, "fuzz", &(VerifyOptions) { .flags = VERIFY_NO_VIDEO | VERIFY_CLIP });
    g_assert_true (verdict->kind == VERDICT_REFUSE || verdict->kind == VERDICT_UNREADABLE);
    g_assert_true (verdict->kind == VERDICT_REFUSE || !is_seed ("clip", data, size));
    gboolean proved = verdict->kind == VERDICT_REFUSE;
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *outcome = verdict->outcomes->pdata[i];
        g_assert_true (outcome->id != NULL && outcome->reason != NULL && g_utf8_validate (outcome->reason, -1, NULL));
        proved = proved && (outcome->result != CHECK_FAIL || strcmp (outcome->id, "clip.appliance") == 0);
    }
    g_assert_true (proved || !is_seed ("clip", data, size));
    json_t *json = verdict_json (verdict);
    g_autofree char *text = cjson_encode (json, NULL);
    g_assert_nonnull (text);
    json_decref (json);
    return 0;
}
