/* Judging a countersignature: first the signature, then whose it is, then what was declared with it, then the module that is declared. */
#include "ceremony/verify/countersigned.h"
#include "ceremony/base/clock.h"
#include "ceremony/verify/modules.h"
#include <string.h>

#define SLACK_MS (5 * 60 * 1000)
#define REUSE_MONTHS 13                 /* CSBR 4.2.1: how long a proof of method 7 may be reused */
#define FIPS_LEVEL 3                    /* CSBR 6.2.7.3: of a signing service's module */

#define SIGNATURE "service.signature"
#define TRUST_CHECK "service.trust"
#define DECLARATION "service.declaration"
#define MODULE "service.module"

static void
finding_free (CountersignedFinding *self)
{
    g_free (self->reason);
    g_free (self);
}

static void find (Countersigned *self, const char *check, gboolean warning, const char *format, ...) G_GNUC_PRINTF (4, 5);

static void
find (Countersigned *self, const char *check, gboolean warning, const char *format, ...)
{
    CountersignedFinding *finding = g_new0 (CountersignedFinding, 1);
    va_list args;

    va_start (args, format);
    *finding = (CountersignedFinding) { check, warning, g_strdup_vprintf (format, args) };
    va_end (args);
    g_ptr_array_add (self->findings, finding);
}

static const char *
text_in (const json_t *object, const char *group, const char *name)
{
    const char *text = cjson_str (json_object_get (object, group), name, NULL);

    return text ? text : "";
}

static void
judge_time (Countersigned *self, const CountersignedInput *input)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *why = NULL;
    gboolean stamped;

    if (!trust_signing_time (input->trust, self->cades, input->signature, &self->when, &stamped, &why, &error))
        find (self, SIGNATURE, FALSE, "its timestamp: %s", error->message);
    else if (why)
        find (self, SIGNATURE, TRUE, "its timestamp is by an authority that isn't trusted: %s", why);
    if (self->cades->signing_time == 0)
        find (self, SIGNATURE, FALSE, "it names no signing time");
    else if (self->cades->signing_time > clock_wall_ms () + SLACK_MS)
        find (self, SIGNATURE, FALSE, "its signing time lies in the future: check this machine's clock, and the signer's");
}

static void
judge_signer (Countersigned *self, const CountersignedInput *input)
{
    g_autofree char *why = NULL;

    self->subject = signer_subject (self->cades->signer);
    if (!input->trust)
        find (self, TRUST_CHECK, FALSE, "no trust given: use --trust DIR with the keys that you believe");
    else if (!trust_judge (input->trust, "service", self->cades->signer, self->cades->certificates, self->when, &why))
        find (self, TRUST_CHECK, FALSE, "%s may not sign as a signing service: %s", self->subject, why ? why : "unknown");
    else
        self->trusted = g_steal_pointer (&why);
}

/* The end of the audit's period and 13 months more. */
static gboolean
audit_is_old (const json_t *declaration, gint64 when)
{
    g_autofree char *text = g_strdup_printf ("%sT23:59:59Z", text_in (declaration, "audit", "period_to"));
    g_autoptr(GDateTime) end = g_date_time_new_from_iso8601 (text, NULL), limit = end ? g_date_time_add_months (end, REUSE_MONTHS) : NULL;

    return limit == NULL || g_date_time_to_unix (limit) * 1000 < when;
}

static void
judge_content (Countersigned *self)
{
    gint64 declared = 0;
    const json_t *tokens = json_object_get (json_object_get (self->declaration, "authentication"), "tokens_represented");

    clock_parse (cjson_str (self->declaration, "declared_at", NULL), &declared, NULL);
    if (ABS (declared - self->cades->signing_time) > SLACK_MS)
        find (self, DECLARATION, FALSE, "it was declared at another time than it was signed at");
    if (audit_is_old (self->declaration, self->when))
        find (self, DECLARATION, TRUE, "the audit that it names ended on %s, more than %d months before: ask for a newer one (CSBR 4.2.1)",
              text_in (self->declaration, "audit", "period_to"), REUSE_MONTHS);
    if (strcmp (text_in (self->declaration, "authentication", "kind"), "multi-factor") == 0 && !json_is_true (tokens))
        find (self, DECLARATION, TRUE, "it doesn't say that the subscriber represented to keep the tokens for multi-factor access securely (CSBR 6.2.7.3)");
}

