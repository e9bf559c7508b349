/* Suitable modules (CSBR 6.2.7.4.1): a list that a CA edits, scripts/modules.yaml, of certified devices: whose, which models and
 * firmware, which certificate at which level, and until when it stands. */
#pragma once
#include <glib.h>
#include <jansson.h>

typedef enum { MODULE_ACTIVE, MODULE_HISTORICAL, MODULE_REVOKED } ModuleState;

typedef struct {
    char       *vendor, *model, *serials;       /* patterns with * and ?, any case; serials NULL: every one */
    char       *firmware_from, *firmware_to;    /* inclusive; NULL: open */
    char       *scheme;                         /* "FIPS 140-2", "FIPS 140-3", "Common Criteria" */
    char       *certificate;                    /* its number; NULL where the source names none */
    char       *level;                          /* "2", "3", "EAL4+" */
    ModuleState state;                          /* as listed: what it is until @until */
    gint64      from_ms, until_ms;              /* valid from; historical from @until on. -1: open */
    char       *source, *note;
} Module;

typedef struct ModuleList ModuleList;
/* Errors (BASE_ERROR_FORMAT, BASE_ERROR_LIMIT) name line and column. */
ModuleList *modules_parse (const void *data, gsize len, GError **error);
ModuleList *modules_load (const char *path, GError **error);
char       *modules_default_path (void);        /* $CEREMONY_MODULES, scripts/ beside the program's source, or the installed one; g_free */
void        modules_free (ModuleList *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ModuleList, modules_free)

/* The row that a device of this @vendor, @model, @serial and @firmware (any may be NULL: not known) falls under on the day @date_ms; of several
 * an active one before a historical one before a revoked one. @state gets the row's state on that day. NULL: none, and @reason says what came
 * nearest (g_free). The row is the list's. */
const Module *modules_match (const ModuleList *self, const char *vendor, const char *model, const char *serial, const char *firmware, gint64 date_ms,
                             ModuleState *state, char **reason);
const char   *module_state_name (ModuleState state);
/* FIPS 140 level 2 or higher, or Common Criteria EAL 4+ (CSBR 6.2.7.4.1); for a signing service level 3 (6.2.7.3): @fips_level is 2 or 3. */
gboolean      module_suits (const Module *module, int fips_level);
json_t       *module_row_json (const Module *module, ModuleState state);    /* new reference */
