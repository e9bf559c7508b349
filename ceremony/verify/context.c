/* What the checks share: telling flaws, finding events, reading pieces of the container. */
#include <string.h>
#include <unistd.h>
#include "ceremony/verify/checks.h"

#define REASON_SENTENCES 6
#define REASON_MAX 4000

char *
printable (const char *text, gsize max)
{
    return seen_printable (text, max);
}

void
cite (Context *c, const Event *event)
{
    if (!event || c->outcome->events->len >= 50)
        return;
    for (guint i = 0; i < c->outcome->events->len; i++)
        if (g_array_index (c->outcome->events, guint64, i) == event->seq)
            return;
    g_array_append_val (c->outcome->events, event->seq);
    if (c->outcome->video_ms < 0)
        c->outcome->video_ms = event_video_ms (c, event);
}

static void
add_sentence (Context *c, const char *format, va_list args)
{
    g_autofree char *text = g_strdup_vprintf (format, args), *clean = printable (text, REASON_MAX);

    if (c->reason->len)
        g_string_append (c->reason, "; ");
    g_string_append (c->reason, clean);
}

void
flaw (Context *c, CheckResult result, const Event *event, const char *format, ...)
{
    va_list args;

    cite (c, event);
    /* A failure's reason comes before those that only warn: these are dropped when the first one is told. */
    if (result == CHECK_FAIL && c->worst != CHECK_FAIL) {
        c->worst = CHECK_FAIL;
        c->flaws = 0;
        g_string_truncate (c->reason, 0);
    } else if (result == CHECK_WARN && c->worst == CHECK_FAIL) {
        return;
    } else if (result == CHECK_WARN) {
        c->worst = CHECK_WARN;
    }
    if (++c->flaws > REASON_SENTENCES || c->reason->len > REASON_MAX)
        return;
    va_start (args, format);
    add_sentence (c, format, args);
    va_end (args);
}

static CheckResult
end_with (Context *c, CheckResult result, const char *format, va_list args)
{
    g_string_truncate (c->reason, 0);
    add_sentence (c, format, args);
    return result;
}

CheckResult
done (Context *c, const char *format, ...)
{
    va_list args;

    if (c->worst != CHECK_PASS) {
        if (c->flaws > REASON_SENTENCES)
            g_string_append_printf (c->reason, "; and %u more like these", c->flaws - REASON_SENTENCES);
        return c->worst;
    }
    va_start (args, format);
    end_with (c, CHECK_PASS, format, args);
    va_end (args);
    return CHECK_PASS;
}

CheckResult
skip (Context *c, const char *format, ...)
{
    va_list args;

    va_start (args, format);
    end_with (c, CHECK_SKIPPED, format, args);
    va_end (args);
    return CHECK_SKIPPED;
}

CheckResult
unreached (Context *c, const char *format, ...)
{
    va_list args;

    c->incomplete = TRUE;
    va_start (args, format);
    end_with (c, CHECK_SKIPPED, format, args);
    va_end (args);
    return CHECK_SKIPPED;
}

const GPtrArray *
events_of (Context *c, const char *type)
{
    GPtrArray *list = c->by_type ? g_hash_table_lookup (c->by_type, type) : NULL;

    if (!list && c->by_type) {
        list = g_ptr_array_new ();
        g_hash_table_insert (c->by_type, g_strdup (type), list);
    }
    return list;
}

const GPtrArray *
events_of_part (Context *c, const char *type, gint64 part)
{
    g_autofree char *key = g_strdup_printf ("%s %" G_GINT64_FORMAT, type, part);

    return events_of (c, key);
}

const Event *
event_first (Context *c, const char *type)
{
    const GPtrArray *list = events_of (c, type);

    return list && list->len ? list->pdata[0] : NULL;
}

const Event *
event_last (Context *c, const char *type)
{
    const GPtrArray *list = events_of (c, type);

    return list && list->len ? list->pdata[list->len - 1] : NULL;
}

