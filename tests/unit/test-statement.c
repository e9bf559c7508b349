/* Evidence and statement from a ceremony's events: every group, what contradicts, and the summary on a narrow screen. */
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/bundle/statement.h"
#include "ceremony/journal/note.h"
#include <string.h>

#define ORIGIN "ca.example/ceremony/2026-11-23-abcdefgh"
#define H64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BEGAN G_GINT64_CONSTANT (1795465867412)

typedef struct { const char *type, *actor, *step, *data; guint sitting; } Row;

static const char opened[] =
    "{\"ceremony\":\"2026-11-23-abcdefgh\",\"origin\":\"" ORIGIN "\",\"rehearsal\":false,\"method\":\"6.2.7.4.2-6\",\"order\":{\"id\":\"o1\",\"sha256\":\"" H64 "\"},"
    "\"script\":{\"title\":\"S\",\"version\":\"1\",\"sha256\":\"" H64 "\"},\"policy\":{\"title\":\"P\",\"version\":\"1\",\"sha256\":\"" H64 "\"},"
    "\"subscriber\":{\"name\":\"Käse GmbH\",\"country\":\"DE\",\"registration\":\"\"},\"algorithm\":\"ec-p256\",\"label\":\"k\",\"subject\":\"CN=K\",\"presence\":\"unplug\","
    "\"challenge_commitment\":\"" H64 "\",\"program\":{\"version\":\"0.1\",\"sha256\":\"" H64 "\",\"media_sha256\":\"" H64 "\"},"
    "\"appliance\":{\"note_key\":\"AAAA\",\"certificate_sha256\":\"" H64 "\"},\"clock\":{\"boot_id\":\"b\",\"boottime_ms\":1,\"wall\":\"w\",\"ntp\":\"synchronised\"},"
    "\"terminal\":{\"cols\":80,\"rows\":24},\"place\":\"Bonn\",\"region\":\"EU\"}";

