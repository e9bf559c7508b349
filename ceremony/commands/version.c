/* `ceremony version`: which program this is. The journal records the same words. */
#include "ceremony/commands/commands.h"
#include <glib.h>
#include <stdio.h>
#include <string.h>

int
command_version (int argc, char **argv)
{
    static const char help[] = "usage: ceremony version\n\nPrints the program's name and version.\n";
    if (argc > 1) {
        gboolean asked = strcmp (argv[1], "--help") == 0;
        fputs (help, asked ? stdout : stderr);
        return asked ? 0 : 2;
    }
    puts ("ceremony " CEREMONY_VERSION);
    return 0;
}
