/* The lists that a CA edits: vendors' keys and suitable modules. */
#include "ceremony/attest/attest.h"
#include "ceremony/verify/modules.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
match (const ModuleList *modules, const char *vendor, const char *model, const char *serial, const char *firmware)
{
    ModuleState state;
    g_autofree char *reason = NULL;
    const Module *module = modules_match (modules, vendor, model, serial, firmware, G_GINT64_CONSTANT (1800000000000), &state, &reason);
    g_assert_true ((module == NULL) == (reason != NULL));
    if (module == NULL)
        return;
    module_suits (module, 2);
    json_t *row = module_row_json (module, state);
    g_assert_nonnull (row);
    json_decref (row);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL;
    AttestAnchors *anchors = attest_anchors_parse (data, size, &error);
    g_assert_true ((anchors == NULL) == (error != NULL));
    attest_anchors_free (anchors);
    g_clear_error (&error);
    g_autoptr (ModuleList) modules = modules_parse (data, size, &error);
    g_assert_true ((modules == NULL) == (error != NULL));
    if (modules == NULL)
        return 0;
    match (modules, "Yubico", "YubiKey YK5 FIPS", "12345678", "5.4.3");
    match (modules, "SafeNet", "Luna K7", NULL, "7.7.1");
    match (modules, NULL, NULL, NULL, NULL);
    return 0;
}
