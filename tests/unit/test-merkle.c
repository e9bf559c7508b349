/* The Merkle tree against RFC 6962's reference roots, against the RFC's recursion written out, and against tampering: every proof of every tree
 * up to a size that has all shapes. */
#include "ceremony/journal/merkle.h"
#include <string.h>

#define MAX_SIZE 70

static const char *const reference_leaves[] = { "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f" };
static const char *const reference_roots[] = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static MerkleTree *
numbered_tree (guint n)
{
    MerkleTree *tree = merkle_tree_new ();
    for (guint i = 0; i < n; i++) {
        g_autofree char *text = g_strdup_printf ("leaf %u", i);
        MerkleHash leaf;
        merkle_leaf (text, strlen (text), &leaf);
        merkle_tree_append (tree, &leaf);
    }
    return tree;
}

/* MTH of RFC 9162 2.1.1, word for word. */
static void
plain_root (const MerkleTree *tree, guint begin, guint n, MerkleHash *out)
{
    if (n == 0) {
        sha256 ("", 0, out->b);
        return;
    }
    if (n == 1) {
        *out = *merkle_tree_leaf (tree, begin);
        return;
    }
    guint k = 1;
    while (k * 2 < n)
        k *= 2;
    MerkleHash left, right;
    plain_root (tree, begin, k, &left);
    plain_root (tree, begin + k, n - k, &right);
    merkle_node (&left, &right, out);
}

static void
test_reference (void)
{
    g_autoptr (MerkleTree) tree = merkle_tree_new ();
    MerkleHash root;
    merkle_tree_root (tree, 0, &root);
    g_autofree char *empty = hex_encode (root.b, 32);
    g_assert_cmpstr (empty, ==, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (guint i = 0; i < G_N_ELEMENTS (reference_leaves); i++) {
        g_autoptr (GBytes) data = hex_decode (reference_leaves[i], NULL);
        MerkleHash leaf;
        merkle_leaf (g_bytes_get_data (data, NULL), g_bytes_get_size (data), &leaf);
        merkle_tree_append (tree, &leaf);
        merkle_tree_root (tree, i + 1, &root);
        g_autofree char *text = hex_encode (root.b, 32);
        g_assert_cmpstr (text, ==, reference_roots[i]);
    }
    g_assert_cmpuint (merkle_tree_size (tree), ==, 8);
}

static void
test_roots (void)
{
    g_autoptr (MerkleTree) tree = numbered_tree (MAX_SIZE);
    for (guint n = 0; n <= MAX_SIZE; n++) {
        MerkleHash fast, plain;
        merkle_tree_root (tree, n, &fast);
        plain_root (tree, 0, n, &plain);
        g_assert_cmpmem (fast.b, 32, plain.b, 32);
    }
}

static GArray *
copy (const GArray *proof)
{
    GArray *out = g_array_new (FALSE, FALSE, sizeof (MerkleHash));
    return g_array_append_vals (out, proof->data, proof->len);
}

/* @proof with one bit of one hash flipped, one hash less at each end, one more. */
static GPtrArray *
tampered (const GArray *proof)
{
    GPtrArray *out = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);
    MerkleHash extra = { { 1 } };
    for (guint i = 0; i < proof->len; i++) {
        GArray *bad = copy (proof);
        g_array_index (bad, MerkleHash, i).b[i % 32] ^= 1;
        g_ptr_array_add (out, bad);
    }
    if (proof->len > 0) {
        g_ptr_array_add (out, g_array_remove_index (copy (proof), 0));
        g_ptr_array_add (out, g_array_set_size (copy (proof), proof->len - 1));
    }
    GArray *longer = copy (proof);
    g_ptr_array_add (out, g_array_append_val (longer, extra));
    return out;
}

