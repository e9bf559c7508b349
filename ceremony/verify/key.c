/* The key: that the one generated is the one that signs, that it answers the challenge, and how often it was used. */
#include <string.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include "ceremony/verify/checks.h"

#define KEY_FILE_MAX (256 * 1024)
#define PROOFS_MAX 200

static GBytes *
spki_der (EVP_PKEY *key)
{
    guint8 *der = NULL;
    int len = key ? i2d_PUBKEY (key, &der) : -1;
    GBytes *bytes = len > 0 ? g_bytes_new (der, len) : NULL;

    OPENSSL_free (der);
    return bytes;
}

static X509_REQ *
read_request (Context *c, GError **error)
{
    g_autoptr(GBytes) file = asice_read (c->asice, "key/request.csr", KEY_FILE_MAX, error);
    gsize len;
    const void *data = file ? g_bytes_get_data (file, &len) : NULL;
    BIO *bio = file ? BIO_new_mem_buf (data, len) : NULL;
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ (bio, NULL, NULL, NULL) : NULL;

    BIO_free (bio);
    if (file && !request)
        crypto_fail (error, "key/request.csr isn't a PEM request");
    return request;
}

static EVP_PKEY *
read_public (Context *c, GError **error)
{
    g_autoptr(GBytes) file = asice_read (c->asice, "key/public.pem", KEY_FILE_MAX, error);
    gsize len;
    const void *data = file ? g_bytes_get_data (file, &len) : NULL;
    BIO *bio = file ? BIO_new_mem_buf (data, len) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY (bio, NULL, NULL, NULL) : NULL;

    BIO_free (bio);
    if (file && !key)
        crypto_fail (error, "key/public.pem isn't a PEM public key");
    return key;
}

/* CKA_ID is the first 16 bytes of SHA-256(challenge ‖ ceremony id): a key made earlier could bear it only by being relabelled. */
CheckResult
check_key_id (Context *c)
{
    g_autoptr(GBytes) challenge = hex_decode (member (c->given->data, "challenge"), NULL), id = NULL;
    const GPtrArray *reads = events_of (c, "attributes.read");
    g_autofree char *hex = NULL;

    if (!challenge || g_bytes_get_size (challenge) != CHALLENGE_LEN) {
        flaw (c, CHECK_FAIL, c->given, "the challenge isn't 8 bytes");
        return done (c, "%s", "");
    }
    id = challenge_key_id (g_bytes_get_data (challenge, NULL), member (c->opened->data, "ceremony"));
    hex = hex_encode (g_bytes_get_data (id, NULL), g_bytes_get_size (id));
    if (c->generating && !g_str_equal (member (c->generating->data, "id"), hex))
        flaw (c, CHECK_FAIL, c->generating, "the key was announced under another id than the challenge gives");
    if (!g_str_equal (member (c->generated->data, "id"), hex))
        flaw (c, CHECK_FAIL, c->generated, "the key's id doesn't follow from the challenge: it is not the key that was asked for");
    for (guint i = 0; i < reads->len; i++) {
        const Event *read = reads->pdata[i];
        const json_t *value = json_object_get (json_object_get (json_object_get (read->data, "private"), "cka_id"), "value");
        if (json_is_string (value) && !g_str_equal (json_string_value (value), hex))
            flaw (c, CHECK_FAIL, read, "the token reads another id back than the challenge gives");
    }
    return done (c, "the id %s follows from the challenge", hex);
}

CheckResult
check_key_unique (Context *c)
{
    static const char *const counts[] = { "private_with_label", "private_with_id", "public_with_label", "public_with_id", NULL };
    const json_t *found = json_object_get (c->generated->data, "found");
    const Event *absent = event_before (c, "key.absent", c->generated->seq);

    if (!absent)
        flaw (c, CHECK_FAIL, c->generated, "nobody looked, before generation, whether a key of that label was there already");
    else if (member_int (absent->data, "with_label") != 0 || member_int (absent->data, "with_id") > 0)
        flaw (c, CHECK_FAIL, absent, "an object of that label or id was on the token before generation");
    else if (!g_str_equal (member (absent->data, "label"), member (c->generated->data, "label")))
        flaw (c, CHECK_FAIL, absent, "it was looked for another label than the key's");
    if (!g_str_equal (member (c->generated->data, "label"), member (c->opened->data, "label")))
        flaw (c, CHECK_FAIL, c->generated, "the key bears another label than the ceremony was opened for");
    for (gsize i = 0; counts[i]; i++)
        if (member_int (found, counts[i]) != 1)
            flaw (c, CHECK_FAIL, c->generated, "after generation %" G_GINT64_FORMAT " objects were found (%s) where exactly one must be: a twin may sign in its place",
                  member_int (found, counts[i]), counts[i]);
    return done (c, "no object of that label before generation, exactly one private and one public key after it");
}

