/* What the files of run/ and its acts share: the state of one ceremony and the helpers that acts are written with. Private to run/.
 * An act is written straight down; every helper that waits goes on with the main loop meanwhile. A helper that returns FALSE, NULL or -1 has set @error, and
 * the act returns FALSE at once: the engine looks at stop to know whether the ceremony ends or the act may be tried again. */
#pragma once
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/appliance.h"
#include "ceremony/bundle/challenge.h"
#include "ceremony/bundle/signer.h"
#include "ceremony/bundle/order.h"
#include "ceremony/journal/journal.h"
#include "ceremony/run/run.h"
#include "ceremony/script/acts.h"
#include "ceremony/token/token.h"

typedef struct Recorder Recorder;

typedef enum {
    STOP_NONE,
    STOP_ABORT,                 /* a person ended it: close the evidence as aborted */
    STOP_INTERRUPT,             /* a signal, or "stop here": leave everything for resume */
    STOP_FAULT,                 /* the journal can't be written: as interrupt, with fault */
} RunStop;

struct Run {
    RunSetup   *setup;
    RunView    *view;           /* borrowed */
    char       *home, *id, *folder, *origin, *bundle;
    int         lock_fd;
    int         stderr_fd;      /* where standard error was, while it goes to a log; -1 */
    gboolean    resumed, sealed;

    Order      *order;          /* NULL without one; owns script and policy then */
    Script     *script;
    Policy     *policy;
    char       *algorithm, *label, *subject, *place, *region;
    Appliance  *appliance;
    NoteKey    *note_key;
    Journal    *journal;
    json_t     *people;         /* people.json */

    TokenModules *modules;
    Token      *token;          /* NULL until opened in this sitting */
    Signer     *service;        /* who countersigned in this sitting: closing its token would close the ceremony's sessions too */
    TokenKey   *key;            /* the pair, NULL until generated or found again in this sitting */

    GMainContext *context;
    const ScriptStep *step;     /* NULL outside of steps */
    RunStop     stop;
    char       *abort_reason;
    GError     *fault;
    gboolean    closing;        /* recording.closing is there: nothing but the recording's end and ceremony.closed may follow */
    guint       nested;         /* inside the handling of a function key */
    Recorder   *recorder;
    char       *attention;      /* why the recording stands still: the next question is about that */
    gint64      wall_start, boot_start, drift_told, slept;      /* slept: boot clock less monotonic clock, as last told */
    guint       ticks;
    gboolean    low_told;       /* that the disk fills up */

    /* the screen: see screen.c */
    ViewState   shown;
    GArray     *view_steps;     /* ViewStep */
    char       *read_aloud, *action, *waiting, *message, *words, *camera, *token_name;
};

/* ── journal (history.c) ── */
/* Commits an event of the present step; @data is stolen. A failing journal stops the ceremony (STOP_FAULT). */
gboolean run_event (Run *run, const char *type, const char *actor, json_t *data, GError **error);
/* The newest event of @type that belongs to the present step; NULL. Borrowed, until the next append. */
const Event *run_step_event (Run *run, const char *type);
const Event *run_last_event (Run *run, const char *type);
guint run_count_events (Run *run, const char *type);
gboolean run_step_has (Run *run, const char *type, const char *key, const char *value);   /* an event of this step whose data[key] is that text */
/* Signs the checkpoint of now: note (the journal's), size and base64 root ({"size","root"}, new reference). */
const char *run_checkpoint (Run *run, json_t **described, GError **error);

/* ── asking (ask.c) ── */
typedef struct { char *text; int choice; Secret *pin; } Reply;
void reply_clear (Reply *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Reply, reply_clear)
gboolean run_ask (Run *run, const Question *question, Reply *reply, GError **error);
gboolean run_continue (Run *run, const char *id, const char *title, const char *detail, GError **error);
char    *run_ask_text (Run *run, const char *id, const char *role, const char *title, const char *detail, const char *initial, gboolean may_be_empty,
                       GError **error);
