/* ceremony extract: a container's files in a folder. */
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/asice.h"
#include "ceremony/bundle/moments.h"
#include "ceremony/commands/commands.h"
#include "ceremony/report/liveness.h"
#include "ceremony/report/viewing.h"
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: ceremony extract BUNDLE -d DIR [--viewing] [--pictures [--width PIXELS]] | --liveness\n\n"
    "Unpacks a bundle or an order into DIR, which must be new or empty. This doesn't verify it: `ceremony verify BUNDLE` does.\n"
    "  --viewing       instead a copy of the video that a browser plays and seeks, with a page that leads to each step\n"
    "  --pictures      instead pictures of each step: where it began, and where it was confirmed\n"
    "  --width PIXELS  how wide these are (1280 if not said)\n"
    "  --liveness      instead pictures and sound of the time in which the challenge was held before the camera, beside its words: open DIR/index.html\n";

typedef struct { const char *bundle, *dir; gboolean viewing, pictures, liveness, help; guint width; } Options;

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

static gboolean
parse (int argc, char **argv, Options *o)
{
    for (int i = 1; i < argc; i++) {
        guint64 n = 0;
        if (strcmp (argv[i], "--help") == 0)
            o->help = TRUE;
        else if (strcmp (argv[i], "--viewing") == 0)
            o->viewing = TRUE;
        else if (strcmp (argv[i], "--pictures") == 0)
            o->pictures = TRUE;
        else if (strcmp (argv[i], "--liveness") == 0)
            o->liveness = TRUE;
        else if (strcmp (argv[i], "--width") == 0 && i + 1 < argc && g_ascii_string_to_unsigned (argv[++i], 10, 16, 1920, &n, NULL))
            o->width = (guint) n;
        else if (strcmp (argv[i], "-d") == 0 && i + 1 < argc)
            o->dir = argv[++i];
        else if (argv[i][0] != '-' && o->bundle == NULL)
            o->bundle = argv[i];
        else
            return FALSE;
    }
    return o->help || (o->bundle != NULL && o->dir != NULL && (o->width == 0 || o->pictures) && !(o->liveness && (o->viewing || o->pictures)));
}

static int
extract_views (const Asice *asice, const Options *o, GError **error)
{
    g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
    guint count = 0;
    gboolean ok = file_mkdir (o->dir, error) && (!o->viewing || viewing_write (asice, o->dir, notes, error))
                  && (!o->pictures || pictures_write (asice, o->dir, o->width ? o->width : 1280, &count, notes, error));
    for (guint i = 0; i < notes->len; i++)
        fprintf (stderr, "ceremony: extract: %s\n", (const char *) notes->pdata[i]);
    if (!ok)
        return 1;
    g_autofree char *dir = shell_word (o->dir), *bundle = shell_word (o->bundle);
    if (o->viewing)
        printf ("Open in a browser: %s/index.html\n", dir);
    if (o->pictures)
        printf ("%u pictures in %s, listed in pictures.json\n", count, dir);
    printf ("They prove nothing: ceremony verify %s\n", bundle);
    return notes->len > 0;
}

static int
extract_liveness (const Asice *asice, const char *dir)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Liveness) found = file_mkdir (dir, &error) ? liveness_write (asice, dir, &error) : NULL;
    if (found == NULL)
        return fail (error);
    g_autofree char *from = moment_format (found->from_ms), *to = moment_format (found->to_ms), *page = g_build_filename (dir, "index.html", NULL);
    printf ("The challenge:  %s\nPart %d of the video, from %s to %s: %u pictures, %s. Look and listen:\n  %s\n", found->words, (int) found->part, from, to, found->pictures,
            found->sound_ms == 0 ? "recorded without sound" : found->silent ? "sound that is silence itself" : "and the sound", page);
    return 0;
}

int
command_extract (int argc, char **argv)
{
    Options o = { 0 };
    if (!parse (argc, argv, &o) || o.help) {
        fputs (help, o.help ? stdout : stderr);
        return o.help ? 0 : 2;
    }
    g_autoptr (GError) error = NULL;
    g_autoptr (Asice) asice = asice_open (o.bundle, &error);
    if (asice == NULL)
        return fail (error);
    if (!is_empty (o.dir)) {
        fprintf (stderr, "ceremony: extract: %s: there is something in it already; name a new folder\n", o.dir);
        return 2;
    }
    if (o.liveness)
        return extract_liveness (asice, o.dir);
    if (o.viewing || o.pictures) {
        int status = extract_views (asice, &o, &error);
        if (error != NULL)
            fprintf (stderr, "ceremony: extract: %s\n", error->message);
        return status;
    }
    if (!extract_all (asice, o.dir, &error))
        return fail (error);
    printf ("%u files in %s. They aren't verified: ceremony verify %s\n", asice_entries (asice)->len, o.dir, o.bundle);
    return 0;
}
