/* A forger of bundles for tests: holds a short ceremony on paper with real parts (keys, certificates, signatures, journal, container, order, statement; a P-256 key
 * in software for the token's) and seals it. With no lie told it makes a bundle that verifies; each test tells one lie, everything else stays consistent:
 * what a dishonest operator with a genuine appliance could make. Included as source: #include "forge.c". */
#pragma once
#include "ceremony/bundle/appliance.h"
#include "ceremony/verify/verify.h"

typedef struct {                        /* who is who; made once a program */
    char       *dir;                    /* a fresh folder of its own; removed by forge_world_free */
    EVP_PKEY   *note_private;
    guint8      note_public[32];
    Signer     *appliance, *witness, *ca, *reviewer, *service, *stranger;
    Trust      *trust;                  /* believes all but the stranger */
    char       *vendors;                /* vendors' keys, none of which anybody has */
    EVP_PKEY   *maker;                  /* of a YubiKey root that the vendors' keys hold */
    char       *modules;                /* a list of suitable modules that knows the forger's token */
    const char *origin_domain;
} ForgeWorld;
/* At the start of main: under ASan with slow stack traces (make check asks for them because of GStreamer) starts this program again with quick ones: many small
 * allocations otherwise take minutes. */
void        forge_quick (char **argv);
ForgeWorld *forge_world_new (void);
void        forge_world_free (ForgeWorld *self);

typedef struct Forge Forge;
typedef struct {                        /* a real recorder in place of bytes that only look like a recording (film.c) */
    void (*start) (Forge *f);
    void (*turn) (Forge *f);            /* takes what the recorder has told since */
    void (*show) (Forge *f, const char *note, guint64 size);
    void (*stop) (Forge *f);
} ForgeFilm;
struct Forge {
    ForgeWorld *world;
    const ForgeFilm *film;              /* NULL: no pictures */
    gpointer    film_data;
    /* the lie; all may be left alone */
    gboolean  (*on_event) (Forge *f, const char *type, json_t *data);  /* before an event is written: change @data; FALSE leaves it out */
    void      (*on_step) (Forge *f, const char *act);                  /* when a step is about to be done: add events by forge_emit */
    void      (*on_files) (Forge *f, GPtrArray *items);                /* before the appliance signs: AsiceItem */
    void      (*on_order) (Forge *f, json_t *order);                   /* before the CA signs */
    void      (*on_attest) (Forge *f);                                 /* where set, the script has the act attest before the request: this is it */
    void      (*on_request) (Forge *f, X509_REQ *request);             /* before the key signs it: add attributes */
    void      (*on_statement) (Forge *f, json_t *statement);           /* before the witness signs */
    const char *policy;                 /* further lines of policy.yaml, replacing these keys' defaults */
    const char *more_steps;             /* further steps of the script, before the unplugging; their acts are the hook on_step */
    gboolean    rehearsal, no_order, words, interrupted, unplugged, unsealed, decided, second_challenge;
    const char *opinion, *key_place, *not_seen, *decision;
    Signer     *appliance_signer, *witness_signer, *ca_signer, *reviewer_signer;   /* NULL: the right ones */
    const char *group;                  /* the key's curve instead of P-256 */
    const char *secret;                 /* disclosed instead of the true one */
    gboolean    other_request_key, weak_clock;
    gboolean    countersigned;          /* a signing service countersigns the request, now: two minutes after the ceremony began */
    gboolean    countersigned_late;     /* ten */
    Signer     *service_signer;         /* NULL: the right one */
    void      (*on_facts) (json_t *facts);                             /* before they are declared */
    gboolean  (*on_countersignature) (Forge *f, GBytes **signature, GBytes **declaration); /* before they are put in and told of; FALSE: neither is */
    /* state, for hooks */
    GPtrArray  *events;                 /* Event */
    MerkleTree *tree;
    GPtrArray  *notes;                  /* char*: checkpoints in order of size */
    GString    *lines;
    NoteKey    *note_key;
    gint64      base, mono;             /* wall clock and journal clock: the time of an event is their sum */
    gint64      boot;                   /* CLOCK_BOOTTIME at mono 0 */
    guint64     sitting;
    char       *ceremony, *origin, *step;
    Script     *script_parsed;
    char       *script, *policy_text;
    GBytes     *order_json, *order_manifest, *order_p7s;
    json_t     *order, *people;
    EVP_PKEY   *key;
    GBytes     *csr;                    /* the request's file */
    guint8      challenge[8], secret_bytes[32];
    guint       part, uses, possessions, step_index;
    GString    *video, *cast;
    gsize       video_done, cast_done;
    guint       video_chunks, cast_chunks;
    GPtrArray  *items;                  /* AsiceItem */
    json_t     *parts, *all_parts;        /* as ceremony.closed names them; as they are */
};
void forge_init (Forge *f, ForgeWorld *world);
void forge_clear (Forge *f);
/* Adds an event; @data is taken. */
void forge_emit (Forge *f, const char *type, const char *actor, json_t *data);
/* Signs the checkpoint of now; borrowed. */
const char *forge_checkpoint (Forge *f);
/* Holds the ceremony and gives the bundle's path in the world's folder. g_free. */
char *forge_bundle (Forge *f);
GBytes *forge_bytes (Forge *f);         /* the same, read into memory */
