/* ceremony challenge: the witness's secret, and the eight words that follow from it and the opening checkpoint. */
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/challenge.h"
#include "ceremony/bundle/order.h"
#include "ceremony/commands/challenge.h"
#include "ceremony/commands/commands.h"
#include "ceremony/journal/note.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: ceremony challenge new -o FILE [--json]\n"
    "       ceremony challenge --secret-file FILE --checkpoint FILE|- [--order ORDER] [--json]\n"
    "       ceremony challenge credential --secret-file FILE --request FILE -o FILE [--order ORDER] [--trust DIR] [--vendors YAML] [--chain FILE]… [--json]\n\n"
    "`new` makes the witness's secret of 32 bytes (64 hex digits, mode 0600) and prints its commitment, which goes into the order. During the\n"
    "ceremony the second form reads the opening checkpoint, which is the text of the QR code seen in the call, and prints the eight words to\n"
    "say. With --order the checkpoint must be signed by the order's appliance, and the secret be the one that the order commits to.\n\n"
    "`credential` is for a token that is a TPM: from the request that the ceremony's appliance wrote it seals a secret, which follows from yours, to the\n"
    "TPM's attestation key and endorsement key (TPM2_MakeCredential). The operator's TPM opens it only where both keys live in it. With --trust (its\n"
    "vendor/ rows of use tpm2-ek) or --vendors the endorsement certificate must lead to a maker there, through the certificates of --chain.\n";

typedef struct { const char *out, *secret, *checkpoint, *order; gboolean make, json; } Options;

int
challenge_fail (const GError *error)
{
    fprintf (stderr, "ceremony: challenge: %s\n", error->message);
    return g_error_matches (error, BASE_ERROR, BASE_ERROR_REFUSED) ? 1 : 2;
}

static void
print_json (json_t *answer)
{
    g_autofree char *text = cjson_encode (answer, NULL);
    puts (text);
    json_decref (answer);
}

static int
make (const Options *options)
{
    guint8 secret[32], digest[32];
    g_autoptr (GError) error = NULL;
    random_bytes (secret, sizeof secret);
    g_autofree char *hex = hex_encode (secret, sizeof secret), *text = g_strconcat (hex, "\n", NULL);
    sha256 (secret, sizeof secret, digest);
    g_autofree char *commitment = hex_encode (digest, sizeof digest);
    gboolean ok = file_write (options->out, text, 65, 0600, FALSE, &error);
    explicit_bzero (secret, sizeof secret);
    explicit_bzero (hex, 64);
    explicit_bzero (text, 65);
    if (!ok)
        return challenge_fail (error);
    if (options->json)
        print_json (json_pack ("{s:s, s:s}", "file", options->out, "challenge_commitment", commitment));
    else
        printf ("Secret in %s: keep it to yourself until the ceremony; the statement discloses it.\nCommitment for the order: %s\n", options->out, commitment);
    return 0;
}

gboolean
challenge_read_secret (const char *path, guint8 out[32], GError **error)
{
    g_autoptr (GBytes) file = file_read (path, 1024, error);
    if (file == NULL)
        return FALSE;
    g_autofree char *trimmed = g_strstrip (g_strndup (g_bytes_get_data (file, NULL), g_bytes_get_size (file)));
    g_autoptr (GBytes) bytes = hex_decode (trimmed, NULL);
    explicit_bzero (trimmed, strlen (trimmed));
    if (bytes == NULL || g_bytes_get_size (bytes) != 32) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: not a secret of 64 hex digits, as `ceremony challenge new` makes it", path);
        return FALSE;
    }
    memcpy (out, g_bytes_get_data (bytes, NULL), 32);
    return TRUE;
}

/* From a file or standard input; a scanner or a mailer may have changed the ends of lines. */
static char *
read_checkpoint (const char *path, GError **error)
{
    g_autoptr (GString) text = g_string_new (NULL);
    if (strcmp (path, "-") == 0) {
        char piece[4096];
        for (ssize_t n; text->len < NOTE_MAX_LEN && (n = read (STDIN_FILENO, piece, sizeof piece)) > 0;)
            g_string_append_len (text, piece, n);
    } else {
        g_autoptr (GBytes) file = file_read (path, NOTE_MAX_LEN, error);
        if (file == NULL)
            return NULL;
        g_string_append_len (text, g_bytes_get_data (file, NULL), (gssize) g_bytes_get_size (file));
    }
    g_string_replace (text, "\r\n", "\n", 0);
    while (text->len > 0 && g_ascii_isspace (text->str[text->len - 1]))
        g_string_truncate (text, text->len - 1);
    g_string_append_c (text, '\n');
    return g_string_free (g_steal_pointer (&text), FALSE);
}

