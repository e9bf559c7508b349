/* Only what our own encoder writes is changed: baseline, frames, picture order by counter, one slice group. Anything else is left alone. */
#include "media/h264.h"
#include <string.h>

#define HEAD 40                 /* bytes of a NAL unit in which everything that is read here stands */

enum { NAL_IDR = 5, NAL_SPS = 7, NAL_PPS = 8 };

/* Bits of a NAL unit without its emulation prevention bytes; where[i] is the i-th byte's place in the unit. Past the end it reads ones, and says so. */
typedef struct {
    guint8   bytes[HEAD];
    guint    where[HEAD];
    guint    len, bit;
    gboolean past;
} Bits;

static void
bits_open (Bits *b, const guint8 *nal, gsize len)
{
    guint zeros = 0;
    memset (b, 0, sizeof *b);
    for (gsize i = 1; i < len && b->len < HEAD; i++) {
        if (zeros >= 2 && nal[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = nal[i] == 0 ? zeros + 1 : 0;
        b->where[b->len] = (guint) i;
        b->bytes[b->len++] = nal[i];
    }
}

static guint
bit (Bits *b)
{
    if (b->bit >= b->len * 8) {
        b->past = TRUE;
        return 1;
    }
    guint value = b->bytes[b->bit / 8] >> (7 - b->bit % 8) & 1;
    b->bit++;
    return value;
}

static guint32
fixed (Bits *b, guint n)
{
    guint32 value = 0;
    while (n-- > 0)
        value = value << 1 | bit (b);
    return value;
}

/* Exp-Golomb, 9.1; of a signed one the caller only wants it passed over. */
static guint32
golomb (Bits *b)
{
    guint zeros = 0;
    while (zeros < 31 && bit (b) == 0)
        zeros++;
    return (1u << zeros) - 1 + fixed (b, zeros);
}

/* The next NAL unit at or after *at: its bytes, without the start code; *at moves past it. */
static guint8 *
next_nal (guint8 *data, gsize len, gsize *at, gsize *nal_len)
{
    gsize i = *at;
    while (i + 3 < len && !(data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1))
        i++;
    if (i + 3 >= len)
        return NULL;
    gsize begin = i + 3, end = begin;
    while (end + 3 < len && !(data[end] == 0 && data[end + 1] == 0 && data[end + 2] <= 1))
        end++;
    if (end + 3 >= len)
        end = len;
    *at = end;
    *nal_len = end - begin;
    return data + begin;
}

gboolean
h264_packet (const guint8 *data, gsize len, H264Packet *packet)
{
    for (gsize i = 0; i + 3 < len; i++) {
        if (data[i] != 0 || data[i + 1] != 0 || data[i + 2] != 1)
            continue;
        guint type = data[i + 3] & 31;
        if (type >= 1 && type <= NAL_IDR) {
            packet->key = type == NAL_IDR;
            packet->disposable = (data[i + 3] >> 5 & 3) == 0;
            return TRUE;
        }
    }
    return FALSE;
}

/* 7.3.2.1.1. Bits of frame_num and of pic_order_cnt_lsb; FALSE: another kind of stream than ours. */
static gboolean
read_sps (const guint8 *nal, gsize len, guint *frame_num_bits, guint *order_bits)
{
    Bits b;
    bits_open (&b, nal, len);
    guint profile = fixed (&b, 8);
    fixed (&b, 16);
    golomb (&b);
    *frame_num_bits = golomb (&b) + 4;
    gboolean by_counter = golomb (&b) == 0;
    *order_bits = by_counter ? golomb (&b) + 4 : 0;
    golomb (&b);
    bit (&b);
    golomb (&b);
    golomb (&b);
    return bit (&b) == 1 && !b.past && (profile == 66 || profile == 77) && by_counter && *frame_num_bits <= 16 && *order_bits <= 16;
}

/* 7.3.2.2: whether the slices' heads are as short as ours, and say something of the deblocking filter. */
static gboolean
read_pps (const guint8 *nal, gsize len)
{
    Bits b;
    bits_open (&b, nal, len);
    golomb (&b);
    golomb (&b);
    gboolean plain = fixed (&b, 2) == 0 && golomb (&b) == 0;    /* CAVLC, no order of fields, one slice group */
    golomb (&b);
    golomb (&b);
    fixed (&b, 3);
    golomb (&b);
    golomb (&b);
    golomb (&b);
    gboolean controlled = bit (&b);
    bit (&b);
    return plain && controlled && bit (&b) == 0 && !b.past;
}

/* 7.3.3. "filter on, both offsets 0" and "filter off" are both three bits: 111 and 010. */
static gboolean
patch_slice (guint8 *nal, gsize len, guint frame_num_bits, guint order_bits)
{
    Bits b;
    bits_open (&b, nal, len);
    golomb (&b);
    guint type = golomb (&b);
    golomb (&b);
    fixed (&b, frame_num_bits);
    golomb (&b);
    fixed (&b, order_bits);
    fixed (&b, 2);
    golomb (&b);
    guint at = b.bit;
    if ((type != 2 && type != 7) || fixed (&b, 3) != 7 || b.past)
        return FALSE;
    for (guint i = at; i < at + 3; i += 2) {
        b.bytes[i / 8] &= (guint8) ~(1 << (7 - i % 8));
        if (b.bytes[i / 8] <= 3)        /* it might become a start code, or need an emulation prevention byte */
            return FALSE;
    }
    nal[b.where[at / 8]] = b.bytes[at / 8];
    nal[b.where[(at + 2) / 8]] = b.bytes[(at + 2) / 8];
    return TRUE;
}

gboolean
h264_without_deblocking (guint8 *data, gsize len)
{
    guint frame_num_bits = 0, order_bits = 0;
    gboolean sps = FALSE, pps = FALSE, changed = FALSE;
    gsize at = 0, n;
    guint8 *nal;
    while ((nal = next_nal (data, len, &at, &n)) != NULL && n > 0)
        switch (nal[0] & 31) {
        case NAL_SPS:
            sps = read_sps (nal, n, &frame_num_bits, &order_bits);
            break;
        case NAL_PPS:
            pps = read_pps (nal, n);
            break;
        case NAL_IDR:
            changed = (sps && pps && patch_slice (nal, n, frame_num_bits, order_bits)) || changed;
            break;
        default:
            break;
        }
    return changed;
}
