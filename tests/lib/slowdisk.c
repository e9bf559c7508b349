/* Preloaded: fdatasync takes $SLOW_FDATASYNC_MS milliseconds longer, as on a disk that is busy or wearing out. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int
fdatasync (int fd)
{
    static int (*real) (int);
    const char *ms = getenv ("SLOW_FDATASYNC_MS");
    if (!real)
        *(void **) &real = dlsym (RTLD_NEXT, "fdatasync");
    if (ms) {
        long n = atol (ms);
        nanosleep (&(struct timespec) { n / 1000, n % 1000 * 1000000 }, NULL);
    }
    return real (fd);
}
