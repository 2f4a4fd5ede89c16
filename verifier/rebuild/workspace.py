"""The folder that a verb works in: its own, and nobody else's; removed unless it was asked for.

Two builds of one release in one folder resume: a build whose source, inputs, policy, environment
and outputs are still the same is not made again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path

from verifier.errors import FetchError, ParseError, PolicyError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, parse_json

__all__ = [
    "kept_build",
    "read_outputs",
    "record_build",
    "remove_folder",
    "require_space",
    "workspace",
]

_MAX_OUTPUTS = 64
_MAX_OUTPUT = 2 * 1024 * 1024 * 1024  # bytes of all files together
_MAX_RECORD = 65_536
_BLOCK = 4096  # bytes: the least that a file takes in most file systems
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
_TRIES, _PAUSE = 50, 0.1  # seconds


@contextlib.contextmanager
def workspace(asked: Path | None, *, of: str = "rebuild") -> Iterator[Path]:
    """A folder to work in: ``asked``, which stays, or a new one that is removed at the end.

    ``of`` names the verb, which marks its folder. Raises PolicyError for a folder that holds
    something else, that others can write to, or that another run works in; FetchError where none
    can be made.
    """
    mark = f".cvm-audit-{of}"
    if asked is None:
        with _own(of) as folder:
            yield folder
        return
    try:
        asked.mkdir(0o700, parents=True, exist_ok=True)
        _require_own(asked)
        if not (asked / mark).exists():
            if any(asked.iterdir()):
                expected = f"a new folder, or one that a {of} worked in"
                raise PolicyError(str(asked), expected=expected, got="a folder of something else")
            (asked / mark).touch()
        file = (asked / mark).open("rb")
    except OSError as error:
        raise _unusable(asked, error) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            expected, got = f"a folder that no other {of} works in", "one does"
            raise PolicyError(str(asked), expected=expected, got=got) from None
        yield asked.resolve()


@contextlib.contextmanager
def _own(of: str) -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"cvm-audit-{of}-")).resolve()
    except OSError as error:
        raise _unusable(Path(tempfile.gettempdir()), error) from None
    try:
        yield folder
    finally:
        remove_folder(folder)


def _require_own(folder: Path) -> None:
    # A build is taken as made by what lies here: whoever can write it could forge one.
    state = folder.stat()
    mode = stat.S_IMODE(state.st_mode)
    if state.st_uid != os.geteuid() or mode & (stat.S_IWGRP | stat.S_IWOTH):
        expected = "a folder that nobody else can write to"
        got = f"one of user {state.st_uid}, mode {mode:04o}"
        raise PolicyError(str(folder), expected=expected, got=got)


def remove_folder(folder: Path) -> None:
    """Remove what a build has left in ``folder``, if anything, also where it took away the rights.

    What is there after some seconds stays.
    """

    def open_up(_function: object, path: str, _error: object) -> None:
        for each in (Path(path), Path(path).parent):
            if each.is_relative_to(folder) and each.is_dir() and not each.is_symlink():
                with contextlib.suppress(OSError):
                    each.chmod(0o700)

    for _ in range(_TRIES):
        if not folder.exists():
            return
        shutil.rmtree(folder, onerror=open_up)
        if folder.exists():
            time.sleep(_PAUSE)  # what a build has started may be dying yet, and write


def _unusable(path: Path, error: OSError) -> FetchError:
    got = error.strerror or type(error).__name__
    return FetchError(str(path), expected="a folder to work in", got=got)


def require_space(folder: Path, *, sizes: Iterable[int], claimed: Iterable[int]) -> None:
    """Raise FetchError unless files of these sizes (bytes) have room in the file system.

    A release claims what it likes: of ``claimed`` no more counts than a build may leave.
    """
    needed = _on_disk(sizes) + min(_on_disk(claimed), _MAX_OUTPUT)
    free = shutil.disk_usage(folder).free
    if free < needed:
        expected = f"{needed} bytes free, for one build"
        hint = "--work DIR names a folder with more space"
        raise FetchError(str(folder), expected=expected, got=f"{free} bytes free", hint=hint)


def _on_disk(sizes: Iterable[int]) -> int:
    return sum(-(-size // _BLOCK) * _BLOCK for size in sizes)


def read_outputs(folder: Path) -> Mapping[str, bytes]:
    """The files that a build left in ``folder``, by name.

    Raises ParseError for links, folders and special files (a build is not believed: it could
    point anywhere), for names that are none of an artifact, for what cannot be read as it is left,
    and beyond the limits of number and size.
    """
    try:
        return _outputs(folder)
    except PermissionError as error:
        what, got = f"output {Path(error.filename).name}", "its mode forbids to read it"
        raise ParseError(what, expected="a file that can be read", got=got) from None


def _outputs(folder: Path) -> Mapping[str, bytes]:
    if folder.is_symlink() or not folder.is_dir():
        raise ParseError("outputs", expected="a folder", got="a link, a file or nothing")
    outputs: dict[str, bytes] = {}
    left = _MAX_OUTPUT
    for path in sorted(islice(folder.iterdir(), _MAX_OUTPUTS + 1)):
        what = f"output {path.name}"
        if len(outputs) == _MAX_OUTPUTS:
            raise ParseError("outputs", expected=f"at most {_MAX_OUTPUTS} files", got="more")
        if _NAME.fullmatch(path.name) is None:
            raise ParseError("output", expected="a plain file name", got=excerpt(path.name))
        if path.is_symlink() or not path.is_file():
            raise ParseError(what, expected="a file", got="a link, a folder or a special file")
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            outputs[path.name] = file.read(left + 1)
        left -= len(outputs[path.name])
        if left < 0:
            raise ParseError(what, expected=f"{_MAX_OUTPUT} bytes of output", got="more")
    return outputs


def kept_build(record: Path, outputs_folder: Path, *, key: str) -> Mapping[str, bytes] | None:
    """The outputs of an earlier build that ``record`` tells of; None unless all are as it says."""
    try:
        with record.open("rb") as file:
            raw = file.read(_MAX_RECORD + 1)
        document = JsonObject(parse_json(raw, what=record.name), what=record.name)
        same = document.text("key") == key
        digests = document.take("outputs")
        outputs = read_outputs(outputs_folder)
    except (OSError, ParseError):
        return None
    return outputs if same and digests == _digests(outputs) else None


def record_build(record: Path, outputs: Mapping[str, bytes], *, key: str) -> None:
    """Remember in the file ``record`` that a build was made whole."""
    text = json.dumps({"key": key, "outputs": _digests(outputs)}, indent=2)
    partial = record.with_suffix(".partial")
    partial.write_text(text, "utf-8")
    partial.replace(record)


def _digests(outputs: Mapping[str, bytes]) -> dict[str, str]:
    return {name: sha256(raw).hexdigest() for name, raw in sorted(outputs.items())}
