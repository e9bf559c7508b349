/* The names of key algorithms, in one place for script, policy and order. */
#include "ceremony/script/algorithms.h"

const char *const key_algorithms[] = { "rsa-3072", "rsa-4096", "ec-p256", "ec-p384", NULL };

gboolean
key_algorithm_known (const char *name)
{
    return g_strv_contains (key_algorithms, name);
}
