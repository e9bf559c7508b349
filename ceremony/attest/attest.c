/* The table of vendors, the choice among claims, the match with the request, and the answer's JSON; see attest.h. */
#include "ceremony/attest/vendor.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <openssl/err.h>
#include <string.h>

static const AttestVendor vendors[] = {
    { "yubikey-piv", "Yubico", yubikey_collect },
    { "yubihsm2", "Yubico", yubihsm_collect },
    { "luna", "Thales", luna_collect },
    { "marvell", "Google Cloud HSM", marvell_collect },
    { "securosys", "Securosys", securosys_collect },
    { "tpm2", "TPM 2.0", tpm_collect },
};

AttestInput *
attest_input_new (const char *name, GBytes *bytes)
{
    AttestInput *self = g_new0 (AttestInput, 1);
    self->name = g_strdup (name);
    self->bytes = g_bytes_ref (bytes);
    return self;
}

void
attest_input_free (AttestInput *self)
{
    if (!self)
        return;
    g_free (self->name);
    g_bytes_unref (self->bytes);
    g_free (self);
}

GPtrArray *
attest_inputs_new (void)
{
    return g_ptr_array_new_with_free_func ((GDestroyNotify) attest_input_free);
}

void
attest_result_free (AttestResult *self)
{
    if (!self)
        return;
    g_free (self->reason);
    g_free (self->model);
    g_free (self->serial);
    g_free (self->firmware);
    g_clear_pointer (&self->spki, g_bytes_unref);
    json_decref (self->details);
    g_free (self);
}

static AttestResult *
result_new (void)
{
    AttestResult *self = g_new0 (AttestResult, 1);
    self->genuine = TRUE;
    self->exportable = self->matches_csr = self->challenge = ATTEST_NULL;
    self->details = json_object ();
    return self;
}

/* What kind of key it is: no judgement of its strength. X25519 and X448 agree on keys, they sign nothing. */
static void
note_key (AttestResult *claim)
{
    const guint8 *p = g_bytes_get_data (claim->spki, NULL);
    EVP_PKEY *key = d2i_PUBKEY (NULL, &p, (long) g_bytes_get_size (claim->spki));
    if (key) {
        claim_set_str (claim, "algorithm", OBJ_nid2sn (EVP_PKEY_get_base_id (key)));
        claim_set (claim, "bits", json_integer (EVP_PKEY_get_bits (key)));
        if (EVP_PKEY_get_base_id (key) == EVP_PKEY_X25519 || EVP_PKEY_get_base_id (key) == EVP_PKEY_X448)
            claim_refuse (claim, "the key can't sign (it is one for key agreement): it is no signing key");
    } else {
        claim_set_str (claim, "algorithm", NULL);
        claim_refuse (claim, "the attested key can't be read: it is of no kind that signs, or is malformed");
    }
    EVP_PKEY_free (key);
    ERR_clear_error ();
}

AttestResult *
claim_new (AttestJob *job, const char *kind, const char *vendor, GBytes *spki, const char *file)
{
    AttestResult *claim = result_new ();
    claim->kind = kind;
    claim->vendor = vendor;
    g_ptr_array_add (job->claims, claim);
    claim_set_str (claim, "kind", kind);
    claim_set_str (claim, "file", file);
    claim_set (claim, "anomalies", json_array ());
    if (spki) {
        claim->spki = g_bytes_ref (spki);
        note_key (claim);
    }
    return claim;
}

void
claim_refuse (AttestResult *claim, const char *format, ...)
{
    if (!claim->genuine)
        return;
    va_list args;
    va_start (args, format);
    claim->genuine = FALSE;
    claim->reason = g_strdup_vprintf (format, args);
    va_end (args);
}

void
claim_anomaly (AttestResult *claim, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *text = g_strdup_vprintf (format, args);
    va_end (args);
    g_autofree char *valid = g_utf8_make_valid (text, -1);
    json_array_append_new (json_object_get (claim->details, "anomalies"), json_string (valid));
}

