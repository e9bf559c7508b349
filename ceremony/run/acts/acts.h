/* The acts: a function each, named by the verb that a script uses. Each is safe to enter again after a crash at any of its events: it looks into the journal first. */
#pragma once
#include "ceremony/run/recorder.h"

typedef gboolean (*ActFunc) (Run *run, const ScriptStep *step, GError **error);
ActFunc acts_find (const char *name);           /* NULL: no such act */
/* Every act of script/acts.h has a function here, and the other way round. */
gboolean acts_check (GError **error);

/* attach.c: adds to @data, the event of an attached file, what is told of a report (scope, auditor, period, expires: by the script, or asked), and what was recognised in it. */
gboolean attach_tell (Run *run, json_t *data, GBytes *bytes, GError **error);

gboolean act_read (Run *run, const ScriptStep *step, GError **error);
gboolean act_consent (Run *run, const ScriptStep *step, GError **error);
gboolean act_identify (Run *run, const ScriptStep *step, GError **error);
gboolean act_clock (Run *run, const ScriptStep *step, GError **error);
gboolean act_represent (Run *run, const ScriptStep *step, GError **error);
gboolean act_select_token (Run *run, const ScriptStep *step, GError **error);
gboolean act_show_token (Run *run, const ScriptStep *step, GError **error);
gboolean act_inventory (Run *run, const ScriptStep *step, GError **error);
gboolean act_absent (Run *run, const ScriptStep *step, GError **error);
gboolean act_credential (Run *run, const ScriptStep *step, GError **error);
gboolean act_open (Run *run, const ScriptStep *step, GError **error);
gboolean act_challenge (Run *run, const ScriptStep *step, GError **error);
gboolean act_liveness (Run *run, const ScriptStep *step, GError **error);
gboolean act_generate (Run *run, const ScriptStep *step, GError **error);
gboolean act_attributes (Run *run, const ScriptStep *step, GError **error);
gboolean act_prove (Run *run, const ScriptStep *step, GError **error);
gboolean act_request (Run *run, const ScriptStep *step, GError **error);
gboolean act_countersign (Run *run, const ScriptStep *step, GError **error);
gboolean act_unplug (Run *run, const ScriptStep *step, GError **error);
gboolean act_attach (Run *run, const ScriptStep *step, GError **error);
gboolean act_attest (Run *run, const ScriptStep *step, GError **error);
gboolean act_fingerprint (Run *run, const ScriptStep *step, GError **error);
gboolean act_deviations (Run *run, const ScriptStep *step, GError **error);
gboolean act_close (Run *run, const ScriptStep *step, GError **error);

/* The files that attestation.read tells of, as AttestInput, with the digests that it names; empty where there is no such event. */
GPtrArray *act_evidence_files (Run *run, GError **error);
/* Writes @bytes to @folder/@name in the ceremony's folder, in place of what an interrupted sitting left there. */
gboolean act_write_in (const Run *run, const char *folder, const char *name, GBytes *bytes, GError **error);
