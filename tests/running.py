"""Runs the project's own programs, as a user would."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from verifier.cli import main

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of stdout."""
        return self.out.rstrip("\n").rsplit("\n", 1)[-1]


def cvm_audit(*arguments: object) -> Ran:
    """Run ``cvm-audit`` in this process, through its outermost boundary."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
    assert isinstance(code, int)
    assert "Traceback" not in out.getvalue() + err.getvalue()
    return Ran(code, out.getvalue(), err.getvalue())


def cvm_log(*arguments: object) -> Ran:
    """Run ``cvm-log`` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "log_server.cli", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a log on a free port of this machine while the block runs; yield its URL."""
    command = [sys.executable, "-m", "log_server.cli", "serve", str(folder)]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as server:
        assert server.stdout is not None
        try:
            lines = []
            for line in server.stdout:
                lines.append(line)
                if "listening on " in line:
                    yield line.split("listening on ", 1)[1].split()[0]
                    break
            else:
                raise AssertionError("".join(lines))
        finally:
            server.terminate()
            server.communicate(timeout=60)
