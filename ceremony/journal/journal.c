/* The journal of one ceremony: what the store holds, kept in memory with its Merkle tree, checked when opened, and signed. Any thread may append. */
#include "ceremony/journal/journal.h"
#include "ceremony/journal/store.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/errors.h"
#include <string.h>

typedef struct {
    guint64 size;
    char   *note;
} Signed;

typedef struct {
    JournalWatch watch;
    gpointer     user_data;
} Watcher;

struct Journal {
    GRecMutex      lock;                    /* a watcher may ask for a checkpoint while append still holds it */
    Store         *store;
    gboolean       readonly;
    const NoteKey *key;                     /* NULL when opened for looking only */
    EVP_PKEY      *private_key;
    GPtrArray     *events;                  /* Event */
    MerkleTree    *tree;
    GPtrArray     *checkpoints;             /* Signed, by size */
    GArray        *watchers;
    guint64        sitting;
    gboolean       begun;
    gint64         began_ms;                /* CLOCK_BOOTTIME */
};

static void
signed_free (gpointer data)
{
    Signed *self = data;
    g_free (self->note);
    g_free (self);
}

static Journal *
journal_new (const NoteKey *key, EVP_PKEY *private_key)
{
    Journal *self = g_new0 (Journal, 1);
    g_rec_mutex_init (&self->lock);
    self->key = key;
    self->private_key = private_key;
    self->events = g_ptr_array_new_with_free_func ((GDestroyNotify) event_free);
    self->tree = merkle_tree_new ();
    self->checkpoints = g_ptr_array_new_with_free_func (signed_free);
    self->watchers = g_array_new (FALSE, FALSE, sizeof (Watcher));
    return self;
}

void
journal_close (Journal *self)
{
    if (self == NULL)
        return;
    store_close (self->store);
    g_ptr_array_unref (self->events);
    merkle_tree_free (self->tree);
    g_ptr_array_unref (self->checkpoints);
    g_array_unref (self->watchers);
    g_rec_mutex_clear (&self->lock);
    g_free (self);
}

static void
keep_event (Journal *self, Event *event, const MerkleHash *leaf)
{
    g_ptr_array_add (self->events, event);
    merkle_tree_append (self->tree, leaf);
}

static void
keep_checkpoint (Journal *self, guint64 size, char *note)
{
    Signed *kept = g_new0 (Signed, 1);
    kept->size = size;
    kept->note = note;
    g_ptr_array_add (self->checkpoints, kept);
}

/* Sittings follow each other, and CLOCK_BOOTTIME never runs backwards in one. The wall clock may: verify judges that. */
static const char *
misplaced (const Journal *self, guint64 seq, const Event *event)
{
    const Event *before = seq > 0 ? self->events->pdata[seq - 1] : NULL;
    if (event->seq != seq)
        return "another number stands in it";
    if (before == NULL)
        return event->sitting == 1 ? NULL : "a journal begins with sitting 1";
    if (event->sitting != before->sitting && event->sitting != before->sitting + 1)
        return "its sitting doesn't follow the one before";
    if (event->sitting == before->sitting && event->mono < before->mono)
        return "its time runs backwards";
    return NULL;
}

static gboolean
load_event (guint64 seq, const char *line, gsize len, const MerkleHash *leaf, gpointer user_data, GError **error)
{
    Journal *self = user_data;
    MerkleHash computed;
    merkle_leaf (line, len, &computed);
    if (seq != self->events->len) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "event %u: missing", self->events->len);
        return FALSE;
    }
    if (memcmp (computed.b, leaf->b, SHA256_LEN) != 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "event %" G_GUINT64_FORMAT ": its text isn't what was hashed: it was changed or the disk is damaged", seq);
        return FALSE;
    }
    g_autoptr (Event) event = event_parse (line, len, error);
    const char *why = event != NULL ? misplaced (self, seq, event) : NULL;
    if (why != NULL)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s", why);
    if (event == NULL || why != NULL) {
        g_prefix_error (error, "event %" G_GUINT64_FORMAT ": ", seq);
        return FALSE;
    }
    keep_event (self, g_steal_pointer (&event), leaf);
    return TRUE;
}

/* Without a key the signature can't be checked, but what was signed can. */
static Checkpoint *
read_checkpoint (const Journal *self, const char *note, gsize len, GError **error)
{
    if (self->key != NULL)
        return checkpoint_open (note, len, self->key, error);
    g_autoptr (Note) parsed = note_parse (note, len, error);
    return parsed != NULL ? checkpoint_parse (parsed->text, error) : NULL;
}

