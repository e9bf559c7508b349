/* The journal's SQLite file: three tables that only grow. Only journal.c calls this. */
#pragma once
#include <glib.h>
#include "ceremony/journal/merkle.h"

typedef struct Store Store;

Store   *store_create (const char *path, const char *origin, GError **error);  /* a new file, 0600; BASE_ERROR_EXISTS */
/* Checks that it is a journal and that its tables and triggers are just ours (BASE_ERROR_FORMAT, BASE_ERROR_MISSING). A write-ahead log left by a
 * crash is recovered. */
Store   *store_open (const char *path, gboolean readonly, GError **error);
void     store_close (Store *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Store, store_close)
const char *store_origin (const Store *self);

/* Rows in order, all of one moment; a function that gives FALSE (and sets its error) ends the reading. */
typedef gboolean (*StoreEvent) (guint64 seq, const char *line, gsize len, const MerkleHash *leaf, gpointer user_data, GError **error);
typedef gboolean (*StoreCheckpoint) (guint64 size, const char *note, gsize len, gpointer user_data, GError **error);
gboolean store_read (Store *self, StoreEvent event, StoreCheckpoint checkpoint, gpointer user_data, GError **error);

/* Durable when they return. BASE_ERROR_SPACE, BASE_ERROR_BUSY, BASE_ERROR_IO: nothing was written. */
gboolean store_add_event (Store *self, guint64 seq, const char *line, const MerkleHash *leaf, GError **error);
gboolean store_add_checkpoint (Store *self, guint64 size, const char *note, GError **error);
