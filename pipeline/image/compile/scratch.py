"""The folder that a compilation works in: room for it, its end, and what is read out of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from verifier.errors import FetchError, ParseError

__all__ = ["read_output", "require_space", "scratch_folder"]

_OUTPUT_MAX = 64 * 1024 * 1024  # bytes of one output
_PREFIX = ".compile-"


def require_space(parent: Path, needed: int) -> None:
    """Raise FetchError unless ``needed`` bytes are free in the file system of ``parent``."""
    there = next(path for path in (parent, *parent.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        expected, got = f"{needed} bytes free, to compile in", f"{free} bytes"
        raise FetchError(str(parent), expected=expected, got=got)


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder below ``parent``, gone after the block.

    Raises FetchError for it and for whatever cannot be written in the block.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as name:
            yield Path(name).resolve()
    except OSError as error:
        what, got = str(error.filename or parent), error.strerror or type(error).__name__
        raise FetchError(what, expected="a place to compile in", got=got) from None


def read_output(path: Path) -> bytes:
    """What a step has written: a file of 1 byte to 64 MiB, and no link.

    Raises ParseError for another size or kind, OSError for what is not there or is a link.
    """
    # Without waiting: nobody may ever write into a pipe.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ParseError(f"output {path.name}", expected="a file", got="another thing")
        content = file.read(_OUTPUT_MAX + 1)
    if not 0 < len(content) <= _OUTPUT_MAX:
        expected = f"1 to {_OUTPUT_MAX} bytes"
        raise ParseError(f"output {path.name}", expected=expected, got=f"{len(content)} bytes")
    return content
