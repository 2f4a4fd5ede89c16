"""Files that somebody offers as the released artifacts, and what diffoscope says of two of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from verifier.appraisal.rebuild.artifact_checks import Told
from verifier.errors import FetchError, ParseError
from verifier.rebuild.sandbox import read_only_system

__all__ = ["forget_comparison", "read_offered", "write_comparison"]

_MAX_OFFERED = 2 * 1024 * 1024 * 1024  # bytes of one file
_MAX_REPORT = 256 * 1024  # bytes
_SECONDS = 120.0
_DIFFERENCES, _DIFFOSCOPE, _COMPARED = "differences.txt", "diffoscope.txt", "compared"
_PATH = "/usr/local/bin:/usr/bin:/bin"
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


def forget_comparison(work: Path) -> None:
    """Remove what ``write_comparison`` wrote for an earlier run. Raises FetchError."""
    shutil.rmtree(work / _COMPARED, ignore_errors=True)
    try:
        for name in (_DIFFERENCES, _DIFFOSCOPE):
            (work / name).unlink(missing_ok=True)
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise FetchError(str(work), expected="a folder to write to", got=got) from None


def write_comparison(work: Path, told: Told, page: str) -> tuple[Path, ...]:
    """Write ``page`` and, of the two copies that ``told`` compared, what diffoscope says.

    Returns what was written, of which nothing may be there. Raises FetchError where it cannot be.
    """
    written = [work / _DIFFERENCES]
    try:
        written[0].write_text(page, "utf-8")
        folder = work / _COMPARED
        paths = []
        for side, raw in (("left", told.left_bytes), ("right", told.right_bytes)):
            path = folder / side / PurePosixPath(told.name).name
            path.parent.mkdir(parents=True)
            path.write_bytes(raw)
            paths.append(path)
        report = _diffoscope(*paths)
        if report:
            written.append(work / _DIFFOSCOPE)
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
    sandbox = ("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv")
    system = (*read_only_system(), "--dev", "/dev", "--proc", "/proc", "--tmpfs", _INSIDE)
    names = tuple(f"{_INSIDE}/{side}-{left.name}" for side in ("left", "right"))
    named = ("--setenv", "PATH", _PATH, "--setenv", "LC_ALL", "C.UTF-8", "--chdir", _INSIDE)
    shown = ("--ro-bind", str(left), names[0], "--ro-bind", str(right), names[1])
    command = ("diffoscope", "--no-progress", "--max-text-report-size", str(_MAX_REPORT))
    try:
        done = subprocess.run(  # noqa: S603 - found on PATH, as the auditor has installed it
            (*sandbox, *system, *named, *shown, "--", *command, "--text", "-", *names),
            check=False,
            capture_output=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout[:_MAX_REPORT].decode("utf-8", "replace")
