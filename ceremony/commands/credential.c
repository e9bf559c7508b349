/* ceremony challenge credential: the witness seals a secret to the keys of the TPM that the ceremony's appliance shows, without a TPM of their own. */
#include "ceremony/attest/credential.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/order.h"
#include "ceremony/commands/challenge.h"
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *secret, *request, *out, *order, *trust, *vendors;
    GPtrArray  *chain;                          /* paths of intermediate certificates */
    gboolean    json;
} Options;

static gboolean
read_options (int argc, char **argv, Options *o)
{
    const struct { const char *name, **value; } table[] = {
        { "--secret-file", &o->secret }, { "--request", &o->request }, { "-o", &o->out }, { "--order", &o->order }, { "--trust", &o->trust }, { "--vendors", &o->vendors },
    };
    for (int i = 2; i < argc; i++) {
        gsize n = 0;
        while (n < G_N_ELEMENTS (table) && strcmp (argv[i], table[n].name) != 0)
            n++;
        if (n < G_N_ELEMENTS (table) && i + 1 < argc)
            *table[n].value = argv[++i];
        else if (strcmp (argv[i], "--chain") == 0 && i + 1 < argc)
            g_ptr_array_add (o->chain, argv[++i]);
        else if (strcmp (argv[i], "--json") == 0)
            o->json = TRUE;
        else
            return FALSE;
    }
    return o->secret && o->request && o->out;
}

static CredentialRequest *
read_request (const char *path, GError **error)
{
    g_autoptr (GBytes) file = file_read (path, CREDENTIAL_REQUEST_MAX_LEN, error);
    CredentialRequest *request = file ? credential_request_parse (g_bytes_get_data (file, NULL), g_bytes_get_size (file), error) : NULL;
    if (file && !request)
        g_prefix_error (error, "%s: ", path);
    if (request == NULL || request->ak_fit)
        return request;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "%s: the key in it isn't a TPM's attestation key (restricted, made inside, unable to leave): nothing is sealed to it", path);
    credential_request_free (request);
    return NULL;
}

/* The order commits to this secret, else what is sealed proves nothing to whoever verifies. */
static gboolean
check_order (const char *path, const guint8 secret[32], GError **error)
{
    g_autoptr (Order) order = path ? order_open (path, error) : NULL;
    g_autofree char *commitment = sha256_hex (secret, 32);
    if (path == NULL || order == NULL)
        return path == NULL;
    if (g_strcmp0 (cjson_str (order->json, "challenge_commitment", NULL), commitment) == 0)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the order doesn't commit to this secret: another order, or another secret?");
    return FALSE;
}

static GPtrArray *
read_chain (const Options *o, GError **error)
{
    g_autoptr (GPtrArray) inputs = attest_inputs_new ();
    for (guint i = 0; i < o->chain->len; i++) {
        g_autoptr (GBytes) file = file_read (o->chain->pdata[i], ATTEST_MAX_INPUT_LEN, error);
        if (file == NULL)
            return NULL;
        g_ptr_array_add (inputs, attest_input_new (o->chain->pdata[i], file));
    }
    return g_steal_pointer (&inputs);
}

/* Where the witness names whom to believe, the endorsement certificate must lead there. */
static gboolean
check_maker (const Options *o, const CredentialRequest *request, GError **error)
{
    g_autofree char *path = o->vendors ? g_strdup (o->vendors) : attest_anchors_default_path (), *folder = o->trust ? g_build_filename (o->trust, "vendor", NULL) : NULL, *why = NULL;
    if (o->vendors == NULL && o->trust == NULL)
        return TRUE;
    g_autoptr (AttestAnchors) anchors = attest_anchors_load_with (path, folder, error);
    g_autoptr (GPtrArray) chain = anchors ? read_chain (o, error) : NULL;
    if (chain == NULL)
        return FALSE;
    if (credential_ek_trusted (request->ek_certificate, chain, anchors, &why))
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the endorsement certificate isn't of a TPM maker whom you believe (use tpm2-ek in TRUST/vendor): %s", why);
    return FALSE;
}

static void
tell (const Options *o, const CredentialRequest *request, const guint8 secret[32])
{
    g_autofree char *name = hex_encode (g_bytes_get_data (request->ak_name, NULL), g_bytes_get_size (request->ak_name)), *ek = hex_encode (request->ek_spki_sha256, SHA256_LEN);
    g_autofree char *commitment = sha256_hex (secret, 32);
    gboolean checked = o->vendors || o->trust;
    if (o->json) {
        g_autoptr (json_t) answer = json_pack ("{s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "file", o->out, "ceremony", request->ceremony, "ak_name", name, "ek_spki_sha256", ek,
                                               "challenge_commitment", commitment, "maker_checked", checked, "order_checked", o->order != NULL);
        g_autofree char *text = cjson_encode (answer, NULL);
        puts (text);
        return;
    }
    printf ("The credential is in %s: give it to the operator, and keep the secret to yourself until the statement.\n\n  ceremony         %s\n  endorsement key  %s%s\n"
            "  attestation key  %s\n", o->out, request->ceremony, ek, checked ? ", of a maker whom you believe" : " (its maker wasn't checked: give --trust)", name);
}

static gboolean
make (const Options *o, GError **error)
{
    guint8 secret[32], sealed[CREDENTIAL_SECRET_LEN];
    g_autoptr (CredentialRequest) request = read_request (o->request, error);
    if (request == NULL || !challenge_read_secret (o->secret, secret, error))
        return FALSE;
    gboolean ok = check_order (o->order, secret, error) && check_maker (o, request, error);
    credential_secret (secret, request->ceremony, request->ek_spki_sha256, request->ak_name, sealed);
    g_autoptr (GBytes) file = ok ? credential_make (request->ek, request->ak_name, sealed, error) : NULL;
    ok = file && file_write (o->out, g_bytes_get_data (file, NULL), g_bytes_get_size (file), 0600, FALSE, error);
    if (ok)
        tell (o, request, secret);
    explicit_bzero (secret, sizeof secret);
    explicit_bzero (sealed, sizeof sealed);
    return ok;
}

int
challenge_credential (int argc, char **argv)
{
    g_autoptr (GPtrArray) chain = g_ptr_array_new ();
    g_autoptr (GError) error = NULL;
    Options o = { .chain = chain };
    if (!read_options (argc, argv, &o))
        return -1;
    return make (&o, &error) ? 0 : challenge_fail (error);
}
