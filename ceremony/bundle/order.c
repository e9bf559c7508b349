/* Orders: the fields as a table, the container and the parts of it that a bundle carries. */
#include "ceremony/bundle/order.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/script/algorithms.h"
#include <string.h>

#define ORDER_FORMAT "ceremony/order/v1"
#define ORDER_MAX (64 * 1024)
#define YAML_MAX (1024 * 1024)

/* A field: its kind, the longest text, and whether null is allowed. Where @inside is set it is a member of that object. */
typedef enum { TEXT, LINE, ID, DOMAIN, TIME, BOOL, HEX32, KEY32, COUNTRY, ALGORITHM, TOKEN_URI, OBJECT } Kind;
typedef struct { const char *inside, *name; Kind kind; gsize min, max; gboolean or_null; } Field;

static const Field fields[] = {
    { NULL, "format", LINE, 1, 40, FALSE },
    { NULL, "id", ID, 1, 64, FALSE },
    { NULL, "ca_domain", DOMAIN, 1, 253, FALSE },
    { NULL, "issued", TIME, 0, 0, FALSE },
    { NULL, "valid_from", TIME, 0, 0, FALSE },
    { NULL, "valid_to", TIME, 0, 0, FALSE },
    { NULL, "rehearsal", BOOL, 0, 0, FALSE },
    { NULL, "subscriber", OBJECT, 0, 0, FALSE },
    { "subscriber", "name", LINE, 1, 200, FALSE },
    { "subscriber", "country", COUNTRY, 0, 0, FALSE },
    { "subscriber", "registration", LINE, 0, 100, FALSE },
    { NULL, "algorithm", ALGORITHM, 0, 0, FALSE },
    { NULL, "label", LINE, 1, 64, FALSE },
    { NULL, "subject", LINE, 1, 1000, FALSE },
    { NULL, "script_sha256", HEX32, 0, 0, FALSE },
    { NULL, "policy_sha256", HEX32, 0, 0, FALSE },
    { NULL, "challenge_commitment", HEX32, 0, 0, TRUE },
    { NULL, "appliance", OBJECT, 0, 0, FALSE },
    { "appliance", "note_key", KEY32, 0, 0, FALSE },
    { "appliance", "spki_sha256", HEX32, 0, 0, FALSE },
    { NULL, "witness", OBJECT, 0, 0, FALSE },
    { "witness", "name", LINE, 1, 200, FALSE },
    { "witness", "employer", LINE, 0, 200, FALSE },
    { "witness", "qualification", LINE, 0, 500, FALSE },
    { "witness", "approval", LINE, 0, 500, FALSE },
    { "witness", "spki_sha256", HEX32, 0, 0, TRUE },
    { NULL, "token_uri", TOKEN_URI, 1, 1000, TRUE },
    { NULL, "place", LINE, 0, 500, FALSE },
    { NULL, "region", LINE, 0, 100, FALSE },
};

static const char *const file_names[] = { "order.json", "policy.yaml", "script.yaml" };
enum { ORDER_JSON, POLICY_YAML, SCRIPT_YAML, N_FILES };

static gboolean
is_printable (const char *text, gboolean lines)
{
    for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p)) {
        gunichar c = g_utf8_get_char (p);
        if (!g_unichar_isprint (c) && !(lines && c == '\n'))
            return FALSE;
    }
    return TRUE;
}

static gboolean
is_domain (const char *text)
{
    g_auto (GStrv) labels = g_strsplit (text, ".", -1);
    for (char **label = labels; *label != NULL; label++) {
        gsize len = strlen (*label);
        if (len == 0 || len > 63 || strspn (*label, "abcdefghijklmnopqrstuvwxyz0123456789-") != len || (*label)[0] == '-' || (*label)[len - 1] == '-')
            return FALSE;
    }
    return g_strv_length (labels) >= 2;
}

static gboolean
decodes_to (GBytes *bytes, gsize len)
{
    gboolean ok = bytes != NULL && g_bytes_get_size (bytes) == len;
    g_clear_pointer (&bytes, g_bytes_unref);
    return ok;
}

