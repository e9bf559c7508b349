/* Codes into stretches of time, what speaks against them, and their file. */
#include "ceremony/bundle/seen.h"
#include <string.h>
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/journal/note.h"

#define FORMAT "ceremony/seen/v1"
#define HIDDEN_MS 10000                 /* so long a code may be missed while no other begins, and is still one stretch */
#define LOG_WORD "/ceremony/"

const char *const seen_signatures[] = { "unchecked", "unknown-key", "verified", "forged", NULL };
static const char *const kinds[] = { "checkpoint", "broken", "other", NULL };

static void
code_free (gpointer data)
{
    SeenCode *self = data;

    g_free (self->text);
    g_free (self->origin);
    g_free (self->root);
    g_free (self);
}

Seen *
seen_new (GPtrArray *keys)
{
    Seen *self = g_new0 (Seen, 1);

    self->codes = g_ptr_array_new_with_free_func (code_free);
    self->newest = g_hash_table_new (g_str_hash, g_str_equal);
    self->keys = keys ? g_ptr_array_ref (keys) : NULL;
    return self;
}

void
seen_free (Seen *self)
{
    if (!self)
        return;
    g_hash_table_unref (self->newest);
    g_ptr_array_unref (self->codes);
    if (self->keys)
        g_ptr_array_unref (self->keys);
    g_free (self->name);
    g_free (self->sha256);
    g_free (self);
}

static SeenSignature
check_signature (const Seen *self, const Note *note, const char *origin)
{
    if (!self->keys || self->keys->len == 0)
        return SEEN_UNCHECKED;
    for (guint i = 0; i < self->keys->len; i++) {
        g_autoptr (NoteKey) key = note_key_new (origin, NOTE_TYPE_ED25519, g_bytes_get_data (g_ptr_array_index (self->keys, i), NULL), NULL);
        if (key && note_verify (note, key, NULL))
            return SEEN_VERIFIED;
        for (guint s = 0; key && s < note->signatures->len; s++) {
            const NoteSignature *signature = g_ptr_array_index (note->signatures, s);
            if (signature->id == key->id && g_str_equal (signature->name, key->name))
                return SEEN_FORGED;
        }
    }
    return SEEN_UNKNOWN;
}

/* What kind of text it is, by its own word. */
static void
classify (const Seen *self, SeenCode *code)
{
    gsize len = strlen (code->text), first = strcspn (code->text, "\n");
    g_autofree char *line = g_strndup (code->text, first);
    g_autoptr (Note) note = len <= SEEN_TEXT_MAX ? note_parse (code->text, len, NULL) : NULL;
    g_autoptr (Checkpoint) checkpoint = note ? checkpoint_parse (note->text, NULL) : NULL;

    code->kind = code->text[first] == '\n' && strstr (line, LOG_WORD) ? SEEN_BROKEN : SEEN_OTHER;
    if (checkpoint && code->kind == SEEN_BROKEN) {
        code->kind = SEEN_CHECKPOINT;
        code->size = checkpoint->size;
        code->origin = g_strdup (checkpoint->origin);
        code->root = base64_encode (checkpoint->root.b, sizeof checkpoint->root.b);
        code->signature = check_signature (self, note, checkpoint->origin);
    }
    if (!code->origin) {
        code->origin = g_strdup ("");
        code->root = g_strdup ("");
    }
}

/* @text as it is kept: whole characters, no more than SEEN_TEXT_MAX bytes. */
static char *
kept_text (const char *text)
{
    gsize len = text ? strlen (text) : 0;

    if (!text)
        return g_strdup ("");
    while (len > SEEN_TEXT_MAX)
        len = g_utf8_find_prev_char (text, text + len) - text;
    return g_strndup (text, len);
}

/* A code goes on where it was missed for a moment, and none began since: one that comes again after another is told as such. */
static gboolean
goes_on (const Seen *self, const SeenCode *code, gint64 ms)
{
    for (guint i = self->codes->len; i-- > 0;) {
        const SeenCode *other = g_ptr_array_index (self->codes, i);
        if (other->first_ms <= code->last_ms)
            break;
        if (other->first_ms < ms)
            return FALSE;
    }
    return ms - code->last_ms <= HIDDEN_MS;
}

