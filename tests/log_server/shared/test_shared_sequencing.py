from __future__ import annotations

import shutil
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from log_server.errors import DiskSpaceError, PolicyRefusalError, QuorumError, StorageError
from log_server.log_folder import open_log
from log_server.shared import sequencing as sequencing_module
from log_server.shared.parcel import encode_parcel, parse_error
from log_server.signer import read_signers
from log_server.store.postgresql_queue import FrontQueue, ParcelAnswer
from log_server.witnessing import Patience
from tests.log_server.shared.conftest import NOW, Place
from tests.log_server.witness.witnesses import make_witness, serving_witness
from tests.log_server.witnessed import SOON
from tests.making import statement
from tests.postgresql import Cluster
from tests.verifier.release.stating import ADMINS, SUBMITTERS, log_policy, rebuild, signed
from verifier.errors import AuditError
from verifier.tlog.checkpoint import parse_checkpoint
from verifier.tlog.note import parse_note

FIRST = signed(log_policy(), ADMINS[:2])
RELEASE = signed(statement(), SUBMITTERS[:2])
REBUILD = signed(rebuild(), SUBMITTERS[2:])


def _post(queue: FrontQueue, number: int, *submissions: tuple[bytes, ...]) -> None:
    queue.post(number, *encode_parcel(submissions))


def _size(answer: ParcelAnswer) -> int:
    return parse_checkpoint(parse_note(answer.checkpoint)).tree.size


def _refused(answer: ParcelAnswer) -> list[AuditError | None]:
    return [None if raw is None else parse_error(raw) for raw in answer.refusals]


def test_what_waits_becomes_one_commit(place: Place, queue: FrontQueue) -> None:
    with closing(FrontQueue(place.database)) as other, place.sequencing() as sequencing:
        _post(queue, 1, (b"a",), (b"b", b"c"))
        _post(other, 1, (b"c",), (b"d", b"a"))
        _post(queue, 2, (b"e",))
        assert sequencing.turn() == 7
        mine, others = queue.collect(), other.collect()
        assert mine[1].indices == (0, 1, 2)
        assert others[1].indices == (2, 3, 0)
        assert mine[2].indices == (4,)
        assert {_size(answer) for answer in (*mine.values(), *others.values())} == {5}
        assert (sequencing.turn(), sequencing.size) == (0, 5)
    published = (place.root / "public" / "checkpoint").read_bytes()
    assert mine[1].checkpoint == published


def test_a_refused_submission_takes_no_other_with_it(place: Place, queue: FrontQueue) -> None:
    with open_log(place.root) as log:
        log.sequencer.admission.allow_first_policy()
        log.sequencer.commit((FIRST,), now=NOW)
    with place.sequencing() as sequencing:
        _post(queue, 1, (b"raw",), (RELEASE,), (REBUILD, b"raw"), (REBUILD,))
        sequencing.turn()
        answer = queue.collect()[1]
        first, none, third, last = _refused(answer)
        assert (none, last) == (None, None)
        assert isinstance(first, PolicyRefusalError)
        assert (first.what, first.expected) == ("log-policy.entry", "an entry of a known kind")
        assert isinstance(third, PolicyRefusalError)
        assert third.got.startswith("entry 1 of the batch: ")
        assert answer.indices == (1, 2)
        _post(queue, 2, (b"raw",))
        sequencing.turn()
        refused = queue.collect()[2]
        assert (refused.indices, refused.checkpoint) == ((), b"")
        assert [type(error) for error in _refused(refused)] == [PolicyRefusalError]


def test_a_stranger_cannot_give_the_log_its_first_policy(place: Place, queue: FrontQueue) -> None:
    with place.sequencing() as sequencing:
        _post(queue, 1, (FIRST,), (b"raw",))
        sequencing.turn()
        first, none = _refused(queue.collect()[1])
    assert first is not None
    assert (first.what, first.got) == ("log-policy.bootstrap", "one from a submitter")
    assert none is None


def test_a_moment_that_is_wrong_is_told_and_passes(place: Place, queue: FrontQueue) -> None:
    with place.sequencing(disk_floor=2**62) as sequencing:
        _post(queue, 1, (b"one",))
        sequencing.turn()
        (error,) = _refused(queue.collect()[1])
    assert isinstance(error, DiskSpaceError)
    assert (error.what, error.expected) == ("free disk space", f"at least {2**62} bytes")
    with place.sequencing() as sequencing:
        _post(queue, 2, (b"one",))
        sequencing.turn()
        assert queue.collect()[2].indices == (0,)


