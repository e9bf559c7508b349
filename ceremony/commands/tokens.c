/* ceremony tokens: which tokens are here, by the URI that `run` takes, and what each can generate. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "ceremony/base/quiet.h"
#include "ceremony/commands/commands.h"
#include "ceremony/token/token.h"

static const char help[] =
    "usage: ceremony tokens [--module PATH [--only]] [--json]\n\n"
    "Lists the tokens of every PKCS#11 module that is registered with p11-kit: URI, maker, PIN state, and which keys each can generate.\n\n"
    "  --module PATH   also load this module\n"
    "  --only          load no other\n"
    "  --json          everything that module, slot and token tell, as a ceremony's journal records it\n";

typedef struct { const char *module; gboolean only, json; } Options;

/* A label may hold anything: control characters never reach the terminal, bytes that aren't UTF-8 are shown as hex. */
static char *
shown (json_t *value)
{
    const char *hex = json_string_value (json_object_get (value, "hex")), *text = json_string_value (value);
    if (hex)
        return g_strdup_printf ("(bytes %s)", hex);
    GString *out = g_string_new (NULL);
    for (const char *p = text ? text : ""; *p; p = g_utf8_next_char (p))
        g_string_append_unichar (out, g_unichar_isprint (g_utf8_get_char (p)) ? g_utf8_get_char (p) : 0xfffd);
    return g_string_free (out, FALSE);
}

static char *
part (json_t *entry, const char *object, const char *key)
{
    return shown (json_object_get (json_object_get (entry, object), key));
}

static char *
joined (json_t *array)
{
    GString *out = g_string_new (NULL);
    for (gsize i = 0; i < json_array_size (array); i++)
        g_string_append_printf (out, "%s%s", i ? ", " : "", json_string_value (json_array_get (array, i)));
    return g_string_free (out, FALSE);
}

static const char *
pin_meaning (const char *state)
{
    static const struct { const char *state, *meaning; } STATES[] = {
        { "ok", "set; the token reports no wrong tries" },
        { "count-low", "set; a wrong PIN was entered since the last login" },
        { "final-try", "one try is left: a wrong PIN locks it" },
        { "locked", "LOCKED: unlock it with the maker's tool before a ceremony" },
        { "to-be-changed", "set by its maker, or expired: change it before a ceremony" },
        { "not-initialised", "none yet: initialise the token and its PIN before a ceremony" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (STATES); i++)
        if (g_strcmp0 (STATES[i].state, state) == 0)
            return STATES[i].meaning;
    return state;
}

static void
print_token (json_t *entry)
{
    g_autofree char *label = part (entry, "token", "label"), *maker = part (entry, "token", "manufacturer"), *model = part (entry, "token", "model");
    g_autofree char *serial = part (entry, "token", "serial"), *firmware = part (entry, "token", "firmware"), *pin = part (entry, "token", "pin_state");
    g_autofree char *path = part (entry, "module", "path"), *version = part (entry, "module", "version"), *hash = part (entry, "module", "sha256");
    g_autofree char *can = joined (json_object_get (entry, "algorithms"));
    printf ("%s\n", *label ? label : "(no label)");
    printf ("  %-10s %s\n", "URI", json_string_value (json_object_get (entry, "uri")));
    printf ("  %-10s %s, model %s, serial %s, firmware %s\n", "device", maker, model, *serial ? serial : "(none)", firmware);
    printf ("  %-10s %s\n", "PIN", pin_meaning (pin));
    printf ("  %-10s %s\n", "generates", *can ? can : "no kind of key that a ceremony accepts");
    printf ("  %-10s %s, version %s\n  %-10s SHA-256 %s\n\n", "module", path, version, "", hash);
}

static void
print_json (json_t *list, GPtrArray *warnings)
{
    g_autoptr (json_t) answer = json_object ();
    json_t *told = json_array ();
    for (guint i = 0; i < warnings->len; i++)
        json_array_append_new (told, cjson_bytes (warnings->pdata[i], strlen (warnings->pdata[i])));
    json_object_set (answer, "tokens", list);
    json_object_set_new (answer, "warnings", told);
    g_autoptr (GError) error = NULL;
    g_autofree char *text = cjson_encode (answer, &error);
    if (text)
        puts (text);
    else
        fprintf (stderr, "ceremony: tokens: %s\n", error->message);
}

static int
list_tokens (const Options *options)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
    g_autofree char *path = options->module ? g_canonicalize_filename (options->module, NULL) : NULL;
    int saved = quiet_begin (NULL);
    TokenModules *modules = token_modules_load (path, options->only, warnings, &error);
    g_autoptr (json_t) list = modules ? token_modules_list (modules, &error) : NULL;
    token_modules_free (modules);
    quiet_end (saved);

    for (guint i = list ? 0 : 1; i < warnings->len && !options->json; i++)  /* the error tells the first one itself */
        fprintf (stderr, "ceremony: tokens: %s\n", (char *) warnings->pdata[i]);
    if (!list) {
        fprintf (stderr, "ceremony: tokens: %s\n", error->message);
        return 1;
    }
    if (options->json)
        print_json (list, warnings);
    else
        for (gsize i = 0; i < json_array_size (list); i++)
            print_token (json_array_get (list, i));
    if (json_array_size (list) == 0 && !options->json)
        fputs ("ceremony: tokens: no token is present: put it in; if its maker has a PKCS#11 module of its own, name it with --module\n", stderr);
    return json_array_size (list) ? 0 : 1;
}

int
command_tokens (int argc, char **argv)
{
    Options options = { 0 };
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--help") == 0) {
            fputs (help, stdout);
            return 0;
        }
        if (strcmp (argv[i], "--json") == 0)
            options.json = TRUE;
        else if (strcmp (argv[i], "--only") == 0)
            options.only = TRUE;
        else if (strcmp (argv[i], "--module") == 0 && i + 1 < argc)
            options.module = argv[++i];
        else {
            fprintf (stderr, "ceremony: tokens: %s: this isn't known here\n%s", argv[i], help);
            return 2;
        }
    }
    if (options.only && !options.module) {
        fputs ("ceremony: tokens: --only needs --module PATH\n", stderr);
        return 2;
    }
    return list_tokens (&options);
}
