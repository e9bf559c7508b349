/* Attack: an appliance that keeps two histories. Signs, with the appliance's own key, a checkpoint over another journal, and draws its QR code as a PGM picture.
 * fork APPLIANCE-FOLDER ORIGIN SIZE OUT.pgm [text]: with a fifth argument the note is printed too; ORIGIN may be any ceremony's. */
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ceremony/bundle/appliance.h"

#define MODULE 5
#define QUIET 4

static int
draw (const char *text, const char *path)
{
    QRcode *code = QRcode_encodeString (text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    FILE *out = code ? fopen (path, "wb") : NULL;
    int side = code ? (code->width + 2 * QUIET) * MODULE : 0;

    if (!out)
        return 1;
    fprintf (out, "P5\n%d %d\n255\n", side, side);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            int mx = x / MODULE - QUIET, my = y / MODULE - QUIET;
            int dark = mx >= 0 && my >= 0 && mx < code->width && my < code->width && code->data[my * code->width + mx] & 1;
            fputc (dark ? 0 : 255, out);
        }
    QRcode_free (code);
    return fclose (out) == 0 ? 0 : 1;
}

int
main (int argc, char **argv)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Appliance) appliance = argc >= 5 ? appliance_load (argv[1], &error) : NULL;
    g_autoptr (NoteKey) key = appliance ? appliance_note_key (appliance, argv[2], &error) : NULL;
    g_autofree char *text = NULL, *note = NULL;
    MerkleHash root;

    if (key) {
        random_bytes (root.b, sizeof root.b);
        text = checkpoint_text (argv[2], strtoull (argv[3], NULL, 10), &root);
        note = note_sign (text, key, appliance->note_private, &error);
    }
    if (!note) {
        fprintf (stderr, "fork: %s\n", error ? error->message : "usage: fork APPLIANCE-FOLDER ORIGIN SIZE OUT.pgm");
        return 1;
    }
    if (argc > 5)
        fputs (note, stdout);
    return draw (note, argv[4]);
}
