/* Which cameras there are, and which one a person means. */
#pragma once
#include "ceremony/base/cjson.h"

#define CAMERAS_MOST 3          /* as many as the picture has panes for */

/* [{"device","name"}] as ceremony-media lists them; empty where there is none. New reference. BASE_ERROR_MISSING, BASE_ERROR_FAILED. */
json_t *cameras_list (GError **error);
/* @text as the recorder takes it: "test", "none", "file:PATH", "device:PATH" (paths made absolute), a path under /dev/, or a part of the name of exactly one camera.
 * g_free. BASE_ERROR_USAGE: the message lists those that there are. */
char   *camera_resolve (const char *text, GError **error);
