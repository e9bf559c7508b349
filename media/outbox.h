/* Messages to `ceremony`: any thread may post, the main loop sends, nobody ever waits for the other side to read. */
#pragma once
#include <glib.h>
#include <jansson.h>

typedef struct Outbox Outbox;

Outbox *outbox_new (int fd);            /* a SOCK_SEQPACKET socket, made non-blocking; stays the caller's */
void    outbox_free (Outbox *self);
/* Takes over @message, an object. What can't be sent any more, because the other end is gone, is dropped. */
void    outbox_post (Outbox *self, json_t *message);
void    outbox_drain (Outbox *self, guint timeout_ms); /* sends what is left, waiting at most so long */
