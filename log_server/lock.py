"""One program at a time may write a log."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from log_server.errors import LockedError, StorageError

__all__ = ["LogLock"]


class LogLock:
    """An exclusive advisory lock (flock) on a file; the kernel drops it when the program dies.

    Not for network file systems, which the database does not allow either.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises LockedError if another program has it, StorageError."""
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            got = error.strerror or "an error"
            raise StorageError(path.name, expected="a lock file", got=got) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            expected = "no other program"
            got = "a running server or publisher holds it"
            raise LockedError("lock of the log", expected=expected, got=got) from error

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)
