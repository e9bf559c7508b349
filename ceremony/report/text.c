/* A verdict as text: what failed comes first, each reason whole, what passed in short lines by family. */
#include <string.h>
#include "ceremony/base/shell.h"
#include "ceremony/report/report.h"

#define ID_WIDTH 22

/* A reader's way through a bundle; a family that isn't named here comes last. */
static const char *const reading_order[] = {
    "rehearsal", "clip", "container", "signatures", "order", "journal", "people", "script", "challenge", "sequence", "key", "device", "service", "tracks", "statement",
};

typedef struct {
    GString    *out;
    guint       width;
    ReportStyle style;
} Page;

static const struct { const char *mark, *ascii, *colour; } marks[] = {
    [CHECK_PASS] = { "✓", "+", "\033[32m" },
    [CHECK_WARN] = { "!", "!", "\033[33m" },
    [CHECK_FAIL] = { "✗", "x", "\033[31m" },
    [CHECK_SKIPPED] = { "–", "-", "\033[2m" },
};

static const struct { const char *word, *meaning, *colour; } kinds[] = {
    [VERDICT_ACCEPT] = { "ACCEPT", "every check passed", "\033[1;32m" },
    [VERDICT_REFUSE] = { "REFUSE", "a required check failed", "\033[1;31m" },
    [VERDICT_UNREADABLE] = { "UNREADABLE", "this isn't a bundle", "\033[1;31m" },
    [VERDICT_REVIEW] = { "REVIEW", "nothing required failed, and a person must decide on what is listed below", "\033[1;33m" },
};

/* A clip is only ever judged as one. */
static const char *const clip_meanings[] = {
    [VERDICT_ACCEPT] = "a genuine piece of the ceremony's video; what it doesn't show isn't judged",
    [VERDICT_REFUSE] = "it isn't proved to be a piece of a ceremony's video",
    [VERDICT_UNREADABLE] = "this isn't a clip that can be read",
    [VERDICT_REVIEW] = "nothing required failed, and a person must decide on what is listed below",
};

static guint
columns (const char *text, gsize len)
{
    guint n = 0;

    for (const char *p = text; p < text + len; p = g_utf8_next_char (p)) {
        gunichar ch = g_utf8_get_char (p);
        n += g_unichar_iszerowidth (ch) ? 0 : g_unichar_iswide (ch) ? 2 : 1;
    }
    return n;
}

/* Appends @text from column @at on, broken at spaces, further lines indented by @indent. Ends the line. */
static void
wrap (Page *p, guint at, guint indent, const char *text)
{
    gboolean fresh = TRUE;

    while (*text) {
        gsize len = strcspn (text, " ");
        guint n = columns (text, len);
        if (!fresh && at + 1 + n > p->width) {
            g_string_append_printf (p->out, "\n%*s", (int) indent, "");
            at = indent;
            fresh = TRUE;
        }
        if (!fresh) {
            g_string_append_c (p->out, ' ');
            at++;
        }
        g_string_append_len (p->out, text, len);
        at += n;
        fresh = FALSE;
        text += len + strspn (text + len, " ");
    }
    g_string_append_c (p->out, '\n');
}

static void
coloured (Page *p, const char *colour, const char *text)
{
    if (p->style & REPORT_COLOUR)
        g_string_append_printf (p->out, "%s%s\033[0m", colour, text);
    else
        g_string_append (p->out, text);
}

static void
field (Page *p, const char *name, const char *format, ...) G_GNUC_PRINTF (3, 4);

static void
field (Page *p, const char *name, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start (args, format);
    text = g_strdup_vprintf (format, args);
    va_end (args);
    g_string_append_printf (p->out, "  %-11s ", name);
    wrap (p, 14, 14, text);
}

static const char *
value (const json_t *object, const char *key)
{
    const char *text = json_string_value (json_object_get (object, key));

    return text ? text : "unknown";
}

static void
headline (Page *p, const Verdict *verdict)
{
    g_autofree char *bundle = g_filename_display_name (verdict->bundle), *text = NULL;

    coloured (p, kinds[verdict->kind].colour, kinds[verdict->kind].word);
    text = g_strdup_printf ("  %s", bundle);
    wrap (p, strlen (kinds[verdict->kind].word), 2, text);
    g_string_append (p->out, "  ");
    if (verdict->genuine)
        wrap (p, 2, 2, "A genuine rehearsal: nothing else failed, and a rehearsal is never accepted as evidence.");
    else if (verdict->rehearsal)
        wrap (p, 2, 2, "This is a rehearsal, and more than that speaks against it.");
    else
        wrap (p, 2, 2, verdict->clip ? clip_meanings[verdict->kind] : kinds[verdict->kind].meaning);
    g_string_append_c (p->out, '\n');
}

