/* ceremony verify BUNDLE…: verdicts, as text or JSON. Several bundles are several processes, so that a hostile one touches no other. */
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "ceremony/attest/attest.h"
#include "ceremony/base/child.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/commands/commands.h"
#include "ceremony/report/report.h"
#include "ceremony/verify/modules.h"

#define ONE_VERDICT_MAX (64 * 1024 * 1024)
#define ONE_VERDICT_MS (24 * 60 * 60 * 1000u)

static const char help[] =
    "usage: ceremony verify [OPTION…] BUNDLE…\n"
    "\n"
    "Judges bundles by every check there is. Nobody is trusted but whom --trust names.\n"
    "A clip (`ceremony clip`) is judged as what it is: a piece, never accepted for the whole.\n"
    "\n"
    "  --trust DIR    whom to believe, by role: order/ appliance/ witness/ reviewer/ tsa/ vendor/\n"
    "  --policy FILE  ask for this policy too, beside the bundle's own\n"
    "  --vendors FILE vendors' keys for attestations; else those that come with the program\n"
    "  --modules FILE suitable modules; else those that come with the program\n"
    "  --blocklist P  a list of weak or compromised keys, or a folder of lists, as\n"
    "                 `ceremony keycheck` reads them; may be given more than once\n"
    "  --recording FILE  a recording of the video call: must have seen this journal; may be\n"
    "                 repeated for a call in parts; with one bundle only\n"
    "  --json         one JSON object a bundle, a line each\n"
    "  --brief        count what passed instead of listing it\n"
    "  --no-video     don't decode pictures: quicker, and never an accept\n"
    "  --jobs N       judge N bundles at a time\n"
    "  --checks       list the checks and stop\n"
    "  --clip         a clip is what you expect: where all its proofs hold, accept it as one\n"
    "  --checkpoint FILE  judge a clip by the ceremony's final checkpoint, known from elsewhere\n"
    "\n"
    "Exit status: 0 accept, 1 refuse, 2 unreadable or usage, 3 a person must decide;\n"
    "of several bundles the worst: 2, 1, 3, 0.\n";

typedef struct {
    char    *trust, *policy, *vendors, *modules, *checkpoint;
    gboolean json, brief, no_video, checks, clip, help;
    int      jobs;
    char   **bundles, **blocklists, **recordings;
} Options;

static gboolean
parse (int argc, char **argv, Options *o)
{
    const GOptionEntry entries[] = {
        { "trust", 0, 0, G_OPTION_ARG_FILENAME, &o->trust, NULL, NULL },
        { "policy", 0, 0, G_OPTION_ARG_FILENAME, &o->policy, NULL, NULL },
        { "vendors", 0, 0, G_OPTION_ARG_FILENAME, &o->vendors, NULL, NULL },
        { "modules", 0, 0, G_OPTION_ARG_FILENAME, &o->modules, NULL, NULL },
        { "blocklist", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->blocklists, NULL, NULL },
        { "recording", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->recordings, NULL, NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &o->json, NULL, NULL },
        { "brief", 0, 0, G_OPTION_ARG_NONE, &o->brief, NULL, NULL },
        { "no-video", 0, 0, G_OPTION_ARG_NONE, &o->no_video, NULL, NULL },
        { "checks", 0, 0, G_OPTION_ARG_NONE, &o->checks, NULL, NULL },
        { "clip", 0, 0, G_OPTION_ARG_NONE, &o->clip, NULL, NULL },
        { "checkpoint", 0, 0, G_OPTION_ARG_FILENAME, &o->checkpoint, NULL, NULL },
        { "jobs", 0, 0, G_OPTION_ARG_INT, &o->jobs, NULL, NULL },
        { "help", 0, 0, G_OPTION_ARG_NONE, &o->help, NULL, NULL },
        { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o->bundles, NULL, NULL },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GError) error = NULL;

    if (!command_options (entries, &argc, &argv, &error))
        fprintf (stderr, "ceremony: verify: %s; `ceremony verify --help` tells the options\n", error->message);
    else if (o->help || o->checks)
        return TRUE;
    else if (!o->bundles)
        fputs ("ceremony: verify: no bundle is named; `ceremony verify --help` tells how\n", stderr);
    else if (o->recordings && g_strv_length (o->bundles) > 1)
        fputs ("ceremony: verify: a recording is of one ceremony: name one bundle with --recording\n", stderr);
    else if (o->jobs < 0 || o->jobs > 256)
        fputs ("ceremony: verify: --jobs must be from 1 to 256\n", stderr);
    else
        return TRUE;
    return FALSE;
}

