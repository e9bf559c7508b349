/* A recording cut at any byte: what is missing is told by part, bytes and time, and what is whole before that can be cut out and proved. */
#include <glib/gstdio.h>
#include <string.h>
#include "ceremony/base/errors.h"
#include "ceremony/bundle/clip.h"
#include "forge.c"
#include "film.c"

static ForgeWorld *world;
static gsize keep;                      /* bytes of the file that are left; G_MAXSIZE: all */
static const char *cut_path = "video/0001.mkv";

static void
cut_file (Forge *f, GPtrArray *items)
{
    for (guint i = 0; i < items->len; i++) {
        AsiceItem *item = items->pdata[i];
        if (!g_str_equal (item->name, cut_path) || g_bytes_get_size (item->bytes) <= keep)
            continue;
        GBytes *shorter = g_bytes_new_from_bytes (item->bytes, 0, keep);
        g_bytes_unref (item->bytes);
        item->bytes = shorter;
    }
}

static gboolean
drop_last_event (Forge *f, const char *type, json_t *data)
{
    gint64 offset = -1;

    return !(g_str_equal (type, "video.chunk") && cjson_int (data, "offset", &offset, NULL) && offset >= (gint64) keep);
}

typedef struct { Forge f; char *path; Asice *bundle; Moments *moments; GPtrArray *chunks; } Cut;

static void
cut_init (Cut *cut, const char *type)
{
    g_autoptr(GError) error = NULL;

    cut->path = forge_bundle (&cut->f);
    cut->bundle = asice_open (cut->path, &error);
    g_assert_no_error (error);
    cut->moments = moments_read (cut->bundle, &error);
    g_assert_no_error (error);
    cut->chunks = moments_of_part (cut->moments, type, 1);
}

static void
cut_clear (Cut *cut)
{
    g_ptr_array_unref (cut->chunks);
    moments_free (cut->moments);
    asice_free (cut->bundle);
    g_remove (cut->path);
    g_free (cut->path);
    forge_clear (&cut->f);
}

static gint64
end_of (const Event *chunk)
{
    return event_number (chunk, "offset") + event_number (chunk, "length");
}

/* How many chunks lie in the first @length bytes whole. */
static guint
whole_chunks (const Cut *cut, gsize length)
{
    guint n = 0;

    while (n < cut->chunks->len && end_of (cut->chunks->pdata[n]) <= (gint64) length)
        n++;
    return n;
}

