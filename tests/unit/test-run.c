/* Whole ceremonies with a scripted person on SoftHSM, recorded by the real ceremony-media: to the evidence, ordered and sealed, aborted, with a person's mistakes,
 * interrupted, killed and resumed. */
#include <signal.h>
#include <openssl/pem.h>
#include "tests/unit/ceremony-case.c"

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

    g_test_init (&argc, &argv, NULL);
    set_up ();
    g_test_add_func ("/run/subject", test_subject);
    g_test_add_func ("/run/refused", test_refused);
    g_test_add_func ("/run/whole", test_whole);
    g_test_add_func ("/run/ordered", test_ordered);
    g_test_add_func ("/run/abort", test_abort);
    g_test_add_func ("/run/keys", test_keys);
    g_test_add_func ("/run/mistakes", test_mistakes);
    g_test_add_func ("/run/interrupt", test_interrupt);
    for (gsize i = 0; i < (g_test_slow () ? G_N_ELEMENTS (types) : quick); i++) {
        g_autofree char *path = g_strconcat ("/run/killed/", types[i], NULL);
        g_test_add_data_func (path, types[i], test_killed);
    }
    g_test_add_func ("/run/subprocess/until-killed", run_until_killed);
    return tear_down (g_test_run ());
}