void
claim_set (AttestResult *claim, const char *key, json_t *value)
{
    json_object_set_new (claim->details, key, value ? value : json_null ());
}

void
claim_set_str (AttestResult *claim, const char *key, const char *value)
{
    g_autofree char *valid = value ? g_utf8_make_valid (value, -1) : NULL;
    claim_set (claim, key, valid ? json_string (valid) : json_null ());
}

gboolean
claim_chain (AttestJob *job, AttestResult *claim, const AttestCert *leaf, const ChainRules *rules, Chain *chain)
{
    g_autofree char *why = NULL;
    if (!chain_find (job->evidence, leaf, job->anchors, rules, chain, &why)) {
        claim_refuse (claim, "%s", why);
        /* It comes before what the evidence says of itself, which nobody has vouched for. */
        g_free (claim->reason);
        claim->reason = g_steal_pointer (&why);
        return FALSE;
    }
    json_t *path = json_array ();
    for (guint i = 0; i < chain->path->len; i++)
        json_array_append_new (path, json_string (((AttestCert *) chain->path->pdata[i])->subject));
    if (chain->path->len && !g_str_equal (((AttestCert *) chain->path->pdata[chain->path->len - 1])->subject, chain->anchor->name))
        json_array_append_new (path, json_string (chain->anchor->name));
    claim_set (claim, "chain", path);
    claim_set_str (claim, "anchor", chain->anchor->name);
    for (guint i = 0; i < chain->exceptions->len; i++)
        claim_anomaly (claim, "%s", (char *) chain->exceptions->pdata[i]);
    return claim->authentic = TRUE;
}

/* A CA's own rules, from vendors.yaml. */
static gboolean
strikes (const AttestDeny *deny, const AttestResult *claim)
{
    if (deny->use && !g_str_equal (deny->use, claim->kind))
        return FALSE;
    if ((deny->firmware_from || deny->firmware_to) && !claim->firmware)
        return TRUE;
    if ((deny->firmware_from && firmware_compare (claim->firmware, deny->firmware_from) < 0) ||
        (deny->firmware_to && firmware_compare (claim->firmware, deny->firmware_to) > 0))
        return FALSE;
    if (!deny->field)
        return TRUE;
    const json_t *value = json_object_get (claim->details, deny->field);
    g_autofree char *number = json_is_integer (value) ? g_strdup_printf ("%" JSON_INTEGER_FORMAT, json_integer_value (value)) : NULL;
    const char *text = json_is_string (value) ? json_string_value (value) : json_is_boolean (value) ? (json_is_true (value) ? "true" : "false") :
                       number ? number : "null";
    return g_str_equal (text, deny->value);
}

static void
apply_denies (AttestJob *job, AttestResult *claim)
{
    for (guint i = 0; i < job->anchors->denies->len; i++) {
        const AttestDeny *deny = job->anchors->denies->pdata[i];
        if (strikes (deny, claim))
            claim_refuse (claim, "this CA's rules refuse it: %s", deny->reason);
    }
}

static gboolean
has_digest (GBytes *spki, const guint8 *wanted)
{
    guint8 digest[SHA256_LEN];
    sha256 (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), digest);
    return memcmp (digest, wanted, SHA256_LEN) == 0;
}

static gboolean
in_keys (GPtrArray *keys, GBytes *spki)
{
    for (guint i = 0; i < keys->len; i++)
        if (spki_same (keys->pdata[i], spki))
            return TRUE;
    return FALSE;
}

/* Which of the claims is about the key that is asked for: that of the request, of the digest, of a bare public key. With none asked for
 * each is. */
static gboolean
asked_for (const AttestJob *job, const guint8 *digest, const AttestResult *claim)
{
    const Evidence *ev = job->evidence;
    if (!claim->spki)
        return ev->csrs->len == 0 && !digest && ev->keys->len == 0;
    return (ev->csrs->len == 0 || spki_same (((AttestCsr *) ev->csrs->pdata[0])->spki, claim->spki)) &&
           (!digest || has_digest (claim->spki, digest)) && (ev->keys->len == 0 || in_keys (ev->keys, claim->spki));
}

