/* What the tests of whole ceremonies share: a home with an appliance, SoftHSM tokens, a ceremony carried out by a scripted person, and what must hold of every
 * journal that came of it. Included by those tests. */
#include <unistd.h>
#include <glib/gstdio.h>
#include "ceremony/base/child.h"
#include "ceremony/run/engine.h"
#include "ceremony/run/seal.h"
#include "ceremony/verify/verify.h"
#include "tests/unit/scripted-view.c"

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"
#define PIN "71539264"
static char *dir, *home, *script, *policy, *wrapper, *wrapper_conf;

static const char *const answers[] = {
    "confirm:operator", "OO", "confirm:witness", "WW", "person.name:operator", "Olga Operator", "person.initials:operator", "OO", "person.employer", "Example Ltd",
    "person.title", "Engineer", "person.name:witness", "Wim Witness", "person.initials:witness", "WW", "person.qualification", "CISA", "person.approval", "CA-7",
    "person.identified_by", "staff card", "pin", PIN, "pin.context", PIN, "challenge.own", "correct horse battery staple orange", "act.failed", "Abort", "break.reason", "coffee",
    "abort.reason", "the fire alarm", "deviation.expected", "quiet", "deviation.happened", "a telephone rang", "deviation.decided", "go on", "note.text", "a note", NULL,
};

G_GNUC_UNUSED static gboolean
spawn (const char *first, ...)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new ();
    g_autofree char *out = NULL, *err = NULL;
    int status = -1;
    va_list args;

    va_start (args, first);
    for (const char *a = first; a; a = va_arg (args, const char *))
        g_ptr_array_add (argv, (char *) a);
    va_end (args);
    g_ptr_array_add (argv, NULL);
    g_assert_true (g_spawn_sync (NULL, (char **) argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &status, NULL));
    if (status != 0)
        g_test_message ("%s: %s%s", first, out, err);
    return status == 0;
}

