/* Who is believed, by role: pinned keys, and issuers with what their signers must carry. */
#include "ceremony/bundle/trust.h"
#include "ceremony/bundle/tsa.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/base/yaml.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <string.h>

#define FILE_MAX (256 * 1024)
#define SECURITY_LEVEL 2                    /* of OpenSSL: 112 bits, so no SHA-1 and no RSA below 2048 in an issued chain */

enum { ORDER, APPLIANCE, WITNESS, REVIEWER, SERVICE, TSA, VENDOR, N_ROLES };
static const char *const role_names[N_ROLES] = { "order", "appliance", "witness", "reviewer", "service", "tsa", "vendor" };

typedef struct { char *source, *spki_sha256; GBytes *ed25519; } Pin;   /* ed25519: the bare key, where it is one */
typedef struct { char *source, *file; X509 *cert; char *eku, *policy; } Issuer;
struct Trust { GPtrArray *pins[N_ROLES], *issuers[N_ROLES]; };

typedef struct { char *issuer, *eku, *policy, *note; } IssuerFile;
static const YamlField issuer_fields[] = {
    { "issuer", FIELD_TEXT, TRUE, offsetof (IssuerFile, issuer), 1, 255 },
    { "eku", FIELD_TEXT, FALSE, offsetof (IssuerFile, eku), 1, 100 },
    { "policy", FIELD_TEXT, FALSE, offsetof (IssuerFile, policy), 1, 100 },
    { "note", FIELD_TEXT, FALSE, offsetof (IssuerFile, note), 0, 2000 },
    { NULL, 0, FALSE, 0, 0, 0 },
};

static void
pin_free (gpointer data)
{
    Pin *pin = data;
    g_free (pin->source);
    g_free (pin->spki_sha256);
    g_clear_pointer (&pin->ed25519, g_bytes_unref);
    g_free (pin);
}

static void
issuer_free (gpointer data)
{
    Issuer *issuer = data;
    g_free (issuer->source);
    g_free (issuer->file);
    X509_free (issuer->cert);
    g_free (issuer->eku);
    g_free (issuer->policy);
    g_free (issuer);
}

Trust *
trust_new_empty (void)
{
    Trust *self = g_new0 (Trust, 1);
    for (int r = 0; r < N_ROLES; r++) {
        self->pins[r] = g_ptr_array_new_with_free_func (pin_free);
        self->issuers[r] = g_ptr_array_new_with_free_func (issuer_free);
    }
    return self;
}

void
trust_free (Trust *self)
{
    if (self == NULL)
        return;
    for (int r = 0; r < N_ROLES; r++) {
        g_ptr_array_unref (self->pins[r]);
        g_ptr_array_unref (self->issuers[r]);
    }
    g_free (self);
}

/* Loading */

static char *
key_sha256 (EVP_PKEY *key)
{
    guint8 *der = NULL;
    int len = i2d_PUBKEY (key, &der);
    char *hex = len > 0 ? sha256_hex (der, (gsize) len) : NULL;
    OPENSSL_free (der);
    return hex;
}

static GBytes *
read_beside (const char *dir, const char *name, GError **error)
{
    g_autofree char *path = g_build_filename (dir, name, NULL);
    return file_read (path, FILE_MAX, error);
}

static X509 *
parse_cert (GBytes *bytes)
{
    BIO *bio = BIO_new_mem_buf (g_bytes_get_data (bytes, NULL), (int) g_bytes_get_size (bytes));
    X509 *cert = bio != NULL ? PEM_read_bio_X509 (bio, NULL, NULL, NULL) : NULL;
    BIO_free (bio);
    ERR_clear_error ();
    return cert;
}

static GBytes *
bare_ed25519 (EVP_PKEY *key)
{
    guint8 raw[32];
    gsize len = sizeof raw;

    if (EVP_PKEY_get_id (key) != EVP_PKEY_ED25519 || EVP_PKEY_get_raw_public_key (key, raw, &len) != 1 || len != sizeof raw)
        return NULL;
    return g_bytes_new (raw, len);
}

