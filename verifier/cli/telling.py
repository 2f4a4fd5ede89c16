"""Tells on stderr how far a long command is, and that it goes on, where nobody sees a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from verifier.report.text import one_line

__all__ = ["BEAT_SECONDS", "tell", "telling"]

BEAT_SECONDS = 5.0
"""After so long without a line, and then again and again, one says that the step still runs."""


_SHORT = 60  # characters of a step that is told again


def tell(text: str) -> None:
    """One line on stderr."""
    click.echo(f"cvm-audit: {one_line(text)}", err=True)


@contextmanager
def telling(*, beat: float = BEAT_SECONDS) -> Iterator[Callable[[str], None]]:
    """What tells each step, while the block runs.

    A person at a terminal sees the last step. A CI job that is silent for long is ended: where
    stderr is no terminal, there is another line every ``beat`` seconds.
    """
    steps = _Steps(beat)
    if not sys.stderr.isatty():
        steps.start()
    try:
        yield steps.tell
    finally:
        steps.stop()


class _Steps:
    def __init__(self, beat: float) -> None:
        self._beat = beat
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._step, self._since, self._told = "", 0.0, 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def tell(self, text: str) -> None:
        with self._lock:
            self._step, self._since = text, time.monotonic()
            self._told = self._since
            tell(text)

    def _run(self) -> None:
        while not self._ended.wait(self._beat / 10):
            with self._lock:
                now = time.monotonic()
                if self._step and now - self._told >= self._beat:
                    self._told = now
                    tell(f"{_short(self._step)}: goes on, {now - self._since:.0f} s")


def _short(step: str) -> str:
    return step if len(step) <= _SHORT else f"{step[: _SHORT - 3]}..."
