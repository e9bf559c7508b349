/* Errors, clocks, secrets, files, locks and child processes, seen from the system's side: /proc, file modes, a full disk, a dead parent. */
#include "ceremony/base/child.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/base/secret.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *folder;

static char *
in_folder (const char *name)
{
    return g_build_filename (folder, name, NULL);
}

static void
test_errors (void)
{
    g_autoptr (GError) error = NULL;
    g_assert_false (io_fail (&error, ENOSPC, "%s", "file"));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_SPACE);
    g_clear_error (&error);
    g_assert_false (io_fail (&error, EACCES, "%s", "file"));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_IO);
    g_assert_cmpstr (error->message, ==, "file: Permission denied");
    g_clear_error (&error);
    g_assert_null (EVP_PKEY_new_raw_public_key (EVP_PKEY_ED25519, NULL, (const guint8 *) "x", 1));
    g_assert_false (crypto_fail (&error, "reading a key"));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_CRYPTO);
    g_assert_true (g_str_has_prefix (error->message, "reading a key: error:"));
    g_clear_error (&error);
    crypto_fail (&error, "again");
    g_assert_nonnull (strstr (error->message, "no reason"));
}

static void
test_clock (void)
{
    static const struct { gint64 ms; const char *text; } times[] = {
        { 0, "1970-01-01T00:00:00.000Z" }, { -1, "1969-12-31T23:59:59.999Z" }, { 1795548267412, "2026-11-24T19:24:27.412Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" }, { 253402300799999, "9999-12-31T23:59:59.999Z" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (times); i++) {
        gint64 ms = 0;
        g_autofree char *text = clock_format (times[i].ms);
        g_assert_cmpstr (text, ==, times[i].text);
        g_assert_true (clock_parse (text, &ms, NULL));
        g_assert_cmpint (ms, ==, times[i].ms);
    }
    static const char *const bad[] = {
        "", "2026-11-23T20:31:07Z", "2026-11-23T20:31:07.412", "2026-11-23 20:31:07.412Z", "2026-11-23T20:31:07.412z", "2026-11-23T20:31:07.412Z ",
        "2026-02-29T00:00:00.000Z", "2026-13-01T00:00:00.000Z", "2026-00-01T00:00:00.000Z", "2026-01-00T00:00:00.000Z", "2026-01-01T24:00:00.000Z",
        "2026-01-01T00:60:00.000Z", "2026-01-01T00:00:60.000Z", "0000-01-01T00:00:00.000Z", "2026-1-1T00:00:00.000Z", "+026-01-01T00:00:00.000Z",
    };
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr (GError) error = NULL;
        gint64 ms;
        if (clock_parse (bad[i], &ms, &error))
            g_error ("accepted: %s", bad[i]);
        g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    }
    gint64 boot = clock_boot_ms ();
    g_usleep (5000);
    g_assert_cmpint (clock_boot_ms (), >=, boot + 5);
    g_assert_cmpint (ABS (clock_wall_ms () - g_get_real_time () / 1000), <, 1000);
    g_autofree char *id = clock_boot_id ();
    g_assert_cmpuint (strlen (id), ==, 36);
    const char *ntp = clock_ntp_state ();
    g_assert_true (strcmp (ntp, "synchronised") == 0 || strcmp (ntp, "unsynchronised") == 0 || strcmp (ntp, "unknown") == 0);
}

/* The VmFlags of the mapping that holds @address, from our own smaps. */
static char *
vm_flags (const void *address)
{
    g_autofree char *smaps = NULL;
    g_assert_true (g_file_get_contents ("/proc/self/smaps", &smaps, NULL, NULL));
    g_auto (GStrv) lines = g_strsplit (smaps, "\n", -1);
    gboolean here = FALSE;
    for (char **line = lines; *line != NULL; line++) {
        unsigned long begin, end;
        if (sscanf (*line, "%lx-%lx ", &begin, &end) == 2)
            here = (gulong) address >= begin && (gulong) address < end;
        if (here && g_str_has_prefix (*line, "VmFlags:"))
            return g_strconcat (*line + strlen ("VmFlags:"), " ", NULL);
    }
    return NULL;
}

static void
test_secret_page (void)
{
    g_autoptr (Secret) secret = secret_new ();
    g_autofree char *flags = vm_flags (secret);
    g_assert_nonnull (flags);
    g_assert_nonnull (strstr (flags, " dd "));
    g_assert_nonnull (strstr (flags, " wf "));
#ifndef __SANITIZE_ADDRESS__                /* its mlock does nothing */
    struct rlimit lock;
    g_assert_cmpint (getrlimit (RLIMIT_MEMLOCK, &lock), ==, 0);
    if (lock.rlim_cur >= 64 * 1024)
        g_assert_nonnull (strstr (flags, " lo "));
#endif
}

