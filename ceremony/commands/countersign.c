/* ceremony countersign: a signing service's countersignature of a certificate request and its declaration, made on the service's machine; or those of somebody judged. */
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/commands/commands.h"
#include "ceremony/commands/signer-options.h"
#include "ceremony/token/token.h"
#include "ceremony/verify/countersigned.h"
#include "ceremony/verify/keycheck.h"
#include "ceremony/verify/modules.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE_NAME "request.p7s"
#define DECLARATION_NAME "declaration.json"

static const char help[] =
    "usage: ceremony countersign CSR --declaration FACTS.yaml SIGNER [-o DIR] [--tsa URL] [--json]\n"
    "       ceremony countersign --check CSR [--countersignature FILE] [--declaration FILE] [--trust DIR] [--modules YAML] [--json]\n\n"
    "A signing service countersigns a certificate request: a CMS signature over the file, byte for byte, which binds the service's declaration. Writes\n"
    "`request.p7s` and `declaration.json` beside the request (never over a file that is there).\n"
    "  --declaration FACTS     the service's facts, YAML or JSON: scripts/signing-service-facts.yaml is a model\n"
    SIGNER_OPTIONS_HELP
    "  -o DIR                  write into this folder instead\n"
    "  --tsa URL               ask this RFC 3161 authority for a timestamp of the signature\n"
    "With --check a request that is countersigned already is judged; the files are looked for beside it:\n"
    "  --countersignature FILE, --declaration FILE\n"
    "                          instead of request.p7s and declaration.json there\n"
    "  --trust DIR             who may sign as a signing service (DIR/service/…)\n"
    "  --modules YAML          the list of suitable modules; default: the one that comes with the program\n"
    "  --json                  the answer as JSON\n\n"
    "Exit status: 0 countersigned, or genuine and to be accepted; 1 refused; 2 usage, or it can't be read; 3 a person must decide.\n";

typedef struct {
    const char *csr, *declaration, *out, *tsa, *countersignature, *trust, *modules;
    gboolean check, json;
    SignerOptions signer;
} Options;

static int
fail (const GError *error)
{
    fprintf (stderr, "ceremony: countersign: %s\n", error->message);
    return error->domain == TOKEN_ERROR || g_error_matches (error, BASE_ERROR, BASE_ERROR_REFUSED) || g_error_matches (error, BASE_ERROR, BASE_ERROR_ABORTED) ? 1 : 2;
}

/* ── making ── */

static json_t *
read_facts (const char *path, GError **error)
{
    g_autoptr (GBytes) bytes = file_read (path, DECLARATION_MAX, error);
    return bytes != NULL ? declaration_facts (path, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error) : NULL;
}

/* No service should stand in for a key that no CA may certify. */
static gboolean
check_key (const char *path, GBytes *request, GError **error)
{
    g_autoptr (KeyCheck) check = keycheck (g_bytes_get_data (request, NULL), g_bytes_get_size (request), NULL, error);
    if (check == NULL || check->accept) {
        g_prefix_error (error, "%s: ", path);
        return check != NULL;
    }
    for (guint i = 0; i < check->findings->len; i++) {
        const KeyFinding *finding = g_ptr_array_index (check->findings, i);
        if (!finding->warning) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "%s: the rules refuse its key, and nothing was signed: %s (CSBR %s)", path, finding->reason, finding->clause);
            return FALSE;
        }
    }
    return TRUE;
}

static char *
out_path (const Options *o, const char *name)
{
    g_autofree char *beside = g_path_get_dirname (o->csr);
    return g_build_filename (o->out != NULL ? o->out : beside, name, NULL);
}

