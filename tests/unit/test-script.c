/* Scripts and policies: what is read, and that each kind of mistake is told with its place. */
#include <string.h>
#include "ceremony/base/errors.h"
#include "ceremony/script/acts.h"
#include "ceremony/script/policy.h"
#include "ceremony/script/script.h"

typedef struct { const char *from, *to, *problem; } Mistake;

static char *
edited (const char *path, const char *from, const char *to)
{
    g_autofree char *text = NULL;
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    const char *at = strstr (text, from);
    g_assert_nonnull (at);
    g_autofree char *head = g_strndup (text, at - text);
    return g_strconcat (head, to, at + strlen (from), NULL);
}

static void
test_default_script (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Script) script = script_load ("scripts/code-signing.yaml", &error);
    g_assert_no_error (error);
    g_assert_cmpuint (script->steps->len, ==, 22);
    const ScriptStep *step = script_step (script, "liveness");
    g_assert_cmpstr (step->act, ==, "liveness");
    g_assert_cmpstr (step->confirm[1], ==, "witness");
    g_assert_nonnull (strstr (step->read, "I read the challenge aloud"));
    g_assert_cmpstr (g_hash_table_lookup (script_step (script, "present")->with, "roles"), ==, "operator, witness");
    g_assert_cmpuint (strlen (script->sha256), ==, 64);
}

static void
test_script_mistakes (void)
{
    static const Mistake mistakes[] = {
        { "language: en", "language: en\nlanguage: de", ":7:1: the key \"language\" is there twice" },
        { "language: en", "tongue: en", ":6:1: \"tongue\": no such key here" },
        { "version: \"1.0\"\n", "", "the key \"version\" is missing" },
        { "act: consent", "act: dance", ":25:10: \"dance\": no such act" },
        { "act: challenge", "act: read", "no step has the act \"challenge\"" },
        { "id: consent", "id: welcome", "id: \"welcome\" is there twice" },
        { "id: consent", "id: Consent!", "id: only a-z, 0-9 and - are allowed" },
        { "confirm: [operator, witness]", "confirm: [operator, king]", "confirm: \"king\" isn't one of the script's roles" },
        { "confirm: [operator, witness]", "confirm: operator", "\"confirm\" must be a list of texts" },
        { "roles: operator, witness", "people: operator", "the act \"identify\" has no parameter \"people\"" },
        { "algorithm: ec-p256", "algorithm: rsa-1024", "algorithm: one of" },
        { "roles: [operator, witness]", "roles: [operator]", "roles: \"witness\" must be one of them" },
        { "act: liveness", "act: generate", "the act \"generate\" must come after \"liveness\"" },
        { "steps:", "steps: &a\n  - *a\nmore:", "aliases" },
        { "title: Welcome", "title: \"\\e[2J\"", "text holds a control character" },
        { "steps:", "steps: [\n", "not YAML" },
        { "format: ceremony/script/v1", "format: ceremony/script/v9", "format: this program reads" },
    };
    for (guint i = 0; i < G_N_ELEMENTS (mistakes); i++) {
        g_autoptr (GError) error = NULL;
        g_autofree char *text = edited ("scripts/code-signing.yaml", mistakes[i].from, mistakes[i].to);
        g_assert_null (script_parse ("s.yaml", text, strlen (text), &error));
        g_assert_nonnull (error);
        if (strstr (error->message, mistakes[i].problem) == NULL || !g_str_has_prefix (error->message, "s.yaml:"))
            g_error ("\"%s\" instead of \"%s\"", error->message, mistakes[i].problem);
    }
}

/* A quoted text of the file never looks like a line of its own, and never fills the screen. */
static void
test_quoted_texts (void)
{
    g_autoptr (GError) error = NULL;
    static const char forged[] = "\"a\\ns.yaml:1:1: all is well\": 1\n";
    g_assert_null (script_parse ("s.yaml", forged, strlen (forged), &error));
    g_assert_nonnull (strstr (error->message, "\"a s.yaml:1:1: all is well\": no such key here"));
    g_clear_error (&error);
    g_autofree char *key = g_strnfill (9000, 'k'), *text = g_strconcat (key, ": 1\n", NULL);
    g_assert_null (script_parse ("s.yaml", text, strlen (text), &error));
    g_assert_cmpuint (strlen (error->message), <, 3000);
}

