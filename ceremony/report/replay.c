/* The filter is a small state machine after ECMA-48 and xterm's ctlseqs: what it doesn't know, it drops whole. */
#include "ceremony/report/replay.h"
#include <math.h>
#include <string.h>
#include "ceremony/base/cjson.h"
#include "ceremony/base/errors.h"

#define ESC 0x1b
#define NUMBER_MAX 9999                 /* of a parameter: no terminal is larger */
#define TIME_MAX 1e7

enum { TEXT, ESCAPE, CONTROL, STRING, STRING_ESCAPE, CHARSET, SKIP_ONE };

const char replay_reset[] = "\033[0m\033[r\033(B\017\033[?25h\033[?7h\033[?1049l\r\n";

/* ── which sequences pass ── */

/* Final bytes without a prefix: cursor A-H, d, G, f, ` a e; erase J K X P; insert @ L M; scroll S T r; repeat b; colours m; tabs I Z; save s u. */
static const char plain_finals[] = "ABCDEFGHJKLMPSTXZ@`abdefmrsuI";

/* Private modes that only concern the picture. */
static gboolean
is_picture_mode (const char *numbers)
{
    static const char *const modes[] = { "25", "7", "1049", "1047", "47", "12", NULL };

    return g_strv_contains (modes, numbers);
}

static gboolean
has_small_numbers (const char *p, gsize len)
{
    guint number = 0;

    for (gsize i = 0; i < len; i++) {
        if (p[i] == ';' || p[i] == ':')
            number = 0;
        else if (!g_ascii_isdigit (p[i]) || (number = number * 10 + (guint) (p[i] - '0')) > NUMBER_MAX)
            return FALSE;
    }
    return TRUE;
}

/* @sequence is what stands between ESC [ and the final byte. */
static gboolean
passes (const char *sequence, gsize len, char final)
{
    g_autofree char *text = g_strndup (sequence, len);

    if (len > 0 && text[0] == '?')
        return (final == 'h' || final == 'l') && is_picture_mode (text + 1);
    if (final == 'h' || final == 'l')
        return strcmp (text, "4") == 0;         /* insert mode */
    return strchr (plain_finals, final) != NULL && has_small_numbers (text, len);
}

/* ── text ── */

