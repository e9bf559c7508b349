/* Whole ceremonies with a scripted person on SoftHSM, recorded by the real ceremony-media: to the evidence, aborted, with a wrong PIN, a twin key, killed and resumed. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>
#include <glib/gstdio.h>
#include <openssl/pem.h>
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
    "person.identified_by", "staff card", "pin", PIN, "challenge.own", "correct horse battery staple orange", "act.failed", "Abort", "break.reason", "coffee",
    "abort.reason", "the fire alarm", "deviation.expected", "quiet", "deviation.happened", "a telephone rang", "deviation.decided", "go on", "note.text", "a note", NULL,
};

static gboolean
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
static char *
fresh_token (void)
{
    static guint n;
    g_autofree char *label = g_strdup_printf ("token %d-%u", (int) getpid (), ++n);

    g_assert_true (spawn ("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "12345678", NULL));
    return g_strdup (label);
}

/* The policy of rehearsals, with the witness's own words instead of an order's secret. */
static char *
write_policy (const char *presence)
{
    g_autofree char *name = g_strconcat ("policy-", presence, ".yaml", NULL);
    g_autofree char *text = g_strdup_printf ("format: ceremony/policy/v1\ntitle: Test\nversion: \"1\"\npresence: %s\nlocal_seal: key-file\nchallenge: words\n"
                                             "algorithms: [rsa-3072, ec-p256, ec-p384]\n", presence);
    char *path = g_build_filename (dir, name, NULL);

    g_assert_true (g_file_set_contents (path, text, -1, NULL));
    return path;
}

static RunSetup *
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

typedef struct { Scripted *view; Run *run; RunOutcome outcome; GError *error; Journal *journal; char *id, *folder, *token; const char *module, *presence; } Case;

static void
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
    c->view = scripted_new (answers, hook, c);
    c->run = run_new (setup, &c->view->view, &error);
    g_assert_no_error (error);
    c->id = g_strdup (run_id (c->run));
    c->folder = g_strdup (run_folder (c->run));
}

static void
go_on (Case *c)
{
    g_clear_error (&c->error);
    c->outcome = run_main (c->run, &c->error);
}

/* Lets go of the ceremony, and looks into what it left. */
static void
look (Case *c)
{
    g_autofree char *path = g_build_filename (c->folder, "journal.db", NULL);
    g_autoptr(GError) error = NULL;

    g_clear_pointer (&c->run, run_free);
    g_clear_pointer (&c->journal, journal_close);
    c->journal = journal_open_readonly (path, &error);
    g_assert_no_error (error);
}

static void
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

static void
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

static guint
count (Case *c, const char *type)
{
    guint n = 0;

    for (guint64 seq = 0; seq < journal_size (c->journal); seq++)
        n += strcmp (journal_event (c->journal, seq)->type, type) == 0;
    return n;
}

static const Event *
last (Case *c, const char *type)
{
    const Event *event = journal_last (c->journal, type);

    if (!event)
        g_error ("no %s in the journal", type);
    return event;
}

static gint64
integer (const Event *event, const char *key)
{
    gint64 n = -1;

    g_assert_true (cjson_int (event->data, key, &n, NULL));
    return n;
}

/* Chunks cover each file without gap, and their hashes are the bytes'; each track is closed once with the file's length and hash. */
static void
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
static void
check_closed (Case *c, const char *outcome)
{
    const Event *closing = last (c, "recording.closing"), *closed = last (c, "ceremony.closed");
    static const char *const after[] = { "qr.shown", "video.chunk", "terminal.chunk", "frames.dropped", "track.closed", "ceremony.closed", "ceremony.resumed", NULL };

    g_assert_cmpuint (count (c, "ceremony.opened"), ==, 1);
    g_assert_cmpuint (count (c, "ceremony.closed"), ==, 1);
    g_assert_cmpuint (closed->seq, ==, journal_size (c->journal) - 1);
    g_assert_cmpstr (cjson_str (closed->data, "outcome", NULL), ==, outcome);
    for (guint64 seq = closing->seq + 1; seq < journal_size (c->journal); seq++)
        g_assert_true (g_strv_contains (after, journal_event (c->journal, seq)->type));
    g_assert_cmpint (integer (last (c, "qr.shown"), "size"), >, closing->seq);
    g_assert_cmpint (integer (closed, "uses"), ==, count (c, "key.using"));
    g_assert_nonnull (journal_checkpoint_at (c->journal, journal_size (c->journal)));
    check_tracks (c);
}

