"""Roles as processes: started one by one, watched together, none of which outlives us.

A role tells where it listens on its stdout. It ends when we end: the kernel sees to that where we
cannot (``--parent``).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.role.life import LISTENING
from verifier.errors import FetchError
from verifier.tlog.strict import excerpt

__all__ = ["START_SECONDS", "STOP_SECONDS", "Role", "start_role", "stop_roles", "watch_roles"]

START_SECONDS = 30.0
"""How long a role may take until it listens."""

STOP_SECONDS = 10.0
"""How long roles may take to stop when they are told to; then they are killed."""

_ROOT = Path(__file__).resolve().parents[2]
_MAX_SAID = 4096
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Role:
    """A role that listens on ``address``, text as ``HOST:PORT``; its files are in ``folder``."""

    name: str
    process: subprocess.Popen[bytes]
    folder: Path
    log: Path
    address: str


def start_role(name: str, module: str, arguments: Sequence[str], *, folder: Path) -> Role:
    """Run ``module`` with ``arguments`` and wait until it listens. Raises FetchError.

    ``folder`` is made for this role, mode 0700. The environment is nearly empty, so that nothing
    of ours gets in by it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    said, errors, log = folder / "stdout", folder / "stderr", folder / "counts.log"
    program = [sys.executable, "-B", "-P", "-m", module, "--log", str(log)]
    environment = {"LC_ALL": "C.UTF-8", "PATH": os.defpath, "PYTHONPATH": str(_ROOT)}
    with said.open("wb") as stdout, errors.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own modules, or what the operator named
            [*program, "--parent", str(os.getpid()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    try:
        address = _wait_until_it_listens(name, process, said, errors)
    except BaseException:
        _kill(process)
        raise
    return Role(name, process, folder, log, address)


def watch_roles(roles: Sequence[Role]) -> str:
    """Wait until one of ``roles`` ends, and say how, in words."""
    watched = {os.pidfd_open(role.process.pid): role for role in roles}
    try:
        (ended, *_), _, _ = select.select(list(watched), [], [])
        role = watched[ended]
        return f"{role.name} ended: {_how(role.process.wait())}"
    finally:
        for descriptor in watched:
            os.close(descriptor)


def stop_roles(roles: Sequence[Role]) -> None:
    """Tell all of ``roles`` to stop, the last started first, and kill what then still runs.

    That is after ``STOP_SECONDS``.
    """
    for role in reversed(roles):
        if role.process.poll() is None:
            role.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for role in roles:
        try:
            role.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill(role.process)


def _wait_until_it_listens(
    name: str, process: subprocess.Popen[bytes], said: Path, errors: Path
) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll()
        line, newline, _ = said.read_bytes()[:_MAX_SAID].partition(b"\n")
        if newline and line.startswith(LISTENING.encode()):
            return line.decode("ascii", "replace").removeprefix(LISTENING)
        if newline or ended is not None:
            got = excerpt(line) if newline or ended is None else _how(ended)
            raise FetchError(name, expected="a role that listens", got=f"{got}; {_last(errors)}")
        time.sleep(_PAUSE)
    got = f"nothing within {START_SECONDS:g} s; {_last(errors)}"
    raise FetchError(name, expected="a role that listens", got=got)


def _last(errors: Path) -> str:
    text = errors.read_bytes()[-_MAX_SAID:].decode("utf-8", "replace").strip()
    return text.splitlines()[-1] if text else "nothing on its stderr"


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    # The role is unreaped, so its group is still its own.
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
