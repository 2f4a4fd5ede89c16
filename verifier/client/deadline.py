"""Until when something may take: an instant of the monotonic clock, and how long that was."""

from __future__ import annotations

import time
from dataclasses import dataclass

from verifier.errors import FetchError

__all__ = ["Deadline"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """The end of something that was given ``seconds``; ``at`` is in ``time.monotonic`` seconds.

    However slowly another end drips, nothing goes on after it.
    """

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline that ends ``seconds`` from now."""
        return cls(time.monotonic() + seconds, seconds)

    def within(self, seconds: float) -> Deadline:
        """The earlier of this and ``seconds`` from now."""
        own = Deadline.after(seconds)
        return own if own.at < self.at else self

    def left(self, what: str) -> float:
        """The seconds that are left, more than none. Raises FetchError about ``what``."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise self.silence(what)
        return left

    def silence(self, what: str) -> FetchError:
        """What is raised about ``what`` when nothing came in time."""
        return FetchError(what, expected="an answer", got=f"nothing within {self.seconds:g} s")
