/* ASiCManifest files, EN 319 162-1 annex A.4: which files a signature covers, with their SHA-256. One manifest has one form of bytes: it is
 * parsed with libxml2, written again and compared. */
#include "ceremony/bundle/asice-internal.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#define NS_ASIC "http://uri.etsi.org/02918/v1.2.1#"
#define NS_DS "http://www.w3.org/2000/09/xmldsig#"
#define ALG_SHA256 "http://www.w3.org/2001/04/xmlenc#sha256"
#define MANIFEST_MAX (ASICE_MAX_ENTRIES * 2048)
#define MANIFEST_MAX_NUMBER 999

static void
manifest_entry_free (gpointer data)
{
    ManifestEntry *entry = data;
    g_free (entry->name);
    g_free (entry);
}

GPtrArray *
manifest_entries_new (void)
{
    return g_ptr_array_new_with_free_func (manifest_entry_free);
}

ManifestEntry *
manifest_entry_new (const char *name, const guint8 digest[32])
{
    ManifestEntry *entry = g_new0 (ManifestEntry, 1);
    g_autofree char *hex = hex_encode (digest, 32);
    entry->name = g_strdup (name);
    g_strlcpy (entry->sha256, hex, sizeof entry->sha256);
    return entry;
}

int
manifest_compare (gconstpointer a, gconstpointer b)
{
    const ManifestEntry *const *left = a, *const *right = b;
    return strcmp ((*left)->name, (*right)->name);
}

GBytes *
manifest_write (guint number, const GPtrArray *entries, GError **error)
{
    if (number < 1 || number > MANIFEST_MAX_NUMBER || entries->len > ASICE_MAX_ENTRIES) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "manifest: more than %d signatures or %d files", MANIFEST_MAX_NUMBER, ASICE_MAX_ENTRIES);
        return NULL;
    }
    g_autoptr (GString) out = g_string_new ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    g_string_append_printf (out, "<asic:ASiCManifest xmlns:asic=\"%s\" xmlns:ds=\"%s\">\n", NS_ASIC, NS_DS);
    g_string_append_printf (out, "  <asic:SigReference URI=\"META-INF/signature%03u.p7s\" MimeType=\"application/pkcs7-signature\"/>\n", number);
    for (guint i = 0; i < entries->len; i++) {
        const ManifestEntry *entry = g_ptr_array_index (entries, i);
        g_autoptr (GBytes) digest = hex_decode (entry->sha256, error);
        if (digest == NULL || g_bytes_get_size (digest) != 32 || !asice_name_check (entry->name, error))
            return NULL;
        g_autofree char *value = base64_encode (g_bytes_get_data (digest, NULL), 32);
        g_autofree char *uri = g_uri_escape_string (entry->name, "/", FALSE);
        g_string_append_printf (out, "  <asic:DataObjectReference URI=\"%s\">\n    <ds:DigestMethod Algorithm=\"%s\"/>\n"
                                     "    <ds:DigestValue>%s</ds:DigestValue>\n  </asic:DataObjectReference>\n", uri, ALG_SHA256, value);
    }
    g_string_append (out, "</asic:ASiCManifest>\n");
    return g_string_free_to_bytes (g_steal_pointer (&out));
}

static gboolean
is_element (const xmlNode *node, const char *ns, const char *name)
{
    return node->type == XML_ELEMENT_NODE && node->ns != NULL && xmlStrEqual (node->ns->href, BAD_CAST ns) && xmlStrEqual (node->name, BAD_CAST name);
}

static char *
attribute (const xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp (node, BAD_CAST name);
    char *copy = g_strdup ((const char *) value);
    xmlFree (value);
    return copy;
}

static ManifestEntry *
read_reference (const xmlNode *node)
{
    g_autofree char *uri = attribute (node, "URI");
    g_autofree char *name = uri != NULL ? g_uri_unescape_string (uri, NULL) : NULL;
    for (const xmlNode *child = node->children; name != NULL && child != NULL; child = child->next) {
        if (!is_element (child, NS_DS, "DigestValue"))
            continue;
        xmlChar *text = xmlNodeGetContent (child);
        g_autoptr (GBytes) digest = text != NULL ? base64_decode ((const char *) text, -1, NULL) : NULL;
        xmlFree (text);
        if (digest != NULL && g_bytes_get_size (digest) == 32)
            return manifest_entry_new (name, g_bytes_get_data (digest, NULL));
    }
    return NULL;
}

/* Takes out what matters; whatever else the document holds shows when it is written again. */
static GPtrArray *
read_document (const xmlNode *root, guint *number)
{
    g_autoptr (GPtrArray) entries = manifest_entries_new ();
    *number = 0;
    if (root == NULL || !is_element (root, NS_ASIC, "ASiCManifest"))
        return NULL;
    for (const xmlNode *node = root->children; node != NULL; node = node->next) {
        if (is_element (node, NS_ASIC, "SigReference")) {
            g_autofree char *uri = attribute (node, "URI");
            const char *digits = uri != NULL && g_str_has_prefix (uri, "META-INF/signature") ? uri + strlen ("META-INF/signature") : "";
            *number = (guint) MIN (g_ascii_strtoull (digits, NULL, 10), MANIFEST_MAX_NUMBER + 1);
        } else if (is_element (node, NS_ASIC, "DataObjectReference")) {
            ManifestEntry *entry = entries->len < ASICE_MAX_ENTRIES ? read_reference (node) : NULL;
            if (entry == NULL)
                return NULL;
            g_ptr_array_add (entries, entry);
        }
    }
    return g_steal_pointer (&entries);
}

static gboolean
is_sorted (const GPtrArray *entries)
{
    for (guint i = 1; i < entries->len; i++)
        if (manifest_compare (&entries->pdata[i - 1], &entries->pdata[i]) >= 0)
            return FALSE;
    return TRUE;
}

GPtrArray *
manifest_parse (const void *data, gsize len, guint *number, GError **error)
{
    if (len > MANIFEST_MAX) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "manifest: larger than %d bytes", MANIFEST_MAX);
        return NULL;
    }
    /* No DTD may come into libxml2's sight at all: ours never has one. */
    xmlDoc *doc = g_strstr_len (data, (gssize) len, "<!") == NULL
                      ? xmlReadMemory (data, (int) len, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS)
                      : NULL;
    g_autoptr (GPtrArray) entries = doc != NULL ? read_document (xmlDocGetRootElement (doc), number) : NULL;
    xmlFreeDoc (doc);
    g_autoptr (GBytes) again = entries != NULL && is_sorted (entries) ? manifest_write (*number, entries, NULL) : NULL;
    if (again == NULL || g_bytes_get_size (again) != len || memcmp (g_bytes_get_data (again, NULL), data, len) != 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "manifest: not in the one form that docs/formats.md allows");
        return NULL;
    }
    return g_steal_pointer (&entries);
}
