/* Checkpoints (c2sp.org/tlog-checkpoint): the text of a note that commits to the first N events; and journal/checkpoints.txt, a file of many. */
#include "ceremony/journal/note.h"
#include "ceremony/base/errors.h"
#include <string.h>

char *
checkpoint_text (const char *origin, guint64 size, const MerkleHash *root)
{
    g_autofree char *hash = base64_encode (root->b, SHA256_LEN);
    return g_strdup_printf ("%s\n%" G_GUINT64_FORMAT "\n%s\n", origin, size, hash);
}

static gboolean
checkpoint_fail (GError **error, const char *why)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "checkpoint: %s", why);
    return FALSE;
}

/* Decimal without sign or leading zero. */
static gboolean
parse_size (const char *text, guint64 *size)
{
    gsize len = strlen (text);
    if (len == 0 || strspn (text, "0123456789") != len || (text[0] == '0' && len > 1))
        return FALSE;
    return g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT64, size, NULL);
}

Checkpoint *
checkpoint_parse (const char *text, GError **error)
{
    g_auto (GStrv) lines = g_strsplit (text, "\n", 5);
    if (g_strv_length (lines) != 4 || *lines[3] != '\0' || *lines[0] == '\0') {
        checkpoint_fail (error, "must be just three lines: origin, size, root");
        return NULL;
    }
    g_autoptr (Checkpoint) self = g_new0 (Checkpoint, 1);
    if (!parse_size (lines[1], &self->size)) {
        checkpoint_fail (error, "the size must be a decimal number without leading zeros");
        return NULL;
    }
    g_autoptr (GBytes) root = base64_decode (lines[2], -1, error);
    if (root == NULL) {
        g_prefix_error (error, "checkpoint: root: ");
        return NULL;
    }
    if (g_bytes_get_size (root) != SHA256_LEN) {
        checkpoint_fail (error, "the root must be 32 bytes");
        return NULL;
    }
    memcpy (self->root.b, g_bytes_get_data (root, NULL), SHA256_LEN);
    self->origin = g_strdup (lines[0]);
    return g_steal_pointer (&self);
}

void
checkpoint_free (Checkpoint *self)
{
    if (self == NULL)
        return;
    g_free (self->origin);
    g_free (self);
}

Checkpoint *
checkpoint_open (const void *data, gsize len, const NoteKey *key, GError **error)
{
    g_autoptr (Note) note = note_parse (data, len, error);
    if (note == NULL || !note_verify (note, key, error))
        return NULL;
    g_autoptr (Checkpoint) self = checkpoint_parse (note->text, error);
    if (self != NULL && strcmp (self->origin, key->name) != 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "checkpoint: signed by %s, but another log's", key->name);
        return NULL;
    }
    return g_steal_pointer (&self);
}

GPtrArray *
checkpoints_split (const void *data, gsize len, GError **error)
{
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
    const char *p = data;
    const char *end = p + len;
    if (len > CHECKPOINTS_MAX_LEN) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "checkpoints: more than %d bytes", CHECKPOINTS_MAX_LEN);
        return NULL;
    }
    while (len > 0) {
        const char *separator = memmem (p, (gsize) (end - p), "\n--\n", 4);
        gsize size = (gsize) ((separator != NULL ? separator + 1 : end) - p);
        if (size == 0 || size > NOTE_MAX_LEN || p[size - 1] != '\n' || (size >= 3 && memcmp (p, "--\n", 3) == 0)) {
            g_set_error (error, BASE_ERROR, size > NOTE_MAX_LEN ? BASE_ERROR_LIMIT : BASE_ERROR_FORMAT,
                         "checkpoints: number %u isn't a note of at most %d bytes, ended by a newline", notes->len + 1, NOTE_MAX_LEN);
            return NULL;
        }
        g_ptr_array_add (notes, g_bytes_new (p, size));
        if (separator == NULL)
            break;
        p = separator + 4;
    }
    return g_steal_pointer (&notes);
}
