/* PKCS#11 modules write to standard error (measured: 14 lines of one that finds no TPM). On the screen of a ceremony that would spoil what people read and what is
 * recorded, so while one runs it goes to a log. Where standard error isn't a terminal it stays what it is. */
#include "ceremony/run/engine.h"
#include <unistd.h>
#include "ceremony/base/quiet.h"

void
run_quiet (Run *run)
{
    g_autofree char *path = g_build_filename (run->home, "modules.log", NULL);

    if (run->stderr_fd < 0 && isatty (STDERR_FILENO))
        run->stderr_fd = quiet_begin (path);
}

void
run_loud (Run *run)
{
    quiet_end (run->stderr_fd);
    run->stderr_fd = -1;
}
