/* The forger's ceremony, act by act, and how it is sealed. */
#include <openssl/pem.h>
#include <string.h>
#include <unistd.h>
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/challenge.h"
#include "ceremony/bundle/countersignature.h"
#include "ceremony/bundle/order.h"
#include "ceremony/bundle/statement.h"
#include "ceremony/script/acts.h"
#include "tests/unit/forge.h"

#define FORGE_LABEL "forged key"
#define FORGE_SUBJECT "CN=Forged Example,O=Example Ltd,C=DE"

/* ---- the world ---- */

static void
write_pem (const char *dir, const char *role, X509 *cert, EVP_PKEY *public)
{
    g_autofree char *folder = g_build_filename (dir, role, NULL), *path = g_build_filename (folder, cert ? "cert.pem" : "note.pem", NULL);
    FILE *file;

    g_assert_true (file_mkdir (folder, NULL));
    file = fopen (path, "w");
    g_assert_nonnull (file);
    g_assert_cmpint (cert ? PEM_write_X509 (file, cert) : PEM_write_PUBKEY (file, public), ==, 1);
    fclose (file);
}

static Signer *
signer_make (const char *name)
{
    Signer *signer = g_new0 (Signer, 1);
    g_autoptr(GError) error = NULL;

    g_assert_true (signer_generate (name, 30, &signer->key, &signer->cert, &error));
    g_assert_no_error (error);
    signer->chain = sk_X509_new_null ();
    return signer;
}

void
forge_quick (char **argv)
{
#ifdef __SANITIZE_ADDRESS__
    const char *options = g_getenv ("ASAN_OPTIONS");
    g_auto(GStrv) parts = g_strsplit (options ? options : "", "fast_unwind_on_malloc=0", -1);
    g_autofree char *quick = g_strjoinv ("fast_unwind_on_malloc=1", parts);

    if (!parts[0] || !parts[1])
        return;
    g_setenv ("ASAN_OPTIONS", quick, TRUE);
    execv ("/proc/self/exe", argv);
#endif
}

static const char modules_yaml[] =
    "modules:\n"
    "  - {vendor: Example, model: T1, scheme: FIPS 140-3, certificate: \"1\", level: \"2\", state: active, source: \"https://example.com/1\"}\n"
    "  - {vendor: Example, model: T2, scheme: FIPS 140-2, certificate: \"2\", level: \"1\", state: active, source: \"https://example.com/2\"}\n"
    "  - {vendor: Example, model: T3, scheme: FIPS 140-2, certificate: \"3\", level: \"3\", state: historical, source: \"https://example.com/3\"}\n"
    "  - {vendor: Example, model: T4, scheme: FIPS 140-2, certificate: \"4\", level: \"3\", state: revoked, source: \"https://example.com/4\"}\n"
    "  - {vendor: Example, model: T5, scheme: FIPS 140-3, certificate: \"5\", level: \"3\", state: active, source: \"https://example.com/5\"}\n";

static char *
vendors_make (const ForgeWorld *w)
{
    char *path = g_build_filename (w->dir, "vendors.yaml", NULL);
    guint8 *der = NULL;
    int len = i2d_PUBKEY (w->ca->key, &der);
    g_autofree char *spki = base64_encode (der, len), *maker = NULL, *text = NULL;

    OPENSSL_free (der);
    der = NULL;
    len = i2d_PUBKEY (w->maker, &der);
    maker = base64_encode (der, len);
    text = g_strdup_printf ("anchors:\n  - {vendor: Forged, use: yubikey-piv, name: \"CN=Forged Root\", spki: \"%s\", source: \"https://example.com/\"}\n"
                            "  - {vendor: Forged, use: yubikey-piv, name: \"CN=Yubico PIV Root CA Forged\", spki: \"%s\", source: \"https://example.com/\"}\n", spki, maker);
    OPENSSL_free (der);
    g_assert_true (g_file_set_contents (path, text, -1, NULL));
    return path;
}

ForgeWorld *
forge_world_new (void)
{
    ForgeWorld *w = g_new0 (ForgeWorld, 1);
    g_autofree char *trust = NULL;
    g_autoptr(GError) error = NULL;
    gsize len = 32;

    w->dir = g_dir_make_tmp ("ceremony-forge-XXXXXX", &error);
    g_assert_no_error (error);
    w->origin_domain = "ca.example";
    w->note_private = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    g_assert_cmpint (EVP_PKEY_get_raw_public_key (w->note_private, w->note_public, &len), ==, 1);
    w->appliance = signer_make ("Appliance 7");
    w->witness = signer_make ("Wanda Witness");
    w->ca = signer_make ("Example CA");
    w->reviewer = signer_make ("Rita Reviewer");
    w->service = signer_make ("Example Signing");
    w->stranger = signer_make ("Wanda Witness");
    trust = g_build_filename (w->dir, "trust", NULL);
    write_pem (trust, "appliance", w->appliance->cert, NULL);
    write_pem (trust, "appliance", NULL, w->note_private);
    write_pem (trust, "witness", w->witness->cert, NULL);
    write_pem (trust, "order", w->ca->cert, NULL);
    write_pem (trust, "reviewer", w->reviewer->cert, NULL);
    write_pem (trust, "service", w->service->cert, NULL);
    w->trust = trust_load (trust, &error);
    g_assert_no_error (error);
    w->maker = EVP_EC_gen ("P-256");
    w->vendors = vendors_make (w);
    w->modules = g_build_filename (w->dir, "modules.yaml", NULL);
    g_assert_true (g_file_set_contents (w->modules, modules_yaml, -1, NULL));
    return w;
}

void
forge_world_free (ForgeWorld *w)
{
    g_assert_true (file_remove_tree (w->dir, NULL));
    EVP_PKEY_free (w->note_private);
    EVP_PKEY_free (w->maker);
    signer_free (w->appliance);
    signer_free (w->witness);
    signer_free (w->ca);
    signer_free (w->reviewer);
    signer_free (w->service);
    signer_free (w->stranger);
    trust_free (w->trust);
    g_free (w->modules);
    g_free (w->vendors);
    g_free (w->dir);
    g_free (w);
}

/* ---- script, policy, order, people ---- */

