/* C2SP signed notes (c2sp.org/signed-note) and verifier keys, over hostile bytes. And cosignatures (c2sp.org/tlog-cosignature); checkpoints stand in checkpoint.c. */
#include "ceremony/journal/note.h"
#include "ceremony/base/errors.h"
#include <string.h>

#define KEY_LEN 32
#define SIGNATURE_LEN 64
#define COSIGNATURE_LEN (8 + SIGNATURE_LEN)
#define SIGNATURE_MAX 8192                  /* post-quantum signatures of unknown keys are carried along */
#define NAME_MAX_LEN 255
#define DASH "\xe2\x80\x94 "

static gboolean
note_fail (GError **error, BaseError code, const char *why)
{
    g_set_error (error, BASE_ERROR, (int) code, "note: %s", why);
    return FALSE;
}

/* A key name: not empty, UTF-8, no Unicode space, no plus, nothing that could move a cursor. */
static gboolean
name_ok (const char *name, gsize len)
{
    if (len == 0 || len > NAME_MAX_LEN || !g_utf8_validate_len (name, len, NULL))
        return FALSE;
    for (const char *p = name; p < name + len; p = g_utf8_next_char (p)) {
        gunichar c = g_utf8_get_char (p);
        if (c == '+' || g_unichar_isspace (c) || g_unichar_iscntrl (c) || c == 0x85)
            return FALSE;
    }
    return TRUE;
}

static guint32
read_u32 (const guint8 *p)
{
    return (guint32) p[0] << 24 | (guint32) p[1] << 16 | (guint32) p[2] << 8 | p[3];
}

static guint32
key_id (const char *name, guint8 type, const guint8 key[KEY_LEN])
{
    guint8 digest[SHA256_LEN];
    g_autoptr (Sha256) hash = sha256_new ();
    sha256_update (hash, name, strlen (name));
    sha256_update (hash, "\n", 1);
    sha256_update (hash, &type, 1);
    sha256_update (hash, key, KEY_LEN);
    sha256_peek (hash, digest);
    return read_u32 (digest);
}

NoteKey *
note_key_new (const char *name, guint8 type, const guint8 key[32], GError **error)
{
    if (!name_ok (name, strlen (name))) {
        note_fail (error, BASE_ERROR_FORMAT, "a key's name must not be empty nor hold spaces or a plus");
        return NULL;
    }
    if (type != NOTE_TYPE_ED25519 && type != NOTE_TYPE_COSIGNATURE) {
        note_fail (error, BASE_ERROR_FORMAT, "a key of a type that this program doesn't know");
        return NULL;
    }
    NoteKey *self = g_new0 (NoteKey, 1);
    self->name = g_strdup (name);
    self->type = type;
    memcpy (self->key, key, KEY_LEN);
    self->id = key_id (name, type, key);
    return self;
}

void
note_key_free (NoteKey *self)
{
    if (self == NULL)
        return;
    g_free (self->name);
    g_free (self);
}

NoteKey *
note_key_parse (const char *vkey, GError **error)
{
    /* The name holds no plus and the id is eight digits; the base64 after it may hold more. */
    const char *plus = strchr (vkey, '+');
    const char *plus2 = plus != NULL ? strchr (plus + 1, '+') : NULL;
    if (strnlen (vkey, NOTE_MAX_LEN) == NOTE_MAX_LEN || plus2 == NULL || plus2 - plus != 9) {
        note_fail (error, BASE_ERROR_FORMAT, "a verifier key must be NAME+8 hex digits+base64");
        return NULL;
    }
    g_autofree char *name = g_strndup (vkey, plus - vkey);
    g_autofree char *id = g_strndup (plus + 1, 8);
    g_autoptr (GBytes) id_bytes = hex_decode (id, error);
    g_autoptr (GBytes) blob = id_bytes != NULL ? base64_decode (plus2 + 1, -1, error) : NULL;
    if (blob == NULL) {
        g_prefix_error (error, "note: verifier key: ");
        return NULL;
    }
    const guint8 *bytes = g_bytes_get_data (blob, NULL);
    if (g_bytes_get_size (blob) != 1 + KEY_LEN) {
        note_fail (error, BASE_ERROR_FORMAT, "a verifier key must hold a type and 32 bytes");
        return NULL;
    }
    g_autoptr (NoteKey) self = note_key_new (name, bytes[0], bytes + 1, error);
    if (self == NULL)
        return NULL;
    if (self->id != read_u32 (g_bytes_get_data (id_bytes, NULL))) {
        note_fail (error, BASE_ERROR_FORMAT, "the id in the verifier key isn't this key's: it was mistyped or changed");
        return NULL;
    }
    return g_steal_pointer (&self);
}

