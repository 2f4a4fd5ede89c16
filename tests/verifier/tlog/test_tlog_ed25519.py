from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.tlog.rejection import rejects
from tests.verifier.tlog.signing import log
from verifier.errors import ParseError, VerificationError
from verifier.tlog.ed25519 import has_low_order, verify_ed25519
from verifier.tlog.note import Algorithm, parse_public_key

P = 2**255 - 19


def edge_cases(vectors: Path) -> list[dict[str, Any]]:
    path = vectors / "tlog/c2sp_cctv/ed25519/ed25519vectors.json"
    cases: list[dict[str, Any]] = json.loads(path.read_text())
    return cases


def accepted(case: dict[str, Any]) -> bool:
    try:
        verify_ed25519(
            public_key=bytes.fromhex(case["key"]),
            signature=bytes.fromhex(case["sig"]),
            message=case["msg"].encode(),
            what="signature",
        )
    except VerificationError:
        return False
    return True


def test_which_edge_cases_verify(vectors: Path) -> None:
    """The library's rule, written down: R is canonical, and [S]B = R + [k]A without the cofactor.

    A in another than its canonical encoding is taken, and so is every A and R of low order: such
    keys are refused where keys are read.
    """
    cases = edge_cases(vectors)
    assert len(cases) == 914
    refused = {"low_order_residue", "non_canonical_R"}
    for case in cases:
        assert accepted(case) == refused.isdisjoint(case["flags"] or ()), case
    assert sum(accepted(case) for case in cases) == 208


def test_edge_cases_against_keys_that_can_be_read(vectors: Path) -> None:
    """Of the accepted ones with a readable key, none has a public key in two encodings."""
    readable = []
    for case in edge_cases(vectors):
        flags = set(case["flags"] or ())
        assert has_low_order(bytes.fromhex(case["key"])) == ("low_order_A" in flags)
        if "low_order_A" not in flags:
            readable.append(case)
            assert "non_canonical_A" not in flags
    assert sum(accepted(case) for case in readable) == 86


def test_every_low_order_point_in_every_encoding_is_refused(vectors: Path) -> None:
    keys = {case["key"] for case in edge_cases(vectors) if "low_order_A" in (case["flags"] or ())}
    assert len(keys) >= 8
    for key in keys:
        with rejects(ParseError, "Ed25519 public key", expected="large order", got=f"^{key}$"):
            parse_public_key(name="n", algorithm=Algorithm.ED25519, public_key=bytes.fromhex(key))


@pytest.mark.parametrize("sign", [0, 1 << 255])
@pytest.mark.parametrize("y", [0, 1, P - 1, P, P + 1])
def test_low_order_without_vectors(y: int, sign: int) -> None:
    assert has_low_order((y | sign).to_bytes(32, "little"))
    assert not has_low_order((2 | sign).to_bytes(32, "little"))


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_another_size(size: int) -> None:
    with rejects(VerificationError, "it", expected="a valid Ed25519", got="does not verify"):
        verify_ed25519(
            public_key=log().key.public_key, signature=bytes(size), message=b"", what="it"
        )
