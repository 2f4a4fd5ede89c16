"""How far a long verb is: a line that moves on a terminal, a heartbeat elsewhere. On stderr."""

from __future__ import annotations

import sys
import time

import click

__all__ = ["Progress"]

_TERMINAL_SECONDS = 0.2
_HEARTBEAT_SECONDS = 10.0


class Progress:
    """Counts towards ``size``. What is shorter than the interval says nothing."""

    def __init__(self, size: int, *, unit: str) -> None:
        self._size = size
        self._unit = unit
        self._terminal = sys.stderr.isatty()
        self._interval = _TERMINAL_SECONDS if self._terminal else _HEARTBEAT_SECONDS
        self._last = time.monotonic()

    def reached(self, done: int) -> None:
        """Say so, unless the last line is too young."""
        now = time.monotonic()
        if now - self._last < self._interval and not (self._terminal and done == self._size):
            return
        self._last = now
        end = "\r" if self._terminal and done < self._size else "\n"
        click.echo(f"cvm-audit: {done} of {self._size} {self._unit}{end}", err=True, nl=False)
