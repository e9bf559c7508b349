/* The error domain of the lower rooms, and how OpenSSL's and the system's failures become a GError. */
#include "ceremony/base/errors.h"
#include <errno.h>
#include <openssl/err.h>

G_DEFINE_QUARK (base-error-quark, base_error)

gboolean
crypto_fail (GError **error, const char *what)
{
    unsigned long code = ERR_get_error ();
    char reason[256] = "no reason given by OpenSSL";
    if (code != 0)
        ERR_error_string_n (code, reason, sizeof reason);
    ERR_clear_error ();
    g_set_error (error, BASE_ERROR, BASE_ERROR_CRYPTO, "%s: %s", what, reason);
    return FALSE;
}

gboolean
io_fail (GError **error, int err, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *what = g_strdup_vprintf (format, args);
    va_end (args);
    if (err == ENOSPC || err == EDQUOT)
        g_set_error (error, BASE_ERROR, BASE_ERROR_SPACE, "%s: the disk is full; free some space and try again", what);
    else
        g_set_error (error, BASE_ERROR, BASE_ERROR_IO, "%s: %s", what, g_strerror (err));
    return FALSE;
}
