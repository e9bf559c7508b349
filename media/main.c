/* ceremony-media: everything that touches codecs, cameras and fonts, apart from the program that holds the PIN. It is started by
 * `ceremony`, a process a job; people only need `cameras`. */
#include "media/jobs.h"
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run) (int argc, char **argv);
    const char *what;
} jobs[] = {
    { "record", job_record, "record a ceremony (started by `ceremony`, with a socket)" },
    { "scan", job_scan, "read the QR codes of a video (descriptor 4)" },
    { "thumbnail", job_thumbnail, "pictures of moments of a video (descriptor 4)" },
    { "look", job_look, "what the cameras show, and whether it was there before (descriptor 4)" },
    { "hear", job_hear, "the sound of a stretch of a recording (descriptor 4)" },
    { "remux", job_remux, "a recording as MP4 with an index, for looking (descriptor 4 to standard output)" },
    { "share", job_share, "the recorder's picture in a window or as a virtual camera (started by the recorder)" },
    { "preview", job_preview, "what a camera sees, in characters or in a window" },
    { "screen", job_screen, "read the QR codes off an X display (started by `ceremony watch screen`)" },
    { "cameras", job_cameras, "list the cameras of this machine, a JSON line each" },
};

static int
usage (FILE *out, int status)
{
    fputs ("usage: ceremony-media JOB …\n\nThe part of `ceremony` that records and reads video; `ceremony` starts it. Jobs:\n", out);
    for (gsize i = 0; i < G_N_ELEMENTS (jobs); i++)
        fprintf (out, "  %-10s %s\n", jobs[i].name, jobs[i].what);
    return status;
}

int
main (int argc, char **argv)
{
    setlocale (LC_CTYPE, "");
    if (argc < 2)
        return usage (stderr, 2);
    if (strcmp (argv[1], "--help") == 0)
        return usage (stdout, 0);
    if (strcmp (argv[1], "--version") == 0) {
        puts ("ceremony-media " CEREMONY_VERSION);
        return 0;
    }
    for (gsize i = 0; i < G_N_ELEMENTS (jobs); i++)
        if (strcmp (argv[1], jobs[i].name) == 0)
            return jobs[i].run (argc - 1, argv + 1);
    fprintf (stderr, "ceremony-media: %s: there is no such job; `ceremony-media --help` lists them\n", argv[1]);
    return 2;
}
