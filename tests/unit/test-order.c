/* Orders: fields, container, the parts in a bundle, and what must be refused. */
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/order.h"
#include <glib/gstdio.h>
#include <string.h>

static char *folder;
static Script *script;
static Policy *policy;
static Signer *signer;

static json_t *
good_order (void)
{
    g_autofree char *hex = sha256_hex ("x", 1), *key = base64_encode (hex, 32);
    return json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:{s:s, s:s, s:s}, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:n}, s:n, s:s, s:s}",
                      "format", "ceremony/order/v1", "id", "2026-0001", "ca_domain", "ca.example", "issued", "2026-11-23T20:31:07.412Z", "valid_from",
                      "2026-11-23T20:31:07.412Z", "valid_to", "2026-12-23T20:31:07.412Z", "rehearsal", 0, "subscriber", "name", "Käse GmbH", "country", "DE", "registration",
                      "HRB 1", "algorithm", "ec-p256", "label", "signing 2026", "subject", "CN=Käse GmbH", "script_sha256", script->sha256, "policy_sha256", policy->sha256,
                      "challenge_commitment", hex, "appliance", "note_key", key, "spki_sha256", hex, "witness", "name", "W. Itness", "employer", "Audit Ltd", "qualification",
                      "CISA", "approval", "A-17", "spki_sha256", "token_uri", "place", "Bonn", "region", "EU");
}

