/* The witness's statement and signature. Everything is read from the container itself, so that the same code serves on the appliance and at the CA. */
#include "ceremony/run/seal.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/asice.h"
#include "ceremony/bundle/cades.h"
#include "ceremony/bundle/seen.h"
#include "ceremony/bundle/statement.h"
#include "ceremony/token/token.h"
#include <string.h>

#define DOCUMENT_MAX (16 * 1024 * 1024)
#define RETENTION "at least two years after the certificate's revocation or expiry (CSBR 5.5.2)"

typedef struct {
    const SealInput *input;
    json_t    *evidence, *people, *order, *digests, *statement;
    GPtrArray *events;              /* Event */
    Signer    *signer;
    char      *secret;              /* 64 hex digits */
    const char *opinion;
    char      *remarks, *not_seen;
} Seal;

static void
seal_clear (Seal *self)
{
    g_clear_pointer (&self->evidence, json_decref);
    g_clear_pointer (&self->people, json_decref);
    g_clear_pointer (&self->order, json_decref);
    g_clear_pointer (&self->digests, json_decref);
    g_clear_pointer (&self->statement, json_decref);
    g_clear_pointer (&self->events, g_ptr_array_unref);
    g_clear_pointer (&self->signer, signer_free);
    g_free (self->secret);
    g_free (self->remarks);
    g_free (self->not_seen);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Seal, seal_clear)

/* ── asking ── */

#define PAGE_COLUMNS 100            /* longer lines are hard to read: the screen breaks them */

typedef struct { gboolean done, given, broken_off; char *text; int choice; Secret *pin; } Told;

static void
told_clear (Told *self)
{
    g_free (self->text);
    g_clear_pointer (&self->pin, secret_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Told, told_clear)

static void
on_told (const Answer *answer, gpointer user_data)
{
    Told *told = user_data;

    told->done = TRUE;
    told->given = answer->kind == ANSWER_GIVEN;
    told->broken_off = answer->kind == ANSWER_ABORT;    /* the other function keys have nothing to add to here */
    if (!told->given)
        return;
    told->text = g_utf8_make_valid (answer->text ? answer->text : "", -1);
    told->choice = answer->choice;
    if (answer->pin) {
        told->pin = secret_new ();
        secret_set (told->pin, secret_data (answer->pin), secret_len (answer->pin));
    }
}

static gboolean
not_signed (GError **error)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_ABORTED, "the witness broke off; the evidence is as it was, and `ceremony seal` signs it later");
    return FALSE;
}

/* A function key other than abort means nothing here. */
static gboolean
tell (RunView *view, const Question *question, const char *page, Told *told, GError **error)
{
    do {
        told->done = FALSE;
        if (page)
            view->page (view, question->title, page, NULL, on_told, told);
        else
            view->ask (view, question, on_told, told);
        while (!told->done)
            g_main_context_iteration (NULL, TRUE);
    } while (!told->given && !told->broken_off);
    return told->given || not_signed (error);
}

static char *
tell_text (const Seal *self, const char *given, const char *id, const char *title, GError **error)
{
    g_auto(Told) told = { 0 };

    if (given || !self->input->view)
        return g_strdup (given ? given : "");
    if (!tell (self->input->view, &(Question){ .kind = ASK_TEXT, .id = id, .role = "witness", .title = title, .detail = "May be left empty.", .initial = "",
               .may_be_empty = TRUE }, NULL, &told, error))
        return NULL;
    return g_steal_pointer (&told.text);
}

/* ── reading ── */

static json_t *
read_json (const Asice *asice, const char *name, GError **error)
{
    g_autoptr(GBytes) bytes = asice_read (asice, name, DOCUMENT_MAX, error);
    json_t *json = bytes ? cjson_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error) : NULL;

    if (!json)
        g_prefix_error (error, "%s: ", name);
    return json;
}

static gboolean
read_events (Seal *self, const Asice *asice, GError **error)
{
    g_autoptr(GBytes) bytes = asice_read (asice, "journal/events.jsonl", ASICE_MAX_SMALL, error);
    gsize len = 0;
    const char *p = bytes ? g_bytes_get_data (bytes, &len) : "", *end = p + len;

    self->events = g_ptr_array_new_with_free_func ((GDestroyNotify) event_free);
    while (p && p < end) {
        const char *newline = memchr (p, '\n', (gsize) (end - p));
        Event *event = event_parse (p, (gsize) ((newline ? newline : end) - p), error);
        if (!event || !newline) {
            if (event)
                g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "its last line is cut off");
            g_prefix_error (error, "journal/events.jsonl, event %u: ", self->events->len);
            event_free (event);
            return FALSE;
        }
        g_ptr_array_add (self->events, event);
        p = newline + 1;
    }
    if (p && self->events->len == 0)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "journal/events.jsonl holds no event");
    return p && self->events->len > 0;
}

