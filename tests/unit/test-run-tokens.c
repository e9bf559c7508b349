/* Whole ceremonies on tokens of every kind, honest and not, slow and far away, by way of the module that misbehaves (tests/lib/wrap-pkcs11.c): the ceremony comes to
 * its end, or the operator is told why it can't; the journal is true either way, and verify judges the bundle so. */
#include "tests/unit/ceremony-case.c"

#define FAILURES_MAX 2

typedef struct Story Story;
struct Story {
    const char *name;
    const char *start;                      /* the wrapper's configuration at first; TOKEN stands for the token's label */
    const char *later;                      /* from the challenge before the camera on; NULL: the same */
    const char *out, *in;                   /* while the token is to be pulled out, and put back; NULL: not unplugged */
    const char *uri;                        /* NULL: by label */
    RunOutcome  outcome;
    const char *told;                       /* in what the operator is told; NULL: nothing fails */
    const char *flaws;                      /* verify's; NULL: not looked at */
    void      (*more) (Case *c);
};

static const Story *story;
static GString *told;

static void
misbehave (Case *c, const char *text)
{
    g_auto(GStrv) parts = g_strsplit (text, "TOKEN", -1);
    g_autofree char *whole = g_strjoinv (c->token, parts);

    g_assert_true (g_file_set_contents (wrapper_conf, whole, -1, NULL));
}

/* The wrong token is taken for what it is in a whole look at the slots: then the right one is put in. */
static gboolean
swap_back (gpointer data)
{
    g_autofree char *log = g_build_filename (dir, "swap", NULL), *text = NULL;
    guint looks = 0;

    if (g_file_get_contents (log, &text, NULL, NULL))
        for (const char *p = text; (p = strstr (p, "C_WaitForSlotEvent")) != NULL; p++)
            looks++;
    if (looks < 4)
        return G_SOURCE_CONTINUE;
    misbehave (data, story->later);
    return G_SOURCE_REMOVE;
}

static void
lose_key (Case *c)
{
    static const char *const types[] = { "privkey", "pubkey" };

    for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
        g_assert_true (spawn ("pkcs11-tool", "--module", SOFTHSM, "--token-label", c->token, "--login", "--pin", PIN, "--delete-object", "--type", types[i], "--label",
                              c->run->label, NULL));
}

static gboolean
unplug_by_story (Case *c, Scripted *view, const Question *question)
{
    gboolean out = strcmp (question->id, "unplug.out") == 0, in = strcmp (question->id, "unplug.in") == 0;

    if (out)
        misbehave (c, story->out);
    if (in && strstr (story->in, "serial 9999"))
        g_timeout_add (50, swap_back, c);
    if (in && strcmp (story->in, "no key") == 0) {
        lose_key (c);
        misbehave (c, "");
    } else if (in) {
        g_autofree char *log = g_build_filename (dir, "swap", NULL), *text = g_strdup_printf ("%slog %s\n", story->in, log);
        g_unlink (log);         /* another test's looks don't count */
        misbehave (c, text);
    }
    view->silent = out || in;
    return view->silent;
}

static gboolean
follow (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    Case *c = data;
    gboolean failed = strcmp (question->id, "act.failed") == 0, absent = strcmp (question->id, "token.absent") == 0;

    g_string_append_printf (told, "[%s] %s %s\n", question->id, question->title, failed || absent || strcmp (question->id, "pin") == 0 ? question->detail : "");
    if (strcmp (question->id, "liveness") == 0 && story->later)
        misbehave (c, story->later);
    if (absent)
        misbehave (c, story->later ? story->later : "");
    if (failed)
        answer->choice = scripted_times_asked (view, "act.failed") < FAILURES_MAX ? 0 : 2;
    return failed || unplug_by_story (c, view, question);
}

static void
add_said (Case *c)
{
    for (guint i = 0; i < c->view->said->len; i++)
        g_string_append_printf (told, "%s\n", (const char *) g_ptr_array_index (c->view->said, i));
}