static void
test_secret_edit (void)
{
    g_autoptr (Secret) secret = secret_new ();
    g_assert_cmpuint (secret_len (secret), ==, 0);
    for (const char *p = "12\xc3\xb6"; *p != '\0'; p++)
        g_assert_true (secret_append (secret, (guint8) *p));
    g_assert_cmpstr (secret_data (secret), ==, "12\xc3\xb6");
    secret_backspace (secret);
    g_assert_cmpstr (secret_data (secret), ==, "12");
    secret_set (secret, "a long one", 10);
    secret_set (secret, "short", 5);
    g_assert_cmpstr (secret_data (secret), ==, "short");
    /* Nothing of the longer one is left behind it, nothing of any after wiping. */
    for (int i = 5; i <= SECRET_MAX; i++)
        g_assert_cmpint (secret_data (secret)[i], ==, 0);
    secret_wipe (secret);
    secret_backspace (secret);
    g_assert_cmpuint (secret_len (secret), ==, 0);
    for (int i = 0; i <= SECRET_MAX; i++)
        g_assert_cmpint (secret_data (secret)[i], ==, 0);
    for (int i = 0; i < SECRET_MAX; i++)
        g_assert_true (secret_append (secret, 'x'));
    g_assert_false (secret_append (secret, 'x'));
    g_assert_cmpuint (strlen (secret_data (secret)), ==, SECRET_MAX);
}

static void
test_secret_fork (void)
{
    g_autoptr (Secret) secret = secret_new ();
    secret_set (secret, "4711", 4);
    pid_t pid = fork ();
    if (pid == 0)
        _exit (secret_len (secret) == 0 && secret_data (secret)[0] == '\0' ? 0 : 1);
    int status = -1;
    g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
    g_assert_cmpint (status, ==, 0);
    g_assert_cmpstr (secret_data (secret), ==, "4711");
}

