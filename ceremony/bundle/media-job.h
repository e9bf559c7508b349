/* Jobs of ceremony-media on a video in a container: it decodes what is hostile, in its sandbox, and prints what it found. */
#pragma once
#include <jansson.h>
#include "ceremony/bundle/asice.h"

/* What it prints when it carries out @job (its words, NULL-terminated) on @video, at most @max bytes. With @whole: what a job that failed had printed until then is given
 * too, and told by *@whole; NULL: a job that fails is an error. BASE_ERROR_MISSING: there is no ceremony-media; BASE_ERROR_FAILED: the video can't be decoded;
 * BASE_ERROR_LIMIT: it took too long. */
GBytes *media_job (const Asice *asice, const AsiceEntry *video, const char *const *job, gsize max, gboolean *whole, GError **error);
/* The next line of such an output from *@at on that is JSON; NULL at its end. json_decref. */
json_t *media_line (GBytes *output, gsize *at);
/* The next picture of the job thumbnail: the media time that it is of, and its PNG, borrowed from @output. FALSE at the end. */
gboolean media_picture (GBytes *output, gsize *at, gint64 *ms, const guint8 **png, gsize *len);
