/* Cloud providers' descriptions and logs of keys, after the forms that their documentation shows: what is recognised in them, and what verify makes of them. */
#include <string.h>
#include "ceremony/attest/cloud.h"
#include "forge.c"

static ForgeWorld *world;
static EVP_PKEY *known;

/* ---- documents, each with %s for the public key where it has one ---- */

#define AZ_KEY(kty, more) "{\"attributes\":{\"created\":1774969267,\"enabled\":true,\"exportable\":false,\"hsmPlatform\":\"2\",\"recoveryLevel\":\"Recoverable\"" more "}," \
    "\"key\":{\"kid\":\"https://v.vault.azure.net/keys/sign/b23aef78\",\"kty\":\"" kty "\",\"key_ops\":[\"sign\",\"verify\"],%s},\"tags\":{}}"
#define AZ_EXPORTABLE "{\"attributes\":{\"created\":\"2026-03-31T15:41:07+00:00\",\"exportable\":true,\"hsmPlatform\":\"2\"},\"key\":{\"keyOps\":[\"sign\"]," \
    "\"kid\":\"https://v.vault.azure.net/keys/sign/b23aef78\",\"kty\":\"EC-HSM\",\"n\":null,\"e\":null,%s}}"
#define AZ_LOG(operation) "{\"records\":[{\"time\":\"2026-04-01T10:00:00Z\",\"category\":\"AuditEvent\",\"operationName\":\"KeyGet\",\"properties\":{}}," \
    "{\"time\":\"2026-03-31T15:41:07Z\",\"category\":\"AuditEvent\",\"operationName\":\"" operation "\",\"properties\":{\"id\":\"https://v.vault.azure.net/keys/sign/b23aef78\"}}]}"
#define AWS_ARN "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
#define AWS_KEY(origin) "{\"KeyMetadata\":{\"AWSAccountId\":\"111122223333\",\"KeyId\":\"1234abcd-12ab-34cd-56ef-1234567890ab\",\"Arn\":\"" AWS_ARN "\",\"CreationDate\":1662675687.418," \
    "\"Enabled\":true,\"KeyUsage\":\"SIGN_VERIFY\",\"KeyState\":\"Enabled\",\"Origin\":\"" origin "\",\"KeyManager\":\"CUSTOMER\",\"KeySpec\":\"ECC_NIST_P256\",\"MultiRegion\":false}}"
#define AWS_PUBLIC "{\"KeyId\":\"" AWS_ARN "\",\"PublicKey\":\"%s\",\"KeySpec\":\"ECC_NIST_P256\",\"KeyUsage\":\"SIGN_VERIFY\",\"SigningAlgorithms\":[\"ECDSA_SHA_256\"]}"
#define AWS_LOG(origin, arn) "{\"Records\":[{\"eventVersion\":\"1.08\",\"eventTime\":\"2022-08-10T22:38:27Z\",\"eventSource\":\"kms.amazonaws.com\",\"eventName\":\"CreateKey\"," \
    "\"requestParameters\":{\"origin\":\"" origin "\",\"keySpec\":\"ECC_NIST_P256\"},\"responseElements\":{\"keyMetadata\":{\"keyId\":\"1234abcd-12ab-34cd-56ef-1234567890ab\"," \
    "\"arn\":\"" arn "\",\"origin\":\"" origin "\"}}}]}"
#define AWS_EVENTS "{\"Events\":[{\"EventName\":\"ImportKeyMaterial\",\"CloudTrailEvent\":\"{\\\"eventSource\\\":\\\"kms.amazonaws.com\\\",\\\"eventName\\\":\\\"ImportKeyMaterial\\\"," \
    "\\\"eventTime\\\":\\\"2022-08-10T22:40:00Z\\\",\\\"requestParameters\\\":{\\\"keyId\\\":\\\"" AWS_ARN "\\\"}}\"}]}"
#define GOOGLE_NAME "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/sign/cryptoKeyVersions/1"
#define GOOGLE_KEY(level, more) "{\"name\":\"" GOOGLE_NAME "\",\"state\":\"ENABLED\",\"protectionLevel\":\"" level "\",\"algorithm\":\"EC_SIGN_P256_SHA256\"," \
    "\"createTime\":\"2026-03-01T00:00:00Z\",\"generateTime\":\"2026-03-01T00:00:01Z\"" more "}"
