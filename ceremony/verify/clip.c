/* The verdict on a clip: that its bytes are chunks of a ceremony's video, by proofs that lead to the final checkpoint, and what it shows and doesn't. Checks run from
 * the checkpoint outwards, and stop at the first that fails: nothing behind it would mean anything. */
#include <string.h>
#include "ceremony/bundle/clip.h"
#include "ceremony/verify/checks.h"

#define PLACE_SLACK_MS 1000             /* as of the codes in a bundle's pictures */
#define DOCUMENT_MAX (16 * 1024 * 1024)
#define PIECES_MAX 1000

typedef struct {
    gint64      part;
    const char *path;
    GPtrArray  *chunks;                 /* Event; 0 is the header */
    const Event *started;
    gint64      from_ms, to_ms;         /* -1: not told */
    guint64     first_seq, last_seq;    /* every event between these is there */
    gboolean    recovered;
} Piece;

typedef struct { gint64 ms; guint64 size; } Find;

typedef struct ClipView {
    json_t     *json;
    Note       *note;
    Checkpoint *final;
    GHashTable *by_seq;                 /* seq + 1 → Event */
    GPtrArray  *pieces;
    GPtrArray  *points;                 /* Checkpoint: roots that are proved to be of earlier sizes */
    guint       codes;
} ClipView;

static void
piece_free (gpointer data)
{
    g_ptr_array_unref (((Piece *) data)->chunks);
    g_free (data);
}

static const Event *
event_of (const Context *c, gint64 seq)
{
    return seq < 0 ? NULL : g_hash_table_lookup (c->clip->by_seq, GSIZE_TO_POINTER (seq + 1));
}

/* ---- the container and its documents ---- */

static CheckResult
check_structure (Context *c)
{
    static const char *const documents[] = { "mimetype", "clip.json", "checkpoint.txt", "events.jsonl" };
    const GPtrArray *entries = asice_entries (c->asice);

    for (guint i = 0; i < entries->len; i++) {
        const AsiceEntry *entry = entries->pdata[i];
        g_autoptr(GError) error = NULL;
        guint8 digest[SHA256_LEN];
        if (i < G_N_ELEMENTS (documents) ? !g_str_equal (entry->name, documents[i]) : !g_str_has_prefix (entry->name, "video/"))
            flaw (c, CHECK_FAIL, NULL, "%s stands where a clip holds %s", entry->name, i < G_N_ELEMENTS (documents) ? documents[i] : "video");
        if (!asice_sha256 (c->asice, entry, digest, &error))
            flaw (c, CHECK_FAIL, NULL, "%s", error->message);
    }
    if (entries->len <= G_N_ELEMENTS (documents))
        flaw (c, CHECK_FAIL, NULL, "it holds no video");
    return done (c, "%u files, as a clip holds them", entries->len);
}

static gboolean
has_members (const json_t *object, gsize n, const char *const *names)
{
    for (gsize i = 0; i < n; i++)
        if (!json_object_get (object, names[i]))
            return FALSE;
    return json_object_size (object) == n;
}

/* Every object of a list has just these members. */
static gboolean
list_of (const json_t *list, gsize max, gsize n, const char *const *names)
{
    gsize i;
    json_t *value;

    json_array_foreach (list, i, value)
        if (!has_members (value, n, names))
            return FALSE;
    return json_is_array (list) && json_array_size (list) <= max;
}

static CheckResult
check_document (Context *c)
{
    static const char *const top[] = { "format", "note_key", "pieces", "events", "checkpoints" }, *const piece[] = { "part", "path", "chunks" };
    static const char *const event[] = { "seq", "proof" }, *const point[] = { "size", "root", "proof" };
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = asice_read (c->asice, "clip.json", DOCUMENT_MAX, &error);
    json_t *json = bytes ? cjson_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &error) : NULL;

    c->clip->json = json;
    if (!json)
        flaw (c, CHECK_FAIL, NULL, "clip.json: %s", error->message);
    else if (!g_str_equal (member (json, "format"), CLIP_FORMAT))
        flaw (c, CHECK_FAIL, NULL, "clip.json is of the format '%s', which this version doesn't know", member (json, "format"));
    else if (!has_members (json, G_N_ELEMENTS (top), top) || !list_of (json_object_get (json, "pieces"), PIECES_MAX, G_N_ELEMENTS (piece), piece)
             || !list_of (json_object_get (json, "events"), G_MAXINT32, G_N_ELEMENTS (event), event)
             || !list_of (json_object_get (json, "checkpoints"), G_MAXINT32, G_N_ELEMENTS (point), point))
        flaw (c, CHECK_FAIL, NULL, "clip.json doesn't hold what a clip's document holds, no more and no less");
    else if (json_array_size (json_object_get (json, "pieces")) == 0)
        flaw (c, CHECK_FAIL, NULL, "clip.json names no piece of video");
    return done (c, "clip.json is canonical, of the format " CLIP_FORMAT);
}