static void
check_told (const Cut *cut, gsize length)
{
    VerifyOptions options = { .trust = world->trust, .modules_path = world->modules, .flags = VERIFY_NO_VIDEO };
    g_autoptr(Verdict) verdict = verify_bundle (cut->path, &options);
    guint n = whole_chunks (cut, length);
    const Event *first = cut->chunks->pdata[n], *last = cut->chunks->pdata[cut->chunks->len - 1];
    g_autofree char *bytes = g_strdup_printf ("%s is whole up to byte %" G_GINT64_FORMAT ", and ends at %" G_GSIZE_FORMAT " ", cut_path, event_number (first, "offset"), length);
    g_autofree char *range = g_strdup_printf ("bytes %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ", from ", event_number (first, "offset"), end_of (last));
    g_autofree char *held = g_strdup_printf ("%s was cut off: it holds %" G_GSIZE_FORMAT " of %" G_GINT64_FORMAT " bytes", cut_path, length, end_of (last));
    const char *reason = outcome (verdict, "tracks.chunks")->reason;

    g_test_message ("%s", reason);
    g_assert_cmpint (verdict->kind, ==, VERDICT_REFUSE);
    g_assert_nonnull (strstr (outcome (verdict, "tracks.files")->reason, held));
    g_assert_nonnull (strstr (reason, bytes));
    g_assert_nonnull (strstr (reason, range));
    if (event_number (first, "first_ms") < 0)
        return;
    g_autofree char *from = moment_format (event_number (first, "first_ms")), *to = moment_format (event_number (last, "last_ms"));
    g_autofree char *times = g_strdup_printf ("from %s to %s of part 1, are missing", from, to);
    g_assert_nonnull (strstr (reason, times));
}

/* The whole chunks are a clip that verifies; the file comes out as long as it is. */
static void
check_usable (const Cut *cut, gsize length)
{
    g_autofree char *out = g_build_filename (world->dir, "rest.clip", NULL), *file = g_build_filename (world->dir, "rest.mkv", NULL);
    VerifyOptions options = { .trust = world->trust, .flags = VERIFY_CLIP | VERIFY_NO_VIDEO };
    g_autoptr(GError) error = NULL;
    ClipRange range = { 1, 0, -1 };
    guint n = whole_chunks (cut, length);
    g_autofree char *data = NULL;
    gsize got = 0;

    g_remove (out);
    g_remove (file);
    g_autoptr(GArray) pieces = clip_write (cut->bundle, NULL, &range, out, &error);
    if (n < 2) {
        g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
        g_test_message ("%s", error->message);
        return;
    }
    g_assert_no_error (error);
    g_assert_cmpuint (g_array_index (pieces, ClipPiece, 0).chunks, ==, n - 1);
    g_autoptr(Verdict) verdict = verify_bundle (out, &options);
    g_assert_cmpint (verdict->kind, ==, VERDICT_REVIEW);
    g_assert_true (asice_extract (cut->bundle, asice_find (cut->bundle, cut_path), file, NULL));
    g_assert_true (g_file_get_contents (file, &data, &got, NULL));
    g_assert_cmpuint (got, ==, length);
}

static void
cut_at (gsize length)
{
    Cut cut = { 0 };

    keep = length;
    forge_init (&cut.f, world);
    cut.f.on_files = cut_file;
    cut_init (&cut, "video.chunk");
    check_told (&cut, length);
    check_usable (&cut, length);
    cut_clear (&cut);
}

static void
test_bytes (void)
{
    g_autoptr(GArray) ends = g_array_new (FALSE, FALSE, sizeof (gint64));
    Cut whole = { 0 };

    keep = G_MAXSIZE;
    forge_init (&whole.f, world);
    cut_init (&whole, "video.chunk");
    for (guint i = 0; i < whole.chunks->len; i++) {
        gint64 end = end_of (whole.chunks->pdata[i]);
        g_array_append_val (ends, end);
    }
    cut_clear (&whole);
    gint64 total = g_array_index (ends, gint64, ends->len - 1);
    if (g_test_slow ()) {
        for (gint64 i = 0; i < total; i++)
            cut_at ((gsize) i);
        return;
    }
    cut_at (0);
    cut_at (1);
    for (guint i = 0; i < ends->len; i += i < 2 || i + 3 > ends->len ? 1 : 4)
        for (gint64 k = -1; k <= 1; k++)
            if (g_array_index (ends, gint64, i) + k < total)
                cut_at ((gsize) (g_array_index (ends, gint64, i) + k));
}

static void
test_terminal (void)
{
    Cut cut = { 0 };

    cut_path = "terminal/0001.cast";
    keep = 100;
    forge_init (&cut.f, world);
    cut.f.on_files = cut_file;
    cut_init (&cut, "terminal.chunk");
    check_told (&cut, keep);
    cut_clear (&cut);
    cut_path = "video/0001.mkv";
}

/* The file is whole, and its last chunk events aren't there. */
static void
test_unjournaled (void)
{
    VerifyOptions options = { .trust = world->trust, .modules_path = world->modules, .flags = VERIFY_NO_VIDEO };
    Cut cut = { 0 };

    keep = 400;
    forge_init (&cut.f, world);
    cut.f.on_event = drop_last_event;
    cut_init (&cut, "video.chunk");
    g_autoptr(Verdict) verdict = verify_bundle (cut.path, &options);
    const Event *last = cut.chunks->pdata[cut.chunks->len - 1];
    g_autofree char *ms = moment_format (event_number (last, "last_ms"));
    g_autofree char *told = g_strdup_printf ("chunks cover %" G_GINT64_FORMAT " of its ", end_of (last)), *time = g_strdup_printf ("what follows %s of part 1 was never journaled", ms);

    g_test_message ("%s", outcome (verdict, "tracks.chunks")->reason);
    g_assert_cmpint (verdict->kind, ==, VERDICT_REFUSE);
    g_assert_nonnull (strstr (outcome (verdict, "tracks.chunks")->reason, told));
    g_assert_nonnull (strstr (outcome (verdict, "tracks.chunks")->reason, time));
    g_autofree char *out = g_build_filename (world->dir, "rest.clip", NULL);
    ClipRange range = { 1, 0, -1 };
    g_remove (out);
    g_autoptr(GArray) pieces = clip_write (cut.bundle, NULL, &range, out, NULL);
    g_assert_cmpuint (g_array_index (pieces, ClipPiece, 0).chunks, ==, cut.chunks->len - 1);
    cut_clear (&cut);
}

/* Stretches that were changed are told as stretches. */
static void
change_some (Forge *f, GPtrArray *items)
{
    for (guint i = 0; i < items->len; i++) {
        AsiceItem *item = items->pdata[i];
        gsize len;
        if (!g_str_equal (item->name, cut_path))
            continue;
        guint8 *copy = g_bytes_unref_to_data (item->bytes, &len);
        memset (copy + 100, 'x', 40);
        copy[300] ^= 1;
        item->bytes = g_bytes_new_take (copy, len);
    }
}

static void
test_changed (void)
{
    VerifyOptions options = { .trust = world->trust, .modules_path = world->modules, .flags = VERIFY_NO_VIDEO };
    Cut cut = { 0 };
    guint holes = 0;

    keep = G_MAXSIZE;
    forge_init (&cut.f, world);
    cut.f.on_files = change_some;
    cut_init (&cut, "video.chunk");
    g_autoptr(Verdict) verdict = verify_bundle (cut.path, &options);
    const char *reason = outcome (verdict, "tracks.chunks")->reason;
    g_test_message ("%s", reason);
    for (const char *p = reason; (p = strstr (p, "aren't those recorded")) != NULL; p++)
        holes++;
    g_assert_cmpuint (holes, ==, 2);
    cut_clear (&cut);
}

/* In its last chunk, however long a busy machine made the recording. */
static void
cut_last_chunk (Forge *f, GPtrArray *items)
{
    for (guint i = 0; i < f->events->len; i++) {
        const Event *event = f->events->pdata[i];
        if (g_str_equal (event->type, "video.chunk"))
            keep = (gsize) event_number (event, "offset") + 10;
    }
    cut_file (f, items);
}

/* With pictures: a real recording, cut, is decoded as far as it goes. */
static void
test_film (void)
{
    Film film = { 0 };
    Cut cut = { 0 };
    VerifyOptions options = { .trust = world->trust, .modules_path = world->modules }, of_clip = { .trust = world->trust, .flags = VERIFY_CLIP };
    ClipRange range = { 1, 0, -1 };
    g_autofree char *out = g_build_filename (world->dir, "rest.clip", NULL);
    g_autoptr(GError) error = NULL;

    if (!film_there ()) {
        g_test_skip ("ceremony-media isn't built");
        return;
    }
    forge_init (&cut.f, world);
    cut.f.policy = "drops_per_mille: 1000\n";
    cut.f.film = &film_ops;
    cut.f.film_data = &film;
    cut.f.on_files = cut_last_chunk;
    cut_init (&cut, "video.chunk");
    g_assert_cmpuint (whole_chunks (&cut, keep), >=, 2);
    g_autoptr(Verdict) verdict = verify_bundle (cut.path, &options);
    const char *reason = outcome (verdict, "pictures.codes")->reason;
    g_test_message ("%s", reason);
    g_test_message ("%s", outcome (verdict, "tracks.chunks")->reason);
    g_assert_cmpint (verdict->kind, ==, VERDICT_REFUSE);
    g_assert_nonnull (strstr (reason, "was cut off: its codes could be read up to"));
    g_assert_null (strstr (reason, "isn't in the picture"));
    g_remove (out);
    g_autoptr(GArray) pieces = clip_write (cut.bundle, NULL, &range, out, &error);
    g_assert_no_error (error);
    g_autoptr(Verdict) rest = verify_bundle (out, &of_clip);
    g_assert_cmpint (rest->kind, ==, VERDICT_ACCEPT);
    cut_clear (&cut);
}

int
main (int argc, char **argv)
{
    int status;

    world = film_init (&argc, &argv);
    g_test_add_func ("/cut/bytes", test_bytes);
    g_test_add_func ("/cut/terminal", test_terminal);
    g_test_add_func ("/cut/unjournaled", test_unjournaled);
    g_test_add_func ("/cut/changed", test_changed);
    g_test_add_func ("/cut/film", test_film);
    status = g_test_run ();
    forge_world_free (world);
    return status;
}
