/* The table of acts: which function carries out which verb. */
#include "ceremony/run/acts/acts.h"
#include <string.h>

static const struct { const char *name; ActFunc func; } table[] = {
    { "read", act_read },
    { "consent", act_consent },
    { "identify", act_identify },
    { "clock", act_clock },
    { "represent", act_represent },
    { "select-token", act_select_token },
    { "show-token", act_show_token },
    { "inventory", act_inventory },
    { "absent", act_absent },
    { "credential", act_credential },
    { "open", act_open },
    { "challenge", act_challenge },
    { "liveness", act_liveness },
    { "generate", act_generate },
    { "attributes", act_attributes },
    { "prove", act_prove },
    { "request", act_request },
    { "attest", act_attest },
    { "countersign", act_countersign },
    { "unplug", act_unplug },
    { "attach", act_attach },
    { "fingerprint", act_fingerprint },
    { "deviations", act_deviations },
    { "close", act_close },
};

ActFunc
acts_find (const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
        if (strcmp (table[i].name, name) == 0)
            return table[i].func;
    return NULL;
}

gboolean
acts_check (GError **error)
{
    for (const ActInfo *act = act_table; act->name != NULL; act++)
        if (acts_find (act->name) == NULL) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "the act '%s' can't be carried out by this program: report this", act->name);
            return FALSE;
        }
    for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
        if (act_find (table[i].name) == NULL) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "the act '%s' may not stand in a script: report this", table[i].name);
            return FALSE;
        }
    return TRUE;
}