/* ---- the checkpoint and who signed it ---- */

static CheckResult
check_checkpoint (Context *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = asice_read (c->asice, "checkpoint.txt", NOTE_MAX_LEN, &error);
    gsize len = 0;
    const void *data = bytes ? g_bytes_get_data (bytes, &len) : NULL;

    c->note_key = bytes ? note_key_parse (member (c->clip->json, "note_key"), &error) : NULL;
    c->clip->final = c->note_key ? checkpoint_open (data, len, c->note_key, &error) : NULL;
    c->clip->note = c->clip->final ? note_parse (data, len, &error) : NULL;
    if (!c->clip->note)
        flaw (c, CHECK_FAIL, NULL, "the final checkpoint isn't signed by the key that the clip names: %s", error->message);
    else if (c->clip->note->signatures->len > 1)
        flaw (c, CHECK_WARN, NULL, "the checkpoint bears %u cosignatures, and no key is known here to judge them by", c->clip->note->signatures->len - 1);
    return done (c, "the final checkpoint over %" G_GUINT64_FORMAT " events is signed", c->clip->final ? c->clip->final->size : 0);
}

/* Whether the checkpoint that the reviewer brought is this one; FALSE also where none was brought. */
static gboolean
is_known (Context *c)
{
    gsize len;
    const void *data = c->options->checkpoint ? g_bytes_get_data (c->options->checkpoint, &len) : NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Note) known = data ? note_parse (data, len, &error) : NULL;

    if (known && g_str_equal (known->text, c->clip->note->text))
        return TRUE;
    if (known)
        flaw (c, CHECK_FAIL, NULL, "the clip's checkpoint isn't the one given: it is of another ceremony, or not the final one");
    else if (data)
        flaw (c, CHECK_FAIL, NULL, "the checkpoint given can't be read: %s", error->message);
    return FALSE;
}

static CheckResult
check_appliance (Context *c)
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key (EVP_PKEY_ED25519, NULL, c->note_key->key, 32);
    g_autofree char *why = NULL;
    gboolean known = is_known (c), enrolled = key && c->options->trust && trust_has_key (c->options->trust, "appliance", key, &why);

    EVP_PKEY_free (key);
    if (!known && !enrolled && !c->options->checkpoint) {
        if (!c->options->trust)
            flaw (c, CHECK_FAIL, NULL, "no trust given: use --trust DIR with the keys that you believe, or --checkpoint FILE with the ceremony's final checkpoint");
        else
            flaw (c, CHECK_FAIL, NULL, "the checkpoint is signed by a key that isn't enrolled as an appliance's: %s", why ? why : "unknown");
    }
    return done (c, "%s", enrolled ? why : "the final checkpoint is the one that was given");
}

/* ---- events and their proofs ---- */

static GArray *
read_proof (const json_t *list)
{
    GArray *proof = g_array_new (FALSE, FALSE, sizeof (MerkleHash));
    gsize i;
    json_t *value;

    json_array_foreach (list, i, value) {
        const char *text = json_string_value (value);
        g_autoptr(GBytes) raw = text ? base64_decode (text, -1, NULL) : NULL;
        if (raw && g_bytes_get_size (raw) == sizeof (MerkleHash) && proof->len < 64) {
            g_array_append_vals (proof, g_bytes_get_data (raw, NULL), 1);
            continue;
        }
        g_array_unref (proof);
        return NULL;
    }
    if (json_is_array (list))
        return proof;
    g_array_unref (proof);
    return NULL;
}

static gboolean
is_proved (const Context *c, const Event *event, const json_t *entry)
{
    g_autoptr(GArray) proof = read_proof (json_object_get (entry, "proof"));
    MerkleHash leaf;

    merkle_leaf (event->line, strlen (event->line), &leaf);
    return proof && member_int (entry, "seq") == (gint64) event->seq && merkle_verify_inclusion (&leaf, event->seq, c->clip->final->size, proof, &c->clip->final->root);
}

static void
check_opening (Context *c)
{
    const Event *first = c->parsed->len ? c->parsed->pdata[0] : NULL, *last = c->parsed->len ? c->parsed->pdata[c->parsed->len - 1] : NULL;
    g_autofree char *key = base64_encode (c->note_key->key, 32);

    if (!first || first->seq != 0 || !g_str_equal (first->type, "ceremony.opened") || last->seq + 1 != c->clip->final->size || !g_str_equal (last->type, "ceremony.closed"))
        flaw (c, CHECK_FAIL, NULL, "the ceremony's first and last events, which every clip holds, aren't there");
    else if (!g_str_equal (member (first->data, "origin"), c->note_key->name) || !g_str_equal (member2 (first->data, "appliance", "note_key"), key))
        flaw (c, CHECK_FAIL, first, "the ceremony was opened under another name or key than the clip's checkpoint bears");
}

