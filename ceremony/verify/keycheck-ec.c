/* EC keys: one of three named curves, full public-key validation (SP 800-56A rev. 3, 5.6.2.3.3), and no scalar that one can guess. */
#include "ceremony/verify/keycheck-internal.h"
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#define SMALL_SCALARS 1024

static int
curve_of (Der parameters, gboolean *named)
{
    Der in = parameters, oid;
    *named = der_take (&in, DER_OID, &oid, NULL) && in.len == 0;
    if (!*named)
        return NID_undef;
    const guint8 *p = parameters.p;
    ASN1_OBJECT *object = d2i_ASN1_OBJECT (NULL, &p, (long) parameters.len);
    int nid = object ? OBJ_obj2nid (object) : NID_undef;
    ASN1_OBJECT_free (object);
    ERR_clear_error ();
    return nid;
}

/* Is the point k·G or -k·G for a small k? */
static gboolean
small_scalar (const EC_GROUP *group, const EC_POINT *q, BN_CTX *ctx)
{
    const EC_POINT *g = EC_GROUP_get0_generator (group);
    EC_POINT *at = EC_POINT_dup (g, group), *minus = EC_POINT_dup (q, group);
    gboolean found = FALSE;
    EC_POINT_invert (group, minus, ctx);
    for (int k = 1; k <= SMALL_SCALARS && !found; k++) {
        found = EC_POINT_cmp (group, at, q, ctx) == 0 || EC_POINT_cmp (group, at, minus, ctx) == 0;
        EC_POINT_add (group, at, at, g, ctx);
    }
    EC_POINT_free (at);
    EC_POINT_free (minus);
    return found;
}

static void
check_point (KeyCheck *self, const EC_GROUP *group, const EC_POINT *q, BN_CTX *ctx)
{
    EC_POINT *nq = EC_POINT_new (group);
    if (EC_POINT_mul (group, nq, NULL, q, EC_GROUP_get0_order (group), ctx) != 1 || !EC_POINT_is_at_infinity (group, nq))
        keycheck_find (self, "ec-point-order", "6.1.6", "the public key's point isn't of the curve's order (SP 800-56A 5.6.2.3.3)");
    else if (small_scalar (group, q, ctx))
        keycheck_find (self, "ec-small-scalar", "6.1.1.3", "the private key is a number below %d: anybody can compute it", SMALL_SCALARS + 1);
    EC_POINT_free (nq);
}

/* Uncompressed: coordinates in range, on the curve, of its order; compressed: OpenSSL finds y, where there is one. */
static void
validate (KeyCheck *self, const EC_GROUP *group, Der key, BN_CTX *ctx)
{
    gsize len = ((gsize) EC_GROUP_get_degree (group) + 7) / 8;
    EC_POINT *q = EC_POINT_new (group);
    BIGNUM *p = BN_new (), *x = NULL, *y = NULL;
    EC_GROUP_get_curve (group, p, NULL, NULL, ctx);
    if (key.len == 1 && key.p[0] == 0)
        keycheck_find (self, "ec-point-infinity", "6.1.6", "the public key is the point at infinity (SP 800-56A 5.6.2.3.3)");
    else if (key.len == 1 + len && (key.p[0] == 2 || key.p[0] == 3)) {
        keycheck_warn (self, "ec-compressed", "6.1.6", "the public key's point is compressed, which few programs read");
        if (EC_POINT_oct2point (group, q, key.p, key.len, ctx) == 1)
            check_point (self, group, q, ctx);
        else
            keycheck_find (self, "ec-off-curve", "6.1.6", "no point of the curve has the public key's x coordinate (SP 800-56A 5.6.2.3.3)");
    } else if (key.len != 1 + 2 * len || key.p[0] != 4)
        keycheck_find (self, "ec-point-form", "6.1.6", "the public key isn't a point of this curve's length");
    else {
        x = BN_bin2bn (key.p + 1, (int) len, NULL);
        y = BN_bin2bn (key.p + 1 + len, (int) len, NULL);
        if (BN_cmp (x, p) >= 0 || BN_cmp (y, p) >= 0)
            keycheck_find (self, "ec-point-range", "6.1.6", "a coordinate of the public key isn't below the curve's prime (SP 800-56A 5.6.2.3.3)");
        else if (EC_POINT_set_affine_coordinates (group, q, x, y, ctx) != 1 || EC_POINT_is_on_curve (group, q, ctx) != 1)
            keycheck_find (self, "ec-off-curve", "6.1.6", "the public key's point isn't on the curve (SP 800-56A 5.6.2.3.3)");
        else
            check_point (self, group, q, ctx);
    }
    BN_free (p);
    BN_free (x);
    BN_free (y);
    EC_POINT_free (q);
    ERR_clear_error ();
}

void
keycheck_ec (KeyCheck *self, Der parameters, Der key)
{
    gboolean named;
    int nid = curve_of (parameters, &named);
    if (!named) {
        keycheck_find (self, "ec-explicit-parameters", "6.1.5.2", "the curve isn't named but described by parameters of its own: only the named curves "
                       "P-256, P-384 and P-521 are allowed");
        return;
    }
    self->curve = g_strdup (nid == NID_X9_62_prime256v1 ? "P-256" : nid == NID_secp384r1 ? "P-384" : nid == NID_secp521r1 ? "P-521" :
                            nid == NID_undef ? "unknown" : OBJ_nid2sn (nid));
    EC_GROUP *group = nid == NID_undef ? NULL : EC_GROUP_new_by_curve_name (nid);
    self->bits = group ? (guint) EC_GROUP_order_bits (group) : 0;
    if (nid != NID_X9_62_prime256v1 && nid != NID_secp384r1 && nid != NID_secp521r1)
        keycheck_find (self, "ec-curve", "6.1.5.2", "the curve is %s; only P-256, P-384 and P-521 are allowed", self->curve);
    else {
        BN_CTX *ctx = BN_CTX_new ();
        validate (self, group, key, ctx);
        BN_CTX_free (ctx);
    }
    EC_GROUP_free (group);
    ERR_clear_error ();
}
