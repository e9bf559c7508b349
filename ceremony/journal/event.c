/* An event: built once, or read from hostile bytes; either way its line is the canonical one, and its members are copies out of it. */
#include "ceremony/journal/event.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include <string.h>

#define SALT_LEN 16
#define N_MEMBERS 9
#define NAME_MAX_LEN 64

static gboolean
event_fail (GError **error, const char *why)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s", why);
    return FALSE;
}

/* noun.verb: lower-case letters, one dot. */
static gboolean
type_ok (const char *type)
{
    gsize noun = strspn (type, "abcdefghijklmnopqrstuvwxyz");
    if (noun == 0 || type[noun] != '.')
        return FALSE;
    gsize verb = strspn (type + noun + 1, "abcdefghijklmnopqrstuvwxyz");
    return verb > 0 && type[noun + 1 + verb] == '\0' && strlen (type) <= NAME_MAX_LEN;
}

/* A role or step id: what a script may call it. */
static gboolean
name_ok (const char *name)
{
    gsize len = strlen (name);
    return len <= NAME_MAX_LEN && strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

static gboolean
salt_ok (const char *salt)
{
    g_autoptr (GBytes) bytes = base64url_decode (salt, NULL);
    return bytes != NULL && g_bytes_get_size (bytes) == SALT_LEN;
}

static gboolean
read_counter (const json_t *object, const char *key, gint64 least, gint64 *value, GError **error)
{
    if (!cjson_int (object, key, value, error))
        return FALSE;
    if (*value >= least)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: less than %" G_GINT64_FORMAT, key, least);
    return FALSE;
}

static gboolean
take_members (Event *self, const json_t *object, GError **error)
{
    gint64 seq, sitting;
    const char *time = cjson_str (object, "time", error);
    const char *type = time != NULL ? cjson_str (object, "type", error) : NULL;
    const char *actor = type != NULL ? cjson_str (object, "actor", error) : NULL;
    const char *step = actor != NULL ? cjson_str (object, "step", error) : NULL;
    const char *salt = step != NULL ? cjson_str (object, "salt", error) : NULL;
    json_t *data = salt != NULL ? cjson_obj (object, "data", error) : NULL;
    if (data == NULL || !clock_parse (time, &self->time, error) || !read_counter (object, "seq", 0, &seq, error) ||
        !read_counter (object, "sitting", 1, &sitting, error) || !read_counter (object, "mono", 0, &self->mono, error))
        return FALSE;
    if (!type_ok (type))
        return event_fail (error, "type must be noun.verb");
    if (!name_ok (actor) || *actor == '\0' || !name_ok (step))
        return event_fail (error, "actor and step must be names of a-z, 0-9, - and _");
    if (!salt_ok (salt))
        return event_fail (error, "salt must be 16 bytes in base64url");
    if (json_object_size (object) != N_MEMBERS)
        return event_fail (error, "a member that no event has");
    self->seq = (guint64) seq;
    self->sitting = (guint64) sitting;
    self->type = g_strdup (type);
    self->actor = g_strdup (actor);
    self->step = g_strdup (step);
    self->salt = g_strdup (salt);
    self->data = json_incref (data);
    return TRUE;
}

Event *
event_parse (const void *line, gsize len, GError **error)
{
    if (len > EVENT_MAX_LEN) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "event: longer than %d bytes", EVENT_MAX_LEN);
        return NULL;
    }
    g_autoptr (json_t) object = cjson_parse (line, len, error);
    g_autoptr (Event) self = g_new0 (Event, 1);
    if (object == NULL || !take_members (self, object, error)) {
        g_prefix_error (error, "event: ");
        return NULL;
    }
    self->line = g_strndup (line, len);
    return g_steal_pointer (&self);
}

void
event_free (Event *self)
{
    if (self == NULL)
        return;
    g_free (self->type);
    g_free (self->actor);
    g_free (self->step);
    g_free (self->salt);
    g_clear_pointer (&self->data, json_decref);
    g_free (self->line);
    g_free (self);
}

Event *
event_new (guint64 seq, guint64 sitting, gint64 mono, gint64 time, const char *type, const char *actor, const char *step, const json_t *data,
           GError **error)
{
    guint8 salt[SALT_LEN];
    random_bytes (salt, sizeof salt);
    g_autofree char *salt_text = base64url_encode (salt, sizeof salt);
    g_autofree char *time_text = clock_format (time);
    g_autoptr (json_t) object = json_pack ("{s:s, s:O, s:I, s:s, s:I, s:I, s:s, s:s, s:s}", "actor", actor, "data", (json_t *) data,
                                           "mono", (json_int_t) mono, "salt", salt_text, "seq", (json_int_t) seq, "sitting", (json_int_t) sitting,
                                           "step", step, "time", time_text, "type", type);
    if (object == NULL) {
        event_fail (error, "event: its actor, step, type or data is missing or isn't UTF-8");
        return NULL;
    }
    g_autofree char *line = cjson_encode (object, error);
    if (line == NULL) {
        g_prefix_error (error, "event %s: ", type);
        return NULL;
    }
    /* Reading it back is what tells that every reader will accept it. */
    Event *self = event_parse (line, strlen (line), error);
    if (self == NULL)
        g_prefix_error (error, "%s: ", type);
    return self;
}

GPtrArray *
events_parse (const void *data, gsize len, GError **error)
{
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func ((GDestroyNotify) event_free);
    const char *p = data, *end = p + len;

    while (p < end) {
        const char *newline = memchr (p, '\n', end - p);
        Event *event = newline ? event_parse (p, newline - p, error) : NULL;
        if (!newline)
            g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "it doesn't end in a newline");
        if (!event) {
            g_prefix_error (error, "line %u: ", events->len + 1);
            return NULL;
        }
        g_ptr_array_add (events, event);
        p = newline + 1;
    }
    return g_steal_pointer (&events);
}
