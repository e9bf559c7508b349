/* Tracks, chunks and messages, through a real socket pair and real files; Matroska made by hand. */
#include "media/cast.h"
#include "media/mkv.h"
#include "media/outbox.h"
#include "media/protocol.h"
#include "media/track.h"
#include "media/utf8.h"
#include "media/video.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    int ours, theirs;
    Outbox *outbox;
    char *dir;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
    int pair[2];
    g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
    f->theirs = pair[0];
    f->ours = pair[1];
    f->outbox = outbox_new (f->ours);
    f->dir = g_dir_make_tmp ("media-track-XXXXXX", NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
    outbox_free (f->outbox);
    if (f->ours >= 0)
        close (f->ours);
    if (f->theirs >= 0)
        close (f->theirs);
    file_remove_tree (f->dir, NULL);
    g_free (f->dir);
}

/* The next message, or NULL where there is none. */
static json_t *
next (Fixture *f)
{
    char packet[MEDIA_PACKET_MAX];
    outbox_drain (f->outbox, 0);
    ssize_t n = recv (f->theirs, packet, sizeof packet, MSG_DONTWAIT);
    if (n <= 0)
        return NULL;
    g_assert_cmpint (packet[0], ==, 'J');
    g_autoptr (GError) error = NULL;
    json_t *message = cjson_parse (packet + 1, (gsize) n - 1, &error);
    g_assert_no_error (error);
    return message;
}

static gint64
number (const json_t *message, const char *key)
{
    gint64 n = -1;
    g_assert_true (cjson_int (message, key, &n, NULL));
    return n;
}

/* The message is a chunk or the close of @path, and says what the file holds from @offset. */
static void
check_hash (Fixture *f, const json_t *message, const char *path, gint64 offset)
{
    g_autofree char *full = g_build_filename (f->dir, path, NULL);
    g_autoptr (GBytes) bytes = file_read (full, 1 << 20, NULL);
    g_assert_cmpint (offset + number (message, "length"), <=, g_bytes_get_size (bytes));
    g_autofree char *hash = sha256_hex ((const guint8 *) g_bytes_get_data (bytes, NULL) + offset, (gsize) number (message, "length"));
    g_assert_cmpstr (hash, ==, cjson_str (message, "sha256", NULL));
}

static void
test_track (Fixture *f, gconstpointer data)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Track) track = track_new (f->outbox, "terminal", 3, f->dir, "terminal/0003.cast", &error);
    g_assert_no_error (error);
    g_assert_true (track_write (track, "hello ", 6, &error));
    g_assert_true (track_write (track, "world", 5, &error));
    g_assert_true (track_end_chunk (track, NULL, &error));
    g_assert_true (track_end_chunk (track, NULL, &error));        /* nothing pending: no chunk */
    g_assert_true (track_write (track, "!", 1, &error));
    g_assert_true (track_end_chunk (track, NULL, &error));
    g_autoptr (json_t) one = next (f), two = next (f);
    g_assert_cmpint (number (one, "offset"), ==, 0);
    g_assert_cmpint (number (one, "length"), ==, 11);
    g_assert_cmpint (number (two, "offset"), ==, 11);
    check_hash (f, one, "terminal/0003.cast", 0);
    check_hash (f, two, "terminal/0003.cast", 11);
    track_close (track);
    g_autoptr (json_t) closed = next (f);
    g_assert_cmpstr (cjson_str (closed, "event", NULL), ==, "track_closed");
    g_assert_cmpint (number (closed, "chunks"), ==, 2);
    check_hash (f, closed, "terminal/0003.cast", 0);
    g_assert_null (track_new (f->outbox, "terminal", 3, f->dir, "terminal/0003.cast", &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_EXISTS);
}

