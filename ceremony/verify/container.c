/* The container: only files that a bundle may hold, in the order that roles add them; documents that can be read; manifests that cover every file by equality. */
#include <string.h>
#include "ceremony/verify/checks.h"

typedef enum { STAGE_EVIDENCE, STAGE_WITNESS, STAGE_REVIEWER, STAGE_META } Stage;

typedef struct {
    const char *pattern;                /* a #'s are digits; a * at the end is any further path */
    Stage       stage;                  /* who adds it */
    gboolean    needed;
} Place;

static const Place places[] = {
    { "mimetype", STAGE_EVIDENCE, TRUE },
    { "evidence.json", STAGE_EVIDENCE, TRUE },
    { "people.json", STAGE_EVIDENCE, TRUE },
    { "script.yaml", STAGE_EVIDENCE, TRUE },
    { "policy.yaml", STAGE_EVIDENCE, TRUE },
    { "order/order.json", STAGE_EVIDENCE, FALSE },
    { "order/ASiCManifest001.xml", STAGE_EVIDENCE, FALSE },
    { "order/signature001.p7s", STAGE_EVIDENCE, FALSE },
    { "attachments/*", STAGE_EVIDENCE, FALSE },
    { "journal/events.jsonl", STAGE_EVIDENCE, TRUE },
    { "journal/checkpoints.txt", STAGE_EVIDENCE, TRUE },
    { "journal/timestamps/*", STAGE_EVIDENCE, FALSE },
    { "video/####.mkv", STAGE_EVIDENCE, FALSE },
    { "terminal/####.cast", STAGE_EVIDENCE, FALSE },
    { "key/request.csr", STAGE_EVIDENCE, FALSE },
    { "key/request.p7s", STAGE_EVIDENCE, FALSE },
    { "key/declaration.json", STAGE_EVIDENCE, FALSE },
    { "key/public.pem", STAGE_EVIDENCE, FALSE },
    { "key/possession-*", STAGE_EVIDENCE, FALSE },      /* key.possession counts them */
    { "key/attestation/*", STAGE_EVIDENCE, FALSE },
    { "META-INF/ASiCManifest###.xml", STAGE_META, FALSE },
    { "META-INF/signature###.p7s", STAGE_META, FALSE },
    { "statement.json", STAGE_WITNESS, FALSE },
    { "witness/*", STAGE_WITNESS, FALSE },
    { "decision.json", STAGE_REVIEWER, FALSE },
};

static gboolean
fits (const char *pattern, const char *name)
{
    for (; *pattern; pattern++, name++) {
        if (*pattern == '*')
            return *name != '\0';
        if (*pattern == '#' ? !g_ascii_isdigit (*name) : *pattern != *name)
            return FALSE;
    }
    return *name == '\0';
}

static const Place *
place_of (const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
        if (fits (places[i].pattern, name))
            return &places[i];
    return NULL;
}

/* Roles only append: evidence, manifest and signature 1, statement, manifest and signature 2, decision, manifest and signature 3. */
static void
check_place (Context *c, const char *name, guint *n_meta)
{
    const Place *place = place_of (name);
    g_autofree char *manifest = g_strdup_printf ("META-INF/ASiCManifest%03u.xml", *n_meta / 2 + 1);
    g_autofree char *signature = g_strdup_printf ("META-INF/signature%03u.p7s", *n_meta / 2 + 1);

    if (!place) {
        flaw (c, CHECK_FAIL, NULL, "%s is not a file that a bundle may hold", name);
    } else if (place->stage == STAGE_META) {
        if (!g_str_equal (name, *n_meta % 2 ? signature : manifest))
            flaw (c, CHECK_FAIL, NULL, "%s stands where %s was expected", name, *n_meta % 2 ? signature : manifest);
        ++*n_meta;
    } else if (*n_meta % 2 || place->stage != *n_meta / 2) {
        flaw (c, CHECK_FAIL, NULL, "%s was added at a place where its role doesn't add files", name);
    }
}

