"""Fetches the inputs that a store lacks, by the builder of this program, as a process.

The locks are those of the release under audit, which are data; the program that reads them with a
network at hand is the one beside this judge, and not the release's. Nothing that it says is
believed: what is in the store afterwards is held against the lock by ``inputs``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.errors import FetchError
from verifier.rebuild.progress import SAID
from verifier.tlog.strict import excerpt

__all__ = ["Fetching", "bring_missing"]

_MODULE = "pipeline.image"
_BESIDE = Path(__file__).resolve().parents[2]  # an installation, or a source tree
_OPTIONS = {"inputs.lock": ("--lock",), "toolchain.lock": ("--from-source", "--toolchain-lock")}
_ERROR = "error: "  # how the builder's last line begins where it fails
_GRACE_SECONDS = 10.0
_MAX_LINE = 4096
_SHOWN = 600  # characters of the error


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """How to fetch: ``mirrors`` (URLs) are asked before those of the machine's apt.

    ``index`` is the URL of a Python index, None for the one of the machine's pip. ``say`` is told
    of each input, ``seconds`` bounds all of it.
    """

    mirrors: tuple[str, ...]
    index: str | None
    say: Callable[[str], None]
    seconds: float


def bring_missing(fetching: Fetching, locks: Mapping[str, bytes], store: Path, work: Path) -> str:
    """Bring what ``locks`` (by file name) name and ``store`` lacks into it, as far as can be had.

    What an interrupted run has fetched is not fetched again. Returns why it could not be had,
    empty if it was. Raises FetchError if the program cannot be started, or ``work`` not be used.
    """
    try:
        for name, raw in locks.items():
            (work / name).write_bytes(raw)
        given = [(*_OPTIONS[name], str(work / name)) for name in locks]
        with _running(_command(fetching, given, store)) as running:
            return _followed(running, fetching)
    except OSError as error:
        what, got = str(error.filename or work), error.strerror or type(error).__name__
        raise FetchError(what, expected="a folder to work in", got=got) from None


def _command(fetching: Fetching, locks: Sequence[tuple[str, ...]], store: Path) -> tuple[str, ...]:
    mirrors = tuple(part for url in fetching.mirrors for part in ("--mirror", url))
    index = () if fetching.index is None else ("--index", fetching.index)
    program = (sys.executable, "-s", "-B", "-P", "-m", _MODULE, "fetch")
    given = tuple(part for options in locks for part in options)
    return (*program, *given, "--store", str(store), *mirrors, *index)


@contextlib.contextmanager
def _running(command: tuple[str, ...]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(  # noqa: S603 - our own program, beside this one
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # The mirrors, proxies and credentials of apt and pip are the machine's.
        env=os.environ | {"PYTHONPATH": str(_BESIDE)},
        start_new_session=True,
    ) as running:
        try:
            yield running
        finally:
            _stop(running)


def _stop(running: subprocess.Popen[str]) -> None:
    """End the process if it still runs: asked first, so that it leaves nothing half-written."""
    # Nobody else reaps it, so while it is unreaped the group is still its own.
    for name in (signal.SIGINT, signal.SIGKILL):
        if running.poll() is None:
            os.killpg(running.pid, name)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(_GRACE_SECONDS)


def _followed(running: subprocess.Popen[str], fetching: Fetching) -> str:
    if running.stderr is None:
        raise ValueError("stderr is no pipe")
    late = threading.Event()

    def stop() -> None:
        late.set()
        _stop(running)

    timer = threading.Timer(fetching.seconds, stop)
    timer.start()
    error = ""
    try:
        while (line := running.stderr.readline(_MAX_LINE)) and not late.is_set():
            fetching.say(line.rstrip("\n").removeprefix(SAID))
            error = line.removeprefix(_ERROR) if line.startswith(_ERROR) else error
        code = running.wait()
    finally:
        timer.cancel()
        timer.join()
    if late.is_set():
        return f"not done after {fetching.seconds:g} s"
    if code == 0:
        return ""
    return excerpt(error.strip(), _SHOWN) if error else f"the builder ended with code {code}"
