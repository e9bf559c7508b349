/* The container: ETSI ASiC-E (EN 319 162-1), a ZIP whose entries are all stored, mimetype first. Written with libzip; read by a strict walker to which
 * every byte of the file belongs to exactly one entry, header or the directory. Containers are hostile input. */
#pragma once
#include "ceremony/base/cjson.h"

#define ASICE_MIMETYPE "application/vnd.etsi.asic-e+zip"
#define ASICE_MIMETYPE_MAX 100
#define ASICE_MAX_ENTRIES 10000
#define ASICE_MAX_SMALL (64 * 1024 * 1024)  /* what is read whole into memory */

typedef struct {
    char   *name;               /* relative, no "..", no empty or "." part, UTF-8 without control characters */
    guint64 offset, length;     /* of the data in the file */
    guint32 crc;
} AsiceEntry;

typedef struct Asice Asice;
/* Refuses anything but: stored entries, one after the other from byte 0, local header equal to directory record, no extra field but zip64's where needed, no comment,
 * no data descriptor, no encryption, unique names (also case-folded), mimetype first with ASICE_MIMETYPE, no byte before, between or after. ZIP64 is read. */
Asice  *asice_open (const char *path, GError **error);
Asice  *asice_open_bytes (GBytes *bytes, GError **error);   /* for tests and fuzzing */
/* The same container under another MIME type: files of ours that aren't ASiC-E (no manifest, no signature), as strict to read. */
Asice  *asice_open_as (const char *path, const char *mimetype, GError **error);
Asice  *asice_open_bytes_as (GBytes *bytes, const char *mimetype, GError **error);
/* Whether the file begins as a container of that MIME type does: to tell kinds apart before opening. */
gboolean asice_begins_as (const char *path, const char *mimetype);
void    asice_free (Asice *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Asice, asice_free)
const GPtrArray *asice_entries (const Asice *self);          /* AsiceEntry, in order */
const AsiceEntry *asice_find (const Asice *self, const char *name);
int     asice_fd (const Asice *self);                        /* of the file; -1 for bytes */
GBytes *asice_read (const Asice *self, const char *name, gsize max, GError **error);
gboolean asice_sha256 (const Asice *self, const AsiceEntry *entry, guint8 out[32], GError **error); /* cached per entry; checks the CRC too */
/* Bytes [offset, offset+length) of an entry. */
gboolean asice_sha256_range (const Asice *self, const AsiceEntry *entry, guint64 offset, guint64 length, guint8 out[32], GError **error);

/* The same bytes into @out. Their CRC isn't looked at: it is of the whole entry. */
gboolean asice_read_range (const Asice *self, const AsiceEntry *entry, guint64 offset, void *out, gsize length, GError **error);

/* Writes an entry's data to @path, which mustn't exist (mode 0600), in pieces; a damaged entry or a full disk leaves nothing behind. */
gboolean asice_extract (const Asice *self, const AsiceEntry *entry, const char *path, GError **error);

/* What to put in: from memory or from a file (copied in pieces). */
typedef struct { char *name; GBytes *bytes; char *path; } AsiceItem;
GPtrArray *asice_items_new (void);                           /* frees its items */
void asice_items_add_bytes (GPtrArray *items, const char *name, GBytes *bytes);
void asice_items_add_file (GPtrArray *items, const char *name, const char *path);

/* Manifest N (META-INF/ASiCManifestNNN.xml) in the form of EN 319 162-1: SigReference and a DataObjectReference (URI percent-encoded, SHA-256) for every entry but mimetype and META-INF/. */
typedef struct { char *name; char sha256[65]; } ManifestEntry;
GBytes *manifest_write (guint number, const GPtrArray *entries /* ManifestEntry, sorted by name */, GError **error);
/* Strict: the bytes equal manifest_write of what was read. Hostile input, no entities, bounded. */
GPtrArray *manifest_parse (const void *data, gsize len, guint *number, GError **error);

/* Creates @path (never over an existing file) with @items, manifest 001 over all of them and the signature that @sign makes. Progress 0…1, may be NULL. */
typedef GBytes *(*AsiceSign) (const void *manifest, gsize len, gpointer user_data, GError **error);
typedef void (*AsiceProgress) (double fraction, gpointer user_data);
gboolean asice_create (const char *path, const GPtrArray *items, AsiceSign sign, AsiceProgress progress, gpointer user_data, GError **error);
/* The same without manifest and signature, as a plain ZIP of @mimetype: what needs no role's signature because it carries its proofs. */
gboolean asice_create_as (const char *path, const char *mimetype, const GPtrArray *items, GError **error);
/* Appends @items and the next manifest (over every data file, old and new) with its signature: to a copy beside it, then renamed. The old bytes stay as they were. */
gboolean asice_append (const char *path, const GPtrArray *items, AsiceSign sign, AsiceProgress progress, gpointer user_data, GError **error);
/* How many manifests there are; and SHA-256 of each earlier manifest and p7s, as statement.json and decision.json hold them:
 * [{"manifest":"META-INF/ASiCManifest001.xml","manifest_sha256","signature","signature_sha256"}]. New reference. */
guint asice_signature_count (const Asice *self);
json_t *asice_signature_digests (const Asice *self, GError **error);