static const char script_yaml[] =
    "format: ceremony/script/v1\n"
    "title: Forged ceremony\n"
    "version: \"1.0\"\n"
    "language: en\n"
    "roles: [operator, witness]\n"
    "algorithm: ec-p256\n"
    "steps:\n"
    "  - {id: consent, title: Consent, act: consent, read: \"We agree.\", confirm: [operator, witness]}\n"
    "  - {id: present, title: Present, act: identify, with: {roles: \"operator, witness\"}, confirm: [witness]}\n"
    "  - {id: clock, title: Clock, act: clock}\n"
    "  - {id: contract, title: Contract, act: represent, read: \"I represent.\", confirm: [operator]}\n"
    "  - {id: token, title: Token, act: select-token}\n"
    "  - {id: show, title: Show, act: show-token, confirm: [witness]}\n"
    "  - {id: inventory, title: Inventory, act: inventory}\n"
    "  - {id: absent, title: Absent, act: absent}\n"
    "  - {id: opening, title: Opening, act: open}\n"
    "  - {id: challenge, title: Challenge, act: challenge, confirm: [witness]}\n"
    "  - {id: liveness, title: Liveness, act: liveness, confirm: [witness]}\n"
    "  - {id: generate, title: Generate, act: generate}\n"
    "  - {id: attributes, title: Attributes, act: attributes}\n"
    "  - {id: prove, title: Prove, act: prove}\n"
    "  - {id: request, title: Request, act: request}\n"
    "  - {id: unplug, title: Unplug, act: unplug}\n"
    "  - {id: fingerprint, title: Fingerprint, act: fingerprint, confirm: [operator, witness]}\n"
    "  - {id: close, title: Close, act: close, confirm: [operator, witness]}\n";

static const char *const policy_lines[] = {
    "format: ceremony/policy/v1", "title: Forged policy", "version: \"1.0\"", "presence: none", "local_seal: token", "challenge: words",
    "algorithms: [ec-p256, rsa-3072]", "qr_gap_ms: 10000", "liveness_ms: 120000", "drops_per_mille: 50", "camera_still_ms: 10000", "clock_drift_ms: 500", "max_sittings: 0",
    "order_required: true", "camera_required: true", "audio_required: false", "timestamp_required: false", "attestation_required: false",
    "sole_device: false", "history: born-here", "countersignature_required: false", NULL,
};

static char *
policy_make (const char *changes)
{
    g_auto(GStrv) changed = g_strsplit (changes ? changes : "", "\n", -1);
    GString *text = g_string_new (NULL);

    for (gsize i = 0; policy_lines[i]; i++) {
        const char *line = policy_lines[i];
        for (gsize j = 0; changed[j]; j++)
            if (strcspn (line, ":") == strcspn (changed[j], ":") && strncmp (line, changed[j], strcspn (line, ":")) == 0)
                line = changed[j];
        g_string_append_printf (text, "%s\n", line);
    }
    for (gsize j = 0; changed[j]; j++)
        if (g_str_has_prefix (changed[j], "levels"))
            g_string_append_printf (text, "%s\n", changed[j]);
    return g_string_free (text, FALSE);
}

static char *
key_hash (const Signer *signer)
{
    return signer_spki_sha256 (signer->cert);
}

static gboolean
uncommitted (const Forge *f)
{
    return f->words && !strstr (f->policy_text, "challenge: secret");
}

static json_t *
order_make (Forge *f)
{
    g_autofree char *script_sha = sha256_hex (f->script, strlen (f->script)), *policy_sha = sha256_hex (f->policy_text, strlen (f->policy_text));
    g_autofree char *commitment = sha256_hex (f->secret_bytes, 32), *note = base64_encode (f->world->note_public, 32);
    g_autofree char *appliance = key_hash (f->world->appliance), *witness = key_hash (f->world->witness);
    g_autofree char *issued = clock_format (f->base - 86400000), *to = clock_format (f->base + 86400000);
    json_t *order = json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:{s:s, s:s, s:s}, s:s, s:s, s:s, s:s, s:s, s:o, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:n, s:s, s:s}",
                               "format", "ceremony/order/v1", "id", "order-1", "ca_domain", f->world->origin_domain, "issued", issued, "valid_from", issued,
                               "valid_to", to, "rehearsal", f->rehearsal, "subscriber", "name", "Example Ltd", "country", "DE", "registration", "HRB 1",
                               "algorithm", "ec-p256", "label", FORGE_LABEL, "subject", FORGE_SUBJECT, "script_sha256", script_sha, "policy_sha256", policy_sha,
                               "challenge_commitment", uncommitted (f) ? json_null () : json_string (commitment), "appliance", "note_key", note, "spki_sha256", appliance,
                               "witness", "name", "Wanda Witness", "employer", "Example CA", "qualification", "CISA", "approval", "A-1", "spki_sha256", witness,
                               "token_uri", "place", "Berlin", "region", "EU");

    g_assert_nonnull (order);
    if (f->on_order)
        f->on_order (f, order);
    return order;
}

