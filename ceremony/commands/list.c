/* ceremony list: the ceremonies of this machine. */
#include "ceremony/commands/commands.h"
#include "ceremony/run/run.h"
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: ceremony list [--json] [--home DIR]\n\n"
    "Every ceremony of this machine: id, state (open, running, closed, sealed, damaged), when it began, its outcome.\n";

static void
print_line (const json_t *entry)
{
    const char *started = cjson_str (entry, "started", NULL), *outcome = cjson_str (entry, "outcome", NULL), *step = cjson_str (entry, "step", NULL);
    const char *reason = cjson_str (entry, "reason", NULL), *state = cjson_str (entry, "state", NULL);
    gboolean rehearsal = FALSE;
    cjson_bool (entry, "rehearsal", &rehearsal, NULL);
    printf ("%-20s %-8s %.16s  %s%s%s\n", cjson_str (entry, "id", NULL), state, started ? started : "", reason ? reason : outcome ? outcome : "at step ",
            reason || outcome ? "" : step ? step : "", rehearsal ? " (rehearsal)" : "");
}

int
command_list (int argc, char **argv)
{
    const char *home = NULL;
    gboolean as_json = FALSE;
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--json") == 0) {
            as_json = TRUE;
        } else if (strcmp (argv[i], "--home") == 0 && i + 1 < argc) {
            home = argv[++i];
        } else {
            gboolean asked = strcmp (argv[i], "--help") == 0;
            fputs (help, asked ? stdout : stderr);
            return asked ? 0 : 2;
        }
    }
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) list = run_list (home, &error);
    g_autofree char *text = list && as_json ? cjson_encode (list, &error) : NULL;
    if (error != NULL) {
        fprintf (stderr, "ceremony: list: %s\n", error->message);
        return 2;
    }
    if (as_json)
        puts (text);
    else if (json_array_size (list) == 0)
        puts ("No ceremony was held on this machine yet.");
    for (gsize i = 0; !as_json && i < json_array_size (list); i++)
        print_line (json_array_get (list, i));
    return 0;
}
