from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from log_server.errors import StorageError
from log_server.store.database_url import DatabaseUrl
from log_server.store.postgresql import PostgresqlStore
from log_server.store.postgresql_queue import FrontQueue, ParcelAnswer, SequencerQueue
from tests.log_server.storing import EMPTY
from tests.postgresql import Cluster

ALL = {"entries": 4096, "size": 2**26}
DONE = ParcelAnswer((0,), (None,), b"checkpoint")


@pytest.fixture(scope="module")
def shared(postgresql: Cluster) -> DatabaseUrl:
    made = postgresql.another_database()
    PostgresqlStore.create(made, head=EMPTY)
    return made


@pytest.fixture
def database(postgresql: Cluster, shared: DatabaseUrl) -> DatabaseUrl:
    postgresql.run("DELETE FROM cvm_log.submissions; DELETE FROM cvm_log.sequencer", shared)
    return shared


@pytest.fixture
def sequencer(database: DatabaseUrl) -> Iterator[SequencerQueue]:
    with closing(PostgresqlStore(database, lock=time.monotonic_ns())) as store:
        yield SequencerQueue(store.session)


@pytest.fixture
def front(database: DatabaseUrl) -> Iterator[FrontQueue]:
    with closing(FrontQueue(database)) as opened:
        yield opened


@pytest.fixture
def wake() -> Iterator[int]:
    reading, writing = os.pipe()
    yield reading
    os.close(reading)
    os.close(writing)


def test_a_parcel_goes_there_and_its_answer_comes_back(
    front: FrontQueue, sequencer: SequencerQueue, wake: int
) -> None:
    front.post(7, (1, 2), b"entries")
    assert sequencer.wait(10) == ("3",)
    (parcel,) = sequencer.take(**ALL)
    assert (parcel.counts, parcel.entries) == ((1, 2), b"entries")
    assert front.collect() == {}
    answer = ParcelAnswer((5, 6), (b"refused", None), b"checkpoint")
    sequencer.answer([(parcel.number, answer)])
    assert front.wait(10, wake=wake) == ("",)
    assert front.collect() == {7: answer}
    assert (front.collect(), sequencer.take(**ALL)) == ({}, ())


def test_what_is_taken_waits_until_it_is_answered(
    front: FrontQueue, sequencer: SequencerQueue
) -> None:
    front.post(1, (1,), b"one")
    assert sequencer.take(**ALL) == sequencer.take(**ALL) != ()


def test_parcels_come_in_order_and_within_bounds(
    front: FrontQueue, sequencer: SequencerQueue, database: DatabaseUrl
) -> None:
    with closing(FrontQueue(database)) as other:
        front.post(1, (100,), b"a" * 10)
        other.post(1, (100,), b"b" * 10)
        front.post(2, (100,), b"c" * 10)

        def taken(entries: int, size: int) -> bytes:
            parcels = sequencer.take(entries=entries, size=size)
            return b"".join(parcel.entries[:1] for parcel in parcels)

        assert taken(4096, 1000) == b"abc"
        assert (taken(1, 1000), taken(100, 1000), taken(101, 1000)) == (b"a", b"a", b"ab")
        assert (taken(4096, 1), taken(4096, 10), taken(4096, 20)) == (b"a", b"a", b"ab")


def test_only_the_front_end_that_posted_gets_the_answer(
    front: FrontQueue, sequencer: SequencerQueue, database: DatabaseUrl, wake: int
) -> None:
    with closing(FrontQueue(database)) as other:
        front.post(1, (1,), b"one")
        sequencer.answer([(sequencer.take(**ALL)[0].number, DONE)])
        assert (other.wait(0.05, wake=wake), other.collect()) == ((), {})
        assert front.collect() == {1: DONE}


def test_a_parcel_that_was_taken_back_is_not_answered(
    front: FrontQueue, sequencer: SequencerQueue
) -> None:
    front.post(1, (1,), b"one")
    (parcel,) = sequencer.take(**ALL)
    front.withdraw(1)
    sequencer.answer([(parcel.number, DONE)])
    assert (front.collect(), sequencer.take(**ALL)) == ({}, ())


def test_rows_of_a_front_end_that_is_gone_are_removed(
    front: FrontQueue, sequencer: SequencerQueue, database: DatabaseUrl
) -> None:
    gone = FrontQueue(database)
    gone.post(1, (1,), b"gone, waiting")
    gone.post(2, (1,), b"gone, answered")
    front.post(1, (1,), b"here")
    sequencer.answer([(sequencer.take(**ALL)[1].number, DONE)])
    assert sequencer.sweep() == 0
    gone.close()
    end = time.monotonic() + 10
    removed = 0
    while removed < 2 and time.monotonic() < end:
        removed += sequencer.sweep()
    assert removed == 2
    assert [parcel.entries for parcel in sequencer.take(**ALL)] == [b"here"]


def test_a_sign_of_life(front: FrontQueue, sequencer: SequencerQueue) -> None:
    assert front.sign() is None
    sequencer.show(b"failure")
    sign = front.sign()
    assert sign is not None
    assert 0 <= sign.seconds < 10
    assert sign.failure == b"failure"
    sequencer.show(None)
    sign = front.sign()
    assert sign is not None
    assert sign.failure is None


def test_waiting_ends_when_woken(front: FrontQueue) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\0")
    started = time.monotonic()
    assert front.wait(30, wake=reading) == ()
    assert time.monotonic() - started < 10
    os.close(reading)
    os.close(writing)


def test_a_lost_session_is_an_error_for_whoever_waits(
    postgresql: Cluster, database: DatabaseUrl, front: FrontQueue, wake: int
) -> None:
    postgresql.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'cvm-log front end %'",
        database,
    )

    def listen_on() -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            front.wait(1, wake=wake)

    with pytest.raises(StorageError) as caught:
        listen_on()
    assert (caught.value.what, caught.value.expected) == ("database", "success")
