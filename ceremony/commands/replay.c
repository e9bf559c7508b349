/* The terminal's recording on this terminal, at the time that it had, with keys. What is written is filtered (report/replay.h) before. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "ceremony/base/clock.h"
#include "ceremony/commands/commands.h"
#include "ceremony/commands/replay.h"

#define JUMP_MS 10000

typedef struct {
    const Replay *replay;
    guint   next;               /* of the pieces */
    gint64  at_ms;              /* of the recording */
    double  speed;
    gboolean paused, quit;
    int     keys;               /* descriptor; -1: none */
} Player;

static volatile sig_atomic_t interrupted;

static void
on_signal (int number)
{
    interrupted = 1;
}

static void
show (const char *text)
{
    for (gsize len = strlen (text); len > 0;) {
        ssize_t n = write (STDOUT_FILENO, text, len);
        if (n < 0 && errno != EINTR) {
            interrupted = 1;
            return;
        }
        text += MAX (n, 0);
        len -= (gsize) MAX (n, 0);
    }
}

/* Everything up to @ms, from the beginning where that lies behind. */
static void
show_until (Player *player, gint64 ms)
{
    if (ms < player->at_ms) {
        player->next = 0;
        show ("\033[0m\033[r\033[H\033[2J");
    }
    for (; player->next < player->replay->pieces->len; player->next++) {
        const ReplayPiece *piece = player->replay->pieces->pdata[player->next];
        if (piece->ms > ms)
            break;
        show (piece->text);
    }
    player->at_ms = ms;
}

static void
take_key (Player *player)
{
    char keys[16];
    ssize_t n = read (player->keys, keys, sizeof keys - 1);
    gboolean right, left;

    if (n <= 0) {
        player->quit = TRUE;
        return;
    }
    keys[n] = '\0';
    right = strcmp (keys, "\033[C") == 0 || strcmp (keys, "\033OC") == 0;
    left = strcmp (keys, "\033[D") == 0 || strcmp (keys, "\033OD") == 0;
    if (right || left)
        show_until (player, MAX (player->at_ms + (right ? JUMP_MS : -JUMP_MS), 0));
    else if (keys[0] == 'q' || keys[0] == 3)
        player->quit = TRUE;
    else if (keys[0] == ' ')
        player->paused = !player->paused;
    else if (keys[0] == '+' && player->speed < 64)
        player->speed *= 2;
    else if (keys[0] == '-' && player->speed > 0.25)
        player->speed /= 2;
}

/* Waits until the next piece is due, or a key is pressed. */
static void
wait_next (Player *player)
{
    const ReplayPiece *piece = player->replay->pieces->pdata[player->next];
    gint64 before = clock_boot_ms (), due = player->paused ? 1000 : (gint64) ((double) MAX (piece->ms - player->at_ms, 0) / player->speed);
    struct pollfd keys = { player->keys, POLLIN, 0 };
    int n = poll (&keys, 1, (int) CLAMP (due, 0, 1000));

    if (!player->paused)
        player->at_ms = MIN (piece->ms, player->at_ms + (gint64) ((double) (clock_boot_ms () - before) * player->speed + 0.5));
    if (n > 0)
        take_key (player);
    if (!player->paused)
        show_until (player, player->at_ms);
}

static void
play_all (Player *player)
{
    struct termios before, raw;
    gboolean tty = player->keys >= 0 && tcgetattr (player->keys, &before) == 0;
    struct sigaction action = { .sa_handler = on_signal }, old[2];

    sigaction (SIGINT, &action, &old[0]);
    sigaction (SIGTERM, &action, &old[1]);
    if (tty) {
        raw = before;
        raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        tcsetattr (player->keys, TCSANOW, &raw);
    }
    show ("\033[0m\033[H\033[2J");
    show_until (player, player->at_ms);
    while (!player->quit && !interrupted && player->next < player->replay->pieces->len)
        wait_next (player);
    show (replay_reset);
    if (tty)
        tcsetattr (player->keys, TCSANOW, &before);
    sigaction (SIGINT, &old[0], NULL);
    sigaction (SIGTERM, &old[1], NULL);
}

gboolean
replay_on_terminal (const Replay *replay, gint64 from_ms, double speed)
{
    Player player = { .replay = replay, .at_ms = 0, .speed = speed, .keys = isatty (STDIN_FILENO) ? STDIN_FILENO : -1 };
    struct winsize size;

    if (!isatty (STDOUT_FILENO)) {
        show_until (&player, G_MAXINT64);
        return TRUE;
    }
    if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && (size.ws_col < replay->cols || size.ws_row < replay->rows)) {
        fprintf (stderr, "ceremony: play: this was shown on %ux%u characters, this terminal has %ux%u: enlarge it, then try again\n", replay->cols, replay->rows, size.ws_col,
                 size.ws_row);
        return FALSE;
    }
    player.at_ms = from_ms;
    play_all (&player);
    return TRUE;
}
