/* The order: whether the CA really gave it, and whether the ceremony was held as it says. */
#include <string.h>
#include "ceremony/verify/checks.h"

static GBytes *
part (Context *c, const char *name, GError **error)
{
    return asice_read (c->asice, name, ASICE_MAX_SMALL, error);
}

CheckResult
check_order_signature (Context *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) json = NULL, manifest = NULL, p7s = NULL, script = NULL, policy = NULL;

    if (!asice_find (c->asice, "order/order.json")) {
        if (asice_find (c->asice, "order/ASiCManifest001.xml") || asice_find (c->asice, "order/signature001.p7s"))
            flaw (c, CHECK_FAIL, NULL, "an order's signature is there without the order");
        else if (c->verdict->rehearsal)
            return skip (c, "a rehearsal needs no order");
        else if (!c->rule.order_required)
            return skip (c, "held without an order, which the policy allows");
        else
            flaw (c, CHECK_FAIL, NULL, "there is no order: nobody but those present says for whom, by which script and under which policy this was held. "
                  "A reviewer's --policy with order_required: false allows that");
        return done (c, "%s", "");
    }
    json = part (c, "order/order.json", &error);
    manifest = json ? part (c, "order/ASiCManifest001.xml", &error) : NULL;
    p7s = manifest ? part (c, "order/signature001.p7s", &error) : NULL;
    script = p7s ? part (c, "script.yaml", &error) : NULL;
    policy = script ? part (c, "policy.yaml", &error) : NULL;
    if (policy)
        c->order = order_from_parts (json, manifest, p7s, script, policy, &error);
    if (!c->order)
        flaw (c, CHECK_FAIL, NULL, "%s", error->message);
    return done (c, "order %s is signed, with this script and policy", c->order ? member (c->order->json, "id") : "");
}

CheckResult
check_order_trust (Context *c)
{
    g_autofree char *why = NULL;

    if (!asice_find (c->asice, "order/order.json"))
        return skip (c, "no order");
    if (!c->order)
        return unreached (c, "not reached: order.signature failed");
    if (!c->options->trust)
        flaw (c, CHECK_FAIL, NULL, "no trust given: use --trust DIR with the keys that you believe");
    else if (!trust_judge (c->options->trust, "order", c->order->signature->signer, c->order->signature->certificates, c->order->signature->signing_time, &why))
        flaw (c, CHECK_FAIL, NULL, "the order isn't by a CA that you trust: %s", why ? why : "unknown");
    else
        c->order_trusted = TRUE;
    rule_make (c);
    return done (c, "%s", why ? why : "");
}

static void
same (Context *c, const char *what, const char *ordered, const char *found)
{
    if (g_strcmp0 (ordered, found) != 0)
        flaw (c, CHECK_FAIL, c->opened, "the order says %s '%s', the ceremony was held with '%s'", what, ordered, found);
}

static void
check_pins (Context *c, const json_t *order)
{
    const char *witness = member2 (order, "witness", "spki_sha256");

    same (c, "the appliance's note key", member2 (order, "appliance", "note_key"), member2 (c->opened->data, "appliance", "note_key"));
    if (c->n_signatures > 0 && c->signatures[0].cades)
        same (c, "the appliance's signing key", member2 (order, "appliance", "spki_sha256"), c->signatures[0].cades->spki_sha256);
    if (c->n_signatures > 1 && c->signatures[1].cades && *witness)
        same (c, "the witness's key", witness, c->signatures[1].cades->spki_sha256);
    for (guint i = 0; i < MIN (c->n_signatures, 2); i++)
        if (c->signatures[i].cades && g_str_equal (c->signatures[i].cades->spki_sha256, c->order->signature->spki_sha256))
            flaw (c, CHECK_FAIL, NULL, "the key that signed the order signed as %s too: nobody watches over themselves", i ? "witness" : "appliance");
}

