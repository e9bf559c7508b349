/* The strict reader of containers. It takes from the directory what can't be known otherwise (names, lengths, CRCs), writes the headers
 * that our writer would have written for that, and compares: so no byte outside of the data can differ unseen, and no two programs
 * can read the same file differently. */
#include "ceremony/bundle/asice-internal.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* APPNOTE.TXT 4.3.6 to 4.5.3. */
enum { LOCAL_LEN = 30, CENTRAL_LEN = 46, END_LEN = 22, END64_LEN = 56, LOCATOR64_LEN = 20, EXTRA64_MAX = 28 };
#define MADE_BY 0x033f                      /* Unix, APPNOTE 6.3 */
#define MODE ((guint32) 0100644 << 16)
#define DATE 0x0021                         /* 1980-01-01, time 0 */
#define FLAG_UTF8 0x0800
#define SATURATED G_MAXUINT32
#define PIECE (256 * 1024)

typedef struct {
    AsiceEntry pub;                         /* first: an AsiceEntry pointer of ours is a Slot pointer */
    gboolean hashed;
    guint8 sha256[32];
} Slot;

struct Asice {
    int fd;
    GBytes *bytes;
    guint64 size;
    GPtrArray *entries;
    GHashTable *by_name;
};

typedef struct { guint64 count, size, offset, at; } Directory;

static void
slot_free (gpointer data)
{
    Slot *slot = data;
    g_free (slot->pub.name);
    g_free (slot);
}

void
asice_free (Asice *self)
{
    if (self == NULL)
        return;
    g_hash_table_unref (self->by_name);
    g_ptr_array_unref (self->entries);
    g_clear_pointer (&self->bytes, g_bytes_unref);
    if (self->fd >= 0)
        close (self->fd);
    g_free (self);
}

static gboolean
damaged (GError **error, const char *what)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "not a container of ours: %s", what);
    return FALSE;
}

