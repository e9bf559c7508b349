/* A trust folder: a file of issuers, the certificate beside it, and pinned keys. */
#include "ceremony/base/file.h"
#include "ceremony/bundle/trust.h"
#include "tests/fuzz/harness.h"
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static char *folder;

static void
remove_folder (void)
{
    file_remove_tree (folder, NULL);
    g_free (folder);
}

static void
make_folder (void)
{
    folder = g_dir_make_tmp ("ceremony-fuzz-XXXXXX", NULL);
    g_autofree char *role = folder != NULL ? g_build_filename (folder, "witness", NULL) : NULL;
    g_assert_true (role != NULL && file_mkdir (role, NULL));
    atexit (remove_folder);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    static const char *const names[] = { "a.yaml", "a.crt", "b.pem" };
    g_autoptr (GPtrArray) parts = parts_split (data, size);
    if (folder == NULL)
        make_folder ();
    for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
        g_autofree char *path = g_build_filename (folder, "witness", names[i], NULL);
        GBytes *bytes = parts_get (parts, names[i]);
        unlink (path);
        g_assert_true (g_bytes_get_size (bytes) == 0 || g_file_set_contents_full (path, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes), G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    }
    g_autoptr (GError) error = NULL;
    g_autoptr (Trust) trust = trust_load (folder, &error);
    g_assert_true ((trust == NULL) == (error != NULL));
    g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
    return 0;
}