static gboolean
load_checkpoint (guint64 size, const char *note, gsize len, gpointer user_data, GError **error)
{
    Journal *self = user_data;
    guint64 before = journal_checkpoint_size (self);
    g_autoptr (Checkpoint) checkpoint = read_checkpoint (self, note, len, error);
    if (checkpoint == NULL) {
        g_prefix_error (error, "checkpoint %" G_GUINT64_FORMAT ": ", size);
        return FALSE;
    }
    MerkleHash root;
    gboolean fits = checkpoint->size == size && size > before && size <= self->events->len;
    if (fits)
        merkle_tree_root (self->tree, size, &root);
    if (!fits || memcmp (root.b, checkpoint->root.b, SHA256_LEN) != 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT,
                     "events %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT ": not those that checkpoint %" G_GUINT64_FORMAT " signs", before, size - 1, size);
        return FALSE;
    }
    keep_checkpoint (self, size, g_strndup (note, len));
    return TRUE;
}

Journal *
journal_create (const char *path, const NoteKey *key, EVP_PKEY *private_key, GError **error)
{
    g_autoptr (Journal) self = journal_new (key, private_key);
    self->store = store_create (path, key->name, error);
    if (self->store == NULL) {
        g_prefix_error (error, "journal: ");
        return NULL;
    }
    return g_steal_pointer (&self);
}

static Journal *
load (const char *path, const NoteKey *key, EVP_PKEY *private_key, gboolean readonly, GError **error)
{
    g_autoptr (Journal) self = journal_new (key, private_key);
    self->readonly = readonly;
    self->store = store_open (path, readonly, error);
    if (self->store == NULL)
        return NULL;
    if (key != NULL && strcmp (key->name, store_origin (self->store)) != 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "%s: the journal of %s, not of %s", path, store_origin (self->store), key->name);
        return NULL;
    }
    if (!store_read (self->store, load_event, load_checkpoint, self, error))
        return NULL;
    if (self->events->len > 0)
        self->sitting = ((const Event *) self->events->pdata[self->events->len - 1])->sitting;
    return g_steal_pointer (&self);
}

Journal *
journal_open (const char *path, const NoteKey *key, EVP_PKEY *private_key, GError **error)
{
    Journal *self = load (path, key, private_key, FALSE, error);
    if (self == NULL)
        g_prefix_error (error, "journal: ");
    return self;
}

Journal *
journal_open_readonly (const char *path, GError **error)
{
    Journal *self = load (path, NULL, NULL, TRUE, error);
    if (self == NULL)
        g_prefix_error (error, "journal: ");
    return self;
}

void
journal_begin_sitting (Journal *self)
{
    g_rec_mutex_lock (&self->lock);
    const Event *last = self->events->len > 0 ? self->events->pdata[self->events->len - 1] : NULL;
    self->sitting = last != NULL ? last->sitting + 1 : 1;
    self->began_ms = clock_boot_ms ();
    self->begun = TRUE;
    g_rec_mutex_unlock (&self->lock);
}

guint64
journal_sitting (const Journal *self)
{
    return self->sitting;
}

gint64
journal_mono_ms (const Journal *self)
{
    return self->begun ? clock_boot_ms () - self->began_ms : 0;
}

static gboolean
append_locked (Journal *self, const char *type, const char *actor, const char *step, const json_t *data, guint64 *seq, GError **error)
{
    if (self->readonly || !self->begun) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "%s: %s", type, self->readonly ? "opened for looking only" : "no sitting has begun");
        return FALSE;
    }
    guint64 n = self->events->len;
    g_autoptr (Event) event = event_new (n, self->sitting, journal_mono_ms (self), clock_wall_ms (), type, actor, step, data, error);
    if (event == NULL)
        return FALSE;
    MerkleHash leaf;
    merkle_leaf (event->line, strlen (event->line), &leaf);
    if (!store_add_event (self->store, n, event->line, &leaf, error))
        return FALSE;
    const Event *kept = event;
    keep_event (self, g_steal_pointer (&event), &leaf);
    if (seq != NULL)
        *seq = n;
    for (guint i = 0; i < self->watchers->len; i++) {
        Watcher watcher = g_array_index (self->watchers, Watcher, i);
        watcher.watch (self, kept, watcher.user_data);
    }
    return TRUE;
}

gboolean
journal_append (Journal *self, const char *type, const char *actor, const char *step, json_t *data, guint64 *seq, GError **error)
{
    g_autoptr (json_t) owned = data;
    g_rec_mutex_lock (&self->lock);
    gboolean ok = append_locked (self, type, actor, step, owned, seq, error);
    g_rec_mutex_unlock (&self->lock);
    if (!ok)
        g_prefix_error (error, "journal: ");
    return ok;
}