static void
check_completed (Case *c)
{
    g_autofree char *file = g_strconcat (c->id, ".asice", NULL), *bundle = g_build_filename (c->folder, file, NULL);

    check_closed (c, "completed");
    g_assert_cmpuint (count (c, "key.generated"), ==, 1);
    g_assert_cmpuint (count (c, "possession.proved"), ==, 1);
    g_assert_cmpuint (count (c, "request.made"), ==, 1);
    g_assert_cmpuint (count (c, "step.done") + count (c, "step.skipped"), ==, 20);
    g_assert_true (spawn ("unzip", "-tqq", bundle, NULL));
}

static void
test_whole (void)
{
    Case c = { 0 };
    g_autofree char *csr = NULL, *list_text = NULL;
    g_autoptr(json_t) list = NULL;

    begin (&c, NULL);
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    g_assert_nonnull (run_bundle (c.run));
    look (&c);
    check_completed (&c);
    csr = g_build_filename (c.folder, "key/request.csr", NULL);
    g_assert_true (spawn ("openssl", "req", "-verify", "-noout", "-in", csr, NULL));
    g_assert_cmpuint (count (&c, "ceremony.resumed"), ==, 0);
    list = run_list (home, NULL);
    list_text = json_dumps (list, 0);
    g_assert_nonnull (strstr (list_text, c.id));
    end (&c);
}

/* ── ordered, sealed, verified ── */

static const guint8 secret[32] = "a secret of the witness, 32 byte";

/* Key and certificate of a role in one file; the certificate in the trust folder. */
static char *
make_role (const char *role)
{
    g_autofree char *name = g_strconcat (role, ".pem", NULL), *folder = g_build_filename (home, "trust", role, NULL), *pin = g_build_filename (folder, "a.pem", NULL);
    char *path = g_build_filename (dir, name, NULL);
    g_autoptr(GError) error = NULL;
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    FILE *both, *alone;

    g_assert_true (signer_generate (role, 10, &key, &cert, &error));
    g_assert_true (file_mkdir (folder, &error));
    both = fopen (path, "w");
    alone = fopen (pin, "w");
    g_assert_true (PEM_write_PrivateKey (both, key, NULL, NULL, 0, NULL, NULL) && PEM_write_X509 (both, cert) && PEM_write_X509 (alone, cert));
    fclose (both);
    fclose (alone);
    g_chmod (path, 0600);
    EVP_PKEY_free (key);
    X509_free (cert);
    return path;
}

static void
write_order (const char *path, const char *ca_key)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *appliance_dir = run_appliance_dir (home);
    g_autofree char *commitment = sha256_hex (secret, 32), *now = clock_format (clock_wall_ms () - 1000), *then = clock_format (clock_wall_ms () + 86400000);
    g_autoptr(Appliance) appliance = appliance_load (appliance_dir, &error);
    g_autoptr(json_t) described = appliance_describe (appliance), order = NULL;
    g_autoptr(Script) steps = script_load (script, &error);
    g_autoptr(Policy) rules = policy_load (policy, &error);
    g_autoptr(Signer) ca = signer_load_file (ca_key, NULL, &error);

    g_assert_no_error (error);
    order = json_pack ("{s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:{s:s,s:s,s:s},s:s,s:s,s:s,s:s,s:s,s:s,s:{s:O,s:O},s:{s:s,s:s,s:s,s:s,s:n},s:n,s:s,s:s}", "format", "ceremony/order/v1",
        "id", "2026-order-1", "ca_domain", "ca.example", "issued", now, "valid_from", now, "valid_to", then, "rehearsal", 1, "subscriber", "name", "Example", "country", "NL",
        "registration", "1", "algorithm", "ec-p256", "label", "ordered key", "subject", "CN=Example,C=NL", "script_sha256", steps->sha256, "policy_sha256", rules->sha256,
        "challenge_commitment", commitment, "appliance", "note_key", json_object_get (described, "note_key"), "spki_sha256", json_object_get (described, "spki_sha256"),
        "witness", "name", "Wim Witness", "employer", "Example Ltd", "qualification", "CISA", "approval", "CA-7", "spki_sha256", "token_uri", "place", "Utrecht", "region", "EU");
    g_assert_true (order_write (path, order, steps, rules, ca, &error));
    g_assert_no_error (error);
}

