"""A front end's thread: parcels to the database, answers back, and what is known about it all.

While the database is away, what waits is kept. A new session hands all of it over once more,
because nobody can know what became of it: what was committed already keeps its index.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import count, islice
from threading import Event

from log_server.errors import LogError, StoppedError, StorageError
from log_server.intake import BATCH_ENTRIES
from log_server.sequencer import Sequenced
from log_server.shared.parcel import encode_parcel, parse_error
from log_server.shared.sequencing import POLL_SECONDS
from log_server.store.database_url import DatabaseUrl
from log_server.store.postgresql_queue import FrontQueue, ParcelAnswer, SequencerSign
from verifier.errors import AuditError
from verifier.tlog.checkpoint import parse_checkpoint
from verifier.tlog.merkle import EMPTY_ROOT, TreeHead
from verifier.tlog.note import parse_note

__all__ = ["GIVE_UP_SECONDS", "SILENT_SECONDS", "Answered", "Front", "Outcome", "Waiting"]

GIVE_UP_SECONDS = 20.0
"""Longest time that a submission waits for its answer before it is refused for the moment."""

SILENT_SECONDS = 15.0
"""Longest time without a sign of life of the sequencer."""

_MAX_PARCEL_BYTES = 2**22
_RECONNECT_SECONDS = 0.5

Outcome = Sequenced | AuditError
"""What became of a submission."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A submission, and when it came, by ``time.monotonic``."""

    entries: Sequence[bytes]
    since: float = field(default_factory=time.monotonic)


Answered = Callable[[Sequence[tuple[Waiting, Outcome]]], None]
"""Is told what became of submissions."""


