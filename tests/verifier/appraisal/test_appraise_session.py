"""Evidence bound to one TLS session: what holds, and everything that does not."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tests.making import NOW, Log, bundle, entry, policy, statement
from tests.synthetic_amd import synthetic_amd
from verifier.appraisal.appraise import appraise_bundle
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.verdict import Outcome, Verdict
from verifier.evidence.report_data import report_data_of_session
from verifier.wire.session_binding import SessionBinding, encode_session_binding

AMD = synthetic_amd()
NONCE = bytes(range(32))
EXPORTER = b"\xe5" * 32
ROLE = "summariser"


@functools.cache
def key(name: str) -> EllipticCurvePrivateKey:
    del name
    return generate_private_key(SECP256R1())


@functools.cache
def certificate(subject: str = "node", signer: str = "node") -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node.invalid")])
    builder = x509.CertificateBuilder(
        name, name, key(subject).public_key(), 1, datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2036, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    return builder.sign(key(signer), SHA256()).public_bytes(Encoding.DER)


def spki(subject: str = "node") -> bytes:
    raw = key(subject).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(raw).digest()


BINDING = SessionBinding(
    exporter=EXPORTER,
    nonce=NONCE,
    role=ROLE,
    spki_sha256=spki(),
    sealing_key_sha256=hashlib.sha256(b"sealing key").digest(),
    certificate=certificate(),
    level="exporter",
)


def report_data(binding: SessionBinding = BINDING) -> bytes:
    return report_data_of_session(
        exporter=binding.exporter,
        nonce=binding.nonce,
        role=binding.role,
        spki_sha256=binding.spki_sha256,
        sealing_key_sha256=binding.sealing_key_sha256,
    )


def judge(
    binding: bytes | None = None,
    *,
    made_for: SessionBinding = BINDING,
    without: tuple[str, ...] = (),
    **rules: Any,
) -> Verdict:
    raw = entry(statement())
    held = {
        "snp-report": AMD.report(report_data=report_data(made_for)),
        "snp-vek": AMD.vek(),
        "release-entry": raw,
        "release-proof": Log((raw,)).proof(0),
        "nonce": NONCE,
        "session-binding": binding or encode_session_binding(BINDING),
    }
    return appraise_bundle(
        bundle({role: data for role, data in held.items() if role not in without}),
        policy=parse_policy(policy(Log((raw,)), **({"report_data": "session"} | rules))),
        roots=(AMD.root,),
        now=NOW,
        nonce=None,
    )


def only_failure(verdict: Verdict, check: str) -> Finding:
    failures = [f for f in verdict.findings if f.status is Status.FAIL]
    assert (verdict.outcome, [f.check for f in failures]) == (Outcome.FAILED, [check])
    return failures[0]


def test_evidence_of_this_session() -> None:
    verdict = judge()
    assert verdict.outcome is Outcome.VERIFIED
    assert {"session.binding", "session.role", "snp.report_data"} <= set(verdict.required)
    found = next(f for f in verdict.findings if f.check == "session.binding")
    assert found.got.startswith("level exporter, after the handshake, for nonce 0001")


@pytest.mark.parametrize(
    "other",
    [
        {"exporter": b"\x00" * 32},  # relayed from another session (ATK-040)
        {"nonce": b"\x00" * 32},  # replayed (ATK-038)
        {"spki_sha256": spki("relay")},  # behind another key (ATK-042)
        {"sealing_key_sha256": bytes(32)},  # with another's key to seal to (ATK-042)
        {"role": "guard"},  # made as another role (ATK-049)
    ],
)
def test_evidence_that_was_made_for_another_session(other: dict[str, Any]) -> None:
    found = only_failure(judge(made_for=replace(BINDING, **other)), "snp.report_data")
    assert found.cls is FindingClass.SECURITY
    assert found.expected.endswith(", for the session of the binding")


def test_a_binding_to_another_nonce() -> None:
    other = replace(BINDING, nonce=b"\x00" * 32)
    verdict = judge(encode_session_binding(other), made_for=other)
    found = only_failure(verdict, "session.binding")
    assert found.got == f"nonce: {'00' * 32}"
    assert "snp.report_data" in [f.check for f in verdict.skipped]


def test_a_binding_to_a_key_that_is_not_the_certificates() -> None:
    other = replace(BINDING, spki_sha256=spki("relay"))
    found = only_failure(judge(encode_session_binding(other), made_for=other), "session.binding")
    assert (found.expected, found.got) == (spki().hex(), f"spkiSha256: {spki('relay').hex()}")


def test_a_certificate_that_its_own_key_did_not_sign() -> None:
    other = replace(BINDING, certificate=certificate("node", "relay"))
    found = only_failure(judge(encode_session_binding(other)), "session.binding")
    assert (found.cls, found.got) == (FindingClass.SECURITY, "TLS certificate: not one")


def test_a_certificate_that_is_none() -> None:
    other = replace(BINDING, certificate=b"\x30\x00")
    found = only_failure(judge(encode_session_binding(other)), "session.binding")
    assert (found.cls, found.expected) == (FindingClass.INPUT, "a self-signed certificate")


def test_a_binding_that_is_malformed() -> None:
    found = only_failure(judge(b"{}"), "session.binding")
    assert found.cls is FindingClass.INPUT


def test_another_role_than_the_release_has() -> None:
    other = replace(BINDING, role="guard")
    found = only_failure(judge(encode_session_binding(other), made_for=other), "session.role")
    assert (found.expected, found.got) == (ROLE, "guard")


def test_without_a_binding_it_fails() -> None:
    found = only_failure(judge(without=("session-binding",)), "session.binding")
    assert found.expected == "a member in the role session-binding"


def test_without_a_nonce_it_is_not_determined() -> None:
    assert judge(without=("nonce",)).outcome is Outcome.NOT_DETERMINED


def test_without_a_release_no_role_is_asked_for() -> None:
    verdict = judge(
        require=("evidence",), measurement=["11" * 48], without=("release-entry", "release-proof")
    )
    assert verdict.outcome is Outcome.VERIFIED
    assert "session.role" not in verdict.required
