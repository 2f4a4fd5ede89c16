"""Takes the files that the recipe names out of packages, wheels and our own source.

Nothing else of an input reaches the guest, and nothing of it is run. Source: recipe.py.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence

from pipeline.image.compression import decompress_xz
from pipeline.image.lock import Input
from pipeline.image.tar_archive import DIRECTORY, FILE, SYMBOLIC_LINK, TarMember
from pipeline.image.tree import File, Symlink, Tree
from verifier.errors import ParseError, UnsupportedError

__all__ = [
    "leave_out",
    "matching",
    "one_file",
    "take_kernel_modules",
    "take_members",
    "take_wheel",
]

_MODULE_MAX = 16 * 1024 * 1024  # bytes of one kernel module


def matching(paths: Sequence[str], pattern: str, *, what: str) -> tuple[str, ...]:
    """The paths that a pattern of the recipe names; see there for its form.

    Raises ParseError if there is none; ``what`` names the place that was searched.
    """
    if pattern.endswith("/"):
        found = tuple(path for path in paths if path.startswith(pattern))
    else:
        depth = pattern.count("/")
        found = tuple(
            path
            for path in paths
            if path.count("/") == depth and fnmatch.fnmatchcase(path, pattern)
        )
    if not found:
        raise ParseError(what, expected=pattern, got="nothing of that name")
    return found


def _by_path(members: Sequence[TarMember], what: str) -> dict[str, TarMember]:
    """Files and links by path, without ``./``. The same path twice is an error."""
    found: dict[str, TarMember] = {}
    for member in members:
        path = member.name.removeprefix("./")
        if member.kind == DIRECTORY:
            continue
        if path in found:
            raise ParseError(what, expected="each path once", got=f"{path!r} twice")
        found[path] = member
    return found


def take_members(
    tree: Tree, members: Sequence[TarMember], patterns: Sequence[str], *, item: Input
) -> None:
    """Put what ``patterns`` name into ``tree``.

    Raises ParseError: a pattern that matches nothing, a path that leaves the tree or collides;
    UnsupportedError for a hard link.
    """
    what = str(item)
    files = _by_path(members, what)
    for pattern in patterns:
        for path in matching(tuple(files), pattern, what=what):
            member = files[path]
            if member.kind == FILE:
                content = bytes(member.content)
                tree.add(path, File(content, bool(member.mode & 0o111)), what=what)
            elif member.kind == SYMBOLIC_LINK:
                tree.add(path, Symlink(member.target), what=what)
            else:
                expected = "a file or a symbolic link"
                raise UnsupportedError(f"{what}, {path}", expected=expected, got=member.kind)


def one_file(members: Sequence[TarMember], pattern: str, *, item: Input) -> bytes:
    """The content of the only file that ``pattern`` names. Raises ParseError for none or two."""
    files = _by_path(members, str(item))
    found = matching(tuple(files), pattern, what=str(item))
    if len(found) != 1 or files[found[0]].kind != FILE:
        raise ParseError(f"{item}, {pattern}", expected="one file", got=", ".join(found))
    return bytes(files[found[0]].content)


def take_kernel_modules(
    tree: Tree, members: Sequence[TarMember], names: Sequence[str], *, folder: str, item: Input
) -> None:
    """Put the modules below ``folder``, decompressed, numbered in the order in which they load."""
    for number, name in enumerate(names, start=1):
        packed = one_file(members, f"usr/lib/modules/*/kernel/{name}.ko.xz", item=item)
        content = decompress_xz(packed, limit=_MODULE_MAX, what=f"{item}, {name}.ko.xz")
        path = f"{folder}/{number:02}-{name.rpartition('/')[2]}.ko"
        tree.add(path, File(content, executable=False), what=str(item))


def take_wheel(tree: Tree, files: Mapping[str, bytes], *, folder: str, item: Input) -> None:
    """Put the files of a wheel below ``folder``."""
    for path, content in files.items():
        tree.add(f"{folder}/{path}", File(content, executable=False), what=str(item))


def leave_out(tree: Tree, patterns: Sequence[str]) -> None:
    """Remove what ``patterns`` name. Raises ParseError for a pattern that matches nothing."""
    for pattern in patterns:
        tree.remove(matching(tree.files(), pattern, what="left out"))