/* The witness computes the challenge from the checkpoint on the screen. */
static gboolean
witness_answers (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    Case *c = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(Checkpoint) point = NULL;
    g_autofree char *root = NULL, *words = NULL;
    guint8 challenge[CHALLENGE_LEN];

    if (strcmp (question->id, "challenge") != 0)
        return FALSE;
    g_assert_nonnull (question->qr);
    point = checkpoint_open (question->qr, strlen (question->qr), c->run->note_key, &error);
    g_assert_no_error (error);
    root = base64_encode (point->root.b, 32);
    challenge_compute (c->id, root, secret, challenge);
    words = pgp_words (challenge, sizeof challenge);
    scripted_set_text (view, words);
    return TRUE;
}

/* Nothing fails but what must; the appliance is trusted, and who is in the trust folder. */
static void
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

static void
test_ordered (void)
{
    Case c = { .token = fresh_token () };
    g_autofree char *ca = make_role ("order"), *witness = make_role ("witness"), *path = g_build_filename (dir, "order.asice", NULL);
    g_autofree char *secret_path = g_build_filename (dir, "secret", NULL), *hex = hex_encode (secret, 32), *trust = g_build_filename (home, "trust", NULL);
    g_autoptr(RunSetup) setup = make_setup (c.token);
    g_autoptr(GError) error = NULL;

    g_assert_true (g_file_set_contents (secret_path, hex, -1, NULL));
    write_order (path, ca);
    g_clear_pointer (&setup->script_path, g_free);
    g_clear_pointer (&setup->policy_path, g_free);
    setup->order_path = g_strdup (path);
    setup->trust_dir = g_strdup (trust);
    setup->secret_path = g_strdup (secret_path);
    setup->witness_key = g_strdup (witness);
    c.view = scripted_new (answers, witness_answers, &c);
    c.run = run_new (setup, &c.view->view, &error);
    g_assert_no_error (error);
    c.id = g_strdup (run_id (c.run));
    c.folder = g_strdup (run_folder (c.run));
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    if (!run_sealed (c.run))
        g_error ("not sealed: %s", (char *) g_ptr_array_index (c.view->said, c.view->said->len - 1));
    verify_with (run_bundle (c.run), VERIFY_NO_VIDEO, TRUE);     /* tests/e2e look at the pictures too */
    g_assert_false (seal_bundle (&(SealInput){ .bundle = run_bundle (c.run), .key_path = witness, .opinion = "witnessed" }, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_EXISTS);
    look (&c);
    check_completed (&c);
    end (&c);
}

/* ── aborted ── */

static gboolean
abort_at_clock (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    if (strcmp (question->id, "clock") != 0)
        return FALSE;
    answer->kind = ANSWER_ABORT;
    return TRUE;
}

static void
test_abort (void)
{
    Case c = { 0 };

    begin (&c, abort_at_clock);
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_ABORTED);
    look (&c);
    check_closed (&c, "aborted");
    g_assert_cmpstr (cjson_str (last (&c, "ceremony.closed")->data, "reason", NULL), ==, "the fire alarm");
    g_assert_cmpuint (count (&c, "token.found"), ==, 0);
    end (&c);
}

/* ── keys that work at any time ── */

static gboolean
all_keys (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    static const AnswerKind keys[] = { ANSWER_NOTE, ANSWER_DEVIATION, ANSWER_PAUSE, ANSWER_QR, ANSWER_ABORT };
    static guint n;

    if (strcmp (question->id, "abort.confirm") == 0 && n < 6) {
        answer->choice = 0;
        n = 6;
        return TRUE;
    }
    if (strcmp (question->id, "clock") == 0 && n < G_N_ELEMENTS (keys)) {
        answer->kind = keys[n++];
        return TRUE;
    }
    return n > 5 && abort_at_clock (view, question, answer, data);
}