static void
test_no_script (void)
{
    g_autoptr (GError) error = NULL;
    g_assert_null (script_parse ("s.yaml", "", 0, &error));
    g_assert_nonnull (strstr (error->message, "the file is empty"));
    g_clear_error (&error);
    g_assert_null (script_parse ("s", NULL, 0, &error));      /* as an empty GBytes gives it */
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_clear_error (&error);
    g_assert_null (script_parse ("s.yaml", "a: 1\n---\nb: 2\n", 14, &error));
    g_assert_nonnull (strstr (error->message, "second document"));
    g_clear_error (&error);
    g_assert_null (script_load ("/nonexistent.yaml", &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
    g_clear_error (&error);
    g_autofree char *deep = g_strnfill (5000, '[');
    g_assert_null (script_parse ("s.yaml", deep, 5000, &error));
    g_assert_nonnull (error);
}

static void
test_cut_anywhere (void)
{
    g_autofree char *text = NULL;
    gsize len;
    g_assert_true (g_file_get_contents ("scripts/code-signing.yaml", &text, &len, NULL));
    for (gsize n = 0; n < len; n += 7) {
        g_autoptr (GError) error = NULL;
        g_autoptr (Script) script = script_parse ("s.yaml", text, n, &error);
        g_assert_true ((script == NULL) == (error != NULL));
    }
}

static void
test_print (void)
{
    g_autoptr (Script) script = script_load ("scripts/code-signing.yaml", NULL);
    for (guint width = 40; width < 140; width += 33) {
        g_autofree char *paper = script_print (script, width);
        g_assert_true (g_utf8_validate (paper, -1, NULL));
        g_assert_nonnull (strstr (paper, script->sha256));
        g_auto (GStrv) lines = g_strsplit (paper, "\n", -1);
        for (char **line = lines; *line != NULL; line++)
            if ((*line)[0] == '|' || (*line)[0] == '+')
                g_assert_cmpint (g_utf8_strlen (*line, -1), ==, MAX (width, 72));
    }
}

static void
test_policies (void)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Policy) policy = policy_load ("scripts/default-policy.yaml", &error);
    g_assert_no_error (error);
    g_assert_cmpint (policy->presence, ==, PRESENCE_UNPLUG);
    g_assert_cmpint (policy->local_seal, ==, SEAL_TOKEN);
    g_assert_cmpint (policy->challenge, ==, CHALLENGE_SECRET);
    g_assert_cmpint (policy->liveness_ms, ==, 120000);
    g_assert_cmpint (policy_level (policy, "attestation"), ==, LEVEL_WARN);
    g_assert_cmpint (policy_level (policy, "key.match"), ==, LEVEL_REQUIRE);
    g_assert_false (policy->unknown_history_allowed);
    g_autoptr (Policy) rehearsal = policy_load ("scripts/rehearsal-policy.yaml", &error);
    g_assert_no_error (error);
    g_assert_cmpint (rehearsal->local_seal, ==, SEAL_KEY_FILE);
    static const Mistake mistakes[] = {
        { "presence: unplug", "presence: maybe", "presence: one of unplug, console, none" },
        { "qr_gap_ms: 10000", "qr_gap_ms: ten", "\"qr_gap_ms\" must be a whole number" },
        { "qr_gap_ms: 10000", "qr_gap_ms: 1", "\"qr_gap_ms\" must be a whole number" },
        { "sole_device: false", "sole_device: \"no\"", "\"sole_device\" must be true or false" },
        { "attestation: warn", "attestation: [warn]", "levels: require, warn or ignore is expected" },
        { "rsa-3072", "rsa-1024", "algorithms: \"rsa-1024\" isn't one of" },
        { "challenge: secret", "", "the key \"challenge\" is missing" },
    };
    for (guint i = 0; i < G_N_ELEMENTS (mistakes); i++) {
        g_autofree char *text = edited ("scripts/default-policy.yaml", mistakes[i].from, mistakes[i].to);
        g_assert_null (policy_parse ("p.yaml", text, strlen (text), &error));
        if (strstr (error->message, mistakes[i].problem) == NULL)
            g_error ("\"%s\" instead of \"%s\"", error->message, mistakes[i].problem);
        g_clear_error (&error);
    }
}

static void
test_acts (void)
{
    for (const ActInfo *act = act_table; act->name != NULL; act++) {
        g_assert_true (act_find (act->name) == act);
        g_assert_true (act->after == NULL || act_find (act->after) != NULL);
        g_assert_true (g_str_has_suffix (act->meaning, "."));
    }
    g_assert_null (act_find ("dance"));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/script/default", test_default_script);
    g_test_add_func ("/script/mistakes", test_script_mistakes);
    g_test_add_func ("/script/none", test_no_script);
    g_test_add_func ("/script/quoted", test_quoted_texts);
    g_test_add_func ("/script/cut", test_cut_anywhere);
    g_test_add_func ("/script/print", test_print);
    g_test_add_func ("/script/acts", test_acts);
    g_test_add_func ("/policy/default-and-mistakes", test_policies);
    return g_test_run ();
}
