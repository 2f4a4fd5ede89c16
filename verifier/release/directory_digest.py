"""One SHA-256 for a directory: path, mode, size and content of each of its files.

The digest is of ``cvm-audit:directory:v1:<purpose>``, a zero byte, the number of files (4 bytes,
big-endian), and for each file in the byte order of the paths: length of the path (2 bytes), path,
mode 0644 or 0755 (2 bytes), size (8 bytes), SHA-256 of the content (32 bytes). The purpose keeps a
digest of one thing from being taken for another's. Directories count by the files in them.
Source: design section 4; docs/spec/image.md, "Source digest".
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from verifier.errors import ParseError
from verifier.tlog.strict import excerpt

__all__ = [
    "SOURCE_FOLDERS",
    "SOURCE_PURPOSE",
    "DirectoryFile",
    "directory_digest",
    "is_source",
]

SOURCE_PURPOSE = "source"
SOURCE_FOLDERS = ("pipeline", "verifier")
"""The folders of the source tree that a source digest covers."""

_FILES_MAX = 100_000
_PATH_MAX = 4096
_HEAD = struct.Struct(">I")
_FILE = struct.Struct(">HQ32s")
_PATH_SIZE = struct.Struct(">H")
_PLAIN = re.compile(r"[!-.0-~][ -.0-~]*(?:/[!-.0-~][ -.0-~]*)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class DirectoryFile:
    """One file: ``path`` relative with ``/``; ``size`` in bytes; SHA-256 of the content."""

    path: str
    executable: bool
    size: int
    sha256: bytes


def directory_digest(files: Iterable[DirectoryFile], *, purpose: str) -> bytes:
    """The digest (32 bytes) of ``files``, whatever their order.

    Raises ParseError: no file, too many, a path twice, a path that is absolute, leaves the
    directory, is longer than 4096 bytes or holds anything but printable ASCII.
    """
    ordered = sorted(files, key=lambda file: file.path)
    if not 0 < len(ordered) <= _FILES_MAX:
        raise ParseError(purpose, expected=f"1 to {_FILES_MAX} files", got=str(len(ordered)))
    state = sha256(f"cvm-audit:directory:v1:{purpose}".encode("ascii") + b"\0")
    state.update(_HEAD.pack(len(ordered)))
    last = ""
    for file in ordered:
        _check_path(file.path, last, purpose)
        path = file.path.encode("ascii")
        mode = 0o755 if file.executable else 0o644
        state.update(_PATH_SIZE.pack(len(path)) + path + _FILE.pack(mode, file.size, file.sha256))
        last = file.path
    return state.digest()


def _check_path(path: str, last: str, purpose: str) -> None:
    what = f"{purpose}, path"
    if len(path) > _PATH_MAX or _PLAIN.fullmatch(path) is None:
        raise ParseError(what, expected="a relative path of printable ASCII", got=excerpt(path))
    if {".", ".."} & set(path.split("/")):
        raise ParseError(what, expected="a path inside the directory", got=excerpt(path))
    if path == last:
        raise ParseError(what, expected="each path once", got=excerpt(path))


def is_source(path: str) -> bool:
    """Whether a file of a source tree counts: below ``SOURCE_FOLDERS``, and no byte code."""
    parts = path.split("/")
    inside = len(parts) > 1 and parts[0] in SOURCE_FOLDERS
    return inside and "__pycache__" not in parts and not path.endswith(".pyc")
