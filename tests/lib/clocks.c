/* Preloaded: CLOCK_BOOTTIME and the wall clock stand as many milliseconds ahead as the two numbers in the file $TEST_CLOCKS say, now: so a machine that slept (both), or
 * whose clock was set (the second), is met without either. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long
ahead_ms (clockid_t id)
{
    const char *path = getenv ("TEST_CLOCKS");
    char text[64] = "";
    long boot = 0, wall = 0;
    int fd = path ? open (path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return 0;
    if (read (fd, text, sizeof text - 1) > 0)
        sscanf (text, "%ld %ld", &boot, &wall);
    close (fd);
    return id == CLOCK_REALTIME ? wall : boot;
}

int
clock_gettime (clockid_t id, struct timespec *now)
{
    static int (*real) (clockid_t, struct timespec *);
    int result;

    if (!real)
        *(void **) &real = dlsym (RTLD_NEXT, "clock_gettime");
    result = real (id, now);
    if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_BOOTTIME)) {
        long ms = ahead_ms (id), ns = now->tv_nsec + ms % 1000 * 1000000;
        now->tv_sec += ms / 1000 + (ns >= 1000000000) - (ns < 0);
        now->tv_nsec = ns >= 1000000000 ? ns - 1000000000 : ns < 0 ? ns + 1000000000 : ns;
    }
    return result;
}

time_t
time (time_t *at)
{
    struct timespec now;

    clock_gettime (CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

int
gettimeofday (struct timeval *restrict at, void *restrict zone)
{
    struct timespec now;

    clock_gettime (CLOCK_REALTIME, &now);
    *at = (struct timeval) { now.tv_sec, now.tv_nsec / 1000 };
    return 0;
}
