"""Judges of what a report was made for: the guest's identity, its data, its host.

Values are compared whole, never by a prefix. Source: SNP firmware ABI (AMD publication 56860),
ATTESTATION_REPORT.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from verifier.appraisal.findings import FindingClass
from verifier.appraisal.snp_judging import Claim, ClaimJudge, Judged, one_of
from verifier.evidence.report_data import report_data_of_nonce, report_data_of_session

__all__ = ["CONTENT_JUDGES", "NO_MIGRATION_AGENT"]

NO_MIGRATION_AGENT = b"\xff" * 32
"""REPORT_ID_MA of a guest without a migration agent."""


def _equal(observed: bytes, values: tuple[bytes, ...], why: str = "") -> Judged:
    holds = observed in values
    return Judged(
        holds,
        one_of(value.hex() for value in values) + why,
        observed.hex() + (why if holds else ""),
        cls=FindingClass.SECURITY,
    )


def _guest_svn(claim: Claim) -> Judged:
    svn, floor = claim.report.guest_svn, claim.policy.minimum_guest_svn
    return Judged(svn >= floor, f"at least {floor}", str(svn))


def _measurement(claim: Claim) -> Judged:
    return _equal(claim.report.measurement, claim.policy.measurement.values)


def _report_data(claim: Claim) -> Judged:
    expectation = claim.policy.report_data
    if expectation.derived == "session":
        return _session(claim)
    if expectation.derived != "nonce":
        return _equal(claim.report.report_data, expectation.values)
    if claim.nonce is None:
        missing = "no nonce was given, and the bundle records none"
        return Judged(holds=False, expected="", got="", missing=missing)
    value = report_data_of_nonce(claim.nonce.value)
    return _equal(claim.report.report_data, (value,), f", for nonce {claim.nonce}")


def _session(claim: Claim) -> Judged:
    session = claim.session
    if session is None:
        missing = "there is no session binding that holds"
        return Judged(holds=False, expected="", got="", missing=missing)
    value = report_data_of_session(
        exporter=session.exporter,
        nonce=session.nonce,
        role=session.role,
        spki_sha256=session.spki_sha256,
        sealing_key_sha256=session.sealing_key_sha256,
    )
    return _equal(claim.report.report_data, (value,), ", for the session of the binding")


def _host_data(claim: Claim) -> Judged:
    return _equal(claim.report.host_data, claim.policy.host_data.values)


def _family_id(claim: Claim) -> Judged:
    return _equal(claim.report.family_id, claim.policy.family_id.values)


def _image_id(claim: Claim) -> Judged:
    return _equal(claim.report.image_id, claim.policy.image_id.values)


def _id_key(claim: Claim) -> Judged:
    return _equal(claim.report.id_key_digest, claim.policy.id_key.values)


def _author_key(claim: Claim) -> Judged:
    judged = _equal(claim.report.author_key_digest, claim.policy.author_key.values)
    if claim.report.author_key_enabled:
        return judged
    # Without the bit the field is no digest of a key, whatever it holds.
    got = f"{claim.report.author_key_digest.hex()}, and AUTHOR_KEY_EN is 0"
    return Judged(holds=False, expected=judged.expected, got=got, cls=FindingClass.SECURITY)


def _migration_agent(claim: Claim) -> Judged:
    expectation = claim.policy.migration_agent
    values = (NO_MIGRATION_AGENT,) if expectation.derived == "none" else expectation.values
    return _equal(claim.report.report_id_ma, values)


def _chip(claim: Claim) -> Judged:
    return _equal(claim.report.chip_id, claim.policy.chip_ids.values)


def _denied(claim: Claim) -> Judged:
    chip = _chip_of(claim)
    if chip is None:
        expected = "a chip that can be named"
        return Judged(holds=False, expected=expected, got="the key is a VLEK, which names no chip")
    denied = claim.policy.denied_chip_ids
    return Judged(
        chip not in denied,
        f"none of {len(denied)} refused chips",
        chip.hex(),
        cls=FindingClass.SECURITY,
    )


def _chip_of(claim: Claim) -> bytes | None:
    # The certificate names the chip also where the report masks it.
    hw_id = claim.authentic.vek.certificate.hw_id
    return None if hw_id is None else hw_id.ljust(64, b"\0")


CONTENT_JUDGES: Mapping[str, ClaimJudge] = MappingProxyType(
    {
        "snp.guest_svn": _guest_svn,
        "snp.measurement": _measurement,
        "snp.report_data": _report_data,
        "snp.host_data": _host_data,
        "snp.family_id": _family_id,
        "snp.image_id": _image_id,
        "snp.id_key": _id_key,
        "snp.author_key": _author_key,
        "snp.migration_agent": _migration_agent,
        "snp.chip.enrolled": _chip,
        "snp.chip.denied": _denied,
    }
)
"""Check to judge."""
