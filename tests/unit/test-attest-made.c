/* Attestations that no vendor ever made, under anchors of our own with the vendors' names: each kind first genuine, then with one thing wrong. */
#include "attest-made.h"
#include "ceremony/attest/request.h"
#include <gio/gio.h>
#include <openssl/pkcs7.h>

static EVP_PKEY *root, *device, *key, *stranger, *rsa_key;

/* ---- YubiKey PIV ---- */

#define PIV "1.3.6.1.4.1.41482.3."
#define PIV_ROOT "CN=Yubico PIV Root CA Serial 263751"
#define F9 "CN=Yubico PIV Attestation"

typedef struct { const char *subject, *basic, *f9_basic, *firmware, *serial, *policy, *form, *f9_subject, *root_name; EVP_PKEY *of; gboolean no_f9, f9_v1; } Piv;

static GPtrArray *
piv (const Piv *p)
{
    GPtrArray *inputs = attest_inputs_new ();
    Ext ext[6] = { { 0 } };
    guint n = 0;
    const char *serial = p->serial ? p->serial : "0203010203", *policy = p->policy ? p->policy : "0302";
    if (!p->firmware || *p->firmware)
        ext[n++] = (Ext) { PIV "3", p->firmware ? p->firmware : "050403", FALSE };
    if (*serial)
        ext[n++] = (Ext) { PIV "7", serial, FALSE };
    if (*policy)
        ext[n++] = (Ext) { PIV "8", policy, FALSE };
    ext[n++] = (Ext) { PIV "9", p->form ? p->form : "03", FALSE };
    const char *f9 = p->f9_subject ? p->f9_subject : F9;
    pki_give (inputs, "leaf", rdn_cert (p->subject ? p->subject : "CN=YubiKey PIV Attestation 9c", f9, p->of ? p->of : key, device, p->basic, ext));
    if (!p->no_f9)
        pki_give (inputs, "f9", pki_cert (&(CertSpec) { .subject = f9, .issuer = p->root_name ? p->root_name : PIV_ROOT, .key = device, .signer = root,
                                                        .basic = p->f9_basic ? (*p->f9_basic ? p->f9_basic : NULL) : "critical,CA:TRUE,pathlen:0",
                                                        .version1 = p->f9_v1 }));
    return inputs;
}

static AttestAnchors *
piv_anchors (void)
{
    g_autoptr (GString) yaml = g_string_new (NULL);
    pki_anchor (yaml, "yubikey-piv", PIV_ROOT, root);
    pki_anchor (yaml, "yubikey-piv", "CN=Yubico U2F Root CA Serial 457200631", root);
    pki_anchor (yaml, "yubikey-piv", "CN=Yubico Attestation Root 1", root);
    pki_anchor (yaml, "yubikey-piv", "CN=Yubico PIV Attestation B 1", root);
    return pki_anchors (yaml);
}

static void
test_yubikey (void)
{
    g_autoptr (AttestAnchors) a = piv_anchors ();
    EVP_PKEY *x25519 = EVP_PKEY_Q_keygen (NULL, NULL, "X25519"), *ed25519 = EVP_PKEY_Q_keygen (NULL, NULL, "ED25519");
    pki_expect (piv (&(Piv) { 0 }), a, NULL);
    pki_expect (piv (&(Piv) { .of = rsa_key }), a, NULL);
    pki_expect (piv (&(Piv) { .of = ed25519 }), a, NULL);
    pki_expect (piv (&(Piv) { .serial = "" }), a, NULL);
    pki_expect (piv (&(Piv) { .policy = "0101" }), a, NULL);
    pki_expect (piv (&(Piv) { .f9_basic = "" }), a, NULL);
    pki_expect (piv (&(Piv) { .f9_basic = "", .root_name = "CN=Yubico U2F Root CA Serial 457200631" }), a, NULL);
    pki_expect (piv (&(Piv) { .root_name = "CN=Yubico PIV Attestation B 1", .f9_subject = "CN=YubiKey PIV Attestation" }), a, NULL);
    pki_expect (piv (&(Piv) { .firmware = "040206" }), a, NULL);
    pki_expect (piv (&(Piv) { .firmware = "040305", .of = rsa_key }), a, NULL);
    pki_expect (piv (&(Piv) { .firmware = "040205", .of = rsa_key }), a, NULL);
    /* ROCA, from the first to the last firmware. */
    pki_expect (piv (&(Piv) { .firmware = "040206", .of = rsa_key }), a, "ROCA");
    pki_expect (piv (&(Piv) { .firmware = "040304", .of = rsa_key }), a, "ROCA");
    pki_expect (piv (&(Piv) { .firmware = "", .of = rsa_key }), a, "ROCA");
    pki_expect (piv (&(Piv) { .subject = "CN=YubiKey PIV Attestation f9" }), a, "own attestation key");
    pki_expect (piv (&(Piv) { .of = device }), a, "own attestation key");
    pki_expect (piv (&(Piv) { .subject = "CN=Somebody" }), a, "isn't the subject of a key attestation");
    pki_expect (piv (&(Piv) { .basic = "critical,CA:TRUE" }), a, "is a CA certificate");
    pki_expect (piv (&(Piv) { .of = x25519 }), a, "can't sign");
    pki_expect (piv (&(Piv) { .firmware = "0504" }), a, "malformed");
    pki_expect (piv (&(Piv) { .serial = "0203810203" }), a, "malformed");
    pki_expect (piv (&(Piv) { .policy = "03" }), a, "malformed");
    pki_expect (piv (&(Piv) { .no_f9 = TRUE }), a, "there is no vendor root");
    pki_expect (piv (&(Piv) { .f9_basic = "critical,CA:FALSE" }), a, "isn't a CA");
    pki_expect (piv (&(Piv) { .f9_v1 = TRUE, .f9_basic = "" }), a, "version 1");
    pki_expect (piv (&(Piv) { .f9_basic = "", .f9_subject = "CN=Other" }), a, "isn't a CA");
    pki_expect (piv (&(Piv) { .root_name = "CN=Yubico Attestation Root 1" }), a, "wasn't issued for PIV");
    pki_expect (piv (&(Piv) { .f9_basic = "", .root_name = "CN=Yubico PIV Attestation B 1" }), a, "isn't a CA");
    EVP_PKEY_free (x25519);
    EVP_PKEY_free (ed25519);
}

