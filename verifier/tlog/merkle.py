"""The Merkle tree of RFC 6962: hashes, roots, and inclusion and consistency proofs.

A node of a tree of ``size`` entries has coordinates ``Node(level, position)``: the root of the
entries from ``position << level`` up to, not including, ``(position + 1) << level``, cut off at
``size``. A node that is cut off ("on the right edge") changes as the log grows; every other node
is final, and the final nodes are the ones that a log stores. An odd last node is promoted to the
next level, never paired with itself.

Both verifiers walk the very coordinates that a prover uses (``inclusion_nodes`` and
``consistency_nodes``), so the length and the order of a proof are fixed by the sizes alone and
nothing in the proof can steer them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from verifier.errors import VerificationError

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "MAX_PROOF_HASHES",
    "MAX_TREE_SIZE",
    "Frontier",
    "Node",
    "TreeHead",
    "consistency_nodes",
    "full_nodes",
    "inclusion_nodes",
    "inclusion_root",
    "join_subtrees",
    "leaf_hash",
    "node_hash",
    "range_hash",
    "reduce_level",
    "root_hash",
    "subtree_hash",
    "verify_consistency",
    "verify_inclusion",
]

HASH_SIZE = 32
"""Bytes of a SHA-256 hash."""

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without entries (RFC 6962 section 2.1)."""

MAX_TREE_SIZE = 2**63 - 1
"""Largest size that the C2SP formats can express."""

MAX_PROOF_HASHES = 63
"""Hashes of the longest proof that the C2SP formats allow (tlog-witness)."""


@dataclass(frozen=True, slots=True)
class TreeHead:
    """Size and root of a tree. ValueError unless the size fits and the root has 32 bytes."""

    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_TREE_SIZE or len(self.root) != HASH_SIZE:
            message = f"no tree head: size {self.size}, root of {len(self.root)} bytes"
            raise ValueError(message)


class Node(NamedTuple):
    """Coordinates of a node: level 0 holds the leaf hashes, positions count from the left."""

    level: int
    position: int


