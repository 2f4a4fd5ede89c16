"""Where submitted entries wait: many requests in, one batch at a time to the sequencer.

A batch starts when as many entries wait as the last one answered, because those clients are the
ones that come back; so a single client is never held up, and 256 that come back together share one
batch. What comes later than ``BATCH_SECONDS`` after the last start is not waited for. Each waiting
request is answered when its batch is durable and covered by a published checkpoint, and not before.

A batch is cut where the log then ends in a full tile, if most of what waits fits before: under load
a log whose batches end anywhere writes two partial files more for each of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from log_server.errors import AdmissionError, BusyError, LogError, StoppedError
from log_server.sequencer import Sequenced
from verifier.errors import AuditError
from verifier.tlog.merkle import TreeHead
from verifier.tlog.tile import TILE_WIDTH

__all__ = [
    "BATCH_ENTRIES",
    "BATCH_SECONDS",
    "MAX_BATCH_ENTRIES",
    "MAX_COMMIT_BYTES",
    "MAX_COMMIT_ENTRIES",
    "MAX_OUTSTANDING",
    "MAX_OUTSTANDING_BYTES",
    "RETRY_SECONDS",
    "Acknowledgement",
    "Committer",
    "Intake",
    "Observer",
]

BATCH_SECONDS = 0.05
"""Longest time from the start of a batch to the start of the next, while entries wait."""

BATCH_ENTRIES = 4 * TILE_WIDTH
"""Waiting entries that always start a batch: enough of them to share its files and fsyncs."""

MAX_BATCH_ENTRIES = 4096
"""Entries that one submission may have."""

MAX_COMMIT_ENTRIES = 4 * MAX_BATCH_ENTRIES
"""Entries of all submissions that go together into one commit.

In a large log nearly every entry touches a page of the database's index of its own: the more go
together, the more of them share one.
"""

MAX_COMMIT_BYTES = 2**24
"""Bytes of the entries of one commit, unless one submission alone has more."""

RETRY_SECONDS = 5.0
"""Shortest time after which an idle log asks its witnesses again."""

MAX_OUTSTANDING = 2 * MAX_COMMIT_ENTRIES
"""Entries that may wait for their answer; more are refused with BusyError."""

MAX_OUTSTANDING_BYTES = 2**26
"""Bytes that the waiting entries may have together."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An entry's index, and the published checkpoint (size, root, note) that covers it."""

    index: int
    tree: TreeHead
    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class _Waiting:
    entries: Sequence[bytes]
    size: int
    answer: asyncio.Future[Sequenced]
    since: float


class Committer(Protocol):
    """What the intake needs of a sequencer."""

    def commit(self, entries: Sequence[bytes], *, now: datetime) -> Sequenced:
        """Make entries durable and published; see ``Sequencer.commit``."""

    def idle_seconds(self) -> float | None:
        """After how long without entries to commit none, so that witnesses are asked again.

        None: there is nobody to ask.
        """


class Observer(Protocol):
    """Is told what happened to entries, for figures; must not fail, and return at once."""

    def published(self, *, seconds: Sequence[tuple[int, float]], size: int) -> None:
        """A batch is published. ``seconds``: entries of each submission, and how long it waited."""

    def refused(self, *, entries: int, error: AuditError) -> None:
        """Entries were refused, or will never be answered with an index."""