static void
test_story (gconstpointer data)
{
    Case c = { .module = wrapper };
    g_autofree char *flaws = NULL, *bundle = NULL;

    story = data;
    told = g_string_new (NULL);
    c.presence = story->out ? "unplug" : "none";
    c.uri = story->uri;
    c.token = fresh_token ();
    if (story->later && strstr (story->later, " other\n"))
        g_assert_true (spawn ("pkcs11-tool", "--module", SOFTHSM, "--token-label", c.token, "--login", "--pin", PIN, "--keypairgen", "--key-type", "EC:prime256v1",
                              "--label", "other", "--id", "0102", NULL));
    misbehave (&c, story->start);
    begin (&c, follow);
    go_on (&c);
    g_assert_no_error (c.error);
    add_said (&c);
    if (c.outcome != story->outcome || (story->told ? strstr (told->str, story->told) == NULL : strstr (told->str, "[act.failed]") != NULL))
        g_test_message ("%s", told->str);
    g_assert_cmpint (c.outcome, ==, story->outcome);
    if (story->told)
        g_assert_nonnull (strstr (told->str, story->told));
    else
        g_assert_null (strstr (told->str, "[act.failed]"));
    bundle = g_strdup (run_bundle (c.run));
    look (&c);
    check_closed (&c, c.outcome == RUN_COMPLETED ? "completed" : "aborted");
    flaws = flaws_of (bundle);
    if (story->flaws)
        g_assert_cmpstr (flaws, ==, story->flaws);
    else if (c.outcome == RUN_ABORTED)
        g_assert_true (g_str_has_prefix (flaws, "not genuine"));
    if (story->more)
        story->more (&c);
    misbehave (&c, "");
    end (&c);
    g_string_free (told, TRUE);
}

static const json_t *
token_found (Case *c)
{
    return json_object_get (last (c, "token.found")->data, "token");
}

/* The PIN was never typed here, and the screen said where to type it. */
static void
check_pinpad (Case *c)
{
    gboolean pinpad = FALSE;

    g_assert_null (strstr (told->str, "[pin"));
    g_assert_nonnull (strstr (told->str, "Enter the PIN on the token's own keypad"));
    g_assert_true (cjson_bool (last (c, "token.unlocked")->data, "pinpad", &pinpad, NULL) && pinpad);
}

static void
check_pinpad_always (Case *c)
{
    check_pinpad (c);
    g_assert_nonnull (strstr (told->str, "This key asks for the PIN at each signature"));
}

static void
check_asked_always (Case *c)
{
    g_assert_cmpuint (scripted_times_asked (c->view, "pin"), ==, 2);
    g_assert_cmpuint (scripted_times_asked (c->view, "pin.context"), ==, 3);    /* possession, request, possession again */
    g_assert_cmpuint (count (c, "key.using"), ==, 3);
}

/* The recording went on into the journal while the token generated. */
static void
check_not_blocked (Case *c)
{
    guint chunks = 0;
    gint64 ms = integer (last (c, "key.generated"), "ms");

    for (guint64 seq = last (c, "key.generating")->seq; seq < last (c, "key.generated")->seq; seq++)
        chunks += g_str_has_suffix (journal_event (c->journal, seq)->type, ".chunk");
    g_test_message ("generation took %d ms, %u chunks were journaled meanwhile", (int) ms, chunks);
    g_assert_cmpint (ms, >=, 3000);
    g_assert_cmpuint (chunks, >=, 1);
}

static void
check_nothing_generated (Case *c)
{
    g_assert_cmpuint (count (c, "key.generated"), ==, 0);
    g_assert_cmpuint (count (c, "key.using"), ==, 0);
}

static void
check_nothing_proved (Case *c)
{
    g_assert_cmpuint (count (c, "possession.proved"), ==, 0);
    g_assert_cmpuint (count (c, "request.made"), ==, 0);
}

static void
check_foreign_text (Case *c)
{
    g_assert_true (json_is_object (json_object_get (token_found (c), "label")));        /* {"hex"} */
    g_assert_cmpstr (cjson_str (token_found (c), "serial", NULL), ==, "\x01" "A\x1b[2J");
}

static void
check_flags (Case *c)
{
    g_autofree char *flags = json_dumps (json_object_get (token_found (c), "flags"), 0);

    g_assert_nonnull (strstr (flags, "SO_PIN_LOCKED"));
}

static void
check_other_seen (Case *c)
{
    g_autofree char *observed = json_dumps (json_object_get (last (c, "token.returned")->data, "observed"), 0);

    g_assert_nonnull (strstr (observed, "other-token"));
}

static gboolean
observed (Case *c, const char *type, const char *what)
{
    g_autofree char *list = json_dumps (json_object_get (last (c, type)->data, "observed"), 0);

    g_test_message ("%s: %s", type, list);
    return strstr (list, what) != NULL;
}