static const char *
wrong_text (const Field *field, const char *text)
{
    gint64 time;
    gsize len = strlen (text);
    if (field->max > 0 && (len < field->min || len > field->max))
        return "too short or too long";
    switch (field->kind) {
    case ID:
        return strspn (text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") == len ? NULL : "letters, digits, dot, hyphen and underscore alone are allowed";
    case DOMAIN:
        return is_domain (text) ? NULL : "a domain name in lower case is wanted, such as ca.example";
    case TIME:
        return clock_parse (text, &time, NULL) ? NULL : "a time such as 2026-11-23T20:31:07.412Z is wanted";
    case HEX32:
        return decodes_to (hex_decode (text, NULL), 32) ? NULL : "64 hex digits in lower case are wanted";
    case KEY32:
        return decodes_to (base64_decode (text, -1, NULL), 32) ? NULL : "base64 of an Ed25519 key is wanted, as `ceremony appliance show` prints it";
    case COUNTRY:
        return len == 2 && g_ascii_isupper (text[0]) && g_ascii_isupper (text[1]) ? NULL : "a country code of two capitals is wanted (ISO 3166)";
    case ALGORITHM:
        return key_algorithm_known (text) ? NULL : "not an algorithm that a ceremony knows";
    case TOKEN_URI:
        return g_str_has_prefix (text, "pkcs11:") && strstr (text, "pin-") == NULL && is_printable (text, FALSE) ? NULL : "a pkcs11: URI without a PIN is wanted";
    default:
        return is_printable (text, field->kind == TEXT) ? NULL : "a control character in it";
    }
}

static gboolean
check_field (const json_t *order, const Field *field, GError **error)
{
    const json_t *parent = field->inside != NULL ? json_object_get (order, field->inside) : order;
    const json_t *value = json_object_get (parent, field->name);
    const char *why = NULL;
    if (field->or_null && json_is_null (value))
        return TRUE;
    if (value == NULL)
        why = "it is missing";
    else if (field->kind == OBJECT || field->kind == BOOL)
        why = (field->kind == OBJECT ? json_is_object (value) : json_is_boolean (value)) ? NULL : "of another type than it must be";
    else if (!json_is_string (value) || strlen (json_string_value (value)) != json_string_length (value))
        why = "it isn't a text";
    else
        why = wrong_text (field, json_string_value (value));
    if (why == NULL)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "order: %s%s%s: %s", field->inside != NULL ? field->inside : "", field->inside != NULL ? "." : "", field->name, why);
    return FALSE;
}

static gboolean
is_field (const char *inside, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
        if (g_strcmp0 (fields[i].inside, inside) == 0 && g_str_equal (fields[i].name, name))
            return TRUE;
    return FALSE;
}

static gboolean
check_unknown (const json_t *object, const char *inside, GError **error)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *) object, name, value) {
        if (!is_field (inside, name)) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "order: %s%s%s isn't a field of an order", inside != NULL ? inside : "", inside != NULL ? "." : "", name);
            return FALSE;
        }
        if (inside == NULL && json_is_object (value) && !check_unknown (value, name, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_together (const json_t *order, const Script *script, const Policy *policy, GError **error)
{
    gint64 from = 0, to = 0;
    const char *algorithm = cjson_str (order, "algorithm", NULL), *why = NULL;
    clock_parse (cjson_str (order, "valid_from", NULL), &from, NULL);
    clock_parse (cjson_str (order, "valid_to", NULL), &to, NULL);
    if (!g_str_equal (cjson_str (order, "format", NULL), ORDER_FORMAT))
        why = "its format isn't " ORDER_FORMAT;
    else if (from >= to)
        why = "valid_to isn't after valid_from";
    else if (!g_str_equal (cjson_str (order, "script_sha256", NULL), script->sha256))
        why = "script_sha256 is of another script than script.yaml";
    else if (!g_str_equal (cjson_str (order, "policy_sha256", NULL), policy->sha256))
        why = "policy_sha256 is of another policy than policy.yaml";
    else if (!g_strv_contains ((const char *const *) policy->algorithms, algorithm))
        why = "its policy doesn't allow its algorithm";
    else if (policy->challenge == CHALLENGE_SECRET && json_is_null (json_object_get (order, "challenge_commitment")))
        why = "its policy wants a challenge from a secret, and challenge_commitment is null";
    if (why == NULL)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "order: %s", why);
    return FALSE;
}

gboolean
order_check (const json_t *order, const Script *script, const Policy *policy, GError **error)
{
    if (!json_is_object (order)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "order: it isn't a JSON object");
        return FALSE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
        if (!check_field (order, &fields[i], error))
            return FALSE;
    return check_unknown (order, NULL, error) && check_together (order, script, policy, error);
}

void
order_free (Order *self)
{
    if (self == NULL)
        return;
    json_decref (self->json);
    script_free (self->script);
    policy_free (self->policy);
    cades_free (self->signature);
    g_clear_pointer (&self->order_bytes, g_bytes_unref);
    g_clear_pointer (&self->manifest_bytes, g_bytes_unref);
    g_clear_pointer (&self->signature_bytes, g_bytes_unref);
    g_free (self);
}

/* Manifest 001 over just the three files, by their digests. */
static gboolean
check_manifest (GBytes *manifest, GBytes *const files[N_FILES], GError **error)
{
    guint number;
    gsize len;
    const void *data = g_bytes_get_data (manifest, &len);
    g_autoptr (GPtrArray) entries = manifest_parse (data, len, &number, error);
    if (entries == NULL)
        return FALSE;
    gboolean ok = number == 1 && entries->len == N_FILES;
    for (guint i = 0; ok && i < N_FILES; i++) {
        const ManifestEntry *entry = g_ptr_array_index (entries, i);
        g_autofree char *digest = sha256_hex (g_bytes_get_data (files[i], NULL), g_bytes_get_size (files[i]));
        ok = g_str_equal (entry->name, file_names[i]) && g_str_equal (entry->sha256, digest);
    }
    if (!ok)
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "order: what was signed isn't this order with this script and policy");
    return ok;
}