static CheckResult
check_events (Context *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = asice_read (c->asice, "events.jsonl", ASICE_MAX_SMALL, &error);
    const json_t *entries = json_object_get (c->clip->json, "events");

    c->parsed = bytes ? events_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &error) : NULL;
    c->by_type = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
    c->clip->by_seq = g_hash_table_new (NULL, NULL);
    if (!c->parsed)
        flaw (c, CHECK_FAIL, NULL, "events.jsonl: %s", error->message);
    else if (c->parsed->len != json_array_size (entries))
        flaw (c, CHECK_FAIL, NULL, "there are %u events and %" G_GSIZE_FORMAT " proofs", c->parsed->len, json_array_size (entries));
    for (guint i = 0; c->worst == CHECK_PASS && i < c->parsed->len; i++) {
        Event *event = c->parsed->pdata[i];
        if (i > 0 && event->seq <= ((const Event *) c->parsed->pdata[i - 1])->seq)
            flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT " doesn't come after the one before it", event->seq);
        else if (!is_proved (c, event, json_array_get (entries, i)))
            flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT " isn't in the ceremony that the checkpoint is of: its proof doesn't lead there", event->seq);
        g_hash_table_insert (c->clip->by_seq, GSIZE_TO_POINTER (event->seq + 1), event);
    }
    if (c->worst == CHECK_PASS)
        check_opening (c);
    if (c->worst == CHECK_PASS)
        check_journal_types (c);
    return done (c, "%u events, each in the ceremony's journal as the checkpoint proves", c->parsed ? c->parsed->len : 0);
}

/* ---- the video ---- */

static void
check_piece (Context *c, Piece *piece, const AsiceEntry *entry)
{
    static const guint8 ebml[] = { 0x1A, 0x45, 0xDF, 0xA3 }, cluster[] = { 0x1F, 0x43, 0xB6, 0x75 };
    guint64 at = 0;
    gint64 end = 0;

    for (guint i = 0; i < piece->chunks->len; i++) {
        const Event *chunk = piece->chunks->pdata[i];
        gint64 offset = member_int (chunk->data, "offset"), length = member_int (chunk->data, "length");
        guint8 digest[SHA256_LEN], head[4];
        gboolean there = (guint64) length <= entry->length - at && asice_sha256_range (c->asice, entry, at, length, digest, NULL);
        g_autofree char *hex = there ? hex_encode (digest, sizeof digest) : NULL;
        piece->recovered = piece->recovered || member_true (chunk->data, "recovered");
        if (i < 2 ? (i == 0) != (offset == 0) : offset != end)
            flaw (c, CHECK_FAIL, chunk, "%s: chunk %u doesn't follow the one before it: something was left out, or the order was changed", piece->path, i);
        else if (g_strcmp0 (hex, member (chunk->data, "sha256")) != 0)
            flaw (c, CHECK_FAIL, chunk, "%s: bytes %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " aren't what was recorded: the pictures were replaced, or are missing", piece->path,
                  at, at + length);
        else if (entry_peek (c, entry, at, head, 4) == 4 && memcmp (head, i ? cluster : ebml, 4) != 0)
            flaw (c, CHECK_FAIL, chunk, "%s: chunk %u isn't Matroska as the recorder writes it", piece->path, i);
        if (c->worst == CHECK_FAIL)
            return;
        end = offset + length;
        at += length;
    }
    if (at != entry->length)
        flaw (c, CHECK_FAIL, NULL, "%s: %" G_GUINT64_FORMAT " bytes follow what was recorded", piece->path, entry->length - at);
}

/* The events of the chunks that @json names; FALSE where one isn't there, or isn't a chunk of that part. */
static gboolean
read_chunks (Context *c, Piece *piece, const json_t *json)
{
    gsize i;
    json_t *value;

    json_array_foreach (json, i, value) {
        const Event *chunk = event_of (c, json_is_integer (value) ? json_integer_value (value) : -1);
        if (!chunk || !g_str_equal (chunk->type, "video.chunk") || member_int (chunk->data, "part") != piece->part)
            return FALSE;
        g_ptr_array_add (piece->chunks, (gpointer) chunk);
    }
    return piece->chunks->len >= 2;
}

static Piece *
read_piece (Context *c, const json_t *json)
{
    Piece *piece = g_new0 (Piece, 1);
    g_autofree char *name = NULL;
    const GPtrArray *started;

    piece->part = member_int (json, "part");
    piece->path = member (json, "path");
    piece->chunks = g_ptr_array_new ();
    started = events_of_part (c, "recording.started", piece->part);
    piece->started = started->len ? started->pdata[0] : NULL;
    g_ptr_array_add (c->clip->pieces, piece);
    name = moments_video_path (piece->part);
    if (!piece->started || !g_str_equal (member (piece->started->data, "video"), piece->path))
        flaw (c, CHECK_FAIL, piece->started, "no event in the clip says that part %" G_GINT64_FORMAT " was recorded into %s", piece->part, piece->path);
    else if (!g_str_equal (piece->path, name))
        flaw (c, CHECK_FAIL, piece->started, "part %" G_GINT64_FORMAT " of a video isn't named so by any recorder: %s", piece->part, piece->path);
    else if (!read_chunks (c, piece, json_object_get (json, "chunks")))
        flaw (c, CHECK_FAIL, NULL, "%s: the clip names as its chunks what no event of the clip tells of", piece->path);
    return piece;
}

