/* A bundle by its files, with everything but pictures judged: never an accept, since nobody is trusted, and every check has a reason. */
#include "ceremony/verify/verify.h"
#include "tests/fuzz/harness.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* JSON that a mutation left readable is written canonically again, and lines that aren't JSON any more are left out: so that the checks behind the
 * first one, that of the form, see what was mutated. A seed stays as it is. */
static void
repair (Part *part)
{
    gsize len;
    const char *data = g_bytes_get_data (part->bytes, &len);
    gboolean many = g_str_has_suffix (part->name, ".jsonl");
    if (!many && !g_str_has_suffix (part->name, ".json"))
        return;
    g_autofree char *copy = g_strndup (data, len);
    g_auto (GStrv) lines = g_strsplit (copy, "\n", many ? -1 : 1);
    g_autoptr (GString) out = g_string_new (NULL);
    for (char **line = lines; *line != NULL; line++) {
        g_autoptr (json_t) json = cjson_parse_loose (*line, strlen (*line), NULL);
        g_autofree char *text = json != NULL ? cjson_encode (json, NULL) : NULL;
        if (text != NULL)
            g_string_append_printf (out, "%s%s", text, many ? "\n" : "");
    }
    if (out->len == 0)
        return;
    g_bytes_unref (part->bytes);
    part->bytes = g_string_free_to_bytes (g_steal_pointer (&out));
}

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
    for (guint i = 0; i < parts->len; i++)
        repair (parts->pdata[i]);
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
