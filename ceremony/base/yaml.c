/* YAML through libyaml's events into a tree with positions. libcyaml isn't used: it tells a position a key too early,
 * takes an empty file for success and ignores a second document. */
#include "ceremony/base/yaml.h"
#include <string.h>
#include <yaml.h>
#include "ceremony/base/errors.h"

#define PROBLEM_MAX 300         /* characters */

typedef struct {
    yaml_parser_t parser;
    const char   *name;
    guint         nodes;
} Reader;

void
yaml_tree_free (YamlNode *self)
{
    if (self == NULL)
        return;
    g_free (self->text);
    g_clear_pointer (&self->items, g_ptr_array_unref);
    g_clear_pointer (&self->keys, g_ptr_array_unref);
    g_free (self);
}

static gboolean
refuse (Reader *r, const yaml_mark_t *mark, int code, GError **error, const char *why)
{
    g_set_error (error, BASE_ERROR, code, "%s:%zu:%zu: %s", r->name, mark->line + 1, mark->column + 1, why);
    return FALSE;
}

static gboolean
next_event (Reader *r, yaml_event_t *event, GError **error)
{
    if (yaml_parser_parse (&r->parser, event))
        return TRUE;
    g_autofree char *why = g_strdup_printf ("not YAML: %s", r->parser.problem ? r->parser.problem : "unknown problem");
    return refuse (r, &r->parser.problem_mark, BASE_ERROR_FORMAT, error, why);
}

/* Text may be drawn on a terminal one day: no control characters but newline and tab. */
static gboolean
plain_text (const char *s, gsize len)
{
    if (!g_utf8_validate (s, len, NULL) || memchr (s, 0, len) != NULL)
        return FALSE;
    for (const char *p = s; p < s + len; p = g_utf8_next_char (p)) {
        gunichar c = g_utf8_get_char (p);
        if (g_unichar_iscntrl (c) && c != '\n' && c != '\t')
            return FALSE;
    }
    return TRUE;
}

static YamlNode *
new_node (YamlKind kind, const yaml_mark_t *mark)
{
    YamlNode *node = g_new0 (YamlNode, 1);
    node->kind = kind;
    node->line = mark->line + 1;
    node->column = mark->column + 1;
    if (kind != YAML_SCALAR)
        node->items = g_ptr_array_new_with_free_func ((GDestroyNotify) yaml_tree_free);
    if (kind == YAML_MAP)
        node->keys = g_ptr_array_new_with_free_func ((GDestroyNotify) yaml_tree_free);
    return node;
}

static YamlNode *read_node (Reader *r, const yaml_event_t *event, guint depth, GError **error);

static YamlNode *
read_scalar (Reader *r, const yaml_event_t *event, GError **error)
{
    const char *value = (const char *) event->data.scalar.value;
    gsize len = event->data.scalar.length;
    if (!plain_text (value, len)) {
        refuse (r, &event->start_mark, BASE_ERROR_FORMAT, error, "text holds a control character");
        return NULL;
    }
    YamlNode *node = new_node (YAML_SCALAR, &event->start_mark);
    node->text = g_strndup (value, len);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return node;
}

/* One key of a map into @node; FALSE with @error for a key that isn't a scalar or is there already. */
static gboolean
read_key (Reader *r, const yaml_event_t *event, YamlNode *node, GError **error)
{
    if (event->type != YAML_SCALAR_EVENT)
        return refuse (r, &event->start_mark, BASE_ERROR_FORMAT, error, "a key must be plain text");
    YamlNode *key = read_scalar (r, event, error);
    if (key == NULL)
        return FALSE;
    if (yaml_get (node, key->text) != NULL) {
        g_autofree char *why = g_strdup_printf ("the key \"%s\" is there twice", key->text);
        yaml_tree_free (key);
        return refuse (r, &event->start_mark, BASE_ERROR_FORMAT, error, why);
    }
    g_ptr_array_add (node->keys, key);
    return TRUE;
}

