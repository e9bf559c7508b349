/* From a leaf certificate to a pinned anchor, through the given certificates. OpenSSL's verifier isn't used, since the vendors'
 * chains depart from RFC 5280 each in its own way: here a departure is a named exception that one vendor allows for one place in
 * its chain, and everything else is refused. */
#pragma once
#include "ceremony/attest/anchors.h"
#include "ceremony/attest/evidence.h"

typedef enum {
    CHAIN_ALLOW_NO_BASIC_CONSTRAINTS = 1,       /* an issuer of version 3 that doesn't say that it is a CA */
    CHAIN_ALLOW_V1 = 2,                         /* an issuer of version 1, which can't say so */
} ChainAllow;

typedef struct {
    const char *use;                            /* which anchors count */
    /* What is forgiven to the issuer @cert, which stands directly under the anchor or not; NULL: nothing. */
    ChainAllow (*allow) (const AttestCert *cert, gboolean under_anchor);
    const char *const *critical;                /* OIDs of critical extensions that the vendor's file understands; may be NULL */
    gboolean    negative_ecdsa;                 /* ECDSA signatures whose r or s was written as a negative INTEGER are read as unsigned */
} ChainRules;

typedef struct {
    GPtrArray          *path;                   /* AttestCert, leaf first, borrowed */
    const AttestAnchor *anchor;
    GPtrArray          *exceptions;             /* char *: the departures that were forgiven, by name */
    int                 nearness;               /* where there is no path: how much of one there was */
} Chain;
void chain_clear (Chain *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Chain, chain_clear)

/* Finds a path whose every signature, constraint and date holds. FALSE: @reason says what is wrong (g_free). */
gboolean chain_find (const Evidence *ev, const AttestCert *leaf, const AttestAnchors *anchors, const ChainRules *rules, Chain *out, char **reason);
/* Is @cert signed by @key? @negative gets whether the signature had to be read as unsigned. */
gboolean cert_signed_by (const AttestCert *cert, EVP_PKEY *key, gboolean allow_negative, gboolean *negative);
