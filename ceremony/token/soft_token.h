/* A throw-away software token for rehearsals: a SoftHSM store of its own in a folder. */
#pragma once
#include <glib.h>
#include "ceremony/base/secret.h"

/* Where SoftHSM's module is; BASE_ERROR_MISSING (with what to install) where it isn't. g_free. */
char *soft_token_module (GError **error);
/* Makes the store in @dir (softhsm2.conf, tokens/) with one token of @label and @pin, and points SOFTHSM2_CONF of this process at it. Where the store is there
 * already, only the latter: a rehearsal that goes on. */
gboolean soft_token_make (const char *dir, const char *label, const Secret *pin, GError **error);
/* Random digits, @n of them. */
void soft_token_pin (Secret *pin, guint n);