/* A sub-CA for another application doesn't vouch for PIV, and a path may not be longer than allowed. */
static void
test_yubikey_subca (void)
{
    g_autoptr (AttestAnchors) a = piv_anchors ();
    static const struct { const char *name, *basic, *reason; } cases[] = {
        { "CN=Yubico PIV Attestation Z 1", "critical,CA:TRUE,pathlen:1", NULL },
        { "CN=Yubico FIDO Attestation A 1", "critical,CA:TRUE,pathlen:1", "wasn't issued for PIV" },
        { "CN=Yubico PIV Attestation Z 1", "critical,CA:TRUE,pathlen:0", "longer than it allows" },
        { "CN=Yubico PIV Attestation Z 1", "critical,CA:FALSE", "isn't a CA" },
    };
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        const Ext ext[] = { { PIV "3", "050704", FALSE }, { PIV "8", "0201", FALSE }, { 0 } };
        GPtrArray *inputs = attest_inputs_new ();
        pki_give (inputs, "sub", rdn_cert (cases[i].name, "CN=Yubico Attestation Root 1", stranger, root, cases[i].basic, NULL));
        pki_give (inputs, "f9", rdn_cert ("CN=YubiKey PIV Attestation", cases[i].name, device, stranger, "critical,CA:TRUE,pathlen:0", NULL));
        pki_give (inputs, "leaf", rdn_cert ("CN=YubiKey PIV Attestation 9a", "CN=YubiKey PIV Attestation", key, device, NULL, ext));
        pki_expect (inputs, a, cases[i].reason);
    }
}

/* A CA's own rules. */
static void
test_deny (void)
{
    g_autoptr (GString) yaml = g_string_new (NULL);
    pki_anchor (yaml, "yubikey-piv", PIV_ROOT, root);
    g_string_append (yaml, "deny:\n  - {use: yubikey-piv, field: pin_policy, value: never, reason: a PIN must be asked for}\n"
                           "  - {use: yubikey-piv, firmware_to: \"5.1\", reason: too old}\n");
    g_autoptr (AttestAnchors) a = pki_anchors (yaml);
    pki_expect (piv (&(Piv) { 0 }), a, NULL);
    pki_expect (piv (&(Piv) { .policy = "0102" }), a, "a PIN must be asked for");
    pki_expect (piv (&(Piv) { .firmware = "050102" }), a, "too old");
}

/* ---- YubiHSM 2 ---- */

static GPtrArray *
hsm (const Hsm *h)
{
    return hsm_inputs (h, key, device, root);
}

static void
test_yubihsm (void)
{
    g_autoptr (GString) yaml = g_string_new (NULL);
    pki_anchor (yaml, "yubihsm2", "CN=Yubico YubiHSM Root CA", root);
    g_autoptr (AttestAnchors) a = pki_anchors (yaml);
    g_autoptr (AttestResult) good = pki_expect_at (__func__, __LINE__, hsm (&(Hsm) { 0 }), a, NULL);
    g_assert_cmpstr (good->serial, ==, "16909060");
    g_autoptr (AttestResult) imported = pki_expect_at (__func__, __LINE__, hsm (&(Hsm) { .origin = "03020002" }), a, "it was imported");
    g_assert_cmpint (imported->origin, ==, ATTEST_ORIGIN_IMPORTED);
    pki_expect (hsm (&(Hsm) { .origin = "03020012" }), a, "imported under wrap");
    pki_expect (hsm (&(Hsm) { .origin = "03020011" }), a, "imported under wrap");
    pki_expect (hsm (&(Hsm) { .origin = "03020000" }), a, "doesn't say that the key was generated");
    g_autoptr (AttestResult) exportable = pki_expect_at (__func__, __LINE__, hsm (&(Hsm) { .capabilities = "0309000000000000010080" }), a, "exported under wrap");
    g_assert_cmpint (exportable->exportable, ==, ATTEST_TRUE);
    pki_expect (hsm (&(Hsm) { .capabilities = "0309000000000000000e00" }), a, "can't sign");
    pki_expect (hsm (&(Hsm) { .capabilities = "0309000000000400000000" }), a, "can't sign");
    pki_expect (hsm (&(Hsm) { .id = "020100" }), a, "own attestation key");
    pki_expect (hsm (&(Hsm) { .of = device }), a, "own attestation key");
    pki_expect (hsm (&(Hsm) { .device_serial = "020401020305" }), a, "device's certificate is for serial number");
    pki_expect (hsm (&(Hsm) { .device_basic = "critical,CA:FALSE" }), a, "isn't a CA");
    pki_expect (hsm (&(Hsm) { .drop = "4.3" }), a, "lacks the extension");
    pki_expect (hsm (&(Hsm) { .drop = "4.5" }), a, "lacks the extension");
    pki_expect (hsm (&(Hsm) { .drop = "4.6" }), a, "lacks the extension");
    pki_expect (hsm (&(Hsm) { .drop = "4.2" }), a, "lacks the extension");
    pki_expect (hsm (&(Hsm) { .capabilities = "0409000000000000000080" }), a, "malformed");
}

/* A key of the HSM that attests for itself: its certificate is an attestation, not a CA's. */
static void
test_yubihsm_nested (void)
{
    g_autoptr (GString) yaml = g_string_new (NULL);
    pki_anchor (yaml, "yubihsm2", "CN=Yubico YubiHSM Root CA", root);
    g_autoptr (AttestAnchors) a = pki_anchors (yaml);
    GPtrArray *inputs = hsm (&(Hsm) { .of = stranger });
    const Ext ext[] = { { HSM "1", "0403020400", FALSE }, { HSM "2", "020401020304", FALSE }, { HSM "3", "03020001", FALSE }, { HSM "4", "0303000001", FALSE },
                        { HSM "5", "0309000000000000000080", FALSE }, { HSM "6", "02020124", FALSE }, { 0 } };
    pki_give (inputs, "inner", rdn_cert ("CN=YubiHSM Attestation id:0x0124", "CN=YubiHSM Attestation id:0x0123", key, stranger, NULL, ext));
    pki_give (inputs, "csr", pki_csr (key));
    pki_expect (inputs, a, "isn't a CA");
}

static void
test_yubihsm_challenge (void)
{
    g_autoptr (GString) yaml = g_string_new (NULL);
    pki_anchor (yaml, "yubihsm2", "CN=Yubico YubiHSM Root CA", root);
    g_autoptr (AttestAnchors) a = pki_anchors (yaml);
    g_autoptr (GBytes) challenge = g_bytes_new_static ("12345678", 8), other = g_bytes_new_static ("12345679", 8);
    g_autofree char *label = attest_challenge_label (challenge);
    g_assert_cmpuint (strlen (label), ==, 40);
    g_autofree char *hex = hex_encode (label, 40);
    g_autofree char *der = g_strconcat ("0c28", hex, NULL);
    GPtrArray *inputs = hsm (&(Hsm) { .label = der }), *plain = hsm (&(Hsm) { 0 });
    g_autoptr (AttestResult) right = attest_verify (inputs, NULL, NULL, challenge, a, NULL), wrong = attest_verify (inputs, NULL, NULL, other, a, NULL),
                             absent = attest_verify (plain, NULL, NULL, challenge, a, NULL);
    g_assert_true (right->genuine && right->challenge == ATTEST_TRUE);
    g_assert_true (!wrong->genuine && wrong->challenge == ATTEST_FALSE);
    g_assert_true (absent->genuine && absent->challenge == ATTEST_FALSE);
    g_ptr_array_unref (inputs);
    g_ptr_array_unref (plain);
}

