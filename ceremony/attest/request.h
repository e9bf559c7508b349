/* A vendor's attestation inside the certificate request that it is about: put in before the request is signed, so that the key itself signs both. Two forms: the
 * extensions that Yubico's tools use, and the attribute of draft-ietf-lamps-csr-attestation (id-aa-attestation, 1.2.840.113549.1.9.16.2.59), a draft still. Reading either
 * is evidence.c's matter: a request among the files of attest_verify brings what it carries. */
#pragma once
#include "ceremony/attest/attest.h"
#include <openssl/x509.h>

typedef enum { REQUEST_PLAIN, REQUEST_YUBICO, REQUEST_IETF } RequestForm;
/* "none", "yubico", "ietf"; -1 for another word. */
int         request_form (const char *word);
const char *request_form_word (RequestForm form);

#define REQUEST_OID_YUBICO "1.3.6.1.4.1.41482.3.1"          /* the attestation, as yubico-piv-tool puts it */
#define REQUEST_OID_YUBICO_DEVICE "1.3.6.1.4.1.41482.3.2"   /* the device's certificate (slot F9) */
#define REQUEST_OID_IETF "1.2.840.113549.1.9.16.2.59"
/* Types of statements in the draft's bundle. TCG's is its tcg-attest-certify: SEQUENCE { tpmSAttest, signature, tpmTPublic OPTIONAL }, octet strings each. The others are
 * UUIDs' (X.667), since the draft names none: a certificate that attests its own key; and, among the bundle's certificates, a TPM's attestation key as TPM2B_PUBLIC. */
#define REQUEST_OID_TPM "2.23.133.20.1"
#define REQUEST_OID_CERTIFICATE "2.25.181602927672281838041915877897029754941"
#define REQUEST_OID_TPM_AK "2.25.316615252396647447389995133301049625200"

/* An unsigned request whose attributes carry those of @inputs (AttestInput) that are about the key @spki (DER), in @form. NULL with BASE_ERROR_MISSING where they can't be
 * carried so, and why: there is no attestation of that key among them, or one of a kind that the form has no place for. X509_REQ_free. */
X509_REQ *request_carrying (RequestForm form, GPtrArray *inputs, GBytes *spki, GError **error);
/* Whether all evidence that the DER request @csr carries is among @inputs, byte for byte. */
gboolean request_carries_only (GBytes *csr, GPtrArray *inputs);
/* Which form of evidence the DER request @csr carries, whatever it is worth. */
RequestForm request_carries (GBytes *csr);
