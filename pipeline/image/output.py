"""Writes results whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from verifier.errors import FetchError

__all__ = ["new_file", "replace_file", "write_folder"]


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a new folder with ``files`` by name. Raises FetchError if it exists, or no space."""
    with _writing(folder):
        if folder.exists():
            raise FileExistsError(0, "it exists already")
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            for name, content in files.items():
                (partial / name).write_bytes(content)
            partial.chmod(0o755)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes ``path`` at the end. FetchError if ``path`` exists."""
    with _writing(path):
        if path.exists():
            raise FileExistsError(0, "it exists already")
        with _partial(path) as partial:
            yield partial


def replace_file(path: Path, content: bytes) -> None:
    """Write ``path`` in one step, whether it exists or not. Raises FetchError."""
    with _writing(path), _partial(path) as partial:
        partial.write_bytes(content)


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[Path]:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise FetchError(str(path), expected="a place to write to", got=got) from None
