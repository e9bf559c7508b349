/* A ceremony script: its mistakes have lines and columns; one without can be printed at any width. */
#include "ceremony/script/acts.h"
#include "ceremony/script/script.h"
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_message (const char *message)
{
    g_auto (GStrv) lines = g_strsplit (message, "\n", -1);
    guint line, column;
    g_assert_true (g_utf8_validate (message, -1, NULL));
    for (char **l = lines; *l != NULL; l++)
        g_assert_true (sscanf (*l, "fuzz:%u:%u:", &line, &column) == 2 || g_str_has_prefix (*l, "and "));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Script) script = script_parse ("fuzz", data, size, &error);
    g_assert_true ((script == NULL) == (error != NULL));
    if (script == NULL) {
        check_message (error->message);
        return 0;
    }
    g_assert_true (g_bytes_get_size (script->source) == size && script->roles != NULL);
    for (guint i = 0; i < script->steps->len; i++) {
        const ScriptStep *step = script->steps->pdata[i];
        g_assert_true (step->id != NULL && script_step (script, step->id) == step && act_find (step->act) != NULL && step->read != NULL && step->action != NULL);
    }
    static const guint widths[] = { 100, 1, 40 };
    for (gsize i = 0; i < G_N_ELEMENTS (widths); i++) {
        g_autofree char *paper = script_print (script, widths[i]);
        g_assert_true (g_utf8_validate (paper, -1, NULL));
    }
    return 0;
}
