/* The Merkle tree of RFC 9162 section 2.1: hashes, roots, inclusion and consistency proofs, and their verification.
 * Leaf = SHA-256(0x00 ‖ data), node = SHA-256(0x01 ‖ left ‖ right); the root of the empty tree is SHA-256 of nothing. */
#pragma once
#include <glib.h>
#include "ceremony/base/encode.h"

typedef struct { guint8 b[SHA256_LEN]; } MerkleHash;

void merkle_leaf (const void *data, gsize len, MerkleHash *out);
void merkle_node (const MerkleHash *left, const MerkleHash *right, MerkleHash *out);

typedef struct MerkleTree MerkleTree;       /* all leaf hashes in memory, with cached complete subtrees: append and root in O(log n) */
MerkleTree *merkle_tree_new (void);
void        merkle_tree_free (MerkleTree *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MerkleTree, merkle_tree_free)
void        merkle_tree_append (MerkleTree *self, const MerkleHash *leaf);
guint64     merkle_tree_size (const MerkleTree *self);
/* Root of the first @size leaves (size at most the tree's). */
void        merkle_tree_root (const MerkleTree *self, guint64 size, MerkleHash *out);
const MerkleHash *merkle_tree_leaf (const MerkleTree *self, guint64 index);
/* PATH(index, D[0:size]) and PROOF(old, D[0:size]); arrays of MerkleHash, g_array_unref. */
GArray     *merkle_tree_inclusion (const MerkleTree *self, guint64 index, guint64 size);
GArray     *merkle_tree_consistency (const MerkleTree *self, guint64 old_size, guint64 size);

/* RFC 9162 2.1.3.2 and 2.1.4.2. */
gboolean merkle_verify_inclusion (const MerkleHash *leaf, guint64 index, guint64 size, const GArray *proof, const MerkleHash *root);
gboolean merkle_verify_consistency (guint64 old_size, guint64 size, const GArray *proof, const MerkleHash *old_root, const MerkleHash *root);
