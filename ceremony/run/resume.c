/* Sittings: the first begins with ceremony.opened, each later one with ceremony.resumed and with what the recordings of the interrupted one left behind. */
#include "ceremony/run/recorder.h"
#include <string.h>
#include <unistd.h>

#define RECORDER_PATIENCE_MS 10000

/* ── taking up ── */

/* Ids of ceremonies that aren't closed and sealed off: their bundle is missing. */
static GPtrArray *
open_ids (const char *home)
{
    g_autofree char *dir = g_build_filename (home, "ceremonies", NULL);
    g_autoptr(GDir) handle = g_dir_open (dir, 0, NULL);
    GPtrArray *ids = g_ptr_array_new_with_free_func (g_free);
    const char *name;

    while (handle && (name = g_dir_read_name (handle)) != NULL) {
        g_autofree char *file = g_strconcat (name, ".asice", NULL), *bundle = g_build_filename (dir, name, file, NULL);
        g_autofree char *journal = g_build_filename (dir, name, "journal.db", NULL);
        if (g_file_test (journal, G_FILE_TEST_EXISTS) && !g_file_test (bundle, G_FILE_TEST_EXISTS))
            g_ptr_array_add (ids, g_strdup (name));
    }
    return ids;
}

static char *
choose_id (const char *home, const char *id, GError **error)
{
    g_autoptr(GPtrArray) ids = NULL;
    g_autofree char *all = NULL;

    if (id != NULL) {
        if (id[0] != '\0' && strspn (id, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen (id))
            return g_strdup (id);
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "\"%s\" is no ceremony's id; `ceremony list` shows them", id);
        return NULL;
    }
    ids = open_ids (home);
    if (ids->len == 1)
        return g_strdup (g_ptr_array_index (ids, 0));
    if (ids->len == 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "no ceremony stands open: there is nothing to resume (`ceremony list` shows all)");
        return NULL;
    }
    g_ptr_array_add (ids, NULL);
    all = g_strjoinv (", ", (char **) ids->pdata);
    g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "more than one ceremony stands open, name one: %s", all);
    return NULL;
}

/* The recorder of the interrupted sitting may still be ending its streams: its files must not grow any more. */
static gboolean
wait_for_recorder (Run *run, GError **error)
{
    g_autofree char *path = g_build_filename (run->folder, "recorder.lock", NULL);
    gint64 until = clock_boot_ms () + RECORDER_PATIENCE_MS;

    for (;;) {
        g_autoptr(GError) failed = NULL;
        int fd = file_lock (path, &failed);
        if (fd >= 0) {
            close (fd);
            return TRUE;
        }
        if (!g_error_matches (failed, BASE_ERROR, BASE_ERROR_BUSY) || clock_boot_ms () > until) {
            g_propagate_prefixed_error (error, g_steal_pointer (&failed), "the recorder of the interrupted sitting is still at work; try again in a few seconds: ");
            return FALSE;
        }
        g_usleep (100 * 1000);
    }
}

static RunSetup *
read_setup (const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename (folder, "setup.json", NULL);
    g_autoptr(GBytes) bytes = file_read (path, 1024 * 1024, error);
    g_autoptr(json_t) json = bytes ? cjson_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error) : NULL;
    RunSetup *setup = json ? run_setup_from_json (json, error) : NULL;

    if (setup == NULL)
        g_prefix_error (error, "this ceremony can't be resumed: ");
    return setup;
}

static gboolean
load_folder (Run *run, GError **error)
{
    g_autofree char *order = g_build_filename (run->folder, "order.asice", NULL), *script = g_build_filename (run->folder, "script.yaml", NULL);
    g_autofree char *policy = g_build_filename (run->folder, "policy.yaml", NULL), *journal = g_build_filename (run->folder, "journal.db", NULL);
    g_autofree char *lock = g_build_filename (run->folder, "lock", NULL);

    run->lock_fd = file_lock (lock, error);
    if (run->lock_fd < 0) {
        g_prefix_error (error, "ceremony %s is being held by another process: ", run->id);
        return FALSE;
    }
    if (!wait_for_recorder (run, error) || !run_load_plan (run, run->setup->order_path ? order : NULL, script, policy, error) || !run_load_appliance (run, error))
        return FALSE;
    run->journal = journal_open (journal, run->note_key, run->appliance->note_private, error);
    return run->journal != NULL && people_load (run, error);
}

/* What the journal was opened with is what must be carried on: the script's and policy's files may have been changed meanwhile. */
static gboolean
same_plan (Run *run, GError **error)
{
    const json_t *opened = journal_size (run->journal) > 0 ? journal_event (run->journal, 0)->data : NULL;
    const char *script = opened ? cjson_str (json_object_get (opened, "script"), "sha256", NULL) : NULL;
    const char *policy = opened ? cjson_str (json_object_get (opened, "policy"), "sha256", NULL) : NULL;

    if (!opened || (g_strcmp0 (script, run->script->sha256) == 0 && g_strcmp0 (policy, run->policy->sha256) == 0))
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "script.yaml or policy.yaml in the ceremony's folder isn't the one that the ceremony was opened with; put the file back, then resume");
    return FALSE;
}