static const Row rows[] = {
    { "ceremony.opened", "appliance", "", opened, 1 },
    { "recording.started", "recorder", "", "{\"part\":1}", 1 },
    { "consent.given", "operator", "consent", "{\"role\":\"operator\",\"text_sha256\":\"" H64 "\"}", 1 },
    { "person.identified", "appliance", "present", "{\"person\":\"p1\",\"role\":\"operator\",\"entry_sha256\":\"" H64 "\"}", 1 },
    { "person.identified", "appliance", "present", "{\"person\":\"p2\",\"role\":\"witness\",\"entry_sha256\":\"" H64 "\"}", 1 },
    { "step.confirmed", "operator", "present", "{\"role\":\"operator\",\"person\":\"p1\"}", 1 },
    { "clock.checked", "appliance", "clock", "{\"wall\":\"2026-11-23T20:31:07.412Z\",\"ntp\":\"synchronised\",\"confirmed\":true}", 1 },
    { "representation.agreed", "operator", "contract", "{\"text_sha256\":\"" H64 "\",\"person\":\"p1\"}", 1 },
    { "token.found", "appliance", "token", "{\"uri\":\"pkcs11:token=T\",\"module\":{\"path\":\"/lib/x.so\",\"sha256\":\"" H64 "\",\"version\":\"2.6\"},"
                                          "\"token\":{\"label\":{\"hex\":\"54f6\"},\"manufacturer\":\"M\",\"model\":\"HSM\",\"serial\":\"0042\",\"firmware\":\"1.2\",\"hardware\":\"1\"}}", 1 },
    { "token.shown", "witness", "show", "{\"serial\":\"0042\",\"matches\":true,\"how\":\"label\"}", 1 },
    { "token.inventoried", "appliance", "inventory", "{\"private_keys\":3,\"public_keys\":3,\"certificates\":1,\"secret_keys\":0,\"data\":0,\"shared\":\"shared\",\"objects\":[]}", 1 },
    { "key.absent", "appliance", "absent", "{\"label\":\"k\",\"with_label\":0}", 1 },
    { "opening.committed", "appliance", "opening", "{\"size\":11,\"root\":\"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\"}", 1 },
    { "challenge.given", "witness", "challenge", "{\"source\":\"secret\",\"checkpoint\":{\"size\":11,\"root\":\"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\"},"
                                                "\"challenge\":\"0123456789abcdef\",\"words\":\"one two\"}", 1 },
    { "liveness.shown", "witness", "liveness", "{\"confirmed_by\":\"p2\",\"began_ms\":5,\"challenge\":\"0123456789abcdef\"}", 1 },
    { "key.generating", "appliance", "generate", "{\"algorithm\":\"ec-p256\",\"label\":\"k\",\"id\":\"00ff\",\"attempt\":1}", 1 },
    { "key.generated", "appliance", "generate", "{\"algorithm\":\"ec-p256\",\"label\":\"k\",\"id\":\"00ff\",\"mechanism\":\"CKM_EC_KEY_PAIR_GEN\",\"spki_sha256\":\"" H64 "\",\"spki\":\"AA==\","
                                               "\"found\":{\"private_with_label\":1,\"private_with_id\":1,\"public_with_label\":1,\"public_with_id\":1},\"recovered\":false,\"ms\":9,\"tried\":[]}", 1 },
    { "attributes.read", "appliance", "attributes", "{\"occasion\":\"generation\",\"private\":{\"cka_local\":{\"value\":true},\"cka_extractable\":{\"value\":false},"
                                                   "\"cka_never_extractable\":{\"value\":true},\"cka_always_sensitive\":{\"value\":true},\"cka_sensitive\":{\"value\":false},"
                                                   "\"cka_unique_id\":{\"error\":\"unavailable\"},\"cka_key_gen_mechanism\":{\"value\":\"CKM_EC_KEY_PAIR_GEN\"}},\"public\":{\"cka_token\":{\"value\":true}}}", 1 },
    { "key.using", "appliance", "prove", "{\"use\":1,\"purpose\":\"possession\",\"digest\":\"aa\"}", 1 },
    { "key.used", "appliance", "prove", "{\"use\":1,\"signature_sha256\":\"" H64 "\"}", 1 },
    { "possession.proved", "appliance", "prove", "{\"n\":1,\"nonce\":\"0123456789abcdef\",\"checkpoint\":{\"size\":15,\"root\":\"r\"},\"text_sha256\":\"" H64 "\",\"signature_sha256\":\"" H64 "\","
                                                "\"mechanism\":\"CKM_ECDSA\",\"hash\":\"SHA-256\"}", 1 },
    { "key.using", "appliance", "request", "{\"use\":2,\"purpose\":\"request\",\"digest\":null}", 1 },
    { "ceremony.resumed", "appliance", "", "{\"after\":21,\"gap_ms\":61000,\"rebooted\":true,\"recovered\":[\"video/0001.mkv\"],\"clock\":{\"ntp\":\"unknown\"},\"program\":{}}", 2 },
    { "request.made", "appliance", "request", "{\"csr_sha256\":\"" H64 "\",\"spki_sha256\":\"" H64 "\",\"subject\":\"CN=K\"}", 2 },
    { "token.removed", "appliance", "unplug", "{\"observed\":[{\"ms\":1,\"what\":\"slot-event\",\"detail\":\"\"}],\"serial\":\"0042\"}", 2 },
    { "token.returned", "appliance", "unplug", "{\"observed\":[],\"serial\":\"0042\"}", 2 },
    { "attributes.read", "appliance", "unplug", "{\"occasion\":\"unplug\",\"private\":{\"cka_local\":{\"value\":true}},\"public\":{\"cka_token\":{\"value\":true}}}", 2 },
    { "deviation.noted", "operator", "", "{\"expected\":\"light\",\"happened\":\"\\u001b[2Jdark\",\"decided\":\"go on\"}", 2 },
    { "break.begun", "operator", "", "{\"reason\":\"coffee\"}", 2 },
    { "break.ended", "operator", "", "{\"ms\":60000}", 2 },
    { "qr.shown", "recorder", "", "{\"size\":5,\"part\":1,\"media_ms\":10}", 2 },
    { "video.chunk", "recorder", "", "{\"part\":1,\"offset\":0,\"length\":9,\"sha256\":\"" H64 "\",\"frames\":{\"asked\":100,\"composed\":99,\"encoded\":98,\"dropped\":2}}", 2 },
    { "frames.dropped", "recorder", "", "{\"count\":2,\"media_ms\":77}", 2 },
    { "source.lost", "recorder", "", "{\"source\":\"camera\",\"reason\":\"pulled\"}", 2 },
    { "recording.closing", "appliance", "", "{\"outcome\":\"completed\"}", 2 },
    { "track.closed", "recorder", "", "{\"track\":\"video\",\"part\":1,\"path\":\"video/0001.mkv\",\"length\":9,\"sha256\":\"" H64 "\",\"chunks\":1}", 2 },
    { "ceremony.closed", "appliance", "", "{\"outcome\":\"completed\",\"reason\":\"\",\"uses\":2,\"parts\":[\"video/0001.mkv\"]}", 2 },
};

