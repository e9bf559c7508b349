/* A live source, camera or microphone, in a pipeline of its own: it may be lost, and comes back if it can, without the recording noticing more than
 * that. All calls are the main loop's. */
#pragma once
#include <gst/gst.h>

typedef struct Source Source;

/* @lost TRUE: it gives nothing any more, for @reason; FALSE: it does again. Not called while it simply works. */
typedef void (*SourceChanged) (gboolean lost, const char *reason, gpointer user);

/* @description is a GStreamer pipeline whose last element is `appsink name=out`. @property of the element named `src` (both may be NULL) gets
 * @value. @caps (may be NULL; owned by the caller) is for the element named `caps`. @loop: begin again at the end. */
Source    *source_new (const char *description, const char *property, const char *value, GstCaps *caps, gboolean loop, SourceChanged changed,
                       gpointer user);
void       source_free (Source *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Source, source_free)

void       source_set_caps (Source *self, GstCaps *caps);
GstSample *source_pull (Source *self);      /* what came in, or NULL; call it at each tick */
