/* ceremony order new|show|check: the CA's signed instruction for one ceremony. */
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/base/yaml.h"
#include "ceremony/bundle/order.h"
#include "ceremony/commands/commands.h"
#include "ceremony/commands/signer-options.h"
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: ceremony order new -o ORDER.asice --script FILE --policy FILE [--fields FILE] [--set NAME=VALUE]… [--appliance FILE] [--days N] SIGNER\n"
    "       ceremony order show ORDER.asice [--json]\n"
    "       ceremony order check ORDER.asice [--trust DIR]\n\n"
    "`new` takes the order's fields (docs/formats.md, order.json) from a YAML or JSON file, then from --set, where a dot leads into an object\n"
    "(--set subscriber.name=\"Example GmbH\"); id, issued, valid_from, valid_to (--days, 30) and the digests of script and policy are filled in.\n"
    "  --appliance FILE        what `ceremony appliance show --json` printed: whose evidence will count\n"
    SIGNER_OPTIONS_HELP
    "`check` exits 0 where the order is whole and, with --trust, by a trusted CA; 1 where it is refused; 2 where it can't be read.\n";

typedef struct {
    const char *out, *script, *policy, *fields, *appliance, *days, *trust, *order;
    gboolean json;
    GPtrArray *set;
    SignerOptions signer;
} Options;

static int
fail (const GError *error)
{
    fprintf (stderr, "ceremony: order: %s\n", error->message);
    return g_error_matches (error, BASE_ERROR, BASE_ERROR_REFUSED) ? 1 : 2;
}

static json_t *
scalar_to_json (const YamlNode *node)
{
    if (!node->quoted && g_str_equal (node->text, "true"))
        return json_true ();
    if (!node->quoted && g_str_equal (node->text, "false"))
        return json_false ();
    if (!node->quoted && (g_str_equal (node->text, "null") || g_str_equal (node->text, "~") || node->text[0] == '\0'))
        return json_null ();
    return json_string (node->text);
}

/* A map of scalars and maps; lists have no place in an order. */
static json_t *
to_json (const YamlNode *node)
{
    if (node->kind != YAML_MAP)
        return node->kind == YAML_SCALAR ? scalar_to_json (node) : json_array ();
    json_t *object = json_object ();
    for (guint i = 0; i < node->keys->len; i++)
        json_object_set_new (object, ((const YamlNode *) g_ptr_array_index (node->keys, i))->text, to_json (g_ptr_array_index (node->items, i)));
    return object;
}

static json_t *
read_fields (const char *path, GError **error)
{
    if (path == NULL)
        return json_object ();
    g_autoptr (GBytes) bytes = file_read (path, 1024 * 1024, error);
    g_autoptr (YamlNode) tree = bytes != NULL ? yaml_tree_parse (path, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error) : NULL;
    if (tree == NULL)
        return NULL;
    if (tree->kind != YAML_MAP) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: not a list of fields", path);
        return NULL;
    }
    return to_json (tree);
}

static json_t *
child_object (json_t *object, const char *name)
{
    json_t *child = json_object_get (object, name);
    if (!json_is_object (child)) {
        json_object_set_new (object, name, json_object ());
        child = json_object_get (object, name);
    }
    return child;
}

static gboolean
set_field (json_t *order, const char *assignment, GError **error)
{
    const char *equals = strchr (assignment, '=');
    if (equals == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "--set %s: NAME=VALUE is wanted", assignment);
        return FALSE;
    }
    g_autofree char *name = g_strndup (assignment, (gsize) (equals - assignment));
    char *dot = strchr (name, '.');
    if (dot != NULL)
        *dot++ = '\0';
    YamlNode value = { .text = (char *) equals + 1 };
    json_object_set_new (dot != NULL ? child_object (order, name) : order, dot != NULL ? dot : name, scalar_to_json (&value));
    return TRUE;
}

static gboolean
take_appliance (json_t *order, const char *path, GError **error)
{
    g_autoptr (GBytes) bytes = file_read (path, 64 * 1024, error);
    g_autoptr (json_t) described = bytes != NULL ? cjson_parse_loose (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error) : NULL;
    const char *note = described != NULL ? cjson_str (described, "note_key", error) : NULL, *spki = note != NULL ? cjson_str (described, "spki_sha256", error) : NULL;
    if (spki == NULL)
        return FALSE;
    json_object_set_new (order, "appliance", json_pack ("{s:s, s:s}", "note_key", note, "spki_sha256", spki));
    return TRUE;
}

