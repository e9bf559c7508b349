/* vendors.yaml: whom to believe about devices, as rows of name and key; and what a CA won't have. */
#include "ceremony/attest/anchors.h"
#include "ceremony/base/child.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include <cyaml/cyaml.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VENDORS_MAX_LEN (256 * 1024)

typedef struct { char *vendor, *use, *name, *spki, *source; } RowText;
typedef struct { char *use, *firmware_from, *firmware_to, *field, *value, *reason; } DenyText;
typedef struct {
    RowText  *anchors;
    guint64   anchors_count;
    DenyText *deny;
    guint64   deny_count;
} VendorsText;

#define TEXT(key, type, member) CYAML_FIELD_STRING_PTR (key, CYAML_FLAG_POINTER, type, member, 1, 8192)
#define MAYBE(key, type, member) CYAML_FIELD_STRING_PTR (key, CYAML_FLAG_POINTER_NULL | CYAML_FLAG_OPTIONAL, type, member, 0, 8192)

static const cyaml_schema_field_t row_fields[] = {
    TEXT ("vendor", RowText, vendor), TEXT ("use", RowText, use), TEXT ("name", RowText, name), TEXT ("spki", RowText, spki),
    TEXT ("source", RowText, source), CYAML_FIELD_END
};
static const cyaml_schema_value_t row_schema = { CYAML_VALUE_MAPPING (CYAML_FLAG_DEFAULT, RowText, row_fields) };
static const cyaml_schema_field_t deny_fields[] = {
    MAYBE ("use", DenyText, use), MAYBE ("firmware_from", DenyText, firmware_from), MAYBE ("firmware_to", DenyText, firmware_to),
    MAYBE ("field", DenyText, field), MAYBE ("value", DenyText, value), TEXT ("reason", DenyText, reason), CYAML_FIELD_END
};
static const cyaml_schema_value_t deny_schema = { CYAML_VALUE_MAPPING (CYAML_FLAG_DEFAULT, DenyText, deny_fields) };
static const cyaml_schema_field_t vendors_fields[] = {
    CYAML_FIELD_SEQUENCE ("anchors", CYAML_FLAG_POINTER, VendorsText, anchors, &row_schema, 1, 256),
    CYAML_FIELD_SEQUENCE ("deny", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, VendorsText, deny, &deny_schema, 0, 256), CYAML_FIELD_END
};
static const cyaml_schema_value_t vendors_schema = { CYAML_VALUE_MAPPING (CYAML_FLAG_POINTER, VendorsText, vendors_fields) };

static void keep_message (cyaml_log_t level, void *ctx, const char *format, va_list args)
{
    GString *text = ctx;
    if (level >= CYAML_LOG_ERROR && text->len < 500) {
        g_autofree char *line = g_strdup_vprintf (format, args);
        g_string_append_printf (text, "%s%s", text->len ? "; " : "", g_strstrip (line));
    }
}

static void anchor_free (AttestAnchor *self)
{
    g_free (self->vendor);
    g_free (self->use);
    g_free (self->name);
    g_clear_pointer (&self->spki, g_bytes_unref);
    EVP_PKEY_free (self->key);
    g_free (self);
}

static void deny_free (AttestDeny *self)
{
    g_free (self->use);
    g_free (self->firmware_from);
    g_free (self->firmware_to);
    g_free (self->field);
    g_free (self->value);
    g_free (self->reason);
    g_free (self);
}

static void activation_free (AttestActivation *self)
{
    g_bytes_unref (self->ak_name);
    g_free (self);
}

void attest_anchors_free (AttestAnchors *self)
{
    if (!self)
        return;
    g_ptr_array_unref (self->rows);
    g_ptr_array_unref (self->denies);
    g_ptr_array_unref (self->activations);
    g_free (self);
}

static gboolean add_row (AttestAnchors *self, const RowText *text, GError **error)
{
    AttestAnchor *row = g_new0 (AttestAnchor, 1);
    g_ptr_array_add (self->rows, row);
    row->vendor = g_strdup (text->vendor);
    row->use = g_strdup (text->use);
    row->name = g_strdup (text->name);
    row->spki = base64_decode (text->spki, -1, error);
    if (row->spki) {
        gsize n;
        const guint8 *data = g_bytes_get_data (row->spki, &n), *p = data;
        row->key = d2i_PUBKEY (NULL, &p, (long) n);
        if (!row->key || p != data + n)
            crypto_fail (error, "its spki isn't a public key");
    }
    if (row->key && row->spki && !(error && *error))
        return TRUE;
    g_prefix_error (error, "anchor %u (%s, %s): ", self->rows->len, text->vendor, text->name);
    return FALSE;
}

