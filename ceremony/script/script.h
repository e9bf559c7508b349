/* A ceremony script: the steps, in YAML (docs/formats.md). Scripts are hostile input until their order's signature is checked. */
#pragma once
#include <glib.h>

typedef struct {
    char *id;                   /* [a-z0-9-]+, unique */
    char *title;
    char *act;                  /* a verb of acts.h */
    char *read;                 /* to be read aloud, or "" */
    char *action;               /* what to do now ("do:" in YAML), or "" */
    char **confirm;             /* roles that confirm, in this order: a hold point where not empty; NULL-terminated */
    GHashTable *with;           /* parameters of the act: char* → char* */
    guint line;                 /* in the YAML, from 1 */
} ScriptStep;

typedef struct {
    char *title, *version, *language;
    char **roles;               /* NULL-terminated: "operator", "witness", … */
    char *algorithm;            /* default where the order says nothing: "ec-p256", … */
    char *subject;              /* default subject, RFC 4514 text, or NULL */
    GPtrArray *steps;           /* ScriptStep */
    char sha256[65];            /* of the file's bytes */
    GBytes *source;
} Script;

/* Reads YAML. Errors (BASE_ERROR_FORMAT) read "FILE:LINE:COLUMN: what: why". All are found, not just the first: joined by newlines, at most 20.
 * Checks: known keys, types, act and its parameters exist (acts.h), roles declared, ids unique, order of acts (acts.h), lengths. */
Script *script_parse (const char *name, const void *data, gsize len, GError **error);
Script *script_load (const char *path, GError **error);
void    script_free (Script *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Script, script_free)
/* The method of CSBR 6.2.7.4.2 that it is held for: "6.2.7.4.2-7" where a signing service countersigns, else "6.2.7.4.2-6". */
const char *script_method (const Script *self);
ScriptStep *script_step (const Script *self, const char *id);   /* borrowed or NULL */
/* The paper script: a table of step, activity, read-aloud text, initials, time, with title, version and SHA-256; @width columns. g_free. */
char *script_print (const Script *self, guint width);
