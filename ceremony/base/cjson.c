/* Canonical JSON. jansson reads and holds the values; the writer is ours, and the strict reader is jansson's followed by a comparison with what
 * our writer makes of the result: so there is just one text for a value, and no second parser to get wrong. */
#include "ceremony/base/cjson.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <string.h>

/* A value costs jansson some 50 bytes: this bounds what 16 MiB of "[1,1,…" could take. */
#define MAX_VALUES 1000000

static gboolean encode_value (GString *out, const json_t *value, int depth, GError **error);

static gboolean
format_fail (GError **error, const char *message)
{
    g_set_error_literal (error, BASE_ERROR, BASE_ERROR_FORMAT, message);
    return FALSE;
}

/* RFC 8785 section 3.2.2.2: the two-character escapes, \u00xx in lower case for the other controls, everything else as it is. */
static void
encode_char (GString *out, guchar c)
{
    static const char short_escapes[32] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
    if (c == '"' || c == '\\') {
        g_string_append_c (out, '\\');
        g_string_append_c (out, (char) c);
    } else if (c < 32 && short_escapes[c] != '\0') {
        g_string_append_c (out, '\\');
        g_string_append_c (out, short_escapes[c]);
    } else if (c < 32) {
        g_string_append_printf (out, "\\u%04x", c);
    } else {
        g_string_append_c (out, (char) c);
    }
}

static gboolean
encode_string (GString *out, const json_t *value, GError **error)
{
    const char *text = json_string_value (value);
    gsize len = json_string_length (value);
    if (memchr (text, 0, len) != NULL)
        return format_fail (error, "a string holds a NUL character");
    if (!g_utf8_validate_len (text, len, NULL))
        return format_fail (error, "a string isn't UTF-8");
    g_string_append_c (out, '"');
    for (gsize i = 0; i < len; i++)
        encode_char (out, (guchar) text[i]);
    g_string_append_c (out, '"');
    return TRUE;
}

static gboolean
encode_integer (GString *out, const json_t *value, GError **error)
{
    gint64 n = json_integer_value (value);
    if (n > CJSON_MAX_INT || n < -CJSON_MAX_INT)
        return format_fail (error, "an integer lies outside ±(2^53 - 1)");
    g_string_append_printf (out, "%" G_GINT64_FORMAT, n);
    return TRUE;
}

static gboolean
encode_array (GString *out, const json_t *array, int depth, GError **error)
{
    g_string_append_c (out, '[');
    for (gsize i = 0; i < json_array_size (array); i++) {
        if (i > 0)
            g_string_append_c (out, ',');
        if (!encode_value (out, json_array_get (array, i), depth, error))
            return FALSE;
    }
    g_string_append_c (out, ']');
    return TRUE;
}

static gboolean
key_ok (const char *key, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_islower (key[i]) && !g_ascii_isdigit (key[i]) && key[i] != '_')
            return FALSE;
    return len > 0;
}

static int
compare_keys (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Keys are ASCII, so that the order of bytes is RFC 8785's order of UTF-16 code units. */
static GPtrArray *
sorted_keys (json_t *object, GError **error)
{
    g_autoptr (GPtrArray) keys = g_ptr_array_new ();
    for (void *iter = json_object_iter (object); iter != NULL; iter = json_object_iter_next (object, iter)) {
        const char *key = json_object_iter_key (iter);
        if (!key_ok (key, json_object_iter_key_len (iter))) {
            format_fail (error, "a key doesn't match [a-z0-9_]+");
            return NULL;
        }
        g_ptr_array_add (keys, (gpointer) key);
    }
    g_ptr_array_sort (keys, compare_keys);
    return g_steal_pointer (&keys);
}

static gboolean
encode_object (GString *out, const json_t *object, int depth, GError **error)
{
    g_autoptr (GPtrArray) keys = sorted_keys ((json_t *) object, error);
    if (keys == NULL)
        return FALSE;
    g_string_append_c (out, '{');
    for (guint i = 0; i < keys->len; i++) {
        const char *key = keys->pdata[i];
        g_string_append_printf (out, "%s\"%s\":", i > 0 ? "," : "", key);
        if (!encode_value (out, json_object_get (object, key), depth, error))
            return FALSE;
    }
    g_string_append_c (out, '}');
    return TRUE;
}

/* @depth counts the arrays and objects around this value. */
static gboolean
encode_value (GString *out, const json_t *value, int depth, GError **error)
{
    if (value == NULL)
        return format_fail (error, "a value is missing");
    if ((json_is_object (value) || json_is_array (value)) && depth >= CJSON_MAX_DEPTH)
        return format_fail (error, "arrays and objects lie too deep in each other");
    switch (json_typeof (value)) {
    case JSON_OBJECT:
        return encode_object (out, value, depth + 1, error);
    case JSON_ARRAY:
        return encode_array (out, value, depth + 1, error);
    case JSON_STRING:
        return encode_string (out, value, error);
    case JSON_INTEGER:
        return encode_integer (out, value, error);
    case JSON_REAL:
        return format_fail (error, "a number isn't an integer");
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        g_string_append (out, json_is_null (value) ? "null" : json_is_true (value) ? "true" : "false");
        return TRUE;
    }
    return format_fail (error, "a value of no known type");
}

char *
cjson_encode (const json_t *value, GError **error)
{
    GString *out = g_string_new (NULL);
    if (!encode_value (out, value, 0, error)) {
        g_string_free (out, TRUE);
        g_prefix_error (error, "JSON: ");
        return NULL;
    }
    return g_string_free (out, FALSE);
}

/* Depth and number of values, before a parser that allocates sees the text. */
static gboolean
bounds_ok (const char *text, gsize len, GError **error)
{
    gsize depth = 0, values = 0;
    gboolean in_string = FALSE;
    for (gsize i = 0; i < len; i++) {
        char c = text[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++, values++;
        else if (!in_string && (c == '}' || c == ']'))
            depth -= depth > 0;
        else if (!in_string && c == ',')
            values++;
        if (depth > CJSON_MAX_DEPTH || values > MAX_VALUES) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "JSON: %s than we read", depth > CJSON_MAX_DEPTH ? "deeper" : "more values");
            return FALSE;
        }
    }
    return TRUE;
}