static void
check_valid (Context *c, const json_t *order)
{
    gint64 from = 0, to = 0;

    if (!clock_parse (member (order, "valid_from"), &from, NULL) || !clock_parse (member (order, "valid_to"), &to, NULL)) {
        flaw (c, CHECK_FAIL, NULL, "the order's time of validity can't be read");
        return;
    }
    if (c->opened->time < from)
        flaw (c, CHECK_FAIL, c->opened, "the ceremony began before the order was valid (%s)", member (order, "valid_from"));
    if (c->opened->time > to)
        flaw (c, CHECK_FAIL, c->opened, "the ceremony began when the order was no longer valid (%s)", member (order, "valid_to"));
    else if (c->generated && c->generated->time > to)
        flaw (c, CHECK_FAIL, c->generated, "the key was generated when the order was no longer valid (%s)", member (order, "valid_to"));
}

/* Script and policy are named by the journal with or without an order: what ran is what lies in the bundle. */
static void
check_files (Context *c)
{
    const json_t *opened = c->opened->data;
    g_autofree char *origin_end = g_strdup_printf ("/ceremony/%s", member (opened, "ceremony"));

    if (!g_str_equal (member2 (opened, "script", "sha256"), c->script->sha256))
        flaw (c, CHECK_FAIL, c->opened, "the ceremony followed another script than the one in the bundle");
    if (!g_str_equal (member2 (opened, "policy", "sha256"), c->policy->sha256))
        flaw (c, CHECK_FAIL, c->opened, "the ceremony was held under another policy than the one in the bundle");
    if (!g_str_equal (member (opened, "method"), script_method (c->script)))
        flaw (c, CHECK_FAIL, c->opened, "the ceremony was opened for method %s, its script is one of method %s", member (opened, "method"), script_method (c->script));
    if (!g_str_has_suffix (member (opened, "origin"), origin_end))
        flaw (c, CHECK_FAIL, c->opened, "the journal's origin '%s' isn't that of ceremony '%s'", member (opened, "origin"), member (opened, "ceremony"));
}

static void
check_order_fields (Context *c)
{
    const json_t *order = c->order->json, *opened = c->opened->data;
    const json_t *subscriber = json_object_get (order, "subscriber");
    g_autofree char *origin = g_strdup_printf ("%s/ceremony/%s", member (order, "ca_domain"), member (opened, "ceremony"));

    same (c, "order", member (order, "id"), member2 (opened, "order", "id"));
    same (c, "SHA-256", c->order->sha256, member2 (opened, "order", "sha256"));
    same (c, "origin", origin, member (opened, "origin"));
    same (c, "algorithm", member (order, "algorithm"), member (opened, "algorithm"));
    same (c, "label", member (order, "label"), member (opened, "label"));
    same (c, "subject", member (order, "subject"), member (opened, "subject"));
    same (c, "the challenge's commitment", member (order, "challenge_commitment"), member (opened, "challenge_commitment"));
    if (member_true (order, "rehearsal") != member_true (opened, "rehearsal"))
        flaw (c, CHECK_FAIL, c->opened, "the order is %sfor a rehearsal, the ceremony was %sone", member_true (order, "rehearsal") ? "" : "not ",
              member_true (opened, "rehearsal") ? "" : "not ");
    if (json_is_object (subscriber) && !json_equal (subscriber, json_object_get (opened, "subscriber")))
        flaw (c, CHECK_FAIL, c->opened, "the order names another subscriber than the ceremony");
    check_pins (c, order);
    check_valid (c, order);
}

CheckResult
check_order_matches (Context *c)
{
    const json_t *opened = c->opened->data;
    static const char *const presence[] = { "unplug", "console", "none" };

    check_files (c);
    if (!g_str_equal (member (opened, "presence"), presence[c->policy->presence]))
        flaw (c, CHECK_FAIL, c->opened, "the policy asks for presence '%s', the ceremony was held with '%s'", presence[c->policy->presence],
              member (opened, "presence"));
    if (c->order)
        check_order_fields (c);
    else if (json_is_object (json_object_get (opened, "order")))
        flaw (c, CHECK_FAIL, c->opened, "the ceremony was opened by an order that isn't in the bundle");
    return done (c, c->order ? "held as ordered: script, policy, appliance, key, subject, time" : "script and policy are those that the journal names");
}