/* Both or neither: the declaration is taken away again where the signature can't be written. */
static gboolean
write_both (const char *signature_path, GBytes *signature, const char *declaration_path, GBytes *declaration, GError **error)
{
    if (!file_write (declaration_path, g_bytes_get_data (declaration, NULL), g_bytes_get_size (declaration), 0644, FALSE, error))
        return FALSE;
    if (file_write (signature_path, g_bytes_get_data (signature, NULL), g_bytes_get_size (signature), 0644, FALSE, error))
        return TRUE;
    g_unlink (declaration_path);
    return FALSE;
}

static gboolean
nothing_there (const char *path, GError **error)
{
    if (!g_file_test (path, G_FILE_TEST_EXISTS))
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_EXISTS, "%s is there already, and is never overwritten; move it away, or write elsewhere with -o DIR", path);
    return FALSE;
}

static json_t *
answer_made (const char *signature_path, GBytes *signature, const char *declaration_path, GBytes *declaration, GBytes *request)
{
    g_autofree char *p7s = sha256_hex (g_bytes_get_data (signature, NULL), g_bytes_get_size (signature));
    g_autofree char *json = sha256_hex (g_bytes_get_data (declaration, NULL), g_bytes_get_size (declaration)), *csr = NULL, *spki = NULL, *subject = NULL;
    X509_REQ *parsed = countersign_request (g_bytes_get_data (request, NULL), g_bytes_get_size (request), NULL);
    if (parsed != NULL)
        request_digests (parsed, &csr, &spki, &subject, NULL);
    X509_REQ_free (parsed);
    return json_pack ("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "countersignature", signature_path, "countersignature_sha256", p7s, "declaration", declaration_path,
                      "declaration_sha256", json, "csr_sha256", csr ? csr : "", "spki_sha256", spki ? spki : "", "subject", subject ? subject : "");
}

static int
print_json (const json_t *answer, int status)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *line = cjson_encode (answer, &error);
    if (line == NULL)
        return fail (error);
    printf ("%s\n", line);
    return status;
}

static int
make (const Options *o)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *signature_path = out_path (o, SIGNATURE_NAME), *declaration_path = out_path (o, DECLARATION_NAME);
    g_autoptr (GBytes) request = file_read (o->csr, COUNTERSIGN_MAX_REQUEST, &error), signature = NULL, declaration = NULL;
    g_autoptr (json_t) facts = NULL;
    g_autoptr (Signer) signer = NULL;
    if (request == NULL || (facts = read_facts (o->declaration, &error)) == NULL || !nothing_there (signature_path, &error) || !nothing_there (declaration_path, &error)
        || !check_key (o->csr, request, &error) || (signer = signer_options_open (&o->signer, &error)) == NULL)
        return fail (error);
    if (!countersign (request, facts, signer, o->tsa, &signature, &declaration, &error)) {
        g_prefix_error (&error, "%s: ", o->csr);
        return fail (error);
    }
    if (!write_both (signature_path, signature, declaration_path, declaration, &error))
        return fail (error);
    g_autoptr (json_t) answer = answer_made (signature_path, signature, declaration_path, declaration, request);
    if (o->json)
        return print_json (answer, 0);
    g_autofree char *csr = shell_word (o->csr), *p7s = shell_word (signature_path), *json = shell_word (declaration_path);
    printf ("Countersigned: %s\n  key   SHA-256 %s\n  countersignature  %s\n  declaration       %s\n\nThe three files go to the subscriber, and with the request to the CA. Judge them (TRUST: the folder of "
            "whom to believe):\n  ceremony countersign --check %s --countersignature %s --declaration %s --trust TRUST\n", cjson_str (answer, "subject", NULL),
            cjson_str (answer, "spki_sha256", NULL), signature_path, declaration_path, csr, p7s, json);
    return 0;
}

/* ── checking ── */

static const char *const checks[] = { "service.signature", "service.trust", "service.declaration", "service.module" };

