/* YubiKey PIV: the device's certificate in slot F9 signs a certificate for a key that was generated in another slot; an imported key
 * gets none (docs.yubico.com, PIV attestation). Extensions 1.3.6.1.4.1.41482.3.N. */
#include "ceremony/attest/vendor.h"
#include "ceremony/base/der.h"
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define ARC "1.3.6.1.4.1.41482.3."
#define LEAF_CN "YubiKey PIV Attestation "

static const char *const pin_names[] = { "default", "never", "once", "always", "match-once", "match-always" };
static const char *const touch_names[] = { "default", "never", "always", "cached" };
static const struct { guint8 code; const char *form, *model; } forms[] = {
    { 1, "usb-a-keychain", "YubiKey 5" }, { 2, "usb-a-nano", "YubiKey 5 Nano" }, { 3, "usb-c-keychain", "YubiKey 5C" },
    { 4, "usb-c-nano", "YubiKey 5C Nano" }, { 5, "lightning", "YubiKey 5Ci" }, { 6, "bio-usb-a", "YubiKey Bio" }, { 7, "bio-usb-c", "YubiKey C Bio" },
};

static gboolean
has (const AttestCert *cert, const char *oid)
{
    gsize len;
    guint n;
    cert_extension (cert, oid, &len, &n);
    return n > 0;
}

/* The slot of an attestation's subject, two hex digits; NULL where it isn't one's. g_free. */
static char *
slot_of (const AttestCert *cert)
{
    g_autofree char *cn = cert_cn (cert);
    if (!cn || !g_str_has_prefix (cn, LEAF_CN) || strlen (cn) != strlen (LEAF_CN) + 2)
        return NULL;
    char *slot = g_ascii_strdown (cn + strlen (LEAF_CN), 2);
    if (g_ascii_isxdigit (slot[0]) && g_ascii_isxdigit (slot[1]))
        return slot;
    g_free (slot);
    return NULL;
}

static gboolean
is_attestation (const AttestCert *cert)
{
    g_autofree char *slot = slot_of (cert);
    return slot || has (cert, ARC "7") || has (cert, ARC "8");
}

/* Gives the extension's content where it is there once with a length from @min to @max. A malformed one refuses the claim. */
static const guint8 *
field (AttestResult *claim, const AttestCert *cert, const char *oid, gsize min, gsize max, gsize *len)
{
    guint n;
    const guint8 *p = cert_extension (cert, oid, len, &n);
    if (n > 1 || (p && (*len < min || *len > max))) {
        claim_refuse (claim, "the extension %s of the attestation is malformed", oid);
        return NULL;
    }
    return p;
}

static void
read_serial (AttestResult *claim, const AttestCert *leaf)
{
    gsize len;
    guint64 serial;
    Der value;
    const guint8 *p = field (claim, leaf, ARC "7", 3, 11, &len);
    if (!p) {
        claim_anomaly (claim, "no-serial: the attestation names no serial number (some old devices don't)");
        return;
    }
    if (!der_only (p, len, DER_INTEGER, &value) || !der_u64 (value, &serial)) {
        claim_refuse (claim, "the serial number's extension (%s7) is malformed", ARC);
        return;
    }
    claim->serial = g_strdup_printf ("%" G_GUINT64_FORMAT, serial);
}

static void
read_policies (AttestResult *claim, const AttestCert *leaf)
{
    gsize len;
    const guint8 *p = field (claim, leaf, ARC "8", 2, 2, &len);
    claim_set_str (claim, "pin_policy", p && p[0] < G_N_ELEMENTS (pin_names) ? pin_names[p[0]] : NULL);
    claim_set_str (claim, "touch_policy", p && p[1] < G_N_ELEMENTS (touch_names) ? touch_names[p[1]] : NULL);
    if (p && (p[0] >= G_N_ELEMENTS (pin_names) || p[1] >= G_N_ELEMENTS (touch_names)))
        claim_anomaly (claim, "unknown-policy: PIN and touch policy %02x%02x", p[0], p[1]);
}

static void
read_form (AttestResult *claim, const AttestCert *leaf, guint8 *form)
{
    gsize len;
    const guint8 *p = field (claim, leaf, ARC "9", 1, 1, &len);
    const char *name = NULL;
    *form = p ? p[0] : 0;
    for (guint i = 0; p && i < G_N_ELEMENTS (forms); i++)
        if (forms[i].code == (p[0] & 0x7f))
            name = forms[i].form;
    claim_set_str (claim, "form_factor", name);
    if (p && !name)
        claim_anomaly (claim, "unknown-form-factor: %02x", p[0]);
}

static void
read_firmware (AttestResult *claim, const AttestCert *leaf)
{
    gsize len;
    const guint8 *p = field (claim, leaf, ARC "3", 3, 3, &len);
    if (p)
        claim->firmware = g_strdup_printf ("%u.%u.%u", p[0], p[1], p[2]);
    else
        claim_anomaly (claim, "no-firmware: the attestation names no firmware version");
}

static void
set_model (AttestResult *claim, guint8 form, gboolean fips)
{
    const char *name = "YubiKey";
    if (claim->firmware && claim->firmware[0] == '4' && claim->firmware[1] == '.')
        name = "YubiKey 4";
    else if (claim->firmware && claim->firmware[0] == '5' && claim->firmware[1] == '.') {
        name = "YubiKey 5";
        for (guint i = 0; i < G_N_ELEMENTS (forms); i++)
            if (forms[i].code == (form & 0x7f))
                name = forms[i].model;
    }
    claim->model = g_strdup_printf ("%s%s", name, fips ? " FIPS" : "");
}