static void
test_harden (void)
{
    pid_t pid = fork ();
    if (pid == 0) {
        struct rlimit core;
        secret_harden_process ();
        gboolean ok = prctl (PR_GET_DUMPABLE) == 0 && getrlimit (RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0 &&
                      umask (0) == 077 && CRYPTO_secure_malloc_initialized ();
        _exit (ok ? 0 : 1);
    }
    int status = -1;
    g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
    g_assert_cmpint (status, ==, 0);
}

static guint
entries (const char *path)
{
    g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
    guint n = 0;
    while (g_dir_read_name (dir) != NULL)
        n++;
    return n;
}

static void
test_file_round_trip (void)
{
    g_autofree char *sub = in_folder ("a/b/c");
    g_autofree char *path = g_build_filename (sub, "file", NULL);
    g_autoptr (GError) error = NULL;
    g_assert_true (file_mkdir (sub, &error));
    g_assert_true (file_mkdir (sub, &error));
    struct stat st;
    g_assert_cmpint (stat (sub, &st), ==, 0);
    g_assert_cmphex (st.st_mode & 0777, ==, 0700);

    g_assert_true (file_write (path, "first", 5, 0640, FALSE, &error));
    g_assert_cmpint (stat (path, &st), ==, 0);
    g_assert_cmphex (st.st_mode & 0777, ==, 0640);
    g_assert_false (file_write (path, "second", 6, 0600, FALSE, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_EXISTS);
    g_clear_error (&error);
    g_autoptr (GBytes) first = file_read (path, 5, &error);
    g_assert_cmpmem (g_bytes_get_data (first, NULL), g_bytes_get_size (first), "first", 5);
    g_assert_true (file_write (path, "", 0, 0600, TRUE, &error));
    g_autoptr (GBytes) empty = file_read (path, 0, &error);
    g_assert_cmpuint (g_bytes_get_size (empty), ==, 0);
    g_assert_cmpuint (entries (sub), ==, 1);
    g_assert_cmpint (file_free_space (sub), >, 0);
    g_assert_cmpint (file_free_space ("/none"), ==, -1);
}

static void
test_file_refuses (void)
{
    g_autofree char *path = in_folder ("big");
    g_autofree char *pipe_path = in_folder ("pipe");
    g_autofree char *none = in_folder ("none");
    g_autoptr (GError) error = NULL;
    g_assert_true (file_write (path, "123456", 6, 0600, FALSE, NULL));
    g_assert_null (file_read (path, 5, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_LIMIT);
    g_clear_error (&error);
    g_assert_null (file_read (none, 5, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
    g_clear_error (&error);
    g_assert_null (file_read (folder, 5, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_clear_error (&error);
    g_assert_cmpint (mkfifo (pipe_path, 0600), ==, 0);
    g_assert_null (file_read (pipe_path, 5, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_clear_error (&error);
    g_assert_null (file_read ("/dev/zero", 5, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_clear_error (&error);
    g_assert_false (file_write ("/none/file", "x", 1, 0600, FALSE, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_IO);
}

/* /dev/full can't be renamed over; a limit on file size is as good as a full disk for what is left behind. */
static void
test_file_full (void)
{
    g_autofree char *sub = in_folder ("full");
    g_autofree char *path = in_folder ("full/file");
    g_autofree char *big = g_malloc0 (64 * 1024);
    g_assert_true (file_mkdir (sub, NULL));
    g_assert_true (file_write (path, "old", 3, 0600, FALSE, NULL));
    struct rlimit before, small;
    g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
    small = (struct rlimit) { 16 * 1024, before.rlim_max };
    signal (SIGXFSZ, SIG_IGN);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
    g_autoptr (GError) error = NULL;
    gboolean ok = file_write (path, big, 64 * 1024, 0600, TRUE, &error);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
    g_assert_false (ok);
    g_assert_error (error, BASE_ERROR, BASE_ERROR_IO);
    g_assert_cmpuint (entries (sub), ==, 1);
    g_autoptr (GBytes) old = file_read (path, 10, NULL);
    g_assert_cmpmem (g_bytes_get_data (old, NULL), g_bytes_get_size (old), "old", 3);
}

static void
test_remove_tree (void)
{
    g_autofree char *kept = in_folder ("kept");
    g_autofree char *kept_file = in_folder ("kept/file");
    g_autofree char *tree = in_folder ("tree");
    g_autofree char *deep = in_folder ("tree/x/y");
    g_autofree char *deep_file = in_folder ("tree/x/y/file");
    g_autofree char *link_path = in_folder ("tree/link");
    g_autofree char *root_link = in_folder ("root-link");
    g_assert_true (file_mkdir (kept, NULL) && file_mkdir (deep, NULL));
    g_assert_true (file_write (kept_file, "x", 1, 0600, FALSE, NULL) && file_write (deep_file, "x", 1, 0600, FALSE, NULL));
    g_assert_cmpint (symlink (kept, link_path), ==, 0);
    g_assert_cmpint (symlink (kept, root_link), ==, 0);
    g_autoptr (GError) error = NULL;
    g_assert_true (file_remove_tree (tree, &error));
    g_assert_false (g_file_test (tree, G_FILE_TEST_EXISTS));
    g_assert_true (file_remove_tree (root_link, &error));
    g_assert_true (g_file_test (kept_file, G_FILE_TEST_EXISTS));
    g_assert_true (file_remove_tree (tree, &error));
}

static void
test_lock (void)
{
    g_autofree char *path = in_folder ("lock");
    g_autoptr (GError) error = NULL;
    int fd = file_lock (path, &error);
    g_assert_no_error (error);
    g_assert_cmpint (fd, >=, 0);
    g_assert_cmpint (file_lock (path, &error), ==, -1);
    g_assert_error (error, BASE_ERROR, BASE_ERROR_BUSY);
    g_clear_error (&error);
    /* A child doesn't inherit it. */
    const char *argv[] = { "/bin/sleep", "5", NULL };
    Child child;
    g_assert_true (child_start (argv, CHILD_DIES_WITH_US, -1, NULL, &child, &error));
    close (fd);
    fd = file_lock (path, &error);
    g_assert_no_error (error);
    close (fd);
    kill (child.pid, SIGKILL);
    waitpid (child.pid, NULL, 0);
}

/* Runs a shell line and gives its output. */
static char *
shell (const char *line, int pass_fd, const char *log_path, int *status)
{
    const char *argv[] = { "/bin/sh", "-c", line, NULL };
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) output = NULL;
    child_run (argv, pass_fd, log_path, 10000, 65536, &output, status, &error);
    g_assert_no_error (error);
    gsize len;
    const char *text = g_bytes_get_data (output, &len);
    return g_strndup (len > 0 ? text : "", len);
}

static void
test_child_descriptors (void)
{
    int stray[3];
    for (int i = 0; i < 3; i++)
        stray[i] = open ("/dev/null", O_RDONLY);
    int status = -1;
    g_autofree char *fds = shell ("cd /proc/self/fd && echo * && readlink 0 1 2", -1, NULL, &status);
    g_assert_cmpint (status, ==, 0);
    /* Descriptor 3 may be the shell's own, for the folder it lists. */
    g_assert_true (g_str_has_prefix (fds, "0 1 2\n") || g_str_has_prefix (fds, "0 1 2 3\n"));
    g_assert_nonnull (strstr (fds, "/dev/null\npipe:"));
    g_assert_true (g_str_has_suffix (fds, "/dev/null\n"));
    for (int i = 0; i < 3; i++)
        close (stray[i]);

    g_autofree char *path = in_folder ("passed");
    g_assert_true (file_write (path, "through four", 12, 0600, FALSE, NULL));
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    g_autofree char *passed = shell ("cat <&4; exit 3", fd, NULL, &status);
    g_assert_cmpstr (passed, ==, "through four");
    g_assert_cmpint (status, ==, 3);
    close (fd);
}

static void
test_child_environment (void)
{
    g_setenv ("CEREMONY_TEST_MARK", "kept", TRUE);
    g_setenv ("TEST_PIN_MARK", "secret", TRUE);
    g_setenv ("PATHOLOGICAL", "secret", TRUE);
    int status;
    g_autofree char *env = shell ("env", -1, NULL, &status);
    g_assert_nonnull (strstr (env, "CEREMONY_TEST_MARK=kept\n"));
    g_assert_nonnull (strstr (env, "PATH="));
    g_assert_null (strstr (env, "secret"));
}

static void
test_child_log (void)
{
    g_autofree char *log_path = in_folder ("child.log");
    int status;
    g_autofree char *none = shell ("echo one >&2", -1, log_path, &status);
    g_autofree char *none2 = shell ("echo two >&2", -1, log_path, &status);
    g_assert_cmpstr (none, ==, "");
    g_autoptr (GBytes) log = file_read (log_path, 100, NULL);
    g_assert_cmpmem (g_bytes_get_data (log, NULL), g_bytes_get_size (log), "one\ntwo\n", 8);
    struct stat st;
    g_assert_cmpint (stat (log_path, &st), ==, 0);
    g_assert_cmphex (st.st_mode & 0777, ==, 0600);
}

static void
test_child_limits (void)
{
    g_autoptr (GError) error = NULL;
    const char *slow[] = { "/bin/sh", "-c", "sleep 30", NULL };
    gint64 began = g_get_monotonic_time ();
    g_assert_false (child_run (slow, -1, NULL, 100, 10, NULL, NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_LIMIT);
    g_clear_error (&error);
    const char *loud[] = { "/bin/sh", "-c", "yes", NULL };
    g_assert_false (child_run (loud, -1, NULL, 10000, 100000, NULL, NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_LIMIT);
    g_clear_error (&error);
    /* A grandchild that keeps the pipe open neither holds us nor outlives the call. */
    int status;
    g_autofree char *text = shell ("sleep 30 & echo $!; exit 0", -1, NULL, &status);
    g_assert_cmpint (g_get_monotonic_time () - began, <, 8 * G_USEC_PER_SEC);
    g_assert_cmpint (status, ==, 0);
    pid_t orphan = (pid_t) g_ascii_strtoll (text, NULL, 10);
    g_autofree char *stat_path = g_strdup_printf ("/proc/%d/stat", orphan);
    g_autofree char *state = NULL;
    for (int i = 0; i < 100 && g_file_get_contents (stat_path, &state, NULL, NULL) && strstr (state, ") Z") == NULL; i++) {
        g_clear_pointer (&state, g_free);
        g_usleep (10000);
    }
    g_assert_true (state == NULL || strstr (state, ") Z") != NULL);
    const char *none[] = { "/none/program", NULL };
    g_assert_false (child_run (none, -1, NULL, 1000, 10, NULL, NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
    g_clear_error (&error);
    const char *no_program[] = { "/etc/passwd", NULL };
    g_assert_false (child_run (no_program, -1, NULL, 1000, 10, NULL, NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_IO);
    g_free (shell ("kill -9 $$", -1, NULL, &status));
    g_assert_cmpint (status, ==, -SIGKILL);
}

static void
test_child_socket (void)
{
    const char *argv[] = { "/bin/sh", "-c", "cat <&3 >&3", NULL };
    g_autoptr (GError) error = NULL;
    Child child;
    g_assert_true (child_start (argv, CHILD_SOCKET | CHILD_DIES_WITH_US, -1, NULL, &child, &error));
    g_assert_cmpint (child.out, ==, -1);
    g_assert_cmpint (send (child.sock, "message", 7, 0), ==, 7);
    char reply[16];
    g_assert_cmpint (recv (child.sock, reply, sizeof reply, 0), ==, 7);
    g_assert_cmpint (fcntl (child.sock, F_GETFD) & FD_CLOEXEC, !=, 0);
    int type;
    socklen_t len = sizeof type;
    g_assert_cmpint (getsockopt (child.sock, SOL_SOCKET, SO_TYPE, &type, &len), ==, 0);
    g_assert_cmpint (type, ==, SOCK_SEQPACKET);
    close (child.sock);
    int status;
    g_assert_cmpint (waitpid (child.pid, &status, 0), ==, child.pid);
    g_assert_cmpint (status, ==, 0);
}

/* Signals that we block or ignore reach the child as usual. */
static void
test_child_signals (void)
{
    sigset_t block, before;
    sigemptyset (&block);
    sigaddset (&block, SIGTERM);
    sigprocmask (SIG_BLOCK, &block, &before);
    signal (SIGPIPE, SIG_IGN);
    int status;
    g_autofree char *masks = shell ("grep -E 'SigBlk|SigIgn' /proc/self/status", -1, NULL, &status);
    sigprocmask (SIG_SETMASK, &before, NULL);
    signal (SIGPIPE, SIG_DFL);
    /* 32 and 33 are the C library's own: nobody else can set or clear them, and who started the tests may have left them ignored. */
    guint64 libc = G_GUINT64_CONSTANT (3) << 31, blocked, ignored;
    g_assert_cmpint (sscanf (masks, "SigBlk: %" G_GINT64_MODIFIER "x SigIgn: %" G_GINT64_MODIFIER "x", &blocked, &ignored), ==, 2);
    g_assert_cmpuint (blocked, ==, 0);
    g_assert_cmpuint (ignored & ~libc, ==, 0);
}

/* The parent is killed with -9: so is the child, whose end of the pipe closes. */
static void
test_child_dies_with_us (void)
{
    int life[2];
    g_assert_cmpint (pipe (life), ==, 0);
    pid_t parent = fork ();
    if (parent == 0) {
        close (life[0]);
        const char *argv[] = { "/bin/sleep", "30", NULL };
        Child child;
        child_start (argv, CHILD_DIES_WITH_US, life[1], NULL, &child, NULL);
        kill (getpid (), SIGKILL);
    }
    close (life[1]);
    waitpid (parent, NULL, 0);
    struct pollfd fd = { .fd = life[0], .events = POLLIN };
    g_assert_cmpint (poll (&fd, 1, 5000), ==, 1);
    g_assert_cmpint (fd.revents & POLLHUP, !=, 0);
    close (life[0]);
}

static void
test_paths (void)
{
    g_autofree char *self = child_self_path ();
    g_assert_true (g_str_has_suffix (self, "/test-base"));
    g_autoptr (GError) error = NULL;
    g_setenv ("CEREMONY_MEDIA", "/none", TRUE);
    g_assert_null (child_media_path (&error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
    g_setenv ("CEREMONY_MEDIA", "/bin/true", TRUE);
    g_autofree char *named = child_media_path (NULL);
    g_assert_cmpstr (named, ==, "/bin/true");
    g_unsetenv ("CEREMONY_MEDIA");
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    folder = g_dir_make_tmp ("base-XXXXXX", NULL);
    g_test_add_func ("/errors", test_errors);
    g_test_add_func ("/clock", test_clock);
    g_test_add_func ("/secret/page", test_secret_page);
    g_test_add_func ("/secret/edit", test_secret_edit);
    g_test_add_func ("/secret/fork", test_secret_fork);
    g_test_add_func ("/secret/harden", test_harden);
    g_test_add_func ("/file/round-trip", test_file_round_trip);
    g_test_add_func ("/file/refuses", test_file_refuses);
    g_test_add_func ("/file/full", test_file_full);
    g_test_add_func ("/file/remove-tree", test_remove_tree);
    g_test_add_func ("/file/lock", test_lock);
    g_test_add_func ("/child/descriptors", test_child_descriptors);
    g_test_add_func ("/child/environment", test_child_environment);
    g_test_add_func ("/child/log", test_child_log);
    g_test_add_func ("/child/limits", test_child_limits);
    g_test_add_func ("/child/socket", test_child_socket);
    g_test_add_func ("/child/signals", test_child_signals);
    g_test_add_func ("/child/dies-with-us", test_child_dies_with_us);
    g_test_add_func ("/child/paths", test_paths);
    int result = g_test_run ();
    file_remove_tree (folder, NULL);
    g_free (folder);
    return result;
}