static void
test_keys (void)
{
    Case c = { 0 };

    begin (&c, all_keys);
    go_on (&c);
    g_assert_cmpint (c.outcome, ==, RUN_ABORTED);
    look (&c);
    g_assert_cmpstr (cjson_str (last (&c, "note.made")->data, "text", NULL), ==, "a note");
    g_assert_cmpstr (cjson_str (last (&c, "deviation.noted")->data, "happened", NULL), ==, "a telephone rang");
    g_assert_cmpstr (cjson_str (last (&c, "break.begun")->data, "reason", NULL), ==, "coffee");
    g_assert_cmpint (integer (last (&c, "break.ended"), "ms"), >=, 0);
    g_assert_cmpuint (scripted_times_asked (c.view, "clock"), ==, 6);
    end (&c);
}

/* ── PIN, initials ── */

static gboolean
mistakes (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    guint n = scripted_times_asked (view, question->id);

    if (strcmp (question->id, "pin") == 0 && n == 1) {
        secret_set (view->pin, "00000000", 8);
        return TRUE;
    }
    if (strcmp (question->id, "token.shown") == 0) {
        answer->kind = ANSWER_ABORT;
        return TRUE;
    }
    if (strcmp (question->id, "confirm") == 0 && strcmp (question->role, "witness") == 0 && strstr (question->title, "clock") && !scripted_was_said (view, "initials of the person")) {
        scripted_set_text (view, "OO");
        return TRUE;
    }
    return FALSE;
}

static void
test_mistakes (void)
{
    Case c = { 0 };
    g_autofree char *all = NULL;
    gsize len;

    begin (&c, mistakes);
    go_on (&c);
    g_assert_cmpint (c.outcome, ==, RUN_ABORTED);
    g_assert_true (scripted_was_said (c.view, "initials of the person"));
    look (&c);
    g_assert_cmpuint (count (&c, "token.refused"), ==, 1);
    g_assert_cmpstr (cjson_str (last (&c, "token.refused")->data, "reason", NULL), ==, "wrong-pin");
    g_assert_cmpuint (count (&c, "token.unlocked"), ==, 1);
    all = journal_export_events (c.journal, &len);
    g_assert_null (g_strstr_len (all, (gssize) len, PIN));
    g_assert_null (g_strstr_len (all, (gssize) len, "\"WW\""));
    end (&c);
}

/* ── a twin ── */

static gboolean
plant_twin (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    Case *c = data;

    /* After the label was found absent, another key of that label is put on the token. */
    if (strcmp (question->id, "liveness") == 0)
        g_assert_true (spawn ("pkcs11-tool", "--module", SOFTHSM, "--token-label", c->token, "--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:prime256v1",
                              "--label", c->run->label, "--id", "0102", NULL));
    return FALSE;
}

static void
test_twin (void)
{
    Case c = { 0 };

    begin (&c, plant_twin);
    go_on (&c);
    g_assert_cmpint (c.outcome, ==, RUN_ABORTED);
    look (&c);
    check_closed (&c, "aborted");
    g_assert_cmpuint (count (&c, "key.generated"), ==, 0);
    g_assert_cmpuint (count (&c, "key.generating"), ==, 0);
    g_assert_nonnull (strstr (cjson_str (last (&c, "deviation.noted")->data, "happened", NULL), "bear the label"));
    end (&c);
}

/* ── interrupted and resumed ── */

static gboolean
stop_at_request (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    if (strcmp (question->id, "request") != 0)
        return FALSE;
    run_interrupt (((Case *) data)->run);
    return FALSE;
}

static void
test_interrupt (void)
{
    Case c = { 0 };

    begin (&c, stop_at_request);
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_INTERRUPTED);
    look (&c);
    check_tracks (&c);
    resume (&c, NULL);
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    g_assert_cmpuint (scripted_times_asked (c.view, "person.name"), ==, 0);
    look (&c);
    check_completed (&c);
    g_assert_cmpuint (count (&c, "ceremony.resumed"), ==, 1);
    g_assert_cmpuint (count (&c, "recording.started"), ==, 2);
    end (&c);
}

/* ── a token that misbehaves ── */

static void
misbehave (const char *text)
{
    g_assert_true (g_file_set_contents (wrapper_conf, text, -1, NULL));
}

static gboolean
no_wrapper (void)
{
    misbehave ("");
    if (g_file_test (wrapper, G_FILE_TEST_EXISTS))
        return FALSE;
    g_test_skip ("tests/lib/wrap-pkcs11.so isn't built (make tests)");
    return TRUE;
}