static gboolean
read_exact (const Asice *self, guint64 offset, void *out, gsize len, GError **error)
{
    if (offset > self->size || len > self->size - offset)
        return damaged (error, "it ends too early");
    if (self->bytes != NULL) {
        if (len > 0)
            memcpy (out, (const guint8 *) g_bytes_get_data (self->bytes, NULL) + offset, len);
        return TRUE;
    }
    for (gsize done = 0; done < len;) {
        gssize n = pread (self->fd, (guint8 *) out + done, len - done, (off_t) (offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_fail (error, errno, "reading the container");
        if (n == 0)
            return damaged (error, "it grew shorter while it was read");
        done += (gsize) n;
    }
    return TRUE;
}

static guint16
get16 (const guint8 *p)
{
    return (guint16) (p[0] | p[1] << 8);
}

static guint32
get32 (const guint8 *p)
{
    return get16 (p) | (guint32) get16 (p + 2) << 16;
}

static guint64
get64 (const guint8 *p)
{
    return get32 (p) | (guint64) get32 (p + 4) << 32;
}

static void
put (GByteArray *out, guint64 value, guint bytes)
{
    for (guint i = 0; i < bytes; i++) {
        guint8 byte = (guint8) (value >> (8 * i));
        g_byte_array_append (out, &byte, 1);
    }
}

static guint64
saturate (guint64 value)
{
    return MIN (value, SATURATED);
}

static GByteArray *
expect_end (const Directory *d)
{
    GByteArray *out = g_byte_array_new ();
    if (d->offset >= SATURATED) {
        put (out, 0x06064b50, 4);
        put (out, END64_LEN - 12, 8);
        put (out, 45, 2);
        put (out, 45, 2);
        put (out, 0, 8);
        put (out, d->count, 8);
        put (out, d->count, 8);
        put (out, d->size, 8);
        put (out, d->offset, 8);
        put (out, 0x07064b50, 4);
        put (out, 0, 4);
        put (out, d->offset + d->size, 8);
        put (out, 1, 4);
    }
    put (out, 0x06054b50, 4);
    put (out, 0, 4);
    put (out, d->count, 2);
    put (out, d->count, 2);
    put (out, d->size, 4);
    put (out, saturate (d->offset), 4);
    put (out, 0, 2);
    return out;
}

/* General purpose flags to length of name are alike in both headers. */
static void
put_common (GByteArray *out, const AsiceEntry *entry, guint version)
{
    put (out, version, 2);
    put (out, g_str_is_ascii (entry->name) ? 0 : FLAG_UTF8, 2);
    put (out, 0, 2);
    put (out, 0, 2);
    put (out, DATE, 2);
    put (out, entry->crc, 4);
    put (out, saturate (entry->length), 4);
    put (out, saturate (entry->length), 4);
    put (out, strlen (entry->name), 2);
}

static GByteArray *
expect_local (const AsiceEntry *entry)
{
    GByteArray *out = g_byte_array_new ();
    gboolean large = entry->length >= SATURATED;
    put (out, 0x04034b50, 4);
    put_common (out, entry, large ? 45 : 10);
    put (out, large ? 20 : 0, 2);
    g_byte_array_append (out, (const guint8 *) entry->name, (guint) strlen (entry->name));
    if (large) {
        put (out, 1, 2);
        put (out, 16, 2);
        put (out, entry->length, 8);
        put (out, entry->length, 8);
    }
    return out;
}

static GByteArray *
expect_central (const AsiceEntry *entry, guint64 header)
{
    GByteArray *out = g_byte_array_new ();
    gboolean large = entry->length >= SATURATED, far = header >= SATURATED;
    guint extra = (large ? 16 : 0) + (far ? 8 : 0);
    put (out, 0x02014b50, 4);
    put (out, MADE_BY, 2);
    put_common (out, entry, extra ? 45 : 10);
    put (out, extra ? extra + 4 : 0, 2);
    put (out, 0, 2);
    put (out, 0, 2);
    put (out, 0, 2);
    put (out, MODE, 4);
    put (out, saturate (header), 4);
    g_byte_array_append (out, (const guint8 *) entry->name, (guint) strlen (entry->name));
    if (extra) {
        put (out, 1, 2);
        put (out, extra, 2);
    }
    if (large) {
        put (out, entry->length, 8);
        put (out, entry->length, 8);
    }
    if (far)
        put (out, header, 8);
    return out;
}

static gboolean
read_directory_place (const Asice *self, Directory *d, GError **error)
{
    guint8 tail[END64_LEN + LOCATOR64_LEN + END_LEN];
    if (self->size < END_LEN)
        return damaged (error, "it is too short");
    gsize len = (gsize) MIN (self->size, sizeof tail);
    if (!read_exact (self, self->size - len, tail, len, error))
        return FALSE;
    const guint8 *end = tail + len - END_LEN;
    *d = (Directory) { get16 (end + 10), get32 (end + 12), get32 (end + 16), 0 };
    if (d->offset == SATURATED && len == sizeof tail)
        *d = (Directory) { get64 (tail + 24), get64 (tail + 40), get64 (tail + 48), 0 };
    g_autoptr (GByteArray) expected = expect_end (d);
    if (expected->len > len || memcmp (expected->data, tail + len - expected->len, expected->len) != 0)
        return damaged (error, "no directory at its end, or bytes after it");
    d->at = self->size - expected->len;
    if (d->count > ASICE_MAX_ENTRIES || d->size > ASICE_MAX_ENTRIES * (guint64) (CENTRAL_LEN + ASICE_NAME_MAX + EXTRA64_MAX)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "container: more than %d entries", ASICE_MAX_ENTRIES);
        return FALSE;
    }
    if (d->offset > d->at || d->size != d->at - d->offset)
        return damaged (error, "the directory isn't where its end record says");
    return TRUE;
}

static gboolean
fits (const GByteArray *expected, const guint8 *data, gsize len)
{
    return expected->len <= len && memcmp (expected->data, data, expected->len) == 0;
}

/* What the directory's record at @p says; nothing of it is believed before both headers were compared. */
static Slot *
read_record (const guint8 *p, gsize len, guint64 header, gsize *used, GError **error)
{
    gsize name_len = len >= CENTRAL_LEN ? get16 (p + 28) : 0;
    if (name_len == 0 || name_len > ASICE_NAME_MAX || name_len > len - CENTRAL_LEN || memchr (p + CENTRAL_LEN, 0, name_len) != NULL) {
        damaged (error, "a damaged directory record");
        return NULL;
    }
    Slot *slot = g_new0 (Slot, 1);
    slot->pub.name = g_strndup ((const char *) p + CENTRAL_LEN, name_len);
    slot->pub.crc = get32 (p + 16);
    slot->pub.length = get32 (p + 24);
    if (slot->pub.length == SATURATED && len - CENTRAL_LEN - name_len >= 12)
        slot->pub.length = get64 (p + CENTRAL_LEN + name_len + 4);
    g_autoptr (GByteArray) expected = expect_central (&slot->pub, header);
    *used = expected->len;
    if (!asice_name_check (slot->pub.name, error)) {
        slot_free (slot);
        return NULL;
    }
    if (!fits (expected, p, len)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "not a container of ours: directory record of %s isn't as it must be", slot->pub.name);
        slot_free (slot);
        return NULL;
    }
    return slot;
}

