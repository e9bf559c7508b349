/* Pictures of each step: where it begins and where it was confirmed, decoded by ceremony-media thumbnail in its sandbox. */
#include <string.h>
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/media-job.h"
#include "ceremony/report/viewing-internal.h"

#define DRAWN_MS 300                    /* after a step begins its page is on the screen */
#define AT_ONCE 50                      /* moments a run; the job takes 100 */
#define PICTURES_MAX (256 * 1024 * 1024)
#define NEAR_MS 2000                    /* the recorder may have dropped pictures; a damaged video misses more */

typedef struct { const char *step, *moment; gint64 n, part, ms; guint64 seq; } Wanted;

static void
want (GArray *list, const Moments *moments, const char *step, gint64 n, const char *name, const Event *event)
{
    Moment moment = event ? moments_at (moments, event) : (Moment) { 0, 0 };
    Wanted wanted = { step, name, n, moment.part, moment.ms, event ? event->seq : 0 };

    if (moment.part > 0)
        g_array_append_val (list, wanted);
}

/* The step's own page, where it stood long enough. */
static void
let_draw (GArray *list, const Moments *moments, const StepPlace *place)
{
    const Event *next = place->hold ? place->hold : place->done;
    Moment begin = place->begun ? moments_at (moments, place->begun) : (Moment) { 0, 0 }, end = next ? moments_at (moments, next) : begin;

    for (guint i = 0; i < list->len; i++) {
        Wanted *wanted = &g_array_index (list, Wanted, i);
        if (place->begun && wanted->seq == place->begun->seq && end.part == begin.part)
            wanted->ms += MIN (DRAWN_MS, MAX (end.ms - begin.ms, 0) / 2);
    }
}

