/* The signing service (CSBR 6.2.7.4.2 method 7): its countersignature of the request and its declaration, as the files are, and as the journal tells of them. */
#include <string.h>
#include "ceremony/verify/checks.h"

#define SLACK_MS (5 * 60 * 1000)
#define REQUEST "key/request.csr"
#define SIGNATURE "key/request.p7s"
#define DECLARATION "key/declaration.json"

static GBytes *
read_if_there (Context *c, const char *name, gsize max, GError **error)
{
    return asice_find (c->asice, name) ? asice_read (c->asice, name, max, error) : NULL;
}

static void
tell_findings (Context *c, const char *check)
{
    for (guint i = 0; i < c->countersigned->findings->len; i++) {
        const CountersignedFinding *finding = c->countersigned->findings->pdata[i];
        if (g_str_equal (finding->check, check))
            flaw (c, finding->warning ? CHECK_WARN : CHECK_FAIL, event_last (c, "request.countersigned"), "%s", finding->reason);
    }
}

/* What the journal tells of it is what the files are, and it was made between the request and the event. */
static void
compare_event (Context *c, const Event *told, GBytes *signature, GBytes *declaration)
{
    const Event *made = event_before (c, "request.made", told->seq);
    const Cades *cades = c->countersigned->cades;
    g_autoptr(json_t) again = c->countersigned->declaration ? countersignature_describe (cades, c->countersigned->declaration, signature, declaration) : NULL;
    const char *key;
    json_t *value;

    json_object_foreach (again, key, value)
        if (!json_equal (value, json_object_get (told->data, key)))
            flaw (c, CHECK_FAIL, told, "the journal tells something else of the countersignature than its files give ('%s' differs)", key);
    if (!made)
        flaw (c, CHECK_FAIL, told, "the request is said to be countersigned before it was made");
    else if (cades->signing_time + SLACK_MS < made->time || cades->signing_time > told->time + SLACK_MS)
        flaw (c, CHECK_FAIL, told, "by its own time it was countersigned at another time than between the request and this event");
}

static void
judge (Context *c, const Event *told)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) request = read_if_there (c, REQUEST, COUNTERSIGN_MAX_REQUEST, &error), signature = read_if_there (c, SIGNATURE, CADES_MAX_LEN, error ? NULL : &error);
    g_autoptr(GBytes) declaration = read_if_there (c, DECLARATION, DECLARATION_MAX, error ? NULL : &error), nothing = g_bytes_new (NULL, 0);

    if (error) {
        flaw (c, CHECK_FAIL, told, "%s", error->message);
        return;
    }
    c->countersigned = countersigned_judge (&(CountersignedInput) { request ? request : nothing, signature, declaration, c->options->trust, c->options->modules_path });
    tell_findings (c, "service.signature");
    if (told && c->countersigned->cades)
        compare_event (c, told, signature, declaration);
}

CheckResult
check_service_signature (Context *c)
{
    const Event *told = event_last (c, "request.countersigned");
    gboolean files = asice_find (c->asice, SIGNATURE) || asice_find (c->asice, DECLARATION);

    if (!told && !files && was_aborted (c))
        return unreached (c, "not reached: the ceremony was aborted before");
    if (!told && !files && !c->rule.countersignature_required)
        return skip (c, "no signing service countersigned the request, and the policy asks for none");
    if (!told && !files) {
        flaw (c, CHECK_FAIL, event_last (c, "request.made"), "no signing service countersigned the request, and the policy asks for it");
        return done (c, "%s", "");
    }
    c->outcome->fixed = TRUE;           /* evidence that was given and is refused is worse than none */
    judge (c, told);
    if (!told)
        flaw (c, CHECK_FAIL, NULL, "a countersignature lies in the bundle that the journal doesn't tell of");
    cite (c, told);
    return done (c, "genuine, over this request, by %s", c->countersigned && c->countersigned->subject ? c->countersigned->subject : "");
}

