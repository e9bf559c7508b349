/* Words of a command line that is printed for a person to paste. */
#include "ceremony/commands/commands.h"
#include <glib.h>
#include <string.h>

char *
shell_word (const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,=";
    return *path && path[strspn (path, plain)] == '\0' ? g_strdup (path) : g_shell_quote (path);
}
