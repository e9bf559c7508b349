/* The view on a real pseudo-terminal, looked at from its other end: what it gets, what is typed there, its size, its modes afterwards. */
#include "ui/ui.h"
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

typedef struct {
    int master, slave;
    struct termios before;
    RunView *view;
    GByteArray *seen, *tapped;          /* what the terminal got; what the tap got */
    GString *answers;
    guint cols, rows;
} Bench;

static void on_tap (const guint8 *data, gsize len, gpointer user_data) { g_byte_array_append (((Bench *) user_data)->tapped, data, (guint) len); }

static void on_resized (guint cols, guint rows, gpointer user_data)
{
    ((Bench *) user_data)->cols = cols;
    ((Bench *) user_data)->rows = rows;
}

static void drain (Bench *self)
{
    guint8 piece[4096];
    gssize n;
    while ((n = read (self->master, piece, sizeof piece)) > 0)
        g_byte_array_append (self->seen, piece, (guint) n);
}

/* Lets the main loop work for @ms, reading what the terminal gets. */
static void work (Bench *self, guint ms)
{
    gint64 until = g_get_monotonic_time () + ms * 1000;
    do
    {
        while (g_main_context_iteration (NULL, FALSE))
            ;
        drain (self);
        g_usleep (2000);
    } while (g_get_monotonic_time () < until);
}

static void set_size (Bench *self, guint cols, guint rows)
{
    struct winsize size = { .ws_col = (unsigned short) cols, .ws_row = (unsigned short) rows };
    g_assert_cmpint (ioctl (self->master, TIOCSWINSZ, &size), ==, 0);
}

static void open_pty (Bench *self)
{
    self->seen = g_byte_array_new ();
    self->tapped = g_byte_array_new ();
    self->answers = g_string_new (NULL);
    g_assert_cmpint (openpty (&self->master, &self->slave, NULL, NULL, NULL), ==, 0);
    fcntl (self->master, F_SETFL, O_NONBLOCK);
    set_size (self, 100, 30);
    tcgetattr (self->slave, &self->before);
}

static void open_view (Bench *self)
{
    const UiOptions options = { .term = "xterm-256color", .in_fd = self->slave, .out_fd = self->slave };
    GError *error = NULL;
    self->view = ui_run_view_new (&options, &error);
    g_assert_no_error (error);
    self->view->set_output_tap (self->view, on_tap, on_resized, self);
}

static void update (Bench *self, const char *message)
{
    const ViewState state = { .title = "A ceremony", .ceremony = "id", .read_aloud = "", .action = "Do it.", .waiting = "", .message = message, .recording_ms = -1,
                              .free_bytes = -1, .camera = "none", .token = "" };
    self->view->update (self->view, &state);
}

static Bench *bench_new (void)
{
    Bench *self = g_new0 (Bench, 1);
    open_pty (self);
    open_view (self);
    update (self, "");
    work (self, 10);
    return self;
}

static void bench_free (Bench *self)
{
    if (self->view)
        self->view->free (self->view);
    close (self->master);
    close (self->slave);
    g_byte_array_unref (self->seen);
    g_byte_array_unref (self->tapped);
    g_string_free (self->answers, TRUE);
    g_free (self);
}

static gboolean has (const GByteArray *bytes, const char *text) { return memmem (bytes->data, bytes->len, text, strlen (text)) != NULL; }

static void press (Bench *self, const char *keys)
{
    g_assert_cmpint (write (self->master, keys, strlen (keys)), ==, strlen (keys));
    work (self, 20);
}

static void on_answer (const Answer *answer, gpointer user_data)
{
    Bench *self = user_data;
    g_string_append_printf (self->answers, "%d:%s:%d ", answer->kind, answer->text, answer->choice);
}

static void ask (Bench *self, AskKind kind, AnswerFunc func)
{
    static const char *const choices[] = { "first", "second", "third", NULL };
    const Question question = { .kind = kind, .id = "q", .role = "operator", .title = "A question", .detail = "", .choices = choices };
    self->view->ask (self->view, &question, func, self);
    work (self, 10);
}

/* The PIN, never as such in this program's memory but where the view puts it. */
static const guint8 masked[] = { 'Q' ^ 0x55, '7' ^ 0x55, 'z' ^ 0x55, '!' ^ 0x55, 'k' ^ 0x55, 'W' ^ 0x55, '0' ^ 0x55, '9' ^ 0x55, 'b' ^ 0x55, 'X' ^ 0x55 };

