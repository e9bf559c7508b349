/* Generating the pair on the token. The fullest template comes first; a token that refuses it is offered known reductions, none of which gives up
 * anything that makes the key unextractable. What is only the module's to say (CKA_LOCAL and its like) is never set. */
#include <string.h>
#include "ceremony/token/internal.h"

static const guint8 OID_P256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const guint8 OID_P384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };

const Algorithm ALGORITHMS[] = {
    { "rsa-3072", CKK_RSA, 3072, NULL, "SHA256", NULL, 0 },
    { "rsa-4096", CKK_RSA, 4096, NULL, "SHA256", NULL, 0 },
    { "ec-p256", CKK_EC, 256, "prime256v1", "SHA256", OID_P256, sizeof OID_P256 },
    { "ec-p384", CKK_EC, 384, "secp384r1", "SHA384", OID_P384, sizeof OID_P384 },
    { NULL, 0, 0, NULL, NULL, NULL, 0 },
};

const Algorithm *
algorithm_find (const char *name, GError **error)
{
    for (const Algorithm *a = ALGORITHMS; a->name; a++)
        if (g_strcmp0 (a->name, name) == 0)
            return a;
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_UNSUPPORTED, "%s: no such algorithm; use rsa-3072, rsa-4096, ec-p256 or ec-p384", name ? name : "(none)");
    return NULL;
}

static gboolean
is_listed (Module *module, CK_SLOT_ID slot, CK_MECHANISM_TYPE type)
{
    CK_RV rv;
    g_autoptr(GArray) types = module_mechanisms (module, slot, &rv);
    for (guint i = 0; types && i < types->len; i++)
        if (g_array_index (types, CK_MECHANISM_TYPE, i) == type)
            return TRUE;
    return FALSE;
}

gboolean
algorithm_mechanism (Module *module, CK_SLOT_ID slot, const Algorithm *algorithm, CK_MECHANISM_TYPE *mechanism)
{
    static const CK_MECHANISM_TYPE RSA[] = { CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_X9_31_KEY_PAIR_GEN }, EC[] = { CKM_EC_KEY_PAIR_GEN };
    const CK_MECHANISM_TYPE *list = algorithm->type == CKK_RSA ? RSA : EC;
    gsize n = algorithm->type == CKK_RSA ? G_N_ELEMENTS (RSA) : G_N_ELEMENTS (EC);
    for (gsize i = 0; i < n; i++) {
        CK_MECHANISM_INFO info = { 0 };
        CK_RV rv = module->f->C_GetMechanismInfo (slot, list[i], &info);
        if (rv != CKR_OK && (rv == CKR_MECHANISM_INVALID || !is_listed (module, slot, list[i])))
            continue;
        gboolean unbounded = info.ulMaxKeySize == 0 || info.ulMaxKeySize == CK_UNAVAILABLE_INFORMATION;
        if (!unbounded && (algorithm->bits < info.ulMinKeySize || algorithm->bits > info.ulMaxKeySize))
            continue;
        *mechanism = list[i];
        return TRUE;
    }
    return FALSE;
}

/* What a template may leave out, one thing more in each row. */
enum { COPYABLE = 1, MODIFIABLE = 2, USES = 4, PUBLIC_USES = 8, PUBLIC_PRIVATE = 16, SIGN = 32 };
static const struct { const char *name; guint holds; } TEMPLATES[] = {
    { "full", COPYABLE | MODIFIABLE | USES | PUBLIC_USES | PUBLIC_PRIVATE | SIGN },
    { "no-verify", COPYABLE | MODIFIABLE | USES | PUBLIC_PRIVATE | SIGN },
    { "no-copyable", MODIFIABLE | USES | PUBLIC_PRIVATE | SIGN },
    { "no-modifiable", USES | PUBLIC_PRIVATE | SIGN },
    { "no-uses", PUBLIC_PRIVATE | SIGN },
    { "no-public-private", SIGN },
    { "minimal", 0 },
};