static gboolean
read_container (Seal *self, GError **error)
{
    g_autoptr(Asice) asice = asice_open (self->input->bundle, error);

    if (!asice)
        return FALSE;
    if (asice_signature_count (asice) != 1) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_EXISTS, "%s: it bears %u signatures, and a witness signs evidence that the appliance alone has signed; nothing was changed",
                     self->input->bundle, asice_signature_count (asice));
        return FALSE;
    }
    self->evidence = read_json (asice, "evidence.json", error);
    self->people = self->evidence ? read_json (asice, "people.json", error) : NULL;
    if (!self->people || !read_events (self, asice, error))
        return FALSE;
    if (asice_find (asice, "order/order.json") && !(self->order = read_json (asice, "order/order.json", error)))
        return FALSE;
    self->digests = asice_signature_digests (asice, error);
    return self->digests != NULL;
}

static const Event *
find_event (const Seal *self, const char *type)
{
    for (guint i = self->events->len; i-- > 0;)
        if (strcmp (((Event *) g_ptr_array_index (self->events, i))->type, type) == 0)
            return g_ptr_array_index (self->events, i);
    return NULL;
}

/* ── the opinion ── */

/* With deviations in the journal nobody can state that there were none, and what was aborted nobody can confirm. */
static gboolean
may_state (const Seal *self, guint opinion)
{
    const char *id = statement_opinions[opinion][0];

    if (g_strcmp0 (cjson_str (self->evidence, "outcome", NULL), "completed") != 0)
        return strcmp (id, "refused") == 0;
    return strcmp (id, "witnessed") != 0 || find_event (self, "deviation.noted") == NULL;
}

static gboolean
ask_opinion (Seal *self, GError **error)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new (), sentences = g_ptr_array_new ();
    g_auto(Told) told = { 0 };

    for (guint i = 0; statement_opinions[i][0]; i++)
        if (may_state (self, i)) {
            g_ptr_array_add (ids, (gpointer) statement_opinions[i][0]);
            g_ptr_array_add (sentences, (gpointer) statement_opinions[i][1]);
        }
    g_ptr_array_add (sentences, NULL);
    if (!tell (self->input->view, &(Question){ .kind = ASK_CHOICE, .id = "seal.opinion", .role = "witness", .title = "The witness's opinion", .detail = "", .initial = "",
               .choices = (const char *const *) sentences->pdata }, NULL, &told, error))
        return FALSE;
    self->opinion = g_ptr_array_index (ids, CLAMP (told.choice, 0, (int) ids->len - 1));
    return TRUE;
}

static gboolean
tell_opinion (Seal *self, GError **error)
{
    for (guint i = 0; statement_opinions[i][0]; i++)
        if (self->input->opinion && strcmp (self->input->opinion, statement_opinions[i][0]) == 0)
            self->opinion = statement_opinions[i][0];
    for (guint i = 0; self->opinion && statement_opinions[i][0]; i++)
        if (statement_opinions[i][0] == self->opinion && !may_state (self, i)) {
            g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "the opinion \"%s\" isn't true of this ceremony: %s", self->opinion,
                         g_strcmp0 (cjson_str (self->evidence, "outcome", NULL), "completed") != 0 ? "it was aborted; only a refusal can be signed"
                         : "its journal holds deviations; state witnessed-with-deviations, or refuse");
            return FALSE;
        }
    if (self->opinion)
        return TRUE;
    if (self->input->opinion || !self->input->view) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "\"%s\" is no opinion that a witness may state; use %s, %s or %s", self->input->opinion ? self->input->opinion : "",
                     statement_opinions[0][0], statement_opinions[1][0], statement_opinions[2][0]);
        return FALSE;
    }
    return ask_opinion (self, error);
}

