/* The Merkle tree of RFC 9162 section 2.1. Level 0 holds the leaves; level k holds the root of each complete subtree of 2^k leaves, so that any
 * root or proof asks for at most two nodes a level. */
#include "ceremony/journal/merkle.h"
#include <string.h>

#define LEVELS 64

struct MerkleTree {
    GArray *levels[LEVELS];                 /* of MerkleHash; NULL above the highest complete subtree */
};

void
merkle_leaf (const void *data, gsize len, MerkleHash *out)
{
    static const guint8 prefix = 0x00;
    g_autoptr (Sha256) hash = sha256_new ();
    sha256_update (hash, &prefix, 1);
    sha256_update (hash, data, len);
    sha256_peek (hash, out->b);
}

void
merkle_node (const MerkleHash *left, const MerkleHash *right, MerkleHash *out)
{
    guint8 both[1 + 2 * SHA256_LEN] = { 0x01 };
    memcpy (both + 1, left->b, SHA256_LEN);
    memcpy (both + 1 + SHA256_LEN, right->b, SHA256_LEN);
    sha256 (both, sizeof both, out->b);
}

MerkleTree *
merkle_tree_new (void)
{
    MerkleTree *self = g_new0 (MerkleTree, 1);
    self->levels[0] = g_array_new (FALSE, FALSE, sizeof (MerkleHash));
    return self;
}

void
merkle_tree_free (MerkleTree *self)
{
    if (self == NULL)
        return;
    for (int k = 0; k < LEVELS; k++)
        if (self->levels[k] != NULL)
            g_array_unref (self->levels[k]);
    g_free (self);
}

static const MerkleHash *
node_at (const MerkleTree *self, int level, guint64 index)
{
    return &g_array_index (self->levels[level], MerkleHash, index);
}

void
merkle_tree_append (MerkleTree *self, const MerkleHash *leaf)
{
    MerkleHash carry = *leaf;
    for (int k = 0; k < LEVELS; k++) {
        if (self->levels[k] == NULL)
            self->levels[k] = g_array_new (FALSE, FALSE, sizeof (MerkleHash));
        g_array_append_val (self->levels[k], carry);
        guint n = self->levels[k]->len;
        if (n % 2 != 0)
            break;
        MerkleHash parent;
        merkle_node (node_at (self, k, n - 2), node_at (self, k, n - 1), &parent);
        carry = parent;
    }
}

guint64
merkle_tree_size (const MerkleTree *self)
{
    return self->levels[0]->len;
}

const MerkleHash *
merkle_tree_leaf (const MerkleTree *self, guint64 index)
{
    g_return_val_if_fail (index < merkle_tree_size (self), NULL);
    return node_at (self, 0, index);
}

/* The level of the largest power of two that is smaller than @n (n > 1). */
static int
split_level (guint64 n)
{
    return 63 - __builtin_clzll (n - 1);
}

/* MTH of the leaves from @begin, which is a multiple of the power of two at least @n, to @begin + @n. */
static void
subtree (const MerkleTree *self, guint64 begin, guint64 n, MerkleHash *out)
{
    if ((n & (n - 1)) == 0) {
        int level = __builtin_ctzll (n);
        *out = *node_at (self, level, begin >> level);
        return;
    }
    guint64 k = (guint64) 1 << split_level (n);
    MerkleHash left, right;
    subtree (self, begin, k, &left);
    subtree (self, begin + k, n - k, &right);
    merkle_node (&left, &right, out);
}

void
merkle_tree_root (const MerkleTree *self, guint64 size, MerkleHash *out)
{
    g_return_if_fail (size <= merkle_tree_size (self));
    if (size == 0)
        sha256 ("", 0, out->b);
    else
        subtree (self, 0, size, out);
}

static void
push_subtree (const MerkleTree *self, guint64 begin, guint64 n, GArray *proof)
{
    MerkleHash hash;
    subtree (self, begin, n, &hash);
    g_array_append_val (proof, hash);
}

/* PATH(m, D[begin:begin+n]), RFC 9162 2.1.3.1. */
static void
path (const MerkleTree *self, guint64 m, guint64 begin, guint64 n, GArray *proof)
{
    if (n <= 1)
        return;
    guint64 k = (guint64) 1 << split_level (n);
    if (m < k) {
        path (self, m, begin, k, proof);
        push_subtree (self, begin + k, n - k, proof);
    } else {
        path (self, m - k, begin + k, n - k, proof);
        push_subtree (self, begin, k, proof);
    }
}

