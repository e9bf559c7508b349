/* vendors.yaml: whom to believe about devices, as rows of name and key; and what a CA won't have. */
#include "ceremony/attest/anchors.h"
#include "ceremony/base/child.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/base/yaml.h"
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VENDORS_MAX_LEN (256 * 1024)
#define MAX_ROWS 256

typedef struct { char *vendor, *use, *name, *spki, *source; } RowText;

#define TEXT(key, type, member, required, max) { key, FIELD_TEXT, required, G_STRUCT_OFFSET (type, member), 0, max }

static const YamlField row_fields[] = {
    TEXT ("vendor", RowText, vendor, TRUE, 100), TEXT ("use", RowText, use, TRUE, 40), TEXT ("name", RowText, name, TRUE, 400),
    TEXT ("spki", RowText, spki, TRUE, 4096), TEXT ("source", RowText, source, TRUE, 400), { NULL, 0, FALSE, 0, 0, 0 }
};
static const YamlField deny_fields[] = {
    TEXT ("use", AttestDeny, use, FALSE, 40), TEXT ("firmware_from", AttestDeny, firmware_from, FALSE, 40),
    TEXT ("firmware_to", AttestDeny, firmware_to, FALSE, 40), TEXT ("field", AttestDeny, field, FALSE, 40), TEXT ("value", AttestDeny, value, FALSE, 100),
    TEXT ("reason", AttestDeny, reason, TRUE, 400), { NULL, 0, FALSE, 0, 0, 0 }
};
typedef struct { YamlNode *anchors, *deny; } VendorsText;
static const YamlField top_fields[] = {
    { "anchors", FIELD_LIST, TRUE, G_STRUCT_OFFSET (VendorsText, anchors), 0, 0 }, { "deny", FIELD_LIST, FALSE, G_STRUCT_OFFSET (VendorsText, deny), 0, 0 },
    { NULL, 0, FALSE, 0, 0, 0 }
};

static void
anchor_free (AttestAnchor *self)
{
    g_free (self->vendor);
    g_free (self->use);
    g_free (self->name);
    g_clear_pointer (&self->spki, g_bytes_unref);
    EVP_PKEY_free (self->key);
    g_free (self);
}

static void
deny_free (AttestDeny *self)
{
    g_free (self->use);
    g_free (self->firmware_from);
    g_free (self->firmware_to);
    g_free (self->field);
    g_free (self->value);
    g_free (self->reason);
    g_free (self);
}

static void
activation_free (AttestActivation *self)
{
    g_bytes_unref (self->ak_name);
    g_free (self);
}

void
attest_anchors_free (AttestAnchors *self)
{
    if (!self)
        return;
    g_ptr_array_unref (self->rows);
    g_ptr_array_unref (self->denies);
    g_ptr_array_unref (self->activations);
    g_free (self);
}

static void
add_row (AttestAnchors *self, const YamlNode *node, GPtrArray *problems)
{
    RowText text = { 0 };
    guint before = problems->len;
    yaml_read_map ("vendors", node, row_fields, &text, problems);
    AttestAnchor *row = g_new0 (AttestAnchor, 1);
    row->vendor = text.vendor;
    row->use = text.use;
    row->name = text.name;
    g_autofree char *spki = text.spki, *source = text.source;
    g_ptr_array_add (self->rows, row);
    if (problems->len > before)
        return;
    row->spki = base64_decode (spki, -1, NULL);
    gsize n = 0;
    const guint8 *data = row->spki ? g_bytes_get_data (row->spki, &n) : NULL, *p = data;
    row->key = data ? d2i_PUBKEY (NULL, &p, (long) n) : NULL;
    ERR_clear_error ();
    if (!row->key || p != data + n)
        yaml_problem (problems, "vendors", yaml_get (node, "spki"), "spki of %s: not the base64 of a DER public key (SubjectPublicKeyInfo)", row->name);
}

static void
add_deny (AttestAnchors *self, const YamlNode *node, GPtrArray *problems)
{
    AttestDeny *deny = g_new0 (AttestDeny, 1);
    g_ptr_array_add (self->denies, deny);
    yaml_read_map ("vendors", node, deny_fields, deny, problems);
    if (!deny->field != !deny->value || !(deny->use || deny->field || deny->firmware_from || deny->firmware_to))
        yaml_problem (problems, "vendors", node, "deny: a field needs a value, and a rule needs something that it strikes");
}

