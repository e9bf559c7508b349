/* TPM 2.0: TPM2_Certify or TPM2_CertifyCreation of a key by an attestation key (AK). What is signed is the key's *name*, a digest of its
 * public area, so that area must be given too: it says sensitiveDataOrigin (generated inside), fixedTPM and fixedParent (can't leave).
 * Anybody can make an AK in software: that this one lives in a TPM is believed only for an AK that is an anchor itself (use tpm2-ak), whose
 * certificate leads to one (use tpm2-ak-ca), or whose activation the caller has seen under an endorsement certificate that leads to an
 * anchor (use tpm2-ek). TCG TPM 2.0 library part 2, sections 10.12, 11.3 and 12.2. */
#include "ceremony/attest/tpm-blob.h"
#include "ceremony/attest/vendor.h"
#include "ceremony/base/encode.h"
#include <openssl/x509v3.h>
#include <string.h>

static const TpmPublic *
certified (const GArray *publics, TpmIn name)
{
    for (guint i = 0; i < publics->len; i++) {
        const TpmPublic *p = &g_array_index (publics, TpmPublic, i);
        if (g_bytes_get_size (p->name) == name.n && memcmp (g_bytes_get_data (p->name, NULL), name.p, name.n) == 0)
            return p;
    }
    return NULL;
}

static gboolean
is_attestation_key (const TpmPublic *p)
{
    const guint32 all = TPM_FIXED_TPM | TPM_FIXED_PARENT | TPM_ORIGIN | TPM_RESTRICTED | TPM_SIGN;
    return (p->attributes & (all | TPM_DECRYPT)) == all;
}

static const TpmPublic *
find_ak (const GArray *publics, const TpmAttest *quote, GBytes *attest, GPtrArray *blobs)
{
    for (guint i = 0; i < publics->len; i++) {
        const TpmPublic *p = &g_array_index (publics, TpmPublic, i);
        for (guint k = 0; k < blobs->len; k++) {
            const AttestBlob *sig = blobs->pdata[k];
            if (sig->kind == BLOB_TPM_SIGNATURE && tpm_signature_holds (sig->bytes, attest, p->key))
                return p;
        }
    }
    return NULL;
}

static gboolean
anchored (const AttestAnchors *anchors, const char *use, GBytes *spki)
{
    for (guint i = 0; i < anchors->rows->len; i++) {
        const AttestAnchor *a = anchors->rows->pdata[i];
        if (g_str_equal (a->use, use) && spki_same (a->spki, spki))
            return TRUE;
    }
    return FALSE;
}

/* tcg-kp-EKCertificate 2.23.133.8.1 and tcg-kp-AIKCertificate 2.23.133.8.3. */
static gboolean
has_purpose (const AttestCert *cert, const char *oid)
{
    EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i (cert->x, NID_ext_key_usage, NULL, NULL);
    gboolean found = FALSE;
    for (int i = 0; eku && i < sk_ASN1_OBJECT_num (eku); i++) {
        char text[80];
        OBJ_obj2txt (text, sizeof text, sk_ASN1_OBJECT_value (eku, i), 1);
        found |= g_str_equal (text, oid);
    }
    EXTENDED_KEY_USAGE_free (eku);
    return found;
}

static gboolean
activated (const AttestAnchors *anchors, GBytes *name, GBytes *ek_spki)
{
    guint8 digest[SHA256_LEN];
    sha256 (g_bytes_get_data (ek_spki, NULL), g_bytes_get_size (ek_spki), digest);
    for (guint i = 0; i < anchors->activations->len; i++) {
        const AttestActivation *a = anchors->activations->pdata[i];
        if (g_bytes_equal (a->ak_name, name) && memcmp (a->ek_spki_sha256, digest, SHA256_LEN) == 0)
            return TRUE;
    }
    return FALSE;
}

/* subjectAltName's directory name of an EK certificate: manufacturer, model and version (TCG EK credential profile 3.2.9). */
static void
note_maker (AttestResult *claim, const AttestCert *ek)
{
    static const struct { const char *oid, *key; } fields[] = { { "2.23.133.2.1", "tpm_manufacturer" }, { "2.23.133.2.2", "tpm_model" },
                                                                { "2.23.133.2.3", "tpm_version" } };
    GENERAL_NAMES *names = X509_get_ext_d2i (ek->x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; names && i < sk_GENERAL_NAME_num (names); i++) {
        GENERAL_NAME *name = sk_GENERAL_NAME_value (names, i);
        for (guint k = 0; name->type == GEN_DIRNAME && k < G_N_ELEMENTS (fields); k++) {
            ASN1_OBJECT *object = OBJ_txt2obj (fields[k].oid, 1);
            int at = X509_NAME_get_index_by_OBJ (name->d.directoryName, object, -1);
            guint8 *utf8 = NULL;
            int n = at < 0 ? -1 : ASN1_STRING_to_UTF8 (&utf8, X509_NAME_ENTRY_get_data (X509_NAME_get_entry (name->d.directoryName, at)));
            g_autofree char *text = n > 0 ? g_utf8_make_valid ((char *) utf8, n) : NULL;
            claim_set_str (claim, fields[k].key, text);
            if (k == 1 && text && !claim->model)
                claim->model = g_strdup (text);
            OPENSSL_free (utf8);
            ASN1_OBJECT_free (object);
        }
    }
    GENERAL_NAMES_free (names);
}

