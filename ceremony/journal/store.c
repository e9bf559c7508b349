/* SQLite under the journal. Each insert is a transaction of its own, on the disk before it returns (write-ahead log, synchronous=FULL). Triggers
 * refuse to change, delete or reorder rows: against mistakes, not against the operator; against the operator stand the signed checkpoints. */
#include "ceremony/journal/store.h"
#include "ceremony/base/errors.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#define FORMAT "ceremony/journal/v1"
#define BUSY_MS 5000

struct Store {
    sqlite3      *db;
    sqlite3_stmt *add_event;
    sqlite3_stmt *add_checkpoint;
    char         *path;
    char         *origin;
};

/* INSERT OR REPLACE deletes without asking a DELETE trigger: so the order of numbers is checked before each insert. */
static const char *const schema[] = {
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    "CREATE TABLE events (seq INTEGER PRIMARY KEY, line TEXT NOT NULL, leaf BLOB NOT NULL CHECK (length(leaf) = 32)) STRICT",
    "CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT",
    "CREATE TRIGGER meta_kept BEFORE UPDATE ON meta BEGIN SELECT RAISE(ABORT, 'a journal is never changed'); END",
    "CREATE TRIGGER meta_there BEFORE DELETE ON meta BEGIN SELECT RAISE(ABORT, 'a journal is never changed'); END",
    "CREATE TRIGGER meta_once BEFORE INSERT ON meta WHEN (SELECT count(*) FROM meta) >= 2 BEGIN SELECT RAISE(ABORT, 'a journal is never changed'); END",
    "CREATE TRIGGER events_kept BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'an event is never changed'); END",
    "CREATE TRIGGER events_there BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'an event is never deleted'); END",
    "CREATE TRIGGER events_in_order BEFORE INSERT ON events WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM events) "
    "BEGIN SELECT RAISE(ABORT, 'an event only follows the last one'); END",
    "CREATE TRIGGER checkpoints_kept BEFORE UPDATE ON checkpoints BEGIN SELECT RAISE(ABORT, 'a checkpoint is never changed'); END",
    "CREATE TRIGGER checkpoints_there BEFORE DELETE ON checkpoints BEGIN SELECT RAISE(ABORT, 'a checkpoint is never deleted'); END",
    "CREATE TRIGGER checkpoints_in_order BEFORE INSERT ON checkpoints WHEN NEW.size <= (SELECT coalesce(max(size), 0) FROM checkpoints) "
    "BEGIN SELECT RAISE(ABORT, 'a checkpoint only follows the last one'); END",
};

static gboolean
store_fail (Store *self, int rc, GError **error)
{
    int err = sqlite3_system_errno (self->db);
    int kind = rc & 0xff;
    if (kind == SQLITE_FULL || ((kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN) && (err == ENOSPC || err == EDQUOT)))
        g_set_error (error, BASE_ERROR, BASE_ERROR_SPACE,
                     "%s: the disk is full, so this entry wasn't recorded; all before it is safe. Free some space on that disk, then go on: "
                     "the ceremony can't, until events can be recorded again", self->path);
    else if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED)
        g_set_error (error, BASE_ERROR, BASE_ERROR_BUSY, "%s: another process writes to this journal; wait for it to end, or end it", self->path);
    else if (kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: damaged: %s", self->path, sqlite3_errmsg (self->db));
    else if (kind == SQLITE_CONSTRAINT)
        g_set_error (error, BASE_ERROR, BASE_ERROR_BUSY, "%s: %s; another process has written to this journal", self->path, sqlite3_errmsg (self->db));
    else
        g_set_error (error, BASE_ERROR, BASE_ERROR_IO, "%s: %s%s%s", self->path, sqlite3_errmsg (self->db), err != 0 ? ": " : "",
                     err != 0 ? g_strerror (err) : "");
    return FALSE;
}