static gboolean is_pin (const guint8 *at)
{
    for (gsize i = 0; i < sizeof masked; i++)
        if ((at[i] ^ 0x55) != masked[i])
            return FALSE;
    return TRUE;
}

static void type_pin (Bench *self)
{
    for (gsize i = 0; i < sizeof masked; i++)
    {
        guint8 byte = masked[i] ^ 0x55;
        g_assert_cmpint (write (self->master, &byte, 1), ==, 1);
        work (self, 8);
    }
}

static void on_pin (const Answer *answer, gpointer user_data)
{
    Bench *self = user_data;
    gboolean right = answer->kind == ANSWER_GIVEN && secret_len (answer->pin) == sizeof masked && is_pin ((const guint8 *) secret_data (answer->pin));
    g_string_append (self->answers, right ? "right " : "wrong ");
}

static gboolean pin_in (const guint8 *data, gsize len)
{
    for (gsize i = 0; i + sizeof masked <= len; i++)
        if (data[i] == (masked[0] ^ 0x55) && is_pin (data + i))
            return TRUE;
    return FALSE;
}

/* Reads all writable memory of this process, ncurses' included. */
static gboolean pin_in_memory (void)
{
    g_autofree char *maps = NULL;
    gboolean found = FALSE;
    int mem = open ("/proc/self/mem", O_RDONLY);
    g_assert_true (g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL));
    g_auto (GStrv) lines = g_strsplit (maps, "\n", -1);
    for (guint i = 0; lines[i]; i++)
    {
        guint64 from, to;
        char modes[5];
        if (sscanf (lines[i], "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %4s", &from, &to, modes) != 3 || modes[1] != 'w' || to - from > (1u << 28))
            continue;
        g_autofree guint8 *copy = g_malloc (to - from);
        gssize n = pread (mem, copy, to - from, (off_t) from);
        found = found || (n > 0 && pin_in (copy, (gsize) n));
        explicit_bzero (copy, to - from);
    }
    close (mem);
    return found;
}

static void test_pin (void)
{
    Bench *self = bench_new ();
    ask (self, ASK_PIN, on_pin);
    g_assert_true (has (self->seen, "Typing is hidden"));
    guint before = self->seen->len;
    type_pin (self);
    press (self, "xy\177\177");                                /* corrected */
    press (self, "\xc3\xa4\177");                              /* a whole UTF-8 character is taken away */
    g_assert_cmpuint (self->seen->len, ==, before);             /* nothing on the screen moves: not even the length shows */
    g_assert_true (pin_in_memory ());                           /* in its Secret: the search does find it */
    press (self, "\r");
    g_assert_cmpstr (self->answers->str, ==, "right ");
    g_assert_false (pin_in (self->seen->data, self->seen->len));
    g_assert_false (pin_in (self->tapped->data, self->tapped->len));
    g_assert_false (pin_in_memory ());
    bench_free (self);
}

static void test_pin_keys (void)
{
    Bench *self = bench_new ();
    ask (self, ASK_PIN, on_answer);
    press (self, "\r");
    g_assert_true (has (self->seen, "Nothing was typed"));
    press (self, "\033[200~12\r34\033[201~");                  /* a pasted newline doesn't answer */
    g_assert_cmpstr (self->answers->str, ==, "");
    press (self, "\033[19~");
    g_assert_cmpstr (self->answers->str, ==, "4::0 ");
    ask (self, ASK_PIN, on_answer);
    press (self, "\003");
    g_assert_cmpstr (self->answers->str, ==, "4::0 4::0 ");
    g_assert_false (has (self->seen, "1234"));
    bench_free (self);
}

static void test_answers (void)
{
    Bench *self = bench_new ();
    ask (self, ASK_CONFIRM, on_answer);
    press (self, "\r");
    press (self, "AB\r");
    ask (self, ASK_CHOICE, on_answer);
    press (self, "\033[B\033OB\033[A\r");
    ask (self, ASK_CHOICE, on_answer);
    press (self, "39\r");
    ask (self, ASK_YES_NO, on_answer);
    press (self, "\r");
    press (self, "y");
    press (self, "\r");
    ask (self, ASK_TEXT, on_answer);
    press (self, "M\xc3");
    press (self, "\xbcller \033[200~two\r\nlines\033[201~\r");  /* what follows an answer is thrown away */
    g_assert_cmpstr (self->answers->str, ==, "0:AB:0 0::1 0::2 0::1 0:Müller twolines:0 ");
    bench_free (self);
}

