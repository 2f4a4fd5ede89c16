"""What the witness remembers, and in which order."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from log_server.errors import (
    ConfigurationError,
    DamagedError,
    LockedError,
    StoppedError,
    StorageError,
)
from log_server.signer import Ed25519Cosigner
from log_server.witness.errors import InconsistentError, RateError, StaleSizeError
from log_server.witness.evidence import EvidenceFile
from log_server.witness.folder import create_witness, open_witness
from log_server.witness.rate import RateLimit
from log_server.witness.witness import Witness, checkpoint_path
from tests.log_server.witness.witnesses import NOW, ToyLog, make_witness
from verifier.tlog.cosignature import open_cosignatures, open_policy_checkpoint
from verifier.tlog.note import parse_vkey
from verifier.tlog.policy import parse_tlog_policy

LOG = ToyLog()
FORK = ToyLog(tag="fork")
PATH = checkpoint_path("log.test/toy")


class _Shelf:
    """Holds checkpoints in memory; a write can be made to wait, or to fail."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.fails = False

    def read(self, path: str) -> bytes | None:
        return self.held.get(path)

    def write(self, path: str, checkpoint: bytes) -> None:
        self.started.set()
        assert self.go_on.wait(10)
        if self.fails:
            raise StorageError(path, expected="a durable write", got="no space")
        self.held[path] = checkpoint


def _witness(tmp_path: Path, shelf: _Shelf, *, burst: float = 100.0) -> Witness:
    return Witness(
        logs={"log.test/toy": LOG.keys},
        cosigners=(Ed25519Cosigner(name="wit.test/w", seed=b"w" * 32),),
        shelf=shelf,
        evidence=EvidenceFile(tmp_path / "evidence.jsonl"),
        rate=RateLimit(clock=lambda: 0.0, burst=burst),
    )


def test_a_request_that_stalls_before_its_write_is_not_overtaken(tmp_path: Path) -> None:
    shelf = _Shelf()
    witness = _witness(tmp_path, shelf)
    witness.add_checkpoint(LOG.request(0, 7), now=NOW)
    shelf.started.clear()
    shelf.go_on.clear()
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(witness.add_checkpoint, LOG.request(7, 9), now=NOW)
        assert shelf.started.wait(10)
        # Both start from 7; were the second decided now, the first would later undo it.
        fast = threads.submit(witness.add_checkpoint, LOG.request(7, 12), now=NOW)
        with pytest.raises(TimeoutError):
            fast.result(0.2)
        shelf.go_on.set()
        assert slow.result(10).startswith("— wit.test/w ".encode())
        with pytest.raises(StaleSizeError) as caught:
            fast.result(10)
    assert caught.value.size == 9
    assert witness.sizes == {"log.test/toy": 9}


def test_of_many_at_once_one_wins_and_the_size_never_shrinks(tmp_path: Path) -> None:
    shelf = _Shelf()
    witness = _witness(tmp_path, shelf)
    witness.add_checkpoint(LOG.request(0, 7), now=NOW)

    def offer(size: int) -> bool:
        try:
            witness.add_checkpoint(LOG.request(7, size), now=NOW)
        except StaleSizeError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = [size for size, good in zip(range(8, 40), threads.map(offer, range(8, 40))) if good]  # noqa: B905 - equal by construction
    assert len(won) == 1
    assert witness.sizes == {"log.test/toy": won[0]}


def test_it_is_stored_before_it_is_answered(tmp_path: Path) -> None:
    shelf = _Shelf()
    witness = _witness(tmp_path, shelf)
    lines = witness.add_checkpoint(LOG.request(0, 7), now=NOW)
    assert shelf.held[PATH].endswith(lines)
    assert witness.served(PATH) == shelf.held[PATH]
    assert _witness(tmp_path, shelf).sizes == {"log.test/toy": 7}


def test_a_failed_write_ends_cosigning(tmp_path: Path) -> None:
    shelf = _Shelf()
    witness = _witness(tmp_path, shelf)
    witness.add_checkpoint(LOG.request(0, 7), now=NOW)
    shelf.fails = True
    with pytest.raises(StorageError):
        witness.add_checkpoint(LOG.request(7, 9), now=NOW)
    shelf.fails = False
    # The disk may show 9 or 7 after a start; until then neither can be built on.
    with pytest.raises(StoppedError) as caught:
        witness.add_checkpoint(LOG.request(7, 12), now=NOW)
    assert caught.value.got == "a failed write"
    assert witness.sizes == {"log.test/toy": 7}


def test_the_answer_has_only_the_lines_of_the_witness(tmp_path: Path) -> None:
    (key, mldsa) = make_witness(tmp_path / "w", *LOG.keys, ml_dsa=True)
    with open_witness(tmp_path / "w") as opened:
        lines = opened.witness.add_checkpoint(LOG.request(0, 3), now=NOW).decode().splitlines()
        served = opened.witness.served(PATH)
    assert [line.split(" ")[1] for line in lines] == ["wit.test/w", "wit.test/w"]
    assert served is not None
    policy = parse_tlog_policy(
        f"log {LOG.keys[0]}\nwitness a {key}\nwitness b {mldsa}\ngroup g all a b\nquorum g\n"
    )
    cosigned = open_cosignatures(open_policy_checkpoint(served, policy=policy), policy=policy)
    times = [cosignature.timestamp for cosignature in cosigned.cosignatures]
    assert times == [round(NOW.timestamp())] * 2


