"""Tiles and entry bundles: how a log is laid out in files (C2SP tlog-tiles).

A full tile holds 256 hashes of one level; tile level ``L`` holds the nodes of tree level ``8 L``.
An entry bundle holds the 256 entries below a tile of level 0. The last tile of a level may be
partial; it is named with its width, so that a file never changes once it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from verifier.errors import ParseError
from verifier.tlog.merkle import HASH_SIZE, MAX_TREE_SIZE, Node, range_hash
from verifier.tlog.strict import excerpt, parse_decimal

__all__ = [
    "MAX_ENTRY",
    "MAX_TILE_INDEX",
    "MAX_TILE_LEVEL",
    "TILE_HEIGHT",
    "TILE_WIDTH",
    "EntryBundle",
    "Tile",
    "bundle_path",
    "bundles_for_size",
    "encode_bundle",
    "encode_tile",
    "node_hash_in_tile",
    "node_tile",
    "parse_bundle",
    "parse_bundle_path",
    "parse_tile",
    "parse_tile_path",
    "tile_path",
    "tiles_for_size",
    "width_for_size",
]

TILE_HEIGHT = 8
"""Tree levels that one tile spans."""

TILE_WIDTH = 1 << TILE_HEIGHT
"""Hashes of a full tile, and entries of a full bundle."""

MAX_TILE_LEVEL = 63
"""Highest tile level that a path may name."""

MAX_TILE_INDEX = MAX_TREE_SIZE // TILE_WIDTH
"""Highest index of a tile or bundle that a tree can have."""

MAX_ENTRY = 2**16 - 1
"""Longest entry, in bytes."""

_MAX_PATH = 100  # characters; the longest path of a tree has 47
_PATH = re.compile(r"tile/([0-9]+|entries)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """Name of a tile: its level, its index within the level, the number of its hashes.

    ValueError unless 0 <= level <= 63, the index fits, and 1 <= width <= 256.
    """

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= MAX_TILE_LEVEL:
            message = f"no tile level {self.level}"
            raise ValueError(message)
        _check_bounds(self.index, self.width)


@dataclass(frozen=True, slots=True)
class EntryBundle:
    """Name of an entry bundle: its index and the number of its entries.

    ValueError unless the index fits and 1 <= width <= 256.
    """

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _check_bounds(self.index, self.width)


def tile_path(tile: Tile) -> str:
    """Path of a tile below the prefix of the log: ``tile/<L>/<N>[.p/<W>]``."""
    return _path(str(tile.level), tile.index, tile.width)


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """Path of an entry bundle below the prefix of the log: ``tile/entries/<N>[.p/<W>]``.

    ValueError as for ``EntryBundle``.
    """
    bundle = EntryBundle(index, width)
    return _path("entries", bundle.index, bundle.width)


def parse_tile_path(text: str) -> Tile:
    """Read the path of a tile, in its only spelling. Raises ParseError."""
    level, index, width = _parse_path(text, what="tile path")
    if level == "entries":
        raise ParseError("tile path", expected="a tile level", got="entries")
    number = parse_decimal(level, what="level of the tile path", maximum=MAX_TILE_LEVEL)
    return Tile(number, index, width)


def parse_bundle_path(text: str) -> EntryBundle:
    """Read the path of an entry bundle, in its only spelling. Raises ParseError."""
    level, index, width = _parse_path(text, what="entry bundle path")
    if level != "entries":
        raise ParseError("entry bundle path", expected="entries", got=excerpt(level))
    return EntryBundle(index, width)


def parse_tile(raw: bytes, *, width: int) -> tuple[bytes, ...]:
    """Read the ``width`` hashes of a tile. Raises ParseError unless the length is exact."""
    if len(raw) != width * HASH_SIZE:
        got = f"{len(raw)} bytes"
        raise ParseError("tile", expected=f"{width} hashes of {HASH_SIZE} bytes", got=got)
    return tuple(raw[start : start + HASH_SIZE] for start in range(0, len(raw), HASH_SIZE))


def encode_tile(hashes: Sequence[bytes]) -> bytes:
    """Write a tile. ValueError unless these are 1 to 256 hashes of 32 bytes."""
    if not 1 <= len(hashes) <= TILE_WIDTH or any(len(value) != HASH_SIZE for value in hashes):
        message = f"a tile has 1 to {TILE_WIDTH} hashes of {HASH_SIZE} bytes"
        raise ValueError(message)
    return b"".join(hashes)


def parse_bundle(raw: bytes, *, width: int) -> tuple[bytes, ...]:
    """Read the ``width`` entries of a bundle: each a big-endian u16 length and that many bytes.

    Raises ParseError if an entry is cut short, or there are fewer or more entries.
    """
    entries: list[bytes] = []
    position = 0
    while position < len(raw) and len(entries) < width:
        start = position + 2
        position = start + int.from_bytes(raw[position:start], "big")
        if start > len(raw) or position > len(raw):
            got = f"{len(raw)} bytes, entry {len(entries)} ends at {max(start, position)}"
            raise ParseError("entry bundle", expected="whole entries", got=got)
        entries.append(raw[start:position])
    if len(entries) != width or position != len(raw):
        got = f"{len(entries)} entries and {len(raw) - position} bytes more"
        raise ParseError("entry bundle", expected=f"{width} entries", got=got)
    return tuple(entries)


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Write an entry bundle. ValueError unless these are 1 to 256 entries of <= 65,535 bytes."""
    if not 1 <= len(entries) <= TILE_WIDTH or any(len(entry) > MAX_ENTRY for entry in entries):
        message = f"a bundle has 1 to {TILE_WIDTH} entries of at most {MAX_ENTRY} bytes"
        raise ValueError(message)
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def width_for_size(level: int, index: int, size: int) -> int:
    """Width that a tile has in a tree of ``size`` entries: 256 if full, 0 if it does not exist."""
    hashes = size >> (level * TILE_HEIGHT)
    return max(0, min(TILE_WIDTH, hashes - index * TILE_WIDTH))