static void
match_hash (Context *c, const Event *event, const char *claimed, const char *expected, const char *what)
{
    if (g_strcmp0 (claimed, expected) != 0)
        flaw (c, CHECK_FAIL, event, "%s is another key", what);
}

CheckResult
check_key_match (Context *c)
{
    g_autoptr(GError) error = NULL;
    X509_REQ *request = read_request (c, &error);
    EVP_PKEY *public = request ? read_public (c, &error) : NULL;
    g_autoptr(GBytes) spki = request ? spki_der (X509_REQ_get0_pubkey (request)) : NULL, other = public ? spki_der (public) : NULL;
    g_autoptr(GBytes) generated = base64_decode (member (c->generated->data, "spki"), -1, NULL);
    const Event *made = event_last (c, "request.made"), *read = event_last (c, "fingerprint.read");
    g_autofree char *hash = spki ? sha256_hex (g_bytes_get_data (spki, NULL), g_bytes_get_size (spki)) : NULL;

    if (!spki || !other) {
        flaw (c, CHECK_FAIL, NULL, "%s", error ? error->message : "the request's key can't be read");
    } else {
        if (!g_bytes_equal (spki, other))
            flaw (c, CHECK_FAIL, NULL, "key/public.pem is another key than the request's");
        if (!generated || !g_bytes_equal (spki, generated))
            flaw (c, CHECK_FAIL, c->generated, "the request is for another key than the one generated");
        match_hash (c, c->generated, member (c->generated->data, "spki_sha256"), hash, "what key.generated names");
        match_hash (c, NULL, member2 (c->evidence, "key", "spki_sha256"), hash, "what the evidence names");
        if (made)
            match_hash (c, made, member (made->data, "spki_sha256"), hash, "what request.made names");
        if (read)
            match_hash (c, read, member (read->data, "spki_sha256"), hash, "the key whose fingerprint was read aloud");
    }
    if (c->worst == CHECK_PASS) {
        c->key = X509_REQ_get_pubkey (request);
        c->spki = g_steal_pointer (&spki);
    }
    EVP_PKEY_free (public);
    X509_REQ_free (request);
    ERR_clear_error ();
    return done (c, "generated key, request, public key and evidence are one key: SHA-256 %.16s…", hash ? hash : "");
}

static const char *
algorithm_of (EVP_PKEY *key)
{
    char group[64] = "";
    gsize len;

    if (EVP_PKEY_is_a (key, "RSA"))
        return EVP_PKEY_get_bits (key) == 3072 ? "rsa-3072" : EVP_PKEY_get_bits (key) == 4096 ? "rsa-4096" : "RSA of another size";
    if (!EVP_PKEY_is_a (key, "EC") || !EVP_PKEY_get_group_name (key, group, sizeof group, &len))
        return "unknown";
    return g_str_equal (group, "prime256v1") ? "ec-p256" : g_str_equal (group, "secp384r1") ? "ec-p384" : "EC on another curve";
}

CheckResult
check_key_algorithm (Context *c)
{
    const char *algorithm = algorithm_of (c->key);

    if (!g_str_equal (algorithm, member (c->opened->data, "algorithm")))
        flaw (c, CHECK_FAIL, c->opened, "the key is %s, the ceremony was opened for %s", algorithm, member (c->opened->data, "algorithm"));
    if (!g_str_equal (algorithm, member (c->generated->data, "algorithm")))
        flaw (c, CHECK_FAIL, c->generated, "the key is %s, key.generated says %s", algorithm, member (c->generated->data, "algorithm"));
    if (!rule_algorithm (c, algorithm))
        flaw (c, CHECK_FAIL, c->generated, "the policy doesn't allow %s", algorithm);
    return done (c, "%s, as opened for and allowed by the policy", algorithm);
}

