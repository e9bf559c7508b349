/* ceremony doctor: what this machine has and lacks for a ceremony, and how to get it. */
#include <stdio.h>
#include <string.h>
#include "ceremony/base/cjson.h"
#include "ceremony/commands/commands.h"
#include "ceremony/run/doctor.h"

static const char help[] =
    "usage: ceremony doctor [--home DIR] [--module FILE] [--json]\n"
    "\n"
    "Says what this machine has and lacks for a ceremony, and how to get it. Exit status 0: nothing lacks; 1: something does.\n";

static void
print_finding (const DoctorFinding *f)
{
    static const char *const words[] = { "good", "LACKS", "warns" };
    g_auto (GStrv) lines = g_strsplit (f->found, "\n", -1);
    printf ("%-15s %-6s %s\n", f->name, words[f->result], lines[0] ? lines[0] : "");
    for (char **line = lines[0] ? lines + 1 : lines; *line != NULL; line++)
        printf ("%22s %s\n", "", *line);
    if (f->how[0] != '\0')
        printf ("%22s → %s\n", "", f->how);
}

static void
print_json (const GPtrArray *findings)
{
    static const char *const words[] = { "good", "lacks", "warns" };
    g_autoptr (json_t) all = json_array ();
    for (guint i = 0; i < findings->len; i++) {
        const DoctorFinding *f = g_ptr_array_index (findings, i);
        json_array_append_new (all, json_pack ("{s:s, s:s, s:o, s:s}", "name", f->name, "result", words[f->result], "found",
                                               cjson_bytes (f->found, strlen (f->found)), "how", f->how));
    }
    g_autofree char *text = cjson_encode (all, NULL);
    puts (text ? text : "[]");
}

int
command_doctor (int argc, char **argv)
{
    const char *home = NULL, *module = NULL;
    gboolean json = FALSE;
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0) {
            fputs (help, stdout);
            return 0;
        }
        if (strcmp (argv[i], "--json") == 0)
            json = TRUE;
        else if (strcmp (argv[i], "--home") == 0 && i + 1 < argc)
            home = argv[++i];
        else if (strcmp (argv[i], "--module") == 0 && i + 1 < argc)
            module = argv[++i];
        else {
            fputs (help, stderr);
            return 2;
        }
    }
    g_autoptr (GPtrArray) findings = doctor_examine (home, module);
    gboolean lacks = FALSE;
    for (guint i = 0; i < findings->len; i++) {
        const DoctorFinding *f = g_ptr_array_index (findings, i);
        lacks = lacks || f->result == DOCTOR_LACKS;
        if (!json)
            print_finding (f);
    }
    if (json)
        print_json (findings);
    return lacks ? 1 : 0;
}
