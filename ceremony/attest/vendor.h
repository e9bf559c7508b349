/* What the vendors' files share: a claim is the result for one attested key; each vendor adds one for every attestation that it
 * recognises, and refuses it or fills it in. */
#pragma once
#include "ceremony/attest/chain.h"

typedef struct {
    const Evidence      *evidence;
    const AttestAnchors *anchors;
    GBytes              *challenge;             /* may be NULL */
    GPtrArray           *claims;                /* AttestResult, owned */
    GPtrArray           *leftovers;             /* char *: what was there beside an attestation, for the message when there is none */
    char                *unreadable;            /* FILE: what it isn't; set by a vendor whose file turns out to be none of its kind */
} AttestJob;

typedef struct {
    const char *kind, *vendor;
    void      (*collect) (AttestJob *job);
} AttestVendor;

void yubikey_collect (AttestJob *job);
void yubihsm_collect (AttestJob *job);
void luna_collect (AttestJob *job);
void marvell_collect (AttestJob *job);
void securosys_collect (AttestJob *job);
void tpm_collect (AttestJob *job);

AttestResult *claim_new (AttestJob *job, const char *kind, const char *vendor, GBytes *spki, const char *file);
/* Refuses, unless it is refused already: the first reason stays. */
void claim_refuse (AttestResult *claim, const char *format, ...) G_GNUC_PRINTF (2, 3);
void claim_anomaly (AttestResult *claim, const char *format, ...) G_GNUC_PRINTF (2, 3);
void claim_set (AttestResult *claim, const char *key, json_t *value); /* steals @value */
void claim_set_str (AttestResult *claim, const char *key, const char *value); /* NULL: JSON null */
/* Runs chain_find and notes path and exceptions; refuses the claim and gives FALSE where there is no path. */
gboolean claim_chain (AttestJob *job, AttestResult *claim, const AttestCert *leaf, const ChainRules *rules, Chain *chain);
/* Whether @cert is an endorsement certificate (TCG EK credential profile) that leads to a TPM maker's key (use tpm2-ek). FALSE: @why (g_free). */
gboolean tpm_ek_chain (const Evidence *evidence, const AttestCert *cert, const AttestAnchors *anchors, Chain *chain, char **why);
