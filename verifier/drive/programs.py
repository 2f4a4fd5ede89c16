"""Programs that the driver starts, none of which outlives it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from verifier.drive import tied
from verifier.errors import FetchError

__all__ = ["found_program", "read_line", "said_in", "started", "stop_now"]

_ERRORS_SHOWN = 400
_MAX_LINE = 4096
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def found_program(name: str, *, package: str) -> str:
    """The path of an installed program. Raises FetchError, which names the package to install."""
    path = shutil.which(name)
    if path is None:
        hint = f"install the Debian package {package}: apt-get install {package}"
        raise FetchError(name, expected="the program", got="it is not installed", hint=hint)
    return path


@contextmanager
def started(
    program: Sequence[str],
    *,
    user: str,
    errors: Path,
    environment: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``program`` as ``user`` (empty: as we are) while the block runs; stdout is a pipe.

    It gets a process group and a nearly empty environment of its own, nothing on stdin, and
    ``errors`` for its stderr. At the end of the block the group is killed; if we die before that,
    the kernel kills the program. The kernel watches the *thread* that started it, so that thread
    has to live as long as the block.
    """
    wrapped = [sys.executable, "-I", "-S", tied.__file__, str(os.getpid()), user, *program]
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(  # noqa: S603 - our own wrapper, in front of a program found by its path
            wrapped,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=_ENVIRONMENT | (environment or {}),
            start_new_session=True,
        ) as child,
    ):
        try:
            yield child
        finally:
            stop_now(child)


def stop_now(child: subprocess.Popen[bytes]) -> None:
    """Kill a program that ``started`` runs, with its group, and wait until it is gone."""
    # Nobody else reaps the child, so while it is unreaped the group is still its own.
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def read_line(child: subprocess.Popen[bytes], *, seconds: float) -> str | None:
    """The first line that a program prints; None if it prints none within ``seconds``."""
    if child.stdout is None:
        raise ValueError("stdout is no pipe")
    deadline, line = time.monotonic() + seconds, b""
    while not line.endswith(b"\n") and len(line) < _MAX_LINE:
        left = max(0.0, deadline - time.monotonic())
        if not select.select([child.stdout], [], [], left)[0]:
            return None
        part = os.read(child.stdout.fileno(), 1)
        if not part:
            return None
        line += part
    return line.decode("utf-8", "replace").rstrip("\n")


def said_in(errors: Path) -> str:
    """The last line that a program wrote to its stderr, for a message."""
    text = errors.read_bytes()[-_ERRORS_SHOWN:].decode("utf-8", "replace").strip()
    return text.splitlines()[-1] if text else "nothing on its stderr"
