/* RSA keys: size, exponent, and the known ways of finding the factors that need no more than a moment. */
#include "ceremony/verify/keycheck-internal.h"
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <string.h>

#define MIN_BITS 3072
#define MAX_BITS 16384
#define TRIAL_LIMIT 65536                       /* CSBR wants 752; the rest costs nothing */
#define FERMAT_ROUNDS 100

/* Sieve of the primes below TRIAL_LIMIT, made once. */
static const guint16 *
small_primes (gsize *n)
{
    static guint16 primes[6542];
    static gsize count, once;
    if (g_once_init_enter (&once)) {
        g_autofree guint8 *composite = g_malloc0 (TRIAL_LIMIT);
        for (guint i = 2; i < TRIAL_LIMIT; i++) {
            if (composite[i])
                continue;
            primes[count++] = (guint16) i;
            for (guint64 k = (guint64) i * i; k < TRIAL_LIMIT; k += i)
                composite[k] = 1;
        }
        g_once_init_leave (&once, 1);
    }
    *n = count;
    return primes;
}

static guint
small_factor (const BIGNUM *n)
{
    gsize count;
    const guint16 *primes = small_primes (&count);
    for (gsize i = 1; i < count; i++)
        if (BN_mod_word (n, primes[i]) == 0)
            return primes[i];
    return 0;
}

/* The integer part of the @k-th root of @n, by Newton's method from above; @exact gets whether the power of it is @n. */
static void
root (BIGNUM *r, const BIGNUM *n, guint k, gboolean *exact, BN_CTX *ctx)
{
    BN_CTX_start (ctx);
    BIGNUM *x = BN_CTX_get (ctx), *power = BN_CTX_get (ctx), *next = BN_CTX_get (ctx), *e = BN_CTX_get (ctx);
    BN_zero (x);
    BN_set_bit (x, (BN_num_bits (n) + (int) k - 1) / (int) k);
    BN_set_word (e, k - 1);
    for (;;) {
        BN_exp (power, x, e, ctx);
        BN_div (next, NULL, n, power, ctx);
        BN_copy (power, x);
        BN_mul_word (power, k - 1);
        BN_add (next, next, power);
        BN_div_word (next, k);
        if (BN_cmp (next, x) >= 0)
            break;
        BN_copy (x, next);
    }
    BN_set_word (e, k);
    BN_exp (power, x, e, ctx);
    *exact = BN_cmp (power, n) == 0;
    BN_copy (r, x);
    BN_CTX_end (ctx);
}

/* A square is 0, 1, 4, 9, 16, 17, 25, 33, 36, 41, 49 or 57 modulo 64: most numbers are told without a root. */
static gboolean
is_square (const BIGNUM *n, BIGNUM *r, BN_CTX *ctx)
{
    static const guint64 squares = 0x0202021202030213;
    gboolean exact;
    if (BN_is_negative (n) || !(squares >> BN_mod_word (n, 64) & 1))
        return FALSE;
    if (BN_is_zero (n)) {
        BN_zero (r);
        return TRUE;
    }
    root (r, n, 2, &exact, ctx);
    return exact;
}

static gboolean
prime_power (const BIGNUM *n, BN_CTX *ctx)
{
    gsize count;
    const guint16 *primes = small_primes (&count);
    BN_CTX_start (ctx);
    BIGNUM *r = BN_CTX_get (ctx);
    gboolean exact = FALSE;
    /* No factor is below 2^16 here, so the exponent is at most bits / 16. */
    for (gsize i = 0; i < count && primes[i] <= BN_num_bits (n) / 16 && !exact; i++)
        root (r, n, primes[i], &exact, ctx);
    BN_CTX_end (ctx);
    return exact;
}

/* Two primes close to each other: n = a² - b² with a close to the root of n. */
static gboolean
fermat (const BIGNUM *n, BN_CTX *ctx)
{
    BN_CTX_start (ctx);
    BIGNUM *a = BN_CTX_get (ctx), *b2 = BN_CTX_get (ctx), *b = BN_CTX_get (ctx);
    gboolean exact, found = FALSE;
    root (a, n, 2, &exact, ctx);
    if (!exact)
        BN_add_word (a, 1);
    for (int i = 0; i < FERMAT_ROUNDS && !found; i++) {
        BN_sqr (b2, a, ctx);
        BN_sub (b2, b2, n);
        found = is_square (b2, b, ctx);
        BN_add_word (a, 1);
    }
    BN_CTX_end (ctx);
    return found;
}

