/* Verify: a key that wasn't born in the device, or of which nobody can tell, is refused whatever statement and journal say of it, under signatures that all hold. Each
 * bundle comes from the forger with evidence of a device's own: genuine first, then with one thing wrong; and each wrong one three times: told honestly, with a journal that
 * calls it genuine, and with a statement that does. */
#include <string.h>
#include "ceremony/attest/credential.h"
#include "forge.c"
#include "attest-made.h"

static ForgeWorld *world;
static EVP_PKEY *root, *device, *endorsement, *stranger;
static char *vendors_path;

typedef enum { TELL_HONESTLY, TELL_IN_JOURNAL, TELL_IN_STATEMENT, TELLINGS } Telling;

typedef struct {
    const char *name, *check, *reason;          /* NULL: genuine */
    CheckResult result;
    Hsm         hsm;
    Tpm         tpm;
    gboolean    other_key, other_challenge;
    const char *attribute;                      /* one that reads otherwise than it must */
    gboolean    value;
    /* of a TPM */
    gboolean    is_tpm, no_activation, unasked, asked_other, other_ak, other_ek, strange_ek, soft_ak, guessed, other_ceremony, other_secret, words, unsealed;
    const char *policy;
} Case;

static const Case *now;
static Telling telling;

/* ---- the device's evidence, and the judgement that the ceremony made of it ---- */

static GBytes *
challenge_of (const Forge *f)
{
    static const guint8 other[8] = "another";
    return g_bytes_new (now->other_challenge ? other : f->challenge, 8);
}

static GPtrArray *
evidence_of (Forge *f)
{
    g_autoptr (GBytes) challenge = challenge_of (f), data = attest_challenge_qualifying (challenge);
    g_autofree char *label = attest_challenge_label (challenge), *hex = hex_encode (label, strlen (label)), *der = g_strconcat ("0c28", hex, NULL);
    EVP_PKEY *key = now->other_key ? stranger : f->key;
    Hsm hsm = now->hsm;
    Tpm tpm = now->tpm;
    if (now->is_tpm) {
        tpm.extra = data;
        tpm.ek = TRUE;
        return tpm_inputs (&tpm, key, now->soft_ak ? stranger : device, now->strange_ek ? stranger : root, endorsement);
    }
    hsm.label = der;
    if (!hsm.serial)
        hsm.serial = hsm.device_serial = "0204075bcd15";        /* 123456789, the token's */
    return hsm_inputs (&hsm, key, device, root);
}

static GBytes *
request_der (const Forge *f)
{
    for (guint i = 0; i < f->items->len; i++) {
        const AsiceItem *item = f->items->pdata[i];
        if (!g_str_equal (item->name, "key/request.csr"))
            continue;
        BIO *bio = BIO_new_mem_buf (g_bytes_get_data (item->bytes, NULL), (int) g_bytes_get_size (item->bytes));
        X509_REQ *request = PEM_read_bio_X509_REQ (bio, NULL, NULL, NULL);
        guint8 *der = NULL;
        int len = i2d_X509_REQ (request, &der);
        GBytes *bytes = g_bytes_new (der, (gsize) len);
        OPENSSL_free (der);
        X509_REQ_free (request);
        BIO_free (bio);
        return bytes;
    }
    g_error ("no request yet");
}

static void
add_activation (const Forge *f, AttestAnchors *anchors)
{
    for (guint i = 0; i < f->events->len; i++) {
        const Event *event = f->events->pdata[i];
        if (!g_str_equal (event->type, "credential.activated"))
            continue;
        g_autoptr (GBytes) name = hex_decode (json_string_value (json_object_get (event->data, "ak_name")), NULL);
        g_autoptr (GBytes) ek = hex_decode (json_string_value (json_object_get (event->data, "ek_spki_sha256")), NULL);
        attest_anchors_add_activation (anchors, name, g_bytes_get_data (ek, NULL));
    }
}

