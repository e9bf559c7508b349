/* The last acts: the fingerprint read aloud, the deviations, the last hold point. */
#include "ceremony/run/acts/acts.h"
#include <string.h>

#define FINGERPRINT_LEN 16

gboolean
act_fingerprint (Run *run, const ScriptStep *step, GError **error)
{
    const Event *generated = run_last_event (run, "key.generated");
    g_autoptr(GBytes) hash = NULL;
    g_autofree char *words = NULL, *text = NULL, *hex = NULL;

    if (run_step_event (run, "fingerprint.read"))
        return TRUE;
    if (generated == NULL || (hash = hex_decode (cjson_str (generated->data, "spki_sha256", NULL), error)) == NULL)
        return FALSE;
    hex = g_strdup (cjson_str (generated->data, "spki_sha256", NULL));
    words = pgp_words (g_bytes_get_data (hash, NULL), FINGERPRINT_LEN);
    text = g_strdup_printf ("Read aloud, word by word:\n\n%s\n\nSHA-256 of the public key (the words are its first 16 bytes):\n%s\n", words, hex);
    return run_page (run, "The key's fingerprint", text, NULL, error)
           && run_event (run, "fingerprint.read", "operator", json_pack ("{s:s,s:s}", "spki_sha256", hex, "words", words), error);
}

static char *
deviations_text (Run *run)
{
    GString *text = g_string_new (NULL);
    guint n = 0;

    for (guint64 seq = 0; seq < journal_size (run->journal); seq++) {
        const Event *event = journal_event (run->journal, seq);
        if (strcmp (event->type, "deviation.noted") == 0)
            g_string_append_printf (text, "%u. Step %s\n   expected: %s\n   happened: %s\n   decided:  %s\n\n", ++n, event->step, cjson_str (event->data, "expected", NULL),
                                    cjson_str (event->data, "happened", NULL), cjson_str (event->data, "decided", NULL));
        else if (strcmp (event->type, "ceremony.resumed") == 0)
            g_string_append (text, "   (the ceremony was interrupted and resumed)\n\n");
    }
    if (n == 0)
        g_string_append (text, "No deviation was noted.\n\n");
    g_string_append (text, "Whoever knows of another one says so now: F3 notes it.\n");
    return g_string_free (text, FALSE);
}

gboolean
act_deviations (Run *run, const ScriptStep *step, GError **error)
{
    g_autofree char *text = deviations_text (run);

    return run_page (run, "Deviations", text, NULL, error);
}

/* Nothing of its own: its hold points are the last ones, and the engine closes after it. */
gboolean
act_close (Run *run, const ScriptStep *step, GError **error)
{
    return TRUE;
}