static int
compare_texts (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Sorted "type=value" of a name, so that either order of RFC 4514 text compares. */
static char *
name_key (GPtrArray *parts)
{
    g_ptr_array_sort (parts, compare_texts);
    g_ptr_array_add (parts, NULL);
    return g_strjoinv ("\n", (char **) parts->pdata);
}

static char *
name_of_request (X509_REQ *request)
{
    X509_NAME *name = X509_REQ_get_subject_name (request);
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func (g_free);

    for (int i = 0; i < X509_NAME_entry_count (name); i++) {
        X509_NAME_ENTRY *entry = X509_NAME_get_entry (name, i);
        guint8 *utf8 = NULL;
        char oid[80];
        int len = ASN1_STRING_to_UTF8 (&utf8, X509_NAME_ENTRY_get_data (entry));
        OBJ_obj2txt (oid, sizeof oid, X509_NAME_ENTRY_get_object (entry), 1);
        g_ptr_array_add (parts, g_strdup_printf ("%s=%.*s", oid, MAX (len, 0), utf8 ? (char *) utf8 : ""));
        OPENSSL_free (utf8);
    }
    return name_key (parts);
}

static int
hex_pair (const char *p)
{
    return g_ascii_isxdigit (p[0]) && g_ascii_isxdigit (p[1]) ? g_ascii_xdigit_value (p[0]) * 16 + g_ascii_xdigit_value (p[1]) : -1;
}

/* One attribute of RFC 4514 text, unescaped; @p moves behind its separator. */
static char *
next_attribute (const char **p)
{
    GString *text = g_string_new (NULL);
    const char *s = *p;

    while (*s == ' ')
        s++;
    for (; *s && *s != ',' && *s != '+'; s++) {
        if (*s == '\\' && s[1] && hex_pair (s + 1) >= 0) {
            g_string_append_c (text, hex_pair (s + 1));
            s += 2;
        } else {
            if (*s == '\\' && s[1])
                s++;
            g_string_append_c (text, *s);
        }
    }
    *p = *s ? s + 1 : s;
    return g_string_free (text, FALSE);
}

static char *
name_of_text (const char *text)
{
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func (g_free);

    for (const char *p = text; *p;) {
        g_autofree char *attribute = next_attribute (&p);
        char *value = strchr (attribute, '='), oid[80];
        ASN1_OBJECT *object;
        if (!value)
            continue;
        *value++ = '\0';
        object = OBJ_txt2obj (g_strstrip (attribute), 0);
        if (object)
            OBJ_obj2txt (oid, sizeof oid, object, 1);
        g_ptr_array_add (parts, g_strdup_printf ("%s=%s", object ? oid : attribute, value));
        ASN1_OBJECT_free (object);
    }
    ERR_clear_error ();
    return name_key (parts);
}

static char *
request_sha256 (X509_REQ *request)
{
    guint8 *der = NULL;
    int len = i2d_X509_REQ (request, &der);
    char *hex = len > 0 ? sha256_hex (der, len) : NULL;

    OPENSSL_free (der);
    return hex;
}

CheckResult
check_key_request (Context *c)
{
    g_autoptr(GError) error = NULL;
    const Event *made = event_last (c, "request.made");
    X509_REQ *request = read_request (c, &error);
    g_autofree char *hash = request ? request_sha256 (request) : NULL;

    if (!request) {
        flaw (c, CHECK_FAIL, NULL, "%s", error->message);
        return done (c, "%s", "");
    }
    if (X509_REQ_verify (request, c->key) != 1)
        flaw (c, CHECK_FAIL, made, "the request's signature isn't by its key");
    if (!made) {
        flaw (c, CHECK_FAIL, NULL, "the journal tells of no request.made: this request wasn't made in the ceremony");
    } else {
        g_autofree char *in_request = name_of_request (request), *journaled = name_of_text (member (made->data, "subject"));
        g_autofree char *asked = name_of_text (member (c->opened->data, "subject"));
        if (g_strcmp0 (hash, member (made->data, "csr_sha256")) != 0 || g_strcmp0 (hash, member2 (c->evidence, "key", "csr_sha256")) != 0)
            flaw (c, CHECK_FAIL, made, "the request isn't the one that was made in the ceremony");
        if (!g_str_equal (in_request, journaled))
            flaw (c, CHECK_FAIL, made, "the request is for another subject than the journal tells");
        if (!g_str_equal (in_request, asked))
            flaw (c, CHECK_FAIL, made, "the request is for another subject than '%s', for which the ceremony was opened", member (c->opened->data, "subject"));
        cite (c, made);
    }
    X509_REQ_free (request);
    ERR_clear_error ();
    return done (c, "signed by its key, for %s", made ? member (made->data, "subject") : "");
}

/* The hash that a possession names, and its OpenSSL digest. */
static const EVP_MD *
digest_of (const char *name)
{
    if (g_ascii_strcasecmp (name, "SHA-256") == 0 || g_ascii_strcasecmp (name, "SHA256") == 0)
        return EVP_sha256 ();
    if (g_ascii_strcasecmp (name, "SHA-384") == 0 || g_ascii_strcasecmp (name, "SHA384") == 0)
        return EVP_sha384 ();
    return NULL;
}

static gboolean
verify_signature (EVP_PKEY *key, const EVP_MD *md, GBytes *text, GBytes *sig)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    gsize text_len, sig_len;
    const void *text_data = g_bytes_get_data (text, &text_len), *sig_data = g_bytes_get_data (sig, &sig_len);
    gboolean good = EVP_DigestVerifyInit (ctx, NULL, md, NULL, key) == 1 && EVP_DigestVerify (ctx, sig_data, sig_len, text_data, text_len) == 1;

    EVP_MD_CTX_free (ctx);
    ERR_clear_error ();
    return good;
}

