/* A secret has a page of its own: locked into memory where the system lets us, absent from core dumps, empty in a forked child, overwritten
 * before it is given back. */
#include "ceremony/base/secret.h"
#include <openssl/crypto.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define SECURE_HEAP (64 * 1024)
#define SECURE_HEAP_MIN 32

struct Secret {
    gsize len;
    char  data[SECRET_MAX + 1];
};

Secret *
secret_new (void)
{
    Secret *self = mmap (NULL, sizeof *self, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (self == MAP_FAILED)
        g_error ("secret: no memory for it");
    /* RLIMIT_MEMLOCK may forbid locking; the other two still hold. */
    (void) mlock (self, sizeof *self);
    (void) madvise (self, sizeof *self, MADV_DONTDUMP);
    (void) madvise (self, sizeof *self, MADV_WIPEONFORK);
    return self;
}

gboolean
secret_append (Secret *self, guint8 byte)
{
    if (self->len >= SECRET_MAX)
        return FALSE;
    self->data[self->len++] = (char) byte;
    return TRUE;
}

void
secret_set (Secret *self, const void *data, gsize len)
{
    g_return_if_fail (len <= SECRET_MAX);
    char *end = (char *) memmove (self->data, data, len) + len;
    explicit_bzero (end, sizeof self->data - len);
    self->len = len;
}

void
secret_backspace (Secret *self)
{
    while (self->len > 0) {
        guint8 byte = (guint8) self->data[--self->len];
        self->data[self->len] = '\0';
        if ((byte & 0xc0) != 0x80)
            break;
    }
}

void
secret_wipe (Secret *self)
{
    explicit_bzero (self, sizeof *self);
}

gsize
secret_len (const Secret *self)
{
    return self->len;
}

const char *
secret_data (const Secret *self)
{
    return self->data;
}

void
secret_free (Secret *self)
{
    if (self == NULL)
        return;
    secret_wipe (self);
    munmap (self, sizeof *self);
}

void
secret_harden_process (void)
{
    struct rlimit none = { 0, 0 };
    (void) setrlimit (RLIMIT_CORE, &none);
    (void) prctl (PR_SET_DUMPABLE, 0);
    umask (077);
    if (!CRYPTO_secure_malloc_initialized ())
        (void) CRYPTO_secure_malloc_init (SECURE_HEAP, SECURE_HEAP_MIN);
}