class Front:
    """Hands submissions over, and brings the answers back. ``run`` is one thread."""

    def __init__(
        self,
        address: DatabaseUrl,
        *,
        why: Callable[[], LogError | None],
        give_up: float = GIVE_UP_SECONDS,
    ) -> None:
        """``why`` says what keeps this program from being the sequencer itself."""
        self._address = address
        self._answered: Answered = _unheard
        self._why = why
        self._give_up = give_up
        self._fresh: deque[Waiting] = deque()
        self._posted: dict[int, tuple[Waiting, ...]] = {}
        self._numbers = count(1)
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stop = Event()
        self._lost: LogError | None = None
        self._sign: tuple[float, SequencerSign | None] | None = None
        self._looked = self._collected = float("-inf")

    def submit(self, waiting: Waiting) -> None:
        """Hand over. For any thread."""
        self._fresh.append(waiting)
        self._rouse()

    def stop(self) -> None:
        """End ``run``; what waits is not answered. For any thread."""
        self._stop.set()
        self._rouse()

    def close(self) -> None:
        """Release what is held, after ``run``."""
        os.close(self._wake)
        os.close(self._waker)

    def require_sequencer(self) -> None:
        """Raises the LogError or QuorumError that keeps the log from going on. For any thread."""
        lost, sign = self._lost, self._sign
        if lost is not None:
            raise lost
        if sign is None:
            raise StoppedError("database", expected="a connection", got="none yet")
        looked, shown = sign
        seconds = None if shown is None else shown.seconds + time.monotonic() - looked
        if shown is None or seconds is None or seconds > SILENT_SECONDS:
            got = "none" if seconds is None else f"none for {seconds:.0f} s"
            why = self._why()
            raise StoppedError(
                "sequencer of the log",
                expected=f"a sign of life within {SILENT_SECONDS:.0f} s",
                got=got if why is None else f"{got} ({why})",
            )
        if shown.failure is not None:
            raise parse_error(shown.failure)

    def run(self, answered: Answered) -> None:
        """Work until ``stop``; a session that is lost is replaced.

        ``answered`` is called in this thread, in time once for each submission. Raises
        ConfigurationError about the database.
        """
        self._answered = answered
        while not self._stop.is_set():
            try:
                with closing(FrontQueue(self._address)) as queue:
                    while not self._stop.is_set():
                        self._turn(queue)
            except StorageError as error:
                self._lost, self._sign = error, None
                self._take_back()
                self._refuse(self._expired())
                self._stop.wait(_RECONNECT_SECONDS)

    def _turn(self, queue: FrontQueue) -> None:
        while self._fresh:
            parcel, number = tuple(self._parcel()), next(self._numbers)
            self._posted[number] = parcel
            queue.post(number, *encode_parcel([waiting.entries for waiting in parcel]))
        now = time.monotonic()
        if now - self._looked >= POLL_SECONDS:
            self._sign, self._looked, self._lost = (now, queue.sign()), now, None
        for number in self._overdue():
            queue.withdraw(number)
            self._refuse(self._posted.pop(number))
        notified = queue.wait(POLL_SECONDS, wake=self._wake)
        with suppress(BlockingIOError):
            os.read(self._wake, 2**16)
        if notified or time.monotonic() - self._collected >= POLL_SECONDS:
            self._collect(queue)

    def _parcel(self) -> Iterator[Waiting]:
        entries = size = 0
        while self._fresh and entries < BATCH_ENTRIES and size < _MAX_PARCEL_BYTES:
            waiting = self._fresh.popleft()
            entries += len(waiting.entries)
            size += sum(map(len, waiting.entries))
            yield waiting

    def _collect(self, queue: FrontQueue) -> None:
        for number, answer in queue.collect().items():
            self._answered(_outcomes(self._posted.pop(number, ()), answer))
        self._collected = time.monotonic()

    def _take_back(self) -> None:
        for parcel in reversed(self._posted.values()):
            self._fresh.extendleft(reversed(parcel))
        self._posted.clear()

    def _overdue(self) -> tuple[int, ...]:
        latest = time.monotonic() - self._give_up
        return tuple(number for number, parcel in self._posted.items() if parcel[0].since < latest)

    def _expired(self) -> Iterator[Waiting]:
        latest = time.monotonic() - self._give_up
        while self._fresh and self._fresh[0].since < latest:
            yield self._fresh.popleft()

    def _refuse(self, submissions: Iterator[Waiting] | Sequence[Waiting]) -> None:
        got = "none"
        try:
            self.require_sequencer()
        except AuditError as error:
            got = str(error)
        refusal = StoppedError("log", expected=f"an answer within {self._give_up:.0f} s", got=got)
        self._answered([(waiting, refusal) for waiting in submissions])

    def _rouse(self) -> None:
        with suppress(BlockingIOError):  # full: it is awake
            os.write(self._waker, b"\0")


def _unheard(outcomes: Sequence[tuple[Waiting, Outcome]]) -> None:
    del outcomes


def _outcomes(parcel: Sequence[Waiting], answer: ParcelAnswer) -> list[tuple[Waiting, Outcome]]:
    outcomes_due = (
        len(parcel),
        sum(
            len(waiting.entries)
            for waiting, refused in zip(parcel, answer.refusals, strict=False)
            if refused is None
        ),
    )
    outcomes_told = len(answer.refusals), len(answer.indices)
    if outcomes_told != outcomes_due:
        expected, got = (f"{n} outcomes and {m} indices" for n, m in (outcomes_due, outcomes_told))
        refusal = StoppedError("answer of the sequencer", expected=expected, got=got)
        return [(waiting, refusal) for waiting in parcel]
    tree = TreeHead(0, EMPTY_ROOT)
    if answer.checkpoint:
        tree = parse_checkpoint(parse_note(answer.checkpoint)).tree
    outcomes: list[tuple[Waiting, Outcome]] = []
    indices = iter(answer.indices)
    for waiting, refused in zip(parcel, answer.refusals, strict=True):
        outcome: Outcome
        if refused is None:
            taken = tuple(islice(indices, len(waiting.entries)))
            outcome = Sequenced(taken, tree, answer.checkpoint)
        else:
            outcome = parse_error(refused)
        outcomes.append((waiting, outcome))
    return outcomes
