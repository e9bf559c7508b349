/* Reads and checks a policy. */
#include "ceremony/script/policy.h"
#include <stddef.h>
#include <string.h>
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/base/yaml.h"
#include "ceremony/script/algorithms.h"

#define POLICY_FORMAT "ceremony/policy/v1"
#define DAY_MS (24 * 3600 * G_GINT64_CONSTANT (1000))

typedef struct {
    Policy    policy;
    char     *format, *presence, *local_seal, *challenge, *history, *local_countersignature;
    YamlNode *levels;
} PolicyFile;

static const YamlField policy_fields[] = {
    { "format", FIELD_TEXT, TRUE, offsetof (PolicyFile, format), 1, 100 },
    { "title", FIELD_TEXT, TRUE, offsetof (PolicyFile, policy.title), 1, 200 },
    { "version", FIELD_TEXT, TRUE, offsetof (PolicyFile, policy.version), 1, 40 },
    { "presence", FIELD_TEXT, TRUE, offsetof (PolicyFile, presence), 1, 20 },
    { "local_seal", FIELD_TEXT, TRUE, offsetof (PolicyFile, local_seal), 1, 20 },
    { "challenge", FIELD_TEXT, TRUE, offsetof (PolicyFile, challenge), 1, 20 },
    { "algorithms", FIELD_TEXTS, TRUE, offsetof (PolicyFile, policy.algorithms), 0, 0 },
    { "qr_gap_ms", FIELD_INT, FALSE, offsetof (PolicyFile, policy.qr_gap_ms), 2000, DAY_MS },
    { "liveness_ms", FIELD_INT, FALSE, offsetof (PolicyFile, policy.liveness_ms), 10000, DAY_MS },
    { "camera_still_ms", FIELD_INT, FALSE, offsetof (PolicyFile, policy.camera_still_ms), 4000, DAY_MS },
    { "drops_per_mille", FIELD_INT, FALSE, offsetof (PolicyFile, policy.drops_per_mille), 0, 1000 },
    { "clock_drift_ms", FIELD_INT, FALSE, offsetof (PolicyFile, policy.clock_drift_ms), 1, DAY_MS },
    { "max_sittings", FIELD_INT, FALSE, offsetof (PolicyFile, policy.max_sittings), 0, 1000 },
    { "order_required", FIELD_BOOL, FALSE, offsetof (PolicyFile, policy.order_required), 0, 0 },
    { "camera_required", FIELD_BOOL, FALSE, offsetof (PolicyFile, policy.camera_required), 0, 0 },
    { "audio_required", FIELD_BOOL, FALSE, offsetof (PolicyFile, policy.audio_required), 0, 0 },
    { "timestamp_required", FIELD_BOOL, FALSE, offsetof (PolicyFile, policy.timestamp_required), 0, 0 },
    { "attestation_required", FIELD_BOOL, FALSE, offsetof (PolicyFile, policy.attestation_required), 0, 0 },
    { "sole_device", FIELD_BOOL, FALSE, offsetof (PolicyFile, policy.sole_device), 0, 0 },
    { "countersignature_required", FIELD_BOOL, FALSE, offsetof (PolicyFile, policy.countersignature_required), 0, 0 },
    { "local_countersignature", FIELD_TEXT, FALSE, offsetof (PolicyFile, local_countersignature), 1, 20 },
    { "recording_required", FIELD_BOOL, FALSE, offsetof (PolicyFile, policy.recording_required), 0, 0 },
    { "recording_gap_ms", FIELD_INT, FALSE, offsetof (PolicyFile, policy.recording_gap_ms), 5000, DAY_MS },
    { "history", FIELD_TEXT, FALSE, offsetof (PolicyFile, history), 1, 40 },
    { "levels", FIELD_MAP, FALSE, offsetof (PolicyFile, levels), 0, 0 },
    { NULL, 0, FALSE, 0, 0, 0 },
};

static void
policy_clear (Policy *self)
{
    g_free (self->title);
    g_free (self->version);
    g_strfreev (self->algorithms);
    g_clear_pointer (&self->levels, g_hash_table_unref);
    g_clear_pointer (&self->source, g_bytes_unref);
}

void
policy_free (Policy *self)
{
    if (self == NULL)
        return;
    policy_clear (self);
    g_free (self);
}

