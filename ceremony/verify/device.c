/* Where the key was born: the vendor's attestation, the list of suitable modules, and the key's own quality. */
#include <string.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include "ceremony/attest/attest.h"
#include "ceremony/attest/request.h"
#include "ceremony/token/evidence.h"
#include "ceremony/verify/checks.h"
#include "ceremony/verify/keycheck.h"
#include "ceremony/verify/modules.h"

/* Debian's weak keys where its package is installed, and what the reviewer names. */
static KeyCheckLists *
read_lists (const Context *c, GError **error)
{
    g_autoptr(KeyCheckLists) lists = keycheck_lists_new ();

    if (g_file_test (KEYCHECK_DEBIAN_LISTS, G_FILE_TEST_IS_DIR) && !keycheck_lists_add (lists, KEYCHECK_DEBIAN_LISTS, error))
        return NULL;
    for (gsize i = 0; c->options->blocklists && c->options->blocklists[i]; i++)
        if (!keycheck_lists_add (lists, c->options->blocklists[i], error))
            return NULL;
    return g_steal_pointer (&lists);
}

/* CSBR 6.1.1.3, 6.1.5.2, 6.1.6: each finding of `ceremony keycheck`. */
CheckResult
check_key_quality (Context *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KeyCheckLists) lists = read_lists (c, &error);
    g_autoptr(KeyCheck) quality = lists ? keycheck_spki (c->spki, lists, &error) : NULL;

    if (!lists)
        return unreached (c, "a list of weak keys can't be read: %s", error->message);

    if (!quality) {
        flaw (c, CHECK_FAIL, c->generated, "the key can't be judged: %s", error->message);
        return done (c, "%s", "");
    }
    for (guint i = 0; i < quality->findings->len; i++) {
        const KeyFinding *finding = quality->findings->pdata[i];
        flaw (c, finding->warning ? CHECK_WARN : CHECK_FAIL, c->generated, "%s (CSBR %s)", finding->reason, finding->clause);
    }
    if (!quality->accept && c->worst != CHECK_FAIL)
        flaw (c, CHECK_FAIL, c->generated, "the key is refused");
    return done (c, "no known weakness");
}

/* What the device is: by its maker's word where a genuine attestation says it, else by the module's. */
static const char *
device_word (const Context *c, const json_t *token, const char *attested, const char *told)
{
    return json_string_value (json_object_get (c->attested ? c->attested : token, c->attested ? attested : told));
}

/* CSBR 6.2.7.4.1: certified to FIPS 140-2 level 2 or Common Criteria EAL 4+ at least, by the list that the reviewer has, on the day of the ceremony. */
CheckResult
check_module_suitable (Context *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ModuleList) list = c->options->modules_path ? modules_load (c->options->modules_path, &error) : NULL;
    const Event *found = event_first (c, "token.found");
    const json_t *token = found ? json_object_get (found->data, "token") : NULL;
    g_autofree char *near = NULL;
    ModuleState state = MODULE_ACTIVE;
    const Module *row;

    if (!list)
        return unreached (c, "no list of suitable modules could be read: %s", error ? error->message : "none was given");
    row = modules_match (list, device_word (c, token, "vendor", "manufacturer"), device_word (c, token, "model", "model"), device_word (c, token, "serial", "serial"),
                         device_word (c, token, "firmware", "firmware"), c->opened->time, &state, &near);
    if (!row) {
        flaw (c, CHECK_WARN, found, "the list of suitable modules doesn't know this device%s (%s): ask for its certificate", c->attested ? ", as it is attested" : "",
              near ? near : "no row is near");
        return done (c, "%s", "");
    }
    if (state == MODULE_REVOKED)
        flaw (c, CHECK_FAIL, found, "the certificate %s of %s %s was revoked", row->certificate ? row->certificate : "", row->vendor, row->model);
    else if (!module_suits (row, events_of (c, "request.countersigned")->len ? 3 : 2))     /* a signing service's: CSBR 6.2.7.3 */
        flaw (c, CHECK_FAIL, found, "%s level %s is less than the rules ask for", row->scheme, row->level);
    else if (state == MODULE_HISTORICAL)
        flaw (c, CHECK_WARN, found, "the certificate %s of %s %s is historical", row->certificate ? row->certificate : "", row->vendor, row->model);
    return done (c, "%s level %s, certificate %s, %s (%s %s), by %s", row->scheme, row->level, row->certificate ? row->certificate : "not named", module_state_name (state),
                 row->vendor, row->model, c->attested ? "what the device attests of itself" : "what the module says of the device");
}

