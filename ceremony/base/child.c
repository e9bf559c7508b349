/* Child processes: forked with everything prepared, so that between fork and exec only async-signal-safe calls are made; a session of their own
 * away from the terminal; descriptors 0-4 and no others. */
#include "ceremony/base/child.h"
#include "ceremony/base/errors.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_FD 3
#define PASSED_FD 4
#define REPORT_FD 5                         /* closes at exec, or brings its errno */
#define N_FDS 6

/* A name, or a prefix where it ends in '*'. */
static const char *const kept_environment[] = {
    "PATH", "HOME", "LANG", "LC_*", "TZ", "TERM", "XDG_*", "TMPDIR", "SOFTHSM2_CONF", "TPM2_PKCS11_*", "TSS2_*", "P11_KIT_*", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "GST_*", "CEREMONY_*",
    "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LD_LIBRARY_PATH", "LD_PRELOAD",
};

static gboolean
is_kept (const char *assignment)
{
    gsize name_len = strcspn (assignment, "=");
    for (gsize i = 0; i < G_N_ELEMENTS (kept_environment); i++) {
        const char *kept = kept_environment[i];
        gsize len = strcspn (kept, "*");
        if (strncmp (assignment, kept, len) == 0 && (kept[len] == '*' ? name_len >= len : name_len == len))
            return TRUE;
    }
    return FALSE;
}

static GPtrArray *
clean_environment (void)
{
    GPtrArray *kept = g_ptr_array_new ();
    for (char **p = environ; p != NULL && *p != NULL; p++)
        if (is_kept (*p))
            g_ptr_array_add (kept, *p);
    g_ptr_array_add (kept, NULL);
    return kept;
}

char *
child_self_path (void)
{
    GError *error = NULL;
    char *path = g_file_read_link ("/proc/self/exe", &error);
    if (path == NULL)
        g_error ("/proc/self/exe: %s", error->message);
    return path;
}

char *
child_script_path (const char *name)
{
    g_autofree char *self = child_self_path (), *folder = g_path_get_dirname (self);
    g_autofree char *moved = g_build_filename (folder, "..", "share", "ceremony", "scripts", name, NULL);
    g_autofree char *source = g_build_filename (folder, "..", "scripts", name, NULL);
    const char *places[] = { moved, source };
    for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
        if (g_file_test (places[i], G_FILE_TEST_IS_REGULAR))
            return g_canonicalize_filename (places[i], NULL);
    return g_build_filename (CEREMONY_DATADIR, "scripts", name, NULL);
}

char *
child_media_path (GError **error)
{
    const char *named = g_getenv ("CEREMONY_MEDIA");
    if (named != NULL && *named != '\0') {
        if (access (named, X_OK) == 0)
            return g_strdup (named);
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "%s: CEREMONY_MEDIA names it, but it can't be run (%s)", named, g_strerror (errno));
        return NULL;
    }
    g_autofree char *self = child_self_path (), *folder = g_path_get_dirname (self);
    g_autofree char *beside = g_build_filename (folder, "ceremony-media", NULL);
    g_autofree char *moved = g_build_filename (folder, "..", "libexec", "ceremony", "ceremony-media", NULL);
    const char *places[] = { beside, moved, CEREMONY_LIBEXECDIR "/ceremony-media" };
    for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
        if (access (places[i], X_OK) == 0)
            return g_canonicalize_filename (places[i], NULL);
    g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING,
                 "ceremony-media: neither beside %s nor in " CEREMONY_LIBEXECDIR "; install it there, or name it in CEREMONY_MEDIA", self);
    return NULL;
}

static void
close_fd (int *fd)
{
    if (*fd >= 0)
        close (*fd);
    *fd = -1;
}

/* What the child needs, by the number it will have there; -1 where there is none. */
typedef struct {
    int   fds[N_FDS];
    pid_t parent;
    gboolean dies_with_us;
    const char *const *argv;
    char *const *envp;
} Plan;

static void G_GNUC_NORETURN
give_up (int report, int err)
{
    ssize_t ignored = write (report, &err, sizeof err);
    (void) ignored;
    _exit (127);
}

