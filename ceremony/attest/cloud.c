/* One table of documents: which members mark one, and who reads it. Sources: learn.microsoft.com (Key Vault REST, keys, logging), docs.aws.amazon.com (KMS API, CloudTrail
 * log entries of KMS), cloud.google.com (Cloud KMS REST v1, audit logging). */
#include "ceremony/attest/cloud.h"
#include "ceremony/attest/keys.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <openssl/pem.h>
#include <string.h>

#define MAX_TEXT 1000
#define MAX_RECORDS 10000

static const char *
text (const json_t *object, const char *key)
{
    const char *value = json_string_value (json_object_get (object, key));
    return value && strlen (value) <= MAX_TEXT ? value : NULL;
}

static const json_t *
object (const json_t *from, const char *key)
{
    const json_t *value = json_object_get (from, key);
    return json_is_object (value) ? value : NULL;
}

static gboolean
is (const json_t *from, const char *key, const char *value)
{
    return g_strcmp0 (text (from, key), value) == 0;
}

static json_t *
told (const char *provider, const char *document, const char *key)
{
    return json_pack ("{s:s, s:s, s:s?, s:s, s:s, s:n, s:n, s:n, s:n, s:s, s:b}", "provider", provider, "document", document, "key", key, "protection", "unknown", "origin", "unknown",
                      "exportable", "created", "algorithm", "spki_sha256", "access_logging", "unknown", "attestation", 0);
}

static void
tell (json_t *to, const char *key, const char *value)
{
    if (value)
        json_object_set_new (to, key, json_string (value));
}

static gboolean
tell_key (json_t *to, EVP_PKEY *key)
{
    g_autoptr (GBytes) spki = key_spki (key);
    g_autofree char *hash = spki ? sha256_hex (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki)) : NULL;
    tell (to, "spki_sha256", hash);
    EVP_PKEY_free (key);
    return hash != NULL;
}

static json_t *
unreadable (json_t *to, GError **error, const char *what)
{
    json_decref (to);
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s; export it from the provider's tool anew", what);
    return NULL;
}

/* ── Azure ── */

static GBytes *
jwk_bytes (const json_t *key, const char *name)
{
    const char *value = json_string_value (json_object_get (key, name));
    return value && strlen (value) < 4096 ? base64url_decode (value, NULL) : NULL;
}

/* RFC 7518 6.2, 6.3. */
static EVP_PKEY *
jwk_key (const json_t *key)
{
    static const struct { const char *curve, *group; gsize len; } curves[] = { { "P-256", "P-256", 32 }, { "P-384", "P-384", 48 }, { "P-521", "P-521", 66 }, { "P-256K", "secp256k1", 32 } };
    g_autoptr (GBytes) n = jwk_bytes (key, "n"), e = jwk_bytes (key, "e"), x = jwk_bytes (key, "x"), y = jwk_bytes (key, "y");
    if (n && e)
        return key_from_rsa (g_bytes_get_data (n, NULL), g_bytes_get_size (n), g_bytes_get_data (e, NULL), g_bytes_get_size (e));
    for (gsize i = 0; x && y && i < G_N_ELEMENTS (curves); i++) {
        guint8 point[1 + 2 * 66] = { 4 };
        if (!is (key, "crv", curves[i].curve) || g_bytes_get_size (x) != curves[i].len || g_bytes_get_size (y) != curves[i].len)
            continue;
        memcpy (point + 1, g_bytes_get_data (x, NULL), curves[i].len);
        memcpy (point + 1 + curves[i].len, g_bytes_get_data (y, NULL), curves[i].len);
        return key_from_point (curves[i].group, point, 1 + 2 * curves[i].len);
    }
    return NULL;
}

static void
tell_moment (json_t *to, const json_t *value)
{
    g_autoptr (GDateTime) moment = json_is_integer (value) ? g_date_time_new_from_unix_utc (json_integer_value (value)) : NULL;
    g_autofree char *shown = moment ? g_date_time_format (moment, "%Y-%m-%dT%H:%M:%SZ") : NULL;
    tell (to, "created", shown ? shown : json_string_value (value) && strlen (json_string_value (value)) <= 100 ? json_string_value (value) : NULL);
}

