/* ceremony-media as a scanner: started, its lines read as they come, ended. */
#include "ceremony/base/scan.h"
#include "ceremony/base/child.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_LEN (64 * 1024)
#define OUTPUT_MAX (G_GUINT64_CONSTANT (1) << 30)       /* of one scan: days of codes */

struct Scanner {
    Child     child;
    int       log;                  /* a file in memory: what it wrote to standard error */
    ScanFunc  func;
    gpointer  user_data;
    GString  *line;
    guint64   taken;
    ScanState state;
    gboolean  ended, failed;        /* its end line came; what it wrote isn't what a scanner writes */
    gboolean  is_display;
};

static GPtrArray *
arguments (int fd, const char *display, const char *media)
{
    GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);

    g_ptr_array_add (argv, g_strdup (media));
    g_ptr_array_add (argv, g_strdup (fd < 0 ? "screen" : "scan"));
    if (fd >= 0)
        g_ptr_array_add (argv, g_strdup ("--foreign"));
    else if (*display) {
        g_ptr_array_add (argv, g_strdup ("--display"));
        g_ptr_array_add (argv, g_strdup (display));
    }
    g_ptr_array_add (argv, NULL);
    return argv;
}

Scanner *
scanner_start (int fd, const char *display, ScanFunc func, gpointer user_data, GError **error)
{
    g_autofree char *media = child_media_path (error), *log_path = NULL;
    g_autoptr (GPtrArray) argv = media ? arguments (fd, display, media) : NULL;
    Scanner *self;

    if (!argv)
        return NULL;
    self = g_new0 (Scanner, 1);
    *self = (Scanner) { .child = { .pid = -1, .sock = -1, .out = -1 }, .log = memfd_create ("scan-log", MFD_CLOEXEC), .func = func, .user_data = user_data,
                        .line = g_string_new (NULL), .is_display = fd < 0 };
    if (self->log >= 0)
        log_path = g_strdup_printf ("/proc/self/fd/%d", self->log);
    if (child_start ((const char *const *) argv->pdata, CHILD_OUTPUT | CHILD_DIES_WITH_US, fd, log_path, &self->child, error)) {
        fcntl (self->child.out, F_SETFL, fcntl (self->child.out, F_GETFL) | O_NONBLOCK);
        return self;
    }
    scanner_free (self);
    return NULL;
}

int
scanner_fd (const Scanner *self)
{
    return self->child.out;
}

static void
take_line (Scanner *self, const char *text, gsize len)
{
    g_autoptr (json_t) line = cjson_parse (text, len, NULL);
    gint64 ms = 0, frames = 0;

    if (!json_is_object (line)) {
        self->failed = TRUE;
        return;
    }
    if (json_object_get (line, "text")) {
        if (cjson_int (line, "ms", &ms, NULL))
            self->func (MAX (ms, 0), cjson_str (line, "text", NULL), self->user_data);
        return;
    }
    if (cjson_int (line, "duration_ms", &ms, NULL))
        self->state.duration_ms = MAX (ms, self->state.duration_ms);
    if (cjson_int (line, "frames", &frames, NULL))
        self->state.frames = frames;
    cjson_int (line, "width", &self->state.width, NULL);
    cjson_int (line, "height", &self->state.height, NULL);
    self->ended = self->ended || json_is_true (json_object_get (line, "end"));
}

static void
take_piece (Scanner *self, const char *piece, gsize len)
{
    self->taken += len;
    while (len > 0 && !self->failed) {
        const char *newline = memchr (piece, '\n', len);
        gsize n = newline ? (gsize) (newline - piece) : len;
        g_string_append_len (self->line, piece, n);
        if (self->line->len > LINE_MAX_LEN || self->taken > OUTPUT_MAX) {
            self->failed = TRUE;
            return;
        }
        if (!newline)
            return;
        take_line (self, self->line->str, self->line->len);
        g_string_truncate (self->line, 0);
        piece += n + 1;
        len -= n + 1;
    }
}

