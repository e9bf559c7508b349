/* An event line: what is read is canonical and kept byte for byte, and its members are in their ranges. */
#include "ceremony/base/clock.h"
#include "ceremony/journal/event.h"
#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
    g_autoptr (GError) error = NULL;
    g_autoptr (Event) event = event_parse (data, size, &error);
    g_assert_true ((event == NULL) == (error != NULL));
    if (event == NULL)
        return 0;
    g_assert_true (strlen (event->line) == size && memcmp (event->line, data, size) == 0);
    g_assert_true (event->sitting >= 1 && event->mono >= 0 && json_is_object (event->data) && strchr (event->type, '.') != NULL);
    g_autoptr (json_t) object = cjson_parse_loose (data, size, NULL);
    g_autofree char *canonical = cjson_encode (object, NULL);
    g_assert_cmpstr (canonical, ==, event->line);
    g_autofree char *time = clock_format (event->time);
    g_assert_nonnull (strstr (event->line, time));
    return 0;
}
