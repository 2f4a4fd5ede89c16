"""Making a committed head visible: files, read back, then anchor, witnesses, checkpoint.

Used by the sequencer for every batch and by recovery for what a crash left undone.
"""

from __future__ import annotations

from collections.abc import Iterable

from log_server.anchor import Anchor
from log_server.errors import DamagedError
from log_server.publisher import CHECKPOINT_PATH, File, Publisher
from log_server.store.contract import Head
from log_server.tree import RightEdge, read_edge
from log_server.witnessing import UNWITNESSED, Witnessing
from verifier.errors import ParseError
from verifier.tlog.merkle import TreeHead, leaf_hash
from verifier.tlog.tile import TILE_WIDTH, bundle_path

__all__ = ["announce", "publish_files", "published_edge", "published_file", "settle", "show"]


def publish_files(publisher: Publisher, files: Iterable[File]) -> None:
    """Write bundles and tiles, and read them back. Raises DamagedError and StorageError."""
    written = tuple(files)
    publisher.create(written)
    for path, content in written:
        if publisher.read(path) != content:
            raise DamagedError(path, expected="the bytes just written", got="others")


def announce(head: Head, *, publisher: Publisher, anchor: Anchor) -> RightEdge:
    """``settle`` a head and ``show`` it on the log's own word."""
    edge = settle(head, publisher=publisher, anchor=anchor)
    show(head, publisher=publisher, witnessing=UNWITNESSED)
    return edge


def settle(head: Head, *, publisher: Publisher, anchor: Anchor) -> RightEdge:
    """Anchor a head whose files are written; gives back the edge that they end in.

    Raises DamagedError if the files do not have the signed root, StorageError.
    """
    edge = published_edge(publisher, head.tree)
    # Crash here, or anywhere above: anchor and checkpoint stay at an older head, and are true.
    if anchor.read() != head.checkpoint:
        anchor.write(head.checkpoint)
    # Crash here: the anchor is ahead of the published checkpoint, level with the database.
    return edge


def show(head: Head, *, publisher: Publisher, witnessing: Witnessing) -> bytes:
    """Publish the checkpoint of a settled head with its cosignatures; gives back the bytes.

    Raises QuorumError if too few witnesses cosigned: then nothing changed, and it can be called
    again. DamagedError, StorageError.
    """
    present = publisher.read(CHECKPOINT_PATH)
    checkpoint = witnessing.cosigned(
        head, present=present, read=lambda path: published_file(publisher, path)
    )
    # Crash here: witnesses may know a head that only database and anchor hold; none is lost.
    if present != checkpoint:
        publisher.replace(CHECKPOINT_PATH, checkpoint)
    # Crash here: published, and nobody was told an index yet.
    return checkpoint


def published_edge(publisher: Publisher, tree: TreeHead) -> RightEdge:
    """The right edge, read from the published files and checked against the root of ``tree``.

    Raises DamagedError if a file is missing, has a wrong shape, or the root is another.
    """
    try:
        edge = read_edge(tree.size, lambda path: published_file(publisher, path))
    except ParseError as error:
        what = f"right edge of size {tree.size}: {error.what}"
        raise DamagedError(what, expected=error.expected, got=error.got) from error
    if edge.tree != tree:
        what = f"right edge of size {tree.size}"
        raise DamagedError(what, expected=tree.root.hex(), got=edge.tree.root.hex())
    if b"".join(map(leaf_hash, edge.entries)) != (edge.levels[0] if edge.levels else b""):
        path = bundle_path(tree.size // TILE_WIDTH, len(edge.entries))
        raise DamagedError(path, expected="the entries of the tile above", got="others")
    return edge


def published_file(publisher: Publisher, path: str) -> bytes:
    """The bytes of a file that the log must have. Raises DamagedError, StorageError."""
    content = publisher.read(path)
    if content is None:
        raise DamagedError(path, expected="a file", got="none")
    return content