/* tpm2-pkcs11 keeps its attributes as text in the operator's own files: alone they are nobody's word. */
static gboolean
attributes_worthless (Context *c)
{
    const GPtrArray *found = events_of (c, "token.found");

    for (guint i = 0; found && i < found->len; i++)
        if (token_module_is_tpm (json_object_get (((const Event *) found->pdata[i])->data, "module")))
            return TRUE;
    return FALSE;
}

static guint
count_files (Context *c)
{
    const GPtrArray *entries = asice_entries (c->asice);
    guint n = 0;

    for (guint i = 0; i < entries->len; i++)
        n += g_str_has_prefix (((const AsiceEntry *) entries->pdata[i])->name, "key/attestation/");
    return n;
}

/* The files that the journal names, each with the digest it names. */
static GPtrArray *
attested_inputs (Context *c, const Event *read)
{
    const json_t *files = json_object_get (read->data, "files"), *file;
    g_autoptr(GPtrArray) inputs = attest_inputs_new ();
    gsize i;

    json_array_foreach (files, i, file) {
        g_autofree char *name = g_strconcat ("key/attestation/", member (file, "name"), NULL), *hash = entry_sha256 (c, name, NULL);
        g_autoptr(GBytes) bytes = hash ? asice_read (c->asice, name, ATTEST_MAX_INPUT_LEN, NULL) : NULL;
        if (!bytes || !g_str_equal (hash, member (file, "sha256")))
            flaw (c, CHECK_FAIL, read, "%s isn't the file that was read in the ceremony", name);
        else if (inputs->len < ATTEST_MAX_INPUTS)
            g_ptr_array_add (inputs, attest_input_new (member (file, "name"), bytes));
    }
    if (json_array_size (files) != count_files (c))
        flaw (c, CHECK_FAIL, read, "%u files lie under key/attestation, the journal tells of %" G_GSIZE_FORMAT, count_files (c), json_array_size (files));
    return g_steal_pointer (&inputs);
}

static const char *
bare_serial (const char *serial)
{
    while (*serial == '0' || *serial == ' ')
        serial++;
    return serial;
}

static void
judge_result (Context *c, const Event *read, const AttestResult *result)
{
    const Event *found = event_first (c, "token.found");
    const char *serial = found ? member2 (found->data, "token", "serial") : "";

    if (!result->genuine)
        flaw (c, CHECK_FAIL, read, "%s", result->reason);
    if (result->origin == ATTEST_ORIGIN_IMPORTED)
        flaw (c, CHECK_FAIL, read, "the vendor attests that the key was imported");
    c->attested_import = result->origin == ATTEST_ORIGIN_IMPORTED;
    if (result->exportable == ATTEST_TRUE)
        flaw (c, CHECK_FAIL, read, "the vendor attests that the key can leave the device");
    if (result->challenge == ATTEST_FALSE)
        flaw (c, CHECK_FAIL, read, "the attestation answers another challenge than this ceremony's");
    if (result->serial && *bare_serial (serial) && !attributes_worthless (c) && g_ascii_strcasecmp (bare_serial (serial), bare_serial (result->serial)) != 0)
        flaw (c, CHECK_FAIL, read, "the attestation is of the device with serial number %s, the ceremony was held with %s", result->serial, serial);
}

