/* Certificate objects of a token that concern one key: its own, and the chain above it by names. Others are the subscriber's business and stay where they are. */
#include <string.h>
#include <openssl/err.h>
#include "ceremony/token/evidence.h"
#include "ceremony/token/internal.h"

#define CERTIFICATES_MAX 200

static void
file_free (TokenFile *self)
{
    g_free (self->name);
    g_bytes_unref (self->bytes);
    g_free (self);
}

GPtrArray *
token_files_new (void)
{
    return g_ptr_array_new_with_free_func ((GDestroyNotify) file_free);
}

typedef struct { X509 *x; GBytes *der; gboolean wanted; } Held;

static void
held_clear (Held *self)
{
    X509_free (self->x);
    g_bytes_unref (self->der);
}

/* Every certificate object that can be read as one. */
static GArray *
read_all (Token *token, GError **error)
{
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_ATTRIBUTE match = { CKA_CLASS, &class, sizeof class };
    g_autoptr(GArray) handles = objects_find (token, &match, 1, error), held = g_array_new (FALSE, TRUE, sizeof (Held));
    g_array_set_clear_func (held, (GDestroyNotify) held_clear);
    for (guint i = 0; handles && i < handles->len && held->len < CERTIFICATES_MAX; i++) {
        CK_RV rv;
        g_autoptr(GBytes) der = attribute_read (token, g_array_index (handles, CK_OBJECT_HANDLE, i), CKA_VALUE, &rv);
        if (ckr_is_gone (rv)) {
            ckr_fail (error, rv, "reading the token's certificates");
            return NULL;
        }
        const unsigned char *p = der ? g_bytes_get_data (der, NULL) : NULL;
        X509 *x = p ? d2i_X509 (NULL, &p, (long) g_bytes_get_size (der)) : NULL;
        if (x)
            g_array_append_vals (held, &(Held) { x, g_bytes_ref (der), FALSE }, 1);
    }
    ERR_clear_error ();
    return handles ? g_steal_pointer (&held) : NULL;
}

/* Whether a certificate that is wanted already names this one's subject as its issuer. */
static gboolean
issued_something (const GArray *held, const X509 *x)
{
    for (guint i = 0; i < held->len; i++) {
        const Held *other = &g_array_index (held, Held, i);
        if (other->wanted && X509_NAME_cmp (X509_get_issuer_name (other->x), X509_get_subject_name (x)) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean
has_key (X509 *x, EVP_PKEY *key)
{
    EVP_PKEY *public = X509_get0_pubkey (x);
    gboolean same = public && EVP_PKEY_eq (public, key) == 1;
    ERR_clear_error ();
    return same;
}

gboolean
token_key_certificates (TokenKey *self, GPtrArray *files, GError **error)
{
    g_autoptr(GArray) held = token_key_ready (self, error) ? read_all (self->token, error) : NULL;
    gboolean more = held != NULL;
    guint n = 0;
    while (more) {
        more = FALSE;
        for (guint i = 0; i < held->len; i++) {
            Held *one = &g_array_index (held, Held, i);
            if (one->wanted || !(has_key (one->x, self->public) || issued_something (held, one->x)))
                continue;
            TokenFile *file = g_new0 (TokenFile, 1);
            file->name = g_strdup_printf ("token-%u.der", ++n);
            file->bytes = g_bytes_ref (one->der);
            g_ptr_array_add (files, file);
            one->wanted = more = TRUE;
        }
    }
    return held != NULL;
}