def test_what_was_committed_and_not_answered_keeps_its_index(
    place: Place, queue: FrontQueue
) -> None:
    _post(queue, 1, (b"one",), (b"two",))
    with place.sequencing() as sequencing:
        parcels = sequencing._queue.take(entries=100, size=100)
        assert len(parcels) == 1
        sequencing._sequencer.commit((b"zero", b"one"), now=NOW)  # and dies before the answer
    with place.sequencing() as sequencing:
        sequencing.turn()
        assert queue.collect()[1].indices == (1, 2)


def test_a_parcel_that_no_front_end_wrote(
    place: Place, queue: FrontQueue, postgresql: Cluster
) -> None:
    postgresql.run(
        "INSERT INTO cvm_log.submissions (front, parcel, counts, total, entries) VALUES"
        " (1, 1, '{1}', 1, '\\x0000'), (1, 2, '{0}', 1, ''), (1, 3, '{2}', 1, '\\x000178')",
        place.database,
    )
    postgresql.run("NOTIFY cvm_log_submitted, 'no number'", place.database)
    _post(queue, 1, (b"one",))
    with place.sequencing() as sequencing:
        sequencing._swept = time.monotonic()
        sequencing._hear(0)
        sequencing.turn()
        assert queue.collect()[1].indices == (0,)
        assert sequencing._queue.take(entries=100, size=100) == ()


def test_a_disk_that_fails_leaves_the_parcel_to_the_next(place: Place, queue: FrontQueue) -> None:
    _post(queue, 1, (b"one",))
    with place.sequencing() as sequencing:
        shutil.rmtree(place.root / "staging")
        with pytest.raises(StorageError):
            sequencing.turn()
        assert queue.collect() == {}
    (place.root / "staging").mkdir()
    with place.sequencing() as sequencing:
        assert sequencing.size == 1
        sequencing.turn()
        assert queue.collect()[1].indices == (0,)


def test_a_term_ends_after_a_last_look(place: Place, queue: FrontQueue) -> None:
    stop = threading.Event()
    stop.set()
    _post(queue, 1, (b"one",))
    with place.sequencing() as sequencing:
        sequencing.run(stop)
    assert queue.collect()[1].indices == (0,)
    sign = queue.sign()
    assert sign is not None
    assert sign.failure is None


def test_too_few_witnesses_are_told_to_submitters_and_to_every_front_end(
    place: Place, queue: FrontQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencing_module, "RETRY_SECONDS", 0)
    hasty = Patience(answer=2.0, others=0.1, quorum=0.2, again=0.2)
    key = read_signers(place.root / "log.key")[0].key
    witness = make_witness(tmp_path / "witness", key, name="wit.test/one")[0]

    def write_policy(url: str) -> None:
        policy = f"log {key}\nwitness one {witness} {url}\nquorum one\n"
        (place.root / "witness.policy").write_text(policy)

    write_policy("http://127.0.0.1:2")
    with place.sequencing(patience=hasty) as sequencing:
        _post(queue, 1, (b"one",), (b"two", b"three"))
        sequencing.turn()
        answer = queue.collect()[1]
        assert answer.indices == ()
        told = _refused(answer)
        assert [type(error) for error in told] == [QuorumError, QuorumError]
        tried = sequencing._tried
        assert sequencing.turn() == 0
        assert sequencing._tried > tried  # nothing waited, and the witnesses were asked again
        sign = queue.sign()
        assert sign is not None
        assert sign.failure is not None
        shown = parse_error(sign.failure)
        assert isinstance(shown, QuorumError)
        assert (shown.what, shown.expected) == ("witness quorum", "'one'")
    with serving_witness(tmp_path / "witness") as url:
        write_policy(url)
        with place.sequencing(patience=SOON) as sequencing:
            _post(queue, 2, (b"three", b"one"))
            sequencing.turn()
            assert queue.collect()[2].indices == (2, 0)
            sequencing.turn()
    sign = queue.sign()
    assert sign is not None
    assert sign.failure is None
