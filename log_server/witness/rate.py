"""How often a log may be asked about: a bucket of requests that fills at a steady rate."""

from __future__ import annotations

import threading
from collections.abc import Callable

from log_server.witness.errors import RateError

__all__ = ["BURST", "REQUESTS_PER_SECOND", "RateLimit"]

REQUESTS_PER_SECOND = 50.0
"""Requests a second that one log may take for long."""

BURST = 100.0
"""Requests that one log may take at once."""


class RateLimit:
    """One bucket for each origin. Used by many threads."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        per_second: float = REQUESTS_PER_SECOND,
        burst: float = BURST,
    ) -> None:
        """``clock`` gives monotonic seconds."""
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, origin: str) -> None:
        """Count one request for a known origin. Raises RateError if its bucket is empty."""
        with self._lock:
            now = self._clock()
            left, since = self._buckets.get(origin, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._per_second)
            self._buckets[origin] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if left < 1:
            expected = f"at most {self._per_second:g} requests a second for this log"
            raise RateError("rate", expected=expected, got="more")
