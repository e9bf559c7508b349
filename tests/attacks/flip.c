/* Every byte counts: a bundle that verifies is changed by one byte, one file or one event at a time, and each time verify must refuse it and name a check.
 * Every byte of small files is flipped, and of all between files; of large files every so-manieth. With FLIP_BUNDLE (and FLIP_TRUST, a trust folder) a real
 * bundle is taken, else a forged one, which needs no recording. */
#include <stdlib.h>
#include <string.h>
#include "tests/unit/forge.c"

#define SMALL (16 * 1024)
#define SAMPLES_OF_LARGE 200
#define BUDGET_US (18 * G_USEC_PER_SEC)  /* for bytes of small files: fewer are flipped where one verification takes longer */

static ForgeWorld *world;
static GBytes     *bundle;
static Trust      *trust;
static guint64     flips;
static GHashTable *named;               /* check id → how often it told */

static VerdictKind
judge (GBytes *bytes, char **check)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Asice) asice = asice_open_bytes (bytes, &error);
    VerifyOptions options = { .trust = trust, .flags = VERIFY_NO_VIDEO | VERIFY_STOP_AT_FAIL };
    g_autoptr(Verdict) verdict = NULL;

    if (!asice) {
        g_assert_nonnull (error->message);
        *check = g_strdup ("container.structure");
        return VERDICT_UNREADABLE;
    }
    verdict = verify_asice (asice, "changed", &options);
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *o = verdict->outcomes->pdata[i];
        /* A rehearsal's bundle is refused as it is: that doesn't count. */
        if (o->result == CHECK_FAIL && !g_str_equal (o->id, "rehearsal")) {
            *check = g_strdup (o->id);
            return verdict->kind;
        }
    }
    *check = NULL;
    return verdict->kind;
}

static void
must_refuse (GBytes *bytes, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
must_refuse (GBytes *bytes, const char *format, ...)
{
    g_autofree char *check = NULL, *what = NULL;
    VerdictKind kind = judge (bytes, &check);
    va_list args;

    flips++;
    if (check && (kind == VERDICT_REFUSE || kind == VERDICT_UNREADABLE)) {
        g_hash_table_replace (named, g_strdup (check), GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (named, check)) + 1));
        return;
    }
    va_start (args, format);
    what = g_strdup_vprintf (format, args);
    va_end (args);
    g_test_fail_printf ("%s: not refused", what);
}

static void
report_named (void)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init (&iter, named);
    while (g_hash_table_iter_next (&iter, &key, &value))
        g_test_message ("%s told %u changes", (char *) key, GPOINTER_TO_UINT (value));
    g_hash_table_remove_all (named);
}

static void
test_whole (void)
{
    g_autofree char *check = NULL;

    judge (bundle, &check);
    g_assert_cmpstr (check, ==, NULL);
}

/* ---- bytes ---- */

static guint32
crc32_of (const guint8 *data, gsize len)
{
    static guint32 table[256];
    guint32 crc = 0xffffffff;

    for (guint32 i = 0; table[255] == 0 && i < 256; i++) {
        table[i] = i;
        for (guint bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
    }
    for (gsize i = 0; i < len; i++)
        crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xff];
    return ~crc;
}

static void
flip_range (guint8 *copy, gsize len, gsize from, gsize to, gsize step, const char *where)
{
    g_autoptr(GBytes) bytes = NULL;

    for (gsize at = from; at < to; at += step) {
        guint8 kept = copy[at];
        copy[at] ^= 1u << (at % 8);
        bytes = g_bytes_new_static (copy, len);
        must_refuse (bytes, "%s, byte %" G_GSIZE_FORMAT, where, at - from);
        g_clear_pointer (&bytes, g_bytes_unref);
        copy[at] = kept;
    }
}