static void
check_slot_event (Case *c)
{
    g_assert_true (observed (c, "token.removed", "slot-event") && observed (c, "token.returned", "slot-event"));
}

static void
check_removed (Case *c)
{
    g_assert_true (observed (c, "token.removed", "device-removed"));
}

static void
check_session_failed (Case *c)
{
    g_assert_true (observed (c, "token.removed", "session-failed"));
    g_assert_cmpuint (json_array_size (json_object_get (last (c, "token.returned")->data, "observed")), <, 10);
}

static void
check_proved_once (Case *c)
{
    g_assert_cmpuint (count (c, "possession.proved"), ==, 1);
    g_assert_cmpuint (count (c, "token.returned"), ==, 1);
}

#define GENUINE "genuine rehearsal"
#define BROKEN_OFF NULL

static const Story stories[] = {
    /* kinds of honest tokens */
    { "pinpad", "pinpad " PIN "\nslow C_Login 1200\n", NULL, "remove\n", "pinpad " PIN "\n", NULL, RUN_COMPLETED, NULL, GENUINE, check_pinpad },
    { "always-authenticate", "always-authenticate real\n", NULL, "remove\n", "", NULL, RUN_COMPLETED, NULL, GENUINE, check_asked_always },
    { "pinpad-always", "pinpad " PIN "\nalways-authenticate real\n", NULL, NULL, NULL, NULL, RUN_COMPLETED, NULL, GENUINE, check_pinpad_always },
    { "slow", "", "slow C_GenerateKeyPair 3000\n", NULL, NULL, NULL, RUN_COMPLETED, NULL, GENUINE, check_not_blocked },
    { "so-locked", "so-locked\n", NULL, NULL, NULL, NULL, RUN_COMPLETED, NULL, GENUINE, check_flags },
    { "foreign-text", "only TOKEN\nlabel-hex 4dfc6e7a0a80ff\nserial-hex 01411b5b324a\n", NULL, "only TOKEN\nlabel-hex 4dfc6e7a0a80ff\nserial-hex 01411b5b324a\nremove\n",
      "only TOKEN\nlabel-hex 4dfc6e7a0a80ff\nserial-hex 01411b5b324a\n", "pkcs11:manufacturer=SoftHSM%20project", RUN_COMPLETED, NULL, GENUINE, check_foreign_text },
    { "unpadded", "only TOKEN\nunpadded\n", NULL, "only TOKEN\nunpadded\nremove\n", "only TOKEN\nunpadded\n", NULL, RUN_COMPLETED, NULL, GENUINE, NULL },
    { "hundred-slots", "clones 100 other TOKEN\n", NULL, NULL, NULL, NULL, RUN_COMPLETED, NULL, GENUINE, NULL },
    /* its PIN */
    { "pin-low", "pin-low\n", "", NULL, NULL, NULL, RUN_COMPLETED, "[pin] The token's PIN The token says that a wrong PIN was typed before", GENUINE, NULL },
    { "pin-final", "pin-final\n", "", NULL, NULL, NULL, RUN_COMPLETED, "[pin.final] This is the last try", GENUINE, NULL },
    { "pin-unset", "pin-unset\n", NULL, NULL, NULL, NULL, RUN_ABORTED, "has no user PIN yet", BROKEN_OFF, check_nothing_generated },
    { "pin-change", "pin-change\n", NULL, NULL, NULL, NULL, RUN_ABORTED, "the PIN must be changed first", BROKEN_OFF, check_nothing_generated },
    /* not there, or not to be told apart */
    { "no-slots", "no-slots\n", NULL, NULL, NULL, NULL, RUN_COMPLETED, "no token matches", GENUINE, NULL },
    { "same-label-and-serial", "clones 3 same TOKEN\n", NULL, NULL, NULL, NULL, RUN_ABORTED, "4 tokens match", BROKEN_OFF, check_nothing_generated },
    { "write-protected", "write-protected\n", NULL, NULL, NULL, NULL, RUN_ABORTED, "write-protected", BROKEN_OFF, check_nothing_generated },
    { "write-protected-later", "", "write-protected\n", NULL, NULL, NULL, RUN_ABORTED, "write-protected", BROKEN_OFF, check_nothing_generated },
    /* lies */
    { "import", "", "import\n", NULL, NULL, NULL, RUN_COMPLETED, NULL, "not genuine rehearsal key.attributes key.history", NULL },
    { "sign-with-another", "", "sign-with other\n", NULL, NULL, NULL, RUN_ABORTED, "doesn't verify with the public key", BROKEN_OFF, check_nothing_proved },
    { "another-public-key", "", "public-of other\n", NULL, NULL, NULL, RUN_ABORTED, "doesn't verify with the public key", BROKEN_OFF, check_nothing_proved },
    /* lengths and counts that are made up */
    { "length-of-point", "", "length 0x181 ffffffffffffffff\n", NULL, NULL, NULL, RUN_ABORTED, "public key can't be read", BROKEN_OFF, check_nothing_proved },
    { "length-of-label", "", "length 0x3 7fffffffffffffff\nlength 0x102 100000000\nlength 0x163 ffffffff\n", NULL, NULL, NULL, RUN_COMPLETED, NULL,
      "not genuine rehearsal key.attributes key.history", NULL },
    { "found", "", "claim-found ffffffff\n", NULL, NULL, NULL, RUN_ABORTED, "the module claims to have found", BROKEN_OFF, NULL },
    { "signature", "", "claim-signature ffffffffffffffff\n", NULL, NULL, NULL, RUN_ABORTED, "signing with the token", BROKEN_OFF, check_nothing_proved },
    { "signature-short", "", "claim-signature 1\n", NULL, NULL, NULL, RUN_ABORTED, "signature", BROKEN_OFF, check_nothing_proved },
    { "slots", "claim-slots 7fffffffffffffff\n", NULL, NULL, NULL, NULL, RUN_COMPLETED, "no token matches", GENUINE, NULL },
    { "mechanisms", "claim-mechanisms ffffffffffff\n", NULL, NULL, NULL, NULL, RUN_COMPLETED, NULL, GENUINE, NULL },
    /* pulled out and put back, by what modules tell of it */
    { "unplug/slot-event", "slot-events\n", NULL, "slot-events\nremove\n", "slot-events\n", NULL, RUN_COMPLETED, NULL, GENUINE, check_slot_event },
    { "unplug/device-removed", "", NULL, "remove\n", "", NULL, RUN_COMPLETED, NULL, GENUINE, check_removed },
    { "unplug/swapped", "", "", "remove\n", "serial 9999\n", NULL, RUN_COMPLETED, NULL, GENUINE " ~presence.unplug", check_other_seen },
    { "unplug/without-key", "", NULL, "remove\n", "no key", NULL, RUN_ABORTED, "isn't one key pair on the token (0 private_with_label", BROKEN_OFF, check_proved_once },
    { "unplug/session-only", "", NULL, "remove\nremove-mode silent\n", "", NULL, RUN_COMPLETED, NULL, GENUINE, check_session_failed },
};

