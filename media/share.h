/* The composed picture for a video call: in a window to be shared, or as a camera of this machine (v4l2loopback). Another process shows it, from memory that both
 * hold: a display that goes away, a driver that hangs or a plug-in that crashes ends that process, and neither stalls nor ends the recording. */
#pragma once
#include "media/picture.h"

typedef struct Share Share;

/* It has ended by itself, for @reason; told once, in the main loop. @to: "window", "virtual camera". */
typedef void (*ShareEnded) (const char *to, const char *reason, gpointer user);

/* @device: of a virtual camera, NULL for a window. BASE_ERROR_FAILED, BASE_ERROR_IO: it can't be started; what goes wrong later is told by @ended. */
Share *share_new (const char *device, int width, int height, int fps, ShareEnded ended, gpointer user, GError **error);
void   share_free (Share *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Share, share_free)
/* The sink for a window of the display that there is, NULL (and BASE_ERROR_MISSING) where there is none. */
const char *share_window_sink (GError **error);
void   share_frame (Share *self, const Picture *picture);   /* copies it; never waits */