static void
set_default (json_t *object, const char *name, json_t *value)
{
    if (json_object_get (object, name) == NULL)
        json_object_set (object, name, value);
    json_decref (value);
}

static void
set_time (json_t *order, const char *name, gint64 when)
{
    g_autofree char *text = clock_format (when);
    set_default (order, name, json_string (text));
}

/* A day and 40 random bits: people file orders by it, and no two are alike. */
static void
set_id (json_t *order, gint64 now)
{
    guint8 random[5];
    random_bytes (random, sizeof random);
    g_autofree char *hex = hex_encode (random, sizeof random), *day = clock_format (now);
    g_autofree char *id = g_strdup_printf ("%.10s-%s", day, hex);
    set_default (order, "id", json_string (id));
}

static void
fill_in (json_t *order, const Script *script, const Policy *policy, gint64 days)
{
    gint64 now = clock_wall_ms (), from = now;
    json_object_set_new (order, "format", json_string ("ceremony/order/v1"));
    json_object_set_new (order, "script_sha256", json_string (script->sha256));
    json_object_set_new (order, "policy_sha256", json_string (policy->sha256));
    set_id (order, now);
    set_time (order, "issued", now);
    set_time (order, "valid_from", now);
    if (json_is_string (json_object_get (order, "valid_from")))
        clock_parse (json_string_value (json_object_get (order, "valid_from")), &from, NULL);
    set_time (order, "valid_to", from + days * 24 * 3600 * 1000);
    set_default (order, "rehearsal", json_false ());
    set_default (order, "challenge_commitment", json_null ());
    set_default (order, "token_uri", json_null ());
    set_default (order, "place", json_string (""));
    set_default (order, "region", json_string (""));
    if (script->algorithm != NULL)
        set_default (order, "algorithm", json_string (script->algorithm));
    if (script->subject != NULL)
        set_default (order, "subject", json_string (script->subject));
    set_default (child_object (order, "subscriber"), "registration", json_string (""));
    json_t *witness = child_object (order, "witness");
    set_default (witness, "spki_sha256", json_null ());
    set_default (witness, "employer", json_string (""));
    set_default (witness, "qualification", json_string (""));
    set_default (witness, "approval", json_string (""));
}

static json_t *
make_order (const Options *options, const Script *script, const Policy *policy, GError **error)
{
    g_autoptr (json_t) order = read_fields (options->fields, error);
    if (order == NULL || (options->appliance != NULL && !take_appliance (order, options->appliance, error)))
        return NULL;
    for (guint i = 0; i < options->set->len; i++)
        if (!set_field (order, g_ptr_array_index (options->set, i), error))
            return NULL;
    gint64 days = options->days != NULL ? g_ascii_strtoll (options->days, NULL, 10) : 30;
    if (days < 1 || days > 3650) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "--days %s: 1 to 3650 are wanted", options->days);
        return NULL;
    }
    fill_in (order, script, policy, days);
    return order_check (order, script, policy, error) ? g_steal_pointer (&order) : NULL;
}

static int
new_order (const Options *options)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Script) script = script_load (options->script, &error);
    g_autoptr (Policy) policy = script != NULL ? policy_load (options->policy, &error) : NULL;
    g_autoptr (json_t) order = policy != NULL ? make_order (options, script, policy, &error) : NULL;
    g_autoptr (Signer) signer = order != NULL ? signer_options_open (&options->signer, &error) : NULL;
    if (signer == NULL || !order_write (options->out, order, script, policy, signer, &error))
        return fail (error);
    g_autofree char *subject = signer_subject (signer->cert);
    printf ("%s: order %s, signed by %s\n", options->out, cjson_str (order, "id", NULL), subject);
    return 0;
}

