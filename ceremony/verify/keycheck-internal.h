/* Between the files of the key check: findings, and a file each for RSA, EC and the lists. */
#pragma once
#include "ceremony/base/der.h"
#include "ceremony/verify/keycheck.h"

void keycheck_find (KeyCheck *self, const char *id, const char *clause, const char *format, ...) G_GNUC_PRINTF (4, 5);
void keycheck_warn (KeyCheck *self, const char *id, const char *clause, const char *format, ...) G_GNUC_PRINTF (4, 5);

/* @key is the content of subjectPublicKey. */
void keycheck_rsa (KeyCheck *self, Der key, const KeyCheckLists *lists);
/* @parameters is what follows the algorithm's OID: empty, or one element with its header. */
void keycheck_ec (KeyCheck *self, Der parameters, Der key);

gboolean keycheck_lists_debian (const KeyCheckLists *self, const char *modulus_hex);        /* upper-case hex */
gboolean keycheck_lists_compromised (const KeyCheckLists *self, const char *spki_sha256);   /* lower-case hex */
