/* The witness's part: reads the evidence, builds the statement, shows its summary, takes opinion and remarks, signs, and appends all to the bundle. Used at the end of a
 * ceremony for a local witness, and by `ceremony seal` at the CA. */
#pragma once
#include "ceremony/bundle/signer.h"
#include "ceremony/run/view.h"

typedef struct {
    const char *bundle;             /* the evidence: gets the statement and the second signature */
    RunView    *view;               /* asks for what is NULL below; NULL: nobody is asked, and opinion must be given */
    const char *key_path;           /* PEM or PKCS#12 of the witness, or */
    const char *token_uri, *module_path;
    const Secret *pin;              /* passphrase or PIN; NULL: none, or asked where there is a view */
    const char *opinion, *remarks, *not_seen, *retention;   /* opinion: an id of statement_opinions */
    const char *place, *region;     /* NULL: from the order */
    const char *secret_path;        /* file with the challenge's secret: 64 hex digits, perhaps a newline; NULL where the witness gave words */
    const char *const *attachments; /* files to put under witness/, NULL-terminated; may be NULL */
    const char *const *seen;        /* what `ceremony watch` wrote: goes to witness/seen.json, seen-2.json …; likewise */
    const char *tsa_url;            /* signature timestamp, may be NULL */
} SealInput;

/* BASE_ERROR_EXISTS: sealed already. BASE_ERROR_REFUSED: secret doesn't fit the order's commitment, key isn't the order's witness. BASE_ERROR_ABORTED: the witness
 * didn't sign. The evidence stays as it was in every such case. */
gboolean seal_bundle (const SealInput *input, GError **error);
gboolean seal_is_sealed (const char *bundle);
