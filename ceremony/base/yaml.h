/* YAML read into a small tree, each node with its line and column: scripts, policies, lists that a CA edits. Bounded in size, depth and count;
 * aliases, tags, duplicate keys, more than one document and keys that aren't plain scalars are refused. libyaml parses. */
#pragma once
#include <glib.h>

#define YAML_MAX_LEN (1024 * 1024)
#define YAML_MAX_DEPTH 12
#define YAML_MAX_NODES 50000

typedef enum { YAML_SCALAR, YAML_LIST, YAML_MAP } YamlKind;
typedef struct YamlNode YamlNode;
struct YamlNode {
    YamlKind   kind;
    guint      line, column;        /* from 1 */
    char      *text;                /* scalar: UTF-8, no control characters but newline and tab */
    gboolean   quoted;              /* "1" and 1 differ */
    GPtrArray *items;               /* list: YamlNode; map: the values */
    GPtrArray *keys;                /* map: YamlNode scalars, in step with items */
};
/* Errors (BASE_ERROR_FORMAT, BASE_ERROR_LIMIT) read "NAME:LINE:COLUMN: what: why". */
YamlNode *yaml_tree_parse (const char *name, const void *data, gsize len, GError **error);
void      yaml_tree_free (YamlNode *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (YamlNode, yaml_tree_free)
YamlNode *yaml_get (const YamlNode *map, const char *key);   /* borrowed; NULL where it isn't there or @map isn't a map */

/* Reading a map by a table: every key must be in it. */
typedef enum { FIELD_TEXT, FIELD_BOOL, FIELD_INT, FIELD_TEXTS, FIELD_LIST, FIELD_MAP } YamlFieldKind;
typedef struct {
    const char   *key;
    YamlFieldKind kind;
    gboolean      required;
    gsize         offset;           /* into the target: char *, gboolean, gint64, char **, YamlNode * (borrowed) */
    gint64        min, max;         /* of the integer; of a text's length in bytes (max 0: 65536) */
} YamlField;
/* Fills @target; appends every problem as "NAME:LINE:COLUMN: …" to @problems (char *). Texts are copied (g_free, g_strfreev).
 * @fields ends with a NULL key. */
void yaml_read_map (const char *name, const YamlNode *map, const YamlField *fields, gpointer target, GPtrArray *problems);
void yaml_problem (GPtrArray *problems, const char *name, const YamlNode *at, const char *format, ...) G_GNUC_PRINTF (4, 5);
/* Sets @error from @problems (at most 20 lines) and gives FALSE; TRUE where there are none. */
gboolean yaml_problems_end (GPtrArray *problems, GError **error);
