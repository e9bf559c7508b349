/* A sweep of faults under the journal: the nth write, sync or truncation fails (once, or from there on), the process ends without closing, and what
 * is read afterwards must be true: every event and checkpoint that was acknowledged is there, in its place, and nothing is damaged. SQLite passes
 * over some failed syncs in silence, so an error isn't expected for every n. */
#include "ceremony/journal/journal.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS 6
#define MAX_CALLS 400

/* This program's own, which libsqlite3 takes instead of libc's: the linker exports them, since that library asks for them. */
int fdatasync (int fd);
ssize_t pwrite64 (int fd, const void *data, size_t len, off64_t offset);
int ftruncate64 (int fd, off64_t len);

static int calls, fail_at, fail_with;
static gboolean fail_on;                    /* all later ones too */

static gboolean
fails (void)
{
    calls++;
    if (fail_at == 0 || (fail_on ? calls < fail_at : calls != fail_at))
        return FALSE;
    errno = fail_with;
    return TRUE;
}

int
fdatasync (int fd)
{
    return fails () ? -1 : (int) syscall (SYS_fdatasync, fd);
}

ssize_t
pwrite64 (int fd, const void *data, size_t len, off64_t offset)
{
    /* A torn write: half of it is there when it fails. */
    if (fails ()) {
        int err = errno;
        syscall (SYS_pwrite64, fd, data, len / 2, offset);
        errno = err;
        return -1;
    }
    return syscall (SYS_pwrite64, fd, data, len, offset);
}

int
ftruncate64 (int fd, off64_t len)
{
    return fails () ? -1 : (int) syscall (SYS_ftruncate, fd, len);
}

static char *folder, *path;
static NoteKey *key;
static EVP_PKEY *pkey;

/* In the child: appends and signs, and tells through @out what was acknowledged, a line of text each. Ends without closing. */
static void G_GNUC_NORETURN
write_journal (int out)
{
    Journal *journal = journal_create (path, key, pkey, NULL);
    if (journal == NULL)
        _exit (1);
    journal_begin_sitting (journal);
    for (int i = 0; i < EVENTS; i++) {
        guint64 seq;
        if (journal_append (journal, "note.made", "operator", "", json_pack ("{s:i}", "n", i), &seq, NULL))
            dprintf (out, "%s\n", journal_event (journal, seq)->line);
        const char *note = journal_size (journal) > 0 && i % 2 == 1 ? journal_checkpoint (journal, NULL) : NULL;
        if (note != NULL)
            dprintf (out, "checkpoint %" G_GUINT64_FORMAT "\n", journal_checkpoint_size (journal));
    }
    _exit (0);
}

static void
check_acknowledged (Journal *journal, const char *text)
{
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    guint64 seq = 0;
    for (char **line = lines; *line != NULL && **line != '\0'; line++) {
        guint64 size = 0;
        if (sscanf (*line, "checkpoint %" G_GUINT64_FORMAT, &size) == 1) {
            g_assert_nonnull (journal_checkpoint_at (journal, size));
            continue;
        }
        const Event *event = journal_event (journal, seq++);
        g_assert_nonnull (event);
        g_assert_cmpstr (event->line, ==, *line);
    }
    /* At most the one event that failed may have reached the disk all the same. */
    g_assert_cmpuint (journal_size (journal), <=, seq + 1);
}

