/* ceremony script check|print|acts: a ceremony script before anybody uses it. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "ceremony/commands/commands.h"
#include "ceremony/script/acts.h"
#include "ceremony/script/script.h"

static const char help[] =
    "usage: ceremony script check FILE…   read and check scripts; each problem with file, line and column\n"
    "       ceremony script print FILE    the paper script: steps, initials, times, SHA-256\n"
    "       ceremony script acts          the acts that a script may use\n";

static int
check (char **files)
{
    int status = 0;
    for (; *files != NULL; files++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (Script) script = script_load (*files, &error);
        if (script == NULL) {
            fprintf (stderr, "%s\n", error->message);
            status = 1;
        } else {
            printf ("%s: \"%s\", version %s, %u steps, is well formed\nSHA-256 %s\n", *files, script->title, script->version, script->steps->len,
                    script->sha256);
        }
    }
    return status;
}

static int
print (const char *file)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Script) script = script_load (file, &error);
    if (script == NULL) {
        fprintf (stderr, "%s\n", error->message);
        return 1;
    }
    struct winsize size;
    gboolean tty = ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    g_autofree char *paper = script_print (script, tty ? MIN (size.ws_col, 120) : 100);
    fputs (paper, stdout);
    return 0;
}

static int
list_acts (void)
{
    for (const ActInfo *act = act_table; act->name != NULL; act++)
        printf ("%-13s %s%s%s\n", act->name, act->meaning, act->flags & ACT_REQUIRED ? " Required" : "", act->flags & ACT_ONCE ? " (once)." : "");
    return 0;
}

int
command_script (int argc, char **argv)
{
    if (argc >= 2 && strcmp (argv[1], "--help") == 0) {
        fputs (help, stdout);
        return 0;
    }
    if (argc >= 3 && strcmp (argv[1], "check") == 0)
        return check (argv + 2);
    if (argc == 3 && strcmp (argv[1], "print") == 0)
        return print (argv[2]);
    if (argc == 2 && strcmp (argv[1], "acts") == 0)
        return list_acts ();
    fputs (help, stderr);
    return 2;
}
