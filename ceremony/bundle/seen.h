/* What was seen of ceremonies in a call: the QR codes of its recording, or of a screen, drawn together into stretches of time; and its file, witness/seen.json
 * (docs/formats.md), which is hostile input when it comes out of a bundle. */
#pragma once
#include <glib.h>
#include "ceremony/base/cjson.h"

#define SEEN_MAX_CODES 20000
#define SEEN_MAX_LEN CJSON_MAX_LEN
#define SEEN_TEXT_MAX 1024              /* a longer text is no checkpoint's, and is cut where it is kept */

typedef enum { SEEN_CHECKPOINT, SEEN_BROKEN, SEEN_OTHER } SeenKind;     /* BROKEN: names a ceremony's log, and is no checkpoint's note; OTHER: any other text */
/* UNCHECKED: no key is known at all; UNKNOWN: none of those known signed it; VERIFIED; FORGED: by the name and id of a known key, and false. */
typedef enum { SEEN_UNCHECKED, SEEN_UNKNOWN, SEEN_VERIFIED, SEEN_FORGED } SeenSignature;

typedef struct {                        /* one code, from when to when it was seen without another between */
    SeenKind      kind;
    SeenSignature signature;
    gint64        first_ms, last_ms;    /* since the recording's (the looking's) beginning */
    guint64       finds;
    char         *text;                 /* as it was read */
    char         *origin, *root;        /* of a checkpoint; "" else. root: base64 */
    guint64       size;
} SeenCode;

typedef struct Seen {
    GPtrArray *codes;                   /* SeenCode, by first_ms */
    gboolean   full;                    /* there were more than are kept */
    gint64     duration_ms, frames, width, height;
    char      *name, *sha256;           /* of the recording's file (its base name); sha256 NULL: it was a screen */
    guint64    length;
    gint64     began, ended;            /* wall clock, of a screen; 0 of a recording */
    /* while codes are added */
    GPtrArray  *keys;                   /* GBytes of 32: Ed25519 keys of appliances; may be NULL */
    GHashTable *newest;                 /* text → its newest SeenCode */
} Seen;

Seen *seen_new (GPtrArray *keys);       /* keys: a reference is taken; may be NULL */
void  seen_free (Seen *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Seen, seen_free)
/* A code read at @ms, which never goes back; NULL: bytes that aren't UTF-8. Gives the code that it belongs to (borrowed; NULL where full), and whether that is @fresh. */
const SeenCode *seen_add (Seen *self, gint64 ms, const char *text, gboolean *fresh);

/* What speaks against a recording without any journal at hand: each a sentence (char *). g_ptr_array_unref. @main gets the origin that most is seen of, the verified
 * before others (borrowed; NULL: no checkpoint was seen). */
GPtrArray *seen_alarms (const Seen *self, const char **main);
/* Stretches of at least @least_ms without any checkpoint of @origin, from 0 to the end: pairs of gint64. g_array_unref. */
GArray *seen_gaps (const Seen *self, const char *origin, gint64 least_ms);

/* The format ceremony/seen/v1. New reference. */
json_t *seen_json (const Seen *self, GError **error);
/* BASE_ERROR_FORMAT. Signatures are as nobody had checked them: the file's word for that counts for nothing. */
Seen   *seen_parse (const void *data, gsize len, GPtrArray *keys, GError **error);
extern const char *const seen_signatures[];     /* words for SeenSignature */
/* A copy of @text without control characters or marks of direction, at most @max bytes, for a terminal. g_free. */
char   *seen_printable (const char *text, gsize max);
/* "12:07.4": minutes, seconds, tenths. g_free. */
char   *seen_time (gint64 ms);
