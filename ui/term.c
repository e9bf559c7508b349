/* screens → ncurses → memory file → tap and tty. A memory file stands where a pty would: it never blocks, needs no thread, and keeps the order of
 * bytes exact, while a pty of 64 KB could stall the one thread that both draws and drains. The tty is written through a non-blocking description of
 * our own, so that a slow terminal stalls nothing and our parent's descriptors keep their flags. */
#include "ui/term.h"
#include "ui/text.h"
#include "ceremony/base/errors.h"
#include <curses.h>
#include <term.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define PENDING_MAX 65536               /* bytes that a slow terminal may lag behind before drawing waits for it */
#define FAREWELL_MS 1000                /* how long the last bytes may take at the end */

struct Term
{
    SCREEN *screen;
    FILE *drawn, *unused_input;         /* ncurses' output: a memory file; its input is never read */
    int in_fd, out_fd, tty;             /* tty: our description of out_fd; -1 headless or gone */
    gboolean non_blocking, cursor, whole;
    GByteArray *pending;
    guint writable, winch, cols, rows;
    TermTapFunc tap;
    TermResizedFunc resized;
    gpointer tap_data, user_data;
    void (*changed) (gpointer user_data);
};

/* What a signal handler needs to give the terminal back. */
static struct { volatile sig_atomic_t active; pid_t pid; int fd; struct termios modes; char text[256]; } restore;

static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGHUP, SIGINT, SIGQUIT };

static void restore_modes (void)
{
    tcflush (restore.fd, TCIFLUSH);     /* a half-typed PIN must not land in the shell */
    tcsetattr (restore.fd, TCSANOW, &restore.modes);
}

static void restore_now (void)
{
    if (!restore.active || restore.pid != getpid ())
        return;
    restore.active = 0;
    for (size_t done = 0, len = strlen (restore.text); done < len;)
    {
        ssize_t n = write (restore.fd, restore.text + done, len - done);
        if (n <= 0)
            break;
        done += (size_t) n;
    }
    restore_modes ();
}

static void on_fatal (int number)
{
    restore_now ();
    signal (number, SIG_DFL);
    raise (number);
}

/* Where nobody else handles a signal that ends the process, the terminal is given back first. */
static void catch_fatal (gboolean on)
{
    for (guint i = 0; i < G_N_ELEMENTS (fatal_signals); i++)
    {
        struct sigaction now;
        sigaction (fatal_signals[i], NULL, &now);
        if (on ? now.sa_handler == SIG_DFL && !(now.sa_flags & SA_SIGINFO) : now.sa_handler == on_fatal)
            signal (fatal_signals[i], on ? on_fatal : SIG_DFL);
    }
}

static void append_cap (GString *out, const char *name)
{
    const char *s = tigetstr ((char *) name);
    if (!s || s == (char *) -1)
        return;
    for (; *s; s++)
        if (s[0] == '$' && s[1] == '<' && strchr (s, '>'))
            s = strchr (s, '>');        /* a delay for terminals of the seventies */
        else
            g_string_append_c (out, *s);
}

/* Bracketed paste isn't in terminfo; these terminals know it or skip it. */
static gboolean knows_paste (const char *term)
{
    static const char *const names[] = { "xterm", "tmux", "screen", "rxvt", "linux", "vte", "gnome", "konsole", "alacritty", "foot", "st-", "kitty" };
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
        if (g_str_has_prefix (term, names[i]))
            return TRUE;
    return FALSE;
}

static gboolean on_writable (gint fd, GIOCondition condition, gpointer data);