static gboolean
pull_out (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    gboolean out = strcmp (question->id, "unplug.out") == 0, in = strcmp (question->id, "unplug.in") == 0;

    if (out || in)
        misbehave (out ? "remove\n" : "");
    view->silent = out || in;
    return view->silent;
}

static void
test_unplug (void)
{
    Case c = { .module = wrapper, .presence = "unplug" };
    const Event *returned;

    if (no_wrapper ())
        return;
    begin (&c, pull_out);
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    g_assert_cmpuint (scripted_times_asked (c.view, "pin"), ==, 2);
    look (&c);
    check_closed (&c, "completed");
    returned = last (&c, "token.returned");
    g_assert_cmpuint (last (&c, "token.removed")->seq, <, returned->seq);
    g_assert_cmpuint (last (&c, "token.unlocked")->seq, >, returned->seq);
    g_assert_cmpuint (last (&c, "attributes.read")->seq, >, returned->seq);
    g_assert_cmpstr (cjson_str (last (&c, "attributes.read")->data, "occasion", NULL), ==, "unplug");
    g_assert_cmpuint (last (&c, "possession.proved")->seq, >, returned->seq);
    g_assert_cmpint (integer (last (&c, "possession.proved"), "n"), ==, 2);
    g_assert_cmpuint (count (&c, "step.skipped"), ==, 0);
    end (&c);
}

/* From the moment that the key is to be generated the token does as @data says, until an act has failed. */
static const char *fault;
static gboolean
fail_once (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    if (strcmp (question->id, "liveness") == 0)
        misbehave (fault);
    if (strcmp (question->id, "act.failed") != 0)
        return FALSE;
    misbehave ("");
    answer->choice = scripted_times_asked (view, "act.failed") == 1 ? 0 : 2;
    return TRUE;
}

static void
fail_then_go_on (Case *c, const char *how)
{
    c->module = wrapper;
    fault = how;
    begin (c, fail_once);
    go_on (c);
    g_assert_no_error (c->error);
    g_assert_cmpuint (scripted_times_asked (c->view, "act.failed"), >, 0);
    look (c);
}

static void
test_faults (void)
{
    static const char *const faults[] = { "fail C_GenerateKeyPair 1 0x30\n", "half 0x30\n", "fail C_Sign 1 0x30\n" };

    if (no_wrapper ())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS (faults); i++) {
        Case c = { 0 };
        fail_then_go_on (&c, faults[i]);
        g_test_message ("%s: %s, key.generating %u, key.using %u, recovered %s", faults[i], c.outcome == RUN_COMPLETED ? "completed" : "aborted",
                        count (&c, "key.generating"), count (&c, "key.using"), count (&c, "key.generated") ? "-" : "no key");
        g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
        check_completed (&c);
        end (&c);
    }
}

static void
test_twin_after (void)
{
    Case c = { 0 };

    if (no_wrapper ())
        return;
    fail_then_go_on (&c, "twin\n");
    g_assert_cmpint (c.outcome, ==, RUN_ABORTED);
    check_closed (&c, "aborted");
    g_assert_cmpuint (count (&c, "possession.proved"), ==, 0);
    g_assert_cmpuint (count (&c, "deviation.noted"), ==, 2);
    end (&c);
}

static gboolean
lock_pin (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    if (strcmp (question->id, "pin") == 0)
        misbehave ("pin-locked\n");
    if (strcmp (question->id, "token.locked") == 0)
        answer->choice = 1;
    return strcmp (question->id, "token.locked") == 0;
}

static void
test_locked (void)
{
    Case c = { .module = wrapper };

    if (no_wrapper ())
        return;
    begin (&c, lock_pin);
    go_on (&c);
    g_assert_cmpint (c.outcome, ==, RUN_INTERRUPTED);
    look (&c);
    g_assert_cmpstr (cjson_str (last (&c, "token.refused")->data, "reason", NULL), ==, "locked-pin");
    misbehave ("");
    resume (&c, NULL);
    go_on (&c);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    end (&c);
}

static gboolean
plug_in_late (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    if (strcmp (question->id, "represent") == 0)
        misbehave ("remove\n");
    if (strcmp (question->id, "token.absent") == 0)
        misbehave ("");
    return FALSE;
}