static json_t *
check_json (const Countersigned *judged, const char *id, int *worst)
{
    const char *result = countersigned_reached (judged, id) ? "pass" : "skipped";
    g_autoptr (GString) reason = g_string_new (NULL);
    for (guint i = 0; i < judged->findings->len; i++) {
        const CountersignedFinding *finding = g_ptr_array_index (judged->findings, i);
        if (strcmp (finding->check, id) != 0)
            continue;
        if (strcmp (result, "fail") != 0)
            result = finding->warning ? "warn" : "fail";
        g_string_append_printf (reason, "%s%s", reason->len ? "; " : "", finding->reason);
    }
    if (strcmp (result, "pass") == 0) {
        const char *said = strcmp (id, "service.trust") == 0 ? judged->trusted : strcmp (id, "service.module") == 0 ? judged->module : NULL;
        g_string_append (reason, said ? said : strcmp (id, "service.declaration") == 0 ? "it is the one that was countersigned, and about this request"
                                                                                           : "genuine, and over this request");
    } else if (strcmp (result, "skipped") == 0) {
        g_string_append (reason, "not reached");
    }
    *worst = MAX (*worst, strcmp (result, "fail") == 0 ? 2 : strcmp (result, "pass") == 0 ? 0 : 1);
    g_autofree char *valid = g_utf8_make_valid (reason->str, -1);
    return json_pack ("{s:s, s:s, s:s}", "id", id, "result", result, "reason", valid);
}

/* {"verdict","checks":[…],"signer","signed_at","declaration"}; 0 accept, 1 refuse, 3 review. */
static json_t *
answer_judged (const Countersigned *judged, int *status)
{
    static const struct { const char *verdict; int status; } kinds[] = { { "accept", 0 }, { "review", 3 }, { "refuse", 1 } };
    json_t *list = json_array ();
    int worst = 0;
    for (gsize i = 0; i < G_N_ELEMENTS (checks); i++)
        json_array_append_new (list, check_json (judged, checks[i], &worst));
    g_autofree char *at = judged->cades != NULL ? clock_format (judged->when) : NULL;
    *status = kinds[worst].status;
    return json_pack ("{s:s, s:o, s:s?, s:s?, s:O?}", "verdict", kinds[worst].verdict, "checks", list, "signer", judged->subject, "signed_at", at, "declaration",
                      judged->declaration);
}

/* Foreign text: control characters stay where they came from. */
static void
print_line (const char *text)
{
    g_autofree char *valid = g_utf8_make_valid (text, -1);
    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p)) {
        gunichar ch = g_utf8_get_char (p);
        char out[7] = "?";
        if (g_unichar_isprint (ch))
            out[g_unichar_to_utf8 (ch, out)] = '\0';
        fputs (out, stdout);
    }
}

