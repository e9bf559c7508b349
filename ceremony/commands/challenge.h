/* What the files of the subcommand `challenge` share. */
#pragma once
#include <glib.h>

/* The witness's secret, 64 hex digits in the file @path. Errors: BASE_ERROR_FORMAT, BASE_ERROR_MISSING, BASE_ERROR_IO. */
gboolean challenge_read_secret (const char *path, guint8 out[32], GError **error);
/* Prints @error and gives the exit status that it stands for. */
int      challenge_fail (const GError *error);
/* credential.c: `challenge credential`, the whole command line. -1: usage. */
int      challenge_credential (int argc, char **argv);
