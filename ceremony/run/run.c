/* A ceremony before its first event: everything is checked before anything is touched, then its folder is made. */
#include "ceremony/run/cameras.h"
#include "ceremony/run/acts/acts.h"
#include "ceremony/base/child.h"
#include <string.h>
#include <unistd.h>

#define SPACE_MIN (200 * 1024 * 1024)

/* ── places ── */

char *
run_home (const char *home)
{
    const char *env = g_getenv ("CEREMONY_HOME");

    if (home == NULL)
        home = env && *env ? env : NULL;
    return home ? g_canonicalize_filename (home, NULL) : g_build_filename (g_get_user_data_dir (), "ceremony", NULL);
}

char *
run_appliance_dir (const char *home)
{
    g_autofree char *base = run_home (home);

    return g_build_filename (base, "appliance", NULL);
}

static void
make_absolute (char **path)
{
    char *full = *path ? g_canonicalize_filename (*path, NULL) : NULL;

    g_free (*path);
    *path = full;
}

static RunSetup *
copy_setup (const RunSetup *setup)
{
    g_autoptr(json_t) json = run_setup_to_json (setup);
    RunSetup *copy = run_setup_from_json (json, NULL);

    make_absolute (&copy->order_path);
    make_absolute (&copy->script_path);
    make_absolute (&copy->policy_path);
    make_absolute (&copy->trust_dir);
    make_absolute (&copy->home);
    make_absolute (&copy->module_path);
    make_absolute (&copy->secret_path);
    make_absolute (&copy->witness_key);
    make_absolute (&copy->service_key);
    make_absolute (&copy->service_facts);
    return copy;
}

Run *
run_alloc (const RunSetup *setup, RunView *view)
{
    Run *run = g_new0 (Run, 1);

    run->setup = copy_setup (setup);
    run->view = view;
    run->lock_fd = run->stderr_fd = -1;
    run->home = run_home (setup->home);
    run->context = g_main_context_default ();
    return run;
}

void
run_free (Run *run)
{
    if (run == NULL)
        return;
    g_clear_pointer (&run->recorder, recorder_free);
    if (run->modules)
        run_quiet (run);
    g_clear_pointer (&run->key, token_key_free);
    g_clear_pointer (&run->service, signer_free);
    g_clear_pointer (&run->token, token_close);
    g_clear_pointer (&run->modules, token_modules_free);
    run_loud (run);
    g_clear_pointer (&run->journal, journal_close);
    g_clear_pointer (&run->note_key, note_key_free);
    g_clear_pointer (&run->appliance, appliance_free);
    if (run->order == NULL) {
        g_clear_pointer (&run->script, script_free);
        g_clear_pointer (&run->policy, policy_free);
    }
    g_clear_pointer (&run->order, order_free);
    g_clear_pointer (&run->people, json_decref);
    g_clear_pointer (&run->setup, run_setup_free);
    g_clear_error (&run->fault);
    screen_clear (run);
    if (run->lock_fd >= 0)
        close (run->lock_fd);
    char **texts[] = { &run->home, &run->id, &run->folder, &run->origin, &run->bundle, &run->algorithm, &run->label, &run->subject, &run->place, &run->region,
                       &run->abort_reason, &run->attention };
    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
        g_free (*texts[i]);
    g_free (run);
}

/* ── what is carried out ── */

static gboolean
load_files (Run *run, const char *order_path, const char *script_path, const char *policy_path, GError **error)
{
    g_autofree char *fallback = policy_path ? NULL : child_script_path ("default-policy.yaml");

    if (order_path) {
        run->order = order_open (order_path, error);
        if (run->order == NULL)
            return FALSE;
        run->script = run->order->script;
        run->policy = run->order->policy;
        return TRUE;
    }
    if (script_path == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "neither an order nor a script was given: name one of them");
        return FALSE;
    }
    run->script = script_load (script_path, error);
    run->policy = run->script ? policy_load (policy_path ? policy_path : fallback, error) : NULL;
    return run->policy != NULL;
}

