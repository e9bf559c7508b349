/* Writes containers with libzip, through a source of our own: so that we own the temporary file (synced, checked by the strict reader, and only
 * then given its name), and so that appending copies the old bytes as they are. */
#include "ceremony/bundle/asice-internal.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#define DOS_DATE 0x0021                     /* 1980-01-01 */
#define MODE ((zip_uint32_t) 0100644 << 16)
#define COPY_PIECE (4 * 1024 * 1024)

/* How the time is shared between hashing, writing and reading it all again. */
#define HASHED 0.25
#define WRITTEN 0.75

typedef struct {
    int in;                                 /* the old container; -1 for a new one */
    guint64 in_size, in_at;
    int out;
    zip_error_t error;
    AsiceProgress progress;
    gpointer user_data;
    double from;                            /* of the fraction, when libzip begins */
} Target;

typedef struct {
    const char *path;
    Asice *old;                             /* NULL: a new container */
    const GPtrArray *items;
    const char *mimetype;
    AsiceSign sign;                         /* NULL: no manifest, no signature */
    AsiceProgress progress;
    gpointer user_data;
    guint number;                           /* of the manifest to write */
    GPtrArray *manifest;                    /* ManifestEntry */
    GBytes *manifest_bytes, *signature;
} Writing;

static void
item_free (gpointer data)
{
    AsiceItem *item = data;
    g_free (item->name);
    g_free (item->path);
    g_clear_pointer (&item->bytes, g_bytes_unref);
    g_free (item);
}

GPtrArray *
asice_items_new (void)
{
    return g_ptr_array_new_with_free_func (item_free);
}

static void
add_item (GPtrArray *items, const char *name, GBytes *bytes, const char *path)
{
    AsiceItem *item = g_new0 (AsiceItem, 1);
    *item = (AsiceItem) { g_strdup (name), bytes != NULL ? g_bytes_ref (bytes) : NULL, g_strdup (path) };
    g_ptr_array_add (items, item);
}

void
asice_items_add_bytes (GPtrArray *items, const char *name, GBytes *bytes)
{
    add_item (items, name, bytes, NULL);
}

void
asice_items_add_file (GPtrArray *items, const char *name, const char *path)
{
    add_item (items, name, NULL, path);
}

static void
tell_progress (const Writing *w, double fraction)
{
    if (w->progress != NULL)
        w->progress (fraction, w->user_data);
}

/* libzip's source and target */

static zip_int64_t
target_fail (Target *target, int code, int err)
{
    zip_error_set (&target->error, code, err);
    return -1;
}

