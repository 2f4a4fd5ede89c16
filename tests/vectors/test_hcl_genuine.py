"""Genuine Azure containers: what passes, and that every byte of them counts."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from verifier.appraisal.authenticate_snp import authenticate_report, authenticate_vek
from verifier.appraisal.findings import Status
from verifier.appraisal.snp_hcl_checks import (
    HCL_CHECKS,
    HclEvidence,
    HclExpectation,
    check_hcl,
)
from verifier.appraisal.snp_report_checks import NO_ALLOWANCES
from verifier.errors import UnsupportedError
from verifier.evidence.azure_evidence import AzureEvidence, parse_azure_evidence
from verifier.evidence.hcl import parse_hcl
from verifier.evidence.snp_report import parse_report
from verifier.evidence.tpm_quote import parse_tpm_quote
from verifier.evidence.vek_certificate import parse_vek_certificate
from verifier.roots.amd import AMD_ROOTS

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = ("v0", "v2", "genoa")


@functools.cache
def azure(reports: Path, name: str) -> AzureEvidence:
    return parse_azure_evidence((reports / f"azure-evidence-{name}.json").read_bytes())


@pytest.fixture(scope="module")
def reports(vectors: Path) -> Path:
    return vectors / "snp" / "reports"


def parts(evidence: AzureEvidence) -> HclEvidence:
    return HclEvidence(
        container=evidence.hcl,
        quote=evidence.quote,
        signature=evidence.signature,
        pcrs=b"".join(evidence.pcrs),
    )


def expecting(evidence: AzureEvidence) -> HclExpectation:
    """The nonce that the quote was made for; 9 bytes in the oldest sample."""
    pcrs = {index: evidence.pcrs[index] for index in (0, 7, 23)}
    return HclExpectation(
        nonce=parse_tpm_quote(evidence.quote).extra, pcrs=pcrs, quote_not_checked=""
    )


def failed(evidence: HclEvidence, expected: HclExpectation) -> list[str]:
    findings = check_hcl(evidence, expected=expected).findings
    return [finding.check for finding in findings if finding.status is not Status.PASS]


@pytest.mark.parametrize("name", NAMES)
def test_genuine_evidence_holds_together_up_to_the_vendor(reports: Path, name: str) -> None:
    evidence = azure(reports, name)
    checked = check_hcl(parts(evidence), expected=expecting(evidence))
    assert [finding.check for finding in checked.findings] == list(HCL_CHECKS)
    assert {finding.status for finding in checked.findings} == {Status.PASS}
    assert checked.report is not None
    certificate = parse_vek_certificate(evidence.vek)
    now = min(NOW, certificate.not_after - timedelta(days=1))
    vek = authenticate_vek(certificate, roots=AMD_ROOTS, offered_ca=(), now=now)
    report = parse_report(checked.report)
    authentic = authenticate_report(report, vek=vek, allowances=NO_ALLOWANCES)
    assert authentic.report.vmpl == 0
    assert authentic.product == ("Genoa" if name == "genoa" else "Milan")


def test_the_nonces_of_the_samples(reports: Path) -> None:
    nonces = [parse_tpm_quote(azure(reports, name).quote).extra for name in NAMES]
    assert nonces[0] == b"challenge"
    assert [len(nonce) for nonce in nonces[1:]] == [48, 48]


@pytest.mark.parametrize("name", NAMES)
def test_a_quote_or_container_of_another_machine_is_refused(reports: Path, name: str) -> None:
    evidence = azure(reports, name)
    other = azure(reports, NAMES[NAMES.index(name) - 1])
    expected = expecting(evidence)
    assert failed(replace(parts(evidence), container=other.hcl), expected) == ["snp.hcl.quote"]
    assert failed(replace(parts(evidence), signature=other.signature), expected) == [
        "snp.hcl.quote"
    ]
    replayed = replace(parts(evidence), quote=other.quote, signature=other.signature)
    assert failed(replayed, expected) == ["snp.hcl.quote"]
    assert failed(parts(evidence), replace(expected, nonce=bytes(32))) == ["snp.hcl.quote"]


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_counts(reports: Path, name: str) -> None:
    evidence = parts(azure(reports, name))
    expected = expecting(azure(reports, name))
    raw = evidence.container
    runtime = range(1236, 1236 + len(parse_hcl(raw).claims_raw))
    for offset in [*range(32), *range(1216, len(raw), 7)]:
        flipped = bytearray(raw)
        flipped[offset] ^= 0x01
        refused = failed(replace(evidence, container=bytes(flipped)), expected)
        seen = "snp.hcl.format", "snp.hcl.runtime_data"
        assert refused[0] in (seen if offset in runtime else seen[:1]), hex(offset)
    for field in ("quote", "signature", "pcrs"):
        original: bytes = getattr(evidence, field)
        for offset in range(0, len(original), 5):
            flipped = bytearray(original)
            flipped[offset] ^= 0x80
            changed = replace(evidence, **{field: bytes(flipped)})
            assert failed(changed, expected) == ["snp.hcl.quote"], (field, offset)


def test_the_report_is_held_by_its_own_signature_alone(reports: Path) -> None:
    raw = bytearray(azure(reports, "v2").hcl)
    raw[32 + 0x90] ^= 1  # MEASUREMENT
    evidence = replace(parts(azure(reports, "v2")), container=bytes(raw))
    assert failed(evidence, expecting(azure(reports, "v2"))) == []


def test_a_container_and_the_quotes_that_were_published_beside_it(vectors: Path) -> None:
    folder = vectors / "tdx" / "trustee" / "az-snp-vtpm"
    raw = (folder / "hcl-report.bin").read_bytes()
    assert raw == (vectors / "snp" / "reports" / "azure-hcl-report.bin").read_bytes()
    document = json.loads((folder / "tpm-quote-v1.json").read_bytes())
    evidence = HclEvidence(
        container=raw,
        quote=bytes.fromhex(document["message"]),
        signature=bytes.fromhex(document["signature"]),
        pcrs=bytes.fromhex("".join(document["pcrs"])),
    )
    expected = HclExpectation(nonce=b"challenge", pcrs={}, quote_not_checked="")
    assert failed(evidence, expected) == []


def test_the_old_container_is_complete_and_names_its_key_otherwise(reports: Path) -> None:
    raw = (reports / "azure-hcl-report-v2-2048B.bin").read_bytes()
    assert len(raw) == 2048
    hcl = parse_hcl(raw)
    assert (hcl.version, hcl.claims.user_supplied) == (1, None)
    assert hcl.claims.attestation_key.use == "encrypt"
    assert hcl.report[0x50:0x90] == sha256(hcl.claims_raw).digest() + bytes(32)
    parse_report(hcl.report)


@pytest.mark.parametrize("name", ["trustee/az-tdx-vtpm/hcl-report.bin", "flashbots/hclreport.bin"])
def test_a_container_of_another_tee_is_unsupported(vectors: Path, name: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        parse_hcl((vectors / "tdx" / name).read_bytes())
    assert (caught.value.expected, caught.value.got) == ("report type 2", "4")
