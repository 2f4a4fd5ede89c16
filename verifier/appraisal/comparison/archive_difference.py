"""Where two initrds differ: the path, and what of the entry (its header field, line or byte)."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from verifier.appraisal.comparison.difference import Difference, first_difference, of_place
from verifier.release.newc import CpioEntry

__all__ = ["archive_differences"]


def archive_differences(
    released: tuple[CpioEntry, ...], built: tuple[CpioEntry, ...]
) -> Iterator[Difference]:
    """Every path that differs, in the order of the released archive, then what came on top.

    If all entries are alike, then their order, which the measurement covers as well.
    """
    left, right = ({entry.name: entry for entry in side} for side in (released, built))
    for name, entry in left.items():
        if name in right:
            yield from of_place(name, _entry_differences(entry, right[name]))
        else:
            yield Difference(place=name, expected=_in_words(entry), got="no such path")
    for name, entry in right.items():
        if name not in left:
            yield Difference(place=name, expected="no such path", got=_in_words(entry))
    if left.keys() == right.keys():
        yield from _order(tuple(left), tuple(right))


def _order(released: tuple[str, ...], built: tuple[str, ...]) -> Iterator[Difference]:
    for number, (left, right) in enumerate(zip(released, built, strict=True), start=1):
        if left != right:
            yield Difference(place=f"entry {number} of {len(released)}", expected=left, got=right)
            return


def _entry_differences(released: CpioEntry, built: CpioEntry) -> Iterator[Difference]:
    for field, left, right in (
        ("kind", _kind(released), _kind(built)),
        ("mode", f"{released.permissions:04o}", f"{built.permissions:04o}"),
        ("uid", str(released.uid), str(built.uid)),
        ("gid", str(released.gid), str(built.gid)),
        ("mtime", str(released.mtime), str(built.mtime)),
        ("nlink", str(released.nlink), str(built.nlink)),
        ("device", _device(released), _device(built)),
    ):
        if left != right:
            yield Difference(place=f"header field {field}", expected=left, got=right)
    if released.is_link and built.is_link and released.content != built.content:
        left, right = (entry.content.decode("utf-8", "replace") for entry in (released, built))
        yield Difference(place="target of the link", expected=left, got=right)
        return
    found = first_difference(released.content, built.content)
    if found is not None:
        yield found
    if released.ino != built.ino:
        # Last: an entry that was added moves the numbers of all that follow.
        left, right = str(released.ino), str(built.ino)
        yield Difference(place="header field ino", expected=left, got=right)


def _in_words(entry: CpioEntry) -> str:
    size = f" of {len(entry.content)} bytes" if entry.is_file else ""
    return f"a {_kind(entry)}{size}, mode {entry.permissions:04o}"


def _kind(entry: CpioEntry) -> str:
    kinds = {
        stat.S_IFREG: "file",
        stat.S_IFDIR: "directory",
        stat.S_IFLNK: "symbolic link",
        stat.S_IFCHR: "character device",
        stat.S_IFBLK: "block device",
    }
    return kinds[stat.S_IFMT(entry.mode)]


def _device(entry: CpioEntry) -> str:
    major, minor = entry.device
    return f"{major}:{minor}"
