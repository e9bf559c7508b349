/* Containers: what the writer makes, that unzip takes it, and that the reader refuses every other byte. */
#include "ceremony/base/child.h"
#include "ceremony/base/encode.h"
#include "ceremony/base/errors.h"
#include "ceremony/base/file.h"
#include "ceremony/bundle/asice.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;

static char *
path_of (const char *name)
{
    return g_build_filename (folder, name, NULL);
}

static GBytes *
fake_sign (const void *manifest, gsize len, gpointer user_data, GError **error)
{
    g_autofree char *hex = sha256_hex (manifest, len);
    return g_bytes_new (hex, strlen (hex));
}

static void
add_text (GPtrArray *items, const char *name, const char *text)
{
    g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));
    asice_items_add_bytes (items, name, bytes);
}

static char *
make_small (const char *name)
{
    char *path = path_of (name);
    g_autoptr (GPtrArray) items = asice_items_new ();
    g_autoptr (GError) error = NULL;
    add_text (items, "evidence.json", "{}");
    add_text (items, "empty", "");
    add_text (items, "attachments/käse.txt", "gouda");
    add_text (items, "video/0001.mkv", "not a video at all");
    g_unlink (path);
    g_assert_true (asice_create (path, items, fake_sign, NULL, NULL, &error));
    g_assert_no_error (error);
    return path;
}

static GBytes *
slurp (const char *path)
{
    g_autoptr (GError) error = NULL;
    GBytes *bytes = file_read (path, 64 * 1024 * 1024, &error);
    g_assert_no_error (error);
    return bytes;
}

/* TRUE where the container opens and all its files have the digests of manifest 001 and the old CRCs. */
static gboolean
whole (GBytes *bytes)
{
    g_autoptr (Asice) asice = asice_open_bytes (bytes, NULL);
    if (asice == NULL)
        return FALSE;
    for (guint i = 0; i < asice_entries (asice)->len; i++) {
        guint8 digest[32];
        if (!asice_sha256 (asice, g_ptr_array_index (asice_entries (asice), i), digest, NULL))
            return FALSE;
    }
    return TRUE;
}

static int
run (const char *const *argv)
{
    g_autoptr (GBytes) output = NULL;
    g_autoptr (GError) error = NULL;
    int status = -1;
    g_autofree char *program = g_find_program_in_path (argv[0]);
    g_assert_nonnull (program);
    const char *full[16] = { program };
    for (int i = 1; argv[i] != NULL; i++)
        full[i] = argv[i];
    child_run (full, -1, NULL, 60000, 1024 * 1024, &output, &status, &error);
    g_assert_no_error (error);
    return status;
}

