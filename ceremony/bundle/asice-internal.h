/* What the container's reader and writer share. */
#pragma once
#include "ceremony/bundle/asice.h"

#define ASICE_NAME_MAX 512
#define ASICE_META "META-INF/"

/* BASE_ERROR_FORMAT where @name is no safe, relative, plain file name. */
gboolean asice_name_check (const char *name, GError **error);
/* "META-INF/ASiCManifest001.xml" and "META-INF/signature001.p7s"; g_free. */
char *asice_manifest_name (guint number);
char *asice_signature_name (guint number);
/* Compares two ManifestEntry pointers by name, for g_ptr_array_sort. */
int manifest_compare (gconstpointer a, gconstpointer b);
GPtrArray *manifest_entries_new (void);
ManifestEntry *manifest_entry_new (const char *name, const guint8 sha256[32]);