/* The first that says it: order, setup, script. */
static char *
first_said (const Run *run, const char *key, const char *setup, const char *script)
{
    const char *order = run->order ? cjson_str (run->order->json, key, NULL) : NULL;

    return g_strdup (order ? order : setup ? setup : script);
}

static gboolean
check_key_terms (Run *run, GError **error)
{
    X509_NAME *name;

    if (run->algorithm == NULL || !g_strv_contains ((const char *const *) run->policy->algorithms, run->algorithm)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the policy \"%s\" doesn't allow a key of algorithm %s; ask for another one (--algorithm)", run->policy->title,
                     run->algorithm ? run->algorithm : "(none is named)");
        return FALSE;
    }
    if (run->subject == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "neither order nor script names the subject of the certificate request; give it with --subject \"CN=…,O=…\"");
        return FALSE;
    }
    if ((name = run_subject_name (run->subject, error)) == NULL)
        return FALSE;
    X509_NAME_free (name);
    return TRUE;
}

gboolean
run_load_plan (Run *run, const char *order_path, const char *script_path, const char *policy_path, GError **error)
{
    if (!acts_check (error) || !load_files (run, order_path, script_path, policy_path, error))
        return FALSE;
    run->algorithm = first_said (run, "algorithm", run->setup->algorithm, run->script->algorithm);
    run->subject = first_said (run, "subject", run->setup->subject, run->script->subject);
    run->label = first_said (run, "label", run->setup->label, NULL);
    run->place = first_said (run, "place", run->setup->place, "");
    run->region = first_said (run, "region", run->setup->region, "");
    if (run->label == NULL)
        run->label = g_strdup_printf ("code-signing-%s", run->id);
    return check_key_terms (run, error);
}

gboolean
run_load_appliance (Run *run, GError **error)
{
    g_autofree char *dir = run_appliance_dir (run->home);
    const char *domain = run->order ? cjson_str (run->order->json, "ca_domain", NULL) : run->setup->origin_domain;

    run->appliance = appliance_load (dir, error);
    if (run->appliance == NULL) {
        g_prefix_error (error, "the appliance's keys (made once by `ceremony appliance init`): ");
        return FALSE;
    }
    run->origin = g_strdup_printf ("%s/ceremony/%s", domain ? domain : "no-ca.invalid", run->id);
    run->note_key = appliance_note_key (run->appliance, run->origin, error);
    return run->note_key != NULL;
}

gboolean
run_check_machine (Run *run, GError **error)
{
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
    g_autofree char *media = child_media_path (error);
    guint cols = 0, rows = 0;

    if (media == NULL)
        return FALSE;
    run->view->size (run->view, &cols, &rows);
    if (cols < 80 || rows < 24) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the terminal is too small (%ux%u): a ceremony needs at least 80 columns and 24 rows; enlarge the window or choose a "
                     "smaller font, then start again", cols, rows);
        return FALSE;
    }
    run_quiet (run);
    run->modules = token_modules_load (run->setup->module_path, run->setup->module_only, warnings, error);
    if (run->modules == NULL)
        return FALSE;
    screen_init (run);
    if (warnings->len > 0)
        screen_say (run, MOOD_WARNING, "A PKCS#11 module was passed over, which matters only where the token needs it: %s", (const char *) g_ptr_array_index (warnings, 0));
    return TRUE;
}

/* ── checks of a new ceremony ── */

static gboolean
check_order_signer (Run *run, GError **error)
{
    g_autoptr(Trust) trust = NULL;
    g_autofree char *why = NULL;

    if (run->setup->unchecked_order)
        return TRUE;
    if (run->setup->trust_dir == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "an order is only as good as its signer: say with --trust DIR who may sign orders");
        return FALSE;
    }
    if ((trust = trust_load (run->setup->trust_dir, error)) == NULL)
        return FALSE;
    if (trust_judge (trust, "order", run->order->signature->signer, run->order->signature->certificates, clock_wall_ms (), &why))
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the order's signer isn't trusted: %s; ask the CA whether this order is theirs", why);
    return FALSE;
}