/* The secret that the challenge came from is disclosed with the statement; it must be the one that the order committed to. */
static gboolean
read_secret (Seal *self, GError **error)
{
    const Event *given = find_event (self, "challenge.given");
    const char *commitment = cjson_str (((Event *) g_ptr_array_index (self->events, 0))->data, "challenge_commitment", NULL);
    g_autoptr(GBytes) file = NULL, secret = NULL;
    g_autofree char *text = NULL, *hash = NULL;

    if (!given || g_strcmp0 (cjson_str (given->data, "source", NULL), "secret") != 0)
        return TRUE;
    if (!self->input->secret_path) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "the challenge came from a secret, which the statement must disclose; give the file that holds it (--secret-file)");
        return FALSE;
    }
    if (!(file = file_read (self->input->secret_path, 4096, error)))
        return FALSE;
    text = g_strstrip (g_strndup (g_bytes_get_data (file, NULL), g_bytes_get_size (file)));
    secret = hex_decode (text, NULL);
    if (!secret || g_bytes_get_size (secret) != 32) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: a challenge's secret is 64 hex digits; give the file that was made with the order", self->input->secret_path);
        return FALSE;
    }
    hash = sha256_hex (g_bytes_get_data (secret, NULL), 32);
    if (commitment && strcmp (hash, commitment) != 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "%s: this isn't the secret that the order committed to; look for the file that was made with this order",
                     self->input->secret_path);
        return FALSE;
    }
    self->secret = g_steal_pointer (&text);
    return TRUE;
}

/* ── the signer ── */

static Signer *
load_signer (const SealInput *input, const Secret *pin, GError **error)
{
    if (input->key_path)
        return signer_load_file (input->key_path, pin, error);
    if (input->token_uri)
        return signer_load_token (input->token_uri, input->module_path, pin, error);
    g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "the witness signs with a key file (--key) or a token (--token): name one");
    return NULL;
}

static gboolean
is_wrong_pin (const GError *failed)
{
    return g_error_matches (failed, BASE_ERROR, BASE_ERROR_REFUSED) || g_error_matches (failed, TOKEN_ERROR, TOKEN_ERROR_PIN_WRONG);
}

/* Asks for it until it is right, or the witness breaks off: what was wrong stands above the next try. */
static gboolean
ask_signer (Seal *self, GError **failed)
{
    const SealInput *input = self->input;
    g_autofree char *wrong = NULL;

    while (!self->signer) {
        g_auto(Told) told = { 0 };
        g_autofree char *detail = g_strconcat (wrong ? wrong : "", wrong ? ". Type it again.\n" : "", "It is neither shown nor recorded.", NULL);
        g_clear_error (failed);
        if (!tell (input->view, &(Question){ .kind = ASK_PIN, .id = "seal.pin", .role = "witness", .title = "The PIN or passphrase of the witness's key", .detail = detail,
                   .initial = "" }, NULL, &told, failed))
            return FALSE;
        self->signer = load_signer (input, told.pin, failed);
        if (!self->signer && !is_wrong_pin (*failed))
            return FALSE;
        g_free (wrong);
        wrong = self->signer ? NULL : g_utf8_make_valid ((*failed)->message, -1);
    }
    return TRUE;
}

static gboolean
open_signer (Seal *self, GError **error)
{
    const SealInput *input = self->input;
    g_autoptr(GError) failed = NULL;
    g_autofree char *spki = NULL;
    const char *pinned = self->order ? cjson_str (json_object_get (self->order, "witness"), "spki_sha256", NULL) : NULL;

    if (input->key_path || input->pin || !input->view)
        self->signer = load_signer (input, input->pin, &failed);
    if (!self->signer && !input->pin && input->view && (input->token_uri || g_error_matches (failed, BASE_ERROR, BASE_ERROR_REFUSED)))
        ask_signer (self, &failed);
    if (!self->signer) {
        g_propagate_error (error, g_steal_pointer (&failed));
        return FALSE;
    }
    spki = signer_spki_sha256 (self->signer->cert);
    if (!pinned || g_strcmp0 (pinned, spki) == 0)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_REFUSED, "this key isn't the one of the witness whom the order names; sign with that one");
    return FALSE;
}

/* ── statement ── */

static json_t *
witness_of (const Seal *self)
{
    static const char *const keys[] = { "name", "employer", "qualification", "approval" };
    json_t *witness = json_object (), *entry;
    gsize i;

    for (gsize k = 0; k < G_N_ELEMENTS (keys); k++)
        json_object_set_new (witness, keys[k], json_string (""));
    json_array_foreach (json_object_get (self->people, "people"), i, entry) {
        if (g_strcmp0 (cjson_str (entry, "role", NULL), "witness") != 0)
            continue;
        for (gsize k = 0; k < G_N_ELEMENTS (keys); k++)
            if (cjson_str (entry, keys[k], NULL))
                json_object_set (witness, keys[k], json_object_get (entry, keys[k]));
    }
    return witness;
}

static const char *
or_order (const Seal *self, const char *given, const char *key)
{
    const char *text = given ? given : self->order ? cjson_str (self->order, key, NULL) : NULL;

    return text ? text : "";
}

