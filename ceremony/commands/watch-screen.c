/* The live view: plain terminal output that needs 80x24 and no colour. Where standard output is no terminal, lines on standard error. */
#include "ceremony/commands/watch-screen.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/scan.h"
#include "ceremony/bundle/challenge.h"
#include "ceremony/commands/challenge.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define NONE_SEEN_MS 10000
#define DRAW_MS 250
#define WARNINGS 6

typedef struct {
    const ScreenWatch *watch;
    Scanner   *scanner;
    Seen      *seen;
    ScanState  state;
    gint64     started, heard;          /* monotonic ms: of the first picture, of the newest word of the scanner */
    gint64     newest_ms;               /* of the newest find of a checkpoint, scanner's time; -1 none */
    const SeenCode *latest, *opening;   /* of the ceremony that is watched */
    guint      codes;
    guint64    least, most;
    char      *warnings[WARNINGS];      /* a ring */
    guint      n_warnings;
    gboolean   silent, terminal, words_hidden;
    guint8     secret[32];
    struct termios before;
} View;

static volatile sig_atomic_t ended;

static void
on_signal (int sig)
{
    ended = 1;
}

static void
catch_signals (void)
{
    struct sigaction action = { .sa_handler = on_signal };

    ended = 0;
    sigaction (SIGINT, &action, NULL);
    sigaction (SIGTERM, &action, NULL);
    sigaction (SIGHUP, &action, NULL);
}

static gint64
now_ms (void)
{
    return g_get_monotonic_time () / 1000;
}

/* ── what is seen ── */

static void G_GNUC_PRINTF (2, 3)
warn (View *v, const char *format, ...)
{
    g_autofree char *text = NULL, *when = seen_time (v->state.duration_ms), *clean = NULL;
    va_list args;

    va_start (args, format);
    text = g_strdup_vprintf (format, args);
    va_end (args);
    clean = seen_printable (text, 300);
    g_free (v->warnings[v->n_warnings % WARNINGS]);
    v->warnings[v->n_warnings++ % WARNINGS] = g_strdup_printf ("%s %s", when, clean);
    if (!v->terminal)
        fprintf (stderr, "ceremony: watch: %s %s\n", when, clean);
}

static void
take_checkpoint (View *v, const SeenCode *code)
{
    if (v->latest && !g_str_equal (code->origin, v->latest->origin)) {
        warn (v, "ANOTHER CEREMONY is on the screen: %s", code->origin);
        return;
    }
    if (code->signature == SEEN_FORGED)
        warn (v, "FORGED: a checkpoint over %" G_GUINT64_FORMAT " events bears a false signature", code->size);
    if (code->signature == SEEN_UNKNOWN)
        warn (v, "a checkpoint over %" G_GUINT64_FORMAT " events is signed by a key that isn't known", code->size);
    for (guint i = 0; i + 1 < v->seen->codes->len; i++) {
        const SeenCode *other = g_ptr_array_index (v->seen->codes, i);
        if (other->kind == SEEN_CHECKPOINT && other->size == code->size && g_str_equal (other->origin, code->origin) && !g_str_equal (other->root, code->root)) {
            warn (v, "TWO DIFFERENT LOGS of this ceremony: %" G_GUINT64_FORMAT " events, two roots. Stop the ceremony", code->size);
            break;
        }
    }
    if (!v->latest && !v->terminal) {
        g_autofree char *clean = seen_printable (code->origin, 200);
        fprintf (stderr, "ceremony: watch: seen: %s\n", clean);
    }
    v->latest = code;
    v->codes++;
    v->least = MIN (v->least, code->size);
    v->most = MAX (v->most, code->size);
}

static void
on_find (gint64 ms, const char *text, gpointer user_data)
{
    View *v = user_data;
    gboolean fresh = FALSE;
    const SeenCode *code = seen_add (v->seen, ms, text, &fresh);

    v->state.duration_ms = MAX (v->state.duration_ms, ms);
    if (!code)
        return;
    if (fresh && code->kind == SEEN_CHECKPOINT)
        take_checkpoint (v, code);
    else if (fresh && code->kind == SEEN_BROKEN)
        warn (v, "a code looks like a checkpoint and isn't one: no signature, or changed");
    else if (fresh)
        warn (v, "another code, of no ceremony: %.60s", code->text);
    if (code->kind == SEEN_CHECKPOINT && v->latest && g_str_equal (code->origin, v->latest->origin)) {
        v->newest_ms = ms;
        v->silent = FALSE;
    }
}

