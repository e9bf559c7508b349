/* ceremony extract: a container's files in a folder. */
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/asice.h"
#include "ceremony/commands/commands.h"
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: ceremony extract BUNDLE -d DIR\n\n"
    "Unpacks a bundle or an order into DIR, which must be new or empty. This doesn't verify it: `ceremony verify BUNDLE` does.\n";

static int
fail (const GError *error)
{
    fprintf (stderr, "ceremony: extract: %s\n", error->message);
    return 2;
}

static gboolean
is_empty (const char *dir)
{
    g_autoptr (GDir) open = g_dir_open (dir, 0, NULL);
    return open == NULL || g_dir_read_name (open) == NULL;
}

static gboolean
extract_all (const Asice *asice, const char *dir, GError **error)
{
    const GPtrArray *entries = asice_entries (asice);
    if (!file_mkdir (dir, error))
        return FALSE;
    for (guint i = 0; i < entries->len; i++) {
        const AsiceEntry *entry = g_ptr_array_index (entries, i);
        g_autofree char *path = g_build_filename (dir, entry->name, NULL), *folder = g_path_get_dirname (path);
        if (!file_mkdir (folder, error) || !asice_extract (asice, entry, path, error))
            return FALSE;
    }
    return TRUE;
}

int
command_extract (int argc, char **argv)
{
    const char *bundle = NULL, *dir = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0) {
            fputs (help, stdout);
            return 0;
        }
        if (strcmp (argv[i], "-d") == 0 && i + 1 < argc)
            dir = argv[++i];
        else if (argv[i][0] != '-' && bundle == NULL)
            bundle = argv[i];
        else
            bundle = dir = NULL;
    }
    if (bundle == NULL || dir == NULL) {
        fputs (help, stderr);
        return 2;
    }
    g_autoptr (GError) error = NULL;
    g_autoptr (Asice) asice = asice_open (bundle, &error);
    if (asice == NULL)
        return fail (error);
    if (!is_empty (dir)) {
        fprintf (stderr, "ceremony: extract: %s: there is something in it already; name a new folder\n", dir);
        return 2;
    }
    if (!extract_all (asice, dir, &error))
        return fail (error);
    printf ("%u files in %s. They aren't verified: ceremony verify %s\n", asice_entries (asice)->len, dir, bundle);
    return 0;
}
