"""The last signed checkpoint in a file of its own, outside the database.

A database that is restored from a backup does not know that it forgot entries, and would sign a
second tree of the same size. The anchor knows. It is written after the database and before the
checkpoint is published, so it is never behind what the world has seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from log_server.durable import read_file, replace_file, storage_errors

__all__ = ["Anchor", "FileAnchor"]


class Anchor(Protocol):
    """Remembers one signed checkpoint."""

    def read(self) -> bytes | None:
        """The signed note that was written last, None if there is none. Raises StorageError."""

    def write(self, checkpoint: bytes) -> None:
        """Replace it, durably and in one step. Raises StorageError."""


class FileAnchor:
    """An anchor in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._staged = path.with_name(f"{path.name}.new")

    def read(self) -> bytes | None:
        """The signed note that was written last."""
        with storage_errors(self._path.name):
            return read_file(self._path)

    def write(self, checkpoint: bytes) -> None:
        """Replace it, durably and in one step."""
        with storage_errors(self._path.name):
            self._staged.unlink(missing_ok=True)  # left by a crash between write and rename
            replace_file(self._path, checkpoint, staged=self._staged)
