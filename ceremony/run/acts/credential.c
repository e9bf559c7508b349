/* The act that ties the TPM's attestation key to its endorsement certificate: the witness seals a secret to both keys on a machine of their own, the TPM here opens it, and
 * what it found goes into the journal. What was sealed the witness discloses with the statement, so that verify can compare. A witness without a committed secret types
 * words here, and the program makes the credential itself: that shows no more than that this program did so, and the event says that it was so. */
#include "ceremony/attest/credential.h"
#include "ceremony/run/acts/acts.h"
#include "ceremony/run/rehearsal.h"
#include "ceremony/token/evidence.h"
#include <stdlib.h>
#include <string.h>

#define REQUEST_NAME "credential-request.json"

typedef struct {
    guint32            ak;
    GPtrArray         *files;                   /* TokenFile: what the TPM shows of itself */
    CredentialRequest *request;
    GBytes            *id_object, *shared, *recovered;
} Credential;

static void
credential_clear (Credential *self)
{
    g_clear_pointer (&self->files, g_ptr_array_unref);
    g_clear_pointer (&self->request, credential_request_free);
    g_clear_pointer (&self->id_object, g_bytes_unref);
    g_clear_pointer (&self->shared, g_bytes_unref);
    g_clear_pointer (&self->recovered, g_bytes_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Credential, credential_clear)

static gboolean
call_identity (Run *run, gpointer data, GError **error)
{
    Credential *self = data;

    return token_tpm_identity (self->ak, self->files, error);
}

static gboolean
call_activate (Run *run, gpointer data, GError **error)
{
    Credential *self = data;

    self->recovered = token_tpm_activate (self->ak, self->request->ek_certificate, self->id_object, self->shared, error);
    return self->recovered != NULL;
}

/* The first of the TPM's files whose name begins so. */
static GBytes *
file_named (const Credential *self, const char *prefix)
{
    for (guint i = 0; i < self->files->len; i++) {
        const TokenFile *file = g_ptr_array_index (self->files, i);
        if (g_str_has_prefix (file->name, prefix))
            return file->bytes;
    }
    return NULL;
}

/* credential.asked: for which keys. Without an endorsement certificate there is nothing that a credential could be sealed to: the event says so by null. */
static gboolean
tell_asked (Run *run, const Credential *self, GError **error)
{
    const CredentialRequest *request = self->request;
    g_autofree char *name = request ? hex_encode (g_bytes_get_data (request->ak_name, NULL), g_bytes_get_size (request->ak_name)) : NULL;
    g_autofree char *ek = request ? hex_encode (request->ek_spki_sha256, SHA256_LEN) : NULL;
    const Event *before = run_step_event (run, "credential.asked");

    if (before && g_strcmp0 (cjson_str (before->data, "ak_name", NULL), name) == 0 && g_strcmp0 (cjson_str (before->data, "ek_spki_sha256", NULL), ek) == 0)
        return TRUE;
    return run_event (run, "credential.asked", "appliance", json_pack ("{s:s?,s:s?}", "ak_name", name, "ek_spki_sha256", ek), error);
}

static gboolean
ask_tpm (Run *run, Credential *self, GError **error)
{
    g_autofree char *path = g_build_filename (run->folder, REQUEST_NAME, NULL), *text = NULL;
    g_autoptr(json_t) json = NULL;

    if (!run_token_call (run, "Asking the TPM for its keys", call_identity, self, error))
        return FALSE;
    if (file_named (self, "tpm-ek") == NULL) {
        screen_say (run, MOOD_WARNING, "This TPM holds no endorsement certificate: no credential can be sealed to it. Its attestation key must be one that the CA has enrolled.");
        return tell_asked (run, self, error);
    }
    self->request = credential_request_new (run->id, file_named (self, "tpm-ek"), file_named (self, "tpm-ak"), error);
    if (self->request == NULL || !tell_asked (run, self, error))
        return FALSE;
    json = credential_request_json (self->request);
    text = cjson_encode (json, error);
    return text && file_write (path, text, strlen (text), 0600, TRUE, error);
}

/* Has the TPM open @file. FALSE without @error: it doesn't, and the screen says why. */
static gboolean
open_credential (Run *run, Credential *self, GBytes *file, GError **error)
{
    g_autoptr(GError) failed = NULL;

    g_clear_pointer (&self->id_object, g_bytes_unref);
    g_clear_pointer (&self->shared, g_bytes_unref);
    if (credential_read (file, &self->id_object, &self->shared, &failed) && run_token_call (run, "The TPM opens the credential", call_activate, self, &failed))
        return TRUE;
    if (run->stop != STOP_NONE)
        return run_stopped (run, error);
    screen_say (run, MOOD_ERROR, "%s", failed->message);
    return FALSE;
}

static gboolean
tell_activated (Run *run, const Credential *self, const char *typed, GBytes *file, GError **error)
{
    const CredentialRequest *request = self->request;
    g_autofree char *name = hex_encode (g_bytes_get_data (request->ak_name, NULL), g_bytes_get_size (request->ak_name)), *ek = hex_encode (request->ek_spki_sha256, SHA256_LEN);
    g_autofree char *hash = sha256_hex (g_bytes_get_data (file, NULL), g_bytes_get_size (file));
    g_autofree char *recovered = hex_encode (g_bytes_get_data (self->recovered, NULL), g_bytes_get_size (self->recovered));
    json_t *data = json_pack ("{s:s,s:s,s:s,s:s,s:s}", "source", typed ? "words" : "secret", "ak_name", name, "ek_spki_sha256", ek, "credential_sha256", hash, "recovered", recovered);

    if (typed)
        json_object_set_new (data, "typed", json_string (typed));
    if (!run_event (run, "credential.activated", "appliance", data, error))
        return FALSE;
    screen_say (run, MOOD_NORMAL, "The TPM opened the credential: the attestation key lives in the TPM of this endorsement certificate.");
    return TRUE;
}

/* The witness's file, until the TPM opens one, or none comes. */
static gboolean
by_secret (Run *run, Credential *self, GError **error)
{
    g_autofree char *request = g_build_filename (run->folder, REQUEST_NAME, NULL), *rehearsed = rehearsal_credential (run->setup, self->request);
    g_autofree char *detail = g_strdup_printf ("Hand the witness %s, who makes the credential from it on their own machine: `ceremony challenge credential --secret-file SECRET "
                                               "--request FILE -o FILE`. Enter the path of the file that comes back. Enter alone: none comes.", request);

    for (;;) {
        g_autoptr(GError) failed = NULL;
        g_autoptr(GBytes) file = NULL;
        g_autofree char *path = run_ask_text (run, "credential.file", "operator", "Which file holds the witness's credential?", detail, rehearsed ? rehearsed : "", TRUE, error);
        if (path == NULL)
            return FALSE;
        if (path[0] == '\0') {
            screen_say (run, MOOD_WARNING, "Without a credential nothing ties the TPM's attestation key to its endorsement certificate.");
            return TRUE;
        }
        if ((file = file_read (path, CREDENTIAL_MAX_LEN, &failed)) == NULL)
            screen_say (run, MOOD_ERROR, "%s", failed->message);
        else if (open_credential (run, self, file, &failed))
            return tell_activated (run, self, NULL, file, error);
        else if (run->stop != STOP_NONE) {
            g_propagate_error (error, g_steal_pointer (&failed));
            return FALSE;
        }
    }
}

/* The witness is here and has no committed secret: their own words, and the credential is made by this program. */
static gboolean
by_words (Run *run, Credential *self, GError **error)
{
    guint8 seed[32], secret[CREDENTIAL_SECRET_LEN];
    g_autofree char *words = NULL;
    g_autoptr(GBytes) file = NULL;

    for (;;) {
        g_autoptr(GError) wrong = NULL;
        g_free (words);
        words = run_ask_text (run, "credential.own", "witness", "The witness's own words for the TPM, other ones than for the challenge",
                              "At least five words, 20 letters together, by dice or chosen now. They are sealed to the TPM's keys, and it must find them again.", "", FALSE, error);
        if (words == NULL)
            return FALSE;
        if (challenge_seed_from_words (words, seed, &wrong))
            break;
        screen_say (run, MOOD_WARNING, "%s", wrong->message);
    }
    credential_secret (seed, run->id, self->request->ek_spki_sha256, self->request->ak_name, secret);
    file = credential_make (self->request->ek, self->request->ak_name, secret, error);
    if (file == NULL)
        return FALSE;
    if (open_credential (run, self, file, error))
        return tell_activated (run, self, words, file, error);
    return run->stop == STOP_NONE;
}

gboolean
act_credential (Run *run, const ScriptStep *step, GError **error)
{
    const char *ak = g_hash_table_lookup (step->with, "ak");
    g_auto(Credential) self = { .ak = ak ? (guint32) strtoul (ak, NULL, 16) : 0, .files = token_files_new () };
    gboolean secret = json_is_string (json_object_get (journal_event (run->journal, 0)->data, "challenge_commitment"));

    if (run_step_event (run, "credential.activated"))
        return TRUE;
    if (!run_need_token (run, error) || !ask_tpm (run, &self, error))
        return FALSE;
    return self.request == NULL || (secret ? by_secret : by_words) (run, &self, error);
}