/* Modules known to fail with the fuller templates, and in a way that costs something. tpm2-pkcs11 refuses CKA_VERIFY only after it has made the key, which
 * stays loaded in the TPM (it holds three); and it signs with RSA by the TPM's raw decryption, so its RSA keys can't sign without CKA_DECRYPT. */
static const struct { const char *description; CK_KEY_TYPE type; const char *first; } KNOWN[] = {
    { "TPM2.0 Cryptoki", CKK_EC, "no-verify" },
    { "TPM2.0 Cryptoki", CKK_RSA, "no-uses" },
};

static gsize
first_template (const Module *module, const Algorithm *algorithm)
{
    g_autofree char *description = padded_text (module->info.libraryDescription, sizeof module->info.libraryDescription);
    const char *first = TEMPLATES[0].name;
    gsize i = 0;
    for (gsize k = 0; k < G_N_ELEMENTS (KNOWN); k++)
        if (KNOWN[k].type == algorithm->type && g_str_equal (KNOWN[k].description, description))
            first = KNOWN[k].first;
    while (!g_str_equal (TEMPLATES[i].name, first))
        i++;
    return i;
}

typedef struct { CK_ATTRIBUTE a[20]; CK_ULONG n, bits; } Template;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static void
add (Template *t, CK_ATTRIBUTE_TYPE type, gconstpointer value, gsize len)
{
    g_assert (t->n < G_N_ELEMENTS (t->a));
    t->a[t->n++] = (CK_ATTRIBUTE) { type, (void *) value, len };
}

static void
add_flag (Template *t, CK_ATTRIBUTE_TYPE type, gboolean value)
{
    add (t, type, value ? &yes : &no, sizeof (CK_BBOOL));
}

static void
add_names (Template *t, const TokenKeySpec *spec)
{
    add_flag (t, CKA_TOKEN, TRUE);
    add (t, CKA_LABEL, spec->label, strlen (spec->label));
    add (t, CKA_ID, g_bytes_get_data (spec->id, NULL), g_bytes_get_size (spec->id));
}

static void
fill_public (Template *t, const TokenKeySpec *spec, const Algorithm *algorithm, guint holds)
{
    static const guint8 F4[] = { 1, 0, 1 };
    add_names (t, spec);
    if (algorithm->group)
        add (t, CKA_EC_PARAMS, algorithm->params, algorithm->params_len);
    else {
        t->bits = algorithm->bits;
        add (t, CKA_MODULUS_BITS, &t->bits, sizeof t->bits);
        add (t, CKA_PUBLIC_EXPONENT, F4, sizeof F4);
    }
    if (holds & PUBLIC_PRIVATE)
        add_flag (t, CKA_PRIVATE, FALSE);
    if (holds & PUBLIC_USES) {
        add_flag (t, CKA_VERIFY, TRUE);
        add_flag (t, CKA_ENCRYPT, FALSE);
        add_flag (t, CKA_WRAP, FALSE);
    }
    if (holds & MODIFIABLE)
        add_flag (t, CKA_MODIFIABLE, FALSE);
}

static void
fill_private (Template *t, const TokenKeySpec *spec, guint holds)
{
    add_names (t, spec);
    add_flag (t, CKA_PRIVATE, TRUE);
    add_flag (t, CKA_SENSITIVE, TRUE);
    add_flag (t, CKA_EXTRACTABLE, FALSE);
    if (holds & SIGN)
        add_flag (t, CKA_SIGN, TRUE);
    if (holds & USES) {
        add_flag (t, CKA_DECRYPT, FALSE);
        add_flag (t, CKA_UNWRAP, FALSE);
        add_flag (t, CKA_DERIVE, FALSE);
    }
    if (holds & MODIFIABLE)
        add_flag (t, CKA_MODIFIABLE, FALSE);
    if (holds & COPYABLE)
        add_flag (t, CKA_COPYABLE, FALSE);
}

/* Answers that may be about the template; any other ends the attempts. */
static gboolean
blames_template (CK_RV rv)
{
    return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_ATTRIBUTE_READ_ONLY || rv == CKR_TEMPLATE_INCONSISTENT
        || rv == CKR_TEMPLATE_INCOMPLETE || rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED || rv == CKR_ARGUMENTS_BAD;
}