static gboolean
state (Seal *self, GError **error)
{
    const SealInput *input = self->input;
    g_autoptr(json_t) witness = witness_of (self);
    StatementInput stated = { 0 };

    if (!tell_opinion (self, error) || !(self->remarks = tell_text (self, input->remarks, "seal.remarks", "Remarks", error))
        || !(self->not_seen = tell_text (self, input->not_seen, "seal.not_seen", "What the witness did not see", error)))
        return FALSE;
    stated.opinion = self->opinion;
    stated.remarks = self->remarks;
    stated.not_seen = self->not_seen;
    stated.place = or_order (self, input->place, "place");
    stated.region = or_order (self, input->region, "region");
    stated.retention = input->retention ? input->retention : RETENTION;
    stated.key_place = self->signer->place == SIGNER_TOKEN ? "token" : "key-file";
    stated.witness = witness;
    stated.signed_at = clock_wall_ms ();
    self->statement = statement_build (self->events, self->evidence, self->people, self->order, self->secret, self->digests, &stated, error);
    return self->statement != NULL;
}

static gboolean
agree (Seal *self, GError **error)
{
    RunView *view = self->input->view;
    g_autofree char *summary = NULL;
    g_auto(Told) read = { 0 }, sure = { 0 };
    guint cols, rows;

    if (!view)
        return TRUE;
    view->size (view, &cols, &rows);
    summary = statement_summary (self->statement, CLAMP (cols, 44, PAGE_COLUMNS + 4) - 4);
    if (!tell (view, &(Question){ .title = "What the witness signs: read it to its end" }, summary, &read, error)
        || !tell (view, &(Question){ .kind = ASK_YES_NO, .id = "seal.sign", .role = "witness", .title = "Sign this statement?", .detail = "", .initial = "" }, NULL, &sure, error))
        return FALSE;
    return sure.choice == 1 || not_signed (error);
}

/* ── signing ── */

static GBytes *
sign_manifest (const void *manifest, gsize len, gpointer user_data, GError **error)
{
    const Seal *self = user_data;
    GBytes *p7s = cades_sign (self->signer, manifest, len, error);

    if (p7s && self->input->tsa_url) {
        GBytes *stamped = cades_add_timestamp (p7s, self->input->tsa_url, 30000, error);
        g_bytes_unref (p7s);
        p7s = stamped;
    }
    return p7s;
}

/* Only what can be read goes under the witness's signature as something seen. */
static gboolean
add_seen (Seal *self, GPtrArray *items, GError **error)
{
    for (gsize i = 0; self->input->seen && self->input->seen[i]; i++) {
        g_autoptr(GBytes) bytes = file_read (self->input->seen[i], SEEN_MAX_LEN, error);
        g_autofree char *name = i ? g_strdup_printf ("witness/seen-%" G_GSIZE_FORMAT ".json", i + 1) : g_strdup ("witness/seen.json");
        g_autoptr(Seen) seen = bytes ? seen_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), NULL, error) : NULL;
        if (!seen) {
            g_prefix_error (error, "%s: ", self->input->seen[i]);
            return FALSE;
        }
        asice_items_add_bytes (items, name, bytes);
    }
    return TRUE;
}

static gboolean
append (Seal *self, GError **error)
{
    g_autoptr(GPtrArray) items = asice_items_new ();
    char *text = cjson_encode (self->statement, error);
    g_autoptr(GBytes) statement = text ? g_bytes_new_take (text, strlen (text)) : NULL;

    if (!statement)
        return FALSE;
    asice_items_add_bytes (items, "statement.json", statement);
    if (self->secret) {
        g_autofree char *line = g_strconcat (self->secret, "\n", NULL);
        g_autoptr(GBytes) bytes = g_bytes_new (line, strlen (line));
        asice_items_add_bytes (items, "witness/challenge-secret", bytes);
    }
    if (!add_seen (self, items, error))
        return FALSE;
    for (gsize i = 0; self->input->attachments && self->input->attachments[i]; i++) {
        g_autofree char *base = g_path_get_basename (self->input->attachments[i]), *name = g_strconcat ("witness/", base, NULL);
        asice_items_add_file (items, name, self->input->attachments[i]);
    }
    return asice_append (self->input->bundle, items, sign_manifest, NULL, self, error);
}

gboolean
seal_bundle (const SealInput *input, GError **error)
{
    g_auto(Seal) self = { .input = input };

    return read_container (&self, error) && read_secret (&self, error) && open_signer (&self, error) && state (&self, error) && agree (&self, error)
           && append (&self, error);
}

gboolean
seal_is_sealed (const char *bundle)
{
    g_autoptr(Asice) asice = asice_open (bundle, NULL);

    return asice && asice_signature_count (asice) >= 2;
}