char *
note_key_format (const NoteKey *self)
{
    guint8 blob[1 + KEY_LEN];
    blob[0] = self->type;
    memcpy (blob + 1, self->key, KEY_LEN);
    g_autofree char *text = base64_encode (blob, sizeof blob);
    return g_strdup_printf ("%s+%08x+%s", self->name, self->id, text);
}

void
note_signature_free (NoteSignature *self)
{
    if (self == NULL)
        return;
    g_free (self->name);
    g_clear_pointer (&self->signature, g_bytes_unref);
    g_free (self);
}

void
note_free (Note *self)
{
    if (self == NULL)
        return;
    g_free (self->text);
    g_clear_pointer (&self->signatures, g_ptr_array_unref);
    g_free (self);
}

/* One line without its newline. */
static NoteSignature *
parse_signature (const char *line, gsize len, GError **error)
{
    gsize dash = strlen (DASH);
    const char *name = line + dash;
    const char *space = len > dash && memcmp (line, DASH, dash) == 0 ? memchr (name, ' ', len - dash) : NULL;
    if (space == NULL || !name_ok (name, (gsize) (space - name))) {
        note_fail (error, BASE_ERROR_FORMAT, "a signature line must be a dash, a name and a signature");
        return NULL;
    }
    const char *text = space + 1;
    g_autoptr (GBytes) blob = base64_decode (text, line + len - text, error);
    if (blob == NULL) {
        g_prefix_error (error, "note: signature line: ");
        return NULL;
    }
    gsize size = g_bytes_get_size (blob);
    if (size <= 4 || size > SIGNATURE_MAX) {
        note_fail (error, BASE_ERROR_FORMAT, "a signature too short or too long");
        return NULL;
    }
    NoteSignature *self = g_new0 (NoteSignature, 1);
    self->name = g_strndup (name, (gsize) (space - name));
    self->id = read_u32 (g_bytes_get_data (blob, NULL));
    self->signature = g_bytes_new_from_bytes (blob, 4, size - 4);
    return self;
}

/* Only newlines below U+0020, and UTF-8. */
static gboolean
characters_ok (const char *data, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if ((guchar) data[i] < 0x20 && data[i] != '\n')
            return FALSE;
    return g_utf8_validate_len (data, len, NULL);
}

static gboolean
parse_signatures (Note *self, const char *data, gsize len, GError **error)
{
    while (len > 0) {
        gsize line = (gsize) ((const char *) memchr (data, '\n', len) - data);
        if (self->signatures->len >= NOTE_MAX_SIGNATURES)
            return note_fail (error, BASE_ERROR_LIMIT, "more signatures than we read");
        NoteSignature *signature = parse_signature (data, line, error);
        if (signature == NULL)
            return FALSE;
        g_ptr_array_add (self->signatures, signature);
        data += line + 1;
        len -= line + 1;
    }
    return TRUE;
}

