/* Closing, in design's order: recording.closing, its checkpoint in the last QR held, the recording's end, ceremony.closed, the final checkpoint, evidence, the
 * appliance's signature. Entered again after a crash it does what is missing and repeats nothing. */
#include "ceremony/bundle/statement.h"
#include "ceremony/run/recorder.h"
#include "ceremony/run/seal.h"
#include <glib/gstdio.h>
#include <string.h>

static gint64
event_int (const Event *event, const char *key)
{
    gint64 n = -1;

    return cjson_int (event->data, key, &n, NULL) ? n : -1;
}

/* The last QR of an interrupted closing was recorded to its end: the video that shows it was closed after it. */
static gboolean
last_qr_recorded (Run *run)
{
    const Event *closing = run_last_event (run, "recording.closing"), *qr = run_last_event (run, "qr.shown");

    if (closing == NULL || qr == NULL || qr->seq < closing->seq || event_int (qr, "size") <= (gint64) closing->seq)
        return FALSE;
    for (guint64 seq = qr->seq; seq < journal_size (run->journal); seq++) {
        const Event *event = journal_event (run->journal, seq);
        if (strcmp (event->type, "track.closed") == 0 && g_strcmp0 (cjson_str (event->data, "track", NULL), "video") == 0
            && event_int (event, "part") == event_int (qr, "part"))
            return TRUE;
    }
    return FALSE;
}

static gboolean
hold (gpointer data)
{
    *(gboolean *) data = TRUE;
    return G_SOURCE_REMOVE;
}

static const char *
outcome_of (Run *run)
{
    const Event *closing = run_last_event (run, "recording.closing");

    if (closing != NULL)
        return strcmp (cjson_str (closing->data, "outcome", NULL), "aborted") == 0 ? "aborted" : "completed";
    return run->abort_reason ? "aborted" : "completed";
}

/* A recording that can't be had any more is said to be missing, and doesn't keep the evidence from being closed. */
static gboolean
need_recording (Run *run, GError **error)
{
    g_autoptr(GError) failed = NULL;

    if (recorder_running (run->recorder) || recorder_start (run->recorder, &failed))
        return TRUE;
    g_clear_pointer (&run->attention, g_free);
    if (run->stop != STOP_NONE)
        return run_stopped (run, error);
    return run_event (run, "recorder.failed", "recorder", json_pack ("{s:s,s:i}", "reason", failed->message, "part", 0), error);
}

static gboolean
end_recording (Run *run, GError **error)
{
    const char *outcome = outcome_of (run);
    gboolean held = FALSE;
    const char *note;

    if (!need_recording (run, error))
        return FALSE;
    recorder_pace (run->recorder, FALSE);
    screen_say (run, MOOD_NORMAL, "The recording is being closed: please wait.");
    if (!run_event (run, "recording.closing", "appliance", json_pack ("{s:s,s:s}", "outcome", outcome, "reason", run->abort_reason ? run->abort_reason : ""), error))
        return FALSE;
    run->closing = TRUE;
    if ((note = run_checkpoint (run, NULL, error)) == NULL)
        return FALSE;
    if (recorder_show (run->recorder, note, journal_checkpoint_size (run->journal))) {
        g_timeout_add (run->setup->fast ? 1000 : 3000, hold, &held);
        while (!held)
            g_main_context_iteration (run->context, TRUE);
    }
    return recorder_stop (run->recorder, error);
}

static json_t *
closed_parts (Run *run)
{
    json_t *parts = json_array ();

    for (guint64 seq = 0; seq < journal_size (run->journal); seq++) {
        const Event *event = journal_event (run->journal, seq);
        if (strcmp (event->type, "track.closed") == 0)
            json_array_append (parts, json_object_get (event->data, "path"));
    }
    return parts;
}

static gboolean
close_journal (Run *run, GError **error)
{
    const char *reason = run->abort_reason;
    const Event *closing;

    if (!last_qr_recorded (run) ? !end_recording (run, error) : !recorder_recover (run, error))
        return FALSE;
    run->closing = TRUE;
    closing = run_last_event (run, "recording.closing");
    if (reason == NULL)
        reason = cjson_str (closing->data, "reason", NULL);
    return run_event (run, "ceremony.closed", "appliance", json_pack ("{s:s,s:s,s:i,s:o}", "outcome", outcome_of (run), "reason", reason ? reason : "", "uses",
                      (int) run_count_events (run, "key.using"), "parts", closed_parts (run)), error);
}

