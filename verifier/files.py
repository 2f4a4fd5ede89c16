"""What is judged, read from disk: one file, or a bundle as a folder or a tar."""

from __future__ import annotations

from pathlib import Path

from verifier.errors import FetchError, ParseError
from verifier.evidence.bundle import MAX_FILES, MAX_MEMBER
from verifier.evidence.bundle_tar import MAX_TAR

__all__ = ["read_bundle", "read_file"]

_MAX_BUNDLE_SIZE = 64 * 1024 * 1024  # bytes of all files together


def read_file(path: Path, *, limit: int = MAX_MEMBER) -> bytes:
    """Read a file of at most ``limit`` bytes.

    Raises ParseError for a longer one, FetchError if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _unread(path, error) from None
    if len(data) > limit:
        raise ParseError(str(path), expected=f"at most {limit} bytes", got="more")
    return data


def read_bundle(path: Path) -> dict[str, bytes | None] | bytes:
    """Read a bundle: what a folder holds, or the bytes of a tar. Raises FetchError, ParseError.

    Of a folder every file below it is read, by its relative path with ``/``. None stands for what
    no bundle may hold, and the judge refuses by its name: a symbolic link or another special file,
    and what goes beyond the limits of size and count.
    """
    if not path.is_dir():
        return read_file(path, limit=MAX_TAR)
    files: dict[str, bytes | None] = {}
    left = _MAX_BUNDLE_SIZE
    try:
        for each in sorted(path.rglob("*")):
            if each.is_dir() and not each.is_symlink():
                continue
            name = each.relative_to(path).as_posix()
            files[name] = _read_member(each, left)
            left -= len(files[name] or b"")
            if len(files) > MAX_FILES:
                files[name] = None
                break
    except OSError as error:
        raise _unread(path, error) from None
    return files


def _read_member(path: Path, left: int) -> bytes | None:
    if path.is_symlink() or not path.is_file():
        return None
    limit = min(left, MAX_MEMBER)
    with path.open("rb") as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def _unread(path: Path, error: OSError) -> FetchError:
    got = error.strerror or type(error).__name__
    return FetchError(str(path), expected="a file that can be read", got=got)
