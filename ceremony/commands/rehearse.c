/* ceremony rehearse: the whole ceremony on a throw-away token and a test picture, through the same screens and code as a real one. */
#include <stdio.h>
#include <string.h>
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/file.h"
#include "ceremony/commands/commands.h"
#include "ceremony/commands/preview.h"
#include "ceremony/commands/recording-options.h"
#include "ceremony/run/rehearsal.h"
#include "ui/ui.h"

static const char help[] =
    "usage: ceremony rehearse [SCRIPT] [--unattended] [--fast] [--home DIR] [--policy FILE] [--algorithm NAME]\n"
    "                         [--camera test|file:PATH|device:PATH|NAME|none]… [--audio none|test|default|NAME] [--pin-file FILE]\n"
    "                         [--module FILE] [--tsa URL]\n"
    "                         [--picture SIZE] [--window] [--virtual-camera DEVICE] [--no-preview]\n"
    "\n"
    "The whole ceremony on a throw-away software token. Its bundle says that it is a rehearsal and is never accepted.\n"
    "  --unattended   nobody needs to press a key: the program types at its own screen, at reading speed\n"
    "  --fast         without waiting for a reader\n"
    "  --home DIR     keep everything in DIR (default: a new folder under the ceremony home's rehearsals/);\n"
    "                 after an interruption: ceremony rehearse --home DIR goes on where it stopped\n"
    "  --camera S     what is filmed, given again: a second and a third camera; --audio S likewise\n"
    "  --picture S    720p (1280x720@15), 1080p (1920x1080@30), or WIDTHxHEIGHT@FRAMES\n"
    "  --window       the recorded picture also in a window, to be shared in a video call\n"
    "  --virtual-camera D  also as a camera of this machine (v4l2loopback)\n"
    "  --no-preview   don't show what a camera sees before the start\n"
    "  --pin-file F   the token's PIN is the first line of F (default: a random one, shown before the start)\n"
    "  --module FILE  a PKCS#11 module that stands before SoftHSM's, for trying out faults\n"
    "  --tsa URL      an RFC 3161 authority that timestamps the opening and the final checkpoint\n";

#define TRIES 5         /* how often an unattended rehearsal tries again what failed */

typedef struct { Rehearsal *rehearsal; Run *run; guint tries; } Typist;

/* Where something is wrong there is nobody to mend it: after some tries the rehearsal stops as it stands, or where that can't help, aborts. 0: not such a question. */
static guint
give_up (Typist *typist, const Question *question)
{
    static const struct { const char *id; guint last; } questions[] = {
        { "act.failed", 3 }, { "recorder.failed", 2 }, { "token.absent", 2 }, { "token.locked", 2 }, { "token", 1 },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (questions); i++)
        if (strcmp (questions[i].id, question->id) == 0)
            return typist->tries++ < TRIES ? 1 : questions[i].last;
    return 0;
}

/* The initials of who was identified in @role: persons may have been so before the rehearsal goes on unattended. NULL: nobody yet. */
static char *
initials (Run *run, const char *role)
{
    g_autofree char *path = g_build_filename (run_folder (run), "people.json", NULL);
    g_autoptr (GBytes) bytes = file_read (path, 1024 * 1024, NULL);
    g_autoptr (json_t) people = bytes ? cjson_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), NULL) : NULL;
    json_t *entry;
    gsize i;
    json_array_foreach (json_object_get (people, "people"), i, entry)
        if (g_strcmp0 (cjson_str (entry, "role", NULL), role) == 0)
            return g_strdup (cjson_str (entry, "initials", NULL));
    return NULL;
}