AttestAnchors *
attest_anchors_parse (const void *data, gsize len, GError **error)
{
    g_autoptr (YamlNode) top = yaml_tree_parse ("vendors", data, len, error);
    if (!top)
        return NULL;
    g_autoptr (AttestAnchors) self = g_new0 (AttestAnchors, 1);
    g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
    VendorsText text = { NULL, NULL };
    self->rows = g_ptr_array_new_with_free_func ((GDestroyNotify) anchor_free);
    self->denies = g_ptr_array_new_with_free_func ((GDestroyNotify) deny_free);
    self->activations = g_ptr_array_new_with_free_func ((GDestroyNotify) activation_free);
    self->at_ms = -1;
    yaml_read_map ("vendors", top, top_fields, &text, problems);
    for (guint i = 0; text.anchors && i < text.anchors->items->len && i < MAX_ROWS; i++)
        add_row (self, text.anchors->items->pdata[i], problems);
    for (guint i = 0; text.deny && i < text.deny->items->len && i < MAX_ROWS; i++)
        add_deny (self, text.deny->items->pdata[i], problems);
    if ((text.anchors && text.anchors->items->len > MAX_ROWS) || (text.deny && text.deny->items->len > MAX_ROWS))
        yaml_problem (problems, "vendors", top, "more than %d rows", MAX_ROWS);
    return yaml_problems_end (problems, error) ? g_steal_pointer (&self) : NULL;
}

AttestAnchors *
attest_anchors_load (const char *path, GError **error)
{
    g_autoptr (GBytes) bytes = file_read (path, VENDORS_MAX_LEN, error);
    AttestAnchors *self = bytes ? attest_anchors_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error) : NULL;
    if (bytes != NULL && self == NULL)
        g_prefix_error (error, "%s: ", path);
    return self;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Takes over what @more holds. */
static void
merge (AttestAnchors *self, AttestAnchors *more)
{
    g_ptr_array_extend_and_steal (self->rows, g_steal_pointer (&more->rows));
    g_ptr_array_extend_and_steal (self->denies, g_steal_pointer (&more->denies));
    g_ptr_array_unref (more->activations);
    g_free (more);
}

AttestAnchors *
attest_anchors_load_with (const char *path, const char *folder, GError **error)
{
    g_autoptr (AttestAnchors) self = attest_anchors_load (path, error);
    g_autoptr (GDir) open = folder ? g_dir_open (folder, 0, NULL) : NULL;
    g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
    if (!self)
        return NULL;
    for (const char *name; open && (name = g_dir_read_name (open)) != NULL;)
        if (name[0] != '.' && g_str_has_suffix (name, ".yaml"))
            g_ptr_array_add (names, g_build_filename (folder, name, NULL));
    g_ptr_array_sort (names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        AttestAnchors *more = attest_anchors_load (g_ptr_array_index (names, i), error);
        if (!more)
            return NULL;
        merge (self, more);
    }
    return g_steal_pointer (&self);
}

char *
attest_anchors_default_path (void)
{
    const char *set = g_getenv ("CEREMONY_VENDORS");
    if (set && *set)
        return g_strdup (set);
    return child_script_path ("vendors.yaml");
}

void attest_anchors_set_time (AttestAnchors *self, gint64 ms) { self->at_ms = ms; }

void
attest_anchors_add_activation (AttestAnchors *self, GBytes *ak_name, const guint8 *ek_spki_sha256)
{
    AttestActivation *fact = g_new0 (AttestActivation, 1);
    fact->ak_name = g_bytes_ref (ak_name);
    memcpy (fact->ek_spki_sha256, ek_spki_sha256, sizeof fact->ek_spki_sha256);
    g_ptr_array_add (self->activations, fact);
}

gint64
anchors_time (const AttestAnchors *self)
{
    return self->at_ms >= 0 ? self->at_ms / 1000 : (gint64) time (NULL);
}

int
firmware_compare (const char *a, const char *b)
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