/* What the journal says that the ceremony's own judgement was must be what its files give now, else somebody wrote a judgement of their own. */
static void
compare_result (Context *c, const Event *read, const AttestResult *result)
{
    g_autoptr(json_t) again = attest_result_json (result);
    const json_t *held = json_object_get (read->data, "result");
    const char *key;
    json_t *value;

    if (json_equal (again, held))
        return;
    json_object_foreach (again, key, value)
        if (!json_equal (value, json_object_get (held, key))) {
            flaw (c, CHECK_FAIL, read, "the journal's result of the attestation isn't what its files give ('%s' differs); where the CA's list of vendors' keys has changed since, "
                  "verify with that of the time (--vendors)", key);
            return;
        }
    flaw (c, CHECK_FAIL, read, "the journal's result of the attestation says more than its files give");
}

/* DER of the request; NULL where there is none that can be read. */
static GBytes *
request_der (Context *c)
{
    g_autoptr(GBytes) pem = asice_find (c->asice, "key/request.csr") ? asice_read (c->asice, "key/request.csr", 256 * 1024, NULL) : NULL;
    BIO *bio = pem ? BIO_new_mem_buf (g_bytes_get_data (pem, NULL), (int) g_bytes_get_size (pem)) : NULL;
    X509_REQ *request = bio ? PEM_read_bio_X509_REQ (bio, NULL, NULL, NULL) : NULL;
    unsigned char *der = NULL;
    int len = request ? i2d_X509_REQ (request, &der) : -1;
    GBytes *bytes = len > 0 ? g_bytes_new (der, (gsize) len) : NULL;

    OPENSSL_free (der);
    X509_REQ_free (request);
    BIO_free (bio);
    ERR_clear_error ();
    return bytes;
}

/* The same, where it was made before the attestation was judged. */
static GBytes *
request_before (Context *c, const Event *read)
{
    return event_before (c, "request.made", read->seq) ? request_der (c) : NULL;
}

/* Judged anew, by the anchors that the reviewer has now, as of the time the ceremony was held. NULL: it can't be. */
static AttestResult *
judge_again (Context *c, const Event *read, GPtrArray *inputs, const AttestAnchors *anchors, GError **error)
{
    g_autoptr(GBytes) challenge = c->given ? hex_decode (member (c->given->data, "challenge"), NULL) : NULL, request = request_before (c, read);
    guint8 spki[SHA256_LEN];

    sha256 (g_bytes_get_data (c->spki, NULL), g_bytes_get_size (c->spki), spki);
    return attest_verify (inputs, request, spki, challenge, anchors, error);
}

/* The device as its maker attests it goes into the verdict. */
static void
tell_device (Context *c, const AttestResult *result)
{
    if (!result->genuine)
        return;
    json_decref (c->attested);
    c->attested = json_pack ("{s:s?, s:s?, s:s?, s:s?}", "vendor", result->vendor, "model", result->model, "serial", result->serial, "firmware", result->firmware);
}

/* What attestation.credential found: the keys of a TPM that opened what was sealed to them. */
static void
add_activation (Context *c, AttestAnchors *anchors)
{
    g_autoptr(GBytes) name = c->activated ? hex_decode (member (c->activated->data, "ak_name"), NULL) : NULL;
    g_autoptr(GBytes) ek = c->activated ? hex_decode (member (c->activated->data, "ek_spki_sha256"), NULL) : NULL;

    if (name && ek && g_bytes_get_size (ek) == SHA256_LEN)
        attest_anchors_add_activation (anchors, name, g_bytes_get_data (ek, NULL));
}

static gboolean
same_device (const AttestResult *a, const AttestResult *b)
{
    return g_strcmp0 (a->vendor, b->vendor) == 0 && g_strcmp0 (a->model, b->model) == 0 && g_strcmp0 (a->serial, b->serial) == 0 && g_strcmp0 (a->firmware, b->firmware) == 0;
}

/* What the request carries, judged by itself as a CA will that gets nothing but the request; it must say what the evidence that was collected says. Evidence that is merely
 * without the upper part of its chain, and is part of what was collected, is a warning. @collected may be NULL. */
