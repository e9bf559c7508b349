/* The keyboard side. While a PIN is asked for, its bytes go from the read buffer straight to the Secret; only escape sequences pass the decoder. */
#include "ui/input.h"
#include "ui/keys.h"
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ESC_TIMEOUT_MS 50               /* an ESC that nothing follows for so long is the key */

typedef struct { guint8 bytes[512]; KeyDecoder decoder; } Locked;

struct Input { Locked *locked; guint source, timeout; gboolean pasting; InputEvents events; };

static Locked *locked_new (void)
{
    Locked *page = mmap (NULL, sizeof (Locked), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        g_error ("no memory for the keyboard buffer");
    mlock (page, sizeof *page);         /* best effort: it is wiped after each key anyway */
    madvise (page, sizeof *page, MADV_DONTDUMP);
    return page;
}

/* A key of the decoder while a PIN is asked for: the character after an ESC is part of it, other keys act as ever. */
static gboolean deliver_in_secret (Input *self, guint32 key)
{
    if (key == K_ENTER || key == K_ERASE || key < 0x80)
    {
        self->events.pin_byte (key == K_ENTER ? '\r' : key == K_ERASE ? 0x7f : (guint8) key, self->events.user_data);
        return key == K_ENTER;
    }
    return self->events.key (key, self->events.user_data);
}

static gboolean deliver (Input *self, guint32 key)
{
    if (key == K_PASTE_BEGIN || key == K_PASTE_END)
        self->pasting = key == K_PASTE_BEGIN;
    else if (self->pasting && (key == K_ENTER || key == K_TAB))
        return FALSE;                   /* pasted text never answers by itself */
    else if (self->events.secret (self->events.user_data))
        return deliver_in_secret (self, key);
    else
        return self->events.key (key, self->events.user_data);
    return FALSE;
}

static gboolean feed_byte (Input *self, guint8 byte)
{
    guint32 keys[KEYS_PER_BYTE] = { 0 };
    gboolean secret = self->events.secret (self->events.user_data), given = FALSE;
    if (secret && !key_decoder_pending (&self->locked->decoder) && byte != 0x1b)
    {
        if (self->pasting && (byte == '\r' || byte == '\n'))
            return FALSE;
        self->events.pin_byte (byte, self->events.user_data);
        return byte == '\r' || byte == '\n';
    }
    guint n = key_decoder_feed (&self->locked->decoder, byte, keys);
    for (guint i = 0; i < n && !given; i++)
        given = deliver (self, keys[i]);
    explicit_bzero (keys, sizeof keys);
    return given;
}

static gboolean on_timeout (gpointer data)
{
    Input *self = data;
    guint32 key;
    self->timeout = 0;
    if (key_decoder_timeout (&self->locked->decoder, &key))
        deliver (self, key);
    return G_SOURCE_REMOVE;
}

void input_feed (Input *self, const guint8 *data, gsize len)
{
    g_clear_handle_id (&self->timeout, g_source_remove);
    for (gsize i = 0; i < len; i++)
        if (feed_byte (self, data[i]))
            break;
    if (key_decoder_pending (&self->locked->decoder))
        self->timeout = g_timeout_add (ESC_TIMEOUT_MS, on_timeout, self);
}

static gboolean on_readable (gint fd, GIOCondition condition, gpointer data)
{
    Input *self = data;
    gssize n = read (fd, self->locked->bytes, sizeof self->locked->bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return G_SOURCE_CONTINUE;
    if (n <= 0)
    {
        self->source = 0;               /* the terminal is gone; the process hears of it by SIGHUP */
        return G_SOURCE_REMOVE;
    }
    self->events.touched (self->events.user_data);
    input_feed (self, self->locked->bytes, (gsize) n);
    explicit_bzero (self->locked->bytes, sizeof self->locked->bytes);
    return G_SOURCE_CONTINUE;
}

Input *input_new (int fd, const InputEvents *events)
{
    Input *self = g_new0 (Input, 1);
    self->locked = locked_new ();
    self->events = *events;
    if (fd >= 0)
        self->source = g_unix_fd_add (fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, self);
    return self;
}

void input_free (Input *self)
{
    if (!self)
        return;
    g_clear_handle_id (&self->source, g_source_remove);
    g_clear_handle_id (&self->timeout, g_source_remove);
    explicit_bzero (self->locked, sizeof *self->locked);
    munmap (self->locked, sizeof *self->locked);
    g_free (self);
}
