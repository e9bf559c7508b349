/* The statement as the witness reads it before signing: plain text, the few things that matter, the odd ones first among them. */
#include "ceremony/bundle/statement-internal.h"
#include "ceremony/base/encode.h"
#include <string.h>

#define LABEL 14                            /* width of the column of labels */
#define MIN_WIDTH 40

typedef struct { GString *out; guint width; } Page;

static guint
text_width (const char *text, gsize len)
{
    guint n = 0;
    for (const char *p = text; p < text + len; p = g_utf8_next_char (p)) {
        gunichar c = g_utf8_get_char (p);
        n += g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
    }
    return n;
}

/* How many bytes of a word too long for a line fit into @width columns. */
static gsize
fitting (const char *word, gsize len, guint width)
{
    const char *p = word;
    while (p < word + len && text_width (word, (gsize) (g_utf8_next_char (p) - word)) <= width)
        p = g_utf8_next_char (p);
    return MAX ((gsize) (p - word), 1);
}

static void
new_line (Page *page, guint indent, guint *column)
{
    g_string_append_printf (page->out, "\n%*s", (int) indent, "");
    *column = indent;
}

/* @text from column @indent on, broken at spaces. */
static void
wrap (Page *page, guint indent, guint column, const char *text)
{
    gboolean at_start = TRUE;
    for (const char *p = text; *p != '\0';) {
        gsize len = strcspn (p, " ");
        guint width = text_width (p, len);
        if (!at_start && column + 1 + width > page->width) {
            new_line (page, indent, &column);
            at_start = TRUE;
        } else if (!at_start) {
            g_string_append_c (page->out, ' ');
            column++;
        }
        gsize part = width > page->width - indent ? fitting (p, len, page->width - column) : len;
        g_string_append_len (page->out, p, (gssize) part);
        column += text_width (p, part);
        p += part;
        at_start = FALSE;
        if (part < len)
            new_line (page, indent, &column);
        at_start = part < len;
        if (part == len && *p == ' ')
            p++;
    }
    g_string_append_c (page->out, '\n');
}

/* Foreign text: nothing in it may move the cursor or pass for a line of ours. */
static char *
clean (const char *text)
{
    GString *out = g_string_new (NULL);
    for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p)) {
        gunichar c = g_utf8_get_char (p);
        if (g_unichar_isspace (c))
            g_string_append_c (out, ' ');
        else
            g_string_append_unichar (out, g_unichar_isprint (c) ? c : 0xfffd);
    }
    return g_string_free (out, FALSE);
}

static void G_GNUC_PRINTF (3, 4)
line (Page *page, const char *label, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    g_autofree char *raw = g_strdup_vprintf (format, args), *text = clean (raw);
    va_end (args);
    g_string_append_printf (page->out, "  %-*s ", LABEL, label);
    wrap (page, LABEL + 3, LABEL + 3, text[0] != '\0' ? text : "-");
}

static void
heading (Page *page, const char *text)
{
    if (page->out->len > 0)
        g_string_append_c (page->out, '\n');
    g_string_append_printf (page->out, "%s\n", text);
}

static const json_t *
at (const json_t *object, const char *path)
{
    g_auto (GStrv) parts = g_strsplit (path, "/", -1);
    for (char **part = parts; *part != NULL; part++)
        object = json_object_get (object, *part);
    return object;
}

/* Any value as a person reads it; g_free. */
static char *
shown (const json_t *value)
{
    if (json_is_string (value))
        return g_strdup (json_string_value (value));
    if (json_is_integer (value))
        return g_strdup_printf ("%" JSON_INTEGER_FORMAT, json_integer_value (value));
    if (json_is_boolean (value))
        return g_strdup (json_is_true (value) ? "yes" : "no");
    if (json_is_object (value) && json_is_string (json_object_get (value, "hex")))
        return g_strdup_printf ("bytes %s", text_of (value, "hex"));
    char *text = value != NULL && !json_is_null (value) ? cjson_encode (value, NULL) : NULL;
    return text != NULL ? text : g_strdup ("-");
}

static char *
shown_at (const json_t *object, const char *path)
{
    return shown (at (object, path));
}

static char *
words_of_hex (const char *hex)
{
    g_autoptr (GBytes) bytes = hex_decode (hex, NULL);
    gsize len = 0;
    const void *data = bytes != NULL ? g_bytes_get_data (bytes, &len) : NULL;
    return data != NULL ? pgp_words (data, MIN (len, 16)) : g_strdup ("-");
}

/* As many as the screens show. */
static char *
words_of_root (const json_t *checkpoint)
{
    g_autoptr (GBytes) bytes = base64_decode (text_of (checkpoint, "root"), -1, NULL);
    gsize len = 0;
    const void *data = bytes != NULL ? g_bytes_get_data (bytes, &len) : NULL;
    return data != NULL ? pgp_words (data, MIN (len, 4)) : g_strdup ("-");
}

