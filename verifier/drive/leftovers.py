"""What a drive leaves that was killed: its folder, which the next drive of the same user removes.

A folder is in use as long as somebody holds the lock on its claim; the kernel lets go of a lock
when its holder ends, however it ends (flock(2)).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PREFIX", "claimed", "sweep"]

PREFIX = "cvm-audit-"
"""How the names of such folders begin."""

_CLAIM = "claim"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for the block. Raises OSError."""
    made = folder / f"{_CLAIM}.new"
    descriptor = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        made.rename(folder / _CLAIM)  # only now can anybody look for the lock
        yield
    finally:
        os.close(descriptor)


def sweep(place: Path) -> None:
    """Remove our own folders in ``place`` whose claim nobody holds; what cannot be is left."""
    for folder in place.glob(f"{PREFIX}*"):
        try:
            _remove_unclaimed(folder)
        except OSError:
            continue  # it is in use, or somebody else's, or removed by another drive meanwhile


def _remove_unclaimed(folder: Path) -> None:
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
        return
    descriptor = os.open(folder / _CLAIM, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)
