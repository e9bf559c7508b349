/* What a signing service declares of itself together with its countersignature (CSBR 6.2.7.4.2 (7), 6.2.7.3): how subscribers authenticate, which module keeps the keys,
 * what parts one subscriber from another, who audits it, and how keys survive the loss of a module. The operator of the service writes the facts once, in a file; for each
 * request they become a declaration in canonical JSON, which the countersignature binds by its digest. docs/formats.md holds the fields. */
#pragma once
#include "ceremony/base/cjson.h"
#include <openssl/x509.h>

#define DECLARATION_MAX (64 * 1024)

/* The facts in @data, YAML or JSON. BASE_ERROR_FORMAT lists every problem, each as "NAME:LINE:COLUMN: …". New reference. */
json_t *declaration_facts (const char *name, const void *data, gsize len, GError **error);
/* The declaration that @facts make of @request at @when (UTC ms). New reference. */
json_t *declaration_make (const json_t *facts, X509_REQ *request, gint64 when, GError **error);
/* Reads a declaration, which is hostile: canonical, every field there that must be, none that isn't known. BASE_ERROR_FORMAT, BASE_ERROR_LIMIT. New reference. */
json_t *declaration_parse (const void *data, gsize len, GError **error);

/* What a request is known by: SHA-256 in hex of its DER and of its public key's, and its subject in RFC 4514. g_free each. */
gboolean request_digests (X509_REQ *request, char **csr_sha256, char **spki_sha256, char **subject, GError **error);