/* ── the container ── */

static GPtrArray *
all_events (Run *run)
{
    GPtrArray *events = g_ptr_array_new ();

    for (guint64 seq = 0; seq < journal_size (run->journal); seq++)
        g_ptr_array_add (events, (gpointer) journal_event (run->journal, seq));
    return events;
}

static void
add_file (Run *run, GPtrArray *items, const char *name)
{
    g_autofree char *path = g_build_filename (run->folder, name, NULL);

    if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
        asice_items_add_file (items, name, path);
}

/* Key files that an event tells of: what an interrupted act left half done isn't evidence. */
static void
add_key_files (Run *run, GPtrArray *items)
{
    guint proofs = run_count_events (run, "possession.proved");

    if (run_last_event (run, "request.made")) {
        add_file (run, items, "key/public.pem");
        add_file (run, items, "key/request.csr");
    }
    if (run_last_event (run, "request.countersigned")) {
        add_file (run, items, "key/request.p7s");
        add_file (run, items, "key/declaration.json");
    }
    for (guint i = 1; i <= proofs; i++) {
        g_autofree char *txt = g_strdup_printf ("key/possession-%u.txt", i), *sig = g_strdup_printf ("key/possession-%u.sig", i);
        add_file (run, items, txt);
        add_file (run, items, sig);
    }
}

static void
add_event_files (Run *run, GPtrArray *items)
{
    for (guint64 seq = 0; seq < journal_size (run->journal); seq++) {
        const Event *event = journal_event (run->journal, seq);
        const json_t *file;
        gsize i;
        if (strcmp (event->type, "track.closed") == 0) {
            add_file (run, items, cjson_str (event->data, "path", NULL));
        } else if (strcmp (event->type, "file.attached") == 0) {
            g_autofree char *name = g_strconcat ("attachments/", cjson_str (event->data, "name", NULL), NULL);
            add_file (run, items, name);
        } else if (strcmp (event->type, "attestation.read") == 0) {
            json_array_foreach (json_object_get (event->data, "files"), i, file) {
                g_autofree char *name = g_strconcat ("key/attestation/", cjson_str (file, "name", NULL), NULL);
                add_file (run, items, name);
            }
        }
    }
}

static void
add_text (GPtrArray *items, const char *name, char *text, gsize len)
{
    g_autoptr(GBytes) bytes = g_bytes_new_take (text, len);

    asice_items_add_bytes (items, name, bytes);
}

/* Of those that belong to a checkpoint of the journal. */
static void
add_timestamps (Run *run, GPtrArray *items)
{
    for (guint64 size = 1; size <= journal_size (run->journal); size++) {
        g_autofree char *name = g_strdup_printf ("journal/timestamps/%" G_GUINT64_FORMAT ".tsr", size), *path = g_build_filename (run->folder, name + strlen ("journal/"), NULL);
        if (journal_checkpoint_at (run->journal, size) && g_file_test (path, G_FILE_TEST_IS_REGULAR))
            asice_items_add_file (items, name, path);
    }
}

static GPtrArray *
bundle_items (Run *run, const char *note, GError **error)
{
    g_autoptr(GPtrArray) events = all_events (run), items = asice_items_new ();
    g_autoptr(json_t) evidence = evidence_build (events, note, error);
    char *text = evidence ? cjson_encode (evidence, error) : NULL, *people;
    gsize len;

    if (text == NULL || (people = cjson_encode (run->people, error)) == NULL) {
        g_free (text);
        return NULL;
    }
    add_text (items, "evidence.json", text, strlen (text));
    add_text (items, "people.json", people, strlen (people));
    asice_items_add_bytes (items, "script.yaml", run->script->source);
    asice_items_add_bytes (items, "policy.yaml", run->policy->source);
    if (run->order) {
        asice_items_add_bytes (items, "order/order.json", run->order->order_bytes);
        asice_items_add_bytes (items, "order/ASiCManifest001.xml", run->order->manifest_bytes);
        asice_items_add_bytes (items, "order/signature001.p7s", run->order->signature_bytes);
    }
    text = journal_export_events (run->journal, &len);
    add_text (items, "journal/events.jsonl", text, len);
    text = journal_export_checkpoints (run->journal, &len);
    add_text (items, "journal/checkpoints.txt", text, len);
    add_timestamps (run, items);
    add_event_files (run, items);
    add_key_files (run, items);
    return g_steal_pointer (&items);
}