static gboolean
read_local (const Asice *self, Slot *slot, guint64 header, guint64 limit, GError **error)
{
    g_autoptr (GByteArray) expected = expect_local (&slot->pub);
    guint8 found[LOCAL_LEN + ASICE_NAME_MAX + 20];
    if (expected->len > limit - header || !read_exact (self, header, found, expected->len, NULL) || !fits (expected, found, expected->len)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "not a container of ours: header and directory differ about %s", slot->pub.name);
        return FALSE;
    }
    slot->pub.offset = header + expected->len;
    if (slot->pub.length > limit - slot->pub.offset) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "not a container of ours: %s is longer than its place", slot->pub.name);
        return FALSE;
    }
    return TRUE;
}

static char *
fold (const char *name, gssize len)
{
    g_autofree char *composed = g_utf8_normalize (name, len, G_NORMALIZE_ALL_COMPOSE);
    return g_utf8_casefold (composed != NULL ? composed : "", -1);
}

/* Unique on every file system that a person may unpack to, and no file that is also a folder. */
static gboolean
check_names (const Asice *self, GError **error)
{
    g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < self->entries->len; i++) {
        const AsiceEntry *entry = g_ptr_array_index (self->entries, i);
        if (!g_hash_table_add (seen, fold (entry->name, -1))) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "container: %s is in it twice", entry->name);
            return FALSE;
        }
    }
    for (guint i = 0; i < self->entries->len; i++) {
        const AsiceEntry *entry = g_ptr_array_index (self->entries, i);
        for (const char *slash = strchr (entry->name, '/'); slash != NULL; slash = strchr (slash + 1, '/')) {
            g_autofree char *parent = fold (entry->name, slash - entry->name);
            if (g_hash_table_contains (seen, parent)) {
                g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "container: %s lies in a folder that is also a file", entry->name);
                return FALSE;
            }
        }
    }
    return TRUE;
}

static gboolean
check_mimetype (const Asice *self, const char *mimetype, GError **error)
{
    const AsiceEntry *first = self->entries->len > 0 ? g_ptr_array_index (self->entries, 0) : NULL;
    char text[ASICE_MIMETYPE_MAX];
    gsize len = strlen (mimetype);
    if (first != NULL && g_str_equal (first->name, "mimetype") && first->length == len && len <= sizeof text && read_exact (self, first->offset, text, len, NULL)
        && memcmp (text, mimetype, len) == 0 && crc32 (0, (const Bytef *) text, (uInt) len) == first->crc)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "not a container of ours: it doesn't begin with mimetype %s", mimetype);
    return FALSE;
}

static gboolean
read_all (Asice *self, const char *mimetype, GError **error)
{
    Directory d;
    if (!read_directory_place (self, &d, error))
        return FALSE;
    g_autofree guint8 *records = g_malloc (d.size + 1);
    if (!read_exact (self, d.offset, records, d.size, error))
        return FALSE;
    guint64 header = 0;
    gsize at = 0;
    for (guint64 i = 0; i < d.count; i++) {
        gsize used;
        Slot *slot = read_record (records + at, d.size - at, header, &used, error);
        if (slot == NULL)
            return FALSE;
        g_ptr_array_add (self->entries, slot);
        g_hash_table_insert (self->by_name, slot->pub.name, slot);
        if (!read_local (self, slot, header, d.offset, error))
            return FALSE;
        header = slot->pub.offset + slot->pub.length;
        at += used;
    }
    if (at != d.size || header != d.offset)
        return damaged (error, "bytes that belong to no entry");
    return check_mimetype (self, mimetype, error) && check_names (self, error);
}

static Asice *
open_common (int fd, GBytes *bytes, guint64 size, const char *mimetype, GError **error)
{
    g_autoptr (Asice) self = g_new0 (Asice, 1);
    self->fd = fd;
    self->bytes = bytes;
    self->size = size;
    self->entries = g_ptr_array_new_with_free_func (slot_free);
    self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
    return read_all (self, mimetype, error) ? g_steal_pointer (&self) : NULL;
}

