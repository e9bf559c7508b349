/* Shows a replay on this terminal: `ceremony play --terminal`. */
#pragma once
#include "ceremony/report/replay.h"

/* From @from_ms on, @speed times as fast as it was; keys: space, arrows, + and -, q. Where standard output is no terminal, all of it at once. FALSE where this terminal is
 * too small (told on standard error). */
gboolean replay_on_terminal (const Replay *replay, gint64 from_ms, double speed);