static gboolean
text_as_expected (Context *c, const Event *proved, GBytes *text)
{
    const json_t *checkpoint = json_object_get (proved->data, "checkpoint");
    const Point *point = point_at (c, member_int (checkpoint, "size"));
    g_autoptr(GBytes) nonce = hex_decode (member (proved->data, "nonce"), NULL);
    g_autofree char *expected = NULL, *root = root_at (c, member_int (checkpoint, "size"));
    gsize len;
    const void *data = g_bytes_get_data (text, &len);

    if (!point || !nonce || g_strcmp0 (root, member (checkpoint, "root")) != 0)
        return FALSE;
    expected = possession_text (g_bytes_get_data (nonce, NULL), g_bytes_get_size (nonce), point->note);
    return strlen (expected) == len && memcmp (expected, data, len) == 0;
}

static void
check_one_possession (Context *c, const Event *proved, guint n)
{
    g_autofree char *text_name = g_strdup_printf ("key/possession-%u.txt", n), *sig_name = g_strdup_printf ("key/possession-%u.sig", n);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) text = asice_read (c->asice, text_name, KEY_FILE_MAX, &error), sig = text ? asice_read (c->asice, sig_name, KEY_FILE_MAX, &error) : NULL;
    g_autofree char *text_sha = text ? entry_sha256 (c, text_name, NULL) : NULL, *sig_sha = sig ? entry_sha256 (c, sig_name, NULL) : NULL;
    const EVP_MD *md = digest_of (member (proved->data, "hash"));

    if (!sig) {
        flaw (c, CHECK_FAIL, proved, "%s", error->message);
        return;
    }
    if (member_int (proved->data, "n") != n)
        flaw (c, CHECK_FAIL, proved, "possession %u of the journal bears the number %" G_GINT64_FORMAT, n, member_int (proved->data, "n"));
    if (g_strcmp0 (text_sha, member (proved->data, "text_sha256")) != 0 || g_strcmp0 (sig_sha, member (proved->data, "signature_sha256")) != 0)
        flaw (c, CHECK_FAIL, proved, "%s and its signature aren't those that the journal names", text_name);
    if (!text_as_expected (c, proved, text))
        flaw (c, CHECK_FAIL, proved, "%s doesn't hold the nonce and a signed checkpoint of this journal", text_name);
    if (member_int (json_object_get (proved->data, "checkpoint"), "size") > (gint64) proved->seq
        || member_int (json_object_get (proved->data, "checkpoint"), "size") <= (gint64) c->generated->seq)
        flaw (c, CHECK_FAIL, proved, "the checkpoint signed in %s is not one between the key's generation and this proof", text_name);
    if (!md || !verify_signature (c->key, md, text, sig))
        flaw (c, CHECK_FAIL, proved, "the signature over %s isn't by the generated key", text_name);
}