static CheckResult
check_video (Context *c)
{
    const GPtrArray *entries = asice_entries (c->asice);
    gsize i;
    json_t *json;
    gint64 before = -1;
    guint chunks = 0;

    c->clip->pieces = g_ptr_array_new_with_free_func (piece_free);
    if (json_array_size (json_object_get (c->clip->json, "pieces")) + 4 != entries->len)
        flaw (c, CHECK_FAIL, NULL, "the clip holds another number of videos than it names");
    json_array_foreach (json_object_get (c->clip->json, "pieces"), i, json) {
        if (c->worst == CHECK_FAIL)
            break;
        Piece *piece = read_piece (c, json);
        const AsiceEntry *entry = entries->pdata[i + 4];
        if (c->worst == CHECK_PASS && (!g_str_equal (entry->name, piece->path) || piece->part <= before))
            flaw (c, CHECK_FAIL, NULL, "%s isn't at its place in the clip", piece->path);
        if (c->worst == CHECK_PASS)
            check_piece (c, piece, entry);
        before = piece->part;
        chunks += piece->chunks->len;
    }
    for (i = 0; c->worst == CHECK_PASS && i < c->clip->pieces->len; i++) {
        const Piece *piece = c->clip->pieces->pdata[i];
        if (piece->recovered)
            flaw (c, CHECK_WARN, piece->chunks->pdata[piece->chunks->len - 1],
                  "%s: its end was found after an interruption: these bytes were hashed later than they were recorded", piece->path);
    }
    return done (c, "%u chunks, each byte of them as the journal holds its hash", chunks);
}

/* ---- what it shows ---- */

/* The chunk just before those shown: what was journaled after it happened while these were recorded. */
static const Event *
chunk_before (Context *c, const Piece *piece)
{
    const GPtrArray *chunks = events_of_part (c, "video.chunk", piece->part);
    gint64 offset = member_int (((const Event *) piece->chunks->pdata[1])->data, "offset");

    for (guint i = 0; i < chunks->len; i++) {
        const Event *chunk = chunks->pdata[i];
        if (member_int (chunk->data, "offset") + member_int (chunk->data, "length") == offset)
            return chunk;
    }
    return NULL;
}

static CheckResult
check_complete (Context *c)
{
    guint n = 0;

    for (guint i = 0; i < c->clip->pieces->len; i++) {
        Piece *piece = c->clip->pieces->pdata[i];
        const Event *before = chunk_before (c, piece), *first = piece->chunks->pdata[1], *last = piece->chunks->pdata[piece->chunks->len - 1];
        piece->from_ms = member_int (first->data, "first_ms");
        piece->to_ms = member_int (last->data, "last_ms");
        if (!before) {
            flaw (c, CHECK_FAIL, first, "%s: the chunk before what is shown isn't named: what happened while it was recorded can't be told", piece->path);
            continue;
        }
        piece->first_seq = before->seq;
        piece->last_seq = last->seq;
        for (guint64 seq = before->seq; seq <= last->seq; seq++) {
            if (!event_of (c, seq)) {
                flaw (c, CHECK_FAIL, NULL, "event %" G_GUINT64_FORMAT ", which happened while this was recorded, was left out", seq);
                break;
            }
            n++;
        }
    }
    return done (c, "all %u events that happened meanwhile are there", n);
}

static char *
span (gint64 from, gint64 to)
{
    g_autofree char *a = from < 0 ? g_strdup ("an untold time") : moment_format (from), *b = to < 0 ? g_strdup ("its end, which isn't told") : moment_format (to);

    return g_strdup_printf ("%s to %s", a, b);
}

static gint64
part_length (Context *c, gint64 part)
{
    const GPtrArray *chunks = events_of_part (c, "video.chunk", part), *closed = events_of_part (c, "track.closed", part);

    for (guint i = 0; i < closed->len; i++) {
        const json_t *data = ((const Event *) closed->pdata[i])->data;
        const Event *last = chunks->len ? chunks->pdata[chunks->len - 1] : NULL;
        if (last && g_str_equal (member (data, "track"), "video") && member_int (last->data, "offset") + member_int (last->data, "length") == member_int (data, "length"))
            return member_int (last->data, "last_ms");
    }
    return -1;
}

static gboolean
is_during (const Context *c, const Event *event)
{
    for (guint i = 0; i < c->clip->pieces->len; i++) {
        const Piece *piece = c->clip->pieces->pdata[i];
        if (event->seq > piece->first_seq && event->seq <= piece->last_seq)
            return TRUE;
    }
    return FALSE;
}

