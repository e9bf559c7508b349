/* Naming a signer on the command line, and asking for what unlocks it. */
#include "ceremony/commands/signer-options.h"
#include "ceremony/base/errors.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { CTRL_C = 3, CTRL_D = 4, CTRL_U = 21, BACKSPACE = 8, DELETE = 127 };

gboolean
signer_options_take (SignerOptions *self, int argc, char **argv, int *i)
{
    const struct { const char *name; char **value; } table[] = {
        { "--key", &self->key }, { "--token", &self->token }, { "--module", &self->module }, { "--passphrase-file", &self->passphrase_file },
    };
    for (gsize n = 0; n < G_N_ELEMENTS (table); n++)
        if (strcmp (argv[*i], table[n].name) == 0 && *i + 1 < argc) {
            *table[n].value = argv[++*i];
            return TRUE;
        }
    return FALSE;
}

/* One key press. TRUE at the end of the line. */
static gboolean
take_key (Secret *secret, guint8 key)
{
    if (key == '\n' || key == '\r' || key == CTRL_D)
        return TRUE;
    if (key == BACKSPACE || key == DELETE)
        secret_backspace (secret);
    else if (key == CTRL_U)
        secret_wipe (secret);
    else if (key >= 0x20)
        secret_append (secret, key);
    return FALSE;
}

static gboolean
read_quietly (int tty, Secret *secret, GError **error)
{
    guint8 key = 0;
    for (;;) {
        ssize_t n = read (tty, &key, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || key == CTRL_C) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_ABORTED, "nothing was entered");
            return FALSE;
        }
        if (take_key (secret, key))
            return TRUE;
    }
}

gboolean
secret_ask (const char *prompt, Secret *secret, GError **error)
{
    int tty = open ("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios old, quiet;
    if (tty < 0 || tcgetattr (tty, &old) < 0) {
        if (tty >= 0)
            close (tty);
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "no terminal to ask on; use --passphrase-file");
        return FALSE;
    }
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t) (ECHO | ICANON | ISIG);    /* no echo, and no ^C that would leave it off */
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    dprintf (tty, "%s: ", prompt);
    tcsetattr (tty, TCSAFLUSH, &quiet);
    gboolean ok = read_quietly (tty, secret, error);
    tcsetattr (tty, TCSAFLUSH, &old);
    dprintf (tty, "\n");
    close (tty);
    return ok;
}

gboolean
secret_read_file (const char *path, Secret *secret, GError **error)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    guint8 byte;
    if (fd < 0)
        return io_fail (error, errno, "opening %s", path);
    gboolean fits = TRUE;
    while (fits && read (fd, &byte, 1) == 1 && byte != '\n' && byte != '\r')
        fits = secret_append (secret, byte);
    close (fd);
    byte = 0;
    if (!fits)
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "%s: its first line is longer than any passphrase", path);
    return fits;
}

static Signer *
open_with (const SignerOptions *self, const Secret *secret, GError **error)
{
    return self->key != NULL ? signer_load_file (self->key, secret, error) : signer_load_token (self->token, self->module, secret, error);
}

Signer *
signer_options_open (const SignerOptions *self, GError **error)
{
    if ((self->key == NULL) == (self->token == NULL)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "who signs? Name --key FILE or --token URI");
        return NULL;
    }
    g_autoptr (Secret) secret = secret_new ();
    if (self->passphrase_file != NULL)
        return secret_read_file (self->passphrase_file, secret, error) ? open_with (self, secret, error) : NULL;
    g_autoptr (GError) first = NULL;
    Signer *signer = self->key != NULL ? open_with (self, NULL, &first) : NULL;
    if (signer != NULL)
        return signer;
    if (first != NULL && !g_error_matches (first, BASE_ERROR, BASE_ERROR_REFUSED)) {
        g_propagate_error (error, g_steal_pointer (&first));
        return NULL;
    }
    g_autofree char *prompt = self->key != NULL ? g_strdup_printf ("Passphrase of %s", self->key) : g_strdup ("PIN of the token (just Enter where it has a PIN pad)");
    return secret_ask (prompt, secret, error) ? open_with (self, secret, error) : NULL;
}
