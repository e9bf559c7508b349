/* QR codes read by ceremony-media, in its sandbox: off a recording of others (any container, codec and place of the code) in a descriptor, or off the display of this machine. Finds are told as they come. */
#pragma once
#include <glib.h>

typedef struct { gint64 duration_ms; guint64 frames; gint64 width, height; } ScanState;

/* A code at @ms; @text is NULL where its bytes aren't UTF-8. In order of time. */
typedef void (*ScanFunc) (gint64 ms, const char *text, gpointer user_data);

typedef struct Scanner Scanner;
/* Starts it on the video @fd, or (@fd -1) on the X display @display, "" the one of the environment, until it is stopped. BASE_ERROR_MISSING: there is no ceremony-media. */
Scanner *scanner_start (int fd, const char *display, ScanFunc func, gpointer user_data, GError **error);
int      scanner_fd (const Scanner *self);              /* to poll for reading */
gboolean scanner_read (Scanner *self);                  /* takes what is there, tells finds; FALSE: there is no more to come */
void     scanner_state (const Scanner *self, ScanState *state);  /* as far as it has told */
/* Ends it (@now: at once; else when it ends by itself or has been silent for some minutes). FALSE where it failed: BASE_ERROR_FAILED with its reason. */
gboolean scanner_end (Scanner *self, gboolean now, GError **error);
void     scanner_free (Scanner *self);

/* The whole video: start, read to the end, end. What was told before a failure was told. BASE_ERROR_LIMIT where it took longer than @timeout_ms. */
gboolean scan_video (int fd, guint timeout_ms, ScanFunc func, gpointer user_data, ScanState *state, GError **error);
