"""Our log under witnesses: ours, two of three, none; and policies that cannot serve."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from log_server.errors import ConfigurationError, QuorumError, StoppedError, StorageError
from log_server.log_folder import create_log, open_log
from log_server.signer import Ed25519Signer
from tests.log_server.witness.witnesses import make_witness, serving_witness
from tests.log_server.witnessed import NAMES, ONCE, SOON, Field
from verifier.tlog.cosignature import open_cosignatures, open_policy_checkpoint
from verifier.tlog.note import VerificationKey
from verifier.tlog.policy import parse_tlog_policy


def test_all_witnesses_cosign_what_is_published(field: Field) -> None:
    with field.serving(*NAMES):
        field.write_policy()
        assert field.commit(b"a", b"b") == (0, 1)
        assert field.cosigned_by() == list(NAMES)
        assert field.commit(b"c", b"a") == (2, 0)
        assert field.opened(rule="all").tree.size == 3


def test_two_of_three_are_enough(field: Field) -> None:
    with field.serving("one", "three"):
        field.write_policy()
        assert field.commit(b"a") == (0,)
        assert field.cosigned_by() == ["one", "three"]


def test_one_of_three_is_not_and_the_reason_is_named(field: Field) -> None:
    before = field.published()
    with field.serving("one"):
        field.write_policy()
        with open_log(field.root / "log", patience=ONCE) as log:
            for entry in (b"a", b"b"):
                with pytest.raises(QuorumError) as caught:
                    log.sequencer.commit((entry,), now=field.now)
            assert field.published() == before
            error = caught.value
            assert (error.what, error.expected) == (
                "witness quorum",
                "'all-of-them = 2 of (one two three)'",
            )
            assert error.got.startswith("'one' (two: http://127.0.0.1:3/add-checkpoint: Connect")
            assert "; three: http" in error.got
            with pytest.raises(QuorumError) as healthy:
                log.sequencer.require_published()
            assert healthy.value.got == error.got
            assert log.sequencer.head.tree.size == 2


def test_what_was_not_published_is_when_witnesses_come_back(field: Field) -> None:
    with field.serving():
        field.write_policy()
        with pytest.raises(QuorumError):
            field.commit(b"a", patience=ONCE)
    with field.serving("two", "three"):
        field.write_policy()
        # Opening is enough: nothing new has to come.
        with open_log(field.root / "log", patience=SOON) as log:
            log.sequencer.require_published()
        assert field.opened().tree.size == 1
        assert field.commit(b"a") == (0,)


def test_a_witness_that_missed_heads_catches_up(field: Field) -> None:
    with field.serving("one", "two"):
        field.write_policy()
        for number in range(5):
            field.commit(b"entry %d" % number)
    with field.serving("two", "three"):
        field.write_policy()
        # To the log of this run all are new, so each says by 409 where it is.
        assert field.commit(*(b"more %d" % number for number in range(300)))[-1] == 304
        assert field.cosigned_by() == ["two", "three"]
    with field.serving("one", "three"):
        field.write_policy(rule="all", names=("one", "three"))
        field.commit(b"last")
        assert field.opened(rule="all", names=("one", "three")).tree.size == 306


def test_a_failure_after_the_witnesses_saw_a_head_loses_nothing(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, content: bytes) -> None:
        del content
        raise StorageError(path, expected="a durable write", got="no space")

    with field.serving("one", "two"):
        field.write_policy()
        with open_log(field.root / "log", patience=SOON) as log:
            monkeypatch.setattr(log.publisher, "replace", fail)
            with pytest.raises(StorageError):
                log.sequencer.commit((b"a", b"b"), now=field.now)
            with pytest.raises(StoppedError):
                log.sequencer.commit((b"c",), now=field.now)
            seen = log.sequencer.head.checkpoint
        assert field.commit(b"b", b"a") == (1, 0)
        # The same signed bytes, and not a second signature for this size.
        assert field.published().startswith(seen)
        assert field.cosigned_by() == ["one", "two"]


def test_a_restart_without_news_asks_nobody(field: Field) -> None:
    with field.serving("one", "two"):
        field.write_policy()
        field.commit(b"a")
        before = field.published()
    with field.serving():
        field.write_policy()
        with open_log(field.root / "log", patience=SOON) as log:
            log.sequencer.require_published()
    assert field.published() == before


def test_cosignatures_stay_when_the_policy_goes(field: Field) -> None:
    with field.serving("one", "two"):
        field.write_policy()
        field.commit(b"a")
    before = field.published()
    (field.root / "log" / "witness.policy").unlink()
    with open_log(field.root / "log") as log:
        assert log.sequencer.commit((b"a",), now=field.now).checkpoint == before
    assert field.published() == before


def test_two_keys_of_one_witness_come_in_one_answer(tmp_path: Path, now: datetime) -> None:
    key = create_log(tmp_path / "log", origin="log.test/both", now=now, ml_dsa=True)
    ed25519, mldsa = make_witness(tmp_path / "w", key, ml_dsa=True)
    with serving_witness(tmp_path / "w") as url:
        (tmp_path / "log" / "witness.policy").write_text(
            f"witness a {ed25519} {url}\nwitness b {mldsa} {url}\ngroup g all a b\nquorum g\n"
        )
        with open_log(tmp_path / "log", patience=SOON) as log:
            done = log.sequencer.commit((b"a",), now=now)
    policy = parse_tlog_policy((tmp_path / "log" / "witness.policy").read_text())
    opened = open_cosignatures(
        open_policy_checkpoint(
            done.checkpoint, policy=parse_tlog_policy(f"log {key}\nquorum none\n")
        ),
        policy=policy,
    )
    assert len(opened.cosignatures) == 2


def _unusable(field: Field, text: str) -> ConfigurationError:
    (field.root / "log" / "witness.policy").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        field.commit(b"a")
    return caught.value


def test_policies_that_cannot_serve_this_log(field: Field) -> None:
    key, other = field.keys["one"], _other_log()
    url = "http://127.0.0.1:9"
    refused = _unusable(field, f"witness w {key} {url}\n")
    assert refused.expected == "exactly one quorum line"
    refused = _unusable(field, f"log {other}\nwitness w {key} {url}\nquorum w\n")
    assert (refused.what, refused.got) == ("logs of the witness policy", "others")
    refused = _unusable(field, "quorum none\n")
    assert (refused.expected, refused.got) == ("1 to 64 witnesses", "0")
    for place, got in (("", "none"), ("ftp://x", "ftp://x")):
        refused = _unusable(field, f"witness w {key} {place}\nquorum w\n")
        assert (refused.what, refused.got) == ("witness w of the policy", got)


def _other_log() -> VerificationKey:
    return Ed25519Signer(name="log.test/other", seed=bytes(32)).key


def test_a_policy_file_that_is_not_there(field: Field) -> None:
    missing = field.root / "nowhere"
    with (
        pytest.raises(ConfigurationError) as caught,
        open_log(field.root / "log", witness_policy=missing),
    ):
        pytest.fail("it opened")
    assert (caught.value.what, caught.value.expected) == ("nowhere", "a tlog-policy file")
