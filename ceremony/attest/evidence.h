/* What the given files hold, sorted by kind: certificates, requests, public keys, and vendors' own structures. The files come in
 * any order and any wrapping (PEM with several blocks, DER, PKCS#7, gzip, base64 text); their kind is seen from their bytes. */
#pragma once
#include "ceremony/attest/attest.h"
#include <openssl/x509.h>

typedef struct {
    X509   *x;
    GBytes *der, *spki;                         /* as encoded in the certificate */
    char   *subject, *issuer;                   /* RFC 2253 */
    char   *file;
} AttestCert;

typedef struct {
    X509_REQ *req;
    GBytes   *der, *spki;
    gboolean  signature_ok;                     /* signed by its own key */
    char     *file;
} AttestCsr;

typedef enum { BLOB_XML, BLOB_MARVELL, BLOB_SIGNATURE, BLOB_TPM_ATTEST, BLOB_TPM_SIGNATURE, BLOB_TPM_PUBLIC } AttestBlobKind;
typedef struct {
    AttestBlobKind kind;
    GBytes        *bytes;
    char          *file;
} AttestBlob;

typedef struct {
    GPtrArray *certs;                           /* AttestCert, no two alike */
    GPtrArray *csrs;                            /* AttestCsr */
    GPtrArray *keys;                            /* GBytes: SPKI of bare public keys */
    GPtrArray *blobs;                           /* AttestBlob */
} Evidence;

#define EVIDENCE_MAX_CERTS 64
#define EVIDENCE_MAX_INFLATED (1024 * 1024)

/* Sorts @inputs and, where not NULL, the DER request @csr. Errors name the file: BASE_ERROR_FORMAT, BASE_ERROR_LIMIT. */
Evidence *evidence_read (GPtrArray *inputs, GBytes *csr, GError **error);
void      evidence_free (Evidence *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Evidence, evidence_free)

/* Do two SPKIs hold the same key, however they are encoded? */
gboolean spki_same (GBytes *a, GBytes *b);
/* The content of the extension @oid (dotted), without its OCTET STRING; NULL where absent or there twice. @n gets how many there are. */
const guint8 *cert_extension (const AttestCert *cert, const char *oid, gsize *len, guint *n);
/* The subject's only common name; NULL where none or more. g_free. */
char *cert_cn (const AttestCert *cert);