/* Some F9 certificates lack basicConstraints (yubikey-manager issue 522: 5.2.4 and some of the 4 series): forgiven to the device's
 * certificate only, and only where one of the two old roots, which signed such, stands directly above it. */
static ChainAllow
forgive (const AttestCert *cert, gboolean under_anchor)
{
    return under_anchor && g_str_equal (cert->subject, "CN=Yubico PIV Attestation") &&
           (g_str_equal (cert->issuer, "CN=Yubico PIV Root CA Serial 263751") || g_str_equal (cert->issuer, "CN=Yubico U2F Root CA Serial 457200631"))
               ? CHAIN_ALLOW_NO_BASIC_CONSTRAINTS : 0;
}

/* The new root has sub-CAs for other applications too: only those for PIV vouch for an F9 certificate. */
static gboolean
issued_for_piv (const AttestCert *f9)
{
    return g_str_has_prefix (f9->issuer, "CN=Yubico PIV Attestation ") || g_str_has_prefix (f9->issuer, "CN=Yubico PIV Root CA ") ||
           g_str_has_prefix (f9->issuer, "CN=Yubico U2F Root CA ");
}

static gboolean
check_device (AttestResult *claim, const AttestCert *leaf, const Chain *chain)
{
    if (chain->path->len < 2) {
        claim_refuse (claim, "the certificate comes straight from a vendor key, not from a device: it attests no key");
        return FALSE;
    }
    const AttestCert *f9 = chain->path->pdata[1];
    if (!issued_for_piv (f9)) {
        claim_refuse (claim, "%s wasn't issued for PIV but by %s", f9->subject, f9->issuer);
        return FALSE;
    }
    if (spki_same (f9->spki, leaf->spki)) {
        claim_refuse (claim, "this attests the device's own attestation key, which is no signing key");
        return FALSE;
    }
    if (g_str_has_prefix (f9->issuer, "CN=Yubico U2F Root CA "))
        claim_anomaly (claim, "u2f-root: the device's certificate hangs under Yubico's U2F root, as some of 2017 and 2018 do");
    if (ASN1_TIME_compare (X509_get0_notBefore (leaf->x), X509_get0_notBefore (f9->x)) ||
        ASN1_TIME_compare (X509_get0_notAfter (leaf->x), X509_get0_notAfter (f9->x)))
        claim_anomaly (claim, "dates: the attestation's dates aren't those of the device's certificate");
    return TRUE;
}

static void
check_leaf (AttestResult *claim, const AttestCert *leaf, const char *slot)
{
    if (X509_check_ca (leaf->x) == 1)
        claim_refuse (claim, "%s is a CA certificate, not the attestation of a key", leaf->subject);
    else if (!slot)
        claim_refuse (claim, "%s isn't the subject of a key attestation", leaf->subject);
    else if (g_str_equal (slot, "f9"))
        claim_refuse (claim, "this attests the device's own attestation key (slot f9), which is no signing key");
    EVP_PKEY *key = X509_get0_pubkey (leaf->x);
    gboolean rsa = !key || EVP_PKEY_get_base_id (key) == EVP_PKEY_RSA;
    /* CVE-2017-15361: the RSA keys that this firmware generated can be factored. */
    if (rsa && !claim->firmware)
        claim_refuse (claim, "an RSA key of unknown firmware: ROCA (CVE-2017-15361) can't be ruled out");
    else if (rsa && firmware_compare (claim->firmware, "4.2.6") >= 0 && firmware_compare (claim->firmware, "4.3.4") <= 0)
        claim_refuse (claim, "firmware %s generated RSA keys that can be factored (ROCA, CVE-2017-15361)", claim->firmware);
}

static void
judge (AttestJob *job, const AttestCert *leaf)
{
    static const ChainRules rules = { .use = "yubikey-piv", .allow = forgive };
    g_autofree char *slot = slot_of (leaf);
    AttestResult *claim = claim_new (job, "yubikey-piv", "Yubico", leaf->spki, leaf->file);
    g_auto (Chain) chain = { 0 };
    guint8 form;
    claim_set_str (claim, "slot", slot);
    read_firmware (claim, leaf);
    read_serial (claim, leaf);
    read_policies (claim, leaf);
    read_form (claim, leaf, &form);
    gboolean linked = claim_chain (job, claim, leaf, &rules, &chain);
    const AttestCert *f9 = linked && chain.path->len > 1 ? chain.path->pdata[1] : NULL;
    gboolean fips = (form & 0x80) || (f9 && has (f9, ARC "10"));
    claim_set (claim, "fips", json_boolean (fips));
    claim_set (claim, "cspn", json_boolean (f9 && has (f9, ARC "11")));
    set_model (claim, form, fips);
    if (!linked || !check_device (claim, leaf, &chain))
        return;
    claim->origin = ATTEST_ORIGIN_GENERATED;
    claim->exportable = ATTEST_FALSE;
    check_leaf (claim, leaf, slot);
}

void
yubikey_collect (AttestJob *job)
{
    for (guint i = 0; i < job->evidence->certs->len; i++) {
        const AttestCert *cert = job->evidence->certs->pdata[i];
        if (is_attestation (cert))
            judge (job, cert);
        else if (has (cert, ARC "3") || strstr (cert->subject, "PIV Attestation"))
            g_ptr_array_add (job->leftovers, g_strdup ("a YubiKey's own attestation certificate, but no attestation of a key"));
    }
}