/* Every byte of the small files, or every so-manieth where one verification takes too long for that. */
static gsize
step_within (const Asice *asice, guint8 *copy, gsize len)
{
    const GPtrArray *entries = asice_entries (asice);
    gint64 began = g_get_monotonic_time (), each;
    guint64 small = 0;
    gsize step;

    for (guint i = 0; i < 3; i++) {
        g_autofree char *check = NULL;
        copy[asice_find (asice, "evidence.json")->offset + 9] ^= 1;
        g_autoptr(GBytes) changed = g_bytes_new_static (copy, len);
        judge (changed, &check);
        copy[asice_find (asice, "evidence.json")->offset + 9] ^= 1;
    }
    each = (g_get_monotonic_time () - began) / 3 + 1;
    for (guint i = 0; i < entries->len; i++)
        small += MIN (((const AsiceEntry *) entries->pdata[i])->length, SMALL);
    step = MAX (small * each / BUDGET_US, 1);
    g_test_message ("%" G_GUINT64_FORMAT " bytes of small files, every %" G_GSIZE_FORMAT " flipped", small, step);
    return step;
}

static void
test_bytes (void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Asice) asice = asice_open_bytes (bundle, &error);
    gsize len, at = 0;
    const guint8 *data = g_bytes_get_data (bundle, &len);
    g_autofree guint8 *copy = g_memdup2 (data, len);
    const GPtrArray *entries = asice_entries (asice);
    gsize step = step_within (asice, copy, len);

    for (guint i = 0; i < entries->len; i++) {
        const AsiceEntry *entry = entries->pdata[i];
        gboolean large = entry->length > SMALL;
        flip_range (copy, len, at, entry->offset, 1, "between files");
        flip_range (copy, len, entry->offset, entry->offset + entry->length, large ? MAX (entry->length / SAMPLES_OF_LARGE, 1) : step, entry->name);
        at = entry->offset + entry->length;
    }
    flip_range (copy, len, at, len, 1, "directory");
    g_assert_cmpmem (copy, len, data, len);
    report_named ();
}

static void
put32 (guint8 *at, guint32 value)
{
    for (guint i = 0; i < 4; i++)
        at[i] = value >> (8 * i);
}

static guint32
get32 (const guint8 *at)
{
    return at[0] | at[1] << 8 | at[2] << 16 | (guint32) at[3] << 24;
}

/* Flips bytes of one file and mends both of its checksums, so that only what is signed can tell. */
static void
flip_mended (guint8 *copy, gsize len, const AsiceEntry *entry, guint8 *local, guint8 *record, gsize step)
{
    guint32 kept = get32 (local);

    for (gsize at = 0; at < entry->length; at += step) {
        guint8 *byte = copy + entry->offset + at;
        *byte ^= 1u << (at % 8);
        put32 (local, crc32_of (copy + entry->offset, entry->length));
        put32 (record, get32 (local));
        g_autoptr(GBytes) bytes = g_bytes_new_static (copy, len);
        must_refuse (bytes, "%s, byte %" G_GSIZE_FORMAT ", checksum mended", entry->name, at);
        *byte ^= 1u << (at % 8);
    }
    put32 (local, kept);
    put32 (record, kept);
}

static void
test_bytes_mended (void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Asice) asice = asice_open_bytes (bundle, &error);
    gsize len;
    const guint8 *data = g_bytes_get_data (bundle, &len);
    g_autofree guint8 *copy = g_memdup2 (data, len);
    const GPtrArray *entries = asice_entries (asice);
    gsize step = step_within (asice, copy, len);
    guint8 *record = copy + get32 (copy + len - 6);     /* no comment: the directory's offset stands here */

    for (guint i = 0; i < entries->len; i++) {
        const AsiceEntry *entry = entries->pdata[i];
        guint8 *local = copy + get32 (record + 42);
        g_assert_cmpmem (record, 4, "PK\001\002", 4);
        g_assert_cmpint (get32 (local + 14), ==, entry->crc);
        flip_mended (copy, len, entry, local + 14, record + 16, entry->length > SMALL ? MAX (entry->length / SAMPLES_OF_LARGE, 1) : step);
        record += 46 + (record[28] | record[29] << 8) + (record[30] | record[31] << 8);
    }
    g_assert_cmpmem (copy, len, data, len);
    report_named ();
}

