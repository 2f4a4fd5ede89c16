"""Reads an initrd: one uncompressed cpio archive of the newc kind, strictly.

The kernel unpacks more than this: several archives one after another, compressed ones among them,
and names that climb out of the tree. What a person reads must be what the kernel unpacks, so an
archive is refused here unless it is exactly one, and nothing follows its end but zeros.

Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass

from verifier.errors import ParseError
from verifier.tlog.strict import excerpt, parse_hex, parse_utf8

__all__ = ["MAX_ENTRIES", "CpioEntry", "parse_newc"]

MAX_ENTRIES = 65_536
"""Most entries of an archive."""

_MAGIC = b"070701"
_FIELDS = (
    "ino",
    "mode",
    "uid",
    "gid",
    "nlink",
    "mtime",
    "filesize",
    "devmajor",
    "devminor",
    "rdevmajor",
    "rdevminor",
    "namesize",
    "check",
)
_HEADER_SIZE = len(_MAGIC) + 8 * len(_FIELDS)
_MAX_NAME = 4096
_TRAILER = "TRAILER!!!"
_TYPES = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK)


@dataclass(frozen=True, slots=True, kw_only=True)
class CpioEntry:
    """One entry. ``content`` is of a file its bytes, of a symbolic link its target, else empty.

    ``name`` is relative, with ``/`` between its parts, and without ``.`` or ``..``; ``mode`` holds
    type and permissions as in stat(2); ``device`` is (major, minor) of a device node.
    """

    name: str
    mode: int
    uid: int
    gid: int
    nlink: int
    mtime: int
    ino: int
    device: tuple[int, int]
    content: bytes

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)

    @property
    def is_device(self) -> bool:
        """Whether it is a character or block device."""
        return stat.S_ISCHR(self.mode) or stat.S_ISBLK(self.mode)

    @property
    def permissions(self) -> int:
        """The twelve lower bits of ``mode``."""
        return stat.S_IMODE(self.mode)


def parse_newc(raw: bytes) -> tuple[CpioEntry, ...]:
    """Read a whole archive, in its order.

    Raises ParseError for anything but one complete archive with distinct names, each below a
    directory that came before it.
    """
    entries: list[CpioEntry] = []
    kinds = {"": stat.S_IFDIR}
    place = 0
    while True:
        entry, place = _entry(raw, place)
        if entry.name == _TRAILER:
            break
        if len(entries) == MAX_ENTRIES:
            raise ParseError("cpio", expected=f"at most {MAX_ENTRIES} entries", got="more")
        _require_place(entry, kinds)
        kinds[entry.name] = stat.S_IFMT(entry.mode)
        entries.append(entry)
    if raw.count(0, place) != len(raw) - place:
        raise ParseError("cpio", expected="zeros after the trailer", got="other bytes")
    return tuple(entries)


def _entry(raw: bytes, place: int) -> tuple[CpioEntry, int]:
    what = f"cpio entry at byte {place}"
    header = raw[place : place + _HEADER_SIZE]
    if len(header) < _HEADER_SIZE or not header.startswith(_MAGIC):
        raise ParseError(what, expected=_MAGIC.decode(), got=excerpt(header[:6]))
    fields = _fields(header, what)
    start = place + _HEADER_SIZE
    name, start = _name(raw, start, fields["namesize"], what)
    size = fields["filesize"]
    content = raw[start : start + size]
    end = _aligned(start + size)
    _require_zeros(raw, start + size, end, what)
    if len(content) < size:
        raise ParseError(what, expected=f"{size} bytes of content", got=f"{len(content)}")
    entry = CpioEntry(
        name=name,
        mode=fields["mode"],
        uid=fields["uid"],
        gid=fields["gid"],
        nlink=fields["nlink"],
        mtime=fields["mtime"],
        ino=fields["ino"],
        device=(fields["rdevmajor"], fields["rdevminor"]),
        content=content,
    )
    _require_kind(entry, fields, what)
    return entry, end


def _fields(header: bytes, what: str) -> dict[str, int]:
    text = parse_utf8(header[len(_MAGIC) :], what=what).lower()  # both cases are in use
    raw = parse_hex(text, what=what, size=4 * len(_FIELDS))
    return {
        name: int.from_bytes(raw[4 * number : 4 * number + 4])
        for number, name in enumerate(_FIELDS)
    }


def _name(raw: bytes, start: int, size: int, what: str) -> tuple[str, int]:
    if not 2 <= size <= _MAX_NAME:
        raise ParseError(what, expected=f"a name of 1 to {_MAX_NAME - 1} bytes", got=str(size - 1))
    encoded = raw[start : start + size]
    if encoded.find(0) != size - 1:
        raise ParseError(what, expected="a NUL at the end of the name only", got=excerpt(encoded))
    name = parse_utf8(encoded[:-1], what=what)
    if not name.isprintable():
        raise ParseError(what, expected="a name of printable characters", got=excerpt(name))
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise ParseError(what, expected="a name within the tree", got=excerpt(name))
    end = _aligned(start + size)
    _require_zeros(raw, start + size, end, what)
    return name, end


def _aligned(place: int) -> int:
    return -(-place // 4) * 4


def _require_zeros(raw: bytes, start: int, end: int, what: str) -> None:
    if raw[start:end] != bytes(end - start):
        got = raw[start:end].hex() or "nothing"
        raise ParseError(what, expected=f"{end - start} zeros of padding", got=got)


def _require_kind(entry: CpioEntry, fields: dict[str, int], what: str) -> None:
    if fields["check"]:
        raise ParseError(what, expected="check 0", got=str(fields["check"]))
    if entry.name == _TRAILER:
        if entry.content:
            raise ParseError(what, expected="an empty trailer", got=f"{len(entry.content)} bytes")
        return
    if stat.S_IFMT(entry.mode) not in _TYPES:
        expected = "a file, directory, symbolic link or device"
        raise ParseError(f"{what}, {entry.name}", expected=expected, got=f"mode {entry.mode:o}")
    if entry.content and not (entry.is_file or entry.is_link):
        got = f"{len(entry.content)} bytes"
        raise ParseError(f"{what}, {entry.name}", expected="no content", got=got)
    if (entry.is_file or entry.is_device) and entry.nlink > 1:
        # Only one of the names says what is behind all of them.
        got = f"{entry.nlink} links"
        raise ParseError(f"{what}, {entry.name}", expected="a file with one name", got=got)
    if entry.is_link:
        _require_target(entry, f"{what}, {entry.name}")


def _require_target(entry: CpioEntry, what: str) -> None:
    # The kernel reads it up to a NUL, and leaves out a link whose target is longer than a path.
    target = parse_utf8(entry.content, what=what)
    if not target.isprintable() or not 0 < len(entry.content) <= _MAX_NAME:
        got = f"{len(entry.content)} bytes, {excerpt(entry.content)}"
        raise ParseError(what, expected="a printable path as the target of the link", got=got)


def _require_place(entry: CpioEntry, kinds: dict[str, int]) -> None:
    if entry.name in kinds:
        raise ParseError("cpio", expected="each name once", got=f"{excerpt(entry.name)} twice")
    parent = entry.name.rpartition("/")[0]
    if kinds.get(parent) != stat.S_IFDIR:
        expected = f"the directory {excerpt(parent)} before it"
        raise ParseError(f"cpio entry {entry.name}", expected=expected, got="another or none")
