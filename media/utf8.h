/* Bytes of a stream into UTF-8 text, though a character may be cut anywhere by a packet's end. */
#pragma once
#include <glib.h>

/* Cuts the longest valid UTF-8 off the front of @held and appends it to @text, with U+FFFD for each byte that can't be part of any (NUL bytes
 * vanish); a sequence that may still be completed stays in @held, unless @last. */
void utf8_take (GByteArray *held, GString *text, gboolean last);
