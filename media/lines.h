/* What the jobs of ceremony-media print: lines of canonical JSON. */
#pragma once
#include <glib.h>
#include <jansson.h>

/* Takes @line. FALSE: nobody reads it any more. */
gboolean print_line (json_t *line);
