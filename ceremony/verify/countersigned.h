/* What a signing service's countersignature of a request is worth, judged from the files alone: `ceremony countersign --check` asks it of loose files, the checks of
 * the family `service` of a bundle's. Everything but the trust and the list is hostile input. */
#pragma once
#include "ceremony/bundle/countersignature.h"
#include "ceremony/bundle/trust.h"

typedef struct {
    GBytes      *request;           /* the file, byte for byte */
    GBytes      *signature;         /* NULL: there is none */
    GBytes      *declaration;       /* NULL: there is none */
    const Trust *trust;             /* NULL: nobody is believed */
    const char  *modules_path;      /* the list of suitable modules; NULL: none */
} CountersignedInput;

typedef struct {
    const char *check;              /* "service.signature", "service.trust", "service.declaration", "service.module" */
    gboolean    warning;            /* else it fails */
    char       *reason;
} CountersignedFinding;

typedef struct {
    GPtrArray *findings;            /* CountersignedFinding */
    Cades     *cades;               /* NULL where the countersignature isn't genuine */
    json_t    *declaration;         /* NULL where it isn't the one that was signed */
    gint64     when;                /* the time that is judged at: a trusted timestamp's, else the signer's word */
    char      *subject;             /* the signer's; NULL with cades */
    char      *trusted;             /* why the signer is believed; NULL where not */
    char      *module;              /* one sentence on the module; NULL where nothing is known */
} Countersigned;

/* Never fails: what is wrong is a finding. Four ids, each perhaps several times; a check without a finding is passed, but where an earlier one failed nothing is known
 * (reached tells). */
Countersigned *countersigned_judge (const CountersignedInput *input);
gboolean       countersigned_reached (const Countersigned *self, const char *check);
void           countersigned_free (Countersigned *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Countersigned, countersigned_free)