/* What an honest ceremony says of the evidence, or what a forger says. */
static json_t *
judgement (const Forge *f, GPtrArray *inputs)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (AttestAnchors) anchors = attest_anchors_load (vendors_path, &error);
    g_autoptr (GBytes) request = request_der (f), spki = pki_spki (f->key), challenge = g_bytes_new (f->challenge, 8);
    guint8 digest[SHA256_LEN];
    g_assert_no_error (error);
    sha256 (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), digest);
    add_activation (f, anchors);
    g_autoptr (AttestResult) result = attest_verify (inputs, request, digest, challenge, anchors, &error);
    g_assert_no_error (error);
    json_t *json = attest_result_json (result);
    if (telling == TELL_HONESTLY)
        return json;
    json_object_set_new (json, "verdict", json_string ("genuine"));
    json_object_set_new (json, "origin", json_string ("generated"));
    json_object_set_new (json, "exportable", json_false ());
    json_object_set_new (json, "reason", json_string ("Yubico vouches that the key was generated in this YubiHSM 2, serial number 123456789 and can't leave it"));
    return json;
}

static void
attest (Forge *f)
{
    g_autoptr (GPtrArray) inputs = evidence_of (f);
    json_t *files = json_array ();
    for (guint i = 0; i < inputs->len; i++) {
        const AttestInput *in = inputs->pdata[i];
        g_autofree char *path = g_strconcat ("key/attestation/", in->name, NULL);
        g_autofree char *hash = sha256_hex (g_bytes_get_data (in->bytes, NULL), g_bytes_get_size (in->bytes));
        put (f->items, path, g_bytes_ref (in->bytes));
        json_array_append_new (files, json_pack ("{s:s, s:s}", "name", in->name, "sha256", hash));
    }
    forge_emit (f, "attestation.read", "appliance", json_pack ("{s:o, s:o}", "files", files, "result", judgement (f, inputs)));
}

/* ---- a TPM's credential ---- */

static const char own_words[] = "grape quince medlar sorbus hazel";

static void
recover (const Forge *f, const guint8 ek[SHA256_LEN], GBytes *name, guint8 out[CREDENTIAL_SECRET_LEN])
{
    guint8 seed[32];
    memcpy (seed, f->secret_bytes, sizeof seed);
    if (now->words)
        g_assert_true (challenge_seed_from_words (own_words, seed, NULL));
    if (now->other_secret)
        memset (seed, 0, sizeof seed);
    credential_secret (seed, now->other_ceremony ? "2026-11-24-anotherx" : f->ceremony, ek, name, out);
    if (now->guessed)
        memset (out, 0x11, CREDENTIAL_SECRET_LEN);
}

static void
open_credential (Forge *f)
{
    g_autoptr (GBytes) area = tpm_public (now->other_ak || now->soft_ak ? stranger : device, AK_ATTRS), name = tpm_name (area);
    g_autoptr (GBytes) spki = pki_spki (now->other_ek ? stranger : endorsement);
    g_autofree char *name_hex = hex_encode (g_bytes_get_data (name, NULL), g_bytes_get_size (name)), *file = sha256_hex ("credential", 10), *recovered = NULL;
    g_autofree char *ek_hex = sha256_hex (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki));
    guint8 ek[SHA256_LEN], secret[CREDENTIAL_SECRET_LEN];
    sha256 (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), ek);
    recover (f, ek, name, secret);
    recovered = hex_encode (secret, sizeof secret);
    if (!now->unasked)
        forge_emit (f, "credential.asked", "appliance", json_pack ("{s:s, s:s}", "ak_name", now->asked_other ? "000b00" : name_hex, "ek_spki_sha256", ek_hex));
    if (now->no_activation)
        return;
    json_t *data = json_pack ("{s:s, s:s, s:s, s:s, s:s}", "source", now->words ? "words" : "secret", "ak_name", name_hex, "ek_spki_sha256", ek_hex, "credential_sha256", file,
                              "recovered", recovered);
    if (now->words)
        json_object_set_new (data, "typed", json_string (own_words));
    forge_emit (f, "credential.activated", "appliance", data);
}

