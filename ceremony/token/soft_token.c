/* SoftHSM set up through PKCS#11 itself, so that no PIN stands on a command line. */
#include "ceremony/token/soft_token.h"
#include <string.h>
#include "ceremony/base/file.h"
#include "ceremony/token/internal.h"

static const char *const places[] = {
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
};

char *
soft_token_module (GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
        if (g_file_test (places[i], G_FILE_TEST_IS_REGULAR))
            return g_strdup (places[i]);
    g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "rehearsal: the software token SoftHSM isn't installed: install the package softhsm2");
    return NULL;
}

void
soft_token_pin (Secret *pin, guint n)
{
    secret_wipe (pin);
    for (guint8 byte; secret_len (pin) < n;) {
        random_bytes (&byte, 1);
        if (byte < 250)
            secret_append (pin, '0' + byte % 10);
    }
}

/* The first slot, whose token is new. */
static gboolean
init_token (CK_FUNCTION_LIST *f, const char *label, const Secret *pin, GError **error)
{
    CK_SLOT_ID slots[16];
    CK_ULONG n = G_N_ELEMENTS (slots);
    CK_RV rv = f->C_GetSlotList (CK_TRUE, slots, &n);
    if (rv != CKR_OK || n == 0)
        return ckr_fail (error, rv == CKR_OK ? CKR_TOKEN_NOT_PRESENT : rv, "software token: slots");
    guint8 padded[32];
    memset (padded, ' ', sizeof padded);
    memcpy (padded, label, MIN (strlen (label), sizeof padded));
    CK_UTF8CHAR *user = (CK_UTF8CHAR *) secret_data (pin);
    g_autoptr (Secret) so = secret_new ();
    soft_token_pin (so, 16);
    CK_UTF8CHAR *officer = (CK_UTF8CHAR *) secret_data (so);
    CK_SESSION_HANDLE session;
    rv = f->C_InitToken (slots[0], officer, secret_len (so), padded);
    if (rv != CKR_OK)
        return ckr_fail (error, rv, "software token: C_InitToken");
    /* SoftHSM gives the token a slot of its own; the list tells it first or last, the label tells it surely. */
    n = G_N_ELEMENTS (slots);
    rv = f->C_GetSlotList (CK_TRUE, slots, &n);
    CK_TOKEN_INFO info;
    CK_ULONG i = 0;
    while (rv == CKR_OK && i < n && (f->C_GetTokenInfo (slots[i], &info) != CKR_OK || memcmp (info.label, padded, sizeof padded) != 0))
        i++;
    if (rv != CKR_OK || i == n)
        return ckr_fail (error, rv == CKR_OK ? CKR_TOKEN_NOT_PRESENT : rv, "software token: the new token");
    rv = f->C_OpenSession (slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
    if (rv == CKR_OK) {
        rv = f->C_Login (session, CKU_SO, officer, secret_len (so));
        if (rv == CKR_OK)
            rv = f->C_InitPIN (session, user, secret_len (pin));
        f->C_CloseSession (session);
    }
    return rv == CKR_OK || ckr_fail (error, rv, "software token: C_InitPIN");
}

static gboolean
with_module (const char *label, const Secret *pin, GError **error)
{
    g_autofree char *path = soft_token_module (error);
    CK_FUNCTION_LIST *f = path ? p11_kit_module_load (path, P11_KIT_MODULE_UNMANAGED | P11_KIT_MODULE_CRITICAL) : NULL;
    if (f == NULL) {
        if (path != NULL)
            g_set_error (error, TOKEN_ERROR, TOKEN_ERROR_MODULE, "rehearsal: %s can't be loaded: %s", path, p11_kit_message ());
        return FALSE;
    }
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    CK_RV rv = f->C_Initialize (&args);
    gboolean ok = rv == CKR_OK ? init_token (f, label, pin, error) : ckr_fail (error, rv, "software token: C_Initialize");
    if (rv == CKR_OK)
        f->C_Finalize (NULL);
    p11_kit_module_release (f);
    return ok;
}

gboolean
soft_token_make (const char *dir, const char *label, const Secret *pin, GError **error)
{
    g_autofree char *tokens = g_build_filename (dir, "tokens", NULL), *conf = g_build_filename (dir, "softhsm2.conf", NULL);
    gboolean there = g_file_test (conf, G_FILE_TEST_EXISTS);
    g_autofree char *text = g_strdup_printf ("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = true\n", tokens);
    if (!there && (!file_mkdir (tokens, error) || !file_write (conf, text, strlen (text), 0600, FALSE, error)))
        return FALSE;
    g_setenv ("SOFTHSM2_CONF", conf, TRUE);
    return there || with_module (label, pin, error);
}
