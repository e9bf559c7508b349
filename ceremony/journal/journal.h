/* The journal of one ceremony on disk: events and checkpoints in SQLite. An event is durable when append returns; rows can't be
 * updated or deleted (triggers), and seq has no gap. One process writes. */
#pragma once
#include <glib.h>
#include "ceremony/journal/event.h"
#include "ceremony/journal/note.h"

typedef struct Journal Journal;

/* Makes the file (BASE_ERROR_EXISTS) or opens an existing one for writing, re-hashing every event; a damaged file is BASE_ERROR_FORMAT and says at which event.
 * @key and @private_key sign checkpoints; @key's name is the origin. Both are borrowed and outlive the journal. */
Journal *journal_create (const char *path, const NoteKey *key, EVP_PKEY *private_key, GError **error);
Journal *journal_open (const char *path, const NoteKey *key, EVP_PKEY *private_key, GError **error);
/* For looking only: `ceremony list`, resume's questions. No key needed; checkpoints can't be signed. */
Journal *journal_open_readonly (const char *path, GError **error);
void     journal_close (Journal *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Journal, journal_close)

/* Starts sitting n+1: mono counts from now (CLOCK_BOOTTIME). Must come before the first append of a process. */
void     journal_begin_sitting (Journal *self);
guint64  journal_sitting (const Journal *self);             /* the current one; before it begins, the last one's; 0 none */
gint64   journal_mono_ms (const Journal *self);

/* Commits one event durably; @data is stolen (also on error). Gives its seq. BASE_ERROR_SPACE where the disk is full: nothing was
 * written, and a later append may succeed. */
gboolean journal_append (Journal *self, const char *type, const char *actor, const char *step, json_t *data, guint64 *seq, GError **error);
guint64  journal_size (const Journal *self);
const Event *journal_event (Journal *self, guint64 seq);    /* borrowed, kept in memory */
/* The newest event of @type, or NULL. */
const Event *journal_last (Journal *self, const char *type);
const MerkleTree *journal_tree (const Journal *self);      /* not while another thread appends: ask in a watcher */

/* Signs and stores the checkpoint of the current size (again the stored one where nothing was added since). The note is the journal's. */
const char *journal_checkpoint (Journal *self, GError **error);
/* The stored note of exactly that size, or NULL. */
const char *journal_checkpoint_at (Journal *self, guint64 size);
guint64     journal_checkpoint_size (const Journal *self);  /* of the last signed one; 0 none */
/* journal/events.jsonl and journal/checkpoints.txt as the bundle holds them (docs/formats.md). g_free. */
char *journal_export_events (Journal *self, gsize *len);
char *journal_export_checkpoints (Journal *self, gsize *len);

/* Called after each commit in the appending thread, in the order of events and with the journal locked, for the screen and the live link: a watcher
 * may read the journal and ask for a checkpoint, but must not wait for another thread. All watchers of a journal are called. */
typedef void (*JournalWatch) (Journal *self, const Event *event, gpointer user_data);
void journal_watch (Journal *self, JournalWatch watch, gpointer user_data);
