/* Verify: a forged but truthful bundle is accepted; each lie fails just the check that is there for it. */
#include <string.h>
#include "ceremony/base/errors.h"
#include "ceremony/report/report.h"
#include "ceremony/attest/request.h"
#include "attest-pki.h"
#include "forge.c"

static ForgeWorld *world;

static Verdict *
judge_bytes (GBytes *bytes, const Trust *trust, const Policy *policy, VerifyFlags flags)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Asice) asice = asice_open_bytes (bytes, &error);
    VerifyOptions options = { .trust = trust, .policy = policy, .modules_path = world->modules, .vendors_path = world->vendors, .flags = flags | VERIFY_NO_VIDEO };

    g_assert_no_error (error);
    return verify_asice (asice, "forged", &options);
}

static void
tell (const Verdict *verdict)
{
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *o = verdict->outcomes->pdata[i];
        if (o->result == CHECK_FAIL || o->result == CHECK_WARN)
            g_test_message ("%s %s: %s", o->result == CHECK_FAIL ? "fail" : "warn", o->id, o->reason);
    }
}

/* Everything passes or doesn't apply but pictures, which these bundles don't have. */
static void
assert_clean (const Verdict *verdict)
{
    tell (verdict);
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *o = verdict->outcomes->pdata[i];
        g_assert_cmpint (o->result, !=, CHECK_FAIL);
        g_assert_cmpint (o->result, !=, CHECK_WARN);
        g_assert_cmpint (strlen (o->reason), >, 0);
    }
    g_assert_cmpint (verdict->kind, ==, VERDICT_REVIEW);
    g_assert_cmpint (outcome (verdict, "pictures.codes")->result, ==, CHECK_SKIPPED);
}

/* ---- the lies ---- */

typedef struct {
    const char *name, *check;           /* the check that must tell it */
    const char *reason;                 /* a word of its reason */
    CheckResult result;
    const char *also;                   /* checks that may tell it too, blank-separated */
    void (*prepare) (Forge *f);
    gboolean (*on_event) (Forge *f, const char *type, json_t *data);
    void (*on_step) (Forge *f, const char *act);
    void (*on_files) (Forge *f, GPtrArray *items);
    void (*on_statement) (Forge *f, json_t *statement);
    void (*on_order) (Forge *f, json_t *order);
} Lie;

#define EVENT_LIE(name, when, change) \
    static gboolean name (Forge *f, const char *type, json_t *data) { if (g_str_equal (type, when)) { change; } return TRUE; }
#define EVENT_LEFT_OUT(name, when) \
    static gboolean name (Forge *f, const char *type, json_t *data) { return !g_str_equal (type, when); }
#define SET(key, value) json_object_set_new (data, key, value)

static const char *const zeros = "0000000000000000000000000000000000000000000000000000000000000000";

static AsiceItem *
item (GPtrArray *items, const char *name)
{
    for (guint i = 0; i < items->len; i++)
        if (g_str_equal (((AsiceItem *) items->pdata[i])->name, name))
            return items->pdata[i];
    g_error ("no item %s", name);
}

static void
replace (GPtrArray *items, const char *name, const char *text)
{
    AsiceItem *it = item (items, name);

    g_bytes_unref (it->bytes);
    it->bytes = g_bytes_new (text, strlen (text));
}

static void
flip_item (GPtrArray *items, const char *name, gsize at)
{
    AsiceItem *it = item (items, name);
    gsize len;
    guint8 *data = g_bytes_unref_to_data (it->bytes, &len);

    data[MIN (at, len - 1)] ^= 1;
    it->bytes = g_bytes_new_take (data, len);
}

static void drop_item (GPtrArray *items, const char *name) { g_ptr_array_remove (items, item (items, name)); }

static json_t *
attribute (json_t *data, const char *name)
{
    return json_object_get (json_object_get (data, "private"), name);
}

static void by_stranger (Forge *f) { f->appliance_signer = f->world->stranger; }
static void witness_stranger (Forge *f) { f->witness_signer = f->world->stranger; }
static void witness_appliance (Forge *f) { f->witness_signer = f->world->appliance; }
static void ca_stranger (Forge *f) { f->ca_signer = f->world->stranger; }
static void ca_witness (Forge *f) { f->ca_signer = f->world->witness; }
static void reviewer_stranger (Forge *f) { f->decided = TRUE; f->reviewer_signer = f->world->stranger; }
static void without_order (Forge *f) { f->no_order = TRUE; }
static void other_secret (Forge *f) { f->secret = zeros; }
static void as_rehearsal (Forge *f) { f->rehearsal = TRUE; }
static void interrupted (Forge *f) { f->interrupted = TRUE; }
static void interrupted_often (Forge *f) { f->interrupted = TRUE; f->policy = "max_sittings: 1"; }
static void words_given (Forge *f) { f->words = TRUE; }
static void words_refused (Forge *f) { f->words = TRUE; f->policy = "challenge: secret"; }
static void refused (Forge *f) { f->opinion = "refused"; }
static void deviating (Forge *f) { f->opinion = "witnessed-with-deviations"; }
static void in_key_file (Forge *f) { f->key_place = "key-file"; }
static void key_file_allowed (Forge *f) { f->key_place = "key-file"; f->policy = "local_seal: key-file"; }
static void not_seen (Forge *f) { f->not_seen = "the back of the token"; }
static void must_unplug (Forge *f) { f->policy = "presence: unplug"; }
static void unplugged (Forge *f) { f->policy = "presence: unplug"; f->unplugged = TRUE; }
static void must_timestamp (Forge *f) { f->policy = "timestamp_required: true"; }
static void history_allowed (Forge *f) { f->policy = "history: unknown-allowed"; }
static void must_attest (Forge *f) { f->policy = "attestation_required: true"; }
static void other_key_requested (Forge *f) { f->other_request_key = TRUE; }
static void unsealed (Forge *f) { f->unsealed = TRUE; }
static void other_curve (Forge *f) { f->group = "secp256k1"; }
static void sole_only (Forge *f) { f->policy = "sole_device: true"; }

/* ---- signing services ---- */

static void countersigned (Forge *f) { f->countersigned = TRUE; }
static void countersigned_late (Forge *f) { f->countersigned = f->countersigned_late = TRUE; }
static void must_countersign (Forge *f) { f->policy = "countersignature_required: true"; }
static void service_stranger (Forge *f) { countersigned (f); f->service_signer = f->world->stranger; }
static void service_witness (Forge *f) { countersigned (f); f->service_signer = f->world->witness; }
static void service_appliance (Forge *f) { countersigned (f); f->service_signer = f->world->appliance; }
static void service_as_witness (Forge *f) { countersigned (f); f->witness_signer = f->world->service; }
static void service_as_ca (Forge *f) { countersigned (f); f->ca_signer = f->world->service; }

static Signer *expired_service;

/* The service's own key, under a certificate that ended yesterday. */
static void
service_expired (Forge *f)
{
    countersigned (f);
    if (!expired_service) {
        expired_service = signer_make ("Example Signing");
        EVP_PKEY_free (expired_service->key);
        expired_service->key = f->world->service->key;
        EVP_PKEY_up_ref (expired_service->key);
        X509_set_pubkey (expired_service->cert, expired_service->key);
        X509_gmtime_adj (X509_getm_notBefore (expired_service->cert), -2 * 86400);
        X509_gmtime_adj (X509_getm_notAfter (expired_service->cert), -86400);
        g_assert_cmpint (X509_sign (expired_service->cert, expired_service->key, EVP_sha256 ()), >, 0);
    }
    f->service_signer = expired_service;
}

static GBytes *
other_csr (void)
{
    EVP_PKEY *key = EVP_EC_gen ("P-256");
    X509_REQ *request = make_request (key);
    BIO *bio = BIO_new (BIO_s_mem ());

    PEM_write_bio_X509_REQ (bio, request);
    X509_REQ_free (request);
    EVP_PKEY_free (key);
    return bio_bytes (bio);
}

/* Signature and declaration for @csr, in place of the true ones. */
static void
made_for (Forge *f, GBytes *csr, GBytes **signature, GBytes **declaration)
{
    g_autoptr(json_t) facts = facts_make (f);

    g_bytes_unref (*signature);
    g_bytes_unref (*declaration);
    g_assert_true (countersign (csr, facts, f->world->service, NULL, signature, declaration, NULL));
}

static gboolean
files_of_other_csr (Forge *f, GBytes **signature, GBytes **declaration)
{
    g_autoptr(GBytes) csr = other_csr ();

    made_for (f, csr, signature, declaration);
    return TRUE;
}

static gboolean
declaration_swapped (Forge *f, GBytes **signature, GBytes **declaration)
{
    GBytes *kept = g_bytes_ref (*signature);

    f->on_facts = NULL;
    made_for (f, f->csr, signature, declaration);
    g_bytes_unref (*signature);
    *signature = kept;
    return TRUE;
}

/* The service's mistake: it signed this request together with what it declares about another. */
static gboolean
declaration_of_other_csr (Forge *f, GBytes **signature, GBytes **declaration)
{
    g_autoptr(GBytes) csr = other_csr ();
    guint8 digest[32];

    made_for (f, csr, signature, declaration);
    sha256 (g_bytes_get_data (*declaration, NULL), g_bytes_get_size (*declaration), digest);
    g_bytes_unref (*signature);
    *signature = cades_countersign (f->world->service, g_bytes_get_data (f->csr, NULL), g_bytes_get_size (f->csr), digest, NULL);
    return TRUE;
}

static gboolean
without_declaration (Forge *f, GBytes **signature, GBytes **declaration)
{
    g_clear_pointer (declaration, g_bytes_unref);
    return TRUE;
}

static gboolean
without_signature (Forge *f, GBytes **signature, GBytes **declaration)
{
    g_clear_pointer (signature, g_bytes_unref);
    return TRUE;
}

/* A signature of the service's over the request that binds no declaration. */
static gboolean
plain_signature (Forge *f, GBytes **signature, GBytes **declaration)
{
    g_bytes_unref (*signature);
    *signature = cades_sign (f->world->service, g_bytes_get_data (f->csr, NULL), g_bytes_get_size (f->csr), NULL);
    return TRUE;
}

static gboolean
flipped_signature (Forge *f, GBytes **signature, GBytes **declaration)
{
    gsize len;
    guint8 *data = g_bytes_unref_to_data (*signature, &len);

    data[len - 5] ^= 1;
    *signature = g_bytes_new_take (data, len);
    return TRUE;
}

/* Nobody tells of the files that lie there. */
static gboolean
untold (Forge *f, GBytes **signature, GBytes **declaration)
{
    put (f->items, "key/request.p7s", g_bytes_ref (*signature));
    put (f->items, "key/declaration.json", g_bytes_ref (*declaration));
    return FALSE;
}

