/* Child processes: a clean environment, no stray descriptors, standard error into a log, never to the tty. */
#pragma once
#include <glib.h>

/* Where ceremony-media is: $CEREMONY_MEDIA, beside this program, or the libexec folder (of where this program lies now, then of where it was
 * built for). BASE_ERROR_MISSING where it isn't. g_free. */
char *child_media_path (GError **error);
/* Where @name of scripts/ is: installed with this program, in the source tree that it was built in, else in the folder that it was built for. g_free. */
char *child_script_path (const char *name);
char *child_self_path (void);                               /* /proc/self/exe, resolved */

typedef struct {
    GPid pid;
    int  sock;      /* our end of a SOCK_SEQPACKET pair; -1 where not asked for. The child has the other as descriptor 3 */
    int  out;       /* read end of its standard output; -1 where not asked for */
} Child;

typedef enum { CHILD_SOCKET = 1, CHILD_OUTPUT = 2, CHILD_DIES_WITH_US = 4 } ChildFlags;

/* Starts @argv (NULL-terminated, absolute path first). @pass_fd, where not -1, becomes the child's descriptor 4. @log_path
 * (NULL: /dev/null) gets its standard error, appended. Environment: a copy of ours, cut down to PATH, HOME, LANG, LC_*, TZ, TERM, XDG_*, TMPDIR,
 * SOFTHSM2_CONF, TPM2_PKCS11_*, TSS2_*, P11_KIT_*, DISPLAY, WAYLAND_DISPLAY, XAUTHORITY, GST_*, CEREMONY_*, ASAN_OPTIONS, UBSAN_OPTIONS, LSAN_OPTIONS, LD_LIBRARY_PATH, LD_PRELOAD.
 * The child leads a session of its own, without a terminal. CHILD_DIES_WITH_US kills it when the *thread* that called this ends: call from one that stays. */
gboolean child_start (const char *const *argv, ChildFlags flags, int pass_fd, const char *log_path, Child *child, GError **error);
/* Runs to its end with a time limit, collecting at most @max_output bytes; kills it at the limit (BASE_ERROR_LIMIT). @status gets the
 * exit status, or -signal. */
gboolean child_run (const char *const *argv, int pass_fd, const char *log_path, guint timeout_ms, gsize max_output, GBytes **output, int *status,
                    GError **error);
/* The same, with the file @out_fd as its standard output. */
gboolean child_run_to (const char *const *argv, int pass_fd, int out_fd, const char *log_path, guint timeout_ms, int *status, GError **error);