def tiles_for_size(size: int, *, since: int = 0) -> Iterator[Tile]:
    """Every tile of a tree of ``size`` entries, level by level; each level may end in a partial.

    With ``since``, only those that a tree of ``since`` entries does not have: what a log must
    write when it grows from one size to the other. ValueError unless 0 <= since <= size.
    """
    _check_sizes(since, size)
    for level in range(MAX_TILE_LEVEL + 1):
        hashes = size >> (level * TILE_HEIGHT)
        before = since >> (level * TILE_HEIGHT)
        if hashes == before:
            continue
        for index in range(before // TILE_WIDTH, -(-hashes // TILE_WIDTH)):
            yield Tile(level, index, width_for_size(level, index, size))


def bundles_for_size(size: int, *, since: int = 0) -> Iterator[EntryBundle]:
    """Every entry bundle of a tree of ``size`` entries; ``since`` as for ``tiles_for_size``."""
    _check_sizes(since, size)
    if size == since:
        return
    for index in range(since // TILE_WIDTH, -(-size // TILE_WIDTH)):
        yield EntryBundle(index, width_for_size(0, index, size))


def node_tile(node: Node, size: int) -> Tile:
    """The tile of a tree of ``size`` entries that the hash of a final node is calculated from.

    ValueError if the tree does not contain the whole node. See ``node_hash_in_tile``.
    """
    if (node.position + 1) << node.level > size:
        message = f"{node} is not full in a tree of size {size}"
        raise ValueError(message)
    level, height = divmod(node.level, TILE_HEIGHT)
    index = (node.position << height) // TILE_WIDTH
    return Tile(level, index, width_for_size(level, index, size))


def node_hash_in_tile(node: Node, hashes: Sequence[bytes]) -> bytes:
    """Hash of a final node, from the hashes of its tile (``node_tile``)."""
    height = node.level % TILE_HEIGHT
    start = (node.position << height) % TILE_WIDTH
    return range_hash(hashes[start : start + (1 << height)])


def _check_bounds(index: int, width: int) -> None:
    if not 0 <= index <= MAX_TILE_INDEX or not 1 <= width <= TILE_WIDTH:
        message = f"no tile or bundle of index {index} and width {width}"
        raise ValueError(message)


def _check_sizes(since: int, size: int) -> None:
    if not 0 <= since <= size <= MAX_TREE_SIZE:
        message = f"no growth from size {since} to {size}"
        raise ValueError(message)


def _path(level: str, index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return f"tile/{level}/{number}" + (f".p/{width}" if width != TILE_WIDTH else "")


def _parse_path(text: str, *, what: str) -> tuple[str, int, int]:
    match = _PATH.fullmatch(text) if len(text) <= _MAX_PATH else None
    if match is None:
        raise ParseError(what, expected="tile/<level>/<index>[.p/<width>]", got=excerpt(text))
    level, number, partial = match.groups()
    digits = re.sub("[x/]", "", number).lstrip("0") or "0"
    index = parse_decimal(digits, what=f"index of the {what}", maximum=MAX_TILE_INDEX)
    width = TILE_WIDTH
    if partial is not None:
        width = parse_decimal(partial, what=f"width of the {what}", maximum=TILE_WIDTH - 1)
    if width == 0 or _path(level, index, width) != text:
        expected = "the shortest spelling, width 1 to 255"
        raise ParseError(what, expected=expected, got=excerpt(text))
    return level, index, width