static void
test_absent (void)
{
    Case c = { .module = wrapper };

    if (no_wrapper ())
        return;
    begin (&c, plug_in_late);
    go_on (&c);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    g_assert_cmpuint (scripted_times_asked (c.view, "token.absent"), ==, 1);
    look (&c);
    g_assert_cmpstr (cjson_str (last (&c, "token.refused")->data, "reason", NULL), ==, "absent");
    end (&c);
}

/* ── the recorder dies ── */

static void
signal_recorder (int number)
{
    g_autofree char *us = g_strdup_printf ("%d", (int) getpid ()), *out = NULL;
    char *argv[] = { "pgrep", "-P", us, "ceremony-media", NULL };

    g_assert_true (g_spawn_sync (NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, NULL, NULL, NULL));
    g_assert_cmpint (atoi (out), >, 1);
    g_assert_cmpint (kill (atoi (out), number), ==, 0);
}

static gboolean
kill_recorder (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    if (strcmp (question->id, "clock") == 0)
        signal_recorder (SIGKILL);
    return FALSE;
}

static void
test_recorder (void)
{
    Case c = { 0 };

    begin (&c, kill_recorder);
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    g_assert_true (scripted_was_said (c.view, "The recorder failed"));
    look (&c);
    check_completed (&c);
    g_assert_cmpuint (count (&c, "recorder.failed"), ==, 1);
    g_assert_cmpuint (count (&c, "recording.started"), ==, 2);
    end (&c);
}

static gboolean
no_recorder_any_more (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    if (strcmp (question->id, "clock") == 0 && scripted_times_asked (view, "clock") == 1) {
        g_setenv ("CEREMONY_MEDIA", "/nonexistent/ceremony-media", TRUE);
        signal_recorder (SIGKILL);
        answer->kind = ANSWER_PAUSE;        /* it comes back only when the recorder has been missed */
        return TRUE;
    }
    if (strcmp (question->id, "break.reason") == 0)
        g_usleep (500 * 1000);
    if (strcmp (question->id, "recorder.failed") != 0)
        return FALSE;
    g_setenv ("CEREMONY_MEDIA", g_getenv ("TEST_MEDIA"), TRUE);
    answer->choice = scripted_times_asked (view, "recorder.failed") > 3 ? 2 : 0;
    return TRUE;
}

static void
test_recorder_missing (void)
{
    Case c = { 0 };

    g_setenv ("TEST_MEDIA", g_getenv ("CEREMONY_MEDIA"), TRUE);
    begin (&c, no_recorder_any_more);
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    g_assert_cmpuint (scripted_times_asked (c.view, "recorder.failed"), ==, 1);
    look (&c);
    check_completed (&c);
    end (&c);
}

/* ── the disk is full ── */

/* A disk of our own over @folder, for this process and what it starts. */
static gboolean
mount_small_disk (const char *folder)
{
    g_autofree char *uid_map = g_strdup_printf ("0 %u 1", getuid ()), *gid_map = g_strdup_printf ("0 %u 1", getgid ());

    if (unshare (CLONE_NEWNS) != 0) {
        if (unshare (CLONE_NEWUSER | CLONE_NEWNS) != 0)
            return FALSE;
        g_file_set_contents ("/proc/self/setgroups", "deny", -1, NULL);
        g_file_set_contents ("/proc/self/uid_map", uid_map, -1, NULL);
        g_file_set_contents ("/proc/self/gid_map", gid_map, -1, NULL);
    }
    return mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount ("none", folder, "tmpfs", 0, "size=205m") == 0;
}

static char *
filler_path (void)
{
    return g_build_filename (home, "filler", NULL);
}

static gboolean
fill_disk (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    g_autofree char *path = filler_path ();
    g_autofree char *zeros = g_malloc0 (65536);

    if (strcmp (question->id, "clock") == 0 && !g_file_test (path, G_FILE_TEST_EXISTS)) {
        int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        for (gsize n = 65536; n >= 512; n /= 2)
            while (write (fd, zeros, n) > 0)
                ;
        close (fd);
        view->silent = TRUE;                /* the full disk ends the question */
        return TRUE;
    }
    if (strcmp (question->id, "recorder.failed") == 0)
        answer->choice = 1;                 /* stop here */
    return strcmp (question->id, "recorder.failed") == 0;
}

