/* RFC 3161 timestamps: asked for over HTTP with OpenSSL's client, and judged without any trust (that is trust/'s tsa role). */
#include "ceremony/bundle/tsa.h"
#include <gio/gio.h>
#include "ceremony/base/der.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/ess.h>
#include <openssl/http.h>
#include <openssl/ssl.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>
#include <string.h>

#define RESPONSE_MAX (128 * 1024)
#define NONCE_LEN 16

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TS_REQ, TS_REQ_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TS_RESP, TS_RESP_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (CMS_ContentInfo, CMS_ContentInfo_free)

static gboolean
refuse (GError **error, const char *why)
{
    ERR_clear_error ();
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "timestamp: %s", why);
    return FALSE;
}

/* Judging */

static gboolean
is_canonical (const PKCS7 *token, const void *data, gsize len)
{
    guint8 *again = NULL;
    int again_len = i2d_PKCS7 (token, &again);
    gboolean same = again_len >= 0 && (gsize) again_len == len && memcmp (again, data, len) == 0;
    OPENSSL_free (again);
    return same;
}

/* The signing-certificate attribute (RFC 2634 or 5035) must name the signer, else another certificate of the same key could be put in its place. */
static gboolean
check_ess (PKCS7_SIGNER_INFO *si, X509 *signer, STACK_OF(X509) *certs)
{
    ASN1_TYPE *v1 = PKCS7_get_signed_attribute (si, NID_id_smime_aa_signingCertificate), *v2 = PKCS7_get_signed_attribute (si, NID_id_smime_aa_signingCertificateV2);
    const guint8 *p1 = v1 != NULL && v1->type == V_ASN1_SEQUENCE ? v1->value.sequence->data : NULL;
    const guint8 *p2 = v2 != NULL && v2->type == V_ASN1_SEQUENCE ? v2->value.sequence->data : NULL;
    ESS_SIGNING_CERT *ess1 = p1 != NULL ? d2i_ESS_SIGNING_CERT (NULL, &p1, v1->value.sequence->length) : NULL;
    ESS_SIGNING_CERT_V2 *ess2 = p2 != NULL ? d2i_ESS_SIGNING_CERT_V2 (NULL, &p2, v2->value.sequence->length) : NULL;
    STACK_OF(X509) *chain = sk_X509_new_null ();
    sk_X509_push (chain, signer);
    for (int i = 0; i < sk_X509_num (certs); i++)
        if (sk_X509_value (certs, i) != signer)
            sk_X509_push (chain, sk_X509_value (certs, i));
    gboolean ok = (v1 == NULL || ess1 != NULL) && (v2 == NULL || ess2 != NULL) && OSSL_ESS_check_signing_certs (ess1, ess2, chain, 1) > 0;
    sk_X509_free (chain);
    ESS_SIGNING_CERT_free (ess1);
    ESS_SIGNING_CERT_V2_free (ess2);
    return ok;
}

static gboolean
is_self_signed (X509 *cert)
{
    return X509_check_issued (cert, cert) == X509_V_OK && X509_verify (cert, X509_get0_pubkey (cert)) == 1;
}

/* The certificate above @cert in @certs, or NULL. */
static X509 *
issuer_of (X509 *cert, STACK_OF(X509) *certs)
{
    for (int i = 0; i < sk_X509_num (certs) && !is_self_signed (cert); i++) {
        X509 *candidate = sk_X509_value (certs, i);
        if (candidate != cert && X509_check_issued (candidate, cert) == X509_V_OK && X509_verify (cert, X509_get0_pubkey (candidate)) == 1)
            return candidate;
    }
    return NULL;
}

/* How many certificates the signing-certificate attribute names. */
static int
count_named (const PKCS7_SIGNER_INFO *si, int nid)
{
    ASN1_TYPE *value = PKCS7_get_signed_attribute (si, nid);
    Der in = { 0 }, attribute, ids;
    int n = 0;
    if (value != NULL && value->type == V_ASN1_SEQUENCE)
        in = (Der) { value->value.sequence->data, (gsize) value->value.sequence->length };
    if (!der_take (&in, DER_SEQUENCE, &attribute, NULL) || !der_take (&attribute, DER_SEQUENCE, &ids, NULL))
        return 0;
    while (der_take (&ids, DER_SEQUENCE, NULL, NULL))
        n++;
    return n;
}

