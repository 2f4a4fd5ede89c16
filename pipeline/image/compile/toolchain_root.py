"""Unpacks the toolchain: pinned packages into a folder, by our own readers, running none of them.

What comes out is the root of the sandbox. As the folder is on a machine that matters, nothing is
written through a link, and no path leaves the folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.image.compile.recipe import LINKS, UNNEEDED
from pipeline.image.deb import read_members
from pipeline.image.lock import Input
from pipeline.image.tar_archive import DIRECTORY, FILE, HARD_LINK, TarMember
from verifier.errors import ParseError
from verifier.tlog.strict import excerpt

__all__ = ["unpack_toolchain"]

_Read = Callable[[Input], bytes]

_MERGED = ("bin", "lib", "lib64", "sbin")
_MOUNT_POINTS = ("build", "dev", "tmp")


def unpack_toolchain(items: Sequence[Input], read: _Read, folder: Path) -> None:
    """Make the root of the sandbox in the empty ``folder``; ``read`` gives the bytes of an input.

    Raises ParseError for a path that leaves the tree, that two packages have or that lies below a
    link; what ``read`` and the readers of packages raise; OSError where it cannot be written.
    """
    root = _Root(folder)
    for name in (*(f"usr/{name}" for name in _MERGED), *_MOUNT_POINTS):
        root.make_folder(name, what="toolchain")
    for name in _MERGED:
        root.link(name, f"usr/{name}", what="toolchain")
    for item in items:
        for member in read_members(read(item), item):
            root.add(member, what=str(item))
    for name, target in LINKS.items():
        root.link(name, target, what="toolchain")


class _Root:
    """A tree on disk that knows what it has written: path to kind, or to the target of a link."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kinds = {"": DIRECTORY}

    def add(self, member: TarMember, *, what: str) -> None:
        path = _inside(member.name, what)
        if f"{path}/".startswith(UNNEEDED):
            return
        if member.kind == DIRECTORY:
            if self._kinds.get(path) != _link_to(f"usr/{path}"):
                self.make_folder(path, what=what)
        elif member.kind == FILE:
            self._write(path, member.content, bool(member.mode & 0o111), what)
        elif member.kind == HARD_LINK:
            self._link_file(path, _inside(member.target, what), what)
        else:
            self.link(path, member.target, what=what)

    def make_folder(self, path: str, *, what: str) -> None:
        for end in (place for place, letter in enumerate(f"{path}/") if letter == "/"):
            name = path[:end]
            if name not in self._kinds:
                (self._folder / name).mkdir()
                (self._folder / name).chmod(0o755)  # whatever the umask
                self._kinds[name] = DIRECTORY
            elif self._kinds[name] != DIRECTORY:
                got = f"a {self._kinds[name]}"
                raise ParseError(f"{what}, {name}", expected="a directory", got=got)

    def link(self, path: str, target: str, *, what: str) -> None:
        if self._kinds.get(path) == _link_to(target):
            return
        self._claim(path, _link_to(target), what)
        (self._folder / path).symlink_to(target)

    def _write(self, path: str, content: memoryview, executable: bool, what: str) -> None:
        self._claim(path, FILE, what)
        with (self._folder / path).open("xb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o755 if executable else 0o644)

    def _link_file(self, path: str, target: str, what: str) -> None:
        if self._kinds.get(target) != FILE:
            raise ParseError(f"{what}, {path}", expected="a link to a file", got=excerpt(target))
        self._claim(path, FILE, what)
        (self._folder / path).hardlink_to(self._folder / target)

    def _claim(self, path: str, kind: str, what: str) -> None:
        self.make_folder(path.rpartition("/")[0], what=what)
        if path in self._kinds:
            got = f"a {self._kinds[path]}"
            raise ParseError(f"{what}, {path}", expected="nothing of that name", got=got)
        self._kinds[path] = kind


def _link_to(target: str) -> str:
    return f"symbolic link to {target}"


def _inside(name: str, what: str) -> str:
    """The path below the root, with ``usr/`` before what Debian has merged into it."""
    path = name.removeprefix("./").removesuffix("/")
    parts = path.split("/")
    if path and (not {"", ".", ".."}.isdisjoint(parts) or not path.isprintable()):
        raise ParseError(f"{what}, path", expected="a path inside the tree", got=excerpt(name))
    return f"usr/{path}" if parts[0] in _MERGED and len(parts) > 1 else path
