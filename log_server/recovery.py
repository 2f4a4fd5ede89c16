"""Starting a log: refuse what cannot be right, finish what a crash interrupted.

Three places say how far the log is: the head in the database, the anchor, and the published
checkpoint. They are written in that order, so at start the database is at or ahead of the others.
Behind means that an older database was restored: signing on would make a fork. Ahead means that a
crash came before publication: the files are made from the entries, and the checkpoint that is
stored with the head is published as it is, once the witnesses of its policy, if it has one, have
cosigned it. Nothing is ever signed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from log_server.anchor import Anchor
from log_server.errors import DamagedError, ForkedError, RolledBackError
from log_server.publication import publish_files, published_edge, settle
from log_server.publisher import CHECKPOINT_PATH, Publisher
from log_server.store.contract import Head, Row, Store
from log_server.tree import EMPTY_EDGE, Growth, RightEdge, grow
from verifier.errors import ParseError, VerificationError
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import EMPTY_ROOT, HASH_SIZE, TreeHead, leaf_hash
from verifier.tlog.note import VerificationKey
from verifier.tlog.tile import (
    TILE_WIDTH,
    bundle_path,
    bundles_for_size,
    tile_path,
    tiles_for_size,
)

__all__ = ["examine_database", "recover"]

_CHUNK = 4096
"""Entries that are replayed at a time: at most 256 MiB, and a whole number of bundles."""


class _Signed(NamedTuple):
    where: str
    tree: TreeHead


def recover(
    *, store: Store, publisher: Publisher, anchor: Anchor, keys: tuple[VerificationKey, ...]
) -> tuple[Head, RightEdge]:
    """The head and edge of a log, after all that they cover is checked, complete and anchored.

    Publishing its checkpoint is left to the caller: it may need witnesses.

    Raises RolledBackError, ForkedError, DamagedError (its ``what`` is the damaged resource), and
    StorageError.
    """
    head = store.head()
    published = publisher.read(CHECKPOINT_PATH)
    seen = _seen(store, head, published=published, anchored=anchor.read(), keys=keys)
    edge = _sound_edge(store, publisher, min((s.tree for s in seen), key=lambda tree: tree.size))
    # Twice over the same rows: not one file is written before the whole root is known to be right.
    _check_replay(store, edge, seen)
    for growth in _replay(store, edge, head.tree.size):
        publish_files(publisher, _final(growth, head.tree.size))
    return head, settle(head, publisher=publisher, anchor=anchor)


def examine_database(
    *,
    store: Store,
    published: bytes | None,
    anchored: bytes | None,
    keys: tuple[VerificationKey, ...],
    progress: Callable[[int, int], None],
) -> None:
    """Hold every entry against every checkpoint that is kept. Changes nothing.

    A start looks at the entries of the unfinished bundle only. ``progress`` gets the number of
    entries done and of all. Raises as ``recover``.
    """
    head = store.head()
    seen = _seen(store, head, published=published, anchored=anchored, keys=keys)
    _check_replay(store, EMPTY_EDGE, seen, progress)


def _seen(
    store: Store,
    head: Head,
    *,
    published: bytes | None,
    anchored: bytes | None,
    keys: tuple[VerificationKey, ...],
) -> tuple[_Signed, ...]:
    """What is signed, each no larger than the database, and of the same root if as large."""
    present = _Signed("database head", head.tree)
    if _opened(present.where, head.checkpoint, keys) != head.tree:
        raise DamagedError(present.where, expected="the tree of its checkpoint", got="another")
    if store.rows(head.tree.size, head.tree.size + 1):
        got = "an entry behind the head"
        raise DamagedError("database entries", expected=f"{head.tree.size} entries", got=got)
    seen = (*_outside(published, anchored, keys), present)
    for signed in seen:
        _require_not_ahead(signed, head.tree)
    return seen


def _outside(
    published: bytes | None, anchored: bytes | None, keys: tuple[VerificationKey, ...]
) -> tuple[_Signed, _Signed]:
    if anchored is None:
        raise DamagedError(
            "anchor",
            expected="the checkpoint that was signed last",
            got="no file",
            hint="without its anchor a log cannot know whether its database was rolled back",
        )
    tree = TreeHead(0, EMPTY_ROOT)
    if published is not None:
        tree = _opened("published checkpoint", published, keys)
    anchor_tree = _opened("anchor", anchored, keys)
    return _Signed("anchor", anchor_tree), _Signed("published checkpoint", tree)


def _opened(where: str, raw: bytes, keys: tuple[VerificationKey, ...]) -> TreeHead:
    try:
        return open_checkpoint(raw, keys=keys).tree
    except (ParseError, VerificationError) as error:
        what = f"{where}: {error.what}"
        raise DamagedError(what, expected=error.expected, got=error.got) from error


def _require_not_ahead(signed: _Signed, head: TreeHead) -> None:
    if head.size < signed.tree.size:
        raise RolledBackError(
            "database was rolled back",
            expected=f"at least size {signed.tree.size} of the {signed.where}",
            got=f"size {head.size}",
            hint="restore the newest database; a log that goes on from an older one forks",
        )
    if head.size == signed.tree.size:
        _require_same(signed, head.root)


def _require_same(signed: _Signed, root: bytes) -> None:
    if root != signed.tree.root:
        raise ForkedError(
            f"database and {signed.where} fork at size {signed.tree.size}",
            expected=f"root {signed.tree.root.hex()}",
            got=f"root {root.hex()}",
        )


def _sound_edge(store: Store, publisher: Publisher, tree: TreeHead) -> RightEdge:
    """The edge of ``tree`` if all files up to it are there, else the empty edge.

    From the empty edge everything is made again out of the entries: what is missing is written,
    and what is there with other bytes is refused by its path.
    """
    if not _complete(publisher, tree.size):
        return EMPTY_EDGE
    try:
        edge = published_edge(publisher, tree)
    except DamagedError:
        return EMPTY_EDGE
    start = tree.size - len(edge.entries)
    for entry, row in zip(edge.entries, _rows(store, start, tree.size), strict=True):
        if row.entry != entry:
            what = f"database entry {row.index}"
            raise DamagedError(what, expected="the published entry", got="another")
    return edge


def _complete(publisher: Publisher, size: int) -> bool:
    tiles = all(
        publisher.size(tile_path(tile)) == tile.width * HASH_SIZE for tile in tiles_for_size(size)
    )
    return tiles and all(
        publisher.size(bundle_path(bundle.index, bundle.width)) is not None
        for bundle in bundles_for_size(size)
    )


def _check_replay(
    store: Store,
    edge: RightEdge,
    seen: Iterable[_Signed],
    progress: Callable[[int, int], None] = lambda _done, _size: None,
) -> None:
    ordered = sorted(seen, key=lambda one: one.tree.size)
    for signed in ordered:
        if signed.tree.size >= edge.size:
            for growth in _replay(store, edge, signed.tree.size):
                edge = growth.edge
                progress(edge.size, ordered[-1].tree.size)
            _require_same(signed, edge.tree.root)


def _replay(store: Store, edge: RightEdge, end: int) -> Iterator[Growth]:
    while edge.size < end:
        # Up to the next multiple, so that a chunk ends with a whole bundle.
        rows = _rows(store, edge.size, min(end, edge.size - edge.size % _CHUNK + _CHUNK))
        growth = grow(
            edge,
            entries=[row.entry for row in rows],
            leaf_hashes=[row.leaf_hash for row in rows],
        )
        yield growth
        edge = growth.edge


def _rows(store: Store, start: int, end: int) -> tuple[Row, ...]:
    rows = store.rows(start, end)
    if tuple(row.index for row in rows) != tuple(range(start, end)):
        got = f"{len(rows)} entries"
        raise DamagedError(f"database entries from {start}", expected=str(end - start), got=got)
    for row in rows:
        calculated = leaf_hash(row.entry)
        if calculated != row.leaf_hash:
            what = f"database entry {row.index}"
            expected = f"leaf hash {row.leaf_hash.hex()}"
            raise DamagedError(what, expected=expected, got=calculated.hex())
    return rows


def _final(growth: Growth, size: int) -> Iterator[tuple[str, bytes]]:
    # A chunk also ends in partial tiles of its own, which no checkpoint ever implied.
    edge = {tile_path(tile) for tile in tiles_for_size(size) if tile.width < TILE_WIDTH}
    edge.add(bundle_path(size // TILE_WIDTH, size % TILE_WIDTH or TILE_WIDTH))
    for path, content in growth.files:
        if ".p/" not in path or path in edge:
            yield path, content