/* In the child: only async-signal-safe calls from here. */
static void G_GNUC_NORETURN
become (const Plan *plan)
{
    int high[N_FDS];
    int report = plan->fds[REPORT_FD];
    if (setsid () < 0)
        give_up (report, errno);
    for (int sig = 1; sig < NSIG; sig++)
        signal (sig, SIG_DFL);
    /* First all out of the way, then each to its number: no order of dup2 alone is safe for every set. */
    for (int i = 0; i < N_FDS; i++) {
        high[i] = plan->fds[i] < 0 ? -1 : fcntl (plan->fds[i], F_DUPFD_CLOEXEC, N_FDS);
        if (plan->fds[i] >= 0 && high[i] < 0)
            give_up (report, errno);
    }
    report = high[REPORT_FD];
    for (int i = 0; i < N_FDS; i++) {
        if (high[i] < 0)
            close (i);
        else if (dup3 (high[i], i, i == REPORT_FD ? O_CLOEXEC : 0) < 0)
            give_up (report, errno);
    }
    if (syscall (SYS_close_range, N_FDS, ~0U, 0) != 0)
        for (int fd = N_FDS; fd < 65536; fd++)
            close (fd);
    if (plan->dies_with_us) {
        prctl (PR_SET_PDEATHSIG, SIGKILL);
        if (getppid () != plan->parent)
            _exit (127);
    }
    sigset_t none;
    sigemptyset (&none);
    sigprocmask (SIG_SETMASK, &none, NULL);
    execve (plan->argv[0], (char *const *) plan->argv, plan->envp);
    give_up (REPORT_FD, errno);
}

static pid_t
fork_plan (const Plan *plan)
{
    sigset_t all, before;
    sigfillset (&all);
    pthread_sigmask (SIG_SETMASK, &all, &before);
    pid_t pid = fork ();
    if (pid == 0)
        become (plan);
    int err = errno;
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    errno = err;
    return pid;
}

static gboolean
open_log (const char *path, int *fd, GError **error)
{
    *fd = open (path != NULL ? path : "/dev/null", O_WRONLY | O_CLOEXEC | O_NOCTTY | (path != NULL ? O_APPEND | O_CREAT : 0), 0600);
    if (*fd < 0)
        return io_fail (error, errno, "%s", path != NULL ? path : "/dev/null");
    return TRUE;
}

/* What the child's standard output is: a pipe of ours, a file of the caller's, or nothing. */
static gboolean
open_output (ChildFlags flags, int out_fd, Plan *plan, Child *child, GError **error)
{
    int pair[2];
    if (out_fd >= 0) {
        plan->fds[1] = fcntl (out_fd, F_DUPFD_CLOEXEC, 3);
        return plan->fds[1] >= 0 || io_fail (error, errno, "passing a descriptor");
    }
    if ((flags & CHILD_OUTPUT) == 0) {
        plan->fds[1] = open ("/dev/null", O_WRONLY | O_CLOEXEC);
        return plan->fds[1] >= 0 || io_fail (error, errno, "/dev/null");
    }
    if (pipe2 (pair, O_CLOEXEC) != 0)
        return io_fail (error, errno, "making a pipe");
    child->out = pair[0];
    plan->fds[1] = pair[1];
    return TRUE;
}

