/* The rows of vendors.yaml, for the vendors' files. */
#pragma once
#include "ceremony/attest/attest.h"
#include <openssl/evp.h>

typedef struct {
    char     *vendor, *use, *name;              /* use: what it may vouch for ("yubikey-piv", …); name: RFC 2253 subject */
    GBytes   *spki;
    EVP_PKEY *key;
} AttestAnchor;

/* Limits that a CA sets on what a genuine attestation may say; every field that is given must hold for the rule to strike. */
typedef struct {
    char *use;                                  /* NULL: every kind */
    char *firmware_from, *firmware_to;          /* inclusive; NULL: open */
    char *field, *value;                        /* of details, as text: pin_policy, touch_policy, form_factor, fips, slot, algorithm … */
    char *reason;
} AttestDeny;

typedef struct {
    GBytes *ak_name;
    guint8  ek_spki_sha256[32];
} AttestActivation;

struct AttestAnchors {
    GPtrArray *rows;                            /* AttestAnchor */
    GPtrArray *denies;                          /* AttestDeny */
    GPtrArray *activations;                     /* AttestActivation */
    gint64     at_ms;                           /* -1: now */
};

gint64 anchors_time (const AttestAnchors *self); /* seconds since 1970 */
/* Compares "5.4.3" and "5.10.0" by their numbers, as far as both have parts: <0, 0, >0. */
int    firmware_compare (const char *a, const char *b);
