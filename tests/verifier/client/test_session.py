"""What a client keeps of a session; the session itself is in tests/verifier/drive."""

from __future__ import annotations

import pytest

from tests.synthetic_amd import synthetic_amd
from tests.verifier.evidence.test_certificate_table import VCEK, VLEK, table
from verifier.client.session import SessionEvidence
from verifier.evidence.tcb import Product
from verifier.roots.snp_root import VekKind
from verifier.wire.attested_tls import EvidenceAnswer
from verifier.wire.session_binding import SessionBinding

BINDING = SessionBinding(
    exporter=bytes(32),
    nonce=bytes(32),
    role="summariser",
    spki_sha256=bytes(32),
    sealing_key_sha256=bytes(32),
    certificate=b"certificate",
    level="exporter",
)


@pytest.mark.parametrize(("kind", "kept"), [(VekKind.VCEK, b"vcek"), (VekKind.VLEK, b"vlek")])
def test_of_two_certificates_the_one_that_signed_is_kept(kind: VekKind, kept: bytes) -> None:
    answer = EvidenceAnswer(
        role="summariser",
        report=synthetic_amd(Product.MILAN, kind).report(),
        certificate_table=table({VCEK: b"vcek", VLEK: b"vlek"}),
        release_entry=b"{}",
        release_proof=b"x",
        sealing_key=bytes(1216),
    )
    evidence = SessionEvidence(nonce=bytes(32), answer=answer, binding=BINDING)
    contents = evidence.contents(policy=b"# mine\n", crl=None)
    assert contents["evidence/vek.der"] == ("snp-vek", kept)
