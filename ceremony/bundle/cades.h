/* CAdES-B/T signatures (EN 319 122-1) over a manifest, detached: making them and judging them strictly, since `openssl cms -verify` accepts
 * 19 of 909 flipped bytes. Signatures are hostile input. */
#pragma once
#include "ceremony/bundle/signer.h"

#define CADES_MAX_LEN (256 * 1024)
#define CADES_OTHER_BYTES "it is over other bytes than these"     /* the reason where a whole signature was made of something else */

GBytes *cades_sign (const Signer *signer, const void *data, gsize len, GError **error);

/* A countersignature: with one signed attribute more, an OCTET STRING that holds SHA-256 of the declaration that goes with it (docs/formats.md). The OID is a UUID's
 * (X.667), which needs no registration. Nothing signed so passes cades_verify, nor the other way round. */
#define CADES_DECLARATION_OID "2.25.31140904339443671523888816812843419648"
GBytes *cades_countersign (const Signer *signer, const void *data, gsize len, const guint8 *declaration_sha256, GError **error);

typedef struct {
    X509           *signer;
    STACK_OF(X509) *certificates;   /* all inside, the signer's too */
    char           *spki_sha256;
    gint64          signing_time;   /* claimed, UTC ms; 0 none */
    GBytes         *timestamp;      /* RFC 3161 token over the signature value, or NULL */
    guint8          declaration_sha256[32];     /* of a countersignature */
} Cades;
/* Accepts only: DER that re-encodes to itself, id-data detached, one SignerInfo, digest and signature algorithm that fit the key, signing-certificate-v2 that matches,
 * message digest equal, signed attributes sorted as DER, no unexplained certificate (each is signer's or in its chain), no unsigned attribute but the timestamp, no byte after.
 * Trust isn't judged here. BASE_ERROR_REFUSED or BASE_ERROR_FORMAT with the reason. */
Cades *cades_verify (const void *p7s, gsize p7s_len, const void *data, gsize len, GError **error);
/* The same of a countersignature, which must hold a declaration's digest; whether it is that of the declaration at hand is the caller's to compare. */
Cades *cades_verify_countersignature (const void *p7s, gsize p7s_len, const void *data, gsize len, GError **error);
/* The signature's value, which a timestamp is over (EN 319 122-1, 5.3); NULL where @p7s isn't one of ours. */
GBytes *cades_value (const void *p7s, gsize p7s_len);
void   cades_free (Cades *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cades, cades_free)

/* Adds a signature timestamp to @p7s from an RFC 3161 TSA (http or https URL). Gives the new p7s. */
GBytes *cades_add_timestamp (GBytes *p7s, const char *tsa_url, guint timeout_ms, GError **error);