/* The first nonce is the challenge; each later one is fresh. */
static void
check_nonces (Context *c, const GPtrArray *proofs)
{
    for (guint i = 0; i < proofs->len; i++) {
        const Event *proved = proofs->pdata[i];
        const char *nonce = member (proved->data, "nonce");
        gboolean is_challenge = g_str_equal (nonce, member (c->given->data, "challenge"));
        if (i == 0 && !is_challenge)
            flaw (c, CHECK_FAIL, proved, "the first proof of possession isn't over the challenge");
        else if (i > 0 && strlen (nonce) < 16)
            flaw (c, CHECK_FAIL, proved, "the nonce of proof %u is shorter than 8 bytes", i + 1);
        for (guint j = 0; j < i; j++)
            if (g_str_equal (nonce, member (((const Event *) proofs->pdata[j])->data, "nonce")))
                flaw (c, ((const Event *) proofs->pdata[j])->sitting != proved->sitting ? CHECK_WARN : CHECK_FAIL, proved,
                      "proof %u signs the same nonce as proof %u: nothing new was shown", i + 1, j + 1);
    }
}

CheckResult
check_key_possession (Context *c)
{
    const GPtrArray *proofs = events_of (c, "possession.proved");
    guint files = 0;

    for (guint i = 0; i < asice_entries (c->asice)->len; i++)
        files += g_str_has_prefix (((const AsiceEntry *) asice_entries (c->asice)->pdata[i])->name, "key/possession-");
    if (proofs->len > PROOFS_MAX) {
        flaw (c, CHECK_FAIL, proofs->pdata[0], "%u proofs of possession: a ceremony has a few", proofs->len);
        return done (c, "%s", "");
    }
    if (proofs->len == 0)
        flaw (c, CHECK_FAIL, c->generated, "the key never signed the challenge: nobody saw that the private key is there");
    if (files != 2 * proofs->len)
        flaw (c, CHECK_FAIL, NULL, "%u files of possession proofs, the journal tells of %u proofs", files, proofs->len);
    for (guint i = 0; i < proofs->len; i++)
        check_one_possession (c, proofs->pdata[i], i + 1);
    check_nonces (c, proofs);
    cite (c, event_first (c, "possession.proved"));
    return done (c, "%u signature%s over challenge, nonce and checkpoint verify with the generated key", proofs->len, proofs->len == 1 ? "" : "s");
}

/* SHA-256 of the request's signature bits. */
/* SHA-256 of the bytes that the request's signature is over. */
static char *
request_digest (Context *c)
{
    X509_REQ *request = read_request (c, NULL);
    unsigned char *der = NULL;
    int len = request ? i2d_re_X509_REQ_tbs (request, &der) : 0;
    char *hex = len > 0 ? sha256_hex (der, (gsize) len) : NULL;

    OPENSSL_free (der);
    X509_REQ_free (request);
    return hex;
}

static char *
request_signature_sha256 (Context *c)
{
    X509_REQ *request = read_request (c, NULL);
    const ASN1_BIT_STRING *bits = NULL;
    char *hex;

    if (!request)
        return NULL;
    X509_REQ_get0_signature (request, &bits, NULL);
    hex = sha256_hex (bits->data, bits->length);
    X509_REQ_free (request);
    return hex;
}

static char *
possession_digest (Context *c, const Event *proved)
{
    g_autofree char *name = g_strdup_printf ("key/possession-%" G_GINT64_FORMAT ".txt", member_int (proved->data, "n"));
    g_autoptr(GBytes) text = asice_read (c->asice, name, KEY_FILE_MAX, NULL);
    const EVP_MD *md = digest_of (member (proved->data, "hash"));
    guint8 digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    gsize text_len;
    const void *data = text ? g_bytes_get_data (text, &text_len) : NULL;

    if (!text || !md || EVP_Digest (data, text_len, digest, &len, md, NULL) != 1)
        return NULL;
    return hex_encode (digest, len);
}

/* A signature whose event the program lost because it stopped before its proof or request was told: @used, then a resume, and only then the next @type. */
static gboolean
lost_by_stop (Context *c, const Event *used, const char *type)
{
    const Event *resumed = event_after (c, "ceremony.resumed", used->seq), *next = event_after (c, type, used->seq);

    return resumed && (!next || resumed->seq < next->seq);
}

