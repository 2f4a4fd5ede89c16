"""The published directory: what clients, witnesses and mirrors read.

A file is written and fsynced in the staging directory, then linked to its name, then the
directory that got the name is fsynced; several are written at a time, in no order. An existing name
is never overwritten: a tile is a function of entries that are already committed, so different bytes
mean damage, and are refused. Only the checkpoint is replaced, by rename.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import count, islice
from pathlib import Path
from typing import Protocol

from log_server.durable import (
    read_file,
    replace_file,
    storage_error,
    storage_errors,
    sync_folder,
    write_new,
)
from log_server.errors import DamagedError

__all__ = ["CHECKPOINT_PATH", "DirectoryPublisher", "File", "Publisher"]

_WRITERS = 4
_GROUP = 16  # files that wait for their writers at a time, in memory

CHECKPOINT_PATH = "checkpoint"
"""Where a log publishes its newest checkpoint (C2SP tlog-tiles)."""

File = tuple[str, bytes]
"""A path below the published directory, and the bytes that belong there."""


class Publisher(Protocol):
    """Where a log is published. Paths are relative, such as ``tile/0/000`` or ``checkpoint``."""

    def create(self, files: Iterable[File]) -> None:
        """Make files durable under new names; the same bytes again are no error.

        Raises DamagedError if a name exists with other bytes, StorageError if writing fails.
        """

    def replace(self, path: str, content: bytes) -> None:
        """Replace one file, durably and in one step. Raises StorageError."""

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, None if there is none. Raises StorageError."""

    def size(self, path: str) -> int | None:
        """Length of a file in bytes, None if there is none. Raises StorageError."""


class DirectoryPublisher:
    """Publishes into ``root``; ``staging`` is a directory of the same file system."""

    def __init__(self, root: Path, *, staging: Path) -> None:
        """Empty the staging directory: what lies there belongs to a write that never ended."""
        self._root = root
        self._prefix = f"{root}/"
        self._staging = staging
        self._folders = {root}
        self._numbers = count()
        with storage_errors("staging"):
            for leftover in staging.iterdir():
                leftover.unlink()

    def create(self, files: Iterable[File]) -> None:
        """Make files durable under new names; see ``Publisher.create``."""
        remaining = iter(files)
        touched: set[Path] = set()
        # Nearly all of it is waiting for the disk. The block ends when every writer has.
        with ThreadPoolExecutor(_WRITERS, "cvm-log-files") as writers:
            while group := tuple(islice(remaining, _GROUP)):
                touched |= self._make_folders(group)
                deque(writers.map(self._create, group), maxlen=0)
        # Also where the files were there: a crash may have come between link and fsync.
        for folder in sorted(touched):
            with storage_errors(str(folder.relative_to(self._root))):
                sync_folder(folder)

    def replace(self, path: str, content: bytes) -> None:
        """Replace one file, durably and in one step."""
        with storage_errors(path):
            replace_file(self._root / path, content, staged=self._free_name())

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, None if there is none."""
        try:
            return read_file(self._prefix + path)
        except OSError as error:
            raise storage_error(path, error) from error

    def size(self, path: str) -> int | None:
        """Length of a file in bytes, None if there is none."""
        with storage_errors(path):
            try:
                return (self._root / path).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def _create(self, file: File) -> None:
        path, content = file
        target = self._root / path
        with storage_errors(path):
            present = read_file(target)
            if present is None:
                staged = self._free_name()
                write_new(staged, content)
                # Unlike rename, link never replaces: a second writer cannot slip in between.
                os.link(staged, target)
                staged.unlink()
        if present not in (None, content):
            raise DamagedError(path, expected=_described(content), got=_described(present))

    def _free_name(self) -> Path:
        return self._staging / str(next(self._numbers))

    def _make_folders(self, files: Iterable[File]) -> set[Path]:
        folders = set()
        for path, _ in files:
            folder = (self._root / path).parent
            with storage_errors(path):
                self._make_folder(folder)
            folders.add(folder)
        return folders

    def _make_folder(self, folder: Path) -> None:
        if folder in self._folders:
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
        self._folders.add(folder)


def _described(content: bytes) -> str:
    return f"{len(content)} bytes, sha256 {sha256(content).hexdigest()}"