static void test_held_key (void)
{
    Bench *self = bench_new ();
    press (self, "\033[13~");                                  /* F3 while nothing is asked */
    g_assert_true (has (self->seen, "F3 deviation: in a moment"));
    ask (self, ASK_CONTINUE, on_answer);
    g_assert_cmpstr (self->answers->str, ==, "2::0 ");
    ask (self, ASK_CONTINUE, on_answer);
    press (self, "\033");                                      /* ESC alone is nothing */
    work (self, 80);
    press (self, "\r");
    g_assert_cmpstr (self->answers->str, ==, "2::0 0::0 ");
    ask (self, ASK_CONTINUE, on_answer);
    self->view->withdraw (self->view);
    press (self, "\r");
    g_assert_cmpstr (self->answers->str, ==, "2::0 0::0 ");
    bench_free (self);
}

/* What the tap got is, byte for byte, the end of what the terminal got. */
static void check_tap (Bench *self)
{
    g_assert_cmpuint (self->tapped->len, >, 0);
    g_assert_cmpuint (self->tapped->len, <=, self->seen->len);
    g_assert_cmpmem (self->seen->data + self->seen->len - self->tapped->len, self->tapped->len, self->tapped->data, self->tapped->len);
}

static void test_slow_terminal (void)
{
    Bench *self = bench_new ();
    gint64 start = g_get_monotonic_time ();
    for (guint i = 0; i < 1000; i++)                            /* nobody reads the terminal meanwhile */
    {
        g_autofree char *message = g_strnfill (400, (char) ('a' + i % 26));
        update (self, message);
        while (g_main_context_iteration (NULL, FALSE))
            ;
    }
    g_assert_cmpint (g_get_monotonic_time () - start, <, 8 * G_USEC_PER_SEC);
    g_assert_cmpuint (self->tapped->len, <, 300000);            /* drawing waits, it doesn't pile up */
    update (self, "the last message");
    work (self, 200);
    g_assert_true (has (self->seen, "the last message"));
    check_tap (self);
    bench_free (self);
}

static void test_resize (void)
{
    Bench *self = bench_new ();
    g_assert_true (self->cols == 100 && self->rows == 30);
    ask (self, ASK_TEXT, on_answer);
    press (self, "half");
    set_size (self, 60, 20);
    raise (SIGWINCH);
    work (self, 30);
    g_assert_true (self->cols == 60 && self->rows == 20);
    g_assert_true (has (self->seen, "This terminal is 60x20"));
    press (self, "blind\r");
    g_assert_cmpstr (self->answers->str, ==, "");
    set_size (self, 1, 1);
    raise (SIGWINCH);
    work (self, 30);
    set_size (self, 120, 36);
    raise (SIGWINCH);
    work (self, 30);
    press (self, "+half\r");
    g_assert_cmpstr (self->answers->str, ==, "0:half+half:0 ");
    check_tap (self);
    bench_free (self);
}

static void check_restored (Bench *self)
{
    struct termios after;
    tcgetattr (self->slave, &after);
    g_assert_cmpuint (after.c_lflag, ==, self->before.c_lflag);
    g_assert_cmpuint (after.c_iflag, ==, self->before.c_iflag);
    g_assert_cmpuint (after.c_oflag, ==, self->before.c_oflag);
    g_assert_true (has (self->seen, "\033[?1049l"));            /* the main screen again */
    g_assert_true (has (self->seen, "\033[?2004l"));
}

static void test_restore (void)
{
    Bench *self = bench_new ();
    struct termios during;
    tcgetattr (self->slave, &during);
    g_assert_false (during.c_lflag & (ECHO | ICANON | ISIG));
    press (self, "");
    g_assert_cmpint (write (self->master, "half a PIN", 10), ==, 10);
    self->view->free (self->view);
    self->view = NULL;
    drain (self);
    check_restored (self);
    int waiting = -1;
    ioctl (self->slave, FIONREAD, &waiting);
    g_assert_cmpint (waiting, ==, 0);                           /* nothing of it reaches the shell */
    bench_free (self);
}

