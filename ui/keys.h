/* Bytes of a terminal's keyboard to keys: UTF-8, and the escape sequences of xterm, the Linux console, tmux, screen and rxvt. Ours instead of ncurses' getch, so
 * that what is typed at a PIN prompt never lies in a buffer that we can't wipe. */
#pragma once
#include <glib.h>

typedef enum {
    K_ESC = 0x200000, K_ENTER, K_TAB, K_BACKTAB, K_ERASE, K_DEL, K_INS, K_LEFT, K_RIGHT, K_UP, K_DOWN, K_HOME, K_END,
    K_PGUP, K_PGDN, K_PASTE_BEGIN, K_PASTE_END, K_UNKNOWN,
    K_FN = 0x200100,                  /* K_FN + n: F1 to F12 */
    K_CTRL = 0x200200,               /* K_CTRL + 'a' … 'z' */
} KeyCode;                              /* else a code point */

#define KEY_SEQUENCE_MAX 32
#define KEYS_PER_BYTE 2                 /* an ESC alone, and the key that follows it */

typedef struct { guint8 bytes[KEY_SEQUENCE_MAX]; guint len; } KeyDecoder;   /* zeroed: fresh; holds the bytes of an unfinished key */

/* Takes one byte; gives the number of keys (0 to KEYS_PER_BYTE) that it completes. */
guint    key_decoder_feed (KeyDecoder *self, guint8 byte, guint32 keys[KEYS_PER_BYTE]);
/* No more bytes came for a while: an ESC alone is the key ESC, any other unfinished sequence is dropped. TRUE where @key was set. */
gboolean key_decoder_timeout (KeyDecoder *self, guint32 *key);
gboolean key_decoder_pending (const KeyDecoder *self);
