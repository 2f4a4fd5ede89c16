"""The reserve of disk space below which a log takes no entry.

A disk that fills up in the middle of a commit has corrupted databases of logs for good (Sectigo
Mammoth2024h1). The log therefore stops taking entries while there is still room to finish what it
began, and goes on by itself when there is more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from log_server.durable import storage_errors
from log_server.errors import DiskSpaceError

__all__ = ["DISK_FLOOR", "DiskFloor", "free_bytes"]

DISK_FLOOR = 2**28
"""Bytes kept free unless told otherwise: more than the largest batch takes in all its places."""


def free_bytes(path: Path) -> int:
    """Bytes that an ordinary user may still write where ``path`` lies. Raises OSError.

    0 if the file system counts its files and has no free one left.
    """
    found = os.statvfs(path)
    if found.f_files and not found.f_favail:
        return 0
    return found.f_bavail * found.f_frsize


class DiskFloor:
    """Asked before every batch."""

    def __init__(
        self, *paths: Path, minimum: int, free: Callable[[Path], int] = free_bytes
    ) -> None:
        """Keep ``minimum`` bytes free on the file systems of ``paths``."""
        self._paths = paths
        self._minimum = minimum
        self._free = free

    def require(self) -> None:
        """Raises DiskSpaceError if less is free, StorageError if that cannot be found out."""
        for path in self._paths:
            with storage_errors(path.name):
                free = self._free(path)
            if free < self._minimum:
                raise DiskSpaceError(
                    "free disk space",
                    expected=f"at least {self._minimum} bytes",
                    got=f"{free} bytes",
                    hint="make room, or lower --disk-floor; what is in the log is not affected",
                )