/* It doesn't come back: given up, stopped, resumed, and pulled out once more. */
static gboolean
stay_away (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    if (strcmp (question->id, "act.failed") == 0) {
        g_string_append (told, question->detail);
        answer->choice = 1;
        return TRUE;
    }
    if (strcmp (question->id, "unplug.out") != 0)
        return FALSE;
    misbehave (data, "remove\n");
    view->silent = TRUE;
    return TRUE;
}

static void
test_never_back (void)
{
    static const Story again = { .name = "again", .out = "remove\n", .in = "" };
    Case c = { .module = wrapper, .presence = "unplug" };
    g_autofree char *flaws = NULL, *bundle = NULL;

    told = g_string_new (NULL);
    c.token = fresh_token ();
    misbehave (&c, "");
    begin (&c, stay_away);
    go_on (&c);
    g_assert_cmpint (c.outcome, ==, RUN_INTERRUPTED);
    g_assert_nonnull (strstr (told->str, "the token did not come back"));
    misbehave (&c, "");
    story = &again;
    resume (&c, follow);
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    bundle = g_strdup (run_bundle (c.run));
    look (&c);
    check_closed (&c, "completed");
    g_assert_cmpuint (count (&c, "token.removed"), ==, 2);
    g_assert_cmpuint (count (&c, "token.returned"), ==, 1);
    flaws = flaws_of (bundle);
    g_assert_cmpstr (flaws, ==, "genuine rehearsal ~interruptions");
    end (&c);
    g_string_free (told, TRUE);
}

