/* YubiHSM 2: the device's attestation key (object 0) signs a certificate for an object; unlike a YubiKey it also attests imported
 * and exportable keys, and says so (docs.yubico.com, YubiHSM OIDs). Extensions 1.3.6.1.4.1.41482.4.N; the last octet of a bit string
 * holds the lowest bits. */
#include "ceremony/attest/vendor.h"
#include "ceremony/base/der.h"
#include <openssl/x509v3.h>
#include <string.h>

#define ARC "1.3.6.1.4.1.41482.4."

enum { CAP_SIGN_PKCS = 5, CAP_SIGN_PSS = 6, CAP_SIGN_ECDSA = 7, CAP_SIGN_EDDSA = 8, CAP_EXPORTABLE = 16 };
static const char *const capability_names[] = {
    "get-opaque", "put-opaque", "put-authentication-key", "put-asymmetric-key", "generate-asymmetric-key", "sign-pkcs", "sign-pss", "sign-ecdsa",
    "sign-eddsa", "decrypt-pkcs", "decrypt-oaep", "derive-ecdh", "export-wrapped", "import-wrapped", "put-wrap-key", "generate-wrap-key",
    "exportable-under-wrap", "set-option", "get-option", "get-pseudo-random", "put-mac-key", "generate-hmac-key", "sign-hmac", "verify-hmac",
    "get-log-entries", "sign-ssh-certificate", "get-template", "put-template", "reset-device", "decrypt-otp", "create-otp-aead", "randomize-otp-aead",
    "rewrap-from-otp-aead-key", "rewrap-to-otp-aead-key", "sign-attestation-certificate", "put-otp-aead-key", "generate-otp-aead-key", "wrap-data",
    "unwrap-data", "delete-opaque", "delete-authentication-key", "delete-asymmetric-key", "delete-wrap-key", "delete-hmac-key", "delete-template",
    "delete-otp-aead-key", "change-authentication-key", "put-symmetric-key", "generate-symmetric-key", "delete-symmetric-key", "decrypt-ecb",
    "encrypt-ecb", "decrypt-cbc", "encrypt-cbc", "put-public-wrap-key", "delete-public-wrap-key",
};

/* Reads a DER value of @tag out of the extension; FALSE refuses the claim where @must, or where it is malformed. */
static gboolean
take (AttestResult *claim, const AttestCert *cert, const char *oid, guint8 tag, gboolean must, Der *value)
{
    gsize len;
    guint n;
    const guint8 *p = cert_extension (cert, oid, &len, &n);
    if (n == 1 && der_only (p, len, tag, value))
        return TRUE;
    if (n > 0)
        claim_refuse (claim, "the extension %s of the attestation is malformed", oid);
    else if (must)
        claim_refuse (claim, "the attestation lacks the extension %s", oid);
    return FALSE;
}

static gboolean
take_bits (AttestResult *claim, const AttestCert *cert, const char *oid, guint64 *bits)
{
    Der v;
    if (!take (claim, cert, oid, DER_BIT_STRING, TRUE, &v))
        return FALSE;
    if (v.len < 2 || v.len > 9 || v.p[0] > 7) {
        claim_refuse (claim, "the extension %s of the attestation is malformed", oid);
        return FALSE;
    }
    *bits = 0;
    for (gsize i = 1; i < v.len; i++)
        *bits = *bits << 8 | v.p[i];
    return TRUE;
}

static gboolean
take_number (AttestResult *claim, const AttestCert *cert, const char *oid, gboolean must, guint64 *number)
{
    Der v;
    if (!take (claim, cert, oid, DER_INTEGER, must, &v))
        return FALSE;
    if (!der_u64 (v, number)) {
        claim_refuse (claim, "the extension %s of the attestation is malformed", oid);
        return FALSE;
    }
    return TRUE;
}

static gboolean
present (const AttestCert *cert, const char *oid)
{
    gsize len;
    guint n;
    cert_extension (cert, oid, &len, &n);
    return n > 0;
}

static void
read_device (AttestResult *claim, const AttestCert *leaf)
{
    Der v;
    guint64 serial;
    if (take (claim, leaf, ARC "1", DER_OCTETS, TRUE, &v)) {
        if (v.len == 3)
            claim->firmware = g_strdup_printf ("%u.%u.%u", v.p[0], v.p[1], v.p[2]);
        else
            claim_refuse (claim, "the firmware's extension (%s1) is malformed", ARC);
    }
    if (take_number (claim, leaf, ARC "2", TRUE, &serial))
        claim->serial = g_strdup_printf ("%" G_GUINT64_FORMAT, serial);
}

static void
note_bits (AttestResult *claim, guint64 origin, guint64 domains, guint64 capabilities)
{
    json_t *caps = json_array (), *doms = json_array ();
    for (guint i = 0; i < 64; i++)
        if (capabilities >> i & 1)
            json_array_append_new (caps, i < G_N_ELEMENTS (capability_names) ? json_string (capability_names[i]) : json_sprintf ("bit-%u", i));
    for (guint i = 0; i < 16; i++)
        if (domains >> i & 1)
            json_array_append_new (doms, json_integer (i + 1));
    claim_set (claim, "origin_bits", json_integer ((json_int_t) origin));
    claim_set (claim, "domains", doms);
    claim_set (claim, "capabilities", caps);
}

