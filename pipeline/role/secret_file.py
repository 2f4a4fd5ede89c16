"""Private keys as files: read only if nobody but their owner may."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from verifier.errors import PolicyError

__all__ = ["read_secret"]

_WIDER_THAN_OWNER = 0o077


def read_secret(path: Path, *, limit: int) -> bytes:
    """The content of ``path``, at most ``limit`` bytes. Raises PolicyError, and OSError."""
    with path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode) or mode & _WIDER_THAN_OWNER:
            expected = "a regular file that only its owner can read (mode 0600)"
            raise PolicyError(str(path), expected=expected, got=stat.filemode(mode))
        content = file.read(limit + 1)
    if len(content) > limit:
        raise PolicyError(str(path), expected=f"at most {limit} bytes", got="more")
    return content
