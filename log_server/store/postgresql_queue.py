"""What front ends and the sequencer of a log in PostgreSQL tell each other, through two tables.

A parcel is what one front end hands over at once: a row of ``submissions``. The sequencer writes
the answer into the row, the front end takes the row away. Notifications only say that it is worth
looking; whoever waits also looks without one from time to time, so that a lost one costs a moment.

A front end holds an advisory lock with its own number for as long as its session lives. A row
whose front end has no lock belongs to nobody, and the sequencer removes it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from log_server.errors import StorageError
from log_server.store.database_url import DatabaseUrl
from log_server.store.postgresql_session import PostgresqlSession

__all__ = ["FrontQueue", "ParcelAnswer", "SequencerQueue", "SequencerSign", "StoredParcel"]

_POST = """WITH posted AS (
        INSERT INTO cvm_log.submissions (front, parcel, counts, total, entries)
        VALUES (%b, %b, %b::integer[], %b::integer, %b))
    SELECT pg_notify('cvm_log_submitted', %b::integer::text)"""
_COLLECT = """DELETE FROM cvm_log.submissions WHERE front = %b AND answered
    RETURNING parcel, indices, refusals, checkpoint"""
_WITHDRAW = "DELETE FROM cvm_log.submissions WHERE front = %b AND parcel = %b"
_SIGN = """SELECT extract(epoch FROM clock_timestamp() - alive)::float8, failure
    FROM cvm_log.sequencer"""

# In the order in which they came, as many as begin within the bounds, and at least one.
_TAKE = """SELECT number, counts, entries FROM (
        SELECT number, counts, entries,
            sum(total) OVER arrived - total AS entries_before,
            sum(octet_length(entries)) OVER arrived - octet_length(entries) AS bytes_before
        FROM cvm_log.submissions WHERE NOT answered WINDOW arrived AS (ORDER BY number)
    ) AS waiting WHERE entries_before < %b::bigint AND bytes_before < %b::bigint ORDER BY number"""
_ANSWER = """WITH answered AS (
        UPDATE cvm_log.submissions SET answered = true, indices = %b::bigint[],
            refusals = %b::bytea[], checkpoint = %b WHERE number = %b RETURNING front)
    SELECT pg_notify('cvm_log_front_' || front, '') FROM answered"""
_SWEEP = """DELETE FROM cvm_log.submissions WHERE NOT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid::bigint << 32) | objid::bigint = front)"""
_SHOW = """INSERT INTO cvm_log.sequencer VALUES (1, clock_timestamp(), %b)
    ON CONFLICT (id) DO UPDATE SET alive = excluded.alive, failure = excluded.failure"""


@dataclass(frozen=True, slots=True)
class StoredParcel:
    """A row that waits. ``counts``: entries of each submission; ``entries``: all, as a bundle."""

    number: int
    counts: tuple[int, ...]
    entries: bytes


@dataclass(frozen=True, slots=True)
class ParcelAnswer:
    """What became of a parcel.

    ``refusals`` has for each submission None or an encoded error, ``indices`` those of all entries
    of the others, in order; ``checkpoint`` is a published one that covers them, empty if there are
    none.
    """

    indices: tuple[int, ...]
    refusals: tuple[bytes | None, ...]
    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class SequencerSign:
    """The sequencer's last sign of life, ``seconds`` ago, and the encoded error that it told."""

    seconds: float
    failure: bytes | None


class FrontQueue:
    """A front end's side, on a session of its own. Used by one thread at a time."""

    def __init__(self, address: DatabaseUrl) -> None:
        """Connect. Raises as ``PostgresqlSession``."""
        self._session = PostgresqlSession(address, role="front end")
        self._front = secrets.randbits(62)
        try:
            # A number of 62 random bits: nobody else has its lock.
            self._session.try_lock(self._front)
            self._session.execute(f'LISTEN "cvm_log_front_{self._front}"')
        except StorageError:
            self.close()
            raise

    def post(self, parcel: int, counts: Sequence[int], entries: bytes) -> None:
        """Hand over a parcel under a number of the front end's own."""
        total = sum(counts)
        self._session.execute(_POST, (self._front, parcel, list(counts), total, entries, total))

    def collect(self) -> dict[int, ParcelAnswer]:
        """Take the answered parcels away, each with its answer."""
        rows = self._session.execute(_COLLECT, (self._front,))
        return {
            parcel: ParcelAnswer(tuple(indices), tuple(refusals), checkpoint)
            for parcel, indices, refusals, checkpoint in rows
        }

    def withdraw(self, parcel: int) -> None:
        """Take a parcel back. It may be in the log all the same."""
        self._session.execute(_WITHDRAW, (self._front, parcel))

    def sign(self) -> SequencerSign | None:
        """The newest sign of a sequencer; None if there was none since the server's last crash."""
        for seconds, failure in self._session.execute(_SIGN):
            return SequencerSign(seconds, failure)
        return None

    def wait(self, seconds: float, *, wake: int) -> tuple[str, ...]:
        """Wait for an answer; see ``PostgresqlSession.wait``."""
        return self._session.wait(seconds, wake=wake)

    def close(self) -> None:
        """End the session: what was posted and not collected belongs to nobody; idempotent."""
        self._session.close()


class SequencerQueue:
    """The sequencer's side, on the session that has the lock of the log."""

    def __init__(self, session: PostgresqlSession) -> None:
        self._session = session
        session.execute("LISTEN cvm_log_submitted")

    def take(self, *, entries: int, size: int) -> tuple[StoredParcel, ...]:
        """The oldest parcels that wait, up to about ``entries`` entries and ``size`` bytes.

        They wait until they are answered, whoever is the sequencer by then.
        """
        rows = self._session.execute(_TAKE, (entries, size))
        return tuple(StoredParcel(number, tuple(counts), raw) for number, counts, raw in rows)

    def answer(self, answers: Sequence[tuple[int, ParcelAnswer]]) -> None:
        """Answer parcels by their numbers; one that was taken back is passed over."""
        with self._session.transaction():
            for number, answer in answers:
                indices, refusals = list(answer.indices), list(answer.refusals)
                self._session.execute(_ANSWER, (indices, refusals, answer.checkpoint, number))

    def sweep(self) -> int:
        """Remove the rows of front ends that are gone; how many."""
        return self._session.count(_SWEEP)

    def show(self, failure: bytes | None) -> None:
        """Give a sign of life, and say what holds up the log, if anything does."""
        self._session.execute(_SHOW, (failure,))

    def wait(self, seconds: float) -> tuple[str, ...]:
        """Wait for parcels: for each, its number of entries. See ``PostgresqlSession.wait``."""
        return self._session.wait(seconds)
