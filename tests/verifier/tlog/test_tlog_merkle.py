from __future__ import annotations

import hashlib

import pytest

from tests.verifier.tlog.rejection import rejects
from verifier.errors import VerificationError
from verifier.tlog.merkle import (
    EMPTY_ROOT,
    MAX_TREE_SIZE,
    Frontier,
    Node,
    TreeHead,
    consistency_nodes,
    full_nodes,
    inclusion_nodes,
    inclusion_root,
    join_subtrees,
    leaf_hash,
    node_hash,
    range_hash,
    reduce_level,
    root_hash,
    subtree_hash,
    verify_consistency,
    verify_inclusion,
)

LEAVES = tuple(leaf_hash(b"entry %d" % index) for index in range(64))


# RFC 6962 section 2.1, written down as it stands there: the reference for everything below.


def split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def mth(leaves: tuple[bytes, ...]) -> bytes:
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: tuple[bytes, ...]) -> tuple[bytes, ...]:
    if len(leaves) == 1:
        return ()
    k = split(len(leaves))
    if m < k:
        return (*path(m, leaves[:k]), mth(leaves[k:]))
    return (*path(m - k, leaves[k:]), mth(leaves[:k]))


def subproof(m: int, leaves: tuple[bytes, ...], *, complete: bool) -> tuple[bytes, ...]:
    if m == len(leaves):
        return () if complete else (mth(leaves),)
    k = split(len(leaves))
    if m <= k:
        return (*subproof(m, leaves[:k], complete=complete), mth(leaves[k:]))
    return (*subproof(m - k, leaves[k:], complete=False), mth(leaves[:k]))


def read(node: Node) -> bytes:
    return mth(LEAVES[node.position << node.level : (node.position + 1) << node.level])


def head(size: int) -> TreeHead:
    return TreeHead(size, mth(LEAVES[:size]))


def test_leaves_and_nodes_are_told_apart() -> None:
    assert leaf_hash(b"") == hashlib.sha256(b"\x00").digest()
    assert (
        node_hash(b"l" * 32, b"r" * 32) == hashlib.sha256(b"\x01" + b"l" * 32 + b"r" * 32).digest()
    )
    assert leaf_hash(b"l" * 32 + b"r" * 32) != node_hash(b"l" * 32, b"r" * 32)


def test_roots_of_all_sizes() -> None:
    frontier = Frontier()
    for size in range(65):
        leaves = LEAVES[:size]
        assert root_hash(iter(leaves)) == mth(leaves)
        assert Frontier().extended(leaves).tree == head(size)
        assert frontier.tree == head(size)
        assert len(frontier.subtrees) == size.bit_count()
        frontier = frontier.extended(LEAVES[size : size + 1])


def test_frontier_grows_in_any_steps() -> None:
    for first in range(65):
        assert Frontier().extended(LEAVES[:first]).extended(LEAVES[first:]).tree == head(64)


def test_every_inclusion_proof_to_64() -> None:
    count = 0
    for size in range(1, 65):
        tree = head(size)
        for index in range(size):
            proof = path(index, LEAVES[:size])
            nodes = inclusion_nodes(index, size)
            assert tuple(subtree_hash(node, size, read) for node in nodes) == proof
            verify_inclusion(leaf=LEAVES[index], index=index, proof=proof, tree=tree)
            assert (
                inclusion_root(leaf=LEAVES[index], index=index, size=size, proof=proof) == tree.root
            )
            count += 1
    assert count == 64 * 65 // 2


def test_every_consistency_proof_to_64() -> None:
    count = 0
    for new in range(1, 65):
        for old in range(1, new + 1):
            proof = subproof(old, LEAVES[:new], complete=True)
            nodes = consistency_nodes(old, new)
            assert tuple(subtree_hash(node, new, read) for node in nodes) == proof
            verify_consistency(old=head(old), new=head(new), proof=proof)
            count += 1
    assert count == 64 * 65 // 2


def test_no_proof_fits_another_index_or_size() -> None:
    for size in range(1, 20):
        for index in range(size):
            proof = path(index, LEAVES[:size])
            for other in range(size):
                if other != index:
                    with pytest.raises(VerificationError):
                        verify_inclusion(
                            leaf=LEAVES[index], index=other, proof=proof, tree=head(size)
                        )


def test_full_nodes_cover_a_range_once() -> None:
    for size in range(65):
        nodes = full_nodes(Node(63, 0), size)
        covered = [
            i for n in nodes for i in range(n.position << n.level, (n.position + 1) << n.level)
        ]
        assert covered == list(range(size))
        assert len(nodes) == size.bit_count()
    assert full_nodes(Node(3, 1), 16) == (Node(3, 1),)
    assert full_nodes(Node(3, 1), 13) == (Node(2, 2), Node(0, 12))
    assert full_nodes(Node(3, 2), 16) == ()


def test_an_odd_last_node_is_promoted_not_paired() -> None:
    a, b, c = LEAVES[:3]
    assert reduce_level((a, b, c)) == (node_hash(a, b), c)
    assert reduce_level((a,)) == (a,)
    assert reduce_level(()) == ()
    assert root_hash((a, b, c)) != root_hash((a, b, c, c))


def test_empty_ranges() -> None:
    assert root_hash(()) == join_subtrees(()) == EMPTY_ROOT == Frontier().tree.root
    with pytest.raises(ValueError, match="at least one hash"):
        range_hash(())


def test_a_million_leaves_do_not_recurse() -> None:
    leaves = (LEAVES[0],) * 2**17
    assert root_hash(leaves) == Frontier().extended(leaves).tree.root


