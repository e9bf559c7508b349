/* Hostile video into grey pictures: a range of a descriptor is demultiplexed and decoded by a fixed list of GStreamer elements, in the sandbox. */
#pragma once
#include <glib.h>
#include "media/sandbox.h"

#define DECODE_MAX_SIDE 8192
#define DECODE_WORKERS_MAX 8

typedef struct {
    gint64        media_ms;
    guint         width, height, stride;
    const guint8 *luma;
    guint         worker;       /* which decoder it comes from, from 0 */
} GreyPicture;

/* Called for each decoded picture, in threads of the decoders: with one worker in order of time, with more of them each in its own order and several at a
 * time. FALSE stops. */
typedef gboolean (*DecodeFunc) (const GreyPicture *picture, gpointer user_data);

typedef struct {
    int     fd;                 /* read with pread */
    guint64 offset, length;     /* of the video in it; length 0: to the end */
    gboolean key_units;         /* decode key units only */
    gboolean thin;              /* H.264: of pictures that no other refers to, at most about three a second */
    gboolean codes_only;        /* the pictures needn't look well: with key_units, H.264 is decoded without its deblocking filter */
    guint   workers;            /* decoders at a time, at most; 0: one */
    gboolean sandbox;           /* FALSE only for measuring */
    guint   timeout_ms;         /* no picture and no end for so long is an error */
    SandboxLimits limits;
} DecodeOptions;

typedef struct { guint64 frames; gint64 duration_ms; guint width, height; const char *without; } DecodeSummary;

/* Enters the sandbox (for good) and decodes. BASE_ERROR_FORMAT: no container or codec that we read, or damaged beyond going on; what came before was
 * given to @func. */
gboolean decode_video (const DecodeOptions *options, DecodeFunc func, gpointer user_data, DecodeSummary *summary, GError **error);