/* ---- the forger's hooks ---- */

static void
on_step (Forge *f, const char *act)
{
    if (g_str_equal (act, "attest"))
        attest (f);
    else if (g_str_equal (act, "credential"))
        open_credential (f);
}

static gboolean
on_event (Forge *f, const char *type, json_t *data)
{
    if (now->is_tpm && g_str_equal (type, "token.found")) {
        json_object_set_new (json_object_get (data, "module"), "path", json_string ("/usr/lib/libtpm2_pkcs11.so"));
        json_object_set_new (json_object_get (data, "token"), "serial", json_string ("0000000000000000"));
    }
    if (now->is_tpm && g_str_equal (type, "token.shown"))
        json_object_set_new (data, "serial", json_string ("0000000000000000"));
    if (now->attribute && g_str_equal (type, "attributes.read"))
        json_object_set_new (json_object_get (json_object_get (data, "private"), now->attribute), "value", json_boolean (now->value));
    return TRUE;
}

/* A statement that says of everything what it ought to be. */
static void
on_statement (Forge *f, json_t *statement)
{
    json_t *derived = json_object_get (statement, "derived"), *key = json_object_get (derived, "key"), *item;
    gsize i;
    if (telling != TELL_IN_STATEMENT)
        return;
    json_object_set_new (key, "history", json_pack ("{s:s, s:[s, s], s:[]}", "kind", "born-here", "sources", "attributes", "attestation", "evidence"));
    json_array_foreach (json_object_get (key, "attributes"), i, item)
        if (json_is_boolean (json_object_get (item, "as_required"))) {
            json_object_set_new (item, "value", json_boolean (!g_str_equal (json_string_value (json_object_get (item, "name")), "CKA_EXTRACTABLE")));
            json_object_set_new (item, "as_required", json_true ());
        }
}

static const char steps[] =
    "  - {id: credential, title: Credential, act: credential}\n"
    "  - {id: attest, title: Attest, act: attest, confirm: [witness]}\n";
static const char attest_only[] = "  - {id: attest, title: Attest, act: attest, confirm: [witness]}\n";

static void
setup (Forge *f)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    forge_init (f, world);
    f->more_steps = now->is_tpm ? steps : attest_only;
    f->on_step = on_step;
    f->on_event = on_event;
    f->on_statement = on_statement;
    f->policy = now->policy;
    f->words = now->words;
    f->unsealed = now->unsealed;
    f->secret = now->other_secret ? zeros : NULL;
}

static Verdict *
hold_and_judge (void)
{
    Forge f;
    g_autoptr (GError) error = NULL;
    setup (&f);
    g_autoptr (GBytes) bytes = forge_bytes (&f);
    g_autoptr (Asice) asice = asice_open_bytes (bytes, &error);
    g_assert_no_error (error);
    Verdict *verdict = verify_asice (asice, "forged", &(VerifyOptions){ .trust = world->trust, .modules_path = world->modules, .vendors_path = vendors_path, .flags = VERIFY_NO_VIDEO });
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *o = verdict->outcomes->pdata[i];
        if (o->result == CHECK_FAIL || o->result == CHECK_WARN)
            g_test_message ("%s %s: %s", o->result == CHECK_FAIL ? "fail" : "warn", o->id, o->reason);
    }
    forge_clear (&f);
    return verdict;
}

