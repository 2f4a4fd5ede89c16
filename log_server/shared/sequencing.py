"""What the elected sequencer does: parcels in, one commit for many of them, answers out.

Every submission is held against the admission policy on its own, so that a refused one takes no
other with it. Nobody is answered before the checkpoint that covers the answer is published. After
a crash in between the parcels still wait; the next sequencer commits them again, which gives the
indices of the first time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from threading import Event

from log_server.admission import AdmittingSequencer
from log_server.errors import AdmissionError
from log_server.health import Check
from log_server.intake import (
    BATCH_ENTRIES,
    BATCH_SECONDS,
    MAX_COMMIT_BYTES,
    MAX_COMMIT_ENTRIES,
    RETRY_SECONDS,
)
from log_server.sequencer import Sequenced
from log_server.shared.parcel import encode_error, parse_parcel
from log_server.store.postgresql_queue import ParcelAnswer, SequencerQueue, StoredParcel
from verifier.errors import AuditError, ParseError
from verifier.tlog.strict import parse_decimal

__all__ = ["POLL_SECONDS", "SIGN_SECONDS", "Sequencing"]

POLL_SECONDS = 0.5
"""Longest time that a parcel waits because its notification was lost."""

SIGN_SECONDS = 1.0
"""Between two signs of life, while there is nothing else to do."""

_SWEEP_SECONDS = 10.0


@dataclass(slots=True)
class _Submission:
    entries: tuple[bytes, ...]
    indices: tuple[int, ...] = ()
    refusal: bytes | None = None


class Sequencing:
    """Works for one elected sequencer, in the thread that was elected."""

    def __init__(
        self,
        sequencer: AdmittingSequencer,
        queue: SequencerQueue,
        *,
        clock: Callable[[], datetime],
        checks: tuple[Check, ...],
    ) -> None:
        """What ``checks`` raise is told to the front ends, for their ``/health``."""
        self._sequencer = sequencer
        self._queue = queue
        self._clock = clock
        self._checks = checks
        self._shown: bytes | None = None
        self._announced = 0
        self._shown_at = self._swept = self._tried = float("-inf")

    @property
    def size(self) -> int:
        """Entries of the log."""
        return self._sequencer.head.tree.size

    def run(self, stop: Event) -> None:
        """Sequence until ``stop``, and at least once. Raises LogError: somebody else goes on."""
        while True:
            started = time.monotonic()
            count = self.turn()
            if stop.is_set():
                return
            if count:
                self._gather(min(BATCH_ENTRIES, count), until=started + BATCH_SECONDS)
            else:
                self._hear(POLL_SECONDS)

    def turn(self) -> int:
        """Commit and answer what waits, at most a batch; the number of its entries."""
        self._announced = 0
        self._care()
        parcels = self._queue.take(entries=MAX_COMMIT_ENTRIES, size=MAX_COMMIT_BYTES)
        if not parcels:
            self._retry()
            return 0
        opened = [(parcel.number, _submissions(parcel)) for parcel in parcels]
        checkpoint = self._settle([one for _, submissions in opened for one in submissions])
        self._queue.answer(
            [(number, _answer(submissions, checkpoint)) for number, submissions in opened]
        )
        return sum(sum(parcel.counts) for parcel in parcels)

    def _care(self) -> None:
        now = time.monotonic()
        if now - self._swept >= _SWEEP_SECONDS:
            self._queue.sweep()
            self._swept = now
        failure = self._failure()
        if now - self._shown_at >= SIGN_SECONDS or self._shown != failure:
            self._queue.show(failure)
            self._shown_at, self._shown = now, failure

    def _failure(self) -> bytes | None:
        try:
            for check in self._checks:
                check()
        except AuditError as error:
            return encode_error(error)
        return None

    def _retry(self) -> None:
        # What waits for witnesses must not wait for the next submission too.
        idle = self._sequencer.idle_seconds()
        if idle == 0 and time.monotonic() - self._tried >= RETRY_SECONDS:
            with suppress(AdmissionError):
                self._commit(())

    def _gather(self, enough: int, *, until: float) -> None:
        # Those that were answered come back; a lone client is not held up by this.
        while self._announced < enough and (seconds := until - time.monotonic()) > 0:
            self._hear(seconds)

    def _hear(self, seconds: float) -> None:
        for payload in self._queue.wait(seconds):
            with suppress(ParseError):  # anybody in the database may notify; this only hastens
                self._announced += parse_decimal(payload, what="notification of a parcel")

    def _settle(self, submissions: Sequence[_Submission]) -> bytes:
        """Refuse or commit each; the checkpoint that covers what is committed."""
        for one in submissions:
            try:
                self._sequencer.admission.require(one.entries)
            except AdmissionError as error:
                one.refusal = encode_error(error)
        admitted = [one for one in submissions if one.refusal is None]
        if not admitted:
            return b""
        try:
            done = self._commit([entry for one in admitted for entry in one.entries])
        except AdmissionError as error:
            # Refused before anything was touched, or durable and not published: not our failure.
            for one in admitted:
                one.refusal = encode_error(error)
            return b""
        indices = iter(done.indices)
        for one in admitted:
            one.indices = tuple(islice(indices, len(one.entries)))
        return done.checkpoint

    def _commit(self, entries: Sequence[bytes]) -> Sequenced:
        self._tried = time.monotonic()
        return self._sequencer.commit(entries, now=self._clock())


def _submissions(parcel: StoredParcel) -> list[_Submission]:
    try:
        return [_Submission(entries) for entries in parse_parcel(parcel.counts, parcel.entries)]
    except ParseError:
        return []  # no front end of ours wrote it


def _answer(submissions: Sequence[_Submission], checkpoint: bytes) -> ParcelAnswer:
    return ParcelAnswer(
        tuple(index for one in submissions for index in one.indices),
        tuple(one.refusal for one in submissions),
        checkpoint,
    )
