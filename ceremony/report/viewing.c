/* The viewing copy: MP4 by ceremony-media remux, chapters and subtitles as WebVTT, one page that needs no network. */
#include "ceremony/report/viewing.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include "ceremony/base/child.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/report/viewing-internal.h"

#define SUBTITLE_MS 5000
#define REMUX_MS (60 * 60 * 1000u)

typedef struct {
    const Asice *bundle;
    Moments     *moments;
    Script      *script;                /* NULL: it can't be read; then steps have no title */
    const char  *dir;
    GPtrArray   *notes;
    GString     *page;
    guint        made;
} Viewing;

/* ── titles ── */

Script *
script_of_bundle (const Asice *bundle)
{
    g_autoptr(GBytes) bytes = asice_read (bundle, "script.yaml", ASICE_MAX_SMALL, NULL);

    return bytes ? script_parse ("script.yaml", g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), NULL) : NULL;
}

const char *
step_title (const Script *script, const char *id)
{
    const ScriptStep *step = script ? script_step (script, id) : NULL;

    return step ? step->title : id;
}

/* ── WebVTT ── */

static void
add_time (GString *out, gint64 ms)
{
    g_string_append_printf (out, "%02" G_GINT64_FORMAT ":%02d:%02d.%03d", ms / 3600000, (int) (ms / 60000 % 60), (int) (ms / 1000 % 60), (int) (ms % 1000));
}