/* The descriptors of both sides; ours are in @child, the child's in @plan. */
static gboolean
open_plan (ChildFlags flags, int pass_fd, int out_fd, const char *log_path, Plan *plan, Child *child, int *report, GError **error)
{
    int pair[2];
    if ((plan->fds[0] = open ("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
        return io_fail (error, errno, "/dev/null");
    if (!open_log (log_path, &plan->fds[2], error))
        return FALSE;
    if (pipe2 (pair, O_CLOEXEC) != 0)
        return io_fail (error, errno, "making a pipe");
    *report = pair[0];
    plan->fds[REPORT_FD] = pair[1];
    if (pass_fd >= 0 && (plan->fds[PASSED_FD] = fcntl (pass_fd, F_DUPFD_CLOEXEC, 3)) < 0)
        return io_fail (error, errno, "passing a descriptor");
    if ((flags & CHILD_SOCKET) != 0) {
        if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
            return io_fail (error, errno, "making a socket pair");
        child->sock = pair[0];
        plan->fds[SOCKET_FD] = pair[1];
    }
    return open_output (flags, out_fd, plan, child, error);
}

/* Waits until the child is another program, or tells why it isn't. */
static gboolean
await_exec (pid_t pid, int report, const char *program, GError **error)
{
    int err = 0;
    ssize_t n;
    do
        n = read (report, &err, sizeof err);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return TRUE;
    while (waitpid (pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (n == sizeof err && err == ENOENT) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "%s: no such program", program);
        return FALSE;
    }
    return io_fail (error, n == sizeof err ? err : EIO, "%s: can't be started", program);
}

static gboolean
start (const char *const *argv, ChildFlags flags, int pass_fd, int out_fd, const char *log_path, Child *child, GError **error)
{
    g_autoptr (GPtrArray) envp = clean_environment ();
    Plan plan = { .fds = { -1, -1, -1, -1, -1, -1 }, .parent = getpid (), .dies_with_us = (flags & CHILD_DIES_WITH_US) != 0,
                  .argv = argv, .envp = (char *const *) envp->pdata };
    int report = -1;
    *child = (Child) { .pid = -1, .sock = -1, .out = -1 };
    gboolean ok = open_plan (flags, pass_fd, out_fd, log_path, &plan, child, &report, error);
    if (ok) {
        child->pid = fork_plan (&plan);
        if (child->pid < 0)
            ok = io_fail (error, errno, "%s: can't be started", argv[0]);
    }
    for (int i = 0; i < N_FDS; i++)
        close_fd (&plan.fds[i]);
    ok = ok && await_exec (child->pid, report, argv[0], error);
    close_fd (&report);
    if (!ok) {
        close_fd (&child->sock);
        close_fd (&child->out);
        child->pid = -1;
    }
    return ok;
}

gboolean
child_start (const char *const *argv, ChildFlags flags, int pass_fd, const char *log_path, Child *child, GError **error)
{
    return start (argv, flags, pass_fd, -1, log_path, child, error);
}

/* TRUE where there may be more to read. */
static gboolean
take_output (int fd, GByteArray *output)
{
    guint8 piece[16384];
    ssize_t n = read (fd, piece, sizeof piece);
    if (n > 0)
        g_byte_array_append (output, piece, (guint) n);
    return n > 0 || (n < 0 && errno == EINTR);
}

static gboolean
limit_fail (GError **error, const char *program, const char *what)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "%s: %s; it was stopped", program, what);
    return FALSE;
}

/* Reads until the child has ended and its pipe is empty. A grandchild that keeps the pipe open doesn't hold us. */
static gboolean
collect (const Child *child, const char *program, gint64 deadline, gsize max_output, GByteArray *output, GError **error)
{
    int pidfd = (int) syscall (SYS_pidfd_open, child->pid, 0);
    if (pidfd < 0)
        return io_fail (error, errno, "%s: waiting for it", program);
    gboolean ended = FALSE, readable = child->out >= 0, ok = TRUE;
    while (ok && (readable || !ended)) {
        gint64 left = (deadline - g_get_monotonic_time ()) / 1000;
        struct pollfd fds[2] = { { .fd = readable ? child->out : -1, .events = POLLIN }, { .fd = ended ? -1 : pidfd, .events = POLLIN } };
        int n = left <= 0 ? 0 : poll (fds, 2, ended ? 0 : (int) MIN (left, G_MAXINT));
        if (n == 0 && ended)
            break;
        if (n == 0)
            ok = limit_fail (error, program, "it took too long");
        if (n > 0 && fds[0].revents != 0)
            readable = take_output (child->out, output);
        ended = ended || (n > 0 && fds[1].revents != 0);
        if (ok && output->len > max_output)
            ok = limit_fail (error, program, "it wrote too much");
    }
    close (pidfd);
    return ok;
}

/* Waits for @child and takes it away. */
static gboolean
finish (Child *running, const char *program, guint timeout_ms, gsize max_output, GBytes **output, int *status, GError **error)
{
    Child child = *running;
    g_autoptr (GByteArray) bytes = g_byte_array_new ();
    gint64 deadline = g_get_monotonic_time () + (gint64) timeout_ms * 1000;
    gboolean ok = collect (&child, program, deadline, max_output, bytes, error);
    /* Its session is its own: whatever it left behind goes with it. */
    kill (-child.pid, SIGKILL);
    int wstatus = 0;
    while (waitpid (child.pid, &wstatus, 0) < 0 && errno == EINTR)
        ;
    close_fd (&child.out);
    if (status != NULL)
        *status = WIFSIGNALED (wstatus) ? -WTERMSIG (wstatus) : WEXITSTATUS (wstatus);
    if (ok && output != NULL)
        *output = g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
    return ok;
}

gboolean
child_run (const char *const *argv, int pass_fd, const char *log_path, guint timeout_ms, gsize max_output, GBytes **output, int *status,
           GError **error)
{
    Child child;
    return start (argv, CHILD_OUTPUT | CHILD_DIES_WITH_US, pass_fd, -1, log_path, &child, error)
           && finish (&child, argv[0], timeout_ms, max_output, output, status, error);
}

gboolean
child_run_to (const char *const *argv, int pass_fd, int out_fd, const char *log_path, guint timeout_ms, int *status, GError **error)
{
    Child child;
    return start (argv, CHILD_DIES_WITH_US, pass_fd, out_fd, log_path, &child, error) && finish (&child, argv[0], timeout_ms, 0, NULL, status, error);
}