def leaf_hash(entry: bytes) -> bytes:
    """Hash of one entry: SHA-256(0x00 || entry) (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees: SHA-256(0x01 || left || right) (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def reduce_level(hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """Hash one level of a tree into the next: pairs are joined, an odd last one is promoted."""
    sha256 = hashlib.sha256
    pairs = zip(hashes[0::2], hashes[1::2], strict=False)
    joined = tuple(sha256(b"\x01" + left + right).digest() for left, right in pairs)
    return (*joined, hashes[-1]) if len(hashes) % 2 else joined


def root_hash(leaf_hashes: Iterable[bytes]) -> bytes:
    """Root of the tree over these leaf hashes, level by level (RFC 6962 section 2.1).

    Keeps one level in memory; a million leaves take about a second.
    """
    level = tuple(leaf_hashes)
    return range_hash(level) if level else EMPTY_ROOT


def range_hash(hashes: Sequence[bytes]) -> bytes:
    """Root over one or more hashes of one level, such as the 256 of a tile.

    This is the node above them if they start at a multiple of the next power of two. ValueError
    if there are none.
    """
    if not hashes:
        message = "a range has at least one hash"
        raise ValueError(message)
    while len(hashes) > 1:
        hashes = reduce_level(hashes)
    return hashes[0]


def join_subtrees(hashes: Sequence[bytes]) -> bytes:
    """Root over full subtrees of falling size, given from left to right (see ``full_nodes``).

    The root of no subtree is ``EMPTY_ROOT``.
    """
    if not hashes:
        return EMPTY_ROOT
    joined = hashes[-1]
    for left in reversed(hashes[:-1]):
        joined = node_hash(left, joined)
    return joined


@dataclass(frozen=True, slots=True)
class Frontier:
    """What must be kept of a tree so that entries can be added: the roots of its full subtrees.

    ``subtrees`` go from left to right, one for each set bit of ``size``. ``Frontier()`` is empty.
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def extended(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """The frontier after these leaf hashes are added."""
        size, subtrees = self.size, list(self.subtrees)
        for leaf in leaf_hashes:
            subtrees.append(leaf)
            # A subtree is complete wherever the old size had a low set bit to carry.
            carry = size
            while carry & 1:
                right = subtrees.pop()
                subtrees[-1] = node_hash(subtrees[-1], right)
                carry >>= 1
            size += 1
        return Frontier(size, tuple(subtrees))

    @property
    def tree(self) -> TreeHead:
        """Size and root."""
        return TreeHead(self.size, join_subtrees(self.subtrees))


def full_nodes(node: Node, size: int) -> tuple[Node, ...]:
    """The final nodes, left to right, that make up ``node`` in a tree of ``size`` entries.

    One for a node that is not cut off; ``join_subtrees`` of their hashes is the hash of ``node``.
    ``full_nodes(Node(63, 0), size)`` gives those of the whole tree.
    """
    start = node.position << node.level
    remaining = min(1 << node.level, size - start)
    nodes = []
    while remaining > 0:
        level = remaining.bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
        remaining -= 1 << level
    return tuple(nodes)


def subtree_hash(node: Node, size: int, read: Callable[[Node], bytes]) -> bytes:
    """Hash of ``node`` in a tree of ``size`` entries; ``read`` gives the hash of a final node."""
    return join_subtrees([read(full) for full in full_nodes(node, size)])


def inclusion_nodes(index: int, size: int) -> tuple[Node, ...]:
    """Nodes whose hashes are the inclusion proof of entry ``index`` in a tree of ``size`` entries.

    In proof order, from the sibling of the leaf to the child of the root; the one on the right
    edge may be cut off (``subtree_hash`` computes it). ValueError unless 0 <= index < size.
    Source: RFC 6962 section 2.1.1.
    """
    if not 0 <= index < size:
        message = f"no entry {index} in a tree of size {size}"
        raise ValueError(message)
    return _siblings(Node(0, index), size)


def consistency_nodes(old: int, new: int) -> tuple[Node, ...]:
    """Nodes of the tree of ``new`` entries that are its consistency proof with that of ``old``.

    In proof order. ValueError unless 0 < old <= new. Source: RFC 6962 section 2.1.2.
    """
    if not 0 < old <= new:
        message = f"no consistency proof from size {old} to {new}"
        raise ValueError(message)
    if old == new:
        return ()
    last = _last_full_node(old)
    # If the old tree is one full subtree, its root is known and not repeated in the proof.
    known = last.position == 0
    siblings = _siblings(last, new)
    return siblings if known else (last, *siblings)


def _last_full_node(size: int) -> Node:
    # The smallest of the full subtrees that make up the tree: the one that ends at its end.
    level = (size & -size).bit_length() - 1
    return Node(level, (size >> level) - 1)


def _siblings(node: Node, size: int) -> tuple[Node, ...]:
    level, position = node
    last = (size - 1) >> level
    nodes = []
    while last > 0:
        sibling = position ^ 1
        if sibling <= last:
            nodes.append(Node(level, sibling))
        level, position, last = level + 1, position >> 1, last >> 1
    return tuple(nodes)


def inclusion_root(*, leaf: bytes, index: int, size: int, proof: tuple[bytes, ...]) -> bytes:
    """Root that an inclusion proof leads to. Source: RFC 9162 section 2.1.3.2.

    Raises VerificationError if the leaf hash or the proof cannot belong to entry ``index`` of a
    tree of ``size`` entries: index out of bounds, wrong number of hashes, hash not of 32 bytes.
    """
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise VerificationError("index of the entry", expected=f"below {size}", got=str(index))
    nodes = inclusion_nodes(index, size)
    _check_hashes("inclusion proof", (leaf, *proof), expected=len(nodes) + 1)
    calculated = leaf
    for node, sibling in zip(nodes, proof, strict=True):
        left = node.position % 2 == 0
        calculated = node_hash(sibling, calculated) if left else node_hash(calculated, sibling)
    return calculated


def verify_inclusion(*, leaf: bytes, index: int, proof: tuple[bytes, ...], tree: TreeHead) -> None:
    """Check that ``leaf``, a leaf hash, is entry ``index`` of ``tree``.

    ``tree`` must come from a signed checkpoint: a proof file's own idea of the size is worthless.
    Raises VerificationError, with the signed and the calculated root if these differ.
    """
    calculated = inclusion_root(leaf=leaf, index=index, size=tree.size, proof=proof)
    _check_root("inclusion proof", calculated, tree)


def verify_consistency(*, old: TreeHead, new: TreeHead, proof: tuple[bytes, ...]) -> None:
    """Check that ``new`` contains the whole of ``old`` as its beginning.

    An empty ``old`` is rejected, since everything extends it: a caller that allows it must say so
    itself. Raises VerificationError. Source: RFC 9162 section 2.1.4.2.
    """
    if not 0 < old.size <= new.size:
        what = "old size of the consistency proof"
        raise VerificationError(what, expected=f"1 to {new.size}", got=str(old.size))
    nodes = consistency_nodes(old.size, new.size)
    _check_hashes("consistency proof", proof, expected=len(nodes))
    last = _last_full_node(old.size)
    known = not nodes or nodes[0] != last
    calculated_old = calculated_new = old.root if known else proof[0]
    skip = 0 if known else 1
    for node, sibling in zip(nodes[skip:], proof[skip:], strict=True):
        if node.position % 2 == 0:
            calculated_old = node_hash(sibling, calculated_old)
            calculated_new = node_hash(sibling, calculated_new)
        else:
            calculated_new = node_hash(calculated_new, sibling)
    _check_root("consistency proof, old root", calculated_old, old)
    _check_root("consistency proof, new root", calculated_new, new)


def _check_hashes(what: str, hashes: tuple[bytes, ...], *, expected: int) -> None:
    if len(hashes) != expected:
        got = f"{len(hashes)} hashes"
        raise VerificationError(what, expected=f"{expected} hashes", got=got)
    for value in hashes:
        if len(value) != HASH_SIZE:
            got = f"a hash of {len(value)} bytes"
            raise VerificationError(what, expected=f"hashes of {HASH_SIZE} bytes", got=got)


def _check_root(what: str, calculated: bytes, tree: TreeHead) -> None:
    if calculated != tree.root:
        expected = f"root {tree.root.hex()} of size {tree.size}"
        raise VerificationError(what, expected=expected, got=f"root {calculated.hex()}")
