/* Descriptions and logs of keys that live at a cloud provider (CSBR 6.2.7.4.2 methods 4 and 5): Azure Key Vault and Managed HSM, AWS KMS, Google Cloud KMS. What the
 * providers' tools print is recognised by its members, and told in one form. No provider signs any of it: it is the word of whoever attached it, and is said to be so. */
#pragma once
#include <glib.h>
#include <jansson.h>

#define CLOUD_MAX_LEN (1024 * 1024)

/* What @len hostile bytes say. NULL without @error: it is nothing of a cloud provider's that is known here. BASE_ERROR_FORMAT: it has the marks of one and can't be read.
 * {"provider":"azure|aws|google","document":"key|public-key|creation-log|logging","key":id or null,"protection":"hsm|software|external|unknown",
 * "origin":"generated|imported|external|unknown","exportable":bool or null,"created":text or null,"algorithm":text or null,"spki_sha256":hex or null,
 * "access_logging":"on|off|unknown","attestation":bool (one is inside, which the act attest judges)}. New reference. */
json_t *cloud_recognise (const void *data, gsize len, GError **error);