static json_t *
azure_key (const json_t *top, GError **error)
{
    const json_t *key = object (top, "key"), *attributes = object (top, "attributes"), *exportable = json_object_get (attributes, "exportable");
    const char *type = text (key, "kty");
    json_t *to = told ("azure", "key", text (key, "kid"));
    if (!type || !attributes)
        return unreadable (to, error, "it looks like a key of Azure Key Vault, and lacks its type (key.kty) or its attributes");
    tell (to, "protection", g_str_has_suffix (type, "-HSM") ? "hsm" : "software");
    tell (to, "algorithm", type);
    json_object_set_new (to, "attestation", json_boolean (object (attributes, "attestation") != NULL));
    if (json_is_boolean (exportable))
        json_object_set (to, "exportable", (json_t *) exportable);
    tell_moment (to, json_object_get (attributes, "created"));
    if (!tell_key (to, jwk_key (key)))
        return unreadable (to, error, "it looks like a key of Azure Key Vault, and its public key (n and e, or crv, x and y) can't be read");
    return to;
}

/* An entry of the AuditEvent log. */
static json_t *
azure_log (const json_t *top, GError **error)
{
    const json_t *properties = object (top, "properties");
    const char *operation = text (top, "operationName");
    json_t *to = told ("azure", "creation-log", text (properties, "id"));
    tell (to, "origin", is (top, "operationName", "KeyCreate") ? "generated" : "imported");
    tell_moment (to, json_object_get (top, "time"));
    tell (to, "access_logging", "on");
    if (!properties)
        return unreadable (to, error, "it looks like an entry of Azure Key Vault's log, and lacks its properties");
    tell (to, "algorithm", operation);
    return to;
}

static json_t *
azure_settings (const json_t *top, GError **error)
{
    json_t *to = told ("azure", "logging", NULL);
    const json_t *entry, *logs = json_object_get (object (top, "properties") ? object (top, "properties") : top, "logs");
    gsize i;
    tell (to, "access_logging", "off");
    json_array_foreach (logs, i, entry)
        if (json_is_true (json_object_get (entry, "enabled")) && (is (entry, "category", "AuditEvent") || is (entry, "categoryGroup", "audit") || is (entry, "categoryGroup", "allLogs")))
            tell (to, "access_logging", "on");
    return to;
}

/* ── AWS ── */

static void
aws_origin (json_t *to, const char *origin)
{
    static const struct { const char *origin, *protection, *from; } origins[] = {
        { "AWS_KMS", "hsm", "generated" }, { "AWS_CLOUDHSM", "hsm", "generated" }, { "EXTERNAL", "hsm", "imported" }, { "EXTERNAL_KEY_STORE", "external", "external" },
    };
    for (gsize i = 0; origin && i < G_N_ELEMENTS (origins); i++)
        if (strcmp (origins[i].origin, origin) == 0) {
            tell (to, "protection", origins[i].protection);
            tell (to, "origin", origins[i].from);
        }
}

static json_t *
aws_key (const json_t *top, GError **error)
{
    const json_t *metadata = object (top, "KeyMetadata");
    json_t *to = told ("aws", "key", text (metadata, "Arn") ? text (metadata, "Arn") : text (metadata, "KeyId"));
    aws_origin (to, text (metadata, "Origin"));
    tell (to, "algorithm", text (metadata, "KeySpec") ? text (metadata, "KeySpec") : text (metadata, "CustomerMasterKeySpec"));
    if (!metadata || !text (metadata, "KeyId") || !text (metadata, "Origin"))
        return unreadable (to, error, "it looks like AWS KMS's DescribeKey, and lacks KeyMetadata's KeyId or Origin");
    if (json_is_number (json_object_get (metadata, "CreationDate"))) {
        g_autoptr (json_t) seconds = json_integer ((json_int_t) CLAMP (json_number_value (json_object_get (metadata, "CreationDate")), 0, 253402300799.0));
        tell_moment (to, seconds);
    } else {
        tell_moment (to, json_object_get (metadata, "CreationDate"));
    }
    return to;
}

static json_t *
aws_public (const json_t *top, GError **error)
{
    json_t *to = told ("aws", "public-key", text (top, "KeyId"));
    const char *encoded = json_string_value (json_object_get (top, "PublicKey"));
    g_autoptr (GBytes) der = encoded && strlen (encoded) < 8192 ? base64_decode (encoded, -1, NULL) : NULL;
    const guint8 *p = der ? g_bytes_get_data (der, NULL) : NULL;
    EVP_PKEY *key = p ? d2i_PUBKEY (NULL, &p, (long) g_bytes_get_size (der)) : NULL;
    tell (to, "algorithm", text (top, "KeySpec"));
    return tell_key (to, key) ? to : unreadable (to, error, "it looks like AWS KMS's GetPublicKey, and its PublicKey can't be read");
}