static char *clean (const char *text)
{
    return text && *text ? g_strdup (text) : NULL;
}

static gboolean add_all (AttestAnchors *self, const VendorsText *text, GError **error)
{
    for (guint64 i = 0; i < text->anchors_count; i++)
        if (!add_row (self, &text->anchors[i], error))
            return FALSE;
    for (guint64 i = 0; i < text->deny_count; i++) {
        const DenyText *d = &text->deny[i];
        AttestDeny *deny = g_new0 (AttestDeny, 1);
        *deny = (AttestDeny) { clean (d->use), clean (d->firmware_from), clean (d->firmware_to), clean (d->field), clean (d->value), clean (d->reason) };
        g_ptr_array_add (self->denies, deny);
        if (!deny->field != !deny->value || !(deny->use || deny->field || deny->firmware_from || deny->firmware_to)) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "deny rule %u: a field needs a value, and a rule needs something that it strikes",
                         (guint) i + 1);
            return FALSE;
        }
    }
    return TRUE;
}

AttestAnchors *attest_anchors_parse (const void *data, gsize len, GError **error)
{
    if (len > VENDORS_MAX_LEN) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_LIMIT, "vendors: larger than %d bytes", VENDORS_MAX_LEN);
        return NULL;
    }
    g_autoptr (GString) message = g_string_new (NULL);
    VendorsText *text = NULL;
    cyaml_config_t config = { .log_fn = keep_message, .log_ctx = message, .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR, .flags = CYAML_CFG_NO_ALIAS };
    cyaml_err_t err = cyaml_load_data (data, len, &config, &vendors_schema, (cyaml_data_t **) &text, NULL);
    if (err != CYAML_OK || !text) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "vendors: %s", message->len ? message->str : err ? cyaml_strerror (err) : "empty");
        return NULL;
    }
    g_autoptr (AttestAnchors) self = g_new0 (AttestAnchors, 1);
    self->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) anchor_free);
    self->denies = g_ptr_array_new_with_free_func ((GDestroyNotify) deny_free);
    self->activations = g_ptr_array_new_with_free_func ((GDestroyNotify) activation_free);
    self->at_ms = -1;
    gboolean ok = add_all (self, text, error);
    cyaml_free (&config, &vendors_schema, text, 0);
    if (!ok) {
        g_prefix_error (error, "vendors: ");
        return NULL;
    }
    return g_steal_pointer (&self);
}

AttestAnchors *attest_anchors_load (const char *path, GError **error)
{
    g_autoptr (GBytes) bytes = file_read (path, VENDORS_MAX_LEN, error);
    AttestAnchors *self = bytes ? attest_anchors_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error) : NULL;
    if (!self)
        g_prefix_error (error, "%s: ", path);
    return self;
}

char *attest_anchors_default_path (void)
{
    const char *set = g_getenv ("CEREMONY_VENDORS");
    if (set && *set)
        return g_strdup (set);
    g_autofree char *self = child_self_path ();
    g_autofree char *dir = self ? g_path_get_dirname (self) : g_strdup (".");
    g_autofree char *beside = g_build_filename (dir, "..", "scripts", "vendors.yaml", NULL);
    if (g_file_test (beside, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer (&beside);
    return g_build_filename (CEREMONY_DATADIR, "scripts", "vendors.yaml", NULL);
}

void attest_anchors_set_time (AttestAnchors *self, gint64 ms) { self->at_ms = ms; }

void attest_anchors_add_activation (AttestAnchors *self, GBytes *ak_name, const guint8 *ek_spki_sha256)
{
    AttestActivation *fact = g_new0 (AttestActivation, 1);
    fact->ak_name = g_bytes_ref (ak_name);
    memcpy (fact->ek_spki_sha256, ek_spki_sha256, sizeof fact->ek_spki_sha256);
    g_ptr_array_add (self->activations, fact);
}

gint64 anchors_time (const AttestAnchors *self)
{
    return self->at_ms >= 0 ? self->at_ms / 1000 : (gint64) time (NULL);
}

int firmware_compare (const char *a, const char *b)
{
    for (;;) {
        char *ea, *eb;
        unsigned long na = strtoul (a, &ea, 10), nb = strtoul (b, &eb, 10);
        if (na != nb)
            return na < nb ? -1 : 1;
        if (*ea != '.' || *eb != '.')
            return 0;
        a = ea + 1;
        b = eb + 1;
    }
}