static gsize
utf8_length (guint8 first)
{
    return first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

static void
add_character (const guint8 *bytes, gsize len, GString *out)
{
    gunichar ch = g_utf8_get_char_validated ((const char *) bytes, (gssize) len);
    gboolean bidi = (ch >= 0x202a && ch <= 0x202e) || (ch >= 0x2066 && ch <= 0x2069) || ch == 0x200e || ch == 0x200f;

    if (ch == (gunichar) -1 || ch == (gunichar) -2 || bidi || (ch >= 0x80 && g_unichar_iscntrl (ch)))
        g_string_append (out, "\xef\xbf\xbd");
    else
        g_string_append_len (out, (const char *) bytes, (gssize) len);
}

static void
take_text (ReplayFilter *self, guint8 byte, GString *out)
{
    if (self->want > 0 && (byte & 0xc0) != 0x80) {
        self->want = 0;
        g_string_append (out, "\xef\xbf\xbd");
    }
    if (self->want > 0) {
        self->utf8[self->have++] = byte;
        if (self->have < self->want)
            return;
        add_character (self->utf8, self->want, out);
        self->want = 0;
    } else if (byte == ESC) {
        self->state = ESCAPE;
    } else if (byte >= 0x20 && byte < 0x7f) {
        g_string_append_c (out, (char) byte);
    } else if (byte < 0x80) {
        if (byte == '\r' || byte == '\n' || byte == '\b' || byte == '\t' || byte == 0x0e || byte == 0x0f)
            g_string_append_c (out, (char) byte);
    } else if (utf8_length (byte) > 0) {
        self->utf8[0] = byte;
        self->have = 1;
        self->want = utf8_length (byte);
    } else {
        g_string_append (out, "\xef\xbf\xbd");
    }
}

/* ── sequences ── */

static void
take_escape (ReplayFilter *self, guint8 byte, GString *out)
{
    self->state = TEXT;
    if (byte == '[') {
        self->state = CONTROL;
        self->len = 0;
    } else if (byte == ']' || byte == 'P' || byte == 'X' || byte == '^' || byte == '_') {
        self->state = STRING;           /* OSC, DCS, SOS, PM, APC */
    } else if (byte == '(' || byte == ')') {
        self->state = CHARSET;
        self->sequence[0] = (char) byte;
    } else if (byte >= 0x20 && byte < 0x30) {
        self->state = SKIP_ONE;
    } else if (byte == ESC) {
        self->state = ESCAPE;
    } else if (byte != 0 && strchr ("78DEM", byte) != NULL) {
        g_string_append_printf (out, "\033%c", byte);
    }
}

static void
take_control (ReplayFilter *self, guint8 byte, GString *out)
{
    if (byte == ESC) {
        self->state = ESCAPE;
        return;
    }
    if (byte >= 0x20 && byte < 0x40) {
        if (self->len < sizeof self->sequence)
            self->sequence[self->len] = (char) byte;
        self->len++;                    /* one that is too long is dropped at its end */
        return;
    }
    self->state = TEXT;
    if (byte >= 0x40 && byte < 0x7f && self->len <= sizeof self->sequence && passes (self->sequence, self->len, (char) byte))
        g_string_append_printf (out, "\033[%.*s%c", (int) self->len, self->sequence, byte);
}

static void
take_charset (ReplayFilter *self, guint8 byte, GString *out)
{
    self->state = byte == ESC ? ESCAPE : TEXT;
    if (byte == '0' || byte == 'B')
        g_string_append_printf (out, "\033%c%c", self->sequence[0], byte);
}

void
replay_filter (ReplayFilter *self, const void *data, gsize len, GString *out)
{
    for (gsize i = 0; i < len; i++) {
        guint8 byte = ((const guint8 *) data)[i];
        switch (self->state) {
        case ESCAPE: take_escape (self, byte, out); break;
        case CONTROL: take_control (self, byte, out); break;
        case CHARSET: take_charset (self, byte, out); break;
        case SKIP_ONE: self->state = byte == ESC ? ESCAPE : TEXT; break;
        case STRING: self->state = byte == 0x07 || byte == 0x18 || byte == 0x1a ? TEXT : byte == ESC ? STRING_ESCAPE : STRING; break;
        case STRING_ESCAPE: self->state = byte == '\\' ? TEXT : byte == ESC ? STRING_ESCAPE : STRING; break;
        default: take_text (self, byte, out);
        }
    }
}

/* ── asciicast ── */

static void
piece_free (gpointer data)
{
    g_free (((ReplayPiece *) data)->text);
    g_free (data);
}

static gboolean
read_header (Replay *self, const char *line, gsize len, GError **error)
{
    g_autoptr(json_t) header = cjson_parse_loose (line, len, NULL);
    gint64 version = 0, cols = 0, rows = 0;

    if (cjson_int (header, "version", &version, NULL) && version == 2 && cjson_int (header, "width", &cols, NULL) && cjson_int (header, "height", &rows, NULL)
        && cols > 0 && rows > 0 && cols <= NUMBER_MAX && rows <= NUMBER_MAX) {
        self->cols = (guint) cols;
        self->rows = (guint) rows;
        return TRUE;
    }
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "it isn't asciicast version 2");
    return FALSE;
}

/* FALSE where the line is none: what follows isn't read. */
static gboolean
read_line (Replay *self, ReplayFilter *filter, const char *line, gsize len)
{
    g_autoptr(json_t) json = cjson_parse_loose (line, len, NULL);
    const json_t *time = json_array_get (json, 0), *text = json_array_get (json, 2);
    const char *kind = json_string_value (json_array_get (json, 1));
    double at = json_is_number (time) ? json_number_value (time) : -1;

    if (json_array_size (json) != 3 || !kind || !json_is_string (text) || !isfinite (at) || at < 0 || at > TIME_MAX)
        return FALSE;
    if (strcmp (kind, "o") != 0)
        return TRUE;
    GString *out = g_string_new (NULL);
    ReplayPiece *piece = g_new0 (ReplayPiece, 1);
    replay_filter (filter, json_string_value (text), json_string_length (text), out);
    piece->ms = (gint64) (at * 1000);
    piece->text = g_string_free (out, FALSE);
    g_ptr_array_add (self->pieces, piece);
    return TRUE;
}

Replay *
replay_read (const void *data, gsize len, GError **error)
{
    g_autoptr(Replay) self = g_new0 (Replay, 1);
    ReplayFilter filter = { 0 };
    const char *p = data, *end = p + len;

    self->pieces = g_ptr_array_new_with_free_func (piece_free);
    for (guint n = 0; p < end; n++) {
        const char *newline = memchr (p, '\n', end - p);
        if (n == 0 && !read_header (self, p, (newline ? newline : end) - p, error))
            return NULL;
        if (!newline || (n > 0 && !read_line (self, &filter, p, newline - p))) {
            self->cut = TRUE;
            break;
        }
        p = newline + 1;
    }
    if (self->cols > 0)
        return g_steal_pointer (&self);
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "it is empty");
    return NULL;
}

void
replay_free (Replay *self)
{
    if (self->pieces != NULL)
        g_ptr_array_unref (self->pieces);
    g_free (self);
}
