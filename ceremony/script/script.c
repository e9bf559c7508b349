/* Reads and checks a ceremony script. */
#include "ceremony/script/script.h"
#include <stddef.h>
#include <string.h>
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/base/yaml.h"
#include "ceremony/script/acts.h"
#include "ceremony/script/algorithms.h"

#define SCRIPT_FORMAT "ceremony/script/v1"
#define SCRIPT_STEPS_MAX 200

typedef struct { Script script; char *format; YamlNode *steps; } ScriptFile;
typedef struct { ScriptStep step; YamlNode *with; } StepFile;

static const YamlField script_fields[] = {
    { "format", FIELD_TEXT, TRUE, offsetof (ScriptFile, format), 1, 100 },
    { "title", FIELD_TEXT, TRUE, offsetof (ScriptFile, script.title), 1, 200 },
    { "version", FIELD_TEXT, TRUE, offsetof (ScriptFile, script.version), 1, 40 },
    { "language", FIELD_TEXT, FALSE, offsetof (ScriptFile, script.language), 2, 35 },
    { "roles", FIELD_TEXTS, TRUE, offsetof (ScriptFile, script.roles), 0, 0 },
    { "algorithm", FIELD_TEXT, FALSE, offsetof (ScriptFile, script.algorithm), 1, 40 },
    { "subject", FIELD_TEXT, FALSE, offsetof (ScriptFile, script.subject), 1, 1000 },
    { "steps", FIELD_LIST, TRUE, offsetof (ScriptFile, steps), 0, 0 },
    { NULL, 0, FALSE, 0, 0, 0 },
};

static const YamlField step_fields[] = {
    { "id", FIELD_TEXT, TRUE, offsetof (StepFile, step.id), 1, 40 },
    { "title", FIELD_TEXT, TRUE, offsetof (StepFile, step.title), 1, 100 },
    { "act", FIELD_TEXT, TRUE, offsetof (StepFile, step.act), 1, 40 },
    { "read", FIELD_TEXT, FALSE, offsetof (StepFile, step.read), 0, 8000 },
    { "do", FIELD_TEXT, FALSE, offsetof (StepFile, step.action), 0, 4000 },
    { "confirm", FIELD_TEXTS, FALSE, offsetof (StepFile, step.confirm), 0, 0 },
    { "with", FIELD_MAP, FALSE, offsetof (StepFile, with), 0, 0 },
    { NULL, 0, FALSE, 0, 0, 0 },
};

static void
step_free (ScriptStep *step)
{
    g_free (step->id);
    g_free (step->title);
    g_free (step->act);
    g_free (step->read);
    g_free (step->action);
    g_strfreev (step->confirm);
    g_clear_pointer (&step->with, g_hash_table_unref);
    g_free (step);
}

static void
script_clear (Script *self)
{
    g_free (self->title);
    g_free (self->version);
    g_free (self->language);
    g_strfreev (self->roles);
    g_free (self->algorithm);
    g_free (self->subject);
    g_clear_pointer (&self->steps, g_ptr_array_unref);
    g_clear_pointer (&self->source, g_bytes_unref);
}

void
script_free (Script *self)
{
    if (self == NULL)
        return;
    script_clear (self);
    g_free (self);
}

/* Lines of a paragraph joined by spaces, paragraphs parted by an empty line: who draws it wraps it. */
static char *
reflow (char *text)
{
    GString *out = g_string_new (NULL);
    g_auto (GStrv) lines = g_strsplit (text ? text : "", "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        g_strstrip (*line);
        if (out->len == 0 || g_str_has_suffix (out->str, "\n\n"))
            g_string_append (out, *line);
        else if (**line == '\0')
            g_string_append (out, "\n\n");
        else
            g_string_append_printf (out, " %s", *line);
    }
    g_free (text);
    return g_strchomp (g_string_free (out, FALSE));
}