static gboolean
check_order_time (const json_t *order, GError **error)
{
    gint64 from = 0, to = 0, now = clock_wall_ms ();
    const char *from_text = cjson_str (order, "valid_from", error), *to_text = from_text ? cjson_str (order, "valid_to", error) : NULL;

    if (!to_text || !clock_parse (from_text, &from, error) || !clock_parse (to_text, &to, error))
        return FALSE;
    if (now >= from && now <= to)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the order is valid from %s to %s, and this machine's clock is outside of that; set the clock, or ask the CA for a new order",
                 from_text, to_text);
    return FALSE;
}

/* The order names the appliance that it is for, by both keys. */
static gboolean
check_order_appliance (Run *run, GError **error)
{
    const json_t *pins = json_object_get (run->order->json, "appliance");
    g_autofree char *note = base64_encode (run->appliance->note_public, 32), *spki = signer_spki_sha256 (run->appliance->signer->cert);

    if (g_strcmp0 (cjson_str (pins, "note_key", NULL), note) == 0 && g_strcmp0 (cjson_str (pins, "spki_sha256", NULL), spki) == 0)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the order is for another appliance than this machine; `ceremony appliance show` prints what the CA must enrol here");
    return FALSE;
}

static gboolean
check_order (Run *run, GError **error)
{
    gboolean rehearsal = FALSE;

    if (run->order == NULL) {
        if (!run->policy->order_required || run->setup->rehearsal)
            return TRUE;
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the policy \"%s\" asks for an order of the CA, and none was given: the evidence would be refused; run the order instead "
                     "of the script, or choose another policy", run->policy->title);
        return FALSE;
    }
    cjson_bool (run->order->json, "rehearsal", &rehearsal, NULL);
    if (rehearsal != run->setup->rehearsal) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, rehearsal ? "this order is for a rehearsal; `ceremony rehearse` carries it out"
                     : "this order is for a real ceremony, not for a rehearsal; `ceremony run` carries it out");
        return FALSE;
    }
    return check_order_signer (run, error) && check_order_time (run->order->json, error) && check_order_appliance (run, error);
}

static gboolean
check_challenge (Run *run, GError **error)
{
    const char *commitment = run->order ? cjson_str (run->order->json, "challenge_commitment", NULL) : NULL;

    if (run->policy->challenge == CHALLENGE_WORDS || commitment != NULL)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the policy \"%s\" asks for a challenge from the witness's secret, and no order commits to one; use an order with a commitment, "
                 "or a policy with \"challenge: words\"", run->policy->title);
    return FALSE;
}

/* A device of the machine's own, or none; FALSE: not outside of a rehearsal. */
static gboolean
check_source (Run *run, const char *camera, GError **error)
{
    gboolean picture = strcmp (camera, "test") == 0 || g_str_has_prefix (camera, "file:");

    if (run->setup->rehearsal || (!picture && (strcmp (camera, "none") != 0 || !run->policy->camera_required)))
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, picture ? "a test picture is for rehearsals only; name a camera (--camera device:/dev/video0)"
                 : "the policy asks for a camera, and there is none; connect one and start again (`ceremony doctor` lists them)");
    return FALSE;
}

static gboolean
take_camera (Run *run, char **camera, GError **error)
{
    char *resolved = camera_resolve (*camera, error);

    if (resolved == NULL)
        return FALSE;
    g_free (*camera);
    *camera = resolved;
    return check_source (run, resolved, error);
}

static gboolean
check_camera (Run *run, GError **error)
{
    RunSetup *setup = run->setup;

    if (setup->camera == NULL)
        setup->camera = g_strdup (g_file_test ("/dev/video0", G_FILE_TEST_EXISTS) ? "device:/dev/video0" : "none");
    if (!take_camera (run, &setup->camera, error))
        return FALSE;
    for (gsize i = 0; setup->more_cameras != NULL && setup->more_cameras[i] != NULL; i++) {
        if (i + 1 == CAMERAS_MOST) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "the picture has room for %d cameras, no more", CAMERAS_MOST);
            return FALSE;
        }
        if (!take_camera (run, &setup->more_cameras[i], error))
            return FALSE;
    }
    return TRUE;
}