/* A disk that takes only a part: what it took is in the last chunk and in track_closed, and no byte follows. */
static void
test_full (Fixture *f, gconstpointer data)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Track) track = track_new (f->outbox, "video", 1, f->dir, "video/0001.mkv", &error);
    struct rlimit old, small;
    getrlimit (RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 1000;
    signal (SIGXFSZ, SIG_IGN);
    setrlimit (RLIMIT_FSIZE, &small);
    char block[600];
    memset (block, 'x', sizeof block);
    g_assert_true (track_write (track, block, sizeof block, &error));
    g_assert_true (track_end_chunk (track, NULL, &error));
    g_assert_false (track_write (track, block, sizeof block, &error));
    setrlimit (RLIMIT_FSIZE, &old);
    g_assert_error (error, BASE_ERROR, BASE_ERROR_IO);
    g_assert_false (track_write (track, block, sizeof block, NULL));
    track_end_chunk (track, NULL, NULL);
    track_close (track);
    g_autoptr (json_t) one = next (f), two = next (f), closed = next (f);
    g_assert_cmpint (number (one, "length"), ==, 600);
    g_assert_cmpint (number (two, "length"), ==, 400);
    check_hash (f, two, "video/0001.mkv", 600);
    g_assert_cmpint (number (closed, "length"), ==, 1000);
    check_hash (f, closed, "video/0001.mkv", 0);
}

/* A reader that doesn't read never holds up who posts; it gets every message later. */
static void
test_outbox (Fixture *f, gconstpointer data)
{
    g_autofree char *filler = g_strnfill (2000, 'x');
    for (int i = 0; i < 500; i++) {
        outbox_post (f->outbox, json_pack ("{s:i,s:s}", "n", i, "filler", filler));
        g_main_context_iteration (NULL, FALSE);
    }
    for (int i = 0; i < 500; i++) {
        g_autoptr (json_t) message = NULL;
        while (!(message = next (f)))
            g_main_context_iteration (NULL, FALSE);
        g_assert_cmpint (number (message, "n"), ==, i);
    }
    close (f->theirs);
    f->theirs = -1;
    outbox_post (f->outbox, json_pack ("{s:i}", "n", 1));         /* nobody is there: no signal, no wait */
    outbox_drain (f->outbox, 1000);
}

static void
on_cast_failed (const char *reason, gpointer user)
{
    g_assert_not_reached ();
}

static void
test_cast (Fixture *f, gconstpointer data)
{
    Track *track = track_new (f->outbox, "terminal", 1, f->dir, "terminal/0001.cast", NULL);
    Cast *cast = cast_new (track, 80, 24, G_GINT64_CONSTANT (1795521043210), "id", on_cast_failed, NULL);
    cast_output (cast, 1500000, "\033[31mr\"\\\r\n\342\202", 12);
    cast_output (cast, 1600000, "\254", 1);
    cast_end_chunk (cast);
    cast_end_chunk (cast);
    cast_resize (cast, 1700000, 120, 36);
    cast_output (cast, 1650000, "a\0b\377\303", 5);               /* time never runs back; NUL vanishes */
    cast_free (cast);
    g_autofree char *path = g_build_filename (f->dir, "terminal/0001.cast", NULL), *text = NULL;
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    g_assert_cmpuint (g_strv_length (lines), ==, 7);
    g_assert_cmpstr (lines[0], ==, "{\"version\":2,\"width\":80,\"height\":24,\"timestamp\":1795521043,\"title\":\"id\",\"env\":{\"TERM\":\"xterm-256color\"}}");
    g_assert_cmpstr (lines[1], ==, "[1.500000, \"o\", \"\\u001b[31mr\\\"\\\\\\r\\n\"]");
    g_assert_cmpstr (lines[2], ==, "[1.600000, \"o\", \"\342\202\254\"]");
    g_assert_cmpstr (lines[3], ==, "[1.700000, \"r\", \"120x36\"]");
    g_assert_cmpstr (lines[4], ==, "[1.700000, \"o\", \"ab\357\277\275\"]");
    g_assert_cmpstr (lines[5], ==, "[1.700000, \"o\", \"\357\277\275\"]"); /* the half character that never came whole */
    gint64 offset = 0;
    for (int i = 0; i < 3; i++) {
        g_autoptr (json_t) chunk = next (f);
        g_assert_cmpstr (cjson_str (chunk, "event", NULL), ==, "chunk");
        g_assert_cmpint (number (chunk, "offset"), ==, offset);
        check_hash (f, chunk, "terminal/0001.cast", offset);
        offset += number (chunk, "length");
        g_assert_cmpint (text[offset - 1], ==, '\n');             /* chunks end at line ends */
    }
    g_assert_cmpint (offset, ==, (gint64) strlen (text));
}