static AttestResult *
judge_carried (Context *c, GBytes *csr, const AttestAnchors *anchors, const AttestResult *collected, GPtrArray *files)
{
    const Event *made = event_last (c, "request.made");
    g_autoptr(GPtrArray) none = attest_inputs_new ();
    g_autoptr(GBytes) challenge = c->given ? hex_decode (member (c->given->data, "challenge"), NULL) : NULL;
    g_autoptr(GError) error = NULL;
    AttestResult *carried;
    guint8 spki[SHA256_LEN];

    sha256 (g_bytes_get_data (c->spki, NULL), g_bytes_get_size (c->spki), spki);
    carried = attest_verify (none, csr, spki, challenge, anchors, &error);
    if (!carried)
        flaw (c, CHECK_FAIL, made, "what the request carries: %s", error->message);
    else if (carried->genuine && collected && collected->genuine && !same_device (carried, collected))
        flaw (c, CHECK_FAIL, made, "the request carries the attestation of another device than the one whose evidence was collected");
    else if (!carried->genuine)
        flaw (c, collected && collected->genuine && request_carries_only (csr, files) ? CHECK_WARN : CHECK_FAIL, made, "the evidence that the request carries is refused by itself: %s",
              carried->reason);
    return carried;
}

/* The request's evidence, where it carries some; and that the journal says so. NULL: none. */
static AttestResult *
judge_request (Context *c, const AttestAnchors *anchors, const AttestResult *collected, GPtrArray *files)
{
    const Event *made = event_last (c, "request.made");
    g_autoptr(GBytes) csr = request_der (c);
    RequestForm form = csr ? request_carries (csr) : REQUEST_PLAIN;
    const char *told = made ? member (made->data, "attestation") : "";

    if (*told && !g_str_equal (told, request_form_word (form)))
        flaw (c, CHECK_FAIL, made, "the journal says that the request carries evidence of the form '%s', and it carries '%s'", told, request_form_word (form));
    return form == REQUEST_PLAIN ? NULL : judge_carried (c, csr, anchors, collected, files);
}

static CheckResult
judge_attestation (Context *c, const Event *read)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(AttestAnchors) anchors = c->options->vendors_path ? attest_anchors_load_with (c->options->vendors_path, c->options->vendors_dir, &error) : NULL;
    g_autoptr(GPtrArray) files = NULL;
    g_autoptr(AttestResult) result = NULL;

    if (!anchors)
        return unreached (c, "no list of vendors' keys could be read: %s", error ? error->message : "none was given");
    add_activation (c, anchors);
    attest_anchors_set_time (anchors, read->time);
    files = attested_inputs (c, read);
    result = judge_again (c, read, files, anchors, &error);
    if (!result) {
        flaw (c, CHECK_FAIL, read, "%s", error->message);
    } else {
        g_autoptr(AttestResult) carried = NULL;
        judge_result (c, read, result);
        compare_result (c, read, result);
        carried = judge_request (c, anchors, result, files);
        if (c->worst != CHECK_FAIL)
            tell_device (c, result);
    }
    c->outcome->fixed = TRUE;           /* evidence that was given and is refused is worse than none */
    cite (c, read);
    return done (c, "%s attests that the key was generated in %s%s%s and can't leave it%s", result ? result->vendor : "", result && result->model ? result->model : "a device of its",
                 result && result->serial ? ", serial number " : "", result && result->serial ? result->serial : "",
                 result && result->challenge == ATTEST_TRUE ? ", in answer to this challenge" : "");
}

