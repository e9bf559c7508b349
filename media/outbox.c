/* A queue under a lock, a source of the default main context that sends, and a watch for room while the socket is full. */
#include "media/outbox.h"
#include "media/protocol.h"
#include "ceremony/base/cjson.h"
#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

struct Outbox {
    int fd;
    GMutex lock;
    GQueue packets;             /* GBytes */
    guint idle, watch;          /* sources that will send */
    gboolean gone;              /* the other end is closed */
};

static gboolean on_idle (gpointer data);
static gboolean on_room (int fd, GIOCondition condition, gpointer data);

Outbox *
outbox_new (int fd)
{
    Outbox *self = g_new0 (Outbox, 1);
    self->fd = fd;
    g_unix_set_fd_nonblocking (fd, TRUE, NULL);
    g_mutex_init (&self->lock);
    g_queue_init (&self->packets);
    return self;
}

void
outbox_free (Outbox *self)
{
    if (!self)
        return;
    if (self->idle)
        g_source_remove (self->idle);
    if (self->watch)
        g_source_remove (self->watch);
    g_queue_clear_full (&self->packets, (GDestroyNotify) g_bytes_unref);
    g_mutex_clear (&self->lock);
    g_free (self);
}

void
outbox_post (Outbox *self, json_t *message)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *text = cjson_encode (message, &error);
    json_decref (message);
    if (!text || strlen (text) + 1 > MEDIA_PACKET_MAX) {
        g_printerr ("a message can't be sent: %s\n", error ? error->message : "too long");
        return;
    }
    GByteArray *packet = g_byte_array_new ();
    g_byte_array_append (packet, (const guint8 *) "J", 1);
    g_byte_array_append (packet, (const guint8 *) text, (guint) strlen (text));
    g_mutex_lock (&self->lock);
    g_queue_push_tail (&self->packets, g_byte_array_free_to_bytes (packet));
    if (!self->idle && !self->watch)
        self->idle = g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, self, NULL);
    g_mutex_unlock (&self->lock);
}

/* With the lock held: sends until the queue is empty (TRUE) or the socket full. */
static gboolean
send_all (Outbox *self)
{
    GBytes *packet;
    while ((packet = g_queue_peek_head (&self->packets))) {
        gsize len;
        const void *data = g_bytes_get_data (packet, &len);
        ssize_t sent = self->gone ? (ssize_t) len : send (self->fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return FALSE;
        self->gone |= sent < 0;
        g_bytes_unref (g_queue_pop_head (&self->packets));
    }
    return TRUE;
}

static gboolean
on_idle (gpointer data)
{
    Outbox *self = data;
    g_mutex_lock (&self->lock);
    self->idle = 0;
    if (!send_all (self) && !self->watch)
        self->watch = g_unix_fd_add (self->fd, G_IO_OUT, on_room, self);
    g_mutex_unlock (&self->lock);
    return G_SOURCE_REMOVE;
}

static gboolean
on_room (int fd, GIOCondition condition, gpointer data)
{
    Outbox *self = data;
    g_mutex_lock (&self->lock);
    gboolean done = send_all (self);
    if (done)
        self->watch = 0;
    g_mutex_unlock (&self->lock);
    return done ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

void
outbox_drain (Outbox *self, guint timeout_ms)
{
    gint64 until = g_get_monotonic_time () + timeout_ms * G_GINT64_CONSTANT (1000);
    g_mutex_lock (&self->lock);
    while (!send_all (self) && g_get_monotonic_time () < until)
        poll (&(struct pollfd) { self->fd, POLLOUT, 0 }, 1, 100);
    g_mutex_unlock (&self->lock);
}
