/* Google Cloud HSM: Marvell (Cavium) LiquidSecurity cards. A gzip file holds a response whose last 256 bytes are the partition key's
 * RSA signature; the attributes of the public and of the private object are lists of type, length, value, big-endian. Two chains
 * vouch for the partition key: the manufacturer's (root, card, partition) and the owner's (Google's root over card and over
 * partition). Both must stand, for one card and one partition. (cloud.google.com/kms/docs/attest-key; Marvell, software key attestation.) */
#include "ceremony/attest/keys.h"
#include "ceremony/attest/vendor.h"
#include "ceremony/base/encode.h"
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#define SIGNATURE_LEN 256
#define MAX_ATTRIBUTES 512
#define OLD_LAYOUT_AT 20                        /* firmware 2.x: one object here, no offsets */

enum { ATTR_CLASS = 0x0000, ATTR_LABEL = 0x0003, ATTR_KEY_TYPE = 0x0100, ATTR_ID = 0x0102, ATTR_SENSITIVE = 0x0103, ATTR_SIGN = 0x0108,
       ATTR_MODULUS = 0x0120, ATTR_MODULUS_BITS = 0x0121, ATTR_EXPONENT = 0x0122, ATTR_EXTRACTABLE = 0x0162, ATTR_LOCAL = 0x0163,
       ATTR_NEVER_EXTRACTABLE = 0x0164, ATTR_ALWAYS_SENSITIVE = 0x0165, ATTR_KCV = 0x0173, ATTR_EKCV = 0x1003 };
enum { CLASS_PUBLIC = 2, CLASS_PRIVATE = 3, CLASS_SECRET = 4 };
enum { KEY_RSA = 0, KEY_EC = 3 };

typedef struct { guint32 type, len; const guint8 *p; } Attr;
typedef struct { Attr attrs[MAX_ATTRIBUTES]; guint n; } Object;

static guint32 be32 (const guint8 *p) { return (guint32) p[0] << 24 | (guint32) p[1] << 16 | (guint32) p[2] << 8 | p[3]; }
static guint be16 (const guint8 *p) { return (guint) p[0] << 8 | p[1]; }

/* Reads the object at @at of the @n signed bytes; @end gets where it ends. */
static gboolean
read_object (const guint8 *p, gsize n, gsize at, Object *out, gsize *end)
{
    if (n < 12 || at > n - 12)
        return FALSE;
    guint32 count = be32 (p + at + 4);
    if (count < 1 || count > MAX_ATTRIBUTES)
        return FALSE;
    at += 12;
    out->n = 0;
    for (guint32 i = 0; i < count; i++) {
        if (n - at < 8)
            return FALSE;
        Attr a = { be32 (p + at), be32 (p + at + 4), p + at + 8 };
        at += 8;
        if (a.len > n - at)
            return FALSE;
        for (guint k = 0; k < out->n; k++)
            if (out->attrs[k].type == a.type)
                return FALSE;
        out->attrs[out->n++] = a;
        at += a.len;
    }
    *end = at;
    return TRUE;
}

static const Attr *
attr (const Object *o, guint32 type)
{
    for (guint i = 0; i < o->n; i++)
        if (o->attrs[i].type == type)
            return &o->attrs[i];
    return NULL;
}

/* An unsigned attribute of 1 to 8 octets; -1 where absent or something else. */
static gint64
number (const Object *o, guint32 type)
{
    const Attr *a = attr (o, type);
    if (!a || a->len < 1 || a->len > 8)
        return -1;
    guint64 v = 0;
    for (guint i = 0; i < a->len; i++)
        v = v << 8 | a->p[i];
    return v > G_MAXINT64 ? -1 : (gint64) v;
}

static AttestTri
flag (const Object *o, guint32 type)
{
    gint64 v = number (o, type);
    return v == 0 ? ATTEST_FALSE : v == 1 ? ATTEST_TRUE : ATTEST_NULL;
}