static AttestResult *
take (AttestJob *job, guint i)
{
    return g_ptr_array_steal_index (job->claims, i);
}

/* Of the claims about the key asked for a genuine one, else one of them; with none about it, any, refused. Where nothing was asked for, all
 * must be genuine and about one key: a genuine one lends the others no credit. */
static AttestResult *
choose (AttestJob *job, const guint8 *digest)
{
    int best = -1;
    for (guint i = 0; i < job->claims->len; i++) {
        const AttestResult *claim = job->claims->pdata[i];
        if (asked_for (job, digest, claim) && (best < 0 || (claim->genuine && !((AttestResult *) job->claims->pdata[best])->genuine)))
            best = (int) i;
    }
    gboolean any_key = job->evidence->csrs->len || digest || job->evidence->keys->len;
    if (best >= 0 && any_key) {
        AttestResult *chosen = take (job, (guint) best);
        for (guint i = 0; i < job->claims->len; i++)
            if (!((AttestResult *) job->claims->pdata[i])->genuine)
                claim_anomaly (chosen, "other-evidence-refused: %s", ((AttestResult *) job->claims->pdata[i])->reason);
        return chosen;
    }
    if (best < 0) {
        for (guint i = 0; i < job->claims->len && best < 0; i++)
            if (((AttestResult *) job->claims->pdata[i])->genuine)
                best = (int) i;
        AttestResult *other = take (job, (guint) MAX (best, 0));
        claim_refuse (other, "%s", job->evidence->csrs->len ? "the attested key isn't the request's key" : "the attested key isn't the key that is asked for");
        return other;
    }
    const AttestResult *first = job->claims->pdata[best];
    for (guint i = 0; i < job->claims->len; i++) {
        AttestResult *claim = job->claims->pdata[i];
        if (!claim->genuine)
            return take (job, i);
        if (!spki_same (claim->spki, first->spki)) {
            claim_refuse (claim, "the files attest several keys; give the request too, or the files of one key");
            return take (job, i);
        }
    }
    return take (job, (guint) best);
}

static AttestResult *
nothing_found (const AttestJob *job)
{
    AttestResult *result = result_new ();
    result->genuine = FALSE;
    result->reason = job->leftovers->len ? g_strdup_printf ("there is %s", (char *) job->leftovers->pdata[0]) :
                     job->evidence->certs->len == 0 && job->evidence->csrs->len ? g_strdup ("the request carries no attestation, and none was given beside it") :
                     job->evidence->certs->len ? g_strdup ("none of the certificates is the attestation of a key by a vendor that is known here") :
                     g_strdup ("there is no attestation among the files");
    claim_set (result, "anomalies", json_array ());
    return result;
}

static void
match_request (const Evidence *ev, AttestResult *result)
{
    if (ev->csrs->len == 0)
        return;
    const AttestCsr *csr = ev->csrs->pdata[0];
    result->matches_csr = result->spki && spki_same (csr->spki, result->spki) ? ATTEST_TRUE : ATTEST_FALSE;
    for (guint i = 1; i < ev->csrs->len; i++)
        if (!spki_same (((AttestCsr *) ev->csrs->pdata[i])->spki, csr->spki)) {
            result->matches_csr = ATTEST_FALSE;
            claim_refuse (result, "there are requests for different keys among the files");
        }
    if (!result->matches_csr)
        claim_refuse (result, "the attested key isn't the request's key");
    if (!csr->signature_ok)
        claim_refuse (result, "the request isn't signed by its own key");
}

static void
finish (AttestResult *result)
{
    if (result->genuine)
        result->reason = g_strdup_printf ("%s vouches that the key was generated in this %s%s%s and can't leave it", result->vendor,
                                          result->model ? result->model : "device", result->serial ? ", serial number " : "",
                                          result->serial ? result->serial : "");
}

