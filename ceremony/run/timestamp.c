/* Timestamps over checkpoints (RFC 3161), where the ceremony has an authority to ask: on the opening and on the final one. They lie in timestamps/SIZE.tsr and hold
 * the journal outside the operator's reach; without one the ceremony is what it is, so nothing here ends it. */
#include "ceremony/base/file.h"
#include "ceremony/bundle/tsa.h"
#include "ceremony/run/engine.h"
#include <string.h>

#define PATIENCE_MS 20000

typedef struct { const char *note; GBytes *response; } Asking;

static gboolean
call_ask (Run *run, gpointer data, GError **error)
{
    Asking *self = data;

    self->response = tsa_request (run->setup->tsa_url, self->note, strlen (self->note), PATIENCE_MS, error);
    return self->response != NULL;
}

static gboolean
take (Run *run, const char *note, const char *path, GError **error)
{
    Asking asking = { .note = note };
    g_autofree char *folder = g_path_get_dirname (path);
    gsize len;
    gboolean ok = run_token_call (run, "Asking the time-stamping authority", call_ask, &asking, error) && file_mkdir (folder, error);
    const void *data = ok ? g_bytes_get_data (asking.response, &len) : NULL;

    ok = ok && file_write (path, data, len, 0600, FALSE, error);
    g_clear_pointer (&asking.response, g_bytes_unref);
    return ok;
}

gboolean
run_timestamp (Run *run, const char *note, guint64 size, GError **error)
{
    static const char *const choices[] = { "Try again", "Go on without this timestamp", NULL };
    g_autofree char *name = g_strdup_printf ("%" G_GUINT64_FORMAT ".tsr", size), *path = g_build_filename (run->folder, "timestamps", name, NULL), *copy = g_strdup (note);

    while (run->setup->tsa_url && !g_file_test (path, G_FILE_TEST_EXISTS)) {
        g_autoptr(GError) failed = NULL;
        g_autofree char *detail = NULL;
        int choice;
        if (take (run, copy, path, &failed))
            break;
        if (run->stop != STOP_NONE)
            return run_stopped (run, error);
        detail = g_strdup_printf ("%s\n\nWithout it the record is as whole as before; only that nobody outside vouches for its time.%s", failed->message,
                                  run->policy->timestamp_required ? " The CA's policy asks for one: the witness's signature can still bear it (ceremony seal --tsa)." : "");
        choice = run_ask_choice (run, "timestamp.failed", "operator", "The time-stamping authority gave no timestamp", detail, choices, error);
        if (choice != 0)
            return choice > 0;
    }
    return TRUE;
}
