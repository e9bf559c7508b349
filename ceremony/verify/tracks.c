/* The tracks: that the files are those which the journal tells of, byte for byte, chunk by chunk, and that a camera was there. */
#include <math.h>
#include <string.h>
#include "ceremony/bundle/moments.h"
#include "ceremony/verify/checks.h"

static const struct { const char *name, *chunks, *folder; } tracks[] = {
    { "video", "video.chunk", "video/" }, { "terminal", "terminal.chunk", "terminal/" },
};

static const Event *
started_part (Context *c, gint64 part)
{
    const GPtrArray *list = events_of_part (c, "recording.started", part);

    return list->len ? list->pdata[0] : NULL;
}

static void
check_part_file (Context *c, const Event *closed)
{
    const char *path = member (closed->data, "path");
    const AsiceEntry *entry = asice_find (c->asice, path);
    g_autofree char *hash = entry_sha256 (c, path, NULL);
    const Event *started = started_part (c, member_int (closed->data, "part"));

    if (!entry)
        flaw (c, CHECK_FAIL, closed, "%s was recorded and isn't in the bundle", path);
    else if ((gint64) entry->length < member_int (closed->data, "length"))
        flaw (c, CHECK_FAIL, closed, "%s was cut off: it holds %" G_GUINT64_FORMAT " of %" G_GINT64_FORMAT " bytes (tracks.chunks tells the time)", path, entry->length,
              member_int (closed->data, "length"));
    else if ((gint64) entry->length != member_int (closed->data, "length") || g_strcmp0 (hash, member (closed->data, "sha256")) != 0)
        flaw (c, CHECK_FAIL, closed, "%s isn't the recording that the journal tells of", path);
    if (!started || !g_str_equal (member (started->data, member (closed->data, "track")), path))
        flaw (c, CHECK_FAIL, closed, "%s was closed without having been started", path);
}

static gboolean
is_closed (Context *c, const char *path)
{
    const GPtrArray *closed = events_of (c, "track.closed");

    for (guint i = 0; i < closed->len; i++)
        if (g_str_equal (member (((const Event *) closed->pdata[i])->data, "path"), path))
            return TRUE;
    return FALSE;
}

static gboolean
too_many (Context *c, const GPtrArray *closed)
{
    if (closed->len <= asice_entries (c->asice)->len)
        return FALSE;
    flaw (c, CHECK_FAIL, closed->pdata[0], "the journal closes %u files of recordings, the bundle holds fewer", closed->len);
    return TRUE;
}

/* Every part that was begun was closed, once, under its own number: else a recording could be left out of the bundle. */
static void
check_started (Context *c)
{
    const GPtrArray *started = events_of (c, "recording.started");

    for (guint i = 0; i < started->len; i++) {
        const Event *event = started->pdata[i];
        if (started_part (c, member_int (event->data, "part")) != event)
            flaw (c, CHECK_FAIL, event, "part %" G_GINT64_FORMAT " of the recording was begun twice", member_int (event->data, "part"));
        for (gsize t = 0; t < G_N_ELEMENTS (tracks); t++) {
            const char *path = member (event->data, tracks[t].name);
            if (*path && !is_closed (c, path) && !was_aborted (c))
                flaw (c, CHECK_FAIL, event, "%s was begun, and the journal doesn't tell what became of it", path);
        }
    }
}

