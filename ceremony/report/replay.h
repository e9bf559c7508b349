/* The terminal's recording, made safe to show on a reviewer's terminal: a hostile cast may hold sequences that set titles, fill clipboards, ask the terminal to answer,
 * print or run things. Only what moves, colours and erases passes; everything else is dropped. */
#pragma once
#include <glib.h>

/* A filter has a state of a few bytes: sequences may be split anywhere between two calls. Begins as zeros. */
typedef struct {
    int     state;
    char    sequence[64];       /* a control sequence as far as it came */
    gsize   len;
    guint8  utf8[4];            /* a character as far as it came */
    gsize   have, want;
} ReplayFilter;
/* Adds to @out what of the @len bytes at @data is safe: valid UTF-8 text without control characters but CR, LF, BS and TAB, and the control sequences of a list. */
void replay_filter (ReplayFilter *self, const void *data, gsize len, GString *out);
/* What puts a terminal back in order afterwards: colours, cursor, alternate screen, margins, character set. */
extern const char replay_reset[];

typedef struct { gint64 ms; char *text; } ReplayPiece;      /* what was shown at @ms since the part began, filtered */
typedef struct {
    guint      cols, rows;
    GPtrArray *pieces;          /* ReplayPiece, in order of time */
    gboolean   cut;             /* it ends in the middle of a line, or of something that isn't asciicast */
} Replay;
/* Reads asciicast v2 as far as it is whole. BASE_ERROR_FORMAT where its header isn't. */
Replay *replay_read (const void *data, gsize len, GError **error);
void    replay_free (Replay *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Replay, replay_free)
