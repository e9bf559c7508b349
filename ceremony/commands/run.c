/* ceremony run, ceremony resume: one ceremony, guided and recorded. */
#include "ceremony/base/errors.h"
#include "ceremony/commands/commands.h"
#include "ceremony/commands/preview.h"
#include "ceremony/commands/recording-options.h"
#include "ceremony/run/run.h"
#include "ui/ui.h"
#include <stdio.h>
#include <string.h>

static const char run_help[] =
    "usage: ceremony run ORDER.asice --trust DIR [OPTION]…\n"
    "       ceremony run SCRIPT.yaml --policy FILE --subject NAME [OPTION]…\n\n"
    "Guides operator and witness through the script, records all of it, and closes the evidence. Everything is checked before anything is touched.\n"
    "  --trust DIR             who may sign orders (DIR/order/…)\n"
    "  --policy FILE           without an order: the policy; default: the installed default-policy.yaml\n"
    "  --algorithm NAME, --label TEXT, --subject NAME, --place TEXT, --region TEXT, --ca-domain NAME\n"
    "                          what an order would say\n"
    "  --token URI             the token, RFC 7512: pkcs11:token=…;serial=…; without it the operator chooses\n"
    "  --module PATH           a PKCS#11 module beside those registered with p11-kit;  --only-module: just that one\n"
    "  --camera SOURCE         device:/dev/video0, a part of a camera's name (`ceremony cameras` lists them), none; default: the first camera;\n"
    "                          given again: a second and a third camera, of the token, say\n"
    "  --audio SOURCE          none (default), default, or a device's name\n"
    "  --picture SIZE          720p (default: 1280x720@15), 1080p (1920x1080@30), or WIDTHxHEIGHT@FRAMES\n"
    "  --window                the recorded picture also in a window, to be shared in a video call\n"
    "  --virtual-camera DEVICE also as a camera of this machine (v4l2loopback), for a video call\n"
    "  --no-preview            don't show what the camera sees before the start\n"
    "  --tsa URL               an RFC 3161 authority that timestamps the opening and the final checkpoint\n"
    "  --home DIR              where keys and ceremonies lie; default: $CEREMONY_HOME, else ~/.local/share/ceremony\n"
    "  --witness-token URI     a local witness signs with this token at the end, where the policy allows it (local_seal: token);\n"
    "  --secret-file FILE      then also the secret of the challenge, which the statement discloses\n"
    "  --service-token URI, --service-declaration FACTS\n"
    "                          a signing service countersigns the request here with this token, declaring these facts, where the policy allows it\n"
    "                          (local_countersignature: token)\n\n"
    "Exit status: 0 the evidence is closed, 1 it is closed as aborted, 2 nothing was begun, 3 interrupted: `ceremony resume` goes on.\n";

static const char resume_help[] =
    "usage: ceremony resume [ID] [--home DIR]\n\n"
    "Goes on with an interrupted ceremony, in the same journal, as a new sitting. ID isn't needed where just one stands open.\n"
    "Exit status as of `ceremony run`.\n";

static int
fail (const char *command, const GError *error)
{
    fprintf (stderr, "ceremony: %s: %s\n", command, error ? error->message : "it failed without a reason");
    return 2;
}

/* What is to be done next, as a command to paste. */
static void
tell_next (const Run *run, const RunSetup *setup, RunOutcome outcome)
{
    g_autofree char *bundle = shell_word (run_bundle (run)), *trust = shell_word (setup && setup->trust_dir ? setup->trust_dir : "TRUST");
    if (outcome == RUN_COMPLETED && !run_sealed (run))
        printf ("\nThe witness signs it (KEY.pem: their key and certificate, or --token URI):\n  ceremony seal --trust %s --key KEY.pem --secret-file SECRET %s\n", trust, bundle);
    printf ("\nJudge it (TRUST: the folder of whom to believe):\n  ceremony verify --trust %s %s\n\nLook at it:\n  ceremony play %s\n", trust, bundle, bundle);
}

static int
tell_end (const Run *run, const RunSetup *setup, const char *home, RunOutcome outcome, const GError *error)
{
    g_autofree char *home_word = home ? shell_word (home) : NULL;
    fflush (stdout);
    if (error)
        fprintf (stderr, "ceremony: %s\n", error->message);
    if (outcome == RUN_INTERRUPTED) {
        fprintf (stderr, "ceremony: the ceremony %s was interrupted; nothing recorded so far is lost. Go on with:\n  ceremony resume %s%s%s\n", run_id (run), run_id (run),
                 home ? " --home " : "", home ? home_word : "");
        return 3;
    }
    if (outcome == RUN_ABORTED)
        printf ("The ceremony was aborted. What was recorded until then, signed by the appliance:\n  %s\n", run_bundle (run));
    else
        printf ("The evidence is closed%s:\n  %s\n", run_sealed (run) ? " and the witness has signed it" : "", run_bundle (run));
    tell_next (run, setup, outcome);
    return outcome == RUN_ABORTED ? 1 : 0;
}

