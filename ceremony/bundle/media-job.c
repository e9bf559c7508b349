/* The container's file is the job's input; it is told where in it the video lies. */
#include "ceremony/bundle/media-job.h"
#include "ceremony/base/child.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The container's file and where @entry lies in it; a container in memory gives a copy of the entry in a file of its own (@own, to be closed). */
static gboolean
place_of_entry (const Asice *asice, const AsiceEntry *entry, int *fd, guint64 *offset, gboolean *own, GError **error)
{
    g_autoptr(GBytes) bytes = NULL;

    *own = asice_fd (asice) < 0;
    *fd = asice_fd (asice);
    *offset = entry->offset;
    if (!*own)
        return TRUE;
    *offset = 0;
    *fd = memfd_create ("video", MFD_CLOEXEC);
    if (*fd < 0)
        return io_fail (error, errno, "memfd_create");
    bytes = asice_read (asice, entry->name, entry->length, error);
    if (bytes && write (*fd, g_bytes_get_data (bytes, NULL), entry->length) == (gssize) entry->length)
        return TRUE;
    close (*fd);
    return bytes ? io_fail (error, errno, "%s", entry->name) : FALSE;
}

GBytes *
media_job (const Asice *asice, const AsiceEntry *video, const char *const *job, gsize max, gboolean *whole, GError **error)
{
    g_autofree char *media = child_media_path (error), *offset_text = NULL, *length_text = NULL;
    guint64 offset = 0;
    guint timeout = CLAMP (120000 + video->length / 100, 120000, 3600000);      /* far more than decoding takes */
    GBytes *output = NULL;
    int fd = -1, status = 0;
    gboolean ran, own = FALSE;

    if (!media || !place_of_entry (asice, video, &fd, &offset, &own, error))
        return NULL;
    offset_text = g_strdup_printf ("%" G_GUINT64_FORMAT, offset);
    length_text = g_strdup_printf ("%" G_GUINT64_FORMAT, video->length);
    g_autoptr(GPtrArray) argv = g_ptr_array_new ();
    g_ptr_array_add (argv, media);
    for (gsize i = 0; job[i]; i++)
        g_ptr_array_add (argv, (char *) job[i]);
    for (const char **word = (const char *[]) { "--offset", offset_text, "--length", length_text, NULL }, **end = word + 5; word < end; word++)
        g_ptr_array_add (argv, (char *) *word);
    ran = child_run ((const char *const *) argv->pdata, fd, NULL, timeout + 10000, max, &output, &status, error);
    if (own)
        close (fd);
    if (ran && whole)
        *whole = status == 0;
    if (ran && (status == 0 || (whole && output && g_bytes_get_size (output) > 0)))
        return output;
    if (ran)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "the scanner ended with status %d: the video is damaged, or it can't be decoded on this machine", status);
    g_clear_pointer (&output, g_bytes_unref);
    return NULL;
}

json_t *
media_line (GBytes *output, gsize *at)
{
    gsize len;
    const char *data = g_bytes_get_data (output, &len);
    json_t *line = NULL;

    while (line == NULL && *at < len) {
        const char *p = data + *at, *newline = memchr (p, '\n', len - *at);
        gsize n = newline ? (gsize) (newline - p) : len - *at;
        line = cjson_parse (p, n, NULL);
        *at = MIN (*at + n + 1, len);
    }
    return line;
}

gboolean
media_picture (GBytes *output, gsize *at, gint64 *ms, const guint8 **png, gsize *len)
{
    g_autoptr(json_t) line = media_line (output, at);
    gint64 length = 0;
    gsize size;
    const guint8 *data = g_bytes_get_data (output, &size);

    if (!line || !cjson_int (line, "png_length", &length, NULL) || !cjson_int (line, "ms", ms, NULL) || length <= 0 || (guint64) length > size - *at)
        return FALSE;
    *png = data + *at;
    *len = (gsize) length;
    *at += *len;
    return TRUE;
}