static YamlNode *
read_collection (Reader *r, const yaml_event_t *start, guint depth, GError **error)
{
    gboolean map = start->type == YAML_MAPPING_START_EVENT;
    g_autoptr (YamlNode) node = new_node (map ? YAML_MAP : YAML_LIST, &start->start_mark);
    int end = map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    for (;;) {
        yaml_event_t event;
        if (!next_event (r, &event, error))
            return NULL;
        if ((int) event.type == end) {
            yaml_event_delete (&event);
            return g_steal_pointer (&node);
        }
        gboolean ok = TRUE;
        if (map && node->keys->len == node->items->len) {
            ok = read_key (r, &event, node, error);
        } else {
            YamlNode *item = read_node (r, &event, depth + 1, error);
            if (item != NULL)
                g_ptr_array_add (node->items, item);
            ok = item != NULL;
        }
        yaml_event_delete (&event);
        if (!ok)
            return NULL;
    }
}

static YamlNode *
read_node (Reader *r, const yaml_event_t *event, guint depth, GError **error)
{
    if (depth > YAML_MAX_DEPTH || ++r->nodes > YAML_MAX_NODES) {
        refuse (r, &event->start_mark, BASE_ERROR_LIMIT, error, "nested too deep, or too many items");
        return NULL;
    }
    const yaml_char_t *tag = event->type == YAML_SCALAR_EVENT ? event->data.scalar.tag
                             : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.tag
                             : event->type == YAML_MAPPING_START_EVENT ? event->data.mapping_start.tag : NULL;
    if (event->type == YAML_ALIAS_EVENT || tag != NULL) {
        refuse (r, &event->start_mark, BASE_ERROR_FORMAT, error, "aliases and tags aren't allowed here: write the value out");
        return NULL;
    }
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar (r, event, error);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return read_collection (r, event, depth, error);
    default:
        refuse (r, &event->start_mark, BASE_ERROR_FORMAT, error, "a value is missing here");
        return NULL;
    }
}

/* Takes the next event, which must be of @type. */
static gboolean
expect (Reader *r, yaml_event_type_t type, const char *why, GError **error)
{
    yaml_event_t event;
    if (!next_event (r, &event, error))
        return FALSE;
    gboolean ok = event.type == type;
    if (!ok)
        refuse (r, &event.start_mark, BASE_ERROR_FORMAT, error, why);
    yaml_event_delete (&event);
    return ok;
}

YamlNode *
yaml_tree_parse (const char *name, const void *data, gsize len, GError **error)
{
    if (len > YAML_MAX_LEN) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "%s: %" G_GSIZE_FORMAT " bytes: at most %d are read", name, len, YAML_MAX_LEN);
        return NULL;
    }
    Reader r = { .name = name };
    if (!yaml_parser_initialize (&r.parser))
        g_error ("out of memory");
    yaml_parser_set_encoding (&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string (&r.parser, len > 0 ? data : (const void *) "", len);   /* libyaml aborts on NULL, which empty GBytes hold */
    g_autoptr (YamlNode) root = NULL;
    yaml_event_t event;
    if (expect (&r, YAML_STREAM_START_EVENT, "not YAML", error) && expect (&r, YAML_DOCUMENT_START_EVENT, "the file is empty", error) &&
        next_event (&r, &event, error)) {
        root = read_node (&r, &event, 0, error);
        yaml_event_delete (&event);
    }
    if (root != NULL && (!expect (&r, YAML_DOCUMENT_END_EVENT, "text after the end", error) ||
                         !expect (&r, YAML_STREAM_END_EVENT, "a second document isn't allowed", error)))
        g_clear_pointer (&root, yaml_tree_free);
    yaml_parser_delete (&r.parser);
    return g_steal_pointer (&root);
}

YamlNode *
yaml_get (const YamlNode *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (guint i = 0; i < map->items->len; i++) {
        const YamlNode *k = g_ptr_array_index (map->keys, i);
        if (strcmp (k->text, key) == 0)
            return g_ptr_array_index (map->items, i);
    }
    return NULL;
}

void
yaml_problem (GPtrArray *problems, const char *name, const YamlNode *at, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *why = g_strdup_vprintf (format, args);
    va_end (args);
    /* A text of the file that is quoted must not look like a line of its own, nor fill the screen. */
    g_strdelimit (why, "\n\t", ' ');
    gboolean cut = g_utf8_strlen (why, -1) > PROBLEM_MAX;
    if (cut)
        *g_utf8_offset_to_pointer (why, PROBLEM_MAX) = '\0';
    g_ptr_array_add (problems, g_strdup_printf ("%s:%u:%u: %s%s", name, at->line, at->column, why, cut ? "…" : ""));
}