static void
test_case (gconstpointer data)
{
    now = data;
    for (telling = 0; telling < (now->result == CHECK_FAIL ? TELLINGS : 1); telling++) {
        g_autoptr (Verdict) verdict = hold_and_judge ();
        const CheckOutcome *o = outcome (verdict, now->check);
        g_assert_cmpint (o->result, ==, now->result);
        if (!strstr (o->reason, now->reason))
            g_test_fail_printf ("telling %d: %s", (int) telling, o->reason);
        g_assert_cmpint (outcome (verdict, "signature.chain")->result, ==, CHECK_PASS);
        if (now->result == CHECK_FAIL)
            g_assert_cmpint (verdict->kind, ==, VERDICT_REFUSE);
    }
}

/* Everything true: nothing but the module list speaks against it, and the device is the attested one. */
static void
test_truth (gconstpointer data)
{
    now = data;
    telling = TELL_HONESTLY;
    g_autoptr (Verdict) verdict = hold_and_judge ();
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *o = verdict->outcomes->pdata[i];
        if (o->result == CHECK_FAIL || (o->result == CHECK_WARN && !g_str_equal (o->id, "module.suitable")))
            g_test_fail_printf ("%s: %s", o->id, o->reason);
    }
    /* The module's own words name a device that is on the list; what is attested counts. */
    g_assert_nonnull (strstr (outcome (verdict, "module.suitable")->reason, now->is_tpm ? "no module of TPM 2.0" : "no module of Yubico"));
    g_assert_true (json_is_true (json_object_get (verdict->device, "attested")));
    g_assert_nonnull (strstr (outcome (verdict, "attestation")->reason, "in answer to this challenge"));
    g_assert_cmpint (outcome (verdict, "attestation.credential")->result, ==, now->is_tpm ? CHECK_PASS : CHECK_SKIPPED);
    g_assert_nonnull (strstr (outcome (verdict, "key.history")->reason, "genuine"));
}

static const Case truths[] = { { "hsm", .is_tpm = FALSE }, { "tpm", .is_tpm = TRUE } };

