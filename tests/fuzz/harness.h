/* What several harnesses need, included as source: inputs of several files, and the seeds as the list of what may be accepted. */
#pragma once
#include <glib.h>
#include <string.h>
#include <zlib.h>
#include "ceremony/base/encode.h"

typedef struct { char *name; GBytes *bytes; } Part;

G_GNUC_UNUSED static void
part_free (gpointer data)
{
    Part *part = data;
    g_free (part->name);
    g_bytes_unref (part->bytes);
    g_free (part);
}

/* An input of several files: a line "%%% NAME" begins each; the newline before such a line belongs to no file. So that a mutation of one file is
 * seen by what reads that file, and isn't refused before by a checksum of the container. */
G_GNUC_UNUSED static GPtrArray *
parts_split (const guint8 *data, gsize size)
{
    GPtrArray *parts = g_ptr_array_new_with_free_func (part_free);
    static const char mark[] = "\n%%% ";
    const guint8 *end = data + size, *p = size >= 4 && memcmp (data, mark + 1, 4) == 0 ? data + 4 : NULL;
    while (p != NULL) {
        const guint8 *line = memchr (p, '\n', (gsize) (end - p));
        const guint8 *from = line != NULL ? line + 1 : end, *next = line != NULL ? memmem (line + 1, (gsize) (end - line - 1), mark, 5) : NULL;
        Part *part = g_new (Part, 1);
        *part = (Part) { g_strndup ((const char *) p, (gsize) ((line != NULL ? line : end) - p)), g_bytes_new (from, (gsize) ((next != NULL ? next : end) - from)) };
        g_ptr_array_add (parts, part);
        p = next != NULL ? next + 5 : NULL;
    }
    return parts;
}

/* Borrowed; no bytes where there is no such file. */
G_GNUC_UNUSED static GBytes *
parts_get (const GPtrArray *parts, const char *name)
{
    static GBytes *none;
    for (guint i = 0; i < parts->len; i++)
        if (strcmp (((const Part *) parts->pdata[i])->name, name) == 0)
            return ((const Part *) parts->pdata[i])->bytes;
    return none != NULL ? none : (none = g_bytes_new_static ("", 0));
}

static void
put (GByteArray *out, guint bytes, guint64 number)
{
    for (guint i = 0; i < bytes; i++)
        g_byte_array_append (out, &(guint8) { (guint8) (number >> (8 * i)) }, 1);
}

/* A ZIP file of stored entries, as the reader of containers wants it. */
static void
put_header (GByteArray *out, gboolean central, const Part *part, guint32 offset)
{
    gsize len, name_len = strlen (part->name);
    const guint8 *data = g_bytes_get_data (part->bytes, &len);
    put (out, 4, central ? 0x02014b50 : 0x04034b50);
    if (central)
        put (out, 2, 0x033f);
    put (out, 2, 10);
    put (out, 2, g_str_is_ascii (part->name) ? 0 : 0x800);
    put (out, 4, 0);
    put (out, 2, 0x21);
    put (out, 4, crc32 (0, data, (uInt) len));
    put (out, 4, len);
    put (out, 4, len);
    put (out, 2, name_len);
    put (out, 2, 0);
    if (central) {
        put (out, 6, 0);
        put (out, 4, 0100644u << 16);
        put (out, 4, offset);
    }
    g_byte_array_append (out, (const guint8 *) part->name, (guint) name_len);
}

G_GNUC_UNUSED static GBytes *
parts_zip (const GPtrArray *parts)
{
    GByteArray *out = g_byte_array_new ();
    g_autoptr (GByteArray) directory = g_byte_array_new ();
    for (guint i = 0; i < parts->len; i++) {
        const Part *part = parts->pdata[i];
        put_header (directory, TRUE, part, out->len);
        put_header (out, FALSE, part, 0);
        g_byte_array_append (out, g_bytes_get_data (part->bytes, NULL), (guint) g_bytes_get_size (part->bytes));
    }
    guint start = out->len;
    g_byte_array_append (out, directory->data, directory->len);
    put (out, 4, 0x06054b50);
    put (out, 4, 0);
    put (out, 2, parts->len);
    put (out, 2, parts->len);
    put (out, 4, directory->len);
    put (out, 4, start);
    put (out, 2, 0);
    return g_byte_array_free_to_bytes (out);
}

/* Whether the input is a seed, byte for byte: of a signature nothing else may ever be accepted. */
G_GNUC_UNUSED static gboolean
is_seed (const char *name, const guint8 *data, gsize size)
{
    static GHashTable *known;
    if (known == NULL) {
        known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
        g_autofree char *folder = g_build_filename ("tests/fuzz/seeds", name, NULL);
        g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
        for (const char *entry; dir != NULL && (entry = g_dir_read_name (dir)) != NULL;) {
            g_autofree char *path = g_build_filename (folder, entry, NULL), *seed = NULL;
            gsize len = 0;
            if (g_file_get_contents (path, &seed, &len, NULL))
                g_hash_table_add (known, sha256_hex (seed, len));
        }
    }
    g_autofree char *digest = sha256_hex (data, size);
    return g_hash_table_contains (known, digest);
}
