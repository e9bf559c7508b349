/* How a person names who signs, alike in every command that signs: --key FILE, or --token URI [--module PATH], and --passphrase-file FILE. */
#pragma once
#include "ceremony/bundle/signer.h"

typedef struct { char *key, *token, *module, *passphrase_file; } SignerOptions;
#define SIGNER_OPTIONS_HELP                                                                       \
    "  --key FILE              private key and certificate: PEM or PKCS#12\n"                     \
    "  --token URI             or a key on a token, RFC 7512: pkcs11:token=…;object=…\n"          \
    "  --module PATH           that token's PKCS#11 module, where it isn't registered with p11-kit\n" \
    "  --passphrase-file FILE  its passphrase or PIN; without it the program asks on the terminal\n"

/* Where argv[*i] is one of these options, takes it with its value, moves *i, and gives TRUE. The strings are argv's. */
gboolean signer_options_take (SignerOptions *self, int argc, char **argv, int *i);
/* Opens the signer; asks for a passphrase or PIN on the terminal where one is needed and none was given. BASE_ERROR_USAGE where none or both are named. */
Signer *signer_options_open (const SignerOptions *self, GError **error);

/* Asks on the controlling terminal, without echo. BASE_ERROR_MISSING: there is none; BASE_ERROR_ABORTED: ^C. */
gboolean secret_ask (const char *prompt, Secret *secret, GError **error);
/* The first line of a file, straight into locked memory. */
gboolean secret_read_file (const char *path, Secret *secret, GError **error);
