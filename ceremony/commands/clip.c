/* ceremony clip: a playable part of the video, with the proofs that it belongs to the ceremony. */
#include <stdio.h>
#include <string.h>
#include "ceremony/base/errors.h"
#include "ceremony/bundle/clip.h"
#include "ceremony/commands/commands.h"

static const char help[] =
    "usage: ceremony clip BUNDLE --step ID -o FILE\n"
    "       ceremony clip BUNDLE [--part N] --from TIME [--to TIME] -o FILE\n"
    "\n"
    "Cuts a part out of the recorded video, at its chunks, with the proofs that every byte of it belongs to the ceremony: a ZIP whose .mkv plays.\n"
    "ceremony-verify(1) says how it is judged without the bundle.\n"
    "  --step ID    while this step of the script was done\n"
    "  --from TIME  from this time of the video: 75, 1:15 or 0:01:15.5\n"
    "  --to TIME    up to this time; without it to the end of the part\n"
    "  --part N     which part of the video the times are of (1 if not said)\n"
    "  --json       print one JSON object\n";

typedef struct {
    char    *step, *from, *to, *out;
    int      part;
    gboolean json, help;
    char   **bundle;
} Options;

static gboolean
parse (int argc, char **argv, Options *o, ClipRange *range, GError **error)
{
    const GOptionEntry entries[] = {
        { "step", 0, 0, G_OPTION_ARG_STRING, &o->step, NULL, NULL },
        { "from", 0, 0, G_OPTION_ARG_STRING, &o->from, NULL, NULL },
        { "to", 0, 0, G_OPTION_ARG_STRING, &o->to, NULL, NULL },
        { "part", 0, 0, G_OPTION_ARG_INT, &o->part, NULL, NULL },
        { "output", 'o', 0, G_OPTION_ARG_FILENAME, &o->out, NULL, NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &o->json, NULL, NULL },
        { "help", 0, 0, G_OPTION_ARG_NONE, &o->help, NULL, NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->bundle, NULL, NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };

    if (!command_options (entries, &argc, &argv, error) || o->help)
        return o->help;
    if (!o->bundle || g_strv_length (o->bundle) != 1 || !o->out)
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "name one bundle, and with -o the file to write");
    else if (!o->step == !o->from)
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "say either --step ID or --from TIME");
    else if (o->step && (o->to || o->part))
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "--to and --part go with --from");
    else if (o->part < 0)
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "parts are counted from 1");
    else if (o->step)
        return TRUE;
    else {
        *range = (ClipRange) { o->part ? o->part : 1, 0, -1 };
        return moment_parse (o->from, &range->from_ms, error) && (!o->to || moment_parse (o->to, &range->to_ms, error));
    }
    return FALSE;
}

static void
print_json (const GArray *pieces, const char *path)
{
    g_autofree char *name = g_filename_display_name (path);
    json_t *list = json_array ();

    for (guint i = 0; i < pieces->len; i++) {
        const ClipPiece *piece = &g_array_index (pieces, ClipPiece, i);
        json_array_append_new (list, json_pack ("{s:I, s:s, s:o, s:o, s:i}", "part", (json_int_t) piece->part, "path", piece->path, "from_ms",
                                                piece->from_ms < 0 ? json_null () : json_integer (piece->from_ms), "to_ms",
                                                piece->to_ms < 0 ? json_null () : json_integer (piece->to_ms), "chunks", (int) piece->chunks));
    }
    g_autoptr(json_t) json = json_pack ("{s:s, s:o}", "clip", name, "pieces", list);
    g_autofree char *text = cjson_encode (json, NULL);
    puts (text);
}

static void
print_text (const GArray *pieces, const char *path)
{
    g_autofree char *word = shell_word (path), *first = shell_word (g_array_index (pieces, ClipPiece, 0).path);

    for (guint i = 0; i < pieces->len; i++) {
        const ClipPiece *piece = &g_array_index (pieces, ClipPiece, i);
        g_autofree char *from = piece->from_ms < 0 ? g_strdup ("the interruption's leftovers") : moment_format (piece->from_ms);
        g_autofree char *to = piece->to_ms < 0 ? g_strdup ("what an interruption left") : moment_format (piece->to_ms);
        printf ("part %" G_GINT64_FORMAT ", %s to %s (cut at chunks, so a little more than asked)\n", piece->part, from, to);
    }
    printf ("\nPlay it:   unzip -p %s %s >clip.mkv, then any player\nVerify it: ceremony verify --clip --trust DIR %s\n", word, first, word);
}

static int
run (const Options *o, const ClipRange *range)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Asice) bundle = asice_open (o->bundle[0], &error);
    g_autoptr(GArray) pieces = bundle ? clip_write (bundle, o->step, range, o->out, &error) : NULL;

    if (pieces == NULL) {
        fprintf (stderr, "ceremony: clip: %s\n", error->message);
        return bundle && g_error_matches (error, BASE_ERROR, BASE_ERROR_MISSING) ? 1 : 2;
    }
    if (o->json)
        print_json (pieces, o->out);
    else
        print_text (pieces, o->out);
    return 0;
}

int
command_clip (int argc, char **argv)
{
    Options o = { 0 };
    ClipRange range = { 1, 0, -1 };
    g_autoptr(GError) error = NULL;
    int status = 2;

    if (!parse (argc, argv, &o, &range, &error)) {
        fprintf (stderr, "ceremony: clip: %s; `ceremony clip --help` tells how\n", error->message);
    } else if (o.help) {
        fputs (help, stdout);
        status = 0;
    } else {
        status = run (&o, &range);
    }
    g_free (o.step);
    g_free (o.from);
    g_free (o.to);
    g_free (o.out);
    g_strfreev (o.bundle);
    return status;
}
