"""The files of the command line: read up to a limit, written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import click

from verifier.errors import ParseError
from verifier.evidence.bundle import MAX_MEMBER
from verifier.evidence.bundle_tar import MAX_TAR

__all__ = ["UnusableFileError", "read_bundle", "read_file", "write_directory", "write_file"]

_MAX_BUNDLE_FILES = 256
_MAX_BUNDLE_SIZE = 64 * 1024 * 1024  # bytes of all files together


def read_file(path: Path, *, limit: int = MAX_MEMBER) -> bytes:
    """Read a file of at most ``limit`` bytes.

    Raises ParseError for a longer one, UnusableFileError (exit 2) if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise _unusable(path, error) from None
    if len(data) > limit:
        raise ParseError(str(path), expected=f"at most {limit} bytes", got="more")
    return data


def read_bundle(path: Path) -> dict[str, bytes | None] | bytes:
    """Read a bundle: what a folder holds, or the bytes of a tar. UnusableFileError, ParseError."""
    return _read_folder(path) if path.is_dir() else read_file(path, limit=MAX_TAR)


def _read_folder(folder: Path) -> dict[str, bytes | None]:
    """Read every file below ``folder``, by its relative path with ``/``.

    None stands for what no bundle may hold, and the judge refuses by its name: a symbolic link or
    another special file, and what goes beyond the limits of size and count. Raises
    UnusableFileError if something cannot be read.
    """
    files: dict[str, bytes | None] = {}
    left = _MAX_BUNDLE_SIZE
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                continue
            name = path.relative_to(folder).as_posix()
            files[name] = _read_member(path, left)
            left -= len(files[name] or b"")
            if len(files) > _MAX_BUNDLE_FILES:
                files[name] = None
                break
    except OSError as error:
        raise _unusable(folder, error) from None
    return files


def _read_member(path: Path, left: int) -> bytes | None:
    if path.is_symlink() or not path.is_file():
        return None
    limit = min(left, MAX_MEMBER)
    with path.open("rb") as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def write_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a new file whole, or leave nothing.

    Refuses to overwrite (UnusableFileError).
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.link(partial, path)  # unlike a rename, this never replaces what is there
        finally:
            partial.unlink()
    except OSError as error:
        raise _unusable(path, error) from None


def write_directory(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder with ``files`` by relative path, whole, or leave nothing."""
    if folder.exists():
        raise _unusable(folder, FileExistsError(errno.EEXIST, "it exists already"))
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    try:
        for name, data in files.items():
            target = partial / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        partial.rename(folder)
    except OSError as error:
        raise _unusable(folder, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class UnusableFileError(click.ClickException):
    """A file that was named on the command line cannot be read or written."""

    exit_code = 2  # click's own says 1, which here is the code of a judgement


def _unusable(path: Path, error: OSError) -> UnusableFileError:
    return UnusableFileError(f"{path}: {error.strerror or type(error).__name__}")