static gboolean
is_word (const char *s)
{
    return s[0] != '\0' && s[strspn (s, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static void
read_with (const char *name, const YamlNode *with, const ActInfo *act, ScriptStep *step, GPtrArray *problems)
{
    for (guint i = 0; with != NULL && i < with->items->len; i++) {
        const YamlNode *key = g_ptr_array_index (with->keys, i), *value = g_ptr_array_index (with->items, i);
        if (act->params == NULL || !g_strv_contains (act->params, key->text))
            yaml_problem (problems, name, key, "the act \"%s\" has no parameter \"%s\"", act->name, key->text);
        else if (value->kind != YAML_SCALAR)
            yaml_problem (problems, name, value, "\"%s\" must be a single value", key->text);
        else
            g_hash_table_insert (step->with, g_strdup (key->text), g_strdup (value->text));
    }
}

static void
check_confirm (const char *name, const YamlNode *node, const Script *script, const ScriptStep *step, GPtrArray *problems)
{
    for (guint i = 0; step->confirm[i] != NULL; i++) {
        if (script->roles != NULL && !g_strv_contains ((const char *const *) script->roles, step->confirm[i]))
            yaml_problem (problems, name, node, "confirm: \"%s\" isn't one of the script's roles", step->confirm[i]);
        for (guint j = 0; j < i; j++)
            if (strcmp (step->confirm[i], step->confirm[j]) == 0)
                yaml_problem (problems, name, node, "confirm: \"%s\" is there twice", step->confirm[i]);
    }
}

static gboolean
act_seen (const Script *script, const char *act)
{
    for (guint i = 0; i < script->steps->len; i++) {
        const ScriptStep *step = g_ptr_array_index (script->steps, i);
        if (step->act != NULL && strcmp (step->act, act) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Evidence goes into the request only where it was collected before. */
static void
check_request (const char *name, const YamlNode *with, const Script *script, GPtrArray *problems)
{
    static const char *const words[] = { "none", "yubico", "ietf", NULL };
    const YamlNode *node = with != NULL ? yaml_get (with, "attestation") : NULL;
    if (node == NULL || node->kind != YAML_SCALAR)
        return;
    if (!g_strv_contains (words, node->text))
        yaml_problem (problems, name, node, "attestation: one of none, yubico, ietf");
    else if (strcmp (node->text, "none") != 0 && !act_seen (script, "attest"))
        yaml_problem (problems, name, node, "attestation: the act \"attest\" must come before \"request\", so that there is evidence to put into it");
}

static void
check_act (const char *name, const YamlNode *node, const Script *script, StepFile *file, GPtrArray *problems)
{
    const YamlNode *at = yaml_get (node, "act");
    const ActInfo *act = act_find (file->step.act);
    if (act == NULL) {
        yaml_problem (problems, name, at, "\"%s\": no such act; ceremony script acts lists them", file->step.act);
        return;
    }
    if ((act->flags & ACT_ONCE) && act_seen (script, act->name))
        yaml_problem (problems, name, at, "the act \"%s\" may stand in a script only once", act->name);
    if (act->after != NULL && !act_seen (script, act->after))
        yaml_problem (problems, name, at, "the act \"%s\" must come after \"%s\"", act->name, act->after);
    if (act_seen (script, "close"))
        yaml_problem (problems, name, at, "nothing may come after the act \"close\"");
    read_with (name, file->with, act, &file->step, problems);
    if (strcmp (act->name, "request") == 0)
        check_request (name, file->with, script, problems);
}

static void
read_step (const char *name, const YamlNode *node, Script *script, GPtrArray *problems)
{
    StepFile *file = g_new0 (StepFile, 1);
    file->step.line = node->line;
    file->step.with = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    yaml_read_map (name, node, step_fields, file, problems);
    file->step.read = reflow (file->step.read);
    file->step.action = reflow (file->step.action);
    if (file->step.confirm == NULL)
        file->step.confirm = g_new0 (char *, 1);
    if (file->step.id != NULL && !is_word (file->step.id))
        yaml_problem (problems, name, yaml_get (node, "id"), "id: only a-z, 0-9 and - are allowed");
    if (file->step.id != NULL && script_step (script, file->step.id) != NULL)
        yaml_problem (problems, name, yaml_get (node, "id"), "id: \"%s\" is there twice", file->step.id);
    if (node->kind == YAML_MAP && yaml_get (node, "confirm") != NULL)
        check_confirm (name, yaml_get (node, "confirm"), script, &file->step, problems);
    if (file->step.act != NULL)
        check_act (name, node, script, file, problems);
    ScriptStep *step = g_new (ScriptStep, 1);
    *step = file->step;
    g_free (file);
    g_ptr_array_add (script->steps, step);
}

static void
check_roles (const char *name, const YamlNode *root, const Script *script, GPtrArray *problems)
{
    if (script->roles == NULL)
        return;
    for (guint i = 0; script->roles[i] != NULL; i++)
        if (!is_word (script->roles[i]))
            yaml_problem (problems, name, yaml_get (root, "roles"), "roles: \"%s\": only a-z, 0-9 and - are allowed", script->roles[i]);
    for (const char *const *role = (const char *const[]){ "operator", "witness", NULL }; *role != NULL; role++)
        if (!g_strv_contains ((const char *const *) script->roles, *role))
            yaml_problem (problems, name, yaml_get (root, "roles"), "roles: \"%s\" must be one of them", *role);
}

static void
check_whole (const char *name, const YamlNode *root, const ScriptFile *file, GPtrArray *problems)
{
    const Script *script = &file->script;
    if (file->format != NULL && strcmp (file->format, SCRIPT_FORMAT) != 0)
        yaml_problem (problems, name, yaml_get (root, "format"), "format: this program reads \"%s\"", SCRIPT_FORMAT);
    if (script->algorithm != NULL && !key_algorithm_known (script->algorithm))
        yaml_problem (problems, name, yaml_get (root, "algorithm"), "algorithm: one of rsa-3072, rsa-4096, ec-p256, ec-p384");
    for (const ActInfo *act = act_table; act->name != NULL; act++)
        if ((act->flags & ACT_REQUIRED) && !act_seen (script, act->name))
            yaml_problem (problems, name, root, "no step has the act \"%s\", without which a ceremony proves nothing", act->name);
}

Script *
script_parse (const char *name, const void *data, gsize len, GError **error)
{
    g_autoptr (YamlNode) root = yaml_tree_parse (name, data, len, error);
    if (root == NULL)
        return NULL;
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    ScriptFile file = { .script.steps = g_ptr_array_new_with_free_func ((GDestroyNotify) step_free) };
    yaml_read_map (name, root, script_fields, &file, problems);
    check_roles (name, root, &file.script, problems);
    if (file.steps != NULL && file.steps->items->len > SCRIPT_STEPS_MAX)
        yaml_problem (problems, name, file.steps, "more than %d steps", SCRIPT_STEPS_MAX);
    else
        for (guint i = 0; file.steps != NULL && i < file.steps->items->len; i++)
            read_step (name, g_ptr_array_index (file.steps->items, i), &file.script, problems);
    check_whole (name, root, &file, problems);
    g_free (file.format);
    if (!yaml_problems_end (problems, error)) {
        script_clear (&file.script);
        return NULL;
    }
    Script *self = g_new (Script, 1);
    *self = file.script;
    if (self->language == NULL)
        self->language = g_strdup ("en");
    if (self->algorithm == NULL)
        self->algorithm = g_strdup ("ec-p256");
    g_autofree char *hash = sha256_hex (data, len);
    g_strlcpy (self->sha256, hash, sizeof self->sha256);
    self->source = g_bytes_new (data, len);
    return self;
}

Script *
script_load (const char *path, GError **error)
{
    g_autoptr (GBytes) bytes = file_read (path, YAML_MAX_LEN, error);
    if (bytes == NULL) {
        g_prefix_error (error, "script: ");
        return NULL;
    }
    gsize len;
    const void *data = g_bytes_get_data (bytes, &len);
    return script_parse (path, data, len, error);
}

ScriptStep *
script_step (const Script *self, const char *id)
{
    for (guint i = 0; i < self->steps->len; i++) {
        ScriptStep *step = g_ptr_array_index (self->steps, i);
        if (step->id != NULL && strcmp (step->id, id) == 0)
            return step;
    }
    return NULL;
}

const char *
script_method (const Script *self)
{
    return act_seen (self, "countersign") ? "6.2.7.4.2-7" : "6.2.7.4.2-6";
}
