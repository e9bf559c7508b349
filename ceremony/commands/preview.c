/* ceremony-media draws, this copies it to the terminal and reads the keys. */
#include "ceremony/commands/preview.h"
#include "ceremony/base/child.h"
#include "ceremony/run/cameras.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define TOP 3                   /* lines above the picture */
#define BOTTOM 2

typedef struct {
    const char *const *cameras;
    const char *go;
    guint n, at;
    struct termios before;
    struct winsize size;
    Child child;
} Preview;

static void
put (const char *text, gsize len)
{
    while (len > 0) {
        ssize_t n = write (STDOUT_FILENO, text, len);
        if (n < 0 && errno != EINTR)
            return;
        text += MAX (n, 0);
        len -= (gsize) MAX (n, 0);
    }
}

static const char *
colours (void)
{
    const char *term = g_getenv ("TERM"), *colour = g_getenv ("COLORTERM"), *charset;
    if (!g_get_charset (&charset))
        return "ascii";
    if (g_getenv ("NO_COLOR") && *g_getenv ("NO_COLOR"))
        return "shades";
    if (colour && (strstr (colour, "truecolor") || strstr (colour, "24bit")))
        return "truecolor";
    return term && strstr (term, "256color") ? "256" : "shades";
}

static void
end_child (Preview *self)
{
    if (self->child.out >= 0)
        close (self->child.out);
    if (self->child.pid > 0) {
        kill (self->child.pid, SIGKILL);
        waitpid (self->child.pid, NULL, 0);
    }
    self->child = (Child) { 0, -1, -1 };
}

static void
draw_words (const Preview *self)
{
    g_autoptr (GString) out = g_string_new ("\x1b[2J\x1b[1;1H");
    g_autofree char *name = g_str_to_ascii (self->cameras[self->at], NULL);     /* a path; nothing in it may steer the terminal */
    for (char *p = name; *p; p++)
        *p = g_ascii_isprint (*p) ? *p : '?';
    g_string_append_printf (out, "\x1b[1mThis is what the camera sees\x1b[0m   %.*s", MAX (self->size.ws_col - 36, 10), name);
    if (self->n > 1)
        g_string_append_printf (out, "\x1b[2;1HCamera %u of %u", self->at + 1, self->n);
    g_string_append_printf (out, "\x1b[%u;1HEnter: %s%s   q: stop here", self->size.ws_row, self->go, self->n > 1 ? "   n: next camera" : "");
    put (out->str, out->len);
}

static gboolean
show (Preview *self, GError **error)
{
    g_autofree char *media = child_media_path (error), *columns = NULL, *rows = NULL;
    if (media == NULL)
        return FALSE;
    end_child (self);
    if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &self->size) != 0 || self->size.ws_col < 20 || self->size.ws_row < 8)
        self->size = (struct winsize) { .ws_col = 80, .ws_row = 24 };
    draw_words (self);
    columns = g_strdup_printf ("%u", self->size.ws_col);
    rows = g_strdup_printf ("%u", self->size.ws_row - (TOP - 1) - BOTTOM);
    const char *argv[] = { media, "preview", self->cameras[self->at], "--columns", columns, "--rows", rows, "--top", "3", "--colours", colours (), NULL };
    return child_start (argv, CHILD_OUTPUT | CHILD_DIES_WITH_US, -1, NULL, &self->child, error);
}

static gboolean
resized (const Preview *self)
{
    struct winsize now;
    return ioctl (STDOUT_FILENO, TIOCGWINSZ, &now) == 0 && (now.ws_col != self->size.ws_col || now.ws_row != self->size.ws_row);
}

/* TRUE: answered. */
static gboolean
take_keys (Preview *self, PreviewAnswer *answer, gboolean *next)
{
    char keys[64];
    ssize_t n = read (STDIN_FILENO, keys, sizeof keys);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        keys[0] = 'q', n = 1;   /* the terminal is gone */
    for (ssize_t i = 0; i < n; i++) {
        if (keys[i] == '\r' || keys[i] == '\n' || keys[i] == 'q' || keys[i] == 'Q' || keys[i] == 3 || keys[i] == 4) {
            *answer = keys[i] == '\r' || keys[i] == '\n' ? PREVIEW_GO : PREVIEW_QUIT;
            return TRUE;
        }
        *next = *next || keys[i] == 'n' || keys[i] == 'N' || keys[i] == '\t';
    }
    return FALSE;
}

static gboolean
watch (Preview *self, PreviewAnswer *answer, GError **error)
{
    static char piece[65536];
    if (!show (self, error))
        return FALSE;
    for (;;) {
        struct pollfd fds[] = { { STDIN_FILENO, POLLIN, 0 }, { self->child.out, POLLIN, 0 } };
        gboolean next = FALSE;
        poll (fds, self->child.out >= 0 ? 2 : 1, 500);
        if (fds[0].revents && take_keys (self, answer, &next))
            return TRUE;
        if (self->child.out >= 0 && fds[1].revents) {
            ssize_t n = read (self->child.out, piece, sizeof piece);
            if (n > 0)
                put (piece, (gsize) n);
            else
                end_child (self);
        }
        if (next)
            self->at = (self->at + 1) % self->n;
        if ((next || resized (self)) && !show (self, error))
            return FALSE;
    }
}

gboolean
preview_cameras (const char *const *cameras, const char *go, PreviewAnswer *answer, GError **error)
{
    Preview self = { .cameras = cameras, .go = go, .n = g_strv_length ((char **) cameras), .child = { 0, -1, -1 } };
    *answer = PREVIEW_GO;
    if (self.n == 0 || !isatty (STDIN_FILENO) || !isatty (STDOUT_FILENO) || tcgetattr (STDIN_FILENO, &self.before) != 0)
        return TRUE;
    struct termios raw = self.before;
    raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr (STDIN_FILENO, TCSAFLUSH, &raw);
    put ("\x1b[?1049h\x1b[?25l", 14);
    gboolean good = watch (&self, answer, error);
    end_child (&self);
    put ("\x1b[0m\x1b[?25h\x1b[?1049l", 18);
    tcsetattr (STDIN_FILENO, TCSAFLUSH, &self.before);
    return good;
}

static gboolean
add_device (GPtrArray *list, char **camera, GError **error)
{
    char *resolved = camera_resolve (*camera, error);
    if (resolved == NULL)
        return FALSE;
    g_free (*camera);
    *camera = resolved;
    if (g_str_has_prefix (resolved, "device:"))
        g_ptr_array_add (list, resolved);
    return TRUE;
}

gboolean
preview_setup (RunSetup *setup, const char *go, PreviewAnswer *answer, GError **error)
{
    g_autoptr (GPtrArray) list = g_ptr_array_new ();
    *answer = PREVIEW_GO;
    if (setup->camera == NULL && g_file_test ("/dev/video0", G_FILE_TEST_EXISTS))
        setup->camera = g_strdup ("device:/dev/video0");
    if (setup->camera && !add_device (list, &setup->camera, error))
        return FALSE;
    for (gsize i = 0; setup->more_cameras && setup->more_cameras[i]; i++)
        if (!add_device (list, &setup->more_cameras[i], error))
            return FALSE;
    g_ptr_array_add (list, NULL);
    return preview_cameras ((const char *const *) list->pdata, go, answer, error);
}
