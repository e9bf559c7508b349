/* Every PKCS#11 call of a whole ceremony, unplugging included, fails once: refused at the door, or carried out and its answer lost; and the token is pulled out
 * at every fifth of them. Whichever it is, the act can be tried again, the ceremony comes to its end, and verify judges its bundle as one where nothing failed.
 * Each ceremony is a process of its own, so that a crash or a leak (in the build with AddressSanitizer) is that call's. `make check` takes a sample that holds
 * each function; with -m slow or CEREMONY_SLOW=1 it is every call. */
#include "tests/unit/ceremony-case.c"

#define RETRIES_MAX 15
#define HANGS_S 240                     /* far more than a ceremony takes on a machine under load */

static const char *const RETURNS[] = { "0x5", "0x30", "0x32", "0xb3", "0x2" };  /* GENERAL_ERROR, DEVICE_ERROR, DEVICE_REMOVED, SESSION_HANDLE_INVALID, HOST_MEMORY */

/* ── one ceremony, in a process of its own: $SWEEP_FAULT is the wrapper's configuration ── */

static gboolean put_back;               /* a token that was pulled out is in again: somebody was asked about it */

static void
set_wrapper (const char *more)
{
    g_autofree char *text = g_strconcat (put_back ? "" : g_getenv ("SWEEP_FAULT"), "\n", "glitch\ncount one\n", more, NULL);

    g_assert_true (g_file_set_contents (wrapper_conf, text, -1, NULL));
}

static gboolean
persist (Scripted *view, const Question *question, Answer *answer, gpointer data)
{
    gboolean out = strcmp (question->id, "unplug.out") == 0, in = strcmp (question->id, "unplug.in") == 0;

    if (in || strcmp (question->id, "act.failed") == 0 || strcmp (question->id, "token.absent") == 0) {
        put_back = put_back || g_str_has_prefix (g_getenv ("SWEEP_FAULT"), "remove-at ");
        set_wrapper ("");
    }
    if (out)
        set_wrapper ("remove\n");
    view->silent = out || in;
    if (strcmp (question->id, "act.failed") == 0) {
        g_print ("# failed: %s\n", question->detail);
        answer->choice = scripted_times_asked (view, "act.failed") <= RETRIES_MAX ? 0 : 2;
        return TRUE;
    }
    if (strcmp (question->id, "token.absent") == 0) {
        g_print ("# absent: %s\n", question->detail);
        answer->choice = scripted_times_asked (view, "token.absent") <= RETRIES_MAX ? 0 : 2;
        return TRUE;
    }
    return view->silent;
}

static void
tell (const char *outcome, Scripted *view, const char *found)
{
    g_print ("result: %s, %u retries, %u absent: %s\n", outcome, view ? scripted_times_asked (view, "act.failed") : 0, view ? scripted_times_asked (view, "token.absent") : 0, found);
}

static void
test_one (void)
{
    Case c = { .module = wrapper, .presence = "unplug" };
    g_autoptr(GError) error = NULL;
    g_autoptr(RunSetup) setup = NULL;
    g_autofree char *found = NULL, *bundle = NULL;

    c.token = fresh_token ();
    set_wrapper ("");
    setup = make_setup (c.token);
    g_free (setup->module_path);
    setup->module_path = g_strdup (wrapper);
    g_free (setup->policy_path);
    setup->policy_path = write_policy ("unplug");
    c.view = scripted_new (answers, persist, &c);
    c.run = run_new (setup, &c.view->view, &error);
    if (c.run == NULL) {
        /* Before anything was begun: the driver said no, and so does the program. */
        g_assert_error (error, TOKEN_ERROR, TOKEN_ERROR_MODULE);
        tell ("not begun", NULL, error->message);
        end (&c);
        return;
    }
    c.id = g_strdup (run_id (c.run));
    c.folder = g_strdup (run_folder (c.run));
    go_on (&c);
    g_assert_no_error (c.error);
    g_assert_cmpint (c.outcome, !=, RUN_INTERRUPTED);
    bundle = g_strdup (run_bundle (c.run));
    look (&c);
    check_closed (&c, c.outcome == RUN_COMPLETED ? "completed" : "aborted");
    found = flaws_of (bundle);
    tell (c.outcome == RUN_COMPLETED ? "completed" : "aborted", c.view, found);
    end (&c);
}

/* ── all of them ── */

typedef struct { char *fault, *name, *output; GSubprocess *process; guint alarm; } Trial;
typedef struct { guint limit, running, next; GPtrArray *trials; } Sweep;

static void
trial_free (gpointer data)
{
    Trial *self = data;

    g_free (self->fault);
    g_free (self->name);
    g_free (self->output);
    g_clear_object (&self->process);
    g_free (self);
}

static void start_more (Sweep *sweep);

