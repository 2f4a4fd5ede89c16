"""The folder that a rebuild works in: its own, and nobody else's; removed unless it was asked for.

Two builds of one release in one folder resume: a build whose source, inputs, policy, environment
and outputs are still the same is not made again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from verifier.errors import FetchError, ParseError, PolicyError
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_json

__all__ = ["kept_build", "read_outputs", "record_build", "require_space", "workspace"]

_MARK = ".cvm-audit-rebuild"
_MAX_OUTPUTS = 64
_MAX_OUTPUT = 2 * 1024 * 1024 * 1024  # bytes of all files together
_MAX_RECORD = 65_536
_BLOCK = 4096  # bytes: the least that a file takes in most file systems


@contextlib.contextmanager
def workspace(asked: Path | None) -> Iterator[Path]:
    """A folder to work in: ``asked``, which stays, or a new one that is removed at the end.

    Raises PolicyError for a folder that holds something else, FetchError where none can be made.
    """
    if asked is None:
        with _own() as folder:
            yield folder
        return
    try:
        asked.mkdir(parents=True, exist_ok=True)
        if not (asked / _MARK).exists():
            if any(asked.iterdir()):
                expected = "a new folder, or one that a rebuild worked in"
                raise PolicyError(str(asked), expected=expected, got="a folder of something else")
            (asked / _MARK).touch()
    except OSError as error:
        raise _unusable(asked, error) from None
    yield asked.resolve()


@contextlib.contextmanager
def _own() -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix="cvm-audit-rebuild-")).resolve()
    except OSError as error:
        raise _unusable(Path(tempfile.gettempdir()), error) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
    point anywhere), and beyond the limits of number and size.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise ParseError("outputs", expected="a folder", got="a link, a file or nothing")
    outputs: dict[str, bytes] = {}
    left = _MAX_OUTPUT
    for path in sorted(folder.iterdir()):
        what = f"output {path.name}"
        if len(outputs) == _MAX_OUTPUTS:
            raise ParseError("outputs", expected=f"at most {_MAX_OUTPUTS} files", got="more")
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