static zip_int64_t
write_all (Target *target, const void *data, zip_uint64_t len)
{
    for (zip_uint64_t done = 0; done < len;) {
        ssize_t n = write (target->out, (const char *) data + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return target_fail (target, ZIP_ER_WRITE, errno);
        done += (zip_uint64_t) n;
    }
    return (zip_int64_t) len;
}

static zip_int64_t
clone_start (Target *target, zip_uint64_t len)
{
    g_autofree char *piece = g_malloc (COPY_PIECE);
    for (zip_uint64_t done = 0; done < len;) {
        ssize_t n = pread (target->in, piece, MIN (len - done, COPY_PIECE), (off_t) done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return target_fail (target, ZIP_ER_READ, n < 0 ? errno : EIO);
        if (write_all (target, piece, (zip_uint64_t) n) < 0)
            return -1;
        done += (zip_uint64_t) n;
        if (target->progress != NULL)
            target->progress (HASHED + (WRITTEN - HASHED) * (double) done / (double) target->in_size, target->user_data);
    }
    target->from = HASHED + (WRITTEN - HASHED) * (double) len / (double) target->in_size;
    return 0;
}

static zip_int64_t
target_stat (Target *target, void *data)
{
    if (target->in < 0)
        return target_fail (target, ZIP_ER_READ, ENOENT);
    zip_stat_t *st = data;
    zip_stat_init (st);
    st->size = target->in_size;
    st->valid |= ZIP_STAT_SIZE;
    return sizeof *st;
}

static zip_int64_t
target_read (Target *target, void *data, zip_uint64_t len)
{
    ssize_t n = pread (target->in, data, len, (off_t) target->in_at);
    if (n < 0)
        return target_fail (target, ZIP_ER_READ, errno);
    target->in_at += (guint64) n;
    return n;
}

static zip_int64_t
target_seek (Target *target, void *data, zip_uint64_t len)
{
    zip_int64_t to = zip_source_seek_compute_offset (target->in_at, target->in_size, data, len, &target->error);
    if (to < 0)
        return -1;
    target->in_at = (guint64) to;
    return 0;
}

static zip_int64_t
target_seek_write (Target *target, void *data, zip_uint64_t len)
{
    const zip_source_args_seek_t *seek = ZIP_SOURCE_GET_ARGS (zip_source_args_seek_t, data, len, &target->error);
    if (seek == NULL)
        return -1;
    return lseek (target->out, (off_t) seek->offset, seek->whence) < 0 ? target_fail (target, ZIP_ER_SEEK, errno) : 0;
}

static zip_int64_t
target_call (void *state, void *data, zip_uint64_t len, zip_source_cmd_t command)
{
    Target *target = state;
    switch (command) {
    case ZIP_SOURCE_OPEN:
        target->in_at = 0;
        return target->in < 0 ? target_fail (target, ZIP_ER_OPEN, ENOENT) : 0;
    case ZIP_SOURCE_READ:
        return target_read (target, data, len);
    case ZIP_SOURCE_STAT:
        return target_stat (target, data);
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data (&target->error, data, len);
    case ZIP_SOURCE_SEEK:
        return target_seek (target, data, len);
    case ZIP_SOURCE_TELL:
        return (zip_int64_t) target->in_at;
    case ZIP_SOURCE_BEGIN_WRITE_CLONING:
        return clone_start (target, len);
    case ZIP_SOURCE_WRITE:
        return write_all (target, data, len);
    case ZIP_SOURCE_SEEK_WRITE:
        return target_seek_write (target, data, len);
    case ZIP_SOURCE_TELL_WRITE:
        return lseek (target->out, 0, SEEK_CUR);
    case ZIP_SOURCE_COMMIT_WRITE:
        return fsync (target->out) < 0 ? target_fail (target, ZIP_ER_WRITE, errno) : 0;
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap (ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE,
                                               ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS, ZIP_SOURCE_BEGIN_WRITE,
                                               ZIP_SOURCE_BEGIN_WRITE_CLONING, ZIP_SOURCE_COMMIT_WRITE, ZIP_SOURCE_ROLLBACK_WRITE, ZIP_SOURCE_WRITE,
                                               ZIP_SOURCE_SEEK_WRITE, ZIP_SOURCE_TELL_WRITE, ZIP_SOURCE_REMOVE, -1);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
    case ZIP_SOURCE_BEGIN_WRITE:
    case ZIP_SOURCE_ROLLBACK_WRITE:
    case ZIP_SOURCE_REMOVE:
        return 0;
    default:
        return target_fail (target, ZIP_ER_OPNOTSUPP, 0);
    }
}

/* Errors of libzip, with the errno beneath where there is one. */
static gboolean
zip_fail (zip_error_t *zerror, GError **error)
{
    int code = zip_error_code_zip (zerror), err = zip_error_code_system (zerror);
    if (code == ZIP_ER_EXISTS) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_EXISTS, "container: a file of that name is in it already");
        return FALSE;
    }
    if (zip_error_system_type (zerror) == ZIP_ET_SYS && err != 0)
        return io_fail (error, err, "writing the container");
    g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "writing the container: %s", zip_error_strerror (zerror));
    return FALSE;
}

static gboolean
add_source (zip_t *zip, const char *name, zip_source_t *source, GError **error)
{
    zip_int64_t at = source != NULL ? zip_file_add (zip, name, source, ZIP_FL_ENC_UTF_8) : -1;
    if (at < 0) {
        zip_source_free (source);
        zip_fail (zip_get_error (zip), error);
        g_prefix_error (error, "%s: ", name);
        return FALSE;
    }
    zip_uint64_t index = (zip_uint64_t) at;
    if (zip_set_file_compression (zip, index, ZIP_CM_STORE, 0) < 0 || zip_file_set_dostime (zip, index, 0, DOS_DATE, 0) < 0
        || zip_file_set_external_attributes (zip, index, 0, ZIP_OPSYS_UNIX, MODE) < 0)
        return zip_fail (zip_get_error (zip), error);
    return TRUE;
}

static gboolean
add_bytes (zip_t *zip, const char *name, GBytes *bytes, GError **error)
{
    gsize len;
    const void *data = g_bytes_get_data (bytes, &len);
    return add_source (zip, name, zip_source_buffer (zip, data != NULL ? data : "", len, 0), error);
}

static gboolean
add_all (zip_t *zip, const Writing *w, GError **error)
{
    g_autoptr (GBytes) mimetype = g_bytes_new_static (w->mimetype, strlen (w->mimetype));
    g_autofree char *manifest = asice_manifest_name (w->number), *signature = asice_signature_name (w->number);
    if (w->old == NULL && !add_bytes (zip, "mimetype", mimetype, error))
        return FALSE;
    for (guint i = 0; i < w->items->len; i++) {
        const AsiceItem *item = g_ptr_array_index (w->items, i);
        gboolean ok = item->bytes != NULL ? add_bytes (zip, item->name, item->bytes, error)
                                          : add_source (zip, item->name, zip_source_file (zip, item->path, 0, -1), error);
        if (!ok)
            return FALSE;
    }
    return w->sign == NULL || (add_bytes (zip, manifest, w->manifest_bytes, error) && add_bytes (zip, signature, w->signature, error));
}

