/* A walker with a state of a few bytes: element heads may be split anywhere between two calls. Segment, Cluster and BlockGroup are entered,
 * every other element is passed over by its length. */
#include "media/mkv.h"
#include <string.h>

#define ID_SEGMENT 0x18538067u
#define ID_CLUSTER 0x1f43b675u
#define ID_TIMECODE 0xe7u
#define ID_BLOCK_GROUP 0xa0u
#define ID_BLOCK 0xa1u
#define ID_SIMPLE_BLOCK 0xa3u
#define BLOCK_HEAD 4            /* track number (one byte), 16-bit time, flags */

/* Bytes of a variable-length integer by its first byte; 0: none of at most @max. */
static guint
vint_length (guint8 first, guint max)
{
    for (guint n = 1; n <= max; n++)
        if (first & (0x100u >> n))
            return n;
    return 0;
}

static guint64
big_endian (const guint8 *data, guint len)
{
    guint64 n = 0;
    for (guint i = 0; i < len; i++)
        n = n << 8 | data[i];
    return n;
}

/* Bytes that the head needs: 0 when it is whole, G_MAXUINT when it can't be one. */
static guint
head_missing (const Mkv *self)
{
    if (self->have == 0)
        return 1;
    guint id = vint_length (self->head[0], 4);
    if (!id)
        return G_MAXUINT;
    if (self->have < id + 1)
        return id + 1 - self->have;
    guint size = vint_length (self->head[id], 8);
    if (!size)
        return G_MAXUINT;
    return self->have < id + size ? id + size - self->have : 0;
}

/* The head is whole: decides what to do with the element. TRUE: a cluster begins here. */
static gboolean
enter (Mkv *self)
{
    guint id_len = vint_length (self->head[0], 4);
    guint32 id = (guint32) big_endian (self->head, id_len);
    guint size_len = self->have - id_len;
    guint64 size = big_endian (self->head + id_len, size_len) & ~(G_GUINT64_CONSTANT (1) << (7 * size_len));
    self->head_len = self->have;
    self->have = 0;
    if (id == ID_SEGMENT || id == ID_CLUSTER || id == ID_BLOCK_GROUP)
        return id == ID_CLUSTER;
    self->timecode = id == ID_TIMECODE && size <= 8;
    self->block = (id == ID_SIMPLE_BLOCK || id == ID_BLOCK) && size >= BLOCK_HEAD;
    self->key = id == ID_SIMPLE_BLOCK;
    self->skip = self->size = size;
    return FALSE;
}

/* The element's first bytes, as far as they are needed, have come. */
static void
read_payload (Mkv *self)
{
    if (self->timecode && self->have == self->size)
        self->cluster_ms = (gint64) big_endian (self->head, self->have);
    if (self->block && self->have == BLOCK_HEAD) {
        gint16 relative = (gint16) big_endian (self->head + 1, 2);
        if (self->head[0] == 0x81) {
            self->frame_pending = TRUE;
            self->frame_ms = self->cluster_ms + relative;
            self->key = self->key && (self->head[3] & 0x80) != 0;
        }
        self->block = FALSE;
    }
}

static gsize
take_payload (Mkv *self, const guint8 *data, gsize len)
{
    gsize n = (gsize) MIN (self->skip, (guint64) len);
    guint want = self->timecode ? (guint) self->size : self->block ? BLOCK_HEAD : 0;
    if (self->have < want) {
        n = MIN (n, want - self->have);
        memcpy (self->head + self->have, data, n);
        self->have += (guint) n;
        read_payload (self);
    }
    self->skip -= n;
    if (self->skip == 0) {
        self->have = 0;
        self->timecode = self->block = FALSE;
    }
    return n;
}

MkvStep
mkv_walk (Mkv *self, const guint8 *data, gsize len, gsize *used)
{
    *used = 0;
    for (;;) {
        if (self->skip == 0 && self->frame_pending) {
            self->frame_pending = FALSE;
            return MKV_FRAME;
        }
        if (*used == len)
            return MKV_MORE;
        if (self->skip > 0) {
            *used += take_payload (self, data + *used, len - *used);
            continue;
        }
        self->head[self->have++] = data[(*used)++];
        guint missing = head_missing (self);
        if (missing == G_MAXUINT)
            return MKV_BAD;
        if (missing == 0 && enter (self))
            return MKV_CLUSTER;
    }
}

guint
mkv_open_head (const Mkv *self)
{
    return self->skip == 0 ? self->have : 0;
}
