"""The only log of a node: how often things happened, never what anybody said.

Anybody may read it between two requests of somebody else, so nothing under a seal is told apart.
"""

from __future__ import annotations

import threading

__all__ = ["NAMES", "Counters"]

NAMES = (
    "connections",
    "connections_refused",
    "evidence",
    "evidence_failed",
    "failures",
    "handshakes_failed",
    "requests_refused",
    "requests_sealed",
)
"""What is counted. ``failures`` are bugs: a connection ended in an error that nobody foresaw.

``requests_sealed`` opened, whatever they asked for; ``requests_refused`` were so in the open.
"""


class Counters:
    """Counts since the start; safe under threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(NAMES, 0)

    def add(self, name: str) -> None:
        """Count one more of ``name``, one of ``NAMES`` (else KeyError)."""
        with self._lock:
            self._counts[name] += 1

    def read(self) -> dict[str, int]:
        """All counts at one moment."""
        with self._lock:
            return dict(self._counts)
