/* ceremony watch: what a recording of the call, or the screen, shows of ceremonies; and the file of it that the witness seals. */
#include "ceremony/base/clock.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/order.h"
#include "ceremony/bundle/trust.h"
#include "ceremony/commands/commands.h"
#include "ceremony/commands/watch-screen.h"
#include "ceremony/verify/verify.h"
#include <stdio.h>
#include <string.h>

#define GAP_MS 10000
#define LINES_MAX 30

static const char help[] =
    "usage: ceremony watch RECORDING… [-o FILE] [--trust DIR] [--order ORDER] [--list] [--json]\n"
    "       ceremony watch screen [-o FILE] [--trust DIR] [--order ORDER] [--secret-file FILE] [--display NAME]\n"
    "                      [--seconds N] [--json]\n"
    "\n"
    "Reads the ceremony's QR codes off a recording of the video call (MP4, WebM, MKV), or off this\n"
    "screen while the call runs, and says what was seen: which ceremony, which checkpoints, from\n"
    "when to when, and whatever doesn't belong there.\n"
    "\n"
    "  -o FILE             write what was seen to FILE; `ceremony seal` can seal it\n"
    "  --trust DIR         check signatures by the keys in DIR/appliance/\n"
    "  --order ORDER       check signatures by the key of the appliance that ORDER names\n"
    "  --secret-file FILE  screen: the witness's secret; shows the eight words to say\n"
    "  --display NAME      screen: this X display instead of $DISPLAY\n"
    "  --seconds N         screen: end by itself after N seconds\n"
    "  --list              every checkpoint, not only the first ones\n"
    "  --json              what was seen as JSON, as in FILE; one line a recording\n"
    "\n"
    "Exit status: 0 checkpoints of one ceremony were seen, and nothing else; 1 none, or something\n"
    "that doesn't belong there; 2 it can't be read, or usage.\n";

typedef struct {
    const char *out, *trust, *order, *seconds;
    ScreenWatch screen;
    char       *commitment;
    gboolean    list, json;
    GPtrArray  *paths;
} Options;

static int
fail (const GError *error)
{
    fprintf (stderr, "ceremony: watch: %s\n", error->message);
    return 2;
}

/* ── whose signatures are known ── */

static gboolean
add_order_key (Options *o, GPtrArray *keys, GError **error)
{
    g_autoptr (Order) order = order_open (o->order, error);
    const char *text = order ? cjson_str (cjson_obj (order->json, "appliance", NULL), "note_key", error) : NULL;
    g_autoptr (GBytes) raw = text ? base64_decode (text, -1, error) : NULL;

    if (!raw)
        return FALSE;
    if (g_bytes_get_size (raw) != 32) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: its appliance's key isn't 32 bytes", o->order);
        return FALSE;
    }
    g_ptr_array_add (keys, g_steal_pointer (&raw));
    o->commitment = g_strdup (cjson_str (order->json, "challenge_commitment", NULL));
    o->screen.commitment = o->commitment;
    return TRUE;
}

static GPtrArray *
known_keys (Options *o, GError **error)
{
    g_autoptr (Trust) trust = o->trust ? trust_load (o->trust, error) : NULL;
    g_autoptr (GPtrArray) keys = NULL;

    if (o->trust && !trust)
        return NULL;
    keys = trust ? trust_ed25519_keys (trust, "appliance") : g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
    if (trust && keys->len == 0) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "%s/appliance/ holds no key of an appliance's journal: `ceremony appliance enrol` puts it there (note.pem)", o->trust);
        return NULL;
    }
    return !o->order || add_order_key (o, keys, error) ? g_steal_pointer (&keys) : NULL;
}

/* ── telling ── */

static void
print_code (const SeenCode *code)
{
    g_autofree char *from = seen_time (code->first_ms), *to = seen_time (code->last_ms);
    g_autoptr (GBytes) root = base64_decode (code->root, -1, NULL);
    g_autofree char *words = root ? pgp_words (g_bytes_get_data (root, NULL), 4) : NULL;

    printf ("  %9s – %-9s %6" G_GUINT64_FORMAT " events   %s%s\n", from, to, code->size, words ? words : "",
            code->signature == SEEN_VERIFIED || code->signature == SEEN_UNCHECKED ? "" : code->signature == SEEN_FORGED ? "   FORGED" : "   unknown key");
}