Run *
run_resume (const char *home, const char *id, RunView *view, GError **error)
{
    g_autofree char *base = run_home (home), *chosen = choose_id (base, id, error);
    g_autofree char *folder = chosen ? g_build_filename (base, "ceremonies", chosen, NULL) : NULL;
    g_autoptr(RunSetup) setup = NULL;
    g_autoptr(Run) run = NULL;

    if (folder == NULL)
        return NULL;
    if (!g_file_test (folder, G_FILE_TEST_IS_DIR)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "there is no ceremony %s under %s; `ceremony list` shows all", chosen, base);
        return NULL;
    }
    if ((setup = read_setup (folder, error)) == NULL)
        return NULL;
    run = run_alloc (setup, view);
    g_free (run->home);
    run->home = g_strdup (base);
    run->id = g_steal_pointer (&chosen);
    run->folder = g_steal_pointer (&folder);
    if (!load_folder (run, error) || !same_plan (run, error) || !run_check_machine (run, error))
        return NULL;
    run->resumed = journal_size (run->journal) > 0;
    return g_steal_pointer (&run);
}

/* ── the first event of a sitting ── */

static json_t *
opened_data (Run *run)
{
    static const char *const presence[] = { "unplug", "console", "none" };
    const json_t *order = run->order ? run->order->json : NULL;
    const char *commitment = order ? cjson_str (order, "challenge_commitment", NULL) : NULL;
    g_autoptr(json_t) described = appliance_describe (run->appliance);
    json_t *subscriber = order ? json_object_get (order, "subscriber") : NULL;
    json_t *data = json_pack ("{s:s,s:s,s:b,s:s,s:{s:s,s:s,s:s},s:{s:s,s:s,s:s},s:s,s:s,s:s,s:s,s:s?,s:o,s:{s:O,s:O},s:o,s:o,s:s,s:s}",
        "ceremony", run->id, "origin", run->origin, "rehearsal", (int) run->setup->rehearsal, "method", script_method (run->script),
        "script", "title", run->script->title, "version", run->script->version, "sha256", run->script->sha256,
        "policy", "title", run->policy->title, "version", run->policy->version, "sha256", run->policy->sha256,
        "algorithm", run->algorithm, "label", run->label, "subject", run->subject, "presence", presence[run->policy->presence], "challenge_commitment", commitment,
        "program", run_program (run), "appliance", "note_key", json_object_get (described, "note_key"), "certificate_sha256",
        json_object_get (described, "certificate_sha256"), "clock", run_clock (), "terminal", run_terminal (run), "place", run->place, "region", run->region);

    if (data == NULL)
        return NULL;
    json_object_set_new (data, "order", order ? json_pack ("{s:s,s:s}", "id", cjson_str (order, "id", NULL), "sha256", run->order->sha256) : json_null ());
    json_object_set_new (data, "subscriber", subscriber ? json_incref (subscriber) : json_null ());
    return data;
}

static const char *
last_boot_id (Run *run)
{
    const Event *last = run_last_event (run, "ceremony.resumed");

    return cjson_str (json_object_get ((last ? last : journal_event (run->journal, 0))->data, "clock"), "boot_id", NULL);
}

static json_t *
resumed_data (Run *run)
{
    const Event *before = journal_event (run->journal, journal_size (run->journal) - 1);
    g_autofree char *boot = clock_boot_id ();

    return json_pack ("{s:I,s:I,s:b,s:o,s:o,s:o,s:o}", "after", (json_int_t) before->seq, "gap_ms", (json_int_t) (clock_wall_ms () - before->time), "rebooted",
                      g_strcmp0 (boot, last_boot_id (run)) != 0, "program", run_program (run), "clock", run_clock (), "terminal", run_terminal (run), "recovered",
                      recorder_leftovers (run));
}

gboolean
run_begin_sitting (Run *run, GError **error)
{
    if (run_last_event (run, "ceremony.closed") != NULL)
        return TRUE;            /* nothing may follow it: what is missing lies outside of the journal */
    journal_begin_sitting (run->journal);
    run->wall_start = clock_wall_ms ();
    run->boot_start = clock_boot_ms ();
    run->slept = run->boot_start - g_get_monotonic_time () / 1000;
    if (!run->resumed)
        return run_event (run, "ceremony.opened", "appliance", opened_data (run), error);
    run->closing = run_last_event (run, "recording.closing") != NULL;
    return run_event (run, "ceremony.resumed", "appliance", resumed_data (run), error) && recorder_recover (run, error);
}
