/* Examines the machine, a function a thing. */
#include "ceremony/run/doctor.h"
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "ceremony/base/child.h"
#include "ceremony/base/clock.h"
#include "ceremony/base/cjson.h"
#include "ceremony/base/file.h"
#include "ceremony/base/quiet.h"
#include "ceremony/bundle/appliance.h"
#include "ceremony/run/cameras.h"
#include "ceremony/run/run.h"
#include "ceremony/token/token.h"

#define SPACE_NEEDED (G_GINT64_CONSTANT (2) << 30)

typedef struct { const char *home, *module; } Subject;
typedef void (*Examine) (const Subject *subject, DoctorFinding *f);

static void
tell (DoctorFinding *f, DoctorResult result, char *found, const char *how)
{
    f->result = result;
    f->found = found;
    f->how = g_strdup (how);
}

static void
examine_terminal (const Subject *subject, DoctorFinding *f)
{
    struct winsize size;
    const char *charset;
    if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) != 0 && ioctl (STDIN_FILENO, TIOCGWINSZ, &size) != 0)
        tell (f, DOCTOR_WARNS, g_strdup ("this isn't a terminal"), "a ceremony needs one of at least 80x24; 120x36 is best");
    else if (size.ws_col < 80 || size.ws_row < 24)
        tell (f, DOCTOR_LACKS, g_strdup_printf ("%ux%u", size.ws_col, size.ws_row), "enlarge it to at least 80x24");
    else
        tell (f, DOCTOR_GOOD, g_strdup_printf ("%ux%u, %s", size.ws_col, size.ws_row, g_get_charset (&charset) ? "UTF-8" : "no UTF-8: lines are drawn in ASCII"), "");
}

static void
examine_recorder (const Subject *subject, DoctorFinding *f)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *media = child_media_path (&error);
    g_autoptr (GBytes) output = NULL;
    int status = -1;
    if (media == NULL || !child_run ((const char *const[]){ media, "cameras", NULL }, -1, NULL, 20000, 1 << 20, &output, &status, &error))
        tell (f, DOCTOR_LACKS, g_strdup (error->message), "install the program whole: make install");
    else if (status != 0)
        tell (f, DOCTOR_LACKS, g_strdup_printf ("%s fails (exit status %d)", media, status),
              "install gstreamer1.0-plugins-base, gstreamer1.0-plugins-good and gstreamer1.0-plugins-bad");
    else
        tell (f, DOCTOR_GOOD, g_steal_pointer (&media), "");
}

static void
examine_camera (const Subject *subject, DoctorFinding *f)
{
    g_autoptr (json_t) list = cameras_list (NULL);
    g_autoptr (GString) found = g_string_new (NULL);
    for (gsize i = 0; i < json_array_size (list); i++) {
        const json_t *camera = json_array_get (list, i);
        const char *name = cjson_str (camera, "name", NULL);
        g_string_append_printf (found, "%s%s (%s)", i ? "\n" : "", name ? name : "?", cjson_str (camera, "device", NULL));
    }
    if (found->len == 0)
        tell (f, DOCTOR_LACKS, g_strdup ("no camera"), "plug one in (any that Linux knows as /dev/video*); a rehearsal can do without: --camera test");
    else
        tell (f, DOCTOR_GOOD, g_strdup (found->str), "look at what it sees: ceremony cameras --preview");
}

static json_t *
list_tokens (const char *module, GError **error)
{
    int saved = quiet_begin (NULL);
    TokenModules *modules = token_modules_load (module, FALSE, NULL, error);
    json_t *list = modules ? token_modules_list (modules, error) : NULL;
    token_modules_free (modules);
    quiet_end (saved);
    return list;
}

static void
examine_tokens (const Subject *subject, DoctorFinding *f)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (json_t) list = list_tokens (subject->module, &error);
    GString *found = g_string_new (NULL);
    for (gsize i = 0; list != NULL && i < json_array_size (list); i++) {
        json_t *entry = json_array_get (list, i);
        const char *state = cjson_str (json_object_get (entry, "token"), "pin_state", NULL);
        if (state == NULL || strcmp (state, "not-initialised") != 0)
            g_string_append_printf (found, "%s%s%s%s", found->len ? "\n" : "", cjson_str (entry, "uri", NULL), state && strcmp (state, "ok") ? ", PIN: " : "",
                                    state && strcmp (state, "ok") ? state : "");
    }
    if (found->len > 0)
        tell (f, DOCTOR_GOOD, g_string_free (found, FALSE), "");
    else {
        g_string_free (found, TRUE);
        tell (f, DOCTOR_LACKS, list ? g_strdup ("no token that is ready for use") : g_strdup (error->message),
              "plug the token in and install its maker's PKCS#11 module, registered with p11-kit or given by --module; ceremony tokens tells more");
    }
}

static void
examine_appliance (const Subject *subject, DoctorFinding *f)
{
    g_autoptr (GError) error = NULL;
    g_autofree char *dir = run_appliance_dir (subject->home);
    g_autoptr (Appliance) appliance = appliance_load (dir, &error);
    if (appliance == NULL)
        tell (f, DOCTOR_LACKS, g_strdup (error->message), "ceremony appliance init, then let the CA enrol what ceremony appliance show prints");
    else
        tell (f, DOCTOR_GOOD, g_strdup (dir), "");
}

static void
examine_space (const Subject *subject, DoctorFinding *f)
{
    g_autofree char *home = run_home (subject->home), *at = g_strdup (home);
    gint64 free_bytes;
    while ((free_bytes = file_free_space (at)) < 0 && strlen (at) > 1) {
        char *up = g_path_get_dirname (at);
        g_free (at);
        at = up;
    }
    g_autofree char *size = g_format_size (MAX (free_bytes, 0));
    tell (f, free_bytes >= SPACE_NEEDED ? DOCTOR_GOOD : DOCTOR_WARNS, g_strdup_printf ("%s free for %s", size, home),
          free_bytes >= SPACE_NEEDED ? "" : "an hour of video takes about 300 MB, and the bundle as much again: make room");
}

static void
examine_clock (const Subject *subject, DoctorFinding *f)
{
    const char *state = clock_ntp_state ();
    gboolean good = strcmp (state, "synchronised") == 0;
    tell (f, good ? DOCTOR_GOOD : DOCTOR_WARNS, g_strdup (state), good ? "" : "run a time service (systemd-timesyncd, chrony); the verdict warns of an unsynchronised clock");
}

static const struct { const char *name; Examine examine; } checks[] = {
    { "terminal", examine_terminal }, { "recorder", examine_recorder }, { "camera", examine_camera }, { "token", examine_tokens },
    { "appliance keys", examine_appliance }, { "disk", examine_space }, { "clock", examine_clock },
};

static void
finding_free (gpointer data)
{
    DoctorFinding *f = data;
    g_free (f->found);
    g_free (f->how);
    g_free (f);
}

GPtrArray *
doctor_examine (const char *home, const char *module)
{
    GPtrArray *findings = g_ptr_array_new_with_free_func (finding_free);
    Subject subject = { home, module };
    for (gsize i = 0; i < G_N_ELEMENTS (checks); i++) {
        DoctorFinding *f = g_new0 (DoctorFinding, 1);
        f->name = checks[i].name;
        checks[i].examine (&subject, f);
        g_ptr_array_add (findings, f);
    }
    return findings;
}
