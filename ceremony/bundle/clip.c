/* Cutting: which chunks, which events, which proofs; then one container. */
#include "ceremony/bundle/clip.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/journal/note.h"

#define LEAD_MS 500                     /* a moment is known to a tenth of a second */
#define COPY_PIECE (1024 * 1024)

typedef struct {
    GPtrArray *chunks;                  /* Event: all that the part has */
    guint      first, last;             /* of them, those that are shown; 0 is the header */
    gint64     part;
    const char *path;
    guint64    from_seq, to_seq;        /* every event from here to there goes in */
    int        fd;
} Piece;

typedef struct {
    const Asice *bundle;
    Moments     *moments;
    MerkleTree  *tree;
    char        *note;                  /* the final checkpoint's, with cosignatures */
    Checkpoint  *checkpoint;
    char        *note_key;
    GPtrArray   *pieces;
    GHashTable  *wanted;                /* seq of further events */
} Clip;

static void
piece_free (gpointer data)
{
    Piece *piece = data;

    g_ptr_array_unref (piece->chunks);
    if (piece->fd >= 0)
        close (piece->fd);
    g_free (piece);
}

static void
clip_clear (Clip *clip)
{
    g_clear_pointer (&clip->moments, moments_free);
    g_clear_pointer (&clip->tree, merkle_tree_free);
    g_clear_pointer (&clip->checkpoint, checkpoint_free);
    g_free (clip->note);
    g_free (clip->note_key);
    g_clear_pointer (&clip->pieces, g_ptr_array_unref);
    g_clear_pointer (&clip->wanted, g_hash_table_unref);
}

/* ── what the bundle holds ── */

static MerkleTree *
tree_of (const GPtrArray *events)
{
    MerkleTree *tree = merkle_tree_new ();

    for (guint i = 0; i < events->len; i++) {
        const Event *event = events->pdata[i];
        MerkleHash leaf;
        merkle_leaf (event->line, strlen (event->line), &leaf);
        merkle_tree_append (tree, &leaf);
    }
    return tree;
}

static gboolean
read_checkpoint (Clip *clip, GError **error)
{
    g_autoptr(GBytes) bytes = asice_read (clip->bundle, "journal/checkpoints.txt", ASICE_MAX_SMALL, error);
    g_autoptr(GPtrArray) notes = bytes ? checkpoints_split (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), error) : NULL;
    GBytes *last = notes && notes->len ? notes->pdata[notes->len - 1] : NULL;
    g_autoptr(Note) note = last ? note_parse (g_bytes_get_data (last, NULL), g_bytes_get_size (last), error) : NULL;

    if (last == NULL && notes != NULL)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "there is no checkpoint in it");
    clip->checkpoint = note ? checkpoint_parse (note->text, error) : NULL;
    clip->note = note ? note_format (note) : NULL;
    if (clip->checkpoint != NULL && clip->checkpoint->size == clip->moments->events->len)
        return TRUE;
    if (clip->checkpoint != NULL)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "the last checkpoint isn't over all %u events", clip->moments->events->len);
    g_prefix_error (error, "journal/checkpoints.txt: ");
    return FALSE;
}

/* The key that the journal names as its own: a hint, for who verifies asks whether it is enrolled. */
static gboolean
read_note_key (Clip *clip, GError **error)
{
    const Event *opened = clip->moments->events->len ? clip->moments->events->pdata[0] : NULL;
    const char *text = opened ? cjson_str (json_object_get (opened->data, "appliance"), "note_key", error) : NULL;
    g_autoptr(GBytes) raw = text ? base64_decode (text, -1, error) : NULL;
    g_autoptr(NoteKey) key = NULL;

    if (raw != NULL && g_bytes_get_size (raw) == 32)
        key = note_key_new (clip->checkpoint->origin, NOTE_TYPE_ED25519, g_bytes_get_data (raw, NULL), error);
    if (key == NULL && error != NULL && *error == NULL)
        g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "its first event doesn't name the appliance's key");
    clip->note_key = key ? note_key_format (key) : NULL;
    return key != NULL;
}

/* ── which chunks ── */

/* A chunk's bytes are all there, as the journal tells: only such go into a clip. */
static gboolean
is_whole (const Clip *clip, const AsiceEntry *entry, const Event *chunk)
{
    gint64 offset = event_number (chunk, "offset"), length = event_number (chunk, "length");
    guint8 digest[SHA256_LEN];

    if (offset < 0 || length <= 0 || (guint64) offset > entry->length || (guint64) length > entry->length - (guint64) offset
        || !asice_sha256_range (clip->bundle, entry, offset, length, digest, NULL))
        return FALSE;
    g_autofree char *hex = hex_encode (digest, sizeof digest);
    return g_strcmp0 (hex, event_text (chunk, "sha256")) == 0;
}

