/* Acts around the challenge: the appliance commits first, then the witness gives it, then it is held before the camera. */
#include "ceremony/run/acts/acts.h"
#include "ceremony/run/rehearsal.h"
#include <string.h>

/* The note of the opening checkpoint, put into the picture: verify wants it seen there before the challenge. */
static const char *
opening_note (Run *run, GError **error)
{
    const Event *committed = run_last_event (run, "opening.committed");
    gint64 size = 0;
    const char *note;

    if (committed == NULL || !cjson_int (committed->data, "size", &size, error))
        return NULL;
    note = journal_checkpoint_at (run->journal, (guint64) size);
    if (note == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "the opening checkpoint of %" G_GINT64_FORMAT " events isn't in the journal: its file was changed; abort", size);
        return NULL;
    }
    recorder_pace (run->recorder, FALSE);
    if (!recorder_show (run->recorder, note, (guint64) size))
        screen_say (run, MOOD_WARNING, "The opening checkpoint could not be put into the picture yet: wait until the recording runs.");
    recorder_pace (run->recorder, TRUE);
    return note;
}

gboolean
act_open (Run *run, const ScriptStep *step, GError **error)
{
    g_autofree char *note = NULL, *text = NULL;
    gint64 size = 0;

    if (!run_step_event (run, "opening.committed")) {
        json_t *described = NULL;
        if (run_checkpoint (run, &described, error) == NULL || !run_event (run, "opening.committed", "appliance", described, error))
            return FALSE;
    }
    note = g_strdup (opening_note (run, error));
    if (note == NULL || !cjson_int (run_last_event (run, "opening.committed")->data, "size", &size, error) || !run_timestamp (run, note, (guint64) size, error))
        return FALSE;
    text = g_strdup_printf ("The witness scans the code, or notes the words.\n\n%s", note);
    return run_page (run, "The opening checkpoint", text, note, error);
}

static gboolean
was_shown (Run *run, gint64 size)
{
    for (guint64 seq = journal_size (run->journal); seq-- > 0;) {
        const Event *event = journal_event (run->journal, seq);
        gint64 shown = -1;
        if (strcmp (event->type, "qr.shown") == 0 && cjson_int (event->data, "size", &shown, NULL) && shown == size)
            return TRUE;
    }
    return FALSE;
}

typedef struct { guint8 bytes[CHALLENGE_LEN]; const char *source; char *typed; } Given;

/* Eight words of the PGP list, which the witness computed from the checkpoint and a secret. */
static gboolean
ask_words (Run *run, const char *note, Given *given, GError **error)
{
    g_autofree char *hint = rehearsal_hint (run->setup, run->id, run_last_event (run, "opening.committed"));
    g_autofree char *detail = hint ? g_strdup_printf ("Rehearsal: the witness's words are: %s", hint)
                                   : g_strdup ("`ceremony challenge` computes them from this checkpoint and the witness's secret.");

    for (;;) {
        g_auto(Reply) reply = { 0 };
        g_autoptr(GError) wrong = NULL;
        g_autoptr(GBytes) bytes = NULL;
        Question question = { .kind = ASK_WORDS, .id = "challenge", .role = "witness", .title = "The witness's challenge: eight words",
                              .detail = detail, .qr = note };
        if (!run_ask (run, &question, &reply, error))
            return FALSE;
        bytes = pgp_words_decode (reply.text, &wrong);
        if (bytes != NULL && g_bytes_get_size (bytes) == CHALLENGE_LEN) {
            memcpy (given->bytes, g_bytes_get_data (bytes, NULL), CHALLENGE_LEN);
            given->source = "secret";
            return TRUE;
        }
        screen_say (run, MOOD_WARNING, "%s", wrong ? wrong->message : "The challenge is eight words, no more and no fewer. Ask the witness to read them again.");
    }
}