static void
print_facts (const json_t *declaration)
{
    static const char *const shown[][2] = {
        { "service", "name" }, { "service", "operator" }, { "authentication", "kind" }, { "authentication", "description" }, { "module", "vendor" }, { "module", "model" },
        { "module", "scheme" }, { "module", "level" }, { "module", "certificate" }, { "isolation", "kind" }, { "isolation", "description" }, { "audit", "criteria" },
        { "audit", "auditor" }, { "audit", "period_to" }, { "redundancy", "kind" }, { "redundancy", "description" }, { "recovery", "kind" }, { "recovery", "description" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (shown); i++) {
        g_autofree char *label = g_strdup_printf ("%s.%s", shown[i][0], shown[i][1]);
        const char *text = cjson_str (json_object_get (declaration, shown[i][0]), shown[i][1], NULL);
        printf ("  %-28s ", label);
        print_line (text != NULL ? text : "-");
        putchar ('\n');
    }
}

static void
print_judged (const json_t *answer)
{
    const json_t *check;
    gsize i;
    printf ("%s\n", cjson_str (answer, "verdict", NULL));
    json_array_foreach (json_object_get (answer, "checks"), i, check) {
        printf ("  %-7s %s: ", cjson_str (check, "result", NULL), cjson_str (check, "id", NULL));
        print_line (cjson_str (check, "reason", NULL));
        putchar ('\n');
    }
    if (cjson_str (answer, "signer", NULL) != NULL) {
        printf ("\nSigned by ");
        print_line (cjson_str (answer, "signer", NULL));
        printf (" at %s\n", cjson_str (answer, "signed_at", NULL));
    }
    if (json_is_object (json_object_get (answer, "declaration"))) {
        printf ("Declared:\n");
        print_facts (json_object_get (answer, "declaration"));
    }
}

/* A file that was named must be there; one that is only looked for may be missing, which is then a finding. */
static gboolean
read_beside (const Options *o, const char *named, const char *name, gsize max, GBytes **bytes, GError **error)
{
    g_autofree char *path = named != NULL ? g_strdup (named) : out_path (o, name);
    *bytes = named != NULL || g_file_test (path, G_FILE_TEST_EXISTS) ? file_read (path, max, error) : NULL;
    return *bytes != NULL || (named == NULL && !g_file_test (path, G_FILE_TEST_EXISTS));
}

static int
check (const Options *o)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) request = file_read (o->csr, COUNTERSIGN_MAX_REQUEST, &error), signature = NULL, declaration = NULL;
    g_autoptr (Trust) trust = NULL;
    g_autofree char *modules = o->modules != NULL ? g_strdup (o->modules) : modules_default_path ();
    X509_REQ *parsed = request != NULL ? countersign_request (g_bytes_get_data (request, NULL), g_bytes_get_size (request), &error) : NULL;
    X509_REQ_free (parsed);
    if (error != NULL) {
        if (request != NULL)
            g_prefix_error (&error, "%s: ", o->csr);
        return fail (error);
    }
    if (!read_beside (o, o->countersignature, SIGNATURE_NAME, CADES_MAX_LEN, &signature, &error)
        || !read_beside (o, o->declaration, DECLARATION_NAME, DECLARATION_MAX, &declaration, &error) || (o->trust != NULL && (trust = trust_load (o->trust, &error)) == NULL))
        return fail (error);
    g_autoptr (Countersigned) judged = countersigned_judge (&(CountersignedInput) { request, signature, declaration, trust, modules });
    int status = 0;
    g_autoptr (json_t) answer = answer_judged (judged, &status);
    if (o->json)
        return print_json (answer, status);
    print_judged (answer);
    return status;
}

static gboolean
take_option (Options *o, int argc, char **argv, int *i)
{
    const struct { const char *name, **value; } table[] = {
        { "--declaration", &o->declaration }, { "-o", &o->out }, { "--tsa", &o->tsa }, { "--countersignature", &o->countersignature }, { "--trust", &o->trust },
        { "--modules", &o->modules },
    };
    if (signer_options_take (&o->signer, argc, argv, i))
        return TRUE;
    for (gsize n = 0; n < G_N_ELEMENTS (table); n++)
        if (strcmp (argv[*i], table[n].name) == 0 && *i + 1 < argc) {
            *table[n].value = argv[++*i];
            return TRUE;
        }
    if (strcmp (argv[*i], "--check") == 0)
        return o->check = TRUE;
    if (strcmp (argv[*i], "--json") == 0)
        return o->json = TRUE;
    if (argv[*i][0] == '-' || o->csr != NULL)
        return FALSE;
    o->csr = argv[*i];
    return TRUE;
}

int
command_countersign (int argc, char **argv)
{
    Options o = { 0 };
    gboolean good = TRUE;
    if (argc > 1 && strcmp (argv[1], "--help") == 0) {
        fputs (help, stdout);
        return 0;
    }
    for (int i = 1; i < argc && good; i++)
        good = take_option (&o, argc, argv, &i);
    if (!good || o.csr == NULL || (!o.check && (o.declaration == NULL || (o.signer.key == NULL) == (o.signer.token == NULL)))) {
        fputs (help, stderr);
        return 2;
    }
    return o.check ? check (&o) : make (&o);
}
