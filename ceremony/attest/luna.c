/* Thales Luna public key confirmation (PKC): a PKCS#7 of certificates whose leaf carries the confirmed key. A Luna issues one only for a
 * private key that was made in a Luna and can't leave its cryptographic boundary (cmu getpkc). Each level of the chain has its own
 * extended key usage, 1.3.6.1.4.1.12383.1.N. A PKC says nothing of cloning domains: threat model. */
#include "ceremony/attest/vendor.h"
#include "ceremony/base/der.h"
#include <openssl/x509v3.h>
#include <string.h>

#define USAGE "1.3.6.1.4.1.12383.1."
#define FIELD "1.3.6.1.4.1.12383.2."

/* Who may sign whom, leaf first; the anchor stands above the last. RSA: proof of origin, device authentication, hardware origin,
 * manufacturing integrity. ECC: proof of origin, hardware origin. */
static const char *const rsa_levels[] = { USAGE "13", USAGE "12", USAGE "8", USAGE "7" };
static const char *const ecc_levels[] = { USAGE "13", USAGE "15" };

static gboolean
has_usage (const AttestCert *cert, const char *oid)
{
    EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i (cert->x, NID_ext_key_usage, NULL, NULL);
    char text[80] = "";
    gboolean only = eku && sk_ASN1_OBJECT_num (eku) == 1;
    if (only)
        OBJ_obj2txt (text, sizeof text, sk_ASN1_OBJECT_value (eku, 0), 1);
    EXTENDED_KEY_USAGE_free (eku);
    return only && g_str_equal (text, oid);
}

static gboolean
read_u32 (const AttestCert *cert, const char *oid, guint32 *value)
{
    gsize len;
    guint n;
    const guint8 *p = cert_extension (cert, oid, &len, &n);
    if (!p || len != 4)
        return FALSE;
    *value = (guint32) p[0] | (guint32) p[1] << 8 | (guint32) p[2] << 16 | (guint32) p[3] << 24;
    return TRUE;
}

static gboolean
levels_hold (const Chain *chain, const char *const *levels, guint n)
{
    gboolean ok = chain->path->len == n;
    for (guint i = 0; ok && i < n; i++)
        ok = has_usage (chain->path->pdata[i], levels[i]);
    return ok;
}

/* The name of the certificate that signs keys ends in the serial number: "521174", "Luna K7-521174". */
static void
check_device (AttestResult *claim, const AttestCert *device)
{
    g_autofree char *cn = cert_cn (device);
    const char *dash = cn ? strrchr (cn, '-') : NULL;
    const char *number = dash ? dash + 1 : cn;
    claim->model = dash ? g_strndup (cn, (gsize) (dash - cn)) : g_strdup ("Luna");
    if (!number || !claim->serial || !g_str_equal (number, claim->serial))
        claim_refuse (claim, "the attestation names serial number %s, the device's certificate %s", claim->serial ? claim->serial : "none",
                      number ? number : "none");
    guint32 serial;
    if (read_u32 (device, FIELD "1", &serial)) {
        g_autofree char *text = g_strdup_printf ("%u", serial);
        if (g_strcmp0 (text, claim->serial) != 0)
            claim_refuse (claim, "the attestation names serial number %s, the device's certificate %s", claim->serial ? claim->serial : "none", text);
    }
}

static void
read_leaf (AttestResult *claim, const AttestCert *leaf)
{
    guint32 value;
    if (read_u32 (leaf, FIELD "1", &value))
        claim->serial = g_strdup_printf ("%u", value);
    /* Major version in the high half; 84 in the low half is 8.4 of "7.8.4". */
    if (read_u32 (leaf, FIELD "3", &value))
        claim->firmware = g_strdup_printf ("%u.%u.%u", value >> 16, (value & 0xffff) / 10, (value & 0xffff) % 10);
    g_autofree char *cn = cert_cn (leaf);
    claim_set_str (claim, "object_id", cn);
}

static void
judge (AttestJob *job, const AttestCert *leaf)
{
    static const char *const critical[] = { "2.5.29.37", NULL };
    static const ChainRules rules = { .use = "luna", .critical = critical, .negative_ecdsa = TRUE };
    AttestResult *claim = claim_new (job, "luna", "Thales", leaf->spki, leaf->file);
    g_auto (Chain) chain = { 0 };
    read_leaf (claim, leaf);
    if (!claim_chain (job, claim, leaf, &rules, &chain))
        return;
    if (!levels_hold (&chain, rsa_levels, G_N_ELEMENTS (rsa_levels)) && !levels_hold (&chain, ecc_levels, G_N_ELEMENTS (ecc_levels))) {
        claim_refuse (claim, "the chain isn't made of a Luna's levels (proof of origin, device, manufacturing), so its leaf confirms no key");
        return;
    }
    check_device (claim, chain.path->pdata[1]);
    claim->origin = ATTEST_ORIGIN_GENERATED;
    claim->exportable = ATTEST_FALSE;
    if (X509_check_ca (leaf->x) == 1)
        claim_refuse (claim, "%s is a CA certificate, not the confirmation of a key", leaf->subject);
    if (!(X509_get_key_usage (leaf->x) & KU_DIGITAL_SIGNATURE))
        claim_refuse (claim, "the key can't sign (its key usage): it is no signing key");
    claim_anomaly (claim, "cloning-domain: a Luna may share keys with others of its cloning domain, which a confirmation doesn't show");
}

void
luna_collect (AttestJob *job)
{
    for (guint i = 0; i < job->evidence->certs->len; i++) {
        const AttestCert *cert = job->evidence->certs->pdata[i];
        gsize len;
        guint n;
        const guint8 *eku = cert_extension (cert, "2.5.29.37", &len, &n);
        static const guint8 arc[] = { 0x2b, 0x06, 0x01, 0x04, 0x01, 0xe0, 0x5f, 0x01 };    /* 1.3.6.1.4.1.12383.1 */
        if (has_usage (cert, USAGE "13"))
            judge (job, cert);
        else if (eku && memmem (eku, len, arc, sizeof arc))
            g_ptr_array_add (job->leftovers, g_strdup ("certificates of a Luna, but no confirmation of a key"));
    }
}