/* @refused is counted up where something wasn't recorded. */
static void
run_with_fault (int n, gboolean on, int err, guint *refused)
{
    g_autofree char *told_path = g_build_filename (folder, "told", NULL);
    int out = open (told_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    pid_t pid = fork ();
    if (pid == 0) {
        calls = 0;
        fail_at = n;
        fail_on = on;
        fail_with = err;
        write_journal (out);
    }
    int status = -1;
    g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
    g_assert_true (WIFEXITED (status));
    close (out);
    g_autofree char *told = NULL;
    g_assert_true (g_file_get_contents (told_path, &told, NULL, NULL));
    g_autoptr (GError) error = NULL;
    if (WEXITSTATUS (status) == 1) {
        g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
        g_assert_cmpstr (told, ==, "");
        ++*refused;
        return;
    }
    g_autoptr (Journal) looked = journal_open_readonly (path, &error);
    g_assert_no_error (error);
    check_acknowledged (looked, told);
    g_clear_pointer (&looked, journal_close);
    g_autoptr (Journal) journal = journal_open (path, key, pkey, &error);
    g_assert_no_error (error);
    check_acknowledged (journal, told);
    gboolean whole = journal_size (journal) == EVENTS && journal_checkpoint_size (journal) == EVENTS;
    *refused += !whole;
    journal_begin_sitting (journal);
    g_assert_true (journal_append (journal, "note.made", "operator", "", json_object (), NULL, &error));
    g_clear_pointer (&journal, journal_close);
    g_assert_cmpint (unlink (path), ==, 0);
}

static void
sweep (gboolean on, int err)
{
    /* How many calls an undisturbed run makes. */
    int counted[2];
    g_assert_cmpint (pipe (counted), ==, 0);
    pid_t pid = fork ();
    if (pid == 0) {
        calls = 0;
        Journal *journal = journal_create (path, key, pkey, NULL);
        journal_begin_sitting (journal);
        for (int i = 0; i < EVENTS; i++) {
            journal_append (journal, "note.made", "operator", "", json_pack ("{s:i}", "n", i), NULL, NULL);
            if (i % 2 == 1)
                journal_checkpoint (journal, NULL);
        }
        ssize_t ignored = write (counted[1], &calls, sizeof calls);
        (void) ignored;
        _exit (0);
    }
    int total = 0;
    g_assert_cmpint (read (counted[0], &total, sizeof total), ==, sizeof total);
    waitpid (pid, NULL, 0);
    close (counted[0]);
    close (counted[1]);
    g_assert_true (file_remove_tree (folder, NULL) && file_mkdir (folder, NULL));
    /* The faults are real: the calls are ours to count, and some of them cost the ceremony an event. */
    g_assert_cmpint (total, >, 2 * EVENTS);
    g_assert_cmpint (total, <, MAX_CALLS);
    guint refused = 0;
    for (int n = 1; n <= total; n++)
        run_with_fault (n, on, err, &refused);
    g_test_message ("%d calls, %u of the faults kept something from being recorded", total, refused);
    g_assert_cmpuint (refused, >, 0);
}

static void test_once_io (void) { sweep (FALSE, EIO); }
static void test_once_full (void) { sweep (FALSE, ENOSPC); }
static void test_on_io (void) { sweep (TRUE, EIO); }
static void test_on_full (void) { sweep (TRUE, ENOSPC); }

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    /* Thousands of syncs: in memory, where there is such a place. */
    if (access ("/dev/shm", W_OK) == 0)
        g_setenv ("TMPDIR", "/dev/shm", TRUE);
    folder = g_dir_make_tmp ("faults-XXXXXX", NULL);
    path = g_build_filename (folder, "journal.db", NULL);
    pkey = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    guint8 public_key[32];
    gsize len = sizeof public_key;
    EVP_PKEY_get_raw_public_key (pkey, public_key, &len);
    key = note_key_new ("ca.example/ceremony/faults", NOTE_TYPE_ED25519, public_key, NULL);
    g_test_add_func ("/journal-faults/once-io", test_once_io);
    g_test_add_func ("/journal-faults/once-full", test_once_full);
    g_test_add_func ("/journal-faults/on-io", test_on_io);
    g_test_add_func ("/journal-faults/on-full", test_on_full);
    int result = g_test_run ();
    file_remove_tree (folder, NULL);
    g_free (folder);
    g_free (path);
    note_key_free (key);
    EVP_PKEY_free (pkey);
    return result;
}
