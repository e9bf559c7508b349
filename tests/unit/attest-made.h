/* Evidence that no vendor ever made, for more than one test: a YubiHSM's attestation and a TPM's certification, each with what may be wrong with it. */
#pragma once
#include "attest-pki.h"
#include <openssl/ecdsa.h>

static inline GBytes *
rdn_cert (const char *subject, const char *issuer, EVP_PKEY *of, EVP_PKEY *by, const char *basic, const Ext *ext)
{
    return pki_cert (&(CertSpec) { .subject = subject, .issuer = issuer, .key = of, .signer = by, .basic = basic, .ext = ext });
}

#define HSM "1.3.6.1.4.1.41482.4."

typedef struct { const char *origin, *capabilities, *id, *label, *serial, *device_serial, *device_basic, *drop; EVP_PKEY *of; } Hsm;

static inline GPtrArray *
hsm_inputs (const Hsm *h, EVP_PKEY *key, EVP_PKEY *device, EVP_PKEY *root)
{
    GPtrArray *inputs = attest_inputs_new ();
    const Ext all[] = { { HSM "1", "0403020400", FALSE }, { HSM "2", h->serial ? h->serial : "020401020304", FALSE },
                        { HSM "3", h->origin ? h->origin : "03020001", FALSE }, { HSM "4", "0303000001", FALSE },
                        { HSM "5", h->capabilities ? h->capabilities : "0309000000000000000080", FALSE },
                        { HSM "6", h->id ? h->id : "02020123", FALSE }, { HSM "9", h->label ? h->label : "0c0161", FALSE } };
    Ext kept[8] = { { 0 } };
    guint n = 0;
    for (guint i = 0; i < G_N_ELEMENTS (all); i++)
        if (!h->drop || !g_str_has_suffix (all[i].oid, h->drop))
            kept[n++] = all[i];
    const Ext dev[] = { { HSM "1", "0403020400", FALSE }, { HSM "2", h->device_serial ? h->device_serial : "020401020304", FALSE }, { 0 } };
    pki_give (inputs, "leaf", rdn_cert ("CN=YubiHSM Attestation id:0x0123", "CN=YubiHSM Attestation (16909060)", h->of ? h->of : key, device, NULL, kept));
    pki_give (inputs, "device", rdn_cert ("CN=YubiHSM Attestation (16909060)", "CN=Yubico YubiHSM Root CA", device, root,
                                          h->device_basic ? h->device_basic : "critical,CA:TRUE,pathlen:0", dev));
    return inputs;
}

static inline void
put32 (GByteArray *out, guint32 v)
{
    guint32 be = GUINT32_TO_BE (v);
    g_byte_array_append (out, (const guint8 *) &be, 4);
}

enum { KEY_ATTRS = 0x40072, AK_ATTRS = 0x50072 };

static inline void
put16 (GByteArray *out, guint v)
{
    guint8 be[2] = { (guint8) (v >> 8), (guint8) v };
    g_byte_array_append (out, be, 2);
}

static inline GBytes *
tpm_public (EVP_PKEY *of, guint32 attributes)
{
    GByteArray *out = g_byte_array_new ();
    g_autoptr (GBytes) spki = pki_spki (of);
    gsize n;
    const guint8 *der = g_bytes_get_data (spki, &n);
    put16 (out, 0x0023);
    put16 (out, 0x000b);
    put32 (out, attributes);
    put16 (out, 0);
    put16 (out, 0x0010);
    put16 (out, 0x0018);
    put16 (out, 0x000b);
    put16 (out, 0x0003);
    put16 (out, 0x0010);
    for (int i = 0; i < 2; i++) {
        put16 (out, 32);
        g_byte_array_append (out, der + n - 64 + 32 * i, 32);
    }
    return g_byte_array_free_to_bytes (out);
}

typedef struct { guint32 key_attrs, ak_attrs; guint type; gboolean no_public, no_signature, no_ak, plain_magic; EVP_PKEY *signer; GBytes *extra; gboolean ek, flip; } Tpm;

static inline GBytes *
tpm_name (GBytes *area)
{
    guint8 name[34] = { 0x00, 0x0b };
    sha256 (g_bytes_get_data (area, NULL), g_bytes_get_size (area), name + 2);
    return g_bytes_new (name, sizeof name);
}

static inline void
put_sized (GByteArray *out, GBytes *bytes)
{
    put16 (out, (guint) g_bytes_get_size (bytes));
    g_byte_array_append (out, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
}

static inline GBytes *
tpm_signature (EVP_PKEY *by, const GByteArray *over)
{
    guint8 der[160], raw[32];
    size_t n = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    g_assert_true (EVP_DigestSignInit (ctx, NULL, EVP_sha256 (), NULL, by) == 1 && EVP_DigestSign (ctx, der, &n, over->data, over->len) == 1);
    EVP_MD_CTX_free (ctx);
    const guint8 *p = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG (NULL, &p, (long) n);
    GByteArray *out = g_byte_array_new ();
    put16 (out, 0x0018);
    put16 (out, 0x000b);
    const BIGNUM *rs[2] = { ECDSA_SIG_get0_r (sig), ECDSA_SIG_get0_s (sig) };
    for (int i = 0; i < 2; i++) {
        BN_bn2binpad (rs[i], raw, 32);
        put16 (out, 32);
        g_byte_array_append (out, raw, 32);
    }
    ECDSA_SIG_free (sig);
    return g_byte_array_free_to_bytes (out);
}

/* @ek: the endorsement key, certified by @root where the case has one. */
static inline GPtrArray *
tpm_inputs (const Tpm *t, EVP_PKEY *key, EVP_PKEY *device, EVP_PKEY *root, EVP_PKEY *ek)
{
    GPtrArray *inputs = attest_inputs_new ();
    g_autoptr (GBytes) area = tpm_public (key, t->key_attrs ? t->key_attrs : KEY_ATTRS), ak = tpm_public (device, t->ak_attrs ? t->ak_attrs : AK_ATTRS);
    g_autoptr (GBytes) name = tpm_name (area), signer = tpm_name (ak), none = g_bytes_new (NULL, 0);
    g_autoptr (GByteArray) attest = g_byte_array_new (), sized = g_byte_array_new ();
    put32 (attest, 0xff544347);
    put16 (attest, t->type ? t->type : 0x8017);
    put_sized (attest, signer);
    put_sized (attest, t->extra ? t->extra : none);
    for (int i = 0; i < 4; i++)
        put32 (attest, 1);
    g_byte_array_append (attest, (const guint8 *) "\1", 1);
    put32 (attest, 1);
    put32 (attest, 2);
    put_sized (attest, name);
    put_sized (attest, name);
    g_autoptr (GBytes) sig = tpm_signature (t->signer ? t->signer : device, attest);
    if (t->flip)
        attest->data[attest->len - 1] ^= 1;
    pki_give (inputs, "attest", g_bytes_new (attest->data, attest->len));
    if (!t->no_public) {
        put_sized (sized, area);
        pki_give (inputs, "key.pub", g_bytes_new (sized->data, sized->len));
    }
    if (!t->no_ak)
        pki_give (inputs, "ak.pub", g_bytes_ref (ak));
    if (!t->no_signature)
        pki_give (inputs, "sig", g_bytes_ref (sig));
    if (t->ek)
        pki_give (inputs, "ek", pki_cert (&(CertSpec) { .subject = "CN=ek", .issuer = "CN=TPM Maker", .key = ek, .signer = root, .eku = "2.23.133.8.1",
                                                        .usage = "critical,keyAgreement" }));
    return inputs;
}