static void write_pending (Term *self)
{
    gsize done = 0;
    while (self->tty >= 0 && done < self->pending->len)
    {
        gsize len = self->pending->len - done;
        struct pollfd p = { .fd = self->tty, .events = POLLOUT };
        if (!self->non_blocking && (poll (&p, 1, 0) != 1 || !(p.revents & POLLOUT)))
            break;
        gssize n = write (self->tty, self->pending->data + done, self->non_blocking ? len : MIN (len, 256));
        if (n > 0)
            done += (gsize) n;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
        {
            close (self->tty);          /* the terminal is gone; the recording goes on */
            self->tty = -1;
            done = self->pending->len;
        }
    }
    g_byte_array_remove_range (self->pending, 0, (guint) done);
    if (self->tty >= 0 && self->pending->len && !self->writable)
        self->writable = g_unix_fd_add (self->tty, G_IO_OUT | G_IO_HUP | G_IO_ERR, on_writable, self);
}

static gboolean on_writable (gint fd, GIOCondition condition, gpointer data)
{
    Term *self = data;
    write_pending (self);
    if (self->pending->len)
        return G_SOURCE_CONTINUE;
    self->writable = 0;
    self->changed (self->user_data);
    return G_SOURCE_REMOVE;
}

static void emit (Term *self, const guint8 *data, gsize len)
{
    if (len == 0)
        return;
    if (self->tap)
        self->tap (data, len, self->tap_data);
    if (self->tty < 0)
        return;
    g_byte_array_append (self->pending, data, (guint) len);
    write_pending (self);
}

/* Takes what ncurses wrote out of the memory file. */
static void collect (Term *self)
{
    guint8 piece[8192];
    int fd = fileno (self->drawn);
    fflush (self->drawn);
    off_t len = lseek (fd, 0, SEEK_CUR), at = 0;
    while (at < len)
    {
        gssize n = pread (fd, piece, MIN (sizeof piece, (gsize) (len - at)), at);
        if (n <= 0)
            break;
        emit (self, piece, (gsize) n);
        at += n;
    }
    if (ftruncate (fd, 0) == 0)
        lseek (fd, 0, SEEK_SET);
}

/* A recorder that begins now knows no mode that was set before. */
static void emit_modes (Term *self)
{
    g_autoptr (GString) modes = g_string_new (NULL);
    append_cap (modes, "enacs");
    append_cap (modes, self->cursor ? "cnorm" : "civis");
    emit (self, (const guint8 *) modes->str, modes->len);
}

void term_flush (Term *self)
{
    if (self->pending->len > PENDING_MAX)
        return;
    if (self->whole)
    {
        self->whole = FALSE;
        emit_modes (self);
        clearok (curscr, TRUE);
    }
    wnoutrefresh (stdscr);
    doupdate ();
    collect (self);
}

void term_repaint (Term *self) { self->whole = TRUE; }

void term_cursor (Term *self, gboolean visible, int y, int x)
{
    if (self->cursor != visible)
        curs_set (visible);
    self->cursor = visible;
    move (visible ? y : 0, visible ? x : 0);
}