/* What the picture is to be shared by, where it is asked for, must be there: better said now than in the call. */
static gboolean
check_share (Run *run, GError **error)
{
    const RunSetup *setup = run->setup;

    if (setup->window && !g_getenv ("DISPLAY") && !g_getenv ("WAYLAND_DISPLAY")) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "--window: there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set); start it from a graphical session, or leave --window out");
        return FALSE;
    }
    if (setup->virtual_camera && !g_file_test (setup->virtual_camera, G_FILE_TEST_EXISTS)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "--virtual-camera %s: there is no such device; install v4l2loopback-dkms and run `modprobe v4l2loopback`, or leave --virtual-camera out",
                     setup->virtual_camera);
        return FALSE;
    }
    return TRUE;
}

static gboolean
check_space (Run *run, GError **error)
{
    gint64 space;

    if (!file_mkdir (run->home, error))
        return FALSE;
    space = file_free_space (run->home);
    if (space < 0 || space >= SPACE_MIN)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_SPACE, "%s: only %" G_GINT64_FORMAT " MB are free, and a ceremony of an hour takes about 600 MB; make room first", run->home,
                 space / (1024 * 1024));
    return FALSE;
}

/* ── its folder ── */

static char *
new_id (void)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    g_autofree char *now = clock_format (clock_wall_ms ());
    guint8 random[8];
    char tail[9] = "";

    random_bytes (random, sizeof random);
    for (gsize i = 0; i < sizeof random; i++)
        tail[i] = letters[random[i] % 32];
    return g_strdup_printf ("%.10s-%s", now, tail);
}

static gboolean
write_here (Run *run, const char *name, GBytes *bytes, GError **error)
{
    g_autofree char *path = g_build_filename (run->folder, name, NULL);
    gsize len;
    const void *data = g_bytes_get_data (bytes, &len);

    return file_write (path, data, len, 0600, FALSE, error);
}

static gboolean
write_setup (Run *run, GError **error)
{
    g_autoptr(json_t) json = run_setup_to_json (run->setup);
    char *text = cjson_encode (json, error);
    g_autoptr(GBytes) bytes = text ? g_bytes_new_take (text, strlen (text)) : NULL;

    return bytes != NULL && write_here (run, "setup.json", bytes, error);
}

static gboolean
make_folder (Run *run, GError **error)
{
    g_autofree char *lock = g_build_filename (run->folder, "lock", NULL), *journal = g_build_filename (run->folder, "journal.db", NULL);
    g_autoptr(GBytes) order = run->setup->order_path ? file_read (run->setup->order_path, 64 * 1024 * 1024, error) : NULL;

    if (run->setup->order_path && order == NULL)
        return FALSE;
    if (!file_mkdir (run->folder, error) || (run->lock_fd = file_lock (lock, error)) < 0 || !write_setup (run, error)
        || !write_here (run, "script.yaml", run->script->source, error) || !write_here (run, "policy.yaml", run->policy->source, error)
        || (order && !write_here (run, "order.asice", order, error)) || !people_load (run, error))
        return FALSE;
    run->journal = journal_create (journal, run->note_key, run->appliance->note_private, error);
    return run->journal != NULL;
}

Run *
run_new (const RunSetup *setup, RunView *view, GError **error)
{
    g_autoptr(Run) run = run_alloc (setup, view);

    run->id = new_id ();
    run->folder = g_build_filename (run->home, "ceremonies", run->id, NULL);
    if (!run_load_plan (run, run->setup->order_path, run->setup->script_path, run->setup->policy_path, error) || !run_load_appliance (run, error)
        || !check_order (run, error) || !check_challenge (run, error) || !check_camera (run, error) || !check_share (run, error) || !check_space (run, error) || !run_check_machine (run, error)
        || !make_folder (run, error))
        return NULL;
    return g_steal_pointer (&run);
}

const char *
run_id (const Run *run)
{
    return run->id;
}

const char *
run_folder (const Run *run)
{
    return run->folder;
}

const char *
run_bundle (const Run *run)
{
    return run->bundle;
}

gboolean
run_sealed (const Run *run)
{
    return run->sealed;
}