static void
order_sign (Forge *f)
{
    g_autofree char *path = g_build_filename (f->world->dir, "order.asice", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(Policy) policy = policy_parse ("policy", f->policy_text, strlen (f->policy_text), &error);
    g_autoptr(Order) order = NULL;

    g_assert_no_error (error);
    f->order = order_make (f);
    remove (path);
    g_assert_true (order_write (path, f->order, f->script_parsed, policy, f->ca_signer ? f->ca_signer : f->world->ca, &error));
    g_assert_no_error (error);
    order = order_open (path, &error);
    g_assert_no_error (error);
    f->order_json = g_bytes_ref (order->order_bytes);
    f->order_manifest = g_bytes_ref (order->manifest_bytes);
    f->order_p7s = g_bytes_ref (order->signature_bytes);
}

static json_t *
people_make (void)
{
    return json_pack ("{s:s, s:[{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}]}", "format", "ceremony/people/v1", "people",
                      "person", "p1", "role", "operator", "name", "Olga Operator", "initials", "OO", "employer", "Example Ltd", "title", "Engineer",
                      "identified_by", "passport", "salt", "AAAAAAAAAAAAAAAAAAAAAA",
                      "person", "p2", "role", "witness", "name", "Wanda Witness", "initials", "WW", "employer", "Example CA", "title", "Auditor",
                      "identified_by", "identity card", "salt", "BBBBBBBBBBBBBBBBBBBBBA", "qualification", "CISA", "approval", "A-1");
}

/* ---- the journal ---- */

void
forge_init (Forge *f, ForgeWorld *world)
{
    memset (f, 0, sizeof *f);
    f->world = world;
    f->opinion = "witnessed";
    f->key_place = "token";
    f->base = clock_wall_ms () - 600000;
    f->boot = f->base - 1700000000000;
    f->sitting = 1;
    f->ceremony = g_strdup ("2026-11-24-abcdefgh");
    f->origin = g_strdup_printf ("%s/ceremony/%s", world->origin_domain, f->ceremony);
    f->note_key = note_key_new (f->origin, NOTE_TYPE_ED25519, world->note_public, NULL);
    f->step = g_strdup ("");
    f->events = g_ptr_array_new_with_free_func ((GDestroyNotify) event_free);
    f->tree = merkle_tree_new ();
    f->notes = g_ptr_array_new_with_free_func (g_free);
    f->lines = g_string_new (NULL);
    f->video = g_string_new (NULL);
    f->cast = g_string_new (NULL);
    f->items = asice_items_new ();
    f->parts = json_array ();
    f->all_parts = json_array ();
    f->people = people_make ();
    memset (f->secret_bytes, 0x5a, sizeof f->secret_bytes);
}

void
forge_clear (Forge *f)
{
    g_free (f->ceremony);
    g_free (f->origin);
    note_key_free (f->note_key);
    g_free (f->step);
    g_ptr_array_unref (f->events);
    merkle_tree_free (f->tree);
    g_ptr_array_unref (f->notes);
    g_string_free (f->lines, TRUE);
    g_string_free (f->video, TRUE);
    g_string_free (f->cast, TRUE);
    g_ptr_array_unref (f->items);
    json_decref (f->parts);
    json_decref (f->all_parts);
    json_decref (f->people);
    json_decref (f->order);
    g_clear_pointer (&f->script_parsed, script_free);
    g_free (f->script);
    g_free (f->policy_text);
    g_clear_pointer (&f->order_json, g_bytes_unref);
    g_clear_pointer (&f->order_manifest, g_bytes_unref);
    g_clear_pointer (&f->order_p7s, g_bytes_unref);
    EVP_PKEY_free (f->key);
    g_clear_pointer (&f->csr, g_bytes_unref);
}

void
forge_emit (Forge *f, const char *type, const char *actor, json_t *data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) owned = data;
    Event *event;
    MerkleHash leaf;

    g_assert_nonnull (data);
    if (f->on_event && !f->on_event (f, type, data))
        return;
    event = event_new (f->events->len, f->sitting, f->mono, f->base + f->mono, type, actor, f->step, data, &error);
    g_assert_no_error (error);
    merkle_leaf (event->line, strlen (event->line), &leaf);
    merkle_tree_append (f->tree, &leaf);
    g_string_append_printf (f->lines, "%s\n", event->line);
    g_ptr_array_add (f->events, event);
    f->mono += 20;
}

const char *
forge_checkpoint (Forge *f)
{
    MerkleHash root;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    char *note;

    merkle_tree_root (f->tree, f->events->len, &root);
    text = checkpoint_text (f->origin, f->events->len, &root);
    note = note_sign (text, f->note_key, f->world->note_private, &error);
    g_assert_no_error (error);
    if (f->notes->len && g_str_equal (f->notes->pdata[f->notes->len - 1], note)) {
        g_free (note);
        return f->notes->pdata[f->notes->len - 1];
    }
    g_ptr_array_add (f->notes, note);
    return note;
}

static json_t *
root_json (Forge *f, guint64 size)
{
    MerkleHash root;
    g_autofree char *text = NULL;

    merkle_tree_root (f->tree, size, &root);
    text = base64_encode (root.b, sizeof root.b);
    return json_pack ("{s:I, s:s}", "size", (json_int_t) size, "root", text);
}

/* Takes @bytes. */
static void
put (GPtrArray *items, const char *name, GBytes *bytes)
{
    asice_items_add_bytes (items, name, bytes);
    g_bytes_unref (bytes);
}

/* ---- the recording: bytes that look like a recording to whoever doesn't decode pictures ---- */

static void
record_chunk (Forge *f, gboolean recovered)
{
    static const guint8 ebml[] = { 0x1A, 0x45, 0xDF, 0xA3 }, cluster[] = { 0x1F, 0x43, 0xB6, 0x75 };
    g_autofree char *hash = NULL, *cast_hash = NULL;
    json_t *video, *cast;

    if (f->film) {
        f->film->turn (f);
        return;
    }
    g_string_append_len (f->video, (const char *) (f->video_chunks ? cluster : ebml), 4);
    g_string_append_printf (f->video, "picture %u of part %u", f->video_chunks, f->part);
    hash = sha256_hex (f->video->str + f->video_done, f->video->len - f->video_done);
    video = json_pack ("{s:i, s:I, s:I, s:s, s:{s:i, s:i, s:i, s:i}, s:I, s:I}", "part", f->part, "offset", (json_int_t) f->video_done, "length",
                       (json_int_t) (f->video->len - f->video_done), "sha256", hash, "frames", "asked", 30, "composed", 30, "encoded", 30, "dropped", 0, "first_ms",
                       (json_int_t) f->mono, "last_ms", (json_int_t) f->mono + 10);
    json_object_set_new (video, "clock", json_pack ("{s:I, s:I, s:I}", "boot_ms", (json_int_t) (f->boot + f->mono), "monotonic_ms",
                                                    (json_int_t) (f->boot + f->mono), "wall_ms", (json_int_t) (f->base + f->mono)));
    f->video_done = f->video->len;
    f->video_chunks++;
    if (f->cast_chunks == 0)
        g_string_append (f->cast, "{\"version\": 2, \"width\": 80, \"height\": 24}\n");
    g_string_append_printf (f->cast, "[%u.5, \"o\", \"line\\r\\n\"]\n", f->cast_chunks);
    cast_hash = sha256_hex (f->cast->str + f->cast_done, f->cast->len - f->cast_done);
    cast = json_pack ("{s:i, s:I, s:I, s:s}", "part", f->part, "offset", (json_int_t) f->cast_done, "length", (json_int_t) (f->cast->len - f->cast_done), "sha256", cast_hash);
    f->cast_done = f->cast->len;
    f->cast_chunks++;
    if (recovered) {
        json_object_set_new (video, "recovered", json_true ());
        json_object_set_new (cast, "recovered", json_true ());
    }
    forge_emit (f, "video.chunk", "recorder", video);
    forge_emit (f, "terminal.chunk", "recorder", cast);
}

static void
show_note (Forge *f, const char *note, guint64 size)
{
    if (f->film)
        f->film->show (f, note, size);
    else
        forge_emit (f, "qr.shown", "recorder", json_pack ("{s:I, s:i, s:I}", "size", (json_int_t) size, "part", f->part, "media_ms", (json_int_t) f->mono));
}

