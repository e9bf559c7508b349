/* The clocks of a ceremony, and times as text. */
#include "ceremony/base/clock.h"
#include "ceremony/base/errors.h"
#include <string.h>
#include <sys/timex.h>
#include <time.h>

static gint64
read_ms (clockid_t id)
{
    struct timespec now;
    if (clock_gettime (id, &now) != 0)
        g_error ("clock: the system has no clock %d", (int) id);
    return (gint64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

gint64
clock_wall_ms (void)
{
    return read_ms (CLOCK_REALTIME);
}

gint64
clock_boot_ms (void)
{
    return read_ms (CLOCK_BOOTTIME);
}

char *
clock_format (gint64 wall_ms)
{
    gint64 ms = ((wall_ms % 1000) + 1000) % 1000;
    time_t seconds = (time_t) ((wall_ms - ms) / 1000);
    struct tm tm;
    if (gmtime_r (&seconds, &tm) == NULL || tm.tm_year + 1900 < 0 || tm.tm_year + 1900 > 9999)
        return g_strdup ("0000-00-00T00:00:00.000Z");
    return g_strdup_printf ("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                            (int) ms);
}

/* Digits, or -1. */
static int
digits (const char *text, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (!g_ascii_isdigit (text[i]))
            return -1;
        value = value * 10 + g_ascii_digit_value (text[i]);
    }
    return value;
}

gboolean
clock_parse (const char *text, gint64 *wall_ms, GError **error)
{
    static const char form[] = "0000-00-00T00:00:00.000Z";
    gboolean shaped = strnlen (text, sizeof form) == strlen (form);
    for (gsize i = 0; shaped && i < strlen (form); i++)
        shaped = form[i] == '0' ? g_ascii_isdigit (text[i]) : form[i] == text[i];
    if (shaped) {
        struct tm tm = { .tm_year = digits (text, 4) - 1900, .tm_mon = digits (text + 5, 2) - 1, .tm_mday = digits (text + 8, 2),
                         .tm_hour = digits (text + 11, 2), .tm_min = digits (text + 14, 2), .tm_sec = digits (text + 17, 2) };
        gint64 ms = (gint64) timegm (&tm) * 1000 + digits (text + 20, 3);
        /* timegm carries 31 June over into July: only a real date comes back as it was. */
        g_autofree char *again = clock_format (ms);
        if (strcmp (again, text) == 0 && tm.tm_year + 1900 > 0) {
            *wall_ms = ms;
            return TRUE;
        }
    }
    g_set_error (error, BASE_ERROR, BASE_ERROR_FORMAT, "time: must be a real date and time like 2026-11-23T20:31:07.412Z");
    return FALSE;
}

char *
clock_boot_id (void)
{
    char *id = NULL;
    if (!g_file_get_contents ("/proc/sys/kernel/random/boot_id", &id, NULL, NULL))
        return g_strdup ("unknown");
    return g_strchomp (id);
}

const char *
clock_ntp_state (void)
{
    struct timex state = { .modes = 0 };
    int result = adjtimex (&state);
    if (result < 0)
        return "unknown";
    return result == TIME_ERROR || (state.status & STA_UNSYNC) != 0 ? "unsynchronised" : "synchronised";
}
