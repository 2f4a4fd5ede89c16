"""Rules about whether the programs of an image can be read, by a person and by the other rules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from verifier.appraisal.image.scanned import ScannedImage, text_of
from verifier.release.newc import CpioEntry

__all__ = ["source"]

# Source: PEP 3147, PEP 488 (names of byte code); PEP 552 (its header); PEP 263 (encodings).
_CACHED = re.compile(r"(?P<folder>(?:.*/)?)__pycache__/(?P<name>[^/]+?)\.[^./]+(?:\.opt-\w+)?\.pyc")
_BYTE_CODE = (".pyc", ".pyo")
_MAGIC_NUMBERS = range(3000, 5000)  # of Python 3, followed by a carriage return and a newline
_MAX_FLAGS = 3
_ENCODING = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*(?P<name>[-\w.]+)")
_READABLE = ("ascii", "us-ascii", "utf-8", "utf8")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_ARCHIVE_START, _ARCHIVE_END = b"PK\x03\x04", b"PK\x05\x06"  # PKWARE, APPNOTE.TXT, 4.3
_MAX_ARCHIVE_END = 22 + 0xFFFF  # bytes: the record with its comment


def source(image: ScannedImage) -> Iterator[str]:
    """ATK-074: byte code without its source, archives of modules, and source in a cipher."""
    files = {entry.name for entry in image.entries if entry.is_file}
    for entry in image.entries:
        if not entry.is_file:
            continue
        if _is_byte_code(entry):
            if _origin(entry.name) not in files:
                yield f"{entry.name}: byte code, and its source is not beside it"
        elif _is_archive(entry.content):
            yield f"{entry.name}: an archive, so that what is in it is not seen"
        elif entry.name.endswith(".py") or entry.content.startswith(b"#!"):
            yield from _unreadable(entry)


def _is_byte_code(entry: CpioEntry) -> bool:
    raw = entry.content
    return entry.name.endswith(_BYTE_CODE) or (
        int.from_bytes(raw[:2], "little") in _MAGIC_NUMBERS
        and raw[2:4] == b"\r\n"
        and int.from_bytes(raw[4:8], "little") <= _MAX_FLAGS
    )


def _origin(path: str) -> str:
    """Where the source of byte code would be; empty where byte code is none by its name."""
    found = _CACHED.fullmatch(path)
    if found is not None:
        return f"{found['folder']}{found['name']}.py"
    return path[:-1] if path.endswith(_BYTE_CODE) else ""


def _is_archive(raw: bytes) -> bool:
    return raw.startswith(_ARCHIVE_START) or _ARCHIVE_END in raw[-_MAX_ARCHIVE_END:]


def _unreadable(entry: CpioEntry) -> Iterator[str]:
    if text_of(entry.content) is None:
        yield f"{entry.name}: a program that is no plain text"
        return
    for line in _LINE_END.split(entry.content, 2)[:2]:
        found = _ENCODING.match(line)
        if found is None:
            continue
        name = found["name"].decode("ascii")
        if name.lower().replace("_", "-") not in _READABLE:
            yield f"{entry.name}: a program in the encoding {name}"
        return