static void
zip_progress (zip_t *zip, double fraction, void *state)
{
    const Target *target = state;
    target->progress (target->from + (WRITTEN - target->from) * fraction, target->user_data);
}

static gboolean
write_zip (const Writing *w, Target *target, GError **error)
{
    zip_error_t zerror;
    zip_error_init (&zerror);
    zip_source_t *source = zip_source_function_create (target_call, target, &zerror);
    zip_t *zip = source != NULL ? zip_open_from_source (source, w->old == NULL ? ZIP_CREATE : 0, &zerror) : NULL;
    if (zip == NULL) {
        zip_source_free (source);
        zip_fail (&zerror, error);
        zip_error_fini (&zerror);
        return FALSE;
    }
    if (w->progress != NULL)
        zip_register_progress_callback_with_state (zip, 0.01, zip_progress, NULL, target);
    gboolean ok = add_all (zip, w, error) && (zip_close (zip) == 0 || zip_fail (zip_get_error (zip), error));
    if (!ok)
        zip_discard (zip);
    zip_error_fini (&zerror);
    return ok;
}

/* What goes into the manifest */

static gboolean
hash_old (Writing *w, GError **error)
{
    const GPtrArray *entries = asice_entries (w->old);
    for (guint i = 0; i < entries->len; i++) {
        const AsiceEntry *entry = g_ptr_array_index (entries, i);
        guint8 digest[32];
        if (g_str_equal (entry->name, "mimetype") || g_str_has_prefix (entry->name, ASICE_META))
            continue;
        if (!asice_sha256 (w->old, entry, digest, error))
            return FALSE;
        g_ptr_array_add (w->manifest, manifest_entry_new (entry->name, digest));
    }
    return TRUE;
}

static gboolean
hash_items (Writing *w, GError **error)
{
    for (guint i = 0; i < w->items->len; i++) {
        const AsiceItem *item = g_ptr_array_index (w->items, i);
        guint8 digest[32];
        if (!asice_name_check (item->name, error))
            return FALSE;
        if (g_str_equal (item->name, "mimetype") || g_ascii_strncasecmp (item->name, ASICE_META, strlen (ASICE_META)) == 0) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "container: %s isn't a data file's name", item->name);
            return FALSE;
        }
        if (item->bytes != NULL)
            sha256 (g_bytes_get_data (item->bytes, NULL), g_bytes_get_size (item->bytes), digest);
        else if (!sha256_file (item->path, digest, NULL, error))
            return FALSE;
        g_ptr_array_add (w->manifest, manifest_entry_new (item->name, digest));
        tell_progress (w, HASHED * (i + 1) / w->items->len);
    }
    return TRUE;
}

static gboolean
prepare (Writing *w, GError **error)
{
    w->manifest = manifest_entries_new ();
    if ((w->old != NULL && !hash_old (w, error)) || !hash_items (w, error))
        return FALSE;
    if (w->sign == NULL)
        return TRUE;
    g_ptr_array_sort (w->manifest, manifest_compare);
    w->manifest_bytes = manifest_write (w->number, w->manifest, error);
    if (w->manifest_bytes == NULL)
        return FALSE;
    w->signature = w->sign (g_bytes_get_data (w->manifest_bytes, NULL), g_bytes_get_size (w->manifest_bytes), w->user_data, error);
    return w->signature != NULL;
}

/* What was written is read again as a stranger would: a file that changed meanwhile, or a disk that lies, shows here and not at the CA. */
static gboolean
check_written (const Writing *w, const char *path, GError **error)
{
    g_autoptr (Asice) written = asice_open_as (path, w->mimetype, error);
    if (written == NULL)
        return FALSE;
    guint old = w->old != NULL ? asice_entries (w->old)->len : 1;
    if (asice_entries (written)->len != old + w->items->len + (w->sign != NULL ? 2 : 0)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "container: not all files were written");
        return FALSE;
    }
    for (guint i = 0; i < w->manifest->len; i++) {
        const ManifestEntry *expected = g_ptr_array_index (w->manifest, i);
        const AsiceEntry *entry = asice_find (written, expected->name);
        guint8 digest[32];
        if (entry == NULL || !asice_sha256 (written, entry, digest, error)) {
            g_prefix_error (error, "reading %s again: ", expected->name);
            return FALSE;
        }
        g_autofree char *hex = hex_encode (digest, sizeof digest);
        if (!g_str_equal (hex, expected->sha256)) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "%s changed while it was written: is something still writing it? Try again", expected->name);
            return FALSE;
        }
        tell_progress (w, WRITTEN + (1 - WRITTEN) * (i + 1) / w->manifest->len);
    }
    return TRUE;
}