static gboolean
no_video (GError **error, gint64 part, const char *why)
{
    g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "part %" G_GINT64_FORMAT " of the video: %s", part, why);
    return FALSE;
}

/* Cuts @piece down to what is whole: from its first chunk up to the first that is damaged or missing. */
static gboolean
keep_whole (const Clip *clip, Piece *piece, GError **error)
{
    const AsiceEntry *entry = asice_find (clip->bundle, piece->path);
    guint last = piece->first - 1;

    if (entry == NULL)
        return no_video (error, piece->part, "its file isn't in the bundle");
    if (!is_whole (clip, entry, piece->chunks->pdata[0]))
        return no_video (error, piece->part, "its beginning is damaged, without which nothing of it plays");
    while (last < piece->last && is_whole (clip, entry, piece->chunks->pdata[last + 1]))
        last++;
    if (last < piece->first)
        return no_video (error, piece->part, "what was asked for is damaged or cut off; `ceremony verify` tells from where to where");
    piece->last = last;
    return TRUE;
}

static Piece *
piece_new (Clip *clip, gint64 part, GError **error)
{
    const Event *started = moments_first (clip->moments, "recording.started", part);
    g_autofree char *name = moments_video_path (part);
    Piece *piece = g_new0 (Piece, 1);

    piece->fd = -1;
    piece->part = part;
    piece->chunks = moments_of_part (clip->moments, "video.chunk", part);
    piece->path = started ? event_text (started, "video") : NULL;
    if (g_strcmp0 (piece->path, name) == 0 && piece->chunks->len >= 2)
        return piece;
    if (started == NULL)
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "the video has no part %" G_GINT64_FORMAT ": it has %u", part, moments_parts (clip->moments));
    else
        no_video (error, part, "it holds no picture");
    piece_free (piece);
    return NULL;
}

static gint64
ends_ms (const Event *chunk)
{
    gint64 last = event_number (chunk, "last_ms");

    return last < 0 ? G_MAXINT64 : last;        /* a recovered chunk: nobody knows */
}

static void
choose_by_time (Piece *piece, gint64 from, gint64 to)
{
    guint n = piece->chunks->len;

    for (piece->first = 1; piece->first + 1 < n && ends_ms (piece->chunks->pdata[piece->first]) < from;)
        piece->first++;
    for (piece->last = piece->first; piece->last + 1 < n && (to < 0 || ends_ms (piece->chunks->pdata[piece->last]) < to);)
        piece->last++;
}

/* A chunk is journaled when its last byte is on disk: what happened before that, and after the chunk before it, is in it. */
static void
widen_by_events (Piece *piece, guint64 begun, guint64 ended)
{
    guint n = piece->chunks->len, first = 1, last;

    while (first + 1 < n && ((const Event *) piece->chunks->pdata[first])->seq < begun)
        first++;
    for (last = first; last + 1 < n && ((const Event *) piece->chunks->pdata[last])->seq < ended;)
        last++;
    piece->first = MIN (piece->first, first);
    piece->last = MAX (piece->last, last);
}

static void
set_events (Piece *piece, guint64 begun, guint64 ended)
{
    piece->from_seq = MIN (((const Event *) piece->chunks->pdata[piece->first - 1])->seq, begun);
    piece->to_seq = MAX (((const Event *) piece->chunks->pdata[piece->last])->seq, ended);
}

static gboolean
choose_range (Clip *clip, const ClipRange *range, GError **error)
{
    Piece *piece = piece_new (clip, range->part, error);
    if (piece == NULL)
        return FALSE;
    const Event *end = piece->chunks->pdata[piece->chunks->len - 1];

    g_ptr_array_add (clip->pieces, piece);
    if ((range->to_ms >= 0 && range->to_ms <= range->from_ms) || range->from_ms > ends_ms (end)) {
        g_autofree char *length = event_number (end, "last_ms") >= 0 ? moment_format (event_number (end, "last_ms")) : g_strdup ("an unknown length");
        g_set_error (error, BASE_ERROR, BASE_ERROR_USAGE, "nothing lies between these times: part %" G_GINT64_FORMAT " of the video is %s long", range->part, length);
        return FALSE;
    }
    choose_by_time (piece, range->from_ms, range->to_ms);
    if (!keep_whole (clip, piece, error))
        return FALSE;
    set_events (piece, G_MAXUINT64, 0);
    return TRUE;
}

