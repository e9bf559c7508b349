/* A container: what the reader takes has each byte in one place, and its entries can be read; its manifests are read as well. */
#include "ceremony/bundle/asice.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static gsize
check_entry (const Asice *asice, const AsiceEntry *entry, gsize size)
{
    g_assert_true (entry->offset <= size && entry->length <= size - entry->offset);
    g_assert_true (g_utf8_validate (entry->name, -1, NULL) && entry->name[0] != '/' && strstr (entry->name, "..") == NULL);
    g_assert_true (asice_find (asice, entry->name) == entry);
    g_autoptr (GBytes) bytes = asice_read (asice, entry->name, ASICE_MAX_SMALL, NULL);
    guint8 digest[32];
    g_assert_true (bytes == NULL || (g_bytes_get_size (bytes) == entry->length && asice_sha256 (asice, entry, digest, NULL)));
    g_assert_false (asice_sha256_range (asice, entry, 1, entry->length, digest, NULL));
    return entry->length + 30 + strlen (entry->name);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) bytes = g_bytes_new (data, size);
    g_autoptr (Asice) asice = asice_open_bytes (bytes, &error);
    g_assert_true ((asice == NULL) == (error != NULL));
    g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
    if (asice == NULL)
        return 0;
    const GPtrArray *entries = asice_entries (asice);
    gsize used = 0;
    for (guint i = 0; i < entries->len; i++)
        used += check_entry (asice, entries->pdata[i], size);
    g_assert_cmpuint (used, <, size);
    g_autoptr (json_t) digests = asice_signature_digests (asice, NULL);
    g_assert_true (digests == NULL || json_array_size (digests) == asice_signature_count (asice));
    return 0;
}
