/* Signatures of the container: who signed what, in which role, and whether that role is theirs by the trust folder. */
#include <string.h>
#include "ceremony/verify/checks.h"

#define CLOCK_SLACK_MS (5 * 60 * 1000)

static gboolean
lists (const Signed *sig, const char *name)
{
    for (guint i = 0; sig->listed && i < sig->listed->len; i++)
        if (g_str_equal (((const ManifestEntry *) sig->listed->pdata[i])->name, name))
            return TRUE;
    return FALSE;
}

/* The role is what the newly signed JSON says, whatever the number of its file. */
static const char *
role_of (Context *c, guint index)
{
    static const struct { const char *file, *role; } roles[] = {
        { "evidence.json", "appliance" }, { "statement.json", "witness" }, { "decision.json", "reviewer" },
    };
    const char *role = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS (roles); i++) {
        if (!lists (&c->signatures[index], roles[i].file) || (index > 0 && lists (&c->signatures[index - 1], roles[i].file)))
            continue;
        if (role)
            return NULL;
        role = roles[i].role;
    }
    return role;
}

static void
judge_time (Context *c, Signed *sig)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *why = NULL;

    if (!trust_signing_time (c->options->trust, sig->cades, sig->p7s, &sig->when, &sig->stamped, &why, &error))
        flaw (c, CHECK_FAIL, NULL, "the timestamp of signature %u: %s", sig->number, error->message);
    else if (why)
        flaw (c, CHECK_WARN, NULL, "the timestamp of signature %u is by an authority that isn't trusted: %s", sig->number, why);
}

CheckResult
check_signature_chain (Context *c)
{
    static const char *const order[] = { "appliance", "witness", "reviewer" };

    for (guint i = 0; i < c->n_signatures; i++) {
        Signed *sig = &c->signatures[i];
        gsize len, p7s_len;
        const void *data = g_bytes_get_data (sig->manifest, &len), *p7s = g_bytes_get_data (sig->p7s, &p7s_len);
        g_autoptr(GError) error = NULL;

        sig->role = role_of (c, i);
        if (g_strcmp0 (sig->role, order[i]) != 0)
            flaw (c, CHECK_FAIL, NULL, "signature %u was made %s%s, where the %s signs", sig->number, sig->role ? "as " : "in no known role",
                  sig->role ? sig->role : "", order[i]);
        sig->cades = cades_verify (p7s, p7s_len, data, len, &error);
        if (!sig->cades) {
            flaw (c, CHECK_FAIL, NULL, "signature %u (%s): %s", sig->number, order[i], error->message);
            continue;
        }
        judge_time (c, sig);
        for (guint j = 0; j < i; j++)
            if (c->signatures[j].cades && g_str_equal (c->signatures[j].cades->spki_sha256, sig->cades->spki_sha256))
                flaw (c, CHECK_FAIL, NULL, "one key signed both as %s and as %s", order[j], order[i]);
    }
    return done (c, "%u CAdES signature%s, strictly formed, over these manifests", c->n_signatures, c->n_signatures == 1 ? "" : "s");
}

static void
judge_signer (Context *c, const Signed *sig, const char *role)
{
    g_autofree char *why = NULL, *subject = signer_subject (sig->cades->signer);
    gint64 now = clock_wall_ms ();

    if (!c->options->trust)
        flaw (c, CHECK_FAIL, NULL, "no trust given: use --trust DIR with the keys that you believe");
    else if (!trust_judge (c->options->trust, role, sig->cades->signer, sig->cades->certificates, sig->when, &why))
        flaw (c, CHECK_FAIL, NULL, "%s may not sign as %s: %s", subject, role, why ? why : "unknown");
    if (sig->when == 0)
        flaw (c, CHECK_FAIL, NULL, "the signature names no signing time");
    else if (sig->when > now + CLOCK_SLACK_MS)
        flaw (c, CHECK_FAIL, NULL, "the signing time lies in the future: check this machine's clock, and the signer's");
}