/* [{"step","begins":bool,"ends":bool}] in order: of which steps something happened while this was recorded. */
static json_t *
steps_shown (Context *c)
{
    json_t *list = json_array (), *step = NULL;

    for (guint i = 0; i < c->parsed->len; i++) {
        const Event *event = c->parsed->pdata[i];
        if (!is_during (c, event) || !*event->step)
            continue;
        if (!step || !g_str_equal (member (step, "step"), event->step)) {
            step = json_pack ("{s:s, s:b, s:b}", "step", event->step, "begins", 0, "ends", 0);
            json_array_append_new (list, step);
        }
        if (g_str_equal (event->type, "step.begun"))
            json_object_set_new (step, "begins", json_true ());
        if (g_str_equal (event->type, "step.done"))
            json_object_set_new (step, "ends", json_true ());
    }
    return list;
}

static char *
steps_text (const json_t *steps)
{
    GString *text = g_string_new (NULL);
    gsize i;
    json_t *step;

    json_array_foreach (steps, i, step) {
        gboolean begins = member_true (step, "begins"), ends = member_true (step, "ends");
        if (i == 8) {
            g_string_append_printf (text, " and %" G_GSIZE_FORMAT " more", json_array_size (steps) - i);
            break;
        }
        g_string_append_printf (text, "%s %s%s", i ? "," : "", member (step, "step"), begins && ends ? "" : begins ? " (its beginning)" : ends ? " (its end)" : " (a middle part)");
    }
    if (text->len == 0)
        g_string_append (text, " none");
    return g_string_free (text, FALSE);
}

static guint
video_parts (Context *c)
{
    const json_t *parts = json_object_get (c->closed->data, "parts");
    guint n = 0;

    for (gsize i = 0; i < json_array_size (parts); i++) {
        const char *path = json_string_value (json_array_get (parts, i));
        n += path && g_str_has_prefix (path, "video/");
    }
    return n;
}

static json_t *
or_null (gint64 ms)
{
    return ms < 0 ? json_null () : json_integer (ms);
}

static CheckResult
check_shown (Context *c)
{
    g_autoptr(GString) text = g_string_new (NULL);
    g_autofree char *steps = NULL;
    json_t *pieces = json_array (), *shown = steps_shown (c);

    for (guint i = 0; i < c->clip->pieces->len; i++) {
        const Piece *piece = c->clip->pieces->pdata[i];
        gint64 length = part_length (c, piece->part);
        g_autofree char *stretch = span (piece->from_ms, piece->to_ms), *whole = length < 0 ? g_strdup ("of untold length") : moment_format (length);
        g_string_append_printf (text, "%spart %" G_GINT64_FORMAT " of the video from %s, of %s", i ? "; " : "", piece->part, stretch, whole);
        json_array_append_new (pieces, json_pack ("{s:I, s:s, s:o, s:o, s:o, s:i, s:[I,I]}", "part", (json_int_t) piece->part, "path", piece->path, "from_ms", or_null (piece->from_ms),
                                                  "to_ms", or_null (piece->to_ms), "part_ms", or_null (length), "chunks", piece->chunks->len - 1, "events",
                                                  (json_int_t) piece->first_seq + 1, (json_int_t) piece->last_seq));
    }
    steps = steps_text (shown);
    c->verdict->clip = json_pack ("{s:s, s:o, s:o, s:i, s:I}", "ceremony", member (c->opened->data, "ceremony"), "pieces", pieces, "steps", shown, "parts", (int) video_parts (c),
                                  "ceremony_events", (json_int_t) c->clip->final->size);
    return done (c, "%s; steps:%s. Not shown: everything else of the ceremony's %" G_GUINT64_FORMAT " events and %u part%s of video", text->str, steps, c->clip->final->size,
                 video_parts (c), video_parts (c) == 1 ? "" : "s");
}

/* ---- the codes in the pictures ---- */

static void
point_free (gpointer data)
{
    checkpoint_free (data);
}

/* Each earlier root that the clip names is proved to be of the same journal as the final one. */
static CheckResult
check_points (Context *c)
{
    gsize i;
    json_t *entry;
    guint64 before = 0;

    c->clip->points = g_ptr_array_new_with_free_func (point_free);
    json_array_foreach (json_object_get (c->clip->json, "checkpoints"), i, entry) {
        gint64 size = member_int (entry, "size");
        g_autoptr(GBytes) root = base64_decode (member (entry, "root"), -1, NULL);
        g_autoptr(GArray) proof = read_proof (json_object_get (entry, "proof"));
        Checkpoint *point = g_new0 (Checkpoint, 1);
        point->size = (guint64) size;
        if (root && g_bytes_get_size (root) == sizeof point->root)
            memcpy (&point->root, g_bytes_get_data (root, NULL), sizeof point->root);
        g_ptr_array_add (c->clip->points, point);
        if (size <= (gint64) before || !root || g_bytes_get_size (root) != sizeof point->root || !proof
            || !merkle_verify_consistency (point->size, c->clip->final->size, proof, &point->root, &c->clip->final->root)) {
            flaw (c, CHECK_FAIL, NULL, "the checkpoint over %" G_GINT64_FORMAT " events isn't of this journal: its proof doesn't lead to the final one", size);
            break;
        }
        before = point->size;
    }
    return done (c, "%u earlier checkpoints are of the same journal", c->clip->points->len);
}

