/* The line editor of questions that are answered with text. */
#include "ui/editor.h"
#include "ui/keys.h"
#include "ui/text.h"
#include <string.h>

Editor *editor_new (const char *initial)
{
    Editor *self = g_new0 (Editor, 1);
    g_autofree char *clean = text_visible (initial, FALSE);
    self->text = g_string_new (clean);
    self->cursor = self->text->len;
    return self;
}

void editor_free (Editor *self)
{
    if (!self)
        return;
    g_string_free (self->text, TRUE);
    g_free (self);
}

/* Steps over a whole visible character: a letter with its combining marks. */
static gsize after (const Editor *self, gsize at)
{
    const char *p = self->text->str + at;
    if (!*p)
        return at;
    do
        p = g_utf8_next_char (p);
    while (*p && text_char_columns (g_utf8_get_char (p)) == 0);
    return p - self->text->str;
}

static gsize before (const Editor *self, gsize at)
{
    const char *start = self->text->str, *p = start + at;
    if (at == 0)
        return 0;
    do
        p = g_utf8_prev_char (p);
    while (p > start && text_char_columns (g_utf8_get_char (p)) == 0);
    return p - start;
}

static void cut (Editor *self, gsize from, gsize to)
{
    g_string_erase (self->text, from, to - from);
    self->cursor = from;
}

static gsize word_before (const Editor *self)
{
    gsize at = self->cursor;
    while (at > 0 && self->text->str[at - 1] == ' ')
        at--;
    while (at > 0 && self->text->str[at - 1] != ' ')
        at--;
    return at;
}

void editor_insert (Editor *self, const char *utf8)
{
    if (self->text->len + strlen (utf8) > EDITOR_MAX)
        return;
    g_string_insert (self->text, self->cursor, utf8);
    self->cursor += strlen (utf8);
}

static gboolean insert_char (Editor *self, guint32 key)
{
    char utf8[7] = { 0 };
    if (key >= 0x110000 || !text_may_type (key))
        return FALSE;
    g_unichar_to_utf8 (key, utf8);
    editor_insert (self, utf8);
    return TRUE;
}

gboolean editor_key (Editor *self, guint32 key)
{
    switch (key)
    {
    case K_LEFT: self->cursor = before (self, self->cursor); return TRUE;
    case K_RIGHT: self->cursor = after (self, self->cursor); return TRUE;
    case K_HOME: case K_CTRL + 'a': self->cursor = 0; return TRUE;
    case K_END: case K_CTRL + 'e': self->cursor = self->text->len; return TRUE;
    case K_ERASE: cut (self, before (self, self->cursor), self->cursor); return TRUE;
    case K_DEL: cut (self, self->cursor, after (self, self->cursor)); return TRUE;
    case K_CTRL + 'u': cut (self, 0, self->cursor); return TRUE;
    case K_CTRL + 'k': cut (self, self->cursor, self->text->len); return TRUE;
    case K_CTRL + 'w': cut (self, word_before (self), self->cursor); return TRUE;
    default: return insert_char (self, key);
    }
}

char *editor_visible (const Editor *self, guint columns, guint *cursor_column)
{
    columns = MAX (columns, 2);
    g_autofree char *head = g_strndup (self->text->str, self->cursor);
    guint skip = 0, width = text_columns (head);
    const char *p = head;
    while (width - skip > columns - 1)      /* one column is the cursor's */
    {
        skip += text_char_columns (g_utf8_get_char (p));
        p = g_utf8_next_char (p);
    }
    while (*p && text_char_columns (g_utf8_get_char (p)) == 0)
        p = g_utf8_next_char (p);
    *cursor_column = width - skip;
    const char *from = self->text->str + (p - head), *to = from;
    for (guint n = 0; *to; to = g_utf8_next_char (to))
        if ((n += text_char_columns (g_utf8_get_char (to))) > columns)
            break;
    return g_strndup (from, to - from);
}