/* What of @part lies between two events; @end is where the part ended, or NULL. */
static gboolean
choose_in_part (Clip *clip, gint64 part, const Event *from, const Event *to, GError **error)
{
    Piece *piece = piece_new (clip, part, error);
    if (piece == NULL)
        return FALSE;
    Moment begin = moments_at (clip->moments, from), end = moments_at (clip->moments, to);

    g_ptr_array_add (clip->pieces, piece);
    choose_by_time (piece, MAX (begin.ms - LEAD_MS, 0), end.part == part ? end.ms + LEAD_MS : -1);
    widen_by_events (piece, from->seq, to->seq);
    if (!keep_whole (clip, piece, error))
        return FALSE;
    set_events (piece, from->seq, to->seq);
    return TRUE;
}

/* The last event of which @part still recorded. */
static const Event *
part_end (const Clip *clip, const Event *started)
{
    const Event *last = started;

    for (guint i = (guint) started->seq; i < clip->moments->events->len; i++)
        if (g_array_index (clip->moments->moments, Moment, i).part == event_number (started, "part"))
            last = clip->moments->events->pdata[i];
    return last;
}

static gboolean
choose_step (Clip *clip, const char *id, GError **error)
{
    const GPtrArray *events = clip->moments->events;
    const StepPlace *place = moments_step (clip->moments, id, error);
    const Event *last = events->pdata[events->len - 1], *done;

    if (place == NULL)
        return FALSE;
    if (place->begun == NULL) {
        g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "step \"%s\" was skipped (%s): there is nothing to see", id,
                     place->skipped && event_text (place->skipped, "reason") ? event_text (place->skipped, "reason") : "no reason is told");
        return FALSE;
    }
    done = place->done ? place->done : last;
    for (guint i = 0; i < events->len; i++) {
        const Event *started = events->pdata[i];
        if (strcmp (started->type, "recording.started") != 0 || event_text (started, "video") == NULL)
            continue;
        const Event *ended = part_end (clip, started);
        if (ended->seq < place->begun->seq || started->seq > done->seq)
            continue;
        if (!choose_in_part (clip, event_number (started, "part"), started->seq > place->begun->seq ? started : place->begun, ended->seq < done->seq ? ended : done, error))
            return FALSE;
    }
    if (clip->pieces->len > 0)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_MISSING, "nothing was being recorded while step \"%s\" was done", id);
    return FALSE;
}

/* ── which events ── */

static void
want (Clip *clip, const Event *event)
{
    if (event != NULL)
        g_hash_table_add (clip->wanted, GSIZE_TO_POINTER (event->seq + 1));
}

/* What says what the pieces are parts of: opening, sitting, the parts' beginnings and ends, the close. */
static void
want_around (Clip *clip, const Piece *piece)
{
    const GPtrArray *events = clip->moments->events;
    g_autoptr(GPtrArray) closed = moments_of_part (clip->moments, "track.closed", piece->part);
    const Event *started = moments_first (clip->moments, "recording.started", piece->part), *sitting = NULL;

    want (clip, started);
    want (clip, piece->chunks->pdata[0]);
    want (clip, piece->chunks->pdata[piece->chunks->len - 1]);
    for (guint i = 0; i < closed->len; i++)
        if (g_strcmp0 (event_text (closed->pdata[i], "track"), "video") == 0)
            want (clip, closed->pdata[i]);
    for (guint i = 0; i < events->len && i <= started->seq; i++)
        if (strcmp (((const Event *) events->pdata[i])->type, "ceremony.resumed") == 0)
            sitting = events->pdata[i];
    want (clip, sitting);
}

static gboolean
is_in (const Clip *clip, const Event *event)
{
    if (g_hash_table_contains (clip->wanted, GSIZE_TO_POINTER (event->seq + 1)))
        return TRUE;
    for (guint i = 0; i < clip->pieces->len; i++) {
        const Piece *piece = clip->pieces->pdata[i];
        if (event->seq >= piece->from_seq && event->seq <= piece->to_seq)
            return TRUE;
    }
    return FALSE;
}

/* ── the documents ── */

static json_t *
hashes (GArray *proof)
{
    json_t *list = json_array ();

    for (guint i = 0; i < proof->len; i++) {
        g_autofree char *text = base64_encode (g_array_index (proof, MerkleHash, i).b, sizeof (MerkleHash));
        json_array_append_new (list, json_string (text));
    }
    g_array_unref (proof);
    return list;
}

