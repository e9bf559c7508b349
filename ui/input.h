/* What is typed: from a descriptor or from the autopilot, through one handler. Its buffer and the key decoder lie in a locked page that is wiped after each use. */
#pragma once
#include <glib.h>

typedef struct {
    gboolean (*secret) (gpointer user_data);            /* whether a PIN is asked for right now */
    void     (*pin_byte) (guint8 byte, gpointer user_data);
    gboolean (*key) (guint32 key, gpointer user_data);  /* TRUE: it answered a question; what was typed along with it is thrown away */
    void     (*touched) (gpointer user_data);           /* a person typed */
    gpointer user_data;
} InputEvents;

typedef struct Input Input;
Input *input_new (int fd, const InputEvents *events);   /* @fd -1: only input_feed */
void   input_feed (Input *self, const guint8 *data, gsize len);
void   input_free (Input *self);
