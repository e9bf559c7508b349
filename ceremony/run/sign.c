/* Every use of the new key: announced in the journal with the digest of what is signed, made, written to key/, and told of. Entered again after a crash, what is there
 * and verifies isn't made again; a use whose signature was lost stays counted. */
#include "ceremony/run/engine.h"
#include <openssl/pem.h>
#include <string.h>

#define KEY_FILE_MAX (256 * 1024)

typedef struct {
    const guint8 *data;
    gsize         len;
    const Secret *pin;
    GBytes       *signature;
    X509_REQ     *request;
    const char   *mechanism, *hash;
} SignArgs;

static char *
key_path (const Run *run, const char *format, guint n)
{
    g_autofree char *name = n ? g_strdup_printf ("possession-%u.%s", n, format) : g_strdup (format);

    return g_build_filename (run->folder, "key", name, NULL);
}

static gboolean
write_key_file (const Run *run, const char *path, const void *data, gsize len, GError **error)
{
    g_autofree char *dir = g_path_get_dirname (path);

    return file_mkdir (dir, error) && file_write (path, data, len, 0600, TRUE, error);
}

/* The use whose end the journal doesn't tell of, where it is the newest one and for @purpose; 0: none. */
static gint64
open_use (Run *run, const char *purpose)
{
    const Event *using = run_last_event (run, "key.using"), *used = run_last_event (run, "key.used");
    gint64 n = 0;

    if (using == NULL || (used != NULL && used->seq > using->seq) || g_strcmp0 (cjson_str (using->data, "purpose", NULL), purpose) != 0)
        return 0;
    cjson_int (using->data, "use", &n, NULL);
    return n;
}

static gboolean
announce (Run *run, const char *purpose, const char *digest, gint64 *use, GError **error)
{
    *use = (gint64) run_count_events (run, "key.using") + 1;
    return run_event (run, "key.using", "appliance", json_pack ("{s:I,s:s,s:s?}", "use", (json_int_t) *use, "purpose", purpose, "digest", digest), error);
}

static gboolean
tell_used (Run *run, gint64 use, const char *signature_sha256, GError **error)
{
    return run_event (run, "key.used", "appliance", json_pack ("{s:I,s:s}", "use", (json_int_t) use, "signature_sha256", signature_sha256), error);
}

static gboolean
call_sign (Run *run, gpointer data, GError **error)
{
    SignArgs *args = data;

    args->signature = token_key_sign (run->key, args->data, args->len, args->pin, &args->mechanism, &args->hash, error);
    return args->signature != NULL;
}

static gboolean
call_always (Run *run, gpointer data, GError **error)
{
    *(gboolean *) data = token_key_always_authenticate (run->key);
    return TRUE;
}

/* A key that wants the PIN for each signature gets it asked each time, here or on the token's own keypad. */
static gboolean
context_pin (Run *run, Secret **pin, GError **error)
{
    gboolean always = FALSE;

    *pin = NULL;
    if (!run_token_call (run, "Asking how the key wants to be used", call_always, &always, error))
        return FALSE;
    if (!always)
        return TRUE;
    if (token_has_pinpad (run->token)) {
        screen_say (run, MOOD_NORMAL, "This key asks for the PIN at each signature: enter it on the token's own keypad, as the token asks for it.");
        return TRUE;
    }
    *pin = run_ask_pin (run, "pin.context", "The token's PIN, again", "This key asks for the PIN at each signature. It is neither shown nor recorded.", error);
    return *pin != NULL;
}

typedef struct {
    guint   n;
    char   *text, *txt_path, *sig_path, *nonce, *text_sha256;
    json_t *checkpoint;
} Proof;

