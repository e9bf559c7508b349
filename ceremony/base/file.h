/* Files: whole and bounded reads, durable writes, private folders, locks. */
#pragma once
#include <glib.h>

/* The whole of @path, which must be a regular file of at most @max bytes (BASE_ERROR_LIMIT, BASE_ERROR_MISSING, BASE_ERROR_IO). */
GBytes *file_read (const char *path, gsize max, GError **error);
/* Writes a new file of @mode durably (write, fsync, rename, fsync of the folder). With @replace FALSE an existing file is
 * BASE_ERROR_EXISTS. A full disk is BASE_ERROR_SPACE and leaves nothing behind. */
gboolean file_write (const char *path, const void *data, gsize len, int mode, gboolean replace, GError **error);
gboolean file_mkdir (const char *path, GError **error);     /* with parents, 0700; there already is fine */
gboolean file_remove_tree (const char *path, GError **error); /* doesn't follow links */
gint64   file_free_space (const char *path);                /* bytes for us; -1 unknown */
/* Takes an exclusive lock on @path (made where missing). The descriptor holds it until closed. BASE_ERROR_BUSY at once when another has it. */
int      file_lock (const char *path, GError **error);
