/* What the cameras see, in the terminal, before anything is recorded: a person must be able to see that the camera sees them. */
#pragma once
#include "ceremony/run/run.h"

typedef enum { PREVIEW_GO, PREVIEW_QUIT } PreviewAnswer;

/* Shows @cameras (as camera_resolve gives them, NULL-terminated), one at a time, until a person answers; GO at once where this isn't a terminal. @go is what Enter does:
 * "begin the ceremony". BASE_ERROR_MISSING: there is no ceremony-media; the others as child_start. Standard input and output must be the terminal. */
gboolean preview_cameras (const char *const *cameras, const char *go, PreviewAnswer *answer, GError **error);
/* The same for what @setup films, of that which is a camera of this machine: names are resolved in it. */
gboolean preview_setup (RunSetup *setup, const char *go, PreviewAnswer *answer, GError **error);