CheckResult
check_tracks_files (Context *c)
{
    const GPtrArray *closed = events_of (c, "track.closed"), *entries = asice_entries (c->asice);
    const json_t *parts = c->closed ? json_object_get (c->closed->data, "parts") : NULL, *path;
    gsize j;

    if (too_many (c, closed))
        return done (c, "%s", "");
    for (guint i = 0; i < closed->len; i++)
        check_part_file (c, closed->pdata[i]);
    for (guint i = 0; i < entries->len; i++) {
        const char *name = ((const AsiceEntry *) entries->pdata[i])->name;
        if ((g_str_has_prefix (name, "video/") || g_str_has_prefix (name, "terminal/")) && !is_closed (c, name))
            flaw (c, CHECK_FAIL, NULL, "%s is in the bundle and the journal doesn't know it", name);
    }
    json_array_foreach (parts, j, path)
        if (!json_is_string (path) || !is_closed (c, json_string_value (path)))
            flaw (c, CHECK_FAIL, c->closed, "ceremony.closed names a part that no track.closed tells of");
    if (json_array_size (parts) != closed->len)
        flaw (c, CHECK_FAIL, c->closed, "ceremony.closed names %" G_GSIZE_FORMAT " parts, %u were closed", json_array_size (parts), closed->len);
    check_started (c);
    if (closed->len == 0)
        flaw (c, CHECK_FAIL, NULL, "nothing was recorded");
    return done (c, "%u files of recordings, each as the journal tells", closed->len);
}

typedef enum { HOLE_NONE, HOLE_CHANGED, HOLE_MISSING } HoleKind;

typedef struct {
    const Event      *closed;           /* its track.closed */
    const AsiceEntry *entry;
    gint64            at;               /* where the next chunk must begin */
    gint64            at_ms;            /* media time up to there */
    guint             n;
    gboolean          recovered;
    /* chunks in a row that aren't there, or aren't those recorded */
    HoleKind          hole;
    const Event      *hole_first;
    gint64            hole_from, hole_to, hole_from_ms, hole_to_ms;
} Part;

/* Up to when @chunk recorded: media time, of what has none (terminal, recovered) by when the chunk was journaled. */
static gint64
chunk_end_ms (Context *c, const Event *chunk)
{
    gint64 ms = member_int (chunk->data, "last_ms");

    return ms >= 0 ? ms : event_video_ms (c, chunk);
}

/* Tells of the stretch that ends here, from where to where in bytes and in time. */
static void
end_hole (Context *c, Part *part)
{
    const char *path = member (part->closed->data, "path");
    g_autofree char *from = moment_format (MAX (part->hole_from_ms, 0));
    g_autofree char *to = part->hole_to_ms < 0 ? g_strdup ("the interruption") : moment_format (part->hole_to_ms);

    if (part->hole == HOLE_CHANGED)
        flaw (c, CHECK_FAIL, part->hole_first, "%s: bytes %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ", from %s to %s of part %" G_GINT64_FORMAT ", aren't those recorded", path,
              part->hole_from, part->hole_to, from, to, member_int (part->closed->data, "part"));
    else if (part->hole == HOLE_MISSING)
        flaw (c, CHECK_FAIL, part->hole_first, "%s is whole up to byte %" G_GINT64_FORMAT ", and ends at %" G_GUINT64_FORMAT " before the chunk of event %" G_GUINT64_FORMAT
              " is: bytes %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ", from %s to %s of part %" G_GINT64_FORMAT ", are missing", path, part->hole_from,
              part->entry ? part->entry->length : 0, part->hole_first->seq, part->hole_from, part->hole_to, from, to, member_int (part->closed->data, "part"));
    part->hole = HOLE_NONE;
}

static void
add_to_hole (Context *c, Part *part, HoleKind kind, const Event *chunk)
{
    gint64 first_ms = member_int (chunk->data, "first_ms");

    if (part->hole != kind) {
        end_hole (c, part);
        part->hole = kind;
        part->hole_first = chunk;
        part->hole_from = member_int (chunk->data, "offset");
        part->hole_from_ms = first_ms >= 0 ? first_ms : part->at_ms;
    }
    part->hole_to = part->at;
    part->hole_to_ms = chunk_end_ms (c, chunk);
}

