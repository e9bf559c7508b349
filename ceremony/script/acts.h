/* The acts that a script may name: one table, which the loader checks against and run/ carries out. */
#pragma once
#include <glib.h>

typedef enum { ACT_NEEDS_TOKEN = 1, ACT_CHANGES_TOKEN = 2, ACT_ONCE = 4, ACT_REQUIRED = 8 } ActFlags;

typedef struct {
    const char *name;           /* the verb in YAML */
    const char *meaning;        /* one sentence */
    const char *after;          /* an act that must stand before it in the script, or NULL */
    ActFlags flags;
    const char *const *params;  /* names allowed under with:, NULL-terminated; NULL: none */
    const char *const *events;  /* the events that show it was carried out, NULL-terminated: verify looks for them */
} ActInfo;

extern const ActInfo act_table[];           /* ends with a NULL name */
const ActInfo *act_find (const char *name); /* NULL: no such act */
