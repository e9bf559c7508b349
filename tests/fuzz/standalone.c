/* Runs a fuzzing harness without libFuzzer, as a test: every seed as it is, then mutations of the seeds by a fixed generator, so that a failure comes
 * again. Seeds are the files of tests/fuzz/seeds/NAME, where the program is called fuzz-NAME. FUZZ_ROUNDS sets the number of mutations, of
 * which slow harnesses do as many as fit in their time; arguments are files to run instead (what libFuzzer left as crash-…). A harness fails by aborting. */
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

#define ROUNDS 12000
#define SECONDS 3
#define SEED 8785
#define MAX_GROWTH 256

/* What parsers stumble over: their own brackets, quotes, separators, and bytes of broken UTF-8. */
static const char *const tokens[] = { "{", "}", "[", "]", "\"", "\\", ",", ":", "\n", "\n\n", "--\n", "+", " ", "\xe2\x80\x94 ", "\xed\xa0\x80", "\xff", "0", "-1",
                                      "9007199254740992", "\\u0000", "\\ud800", "null", "1e9", "=", "AAAA", ".", "Z", "seq", "\t", "<", ">", "&" };

static GByteArray *current;

/* Only async-signal-safe calls: says where it was, leaves the input in a file, and lets the signal do its work. */
static void
on_abort (int sig)
{
    char path[] = "/tmp/fuzz-failed-XXXXXX";
    int fd = mkstemp (path);
    ssize_t ignored = write (fd, current->data, current->len);
    ignored = write (STDERR_FILENO, "the input is in ", 16);
    ignored = write (STDERR_FILENO, path, strlen (path));
    ignored = write (STDERR_FILENO, "\n", 1);
    (void) ignored;
    signal (sig, SIG_DFL);
    raise (sig);
}

static void
insert (GByteArray *bytes, guint place, const void *data, guint len)
{
    guint tail = bytes->len - place;
    if (len == 0)
        return;
    g_byte_array_set_size (bytes, bytes->len + len);
    memmove (bytes->data + place + len, bytes->data + place, tail);
    memcpy (bytes->data + place, data, len);
}

static void
mutate_once (GByteArray *bytes, GRand *rand)
{
    guint place = (guint) g_rand_int_range (rand, 0, (gint32) bytes->len + 1);
    guint left = bytes->len - place;
    guint span = left > 0 ? (guint) g_rand_int_range (rand, 1, (gint32) MIN (left, 16) + 1) : 0;
    switch (g_rand_int_range (rand, 0, 6)) {
    case 0:
        if (left > 0)
            bytes->data[place] ^= (guint8) (1 << g_rand_int_range (rand, 0, 8));
        break;
    case 1:
        if (left > 0)
            bytes->data[place] = (guint8) g_rand_int_range (rand, 0, 256);
        break;
    case 2:
        if (left > 0)
            g_byte_array_remove_range (bytes, place, span);
        break;
    case 3: {
        const char *token = tokens[g_rand_int_range (rand, 0, G_N_ELEMENTS (tokens))];
        insert (bytes, place, token, (guint) strlen (token));
        break;
    }
    case 4: {
        g_autofree guint8 *copy = span > 0 ? g_memdup2 (bytes->data + place, span) : NULL;
        insert (bytes, place, copy, span);
        break;
    }
    default:
        if (g_rand_int_range (rand, 0, 8) == 0)
            g_byte_array_set_size (bytes, place);
    }
}

static void
run_current (void)
{
    /* A block of its own size: reading past its end is seen by the sanitizer. */
    g_autofree guint8 *exact = g_memdup2 (current->data, current->len);
    LLVMFuzzerTestOneInput (exact, current->len);
}

static void
set_current (const char *data, gsize len)
{
    g_byte_array_set_size (current, 0);
    g_byte_array_append (current, (const guint8 *) data, (guint) len);
}

/* Gives how many mutations there were: at most @rounds, and none begun after @until (g_get_monotonic_time). */
static guint
run_file (const char *path, guint rounds, gint64 until, GRand *rand)
{
    g_autofree char *seed = NULL;
    gsize len = 0;
    if (!g_file_get_contents (path, &seed, &len, NULL))
        g_error ("%s: can't be read", path);
    set_current (seed, len);
    run_current ();
    guint n = 0;
    while (n < rounds && g_get_monotonic_time () < until) {
        n++;
        /* From the seed again now and then; in between one mutation upon another. */
        if (n % 8 == 1 || current->len > len + MAX_GROWTH)
            set_current (seed, len);
        for (int i = g_rand_int_range (rand, 1, 4); i > 0; i--)
            mutate_once (current, rand);
        run_current ();
    }
    return n;
}

static int
compare_paths (gconstpointer a, gconstpointer b)
{
    return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static GPtrArray *
seeds_of (const char *program)
{
    g_autofree char *name = g_path_get_basename (program);
    g_autofree char *folder = g_build_filename ("tests/fuzz/seeds", name + strlen ("fuzz-"), NULL);
    g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
    GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
    for (const char *entry; dir != NULL && (entry = g_dir_read_name (dir)) != NULL;)
        g_ptr_array_add (paths, g_build_filename (folder, entry, NULL));
    if (paths->len == 0)
        g_error ("%s: no seeds there (run from the top folder)", folder);
    g_ptr_array_sort (paths, compare_paths);
    return paths;
}

int
main (int argc, char **argv)
{
    g_autoptr (GRand) rand = g_rand_new_with_seed (SEED);
    current = g_byte_array_new ();
    signal (SIGABRT, on_abort);
    if (argc > 1 && argv[1][0] != '-') {
        for (int i = 1; i < argc; i++)
            run_file (argv[i], 0, 0, rand);
        return 0;
    }
    g_autoptr (GPtrArray) seeds = seeds_of (argv[0]);
    const char *wish = g_getenv ("FUZZ_ROUNDS");
    guint rounds = wish != NULL ? (guint) g_ascii_strtoull (wish, NULL, 10) : ROUNDS;
    gint64 start = g_get_monotonic_time (), all = wish != NULL ? G_MAXINT64 / 2 : SECONDS * G_USEC_PER_SEC;
    printf ("1..%u\n", seeds->len);
    for (guint i = 0; i < seeds->len; i++) {
        guint done = run_file (seeds->pdata[i], rounds / seeds->len + 1, start + all / seeds->len * (i + 1), rand);
        printf ("ok %u %s, %u mutations\n", i + 1, (const char *) seeds->pdata[i], done);
    }
    g_byte_array_unref (current);
    return 0;
}
