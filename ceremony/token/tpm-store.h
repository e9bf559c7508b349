/* tpm2-pkcs11's SQLite store, read beside the module: what is needed to use one of its keys by the TPM's own commands. Private to token/. */
#pragma once
#include <glib.h>
#include "ceremony/base/secret.h"

typedef struct {
    guint32 parent;                         /* the persistent handle of the key's parent */
    Secret *parent_auth;
    GBytes *seal_public, *seal_private;     /* the sealed object that holds the wrapping key, TPM2B_PUBLIC and TPM2B_PRIVATE */
    char   *salt;
} TpmStore;

/* What the store says of the token labelled @label. Errors: BASE_ERROR_MISSING, BASE_ERROR_FORMAT. */
TpmStore *tpm_store_read (const char *label, GError **error);
void      tpm_store_free (TpmStore *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TpmStore, tpm_store_free)
/* The authorisation of the sealed object that follows from the user's PIN. secret_free. */
Secret   *tpm_store_seal_auth (const TpmStore *self, const Secret *pin);
/* A key's authorisation, unwrapped from @wrapped ("iv:tag:ciphertext" in hex) by the sealed object's content @key (64 hex digits). secret_free. */
Secret   *tpm_store_unwrap (GBytes *wrapped, const Secret *key, GError **error);
