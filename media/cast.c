/* What a line says is what the terminal was given; only bytes that aren't UTF-8 become U+FFFD, since JSON can't hold them. */
#include "media/cast.h"
#include "media/utf8.h"
#include "ceremony/base/cjson.h"
#include <string.h>

struct Cast {
    Track *track;
    CastFailed failed;
    gpointer user;
    GByteArray *held;           /* an incomplete UTF-8 sequence */
    gint64 last_us;
    GAsyncQueue *jobs;          /* GBytes: a line; an empty one ends a chunk, &the_end the thread */
    GThread *thread;
};

static char the_end;

static void
job_free (gpointer job)
{
    if (job != &the_end)
        g_bytes_unref (job);
}

static gpointer
write_lines (gpointer data)
{
    Cast *self = data;
    gboolean told = FALSE;
    for (;;) {
        g_autoptr (GError) error = NULL;
        gpointer job = g_async_queue_pop (self->jobs);
        gsize len = job == &the_end ? 0 : g_bytes_get_size (job);
        gboolean ok = len == 0 ? track_end_chunk (self->track, NULL, &error)
                               : told || track_write (self->track, g_bytes_get_data (job, NULL), len, &error);
        job_free (job);
        if (!ok && !told) {
            told = TRUE;
            self->failed (error->message, self->user);
        }
        if (job == &the_end)
            return NULL;
    }
}

static void
push_line (Cast *self, gint64 us, const char *kind, const char *text)
{
    g_autoptr (json_t) string = json_string (text);
    g_autofree char *quoted = cjson_encode (string, NULL);
    self->last_us = MAX (us, self->last_us);
    char *line = g_strdup_printf ("[%" G_GINT64_FORMAT ".%06d, \"%s\", %s]\n", self->last_us / G_USEC_PER_SEC, (int) (self->last_us % G_USEC_PER_SEC),
                                  kind, quoted);
    g_async_queue_push (self->jobs, g_bytes_new_take (line, strlen (line)));
}

Cast *
cast_new (Track *track, int cols, int rows, gint64 wall_ms, const char *ceremony, CastFailed failed, gpointer user)
{
    Cast *self = g_new0 (Cast, 1);
    self->track = track;
    self->failed = failed;
    self->user = user;
    self->held = g_byte_array_new ();
    self->jobs = g_async_queue_new_full (job_free);
    g_autoptr (json_t) header = json_pack ("{s:i,s:i,s:i,s:I,s:s,s:{s:s}}", "version", 2, "width", cols, "height", rows, "timestamp",
                                           (json_int_t) (wall_ms / 1000), "title", ceremony, "env", "TERM", "xterm-256color");
    char *text = json_dumps (header, JSON_COMPACT | JSON_PRESERVE_ORDER), *line = g_strconcat (text, "\n", NULL);
    free (text);
    g_async_queue_push (self->jobs, g_bytes_new_take (line, strlen (line)));
    g_async_queue_push (self->jobs, g_bytes_new (NULL, 0));
    self->thread = g_thread_new ("cast", write_lines, self);
    return self;
}

void
cast_output (Cast *self, gint64 us, const void *data, gsize len)
{
    g_autoptr (GString) text = g_string_new (NULL);
    g_byte_array_append (self->held, data, (guint) len);
    utf8_take (self->held, text, FALSE);
    if (text->len > 0)
        push_line (self, us, "o", text->str);
}

void
cast_resize (Cast *self, gint64 us, int cols, int rows)
{
    g_autofree char *size = g_strdup_printf ("%dx%d", cols, rows);
    push_line (self, us, "r", size);
}

void
cast_end_chunk (Cast *self)
{
    g_async_queue_push (self->jobs, g_bytes_new (NULL, 0));
}

void
cast_free (Cast *self)
{
    if (!self)
        return;
    g_autoptr (GString) rest = g_string_new (NULL);
    utf8_take (self->held, rest, TRUE);
    if (rest->len > 0)
        push_line (self, self->last_us, "o", rest->str);
    g_async_queue_push (self->jobs, &the_end);
    g_thread_join (self->thread);
    track_close (self->track);
    track_free (self->track);
    g_async_queue_unref (self->jobs);
    g_byte_array_unref (self->held);
    g_free (self);
}
