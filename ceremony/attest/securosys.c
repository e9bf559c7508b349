/* Securosys Primus: an XML document of a key's attributes, with a detached signature by the device's attestation key, whose certificate
 * hangs under the device's and Securosys's root. The bytes of the document are what is signed; no XML signature. */
#include "ceremony/attest/vendor.h"
#include "ceremony/base/encode.h"
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#define XML_MAX_LEN (256 * 1024)

static void silence (void *ctx, const char *format, ...) { }

/* No DTD, no entities, no network, no XInclude; libxml2's own depth bound of 256 holds, as XML_PARSE_HUGE isn't given. */
static xmlDoc *
parse_xml (GBytes *bytes, gboolean *banned)
{
    gsize n;
    const char *p = g_bytes_get_data (bytes, &n);
    *banned = n > XML_MAX_LEN || g_strstr_len (p, (gssize) n, "<!DOCTYPE") || g_strstr_len (p, (gssize) n, "<!ENTITY");
    if (*banned)
        return NULL;
    xmlSetGenericErrorFunc (NULL, silence);
    xmlDoc *doc = xmlReadMemory (p, (int) n, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
    if (doc && (doc->intSubset || doc->extSubset)) {
        *banned = TRUE;
        xmlFreeDoc (doc);
        doc = NULL;
    }
    return doc;
}

/* The only child element @name of @parent; NULL where none or several. */
static xmlNode *
child (xmlNode *parent, const char *name)
{
    xmlNode *found = NULL;
    for (xmlNode *c = parent ? parent->children : NULL; c; c = c->next)
        if (c->type == XML_ELEMENT_NODE && xmlStrEqual (c->name, BAD_CAST name)) {
            if (found)
                return NULL;
            found = c;
        }
    return found;
}

/* The text of an element without element children; NULL otherwise. g_free. */
static char *
text_of (xmlNode *node)
{
    if (!node)
        return NULL;
    g_autoptr (GString) text = g_string_new (NULL);
    for (xmlNode *c = node->children; c; c = c->next) {
        if (c->type != XML_TEXT_NODE)
            return NULL;
        if (c->content)
            g_string_append (text, (const char *) c->content);
    }
    return g_strstrip (g_string_free (g_steal_pointer (&text), FALSE));
}

static AttestTri
truth (xmlNode *attributes, const char *name)
{
    g_autofree char *text = text_of (child (attributes, name));
    return !text ? ATTEST_NULL : g_str_equal (text, "true") ? ATTEST_TRUE : g_str_equal (text, "false") ? ATTEST_FALSE : ATTEST_NULL;
}

static gboolean
signed_by (const AttestCert *cert, GBytes *data, GBytes *signature)
{
    EVP_PKEY *key = X509_get0_pubkey (cert->x);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new ();
    gboolean ok = key && EVP_DigestVerifyInit (ctx, NULL, EVP_sha256 (), NULL, key) == 1 &&
                  EVP_DigestVerify (ctx, g_bytes_get_data (signature, NULL), g_bytes_get_size (signature), g_bytes_get_data (data, NULL),
                                    g_bytes_get_size (data)) == 1;
    EVP_MD_CTX_free (ctx);
    ERR_clear_error ();
    return ok;
}

static GBytes *
decode_key (xmlNode *root)
{
    g_autofree char *text = text_of (child (root, "public_key"));
    if (!text)
        return NULL;
    gsize n = 0;
    for (char *p = text; *p; p++)
        if (!g_ascii_isspace (*p))
            text[n++] = *p;
    text[n] = 0;
    g_autoptr (GBytes) der = base64_decode (text, -1, NULL);
    if (!der)
        return NULL;
    const guint8 *start = g_bytes_get_data (der, NULL), *p = start;
    EVP_PKEY *key = d2i_PUBKEY (NULL, &p, (long) g_bytes_get_size (der));
    gboolean ok = key && p == start + g_bytes_get_size (der);
    EVP_PKEY_free (key);
    ERR_clear_error ();
    return ok ? g_steal_pointer (&der) : NULL;
}

static void
note_text (AttestResult *claim, xmlNode *root, const char *element, const char *key)
{
    g_autofree char *text = text_of (child (root, element));
    claim_set_str (claim, key, text);
}

static void
judge_attributes (AttestResult *claim, xmlNode *root)
{
    xmlNode *attributes = child (root, "attributes");
    xmlChar *creation = xmlGetNoNsProp (root, BAD_CAST "creation");
    const char *created = creation ? (const char *) creation : "";
    gboolean generated = g_str_equal (created, "generated");
    AttestTri extractable = truth (attributes, "extractable");
    claim->origin = generated ? ATTEST_ORIGIN_GENERATED : *created ? ATTEST_ORIGIN_IMPORTED : ATTEST_ORIGIN_UNKNOWN;
    claim->exportable = extractable;
    claim_set_str (claim, "creation", created);
    claim_set (claim, "never_extractable", json_boolean (truth (attributes, "never_extractable") == ATTEST_TRUE));
    if (!generated)
        claim_refuse (claim, "the key isn't bound to the device: its creation is \"%s\", not generated", *created ? created : "not told");
    if (extractable != ATTEST_FALSE)
        claim_refuse (claim, "the key isn't bound to the device: it can be extracted, or the attestation doesn't say");
    if (truth (attributes, "never_extractable") != ATTEST_TRUE)
        claim_refuse (claim, "the key isn't bound to the device: it could be extracted before, or the attestation doesn't say");
    if (truth (attributes, "sensitive") == ATTEST_FALSE || truth (attributes, "always_sensitive") == ATTEST_FALSE)
        claim_refuse (claim, "the key isn't bound to the device: it is or was readable (not sensitive)");
    if (truth (attributes, "sign") != ATTEST_TRUE)
        claim_refuse (claim, "the key can't sign (its attributes): it is no signing key");
    if (truth (attributes, "copyable") == ATTEST_TRUE)
        claim_anomaly (claim, "copyable: the key's object can be copied inside the device");
    xmlFree (creation);
}

/* Leaf (not a CA), device "PRIMUS HSM KEY (SN: 18386101)", anchor. */
static gboolean
check_chain (AttestJob *job, AttestResult *claim, const AttestCert *signer)
{
    static const char *const critical[] = { "2.5.29.32", NULL };
    static const ChainRules rules = { .use = "securosys", .critical = critical };
    g_auto (Chain) chain = { 0 };
    if (!claim_chain (job, claim, signer, &rules, &chain))
        return FALSE;
    if (chain.path->len < 2 || X509_check_ca (signer->x) == 1) {
        claim->authentic = FALSE;
        claim_refuse (claim, "the document is signed by %s, which isn't a device's attestation key", signer->subject);
        return FALSE;
    }
    g_autofree char *cn = cert_cn (chain.path->pdata[1]);
    const char *sn = cn ? strstr (cn, "(SN: ") : NULL;
    if (!sn || !strchr (sn, ')')) {
        claim_refuse (claim, "the device's certificate names no serial number");
        return FALSE;
    }
    claim->serial = g_strndup (sn + 5, strcspn (sn + 5, ")"));
    claim->model = g_strdup ("Primus HSM");
    return TRUE;
}

static const AttestCert *
find_signer (AttestJob *job, GBytes *xml, GBytes *signature)
{
    const AttestCert *found = NULL;
    for (guint i = 0; i < job->evidence->certs->len; i++) {
        const AttestCert *cert = job->evidence->certs->pdata[i];
        if (signed_by (cert, xml, signature) && (!found || X509_check_ca (found->x) == 1))
            found = cert;
    }
    return found;
}

static void
judge (AttestJob *job, const AttestBlob *xml, GBytes *signature)
{
    gboolean banned;
    xmlDoc *doc = parse_xml (xml->bytes, &banned);
    if (!doc && !banned) {
        g_free (job->unreadable);
        job->unreadable = g_strdup_printf ("%s: not a well-formed XML document; it may be damaged or cut off", xml->file);
        return;
    }
    xmlNode *root = doc ? xmlDocGetRootElement (doc) : NULL;
    gboolean private_key = root && xmlStrEqual (root->name, BAD_CAST "private_key");
    g_autoptr (GBytes) spki = private_key ? decode_key (root) : NULL;
    AttestResult *claim = claim_new (job, "securosys", "Securosys", spki, xml->file);
    const AttestCert *signer = signature ? find_signer (job, xml->bytes, signature) : NULL;
    if (!root)
        claim_refuse (claim, "the XML document brings a document type or entities, or is far too large: no attestation does");
    else if (!signature)
        claim_refuse (claim, "the document's signature isn't among the files");
    else if (!signer)
        claim_refuse (claim, "the document isn't signed by the key of any certificate given: it was altered, or the certificate is missing");
    else
        check_chain (job, claim, signer);
    if (root && !private_key)
        claim_refuse (claim, strstr ((const char *) root->name, "secret") ? "this attests a symmetric key, which is no signing key"
                                                                         : "the document isn't the attestation of a private key");
    else if (root && !spki)
        claim_refuse (claim, "the document holds no public key, or several");
    if (private_key) {
        note_text (claim, root, "label", "label");
        note_text (claim, root, "create_time", "created");
        note_text (claim, root, "attest_time", "attested");
        note_text (claim, root, "key_use_count", "key_uses");
        judge_attributes (claim, root);
    }
    xmlFreeDoc (doc);
}

void
securosys_collect (AttestJob *job)
{
    GBytes *signature = NULL;
    for (guint i = 0; i < job->evidence->blobs->len; i++) {
        const AttestBlob *blob = job->evidence->blobs->pdata[i];
        if (blob->kind == BLOB_SIGNATURE)
            signature = blob->bytes;
    }
    for (guint i = 0; i < job->evidence->blobs->len; i++) {
        const AttestBlob *blob = job->evidence->blobs->pdata[i];
        if (blob->kind == BLOB_XML)
            judge (job, blob, signature);
    }
}
