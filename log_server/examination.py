"""Rebuild a log from its entries, compare every file, and blame the right one.

1. Fetch the unfinished tiles, one of each level. If they fold to the signed root, they are right,
   and so is every hash in them.
2. Walk down from them, depth first, so that one tile of each level is in memory at a time. A tile
   whose root is the hash in a right tile above is right. Below level 0 are the entry bundles,
   whose leaf hashes must be the tile.
3. Every tile is also calculated from what is below it. Where the two differ, the signed root says
   which is right, if an unbroken chain of right tiles leads to it ("trusted"); else the hash in
   the tile above decides, and else both are named.
4. The root that is calculated from the entries must be the signed one.

Older partial files, where the source can list them, must be beginnings of the newer ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from log_server.errors import MissingError, OversizedError, ResourceError
from log_server.publisher import CHECKPOINT_PATH
from log_server.source import LogSource
from log_server.tree import RightEdge, split_hashes
from verifier.errors import ParseError
from verifier.tlog.merkle import HASH_SIZE, TreeHead, range_hash
from verifier.tlog.tile import (
    MAX_ENTRY,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    bundle_path,
    parse_bundle,
    tile_path,
)

__all__ = ["Damage", "Damages", "Examination"]

_ENTRY_ROOM = 2 + MAX_ENTRY  # a u16 length and the longest entry
_UNKNOWN = bytes(HASH_SIZE)
_BELOW = "what the signed root covers"


@dataclass(frozen=True, slots=True)
class Damage:
    """A published file that is not what the signed root covers."""

    path: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.path}: {self.got} (expected {self.expected})"


class Damages:
    """Reports each path once, and remembers the damaged ones only."""

    def __init__(self, report: Callable[[Damage], None]) -> None:
        self.paths: set[str] = set()
        self._report = report

    def add(self, path: str, *, expected: str, got: str) -> None:
        """Report a path, unless it was reported before."""
        if path not in self.paths:
            self.paths.add(path)
            self._report(Damage(path, expected, got))


@dataclass(frozen=True, slots=True)
class _Place:
    """A tile of the examined tree; width 0 on the right edge means that there is none."""

    level: int
    index: int
    width: int

    @property
    def path(self) -> str:
        return tile_path(Tile(self.level, self.index, self.width))

    @property
    def full_path(self) -> str:
        return tile_path(Tile(self.level, self.index))

    @property
    def bundle(self) -> str:
        return bundle_path(self.index, self.width)

    def child(self, number: int) -> _Place:
        return _Place(self.level - 1, self.index * TILE_WIDTH + number, TILE_WIDTH)


class Examination:
    """One walk through one tree. Tiles are joined hashes here, and None if there is none."""

    def __init__(
        self,
        source: LogSource,
        tree: TreeHead,
        damages: Damages,
        progress: Callable[[int, int], None],
    ) -> None:
        self._source = source
        self._tree = tree
        self._damages = damages
        self._progress = progress
        self._done = 0
        self._older: set[str] = set()

    def run(self) -> None:
        """Walk. Raises FetchError if the source stops answering."""
        edge = _edge(self._tree.size)
        stored = [self._stored(place) for place in edge]
        trusted = self._root(stored) == self._tree.root
        self._source.expect(_walk(edge))
        below: list[bytes | None] = [b""] * len(edge)
        for place in reversed(edge):
            if place.width:
                below[place.level] = self._below(place, stored[place.level], trusted=trusted)
        if trusted:
            best = stored
        else:
            best = [s if b is None else b for s, b in zip(stored, below, strict=True)]
        entries_right = not trusted and self._root(best) == self._tree.root
        for place in edge:
            tile, leaves = stored[place.level], below[place.level]
            if tile != leaves:
                self._compare(place, tile, leaves, stored_right=trusted, right=entries_right)
        self._check_root(self._root(best))
        for place in edge:
            self._check_partials(place, best[place.level])

    def _check_root(self, root: bytes | None) -> None:
        # Where a file of this tree is damaged or absent, no other root is to be expected.
        sound = self._damages.paths <= self._older
        if sound and root is not None and root != self._tree.root:
            self._damages.add(
                CHECKPOINT_PATH,
                expected=f"root {self._tree.root.hex()}, which it signs",
                got=f"root {root.hex()} of the entries",
            )

    def _root(self, levels: list[bytes | None]) -> bytes | None:
        present = tuple(level for level in levels if level is not None)
        if len(present) < len(levels):
            return None
        return RightEdge(self._tree.size, (), present).tree.root

    def _below(self, place: _Place, stored: bytes | None, *, trusted: bool) -> bytes | None:
        """The tile as what is below it says: leaf hashes, or roots of the tiles below."""
        if place.level == 0:
            return self._leaf_hashes(place)
        return b"".join(
            self._full(place.child(number), _hash_at(stored, number), trusted=trusted)
            for number in range(place.width)
        )

    def _full(self, place: _Place, claim: bytes | None, *, trusted: bool) -> bytes:
        """Examine a full tile and all below it; gives back the root that it should have.

        ``claim`` is the hash in the tile above, which is right if ``trusted``.
        """
        stored = self._stored(place)
        root = _tile_root(stored)
        below = self._below(place, stored, trusted=trusted and root == claim)
        right = root if below == stored else _tile_root(below)
        if claim is not None and (trusted or claim in (root, right)):
            self._compare(place, stored, below, stored_right=root == claim, right=right == claim)
            best, truth = (stored if root == claim else below), claim
        elif below == stored or stored is None or below is None:
            best = below if stored is None else stored
            truth = _tile_root(best) or claim or _UNKNOWN
        else:
            self._compare(place, stored, below, stored_right=False, right=False)
            best, truth = below, right or _UNKNOWN
        self._check_partials(place, best)
        return truth

    def _compare(
        self,
        place: _Place,
        stored: bytes | None,
        below: bytes | None,
        *,
        stored_right: bool,
        right: bool,
    ) -> None:
        # An absent or misshapen file was reported when it was fetched.
        if stored is not None and not stored_right:
            self._damages.add(place.path, expected=_BELOW, got="other hashes")
        if below is None or right:
            return
        if place.level == 0:
            self._damages.add(place.bundle, expected=_BELOW, got="other entries")
        for number in range(place.width if place.level else 0):
            if _hash_at(below, number) != _hash_at(stored, number):
                self._blame(place.child(number))

    def _blame(self, child: _Place) -> None:
        # The child agrees with all below it, and not with the tile above, which is right.
        self._damages.add(child.path, expected=_BELOW, got="other hashes")
        if child.level == 0:
            self._damages.add(child.bundle, expected=_BELOW, got="other entries")

    def _stored(self, place: _Place) -> bytes | None:
        if not place.width:
            return b""
        fetched = self._fetch(place.path, place.full_path, unit=HASH_SIZE, width=place.width)
        if fetched is None:
            return None
        content, width = fetched
        if len(content) != width * HASH_SIZE:
            expected, got = f"{width * HASH_SIZE} bytes", f"{len(content)} bytes"
            self._damages.add(place.path, expected=expected, got=got)
            return None
        return content[: place.width * HASH_SIZE]

    def _leaf_hashes(self, place: _Place) -> bytes | None:
        self._done += place.width
        self._progress(self._done, self._tree.size)
        path, full_path = bundle_path(place.index, place.width), bundle_path(place.index)
        fetched = self._fetch(path, full_path, unit=_ENTRY_ROOM, width=place.width)
        if fetched is None:
            return None
        try:
            return _bundle_hashes(*fetched)[: place.width * HASH_SIZE]
        except ParseError as error:
            self._damages.add(path, expected=error.expected, got=error.got)
            return None

    def _fetch(
        self, path: str, full_path: str, *, unit: int, width: int
    ) -> tuple[bytes, int] | None:
        """The content of a file and its width; the full file where a partial one is deleted."""
        try:
            return self._source.fetch(path, limit=width * unit), width
        except MissingError as error:
            missing = error
        except OversizedError as error:
            self._damages.add(path, expected=error.expected, got=error.got)
            return None
        if path != full_path:
            try:
                return self._source.fetch(full_path, limit=TILE_WIDTH * unit), TILE_WIDTH
            except ResourceError:
                pass
        self._damages.add(path, expected=missing.expected, got=missing.got)
        return None

    def _check_partials(self, place: _Place, best: bytes | None) -> None:
        if best is None:
            return
        for width in self._source.partial_widths(place.full_path):
            path = tile_path(Tile(place.level, place.index, width))
            if width < place.width:
                self._check_partial(path, best, lambda raw, _: raw, HASH_SIZE, width)
        if place.level == 0:
            for width in self._source.partial_widths(bundle_path(place.index)):
                path = bundle_path(place.index, width)
                if width < place.width:
                    self._check_partial(path, best, _bundle_hashes, _ENTRY_ROOM, width)

    def _check_partial(
        self,
        path: str,
        best: bytes,
        hashes: Callable[[bytes, int], bytes],
        unit: int,
        width: int,
    ) -> None:
        expected, got = "the beginning of the newer file", "another"
        try:
            content = hashes(self._source.fetch(path, limit=width * unit), width)
        except (ParseError, ResourceError) as error:
            content, expected, got = None, error.expected, error.got
        if content != best[: width * HASH_SIZE]:
            self._older.add(path)
            self._damages.add(path, expected=expected, got=got)


def _edge(size: int) -> tuple[_Place, ...]:
    levels = -(-size.bit_length() // TILE_HEIGHT)
    return tuple(
        _Place(level, *divmod(size >> (level * TILE_HEIGHT), TILE_WIDTH)) for level in range(levels)
    )


def _walk(edge: tuple[_Place, ...]) -> Iterator[tuple[str, int]]:
    """Paths and limits in the order in which ``Examination`` fetches them."""
    for place in reversed(edge):
        if place.width:
            yield from _walk_below(place)


def _walk_below(place: _Place) -> Iterator[tuple[str, int]]:
    if place.level == 0:
        yield bundle_path(place.index, place.width), place.width * _ENTRY_ROOM
        return
    for number in range(place.width):
        child = place.child(number)
        yield child.path, TILE_WIDTH * HASH_SIZE
        yield from _walk_below(child)


def _bundle_hashes(raw: bytes, width: int) -> bytes:
    # Written out instead of calling ``leaf_hash``: half of all time is spent in this line.
    return b"".join([sha256(b"\x00" + entry).digest() for entry in parse_bundle(raw, width=width)])


def _hash_at(tile: bytes | None, number: int) -> bytes | None:
    return None if tile is None else tile[number * HASH_SIZE : (number + 1) * HASH_SIZE]


def _tile_root(tile: bytes | None) -> bytes | None:
    return None if tile is None else range_hash(split_hashes(tile))
