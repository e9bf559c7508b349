/* What the policies in force ask. A policy inside a bundle is the word of whoever made the bundle until a trusted order names it: where none does, only the
 * reviewer's --policy can relax what is asked here by default. */
#include "ceremony/verify/checks.h"

static const Rule by_default = {
    .presence = PRESENCE_UNPLUG, .local_seal = SEAL_TOKEN, .challenge = CHALLENGE_WORDS, .qr_gap_ms = 10000, .liveness_ms = 120000,
    .drops_per_mille = 50, .clock_drift_ms = 500, .max_sittings = 0, .camera_still_ms = 10000, .recording_gap_ms = 30000, .order_required = TRUE, .camera_required = TRUE,
};

static const char *const default_algorithms[] = { "rsa-3072", "rsa-4096", "ec-p256", "ec-p384", NULL };

static void
take (Rule *rule, const Policy *policy)
{
    gboolean first = rule->n == 0;

    rule->sources[rule->n++] = policy;
#define LEAST(field) rule->field = first ? policy->field : MIN (rule->field, policy->field)
#define EITHER(field) rule->field = first ? policy->field : (rule->field || policy->field)
    LEAST (presence);       /* unplug, console, none: the first is the strictest; so of local_seal and challenge */
    LEAST (local_seal);
    LEAST (challenge);
    LEAST (qr_gap_ms);
    LEAST (liveness_ms);
    LEAST (drops_per_mille);
    LEAST (clock_drift_ms);
    LEAST (camera_still_ms);
    LEAST (recording_gap_ms);
    EITHER (order_required);
    EITHER (camera_required);
    EITHER (audio_required);
    EITHER (timestamp_required);
    EITHER (attestation_required);
    EITHER (sole_device);
    EITHER (countersignature_required);
    EITHER (recording_required);
#undef LEAST
#undef EITHER
    if (first || (policy->max_sittings && (!rule->max_sittings || policy->max_sittings < rule->max_sittings)))
        rule->max_sittings = policy->max_sittings;
    rule->unknown_history_allowed = policy->unknown_history_allowed && (first || rule->unknown_history_allowed);
}

void
rule_make (Context *c)
{
    Rule rule = { 0 };

    if (c->policy && (c->order_trusted || c->verdict->rehearsal))
        take (&rule, c->policy);
    if (c->options->policy)
        take (&rule, c->options->policy);
    c->rule = rule.n ? rule : by_default;
}

gboolean
rule_algorithm (const Context *c, const char *algorithm)
{
    if (c->rule.n == 0)
        return g_strv_contains (default_algorithms, algorithm);
    for (guint i = 0; i < c->rule.n; i++)
        if (!g_strv_contains ((const char *const *) c->rule.sources[i]->algorithms, algorithm))
            return FALSE;
    return TRUE;
}

PolicyLevel
rule_level (const Context *c, const char *check_id)
{
    PolicyLevel level = c->rule.n ? LEVEL_IGNORE : LEVEL_REQUIRE;

    for (guint i = 0; i < c->rule.n; i++)
        level = MIN (level, policy_level (c->rule.sources[i], check_id));
    return level;
}
