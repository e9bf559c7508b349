/* Canonical JSON (RFC 8785, narrowed): keys match [a-z0-9_]+, numbers are integers with |n| < 2^53, strings are UTF-8
 * with RFC 8785's escapes. Values are jansson's; writing and strict reading are ours, since jansson's writer differs. */
#pragma once
#include <glib.h>
#include <jansson.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC (json_t, json_decref)

#define CJSON_MAX_DEPTH 16
#define CJSON_MAX_LEN (16 * 1024 * 1024)
#define CJSON_MAX_INT G_GINT64_CONSTANT (9007199254740991)

/* Gives the canonical text of @value, without a newline; free with g_free.
 * Errors: BASE_ERROR_FORMAT for a real, an integer out of range, a key outside [a-z0-9_]+, depth over CJSON_MAX_DEPTH. */
char *cjson_encode (const json_t *value, GError **error);

/* Reads exactly one canonical value from @len bytes at @data, which are hostile: duplicate keys, bytes after the value,
 * and any text whose re-encoding differs are refused (BASE_ERROR_FORMAT, BASE_ERROR_LIMIT). New reference. */
json_t *cjson_parse (const void *data, gsize len, GError **error);

/* Reads ordinary (not canonical) JSON under the same bounds: for files that other programs made. New reference. */
json_t *cjson_parse_loose (const void *data, gsize len, GError **error);

/* A string for bytes that are UTF-8 without NUL, else {"hex":"…"}: token labels may be Latin-1. New reference. */
json_t *cjson_bytes (const void *data, gsize len);

/* An integer where |n| < 2^53, else the decimal digits as a string: 64-bit counters. New references. */
json_t *cjson_u64 (guint64 n);
json_t *cjson_i64 (gint64 n);

/* Members of an object: NULL, 0, FALSE (and @error where given: BASE_ERROR_FORMAT naming the key) where missing or of another
 * type. The string is @object's. */
const char *cjson_str (const json_t *object, const char *key, GError **error);
gboolean    cjson_int (const json_t *object, const char *key, gint64 *value, GError **error);
gboolean    cjson_bool (const json_t *object, const char *key, gboolean *value, GError **error);
json_t     *cjson_obj (const json_t *object, const char *key, GError **error); /* borrowed */
json_t     *cjson_arr (const json_t *object, const char *key, GError **error); /* borrowed */