static void
show_qr (Forge *f)
{
    guint64 size = f->events->len;

    show_note (f, forge_checkpoint (f), size);
}

static void
start_part (Forge *f)
{
    g_autofree char *video = g_strdup_printf ("video/%04u.mkv", ++f->part), *cast = g_strdup_printf ("terminal/%04u.cast", f->part);

    g_string_truncate (f->video, 0);
    g_string_truncate (f->cast, 0);
    f->video_done = f->cast_done = f->video_chunks = f->cast_chunks = 0;
    if (f->film) {
        f->film->start (f);
        return;
    }
    forge_emit (f, "recording.started", "recorder",
                json_pack ("{s:i, s:s, s:s, s:i, s:i, s:i, s:{s:s, s:s}, s:{s:s, s:s}, s:s}", "part", f->part, "video", video, "terminal", cast, "width", 1280, "height", 720,
                           "fps", 15, "camera", "kind", f->rehearsal ? "test" : "device", "name", "/dev/video0", "audio", "kind", "device", "name", "default",
                           "encoder", "openh264enc"));
    record_chunk (f, FALSE);
}

static void
close_track (Forge *f, const char *track, const char *path, const GString *bytes, guint chunks)
{
    g_autofree char *hash = sha256_hex (bytes->str, bytes->len);

    forge_emit (f, "track.closed", "recorder", json_pack ("{s:s, s:i, s:s, s:I, s:s, s:i}", "track", track, "part", f->part, "path", path, "length", (json_int_t) bytes->len,
                                                          "sha256", hash, "chunks", chunks));
    put (f->items, path, g_bytes_new (bytes->str, bytes->len));
    json_array_append_new (f->parts, json_string (path));
    json_array_append_new (f->all_parts, json_string (path));
}

static void
close_part (Forge *f)
{
    g_autofree char *video = g_strdup_printf ("video/%04u.mkv", f->part), *cast = g_strdup_printf ("terminal/%04u.cast", f->part);

    if (f->film) {
        f->film->stop (f);
        return;
    }
    close_track (f, "video", video, f->video, f->video_chunks);
    close_track (f, "terminal", cast, f->cast, f->cast_chunks);
}

static json_t *
clock_json (Forge *f)
{
    g_autofree char *wall = clock_format (f->base + f->mono);

    return json_pack ("{s:s, s:I, s:s, s:s}", "boot_id", "b00", "boottime_ms", (json_int_t) (f->boot + f->mono), "wall", wall, "ntp", "synchronised");
}

static json_t *
program_json (void)
{
    g_autofree char *hash = sha256_hex ("program", 7);

    return json_pack ("{s:s, s:s, s:s}", "version", "0.1.0", "sha256", hash, "media_sha256", hash);
}

static void
interrupt (Forge *f)
{
    const Event *last = f->events->pdata[f->events->len - 1];

    f->base = last->time + 5000;
    f->boot = f->base - 1700000000000;
    f->mono = 0;
    f->sitting++;
    forge_emit (f, "ceremony.resumed", "appliance",
                json_pack ("{s:I, s:i, s:b, s:o, s:o, s:{s:i, s:i}, s:[]}", "after", (json_int_t) last->seq, "gap_ms", 5000, "rebooted", 0, "program", program_json (), "clock",
                           clock_json (f), "terminal", "cols", 80, "rows", 24, "recovered"));
    record_chunk (f, TRUE);
    close_part (f);
    start_part (f);
    show_qr (f);
}

/* ---- the acts ---- */

static void
open_ceremony (Forge *f)
{
    g_autofree char *script_sha = sha256_hex (f->script, strlen (f->script)), *policy_sha = sha256_hex (f->policy_text, strlen (f->policy_text));
    g_autofree char *commitment = sha256_hex (f->secret_bytes, 32), *note = base64_encode (f->world->note_public, 32), *order_sha = NULL, *cert_sha = NULL;
    guint8 *der = NULL;
    int len = i2d_X509 ((f->appliance_signer ? f->appliance_signer : f->world->appliance)->cert, &der);
    json_t *data;

    cert_sha = sha256_hex (der, len);
    OPENSSL_free (der);
    if (f->order_json)
        order_sha = sha256_hex (g_bytes_get_data (f->order_json, NULL), g_bytes_get_size (f->order_json));
    data = json_pack ("{s:s, s:s, s:b, s:s, s:o, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}, s:s, s:s, s:s, s:s, s:o, s:o, s:{s:s, s:s}, s:o, s:{s:i, s:i}, s:s, s:s}",
                      "ceremony", f->ceremony, "origin", f->origin, "rehearsal", f->rehearsal, "method", script_method (f->script_parsed), "order",
                      order_sha ? json_pack ("{s:s, s:s}", "id", "order-1", "sha256", order_sha) : json_null (), "script", "title", "Forged ceremony", "version", "1.0",
                      "sha256", script_sha, "policy", "title", "Forged policy", "version", "1.0", "sha256", policy_sha, "subscriber", "name", "Example Ltd", "country", "DE",
                      "registration", "HRB 1", "algorithm", "ec-p256", "label", FORGE_LABEL, "subject", FORGE_SUBJECT, "presence",
                      strstr (f->policy_text, "presence: unplug") ? "unplug" : "none", "challenge_commitment", uncommitted (f) ? json_null () : json_string (commitment),
                      "program", program_json (), "appliance", "note_key", note, "certificate_sha256", cert_sha, "clock", clock_json (f), "terminal", "cols", 80, "rows", 24,
                      "place", "Berlin", "region", "EU");
    forge_emit (f, "ceremony.opened", "appliance", data);
}

static void
act_consent (Forge *f)
{
    g_autofree char *hash = sha256_hex ("We agree.", 9);

    forge_emit (f, "consent.given", "operator", json_pack ("{s:s, s:s}", "role", "operator", "text_sha256", hash));
    forge_emit (f, "consent.given", "witness", json_pack ("{s:s, s:s}", "role", "witness", "text_sha256", hash));
}

static void
act_identify (Forge *f)
{
    json_t *entry;
    gsize i;

    json_array_foreach (json_object_get (f->people, "people"), i, entry) {
        g_autofree char *text = cjson_encode (entry, NULL), *hash = sha256_hex (text, strlen (text));
        forge_emit (f, "person.identified", "appliance", json_pack ("{s:O, s:O, s:s}", "person", json_object_get (entry, "person"), "role",
                                                                    json_object_get (entry, "role"), "entry_sha256", hash));
    }
}