guint64
journal_size (const Journal *self)
{
    GRecMutex *lock = &((Journal *) self)->lock;
    g_rec_mutex_lock (lock);
    guint64 size = self->events->len;
    g_rec_mutex_unlock (lock);
    return size;
}

const Event *
journal_event (Journal *self, guint64 seq)
{
    g_rec_mutex_lock (&self->lock);
    const Event *event = seq < self->events->len ? self->events->pdata[seq] : NULL;
    g_rec_mutex_unlock (&self->lock);
    return event;
}

const Event *
journal_last (Journal *self, const char *type)
{
    const Event *found = NULL;
    g_rec_mutex_lock (&self->lock);
    for (guint i = self->events->len; found == NULL && i > 0; i--)
        if (strcmp (((const Event *) self->events->pdata[i - 1])->type, type) == 0)
            found = self->events->pdata[i - 1];
    g_rec_mutex_unlock (&self->lock);
    return found;
}

const MerkleTree *
journal_tree (const Journal *self)
{
    return self->tree;
}

static const char *
checkpoint_locked (Journal *self, GError **error)
{
    guint64 size = self->events->len;
    if (size > 0 && journal_checkpoint_size (self) == size)
        return ((const Signed *) self->checkpoints->pdata[self->checkpoints->len - 1])->note;
    if (size == 0 || self->private_key == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "checkpoint: %s", size == 0 ? "no event is there to sign" : "opened without the appliance's key");
        return NULL;
    }
    MerkleHash root;
    merkle_tree_root (self->tree, size, &root);
    g_autofree char *text = checkpoint_text (self->key->name, size, &root);
    g_autofree char *note = note_sign (text, self->key, self->private_key, error);
    if (note == NULL || !store_add_checkpoint (self->store, size, note, error))
        return NULL;
    const char *kept = note;
    keep_checkpoint (self, size, g_steal_pointer (&note));
    return kept;
}

const char *
journal_checkpoint (Journal *self, GError **error)
{
    g_rec_mutex_lock (&self->lock);
    const char *note = checkpoint_locked (self, error);
    g_rec_mutex_unlock (&self->lock);
    if (note == NULL)
        g_prefix_error (error, "journal: ");
    return note;
}

const char *
journal_checkpoint_at (Journal *self, guint64 size)
{
    const char *note = NULL;
    g_rec_mutex_lock (&self->lock);
    for (guint i = self->checkpoints->len; note == NULL && i > 0; i--) {
        const Signed *kept = self->checkpoints->pdata[i - 1];
        if (kept->size == size)
            note = kept->note;
        else if (kept->size < size)
            break;
    }
    g_rec_mutex_unlock (&self->lock);
    return note;
}

guint64
journal_checkpoint_size (const Journal *self)
{
    GRecMutex *lock = &((Journal *) self)->lock;
    g_rec_mutex_lock (lock);
    guint n = self->checkpoints->len;
    guint64 size = n > 0 ? ((const Signed *) self->checkpoints->pdata[n - 1])->size : 0;
    g_rec_mutex_unlock (lock);
    return size;
}

char *
journal_export_events (Journal *self, gsize *len)
{
    GString *out = g_string_new (NULL);
    g_rec_mutex_lock (&self->lock);
    for (guint i = 0; i < self->events->len; i++) {
        g_string_append (out, ((const Event *) self->events->pdata[i])->line);
        g_string_append_c (out, '\n');
    }
    g_rec_mutex_unlock (&self->lock);
    *len = out->len;
    return g_string_free (out, FALSE);
}

char *
journal_export_checkpoints (Journal *self, gsize *len)
{
    GString *out = g_string_new (NULL);
    g_rec_mutex_lock (&self->lock);
    for (guint i = 0; i < self->checkpoints->len; i++) {
        if (i > 0)
            g_string_append (out, "--\n");
        g_string_append (out, ((const Signed *) self->checkpoints->pdata[i])->note);
    }
    g_rec_mutex_unlock (&self->lock);
    *len = out->len;
    return g_string_free (out, FALSE);
}

void
journal_watch (Journal *self, JournalWatch watch, gpointer user_data)
{
    Watcher watcher = { watch, user_data };
    g_rec_mutex_lock (&self->lock);
    g_array_append_val (self->watchers, watcher);
    g_rec_mutex_unlock (&self->lock);
}
