"""The files of the command line: read up to a limit, written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click

from verifier import files
from verifier.errors import FetchError
from verifier.evidence.bundle import MAX_MEMBER

__all__ = [
    "UnusableFileError",
    "cache_folder",
    "make_folder",
    "read_bundle",
    "read_file",
    "replace_file",
    "write_directory",
    "write_file",
]


def cache_folder(name: str) -> Path:
    """Where what can be fetched again is kept on this machine; it may not exist yet."""
    # XDG Base Directory Specification: an unset, empty or relative value means the default.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "cvm-audit" / name


def read_file(path: Path, *, limit: int = MAX_MEMBER) -> bytes:
    """Read a file of at most ``limit`` bytes.

    Raises ParseError for a longer one, UnusableFileError (exit 2) if it cannot be read.
    """
    try:
        return files.read_file(path, limit=limit)
    except FetchError as error:
        raise _unread(error) from None


def read_bundle(path: Path) -> dict[str, bytes | None] | bytes:
    """Read a bundle: what a folder holds, or the bytes of a tar. UnusableFileError, ParseError."""
    try:
        return files.read_bundle(path)
    except FetchError as error:
        raise _unread(error) from None


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


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there. Raises UnusableFileError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from None


def replace_file(path: Path, data: bytes) -> None:
    """Write a file of ours whole, over an older one if there is one, or change nothing."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise _unusable(path, error) from None


def write_directory(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write a new folder with ``contents`` by relative path, whole, or leave nothing."""
    if folder.exists():
        raise _unusable(folder, FileExistsError(errno.EEXIST, "it exists already"))
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    try:
        for name, data in contents.items():
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


def _unread(error: FetchError) -> UnusableFileError:
    return UnusableFileError(f"{error.what}: {error.got}")


def _unusable(path: Path, error: OSError) -> UnusableFileError:
    return UnusableFileError(f"{path}: {error.strerror or type(error).__name__}")
