"""Who sequences: every program that serves the log tries, one at a time is elected.

Whoever has both locks is the sequencer. The advisory lock in the database belongs to the very
session that commits; the lock of the log's directory fences the published files and the anchor:
a sequencer that lost its session may still be publishing what it committed, and nobody replaces
its files before it has let go.

Losing the session, or a disk or database that fails, ends a term and not the program: it lets both
locks go and stands again, and whoever is elected begins with the checks of every start. A log that
is damaged, rolled back or forked ends the program that finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event

from log_server.errors import LockedError, LogError, StorageError
from log_server.shared.sequencing import Sequencing

__all__ = ["CAMPAIGN_SECONDS", "Campaign", "Elect"]

CAMPAIGN_SECONDS = 0.5
"""Between two attempts to be elected."""

Elect = Callable[[Callable[[LockedError], bool]], AbstractContextManager[Sequencing]]
"""Takes both locks, recovers the log, and lets go when the block ends. Raises LogError.

Asks, while another has the lock of the database, whether to go on waiting for it.
"""


class Campaign:
    """Stands for election until it is stopped. ``run`` is one thread."""

    def __init__(self, elect: Elect, *, tell: Callable[[str], None]) -> None:
        """``tell`` gets a line for the operator, in the thread of ``run``."""
        self.why: LogError | None = None
        self._elect = elect
        self._tell = tell
        self._stop = Event()

    def run(self) -> None:
        """Be a candidate, and when elected the sequencer, until ``stop``.

        Raises LogError if this log must not go on.
        """
        while not self._stop.is_set():
            try:
                self._serve_a_term()
            except LockedError as error:
                self.why = error
            except StorageError as error:
                if str(error) != str(self.why):
                    self._tell(f"not the sequencer: {error}")
                self.why = error
            self._stop.wait(CAMPAIGN_SECONDS)

    def _again(self, error: LockedError) -> bool:
        self.why = error
        return not self._stop.wait(CAMPAIGN_SECONDS)

    def stop(self) -> None:
        """End ``run`` after the batch that is being committed. For any thread."""
        self._stop.set()

    def _serve_a_term(self) -> None:
        with self._elect(self._again) as sequencing:
            self.why = None
            self._tell(f"elected sequencer at size {sequencing.size}")
            sequencing.run(self._stop)
