/* Acts that take files into the evidence: whatever a CA wants attached, and the device's own evidence of where the key was born, collected from the token, from the
 * TPM behind it, and from files, and judged at once so that what is missing can still be got. */
#include "ceremony/attest/attest.h"
#include "ceremony/run/acts/acts.h"
#include "ceremony/token/evidence.h"
#include <stdlib.h>
#include <string.h>
#include <openssl/pem.h>

#define ATTACHED_MAX (64 * 1024 * 1024)
#define NAME_LEN_MAX 80

/* ── names ── */

static gboolean
is_taken (GHashTable *taken, const char *name)
{
    g_autofree char *key = g_ascii_strdown (name, -1);

    return !g_hash_table_add (taken, g_steal_pointer (&key));
}

/* The last part of @path in letters that every system can store, another one than those taken; it is then taken too. */
static char *
plain_name (const char *path, GHashTable *taken)
{
    g_autofree char *base = g_path_get_basename (path);
    char *name;

    g_strcanon (base, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", '_');
    if (base[0] == '.')
        base[0] = '_';
    if (strlen (base) > NAME_LEN_MAX)
        memmove (base, base + strlen (base) - NAME_LEN_MAX, NAME_LEN_MAX + 1);
    name = g_strdup (base);
    for (guint n = 2; is_taken (taken, name); n++) {
        g_free (name);
        name = g_strdup_printf ("%u-%s", n, base);
    }
    return name;
}

static GHashTable *
names_new (void)
{
    return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

gboolean
act_write_in (const Run *run, const char *folder, const char *name, GBytes *bytes, GError **error)
{
    g_autofree char *dir = g_build_filename (run->folder, folder, NULL), *path = g_build_filename (dir, name, NULL);

    return file_mkdir (dir, error) && file_write (path, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), 0600, TRUE, error);
}

/* The paths that the script names under with: files; NULL where it leaves them to the operator. */
static char **
scripted_files (const ScriptStep *step)
{
    const char *text = g_hash_table_lookup (step->with, "files");
    g_auto(GStrv) parts = text ? g_strsplit (text, ",", -1) : NULL;
    GStrvBuilder *list;
    char **files;

    if (!parts)
        return NULL;
    list = g_strv_builder_new ();
    for (gsize i = 0; parts[i]; i++)
        if (g_strstrip (parts[i])[0] != '\0')
            g_strv_builder_add (list, parts[i]);
    files = g_strv_builder_end (list);
    g_strv_builder_unref (list);
    return files;
}

/* A file that the operator names, read whole: TRUE with @path and @bytes NULL for "no more". A name that is no file is asked for again. */
static gboolean
ask_file (Run *run, const char *id, const char *title, const char *detail, gsize max, char **path, GBytes **bytes, GError **error)
{
    *path = NULL;
    *bytes = NULL;
    for (;;) {
        g_autoptr(GError) failed = NULL;
        g_autofree char *text = run_ask_text (run, id, "operator", title, detail, "", TRUE, error);
        if (text == NULL)
            return FALSE;
        if (text[0] == '\0')
            return TRUE;
        if ((*bytes = file_read (text, max, &failed)) != NULL) {
            *path = g_steal_pointer (&text);
            return TRUE;
        }
        screen_say (run, MOOD_ERROR, "%s", failed->message);
    }
}

/* ── attach ── */

static GHashTable *
attached_names (Run *run)
{
    GHashTable *taken = names_new ();

    for (guint64 seq = 0; seq < journal_size (run->journal); seq++) {
        const Event *event = journal_event (run->journal, seq);
        if (strcmp (event->type, "file.attached") == 0)
            is_taken (taken, cjson_str (event->data, "name", NULL));
    }
    return taken;
}

static guint
attached_here (Run *run)
{
    guint n = 0;

    for (guint64 seq = 0; seq < journal_size (run->journal); seq++) {
        const Event *event = journal_event (run->journal, seq);
        n += strcmp (event->type, "file.attached") == 0 && strcmp (event->step, run->step->id) == 0;
    }
    return n;
}

static gboolean
attach (Run *run, const char *path, GBytes *bytes, const char *description, GError **error)
{
    g_autoptr(GHashTable) taken = attached_names (run);
    g_autofree char *name = plain_name (path, taken), *hash = sha256_hex (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));

    g_autoptr(json_t) data = json_pack ("{s:s,s:s,s:I,s:s}", "name", name, "sha256", hash, "length", (json_int_t) g_bytes_get_size (bytes), "description", description);

    if ((data && !attach_tell (run, data, bytes, error)) || !act_write_in (run, "attachments", name, bytes, error)
        || !run_event (run, "file.attached", "appliance", g_steal_pointer (&data), error))
        return FALSE;
    screen_say (run, MOOD_NORMAL, "%s is attached, SHA-256 %.16s…", name, hash);
    return TRUE;
}

