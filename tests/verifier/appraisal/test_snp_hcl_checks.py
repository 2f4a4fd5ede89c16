from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.synthetic_amd import synthetic_amd
from tests.synthetic_hcl import NONCE, PCRS, claims, container, jwk, quote, sign, vtpm_key
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.snp_hcl_checks import (
    HCL_CHECKS,
    HclEvidence,
    HclExpectation,
    check_hcl,
)

FORMAT, RUNTIME, QUOTE = HCL_CHECKS
GOOD = HclEvidence(
    container=container(), quote=quote(), signature=sign(quote()), pcrs=b"".join(PCRS)
)
EXPECTED = HclExpectation(nonce=NONCE, pcrs={}, quote_not_checked="")


def checked(evidence: HclEvidence, expected: HclExpectation = EXPECTED) -> dict[str, Finding]:
    outcome = check_hcl(evidence, expected=expected)
    assert tuple(finding.check for finding in outcome.findings) == HCL_CHECKS
    return {finding.check: finding for finding in outcome.findings}


def quoted(**changes: Any) -> HclEvidence:
    """Another quote, signed by the right key."""
    message = quote(**changes)
    return replace(GOOD, quote=message, signature=sign(message))


def refused(
    evidence: HclEvidence, check: str, expected: HclExpectation = EXPECTED
) -> tuple[FindingClass, str, str]:
    """What is said of the one check that fails; the others pass."""
    findings = checked(evidence, expected)
    statuses = {name: finding.status for name, finding in findings.items()}
    assert statuses.pop(check) is Status.FAIL
    assert set(statuses.values()) == {Status.PASS}
    return findings[check].cls, findings[check].expected, findings[check].got


def test_a_container_that_holds_together_passes() -> None:
    outcome = check_hcl(GOOD, expected=EXPECTED)
    assert {finding.status for finding in outcome.findings} == {Status.PASS}
    assert outcome.report == GOOD.container[32:1216]
    assert [finding.got for finding in outcome.findings][::2] == [
        f"version 2, {len(json.dumps(claims()))} bytes of runtime data",
        "such a quote, over PCRs 0 to 23",
    ]


def test_a_malformed_container_is_input_and_leaves_the_rest() -> None:
    outcome = check_hcl(replace(GOOD, container=b"HCLA"), expected=EXPECTED)
    first, *rest = outcome.findings
    assert (first.check, first.status, first.cls) == (FORMAT, Status.FAIL, FindingClass.INPUT)
    assert (first.expected, first.got) == ("1237 to 16384 bytes", "HCL report: 4 bytes")
    assert [finding.check for finding in rest] == [RUNTIME, QUOTE]
    assert {finding.status for finding in rest} == {Status.SKIP}
    assert {finding.got for finding in rest} == {"not checked: the container could not be read"}
    assert outcome.report is None


@pytest.mark.parametrize("report_data", [bytes(64), b"\x01" * 64])
def test_runtime_data_that_the_report_does_not_hold_is_refused(report_data: bytes) -> None:
    raw = container(report=synthetic_amd().report(report_data=report_data))
    cls, expected, got = refused(replace(GOOD, container=raw), RUNTIME)
    assert cls is FindingClass.SECURITY
    assert expected.endswith(" and 32 zero bytes")
    assert got == report_data.hex()


def test_the_rest_of_report_data_has_to_be_zero() -> None:
    right = GOOD.container[32 + 0x50 : 32 + 0x70]
    raw = container(report=synthetic_amd().report(report_data=right + bytes(31) + b"\x01"))
    _, expected, got = refused(replace(GOOD, container=raw), RUNTIME)
    assert expected == f"{right.hex()} and 32 zero bytes"
    assert got == right.hex() + "00" * 31 + "01"


def test_claims_with_another_key_are_not_those_of_the_report() -> None:
    forged = json.dumps(claims(keys=[jwk("HCLAkPub", "sign", vtpm_key(2))])).encode()
    raw = container(forged, report=GOOD.container[32:1216])
    evidence = replace(GOOD, container=raw, signature=sign(quote(), vtpm_key(2)))
    cls, _, got = refused(evidence, RUNTIME)
    assert (cls, got) == (FindingClass.SECURITY, GOOD.container[0x70:0xB0].hex())