CheckResult
check_container_structure (Context *c)
{
    const GPtrArray *entries = asice_entries (c->asice);
    guint n_meta = 0;

    for (guint i = 0; i < entries->len; i++) {
        const AsiceEntry *entry = entries->pdata[i];
        guint8 digest[SHA256_LEN];
        g_autoptr(GError) error = NULL;
        check_place (c, entry->name, &n_meta);
        if (!asice_sha256 (c->asice, entry, digest, &error))
            flaw (c, CHECK_FAIL, NULL, "%s can't be read: %s", entry->name, error->message);
    }
    for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
        if (places[i].needed && !asice_find (c->asice, places[i].pattern))
            flaw (c, CHECK_FAIL, NULL, "%s is missing", places[i].pattern);
    if (n_meta == 0)
        flaw (c, CHECK_FAIL, NULL, "there is no signature at all");
    else if (n_meta % 2 || n_meta > 2 * SIGNATURES_MAX)
        flaw (c, CHECK_FAIL, NULL, "%u files in META-INF: each of at most %d roles adds a manifest and a signature", n_meta, SIGNATURES_MAX);
    else
        c->n_signatures = n_meta / 2;
    return done (c, "%u files, each where its role puts it", entries->len);
}

static json_t *
read_document (Context *c, const char *name, const char *format, const char *role)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(json_t) json = NULL;
    gsize len;
    const void *data;

    if (!asice_find (c->asice, name))
        return NULL;
    bytes = asice_read (c->asice, name, CJSON_MAX_LEN, &error);
    if (bytes) {
        data = g_bytes_get_data (bytes, &len);
        json = cjson_parse (data, len, &error);
    }
    if (!json)
        flaw (c, CHECK_FAIL, NULL, "%s: %s", name, error->message);
    else if (!json_is_object (json) || !g_str_equal (member (json, "format"), format))
        flaw (c, CHECK_FAIL, NULL, "%s isn't of the format %s", name, format);
    else if (role && !g_str_equal (member (json, "role"), role))
        flaw (c, CHECK_FAIL, NULL, "%s was made in the role '%s', not as %s", name, member (json, "role"), role);
    else
        return g_steal_pointer (&json);
    return NULL;
}

/* What later checks take for granted in evidence.json; that it says what the journal says is evidence.consistent. */
static gboolean
evidence_usable (const json_t *evidence)
{
    static const char *const texts[] = { "ceremony", "origin", "outcome", "started", "closed", NULL };

    for (gsize i = 0; texts[i]; i++)
        if (!json_is_string (json_object_get (evidence, texts[i])))
            return FALSE;
    return json_is_boolean (json_object_get (evidence, "rehearsal")) && *member2 (evidence, "checkpoint", "note")
        && *member2 (evidence, "appliance", "note_key") && *member2 (evidence, "appliance", "certificate_sha256");
}

static gboolean
people_usable (const json_t *people)
{
    const json_t *list = json_object_get (people, "people"), *entry;
    gsize i;

    if (!json_is_array (list) || json_array_size (list) > 1000)
        return FALSE;
    json_array_foreach (list, i, entry)
        if (!json_is_object (entry) || !*member (entry, "person") || !*member (entry, "role"))
            return FALSE;
    return TRUE;
}

CheckResult
check_container_documents (Context *c)
{
    c->evidence = read_document (c, "evidence.json", "ceremony/evidence/v1", NULL);
    c->people = read_document (c, "people.json", "ceremony/people/v1", NULL);
    c->statement = read_document (c, "statement.json", "ceremony/statement/v1", "witness");
    c->decision = read_document (c, "decision.json", "ceremony/decision/v1", "reviewer");
    if (c->evidence && !evidence_usable (c->evidence)) {
        flaw (c, CHECK_FAIL, NULL, "evidence.json lacks a field that every evidence has");
        g_clear_pointer (&c->evidence, json_decref);
    }
    if (c->people && !people_usable (c->people)) {
        flaw (c, CHECK_FAIL, NULL, "people.json holds something else than a list of people");
        g_clear_pointer (&c->people, json_decref);
    }
    c->verdict->rehearsal = c->evidence && member_true (c->evidence, "rehearsal");
    return done (c, "evidence%s%s and people can be read", c->statement ? ", statement" : "", c->decision ? ", decision" : "");
}