static int
by_time (gconstpointer a, gconstpointer b)
{
    const Wanted *x = a, *y = b;

    return x->part != y->part ? (x->part < y->part ? -1 : 1) : x->ms != y->ms ? (x->ms < y->ms ? -1 : 1) : x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* In order of time, which is how the job wants them. */
static GArray *
all_wanted (const Moments *moments)
{
    GArray *list = g_array_new (FALSE, FALSE, sizeof (Wanted));

    for (guint i = 0; i < moments->order->len; i++) {
        const char *id = moments->order->pdata[i];
        const StepPlace *place = moments_step (moments, id, NULL);
        gint64 n = place->begun ? MAX (event_number (place->begun, "n"), 0) : i + 1;
        want (list, moments, id, n, "begin", place->begun);
        let_draw (list, moments, place);
        want (list, moments, id, n, "hold", place->hold);
    }
    g_array_sort (list, by_time);
    return list;
}

/* ── files ── */

typedef struct {
    const Asice  *bundle;
    const Script *script;
    const char   *dir;
    guint         width, count;
    json_t       *index;
} Pictures;

static gboolean
write_picture (Pictures *p, const Wanted *wanted, const guint8 *png, gsize len, GError **error)
{
    g_autofree char *step = g_strcanon (g_strdup (wanted->step), "abcdefghijklmnopqrstuvwxyz0123456789-", '_');
    g_autofree char *name = g_strdup_printf ("%02" G_GINT64_FORMAT "-%s-%s.png", wanted->n, step, wanted->moment), *path = g_build_filename (p->dir, name, NULL);
    g_autofree char *hash = sha256_hex (png, len);

    if (!file_write (path, png, len, 0644, FALSE, error))
        return FALSE;
    json_array_append_new (p->index, json_pack ("{s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:s}", "file", name, "step", wanted->step, "title", step_title (p->script, wanted->step),
                                                "n", (json_int_t) wanted->n, "moment", wanted->moment, "part", (json_int_t) wanted->part, "ms", (json_int_t) wanted->ms, "seq",
                                                (json_int_t) wanted->seq, "sha256", hash));
    p->count++;
    return TRUE;
}

/* Those of one part, from @first on; @last is behind them. Where the video can't be read the job gives the picture before in place of one that isn't there: that is no
 * picture of the moment, and left out. */
static gboolean
write_some (Pictures *p, const AsiceEntry *entry, const GArray *wanted, guint first, guint last, GPtrArray *notes, GError **error)
{
    g_autofree char *width = g_strdup_printf ("%u", p->width);
    g_autoptr(GString) times = g_string_new (NULL);
    gboolean whole = FALSE;
    guint at_place = 0;
    const guint8 *png;
    gsize len;
    gint64 ms;

    for (guint i = first; i < last; i++)
        g_string_append_printf (times, "%s%" G_GINT64_FORMAT, i > first ? "," : "", g_array_index (wanted, Wanted, i).ms);
    g_autoptr(GBytes) output = media_job (p->bundle, entry, (const char *const[]) { "thumbnail", "--at-ms", times->str, "--width", width, NULL }, PICTURES_MAX, &whole, error);
    if (output == NULL) {
        g_prefix_error (error, "%s: ", entry->name);
        return FALSE;
    }
    gsize at = 0;
    for (guint i = first; i < last && media_picture (output, &at, &ms, &png, &len); i++) {
        const Wanted *one = &g_array_index (wanted, Wanted, i);
        if (ABS (one->ms - ms) > NEAR_MS)
            continue;
        if (!write_picture (p, one, png, len, error))
            return FALSE;
        at_place++;
    }
    if (!whole || at_place < last - first)
        g_ptr_array_add (notes, g_strdup_printf ("%s can't be read everywhere: %u of %u pictures of it are missing", entry->name, last - first - at_place, last - first));
    return TRUE;
}

static gboolean
write_all (Pictures *p, const Moments *moments, const GArray *wanted, GPtrArray *notes, GError **error)
{
    for (guint i = 0, last; i < wanted->len; i = last) {
        gint64 part = g_array_index (wanted, Wanted, i).part;
        const Event *started = moments_first (moments, "recording.started", part);
        const AsiceEntry *entry = started ? asice_find (p->bundle, event_text (started, "video")) : NULL;
        g_autoptr(GError) failed = NULL;
        for (last = i; last < wanted->len && g_array_index (wanted, Wanted, last).part == part && last - i < AT_ONCE;)
            last++;
        if (entry == NULL) {
            g_ptr_array_add (notes, g_strdup_printf ("part %" G_GINT64_FORMAT " of the video isn't in the bundle", part));
        } else if (!write_some (p, entry, wanted, i, last, notes, &failed)) {
            if (!g_error_matches (failed, BASE_ERROR, BASE_ERROR_FAILED) && !g_error_matches (failed, BASE_ERROR, BASE_ERROR_LIMIT)) {
                g_propagate_error (error, g_steal_pointer (&failed));
                return FALSE;
            }
            g_ptr_array_add (notes, g_strdup (failed->message));
        }
    }
    return TRUE;
}

static gboolean
write_index (Pictures *p, const Moments *moments, GError **error)
{
    const char *id = moments->events->len ? event_text (moments->events->pdata[0], "ceremony") : NULL;
    g_autoptr(json_t) json = json_pack ("{s:s, s:s, s:O}", "format", "ceremony/pictures/v1", "ceremony", id ? id : "", "pictures", p->index);
    g_autofree char *text = json ? cjson_encode (json, error) : NULL, *path = g_build_filename (p->dir, "pictures.json", NULL);

    return text != NULL && file_write (path, text, strlen (text), 0644, FALSE, error);
}

gboolean
pictures_write (const Asice *bundle, const char *dir, guint width, guint *count, GPtrArray *notes, GError **error)
{
    g_autoptr(Moments) moments = moments_read (bundle, error);
    g_autoptr(Script) script = script_of_bundle (bundle);
    g_autoptr(GArray) wanted = moments ? all_wanted (moments) : NULL;
    g_autoptr(json_t) index = json_array ();
    Pictures p = { .bundle = bundle, .script = script, .dir = dir, .width = width, .index = index };

    if (wanted == NULL || !write_all (&p, moments, wanted, notes, error))
        return FALSE;
    *count = p.count;
    if (p.count > 0)
        return write_index (&p, moments, error);
    g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "there is no video in the bundle that can be read");
    return FALSE;
}