AttestResult *
attest_verify (GPtrArray *inputs, GBytes *csr, const guint8 *spki_sha256, GBytes *challenge, const AttestAnchors *anchors, GError **error)
{
    g_autoptr (Evidence) ev = evidence_read (inputs, csr, error);
    if (!ev)
        return NULL;
    g_autoptr (GPtrArray) claims = g_ptr_array_new_with_free_func ((GDestroyNotify) attest_result_free);
    g_autoptr (GPtrArray) leftovers = g_ptr_array_new_with_free_func (g_free);
    AttestJob job = { ev, anchors, challenge, claims, leftovers, NULL };
    for (guint i = 0; i < G_N_ELEMENTS (vendors); i++)
        vendors[i].collect (&job);
    if (job.unreadable) {
        g_set_error_literal (error, BASE_ERROR, BASE_ERROR_FORMAT, job.unreadable);
        g_free (job.unreadable);
        return NULL;
    }
    for (guint i = 0; i < claims->len; i++)
        apply_denies (&job, claims->pdata[i]);
    AttestResult *result = claims->len ? choose (&job, spki_sha256) : nothing_found (&job);
    match_request (ev, result);
    if (spki_sha256 && !(result->spki && has_digest (result->spki, spki_sha256)))
        claim_refuse (result, "the attested key isn't the key that is asked for");
    finish (result);
    return result;
}

static json_t *
text (const char *value)
{
    g_autofree char *valid = value ? g_utf8_make_valid (value, -1) : NULL;
    return valid ? json_string (valid) : json_null ();
}

static json_t *
tri (AttestTri value)
{
    return value == ATTEST_NULL ? json_null () : json_boolean (value);
}

json_t *
attest_result_json (const AttestResult *self)
{
    static const char *const origins[] = { "unknown", "generated", "imported" };
    gboolean known = self->authentic;
    json_t *object = json_object (), *details = json_deep_copy (self->details);
    g_autofree char *digest = self->spki ? sha256_hex (g_bytes_get_data (self->spki, NULL), g_bytes_get_size (self->spki)) : NULL;
    json_object_set_new (object, "verdict", json_string (self->genuine ? "genuine" : "refused"));
    json_object_set_new (object, "reason", text (self->reason));
    json_object_set_new (object, "vendor", text (self->vendor));
    json_object_set_new (object, "model", text (known ? self->model : NULL));
    json_object_set_new (object, "serial", text (known ? self->serial : NULL));
    json_object_set_new (object, "firmware", text (known ? self->firmware : NULL));
    json_object_set_new (object, "origin", json_string (origins[known ? self->origin : ATTEST_ORIGIN_UNKNOWN]));
    json_object_set_new (object, "exportable", known ? tri (self->exportable) : json_null ());
    json_object_set_new (object, "spki_sha256", text (digest));
    json_object_set_new (object, "matches_csr", tri (self->matches_csr));
    json_object_set_new (details, "challenge", tri (self->challenge));
    if (!known && self->vendor) {
        json_t *claimed = json_object ();
        json_object_set_new (claimed, "model", text (self->model));
        json_object_set_new (claimed, "serial", text (self->serial));
        json_object_set_new (claimed, "firmware", text (self->firmware));
        json_object_set_new (details, "claimed", claimed);
    }
    json_object_set_new (object, "details", details);
    return object;
}

char *
attest_challenge_label (GBytes *challenge)
{
    g_autofree char *digest = sha256_hex (g_bytes_get_data (challenge, NULL), g_bytes_get_size (challenge));
    digest[32] = 0;
    return g_strconcat ("ceremony", digest, NULL);
}

GBytes *
attest_challenge_qualifying (GBytes *challenge)
{
    guint8 digest[SHA256_LEN];
    sha256 (g_bytes_get_data (challenge, NULL), g_bytes_get_size (challenge), digest);
    return g_bytes_new (digest, sizeof digest);
}