static void
event_unref (gpointer event)
{
    event_free (event);
}

/* The rows as events; @skip is left out, @data replaces that of @at. */
static GPtrArray *
make_events (const char *skip, int at, const char *data)
{
    GPtrArray *events = g_ptr_array_new_with_free_func (event_unref);
    for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
        if (skip != NULL && g_str_equal (rows[i].type, skip))
            continue;
        g_autoptr (GError) error = NULL;
        const char *text = (int) i == at ? data : rows[i].data;
        g_autoptr (json_t) json = cjson_parse_loose (text, strlen (text), &error);
        g_assert_no_error (error);
        Event *event = event_new (events->len, rows[i].sitting, i * 100, BEGAN + i * 1000, rows[i].type, rows[i].actor, rows[i].step, json, &error);
        g_assert_no_error (error);
        g_ptr_array_add (events, event);
    }
    return events;
}

static char *
final_note (const GPtrArray *events, const char *origin)
{
    g_autoptr (MerkleTree) tree = merkle_tree_new ();
    MerkleHash hash;
    for (guint i = 0; i < events->len; i++) {
        const Event *event = g_ptr_array_index (events, i);
        merkle_leaf (event->line, strlen (event->line), &hash);
        merkle_tree_append (tree, &hash);
    }
    merkle_tree_root (tree, events->len, &hash);
    EVP_PKEY *key = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    guint8 public[32];
    gsize len = sizeof public;
    EVP_PKEY_get_raw_public_key (key, public, &len);
    g_autoptr (NoteKey) note_key = note_key_new (origin, NOTE_TYPE_ED25519, public, NULL);
    g_autofree char *text = checkpoint_text (origin, events->len, &hash);
    char *note = note_sign (text, note_key, key, NULL);
    EVP_PKEY_free (key);
    g_assert_nonnull (note);
    return note;
}

static json_t *
people (void)
{
    return json_pack ("{s:s, s:[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}]}", "format", "ceremony/people/v1", "people", "person", "p1", "role", "operator", "name",
                      "Secret Operator", "identified_by", "passport", "person", "p2", "role", "witness", "name", "Secret Witness", "identified_by", "identity card");
}

static const json_t *
at (const json_t *object, const char *path)
{
    g_auto (GStrv) parts = g_strsplit (path, "/", -1);
    for (char **part = parts; *part != NULL; part++)
        object = g_ascii_isdigit ((*part)[0]) ? json_array_get (object, strtoul (*part, NULL, 10)) : json_object_get (object, *part);
    return object;
}

static void
expect (const json_t *object, const char *path, const char *canonical)
{
    const json_t *value = at (object, path);
    g_autofree char *text = value != NULL ? cjson_encode (value, NULL) : NULL;
    if (g_strcmp0 (text, canonical) != 0)
        g_error ("%s is %s, not %s", path, text, canonical);
}

