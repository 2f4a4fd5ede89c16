from __future__ import annotations

import pytest

from tests.making import Log, entry
from verifier.drive.corrupted_proof import corrupted_proof
from verifier.errors import ParseError, VerificationError
from verifier.tlog.policy import parse_tlog_policy
from verifier.tlog.proof import parse_tlog_proof, verify_tlog_proof

ENTRY = entry()
LOG = Log((ENTRY, b"another"))
PROOF = LOG.proof(0)


def test_nothing_but_the_signature_betrays_it() -> None:
    policy = parse_tlog_policy(f"log {LOG.key}\nquorum none\n")
    verify_tlog_proof(parse_tlog_proof(PROOF), entry=ENTRY, policy=policy)
    corrupted = corrupted_proof(PROOF)
    before, after = parse_tlog_proof(PROOF), parse_tlog_proof(corrupted)
    assert (after.index, after.hashes) == (before.index, before.hashes)
    assert after.checkpoint_raw.split(b"\n\n")[0] == before.checkpoint_raw.split(b"\n\n")[0]
    assert after.checkpoint_raw != before.checkpoint_raw
    with pytest.raises(VerificationError) as refused:
        verify_tlog_proof(after, entry=ENTRY, policy=policy)
    assert "signature" in refused.value.what


def test_every_signature_is_changed() -> None:
    twice = PROOF + PROOF.splitlines(keepends=True)[-1]
    before, after = twice.splitlines()[-2:], corrupted_proof(twice).splitlines()[-2:]
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert corrupted_proof(corrupted_proof(twice)) == twice


@pytest.mark.parametrize(
    "proof", [b"", b"\n\n", PROOF.rpartition(b"\n\n")[0], PROOF + b"more\n", PROOF[:-3] + b"*\n"]
)
def test_a_proof_without_signatures_is_refused(proof: bytes) -> None:
    with pytest.raises(ParseError) as refused:
        corrupted_proof(proof)
    assert refused.value.expected