/* A process that ends by a signal, or without freeing its view, gives the terminal back too. */
static void test_restore_at_end (gconstpointer number)
{
    Bench *self = g_new0 (Bench, 1);
    int status, signal_number = GPOINTER_TO_INT (number);
    open_pty (self);
    pid_t pid = fork ();
    if (pid == 0)
    {
        open_view (self);
        if (signal_number == 0)
            exit (0);
        raise (signal_number);
        _exit (99);
    }
    while (waitpid (pid, &status, WNOHANG) == 0)
        work (self, 5);
    g_assert_true (signal_number ? WIFSIGNALED (status) && WTERMSIG (status) == signal_number : WIFEXITED (status));
    drain (self);
    check_restored (self);
    bench_free (self);
}

static void test_person_takes_over (void)
{
    Bench *self = bench_new ();
    const AutopilotOptions options = { .chars_per_second = 15 };
    ui_autopilot_attach (self->view, &options);
    ask (self, ASK_CONTINUE, on_answer);
    press (self, "x");
    work (self, 1200);                                          /* the autopilot would have answered by now */
    g_assert_cmpstr (self->answers->str, ==, "");
    press (self, "\r");
    g_assert_cmpstr (self->answers->str, ==, "0::0 ");
    bench_free (self);
}

static void on_failed_answer (const Answer *answer, gpointer user_data)
{
    *(gboolean *) user_data = answer->kind == ANSWER_ABORT;
}

static void autopilot_without_answer (void)
{
    const UiOptions options = { .headless = TRUE };
    const AutopilotOptions pilot = { .fast = TRUE };
    const Question question = { .kind = ASK_PIN, .id = "pin", .role = "operator", .title = "PIN", .detail = "" };
    gboolean aborted = FALSE;
    RunView *view = ui_run_view_new (&options, NULL);
    ui_autopilot_attach (view, &pilot);
    view->ask (view, &question, on_failed_answer, &aborted);
    while (!aborted)
        g_main_context_iteration (NULL, TRUE);
    view->free (view);
}

static void test_autopilot_fails (void)
{
    if (g_test_subprocess ())
    {
        autopilot_without_answer ();
        return;
    }
    g_test_trap_subprocess (NULL, 10 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_passed ();
    g_test_trap_assert_stderr ("*no answer is known to question \"pin\" of operator*aborted*");
}

static void test_unknown_terminal (void)
{
    Bench *self = g_new0 (Bench, 1);
    g_autoptr (GError) error = NULL;
    open_pty (self);
    const UiOptions options = { .term = "no-such-terminal", .in_fd = self->slave, .out_fd = self->slave };
    g_assert_null (ui_run_view_new (&options, &error));
    g_assert_nonnull (strstr (error->message, "TERM=no-such-terminal"));
    bench_free (self);
}

int main (int argc, char **argv)
{
    g_setenv ("LC_ALL", "C.UTF-8", TRUE);
    g_test_init (&argc, &argv, NULL);
    g_test_add_data_func ("/ui/term/restore/exit", GINT_TO_POINTER (0), test_restore_at_end);
    g_test_add_data_func ("/ui/term/restore/term", GINT_TO_POINTER (SIGTERM), test_restore_at_end);
    g_test_add_data_func ("/ui/term/restore/hup", GINT_TO_POINTER (SIGHUP), test_restore_at_end);
    g_test_add_func ("/ui/term/restore/free", test_restore);
    g_test_add_func ("/ui/term/pin", test_pin);
    g_test_add_func ("/ui/term/pin-keys", test_pin_keys);
    g_test_add_func ("/ui/term/answers", test_answers);
    g_test_add_func ("/ui/term/held-key", test_held_key);
    g_test_add_func ("/ui/term/slow", test_slow_terminal);
    g_test_add_func ("/ui/term/resize", test_resize);
    g_test_add_func ("/ui/term/unknown", test_unknown_terminal);
    g_test_add_func ("/ui/autopilot/person", test_person_takes_over);
    g_test_add_func ("/ui/autopilot/no-answer", test_autopilot_fails);
    return g_test_run ();
}