static void
print_fields (const json_t *object, int indent)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *) object, name, value) {
        if (json_is_object (value)) {
            printf ("%*s%s\n", indent, "", name);
            print_fields (value, indent + 2);
        } else {
            printf ("%*s%-*s %s\n", indent, "", 22 - indent, name,
                    json_is_string (value) ? json_string_value (value) : json_is_true (value) ? "yes" : json_is_false (value) ? "no" : "-");
        }
    }
}

static int
show (const Options *options)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Order) order = order_open (options->order, &error);
    if (order == NULL)
        return fail (error);
    if (options->json) {
        printf ("%.*s\n", (int) g_bytes_get_size (order->order_bytes), (const char *) g_bytes_get_data (order->order_bytes, NULL));
        return 0;
    }
    g_autofree char *subject = signer_subject (order->signature->signer), *when = clock_format (order->signature->signing_time);
    print_fields (order->json, 0);
    printf ("%-22s %s, version %s, %u steps\n%-22s %s, version %s\n%-22s %s at %s\n%-22s %s\n", "script", order->script->title, order->script->version,
            order->script->steps->len, "policy", order->policy->title, order->policy->version, "signed by", subject, when, "  SHA-256 of its key",
            order->signature->spki_sha256);
    return 0;
}

static int
check (const Options *options)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Order) order = order_open (options->order, &error);
    g_autoptr (Trust) trust = order != NULL && options->trust != NULL ? trust_load (options->trust, &error) : NULL;
    if (error != NULL)
        return fail (error);
    gint64 from = 0, to = 0, now = clock_wall_ms ();
    clock_parse (cjson_str (order->json, "valid_from", NULL), &from, NULL);
    clock_parse (cjson_str (order->json, "valid_to", NULL), &to, NULL);
    printf ("%s is whole: fields, script, policy and signature fit together\n", options->order);
    if (now < from || now > to) {
        printf ("but it is valid from %s to %s, which isn't now\n", cjson_str (order->json, "valid_from", NULL), cjson_str (order->json, "valid_to", NULL));
        return 1;
    }
    g_autofree char *why = NULL;
    if (trust == NULL) {
        printf ("whose order it is wasn't judged: name a trust folder with --trust\n");
        return 0;
    }
    gboolean ok = trust_judge (trust, "order", order->signature->signer, order->signature->certificates, order->signature->signing_time, &why);
    printf ("its signer is %s: %s\n", ok ? "trusted" : "not trusted", why);
    return ok ? 0 : 1;
}

static gboolean
read_options (int argc, char **argv, Options *options)
{
    const struct { const char *name, **value; } table[] = {
        { "-o", &options->out }, { "--script", &options->script }, { "--policy", &options->policy }, { "--fields", &options->fields },
        { "--appliance", &options->appliance }, { "--days", &options->days }, { "--trust", &options->trust },
    };
    for (int i = 2; i < argc; i++) {
        gsize n = 0;
        while (n < G_N_ELEMENTS (table) && strcmp (argv[i], table[n].name) != 0)
            n++;
        if (n < G_N_ELEMENTS (table) && i + 1 < argc)
            *table[n].value = argv[++i];
        else if (strcmp (argv[i], "--set") == 0 && i + 1 < argc)
            g_ptr_array_add (options->set, argv[++i]);
        else if (strcmp (argv[i], "--json") == 0)
            options->json = TRUE;
        else if (argv[i][0] != '-' && options->order == NULL)
            options->order = argv[i];
        else if (!signer_options_take (&options->signer, argc, argv, &i))
            return FALSE;
    }
    return TRUE;
}

int
command_order (int argc, char **argv)
{
    g_autoptr (GPtrArray) set = g_ptr_array_new ();
    Options options = { .set = set };
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp (verb, "--help") == 0) {
        fputs (help, stdout);
        return 0;
    }
    gboolean ok = read_options (argc, argv, &options);
    if (ok && strcmp (verb, "new") == 0 && options.out != NULL && options.script != NULL && options.policy != NULL && options.order == NULL)
        return new_order (&options);
    if (ok && options.order != NULL && options.out == NULL && strcmp (verb, "show") == 0)
        return show (&options);
    if (ok && options.order != NULL && options.out == NULL && strcmp (verb, "check") == 0)
        return check (&options);
    fputs (help, stderr);
    return 2;
}