static json_t *
checkpoint_proof (const Clip *clip, guint64 size)
{
    MerkleHash root;

    merkle_tree_root (clip->tree, size, &root);
    g_autofree char *text = base64_encode (root.b, sizeof root.b);
    return json_pack ("{s:I, s:s, s:o}", "size", (json_int_t) size, "root", text, "proof",
                      hashes (merkle_tree_consistency (clip->tree, size, merkle_tree_size (clip->tree))));
}

static int
by_size (gconstpointer a, gconstpointer b)
{
    guint64 left = *(const guint64 *) a, right = *(const guint64 *) b;

    return left < right ? -1 : left > right;
}

static void
add_size (const Clip *clip, GArray *sizes, const Event *event)
{
    gint64 size = event_number (event, "size");
    guint64 n = (guint64) size;

    if (size > 0 && n < merkle_tree_size (clip->tree))
        g_array_append_val (sizes, n);
}

/* The codes that may be in the pictures: those shown in them, the one shown before, and what the terminal itself holds up. */
static GArray *
sizes_shown (const Clip *clip)
{
    GArray *sizes = g_array_new (FALSE, FALSE, sizeof (guint64));

    for (guint i = 0; i < clip->moments->events->len; i++) {
        const Event *event = clip->moments->events->pdata[i];
        if (strcmp (event->type, "opening.committed") == 0 || strcmp (event->type, "checkpoint.shown") == 0)
            add_size (clip, sizes, event);
    }
    for (guint i = 0; i < clip->pieces->len; i++) {
        const Piece *piece = clip->pieces->pdata[i];
        g_autoptr(GPtrArray) shown = moments_of_part (clip->moments, "qr.shown", piece->part);
        for (guint j = 0; j < shown->len; j++) {
            const Event *event = shown->pdata[j], *next = j + 1 < shown->len ? shown->pdata[j + 1] : NULL;
            if (event->seq <= piece->to_seq && (next == NULL || next->seq >= piece->from_seq))
                add_size (clip, sizes, event);
        }
    }
    g_array_sort (sizes, by_size);
    return sizes;
}

static json_t *
checkpoint_proofs (const Clip *clip)
{
    g_autoptr(GArray) sizes = sizes_shown (clip);
    json_t *list = json_array ();

    for (guint i = 0; i < sizes->len; i++)
        if (i == 0 || g_array_index (sizes, guint64, i) != g_array_index (sizes, guint64, i - 1))
            json_array_append_new (list, checkpoint_proof (clip, g_array_index (sizes, guint64, i)));
    return list;
}

static json_t *
piece_json (const Piece *piece)
{
    json_t *chunks = json_array ();

    json_array_append_new (chunks, json_integer ((json_int_t) ((const Event *) piece->chunks->pdata[0])->seq));
    for (guint i = piece->first; i <= piece->last; i++)
        json_array_append_new (chunks, json_integer ((json_int_t) ((const Event *) piece->chunks->pdata[i])->seq));
    return json_pack ("{s:I, s:s, s:o}", "part", (json_int_t) piece->part, "path", piece->path, "chunks", chunks);
}

static GBytes *
documents (const Clip *clip, GBytes **events, GError **error)
{
    const GPtrArray *all = clip->moments->events;
    GString *lines = g_string_new (NULL);
    json_t *proofs = json_array (), *pieces = json_array ();

    for (guint i = 0; i < all->len; i++) {
        const Event *event = all->pdata[i];
        if (!is_in (clip, event))
            continue;
        g_string_append_printf (lines, "%s\n", event->line);
        json_array_append_new (proofs, json_pack ("{s:I, s:o}", "seq", (json_int_t) event->seq, "proof",
                                                  hashes (merkle_tree_inclusion (clip->tree, i, merkle_tree_size (clip->tree)))));
    }
    for (guint i = 0; i < clip->pieces->len; i++)
        json_array_append_new (pieces, piece_json (clip->pieces->pdata[i]));
    g_autoptr(json_t) json = json_pack ("{s:s, s:s, s:o, s:o, s:o}", "format", CLIP_FORMAT, "note_key", clip->note_key, "pieces", pieces, "events", proofs, "checkpoints",
                                        checkpoint_proofs (clip));
    char *text = cjson_encode (json, error);

    *events = g_string_free_to_bytes (lines);
    return text ? g_bytes_new_take (text, strlen (text)) : NULL;
}

/* ── the video ── */