@pytest.mark.parametrize(
    ("size", "root"), [(-1, EMPTY_ROOT), (MAX_TREE_SIZE + 1, EMPTY_ROOT), (0, b""), (1, b"x" * 33)]
)
def test_what_is_no_tree_head(size: int, root: bytes) -> None:
    with pytest.raises(ValueError, match=f"size {size}, root of {len(root)} bytes"):
        TreeHead(size, root)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 1), (1, 1), (7, 7)])
def test_no_coordinates_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"no entry {index} in a tree of size {size}"):
        inclusion_nodes(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (6, 5), (-1, 5)])
def test_no_coordinates_between_other_sizes(old: int, new: int) -> None:
    with pytest.raises(ValueError, match=f"from size {old} to {new}"):
        consistency_nodes(old, new)


@pytest.mark.parametrize("index", [-1, 5, 2**70])
def test_inclusion_index_is_bounded_by_the_tree(index: int) -> None:
    with rejects(VerificationError, "index of the entry", expected="below 5", got=str(index)):
        verify_inclusion(leaf=LEAVES[0], index=index, proof=(), tree=head(5))


def test_inclusion_needs_a_leaf_hash() -> None:
    with rejects(
        VerificationError, "inclusion proof", expected="hashes of 32 bytes", got="a hash of 0 bytes"
    ):
        verify_inclusion(leaf=b"", index=0, proof=(), tree=TreeHead(1, EMPTY_ROOT))


def test_inclusion_proof_has_one_length() -> None:
    proof = path(2, LEAVES[:5])
    for wrong in (proof[:-1], (*proof, proof[0]), ()):
        with rejects(
            VerificationError,
            "inclusion proof",
            expected=f"^{len(proof) + 1} hashes",
            got=f"^{len(wrong) + 1} hashes",
        ):
            verify_inclusion(leaf=LEAVES[2], index=2, proof=wrong, tree=head(5))


def test_inclusion_proof_hash_has_32_bytes() -> None:
    proof = path(2, LEAVES[:5])
    with rejects(
        VerificationError, "inclusion proof", expected="32 bytes", got="a hash of 33 bytes"
    ):
        verify_inclusion(
            leaf=LEAVES[2], index=2, proof=(proof[0] + b"\0", *proof[1:]), tree=head(5)
        )


def test_inclusion_shows_both_roots() -> None:
    proof = path(2, LEAVES[:5])
    got = inclusion_root(leaf=LEAVES[3], index=2, size=5, proof=proof)
    with rejects(
        VerificationError,
        "inclusion proof",
        expected=f"root {head(5).root.hex()} of size 5",
        got=f"root {got.hex()}",
    ):
        verify_inclusion(leaf=LEAVES[3], index=2, proof=proof, tree=head(5))


def test_inclusion_in_the_largest_tree() -> None:
    proof = (LEAVES[0],) * 63
    root = inclusion_root(leaf=LEAVES[1], index=0, size=MAX_TREE_SIZE, proof=proof)
    tree = TreeHead(MAX_TREE_SIZE, root)
    verify_inclusion(leaf=LEAVES[1], index=0, proof=proof, tree=tree)
    with rejects(VerificationError, "index of the entry", expected=str(2**63), got="0"):
        inclusion_root(leaf=LEAVES[1], index=0, size=2**63, proof=proof)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (6, 5)])
def test_consistency_sizes_are_ordered_and_not_zero(old: int, new: int) -> None:
    with rejects(
        VerificationError,
        "old size of the consistency proof",
        expected=f"1 to {new}",
        got=f"^{old}$",
    ):
        verify_consistency(old=head(old), new=head(new), proof=())


def test_consistency_proof_has_one_length() -> None:
    for old, new in ((3, 7), (4, 7), (7, 7)):
        proof = subproof(old, LEAVES[:new], complete=True)
        for wrong in (proof[:-1] if proof else (LEAVES[0],), (*proof, LEAVES[0])):
            with rejects(
                VerificationError,
                "consistency proof",
                expected=f"^{len(proof)} hashes",
                got=f"^{len(wrong)} hashes",
            ):
                verify_consistency(old=head(old), new=head(new), proof=wrong)


def test_consistency_proof_hash_has_32_bytes() -> None:
    proof = subproof(3, LEAVES[:7], complete=True)
    with rejects(VerificationError, "consistency proof", expected="32 bytes", got="of 31 bytes"):
        verify_consistency(old=head(3), new=head(7), proof=(*proof[:-1], proof[-1][:31]))


@pytest.mark.parametrize("old", [3, 4, 7])
def test_consistency_shows_which_root_differs(old: int) -> None:
    proof = subproof(old, LEAVES[:7], complete=True)
    forged = TreeHead(7, EMPTY_ROOT)
    with rejects(
        VerificationError,
        "consistency proof, new root",
        expected=f"root {EMPTY_ROOT.hex()} of size 7",
        got=f"root {head(7).root.hex()}",
    ):
        verify_consistency(old=head(old), new=forged, proof=proof)


def test_consistency_rejects_another_past() -> None:
    proof = subproof(3, LEAVES[:7], complete=True)
    with rejects(
        VerificationError,
        "consistency proof, old root",
        expected=f"root {EMPTY_ROOT.hex()} of size 3",
        got=f"root {head(3).root.hex()}",
    ):
        verify_consistency(old=TreeHead(3, EMPTY_ROOT), new=head(7), proof=proof)
    # A full old tree is where the proof starts, so a wrong one shows in the new root.
    proof = subproof(4, LEAVES[:7], complete=True)
    with pytest.raises(VerificationError, match="new root"):
        verify_consistency(old=TreeHead(4, EMPTY_ROOT), new=head(7), proof=proof)
