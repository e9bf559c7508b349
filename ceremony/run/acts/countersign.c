/* The signing service countersigns the request (CSBR 6.2.7.4.2 method 7): on its own machine, from where the files come back, or here where the policy lets its key do so. */
#include "ceremony/bundle/countersignature.h"
#include "ceremony/bundle/trust.h"
#include "ceremony/run/acts/acts.h"
#include "ceremony/run/recorder.h"
#include <string.h>

#define SIGNATURE_NAME "request.p7s"
#define DECLARATION_NAME "declaration.json"

typedef struct {
    GBytes  *request, *signature, *declaration;
    Cades   *cades;                             /* judged */
    json_t  *json;                              /* the declaration, judged */
    Secret  *pin;
    const char *how;
} Countersigning;

static void
forget_files (Countersigning *self)
{
    g_clear_pointer (&self->signature, g_bytes_unref);
    g_clear_pointer (&self->declaration, g_bytes_unref);
    g_clear_pointer (&self->cades, cades_free);
    g_clear_pointer (&self->json, json_decref);
}

static void
countersigning_clear (Countersigning *self)
{
    forget_files (self);
    g_clear_pointer (&self->request, g_bytes_unref);
    g_clear_pointer (&self->pin, secret_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Countersigning, countersigning_clear)

/* Genuine, of this request, with the declaration that was signed. */
static gboolean
judge (Countersigning *self, GError **error)
{
    self->cades = countersignature_open (self->request, self->signature, error);
    self->json = self->cades ? countersignature_declaration (self->cades, self->request, self->declaration, error) : NULL;
    return self->json != NULL;
}

/* ── here ── */

static gboolean
key_file_at_hand (const Run *run)
{
    return run->policy->local_countersignature == SEAL_KEY_FILE && run->setup->rehearsal && run->setup->service_key;
}

static gboolean
signer_at_hand (const Run *run)
{
    return run->setup->service_facts && (key_file_at_hand (run) || (run->policy->local_countersignature != SEAL_NEVER && run->setup->service_token));
}

static gboolean
call_countersign (Run *run, gpointer data, GError **error)
{
    Countersigning *self = data;
    const char *path = run->setup->service_facts;
    g_autoptr(GBytes) bytes = file_read (path, DECLARATION_MAX, error);
    g_autoptr(json_t) facts = bytes ? declaration_facts (path, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error) : NULL;

    if (facts && run->service == NULL)
        run->service = key_file_at_hand (run) ? signer_load_file (run->setup->service_key, self->pin, error)
                                              : signer_load_token (run->setup->service_token, run->setup->module_path, self->pin, error);
    return facts && run->service && countersign (self->request, facts, run->service, NULL, &self->signature, &self->declaration, error);
}

static gboolean
is_wrong_pin (const GError *failed)
{
    return g_error_matches (failed, TOKEN_ERROR, TOKEN_ERROR_PIN_WRONG) || g_error_matches (failed, BASE_ERROR, BASE_ERROR_REFUSED);
}

static gboolean
countersign_here (Run *run, Countersigning *self, GError **error)
{
    for (;;) {
        g_autoptr(GError) failed = NULL;
        g_clear_pointer (&self->pin, secret_free);
        if (!key_file_at_hand (run) && run->service == NULL
            && (self->pin = run_ask_pin (run, "pin.service", "The PIN of the signing service's token", "It is neither shown nor recorded.", error)) == NULL)
            return FALSE;
        if (run_token_call (run, "The signing service countersigns the request", call_countersign, self, &failed))
            return judge (self, error);
        if (run->stop != STOP_NONE || self->pin == NULL || !is_wrong_pin (failed)) {
            g_propagate_prefixed_error (error, g_steal_pointer (&failed), "the request was not countersigned: ");
            return FALSE;
        }
        screen_say (run, MOOD_ERROR, "%s", failed->message);
    }
}

/* ── elsewhere ── */

static gboolean
read_folder (Countersigning *self, const char *folder, GError **error)
{
    g_autofree char *signature = g_build_filename (folder, SIGNATURE_NAME, NULL), *declaration = g_build_filename (folder, DECLARATION_NAME, NULL);

    self->signature = file_read (signature, CADES_MAX_LEN, error);
    self->declaration = self->signature ? file_read (declaration, DECLARATION_MAX, error) : NULL;
    return self->declaration != NULL && judge (self, error);
}

/* The folder that the files came in; asked for again until they are right. A script may name it: then the operator says when they are there. */
static gboolean
bring_files (Run *run, Countersigning *self, const ScriptStep *step, GError **error)
{
    const char *scripted = g_hash_table_lookup (step->with, "folder");
    g_autofree char *detail = g_strdup_printf ("The request is %s/key/request.csr. On the signing service's machine: `ceremony countersign request.csr --declaration FACTS …`; it gives "
                                               SIGNATURE_NAME " and " DECLARATION_NAME ".", run->folder);

    for (;;) {
        g_autoptr(GError) failed = NULL;
        g_autofree char *folder = run_ask_text (run, "countersign.folder", "operator", "The folder with the signing service's files", detail, scripted ? scripted : "", FALSE, error);
        if (folder == NULL)
            return FALSE;
        forget_files (self);
        if (read_folder (self, folder, &failed))
            return TRUE;
        screen_say (run, MOOD_ERROR, "%s", failed->message);
    }
}

/* ── both ── */

/* 1: believed, or nobody is asked here whom to believe; 0: not, and the operator wants other files; -1 error. */
static int
accepted (Run *run, const Countersigning *self, GError **error)
{
    static const char *const choices[] = { "Keep it as it is: the reviewer decides", "Give other files", NULL };
    g_autoptr(GError) unread = NULL;
    g_autoptr(Trust) trust = run->setup->trust_dir ? trust_load (run->setup->trust_dir, &unread) : NULL;
    g_autofree char *why = NULL;
    int choice;

    if (trust == NULL || trust_judge (trust, "service", self->cades->signer, self->cades->certificates, self->cades->signing_time, &why))
        return 1;
    choice = run_ask_choice (run, "countersign.refused", "operator", "The CA doesn't believe this signing service", why, choices, error);
    return choice < 0 ? -1 : choice == 0;
}

static const char *
fact (const Countersigning *self, const char *group, const char *name)
{
    const char *text = cjson_str (json_object_get (self->json, group), name, NULL);

    return text ? text : "-";
}

static gboolean
show (Run *run, const Countersigning *self, GError **error)
{
    static const char *const shown[][3] = {
        { "Service", "service", "name" }, { "Operated by", "service", "operator" }, { "Country", "service", "country" }, { "Authentication", "authentication", "kind" },
        { "", "authentication", "description" }, { "Module", "module", "vendor" }, { "", "module", "model" }, { "Certified to", "module", "scheme" }, { "Level", "module", "level" },
        { "Certificate", "module", "certificate" }, { "Subscribers apart", "isolation", "kind" }, { "", "isolation", "description" }, { "Audit", "audit", "criteria" },
        { "Auditor", "audit", "auditor" }, { "Until", "audit", "period_to" }, { "Redundancy", "redundancy", "kind" }, { "", "redundancy", "description" },
        { "Recovery", "recovery", "kind" }, { "", "recovery", "description" },
    };
    g_autofree char *subject = signer_subject (self->cades->signer), *at = clock_format (self->cades->signing_time);
    g_autoptr(GString) text = g_string_new (NULL);

    g_string_append_printf (text, "%-18s %s\n%-18s %s\n\n", "Signed by", subject, "at", at);
    for (gsize i = 0; i < G_N_ELEMENTS (shown); i++)
        g_string_append_printf (text, "%-18s %s\n", shown[i][0], fact (self, shown[i][1], shown[i][2]));
    return run_page (run, "What the signing service declares", text->str, NULL, error);
}

static gboolean
keep (Run *run, const Countersigning *self, GError **error)
{
    json_t *data = countersignature_describe (self->cades, self->json, self->signature, self->declaration);

    json_object_set_new (data, "how", json_string (self->how));
    if (!act_write_in (run, "key", SIGNATURE_NAME, self->signature, error) || !act_write_in (run, "key", DECLARATION_NAME, self->declaration, error)) {
        json_decref (data);
        return FALSE;
    }
    if (!run_event (run, "request.countersigned", "appliance", data, error))
        return FALSE;
    screen_say (run, MOOD_NORMAL, "%s countersigned the request.", fact (self, "service", "name"));
    return TRUE;
}

/* Where a signer is at hand the operator says whether it is used. 1 here, 0 elsewhere, -1 error. */
static int
ask_how (Run *run, GError **error)
{
    static const char *const choices[] = { "Here, with the signing service's key", "Elsewhere: the files are brought back", NULL };
    int choice = signer_at_hand (run) ? run_ask_choice (run, "countersign.how", "operator", "Where does the signing service countersign?", "", choices, error) : 1;

    return choice < 0 ? -1 : choice == 0;
}

gboolean
act_countersign (Run *run, const ScriptStep *step, GError **error)
{
    g_autofree char *path = g_build_filename (run->folder, "key", "request.csr", NULL);
    g_auto(Countersigning) self = { 0 };
    int here, good = 0;

    if (run_step_event (run, "request.countersigned"))
        return TRUE;
    if ((self.request = file_read (path, COUNTERSIGN_MAX_REQUEST, error)) == NULL || (here = ask_how (run, error)) < 0)
        return FALSE;
    self.how = here ? "here" : "brought";
    while (good == 0) {
        forget_files (&self);
        if (here ? !countersign_here (run, &self, error) : !bring_files (run, &self, step, error))
            return FALSE;
        good = accepted (run, &self, error);
        here = here && good != 0;
        self.how = here ? "here" : "brought";
    }
    return good > 0 && show (run, &self, error) && keep (run, &self, error);
}