Asice *
asice_open_as (const char *path, const char *mimetype, GError **error)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        int err = errno;
        if (err == ENOENT)
            g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "%s: no such file", path);
        else
            io_fail (error, err, "opening %s", path);
        return NULL;
    }
    struct stat st;
    if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: not a regular file", path);
        close (fd);
        return NULL;
    }
    Asice *self = open_common (fd, NULL, (guint64) st.st_size, mimetype, error);
    if (self == NULL)
        g_prefix_error (error, "%s: ", path);
    return self;
}

Asice *
asice_open (const char *path, GError **error)
{
    return asice_open_as (path, ASICE_MIMETYPE, error);
}

Asice *
asice_open_bytes_as (GBytes *bytes, const char *mimetype, GError **error)
{
    return open_common (-1, g_bytes_ref (bytes), g_bytes_get_size (bytes), mimetype, error);
}

Asice *
asice_open_bytes (GBytes *bytes, GError **error)
{
    return asice_open_bytes_as (bytes, ASICE_MIMETYPE, error);
}

gboolean
asice_begins_as (const char *path, const char *mimetype)
{
    const AsiceEntry first = { (char *) "mimetype", 0, strlen (mimetype), (guint32) crc32 (0, (const Bytef *) mimetype, (uInt) strlen (mimetype)) };
    g_autoptr (GByteArray) head = expect_local (&first);
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    g_byte_array_append (head, (const guint8 *) mimetype, (guint) strlen (mimetype));
    g_autofree guint8 *found = g_malloc0 (head->len);
    gboolean same = fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && pread (fd, found, head->len, 0) == (ssize_t) head->len
                    && memcmp (found, head->data, head->len) == 0;
    if (fd >= 0)
        close (fd);
    return same;
}

const GPtrArray *
asice_entries (const Asice *self)
{
    return self->entries;
}

const AsiceEntry *
asice_find (const Asice *self, const char *name)
{
    return g_hash_table_lookup (self->by_name, name);
}

int
asice_fd (const Asice *self)
{
    return self->fd;
}

static gboolean
crc_differs (const AsiceEntry *entry, GError **error)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "container: %s is damaged (its CRC differs)", entry->name);
    return FALSE;
}

GBytes *
asice_read (const Asice *self, const char *name, gsize max, GError **error)
{
    const AsiceEntry *entry = asice_find (self, name);
    if (entry == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "container: there is no %s in it", name);
        return NULL;
    }
    if (entry->length > MIN (max, ASICE_MAX_SMALL)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "container: %s is larger than the %" G_GSIZE_FORMAT " bytes that are read of it", name,
                     MIN (max, (gsize) ASICE_MAX_SMALL));
        return NULL;
    }
    g_autofree guint8 *data = g_malloc (entry->length + 1);
    if (!read_exact (self, entry->offset, data, entry->length, error))
        return NULL;
    if (crc32_z (0, data, entry->length) != entry->crc) {
        crc_differs (entry, error);
        return NULL;
    }
    return g_bytes_new_take (g_steal_pointer (&data), entry->length);
}

static gboolean
hash_range (const Asice *self, const AsiceEntry *entry, guint64 offset, guint64 length, guint8 out[32], guint32 *crc, GError **error)
{
    if (offset > entry->length || length > entry->length - offset) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "container: %s has no bytes %" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT, entry->name, offset, length);
        return FALSE;
    }
    g_autofree guint8 *piece = g_malloc (PIECE);
    g_autoptr (Sha256) hash = sha256_new ();
    for (guint64 done = 0; done < length;) {
        gsize n = (gsize) MIN (length - done, PIECE);
        if (!read_exact (self, entry->offset + offset + done, piece, n, error))
            return FALSE;
        sha256_update (hash, piece, n);
        if (crc != NULL)
            *crc = (guint32) crc32_z (*crc, piece, n);
        done += n;
    }
    sha256_peek (hash, out);
    return TRUE;
}

gboolean
asice_sha256 (const Asice *self, const AsiceEntry *entry, guint8 out[32], GError **error)
{
    Slot *slot = (Slot *) entry;
    if (!slot->hashed) {
        guint32 crc = 0;
        if (!hash_range (self, entry, 0, entry->length, slot->sha256, &crc, error))
            return FALSE;
        if (crc != entry->crc)
            return crc_differs (entry, error);
        slot->hashed = TRUE;
    }
    memcpy (out, slot->sha256, 32);
    return TRUE;
}

gboolean
asice_sha256_range (const Asice *self, const AsiceEntry *entry, guint64 offset, guint64 length, guint8 out[32], GError **error)
{
    return hash_range (self, entry, offset, length, out, NULL, error);
}

