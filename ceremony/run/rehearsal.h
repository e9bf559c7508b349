/* What a rehearsal needs and a real ceremony brings: a throw-away token, an appliance, a CA that orders, a witness with a secret. All lie in one folder. */
#pragma once
#include "ceremony/attest/credential.h"
#include "ceremony/journal/event.h"
#include "ceremony/run/run.h"

typedef struct {
    const char *home;           /* made where missing; what is there already (a rehearsal that was interrupted) is taken again */
    const char *script_path, *policy_path, *algorithm; /* NULL: defaults */
    const RunSetup *recording;  /* cameras, sound, picture, window, virtual camera; NULL, or NULL in it: defaults */
    const char *pin_path;       /* file whose first line is the token's PIN; NULL: a random one, in home/rehearsal/pin */
    const char *module_path;    /* a PKCS#11 module that stands before SoftHSM's; NULL: SoftHSM's itself */
    const char *tsa_url;        /* RFC 3161 authority; NULL: none */
    gboolean    fast;
} RehearsalOptions;

typedef struct {
    RunSetup *setup;
    char     *trust_dir;        /* for verify --trust */
    char     *pin_path;
    guint8    secret[32];       /* the witness's */
} Rehearsal;

Rehearsal *rehearsal_prepare (const RehearsalOptions *options, GError **error);
void       rehearsal_free (Rehearsal *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Rehearsal, rehearsal_free)
/* The witness's eight words for the opening checkpoint of the ceremony in @folder, read from its journal as a witness would read them from the QR. g_free. */
char      *rehearsal_words (const Rehearsal *self, const char *ceremony, const char *folder, GError **error);
/* The same from the witness's secret in @setup and the event opening.committed, for who rehearses alone; NULL where it is no rehearsal or has no secret. g_free. */
char      *rehearsal_hint (const RunSetup *setup, const char *ceremony, const Event *opening);
/* The witness's part in the act credential, likewise for who rehearses alone: makes the credential for @request from the secret in @setup, in a file beside that. Its path; NULL
 * where it is no rehearsal or can't be made. g_free. */
char      *rehearsal_credential (const RunSetup *setup, const CredentialRequest *request);
