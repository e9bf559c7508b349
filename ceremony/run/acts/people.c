/* Acts between people: reading aloud, consent, who is present, the clock, the subscriber's promise. */
#include "ceremony/run/acts/acts.h"
#include <string.h>

gboolean
act_read (Run *run, const ScriptStep *step, GError **error)
{
    if (step->confirm[0] != NULL)
        return TRUE;            /* its hold points say that it was read */
    return run_continue (run, "read", "Read the text aloud, then go on.", step->action, error);
}

/* Everybody whose role the script declares must agree; a role that doesn't ends the ceremony. */
gboolean
act_consent (Run *run, const ScriptStep *step, GError **error)
{
    g_autofree char *hash = sha256_hex (step->read, strlen (step->read));

    for (gsize i = 0; run->script->roles[i]; i++) {
        const char *role = run->script->roles[i];
        g_autofree char *title = g_strdup_printf ("Does the %s agree to being recorded?", role);
        int yes;
        if (run_step_has (run, "consent.given", "role", role))
            continue;
        if ((yes = run_ask_yes_no (run, "consent", role, title, "Whoever says no ends the ceremony.", error)) < 0)
            return FALSE;
        if (yes == 0) {
            g_autofree char *reason = g_strdup_printf ("the %s did not agree to being recorded", role);
            run_abort (run, reason);
            return run_stopped (run, error);
        }
        if (!run_event (run, "consent.given", role, json_pack ("{s:s,s:s}", "role", role, "text_sha256", hash), error))
            return FALSE;
    }
    return TRUE;
}

/* ── identify ── */

static const char *const document_kinds[] = { "passport", "national identity card", "driving licence", "residence permit", "staff card", "known personally", NULL };

typedef struct { const char *key, *title, *detail; gboolean witness_only, may_be_empty; } Field;
static const Field fields[] = {
    { "name", "Name", "As in the document that is shown.", FALSE, FALSE },
    { "initials", "Initials", "With these the person confirms from now on.", FALSE, FALSE },
    { "employer", "Employer", "", FALSE, FALSE },
    { "title", "Title or position", "", FALSE, FALSE },
    { "qualification", "Qualification as a witness", "For example: CISA, ISO 27001 lead auditor, staff of the certification authority.", TRUE, FALSE },
    { "approval", "The CA's approval reference", "Under which the certification authority approved this witness.", TRUE, TRUE },
};

/* What the order says of the witness is there to be edited; for others the entry of an interrupted sitting. */
static const char *
prefill (Run *run, const char *role, const char *key)
{
    const json_t *old = people_entry (run, role), *witness = run->order ? json_object_get (run->order->json, "witness") : NULL;
    const char *text = old ? cjson_str (old, key, NULL) : NULL;

    if (text == NULL && strcmp (role, "witness") == 0 && json_is_object (witness))
        text = cjson_str (witness, key, NULL);
    return text ? text : "";
}

static json_t *
ask_entry (Run *run, const char *role, const char *person, GError **error)
{
    g_autoptr(json_t) entry = json_pack ("{s:s,s:s}", "person", person, "role", role);
    guint8 salt[16];
    g_autofree char *salt_text = NULL;
    int kind;

    for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
        g_autofree char *id = g_strconcat ("person.", fields[i].key, NULL), *title = g_strdup_printf ("%s of the %s", fields[i].title, role), *text = NULL;
        if (fields[i].witness_only && strcmp (role, "witness") != 0)
            continue;
        text = run_ask_text (run, id, role, title, fields[i].detail, prefill (run, role, fields[i].key), fields[i].may_be_empty, error);
        if (text == NULL)
            return NULL;
        json_object_set_new (entry, fields[i].key, json_string (text));
    }
    kind = run_ask_choice (run, "person.identified_by", role, "By which kind of document was the person identified?", "Never its number.", document_kinds, error);
    if (kind < 0)
        return NULL;
    random_bytes (salt, sizeof salt);
    salt_text = base64url_encode (salt, sizeof salt);
    json_object_set_new (entry, "identified_by", json_string (document_kinds[kind]));
    json_object_set_new (entry, "salt", json_string (salt_text));
    return g_steal_pointer (&entry);
}

static gboolean
identify (Run *run, const char *role, guint number, GError **error)
{
    g_autofree char *person = g_strdup_printf ("p%u", number), *text = NULL, *hash = NULL;
    g_autoptr(json_t) entry = ask_entry (run, role, person, error);

    if (entry == NULL || (text = cjson_encode (entry, error)) == NULL)
        return FALSE;
    hash = sha256_hex (text, strlen (text));
    return people_put (run, json_incref (entry), error)
           && run_event (run, "person.identified", "appliance", json_pack ("{s:s,s:s,s:s}", "person", person, "role", role, "entry_sha256", hash), error);
}

gboolean
act_identify (Run *run, const ScriptStep *step, GError **error)
{
    const char *wanted = g_hash_table_lookup (step->with, "roles");
    g_auto(GStrv) roles = wanted ? g_strsplit_set (wanted, ", ", -1) : g_strdupv (run->script->roles);
    guint number = 0;

    for (gsize i = 0; roles[i]; i++) {
        if (roles[i][0] == '\0')
            continue;
        number++;
        if (!run_step_has (run, "person.identified", "role", roles[i]) && !identify (run, roles[i], number, error))
            return FALSE;
    }
    return TRUE;
}

/* ── clock, promise ── */

gboolean
act_clock (Run *run, const ScriptStep *step, GError **error)
{
    g_autofree char *asked = NULL, *wall = NULL, *detail = NULL;
    const char *ntp = clock_ntp_state ();
    int yes;

    if (run_step_event (run, "clock.checked"))
        return TRUE;
    asked = clock_format (clock_wall_ms ());
    detail = g_strdup_printf ("This machine said %.10s %.8s UTC when this question came up; the recorded picture shows the running time. Time synchronisation: %s.\n"
                              "Yes: at most a minute apart. No: it is noted as a deviation.", asked, asked + 11, ntp);
    yes = run_ask_yes_no (run, "clock", "witness", "Do your own clock and this machine's agree?", detail, error);
    if (yes < 0)
        return FALSE;
    wall = clock_format (clock_wall_ms ());
    if (yes == 0 && !run_event (run, "deviation.noted", "witness", json_pack ("{s:s,s:s,s:s}", "expected", "the appliance's clock agrees with the witness's", "happened",
                                "it doesn't", "decided", "the ceremony goes on; times are to be read with this in mind"), error))
        return FALSE;
    return run_event (run, "clock.checked", "appliance", json_pack ("{s:s,s:s,s:b}", "wall", wall, "ntp", ntp, "confirmed", yes), error);
}

gboolean
act_represent (Run *run, const ScriptStep *step, GError **error)
{
    g_autofree char *hash = sha256_hex (step->read, strlen (step->read));
    int yes;

    if (run_step_event (run, "representation.agreed"))
        return TRUE;
    yes = run_ask_yes_no (run, "represent", "operator", "Does the operator make this promise for the subscriber?",
                          "Without it no certificate may be issued for the key, and the ceremony ends.", error);
    if (yes < 0)
        return FALSE;
    if (yes == 0) {
        run_abort (run, "the operator did not make the subscriber's promise");
        return run_stopped (run, error);
    }
    return run_event (run, "representation.agreed", "operator", json_pack ("{s:s,s:s}", "text_sha256", hash, "person", people_person_of (run, "operator")), error);
}