/* Firmware 3.x: response header (code, flags, total, buffer), and buffer bytes before the signature a header of version, flags and the
 * offsets of one or two objects. Everything must lie in the signed bytes, and the objects must fill them. */
static gboolean
read_new (const guint8 *p, gsize total, Object objects[2], guint *n)
{
    gsize len = total - SIGNATURE_LEN, end = 0, end2 = 0;
    if (len < 24 || be32 (p) != 0 || be32 (p + 8) != total)
        return FALSE;
    gsize buffer = be32 (p + 12);
    if (buffer < 8 || buffer > len - 16)
        return FALSE;
    const guint8 *b = p + len - buffer;
    guint first = be16 (b + 4), second = be16 (b + 6);
    if (first < 8 || !read_object (b, buffer, first, &objects[0], &end))
        return FALSE;
    *n = 1;
    if (second == 0)
        return end == buffer;
    if (second < end || !read_object (b, buffer, second, &objects[1], &end2))
        return FALSE;
    *n = 2;
    return end2 == buffer;
}

static gboolean
read_response (const guint8 *p, gsize total, Object objects[2], guint *n)
{
    gsize end;
    *n = 0;
    if (total <= SIGNATURE_LEN)
        return FALSE;
    if (read_new (p, total, objects, n))
        return TRUE;
    *n = 1;
    return read_object (p, total - SIGNATURE_LEN, OLD_LAYOUT_AT, &objects[0], &end) && end == total - SIGNATURE_LEN;
}

static EVP_PKEY *
rsa_key (const Attr *modulus, const Attr *exponent)
{
    return exponent ? key_from_rsa (modulus->p, modulus->len, exponent->p, exponent->len) : NULL;
}

static EVP_PKEY *
ec_key (const Attr *point, GBytes *ekcv)
{
    static const struct { guint32 len; const char *curve; } curves[] = {
        { 65, "P-256" }, { 97, "P-384" }, { 133, "P-521" }, { 65, "secp256k1" } };
    EVP_PKEY *key = NULL;
    for (guint i = 0; i < G_N_ELEMENTS (curves); i++) {
        if (curves[i].len != point->len || point->p[0] != 4)
            continue;
        EVP_PKEY *candidate = key_from_point (curves[i].curve, point->p, point->len);
        if (!candidate)
            continue;
        EVP_PKEY_free (key);
        key = candidate;
        g_autoptr (GBytes) spki = key_spki (key);
        guint8 digest[SHA256_LEN];
        sha256 (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), digest);
        if (!ekcv || memcmp (digest, g_bytes_get_data (ekcv, NULL), SHA256_LEN) == 0)
            break;
    }
    return key;
}

/* The key of an object: attributes 0x120 to 0x122, which must have the digest of 0x1003 and the check value of 0x173. */
static GBytes *
key_of (const Object *o, const char **why)
{
    const Attr *value = attr (o, ATTR_MODULUS), *ekcv = attr (o, ATTR_EKCV), *kcv = attr (o, ATTR_KCV);
    gint64 type = number (o, ATTR_KEY_TYPE);
    g_autoptr (GBytes) digest = ekcv && ekcv->len == SHA256_LEN ? g_bytes_new (ekcv->p, ekcv->len) : NULL;
    *why = "the object holds no public key that this program can read";
    if (!value || (type != KEY_RSA && type != KEY_EC))
        return NULL;
    EVP_PKEY *key = type == KEY_RSA ? rsa_key (value, attr (o, ATTR_EXPONENT)) : ec_key (value, digest);
    g_autoptr (GBytes) spki = key_spki (key);
    EVP_PKEY_free (key);
    if (!spki)
        return NULL;
    guint8 have[SHA256_LEN], sha1[20];
    sha256 (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), have);
    EVP_Q_digest (NULL, "SHA1", NULL, g_bytes_get_data (spki, NULL), g_bytes_get_size (spki), sha1, NULL);
    *why = "the object's public key hasn't the digest that the object gives for it";
    if ((ekcv && (!digest || memcmp (have, ekcv->p, SHA256_LEN) != 0)) || (kcv && (kcv->len != 3 || memcmp (sha1, kcv->p, 3) != 0)))
        return NULL;
    return g_steal_pointer (&spki);
}