static guint
terminal_width (void)
{
    struct winsize size;

    return isatty (STDOUT_FILENO) && ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? MIN (size.ws_col, 120) : 80;
}

static ReportStyle
style (const Options *o)
{
    ReportStyle s = o->brief ? REPORT_BRIEF : 0;
    const char *no_color = getenv ("NO_COLOR");

    if (isatty (STDOUT_FILENO) && (!no_color || !*no_color))
        s |= REPORT_COLOUR;
    if (strcmp (nl_langinfo (CODESET), "UTF-8") != 0)
        s |= REPORT_ASCII;
    return s;
}

static int
print_verdict (const Verdict *verdict, const Options *o)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) json = o->json ? verdict_json (verdict) : NULL;
    g_autofree char *text = o->json ? cjson_encode (json, &error) : report_text (verdict, terminal_width (), style (o));

    if (!text) {
        fprintf (stderr, "ceremony: verify: %s\n", error->message);
        return VERDICT_UNREADABLE;
    }
    printf ("%s%s", text, o->json ? "\n" : "");
    return verdict->kind;
}

static int
verify_one (const char *path, const Options *o)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Trust) trust = o->trust ? trust_load (o->trust, &error) : NULL;
    g_autoptr(Policy) policy = NULL;
    g_autoptr(Verdict) verdict = NULL;
    g_autoptr(GBytes) checkpoint = NULL;
    g_autofree char *vendors = o->vendors ? NULL : attest_anchors_default_path (), *modules = o->modules ? NULL : modules_default_path ();
    g_autofree char *folder = o->trust ? g_build_filename (o->trust, "vendor", NULL) : NULL;

    if (!error && o->policy)
        policy = policy_load (o->policy, &error);
    if (!error && o->checkpoint)
        checkpoint = file_read (o->checkpoint, NOTE_MAX_LEN, &error);
    if (error) {
        fprintf (stderr, "ceremony: verify: %s\n", error->message);
        return VERDICT_UNREADABLE;
    }
    VerifyOptions options = { .trust = trust, .policy = policy, .vendors_path = o->vendors ? o->vendors : vendors, .vendors_dir = folder,
                              .modules_path = o->modules ? o->modules : modules, .blocklists = (const char *const *) o->blocklists, .checkpoint = checkpoint,
                              .recordings = (const char *const *) o->recordings,
                              .flags = (o->no_video ? VERIFY_NO_VIDEO : 0) | (o->clip ? VERIFY_CLIP : 0) };
    verdict = verify_bundle (path, &options);
    return print_verdict (verdict, o);
}

/* ---- many bundles: a process each ---- */

typedef struct { const Options *o; const char *path; GBytes *output; int status; char *message; } Job;