static const Checkpoint *
proved (const Context *c, guint64 size)
{
    for (guint i = 0; i < c->clip->points->len; i++)
        if (((const Checkpoint *) c->clip->points->pdata[i])->size == size)
            return c->clip->points->pdata[i];
    return size == c->clip->final->size ? c->clip->final : NULL;
}

/* A chunk can't have been hashed before the events were there that its picture shows a checkpoint of. */
static void
check_interlock (Context *c, const Piece *piece, const Find *find)
{
    for (guint i = 1; i < piece->chunks->len; i++) {
        const Event *chunk = piece->chunks->pdata[i];
        gint64 first = member_int (chunk->data, "first_ms"), last = member_int (chunk->data, "last_ms");
        if (first >= 0 && first <= find->ms && find->ms <= last && chunk->seq < find->size)
            flaw (c, CHECK_FAIL, chunk, "%s, at %.1f s: the picture shows a checkpoint over events that came after this piece of video was hashed", piece->path, find->ms / 1000.0);
    }
}

static void
take_code (Context *c, const Piece *piece, const char *text, gint64 ms, GArray *finds)
{
    const char *newline = strchr (text, '\n');
    g_autofree char *origin = newline ? g_strndup (text, newline - text) : NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Checkpoint) checkpoint = NULL;
    const Checkpoint *point;
    Find find = { ms, 0 };

    if (!origin || !strstr (origin, "/ceremony/"))
        return;                         /* a code on a box, on a token */
    if (!g_str_equal (origin, c->note_key->name)) {
        flaw (c, CHECK_FAIL, NULL, "%s, at %.1f s: the picture shows a code of another ceremony, '%s'", piece->path, ms / 1000.0, origin);
        return;
    }
    checkpoint = checkpoint_open (text, strlen (text), c->note_key, &error);
    point = checkpoint ? proved (c, checkpoint->size) : NULL;
    if (!checkpoint)
        flaw (c, CHECK_FAIL, NULL, "%s, at %.1f s: the picture shows a checkpoint that isn't the appliance's: %s", piece->path, ms / 1000.0, error->message);
    else if (!point || memcmp (&point->root, &checkpoint->root, sizeof point->root) != 0)
        flaw (c, CHECK_FAIL, NULL, "%s, at %.1f s: the picture shows a checkpoint over %" G_GUINT64_FORMAT " events that the clip doesn't prove", piece->path, ms / 1000.0,
              checkpoint->size);
    else {
        find.size = checkpoint->size;
        g_array_append_val (finds, find);
        check_interlock (c, piece, &find);
    }
}

static gboolean
is_found (const GArray *finds, guint64 size, gint64 ms)
{
    for (guint i = 0; i < finds->len; i++) {
        const Find *find = &g_array_index (finds, Find, i);
        if (find->size == size && ABS (find->ms - ms) <= PLACE_SLACK_MS)
            return TRUE;
    }
    return FALSE;
}

/* What the journal says was shown in this stretch is in it, and no longer stretch goes without a new code than policy allows. */
static void
check_told (Context *c, const Piece *piece, const GArray *finds, gint64 end)
{
    const GPtrArray *shown = events_of_part (c, "qr.shown", piece->part);
    gint64 changed = MAX (piece->from_ms, 0), longest = 0;
    guint64 size = 0;

    for (guint i = 0; i < shown->len; i++) {
        const Event *event = shown->pdata[i];
        gint64 ms = member_int (event->data, "media_ms");
        if (ms < piece->from_ms || piece->to_ms < 0 || ms > piece->to_ms || is_found (finds, (guint64) member_int (event->data, "size"), ms))
            continue;
        flaw (c, CHECK_FAIL, event, "%s, at %.1f s: the code over %" G_GINT64_FORMAT " events, which the journal says was shown, isn't in the picture", piece->path, ms / 1000.0,
              member_int (event->data, "size"));
    }
    for (guint i = 0; i < finds->len; i++) {
        const Find *find = &g_array_index (finds, Find, i);
        if (find->size == size)
            continue;
        longest = MAX (longest, find->ms - changed);
        changed = find->ms;
        size = find->size;
    }
    longest = MAX (longest, end - changed);
    if (longest > c->rule.qr_gap_ms)
        flaw (c, CHECK_FAIL, NULL, "%s shows no new code for %.1f s, policy allows %.1f s: that stretch isn't bound to the journal", piece->path, longest / 1000.0,
              c->rule.qr_gap_ms / 1000.0);
}