#define FAILS CHECK_FAIL
#define TPM_CASE .is_tpm = TRUE
static const Case cases[] = {
    /* "A key that was imported, is extractable, was ever extractable, or isn't local is refused by verify whatever the statement says, and an attestation of another key,
     * another device or another challenge too." */
    { "imported", "attestation", "it was imported", FAILS, .hsm = { .origin = "03020002" } },
    { "imported, by its history", "key.history", "was imported", FAILS, .hsm = { .origin = "03020002" } },
    { "imported under wrap", "attestation", "imported under wrap", FAILS, .hsm = { .origin = "03020012" } },
    { "extractable, by the vendor", "attestation", "exported under wrap", FAILS, .hsm = { .capabilities = "0309000000000000010080" } },
    { "extractable, by the module", "key.attributes", "CKA_EXTRACTABLE reads true", FAILS, .attribute = "cka_extractable", .value = TRUE },
    { "ever extractable", "key.attributes", "CKA_NEVER_EXTRACTABLE reads false", FAILS, .attribute = "cka_never_extractable", .value = FALSE },
    { "readable once", "key.attributes", "CKA_ALWAYS_SENSITIVE reads false", FAILS, .attribute = "cka_always_sensitive", .value = FALSE },
    { "not local", "key.attributes", "CKA_LOCAL reads false", FAILS, .attribute = "cka_local", .value = FALSE },
    { "not local, by its history", "key.history", "was imported", FAILS, .attribute = "cka_local", .value = FALSE },
    { "of another key", "attestation", "isn't the request's key", FAILS, .other_key = TRUE },
    { "of another device", "attestation", "the device with serial number 987654321", FAILS, .hsm = { .serial = "02043ade68b1", .device_serial = "02043ade68b1" } },
    { "of another challenge", "attestation", "another challenge", FAILS, .other_challenge = TRUE },
    { "TPM: imported", "attestation", "it was imported", FAILS, TPM_CASE, .tpm = { .key_attrs = KEY_ATTRS & ~0x20u } },
    { "TPM: duplicable", "attestation", "can be duplicated", FAILS, TPM_CASE, .tpm = { .key_attrs = KEY_ATTRS & ~0x2u } },
    { "TPM: of another key", "attestation", "isn't the request's key", FAILS, TPM_CASE, .other_key = TRUE },
    { "TPM: of another challenge", "attestation", "another challenge", FAILS, TPM_CASE, .other_challenge = TRUE },
    /* The tie between attestation key and endorsement key. */
    { "TPM: no credential opened", "attestation", "operator's word alone", FAILS, TPM_CASE, .no_activation = TRUE },
    { "TPM: attestation key of another TPM", "attestation", "operator's word alone", FAILS, TPM_CASE, .other_ak = TRUE },
    { "TPM: attestation key made in software, secret guessed", "attestation.credential", "isn't what the witness sealed", FAILS, TPM_CASE, .soft_ak = TRUE, .guessed = TRUE },
    { "TPM: and nothing stands on it", "attestation", "operator's word alone", FAILS, TPM_CASE, .soft_ak = TRUE, .guessed = TRUE },
    { "TPM: another endorsement key", "attestation", "operator's word alone", FAILS, TPM_CASE, .other_ek = TRUE },
    { "TPM: endorsement certificate of nobody", "attestation", "isn't signed by that vendor's key", FAILS, TPM_CASE, .strange_ek = TRUE },
    { "TPM: secret of another ceremony", "attestation.credential", "isn't what the witness sealed", FAILS, TPM_CASE, .other_ceremony = TRUE },
    { "TPM: secret guessed", "attestation.credential", "isn't what the witness sealed", FAILS, TPM_CASE, .guessed = TRUE },
    { "TPM: secret chosen after it was opened", "attestation.credential", "could have been chosen after", FAILS, TPM_CASE, .other_secret = TRUE },
    { "TPM: opened unasked", "attestation.credential", "nobody had asked for", FAILS, TPM_CASE, .unasked = TRUE },
    { "TPM: opened with other keys than asked for", "attestation.credential", "other keys", FAILS, TPM_CASE, .asked_other = TRUE },
    { "TPM: the witness's words", "attestation.credential", "the appliance's word", CHECK_WARN, TPM_CASE, .words = TRUE },
    { "TPM: words where a secret is asked", "attestation.credential", "committed to a secret", FAILS, TPM_CASE, .words = TRUE, .policy = "challenge: secret" },
    { "TPM: words that were never sealed", "attestation.credential", "isn't what the witness sealed", FAILS, TPM_CASE, .words = TRUE, .guessed = TRUE },
    { "TPM: not disclosed yet", "attestation.credential", "no witness has signed", CHECK_SKIPPED, TPM_CASE, .unsealed = TRUE },
};

/* The attested device's certificate, by its state; whatever the module says of itself. */
static void
test_modules (void)
{
    static const struct { const char *row, *reason; CheckResult result; } rows[] = {
        { "level: \"3\", state: active", "by what the device attests of itself", CHECK_PASS }, { "level: \"3\", state: historical", "is historical", CHECK_WARN },
        { "level: \"3\", state: active, historical_from: 2026-01-01", "is historical", CHECK_WARN }, { "level: \"3\", state: revoked", "was revoked", CHECK_FAIL },
        { "level: \"1\", state: active", "less than the rules ask", CHECK_FAIL }, { "level: \"3\", state: active, firmware_from: \"2.5\"", "not with firmware 2.4.0", CHECK_WARN },
    };
    char *kept = world->modules;
    now = &truths[0];
    telling = TELL_HONESTLY;
    world->modules = g_build_filename (world->dir, "attested.yaml", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
        g_autofree char *text = g_strdup_printf ("modules:\n  - {vendor: Yubico, model: YubiHSM 2, scheme: FIPS 140-2, certificate: \"9\", source: \"https://example.com\", %s}\n", rows[i].row);
        g_assert_true (g_file_set_contents (world->modules, text, -1, NULL));
        g_autoptr (Verdict) verdict = hold_and_judge ();
        const CheckOutcome *o = outcome (verdict, "module.suitable");
        if (o->result != rows[i].result || !strstr (o->reason, rows[i].reason))
            g_test_fail_printf ("%s: %s", rows[i].row, o->reason);
    }
    g_free (world->modules);
    world->modules = kept;
}