static void
check_inclusion (const MerkleTree *tree, guint index, guint size, const MerkleHash *root)
{
    g_autoptr (GArray) proof = merkle_tree_inclusion (tree, index, size);
    const MerkleHash *leaf = merkle_tree_leaf (tree, index);
    g_assert_true (merkle_verify_inclusion (leaf, index, size, proof, root));
    g_assert_false (merkle_verify_inclusion (leaf, size, size, proof, root));
    for (guint other = 0; other < size; other++)
        if (other != index)
            g_assert_false (merkle_verify_inclusion (leaf, other, size, proof, root));
    MerkleHash wrong = *root;
    wrong.b[31] ^= 0x80;
    g_assert_false (merkle_verify_inclusion (leaf, index, size, proof, &wrong));
    g_autoptr (GPtrArray) bad = tampered (proof);
    for (guint i = 0; i < bad->len; i++)
        g_assert_false (merkle_verify_inclusion (leaf, index, size, bad->pdata[i], root));
}

static void
test_inclusion (void)
{
    g_autoptr (MerkleTree) tree = numbered_tree (MAX_SIZE);
    for (guint size = 1; size <= MAX_SIZE; size += size < 20 ? 1 : 7) {
        MerkleHash root;
        merkle_tree_root (tree, size, &root);
        for (guint index = 0; index < size; index++)
            check_inclusion (tree, index, size, &root);
    }
}

static void
check_consistency (const MerkleTree *tree, guint old_size, guint size)
{
    MerkleHash old_root, root;
    merkle_tree_root (tree, old_size, &old_root);
    merkle_tree_root (tree, size, &root);
    g_autoptr (GArray) proof = merkle_tree_consistency (tree, old_size, size);
    g_assert_true (merkle_verify_consistency (old_size, size, proof, &old_root, &root));
    MerkleHash wrong = old_root, wrong_new = root;
    wrong.b[0] ^= 1;
    wrong_new.b[0] ^= 1;
    g_assert_false (merkle_verify_consistency (old_size, size, proof, &wrong, &root));
    /* From the empty tree everything is consistent: there the new root isn't tied. */
    if (old_size > 0)
        g_assert_false (merkle_verify_consistency (old_size, size, proof, &old_root, &wrong_new));
    if (old_size != size)
        g_assert_false (merkle_verify_consistency (size, old_size, proof, &root, &old_root));
    g_autoptr (GPtrArray) bad = tampered (proof);
    for (guint i = 0; i < bad->len; i++)
        g_assert_false (merkle_verify_consistency (old_size, size, bad->pdata[i], &old_root, &root));
}

static void
test_consistency (void)
{
    g_autoptr (MerkleTree) tree = numbered_tree (MAX_SIZE);
    for (guint size = 0; size <= MAX_SIZE; size++)
        for (guint old_size = 0; old_size <= size; old_size++)
            check_consistency (tree, old_size, size);
}

/* A tree that shares leaves but the one at @changed isn't consistent with ours from there on. */
static void
test_rewritten (void)
{
    g_autoptr (MerkleTree) tree = numbered_tree (40);
    for (guint changed = 0; changed < 20; changed++) {
        g_autoptr (MerkleTree) other = merkle_tree_new ();
        for (guint i = 0; i < 40; i++) {
            MerkleHash leaf = *merkle_tree_leaf (tree, i);
            leaf.b[5] ^= i == changed;
            merkle_tree_append (other, &leaf);
        }
        MerkleHash old_root, root;
        merkle_tree_root (tree, 20, &old_root);
        merkle_tree_root (other, 40, &root);
        g_autoptr (GArray) proof = merkle_tree_consistency (other, 20, 40);
        g_assert_false (merkle_verify_consistency (20, 40, proof, &old_root, &root));
    }
}

int
main (int argc, char **argv)
{
    g_test_init (&argc, &argv, NULL);
    g_test_add_func ("/merkle/reference", test_reference);
    g_test_add_func ("/merkle/roots", test_roots);
    g_test_add_func ("/merkle/inclusion", test_inclusion);
    g_test_add_func ("/merkle/consistency", test_consistency);
    g_test_add_func ("/merkle/rewritten", test_rewritten);
    return g_test_run ();
}