/* ---- Luna ---- */

#define LUNA "1.3.6.1.4.1.12383."
#define LUNA_ROOT "CN=SafeNet ECC Manufacturer Integrity Module"

typedef struct { const char *leaf_eku, *device_eku, *leaf_usage, *serial, *device_cn, *device_usage, *device_basic; EVP_PKEY *signer; } Luna;

static GPtrArray *
luna (const Luna *l)
{
    GPtrArray *inputs = attest_inputs_new ();
    const Ext leaf[] = { { LUNA "2.1", l->serial ? l->serial : "d6f30700", FALSE }, { LUNA "2.3", "54000700", FALSE }, { 0 } };
    const char *cn = l->device_cn ? l->device_cn : "CN=521174";
    g_autofree char *leaf_eku = g_strconcat ("critical,", LUNA, l->leaf_eku ? l->leaf_eku : "1.13", NULL);
    g_autofree char *device_eku = g_strconcat ("critical,", LUNA, l->device_eku ? l->device_eku : "1.15", NULL);
    pki_give (inputs, "leaf", pki_cert (&(CertSpec) { .subject = "CN=43000000ae000002d6f30700", .issuer = cn, .key = key, .signer = l->signer ? l->signer : device,
                                                      .usage = l->leaf_usage ? l->leaf_usage : "critical,digitalSignature", .eku = leaf_eku, .ext = leaf }));
    pki_give (inputs, "device", pki_cert (&(CertSpec) { .subject = cn, .issuer = LUNA_ROOT, .key = device, .signer = root, .eku = device_eku,
                                                        .usage = l->device_usage ? l->device_usage : "critical,keyCertSign",
                                                        .basic = l->device_basic ? l->device_basic : "CA:TRUE" }));
    return inputs;
}

static void
test_luna (void)
{
    g_autoptr (GString) yaml = g_string_new (NULL);
    pki_anchor (yaml, "luna", LUNA_ROOT, root);
    g_autoptr (AttestAnchors) a = pki_anchors (yaml);
    g_autoptr (AttestResult) good = pki_expect_at (__func__, __LINE__, luna (&(Luna) { 0 }), a, NULL);
    g_assert_cmpstr (good->serial, ==, "521174");
    g_assert_cmpstr (good->firmware, ==, "7.8.4");
    pki_expect (luna (&(Luna) { .device_cn = "CN=Luna K7-521174" }), a, NULL);
    pki_expect (luna (&(Luna) { .leaf_eku = "1.12" }), a, "no confirmation of a key");
    pki_expect (luna (&(Luna) { .device_eku = "1.12" }), a, "isn't made of a Luna's levels");
    pki_expect (luna (&(Luna) { .device_eku = "1.13" }), a, "isn't made of a Luna's levels");
    pki_expect (luna (&(Luna) { .leaf_usage = "critical,keyEncipherment" }), a, "can't sign");
    pki_expect (luna (&(Luna) { .serial = "d7f30700" }), a, "names serial number 521175");
    pki_expect (luna (&(Luna) { .serial = "d7f307" }), a, "names serial number none");
    pki_expect (luna (&(Luna) { .device_cn = "CN=521175" }), a, "the device's certificate 521175");
    pki_expect (luna (&(Luna) { .device_usage = "critical,digitalSignature" }), a, "may not sign certificates");
    pki_expect (luna (&(Luna) { .device_basic = "CA:FALSE" }), a, "isn't a CA");
    pki_expect (luna (&(Luna) { .signer = stranger }), a, "isn't signed by the key of");
}

/* ---- Marvell / Google Cloud HSM ---- */

#define CAVIUM "CN=localca.liquidsecurity.cavium.com"
#define HAWKSBILL "CN=Hawksbill Root v1 prod"
#define CARD "CN=HSM:5.2G0001-ICM000001, for FIPS mode"
#define PARTITION "CN=HSM:5.2G0001-ICM000001:PARTN:1, for FIPS mode"

static EVP_PKEY *partition, *card, *google;

typedef struct {
    int         local, extractable, never, sign, class;     /* -1: left out; else the value */
    gboolean    wrong_digest, no_signature, other_public, one_object;
    const char *card_name, *partition_name, *owner_partition, *drop;
    gboolean    card_v3, other_owner_key;
    EVP_PKEY   *body_signer;
} Card;
static const Card good_card = { 1, 0, 1, 1, 3, FALSE, FALSE, FALSE, FALSE, CARD, PARTITION, PARTITION, NULL, FALSE, FALSE, NULL };

static guint
put_attr (GByteArray *out, guint32 type, const void *data, guint32 len)
{
    put32 (out, type);
    put32 (out, len);
    g_byte_array_append (out, data, len);
    return 1;
}

static guint
put_flag (GByteArray *out, guint32 type, int value)
{
    guint8 byte = (guint8) value;
    return value < 0 ? 0 : put_attr (out, type, &byte, 1);
}

static void
put_object (GByteArray *out, const Card *c, gboolean private, EVP_PKEY *of)
{
    g_autoptr (GByteArray) attrs = g_byte_array_new ();
    g_autoptr (GBytes) spki = pki_spki (of);
    gsize n;
    const guint8 *der = g_bytes_get_data (spki, &n);
    guint8 digest[SHA256_LEN];
    sha256 (der, n, digest);
    digest[0] ^= c->wrong_digest;
    guint count = put_flag (attrs, 0x0, private ? c->class : 2) + put_flag (attrs, 0x100, 3) + put_flag (attrs, 0x163, private ? c->local : 1) +
                  put_flag (attrs, 0x162, private ? c->extractable : 1) + put_flag (attrs, 0x164, private ? c->never : 0) +
                  put_flag (attrs, 0x108, private ? c->sign : 0) + put_flag (attrs, 0x103, private) + put_attr (attrs, 0x1003, digest, 32) +
                  put_attr (attrs, 0x120, der + n - 65, 65);
    put32 (out, 7);
    put32 (out, count);
    put32 (out, attrs->len);
    g_byte_array_append (out, attrs->data, attrs->len);
}