gboolean
yaml_problems_end (GPtrArray *problems, GError **error)
{
    if (problems->len == 0)
        return TRUE;
    GString *text = g_string_new (NULL);
    for (guint i = 0; i < problems->len && i < 20; i++)
        g_string_append_printf (text, "%s%s", i ? "\n" : "", (char *) g_ptr_array_index (problems, i));
    if (problems->len > 20)
        g_string_append_printf (text, "\nand %u more", problems->len - 20);
    g_set_error_literal (error, BASE_ERROR, BASE_ERROR_FORMAT, text->str);
    g_string_free (text, TRUE);
    return FALSE;
}

static void
read_texts (const char *name, const YamlNode *node, const YamlField *field, char ***out, GPtrArray *problems)
{
    g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
    if (node->kind != YAML_LIST) {
        yaml_problem (problems, name, node, "\"%s\" must be a list of texts", field->key);
        return;
    }
    for (guint i = 0; i < node->items->len; i++) {
        const YamlNode *item = g_ptr_array_index (node->items, i);
        if (item->kind != YAML_SCALAR || item->text[0] == '\0')
            yaml_problem (problems, name, item, "\"%s\" must hold texts only", field->key);
        else
            g_ptr_array_add (texts, g_strdup (item->text));
    }
    g_ptr_array_add (texts, NULL);
    *out = (char **) g_ptr_array_free (g_steal_pointer (&texts), FALSE);
}

static void
read_scalar_field (const char *name, const YamlNode *node, const YamlField *field, gpointer at, GPtrArray *problems)
{
    if (node->kind != YAML_SCALAR) {
        yaml_problem (problems, name, node, "\"%s\" must be a single value", field->key);
        return;
    }
    if (field->kind == FIELD_TEXT) {
        gsize max = field->max > 0 ? (gsize) field->max : 65536;
        if (strlen (node->text) > max || strlen (node->text) < (gsize) field->min)
            yaml_problem (problems, name, node, "\"%s\" must have %" G_GINT64_FORMAT " to %zu bytes", field->key, field->min, max);
        else
            *(char **) at = g_strdup (node->text);
    } else if (field->kind == FIELD_BOOL) {
        if (node->quoted || (strcmp (node->text, "true") != 0 && strcmp (node->text, "false") != 0))
            yaml_problem (problems, name, node, "\"%s\" must be true or false", field->key);
        else
            *(gboolean *) at = node->text[0] == 't';
    } else {
        g_autoptr (GError) off = NULL;
        if (node->quoted || !g_ascii_string_to_signed (node->text, 10, field->min, field->max, (gint64 *) at, &off))
            yaml_problem (problems, name, node, "\"%s\" must be a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, field->key, field->min, field->max);
    }
}

static void
read_field (const char *name, YamlNode *node, const YamlField *field, gpointer target, GPtrArray *problems)
{
    gpointer at = (guint8 *) target + field->offset;
    if (field->kind == FIELD_TEXTS)
        read_texts (name, node, field, at, problems);
    else if (field->kind != FIELD_LIST && field->kind != FIELD_MAP)
        read_scalar_field (name, node, field, at, problems);
    else if (node->kind != (field->kind == FIELD_LIST ? YAML_LIST : YAML_MAP))
        yaml_problem (problems, name, node, "\"%s\" must be a %s", field->key, field->kind == FIELD_LIST ? "list" : "map of keys and values");
    else
        *(YamlNode **) at = node;
}

void
yaml_read_map (const char *name, const YamlNode *map, const YamlField *fields, gpointer target, GPtrArray *problems)
{
    if (map->kind != YAML_MAP) {
        yaml_problem (problems, name, map, "keys and values are expected here");
        return;
    }
    for (guint i = 0; i < map->keys->len; i++) {
        const YamlNode *key = g_ptr_array_index (map->keys, i);
        const YamlField *field = fields;
        while (field->key != NULL && strcmp (field->key, key->text) != 0)
            field++;
        if (field->key == NULL)
            yaml_problem (problems, name, key, "\"%s\": no such key here", key->text);
        else
            read_field (name, g_ptr_array_index (map->items, i), field, target, problems);
    }
    for (const YamlField *field = fields; field->key != NULL; field++)
        if (field->required && yaml_get (map, field->key) == NULL)
            yaml_problem (problems, name, map, "the key \"%s\" is missing", field->key);
}