/* Firmware 2.x signs without PKCS#1 padding: the digest behind zeros. Only the whole block is compared. */
static gboolean
raw_signature (EVP_PKEY *key, const guint8 *data, gsize n, const guint8 *sig)
{
    guint8 block[SIGNATURE_LEN], expected[SIGNATURE_LEN] = { 0 };
    size_t len = sizeof block;
    BIGNUM *e = NULL;
    gboolean ok = EVP_PKEY_get_bn_param (key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_num_bits (e) >= 17;
    BN_free (e);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new (key, NULL);
    ok = ok && ctx && EVP_PKEY_verify_recover_init (ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding (ctx, RSA_NO_PADDING) == 1 &&
         EVP_PKEY_verify_recover (ctx, block, &len, sig, SIGNATURE_LEN) == 1 && len == sizeof block;
    EVP_PKEY_CTX_free (ctx);
    ERR_clear_error ();
    sha256 (data, n, expected + sizeof expected - SHA256_LEN);
    return ok && memcmp (block, expected, sizeof block) == 0;
}

static gboolean
body_signed_by (EVP_PKEY *key, const guint8 *p, gsize total, gboolean *raw)
{
    gsize n = total - SIGNATURE_LEN;
    *raw = FALSE;
    if (!key || EVP_PKEY_get_base_id (key) != EVP_PKEY_RSA || EVP_PKEY_get_bits (key) != SIGNATURE_LEN * 8)
        return FALSE;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    gboolean ok = EVP_DigestVerifyInit (ctx, NULL, EVP_sha256 (), NULL, key) == 1 && EVP_DigestVerify (ctx, p + n, SIGNATURE_LEN, p, n) == 1;
    EVP_MD_CTX_free (ctx);
    ERR_clear_error ();
    return ok || (*raw = raw_signature (key, p, n, p + n));
}

/* "HSM:5.2G1804-ICM000678:PARTN:1, for FIPS mode": the card's serial number, and whether it is a partition's name. g_free. */
static char *
card_serial (const AttestCert *cert, gboolean *partition)
{
    g_autofree char *cn = cert_cn (cert);
    *partition = FALSE;
    if (!cn || !g_str_has_prefix (cn, "HSM:"))
        return NULL;
    *partition = strstr (cn, ":PARTN:") != NULL;
    return g_strndup (cn + 4, strcspn (cn + 4, ":,"));
}

/* Cavium's card certificates are of version 1: forgiven to a card directly under the manufacturer's root. */
static ChainAllow
forgive (const AttestCert *cert, gboolean under_anchor)
{
    gboolean partition;
    g_autofree char *serial = card_serial (cert, &partition);
    return under_anchor && serial && !partition ? CHAIN_ALLOW_V1 | CHAIN_ALLOW_NO_BASIC_CONSTRAINTS : 0;
}

static const ChainRules maker_rules = { .use = "marvell", .allow = forgive };
static const ChainRules owner_rules = { .use = "google-cloud-hsm" };

/* A certificate of the pool with @spki whose chain under @rules has @length certificates; NULL: @reason says why. */
static const AttestCert *
vouched (AttestJob *job, GBytes *spki, const ChainRules *rules, guint length, Chain *chain, char **reason)
{
    int nearest = G_MININT;
    for (guint i = 0; i < job->evidence->certs->len; i++) {
        const AttestCert *cert = job->evidence->certs->pdata[i];
        g_autofree char *why = NULL;
        if (!spki_same (cert->spki, spki))
            continue;
        if (chain_find (job->evidence, cert, job->anchors, rules, chain, &why) && chain->path->len == length)
            return cert;
        chain_clear (chain);
        if (chain->nearness <= nearest)
            continue;
        nearest = chain->nearness;
        g_free (*reason);
        *reason = why ? g_steal_pointer (&why) : g_strdup_printf ("the chain of %s hasn't the length that it has for such a card", cert->subject);
    }
    if (!*reason)
        *reason = g_strdup ("its certificate isn't among the files");
    return NULL;
}

static void
note_chain (AttestResult *claim, const Chain *chain)
{
    json_t *path = json_array ();
    for (guint i = 0; i < chain->path->len; i++)
        json_array_append_new (path, json_string (((AttestCert *) chain->path->pdata[i])->subject));
    json_array_append_new (path, json_string (chain->anchor->name));
    claim_set (claim, "chain", path);
    for (guint i = 0; i < chain->exceptions->len; i++)
        claim_anomaly (claim, "%s", (char *) chain->exceptions->pdata[i]);
}

/* Both chains for the partition key @spki: maker (partition, card) and owner (partition; and the card itself). */
static gboolean
check_chains (AttestJob *job, AttestResult *claim, GBytes *spki)
{
    g_auto (Chain) maker = { 0 }, owner = { 0 }, owned_card = { 0 };
    g_autofree char *why = NULL;
    gboolean is_partition = FALSE, card_is_partition = TRUE;
    const AttestCert *partition = vouched (job, spki, &maker_rules, 2, &maker, &why);
    if (!partition) {
        claim_refuse (claim, "the manufacturer's chain of the partition key doesn't hold: %s", why);
        return FALSE;
    }
    const AttestCert *card = maker.path->pdata[1];
    g_autofree char *serial = card_serial (partition, &is_partition), *of_card = card_serial (card, &card_is_partition);
    if (!serial || !of_card || !is_partition || card_is_partition || !g_str_equal (serial, of_card)) {
        claim_refuse (claim, "%s isn't a partition of the card %s", partition->subject, card->subject);
        return FALSE;
    }
    if (!vouched (job, spki, &owner_rules, 1, &owner, &why)) {
        claim_refuse (claim, "the owner's (Google's) certificate of the partition key doesn't hold: %s", why);
        return FALSE;
    }
    if (!vouched (job, card->spki, &owner_rules, 1, &owned_card, &why)) {
        claim_refuse (claim, "the owner's (Google's) certificate of the card doesn't hold: %s", why);
        return FALSE;
    }
    note_chain (claim, &maker);
    claim_set_str (claim, "owner", owner.anchor->name);
    claim_set_str (claim, "partition", partition->subject);
    claim->serial = g_steal_pointer (&serial);
    claim->model = g_strdup ("Marvell LiquidSecurity");
    return claim->authentic = TRUE;
}

static GBytes *
find_signer (AttestJob *job, const guint8 *p, gsize n, gboolean *raw)
{
    for (guint i = 0; i < job->evidence->certs->len; i++) {
        const AttestCert *cert = job->evidence->certs->pdata[i];
        if (body_signed_by (X509_get0_pubkey (cert->x), p, n, raw))
            return cert->spki;
    }
    return NULL;
}

static json_t *
text_attr (const Object *o, guint32 type)
{
    const Attr *a = attr (o, type);
    gsize n = a ? strnlen ((const char *) a->p, a->len) : 0;
    return n && g_utf8_validate ((const char *) a->p, (gssize) n, NULL) ? json_stringn ((const char *) a->p, n) : json_null ();
}

static void
judge_private (AttestResult *claim, const Object *key)
{
    AttestTri local = flag (key, ATTR_LOCAL), extractable = flag (key, ATTR_EXTRACTABLE), never = flag (key, ATTR_NEVER_EXTRACTABLE);
    claim->origin = local == ATTEST_TRUE ? ATTEST_ORIGIN_GENERATED : local == ATTEST_FALSE ? ATTEST_ORIGIN_IMPORTED : ATTEST_ORIGIN_UNKNOWN;
    claim->exportable = extractable;
    claim_set (claim, "never_extractable", never == ATTEST_NULL ? json_null () : json_boolean (never));
    claim_set (claim, "label", text_attr (key, ATTR_LABEL));
    claim_set (claim, "key_id", text_attr (key, ATTR_ID));
    if (local != ATTEST_TRUE)
        claim_refuse (claim, local == ATTEST_FALSE ? "the key isn't bound to the device: it was imported, not generated in it"
                                                   : "the attestation doesn't say that the key was generated in the device");
    if (extractable != ATTEST_FALSE)
        claim_refuse (claim, "the key isn't bound to the device: it can be extracted");
    if (never != ATTEST_TRUE)
        claim_refuse (claim, "the key isn't bound to the device: it could be extracted before");
    if (flag (key, ATTR_SENSITIVE) == ATTEST_FALSE || flag (key, ATTR_ALWAYS_SENSITIVE) == ATTEST_FALSE)
        claim_refuse (claim, "the key isn't bound to the device: it is or was readable (not sensitive)");
    if (flag (key, ATTR_SIGN) != ATTEST_TRUE)
        claim_refuse (claim, "the key can't sign (its attributes): it is no signing key");
}

static const Object *
pick (const Object *objects, guint n, gint64 class)
{
    const Object *found = NULL;
    for (guint i = 0; i < n; i++)
        if (number (&objects[i], ATTR_CLASS) == class) {
            if (found)
                return NULL;
            found = &objects[i];
        }
    return found;
}

static void
judge (AttestJob *job, const AttestBlob *blob)
{
    gsize n;
    guint count;
    gboolean raw = FALSE;
    const char *why = NULL;
    const guint8 *p = g_bytes_get_data (blob->bytes, &n);
    g_autofree Object *objects = g_new0 (Object, 2);
    gboolean readable = read_response (p, n, objects, &count);
    const Object *private_key = readable ? pick (objects, count, CLASS_PRIVATE) : NULL, *public_key = readable ? pick (objects, count, CLASS_PUBLIC) : NULL;
    g_autoptr (GBytes) spki = private_key ? key_of (private_key, &why) : NULL;
    if (!readable) {
        g_free (job->unreadable);
        job->unreadable = g_strdup_printf ("%s: what is in it isn't an attestation as Marvell's firmware writes it; it may be damaged or cut off", blob->file);
        return;
    }
    AttestResult *claim = claim_new (job, "marvell", "Google Cloud HSM", spki, blob->file);
    GBytes *signer = find_signer (job, p, n, &raw);
    if (!signer)
        claim_refuse (claim, "the attestation's body isn't signed by the key of any certificate given: it was altered, or the partition's certificate is missing");
    else if (check_chains (job, claim, signer) && raw)
        claim_anomaly (claim, "raw-signature: signed without PKCS#1 padding, as firmware 2.x does");
    if (!private_key) {
        claim_refuse (claim, pick (objects, count, CLASS_SECRET) ? "this attests a symmetric key, which is no signing key"
                                                                 : "the attestation holds no private key's attributes");
        return;
    }
    if (!spki)
        claim_refuse (claim, "%s", why);
    g_autoptr (GBytes) other = public_key ? key_of (public_key, &why) : NULL;
    if (count == 2 && (!public_key || !spki_same (other, spki)))
        claim_refuse (claim, "the public and the private object of the attestation aren't of one key");
    judge_private (claim, private_key);
}

void
marvell_collect (AttestJob *job)
{
    for (guint i = 0; i < job->evidence->blobs->len; i++) {
        const AttestBlob *blob = job->evidence->blobs->pdata[i];
        if (blob->kind == BLOB_MARVELL)
            judge (job, blob);
    }
}