static gboolean
parse_files (Order *self, GBytes *const files[N_FILES], GError **error)
{
    gsize len[N_FILES];
    const void *data[N_FILES];
    for (guint i = 0; i < N_FILES; i++)
        data[i] = g_bytes_get_data (files[i], &len[i]);
    if (len[ORDER_JSON] > ORDER_MAX) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "order: order.json is larger than %d bytes", ORDER_MAX);
        return FALSE;
    }
    self->json = cjson_parse (data[ORDER_JSON], len[ORDER_JSON], error);
    if (self->json == NULL) {
        g_prefix_error (error, "order.json: ");
        return FALSE;
    }
    self->script = script_parse ("script.yaml", data[SCRIPT_YAML], len[SCRIPT_YAML], error);
    self->policy = self->script != NULL ? policy_parse ("policy.yaml", data[POLICY_YAML], len[POLICY_YAML], error) : NULL;
    return self->policy != NULL && order_check (self->json, self->script, self->policy, error);
}

Order *
order_from_parts (GBytes *order_json, GBytes *manifest, GBytes *p7s, GBytes *script, GBytes *policy, GError **error)
{
    g_autoptr (Order) self = g_new0 (Order, 1);
    GBytes *const files[N_FILES] = { [ORDER_JSON] = order_json, [POLICY_YAML] = policy, [SCRIPT_YAML] = script };
    self->signature = cades_verify (g_bytes_get_data (p7s, NULL), g_bytes_get_size (p7s), g_bytes_get_data (manifest, NULL), g_bytes_get_size (manifest), error);
    if (self->signature == NULL) {
        g_prefix_error (error, "order: ");
        return NULL;
    }
    if (!check_manifest (manifest, files, error) || !parse_files (self, files, error))
        return NULL;
    g_autofree char *digest = sha256_hex (g_bytes_get_data (order_json, NULL), g_bytes_get_size (order_json));
    g_strlcpy (self->sha256, digest, sizeof self->sha256);
    self->order_bytes = g_bytes_ref (order_json);
    self->manifest_bytes = g_bytes_ref (manifest);
    self->signature_bytes = g_bytes_ref (p7s);
    return g_steal_pointer (&self);
}

Order *
order_open (const char *path, GError **error)
{
    g_autoptr (Asice) asice = asice_open (path, error);
    if (asice == NULL)
        return NULL;
    if (asice_entries (asice)->len != 1 + N_FILES + 2 || asice_find (asice, "order.json") == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: not an order: it must hold order.json, script.yaml, policy.yaml and one signature", path);
        return NULL;
    }
    g_autoptr (GBytes) json = asice_read (asice, "order.json", ORDER_MAX, error);
    g_autoptr (GBytes) script = json != NULL ? asice_read (asice, "script.yaml", YAML_MAX, error) : NULL;
    g_autoptr (GBytes) policy = script != NULL ? asice_read (asice, "policy.yaml", YAML_MAX, error) : NULL;
    g_autoptr (GBytes) manifest = policy != NULL ? asice_read (asice, "META-INF/ASiCManifest001.xml", YAML_MAX, error) : NULL;
    g_autoptr (GBytes) p7s = manifest != NULL ? asice_read (asice, "META-INF/signature001.p7s", CADES_MAX_LEN, error) : NULL;
    Order *self = p7s != NULL ? order_from_parts (json, manifest, p7s, script, policy, error) : NULL;
    if (self == NULL)
        g_prefix_error (error, "%s: ", path);
    return self;
}

static GBytes *
sign_with (const void *manifest, gsize len, gpointer user_data, GError **error)
{
    return cades_sign (user_data, manifest, len, error);
}

gboolean
order_write (const char *path, const json_t *order, const Script *script, const Policy *policy, const Signer *signer, GError **error)
{
    if (!order_check (order, script, policy, error))
        return FALSE;
    g_autofree char *text = cjson_encode (order, error);
    if (text == NULL)
        return FALSE;
    g_autoptr (GBytes) json = g_bytes_new (text, strlen (text));
    g_autoptr (GPtrArray) items = asice_items_new ();
    asice_items_add_bytes (items, "order.json", json);
    asice_items_add_bytes (items, "script.yaml", script->source);
    asice_items_add_bytes (items, "policy.yaml", policy->source);
    return asice_create (path, items, sign_with, NULL, (gpointer) signer, error);
}
