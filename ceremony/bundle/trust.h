/* Trust: a folder with what is believed, by role. Nothing is trusted by default.
 *   ROLE/NAME.pem   PUBLIC KEY or CERTIFICATE: pinned by its SubjectPublicKeyInfo
 *   ROLE/NAME.yaml  issuer: FILE.crt (PEM beside it), and eku: OID or policy: OID that a signer must carry (one of them is needed);  note: text
 * Roles: order appliance witness reviewer service tsa vendor. */
#pragma once
#include "ceremony/bundle/cades.h"

typedef struct Trust Trust;
Trust   *trust_load (const char *dir, GError **error);      /* a folder without one role is fine: nobody has it */
Trust   *trust_new_empty (void);
void     trust_free (Trust *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Trust, trust_free)
/* Whether @cert may act as @role at @when (UTC ms; the certificate's validity is judged then). @why gets one sentence either way: "pinned as witness/NAME.pem",
 * "issued by … with EKU …", or why not: another role's key, issuer known but no EKU, expired, unknown. g_free. */
gboolean trust_judge (const Trust *self, const char *role, X509 *cert, STACK_OF(X509) *chain, gint64 when, char **why);
/* When the CAdES signature @cades, of these bytes, was made: in *@when its signing time, or with *@stamped what a timestamp of a trusted TSA says (EN 319 122-1, 5.3).
 * FALSE: it bears a timestamp that isn't one over it (@error). @why: why its TSA isn't trusted, or NULL; g_free. @self may be NULL: nobody is trusted. */
gboolean trust_signing_time (const Trust *self, const Cades *cades, GBytes *p7s, gint64 *when, gboolean *stamped, char **why, GError **error);
gboolean trust_has_key (const Trust *self, const char *role, EVP_PKEY *key, char **why); /* pinned plain keys: the appliance's Ed25519 */
/* The bare 32-byte Ed25519 keys that are pinned as @role: GBytes, g_ptr_array_unref. */
GPtrArray *trust_ed25519_keys (const Trust *self, const char *role);