/* Time on the scanner's clock: it tells once a second, and is alive where that isn't long ago. */
static gint64
scanner_ms (const View *v)
{
    return v->state.frames > 0 ? v->state.duration_ms + CLAMP (now_ms () - v->heard, 0, 3000) : 0;
}

static void
check_silence (View *v)
{
    gint64 since = scanner_ms (v) - MAX (v->newest_ms, 0);

    if (v->silent || v->state.frames == 0 || since < NONE_SEEN_MS)
        return;
    v->silent = TRUE;
    warn (v, "no code of the ceremony for %d s: is its picture on this screen, large enough and uncovered?", NONE_SEEN_MS / 1000);
}

/* ── drawing ── */

static void G_GNUC_PRINTF (2, 3)
line (GString *out, const char *format, ...)
{
    va_list args;

    va_start (args, format);
    g_string_append_vprintf (out, format, args);
    va_end (args);
    g_string_append (out, "\033[K\r\n");
}

static char *
words_of_root (const SeenCode *code, gsize n)
{
    g_autoptr (GBytes) root = base64_decode (code->root, -1, NULL);

    return root ? pgp_words (g_bytes_get_data (root, NULL), n) : g_strdup ("");
}

static char *
challenge_words (const View *v)
{
    const char *ceremony = strstr (v->opening->origin, "/ceremony/") + strlen ("/ceremony/");
    guint8 challenge[CHALLENGE_LEN];

    challenge_compute (ceremony, v->opening->root, v->secret, challenge);
    return pgp_words (challenge, sizeof challenge);
}

static void
draw_opening (const View *v, GString *out)
{
    g_autofree char *root = NULL, *words = NULL;

    if (!v->opening) {
        line (out, "When the operator shows the OPENING checkpoint, press o.");
        return;
    }
    root = words_of_root (v->opening, 4);
    line (out, "\033[1mOPENING CHECKPOINT: %" G_GUINT64_FORMAT " events, %s\033[0m", v->opening->size, root);
    line (out, "  (compare with the operator's screen; where they differ, press o again)");
    if (!v->watch->secret_path)
        return;
    words = v->words_hidden ? g_strdup ("(hidden: press w)") : challenge_words (v);
    line (out, "%s", "");
    line (out, "SAY THESE WORDS:");
    line (out, "\033[1m  %s\033[0m", words);
}

static void
draw_latest (const View *v, GString *out)
{
    static const char *const signatures[] = { "NOT CHECKED: give --trust or --order", "BY A KEY THAT ISN'T KNOWN", "by the appliance that is known", "FORGED" };
    g_autofree char *origin = NULL, *words = NULL;

    if (!v->latest) {
        line (out, "No code seen yet. Bring the call's picture onto this screen, large.");
        return;
    }
    origin = seen_printable (v->latest->origin, 66);
    words = words_of_root (v->latest, 4);
    line (out, "Ceremony    %s", origin);
    line (out, "Signature   %s", signatures[v->latest->signature]);
    line (out, "%s", "");
    line (out, "Latest      %" G_GUINT64_FORMAT " events, %s", v->latest->size, words);
    line (out, "            seen %.1f s ago", MAX (scanner_ms (v) - v->newest_ms, 0) / 1000.0);
    line (out, "Codes       %u, over %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " events", v->codes, v->least, v->most);
}

static void
draw (const View *v)
{
    g_autoptr (GString) out = g_string_new ("\033[H");
    g_autofree char *time = seen_time (scanner_ms (v));

    line (out, "\033[1mceremony watch\033[0m   screen %s  %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT "   %s   %s", v->watch->display ? v->watch->display : g_getenv ("DISPLAY"),
          v->state.width, v->state.height, time, v->state.frames == 0 ? "starting" : now_ms () - v->heard > 5000 ? "THE SCANNER IS SILENT" : "");
    line (out, "%s", "");
    draw_latest (v, out);
    line (out, "%s", "");
    draw_opening (v, out);
    line (out, "%s", "");
    for (guint i = v->n_warnings > WARNINGS ? v->n_warnings - WARNINGS : 0; i < v->n_warnings; i++)
        line (out, "! %.76s", v->warnings[i % WARNINGS]);
    g_string_append (out, "\033[J\033[24;1Ho opening checkpoint   w show or hide the words   q end, and write what was seen\033[K");
    fputs (out->str, stdout);
    fflush (stdout);
}

/* ── keys ── */

static void
press (View *v, char key)
{
    switch (key) {
    case 'o':
        if (v->latest)
            v->opening = v->latest;
        break;
    case 'w':
        v->words_hidden = !v->words_hidden;
        break;
    case 'L' - '@':
        fputs ("\033[2J", stdout);
        break;
    case 'q':
    case 'C' - '@':
    case 'D' - '@':
        ended = 1;
        break;
    }
}

static void
terminal_begin (View *v)
{
    struct termios raw;

    v->terminal = !v->watch->quiet && isatty (STDOUT_FILENO) && tcgetattr (STDIN_FILENO, &v->before) == 0;
    if (!v->terminal)
        return;
    raw = v->before;
    raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO | ISIG);
    raw.c_iflag &= ~(tcflag_t) (ICRNL | IXON);
    tcsetattr (STDIN_FILENO, TCSANOW, &raw);
    fputs ("\033[?1049h\033[?25l\033[2J", stdout);
}