/* @text with what WebVTT would take for markup, or for the end of a cue, made harmless. WebVTT knows these three references for sure. */
static void
add_cue (GString *out, gint64 from, gint64 to, const char *text)
{
    g_autofree char *plain = g_utf8_make_valid (text, -1);

    g_strdelimit (plain, "\n\r\t", ' ');
    g_string_append_c (out, '\n');
    add_time (out, from);
    g_string_append (out, " --> ");
    add_time (out, MAX (to, from + 1));
    g_string_append_c (out, '\n');
    for (const char *p = plain; *p; p++) {
        static const char *const references[] = { ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;" };
        const char *reference = (guchar) *p < G_N_ELEMENTS (references) ? references[(guchar) *p] : NULL;
        if (reference)
            g_string_append (out, reference);
        else
            g_string_append_c (out, *p);
    }
    g_string_append_c (out, '\n');
}

/* What an event means to somebody who looks at the picture; NULL: nothing. g_free. */
static char *
event_words (const Viewing *v, const Event *event)
{
    static const struct { const char *type, *words, *member; } words[] = {
        { "step.confirmed", "Confirmed by the %s", "role" }, { "note.made", "Note: %s", "text" }, { "deviation.noted", "Deviation: %s", "happened" },
        { "challenge.given", "Challenge: %s", "words" }, { "liveness.shown", "The challenge was shown to the camera%s", NULL },
        { "key.generating", "The key is being generated: %s", "algorithm" }, { "key.generated", "The key was generated: %s", "mechanism" },
        { "key.using", "The key is used: %s", "purpose" }, { "token.shown", "The token's serial number was read: %s", "serial" },
        { "token.removed", "The token was pulled out%s", NULL }, { "token.returned", "The token is back: %s", "serial" },
        { "token.unlocked", "The token was unlocked%s", NULL }, { "request.made", "The request was made for %s", "subject" },
        { "source.lost", "Lost: %s", "source" }, { "source.returned", "Back: %s", "source" }, { "break.begun", "Break: %s", "reason" },
        { "step.skipped", "Step skipped: %s", "reason" }, { "recording.closing", "The recording is being closed%s", NULL },
    };

    if (strcmp (event->type, "step.begun") == 0)
        return g_strdup_printf ("Step: %s", step_title (v->script, event->step));
    for (gsize i = 0; i < G_N_ELEMENTS (words); i++) {
        const char *value = words[i].member ? event_text (event, words[i].member) : "";
        const char *mark = strstr (words[i].words, "%s");
        if (strcmp (event->type, words[i].type) == 0)
            return g_strdup_printf ("%.*s%s", (int) (mark - words[i].words), words[i].words, value ? value : "");
    }
    return NULL;
}

static gint64
part_length (const Viewing *v, gint64 part)
{
    gint64 length = 0;

    for (guint i = 0; i < v->moments->events->len; i++) {
        const Moment *moment = &g_array_index (v->moments->moments, Moment, i);
        if (moment->part == part)
            length = MAX (length, moment->ms);
    }
    return length;
}

/* Cues of @part: its steps where @steps, else what happened. Each ends where the next begins, subtitles after five seconds at the latest. */
static gboolean
write_cues (const Viewing *v, gint64 part, gboolean steps, GError **error)
{
    g_autofree char *name = g_strdup_printf ("part-%" G_GINT64_FORMAT ".%s.vtt", part, steps ? "chapters" : "events"), *path = g_build_filename (v->dir, name, NULL);
    g_autoptr(GString) out = g_string_new ("WEBVTT\n");
    g_autofree char *text = NULL;
    gint64 from = 0, end = part_length (v, part);

    for (guint i = 0; i < v->moments->events->len; i++) {
        const Event *event = v->moments->events->pdata[i];
        const Moment *moment = &g_array_index (v->moments->moments, Moment, i);
        gboolean begins = strcmp (event->type, "step.begun") == 0;
        char *words = moment->part != part || (steps && !begins) ? NULL : steps ? g_strdup (step_title (v->script, event->step)) : event_words (v, event);
        if (words == NULL)
            continue;
        if (text != NULL)
            add_cue (out, from, steps ? moment->ms : MIN (moment->ms, from + SUBTITLE_MS), text);
        g_free (text);
        text = words;
        from = moment->ms;
    }
    if (text != NULL)
        add_cue (out, from, steps ? end : MIN (MAX (end, from + 1000), from + SUBTITLE_MS), text);
    return file_write (path, out->str, out->len, 0644, FALSE, error);
}

/* ── MP4 ── */

static int
scratch (const Viewing *v, const Asice *bundle, const AsiceEntry *entry, GError **error)
{
    g_autofree char *path = g_build_filename (v->dir, ".part.mkv", NULL);
    int fd = -1;

    if (asice_extract (bundle, entry, path, error) && (fd = open (path, O_RDONLY | O_CLOEXEC)) < 0)
        io_fail (error, errno, "%s", path);
    g_unlink (path);
    return fd;
}

static gboolean
remux (const Viewing *v, const AsiceEntry *entry, gint64 part, GError **error)
{
    g_autofree char *media = child_media_path (error), *name = g_strdup_printf ("part-%" G_GINT64_FORMAT ".mp4", part), *path = g_build_filename (v->dir, name, NULL);
    const char *argv[] = { media, "remux", NULL };
    int in = media ? scratch (v, v->bundle, entry, error) : -1, out = -1, status = 0;
    gboolean ok;

    if (in < 0)
        return FALSE;
    out = open (path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    ok = out >= 0 ? child_run_to (argv, in, out, NULL, REMUX_MS, &status, error) : io_fail (error, errno, "%s", path);
    close (in);
    if (out >= 0)
        close (out);
    if (ok && status == 0)
        return TRUE;
    if (ok)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "%s: it is damaged, or its beginning is missing", entry->name);
    g_unlink (path);
    return FALSE;
}

/* ── the page ── */

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; media-src 'self' file:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
    "<style>body{font:16px/1.4 sans-serif;margin:1rem;max-width:1400px}main{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;flex:3 1 40rem}video{width:100%;background:#000}"
    "nav{flex:1 1 18rem}button{font:inherit;display:block;width:100%;text-align:left;border:0;background:none;padding:.2rem .4rem;cursor:pointer}"
    "button:hover,button:focus{background:#dde}button[aria-current]{font-weight:bold}button span{display:inline-block;min-width:5.5rem;font-variant-numeric:tabular-nums}</style>\n";

static const char tail[] =
    "</nav>\n</main>\n<script>\n"
    "const video = document.querySelector ('video'), buttons = [...document.querySelectorAll ('button')];\n"
    "let part = buttons.length ? buttons[0].dataset.part : '1';\n"
    "function go (b) {\n"
    "  if (b.dataset.part !== part) { part = b.dataset.part; video.src = 'part-' + part + '.mp4'; }\n"
    "  video.currentTime = b.dataset.ms / 1000;\n"
    "  video.play ().catch (() => {});\n"
    "}\n"
    "buttons.forEach (b => b.addEventListener ('click', () => go (b)));\n"
    "video.addEventListener ('timeupdate', () => {\n"
    "  const now = buttons.filter (b => b.dataset.part === part && b.dataset.ms <= video.currentTime * 1000 + 1).pop ();\n"
    "  buttons.forEach (b => b === now ? b.setAttribute ('aria-current', 'true') : b.removeAttribute ('aria-current'));\n"
    "});\n</script>\n</html>\n";

static void
add_text (GString *page, const char *format, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid (text, -1), *safe = g_markup_escape_text (valid, -1);
    const char *mark = strstr (format, "%s");

    g_string_append_len (page, format, mark - format);
    g_string_append (page, safe);
    g_string_append (page, mark + 2);
}

static void
begin_page (Viewing *v)
{
    const Event *opened = v->moments->events->len ? v->moments->events->pdata[0] : NULL;
    const char *id = opened && event_text (opened, "ceremony") ? event_text (opened, "ceremony") : "unknown";

    g_string_append (v->page, head);
    add_text (v->page, "<title>Ceremony %s</title>\n", id);
    add_text (v->page, "<h1>Ceremony %s</h1>\n<p>A copy for looking at, remuxed from the bundle. It proves nothing: <code>ceremony verify</code> judges the bundle.</p>\n", id);
}

static void
add_steps (Viewing *v)
{
    for (guint i = 0; i < v->moments->events->len; i++) {
        const Event *event = v->moments->events->pdata[i];
        const Moment *moment = &g_array_index (v->moments->moments, Moment, i);
        if (strcmp (event->type, "step.begun") != 0)
            continue;
        g_autofree char *file = g_strdup_printf ("%s/part-%" G_GINT64_FORMAT ".mp4", v->dir, moment->part), *time = moment_format (moment->ms);
        if (moment->part == 0 || !g_file_test (file, G_FILE_TEST_EXISTS)) {
            add_text (v->page, "<p>%s: not recorded</p>\n", step_title (v->script, event->step));
            continue;
        }
        g_autofree char *label = moments_parts (v->moments) > 1 ? g_strdup_printf ("part %" G_GINT64_FORMAT ", %s", moment->part, time) : g_strdup (time);
        g_string_append_printf (v->page, "<button data-part=\"%" G_GINT64_FORMAT "\" data-ms=\"%" G_GINT64_FORMAT "\"><span>%s</span> ", moment->part, moment->ms, label);
        add_text (v->page, "%s</button>\n", step_title (v->script, event->step));
    }
}

static gboolean
write_page (Viewing *v, gint64 first, GError **error)
{
    g_autofree char *path = g_build_filename (v->dir, "index.html", NULL);

    begin_page (v);
    g_string_append_printf (v->page, "<main>\n<figure><video controls preload=\"metadata\" src=\"part-%" G_GINT64_FORMAT ".mp4\"></video></figure>\n<nav>\n", first);
    add_steps (v);
    g_string_append (v->page, tail);
    return file_write (path, v->page->str, v->page->len, 0644, FALSE, error);
}

/* ── all ── */

/* One part; what is wrong with its file is noted and ends nothing. */
static gboolean
write_part (Viewing *v, const Event *started, GError **error)
{
    gint64 part = event_number (started, "part");
    const AsiceEntry *entry = asice_find (v->bundle, event_text (started, "video"));
    g_autoptr(GError) failed = NULL;

    if (entry == NULL) {
        g_ptr_array_add (v->notes, g_strdup_printf ("%s was recorded and isn't in the bundle", event_text (started, "video")));
        return TRUE;
    }
    if (remux (v, entry, part, &failed)) {
        v->made++;
        return write_cues (v, part, TRUE, error) && write_cues (v, part, FALSE, error);
    }
    if (g_error_matches (failed, BASE_ERROR, BASE_ERROR_FORMAT) || g_error_matches (failed, BASE_ERROR, BASE_ERROR_LIMIT)) {
        g_ptr_array_add (v->notes, g_strdup (failed->message));
        return TRUE;
    }
    g_propagate_error (error, g_steal_pointer (&failed));
    return FALSE;
}

static gboolean
write_parts (Viewing *v, GError **error)
{
    gint64 first = 0;

    for (guint i = 0; i < v->moments->events->len; i++) {
        const Event *event = v->moments->events->pdata[i];
        guint made = v->made;
        if (strcmp (event->type, "recording.started") != 0 || event_text (event, "video") == NULL || event_number (event, "part") < 1)
            continue;
        if (!write_part (v, event, error))
            return FALSE;
        if (first == 0 && v->made > made)
            first = event_number (event, "part");
    }
    if (v->made > 0)
        return write_page (v, first, error);
    g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "there is no video in the bundle that can be read%s%s", v->notes->len ? ": " : "",
                 v->notes->len ? (const char *) v->notes->pdata[0] : "");
    return FALSE;
}

gboolean
viewing_write (const Asice *bundle, const char *dir, GPtrArray *notes, GError **error)
{
    g_autoptr(Moments) moments = moments_read (bundle, error);
    g_autoptr(Script) script = script_of_bundle (bundle);
    g_autoptr(GString) page = g_string_new (NULL);
    Viewing v = { .bundle = bundle, .moments = moments, .script = script, .dir = dir, .notes = notes, .page = page };

    return moments != NULL && write_parts (&v, error);
}
