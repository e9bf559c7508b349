/* Where each pane lies in a picture of a given size: the composition draws by it, and who looks at a recording finds the cameras by it. */
#pragma once
#include "media/picture.h"

#define CAMERAS_MAX 3

typedef struct {
    Box main;                           /* the large pane: terminal, or the cameras in their frame */
    Box terminal;                       /* where the terminal is now */
    Box camera[CAMERAS_MAX], camera_title[CAMERAS_MAX]; /* titles: outside of main only */
    Box head;                           /* marked: the words in the upper edge of the frame */
    Box side_title, qr, qr_title, status;
    guint cameras;
    double unit;                        /* pixels a pixel of a 720-line picture */
} Layout;

/* @width × @height: even, at least 640 × 360; @cameras 1 to CAMERAS_MAX; @marked: the cameras have the large pane. All boxes are even. */
Layout layout_make (int width, int height, guint cameras, gboolean marked);
/* The frame's lower edge in a marked picture: it has one colour, LAYOUT_MARK, and nothing else ever fills it. */
Box layout_mark (const Layout *self);
#define LAYOUT_MARK 0xffd400
