/* ceremony keycheck: is this key good enough for a code-signing certificate? */
#include "ceremony/base/cjson.h"
#include "ceremony/base/file.h"
#include "ceremony/commands/commands.h"
#include "ceremony/verify/keycheck.h"
#include <stdio.h>

static const char usage[] =
    "usage: ceremony keycheck [--blocklist FILE|DIR]… [--json] FILE\n\n"
    "Judges the key of a request, certificate or public key (PEM or DER) by the Code Signing Baseline Requirements: size, curve,\n"
    "exponent, small factors, close primes, ROCA, small private exponents, patterns, Debian's weak keys, EC validation, and a\n"
    "request's signature.\n\n"
    "  --blocklist PATH  a list, or a folder of lists: lines of 20 hex digits (Debian's openssl-blacklist) or 64 (SHA-256 of the\n"
    "                    SubjectPublicKeyInfo of a compromised key); may be given more than once\n"
    "  --json            the answer as JSON\n\n"
    "Exit status: 0 accept, 1 refuse, 2 unreadable or usage.\n";

static KeyCheck *
judge (const char *path, char **blocklists, GError **error)
{
    g_autoptr (KeyCheckLists) lists = keycheck_lists_new ();
    if (g_file_test (KEYCHECK_DEBIAN_LISTS, G_FILE_TEST_IS_DIR) && !keycheck_lists_add (lists, KEYCHECK_DEBIAN_LISTS, error))
        return NULL;
    for (char **b = blocklists; b && *b; b++)
        if (!keycheck_lists_add (lists, *b, error))
            return NULL;
    g_autoptr (GBytes) bytes = file_read (path, KEYCHECK_MAX_LEN, error);
    if (!bytes)
        return NULL;
    KeyCheck *check = keycheck (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), lists, error);
    if (!check)
        g_prefix_error (error, "%s: ", path);
    return check;
}

static void
print_text (const KeyCheck *check)
{
    printf ("%s", check->accept ? "accept" : "refuse");
    if (check->algorithm)
        printf (": %s%s%s, %u bits", check->algorithm, check->curve ? " " : "", check->curve ? check->curve : "", check->bits);
    printf (" (%s)\n", check->input);
    for (guint i = 0; i < check->findings->len; i++) {
        const KeyFinding *f = check->findings->pdata[i];
        printf ("  %s %s (CSBR %s): %s\n", f->warning ? "warning" : "refused", f->id, f->clause, f->reason);
    }
}

static int
answer (const char *path, char **blocklists, gboolean json)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (KeyCheck) check = judge (path, blocklists, &error);
    g_autoptr (json_t) object = check ? keycheck_json (check) : NULL;
    g_autofree char *line = object && json ? cjson_encode (object, &error) : NULL;
    if (error) {
        fprintf (stderr, "ceremony keycheck: %s\n", error->message);
        return 2;
    }
    if (json)
        printf ("%s\n", line);
    else
        print_text (check);
    return check->accept ? 0 : 1;
}

int
command_keycheck (int argc, char **argv)
{
    g_auto (GStrv) files = NULL, blocklists = NULL;
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        { "blocklist", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &blocklists, NULL, NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, NULL, NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files, NULL, NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    if (argc == 2 && g_str_equal (argv[1], "--help")) {
        fputs (usage, stdout);
        return 0;
    }
    g_autoptr (GError) error = NULL;
    if (!command_options (entries, &argc, &argv, &error)) {
        fprintf (stderr, "ceremony keycheck: %s\n%s", error->message, usage);
        return 2;
    }
    if (!files || g_strv_length (files) != 1) {
        fprintf (stderr, "ceremony keycheck: give one file\n%s", usage);
        return 2;
    }
    return answer (files[0], blocklists, json);
}
