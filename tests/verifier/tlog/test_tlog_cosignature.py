from __future__ import annotations

import pytest

from tests.verifier.tlog.rejection import rejects
from tests.verifier.tlog.signing import (
    ORIGIN,
    TIME,
    Signer,
    checkpoint,
    log,
    mldsa_log,
    mldsa_witness,
    note,
    signer,
    witness,
)
from verifier.errors import ParseError, VerificationError
from verifier.tlog.checkpoint import SignedCheckpoint, open_checkpoint
from verifier.tlog.cosignature import Cosignature, open_cosignatures, open_policy_checkpoint
from verifier.tlog.merkle import TreeHead, leaf_hash
from verifier.tlog.note import NoteSignature
from verifier.tlog.policy import TlogPolicy, parse_tlog_policy

TREE = TreeHead(7, leaf_hash(b"root"))
SAID = checkpoint(TREE)
W1, W2, W3 = witness("w1.example"), mldsa_witness("w2.example"), witness("w3.example")
WITNESSES = f"witness one {W1.key}\nwitness two {W2.key}\nwitness three {W3.key}\n"
LOG = f"log {log().key}\n"


def policy(rule: str, logs: str = LOG) -> TlogPolicy:
    quorum = f"group g {rule} one two three\nquorum g\n" if rule != "none" else "quorum none\n"
    return parse_tlog_policy(logs + WITNESSES + quorum)


def signed(*cosignatures: NoteSignature, by: Signer | None = None) -> SignedCheckpoint:
    one = by or log()
    return open_checkpoint(note(SAID, one.sign_checkpoint(SAID), *cosignatures), keys=(one.key,))


def test_a_quorum_of_both_kinds() -> None:
    opened = signed(W2.cosign(SAID, 5), W1.cosign(SAID, 0))
    cosigned = open_cosignatures(opened, policy=policy("2"))
    assert cosigned.cosignatures == (
        Cosignature(witness="one", key=W1.key, timestamp=0),
        Cosignature(witness="two", key=W2.key, timestamp=5),
    )
    assert (cosigned.tree, cosigned.origin, cosigned.signed) == (TREE, ORIGIN, opened)


def test_a_quorum_that_is_not_met() -> None:
    with rejects(VerificationError, "witness quorum", expected="g = 3 of", got="^'one two'$"):
        open_cosignatures(signed(W2.cosign(SAID), W1.cosign(SAID)), policy=policy("all"))
    with rejects(VerificationError, "witness quorum", expected="g = 1 of", got="no cosignature"):
        open_cosignatures(signed(), policy=policy("any"))


def test_no_quorum_is_asked_for() -> None:
    assert open_cosignatures(signed(), policy=policy("none")).cosignatures == ()


def test_a_witness_counts_once_at_its_latest_time() -> None:
    opened = signed(*(W1.cosign(SAID, time) for time in (TIME, TIME + 9, TIME + 3)))
    cosigned = open_cosignatures(opened, policy=policy("any"))
    assert [one.timestamp for one in cosigned.cosignatures] == [TIME + 9]
    with rejects(VerificationError, "witness quorum", expected="g = 2 of", got="^'one'$"):
        open_cosignatures(opened, policy=policy("2"))


def test_strangers_are_ignored() -> None:
    stranger = witness("w9.example")
    name_only = signer("w1.example", W1.key.algorithm, "stranger")
    id_only = NoteSignature(name="w9.example", key_id=W3.key.key_id, signature=b"x")
    lines = (stranger.cosign(SAID), name_only.cosign(SAID), id_only)
    with rejects(VerificationError, "witness quorum", expected="g = 1 of", got="no cosignature"):
        open_cosignatures(signed(*lines), policy=policy("any"))
    cosigned = open_cosignatures(signed(*lines, W3.cosign(SAID)), policy=policy("any"))
    assert [one.witness for one in cosigned.cosignatures] == ["three"]


@pytest.mark.parametrize("rule", ["none", "any", "2"])
@pytest.mark.parametrize("by", [W1, W2])
def test_one_bad_cosignature_of_a_known_witness_rejects(by: Signer, rule: str) -> None:
    bad = by.line(bytes(len(by.cosign(SAID).signature)))
    opened = signed(W3.cosign(SAID), W1.cosign(SAID), W2.cosign(SAID), bad)
    with rejects(
        VerificationError, f"cosignature of {by.key.name}", expected="a valid", got="not verify"
    ):
        open_cosignatures(opened, policy=policy(rule))


def test_a_cosignature_of_another_checkpoint_rejects() -> None:
    other = checkpoint(TreeHead(8, TREE.root))
    for by in (W1, W2):
        with rejects(
            VerificationError, f"cosignature of {by.key.name}", expected="valid", got="not verify"
        ):
            open_cosignatures(signed(by.cosign(other)), policy=policy("any"))


def test_the_log_must_be_one_of_the_policy() -> None:
    stranger = signer(ORIGIN, label="stranger")
    opened = signed(W1.cosign(SAID), by=stranger)
    with rejects(VerificationError, "log signature", expected="a log of the policy", got=ORIGIN):
        open_cosignatures(opened, policy=policy("any"))
    # A policy without logs leaves the choice of the log to whoever opened the checkpoint.
    cosigned = open_cosignatures(opened, policy=policy("any", logs=""))
    assert cosigned.signed.key == stranger.key


def test_a_checkpoint_is_opened_by_the_logs_of_a_policy() -> None:
    other = log("example.com/other")
    logs = f"log {other.key}\n{LOG}log {mldsa_log().key}\n"
    both = policy("any", logs=logs)
    raw = note(SAID, log().sign_checkpoint(SAID), mldsa_log().cosign(SAID))
    assert open_policy_checkpoint(raw, policy=both).keys == (log().key, mldsa_log().key)
    elsewhere = checkpoint(TREE, origin=other.key.name)
    raw = note(elsewhere, other.sign_checkpoint(elsewhere))
    assert open_policy_checkpoint(raw, policy=both).origin == other.key.name


def test_a_checkpoint_of_an_unknown_log() -> None:
    said = checkpoint(TREE, origin="example.com/unknown")
    raw = note(said, log("example.com/unknown").sign_checkpoint(said))
    for logs, expected in ((LOG, f"^'{ORIGIN}'$"), ("", "no log: the policy names none")):
        with rejects(
            VerificationError,
            "origin of the checkpoint",
            expected=expected,
            got="example.com/unknown",
        ):
            open_policy_checkpoint(raw, policy=policy("none", logs=logs))


def test_a_checkpoint_that_cannot_be_read() -> None:
    with rejects(ParseError, "note", expected="a blank line", got="text"):
        open_policy_checkpoint(b"text\n", policy=policy("none"))


def test_a_log_of_the_policy_must_have_signed() -> None:
    raw = note(SAID, signer(ORIGIN, label="stranger").sign_checkpoint(SAID))
    with rejects(VerificationError, "log signature", expected=log().key.key_id.hex(), got=ORIGIN):
        open_policy_checkpoint(raw, policy=policy("none"))