static void
sync_folder (const char *path)
{
    g_autofree char *folder = g_path_get_dirname (path);
    int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync (fd);                             /* the rename is done either way; a later crash may undo it, never half of it */
    close (fd);
}

static gboolean
put_in_place (const Writing *w, const char *temporary, GError **error)
{
    int rc = w->old != NULL ? rename (temporary, w->path) : renameat2 (AT_FDCWD, temporary, AT_FDCWD, w->path, RENAME_NOREPLACE);
    if (rc < 0 && errno == EINVAL)          /* a file system without RENAME_NOREPLACE */
        rc = link (temporary, w->path) == 0 ? unlink (temporary) : -1;
    if (rc < 0 && errno == EEXIST) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_EXISTS, "%s is there already and is never overwritten", w->path);
        return FALSE;
    }
    if (rc < 0)
        return io_fail (error, errno, "naming %s", w->path);
    sync_folder (w->path);
    return TRUE;
}

static gboolean
write_container (Writing *w, GError **error)
{
    if (!prepare (w, error))
        return FALSE;
    g_autofree char *folder = g_path_get_dirname (w->path), *base = g_path_get_basename (w->path);
    g_autofree char *temporary = g_strdup_printf ("%s/.%s.XXXXXX", folder, base);
    Target target = { .in = w->old != NULL ? asice_fd (w->old) : -1, .progress = w->progress, .user_data = w->user_data, .from = HASHED };
    struct stat st;
    if (target.in >= 0 && fstat (target.in, &st) == 0)
        target.in_size = (guint64) st.st_size;
    target.out = g_mkstemp_full (temporary, O_RDWR | O_CLOEXEC, 0600);
    if (target.out < 0)
        return io_fail (error, errno, "making a file beside %s", w->path);
    if (target.in >= 0 && fchmod (target.out, st.st_mode & 0777) < 0)
        g_debug ("%s: its mode wasn't kept", w->path);
    zip_error_init (&target.error);
    gboolean ok = write_zip (w, &target, error) && check_written (w, temporary, error) && put_in_place (w, temporary, error);
    zip_error_fini (&target.error);
    close (target.out);
    if (!ok)
        unlink (temporary);
    return ok;
}

static void
writing_clear (Writing *w)
{
    g_clear_pointer (&w->manifest, g_ptr_array_unref);
    g_clear_pointer (&w->manifest_bytes, g_bytes_unref);
    g_clear_pointer (&w->signature, g_bytes_unref);
}

static gboolean
write_new (Writing *w, GError **error)
{
    if (g_file_test (w->path, G_FILE_TEST_EXISTS)) {   /* told before the work; the rename is what makes sure */
        g_set_error (error, BASE_ERROR, BASE_ERROR_EXISTS, "%s is there already and is never overwritten", w->path);
        return FALSE;
    }
    gboolean ok = write_container (w, error);
    writing_clear (w);
    return ok;
}

gboolean
asice_create (const char *path, const GPtrArray *items, AsiceSign sign, AsiceProgress progress, gpointer user_data, GError **error)
{
    Writing w = { .path = path, .mimetype = ASICE_MIMETYPE, .items = items, .sign = sign, .progress = progress, .user_data = user_data, .number = 1 };
    return write_new (&w, error);
}

gboolean
asice_create_as (const char *path, const char *mimetype, const GPtrArray *items, GError **error)
{
    Writing w = { .path = path, .mimetype = mimetype, .items = items };
    return write_new (&w, error);
}

/* Two who append at once would lose one's signature: the second is told so. */
static gboolean
take_lock (const char *path, int fd, GError **error)
{
    struct stat ours, there;
    if (flock (fd, LOCK_EX | LOCK_NB) == 0 && fstat (fd, &ours) == 0 && stat (path, &there) == 0 && ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_BUSY, "%s: another process is adding to it; try again", path);
    return FALSE;
}

gboolean
asice_append (const char *path, const GPtrArray *items, AsiceSign sign, AsiceProgress progress, gpointer user_data, GError **error)
{
    g_autoptr (Asice) old = asice_open (path, error);
    if (old == NULL || !take_lock (path, asice_fd (old), error))
        return FALSE;
    Writing w = { .path = path, .mimetype = ASICE_MIMETYPE, .old = old, .items = items, .sign = sign, .progress = progress, .user_data = user_data };
    w.number = asice_signature_count (old) + 1;
    gboolean ok = write_container (&w, error);
    writing_clear (&w);
    return ok;
}