static gboolean
refuse_existing (Token *self, const TokenKeySpec *spec, gboolean between, GError **error)
{
    guint labels, ids;
    if (!token_count (self, spec->label, spec->id, &labels, &ids, error))
        return FALSE;
    if (labels == 0 && ids == 0)
        return TRUE;
    g_autofree char *hex = hex_encode (g_bytes_get_data (spec->id, NULL), g_bytes_get_size (spec->id));
    if (between)
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_TWIN, "the token said that it generated no key, yet left %u objects labelled \"%s\" and %u with id %s; "
                     "try again: then it is seen whether they are just the one key that was asked for; if not, abort, and remove them with the maker's tool", labels, spec->label, ids, hex);
    else
        g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_EXISTS, "the token holds %u objects labelled \"%s\" and %u with id %s already; a key that was there before "
                     "can't be witnessed: choose another label, or another token", labels, spec->label, ids, hex);
    return FALSE;
}

/* A token that answers with an error may have made a key all the same: only one that is seen to hold none may be offered another template. Where it can't be
 * asked, its first error says more, and the next attempt looks first. */
static gboolean
left_nothing (Token *self, const TokenKeySpec *spec, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (refuse_existing (self, spec, TRUE, &why))
        return TRUE;
    if (g_error_matches (why, TOKEN_ERROR, TOKEN_ERROR_TWIN))
        g_propagate_error (error, g_steal_pointer (&why));
    return FALSE;
}

static CK_RV
attempt (Token *self, const TokenKeySpec *spec, const Algorithm *algorithm, guint holds, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE *public_key,
         CK_OBJECT_HANDLE *private_key)
{
    Template public = { .n = 0 }, private = { .n = 0 };
    CK_MECHANISM mechanism = { type, NULL, 0 };
    fill_public (&public, spec, algorithm, holds);
    fill_private (&private, spec, holds);
    return self->module->f->C_GenerateKeyPair (self->session, &mechanism, public.a, public.n, private.a, private.n, public_key, private_key);
}

static gboolean
spec_is_whole (const TokenKeySpec *spec, GError **error)
{
    if (spec->label && *spec->label && spec->id && g_bytes_get_size (spec->id) > 0)
        return TRUE;
    g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_FAILED, "a key needs a label and an id before it is generated");
    return FALSE;
}

TokenKey *
token_generate (Token *self, const TokenKeySpec *spec, json_t **tried, GError **error)
{
    g_autoptr(json_t) attempts = json_array ();
    if (tried)
        *tried = json_incref (attempts);
    const Algorithm *algorithm = algorithm_find (spec->algorithm, error);
    CK_MECHANISM_TYPE mechanism;
    if (!algorithm || !spec_is_whole (spec, error) || !token_need_login (self, error) || !refuse_existing (self, spec, FALSE, error))
        return NULL;
    if (!algorithm_mechanism (self->module, self->slot, algorithm, &mechanism)) {
        if (token_still_there (self, error))
            g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_UNSUPPORTED, "%s: the token doesn't generate such keys; `ceremony tokens` lists what it can",
                         spec->algorithm);
        return NULL;
    }
    CK_RV rv = CKR_GENERAL_ERROR;
    g_autoptr(GError) why = NULL;
    for (gsize i = first_template (self->module, algorithm); i < G_N_ELEMENTS (TEMPLATES); i++) {
        CK_OBJECT_HANDLE public_key = 0, private_key = 0;
        rv = attempt (self, spec, algorithm, TEMPLATES[i].holds, mechanism, &public_key, &private_key);
        json_array_append_new (attempts, json_pack ("{s:s, s:s}", "template", TEMPLATES[i].name, "result", ckr_name (rv)));
        if (rv == CKR_OK)
            return token_key_new (self, algorithm, spec, private_key, public_key, ckm_name (mechanism), error);
        if (!left_nothing (self, spec, &why) || !blames_template (rv))
            break;
    }
    if (why)
        g_propagate_error (error, g_steal_pointer (&why));
    else
        ckr_fail (error, rv, "generating the key on the token");
    return NULL;
}