/* Every certificate inside leads up from the signer, and the topmost one's bytes are bound, as in cades.c: it is the signer's, or a root that signs itself, or all
 * are named in the signed attributes. @top gets the topmost. */
static gboolean
only_the_chain (const PKCS7_SIGNER_INFO *si, X509 *signer, STACK_OF(X509) *certs, X509 **top)
{
    int n = sk_X509_num (certs), used = 1, named = MAX (count_named (si, NID_id_smime_aa_signingCertificate), count_named (si, NID_id_smime_aa_signingCertificateV2));
    X509 *next = *top = signer;
    while (used <= n && (next = issuer_of (next, certs)) != NULL) {
        *top = next;
        used++;
    }
    return used == n && (*top == signer || is_self_signed (*top) || named >= n);
}

/* The SignerInfo's issuer and number are the certificate's, byte for byte; the digest algorithms agree. OpenSSL looks at neither so closely. */
static gboolean
check_identifiers (const void *data, gsize len, X509 *signer)
{
    static const guint8 version_3[] = { 0x02, 0x01, 0x03 }, version_1[] = { 0x02, 0x01, 0x01 };
    Der in = { data, len }, ci, explicit0, sd, version, digests, digest, infos, info, sid, name, serial, digest_alg;
    if (!der_take (&in, DER_SEQUENCE, &ci, NULL) || in.len != 0 || !der_take (&ci, DER_OID, NULL, NULL) || !der_take (&ci, DER_CONTEXT0, &explicit0, NULL)
        || !der_take (&explicit0, DER_SEQUENCE, &sd, NULL) || !der_take (&sd, DER_INTEGER, NULL, &version) || !der_is (&version, version_3, 3)
        || !der_take (&sd, DER_SET, &digests, NULL) || !der_take (&digests, DER_SEQUENCE, NULL, &digest) || digests.len != 0 || !der_take (&sd, DER_SEQUENCE, NULL, NULL)
        || (der_peek (&sd) == DER_CONTEXT0 && !der_take (&sd, DER_CONTEXT0, NULL, NULL)) || !der_take (&sd, DER_SET, &infos, NULL) || sd.len != 0
        || !der_take (&infos, DER_SEQUENCE, &info, NULL) || infos.len != 0 || !der_take (&info, DER_INTEGER, NULL, &version) || !der_is (&version, version_1, 3)
        || !der_take (&info, DER_SEQUENCE, &sid, NULL) || !der_take (&sid, DER_SEQUENCE, NULL, &name) || !der_take (&sid, DER_INTEGER, NULL, &serial)
        || !der_take (&info, DER_SEQUENCE, NULL, &digest_alg) || !der_equal (&digest, &digest_alg))
        return FALSE;
    const guint8 *issuer;
    gsize issuer_len;
    guint8 *number = NULL;
    int number_len = i2d_ASN1_INTEGER (X509_get0_serialNumber (signer), &number);
    gboolean same = number_len > 0 && der_is (&serial, number, (gsize) number_len) && X509_NAME_get0_der (X509_get_issuer_name (signer), &issuer, &issuer_len) == 1
                    && der_is (&name, issuer, issuer_len);
    OPENSSL_free (number);
    return same;
}

/* PKCS7_verify takes any OID of the key's family as signature algorithm: ask for one of the key's kind, whose digest is the one used or none. */
static gboolean
check_algorithm (const PKCS7_SIGNER_INFO *si, X509 *signer)
{
    int nid = OBJ_obj2nid (si->digest_enc_alg->algorithm), digest = OBJ_obj2nid (si->digest_alg->algorithm), of_digest = NID_undef, of_key = NID_undef;
    EVP_PKEY *key = X509_get0_pubkey (signer);
    if (key == NULL)
        return FALSE;
    if (nid == NID_rsaEncryption)
        return EVP_PKEY_is_a (key, "RSA");
    return OBJ_find_sigid_algs (nid, &of_digest, &of_key) == 1 && of_digest == digest && EVP_PKEY_get_base_id (key) == EVP_PKEY_type (of_key);
}

