/* A signing service's declaration: one table of its fields, by which the operator's file is read and a declaration is judged. */
#include "ceremony/bundle/declaration.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/yaml.h"
#include <string.h>

#define FACTS_FORMAT "ceremony/signing-service/v1"
#define DECLARATION_FORMAT "ceremony/declaration/v1"
#define TEXT_MAX 2000

#define WORDS(...) ((const char *const[]) { __VA_ARGS__, NULL })

typedef struct {
    const char *group, *name;               /* group "": a member of the whole */
    gboolean    needed;
    const char *const *words;               /* one of these; NULL: any text that @fits */
    gboolean  (*fits) (const char *text);
    const char *wanted;                     /* what @fits wants, for the message */
} Fact;

static const char *const truths[] = { "true", "false", NULL };

static gboolean
is_country (const char *text)
{
    return strlen (text) == 2 && g_ascii_isupper (text[0]) && g_ascii_isupper (text[1]);
}

static gboolean
is_day (const char *text)
{
    g_autofree char *time = g_strdup_printf ("%sT00:00:00.000Z", text);
    gint64 ms;
    return strlen (text) == 10 && clock_parse (time, &ms, NULL);
}

/* FIPS 140: 1 to 4; Common Criteria: EAL1 to EAL7, perhaps augmented. */
static gboolean
is_level (const char *text)
{
    const char *digit = g_str_has_prefix (text, "EAL") ? text + 3 : text;
    gboolean cc = digit != text;
    return digit[0] >= '1' && digit[0] <= (cc ? '7' : '4') && (digit[1] == '\0' || (cc && strcmp (digit + 1, "+") == 0));
}

static const Fact table[] = {
    { "", "declared_by", TRUE, NULL, NULL, NULL },          /* a function in the service; no person's name */
    { "service", "name", TRUE, NULL, NULL, NULL },
    { "service", "operator", TRUE, NULL, NULL, NULL },
    { "service", "country", TRUE, NULL, is_country, "two capital letters, as DE" },
    { "service", "terms", FALSE, NULL, NULL, NULL },
    { "authentication", "kind", TRUE, WORDS ("multi-factor", "server-to-server"), NULL, NULL },
    { "authentication", "description", TRUE, NULL, NULL, NULL },
    { "authentication", "tokens_represented", FALSE, truths, NULL, NULL },
    { "module", "vendor", TRUE, NULL, NULL, NULL },
    { "module", "model", TRUE, NULL, NULL, NULL },
    { "module", "firmware", FALSE, NULL, NULL, NULL },
    { "module", "serial", FALSE, NULL, NULL, NULL },
    { "module", "scheme", TRUE, WORDS ("FIPS 140-2", "FIPS 140-3", "Common Criteria"), NULL, NULL },
    { "module", "level", TRUE, NULL, is_level, "1 to 4 of FIPS 140, or an EAL as EAL4+" },
    { "module", "certificate", TRUE, NULL, NULL, NULL },
    { "isolation", "kind", TRUE, WORDS ("module", "partition", "key"), NULL, NULL },
    { "isolation", "description", TRUE, NULL, NULL, NULL },
    { "audit", "criteria", TRUE, NULL, NULL, NULL },
    { "audit", "auditor", TRUE, NULL, NULL, NULL },
    { "audit", "period_from", TRUE, NULL, is_day, "a day, as 2026-11-24" },
    { "audit", "period_to", TRUE, NULL, is_day, "a day, as 2026-11-24" },
    { "audit", "report", FALSE, NULL, NULL, NULL },
    { "redundancy", "kind", TRUE, WORDS ("none", "cluster", "standby"), NULL, NULL },
    { "redundancy", "description", TRUE, NULL, NULL, NULL },
    { "recovery", "kind", TRUE, WORDS ("none", "module-backup", "wrapped-backup"), NULL, NULL },
    { "recovery", "description", TRUE, NULL, NULL, NULL },
};

/* What is wrong with @text as @fact; NULL: nothing. g_free. */
static char *
problem_of (const Fact *fact, const char *text)
{
    if (text[0] == '\0' || strlen (text) > TEXT_MAX)
        return g_strdup_printf ("%s must be a text of 1 to %d bytes", fact->name, TEXT_MAX);
    if (fact->words != NULL && !g_strv_contains (fact->words, text)) {
        g_autofree char *all = g_strjoinv (", ", (char **) fact->words);
        return g_strdup_printf ("%s: one of %s", fact->name, all);
    }
    return fact->fits != NULL && !fact->fits (text) ? g_strdup_printf ("%s: %s", fact->name, fact->wanted) : NULL;
}

static gboolean
is_group (const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
        if (strcmp (table[i].group, name) == 0)
            return TRUE;
    return FALSE;
}