static void
describe (Page *p, const Verdict *verdict)
{
    const json_t *s = verdict->summary;

    if (!json_object_get (s, "ceremony"))
        return;
    field (p, "ceremony", "%s, %s to %s, %s", value (s, "ceremony"), value (s, "started"), value (s, "closed"), value (s, "outcome"));
    if (json_is_string (json_object_get (s, "order")))
        field (p, "order", "%s", value (s, "order"));
    field (p, "subscriber", "%s", value (s, "subscriber"));
    field (p, "subject", "%s", value (s, "subject"));
    if (verdict->key)
        field (p, "key", "%s, SHA-256 of its SPKI %s", value (verdict->key, "algorithm"), value (verdict->key, "spki_sha256"));
    if (verdict->device)
        field (p, "device", "%s %s, serial number %s, firmware %s", value (verdict->device, "vendor"), value (verdict->device, "model"),
               value (verdict->device, "serial"), value (verdict->device, "firmware"));
    if (json_is_string (json_object_get (s, "opinion")))
        field (p, "opinion", "%s", value (s, "opinion"));
    g_string_append_c (p->out, '\n');
}

/* Where reasons begin: beside the ids, or below them where that would leave too little room. */
static guint
reason_column (const Page *p)
{
    return p->width >= 70 ? 4 + ID_WIDTH + 1 : 6;
}

static void
mark_line (Page *p, const CheckOutcome *outcome)
{
    CheckResult shown = outcome->ignored ? CHECK_SKIPPED : outcome->result;

    g_string_append (p->out, "  ");
    coloured (p, marks[shown].colour, p->style & REPORT_ASCII ? marks[shown].ascii : marks[shown].mark);
    g_string_append_printf (p->out, " %-*s ", ID_WIDTH, outcome->id);
    wrap (p, 4 + MAX (strlen (outcome->id), ID_WIDTH) + 1, reason_column (p), outcome->reason);
}

static void
where (Page *p, const CheckOutcome *outcome)
{
    g_autoptr(GString) text = g_string_new (NULL);

    g_string_append_printf (text, "Must hold: %s (%s)", outcome->meaning, outcome->clause);
    for (guint i = 0; i < outcome->events->len && i < 8; i++)
        g_string_append_printf (text, "%s %" G_GUINT64_FORMAT, i ? "," : outcome->events->len == 1 ? " Event" : " Events", g_array_index (outcome->events, guint64, i));
    if (outcome->events->len)
        g_string_append (text, outcome->events->len > 8 ? " …." : ".");
    if (outcome->video_ms >= 0)
        g_string_append_printf (text, " Look at %" G_GINT64_FORMAT ":%02" G_GINT64_FORMAT " of the video.", outcome->video_ms / 60000, outcome->video_ms / 1000 % 60);
    g_string_append_printf (p->out, "%*s", (int) reason_column (p), "");
    wrap (p, reason_column (p), reason_column (p), text->str);
}

static void
against (Page *p, const Verdict *verdict)
{
    static const CheckResult order[] = { CHECK_FAIL, CHECK_WARN };
    gboolean any = FALSE;

    for (gsize k = 0; k < G_N_ELEMENTS (order); k++) {
        for (guint i = 0; i < verdict->outcomes->len; i++) {
            const CheckOutcome *outcome = verdict->outcomes->pdata[i];
            if (outcome->result != order[k] || outcome->ignored)
                continue;
            if (!any)
                g_string_append (p->out, "What speaks against it\n");
            any = TRUE;
            mark_line (p, outcome);
            where (p, outcome);
        }
    }
    if (any)
        g_string_append_c (p->out, '\n');
}

static gboolean
has_family (const Verdict *verdict, const char *family)
{
    for (guint i = 0; i < verdict->outcomes->len; i++)
        if (g_str_equal (((const CheckOutcome *) verdict->outcomes->pdata[i])->family, family))
            return TRUE;
    return FALSE;
}

static void
one_family (Page *p, const Verdict *verdict, const char *family)
{
    guint passed = 0, others = 0;

    g_string_append_printf (p->out, "%s\n", family);
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *outcome = verdict->outcomes->pdata[i];
        if (!g_str_equal (outcome->family, family))
            continue;
        gboolean against = !outcome->ignored && (outcome->result == CHECK_FAIL || outcome->result == CHECK_WARN);
        passed += outcome->result == CHECK_PASS;
        others += against;
        if (!against && (outcome->result != CHECK_PASS || !(p->style & REPORT_BRIEF)))
            mark_line (p, outcome);
    }
    if (p->style & REPORT_BRIEF && passed)
        g_string_append_printf (p->out, "  %u passed\n", passed);
    if (others)
        g_string_append_printf (p->out, "  %u more above\n", others);
}