static gboolean
check_signature (PKCS7 *token, const void *data, gsize len, X509 **signer, GError **error)
{
    if (!PKCS7_type_is_signed (token) || token->d.sign == NULL || sk_PKCS7_SIGNER_INFO_num (PKCS7_get_signer_info (token)) != 1 || !is_canonical (token, data, len))
        return refuse (error, "not one signature in DER's one form");
    STACK_OF(X509) *certs = token->d.sign->cert, *signers = PKCS7_get0_signers (token, NULL, 0);
    X509 *cert = sk_X509_num (signers) == 1 ? sk_X509_value (signers, 0) : NULL;
    PKCS7_SIGNER_INFO *si = sk_PKCS7_SIGNER_INFO_value (PKCS7_get_signer_info (token), 0);
    sk_X509_free (signers);
    if (cert == NULL)
        return refuse (error, "the authority's certificate isn't in it");
    if (!check_identifiers (data, len, cert) || !check_algorithm (si, cert) || sk_X509_ATTRIBUTE_num (si->unauth_attr) > 0 || sk_X509_CRL_num (token->d.sign->crl) > 0)
        return refuse (error, "not in the form that RFC 3161 asks for");
    if (X509_check_purpose (cert, X509_PURPOSE_TIMESTAMP_SIGN, 0) != 1)
        return refuse (error, "its signer isn't a timestamp authority: no critical extended key usage for that alone");
    X509 *top;
    if (!check_ess (si, cert, certs) || !only_the_chain (si, cert, certs, &top))
        return refuse (error, "its certificates aren't the ones it was signed with");
    BIO *out = BIO_new (BIO_s_null ());
    int ok = PKCS7_verify (token, NULL, NULL, NULL, out, PKCS7_NOVERIFY | PKCS7_BINARY);
    BIO_free (out);
    if (ok != 1)
        return refuse (error, "it doesn't verify");
    X509_up_ref (cert);
    *signer = cert;
    return TRUE;
}

/* genTime: GeneralizedTime in UTC, perhaps with a fraction of a second (RFC 3161 2.4.2), which ASN1_TIME_to_tm drops. */
static gboolean
read_time (const ASN1_GENERALIZEDTIME *time, gint64 *ms)
{
    struct tm tm = { 0 };
    if (ASN1_TIME_to_tm (time, &tm) != 1)
        return FALSE;
    *ms = (gint64) timegm (&tm) * 1000;
    const guint8 *text = ASN1_STRING_get0_data (time);
    int len = ASN1_STRING_length (time);
    for (int i = 15, unit = 100; len > 15 && text[14] == '.' && i < len && g_ascii_isdigit (text[i]) && unit > 0; i++, unit /= 10)
        *ms += (text[i] - '0') * unit;
    return TRUE;
}

static gboolean
check_info (TS_TST_INFO *info, const void *data, gsize len, gint64 *ms, GError **error)
{
    guint8 digest[SHA256_LEN];
    TS_MSG_IMPRINT *imprint = TS_TST_INFO_get_msg_imprint (info);
    const ASN1_OBJECT *algorithm;
    X509_ALGOR_get0 (&algorithm, NULL, NULL, TS_MSG_IMPRINT_get_algo (imprint));
    const ASN1_OCTET_STRING *message = TS_MSG_IMPRINT_get_msg (imprint);
    sha256 (data, len, digest);
    if (TS_TST_INFO_get_version (info) != 1 || OBJ_obj2nid (algorithm) != NID_sha256 || ASN1_STRING_length (message) != SHA256_LEN
        || memcmp (ASN1_STRING_get0_data (message), digest, SHA256_LEN) != 0)
        return refuse (error, "it is over other bytes than these");
    return read_time (TS_TST_INFO_get_time (info), ms) || refuse (error, "its time can't be read");
}

