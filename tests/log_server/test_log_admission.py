"""A log holds what is submitted against the policy that it has itself logged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from log_server.errors import ClockError, PolicyRefusalError, QuorumError
from log_server.log_folder import OpenLog, create_log, open_log
from log_server.log_policy import Admission
from log_server.store.contract import Head
from log_server.witnessing import UNWITNESSED
from tests.making import statement
from tests.verifier.release.stating import (
    ADMINS,
    ORIGIN,
    SUBMITTERS,
    announcement,
    log_policy,
    rebuild,
    signed,
)
from verifier.release.admission import Rules

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
A, B, C = ADMINS
X, Y, Z = SUBMITTERS
NO_RULES = Rules(ORIGIN, None, b"")
FIRST = signed(log_policy(), (A, B))
SECOND = signed(log_policy(sequence=2, kinds={}, submitters=[]), (B, C))
GOOD_ENTRIES = (
    signed(statement(), (X, Y)),
    signed(announcement(), (X,)),
    signed(rebuild(), (Z,)),
)


def in_force(entry: bytes = FIRST) -> Rules:
    return NO_RULES.after(entry)


@pytest.fixture
def policy_log(tmp_path: Path) -> Iterator[OpenLog]:
    create_log(tmp_path / "log", origin=ORIGIN, now=NOW)
    with open_log(tmp_path / "log") as log:
        log.sequencer.admission.allow_first_policy()
        log.sequencer.commit((b"raw", FIRST), now=NOW)
        yield log


def rejected(action: Callable[[], object]) -> PolicyRefusalError:
    with pytest.raises(PolicyRefusalError) as caught:
        action()
    return caught.value


def test_a_stranger_cannot_give_a_log_its_first_policy(tmp_path: Path) -> None:
    create_log(tmp_path / "log", origin=ORIGIN, now=NOW)
    with open_log(tmp_path / "log") as log:
        error = rejected(lambda: log.sequencer.admission.require((FIRST,)))
        assert (error.what, error.got) == ("log-policy.bootstrap", "one from a submitter")
        assert "cvm-log publish" in error.hint
        assert rejected(lambda: log.sequencer.commit((FIRST,), now=NOW)).what == error.what
        assert log.sequencer.commit((b"raw",), now=NOW).indices == (0,)


def test_the_sequencer_refuses_what_the_door_did_not_see(policy_log: OpenLog) -> None:
    sequencer = policy_log.sequencer
    batch = (GOOD_ENTRIES[0], b"raw of another submitter")
    error = rejected(lambda: sequencer.commit(batch, now=NOW))
    assert (error.what, error.expected) == ("log-policy.entry", "an entry of a known kind")
    assert error.got.startswith("entry 1 of the batch: envelope")
    assert sequencer.head.tree.size == 2
    assert sequencer.commit(GOOD_ENTRIES, now=NOW).indices == (2, 3, 4)


def test_within_a_batch_the_order_counts(policy_log: OpenLog) -> None:
    sequencer = policy_log.sequencer
    error = rejected(lambda: sequencer.commit((SECOND, GOOD_ENTRIES[0]), now=NOW))
    assert error.what == "log-policy.kinds"
    assert sequencer.commit((GOOD_ENTRIES[0], SECOND), now=NOW).indices == (2, 3)
    assert rejected(lambda: sequencer.commit((GOOD_ENTRIES[1],), now=NOW)).what == error.what


def test_the_policy_is_found_again_when_the_log_is_opened(tmp_path: Path) -> None:
    root = tmp_path / "log"
    create_log(root, origin=ORIGIN, now=NOW)
    with open_log(root) as log:
        assert log.sequencer.admission.rules == NO_RULES
        log.sequencer.admission.allow_first_policy()
        # More than one read of the database, with the policies in the first and the last.
        log.sequencer.commit((*(b"%d" % number for number in range(1023)), FIRST), now=NOW)
        log.sequencer.commit((GOOD_ENTRIES[0], SECOND), now=NOW)
    with open_log(root) as log:
        assert log.sequencer.admission.rules == in_force().after(SECOND)
        what = rejected(lambda: log.sequencer.commit((b"raw",), now=NOW)).what
        assert what == "log-policy.entry"


def test_the_door_judges_what_comes_after_a_queued_policy_by_that_policy() -> None:
    door = Admission(in_force())
    door.require((SECOND,))
    assert rejected(lambda: door.require((GOOD_ENTRIES[0],))).what == "log-policy.kinds"
    assert door.rules == in_force()  # not logged yet


def test_a_submission_is_taken_whole_or_not_at_all() -> None:
    door = Admission(in_force())
    assert rejected(lambda: door.require((SECOND, b"raw"))).what == "log-policy.entry"
    door.require((GOOD_ENTRIES[0],))  # by the first policy: the second was not taken


def test_a_policy_that_could_not_be_logged_is_forgotten(policy_log: OpenLog) -> None:
    sequencer = policy_log.sequencer
    sequencer.admission.require((SECOND,))
    before = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ClockError):
        sequencer.commit((SECOND,), now=before)
    sequencer.admission.require((GOOD_ENTRIES[0],))
    assert sequencer.commit((GOOD_ENTRIES[0],), now=NOW).indices == (2,)


def test_what_is_queued_behind_a_settled_policy_stays(policy_log: OpenLog) -> None:
    sequencer = policy_log.sequencer
    sequencer.admission.require((SECOND,))
    sequencer.commit((FIRST,), now=NOW)  # a repetition, sequenced before
    what = rejected(lambda: sequencer.admission.require((GOOD_ENTRIES[0],))).what
    assert what == "log-policy.kinds"


class _Silent:
    """Witnesses of which none answers."""

    failure = QuorumError("quorum", expected="1 of 1", got="0")
    cosigned_at: int | None = None
    unrefreshed = ""

    def due_seconds(self) -> float | None:
        return None

    def cosigned(self, head: Head, *, present: bytes | None, read: Callable[[str], bytes]) -> bytes:
        del head, present, read
        raise self.failure


def test_a_policy_that_is_durable_and_not_yet_cosigned_applies(policy_log: OpenLog) -> None:
    sequencer = policy_log.sequencer
    sequencer._witnessing = _Silent()
    with pytest.raises(QuorumError):
        sequencer.commit((GOOD_ENTRIES[0], SECOND), now=NOW)
    assert sequencer.admission.rules == in_force().after(SECOND)
    what = rejected(lambda: sequencer.admission.require((GOOD_ENTRIES[1],))).what
    assert what == "log-policy.kinds"
    sequencer._witnessing = UNWITNESSED
    assert sequencer.commit((SECOND,), now=NOW).indices == (3,)


def test_many_threads_at_the_door_see_one_policy() -> None:
    door = Admission(in_force())
    refused = list[str]()
    start = threading.Barrier(4)

    def submit() -> None:
        start.wait()
        try:
            door.require((signed(log_policy(sequence=2), (A, B)),))
            door.require((b"raw",))
        except PolicyRefusalError as error:
            refused.append(error.what)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["log-policy.entry"] * 4
