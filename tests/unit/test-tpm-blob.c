/* TPM structures alone: read whole, refused when cut at any byte or followed by one, and never read past their end. */
#include "attest-made.h"
#include "ceremony/attest/tpm-blob.h"

static EVP_PKEY *key, *rsa;

/* TPMT_PUBLIC of an RSA key: no symmetric, RSASSA with SHA-256. */
static GBytes *
rsa_public (guint32 attributes, guint32 exponent)
{
    GByteArray *out = g_byte_array_new ();
    BIGNUM *n = NULL;
    guint8 modulus[256];
    g_assert_true (EVP_PKEY_get_bn_param (rsa, "n", &n));
    BN_bn2binpad (n, modulus, sizeof modulus);
    BN_free (n);
    put16 (out, 0x0001);
    put16 (out, 0x000b);
    put32 (out, attributes);
    put16 (out, 0);
    put16 (out, 0x0010);
    put16 (out, 0x0014);
    put16 (out, 0x000b);
    put16 (out, 2048);
    put32 (out, exponent);
    put16 (out, 256);
    g_byte_array_append (out, modulus, sizeof modulus);
    return g_byte_array_free_to_bytes (out);
}

static GBytes *
attest (guint type)
{
    g_autoptr (GByteArray) out = g_byte_array_new ();
    g_autoptr (GBytes) extra = g_bytes_new_static ("qualifying", 10), name = g_bytes_new_static ("\0\x0bname", 6);
    put32 (out, 0xff544347);
    put16 (out, type);
    put_sized (out, name);
    put_sized (out, extra);
    for (int i = 0; i < 4; i++)
        put32 (out, (guint32) i + 1);
    g_byte_array_append (out, (const guint8 *) "\1", 1);
    put32 (out, 0x00010002);
    put32 (out, 0x00030004);
    put_sized (out, name);
    put_sized (out, extra);
    return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

typedef gboolean (*ReadFunc) (const void *data, gsize len);

static gboolean
reads_public (const void *data, gsize len)
{
    TpmPublic public = { 0 };
    if (!tpm_public_read (data, len, &public))
        return FALSE;
    tpm_public_clear (&public);
    return TRUE;
}

static gboolean
reads_attest (const void *data, gsize len)
{
    TpmAttest quote;
    return tpm_attest_read (data, len, &quote);
}

/* Each cut lies in a block of its own, so that a read past its end is seen under ASan. */
static void
check_ends (GBytes *whole, ReadFunc reads)
{
    gsize n;
    const guint8 *data = g_bytes_get_data (whole, &n);
    g_assert_true (reads (data, n));
    for (gsize len = 0; len < n; len++) {
        g_autofree guint8 *cut = g_memdup2 (data, len);
        g_assert_false (reads (cut, len));
    }
    g_autofree guint8 *longer = g_malloc0 (n + 1);
    memcpy (longer, data, n);
    g_assert_false (reads (longer, n + 1));
}

/* Every size that is said grown and shrunk. */
static void
check_sizes (GBytes *whole, ReadFunc reads, const gsize *places, gsize count)
{
    static const int by[] = { -1, 1, 255, 0xff00 };
    gsize n;
    const guint8 *data = g_bytes_get_data (whole, &n);
    for (gsize i = 0; i < count; i++)
        for (gsize k = 0; k < G_N_ELEMENTS (by); k++) {
            g_autofree guint8 *copy = g_memdup2 (data, n);
            guint size = (guint) (copy[places[i]] << 8 | copy[places[i] + 1]) + (guint) by[k];
            copy[places[i]] = (guint8) (size >> 8);
            copy[places[i] + 1] = (guint8) size;
            if (reads (copy, n))
                g_error ("the size at %zu changed by %d is read", places[i], by[k]);
        }
}

static void
test_ecc (void)
{
    static const gsize sizes[] = { 8, 20, 54 };
    g_autoptr (GBytes) area = tpm_public (key, KEY_ATTRS), spki = pki_spki (key), name = tpm_name (area);
    TpmPublic public;
    g_assert_true (tpm_public_read (g_bytes_get_data (area, NULL), g_bytes_get_size (area), &public));
    g_assert_cmphex (public.type, ==, 0x0023);
    g_assert_cmphex (public.attributes, ==, KEY_ATTRS);
    g_assert_true (g_bytes_equal (public.spki, spki) && g_bytes_equal (public.name, name));
    tpm_public_clear (&public);
    check_ends (area, reads_public);
    check_sizes (area, reads_public, sizes, G_N_ELEMENTS (sizes));
}

static void
test_rsa (void)
{
    static const gsize sizes[] = { 8, 22 };
    g_autoptr (GBytes) area = rsa_public (KEY_ATTRS, 0), spki = pki_spki (rsa), other = rsa_public (KEY_ATTRS, 3);
    TpmPublic public;
    g_assert_true (tpm_public_read (g_bytes_get_data (area, NULL), g_bytes_get_size (area), &public));
    g_assert_true (g_bytes_equal (public.spki, spki));                  /* exponent 0 is 65537 */
    tpm_public_clear (&public);
    g_assert_true (tpm_public_read (g_bytes_get_data (other, NULL), g_bytes_get_size (other), &public));
    g_assert_false (g_bytes_equal (public.spki, spki));
    tpm_public_clear (&public);
    check_ends (area, reads_public);
    check_sizes (area, reads_public, sizes, G_N_ELEMENTS (sizes));
}

/* Types, digests and curves that no signing key of ours has; a point that isn't on its curve. */
static void
test_strange (void)
{
    static const struct { gsize at; guint8 byte; } changes[] = { { 1, 0x08 }, { 1, 0x25 }, { 3, 0x04 }, { 3, 0x10 }, { 17, 0x06 }, { 17, 0x10 }, { 87, 0xff } };
    g_autoptr (GBytes) area = tpm_public (key, KEY_ATTRS);
    gsize n;
    const guint8 *data = g_bytes_get_data (area, &n);
    for (gsize i = 0; i < G_N_ELEMENTS (changes); i++) {
        g_autofree guint8 *copy = g_memdup2 (data, n);
        if (copy[changes[i].at] == changes[i].byte)
            copy[changes[i].at]--;
        else
            copy[changes[i].at] = changes[i].byte;
        if (reads_public (copy, n))
            g_error ("byte %zu as %02x is read", changes[i].at, changes[i].byte);
    }
}

static void
test_attest (void)
{
    static const gsize sizes[] = { 6, 14, 51, 59 };
    g_autoptr (GBytes) certify = attest (TPM_ST_CERTIFY), creation = attest (TPM_ST_CREATION), quote = attest (0x8018);
    TpmAttest out;
    gsize n;
    const guint8 *data = g_bytes_get_data (certify, &n);
    g_assert_true (tpm_attest_read (data, n, &out));
    g_assert_cmpmem (out.extra.p, out.extra.n, "qualifying", 10);
    g_assert_cmpmem (out.name.p, out.name.n, "\0\x0bname", 6);
    g_assert_cmphex (out.firmware, ==, G_GUINT64_CONSTANT (0x0001000200030004));
    g_assert_cmpuint (out.clock, ==, G_GUINT64_CONSTANT (0x0000000100000002));
    g_assert_cmpuint (out.resets, ==, 3);
    check_ends (certify, reads_attest);
    check_ends (creation, reads_attest);
    check_sizes (certify, reads_attest, sizes, G_N_ELEMENTS (sizes));
    g_assert_false (reads_attest (g_bytes_get_data (quote, NULL), g_bytes_get_size (quote)));
    g_autofree guint8 *magic = g_memdup2 (data, n);
    magic[0] = 0xfe;
    g_assert_false (reads_attest (magic, n));
}

static void
test_signature (void)
{
    g_autoptr (GBytes) body = attest (TPM_ST_CERTIFY), other = attest (TPM_ST_CREATION);
    g_autoptr (GByteArray) array = g_byte_array_new ();
    g_byte_array_append (array, g_bytes_get_data (body, NULL), (guint) g_bytes_get_size (body));
    g_autoptr (GBytes) sig = tpm_signature (key, array);
    gsize n;
    const guint8 *data = g_bytes_get_data (sig, &n);
    g_assert_true (tpm_signature_holds (sig, body, key));
    g_assert_false (tpm_signature_holds (sig, other, key));
    g_assert_false (tpm_signature_holds (sig, body, rsa));
    for (gsize len = 0; len <= n + 1; len++) {
        g_autofree guint8 *copy = g_malloc0 (len + 1);
        memcpy (copy, data, MIN (len, n));
        g_autoptr (GBytes) cut = g_bytes_new (copy, len);
        g_assert_cmpint (tpm_signature_holds (cut, body, key), ==, len == n);
    }
    for (gsize i = 0; i < n; i++) {
        g_autofree guint8 *copy = g_memdup2 (data, n);
        copy[i] ^= 1;
        g_autoptr (GBytes) bent = g_bytes_new (copy, n);
        g_assert_false (tpm_signature_holds (bent, body, key));
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    key = pki_ec ();
    rsa = EVP_RSA_gen (2048);
    g_test_add_func ("/tpm-blob/ecc", test_ecc);
    g_test_add_func ("/tpm-blob/rsa", test_rsa);
    g_test_add_func ("/tpm-blob/strange", test_strange);
    g_test_add_func ("/tpm-blob/attest", test_attest);
    g_test_add_func ("/tpm-blob/signature", test_signature);
    int status = g_test_run ();
    EVP_PKEY_free (key);
    EVP_PKEY_free (rsa);
    return status;
}