#define GOOGLE_PUBLIC "{\"pem\":\"%s\",\"algorithm\":\"EC_SIGN_P256_SHA256\",\"pemCrc32c\":\"1\",\"name\":\"" GOOGLE_NAME "\",\"protectionLevel\":\"HSM\"}"
#define GOOGLE_LOG(method) "[{\"logName\":\"projects/p/logs/cloudaudit.googleapis.com%%2Factivity\",\"timestamp\":\"2026-03-01T00:00:01Z\",\"protoPayload\":{\"methodName\":\"" method "\"," \
    "\"resourceName\":\"projects/p/locations/europe-west3/keyRings/r/cryptoKeys/sign\",\"response\":{\"name\":\"" GOOGLE_NAME "\",\"protectionLevel\":\"HSM\"}}}]"
#define GOOGLE_POLICY(type) "{\"auditConfigs\":[{\"service\":\"cloudkms.googleapis.com\",\"auditLogConfigs\":[{\"logType\":\"" type "\"}]}],\"bindings\":[]}"

static char *
base64url_of (const guint8 *p, gsize len)
{
    return base64url_encode (p, len);
}

/* How the provider of @form writes the public key. */
static char *
key_text (const char *form, EVP_PKEY *key)
{
    guint8 *der = NULL;
    int n = i2d_PUBKEY (key, &der);
    char *text = NULL;
    if (strstr (form, "\"kid\"")) {
        g_autofree char *x = base64url_of (der + n - 64, 32), *y = base64url_of (der + n - 32, 32);
        text = g_strdup_printf ("\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"", x, y);
    } else {
        g_autofree char *b64 = base64_encode (der, (gsize) n);
        text = strstr (form, "\"pem\"") ? g_strdup_printf ("-----BEGIN PUBLIC KEY-----\\n%.64s\\n%s\\n-----END PUBLIC KEY-----\\n", b64, b64 + 64) : g_strdup (b64);
    }
    OPENSSL_free (der);
    return text;
}

static char *
document (const char *form, EVP_PKEY *key)
{
    g_autofree char *text = key_text (form, key);
    g_auto(GStrv) parts = g_strsplit (form, "%s", 2);
    return parts[1] ? g_strconcat (parts[0], text, parts[1], NULL) : g_strdup (form);
}

/* ---- the recogniser ---- */

static const struct { const char *form, *provider, *document, *protection, *origin, *logging; } known_forms[] = {
    { AZ_KEY ("EC-HSM", ""), "azure", "key", "hsm", "unknown", "unknown" },
    { AZ_KEY ("EC", ""), "azure", "key", "software", "unknown", "unknown" },
    { AZ_LOG ("KeyCreate"), "azure", "creation-log", "unknown", "generated", "on" },
    { AZ_LOG ("KeyImport"), "azure", "creation-log", "unknown", "imported", "on" },
    { "{\"logs\":[{\"category\":\"AuditEvent\",\"enabled\":true}]}", "azure", "logging", "unknown", "unknown", "on" },
    { "{\"value\":[{\"properties\":{\"logs\":[{\"categoryGroup\":\"audit\",\"enabled\":false}]}}]}", "azure", "logging", "unknown", "unknown", "off" },
    { AWS_KEY ("AWS_KMS"), "aws", "key", "hsm", "generated", "unknown" },
    { AWS_KEY ("AWS_CLOUDHSM"), "aws", "key", "hsm", "generated", "unknown" },
    { AWS_KEY ("EXTERNAL"), "aws", "key", "hsm", "imported", "unknown" },
    { AWS_KEY ("EXTERNAL_KEY_STORE"), "aws", "key", "external", "external", "unknown" },
    { AWS_KEY ("SOMETHING_NEW"), "aws", "key", "unknown", "unknown", "unknown" },
    { AWS_PUBLIC, "aws", "public-key", "unknown", "unknown", "unknown" },
    { AWS_LOG ("AWS_KMS", AWS_ARN), "aws", "creation-log", "hsm", "generated", "on" },
    { AWS_EVENTS, "aws", "creation-log", "unknown", "imported", "on" },
    { "{\"IsLogging\":false}", "aws", "logging", "unknown", "unknown", "off" },
    { GOOGLE_KEY ("HSM", ",\"attestation\":{\"format\":\"CAVIUM_V2_COMPRESSED\"}"), "google", "key", "hsm", "generated", "unknown" },
    { GOOGLE_KEY ("HSM", ",\"importJob\":\"projects/p/importJobs/i\""), "google", "key", "hsm", "imported", "unknown" },
    { GOOGLE_KEY ("SOFTWARE", ""), "google", "key", "software", "generated", "unknown" },
    { GOOGLE_KEY ("EXTERNAL_VPC", ""), "google", "key", "external", "external", "unknown" },
    { GOOGLE_PUBLIC, "google", "public-key", "hsm", "unknown", "unknown" },
    { GOOGLE_LOG ("google.cloud.kms.v1.KeyManagementService.CreateCryptoKeyVersion"), "google", "creation-log", "hsm", "generated", "unknown" },
    { GOOGLE_LOG ("google.cloud.kms.v1.KeyManagementService.ImportCryptoKeyVersion"), "google", "creation-log", "hsm", "imported", "unknown" },
    { GOOGLE_POLICY ("DATA_READ"), "google", "logging", "unknown", "unknown", "on" },
    { GOOGLE_POLICY ("ADMIN_READ"), "google", "logging", "unknown", "unknown", "off" },
};

static void
expect (const json_t *read, const char *member_name, const char *value, const char *form)
{
    if (g_strcmp0 (json_string_value (json_object_get (read, member_name)), value) != 0)
        g_error ("%s is %s, not %s: %s", member_name, json_string_value (json_object_get (read, member_name)), value, form);
}

static void
test_known (void)
{
    guint8 *der = NULL;
    int n = i2d_PUBKEY (known, &der);
    g_autofree char *hash = sha256_hex (der, (gsize) n);
    OPENSSL_free (der);
    for (gsize i = 0; i < G_N_ELEMENTS (known_forms); i++) {
        g_autofree char *text = document (known_forms[i].form, known), *bom = g_strconcat ("\xef\xbb\xbf \r\n", text, NULL), *encoded = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) read = cloud_recognise (bom, strlen (bom), &error);
        g_assert_no_error (error);
        if (!read)
            g_error ("not recognised: %s", text);
        expect (read, "provider", known_forms[i].provider, text);
        expect (read, "document", known_forms[i].document, text);
        expect (read, "protection", known_forms[i].protection, text);
        expect (read, "origin", known_forms[i].origin, text);
        expect (read, "access_logging", known_forms[i].logging, text);
        if (strstr (known_forms[i].form, "%s"))
            expect (read, "spki_sha256", hash, text);
        encoded = cjson_encode (read, &error);
        g_assert_no_error (error);
        for (gsize len = 0; len < strlen (text); len += 5) {                /* cut: nothing, and no fault */
            g_autoptr(json_t) cut = cloud_recognise (text, len, NULL);
            g_assert_null (cut);
        }
    }
}