typedef struct { guint codes, verified, unchecked; guint64 least, most; gint64 from, to; } Sum;

static Sum
sum_of (const Seen *seen, const char *origin)
{
    Sum sum = { .least = G_MAXUINT64 };

    for (guint i = 0; i < seen->codes->len; i++) {
        const SeenCode *code = g_ptr_array_index (seen->codes, i);
        if (code->kind != SEEN_CHECKPOINT || !g_str_equal (code->origin, origin))
            continue;
        sum.from = sum.codes++ ? sum.from : code->first_ms;
        sum.to = MAX (sum.to, code->last_ms);
        sum.least = MIN (sum.least, code->size);
        sum.most = MAX (sum.most, code->size);
        sum.verified += code->signature == SEEN_VERIFIED;
        sum.unchecked += code->signature == SEEN_UNCHECKED;
    }
    return sum;
}

static void
print_ceremony (const Seen *seen, const char *origin, gboolean all)
{
    Sum sum = sum_of (seen, origin);
    g_autofree char *from = seen_time (sum.from), *to = seen_time (sum.to), *clean = seen_printable (origin, 200);
    g_autoptr (GArray) gaps = seen_gaps (seen, origin, GAP_MS);
    guint printed = 0;

    printf ("Ceremony %s\n  %u checkpoints, over %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " events, from %s to %s\n", clean, sum.codes, sum.least, sum.most, from, to);
    if (sum.unchecked == sum.codes)
        printf ("  signatures: not checked (give --trust or --order to have them checked)\n");
    else
        printf ("  signatures: %u of %u by the appliance that is known\n", sum.verified, sum.codes);
    putchar ('\n');
    for (guint i = 0; i < seen->codes->len; i++) {
        const SeenCode *code = g_ptr_array_index (seen->codes, i);
        if (code->kind != SEEN_CHECKPOINT || !g_str_equal (code->origin, origin))
            continue;
        if (all || printed < LINES_MAX - 1 || printed == sum.codes - 1)
            print_code (code);
        else if (printed == LINES_MAX - 1)
            printf ("  %9s   %u more (--list shows all)\n", "…", sum.codes - LINES_MAX);
        printed++;
    }
    putchar ('\n');
    for (guint i = 0; i < gaps->len; i++) {
        const gint64 *gap = &((const gint64 *) (gpointer) gaps->data)[2 * i];
        g_autofree char *begin = seen_time (gap[0]), *end = seen_time (gap[1]);
        printf ("  no code from %s to %s: %.1f s\n", begin, end, (gap[1] - gap[0]) / 1000.0);
    }
    if (gaps->len)
        putchar ('\n');
}

static void
print_others (const Seen *seen)
{
    for (guint i = 0, n = 0; i < seen->codes->len; i++) {
        const SeenCode *code = g_ptr_array_index (seen->codes, i);
        if (code->kind != SEEN_OTHER)
            continue;
        g_autofree char *at = seen_time (code->first_ms), *text = seen_printable (code->text, 60);
        if (n++ < 5)
            printf ("  at %s another code, of no ceremony: %s\n", at, *text ? text : "(not text)");
        else if (n == 6)
            printf ("  … and more of these\n");
    }
}

static void
print_seen (const Seen *seen, const char *main, const GPtrArray *alarms, gboolean all)
{
    g_autofree char *duration = seen_time (seen->duration_ms);
    g_autofree char *name = seen_printable (seen->name, 200);

    printf ("%s: %s, %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT "%s\n", name, duration, seen->width, seen->height, seen->sha256 ? "" : " (the screen)");
    if (seen->sha256)
        printf ("SHA-256 %s, %" G_GUINT64_FORMAT " bytes\n", seen->sha256, seen->length);
    putchar ('\n');
    if (main) {
        print_ceremony (seen, main, all);
    } else {
        printf ("No checkpoint of a ceremony was seen.\n\n");
    }
    print_others (seen);
    for (guint i = 0; i < alarms->len; i++) {
        g_autofree char *text = seen_printable (g_ptr_array_index (alarms, i), 400);
        printf ("  ! %s\n", text);
    }
    printf (alarms->len == 0 && main ? "Nothing speaks against it. Whether it is the journal in a bundle tells `ceremony verify BUNDLE --recording FILE`.\n"
            : main ? "Look at these moments before you believe this recording.\n" : "");
}

static gboolean
write_seen (const char *path, const Seen *seen, GError **error)
{
    g_autoptr (json_t) json = seen_json (seen, error);
    g_autofree char *text = json ? cjson_encode (json, error) : NULL;

    return text && file_write (path, text, strlen (text), 0644, TRUE, error);
}

static gboolean
print_json (const Seen *seen, GError **error)
{
    g_autoptr (json_t) json = seen_json (seen, error);
    g_autofree char *text = json ? cjson_encode (json, error) : NULL;

    if (text)
        puts (text);
    return text != NULL;
}

/* Prints and writes it; gives the exit status. */
static int
tell (const Options *o, const Seen *seen)
{
    g_autoptr (GError) error = NULL;
    const char *main = NULL;
    g_autoptr (GPtrArray) alarms = seen_alarms (seen, &main);

    if (o->out && !write_seen (o->out, seen, &error))
        return fail (error);
    if (!o->json)
        print_seen (seen, main, alarms, o->list);
    else if (!print_json (seen, &error))
        return fail (error);
    if (o->out && !o->json)
        printf ("What was seen is in %s; the witness seals it: ceremony seal EVIDENCE --seen %s …\n", o->out, o->out);
    return main && alarms->len == 0 ? 0 : 1;
}

static int
watch_recordings (const Options *o, GPtrArray *keys)
{
    int status = 0;

    for (guint i = 0; i < o->paths->len; i++) {
        g_autoptr (GError) error = NULL;
        g_autoptr (Seen) seen = seen_of_recording (g_ptr_array_index (o->paths, i), keys, &error);
        if (i > 0 && !o->json)
            putchar ('\n');
        int one = seen ? tell (o, seen) : fail (error);
        status = MAX (status, one);
    }
    return status;
}

static gboolean
read_options (int argc, char **argv, Options *o)
{
    const struct { const char *name, **value; } table[] = {
        { "-o", &o->out }, { "--trust", &o->trust }, { "--order", &o->order }, { "--secret-file", &o->screen.secret_path }, { "--display", &o->screen.display },
        { "--seconds", &o->seconds },
    };
    gboolean is_screen;
    guint64 seconds = 0;

    for (int i = 1; i < argc; i++) {
        gsize n = 0;
        while (n < G_N_ELEMENTS (table) && strcmp (argv[i], table[n].name) != 0)
            n++;
        if (n < G_N_ELEMENTS (table) && i + 1 < argc)
            *table[n].value = argv[++i];
        else if (strcmp (argv[i], "--json") == 0)
            o->json = TRUE;
        else if (strcmp (argv[i], "--list") == 0)
            o->list = TRUE;
        else if (argv[i][0] == '-')
            return FALSE;
        else
            g_ptr_array_add (o->paths, argv[i]);
    }
    is_screen = o->paths->len == 1 && strcmp (g_ptr_array_index (o->paths, 0), "screen") == 0;
    if (o->paths->len == 0 || (o->out && o->paths->len > 1) || (!is_screen && (o->screen.secret_path || o->screen.display || o->seconds)) ||
        (o->seconds && !g_ascii_string_to_unsigned (o->seconds, 10, 1, 1000000, &seconds, NULL)))
        return FALSE;
    o->screen.live = is_screen;
    o->screen.seconds = (guint) seconds;
    o->screen.quiet = o->json;
    return TRUE;
}

static int
watch (Options *o)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) keys = known_keys (o, &error);
    g_autoptr (Seen) seen = NULL;

    if (!keys)
        return fail (error);
    if (!o->screen.live)
        return watch_recordings (o, keys);
    seen = screen_watch (&o->screen, keys, &error);
    return seen ? tell (o, seen) : fail (error);
}

int
command_watch (int argc, char **argv)
{
    g_autoptr (GPtrArray) paths = g_ptr_array_new ();
    Options o = { .paths = paths };

    if (argc > 1 && strcmp (argv[1], "--help") == 0) {
        fputs (help, stdout);
        return 0;
    }
    if (!read_options (argc, argv, &o)) {
        fputs (help, stderr);
        return 2;
    }
    int status = watch (&o);
    g_free (o.commitment);
    return status;
}