static gboolean
copy_range (const Clip *clip, const AsiceEntry *entry, const Event *chunk, int out, GError **error)
{
    guint64 offset = (guint64) event_number (chunk, "offset"), length = (guint64) event_number (chunk, "length");
    g_autofree guint8 *piece = g_malloc (COPY_PIECE);

    for (guint64 done = 0; done < length;) {
        gsize n = (gsize) MIN (length - done, COPY_PIECE);
        if (!asice_read_range (clip->bundle, entry, offset + done, piece, n, error))
            return FALSE;
        for (gsize written = 0; written < n;) {
            ssize_t w = write (out, piece + written, n - written);
            if (w < 0 && errno != EINTR)
                return io_fail (error, errno, "cutting the video");
            written += (gsize) MAX (w, 0);
        }
        done += n;
    }
    return TRUE;
}

/* A nameless file in the folder of @path, where there will have to be room anyway. */
static int
scratch_file (const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname (path);
    int fd = open (folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        g_autofree char *name = g_build_filename (folder, ".clip.XXXXXX", NULL);
        fd = g_mkstemp_full (name, O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0)
            unlink (name);
    }
    if (fd < 0)
        io_fail (error, errno, "making a file in %s", folder);
    return fd;
}

static gboolean
cut_video (const Clip *clip, Piece *piece, const char *path, GError **error)
{
    const AsiceEntry *entry = asice_find (clip->bundle, piece->path);

    piece->fd = scratch_file (path, error);
    if (piece->fd < 0 || !copy_range (clip, entry, piece->chunks->pdata[0], piece->fd, error))
        return FALSE;
    for (guint i = piece->first; i <= piece->last; i++)
        if (!copy_range (clip, entry, piece->chunks->pdata[i], piece->fd, error))
            return FALSE;
    return TRUE;
}

static gboolean
write_all (Clip *clip, const char *path, GError **error)
{
    g_autoptr(GPtrArray) items = asice_items_new ();
    g_autoptr(GBytes) events = NULL, note = g_bytes_new (clip->note, strlen (clip->note)), json = documents (clip, &events, error);

    if (json == NULL)
        return FALSE;
    asice_items_add_bytes (items, "clip.json", json);
    asice_items_add_bytes (items, "checkpoint.txt", note);
    asice_items_add_bytes (items, "events.jsonl", events);
    for (guint i = 0; i < clip->pieces->len; i++) {
        Piece *piece = clip->pieces->pdata[i];
        if (!cut_video (clip, piece, path, error))
            return FALSE;
        g_autofree char *source = g_strdup_printf ("/proc/self/fd/%d", piece->fd);
        asice_items_add_file (items, piece->path, source);
    }
    return asice_create_as (path, CLIP_MIMETYPE, items, error);
}

static GArray *
tell (const Clip *clip)
{
    GArray *told = g_array_new (FALSE, TRUE, sizeof (ClipPiece));

    for (guint i = 0; i < clip->pieces->len; i++) {
        const Piece *piece = clip->pieces->pdata[i];
        ClipPiece one = { piece->part, event_number (piece->chunks->pdata[piece->first], "first_ms"), event_number (piece->chunks->pdata[piece->last], "last_ms"),
                          piece->last - piece->first + 1, "" };
        g_strlcpy (one.path, piece->path, sizeof one.path);
        g_array_append_val (told, one);
    }
    return told;
}

static gboolean
prepare (Clip *clip, const char *step, const ClipRange *range, GError **error)
{
    const GPtrArray *events;

    clip->moments = moments_read (clip->bundle, error);
    if (clip->moments == NULL || !read_checkpoint (clip, error) || !read_note_key (clip, error))
        return FALSE;
    events = clip->moments->events;
    clip->tree = tree_of (events);
    clip->pieces = g_ptr_array_new_with_free_func (piece_free);
    clip->wanted = g_hash_table_new (NULL, NULL);
    if (step ? !choose_step (clip, step, error) : !choose_range (clip, range, error))
        return FALSE;
    want (clip, events->pdata[0]);
    want (clip, events->pdata[events->len - 1]);
    for (guint i = 0; i < clip->pieces->len; i++)
        want_around (clip, clip->pieces->pdata[i]);
    return TRUE;
}

GArray *
clip_write (const Asice *bundle, const char *step, const ClipRange *range, const char *path, GError **error)
{
    Clip clip = { .bundle = bundle };
    GArray *told = prepare (&clip, step, range, error) && write_all (&clip, path, error) ? tell (&clip) : NULL;

    clip_clear (&clip);
    return told;
}
