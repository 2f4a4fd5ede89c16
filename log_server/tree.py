"""Growing the tree: which bundles and tiles a batch of entries makes, and the root above them.

Pure. What must be remembered of a log of any size is its ``RightEdge``: the one unfinished entry
bundle and the one unfinished tile of each level. It is a compact range whose subtrees are kept at
tile granularity, so that it is at the same time the content of the partial tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from verifier.tlog.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    Node,
    TreeHead,
    consistency_nodes,
    inclusion_nodes,
    range_hash,
    subtree_hash,
)
from verifier.tlog.tile import (
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    bundle_path,
    encode_bundle,
    node_hash_in_tile,
    node_tile,
    parse_bundle,
    parse_tile,
    tile_path,
)

__all__ = [
    "EMPTY_EDGE",
    "TILE_BYTES",
    "Growth",
    "RightEdge",
    "consistency_proof",
    "grow",
    "grown_tree",
    "inclusion_proof",
    "read_edge",
    "split_hashes",
]

TILE_BYTES = TILE_WIDTH * HASH_SIZE
"""Size of a full tile."""


@dataclass(frozen=True, slots=True)
class RightEdge:
    """The unfinished part of a log of ``size`` entries.

    ``entries`` are those of the unfinished bundle (0 to 255); ``levels[l]`` holds the hashes of
    the unfinished tile of level ``l``, joined (0 to 255 times 32 bytes).
    """

    size: int
    entries: tuple[bytes, ...]
    levels: tuple[bytes, ...]

    @property
    def tree(self) -> TreeHead:
        """Size and root."""
        root = EMPTY_ROOT
        below: tuple[bytes, ...] = ()
        for level in self.levels:
            # The part of the tree right of the full hashes of a level is its odd last node.
            row = (*split_hashes(level), *below)
            below = (range_hash(row),) if row else ()
        return TreeHead(self.size, below[0] if below else root)


EMPTY_EDGE = RightEdge(0, (), ())
"""The edge of a log without entries."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The edge after a batch, and the files that it makes: bundles first, then tiles, level 0 up.

    Every file is final: the same entries at the same indices always make the same bytes.
    """

    edge: RightEdge
    files: tuple[tuple[str, bytes], ...]


def split_hashes(joined: bytes) -> tuple[bytes, ...]:
    """The hashes of a tile."""
    return tuple(joined[at : at + HASH_SIZE] for at in range(0, len(joined), HASH_SIZE))


def grow(edge: RightEdge, *, entries: Sequence[bytes], leaf_hashes: Sequence[bytes]) -> Growth:
    """Append entries, whose leaf hashes are given, to the log that ends in ``edge``."""
    pending = (*edge.entries, *entries)
    files = list(_bundles(edge.size // TILE_WIDTH, pending))
    levels: list[bytes] = []
    for level, (joined, is_new) in enumerate(_grown_levels(edge, leaf_hashes)):
        first = (edge.size >> (level * TILE_HEIGHT)) // TILE_WIDTH
        # A tile that got no hash is on the disk already, under the same name.
        if is_new:
            files.extend(_tiles(level, first, joined))
        levels.append(_unfinished(joined))
    unfinished = pending[len(pending) // TILE_WIDTH * TILE_WIDTH :]
    return Growth(RightEdge(edge.size + len(entries), unfinished, tuple(levels)), tuple(files))


def grown_tree(edge: RightEdge, *, leaf_hashes: Sequence[bytes]) -> TreeHead:
    """Size and root of the log that ends in ``edge`` when these leaf hashes are appended."""
    levels = tuple(_unfinished(joined) for joined, _ in _grown_levels(edge, leaf_hashes))
    return RightEdge(edge.size + len(leaf_hashes), (), levels).tree


def _grown_levels(edge: RightEdge, leaf_hashes: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Of each level: its hashes from the unfinished tile on, joined, and whether any is new."""
    added = b"".join(leaf_hashes)
    level = 0
    while added or level < len(edge.levels):
        joined = (edge.levels[level] if level < len(edge.levels) else b"") + added
        yield joined, bool(added)
        full = joined[: len(joined) // TILE_BYTES * TILE_BYTES]
        added = b"".join(range_hash(split_hashes(tile)) for tile in _cut(full))
        level += 1


def _unfinished(joined: bytes) -> bytes:
    return joined[len(joined) // TILE_BYTES * TILE_BYTES :]


def _bundles(first: int, entries: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    for start in range(0, len(entries), TILE_WIDTH):
        part = entries[start : start + TILE_WIDTH]
        yield bundle_path(first + start // TILE_WIDTH, len(part)), encode_bundle(part)


def _tiles(level: int, first: int, joined: bytes) -> Iterator[tuple[str, bytes]]:
    for number, content in enumerate(_cut(joined)):
        tile = Tile(level, first + number, len(content) // HASH_SIZE)
        yield tile_path(tile), content


def _cut(joined: bytes) -> Iterator[bytes]:
    for start in range(0, len(joined), TILE_BYTES):
        yield joined[start : start + TILE_BYTES]


def read_edge(size: int, read: Callable[[str], bytes]) -> RightEdge:
    """The edge of a log of ``size`` entries, from its published files.

    ``read`` gives the bytes at a path. Raises ParseError if a file has a wrong shape; whether the
    content is right is for the caller to see from the root.
    """
    levels: list[bytes] = []
    while size >> (len(levels) * TILE_HEIGHT):
        index, width = divmod(size >> (len(levels) * TILE_HEIGHT), TILE_WIDTH)
        joined = read(tile_path(Tile(len(levels), index, width))) if width else b""
        levels.append(b"".join(parse_tile(joined, width=width)))
    index, width = divmod(size, TILE_WIDTH)
    entries = parse_bundle(read(bundle_path(index, width)), width=width) if width else ()
    return RightEdge(size, entries, tuple(levels))


def inclusion_proof(index: int, size: int, read: Callable[[str], bytes]) -> tuple[bytes, ...]:
    """Inclusion proof of an entry in the tree of ``size``, from its published tiles.

    ``read`` gives the bytes at a path. ValueError unless 0 <= index < size.
    """
    return _node_hashes(inclusion_nodes(index, size), size, read)


def consistency_proof(old: int, size: int, read: Callable[[str], bytes]) -> tuple[bytes, ...]:
    """Consistency proof of the tree of ``old`` entries with that of ``size``, from the tiles.

    ``read`` gives the bytes at a path. ValueError unless 0 < old <= size.
    """
    return _node_hashes(consistency_nodes(old, size), size, read)


def _node_hashes(
    nodes: tuple[Node, ...], size: int, read: Callable[[str], bytes]
) -> tuple[bytes, ...]:
    def hash_of(node: Node) -> bytes:
        tile = node_tile(node, size)
        return node_hash_in_tile(node, parse_tile(read(tile_path(tile)), width=tile.width))

    return tuple(subtree_hash(node, size, hash_of) for node in nodes)
