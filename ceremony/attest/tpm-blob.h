/* TPM 2.0 structures, read from hostile bytes. Part 2 of the TCG library is the source for each; big-endian throughout. */
#pragma once
#include <glib.h>
#include <openssl/evp.h>

enum { TPM_FIXED_TPM = 1 << 1, TPM_FIXED_PARENT = 1 << 4, TPM_ORIGIN = 1 << 5, TPM_RESTRICTED = 1 << 16, TPM_DECRYPT = 1 << 17, TPM_SIGN = 1 << 18 };
enum { TPM_ST_CERTIFY = 0x8017, TPM_ST_CREATION = 0x801a };

typedef struct { const guint8 *p; gsize n; } TpmIn;     /* what is left to read */
/* Take off the front; FALSE where there isn't so much. The last one reads a size of two bytes and as many bytes as it says. */
gboolean tpm_take (TpmIn *in, gsize n, const guint8 **p);
gboolean tpm_take_uint (TpmIn *in, guint bytes, guint64 *v);
gboolean tpm_take_sized (TpmIn *in, TpmIn *out);

typedef struct {
    guint     type, name_alg;
    guint32   attributes;                       /* TPMA_OBJECT */
    EVP_PKEY *key;
    GBytes   *spki, *name;                      /* DER; nameAlg and the digest of the whole area, as TPM2B_NAME holds it */
} TpmPublic;
/* TPMT_PUBLIC, all of @len bytes: an RSA key, or an ECC key on P-256, P-384 or P-521, under SHA-256, -384 or -512. FALSE leaves @out as it was. */
gboolean tpm_public_read (const void *data, gsize len, TpmPublic *out);
void     tpm_public_clear (TpmPublic *self);

typedef struct {
    guint   type;                               /* TPM_ST_… */
    guint64 clock, firmware;
    guint32 resets;
    TpmIn   extra, name;                        /* qualifying data; name of the certified object: borrowed from what was read */
} TpmAttest;
/* TPMS_ATTEST, all of @len bytes, of TPM2_Certify or TPM2_CertifyCreation. */
gboolean tpm_attest_read (const void *data, gsize len, TpmAttest *out);
/* Whether @signature is a TPMT_SIGNATURE (RSASSA, RSAPSS, ECDSA; SHA-256, -384, -512) of @key over @data, and not a byte more. */
gboolean tpm_signature_holds (GBytes *signature, GBytes *data, EVP_PKEY *key);