static gboolean
on_hang (gpointer data)
{
    Trial *trial = data;

    trial->alarm = 0;
    g_subprocess_force_exit (trial->process);
    return G_SOURCE_REMOVE;
}

static void
on_end (GObject *source, GAsyncResult *result, gpointer data)
{
    Sweep *sweep = data;

    for (guint i = 0; i < sweep->trials->len; i++) {
        Trial *trial = g_ptr_array_index (sweep->trials, i);
        if ((GObject *) trial->process != source)
            continue;
        g_subprocess_communicate_utf8_finish (trial->process, result, &trial->output, NULL, NULL);
        if (g_getenv ("SWEEP_SHOW"))
            g_printerr ("# %s %s: %s\n", trial->fault, trial->name, trial->output);
        g_clear_handle_id (&trial->alarm, g_source_remove);
    }
    sweep->running--;
    start_more (sweep);
}

static void
start_more (Sweep *sweep)
{
    while (sweep->running < sweep->limit && sweep->next < sweep->trials->len) {
        Trial *trial = g_ptr_array_index (sweep->trials, sweep->next++);
        g_autofree char *self = child_self_path (), *log = trial->name ? NULL : g_build_filename (dir, "calls", NULL);
        g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE);
        g_autoptr(GError) error = NULL;
        g_subprocess_launcher_setenv (launcher, "SWEEP_FAULT", trial->fault, TRUE);
        if (log)
            g_subprocess_launcher_setenv (launcher, "WRAP_PKCS11_LOG", log, TRUE);
        trial->process = g_subprocess_launcher_spawn (launcher, &error, self, "--tap", NULL);
        g_assert_no_error (error);
        sweep->running++;
        trial->alarm = g_timeout_add_seconds (HANGS_S, on_hang, trial);
        g_subprocess_communicate_utf8_async (trial->process, NULL, NULL, on_end, sweep);
    }
}

static void
run_all (Sweep *sweep)
{
    start_more (sweep);
    while (sweep->running > 0)
        g_main_context_iteration (NULL, TRUE);
}

static void
add_trial (Sweep *sweep, const char *name, const char *format, ...)
{
    Trial *trial = g_new0 (Trial, 1);
    va_list args;

    va_start (args, format);
    trial->fault = g_strdup_vprintf (format, args);
    va_end (args);
    trial->name = g_strdup (name);
    g_ptr_array_add (sweep->trials, trial);
}

static char *
result_of (const Trial *trial)
{
    const char *at = trial->output ? strstr (trial->output, "result: ") : NULL;
    gboolean well = g_subprocess_get_if_exited (trial->process) && g_subprocess_get_exit_status (trial->process) == 0;

    return well && at ? g_strndup (at + strlen ("result: "), strcspn (at, "\n") - strlen ("result: ")) : g_strdup ("it did not end well");
}

/* A ceremony without fault: the names of its calls, and what verify says of it. */
static char **
plain_ceremony (char **verdict)
{
    g_autofree char *log = g_build_filename (dir, "calls", NULL), *text = NULL, *result = NULL;
    Sweep sweep = { .limit = 1, .trials = g_ptr_array_new_with_free_func (trial_free) };
    const char *colon;

    add_trial (&sweep, NULL, "%s", "");
    run_all (&sweep);
    result = result_of (g_ptr_array_index (sweep.trials, 0));
    if (!g_str_has_prefix (result, "completed, 0 retries, 0 absent: genuine"))
        g_error ("a ceremony without fault: %s\n%s", result, ((Trial *) g_ptr_array_index (sweep.trials, 0))->output);
    colon = strchr (result, ':');
    *verdict = g_strdup (colon + 2);
    g_ptr_array_unref (sweep.trials);
    g_assert_true (g_file_get_contents (log, &text, NULL, NULL));
    return g_strsplit (g_strchomp (text), "\n", -1);
}

/* The ceremony came to its end, and nothing is held against it but that an act was tried again: a use of the key whose end isn't told, a key found after its
 * generation had failed. */
static gboolean
as_it_should (const char *result, const char *verdict)
{
    static const char *const may[] = { " ~key.uses", " ~key.recovered" };
    const char *colon = strchr (result, ':');
    g_autofree char *rest = NULL;

    if (!g_str_has_prefix (result, "completed") || colon == NULL)
        return FALSE;
    rest = g_strdup (colon + 2);
    for (gsize i = 0; i < G_N_ELEMENTS (may); i++) {
        char *at = strstr (verdict, may[i]) ? NULL : strstr (rest, may[i]);
        if (at)
            memmove (at, at + strlen (may[i]), strlen (at + strlen (may[i])) + 1);
    }
    return strcmp (rest, verdict) == 0;
}