/* subjectAltName, extKeyUsage, certificatePolicies: critical in some makers' certificates. */
static const char *const critical_oids[] = { "2.5.29.17", "2.5.29.37", "2.5.29.32", NULL };

static const ChainRules ek_rules = { .use = "tpm2-ek", .critical = critical_oids };

gboolean
tpm_ek_chain (const Evidence *evidence, const AttestCert *cert, const AttestAnchors *anchors, Chain *chain, char **why)
{
    if (!has_purpose (cert, "2.23.133.8.1")) {
        *why = g_strdup_printf ("%s isn't an endorsement certificate (its extended key usage)", *cert->subject ? cert->subject : "the certificate");
        return FALSE;
    }
    return chain_find (evidence, cert, anchors, &ek_rules, chain, why);
}

/* How the attestation key is known to live in a TPM; NULL: it isn't, and @why says what is missing (g_free). */
static const char *
bind_ak (AttestJob *job, AttestResult *claim, const TpmPublic *ak, char **why)
{
    static const ChainRules ak_rules = { .use = "tpm2-ak-ca", .critical = critical_oids };
    if (anchored (job->anchors, "tpm2-ak", ak->spki)) {
        claim->serial = sha256_hex (g_bytes_get_data (ak->spki, NULL), g_bytes_get_size (ak->spki));    /* the device's identity, as far as there is one */
        claim_set_str (claim, "ak_spki_sha256", claim->serial);
        return "pinned";
    }
    *why = g_strdup ("nothing shows that the attestation key lives in a TPM: give its certificate, or the TPM's endorsement certificate and the activation "
                     "of the key under it");
    for (guint i = 0; i < job->evidence->certs->len; i++) {
        const AttestCert *cert = job->evidence->certs->pdata[i];
        g_auto (Chain) chain = { 0 };
        g_autofree char *problem = NULL;
        gboolean ak_cert = spki_same (cert->spki, ak->spki), ek = has_purpose (cert, "2.23.133.8.1");
        if (!ak_cert && !ek)
            continue;
        if (!chain_find (job->evidence, cert, job->anchors, ak_cert ? &ak_rules : &ek_rules, &chain, &problem) ||
            (ak_cert && !has_purpose (cert, "2.23.133.8.3"))) {
            g_free (*why);
            *why = problem ? g_steal_pointer (&problem) : g_strdup_printf ("%s isn't a certificate for an attestation key", cert->subject);
            continue;
        }
        if (ek)
            note_maker (claim, cert);
        g_autofree char *serial = sha256_hex (g_bytes_get_data (cert->spki, NULL), g_bytes_get_size (cert->spki));
        claim_set_str (claim, ek ? "ek_spki_sha256" : "ak_spki_sha256", serial);
        if (ak_cert || activated (job->anchors, ak->name, cert->spki)) {
            g_free (claim->serial);
            claim->serial = g_steal_pointer (&serial);
            return ak_cert ? "certificate" : "activation";
        }
        g_free (*why);
        *why = g_strdup ("that the attestation key lives in the TPM of this endorsement certificate is the operator's word alone: an activation "
                         "(TPM2_ActivateCredential) with a secret of the verifying side is missing");
    }
    return NULL;
}

static void
judge_attributes (AttestResult *claim, const TpmPublic *key)
{
    claim->origin = key->attributes & TPM_ORIGIN ? ATTEST_ORIGIN_GENERATED : ATTEST_ORIGIN_IMPORTED;
    claim->exportable = (key->attributes & (TPM_FIXED_TPM | TPM_FIXED_PARENT)) == (TPM_FIXED_TPM | TPM_FIXED_PARENT) ? ATTEST_FALSE : ATTEST_TRUE;
    claim_set (claim, "object_attributes", json_sprintf ("0x%08x", key->attributes));
    if (claim->origin == ATTEST_ORIGIN_IMPORTED)
        claim_refuse (claim, "the key isn't bound to the device: it was imported (sensitiveDataOrigin is clear)");
    if (claim->exportable)
        claim_refuse (claim, "the key isn't bound to the device: it can be duplicated (fixedTPM or fixedParent is clear)");
    if (!(key->attributes & TPM_SIGN))
        claim_refuse (claim, "the key can't sign (its attributes): it is no signing key");
    if (key->attributes & TPM_RESTRICTED)
        claim_refuse (claim, "this is the device's own kind of key (restricted), which is no signing key");
}