static void
test_evidence (void)
{
    g_autoptr (GPtrArray) events = make_events (NULL, -1, NULL);
    g_autofree char *note = final_note (events, ORIGIN);
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) evidence = evidence_build (events, note, &error);
    g_assert_no_error (error);
    static const char *const keys[] = { "format", "ceremony", "origin", "rehearsal", "outcome", "reason", "started", "closed", "sittings", "checkpoint", "appliance", "program",
                                        "parts", "key", "device" };
    g_assert_cmpuint (json_object_size (evidence), ==, G_N_ELEMENTS (keys));
    for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
        g_assert_nonnull (json_object_get (evidence, keys[i]));
    expect (evidence, "started", "\"2026-11-23T20:31:07.412Z\"");
    expect (evidence, "sittings", "2");
    expect (evidence, "checkpoint/size", G_STRINGIFY (37));
    expect (evidence, "key", "{\"algorithm\":\"ec-p256\",\"csr_sha256\":\"" H64 "\",\"id\":\"00ff\",\"label\":\"k\",\"mechanism\":\"CKM_EC_KEY_PAIR_GEN\",\"recovered\":false,\"spki_sha256\":\"" H64
                             "\",\"uses\":2}");
    expect (evidence, "device", "{\"firmware\":\"1.2\",\"label\":{\"hex\":\"54f6\"},\"manufacturer\":\"M\",\"model\":\"HSM\",\"module_sha256\":\"" H64
                                "\",\"serial\":\"0042\",\"uri\":\"pkcs11:token=T\"}");
    expect (evidence, "parts", "[{\"chunks\":1,\"length\":9,\"part\":1,\"path\":\"video/0001.mkv\",\"sha256\":\"" H64 "\",\"track\":\"video\"}]");
    g_autofree char *text = cjson_encode (evidence, &error);
    g_assert_no_error (error);
}

static void
contradicts (GPtrArray *events, const char *origin)
{
    g_autofree char *note = final_note (events, origin);
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) evidence = evidence_build (events, note, &error);
    g_assert_null (evidence);
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_ptr_array_unref (events);
}

static void
test_contradictions (void)
{
    const int last = G_N_ELEMENTS (rows) - 1;
    contradicts (g_ptr_array_new (), ORIGIN);
    contradicts (make_events ("ceremony.closed", -1, NULL), ORIGIN);
    contradicts (make_events ("ceremony.opened", -1, NULL), ORIGIN);
    contradicts (make_events (NULL, last, "{\"outcome\":\"completed\",\"reason\":\"\",\"uses\":1,\"parts\":[\"video/0001.mkv\"]}"), ORIGIN);
    contradicts (make_events (NULL, last, "{\"outcome\":\"completed\",\"reason\":\"\",\"uses\":2,\"parts\":[]}"), ORIGIN);
    contradicts (make_events (NULL, last, "{\"outcome\":\"completed\",\"reason\":\"\",\"uses\":2,\"parts\":[\"video/0002.mkv\"]}"), ORIGIN);
    contradicts (make_events ("track.closed", -1, NULL), ORIGIN);
    contradicts (make_events (NULL, -1, NULL), "ca.example/ceremony/other");
    /* The note of another journal. */
    g_autoptr (GPtrArray) events = make_events (NULL, -1, NULL), others = make_events (NULL, -1, NULL);
    g_autofree char *note = final_note (others, ORIGIN);
    g_assert_null (evidence_build (events, note, NULL));
    g_assert_null (evidence_build (events, "rubbish", NULL));
}

/* Events that hold nothing of what they must: no crash, and an answer. */
static void
test_hollow (void)
{
    for (int i = 0; i < (int) G_N_ELEMENTS (rows); i++) {
        static const char *const hollow[] = { "{}", "{\"token\":[],\"module\":1,\"private\":[],\"public\":3,\"use\":\"x\",\"frames\":[],\"found\":0,\"parts\":{},\"result\":[]}" };
        for (guint h = 0; h < G_N_ELEMENTS (hollow); h++) {
            g_autoptr (GPtrArray) events = make_events (NULL, i, hollow[h]);
            g_autofree char *note = final_note (events, ORIGIN);
            g_autoptr (json_t) evidence = evidence_build (events, note, NULL), persons = people (), digests = json_array (), object = json_object ();
            g_autoptr (json_t) derived = statement_derive (events, evidence != NULL ? evidence : object, persons, NULL, NULL, digests, NULL);
            g_autoptr (json_t) statement = json_pack ("{s:o, s:O}", "stated", json_object (), "derived", derived);
            g_autofree char *summary = statement_summary (statement, 80);
            g_assert_nonnull (derived);
            g_assert_nonnull (summary);
        }
    }
}