const SeenCode *
seen_add (Seen *self, gint64 ms, const char *text, gboolean *fresh)
{
    g_autofree char *kept = kept_text (text);
    SeenCode *code = g_hash_table_lookup (self->newest, kept);

    *fresh = FALSE;
    if (code && goes_on (self, code, ms)) {
        code->last_ms = MAX (code->last_ms, ms);
        code->finds++;
        return code;
    }
    if (self->codes->len >= SEEN_MAX_CODES) {
        self->full = TRUE;
        return NULL;
    }
    *fresh = TRUE;
    code = g_new0 (SeenCode, 1);
    *code = (SeenCode) { .first_ms = ms, .last_ms = ms, .finds = 1, .text = g_steal_pointer (&kept) };
    classify (self, code);
    g_ptr_array_add (self->codes, code);
    g_hash_table_replace (self->newest, code->text, code);
    return code;
}

static gboolean
is_printable (gunichar ch)
{
    GUnicodeType type = g_unichar_type (ch);

    return type != G_UNICODE_CONTROL && type != G_UNICODE_FORMAT && type != G_UNICODE_SURROGATE && type != G_UNICODE_LINE_SEPARATOR
        && type != G_UNICODE_PARAGRAPH_SEPARATOR && type != G_UNICODE_UNASSIGNED && type != G_UNICODE_PRIVATE_USE;
}

char *
seen_printable (const char *text, gsize max)
{
    g_autofree char *valid = g_utf8_make_valid (text, -1);
    GString *out = g_string_new (NULL);

    for (const char *p = valid; *p && out->len < max; p = g_utf8_next_char (p)) {
        gunichar ch = g_utf8_get_char (p);
        if (is_printable (ch))
            g_string_append_unichar (out, ch);
        else
            g_string_append (out, ch == '\n' || ch == '\t' ? " " : "\xEF\xBF\xBD");
    }
    return g_string_free (out, FALSE);
}

/* ── what speaks against it ── */

char *
seen_time (gint64 ms)
{
    return g_strdup_printf ("%" G_GINT64_FORMAT ":%02d.%d", ms / 60000, (int) (ms / 1000 % 60), (int) (ms / 100 % 10));
}

static void G_GNUC_PRINTF (3, 4)
alarm_at (GPtrArray *alarms, gint64 ms, const char *format, ...)
{
    g_autofree char *when = seen_time (ms), *text = NULL;
    va_list args;

    if (alarms->len >= 100)
        return;
    va_start (args, format);
    text = g_strdup_vprintf (format, args);
    va_end (args);
    g_ptr_array_add (alarms, g_strdup_printf ("at %s %s", when, text));
}

/* The origin with the most codes, those counted first whose signature was verified. */
static const char *
main_origin (const Seen *self)
{
    g_autoptr (GHashTable) counts = g_hash_table_new (g_str_hash, g_str_equal);
    const char *best = NULL;
    gsize most = 0;

    for (guint i = 0; i < self->codes->len; i++) {
        const SeenCode *code = g_ptr_array_index (self->codes, i);
        gsize n = GPOINTER_TO_SIZE (g_hash_table_lookup (counts, code->origin)) + (code->signature == SEEN_VERIFIED ? SEEN_MAX_CODES : 1);
        if (code->kind != SEEN_CHECKPOINT)
            continue;
        g_hash_table_replace (counts, code->origin, GSIZE_TO_POINTER (n));
        if (n > most) {
            most = n;
            best = code->origin;
        }
    }
    return best;
}

