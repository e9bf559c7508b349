/* Time as a ceremony uses it: wall clock for people, CLOCK_BOOTTIME for order and for what sleeps, the boot id, NTP's state. */
#pragma once
#include <glib.h>

gint64 clock_wall_ms (void);                /* UTC milliseconds since 1970 */
gint64 clock_boot_ms (void);                /* CLOCK_BOOTTIME, milliseconds */
char  *clock_format (gint64 wall_ms);       /* "2026-11-23T20:31:07.412Z"; g_free */
gboolean clock_parse (const char *text, gint64 *wall_ms, GError **error); /* just that form, a real date */
char  *clock_boot_id (void);                /* /proc/sys/kernel/random/boot_id without newline; "unknown" where there is none */
const char *clock_ntp_state (void);         /* "synchronised", "unsynchronised", "unknown" (adjtimex) */
