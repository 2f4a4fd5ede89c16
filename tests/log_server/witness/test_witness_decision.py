"""The decision alone: every row of its table, without files and HTTP."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_server.errors import NotFoundError
from log_server.witness.decision import NOTHING_COSIGNED, Offer, decide
from log_server.witness.errors import InconsistentError, StaleSizeError
from log_server.witness.request import MAX_PROOF, encode_add_checkpoint
from tests.log_server.witness.witnesses import ToyLog
from verifier.errors import ParseError, VerificationError
from verifier.tlog.merkle import TreeHead
from verifier.tlog.note import encode_note, parse_note

LOG = ToyLog()
FORK = ToyLog(tag="fork")
LOGS = {"log.test/toy": LOG.keys}


def _decide(body: bytes, last: TreeHead = NOTHING_COSIGNED) -> Offer:
    return decide(body, logs=LOGS, last=lambda origin: {"log.test/toy": last}[origin])


@given(st.integers(0, 40), st.integers(0, 40))
def test_every_true_extension_is_cosigned(one: int, other: int) -> None:
    old, new = sorted((one, other))
    assert _decide(LOG.request(old, new), LOG.tree(old)).signed.tree == LOG.tree(new)


@given(st.integers(1, 30), st.integers(0, 30), st.integers(0, 2**10))
def test_no_forked_extension_is_cosigned(old: int, more: int, flip: int) -> None:
    new = old + more
    proof = list(FORK.proof(old, new))
    if proof:
        proof[flip % len(proof)] = LOG.leaves(flip % 50 + 1)[-1]
    body = encode_add_checkpoint(old=old, proof=tuple(proof), checkpoint=FORK.checkpoint(new))
    with pytest.raises(InconsistentError) as caught:
        _decide(body, LOG.tree(old))
    assert caught.value.fork is (more == 0)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_only_the_size_cosigned_last_is_a_start(old: int, more: int, last: int) -> None:
    if old == last:
        return
    with pytest.raises(StaleSizeError) as caught:
        _decide(LOG.request(old, old + more), LOG.tree(last))
    assert (caught.value.size, caught.value.got) == (last, str(old))


def _with(first: bytes, *, size: int = 8) -> bytes:
    return first + LOG.checkpoint(size)


MALFORMED = {
    "empty": (b"", "request"),
    "no blank line": (b"old 0\nlog.test/toy", "request"),
    "no old": (_with(b"\n"), "first line of the request"),
    "other word": (_with(b"new 0\n\n"), "first line of the request"),
    "capital": (_with(b"Old 0\n\n"), "first line of the request"),
    "leading zero": (_with(b"old 07\n\n"), "old size"),
    "plus": (_with(b"old +7\n\n"), "old size"),
    "negative": (_with(b"old -7\n\n"), "old size"),
    "CRLF": (_with(b"old 7\r\n\n"), "old size"),
    "two spaces": (_with(b"old  7\n\n"), "old size"),
    "trailing space": (_with(b"old 7 \n\n"), "old size"),
    "beyond 63 bits": (_with(b"old 9223372036854775808\n\n"), "old size"),
    "beyond the checkpoint": (_with(b"old 9\n\n"), "old size"),
    "short hash": (_with(b"old 7\nc2hvcnQ=\n\n"), "hash of the consistency proof"),
    "not base64": (_with(b"old 7\n?\n\n"), "hash of the consistency proof"),
    "not UTF-8": (_with(b"old 7\n\xff\n\n"), "request"),
    "no signature": (b"old 0\n\nlog.test/toy\n0\nAAAA\n", "note"),
    "not a checkpoint": (b"old 0\n\nx\n\n" + "— a AAAAAAA=\n".encode(), "checkpoint"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_requests(case: str) -> None:
    body, what = MALFORMED[case]
    with pytest.raises(ParseError) as caught:
        _decide(body)
    assert caught.value.what == what


def test_too_many_hashes_and_bytes() -> None:
    proof = tuple(LOG.leaves(MAX_PROOF + 1))
    body = encode_add_checkpoint(old=1, proof=proof, checkpoint=LOG.checkpoint(2))
    with pytest.raises(ParseError) as caught:
        _decide(body)
    assert caught.value.expected == "at most 63 hashes"
    with pytest.raises(ParseError) as caught:
        _decide(b"x" * (2**17 + 1))
    assert caught.value.expected == "at most 131072 bytes"


def test_an_unknown_origin() -> None:
    with pytest.raises(NotFoundError) as caught:
        _decide(ToyLog("log.test/stranger").request(0, 1))
    assert caught.value.got == "'log.test/stranger'"


def _resigned(*, known_id: bool) -> bytes:
    note = parse_note(LOG.checkpoint(3))
    (line,) = note.signatures
    flipped = bytes([line.signature[0] ^ 1]) + line.signature[1:]
    identifier = line.key_id if known_id else bytes(4)
    bad = type(line)(name=line.name, key_id=identifier, signature=flipped)
    return b"old 0\n\n" + encode_note(note.text, (bad,))


@pytest.mark.parametrize("known_id", [True, False])
def test_a_checkpoint_that_the_log_did_not_sign(known_id: bool) -> None:
    with pytest.raises(VerificationError) as caught:
        _decide(_resigned(known_id=known_id))
    assert caught.value.what in ("signature of log.test/toy", "log signature")


def test_a_good_signature_beside_a_bad_one_of_a_known_key() -> None:
    log = ToyLog(ml_dsa=True)
    note = parse_note(log.checkpoint(3))
    good, bad = note.signatures
    wrong = type(bad)(name=bad.name, key_id=bad.key_id, signature=bytes(len(bad.signature)))
    body = b"old 0\n\n" + encode_note(note.text, (good, wrong))
    with pytest.raises(VerificationError):
        decide(body, logs={"log.test/toy": log.keys}, last=lambda _: NOTHING_COSIGNED)
    # A witness that does not know the second key ignores its line.
    assert _decide(body).signed.keys == LOG.keys


def test_a_tree_of_size_0_with_entries() -> None:
    signed = LOG.checkpoint(0).replace(
        b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", b"A" * 43 + b"="
    )
    with pytest.raises(InconsistentError) as caught:
        _decide(b"old 0\n\n" + signed)
    assert (caught.value.what, caught.value.fork) == ("root of the empty tree", False)


def test_a_proof_where_none_belongs() -> None:
    for last, size in ((0, 4), (4, 4)):
        body = encode_add_checkpoint(
            old=last, proof=(LOG.leaves(1)[0],), checkpoint=LOG.checkpoint(size)
        )
        with pytest.raises(InconsistentError) as caught:
            _decide(body, LOG.tree(last))
        assert (caught.value.expected, caught.value.got) == ("0 hashes", "1 hashes")
