/* Whether the TPM's attestation key lives in the TPM of its endorsement certificate: it opened what the witness had sealed to both (TPM2_ActivateCredential), before the
 * witness disclosed it. What was sealed follows from the secret to which the order committed, so it can be computed again here. */
#include <string.h>
#include "ceremony/attest/credential.h"
#include "ceremony/verify/checks.h"

/* It was asked for before, in the same step, for the same keys; and told once. */
static void
check_asked (Context *c, const Event *activated)
{
    const Event *asked = event_before (c, "credential.asked", activated->seq);

    if (events_of (c, "credential.activated")->len > 1)
        flaw (c, CHECK_FAIL, activated, "%u credentials are said to have been opened, and one is asked for", events_of (c, "credential.activated")->len);
    if (!asked || !g_str_equal (asked->step, activated->step))
        flaw (c, CHECK_FAIL, activated, "a credential was opened that nobody had asked for in that step");
    else if (!g_str_equal (member (asked->data, "ak_name"), member (activated->data, "ak_name")) ||
             !g_str_equal (member (asked->data, "ek_spki_sha256"), member (activated->data, "ek_spki_sha256")))
        flaw (c, CHECK_FAIL, activated, "the credential was asked for other keys than it was opened with");
}

/* What was sealed, from the witness's @seed. */
static void
compare (Context *c, const Event *activated, const guint8 seed[32])
{
    g_autoptr(GBytes) name = hex_decode (member (activated->data, "ak_name"), NULL), ek = hex_decode (member (activated->data, "ek_spki_sha256"), NULL);
    guint8 sealed[CREDENTIAL_SECRET_LEN];
    g_autofree char *hex = NULL;

    credential_secret (seed, member (c->opened->data, "ceremony"), g_bytes_get_data (ek, NULL), name, sealed);
    hex = hex_encode (sealed, sizeof sealed);
    if (!g_str_equal (hex, member (activated->data, "recovered")))
        flaw (c, CHECK_FAIL, activated, "what the TPM is said to have found isn't what the witness sealed to these keys in this ceremony: nothing shows that the attestation key lives in it");
}

static void
check_words (Context *c, const Event *activated)
{
    g_autoptr(GError) error = NULL;
    guint8 seed[32];

    if (*member (c->opened->data, "challenge_commitment"))
        flaw (c, CHECK_FAIL, activated, "the order committed to a secret, and the credential was made from words that somebody typed instead");
    else if (c->rule.challenge == CHALLENGE_SECRET)
        flaw (c, CHECK_FAIL, activated, "the credential was made on the appliance, from words typed there; the policy asks for a committed secret");
    else if (!challenge_seed_from_words (member (activated->data, "typed"), seed, &error))
        flaw (c, CHECK_FAIL, activated, "the witness's words: %s", error->message);
    else
        compare (c, activated, seed);
    flaw (c, CHECK_WARN, activated, "the credential was made on the appliance itself, from words that the witness typed there: that the TPM and not the program found them again is "
          "the appliance's word");
}

/* The secret is the one that the order committed to: so it was there before anything was opened. */
static void
check_secret (Context *c, const Event *activated, GBytes *secret)
{
    const char *commitment = member (c->opened->data, "challenge_commitment");
    g_autofree char *hash = sha256_hex (g_bytes_get_data (secret, NULL), g_bytes_get_size (secret));

    if (!*commitment)
        flaw (c, CHECK_FAIL, activated, "no commitment to the witness's secret was ordered: it could have been chosen after the credential was opened");
    else if (!g_str_equal (hash, commitment))
        flaw (c, CHECK_FAIL, activated, "the disclosed secret isn't the one that the order committed to: it could have been chosen after the credential was opened");
    else
        compare (c, activated, g_bytes_get_data (secret, NULL));
}

CheckResult
check_attestation_credential (Context *c)
{
    const Event *asked = event_last (c, "credential.asked"), *activated = event_last (c, "credential.activated");
    g_autoptr(GBytes) secret = NULL;
    gboolean words;

    if (!activated)
        return skip (c, asked ? "a credential was asked for, and none was opened" : "no TPM was asked to open a credential");
    c->outcome->fixed = TRUE;               /* evidence that was given and is refused is worse than none */
    check_asked (c, activated);
    words = g_str_equal (member (activated->data, "source"), "words");
    if (words) {
        check_words (c, activated);
    } else if (!g_str_equal (member (activated->data, "source"), "secret")) {
        flaw (c, CHECK_FAIL, activated, "the credential came from '%s', which is neither a secret nor the witness's words", member (activated->data, "source"));
    } else if (!(secret = witness_secret (c)) && before_disclosure (c) && c->worst != CHECK_FAIL) {
        c->activated = activated;           /* presumed, until the secret tells */
        return not_disclosed (c);
    } else if (!secret) {
        flaw (c, CHECK_FAIL, activated, "the witness's secret isn't disclosed: what was sealed can't be computed");
    } else {
        check_secret (c, activated, secret);
    }
    if (c->worst != CHECK_FAIL)
        c->activated = activated;
    cite (c, activated);
    return done (c, "the TPM opened what the witness had sealed to its attestation key and its endorsement key, from a secret that the order committed to");
}