/* Every block of the file is a PUBLIC KEY or a CERTIFICATE; a private key among what is trusted is somebody's mistake. */
static gboolean
add_pins (GPtrArray *pins, const char *source, GBytes *bytes, GError **error)
{
    BIO *bio = BIO_new_mem_buf (g_bytes_get_data (bytes, NULL), (int) g_bytes_get_size (bytes));
    char *kind, *header;
    guint8 *der;
    long len;
    guint found = 0;
    gboolean ok = TRUE;
    while (ok && bio != NULL && PEM_read_bio (bio, &kind, &header, &der, &len) == 1) {
        const guint8 *p = der;
        X509 *cert = g_str_equal (kind, PEM_STRING_X509) ? d2i_X509 (NULL, &p, len) : NULL;
        EVP_PKEY *key = cert != NULL ? X509_get_pubkey (cert) : g_str_equal (kind, PEM_STRING_PUBLIC) ? d2i_PUBKEY (NULL, &p, len) : NULL;
        char *spki = key != NULL ? key_sha256 (key) : NULL;
        ok = spki != NULL;
        if (ok) {
            Pin *pin = g_new0 (Pin, 1);
            *pin = (Pin) { g_strdup (source), spki, bare_ed25519 (key) };
            g_ptr_array_add (pins, pin);
            found++;
        }
        EVP_PKEY_free (key);
        X509_free (cert);
        OPENSSL_free (kind);
        OPENSSL_free (header);
        OPENSSL_cleanse (der, (gsize) len);
        OPENSSL_free (der);
    }
    BIO_free (bio);
    ERR_clear_error ();
    if (ok && found > 0)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "trust: %s must hold PUBLIC KEY or CERTIFICATE blocks in PEM form, and nothing else", source);
    return FALSE;
}

static gboolean
is_oid (const char *text)
{
    ASN1_OBJECT *object = text != NULL ? OBJ_txt2obj (text, 1) : NULL;
    gboolean ok = object != NULL;
    ASN1_OBJECT_free (object);
    ERR_clear_error ();
    return ok;
}

static gboolean
fill_issuer (Issuer *issuer, const IssuerFile *file, const char *dir, GError **error)
{
    if (strchr (file->issuer, '/') != NULL || file->issuer[0] == '.') {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "trust: %s: issuer must name a file beside it", issuer->source);
        return FALSE;
    }
    if ((file->eku == NULL && file->policy == NULL) || (file->eku != NULL && !is_oid (file->eku)) || (file->policy != NULL && !is_oid (file->policy))) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT,
                     "trust: %s: eku or policy must be there, an OID in numbers: without one, everybody with a certificate of that issuer would be trusted", issuer->source);
        return FALSE;
    }
    g_autoptr (GBytes) bytes = read_beside (dir, file->issuer, error);
    if (bytes == NULL) {
        g_prefix_error (error, "trust: %s: ", issuer->source);
        return FALSE;
    }
    issuer->cert = parse_cert (bytes);
    issuer->file = g_strdup (file->issuer);
    issuer->eku = g_strdup (file->eku);
    issuer->policy = g_strdup (file->policy);
    if (issuer->cert == NULL || X509_check_ca (issuer->cert) == 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "trust: %s: %s isn't a CA's certificate in PEM form", issuer->source, file->issuer);
        return FALSE;
    }
    return TRUE;
}

static gboolean
add_issuer (GPtrArray *issuers, const char *source, const char *dir, GBytes *bytes, GError **error)
{
    g_autoptr (YamlNode) tree = yaml_tree_parse (source, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error);
    if (tree == NULL)
        return FALSE;
    IssuerFile file = { 0 };
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    yaml_read_map (source, tree, issuer_fields, &file, problems);
    Issuer *issuer = g_new0 (Issuer, 1);
    issuer->source = g_strdup (source);
    gboolean ok = yaml_problems_end (problems, error) && fill_issuer (issuer, &file, dir, error);
    if (ok)
        g_ptr_array_add (issuers, issuer);
    else
        issuer_free (issuer);
    g_free (file.issuer);
    g_free (file.eku);
    g_free (file.policy);
    g_free (file.note);
    return ok;
}