static Stage
stage_of (const char *name)
{
    const Place *place = place_of (name);

    return place ? place->stage : STAGE_META;
}

/* The files that manifest @number must list: all data files of its stage and those before. */
static void
compare_listed (Context *c, const Signed *sig)
{
    const GPtrArray *entries = asice_entries (c->asice);
    g_autoptr(GHashTable) listed = g_hash_table_new (g_str_hash, g_str_equal);

    for (guint i = 0; i < sig->listed->len; i++) {
        const ManifestEntry *item = sig->listed->pdata[i];
        g_autofree char *sha = entry_sha256 (c, item->name, NULL);
        g_hash_table_add (listed, (gpointer) item->name);
        if (!sha)
            flaw (c, CHECK_FAIL, NULL, "%s is signed by manifest %u but isn't there", item->name, sig->number);
        else if (!g_str_equal (sha, item->sha256))
            flaw (c, CHECK_FAIL, NULL, "%s isn't the file that was signed (manifest %u)", item->name, sig->number);
        if (stage_of (item->name) >= sig->number)
            flaw (c, CHECK_FAIL, NULL, "%s stands in manifest %u, which was signed before it", item->name, sig->number);
    }
    for (guint i = 0; i < entries->len; i++) {
        const AsiceEntry *entry = entries->pdata[i];
        if (stage_of (entry->name) < sig->number && !g_str_equal (entry->name, "mimetype") && !g_hash_table_contains (listed, entry->name))
            flaw (c, CHECK_FAIL, NULL, "%s isn't covered by manifest %u: nobody signed it", entry->name, sig->number);
    }
}

static void
read_manifest (Context *c, guint index)
{
    Signed *sig = &c->signatures[index];
    g_autofree char *name = g_strdup_printf ("META-INF/ASiCManifest%03u.xml", index + 1);
    g_autofree char *p7s = g_strdup_printf ("META-INF/signature%03u.p7s", index + 1);
    g_autoptr(GError) error = NULL;
    gsize len;
    const void *data;

    sig->number = index + 1;
    sig->manifest = asice_read (c->asice, name, ASICE_MAX_SMALL, &error);
    if (sig->manifest)
        sig->p7s = asice_read (c->asice, p7s, CADES_MAX_LEN, &error);
    if (sig->p7s) {
        guint number = 0;
        data = g_bytes_get_data (sig->manifest, &len);
        sig->listed = manifest_parse (data, len, &number, &error);
        if (sig->listed && number != sig->number)
            flaw (c, CHECK_FAIL, NULL, "%s names signature %u", name, number);
    }
    if (!sig->listed)
        flaw (c, CHECK_FAIL, NULL, "%s: %s", name, error->message);
    else
        compare_listed (c, sig);
}

CheckResult
check_container_manifests (Context *c)
{
    for (guint i = 0; i < c->n_signatures; i++)
        read_manifest (c, i);
    return done (c, "%u manifest%s, each over every file of its time, by SHA-256", c->n_signatures, c->n_signatures == 1 ? "" : "s");
}

CheckResult
check_script_readable (Context *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) script = asice_read (c->asice, "script.yaml", ASICE_MAX_SMALL, &error);
    g_autoptr(GBytes) policy = script ? asice_read (c->asice, "policy.yaml", ASICE_MAX_SMALL, &error) : NULL;
    gsize len;
    const void *data;

    if (policy) {
        data = g_bytes_get_data (script, &len);
        c->script = script_parse ("script.yaml", data, len, &error);
    }
    if (c->script) {
        data = g_bytes_get_data (policy, &len);
        c->policy = policy_parse ("policy.yaml", data, len, &error);
    }
    rule_make (c);
    if (!c->policy)
        flaw (c, CHECK_FAIL, NULL, "%s", error->message);
    return done (c, "script '%s' %s, policy '%s' %s", c->script ? c->script->title : "", c->script ? c->script->version : "",
                 c->policy ? c->policy->title : "", c->policy ? c->policy->version : "");
}