static void
alarm_of_code (GPtrArray *alarms, const SeenCode *code, const char *main)
{
    if (code->kind == SEEN_BROKEN)
        alarm_at (alarms, code->first_ms, "a code looks like a checkpoint and isn't one: it bears no signature, or was changed");
    if (code->kind != SEEN_CHECKPOINT)
        return;
    if (main && !g_str_equal (code->origin, main))
        alarm_at (alarms, code->first_ms, "a code of another ceremony is seen: %s", code->origin);
    if (code->signature == SEEN_FORGED)
        alarm_at (alarms, code->first_ms, "a checkpoint over %" G_GUINT64_FORMAT " events bears a false signature: it is forged", code->size);
    if (code->signature == SEEN_UNKNOWN)
        alarm_at (alarms, code->first_ms, "a checkpoint over %" G_GUINT64_FORMAT " events is signed by a key that isn't known", code->size);
}

GPtrArray *
seen_alarms (const Seen *self, const char **main)
{
    GPtrArray *alarms = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GHashTable) roots = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    const char *origin = main_origin (self);
    guint64 size = 0;

    for (guint i = 0; i < self->codes->len; i++) {
        const SeenCode *code = g_ptr_array_index (self->codes, i);
        g_autofree char *place = g_strdup_printf ("%" G_GUINT64_FORMAT " %s", code->size, code->origin);
        const char *root = g_hash_table_lookup (roots, place);
        alarm_of_code (alarms, code, origin);
        if (code->kind != SEEN_CHECKPOINT || g_strcmp0 (code->origin, origin) != 0)
            continue;
        if (root && !g_str_equal (root, code->root))
            alarm_at (alarms, code->first_ms, "a second, different log of the same ceremony is shown (%" G_GUINT64_FORMAT " events): the appliance shows two histories",
                      code->size);
        else if (!root)
            g_hash_table_insert (roots, g_steal_pointer (&place), code->root);
        if (code->size < size)
            alarm_at (alarms, code->first_ms, "the codes go back, from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                      " events: an older code is held on the screen, or the order is not that of the ceremony", size, code->size);
        size = code->size;
    }
    if (self->full)
        alarm_at (alarms, self->duration_ms, "there were more codes than the %d that are kept", SEEN_MAX_CODES);
    *main = origin;
    return alarms;
}

GArray *
seen_gaps (const Seen *self, const char *origin, gint64 least_ms)
{
    GArray *gaps = g_array_new (FALSE, FALSE, 2 * sizeof (gint64));
    gint64 from = 0;

    for (guint i = 0; i <= self->codes->len; i++) {
        const SeenCode *code = i < self->codes->len ? g_ptr_array_index (self->codes, i) : NULL;
        gint64 gap[2] = { from, code ? code->first_ms : self->duration_ms };
        if (code && (code->kind != SEEN_CHECKPOINT || !g_str_equal (code->origin, origin)))
            continue;
        if (gap[1] - gap[0] >= least_ms)
            g_array_append_val (gaps, gap);
        if (code)
            from = MAX (from, code->last_ms);
    }
    return gaps;
}

/* ── the file ── */

static json_t *
code_json (const SeenCode *code)
{
    json_t *json = json_pack ("{s:s, s:s, s:I, s:I, s:I}", "kind", kinds[code->kind], "text", code->text, "first_ms", (json_int_t) code->first_ms, "last_ms",
                              (json_int_t) code->last_ms, "finds", (json_int_t) code->finds);

    if (json && code->kind == SEEN_CHECKPOINT)
        json_object_update_new (json, json_pack ("{s:s, s:o, s:s, s:s}", "origin", code->origin, "size", cjson_u64 (code->size), "root", code->root, "signature",
                                                 seen_signatures[code->signature]));
    return json;
}

json_t *
seen_json (const Seen *self, GError **error)
{
    g_autoptr (json_t) codes = json_array ();
    g_autofree char *began = clock_format (self->began), *ended = clock_format (self->ended);
    json_t *source;

    for (guint i = 0; i < self->codes->len; i++)
        if (json_array_append_new (codes, code_json (g_ptr_array_index (self->codes, i))) != 0) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "a code can't be written down");
            return NULL;
        }
    if (self->sha256)
        source = json_pack ("{s:s, s:s, s:s, s:o}", "kind", "recording", "name", self->name ? self->name : "", "sha256", self->sha256, "length", cjson_u64 (self->length));
    else
        source = json_pack ("{s:s, s:s, s:s, s:s}", "kind", "screen", "name", self->name ? self->name : "", "began", began, "ended", ended);
    json_object_update_new (source, json_pack ("{s:I, s:I, s:I, s:I}", "duration_ms", (json_int_t) self->duration_ms, "frames", (json_int_t) self->frames, "width",
                                               (json_int_t) self->width, "height", (json_int_t) self->height));
    return json_pack ("{s:s, s:s, s:o, s:O, s:b}", "format", FORMAT, "program", CEREMONY_VERSION, "source", source, "codes", codes, "full", self->full);
}

