"""Files that are either absent or whole, and on the disk when the call returns.

An error while writing or fsyncing is not survived by the caller: after a failed fsync the page
cache and the disk may disagree, and only a restart looks at the disk again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from log_server.errors import StorageError

__all__ = [
    "read_file",
    "replace_file",
    "storage_error",
    "storage_errors",
    "sync_folder",
    "write_new",
]


def write_new(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file that must not exist, and fsync it, not its directory. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        # A full disk makes write() short before it makes it fail.
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(target: Path, content: bytes, *, staged: Path) -> None:
    """Replace ``target`` in one step; ``staged`` is a free name on the same file system.

    Raises OSError.
    """
    write_new(staged, content)
    staged.rename(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(path: Path | str) -> bytes | None:
    """The bytes of a file, None if there is none. Raises OSError."""
    try:
        # Without a buffer: the size is asked for, and then everything is read at once.
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - every reader waits for this
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn OSError into StorageError about ``what``."""
    try:
        yield
    except OSError as error:
        raise storage_error(what, error) from error


def storage_error(what: str, error: OSError) -> StorageError:
    """The StorageError about ``what``."""
    got = error.strerror or str(error)
    return StorageError(what, expected="a durable write or a read", got=got)
