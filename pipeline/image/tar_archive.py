"""Reads a tar as ``dpkg-deb`` writes it: ustar headers, and GNU records for long names.

Strict, because what two readers see differently is where things hide: every checksum, size and
padding must be right, and a record that is not known is refused. Nothing is written to disk.
Source: POSIX.1-1988 ustar; GNU tar manual, "Basic Tar Format" (types ``L`` and ``K``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verifier.errors import ParseError, UnsupportedError
from verifier.tlog.strict import excerpt, parse_octal, parse_utf8

__all__ = ["DIRECTORY", "FILE", "HARD_LINK", "SYMBOLIC_LINK", "TarMember", "read_tar"]

FILE, HARD_LINK, SYMBOLIC_LINK, DIRECTORY = "file", "hard link", "symbolic link", "directory"

_BLOCK = 512
_NAME_MAX = 4096
_KINDS = {b"0": FILE, b"\0": FILE, b"1": HARD_LINK, b"2": SYMBOLIC_LINK, b"5": DIRECTORY}
_LONG_NAME, _LONG_TARGET = b"L", b"K"


@dataclass(frozen=True, slots=True)
class TarMember:
    """``target`` is of links only; ``content`` of files only, and a view into the archive.

    ``mode`` holds the permission bits.
    """

    name: str
    kind: str
    mode: int
    target: str
    content: memoryview


def read_tar(raw: bytes, *, what: str) -> Iterator[TarMember]:
    """Read the members in their order; ``what`` names the archive in errors.

    Raises ParseError for a broken archive, UnsupportedError for a device, a sparse file and the
    like. An archive ends with two zero blocks, after which only zeros may follow.
    """
    view = memoryview(raw)
    place, long_name, long_target = 0, "", ""
    while True:
        header = raw[place : place + _BLOCK]
        if len(header) < _BLOCK:
            raise ParseError(f"{what}, byte {place}", expected="a header", got="the end")
        if not any(header):
            break
        where = f"{what}, header at byte {place}"
        size = _check_header(header, where)
        content = view[place + _BLOCK : place + _BLOCK + size]
        place += _BLOCK + size + -size % _BLOCK
        if place > len(raw):
            raise ParseError(where, expected=f"{size} bytes of content", got="the end")
        kind = header[156:157]
        if kind == _LONG_NAME:
            long_name = _long(content, where)
        elif kind == _LONG_TARGET:
            long_target = _long(content, where)
        else:
            yield _member(header, content, long_name, long_target, where)
            long_name = long_target = ""
    if any(raw[place:]) or len(raw) - place < 2 * _BLOCK or long_name or long_target:
        raise ParseError(f"{what}, byte {place}", expected="two zero blocks", got="another end")


def _check_header(header: bytes, where: str) -> int:
    expected = sum(header[:148]) + 8 * 0x20 + sum(header[156:])
    stored = _number(header[148:156], f"{where}, checksum")
    if stored != expected:
        raise ParseError(f"{where}, checksum", expected=str(expected), got=str(stored))
    if header[257:262] != b"ustar":
        raise ParseError(where, expected="ustar", got=excerpt(header[257:265]))
    return _number(header[124:136], f"{where}, size")


def _member(
    header: bytes, content: memoryview, long_name: str, long_target: str, where: str
) -> TarMember:
    kind = _KINDS.get(header[156:157])
    if kind is None:
        expected = "a file, a directory or a link"
        raise UnsupportedError(where, expected=expected, got=f"type {header[156:157]!r}")
    name = long_name or _text(header[:100], f"{where}, name")
    # The prefix of POSIX; GNU writes another thing there, with a magic of its own.
    if header[257:263] == b"ustar\0" and header[345] and not long_name:
        name = _text(header[345:500], f"{where}, prefix") + "/" + name
    if kind != FILE and len(content):
        raise ParseError(where, expected=f"a {kind} without content", got=f"{len(content)} bytes")
    target = long_target or _text(header[157:257], f"{where}, link target")
    mode = _number(header[100:108], f"{where}, mode") & 0o7777
    return TarMember(name, kind, mode, target, content)


def _number(field: bytes, what: str) -> int:
    return parse_octal(parse_utf8(field.rstrip(b"\0 "), what=what), what=what)


def _text(field: bytes, what: str) -> str:
    return parse_utf8(field.split(b"\0", 1)[0], what=what)


def _long(content: memoryview, where: str) -> str:
    if len(content) > _NAME_MAX:
        raise ParseError(where, expected=f"a name of at most {_NAME_MAX} bytes", got="a longer one")
    return parse_utf8(bytes(content).rstrip(b"\0"), what=where)
