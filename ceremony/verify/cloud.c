/* Attached descriptions of a key that lives at a cloud provider: read again, held against the key of the request, and judged. Nobody signed them, so they never prove a key
 * good; what they say against it counts. */
#include <string.h>
#include "ceremony/attest/cloud.h"
#include "ceremony/verify/checks.h"

typedef struct { guint documents; gboolean ours, hsm, logged, unlogged; GString *ids; } Told;

/* What the file says now must be what the journal says that it said. */
static json_t *
read_again (Context *c, const Event *event)
{
    g_autofree char *name = g_strconcat ("attachments/", member (event->data, "name"), NULL);
    const AsiceEntry *entry = asice_find (c->asice, name);
    g_autoptr(GBytes) bytes = entry && entry->length <= CLOUD_MAX_LEN ? asice_read (c->asice, name, CLOUD_MAX_LEN, NULL) : NULL;
    g_autoptr(GError) error = NULL;
    json_t *read = bytes ? cloud_recognise (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &error) : NULL;
    const json_t *held = json_object_get (event->data, "recognised");

    if (error)
        flaw (c, CHECK_WARN, event, "%s: %s", name, error->message);
    if (held && !json_equal (read, held))
        flaw (c, CHECK_FAIL, event, "what the journal says of %s isn't what the file says", name);
    return read;
}

static void
judge_document (Context *c, const Event *event, const json_t *read)
{
    const char *name = member (event->data, "name"), *protection = member (read, "protection"), *origin = member (read, "origin");

    if (g_str_equal (protection, "software") || g_str_equal (protection, "external"))
        flaw (c, CHECK_FAIL, event, "%s: the key isn't in the provider's hardware module but %s", name, g_str_equal (protection, "software") ? "in software" : "outside, where the provider can't tell");
    if (g_str_equal (origin, "imported") || g_str_equal (origin, "external"))
        flaw (c, CHECK_FAIL, event, "%s: the key was %s", name, g_str_equal (origin, "imported") ? "imported, not generated there" : "made elsewhere");
    if (member_true (read, "exportable"))
        flaw (c, CHECK_FAIL, event, "%s: the key can be exported", name);
}

/* Whether it is of the request's key: by the public key in it. */
static void
compare_key (Context *c, const Event *event, const json_t *read, Told *told)
{
    const char *spki = member (read, "spki_sha256"), *key = member (read, "key");
    g_autofree char *ours = c->spki ? sha256_hex (g_bytes_get_data (c->spki, NULL), g_bytes_get_size (c->spki)) : NULL;

    if (*spki && ours && !g_str_equal (spki, ours))
        flaw (c, CHECK_FAIL, event, "%s is of another key than the request's", member (event->data, "name"));
    if (*spki && g_strcmp0 (spki, ours) == 0) {
        told->ours = TRUE;
        g_string_append_printf (told->ids, "%s\n", key);
    }
}

/* "arn:…:key/ID" and "ID", a key and its version: one ends or begins as the other, at a boundary. */
static gboolean
same_id (const char *a, const char *b)
{
    const char *longer = strlen (a) >= strlen (b) ? a : b, *shorter = longer == a ? b : a;
    gsize n = strlen (longer), m = strlen (shorter);

    if (m == 0)
        return FALSE;
    return n == m ? g_str_equal (a, b) : (g_str_has_suffix (longer, shorter) && longer[n - m - 1] == '/') || (g_str_has_prefix (longer, shorter) && longer[m] == '/');
}

/* Documents without a public key must name a key that one with it names. */
static gboolean
named (const Told *told, const char *key)
{
    g_auto(GStrv) ids = g_strsplit (told->ids->str, "\n", -1);

    for (gsize i = 0; ids[i]; i++)
        if (same_id (ids[i], key))
            return TRUE;
    return FALSE;
}

static void
check_names (Context *c, const GPtrArray *attached, const GPtrArray *all, const Told *told)
{
    for (guint i = 0; i < all->len; i++) {
        const json_t *read = all->pdata[i];
        if (read && !*member (read, "spki_sha256") && *member (read, "key") && told->ours && !named (told, member (read, "key")))
            flaw (c, CHECK_FAIL, attached->pdata[i], "%s is of the key %s, which isn't the one whose public key is the request's", member (((const Event *) attached->pdata[i])->data, "name"),
                  member (read, "key"));
    }
    if (!told->ours)
        flaw (c, CHECK_WARN, NULL, "no attached description holds the public key: that they are of this key is the word of whoever attached them");
    if (!told->hsm)
        flaw (c, CHECK_WARN, NULL, "no attached description says that the key lives in a hardware module");
    if (told->unlogged)
        flaw (c, CHECK_FAIL, NULL, "the provider's settings say that access to the key isn't logged");
    else if (!told->logged)
        flaw (c, CHECK_WARN, NULL, "nothing attached shows that access to the key is logged");
}

static void
unref_json (gpointer json)
{
    json_decref (json);
}

CheckResult
check_attachments_cloud (Context *c)
{
    const GPtrArray *attached = events_of (c, "file.attached");
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func (unref_json);
    g_autoptr(GString) ids = g_string_new (NULL);
    Told told = { .ids = ids };

    for (guint i = 0; i < attached->len; i++) {
        const Event *event = attached->pdata[i];
        json_t *read = read_again (c, event);
        g_ptr_array_add (all, read);
        if (!read)
            continue;
        told.documents++;
        told.hsm = told.hsm || g_str_equal (member (read, "protection"), "hsm");
        told.logged = told.logged || g_str_equal (member (read, "access_logging"), "on");
        told.unlogged = told.unlogged || g_str_equal (member (read, "access_logging"), "off");
        judge_document (c, event, read);
        compare_key (c, event, read, &told);
        cite (c, event);
    }
    if (told.documents == 0 && c->worst == CHECK_PASS)
        return skip (c, "no description of a cloud provider's key is attached");
    if (told.documents)
        check_names (c, attached, all, &told);
    return done (c, "%u descriptions, by the word of whoever attached them: in the provider's hardware module, not imported, this key, access is logged", told.documents);
}
