/* The journal as acts use it: committing events of the present step, and looking back at what is there already, which is what makes an act safe to enter again
 * after a crash. */
#include "ceremony/run/engine.h"
#include <string.h>

gboolean
run_event (Run *run, const char *type, const char *actor, json_t *data, GError **error)
{
    g_autoptr(GError) failed = NULL;

    if (data == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: a text isn't UTF-8 and can't be journaled; enter it again in plain letters", type);
        return FALSE;
    }
    if (journal_append (run->journal, type, actor, run->step ? run->step->id : "", data, NULL, &failed))
        return TRUE;
    g_prefix_error (&failed, "%s could not be journaled: ", type);
    if (!g_error_matches (failed, BASE_ERROR, BASE_ERROR_FORMAT) && run->fault == NULL) {
        run->fault = g_error_copy (failed);
        run->stop = STOP_FAULT;
    }
    g_propagate_error (error, g_steal_pointer (&failed));
    return FALSE;
}

const Event *
run_last_event (Run *run, const char *type)
{
    return journal_last (run->journal, type);
}

const Event *
run_step_event (Run *run, const char *type)
{
    for (guint64 seq = journal_size (run->journal); seq-- > 0;) {
        const Event *event = journal_event (run->journal, seq);
        if (run->step != NULL && strcmp (event->step, run->step->id) == 0 && strcmp (event->type, type) == 0)
            return event;
    }
    return NULL;
}

gboolean
run_step_has (Run *run, const char *type, const char *key, const char *value)
{
    for (guint64 seq = journal_size (run->journal); seq-- > 0;) {
        const Event *event = journal_event (run->journal, seq);
        if (run->step != NULL && strcmp (event->step, run->step->id) == 0 && strcmp (event->type, type) == 0
            && g_strcmp0 (cjson_str (event->data, key, NULL), value) == 0)
            return TRUE;
    }
    return FALSE;
}

guint
run_count_events (Run *run, const char *type)
{
    guint n = 0;

    for (guint64 seq = 0; seq < journal_size (run->journal); seq++)
        n += strcmp (journal_event (run->journal, seq)->type, type) == 0;
    return n;
}

gboolean
run_step_finished (Run *run, const ScriptStep *step)
{
    for (guint64 seq = journal_size (run->journal); seq-- > 0;) {
        const Event *event = journal_event (run->journal, seq);
        if (strcmp (event->step, step->id) == 0 && (strcmp (event->type, "step.done") == 0 || strcmp (event->type, "step.skipped") == 0))
            return TRUE;
    }
    return FALSE;
}

const char *
run_checkpoint (Run *run, json_t **described, GError **error)
{
    guint64 size = journal_size (run->journal);
    const char *note = journal_checkpoint (run->journal, error);
    MerkleHash root;

    if (note == NULL) {
        g_prefix_error (error, "journal: the checkpoint could not be signed: ");
        return NULL;
    }
    if (described != NULL) {
        g_autofree char *text = NULL;
        merkle_tree_root (journal_tree (run->journal), size, &root);
        text = base64_encode (root.b, sizeof root.b);
        *described = json_pack ("{s:I,s:s}", "size", (json_int_t) size, "root", text);
    }
    return note;
}

GBytes *
run_challenge (Run *run, GError **error)
{
    const Event *given = run_last_event (run, "challenge.given");

    if (given == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "no challenge was given yet: the script must have it before this step");
        return NULL;
    }
    return hex_decode (cjson_str (given->data, "challenge", NULL), error);
}