static gboolean
check_token (PKCS7 *token, const void *der, gsize der_len, const void *data, gsize len, gint64 *ms, X509 **signer, GError **error)
{
    X509 *cert = NULL;
    if (!check_signature (token, der, der_len, &cert, error))
        return FALSE;
    TS_TST_INFO *info = PKCS7_to_TS_TST_INFO (token);
    gboolean ok = info != NULL ? check_info (info, data, len, ms, error) : refuse (error, "it holds no time");
    TS_TST_INFO_free (info);
    if (ok && (X509_cmp_time (X509_get0_notBefore (cert), &(time_t) { *ms / 1000 }) > 0 || X509_cmp_time (X509_get0_notAfter (cert), &(time_t) { *ms / 1000 }) < 0))
        ok = refuse (error, "the authority's certificate wasn't valid then");
    if (ok && signer != NULL)
        *signer = g_steal_pointer (&cert);
    X509_free (cert);
    return ok;
}

/* The token in a TimeStampResp whose status grants it and which ends there. */
static gboolean
token_of (const void *response, gsize len, Der *token)
{
    Der in = { response, len }, content, status, code;
    return der_take (&in, DER_SEQUENCE, &content, NULL) && in.len == 0 && der_take (&content, DER_SEQUENCE, &status, NULL) && der_take (&status, DER_INTEGER, &code, NULL)
           && code.len == 1 && code.p[0] == 0 && der_take (&content, DER_SEQUENCE, NULL, token) && content.len == 0;
}

gboolean
tsa_verify (const void *response, gsize response_len, gboolean is_token, const void *data, gsize len, gint64 *time_ms, X509 **signer, GError **error)
{
    Der token = { response, response_len };
    if (response_len > RESPONSE_MAX) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "timestamp: larger than %d bytes", RESPONSE_MAX);
        return FALSE;
    }
    if (!is_token && !token_of (response, response_len, &token)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "timestamp: not an answer of RFC 3161 that grants one");
        return FALSE;
    }
    const guint8 *p = token.p;
    PKCS7 *parsed = d2i_PKCS7 (NULL, &p, (long) token.len);
    if (parsed == NULL || p != token.p + token.len) {
        PKCS7_free (parsed);
        ERR_clear_error ();
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "timestamp: it can't be read");
        return FALSE;
    }
    gint64 ms = 0;
    gboolean ok = check_token (parsed, token.p, token.len, data, len, &ms, signer, error);
    PKCS7_free (parsed);
    ERR_clear_error ();
    if (ok && time_ms != NULL)
        *time_ms = ms;
    return ok;
}

/* Asking */

static TS_REQ *
make_request (const void *data, gsize len, GError **error)
{
    guint8 digest[SHA256_LEN], nonce[NONCE_LEN];
    sha256 (data, len, digest);
    random_bytes (nonce, sizeof nonce);
    nonce[0] = (nonce[0] & 0x3f) | 0x40;
    g_autoptr (TS_REQ) request = TS_REQ_new ();
    TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new ();
    X509_ALGOR *algorithm = X509_ALGOR_new ();
    BIGNUM *number = BN_bin2bn (nonce, sizeof nonce, NULL);
    ASN1_INTEGER *integer = BN_to_ASN1_INTEGER (number, NULL);
    gboolean ok = X509_ALGOR_set0 (algorithm, OBJ_nid2obj (NID_sha256), V_ASN1_NULL, NULL) && TS_MSG_IMPRINT_set_algo (imprint, algorithm)
                  && TS_MSG_IMPRINT_set_msg (imprint, digest, sizeof digest) && TS_REQ_set_version (request, 1) && TS_REQ_set_msg_imprint (request, imprint)
                  && TS_REQ_set_nonce (request, integer) && TS_REQ_set_cert_req (request, 1);
    ASN1_INTEGER_free (integer);
    BN_free (number);
    X509_ALGOR_free (algorithm);
    TS_MSG_IMPRINT_free (imprint);
    if (!ok) {
        crypto_fail (error, "timestamp: making the request");
        return NULL;
    }
    return g_steal_pointer (&request);
}