static void
act_clock (Forge *f)
{
    g_autofree char *wall = clock_format (f->base + f->mono);

    forge_emit (f, "clock.checked", "appliance", json_pack ("{s:s, s:s, s:b}", "wall", wall, "ntp", "synchronised", "confirmed", !f->weak_clock));
}

static void
act_represent (Forge *f)
{
    g_autofree char *hash = sha256_hex ("I represent.", 12);

    forge_emit (f, "representation.agreed", "operator", json_pack ("{s:s, s:s}", "text_sha256", hash, "person", "p1"));
}

static json_t *
token_json (const Forge *f)
{
    g_autofree char *hash = sha256_hex ("module", 6);

    return json_pack ("{s:{s:s, s:s, s:s, s:s, s:s}, s:{s:s}, s:{s:s, s:s, s:s, s:s, s:s, s:s, s:[], s:s}, s:s, s:[], s:[s]}", "module", "path", "/usr/lib/module.so", "sha256", hash,
                      "manufacturer", "Example", "description", "Example module", "version", "1.0", "slot", "description", "slot 0", "token", "label", "tok", "manufacturer",
                      "Example", "model", f->countersigned ? "T5" : "T1", "serial", "0123456789", "hardware", "1.0", "firmware", "2.0", "flags", "pin_state", "ok", "uri",
                      "pkcs11:token=tok;serial=0123456789", "mechanisms", "algorithms", "ec-p256");
}

static void
act_select_token (Forge *f)
{
    forge_emit (f, "token.found", "appliance", token_json (f));
    forge_emit (f, "token.unlocked", "operator", json_pack ("{s:s, s:b, s:s}", "uri", "pkcs11:token=tok;serial=0123456789", "pinpad", 0, "pin_state", "ok"));
}

static void
act_show_token (Forge *f)
{
    forge_emit (f, "token.shown", "witness", json_pack ("{s:s, s:b, s:s}", "serial", "0123456789", "matches", 1, "how", "held before the camera"));
}

static void
act_inventory (Forge *f)
{
    forge_emit (f, "token.inventoried", "appliance", json_pack ("{s:i, s:i, s:i, s:i, s:i, s:[], s:s}", "private_keys", 0, "public_keys", 0, "certificates", 0, "secret_keys", 0,
                                                                "data", 0, "objects", "shared", "sole"));
}

static void
act_absent (Forge *f)
{
    forge_emit (f, "key.absent", "appliance", json_pack ("{s:s, s:i}", "label", FORGE_LABEL, "with_label", 0));
}

static void
act_open (Forge *f)
{
    guint64 size = f->events->len;

    const char *note = forge_checkpoint (f);

    forge_emit (f, "opening.committed", "appliance", root_json (f, size));
    show_note (f, note, size);
}

static void
act_challenge (Forge *f)
{
    const Event *opening = NULL;
    const char *typed = "apple banana cherry dragon elephant";
    g_autofree char *hex = NULL, *words = NULL;
    json_t *data;

    for (guint i = 0; i < f->events->len; i++)
        if (g_str_equal (((Event *) f->events->pdata[i])->type, "opening.committed"))
            opening = f->events->pdata[i];
    if (f->words)
        g_assert_true (challenge_from_words (typed, f->challenge, NULL));
    else
        challenge_compute (f->ceremony, opening ? json_string_value (json_object_get (opening->data, "root")) : "", f->secret_bytes, f->challenge);
    hex = hex_encode (f->challenge, 8);
    words = pgp_words (f->challenge, 8);
    data = json_pack ("{s:s, s:o, s:s, s:s}", "source", f->words ? "words" : "secret", "checkpoint", opening ? json_deep_copy (opening->data) : root_json (f, 0), "challenge", hex,
                      "words", words);
    if (f->words)
        json_object_set_new (data, "typed", json_string (typed));
    forge_emit (f, "challenge.given", "witness", data);
}

static void
act_liveness (Forge *f)
{
    g_autofree char *hex = hex_encode (f->challenge, 8);

    forge_emit (f, "liveness.shown", "witness", json_pack ("{s:s, s:I, s:s}", "confirmed_by", "p2", "began_ms", (json_int_t) f->mono, "challenge", hex));
}

static void
act_generate (Forge *f)
{
    g_autoptr(GBytes) id = challenge_key_id (f->challenge, f->ceremony);
    g_autofree char *id_hex = hex_encode (g_bytes_get_data (id, NULL), 16), *spki = NULL, *hash = NULL;
    guint8 *der = NULL;
    int len;

    forge_emit (f, "key.generating", "appliance", json_pack ("{s:s, s:s, s:s, s:i}", "algorithm", "ec-p256", "label", FORGE_LABEL, "id", id_hex, "attempt", 1));
    f->key = EVP_EC_gen (f->group ? f->group : "P-256");
    len = i2d_PUBKEY (f->key, &der);
    spki = base64_encode (der, len);
    hash = sha256_hex (der, len);
    OPENSSL_free (der);
    forge_emit (f, "key.generated", "appliance",
                json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s, s:[], s:i, s:{s:i, s:i, s:i, s:i}, s:b}", "algorithm", "ec-p256", "label", FORGE_LABEL, "id", id_hex, "mechanism",
                           "CKM_EC_KEY_PAIR_GEN", "spki_sha256", hash, "spki", spki, "tried", "ms", 12, "found", "private_with_label", 1, "private_with_id", 1,
                           "public_with_label", 1, "public_with_id", 1, "recovered", 0));
}

static void
read_attributes (Forge *f, const char *occasion)
{
    static const char *const yes[] = { "cka_token", "cka_private", "cka_sensitive", "cka_always_sensitive", "cka_never_extractable", "cka_local" };
    g_autoptr(GBytes) id = challenge_key_id (f->challenge, f->ceremony);
    g_autofree char *id_hex = hex_encode (g_bytes_get_data (id, NULL), 16);
    json_t *private = json_object ();

    for (gsize i = 0; i < G_N_ELEMENTS (yes); i++)
        json_object_set_new (private, yes[i], json_pack ("{s:b}", "value", 1));
    json_object_set_new (private, "cka_extractable", json_pack ("{s:b}", "value", 0));
    json_object_set_new (private, "cka_key_gen_mechanism", json_pack ("{s:s}", "value", "CKM_EC_KEY_PAIR_GEN"));
    json_object_set_new (private, "cka_id", json_pack ("{s:s}", "value", id_hex));
    json_object_set_new (private, "cka_unique_id", json_pack ("{s:s}", "error", "unavailable"));
    forge_emit (f, "attributes.read", "appliance", json_pack ("{s:s, s:o, s:{}}", "occasion", occasion, "private", private, "public"));
}

