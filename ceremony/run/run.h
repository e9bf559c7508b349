/* One ceremony: a script carried out, from its first step to the evidence that the appliance signs, and on after an interruption. Everything runs in
 * the caller's thread and its default GMainContext; only calls to the token are made in a worker. What is shown and asked goes through RunView. */
#pragma once
#include <glib.h>
#include "ceremony/base/cjson.h"
#include "ceremony/run/view.h"

/* What `run` was called with; written to setup.json in the ceremony's folder, so that `resume` needs nothing but the id. Paths may be relative:
 * run_new makes them absolute. NULL (or FALSE) is "not given" unless it says otherwise. */
typedef struct {
    char *order_path;           /* this, or script_path */
    char *script_path, *policy_path; /* without an order; policy_path NULL: the installed default policy */
    char *trust_dir;            /* who may sign orders (role order); needed with an order unless unchecked_order */
    gboolean unchecked_order;   /* the order's signer isn't judged here; the verdict will */
    char *home;                 /* NULL: $CEREMONY_HOME and so on (docs/formats.md) */
    char *origin_domain;        /* CA domain where there is no order: part of the journal's origin */
    char *algorithm, *label, *subject; /* where neither order nor script says it; label NULL: made from the ceremony's id */
    char *place, *region;       /* where the order says nothing */
    char *token_uri;            /* RFC 7512; NULL: the order's, or the operator chooses */
    char *module_path;          /* a PKCS#11 module beside those registered with p11-kit */
    gboolean module_only;       /* just that module */
    char *camera;               /* "test", "file:/abs", "device:/dev/video0", "none", or a part of a camera's name; NULL: the first camera that there is, else "none" */
    char **more_cameras;        /* beside it, at most two; NULL: none */
    gboolean window;            /* the composed picture in a window, to be shared in a call */
    char *virtual_camera;       /* a v4l2loopback device that gets it too, or NULL */
    char *audio;                /* "none", "test", "default" or a device's name; NULL: "none" */
    gboolean rehearsal;         /* must equal the order's */
    gboolean fast;              /* no hold longer than is needed: last QR 1 s, a new QR each second */
    guint silence_ms;           /* a recorder that says nothing for so long hangs; 0: 10 s. For tests; not kept for a resume */
    guint width, height, fps;   /* of the picture; 0: 1280, 720, 15 */
    char *secret_path;          /* rehearsal: file with the witness's challenge secret (64 hex digits): goes into the sealed bundle */
    char *witness_key;          /* rehearsal: PEM or PKCS#12 of the witness; sealed in `run` without asking for the file */
    char *tsa_url;              /* RFC 3161 authority to timestamp the opening and the final checkpoint; NULL: none */
    char *witness_token;        /* RFC 7512 URI of the witness's token, where policy's local_seal says token */
    char *service_facts;        /* what a signing service declares of itself (docs/formats.md), where it countersigns in `run` */
    char *service_key;          /* rehearsal: PEM or PKCS#12 of the signing service */
    char *service_token;        /* RFC 7512 URI of the signing service's token, where policy's local_countersignature says token */
} RunSetup;
RunSetup *run_setup_new (void);             /* all NULL, FALSE, 0 */
void      run_setup_free (RunSetup *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RunSetup, run_setup_free)
json_t   *run_setup_to_json (const RunSetup *self);
RunSetup *run_setup_from_json (const json_t *json, GError **error);

typedef struct Run Run;

/* The questions that a ceremony asks, by their id (view.h): what an autopilot must be able to answer. With :role where more than one role is asked.
 *   read request unplug.ready liveness.operator   CONTINUE      page (full-screen text)                       CONTINUE
 *   consent:ROLE represent clock token.shown liveness   YES_NO  confirm:ROLE                                  CONFIRM (initials)
 *   person.name: person.initials: person.employer: person.title: person.qualification: person.approval:       TEXT
 *   person.identified_by: token token.shared      CHOICE        pin pin.context                               PIN
 *   attach.kind (CHOICE: other, report) attach.scope attach.auditor attach.period attach.expires (TEXT, may be empty)
 *   attach.file attach.description: attest.file   TEXT (an empty file name ends)     pin.attest PIN       attest.refused CHOICE (keep, add files)
 *   countersign.how (here, elsewhere; only where a signer is at hand) countersign.refused (keep, other files)   CHOICE   countersign.folder TEXT   pin.service PIN
 *   challenge (WORDS) challenge.own (TEXT): the opening checkpoint's note is in the question's qr
 *   credential.file (TEXT, empty: none comes) credential.own (TEXT)
 *   unplug.out unplug.in   CONTINUE: shown while the token is being watched; answering gives up waiting
 * when something went wrong:
 *   act.failed (try again, stop here, abort) token.absent (look again, abort) token.locked recorder.failed timestamp.failed    CHOICE        pin.final   YES_NO
 * by function keys:
 *   note.role deviation.role CHOICE, note.text deviation.expected deviation.happened deviation.decided break.reason abort.reason TEXT,
 *   break.end CONTINUE, abort.confirm YES_NO
 * of a local witness, when the evidence is closed:
 *   seal.pin PIN, seal.opinion CHOICE, seal.remarks seal.not_seen TEXT, seal.sign YES_NO */

typedef enum {
    RUN_COMPLETED,              /* evidence closed, outcome completed */
    RUN_ABORTED,                /* evidence closed, outcome aborted */
    RUN_INTERRUPTED,            /* stopped as it was (signal, terminal gone, or a fault that leaves the journal open): `ceremony resume` goes on */
} RunOutcome;

/* Checks everything before anything is touched: order and its signer, script, policy, appliance keys, ceremony-media, PKCS#11 modules, disk space,
 * terminal at least 80x24. Then makes the ceremony's folder. @view is borrowed and may be asked nothing yet. BASE_ERROR_… says what and what to do. */
Run *run_new (const RunSetup *setup, RunView *view, GError **error);
/* Takes up an interrupted ceremony: @id, or NULL where exactly one is open (BASE_ERROR_USAGE lists them where there are more; BASE_ERROR_MISSING: none).
 * @home NULL: default. BASE_ERROR_BUSY: another process holds it, or its recorder still ends. */
Run *run_resume (const char *home, const char *id, RunView *view, GError **error);
void run_free (Run *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Run, run_free)

/* The whole ceremony. RUN_INTERRUPTED sets @error where something other than a signal stopped it; the others where the
 * evidence is closed but a local witness's signature failed: `ceremony seal` is then left to do. SIGTERM, SIGHUP and SIGINT
 * are handled while it runs. */
RunOutcome run_main (Run *self, GError **error);
/* Stops run_main at the next chance with RUN_INTERRUPTED, as a signal does. */
void run_interrupt (Run *self);

const char *run_id (const Run *self);
const char *run_folder (const Run *self);       /* absolute */
const char *run_bundle (const Run *self);       /* absolute path of <id>.asice, NULL before it is written */
gboolean    run_sealed (const Run *self);       /* a witness has signed it */

char *run_home (const char *home);              /* @home made absolute, or the default; g_free */
char *run_appliance_dir (const char *home);     /* where the appliance's keys lie under it; g_free */
/* The ceremonies under @home, oldest first: [{"id","folder","started","state":"open|closed|sealed|running","outcome" or null,"rehearsal","events",
 * "sitting","step" last begun,"bundle" or null}]. One that can't be read has "state":"damaged" and "reason". New reference. */
json_t *run_list (const char *home, GError **error);
