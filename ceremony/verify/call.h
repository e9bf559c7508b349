/* Whether a call's recording saw one journal, in order and at its pace: judged from two lists of times alone. Private to verify/.
 *
 * Journal time is milliseconds by the journal's clocks. A recording's time differs from it by an offset, which is the same all along an honest recording: a code can't be
 * seen before it was shown, nor after the next one was. Where no one offset explains two codes, the recording was cut, stretched, or something was put in. */
#pragma once
#include <glib.h>

#define CALL_OPEN G_MAXINT64

typedef struct {
    guint64  size;
    gint64   from, to;                  /* journal time in which this code was in the picture; to CALL_OPEN: nobody knows until when */
    gboolean held;                      /* the terminal holds it as long as people look, beside newer ones: it may be seen later too */
} CallShown;

typedef struct { guint64 size; gint64 first_ms, last_ms; } CallSight;       /* recording time */

typedef enum {
    CALL_BACK,                          /* order: from a newer code to an older one */
    CALL_CUT,                           /* ms of the ceremony are missing */
    CALL_ADDED,                         /* ms were put in, or the recording stood still and went on where it was */
    CALL_STILL,                         /* the picture stood still for ms longer than the code was shown, and then was in time again */
    CALL_RATE,                          /* runs at rate per mille of the ceremony's pace */
} CallKind;

typedef struct { CallKind kind; gint64 from_ms, to_ms; guint64 before, after; gint64 ms; gint rate; } CallFault;     /* recording time; sizes around it */
typedef struct { gint64 from, to; } CallSpan;

/* @shown: CallShown by from; @sights: CallSight by first_ms, each of a size that @shown holds (others are passed over). @slack_ms: how late a picture may come, and how
 * early. Gives CallFault by from_ms; @covered gets CallSpan, the journal time that was seen, merged and in order. g_array_unref. */
GArray *call_judge (const GArray *shown, const GArray *sights, gint64 slack_ms, GArray *covered);
/* Merges spans of several recordings in place. */
void    call_merge (GArray *spans);
/* The stretches of @from … @to outside of @spans that are at least @least_ms long: CallSpan. g_array_unref. */
GArray *call_holes (const GArray *spans, gint64 from, gint64 to, gint64 least_ms);