Note *
note_parse (const void *data, gsize len, GError **error)
{
    const char *text = data;
    if (len > NOTE_MAX_LEN) {
        note_fail (error, BASE_ERROR_LIMIT, "longer than we read");
        return NULL;
    }
    if (len < 3 || text[len - 1] != '\n' || !characters_ok (text, len)) {
        note_fail (error, BASE_ERROR_FORMAT, "must be UTF-8 lines without control characters, the last one ended");
        return NULL;
    }
    /* The text ends at the last empty line. */
    const char *split = memrchr (text, '\n', len - 1);
    while (split != NULL && split > text && split[-1] != '\n')
        split = memrchr (text, '\n', (gsize) (split - text));
    if (split == NULL || split == text) {
        note_fail (error, BASE_ERROR_FORMAT, "no empty line between text and signatures");
        return NULL;
    }
    g_autoptr (Note) self = g_new0 (Note, 1);
    self->text = g_strndup (text, (gsize) (split - text));
    self->signatures = g_ptr_array_new_with_free_func ((GDestroyNotify) note_signature_free);
    if (!parse_signatures (self, split + 1, (gsize) (text + len - (split + 1)), error))
        return NULL;
    if (self->signatures->len == 0) {
        note_fail (error, BASE_ERROR_FORMAT, "no signature");
        return NULL;
    }
    return g_steal_pointer (&self);
}

static void
append_signature (GString *out, const NoteSignature *signature)
{
    gsize len;
    const guint8 *bytes = g_bytes_get_data (signature->signature, &len);
    g_autoptr (GByteArray) blob = g_byte_array_new ();
    guint32 id = GUINT32_TO_BE (signature->id);
    g_byte_array_append (blob, (const guint8 *) &id, 4);
    g_byte_array_append (blob, bytes, (guint) len);
    g_autofree char *text = base64_encode (blob->data, blob->len);
    g_string_append_printf (out, DASH "%s %s\n", signature->name, text);
}

char *
note_format (const Note *self)
{
    GString *out = g_string_new (self->text);
    g_string_append_c (out, '\n');
    for (guint i = 0; i < self->signatures->len; i++)
        append_signature (out, self->signatures->pdata[i]);
    return g_string_free (out, FALSE);
}

/* Ed25519 over @text; the key pair is checked, since a note signed by another key than its name says is worth nothing. */
static gboolean
sign_text (const char *text, const NoteKey *key, EVP_PKEY *private_key, guint8 out[SIGNATURE_LEN], GError **error)
{
    guint8 public_key[KEY_LEN];
    gsize len = sizeof public_key;
    if (EVP_PKEY_get_raw_public_key (private_key, public_key, &len) != 1 || len != KEY_LEN || memcmp (public_key, key->key, KEY_LEN) != 0) {
        crypto_fail (NULL, "");
        return note_fail (error, BASE_ERROR_REFUSED, "the private key isn't the one of this name");
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    len = SIGNATURE_LEN;
    gboolean ok = ctx != NULL && EVP_DigestSignInit (ctx, NULL, NULL, NULL, private_key) == 1 &&
                  EVP_DigestSign (ctx, out, &len, (const guint8 *) text, strlen (text)) == 1 && len == SIGNATURE_LEN;
    EVP_MD_CTX_free (ctx);
    return ok || crypto_fail (error, "note: signing");
}

static gboolean
verify_text (const char *text, const NoteKey *key, const guint8 signature[SIGNATURE_LEN])
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key (EVP_PKEY_ED25519, NULL, key->key, KEY_LEN);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    gboolean ok = pkey != NULL && ctx != NULL && EVP_DigestVerifyInit (ctx, NULL, NULL, NULL, pkey) == 1 &&
                  EVP_DigestVerify (ctx, signature, SIGNATURE_LEN, (const guint8 *) text, strlen (text)) == 1;
    EVP_MD_CTX_free (ctx);
    EVP_PKEY_free (pkey);
    if (!ok)
        crypto_fail (NULL, "");
    return ok;
}

static NoteSignature *
signature_new (const NoteKey *key, const void *data, gsize len)
{
    NoteSignature *self = g_new0 (NoteSignature, 1);
    self->name = g_strdup (key->name);
    self->id = key->id;
    self->signature = g_bytes_new (data, len);
    return self;
}