typedef struct { char *host; SSL_CTX *ssl; } Https;

/* OpenSSL's HTTP client calls this when connected: for https it puts TLS between, with the server's name checked. */
static BIO *
start_tls (BIO *bio, void *user_data, int connect, int detail)
{
    Https *https = user_data;
    if (!connect || !detail)
        return bio;
    BIO *tls = BIO_new_ssl (https->ssl, 1);
    SSL *ssl = NULL;
    if (tls == NULL || BIO_get_ssl (tls, &ssl) != 1 || !SSL_set_tlsext_host_name (ssl, https->host) || !SSL_set1_host (ssl, https->host)) {
        BIO_free (tls);
        return NULL;
    }
    return BIO_push (tls, bio);
}

static SSL_CTX *
tls_context (void)
{
    SSL_CTX *ctx = SSL_CTX_new (TLS_client_method ());
    if (ctx != NULL) {
        SSL_CTX_set_min_proto_version (ctx, TLS1_2_VERSION);
        SSL_CTX_set_default_verify_paths (ctx);
        SSL_CTX_set_verify (ctx, SSL_VERIFY_PEER, NULL);
    }
    return ctx;
}

static GBytes *
drain (BIO *bio)
{
    GByteArray *all = g_byte_array_new ();
    guint8 piece[4096];
    for (int n; all->len < RESPONSE_MAX && (n = BIO_read (bio, piece, sizeof piece)) > 0;)
        g_byte_array_append (all, piece, (guint) n);
    return g_byte_array_free_to_bytes (all);
}

/* OpenSSL's client knocks until its time is up, whatever the answer: who refuses or isn't there at all is told at once. */
static gboolean
reachable (const char *url, const char *host, const char *port, guint timeout_ms, GError **error)
{
    static const char *const proxies[] = { "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY" };
    g_autoptr (GSocketClient) client = g_socket_client_new ();
    g_autoptr (GSocketConnection) connection = NULL;
    g_autoptr (GError) failed = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS (proxies); i++)
        if (g_getenv (proxies[i]) != NULL)
            return TRUE;
    g_socket_client_set_enable_proxy (client, FALSE);
    g_socket_client_set_timeout (client, MAX (1, (timeout_ms + 999) / 1000));
    connection = g_socket_client_connect_to_host (client, host, (guint16) strtoul (port, NULL, 10), NULL, &failed);
    if (connection == NULL)
        g_set_error (error, BASE_ERROR, BASE_ERROR_CRYPTO, "timestamp: nobody answers at %s: %s; check the address and this machine's network", url, failed->message);
    return connection != NULL;
}

static GBytes *
post (const char *url, TS_REQ *request, guint timeout_ms, GError **error)
{
    char *host = NULL, *port = NULL, *path = NULL, *query = NULL;
    int use_tls = 0;
    if (OSSL_HTTP_parse_url (url, &use_tls, NULL, &host, &port, NULL, &path, &query, NULL) != 1) {
        ERR_clear_error ();
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "timestamp: %s isn't an http or https URL", url);
        return NULL;
    }
    g_autofree char *target = query != NULL && query[0] != '\0' ? g_strconcat (path, "?", query, NULL) : g_strdup (path);
    Https https = { host, use_tls ? tls_context () : NULL };
    BIO *body = BIO_new (BIO_s_mem ()), *answer = NULL;
    gboolean there = reachable (url, host, port, timeout_ms, error);
    if (there && i2d_TS_REQ_bio (body, request) == 1)
        answer = OSSL_HTTP_transfer (NULL, host, port, target, use_tls, NULL, NULL, NULL, NULL, use_tls ? start_tls : NULL, &https, 0, NULL,
                                     "application/timestamp-query", body, "application/timestamp-reply", 1, RESPONSE_MAX,
                                     (int) MAX (1, (timeout_ms + 999) / 1000), 0);
    GBytes *bytes = answer != NULL ? drain (answer) : NULL;
    if (there && bytes == NULL) {
        crypto_fail (error, "no answer");
        g_prefix_error (error, "timestamp: asking %s: ", url);
    }
    BIO_free (answer);
    BIO_free (body);
    SSL_CTX_free (https.ssl);
    OPENSSL_free (host);
    OPENSSL_free (port);
    OPENSSL_free (path);
    OPENSSL_free (query);
    return bytes;
}

