/* One of the decoders that share a video's work: packets in from the thread that reads the file, pictures out in a thread of its own. */
#pragma once
#include <gst/gst.h>
#include "media/decode.h"

/* What all decoders of one video have in common. */
typedef struct {
    DecodeFunc     func;
    gpointer       user_data;
    DecodeSummary *summary;     /* under lock */
    GMutex         lock;
    gint           stop;        /* atomic: func wants no more, or the time is over */
    gint           pictures;    /* atomic: progress */
} Decoding;

typedef struct Decoder Decoder;

/* @element: the decoder's name; NULL where it can't be made. @index: told to func with each picture. */
Decoder *decoder_new (const char *element, guint index, Decoding *shared);
/* TRUE: @sample can be pushed without the queue growing past what memory is for. */
gboolean decoder_has_room (Decoder *self);
gsize    decoder_queued (Decoder *self);                /* bytes */
void     decoder_push (Decoder *self, GstSample *sample);
void     decoder_end (Decoder *self);                   /* no more packets will come */
gboolean decoder_is_done (Decoder *self);               /* all its pictures were given, or it failed, or shared->stop was seen */
/* What went wrong, g_free; NULL: nothing. */
char    *decoder_error (Decoder *self);
void     decoder_free (Decoder *self);                  /* waits for its thread: only once it is done or shared->stop is set */
