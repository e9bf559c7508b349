/* The error domain of the lower rooms. Messages read "what: why" and, where a person can act, end in what to do next;
 * each level prefixes where it was: g_prefix_error (error, "journal: "). */
#pragma once
#include <glib.h>

#define BASE_ERROR (base_error_quark ())
GQuark base_error_quark (void);

typedef enum {
    BASE_ERROR_FAILED,   /* anything else */
    BASE_ERROR_FORMAT,   /* input isn't what it must be: refuse it */
    BASE_ERROR_LIMIT,    /* input is larger or deeper than we read */
    BASE_ERROR_IO,       /* the system refused a read or write */
    BASE_ERROR_SPACE,    /* the disk is full */
    BASE_ERROR_EXISTS,   /* it is there already, and is never overwritten */
    BASE_ERROR_MISSING,  /* it isn't there */
    BASE_ERROR_BUSY,     /* another process holds it */
    BASE_ERROR_USAGE,    /* the caller's words are off (exit status 2) */
    BASE_ERROR_CRYPTO,   /* OpenSSL failed: the message carries its reason */
    BASE_ERROR_REFUSED,  /* a check refuses: signature, trust, order of things */
    BASE_ERROR_ABORTED,  /* a person ended it */
} BaseError;

/* Sets @error to BASE_ERROR_CRYPTO with @what and the oldest reason in OpenSSL's queue, and empties the queue.
 * Always returns FALSE, so that one can write: return crypto_fail (error, "signing"); */
gboolean crypto_fail (GError **error, const char *what);

/* Sets @error from errno value @err: BASE_ERROR_SPACE for ENOSPC and EDQUOT, else BASE_ERROR_IO. Returns FALSE. */
gboolean io_fail (GError **error, int err, const char *format, ...) G_GNUC_PRINTF (3, 4);
