/* Used for the cast, since JSON holds nothing but UTF-8, and for the picture, since libvterm doesn't remember half a character. */
#include "media/utf8.h"
#include <string.h>

/* The bytes are the beginning of one character. (GLib also says so where a NUL byte follows, which can't be completed any more.) */
static gboolean
may_go_on (const char *p, gsize left)
{
    return left < 4 && !memchr (p, '\0', left) && g_utf8_get_char_validated (p, (gssize) left) == (gunichar) -2;
}

void
utf8_take (GByteArray *held, GString *text, gboolean last)
{
    const char *p = (const char *) held->data;
    gsize left = held->len;
    while (left > 0) {
        const char *end;
        g_utf8_validate_len (p, left, &end);
        g_string_append_len (text, p, end - p);
        left -= (gsize) (end - p);
        p = end;
        if (left == 0 || (!last && may_go_on (p, left)))
            break;
        if (*p != '\0')
            g_string_append (text, "\357\277\275");
        p++;
        left--;
    }
    g_byte_array_remove_range (held, 0, held->len - (guint) left);
}
