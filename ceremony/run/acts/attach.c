/* What an attached file is: a report with its scope, auditor, period and expiry (CSBR 6.2.7.4.2 (4), (5)), or a cloud provider's description of a key. */
#include "ceremony/attest/cloud.h"
#include "ceremony/run/acts/acts.h"
#include <string.h>

typedef struct { const char *member, *id, *title, *detail; } Part;
static const Part report_parts[] = {
    { "scope", "attach.scope", "What does the report cover?", "Its scope: which service, which devices, which controls. May be left empty." },
    { "auditor", "attach.auditor", "Who made the report?", "The auditor, or the provider. May be left empty." },
    { "period", "attach.period", "Which period does it cover?", "For example 2025-04-01 to 2026-03-31. May be left empty." },
    { "expires", "attach.expires", "Until which day does it hold?", "YYYY-MM-DD. May be left empty." },
};

static gboolean
is_day (const char *text)
{
    g_autofree char *moment = g_strconcat (text, "T00:00:00.000Z", NULL);
    gint64 ms;

    return strlen (text) == 10 && clock_parse (moment, &ms, NULL);
}

/* One part, by the script or asked until it can be read; left away where it is empty. */
static gboolean
add_part (Run *run, const Part *part, gboolean asks, json_t *data, GError **error)
{
    const char *scripted = g_hash_table_lookup (run->step->with, part->member);
    gboolean day = strcmp (part->member, "expires") == 0;

    if (scripted && day && !is_day (scripted)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "the script says expires: \"%s\", which isn't a day as YYYY-MM-DD; correct the script", scripted);
        return FALSE;
    }
    for (;;) {
        g_autofree char *text = scripted || !asks ? g_strdup (scripted ? scripted : "") : run_ask_text (run, part->id, "operator", part->title, part->detail, "", TRUE, error);
        if (text == NULL)
            return FALSE;
        if (text[0] && day && !is_day (text)) {
            screen_say (run, MOOD_WARNING, "\"%s\" isn't a day as YYYY-MM-DD.", text);
            continue;
        }
        if (text[0])
            json_object_set_new (data, part->member, json_string (text));
        return TRUE;
    }
}

/* Verify reads the file again and compares. */
static void
add_recognised (Run *run, json_t *data, GBytes *bytes)
{
    g_autoptr(GError) unreadable = NULL;
    json_t *recognised = cloud_recognise (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &unreadable);

    if (recognised) {
        screen_say (run, MOOD_NORMAL, "It is of a key at a cloud provider (%s): protection %s, origin %s.", cjson_str (recognised, "provider", NULL),
                    cjson_str (recognised, "protection", NULL), cjson_str (recognised, "origin", NULL));
        json_object_set_new (data, "recognised", recognised);
    } else if (unreadable) {
        screen_say (run, MOOD_WARNING, "%s.", unreadable->message);
    }
}

gboolean
attach_tell (Run *run, json_t *data, GBytes *bytes, GError **error)
{
    static const char *const kinds[] = { "Some other file", "A report by an auditor or a provider", NULL };
    const char *kind = g_hash_table_lookup (run->step->with, "kind");
    gboolean asks = !g_hash_table_lookup (run->step->with, "description");
    int choice = kind ? strcmp (kind, "report") == 0 : 0;

    if (!kind && asks && (choice = run_ask_choice (run, "attach.kind", "operator", "What kind of file is it?", "", kinds, error)) < 0)
        return FALSE;
    for (gsize i = 0; choice == 1 && i < G_N_ELEMENTS (report_parts); i++)
        if (!add_part (run, &report_parts[i], asks, data, error))
            return FALSE;
    add_recognised (run, data, bytes);
    return TRUE;
}