class Intake:
    """The queue before a sequencer. Belongs to one event loop."""

    def __init__(
        self,
        sequencer: Committer,
        *,
        clock: Callable[[], datetime],
        require: Callable[[Sequence[bytes]], None] = lambda _: None,
        stopped: Callable[[], None] = lambda: None,
        observer: Observer | None = None,
    ) -> None:
        """``clock`` gives the aware time of signing; ``stopped`` is called when ``run`` ends.

        ``require`` is asked in the order of the queue, once for each submission that is then
        queued, and raises AdmissionError about one that would not be committed.
        """
        self.failure: LogError | None = None
        self.last: Sequenced | None = None
        self.outstanding = 0
        self._sequencer = sequencer
        self._clock = clock
        self._require = require
        self._stopped = stopped
        self._observer = observer
        self._queue: deque[_Waiting] = deque()
        self._queued = 0
        self._outstanding_bytes = 0
        self._enough_entries = 1
        self._oldest: float | None = None
        self._open = True
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether entries are taken."""
        return self._open

    def oldest_seconds(self) -> float:
        """How long the oldest entry without an answer has waited; 0 if there is none."""
        oldest = self._oldest
        if oldest is None:
            if not self._queue:
                return 0.0
            oldest = self._queue[0].since
        return asyncio.get_running_loop().time() - oldest

    async def add(self, entry: bytes) -> Acknowledgement:
        """Wait until ``entry`` (1 to 65,535 bytes) is in the published log.

        Raises BusyError if too many wait, StoppedError if the log cannot go on.
        """
        done = await self.submit((entry,))
        return Acknowledgement(done.indices[0], done.tree, done.checkpoint)

    def submit(self, entries: Sequence[bytes]) -> asyncio.Future[Sequenced]:
        """Queue 1 to 4,096 entries for one batch; the result has their indices, in their order.

        Raises BusyError if too many wait, StoppedError if the log cannot go on, AdmissionError if
        it does not take them; the future may end in each of these.
        """
        size = sum(map(len, entries))
        try:
            self._require_room(len(entries), size)
            self._require(entries)
        except AuditError as error:
            self._tell_refused(len(entries), error)
            raise
        loop = asyncio.get_running_loop()
        waiting = _Waiting(entries, size, loop.create_future(), loop.time())
        self._queue.append(waiting)
        self._queued += len(entries)
        self.outstanding += len(entries)
        self._outstanding_bytes += size
        self._arrived.set()
        if self._queued >= self._enough_entries:
            self._enough.set()
        return waiting.answer

    async def run(self) -> None:
        """Sequence batches until ``drain`` is called and nothing waits, or the log fails.

        A failure is kept in ``failure``, and every waiting entry gets StoppedError.
        """
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="sequencer") as thread:
                while self.failure is None and await self._something_waits(thread):
                    await self._sequence(self._next_batch(), thread)
        finally:
            self._open = False
            self._refuse(tuple(self._queue))
            self._queue.clear()
            self._stopped()

    def drain(self) -> None:
        """Take nothing new; ``run`` ends when everything that waits is answered."""
        self._open = False
        self._arrived.set()
        self._enough.set()

    async def _something_waits(self, thread: ThreadPoolExecutor) -> bool:
        while not self._arrived.is_set() and self.failure is None:
            idle = self._sequencer.idle_seconds()
            try:
                async with asyncio.timeout(None if idle is None else max(idle, RETRY_SECONDS)):
                    await self._arrived.wait()
            except TimeoutError:
                await self._sequence((), thread)
        return bool(self._queue)

    def _next_batch(self) -> tuple[_Waiting, ...]:
        batch: list[_Waiting] = []
        count = size = 0
        while self._queue:
            following = self._queue[0]
            count, size = count + len(following.entries), size + following.size
            if batch and (count > MAX_COMMIT_ENTRIES or size > MAX_COMMIT_BYTES):
                count -= len(following.entries)
                break
            batch.append(self._queue.popleft())
        for _ in range(self._beyond_full_tile(count)):
            if len(batch[-1].entries) > 1:
                break
            self._queue.appendleft(batch.pop())
            count -= 1
        self._queued -= count
        # Those that are answered come back, and those that are left over are here already.
        self._enough_entries = min(BATCH_ENTRIES, count + self._queued)
        if self._open:
            self._set(self._arrived, when=self._queued > 0)
            self._set(self._enough, when=self._queued >= self._enough_entries)
        return tuple(batch)

    def _beyond_full_tile(self, count: int) -> int:
        size = self.last.tree.size if self.last is not None else 0
        beyond = (size + count) % TILE_WIDTH
        return beyond if 2 * beyond <= count else 0

    @staticmethod
    def _set(event: asyncio.Event, *, when: bool) -> None:
        if when:
            event.set()
        else:
            event.clear()

    async def _sequence(self, batch: tuple[_Waiting, ...], thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        entries = tuple(entry for waiting in batch for entry in waiting.entries)
        now = self._clock()
        self._oldest = batch[0].since if batch else None
        next_start = loop.time() + BATCH_SECONDS
        try:
            done = await loop.run_in_executor(
                thread, lambda: self._sequencer.commit(entries, now=now)
            )
        except BusyError as error:
            # Refused before anything was touched: it is the moment that is wrong, not the log.
            # For want of witnesses it is durable, and only the telling has to wait.
            self._refuse(batch, error)
            return
        except AdmissionError as error:
            # Nothing was written, and the sequencer goes on: only this batch is not taken.
            self._refuse(batch, error)
            return
        except LogError as error:
            self.failure = error
            self._refuse(batch)
            return
        except BaseException:
            # A bug ends ``run`` and with it the server; nobody is left waiting for an answer.
            self._refuse(batch)
            raise
        finally:
            self._oldest = None
            self.outstanding -= len(entries)
            self._outstanding_bytes -= sum(waiting.size for waiting in batch)
        is_news = bool(batch) or (self.last is not None and self.last.checkpoint != done.checkpoint)
        self.last = done
        self._answer(batch, done, is_news=is_news)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(next_start):
                await self._enough.wait()

    def _answer(self, batch: tuple[_Waiting, ...], done: Sequenced, *, is_news: bool) -> None:
        at = 0
        for waiting in batch:
            indices = done.indices[at : at + len(waiting.entries)]
            at += len(waiting.entries)
            # A client that went away has cancelled its answer; its entry is logged all the same.
            if not waiting.answer.done():
                waiting.answer.set_result(Sequenced(indices, done.tree, done.checkpoint))
        if self._observer is not None and is_news:
            now = asyncio.get_running_loop().time()
            seconds = [(len(waiting.entries), now - waiting.since) for waiting in batch]
            self._observer.published(seconds=seconds, size=done.tree.size)

    def _require_room(self, entries: int, size: int) -> None:
        if not self._open:
            raise StoppedError("log", expected="a log that takes entries", got="it is stopping")
        count, size = self.outstanding + entries, self._outstanding_bytes + size
        if count > MAX_OUTSTANDING or size > MAX_OUTSTANDING_BYTES:
            expected = f"at most {MAX_OUTSTANDING} entries and {MAX_OUTSTANDING_BYTES} bytes"
            raise BusyError("waiting entries", expected=expected, got="more")

    def _refuse(self, batch: tuple[_Waiting, ...], why: AdmissionError | None = None) -> None:
        for waiting in batch:
            if not waiting.answer.done():
                error = why or StoppedError(
                    "log", expected="a durable entry", got=str(self.failure)
                )
                waiting.answer.set_exception(error)
                self._tell_refused(len(waiting.entries), error)

    def _tell_refused(self, entries: int, error: AuditError) -> None:
        if self._observer is not None:
            self._observer.refused(entries=entries, error=error)