static guint
judge (Sweep *sweep, const char *verdict)
{
    guint bad = 0, retried = 0, refused = 0;

    for (guint i = 0; i < sweep->trials->len; i++) {
        Trial *trial = g_ptr_array_index (sweep->trials, i);
        g_autofree char *result = result_of (trial);
        gboolean begun = !g_str_has_prefix (result, "not begun"), good = !begun || as_it_should (result, verdict);
        refused += !begun;
        retried += begun && !strstr (result, ", 0 retries, 0 absent");
        bad += !good;
        if (!good)
            g_printerr ("# %s (%s): %s\n%s\n", trial->fault, trial->name, result, trial->output);
    }
    g_test_message ("%u ceremonies, each with one call that failed: %u tried an act again, %u weren't begun, %u ended otherwise than they should", sweep->trials->len, retried, refused, bad);
    return bad;
}

/* What make check takes of it: each function once at its first call and once in the middle of its calls, refused and carried out; several in one ceremony,
 * which goes on after each. Without C_Initialize and C_GetInfo there is no ceremony. */
static void
add_sample (Sweep *sweep, char **calls, gboolean late, gboolean middle)
{
    g_autoptr(GHashTable) times = g_hash_table_new (g_str_hash, g_str_equal);
    g_autoptr(GString) faults = g_string_new (NULL);
    GHashTableIter iter;
    gpointer name, n;
    guint i = 0;

    for (guint k = 0; calls[k]; k++)
        g_hash_table_insert (times, calls[k], GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (times, calls[k])) + 1));
    g_hash_table_iter_init (&iter, times);
    while (g_hash_table_iter_next (&iter, &name, &n)) {
        g_autofree char *line = g_strdup_printf ("%s %s %u %s\n", late ? "late" : "fail", (char *) name, middle ? GPOINTER_TO_UINT (n) / 2 + 1 : 1,
                                                 RETURNS[i++ % G_N_ELEMENTS (RETURNS)]);
        if (g_str_equal (name, "C_Initialize") || g_str_equal (name, "C_GetInfo"))
            add_trial (sweep, name, "%s", line);
        else
            g_string_append (faults, line);
    }
    add_trial (sweep, middle ? "each in the middle" : "each at first", "%s", faults->str);
    g_test_message ("%u functions", g_hash_table_size (times));
}

static void
test_functions (void)
{
    Sweep sweep = { .limit = 2, .trials = g_ptr_array_new_with_free_func (trial_free) };
    g_autofree char *verdict = NULL;
    g_auto(GStrv) calls = plain_ceremony (&verdict);

    for (guint i = 0; i < 4; i++)
        add_sample (&sweep, calls, i & 1, i & 2);
    for (guint i = 1; i < 6; i += 2)
        add_trial (&sweep, "pulled out", "remove-at %u", g_strv_length (calls) * i / 6);
    run_all (&sweep);
    g_assert_cmpuint (judge (&sweep, verdict), ==, 0);
    g_ptr_array_unref (sweep.trials);
}

static gboolean
is_slow (void)
{
    return g_test_slow () || g_getenv ("CEREMONY_SLOW") != NULL;
}

static void
test_sweep (void)
{
    Sweep sweep = { .limit = MAX (3 * g_get_num_processors (), 4), .trials = g_ptr_array_new_with_free_func (trial_free) };
    g_autofree char *verdict = NULL;
    g_auto(GStrv) calls = NULL;
    const char *from = g_getenv ("SWEEP_FROM"), *to = g_getenv ("SWEEP_TO");

    calls = plain_ceremony (&verdict);
    for (guint n = 1; calls[n - 1]; n++) {
        if ((from && n < (guint) atoi (from)) || (to && n > (guint) atoi (to)))
            continue;
        for (guint late = 0; late < 2; late++)
            add_trial (&sweep, calls[n - 1], "%s %u %s", late ? "failafter" : "failall", n, RETURNS[(n + late) % G_N_ELEMENTS (RETURNS)]);
    }
    for (guint n = 3; calls[n - 1]; n += 5)
        if ((!from || n >= (guint) atoi (from)) && (!to || n <= (guint) atoi (to)))
            add_trial (&sweep, calls[n - 1], "remove-at %u", n);
    g_test_message ("a ceremony makes %u calls", g_strv_length (calls));
    run_all (&sweep);
    g_assert_cmpuint (judge (&sweep, verdict), ==, 0);
    g_ptr_array_unref (sweep.trials);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    set_up ();
    if (g_getenv ("SWEEP_FAULT")) {
        g_test_add_func ("/sweep/one", test_one);
    } else if (g_file_test (wrapper, G_FILE_TEST_EXISTS)) {
        g_test_add_func ("/sweep/functions", test_functions);
        if (is_slow ())
            g_test_add_func ("/sweep/every-call", test_sweep);
    }
    return tear_down (g_test_run ());
}
