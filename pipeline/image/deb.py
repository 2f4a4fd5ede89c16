"""Reads a Debian package without dpkg, and without running anything of it.

A package is an ``ar`` archive of exactly ``debian-binary``, ``control.tar.xz`` and
``data.tar.xz``. Source: deb(5), "FORMAT"; deb822(5) for the control file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.image.compression import decompress_xz
from pipeline.image.lock import Input
from pipeline.image.tar_archive import FILE, TarMember, read_tar
from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.tlog.strict import excerpt, parse_decimal, parse_utf8

__all__ = ["Package", "parse_deb", "read_members"]

_MAGIC = b"!<arch>\n"
_HEADER = 60
_CONTROL_MAX = 16 * 1024 * 1024
_CONTENT_MAX = 1024 * 1024 * 1024
_MEMBERS = ("debian-binary", "control.tar.xz", "data.tar.xz")
_FIELD = re.compile(r"^(Package|Version|Architecture): (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """What a package says that it is, and its files as an uncompressed tar."""

    name: str
    version: str
    architecture: str
    content: bytes


def parse_deb(raw: bytes, *, what: str) -> Package:
    """Read a package. ``what`` names it in errors.

    Raises ParseError for a broken one, UnsupportedError for another format version or compression.
    """
    members = _ar_members(raw, what)
    if members["debian-binary"] != b"2.0\n":
        got = excerpt(members["debian-binary"])
        raise UnsupportedError(f"{what}, debian-binary", expected="2.0", got=got)
    control = decompress_xz(
        members["control.tar.xz"], limit=_CONTROL_MAX, what=f"{what}, control.tar.xz"
    )
    content = decompress_xz(members["data.tar.xz"], limit=_CONTENT_MAX, what=f"{what}, data.tar.xz")
    fields = _control_fields(control, what)
    return Package(fields["Package"], fields["Version"], fields["Architecture"], content)


def read_members(raw: bytes, item: Input) -> tuple[TarMember, ...]:
    """The files of a package that the lock pins; also VerificationError if it is another one."""
    package = parse_deb(raw, what=str(item))
    said = f"{package.name} {package.version} {package.architecture}"
    locked = f"{item.name} {item.version} {item.architecture}"
    if said != locked:
        raise VerificationError(f"{item}, control", expected=locked, got=said)
    return tuple(read_tar(package.content, what=f"{item}, data.tar"))


def _ar_members(raw: bytes, what: str) -> dict[str, bytes]:
    if not raw.startswith(_MAGIC):
        raise ParseError(what, expected="a Debian package", got=excerpt(raw[: len(_MAGIC)]))
    members: dict[str, bytes] = {}
    place = len(_MAGIC)
    for expected in _MEMBERS:
        name, size = _ar_header(raw, place, what)
        if name != expected:
            kind = UnsupportedError if name.startswith(expected.split(".")[0]) else ParseError
            raise kind(f"{what}, member at byte {place}", expected=expected, got=excerpt(name))
        start = place + _HEADER
        members[name] = raw[start : start + size]
        if len(members[name]) != size:
            got = f"{len(members[name])} bytes: it is cut off"
            raise ParseError(f"{what}, {name}", expected=f"{size} bytes", got=got)
        place = start + size + size % 2
    if place != len(raw):
        got = f"{len(raw) - place} bytes"
        raise ParseError(f"{what}, after {_MEMBERS[-1]}", expected="the end", got=got)
    return members


def _ar_header(raw: bytes, place: int, what: str) -> tuple[str, int]:
    where = f"{what}, member at byte {place}"
    header = raw[place : place + _HEADER]
    if len(header) < _HEADER or header[58:] != b"`\n":
        raise ParseError(where, expected="an ar header", got=excerpt(header))
    name = parse_utf8(header[:16], what=where).rstrip(" ").removesuffix("/")
    size = parse_utf8(header[48:58], what=where).rstrip(" ")
    return name, parse_decimal(size, what=f"{where}, size", maximum=_CONTENT_MAX)


def _control_fields(control: bytes, what: str) -> dict[str, str]:
    where = f"{what}, control"
    for member in read_tar(control, what=f"{what}, control.tar"):
        if member.name == "./control" and member.kind == FILE:
            found = _FIELD.findall(parse_utf8(bytes(member.content), what=where))
            fields = dict(found)
            if len(found) != 3 or len(fields) != 3:
                expected = "Package, Version and Architecture, each once"
                raise ParseError(where, expected=expected, got=", ".join(sorted(fields)))
            return fields
    raise ParseError(where, expected="./control", got="it is missing")
