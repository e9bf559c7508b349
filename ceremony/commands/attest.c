/* ceremony attest: a vendor's attestation alone, from files of any kind in any order. */
#include "ceremony/attest/attest.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/file.h"
#include "ceremony/commands/commands.h"
#include <stdio.h>

static const char usage[] =
    "usage: ceremony attest [--csr FILE] [--challenge HEX] [--vendors YAML] [--json] FILE…\n\n"
    "Judges a vendor's attestation: was the key generated in a device, and can't it leave it? FILE… hold the attestation, the\n"
    "device's certificates and intermediates, and the request, in any order and form: PEM, DER, PKCS#7, CSR, gzip, XML with its\n"
    "signature, TPM structures.\n\n"
    "  --csr FILE        the request whose key must be the attested one\n"
    "  --challenge HEX   the ceremony's challenge, looked for where a device lets one put bytes into its attestation\n"
    "  --vendors YAML    the vendors' keys to believe, instead of those that come with the program\n"
    "  --json            the answer as JSON\n\n"
    "Exit status: 0 genuine, 1 refused, 2 unreadable or usage.\n";

typedef struct { char *csr, *challenge, *vendors; gboolean json; char **files; } Options;

static gboolean
add_file (GPtrArray *inputs, const char *path, GError **error)
{
    g_autoptr (GBytes) bytes = file_read (path, ATTEST_MAX_INPUT_LEN, error);
    if (!bytes)
        return FALSE;
    g_ptr_array_add (inputs, attest_input_new (path, bytes));
    return TRUE;
}

static GBytes *
decode_hex (const char *text, GError **error)
{
    g_autofree char *lower = g_ascii_strdown (text, -1);
    return hex_decode (lower, error);
}

/* Words a value for people: nested values as compact JSON. */
static void
print_details (const json_t *details)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *) details, key, value) {
        if (g_str_equal (key, "anomalies") || json_is_null (value))
            continue;
        g_autofree char *dumped = json_is_string (value) ? NULL : json_dumps (value, JSON_ENCODE_ANY | JSON_COMPACT);
        printf ("  %-18s %s\n", key, dumped ? dumped : json_string_value (value));
    }
    gsize i;
    json_array_foreach (json_object_get (details, "anomalies"), i, value)
        printf ("  note: %s\n", json_string_value (value));
}

static void
print_text (const json_t *answer)
{
    static const char *const shown[] = { "vendor", "model", "serial", "firmware", "origin", "exportable", "spki_sha256", "matches_csr" };
    printf ("%s: %s\n", json_string_value (json_object_get (answer, "verdict")), json_string_value (json_object_get (answer, "reason")));
    for (gsize i = 0; i < G_N_ELEMENTS (shown); i++) {
        const json_t *value = json_object_get (answer, shown[i]);
        if (!json_is_null (value))
            printf ("  %-18s %s\n", shown[i], json_is_string (value) ? json_string_value (value) : json_is_true (value) ? "yes" : "no");
    }
    print_details (json_object_get (answer, "details"));
}

static AttestResult *
judge (const Options *o, GError **error)
{
    g_autoptr (GPtrArray) inputs = attest_inputs_new ();
    g_autofree char *path = o->vendors ? g_strdup (o->vendors) : attest_anchors_default_path ();
    g_autoptr (AttestAnchors) anchors = attest_anchors_load (path, error);
    g_autoptr (GBytes) challenge = NULL;
    if (!anchors || (o->challenge && !(challenge = decode_hex (o->challenge, error))))
        return NULL;
    if (o->csr && !add_file (inputs, o->csr, error))
        return NULL;
    for (char **f = o->files; *f; f++)
        if (!add_file (inputs, *f, error))
            return NULL;
    return attest_verify (inputs, NULL, NULL, challenge, anchors, error);
}

static int
answer_with (const Options *o)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (AttestResult) result = judge (o, &error);
    if (!result) {
        fprintf (stderr, "ceremony attest: %s\n", error->message);
        return 2;
    }
    g_autoptr (json_t) answer = attest_result_json (result);
    if (o->json) {
        g_autofree char *line = cjson_encode (answer, &error);
        if (!line) {
            fprintf (stderr, "ceremony attest: %s\n", error->message);
            return 2;
        }
        printf ("%s\n", line);
    } else {
        print_text (answer);
    }
    return result->genuine ? 0 : 1;
}

int
command_attest (int argc, char **argv)
{
    Options o = { 0 };
    g_auto (GStrv) files = NULL;
    const GOptionEntry entries[] = {
        { "csr", 0, 0, G_OPTION_ARG_FILENAME, &o.csr, NULL, NULL },
        { "challenge", 0, 0, G_OPTION_ARG_STRING, &o.challenge, NULL, NULL },
        { "vendors", 0, 0, G_OPTION_ARG_FILENAME, &o.vendors, NULL, NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &o.json, NULL, NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files, NULL, NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    if (argc == 2 && g_str_equal (argv[1], "--help")) {
        fputs (usage, stdout);
        return 0;
    }
    g_autoptr (GError) error = NULL;
    int status = 2;
    if (!command_options (entries, &argc, &argv, &error))
        fprintf (stderr, "ceremony attest: %s\n%s", error->message, usage);
    else if (!files && !o.csr)
        fprintf (stderr, "ceremony attest: no file was given\n%s", usage);
    else {
        char *none[] = { NULL };
        o.files = files ? files : none;
        status = answer_with (&o);
    }
    g_free (o.csr);
    g_free (o.challenge);
    g_free (o.vendors);
    return status;
}
