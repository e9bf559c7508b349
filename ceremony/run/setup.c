/* What `run` was called with, as a struct and as setup.json in the ceremony's folder. */
#include "ceremony/run/run.h"
#include "ceremony/base/errors.h"
#include <stddef.h>

#define TEXT(field) { #field, offsetof (RunSetup, field) }
static const struct { const char *key; gsize offset; } texts[] = {
    TEXT (order_path), TEXT (script_path), TEXT (policy_path), TEXT (trust_dir), TEXT (home), TEXT (origin_domain), TEXT (algorithm), TEXT (label), TEXT (subject),
    TEXT (place), TEXT (region), TEXT (token_uri), TEXT (module_path), TEXT (camera), TEXT (virtual_camera), TEXT (audio), TEXT (secret_path), TEXT (witness_key), TEXT (witness_token), TEXT (tsa_url),
    TEXT (service_facts), TEXT (service_key), TEXT (service_token),
};
static const struct { const char *key; gsize offset; } flags[] = {
    TEXT (unchecked_order), TEXT (module_only), TEXT (rehearsal), TEXT (fast), TEXT (window),
};
static const struct { const char *key; gsize offset; } numbers[] = { TEXT (width), TEXT (height), TEXT (fps) };

RunSetup *
run_setup_new (void)
{
    return g_new0 (RunSetup, 1);
}

void
run_setup_free (RunSetup *self)
{
    if (self == NULL)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
        g_free (G_STRUCT_MEMBER (char *, self, texts[i].offset));
    g_strfreev (self->more_cameras);
    g_free (self);
}

json_t *
run_setup_to_json (const RunSetup *self)
{
    json_t *json = json_object ();

    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
        const char *text = G_STRUCT_MEMBER (char *, self, texts[i].offset);
        if (text != NULL)
            json_object_set_new (json, texts[i].key, json_string (text));
    }
    for (gsize i = 0; i < G_N_ELEMENTS (flags); i++)
        json_object_set_new (json, flags[i].key, json_boolean (G_STRUCT_MEMBER (gboolean, self, flags[i].offset)));
    for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
        json_object_set_new (json, numbers[i].key, json_integer (G_STRUCT_MEMBER (guint, self, numbers[i].offset)));
    for (gsize i = 0; self->more_cameras != NULL && self->more_cameras[i] != NULL; i++) {
        if (i == 0)
            json_object_set_new (json, "more_cameras", json_array ());
        json_array_append_new (json_object_get (json, "more_cameras"), json_string (self->more_cameras[i]));
    }
    return json;
}

RunSetup *
run_setup_from_json (const json_t *json, GError **error)
{
    g_autoptr(RunSetup) self = run_setup_new ();

    if (!json_is_object (json)) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "setup.json isn't an object");
        return NULL;
    }
    for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
        G_STRUCT_MEMBER (char *, self, texts[i].offset) = g_strdup (cjson_str (json, texts[i].key, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS (flags); i++) {
        gboolean value = FALSE;
        cjson_bool (json, flags[i].key, &value, NULL);
        G_STRUCT_MEMBER (gboolean, self, flags[i].offset) = value;
    }
    for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
        gint64 value = 0;
        cjson_int (json, numbers[i].key, &value, NULL);
        G_STRUCT_MEMBER (guint, self, numbers[i].offset) = (guint) CLAMP (value, 0, 10000);
    }
    const json_t *more = json_object_get (json, "more_cameras");
    self->more_cameras = json_array_size (more) > 0 ? g_new0 (char *, json_array_size (more) + 1) : NULL;
    for (gsize i = 0; i < json_array_size (more); i++)
        self->more_cameras[i] = g_strdup (json_is_string (json_array_get (more, i)) ? json_string_value (json_array_get (more, i)) : "none");
    return g_steal_pointer (&self);
}
