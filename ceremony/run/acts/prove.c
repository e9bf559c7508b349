/* Acts in which the new key signs: possession, the request, and possession again after the token was pulled out and put back. */
#include "ceremony/attest/request.h"
#include "ceremony/run/acts/acts.h"

gboolean
act_prove (Run *run, const ScriptStep *step, GError **error)
{
    g_autoptr(GBytes) challenge = run_challenge (run, error), nonce = NULL;
    guint8 fresh[16];

    if (run_step_event (run, "possession.proved"))
        return TRUE;
    if (challenge == NULL || !run_need_key (run, error))
        return FALSE;
    random_bytes (fresh, sizeof fresh);
    nonce = run_count_events (run, "possession.proved") == 0 ? g_bytes_ref (challenge) : g_bytes_new (fresh, sizeof fresh);
    if (!run_prove (run, nonce, error))
        return FALSE;
    screen_say (run, MOOD_NORMAL, "The key signed the challenge and the checkpoint, and the signature is good.");
    return TRUE;
}

/* What the script wants in the request of the evidence that was collected: @carrying stays NULL where there is none, or none that the form can hold. */
static gboolean
carry_evidence (Run *run, const ScriptStep *step, X509_REQ **carrying, RequestForm *form, GError **error)
{
    const char *word = g_hash_table_lookup (step->with, "attestation");
    g_autoptr(GError) missing = NULL;
    g_autoptr(GPtrArray) inputs = NULL;
    g_autoptr(GBytes) spki = NULL;

    *form = word ? (RequestForm) MAX (request_form (word), 0) : REQUEST_PLAIN;
    if (*form == REQUEST_PLAIN)
        return TRUE;
    if ((inputs = act_evidence_files (run, error)) == NULL || (spki = token_key_spki (run->key, error)) == NULL)
        return FALSE;
    *carrying = request_carrying (*form, inputs, spki, &missing);
    if (*carrying == NULL)
        screen_say (run, MOOD_WARNING, "%s. It is made without.", missing->message);
    return TRUE;
}

static gboolean
make_request (Run *run, const ScriptStep *step, GError **error)
{
    X509_REQ *carrying = NULL;
    RequestForm form;
    gboolean ok = run_need_key (run, error) && carry_evidence (run, step, &carrying, &form, error)
                  && run_request (run, carrying, carrying ? request_form_word (form) : NULL, error);

    X509_REQ_free (carrying);
    return ok;
}

gboolean
act_request (Run *run, const ScriptStep *step, GError **error)
{
    g_autofree char *detail = NULL;
    const char *attestation;

    if (!run_step_event (run, "request.made") && !make_request (run, step, error))
        return FALSE;
    attestation = cjson_str (run_step_event (run, "request.made")->data, "attestation", NULL);
    detail = g_strdup_printf ("Name in the request: %s\nKey: %s, label %s%s%s", run->subject, run->algorithm, run->label, attestation ? "\nIt carries the device's evidence: " : "",
                              attestation ? attestation : "");
    return run_continue (run, "request", "The certificate request is made. Compare the name.", detail, error);
}

/* ── unplug ── */

typedef struct { gboolean out; GCancellable *cancel; json_t *observed; } Watching;

static gboolean
call_watch (Run *run, gpointer data, GError **error)
{
    Watching *watching = data;
    gboolean (*wait) (Token *, guint, GCancellable *, json_t **, GError **) = watching->out ? token_wait_removed : token_wait_returned;

    return wait (run->token, 10 * 60 * 1000, watching->cancel, &watching->observed, error);
}

static char *
first_serial (Run *run)
{
    const json_t *serial = json_object_get (json_object_get (run_last_event (run, "token.found")->data, "token"), "serial");

    return g_strdup (json_is_string (serial) ? json_string_value (serial) : "");
}

static gboolean
watch (Run *run, gboolean out, GError **error)
{
    g_autoptr(GCancellable) cancel = g_cancellable_new ();
    g_autofree char *serial = first_serial (run);
    Watching watching = { out, cancel, NULL };
    Question question = { .kind = ASK_CONTINUE, .id = out ? "unplug.out" : "unplug.in", .role = "operator", .initial = "",
                          .title = out ? "Pull the token out now" : "Hold the token before the camera, then put it back",
                          .detail = "The program notices it by itself. Enter gives up waiting." };
    gboolean ok;

    recorder_mark_camera (run->recorder, TRUE);
    ok = run_token_wait (run, &question, cancel, call_watch, &watching, error);
    recorder_mark_camera (run->recorder, FALSE);
    if (!ok) {
        g_clear_pointer (&watching.observed, json_decref);
        g_prefix_error (error, out ? "the token was not seen to be pulled out: " : "the token did not come back: ");
        return FALSE;
    }
    return run_event (run, out ? "token.removed" : "token.returned", "appliance", json_pack ("{s:o,s:s}", "observed", watching.observed, "serial", serial), error);
}

/* Pulled out and put back, within one sitting: where that broke off it is done again. */
static gboolean
unplug (Run *run, GError **error)
{
    const Event *removed = run_step_event (run, "token.removed"), *returned = run_step_event (run, "token.returned");

    if (returned != NULL && (removed == NULL || returned->seq > removed->seq))
        return TRUE;
    if (!run_need_key (run, error)
        || !run_continue (run, "unplug.ready", "Wait for the witness to say \"now\".", "The witness picks the moment. Press Enter when the witness says it, then pull the token out.",
                          error)
        || !watch (run, TRUE, error))
        return FALSE;
    g_clear_pointer (&run->key, token_key_free);
    return watch (run, FALSE, error);
}

static gboolean
after_return (Run *run, const char *type)
{
    const Event *returned = run_step_event (run, "token.returned"), *event = run_step_event (run, type);

    return returned && event && event->seq > returned->seq;
}

gboolean
act_unplug (Run *run, const ScriptStep *step, GError **error)
{
    guint8 fresh[16];
    g_autoptr(GBytes) nonce = NULL;

    if (!unplug (run, error))
        return FALSE;
    if (after_return (run, "attributes.read") && after_return (run, "possession.proved"))
        return TRUE;
    if (!after_return (run, "token.unlocked"))
        screen_say (run, MOOD_NORMAL, "The token is back. Enter the PIN again.");
    if (!run_need_key (run, error) || (!after_return (run, "attributes.read") && !run_read_attributes (run, "unplug", error)))
        return FALSE;
    random_bytes (fresh, sizeof fresh);
    nonce = g_bytes_new (fresh, sizeof fresh);
    return after_return (run, "possession.proved") || run_prove (run, nonce, error);
}
