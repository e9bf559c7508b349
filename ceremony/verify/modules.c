/* The list of suitable modules; see modules.h. */
#include "ceremony/verify/modules.h"
#include <stdlib.h>
#include <string.h>
#include "ceremony/attest/anchors.h"
#include "ceremony/base/child.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/file.h"
#include "ceremony/base/yaml.h"

#define MODULES_MAX_LEN (512 * 1024)
#define MAX_ROWS 2000

struct ModuleList {
    GPtrArray *rows;                            /* Module */
};

typedef struct {
    Module row;
    char  *state, *from, *until;
} RowText;

#define TEXT(key, member, required, max) { key, FIELD_TEXT, required, G_STRUCT_OFFSET (RowText, member), 0, max }
static const YamlField row_fields[] = {
    TEXT ("vendor", row.vendor, TRUE, 100), TEXT ("model", row.model, TRUE, 100), TEXT ("serials", row.serials, FALSE, 100),
    TEXT ("firmware_from", row.firmware_from, FALSE, 40), TEXT ("firmware_to", row.firmware_to, FALSE, 40), TEXT ("scheme", row.scheme, TRUE, 40),
    TEXT ("certificate", row.certificate, FALSE, 60), TEXT ("level", row.level, TRUE, 20), TEXT ("state", state, TRUE, 20),
    TEXT ("valid_from", from, FALSE, 10), TEXT ("historical_from", until, FALSE, 10), TEXT ("source", row.source, TRUE, 400),
    TEXT ("note", row.note, FALSE, 400), { NULL, 0, FALSE, 0, 0, 0 }
};
typedef struct { YamlNode *modules; } Top;
static const YamlField top_fields[] = {
    { "modules", FIELD_LIST, TRUE, G_STRUCT_OFFSET (Top, modules), 0, 0 }, { NULL, 0, FALSE, 0, 0, 0 }
};
static const char *const states[] = { "active", "historical", "revoked" };
static const char *const schemes[] = { "FIPS 140-2", "FIPS 140-3", "Common Criteria", NULL };

static void
module_free (Module *self)
{
    g_free (self->vendor);
    g_free (self->model);
    g_free (self->serials);
    g_free (self->firmware_from);
    g_free (self->firmware_to);
    g_free (self->scheme);
    g_free (self->certificate);
    g_free (self->level);
    g_free (self->source);
    g_free (self->note);
    g_free (self);
}

void
modules_free (ModuleList *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref (self->rows);
    g_free (self);
}

const char *
module_state_name (ModuleState state)
{
    return states[state];
}

/* "2026-09-22", its first moment in UTC; -1 where there is none. */
static gint64
read_day (const char *text, const YamlNode *at, const char *key, GPtrArray *problems)
{
    gint64 ms;
    g_autofree char *moment = text ? g_strconcat (text, "T00:00:00.000Z", NULL) : NULL;
    if (moment == NULL)
        return -1;
    if (clock_parse (moment, &ms, NULL))
        return ms;
    yaml_problem (problems, "modules", yaml_get (at, key), "%s: not a day as 2026-09-22", key);
    return -1;
}

static void
add_row (ModuleList *self, const YamlNode *node, GPtrArray *problems)
{
    RowText text = { 0 };
    guint before = problems->len;
    yaml_read_map ("modules", node, row_fields, &text, problems);
    Module *row = g_new0 (Module, 1);
    *row = text.row;
    g_ptr_array_add (self->rows, row);
    g_autofree char *state = text.state, *from = text.from, *until = text.until;
    if (problems->len > before)
        return;
    row->from_ms = read_day (from, node, "valid_from", problems);
    row->until_ms = read_day (until, node, "historical_from", problems);
    gboolean known = FALSE;
    for (guint i = 0; i < G_N_ELEMENTS (states); i++)
        if (g_str_equal (state, states[i])) {
            row->state = (ModuleState) i;
            known = TRUE;
        }
    if (!known)
        yaml_problem (problems, "modules", yaml_get (node, "state"), "state: \"%s\" is none of active, historical, revoked", state);
    if (!g_strv_contains (schemes, row->scheme))
        yaml_problem (problems, "modules", yaml_get (node, "scheme"), "scheme: \"%s\" is none of FIPS 140-2, FIPS 140-3, Common Criteria", row->scheme);
}

ModuleList *
modules_parse (const void *data, gsize len, GError **error)
{
    g_autoptr (YamlNode) top = yaml_tree_parse ("modules", data, len, error);
    if (top == NULL)
        return NULL;
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (ModuleList) self = g_new0 (ModuleList, 1);
    Top text = { NULL };
    self->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) module_free);
    yaml_read_map ("modules", top, top_fields, &text, problems);
    for (guint i = 0; text.modules && i < text.modules->items->len && i < MAX_ROWS; i++)
        add_row (self, text.modules->items->pdata[i], problems);
    if (text.modules && text.modules->items->len > MAX_ROWS)
        yaml_problem (problems, "modules", top, "more than %d rows", MAX_ROWS);
    return yaml_problems_end (problems, error) ? g_steal_pointer (&self) : NULL;
}

