"""Files that somebody offers as the released artifacts, and what diffoscope says of two of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from verifier.appraisal.rebuild.artifact_checks import Told
from verifier.errors import FetchError, ParseError

__all__ = ["read_offered", "write_comparison"]

_MAX_OFFERED = 2 * 1024 * 1024 * 1024  # bytes of one file
_MAX_REPORT = 256 * 1024  # bytes
_SECONDS = 120.0
_INSIDE = "/tmp"  # noqa: S108 - of the sandbox: where diffoscope may write


def read_offered(folder: Path, names: tuple[str, ...]) -> Mapping[str, bytes]:
    """The files of ``folder`` that have one of ``names`` (relative, with ``/``), by that name.

    Raises ParseError for a longer file than any artifact, FetchError for one that cannot be read.
    """
    found: dict[str, bytes] = {}
    for name in names:
        path = folder / name
        if not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                found[name] = file.read(_MAX_OFFERED + 1)
        except OSError as error:
            got = error.strerror or type(error).__name__
            raise FetchError(str(path), expected="a file that can be read", got=got) from None
        if len(found[name]) > _MAX_OFFERED:
            raise ParseError(str(path), expected=f"at most {_MAX_OFFERED} bytes", got="more")
    return found


def write_comparison(work: Path, told: Told, page: str) -> tuple[Path, ...]:
    """Write ``page`` and, of the two copies that ``told`` compared, what diffoscope says.

    Returns what was written. Raises FetchError where it cannot be.
    """
    written = [work / "differences.txt"]
    try:
        written[0].write_text(page, "utf-8")
        folder = work / "compared"
        shutil.rmtree(folder, ignore_errors=True)
        paths = []
        for side, raw in (("left", told.left_bytes), ("right", told.right_bytes)):
            path = folder / side / PurePosixPath(told.name).name
            path.parent.mkdir(parents=True)
            path.write_bytes(raw)
            paths.append(path)
        report = _diffoscope(*paths)
        if report:
            written.append(work / "diffoscope.txt")
            written[-1].write_text(report, "utf-8")
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise FetchError(str(work), expected="a folder to write to", got=got) from None
    return tuple(written)


def _diffoscope(left: Path, right: Path) -> str:
    """What diffoscope says of two files; empty where it is not installed, or not done in time.

    It reads what nobody believes, with many programs: so only in a sandbox of bwrap.
    """
    if shutil.which("diffoscope") is None or shutil.which("bwrap") is None:
        return ""
    sandbox = ("bwrap", "--unshare-all", "--die-with-parent", "--new-session")
    system = ("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", _INSIDE)
    names = tuple(f"{_INSIDE}/{side}-{left.name}" for side in ("left", "right"))
    shown = ("--ro-bind", str(left), names[0], "--ro-bind", str(right), names[1])
    command = ("diffoscope", "--no-progress", "--max-text-report-size", str(_MAX_REPORT))
    try:
        done = subprocess.run(  # noqa: S603 - found on PATH, as the auditor has installed it
            (*sandbox, *system, *shown, "--", *command, "--text", "-", *names),
            check=False,
            capture_output=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout[:_MAX_REPORT].decode("utf-8", "replace")