static void
proof_clear (Proof *self)
{
    g_free (self->text);
    g_free (self->txt_path);
    g_free (self->sig_path);
    g_free (self->nonce);
    g_free (self->text_sha256);
    g_clear_pointer (&self->checkpoint, json_decref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Proof, proof_clear)

static gboolean
proved (Run *run, const Proof *proof, const char *signature_sha256, const char *mechanism, const char *hash, GError **error)
{
    return run_event (run, "possession.proved", "appliance", json_pack ("{s:i,s:s,s:O,s:s,s:s,s:s,s:s}", "n", (int) proof->n, "nonce", proof->nonce, "checkpoint",
                      proof->checkpoint, "text_sha256", proof->text_sha256, "signature_sha256", signature_sha256, "mechanism", mechanism, "hash", hash), error);
}

static gboolean
signature_fits (EVP_PKEY *key, const char *hash, const void *text, gsize text_len, GBytes *signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    gsize len;
    const guint8 *sig = g_bytes_get_data (signature, &len);
    gboolean ok = EVP_DigestVerifyInit (ctx, NULL, strcmp (hash, "SHA384") == 0 ? EVP_sha384 () : EVP_sha256 (), NULL, key) == 1
                  && EVP_DigestVerify (ctx, sig, len, text, text_len) == 1;

    EVP_MD_CTX_free (ctx);
    return ok;
}

/* After a crash between the signature's file and its events: both files are there, they fit each other and the use that was announced. By which of its mechanisms
 * the token signed isn't known any more. */
static gboolean
recover_proof (Run *run, Proof *proof, gboolean *recovered, GError **error)
{
    g_autoptr(GBytes) text = file_read (proof->txt_path, KEY_FILE_MAX, NULL), signature = file_read (proof->sig_path, KEY_FILE_MAX, NULL);
    const Event *using = run_last_event (run, "key.using");
    g_autofree char *digest = NULL, *sig_sha = NULL, *prefix = g_strdup_printf ("ceremony/possession/v1\n%s\n", proof->nonce);
    g_autoptr(Checkpoint) point = NULL;
    g_autofree char *root = NULL;
    const char *hash = strcmp (run->algorithm, "ec-p384") == 0 ? "SHA384" : "SHA256", *data;
    gint64 use = 0;
    gsize len;

    *recovered = FALSE;
    if (text == NULL || signature == NULL || using == NULL)
        return TRUE;
    data = g_bytes_get_data (text, &len);
    digest = sha256_hex (data, len);
    if (g_strcmp0 (cjson_str (using->data, "digest", NULL), digest) != 0 || len <= strlen (prefix) || memcmp (data, prefix, strlen (prefix)) != 0
        || !signature_fits (token_key_public (run->key), hash, data, len, signature))
        return TRUE;
    point = checkpoint_open (data + strlen (prefix), len - strlen (prefix), run->note_key, NULL);
    if (point == NULL)
        return TRUE;
    *recovered = TRUE;
    root = base64_encode (point->root.b, sizeof point->root.b);
    proof->checkpoint = json_pack ("{s:I,s:s}", "size", (json_int_t) point->size, "root", root);
    proof->text_sha256 = g_strdup (digest);
    sig_sha = sha256_hex (g_bytes_get_data (signature, NULL), g_bytes_get_size (signature));
    use = open_use (run, "possession");
    return (use == 0 || tell_used (run, use, sig_sha, error)) && proved (run, proof, sig_sha, "unknown", hash, error);
}

static gboolean
make_proof (Run *run, Proof *proof, GBytes *nonce, GError **error)
{
    const char *note = run_checkpoint (run, &proof->checkpoint, error);
    g_autoptr(Secret) pin = NULL;
    g_autoptr(GBytes) signature = NULL;
    g_autofree char *sig_sha = NULL;
    SignArgs args = { 0 };
    gint64 use;

    if (note == NULL)
        return FALSE;
    proof->text = possession_text (g_bytes_get_data (nonce, NULL), g_bytes_get_size (nonce), note);
    args.data = (const guint8 *) proof->text;
    args.len = strlen (proof->text);
    proof->text_sha256 = sha256_hex (args.data, args.len);
    if (!context_pin (run, &pin, error))
        return FALSE;
    args.pin = pin;
    if (!write_key_file (run, proof->txt_path, args.data, args.len, error) || !announce (run, "possession", proof->text_sha256, &use, error)
        || !run_token_call (run, "The key signs", call_sign, &args, error))
        return FALSE;
    signature = args.signature;
    sig_sha = sha256_hex (g_bytes_get_data (signature, NULL), g_bytes_get_size (signature));
    return write_key_file (run, proof->sig_path, g_bytes_get_data (signature, NULL), g_bytes_get_size (signature), error)
           && tell_used (run, use, sig_sha, error) && proved (run, proof, sig_sha, args.mechanism, args.hash, error);
}

gboolean
run_prove (Run *run, GBytes *nonce, GError **error)
{
    g_auto(Proof) proof = { .n = run_count_events (run, "possession.proved") + 1 };
    gboolean recovered = FALSE;

    proof.nonce = hex_encode (g_bytes_get_data (nonce, NULL), g_bytes_get_size (nonce));
    proof.txt_path = key_path (run, "txt", proof.n);
    proof.sig_path = key_path (run, "sig", proof.n);
    if (!recover_proof (run, &proof, &recovered, error))
        return FALSE;
    if (recovered)
        return TRUE;
    g_clear_pointer (&proof.checkpoint, json_decref);
    g_clear_pointer (&proof.text_sha256, g_free);
    return make_proof (run, &proof, nonce, error);
}

/* ── the request ── */

/* Length of the value that begins at @p: to the next unescaped separator. */
static char *
next_value (const char **p, GError **error)
{
    GString *text = g_string_new (NULL);
    const char *s = *p;

    while (*s == ' ')
        s++;
    for (; *s && *s != ',' && *s != '+'; s++) {
        if (*s != '\\') {
            g_string_append_c (text, *s);
        } else if (g_ascii_isxdigit (s[1]) && g_ascii_isxdigit (s[2])) {
            g_string_append_c (text, (char) (g_ascii_xdigit_value (s[1]) * 16 + g_ascii_xdigit_value (s[2])));
            s += 2;
        } else if (s[1] != '\0') {
            g_string_append_c (text, *++s);
        } else {
            g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "a backslash at its end");
            g_string_free (text, TRUE);
            return NULL;
        }
    }
    while (text->len > 0 && text->str[text->len - 1] == ' ' && s[-2] != '\\')
        g_string_truncate (text, text->len - 1);
    *p = s;
    return g_string_free (text, FALSE);
}