json_t *
cjson_parse_loose (const void *data, gsize len, GError **error)
{
    if (len > CJSON_MAX_LEN) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "JSON: longer than %d bytes", CJSON_MAX_LEN);
        return NULL;
    }
    if (len == 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "JSON: empty");
        return NULL;
    }
    if (!bounds_ok (data, len, error))
        return NULL;
    json_error_t why;
    json_t *value = json_loadb (data, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (value == NULL) {
        /* jansson quotes the text near the fault, which is hostile: only its own words are passed on. */
        g_autofree char *text = g_strndup (why.text, strcspn (why.text, "'"));
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "JSON: line %d, column %d: %s", why.line, why.column, g_strchomp (text));
    }
    return value;
}

json_t *
cjson_parse (const void *data, gsize len, GError **error)
{
    g_autoptr (json_t) value = cjson_parse_loose (data, len, error);
    if (value == NULL)
        return NULL;
    g_autofree char *again = cjson_encode (value, error);
    if (again == NULL)
        return NULL;
    if (strlen (again) != len || memcmp (again, data, len) != 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "JSON: the text isn't the canonical one of its value");
        return NULL;
    }
    return g_steal_pointer (&value);
}

json_t *
cjson_bytes (const void *data, gsize len)
{
    if (len == 0)
        return json_string ("");
    if (memchr (data, 0, len) == NULL && g_utf8_validate_len (data, len, NULL))
        return json_stringn (data, len);
    g_autofree char *hex = hex_encode (data, len);
    return json_pack ("{s:s}", "hex", hex);
}

json_t *
cjson_u64 (guint64 n)
{
    if (n <= (guint64) CJSON_MAX_INT)
        return json_integer ((json_int_t) n);
    g_autofree char *digits = g_strdup_printf ("%" G_GUINT64_FORMAT, n);
    return json_string (digits);
}

json_t *
cjson_i64 (gint64 n)
{
    if (n <= CJSON_MAX_INT && n >= -CJSON_MAX_INT)
        return json_integer (n);
    g_autofree char *digits = g_strdup_printf ("%" G_GINT64_FORMAT, n);
    return json_string (digits);
}

static json_t *
member (const json_t *object, const char *key, gboolean (*is) (const json_t *value), const char *what, GError **error)
{
    json_t *value = json_object_get (object, key);
    if (value != NULL && is (value))
        return value;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: %s, where %s must be", key, value == NULL ? "missing" : "another type", what);
    return NULL;
}

static gboolean is_string (const json_t *value) { return json_is_string (value); }
static gboolean is_integer (const json_t *value) { return json_is_integer (value); }
static gboolean is_boolean (const json_t *value) { return json_is_boolean (value); }
static gboolean is_object (const json_t *value) { return json_is_object (value); }
static gboolean is_array (const json_t *value) { return json_is_array (value); }

const char *
cjson_str (const json_t *object, const char *key, GError **error)
{
    return json_string_value (member (object, key, is_string, "a string", error));
}

gboolean
cjson_int (const json_t *object, const char *key, gint64 *value, GError **error)
{
    const json_t *found = member (object, key, is_integer, "an integer", error);
    *value = json_integer_value (found);
    return found != NULL;
}

gboolean
cjson_bool (const json_t *object, const char *key, gboolean *value, GError **error)
{
    const json_t *found = member (object, key, is_boolean, "true or false", error);
    *value = json_is_true (found);
    return found != NULL;
}

json_t *
cjson_obj (const json_t *object, const char *key, GError **error)
{
    return member (object, key, is_object, "an object", error);
}

json_t *
cjson_arr (const json_t *object, const char *key, GError **error)
{
    return member (object, key, is_array, "an array", error);
}