static void
test_lengths (void)
{
    gsize len;
    const guint8 *data = g_bytes_get_data (bundle, &len);
    g_autofree guint8 *longer = g_malloc0 (len + 1);

    memcpy (longer, data, len);
    g_autoptr(GBytes) appended = g_bytes_new_static (longer, len + 1);
    must_refuse (appended, "a byte appended");
    for (gsize cut = 1; cut < len; cut += MAX (len / 500, 1)) {
        g_autoptr(GBytes) shorter = g_bytes_new_static (data, len - cut);
        must_refuse (shorter, "%" G_GSIZE_FORMAT " bytes cut off", cut);
    }
}

/* ---- files: a container written anew, in order, with the old manifests and signatures ---- */

typedef struct { char *name; GBytes *bytes; } File;

static void
file_free (gpointer data)
{
    File *file = data;

    g_free (file->name);
    g_bytes_unref (file->bytes);
    g_free (file);
}

static GPtrArray *
unpack (void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Asice) asice = asice_open_bytes (bundle, &error);
    GPtrArray *files = g_ptr_array_new_with_free_func (file_free);

    for (guint i = 0; i < asice_entries (asice)->len; i++) {
        const AsiceEntry *entry = asice_entries (asice)->pdata[i];
        File *file = g_new0 (File, 1);
        file->name = g_strdup (entry->name);
        file->bytes = asice_read (asice, entry->name, entry->length, &error);
        g_assert_no_error (error);
        g_ptr_array_add (files, file);
    }
    return files;
}

static void
le (GString *out, guint64 value, guint bytes)
{
    for (guint i = 0; i < bytes; i++)
        g_string_append_c (out, (char) (value >> (8 * i)));
}

/* The fields that local header and directory record share, from "version needed" to the name's length. Flags and time are copied from the original's first header. */
static void
zip_fields (GString *out, const File *file, const guint8 *model)
{
    gsize len = g_bytes_get_size (file->bytes);

    g_string_append_len (out, (const char *) model + 4, 10);
    le (out, crc32_of (g_bytes_get_data (file->bytes, NULL), len), 4);
    le (out, len, 4);
    le (out, len, 4);
    le (out, strlen (file->name), 2);
    le (out, 0, 2);
}

static const guint8 *
first_record (const guint8 *data, gsize len)
{
    return memmem (data, len, "PK\001\002", 4);
}

static GBytes *
pack (const GPtrArray *files)
{
    gsize len;
    const guint8 *model = g_bytes_get_data (bundle, &len), *record = first_record (model, len);
    GString *out = g_string_new (NULL);
    g_autoptr(GString) directory = g_string_new (NULL);
    gsize start;

    for (guint i = 0; i < files->len; i++) {
        const File *file = files->pdata[i];
        gsize offset = out->len;
        g_string_append_len (out, "PK\003\004", 4);
        zip_fields (out, file, model);
        g_string_append (out, file->name);
        g_string_append_len (out, g_bytes_get_data (file->bytes, NULL), g_bytes_get_size (file->bytes));
        g_string_append_len (directory, "PK\001\002", 4);
        g_string_append_len (directory, (const char *) record + 4, 2);
        zip_fields (directory, file, model);
        le (directory, 0, 2);
        g_string_append_len (directory, (const char *) record + 34, 8);     /* disk, internal and external attributes */
        le (directory, offset, 4);
        g_string_append (directory, file->name);
    }
    start = out->len;
    g_string_append_len (out, directory->str, directory->len);
    g_string_append_len (out, "PK\005\006\0\0\0\0", 8);
    le (out, files->len, 2);
    le (out, files->len, 2);
    le (out, directory->len, 4);
    le (out, start, 4);
    le (out, 0, 2);
    return g_string_free_to_bytes (out);
}

/* The packer must be right, or the attacks would prove nothing. */
static void
test_packer (void)
{
    g_autoptr(GPtrArray) files = unpack ();
    g_autoptr(GBytes) bytes = pack (files);
    g_autofree char *check = NULL;

    judge (bytes, &check);
    g_assert_cmpstr (check, ==, NULL);
}

