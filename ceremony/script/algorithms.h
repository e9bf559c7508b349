/* The key algorithms that a ceremony can generate (CSBR 6.1.5.2). */
#pragma once
#include <glib.h>

extern const char *const key_algorithms[];      /* "rsa-3072", "rsa-4096", "ec-p256", "ec-p384"; NULL-terminated */
gboolean key_algorithm_known (const char *name);