/* Marks of a document, and no document: a message. No marks: nothing. */
static void
test_rubbish (void)
{
    static const struct { const char *text, *message; } cases[] = {
        { "{\"KeyMetadata\":5}", "DescribeKey" }, { "{\"KeyMetadata\":{\"KeyId\":\"a\"}}", "Origin" }, { "{\"KeyId\":\"a\",\"PublicKey\":\"AAAA\"}", "PublicKey can't be read" },
        { "{\"key\":{\"kid\":\"k\"},\"attributes\":{}}", "key.kty" }, { "{\"key\":{\"kid\":\"k\",\"kty\":\"EC-HSM\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"},\"attributes\":{}}", "public key" },
        { "{\"name\":\"a/cryptoKeyVersions/1\"}", "protectionLevel" }, { "{\"pem\":\"x\",\"pemCrc32c\":\"1\"}", "pem can't be read" },
        { "{\"eventSource\":\"kms.amazonaws.com\",\"eventName\":\"CreateKey\"}", "names no key" },
        { "{}", NULL }, { "[]", NULL }, { "[[[[[]]]]]", NULL }, { "", NULL }, { "{", NULL }, { "rubbish", NULL }, { "{\"format\":\"ceremony/order/v1\"}", NULL }, { "5", NULL },
        { "{\"a\":1,\"a\":2}", NULL },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) read = cloud_recognise (cases[i].text, strlen (cases[i].text), &error);
        g_assert_null (read);
        if (cases[i].message ? !error || !strstr (error->message, cases[i].message) : error != NULL)
            g_error ("%s: %s", cases[i].text, error ? error->message : "no message");
    }
}