/* ── a module of another make: NSS's, whose C_Initialize wants parameters of its own ── */

#define SOFTOKN "/usr/lib/x86_64-linux-gnu/libsoftokn3.so"

static gboolean
holds_library (const json_t *libraries, const char *name)
{
    const json_t *item;
    gsize i;

    json_array_foreach (libraries, i, item) {
        g_autofree char *base = g_path_get_basename (cjson_str (item, "path", NULL));
        if (strcmp (base, name) == 0)
            return strlen (cjson_str (item, "sha256", NULL)) == 64;
    }
    return FALSE;
}

/* It generates, and says of its own key that it didn't: the ceremony goes to its end, and verify says why it is refused. */
static void
check_softokn (Case *c, const char *bundle)
{
    static const char *const pulled_in[] = { "libnssutil3.so", "libnspr4.so", "libfreeblpriv3.so", "libsqlite3.so.0.8.6" };
    const json_t *module = json_object_get (last (c, "token.found")->data, "module"), *private = json_object_get (last (c, "attributes.read")->data, "private");
    g_autofree char *flaws = flaws_of (bundle);

    for (gsize i = 0; i < G_N_ELEMENTS (pulled_in); i++)
        if (!holds_library (json_object_get (module, "libraries"), pulled_in[i]))
            g_error ("the journal doesn't name %s", pulled_in[i]);
    g_assert_true (json_is_false (json_object_get (json_object_get (private, "cka_local"), "value")));
    g_assert_cmpstr (flaws, ==, "not genuine rehearsal key.attributes key.history");
}

static void
run_softokn (void)
{
    g_autofree char *db = g_build_filename (dir, "nss", NULL), *pin = g_build_filename (dir, "pin", NULL), *sql = g_strconcat ("sql:", db, NULL), *bundle = NULL;
    g_autofree char *conf = g_strdup_printf ("reserved configdir='%s' certPrefix='' keyPrefix='' secmod='secmod.db' flags=noModDB\n", sql);
    Case c = { .module = wrapper, .presence = "none", .uri = "pkcs11:token=NSS%20Certificate%20DB", .token = g_strdup ("nss") };

    g_assert_cmpint (g_mkdir (db, 0700), ==, 0);
    g_assert_true (g_file_set_contents (pin, PIN, -1, NULL));
    g_assert_true (spawn ("certutil", "-N", "-d", sql, "-f", pin, NULL));
    g_setenv ("WRAP_PKCS11_MODULE", SOFTOKN, TRUE);
    misbehave (&c, conf);
    begin (&c, NULL);
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    bundle = g_strdup (run_bundle (c.run));
    look (&c);
    check_completed (&c);
    check_softokn (&c, bundle);
    end (&c);
}

/* In a process of its own: the library stays loaded in one that has had it. */
static void
test_softokn (void)
{
    g_autofree char *certutil = g_find_program_in_path ("certutil");

    if (!certutil || !g_file_test (SOFTOKN, G_FILE_TEST_EXISTS)) {
        g_test_skip ("NSS isn't installed (libnss3, libnss3-tools)");
        return;
    }
    g_test_trap_subprocess ("/tokens/subprocess/softokn", 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed ();
}

int
main (int argc, char **argv)
{
#ifdef __SANITIZE_ADDRESS__
    gboolean sanitized = TRUE;              /* each takes much longer there: a quarter of them, unless there is time */
#else
    gboolean sanitized = FALSE;
#endif
    gboolean all = !sanitized || g_getenv ("CEREMONY_SLOW") != NULL;

    g_test_init (&argc, &argv, NULL);
    all = all || g_test_slow ();
    set_up ();
    for (gsize i = 0; i < G_N_ELEMENTS (stories); i += all ? 1 : 4) {
        g_autofree char *path = g_strconcat ("/tokens/", stories[i].name, NULL);
        if (g_file_test (wrapper, G_FILE_TEST_EXISTS))
            g_test_add_data_func (path, &stories[i], test_story);
    }
    if (g_file_test (wrapper, G_FILE_TEST_EXISTS))
        g_test_add_func ("/tokens/unplug/never-back", test_never_back);
    g_test_add_func ("/tokens/subprocess/softokn", run_softokn);
    if (g_file_test (wrapper, G_FILE_TEST_EXISTS) && !sanitized)
        g_test_add_func ("/tokens/softokn", test_softokn);
    return tear_down (g_test_run ());
}
