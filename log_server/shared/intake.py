"""The queue of a server that shares its log with others: what waits, waits in the database.

The same face as ``Intake``: a server cannot tell them apart. A submission that nobody answers in
time, because no sequencer is elected or the database is away, is refused for the moment; it may be
in the log all the same, and submitting it again gives its index.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from log_server.errors import BusyError, LogError, StoppedError
from log_server.intake import MAX_OUTSTANDING, MAX_OUTSTANDING_BYTES, Acknowledgement, Observer
from log_server.sequencer import Sequenced
from log_server.shared.election import Campaign
from log_server.shared.front import Front, Outcome, Waiting
from verifier.errors import AuditError

__all__ = ["SharedIntake"]


class SharedIntake:
    """An ``EntryQueue`` before the sequencer that is elected, in this program or another."""

    def __init__(
        self,
        front: Front,
        campaign: Campaign,
        *,
        observer: Observer,
        stopped: Callable[[], None],
    ) -> None:
        """``stopped`` is called when ``run`` ends."""
        self.failure: LogError | None = None
        self.last: Sequenced | None = None
        self.outstanding = 0
        self._front = front
        self._campaign = campaign
        self._observer = observer
        self._stopped = stopped
        self._outstanding_bytes = 0
        self._futures: dict[Waiting, asyncio.Future[Sequenced]] = {}
        self._open = True
        self._drained = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether entries are taken."""
        return self._open

    def oldest_seconds(self) -> float:
        """How long the oldest entry without an answer has waited; 0 if there is none."""
        oldest = next(iter(self._futures), None)
        return 0.0 if oldest is None else monotonic() - oldest.since

    async def add(self, entry: bytes) -> Acknowledgement:
        """Wait until one entry is in the published log; see ``Intake.add``."""
        done = await self.submit((entry,))
        return Acknowledgement(done.indices[0], done.tree, done.checkpoint)

    def submit(self, entries: Sequence[bytes]) -> asyncio.Future[Sequenced]:
        """Queue 1 to 4,096 entries; see ``Intake.submit``."""
        try:
            self._require_room(len(entries), sum(map(len, entries)))
        except AuditError as error:
            self._observer.refused(entries=len(entries), error=error)
            raise
        waiting = Waiting(entries)
        future: asyncio.Future[Sequenced] = asyncio.get_running_loop().create_future()
        self._futures[waiting] = future
        self._count(waiting, 1)
        self._front.submit(waiting)
        return future

    async def run(self) -> None:
        """Be a front end and a candidate until ``drain`` is called and nothing waits.

        A failure of the log is kept in ``failure``, and every waiting entry gets StoppedError.
        """
        loop = asyncio.get_running_loop()

        def answered(outcomes: Sequence[tuple[Waiting, Outcome]]) -> None:
            loop.call_soon_threadsafe(self._answer, outcomes)

        drained = loop.create_task(self._drained.wait())
        try:
            with ThreadPoolExecutor(2, thread_name_prefix="shared-log") as threads:
                front = loop.run_in_executor(threads, self._front.run, answered)
                campaign = loop.run_in_executor(threads, self._campaign.run)
                try:
                    await asyncio.wait(
                        (front, campaign, drained), return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    self._open = False
                    self._campaign.stop()
                    self._front.stop()
                await asyncio.wait((front, campaign))
            self._keep_failure(front, campaign)
        finally:
            drained.cancel()
            self._front.close()
            self._refuse_all()
            self._stopped()

    def drain(self) -> None:
        """Take nothing new; ``run`` ends when everything that waits is answered."""
        self._open = False
        if not self._futures:
            self._drained.set()

    def _answer(self, outcomes: Iterable[tuple[Waiting, Outcome]]) -> None:
        seconds = []
        for waiting, outcome in outcomes:
            future = self._futures.pop(waiting, None)
            if future is None:
                continue
            self._count(waiting, -1)
            if isinstance(outcome, AuditError):
                self._observer.refused(entries=len(waiting.entries), error=outcome)
                # A client that went away has cancelled its answer.
                if not future.done():
                    future.set_exception(outcome)
                continue
            if self.last is None or self.last.tree.size <= outcome.tree.size:
                self.last = outcome
            seconds.append((len(waiting.entries), monotonic() - waiting.since))
            if not future.done():
                future.set_result(outcome)
        if seconds and self.last is not None:
            self._observer.published(seconds=seconds, size=self.last.tree.size)
        if not self._open and not self._futures:
            self._drained.set()

    def _keep_failure(self, *ended: asyncio.Future[None]) -> None:
        for error in (one.exception() for one in ended):
            if isinstance(error, LogError):
                self.failure = self.failure or error
            elif error is not None:
                raise error  # a bug, which ends the server

    def _refuse_all(self) -> None:
        refusal = StoppedError("log", expected="a durable entry", got=str(self.failure))
        self._answer([(waiting, refusal) for waiting in self._futures])

    def _require_room(self, entries: int, size: int) -> None:
        if not self._open:
            raise StoppedError("log", expected="a log that takes entries", got="it is stopping")
        count, size = self.outstanding + entries, self._outstanding_bytes + size
        if count > MAX_OUTSTANDING or size > MAX_OUTSTANDING_BYTES:
            expected = f"at most {MAX_OUTSTANDING} entries and {MAX_OUTSTANDING_BYTES} bytes"
            raise BusyError("waiting entries", expected=expected, got="more")

    def _count(self, waiting: Waiting, sign: int) -> None:
        self.outstanding += sign * len(waiting.entries)
        self._outstanding_bytes += sign * sum(map(len, waiting.entries))