SECURITY, INPUT = FindingClass.SECURITY, FindingClass.INPUT


@pytest.mark.parametrize(
    ("evidence", "cls", "expected", "got"),
    [
        (
            replace(GOOD, signature=sign(quote(), vtpm_key(1))),
            SECURITY,
            "a signature by the attestation key of the runtime data",
            "TPM quote: not one",
        ),
        (quoted(extra=b""), SECURITY, NONCE.hex(), "TPM quote, extraData: nothing"),
        (
            quoted(extra=NONCE[:-1]),
            SECURITY,
            NONCE.hex(),
            f"TPM quote, extraData: {NONCE[:-1].hex()}",
        ),
        (
            quoted(extra=NONCE + b"\0"),
            SECURITY,
            NONCE.hex(),
            f"TPM quote, extraData: {NONCE.hex()}00",
        ),
        (
            quoted(digest=bytes(32)),
            SECURITY,
            "of the given registers",
            f"TPM quote, pcrDigest: {'00' * 32}",
        ),
        (
            replace(GOOD, pcrs=b"\x01" + b"".join(PCRS)[1:]),
            SECURITY,
            "of the given registers",
            "TPM quote, pcrDigest: ",
        ),
        (
            replace(GOOD, pcrs=b"".join(PCRS)[:-32]),
            INPUT,
            "24 values of 32 bytes",
            "PCR values: 736 bytes",
        ),
        (replace(GOOD, quote=b""), INPUT, "6 more bytes", "TPM quote: 0"),
        (quoted(kind=0x8017), INPUT, "0x8018", "TPM quote, type: 0x8017"),
    ],
)
def test_a_wrong_quote_is_refused(
    evidence: HclEvidence, cls: FindingClass, expected: str, got: str
) -> None:
    found = refused(evidence, QUOTE)
    assert found[0] is cls
    assert found[1].endswith(expected)
    assert found[2].startswith(got)


def test_a_key_that_says_it_encrypts_signs_no_quote() -> None:
    raw = container(json.dumps(claims(keys=[jwk("HCLAkPub", "encrypt")])).encode())
    found = refused(replace(GOOD, container=raw), QUOTE)
    assert found == (SECURITY, "sign", "HCLAkPub.key_ops: encrypt")


@pytest.mark.parametrize(
    ("change", "role"),
    [
        ({"quote": None}, "snp-tpm-quote"),
        ({"signature": None}, "snp-tpm-signature"),
        ({"pcrs": None}, "snp-tpm-pcrs"),
        ({"quote": None, "signature": None, "pcrs": None}, "snp-tpm-quote"),
    ],
)
def test_a_missing_part_is_a_failure(change: dict[str, Any], role: str) -> None:
    found = refused(replace(GOOD, **change), QUOTE)
    assert found == (INPUT, f"a member in the role {role}", "it is missing")


def test_without_a_nonce_the_quote_is_a_named_skip() -> None:
    finding = checked(GOOD, replace(EXPECTED, nonce=None))[QUOTE]
    assert finding.status is Status.SKIP
    assert finding.got == "not checked: no nonce was given, and the bundle records none"


def test_register_values_that_are_expected() -> None:
    expected = replace(EXPECTED, pcrs={4: PCRS[4], 23: PCRS[23]})
    assert checked(GOOD, expected)[QUOTE].status is Status.PASS
    other = replace(EXPECTED, pcrs={4: PCRS[4], 11: bytes(32)})
    found = refused(GOOD, QUOTE, other)
    assert found == (SECURITY, "00" * 32, f"PCR 11: {PCRS[11].hex()}")


def test_an_expected_register_has_to_be_quoted() -> None:
    evidence = quoted(select=b"\x05\0\0")
    assert checked(evidence)[QUOTE].got == "such a quote, over PCRs 0 2"
    found = refused(evidence, QUOTE, replace(EXPECTED, pcrs={1: PCRS[1]}))
    assert found == (SECURITY, PCRS[1].hex(), "PCR 1: it is not quoted")