/* Other files than these are somebody's typing mistake, and would be believed to count. */
static gboolean
load_file (Trust *self, int role, const char *dir, const char *name, GError **error)
{
    g_autofree char *source = g_strdup_printf ("%s/%s", role_names[role], name);
    gboolean pem = g_str_has_suffix (name, ".pem"), yaml = g_str_has_suffix (name, ".yaml");
    if (name[0] == '.' || g_str_has_suffix (name, ".crt") || g_str_has_prefix (name, "README") || (yaml && role == VENDOR))
        return TRUE;                        /* vendor lists are read by attest/ */
    if (!pem && !yaml) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "trust: %s: files here end in .pem (pinned keys), .yaml (issuers) or .crt (issuers' certificates)", source);
        return FALSE;
    }
    g_autoptr (GBytes) bytes = read_beside (dir, name, error);
    if (bytes == NULL)
        return FALSE;
    return pem ? add_pins (self->pins[role], source, bytes, error) : add_issuer (self->issuers[role], source, dir, bytes, error);
}

/* A certificate that no .yaml names was meant to be pinned, and would be passed over in silence. */
static gboolean
check_named (Trust *self, int role, const char *name, GError **error)
{
    if (!g_str_has_suffix (name, ".crt"))
        return TRUE;
    for (guint i = 0; i < self->issuers[role]->len; i++)
        if (g_str_equal (((const Issuer *) g_ptr_array_index (self->issuers[role], i))->file, name))
            return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "trust: no .yaml beside %s/%s names it as an issuer, so it counts for nothing: if it is the key itself that you believe, call it .pem",
                 role_names[role], name);
    return FALSE;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static gboolean
load_role (Trust *self, int role, const char *trust_dir, GError **error)
{
    g_autofree char *dir = g_build_filename (trust_dir, role_names[role], NULL);
    if (!g_file_test (dir, G_FILE_TEST_EXISTS))
        return TRUE;
    g_autoptr (GDir) open = g_dir_open (dir, 0, error);
    if (open == NULL)
        return FALSE;
    g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    for (const char *name; (name = g_dir_read_name (open)) != NULL;)
        g_ptr_array_add (names, g_strdup (name));
    g_ptr_array_sort (names, compare_names);    /* the reason given is the same each time */
    for (guint i = 0; i < names->len; i++)
        if (!load_file (self, role, dir, g_ptr_array_index (names, i), error))
            return FALSE;
    for (guint i = 0; i < names->len && role != VENDOR; i++)
        if (!check_named (self, role, g_ptr_array_index (names, i), error))
            return FALSE;
    return TRUE;
}

Trust *
trust_load (const char *dir, GError **error)
{
    g_autoptr (Trust) self = trust_new_empty ();
    if (!g_file_test (dir, G_FILE_TEST_IS_DIR)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "trust: %s isn't a folder", dir);
        return NULL;
    }
    for (int role = 0; role < N_ROLES; role++)
        if (!load_role (self, role, dir, error))
            return NULL;
    return g_steal_pointer (&self);
}

/* Judging */

static int
role_find (const char *name)
{
    for (int r = 0; r < N_ROLES; r++)
        if (g_str_equal (role_names[r], name))
            return r;
    return -1;
}

static void G_GNUC_PRINTF (2, 3)
say (char **why, const char *format, ...)
{
    va_list args;
    if (why == NULL)
        return;
    g_free (*why);
    va_start (args, format);
    *why = g_strdup_vprintf (format, args);
    va_end (args);
}

static const Pin *
find_pin (const Trust *self, int role, const char *spki)
{
    for (guint i = 0; i < self->pins[role]->len; i++) {
        const Pin *pin = g_ptr_array_index (self->pins[role], i);
        if (g_str_equal (pin->spki_sha256, spki))
            return pin;
    }
    return NULL;
}

static const Pin *
find_pin_elsewhere (const Trust *self, int role, const char *spki)
{
    const Pin *pin = NULL;
    for (int r = 0; r < N_ROLES && pin == NULL; r++)
        if (r != role)
            pin = find_pin (self, r, spki);
    return pin;
}