static gboolean
check_piece_codes (Context *c, const Piece *piece)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) output = media_read (c, asice_find (c->asice, piece->path), (const char *const[]) { "scan", "--key-units", NULL }, &error);
    g_autoptr(GArray) finds = g_array_new (FALSE, FALSE, sizeof (Find));
    gint64 duration = -1;
    json_t *line;

    if (!output && g_error_matches (error, BASE_ERROR, BASE_ERROR_MISSING))
        return FALSE;
    for (gsize at = 0; output && (line = media_line (output, &at)) != NULL; json_decref (line)) {
        const char *text = json_string_value (json_object_get (line, "text"));
        if (member_true (line, "end"))
            duration = MAX (member_int (line, "duration_ms"), 0);
        else if (text)
            take_code (c, piece, text, member_int (line, "ms"), finds);
    }
    if (!output || duration < 0)
        flaw (c, piece->recovered ? CHECK_WARN : CHECK_FAIL, NULL, "%s: %s", piece->path, error ? error->message : "it can't be decoded to its end");
    else if (piece->to_ms > duration + c->rule.qr_gap_ms)
        flaw (c, CHECK_FAIL, NULL, "%s holds picture up to %.1f s, the journal tells of %.1f s", piece->path, duration / 1000.0, piece->to_ms / 1000.0);
    else
        check_told (c, piece, finds, duration);
    if (finds->len == 0 && c->worst == CHECK_PASS)
        flaw (c, CHECK_WARN, NULL, "%s shows no code at all: only the hashes of its bytes bind it to the journal", piece->path);
    c->clip->codes += finds->len;
    return TRUE;
}

static CheckResult
check_codes (Context *c)
{
    if (c->options->flags & VERIFY_NO_VIDEO)
        return unreached (c, "the pictures weren't decoded (--no-video)");
    for (guint i = 0; i < c->clip->pieces->len; i++)
        if (!check_piece_codes (c, c->clip->pieces->pdata[i]))
            return unreached (c, "ceremony-media isn't there to read the pictures: install it beside ceremony, or set CEREMONY_MEDIA");
    return done (c, "%u codes read: each a signed checkpoint of this journal, shown when the journal says", c->clip->codes);
}

/* ---- what it is of ---- */

static CheckResult
check_ceremony (Context *c)
{
    const char *kind;

    for (guint i = 0; i < c->clip->pieces->len; i++) {
        const Piece *piece = c->clip->pieces->pdata[i];
        kind = member2 (piece->started->data, "camera", "kind");
        if (!c->verdict->rehearsal && (g_str_equal (kind, "test") || g_str_equal (kind, "file")))
            flaw (c, CHECK_FAIL, piece->started, "the camera's picture came from a %s: that is for rehearsals", g_str_equal (kind, "test") ? "test pattern" : "file");
    }
    if (!g_str_equal (member (c->closed->data, "outcome"), "completed"))
        flaw (c, CHECK_WARN, c->closed, "the ceremony was aborted: %s", member (c->closed->data, "reason"));
    return done (c, "of a ceremony that was completed");
}

static CheckResult
check_no_rehearsal (Context *c)
{
    if (c->verdict->rehearsal)
        flaw (c, CHECK_FAIL, c->opened, "a clip of a rehearsal is never evidence");
    return done (c, "no rehearsal");
}

static CheckResult
check_expected (Context *c)
{
    if (!(c->options->flags & VERIFY_CLIP))
        flaw (c, CHECK_WARN, NULL, "this is a clip, not a bundle: what it doesn't show isn't judged. Where a clip is what you expect, say --clip");
    return done (c, "a clip, as expected");
}

static const struct { CheckInfo info; CheckFunc run; } checks[] = {
    { { "clip.structure", "clip", "The clip is a strict container that holds only what a clip holds.", "docs/formats.md" }, check_structure },
    { { "clip.document", "clip", "What says which chunks and proofs it holds can be read.", "docs/formats.md" }, check_document },
    { { "clip.checkpoint", "clip", "The final checkpoint is signed by the key that the clip names.", "C2SP tlog-checkpoint" }, check_checkpoint },
    { { "clip.appliance", "clip", "That key is an enrolled appliance's, or the checkpoint is known from elsewhere.", "C2SP signed-note" }, check_appliance },
    { { "clip.events", "clip", "Every event is proved to be in the journal that the checkpoint is of.", "RFC 9162 2.1.3.2" }, check_events },
    { { "clip.video", "clip", "Every byte of video is of a chunk whose hash is in these events, one after the other.", "RFC 9559" }, check_video },
    { { "clip.complete", "clip", "No event that happened meanwhile was left out.", "CSBR 5.4.1.1" }, check_complete },
    { { "clip.checkpoints", "clip", "Earlier checkpoints are proved to be of the same journal.", "RFC 9162 2.1.4.2" }, check_points },
    { { "clip.shown", "clip", "What the clip shows, and of what.", "CSBR 6.1.1.1" }, check_shown },
    { { "clip.codes", "clip", "The QR codes in its pictures are these checkpoints, where the journal says that they were shown.", "CSBR 6.1.1.1" }, check_codes },
    { { "clip.ceremony", "clip", "It is of a ceremony that was completed, before a camera.", "CSBR 6.1.1.1" }, check_ceremony },
    { { "rehearsal", "clip", "It was a ceremony, not a rehearsal.", "CSBR 6.2.7.4.1" }, check_no_rehearsal },
    { { "clip.expected", "clip", "A clip is what was asked for.", "docs/formats.md" }, check_expected },
};