static gboolean
refuse (GError **error, const char *why)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "it isn't what `ceremony watch` writes: %s", why);
    return FALSE;
}

static gboolean
parse_code (Seen *self, const json_t *json, GError **error)
{
    const SeenCode *newest = self->codes->len ? g_ptr_array_index (self->codes, self->codes->len - 1) : NULL;
    const char *text = cjson_str (json, "text", error);
    gint64 first, last, finds;
    SeenCode *code;

    if (!text || !cjson_int (json, "first_ms", &first, error) || !cjson_int (json, "last_ms", &last, error) || !cjson_int (json, "finds", &finds, error))
        return FALSE;
    if (first < 0 || last < first || finds < 1 || strlen (text) > SEEN_TEXT_MAX || (newest && first < newest->first_ms))
        return refuse (error, "times that go back, or a text that is too long");
    code = g_new0 (SeenCode, 1);
    *code = (SeenCode) { .first_ms = first, .last_ms = last, .finds = finds, .text = g_strdup (text) };
    classify (self, code);
    g_ptr_array_add (self->codes, code);
    return TRUE;
}

static gboolean
is_sha256 (const char *text)
{
    return strlen (text) == 64 && strspn (text, "0123456789abcdef") == 64;
}

static gboolean
parse_source (Seen *self, const json_t *source, GError **error)
{
    const char *kind = cjson_str (source, "kind", error), *name = cjson_str (source, "name", error), *sha256 = cjson_str (source, "sha256", NULL);
    gint64 length = 0;

    if (!kind || !name || !cjson_int (source, "duration_ms", &self->duration_ms, error))
        return FALSE;
    self->name = g_strdup (name);
    cjson_int (source, "frames", &self->frames, NULL);
    cjson_int (source, "width", &self->width, NULL);
    cjson_int (source, "height", &self->height, NULL);
    if (g_str_equal (kind, "screen"))
        return clock_parse (cjson_str (source, "began", NULL) ? cjson_str (source, "began", NULL) : "", &self->began, error)
            && clock_parse (cjson_str (source, "ended", NULL) ? cjson_str (source, "ended", NULL) : "", &self->ended, error);
    if (!g_str_equal (kind, "recording") || !sha256 || !is_sha256 (sha256) || !cjson_int (source, "length", &length, NULL) || length < 0)
        return refuse (error, "neither a screen, nor a recording with its SHA-256 and length");
    self->sha256 = g_strdup (sha256);
    self->length = length;
    return TRUE;
}

Seen *
seen_parse (const void *data, gsize len, GPtrArray *keys, GError **error)
{
    g_autoptr (json_t) json = cjson_parse (data, len, error);
    g_autoptr (Seen) self = seen_new (keys);
    const char *format = json ? cjson_str (json, "format", NULL) : NULL;
    const json_t *codes, *code;
    gsize i;

    if (!json)
        return NULL;
    if (g_strcmp0 (format, FORMAT) != 0) {
        refuse (error, "its format isn't " FORMAT);
        return NULL;
    }
    codes = cjson_arr (json, "codes", error);
    if (!codes || !parse_source (self, cjson_obj (json, "source", error), error))
        return NULL;
    if (json_array_size (codes) > SEEN_MAX_CODES) {
        refuse (error, "more codes than it ever holds");
        return NULL;
    }
    self->full = json_is_true (json_object_get (json, "full"));
    json_array_foreach (codes, i, code)
        if (!parse_code (self, code, error))
            return NULL;
    return g_steal_pointer (&self);
}
