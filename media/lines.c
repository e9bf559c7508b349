/* Lines of canonical JSON on standard output. */
#include "media/lines.h"
#include <stdio.h>
#include "ceremony/base/cjson.h"

gboolean
print_line (json_t *line)
{
    g_autofree char *text = cjson_encode (line, NULL);
    json_decref (line);
    return text != NULL && puts (text) != EOF && fflush (stdout) == 0;
}
