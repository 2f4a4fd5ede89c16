"""Moving a log: out into a plain folder, and from such a folder back into a log that can grow.

Both make their result beside its place, examine all of it, and only then move it there, so that
what can be found under the asked name is whole and verified, or is not there.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from log_server.anchor import FileAnchor
from log_server.durable import storage_errors, sync_folder, write_new
from log_server.errors import ConfigurationError, DamagedError, MissingError, OversizedError
from log_server.examination import Damage
from log_server.fsck import examine
from log_server.log_folder import LogFolder, create_store, open_store
from log_server.publication import show
from log_server.publisher import CHECKPOINT_PATH, DirectoryPublisher, File
from log_server.recovery import recover
from log_server.signer import read_signers
from log_server.source import DirectorySource, LogSource
from log_server.store.contract import Head, Row, milliseconds
from log_server.store.database_url import DatabaseUrl
from log_server.witnessing import UNWITNESSED
from verifier.errors import FetchError, ParseError, VerificationError
from verifier.tlog.checkpoint import open_checkpoint
from verifier.tlog.merkle import HASH_SIZE, TreeHead, leaf_hash
from verifier.tlog.note import MAX_NOTE_SIZE, VerificationKey
from verifier.tlog.tile import (
    MAX_ENTRY,
    TILE_WIDTH,
    bundle_path,
    bundles_for_size,
    parse_bundle,
    tile_path,
    tiles_for_size,
)

__all__ = ["export_log", "import_log"]

_FOLDER_MODE = 0o755
_BUNDLES_AT_ONCE = 16


def export_log(root: Path, target: Path) -> tuple[TreeHead, tuple[VerificationKey, ...]]:
    """Write what the log in ``root`` publishes now into the new folder ``target``.

    A server may run: the checkpoint is read first, and what it covers does not change. Gives the
    exported tree and the keys of the log. Raises ConfigurationError, DamagedError, StorageError.
    """
    folder = LogFolder(root)
    keys = tuple(signer.key for signer in read_signers(folder.key))
    source = DirectorySource(folder.public)
    raw = _fetch(source, CHECKPOINT_PATH, MAX_NOTE_SIZE)
    tree = _opened(CHECKPOINT_PATH, raw, keys)
    with _made_beside(target) as made:
        staging, public = made / "staging", made / "public"
        with storage_errors(str(target)):
            staging.mkdir()
            public.mkdir()
        publisher = DirectoryPublisher(public, staging=staging)
        publisher.create(_files(source, tree.size))
        publisher.create([(CHECKPOINT_PATH, raw)])
        _require_sound(DirectorySource(public), keys)
        with storage_errors(str(target)):
            public.chmod(_FOLDER_MODE)
            public.rename(target)
            sync_folder(target.parent)
    return tree, keys


def import_log(
    exported: Path,
    root: Path,
    *,
    key_file: Path,
    keys: tuple[VerificationKey, ...],
    newest: bytes,
    now: datetime,
    database: DatabaseUrl | None = None,
) -> TreeHead:
    """Make the log of an exported folder, able to grow, in the new directory ``root``.

    Its entries go into the PostgreSQL ``database``, or into a file without one.

    ``keys`` are what the importer knows the log by, ``newest`` is the newest checkpoint that is
    known to have been published: a log that goes on from an older one forks. Raises
    RolledBackError and ForkedError for an export that does not reach it, DamagedError for one
    that is not sound, ConfigurationError for other keys and for an entry that is there twice,
    StorageError. Holds the hash of every entry in memory, about 150 bytes each.
    """
    own = _own_keys(key_file, keys)
    source = DirectorySource(exported)
    raw = _fetch(source, CHECKPOINT_PATH, MAX_NOTE_SIZE)
    head = Head(_require_sound(source, keys), raw, milliseconds(now))
    _opened("newest known checkpoint", newest, keys)
    _require_no_entry_twice(source, head.tree.size)
    with _made_beside(root) as made:
        folder = LogFolder(made)
        with storage_errors(str(root)):
            folder.staging.mkdir()
            folder.public.mkdir()
            write_new(folder.key, key_file.read_bytes(), mode=0o600)
        FileAnchor(folder.anchor).write(newest)
        create_store(folder, database, head=head)
        with open_store(folder, origin=own[0].name) as store:
            for rows in _rows(source, head.tree.size):
                with store.begin(expected=head) as transaction:
                    transaction.insert(rows)
            # The start of every log: holds the entries against the checkpoint and the newest one,
            # and makes the published files out of them.
            publisher = DirectoryPublisher(folder.public, staging=folder.staging)
            anchor = FileAnchor(folder.anchor)
            recover(store=store, publisher=publisher, anchor=anchor, keys=own)
            # With the cosignatures that it was exported with.
            show(head, publisher=publisher, witnessing=UNWITNESSED)
        with storage_errors(str(root)):
            made.chmod(_FOLDER_MODE)
            made.rename(root)
            sync_folder(root.parent)
    return head.tree


def _own_keys(key_file: Path, known: tuple[VerificationKey, ...]) -> tuple[VerificationKey, ...]:
    own = tuple(signer.key for signer in read_signers(key_file))
    if set(own) != set(known):
        expected, got = " and ".join(map(str, known)), " and ".join(map(str, own))
        raise ConfigurationError(key_file.name, expected=expected, got=got)
    return own


@contextmanager
def _made_beside(target: Path) -> Iterator[Path]:
    if target.exists():
        raise ConfigurationError(str(target), expected="a new directory", got="an existing one")
    with storage_errors(str(target)):
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _require_sound(source: LogSource, keys: tuple[VerificationKey, ...]) -> TreeHead:
    damages: list[Damage] = []
    examined = examine(source, keys=keys, report=damages.append, progress=lambda _done, _size: None)
    for damage in damages:
        raise DamagedError(damage.path, expected=damage.expected, got=damage.got)
    if examined.tree is None:
        raise DamagedError(CHECKPOINT_PATH, expected="a signed checkpoint", got="none")
    return examined.tree


def _require_no_entry_twice(source: LogSource, size: int) -> None:
    first: dict[bytes, int] = {}
    for rows in _rows(source, size):
        for row in rows:
            before = first.setdefault(row.leaf_hash, row.index)
            if before != row.index:
                raise ConfigurationError(
                    "entries of the log",
                    expected="each entry once: a log here answers it with the index that it has",
                    got=f"entry {row.index} is entry {before} again",
                    hint="the log is sound, and stays readable as it is; it cannot grow here",
                )


def _files(source: LogSource, size: int) -> Iterator[File]:
    for tile in tiles_for_size(size):
        path = tile_path(tile)
        yield path, _fetch(source, path, tile.width * HASH_SIZE)
    for bundle in bundles_for_size(size):
        path = bundle_path(bundle.index, bundle.width)
        yield path, _fetch(source, path, bundle.width * (2 + MAX_ENTRY))


def _rows(source: LogSource, size: int) -> Iterator[tuple[Row, ...]]:
    rows: list[Row] = []
    for bundle in bundles_for_size(size):
        path = bundle_path(bundle.index, bundle.width)
        raw = _fetch(source, path, bundle.width * (2 + MAX_ENTRY))
        entries = parse_bundle(raw, width=bundle.width)
        start = bundle.index * TILE_WIDTH
        rows += (Row(start + at, entry, leaf_hash(entry)) for at, entry in enumerate(entries))
        if len(rows) >= _BUNDLES_AT_ONCE * TILE_WIDTH or bundle.width < TILE_WIDTH:
            yield tuple(rows)
            rows.clear()
    if rows:
        yield tuple(rows)


def _fetch(source: LogSource, path: str, limit: int) -> bytes:
    try:
        return source.fetch(path, limit=limit)
    except (MissingError, OversizedError, FetchError) as error:
        raise DamagedError(error.what, expected=error.expected, got=error.got) from error


def _opened(what: str, raw: bytes, keys: tuple[VerificationKey, ...]) -> TreeHead:
    try:
        return open_checkpoint(raw, keys=keys).tree
    except (ParseError, VerificationError) as error:
        what = f"{what}: {error.what}"
        raise DamagedError(what, expected=error.expected, got=error.got) from error
