/* The appliance's two keys: Ed25519 for notes, P-256 with a certificate for CAdES. Made once by `ceremony appliance init`, mode 0600. */
#pragma once
#include "ceremony/bundle/signer.h"
#include "ceremony/base/cjson.h"
#include "ceremony/journal/note.h"

typedef struct {
    EVP_PKEY *note_private;
    guint8    note_public[32];
    Signer   *signer;
} Appliance;

/* Where the keys are unless somebody says otherwise: appliance/ under the ceremonies' home (docs/formats.md). g_free. */
char      *appliance_default_dir (void);
/* Makes both in @dir (note-key.pem, cms-key.pem, cms-cert.pem): BASE_ERROR_EXISTS where there are keys already. */
gboolean   appliance_init (const char *dir, const char *name, GError **error);
/* Refuses key files that others may read (mode), or whose pairs don't match. */
Appliance *appliance_load (const char *dir, GError **error);
void       appliance_free (Appliance *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Appliance, appliance_free)
/* The note key under a ceremony's origin. */
NoteKey   *appliance_note_key (const Appliance *self, const char *origin, GError **error);
/* {"note_key":base64,"note_key_words":…,"certificate_sha256","spki_sha256","subject","not_after"}: what a CA enrols;
 * the words are of the first 16 bytes of SHA-256 of the note key. New reference. */
json_t *appliance_describe (const Appliance *self);
/* Writes trust files for this appliance into @dir/appliance (note.pem, cert.pem). */
gboolean   appliance_enrol (const Appliance *self, const char *trust_dir, GError **error);
