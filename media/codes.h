/* Finds the QR codes of a picture, and knows where they were in the pictures before: one for each decoder. */
#pragma once
#include "media/decode.h"
#include "media/picture.h"

typedef enum {
    CODES_FOLLOW,       /* where the last code was; the whole picture where it isn't there any more, and now and then */
    CODES_WHOLE,        /* always the whole picture */
    CODES_CHANGES,      /* as FOLLOW, but only where the picture changed at that place; small codes are searched for at twice their size */
} CodesMode;

typedef struct Codes Codes;

/* @text isn't terminated; @box in pixels of the picture. */
typedef void (*CodesFunc) (gint64 ms, const char *text, gsize len, Box box, gpointer user_data);

/* @region: look there and nowhere else; width 0: anywhere. */
Codes *codes_new (CodesMode mode, Box region, CodesFunc func, gpointer user_data);
void   codes_free (Codes *self);
void   codes_look (Codes *self, const GreyPicture *picture);