typedef struct { char *type, *value; gboolean joined; } Attribute;

static void
attribute_free (gpointer data)
{
    g_free (((Attribute *) data)->type);
    g_free (((Attribute *) data)->value);
    g_free (data);
}

static gboolean
add_attribute (GPtrArray *list, const char **p, gboolean joined, GError **error)
{
    const char *equals = strchr (*p, '=');
    Attribute *one = g_new0 (Attribute, 1);

    g_ptr_array_add (list, one);
    one->joined = joined;
    if (equals == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "\"%s\" has no '='", *p);
        return FALSE;
    }
    one->type = g_strstrip (g_strndup (*p, equals - *p));
    *p = equals + 1;
    one->value = next_value (p, error);
    if (one->value == NULL)
        return FALSE;
    if (one->value[0] == '\0' || !g_utf8_validate (one->value, -1, NULL) || OBJ_txt2nid (one->type) == NID_undef) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "\"%s\" isn't a known type of attribute, or its value is empty or not UTF-8", one->type);
        return FALSE;
    }
    return TRUE;
}

/* RFC 4514 writes the last RDN first. */
X509_NAME *
run_subject_name (const char *rfc4514, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func (attribute_free);
    const char *p = rfc4514;
    gboolean joined = FALSE;
    int in_rdn = 0;
    X509_NAME *name = X509_NAME_new ();

    do {
        if (!add_attribute (list, &p, joined, error)) {
            g_prefix_error (error, "the subject \"%s\": ", rfc4514);
            X509_NAME_free (name);
            return NULL;
        }
        joined = *p == '+';
    } while (*p++ != '\0');
    for (guint i = 0; i < list->len; i++) {
        const Attribute *one = g_ptr_array_index (list, i);
        in_rdn = one->joined ? in_rdn + 1 : 0;      /* a new RDN goes to the front, a joined value behind its first */
        if (!X509_NAME_add_entry_by_NID (name, OBJ_txt2nid (one->type), MBSTRING_UTF8, (const guchar *) one->value, -1, in_rdn, in_rdn ? -1 : 0)) {
            crypto_fail (error, "the subject");
            g_prefix_error (error, "\"%s\": %s: ", rfc4514, one->type);
            X509_NAME_free (name);
            return NULL;
        }
    }
    return name;
}

static gboolean
call_request (Run *run, gpointer data, GError **error)
{
    SignArgs *args = data;

    return token_key_request_sign (run->key, args->request, args->pin, error);
}

static gboolean
write_pem (Run *run, const char *name, int (*put) (BIO *, gconstpointer), gconstpointer object, GError **error)
{
    g_autofree char *path = key_path (run, name, 0);
    BIO *bio = BIO_new (BIO_s_mem ());
    char *data;
    gboolean ok = put (bio, object) == 1;
    glong len = BIO_get_mem_data (bio, &data);

    ok = ok ? write_key_file (run, path, data, (gsize) len, error) : crypto_fail (error, name);
    BIO_free (bio);
    return ok;
}