char *
note_sign (const char *text, const NoteKey *key, EVP_PKEY *private_key, GError **error)
{
    guint8 signature[SIGNATURE_LEN];
    gsize len = strlen (text);
    if (len == 0 || text[len - 1] != '\n' || !characters_ok (text, len)) {
        note_fail (error, BASE_ERROR_FORMAT, "the text to sign must be UTF-8 lines, the last one ended");
        return NULL;
    }
    if (key->type != NOTE_TYPE_ED25519) {
        note_fail (error, BASE_ERROR_REFUSED, "this key cosigns checkpoints, it doesn't sign notes");
        return NULL;
    }
    if (!sign_text (text, key, private_key, signature, error))
        return NULL;
    g_autoptr (NoteSignature) line = signature_new (key, signature, sizeof signature);
    GString *out = g_string_new (text);
    g_string_append_c (out, '\n');
    append_signature (out, line);
    return g_string_free (out, FALSE);
}

/* Calls @verify for each signature of @key's name and id: all of them must pass, and there must be one. */
static gboolean
each_by_key (const Note *self, const NoteKey *key, guint8 type, gboolean (*verify) (const Note *, const NoteKey *, GBytes *, guint64 *), guint64 *time,
             GError **error)
{
    gboolean found = FALSE;
    if (key->type != type)
        return note_fail (error, BASE_ERROR_REFUSED, "the key is of another type");
    for (guint i = 0; i < self->signatures->len; i++) {
        const NoteSignature *signature = self->signatures->pdata[i];
        if (signature->id != key->id || strcmp (signature->name, key->name) != 0)
            continue;
        if (!verify (self, key, signature->signature, time)) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "note: the signature by %s doesn't verify: text or signature was changed", key->name);
            return FALSE;
        }
        found = TRUE;
    }
    if (!found)
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "note: no signature by %s with the key that is trusted", key->name);
    return found;
}

static gboolean
verify_plain (const Note *self, const NoteKey *key, GBytes *signature, guint64 *time)
{
    return g_bytes_get_size (signature) == SIGNATURE_LEN && verify_text (self->text, key, g_bytes_get_data (signature, NULL));
}

gboolean
note_verify (const Note *self, const NoteKey *key, GError **error)
{
    return each_by_key (self, key, NOTE_TYPE_ED25519, verify_plain, NULL, error);
}

/* The message of c2sp.org/tlog-cosignature v1. */
static char *
cosigned_text (const char *text, guint64 time)
{
    return g_strdup_printf ("cosignature/v1\ntime %" G_GUINT64_FORMAT "\n%s", time, text);
}

NoteSignature *
cosignature_sign (const char *text, guint64 time, const NoteKey *key, EVP_PKEY *private_key, GError **error)
{
    if (key->type != NOTE_TYPE_COSIGNATURE) {
        note_fail (error, BASE_ERROR_REFUSED, "this key signs notes, it doesn't cosign checkpoints");
        return NULL;
    }
    g_autofree char *message = cosigned_text (text, time);
    guint8 blob[COSIGNATURE_LEN];
    guint64 big_endian = GUINT64_TO_BE (time);
    memcpy (blob, &big_endian, 8);
    if (!sign_text (message, key, private_key, blob + 8, error))
        return NULL;
    return signature_new (key, blob, sizeof blob);
}

static gboolean
verify_cosignature (const Note *self, const NoteKey *key, GBytes *signature, guint64 *time)
{
    if (g_bytes_get_size (signature) != COSIGNATURE_LEN)
        return FALSE;
    const guint8 *blob = g_bytes_get_data (signature, NULL);
    guint64 when = (guint64) read_u32 (blob) << 32 | read_u32 (blob + 4);
    g_autofree char *message = cosigned_text (self->text, when);
    if (time != NULL)
        *time = when;
    return verify_text (message, key, blob + 8);
}

gboolean
cosignature_verify (const Note *self, const NoteKey *key, guint64 *time, GError **error)
{
    return each_by_key (self, key, NOTE_TYPE_COSIGNATURE, verify_cosignature, time, error);
}