int      run_ask_choice (Run *run, const char *id, const char *role, const char *title, const char *detail, const char *const *choices, GError **error);
int      run_ask_yes_no (Run *run, const char *id, const char *role, const char *title, const char *detail, GError **error);   /* 1, 0, -1 error */
Secret  *run_ask_pin (Run *run, const char *id, const char *title, const char *detail, GError **error);
gboolean run_page (Run *run, const char *title, const char *text, const char *qr, GError **error);
/* A timestamp over the checkpoint @note of @size events, where there is an authority to ask and it isn't there yet; who is asked may go on without. */
gboolean run_timestamp (Run *run, const char *note, guint64 size, GError **error);
/* The hold points of the present step that aren't confirmed yet. */
gboolean run_hold_points (Run *run, GError **error);
/* Iterates the main loop until @done, stop, or @timeout_ms (0: none): TRUE where @done became TRUE. */
gboolean run_wait (Run *run, const gboolean *done, guint timeout_ms);
/* Sets @error for the stop that is asked for. Always FALSE. */
gboolean run_stopped (Run *run, GError **error);
void run_abort (Run *run, const char *reason);

/* ── people (people.c) ── */
const char *people_person_of (Run *run, const char *role);      /* "p1", or "" before identification */
const json_t *people_entry (Run *run, const char *role);        /* NULL */
gboolean people_load (Run *run, GError **error);
gboolean people_put (Run *run, json_t *entry, GError **error);  /* steals; replaces the entry of the same person; writes the file */

/* ── the token (worker.c, unlock.c) ── */
typedef gboolean (*TokenCall) (Run *run, gpointer data, GError **error);
/* Calls @call in a worker thread while the main loop goes on; the screen says @waiting and for how many seconds. */
gboolean run_token_call (Run *run, const char *waiting, TokenCall call, gpointer data, GError **error);
/* The same for a call that waits for people: @cancel is given to it, and Enter, or any function key, at @question cancels it. */
gboolean run_token_wait (Run *run, const Question *question, GCancellable *cancel, TokenCall call, gpointer data, GError **error);
/* Opens the token @uri (journals token.found) and logs in, asking for the PIN (token.refused, token.unlocked). */
gboolean run_unlock (Run *run, const char *uri, GError **error);
/* The token is open and logged in, or becomes so: after a resume the PIN is asked again. */
gboolean run_need_token (Run *run, GError **error);
void     run_forget_token (Run *run);   /* its session is dead: run_need_token then finds it anew and asks for the PIN */
/* The generated key is at hand; after a resume it is found again, and its attributes read again. */
gboolean run_need_key (Run *run, GError **error);
gboolean run_read_attributes (Run *run, const char *occasion, GError **error);
GBytes  *run_challenge (Run *run, GError **error);              /* 8 bytes of the last challenge.given */

/* ── signing with the new key (sign.c) ── */
gboolean run_prove (Run *run, GBytes *nonce, GError **error);   /* the next possession proof */
/* The request, with the attributes of @carrying (an unsigned request), which are told of as @attestation; both NULL: without. */
gboolean run_request (Run *run, X509_REQ *carrying, const char *attestation, GError **error);
X509_NAME *run_subject_name (const char *rfc4514, GError **error); /* X509_NAME_free */

/* ── screen (screen.c) ── */
void screen_init (Run *run);
void screen_clear (Run *run);
void screen_update (Run *run);
void screen_step (Run *run, guint index, StepState state);
void screen_waiting (Run *run, const char *waiting);            /* "" or NULL: nothing */
void screen_task (Run *run, const char *action);            /* after the last step: nothing to read aloud any more */
void screen_say (Run *run, ViewMood mood, const char *format, ...) G_GNUC_PRINTF (3, 4);
void screen_token (Run *run, const json_t *info);

/* ── engine (engine.c) ── */
json_t *run_program (Run *run);                                 /* {"version","sha256","media_sha256"} */
json_t *run_clock (void);                                       /* {"boot_id","boottime_ms","wall","ntp"} */
json_t *run_terminal (Run *run);                                /* {"cols","rows"} */
gboolean run_step_finished (Run *run, const ScriptStep *step);  /* step.done or step.skipped is there */
gboolean run_close (Run *run, GError **error);                  /* closing.c: from recording.closing to the container, whatever is missing of it */
gboolean run_local_seal (Run *run, GError **error);             /* closing.c: where a local witness may sign */
gboolean run_begin_sitting (Run *run, GError **error);          /* resume.c: ceremony.resumed, and what recordings left behind */
/* quiet.c: standard error to HOME/modules.log, and back to where it was. */
void run_quiet (Run *run);
void run_loud (Run *run);
/* run.c: what run_new and run_resume share once the folder is there: appliance, journal key, people, modules. */
Run *run_alloc (const RunSetup *setup, RunView *view);
gboolean run_load_plan (Run *run, const char *order_path, const char *script_path, const char *policy_path, GError **error);
gboolean run_load_appliance (Run *run, GError **error);
gboolean run_check_machine (Run *run, GError **error);