ModuleList *
modules_load (const char *path, GError **error)
{
    g_autoptr (GBytes) bytes = file_read (path, MODULES_MAX_LEN, error);
    ModuleList *self = bytes ? modules_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error) : NULL;
    if (bytes != NULL && self == NULL)
        g_prefix_error (error, "%s: ", path);
    return self;
}

char *
modules_default_path (void)
{
    const char *set = g_getenv ("CEREMONY_MODULES");
    if (set && *set)
        return g_strdup (set);
    return child_script_path ("modules.yaml");
}

static gboolean
fits (const char *pattern, const char *text)
{
    g_autofree char *p = g_utf8_casefold (pattern, -1), *valid = g_utf8_make_valid (text, -1), *t = g_utf8_casefold (valid, -1);
    return g_pattern_match_simple (p, t);
}

/* How far a device fits a row: each step that holds counts one. FULL: it falls under it. */
enum { FULL = 5 };

static int
nearness (const Module *row, const char *vendor, const char *model, const char *serial, const char *firmware, gint64 date_ms)
{
    if (vendor == NULL || !fits (row->vendor, vendor))
        return 0;
    if (model == NULL || !fits (row->model, model))
        return 1;
    if ((row->firmware_from || row->firmware_to) &&
        (firmware == NULL || (row->firmware_from && firmware_compare (firmware, row->firmware_from) < 0) ||
         (row->firmware_to && firmware_compare (firmware, row->firmware_to) > 0)))
        return 2;
    if (row->serials && (serial == NULL || !fits (row->serials, serial)))
        return 3;
    return row->from_ms >= 0 && date_ms < row->from_ms ? 4 : FULL;
}

static char *
why_not (int nearest, const char *vendor, const char *model, const char *serial, const char *firmware)
{
    switch (nearest) {
    case 1:
        return g_strdup_printf ("the list has modules of %s, but none like \"%s\"", vendor, model ? model : "one whose model isn't known");
    case 2:
        return firmware ? g_strdup_printf ("%s %s is listed, but not with firmware %s", vendor, model, firmware)
                        : g_strdup_printf ("%s %s is listed for certain firmware, and this device's isn't known", vendor, model);
    case 3:
        return g_strdup_printf ("%s %s is listed, but not serial number %s", vendor, model, serial ? serial : "unknown");
    case 4:
        return g_strdup_printf ("%s %s was certified only after that day", vendor, model);
    default:
        return g_strdup_printf ("the list has no module of %s", vendor ? vendor : "a vendor that isn't known");
    }
}

static ModuleState
state_on (const Module *row, gint64 date_ms)
{
    return row->state == MODULE_ACTIVE && row->until_ms >= 0 && date_ms >= row->until_ms ? MODULE_HISTORICAL : row->state;
}

const Module *
modules_match (const ModuleList *self, const char *vendor, const char *model, const char *serial, const char *firmware, gint64 date_ms,
               ModuleState *state, char **reason)
{
    const Module *best = NULL;
    int nearest = 0;
    for (guint i = 0; i < self->rows->len; i++) {
        const Module *row = self->rows->pdata[i];
        int near = nearness (row, vendor, model, serial, firmware, date_ms);
        nearest = MAX (nearest, near);
        if (near == FULL && (best == NULL || state_on (row, date_ms) < state_on (best, date_ms)))
            best = row;
    }
    if (best == NULL && reason)
        *reason = why_not (nearest, vendor, model, serial, firmware);
    if (best && state)
        *state = state_on (best, date_ms);
    return best;
}

gboolean
module_suits (const Module *module, int fips_level)
{
    if (g_str_has_prefix (module->scheme, "FIPS"))
        return atoi (module->level) >= fips_level;
    int eal = g_str_has_prefix (module->level, "EAL") ? atoi (module->level + 3) : 0;
    return eal > 4 || (eal == 4 && strchr (module->level, '+'));
}

json_t *
module_row_json (const Module *module, ModuleState state)
{
    json_t *object = json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s}", "vendor", module->vendor, "model", module->model, "scheme", module->scheme, "level",
                                module->level, "state", states[state], "source", module->source);
    if (module->certificate)
        json_object_set_new (object, "certificate", json_string (module->certificate));
    if (module->note)
        json_object_set_new (object, "note", json_string (module->note));
    return object;
}