static void read_size (Term *self)
{
    struct winsize size = { 0 };
    if (self->out_fd >= 0 && ioctl (self->out_fd, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row)
    {
        self->cols = MIN (size.ws_col, UI_MAX_COLS);
        self->rows = MIN (size.ws_row, UI_MAX_ROWS);
    }
}

static gboolean on_winch (gpointer data)
{
    Term *self = data;
    read_size (self);
    resize_term ((int) self->rows, (int) self->cols);
    if (self->resized)
        self->resized (self->cols, self->rows, self->tap_data);
    term_repaint (self);
    self->changed (self->user_data);
    return G_SOURCE_CONTINUE;
}

static void open_tty (Term *self)
{
    struct stat ours, theirs;
    const char *path = ttyname (self->out_fd);
    self->tty = path ? open (path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    if (self->tty >= 0 && fstat (self->tty, &ours) == 0 && fstat (self->out_fd, &theirs) == 0 && ours.st_rdev == theirs.st_rdev)
    {
        self->non_blocking = TRUE;
        return;
    }
    if (self->tty >= 0)
        close (self->tty);
    self->tty = fcntl (self->out_fd, F_DUPFD_CLOEXEC, 3);
}

static gboolean raw_mode (Term *self, gboolean paste, GError **error)
{
    struct termios raw;
    if (tcgetattr (self->in_fd, &restore.modes) < 0)
        return io_fail (error, errno, "terminal: can't read its modes");
    raw = restore.modes;
    cfmakeraw (&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    g_autoptr (GString) text = g_string_new (paste ? "\033[?2004l" : "");
    append_cap (text, "sgr0");
    append_cap (text, "cnorm");
    append_cap (text, "rmcup");
    g_strlcpy (restore.text, text->str, sizeof restore.text);
    restore.fd = self->out_fd;
    restore.pid = getpid ();
    if (tcsetattr (self->in_fd, TCSANOW, &raw) < 0)
        return io_fail (error, errno, "terminal: can't set its modes");
    restore.active = 1;
    catch_fatal (TRUE);
    signal (SIGTSTP, SIG_IGN);          /* a ceremony that is being recorded isn't put aside */
    static gsize once;
    if (g_once_init_enter (&once))
    {
        atexit (restore_now);
        g_once_init_leave (&once, 1);
    }
    return TRUE;
}

/* Without any locale in the environment, UTF-8 is what a terminal of today speaks, unless it is named for a hardware one. */
static void choose_glyphs (const UiOptions *options, const char *term, gboolean headless)
{
    gboolean hardware = g_str_has_prefix (term, "vt") && !g_str_has_prefix (term, "vte");
    setlocale (LC_CTYPE, "");
    gboolean none = !g_getenv ("LC_ALL") && !g_getenv ("LC_CTYPE") && !g_getenv ("LANG");
    if (strcmp (nl_langinfo (CODESET), "UTF-8") != 0 && (headless || (none && !hardware)))
        setlocale (LC_CTYPE, "C.UTF-8");
    gboolean utf8 = strcmp (nl_langinfo (CODESET), "UTF-8") == 0 && !options->ascii;
    text_set_glyphs (!utf8 ? GLYPHS_ASCII : g_str_has_prefix (term, "linux") ? GLYPHS_CONSOLE : GLYPHS_FULL);
}

/* newterm sees no terminal behind the memory file and would take terminfo's 24 lines, of which it makes the scroll region: a cursor that moves down would stop there. */
static void tell_size (const Term *self, gboolean on)
{
    g_autofree char *rows = g_strdup_printf ("%u", self->rows), *cols = g_strdup_printf ("%u", self->cols);
    if (on)
    {
        g_setenv ("LINES", rows, TRUE);
        g_setenv ("COLUMNS", cols, TRUE);
        return;
    }
    g_unsetenv ("LINES");
    g_unsetenv ("COLUMNS");
}

/* newterm takes over some signals; they are ours or our caller's. */
static SCREEN *new_screen (const Term *self, const char *term, FILE *out, FILE *in)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGTSTP, SIGWINCH };
    struct sigaction before[G_N_ELEMENTS (numbers)];
    for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
        sigaction (numbers[i], NULL, &before[i]);
    tell_size (self, TRUE);
    SCREEN *screen = newterm (term, out, in);
    tell_size (self, FALSE);
    for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
        sigaction (numbers[i], &before[i], NULL);
    return screen;
}

static gboolean start_curses (Term *self, const UiOptions *options, const char *term, GError **error)
{
    int fd = memfd_create ("screen", MFD_CLOEXEC), null = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || null < 0)
        return io_fail (error, errno, "terminal: can't make the screen's buffer");
    self->drawn = fdopen (fd, "w");
    self->unused_input = fdopen (null, "r");
    self->screen = new_screen (self, term, self->drawn, self->unused_input);
    const char *place = self->screen ? tigetstr ("cup") : NULL;
    if (!place || place == (char *) -1)
    {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING,
                     "terminal: TERM=%s is unknown on this machine or can't place its cursor; set TERM to what yours is like, for example TERM=xterm, or install ncurses-term", term);
        return FALSE;
    }
    set_term (self->screen);
    resize_term ((int) self->rows, (int) self->cols);
    nonl ();
    leaveok (stdscr, FALSE);
    scrollok (stdscr, FALSE);
    if (has_colors () && !options->monochrome && !(g_getenv ("NO_COLOR") && *g_getenv ("NO_COLOR")))
    {
        start_color ();
        use_default_colors ();
    }
    curs_set (0);
    return TRUE;
}