static void
check_chunk (Context *c, Part *part, const Event *chunk)
{
    gint64 offset = member_int (chunk->data, "offset"), length = member_int (chunk->data, "length");
    const char *path = member (part->closed->data, "path");
    const Event *started = started_part (c, member_int (chunk->data, "part"));
    gboolean recovered = member_true (chunk->data, "recovered");
    g_autofree char *hex = NULL;
    guint8 digest[SHA256_LEN];

    if (offset != part->at) {
        end_hole (c, part);
        flaw (c, CHECK_FAIL, chunk, "%s: the chunk of event %" G_GUINT64_FORMAT " begins at byte %" G_GINT64_FORMAT ", not at %" G_GINT64_FORMAT
              ": there is a gap or an overlap", path, chunk->seq, offset, part->at);
        part->at = offset + length;
        return;
    }
    part->at = offset + length;
    part->n++;
    if (!part->entry || offset + length > (gint64) part->entry->length
        || !asice_sha256_range (c->asice, part->entry, offset, length, digest, NULL)) {
        add_to_hole (c, part, HOLE_MISSING, chunk);
        return;
    }
    hex = hex_encode (digest, sizeof digest);
    if (!g_str_equal (hex, member (chunk->data, "sha256")))
        add_to_hole (c, part, HOLE_CHANGED, chunk);
    else
        end_hole (c, part);
    part->at_ms = chunk_end_ms (c, chunk);
    if (started && started->sitting != chunk->sitting && !recovered)
        flaw (c, CHECK_FAIL, chunk, "%s: the chunk of event %" G_GUINT64_FORMAT " came after an interruption and isn't marked as recovered", path, chunk->seq);
    part->recovered = part->recovered || recovered;
}

/* Bytes that no chunk event tells of: nobody hashed them when they were recorded. */
static void
check_end (Context *c, Part *part)
{
    g_autofree char *from = moment_format (MAX (part->at_ms, 0));

    if (part->entry && part->at < (gint64) part->entry->length)
        flaw (c, CHECK_FAIL, part->closed, "%s: chunks cover %" G_GINT64_FORMAT " of its %" G_GUINT64_FORMAT " bytes: what follows %s of part %" G_GINT64_FORMAT
              " was never journaled, and nothing proves it", member (part->closed->data, "path"), part->at, part->entry->length, from,
              member_int (part->closed->data, "part"));
}

static void
check_track (Context *c, const char *type, Part *part)
{
    const GPtrArray *chunks = events_of_part (c, type, member_int (part->closed->data, "part"));

    part->entry = asice_find (c->asice, member (part->closed->data, "path"));
    for (guint i = 0; i < chunks->len; i++) {
        const Event *chunk = chunks->pdata[i];
        if (part->recovered)
            flaw (c, CHECK_FAIL, chunk, "%s: something follows its recovered end", member (part->closed->data, "path"));
        if (chunk->seq > part->closed->seq)
            flaw (c, CHECK_FAIL, chunk, "%s: a chunk was journaled after it was closed", member (part->closed->data, "path"));
        check_chunk (c, part, chunk);
    }
    end_hole (c, part);
    check_end (c, part);
    if (member_int (part->closed->data, "chunks") != part->n)
        flaw (c, CHECK_FAIL, part->closed, "%s: track.closed counts %" G_GINT64_FORMAT " chunks, the journal %u", member (part->closed->data, "path"),
              member_int (part->closed->data, "chunks"), part->n);
}

static void
check_orphans (Context *c, const char *type, const char *track)
{
    const GPtrArray *chunks = events_of (c, type);

    for (guint i = 0; i < chunks->len; i++) {
        const Event *chunk = chunks->pdata[i];
        const GPtrArray *closed = events_of_part (c, "track.closed", member_int (chunk->data, "part"));
        gboolean found = FALSE;
        for (guint j = 0; j < MIN (closed->len, 2) && !found; j++)
            found = g_str_equal (member (((const Event *) closed->pdata[j])->data, "track"), track);
        if (!found)
            flaw (c, CHECK_FAIL, chunk, "a chunk of %s part %" G_GINT64_FORMAT " was recorded, and that part isn't there", track, member_int (chunk->data, "part"));
    }
}

