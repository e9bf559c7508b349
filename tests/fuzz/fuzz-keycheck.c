/* A request, certificate or key, whatever it is: judged without fault; accepted only where nothing was found against it. */
#include "ceremony/verify/keycheck.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (KeyCheck) check = keycheck (data, size, NULL, &error);
    g_assert_true ((check == NULL) == (error != NULL));
    if (check == NULL)
        return 0;
    gboolean refused = FALSE;
    for (guint i = 0; i < check->findings->len; i++)
        refused |= !((KeyFinding *) check->findings->pdata[i])->warning;
    g_assert_true (check->accept != refused);
    json_t *json = keycheck_json (check);
    g_assert_nonnull (json);
    json_decref (json);
    return 0;
}
