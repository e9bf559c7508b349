/* An order by its parts: nothing opens but the seeds. The fields are then checked once more as if the digests of script and policy were right, so that
 * mutations of them aren't all refused at the signature. */
#include "ceremony/bundle/order.h"
#include "tests/fuzz/harness.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_fields (GBytes *bytes, GBytes *script_bytes, GBytes *policy_bytes)
{
    gsize len;
    const void *data = g_bytes_get_data (bytes, &len);
    g_autoptr (json_t) json = cjson_parse_loose (data, len, NULL);
    data = g_bytes_get_data (script_bytes, &len);
    g_autoptr (Script) script = script_parse ("script.yaml", data, len, NULL);
    data = g_bytes_get_data (policy_bytes, &len);
    g_autoptr (Policy) policy = policy_parse ("policy.yaml", data, len, NULL);
    if (json == NULL || script == NULL || policy == NULL)
        return;
    json_object_set_new (json, "script_sha256", json_string (script->sha256));
    json_object_set_new (json, "policy_sha256", json_string (policy->sha256));
    g_autoptr (GError) error = NULL;
    g_assert_true (order_check (json, script, policy, &error) == (error == NULL));
    g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GPtrArray) parts = parts_split (data, size);
    GBytes *json = parts_get (parts, "order.json"), *script = parts_get (parts, "script.yaml"), *policy = parts_get (parts, "policy.yaml");
    g_autoptr (GError) error = NULL;
    g_autoptr (Order) order = order_from_parts (json, parts_get (parts, "META-INF/ASiCManifest001.xml"), parts_get (parts, "META-INF/signature001.p7s"), script, policy, &error);
    g_assert_true ((order == NULL) == (error != NULL));
    g_assert_true (order != NULL || !is_seed ("order", data, size));
    static char *genuine;
    if (order != NULL && genuine == NULL)
        genuine = g_strdup (order->sha256);
    g_assert_true (order == NULL || strcmp (order->sha256, genuine) == 0);
    check_fields (json, script, policy);
    return 0;
}
