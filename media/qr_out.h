/* QR codes into the picture: drawn in the luma plane itself, whole pixels a module, so that they survive a video call's codec. */
#pragma once
#include "media/picture.h"

#define QR_QUIET 4              /* modules of white around (ISO/IEC 18004) */

/* Draws @text as a QR code (error correction M) as large as whole pixels a module allow into @box, which becomes white.
 * FALSE, with nothing drawn: the text needs more modules than @box has room for at 2 px each. @modules (may be NULL) gets the modules a side. */
gboolean qr_draw (Picture *picture, Box box, const char *text, int *modules);
