/* The subcommands: each reads its arguments (argv[0] is its own name), calls what it needs, prints, and gives the exit status. The table in main.c names them. */
#pragma once
#include <glib.h>
#include "ceremony/base/shell.h"

/* Reads @argv by @entries, of which --help is one or was looked for before. FALSE: a G_OPTION_ERROR. */
gboolean command_options (const GOptionEntry *entries, int *argc, char ***argv, GError **error);

int command_appliance (int argc, char **argv);
int command_cameras (int argc, char **argv);
int command_attest (int argc, char **argv);
int command_keycheck (int argc, char **argv);
int command_challenge (int argc, char **argv);
int command_countersign (int argc, char **argv);
int command_extract (int argc, char **argv);
int command_order (int argc, char **argv);
int command_list (int argc, char **argv);
int command_resume (int argc, char **argv);
int command_run (int argc, char **argv);
int command_seal (int argc, char **argv);
int command_verify (int argc, char **argv);
int command_watch (int argc, char **argv);
int command_version (int argc, char **argv);
int command_script (int argc, char **argv);
int command_tokens (int argc, char **argv);
int command_doctor (int argc, char **argv);
int command_rehearse (int argc, char **argv);
int command_play (int argc, char **argv);
int command_clip (int argc, char **argv);
