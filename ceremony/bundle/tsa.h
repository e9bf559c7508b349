/* RFC 3161 timestamps: asking for one over HTTP, and verifying one that is hostile input. */
#pragma once
#include <glib.h>
#include <openssl/x509.h>

/* Asks @url (http, https) for one over SHA-256 of @data: gives the TimeStampResp, checked against its request, without such certificates as nothing in it binds
 * (an intermediate one without its root: trust names issuers itself). BASE_ERROR_CRYPTO: no answer; BASE_ERROR_REFUSED: an answer that isn't one. */
GBytes *tsa_request (const char *url, const void *data, gsize len, guint timeout_ms, GError **error);
/* @response: a TimeStampResp (.tsr), or with @is_token the bare token. DER's one form, status granted, imprint SHA-256 of @data, one signer named by signing-certificate,
 * no certificate but its chain, the topmost bound by its own signature or by name. @signer gets the TSA's certificate (EKU timeStamping, critical). */
gboolean tsa_verify (const void *response, gsize response_len, gboolean is_token, const void *data, gsize len, gint64 *time_ms, X509 **signer, GError **error);
