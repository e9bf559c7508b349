/* CAdES-B/T signatures (EN 319 122-1) over a manifest, detached: making them and judging them strictly, since `openssl cms -verify` accepts
 * 19 of 909 flipped bytes. Signatures are hostile input. */
#pragma once
#include "ceremony/bundle/signer.h"

#define CADES_MAX_LEN (256 * 1024)

GBytes *cades_sign (const Signer *signer, const void *data, gsize len, GError **error);

typedef struct {
    X509           *signer;
    STACK_OF(X509) *certificates;   /* all inside, the signer's too */
    char           *spki_sha256;
    gint64          signing_time;   /* claimed, UTC ms; 0 none */
    GBytes         *timestamp;      /* RFC 3161 token over the signature value, or NULL */
} Cades;
/* Accepts only: DER that re-encodes to itself, id-data detached, one SignerInfo, digest and signature algorithm that fit the key, signing-certificate-v2 that matches,
 * message digest equal, signed attributes sorted as DER, no unexplained certificate (each is signer's or in its chain), no unsigned attribute but the timestamp, no byte after.
 * Trust isn't judged here. BASE_ERROR_REFUSED or BASE_ERROR_FORMAT with the reason. */
Cades *cades_verify (const void *p7s, gsize p7s_len, const void *data, gsize len, GError **error);
void   cades_free (Cades *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Cades, cades_free)

/* Adds a signature timestamp to @p7s from an RFC 3161 TSA (http or https URL). Gives the new p7s. */
GBytes *cades_add_timestamp (GBytes *p7s, const char *tsa_url, guint timeout_ms, GError **error);
