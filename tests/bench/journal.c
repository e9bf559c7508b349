/* Durable appends of the journal against a plain loop that writes and fdatasyncs the same number of bytes, in turn on the same file system. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <unistd.h>
#include "ceremony/base/file.h"
#include "ceremony/journal/journal.h"

#define ROUNDS 5
#define EVENTS 200

static gint64
time_journal (const char *dir, guint round, gsize *bytes)
{
    guint8 public[32];
    gsize len = sizeof public;
    EVP_PKEY *private = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    EVP_PKEY_get_raw_public_key (private, public, &len);
    g_autoptr (NoteKey) key = note_key_new ("bench.invalid/ceremony/x", NOTE_TYPE_ED25519, public, NULL);
    g_autofree char *path = g_strdup_printf ("%s/%u.db", dir, round);
    g_autoptr (GError) error = NULL;
    g_autoptr (Journal) journal = journal_create (path, key, private, &error);
    if (journal == NULL)
        g_error ("%s", error->message);
    journal_begin_sitting (journal);
    gint64 begin = g_get_monotonic_time ();
    for (guint i = 0; i < EVENTS; i++)
        if (!journal_append (journal, "video.chunk", "recorder", "bench", json_pack ("{s:i, s:i, s:s}", "part", 1, "offset", (int) i, "sha256", "00"), NULL, &error))
            g_error ("%s", error->message);
    gint64 took = g_get_monotonic_time () - begin;
    g_autofree char *lines = journal_export_events (journal, bytes);
    *bytes /= EVENTS;
    EVP_PKEY_free (private);
    return took;
}

static gint64
time_plain (const char *dir, guint round, gsize bytes)
{
    g_autofree char *path = g_strdup_printf ("%s/%u.raw", dir, round);
    g_autofree char *line = g_strnfill (bytes, 'x');
    int fd = g_open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    gint64 begin = g_get_monotonic_time ();
    for (guint i = 0; i < EVENTS; i++)
        if (write (fd, line, bytes) != (gssize) bytes || fdatasync (fd) != 0)
            g_error ("write");
    gint64 took = g_get_monotonic_time () - begin;
    close (fd);
    return took;
}

static int
by_value (const void *a, const void *b)
{
    return (*(const double *) a > *(const double *) b) - (*(const double *) a < *(const double *) b);
}

int
main (void)
{
    g_autofree char *dir = g_dir_make_tmp ("bench-XXXXXX", NULL);
    double ratio[ROUNDS], journal[ROUNDS], plain[ROUNDS];
    for (guint i = 0; i < ROUNDS; i++) {
        gsize bytes;
        journal[i] = (double) time_journal (dir, i, &bytes) / EVENTS;
        plain[i] = (double) time_plain (dir, i, bytes) / EVENTS;
        ratio[i] = journal[i] / plain[i];
    }
    qsort (ratio, ROUNDS, sizeof *ratio, by_value);
    qsort (journal, ROUNDS, sizeof *journal, by_value);
    qsort (plain, ROUNDS, sizeof *plain, by_value);
    printf ("durable append of an event: %.0f us; plain write and fdatasync of the same bytes: %.0f us; ratio %.2f (median of %d rounds of %d)\n", journal[ROUNDS / 2],
            plain[ROUNDS / 2], ratio[ROUNDS / 2], ROUNDS, EVENTS);
    file_remove_tree (dir, NULL);
    return 0;
}
