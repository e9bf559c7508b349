/* Preloaded into `ceremony`: kills it at the commit of an event, chosen by type, as a power cut would. Nothing in the program knows of it.
 *   KILL_AT_TYPE=key.generated   the event's type
 *   KILL_AT_NTH=1                the nth event of that type (default 1); with KILL_AT_TYPE unset the nth event at all
 *   KILL_WHEN=before|after       before the row is inserted, or after the commit (default) */
#include <dlfcn.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sqlite3_stmt *armed;
static int seen;

/* A line of the journal holds "type":"…" just once outside of its data, and the type sorts last. */
static int
is_wanted (const char *line, size_t len)
{
    const char *type = getenv ("KILL_AT_TYPE");
    if (len < 40 || line[0] != '{' || memmem (line, len, "\"salt\":\"", 8) == NULL)
        return 0;
    if (type == NULL)
        return getenv ("KILL_AT_NTH") != NULL;
    size_t n = strlen (type);
    const char *tail = "\"type\":\"";
    return len > n + 10 && memcmp (line + len - 2 - n, type, n) == 0 && memcmp (line + len - 2 - n - 8, tail, 8) == 0;
}

static void
bound (sqlite3_stmt *stmt, const void *data, size_t len)
{
    if (data == NULL || !is_wanted (data, len))
        return;
    const char *nth = getenv ("KILL_AT_NTH");
    if (++seen != (nth ? atoi (nth) : 1))
        return;
    armed = stmt;
}

int
sqlite3_bind_text (sqlite3_stmt *stmt, int i, const char *text, int n, void (*destroy) (void *))
{
    static int (*real) (sqlite3_stmt *, int, const char *, int, void (*) (void *));
    if (real == NULL)
        real = dlsym (RTLD_NEXT, "sqlite3_bind_text");
    bound (stmt, text, text ? (n < 0 ? strlen (text) : (size_t) n) : 0);
    return real (stmt, i, text, n, destroy);
}

int
sqlite3_bind_blob (sqlite3_stmt *stmt, int i, const void *data, int n, void (*destroy) (void *))
{
    static int (*real) (sqlite3_stmt *, int, const void *, int, void (*) (void *));
    if (real == NULL)
        real = dlsym (RTLD_NEXT, "sqlite3_bind_blob");
    bound (stmt, data, n < 0 ? 0 : (size_t) n);
    return real (stmt, i, data, n, destroy);
}

int
sqlite3_step (sqlite3_stmt *stmt)
{
    static int (*real) (sqlite3_stmt *);
    if (real == NULL)
        real = dlsym (RTLD_NEXT, "sqlite3_step");
    const char *when = getenv ("KILL_WHEN");
    int before = when != NULL && strcmp (when, "before") == 0;
    if (stmt == armed && before)
        kill (getpid (), SIGKILL);
    int rc = real (stmt);
    if (stmt == armed && !before)
        kill (getpid (), SIGKILL);
    return rc;
}
