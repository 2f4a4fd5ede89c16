"""How old the cosignatures of what is published are, for ``/health`` and for figures.

Whoever verifies may demand recent ones, and refuses a log whose witnesses are long silent, even
though all that it published is true.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from log_server.witnessing import Witnessing
from verifier.errors import VerificationError

__all__ = ["STALE_REFRESHES", "Freshness"]

STALE_REFRESHES = 3
"""Intervals between refreshes after which cosignatures count as stale."""


class Freshness:
    """Watches one witnessing. For any thread."""

    def __init__(
        self, witnessing: Witnessing, *, refresh: float, clock: Callable[[], float]
    ) -> None:
        """``refresh`` is the interval in seconds, 0 if there is none and nothing becomes stale.

        ``clock`` gives the seconds since 1970.
        """
        self._witnessing = witnessing
        self._limit = STALE_REFRESHES * refresh
        self._clock = clock

    def age(self) -> float:
        """Seconds since the oldest cosignature that counts; not a number if none counts."""
        cosigned_at = self._witnessing.cosigned_at
        return math.nan if cosigned_at is None else self._clock() - cosigned_at

    def require(self) -> None:
        """Raises VerificationError if that is older than three intervals."""
        age = self.age()
        if not self._limit or math.isnan(age) or age <= self._limit:
            return
        why = self._witnessing.unrefreshed
        raise VerificationError(
            "oldest cosignature that counts",
            expected=f"at most {self._limit:g} s old",
            got=f"{age:.0f} s" + (f": {why}" if why else ""),
            hint="what is published stays; the witnesses are asked again",
        )