static void
test_write_read (void)
{
    g_autofree char *path = make_small ("small.asice");
    g_autoptr (GError) error = NULL;
    g_autoptr (Asice) asice = asice_open (path, &error);
    g_assert_no_error (error);
    const char *expected[] = { "mimetype", "evidence.json", "empty", "attachments/käse.txt", "video/0001.mkv", "META-INF/ASiCManifest001.xml",
                               "META-INF/signature001.p7s" };
    g_assert_cmpuint (asice_entries (asice)->len, ==, G_N_ELEMENTS (expected));
    for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
        g_assert_cmpstr (((AsiceEntry *) g_ptr_array_index (asice_entries (asice), i))->name, ==, expected[i]);
    g_autoptr (GBytes) cheese = asice_read (asice, "attachments/käse.txt", 100, &error);
    g_assert_no_error (error);
    g_assert_cmpmem (g_bytes_get_data (cheese, NULL), g_bytes_get_size (cheese), "gouda", 5);
    g_assert_null (asice_read (asice, "attachments/käse.txt", 4, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_LIMIT);
    g_clear_error (&error);
    g_assert_null (asice_read (asice, "nothing", 4, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
    guint8 digest[32];
    g_assert_true (asice_sha256_range (asice, asice_find (asice, "video/0001.mkv"), 4, 1, digest, NULL));
    g_assert_false (asice_sha256_range (asice, asice_find (asice, "video/0001.mkv"), 4, G_MAXUINT64, digest, NULL));
    g_assert_cmpint (run ((const char *[]) { "unzip", "-tqq", path, NULL }), ==, 0);
    g_assert_cmpint (run ((const char *[]) { "python3", "-c", "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); i=z.infolist()[0]; "
                                             "assert i.filename=='mimetype' and i.compress_type==0 and not i.extra and not i.flag_bits; "
                                             "assert 'attachments/käse.txt' in z.namelist(); assert z.testzip() is None", path, NULL }), ==, 0);
    struct stat st;
    g_assert_cmpint (stat (path, &st), ==, 0);
    g_assert_cmpint (st.st_mode & 0777, ==, 0600);
}

/* Made twice it is the same file: nothing of the time or the machine is in it. */
static void
test_determined (void)
{
    g_autofree char *one = make_small ("one.asice"), *two = make_small ("two.asice");
    g_autoptr (GBytes) a = slurp (one), b = slurp (two);
    g_assert_true (g_bytes_equal (a, b));
}

static void
test_manifest (void)
{
    g_autofree char *path = make_small ("manifest.asice");
    g_autoptr (GError) error = NULL;
    g_autoptr (Asice) asice = asice_open (path, &error);
    g_autoptr (GBytes) bytes = asice_read (asice, "META-INF/ASiCManifest001.xml", 1 << 20, &error);
    gsize len;
    const char *data = g_bytes_get_data (bytes, &len);
    guint number;
    g_autoptr (GPtrArray) entries = manifest_parse (data, len, &number, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (number, ==, 1);
    g_assert_cmpuint (entries->len, ==, 4);
    for (guint i = 0; i < entries->len; i++) {
        const ManifestEntry *entry = g_ptr_array_index (entries, i);
        guint8 digest[32];
        g_assert_true (asice_sha256 (asice, asice_find (asice, entry->name), digest, NULL));
        g_autofree char *hex = hex_encode (digest, 32);
        g_assert_cmpstr (hex, ==, entry->sha256);
    }
    g_autofree char *text = g_strndup (data, len);
    g_assert_nonnull (strstr (text, "URI=\"attachments/k%C3%A4se.txt\""));
    g_autofree char *xml = path_of ("manifest.xml");
    g_assert_true (file_write (xml, data, len, 0600, TRUE, NULL));
    g_assert_cmpint (run ((const char *[]) { "python3", "-c", "import sys,xml.etree.ElementTree as e; r=e.parse(sys.argv[1]).getroot(); "
                                             "assert r.tag=='{http://uri.etsi.org/02918/v1.2.1#}ASiCManifest'; assert len(r)==5", xml, NULL }), ==, 0);
    /* Any other byte reads as something else or as nothing; never as the same. */
    for (gsize i = 0; i < len; i++)
        for (guint bit = 0; bit < 8; bit++) {
            g_autofree char *changed = g_memdup2 (data, len);
            changed[i] ^= (char) (1 << bit);
            guint other;
            g_autoptr (GPtrArray) read = manifest_parse (changed, len, &other, NULL);
            g_autoptr (GBytes) again = read != NULL ? manifest_write (other, read, NULL) : NULL;
            g_assert_true (read == NULL || (g_bytes_get_size (again) == len && memcmp (g_bytes_get_data (again, NULL), changed, len) == 0));
        }
}

static void
test_manifest_refused (void)
{
    static const char bomb[] = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><asic:ASiCManifest "
                               "xmlns:asic=\"http://uri.etsi.org/02918/v1.2.1#\">&a;</asic:ASiCManifest>";
    guint number;
    g_assert_null (manifest_parse (bomb, strlen (bomb), &number, NULL));
    g_assert_null (manifest_parse ("", 0, &number, NULL));
    g_assert_null (manifest_parse ("<a/>", 4, &number, NULL));
    g_autofree char *deep = g_strnfill (100000, '<');
    g_assert_null (manifest_parse (deep, 100000, &number, NULL));
    g_autoptr (GPtrArray) unsorted = g_ptr_array_new ();
    ManifestEntry a = { "b", "" }, b = { "a", "" };
    memset (a.sha256, '0', 64);
    memset (b.sha256, '1', 64);
    g_ptr_array_add (unsorted, &a);
    g_ptr_array_add (unsorted, &b);
    g_autoptr (GBytes) bytes = manifest_write (1, unsorted, NULL);
    g_assert_null (manifest_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &number, NULL));
}

static void
test_every_byte (void)
{
    g_autofree char *path = make_small ("flip.asice");
    g_autoptr (GBytes) bytes = slurp (path);
    gsize len;
    const guint8 *data = g_bytes_get_data (bytes, &len);
    g_assert_true (whole (bytes));
    for (gsize i = 0; i < len; i++)
        for (guint bit = 0; bit < 8; bit++) {
            g_autofree guint8 *changed = g_memdup2 (data, len);
            changed[i] ^= (guint8) (1 << bit);
            g_autoptr (GBytes) flipped = g_bytes_new_static (changed, len);
            if (whole (flipped))
                g_error ("flipping bit %u of byte %" G_GSIZE_FORMAT " wasn't seen", bit, i);
        }
}

/* Outside of the data already opening refuses. */
static void
test_headers_refused_at_open (void)
{
    g_autofree char *path = make_small ("headers.asice");
    g_autoptr (GBytes) bytes = slurp (path);
    gsize len;
    const guint8 *data = g_bytes_get_data (bytes, &len);
    g_autoptr (Asice) asice = asice_open_bytes (bytes, NULL);
    g_autofree gboolean *inside = g_new0 (gboolean, len);
    for (guint i = 1; i < asice_entries (asice)->len; i++) {
        const AsiceEntry *entry = g_ptr_array_index (asice_entries (asice), i);
        for (guint64 at = entry->offset; at < entry->offset + entry->length; at++)
            inside[at] = TRUE;
    }
    static const guint8 masks[] = { 0x01, 0x20, 0x80, 0xff };
    for (gsize i = 0; i < len; i++)
        for (guint m = 0; !inside[i] && m < G_N_ELEMENTS (masks); m++) {
            g_autofree guint8 *changed = g_memdup2 (data, len);
            changed[i] ^= masks[m];
            g_autoptr (GBytes) flipped = g_bytes_new_static (changed, len);
            g_autoptr (Asice) opened = asice_open_bytes (flipped, NULL);
            g_assert_null (opened);
        }
}

static void
test_truncated_and_padded (void)
{
    g_autofree char *path = make_small ("cut.asice");
    g_autoptr (GBytes) bytes = slurp (path);
    gsize len = g_bytes_get_size (bytes);
    for (gsize n = 0; n < len; n++) {
        g_autoptr (GBytes) head = g_bytes_new_from_bytes (bytes, 0, n), tail = g_bytes_new_from_bytes (bytes, n + 1, len - n - 1);
        g_autoptr (Asice) a = asice_open_bytes (head, NULL), b = asice_open_bytes (tail, NULL);
        g_assert_null (a);
        g_assert_null (b);
    }
    for (gsize at = 0; at <= len; at += at < len - 30 ? 7 : 1) {        /* a byte put in anywhere */
        g_autoptr (GByteArray) more = g_byte_array_new ();
        g_byte_array_append (more, g_bytes_get_data (bytes, NULL), (guint) at);
        g_byte_array_append (more, (const guint8 *) "", 1);
        g_byte_array_append (more, (const guint8 *) g_bytes_get_data (bytes, NULL) + at, (guint) (len - at));
        g_autoptr (GBytes) padded = g_bytes_new_static (more->data, more->len);
        g_autoptr (Asice) opened = asice_open_bytes (padded, NULL);
        g_assert_null (opened);
    }
}

static void
test_names (void)
{
    static const char *const bad[] = { "", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a/.", "a\nb", "a\\b", "\xff", "C:x", "a\x7f", "a\u202e",
                                       "mimetype", "META-INF/x", "meta-inf/x" };
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
        g_autofree char *path = path_of ("names.asice");
        g_autoptr (GPtrArray) items = asice_items_new ();
        add_text (items, bad[i], "x");
        g_assert_false (asice_create (path, items, fake_sign, NULL, NULL, NULL));
        g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    }
    static const char *const clashes[][2] = { { "a.txt", "A.TXT" }, { "a", "a/b" }, { "x", "x" }, { "ä", "a\u0308" } };
    for (guint i = 0; i < G_N_ELEMENTS (clashes); i++) {
        g_autofree char *path = path_of ("names.asice");
        g_autoptr (GPtrArray) items = asice_items_new ();
        add_text (items, clashes[i][0], "x");
        add_text (items, clashes[i][1], "y");
        g_assert_false (asice_create (path, items, fake_sign, NULL, NULL, NULL));
        g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    }
}

static guint
count_files (void)
{
    guint n = 0;
    g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
    while (g_dir_read_name (dir) != NULL)
        n++;
    return n;
}

static void
test_append (void)
{
    g_autofree char *path = make_small ("append.asice");
    g_autoptr (GBytes) before = slurp (path);
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) items = asice_items_new ();
    add_text (items, "statement.json", "{\"a\":1}");
    guint files = count_files ();
    g_assert_true (asice_append (path, items, fake_sign, NULL, NULL, &error));
    g_assert_no_error (error);
    g_assert_cmpuint (count_files (), ==, files);
    g_autoptr (GBytes) after = slurp (path);
    g_autoptr (Asice) old = asice_open_bytes (before, &error), asice = asice_open (path, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (asice_signature_count (asice), ==, 2);
    guint64 end = 0;
    for (guint i = 0; i < asice_entries (old)->len; i++) {
        const AsiceEntry *was = g_ptr_array_index (asice_entries (old), i), *is = g_ptr_array_index (asice_entries (asice), i);
        g_assert_cmpstr (was->name, ==, is->name);
        g_assert_cmpuint (was->offset, ==, is->offset);
        end = is->offset + is->length;
    }
    g_assert_cmpmem (g_bytes_get_data (before, NULL), end, g_bytes_get_data (after, NULL), end);
    g_autoptr (GBytes) manifest = asice_read (asice, "META-INF/ASiCManifest002.xml", 1 << 20, &error);
    guint number;
    g_autoptr (GPtrArray) entries = manifest_parse (g_bytes_get_data (manifest, NULL), g_bytes_get_size (manifest), &number, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (number, ==, 2);
    g_assert_cmpuint (entries->len, ==, 5);
    g_autoptr (json_t) digests = asice_signature_digests (asice, &error);
    g_assert_cmpuint (json_array_size (digests), ==, 2);
    g_assert_true (whole (after));
    g_assert_cmpint (run ((const char *[]) { "unzip", "-tqq", path, NULL }), ==, 0);
    /* The same name again is refused, and the file stays as it is. */
    g_assert_false (asice_append (path, items, fake_sign, NULL, NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_EXISTS);
    g_autoptr (GBytes) still = slurp (path);
    g_assert_true (g_bytes_equal (after, still));
    g_assert_cmpuint (count_files (), ==, files);
}

static void
test_never_over (void)
{
    g_autofree char *path = make_small ("there.asice");
    g_autoptr (GBytes) before = slurp (path);
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) items = asice_items_new ();
    add_text (items, "a", "b");
    g_assert_false (asice_create (path, items, fake_sign, NULL, NULL, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_EXISTS);
    g_autoptr (GBytes) after = slurp (path);
    g_assert_true (g_bytes_equal (before, after));
}

static void
note_progress (double fraction, gpointer user_data)
{
    double *last = user_data;
    g_assert_cmpfloat (fraction, <=, 1);
    g_assert_cmpfloat (fraction, >=, *last);
    *last = fraction;
}

/* A file of 40 MB goes in with little memory; where the file size is limited, as on a full disk, nothing is left behind. */
static void
test_large (void)
{
    g_autofree char *big = path_of ("big.bin"), *path = path_of ("big.asice");
    int fd = open (big, O_CREAT | O_RDWR, 0600);
    g_assert_cmpint (ftruncate (fd, 40 * 1024 * 1024), ==, 0);
    g_assert_cmpint (pwrite (fd, "end", 3, 39 * 1024 * 1024), ==, 3);
    close (fd);
    g_autoptr (GPtrArray) items = asice_items_new ();
    g_autoptr (GError) error = NULL;
    asice_items_add_file (items, "video/0001.mkv", big);
    guint files = count_files ();
    struct rlimit old, small = { 20 * 1024 * 1024, 0 };
    getrlimit (RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal (SIGXFSZ, SIG_IGN);
    setrlimit (RLIMIT_FSIZE, &small);
    double last = 0;
    g_assert_false (asice_create (path, items, fake_sign, note_progress, &last, &error));
    setrlimit (RLIMIT_FSIZE, &old);
    g_assert_error (error, BASE_ERROR, BASE_ERROR_IO);
    g_clear_error (&error);
    g_assert_cmpuint (count_files (), ==, files);
    struct rusage before, after;
    getrusage (RUSAGE_SELF, &before);
    last = 0;
    g_assert_true (asice_create (path, items, fake_sign, note_progress, &last, &error));
    getrusage (RUSAGE_SELF, &after);
    g_assert_no_error (error);
    g_assert_cmpfloat (last, ==, 1);
    g_assert_cmpint (after.ru_maxrss - before.ru_maxrss, <, 16 * 1024);
    g_clear_pointer (&items, g_ptr_array_unref);
    items = asice_items_new ();
    add_text (items, "statement.json", "{}");
    last = 0;
    g_assert_true (asice_append (path, items, fake_sign, note_progress, &last, &error));
    g_assert_cmpfloat (last, ==, 1);
    g_unlink (big);
    g_unlink (path);
}

static void
test_full_disk (void)
{
    /* /dev/full can't be renamed over; a tmpfs of our own can be full. Needs user namespaces, so by unshare. */
    g_autofree char *self = child_self_path ();
    const char *script = "mkdir -p \"$1\" && mount -t tmpfs -o size=1m none \"$1\" && exec \"$2\" --full-disk \"$1\"";
    g_autofree char *mount_point = path_of ("full");
    g_autofree char *unshare = g_find_program_in_path ("unshare");
    const char *argv[] = { unshare, "-rm", "--", "/bin/sh", "-c", script, "sh", mount_point, self, NULL }, *probe[] = { "unshare", "-rm", "true", NULL };
    if (unshare == NULL || run (probe) != 0) {
        g_test_skip ("user namespaces aren't allowed here");
        return;
    }
    g_autoptr (GBytes) output = NULL;
    int status = -1;
    g_assert_true (child_run (argv, -1, NULL, 30000, 65536, &output, &status, NULL));
    g_assert_cmpint (status, ==, 0);
}

/* In the child on the small file system: 0 where the full disk was told as such and left nothing. */
static int
on_full_disk (const char *dir)
{
    g_autofree char *path = g_build_filename (dir, "x.asice", NULL);
    g_autoptr (GPtrArray) items = asice_items_new ();
    g_autoptr (GError) error = NULL;
    g_autofree guint8 *zeros = g_malloc0 (2 * 1024 * 1024);
    g_autoptr (GBytes) bytes = g_bytes_new_static (zeros, 2 * 1024 * 1024);
    add_text (items, "small", "x");
    if (!asice_create (path, items, fake_sign, NULL, NULL, NULL))
        return 2;
    g_clear_pointer (&items, g_ptr_array_unref);
    items = asice_items_new ();
    asice_items_add_bytes (items, "large", bytes);
    if (asice_append (path, items, fake_sign, NULL, NULL, &error) || !g_error_matches (error, BASE_ERROR, BASE_ERROR_SPACE))
        return 3;
    g_autoptr (Asice) still = asice_open (path, NULL);
    g_autoptr (GDir) left = g_dir_open (dir, 0, NULL);
    if (still == NULL || asice_signature_count (still) != 1 || g_dir_read_name (left) == NULL || g_dir_read_name (left) != NULL)
        return 4;
    return 0;
}

static void
le (GByteArray *out, guint64 value, guint bytes)
{
    for (guint i = 0; i < bytes; i++)
        g_byte_array_append (out, &(guint8) { (guint8) (value >> (8 * i)) }, 1);
}

static void
record (GByteArray *out, gboolean central, const char *name, guint32 crc, guint64 length, guint64 header)
{
    gboolean large = length >= G_MAXUINT32, far = central && header >= G_MAXUINT32;
    guint extra = (large ? 16 : 0) + (far ? 8 : 0);
    le (out, central ? 0x02014b50 : 0x04034b50, 4);
    if (central)
        le (out, 0x033f, 2);
    le (out, extra ? 45 : 10, 2);
    le (out, 0, 6);
    le (out, 0x21, 2);
    le (out, crc, 4);
    le (out, large ? G_MAXUINT32 : length, 4);
    le (out, large ? G_MAXUINT32 : length, 4);
    le (out, strlen (name), 2);
    le (out, extra ? extra + 4 : 0, 2);
    if (central) {
        le (out, 0, 6);
        le (out, (guint64) 0100644 << 16, 4);
        le (out, far ? G_MAXUINT32 : header, 4);
    }
    g_byte_array_append (out, (const guint8 *) name, (guint) strlen (name));
    if (extra) {
        le (out, 1, 2);
        le (out, extra, 2);
    }
    if (large) {
        le (out, length, 8);
        le (out, length, 8);
    }
    if (far)
        le (out, header, 8);
}

/* A sparse file of 5 GB, written by hand after APPNOTE: ZIP64 lengths, offsets and end record. */
static void
test_zip64 (void)
{
    g_autofree char *path = path_of ("zip64.asice");
    const guint64 length = G_GUINT64_CONSTANT (5000000000);
    int fd = open (path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    g_autoptr (GByteArray) head = g_byte_array_new (), tail = g_byte_array_new ();
    g_autofree char *small = make_small ("probe.asice");
    g_autoptr (Asice) other = asice_open (small, NULL);
    guint32 crc = asice_find (other, "mimetype")->crc;      /* the same 31 bytes */
    record (head, FALSE, "mimetype", crc, 31, 0);
    g_byte_array_append (head, (const guint8 *) ASICE_MIMETYPE, 31);
    guint64 big_at = head->len;
    record (head, FALSE, "big", 0, length, 0);
    guint64 small_at = head->len + length;
    record (tail, FALSE, "small", 0, 0, 0);
    guint64 directory = small_at + tail->len;
    guint before = tail->len;
    record (tail, TRUE, "mimetype", crc, 31, 0);
    record (tail, TRUE, "big", 0, length, big_at);
    record (tail, TRUE, "small", 0, 0, small_at);
    guint64 size = tail->len - before;
    le (tail, 0x06064b50, 4);
    le (tail, 44, 8);
    le (tail, 45, 2);
    le (tail, 45, 2);
    le (tail, 0, 8);
    le (tail, 3, 8);
    le (tail, 3, 8);
    le (tail, size, 8);
    le (tail, directory, 8);
    le (tail, 0x07064b50, 4);
    le (tail, 0, 4);
    le (tail, directory + size, 8);
    le (tail, 1, 4);
    le (tail, 0x06054b50, 4);
    le (tail, 0, 4);
    le (tail, 3, 2);
    le (tail, 3, 2);
    le (tail, size, 4);
    le (tail, G_MAXUINT32, 4);
    le (tail, 0, 2);
    g_assert_cmpint (pwrite (fd, head->data, head->len, 0), ==, head->len);
    g_assert_cmpint (pwrite (fd, tail->data, tail->len, (off_t) small_at), ==, tail->len);
    g_autoptr (GError) error = NULL;
    g_autoptr (Asice) asice = asice_open (path, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (asice_find (asice, "big")->length, ==, length);
    g_assert_cmpuint (asice_find (asice, "small")->offset, ==, directory);
    for (guint i = before; i < tail->len; i++) {
        guint8 changed = tail->data[i] ^ 0x10;
        g_assert_cmpint (pwrite (fd, &changed, 1, (off_t) (small_at + i)), ==, 1);
        g_autoptr (Asice) opened = asice_open (path, NULL);
        g_assert_null (opened);
        g_assert_cmpint (pwrite (fd, &tail->data[i], 1, (off_t) (small_at + i)), ==, 1);
    }
    close (fd);
    g_unlink (path);
}

static void
test_no_file (void)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *path = path_of ("absent.asice");
    g_assert_null (asice_open (path, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_MISSING);
    g_clear_error (&error);
    g_assert_null (asice_open (folder, &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
    g_clear_error (&error);
    g_assert_null (asice_open ("/dev/zero", &error));
    g_assert_error (error, BASE_ERROR, BASE_ERROR_FORMAT);
}

int
main (int argc, char **argv)
{
    if (argc == 3 && g_str_equal (argv[1], "--full-disk"))
        return on_full_disk (argv[2]);
    g_test_init (&argc, &argv, NULL);
    folder = g_dir_make_tmp ("asice-XXXXXX", NULL);
    g_test_add_func ("/asice/write-read", test_write_read);
    g_test_add_func ("/asice/determined", test_determined);
    g_test_add_func ("/asice/manifest", test_manifest);
    g_test_add_func ("/asice/manifest-refused", test_manifest_refused);
    g_test_add_func ("/asice/every-byte", test_every_byte);
    g_test_add_func ("/asice/headers", test_headers_refused_at_open);
    g_test_add_func ("/asice/truncated", test_truncated_and_padded);
    g_test_add_func ("/asice/names", test_names);
    g_test_add_func ("/asice/append", test_append);
    g_test_add_func ("/asice/never-over", test_never_over);
    g_test_add_func ("/asice/large", test_large);
    g_test_add_func ("/asice/full-disk", test_full_disk);
    g_test_add_func ("/asice/zip64", test_zip64);
    g_test_add_func ("/asice/no-file", test_no_file);
    int status = g_test_run ();
    file_remove_tree (folder, NULL);
    g_free (folder);
    return status;
}
