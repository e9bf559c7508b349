/* The subcommands: each reads its arguments (argv[0] is its own name), calls what it needs, prints, and gives the exit status. The table in main.c names them. */
#pragma once

int command_appliance (int argc, char **argv);
int command_attest (int argc, char **argv);
int command_keycheck (int argc, char **argv);
int command_challenge (int argc, char **argv);
int command_extract (int argc, char **argv);
int command_order (int argc, char **argv);
int command_version (int argc, char **argv);
int command_script (int argc, char **argv);
int command_tokens (int argc, char **argv);
