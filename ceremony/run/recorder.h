/* The recording of a ceremony as run/ sees it: starts ceremony-media, feeds it terminal and QR codes, and makes events of what it says. A recorder that dies or
 * hangs is ended, journaled as failed, and its files are closed by what they hold; a new part is begun, or, where that fails, run->attention says why not. */
#pragma once
#include "ceremony/run/engine.h"

Recorder *recorder_new (Run *run);
void      recorder_free (Recorder *self);           /* kills a child that still runs */
/* Begins the next part and waits until it records. BASE_ERROR_FAILED, BASE_ERROR_MISSING. */
gboolean  recorder_start (Recorder *self, GError **error);
gboolean  recorder_running (const Recorder *self);
/* Ends streams and waits for the end; what doesn't come within 20 s is taken from the files. Fine where nothing runs. */
gboolean  recorder_stop (Recorder *self, GError **error);
/* Shows the checkpoint @note of @size, and waits (at most 10 s) until a frame with it was encoded. FALSE: it wasn't (no error where nothing records). */
gboolean  recorder_show (Recorder *self, const char *note, guint64 size);
/* Whether checkpoints go into the picture by themselves, every 2 s. */
void      recorder_pace (Recorder *self, gboolean on);
void      recorder_mark_camera (Recorder *self, gboolean on);
void      recorder_status (Recorder *self);         /* step and counters for the status line */
void      recorder_tick (Recorder *self);           /* each second: hung? */
gint64    recorder_ms (const Recorder *self);       /* recorded so far, all parts of this sitting; -1 not recording */
guint64   recorder_dropped (const Recorder *self);
const char *recorder_camera (const Recorder *self);

/* Parts that recording.started tells of and track.closed doesn't: paths relative to the folder whose files hold bytes beyond the journaled chunks. */
json_t   *recorder_leftovers (Run *run);
/* Closes all such parts by what their files hold (…chunk with recovered, track.closed), and puts files that the journal doesn't know out of the way. */
gboolean  recorder_recover (Run *run, GError **error);