static json_t *
build (const char *opinion, GPtrArray *events, GError **error)
{
    g_autofree char *note = final_note (events, ORIGIN);
    g_autoptr (json_t) evidence = evidence_build (events, note, error), persons = people (), digests = json_pack ("[{s:s}]", "manifest", "META-INF/ASiCManifest001.xml");
    g_autoptr (json_t) witness = json_pack ("{s:s, s:s, s:s, s:s, s:s}", "name", "Secret Witness", "employer", "Audit", "qualification", "CISA", "approval", "A1", "shoe", "44");
    StatementInput input = { opinion, "remarks here", "", "Bonn", "EU", "2 years", "token", witness, BEGAN + 100000 };
    return statement_build (events, evidence, persons, NULL, H64, digests, &input, error);
}

static void
test_statement (void)
{
    g_autoptr (GPtrArray) events = make_events (NULL, -1, NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) statement = build ("witnessed-with-deviations", events, &error);
    g_assert_no_error (error);
    expect (statement, "format", "\"ceremony/statement/v1\"");
    expect (statement, "role", "\"witness\"");
    g_assert_cmpuint (json_object_size (at (statement, "stated")), ==, 10);
    expect (statement, "stated/witness", "{\"approval\":\"A1\",\"employer\":\"Audit\",\"name\":\"Secret Witness\",\"qualification\":\"CISA\"}");
    const json_t *derived = at (statement, "derived");
    expect (derived, "identity/order/id", "\"o1\"");
    expect (derived, "identity/method", "\"6.2.7.4.2-6\"");
    expect (derived, "parties/people/1/role", "\"witness\"");
    expect (derived, "parties/people/1/identified_by", "\"identity card\"");
    expect (derived, "time/sittings/1/sitting", "2");
    expect (derived, "time/sittings/1/clock", "{\"ntp\":\"unknown\"}");
    expect (derived, "module/shown/matches", "true");
    expect (derived, "module/module/version", "\"2.6\"");
    expect (derived, "key/uses", "2");
    expect (derived, "key/signatures/0/purpose", "\"possession\"");
    expect (derived, "key/signatures/0/signature_sha256", "\"" H64 "\"");
    expect (derived, "key/signatures/1/signature_sha256", "null");
    expect (derived, "key/history/kind", "\"born-here\"");
    expect (derived, "key/history/sources", "[\"attributes\"]");
    expect (derived, "key/history/evidence/0/says", "\"CKA_LOCAL true, CKA_ALWAYS_SENSITIVE true, CKA_NEVER_EXTRACTABLE true\"");
    expect (derived, "key/backup/kind", "\"unknown\"");
    expect (derived, "key/others_before/private_keys", "3");
    expect (derived, "key/attributes_again/0/same", "false");
    expect (derived, "evidence/challenge/secret", "\"" H64 "\"");
    expect (derived, "evidence/frames", "{\"asked\":100,\"composed\":99,\"dropped\":2,\"encoded\":98}");
    expect (derived, "evidence/qr_codes", "{\"first_size\":5,\"last_size\":5,\"shown\":1}");
    expect (derived, "evidence/signatures/0/manifest", "\"META-INF/ASiCManifest001.xml\"");
    expect (derived, "observation/hold_points/0/role", "\"operator\"");
    expect (derived, "observation/hold_points/0/step", "\"present\"");
    expect (derived, "observation/unplug/returned/serial", "\"0042\"");
    expect (derived, "observation/deviations/0/by", "\"operator\"");
    expect (derived, "observation/interruptions/0/gap_ms", "61000");
    expect (derived, "observation/faults/0/what", "\"source.lost\"");
    expect (derived, "contract/person", "\"p1\"");
    expect (derived, "data_protection/consents/0/role", "\"operator\"");
    expect (derived, "digests_sent/0/region", "\"EU\"");
    g_autofree char *text = cjson_encode (derived, &error);
    g_assert_no_error (error);
    g_assert_null (strstr (text, "Secret"));    /* names stay in people.json, and in what the witness states of themselves */
    /* Read from the file, all of it is derived again alike. */
    g_autoptr (json_t) again = cjson_parse (text, strlen (text), &error);
    g_assert_no_error (error);
    g_assert_true (json_equal (again, derived));
}