static GBytes *
card_body (const Card *c)
{
    g_autoptr (GByteArray) objects = g_byte_array_new (), all = g_byte_array_new ();
    guint second = 0;
    if (!c->one_object) {
        put_object (objects, c, FALSE, c->other_public ? stranger : key);
        second = objects->len + 8;
    }
    put_object (objects, c, TRUE, key);
    put32 (all, 0);
    put32 (all, 3);
    put32 (all, 16 + 8 + objects->len + 256);
    put32 (all, 8 + objects->len);
    put32 (all, 1 << 16 | 3);
    put32 (all, 8 << 16 | second);
    g_byte_array_append (all, objects->data, objects->len);
    guint8 sig[256];
    size_t n = sizeof sig;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    g_assert_true (EVP_DigestSignInit (ctx, NULL, EVP_sha256 (), NULL, c->body_signer ? c->body_signer : partition) == 1 &&
                   EVP_DigestSign (ctx, sig, &n, all->data, all->len) == 1 && n == 256);
    EVP_MD_CTX_free (ctx);
    g_byte_array_append (all, sig, 256);
    return g_byte_array_free_to_bytes (g_steal_pointer (&all));
}

static GPtrArray *
cloud (const Card *c)
{
    GPtrArray *inputs = attest_inputs_new ();
    const char *drop = c->drop ? c->drop : "";
    pki_give (inputs, "body", card_body (c));
    if (!g_str_equal (drop, "card"))
        pki_give (inputs, "card", pki_cert (&(CertSpec) { .subject = c->card_name, .issuer = CAVIUM, .key = card, .signer = root, .version1 = !c->card_v3,
                                                          .basic = c->card_v3 ? "CA:FALSE" : NULL }));
    if (!g_str_equal (drop, "partition"))
        pki_give (inputs, "partition", rdn_cert (c->partition_name, c->card_name, partition, card, NULL, NULL));
    if (!g_str_equal (drop, "owner-card"))
        pki_give (inputs, "owner-card", rdn_cert (c->card_name, HAWKSBILL, c->other_owner_key ? stranger : card, google, "CA:FALSE", NULL));
    if (!g_str_equal (drop, "owner-partition"))
        pki_give (inputs, "owner-partition", rdn_cert (c->owner_partition, HAWKSBILL, partition, google, "CA:FALSE", NULL));
    return inputs;
}

#define WITH(member, value) ({ Card c_ = good_card; c_.member = value; cloud (&c_); })

static void
test_marvell (void)
{
    g_autoptr (GString) yaml = g_string_new (NULL);
    partition = EVP_RSA_gen (2048);
    card = EVP_RSA_gen (2048);
    google = pki_ec ();
    pki_anchor (yaml, "marvell", CAVIUM, root);
    pki_anchor (yaml, "google-cloud-hsm", HAWKSBILL, google);
    g_autoptr (AttestAnchors) a = pki_anchors (yaml);
    g_autoptr (AttestResult) good = pki_expect_at (__func__, __LINE__, cloud (&good_card), a, NULL);
    g_assert_cmpstr (good->serial, ==, "5.2G0001-ICM000001");
    pki_expect (WITH (one_object, TRUE), a, NULL);
    g_autoptr (AttestResult) imported = pki_expect_at (__func__, __LINE__, WITH (local, 0), a, "imported");
    g_assert_cmpint (imported->origin, ==, ATTEST_ORIGIN_IMPORTED);
    g_autoptr (AttestResult) exportable = pki_expect_at (__func__, __LINE__, WITH (extractable, 1), a, "can be extracted");
    g_assert_cmpint (exportable->exportable, ==, ATTEST_TRUE);
    pki_expect (WITH (local, -1), a, "doesn't say that the key was generated");
    pki_expect (WITH (extractable, -1), a, "can be extracted");
    pki_expect (WITH (never, 0), a, "could be extracted before");
    pki_expect (WITH (sign, 0), a, "can't sign");
    pki_expect (WITH (class, 4), a, "symmetric key");
    pki_expect (WITH (class, 1), a, "no private key's attributes");
    pki_expect (WITH (wrong_digest, TRUE), a, "hasn't the digest");
    pki_expect (WITH (other_public, TRUE), a, "aren't of one key");
    pki_expect (WITH (body_signer, card), a, "manufacturer's chain of the partition key doesn't hold");
    pki_expect (WITH (drop, "card"), a, "manufacturer's chain of the partition key doesn't hold");
    pki_expect (WITH (drop, "partition"), a, "manufacturer's chain of the partition key doesn't hold");
    pki_expect (WITH (drop, "owner-partition"), a, "owner's (Google's) certificate of the partition key");
    pki_expect (WITH (drop, "owner-card"), a, "owner's (Google's) certificate of the card");
    pki_expect (WITH (other_owner_key, TRUE), a, "owner's (Google's) certificate of the card");
    pki_expect (WITH (partition_name, "CN=HSM:5.2G0002-ICM000002:PARTN:1, for FIPS mode"), a, "isn't a partition of the card");
    pki_expect (WITH (card_name, "CN=Somebody"), a, "version 1");
    pki_expect (WITH (card_name, PARTITION), a, "");
    pki_expect (WITH (card_v3, TRUE), a, "isn't a CA");
    EVP_PKEY_free (partition);
    EVP_PKEY_free (card);
    EVP_PKEY_free (google);
}

/* ---- Securosys ---- */

typedef struct { const char *creation, *attributes, *element, *head, *key_text, *leaf_basic, *device_cn; gboolean no_signature; EVP_PKEY *signer; } Primus;
#define ATTRS "<sign>true</sign><sensitive>true</sensitive><always_sensitive>true</always_sensitive><extractable>false</extractable><never_extractable>true</never_extractable>"

static GPtrArray *
primus (const Primus *p)
{
    GPtrArray *inputs = attest_inputs_new ();
    g_autoptr (GBytes) spki = pki_spki (key);
    g_autofree char *b64 = base64_encode (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki));
    const char *element = p->element ? p->element : "private_key";
    g_autofree char *xml = g_strdup_printf ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n%s<%s%s><label>k</label><public_key>%s</public_key><attributes>%s</attributes></%s>\n",
                                            p->head ? p->head : "", element, p->creation ? p->creation : " creation=\"generated\"",
                                            p->key_text ? p->key_text : b64, p->attributes ? p->attributes : ATTRS, element);
    guint8 sig[512];
    size_t n = sizeof sig;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    g_assert_true (EVP_DigestSignInit (ctx, NULL, EVP_sha256 (), NULL, p->signer ? p->signer : device) == 1 &&
                   EVP_DigestSign (ctx, sig, &n, (const guint8 *) xml, strlen (xml)) == 1);
    EVP_MD_CTX_free (ctx);
    const char *cn = p->device_cn ? p->device_cn : "CN=PRIMUS HSM KEY (SN: 18386101)";
    pki_give (inputs, "xml", g_bytes_new (xml, strlen (xml)));
    if (!p->no_signature)
        pki_give (inputs, "sig", g_bytes_new (sig, n));
    pki_give (inputs, "leaf", rdn_cert ("CN=attestation-key", cn, device, stranger, p->leaf_basic ? p->leaf_basic : "critical,CA:FALSE", NULL));
    pki_give (inputs, "device", rdn_cert (cn, "CN=PRIMUS_HSM_ROOTKEY", stranger, root, "critical,CA:TRUE", NULL));
    return inputs;
}

