/* C2SP signed notes, checkpoints and cosignatures (signed-note, tlog-checkpoint, tlog-cosignature), Ed25519. Notes are hostile input. */
#pragma once
#include <glib.h>
#include <openssl/evp.h>
#include "ceremony/journal/merkle.h"

#define NOTE_MAX_LEN (64 * 1024)
#define NOTE_MAX_SIGNATURES 64
#define NOTE_TYPE_ED25519 0x01
#define NOTE_TYPE_COSIGNATURE 0x04

typedef struct {                            /* a name and a public key: who signs */
    char   *name;
    guint8  type;                           /* NOTE_TYPE_… */
    guint8  key[32];
    guint32 id;                             /* first 4 bytes of SHA-256(name ‖ \n ‖ type ‖ key), big endian */
} NoteKey;
NoteKey *note_key_new (const char *name, guint8 type, const guint8 key[32], GError **error);
NoteKey *note_key_parse (const char *vkey, GError **error); /* "<name>+<8 hex>+<base64(type ‖ key)>", id checked */
char    *note_key_format (const NoteKey *self);
void     note_key_free (NoteKey *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NoteKey, note_key_free)

typedef struct {
    char    *name;
    guint32  id;
    GBytes  *signature;                     /* after the 4-byte id: 64 bytes, or 8-byte time ‖ 64 for a cosignature */
} NoteSignature;
typedef struct {
    char      *text;                        /* ends in a newline */
    GPtrArray *signatures;                  /* NoteSignature, in order */
} Note;
Note *note_parse (const void *data, gsize len, GError **error);
char *note_format (const Note *self);       /* round-trips byte for byte */
void  note_free (Note *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Note, note_free)
/* Signs @text (ends in newline) and gives the whole note. @private_key is an Ed25519 EVP_PKEY whose public key is @key's. */
char *note_sign (const char *text, const NoteKey *key, EVP_PKEY *private_key, GError **error);
/* TRUE only where a signature by @key (name and id) is there and verifies. One that is there and doesn't is an error too. */
gboolean note_verify (const Note *self, const NoteKey *key, GError **error);

typedef struct {
    char       *origin;
    guint64     size;
    MerkleHash  root;
} Checkpoint;
char       *checkpoint_text (const char *origin, guint64 size, const MerkleHash *root); /* three lines; g_free */
Checkpoint *checkpoint_parse (const char *text, GError **error);        /* refuses extension lines and leading zeros */
void        checkpoint_free (Checkpoint *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Checkpoint, checkpoint_free)
/* Parses a note, verifies it by @key (whose name must be the origin), parses the checkpoint. */
Checkpoint *checkpoint_open (const void *data, gsize len, const NoteKey *key, GError **error);

/* journal/checkpoints.txt: signed notes, each as it was signed, a line `--` between two of them. An array of GBytes, one a note (not parsed);
 * no note in an empty file. BASE_ERROR_FORMAT, BASE_ERROR_LIMIT. */
#define CHECKPOINTS_MAX_LEN (64 * 1024 * 1024)
GPtrArray *checkpoints_split (const void *data, gsize len, GError **error);

/* A cosignature line's NoteSignature over @text at POSIX @time, and its verification (which gives the time). */
NoteSignature *cosignature_sign (const char *text, guint64 time, const NoteKey *key, EVP_PKEY *private_key, GError **error);
gboolean cosignature_verify (const Note *self, const NoteKey *key, guint64 *time, GError **error);
void note_signature_free (NoteSignature *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NoteSignature, note_signature_free)