/* ---- verify ---- */

typedef struct { const char *name, *forms[4], *reason; CheckResult result; gboolean other_key, altered; } Case;
#define OTHER_ARN "arn:aws:kms:us-west-2:111122223333:key/99999999-12ab-34cd-56ef-1234567890ab"
static const Case cases[] = {
    { "aws", { AWS_KEY ("AWS_KMS"), AWS_PUBLIC, AWS_LOG ("AWS_KMS", AWS_ARN) }, "3 descriptions", .result = CHECK_PASS },
    { "azure", { AZ_KEY ("EC-HSM", ""), AZ_LOG ("KeyCreate") }, "2 descriptions", .result = CHECK_PASS },
    { "google", { GOOGLE_KEY ("HSM", ""), GOOGLE_PUBLIC, GOOGLE_POLICY ("DATA_READ") }, "3 descriptions", .result = CHECK_PASS },
    { "software at azure", { AZ_KEY ("EC", ""), AZ_LOG ("KeyCreate") }, "in software", .result = CHECK_FAIL },
    { "imported at azure", { AZ_KEY ("EC-HSM", ""), AZ_LOG ("KeyImport") }, "was imported", .result = CHECK_FAIL },
    { "exportable at azure", { AZ_EXPORTABLE, AZ_LOG ("KeyCreate") }, "can be exported", .result = CHECK_FAIL },
    { "imported at aws", { AWS_KEY ("EXTERNAL"), AWS_PUBLIC, AWS_LOG ("EXTERNAL", AWS_ARN) }, "was imported", .result = CHECK_FAIL },
    { "outside of aws", { AWS_KEY ("EXTERNAL_KEY_STORE"), AWS_PUBLIC }, "outside", .result = CHECK_FAIL },
    { "imported later at aws", { AWS_KEY ("AWS_KMS"), AWS_PUBLIC, AWS_EVENTS }, "was imported", .result = CHECK_FAIL },
    { "software at google", { GOOGLE_KEY ("SOFTWARE", ""), GOOGLE_PUBLIC }, "in software", .result = CHECK_FAIL },
    { "imported at google", { GOOGLE_KEY ("HSM", ",\"importJob\":\"j\""), GOOGLE_PUBLIC }, "was imported", .result = CHECK_FAIL },
    { "another key", { AWS_KEY ("AWS_KMS"), AWS_PUBLIC }, "of another key than the request's", .result = CHECK_FAIL, .other_key = TRUE },
    { "a log of another key", { AWS_PUBLIC, AWS_LOG ("AWS_KMS", OTHER_ARN) }, "isn't the one whose public key", .result = CHECK_FAIL },
    { "no public key", { AWS_KEY ("AWS_KMS"), AWS_LOG ("AWS_KMS", AWS_ARN) }, "holds the public key", .result = CHECK_WARN },
    { "no logging shown", { AWS_KEY ("AWS_KMS"), AWS_PUBLIC }, "nothing attached shows that access", .result = CHECK_WARN },
    { "not logged", { GOOGLE_KEY ("HSM", ""), GOOGLE_PUBLIC, GOOGLE_POLICY ("ADMIN_READ") }, "isn't logged", .result = CHECK_FAIL },
    { "no level told", { AWS_KEY ("SOMETHING_NEW"), AWS_PUBLIC, AWS_LOG ("SOMETHING_NEW", AWS_ARN) }, "hardware module", .result = CHECK_WARN },
    { "journal says otherwise", { AWS_KEY ("EXTERNAL"), AWS_PUBLIC, AWS_LOG ("AWS_KMS", AWS_ARN) }, "isn't what the file says", .result = CHECK_FAIL, .altered = TRUE },
    { "rubbish", { "{\"KeyMetadata\":5}" }, "DescribeKey", .result = CHECK_WARN },
    { "nothing of a cloud", { "just a letter" }, "no description", .result = CHECK_SKIPPED },
};
static const Case *now;
static const char *expires;

