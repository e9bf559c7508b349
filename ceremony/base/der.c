/* DER over (pointer, length). */
#include "ceremony/base/der.h"
#include <string.h>

gboolean
der_take (Der *from, guint8 tag, Der *content, Der *whole)
{
    const guint8 *p = from->p;
    if (from->len < 2 || p[0] != tag || (tag & 0x1f) == 0x1f)
        return FALSE;
    gsize header = 2, len = p[1];
    if (len >= 0x80) {
        gsize bytes = len & 0x7f;
        if (bytes < 1 || bytes > 4 || from->len < 2 + bytes || p[2] == 0)
            return FALSE;
        len = 0;
        for (gsize i = 0; i < bytes; i++)
            len = len << 8 | p[2 + i];
        if (len < 0x80)
            return FALSE;
        header += bytes;
    }
    if (len > from->len - header)
        return FALSE;
    if (content != NULL)
        *content = (Der) { p + header, len };
    if (whole != NULL)
        *whole = (Der) { p, header + len };
    from->p += header + len;
    from->len -= header + len;
    return TRUE;
}

gboolean
der_next (Der *from, guint8 *tag, Der *content, Der *whole)
{
    guint8 next = der_peek (from);
    if (tag != NULL)
        *tag = next;
    return der_take (from, next, content, whole);
}

gboolean
der_only (const void *data, gsize len, guint8 tag, Der *content)
{
    Der in = { data, len };
    return der_take (&in, tag, content, NULL) && in.len == 0;
}

gboolean
der_u64 (Der c, guint64 *value)
{
    if (c.len < 1 || c.len > 9 || (c.p[0] & 0x80) || (c.len > 1 && c.p[0] == 0 && !(c.p[1] & 0x80)) || (c.len == 9 && c.p[0] != 0))
        return FALSE;
    *value = 0;
    for (gsize i = 0; i < c.len; i++)
        *value = *value << 8 | c.p[i];
    return TRUE;
}

guint8
der_peek (const Der *from)
{
    return from->len > 0 ? from->p[0] : 0;
}

gboolean
der_is (const Der *a, const void *data, gsize len)
{
    return a->len == len && (len == 0 || memcmp (a->p, data, len) == 0);
}

gboolean
der_equal (const Der *a, const Der *b)
{
    return der_is (a, b->p, b->len);
}

static int
compare (const Der *a, const Der *b)
{
    int order = memcmp (a->p, b->p, MIN (a->len, b->len));
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

gboolean
der_set_sorted (Der content)
{
    Der last = { 0 }, next;
    while (content.len > 0) {
        if (!der_take (&content, der_peek (&content), NULL, &next) || (last.p != NULL && compare (&last, &next) >= 0))
            return FALSE;
        last = next;
    }
    return TRUE;
}
