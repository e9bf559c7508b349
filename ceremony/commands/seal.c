/* ceremony seal: the witness's part, on the witness's own machine: verifies the evidence, then states and signs. */
#include "ceremony/base/errors.h"
#include "ceremony/commands/commands.h"
#include "ceremony/commands/signer-options.h"
#include "ceremony/run/seal.h"
#include "ceremony/token/token.h"
#include "ceremony/verify/verify.h"
#include "ui/ui.h"
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: ceremony seal EVIDENCE.asice --trust DIR SIGNER [--secret-file FILE] [OPTION]…\n\n"
    "Verifies the evidence, shows the statement, and adds it with the witness's signature. What isn't given here is asked on the screen; with --opinion\n"
    "nothing is asked. On evidence that fails its verification only the opinion `refused` can be signed, and only by --opinion refused.\n"
    SIGNER_OPTIONS_HELP
    "  --trust DIR             who is believed to be an appliance, who may sign orders\n"
    "  --secret-file FILE      the secret of the challenge, which the statement discloses\n"
    "  --opinion ID            witnessed, witnessed-with-deviations, refused\n"
    "  --remarks TEXT, --not-seen TEXT, --retention TEXT, --place TEXT, --region TEXT\n"
    "  --seen FILE             what `ceremony watch` saw of the call: checked, and put under witness/; may be repeated\n"
    "  --attach FILE           put under witness/; may be repeated: late cosignatures\n"
    "  --tsa URL               ask this RFC 3161 authority for a timestamp of the signature\n"
    "Exit status: 0 signed, 1 the evidence is refused or the witness didn't sign, 2 usage, or it can't be read.\n";

typedef struct { SealInput input; SignerOptions signer; const char *trust; GPtrArray *attachments, *seen; } Options;

static int
fail (const GError *error)
{
    fprintf (stderr, "ceremony: seal: %s\n", error->message);
    return error->domain == TOKEN_ERROR || g_error_matches (error, BASE_ERROR, BASE_ERROR_REFUSED) || g_error_matches (error, BASE_ERROR, BASE_ERROR_ABORTED) ? 1 : 2;
}

static gboolean
take_option (Options *o, int argc, char **argv, int *i)
{
    const struct { const char *name, **value; } table[] = {
        { "--trust", &o->trust }, { "--secret-file", &o->input.secret_path }, { "--opinion", &o->input.opinion }, { "--remarks", &o->input.remarks },
        { "--not-seen", &o->input.not_seen }, { "--retention", &o->input.retention }, { "--place", &o->input.place }, { "--region", &o->input.region },
        { "--tsa", &o->input.tsa_url },
    };
    if (signer_options_take (&o->signer, argc, argv, i))
        return TRUE;
    if (strcmp (argv[*i], "--attach") == 0 && *i + 1 < argc) {
        g_ptr_array_add (o->attachments, argv[++*i]);
        return TRUE;
    }
    if (strcmp (argv[*i], "--seen") == 0 && *i + 1 < argc) {
        g_ptr_array_add (o->seen, argv[++*i]);
        return TRUE;
    }
    for (gsize n = 0; n < G_N_ELEMENTS (table); n++)
        if (strcmp (argv[*i], table[n].name) == 0 && *i + 1 < argc) {
            *table[n].value = argv[++*i];
            return TRUE;
        }
    if (argv[*i][0] == '-' || o->input.bundle != NULL)
        return FALSE;
    o->input.bundle = argv[*i];
    return TRUE;
}

static void
print_failures (const Verdict *verdict)
{
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *outcome = g_ptr_array_index (verdict->outcomes, i);
        if (outcome->result == CHECK_FAIL)
            fprintf (stderr, "  %s: %s\n", outcome->id, outcome->reason);
    }
}

/* 0: it may be sealed; else the exit status. A rehearsal is genuine, and sealed as what it is. */
static int
judge (const Options *o)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Trust) trust = o->trust ? trust_load (o->trust, &error) : NULL;
    if (error != NULL)
        return fail (error);
    g_autoptr (Verdict) verdict = verify_bundle (o->input.bundle, &(VerifyOptions){ .trust = trust, .seen = (const char *const *) o->seen->pdata, .flags = VERIFY_EVIDENCE_ONLY });
    gboolean refusing = g_strcmp0 (o->input.opinion, "refused") == 0;
    if (verdict->kind != VERDICT_UNREADABLE && (verdict->genuine || verdict->kind != VERDICT_REFUSE || refusing))
        return 0;
    fprintf (stderr, "ceremony: seal: %s doesn't verify:\n", o->input.bundle);
    print_failures (verdict);
    if (verdict->kind != VERDICT_UNREADABLE)
        fprintf (stderr, "Nothing was signed. A witness may still state a refusal: --opinion refused\n");
    return verdict->kind == VERDICT_UNREADABLE ? 2 : 1;
}

/* The screen, which so far knows of nothing but a closed record. */
static RunView *
new_view (GError **error)
{
    RunView *view = ui_run_view_new (&(UiOptions){ 0 }, error);
    const ViewState state = { .title = "The witness's statement", .ceremony = "", .read_aloud = "", .waiting = "", .message = "", .checkpoint_words = "", .camera = "",
                              .token = "", .action = "Say what you saw, read the statement to its end, and sign it.", .recording_ms = -1, .free_bytes = -1, .closed = TRUE };
    if (view != NULL)
        view->update (view, &state);
    return view;
}

static int
seal (Options *o)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Secret) pin = secret_new ();
    RunView *view = NULL;
    gboolean ok = TRUE;
    o->input.key_path = o->signer.key;
    o->input.token_uri = o->signer.token;
    o->input.module_path = o->signer.module;
    if (o->signer.passphrase_file != NULL)
        ok = secret_read_file (o->signer.passphrase_file, pin, &error);
    else if (o->input.opinion != NULL && o->signer.token != NULL)
        ok = secret_ask ("PIN of the witness's token (just Enter where it has a PIN pad)", pin, &error);
    if (ok && (o->signer.passphrase_file != NULL || secret_len (pin) > 0))
        o->input.pin = pin;
    if (ok && o->input.opinion == NULL)
        ok = (o->input.view = view = new_view (&error)) != NULL;
    ok = ok && seal_bundle (&o->input, &error);
    if (view != NULL)
        view->free (view);
    if (!ok)
        return fail (error);
    g_autofree char *bundle = shell_word (o->input.bundle), *trust = shell_word (o->trust ? o->trust : "TRUST");
    printf ("The witness's statement is in it and signed:\n  %s\n\nJudge it (TRUST: the folder of whom to believe):\n  ceremony verify --trust %s %s\n", o->input.bundle, trust, bundle);
    return 0;
}

int
command_seal (int argc, char **argv)
{
    g_autoptr (GPtrArray) attachments = g_ptr_array_new (), seen = g_ptr_array_new ();
    Options o = { .attachments = attachments, .seen = seen };
    gboolean good = TRUE;
    if (argc > 1 && strcmp (argv[1], "--help") == 0) {
        fputs (help, stdout);
        return 0;
    }
    for (int i = 1; i < argc && good; i++)
        good = take_option (&o, argc, argv, &i);
    if (!good || o.input.bundle == NULL || (o.signer.key == NULL) == (o.signer.token == NULL)) {
        fputs (help, stderr);
        return 2;
    }
    g_ptr_array_add (attachments, NULL);
    g_ptr_array_add (seen, NULL);
    o.input.seen = (const char *const *) seen->pdata;
    o.input.attachments = (const char *const *) attachments->pdata;
    int status = judge (&o);
    return status ? status : seal (&o);
}
