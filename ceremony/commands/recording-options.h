/* The options of `run` and `rehearse` that say what is recorded, and to whom else the picture is shown. */
#pragma once
#include "ceremony/run/run.h"

/* Takes argv[*i], and its value, where it is one of: --camera (again for a second and a third one), --audio, --picture, --window, --virtual-camera. FALSE: it isn't
 * (@error unset), or its value is wrong (BASE_ERROR_USAGE). */
gboolean recording_option (RunSetup *setup, int argc, char **argv, int *i, GError **error);
