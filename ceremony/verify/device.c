/* Where the key was born: the vendor's attestation, the list of suitable modules, and the key's own quality. */
#include <string.h>
#include "ceremony/verify/checks.h"
#include "ceremony/verify/keycheck.h"

/* CSBR 6.1.1.3, 6.1.5.2, 6.1.6: each finding of `ceremony keycheck`. */
CheckResult
check_key_quality (Context *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KeyCheck) quality = keycheck_spki (c->spki, NULL, &error);

    if (!quality) {
        flaw (c, CHECK_FAIL, c->generated, "the key can't be judged: %s", error->message);
        return done (c, "%s", "");
    }
    for (guint i = 0; i < quality->findings->len; i++) {
        const KeyFinding *finding = quality->findings->pdata[i];
        flaw (c, finding->warning ? CHECK_WARN : CHECK_FAIL, c->generated, "%s (CSBR %s)", finding->reason, finding->clause);
    }
    if (!quality->accept && c->worst != CHECK_FAIL)
        flaw (c, CHECK_FAIL, c->generated, "the key is refused");
    return done (c, "no known weakness");
}

/* tpm2-pkcs11 keeps its attributes as text in the operator's own files: alone they are nobody's word. */
static gboolean
attributes_worthless (Context *c)
{
    const Event *found = event_first (c, "token.found");
    const char *path = found ? member2 (found->data, "module", "path") : "", *description = found ? member2 (found->data, "module", "description") : "";

    return strstr (path, "tpm2_pkcs11") || strstr (description, "TPM2.0 Cryptoki");
}

static gboolean
has_files (Context *c)
{
    const GPtrArray *entries = asice_entries (c->asice);

    for (guint i = 0; i < entries->len; i++)
        if (g_str_has_prefix (((const AsiceEntry *) entries->pdata[i])->name, "key/attestation/"))
            return TRUE;
    return FALSE;
}

CheckResult
check_attestation (Context *c)
{
    const Event *read = event_last (c, "attestation.read");

    if (!read && has_files (c)) {
        flaw (c, CHECK_FAIL, NULL, "files lie under key/attestation that the journal doesn't tell of");
    } else if (!read && attributes_worthless (c)) {
        flaw (c, CHECK_FAIL, event_first (c, "token.found"), "this module keeps a key's attributes as text in the operator's files: without the TPM's own attestation "
              "they prove nothing");
    } else if (!read && c->rule.attestation_required) {
        flaw (c, CHECK_FAIL, NULL, "no attestation was read, and the policy asks for one");
    } else if (!read) {
        return skip (c, "no attestation was read: that the key was born in the device is the module's word and the witness's");
    } else {
        return unreached (c, "an attestation was read, which this version can't judge: run ceremony attest on key/attestation/");
    }
    return done (c, "%s", "");
}
