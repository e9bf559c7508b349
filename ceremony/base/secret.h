/* Secrets in memory: locked, out of core dumps, wiped. A PIN lives here and nowhere else. */
#pragma once
#include <glib.h>

typedef struct Secret Secret;
#define SECRET_MAX 1024

Secret     *secret_new (void);                              /* empty; aborts where memory can't be had */
gboolean    secret_append (Secret *self, guint8 byte);      /* FALSE when full */
void        secret_set (Secret *self, const void *data, gsize len); /* len at most SECRET_MAX */
void        secret_backspace (Secret *self);                /* takes away the last UTF-8 character */
void        secret_wipe (Secret *self);                     /* empties it */
gsize       secret_len (const Secret *self);
const char *secret_data (const Secret *self);               /* NUL-terminated, in the locked page */
void        secret_free (Secret *self);                     /* wipes */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Secret, secret_free)

/* At the start of main: no core dumps (RLIMIT_CORE 0, PR_SET_DUMPABLE 0), OpenSSL's secure heap, umask 077. */
void secret_harden_process (void);