/* The digests that a later signed JSON holds of every earlier manifest and signature. */
static void
compare_digests (Context *c, const json_t *held, guint n, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) all = asice_signature_digests (c->asice, &error);

    if (!all) {
        flaw (c, CHECK_FAIL, NULL, "%s", error->message);
        return;
    }
    while (json_array_size (all) > n)
        json_array_remove (all, json_array_size (all) - 1);
    if (!json_equal (all, held))
        flaw (c, CHECK_FAIL, NULL, "%s doesn't hold the digests of the %u earlier manifest%s and signature%s as they are", name, n, n == 1 ? "" : "s",
              n == 1 ? "" : "s");
}

static Signed *
signature_by (Context *c, const char *role)
{
    for (guint i = 0; i < c->n_signatures; i++)
        if (g_strcmp0 (c->signatures[i].role, role) == 0)
            return &c->signatures[i];
    return NULL;
}

CheckResult
check_signature_appliance (Context *c)
{
    Signed *sig = signature_by (c, "appliance");
    g_autofree char *subject = NULL, *at = NULL;
    gint64 closed = 0;

    if (!sig || !sig->cades) {
        flaw (c, CHECK_FAIL, NULL, "the evidence isn't signed by an appliance");
        return done (c, "%s", "");
    }
    judge_signer (c, sig, "appliance");
    if (clock_parse (member (c->evidence, "closed"), &closed, NULL) && sig->when + CLOCK_SLACK_MS < closed)
        flaw (c, CHECK_FAIL, NULL, "the evidence was signed before the ceremony closed");
    subject = signer_subject (sig->cades->signer);
    at = clock_format (sig->when);
    return done (c, "signed by %s at %s", subject, at);
}

CheckResult
check_signature_witness (Context *c)
{
    Signed *sig = signature_by (c, "witness");
    g_autofree char *subject = NULL, *at = NULL;

    if (c->options->flags & VERIFY_EVIDENCE_ONLY && !sig)
        return skip (c, "not signed yet");
    if (!sig && was_aborted (c))
        return unreached (c, "no witness has signed: the ceremony was aborted, there is nothing to confirm");
    if (!sig || !sig->cades || !c->statement) {
        flaw (c, CHECK_FAIL, NULL, "no witness has signed a statement: ceremony seal does that, on the witness's machine");
        return done (c, "%s", "");
    }
    judge_signer (c, sig, "witness");
    compare_digests (c, json_object_get (json_object_get (json_object_get (c->statement, "derived"), "evidence"), "signatures"), 1, "statement.json");
    if (sig->when + CLOCK_SLACK_MS < c->signatures[0].when)
        flaw (c, CHECK_FAIL, NULL, "the witness signed before the appliance did");
    subject = signer_subject (sig->cades->signer);
    at = clock_format (sig->when);
    return done (c, "signed by %s at %s", subject, at);
}

CheckResult
check_signature_reviewer (Context *c)
{
    Signed *sig = signature_by (c, "reviewer");
    g_autofree char *subject = NULL;

    if (!sig)
        return skip (c, "no reviewer has signed a decision");
    if (!sig->cades || !c->decision) {
        flaw (c, CHECK_FAIL, NULL, "the reviewer's signature or decision can't be read");
        return done (c, "%s", "");
    }
    judge_signer (c, sig, "reviewer");
    compare_digests (c, json_object_get (c->decision, "signatures"), 2, "decision.json");
    if (g_str_equal (member (c->decision, "decision"), "refuse"))
        flaw (c, CHECK_WARN, NULL, "a reviewer refused this bundle: %s", member (c->decision, "reason"));
    else if (!g_str_equal (member (c->decision, "decision"), "accept"))
        flaw (c, CHECK_FAIL, NULL, "the decision '%s' is neither accept nor refuse", member (c->decision, "decision"));
    subject = signer_subject (sig->cades->signer);
    return done (c, "decision '%s' signed by %s", member (c->decision, "decision"), subject);
}
