/* The program `ceremony`: hardens itself, then hands over to the subcommand that the first argument names. */
#include "ceremony/base/secret.h"
#include "ceremony/commands/commands.h"
#include <glib.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *meaning;
    int (*run) (int argc, char **argv);
} commands[] = {
    { "doctor", "what this machine has and lacks for a ceremony", command_doctor },
    { "cameras", "which cameras this machine has, and what they see", command_cameras },
    { "rehearse", "hold a whole ceremony on a throw-away token", command_rehearse },
    { "run", "hold a ceremony: guide, record, close the evidence", command_run },
    { "resume", "go on with an interrupted ceremony", command_resume },
    { "list", "list the ceremonies of this machine", command_list },
    { "seal", "add the witness's statement and signature", command_seal },
    { "challenge", "the witness's secret, and the words that follow from it", command_challenge },
    { "countersign", "countersign a request as a signing service, or judge that", command_countersign },
    { "watch", "read the QR codes off a call, recorded or live", command_watch },
    { "verify", "judge bundles: every check, its result and its reason", command_verify },
    { "play", "look at the recorded video", command_play },
    { "clip", "cut a playable part out of the video, with its proofs", command_clip },
    { "extract", "unpack a bundle into a folder", command_extract },
    { "order", "make, show or check the CA's order", command_order },
    { "script", "check a ceremony script, or print it on paper", command_script },
    { "appliance", "make, show or enrol the appliance's keys", command_appliance },
    { "tokens", "list the tokens here, and which keys each can generate", command_tokens },
    { "attest", "judge a vendor's attestation of a key", command_attest },
    { "keycheck", "judge the key of a request, certificate or public key", command_keycheck },
    { "version", "show the version of this program", command_version },
};

static int
help (FILE *out, int status)
{
    fputs ("usage: ceremony COMMAND …\n\nRecords a witnessed key ceremony and verifies what was recorded. Commands:\n\n", out);
    for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
        fprintf (out, "  %-12s %s\n", commands[i].name, commands[i].meaning);
    fputs ("\n`ceremony COMMAND --help` tells more about one.\n", out);
    return status;
}

int
main (int argc, char **argv)
{
    secret_harden_process ();
    /* Libraries and PKCS#11 modules keep their state in HOME; where nobody says which that is, some would use the working folder. */
    if (g_getenv ("HOME") == NULL)
        g_setenv ("HOME", g_get_home_dir (), FALSE);
    setlocale (LC_ALL, "");
    g_set_prgname ("ceremony");
    if (argc < 2)
        return help (stderr, 2);
    if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "help") == 0)
        return help (stdout, 0);
    if (strcmp (argv[1], "--version") == 0)
        return command_version (argc - 1, argv + 1);
    for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
        if (strcmp (argv[1], commands[i].name) == 0)
            return commands[i].run (argc - 1, argv + 1);
    fprintf (stderr, "ceremony: %s: there is no such command; `ceremony --help` lists them\n", argv[1]);
    return 2;
}