static void
act_attributes (Forge *f)
{
    read_attributes (f, "generation");
}

static GBytes *
sign_text (EVP_PKEY *key, const char *text)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    guint8 sig[512];
    gsize len = sizeof sig;

    g_assert_cmpint (EVP_DigestSignInit (ctx, NULL, EVP_sha256 (), NULL, key), ==, 1);
    g_assert_cmpint (EVP_DigestSign (ctx, sig, &len, (const guint8 *) text, strlen (text)), ==, 1);
    EVP_MD_CTX_free (ctx);
    return g_bytes_new (sig, len);
}

static void
prove (Forge *f, const guint8 *nonce, gsize nonce_len)
{
    guint64 size = f->events->len;
    g_autofree char *text = possession_text (nonce, nonce_len, forge_checkpoint (f)), *hash = sha256_hex (text, strlen (text)), *nonce_hex = hex_encode (nonce, nonce_len);
    GBytes *sig = sign_text (f->key, text);
    g_autofree char *sig_hash = sha256_hex (g_bytes_get_data (sig, NULL), g_bytes_get_size (sig));
    g_autofree char *text_name = g_strdup_printf ("key/possession-%u.txt", ++f->possessions), *sig_name = g_strdup_printf ("key/possession-%u.sig", f->possessions);

    forge_emit (f, "key.using", "appliance", json_pack ("{s:i, s:s, s:s}", "use", ++f->uses, "purpose", "possession", "digest", hash));
    forge_emit (f, "key.used", "appliance", json_pack ("{s:i, s:s}", "use", f->uses, "signature_sha256", sig_hash));
    forge_emit (f, "possession.proved", "appliance",
                json_pack ("{s:i, s:s, s:o, s:s, s:s, s:s, s:s}", "n", f->possessions, "nonce", nonce_hex, "checkpoint", root_json (f, size), "text_sha256", hash,
                           "signature_sha256", sig_hash, "mechanism", "CKM_ECDSA", "hash", "SHA-256"));
    put (f->items, text_name, g_bytes_new (text, strlen (text)));
    put (f->items, sig_name, sig);
}

static void
act_prove (Forge *f)
{
    prove (f, f->challenge, 8);
}

static GBytes *
bio_bytes (BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data (bio, &data);
    GBytes *bytes = g_bytes_new (data, len);

    BIO_free (bio);
    return bytes;
}

static X509_REQ *
make_request_with (Forge *f, EVP_PKEY *key)
{
    X509_REQ *request = X509_REQ_new ();
    X509_NAME *name = X509_REQ_get_subject_name (request);
    static const char *const parts[][2] = { { "C", "DE" }, { "O", "Example Ltd" }, { "CN", "Forged Example" } };

    for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
        X509_NAME_add_entry_by_txt (name, parts[i][0], MBSTRING_UTF8, (const guint8 *) parts[i][1], -1, -1, 0);
    X509_REQ_set_pubkey (request, key);
    if (f && f->on_request)
        f->on_request (f, request);
    g_assert_cmpint (X509_REQ_sign (request, key, EVP_sha256 ()), >, 0);
    return request;
}

G_GNUC_UNUSED static X509_REQ *
make_request (EVP_PKEY *key)
{
    return make_request_with (NULL, key);
}

static void
act_request (Forge *f)
{
    EVP_PKEY *key = f->other_request_key ? EVP_EC_gen ("P-256") : f->key;
    X509_REQ *request = make_request_with (f, key);
    BIO *csr = BIO_new (BIO_s_mem ()), *public = BIO_new (BIO_s_mem ());
    const ASN1_BIT_STRING *bits;
    guint8 *der = NULL, *spki = NULL;
    int len = i2d_X509_REQ (request, &der), spki_len = i2d_PUBKEY (key, &spki);
    g_autofree char *hash = sha256_hex (der, len), *spki_hash = sha256_hex (spki, spki_len), *sig_hash = NULL;

    X509_REQ_get0_signature (request, &bits, NULL);
    sig_hash = sha256_hex (bits->data, bits->length);
    PEM_write_bio_X509_REQ (csr, request);
    PEM_write_bio_PUBKEY (public, key);
    forge_emit (f, "key.using", "appliance", json_pack ("{s:i, s:s, s:n}", "use", ++f->uses, "purpose", "request", "digest"));
    forge_emit (f, "key.used", "appliance", json_pack ("{s:i, s:s}", "use", f->uses, "signature_sha256", sig_hash));
    forge_emit (f, "request.made", "appliance", json_pack ("{s:s, s:s, s:s}", "csr_sha256", hash, "spki_sha256", spki_hash, "subject", FORGE_SUBJECT));
    f->csr = bio_bytes (csr);
    put (f->items, "key/request.csr", g_bytes_ref (f->csr));
    put (f->items, "key/public.pem", bio_bytes (public));
    OPENSSL_free (der);
    OPENSSL_free (spki);
    X509_REQ_free (request);
    if (f->other_request_key)
        EVP_PKEY_free (key);
}

static void
act_attest (Forge *f)
{
    if (f->on_attest)
        f->on_attest (f);
}

static const char facts_yaml[] =
    "format: ceremony/signing-service/v1\n"
    "declared_by: Head of keys\n"
    "service: {name: Example Signing, operator: Example Signing GmbH, country: DE}\n"
    "authentication: {kind: multi-factor, description: passkeys, tokens_represented: true}\n"
    "module: {vendor: Example, model: T5, scheme: FIPS 140-3, level: 3, certificate: 5}\n"
    "isolation: {kind: partition, description: one each}\n"
    "audit: {criteria: WebTrust, auditor: Example Audit LLP, period_from: 2025-10-01, period_to: 2026-09-30}\n"
    "redundancy: {kind: cluster, description: two of them}\n"
    "recovery: {kind: none, description: none}\n";

/* The facts as they are, or as a lie has them: these are declared whatever they say. */
static json_t *
facts_make (Forge *f)
{
    g_autoptr(GError) error = NULL;
    json_t *facts = declaration_facts ("facts", facts_yaml, strlen (facts_yaml), &error);

    g_assert_no_error (error);
    if (f->on_facts)
        f->on_facts (facts);
    return facts;
}