/* k/d being a convergent of e/n: is φ = (e·d - 1)/k the order that gives two factors? */
static gboolean
factors_from (const BIGNUM *n, const BIGNUM *e, const BIGNUM *k, const BIGNUM *d, BN_CTX *ctx)
{
    BN_CTX_start (ctx);
    BIGNUM *phi = BN_CTX_get (ctx), *rest = BN_CTX_get (ctx), *s = BN_CTX_get (ctx), *disc = BN_CTX_get (ctx), *four = BN_CTX_get (ctx);
    gboolean found = FALSE;
    BN_mul (phi, e, d, ctx);
    BN_sub_word (phi, 1);
    BN_div (phi, rest, phi, k, ctx);
    if (BN_is_zero (rest) && !BN_is_zero (phi) && BN_cmp (phi, n) < 0) {
        BN_sub (s, n, phi);
        BN_add_word (s, 1);                     /* p + q */
        BN_sqr (disc, s, ctx);
        BN_lshift (four, n, 2);
        BN_sub (disc, disc, four);
        found = is_square (disc, rest, ctx);
    }
    BN_CTX_end (ctx);
    return found;
}

/* Wiener 1990: a private exponent below n^0.25/3 is the denominator of a convergent of e/n. */
static gboolean
wiener (const BIGNUM *n, const BIGNUM *e, BN_CTX *ctx)
{
    BN_CTX_start (ctx);
    BIGNUM *a = BN_CTX_get (ctx), *b = BN_CTX_get (ctx), *q = BN_CTX_get (ctx), *t = BN_CTX_get (ctx);
    BIGNUM *h0 = BN_CTX_get (ctx), *h1 = BN_CTX_get (ctx), *k0 = BN_CTX_get (ctx), *k1 = BN_CTX_get (ctx);
    gboolean found = FALSE;
    BN_copy (a, e);
    BN_copy (b, n);
    BN_zero (h0);                               /* numerators: the k of e·d = 1 + k·φ */
    BN_one (h1);
    BN_one (k0);                                /* denominators: d */
    BN_zero (k1);
    while (!BN_is_zero (b) && !found && BN_num_bits (k1) <= BN_num_bits (n) / 2 + 1) {
        BN_div (q, t, a, b, ctx);
        BN_copy (a, b);
        BN_copy (b, t);
        BN_mul (t, q, h1, ctx);
        BN_add (t, t, h0);
        BN_copy (h0, h1);
        BN_copy (h1, t);
        BN_mul (t, q, k1, ctx);
        BN_add (t, t, k0);
        BN_copy (k0, k1);
        BN_copy (k1, t);
        found = !BN_is_zero (h1) && !BN_is_zero (k1) && factors_from (n, e, h1, k1, ctx);
    }
    BN_CTX_end (ctx);
    return found;
}

/* ROCA (CVE-2017-15361): Infineon's primes are k·M + (65537^a mod M), M a product of the first primes, so n is a power of 65537 modulo M.
 * For each of the 39 primes that every key size's M holds, the discrete logarithm must exist, and one exponent must fit them all. */
static gboolean
roca (const BIGNUM *n)
{
    guint order[40], log[40], count = 0;
    gsize total;
    const guint16 *primes = small_primes (&total);
    for (gsize i = 1; primes[i] <= 167; i++, count++) {
        guint p = primes[i], rest = (guint) BN_mod_word (n, p), power = 1, k = 0;
        gboolean found = FALSE;
        do {
            if (power == rest) {
                log[count] = k;
                found = TRUE;
            }
            power = (guint) ((guint64) power * 65537 % p);
            k++;
        } while (power != 1);
        if (!found)
            return FALSE;
        order[count] = k;
    }
    for (guint i = 0; i < count; i++)
        for (guint k = 0; k < i; k++) {
            guint a = order[i], b = order[k];
            while (b) {
                guint t = a % b;
                a = b;
                b = t;
            }
            if (log[i] % a != log[k] % a)
                return FALSE;
        }
    return TRUE;
}