static const Fact *
find_fact (const char *group, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
        if (strcmp (table[i].group, group) == 0 && strcmp (table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

/* The object that the facts of @group stand in, made where it isn't there yet. */
static json_t *
home_of (json_t *whole, const char *group)
{
    json_t *home = group[0] != '\0' ? json_object_get (whole, group) : whole;
    if (home == NULL) {
        json_object_set_new (whole, group, json_object ());
        home = json_object_get (whole, group);
    }
    return home;
}

/* ── the operator's file ── */

/* Keys that nobody knows are a typing mistake, and what was meant would be missing. */
static void
check_keys (const char *name, const YamlNode *map, const char *group, GPtrArray *problems)
{
    for (guint i = 0; i < map->keys->len; i++) {
        const YamlNode *key = g_ptr_array_index (map->keys, i), *value = g_ptr_array_index (map->items, i);
        gboolean whole = group[0] == '\0';
        if (whole && is_group (key->text)) {
            if (value->kind == YAML_MAP)
                check_keys (name, value, key->text, problems);
            else
                yaml_problem (problems, name, value, "%s: a group of facts is expected", key->text);
        } else if (!(whole && strcmp (key->text, "format") == 0) && find_fact (group, key->text) == NULL) {
            yaml_problem (problems, name, key, "%s%s%s: there is no such fact (ceremony-countersign(1) lists them)", group, whole ? "" : ".", key->text);
        }
    }
}

static void
read_fact (const char *name, const YamlNode *root, const Fact *fact, json_t *facts, GPtrArray *problems)
{
    const YamlNode *map = fact->group[0] != '\0' ? yaml_get (root, fact->group) : root, *node = map != NULL && map->kind == YAML_MAP ? yaml_get (map, fact->name) : NULL;
    json_t *value = json_null ();
    if (node == NULL) {
        if (fact->needed)
            yaml_problem (problems, name, map != NULL ? map : root, "%s%s%s is missing", fact->group, fact->group[0] != '\0' ? "." : "", fact->name);
    } else if (node->kind != YAML_SCALAR) {
        yaml_problem (problems, name, node, "%s must be a single value", fact->name);
    } else {
        g_autofree char *problem = problem_of (fact, node->text);
        if (problem != NULL)
            yaml_problem (problems, name, node, "%s", problem);
        value = fact->words == truths ? json_boolean (strcmp (node->text, "true") == 0) : json_string (node->text);
    }
    json_object_set_new (home_of (facts, fact->group), fact->name, value);
}

static void
check_whole (const char *name, const YamlNode *root, const json_t *facts, GPtrArray *problems)
{
    const YamlNode *format = yaml_get (root, "format"), *audit = yaml_get (root, "audit");
    const char *from = cjson_str (json_object_get (facts, "audit"), "period_from", NULL), *to = cjson_str (json_object_get (facts, "audit"), "period_to", NULL);
    if (format == NULL || format->kind != YAML_SCALAR || strcmp (format->text, FACTS_FORMAT) != 0)
        yaml_problem (problems, name, format != NULL ? format : root, "format: this program reads \"%s\"", FACTS_FORMAT);
    if (from != NULL && to != NULL && strcmp (from, to) > 0)
        yaml_problem (problems, name, audit, "audit: its period ends before it begins");
}

json_t *
declaration_facts (const char *name, const void *data, gsize len, GError **error)
{
    g_autoptr (YamlNode) root = yaml_tree_parse (name, data, len, error);
    if (root == NULL)
        return NULL;
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (json_t) facts = json_object ();
    if (root->kind != YAML_MAP) {
        yaml_problem (problems, name, root, "not a list of facts");
    } else {
        check_keys (name, root, "", problems);
        for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
            read_fact (name, root, &table[i], facts, problems);
        check_whole (name, root, facts, problems);
    }
    return yaml_problems_end (problems, error) ? g_steal_pointer (&facts) : NULL;
}

/* ── the request ── */

static char *
name_text (const X509_NAME *name)
{
    BIO *bio = BIO_new (BIO_s_mem ());
    char *data = NULL;
    X509_NAME_print_ex (bio, name, 0, (XN_FLAG_RFC2253 & ~(unsigned long) ASN1_STRFLGS_ESC_MSB) | ASN1_STRFLGS_ESC_CTRL);
    long len = BIO_get_mem_data (bio, &data);
    char *text = g_utf8_make_valid (data != NULL ? data : "", len);
    BIO_free (bio);
    return text;
}

gboolean
request_digests (X509_REQ *request, char **csr_sha256, char **spki_sha256, char **subject, GError **error)
{
    guint8 *der = NULL, *spki = NULL;
    int len = i2d_X509_REQ (request, &der), spki_len = i2d_X509_PUBKEY (X509_REQ_get_X509_PUBKEY (request), &spki);
    gboolean ok = len > 0 && spki_len > 0;
    if (ok) {
        *csr_sha256 = sha256_hex (der, (gsize) len);
        *spki_sha256 = sha256_hex (spki, (gsize) spki_len);
        *subject = name_text (X509_REQ_get_subject_name (request));
    }
    OPENSSL_free (der);
    OPENSSL_free (spki);
    return ok || crypto_fail (error, "reading the request");
}

json_t *
declaration_make (const json_t *facts, X509_REQ *request, gint64 when, GError **error)
{
    g_autofree char *csr = NULL, *spki = NULL, *subject = NULL, *at = clock_format (when);
    if (!request_digests (request, &csr, &spki, &subject, error))
        return NULL;
    json_t *declaration = json_deep_copy (facts);
    json_object_set_new (declaration, "format", json_string (DECLARATION_FORMAT));
    json_object_set_new (declaration, "declared_at", json_string (at));
    json_object_set_new (declaration, "request", json_pack ("{s:s, s:s, s:s}", "csr_sha256", csr, "spki_sha256", spki, "subject", subject));
    return declaration;
}

/* ── a declaration ── */

static gboolean
refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *text = g_strdup_vprintf (format, args);
    va_end (args);
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "the declaration: %s", text);
    return FALSE;
}

static gboolean
check_fact (const json_t *declaration, const Fact *fact, GError **error)
{
    const json_t *home = fact->group[0] != '\0' ? json_object_get (declaration, fact->group) : declaration, *value = json_object_get (home, fact->name);
    const char *dot = fact->group[0] != '\0' ? "." : "";
    if (value == NULL || (fact->needed && json_is_null (value)))
        return refuse (error, "%s%s%s is missing", fact->group, dot, fact->name);
    if (json_is_null (value) || (fact->words == truths && json_is_boolean (value)))
        return TRUE;
    if (!json_is_string (value) || fact->words == truths)
        return refuse (error, "%s%s%s is of another type", fact->group, dot, fact->name);
    g_autofree char *problem = problem_of (fact, json_string_value (value));
    return problem == NULL || refuse (error, "%s%s%s", fact->group, dot, problem);
}

static gsize
facts_in (const char *group)
{
    gsize n = 0;
    for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
        n += strcmp (table[i].group, group) == 0;
    return n;
}

/* Nothing stands in it but what the table knows: else one would sign what no reader looks at. */
static gboolean
check_members (const json_t *declaration, GError **error)
{
    static const char *const beside[] = { "format", "declared_at", "request" };
    gsize groups = 0;
    for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {
        if (table[i].group[0] == '\0' || (i > 0 && strcmp (table[i - 1].group, table[i].group) == 0))
            continue;
        groups++;
        if (json_object_size (json_object_get (declaration, table[i].group)) != facts_in (table[i].group))
            return refuse (error, "%s holds something else than a declaration does", table[i].group);
    }
    if (json_object_size (declaration) != groups + facts_in ("") + G_N_ELEMENTS (beside) || json_object_size (json_object_get (declaration, "request")) != 3)
        return refuse (error, "it holds something else than a declaration does");
    return TRUE;
}

static gboolean
check_declaration (const json_t *declaration, GError **error)
{
    const json_t *request = json_object_get (declaration, "request"), *audit = json_object_get (declaration, "audit");
    gint64 when;
    if (g_strcmp0 (cjson_str (declaration, "format", NULL), DECLARATION_FORMAT) != 0)
        return refuse (error, "it isn't of the format %s", DECLARATION_FORMAT);
    for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
        if (!check_fact (declaration, &table[i], error))
            return FALSE;
    if (cjson_str (declaration, "declared_at", NULL) == NULL || !clock_parse (cjson_str (declaration, "declared_at", NULL), &when, NULL))
        return refuse (error, "it doesn't tell when it was made");
    if (cjson_str (request, "csr_sha256", NULL) == NULL || cjson_str (request, "spki_sha256", NULL) == NULL || cjson_str (request, "subject", NULL) == NULL)
        return refuse (error, "it doesn't name a request");
    if (strcmp (cjson_str (audit, "period_from", NULL), cjson_str (audit, "period_to", NULL)) > 0)
        return refuse (error, "the audit's period ends before it begins");
    return check_members (declaration, error);
}

json_t *
declaration_parse (const void *data, gsize len, GError **error)
{
    if (len > DECLARATION_MAX) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "the declaration: larger than %d bytes", DECLARATION_MAX);
        return NULL;
    }
    g_autoptr (json_t) declaration = cjson_parse (data, len, error);
    if (declaration == NULL) {
        g_prefix_error (error, "the declaration: ");
        return NULL;
    }
    return check_declaration (declaration, error) ? g_steal_pointer (&declaration) : NULL;
}