static void
run_on_small_disk (void)
{
    Case c = { 0 };
    g_autofree char *filler = NULL, *keys = NULL;
    g_autoptr(GError) error = NULL;

    g_free (home);
    home = g_build_filename (dir, "small", NULL);
    g_mkdir (home, 0700);
    g_assert_true (mount_small_disk (home));
    keys = run_appliance_dir (home);
    g_assert_true (appliance_init (keys, "test", &error));
    filler = filler_path ();
    begin (&c, fill_disk);
    go_on (&c);
    g_assert_cmpint (c.outcome, ==, RUN_INTERRUPTED);
    g_printerr ("%s\n", c.error ? c.error->message : "stopped by the operator's choice");
    g_assert_cmpint (g_unlink (filler), ==, 0);
    resume (&c, NULL);
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    verify_with (run_bundle (c.run), VERIFY_NO_VIDEO | VERIFY_EVIDENCE_ONLY, TRUE);
    look (&c);
    check_completed (&c);
    g_printerr ("whole after all\n");
    end (&c);
}

static void
test_full (void)
{
    if (!spawn ("unshare", "-m", "true", NULL) && !spawn ("unshare", "-Urm", "true", NULL)) {
        g_test_skip ("no mount namespace can be had here");
        return;
    }
    g_setenv ("TEST_DIR", dir, TRUE);
    g_test_trap_subprocess ("/run/subprocess/full", 0, 0);
    g_unsetenv ("TEST_DIR");
    g_test_trap_assert_passed ();
    g_test_trap_assert_stderr ("*whole after all*");
}

/* In a process of its own, which dies as by a power cut right after an event of that type was committed. */
static void
die (Journal *journal, const Event *event, gpointer type)
{
    if (strcmp (event->type, type) == 0)
        kill (getpid (), SIGKILL);
}

static void
run_until_killed (void)
{
    Case c = { .token = g_strdup (g_getenv ("TEST_TOKEN")) };

    g_free (home);
    home = g_strdup (g_getenv ("TEST_HOME"));
    begin (&c, NULL);
    journal_watch (c.run->journal, die, (gpointer) g_getenv ("TEST_KILL"));
    go_on (&c);
}

static void
kill_and_resume (const char *type)
{
    Case c = { 0 };
    g_autofree char *own = g_strdup_printf ("%s/home-%s", dir, type), *was = home, *appliance = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) list = NULL;

    home = own;
    appliance = run_appliance_dir (home);
    g_assert_true (appliance_init (appliance, "test", &error));
    c.token = fresh_token ();
    g_setenv ("TEST_TOKEN", c.token, TRUE);
    g_setenv ("TEST_KILL", type, TRUE);
    g_setenv ("TEST_HOME", home, TRUE);
    g_setenv ("TEST_DIR", dir, TRUE);
    g_test_trap_subprocess ("/run/subprocess/until-killed", 0, 0);
    g_unsetenv ("TEST_DIR");
    g_assert_false (g_test_trap_has_passed ());
    list = run_list (home, &error);
    g_assert_cmpuint (json_array_size (list), ==, 1);
    g_assert_cmpstr (cjson_str (json_array_get (list, 0), "state", NULL), ==, "open");
    c.id = g_strdup (cjson_str (json_array_get (list, 0), "id", NULL));
    c.folder = g_strdup (cjson_str (json_array_get (list, 0), "folder", NULL));
    resume (&c, NULL);
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    verify_with (run_bundle (c.run), VERIFY_NO_VIDEO | VERIFY_EVIDENCE_ONLY, TRUE);
    look (&c);
    check_completed (&c);
    end (&c);
    home = g_steal_pointer (&was);
}

static void
test_killed (gconstpointer type)
{
    kill_and_resume (type);
}

/* ── refused before anything is touched ── */

static void
refuse (void (*change) (RunSetup *, Scripted *), const char *part)
{
    g_autoptr(RunSetup) setup = make_setup ("none");
    Scripted *view = scripted_new (answers, NULL, NULL);
    g_autoptr(GError) error = NULL;

    change (setup, view);
    g_assert_null (run_new (setup, &view->view, &error));
    g_assert_nonnull (error);
    if (!strstr (error->message, part))
        g_error ("expected \"%s\" in: %s", part, error->message);
    view->view.free (&view->view);
}

