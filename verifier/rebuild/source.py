"""The source tree of a rebuild: read once, digested, and laid out anew for each build.

What is digested is what is built: a build never sees the tree that was read, only a copy of
exactly the files that count. Source: design section 4, "Directory digests".
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

from verifier.errors import FetchError, ParseError
from verifier.release.directory_digest import (
    SOURCE_FOLDERS,
    SOURCE_PURPOSE,
    DirectoryFile,
    directory_digest,
    is_source,
)

__all__ = [
    "LOCK_PATH",
    "TOOLCHAIN_LOCK_PATH",
    "SourceFile",
    "SourceTree",
    "read_own_tree",
    "read_source_tree",
]

LOCK_PATH = "pipeline/image/inputs.lock"
TOOLCHAIN_LOCK_PATH = "pipeline/image/toolchain.lock"
"""Where a source tree has the lock of its inputs, and that of what it is compiled with."""

_MAX_FILES = 20_000
_MAX_SIZE = 256 * 1024 * 1024  # bytes of all files together


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the tree: relative path, whether it is executable, content."""

    path: str
    executable: bool
    content: bytes


@dataclass(frozen=True, slots=True)
class SourceTree:
    """Every file that counts, in the order of the paths."""

    files: tuple[SourceFile, ...]

    @property
    def sha256(self) -> bytes:
        """The source digest (32 bytes). Raises ParseError for paths that have none."""
        listed = (
            DirectoryFile(
                file.path, file.executable, len(file.content), sha256(file.content).digest()
            )
            for file in self.files
        )
        return directory_digest(listed, purpose=SOURCE_PURPOSE)

    @property
    def contents(self) -> tuple[bytes, ...]:
        """What is in the files, in their order."""
        return tuple(file.content for file in self.files)

    @property
    def lock(self) -> bytes:
        """The bytes of the lock of inputs. Raises ParseError where there is none."""
        return self._file(LOCK_PATH)

    @property
    def toolchain_lock(self) -> bytes:
        """The bytes of the lock of the toolchain. Raises ParseError where there is none."""
        return self._file(TOOLCHAIN_LOCK_PATH)

    def _file(self, path: str) -> bytes:
        found = next((file.content for file in self.files if file.path == path), None)
        if found is None:
            raise ParseError("source", expected=path, got="it is missing")
        return found

    def lay_out(self, folder: Path, *, backwards: bool) -> None:
        """Write the tree below the new ``folder``; ``backwards`` in the other order."""
        files = reversed(self.files) if backwards else self.files
        for file in files:
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
            path.chmod(0o755 if file.executable else 0o644)


def read_source_tree(root: Path) -> SourceTree:
    """Read the files of a source tree that count for its digest.

    Raises ParseError for a link or special file among them and beyond the limits of number and
    size, FetchError for what cannot be read, and for a folder that is no source tree.
    """
    files: list[SourceFile] = []
    left = _MAX_SIZE
    try:
        for path in _paths(root):
            name = path.relative_to(root).as_posix()
            file = _read(path, name, left)
            left -= len(file.content)
            files.append(file)
            if len(files) > _MAX_FILES:
                raise ParseError("source", expected=f"at most {_MAX_FILES} files", got="more")
    except OSError as error:
        what, got = str(error.filename or root), error.strerror or type(error).__name__
        raise FetchError(what, expected="source that can be read", got=got) from None
    if not files:
        expected = f"a source tree, with {' and '.join(SOURCE_FOLDERS)}"
        raise FetchError(str(root), expected=expected, got="neither is in it")
    return SourceTree(tuple(sorted(files, key=lambda file: file.path)))


def read_own_tree() -> SourceTree:
    """The tree that this program is part of. Raises FetchError if it is no source of an image."""
    root = Path(__file__).resolve().parents[2]
    try:
        tree = read_source_tree(root)
        tree.sha256, tree.lock  # noqa: B018 - a tree without them is no source
    except ParseError as error:
        raise FetchError("the tree of this program", expected="source", got=str(error)) from None
    return tree


def _paths(root: Path) -> Iterable[Path]:
    for folder in SOURCE_FOLDERS:
        if (root / folder).is_symlink():
            raise ParseError(f"source {folder}", expected="a directory", got="a symbolic link")
        if not (root / folder).exists():
            continue
        # Not by a glob, which says nothing of a folder that it may not read.
        for place, folders, files in os.walk(root / folder, onerror=_unreadable):
            for path in (Path(place) / name for name in (*folders, *files)):
                if is_source(path.relative_to(root).as_posix()) and (
                    path.is_symlink() or not path.is_dir()
                ):
                    yield path


def _unreadable(error: OSError) -> NoReturn:
    raise error


def _read(path: Path, name: str, left: int) -> SourceFile:
    state = path.lstat()
    if not stat.S_ISREG(state.st_mode):
        raise ParseError(f"source {name}", expected="a file", got="a link or a special file")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(left + 1)
    if len(content) > left:
        raise ParseError("source", expected=f"at most {_MAX_SIZE} bytes", got="more")
    return SourceFile(name, bool(state.st_mode & stat.S_IXUSR), content)