/* With the screen up, nothing is printed; it is taken down before. */
static int
hold (const char *command, const RunSetup *setup, const char *home, const char *id)
{
    g_autoptr (GError) error = NULL;
    RunView *view = ui_run_view_new (&(UiOptions){ 0 }, &error);
    if (view == NULL)
        return fail (command, error);
    g_autoptr (Run) run = setup ? run_new (setup, view, &error) : run_resume (home, id, view, &error);
    RunOutcome outcome = run ? run_main (run, &error) : RUN_INTERRUPTED;
    view->free (view);
    return run ? tell_end (run, setup, setup ? setup->home : home, outcome, error) : fail (command, error);
}

/* An order is a container, a script is text; a script may come through a pipe, which isn't waited for here. */
static gboolean
is_container (const char *path)
{
    char head[2] = "";
    FILE *file = g_file_test (path, G_FILE_TEST_IS_REGULAR) ? fopen (path, "rb") : NULL;
    gboolean zip = file && fread (head, 1, 2, file) == 2 && head[0] == 'P' && head[1] == 'K';
    if (file)
        fclose (file);
    return zip;
}

static gboolean
take_text (RunSetup *setup, int argc, char **argv, int *i)
{
    const struct { const char *name; char **value; } table[] = {
        { "--trust", &setup->trust_dir }, { "--policy", &setup->policy_path }, { "--algorithm", &setup->algorithm }, { "--label", &setup->label },
        { "--subject", &setup->subject }, { "--place", &setup->place }, { "--region", &setup->region }, { "--ca-domain", &setup->origin_domain },
        { "--token", &setup->token_uri }, { "--module", &setup->module_path }, 
        { "--home", &setup->home }, { "--witness-token", &setup->witness_token }, { "--secret-file", &setup->secret_path },
        { "--tsa", &setup->tsa_url },
        { "--service-token", &setup->service_token }, { "--service-declaration", &setup->service_facts },
    };
    for (gsize n = 0; n < G_N_ELEMENTS (table); n++)
        if (strcmp (argv[*i], table[n].name) == 0 && *i + 1 < argc) {
            g_free (*table[n].value);
            *table[n].value = g_strdup (argv[++*i]);
            return TRUE;
        }
    return FALSE;
}

int
command_run (int argc, char **argv)
{
    g_autoptr (RunSetup) setup = run_setup_new ();
    const char *what = NULL;
    gboolean good = TRUE, preview = TRUE;
    PreviewAnswer answer = PREVIEW_GO;
    g_autoptr (GError) error = NULL;
    for (int i = 1; i < argc && good; i++) {
        if (strcmp (argv[i], "--help") == 0) {
            fputs (run_help, stdout);
            return 0;
        }
        if (strcmp (argv[i], "--no-preview") == 0)
            preview = FALSE;
        else if (strcmp (argv[i], "--only-module") == 0)
            setup->module_only = TRUE;
        else if (argv[i][0] != '-' && what == NULL)
            what = argv[i];
        else
            good = take_text (setup, argc, argv, &i) || recording_option (setup, argc, argv, &i, &error);
    }
    if (error)
        return fail ("run", error);
    if (!good || what == NULL) {
        fputs (run_help, stderr);
        return 2;
    }
    *(is_container (what) ? &setup->order_path : &setup->script_path) = g_strdup (what);
    if (preview && !preview_setup (setup, "begin the ceremony", &answer, &error))
        return fail ("run", error);
    return answer == PREVIEW_GO ? hold ("run", setup, NULL, NULL) : 2;
}

int
command_resume (int argc, char **argv)
{
    const char *home = NULL, *id = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0) {
            fputs (resume_help, stdout);
            return 0;
        }
        if (strcmp (argv[i], "--home") == 0 && i + 1 < argc) {
            home = argv[++i];
        } else if (argv[i][0] != '-' && id == NULL) {
            id = argv[i];
        } else {
            fputs (resume_help, stderr);
            return 2;
        }
    }
    return hold ("resume", NULL, home, id);
}
