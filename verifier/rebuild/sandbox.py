"""The sandbox of a build: no network, a closed environment, and a time limit.

``bwrap`` shows the build a read-only system, its own directory, and nothing else. Where it does
not work, ``unshare`` cuts off the network and hides other processes, but not the file system.
Source: bwrap(1), unshare(1), prlimit(1).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from verifier.errors import PolicyError
from verifier.rebuild.environment import BuildEnvironment

__all__ = [
    "MAX_FILE",
    "ROOM",
    "STORE",
    "Ended",
    "Room",
    "Sandbox",
    "find_sandbox",
    "read_only_system",
    "run_in",
]

ROOM, STORE = "{room}", "{store}"
"""In a command: where the build sees its own folder, and the inputs."""

MAX_FILE = 4 * 1024 * 1024 * 1024
"""Most bytes of each file that a build writes, its log included."""

_TRIAL_SECONDS = 20.0
_LOOK_SECONDS = 1.0
_OF_SIGNAL = 128  # bwrap(1): so much and the number says that a signal ended what it ran
_SYSTEM = ("/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin")
_SYSTEM_FILES = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")


class Sandbox(StrEnum):
    """What keeps a build apart from the machine."""

    BWRAP = "bwrap"
    UNSHARE = "unshare"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a build sees: ``folder``, all that it may write, where it begins in ``start``.

    ``store`` is the folder of inputs, which it may only read. ``nesting`` says that it opens a
    sandbox of its own, to compile in.
    """

    folder: Path
    start: str
    store: Path
    nesting: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: exit code (negative: the signal), or None for the time limit."""

    code: int | None


def find_sandbox() -> Sandbox:
    """The best sandbox that works here, found by trying it. Raises PolicyError where none does."""
    for sandbox, trial in (
        (Sandbox.BWRAP, ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--", "true")),
        (Sandbox.UNSHARE, (*_unshare(), "true")),
    ):
        if shutil.which("prlimit") is not None and _works(trial):
            return sandbox
    raise PolicyError(
        "sandbox",
        expected="bwrap (Debian: bubblewrap) or unshare, and prlimit",
        got="neither works here",
        hint="install bubblewrap; --no-sandbox builds without, and the verdict says so",
    )


def _works(command: tuple[str, ...]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, to see whether it works here
            command, check=False, capture_output=True, timeout=_TRIAL_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def run_in(
    sandbox: Sandbox,
    room: Room,
    environment: BuildEnvironment,
    command: tuple[str, ...],
    *,
    log: Path,
    seconds: float,
    look: Callable[[], None],
) -> Ended:
    """Run ``command`` in the folder of the room, what it prints going to the new file ``log``.

    ``look`` is called about every second while it runs. Whatever it has started is killed when it
    ends, and when this is interrupted. Raises OSError if it cannot be started.
    """
    place, store = str(room.folder), str(room.store)
    if sandbox is Sandbox.BWRAP:
        place, store = f"/{environment.folder}", f"/inputs of {environment.folder}"
    inner = tuple(part.replace(ROOM, place).replace(STORE, store) for part in command)
    with (
        log.open("wb") as out,
        subprocess.Popen(  # noqa: S603 - building the release is what the auditor asked for
            (*_prefix(sandbox, room, environment, (place, store)), *inner),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=room.folder / room.start,
            env=dict(environment.variables),
            umask=environment.umask,
            start_new_session=True,
        ) as running,
    ):
        try:
            code = _waited(running, seconds, look)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    if sandbox is Sandbox.BWRAP and code is not None and 0 < code - _OF_SIGNAL < signal.NSIG:
        code = _OF_SIGNAL - code
    return Ended(code)


def _waited(
    running: subprocess.Popen[bytes], seconds: float, look: Callable[[], None]
) -> int | None:
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        try:
            return running.wait(max(0.0, min(left, _LOOK_SECONDS)))
        except subprocess.TimeoutExpired:
            look()
            if left <= _LOOK_SECONDS:
                return None


def _prefix(
    sandbox: Sandbox, room: Room, environment: BuildEnvironment, places: tuple[str, str]
) -> tuple[str, ...]:
    if sandbox is Sandbox.BWRAP:
        return (*_limits(), *_bwrap(room, environment, *places), "--")
    return (*_limits(), *_unshare()) if sandbox is Sandbox.UNSHARE else ()


def _limits() -> tuple[str, ...]:
    return ("prlimit", f"--fsize={MAX_FILE}", "--core=0")


def _unshare() -> tuple[str, ...]:
    spaces = ("--user", "--map-root-user", "--net", "--pid", "--ipc", "--uts", "--mount-proc")
    return ("unshare", *spaces, "--fork", "--kill-child")


def _bwrap(room: Room, environment: BuildEnvironment, place: str, store: str) -> Iterator[str]:
    yield from ("bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session")
    yield from ("--cap-drop", "ALL", "--hostname", environment.host_name)
    if room.nesting and not environment.user:
        # Without it the kernel lets user 0 make no user namespace: user_namespaces(7).
        yield from ("--cap-add", "CAP_SETFCAP")
    yield from ("--uid", str(environment.user), "--gid", str(environment.user))
    yield "--clearenv"
    for name, value in environment.variables.items():
        yield from ("--setenv", name, value)
    yield from ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")  # noqa: S108 - inside
    yield from read_only_system()
    yield from ("--bind", str(room.folder), place, "--ro-bind", str(room.store), store)
    yield from ("--remount-ro", "/", "--chdir", f"{place}/{room.start}")


def read_only_system() -> Iterator[str]:
    """Options of bwrap: programs and libraries of this machine, and nothing else of it."""
    yield from ("--ro-bind", "/usr", "/usr")
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for name in _SYSTEM_FILES:
        yield from ("--ro-bind-try", name, name)
    # The interpreter that runs this program also runs the build, wherever it is installed.
    for prefix in sorted({sys.prefix, sys.base_prefix}):
        if not Path(prefix).is_relative_to("/usr"):
            yield from ("--ro-bind", prefix, prefix)
