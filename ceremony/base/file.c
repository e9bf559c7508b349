/* Files as evidence needs them: what is read is bounded, what is written is on the disk when the call returns, and nothing is overwritten unasked. */
#include "ceremony/base/file.h"
#include "ceremony/base/errors.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAX_TREE_DEPTH 64

static gboolean
read_all (int fd, guint8 *out, gsize len, gsize *got, GError **error)
{
    gsize done = 0;
    while (done < len) {
        ssize_t n = read (fd, out + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_fail (error, errno, "reading");
        if (n == 0)
            break;
        done += (gsize) n;
    }
    *got = done;
    return TRUE;
}

static GBytes *
read_fd (int fd, gsize max, GError **error)
{
    struct stat st;
    if (fstat (fd, &st) != 0) {
        io_fail (error, errno, "looking at it");
        return NULL;
    }
    if (!S_ISREG (st.st_mode)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "a folder or a device, not a file");
        return NULL;
    }
    if ((guint64) st.st_size > max) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "%" G_GINT64_FORMAT " bytes, where at most %" G_GSIZE_FORMAT " are read", (gint64) st.st_size, max);
        return NULL;
    }
    g_autofree guint8 *data = g_malloc ((gsize) st.st_size + 1);
    gsize got = 0;
    if (!read_all (fd, data, (gsize) st.st_size, &got, error))
        return NULL;
    return g_bytes_new_take (g_steal_pointer (&data), got);
}

GBytes *
file_read (const char *path, gsize max, GError **error)
{
    /* O_NONBLOCK: a pipe under this name must not hang us before it is refused. */
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "%s: no such file", path);
        return NULL;
    }
    if (fd < 0) {
        io_fail (error, errno, "%s", path);
        return NULL;
    }
    GBytes *data = read_fd (fd, max, error);
    close (fd);
    if (data == NULL)
        g_prefix_error (error, "%s: ", path);
    return data;
}

static gboolean
write_all (int fd, const void *data, gsize len, GError **error)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write (fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_fail (error, errno, "writing");
        p += n;
        len -= (gsize) n;
    }
    return TRUE;
}

static gboolean
sync_folder (const char *folder, GError **error)
{
    int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return io_fail (error, errno, "%s", folder);
    int err = fsync (fd) == 0 ? 0 : errno;
    close (fd);
    /* Some file systems can't sync a folder; their rename is all there is. */
    if (err != 0 && err != EINVAL && err != ENOTSUP)
        return io_fail (error, err, "%s", folder);
    return TRUE;
}

/* Gives @temporary the name @path. RENAME_NOREPLACE isn't in every file system; link refuses an existing name everywhere. */
static gboolean
put_in_place (const char *temporary, const char *path, gboolean replace, GError **error)
{
    int result;
    if (replace) {
        result = rename (temporary, path);
    } else {
        result = renameat2 (AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE);
        if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
            result = link (temporary, path);
            if (result == 0)
                unlink (temporary);
        }
    }
    if (result == 0)
        return TRUE;
    if (errno == EEXIST) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_EXISTS, "there already; it is never overwritten");
        return FALSE;
    }
    return io_fail (error, errno, "putting it in place");
}

static gboolean
fill (int fd, const void *data, gsize len, int mode, GError **error)
{
    if (fchmod (fd, (mode_t) mode) != 0)
        return io_fail (error, errno, "setting its mode");
    if (!write_all (fd, data, len, error))
        return FALSE;
    if (fsync (fd) != 0)
        return io_fail (error, errno, "writing to the disk");
    return TRUE;
}

gboolean
file_write (const char *path, const void *data, gsize len, int mode, gboolean replace, GError **error)
{
    g_autofree char *folder = g_path_get_dirname (path);
    g_autofree char *name = g_path_get_basename (path);
    g_autofree char *temporary = g_strdup_printf ("%s/.%s.XXXXXX", folder, name);
    int fd = mkostemp (temporary, O_CLOEXEC);
    if (fd < 0)
        return io_fail (error, errno, "%s", path);
    gboolean ok = fill (fd, data, len, mode, error);
    /* close may be the one to tell of a full disk (quota, network file systems). */
    if (close (fd) != 0 && ok)
        ok = io_fail (error, errno, "writing to the disk");
    ok = ok && put_in_place (temporary, path, replace, error);
    if (!ok) {
        unlink (temporary);
        g_prefix_error (error, "%s: ", path);
        return FALSE;
    }
    return sync_folder (folder, error);
}

gboolean
file_mkdir (const char *path, GError **error)
{
    if (g_mkdir_with_parents (path, 0700) != 0)
        return io_fail (error, errno, "%s", path);
    return TRUE;
}

static gboolean remove_at (int parent, const char *name, int depth, GError **error);

static gboolean
remove_entries (int fd, int depth, GError **error)
{
    DIR *dir = fdopendir (fd);
    if (dir == NULL) {
        io_fail (error, errno, "listing a folder");
        close (fd);
        return FALSE;
    }
    gboolean ok = TRUE;
    for (struct dirent *entry; ok && (entry = readdir (dir)) != NULL;)
        if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
            ok = remove_at (dirfd (dir), entry->d_name, depth + 1, error);
    closedir (dir);
    return ok;
}

static gboolean
remove_at (int parent, const char *name, int depth, GError **error)
{
    if (depth > MAX_TREE_DEPTH) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "%s: folders lie too deep in each other", name);
        return FALSE;
    }
    int fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return TRUE;
    if (fd >= 0 && !remove_entries (fd, depth, error))
        return FALSE;
    if (unlinkat (parent, name, fd >= 0 ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
        return io_fail (error, errno, "%s", name);
    return TRUE;
}

gboolean
file_remove_tree (const char *path, GError **error)
{
    return remove_at (AT_FDCWD, path, 0, error);
}

gint64
file_free_space (const char *path)
{
    struct statvfs st;
    if (statvfs (path, &st) != 0)
        return -1;
    return (gint64) st.f_bavail * (gint64) st.f_frsize;
}

int
file_lock (const char *path, GError **error)
{
    int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        io_fail (error, errno, "%s", path);
        return -1;
    }
    if (flock (fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (errno == EWOULDBLOCK)
        g_set_error (error, BASE_ERROR, BASE_ERROR_BUSY, "%s: another process holds it; wait for it to end, or end it", path);
    else
        io_fail (error, errno, "%s", path);
    close (fd);
    return -1;
}