/* The start of the three checks that look at one: FALSE where there is none, or it isn't genuine; @result is then theirs. */
static gboolean
reached (Context *c, const char *check, CheckResult *result)
{
    if (c->countersigned && countersigned_reached (c->countersigned, check)) {
        c->outcome->fixed = TRUE;
        cite (c, event_last (c, "request.countersigned"));
        return TRUE;
    }
    if (c->countersigned)
        *result = unreached (c, "not reached: %s failed", c->countersigned->cades ? "service.declaration" : "service.signature");
    else
        *result = skip (c, "no signing service countersigned the request");
    return FALSE;
}

/* Who runs the service may not also be the one who watches over it, or who orders. */
static void
check_other_parts (Context *c)
{
    static const char *const roles[] = { "the appliance", "the witness", "the reviewer" };
    const char *spki = c->countersigned->cades->spki_sha256;
    g_autofree char *generated = c->spki ? sha256_hex (g_bytes_get_data (c->spki, NULL), g_bytes_get_size (c->spki)) : NULL;

    for (guint i = 0; i < c->n_signatures; i++)
        if (c->signatures[i].cades && g_str_equal (c->signatures[i].cades->spki_sha256, spki))
            flaw (c, CHECK_FAIL, NULL, "one key countersigned as the signing service and signed as %s", roles[i]);
    if (c->order && g_str_equal (c->order->signature->spki_sha256, spki))
        flaw (c, CHECK_FAIL, NULL, "one key countersigned as the signing service and signed the order");
    if (g_strcmp0 (generated, spki) == 0)
        flaw (c, CHECK_FAIL, c->generated, "the generated key countersigned its own request");
}

CheckResult
check_service_trust (Context *c)
{
    CheckResult result;

    if (!reached (c, "service.trust", &result))
        return result;
    tell_findings (c, "service.trust");
    check_other_parts (c);
    return done (c, "%s: %s", c->countersigned->subject, c->countersigned->trusted ? c->countersigned->trusted : "");
}

CheckResult
check_service_declaration (Context *c)
{
    CheckResult result;
    const json_t *declaration;

    if (!reached (c, "service.declaration", &result))
        return result;
    tell_findings (c, "service.declaration");
    declaration = c->countersigned->declaration;
    return done (c, "%s (%s): %s authentication, subscribers apart by %s, audited by %s until %s", member2 (declaration, "service", "name"), member2 (declaration, "service", "operator"),
                 member2 (declaration, "authentication", "kind"), member2 (declaration, "isolation", "kind"), member2 (declaration, "audit", "auditor"),
                 member2 (declaration, "audit", "period_to"));
}

static gboolean
alike (const char *a, const char *b)
{
    g_autofree char *one = g_utf8_casefold (a, -1), *two = g_utf8_casefold (b, -1);

    return strstr (one, two) || strstr (two, one);
}

/* The key was generated in the module that PKCS#11 showed; the service speaks of the module that keeps it. */
static void
compare_token (Context *c)
{
    const Event *found = event_first (c, "token.found");
    const char *vendor = found ? member2 (found->data, "token", "manufacturer") : "", *declared = member2 (c->countersigned->declaration, "module", "vendor");
    const char *serial = found ? member2 (found->data, "token", "serial") : "", *declared_serial = member2 (c->countersigned->declaration, "module", "serial");

    if (*vendor && !alike (vendor, declared))
        flaw (c, CHECK_WARN, found, "the signing service declares a module of %s, the key was generated in a token of %s", declared, vendor);
    if (*declared_serial && *serial && g_ascii_strcasecmp (declared_serial, serial) != 0)
        flaw (c, CHECK_WARN, found, "the signing service declares the module with serial number %s, the ceremony was held with %s", declared_serial, serial);
}

CheckResult
check_service_module (Context *c)
{
    CheckResult result;

    if (!reached (c, "service.module", &result))
        return result;
    c->outcome->fixed = FALSE;          /* the list is the CA's own, and so is what it thinks of a module that isn't in it */
    tell_findings (c, "service.module");
    compare_token (c);
    return done (c, "%s", c->countersigned->module);
}
