"""Tells how far a build is: in its own words, and that it goes on where it says nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["BEAT_SECONDS", "SAID", "BuildProgress"]

BEAT_SECONDS = 10.0
"""After so long without a line, and then again and again, one says that the build goes on."""

SAID = "cvm-image: "
"""How a line of the builder begins that is meant for people; compilers say much more."""

_CHUNK = 65_536  # bytes of the log that are read at once
_AT_ONCE = 4  # lines
_SHOWN = 200  # characters of a line


class BuildProgress:
    """Follows the log of one build, which is called ``name``, and tells ``say``."""

    def __init__(
        self, log: Path, name: str, say: Callable[[str], None], *, beat: float = BEAT_SECONDS
    ) -> None:
        self._log, self._name, self._say, self._beat = log, name, say, beat
        self._place = 0
        self._began = self._told = time.monotonic()

    def look(self) -> None:
        """Tell what was said since the last look. Raises OSError if the log cannot be read.

        A build is not believed, and may print without end: of much that came at once the last
        lines are told.
        """
        now = time.monotonic()
        said = self._said()
        for line in said[-_AT_ONCE:]:
            self._say(f"{self._name}: {line[:_SHOWN]}")
        if said:
            self._told = now
        elif now - self._told >= self._beat:
            self._told = now
            self._say(f"{self._name}: goes on, {now - self._began:.0f} s")

    def _said(self) -> list[str]:
        with self._log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(self._place, size - _CHUNK))
            whole, newline, _ = file.read(_CHUNK).rpartition(b"\n")
        self._place = start + len(whole) + len(newline)
        lines = whole.decode("utf-8", "replace").split("\n")
        return [line.removeprefix(SAID) for line in lines if line.startswith(SAID)]