const CheckInfo *
verify_clip_checks (gsize *n)
{
    static CheckInfo infos[G_N_ELEMENTS (checks)];

    for (gsize i = 0; i < G_N_ELEMENTS (checks); i++)
        infos[i] = checks[i].info;
    *n = G_N_ELEMENTS (checks);
    return infos;
}

/* ---- all of them ---- */

static void
run_checks (Context *c)
{
    const char *failed = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS (checks); i++) {
        CheckOutcome *outcome = outcome_begin (c, &checks[i].info);
        gboolean needed = i < G_N_ELEMENTS (checks) - 4;
        outcome->fixed = TRUE;
        /* Whose key it is can't be judged, and the proofs still lead somewhere: everything else builds on the check before it. */
        outcome_end (c, failed ? unreached (c, "not reached: %s failed", failed) : checks[i].run (c));
        if (outcome->result == CHECK_FAIL && needed && checks[i].run != check_appliance)
            failed = checks[i].info.id;
        if (checks[i].run == check_events && !failed)
            c->verdict->rehearsal = member_true (c->opened->data, "rehearsal");
    }
}

static void
describe (Context *c)
{
    const Event *opened = c->opened;
    json_t *summary = json_object ();
    static const char *const texts[] = { "ceremony", "subject" };

    for (gsize i = 0; opened && i < G_N_ELEMENTS (texts); i++) {
        g_autofree char *clean = printable (member (opened->data, texts[i]), 500);
        json_object_set_new (summary, texts[i], json_string (clean));
    }
    if (opened) {
        g_autofree char *from = clock_format (opened->time), *to = clock_format (c->closed ? c->closed->time : opened->time);
        g_autofree char *subscriber = printable (member2 (opened->data, "subscriber", "name"), 500);
        json_object_set_new (summary, "started", json_string (from));
        json_object_set_new (summary, "closed", json_string (to));
        json_object_set_new (summary, "outcome", json_string (c->closed ? member (c->closed->data, "outcome") : "unknown"));
        json_object_set_new (summary, "subscriber", *subscriber ? json_string (subscriber) : json_null ());
    }
    c->verdict->summary = summary;
    if (!c->verdict->clip)
        c->verdict->clip = json_object ();
}

static void
view_clear (ClipView *view)
{
    g_clear_pointer (&view->json, json_decref);
    g_clear_pointer (&view->note, note_free);
    g_clear_pointer (&view->final, checkpoint_free);
    g_clear_pointer (&view->by_seq, g_hash_table_unref);
    g_clear_pointer (&view->pieces, g_ptr_array_unref);
    g_clear_pointer (&view->points, g_ptr_array_unref);
}

/* @asice is taken; NULL with @error: it can't be read. */
static Verdict *
verify_opened (Asice *asice, const char *name, const VerifyOptions *options, const GError *error)
{
    g_autoptr(Asice) owned = asice;
    Verdict *verdict = verdict_new (name);
    ClipView view = { 0 };
    Context c = { .asice = asice, .options = options, .verdict = verdict, .reason = g_string_new (NULL), .clip = &view };

    rule_make (&c);
    if (asice) {
        run_checks (&c);
        verdict_decide (&c);
    } else {
        outcome_begin (&c, &checks[0].info);
        flaw (&c, CHECK_FAIL, NULL, "%s", error->message);
        outcome_end (&c, done (&c, "%s", ""));
        verdict->kind = VERDICT_UNREADABLE;
    }
    describe (&c);
    view_clear (&view);
    context_clear (&c);
    return verdict;
}

Verdict *
verify_clip (const char *path, const VerifyOptions *options)
{
    g_autoptr(GError) error = NULL;
    Asice *asice = asice_open_as (path, CLIP_MIMETYPE, &error);

    return verify_opened (asice, path, options, error);
}

Verdict *
verify_clip_bytes (GBytes *bytes, const char *name, const VerifyOptions *options)
{
    g_autoptr(GError) error = NULL;
    Asice *asice = asice_open_bytes_as (bytes, CLIP_MIMETYPE, &error);

    return verify_opened (asice, name, options, error);
}