static void
test_securosys (void)
{
    g_autoptr (GString) yaml = g_string_new (NULL);
    pki_anchor (yaml, "securosys", "CN=PRIMUS_HSM_ROOTKEY", root);
    g_autoptr (AttestAnchors) a = pki_anchors (yaml);
    pki_expect (primus (&(Primus) { 0 }), a, NULL);
    g_autoptr (AttestResult) imported = pki_expect_at (__func__, __LINE__, primus (&(Primus) { .creation = " creation=\"imported\"" }), a, "its creation is \"imported\"");
    g_assert_cmpint (imported->origin, ==, ATTEST_ORIGIN_IMPORTED);
    pki_expect (primus (&(Primus) { .creation = "" }), a, "not told");
    pki_expect (primus (&(Primus) { .attributes = "<sign>true</sign><extractable>true</extractable><never_extractable>false</never_extractable>" }), a, "can be extracted");
    pki_expect (primus (&(Primus) { .attributes = "<sign>true</sign><extractable>false</extractable><never_extractable>false</never_extractable>" }), a, "could be extracted before");
    pki_expect (primus (&(Primus) { .attributes = "<sign>true</sign>" }), a, "can be extracted");
    pki_expect (primus (&(Primus) { .attributes = ATTRS "<extractable>true</extractable>" }), a, "can be extracted");
    pki_expect (primus (&(Primus) { .attributes = "<sign>false</sign><extractable>false</extractable><never_extractable>true</never_extractable>" }), a, "can't sign");
    pki_expect (primus (&(Primus) { .element = "secret_key" }), a, "symmetric key");
    pki_expect (primus (&(Primus) { .element = "public_key" }), a, "isn't the attestation of a private key");
    pki_expect (primus (&(Primus) { .key_text = "AAAA" }), a, "no public key");
    pki_expect (primus (&(Primus) { .head = "<!DOCTYPE private_key [<!ENTITY e SYSTEM \"file:///etc/hostname\">]>" }), a, "brings a document type");
    static const char *const broken[] = { "&undefined;", "</public_key>", "<public_key>" };
    for (guint i = 0; i < G_N_ELEMENTS (broken); i++) {
        g_autoptr (GPtrArray) inputs = primus (&(Primus) { .key_text = broken[i] });
        g_autoptr (GError) error = NULL;
        g_assert_null (attest_verify (inputs, NULL, NULL, NULL, a, &error));
        g_assert_nonnull (strstr (error->message, "not a well-formed XML"));
    }
    pki_expect (primus (&(Primus) { .no_signature = TRUE }), a, "signature isn't among the files");
    pki_expect (primus (&(Primus) { .signer = key }), a, "isn't signed by the key of any certificate");
    pki_expect (primus (&(Primus) { .signer = stranger }), a, "isn't a device's attestation key");
    pki_expect (primus (&(Primus) { .leaf_basic = "critical,CA:TRUE" }), a, "isn't a device's attestation key");
    pki_expect (primus (&(Primus) { .device_cn = "CN=PRIMUS HSM KEY" }), a, "names no serial number");
}

/* ---- TPM 2.0 ---- */

static GPtrArray *
tpm (const Tpm *t)
{
    return tpm_inputs (t, key, device, root, stranger);
}

static void
test_tpm (void)
{
    g_autoptr (GString) pinned_yaml = g_string_new (NULL), ek_yaml = g_string_new (NULL);
    pki_anchor (pinned_yaml, "tpm2-ak", "CN=AK", device);
    pki_anchor (ek_yaml, "tpm2-ek", "CN=TPM Maker", root);
    g_autoptr (AttestAnchors) a = pki_anchors (pinned_yaml), by_ek = pki_anchors (ek_yaml);
    g_autoptr (AttestResult) good = pki_expect_at (__func__, __LINE__, tpm (&(Tpm) { 0 }), a, NULL);
    g_assert_cmpint (good->origin, ==, ATTEST_ORIGIN_GENERATED);
    pki_expect (tpm (&(Tpm) { .type = 0x801a }), a, NULL);
    pki_expect (tpm (&(Tpm) { .type = 0x8018 }), a, "isn't a certification of a key");
    pki_expect (tpm (&(Tpm) { .key_attrs = KEY_ATTRS & ~0x20u }), a, "it was imported");
    pki_expect (tpm (&(Tpm) { .key_attrs = KEY_ATTRS & ~0x2u }), a, "can be duplicated");
    pki_expect (tpm (&(Tpm) { .key_attrs = KEY_ATTRS & ~0x10u }), a, "can be duplicated");
    pki_expect (tpm (&(Tpm) { .key_attrs = 0x20072 }), a, "can't sign");
    pki_expect (tpm (&(Tpm) { .key_attrs = AK_ATTRS }), a, "no signing key");
    pki_expect (tpm (&(Tpm) { .ak_attrs = 0x40072 }), a, "isn't a TPM's attestation key");
    pki_expect (tpm (&(Tpm) { .no_public = TRUE }), a, "public area isn't among the files");
    pki_expect (tpm (&(Tpm) { .no_ak = TRUE }), a, "no key among the files signed");
    pki_expect (tpm (&(Tpm) { .no_signature = TRUE }), a, "no key among the files signed");
    pki_expect (tpm (&(Tpm) { .signer = stranger }), a, "no key among the files signed");
    pki_expect (tpm (&(Tpm) { .flip = TRUE }), a, "no key among the files signed");
    pki_expect (tpm (&(Tpm) { .signer = key }), a, "isn't a TPM's attestation key");
    pki_expect (tpm (&(Tpm) { 0 }), by_ek, "nothing shows that the attestation key lives in a TPM");
    pki_expect (tpm (&(Tpm) { .ek = TRUE }), by_ek, "operator's word alone");
    pki_expect (tpm (&(Tpm) { .ek = TRUE }), a, NULL);
    g_autoptr (GBytes) area = tpm_public (device, AK_ATTRS), name = tpm_name (area), ek = pki_spki (stranger);
    guint8 digest[SHA256_LEN];
    sha256 (g_bytes_get_data (ek, NULL), g_bytes_get_size (ek), digest);
    attest_anchors_add_activation (by_ek, name, digest);
    g_autoptr (AttestResult) bound = pki_expect_at (__func__, __LINE__, tpm (&(Tpm) { .ek = TRUE }), by_ek, NULL);
    g_assert_cmpstr (json_string_value (json_object_get (bound->details, "ak_bound")), ==, "activation");
    pki_expect (tpm (&(Tpm) { 0 }), by_ek, "nothing shows");
}