static void
judge_declaration (Countersigned *self, const CountersignedInput *input)
{
    g_autoptr(GError) error = NULL;

    if (!input->declaration) {
        find (self, DECLARATION, FALSE, "the declaration that was countersigned with the request isn't there: what the signing service stands for can't be known");
        return;
    }
    self->declaration = countersignature_declaration (self->cades, input->request, input->declaration, &error);
    if (self->declaration)
        judge_content (self);
    else
        find (self, DECLARATION, FALSE, "%s", error->message);
}

/* ── the module ── */

static gboolean
level_suits (const char *scheme, const char *level)
{
    if (strcmp (scheme, "Common Criteria") != 0)
        return level[0] - '0' >= FIPS_LEVEL;
    return g_str_has_prefix (level, "EAL") && (level[3] > '4' || strcmp (level, "EAL4+") == 0);
}

static void
judge_row (Countersigned *self, const Module *row, ModuleState state, const char *certificate)
{
    const char *listed = row->certificate ? row->certificate : "";

    if (state == MODULE_REVOKED)
        find (self, MODULE, FALSE, "the certificate %s of %s %s was revoked", listed, row->vendor, row->model);
    else if (!module_suits (row, FIPS_LEVEL))
        find (self, MODULE, FALSE, "by the list %s %s is certified to %s level %s, less than a signing service needs", row->vendor, row->model, row->scheme, row->level);
    else if (state == MODULE_HISTORICAL)
        find (self, MODULE, TRUE, "the certificate %s of %s %s is historical", listed, row->vendor, row->model);
    else if (*listed && strcmp (listed, certificate) != 0)
        find (self, MODULE, TRUE, "the list has certificate %s for this module, the declaration names %s", listed, certificate);
}

static void
judge_module (Countersigned *self, const CountersignedInput *input)
{
    const json_t *d = self->declaration;
    const char *scheme = text_in (d, "module", "scheme"), *level = text_in (d, "module", "level"), *certificate = text_in (d, "module", "certificate");
    const char *firmware = text_in (d, "module", "firmware"), *serial = text_in (d, "module", "serial");
    g_autoptr(GError) error = NULL;
    g_autoptr(ModuleList) list = input->modules_path ? modules_load (input->modules_path, &error) : NULL;
    g_autofree char *near = NULL;
    ModuleState state = MODULE_ACTIVE;
    const Module *row = list ? modules_match (list, text_in (d, "module", "vendor"), text_in (d, "module", "model"), *serial ? serial : NULL, *firmware ? firmware : NULL, self->when,
                                              &state, &near) : NULL;

    self->module = g_strdup_printf ("%s %s, %s level %s, certificate %s", text_in (d, "module", "vendor"), text_in (d, "module", "model"), scheme, level, certificate);
    if (!level_suits (scheme, level))
        find (self, MODULE, FALSE, "%s level %s is less than a signing service's module needs (FIPS 140 level 3, or EAL4+)", scheme, level);
    else if (!list)
        find (self, MODULE, TRUE, "no list of suitable modules could be read: %s", error ? error->message : "none was given");
    else if (!row)
        find (self, MODULE, TRUE, "the list of suitable modules doesn't know this module (%s): ask for its certificate", near ? near : "no row is near");
    else
        judge_row (self, row, state, certificate);
}

Countersigned *
countersigned_judge (const CountersignedInput *input)
{
    Countersigned *self = g_new0 (Countersigned, 1);
    g_autoptr(GError) error = NULL;

    self->findings = g_ptr_array_new_with_free_func ((GDestroyNotify) finding_free);
    if (!input->signature) {
        find (self, SIGNATURE, FALSE, "there is no countersignature of the request");
        return self;
    }
    self->cades = countersignature_open (input->request, input->signature, &error);
    if (!self->cades) {
        find (self, SIGNATURE, FALSE, "%s", error->message);
        return self;
    }
    judge_time (self, input);
    judge_signer (self, input);
    judge_declaration (self, input);
    if (self->declaration)
        judge_module (self, input);
    return self;
}

gboolean
countersigned_reached (const Countersigned *self, const char *check)
{
    return strcmp (check, SIGNATURE) == 0 || (self->cades && (self->declaration || strcmp (check, MODULE) != 0));
}

void
countersigned_free (Countersigned *self)
{
    if (!self)
        return;
    g_ptr_array_unref (self->findings);
    cades_free (self->cades);
    json_decref (self->declaration);
    g_free (self->subject);
    g_free (self->trusted);
    g_free (self->module);
    g_free (self);
}