static void
judge_challenge (AttestJob *job, AttestResult *claim, TpmIn extra)
{
    g_autofree char *hex = hex_encode (extra.p, extra.n);
    claim_set_str (claim, "qualifying_data", hex);
    if (!job->challenge)
        return;
    g_autoptr (GBytes) expected = attest_challenge_qualifying (job->challenge), have = g_bytes_new (extra.p, extra.n);
    claim->challenge = g_bytes_equal (have, expected) || g_bytes_equal (have, job->challenge) ? ATTEST_TRUE : ATTEST_FALSE;
    if (!claim->challenge)
        claim_refuse (claim, "the attestation answers another challenge (its qualifying data isn't this one's digest)");
}

static void
judge_quote (AttestJob *job, AttestResult *claim, const AttestBlob *blob, const GArray *publics, const TpmAttest *quote, const TpmPublic *key)
{
    g_autofree char *why = NULL;
    judge_challenge (job, claim, quote->extra);
    claim_set_str (claim, "structure", quote->type == TPM_ST_CERTIFY ? "TPM2_Certify" : "TPM2_CertifyCreation");
    claim_set (claim, "reset_count", json_integer (quote->resets));
    claim->firmware = g_strdup_printf ("%u.%u.%u.%u", (guint) (quote->firmware >> 48), (guint) (quote->firmware >> 32 & 0xffff),
                                       (guint) (quote->firmware >> 16 & 0xffff), (guint) (quote->firmware & 0xffff));
    const TpmPublic *ak = find_ak (publics, quote, blob->bytes, job->evidence->blobs);
    claim_set (claim, "signature_valid", json_boolean (ak != NULL));
    if (!ak) {
        claim_refuse (claim, "no key among the files signed this attestation: it was altered, or its signature or the attestation key's public area is missing");
        return;
    }
    if (!is_attestation_key (ak))
        claim_refuse (claim, "the key that signed isn't a TPM's attestation key (restricted, fixedTPM, fixedParent, generated inside)");
    g_autofree char *name = hex_encode (g_bytes_get_data (ak->name, NULL), g_bytes_get_size (ak->name));
    claim_set_str (claim, "ak_name", name);
    const char *bound = bind_ak (job, claim, ak, &why);
    claim_set_str (claim, "ak_bound", bound ? bound : "no");
    claim->authentic = bound != NULL;
    judge_attributes (claim, key);
    if (!bound)
        claim_refuse (claim, "%s", why);
}

static void
judge (AttestJob *job, const AttestBlob *blob, const GArray *publics)
{
    TpmAttest quote = { 0 };
    gboolean readable = tpm_attest_read (g_bytes_get_data (blob->bytes, NULL), g_bytes_get_size (blob->bytes), &quote);
    const TpmPublic *key = readable ? certified (publics, quote.name) : NULL;
    AttestResult *claim = claim_new (job, "tpm2", "TPM 2.0", key ? key->spki : NULL, blob->file);
    if (!readable)
        claim_refuse (claim, "the TPM's structure isn't a certification of a key (TPM2_Certify, TPM2_CertifyCreation), or is damaged");
    else if (!key)
        claim_refuse (claim, "the certified key's public area isn't among the files: none there has the name that the TPM certified");
    else
        judge_quote (job, claim, blob, publics, &quote, key);
}

void
tpm_collect (AttestJob *job)
{
    g_autoptr (GArray) publics = g_array_new (FALSE, TRUE, sizeof (TpmPublic));
    g_array_set_clear_func (publics, (GDestroyNotify) tpm_public_clear);
    for (guint i = 0; i < job->evidence->blobs->len; i++) {
        const AttestBlob *blob = job->evidence->blobs->pdata[i];
        TpmPublic p;
        if (blob->kind == BLOB_TPM_PUBLIC && tpm_public_read (g_bytes_get_data (blob->bytes, NULL), g_bytes_get_size (blob->bytes), &p))
            g_array_append_val (publics, p);
    }
    for (guint i = 0; i < job->evidence->blobs->len; i++) {
        const AttestBlob *blob = job->evidence->blobs->pdata[i];
        if (blob->kind == BLOB_TPM_ATTEST)
            judge (job, blob, publics);
        else if (blob->kind == BLOB_TPM_PUBLIC || blob->kind == BLOB_TPM_SIGNATURE)
            g_ptr_array_add (job->leftovers, g_strdup ("a TPM's public area or signature, but no certification of a key"));
    }
}