def test_fork_attempts_are_kept_with_both_checkpoints(tmp_path: Path) -> None:
    shelf = _Shelf()
    witness = _witness(tmp_path, shelf)
    witness.add_checkpoint(LOG.request(0, 7), now=NOW)
    cosigned = shelf.held[PATH]
    for request in (FORK.request(7, 7), FORK.request(7, 9), FORK.request(7, 7)):
        with pytest.raises(InconsistentError):
            witness.add_checkpoint(request, now=NOW)
    assert shelf.held[PATH] == cosigned
    lines = (tmp_path / "evidence.jsonl").read_text().splitlines()
    kept = [json.loads(line) for line in lines]
    assert [(one["fork"], one["old"], len(one["proof"])) for one in kept] == [
        (True, 7, 0),
        (False, 7, len(FORK.proof(7, 9))),
    ]
    assert {one["cosigned"].encode() for one in kept} == {cosigned}
    assert kept[0]["offered"].encode() == FORK.checkpoint(7)
    assert (kept[0]["origin"], kept[0]["time"]) == ("log.test/toy", "2026-01-02T03:04:05Z")


def test_the_rate_of_a_log_is_bounded(tmp_path: Path) -> None:
    witness = _witness(tmp_path, _Shelf(), burst=2.0)
    witness.add_checkpoint(LOG.request(0, 1), now=NOW)
    witness.add_checkpoint(LOG.request(1, 2), now=NOW)
    with pytest.raises(RateError) as caught:
        witness.add_checkpoint(LOG.request(2, 3), now=NOW)
    assert caught.value.expected == "at most 50 requests a second for this log"


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    rate = RateLimit(clock=lambda: now[0], per_second=2.0, burst=1.0)
    rate.take("a")
    with pytest.raises(RateError):
        rate.take("a")
    rate.take("b")
    now[0] = 0.5
    rate.take("a")


def test_two_programs_cannot_be_one_witness(tmp_path: Path) -> None:
    make_witness(tmp_path / "w", *LOG.keys)
    with open_witness(tmp_path / "w"), pytest.raises(LockedError), open_witness(tmp_path / "w"):
        pytest.fail("it opened twice")


def test_a_restart_remembers(tmp_path: Path) -> None:
    make_witness(tmp_path / "w", *LOG.keys)
    for old, new in ((0, 3), (3, 5)):
        with open_witness(tmp_path / "w") as opened:
            opened.witness.add_checkpoint(LOG.request(old, new), now=NOW)
    with open_witness(tmp_path / "w") as opened:
        assert opened.witness.sizes == {"log.test/toy": 5}
        with pytest.raises(InconsistentError):
            opened.witness.add_checkpoint(FORK.request(5, 5), now=NOW)


def test_a_leftover_of_a_crash_is_no_obstacle(tmp_path: Path) -> None:
    make_witness(tmp_path / "w", *LOG.keys)
    (tmp_path / "w" / "staging" / PATH.split("/")[0]).write_text("half")
    with open_witness(tmp_path / "w") as opened:
        opened.witness.add_checkpoint(LOG.request(0, 3), now=NOW)
    assert not list((tmp_path / "w" / "staging").iterdir())


@pytest.mark.parametrize("how", ["flipped", "log's own", "another origin", "garbage"])
def test_a_changed_memory_is_refused(tmp_path: Path, how: str) -> None:
    make_witness(tmp_path / "w", *LOG.keys)
    with open_witness(tmp_path / "w") as opened:
        opened.witness.add_checkpoint(LOG.request(0, 3), now=NOW)
    path = tmp_path / "w" / "public" / PATH
    changed = {
        "flipped": path.read_bytes().replace(b"\n3\n", b"\n2\n"),
        "log's own": LOG.checkpoint(2),
        "another origin": ToyLog("log.test/other").checkpoint(2),
        "garbage": b"x",
    }
    path.write_bytes(changed[how])
    with pytest.raises(DamagedError) as caught, open_witness(tmp_path / "w"):
        pytest.fail("it opened")
    assert caught.value.what.startswith(PATH)


def test_a_witness_is_made_with_logs_only(tmp_path: Path) -> None:
    witness_key = Ed25519Cosigner(name="wit.test/w", seed=bytes(32)).key
    for logs in ((witness_key,), (), (*LOG.keys, *LOG.keys)):
        with pytest.raises(ConfigurationError) as caught:
            create_witness(tmp_path / "w", name="wit.test/w", logs=logs, ml_dsa=False)
        assert caught.value.what.startswith("logs of the witness")
    assert not (tmp_path / "w").exists()
    make_witness(tmp_path / "w", *LOG.keys)
    with pytest.raises(ConfigurationError) as caught:
        make_witness(tmp_path / "w", *LOG.keys)
    assert caught.value.got == "a used one"


def test_logs_come_from_the_file(tmp_path: Path) -> None:
    make_witness(tmp_path / "w", *LOG.keys)
    path = tmp_path / "w" / "logs.policy"
    other = ToyLog("log.test/other", ml_dsa=True)
    path.write_text("".join(f"log {key}\n" for key in (*LOG.keys, *other.keys)) + "quorum none\n")
    with open_witness(tmp_path / "w") as opened:
        opened.witness.add_checkpoint(other.request(0, 3), now=NOW)
        assert opened.witness.sizes == {"log.test/toy": 0, "log.test/other": 3}
    path.write_text("log nonsense\nquorum none\n")
    with pytest.raises(ConfigurationError) as caught, open_witness(tmp_path / "w"):
        pytest.fail("it opened")
    assert caught.value.what == "logs of the witness, policy line 1, vkey"


def test_the_first_key_can_be_parsed(tmp_path: Path) -> None:
    (key,) = make_witness(tmp_path / "w", *LOG.keys)
    assert parse_vkey(str(key)) == key
    assert (tmp_path / "w" / "witness.key").stat().st_mode & 0o777 == 0o600