typedef struct { const char *path; const GPtrArray *items; double done; } Packing;

static GBytes *
sign_manifest (const void *manifest, gsize len, gpointer user_data, GError **error)
{
    return cades_sign (((Run *) user_data)->appliance->signer, manifest, len, error);
}

static gboolean
call_create (Run *run, gpointer data, GError **error)
{
    Packing *packing = data;

    return asice_create (packing->path, packing->items, sign_manifest, NULL, run, error);
}

/* What a crash while the container was written left of it. */
static void
remove_half_written (Run *run)
{
    g_autofree char *prefix = g_strdup_printf (".%s.asice.", run->id);
    g_autoptr(GDir) handle = g_dir_open (run->folder, 0, NULL);
    const char *name;

    while (handle && (name = g_dir_read_name (handle)) != NULL) {
        g_autofree char *path = g_build_filename (run->folder, name, NULL);
        if (g_str_has_prefix (name, prefix))
            g_unlink (path);
    }
}

static gboolean
write_bundle (Run *run, const char *note, GError **error)
{
    g_autofree char *name = g_strconcat (run->id, ".asice", NULL), *path = g_build_filename (run->folder, name, NULL);
    g_autoptr(GPtrArray) items = NULL;
    Packing packing = { .path = path };

    remove_half_written (run);
    if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
        if ((items = bundle_items (run, note, error)) == NULL)
            return FALSE;
        packing.items = items;
        if (!run_token_call (run, "Writing and signing the evidence", call_create, &packing, error)) {
            g_prefix_error (error, "the record is closed and whole, but its container could not be written: ");
            return FALSE;
        }
    }
    run->bundle = g_strdup (path);
    return TRUE;
}

gboolean
run_close (Run *run, GError **error)
{
    g_autofree char *note = NULL, *text = NULL, *base = NULL, *folder = NULL;

    if (run_last_event (run, "ceremony.closed") == NULL && !close_journal (run, error))
        return FALSE;
    run->closing = TRUE;
    note = g_strdup (run_checkpoint (run, NULL, error));
    if (note == NULL || !run_timestamp (run, note, journal_size (run->journal), error) || !write_bundle (run, note, error))
        return FALSE;
    base = g_path_get_basename (run->bundle);
    folder = g_path_get_dirname (run->bundle);
    screen_task (run, "The record is closed.");
    screen_say (run, MOOD_NORMAL, "The evidence is closed and signed by the appliance.");
    text = g_strdup_printf ("This is the last checkpoint, over all %" G_GUINT64_FORMAT " events. It is in no recorded picture: the witness notes its words, or scans the code.\n\nWords of "
                            "its root: %s\n\n%s\nThe evidence is %s in\n%s\n", journal_size (run->journal), run->words ? run->words : "", note, base, folder);
    run_page (run, "The final checkpoint", text, note, NULL);
    return TRUE;
}

/* ── a local witness ── */

gboolean
run_local_seal (Run *run, GError **error)
{
    SealInput input = { .bundle = run->bundle, .view = run->view, .secret_path = run->setup->secret_path, .place = run->place, .region = run->region };
    gboolean file = run->policy->local_seal == SEAL_KEY_FILE && run->setup->rehearsal && run->setup->witness_key != NULL;
    gboolean token = run->policy->local_seal != SEAL_NEVER && run->setup->witness_token != NULL;

    if (strcmp (cjson_str (run_last_event (run, "ceremony.closed")->data, "outcome", NULL), "completed") != 0)
        return TRUE;            /* nothing that a witness could confirm; to refuse in so many words there is `ceremony seal` */
    run->sealed = seal_is_sealed (run->bundle);
    if (run->sealed || (!file && !token) || run->stop != STOP_NONE)
        return TRUE;
    input.key_path = file ? run->setup->witness_key : NULL;
    input.token_uri = file ? NULL : run->setup->witness_token;
    input.module_path = run->setup->module_path;
    screen_task (run, "The witness says what they saw, reads the statement to its end, and signs it here. Nothing can be added to the record any more.");
    if (!seal_bundle (&input, error)) {
        g_prefix_error (error, "the witness's statement was not signed: ");
        return FALSE;
    }
    run->sealed = TRUE;
    return TRUE;
}