static gboolean
valid_at (X509 *cert, gint64 when, const char *what, char **why)
{
    time_t at = (time_t) (when / 1000);
    g_autofree char *shown = clock_format (when);
    if (X509_cmp_time (X509_get0_notBefore (cert), &at) > 0)
        say (why, "%s, but its certificate wasn't valid yet at %s", what, shown);
    else if (X509_cmp_time (X509_get0_notAfter (cert), &at) < 0)
        say (why, "%s, but its certificate had expired at %s", what, shown);
    else
        return TRUE;
    return FALSE;
}

static gboolean
has_eku (X509 *cert, const char *oid)
{
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i (cert, NID_ext_key_usage, NULL, NULL);
    ASN1_OBJECT *wanted = OBJ_txt2obj (oid, 1);
    gboolean found = FALSE;
    for (int i = 0; i < sk_ASN1_OBJECT_num (usages); i++)
        found |= OBJ_cmp (sk_ASN1_OBJECT_value (usages, i), wanted) == 0;
    ASN1_OBJECT_free (wanted);
    EXTENDED_KEY_USAGE_free (usages);
    return found;
}

static gboolean
has_policy (X509 *cert, const char *oid)
{
    CERTIFICATEPOLICIES *policies = X509_get_ext_d2i (cert, NID_certificate_policies, NULL, NULL);
    ASN1_OBJECT *wanted = OBJ_txt2obj (oid, 1);
    gboolean found = FALSE;
    for (int i = 0; i < sk_POLICYINFO_num (policies); i++)
        found |= OBJ_cmp (sk_POLICYINFO_value (policies, i)->policyid, wanted) == 0;
    ASN1_OBJECT_free (wanted);
    CERTIFICATEPOLICIES_free (policies);
    return found;
}

/* The path from @cert to the issuer at @when, by OpenSSL. Gives its reason where there is none. */
static const char *
no_path (const Issuer *issuer, X509 *cert, STACK_OF(X509) *chain, gint64 when, int *code)
{
    X509_STORE *store = X509_STORE_new ();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new ();
    const char *reason = "out of memory";
    *code = X509_V_ERR_UNSPECIFIED;
    if (store != NULL && ctx != NULL && X509_STORE_add_cert (store, issuer->cert) == 1 && X509_STORE_CTX_init (ctx, store, cert, chain) == 1) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param (ctx);
        X509_VERIFY_PARAM_set_flags (param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_USE_CHECK_TIME);
        X509_VERIFY_PARAM_set_time (param, (time_t) (when / 1000));
        X509_VERIFY_PARAM_set_purpose (param, X509_PURPOSE_ANY);
        X509_VERIFY_PARAM_set_auth_level (param, SECURITY_LEVEL);
        gboolean ok = X509_verify_cert (ctx) == 1;
        *code = X509_STORE_CTX_get_error (ctx);
        reason = ok ? NULL : X509_verify_cert_error_string (*code);
    }
    X509_STORE_CTX_free (ctx);
    X509_STORE_free (store);
    ERR_clear_error ();
    return reason;
}

static gboolean
is_no_issuer (int code)
{
    return code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
           || code == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE || code == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT || code == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
}

static gboolean
judge_issuer (const Issuer *issuer, X509 *cert, STACK_OF(X509) *chain, gint64 when, char **why)
{
    int code;
    g_autofree char *name = signer_subject (issuer->cert);
    const char *reason = no_path (issuer, cert, chain, when, &code);
    if (reason != NULL) {
        if (!is_no_issuer (code))
            say (why, "issued by %s (%s), but: %s", name, issuer->source, reason);
        return FALSE;
    }
    if (X509_check_ca (cert) != 0 || (X509_get_key_usage (cert) & (X509v3_KU_DIGITAL_SIGNATURE | X509v3_KU_NON_REPUDIATION)) == 0)
        say (why, "issued by %s (%s), but its certificate isn't one for signing", name, issuer->source);
    else if (issuer->eku != NULL && !has_eku (cert, issuer->eku))
        say (why, "issued by %s (%s), but its certificate doesn't carry EKU %s", name, issuer->source, issuer->eku);
    else if (issuer->policy != NULL && !has_policy (cert, issuer->policy))
        say (why, "issued by %s (%s), but its certificate doesn't carry policy %s", name, issuer->source, issuer->policy);
    else {
        say (why, "issued by %s with %s %s, as %s says", name, issuer->eku != NULL ? "EKU" : "policy", issuer->eku != NULL ? issuer->eku : issuer->policy,
             issuer->source);
        return TRUE;
    }
    return FALSE;
}