/* Tells of @true_signature, with the digests of what lies in its place. */
static void
tell_countersigned (Forge *f, GBytes *true_signature, GBytes *signature, GBytes *declaration, const json_t *json)
{
    const void *p7s = g_bytes_get_data (true_signature, NULL);
    g_autoptr(Cades) cades = cades_verify_countersignature (p7s, g_bytes_get_size (true_signature), g_bytes_get_data (f->csr, NULL), g_bytes_get_size (f->csr), NULL);
    json_t *data;

    g_assert_nonnull (cades);
    data = countersignature_describe (cades, json, signature, declaration);
    json_object_set_new (data, "how", json_string ("brought"));
    forge_emit (f, "request.countersigned", "appliance", data);
}

/* As the act does it, but that a lie may change the files between. */
static void
act_countersign (Forge *f)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) facts = facts_make (f), json = NULL;
    g_autoptr(GBytes) signature = NULL, declaration = NULL;
    GBytes *true_signature, *true_declaration;

    g_assert_true (countersign (f->csr, facts, f->service_signer ? f->service_signer : f->world->service, NULL, &true_signature, &true_declaration, &error));
    g_assert_no_error (error);
    json = cjson_parse (g_bytes_get_data (true_declaration, NULL), g_bytes_get_size (true_declaration), &error);
    g_assert_no_error (error);
    signature = g_bytes_ref (true_signature);
    declaration = g_bytes_ref (true_declaration);
    if (!f->on_countersignature || f->on_countersignature (f, &signature, &declaration)) {
        tell_countersigned (f, true_signature, signature ? signature : true_signature, declaration ? declaration : true_declaration, json);
        if (signature)
            put (f->items, "key/request.p7s", g_bytes_ref (signature));
        if (declaration)
            put (f->items, "key/declaration.json", g_bytes_ref (declaration));
    }
    g_bytes_unref (true_signature);
    g_bytes_unref (true_declaration);
}

static void
act_unplug (Forge *f)
{
    guint8 nonce[16];

    memset (nonce, 0x77, sizeof nonce);
    forge_emit (f, "token.removed", "appliance", json_pack ("{s:[{s:i, s:s, s:s}], s:s}", "observed", "ms", 10, "what", "slot-event", "detail", "removed", "serial", "0123456789"));
    forge_emit (f, "token.returned", "appliance", json_pack ("{s:[{s:i, s:s, s:s}], s:s}", "observed", "ms", 20, "what", "token-present", "detail", "", "serial", "0123456789"));
    forge_emit (f, "token.unlocked", "operator", json_pack ("{s:s, s:b, s:s}", "uri", "pkcs11:token=tok;serial=0123456789", "pinpad", 0, "pin_state", "ok"));
    read_attributes (f, "unplug");
    prove (f, nonce, sizeof nonce);
}

static void
act_fingerprint (Forge *f)
{
    guint8 *der = NULL, digest[32];
    int len = i2d_PUBKEY (f->key, &der);
    g_autofree char *hash = sha256_hex (der, len), *words = NULL;

    sha256 (der, len, digest);
    words = pgp_words (digest, 16);
    OPENSSL_free (der);
    forge_emit (f, "fingerprint.read", "operator", json_pack ("{s:s, s:s}", "spki_sha256", hash, "words", words));
}

static const struct { const char *act; void (*carry_out) (Forge *f); } forge_acts[] = {
    { "consent", act_consent }, { "identify", act_identify }, { "clock", act_clock }, { "represent", act_represent }, { "select-token", act_select_token },
    { "show-token", act_show_token }, { "inventory", act_inventory }, { "absent", act_absent }, { "open", act_open }, { "challenge", act_challenge },
    { "liveness", act_liveness }, { "generate", act_generate }, { "attributes", act_attributes }, { "prove", act_prove }, { "request", act_request },
    { "attest", act_attest }, { "countersign", act_countersign }, { "unplug", act_unplug }, { "fingerprint", act_fingerprint },
};

static void
carry_out (Forge *f, const ScriptStep *step)
{
    gboolean skipped = g_str_equal (step->act, "unplug") && !f->unplugged;

    g_free (f->step);
    f->step = g_strdup (step->id);
    f->step_index++;
    if (skipped) {
        forge_emit (f, "step.skipped", "appliance", json_pack ("{s:s, s:s}", "act", step->act, "reason", "the policy asks for no unplugging"));
        return;
    }
    forge_emit (f, "step.begun", "appliance", json_pack ("{s:s, s:i}", "act", step->act, "n", f->step_index));
    for (gsize i = 0; i < G_N_ELEMENTS (forge_acts); i++)
        if (g_str_equal (forge_acts[i].act, step->act))
            forge_acts[i].carry_out (f);
    for (gsize i = 0; step->confirm[i]; i++)
        forge_emit (f, "step.confirmed", step->confirm[i], json_pack ("{s:s, s:s}", "role", step->confirm[i], "person",
                                                                      f->step_index == 1 ? "" : g_str_equal (step->confirm[i], "operator") ? "p1" : "p2"));
    if (f->on_step)
        f->on_step (f, step->act);
    forge_emit (f, "step.done", "appliance", json_pack ("{s:s}", "act", step->act));
    record_chunk (f, FALSE);
    show_qr (f);
    if (f->interrupted && g_str_equal (step->act, "request"))
        interrupt (f);
}

static void
hold (Forge *f)
{
    open_ceremony (f);
    start_part (f);
    show_qr (f);
    for (guint i = 0; i < f->script_parsed->steps->len; i++)
        carry_out (f, f->script_parsed->steps->pdata[i]);
    g_free (f->step);
    f->step = g_strdup ("");
    forge_emit (f, "recording.closing", "appliance", json_pack ("{s:s}", "outcome", "completed"));
    show_qr (f);
    record_chunk (f, FALSE);
    close_part (f);
    forge_emit (f, "ceremony.closed", "appliance",
                json_pack ("{s:s, s:s, s:i, s:O}", "outcome", "completed", "reason", "", "uses", f->uses, "parts", f->parts));
    forge_checkpoint (f);
}

/* ---- sealing ---- */

static GBytes *
sign_manifest (const void *manifest, gsize len, gpointer user_data, GError **error)
{
    return cades_sign (user_data, manifest, len, error);
}

static void
add_text (GPtrArray *items, const char *name, const char *text)
{
    put (items, name, g_bytes_new (text, strlen (text)));
}

static void
add_json (GPtrArray *items, const char *name, const json_t *json)
{
    g_autoptr(GError) error = NULL;
    char *text = cjson_encode (json, &error);

    g_assert_no_error (error);
    put (items, name, g_bytes_new_take (text, strlen (text)));
}