GArray *
merkle_tree_inclusion (const MerkleTree *self, guint64 index, guint64 size)
{
    g_return_val_if_fail (index < size && size <= merkle_tree_size (self), NULL);
    GArray *proof = g_array_new (FALSE, FALSE, sizeof (MerkleHash));
    path (self, index, 0, size, proof);
    return proof;
}

/* SUBPROOF(m, D[begin:begin+n], known), RFC 9162 2.1.4.1. */
static void
subproof (const MerkleTree *self, guint64 m, guint64 begin, guint64 n, gboolean known, GArray *proof)
{
    if (m == n) {
        if (!known)
            push_subtree (self, begin, n, proof);
        return;
    }
    guint64 k = (guint64) 1 << split_level (n);
    if (m <= k) {
        subproof (self, m, begin, k, known, proof);
        push_subtree (self, begin + k, n - k, proof);
    } else {
        subproof (self, m - k, begin + k, n - k, FALSE, proof);
        push_subtree (self, begin, k, proof);
    }
}

GArray *
merkle_tree_consistency (const MerkleTree *self, guint64 old_size, guint64 size)
{
    g_return_val_if_fail (old_size <= size && size <= merkle_tree_size (self), NULL);
    GArray *proof = g_array_new (FALSE, FALSE, sizeof (MerkleHash));
    if (old_size > 0 && old_size < size)
        subproof (self, old_size, 0, size, TRUE, proof);
    return proof;
}

static gboolean
same (const MerkleHash *a, const MerkleHash *b)
{
    return memcmp (a->b, b->b, SHA256_LEN) == 0;
}

gboolean
merkle_verify_inclusion (const MerkleHash *leaf, guint64 index, guint64 size, const GArray *proof, const MerkleHash *root)
{
    if (index >= size)
        return FALSE;
    guint64 fn = index, sn = size - 1;
    MerkleHash r = *leaf;
    for (guint i = 0; i < proof->len; i++) {
        const MerkleHash *p = &g_array_index (proof, MerkleHash, i);
        if (sn == 0)
            return FALSE;
        if ((fn & 1) != 0 || fn == sn) {
            merkle_node (p, &r, &r);
            while ((fn & 1) == 0 && fn != 0)
                fn >>= 1, sn >>= 1;
        } else {
            merkle_node (&r, p, &r);
        }
        fn >>= 1, sn >>= 1;
    }
    return sn == 0 && same (&r, root);
}

/* Steps 4 to 8 of RFC 9162 2.1.4.2, over the path that begins at @first. */
static gboolean
walk_consistency (guint64 fn, guint64 sn, const MerkleHash *first, const GArray *proof, guint next, const MerkleHash *old_root, const MerkleHash *root)
{
    MerkleHash fr = *first, sr = *first;
    while ((fn & 1) != 0)
        fn >>= 1, sn >>= 1;
    for (guint i = next; i < proof->len; i++) {
        const MerkleHash *c = &g_array_index (proof, MerkleHash, i);
        if (sn == 0)
            return FALSE;
        if ((fn & 1) != 0 || fn == sn) {
            merkle_node (c, &fr, &fr);
            merkle_node (c, &sr, &sr);
            while ((fn & 1) == 0 && fn != 0)
                fn >>= 1, sn >>= 1;
        } else {
            merkle_node (&sr, c, &sr);
        }
        fn >>= 1, sn >>= 1;
    }
    return sn == 0 && same (&fr, old_root) && same (&sr, root);
}

gboolean
merkle_verify_consistency (guint64 old_size, guint64 size, const GArray *proof, const MerkleHash *old_root, const MerkleHash *root)
{
    if (old_size > size)
        return FALSE;
    if (old_size == size)
        return proof->len == 0 && same (old_root, root);
    if (old_size == 0) {
        MerkleHash empty;
        sha256 ("", 0, empty.b);
        return proof->len == 0 && same (old_root, &empty);
    }
    if (proof->len == 0)
        return FALSE;
    /* A complete old tree isn't in the proof: its root is what both walks start from. */
    if ((old_size & (old_size - 1)) == 0)
        return walk_consistency (old_size - 1, size - 1, old_root, proof, 0, old_root, root);
    return walk_consistency (old_size - 1, size - 1, &g_array_index (proof, MerkleHash, 0), proof, 1, old_root, root);
}