static gboolean
run_sql (Store *self, const char *sql, GError **error)
{
    int rc = sqlite3_exec (self->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK || store_fail (self, rc, error);
}

static gboolean
prepare (Store *self, const char *sql, sqlite3_stmt **statement, GError **error)
{
    int rc = sqlite3_prepare_v2 (self->db, sql, -1, statement, NULL);
    return rc == SQLITE_OK || store_fail (self, rc, error);
}

/* Runs a statement that gives no rows and makes it ready for the next time. */
static gboolean
finish (Store *self, sqlite3_stmt *statement, GError **error)
{
    int rc = sqlite3_step (statement);
    gboolean ok = rc == SQLITE_DONE || store_fail (self, rc, error);
    sqlite3_reset (statement);
    sqlite3_clear_bindings (statement);
    return ok;
}

void
store_close (Store *self)
{
    if (self == NULL)
        return;
    sqlite3_finalize (self->add_event);
    sqlite3_finalize (self->add_checkpoint);
    sqlite3_close (self->db);
    g_free (self->path);
    g_free (self->origin);
    g_free (self);
}

const char *
store_origin (const Store *self)
{
    return self->origin;
}

static Store *
open_file (const char *path, gboolean readonly, GError **error)
{
    g_autoptr (Store) self = g_new0 (Store, 1);
    self->path = g_strdup (path);
    int rc = sqlite3_open_v2 (path, &self->db, readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, NULL);
    if (rc != SQLITE_OK) {
        store_fail (self, rc, error);
        return NULL;
    }
    sqlite3_busy_timeout (self->db, BUSY_MS);
    sqlite3_extended_result_codes (self->db, 1);
    sqlite3_db_config (self->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config (self->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (!readonly && !run_sql (self, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY", error))
        return NULL;
    return g_steal_pointer (&self);
}

static gboolean
prepare_inserts (Store *self, GError **error)
{
    return prepare (self, "INSERT INTO events (seq, line, leaf) VALUES (?1, ?2, ?3)", &self->add_event, error) &&
           prepare (self, "INSERT INTO checkpoints (size, note) VALUES (?1, ?2)", &self->add_checkpoint, error);
}

static gboolean
add_meta (Store *self, const char *name, const char *value, GError **error)
{
    sqlite3_stmt *statement = NULL;
    if (!prepare (self, "INSERT INTO meta (name, value) VALUES (?1, ?2)", &statement, error))
        return FALSE;
    sqlite3_bind_text (statement, 1, name, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text (statement, 2, value, -1, SQLITE_TRANSIENT);
    gboolean ok = finish (self, statement, error);
    sqlite3_finalize (statement);
    return ok;
}

static gboolean
make_tables (Store *self, const char *origin, GError **error)
{
    if (!run_sql (self, "BEGIN IMMEDIATE", error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS (schema); i++)
        if (!run_sql (self, schema[i], error))
            return FALSE;
    return add_meta (self, "format", FORMAT, error) && add_meta (self, "origin", origin, error) && run_sql (self, "COMMIT", error);
}

/* SQLite syncs the folder for its log, but not for the file that we made. */
static gboolean
sync_folder_of (const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname (path);
    int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_fail (error, errno, "%s", folder);
    int err = fsync (fd) == 0 ? 0 : errno;
    close (fd);
    return err == 0 || err == EINVAL || err == ENOTSUP || io_fail (error, err, "%s", folder);
}

static void
remove_files (const char *path)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    for (gsize i = 0; i < G_N_ELEMENTS (suffixes); i++) {
        g_autofree char *name = g_strconcat (path, suffixes[i], NULL);
        unlink (name);
    }
}

Store *
store_create (const char *path, const char *origin, GError **error)
{
    int fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_EXISTS, "%s: there already; a journal is never overwritten", path);
        return NULL;
    }
    if (fd < 0) {
        io_fail (error, errno, "%s", path);
        return NULL;
    }
    close (fd);
    Store *self = open_file (path, FALSE, error);
    if (self != NULL && make_tables (self, origin, error) && prepare_inserts (self, error) && sync_folder_of (path, error)) {
        self->origin = g_strdup (origin);
        return self;
    }
    store_close (self);
    remove_files (path);
    return NULL;
}

/* The value of meta's @name; g_free. NULL (and no error) where it isn't there. */
static gboolean
read_meta (Store *self, const char *name, char **value, GError **error)
{
    sqlite3_stmt *statement = NULL;
    if (!prepare (self, "SELECT value FROM meta WHERE name = ?1", &statement, error))
        return FALSE;
    sqlite3_bind_text (statement, 1, name, -1, SQLITE_TRANSIENT);
    int rc = sqlite3_step (statement);
    *value = rc == SQLITE_ROW ? g_strdup ((const char *) sqlite3_column_text (statement, 0)) : NULL;
    gboolean ok = rc == SQLITE_ROW || rc == SQLITE_DONE || store_fail (self, rc, error);
    sqlite3_finalize (statement);
    return ok;
}

static gboolean
check_schema (Store *self, GError **error)
{
    sqlite3_stmt *statement = NULL;
    if (!prepare (self, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid", &statement, error))
        return FALSE;
    gsize n = 0;
    gboolean same = TRUE;
    int rc;
    while ((rc = sqlite3_step (statement)) == SQLITE_ROW && same) {
        same = n < G_N_ELEMENTS (schema) && g_strcmp0 ((const char *) sqlite3_column_text (statement, 0), schema[n]) == 0;
        n++;
    }
    gboolean ok = rc == SQLITE_ROW || rc == SQLITE_DONE || store_fail (self, rc, error);
    sqlite3_finalize (statement);
    if (ok && (!same || n != G_N_ELEMENTS (schema))) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: not a journal of this program, or its tables were changed", self->path);
        return FALSE;
    }
    return ok;
}

static gboolean
check_meta (Store *self, GError **error)
{
    g_autofree char *format = NULL;
    if (!read_meta (self, "format", &format, error) || !read_meta (self, "origin", &self->origin, error))
        return FALSE;
    if (g_strcmp0 (format, FORMAT) == 0 && self->origin != NULL)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: a journal of another version than " FORMAT "; open it with the program that made it",
                 self->path);
    return FALSE;
}

Store *
store_open (const char *path, gboolean readonly, GError **error)
{
    if (access (path, F_OK) != 0 && errno == ENOENT) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "%s: no such journal", path);
        return NULL;
    }
    g_autoptr (Store) self = open_file (path, readonly, error);
    if (self == NULL || !check_schema (self, error) || !check_meta (self, error) || (!readonly && !prepare_inserts (self, error)))
        return NULL;
    return g_steal_pointer (&self);
}

static gboolean
read_events (Store *self, StoreEvent event, gpointer user_data, GError **error)
{
    sqlite3_stmt *statement = NULL;
    if (!prepare (self, "SELECT seq, line, leaf FROM events ORDER BY seq", &statement, error))
        return FALSE;
    int rc;
    gboolean ok = TRUE;
    while (ok && (rc = sqlite3_step (statement)) == SQLITE_ROW) {
        const char *line = (const char *) sqlite3_column_text (statement, 1);
        gsize len = (gsize) sqlite3_column_bytes (statement, 1);
        MerkleHash leaf = { { 0 } };
        if (sqlite3_column_bytes (statement, 2) == SHA256_LEN)
            memcpy (leaf.b, sqlite3_column_blob (statement, 2), SHA256_LEN);
        ok = event ((guint64) sqlite3_column_int64 (statement, 0), line != NULL ? line : "", len, &leaf, user_data, error);
    }
    if (ok && rc != SQLITE_DONE)
        ok = store_fail (self, rc, error);
    sqlite3_finalize (statement);
    return ok;
}

static gboolean
read_checkpoints (Store *self, StoreCheckpoint checkpoint, gpointer user_data, GError **error)
{
    sqlite3_stmt *statement = NULL;
    if (!prepare (self, "SELECT size, note FROM checkpoints ORDER BY size", &statement, error))
        return FALSE;
    int rc;
    gboolean ok = TRUE;
    while (ok && (rc = sqlite3_step (statement)) == SQLITE_ROW) {
        const char *note = (const char *) sqlite3_column_text (statement, 1);
        gsize len = (gsize) sqlite3_column_bytes (statement, 1);
        ok = checkpoint ((guint64) sqlite3_column_int64 (statement, 0), note != NULL ? note : "", len, user_data, error);
    }
    if (ok && rc != SQLITE_DONE)
        ok = store_fail (self, rc, error);
    sqlite3_finalize (statement);
    return ok;
}

gboolean
store_read (Store *self, StoreEvent event, StoreCheckpoint checkpoint, gpointer user_data, GError **error)
{
    if (!run_sql (self, "BEGIN", error))
        return FALSE;
    gboolean ok = read_events (self, event, user_data, error) && read_checkpoints (self, checkpoint, user_data, error);
    return run_sql (self, "COMMIT", ok ? error : NULL) && ok;
}

gboolean
store_add_event (Store *self, guint64 seq, const char *line, const MerkleHash *leaf, GError **error)
{
    sqlite3_bind_int64 (self->add_event, 1, (sqlite3_int64) seq);
    sqlite3_bind_text (self->add_event, 2, line, -1, SQLITE_STATIC);
    sqlite3_bind_blob (self->add_event, 3, leaf->b, SHA256_LEN, SQLITE_STATIC);
    return finish (self, self->add_event, error);
}

gboolean
store_add_checkpoint (Store *self, guint64 size, const char *note, GError **error)
{
    sqlite3_bind_int64 (self->add_checkpoint, 1, (sqlite3_int64) size);
    sqlite3_bind_text (self->add_checkpoint, 2, note, -1, SQLITE_STATIC);
    return finish (self, self->add_checkpoint, error);
}
