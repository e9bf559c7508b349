/* Clips: cut out of forged bundles, they verify by the checkpoint alone; each change to one is refused, by the check that must see it. */
#include <string.h>
#include <glib/gstdio.h>
#include <zlib.h>
#include "ceremony/base/errors.h"
#include "ceremony/bundle/clip.h"
#include "forge.c"
#include "film.c"

static ForgeWorld *world;

typedef struct {                        /* a clip taken apart, to be put together again otherwise */
    json_t  *json;
    GString *events, *checkpoint, *mimetype;
    GByteArray *video;
    char    *video_name;
    GBytes  *further;                   /* a file too many */
} Parts;

static char *
temporary (const char *name)
{
    return g_build_filename (world->dir, name, NULL);
}

/* Cuts @step (or @range) out of the bundle at @path. */
static char *
cut (const char *path, const char *step, const ClipRange *range, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Asice) bundle = asice_open (path, &error);
    char *out = temporary (name);

    g_assert_no_error (error);
    g_remove (out);
    g_autoptr(GArray) pieces = clip_write (bundle, step, range, out, &error);
    g_assert_no_error (error);
    g_assert_nonnull (pieces);
    g_assert_cmpuint (pieces->len, >=, 1);
    return out;
}

static GString *
text_of (const Asice *clip, const char *name)
{
    g_autoptr(GBytes) bytes = asice_read (clip, name, ASICE_MAX_SMALL, NULL);

    g_assert_nonnull (bytes);
    return g_string_new_len (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

static Parts *
take_apart (const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Asice) clip = asice_open_as (path, CLIP_MIMETYPE, &error);
    Parts *parts = g_new0 (Parts, 1);

    g_assert_no_error (error);
    g_autoptr(GString) json = text_of (clip, "clip.json");
    const AsiceEntry *video = asice_entries (clip)->pdata[4];
    g_autoptr(GBytes) bytes = asice_read (clip, video->name, ASICE_MAX_SMALL, NULL);
    parts->json = cjson_parse (json->str, json->len, NULL);
    parts->mimetype = text_of (clip, "mimetype");
    parts->events = text_of (clip, "events.jsonl");
    parts->checkpoint = text_of (clip, "checkpoint.txt");
    parts->video = g_byte_array_new ();
    g_byte_array_append (parts->video, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    parts->video_name = g_strdup (video->name);
    return parts;
}

static void
parts_free (Parts *parts)
{
    json_decref (parts->json);
    g_string_free (parts->events, TRUE);
    g_string_free (parts->checkpoint, TRUE);
    g_string_free (parts->mimetype, TRUE);
    g_byte_array_unref (parts->video);
    g_clear_pointer (&parts->further, g_bytes_unref);
    g_free (parts->video_name);
    g_free (parts);
}

static char *
put_together (const Parts *parts, const char *name)
{
    g_autoptr(GPtrArray) items = asice_items_new ();
    g_autofree char *json = cjson_encode (parts->json, NULL);
    g_autoptr(GError) error = NULL;
    char *path = temporary (name);

    put (items, "clip.json", g_bytes_new (json, strlen (json)));
    put (items, "checkpoint.txt", g_bytes_new (parts->checkpoint->str, parts->checkpoint->len));
    put (items, "events.jsonl", g_bytes_new (parts->events->str, parts->events->len));
    put (items, parts->video_name, g_bytes_new (parts->video->data, parts->video->len));
    if (parts->further)
        asice_items_add_bytes (items, "video/0009.mkv", parts->further);
    g_remove (path);
    g_assert_true (asice_create_as (path, parts->mimetype->str, items, &error));
    g_assert_no_error (error);
    return path;
}

static Verdict *
judge (const char *path, const Trust *trust, VerifyFlags flags)
{
    VerifyOptions options = { .trust = trust, .flags = flags };

    return verify_bundle (path, &options);
}

/* Refused, by that check, for that reason. */
static void
refused (const char *path, const char *id, const char *reason)
{
    g_autoptr(Verdict) verdict = judge (path, world->trust, VERIFY_CLIP | VERIFY_NO_VIDEO);
    const CheckOutcome *found = outcome (verdict, id);

    g_test_message ("%s: %s", id, found->reason);
    g_assert_cmpint (verdict->kind, ==, VERDICT_REFUSE);
    g_assert_cmpint (found->result, ==, CHECK_FAIL);
    g_assert_nonnull (strstr (found->reason, reason));
}

/* ---- without pictures: bytes that look like a recording ---- */

static json_t *
chunks_of (const Parts *parts)
{
    return json_object_get (json_array_get (json_object_get (parts->json, "pieces"), 0), "chunks");
}

static gint64
chunk_length (const Parts *parts, gsize i)
{
    g_autoptr(GPtrArray) events = events_parse (parts->events->str, parts->events->len, NULL);
    gint64 seq = json_integer_value (json_array_get (chunks_of (parts), i));

    for (guint k = 0; k < events->len; k++)
        if (((const Event *) events->pdata[k])->seq == (guint64) seq)
            return event_number (events->pdata[k], "length");
    g_assert_not_reached ();
}

static gsize
chunk_at (const Parts *parts, gsize i)
{
    gsize at = 0;

    for (gsize k = 0; k < i; k++)
        at += (gsize) chunk_length (parts, k);
    return at;
}

static void
replace_frame (Parts *parts, const Parts *other)
{
    parts->video->data[chunk_at (parts, 2) + 8] ^= 1;
}

static void
drop_chunk (Parts *parts, const Parts *other)
{
    g_byte_array_remove_range (parts->video, chunk_at (parts, 2), chunk_length (parts, 2));
    json_array_remove (chunks_of (parts), 2);
}

static void
drop_bytes (Parts *parts, const Parts *other)
{
    g_byte_array_remove_range (parts->video, chunk_at (parts, 2), chunk_length (parts, 2));
}

static void
swap_chunks (Parts *parts, const Parts *other)
{
    gsize second = chunk_at (parts, 2), third = chunk_at (parts, 3), len = third - second;
    g_autofree guint8 *copy = g_memdup2 (parts->video->data + second, len);
    json_t *list = chunks_of (parts), *seq = json_incref (json_array_get (list, 2));

    memmove (parts->video->data + second, parts->video->data + third, (gsize) chunk_length (parts, 3));
    memcpy (parts->video->data + second + chunk_length (parts, 3), copy, len);
    json_array_remove (list, 2);
    json_array_insert_new (list, 3, seq);
}

static void
cut_end (Parts *parts, const Parts *other)
{
    g_byte_array_set_size (parts->video, parts->video->len - 3);
}

static void
add_bytes (Parts *parts, const Parts *other)
{
    g_byte_array_append (parts->video, (const guint8 *) "more", 4);
}

static void
no_header (Parts *parts, const Parts *other)
{
    g_byte_array_remove_range (parts->video, 0, chunk_length (parts, 0));
    json_array_remove (chunks_of (parts), 0);
}

static void
video_of_another (Parts *parts, const Parts *other)
{
    g_byte_array_set_size (parts->video, 0);
    g_byte_array_append (parts->video, other->video->data, other->video->len);
}

static void
checkpoint_of_another (Parts *parts, const Parts *other)
{
    g_string_assign (parts->checkpoint, other->checkpoint->str);
    json_object_set (parts->json, "note_key", json_object_get (other->json, "note_key"));
}

static void
proofs_of_another (Parts *parts, const Parts *other)
{
    const json_t *theirs = json_object_get (other->json, "events");

    for (gsize i = 0; i < json_array_size (theirs); i++)
        json_object_set (json_array_get (json_object_get (parts->json, "events"), i), "proof", json_object_get (json_array_get (theirs, i), "proof"));
}

static void
events_of_another (Parts *parts, const Parts *other)
{
    g_string_assign (parts->events, other->events->str);
}

static void
leave_out (Parts *parts, guint line)
{
    char *start = parts->events->str, *end;

    for (guint i = 0; i < line; i++)
        start = strchr (start, '\n') + 1;
    end = strchr (start, '\n') + 1;
    g_string_erase (parts->events, start - parts->events->str, end - start);
    json_array_remove (json_object_get (parts->json, "events"), line);
}

static void
event_left_out (Parts *parts, const Parts *other)
{
    leave_out (parts, json_array_size (json_object_get (parts->json, "events")) / 2);
}

static void
opening_left_out (Parts *parts, const Parts *other)
{
    leave_out (parts, 0);
}

static void
close_left_out (Parts *parts, const Parts *other)
{
    leave_out (parts, json_array_size (json_object_get (parts->json, "events")) - 1);
}

static void
file_too_many (Parts *parts, const Parts *other)
{
    parts->further = g_bytes_new ("\x1a\x45\xdf\xa3", 4);
}

static void
member_too_many (Parts *parts, const Parts *other)
{
    json_object_set_new (parts->json, "remark", json_string ("trust me"));
}

static void
other_root (Parts *parts, const Parts *other)
{
    json_t *point = json_array_get (json_object_get (parts->json, "checkpoints"), 0);

    json_object_set_new (point, "root", json_string ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
}

static void
proof_longer (Parts *parts, const Parts *other)
{
    json_t *entry = json_array_get (json_object_get (parts->json, "events"), 3);

    json_array_append_new (json_object_get (entry, "proof"), json_string ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
}

/* Words of the pieces that aren't proved must be those that follow. */
static void
other_part (Parts *parts, const Parts *other)
{
    json_object_set_new (json_array_get (json_object_get (parts->json, "pieces"), 0), "part", json_integer (2));
}

static void
no_pieces (Parts *parts, const Parts *other)
{
    json_array_clear (json_object_get (parts->json, "pieces"));
}

static const struct { const char *name, *check, *reason; void (*lie) (Parts *parts, const Parts *other); } lies[] = {
    { "frame replaced", "clip.video", "aren't what was recorded", replace_frame },
    { "chunk dropped", "clip.video", "doesn't follow the one before", drop_chunk },
    { "bytes dropped", "clip.video", "aren't what was recorded", drop_bytes },
    { "order swapped", "clip.video", "doesn't follow the one before", swap_chunks },
    { "end cut off", "clip.video", "aren't what was recorded", cut_end },
    { "bytes added", "clip.video", "bytes follow what was recorded", add_bytes },
    { "header left out", "clip.video", "doesn't follow the one before", no_header },
    { "video of another ceremony", "clip.video", "aren't what was recorded", video_of_another },
    { "checkpoint of another ceremony", "clip.events", "isn't in the ceremony", checkpoint_of_another },
    { "proofs of another ceremony", "clip.events", "isn't in the ceremony", proofs_of_another },
    { "events of another ceremony", "clip.events", "proofs", events_of_another },
    { "event left out", "clip.complete", "was left out", event_left_out },
    { "opening left out", "clip.events", "first and last events", opening_left_out },
    { "close left out", "clip.events", "first and last events", close_left_out },
    { "file too many", "clip.video", "another number of videos", file_too_many },
    { "member too many", "clip.document", "no more and no less", member_too_many },
    { "another root", "clip.checkpoints", "isn't of this journal", other_root },
    { "longer proof", "clip.events", "isn't in the ceremony", proof_longer },
    { "another part", "clip.video", "no event in the clip says", other_part },
    { "no pieces", "clip.document", "no piece of video", no_pieces },
};

typedef struct { Forge f; char *bundle; } Held;

static Held *
hold_one (gboolean interrupted)
{
    Held *held = g_new0 (Held, 1);
    g_autofree char *made = NULL;

    forge_init (&held->f, world);
    held->f.interrupted = interrupted;
    made = forge_bundle (&held->f);
    held->bundle = temporary (interrupted ? "interrupted.asice" : held->f.ceremony);
    g_assert_cmpint (g_rename (made, held->bundle), ==, 0);
    return held;
}

static void
held_free (Held *held)
{
    forge_clear (&held->f);
    g_free (held->bundle);
    g_free (held);
}

static void
test_lies (void)
{
    Held *one = hold_one (FALSE);
    g_autofree char *clip = cut (one->bundle, "challenge", NULL, "one.clip"), *other = NULL;
    Held *two = NULL;
    Parts *of_other;

    two = hold_one (FALSE);
    other = cut (two->bundle, "request", NULL, "two.clip");   /* forged pictures of the same step are alike */
    of_other = take_apart (other);
    for (gsize i = 0; i < G_N_ELEMENTS (lies); i++) {
        Parts *parts = take_apart (clip);
        g_test_message ("%s", lies[i].name);
        lies[i].lie (parts, of_other);
        g_autofree char *path = put_together (parts, "lie.clip");
        refused (path, lies[i].check, lies[i].reason);
        parts_free (parts);
    }
    parts_free (of_other);
    held_free (two);
    held_free (one);
}

/* What isn't a lie: taken apart and put together, believed by trust, or by the checkpoint alone, and told as a clip. */
static void
test_genuine (void)
{
    Held *one = hold_one (FALSE);
    g_autofree char *clip = cut (one->bundle, "challenge", NULL, "one.clip"), *again = NULL;
    Parts *parts = take_apart (clip);
    g_autoptr(GBytes) note = g_bytes_new (parts->checkpoint->str, parts->checkpoint->len);
    const char *early = one->f.notes->pdata[0];
    g_autoptr(GBytes) wrong = g_bytes_new (early, strlen (early));

    again = put_together (parts, "again.clip");
    /* tests/fuzz/make-seeds.sh wants one whose video is small. */
    if (g_getenv ("CLIP_SEED")) {
        g_autoptr(GBytes) whole = file_read (clip, G_MAXINT, NULL);
        g_assert_true (file_write (g_getenv ("CLIP_SEED"), g_bytes_get_data (whole, NULL), g_bytes_get_size (whole), 0644, TRUE, NULL));
    }
    for (guint i = 0; i < 2; i++) {
        g_autoptr(Verdict) verdict = judge (i ? again : clip, world->trust, VERIFY_NO_VIDEO | VERIFY_CLIP);
        for (guint k = 0; k < verdict->outcomes->len; k++) {
            const CheckOutcome *o = verdict->outcomes->pdata[k];
            g_test_message ("%s: %s", o->id, o->reason);
            g_assert_cmpint (o->result, ==, g_str_equal (o->id, "clip.codes") ? CHECK_SKIPPED : CHECK_PASS);
        }
        g_assert_cmpint (verdict->kind, ==, VERDICT_REVIEW);    /* its pictures weren't read */
        g_assert_cmpstr (json_string_value (json_object_get (verdict->clip, "ceremony")), ==, one->f.ceremony);
    }
    const struct { const Trust *trust; GBytes *checkpoint; VerdictKind kind; } who[] = {
        { world->trust, NULL, VERDICT_REVIEW }, { NULL, NULL, VERDICT_REFUSE }, { NULL, note, VERDICT_REVIEW }, { world->trust, wrong, VERDICT_REFUSE }, { NULL, wrong, VERDICT_REFUSE },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (who); i++) {
        VerifyOptions options = { .trust = who[i].trust, .checkpoint = who[i].checkpoint, .flags = VERIFY_NO_VIDEO | VERIFY_CLIP };
        g_autoptr(Verdict) verdict = verify_clip (clip, &options);
        g_assert_cmpint (verdict->kind, ==, who[i].kind);
    }
    parts_free (parts);
    held_free (one);
}

/* An older checkpoint, signed all the same, isn't the final one. */
static void
test_older_checkpoint (void)
{
    Held *one = hold_one (FALSE);
    g_autofree char *clip = cut (one->bundle, "challenge", NULL, "one.clip"), *path = NULL;
    Parts *parts = take_apart (clip);

    g_string_assign (parts->checkpoint, one->f.notes->pdata[one->f.notes->len - 2]);
    path = put_together (parts, "older.clip");
    refused (path, "clip.events", "isn't in the ceremony");
    parts_free (parts);
    held_free (one);
}

static void
test_recovered (void)
{
    Held *one = hold_one (TRUE);
    g_autoptr(Asice) bundle = asice_open (one->bundle, NULL);
    g_autoptr(Moments) moments = moments_read (bundle, NULL);
    ClipRange range = { 1, 0, -1 };
    g_autofree char *clip = cut (one->bundle, NULL, &range, "recovered.clip");
    g_autoptr(Verdict) verdict = judge (clip, world->trust, VERIFY_CLIP | VERIFY_NO_VIDEO);

    g_assert_cmpuint (moments_parts (moments), ==, 2);
    g_assert_cmpint (verdict->kind, ==, VERDICT_REVIEW);
    g_assert_cmpint (outcome (verdict, "clip.video")->result, ==, CHECK_WARN);
    g_assert_nonnull (strstr (outcome (verdict, "clip.video")->reason, "after an interruption"));
    g_assert_nonnull (strstr (outcome (verdict, "clip.shown")->reason, "2 parts of video"));
    held_free (one);
}

/* Every byte of the small files, with its CRC put right, so that only what they say can tell. */
static void
set_crc (guint8 *file, gsize size, const AsiceEntry *entry)
{
    guint32 crc = (guint32) crc32 (0, file + entry->offset, (uInt) entry->length);
    gsize name = strlen (entry->name);
    guint8 le[4] = { crc & 0xff, crc >> 8 & 0xff, crc >> 16 & 0xff, crc >> 24 };
    guint8 *central = memmem (file + entry->offset + entry->length, size - entry->offset - entry->length, entry->name, name);

    /* The name stands once more behind the data: in the directory. */
    while (central && memcmp (central - 46, "PK\1\2", 4) != 0)
        central = memmem (central + 1, file + size - central - 1, entry->name, name);
    g_assert_nonnull (central);
    memcpy (file + entry->offset - name - 30 + 14, le, 4);
    memcpy (central - 46 + 16, le, 4);
}

static void
test_flips (void)
{
    Held *one = hold_one (FALSE);
    g_autofree char *clip = cut (one->bundle, "challenge", NULL, "one.clip");
    g_autoptr(GBytes) whole = file_read (clip, G_MAXINT, NULL);
    g_autoptr(Asice) asice = asice_open_bytes_as (whole, CLIP_MIMETYPE, NULL);
    VerifyOptions options = { .trust = world->trust, .flags = VERIFY_CLIP | VERIFY_NO_VIDEO };
    gsize size = g_bytes_get_size (whole), n = 0;

    for (guint i = 0; i < asice_entries (asice)->len; i++) {
        const AsiceEntry *entry = asice_entries (asice)->pdata[i];
        gsize stride = g_test_slow () ? 1 : MAX (entry->length / 120, 1);
        for (gsize k = 0; k < entry->length; k += stride, n++) {
            g_autofree guint8 *copy = g_memdup2 (g_bytes_get_data (whole, NULL), size);
            copy[entry->offset + k] ^= 1 << (k % 7);
            set_crc (copy, size, entry);
            g_autoptr(GBytes) changed = g_bytes_new (copy, size);
            g_autoptr(Verdict) verdict = verify_clip_bytes (changed, "flipped", &options);
            if (verdict->kind != VERDICT_REFUSE && verdict->kind != VERDICT_UNREADABLE)
                g_error ("byte %" G_GSIZE_FORMAT " of %s can be changed", k, entry->name);
        }
    }
    /* Headers, directory, and every cut. */
    for (gsize k = 0; k < size; k += g_test_slow () ? 1 : 97, n++) {
        g_autofree guint8 *copy = g_memdup2 (g_bytes_get_data (whole, NULL), size);
        copy[k] ^= 0x20;
        g_autoptr(GBytes) changed = g_bytes_new (copy, size), shorter = g_bytes_new (copy, k);
        g_autoptr(Verdict) verdict = verify_clip_bytes (changed, "flipped", &options), cut_off = verify_clip_bytes (shorter, "cut", &options);
        g_assert_true (verdict->kind == VERDICT_REFUSE || verdict->kind == VERDICT_UNREADABLE);
        g_assert_cmpint (cut_off->kind, ==, VERDICT_UNREADABLE);
    }
    g_test_message ("%" G_GSIZE_FORMAT " changes, each refused", n);
    held_free (one);
}

/* A damaged or shortened video gives what is whole, and says what it can't give. */
static void
test_damaged (void)
{
    Held *one = hold_one (FALSE);
    g_autoptr(GBytes) whole = file_read (one->bundle, G_MAXINT, NULL);
    g_autoptr(Asice) before = asice_open (one->bundle, NULL);
    const AsiceEntry *video = asice_find (before, "video/0001.mkv");
    g_autoptr(Moments) moments = moments_read (before, NULL);
    g_autoptr(GPtrArray) chunks = moments_of_part (moments, "video.chunk", 1);
    g_autofree guint8 *copy = g_memdup2 (g_bytes_get_data (whole, NULL), g_bytes_get_size (whole));
    g_autofree char *damaged = temporary ("damaged.asice"), *out = temporary ("whole.clip");
    g_autoptr(GError) error = NULL;
    ClipRange range = { 1, 0, -1 };

    copy[video->offset + event_number (chunks->pdata[5], "offset") + 6] ^= 1;
    g_assert_true (g_file_set_contents (damaged, (const char *) copy, g_bytes_get_size (whole), NULL));
    g_autoptr(Asice) bundle = asice_open (damaged, &error);
    g_assert_no_error (error);
    g_remove (out);
    g_autoptr(GArray) pieces = clip_write (bundle, NULL, &range, out, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (g_array_index (pieces, ClipPiece, 0).chunks, ==, 4);
    g_autoptr(Verdict) verdict = judge (out, world->trust, VERIFY_CLIP | VERIFY_NO_VIDEO);
    g_assert_cmpint (verdict->kind, ==, VERDICT_REVIEW);
    range.from_ms = event_number (chunks->pdata[5], "first_ms");
    range.to_ms = range.from_ms + 1;
    g_remove (out);
    g_assert_null (clip_write (bundle, NULL, &range, out, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
    held_free (one);
}

static void
test_usage (void)
{
    Held *one = hold_one (FALSE);
    g_autoptr(Asice) bundle = asice_open (one->bundle, NULL);
    g_autofree char *out = temporary ("none.clip");
    const struct { const char *step; ClipRange range; int code; const char *says; } tries[] = {
        { "nonsense", { 0 }, BASE_ERROR_USAGE, "it has: consent present" },
        { NULL, { 7, 0, -1 }, BASE_ERROR_USAGE, "no part 7" },
        { NULL, { 1, 3600000000, -1 }, BASE_ERROR_USAGE, "nothing lies between" },
        { NULL, { 1, 5000, 5000 }, BASE_ERROR_USAGE, "nothing lies between" },
        { "unplug", { 0 }, BASE_ERROR_MISSING, "was skipped" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS (tries); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null (clip_write (bundle, tries[i].step, &tries[i].range, out, &error));
        g_test_message ("%s", error->message);
        g_assert_error (error, BASE_ERROR, tries[i].code);
        g_assert_nonnull (strstr (error->message, tries[i].says));
        g_assert_false (g_file_test (out, G_FILE_TEST_EXISTS));
    }
    held_free (one);
}

static void
test_times (void)
{
    static const struct { const char *text; gint64 ms; } times[] = {
        { "0", 0 }, { "75", 75000 }, { "1:15", 75000 }, { "0:01:15.5", 75500 }, { "12.25", 12250 }, { "1:00:00", 3600000 }, { "", -1 }, { ":", -1 }, { "1:", -1 }, { "1:60", -1 },
        { "-1", -1 }, { "1.5:00", -1 }, { "1:2:3:4", -1 }, { "x", -1 }, { "1e3", -1 }, { "nan", -1 }, { "99999999999999999", -1 }, { " 1", -1 }, { "0x10", -1 },
    };

    for (gsize i = 0; i < G_N_ELEMENTS (times); i++) {
        gint64 ms = -1;
        g_autoptr(GError) error = NULL;
        gboolean good = moment_parse (times[i].text, &ms, &error);
        g_test_message ("\"%s\"", times[i].text);
        g_assert_cmpint (good, ==, times[i].ms >= 0);
        g_assert_cmpint (error != NULL, ==, !good);
        if (good)
            g_assert_cmpint (ms, ==, times[i].ms);
    }
    g_autofree char *text = moment_format (75500), *longer = moment_format (3675004);
    g_assert_cmpstr (text, ==, "1:15.500");
    g_assert_cmpstr (longer, ==, "1:01:15.004");
}

/* ---- with pictures ---- */

static char *
of_another_tree (Forge *f, const char *note)
{
    MerkleHash root = { { 7 } };
    g_autofree char *text = checkpoint_text (f->origin, f->events->len, &root);

    return note_sign (text, f->note_key, f->world->note_private, NULL);
}

static void
test_film (gconstpointer lied)
{
    Film film = { .replace_at = lied ? 3 : 0, .replacement = of_another_tree };
    Forge f;
    ClipRange range = { 1, 0, -1 };

    if (!film_there ()) {
        g_test_skip ("ceremony-media isn't built");
        return;
    }
    forge_init (&f, world);
    f.film = &film_ops;
    f.film_data = &film;
    g_autofree char *bundle = forge_bundle (&f), *clip = cut (bundle, NULL, &range, "film.clip");
    g_autoptr(Verdict) verdict = judge (clip, world->trust, VERIFY_CLIP), unasked = lied ? NULL : judge (clip, world->trust, 0);
    const CheckOutcome *codes = outcome (verdict, "clip.codes");

    for (guint i = 0; i < verdict->outcomes->len; i++)
        g_test_message ("%s: %s", ((CheckOutcome *) verdict->outcomes->pdata[i])->id, ((CheckOutcome *) verdict->outcomes->pdata[i])->reason);
    g_assert_cmpint (verdict->kind, ==, lied ? VERDICT_REFUSE : VERDICT_ACCEPT);
    g_assert_cmpint (codes->result, ==, lied ? CHECK_FAIL : CHECK_PASS);
    if (lied)
        g_assert_nonnull (strstr (codes->reason, "that the clip doesn't prove"));
    else
        g_assert_cmpint (unasked->kind, ==, VERDICT_REVIEW);    /* never taken for a bundle */
    forge_clear (&f);
}

int
main (int argc, char **argv)
{
    int status;

    world = film_init (&argc, &argv);
    g_test_add_func ("/clip/genuine", test_genuine);
    g_test_add_func ("/clip/lies", test_lies);
    g_test_add_func ("/clip/older-checkpoint", test_older_checkpoint);
    g_test_add_func ("/clip/recovered", test_recovered);
    g_test_add_func ("/clip/flips", test_flips);
    g_test_add_func ("/clip/damaged", test_damaged);
    g_test_add_func ("/clip/usage", test_usage);
    g_test_add_func ("/clip/times", test_times);
    g_test_add_data_func ("/clip/film", NULL, test_film);
    g_test_add_data_func ("/clip/film-lie", "lie", test_film);
    status = g_test_run ();
    forge_world_free (world);
    return status;
}