gboolean
trust_judge (const Trust *self, const char *role, X509 *cert, STACK_OF(X509) *chain, gint64 when, char **why)
{
    int r = role_find (role);
    g_autofree char *spki = signer_spki_sha256 (cert);
    if (why != NULL)
        *why = NULL;
    if (r < 0) {
        say (why, "there is no role %s", role);
        return FALSE;
    }
    const Pin *pin = find_pin (self, r, spki), *other = find_pin_elsewhere (self, r, spki);
    if (pin != NULL) {
        g_autofree char *what = g_strdup_printf ("pinned as %s", pin->source);
        say (why, "%s", what);
        return valid_at (cert, when, what, why);
    }
    if (other != NULL) {
        say (why, "its key is pinned as %s, which doesn't let it act as %s", other->source, role);
        return FALSE;
    }
    for (guint i = 0; i < self->issuers[r]->len; i++)
        if (judge_issuer (g_ptr_array_index (self->issuers[r], i), cert, chain, when, why))
            return TRUE;
    g_autofree char *subject = signer_subject (cert);
    if (why != NULL && *why == NULL)
        say (why, "nobody trusted as %s: %s, key %.16s…; trust is given in the folder that --trust names", role, subject, spki);
    return FALSE;
}

gboolean
trust_has_key (const Trust *self, const char *role, EVP_PKEY *key, char **why)
{
    int r = role_find (role);
    g_autofree char *spki = key_sha256 (key);
    const Pin *pin = r >= 0 && spki != NULL ? find_pin (self, r, spki) : NULL;
    const Pin *other = r >= 0 && spki != NULL ? find_pin_elsewhere (self, r, spki) : NULL;
    if (why != NULL)
        *why = NULL;
    if (pin != NULL)
        say (why, "pinned as %s", pin->source);
    else if (other != NULL)
        say (why, "it is pinned as %s, which doesn't let it act as %s", other->source, role);
    else
        say (why, "no key of that kind is pinned as %s/; trust is given in the folder that --trust names", role);
    return pin != NULL;
}

GPtrArray *
trust_ed25519_keys (const Trust *self, const char *role)
{
    GPtrArray *keys = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
    int r = role_find (role);

    for (guint i = 0; r >= 0 && i < self->pins[r]->len; i++) {
        const Pin *pin = g_ptr_array_index (self->pins[r], i);
        if (pin->ed25519 != NULL)
            g_ptr_array_add (keys, g_bytes_ref (pin->ed25519));
    }
    return keys;
}

/* A timestamp that a trusted TSA gave fixes the time; else it is the signer's own word. */
gboolean
trust_signing_time (const Trust *self, const Cades *cades, GBytes *p7s, gint64 *when, gboolean *stamped, char **why, GError **error)
{
    gsize len, token_len;
    X509 *tsa = NULL;
    gint64 at = 0;
    *when = cades->signing_time;
    *stamped = FALSE;
    *why = NULL;
    g_autoptr (GBytes) value = cades->timestamp != NULL ? cades_value (g_bytes_get_data (p7s, NULL), g_bytes_get_size (p7s)) : NULL;
    if (value == NULL)
        return TRUE;
    const void *data = g_bytes_get_data (value, &len), *token = g_bytes_get_data (cades->timestamp, &token_len);
    gboolean ok = tsa_verify (token, token_len, TRUE, data, len, &at, &tsa, error);
    if (ok && self == NULL)
        *why = g_strdup ("no trust given");
    else if (ok && trust_judge (self, "tsa", tsa, NULL, at, why)) {
        g_clear_pointer (why, g_free);
        *when = at;
        *stamped = TRUE;
    }
    X509_free (tsa);
    return ok;
}
