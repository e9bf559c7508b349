/* Ceremonies in which something breaks: the token misbehaves in every way that its test module knows, the recorder dies, the disk is full. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include "tests/unit/ceremony-case.c"

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
    g_assert_cmpuint (count (&c, "step.skipped"), ==, 1);       /* the credential: no TPM stands behind this token */
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

/* Each call of a whole ceremony fails once, a step apart: whatever it was, the act can be tried again and the journal tells the truth. */
static gboolean
mend (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    if (strcmp (question->id, "act.failed") != 0)
        return FALSE;
    misbehave ("");
    answer->choice = scripted_times_asked (view, "act.failed") < 4 ? 0 : 2;
    return TRUE;
}

static void
test_sweep (void)
{
    guint failed = 0;

    for (guint n = 5; !no_wrapper () && n < 3000; n += n < 200 ? 13 : 61) {
        g_autofree char *how = g_strdup_printf ("failall %u 0x30\n", n);
        Case c = { .module = wrapper };
        begin (&c, mend);
        misbehave (how);
        go_on (&c);
        g_assert_no_error (c.error);
        gboolean asked = scripted_times_asked (c.view, "act.failed") > 0;
        if (asked || c.outcome != RUN_COMPLETED)
            g_test_message ("call %u: %s", n, c.outcome == RUN_COMPLETED ? "completed" : "aborted");
        failed += asked;
        look (&c);
        check_closed (&c, c.outcome == RUN_COMPLETED ? "completed" : "aborted");
        gboolean beyond = !asked && n > 600;
        end (&c);
        if (beyond)
            break;
    }
    g_test_message ("%u ceremonies had an act that failed", failed);
    g_assert_cmpuint (failed, >, 0);
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

/* The next recorder has all the time that it may need. */
static gboolean
patient_again (gpointer data)
{
    Case *c = data;

    if (!scripted_was_said (c->view, "The recorder failed"))
        return G_SOURCE_CONTINUE;
    c->run->setup->silence_ms = 0;
    return G_SOURCE_REMOVE;
}

static gboolean
stop_recorder (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    Case *c = data;

    if (strcmp (question->id, "clock") == 0) {
        c->run->setup->silence_ms = 1000;
        g_timeout_add (5, patient_again, c);
        signal_recorder (SIGSTOP);
    }
    return FALSE;
}

static void
test_recorder (gconstpointer hook)
{
    Case c = { 0 };

    begin (&c, (ScriptedHook) hook);
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

/* Dies at the last question, and takes its time to come back: the closing finds it starting, and starts no other beside it. */
static gboolean
kill_at_end (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    g_autofree char *slow = g_build_filename (dir, "slow-media", NULL), *text = NULL;
    gint64 until = g_get_monotonic_time () + 700 * G_TIME_SPAN_MILLISECOND;

    if (strcmp (question->title, "The witness confirms: Close the ceremony") != 0)
        return FALSE;
    text = g_strdup_printf ("#!/bin/sh\nsleep 1\nexec '%s' \"$@\"\n", g_getenv ("CEREMONY_MEDIA"));
    g_assert_true (g_file_set_contents_full (slow, text, -1, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
    g_setenv ("TEST_MEDIA", g_getenv ("CEREMONY_MEDIA"), TRUE);
    g_setenv ("CEREMONY_MEDIA", slow, TRUE);
    signal_recorder (SIGKILL);
    while (g_get_monotonic_time () < until)
        if (!g_main_context_iteration (NULL, FALSE))
            g_usleep (5000);
    return FALSE;
}

static void
test_recorder_late (void)
{
    Case c = { 0 };

    begin (&c, kill_at_end);
    go_on (&c);
    g_setenv ("CEREMONY_MEDIA", g_getenv ("TEST_MEDIA"), TRUE);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, ==, RUN_COMPLETED);
    look (&c);
    check_completed (&c);
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

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    set_up ();
    g_test_add_func ("/run/twin", test_twin);
    g_test_add_func ("/run/unplug", test_unplug);
    g_test_add_func ("/run/faults", test_faults);
    if (g_test_slow ())
        g_test_add_func ("/run/sweep", test_sweep);
    g_test_add_func ("/run/twin-after", test_twin_after);
    g_test_add_func ("/run/locked", test_locked);
    g_test_add_func ("/run/absent", test_absent);
    g_test_add_data_func ("/run/recorder/dies", kill_recorder, test_recorder);
    g_test_add_data_func ("/run/recorder/hangs", stop_recorder, test_recorder);
    g_test_add_func ("/run/recorder-late", test_recorder_late);
    g_test_add_func ("/run/recorder-missing", test_recorder_missing);
    g_test_add_func ("/run/full", test_full);
    g_test_add_func ("/run/subprocess/full", run_on_small_disk);
    return tear_down (g_test_run ());
}