static gsize
longest_run (const guint8 *p, gsize n)
{
    gsize run = 0, best = 0;
    int last = -1;
    for (gsize i = 0; i < n * 8; i++) {
        int bit = p[i / 8] >> (7 - i % 8) & 1;
        run = bit == last ? run + 1 : 1;
        last = bit;
        best = MAX (best, run);
    }
    return best;
}

/* Do words of @width octets agree in some bits all through the number, as those of a generator that fills them badly do? The first and the
 * last word may differ. */
static gboolean
words_agree (const guint8 *p, gsize n, gsize width)
{
    guint8 all[16], any[16] = { 0 };
    gsize words = n / width, same = 0;
    if (words < 12)
        return FALSE;
    memset (all, 0xff, sizeof all);
    for (gsize w = 1; w + 1 < words; w++)
        for (gsize i = 0; i < width; i++) {
            all[i] &= p[n - (w + 1) * width + i];
            any[i] |= p[n - (w + 1) * width + i];
        }
    for (gsize i = 0; i < width; i++)
        same += (gsize) __builtin_popcount ((guint8) ~(all[i] ^ any[i]));
    return same >= 2 && same * (words - 3) > 100;
}

static gboolean
octets_repeat (const guint8 *p, gsize n)
{
    for (gsize period = 1; period <= n / 2; period++) {
        gsize same = 0;
        for (gsize i = period; i < n; i++)
            same += p[i] == p[i - period];
        if (n - period >= 32 && same * 2 > n - period)
            return TRUE;
    }
    return FALSE;
}

/* Names what a modulus of random primes doesn't show; NULL where there is nothing. Each has a chance below 2^-50 in a good key of 1024 bits:
 * ten percent of the bits of 2048 are nine standard deviations. */
static const char *
pattern_in (const guint8 *p, gsize n)
{
    gsize ones = 0, slack = n >= 250 ? 10 : 17;
    gboolean seen[256] = { FALSE };
    guint distinct = 0;
    for (gsize i = 0; i < n; i++) {
        ones += (gsize) __builtin_popcount (p[i]);
        distinct += !seen[p[i]];
        seen[p[i]] = TRUE;
    }
    if (octets_repeat (p, n))
        return "its octets repeat";
    if (longest_run (p, n) >= 72)
        return "it holds a long row of equal bits";
    if (n >= 64 && (ones * 100 < n * 8 * (50 - slack) || ones * 100 > n * 8 * (50 + slack)))
        return "far more of its bits are equal than chance gives";
    if (n >= 128 && distinct < 48)
        return "it is made of few different octets";
    for (gsize width = 2; width <= 16; width *= 2)
        if (words_agree (p, n, width))
            return "its words agree in some of their bits";
    return NULL;
}

static void
check_factors (KeyCheck *self, const BIGNUM *n, const BIGNUM *e, BN_CTX *ctx)
{
    guint factor = small_factor (n);
    if (!BN_is_odd (n))
        keycheck_find (self, "rsa-even-modulus", "6.1.6", "the modulus is even");
    else if (factor)
        keycheck_find (self, "rsa-small-factor", factor < 752 ? "6.1.6" : "6.1.1.3", "the modulus can be divided by %u", factor);
    else if (BN_check_prime (n, ctx, NULL) == 1)
        keycheck_find (self, "rsa-prime-modulus", "6.1.1.3", "the modulus is a prime, so anybody can compute the private key");
    else if (prime_power (n, ctx))
        keycheck_find (self, "rsa-prime-power", "6.1.6", "the modulus is a power of one number");
    else if (fermat (n, ctx))
        keycheck_find (self, "rsa-close-primes", "6.1.1.3", "the modulus's two primes are so close that Fermat's method finds them");
    else if (wiener (n, e, ctx))
        keycheck_find (self, "rsa-small-private-exponent", "6.1.1.3", "the private exponent is so small that Wiener's method finds it");
    if (roca (n))
        keycheck_find (self, "rsa-roca", "6.1.1.3", "the modulus bears the fingerprint of ROCA (CVE-2017-15361): a flawed generator made it");
}

