/* Canonical JSON: vectors of RFC 8785 that apply to our narrower form, and hostile text. */
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"
#include <string.h>

static void
assert_refused (const char *text, gsize len, BaseError code)
{
    g_autoptr (GError) error = NULL;
    json_t *value = cjson_parse (text, len, &error);
    if (value != NULL)
        g_error ("accepted: %s", text);
    g_assert_error (error, BASE_ERROR, (int) code);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

static char *
encode_loose (const char *text)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) value = cjson_parse_loose (text, strlen (text), &error);
    g_assert_no_error (error);
    char *out = cjson_encode (value, &error);
    g_assert_no_error (error);
    return out;
}

/* Loose text, and the one canonical text of its value. */
static void
test_canonical (void)
{
    static const struct { const char *loose, *canonical; } vectors[] = {
        /* RFC 8785 section 3.2.2's string, 3.2.3's literals. */
        { "\"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\"", "\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"" },
        { "[ null, true, false ]", "[null,true,false]" },
        { "\"\\b\\t\\n\\f\\r\"", "\"\\b\\t\\n\\f\\r\"" },
        { "\"\\u0008\\u0009\\u000A\\u000C\\u000D\"", "\"\\b\\t\\n\\f\\r\"" },
        { "\"\\u0001\\u001F\\u001b\\u000b\"", "\"\\u0001\\u001f\\u001b\\u000b\"" },
        { "\"\\u007f\\u0080\\u2028\\u2029\"", "\"\x7f\xc2\x80\xe2\x80\xa8\xe2\x80\xa9\"" },
        { "\"<\\/script>\"", "\"</script>\"" },
        { "\"\\ud83d\\ude02\"", "\"\xf0\x9f\x98\x82\"" },
        { "\"\\ufb33 \\u00f6\"", "\"\xef\xac\xb3 \xc3\xb6\"" },
        /* Appendix B's integers within our range. */
        { "9007199254740991", "9007199254740991" },
        { "-9007199254740991", "-9007199254740991" },
        { "0", "0" },
        { "{\"b\":1,\"a\":{\"z\":[],\"_\":{}},\"a1\":3,\"a_\":2}", "{\"a\":{\"_\":{},\"z\":[]},\"a1\":3,\"a_\":2,\"b\":1}" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (vectors); i++) {
        g_autofree char *out = encode_loose (vectors[i].loose);
        g_assert_cmpstr (out, ==, vectors[i].canonical);
        g_autoptr (GError) error = NULL;
        g_autoptr (json_t) again = cjson_parse (out, strlen (out), &error);
        g_assert_no_error (error);
        g_assert_nonnull (again);
    }
}

static void
test_refuses (void)
{
    static const char *const texts[] = {
        "", " ", " 1", "1 ", "1\n", "[1, 2]", "{\"a\" :1}", "{\"b\":1,\"a\":2}", "{\"a\":1,\"a\":1}", "{\"a\":1,\"a\":2}", "{\"A\":1}", "{\"\":1}",
        "{\"a-b\":1}", "{\"\xc3\xb6\":1}", "1.0", "1e2", "-0", "01", "+1", "9007199254740992", "-9007199254740992", "99999999999999999999999",
        "\"\\u001B\"", "\"\\u000a\"", "\"\\/\"", "\"\\u0041\"", "\"\\u20ac\"", "\"\\u0000\"", "{\"a\\u0000b\":1}", "\"\\ud800\"", "\"\\udc00\\ud800\"",
        "\"\xed\xa0\x80\"", "\"\xc0\xaf\"", "\"\xe0\x80\xaf\"", "\"\xf4\x90\x80\x80\"", "\"\xff\"", "\"\xc3\"", "\"a", "[1", "[1,]", "{\"a\":}",
        "NaN", "nul", "true false", "{}{}", "\xef\xbb\xbf{}", "\"a\tb\"", "'a'", "// x\n1",
    };
    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
        assert_refused (texts[i], strlen (texts[i]), BASE_ERROR_FORMAT);
    assert_refused ("\"a\0b\"", 5, BASE_ERROR_FORMAT);
    assert_refused ("{}\0", 3, BASE_ERROR_FORMAT);
}

static void
test_limits (void)
{
    g_autoptr (GString) deep = g_string_new (NULL);
    for (int i = 0; i < CJSON_MAX_DEPTH; i++)
        g_string_append_c (deep, '[');
    for (int i = 0; i < CJSON_MAX_DEPTH; i++)
        g_string_append_c (deep, ']');
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) value = cjson_parse (deep->str, deep->len, &error);
    g_assert_no_error (error);
    g_string_prepend_c (deep, '[');
    g_string_append_c (deep, ']');
    assert_refused (deep->str, deep->len, BASE_ERROR_LIMIT);
    g_autoptr (json_t) outer = json_pack ("[O]", value);
    g_assert_null (cjson_encode (outer, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);

    g_autofree char *brackets = g_strnfill (100000, '[');
    assert_refused (brackets, 100000, BASE_ERROR_LIMIT);
    g_autofree char *commas = g_strnfill (2000000, ',');
    assert_refused (commas, 2000000, BASE_ERROR_LIMIT);
    g_autofree char *big = g_malloc0 (CJSON_MAX_LEN + 1);
    assert_refused (big, CJSON_MAX_LEN + 1, BASE_ERROR_LIMIT);
    /* Brackets in a string are text. */
    const char *text = "\"[[[[[[[[[[[[[[[[[[[[\\\"[[\"";
    g_autoptr (json_t) string = cjson_parse (text, strlen (text), NULL);
    g_assert_nonnull (string);
}

static void
assert_json (json_t *stolen, const char *expected)
{
    g_autoptr (json_t) value = stolen;
    g_autoptr (GError) error = NULL;
    g_autofree char *text = cjson_encode (value, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (text, ==, expected);
}

/* Token labels in Latin-1, control characters, emoji, 64-bit counters. */
static void
test_values (void)
{
    assert_json (cjson_bytes ("Z\xfcrich", 6), "{\"hex\":\"5afc72696368\"}");
    assert_json (cjson_bytes ("a\0", 2), "{\"hex\":\"6100\"}");
    assert_json (cjson_bytes ("", 0), "\"\"");
    assert_json (cjson_bytes (NULL, 0), "\"\"");
    assert_json (cjson_bytes ("\x1b[2J", 4), "\"\\u001b[2J\"");
    assert_json (cjson_bytes ("\xf0\x9f\x94\x91", 4), "\"\xf0\x9f\x94\x91\"");
    assert_json (cjson_u64 (G_MAXUINT64), "\"18446744073709551615\"");
    assert_json (cjson_u64 (9007199254740991), "9007199254740991");
    assert_json (cjson_u64 (9007199254740992), "\"9007199254740992\"");
    assert_json (cjson_i64 (G_MININT64), "\"-9223372036854775808\"");
    assert_json (cjson_i64 (-5), "-5");
}

static void
test_encode_refuses (void)
{
    g_autoptr (json_t) real = json_real (1);
    g_autoptr (json_t) big = json_integer (CJSON_MAX_INT + 1);
    g_autoptr (json_t) latin1 = json_string_nocheck ("\xfc");
    g_autoptr (json_t) nul = json_stringn ("a\0b", 3);
    g_autoptr (json_t) key = json_pack ("{s:i}", "Key", 1);
    json_t *const values[] = { real, big, latin1, nul, key, NULL };
    for (gsize i = 0; i < G_N_ELEMENTS (values); i++) {
        g_autoptr (GError) error = NULL;
        g_assert_null (cjson_encode (values[i], &error));
        g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    }
}

static void
test_members (void)
{
    const char *text = "{\"s\":\"x\",\"i\":7,\"b\":true,\"o\":{},\"a\":[]}";
    g_autoptr (json_t) object = cjson_parse_loose (text, strlen (text), NULL);
    g_autoptr (GError) error = NULL;
    gint64 i = 0;
    gboolean b = FALSE;
    g_assert_cmpstr (cjson_str (object, "s", NULL), ==, "x");
    g_assert_true (cjson_int (object, "i", &i, NULL) && i == 7);
    g_assert_true (cjson_bool (object, "b", &b, NULL) && b);
    g_assert_true (json_is_object (cjson_obj (object, "o", NULL)));
    g_assert_true (json_is_array (cjson_arr (object, "a", NULL)));
    g_assert_null (cjson_str (object, "i", &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_assert_true (g_str_has_prefix (error->message, "i: "));
    g_assert_false (cjson_int (object, "s", &i, NULL));
    g_assert_false (cjson_bool (object, "none", &b, NULL));
    g_assert_null (cjson_str (NULL, "s", NULL));
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/cjson/canonical", test_canonical);
    g_test_add_func ("/cjson/refuses", test_refuses);
    g_test_add_func ("/cjson/limits", test_limits);
    g_test_add_func ("/cjson/values", test_values);
    g_test_add_func ("/cjson/encode-refuses", test_encode_refuses);
    g_test_add_func ("/cjson/members", test_members);
    return g_test_run ();
}