static void
families (Page *p, const Verdict *verdict)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new ();

    for (gsize i = 0; i < G_N_ELEMENTS (reading_order); i++)
        if (has_family (verdict, reading_order[i]))
            g_ptr_array_add (names, (gpointer) reading_order[i]);
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *outcome = verdict->outcomes->pdata[i];
        if (!g_ptr_array_find_with_equal_func (names, outcome->family, g_str_equal, NULL))
            g_ptr_array_add (names, (gpointer) outcome->family);
    }
    for (guint i = 0; i < names->len; i++)
        one_family (p, verdict, names->pdata[i]);
    g_string_append_c (p->out, '\n');
}

static void
limits (Page *p, const Verdict *verdict)
{
    if (!json_is_true (json_object_get (verdict->summary, "attested")))
        wrap (p, 0, 0, "Not proved: without a vendor's attestation the key's attributes are the word of the module that the operator installed.");
    else
        wrap (p, 0, 0, "Not proved: what the vendor's own cloning or backup may do with a key that was never extractable.");
    wrap (p, 0, 0, "Nor can software judge the people in the picture: look at them, and at the moments named above.");
}

/* How to look at a clip: the files in it play. */
static void
next_of_clip (Page *p, const Verdict *verdict)
{
    const json_t *pieces = json_object_get (verdict->clip, "pieces");
    g_autofree char *shown = g_filename_display_name (verdict->bundle), *clip = shell_word (shown);
    gboolean believed = verdict->kind != VERDICT_REFUSE || verdict->genuine;

    g_string_append (p->out, "\nNext: ");
    wrap (p, 6, 0, believed ? "look at it. Only the whole bundle tells what happened before and after." : "believe nothing that it shows.");
    for (gsize i = 0; believed && i < json_array_size (pieces); i++) {
        g_autofree char *path = shell_word (value (json_array_get (pieces, i), "path"));
        g_string_append_printf (p->out, "  unzip -p %s %s >clip-%" G_GSIZE_FORMAT ".mkv\n", clip, path, i + 1);
    }
}

/* What a person does with this verdict, as commands to paste. */
static void
next_steps (Page *p, const Verdict *verdict)
{
    static const char *const says[] = {
        [VERDICT_ACCEPT] = "The CA may rely on it when a person has looked at the video.", [VERDICT_REFUSE] = "The CA can't rely on it.",
        [VERDICT_REVIEW] = "A person decides on the warnings, with the video and the events beside them.",
    };
    g_autofree char *shown = g_filename_display_name (verdict->bundle), *bundle = shell_word (shown);

    g_string_append (p->out, "\nNext: ");
    wrap (p, 6, 0, verdict->genuine ? "look at the recording. A real ceremony begins with `ceremony run`." : says[verdict->kind]);
    g_string_append_printf (p->out, "  ceremony play %s --step liveness\n  ceremony extract %s -d FOLDER\n", bundle, bundle);
}

char *
report_text (const Verdict *verdict, guint width, ReportStyle style)
{
    Page page = { .out = g_string_new (NULL), .width = MAX (width, 40), .style = style };

    headline (&page, verdict);
    describe (&page, verdict);
    against (&page, verdict);
    if (verdict->kind != VERDICT_UNREADABLE && verdict->clip) {
        families (&page, verdict);
        next_of_clip (&page, verdict);
    } else if (verdict->kind != VERDICT_UNREADABLE) {
        families (&page, verdict);
        limits (&page, verdict);
        next_steps (&page, verdict);
    }
    return g_string_free (page.out, FALSE);
}

static void
list_checks (Page *p, const CheckInfo *checks, gsize n)
{
    const char *family = "";

    for (gsize i = 0; i < n; i++) {
        g_autofree char *text = g_strdup_printf ("%s (%s)", checks[i].meaning, checks[i].clause);
        if (!g_str_equal (family, checks[i].family))
            g_string_append_printf (p->out, "%s\n", checks[i].family);
        family = checks[i].family;
        g_string_append_printf (p->out, "  %-22s ", checks[i].id);
        wrap (p, 25, 6, text);
    }
}

char *
report_checks (guint width)
{
    Page page = { .out = g_string_new (NULL), .width = MAX (width, 40) };
    gsize n;
    const CheckInfo *checks = verify_checks (&n);

    list_checks (&page, checks, n);
    checks = verify_clip_checks (&n);
    list_checks (&page, checks, n);
    return g_string_free (page.out, FALSE);
}
