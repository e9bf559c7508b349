/* Standard error put aside, and back. */
#include "ceremony/base/quiet.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int
quiet_begin (const char *path)
{
    int to = path ? open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    if (to < 0)
        to = open ("/dev/null", O_WRONLY | O_CLOEXEC);
    fflush (stderr);
    int saved = to < 0 ? -1 : fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (saved >= 0)
        dup2 (to, STDERR_FILENO);
    if (to >= 0)
        close (to);
    return saved;
}

void
quiet_end (int saved)
{
    if (saved < 0)
        return;
    fflush (stderr);
    dup2 (saved, STDERR_FILENO);
    close (saved);
}