static void
read_label (AttestJob *job, AttestResult *claim, const AttestCert *leaf)
{
    Der v;
    if (!take (claim, leaf, ARC "9", DER_UTF8, FALSE, &v))
        return;
    g_autofree char *label = g_utf8_validate_len ((const char *) v.p, v.len, NULL) && !memchr (v.p, 0, v.len) ? g_strndup ((const char *) v.p, v.len) : NULL;
    claim_set_str (claim, "label", label);
    if (!job->challenge)
        return;
    g_autofree char *expected = attest_challenge_label (job->challenge);
    claim->challenge = label && g_str_equal (label, expected) ? ATTEST_TRUE : ATTEST_FALSE;
    if (label && !claim->challenge && g_str_has_prefix (label, "ceremony") && strlen (label) == strlen (expected))
        claim_refuse (claim, "the label carries the digest of another challenge");
}

static void
judge_object (AttestResult *claim, guint64 origin, guint64 capabilities, guint64 id)
{
    gboolean imported = origin & 0x12, generated = origin & 0x01;
    gboolean signs = capabilities & (1u << CAP_SIGN_PKCS | 1u << CAP_SIGN_PSS | 1u << CAP_SIGN_ECDSA | 1u << CAP_SIGN_EDDSA);
    claim->origin = imported ? ATTEST_ORIGIN_IMPORTED : generated ? ATTEST_ORIGIN_GENERATED : ATTEST_ORIGIN_UNKNOWN;
    claim->exportable = capabilities >> CAP_EXPORTABLE & 1 ? ATTEST_TRUE : ATTEST_FALSE;
    if (origin & 0x10)
        claim_refuse (claim, "the key isn't bound to the device: it was imported under wrap, so it was outside once");
    else if (claim->origin != ATTEST_ORIGIN_GENERATED)
        claim_refuse (claim, imported ? "the key isn't bound to the device: it was imported, not generated in it"
                                      : "the attestation doesn't say that the key was generated in the device");
    if (claim->exportable)
        claim_refuse (claim, "the key isn't bound to the device: it can be exported under wrap");
    if (id == 0)
        claim_refuse (claim, "this attests the device's own attestation key (object 0), which is no signing key");
    if (!signs)
        claim_refuse (claim, "the key can't sign (its capabilities): it is no signing key");
}

/* The device's certificate says for which serial number it stands. */
static gboolean
check_device (AttestResult *claim, const AttestCert *leaf, const Chain *chain)
{
    if (chain->path->len < 2) {
        claim_refuse (claim, "the certificate comes straight from a vendor key, not from a device: it attests no key");
        return FALSE;
    }
    const AttestCert *device = chain->path->pdata[1];
    guint64 serial = 0;
    g_autofree char *text = take_number (claim, device, ARC "2", TRUE, &serial) ? g_strdup_printf ("%" G_GUINT64_FORMAT, serial) : NULL;
    if (!text || g_strcmp0 (text, claim->serial) != 0) {
        claim_refuse (claim, "the device's certificate is for serial number %s, the attestation for %s", text ? text : "none",
                      claim->serial ? claim->serial : "none");
        return FALSE;
    }
    if (spki_same (device->spki, leaf->spki))
        claim_refuse (claim, "this attests the device's own attestation key, which is no signing key");
    gboolean fips = present (device, ARC "10");
    claim_set (claim, "fips", json_boolean (fips));
    claim->model = g_strdup (fips ? "YubiHSM 2 FIPS" : "YubiHSM 2");
    return TRUE;
}

static void
judge (AttestJob *job, const AttestCert *leaf)
{
    static const ChainRules rules = { .use = "yubihsm2" };
    AttestResult *claim = claim_new (job, "yubihsm2", "Yubico", leaf->spki, leaf->file);
    g_auto (Chain) chain = { 0 };
    guint64 origin = 0, domains = 0, capabilities = 0, id = 0;
    read_device (claim, leaf);
    gboolean whole = take_bits (claim, leaf, ARC "3", &origin) && take_bits (claim, leaf, ARC "4", &domains) &&
                     take_bits (claim, leaf, ARC "5", &capabilities) && take_number (claim, leaf, ARC "6", TRUE, &id);
    claim_set (claim, "object_id", json_sprintf ("0x%04x", (guint) (id & 0xffff)));
    note_bits (claim, origin, domains, capabilities);
    read_label (job, claim, leaf);
    if (!claim_chain (job, claim, leaf, &rules, &chain) || !check_device (claim, leaf, &chain))
        return;
    if (X509_check_ca (leaf->x) == 1)
        claim_refuse (claim, "%s is a CA certificate, not the attestation of a key", leaf->subject);
    if (whole)
        judge_object (claim, origin, capabilities, id);
}

void
yubihsm_collect (AttestJob *job)
{
    for (guint i = 0; i < job->evidence->certs->len; i++) {
        const AttestCert *cert = job->evidence->certs->pdata[i];
        if (present (cert, ARC "3") || present (cert, ARC "5") || present (cert, ARC "6"))
            judge (job, cert);
        else if (present (cert, ARC "1") || present (cert, ARC "2") || strstr (cert->subject, "YubiHSM"))
            g_ptr_array_add (job->leftovers, g_strdup ("a YubiHSM's own attestation certificate, but no attestation of a key"));
    }
}