static void
test_files (void)
{
    static const char *const added[] = { "a.txt", "video/0009.mkv", "witness/more.txt", "key/more.bin", "META-INF/more.xml", "META-INF/ASiCManifest004.xml", "decision.json" };
    guint n;

    {
        g_autoptr(GPtrArray) files = unpack ();
        n = files->len;
    }
    for (guint i = 0; i < n; i++) {
        g_autoptr(GPtrArray) files = unpack ();
        g_autofree char *name = g_strdup (((File *) files->pdata[i])->name);
        g_ptr_array_remove_index (files, i);
        g_autoptr(GBytes) bytes = pack (files);
        must_refuse (bytes, "%s left out", name);
    }
    for (guint i = 0; i + 1 < n; i++) {
        g_autoptr(GPtrArray) files = unpack ();
        File *one = files->pdata[i], *two = files->pdata[i + 1];
        GBytes *keep = one->bytes;
        one->bytes = two->bytes;
        two->bytes = keep;
        if (g_bytes_equal (one->bytes, two->bytes))
            continue;
        g_autoptr(GBytes) bytes = pack (files);
        must_refuse (bytes, "%s and %s exchanged", one->name, two->name);
    }
    for (guint i = 0; i < G_N_ELEMENTS (added); i++) {
        g_autoptr(GPtrArray) files = unpack ();
        File *file = g_new0 (File, 1);
        *file = (File) { g_strdup (added[i]), g_bytes_new ("x", 1) };
        g_ptr_array_add (files, file);
        g_autoptr(GBytes) bytes = pack (files);
        must_refuse (bytes, "%s added", added[i]);
    }
    report_named ();
}

/* ---- events ---- */

static File *
file_named (GPtrArray *files, const char *name)
{
    for (guint i = 0; i < files->len; i++)
        if (g_str_equal (((File *) files->pdata[i])->name, name))
            return files->pdata[i];
    g_error ("no %s", name);
}

static void
set_events (GPtrArray *files, GPtrArray *lines)
{
    File *file = file_named (files, "journal/events.jsonl");
    GString *text = g_string_new (NULL);

    for (guint i = 0; i < lines->len; i++)
        g_string_append_printf (text, "%s\n", (char *) lines->pdata[i]);
    g_bytes_unref (file->bytes);
    file->bytes = g_string_free_to_bytes (text);
}

static GPtrArray *
get_events (GPtrArray *files)
{
    File *file = file_named (files, "journal/events.jsonl");
    g_autofree char *text = g_strndup (g_bytes_get_data (file->bytes, NULL), g_bytes_get_size (file->bytes));
    g_auto(GStrv) split = g_strsplit (text, "\n", -1);
    GPtrArray *lines = g_ptr_array_new_with_free_func (g_free);

    for (gsize i = 0; split[i] && *split[i]; i++)
        g_ptr_array_add (lines, g_strdup (split[i]));
    return lines;
}

static GBytes *
manifest_sign (const void *manifest, gsize len, gpointer user_data, GError **error)
{
    return cades_sign (user_data, manifest, len, error);
}

/* Only the evidence, signed anew by somebody whom nobody knows. */
static GBytes *
resign (GPtrArray *files)
{
    g_autofree char *path = g_build_filename (world->dir, "resigned.asice", NULL);
    g_autoptr(GPtrArray) items = asice_items_new ();
    g_autoptr(GError) error = NULL;
    GBytes *bytes;

    for (guint i = 0; i < files->len; i++) {
        File *file = files->pdata[i];
        if (!g_str_equal (file->name, "mimetype") && !g_str_has_prefix (file->name, "META-INF/") && !g_str_equal (file->name, "statement.json")
            && !g_str_has_prefix (file->name, "witness/") && !g_str_equal (file->name, "decision.json"))
            asice_items_add_bytes (items, file->name, file->bytes);
    }
    remove (path);
    g_assert_true (asice_create (path, items, manifest_sign, NULL, world->stranger, &error));
    g_assert_no_error (error);
    bytes = file_read (path, G_MAXINT, &error);
    g_assert_no_error (error);
    return bytes;
}

