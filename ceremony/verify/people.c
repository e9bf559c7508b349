/* The people and the script: who was there, what they agreed to, and that the script was carried out step by step, confirmed by the roles it names. */
#include <string.h>
#include "ceremony/verify/checks.h"

static const json_t *
person_entry (Context *c, const char *person)
{
    const json_t *list = json_object_get (c->people, "people"), *entry;
    gsize i;

    json_array_foreach (list, i, entry)
        if (g_str_equal (member (entry, "person"), person))
            return entry;
    return NULL;
}

/* The newest identification of a person counts: an entry may have been corrected. */
static const Event *
identified (Context *c, const char *person)
{
    const GPtrArray *list = events_of (c, "person.identified");

    for (guint i = list->len; i-- > 0;)
        if (g_str_equal (member (((const Event *) list->pdata[i])->data, "person"), person))
            return list->pdata[i];
    return NULL;
}

static void
check_entry (Context *c, const json_t *entry)
{
    const char *person = member (entry, "person");
    const Event *event = identified (c, person);
    g_autofree char *text = cjson_encode (entry, NULL), *hash = text ? sha256_hex (text, strlen (text)) : NULL;

    if (!event)
        flaw (c, CHECK_FAIL, NULL, "people.json names %s, whom the journal doesn't know", person);
    else if (g_strcmp0 (hash, member (event->data, "entry_sha256")) != 0)
        flaw (c, CHECK_FAIL, event, "the entry of %s in people.json was changed after the ceremony", person);
    else if (!g_str_equal (member (entry, "role"), member (event->data, "role")))
        flaw (c, CHECK_FAIL, event, "%s was identified in another role than people.json says", person);
}

/* A name without what letters only look like: case, width, accents' form, blanks. */
static char *
name_folded (const json_t *entry)
{
    g_autofree char *normal = g_utf8_normalize (member (entry, "name"), -1, G_NORMALIZE_ALL_COMPOSE), *folded = g_utf8_casefold (normal ? normal : "", -1);
    GString *bare = g_string_new (NULL);

    for (const char *p = folded; *p; p = g_utf8_next_char (p))
        if (g_unichar_isgraph (g_utf8_get_char (p)))
            g_string_append_unichar (bare, g_utf8_get_char (p));
    return g_string_free (bare, FALSE);
}

/* Scripts whose letters are drawn alike: of each at most one stands in an honest word. */
static gboolean
looks_like_latin (GUnicodeScript script)
{
    static const GUnicodeScript alike[] = { G_UNICODE_SCRIPT_LATIN, G_UNICODE_SCRIPT_CYRILLIC, G_UNICODE_SCRIPT_GREEK, G_UNICODE_SCRIPT_ARMENIAN, G_UNICODE_SCRIPT_CHEROKEE,
                                            G_UNICODE_SCRIPT_COPTIC, G_UNICODE_SCRIPT_LISU };

    for (gsize i = 0; i < G_N_ELEMENTS (alike); i++)
        if (alike[i] == script)
            return TRUE;
    return FALSE;
}

/* A word of letters of two such scripts, or with characters that show nothing, is perhaps not the name that it seems to be. */
static void
check_letters (Context *c, const char *what, const char *text)
{
    GUnicodeScript word = G_UNICODE_SCRIPT_COMMON;

    for (const char *p = text; *p; p = g_utf8_next_char (p)) {
        gunichar u = g_utf8_get_char (p);
        GUnicodeScript script = g_unichar_get_script (u);
        if (g_unichar_type (u) == G_UNICODE_FORMAT || g_unichar_type (u) == G_UNICODE_CONTROL) {
            flaw (c, CHECK_WARN, NULL, "the name of %s holds a character that shows nothing (U+%04X): it may be read otherwise than it is written", what, u);
            return;
        }
        if (!g_unichar_isalpha (u) && !g_unichar_ismark (u))
            word = G_UNICODE_SCRIPT_COMMON;
        else if (looks_like_latin (script) && word != G_UNICODE_SCRIPT_COMMON && word != script) {
            flaw (c, CHECK_WARN, NULL, "the name of %s, '%s', mixes letters of two scripts in one word: it may be somebody else's name that only looks so", what, text);
            return;
        } else if (looks_like_latin (script))
            word = script;
    }
}

