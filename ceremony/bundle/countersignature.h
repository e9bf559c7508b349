/* A signing service's countersignature of a certificate request: a detached CAdES signature over the request's file, byte for byte, with the digest of the service's
 * declaration among the signed attributes. Whoever has the request, the signature and the declaration can check it; docs/verify-by-hand.md does so with openssl. */
#pragma once
#include "ceremony/bundle/cades.h"
#include "ceremony/bundle/declaration.h"

#define COUNTERSIGN_MAX_REQUEST (256 * 1024)

/* The one request in @data, PEM or DER and nothing beside it, signed by its own key. BASE_ERROR_FORMAT, BASE_ERROR_REFUSED. X509_REQ_free. */
X509_REQ *countersign_request (const void *data, gsize len, GError **error);

/* Countersigns the request file's bytes with what @facts (declaration_facts) make of it now. @tsa_url: an RFC 3161 authority, or NULL. */
gboolean countersign (GBytes *request, const json_t *facts, const Signer *signer, const char *tsa_url, GBytes **signature, GBytes **declaration, GError **error);

/* The countersignature alone: genuine, and over exactly this request. BASE_ERROR_REFUSED, BASE_ERROR_FORMAT with the reason. */
Cades *countersignature_open (GBytes *request, GBytes *signature, GError **error);
/* What an event tells of it (docs/formats.md, request.countersigned), but how it came. New reference. */
json_t *countersignature_describe (const Cades *cades, const json_t *declaration, GBytes *signature, GBytes *declaration_bytes);
/* The declaration that it was made with: by digest, whole, and of this request. New reference. Errors as above. */
json_t *countersignature_declaration (const Cades *cades, GBytes *request, GBytes *declaration, GError **error);