/* A code is shown in a part that is being recorded: where no such part is, nobody looks whether the picture holds it. */
static void
check_codes_placed (Context *c)
{
    const GPtrArray *shown = events_of (c, "qr.shown");

    for (guint i = 0; i < shown->len; i++) {
        const Event *event = shown->pdata[i], *started = started_part (c, member_int (event->data, "part"));
        if (!started || !*member (started->data, "video") || started->seq > event->seq || started->sitting != event->sitting)
            flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT " says that a code was shown in part %" G_GINT64_FORMAT ", which wasn't being recorded", event->seq,
                  member_int (event->data, "part"));
    }
}

CheckResult
check_tracks_chunks (Context *c)
{
    const GPtrArray *closed = events_of (c, "track.closed");
    guint n = 0, recovered = 0;

    if (too_many (c, closed))
        return done (c, "%s", "");

    for (guint i = 0; i < closed->len; i++) {
        Part part = { .closed = closed->pdata[i] };
        gsize t = g_str_equal (member (part.closed->data, "track"), "video") ? 0 : 1;
        if (!g_str_equal (member (part.closed->data, "track"), tracks[t].name) || !g_str_has_prefix (member (part.closed->data, "path"), tracks[t].folder))
            flaw (c, CHECK_FAIL, part.closed, "track.closed names the track '%s' and the file %s", member (part.closed->data, "track"),
                  member (part.closed->data, "path"));
        for (guint j = 0; j < i; j++)
            if (g_str_equal (member (((const Event *) closed->pdata[j])->data, "path"), member (part.closed->data, "path")))
                flaw (c, CHECK_FAIL, part.closed, "%s was closed twice", member (part.closed->data, "path"));
        check_track (c, tracks[t].chunks, &part);
        n += part.n;
        recovered += part.recovered;
    }
    for (gsize t = 0; t < G_N_ELEMENTS (tracks); t++)
        check_orphans (c, tracks[t].chunks, tracks[t].name);
    check_codes_placed (c);
    if (recovered > 0)
        return done (c, "%u chunks cover every byte; the ends of %u files were recovered after an interruption", n, recovered);
    return done (c, "%u chunks cover every byte, without gap or overlap", n);
}

/* Chunk 0 begins with the EBML header, every other chunk with a cluster (Matroska, RFC 9559). */
static void
check_matroska (Context *c, const Event *chunk, const AsiceEntry *entry)
{
    static const guint8 ebml[] = { 0x1A, 0x45, 0xDF, 0xA3 }, cluster[] = { 0x1F, 0x43, 0xB6, 0x75 };
    gint64 offset = member_int (chunk->data, "offset"), length = member_int (chunk->data, "length");
    gsize n = member_true (chunk->data, "recovered") ? MIN (length, 4) : 4;     /* what a crash left may be cut anywhere */
    guint8 head[4];

    if (length < (gint64) n || entry_peek (c, entry, offset, head, n) != n || memcmp (head, offset ? cluster : ebml, n) != 0)
        flaw (c, CHECK_FAIL, chunk, "%s: the chunk at byte %" G_GINT64_FORMAT " doesn't begin with %s", entry->name, offset,
              offset ? "a cluster" : "an EBML header");
}

/* One line of asciicast v2 after its header: [seconds, "o", text], or "r" and "m" for sizes and marks. There is no "i": keys that people press are never recorded. */
static gboolean
cast_line (const char *line, gsize len, double *time)
{
    g_autoptr(json_t) json = cjson_parse_loose (line, len, NULL);
    const char *code = json_string_value (json_array_get (json, 1));
    double at = json_number_value (json_array_get (json, 0));

    if (json_array_size (json) != 3 || !json_is_number (json_array_get (json, 0)) || !isfinite (at) || at < *time || !code
        || !json_is_string (json_array_get (json, 2)))
        return FALSE;
    *time = at;
    return g_str_equal (code, "o") || g_str_equal (code, "r") || g_str_equal (code, "m");
}