Term *term_new (const UiOptions *options, void (*changed) (gpointer user_data), gpointer user_data, GError **error)
{
    Term *self = g_new0 (Term, 1);
    gboolean standard = options->in_fd == 0 && options->out_fd == 0;
    int in = standard ? STDIN_FILENO : options->in_fd, out = standard ? STDOUT_FILENO : options->out_fd;
    gboolean headless = options->headless || !isatty (in) || !isatty (out);
    const char *term = options->term ? options->term : headless ? "xterm-256color" : g_getenv ("TERM") ? g_getenv ("TERM") : "unknown";
    *self = (Term) { .in_fd = headless ? -1 : in, .out_fd = headless ? -1 : out, .tty = -1, .pending = g_byte_array_new (), .changed = changed, .user_data = user_data };
    self->cols = headless && options->cols ? MIN (options->cols, UI_MAX_COLS) : headless ? 120 : 80;
    self->rows = headless && options->rows ? MIN (options->rows, UI_MAX_ROWS) : headless ? 36 : 24;
    choose_glyphs (options, term, headless);
    read_size (self);
    if (!start_curses (self, options, term, error) || (!headless && !raw_mode (self, knows_paste (term), error)))
    {
        term_free (self);
        return NULL;
    }
    if (headless)
        return self;
    open_tty (self);
    self->winch = g_unix_signal_add (SIGWINCH, on_winch, self);
    read_size (self);                   /* it may have changed before the signal was ours */
    resize_term ((int) self->rows, (int) self->cols);
    if (knows_paste (term))
        emit (self, (const guint8 *) "\033[?2004h", 8);
    return self;
}

/* The last bytes, and the modes, within a bounded time. */
static void say_farewell (Term *self)
{
    gint64 until = g_get_monotonic_time () + FAREWELL_MS * 1000;
    g_clear_handle_id (&self->writable, g_source_remove);
    write_pending (self);
    while (self->tty >= 0 && self->pending->len && g_get_monotonic_time () < until)
    {
        struct pollfd p = { .fd = self->tty, .events = POLLOUT };
        poll (&p, 1, 50);
        write_pending (self);
    }
    g_clear_handle_id (&self->writable, g_source_remove);
    if (!restore.active)
        return;
    if (self->pending->len == 0)
        restore.text[0] = 0;            /* endwin said it already */
    restore_now ();
    catch_fatal (FALSE);
    signal (SIGTSTP, SIG_DFL);
}

void term_free (Term *self)
{
    gboolean paste = restore.active && g_str_has_prefix (restore.text, "\033[?2004l");
    g_clear_handle_id (&self->winch, g_source_remove);
    if (self->screen)
    {
        if (!isendwin ())
            endwin ();
        collect (self);
        if (paste)
            emit (self, (const guint8 *) "\033[?2004l", 8);
        say_farewell (self);
        delscreen (self->screen);
    }
    if (self->tty >= 0)
        close (self->tty);
    g_clear_pointer (&self->drawn, fclose);
    g_clear_pointer (&self->unused_input, fclose);
    g_byte_array_unref (self->pending);
    g_free (self);
}

int term_input_fd (const Term *self) { return self->in_fd; }

void term_size (const Term *self, guint *cols, guint *rows)
{
    *cols = self->cols;
    *rows = self->rows;
}

void term_set_tap (Term *self, TermTapFunc tap, TermResizedFunc resized, gpointer user_data)
{
    self->tap = tap;
    self->resized = resized;
    self->tap_data = user_data;
    if (resized)
        resized (self->cols, self->rows, user_data);
    if (tap)
        term_repaint (self);
}
