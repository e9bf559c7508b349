/* PKCS#11 modules write to standard error (measured: 14 lines of one that finds no TPM). On the screen of a ceremony that would spoil what people read and what is
 * recorded, so while one runs it goes to a log. Where standard error isn't a terminal it stays what it is. */
#include "ceremony/run/engine.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void
run_quiet (Run *run)
{
    g_autofree char *path = g_build_filename (run->home, "modules.log", NULL);
    int log;

    if (run->stderr_fd >= 0 || !isatty (STDERR_FILENO))
        return;
    log = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log < 0)
        return;
    fflush (stderr);
    run->stderr_fd = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    dup2 (log, STDERR_FILENO);
    close (log);
}

void
run_loud (Run *run)
{
    if (run->stderr_fd < 0)
        return;
    fflush (stderr);
    dup2 (run->stderr_fd, STDERR_FILENO);
    close (run->stderr_fd);
    run->stderr_fd = -1;
}
