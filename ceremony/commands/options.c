/* Options by a table of GLib's; each command tells its own help and errors. */
#include "ceremony/commands/commands.h"

gboolean
command_options (const GOptionEntry *entries, int *argc, char ***argv, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new (NULL);

    g_option_context_add_main_entries (context, entries, NULL);
    g_option_context_set_help_enabled (context, FALSE);
    return g_option_context_parse (context, argc, argv, error);
}
