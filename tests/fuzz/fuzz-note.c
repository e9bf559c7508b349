/* A signed note and the checkpoint in it: both write back what they read, and nothing verifies that wasn't signed. */
#include "ceremony/journal/note.h"
#include <string.h>

#define VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_checkpoint (const char *text)
{
    g_autoptr (Checkpoint) checkpoint = checkpoint_parse (text, NULL);
    if (checkpoint == NULL)
        return;
    g_autofree char *again = checkpoint_text (checkpoint->origin, checkpoint->size, &checkpoint->root);
    g_assert_cmpstr (again, ==, text);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Note) note = note_parse (data, size, &error);
    g_assert_true ((note == NULL) == (error != NULL));
    if (note == NULL)
        return 0;
    g_autofree char *again = note_format (note);
    g_assert_cmpmem (again, strlen (again), data, size);
    g_autoptr (NoteKey) key = note_key_parse (VKEY, NULL);
    g_assert_true (!note_verify (note, key, NULL) || strcmp (note->text, "This is an example message.\n") == 0);
    check_checkpoint (note->text);
    return 0;
}