static int
put_request (BIO *bio, gconstpointer object)
{
    return PEM_write_bio_X509_REQ (bio, (X509_REQ *) object);
}

static int
put_public (BIO *bio, gconstpointer object)
{
    return PEM_write_bio_PUBKEY (bio, (EVP_PKEY *) object);
}

static char *
request_signature (X509_REQ *request)
{
    const ASN1_BIT_STRING *bits = NULL;

    X509_REQ_get0_signature (request, &bits, NULL);
    return sha256_hex (bits->data, (gsize) bits->length);
}

static gboolean
tell_request (Run *run, X509_REQ *request, const char *attestation, GError **error)
{
    guint8 *der = NULL;
    int len = i2d_X509_REQ (request, &der);
    g_autofree char *csr_sha = len > 0 ? sha256_hex (der, (gsize) len) : NULL, *spki_sha = NULL;
    g_autoptr(GBytes) spki = token_key_spki (run->key, error);

    OPENSSL_free (der);
    if (spki == NULL || csr_sha == NULL)
        return FALSE;
    spki_sha = sha256_hex (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki));
    return run_event (run, "request.made", "appliance", json_pack ("{s:s,s:s,s:s,s:s*}", "csr_sha256", csr_sha, "spki_sha256", spki_sha, "subject", run->subject, "attestation",
                      attestation), error);
}

/* The request of an interrupted sitting, where it is whole and by our key. */
static X509_REQ *
request_on_disk (Run *run, X509_NAME *subject)
{
    g_autofree char *path = key_path (run, "request.csr", 0);
    g_autoptr(GBytes) bytes = run_last_event (run, "key.using") ? file_read (path, KEY_FILE_MAX, NULL) : NULL;
    BIO *bio = bytes ? BIO_new_mem_buf (g_bytes_get_data (bytes, NULL), (int) g_bytes_get_size (bytes)) : NULL;
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ (bio, NULL, NULL, NULL) : NULL;

    BIO_free (bio);
    if (request && EVP_PKEY_eq (X509_REQ_get0_pubkey (request), token_key_public (run->key)) == 1
        && X509_REQ_verify (request, token_key_public (run->key)) == 1 && X509_NAME_cmp (X509_REQ_get_subject_name (request), subject) == 0)
        return request;
    X509_REQ_free (request);
    return NULL;
}

/* The signature is over these bytes, whose digest the journal has before. */
static X509_REQ *
new_request (Run *run, X509_NAME *subject, X509_REQ *carrying, gint64 *use, GError **error)
{
    g_autoptr(Secret) pin = NULL;
    g_autoptr(GBytes) tbs = NULL;
    g_autofree char *digest = NULL;
    SignArgs args = { .request = token_key_request_new (run->key, subject, carrying, &tbs, error) };

    if (args.request == NULL)
        return NULL;
    digest = sha256_hex (g_bytes_get_data (tbs, NULL), g_bytes_get_size (tbs));
    if (context_pin (run, &pin, error)) {
        args.pin = pin;
        if (announce (run, "request", digest, use, error) && run_token_call (run, "The key signs the request", call_request, &args, error))
            return args.request;
    }
    X509_REQ_free (args.request);
    return NULL;
}

static gboolean
make_request (Run *run, X509_NAME *subject, X509_REQ *carrying, const char *attestation, GError **error)
{
    gint64 use = open_use (run, "request");
    X509_REQ *request = request_on_disk (run, subject);
    g_autofree char *sig_sha = NULL;
    gboolean ok;

    if (request == NULL && (request = new_request (run, subject, carrying, &use, error)) == NULL)
        return FALSE;
    sig_sha = request_signature (request);
    ok = write_pem (run, "public.pem", put_public, token_key_public (run->key), error) && write_pem (run, "request.csr", put_request, request, error)
         && (use == 0 || tell_used (run, use, sig_sha, error)) && tell_request (run, request, attestation, error);
    X509_REQ_free (request);
    return ok;
}

gboolean
run_request (Run *run, X509_REQ *carrying, const char *attestation, GError **error)
{
    X509_NAME *subject = run_subject_name (run->subject, error);
    gboolean ok = subject != NULL && make_request (run, subject, carrying, attestation, error);

    X509_NAME_free (subject);
    return ok;
}
