/* The picture that is recorded: terminal, camera, QR code of the current checkpoint and a status line, laid out for the size of the video.
 * While the camera matters most (mark_camera), camera and terminal change places. No GStreamer here. */
#pragma once
#include "media/layout.h"

typedef struct Compose Compose;

/* @width × @height: even, at least 640 × 360. @cols × @rows: the terminal's cells. @cameras: 1 to CAMERAS_MAX panes. @ceremony: its id, shown
 * all the time. */
Compose *compose_new (int width, int height, int cols, int rows, guint cameras, const char *ceremony);
void     compose_free (Compose *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Compose, compose_free)

void compose_terminal (Compose *self, const void *data, gsize len); /* bytes that the terminal was given */
void compose_resize (Compose *self, int cols, int rows);
/* Shows this checkpoint of the first @size events from the next frame on. FALSE: it is too long for a QR code of this picture. */
gboolean compose_qr (Compose *self, const char *text, gint64 size);
/* TRUE: camera and terminal changed places. */
gboolean compose_status (Compose *self, const char *step, gint64 events, gboolean mark_camera, gboolean rehearsal);

/* The pane of camera @camera (from 0): which size it wants its pictures in, a picture of that size (others are passed over), or words in its place (NULL: none any
 * more). @title is the pane's caption. */
void compose_camera_size (const Compose *self, guint camera, int *width, int *height);
void compose_camera_title (Compose *self, guint camera, const char *title);
void compose_camera_picture (Compose *self, guint camera, const Picture *picture);
void compose_camera_words (Compose *self, guint camera, const char *headline, const char *detail);

/* Draws what changed since the last frame, and the time @wall_ms (UTC). The picture is borrowed, good until the next call. */
const Picture *compose_frame (Compose *self, gint64 wall_ms);
/* Where the QR code is: `ceremony-media scan --region` takes it. */
Box compose_qr_box (const Compose *self);