/* The witness watches somebody else, and is whom the order sent. */
static void
check_persons (Context *c)
{
    const json_t *list = json_object_get (c->people, "people"), *entry, *ordered = c->order ? json_object_get (c->order->json, "witness") : NULL;
    gsize i;

    json_array_foreach (list, i, entry) {
        g_autofree char *name = name_folded (entry), *wanted = *member (ordered, "name") ? name_folded (ordered) : NULL;
        for (gsize j = 0; j < i; j++) {
            g_autofree char *other = name_folded (json_array_get (list, j));
            if (*name && g_str_equal (name, other))
                flaw (c, CHECK_FAIL, NULL, "%s is named as %s and as %s: one person can't watch over themselves", member (entry, "name"),
                      member (json_array_get (list, j), "role"), member (entry, "role"));
        }
        if (wanted && g_str_equal (member (entry, "role"), "witness") && !g_str_equal (name, wanted))
            flaw (c, CHECK_WARN, NULL, "the order sent '%s' as witness, '%s' was there", member (ordered, "name"), member (entry, "name"));
    }
}

/* Whoever was identified in a role before @event. */
static gboolean
role_known (Context *c, const char *role, const Event *event)
{
    const GPtrArray *list = events_of (c, "person.identified");

    for (guint i = 0; i < list->len && ((const Event *) list->pdata[i])->seq < event->seq; i++)
        if (g_str_equal (member (((const Event *) list->pdata[i])->data, "role"), role))
            return TRUE;
    return FALSE;
}

static void
check_roles (Context *c)
{
    const GPtrArray *confirmed = events_of (c, "step.confirmed");

    for (gsize i = 0; c->script->roles[i]; i++) {
        const json_t *entry, *list = json_object_get (c->people, "people");
        gsize j;
        gboolean found = FALSE;
        json_array_foreach (list, j, entry)
            found = found || g_str_equal (member (entry, "role"), c->script->roles[i]);
        if (!found && !was_aborted (c))
            flaw (c, CHECK_FAIL, NULL, "nobody was identified as %s", c->script->roles[i]);
    }
    for (guint i = 0; i < confirmed->len; i++) {
        const Event *event = confirmed->pdata[i];
        const char *person = member (event->data, "person");
        const json_t *entry = *person ? person_entry (c, person) : NULL;
        if (*person && (!entry || !g_str_equal (member (entry, "role"), member (event->data, "role"))))
            flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT ": confirmed as %s by %s, who wasn't identified in that role", event->seq,
                  member (event->data, "role"), person);
        else if (!*person && role_known (c, member (event->data, "role"), event))
            flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT ": confirmed as %s by nobody that is named", event->seq, member (event->data, "role"));
    }
}

CheckResult
check_people_entries (Context *c)
{
    const json_t *list = json_object_get (c->people, "people"), *entry;
    const GPtrArray *events = events_of (c, "person.identified");
    gsize i;

    json_array_foreach (list, i, entry) {
        check_entry (c, entry);
        check_letters (c, member (entry, "person"), member (entry, "name"));
        check_letters (c, "the employer", member (entry, "employer"));
        for (gsize j = 0; j < i; j++)
            if (g_str_equal (member (json_array_get (list, j), "person"), member (entry, "person")))
                flaw (c, CHECK_FAIL, NULL, "people.json names %s twice", member (entry, "person"));
    }
    for (guint j = 0; j < events->len; j++)
        if (!person_entry (c, member (((const Event *) events->pdata[j])->data, "person")))
            flaw (c, CHECK_FAIL, events->pdata[j], "%s was identified and isn't in people.json", member (((const Event *) events->pdata[j])->data, "person"));
    check_roles (c);
    check_persons (c);
    return done (c, "%" G_GSIZE_FORMAT " people, each as identified in the ceremony", json_array_size (list));
}

