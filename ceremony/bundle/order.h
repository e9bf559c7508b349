/* An order: order.json with its script and policy in an ASiC-E, signed by the CA. docs/formats.md holds its fields. Hostile input until trust judged the signer. */
#pragma once
#include "ceremony/bundle/asice.h"
#include "ceremony/bundle/trust.h"
#include "ceremony/script/script.h"
#include "ceremony/script/policy.h"
#include "ceremony/base/cjson.h"

typedef struct {
    json_t *json;               /* order.json, checked field by field */
    Script *script;
    Policy *policy;
    Cades  *signature;          /* of manifest 001 */
    char    sha256[65];         /* of order.json's bytes */
    GBytes *order_bytes, *manifest_bytes, *signature_bytes;
} Order;
Order *order_open (const char *path, GError **error);       /* structure and signature; not trust */
/* The three files as a bundle carries them: order/order.json, order/ASiCManifest001.xml, order/signature001.p7s with script.yaml and policy.yaml at the bundle's top. */
Order *order_from_parts (GBytes *order_json, GBytes *manifest, GBytes *p7s, GBytes *script, GBytes *policy, GError **error);
void   order_free (Order *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Order, order_free)
/* Checks every field (types, lengths, domain, hex, validity), and that script_sha256 and policy_sha256 fit. */
gboolean order_check (const json_t *order, const Script *script, const Policy *policy, GError **error);
/* Writes a signed order to @path (never over an existing file). */
gboolean order_write (const char *path, const json_t *order, const Script *script, const Policy *policy, const Signer *signer, GError **error);