/* A token of its own for each test. */
G_GNUC_UNUSED static char *
fresh_token (void)
{
    static guint n;
    g_autofree char *label = g_strdup_printf ("token %d-%u", (int) getpid (), ++n);

    g_assert_true (spawn ("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "12345678", NULL));
    return g_strdup (label);
}

/* The policy of rehearsals, with the witness's own words instead of an order's secret. */
G_GNUC_UNUSED static char *
write_policy (const char *presence)
{
    g_autofree char *name = g_strconcat ("policy-", presence, ".yaml", NULL);
    g_autofree char *text = g_strdup_printf ("format: ceremony/policy/v1\ntitle: Test\nversion: \"1\"\npresence: %s\nlocal_seal: key-file\nchallenge: words\n"
                                             "drops_per_mille: 1000\nqr_gap_ms: 120000\nliveness_ms: 600000\nclock_drift_ms: 600000\n"   /* the machine may be busy */
                                             "algorithms: [rsa-3072, ec-p256, ec-p384]\n", presence);
    char *path = g_build_filename (dir, name, NULL);

    g_assert_true (g_file_set_contents (path, text, -1, NULL));
    return path;
}

G_GNUC_UNUSED static RunSetup *
make_setup (const char *token)
{
    RunSetup *setup = run_setup_new ();
    g_autofree char *escaped = g_uri_escape_string (token, NULL, FALSE);

    setup->script_path = g_strdup (script);
    setup->policy_path = g_strdup (policy);
    setup->home = g_strdup (home);
    setup->origin_domain = g_strdup ("ca.example");
    setup->subject = g_strdup ("CN=Example\\, Ltd,O=Example,C=NL");
    setup->token_uri = g_strdup_printf ("pkcs11:token=%s", escaped);
    setup->module_path = g_strdup (SOFTHSM);
    setup->module_only = setup->rehearsal = setup->fast = TRUE;
    setup->camera = g_strdup ("test");
    setup->width = 640;
    setup->height = 480;
    setup->fps = 5;
    return setup;
}

typedef struct { Scripted *view; Run *run; RunOutcome outcome; GError *error; Journal *journal; char *id, *folder, *token; const char *module, *presence, *uri; } Case;

G_GNUC_UNUSED static void
begin (Case *c, ScriptedHook hook)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(RunSetup) setup = NULL;

    if (!c->token)
        c->token = fresh_token ();
    setup = make_setup (c->token);
    if (c->module) {
        g_free (setup->module_path);
        setup->module_path = g_strdup (c->module);
    }
    if (c->presence) {
        g_free (setup->policy_path);
        setup->policy_path = write_policy (c->presence);
    }
    if (c->uri) {
        g_free (setup->token_uri);
        setup->token_uri = g_strdup (c->uri);
    }
    c->view = scripted_new (answers, hook, c);
    c->run = run_new (setup, &c->view->view, &error);
    g_assert_no_error (error);
    c->id = g_strdup (run_id (c->run));
    c->folder = g_strdup (run_folder (c->run));
}

G_GNUC_UNUSED static void
go_on (Case *c)
{
    g_clear_error (&c->error);
    c->outcome = run_main (c->run, &c->error);
}

/* Lets go of the ceremony, and looks into what it left. */
G_GNUC_UNUSED static void
look (Case *c)
{
    g_autofree char *path = g_build_filename (c->folder, "journal.db", NULL);
    g_autoptr(GError) error = NULL;

    g_clear_pointer (&c->run, run_free);
    g_clear_pointer (&c->journal, journal_close);
    c->journal = journal_open_readonly (path, &error);
    g_assert_no_error (error);
}

G_GNUC_UNUSED static void
resume (Case *c, ScriptedHook hook)
{
    g_autoptr(GError) error = NULL;

    g_clear_pointer (&c->run, run_free);
    if (c->view)
        c->view->view.free (&c->view->view);
    c->view = scripted_new (answers, hook, c);
    c->run = run_resume (home, c->id, &c->view->view, &error);
    g_assert_no_error (error);
}

G_GNUC_UNUSED static void
end (Case *c)
{
    g_clear_pointer (&c->run, run_free);
    g_clear_pointer (&c->journal, journal_close);
    if (c->view)
        c->view->view.free (&c->view->view);
    g_clear_error (&c->error);
    g_free (c->id);
    g_free (c->folder);
    g_free (c->token);
}

G_GNUC_UNUSED static guint
count (Case *c, const char *type)
{
    guint n = 0;

    for (guint64 seq = 0; seq < journal_size (c->journal); seq++)
        n += strcmp (journal_event (c->journal, seq)->type, type) == 0;
    return n;
}

G_GNUC_UNUSED static const Event *
last (Case *c, const char *type)
{
    const Event *event = journal_last (c->journal, type);

    if (!event)
        g_error ("no %s in the journal", type);
    return event;
}

G_GNUC_UNUSED static gint64
integer (const Event *event, const char *key)
{
    gint64 n = -1;

    g_assert_true (cjson_int (event->data, key, &n, NULL));
    return n;
}

/* Chunks cover each file without gap, and their hashes are the bytes'; each track is closed once with the file's length and hash. */
G_GNUC_UNUSED static void
check_tracks (Case *c)
{
    guint files = 0;

    for (guint64 seq = 0; seq < journal_size (c->journal); seq++) {
        const Event *closed = journal_event (c->journal, seq);
        if (strcmp (closed->type, "track.closed") != 0)
            continue;
        g_autofree char *path = g_build_filename (c->folder, cjson_str (closed->data, "path", NULL), NULL), *data = NULL;
        g_autofree char *type = g_strconcat (cjson_str (closed->data, "track", NULL), ".chunk", NULL);
        gsize len, at = 0;
        g_assert_true (g_file_get_contents (path, &data, &len, NULL));
        for (guint64 i = 0; i < journal_size (c->journal); i++) {
            const Event *chunk = journal_event (c->journal, i);
            if (strcmp (chunk->type, type) != 0 || integer (chunk, "part") != integer (closed, "part"))
                continue;
            g_assert_cmpint (integer (chunk, "offset"), ==, at);
            g_autofree char *hash = sha256_hex (data + at, (gsize) integer (chunk, "length"));
            g_assert_cmpstr (hash, ==, cjson_str (chunk->data, "sha256", NULL));
            at += (gsize) integer (chunk, "length");
        }
        g_assert_cmpuint (at, ==, len);
        g_assert_cmpint (integer (closed, "length"), ==, len);
        files++;
    }
    g_assert_cmpuint (files, ==, 2 * count (c, "recording.started"));
}

/* What must hold of every closed journal, however it came about. */
G_GNUC_UNUSED static void
check_closed (Case *c, const char *outcome)
{
    const Event *closing = last (c, "recording.closing"), *closed = last (c, "ceremony.closed");
    static const char *const after[] = { "qr.shown", "video.chunk", "terminal.chunk", "frames.dropped", "track.closed", "ceremony.closed", "ceremony.resumed", NULL };

    g_assert_cmpuint (count (c, "ceremony.opened"), ==, 1);
    g_assert_cmpuint (count (c, "ceremony.closed"), ==, 1);
    g_assert_cmpuint (closed->seq, ==, journal_size (c->journal) - 1);
    g_assert_cmpstr (cjson_str (closed->data, "outcome", NULL), ==, outcome);
    for (guint64 seq = closing->seq + 1; seq < journal_size (c->journal); seq++)
        if (!g_strv_contains (after, journal_event (c->journal, seq)->type))
            g_error ("%s after recording.closing", journal_event (c->journal, seq)->type);
    g_assert_cmpint (integer (last (c, "qr.shown"), "size"), >, closing->seq);
    g_assert_cmpint (integer (closed, "uses"), ==, count (c, "key.using"));
    g_assert_nonnull (journal_checkpoint_at (c->journal, journal_size (c->journal)));
    check_tracks (c);
}

G_GNUC_UNUSED static void
check_completed (Case *c)
{
    g_autofree char *file = g_strconcat (c->id, ".asice", NULL), *bundle = g_build_filename (c->folder, file, NULL);

    check_closed (c, "completed");
    g_assert_cmpuint (count (c, "key.generated"), ==, 1);
    g_assert_cmpuint (count (c, "possession.proved"), ==, 1);
    g_assert_cmpuint (count (c, "request.made"), ==, 1);
    g_assert_cmpuint (count (c, "step.done") + count (c, "step.skipped"), ==, 22);
    g_assert_true (spawn ("unzip", "-tqq", bundle, NULL));
}

/* Nothing fails but what must; the appliance is trusted, and who is in the trust folder. */
G_GNUC_UNUSED static void
verify_with (const char *bundle, VerifyFlags flags, gboolean genuine)
{
    g_autofree char *folder = g_build_filename (home, "trust", NULL), *keys = run_appliance_dir (home);
    g_autoptr(GError) error = NULL;
    g_autoptr(Appliance) appliance = appliance_load (keys, &error);
    gboolean enrolled = appliance_enrol (appliance, folder, NULL);
    g_autoptr(Trust) trust = enrolled || g_file_test (folder, G_FILE_TEST_IS_DIR) ? trust_load (folder, &error) : NULL;
    g_autoptr(Verdict) verdict = verify_bundle (bundle, &(VerifyOptions){ .trust = trust, .flags = flags });

    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *outcome = g_ptr_array_index (verdict->outcomes, i);
        if (outcome->result == CHECK_FAIL || outcome->result == CHECK_WARN)
            g_test_message ("%s %s: %s", outcome->result == CHECK_FAIL ? "FAIL" : "warn", outcome->id, outcome->reason);
    }
    g_assert_true (verdict->rehearsal);
    g_assert_true (verdict->genuine == genuine);
}

