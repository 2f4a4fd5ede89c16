"""The only log of a role: how often things happened, to the minute, and where bugs struck.

Never an address, a token, a key, a body or a message of an error: what stands in them came from
somebody.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

__all__ = ["COUNTED_BY_ALL", "INTERVAL", "Counts"]

COUNTED_BY_ALL = ("answers", "failures", "refusals")
"""Names that every role counts; ``failures`` are bugs."""

INTERVAL = 60.0
"""Seconds between two lines."""


class Counts:
    """Counts since the start, safe under threads; a line of JSON goes to a file when they changed.

    The file is opened once and only appended to, so that the role needs no right to its folder.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys((*COUNTED_BY_ALL, *names), 0)
        self._file: BinaryIO | None = None
        self._written: dict[str, int] = {}
        self._stopped = threading.Event()

    def add(self, name: str) -> None:
        """Count one more of ``name``, one of those given at the start (else KeyError)."""
        with self._lock:
            self._counts[name] += 1

    def read(self) -> dict[str, int]:
        """All counts, by name."""
        with self._lock:
            return dict(self._counts)

    def add_failure(self, error: BaseException) -> None:
        """Count a bug, and write its kind and the lines of code that it went through."""
        self.add("failures")
        trace, lines = error.__traceback__, []
        while trace is not None:
            lines.append(f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}")
            trace = trace.tb_next
        self._write({"failure": type(error).__name__, "lines": lines})

    def keep(self, path: Path) -> None:
        """Append a line to ``path`` every ``INTERVAL`` from now on. Raises OSError."""
        self._file = path.open("ab", buffering=0)
        threading.Thread(target=self._write_regularly, daemon=True).start()

    def close(self) -> None:
        """Write the last line, and let go of the file."""
        self._stopped.set()
        self._write_counts()
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _write_regularly(self) -> None:
        while not self._stopped.wait(INTERVAL):
            self._write_counts()

    def _write_counts(self) -> None:
        counts = self.read()
        if counts != self._written:
            self._written = counts
            self._write({"counts": counts})

    def _write(self, members: dict[str, object]) -> None:
        # To the minute: a finer time could be laid beside what somebody else saw.
        minute = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
        line = json.dumps({"minute": minute, **members}, sort_keys=True).encode() + b"\n"
        with self._lock:
            if self._file is not None:
                with contextlib.suppress(OSError):  # a full disk ends no role, and no later line
                    self._file.write(line)