/* Nothing was collected, and the request carries evidence all the same: it counts for what it is. */
static CheckResult
judge_carried_alone (Context *c)
{
    const Event *made = event_last (c, "request.made");
    g_autoptr(GError) error = NULL;
    g_autoptr(AttestAnchors) anchors = c->options->vendors_path ? attest_anchors_load_with (c->options->vendors_path, c->options->vendors_dir, &error) : NULL;
    g_autoptr(AttestResult) carried = NULL;

    if (!anchors)
        return unreached (c, "no list of vendors' keys could be read: %s", error ? error->message : "none was given");
    attest_anchors_set_time (anchors, made ? made->time : c->opened->time);
    carried = judge_request (c, anchors, NULL, NULL);
    if (carried && made)
        judge_result (c, made, carried);
    c->outcome->fixed = TRUE;
    if (c->worst == CHECK_FAIL && attributes_worthless (c))
        flaw (c, CHECK_FAIL, event_first (c, "token.found"), "and attributes of this module are the operator's word");
    if (carried && c->worst != CHECK_FAIL)
        tell_device (c, carried);
    cite (c, made);
    return done (c, "%s attests, in the request itself, that the key was generated in %s%s%s and can't leave it", carried ? carried->vendor : "",
                 carried && carried->model ? carried->model : "a device of its", carried && carried->serial ? ", serial number " : "", carried && carried->serial ? carried->serial : "");
}

/* An act that found no evidence says so by an empty list: that is none. */
static const Event *
evidence_read_in (Context *c)
{
    const Event *read = event_last (c, "attestation.read");

    return read && (json_array_size (json_object_get (read->data, "files")) > 0 || count_files (c) > 0) ? read : NULL;
}

CheckResult
check_attestation (Context *c)
{
    const Event *read = evidence_read_in (c);
    g_autoptr(GBytes) csr = request_der (c);
    gboolean carries = csr && request_carries (csr) != REQUEST_PLAIN;

    if ((read || carries) && !c->key)
        return unreached (c, "not reached: key.match failed");
    if (read)
        return judge_attestation (c, read);
    if (carries && count_files (c) == 0)
        return judge_carried_alone (c);
    c->outcome->fixed = count_files (c) > 0 || attributes_worthless (c);
    if (count_files (c) > 0)
        flaw (c, CHECK_FAIL, NULL, "files lie under key/attestation that the journal doesn't tell of");
    else if (attributes_worthless (c))
        flaw (c, CHECK_FAIL, event_first (c, "token.found"), "attributes of this module are the operator's word: it keeps them as text in the operator's own files, and "
              "without the TPM's own attestation they prove nothing");
    else if (c->rule.attestation_required)
        flaw (c, CHECK_FAIL, NULL, "no attestation was read, and the policy asks for one");
    else
        return skip (c, "no attestation was read: that the key was born in the device is the module's word and the witness's");
    return done (c, "%s", "");
}

/* The same conclusion as the statement's, from the journal; but an attestation counts only where it was judged anew and found genuine. */
CheckResult
check_key_history (Context *c)
{
    g_autoptr(json_t) history = statement_history (c->events);
    const json_t *sources = json_object_get (history, "sources"), *item;
    const char *kind = member (history, "kind"), *first = json_string_value (json_array_get (sources, 0));
    gboolean only_attested = json_array_size (sources) == 1 && g_strcmp0 (first, "attestation") == 0;
    g_autoptr(GString) by = g_string_new (NULL);
    gsize i;

    json_array_foreach (json_object_get (history, "evidence"), i, item)
        g_string_append_printf (by, "%s%s: %s", i ? "; " : "", member (item, "source"), member (item, "says"));
    cite (c, event_first (c, "attributes.read"));
    if (c->attested_import && !g_str_equal (kind, "imported")) {
        c->outcome->fixed = TRUE;
        flaw (c, CHECK_FAIL, event_last (c, "attestation.read"), "the key was imported into the device, whatever the journal says (attestation, judged anew)");
    } else if (g_str_equal (kind, "imported")) {
        c->outcome->fixed = TRUE;
        flaw (c, CHECK_FAIL, NULL, "the key was imported into the device, or unwrapped, copied or restored there (%s)", by->str);
    } else if (!g_str_equal (kind, "born-here") || (only_attested && !c->attested)) {
        flaw (c, c->rule.unknown_history_allowed ? CHECK_WARN : CHECK_FAIL, NULL, "where the key was born isn't known (%s)%s", by->len ? by->str : "nothing tells",
              c->rule.unknown_history_allowed ? "" : ", and the policy asks for a key that was born here");
    }
    return done (c, "born in the device (%s)", by->str);
}