static void
test_utf8 (void)
{
    const char *text = "a\303\266\342\202\254\360\237\224\221\033[0m";
    for (gsize cut = 0; cut <= strlen (text); cut++) {
        g_autoptr (GByteArray) held = g_byte_array_new ();
        g_autoptr (GString) out = g_string_new (NULL);
        g_byte_array_append (held, (const guint8 *) text, (guint) cut);
        utf8_take (held, out, FALSE);
        g_assert_cmpuint (held->len, <, 4);
        g_byte_array_append (held, (const guint8 *) text + cut, (guint) (strlen (text) - cut));
        utf8_take (held, out, FALSE);
        g_assert_cmpstr (out->str, ==, text);
        g_assert_cmpuint (held->len, ==, 0);
    }
}

static void
test_utf8_broken (void)
{
    static const struct { const char *bytes; gsize len; const char *text; } cases[] = {
        { "\342\0x", 3, "\357\277\275x" }, { "\342\202\0", 3, "\357\277\275\357\277\275" }, { "\0\0a", 3, "a" },
        { "\377\376", 2, "\357\277\275\357\277\275" }, { "\300\200", 2, "\357\277\275\357\277\275" }, { "\355\240\200", 3, "\357\277\275\357\277\275\357\277\275" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
        g_autoptr (GByteArray) held = g_byte_array_new ();
        g_autoptr (GString) out = g_string_new (NULL);
        g_byte_array_append (held, (const guint8 *) cases[i].bytes, (guint) cases[i].len);
        utf8_take (held, out, FALSE);
        g_assert_cmpstr (out->str, ==, cases[i].text);
        g_assert_cmpuint (held->len, ==, 0);
    }
}

/* A stream as the muxer writes it: header, segment without end, tracks, and two clusters of an audio and some video blocks. */
static GByteArray *
make_stream (guint *clusters)
{
    static const guint8 head[] = { 0x1a, 0x45, 0xdf, 0xa3, 0x84, 'h', 'e', 'a', 'd', 0x18, 0x53, 0x80, 0x67, 1, 255, 255, 255, 255, 255, 255, 255,
                                   0x16, 0x54, 0xae, 0x6b, 0x40, 0x04, 0x1f, 0x43, 0xb6, 0x75 };   /* Tracks holds a cluster's id: no cluster */
    static const guint8 one[] = { 0x1f, 0x43, 0xb6, 0x75, 1, 255, 255, 255, 255, 255, 255, 255, 0xe7, 0x81, 0x00,
                                  0xa3, 0x86, 0x81, 0, 0, 0x80, 'k', 'k', 0xa3, 0x85, 0x82, 0, 3, 0x80, 's', 0xa3, 0x85, 0x81, 0, 67, 0, 'p' };
    static const guint8 two[] = { 0x1f, 0x43, 0xb6, 0x75, 1, 255, 255, 255, 255, 255, 255, 255, 0xe7, 0x82, 0x01, 0x2c,
                                  0xa3, 0x85, 0x81, 0, 0, 0x80, 'k', 0xa0, 0x87, 0xa1, 0x85, 0x82, 0, 9, 0, 's', 0xa3, 0x84, 0x81, 0, 133, 0 };
    GByteArray *stream = g_byte_array_new ();
    g_byte_array_append (stream, head, sizeof head);
    clusters[0] = stream->len;
    g_byte_array_append (stream, one, sizeof one);
    clusters[1] = stream->len;
    g_byte_array_append (stream, two, sizeof two);
    return stream;
}

static void
test_mkv (void)
{
    static const struct { gint64 ms; gboolean key; } frames[] = { { 0, TRUE }, { 67, FALSE }, { 300, TRUE }, { 433, FALSE } };
    guint clusters[2];
    g_autoptr (GByteArray) stream = make_stream (clusters);
    for (gsize piece = 1; piece <= stream->len; piece++) {
        Mkv mkv = { 0 };
        guint at = 0, n_clusters = 0, n_frames = 0;
        while (at < stream->len) {
            gsize left = MIN (piece, stream->len - at), used;
            MkvStep step;
            while ((step = mkv_walk (&mkv, stream->data + at, left, &used)) != MKV_MORE) {
                g_assert_cmpint (step, !=, MKV_BAD);
                at += (guint) used;
                left -= used;
                if (step == MKV_CLUSTER)
                    g_assert_cmpuint (at - mkv.head_len, ==, clusters[n_clusters++]);
                else {
                    g_assert_cmpint (mkv.frame_ms, ==, frames[n_frames].ms);
                    g_assert_cmpint (mkv.key, ==, frames[n_frames].key);
                    n_frames++;
                }
            }
            at += (guint) used;
        }
        g_assert_cmpuint (n_clusters, ==, 2);
        g_assert_cmpuint (n_frames, ==, 4);
    }
    gsize used;
    g_assert_cmpint (mkv_walk (&(Mkv) { 0 }, (const guint8 *) "\0\0\0", 3, &used), ==, MKV_BAD);
}

/* Ticks 0 to 9 at 15 a second, of which 2 to 4 were never composed and 7 never came out of the encoder: the sums are true. */
static void
test_accounts (Fixture *f, gconstpointer data)
{
    guint clusters[2];
    g_autoptr (GByteArray) stream = make_stream (clusters);
    g_autoptr (GError) error = NULL;
    g_autoptr (Video) video = video_new (f->outbox, track_new (f->outbox, "video", 1, f->dir, "video/0001.mkv", NULL), 1, 15);
    for (int tick = 0; tick < 10; tick++)
        if (tick < 2 || tick > 4)
            video_composed (video, tick, tick == 5 ? 77 : tick == 6 ? 78 : -1);
    for (guint i = 0; i < stream->len; i++)                       /* ticks 0, 1 | 5 (300 ms is nearest to it), 6 */
        g_assert_true (video_bytes (video, stream->data + i, 1, &error));
    g_assert_cmpint (video_seen_tick (video), ==, 6);
    video_close (video, 10);
    g_autoptr (json_t) head = next (f), one = next (f), shown = next (f), also = next (f), two = next (f), lost = next (f), closed = next (f);
    g_assert_cmpint (number (head, "length"), ==, clusters[0]);
    g_assert_cmpint (number (one, "offset"), ==, clusters[0]);
    g_assert_cmpint (number (two, "offset"), ==, clusters[1]);
    check_hash (f, two, "video/0001.mkv", clusters[1]);
    g_autofree char *accounts = cjson_encode (cjson_obj (one, "frames", NULL), NULL), *last = cjson_encode (cjson_obj (two, "frames", NULL), NULL);
    g_assert_cmpstr (accounts, ==, "{\"asked\":5,\"composed\":2,\"dropped\":3,\"encoded\":2}");
    g_assert_cmpstr (last, ==, "{\"asked\":5,\"composed\":5,\"dropped\":3,\"encoded\":2}");
    g_assert_cmpint (number (lost, "count"), ==, 3);              /* composed, and swallowed by the encoder */
    g_assert_cmpint (number (cjson_obj (one, "clock", NULL), "boot_ms"), >, 0);
    g_assert_cmpint (number (cjson_obj (one, "clock", NULL), "wall_ms"), >, G_GINT64_CONSTANT (1700000000000));
    g_assert_null (cjson_obj (head, "clock", NULL));
    g_assert_cmpint (number (shown, "size"), ==, 77);
    g_assert_cmpint (number (shown, "media_ms"), ==, 300);
    g_assert_cmpint (number (also, "size"), ==, 78);
    g_assert_cmpint (number (closed, "length"), ==, stream->len);
    g_assert_cmpint (number (closed, "chunks"), ==, 3);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    ADD ("/media/track", test_track);
    ADD ("/media/track/full", test_full);
    ADD ("/media/outbox", test_outbox);
    ADD ("/media/cast", test_cast);
    g_test_add_func ("/media/utf8", test_utf8);
    g_test_add_func ("/media/utf8/broken", test_utf8_broken);
    g_test_add_func ("/media/mkv", test_mkv);
    ADD ("/media/video/accounts", test_accounts);
    return g_test_run ();
}
