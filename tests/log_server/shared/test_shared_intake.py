from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import pytest

from log_server.errors import (
    BusyError,
    ConfigurationError,
    DamagedError,
    LockedError,
    LogError,
    PolicyRefusalError,
    StoppedError,
    StorageError,
)
from log_server.intake import MAX_OUTSTANDING, Acknowledgement
from log_server.shared.election import Campaign, Elect
from log_server.shared.front import Front, Waiting, _outcomes
from log_server.shared.intake import SharedIntake
from log_server.shared.sequencing import Sequencing
from log_server.store.database_url import DatabaseUrl, parse_database_url
from log_server.store.postgresql import PostgresqlStore, lock_key
from log_server.store.postgresql_queue import ParcelAnswer
from tests.log_server.shared.conftest import Place
from tests.postgresql import Cluster
from tests.verifier.release.stating import ADMINS, ORIGIN, log_policy, signed
from verifier.errors import AuditError

FIRST = signed(log_policy(), ADMINS[:2])

Again = Callable[[LockedError], bool]
Story = Callable[[SharedIntake, Front], Awaitable[None]]


class _Figures:
    """An ``Observer`` that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def published(self, *, seconds: Sequence[tuple[int, float]], size: int) -> None:
        self.told.append(f"published {sum(count for count, _ in seconds)} size {size}")

    def refused(self, *, entries: int, error: AuditError) -> None:
        self.told.append(f"refused {entries} {type(error).__name__}")


@contextmanager
def _nobody(again: Again) -> Iterator[Sequencing]:
    got = "another session of the database holds it"
    error = LockedError("lock of the log", expected="no other program", got=got)
    while again(error):
        pass
    raise error
    yield


def _by(place: Place) -> Elect:
    return lambda _: place.sequencing()


def _run(
    database: DatabaseUrl, elect: Elect, story: Story, *, give_up: float = 20.0
) -> tuple[list[str], SharedIntake]:
    """Live a story before a candidate; what figures and the operator were told."""
    told = _Figures()
    intakes: list[SharedIntake] = []

    async def main() -> None:
        campaign = Campaign(elect, tell=told.told.append)
        front = Front(database, why=lambda: campaign.why, give_up=give_up)
        intake = SharedIntake(
            front, campaign, observer=told, stopped=lambda: told.told.append("stopped")
        )
        intakes.append(intake)
        running = asyncio.create_task(intake.run())
        try:
            await story(intake, front)
        finally:
            intake.drain()
            await running

    asyncio.run(main())
    return told.told, intakes[0]


def test_answers_carry_index_and_checkpoint(place: Place) -> None:
    async def story(intake: SharedIntake, front: Front) -> None:
        first = await intake.add(b"one")
        second = await intake.add(b"two")
        again = await intake.add(b"one")
        assert (first.index, second.index, again.index) == (0, 1, 0)
        assert (first.tree.size, second.tree.size) == (1, 2)
        done = await intake.submit((b"two", b"three"))
        assert done.indices == (1, 2)
        assert done.checkpoint == (place.root / "public" / "checkpoint").read_bytes()
        assert intake.last == done
        assert (intake.outstanding, intake.oldest_seconds()) == (0, 0.0)
        await _idle(intake, front)

    told, intake = _run(place.database, _by(place), story)
    assert told[0] == "elected sequencer at size 0"
    assert told[1:] == [
        "published 1 size 1",
        "published 1 size 2",
        "published 1 size 2",
        "published 2 size 3",
        "stopped",
    ]
    assert (intake.failure, intake.is_open) == (None, False)


def test_many_at_once_are_answered_and_a_drain_waits_for_them(place: Place) -> None:
    waiting: list[asyncio.Future[Acknowledgement]] = []

    async def story(intake: SharedIntake, front: Front) -> None:
        del front
        waiting.extend(asyncio.ensure_future(intake.add(b"%d" % number)) for number in range(3000))
        await asyncio.sleep(0)
        intake.drain()
        with pytest.raises(StoppedError) as caught:
            await intake.add(b"late")
        assert caught.value.got == "it is stopping"

    _run(place.database, _by(place), story)
    assert sorted(one.result().index for one in waiting) == list(range(3000))


def test_a_refusal_reaches_its_submitter_with_its_class(place: Place) -> None:
    async def story(intake: SharedIntake, front: Front) -> None:
        del front
        refused, good = intake.submit((FIRST,)), intake.submit((b"good",))
        await asyncio.wait((refused, good))
        error = refused.exception()
        assert isinstance(error, PolicyRefusalError)
        assert (error.what, error.expected) == (
            "log-policy.bootstrap",
            "the first policy from the operator",
        )
        assert error.hint.startswith("cvm-log publish")
        assert good.result().indices == (0,)

    told, _ = _run(place.database, _by(place), story)
    assert "refused 1 PolicyRefusalError" in told


def test_too_much_that_waits_is_refused(place: Place) -> None:
    async def story(intake: SharedIntake, front: Front) -> None:
        del front
        for _ in range(MAX_OUTSTANDING // 4096):
            intake.submit([b"x"] * 4096)
        with pytest.raises(BusyError) as caught:
            intake.submit((b"one more",))
        assert (caught.value.what, caught.value.got) == ("waiting entries", "more")

    told, _ = _run(place.database, _nobody, story, give_up=0.2)
    assert "refused 1 BusyError" in told


def test_without_a_sequencer_nobody_waits_for_ever(place: Place) -> None:
    async def story(intake: SharedIntake, front: Front) -> None:
        with pytest.raises(StoppedError) as caught:
            await intake.add(b"one")
        assert caught.value.expected == "an answer within 0 s"
        assert "sequencer of the log: none (lock of the log: " in caught.value.got
        with pytest.raises(StoppedError) as missing:
            front.require_sequencer()
        assert missing.value.what == "sequencer of the log"
        assert missing.value.expected == "a sign of life within 15 s"

    _run(place.database, _nobody, story, give_up=0.3)
    # It was taken back: nobody logs later what its submitter was told to submit again.
    told, _ = _run(place.database, _by(place), _idle)
    assert told == ["elected sequencer at size 0", "stopped"]


async def _idle(intake: SharedIntake, front: Front) -> None:
    del intake
    for _ in range(1000):
        try:
            front.require_sequencer()
        except AuditError:
            await asyncio.sleep(0.01)
        else:
            return
    raise AssertionError("no sequencer")


def test_without_a_database_nobody_waits_for_ever() -> None:
    async def story(intake: SharedIntake, front: Front) -> None:
        with pytest.raises(StoppedError) as none_yet:
            front.require_sequencer()
        assert (none_yet.value.what, none_yet.value.got) == ("database", "none yet")
        with pytest.raises(StoppedError) as caught:
            await intake.add(b"one")
        assert "No such file or directory" in caught.value.got
        with pytest.raises(StorageError) as away:
            front.require_sequencer()
        assert away.value.what == "database"

    nowhere = parse_database_url("postgresql+psycopg://owner@/log?host=/nowhere")
    told, _ = _run(nowhere, _nobody, story, give_up=0.1)
    assert told == ["refused 1 StoppedError", "stopped"]


def test_a_session_that_is_lost_hands_everything_over_again(
    place: Place, postgresql: Cluster
) -> None:
    async def story(intake: SharedIntake, front: Front) -> None:
        await intake.add(b"zero")
        waiting = [intake.submit((b"%d" % number,)) for number in range(300)]
        await asyncio.to_thread(
            postgresql.run,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'cvm-log %'",
            place.database,
        )
        done = await asyncio.gather(*waiting)
        assert sorted(one.indices[0] for one in done) == list(range(1, 301))
        await _idle(intake, front)

    told, _ = _run(place.database, _by(place), story)
    assert told.count("elected sequencer at size 0") == 1
    assert any(line.startswith("elected sequencer at size") for line in told[2:])


def _failing(error: LogError) -> Elect:
    @contextmanager
    def elect(again: Again) -> Iterator[Sequencing]:
        del again
        raise error
        yield

    return elect


@pytest.mark.parametrize("kind", [DamagedError, ConfigurationError])
def test_a_log_that_must_not_go_on_ends_the_server(place: Place, kind: type[LogError]) -> None:
    async def story(intake: SharedIntake, front: Front) -> None:
        del front
        with pytest.raises(StoppedError) as caught:
            await intake.add(b"one")
        assert (caught.value.expected, caught.value.got) == (
            "a durable entry",
            "tile/0/000: others (expected some)",
        )

    elect = _failing(kind("tile/0/000", expected="some", got="others"))
    told, intake = _run(place.database, elect, story)
    assert isinstance(intake.failure, kind)
    assert told == ["refused 1 StoppedError", "stopped"]


def test_a_disk_that_fails_ends_the_term_and_not_the_server(place: Place) -> None:
    attempts = iter(range(3))

    @contextmanager
    def elect(again: Again) -> Iterator[Sequencing]:
        del again
        if next(attempts) < 2:
            raise StorageError("tile/0/000.p/1", expected="a durable write", got="no space")
        with place.sequencing() as sequencing:
            yield sequencing

    async def story(intake: SharedIntake, front: Front) -> None:
        del front
        assert (await intake.add(b"one")).index == 0

    told, intake = _run(place.database, elect, story)
    assert intake.failure is None
    assert told == [
        "not the sequencer: tile/0/000.p/1: no space (expected a durable write)",
        "elected sequencer at size 0",
        "published 1 size 1",
        "stopped",
    ]


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (ParcelAnswer((), (), b""), "0 outcomes and 0 indices"),
        (ParcelAnswer((0, 1), (None, None), b"checkpoint"), "2 outcomes and 2 indices"),
        (ParcelAnswer((0, 1, 2), (None, None, None), b"checkpoint"), "3 outcomes and 3 indices"),
    ],
)
def test_an_answer_that_does_not_fit_is_no_answer(answer: ParcelAnswer, got: str) -> None:
    parcel = (Waiting((b"one",)), Waiting((b"two", b"three")))
    outcomes = _outcomes(parcel, answer)
    assert [waiting for waiting, _ in outcomes] == list(parcel)
    for _, error in outcomes:
        assert isinstance(error, StoppedError)
        assert (error.what, error.got) == ("answer of the sequencer", got)


def test_a_candidate_waits_on_one_session(place: Place, postgresql: Cluster) -> None:
    def names() -> list[tuple[str, int]]:
        rows = postgresql.run(
            "SELECT application_name, pid FROM pg_stat_activity"
            " WHERE application_name LIKE 'cvm-log %'",
            place.database,
        )
        return sorted((name.removesuffix(f" {os.getpid()}"), pid) for name, pid in rows)

    asked: list[list[tuple[str, int]]] = []
    lock = lock_key(ORIGIN)
    with closing(PostgresqlStore(place.database, lock=lock)) as elected:

        def again(error: LockedError) -> bool:
            assert error.got == "another session of the database holds it"
            asked.append(names())
            if len(asked) == 2:
                elected.close()
            return len(asked) < 4

        with closing(PostgresqlStore(place.database, lock=lock, again=again)) as second:
            assert second.session.holds(lock)
            assert [name for name, _ in names()] == ["cvm-log sequencer"]
            assert names()[0][1] == asked[0][0][1]
    assert asked[0] == asked[1]
    assert [name for name, _ in asked[0]] == ["cvm-log candidate", "cvm-log sequencer"]
