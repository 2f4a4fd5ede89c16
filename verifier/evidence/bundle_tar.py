"""A bundle as one file: the deterministic tar of its folder.

Source: POSIX.1-1988 ustar. Of all the tars that hold the same files exactly one is read: names in
byte order, mode 0644, owner 0 without a name, time 0, two zero blocks at the end and nothing
after them. So one bundle has one digest as a file too, and nothing can hide in a header.
"""

from __future__ import annotations

from collections.abc import Mapping

from verifier.errors import ParseError
from verifier.evidence.bundle import MAX_FILES, MAX_MEMBER
from verifier.tlog.strict import excerpt, parse_octal, parse_utf8

__all__ = ["MAX_TAR", "encode_bundle_tar", "parse_bundle_tar"]

MAX_TAR = 64 * 1024 * 1024 + 1024 * 1024
"""Most bytes of a tar that is read."""

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_NAME_SIZE = 100
_WHAT = "bundle tar"


def encode_bundle_tar(files: Mapping[str, bytes]) -> bytes:
    """The tar of ``files`` by relative path.

    ValueError for a path of more than 100 bytes, or that is not ASCII.
    """
    parts: list[bytes] = []
    for path, content in sorted(files.items()):
        parts += [_header(path.encode("ascii"), len(content)), content, _padding(len(content))]
    return b"".join(parts) + _END


def parse_bundle_tar(raw: bytes) -> dict[str, bytes]:
    """Read the files of a tar by their path. Raises ParseError for anything but the one form."""
    if len(raw) > MAX_TAR:
        raise ParseError(_WHAT, expected=f"at most {MAX_TAR} bytes", got=f"{len(raw)} bytes")
    files: dict[str, bytes] = {}
    place, last = 0, ""
    # The rest is only looked at where it has the right size: to copy it each time is quadratic.
    while len(raw) - place != len(_END) or raw[place:] != _END:
        if len(files) == MAX_FILES:
            raise ParseError(_WHAT, expected=f"at most {MAX_FILES} files", got="more")
        path, content = _read_file(raw, place)
        if path <= last:
            raise ParseError(_WHAT, expected=f"a name after {last}", got=excerpt(path))
        files[path] = content
        place, last = place + _BLOCK + len(content) + len(_padding(len(content))), path
    return files


def _read_file(raw: bytes, place: int) -> tuple[str, bytes]:
    header = raw[place : place + _BLOCK]
    what = f"{_WHAT}, header at byte {place}"
    name = header[:_NAME_SIZE].rstrip(b"\0")
    size = parse_octal(parse_utf8(header[124:135], what=what), what=f"{what}, size")
    # The whole header follows from name and size: any other header says something else as well.
    if size > MAX_MEMBER or not name.isascii() or not name or header != _header(name, size):
        raise ParseError(what, expected="the header of a plain file", got=excerpt(header[:32]))
    start = place + _BLOCK
    end = start + size + len(_padding(size))
    if raw[start + size : end] != _padding(size):
        raise ParseError(what, expected=f"{size} bytes and zeros", got="another end")
    return name.decode("ascii"), raw[start : start + size]


def _header(name: bytes, size: int) -> bytes:
    if len(name) > _NAME_SIZE:
        raise ValueError(f"a name of {len(name)} bytes, not of at most {_NAME_SIZE}")
    fixed = b"0000644\x000000000\x000000000\x00"  # mode, owner, group
    before = name.ljust(_NAME_SIZE, b"\0") + fixed + b"%011o\x00%011o\x00" % (size, 0)
    after = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\x000000000\x00" + bytes(167)
    checksum = sum(before) + 8 * 0x20 + sum(after)
    return before + b"%06o\x00 " % checksum + after


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)