/* CloudTrail holds every use of a key as a management event: that it recorded the creation shows that it logs. */
static json_t *
aws_log (const json_t *top, GError **error)
{
    const json_t *answer = object (top, "responseElements"), *metadata = object (answer, "keyMetadata"), *asked = object (top, "requestParameters");
    const json_t *source = metadata ? metadata : answer ? answer : asked;
    const char *id = text (source, "arn") ? text (source, "arn") : text (source, "keyId") ? text (source, "keyId") : text (asked, "keyId");
    json_t *to = told ("aws", "creation-log", id);
    aws_origin (to, text (source, "origin") ? text (source, "origin") : text (asked, "origin"));
    if (is (top, "eventName", "ImportKeyMaterial"))
        tell (to, "origin", "imported");
    tell (to, "algorithm", text (source, "keySpec"));
    tell (to, "access_logging", "on");
    tell_moment (to, json_object_get (top, "eventTime"));
    return id ? to : unreadable (to, error, "it looks like CloudTrail's record of a key's creation, and names no key");
}

static json_t *
aws_trail (const json_t *top, GError **error)
{
    json_t *to = told ("aws", "logging", NULL);
    tell (to, "access_logging", json_is_true (json_object_get (top, "IsLogging")) ? "on" : "off");
    return to;
}

/* ── Google ── */

static void
google_version (json_t *to, const json_t *version)
{
    static const struct { const char *level, *protection; } levels[] = {
        { "HSM", "hsm" }, { "HSM_SINGLE_TENANT", "hsm" }, { "SOFTWARE", "software" }, { "EXTERNAL", "external" }, { "EXTERNAL_VPC", "external" },
    };
    const char *level = text (version, "protectionLevel");
    for (gsize i = 0; level && i < G_N_ELEMENTS (levels); i++)
        if (strcmp (levels[i].level, level) == 0)
            tell (to, "protection", levels[i].protection);
    tell (to, "algorithm", text (version, "algorithm"));
    json_object_set_new (to, "attestation", json_boolean (object (version, "attestation") != NULL));
    tell (to, "created", text (version, "generateTime") ? text (version, "generateTime") : text (version, "createTime"));
    if (text (version, "importJob") || text (version, "importTime"))
        tell (to, "origin", "imported");
    else if (level && g_str_has_prefix (level, "EXTERNAL"))
        tell (to, "origin", "external");
    else if (text (version, "generateTime"))
        tell (to, "origin", "generated");
}

static json_t *
google_key (const json_t *top, GError **error)
{
    json_t *to = told ("google", "key", text (top, "name"));
    google_version (to, top);
    if (!text (top, "protectionLevel") || !text (top, "algorithm"))
        return unreadable (to, error, "it looks like a key version of Google Cloud KMS, and lacks protectionLevel or algorithm");
    return to;
}

static json_t *
google_public (const json_t *top, GError **error)
{
    json_t *to = told ("google", "public-key", text (top, "name"));
    const char *pem = json_string_value (json_object_get (top, "pem"));
    BIO *bio = pem && strlen (pem) < 8192 ? BIO_new_mem_buf (pem, -1) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY (bio, NULL, NULL, NULL) : NULL;
    BIO_free (bio);
    google_version (to, top);
    return tell_key (to, key) ? to : unreadable (to, error, "it looks like a public key of Google Cloud KMS, and its pem can't be read");
}

/* Creating keys is always logged; their use only where data access logs are on, which the project's policy tells. */
static json_t *
google_log (const json_t *top, GError **error)
{
    const json_t *payload = object (top, "protoPayload"), *answer = object (payload, "response");
    const char *method = text (payload, "methodName");
    json_t *to = told ("google", "creation-log", text (answer, "name") ? text (answer, "name") : text (payload, "resourceName"));
    google_version (to, object (answer, "primary") ? object (answer, "primary") : answer);
    if (g_str_has_suffix (method, "ImportCryptoKeyVersion"))
        tell (to, "origin", "imported");
    else if (is (to, "origin", "unknown") && g_str_has_suffix (method, "CreateCryptoKeyVersion"))
        tell (to, "origin", "generated");
    tell_moment (to, json_object_get (top, "timestamp"));
    return to;
}

static json_t *
google_policy (const json_t *top, GError **error)
{
    json_t *to = told ("google", "logging", NULL);
    const json_t *service, *kind;
    gsize i, k;
    tell (to, "access_logging", "off");
    json_array_foreach (json_object_get (top, "auditConfigs"), i, service)
        json_array_foreach (json_object_get (service, "auditLogConfigs"), k, kind)
            if ((is (service, "service", "cloudkms.googleapis.com") || is (service, "service", "allServices")) && is (kind, "logType", "DATA_READ"))
                tell (to, "access_logging", "on");
    return to;
}

/* ── the table ── */

static gboolean
ends_with (const json_t *from, const char *key, const char *const *ends)
{
    const char *value = text (from, key);
    for (; value && *ends; ends++)
        if (g_str_has_suffix (value, *ends))
            return TRUE;
    return FALSE;
}

