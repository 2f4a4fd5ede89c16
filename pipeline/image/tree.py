"""The file tree of the guest before it becomes an archive: checked, and the same for everyone.

Paths are relative, without a leading ``./``. Directories are made as they are needed, with mode
0755; files have 0644 or 0755; everything belongs to root; nothing has a time. Directories that
Debian has merged into ``usr`` are links, and what is put below them goes to where they lead.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from verifier.errors import ParseError
from verifier.tlog.strict import excerpt

__all__ = ["Device", "Directory", "File", "Node", "Symlink", "Tree", "check_path"]

_COMPONENT = re.compile(r"[A-Za-z0-9_+.,@=~-]{1,255}", re.ASCII)
_MERGED = ("bin", "lib", "lib64", "sbin")
_LINKS_MAX = 40  # as the kernel follows, path_resolution(7)


@dataclass(frozen=True, slots=True)
class File:
    """A regular file."""

    content: bytes
    executable: bool


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link; ``target`` as it is stored."""

    target: str


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory, mode 0755."""


@dataclass(frozen=True, slots=True)
class Device:
    """A character device; ``mode`` is 0600 or 0666."""

    major: int
    minor: int
    mode: Literal["0600", "0666"]


Node = File | Symlink | Directory | Device


def check_path(path: str, *, what: str) -> str:
    """The path without ``./`` before it and ``/`` behind it.

    Raises ParseError for a path that is absolute, leaves the tree, or has a character beside
    ``A-Z a-z 0-9 _ + . , @ = ~ -`` in a component: a newline among others.
    """
    parts = path.removeprefix("./").removesuffix("/").split("/")
    for part in parts:
        if part in (".", "..") or _COMPONENT.fullmatch(part) is None:
            expected = "a path inside the tree, of plain characters"
            raise ParseError(what, expected=expected, got=excerpt(path))
    return "/".join(parts)


class Tree:
    """Nodes by path. Two different things at one path are an error, never the later one."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def add(self, path: str, node: Node, *, what: str) -> None:
        """Put ``node`` at ``path``; ``what`` names the input in errors. Raises ParseError."""
        path = _merged(check_path(path, what=f"{what}, path"))
        parent = posixpath.dirname(path)
        if parent:
            self.add(parent, Directory(), what=what)
        present = self._nodes.setdefault(path, node)
        if present != node:
            got = "another content" if type(present) is type(node) else "another kind of file"
            raise ParseError(f"{what}, {path}", expected="what is there already", got=got)

    def files(self) -> tuple[str, ...]:
        """The paths of all nodes that are no directories."""
        return tuple(path for path, node in self._nodes.items() if node != Directory())

    def remove(self, paths: Iterable[str]) -> None:
        """Take files and links out again, and directories that are empty without them."""
        for path in paths:
            del self._nodes[path]
            parent = posixpath.dirname(path)
            while parent and not any(other.startswith(f"{parent}/") for other in self._nodes):
                del self._nodes[parent]
                parent = posixpath.dirname(parent)

    def finished(self) -> Mapping[str, Node]:
        """All nodes in the byte order of their paths, with the links from ``lib`` and its kin.

        Raises ParseError for a symbolic link that leaves the tree, leads nowhere or to itself.
        """
        for name in _MERGED:
            if f"usr/{name}" in self._nodes:
                self.add(name, Symlink(f"usr/{name}"), what="merged directories")
        for path, node in self._nodes.items():
            if isinstance(node, Symlink):
                self._follow(path, node)
        return dict(sorted(self._nodes.items()))

    def _follow(self, path: str, link: Symlink) -> None:
        what = f"symbolic link {path}"
        place, node = path, self._nodes[path]
        for _ in range(_LINKS_MAX):
            if not isinstance(node, Symlink):
                return
            if node.target.startswith("/"):
                expected = "a relative target"
                raise ParseError(what, expected=expected, got=excerpt(node.target))
            place = posixpath.normpath(posixpath.join(posixpath.dirname(place), node.target))
            if place.split("/")[0] == "..":
                expected = "a target inside the tree"
                raise ParseError(what, expected=expected, got=excerpt(link.target))
            place = _merged(place)
            if place not in self._nodes:
                expected = "a target that is there"
                raise ParseError(what, expected=expected, got=excerpt(link.target))
            node = self._nodes[place]
        raise ParseError(what, expected="a target", got="a circle of links")


def _merged(path: str) -> str:
    return f"usr/{path}" if path.split("/", maxsplit=1)[0] in _MERGED and "/" in path else path
