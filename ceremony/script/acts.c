/* The table of acts, in the order in which a script would use them. */
#include "ceremony/script/acts.h"
#include <string.h>

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

const ActInfo act_table[] = {
    { "read", "Text is read aloud; who is named under confirm confirms it.", NULL, 0, NULL, NULL },
    { "consent", "Everybody present agrees to being recorded.", NULL, ACT_ONCE | ACT_REQUIRED, NULL, LIST ("consent.given") },
    { "identify", "Each role's person says who they are, and how that was checked.", NULL, ACT_ONCE | ACT_REQUIRED, LIST ("roles"),
      LIST ("person.identified") },
    { "clock", "The appliance's clock is compared with another clock in the room.", NULL, ACT_ONCE | ACT_REQUIRED, NULL, LIST ("clock.checked") },
    { "represent", "The operator represents by contract how the key will be protected.", "identify", ACT_ONCE | ACT_REQUIRED, NULL,
      LIST ("representation.agreed") },
    { "select-token", "The token is found and unlocked by its PIN.", NULL, ACT_REQUIRED, NULL, LIST ("token.found", "token.unlocked") },
    { "show-token", "The token is held before the camera and its serial number compared.", "select-token", ACT_NEEDS_TOKEN | ACT_REQUIRED, NULL,
      LIST ("token.shown") },
    { "inventory", "What the token holds already is read and shown.", "select-token", ACT_NEEDS_TOKEN | ACT_ONCE | ACT_REQUIRED, NULL,
      LIST ("token.inventoried") },
    { "absent", "No object on the token bears the key's label.", "inventory", ACT_NEEDS_TOKEN | ACT_ONCE | ACT_REQUIRED, NULL, LIST ("key.absent") },
    { "credential", "A TPM opens what the witness sealed to its attestation key and its endorsement key: so both live in it.", "select-token", ACT_NEEDS_TOKEN | ACT_ONCE,
      LIST ("ak"), LIST ("credential.asked") },
    { "open", "The appliance commits to all that came before by its opening checkpoint.", "absent", ACT_ONCE | ACT_REQUIRED, NULL,
      LIST ("opening.committed") },
    { "challenge", "The witness gives the challenge.", "open", ACT_ONCE | ACT_REQUIRED, NULL, LIST ("challenge.given") },
    { "liveness", "The operator reads the challenge aloud and holds it, handwritten, beside the token before the camera.", "challenge",
      ACT_ONCE | ACT_REQUIRED, NULL, LIST ("liveness.shown") },
    { "generate", "The token generates the key pair.", "liveness", ACT_NEEDS_TOKEN | ACT_CHANGES_TOKEN | ACT_ONCE | ACT_REQUIRED, NULL,
      LIST ("key.generating", "key.generated") },
    { "attributes", "The key's attributes are read back from the token.", "generate", ACT_NEEDS_TOKEN | ACT_REQUIRED, NULL, LIST ("attributes.read") },
    { "prove", "The new key signs the challenge and the checkpoint.", "generate", ACT_NEEDS_TOKEN | ACT_CHANGES_TOKEN | ACT_REQUIRED, NULL,
      LIST ("possession.proved") },
    { "request", "The certificate signing request is made.", "prove", ACT_NEEDS_TOKEN | ACT_CHANGES_TOKEN | ACT_ONCE | ACT_REQUIRED, LIST ("attestation"),
      LIST ("request.made") },
    { "attest", "The device's own evidence of where the key was born is collected and judged.", "generate", ACT_NEEDS_TOKEN | ACT_ONCE, LIST ("files", "ak"),
      LIST ("attestation.read") },
    { "countersign", "A signing service countersigns the request, with its declaration.", "request", ACT_ONCE, LIST ("folder"),
      LIST ("request.countersigned") },
    { "unplug", "At the witness's moment the token is pulled out and put back, read again, and signs a second nonce.", "request",
      ACT_NEEDS_TOKEN | ACT_ONCE, NULL, LIST ("token.removed", "token.returned", "token.unlocked", "attributes.read", "possession.proved") },
    { "attach", "Files are hashed, described and attached to the evidence.", NULL, 0, LIST ("files", "description", "kind", "scope", "auditor", "period", "expires"), NULL },
    { "fingerprint", "The key's fingerprint is read aloud in words.", "request", ACT_ONCE | ACT_REQUIRED, NULL, LIST ("fingerprint.read") },
    { "deviations", "All deviations so far are shown; further ones are noted.", NULL, 0, NULL, NULL },
    { "close", "The last hold point: afterwards the recording is closed.", "fingerprint", ACT_ONCE | ACT_REQUIRED, NULL, NULL },
    { NULL, NULL, NULL, 0, NULL, NULL },
};

const ActInfo *
act_find (const char *name)
{
    for (const ActInfo *act = act_table; act->name != NULL; act++)
        if (strcmp (act->name, name) == 0)
            return act;
    return NULL;
}
