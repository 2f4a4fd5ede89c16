"""Reads a Python wheel: the files that it would install, and the name that it claims.

Source: PyPA "Binary distribution format". A wheel is a zip; its SHA-256 is checked before it gets
here, and every member's CRC and size by ``zipfile``.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib

from pipeline.image.lock import Input
from verifier.errors import ParseError, UnsupportedError, VerificationError
from verifier.tlog.strict import first_repeated, parse_utf8

__all__ = ["read_wheel"]

_CONTENT_MAX = 256 * 1024 * 1024  # bytes of all members
_MEMBERS_MAX = 20_000
_FIELD = re.compile(r"^(Name|Version): (\S+)$", re.MULTILINE)


def read_wheel(raw: bytes, item: Input) -> dict[str, bytes]:
    """The files of a wheel by path, without its ``.dist-info``.

    Raises ParseError for a broken one, UnsupportedError for one that would install outside of its
    packages (``.data``), VerificationError if it is another one than the lock says.
    """
    what = str(item)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_members(members, what)
            files = {entry.filename: archive.read(entry) for entry in members}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ParseError(what, expected="a wheel", got=str(error)) from None
    _check_identity(files, item)
    return {name: content for name, content in files.items() if not _is_metadata(name)}


def _check_members(members: list[zipfile.ZipInfo], what: str) -> None:
    names = [entry.filename for entry in members]
    twice = first_repeated(names)
    if twice is not None:
        raise ParseError(what, expected="each member once", got=f"{twice!r} twice")
    if len(names) > _MEMBERS_MAX or sum(entry.file_size for entry in members) > _CONTENT_MAX:
        expected = f"at most {_MEMBERS_MAX} members and {_CONTENT_MAX} bytes"
        raise ParseError(what, expected=expected, got="more")
    for entry in members:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ParseError(f"{what}, {entry.filename!r}", expected="a file", got="another thing")
        if entry.filename.split("/")[0].endswith(".data"):
            expected = "files in packages only"
            raise UnsupportedError(what, expected=expected, got=entry.filename)


def _is_metadata(name: str) -> bool:
    return name.split("/", maxsplit=1)[0].endswith(".dist-info")


def _check_identity(files: dict[str, bytes], item: Input) -> None:
    found = [name for name in files if _is_metadata(name) and name.endswith("info/METADATA")]
    if len(found) != 1:
        raise ParseError(f"{item}, METADATA", expected="one", got=str(len(found)))
    text = parse_utf8(files[found[0]], what=f"{item}, METADATA")
    head = dict(_FIELD.findall(text.split("\n\n")[0]))
    name = re.sub(r"[-_.]+", "-", head.get("Name", "")).lower()  # as PyPA normalises names
    said = f"{name} {head.get('Version', '')}"
    if said != str(item):
        raise VerificationError(f"{item}, METADATA", expected=str(item), got=said)