static void
test_tpm_challenge (void)
{
    g_autoptr (GString) yaml = g_string_new (NULL);
    pki_anchor (yaml, "tpm2-ak", "CN=AK", device);
    g_autoptr (AttestAnchors) a = pki_anchors (yaml);
    g_autoptr (GBytes) challenge = g_bytes_new_static ("12345678", 8), other = g_bytes_new_static ("87654321", 8),
                       data = attest_challenge_qualifying (challenge);
    GPtrArray *inputs = tpm (&(Tpm) { .extra = data });
    g_autoptr (AttestResult) right = attest_verify (inputs, NULL, NULL, challenge, a, NULL), wrong = attest_verify (inputs, NULL, NULL, other, a, NULL);
    g_assert_true (right->genuine && right->challenge == ATTEST_TRUE);
    g_assert_true (!wrong->genuine && strstr (wrong->reason, "another challenge"));
    g_ptr_array_unref (inputs);
}

/* ---- wrappings: people mail evidence in whatever their tools write ---- */

static char *
pem_of (GBytes *der, const char *label)
{
    BIO *bio = BIO_new (BIO_s_mem ());
    char *data;
    g_assert_true (PEM_write_bio (bio, label, "", g_bytes_get_data (der, NULL), (long) g_bytes_get_size (der)) > 0);
    long n = BIO_get_mem_data (bio, &data);
    char *text = g_strndup (data, (gsize) n);
    BIO_free (bio);
    return text;
}

static GBytes *
pkcs7_of (GPtrArray *certs)
{
    PKCS7 *p7 = PKCS7_new ();
    guint8 *der = NULL;
    g_assert_true (PKCS7_set_type (p7, NID_pkcs7_signed) && PKCS7_content_new (p7, NID_pkcs7_data));
    for (guint i = 0; i < certs->len; i++) {
        const guint8 *p = g_bytes_get_data (((AttestInput *) certs->pdata[i])->bytes, NULL);
        X509 *x = d2i_X509 (NULL, &p, (long) g_bytes_get_size (((AttestInput *) certs->pdata[i])->bytes));
        g_assert_true (PKCS7_add_certificate (p7, x));
        X509_free (x);
    }
    int n = i2d_PKCS7 (p7, &der);
    GBytes *bytes = g_bytes_new (der, (gsize) n);
    OPENSSL_free (der);
    PKCS7_free (p7);
    return bytes;
}

static void
expect_text (const AttestAnchors *a, const char *what, const char *text, gssize len)
{
    GPtrArray *inputs = attest_inputs_new ();
    g_test_message ("%s", what);
    pki_give (inputs, what, g_bytes_new (text, len < 0 ? strlen (text) : (gsize) len));
    pki_expect (inputs, a, NULL);
}

static void
test_wrappings (void)
{
    g_autoptr (AttestAnchors) a = piv_anchors ();
    g_autoptr (GPtrArray) parts = piv (&(Piv) { 0 });
    GBytes *leaf = ((AttestInput *) parts->pdata[0])->bytes, *f9 = ((AttestInput *) parts->pdata[1])->bytes;
    g_autofree char *leaf_pem = pem_of (leaf, "CERTIFICATE"), *f9_pem = pem_of (f9, "CERTIFICATE"), *both = g_strconcat (f9_pem, leaf_pem, NULL);
    g_autofree char *around = g_strdup_printf ("Bag Attributes\n  friendlyName: slot 9c\nsubject=CN = x\n%s\nissuer=CN = y\n\n%s\nregards, the operator\n", leaf_pem, f9_pem);
    g_auto (GStrv) lines = g_strsplit (both, "\n", -1);
    g_autofree char *crlf = g_strjoinv ("\r\n", lines), *bom = g_strconcat ("\xef\xbb\xbf", both, NULL), *indented = g_strconcat ("\n\n", both, "\n\n", NULL);
    g_autoptr (GBytes) p7 = pkcs7_of (parts);
    g_autofree char *p7_pem = pem_of (p7, "PKCS7"), *cms_pem = pem_of (p7, "CMS"), *old_pem = pem_of (leaf, "X509 CERTIFICATE"), *old_both = g_strconcat (old_pem, f9_pem, NULL);
    g_autofree char *bare = base64_encode (g_bytes_get_data (p7, NULL), g_bytes_get_size (p7)), *bare_lines = g_strdup_printf ("%.*s\r\n%s\r\n", 64, bare, bare + 64);
    g_autofree char *url = g_strdelimit (g_strdelimit (g_strdup (bare), "+", '-'), "/", '_');
    expect_text (a, "a PEM bundle", both, -1);
    expect_text (a, "PEM with text around", around, -1);
    expect_text (a, "PEM with CRLF", crlf, -1);
    expect_text (a, "PEM behind a byte order mark", bom, -1);
    expect_text (a, "PEM between empty lines", indented, -1);
    expect_text (a, "PEM of the old name", old_both, -1);
    expect_text (a, "PKCS#7 in PEM", p7_pem, -1);
    expect_text (a, "CMS in PEM", cms_pem, -1);
    expect_text (a, "base64 without a header", bare, -1);
    expect_text (a, "base64 in lines of CRLF", bare_lines, -1);
    expect_text (a, "base64url", url, -1);
    expect_text (a, "PKCS#7 in DER", g_bytes_get_data (p7, NULL), (gssize) g_bytes_get_size (p7));
    g_autoptr (GByteArray) der = g_byte_array_new ();
    g_byte_array_append (der, g_bytes_get_data (leaf, NULL), (guint) g_bytes_get_size (leaf));
    g_byte_array_append (der, g_bytes_get_data (f9, NULL), (guint) g_bytes_get_size (f9));
    expect_text (a, "two certificates in DER", (const char *) der->data, der->len);
    gsize used, made;
    guint8 zipped[8192];
    g_autoptr (GConverter) gz = G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9));
    g_assert_cmpint (g_converter_convert (gz, both, strlen (both), zipped, sizeof zipped, G_CONVERTER_INPUT_AT_END, &used, &made, NULL), ==, G_CONVERTER_FINISHED);
    expect_text (a, "gzip of PEM", (const char *) zipped, (gssize) made);
}

/* ---- what can't be read ---- */