static gboolean
describe_and_attach (Run *run, const char *path, GBytes *bytes, GError **error)
{
    g_autofree char *base = g_path_get_basename (path), *title = g_strdup_printf ("What is %s?", base);
    const char *scripted = g_hash_table_lookup (run->step->with, "description");
    g_autofree char *description = scripted ? g_strdup (scripted) : run_ask_text (run, "attach.description", "operator", title, "For example: audit report of the HSM service, its scope, auditor and period.", "", FALSE, error);

    return description != NULL && attach (run, path, bytes, description, error);
}

/* Files that the script names: those that this step has attached already are passed over after a crash. */
static gboolean
attach_scripted (Run *run, char **files, GError **error)
{
    for (guint i = attached_here (run); i < g_strv_length (files); i++) {
        g_autoptr(GBytes) bytes = file_read (files[i], ATTACHED_MAX, error);
        if (bytes == NULL || !describe_and_attach (run, files[i], bytes, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
act_attach (Run *run, const ScriptStep *step, GError **error)
{
    g_auto(GStrv) files = scripted_files (step);

    if (files)
        return attach_scripted (run, files, error);
    for (;;) {
        g_autofree char *path = NULL, *title = g_strdup_printf ("Which file is attached? (%u so far)", attached_here (run));
        g_autoptr(GBytes) bytes = NULL;
        if (!ask_file (run, "attach.file", title, "Its path on this machine. Enter alone: no more files.", ATTACHED_MAX, &path, &bytes, error))
            return FALSE;
        if (path == NULL)
            return TRUE;
        if (!describe_and_attach (run, path, bytes, error))
            return FALSE;
    }
}

/* ── attest ── */

typedef struct {
    GPtrArray  *files;                          /* TokenFile: what the device gave */
    GPtrArray  *inputs;                         /* AttestInput, under the names that they get in the bundle */
    GHashTable *taken;
    Secret     *pin;
    guint       from_device;                    /* the first of the inputs */
    GBytes     *challenge, *qualifying;
    guint32     ak;
} Collecting;

static void
collecting_clear (Collecting *self)
{
    g_clear_pointer (&self->files, g_ptr_array_unref);
    g_clear_pointer (&self->inputs, g_ptr_array_unref);
    g_clear_pointer (&self->taken, g_hash_table_unref);
    g_clear_pointer (&self->pin, secret_free);
    g_clear_pointer (&self->challenge, g_bytes_unref);
    g_clear_pointer (&self->qualifying, g_bytes_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Collecting, collecting_clear)

static void
add_input (Collecting *self, const char *path, GBytes *bytes)
{
    g_autofree char *name = plain_name (path, self->taken);

    if (self->inputs->len < ATTEST_MAX_INPUTS)
        g_ptr_array_add (self->inputs, attest_input_new (name, bytes));
}

static gboolean
call_certificates (Run *run, gpointer data, GError **error)
{
    return token_key_certificates (run->key, ((Collecting *) data)->files, error);
}

static gboolean
call_certify (Run *run, gpointer data, GError **error)
{
    Collecting *self = data;

    return token_key_tpm_certify (run->key, self->pin, self->qualifying, self->ak, self->files, error);
}

/* The TPM's word, with the challenge in it. Where it can't be had, files from elsewhere may still bring it: that is said, and isn't the act's end. */
static gboolean
collect_tpm (Run *run, Collecting *self, GError **error)
{
    for (;;) {
        g_autoptr(GError) failed = NULL;
        guint before = self->files->len;
        g_clear_pointer (&self->pin, secret_free);
        self->pin = run_ask_pin (run, "pin.attest", "The token's PIN, once more", "The TPM certifies the key. It asks for the PIN beside the module. It is neither shown nor recorded.",
                                 error);
        if (self->pin == NULL)
            return FALSE;
        if (run_token_call (run, "The TPM certifies the key", call_certify, self, &failed))
            return TRUE;
        g_ptr_array_set_size (self->files, (gint) before);
        if (run->stop != STOP_NONE)
            return run_stopped (run, error);
        screen_say (run, MOOD_ERROR, "%s", failed->message);
        if (!g_error_matches (failed, TOKEN_ERROR, TOKEN_ERROR_PIN_WRONG))
            return TRUE;
    }
}

static gboolean
collect_device (Run *run, Collecting *self, GError **error)
{
    const Event *found = run_last_event (run, "token.found");

    if (!run_token_call (run, "Reading the token's certificates", call_certificates, self, error)
        || (token_module_is_tpm (json_object_get (found->data, "module")) && !collect_tpm (run, self, error)))
        return FALSE;
    for (guint i = 0; i < self->files->len; i++) {
        const TokenFile *file = g_ptr_array_index (self->files, i);
        add_input (self, file->name, file->bytes);
    }
    self->from_device = self->inputs->len;
    return TRUE;
}

static gboolean
collect_asked (Run *run, Collecting *self, GError **error)
{
    for (;;) {
        g_autofree char *path = NULL, *title = g_strdup_printf ("Which file holds evidence of the vendor? (%u files so far)", self->inputs->len);
        g_autoptr(GBytes) bytes = NULL;
        if (!ask_file (run, "attest.file", title, "An attestation, or a certificate of its chain: its path on this machine. Enter alone: no more files.",
                       ATTEST_MAX_INPUT_LEN, &path, &bytes, error))
            return FALSE;
        if (path == NULL)
            return TRUE;
        add_input (self, path, bytes);
    }
}

static gboolean
collect_files (Run *run, Collecting *self, const ScriptStep *step, GError **error)
{
    g_auto(GStrv) files = scripted_files (step);

    for (gsize i = 0; files && files[i]; i++) {
        g_autoptr(GBytes) bytes = file_read (files[i], ATTEST_MAX_INPUT_LEN, error);
        if (bytes == NULL)
            return FALSE;
        add_input (self, files[i], bytes);
    }
    return files != NULL || collect_asked (run, self, error);
}

/* The request's DER, where it is made already: the attested key must be its key. */
static gboolean
read_request (Run *run, GBytes **der, GError **error)
{
    g_autofree char *path = g_build_filename (run->folder, "key", "request.csr", NULL);
    g_autoptr(GBytes) pem = NULL;
    unsigned char *data = NULL;
    BIO *bio;
    X509_REQ *request;
    int len;

    *der = NULL;
    if (run_last_event (run, "request.made") == NULL)
        return TRUE;
    if ((pem = file_read (path, 256 * 1024, error)) == NULL)
        return FALSE;
    bio = BIO_new_mem_buf (g_bytes_get_data (pem, NULL), (int) g_bytes_get_size (pem));
    request = PEM_read_bio_X509_REQ (bio, NULL, NULL, NULL);
    len = request ? i2d_X509_REQ (request, &data) : -1;
    BIO_free (bio);
    X509_REQ_free (request);
    if (len <= 0)
        return crypto_fail (error, "reading the request again");
    *der = g_bytes_new (data, (gsize) len);
    OPENSSL_free (data);
    return TRUE;
}

/* That the TPM opened a credential ties its keys together; whether it found what the witness had sealed, verify knows when the witness has disclosed that. */
static void
add_activation (Run *run, AttestAnchors *anchors)
{
    const Event *activated = run_last_event (run, "credential.activated");
    g_autoptr(GBytes) name = activated ? hex_decode (cjson_str (activated->data, "ak_name", NULL), NULL) : NULL;
    g_autoptr(GBytes) ek = activated ? hex_decode (cjson_str (activated->data, "ek_spki_sha256", NULL), NULL) : NULL;

    if (name && ek && g_bytes_get_size (ek) == SHA256_LEN)
        attest_anchors_add_activation (anchors, name, g_bytes_get_data (ek, NULL));
}

/* As verify will judge it: by the vendors' keys that come with the program and those of the trust folder. NULL without @error: a file can't be read as anything. */
static AttestResult *
judge (Run *run, const Collecting *self, GError **unreadable, GError **error)
{
    g_autofree char *path = attest_anchors_default_path (), *folder = run->setup->trust_dir ? g_build_filename (run->setup->trust_dir, "vendor", NULL) : NULL;
    g_autoptr(AttestAnchors) anchors = attest_anchors_load_with (path, folder, error);
    g_autoptr(GBytes) spki = anchors ? token_key_spki (run->key, error) : NULL, request = NULL;
    guint8 digest[SHA256_LEN];

    if (spki == NULL || !read_request (run, &request, error))
        return NULL;
    sha256 (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), digest);
    add_activation (run, anchors);
    attest_anchors_set_time (anchors, clock_wall_ms ());
    return attest_verify (self->inputs, request, digest, self->challenge, anchors, unreadable);
}

static char *
result_text (const AttestResult *result, const Collecting *self)
{
    GString *text = g_string_new (NULL);

    g_string_append_printf (text, "%s: %s\n\n", result->genuine ? "Genuine" : "REFUSED", result->reason);
    if (result->vendor)
        g_string_append_printf (text, "Vendor         %s\n", result->vendor);
    if (result->authentic && result->model)
        g_string_append_printf (text, "Model          %s\n", result->model);
    if (result->authentic && result->serial)
        g_string_append_printf (text, "Serial number  %s\n", result->serial);
    if (result->challenge != ATTEST_NULL)
        g_string_append_printf (text, "Challenge      %s\n", result->challenge ? "it answers this ceremony's" : "it answers another one");
    g_string_append (text, "\nFiles:\n");
    for (guint i = 0; i < self->inputs->len; i++)
        g_string_append_printf (text, "  %s\n", ((const AttestInput *) g_ptr_array_index (self->inputs, i))->name);
    return g_string_free (text, FALSE);
}

/* Files that nobody can read as anything are left away: those that people gave first, then the device's own. */
static void
drop_unreadable (Run *run, Collecting *self, const GError *unreadable)
{
    if (self->inputs->len == self->from_device)
        self->from_device = 0;
    g_ptr_array_set_size (self->inputs, (gint) self->from_device);
    screen_say (run, MOOD_ERROR, "%s. It is left away; give the right files.", unreadable->message);
}

/* 1: the result stands, 0: more files are to come, -1 error. */
static int
accepted (Run *run, const Collecting *self, const AttestResult *result, GError **error)
{
    static const char *const choices[] = { "Keep it as it is: the reviewer decides", "Add more files", NULL };
    g_autofree char *text = result_text (result, self);
    int choice;

    if (self->inputs->len == 0) {
        screen_say (run, MOOD_NORMAL, "There is no evidence of the vendor's: where the key was born is the module's word, and the witness's.");
        return 1;
    }
    if (!run_page (run, "What the device says of the key", text, NULL, error))
        return -1;
    if (result->genuine)
        return 1;
    choice = run_ask_choice (run, "attest.refused", "operator", "The evidence isn't sufficient", result->reason, choices, error);
    return choice < 0 ? -1 : choice == 0;
}

static gboolean
keep (Run *run, const Collecting *self, const AttestResult *result, GError **error)
{
    g_autoptr(json_t) files = json_array ();

    for (guint i = 0; i < self->inputs->len; i++) {
        const AttestInput *input = g_ptr_array_index (self->inputs, i);
        g_autofree char *hash = sha256_hex (g_bytes_get_data (input->bytes, NULL), g_bytes_get_size (input->bytes));
        if (!act_write_in (run, "key/attestation", input->name, input->bytes, error))
            return FALSE;
        json_array_append_new (files, json_pack ("{s:s,s:s}", "name", input->name, "sha256", hash));
    }
    return run_event (run, "attestation.read", "appliance", json_pack ("{s:O,s:o}", "files", files, "result", attest_result_json (result)), error);
}

GPtrArray *
act_evidence_files (Run *run, GError **error)
{
    const Event *read = run_last_event (run, "attestation.read");
    g_autoptr(GPtrArray) inputs = attest_inputs_new ();
    const json_t *file;
    gsize i;

    json_array_foreach (json_object_get (read ? read->data : NULL, "files"), i, file) {
        const char *name = cjson_str (file, "name", NULL);
        g_autofree char *path = g_build_filename (run->folder, "key", "attestation", name, NULL), *hash = NULL;
        g_autoptr(GBytes) bytes = file_read (path, ATTEST_MAX_INPUT_LEN, error);
        if (bytes == NULL)
            return NULL;
        hash = sha256_hex (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
        if (g_strcmp0 (hash, cjson_str (file, "sha256", NULL)) != 0) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "%s was changed since it was collected: note the deviation, and abort", path);
            return NULL;
        }
        g_ptr_array_add (inputs, attest_input_new (name, bytes));
    }
    return g_steal_pointer (&inputs);
}

static gboolean
collect_and_judge (Run *run, Collecting *self, const ScriptStep *step, GError **error)
{
    if (!collect_device (run, self, error) || !collect_files (run, self, step, error))
        return FALSE;
    for (;;) {
        g_autoptr(GError) unreadable = NULL, failed = NULL;
        g_autoptr(AttestResult) result = judge (run, self, &unreadable, &failed);
        int stands = 0;
        if (result == NULL && unreadable == NULL) {
            g_propagate_error (error, g_steal_pointer (&failed));
            return FALSE;
        }
        if (result == NULL)
            drop_unreadable (run, self, unreadable);
        else if ((stands = accepted (run, self, result, error)) < 0)
            return FALSE;
        if (stands)
            return keep (run, self, result, error);
        if (!collect_asked (run, self, error))
            return FALSE;
    }
}

gboolean
act_attest (Run *run, const ScriptStep *step, GError **error)
{
    const char *ak = g_hash_table_lookup (step->with, "ak");
    g_auto(Collecting) self = { 0 };

    if (run_step_event (run, "attestation.read"))
        return TRUE;
    self.ak = ak ? (guint32) strtoul (ak, NULL, 16) : 0;
    self.files = token_files_new ();
    self.inputs = attest_inputs_new ();
    self.taken = names_new ();
    if ((self.challenge = run_challenge (run, error)) == NULL || !run_need_key (run, error))
        return FALSE;
    self.qualifying = attest_challenge_qualifying (self.challenge);
    return collect_and_judge (run, &self, step, error);
}
