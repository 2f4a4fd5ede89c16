"""What the HTTP side needs of the place where submitted entries wait for their answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from log_server.errors import LogError
from log_server.intake import Acknowledgement, Observer
from log_server.sequencer import Sequenced

__all__ = ["EntryQueue", "OpenQueue"]


class EntryQueue(Protocol):
    """Takes submissions, and answers each when it is published. Belongs to one event loop."""

    @property
    def failure(self) -> LogError | None:
        """What ended ``run``, if it was no drain."""

    @property
    def last(self) -> Sequenced | None:
        """The newest answer."""

    @property
    def outstanding(self) -> int:
        """Entries that wait for their answer."""

    @property
    def is_open(self) -> bool:
        """Whether entries are taken."""

    def oldest_seconds(self) -> float:
        """How long the oldest entry without an answer has waited; 0 if there is none."""

    async def add(self, entry: bytes) -> Acknowledgement:
        """Wait until one entry is in the published log; see ``Intake.add``."""

    def submit(self, entries: Sequence[bytes]) -> asyncio.Future[Sequenced]:
        """Queue 1 to 4,096 entries; see ``Intake.submit``."""

    async def run(self) -> None:
        """Work until ``drain`` is called and nothing waits, or the log fails."""

    def drain(self) -> None:
        """Take nothing new."""


OpenQueue = Callable[[Observer, Callable[[], None]], EntryQueue]
"""Makes the queue of a server, given who is told figures, and what to call when it ends."""
