"""A program of another implementation that is spoken to line by line."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """A running program. It answers a line, or it ends and its standard error says why."""

    running: subprocess.Popen[str]

    def say(self, *lines: str) -> None:
        assert self.running.stdin is not None
        self.running.stdin.writelines(f"{line}\n" for line in lines)
        self.running.stdin.flush()

    def hear(self) -> str:
        assert self.running.stdout is not None
        line = self.running.stdout.readline()
        assert line.endswith("\n"), self.running.communicate(timeout=20)[1]
        return line[:-1]

    def hear_bytes(self) -> bytes:
        return bytes.fromhex(self.hear())

    def refusal(self) -> str:
        """Its standard error, once it has ended without another word and not well."""
        out, err = self.running.communicate(timeout=20)
        assert (out, self.running.returncode) == ("", 1), err
        return err

    def end(self) -> None:
        """It has no more to say, and nothing was wrong."""
        out, err = self.running.communicate(timeout=20)
        assert (out, self.running.returncode) == ("", 0), err


@contextmanager
def speaking(*command: str) -> Iterator[Peer]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as running:
        try:
            yield Peer(running)
        finally:
            running.kill()