/* The place of @word in @words; a problem at @key where it is none of them. */
static int
one_of (const char *name, const YamlNode *root, const char *key, const char *word, const char *const *words, GPtrArray *problems)
{
    if (word == NULL)
        return 0;
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp (words[i], word) == 0)
            return i;
    g_autofree char *all = g_strjoinv (", ", (char **) words);
    yaml_problem (problems, name, yaml_get (root, key), "%s: one of %s", key, all);
    return 0;
}

static void
read_levels (const char *name, const YamlNode *levels, Policy *policy, GPtrArray *problems)
{
    static const char *const words[] = { "require", "warn", "ignore", NULL };
    for (guint i = 0; levels != NULL && i < levels->items->len; i++) {
        const YamlNode *key = g_ptr_array_index (levels->keys, i), *value = g_ptr_array_index (levels->items, i);
        if (value->kind != YAML_SCALAR) {
            yaml_problem (problems, name, value, "levels: require, warn or ignore is expected");
            continue;
        }
        int level = one_of (name, levels, key->text, value->text, words, problems);
        g_hash_table_insert (policy->levels, g_strdup (key->text), GINT_TO_POINTER (level));
    }
}

static void
check_policy (const char *name, const YamlNode *root, PolicyFile *file, GPtrArray *problems)
{
    static const char *const presences[] = { "unplug", "console", "none", NULL }, *const seals[] = { "never", "token", "key-file", NULL },
                      *const challenges[] = { "secret", "words", NULL }, *const histories[] = { "born-here", "unknown-allowed", NULL };
    Policy *policy = &file->policy;
    if (file->format != NULL && strcmp (file->format, POLICY_FORMAT) != 0)
        yaml_problem (problems, name, yaml_get (root, "format"), "format: this program reads \"%s\"", POLICY_FORMAT);
    policy->presence = one_of (name, root, "presence", file->presence, presences, problems);
    policy->local_seal = one_of (name, root, "local_seal", file->local_seal, seals, problems);
    policy->local_countersignature = one_of (name, root, "local_countersignature", file->local_countersignature, seals, problems);
    policy->challenge = one_of (name, root, "challenge", file->challenge, challenges, problems);
    policy->unknown_history_allowed = one_of (name, root, "history", file->history, histories, problems) == 1;
    for (guint i = 0; policy->algorithms != NULL && policy->algorithms[i] != NULL; i++)
        if (!key_algorithm_known (policy->algorithms[i]))
            yaml_problem (problems, name, yaml_get (root, "algorithms"), "algorithms: \"%s\" isn't one of rsa-3072, rsa-4096, ec-p256, ec-p384",
                          policy->algorithms[i]);
    read_levels (name, file->levels, policy, problems);
}

Policy *
policy_parse (const char *name, const void *data, gsize len, GError **error)
{
    g_autoptr (YamlNode) root = yaml_tree_parse (name, data, len, error);
    if (root == NULL)
        return NULL;
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    PolicyFile file = { .policy = { .qr_gap_ms = 10000, .liveness_ms = 120000, .drops_per_mille = 50, .camera_still_ms = 10000, .clock_drift_ms = 500, .recording_gap_ms = 30000, .order_required = TRUE,
                                    .camera_required = TRUE } };
    file.policy.levels = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    yaml_read_map (name, root, policy_fields, &file, problems);
    if (root->kind == YAML_MAP)
        check_policy (name, root, &file, problems);
    g_free (file.format);
    g_free (file.presence);
    g_free (file.local_seal);
    g_free (file.challenge);
    g_free (file.history);
    g_free (file.local_countersignature);
    if (!yaml_problems_end (problems, error)) {
        policy_clear (&file.policy);
        return NULL;
    }
    Policy *self = g_new (Policy, 1);
    *self = file.policy;
    g_autofree char *hash = sha256_hex (data, len);
    g_strlcpy (self->sha256, hash, sizeof self->sha256);
    self->source = g_bytes_new (data, len);
    return self;
}

Policy *
policy_load (const char *path, GError **error)
{
    g_autoptr (GBytes) bytes = file_read (path, YAML_MAX_LEN, error);
    if (bytes == NULL) {
        g_prefix_error (error, "policy: ");
        return NULL;
    }
    gsize len;
    const void *data = g_bytes_get_data (bytes, &len);
    return policy_parse (path, data, len, error);
}

PolicyLevel
policy_level (const Policy *self, const char *check_id)
{
    gpointer level;
    if (self != NULL && g_hash_table_lookup_extended (self->levels, check_id, NULL, &level))
        return GPOINTER_TO_INT (level);
    return LEVEL_REQUIRE;
}
