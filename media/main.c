/* ceremony-media: everything that touches codecs, cameras and fonts, apart from the program that holds the PIN. It is started by
 * `ceremony`, a process a job; people only need `cameras`. */
#include "media/jobs.h"
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run) (int argc, char **argv);
    const char *what;
    gboolean hostile;           /* it decodes in the sandbox */
} jobs[] = {
    { "record", job_record, "record a ceremony (started by `ceremony`, with a socket)", FALSE },
    { "scan", job_scan, "read the QR codes of a video (descriptor 4)", TRUE },
    { "thumbnail", job_thumbnail, "pictures of moments of a video (descriptor 4)", TRUE },
    { "look", job_look, "what the cameras show, and whether it was there before (descriptor 4)", TRUE },
    { "hear", job_hear, "the sound of a stretch of a recording (descriptor 4)", TRUE },
    { "remux", job_remux, "a recording as MP4 with an index, for looking (descriptor 4 to standard output)", FALSE },
    { "share", job_share, "the recorder's picture in a window or as a virtual camera (started by the recorder)", FALSE },
    { "preview", job_preview, "what a camera sees, in characters or in a window", FALSE },
    { "screen", job_screen, "read the QR codes off an X display (started by `ceremony watch screen`)", FALSE },
    { "cameras", job_cameras, "list the cameras of this machine, a JSON line each", FALSE },
};

static int
usage (FILE *out, int status)
{
    fputs ("usage: ceremony-media JOB …\n\nThe part of `ceremony` that records and reads video; `ceremony` starts it. Jobs:\n", out);
    for (gsize i = 0; i < G_N_ELEMENTS (jobs); i++)
        fprintf (out, "  %-10s %s\n", jobs[i].name, jobs[i].what);
    return status;
}

/* A job that decoded hostile video may have threads that never come to an end: nothing waits for them. */
static int
end (int status, gboolean hostile)
{
    if (hostile)
        _exit (fflush (stdout) == 0 ? status : 1);
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
            return end (jobs[i].run (argc - 1, argv + 1), jobs[i].hostile);
    fprintf (stderr, "ceremony-media: %s: there is no such job; `ceremony-media --help` lists them\n", argv[1]);
    return 2;
}
