/* Walks through a growing Matroska stream (EBML, RFC 8794; Matroska, RFC 9559) as its bytes are written, and tells where clusters begin and which
 * video blocks are whole. It reads what our own muxer writes: one video track, the first. */
#pragma once
#include <glib.h>

typedef enum {
    MKV_MORE,           /* all bytes were walked: give the next ones */
    MKV_CLUSTER,        /* a cluster begins: its head is the last `head_len` bytes that were taken */
    MKV_FRAME,          /* a block of the video track ended */
    MKV_BAD,            /* not Matroska as we write it */
} MkvStep;

typedef struct {
    guint8  head[16];   /* the element's id and length, or a payload's first bytes, as far as they came */
    guint   have;
    guint   head_len;   /* of the last whole head */
    guint64 skip;       /* bytes of the element still to pass over */
    gint64  cluster_ms; /* of the cluster at hand */
    gint64  frame_ms;   /* of the last block */
    gboolean key;       /* it is a key unit */
    gboolean block, timecode, frame_pending;
    guint64 size;
} Mkv;

/* Takes some of the @len bytes at @data; @used says how many. Call again with the rest. Begins as zeros. */
MkvStep mkv_walk (Mkv *self, const guint8 *data, gsize len, gsize *used);
/* Bytes at the end of those taken that belong to a head that isn't whole yet, which may turn out to be a cluster's. */
guint mkv_open_head (const Mkv *self);