static void
terminal_end (View *v)
{
    if (!v->terminal)
        return;
    fputs ("\033[?25h\033[?1049l", stdout);
    fflush (stdout);
    tcsetattr (STDIN_FILENO, TCSANOW, &v->before);
}

/* ── looking ── */

static gboolean
step (View *v)
{
    struct pollfd fds[2] = { { .fd = scanner_fd (v->scanner), .events = POLLIN }, { .fd = v->terminal ? STDIN_FILENO : -1, .events = POLLIN } };
    ScanState state;
    char keys[64];
    gboolean more = TRUE;

    if (poll (fds, 2, DRAW_MS) < 0 && errno != EINTR)
        return FALSE;
    if (fds[0].revents) {
        more = scanner_read (v->scanner);
        scanner_state (v->scanner, &state);
        if (state.frames > 0 && v->state.frames == 0)
            v->started = now_ms ();
        state.duration_ms = MAX (state.duration_ms, v->state.duration_ms);
        v->state = state;
        v->heard = now_ms ();
    }
    if (fds[1].revents) {
        ssize_t n = read (STDIN_FILENO, keys, sizeof keys);
        for (ssize_t i = 0; i < n; i++)
            press (v, keys[i]);
        if (n <= 0)
            ended = 1;
    }
    check_silence (v);
    if (v->terminal)
        draw (v);
    if (v->watch->seconds && v->started && now_ms () - v->started >= (gint64) v->watch->seconds * 1000)
        ended = 1;
    return more && !ended;
}

static gboolean
read_secret (View *v, GError **error)
{
    g_autofree char *hash = NULL;

    if (!v->watch->secret_path)
        return TRUE;
    if (!challenge_read_secret (v->watch->secret_path, v->secret, error))
        return FALSE;
    hash = sha256_hex (v->secret, sizeof v->secret);
    if (!v->watch->commitment || g_str_equal (hash, v->watch->commitment))
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "%s: this isn't the secret that the order commits to; look for the file that was made with this order", v->watch->secret_path);
    return FALSE;
}

static gboolean
look (View *v, GError **error)
{
    gboolean ok;

    v->scanner = scanner_start (-1, v->watch->display ? v->watch->display : "", on_find, v, error);
    if (!v->scanner)
        return FALSE;
    catch_signals ();
    v->seen->began = clock_wall_ms ();
    v->heard = now_ms ();
    terminal_begin (v);
    while (step (v))
        ;
    terminal_end (v);
    v->seen->ended = clock_wall_ms ();
    ok = scanner_end (v->scanner, ended != 0, error);
    scanner_free (v->scanner);
    return ok;
}

Seen *
screen_watch (const ScreenWatch *watch, GPtrArray *keys, GError **error)
{
    View v = { .watch = watch, .seen = seen_new (keys), .newest_ms = -1, .least = G_MAXUINT64 };
    gboolean ok = read_secret (&v, error) && look (&v, error);

    explicit_bzero (v.secret, sizeof v.secret);
    for (guint i = 0; i < WARNINGS; i++)
        g_free (v.warnings[i]);
    v.seen->name = g_strdup (watch->display ? watch->display : g_getenv ("DISPLAY") ? g_getenv ("DISPLAY") : "");
    v.seen->duration_ms = v.state.duration_ms;
    v.seen->frames = v.state.frames;
    v.seen->width = v.state.width;
    v.seen->height = v.state.height;
    if (ok)
        return v.seen;
    seen_free (v.seen);
    return NULL;
}