static gboolean
part_recovered (Context *c, const char *type, gint64 part)
{
    const GPtrArray *chunks = events_of_part (c, type, part);

    return chunks->len > 0 && member_true (((const Event *) chunks->pdata[chunks->len - 1])->data, "recovered");
}

static void
check_cast (Context *c, const Event *closed)
{
    const char *path = member (closed->data, "path");
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = asice_read (c->asice, path, ASICE_MAX_SMALL, &error);
    g_autoptr(json_t) header = NULL;
    gsize len = 0;
    const char *p = bytes ? g_bytes_get_data (bytes, &len) : "", *end = p + len;
    double time = 0;

    if (!bytes) {
        flaw (c, CHECK_FAIL, closed, "%s: %s", path, error->message);
        return;
    }
    for (guint n = 1; p < end; n++) {
        const char *newline = memchr (p, '\n', end - p);
        gboolean good;
        if (!newline && part_recovered (c, "terminal.chunk", member_int (closed->data, "part")))
            return;     /* the line that the crash cut */
        if (n == 1) {
            header = newline ? cjson_parse_loose (p, newline - p, NULL) : NULL;
            good = header && member_int (header, "version") == 2;
        } else {
            good = newline && cast_line (p, newline - p, &time);
        }
        if (!good) {
            flaw (c, CHECK_FAIL, closed, "%s: line %u isn't asciicast version 2 of what was shown", path, n);
            return;
        }
        p = newline + 1;
    }
}

CheckResult
check_tracks_container (Context *c)
{
    const GPtrArray *closed = events_of (c, "track.closed");

    if (too_many (c, closed))
        return done (c, "%s", "");
    for (guint i = 0; i < closed->len; i++) {
        const Event *event = closed->pdata[i];
        const AsiceEntry *entry = asice_find (c->asice, member (event->data, "path"));
        const GPtrArray *chunks = events_of_part (c, "video.chunk", member_int (event->data, "part"));
        if (!entry)
            continue;
        if (g_str_equal (member (event->data, "track"), "terminal"))
            check_cast (c, event);
        else
            for (guint j = 0; j < chunks->len; j++)
                check_matroska (c, chunks->pdata[j], entry);
    }
    return done (c, "video is Matroska whose chunks begin with clusters, the terminal is asciicast");
}

static void
check_source (Context *c, const Event *started)
{
    const char *camera = member2 (started->data, "camera", "kind"), *audio = member2 (started->data, "audio", "kind");
    gboolean picture = g_str_equal (camera, "test") || g_str_equal (camera, "file");

    if (picture && !c->verdict->rehearsal)
        flaw (c, CHECK_FAIL, started, "the camera's picture came from a %s: that is for rehearsals", g_str_equal (camera, "test") ? "test pattern" : "file");
    else if (!picture && !g_str_equal (camera, "device") && c->rule.camera_required)
        flaw (c, CHECK_FAIL, started, "there was no camera, and the policy asks for one");
    if (c->rule.audio_required && (g_str_equal (audio, "none") || g_str_equal (audio, "test") || !*audio))
        flaw (c, CHECK_FAIL, started, "there was no sound, and the policy asks for it");
}

CheckResult
check_camera_real (Context *c)
{
    const GPtrArray *started = events_of (c, "recording.started");

    for (guint i = 0; i < started->len; i++)
        check_source (c, started->pdata[i]);
    if (started->len == 0)
        flaw (c, CHECK_FAIL, NULL, "nothing was recorded");
    return done (c, c->verdict->rehearsal ? "a rehearsal's picture" : "recorded by camera: whether it shows this room is for people to judge");
}