gboolean
scanner_read (Scanner *self)
{
    char piece[16384];

    for (;;) {
        ssize_t n = read (self->child.out, piece, sizeof piece);
        if (n > 0)
            take_piece (self, piece, n);
        else if (n < 0 && errno == EINTR)
            continue;
        else
            return n < 0 && errno == EAGAIN;
        if (self->failed)
            return FALSE;
    }
}

void
scanner_state (const Scanner *self, ScanState *state)
{
    *state = self->state;
}

/* The last sentence that it wrote under its own name; its libraries write there too. g_free. */
static char *
last_words (const Scanner *self)
{
    char text[8192];
    ssize_t size = self->log >= 0 ? lseek (self->log, 0, SEEK_END) : 0;
    ssize_t n = size > 0 ? pread (self->log, text, sizeof text - 1, MAX (size - (ssize_t) sizeof text + 1, 0)) : 0;
    g_auto (GStrv) lines = NULL;
    char *found = NULL;

    text[MAX (n, 0)] = '\0';
    lines = g_strsplit (text, "\n", -1);
    for (gsize i = 0; lines[i]; i++)
        if (g_str_has_prefix (lines[i], "ceremony-media: ")) {
            const char *why = lines[i] + strlen ("ceremony-media: ");
            why += g_str_has_prefix (why, "scan: ") ? strlen ("scan: ") : g_str_has_prefix (why, "screen: ") ? strlen ("screen: ") : 0;
            g_free (found);
            found = g_utf8_make_valid (why, -1);
        }
    return found;
}

static int
reap (Scanner *self)
{
    siginfo_t ended = { .si_pid = 0 };
    int status = 0;

    if (self->child.pid <= 0)
        return -1;
    /* Its output has ended: so will it, soon. Its session is its own, and whatever it left behind goes with it. */
    for (guint i = 0; waitid (P_PID, self->child.pid, &ended, WEXITED | WNOWAIT | WNOHANG) == 0 && ended.si_pid == 0 && i < 1000; i++)
        g_usleep (10000);
    kill (-self->child.pid, SIGKILL);
    while (waitpid (self->child.pid, &status, 0) < 0 && errno == EINTR)
        ;
    self->child.pid = -1;
    return WIFSIGNALED (status) ? -WTERMSIG (status) : WEXITSTATUS (status);
}

gboolean
scanner_end (Scanner *self, gboolean now, GError **error)
{
    g_autofree char *why = NULL;
    int status;

    if (now && self->child.pid > 0)
        kill (-self->child.pid, SIGKILL);
    if (self->failed && self->child.pid > 0)
        kill (-self->child.pid, SIGKILL);
    status = reap (self);
    if (now || (status == 0 && self->ended && !self->failed))
        return TRUE;
    why = last_words (self);
    if (why && status > 0)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "%s", why);
    else if (self->is_display)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "looking at the screen ended with status %d", status);
    else
        g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "the scanner ended with status %d: the video is damaged, or it can't be decoded on this machine", status);
    return FALSE;
}

void
scanner_free (Scanner *self)
{
    if (!self)
        return;
    if (self->child.pid > 0)
        kill (-self->child.pid, SIGKILL);
    reap (self);
    if (self->child.out >= 0)
        close (self->child.out);
    if (self->log >= 0)
        close (self->log);
    g_string_free (self->line, TRUE);
    g_free (self);
}

gboolean
scan_video (int fd, guint timeout_ms, ScanFunc func, gpointer user_data, ScanState *state, GError **error)
{
    Scanner *self = scanner_start (fd, NULL, func, user_data, error);
    gint64 deadline = g_get_monotonic_time () + (gint64) timeout_ms * 1000;
    gboolean more = TRUE, ok = FALSE;

    if (!self)
        return FALSE;
    while (more && g_get_monotonic_time () < deadline) {
        struct pollfd waiting = { .fd = self->child.out, .events = POLLIN };
        if (poll (&waiting, 1, 1000) > 0)
            more = scanner_read (self);
    }
    if (more)
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "the scanner took too long; it was stopped");
    else
        ok = scanner_end (self, FALSE, error);
    scanner_state (self, state);
    scanner_free (self);
    return ok;
}