gboolean
asice_read_range (const Asice *self, const AsiceEntry *entry, guint64 offset, void *out, gsize length, GError **error)
{
    if (offset <= entry->length && length <= entry->length - offset)
        return read_exact (self, entry->offset + offset, out, length, error);
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "container: %s has no bytes %" G_GUINT64_FORMAT "+%" G_GSIZE_FORMAT, entry->name, offset, length);
    return FALSE;
}

static gboolean
write_all (int fd, const guint8 *data, gsize len, const char *path, GError **error)
{
    for (gsize done = 0; done < len;) {
        gssize n = write (fd, data + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_fail (error, errno, "writing %s", path);
        done += (gsize) n;
    }
    return TRUE;
}

static gboolean
copy_out (const Asice *self, const AsiceEntry *entry, int fd, const char *path, GError **error)
{
    g_autofree guint8 *piece = g_malloc (PIECE);
    guint32 crc = 0;
    for (guint64 done = 0; done < entry->length;) {
        gsize n = (gsize) MIN (entry->length - done, PIECE);
        if (!read_exact (self, entry->offset + done, piece, n, error) || !write_all (fd, piece, n, path, error))
            return FALSE;
        crc = (guint32) crc32_z (crc, piece, n);
        done += n;
    }
    return crc == entry->crc || crc_differs (entry, error);
}

gboolean
asice_extract (const Asice *self, const AsiceEntry *entry, const char *path, GError **error)
{
    int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_EXISTS, "%s is there already and is never overwritten", path);
        return FALSE;
    }
    if (fd < 0)
        return io_fail (error, errno, "making %s", path);
    gboolean ok = copy_out (self, entry, fd, path, error);
    if (close (fd) < 0 && ok)
        ok = io_fail (error, errno, "writing %s", path);
    if (!ok)
        unlink (path);
    return ok;
}

gboolean
asice_name_check (const char *name, GError **error)
{
    const char *why = NULL;
    if (name[0] == '\0' || strlen (name) > ASICE_NAME_MAX)
        why = "empty or too long";
    else if (!g_utf8_validate (name, -1, NULL))
        why = "not UTF-8";
    else if (strpbrk (name, "\\:*?\"<>|") != NULL)
        why = "a character that some systems can't have in a file's name";
    for (const char *p = name; why == NULL && *p != '\0'; p = g_utf8_next_char (p))
        if (!g_unichar_isprint (g_utf8_get_char (p)))
            why = "a control or invisible character";
    g_auto (GStrv) parts = why == NULL ? g_strsplit (name, "/", -1) : NULL;
    for (char **part = parts; part != NULL && *part != NULL; part++)
        if ((*part)[0] == '\0' || g_str_equal (*part, ".") || g_str_equal (*part, ".."))
            why = "not a relative path to a file";
    if (why == NULL)
        return TRUE;
    g_autofree char *shown = g_strescape (name, NULL);
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "container: a file can't be called \"%.80s\": %s", shown, why);
    return FALSE;
}

char *
asice_manifest_name (guint number)
{
    return g_strdup_printf (ASICE_META "ASiCManifest%03u.xml", number);
}

char *
asice_signature_name (guint number)
{
    return g_strdup_printf (ASICE_META "signature%03u.p7s", number);
}

guint
asice_signature_count (const Asice *self)
{
    for (guint n = 0;; n++) {
        g_autofree char *manifest = asice_manifest_name (n + 1), *signature = asice_signature_name (n + 1);
        if (asice_find (self, manifest) == NULL || asice_find (self, signature) == NULL)
            return n;
    }
}

static char *
entry_hex (const Asice *self, const char *name, GError **error)
{
    guint8 digest[32];
    return asice_sha256 (self, asice_find (self, name), digest, error) ? hex_encode (digest, sizeof digest) : NULL;
}

json_t *
asice_signature_digests (const Asice *self, GError **error)
{
    g_autoptr (json_t) list = json_array ();
    guint count = asice_signature_count (self);
    for (guint n = 1; n <= count; n++) {
        g_autofree char *manifest = asice_manifest_name (n), *signature = asice_signature_name (n);
        g_autofree char *manifest_hex = entry_hex (self, manifest, error);
        g_autofree char *signature_hex = manifest_hex != NULL ? entry_hex (self, signature, error) : NULL;
        if (signature_hex == NULL)
            return NULL;
        json_array_append_new (list, json_pack ("{s:s, s:s, s:s, s:s}", "manifest", manifest, "manifest_sha256", manifest_hex, "signature", signature,
                                                "signature_sha256", signature_hex));
    }
    return g_steal_pointer (&list);
}
