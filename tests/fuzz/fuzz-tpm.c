/* A TPM's structures, a credential, a request for one: what comes from a stranger's TPM and from a mail. */
#include "ceremony/attest/credential.h"
#include "ceremony/attest/tpm-blob.h"
#include <openssl/ec.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
read_all (const guint8 *data, gsize size)
{
    static EVP_PKEY *key;
    g_autoptr (GBytes) bytes = g_bytes_new (data, size), id = NULL, shared = NULL;
    g_autoptr (GError) error = NULL;
    TpmPublic public;
    TpmAttest quote;
    if (key == NULL)
        key = EVP_EC_gen ("P-256");
    if (tpm_public_read (data, size, &public)) {
        g_assert_cmpuint (g_bytes_get_size (public.name), >, 2);
        tpm_public_clear (&public);
    }
    if (tpm_attest_read (data, size, &quote))
        g_assert_true (quote.extra.n + quote.name.n <= size);
    g_assert_false (tpm_signature_holds (bytes, bytes, key));
    gboolean read = credential_read (bytes, &id, &shared, &error);
    g_assert_true (read == (error == NULL));
    if (read)
        g_assert_cmpuint (g_bytes_get_size (id) + g_bytes_get_size (shared) + 8, ==, size);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL;
    read_all (data, size);
    if (size > 2)
        read_all (data + 2, size - 2);          /* without a TPM2B's size */
    CredentialRequest *request = credential_request_parse (data, size, &error);
    g_assert_true ((request == NULL) == (error != NULL));
    credential_request_free (request);
    return 0;
}