/* The first place in @list whose event isn't before @seq. */
static guint
place_in (const GPtrArray *list, guint64 seq)
{
    guint from = 0, to = list ? list->len : 0;

    while (from < to) {
        guint middle = from + (to - from) / 2;
        if (((const Event *) list->pdata[middle])->seq < seq)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

const Event *
event_before (Context *c, const char *type, guint64 seq)
{
    const GPtrArray *list = events_of (c, type);
    guint i = place_in (list, seq);

    return i > 0 ? list->pdata[i - 1] : NULL;
}

const Event *
event_after (Context *c, const char *type, guint64 seq)
{
    const GPtrArray *list = events_of (c, type);
    guint i = seq < G_MAXUINT64 ? place_in (list, seq + 1) : G_MAXUINT;

    return list && i < list->len ? list->pdata[i] : NULL;
}

gint64
event_span (const Event *from, const Event *to)
{
    return from->sitting == to->sitting ? to->mono - from->mono : to->time - from->time;
}

gint64
event_slept_between (Context *c, const Event *from, const Event *to)
{
    const GPtrArray *slept = events_of (c, "machine.slept");
    gint64 ms = 0;

    for (guint i = 0; i < slept->len; i++) {
        const Event *event = slept->pdata[i];
        if (event->sitting == to->sitting && event->seq > from->seq && event->mono <= to->mono + SLEEP_NOTICED_MS)
            ms += MAX (member_int (event->data, "ms"), 0);
    }
    return ms;
}

gint64
event_video_ms (Context *c, const Event *event)
{
    const Event *started = event_before (c, "recording.started", event->seq);

    if (g_str_equal (event->type, "qr.shown"))
        return member_int (event->data, "media_ms");
    return started && started->sitting == event->sitting && event->mono >= started->mono ? event->mono - started->mono - event_slept_between (c, started, event) : -1;
}

const char *
member (const json_t *object, const char *key)
{
    const char *text = json_string_value (json_object_get (object, key));

    return text ? text : "";
}

const char *
member2 (const json_t *object, const char *outer, const char *key)
{
    return member (json_object_get (object, outer), key);
}

gint64
member_int (const json_t *object, const char *key)
{
    const json_t *value = json_object_get (object, key);

    return json_is_integer (value) ? json_integer_value (value) : -1;
}

gboolean
member_true (const json_t *object, const char *key)
{
    return json_is_true (json_object_get (object, key));
}

const Point *
point_at (Context *c, guint64 size)
{
    for (guint i = 0; c->points && i < c->points->len; i++) {
        const Point *point = c->points->pdata[i];
        if (point->checkpoint->size == size)
            return point;
    }
    return NULL;
}

char *
root_at (Context *c, guint64 size)
{
    MerkleHash root;

    if (!c->tree || size > merkle_tree_size (c->tree))
        return NULL;
    merkle_tree_root (c->tree, size, &root);
    return base64_encode (root.b, sizeof root.b);
}

char *
entry_sha256 (Context *c, const char *name, GError **error)
{
    const AsiceEntry *entry = asice_find (c->asice, name);
    guint8 digest[SHA256_LEN];

    if (!entry) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "%s: it isn't in the bundle", name);
        return NULL;
    }
    if (!asice_sha256 (c->asice, entry, digest, error))
        return NULL;
    return hex_encode (digest, sizeof digest);
}

gsize
entry_peek (Context *c, const AsiceEntry *entry, guint64 offset, void *out, gsize max)
{
    const guint8 *data;
    gsize len;

    if (offset >= entry->length)
        return 0;
    max = MIN (max, entry->length - offset);
    if (asice_fd (c->asice) >= 0) {
        ssize_t n = pread (asice_fd (c->asice), out, max, entry->offset + offset);
        return n > 0 ? n : 0;
    }
    if (c->peeked != entry) {
        g_clear_pointer (&c->peeked_bytes, g_bytes_unref);
        c->peeked_bytes = asice_read (c->asice, entry->name, entry->length, NULL);
        c->peeked = entry;
    }
    if (!c->peeked_bytes)
        return 0;
    data = g_bytes_get_data (c->peeked_bytes, &len);
    memcpy (out, data + offset, max);
    return max;
}