/* That it answers this request, by its nonce, and not an older one. */
static gboolean
answers (TS_RESP *response, TS_REQ *request)
{
    TS_VERIFY_CTX *ctx = TS_REQ_to_TS_VERIFY_CTX (request, NULL);
    if (ctx == NULL)
        return FALSE;
    TS_VERIFY_CTX_set_flags (ctx, TS_VFY_VERSION | TS_VFY_IMPRINT | TS_VFY_NONCE);
    gboolean ok = TS_RESP_verify_response (ctx, response) == 1;
    TS_VERIFY_CTX_free (ctx);
    return ok;
}

static char *
status_text (TS_RESP *response)
{
    TS_STATUS_INFO *status = TS_RESP_get_status_info (response);
    BIO *bio = BIO_new (BIO_s_mem ());
    char *data = NULL;
    TS_STATUS_INFO_print_bio (bio, status);
    long len = BIO_get_mem_data (bio, &data);
    char *text = g_utf8_make_valid (data != NULL ? data : "", len);
    BIO_free (bio);
    g_strdelimit (text, "\n\r\t", ' ');
    return text;
}

/* A TSA that sends an intermediate certificate without its root sends bytes that nothing binds. They aren't signed, so they may go: trust names issuers itself. */
static GBytes *
without_unbound (TS_RESP *response)
{
    PKCS7 *token = TS_RESP_get_token (response);
    STACK_OF(X509) *certs = token->d.sign->cert, *signers = PKCS7_get0_signers (token, NULL, 0);
    PKCS7_SIGNER_INFO *si = sk_PKCS7_SIGNER_INFO_value (PKCS7_get_signer_info (token), 0);
    X509 *signer = sk_X509_value (signers, 0), *top;
    sk_X509_free (signers);
    while (signer != NULL && !only_the_chain (si, signer, certs, &top) && top != signer)
        X509_free (sk_X509_delete_ptr (certs, top));
    guint8 *der = NULL;
    int len = i2d_TS_RESP (response, &der);
    GBytes *bytes = g_bytes_new (der, len > 0 ? (gsize) len : 0);
    OPENSSL_free (der);
    ERR_clear_error ();
    return bytes;
}

GBytes *
tsa_request (const char *url, const void *data, gsize len, guint timeout_ms, GError **error)
{
    g_autoptr (TS_REQ) request = make_request (data, len, error);
    g_autoptr (GBytes) bytes = request != NULL ? post (url, request, timeout_ms, error) : NULL;
    if (bytes == NULL)
        return NULL;
    gsize bytes_len;
    const guint8 *p = g_bytes_get_data (bytes, &bytes_len);
    g_autoptr (TS_RESP) response = d2i_TS_RESP (NULL, &p, (long) bytes_len);
    if (response == NULL) {
        ERR_clear_error ();
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "timestamp: the answer of %s can't be read", url);
        return NULL;
    }
    if (!answers (response, request)) {
        g_autofree char *text = status_text (response);
        ERR_clear_error ();
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "timestamp: %s gave none for this request: %s", url, text);
        return NULL;
    }
    GBytes *kept = without_unbound (response);
    if (tsa_verify (g_bytes_get_data (kept, NULL), g_bytes_get_size (kept), FALSE, data, len, NULL, NULL, error))
        return kept;
    g_bytes_unref (kept);
    return NULL;
}