/* That the order's appliance signed it, and that the order commits to this secret. */
static gboolean
check_order (const char *path, const char *note, const Checkpoint *checkpoint, const guint8 secret[32], GError **error)
{
    g_autoptr (Order) order = order_open (path, error);
    if (order == NULL)
        return FALSE;
    const char *text = cjson_str (cjson_obj (order->json, "appliance", NULL), "note_key", error);
    g_autoptr (GBytes) raw = text != NULL ? base64_decode (text, -1, error) : NULL;
    g_autoptr (NoteKey) key = raw != NULL ? note_key_new (checkpoint->origin, NOTE_TYPE_ED25519, g_bytes_get_data (raw, NULL), error) : NULL;
    g_autoptr (Checkpoint) signed_one = key != NULL ? checkpoint_open (note, strlen (note), key, error) : NULL;
    g_autofree char *commitment = sha256_hex (secret, 32), *prefix = g_strconcat (cjson_str (order->json, "ca_domain", NULL), "/ceremony/", NULL);
    if (signed_one == NULL)
        return FALSE;
    if (!g_str_has_prefix (checkpoint->origin, prefix)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the checkpoint is of %s, which isn't a ceremony of this order's CA", checkpoint->origin);
        return FALSE;
    }
    if (g_strcmp0 (cjson_str (order->json, "challenge_commitment", NULL), commitment) == 0)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the order doesn't commit to this secret: another order, or another secret?");
    return FALSE;
}

static int
answer (const Options *options, const Checkpoint *checkpoint, const guint8 secret[32])
{
    const char *ceremony = strstr (checkpoint->origin, "/ceremony/");
    if (ceremony == NULL) {
        fprintf (stderr, "ceremony: challenge: %s isn't the origin of a ceremony\n", checkpoint->origin);
        return 2;
    }
    ceremony += strlen ("/ceremony/");
    guint8 challenge[CHALLENGE_LEN];
    g_autofree char *root = base64_encode (checkpoint->root.b, SHA256_LEN);
    challenge_compute (ceremony, root, secret, challenge);
    g_autofree char *words = pgp_words (challenge, sizeof challenge), *hex = hex_encode (challenge, sizeof challenge);
    if (options->json)
        print_json (json_pack ("{s:s, s:s, s:s, s:I, s:s, s:b}", "ceremony", ceremony, "challenge", hex, "words", words, "size", (json_int_t) checkpoint->size, "root",
                               root, "signature_checked", options->order != NULL));
    else
        printf ("%s\n\n  %s\n\n  ceremony %s, opening checkpoint of %" G_GUINT64_FORMAT " events%s\n", "Say these words:", words, ceremony, checkpoint->size,
                options->order != NULL ? ", signed by the order's appliance" : " (its signature wasn't checked: give --order)");
    return 0;
}

static int
compute (const Options *options)
{
    guint8 secret[32];
    g_autoptr (GError) error = NULL;
    g_autofree char *text = read_checkpoint (options->checkpoint, &error);
    g_autoptr (Note) note = text != NULL ? note_parse (text, strlen (text), &error) : NULL;
    g_autoptr (Checkpoint) checkpoint = note != NULL ? checkpoint_parse (note->text, &error) : NULL;
    if (checkpoint == NULL || !challenge_read_secret (options->secret, secret, &error))
        return challenge_fail (error);
    int status = options->order == NULL || check_order (options->order, text, checkpoint, secret, &error) ? answer (options, checkpoint, secret) : challenge_fail (error);
    explicit_bzero (secret, sizeof secret);
    return status;
}

static gboolean
read_options (int argc, char **argv, Options *options)
{
    const struct { const char *name, **value; } table[] = {
        { "-o", &options->out }, { "--secret-file", &options->secret }, { "--checkpoint", &options->checkpoint }, { "--order", &options->order },
    };
    for (int i = 1; i < argc; i++) {
        gsize n = 0;
        while (n < G_N_ELEMENTS (table) && strcmp (argv[i], table[n].name) != 0)
            n++;
        if (n < G_N_ELEMENTS (table) && i + 1 < argc)
            *table[n].value = argv[++i];
        else if (strcmp (argv[i], "--json") == 0)
            options->json = TRUE;
        else if (i == 1 && strcmp (argv[i], "new") == 0)
            options->make = TRUE;
        else
            return FALSE;
    }
    return options->make ? options->out != NULL && options->secret == NULL && options->checkpoint == NULL && options->order == NULL
                         : options->out == NULL && options->secret != NULL && options->checkpoint != NULL;
}

int
command_challenge (int argc, char **argv)
{
    Options options = { 0 };
    if (argc > 1 && strcmp (argv[1], "--help") == 0) {
        fputs (help, stdout);
        return 0;
    }
    int status = argc > 1 && strcmp (argv[1], "credential") == 0 ? challenge_credential (argc, argv) : -1;
    if (status >= 0)
        return status;
    if (!read_options (argc, argv, &options)) {
        fputs (help, stderr);
        return 2;
    }
    return options.make ? make (&options) : compute (&options);
}