#define FILES_LIE(name) static void name##_given (Forge *f) { countersigned (f); f->on_countersignature = name; }
FILES_LIE (files_of_other_csr)
FILES_LIE (declaration_swapped)
FILES_LIE (declaration_of_other_csr)
FILES_LIE (without_declaration)
FILES_LIE (without_signature)
FILES_LIE (plain_signature)
FILES_LIE (flipped_signature)
FILES_LIE (untold)

/* ---- what a service declares ---- */

static void
declare (json_t *facts, const char *group, const char *name, const char *value)
{
    json_object_set_new (group ? json_object_get (facts, group) : facts, name, value ? json_string (value) : json_null ());
}

#define FACTS_LIE(name, ...) \
    static void name##_facts (json_t *facts) { declare (facts, __VA_ARGS__); } \
    static void name (Forge *f) { countersigned (f); f->on_facts = name##_facts; }
FACTS_LIE (module_level_2, "module", "level", "2")
FACTS_LIE (module_unknown, "module", "model", "T9")
FACTS_LIE (module_revoked, "module", "model", "T4")
FACTS_LIE (module_listed_low, "module", "model", "T1")
FACTS_LIE (module_other_number, "module", "certificate", "7")
FACTS_LIE (module_other_vendor, "module", "vendor", "Elsewhere")
FACTS_LIE (audit_old, "audit", "period_to", "2025-10-02")
FACTS_LIE (tokens_unsaid, "authentication", "tokens_represented", NULL)
FACTS_LIE (fact_missing, "isolation", "description", NULL)
FACTS_LIE (fact_unknown, "isolation", "colour", "blue")
FACTS_LIE (password_only, "authentication", "kind", "password")

static void
declaration_swapped_facts_given (Forge *f)
{
    declaration_swapped_given (f);
    f->on_facts = module_other_number_facts;
}

/* ---- a device's evidence in the request ---- */

static GPtrArray *collected, *carried;      /* AttestInput: what the act collected, what the request carries */

/* A YubiKey's attestation of @key. The forger's token has a serial number that no YubiKey has, so these are old ones that tell none. */
static GPtrArray *
yubikey (Forge *f, EVP_PKEY *key, const char *firmware)
{
    const Ext ext[] = { { "1.3.6.1.4.1.41482.3.3", firmware, FALSE }, { "1.3.6.1.4.1.41482.3.8", "0201", FALSE }, { 0 } };
    EVP_PKEY *device = pki_ec ();
    GPtrArray *inputs = attest_inputs_new ();

    pki_give (inputs, "leaf.der", pki_cert (&(CertSpec) { .subject = "CN=YubiKey PIV Attestation 9c", .issuer = "CN=Yubico PIV Attestation", .key = key, .signer = device, .ext = ext }));
    pki_give (inputs, "f9.der", pki_cert (&(CertSpec) { .subject = "CN=Yubico PIV Attestation", .issuer = "CN=Yubico PIV Root CA Forged", .key = device, .signer = f->world->maker,
                                                        .basic = "critical,CA:TRUE,pathlen:0" }));
    EVP_PKEY_free (device);
    return inputs;
}

static void
add_carried (Forge *f, X509_REQ *request, RequestForm form, EVP_PKEY *about)
{
    g_autoptr(GBytes) spki = pki_spki (about);
    g_autoptr(GError) error = NULL;
    X509_REQ *template = request_carrying (form, carried, spki, &error);

    g_assert_no_error (error);
    X509_REQ_add1_attr (request, X509_REQ_get_attr (template, 0));
    X509_REQ_free (template);
}

static void
evidence_forget (void)
{
    g_clear_pointer (&collected, g_ptr_array_unref);
    g_clear_pointer (&carried, g_ptr_array_unref);
}

/* The act attest: what it collected, with the result that its files give. */
static void
tell_collected (Forge *f)
{
    g_autoptr(AttestAnchors) anchors = attest_anchors_load (f->world->vendors, NULL);
    g_autoptr(GBytes) spki = pki_spki (f->key), challenge = g_bytes_new (f->challenge, 8);
    g_autoptr(AttestResult) result = NULL;
    json_t *files = json_array ();
    guint8 digest[32];

    sha256 (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), digest);
    attest_anchors_set_time (anchors, f->base + f->mono);
    result = attest_verify (collected, NULL, digest, challenge, anchors, NULL);
    g_assert_true (result->genuine);
    for (guint i = 0; i < collected->len; i++) {
        const AttestInput *input = collected->pdata[i];
        g_autofree char *hash = sha256_hex (g_bytes_get_data (input->bytes, NULL), g_bytes_get_size (input->bytes)), *name = g_strconcat ("key/attestation/", input->name, NULL);
        json_array_append_new (files, json_pack ("{s:s, s:s}", "name", input->name, "sha256", hash));
        put (f->items, name, g_bytes_ref (input->bytes));
    }
    forge_emit (f, "attestation.read", "appliance", json_pack ("{s:o, s:o}", "files", files, "result", attest_result_json (result)));
}

static void
collect (Forge *f)
{
    evidence_forget ();
    collected = yubikey (f, f->key, "050204");
    carried = g_ptr_array_ref (collected);
    tell_collected (f);
}

static void carry_yubico (Forge *f, X509_REQ *request) { add_carried (f, request, REQUEST_YUBICO, f->key); }
static void carry_ietf (Forge *f, X509_REQ *request) { add_carried (f, request, REQUEST_IETF, f->key); }
static void carry_nothing (Forge *f, X509_REQ *request) { }

static void
carry_other_device (Forge *f, X509_REQ *request)
{
    g_ptr_array_unref (carried);
    carried = yubikey (f, f->key, "050403");
    add_carried (f, request, REQUEST_YUBICO, f->key);
}

/* Somebody else's genuine attestation, grafted onto this request. */
static void
carry_other_key (Forge *f, X509_REQ *request)
{
    EVP_PKEY *other = pki_ec ();

    g_ptr_array_unref (carried);
    carried = yubikey (f, other, "050204");
    add_carried (f, request, REQUEST_IETF, other);
    EVP_PKEY_free (other);
}

/* Nobody collected anything. */
static void
carry_alone (Forge *f, X509_REQ *request)
{
    evidence_forget ();
    carried = yubikey (f, f->key, "050204");
    add_carried (f, request, REQUEST_IETF, f->key);
}

static void
carry_stranger (Forge *f, X509_REQ *request)
{
    EVP_PKEY *keep = f->world->maker;

    f->world->maker = pki_ec ();
    carry_alone (f, request);
    EVP_PKEY_free (f->world->maker);
    f->world->maker = keep;
}

EVENT_LIE (tells_yubico, "request.made", SET ("attestation", json_string ("yubico")))
EVENT_LIE (tells_ietf, "request.made", SET ("attestation", json_string ("ietf")))

#define CARRIES(name, collects, tells) static void name##_in (Forge *f) { f->on_attest = collects; f->on_request = name; f->on_event = tells; }
CARRIES (carry_yubico, collect, tells_yubico)
CARRIES (carry_ietf, collect, tells_ietf)
CARRIES (carry_alone, NULL, NULL)
CARRIES (carry_stranger, NULL, NULL)
CARRIES (carry_other_device, collect, NULL)
CARRIES (carry_other_key, collect, NULL)
CARRIES (carry_nothing, collect, NULL)