/* What verify says against the bundle: "genuine" or "not genuine", the checks that fail, and with ~ those that warn. Their reasons as comments. */
G_GNUC_UNUSED static char *
flaws_of (const char *bundle)
{
    g_autofree char *folder = g_build_filename (home, "trust", NULL), *keys = run_appliance_dir (home);
    g_autoptr(GError) error = NULL;
    g_autoptr(Appliance) appliance = appliance_load (keys, &error);
    gboolean enrolled = appliance_enrol (appliance, folder, &error);
    g_autoptr(Trust) trust = enrolled ? trust_load (folder, &error) : NULL;
    g_autoptr(Verdict) verdict = verify_bundle (bundle, &(VerifyOptions){ .trust = trust, .flags = VERIFY_NO_VIDEO | VERIFY_EVIDENCE_ONLY });
    GString *text = g_string_new (verdict->genuine ? "genuine" : "not genuine");

    g_assert_no_error (error);
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *outcome = g_ptr_array_index (verdict->outcomes, i);
        if (outcome->result == CHECK_FAIL || (outcome->result == CHECK_WARN && !outcome->ignored))
            g_string_append_printf (text, " %s%s", outcome->result == CHECK_WARN ? "~" : "", outcome->id);
        if (outcome->result == CHECK_FAIL)
            g_test_message ("%s: %s", outcome->id, outcome->reason);
    }
    return g_string_free (text, FALSE);
}

G_GNUC_UNUSED static void
set_up (void)
{
    g_autofree char *self = child_self_path (), *here = g_path_get_dirname (self), *media = g_build_filename (here, "..", "..", "ceremony-media", NULL), *conf = NULL, *tokens = NULL;
    g_autofree char *text = NULL, *appliance = NULL, *vendors = NULL;
    g_autoptr(GError) error = NULL;
    const char *given = g_getenv ("TEST_DIR");

    dir = given ? g_strdup (given) : g_dir_make_tmp ("test-run-XXXXXX", NULL);
    home = g_build_filename (dir, "home", NULL);
    script = g_canonicalize_filename ("scripts/code-signing.yaml", NULL);
    conf = g_build_filename (dir, "softhsm2.conf", NULL);
    tokens = g_build_filename (dir, "tokens", NULL);
    text = g_strdup_printf ("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", tokens);
    g_setenv ("SOFTHSM2_CONF", conf, TRUE);
    g_setenv ("CEREMONY_MEDIA", media, FALSE);
    vendors = g_canonicalize_filename ("scripts/vendors.yaml", NULL);
    g_setenv ("CEREMONY_VENDORS", vendors, FALSE);
    wrapper = g_canonicalize_filename ("../lib/wrap-pkcs11.so", here);
    wrapper_conf = g_build_filename (dir, "wrapper.conf", NULL);
    g_setenv ("WRAP_PKCS11_CONF", wrapper_conf, TRUE);
    policy = write_policy ("none");
    if (given)
        return;
    g_assert_cmpint (g_mkdir (tokens, 0700), ==, 0);
    g_assert_true (g_file_set_contents (conf, text, -1, NULL));
    appliance = run_appliance_dir (home);
    g_assert_true (appliance_init (appliance, "test", &error));
    g_assert_no_error (error);
}

G_GNUC_UNUSED static int
tear_down (int status)
{
    if (!g_getenv ("TEST_DIR"))
        file_remove_tree (dir, NULL);
    return status;
}