static void
test_round (void)
{
    g_autofree char *path = g_build_filename (folder, "o.asice", NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) json = good_order ();
    g_assert_true (order_write (path, json, script, policy, signer, &error));
    g_assert_no_error (error);
    g_autoptr (Order) order = order_open (path, &error);
    g_assert_no_error (error);
    g_assert_true (json_equal (order->json, json));
    g_assert_cmpstr (order->script->sha256, ==, script->sha256);
    g_assert_cmpstr (order->policy->sha256, ==, policy->sha256);
    g_autofree char *digest = sha256_hex (g_bytes_get_data (order->order_bytes, NULL), g_bytes_get_size (order->order_bytes));
    g_assert_cmpstr (order->sha256, ==, digest);
    g_assert_cmpint (X509_cmp (order->signature->signer, signer->cert), ==, 0);
    g_autoptr (Order) again = order_from_parts (order->order_bytes, order->manifest_bytes, order->signature_bytes, script->source, policy->source, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (again->sha256, ==, order->sha256);
    g_assert_null (order_from_parts (order->order_bytes, order->manifest_bytes, order->signature_bytes, policy->source, script->source, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_REFUSED);
    g_clear_error (&error);
    g_assert_false (order_write (path, json, script, policy, signer, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_EXISTS);
}

static void
refused (json_t *order, const char *says)
{
    g_autoptr (GError) error = NULL;
    gboolean ok = order_check (order, script, policy, &error);
    if (ok || strstr (error->message, says) == NULL)
        g_error ("%s: %s", says, ok ? "accepted" : error->message);
    json_decref (order);
}

static json_t *
with (const char *inside, const char *name, json_t *value)
{
    json_t *order = good_order ();
    json_object_set_new (inside != NULL ? json_object_get (order, inside) : order, name, value);
    return order;
}

static void
test_fields (void)
{
    g_autofree char *long_text = g_strnfill (300, 'x');
    refused (json_array (), "object");
    refused (json_object (), "format");
    refused (with (NULL, "format", json_string ("ceremony/order/v2")), "format");
    refused (with (NULL, "id", json_string ("a b")), "id");
    refused (with (NULL, "id", json_string ("")), "id");
    refused (with (NULL, "ca_domain", json_string ("CA.example")), "ca_domain");
    refused (with (NULL, "ca_domain", json_string ("ca..example")), "ca_domain");
    refused (with (NULL, "ca_domain", json_string ("localhost")), "ca_domain");
    refused (with (NULL, "issued", json_string ("yesterday")), "issued");
    refused (with (NULL, "valid_to", json_string ("2026-11-23T20:31:07.412Z")), "valid_to");
    refused (with (NULL, "valid_to", json_string ("2026-02-30T20:31:07.412Z")), "valid_to");
    refused (with (NULL, "rehearsal", json_string ("no")), "rehearsal");
    refused (with (NULL, "subscriber", json_null ()), "subscriber");
    refused (with ("subscriber", "name", json_string (long_text)), "subscriber.name");
    refused (with ("subscriber", "name", json_string ("a\nb")), "control");
    refused (with ("subscriber", "name", json_string ("a\u202eb")), "control");
    refused (with ("subscriber", "country", json_string ("de")), "country");
    refused (with ("subscriber", "vat", json_string ("1")), "subscriber.vat");
    refused (with (NULL, "algorithm", json_string ("rsa-1024")), "algorithm");
    refused (with (NULL, "label", json_string ("")), "label");
    refused (with (NULL, "script_sha256", json_string ("ab")), "script_sha256");
    refused (with (NULL, "script_sha256", json_string (policy->sha256)), "another script");
    refused (with (NULL, "policy_sha256", json_string (script->sha256)), "another policy");
    refused (with (NULL, "challenge_commitment", json_integer (1)), "challenge_commitment");
    refused (with ("appliance", "note_key", json_string ("AAAA")), "note_key");
    refused (with ("appliance", "spki_sha256", json_null ()), "spki_sha256");
    refused (with ("witness", "spki_sha256", json_string ("zz")), "witness.spki_sha256");
    refused (with (NULL, "token_uri", json_string ("pkcs11:token=x?pin-value=1234")), "without a PIN");
    refused (with (NULL, "token_uri", json_string ("file:x")), "token_uri");
    refused (with (NULL, "extra", json_true ()), "extra isn't a field");
}

static void
test_null_commitment (void)
{
    g_autoptr (json_t) order = with (NULL, "challenge_commitment", json_null ());
    PolicyChallenge was = policy->challenge;
    policy->challenge = CHALLENGE_WORDS;
    g_assert_true (order_check (order, script, policy, NULL));
    policy->challenge = CHALLENGE_SECRET;
    g_assert_false (order_check (order, script, policy, NULL));
    policy->challenge = was;
}

/* Any byte of an order flipped is noticed. */
static void
test_flips (void)
{
    g_autofree char *path = g_build_filename (folder, "flip.asice", NULL);
    g_autoptr (json_t) json = good_order ();
    g_assert_true (order_write (path, json, script, policy, signer, NULL));
    g_autoptr (GBytes) bytes = file_read (path, 1 << 20, NULL);
    gsize len;
    const guint8 *data = g_bytes_get_data (bytes, &len);
    g_autofree guint8 *changed = g_memdup2 (data, len);
    for (gsize i = 0; i < len; i += 13) {
        changed[i] ^= 0x04;
        g_assert_true (g_file_set_contents_full (path, (const char *) changed, (gssize) len, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
        g_autoptr (Order) order = order_open (path, NULL);
        g_assert_null (order);
        changed[i] ^= 0x04;
    }
}

static GBytes *
sign (const void *manifest, gsize len, gpointer user_data, GError **error)
{
    return cades_sign (signer, manifest, len, error);
}

/* A bundle isn't an order, and an order with a file more isn't one either. */
static void
test_other_containers (void)
{
    g_autofree char *path = g_build_filename (folder, "more.asice", NULL);
    g_autoptr (GPtrArray) items = asice_items_new ();
    g_autoptr (json_t) json = good_order ();
    g_autofree char *text = cjson_encode (json, NULL);
    g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));
    g_autoptr (GError) error = NULL;
    asice_items_add_bytes (items, "order.json", bytes);
    asice_items_add_bytes (items, "script.yaml", script->source);
    asice_items_add_bytes (items, "policy.yaml", policy->source);
    asice_items_add_bytes (items, "more", policy->source);
    g_assert_true (asice_create (path, items, sign, NULL, NULL, &error));
    g_assert_null (order_open (path, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    folder = g_dir_make_tmp ("order-XXXXXX", NULL);
    script = script_load ("scripts/code-signing.yaml", NULL);
    policy = policy_load ("scripts/default-policy.yaml", NULL);
    g_assert_nonnull (script);
    g_assert_nonnull (policy);
    signer = g_new0 (Signer, 1);
    signer->chain = sk_X509_new_null ();
    g_assert_true (signer_generate ("CA", 10, &signer->key, &signer->cert, NULL));
    g_test_add_func ("/order/round", test_round);
    g_test_add_func ("/order/fields", test_fields);
    g_test_add_func ("/order/null-commitment", test_null_commitment);
    g_test_add_func ("/order/flips", test_flips);
    g_test_add_func ("/order/other-containers", test_other_containers);
    int status = g_test_run ();
    file_remove_tree (folder, NULL);
    g_free (folder);
    script_free (script);
    policy_free (policy);
    signer_free (signer);
    return status;
}
