/* What the files that speak to a TPM share. Private to token/. */
#pragma once
#include <tss2/tss2_esys.h>
#include "ceremony/token/evidence.h"
#include "ceremony/token/internal.h"

typedef struct {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT      *esys;
    ESYS_TR            parent, seal, key, ak, ek;
    gboolean           ak_transient;
} Tpm;
/* Opens the TPM that tpm2-pkcs11 uses. */
gboolean tpm_open (Tpm *self, GError **error);
void     tpm_clear (Tpm *self);             /* takes what was loaded out of the TPM */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Tpm, tpm_clear)
/* Sets @error to the TPM's answer. Always FALSE. */
gboolean tpm_fail (GError **error, TSS2_RC rc, const char *what);
/* self->ak: the persistent object @handle, or with 0 the primary key of docs/formats.md. */
gboolean tpm_load_ak (Tpm *self, guint32 handle, GError **error);
/* Adds @object's TPM2B_PUBLIC to @files (TokenFile) as @name. */
gboolean tpm_add_public (Tpm *self, ESYS_TR object, const char *name, GPtrArray *files, GError **error);
/* Adds tpm-ek.der and tpm-ek-ec.der, as far as the TPM holds them. */
void     tpm_add_ek_certificates (Tpm *self, GPtrArray *files);