static gboolean
ask_dice (Run *run, const char *note, Given *given, GError **error)
{
    for (;;) {
        g_auto(Reply) reply = { 0 };
        g_autoptr(GError) wrong = NULL;
        Question question = { .kind = ASK_TEXT, .id = "challenge.own", .role = "witness", .title = "The witness's own words, by dice or chosen now",
                              .detail = "At least five words, 20 letters together, that nobody could know before.", .qr = note };
        if (!run_ask (run, &question, &reply, error))
            return FALSE;
        if (challenge_from_words (reply.text, given->bytes, &wrong)) {
            given->source = "words";
            given->typed = g_steal_pointer (&reply.text);
            return TRUE;
        }
        screen_say (run, MOOD_WARNING, "%s", wrong->message);
    }
}

static gboolean
journal_challenge (Run *run, const Given *given, GError **error)
{
    const Event *committed = run_last_event (run, "opening.committed");
    g_autofree char *hex = hex_encode (given->bytes, CHALLENGE_LEN), *words = pgp_words (given->bytes, CHALLENGE_LEN);
    json_t *data = json_pack ("{s:s,s:O,s:s,s:s}", "source", given->source, "checkpoint", committed->data, "challenge", hex, "words", words);

    if (data && given->typed)
        json_object_set_new (data, "typed", json_string (given->typed));
    if (!run_event (run, "challenge.given", "witness", data, error))
        return FALSE;
    screen_say (run, MOOD_NORMAL, "Challenge: %s", words);
    return TRUE;
}

gboolean
act_challenge (Run *run, const ScriptStep *step, GError **error)
{
    const Event *committed = run_last_event (run, "opening.committed");
    g_autofree char *note = NULL;
    Given given = { 0 };
    gint64 size = 0;
    gboolean ok, secret = json_is_string (json_object_get (journal_event (run->journal, 0)->data, "challenge_commitment"));

    if (run_step_event (run, "challenge.given"))
        return TRUE;
    if (committed == NULL || !cjson_int (committed->data, "size", &size, NULL)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "the appliance hasn't committed to its opening: the script must have open before this step");
        return FALSE;
    }
    note = g_strdup (was_shown (run, size) ? journal_checkpoint_at (run->journal, (guint64) size) : opening_note (run, error));
    if (note == NULL)
        return FALSE;
    ok = (secret ? ask_words : ask_dice) (run, note, &given, error) && journal_challenge (run, &given, error);
    g_free (given.typed);
    return ok;
}

/* A picture that shows the cameras large, with the checkpoint of now, is in the video before they become small again: however quickly people answered. */
static void
show_marked (Run *run)
{
    const char *note = run_checkpoint (run, NULL, NULL);

    if (note)
        recorder_show (run->recorder, note, journal_checkpoint_size (run->journal));
}

/* The operator says when it is shown, the witness that it was. The words stay on the screen meanwhile. */
gboolean
act_liveness (Run *run, const ScriptStep *step, GError **error)
{
    g_autoptr(GBytes) challenge = run_challenge (run, error);
    g_autofree char *words = NULL, *hex = NULL, *title = NULL;
    gint64 began;
    int yes = -1;

    if (run_step_event (run, "liveness.shown"))
        return TRUE;
    if (challenge == NULL)
        return FALSE;
    words = pgp_words (g_bytes_get_data (challenge, NULL), CHALLENGE_LEN);
    hex = hex_encode (g_bytes_get_data (challenge, NULL), CHALLENGE_LEN);
    title = g_strdup_printf ("Say and show: %s", words);
    began = journal_mono_ms (run->journal);
    recorder_mark_camera (run->recorder, TRUE);
    if (run_continue (run, "liveness.operator", title, "Operator: hold the handwritten words beside the token before the camera and read them aloud, then press Enter.", error))
        yes = run_ask_yes_no (run, "liveness", "witness", "Witness: did you see the handwritten words beside the token, and hear them?", title, error);
    if (yes > 0)
        show_marked (run);
    recorder_mark_camera (run->recorder, FALSE);
    if (yes < 0)
        return FALSE;
    if (yes == 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the witness did not see the challenge beside the token: nothing is generated before that; show it again, or abort");
        return FALSE;
    }
    return run_event (run, "liveness.shown", "witness", json_pack ("{s:s,s:I,s:s}", "confirmed_by", people_person_of (run, "witness"), "began_ms", (json_int_t) began,
                      "challenge", hex), error);
}