static void
test_unreadable (void)
{
    static const struct { const char *text; gsize n; const char *message; } cases[] = {
        { "", 0, "empty" }, { "rubbish", 7, "not a form" }, { "\x30\x82\xff\xff", 4, "not a form" }, { "\x1f\x8b\x08\0\0\0\0\0\0\3xx", 12, "gzip" },
        { "-----BEGIN CERTIFICATE-----\nMIIB\n", 33, "damaged" }, { "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", 59, "doesn't hold" },
        { "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", 59, "private key" }, { "PK\3\4aaaaaaaa", 12, "ZIP" },
        { "-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n", 53, "no place" },
    };
    g_autoptr (AttestAnchors) a = piv_anchors ();
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GPtrArray) inputs = piv (&(Piv) { 0 });
        g_autoptr (GError) error = NULL;
        pki_give (inputs, "bad.bin", g_bytes_new (cases[i].text, cases[i].n));
        g_autoptr (AttestResult) r = attest_verify (inputs, NULL, NULL, NULL, a, &error);
        g_assert_null (r);
        if (!strstr (error->message, cases[i].message) || !g_str_has_prefix (error->message, "bad.bin: "))
            g_error ("case %u: %s", i, error->message);
    }
}

static void
test_anchor_files (void)
{
    static const char *const bad[] = { "", "anchors: x", "anchors:\n  - {vendor: a}\n", "anchors:\n  - {vendor: a, use: b, name: c, spki: AAAA, source: d}\n",
                                       "other: []\n", "anchors: []\nanchors: []\n", "anchors: []\ndeny:\n  - {reason: x}\n" };
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (AttestAnchors) a = attest_anchors_parse (bad[i], strlen (bad[i]), &error);
        g_assert_null (a);
        g_assert_nonnull (error);
    }
}

/* The request beside the attestation: right, of another key, broken. */
static void
test_request (void)
{
    g_autoptr (AttestAnchors) a = piv_anchors ();
    GPtrArray *inputs = piv (&(Piv) { 0 });
    pki_give (inputs, "csr", pki_csr (key));
    pki_expect (inputs, a, NULL);
    inputs = piv (&(Piv) { 0 });
    pki_give (inputs, "csr", pki_csr (stranger));
    pki_expect (inputs, a, "isn't the request's key");
    inputs = piv (&(Piv) { 0 });
    pki_give (inputs, "csr", pki_csr (key));
    pki_give (inputs, "csr2", pki_csr (stranger));
    pki_expect (inputs, a, "requests for different keys");
    inputs = piv (&(Piv) { 0 });
    g_autoptr (GBytes) csr = pki_csr (key);
    gsize n = g_bytes_get_size (csr);
    guint8 *copy = g_memdup2 (g_bytes_get_data (csr, NULL), n);
    copy[n - 1] ^= 1;
    pki_give (inputs, "csr", g_bytes_new_take (copy, n));
    pki_expect (inputs, a, "isn't signed by its own key");
}

static void
wrap_der (GByteArray *out, guint8 tag, const GByteArray *in)
{
    guint8 head[4] = { tag, 0x82, (guint8) (in->len >> 8), (guint8) in->len };
    g_byte_array_append (out, head, 4);
    g_byte_array_append (out, in->data, in->len);
}

/* draft-ietf-lamps-csr-attestation: an attribute with a bundle of statements and certificates. */
static void
test_csr_attribute (void)
{
    g_autoptr (AttestAnchors) a = piv_anchors ();
    for (int wrong = 0; wrong < 2; wrong++) {
        g_autoptr (GPtrArray) parts = piv (&(Piv) { 0 });
        g_autoptr (GByteArray) certs = g_byte_array_new (), list = g_byte_array_new (), bundle = g_byte_array_new (), whole = g_byte_array_new ();
        for (guint i = 0; i < parts->len; i++) {
            AttestInput *in = parts->pdata[i];
            g_byte_array_append (certs, g_bytes_get_data (in->bytes, NULL), (guint) g_bytes_get_size (in->bytes));
        }
        wrap_der (list, 0x30, certs);
        g_byte_array_append (bundle, (const guint8 *) "\x30\x00", 2);
        g_byte_array_append (bundle, list->data, list->len);
        wrap_der (whole, 0x30, bundle);
        X509_REQ *req = X509_REQ_new ();
        guint8 *der = NULL;
        ASN1_OBJECT *oid = OBJ_txt2obj ("1.2.840.113549.1.9.16.2.59", 1);
        X509_REQ_set_pubkey (req, wrong ? stranger : key);
        g_assert_true (X509_REQ_add1_attr_by_OBJ (req, oid, V_ASN1_SEQUENCE, whole->data, (int) whole->len));
        g_assert_cmpint (X509_REQ_sign (req, wrong ? stranger : key, EVP_sha256 ()), >, 0);
        int n = i2d_X509_REQ (req, &der);
        GPtrArray *inputs = attest_inputs_new ();
        pki_give (inputs, "csr", g_bytes_new (der, (gsize) n));
        pki_expect (inputs, a, wrong ? "isn't the request's key" : NULL);
        OPENSSL_free (der);
        ASN1_OBJECT_free (oid);
        X509_REQ_free (req);
    }
}

/* ---- evidence put into a request ---- */

/* DER of a request for @subject_key, signed by it, that carries what @form makes of @inputs (taken); NULL where it can't, and @why is its reason. */
static GBytes *
carrying (RequestForm form, GPtrArray *inputs, EVP_PKEY *about, EVP_PKEY *subject_key, const char *why)
{
    g_autoptr (GPtrArray) owned = inputs;
    g_autoptr (GBytes) spki = pki_spki (about);
    g_autoptr (GError) error = NULL;
    X509_REQ *template = request_carrying (form, owned, spki, &error), *req = X509_REQ_new ();
    guint8 *der = NULL;
    if (!template) {
        if (!why || !strstr (error->message, why))
            g_error ("%s", error->message);
        X509_REQ_free (req);
        return NULL;
    }
    g_assert_null (why);
    g_assert_cmpint (X509_REQ_get_attr_count (template), ==, 1);
    X509_REQ_add1_attr (req, X509_REQ_get_attr (template, 0));
    X509_REQ_set_pubkey (req, subject_key);
    g_assert_cmpint (X509_REQ_sign (req, subject_key, EVP_sha256 ()), >, 0);
    int n = i2d_X509_REQ (req, &der);
    GBytes *bytes = g_bytes_new (der, (gsize) n);
    OPENSSL_free (der);
    X509_REQ_free (req);
    X509_REQ_free (template);
    return bytes;
}

static GPtrArray *
only (GBytes *csr)
{
    GPtrArray *inputs = attest_inputs_new ();
    pki_give (inputs, "csr", csr);
    return inputs;
}