/* Evidence as the liar would write it: where the events contradict each other in their count of uses or their parts, by what fits. */
static json_t *
lie_evidence (Forge *f)
{
    const char *note = f->notes->pdata[f->notes->len - 1];
    g_autoptr(GError) error = NULL;
    json_t *evidence = evidence_build (f->events, note, &error);
    Event *closed = f->events->pdata[f->events->len - 1];
    json_t *kept = closed->data;
    guint uses = 0;

    if (evidence)
        return evidence;
    g_clear_error (&error);
    for (guint i = 0; i < f->events->len; i++)
        uses += g_str_equal (((Event *) f->events->pdata[i])->type, "key.using");
    closed->data = json_deep_copy (kept);
    json_object_set_new (closed->data, "uses", json_integer (uses));
    json_object_set (closed->data, "parts", f->all_parts);
    evidence = evidence_build (f->events, note, &error);
    g_assert_no_error (error);
    json_decref (closed->data);
    closed->data = kept;
    return evidence;
}

static json_t *
close_evidence (Forge *f, const char *path)
{
    g_autoptr(GError) error = NULL;
    json_t *evidence = lie_evidence (f);
    g_autoptr(GString) notes = g_string_new (NULL);

    for (guint i = 0; i < f->notes->len; i++)
        g_string_append_printf (notes, "%s%s", i ? "--\n" : "", (char *) f->notes->pdata[i]);
    add_json (f->items, "evidence.json", evidence);
    add_json (f->items, "people.json", f->people);
    add_text (f->items, "script.yaml", f->script);
    add_text (f->items, "policy.yaml", f->policy_text);
    add_text (f->items, "journal/events.jsonl", f->lines->str);
    add_text (f->items, "journal/checkpoints.txt", notes->str);
    if (f->order_json) {
        put (f->items, "order/order.json", g_bytes_ref (f->order_json));
        put (f->items, "order/ASiCManifest001.xml", g_bytes_ref (f->order_manifest));
        put (f->items, "order/signature001.p7s", g_bytes_ref (f->order_p7s));
    }
    if (f->on_files)
        f->on_files (f, f->items);
    remove (path);
    g_assert_true (asice_create (path, f->items, sign_manifest, NULL, f->appliance_signer ? f->appliance_signer : f->world->appliance, &error));
    g_assert_no_error (error);
    return evidence;
}

static json_t *
digests_of (const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Asice) asice = asice_open (path, &error);
    json_t *digests;

    g_assert_no_error (error);
    digests = asice_signature_digests (asice, &error);
    g_assert_no_error (error);
    return digests;
}

static void
seal (Forge *f, const char *path, const json_t *evidence)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) items = asice_items_new ();
    g_autoptr(json_t) digests = digests_of (path), statement = NULL;
    g_autofree char *secret = hex_encode (f->secret_bytes, 32), *line = g_strdup_printf ("%s\n", f->secret ? f->secret : secret);
    g_autoptr(json_t) witness = json_pack ("{s:s, s:s, s:s, s:s}", "name", "Wanda Witness", "employer", "Example CA", "qualification", "CISA", "approval", "A-1");
    StatementInput input = { .opinion = f->opinion, .remarks = "", .not_seen = f->not_seen ? f->not_seen : "", .place = "Berlin", .region = "EU", .retention = "2030-01-01",
                             .key_place = f->key_place, .witness = witness, .signed_at = clock_wall_ms () };

    statement = statement_build (f->events, evidence, f->people, f->order, f->words ? NULL : f->secret ? f->secret : secret, digests, &input, &error);
    g_assert_no_error (error);
    if (f->on_statement)
        f->on_statement (f, statement);
    add_json (items, "statement.json", statement);
    if (!f->words)
        add_text (items, "witness/challenge-secret", line);
    g_assert_true (asice_append (path, items, sign_manifest, NULL, f->witness_signer ? f->witness_signer : f->world->witness, &error));
    g_assert_no_error (error);
}

static void
decide_on (Forge *f, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) items = asice_items_new ();
    g_autofree char *now = clock_format (clock_wall_ms ());
    g_autoptr(json_t) decision = json_pack ("{s:s, s:s, s:s, s:s, s:s, s:o, s:{}}", "format", "ceremony/decision/v1", "role", "reviewer", "decision", f->decision ? f->decision : "accept", "reason", "",
                                            "signed_at", now, "signatures", digests_of (path), "verdict");

    add_json (items, "decision.json", decision);
    g_assert_true (asice_append (path, items, sign_manifest, NULL, f->reviewer_signer ? f->reviewer_signer : f->world->reviewer, &error));
    g_assert_no_error (error);
}

/* The script, with the steps that not every ceremony has. */
static char *
script_make (const Forge *f)
{
    const char *request = strstr (script_yaml, "  - {id: request"), *unplug = strstr (script_yaml, "  - {id: unplug");

    return g_strdup_printf ("%.*s%s%.*s%s%s%s", (int) (request - script_yaml), script_yaml, f->on_attest ? "  - {id: attest, title: Attest, act: attest}\n" : "",
                            (int) (unplug - request), request, f->countersigned ? "  - {id: countersign, title: Countersign, act: countersign}\n" : "",
                            f->more_steps ? f->more_steps : "", unplug);
}

char *
forge_bundle (Forge *f)
{
    char *path = g_build_filename (f->world->dir, "bundle.asice", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) evidence = NULL;

    f->script = script_make (f);
    f->script_parsed = script_parse ("script.yaml", f->script, strlen (f->script), &error);
    g_assert_no_error (error);
    if (f->countersigned && !f->countersigned_late)
        f->base = clock_wall_ms () - 120000;
    f->policy_text = policy_make (f->policy);
    if (!f->no_order)
        order_sign (f);
    hold (f);
    evidence = close_evidence (f, path);
    if (!f->unsealed)
        seal (f, path, evidence);
    if (f->decided)
        decide_on (f, path);
    return path;
}

GBytes *
forge_bytes (Forge *f)
{
    g_autofree char *path = forge_bundle (f);
    g_autoptr(GError) error = NULL;
    GBytes *bytes = file_read (path, G_MAXINT, &error);

    g_assert_no_error (error);
    return bytes;
}

/* What the check @id said. */
G_GNUC_UNUSED static const CheckOutcome *
outcome (const Verdict *verdict, const char *id)
{
    for (guint i = 0; i < verdict->outcomes->len; i++)
        if (g_str_equal (((const CheckOutcome *) verdict->outcomes->pdata[i])->id, id))
            return verdict->outcomes->pdata[i];
    g_error ("no check %s", id);
}