static void change_size (RunSetup *setup, Scripted *view) { view->rows = 23; }
static void change_algorithm (RunSetup *setup, Scripted *view) { setup->algorithm = g_strdup ("rsa-1024"); g_free (setup->script_path); setup->script_path = g_build_filename (dir, "none.yaml", NULL); }
static void change_subject (RunSetup *setup, Scripted *view) { g_free (setup->subject); setup->subject = g_strdup ("CN="); }
static void change_camera (RunSetup *setup, Scripted *view) { setup->rehearsal = FALSE; }
static void change_module (RunSetup *setup, Scripted *view) { g_free (setup->module_path); setup->module_path = g_strdup ("/nonexistent.so"); }

static void
test_refused (void)
{
    g_autofree char *ceremonies = g_build_filename (dir, "empty", NULL);

    refuse (change_size, "too small");
    refuse (change_algorithm, "none.yaml");
    refuse (change_subject, "subject");
    refuse (change_camera, "order");
    refuse (change_module, "/nonexistent.so");
}

static void
test_subject (void)
{
    g_autoptr(GError) error = NULL;
    X509_NAME *name = run_subject_name ("CN=Exa\\2C mple + O=A\\+B,C=NL", &error);
    char *line;

    g_assert_no_error (error);
    line = X509_NAME_oneline (name, NULL, 0);
    g_assert_cmpstr (line, ==, "/C=NL/CN=Exa, mple+O=A\\+B");
    OPENSSL_free (line);
    X509_NAME_free (name);
    g_assert_null (run_subject_name ("CN", NULL));
    g_assert_null (run_subject_name ("XYZ=1", NULL));
    g_assert_null (run_subject_name ("CN=a\\", NULL));
    g_assert_null (run_subject_name ("", NULL));
}

static void
set_up (void)
{
    g_autofree char *self = child_self_path (), *here = g_path_get_dirname (self), *media = g_build_filename (here, "..", "..", "ceremony-media", NULL), *conf = NULL, *tokens = NULL;
    g_autofree char *text = NULL, *appliance = NULL;
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

int
main (int argc, char **argv)
{
    static const char *const types[] = {
        "key.generated", "track.closed", "ceremony.opened", "recording.started", "step.begun", "qr.shown", "video.chunk", "terminal.chunk", "step.confirmed", "step.done",
        "consent.given", "person.identified", "clock.checked", "representation.agreed", "token.found", "token.unlocked", "token.shown", "token.inventoried", "key.absent",
        "opening.committed", "challenge.given", "liveness.shown", "key.generating", "attributes.read", "key.using", "key.used", "possession.proved", "request.made",
        "step.skipped", "fingerprint.read", "recording.closing", "ceremony.closed",
    };
    const gsize quick = 2;      /* the others with -m slow; tests/e2e kills at every type of event */
    int status;

    g_test_init (&argc, &argv, NULL);
    set_up ();
    g_test_add_func ("/run/subject", test_subject);
    g_test_add_func ("/run/refused", test_refused);
    g_test_add_func ("/run/whole", test_whole);
    g_test_add_func ("/run/ordered", test_ordered);
    g_test_add_func ("/run/abort", test_abort);
    g_test_add_func ("/run/keys", test_keys);
    g_test_add_func ("/run/mistakes", test_mistakes);
    g_test_add_func ("/run/twin", test_twin);
    g_test_add_func ("/run/unplug", test_unplug);
    g_test_add_func ("/run/faults", test_faults);
    g_test_add_func ("/run/twin-after", test_twin_after);
    g_test_add_func ("/run/locked", test_locked);
    g_test_add_func ("/run/absent", test_absent);
    g_test_add_func ("/run/recorder", test_recorder);
    g_test_add_func ("/run/recorder-missing", test_recorder_missing);
    g_test_add_func ("/run/interrupt", test_interrupt);
    for (gsize i = 0; i < (g_test_slow () ? G_N_ELEMENTS (types) : quick); i++) {
        g_autofree char *path = g_strconcat ("/run/killed/", types[i], NULL);
        g_test_add_data_func (path, types[i], test_killed);
    }
    g_test_add_func ("/run/full", test_full);
    g_test_add_func ("/run/subprocess/until-killed", run_until_killed);
    g_test_add_func ("/run/subprocess/full", run_on_small_disk);
    status = g_test_run ();
    if (!g_getenv ("TEST_DIR"))
        file_remove_tree (dir, NULL);
    return status;
}