static AttestAnchors *
anchors_of (const char *use, const char *name, EVP_PKEY *key_of)
{
    g_autoptr (GString) yaml = g_string_new (NULL);
    pki_anchor (yaml, use, name, key_of);
    return pki_anchors (yaml);
}

/* The request alone is found and judged; for another key it is refused; and it says what it carries. */
static void
test_request_forms (void)
{
    g_autoptr (AttestAnchors) a = piv_anchors (), hsms = anchors_of ("yubihsm2", "CN=Yubico YubiHSM Root CA", root);
    for (RequestForm form = REQUEST_YUBICO; form <= REQUEST_IETF; form++) {
        g_autoptr (GBytes) csr = carrying (form, piv (&(Piv) { 0 }), key, key, NULL), plain = pki_csr (key);
        g_assert_cmpint (request_carries (csr), ==, form);
        g_assert_cmpint (request_carries (plain), ==, REQUEST_PLAIN);
        g_assert_cmpstr (request_form_word (form), ==, form == REQUEST_YUBICO ? "yubico" : "ietf");
        g_autoptr (AttestResult) r = pki_expect_at (__func__, __LINE__, only (g_bytes_ref (csr)), a, NULL);
        g_assert_cmpint (r->matches_csr, ==, ATTEST_TRUE);
        g_assert_cmpstr (r->vendor, ==, "Yubico");
        pki_expect (only (carrying (form, piv (&(Piv) { 0 }), key, stranger, NULL)), a, "isn't the request's key");
        pki_expect (only (carrying (form, piv (&(Piv) { .firmware = "050102" }), key, key, NULL)), a, NULL);
        g_autoptr (GPtrArray) same = piv (&(Piv) { 0 }), none = attest_inputs_new (), collected = piv (&(Piv) { 0 });
        g_autoptr (GBytes) second = carrying (form, same, key, key, NULL);
        same = NULL;
        g_assert_false (request_carries_only (second, none));
        g_assert_false (request_carries_only (second, collected));      /* another making of it: the serial numbers differ */
        g_assert_true (request_carries_only (plain, none));
        g_assert_null (carrying (form, attest_inputs_new (), key, key, form == REQUEST_YUBICO ? "no YubiKey's attestation" : "neither a certificate"));
        g_assert_null (carrying (form, piv (&(Piv) { 0 }), stranger, key, form == REQUEST_YUBICO ? "no YubiKey's attestation" : "neither a certificate"));
    }
    g_assert_null (carrying (REQUEST_YUBICO, hsm (&(Hsm) { 0 }), key, key, "Yubico's extensions hold nothing else"));
    pki_expect (only (carrying (REQUEST_IETF, hsm (&(Hsm) { 0 }), key, key, NULL)), hsms, NULL);
    g_assert_cmpint (request_form ("none"), ==, REQUEST_PLAIN);
    g_assert_cmpint (request_form ("IETF"), ==, -1);
}

/* What a request carries is what was collected, and nothing else. */
static void
test_request_within (void)
{
    for (RequestForm form = REQUEST_YUBICO; form <= REQUEST_IETF; form++) {
        g_autoptr (GPtrArray) collected = piv (&(Piv) { 0 });
        g_autoptr (GBytes) csr = carrying (form, g_ptr_array_ref (collected), key, key, NULL);
        g_assert_true (request_carries_only (csr, collected));
        g_ptr_array_set_size (collected, 1);
        g_assert_false (request_carries_only (csr, collected));
    }
}

/* A TPM's certification in the draft's attribute: the attestation key goes with it. */
static void
test_request_tpm (void)
{
    g_autoptr (AttestAnchors) a = anchors_of ("tpm2-ak", "CN=AK", device);
    g_autoptr (GBytes) challenge = g_bytes_new ("challenge", 9);
    pki_expect (tpm (&(Tpm) { 0 }), a, NULL);
    g_autoptr (GBytes) csr = carrying (REQUEST_IETF, tpm (&(Tpm) { 0 }), key, key, NULL);
    pki_expect (only (g_bytes_ref (csr)), a, NULL);
    g_assert_cmpint (request_carries (csr), ==, REQUEST_IETF);
    pki_expect (only (carrying (REQUEST_IETF, tpm (&(Tpm) { 0 }), key, stranger, NULL)), a, "isn't the request's key");
    pki_expect (only (carrying (REQUEST_IETF, tpm (&(Tpm) { .flip = TRUE }), key, key, NULL)), a, "no key among the files signed");
    g_assert_null (carrying (REQUEST_IETF, tpm (&(Tpm) { .no_signature = TRUE }), key, key, "neither a certificate"));
    g_assert_null (carrying (REQUEST_YUBICO, tpm (&(Tpm) { 0 }), key, key, "no YubiKey's attestation"));
    g_autoptr (GPtrArray) collected = tpm (&(Tpm) { 0 });
    g_autoptr (GBytes) again = carrying (REQUEST_IETF, g_ptr_array_ref (collected), key, key, NULL);
    g_assert_true (request_carries_only (again, collected));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    root = pki_ec ();
    device = pki_ec ();
    key = pki_ec ();
    stranger = pki_ec ();
    rsa_key = EVP_RSA_gen (2048);
    g_test_add_func ("/attest/made/yubikey", test_yubikey);
    g_test_add_func ("/attest/made/yubikey-subca", test_yubikey_subca);
    g_test_add_func ("/attest/made/deny", test_deny);
    g_test_add_func ("/attest/made/yubihsm", test_yubihsm);
    g_test_add_func ("/attest/made/yubihsm-nested", test_yubihsm_nested);
    g_test_add_func ("/attest/made/yubihsm-challenge", test_yubihsm_challenge);
    g_test_add_func ("/attest/made/luna", test_luna);
    g_test_add_func ("/attest/made/marvell", test_marvell);
    g_test_add_func ("/attest/made/securosys", test_securosys);
    g_test_add_func ("/attest/made/tpm", test_tpm);
    g_test_add_func ("/attest/made/tpm-challenge", test_tpm_challenge);
    g_test_add_func ("/attest/made/wrappings", test_wrappings);
    g_test_add_func ("/attest/made/unreadable", test_unreadable);
    g_test_add_func ("/attest/made/anchors", test_anchor_files);
    g_test_add_func ("/attest/made/request", test_request);
    g_test_add_func ("/attest/made/csr-attribute", test_csr_attribute);
    g_test_add_func ("/attest/made/request-forms", test_request_forms);
    g_test_add_func ("/attest/made/request-within", test_request_within);
    g_test_add_func ("/attest/made/request-tpm", test_request_tpm);
    int status = g_test_run ();
    EVP_PKEY_free (root);
    EVP_PKEY_free (device);
    EVP_PKEY_free (key);
    EVP_PKEY_free (stranger);
    EVP_PKEY_free (rsa_key);
    return status;
}