/* What an unattended operator and witness answer. */
static char *
answer (const Question *question, gpointer user_data)
{
    static const struct { const char *id, *text; } answers[] = {
        { "person.name:operator", "Rehearsal operator" }, { "person.name:witness", "Rehearsal witness" },
        { "person.employer:operator", "Rehearsal subscriber" }, { "person.employer:witness", "Rehearsal CA" },
        { "person.title:operator", "Release engineer" }, { "person.title:witness", "RA officer" },
        { "person.initials", "RH" }, { "person.qualification", "none: a rehearsal" },
        { "person.approval", "none: a rehearsal" }, { "attach.description", "attached in a rehearsal" },
    };
    Typist *typist = user_data;
    if (question->kind == ASK_PIN)
        return g_strconcat ("@", typist->rehearsal->pin_path, NULL);
    if (question->kind == ASK_WORDS) {
        g_autoptr (GError) error = NULL;
        char *words = rehearsal_words (typist->rehearsal, run_id (typist->run), run_folder (typist->run), &error);
        if (words == NULL)
            fprintf (stderr, "ceremony: %s\n", error->message);
        return words;
    }
    g_autofree char *with_role = g_strdup_printf ("%s:%s", question->id, question->role ? question->role : "");
    for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
        if (strcmp (answers[i].id, with_role) == 0 || strcmp (answers[i].id, question->id) == 0)
            return g_strdup (answers[i].text);
    if (question->kind == ASK_CONFIRM)
        return initials (typist->run, question->role);
    if (g_str_equal (question->id, "timestamp.failed"))
        return g_strdup ("2");
    guint choice = give_up (typist, question);
    if (choice != 0)
        return g_strdup_printf ("%u", choice);
    if (question->kind == ASK_YES_NO)
        return g_strdup ("yes");
    return question->kind == ASK_CHOICE ? g_strdup ("1") : NULL;
}

static char *
new_home (GError **error)
{
    guint8 salt[4];
    random_bytes (salt, sizeof salt);
    g_autofree char *base = run_home (NULL), *now = clock_format (clock_wall_ms ()), *hex = hex_encode (salt, sizeof salt);
    g_autofree char *name = g_strdup_printf ("%.10s-%s", now, hex);
    g_autofree char *home = g_build_filename (base, "rehearsals", name, NULL);
    return file_mkdir (home, error) ? g_steal_pointer (&home) : NULL;
}

/* The id of the ceremony under @home that isn't closed and sealed yet, or that another process holds (resuming says so); NULL where there is none. */
static char *
open_ceremony (const char *home)
{
    g_autoptr (json_t) list = run_list (home, NULL);
    for (gsize i = 0; list != NULL && i < json_array_size (list); i++) {
        json_t *entry = json_array_get (list, i);
        const char *state = cjson_str (entry, "state", NULL);
        if (g_strcmp0 (cjson_str (entry, "outcome", NULL), "aborted") != 0 && g_strv_contains ((const char *const[]){ "open", "closed", "running", NULL }, state ? state : ""))
            return g_strdup (cjson_str (entry, "id", NULL));
    }
    return NULL;
}

/* What is to be done next, as commands to paste. */
static void
tell_next (const Run *run, const Rehearsal *rehearsal, const char *home)
{
    g_autofree char *bundle = shell_word (run_bundle (run)), *trust = shell_word (rehearsal->trust_dir);
    g_autofree char *key = g_build_filename (home, "rehearsal", "witness.pem", NULL), *secret = g_build_filename (home, "rehearsal", "challenge-secret", NULL);
    g_autofree char *key_word = shell_word (key), *secret_word = shell_word (secret);
    if (!run_sealed (run))
        printf ("\nThe witness hasn't signed it. That is done by:\n  ceremony seal --trust %s --key %s --secret-file %s %s\n", trust, key_word, secret_word, bundle);
    printf ("\nJudge it (it is refused, because it is a rehearsal; nothing else should fail):\n  ceremony verify --trust %s %s\n", trust, bundle);
    printf ("\nLook at the recorded video:\n  ceremony play %s --step liveness\n", bundle);
}

static int
finish (const Run *run, const Rehearsal *rehearsal, RunOutcome outcome, const char *home, const GError *error)
{
    g_autofree char *home_word = shell_word (home);
    if (error != NULL)
        fprintf (stderr, "ceremony: %s\n", error->message);
    if (outcome == RUN_INTERRUPTED) {
        fprintf (stderr, "ceremony: the rehearsal was interrupted; nothing recorded so far is lost. Go on with:\n  ceremony rehearse --home %s\n", home_word);
        return 1;
    }
    printf ("The rehearsal is %s. Its bundle:\n  %s\n", outcome == RUN_ABORTED ? "aborted" : "completed", run_bundle (run));
    tell_next (run, rehearsal, home);
    return outcome == RUN_ABORTED ? 1 : 0;
}

