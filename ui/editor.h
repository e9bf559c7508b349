/* A line being typed: UTF-8 text with a cursor. */
#pragma once
#include <glib.h>

#define EDITOR_MAX 1024                 /* bytes */

typedef struct { GString *text; gsize cursor; } Editor;     /* cursor: byte offset, on a character */

Editor  *editor_new (const char *initial);                  /* NULL: empty; cursor at the end */
void     editor_free (Editor *self);
/* Applies a key; TRUE where it was one of an editor's: characters, arrows, Home, End, Del, Backspace, Ctrl-A/E/U/K/W. */
gboolean editor_key (Editor *self, guint32 key);
void     editor_insert (Editor *self, const char *utf8);
/* The part to draw in @columns columns so that the cursor is in it, and the cursor's column in it. g_free. */
char    *editor_visible (const Editor *self, guint columns, guint *cursor_column);
