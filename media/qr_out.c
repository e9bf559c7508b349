/* libqrencode's matrix becomes white and black squares. */
#include "media/qr_out.h"
#include <qrencode.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QRcode, QRcode_free)

#define WHITE_LUMA 235
#define BLACK_LUMA 16

static void
black_square (Picture *picture, int x, int y, int size)
{
    for (int row = 0; row < size; row++)
        memset (picture->plane[0] + (gsize) (y + row) * picture->stride[0] + x, BLACK_LUMA, size);
}

gboolean
qr_draw (Picture *picture, Box box, const char *text, int *modules)
{
    g_autoptr (QRcode) code = QRcode_encodeString8bit (text, 0, QR_ECLEVEL_M);
    int side = MIN (box.width, box.height);
    if (!code || side / (code->width + 2 * QR_QUIET) < 2)
        return FALSE;
    int module = side / (code->width + 2 * QR_QUIET);
    int x0 = box.x + (box.width - module * code->width) / 2, y0 = box.y + (box.height - module * code->width) / 2;
    picture_fill (picture, box, 0xffffff);
    for (int y = 0; y < code->width; y++)
        for (int x = 0; x < code->width; x++)
            if (code->data[y * code->width + x] & 1)
                black_square (picture, x0 + x * module, y0 + y * module, module);
    if (modules)
        *modules = code->width;
    return TRUE;
}