/* Where nobody reads the PIN off a file of their own, it is told before the screen comes up. FALSE: nobody is there. */
static gboolean
introduce (const Rehearsal *rehearsal, const RehearsalOptions *options)
{
    g_autofree char *pin = NULL;
    puts ("A rehearsal: the whole ceremony on a throw-away token, with a test picture.\n"
          "You play operator and witness. Nothing in it counts, so try the keys too.\n");
    if (options->pin_path == NULL && g_file_get_contents (rehearsal->pin_path, &pin, NULL, NULL))
        printf ("The token's PIN, which you will be asked for:  %s\n", pin);
    printf ("Press Enter to begin.");
    fflush (stdout);
    return getchar () != EOF;
}

static int
rehearse (const char *home, const RehearsalOptions *options, gboolean unattended)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Rehearsal) rehearsal = rehearsal_prepare (options, &error);
    if (rehearsal == NULL) {
        fprintf (stderr, "ceremony: %s\n", error->message);
        return 1;
    }
    if (!unattended && !introduce (rehearsal, options))
        return 1;
    UiOptions ui = { .headless = FALSE };
    RunView *view = ui_run_view_new (&ui, &error);
    if (view == NULL) {
        fprintf (stderr, "ceremony: %s\n", error->message);
        return 1;
    }
    g_autofree char *id = open_ceremony (home);
    Run *run = id ? run_resume (home, id, view, &error) : run_new (rehearsal->setup, view, &error);
    Typist typist = { rehearsal, run, 0 };
    RunOutcome outcome = RUN_INTERRUPTED;
    if (run != NULL) {
        if (unattended)
            ui_autopilot_attach (view, &(AutopilotOptions){ .answer = answer, .user_data = &typist, .fast = options->fast });
        outcome = run_main (run, &error);
    }
    view->free (view);
    if (run == NULL) {
        fprintf (stderr, "ceremony: %s\n", error->message);
        return 1;
    }
    int status = finish (run, rehearsal, outcome, home, error);
    run_free (run);
    return status;
}

/* The text option that @name is, or NULL. */
static const char **
text_option (RehearsalOptions *options, const char **home, const char *name)
{
    struct { const char *name; const char **at; } texts[] = {
        { "--home", home }, { "--policy", &options->policy_path }, { "--algorithm", &options->algorithm },
        { "--pin-file", &options->pin_path }, { "--module", &options->module_path }, { "--tsa", &options->tsa_url },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
        if (strcmp (texts[i].name, name) == 0)
            return texts[i].at;
    return NULL;
}

int
command_rehearse (int argc, char **argv)
{
    g_autoptr (RunSetup) recording = run_setup_new ();
    RehearsalOptions options = { .recording = recording };
    gboolean unattended = FALSE, preview = TRUE;
    PreviewAnswer answer = PREVIEW_GO;
    const char *home = NULL;
    g_autoptr (GError) error = NULL;
    for (int i = 1; i < argc; i++) {
        const char **text = text_option (&options, &home, argv[i]);
        if (strcmp (argv[i], "--help") == 0) {
            fputs (help, stdout);
            return 0;
        }
        if (strcmp (argv[i], "--unattended") == 0)
            unattended = TRUE;
        else if (strcmp (argv[i], "--fast") == 0)
            options.fast = TRUE;
        else if (text != NULL && i + 1 < argc)
            *text = argv[++i];
        else if (argv[i][0] != '-' && options.script_path == NULL)
            options.script_path = argv[i];
        else if (strcmp (argv[i], "--no-preview") == 0)
            preview = FALSE;
        else if (!recording_option (recording, argc, argv, &i, &error)) {
            if (error)
                fprintf (stderr, "ceremony: rehearse: %s\n", error->message);
            else
                fputs (help, stderr);
            return 2;
        }
    }
    g_autofree char *made = home ? run_home (home) : new_home (&error);
    if (made == NULL) {
        fprintf (stderr, "ceremony: %s\n", error->message);
        return 1;
    }
    options.home = made;
    /* Nothing is asked of a camera that nobody named: the test picture is the default. */
    if (preview && !unattended && recording->camera != NULL && !preview_setup (recording, "begin the rehearsal", &answer, &error)) {
        fprintf (stderr, "ceremony: rehearse: %s\n", error->message);
        return 1;
    }
    if (answer == PREVIEW_QUIT)
        return 1;
    return rehearse (made, &options, unattended);
}
