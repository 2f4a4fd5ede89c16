"""The inputs of a rebuild: what the lock names, held against what is at hand.

The build checks its inputs as well, but it is the source under audit. So each is held against
the lock here first, and a bundle is unpacked here: a build gets nothing else to see.
"""

from __future__ import annotations

import tarfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO

from verifier.appraisal.rebuild.rebuilt import InputState, LockedInput
from verifier.errors import FetchError, ParseError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, first_repeated, parse_utf8

__all__ = ["LockLine", "look_up", "parse_lock_lines", "unpack_bundle"]

_SCHEMA = "cvm-audit/image-lock/v1"
_MAX_LOCK = 1024 * 1024
_MAX_MEMBERS = 4096
_MAX_INPUT = 1024 * 1024 * 1024  # bytes of one input
_CHUNK = 1024 * 1024
_FOLDER = "sha256"


@dataclass(frozen=True, slots=True)
class LockLine:
    """One input of a lock. ``size`` is in bytes, ``path`` where an archive has it."""

    name: str
    version: str
    role: str
    path: str
    size: int
    sha256: bytes

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def parse_lock_lines(raw: bytes, *, what: str = "inputs.lock") -> tuple[LockLine, ...]:
    """Read the inputs of the lock ``what``. Raises ParseError. Source: docs/spec/image.md."""
    if len(raw) > _MAX_LOCK:
        raise ParseError(what, expected=f"at most {_MAX_LOCK} bytes", got="more")
    try:
        table = tomllib.loads(parse_utf8(raw, what=what))
    except tomllib.TOMLDecodeError as error:
        raise ParseError(what, expected="TOML", got=str(error)) from None
    document = JsonObject(table, what=what)
    document.choice("schema", (_SCHEMA,))
    lines = tuple(_line(item) for item in document.objects("input", minimum=1))
    twice = first_repeated(line.name for line in lines)
    if twice is not None:
        raise ParseError(f"{what}, {twice}", expected="one version", got="two")
    return lines


def _line(item: JsonObject) -> LockLine:
    # The other members say whence an input comes, which is the builder's.
    return LockLine(
        name=item.text("name"),
        version=item.text("version"),
        role=item.text("role"),
        path=item.text("path"),
        size=item.integer("size", minimum=1, maximum=_MAX_INPUT),
        sha256=item.hex("sha256", size=32),
    )


def look_up(lines: tuple[LockLine, ...], store: Path) -> tuple[LockedInput, ...]:
    """What the store (``sha256/<hex>``) has of each input. Raises FetchError."""
    return tuple(_looked_up(line, store / _FOLDER / line.sha256.hex()) for line in lines)


def _looked_up(line: LockLine, path: Path) -> LockedInput:
    try:
        with path.open("rb") as file:
            found = _digest(file)
    except FileNotFoundError:
        return LockedInput(name=str(line), sha256=line.sha256, state=InputState.MISSING, found=b"")
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise FetchError(str(path), expected="an input that can be read", got=got) from None
    state = InputState.INTACT if found == line.sha256 else InputState.ALTERED
    return LockedInput(name=str(line), sha256=line.sha256, state=state, found=found)


def _digest(file: IO[bytes]) -> bytes:
    state = sha256()
    while chunk := file.read(_CHUNK):
        state.update(chunk)
    return state.digest()


def unpack_bundle(bundle: Path, lines: tuple[LockLine, ...], store: Path) -> Mapping[bytes, bytes]:
    """Put every input that the bundle (tar) holds into ``store``, by what it is.

    A member counts for an input by its content, whatever it is called. Returns what a member has
    that is called by the digest or the file name of an input and is something else: the locked
    digest to the digest found. Raises ParseError for a broken tar, FetchError for what cannot be
    read or written.
    """
    wanted = {line.sha256: line for line in lines}
    called = {line.sha256.hex(): line.sha256 for line in lines}
    called |= {PurePosixPath(line.path).name: line.sha256 for line in lines}
    altered: dict[bytes, bytes] = {}
    try:
        with tarfile.open(bundle, "r:") as tar:  # not compressed: no bomb, no codec
            for number, member in enumerate(tar):
                _require_plain(member, number)
                content = tar.extractfile(member)
                if content is None:
                    continue
                found = _digest(content)
                if found in wanted:
                    content.seek(0)
                    _put(content, store / _FOLDER / found.hex())
                named = called.get(PurePosixPath(member.name).name)
                if named is not None and named != found:
                    altered[named] = found
    except (tarfile.TarError, ValueError, OverflowError) as error:  # tarfile raises all three
        raise ParseError(str(bundle), expected="a whole tar", got=str(error)) from None
    except OSError as error:
        what, got = str(error.filename or bundle), error.strerror or type(error).__name__
        raise FetchError(what, expected="a bundle that can be unpacked", got=got) from None
    return altered


def _require_plain(member: tarfile.TarInfo, number: int) -> None:
    if number >= _MAX_MEMBERS:
        raise ParseError("bundle of inputs", expected=f"at most {_MAX_MEMBERS} members", got="more")
    what = f"bundle of inputs, {excerpt(member.name)}"
    if not (member.isfile() or member.isdir()) or member.issparse():
        got = "a link, a special file or one with holes"
        raise ParseError(what, expected="a plain file", got=got)
    if not 0 <= member.size <= _MAX_INPUT:
        expected, got = f"0 to {_MAX_INPUT} bytes", f"{member.size}"
        raise ParseError(what, expected=expected, got=got)


def _put(content: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        while chunk := content.read(_CHUNK):
            file.write(chunk)
    partial.replace(path)