static gboolean is_azure_key (const json_t *t) { return object (t, "key") && (text (object (t, "key"), "kid") || text (object (t, "key"), "kty")); }
static gboolean is_azure_log (const json_t *t) { return is (t, "category", "AuditEvent") && ends_with (t, "operationName", (const char *const[]) { "KeyCreate", "KeyImport", "KeyRestore", NULL }); }
static gboolean is_azure_settings (const json_t *t) { return json_is_array (json_object_get (object (t, "properties") ? object (t, "properties") : t, "logs")); }
static gboolean is_aws_key (const json_t *t) { return json_object_get (t, "KeyMetadata") != NULL; }
static gboolean is_aws_public (const json_t *t) { return json_object_get (t, "PublicKey") && json_object_get (t, "KeyId"); }
static gboolean is_aws_log (const json_t *t) { return is (t, "eventSource", "kms.amazonaws.com") && ends_with (t, "eventName", (const char *const[]) { "CreateKey", "ImportKeyMaterial", NULL }); }
static gboolean is_aws_trail (const json_t *t) { return json_is_boolean (json_object_get (t, "IsLogging")); }
static gboolean is_google_key (const json_t *t) { return text (t, "name") && strstr (text (t, "name"), "/cryptoKeyVersions/") && !json_object_get (t, "pem"); }
static gboolean is_google_public (const json_t *t) { return json_object_get (t, "pem") && json_object_get (t, "pemCrc32c"); }
static gboolean is_google_public_named (const json_t *t) { return json_object_get (t, "pem") && json_object_get (t, "protectionLevel"); }
static gboolean is_google_policy (const json_t *t) { return json_is_array (json_object_get (t, "auditConfigs")); }
static gboolean
is_google_log (const json_t *t)
{
    return ends_with (object (t, "protoPayload"), "methodName", (const char *const[]) { "CreateCryptoKeyVersion", "CreateCryptoKey", "ImportCryptoKeyVersion", NULL });
}

static const struct { gboolean (*is) (const json_t *top); json_t *(*read) (const json_t *top, GError **error); } documents[] = {
    { is_aws_key, aws_key }, { is_aws_public, aws_public }, { is_aws_log, aws_log }, { is_aws_trail, aws_trail }, { is_google_public, google_public },
    { is_google_public_named, google_public }, { is_google_key, google_key }, { is_google_log, google_log }, { is_google_policy, google_policy },
    { is_azure_key, azure_key }, { is_azure_log, azure_log }, { is_azure_settings, azure_settings },
};

/* The document that @top is, or the first of the entries of a log that tells of a key. */
static json_t *
recognise (const json_t *top, guint depth, GError **error)
{
    static const char *const lists[] = { "Records", "records", "Events", "entries", "value" };
    const json_t *entry;
    gsize i;
    for (gsize k = 0; json_is_object (top) && k < G_N_ELEMENTS (documents); k++)
        if (documents[k].is (top))
            return documents[k].read (top, error);
    if (depth == 0)
        return NULL;
    /* `aws cloudtrail lookup-events` wraps each record as text. */
    const char *inner = json_is_object (top) ? json_string_value (json_object_get (top, "CloudTrailEvent")) : NULL;
    g_autoptr (json_t) parsed = inner ? cjson_parse_loose (inner, strlen (inner), NULL) : NULL;
    if (parsed)
        return recognise (parsed, 0, error);
    for (gsize k = 0; k <= G_N_ELEMENTS (lists); k++) {
        const json_t *list = k == G_N_ELEMENTS (lists) ? top : json_object_get (top, lists[k]);
        json_array_foreach (list, i, entry) {
            g_autoptr (GError) failed = NULL;
            json_t *found = i < MAX_RECORDS ? recognise (entry, depth - 1, &failed) : NULL;
            if (failed)
                g_propagate_error (error, g_steal_pointer (&failed));
            if (found || (error && *error))
                return found;
        }
    }
    return NULL;
}

json_t *
cloud_recognise (const void *data, gsize len, GError **error)
{
    const char *p = data, *end = p + len;
    while (p < end && (g_ascii_isspace (*p) || (end - p >= 3 && memcmp (p, "\xef\xbb\xbf", 3) == 0)))
        p += g_ascii_isspace (*p) ? 1 : 3;
    if (len > CLOUD_MAX_LEN || p == end || (*p != '{' && *p != '['))
        return NULL;
    g_autoptr (json_t) top = cjson_parse_loose (p, (gsize) (end - p), NULL);
    return top ? recognise (top, 2, error) : NULL;
}
