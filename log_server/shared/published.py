"""The published files for those who only read them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from log_server.durable import read_file, storage_errors
from log_server.errors import StoppedError
from log_server.publisher import File

__all__ = ["PublishedFiles"]


class PublishedFiles:
    """A ``Publisher`` that writes nothing.

    Whoever does not hold the locks of a log must not write its files, and not empty the staging
    directory either, as opening a ``DirectoryPublisher`` does: the sequencer is at work there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, files: Iterable[File]) -> None:
        """Raises StoppedError."""
        del files
        self._refuse()

    def replace(self, path: str, content: bytes) -> None:
        """Raises StoppedError."""
        del path, content
        self._refuse()

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, None if there is none. Raises StorageError."""
        with storage_errors(path):
            return read_file(self._root / path)

    def size(self, path: str) -> int | None:
        """Length of a file in bytes, None if there is none. Raises StorageError."""
        with storage_errors(path):
            try:
                return (self._root / path).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    @staticmethod
    def _refuse() -> NoReturn:
        raise StoppedError("published files", expected="the sequencer", got="a front end")
