/* Hostile video into grey pictures: a range of a descriptor is demultiplexed and decoded by a fixed list of GStreamer elements, in the sandbox. */
#pragma once
#include <glib.h>
#include "media/sandbox.h"

#define DECODE_MAX_SIDE 8192

typedef struct {
    gint64        media_ms;
    guint         width, height, stride;
    const guint8 *luma;
} GreyPicture;

/* Called for each decoded picture; FALSE stops. */
typedef gboolean (*DecodeFunc) (const GreyPicture *picture, gpointer user_data);

typedef struct {
    int     fd;                 /* read with pread */
    guint64 offset, length;     /* of the video in it; length 0: to the end */
    gboolean key_units;         /* decode key units only */
    gboolean sandbox;           /* FALSE only for measuring */
    guint   timeout_ms;         /* no picture and no end for so long is an error */
    SandboxLimits limits;
} DecodeOptions;

typedef struct { guint64 frames; gint64 duration_ms; guint width, height; const char *without; } DecodeSummary;

/* Enters the sandbox (for good) and decodes. BASE_ERROR_FORMAT: no container or codec that we read, or damaged beyond going on; what came before was
 * given to @func. */
gboolean decode_video (const DecodeOptions *options, DecodeFunc func, gpointer user_data, DecodeSummary *summary, GError **error);