static void
test_attributes (void)
{
    g_autoptr (GPtrArray) events = make_events (NULL, -1, NULL);
    g_autoptr (json_t) statement = build ("refused", events, NULL);
    const json_t *attributes = at (statement, "derived/key/attributes");
    guint checked = 0;
    g_assert_cmpuint (json_array_size (attributes), ==, 8);
    for (gsize i = 0; i < json_array_size (attributes); i++) {
        const json_t *item = json_array_get (attributes, i), *fits = json_object_get (item, "as_required");
        const char *name = cjson_str (item, "name", NULL);
        if (g_str_equal (cjson_str (item, "object", NULL), "public")) {
            g_assert_true (json_is_null (fits));
            continue;
        }
        if (g_str_equal (name, "CKA_SENSITIVE"))
            g_assert_true (json_is_false (fits));
        else if (g_str_equal (name, "CKA_UNIQUE_ID"))
            g_assert_cmpstr (cjson_str (item, "error", NULL), ==, "unavailable");
        else
            g_assert_true (json_is_true (fits));
        g_assert_cmpuint (strlen (cjson_str (item, "meaning", NULL)), >, 10);
        checked++;
    }
    g_assert_cmpuint (checked, ==, 7);
}

static void
test_opinions (void)
{
    g_autoptr (GPtrArray) events = make_events (NULL, -1, NULL), clean = make_events ("deviation.noted", -1, NULL);
    g_autoptr (GError) error = NULL;
    g_assert_null (build ("witnessed", events, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_USAGE);
    g_clear_error (&error);
    g_assert_null (build ("fine", clean, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_USAGE);
    g_clear_error (&error);
    g_autoptr (json_t) statement = build ("witnessed", clean, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (cjson_str (at (statement, "stated"), "sentence", NULL), ==, statement_opinions[0][1]);
}

/* Without a key: an aborted ceremony has a statement too. */
static void
test_no_key (void)
{
    g_autoptr (GPtrArray) events = make_events ("key.generated", -1, NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) statement = build ("refused", events, &error);
    g_assert_no_error (error);
    expect (statement, "derived/key", "null");
    g_autofree char *summary = statement_summary (statement, 80);
    g_assert_nonnull (strstr (summary, "none was generated"));
}

static void
test_summary (void)
{
    g_autoptr (GPtrArray) events = make_events (NULL, -1, NULL);
    g_autoptr (json_t) statement = build ("witnessed-with-deviations", events, NULL);
    static const guint widths[] = { 40, 76, 120 };
    for (guint w = 0; w < G_N_ELEMENTS (widths); w++) {
        g_autofree char *summary = statement_summary (statement, widths[w]);
        g_auto (GStrv) lines = g_strsplit (summary, "\n", -1);
        for (char **line = lines; *line != NULL; line++) {
            g_assert_true (g_utf8_validate (*line, -1, NULL));
            if (g_utf8_strlen (*line, -1) > (glong) widths[w])
                g_error ("wider than %u: %s", widths[w], *line);
        }
        g_assert_null (strchr (summary, 0x1b));
        static const char *const told[] = { "REHEARSAL", "Käse GmbH", "0042", "WRONG", "CKA_LOCAL", "dark", "coffee", "one two", "possession", "61000" };
        for (guint i = 0; w > 0 && i < G_N_ELEMENTS (told); i++)
            g_assert_cmpint (strstr (summary, told[i]) != NULL, ==, i > 0);
        if (g_test_verbose ())
            g_print ("%s", summary);
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/statement/evidence", test_evidence);
    g_test_add_func ("/statement/contradictions", test_contradictions);
    g_test_add_func ("/statement/hollow", test_hollow);
    g_test_add_func ("/statement/statement", test_statement);
    g_test_add_func ("/statement/attributes", test_attributes);
    g_test_add_func ("/statement/opinions", test_opinions);
    g_test_add_func ("/statement/no-key", test_no_key);
    g_test_add_func ("/statement/summary", test_summary);
    return g_test_run ();
}