static void
check_exponent (KeyCheck *self, const BIGNUM *n, const BIGNUM *e, const char *shown)
{
    if (!BN_is_odd (e) || BN_is_one (e) || BN_is_negative (e))
        keycheck_find (self, "rsa-exponent", "6.1.6", "the public exponent is %s; it must be odd and at least 3", shown);
    else if (BN_cmp (e, n) >= 0)
        keycheck_find (self, "rsa-exponent", "6.1.6", "the public exponent isn't smaller than the modulus");
    else if (BN_num_bits (e) < 17 || BN_num_bits (e) > 256)
        keycheck_warn (self, "rsa-exponent-range", "6.1.6", "the public exponent (%s) should lie between 2^16+1 and 2^256-1", shown);
}

static void
check_size (KeyCheck *self)
{
    if (self->bits < MIN_BITS)
        keycheck_find (self, "rsa-size", "6.1.5.2", "the modulus has %u bits; at least %d are demanded", self->bits, MIN_BITS);
    else if (self->bits > MAX_BITS)
        keycheck_find (self, "rsa-size", "6.1.5.2", "the modulus has %u bits; more than %d aren't judged here", self->bits, MAX_BITS);
    else if (self->bits % 8)
        keycheck_find (self, "rsa-size-multiple", "6.1.1.3", "the modulus has %u bits, which isn't a multiple of 8", self->bits);
}

static gboolean
plain_integer (Der in)
{
    return in.len >= 1 && !(in.p[0] & 0x80) && !(in.len > 1 && in.p[0] == 0 && !(in.p[1] & 0x80));
}

void
keycheck_rsa (KeyCheck *self, Der key, const KeyCheckLists *lists)
{
    Der body, modulus, exponent;
    if (!der_only (key.p, key.len, DER_SEQUENCE, &body) || !der_take (&body, DER_INTEGER, &modulus, NULL) || !der_take (&body, DER_INTEGER, &exponent, NULL) ||
        body.len || !plain_integer (modulus) || !plain_integer (exponent)) {
        keycheck_find (self, "rsa-encoding", "6.1.1.3", "the key isn't a pair of positive integers in DER");
        return;
    }
    BIGNUM *n = BN_bin2bn (modulus.p, (int) modulus.len, NULL), *e = BN_bin2bn (exponent.p, (int) exponent.len, NULL);
    BN_CTX *ctx = BN_CTX_new ();
    self->bits = (guint) BN_num_bits (n);
    char *text = BN_num_bits (e) <= 63 ? BN_bn2dec (e) : BN_bn2hex (e), *hex = BN_bn2hex (n);
    self->exponent = BN_num_bits (e) <= 63 ? g_strdup (text) : g_strdup_printf ("0x%s", text);
    const char *shown = BN_num_bits (e) <= 63 ? self->exponent : "a number of many digits";
    check_size (self);
    check_exponent (self, n, e, shown);
    if (self->bits > 1 && self->bits <= MAX_BITS) {
        const char *pattern = pattern_in (modulus.p + (modulus.p[0] == 0), modulus.len - (modulus.p[0] == 0));
        check_factors (self, n, e, ctx);
        if (pattern)
            keycheck_find (self, "rsa-pattern", "6.1.1.3", "the modulus follows a pattern: %s", pattern);
    }
    /* `openssl rsa -modulus` prints without leading zeros, in upper case. */
    const char *digits = hex;
    while (*digits == '0')
        digits++;
    if (keycheck_lists_debian (lists, digits) || keycheck_lists_debian (lists, hex))
        keycheck_find (self, "rsa-debian-weak", "6.1.1.3", "this is one of the keys that Debian's flawed generator made (CVE-2008-0166)");
    OPENSSL_free (text);
    OPENSSL_free (hex);
    BN_free (n);
    BN_free (e);
    BN_CTX_free (ctx);
}