/* What the use that gave this signature was for: its proof of possession or request is in the bundle. */
static void
explain_use (Context *c, const Event *using, const Event *used, const char *request_sha)
{
    const GPtrArray *proofs = events_of (c, "possession.proved");
    const char *sig = member (used->data, "signature_sha256"), *purpose = member (using->data, "purpose");

    if (g_str_equal (purpose, "request")) {
        g_autofree char *digest = g_strcmp0 (sig, request_sha) == 0 ? request_digest (c) : NULL;
        const char *announced = member (using->data, "digest");     /* null: by a library that formed the bytes itself */
        if (digest && *announced && !g_str_equal (digest, announced))
            flaw (c, CHECK_FAIL, using, "use %" G_GINT64_FORMAT " of the key was announced over another digest than it signed", member_int (using->data, "use"));
        if (g_strcmp0 (sig, request_sha) != 0)
            flaw (c, lost_by_stop (c, used, "request.made") ? CHECK_WARN : CHECK_FAIL, used, "use %" G_GINT64_FORMAT " of the key signed another request than the one in the bundle", member_int (using->data, "use"));
        return;
    }
    if (!g_str_equal (purpose, "possession"))
        flaw (c, CHECK_FAIL, using, "the key was used for '%s', which isn't part of a ceremony", purpose);
    for (guint i = 0; i < proofs->len; i++) {
        const Event *proved = proofs->pdata[i];
        g_autofree char *digest = NULL;
        if (!g_str_equal (member (proved->data, "signature_sha256"), sig))
            continue;
        digest = possession_digest (c, proved);
        if (g_strcmp0 (digest, member (using->data, "digest")) != 0)
            flaw (c, CHECK_FAIL, using, "use %" G_GINT64_FORMAT " of the key was announced over another digest than it signed", member_int (using->data, "use"));
        return;
    }
    flaw (c, lost_by_stop (c, used, "possession.proved") ? CHECK_WARN : CHECK_FAIL, used,
          "what use %" G_GINT64_FORMAT " of the key signed isn't in the bundle", member_int (using->data, "use"));
}

static void
check_pair (Context *c, const Event *using, guint n, const char *request_sha)
{
    const Event *used = event_after (c, "key.used", using->seq), *next = event_after (c, "key.using", using->seq);

    if (member_int (using->data, "use") != n)
        flaw (c, CHECK_FAIL, using, "use %u of the key bears the number %" G_GINT64_FORMAT, n, member_int (using->data, "use"));
    if (using->seq < c->generated->seq)
        flaw (c, CHECK_FAIL, using, "the key was used before it was generated");
    if (used && (!next || used->seq < next->seq) && member_int (used->data, "use") == member_int (using->data, "use"))
        explain_use (c, using, used, request_sha);
    else
        flaw (c, CHECK_WARN, using, "use %u of the key was announced and its end isn't told (a failure or an interruption): a signature may exist that nobody has", n);
}

CheckResult
check_key_uses (Context *c)
{
    const GPtrArray *using = events_of (c, "key.using"), *used = events_of (c, "key.used");
    g_autofree char *request_sha = request_signature_sha256 (c);

    if (using->len > PROOFS_MAX || used->len > PROOFS_MAX || events_of (c, "possession.proved")->len > PROOFS_MAX) {
        flaw (c, CHECK_FAIL, c->generated, "the key was used %u times: a ceremony needs a few", MAX (using->len, used->len));
        return done (c, "%s", "");
    }
    for (guint i = 0; i < using->len; i++)
        check_pair (c, using->pdata[i], i + 1, request_sha);
    for (guint i = 0; i < used->len; i++) {
        const Event *event = used->pdata[i], *before = event_before (c, "key.using", event->seq);
        if (!before || member_int (before->data, "use") != member_int (event->data, "use"))
            flaw (c, CHECK_FAIL, event, "the key was used without being announced first");
        else if (i > 0 && ((const Event *) used->pdata[i - 1])->seq > before->seq)
            flaw (c, CHECK_FAIL, event, "use %" G_GINT64_FORMAT " of the key gave two signatures, one was announced", member_int (event->data, "use"));
    }
    if (c->closed && member_int (c->closed->data, "uses") != using->len)
        flaw (c, CHECK_FAIL, c->closed, "ceremony.closed counts %" G_GINT64_FORMAT " uses of the key, the journal %u", member_int (c->closed->data, "uses"), using->len);
    if (member_int (json_object_get (c->evidence, "key"), "uses") != using->len)
        flaw (c, CHECK_FAIL, NULL, "the evidence counts %" G_GINT64_FORMAT " uses of the key, the journal %u",
              member_int (json_object_get (c->evidence, "key"), "uses"), using->len);
    return done (c, "used %u times, each announced before, each signature accounted for", using->len);
}

CheckResult
check_key_recovered (Context *c)
{
    if (member_true (c->generated->data, "recovered"))
        flaw (c, CHECK_WARN, c->generated, "the program stopped while the token generated, and the key was found again afterwards by label and id: "
              "look at the picture between both sittings");
    return done (c, "generated and read back without an interruption");
}
