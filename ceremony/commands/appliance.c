/* ceremony appliance init|show|enrol: the appliance's two keys. */
#include "ceremony/base/errors.h"
#include "ceremony/bundle/appliance.h"
#include "ceremony/commands/commands.h"
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: ceremony appliance init [--dir DIR] [--name NAME] [--json]   make the appliance's two keys, once\n"
    "       ceremony appliance show [--dir DIR] [--json]                 print what a CA enrols\n"
    "       ceremony appliance enrol --trust DIR [--dir DIR]             put them into a trust folder, as role appliance\n\n"
    "The Ed25519 key signs checkpoints, the P-256 key with its certificate signs the evidence. Both stay in DIR, mode 0600;\n"
    "without --dir that is appliance/ under $CEREMONY_HOME or ~/.local/share/ceremony.\n";

typedef struct { const char *dir, *name, *trust; gboolean json; } Options;

static int
fail (const GError *error)
{
    fprintf (stderr, "ceremony: appliance: %s\n", error->message);
    return g_error_matches (error, BASE_ERROR, BASE_ERROR_USAGE) ? 2 : 1;
}

static int
print (const Appliance *appliance, gboolean as_json)
{
    g_autoptr (json_t) described = appliance_describe (appliance);
    if (as_json) {
        g_autofree char *text = cjson_encode (described, NULL);
        puts (text);
        return 0;
    }
    static const char *const lines[][2] = {
        { "note_key", "Note key (Ed25519)" }, { "note_key_words", "  in words" },      { "subject", "Certificate" },
        { "certificate_sha256", "  SHA-256" }, { "spki_sha256", "  SHA-256 of its key" }, { "not_after", "  valid until" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
        printf ("%-22s %s\n", lines[i][1], cjson_str (described, lines[i][0], NULL));
    return 0;
}

static int
init (const char *dir, const Options *options)
{
    g_autoptr (GError) error = NULL;
    if (!appliance_init (dir, options->name != NULL ? options->name : g_get_host_name (), &error))
        return fail (error);
    g_autoptr (Appliance) appliance = appliance_load (dir, &error);
    if (appliance == NULL)
        return fail (error);
    if (!options->json)
        printf ("Made in %s. Tell the CA what stands below: it goes into each order, and a key that isn't enrolled is never a pass.\n\n", dir);
    return print (appliance, options->json);
}

static int
enrol (const char *dir, const Options *options)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Appliance) appliance = appliance_load (dir, &error);
    if (appliance == NULL || !appliance_enrol (appliance, options->trust, &error))
        return fail (error);
    printf ("Enrolled in %s/appliance: note.pem, cert.pem\n", options->trust);
    return 0;
}

static int
show (const char *dir, const Options *options)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Appliance) appliance = appliance_load (dir, &error);
    return appliance != NULL ? print (appliance, options->json) : fail (error);
}

static gboolean
read_options (int argc, char **argv, Options *options)
{
    const struct { const char *name, **value; } table[] = { { "--dir", &options->dir }, { "--name", &options->name }, { "--trust", &options->trust } };
    for (int i = 2; i < argc; i++) {
        gsize n = 0;
        while (n < G_N_ELEMENTS (table) && strcmp (argv[i], table[n].name) != 0)
            n++;
        if (n < G_N_ELEMENTS (table) && i + 1 < argc)
            *table[n].value = argv[++i];
        else if (strcmp (argv[i], "--json") == 0)
            options->json = TRUE;
        else
            return FALSE;
    }
    return TRUE;
}

int
command_appliance (int argc, char **argv)
{
    Options options = { 0 };
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp (verb, "--help") == 0) {
        fputs (help, stdout);
        return 0;
    }
    gboolean known = strcmp (verb, "init") == 0 || strcmp (verb, "show") == 0 || strcmp (verb, "enrol") == 0;
    if (!known || !read_options (argc, argv, &options) || (strcmp (verb, "enrol") == 0) != (options.trust != NULL)) {
        fputs (help, stderr);
        return 2;
    }
    g_autofree char *dir = options.dir != NULL ? g_strdup (options.dir) : appliance_default_dir ();
    return strcmp (verb, "init") == 0 ? init (dir, &options) : strcmp (verb, "show") == 0 ? show (dir, &options) : enrol (dir, &options);
}