/* A key that a list of the reviewer's names as compromised. */
static void
test_blocklist (void)
{
    Forge f;
    g_autoptr (GError) error = NULL;
    g_autofree char *list = g_build_filename (world->dir, "compromised", NULL), *none = g_build_filename (world->dir, "nothing-here", NULL);
    const char *const lists[] = { list, NULL }, *const missing[] = { none, NULL };
    now = &truths[0];
    telling = TELL_HONESTLY;
    setup (&f);
    g_autoptr (GBytes) bytes = forge_bytes (&f), spki = pki_spki (f.key);
    g_autofree char *hash = sha256_hex (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki)), *line = g_strdup_printf ("# known\n%s\n", hash);
    g_assert_true (g_file_set_contents (list, line, -1, NULL));
    g_autoptr (Asice) asice = asice_open_bytes (bytes, &error), again = asice_open_bytes (bytes, &error);
    VerifyOptions options = { .trust = world->trust, .modules_path = world->modules, .vendors_path = vendors_path, .blocklists = lists, .flags = VERIFY_NO_VIDEO };
    g_autoptr (Verdict) verdict = verify_asice (asice, "forged", &options);
    options.blocklists = missing;
    g_autoptr (Verdict) unread = verify_asice (again, "forged", &options);
    g_assert_cmpint (outcome (verdict, "key.quality")->result, ==, CHECK_FAIL);
    g_assert_nonnull (strstr (outcome (verdict, "key.quality")->reason, "compromised"));
    g_assert_cmpint (verdict->kind, ==, VERDICT_REFUSE);
    g_assert_cmpint (outcome (unread, "key.quality")->result, ==, CHECK_SKIPPED);
    g_assert_nonnull (strstr (outcome (unread, "key.quality")->reason, "can't be read"));
    g_assert_cmpint (unread->kind, !=, VERDICT_ACCEPT);
    forge_clear (&f);
}

static void
make_vendors (void)
{
    g_autoptr (GString) yaml = g_string_new (NULL);
    pki_anchor (yaml, "yubihsm2", "CN=Yubico YubiHSM Root CA", root);
    pki_anchor (yaml, "tpm2-ek", "CN=TPM Maker", root);
    vendors_path = g_build_filename (world->dir, "born.yaml", NULL);
    g_assert_true (g_file_set_contents (vendors_path, yaml->str, -1, NULL));
}

int
main (int argc, char **argv)
{
    forge_quick (argv);
    g_test_init (&argc, &argv, NULL);
    world = forge_world_new ();
    root = pki_ec ();
    device = pki_ec ();
    endorsement = pki_ec ();
    stranger = pki_ec ();
    make_vendors ();
    for (gsize i = 0; i < G_N_ELEMENTS (truths); i++) {
        g_autofree char *path = g_strdup_printf ("/verify/born/truth/%s", truths[i].name);
        g_test_add_data_func (path, &truths[i], test_truth);
    }
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autofree char *path = g_strdup_printf ("/verify/born/%s", cases[i].name);
        g_test_add_data_func (path, &cases[i], test_case);
    }
    g_test_add_func ("/verify/born/modules", test_modules);
    g_test_add_func ("/verify/born/blocklist", test_blocklist);
    int status = g_test_run ();
    forge_world_free (world);
    g_free (vendors_path);
    EVP_PKEY_free (root);
    EVP_PKEY_free (device);
    EVP_PKEY_free (endorsement);
    EVP_PKEY_free (stranger);
    return status;
}