static void
attach (Forge *f, const char *act)
{
    if (!g_str_equal (act, "attach"))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS (now->forms) && now->forms[i]; i++) {
        g_autofree char *text = document (now->forms[i], now->other_key ? known : f->key), *hash = sha256_hex (text, strlen (text));
        g_autofree char *name = g_strdup_printf ("file-%zu.json", i), *path = g_strconcat ("attachments/", name, NULL);
        json_t *read = cloud_recognise (text, strlen (text), NULL), *data = json_pack ("{s:s, s:s, s:I, s:s}", "name", name, "sha256", hash, "length", (json_int_t) strlen (text), "description", "");
        if (read && now->altered)
            json_object_set_new (read, "origin", json_string ("generated"));
        if (read)
            json_object_set_new (data, "recognised", read);
        if (expires)
            json_object_set_new (data, "expires", json_string (expires));
        forge_emit (f, "file.attached", "appliance", data);
        put (f->items, path, g_bytes_new (text, strlen (text)));
    }
}

static Verdict *
hold_and_judge (json_t **attachments)
{
    Forge f;
    g_autoptr(GError) error = NULL;
    forge_init (&f, world);
    f.more_steps = "  - {id: files, title: Files, act: attach, confirm: [witness]}\n";
    f.on_step = attach;
    g_autoptr(GBytes) bytes = forge_bytes (&f);
    g_autoptr(Asice) asice = asice_open_bytes (bytes, &error);
    g_assert_no_error (error);
    if (attachments) {
        g_autoptr(GBytes) file = asice_read (asice, "statement.json", 1 << 20, NULL);
        g_autoptr(json_t) statement = cjson_parse (g_bytes_get_data (file, NULL), g_bytes_get_size (file), NULL);
        *attachments = json_incref (json_object_get (json_object_get (json_object_get (statement, "derived"), "evidence"), "attachments"));
    }
    Verdict *verdict = verify_asice (asice, "forged", &(VerifyOptions){ .trust = world->trust, .modules_path = world->modules, .vendors_path = world->vendors, .flags = VERIFY_NO_VIDEO });
    forge_clear (&f);
    return verdict;
}

static void
test_verify (gconstpointer data)
{
    now = data;
    expires = NULL;
    g_autoptr(Verdict) verdict = hold_and_judge (NULL);
    const CheckOutcome *o = outcome (verdict, "attachments.cloud");
    if (o->result != now->result || !strstr (o->reason, now->reason))
        g_error ("%d: %s", o->result, o->reason);
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *other = verdict->outcomes->pdata[i];
        if (other != o && (other->result == CHECK_FAIL || other->result == CHECK_WARN))
            g_error ("%s tells it too: %s", other->id, other->reason);
    }
    g_assert_cmpint (verdict->kind, ==, now->result == CHECK_FAIL ? VERDICT_REFUSE : VERDICT_REVIEW);
}

/* A report past its day is told; the statement names what it says of itself. */
static void
test_report (void)
{
    json_t *attachments = NULL;
    now = &cases[0];
    expires = "2020-01-01";
    g_autoptr(Verdict) verdict = hold_and_judge (&attachments);
    g_assert_cmpint (outcome (verdict, "attachments")->result, ==, CHECK_WARN);
    g_assert_nonnull (strstr (outcome (verdict, "attachments")->reason, "held until 2020-01-01"));
    g_assert_cmpint (outcome (verdict, "statement.consistent")->result, ==, CHECK_PASS);
    g_assert_cmpstr (json_string_value (json_object_get (json_array_get (attachments, 0), "expires")), ==, expires);
    g_assert_cmpstr (json_string_value (json_object_get (json_object_get (json_array_get (attachments, 0), "recognised"), "protection")), ==, "hsm");
    json_decref (attachments);
    expires = "2999-01-01";
    g_autoptr(Verdict) later = hold_and_judge (NULL);
    g_assert_cmpint (outcome (later, "attachments")->result, ==, CHECK_PASS);
}

int
main (int argc, char **argv)
{
    forge_quick (argv);
    g_test_init (&argc, &argv, NULL);
    world = forge_world_new ();
    known = EVP_EC_gen ("P-256");
    g_test_add_func ("/cloud/known", test_known);
    g_test_add_func ("/cloud/rubbish", test_rubbish);
    g_test_add_func ("/cloud/report", test_report);
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *path = g_strdup_printf ("/cloud/verify/%s", cases[i].name);
        g_test_add_data_func (path, &cases[i], test_verify);
    }
    int status = g_test_run ();
    forge_world_free (world);
    EVP_PKEY_free (known);
    return status;
}
