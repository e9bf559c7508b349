#include "ceremony/attest/der.h"
#include <string.h>

/* X.690 8.1 and 10.1: the length in its shortest form. */
static gboolean
take_length (Der *in, gsize *len)
{
    if (in->n < 1)
        return FALSE;
    guint8 first = *in->p++;
    in->n--;
    if (first < 0x80) {
        *len = first;
        return *len <= in->n;
    }
    guint count = first & 0x7f;
    if (count < 1 || count > 4 || in->n < count || in->p[0] == 0)
        return FALSE;
    gsize value = 0;
    for (guint i = 0; i < count; i++)
        value = value << 8 | in->p[i];
    in->p += count;
    in->n -= count;
    *len = value;
    return value >= 0x80 && value <= in->n;
}

gboolean
der_next (Der *in, guint8 *tag, Der *content, Der *whole)
{
    Der at = *in;
    gsize len;
    if (at.n < 2 || (at.p[0] & 0x1f) == 0x1f)
        return FALSE;
    guint8 t = *at.p++;
    at.n--;
    if (!take_length (&at, &len))
        return FALSE;
    *content = (Der) { at.p, len };
    if (whole)
        *whole = (Der) { in->p, (gsize) (at.p - in->p) + len };
    if (tag)
        *tag = t;
    *in = (Der) { at.p + len, at.n - len };
    return TRUE;
}

gboolean
der_take (Der *in, guint8 tag, Der *content)
{
    Der at = *in;
    guint8 t;
    if (!der_next (&at, &t, content, NULL) || t != tag)
        return FALSE;
    *in = at;
    return TRUE;
}

gboolean
der_only (const void *data, gsize len, guint8 tag, Der *content)
{
    Der in = { data, len };
    return der_take (&in, tag, content) && in.n == 0;
}

gboolean
der_u64 (Der c, guint64 *value)
{
    if (c.n < 1 || c.p[0] & 0x80 || (c.n > 1 && c.p[0] == 0 && !(c.p[1] & 0x80)) || c.n > 9 || (c.n == 9 && c.p[0] != 0))
        return FALSE;
    guint64 v = 0;
    for (gsize i = 0; i < c.n; i++)
        v = v << 8 | c.p[i];
    *value = v;
    return TRUE;
}

gboolean
der_equal (Der content, const void *data, gsize len)
{
    return content.n == len && memcmp (content.p, data, len) == 0;
}
