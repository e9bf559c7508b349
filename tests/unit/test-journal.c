/* The journal on disk: round trips, rows that can't be changed, damage that is found and named, kill -9, two writers, threads, a full disk. */
#include "ceremony/journal/journal.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORIGIN "ca.example/ceremony/2026-11-23-abcdefgh"

typedef struct {
    char     *folder;
    char     *path;
    NoteKey  *key;
    EVP_PKEY *pkey;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
    f->folder = g_dir_make_tmp ("journal-XXXXXX", NULL);
    f->path = g_build_filename (f->folder, "journal.db", NULL);
    f->pkey = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    guint8 public_key[32];
    gsize len = sizeof public_key;
    EVP_PKEY_get_raw_public_key (f->pkey, public_key, &len);
    f->key = note_key_new (ORIGIN, NOTE_TYPE_ED25519, public_key, NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
    g_assert_true (file_remove_tree (f->folder, NULL));
    g_free (f->folder);
    g_free (f->path);
    note_key_free (f->key);
    EVP_PKEY_free (f->pkey);
}

static Journal *
create (Fixture *f)
{
    g_autoptr (GError) error = NULL;
    Journal *journal = journal_create (f->path, f->key, f->pkey, &error);
    g_assert_no_error (error);
    journal_begin_sitting (journal);
    return journal;
}

static Journal *
reopen (Fixture *f)
{
    g_autoptr (GError) error = NULL;
    Journal *journal = journal_open (f->path, f->key, f->pkey, &error);
    g_assert_no_error (error);
    return journal;
}

static void
append (Journal *journal, const char *text)
{
    g_autoptr (GError) error = NULL;
    guint64 seq = 0, before = journal_size (journal);
    journal_append (journal, "note.made", "operator", "welcome", json_pack ("{s:s}", "text", text), &seq, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (seq, ==, before);
}

/* Five events, checkpoints at 2 and 4. */
static void
fill (Fixture *f)
{
    g_autoptr (Journal) journal = create (f);
    for (int i = 0; i < 5; i++) {
        append (journal, "one");
        if (i == 1 || i == 3)
            g_assert_nonnull (journal_checkpoint (journal, NULL));
    }
}

static void
test_round_trip (Fixture *f, gconstpointer data)
{
    fill (f);
    g_autoptr (GError) error = NULL;
    g_assert_null (journal_create (f->path, f->key, f->pkey, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_EXISTS);
    g_clear_error (&error);
    g_autoptr (Journal) journal = reopen (f);
    g_assert_cmpuint (journal_size (journal), ==, 5);
    g_assert_cmpuint (journal_sitting (journal), ==, 1);
    g_assert_cmpuint (journal_checkpoint_size (journal), ==, 4);
    g_assert_nonnull (journal_checkpoint_at (journal, 2));
    g_assert_null (journal_checkpoint_at (journal, 3));
    journal_begin_sitting (journal);
    append (journal, "\xf0\x9f\x94\x91 \x1b[2J \"quoted\"");
    const Event *event = journal_event (journal, 5);
    g_assert_cmpuint (event->sitting, ==, 2);
    g_assert_cmpuint (event->seq, ==, 5);
    g_assert_true (event == journal_last (journal, "note.made"));
    g_assert_null (journal_last (journal, "ceremony.closed"));
    g_assert_null (journal_event (journal, 6));
    const char *note = journal_checkpoint (journal, &error);
    g_assert_no_error (error);
    g_assert_true (note == journal_checkpoint (journal, NULL));
    g_autoptr (Checkpoint) checkpoint = checkpoint_open (note, strlen (note), f->key, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (checkpoint->size, ==, 6);
}

static void
test_exports (Fixture *f, gconstpointer data)
{
    fill (f);
    g_autoptr (GError) error = NULL;
    g_autoptr (Journal) journal = journal_open_readonly (f->path, &error);
    g_assert_no_error (error);
    gsize len;
    g_autofree char *lines = journal_export_events (journal, &len);
    g_auto (GStrv) split = g_strsplit (lines, "\n", -1);
    g_assert_cmpuint (g_strv_length (split), ==, 6);
    g_autoptr (MerkleTree) tree = merkle_tree_new ();
    for (int i = 0; i < 5; i++) {
        g_autoptr (Event) event = event_parse (split[i], strlen (split[i]), &error);
        g_assert_no_error (error);
        MerkleHash leaf;
        merkle_leaf (split[i], strlen (split[i]), &leaf);
        merkle_tree_append (tree, &leaf);
    }
    g_autofree char *notes = journal_export_checkpoints (journal, &len);
    g_autoptr (GPtrArray) parts = checkpoints_split (notes, len, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (parts->len, ==, 2);
    for (guint i = 0; i < 2; i++) {
        MerkleHash root;
        g_autoptr (Checkpoint) checkpoint = checkpoint_open (g_bytes_get_data (parts->pdata[i], NULL), g_bytes_get_size (parts->pdata[i]), f->key, &error);
        g_assert_no_error (error);
        merkle_tree_root (tree, checkpoint->size, &root);
        g_assert_cmpmem (root.b, 32, checkpoint->root.b, 32);
    }
    /* For looking only. */
    g_assert_false (journal_append (journal, "note.made", "operator", "", json_object (), NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_USAGE);
}

static int
sql (const char *path, const char *text)
{
    sqlite3 *db = NULL;
    g_assert_cmpint (sqlite3_open_v2 (path, &db, SQLITE_OPEN_READWRITE, NULL), ==, SQLITE_OK);
    int rc = sqlite3_exec (db, text, NULL, NULL, NULL);
    sqlite3_close (db);
    return rc;
}

static void
test_rows_stay (Fixture *f, gconstpointer data)
{
    fill (f);
    static const char *const attempts[] = {
        "UPDATE events SET line = 'x' WHERE seq = 0", "DELETE FROM events WHERE seq = 4", "DELETE FROM events", "UPDATE events SET seq = 9 WHERE seq = 4",
        "INSERT OR REPLACE INTO events SELECT seq, 'x', leaf FROM events WHERE seq = 4", "REPLACE INTO events SELECT 0, line, leaf FROM events LIMIT 1",
        "INSERT INTO events SELECT 7, line, leaf FROM events WHERE seq = 4", "INSERT INTO events SELECT -1, line, leaf FROM events WHERE seq = 4",
        "UPDATE checkpoints SET note = 'x'", "DELETE FROM checkpoints", "INSERT INTO checkpoints VALUES (3, 'x')", "REPLACE INTO checkpoints VALUES (4, 'x')",
        "UPDATE meta SET value = 'x'", "DELETE FROM meta", "REPLACE INTO meta VALUES ('origin', 'x')", "INSERT INTO meta VALUES ('more', 'x')",
    };
    for (gsize i = 0; i < G_N_ELEMENTS (attempts); i++)
        if (sql (f->path, attempts[i]) != SQLITE_CONSTRAINT)
            g_error ("allowed: %s", attempts[i]);
    g_autoptr (Journal) journal = reopen (f);
    g_assert_cmpuint (journal_size (journal), ==, 5);
}

/* Who takes the triggers away is told so; and puts them back: the hashes tell. */
static void
test_damage (Fixture *f, gconstpointer data)
{
    static const char again[] =
        "CREATE TRIGGER events_kept BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END";
    static const struct { const char *change, *back, *message; } cases[] = {
        { "DROP TRIGGER events_kept", NULL, "tables were changed" },
        { "CREATE TABLE more (x)", NULL, "tables were changed" },
        { "DROP TRIGGER events_kept; UPDATE events SET line = replace(line, 'one', 'two') WHERE seq = 4", again, "event 4: its text isn't what was hashed" },
        { "DROP TRIGGER events_kept; UPDATE events SET leaf = zeroblob(32) WHERE seq = 2", again, "event 2: its text isn't what was hashed" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        unlink (f->path);
        fill (f);
        /* The schema's order counts too: rowid says who came back late, so it is put in its old place. */
        g_autofree char *place = cases[i].back == NULL ? g_strdup ("") : g_strdup_printf (
            "CREATE TABLE place AS SELECT rowid AS r FROM sqlite_schema WHERE name = 'events_kept';");
        g_autofree char *change = g_strconcat (place, cases[i].change, NULL);
        g_assert_cmpint (sql (f->path, change), ==, SQLITE_OK);
        if (cases[i].back != NULL) {
            g_autofree char *back = g_strdup_printf (
                "%s; PRAGMA writable_schema=ON; UPDATE sqlite_schema SET rowid = (SELECT r FROM place) WHERE name = 'events_kept'; "
                "PRAGMA writable_schema=OFF; DROP TABLE place", cases[i].back);
            g_assert_cmpint (sql (f->path, back), ==, SQLITE_OK);
        }
        g_autoptr (GError) error = NULL;
        g_autoptr (Journal) journal = journal_open (f->path, f->key, f->pkey, &error);
        g_assert_null (journal);
        g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
        if (strstr (error->message, cases[i].message) == NULL)
            g_error ("%s", error->message);
    }
}

/* Another journal's good rows under these checkpoints: each event is well formed and rightly hashed, only the signatures tell. */
static void
test_rewritten (Fixture *f, gconstpointer data)
{
    fill (f);
    g_autofree char *other = g_build_filename (f->folder, "other.db", NULL);
    Fixture second = *f;
    second.path = other;
    fill (&second);
    g_autofree char *forged = g_build_filename (f->folder, "forged.db", NULL);
    /* A fresh file with the schema as it is, the events of the one and the checkpoints of the other. */
    g_autoptr (Journal) empty = journal_create (forged, f->key, f->pkey, NULL);
    g_clear_pointer (&empty, journal_close);
    g_autofree char *change = g_strdup_printf ("ATTACH '%s' AS a; ATTACH '%s' AS b; INSERT INTO events SELECT * FROM a.events ORDER BY seq; "
                                               "INSERT INTO checkpoints SELECT * FROM b.checkpoints ORDER BY size", f->path, other);
    g_assert_cmpint (sql (forged, change), ==, SQLITE_OK);
    g_autoptr (GError) error = NULL;
    g_assert_null (journal_open (forged, f->key, f->pkey, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_assert_nonnull (strstr (error->message, "events 0 to 1: not those that checkpoint 2 signs"));
}

static void
test_wrong_key (Fixture *f, gconstpointer data)
{
    fill (f);
    g_autoptr (GError) error = NULL;
    guint8 zero[32] = { 0 };
    g_autoptr (NoteKey) same_name = note_key_new (ORIGIN, NOTE_TYPE_ED25519, zero, NULL);
    g_autoptr (NoteKey) other_name = note_key_new ("other.example", NOTE_TYPE_ED25519, f->key->key, NULL);
    g_assert_null (journal_open (f->path, same_name, f->pkey, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_REFUSED);
    g_clear_error (&error);
    g_assert_null (journal_open (f->path, other_name, f->pkey, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_REFUSED);
    g_clear_error (&error);
    g_autofree char *none = g_build_filename (f->folder, "none.db", NULL);
    g_assert_null (journal_open (none, f->key, f->pkey, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
    g_clear_error (&error);
    g_assert_true (file_write (none, "not a database, but long enough to be looked at", 47, 0600, FALSE, NULL));
    g_assert_null (journal_open (none, f->key, f->pkey, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_clear_error (&error);
    g_assert_true (file_write (none, "", 0, 0600, TRUE, NULL));
    g_assert_null (journal_open (none, f->key, f->pkey, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
}

/* A child appends, tells each event that is committed, and is killed in the midst. */
static guint64
killed_writer (Fixture *f, int usec)
{
    int out[2];
    g_assert_cmpint (pipe (out), ==, 0);
    pid_t pid = fork ();
    if (pid == 0) {
        close (out[0]);
        Journal *journal = journal_open (f->path, f->key, f->pkey, NULL);
        journal_begin_sitting (journal);
        for (;;) {
            append (journal, "a text of some length, so that pages fill up and the log grows");
            if (journal_size (journal) % 7 == 0)
                journal_checkpoint (journal, NULL);
            guint64 size = journal_size (journal);
            if (write (out[1], &size, sizeof size) != sizeof size)
                _exit (1);
        }
    }
    close (out[1]);
    guint64 told = 0, size;
    g_assert_cmpint (read (out[0], &told, sizeof told), ==, sizeof told);
    g_usleep (usec);
    kill (pid, SIGKILL);
    while (read (out[0], &size, sizeof size) == sizeof size)
        told = size;
    close (out[0]);
    waitpid (pid, NULL, 0);
    return told;
}

static void
test_killed (Fixture *f, gconstpointer data)
{
    fill (f);
    for (int i = 0; i < 8; i++) {
        guint64 told = killed_writer (f, 3000 * i + 137);
        g_autoptr (Journal) journal = reopen (f);
        g_assert_cmpuint (journal_size (journal), >=, told);
        g_assert_cmpuint (journal_size (journal), <=, told + 1);
        g_assert_cmpuint (journal_sitting (journal), ==, 2 + i);
    }
}

static void
test_no_sitting (Fixture *f, gconstpointer data)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Journal) journal = journal_create (f->path, f->key, f->pkey, &error);
    g_assert_false (journal_append (journal, "note.made", "operator", "", json_object (), NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_USAGE);
    g_clear_error (&error);
    journal_begin_sitting (journal);
    g_assert_null (journal_checkpoint (journal, &error));
    g_clear_error (&error);
    static const char *const bad[][3] = { { "note", "operator", "" }, { "note.made", "", "" }, { "note.made", "Operator", "" },
                                          { "note.made", "operator", "a b" }, { "note.made\n", "operator", "" } };
    for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_assert_false (journal_append (journal, bad[i][0], bad[i][1], bad[i][2], json_object (), NULL, &error));
        g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
        g_clear_error (&error);
    }
    g_assert_false (journal_append (journal, "note.made", "operator", "", json_pack ("{s:f}", "x", 1.5), NULL, &error));
    g_clear_error (&error);
    g_assert_false (journal_append (journal, "note.made", "operator", "", json_array (), NULL, &error));
    g_clear_error (&error);
    g_assert_false (journal_append (journal, "note.made", "operator", "", NULL, NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_assert_cmpuint (journal_size (journal), ==, 0);
}

static void
test_two_writers (Fixture *f, gconstpointer data)
{
    fill (f);
    g_autoptr (Journal) a = reopen (f);
    g_autoptr (Journal) b = reopen (f);
    journal_begin_sitting (a);
    journal_begin_sitting (b);
    append (a, "first");
    g_autoptr (GError) error = NULL;
    g_assert_false (journal_append (b, "note.made", "operator", "", json_object (), NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_BUSY);
    g_assert_cmpuint (journal_size (b), ==, 5);
    g_autoptr (Journal) look = journal_open_readonly (f->path, NULL);
    g_assert_cmpuint (journal_size (look), ==, 6);
}

typedef struct {
    Journal *journal;
    guint64  next;
} Watched;

static void
watch (Journal *journal, const Event *event, gpointer user_data)
{
    Watched *watched = user_data;
    g_assert_cmpuint (event->seq, ==, watched->next++);
    g_assert_cmpuint (merkle_tree_size (journal_tree (journal)), ==, watched->next);
    if (event->seq % 10 == 0)
        g_assert_nonnull (journal_checkpoint (journal, NULL));
}

static gpointer
appender (gpointer journal)
{
    for (int i = 0; i < 25; i++)
        g_assert_true (journal_append (journal, "frames.dropped", "recorder", "", json_pack ("{s:i}", "count", i), NULL, NULL));
    return NULL;
}

static void
test_threads (Fixture *f, gconstpointer data)
{
    g_autoptr (Journal) journal = create (f);
    Watched watched = { journal, 0 };
    journal_watch (journal, watch, &watched);
    GThread *threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = g_thread_new ("appender", appender, journal);
    for (int i = 0; i < 4; i++)
        g_thread_join (threads[i]);
    g_assert_cmpuint (watched.next, ==, 100);
    g_clear_pointer (&journal, journal_close);
    journal = reopen (f);
    g_assert_cmpuint (journal_size (journal), ==, 100);
    g_assert_cmpuint (journal_checkpoint_size (journal), ==, 91);
}

/* A limit on file size: the append fails, and a later one works when the limit has gone. */
static void
test_limited (Fixture *f, gconstpointer data)
{
    fill (f);
    g_autoptr (Journal) journal = reopen (f);
    journal_begin_sitting (journal);
    append (journal, "before");
    struct rlimit before, small = { 128 * 1024, 128 * 1024 };
    g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &before), ==, 0);
    signal (SIGXFSZ, SIG_IGN);
    small.rlim_max = before.rlim_max;
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
    g_autoptr (GError) error = NULL;
    guint64 good = journal_size (journal);
    g_autofree char *text = g_strnfill (4000, 'x');
    while (journal_append (journal, "note.made", "operator", "", json_pack ("{s:s}", "text", text), NULL, &error))
        good = journal_size (journal);
    g_assert_nonnull (error);
    g_assert_cmpuint (journal_size (journal), ==, good);
    g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &before), ==, 0);
    append (journal, "after");
    g_assert_nonnull (journal_checkpoint (journal, NULL));
    g_clear_pointer (&journal, journal_close);
    journal = reopen (f);
    g_assert_cmpuint (journal_size (journal), ==, good + 1);
}

static void
write_text (const char *path, const char *text)
{
    int fd = open (path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write (fd, text, strlen (text)) < 0)
        g_printerr ("%s: %s\n", path, g_strerror (errno));
    close (fd);
}

/* In a child: an own mount namespace with a tiny disk at @folder. FALSE where the system doesn't let us. */
static gboolean
mount_tiny_disk (const char *folder)
{
    g_autofree char *uid_map = g_strdup_printf ("0 %u 1", getuid ());
    g_autofree char *gid_map = g_strdup_printf ("0 %u 1", getgid ());
    if (unshare (CLONE_NEWNS) != 0) {
        if (unshare (CLONE_NEWUSER | CLONE_NEWNS) != 0)
            return FALSE;
        write_text ("/proc/self/setgroups", "deny");
        write_text ("/proc/self/uid_map", uid_map);
        write_text ("/proc/self/gid_map", gid_map);
    }
    return mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount ("none", folder, "tmpfs", 0, "size=512k") == 0;
}

static void
append_until_full (Journal *journal, const char *filler)
{
    g_autofree char *zeros = g_malloc0 (4096);
    int fd = open (filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write (fd, zeros, 4096) > 0)
        ;
    close (fd);
    g_autoptr (GError) error = NULL;
    g_autofree char *text = g_strnfill (3000, 'x');
    while (journal_append (journal, "note.made", "operator", "", json_pack ("{s:s}", "text", text), NULL, &error))
        ;
    g_assert_error (error, BASE_ERROR, BASE_ERROR_SPACE);
    g_assert_nonnull (strstr (error->message, "the disk is full"));
}

static void
on_full_disk (Fixture *f)
{
    g_autofree char *filler = g_build_filename (f->folder, "filler", NULL);
    g_autoptr (GError) error = NULL;
    fill (f);
    g_autoptr (Journal) journal = reopen (f);
    journal_begin_sitting (journal);
    append (journal, "before");
    g_autofree char *zeros = g_malloc0 (8192);
    guint64 size = 0;
    for (int i = 0; i < 3; i++) {
        append_until_full (journal, filler);
        size = journal_size (journal);
        g_autofree char *other = g_build_filename (f->folder, "other", NULL);
        g_assert_false (file_write (other, zeros, 8192, 0600, FALSE, &error));
        g_assert_error (error, BASE_ERROR, BASE_ERROR_SPACE);
        g_clear_error (&error);
        g_assert_cmpint (access (other, F_OK), !=, 0);
        g_assert_cmpint (unlink (filler), ==, 0);
        append (journal, "after");
        g_assert_nonnull (journal_checkpoint (journal, &error));
    }
    g_clear_pointer (&journal, journal_close);
    journal = reopen (f);
    g_assert_cmpuint (journal_size (journal), ==, size + 1);
    g_assert_cmpuint (journal_checkpoint_size (journal), ==, size + 1);
}

static void
test_full (Fixture *f, gconstpointer data)
{
    pid_t pid = fork ();
    if (pid == 0) {
        if (!mount_tiny_disk (f->folder))
            _exit (77);
        on_full_disk (f);
        _exit (0);
    }
    int status = -1;
    g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
    if (WIFEXITED (status) && WEXITSTATUS (status) == 77)
        g_test_skip ("no mount namespace to be had here");
    else
        g_assert_cmpint (status, ==, 0);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/journal/" name, Fixture, NULL, set_up, function, tear_down)
    ADD ("round-trip", test_round_trip);
    ADD ("exports", test_exports);
    ADD ("rows-stay", test_rows_stay);
    ADD ("damage", test_damage);
    ADD ("rewritten", test_rewritten);
    ADD ("wrong-key", test_wrong_key);
    ADD ("killed", test_killed);
    ADD ("no-sitting", test_no_sitting);
    ADD ("two-writers", test_two_writers);
    ADD ("threads", test_threads);
    ADD ("limited", test_limited);
    ADD ("full", test_full);
    return g_test_run ();
}