static void
show_opinion (Page *page, const json_t *stated)
{
    heading (page, "YOU STATE");
    line (page, "Opinion", "%s", text_of (stated, "sentence"));
    line (page, "Remarks", "%s", text_of (stated, "remarks"));
    line (page, "Not seen", "%s", text_of (stated, "not_seen"));
    line (page, "As", "%s, %s; %s; %s", text_of (at (stated, "witness"), "name"), text_of (at (stated, "witness"), "employer"),
          text_of (at (stated, "witness"), "qualification"), text_of (at (stated, "witness"), "approval"));
    line (page, "Place", "%s (%s)", text_of (stated, "place"), text_of (stated, "region"));
    line (page, "Kept", "%s", text_of (stated, "retention"));
    line (page, "Your key", "%s", g_str_equal (text_of (stated, "key_place"), "token") ? "in a token" : "in a file");
    line (page, "Signed", "%s", text_of (stated, "signed_at"));
}

static void
show_identity (Page *page, const json_t *derived)
{
    const json_t *identity = at (derived, "identity"), *people = at (derived, "parties/people");
    g_autofree char *order = shown_at (identity, "order/id"), *subscriber = shown_at (derived, "parties/subscriber/name");
    heading (page, "CEREMONY");
    line (page, "Ceremony", "%s%s", text_of (identity, "ceremony"), json_is_true (json_object_get (identity, "rehearsal")) ? " (A REHEARSAL: never accepted as proof)" : "");
    line (page, "Outcome", "%s %s", text_of (identity, "outcome"), text_of (identity, "reason"));
    line (page, "Order", "%s", order);
    line (page, "Script", "%s, version %s", text_of (at (identity, "script"), "title"), text_of (at (identity, "script"), "version"));
    line (page, "Policy", "%s, version %s", text_of (at (identity, "policy"), "title"), text_of (at (identity, "policy"), "version"));
    line (page, "Subscriber", "%s", subscriber);
    for (gsize i = 0; i < json_array_size (people); i++) {
        const json_t *party = json_array_get (people, i);
        line (page, text_of (party, "person"), "%s, identified by: %s", text_of (party, "role"), text_of (party, "identified_by"));
    }
    line (page, "From", "%s", text_of (at (derived, "time"), "started"));
    line (page, "To", "%s; sittings: %u", text_of (at (derived, "time"), "closed"), (guint) json_array_size (at (derived, "time/sittings")));
}

static void
show_module (Page *page, const json_t *derived)
{
    const json_t *module = at (derived, "module");
    heading (page, "DEVICE");
    if (!json_is_object (module)) {
        line (page, "Device", "none was used");
        return;
    }
    g_autofree char *maker = shown_at (module, "manufacturer"), *model = shown_at (module, "model"), *serial = shown_at (module, "serial");
    g_autofree char *firmware = shown_at (module, "firmware"), *seen = shown_at (module, "shown/serial");
    line (page, "Device", "%s %s, serial %s, firmware %s", maker, model, serial, firmware);
    if (json_is_object (at (module, "shown")))
        line (page, "Shown", "the witness read serial %s: it %s", seen, json_is_true (at (module, "shown/matches")) ? "matches" : "DOESN'T MATCH");
    else
        line (page, "Shown", "it wasn't shown to the camera");
    line (page, "Module", "%s, SHA-256 %s", text_of (at (module, "module"), "path"), text_of (at (module, "module"), "sha256"));
}

static void
show_attributes (Page *page, const json_t *key)
{
    const json_t *attributes = at (key, "attributes");
    guint wrong = 0;
    for (gsize i = 0; i < json_array_size (attributes); i++) {
        const json_t *item = json_array_get (attributes, i), *fits = json_object_get (item, "as_required");
        if (!json_is_boolean (fits) && !g_str_equal (text_of (item, "name"), "CKA_KEY_GEN_MECHANISM"))
            continue;
        if (!g_str_equal (text_of (item, "object"), "private"))
            continue;
        g_autofree char *value = json_object_get (item, "error") != NULL ? g_strdup_printf ("not told (%s)", text_of (item, "error")) : shown (json_object_get (item, "value"));
        wrong += json_is_false (fits) ? 1 : 0;
        line (page, json_is_false (fits) ? "  WRONG" : "", "%s: %s (%s)", text_of (item, "name"), value, text_of (item, "meaning"));
    }
    if (wrong > 0)
        line (page, "  WRONG", "%u attribute(s) aren't what a code-signing key must have", wrong);
}