typedef enum { DROP, SWAP, TWICE, MOVE_TO_END, CHANGES } Change;

static void
change_lines (GPtrArray *lines, Change change, guint at)
{
    gpointer line;

    switch (change) {
    case DROP:
        g_ptr_array_remove_index (lines, at);
        break;
    case SWAP:
        line = lines->pdata[at];
        lines->pdata[at] = lines->pdata[(at + 1) % lines->len];
        lines->pdata[(at + 1) % lines->len] = line;
        break;
    case TWICE:
        g_ptr_array_insert (lines, at, g_strdup (lines->pdata[at]));
        break;
    default:
        g_ptr_array_add (lines, g_ptr_array_steal_index (lines, at));
        break;
    }
}

static void
test_events (void)
{
    static const char *const names[] = { "dropped", "swapped with the next", "doubled", "moved to the end" };
    guint n;

    {
        g_autoptr(GPtrArray) files = unpack (), lines = get_events (files);
        n = lines->len;
    }
    for (guint i = 0; i < n; i += MAX (n / 150, 1)) {
        for (Change change = DROP; change < CHANGES; change++) {
            g_autoptr(GPtrArray) files = unpack (), lines = get_events (files);
            if (change == MOVE_TO_END && i == n - 1)
                continue;
            change_lines (lines, change, i);
            set_events (files, lines);
            g_autoptr(GBytes) bytes = pack (files);
            must_refuse (bytes, "event %u %s", i, names[change]);
        }
    }
    report_named ();
}

static void
test_events_resigned (void)
{
    guint n;

    {
        g_autoptr(GPtrArray) files = unpack (), lines = get_events (files);
        n = lines->len;
    }
    for (guint i = 0; i < n; i += MAX (n / 10, 1)) {
        g_autoptr(GPtrArray) files = unpack (), lines = get_events (files);
        change_lines (lines, DROP, i);
        set_events (files, lines);
        g_autoptr(GBytes) bytes = resign (files);
        must_refuse (bytes, "event %u dropped, signed by a stranger", i);
    }
    g_autoptr(GPtrArray) files = unpack ();
    g_autoptr(GBytes) bytes = resign (files);
    must_refuse (bytes, "nothing changed, signed by a stranger");
    report_named ();
}

static void
load (void)
{
    const char *path = getenv ("FLIP_BUNDLE"), *dir = getenv ("FLIP_TRUST");
    g_autoptr(GError) error = NULL;
    Forge f;

    if (path) {
        bundle = file_read (path, G_MAXINT, &error);
        g_assert_no_error (error);
        trust = dir ? trust_load (dir, &error) : NULL;
        g_assert_no_error (error);
        return;
    }
    forge_init (&f, world);
    f.decided = f.unplugged = f.countersigned = TRUE;
    f.policy = "presence: unplug";
    bundle = forge_bytes (&f);
    trust = world->trust;
    forge_clear (&f);
}

int
main (int argc, char **argv)
{
    int status;

    forge_quick (argv);
    g_test_init (&argc, &argv, NULL);
    world = forge_world_new ();
    named = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    load ();
    g_test_add_func ("/flip/whole", test_whole);
    g_test_add_func ("/flip/packer", test_packer);
    g_test_add_func ("/flip/files", test_files);
    g_test_add_func ("/flip/events", test_events);
    g_test_add_func ("/flip/events-resigned", test_events_resigned);
    g_test_add_func ("/flip/lengths", test_lengths);
    g_test_add_func ("/flip/bytes", test_bytes);
    g_test_add_func ("/flip/bytes-mended", test_bytes_mended);
    status = g_test_run ();
    g_test_message ("%" G_GUINT64_FORMAT " changes", flips);
    if (trust != world->trust)
        trust_free (trust);
    g_bytes_unref (bundle);
    g_hash_table_unref (named);
    forge_world_free (world);
    return status;
}