static void
run_job (gpointer data, gpointer user_data)
{
    Job *job = data;
    const struct { const char *option, *path; } files[] = {
        { "--trust", job->o->trust }, { "--policy", job->o->policy }, { "--vendors", job->o->vendors }, { "--modules", job->o->modules },
        { "--checkpoint", job->o->checkpoint },
    };
    g_autoptr(GPtrArray) argv = g_ptr_array_new ();
    g_autofree char *self = child_self_path ();
    g_autoptr(GError) error = NULL;

    g_ptr_array_add (argv, self);
    g_ptr_array_add (argv, (gpointer) "verify");
    for (gsize i = 0; i < G_N_ELEMENTS (files); i++) {
        if (!files[i].path)
            continue;
        g_ptr_array_add (argv, (gpointer) files[i].option);
        g_ptr_array_add (argv, (gpointer) files[i].path);
    }
    for (gsize i = 0; job->o->blocklists && job->o->blocklists[i]; i++) {
        g_ptr_array_add (argv, (gpointer) "--blocklist");
        g_ptr_array_add (argv, job->o->blocklists[i]);
    }
    if (job->o->json)
        g_ptr_array_add (argv, (gpointer) "--json");
    if (job->o->brief)
        g_ptr_array_add (argv, (gpointer) "--brief");
    if (job->o->no_video)
        g_ptr_array_add (argv, (gpointer) "--no-video");
    if (job->o->clip)
        g_ptr_array_add (argv, (gpointer) "--clip");
    g_ptr_array_add (argv, (gpointer) "--");
    g_ptr_array_add (argv, (gpointer) job->path);
    g_ptr_array_add (argv, NULL);
    if (!child_run ((const char *const *) argv->pdata, -1, NULL, ONE_VERDICT_MS, ONE_VERDICT_MAX, &job->output, &job->status, &error))
        job->message = g_strdup (error->message);
    else if (job->status < 0 || job->status > VERDICT_REVIEW)
        job->message = g_strdup_printf ("verification of it ended with status %d", job->status);
    else if (!job->output || g_bytes_get_size (job->output) == 0)
        job->message = g_strdup ("trust or policy can't be read: verify it alone to see why");
}

static int
worse (int a, int b)
{
    static const int rank[] = { [VERDICT_ACCEPT] = 0, [VERDICT_REVIEW] = 1, [VERDICT_REFUSE] = 2, [VERDICT_UNREADABLE] = 3 };

    return rank[a] >= rank[b] ? a : b;
}

static int
print_job (Job *job, gboolean first)
{
    gsize len = 0;
    const void *data = job->output ? g_bytes_get_data (job->output, &len) : NULL;

    if (!first && !job->o->json)
        putchar ('\n');
    fwrite (data ? data : "", 1, len, stdout);
    if (!job->message)
        return job->status;
    fprintf (stderr, "ceremony: verify: %s: %s\n", job->path, job->message);
    return VERDICT_UNREADABLE;
}

static int
verify_many (const Options *o)
{
    guint n = g_strv_length (o->bundles);
    g_autofree Job *jobs = g_new0 (Job, n);
    GThreadPool *pool = g_thread_pool_new (run_job, NULL, MAX (o->jobs, 1), TRUE, NULL);
    int status = VERDICT_ACCEPT;

    for (guint i = 0; i < n; i++) {
        jobs[i] = (Job) { .o = o, .path = o->bundles[i] };
        g_thread_pool_push (pool, &jobs[i], NULL);
    }
    g_thread_pool_free (pool, FALSE, TRUE);
    for (guint i = 0; i < n; i++) {
        status = worse (status, print_job (&jobs[i], i == 0));
        g_clear_pointer (&jobs[i].output, g_bytes_unref);
        g_free (jobs[i].message);
    }
    return status;
}

int
command_verify (int argc, char **argv)
{
    Options o = { .jobs = 1 };
    int status = VERDICT_UNREADABLE;

    if (parse (argc, argv, &o)) {
        if (o.help) {
            fputs (help, stdout);
            status = 0;
        } else if (o.checks) {
            g_autofree char *text = report_checks (terminal_width ());
            fputs (text, stdout);
            status = 0;
        } else {
            status = g_strv_length (o.bundles) == 1 ? verify_one (o.bundles[0], &o) : verify_many (&o);
        }
    }
    if (fflush (stdout) != 0)
        status = VERDICT_UNREADABLE;
    g_free (o.trust);
    g_free (o.policy);
    g_free (o.vendors);
    g_free (o.modules);
    g_free (o.checkpoint);
    g_strfreev (o.blocklists);
    g_strfreev (o.bundles);
    g_strfreev (o.recordings);
    return status;
}
