"""The sandbox of a compilation: a pinned root, one folder at a fixed path, and nothing else.

No network, no other process, no file of the machine, a fixed environment, host name and user: who
has the same toolchain has the same surroundings. bwrap itself, and the kernel below it, are the
machine's. Works as root, as another user, and inside another sandbox of bwrap. Source: bwrap(1).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.image.compile.recipe import (
    BUILD_FOLDER,
    ENVIRONMENT,
    HOST_NAME,
    JOBS,
    USER,
    Commands,
)
from verifier.errors import FetchError, VerificationError
from verifier.tlog.strict import excerpt

__all__ = ["require_sandbox", "run_commands", "sandbox_command"]

_Say = Callable[[str], None]

_BWRAP = "bwrap"
_HINT = "install bubblewrap; user namespaces must be allowed"
_TRIAL_SECONDS = 20.0
_SECONDS = 3 * 3600.0  # of one step; the longest takes four minutes on two processors
_HEARTBEAT = 10.0  # seconds
_SHOWN = 400  # characters of the end of a log
_LOG_NAME = "commands.log"


def require_sandbox() -> None:
    """Raise FetchError unless bwrap is here and works."""
    if shutil.which(_BWRAP) is None:
        got = "it is not installed"
        raise FetchError("sandbox", expected=f"the program {_BWRAP}", got=got, hint=_HINT)
    command = (_BWRAP, *_apart(), "--ro-bind", "/", "/", "--dev", "/dev", "--", "true")
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, to see whether it works here
            command, capture_output=True, check=False, timeout=_TRIAL_SECONDS
        )
    except subprocess.TimeoutExpired:
        got = f"no end in {_TRIAL_SECONDS:g} s"
        raise FetchError("sandbox", expected="one that works", got=got, hint=_HINT) from None
    if done.returncode:
        got = excerpt(done.stderr.decode("utf-8", "replace").strip(), limit=200)
        raise FetchError("sandbox", expected="one that works", got=got, hint=_HINT)


def _apart() -> Iterator[str]:
    yield from ("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session")
    yield from ("--cap-drop", "ALL", "--hostname", HOST_NAME)
    yield from ("--uid", str(USER), "--gid", str(USER))


def sandbox_command(root: Path, folder: Path, *, jobs: int) -> tuple[str, ...]:
    """What stands before a command that runs in ``root``, with ``folder`` to write in."""
    parts = [_BWRAP, *_apart(), "--clearenv"]
    for name, value in {**ENVIRONMENT, JOBS: str(jobs)}.items():
        parts += ["--setenv", name, value]
    # No /proc: it would tell of the machine, and cannot be had in a sandbox within a sandbox.
    parts += ["--ro-bind", str(root), "/", "--dev", "/dev"]
    parts += ["--tmpfs", "/tmp", "--bind", str(folder), BUILD_FOLDER]  # noqa: S108 - inside
    return (*parts, "--chdir", BUILD_FOLDER, "--")


def run_commands(commands: Commands, root: Path, folder: Path, *, jobs: int, say: _Say) -> None:
    """Run one step; ``say`` is told that it goes on, and what it printed last.

    Raises VerificationError for a step that fails, with the end of what it printed; FetchError
    for one that was killed, that does not end, or that finds the disk full. Nothing that it has
    started is left.
    """
    command = (*sandbox_command(root, folder, jobs=jobs), *commands.words)
    log = folder / _LOG_NAME
    started = time.monotonic()
    say(f"{commands.name}{f', {jobs} at once' if jobs > 1 else ''}")
    with (
        log.open("wb") as out,
        subprocess.Popen(  # noqa: S603 - pinned commands in the sandbox are what is asked for
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o022,
        ) as running,
    ):
        try:
            code = _awaited(running, commands, log, started, say)
        finally:
            # Nobody else reaps it, so while it is unreaped the group is still its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    if code:
        raise _failed(commands, code, log)
    say(f"{commands.name}: done in {time.monotonic() - started:.0f} s")


def _awaited(
    running: subprocess.Popen[bytes], commands: Commands, log: Path, started: float, say: _Say
) -> int:
    while True:
        try:
            return running.wait(_HEARTBEAT)
        except subprocess.TimeoutExpired:
            seconds = time.monotonic() - started
            if seconds > _SECONDS:
                got = f"none in {_SECONDS:g} s"
                raise FetchError(commands.name, expected="an end", got=got) from None
            lines = _end_of(log).strip().splitlines()
            shown = f", {excerpt(lines[-1].strip())}" if lines else ""
            say(f"{commands.name}: {seconds:.0f} s{shown}")


def _failed(commands: Commands, code: int, log: Path) -> FetchError | VerificationError:
    end = _end_of(log)
    got = f"exit code {code}: {excerpt(end.strip(), limit=_SHOWN)}"
    # The shell gives the number of a signal as 128 and more: killed, not wrong.
    if code < 0 or code > 128 or "No space left on device" in end:
        return FetchError(commands.name, expected="success", got=got)
    return VerificationError(commands.name, expected="success", got=got)


def _end_of(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _SHOWN))
        return file.read(_SHOWN).decode("utf-8", "replace")
