/* What the scanner needs to know of H.264 (ITU-T H.264, 7.3) in byte-stream format: which packets nothing refers to, and how to decode a key unit faster. Every packet
 * is hostile input. */
#pragma once
#include <glib.h>

typedef struct {
    gboolean key;           /* an instantaneous decoder refresh: whatever came before isn't needed any more */
    gboolean disposable;    /* no other picture refers to it */
} H264Packet;

/* Looks at the first slice of an access unit. FALSE: there is none in it. */
gboolean h264_packet (const guint8 *data, gsize len, H264Packet *packet);
/* Turns off the deblocking filter of an IDR access unit that begins with its parameter sets, in place, where that changes no length: as openh264enc writes them. The
 * picture is a bit blockier, a QR code as legible, and decoding about a fifth faster. FALSE: it was left as it is. */
gboolean h264_without_deblocking (guint8 *data, gsize len);
