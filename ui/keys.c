/* The key decoder: a small state machine over at most KEY_SEQUENCE_MAX bytes, and a table of the sequences that terminals send. */
#include "ui/keys.h"
#include <string.h>

/* After ESC, without it. Sources: xterm's ctlseqs, console_codes(4), rxvt-unicode(7), terminfo of tmux and screen. */
static const struct { const char *sequence; guint32 key; } sequences[] = {
    { "[A", K_UP }, { "[B", K_DOWN }, { "[C", K_RIGHT }, { "[D", K_LEFT }, { "[H", K_HOME }, { "[F", K_END }, { "[Z", K_BACKTAB },
    { "OA", K_UP }, { "OB", K_DOWN }, { "OC", K_RIGHT }, { "OD", K_LEFT }, { "OH", K_HOME }, { "OF", K_END }, { "OM", K_ENTER },
    { "Oa", K_UP }, { "Ob", K_DOWN }, { "Oc", K_RIGHT }, { "Od", K_LEFT },
    { "OP", K_FN + 1 }, { "OQ", K_FN + 2 }, { "OR", K_FN + 3 }, { "OS", K_FN + 4 },
    { "[P", K_FN + 1 }, { "[Q", K_FN + 2 }, { "[R", K_FN + 3 }, { "[S", K_FN + 4 },
    { "[[A", K_FN + 1 }, { "[[B", K_FN + 2 }, { "[[C", K_FN + 3 }, { "[[D", K_FN + 4 }, { "[[E", K_FN + 5 },
};

static const struct { guint number; guint32 key; } tildes[] = {
    { 1, K_HOME }, { 2, K_INS }, { 3, K_DEL }, { 4, K_END }, { 5, K_PGUP }, { 6, K_PGDN }, { 7, K_HOME }, { 8, K_END },
    { 11, K_FN + 1 }, { 12, K_FN + 2 }, { 13, K_FN + 3 }, { 14, K_FN + 4 }, { 15, K_FN + 5 }, { 17, K_FN + 6 }, { 18, K_FN + 7 },
    { 19, K_FN + 8 }, { 20, K_FN + 9 }, { 21, K_FN + 10 }, { 23, K_FN + 11 }, { 24, K_FN + 12 },
    { 200, K_PASTE_BEGIN }, { 201, K_PASTE_END },
};

static guint32 single (guint8 byte)
{
    switch (byte)
    {
    case '\r': case '\n': return K_ENTER;
    case '\t': return K_TAB;
    case 0x08: case 0x7f: return K_ERASE;
    case 0x1b: return K_ESC;
    default: return byte >= 1 && byte <= 26 ? K_CTRL + 'a' + byte - 1 : byte < 0x20 ? K_UNKNOWN : byte;
    }
}

static guint32 tilde (guint number)
{
    for (guint i = 0; i < G_N_ELEMENTS (tildes); i++)
        if (tildes[i].number == number)
            return tildes[i].key;
    return K_UNKNOWN;
}

/* "[<number>;<modifier><final>": a modifier changes nothing for us, so the key is the plain one. */
static guint32 csi_key (const char *s)
{
    guint number = 0;
    const char *p = s + 1;
    while (g_ascii_isdigit (*p) && number < 1000)
        number = number * 10 + (guint) (*p++ - '0');
    char final = s[strlen (s) - 1];
    if (final == '~' || final == '^' || final == '$' || final == '@')
        return tilde (number);
    char plain[3] = { '[', final, 0 };
    for (guint i = 0; i < G_N_ELEMENTS (sequences); i++)
        if (strcmp (sequences[i].sequence, plain) == 0)
            return sequences[i].key;
    return K_UNKNOWN;
}

/* The key of a whole sequence, 0 while more bytes must come. @s is what follows ESC. */
static guint32 sequence_key (const char *s, guint len)
{
    for (guint i = 0; i < G_N_ELEMENTS (sequences); i++)
        if (strcmp (sequences[i].sequence, s) == 0)
            return sequences[i].key;
    guint8 last = (guint8) s[len - 1];
    if (s[0] == 'O')
        return len < 2 || g_ascii_isdigit (last) || last == ';' ? 0 : csi_key (s);
    if (len == 1 || (len == 2 && last == '['))
        return 0;
    if (len == 3 && s[1] == '[')
        return K_UNKNOWN;
    return (last >= 0x40 && last <= 0x7e) || last == '$' ? csi_key (s) : 0;
}

static guint utf8_length (guint8 first)
{
    return first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

static void forget (KeyDecoder *self)
{
    explicit_bzero (self->bytes, sizeof self->bytes);
    self->len = 0;
}

static guint start (KeyDecoder *self, guint8 byte, guint32 *key)
{
    if (byte == 0x1b || utf8_length (byte))
    {
        self->bytes[self->len++] = byte;
        return 0;
    }
    *key = byte >= 0x80 ? K_UNKNOWN : single (byte);
    return 1;
}

static guint feed_utf8 (KeyDecoder *self, guint8 byte, guint32 *keys)
{
    if ((byte & 0xc0) != 0x80)
    {
        forget (self);
        keys[0] = K_UNKNOWN;
        return 1 + start (self, byte, &keys[1]);
    }
    self->bytes[self->len++] = byte;
    if (self->len < utf8_length (self->bytes[0]))
        return 0;
    gunichar c = g_utf8_get_char_validated ((const char *) self->bytes, self->len);
    forget (self);
    keys[0] = c == (gunichar) -1 || c == (gunichar) -2 ? K_UNKNOWN : c < 0xa0 ? K_UNKNOWN : c;
    return 1;
}

static guint feed_escape (KeyDecoder *self, guint8 byte, guint32 *keys)
{
    if (self->len == 1 && byte != '[' && byte != 'O')
    {
        forget (self);
        keys[0] = K_ESC;
        return 1 + start (self, byte, &keys[1]);
    }
    if (byte < 0x20 || byte >= 0x7f || self->len + 2 > KEY_SEQUENCE_MAX)
    {
        forget (self);
        keys[0] = K_UNKNOWN;
        return 1 + start (self, byte, &keys[1]);
    }
    self->bytes[self->len++] = byte;
    self->bytes[self->len] = 0;
    keys[0] = sequence_key ((const char *) self->bytes + 1, self->len - 1);
    if (!keys[0])
        return 0;
    forget (self);
    return 1;
}

guint key_decoder_feed (KeyDecoder *self, guint8 byte, guint32 keys[KEYS_PER_BYTE])
{
    if (self->len == 0)
        return start (self, byte, &keys[0]);
    return self->bytes[0] == 0x1b ? feed_escape (self, byte, keys) : feed_utf8 (self, byte, keys);
}

gboolean key_decoder_timeout (KeyDecoder *self, guint32 *key)
{
    gboolean alone = self->len == 1 && self->bytes[0] == 0x1b;
    forget (self);
    *key = K_ESC;
    return alone;
}

gboolean key_decoder_pending (const KeyDecoder *self) { return self->len > 0; }
