/* RFC 3161 timestamps: asking for one over HTTP, and verifying one that is hostile input. */
#pragma once
#include <glib.h>
#include <openssl/x509.h>

GBytes *tsa_request (const char *url, const void *data, gsize len, guint timeout_ms, GError **error); /* the TimeStampResp, checked against its request */
/* @response: a TimeStampResp (.tsr), or with @is_token the bare token. Imprint must be SHA-256 of @data. @signer gets the TSA's certificate (EKU timeStamping, critical). */
gboolean tsa_verify (const void *response, gsize response_len, gboolean is_token, const void *data, gsize len, gint64 *time_ms, X509 **signer, GError **error);