EVENT_LIE (service_told_otherwise, "request.countersigned", SET ("authentication", json_string ("server-to-server")))
EVENT_LIE (method_other, "ceremony.opened", SET ("method", json_string ("6.2.7.4.2-6")))
EVENT_LIE (method_seven, "ceremony.opened", SET ("method", json_string ("6.2.7.4.2-7")))
EVENT_LIE (unknown_type, "clock.checked", forge_emit (f, "clock.oiled", "appliance", json_object ()))
EVENT_LIE (missing_member, "key.generated", json_object_del (data, "found"))
EVENT_LIE (wrong_actor, "token.inventoried", f->on_event = NULL; forge_emit (f, "token.shown", "operator", json_pack ("{s:s, s:b}", "serial", "0123456789", "matches", 1)))
EVENT_LIE (clock_back, "key.generating", f->mono -= 1000)
EVENT_LIE (clock_jump, "key.generating", f->base += 90000)
EVENT_LIE (aborted, "ceremony.closed", SET ("outcome", json_string ("aborted")))
EVENT_LIE (other_script, "ceremony.opened", json_object_set_new (json_object_get (data, "script"), "sha256", json_string (zeros)))
EVENT_LIE (other_subject, "ceremony.opened", SET ("subject", json_string ("CN=Somebody Else")))
EVENT_LIE (subject_made, "request.made", SET ("subject", json_string ("CN=Somebody Else")))
EVENT_LIE (uses_hidden, "ceremony.closed", SET ("uses", json_integer (1)))
EVENT_LIE (part_hidden, "ceremony.closed", json_array_remove (json_object_get (data, "parts"), 0))
EVENT_LIE (program_unnamed, "ceremony.opened", json_object_set_new (json_object_get (data, "program"), "sha256", json_string ("")))
EVENT_LIE (not_ntp, "ceremony.opened", json_object_set_new (json_object_get (data, "clock"), "ntp", json_string ("unsynchronised")); f->weak_clock = TRUE)
EVENT_LIE (late_event, "track.closed", if (f->parts && json_array_size (f->parts) == 0) forge_emit (f, "note.made", "operator", json_pack ("{s:s}", "text", "late")))
EVENT_LIE (person_other, "person.identified", SET ("entry_sha256", json_string (zeros)))
EVENT_LIE (consent_other, "consent.given", SET ("text_sha256", json_string (zeros)))
EVENT_LIE (contract_other, "representation.agreed", SET ("text_sha256", json_string (zeros)))
EVENT_LIE (contract_by_witness, "representation.agreed", SET ("person", json_string ("p2")))
EVENT_LIE (opening_other, "opening.committed", SET ("root", json_string ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")))
EVENT_LIE (challenge_other, "challenge.given", SET ("challenge", json_string ("0011223344556677")))
EVENT_LIE (answers_other, "challenge.given", json_object_set_new (json_object_get (data, "checkpoint"), "size", json_integer (3)))
EVENT_LIE (liveness_other, "liveness.shown", SET ("challenge", json_string ("0011223344556677")))
EVENT_LIE (liveness_late, "liveness.shown", f->mono += 130000)
EVENT_LIE (id_other, "key.generated", SET ("id", json_string ("00112233445566778899aabbccddeeff")))
EVENT_LIE (algorithm_other, "key.generated", SET ("algorithm", json_string ("rsa-3072")))
EVENT_LIE (twin, "key.generated", json_object_set_new (json_object_get (data, "found"), "private_with_label", json_integer (2)))
EVENT_LIE (there_before, "key.absent", SET ("with_label", json_integer (1)))
EVENT_LIE (recovered, "key.generated", SET ("recovered", json_true ()))
EVENT_LIE (imported, "attributes.read", json_object_set_new (attribute (data, "cka_local"), "value", json_false ()))
EVENT_LIE (extractable, "attributes.read", json_object_set_new (attribute (data, "cka_extractable"), "value", json_true ()))
EVENT_LIE (once_extractable, "attributes.read", json_object_set_new (attribute (data, "cka_never_extractable"), "value", json_false ()))
EVENT_LIE (unreadable_local, "attributes.read", json_object_clear (attribute (data, "cka_local")); json_object_set_new (attribute (data, "cka_local"), "error", json_string ("unavailable")))
EVENT_LIE (unwrapped, "attributes.read", json_object_set_new (attribute (data, "cka_key_gen_mechanism"), "value", json_string ("CKM_RSA_PKCS_KEY_PAIR_GEN")))
EVENT_LIE (mechanism_untold, "attributes.read", json_object_clear (attribute (data, "cka_key_gen_mechanism"));
           json_object_set_new (attribute (data, "cka_key_gen_mechanism"), "error", json_string ("unavailable")))
EVENT_LIE (changed_later, "attributes.read", if (g_str_equal (json_string_value (json_object_get (data, "occasion")), "unplug"))
           json_object_set_new (attribute (data, "cka_sensitive"), "value", json_false ()))
EVENT_LIE (nonce_other, "possession.proved", SET ("nonce", json_string ("0011223344556677")))
EVENT_LIE (digest_other, "key.using", if (json_is_string (json_object_get (data, "digest"))) SET ("digest", json_string (zeros)))
EVENT_LIE (use_odd, "key.using", SET ("purpose", json_string ("code signing")))
EVENT_LIE (serial_shown, "token.shown", SET ("serial", json_string ("9876543210")))
EVENT_LIE (serial_denied, "token.shown", SET ("matches", json_false ()))
EVENT_LIE (serial_returned, "token.returned", SET ("serial", json_string ("9876543210")))
EVENT_LIE (device_shared, "token.inventoried", SET ("shared", json_string ("shared")))
EVENT_LIE (tpm_module, "token.found", json_object_set_new (json_object_get (data, "module"), "path", json_string ("/usr/lib/libtpm2_pkcs11.so")))
#define MODEL(name, model) EVENT_LIE (name, "token.found", json_object_set_new (json_object_get (data, "token"), "model", json_string (model)))
MODEL (unknown_model, "T9")
MODEL (level_one, "T2")
MODEL (historical, "T3")
MODEL (revoked, "T4")
EVENT_LIE (test_picture, "recording.started", json_object_set_new (json_object_get (data, "camera"), "kind", json_string ("test")))
EVENT_LIE (no_camera, "recording.started", json_object_set_new (json_object_get (data, "camera"), "kind", json_string ("none")))
EVENT_LIE (file_other, "track.closed", SET ("sha256", json_string (zeros)))
EVENT_LIE (chunk_other, "video.chunk", SET ("sha256", json_string (zeros)))
EVENT_LIE (chunk_gap, "terminal.chunk", if (json_integer_value (json_object_get (data, "offset")) > 0) SET ("offset", json_integer (1)))
EVENT_LIE (drops, "video.chunk", json_object_set_new (json_object_get (data, "frames"), "dropped", json_integer (10));
           json_object_set_new (json_object_get (data, "frames"), "encoded", json_integer (20)))
EVENT_LIE (drops_hidden, "video.chunk", json_object_set_new (json_object_get (data, "frames"), "encoded", json_integer (20)))
static gint64 clock_of (json_t *data, const char *key) { return json_integer_value (json_object_get (json_object_get (data, "clock"), key)); }
static void clock_on (json_t *data, const char *key, gint64 ms) { json_object_set_new (json_object_get (data, "clock"), key, json_integer (clock_of (data, key) + ms)); }
/* The second piece of video was recorded so much later than its time says. */
#define LATER(data) if (json_integer_value (json_object_get (data, "offset")) > 0)
EVENT_LIE (chunk_no_clock, "video.chunk", json_object_del (data, "clock"))
EVENT_LIE (chunk_slow, "video.chunk", LATER (data) { SET ("first_ms", json_integer (json_integer_value (json_object_get (data, "first_ms")) + 700));
           SET ("last_ms", json_integer (json_integer_value (json_object_get (data, "last_ms")) + 700)); })
EVENT_LIE (chunk_slept, "video.chunk", clock_on (data, "boot_ms", -25000); clock_on (data, "wall_ms", -25000); LATER (data) { clock_on (data, "boot_ms", 20000); clock_on (data, "wall_ms", 20000); })
EVENT_LIE (chunk_stepped, "video.chunk", LATER (data) clock_on (data, "wall_ms", 3000))
EVENT_LIE (chunk_early, "video.chunk", clock_on (data, "boot_ms", 9000); clock_on (data, "monotonic_ms", 9000); clock_on (data, "wall_ms", 9000))
EVENT_LIE (gap_hidden, "ceremony.resumed", SET ("gap_ms", json_integer (1)))
EVENT_LIE (unrecovered, "video.chunk", json_object_del (data, "recovered"))
EVENT_LIE (n_of_step, "step.begun", SET ("n", json_integer (1)))
EVENT_LIE (confirmed_as_other, "step.confirmed", SET ("person", json_string ("p1")))
EVENT_LEFT_OUT (no_consent, "consent.given")
EVENT_LEFT_OUT (no_contract, "representation.agreed")
EVENT_LEFT_OUT (no_opening, "opening.committed")
EVENT_LEFT_OUT (no_liveness, "liveness.shown")
EVENT_LEFT_OUT (no_generating, "key.generating")
EVENT_LEFT_OUT (no_attributes, "attributes.read")
EVENT_LEFT_OUT (no_using, "key.using")
EVENT_LEFT_OUT (no_possession, "possession.proved")
EVENT_LEFT_OUT (no_confirmation, "step.confirmed")
EVENT_LEFT_OUT (no_closing, "recording.closing")
EVENT_LEFT_OUT (no_return, "token.returned")
EVENT_LEFT_OUT (no_token, "token.found")

static void
note_deviation (Forge *f, const char *act)
{
    if (g_str_equal (act, "request"))
        forge_emit (f, "deviation.noted", "witness", json_pack ("{s:s, s:s, s:s}", "expected", "silence", "happened", "a knock", "decided", "went on"));
}

static void
tell_attestation (Forge *f, const char *type, const char *sha256)
{
    if (g_str_equal (type, "request.made"))
        forge_emit (f, "attestation.read", "appliance", json_pack ("{s:[{s:s, s:s}], s:{}}", "files", "name", "a.pem", "sha256", sha256, "result"));
}

static gboolean
attestation_read (Forge *f, const char *type, json_t *data)
{
    g_autofree char *hash = sha256_hex ("abc", 3);

    tell_attestation (f, type, hash);
    return TRUE;
}

/* What holds a public key and no attestation, and a result that says that it is one. */
static const char public_key[] = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEmdzUdHDZ4DGmI1jUzgxWWZw+iuhb\n"
                                 "hDxk8rLVr5rTb4DgIyTlKDk2a1q2nMma/C37VeCOuGt+zScBNIYAA3D7tw==\n-----END PUBLIC KEY-----\n";

static gboolean
attestation_of_nothing (Forge *f, const char *type, json_t *data)
{
    g_autofree char *hash = sha256_hex (public_key, strlen (public_key));

    if (g_str_equal (type, "request.made"))
        forge_emit (f, "attestation.read", "appliance", json_pack ("{s:[{s:s, s:s}], s:{s:s, s:s}}", "files", "name", "a.pem", "sha256", hash, "result", "verdict", "genuine",
                    "origin", "generated"));
    return TRUE;
}

static gboolean
attestation_none (Forge *f, const char *type, json_t *data)
{
    if (g_str_equal (type, "request.made"))
        forge_emit (f, "attestation.read", "appliance", json_pack ("{s:[], s:{s:s}}", "files", "result", "verdict", "refused"));
    return TRUE;
}

static gboolean
attestation_other (Forge *f, const char *type, json_t *data)
{
    tell_attestation (f, type, zeros);
    return TRUE;
}

static gboolean
attach_by_appliance (Forge *f, const char *type, json_t *data)
{
    if (g_str_equal (type, "request.made"))
        forge_emit (f, "file.attached", "appliance", json_pack ("{s:s, s:s, s:i, s:s}", "name", "letter.txt", "sha256", zeros, "length", 3, "description", ""));
    return TRUE;
}

static void
extra_use (Forge *f, const char *act)
{
    if (!g_str_equal (act, "request"))
        return;
    forge_emit (f, "key.using", "appliance", json_pack ("{s:i, s:s, s:s}", "use", ++f->uses, "purpose", "possession", "digest", zeros));
    forge_emit (f, "key.used", "appliance", json_pack ("{s:i, s:s}", "use", f->uses, "signature_sha256", zeros));
}

static void
generate_again (Forge *f, const char *act)
{
    const Event *generated = NULL;

    for (guint i = 0; i < f->events->len; i++)
        if (g_str_equal (((Event *) f->events->pdata[i])->type, "key.generated"))
            generated = f->events->pdata[i];
    if (g_str_equal (act, "request"))
        forge_emit (f, "key.generated", "appliance", json_deep_copy (generated->data));
}

static void
lose_camera (Forge *f, const char *act)
{
    if (g_str_equal (act, "prove"))
        forge_emit (f, "source.lost", "recorder", json_pack ("{s:s, s:s}", "source", "camera", "reason", "unplugged"));
}

static void
sleep_a_while (Forge *f, const char *act)
{
    if (!g_str_equal (act, "prove"))
        return;
    f->mono += 7000;
    forge_emit (f, "machine.slept", "appliance", json_pack ("{s:i}", "ms", 7000));
}

static void
step_clock (Forge *f, const char *act)
{
    if (!g_str_equal (act, "prove"))
        return;
    f->base += 2000;
    forge_emit (f, "clock.stepped", "appliance", json_pack ("{s:i}", "drift_ms", 2000));
}

/* ---- lies of an appliance that tells something twice, elsewhere, or of what isn't in the picture ---- */

static const Event *
told (Forge *f, const char *type)
{
    for (guint i = f->events->len; i-- > 0;)
        if (g_str_equal (((Event *) f->events->pdata[i])->type, type))
            return f->events->pdata[i];
    g_error ("no %s", type);
}

/* Tells @type once more, as it was told, while @act is carried out. */
static void
tell_again (Forge *f, const char *act, const char *now, const char *type)
{
    if (g_str_equal (act, now))
        forge_emit (f, type, told (f, type)->actor, json_deep_copy (told (f, type)->data));
}

static void challenge_twice (Forge *f, const char *act) { tell_again (f, act, "request", "challenge.given"); }
static void opening_twice (Forge *f, const char *act) { tell_again (f, act, "challenge", "opening.committed"); }
static void absent_twice (Forge *f, const char *act) { tell_again (f, act, "liveness", "key.absent"); }
static void generating_again (Forge *f, const char *act) { tell_again (f, act, "generate", "key.generating"); }
static void countersigned_twice (Forge *f, const char *act) { tell_again (f, act, "countersign", "request.countersigned"); }
static void used_twice (Forge *f, const char *act) { tell_again (f, act, "request", "key.used"); }
static void request_twice (Forge *f, const char *act) { tell_again (f, act, "request", "request.made"); }

static gboolean
move_inventory (Forge *f, const char *type, json_t *data)
{
    if (g_str_equal (type, "token.shown"))
        forge_emit (f, "token.inventoried", "appliance", json_pack ("{s:s, s:i}", "shared", "sole", "private_keys", 0));
    return !g_str_equal (type, "token.inventoried") || !g_str_equal (f->step, "inventory");
}

/* The last proof signs the first one's nonce again, behind another one. */
static void
nonce_again (Forge *f, const char *act)
{
    guint8 nonce[16] = { 7 };

    if (!g_str_equal (act, "prove"))
        return;
    prove (f, nonce, sizeof nonce);
    prove (f, f->challenge, 8);
}

/* A signature over a checkpoint of before the generation. */
static gboolean
old_checkpoint (Forge *f, const char *type, json_t *data)
{
    if (g_str_equal (type, "possession.proved"))
        json_object_set_new (data, "checkpoint", root_json (f, told (f, "key.generating")->seq));
    return TRUE;
}

EVENT_LIE (attributes_of_other, "attributes.read", json_object_set_new (json_object_get (data, "private"), "cka_label", json_pack ("{s:s}", "value", "another")))
EVENT_LIE (point_of_other, "attributes.read", json_object_set_new (json_object_get (data, "public"), "cka_ec_point", json_pack ("{s:s}", "value", "044104aabb")))
EVENT_LIE (code_nowhere, "qr.shown", if (json_integer_value (json_object_get (data, "media_ms")) > 500) SET ("part", json_integer (9)))
EVENT_LIE (late_start, "recording.started", f->on_event = NULL; forge_emit (f, "recording.started", "recorder", json_pack ("{s:i, s:s, s:n, s:{s:s}, s:{s:s}}", "part", 2, "video",
           "video/0002.mkv", "terminal", "camera", "kind", "device", "audio", "kind", "device")))
EVENT_LIE (picture_slow, "video.chunk", if (json_integer_value (json_object_get (data, "offset")) > 0) SET ("last_ms", json_integer (100000)))
EVENT_LIE (generated_late, "key.generating", f->mono += 800000)
EVENT_LIE (picture_held, "key.generating", f->mono += 60000)
EVENT_LIE (confirmed_by_nobody, "step.confirmed", SET ("person", json_string ("")))
EVENT_LIE (wall_set_back, "ceremony.resumed", f->boot += 86400000; json_object_set_new (json_object_get (data, "clock"), "boottime_ms", json_integer (f->base + f->mono + 86400000 - 1700000000000)))

static gboolean
unfilmed (Forge *f, const char *type, json_t *data)
{
    if (g_str_equal (type, "key.generating"))
        forge_emit (f, "recording.started", "recorder", json_pack ("{s:i, s:n, s:n, s:{s:s}, s:{s:s}}", "part", 2, "video", "terminal", "camera", "kind", "device", "audio", "kind",
                                                                   "device"));
    return TRUE;
}

static void
same_person (Forge *f)
{
    json_object_set_new (json_array_get (json_object_get (f->people, "people"), 0), "name", json_string ("WANDA  Witness"));
}

static void
two_scripts (Forge *f)
{
    json_object_set_new (json_array_get (json_object_get (f->people, "people"), 0), "name", json_string ("\320\236lga Operator"));
}

static void
hidden_letter (Forge *f)
{
    json_object_set_new (json_array_get (json_object_get (f->people, "people"), 0), "name", json_string ("Ol\342\200\256ga Operator"));
}

static void
other_witness (Forge *f, json_t *order)
{
    json_object_set_new (json_object_get (order, "witness"), "name", json_string ("Walter Witness"));
}

static void
order_short (Forge *f, json_t *order)
{
    g_autofree char *to = clock_format (f->base + 100);
    json_object_set_new (order, "valid_to", json_string_nocheck (to));
}

static void slow (Forge *f) { f->policy = "qr_gap_ms: 3600000"; }
static void ca_appliance (Forge *f) { f->ca_signer = f->world->appliance; }
static void decided_against (Forge *f) { f->decided = TRUE; f->decision = "refuse"; }
static gboolean
words_instead (Forge *f, const char *type, json_t *data)
{
    if (g_str_equal (type, "challenge.given"))
        SET ("source", json_string ("words"));
    return TRUE;
}
static void files_second_request (Forge *f, GPtrArray *items) { put (items, "key/second.csr", g_bytes_new ("abc", 3)); }

static void files_video (Forge *f, GPtrArray *items) { flip_item (items, "video/0001.mkv", 20); }
static void files_cast_gone (Forge *f, GPtrArray *items) { drop_item (items, "terminal/0001.cast"); }
static void files_extra_part (Forge *f, GPtrArray *items) { put (items, "video/0002.mkv", g_bytes_new ("abc", 3)); }
static void files_stray (Forge *f, GPtrArray *items) { put (items, "notes.txt", g_bytes_new ("abc", 3)); }
static void files_statement_late (Forge *f, GPtrArray *items) { put (items, "witness/early.txt", g_bytes_new ("abc", 3)); }
static void files_attached (Forge *f, GPtrArray *items) { put (items, "attachments/letter.txt", g_bytes_new ("abc", 3)); }
static void files_public_key (Forge *f, GPtrArray *items) { put (items, "key/attestation/a.pem", g_bytes_new (public_key, strlen (public_key))); }
static void files_attestation (Forge *f, GPtrArray *items) { put (items, "key/attestation/a.pem", g_bytes_new ("abc", 3)); }
static void files_timestamp (Forge *f, GPtrArray *items) { put (items, "journal/timestamps/9.tsr", g_bytes_new ("abc", 3)); }
static void files_evidence (Forge *f, GPtrArray *items) { replace (items, "evidence.json", "{\"format\":\"ceremony/evidence/v1\"}"); }
static void files_people_loose (Forge *f, GPtrArray *items) { replace (items, "people.json", "{ \"format\": \"ceremony/people/v1\" }"); }
static void files_script (Forge *f, GPtrArray *items) { replace (items, "script.yaml", "no: script\n"); }
static void files_signature (Forge *f, GPtrArray *items) { flip_item (items, "key/possession-1.sig", 40); }
static void files_csr_other (Forge *f, GPtrArray *items) { g_autofree char *x = NULL; X509_REQ *r = make_request (f->key); BIO *b = BIO_new (BIO_s_mem ()); PEM_write_bio_X509_REQ (b, r); g_bytes_unref (item (items, "key/request.csr")->bytes); item (items, "key/request.csr")->bytes = bio_bytes (b); X509_REQ_free (r); }
static void files_public_other (Forge *f, GPtrArray *items) { EVP_PKEY *k = EVP_EC_gen ("P-256"); BIO *b = BIO_new (BIO_s_mem ()); PEM_write_bio_PUBKEY (b, k); g_bytes_unref (item (items, "key/public.pem")->bytes); item (items, "key/public.pem")->bytes = bio_bytes (b); EVP_PKEY_free (k); }

/* Changes a field of evidence.json, which the appliance then signs. */
static void
files_evidence_uses (Forge *f, GPtrArray *items)
{
    gsize len;
    const void *data = g_bytes_get_data (item (items, "evidence.json")->bytes, &len);
    g_autoptr(json_t) json = cjson_parse (data, len, NULL);
    g_autofree char *text = NULL;

    json_object_set_new (json_object_get (json, "key"), "label", json_string ("another label"));
    text = cjson_encode (json, NULL);
    replace (items, "evidence.json", text);
}

/* Swaps two lines of the journal, which the appliance then signs. */
static void
files_lines_swapped (Forge *f, GPtrArray *items)
{
    g_auto(GStrv) lines = g_strsplit (f->lines->str, "\n", -1);
    g_autofree char *text = NULL;
    char *keep = lines[5];

    lines[5] = lines[6];
    lines[6] = keep;
    text = g_strjoinv ("\n", lines);
    replace (items, "journal/events.jsonl", text);
}

static void
files_line_loose (Forge *f, GPtrArray *items)
{
    g_autofree char *text = g_strdup_printf (" %s", f->lines->str);

    replace (items, "journal/events.jsonl", text);
}

/* A member of one event changed: line and numbers stay in order, the tree doesn't. */
static void
files_line_changed (Forge *f, GPtrArray *items)
{
    g_auto(GStrv) pieces = g_strsplit (f->lines->str, "\"firmware\":\"2.0\"", 2);
    g_autofree char *text = g_strjoinv ("\"firmware\":\"3.0\"", pieces);

    replace (items, "journal/events.jsonl", text);
}

static void
files_checkpoint_by_other (Forge *f, GPtrArray *items)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    guint8 public[32];
    gsize len = sizeof public;
    g_autoptr(NoteKey) note_key = NULL;
    g_autofree char *note = NULL, *text = NULL;
    MerkleHash root;

    EVP_PKEY_get_raw_public_key (key, public, &len);
    note_key = note_key_new (f->origin, NOTE_TYPE_ED25519, public, NULL);
    merkle_tree_root (f->tree, f->events->len, &root);
    text = checkpoint_text (f->origin, f->events->len, &root);
    note = note_sign (text, note_key, key, NULL);
    replace (items, "journal/checkpoints.txt", note);
    EVP_PKEY_free (key);
}

/* A cosignature line under the last checkpoint: what it is worth can't be told without the witness's key. */
static void
files_cosigned (Forge *f, GPtrArray *items)
{
    EVP_PKEY *private_key = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    const char *last = f->notes->pdata[f->notes->len - 1];
    g_autoptr(Note) note = note_parse (last, strlen (last), NULL);
    g_autoptr(NoteKey) key = NULL;
    g_autofree char *cosigned = NULL, *text = NULL;
    gsize len = 32;
    guint8 public[32];

    EVP_PKEY_get_raw_public_key (private_key, public, &len);
    key = note_key_new ("witness.example/1", NOTE_TYPE_COSIGNATURE, public, NULL);
    g_ptr_array_add (note->signatures, cosignature_sign (note->text, 1700000000, key, private_key, NULL));
    cosigned = note_format (note);
    text = g_strdup_printf ("%.*s%s", (int) (g_bytes_get_size (item (items, "journal/checkpoints.txt")->bytes) - strlen (last)),
                            (const char *) g_bytes_get_data (item (items, "journal/checkpoints.txt")->bytes, NULL), cosigned);
    replace (items, "journal/checkpoints.txt", text);
    EVP_PKEY_free (private_key);
}

static void
note_key_other (Forge *f)
{
    EVP_PKEY_free (f->world->note_private);
    f->world->note_private = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    gsize len = 32;
    EVP_PKEY_get_raw_public_key (f->world->note_private, f->world->note_public, &len);
    note_key_free (f->note_key);
    f->note_key = note_key_new (f->origin, NOTE_TYPE_ED25519, f->world->note_public, NULL);
}

static void
state (json_t *statement, const char *key, const char *value)
{
    json_object_set_new (json_object_get (statement, "stated"), key, json_string (value));
}

static void statement_opinion (Forge *f, json_t *s) { state (s, "opinion", "splendid"); }
static void statement_sentence (Forge *f, json_t *s) { state (s, "sentence", "All was well."); }
static void
statement_throughout (Forge *f, json_t *s)
{
    state (s, "opinion", statement_opinions[0][0]);
    state (s, "sentence", statement_opinions[0][1]);
}

static void statement_witness (Forge *f, json_t *s) { json_object_set_new (json_object_get (json_object_get (s, "stated"), "witness"), "qualification", json_string ("none")); }
static void statement_derived (Forge *f, json_t *s) { json_object_set_new (json_object_get (s, "derived"), "key", json_object ()); }
static void statement_digests (Forge *f, json_t *s) { json_object_set_new (json_object_get (json_object_get (s, "derived"), "evidence"), "signatures", json_array ()); }
static void statement_role (Forge *f, json_t *s) { json_object_set_new (s, "role", json_string ("appliance")); }
static void
statement_late (Forge *f, json_t *s)
{
    g_autofree char *at = clock_format (clock_wall_ms () + 2 * 60 * 60 * 1000);

    state (s, "signed_at", at);
}

static void statement_place_unknown (Forge *f, json_t *s) { state (s, "key_place", "somewhere"); }

static void
order_validity (Forge *f, json_t *order)
{
    g_autofree char *to = clock_format (f->base - 1000);

    json_object_set_new (order, "valid_to", json_string (to));
}

static void order_label (Forge *f, json_t *order) { json_object_set_new (order, "label", json_string ("another label")); }
static void order_subscriber (Forge *f, json_t *order) { json_object_set_new (json_object_get (order, "subscriber"), "name", json_string ("Another Ltd")); }
static void order_note_key (Forge *f, json_t *order) { json_object_set_new (json_object_get (order, "appliance"), "note_key", json_string ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")); }
static void order_appliance (Forge *f, json_t *order) { json_object_set_new (json_object_get (order, "appliance"), "spki_sha256", json_string (zeros)); }
static void order_witness (Forge *f, json_t *order) { json_object_set_new (json_object_get (order, "witness"), "spki_sha256", json_string (zeros)); }
static void order_commitment (Forge *f, json_t *order) { json_object_set_new (order, "challenge_commitment", json_string (zeros)); }
static void order_is_rehearsal (Forge *f, json_t *order) { json_object_set_new (order, "rehearsal", json_true ()); }

#define FAILS CHECK_FAIL
#define WARNS CHECK_WARN

static const Lie lies[] = {
    { "stray file", "container.structure", "notes.txt", FAILS, "container.manifests", .on_files = files_stray },
    { "witness's file before the witness", "container.structure", "witness/early.txt", FAILS, "container.manifests", .on_files = files_statement_late },
    { "evidence without fields", "container.documents", "lacks a field", FAILS, "", .on_files = files_evidence },
    { "loose people", "container.documents", "people.json", FAILS, "", .on_files = files_people_loose },
    { "statement in another role", "container.documents", "role", FAILS, "signature.witness", .on_statement = statement_role },
    { "no script", "script.readable", "script.yaml", FAILS, "order.signature", .on_files = files_script },
    { "evidence signed by a stranger", "signature.appliance", "may not sign", FAILS, "order.matches", .prepare = by_stranger },
    { "statement signed by a stranger of the same name", "signature.witness", "may not sign", FAILS, "order.matches", .prepare = witness_stranger },
    { "statement signed by the appliance", "signature.chain", "one key signed", FAILS, "signature.witness order.matches", .prepare = witness_appliance },
    { "statement without digests", "signature.witness", "digests", FAILS, "statement.consistent", .on_statement = statement_digests },
    { "unsigned by a witness", "signature.witness", "ceremony seal", FAILS, "challenge.commitment challenge.computed", .prepare = unsealed },
    { "decision by a stranger", "signature.reviewer", "may not sign", FAILS, "", .prepare = reviewer_stranger },
    { "no order", "order.signature", "no order", FAILS, "presence.unplug script.followed", .prepare = without_order },
    { "order by a stranger", "order.trust", "isn't by a CA", FAILS, "presence.unplug script.followed challenge.commitment", .prepare = ca_stranger },
    { "order by the witness", "order.trust", "isn't by a CA", FAILS, "presence.unplug script.followed order.matches", .prepare = ca_witness },
    { "order expired", "order.matches", "no longer valid", FAILS, "", .on_order = order_validity },
    { "order for another label", "order.matches", "label", FAILS, "", .on_order = order_label },
    { "order for another subscriber", "order.matches", "subscriber", FAILS, "", .on_order = order_subscriber },
    { "order for another note key", "order.matches", "note key", FAILS, "", .on_order = order_note_key },
    { "order for another appliance", "order.matches", "signing key", FAILS, "", .on_order = order_appliance },
    { "order for another witness", "order.matches", "witness's key", FAILS, "", .on_order = order_witness },
    { "order with another commitment", "order.matches", "commitment", FAILS, "", .on_order = order_commitment },
    { "order for a rehearsal", "order.matches", "rehearsal", FAILS, "", .on_order = order_is_rehearsal },
    { "another script ran", "order.matches", "another script", FAILS, "", .on_event = other_script },
    { "line with a blank", "journal.canonical", "line 1", FAILS, "", .on_files = files_line_loose },
    { "unknown type", "journal.types", "clock.oiled", FAILS, "", .on_event = unknown_type },
    { "member missing", "journal.types", "found", FAILS, "", .on_event = missing_member },
    { "wrong actor", "journal.types", "operator", FAILS, "", .on_event = wrong_actor },
    { "lines swapped", "journal.sequence", "dropped, added or moved", FAILS, "journal.checkpoints", .on_files = files_lines_swapped },
    { "time runs backwards", "journal.sequence", "backwards", FAILS, "", .on_event = clock_back },
    { "gap hidden", "journal.sequence", "another gap", FAILS, "", .prepare = interrupted, .on_event = gap_hidden },
    { "clock jumps", "journal.clock", "was off", FAILS, "tracks.clock", .on_event = clock_jump },
    { "clock stepped", "journal.clock", "stepped", WARNS, "", .on_step = step_clock },
    { "event changed", "journal.checkpoints", "another root", FAILS, "evidence.consistent statement.consistent", .on_files = files_line_changed },
    { "checkpoint by another key", "journal.checkpoints", "checkpoint 1", FAILS, "", .on_files = files_checkpoint_by_other },
    { "cosigned by nobody knows whom", "journal.cosignatures", "no key is known", WARNS, "", .on_files = files_cosigned },
    { "evidence says more", "evidence.consistent", "'key'", FAILS, "statement.consistent", .on_files = files_evidence_uses },
    { "no closing", "sequence.close", "recording.closing", FAILS, "", .on_event = no_closing },
    { "event after closing", "sequence.close", "note.made", FAILS, "", .on_event = late_event },
    { "aborted", "outcome.completed", "aborted", FAILS, "evidence.consistent statement.consistent", .on_event = aborted },
    { "no confirmations", "script.followed", "without the operator's confirmation", FAILS, "", .on_event = no_confirmation },
    { "numbers of steps", "script.followed", "the script says", FAILS, "", .on_event = n_of_step },
    { "person's entry changed", "people.entries", "was changed", FAILS, "", .on_event = person_other },
    { "confirmed by another person", "people.entries", "wasn't identified in that role", FAILS, "", .on_event = confirmed_as_other },
    { "no consent", "consent.given", "didn't agree", FAILS, "script.followed", .on_event = no_consent },
    { "consent to another text", "consent.given", "another text", FAILS, "", .on_event = consent_other },
    { "no contract", "contract.agreed", "by contract", FAILS, "script.followed", .on_event = no_contract },
    { "contract of another text", "contract.agreed", "another text", FAILS, "", .on_event = contract_other },
    { "contract by the witness", "contract.agreed", "operator", FAILS, "", .on_event = contract_by_witness },
    { "attachment changed", "attachments", "letter.txt", FAILS, "", .on_event = attach_by_appliance, .on_files = files_attached },
    { "attachment unknown", "attachments", "1 attachments", FAILS, "", .on_files = files_attached },
    { "no opening", "challenge.opening", "had committed", FAILS, "script.followed challenge.computed", .on_event = no_opening },
    { "opening with another root", "challenge.opening", "isn't the root", FAILS, "challenge.computed", .on_event = opening_other },
    { "answer to another checkpoint", "challenge.opening", "answers another", FAILS, "", .on_event = answers_other },
    { "another secret", "challenge.commitment", "isn't the one", FAILS, "challenge.computed statement.consistent", .prepare = other_secret },
    { "another challenge", "challenge.computed", "aren't those of its bytes", FAILS, "key.id key.possession sequence.generation", .on_event = challenge_other },
    { "words where a secret is asked", "challenge.computed", "committed secret", FAILS, "challenge.commitment", .prepare = words_refused },
    { "no sign of life", "sequence.generation", "no witness confirmed", FAILS, "script.followed", .on_event = no_liveness },
    { "sign of life of another challenge", "sequence.generation", "another challenge", FAILS, "", .on_event = liveness_other },
    { "sign of life too late", "sequence.generation", "policy allows", FAILS, "tracks.cover", .on_event = liveness_late },
    { "generation unannounced", "sequence.generation", "without being announced", FAILS, "script.followed", .on_event = no_generating },
    { "generated twice", "sequence.generation", "2 keys", FAILS, "key.attributes key.uses script.followed key.possession", .on_step = generate_again },
    { "another id", "key.id", "doesn't follow from the challenge", FAILS, "key.attributes", .on_event = id_other },
    { "a twin", "key.unique", "twin", FAILS, "", .on_event = twin },
    { "there before", "key.unique", "before generation", FAILS, "", .on_event = there_before },
    { "request for another key", "key.match", "another key", FAILS, "", .prepare = other_key_requested },
    { "another public.pem", "key.match", "public.pem", FAILS, "", .on_files = files_public_other },
    { "algorithm misnamed", "key.algorithm", "says rsa-3072", FAILS, "", .on_event = algorithm_other },
    { "another request of the same key", "key.request", "isn't the one", FAILS, "key.uses", .on_files = files_csr_other },
    { "another subject", "key.request", "another subject", FAILS, "order.matches", .on_event = other_subject },
    { "another subject journaled", "key.request", "another subject", FAILS, "", .on_event = subject_made },
    { "imported", "key.attributes", "CKA_LOCAL", FAILS, "key.history", .on_event = imported },
    { "extractable", "key.attributes", "CKA_EXTRACTABLE", FAILS, "", .on_event = extractable },
    { "once extractable", "key.attributes", "CKA_NEVER_EXTRACTABLE", FAILS, "key.history", .on_event = once_extractable },
    { "CKA_LOCAL unavailable", "key.attributes", "doesn't tell", FAILS, "key.history", .on_event = unreadable_local },
    { "CKA_LOCAL unavailable, allowed", "key.attributes", "doesn't tell", WARNS, "key.history", .prepare = history_allowed, .on_event = unreadable_local },
    { "another mechanism", "key.attributes", "CKM_RSA", FAILS, "", .on_event = unwrapped },
    { "mechanism untold", "key.attributes", "can't tell", WARNS, "", .on_event = mechanism_untold },
    { "changed after the unplugging", "key.attributes", "CKA_SENSITIVE", FAILS, "", .prepare = unplugged, .on_event = changed_later },
    { "never read back", "key.attributes", "never read", FAILS, "script.followed evidence.consistent key.history", .on_event = no_attributes },
    { "signature bent", "key.possession", "possession-1", FAILS, "", .on_files = files_signature },
    { "another nonce", "key.possession", "nonce", FAILS, "", .on_event = nonce_other },
    { "no proof", "key.possession", "never signed", FAILS, "script.followed key.uses", .on_event = no_possession },
    { "use over another digest", "key.uses", "another digest", FAILS, "", .on_event = digest_other },
    { "use hidden", "key.uses", "without being announced", FAILS, "evidence.consistent", .on_event = no_using },
    { "use unexplained", "key.uses", "isn't in the bundle", FAILS, "", .on_step = extra_use },
    { "use for something else", "key.uses", "code signing", FAILS, "", .on_event = use_odd },
    { "uses miscounted", "key.uses", "counts", FAILS, "evidence.consistent", .on_event = uses_hidden },
    { "a curve that the rules don't know", "key.quality", "", FAILS, "key.algorithm", .prepare = other_curve },
    { "key recovered", "key.recovered", "found again", WARNS, "", .on_event = recovered },
    { "another serial shown", "device.consistent", "9876543210", FAILS, "", .on_event = serial_shown },
    { "serial denied", "device.consistent", "isn't the one on the screen", WARNS, "", .on_event = serial_denied },
    { "another token came back", "device.consistent", "9876543210", FAILS, "", .prepare = unplugged, .on_event = serial_returned },
    { "no token", "device.consistent", "no token", FAILS, "script.followed module.suitable", .on_event = no_token },
    { "shared device", "device.sole", "others", WARNS, "", .on_event = device_shared },
    { "shared device, sole asked", "device.sole", "policy", FAILS, "", .prepare = sole_only, .on_event = device_shared },
    { "never unplugged", "presence.unplug", "never unplugged", FAILS, "script.followed", .prepare = must_unplug },
    { "never came back", "presence.unplug", "never came back", FAILS, "script.followed", .prepare = unplugged, .on_event = no_return },
    { "TPM without attestation", "attestation", "prove nothing", FAILS, "key.history", .on_event = tpm_module },
    { "attestation asked", "attestation", "policy", FAILS, "", .prepare = must_attest },
    { "attestation unknown to the journal", "attestation", "doesn't tell of", FAILS, "", .on_files = files_attestation },
    { "device not listed", "module.suitable", "doesn't know", WARNS, "", .on_event = unknown_model },
    { "device of too low a level", "module.suitable", "less than", FAILS, "", .on_event = level_one },
    { "device's certificate historical", "module.suitable", "historical", WARNS, "", .on_event = historical },
    { "device's certificate revoked", "module.suitable", "revoked", FAILS, "", .on_event = revoked },
    { "attestation is rubbish", "attestation", "", FAILS, "script.followed", .on_event = attestation_read, .on_files = files_attestation },
    { "attestation changed", "attestation", "isn't the file", FAILS, "script.followed", .on_event = attestation_other, .on_files = files_attestation },
    { "attestation refused, its result written by hand", "attestation", "isn't what its files give", FAILS, "script.followed", .on_event = attestation_of_nothing, .on_files = files_public_key },
    { "imported by the history", "key.history", "was imported", FAILS, "key.attributes", .on_event = imported },
    { "history unknown", "key.history", "policy asks for a key that was born here", FAILS, "key.attributes", .on_event = unreadable_local },
    { "history unknown, allowed", "key.history", "isn't known", WARNS, "key.attributes", .prepare = history_allowed, .on_event = unreadable_local },
    { "history of a TPM", "key.history", "text in the operator's files", FAILS, "attestation", .on_event = tpm_module },
    { "program unnamed", "host.program", "SHA-256", FAILS, "", .on_event = program_unnamed },
    { "clock not synchronised, nobody confirmed it", "clock.ntp", "unsynchronised", WARNS, "", .on_event = not_ntp },
    { "interrupted", "interruptions", "interrupted for 5.0 s", WARNS, "", .prepare = interrupted },
    { "interrupted too often", "interruptions", "policy allows", FAILS, "", .prepare = interrupted_often },
    { "timestamp asked", "timestamps", "policy", FAILS, "", .prepare = must_timestamp },
    { "timestamp of nothing", "timestamps", "journal/timestamps/9.tsr", FAILS, "", .on_files = files_timestamp },
    { "statement says otherwise", "statement.consistent", "'key'", FAILS, "", .on_statement = statement_derived },
    { "signed long before it says", "statement.consistent", "minutes before", FAILS, "", .on_statement = statement_late },
    { "opinion unknown", "statement.consistent", "fixed sentences", FAILS, "statement.opinion", .on_statement = statement_opinion },
    { "sentence changed", "statement.consistent", "fixed sentences", FAILS, "", .on_statement = statement_sentence },
    { "witness's qualification", "statement.consistent", "people.json", FAILS, "", .on_statement = statement_witness },
    { "deviation, and witnessed throughout", "statement.consistent", "deviations", FAILS, "deviations", .prepare = deviating, .on_step = note_deviation, .on_statement = statement_throughout },
    { "deviation", "deviations", "a knock", WARNS, "statement.opinion", .prepare = deviating, .on_step = note_deviation },
    { "refused by the witness", "statement.opinion", "refused", FAILS, "", .prepare = refused },
    { "not seen", "statement.opinion", "back of the token", WARNS, "", .prepare = not_seen },
    { "witness's key in a file", "witness.key_place", "file", WARNS, "", .prepare = in_key_file },
    { "witness's key in a file, allowed", "witness.key_place", "file", WARNS, "", .prepare = key_file_allowed },
    { "witness's key somewhere", "witness.key_place", "doesn't tell", FAILS, "", .on_statement = statement_place_unknown },
    { "test picture", "camera.real", "test pattern", FAILS, "", .on_event = test_picture },
    { "no camera", "camera.real", "no camera", FAILS, "", .on_event = no_camera },
    { "video changed", "tracks.files", "video/0001.mkv", FAILS, "tracks.chunks", .on_files = files_video },
    { "cast gone", "tracks.files", "isn't in the bundle", FAILS, "tracks.chunks", .on_files = files_cast_gone },
    { "part added", "tracks.files", "doesn't know it", FAILS, "", .on_files = files_extra_part },
    { "part hidden", "tracks.files", "parts", FAILS, "evidence.consistent", .on_event = part_hidden },
    { "another file closed", "tracks.files", "isn't the recording", FAILS, "", .on_event = file_other },
    { "another chunk", "tracks.chunks", "aren't those recorded", FAILS, "", .on_event = chunk_other },
    { "gap between chunks", "tracks.chunks", "gap or an overlap", FAILS, "", .on_event = chunk_gap },
    { "recovered end unmarked", "tracks.chunks", "isn't marked", FAILS, "interruptions tracks.clock", .prepare = interrupted, .on_event = unrecovered },
    { "frames dropped", "tracks.drops", "dropped", FAILS, "", .on_event = drops },
    { "frames that don't add up", "tracks.drops", "doesn't add up", FAILS, "", .on_event = drops_hidden },
    { "machine slept", "tracks.clock", "slept for 7.0 s before", WARNS, "", .on_step = sleep_a_while },
    { "a piece of video without clocks", "tracks.clock", "doesn't tell what the clocks said", FAILS, "", .on_event = chunk_no_clock },
    { "slow video", "tracks.clock", "the video's time went on by", FAILS, "", .on_event = chunk_slow },
    { "slept while it was recorded", "tracks.clock", "slept for 20.0 s within part 1, ", WARNS, "", .on_event = chunk_slept },
    { "wall clock stepped in secret", "tracks.clock", "tells of no step", FAILS, "", .on_event = chunk_stepped },
    { "video from the future", "tracks.clock", "isn't the journal's", FAILS, "", .on_event = chunk_early },
    { "camera lost", "tracks.drops", "lost", WARNS, "", .on_step = lose_camera },
    { "challenge given twice", "sequence.generation", "told 2 times", FAILS, "script.followed", .on_step = challenge_twice },
    { "opening committed twice", "sequence.generation", "told 2 times", FAILS, "script.followed challenge.opening", .on_step = opening_twice },
    { "absence told twice", "sequence.generation", "told 2 times", FAILS, "script.followed", .on_step = absent_twice },
    { "request made twice", "sequence.generation", "told 2 times", FAILS, "", .on_step = request_twice },
    { "generation begun again", "sequence.generation", "another generation", FAILS, "", .on_step = generating_again },
    { "challenge long before generation", "sequence.generation", "elsewhere", WARNS, "", .prepare = slow, .on_event = generated_late },
    { "two signatures for one use", "key.uses", "gave two signatures", FAILS, "", .on_step = used_twice },
    { "inventory told elsewhere", "script.followed", "isn't the step", FAILS, "", .on_event = move_inventory },
    { "nonce signed again", "key.possession", "same nonce", FAILS, "", .on_step = nonce_again },
    { "possession over an old checkpoint", "key.possession", "generation and this proof", FAILS, "", .on_event = old_checkpoint },
    { "attributes of another label", "key.attributes", "another key", FAILS, "", .on_event = attributes_of_other },
    { "attributes of another point", "key.attributes", "another key", FAILS, "", .on_event = point_of_other },
    { "code shown nowhere", "tracks.chunks", "wasn't being recorded", FAILS, "", .on_event = code_nowhere },
    { "part begun and hidden", "tracks.files", "what became of it", FAILS, "tracks.chunks tracks.cover", .on_event = late_start },
    { "generated while no picture was recorded", "tracks.cover", "nothing was recorded", FAILS, "", .on_event = unfilmed },
    { "picture's time", "tracks.cover", "isn't the journal's", FAILS, "tracks.clock", .on_event = picture_slow },
    { "recorder held", "tracks.cover", "no picture arrived", FAILS, "", .on_event = picture_held },
    { "confirmed by nobody", "people.entries", "by nobody", FAILS, "", .on_event = confirmed_by_nobody },
    { "operator and witness are one", "people.entries", "watch over themselves", FAILS, "", .prepare = same_person },
    { "name of two scripts", "people.entries", "two scripts", WARNS, "", .prepare = two_scripts },
    { "name with a hidden character", "people.entries", "U+202E", WARNS, "", .prepare = hidden_letter },
    { "another witness than ordered", "people.entries", "Walter", WARNS, "", .on_order = other_witness },
    { "order ended before generation", "order.matches", "no longer valid", FAILS, "", .on_order = order_short },
    { "order by the appliance", "order.matches", "watches over themselves", FAILS, "order.trust presence.unplug script.followed", .prepare = ca_appliance },
    { "words in place of the secret", "challenge.commitment", "committed to a secret", FAILS, "challenge.computed", .on_event = words_instead },
    { "stray request", "container.structure", "key/second.csr", FAILS, "container.manifests", .on_files = files_second_request },
    { "wall clock set back in a gap", "journal.clock", "set during the interruption", WARNS, "interruptions", .prepare = interrupted, .on_event = wall_set_back },
    { "reviewer refused", "signature.reviewer", "refused this bundle", WARNS, "", .prepare = decided_against },
    { "countersignature of another request", "service.signature", "another request", FAILS, "", .prepare = files_of_other_csr_given },
    { "countersigned by a stranger", "service.trust", "may not sign as a signing service", FAILS, "", .prepare = service_stranger },
    { "countersignature without its declaration", "service.declaration", "isn't there", FAILS, "", .prepare = without_declaration_given },
    { "countersigned by the witness", "service.trust", "pinned as witness", FAILS, "", .prepare = service_witness },
    { "countersigned by the appliance", "service.trust", "pinned as appliance", FAILS, "", .prepare = service_appliance },
    { "signing service as the witness", "service.trust", "signed as the witness", FAILS, "signature.witness order.matches", .prepare = service_as_witness },
    { "signing service as the CA", "service.trust", "signed the order", FAILS, "order.trust presence.unplug script.followed", .prepare = service_as_ca },
    { "countersigned under an expired certificate", "service.trust", "had expired", FAILS, "", .prepare = service_expired },
    { "countersigned at another time", "service.signature", "another time", FAILS, "", .prepare = countersigned_late },
    { "countersignature missing", "service.signature", "no countersignature", FAILS, "", .prepare = without_signature_given },
    { "countersignature flipped", "service.signature", "isn't genuine", FAILS, "", .prepare = flipped_signature_given },
    { "signature without a declaration's digest", "service.signature", "no digest of a declaration", FAILS, "", .prepare = plain_signature_given },
    { "countersignature that nobody tells of", "service.signature", "doesn't tell of", FAILS, "script.followed module.suitable", .prepare = untold_given },
    { "countersigned twice", "sequence.generation", "request.countersigned is told 2 times", FAILS, "", .prepare = countersigned, .on_step = countersigned_twice },
    { "countersignature told otherwise", "service.signature", "'authentication' differs", FAILS, "", .prepare = countersigned, .on_event = service_told_otherwise },
    { "countersignature asked for", "service.signature", "policy asks for it", FAILS, "", .prepare = must_countersign },
    { "declaration swapped", "service.declaration", "isn't the one", FAILS, "", .prepare = declaration_swapped_facts_given },
    { "declaration about another request", "service.declaration", "another request", FAILS, "", .prepare = declaration_of_other_csr_given },
    { "declaration lacks a fact", "service.declaration", "isolation.description is missing", FAILS, "", .prepare = fact_missing },
    { "declaration says what nobody reads", "service.declaration", "something else", FAILS, "", .prepare = fact_unknown },
    { "declaration of passwords", "service.declaration", "multi-factor, server-to-server", FAILS, "", .prepare = password_only },
    { "declaration of an old audit", "service.declaration", "13 months", WARNS, "", .prepare = audit_old },
    { "declaration without representation", "service.declaration", "tokens", WARNS, "", .prepare = tokens_unsaid },
    { "declared module of level 2", "service.module", "level 3", FAILS, "", .prepare = module_level_2 },
    { "declared module listed lower", "service.module", "less than", FAILS, "", .prepare = module_listed_low },
    { "declared module revoked", "service.module", "revoked", FAILS, "", .prepare = module_revoked },
    { "declared module unknown", "service.module", "doesn't know", WARNS, "", .prepare = module_unknown },
    { "declared module of another certificate", "service.module", "declaration names 7", WARNS, "", .prepare = module_other_number },
    { "declared module of another maker", "service.module", "doesn't know", WARNS, "", .prepare = module_other_vendor },
    { "request carries another device's attestation", "attestation", "another device", FAILS, "", .prepare = carry_other_device_in, .on_event = tells_yubico },
    { "request carries another key's attestation", "attestation", "refused by itself: the attested key isn't the request's key", FAILS, "", .prepare = carry_other_key_in,
      .on_event = tells_ietf },
    { "request carries nothing", "attestation", "it carries 'none'", FAILS, "", .prepare = carry_nothing_in, .on_event = tells_yubico },
    { "request carries another form", "attestation", "it carries 'yubico'", FAILS, "", .prepare = carry_yubico_in, .on_event = tells_ietf },
    { "request carries a stranger's attestation", "attestation", "refused by itself", FAILS, "", .prepare = carry_stranger_in },
    { "held for another method", "order.matches", "method 6.2.7.4.2-7", FAILS, "", .prepare = countersigned, .on_event = method_other },
    { "signing service claimed", "order.matches", "method 6.2.7.4.2-6", FAILS, "", .on_event = method_seven },
    { "rehearsal", "rehearsal", "never evidence", FAILS, "", .prepare = as_rehearsal },
};

static gboolean
allowed (const Lie *lie, const char *id)
{
    g_auto(GStrv) also = g_strsplit (lie->also, " ", -1);

    return g_str_equal (id, lie->check) || g_strv_contains ((const char *const *) also, id)
        || (lie->prepare == interrupted && g_str_equal (id, "interruptions")) || (lie->prepare == interrupted_often && g_str_equal (id, "interruptions"));
}

static void
test_lie (gconstpointer data)
{
    const Lie *lie = data;
    Forge f;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(Verdict) verdict = NULL;
    const CheckOutcome *o;

    forge_init (&f, world);
    if (lie->prepare)
        lie->prepare (&f);
    f.on_event = lie->on_event;
    f.on_step = lie->on_step;
    f.on_files = lie->on_files;
    f.on_statement = lie->on_statement;
    f.on_order = lie->on_order;
    bytes = forge_bytes (&f);
    verdict = judge_bytes (bytes, world->trust, NULL, 0);
    tell (verdict);
    o = outcome (verdict, lie->check);
    g_assert_cmpint (o->result, ==, lie->result);
    if (!strstr (o->reason, lie->reason))
        g_test_fail_printf ("%s: the reason is: %s", lie->check, o->reason);
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *other = verdict->outcomes->pdata[i];
        if ((other->result == CHECK_FAIL || other->result == CHECK_WARN) && !allowed (lie, other->id))
            g_test_fail_printf ("%s tells it too: %s", other->id, other->reason);
    }
    g_assert_cmpint (verdict->kind, ==, lie->result == CHECK_FAIL ? VERDICT_REFUSE : VERDICT_REVIEW);
    forge_clear (&f);
}

/* ---- truth, and what verify is told ---- */

static Verdict *
forge_and_judge (void (*prepare) (Forge *), const Trust *trust, const char *policy_text, VerifyFlags flags)
{
    Forge f;
    g_autoptr(GBytes) bytes = NULL;
    g_autofree char *text = policy_text ? policy_make (policy_text) : NULL;
    g_autoptr(Policy) policy = text ? policy_parse ("policy", text, strlen (text), NULL) : NULL;
    Verdict *verdict;

    forge_init (&f, world);
    if (prepare)
        prepare (&f);
    bytes = forge_bytes (&f);
    verdict = judge_bytes (bytes, trust, policy, flags);
    forge_clear (&f);
    return verdict;
}

static void decided (Forge *f) { f->decided = TRUE; }

static void
test_truth (void)
{
    void (*const ways[]) (Forge *) = { NULL, decided, words_given, unplugged, countersigned, carry_yubico_in, carry_ietf_in, carry_alone_in };

    for (gsize i = 0; i < G_N_ELEMENTS (ways); i++) {
        g_autoptr(Verdict) verdict = forge_and_judge (ways[i], world->trust, NULL, 0);
        assert_clean (verdict);
        g_assert_cmpstr (json_string_value (json_object_get (verdict->device, "serial")), ==, "0123456789");
        g_assert_cmpstr (json_string_value (json_object_get (verdict->key, "algorithm")), ==, "ec-p256");
        if (i >= 5)
            g_assert_cmpint (outcome (verdict, "attestation")->result, ==, CHECK_PASS);
    }
}

static void
test_evidence_only (void)
{
    g_autoptr(Verdict) verdict = forge_and_judge (unsealed, world->trust, NULL, VERIFY_EVIDENCE_ONLY);

    assert_clean (verdict);
    g_assert_cmpstr (outcome (verdict, "signature.witness")->reason, ==, "not signed yet");
    g_assert_cmpint (outcome (verdict, "challenge.computed")->result, ==, CHECK_SKIPPED);
}

static void
test_no_trust (void)
{
    g_autoptr(Verdict) verdict = forge_and_judge (NULL, NULL, NULL, 0);
    g_autoptr(Trust) empty = trust_new_empty ();
    g_autoptr(Verdict) other = forge_and_judge (NULL, empty, NULL, 0);
    static const char *const ids[] = { "signature.appliance", "signature.witness", "order.trust", "appliance.note_key" };

    for (gsize i = 0; i < G_N_ELEMENTS (ids); i++) {
        g_assert_cmpint (outcome (verdict, ids[i])->result, ==, CHECK_FAIL);
        g_assert_nonnull (strstr (outcome (verdict, ids[i])->reason, "--trust"));
        g_assert_cmpint (outcome (other, ids[i])->result, ==, CHECK_FAIL);
    }
    g_assert_cmpint (verdict->kind, ==, VERDICT_REFUSE);
    g_assert_cmpint (other->kind, ==, VERDICT_REFUSE);
}

static void
test_note_key_unknown (void)
{
    ForgeWorld *other = forge_world_new ();
    Forge f;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(Verdict) verdict = NULL;

    forge_init (&f, other);
    note_key_other (&f);
    bytes = forge_bytes (&f);
    verdict = judge_bytes (bytes, other->trust, NULL, 0);
    g_assert_cmpint (outcome (verdict, "appliance.note_key")->result, ==, CHECK_FAIL);
    g_assert_cmpint (outcome (verdict, "journal.checkpoints")->result, ==, CHECK_PASS);
    g_assert_cmpint (verdict->kind, ==, VERDICT_REFUSE);
    forge_clear (&f);
    forge_world_free (other);
}

static void
test_rehearsal (void)
{
    g_autoptr(Verdict) genuine = forge_and_judge (as_rehearsal, world->trust, NULL, 0);
    g_autoptr(Verdict) other = forge_and_judge (as_rehearsal, NULL, NULL, 0);
    g_autofree char *text = report_text (genuine, 80, REPORT_ASCII);

    g_assert_true (genuine->rehearsal && genuine->genuine);
    g_assert_cmpint (genuine->kind, ==, VERDICT_REFUSE);
    g_assert_nonnull (strstr (text, "genuine rehearsal"));
    g_assert_true (other->rehearsal && !other->genuine);
}

/* A reviewer's policy may ask for more, and relaxes what is asked where no order brought a policy. */
static void
test_policies (void)
{
    g_autoptr(Verdict) more = forge_and_judge (NULL, world->trust, "attestation_required: true", 0);
    g_autoptr(Verdict) rsa_only = forge_and_judge (NULL, world->trust, "algorithms: [rsa-3072]", 0);
    g_autoptr(Verdict) lowered = forge_and_judge (must_attest, world->trust, "levels: {attestation: ignore}", 0);
    g_autoptr(Verdict) alone = forge_and_judge (without_order, world->trust, "order_required: false\nchallenge: words", 0);

    g_assert_cmpint (outcome (more, "attestation")->result, ==, CHECK_FAIL);
    g_assert_cmpint (outcome (rsa_only, "key.algorithm")->result, ==, CHECK_FAIL);
    g_assert_cmpint (lowered->kind, ==, VERDICT_REFUSE);
    g_assert_cmpint (outcome (alone, "order.signature")->result, ==, CHECK_SKIPPED);
}

static void
policy_ignores (Forge *f)
{
    f->policy = "levels: {attestation: warn, key.attributes: warn, signature.witness: ignore, device.sole: ignore}\nattestation_required: true";
    f->witness_signer = f->world->stranger;
}

/* Levels lower what is the CA's to lower, never what makes a bundle a proof. */
static void
test_levels (void)
{
    g_autoptr(Verdict) verdict = forge_and_judge (policy_ignores, world->trust, NULL, 0);

    g_assert_cmpint (outcome (verdict, "attestation")->result, ==, CHECK_FAIL);
    g_assert_cmpint (outcome (verdict, "signature.witness")->result, ==, CHECK_FAIL);
    g_assert_cmpint (verdict->kind, ==, VERDICT_REFUSE);
}

static void
attestation_warns (Forge *f)
{
    f->policy = "levels: {attestation: warn}\nattestation_required: true";
}

static void
test_level_warn (void)
{
    g_autoptr(Verdict) verdict = forge_and_judge (attestation_warns, world->trust, NULL, 0);

    g_assert_cmpint (outcome (verdict, "attestation")->result, ==, CHECK_FAIL);
    g_assert_cmpint (verdict->kind, ==, VERDICT_REVIEW);
}

/* No policy passes over evidence that is refused, over attributes that are the operator's word, or over a key that was imported. */
static void
ignores (Forge *f)
{
    f->policy = "levels: {attestation: ignore, key.history: ignore, module.suitable: ignore}";
}

static void
tpm_ignored (Forge *f)
{
    ignores (f);
    f->on_event = tpm_module;
}

static void
refused_ignored (Forge *f)
{
    ignores (f);
    f->on_event = attestation_of_nothing;
    f->on_files = files_public_key;
}

static void
imported_ignored (Forge *f)
{
    ignores (f);
    f->on_event = imported;
}

static void
test_not_lowered (void)
{
    static const struct { void (*prepare) (Forge *); const char *check; } table[] = {
        { tpm_ignored, "attestation" }, { refused_ignored, "attestation" }, { imported_ignored, "key.history" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {
        g_autoptr(Verdict) verdict = forge_and_judge (table[i].prepare, world->trust, NULL, 0);
        g_assert_cmpint (outcome (verdict, table[i].check)->result, ==, CHECK_FAIL);
        g_assert_null (strstr (outcome (verdict, table[i].check)->reason, "policy passes over"));
        g_assert_cmpint (verdict->kind, ==, VERDICT_REFUSE);
    }
}

static void
none_found (Forge *f)
{
    f->on_event = attestation_none;
}

/* A step that looked for evidence and found none is as one that wasn't there. */
static void
test_none_found (void)
{
    g_autoptr(Verdict) verdict = forge_and_judge (none_found, world->trust, NULL, 0);

    g_assert_cmpint (outcome (verdict, "attestation")->result, ==, CHECK_SKIPPED);
    g_assert_cmpint (outcome (verdict, "key.history")->result, ==, CHECK_PASS);
    g_assert_true (json_is_false (json_object_get (verdict->device, "attested")));
}

static void
test_stop (void)
{
    g_autoptr(Verdict) verdict = forge_and_judge (witness_stranger, world->trust, NULL, VERIFY_STOP_AT_FAIL);
    const CheckOutcome *last = verdict->outcomes->pdata[verdict->outcomes->len - 1];

    g_assert_cmpstr (last->id, ==, "signature.witness");
    g_assert_cmpint (verdict->kind, ==, VERDICT_REFUSE);
}

static void
test_unreadable (void)
{
    g_autofree char *path = g_build_filename (world->dir, "rubbish", NULL);
    VerifyOptions options = { .trust = world->trust };
    g_autoptr(Verdict) none = verify_bundle ("/nonexistent/bundle.asice", &options), rubbish = NULL;
    g_autoptr(json_t) json = NULL;

    g_assert_true (g_file_set_contents (path, "rubbish", -1, NULL));
    rubbish = verify_bundle (path, &options);
    g_assert_cmpint (none->kind, ==, VERDICT_UNREADABLE);
    g_assert_cmpint (rubbish->kind, ==, VERDICT_UNREADABLE);
    json = verdict_json (rubbish);
    g_assert_cmpstr (json_string_value (json_object_get (json, "verdict")), ==, "unreadable");
    g_assert_cmpint (json_array_size (json_object_get (json, "checks")), ==, 1);
}

static gboolean
hostile_words (Forge *f, const char *type, json_t *data)
{
    if (g_str_equal (type, "deviation.noted"))
        json_object_set_new (data, "happened", json_string ("\033]0;owned\007 \xE2\x80\xAE reversed\r\n"));
    return TRUE;
}

static void
hostile (Forge *f)
{
    f->opinion = "witnessed-with-deviations";
    f->on_step = note_deviation;
    f->on_event = hostile_words;
}

/* What a bundle says reaches no terminal with its control characters. */
static void
test_report (void)
{
    g_autoptr(Verdict) verdict = forge_and_judge (hostile, world->trust, NULL, 0);
    g_autofree char *text = report_text (verdict, 80, REPORT_COLOUR), *plain = report_text (verdict, 80, 0), *brief = report_text (verdict, 60, REPORT_BRIEF | REPORT_ASCII);
    g_auto(GStrv) lines = g_strsplit (plain, "\n", -1);
    g_autoptr(json_t) json = verdict_json (verdict);
    g_autofree char *encoded = cjson_encode (json, NULL);

    g_assert_null (strstr (text, "\033]0"));
    g_assert_null (strstr (plain, "\033"));
    g_assert_null (strstr (plain, "\xE2\x80\xAE"));
    g_assert_nonnull (strstr (plain, "REVIEW"));
    g_assert_nonnull (strstr (brief, "passed"));
    g_assert_nonnull (encoded);
    for (gsize i = 0; lines[i]; i++)
        g_assert_cmpint (g_utf8_strlen (lines[i], -1), <=, 100);    /* a word longer than the page isn't broken */
}

static void
test_table (void)
{
    gsize n;
    const CheckInfo *checks = verify_checks (&n);
    g_autofree char *text = report_checks (80);

    for (gsize i = 0; i < n; i++) {
        g_assert_true (*checks[i].family && *checks[i].clause && g_str_has_suffix (checks[i].meaning, "."));
        g_assert_nonnull (strstr (text, checks[i].id));
        for (gsize j = 0; j < i; j++)
            g_assert_cmpstr (checks[i].id, !=, checks[j].id);
    }
}

/* The makers' attestations of these tests are of suitable devices. */
static void
list_yubikeys (void)
{
    FILE *file = fopen (world->modules, "a");

    g_assert_nonnull (file);
    fputs ("  - {vendor: Yubico, model: \"YubiKey*\", scheme: FIPS 140-3, certificate: \"6\", level: \"3\", state: active, source: \"https://example.com/6\"}\n", file);
    fclose (file);
}

int
main (int argc, char **argv)
{
    int status;

    forge_quick (argv);
    g_test_init (&argc, &argv, NULL);
    world = forge_world_new ();
    list_yubikeys ();
    g_test_add_func ("/verify/truth", test_truth);
    g_test_add_func ("/verify/evidence-only", test_evidence_only);
    g_test_add_func ("/verify/no-trust", test_no_trust);
    g_test_add_func ("/verify/note-key-unknown", test_note_key_unknown);
    g_test_add_func ("/verify/rehearsal", test_rehearsal);
    g_test_add_func ("/verify/policies", test_policies);
    g_test_add_func ("/verify/levels", test_levels);
    g_test_add_func ("/verify/level-warn", test_level_warn);
    g_test_add_func ("/verify/not-lowered", test_not_lowered);
    g_test_add_func ("/verify/attestation/none-found", test_none_found);
    g_test_add_func ("/verify/stop", test_stop);
    g_test_add_func ("/verify/unreadable", test_unreadable);
    g_test_add_func ("/verify/report", test_report);
    g_test_add_func ("/verify/table", test_table);
    for (gsize i = 0; i < G_N_ELEMENTS (lies); i++) {
        g_autofree char *path = g_strdup_printf ("/verify/lie/%s", lies[i].name);
        g_test_add_data_func (path, &lies[i], test_lie);
    }
    status = g_test_run ();
    evidence_forget ();
    if (expired_service)
        signer_free (expired_service);
    forge_world_free (world);
    return status;
}
