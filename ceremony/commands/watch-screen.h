/* `ceremony watch screen`: the live view of the QR codes on this screen, in a terminal. */
#pragma once
#include "ceremony/bundle/seen.h"

typedef struct {
    gboolean    live;               /* the screen is meant, not a recording */
    const char *display;            /* NULL: $DISPLAY */
    const char *secret_path;        /* the witness's secret; NULL: no words are shown */
    const char *commitment;         /* what the order says its SHA-256 is; NULL: not known */
    guint       seconds;            /* ends by itself after so long; 0: when somebody ends it */
    gboolean    quiet;              /* nothing on the terminal: JSON goes there */
} ScreenWatch;

/* Looks until q is pressed, a signal comes, or the time is over, and gives all that was seen. BASE_ERROR_FAILED: the display can't be looked at. */
Seen *screen_watch (const ScreenWatch *watch, GPtrArray *keys, GError **error);