static void
show_key (Page *page, const json_t *derived)
{
    const json_t *key = at (derived, "key"), *uses = at (key, "signatures");
    heading (page, "KEY");
    if (!json_is_object (key)) {
        line (page, "Key", "none was generated");
        return;
    }
    g_autofree char *words = words_of_hex (text_of (key, "spki_sha256")), *id = shown_at (key, "id"), *others = shown_at (key, "others_before/private_keys");
    line (page, "Key", "%s, label %s, id %s", text_of (key, "algorithm"), text_of (key, "label"), id);
    line (page, "SHA-256", "%s", text_of (key, "spki_sha256"));
    line (page, "In words", "%s", words);
    const char *kind = text_of (at (key, "history"), "kind");
    line (page, "Born", "%s (%s); backup: %s", g_str_equal (kind, "born-here") ? "in this device" : g_str_equal (kind, "imported") ? "elsewhere: imported into this device" : kind, json_array_size (at (key, "history/sources")) > 0 ? "by the device's word" : "nothing tells",
          text_of (at (key, "backup"), "kind"));
    line (page, "Before it", "other private keys on the device: %s", others);
    line (page, "Attributes", "as the token told them:");
    show_attributes (page, key);
    line (page, "Signed", "uses of the private key: %u", (guint) json_array_size (uses));
    for (gsize i = 0; i < json_array_size (uses); i++) {
        const json_t *use = json_array_get (uses, i);
        g_autofree char *digest = shown_at (use, "digest");
        line (page, "", "%" JSON_INTEGER_FORMAT ". %s, digest %s", json_integer_value (json_object_get (use, "use")), text_of (use, "purpose"), digest);
    }
}

static void
show_evidence (Page *page, const json_t *derived)
{
    const json_t *evidence = at (derived, "evidence"), *frames = at (evidence, "frames");
    g_autofree char *opening = words_of_root (at (evidence, "opening")), *final = words_of_root (at (evidence, "journal"));
    g_autofree char *events = shown_at (evidence, "journal/size"), *dropped = shown_at (frames, "dropped"), *asked = shown_at (frames, "asked");
    g_autofree char *codes = shown_at (evidence, "qr_codes/shown");
    heading (page, "EVIDENCE");
    line (page, "Challenge", "%s (%s)", text_of (at (evidence, "challenge"), "words"),
          g_str_equal (text_of (at (evidence, "challenge"), "source"), "secret") ? "from your secret" : "your own words");
    line (page, "Opening", "%s", opening);
    line (page, "Final", "%s: compare them with the words that you noted", final);
    line (page, "Journal", "%s events; %s QR codes in the picture; parts recorded: %u", events, codes, (guint) json_array_size (at (evidence, "parts")));
    line (page, "Frames", "%s dropped of %s", dropped, asked);
    if (json_is_object (at (evidence, "countersignature"))) {
        const json_t *by = at (evidence, "countersignature");
        line (page, "Countersigned", "by %s, %s, at %s; %s; module %s %s, %s level %s, certificate %s", text_of (at (by, "service"), "name"), text_of (at (by, "service"), "operator"),
              text_of (by, "signed_at"), text_of (by, "authentication"), text_of (at (by, "module"), "vendor"), text_of (at (by, "module"), "model"),
              text_of (at (by, "module"), "scheme"), text_of (at (by, "module"), "level"), text_of (at (by, "module"), "certificate"));
    }
    line (page, "Attestation", "files read from the token: %u", (guint) json_array_size (at (evidence, "attestations")));
}

static void
show_list (Page *page, const json_t *list, const char *label, const char *const *keys)
{
    if (json_array_size (list) == 0)
        line (page, label, "none");
    for (gsize i = 0; i < json_array_size (list); i++) {
        g_autoptr (GString) text = g_string_new (text_of (json_array_get (list, i), "time"));
        for (const char *const *key = keys; *key != NULL; key++) {
            g_autofree char *value = shown_at (json_array_get (list, i), *key);
            g_string_append_printf (text, "; %s: %s", *key, value);
        }
        line (page, i == 0 ? label : "", "%s", text->str);
    }
}

static void
show_observation (Page *page, const json_t *derived)
{
    const json_t *observation = at (derived, "observation");
    guint confirmed = (guint) json_array_size (at (observation, "hold_points"));
    heading (page, "OBSERVATION");
    line (page, "Confirmed", "%u times at hold points", confirmed);
    g_autofree char *serial = shown_at (observation, "unplug/returned/serial");
    line (page, "Unplugged", "%s%s", json_is_object (at (observation, "unplug")) ? "yes; back came serial " : "no", json_is_object (at (observation, "unplug")) ? serial : "");
    show_list (page, at (observation, "deviations"), "Deviations", (const char *const[]) { "expected", "happened", "decided", NULL });
    show_list (page, at (observation, "interruptions"), "Interruptions", (const char *const[]) { "gap_ms", "rebooted", NULL });
    show_list (page, at (observation, "breaks"), "Breaks", (const char *const[]) { "reason", NULL });
    show_list (page, at (observation, "faults"), "Faults", (const char *const[]) { "what", "reason", NULL });
    show_list (page, at (observation, "skipped"), "Skipped", (const char *const[]) { "step", "reason", NULL });
    show_list (page, at (observation, "notes"), "Notes", (const char *const[]) { "by", "text", NULL });
}

char *
statement_summary (const json_t *statement, guint width)
{
    Page page = { g_string_new (NULL), MAX (width, MIN_WIDTH) };
    const json_t *derived = json_object_get (statement, "derived");
    show_opinion (&page, json_object_get (statement, "stated"));
    show_identity (&page, derived);
    show_module (&page, derived);
    show_key (&page, derived);
    show_evidence (&page, derived);
    show_observation (&page, derived);
    return g_string_free (page.out, FALSE);
}