/* What was agreed to is the text of the script's step. */
static void
check_text (Context *c, const Event *event)
{
    const ScriptStep *step = script_step (c->script, event->step);
    g_autofree char *hash = step ? sha256_hex (step->read, strlen (step->read)) : NULL;

    if (g_strcmp0 (hash, member (event->data, "text_sha256")) != 0)
        flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT ": another text was agreed to than the script's", event->seq);
}

CheckResult
check_consent_given (Context *c)
{
    const GPtrArray *given = events_of (c, "consent.given");

    for (gsize i = 0; c->script->roles[i]; i++) {
        gboolean found = FALSE;
        for (guint j = 0; j < given->len; j++)
            found = found || g_str_equal (member (((const Event *) given->pdata[j])->data, "role"), c->script->roles[i]);
        if (!found && was_aborted (c))
            return c->flaws ? done (c, "%s", "") : unreached (c, "the ceremony was aborted before everybody had agreed to being recorded");
        if (!found)
            flaw (c, CHECK_FAIL, event_first (c, "consent.given"), "the %s didn't agree to being recorded", c->script->roles[i]);
    }
    for (guint j = 0; j < given->len; j++)
        check_text (c, given->pdata[j]);
    return done (c, "everybody agreed to being recorded");
}

CheckResult
check_contract_agreed (Context *c)
{
    const Event *agreed = event_last (c, "representation.agreed");
    const json_t *entry = agreed ? person_entry (c, member (agreed->data, "person")) : NULL;

    if (!agreed && was_aborted (c))
        return unreached (c, "the ceremony was aborted before the subscriber's promise");
    if (!agreed) {
        flaw (c, CHECK_FAIL, NULL, "the subscriber didn't represent by contract how the key is protected");
        return done (c, "%s", "");
    }
    check_text (c, agreed);
    if (!entry || !g_str_equal (member (entry, "role"), "operator"))
        flaw (c, CHECK_FAIL, agreed, "the representation was agreed to by somebody who wasn't identified as the operator");
    cite (c, agreed);
    return done (c, "read and agreed to by the operator for the subscriber");
}

CheckResult
check_attachments (Context *c)
{
    const GPtrArray *attached = events_of (c, "file.attached"), *entries = asice_entries (c->asice);
    guint files = 0;

    for (guint i = 0; i < attached->len; i++) {
        const Event *event = attached->pdata[i];
        g_autofree char *name = g_strconcat ("attachments/", member (event->data, "name"), NULL), *hash = entry_sha256 (c, name, NULL);
        const AsiceEntry *entry = asice_find (c->asice, name);
        if (!entry || g_strcmp0 (hash, member (event->data, "sha256")) != 0 || (gint64) entry->length != member_int (event->data, "length"))
            flaw (c, CHECK_FAIL, event, "%s isn't the file that was attached", name);
    }
    for (guint i = 0; i < attached->len; i++) {
        const Event *event = attached->pdata[i];
        const char *expires = member (event->data, "expires");
        g_autofree char *day = clock_format (event->time);
        if (*expires && strncmp (expires, day, 10) < 0)
            flaw (c, CHECK_WARN, event, "the report %s held until %s, before the ceremony: ask for a newer one", member (event->data, "name"), expires);
    }
    for (guint i = 0; i < entries->len; i++)
        files += g_str_has_prefix (((const AsiceEntry *) entries->pdata[i])->name, "attachments/");
    if (files != attached->len)
        flaw (c, CHECK_FAIL, NULL, "%u attachments in the bundle, %u in the journal", files, attached->len);
    if (attached->len == 0 && files == 0)
        return skip (c, "nothing was attached");
    return done (c, "%u files, as attached in the ceremony", files);
}
