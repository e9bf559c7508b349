/* What the appliance closes (evidence.json) and what the witness states (statement.json): built from the journal alone, so that verify builds them again and
 * compares. docs/formats.md holds the fields. */
#pragma once
#include "ceremony/journal/event.h"

/* From all events and the final checkpoint's note. @events: Event. New reference. BASE_ERROR_FORMAT where events contradict each other. */
json_t *evidence_build (const GPtrArray *events, const char *final_note, GError **error);

typedef struct {
    const char *opinion;        /* "witnessed", "witnessed-with-deviations", "refused" */
    const char *remarks, *not_seen, *place, *region, *retention;
    const char *key_place;      /* where the witness's key lives: "key-file", "token" */
    const json_t *witness;      /* {"name","employer","qualification","approval"} */
    gint64 signed_at;           /* UTC ms */
} StatementInput;
/* {"format":"ceremony/statement/v1","stated":{what the witness adds},"derived":{all that follows from journal, evidence, people, order and container}}.
 * @challenge_secret: 64 hex digits or NULL (the witness's own words). @digests: asice_signature_digests. New reference. */
json_t *statement_build (const GPtrArray *events, const json_t *evidence, const json_t *people, const json_t *order, const char *challenge_secret,
                         const json_t *digests, const StatementInput *input, GError **error);
/* The derived part alone: verify compares it with the one in statement.json. */
json_t *statement_derive (const GPtrArray *events, const json_t *evidence, const json_t *people, const json_t *order, const char *challenge_secret,
                          const json_t *digests, GError **error);
/* The summary that the witness reads before signing, plain text for @width columns. g_free. */
char *statement_summary (const json_t *statement, guint width);
extern const char *const statement_opinions[][2];           /* id, sentence; ends with NULL */
/* Where the key was born, by the journal: {"kind":"born-here|imported|unknown","sources":[…],"evidence":[{"seq","time","step","source","says"}]} (docs/formats.md). */
json_t *statement_history (const GPtrArray *events);
