"""Genuine AMD evidence: what passes, what does not, and that every byte of a report counts.

The rows come from the manifest of the vectors itself, so that a vector which is added is judged.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.synthetic_amd import synthetic_amd
from tests.vectors.manifest import genuine_pairs, rows
from verifier.appraisal.authenticate_snp import (
    REPORT_CHECKS,
    VEK_CHECKS,
    AuthenticVek,
    authenticate_report,
    authenticate_vek,
)
from verifier.appraisal.findings import Rejected, Status
from verifier.appraisal.snp_report_checks import NO_ALLOWANCES
from verifier.errors import AuditError, ParseError, UnsupportedError
from verifier.evidence.snp_report import AttestationReport, parse_report, unknown_bits
from verifier.evidence.vek_certificate import VekCertificate, VekKind, parse_vek_certificate
from verifier.roots.amd import AMD_ROOTS

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ORDER = int.from_bytes(b"\xff" * 24) << 192 | int(
    "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
)


@pytest.fixture(scope="module")
def snp(vectors: Path) -> Path:
    return vectors / "snp"


def during(certificate: VekCertificate) -> datetime:
    """An instant at which the certificate is valid: now, or for an old one, its own time."""
    return min(NOW, certificate.not_after - timedelta(days=1))


@functools.cache
def vek_of(path: Path) -> AuthenticVek:
    certificate = parse_vek_certificate(path.read_bytes())
    return authenticate_vek(certificate, roots=AMD_ROOTS, offered_ca=(), now=during(certificate))


def outcome(raw: bytes, vek: AuthenticVek) -> str:
    """ "authentic", or the first thing that is wrong."""
    try:
        authenticate_report(parse_report(raw), vek=vek, allowances=NO_ALLOWANCES)
    except Rejected as rejected:
        return next(f.check for f in rejected.findings if f.status is Status.FAIL)
    except AuditError as error:
        return type(error).__name__
    return "authentic"


def test_the_manifest_is_read(snp: Path) -> None:
    pairs = genuine_pairs(snp)
    assert len(pairs) >= 18
    assert {report.name.split("-")[0] for report, _ in pairs} == {"milan", "genoa", "turin"}
    assert {report.name.split("-")[1] for report, _ in pairs} == {"v2", "v3", "v5"}
    named = {path for files, _ in rows(snp) for path in files}
    evidence = {*(snp / "certs").iterdir(), *(snp / "reports").glob("*.bin")}
    assert evidence - named == set()


def test_every_genuine_pair_is_authentic(snp: Path) -> None:
    for report_path, vek_path in genuine_pairs(snp):
        vek = vek_of(vek_path)
        authentic = authenticate_report(
            parse_report(report_path.read_bytes()), vek=vek, allowances=NO_ALLOWANCES
        )
        assert tuple(f.check for f in vek.findings) == VEK_CHECKS, report_path.name
        assert tuple(f.check for f in authentic.findings) == REPORT_CHECKS, report_path.name
        findings = (*vek.findings, *authentic.findings)
        odd = {f.check: f.status for f in findings if f.status is not Status.PASS}
        # A VLEK names no chip, so there is nothing that could be compared.
        by_provider = vek.certificate.kind is VekKind.VLEK
        chip = {"snp.chip_id.equals_certificate": Status.INFO}
        assert odd == (chip if by_provider else {}), report_path.name
        assert authentic.platform == "hardware"
        assert authentic.product.lower() == report_path.name.split("-")[0]
        assert unknown_bits(authentic.report) == ()


def test_a_certificate_without_report_has_an_authentic_chain(snp: Path) -> None:
    alone = [
        files[0]
        for files, verdict in rows(snp)
        if len(files) == 1 and files[0].parent.name == "certs" and verdict.startswith("PASS")
    ]
    assert len(alone) >= 2
    for path in alone:
        vek = vek_of(path)
        assert path.name.startswith(vek.root.product.lower())
        assert {f.status for f in vek.findings} == {Status.PASS}, path.name


def test_an_expired_vlek_is_authentic_at_its_own_time_only(snp: Path) -> None:
    expired = [
        vek_of(path)
        for path in sorted((snp / "certs").iterdir())
        if vek_of(path).certificate.not_after < NOW
    ]
    assert [vek.certificate.kind for vek in expired] == [VekKind.VLEK]
    certificate = expired[0].certificate
    assert certificate.csp_id == "CN=cc-us-east-2.amazonaws.com"
    with pytest.raises(Rejected) as caught:
        authenticate_vek(certificate, roots=AMD_ROOTS, offered_ca=(), now=NOW)
    failed = [f.check for f in caught.value.findings if f.status is Status.FAIL]
    assert failed == ["snp.vek.validity"]
    assert caught.value.got == f"{NOW:%Y-%m-%dT%H:%M:%SZ}"


def test_the_vendors_own_ca_certificates_may_be_offered(snp: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    for root in AMD_ROOTS[::2]:
        name = f"{root.product.lower()}.pem"
        pems = [(snp / "roots" / f"{prefix}_{name}").read_bytes() for prefix in ("ask", "ark")]
        offered = [x509.load_pem_x509_certificate(p).public_bytes(Encoding.DER) for p in pems]
        path = next((snp / "certs").glob(f"{root.product.lower()}-v*-vcek-*.der"))
        certificate = vek_of(path).certificate
        vek = authenticate_vek(
            certificate, roots=AMD_ROOTS, offered_ca=tuple(offered), now=during(certificate)
        )
        assert vek.findings[0].got == "2 offered, all pinned"


def test_a_forged_chain_does_not_make_genuine_roots(snp: Path) -> None:
    forged = synthetic_amd()
    offered = (forged.vendor.signer.certificate, forged.vendor.ark.certificate)
    certificate = parse_vek_certificate(forged.vek())
    with pytest.raises(Rejected) as caught:
        authenticate_vek(certificate, roots=AMD_ROOTS, offered_ca=offered, now=NOW)
    failed = [f.check for f in caught.value.findings if f.status is Status.FAIL]
    assert failed == ["snp.chain.root", "snp.vek.signature"]
    genuine = vek_of(next((snp / "certs").glob("milan-v3-vcek-*.der")))
    assert outcome(forged.report(), genuine) == "snp.report.signature"


def test_a_tampered_certificate_is_refused(snp: Path) -> None:
    paths = sorted((snp / "negative").glob("*.der"))
    assert len(paths) >= 2
    for path in paths:
        certificate = parse_vek_certificate(path.read_bytes())
        with pytest.raises(Rejected) as caught:
            authenticate_vek(certificate, roots=AMD_ROOTS, offered_ca=(), now=during(certificate))
        failed = [f.check for f in caught.value.findings if f.status is Status.FAIL]
        assert failed == ["snp.vek.signature"], path.name
        assert caught.value.got == "not one"


def test_a_tampered_report_is_authentic_under_no_certificate(snp: Path) -> None:
    veks = [vek_of(path) for path in sorted((snp / "certs").iterdir())]
    paths = sorted((snp / "negative").glob("*.bin"))
    assert len(veks) >= 20
    assert len(paths) >= 2
    for path in paths:
        outcomes = {outcome(path.read_bytes(), vek) for vek in veks}
        assert "authentic" not in outcomes, path.name
        assert "snp.report.signature" in outcomes, path.name


def test_a_genuine_report_is_authentic_under_its_own_certificate_only(snp: Path) -> None:
    pairs = genuine_pairs(snp)
    for report_path, own in pairs:
        raw = report_path.read_bytes()
        accepted = [vek for _, vek in pairs if outcome(raw, vek_of(vek)) == "authentic"]
        assert accepted == [own], report_path.name


def test_every_report_of_the_folder_parses(snp: Path) -> None:
    reports: dict[str, AttestationReport] = {}
    for path in sorted((snp / "reports").glob("*-v[0-9]-v?ek-*.bin")):
        reports[path.name] = parse_report(path.read_bytes())
        assert reports[path.name].version == parse_version(path), path.name
    assert {report.version for report in reports.values()} == {2, 3, 4, 5}
    fourth = next(report for report in reports.values() if report.version == 4)
    assert str(fourth.current_firmware) == "1.55.31"
    assert fourth.launch_mitigation_vector is None


def parse_version(path: Path) -> int:
    found = re.search(r"-v([0-9])-", path.name)
    assert found is not None
    return int(found[1])


def flip_pair(snp: Path, product: str) -> tuple[bytes, AuthenticVek]:
    report, vek = next(
        pair for pair in reversed(genuine_pairs(snp)) if pair[0].name.startswith(product)
    )
    return report.read_bytes(), vek_of(vek)


@pytest.mark.parametrize("mask", [0x01, 0x80])
@pytest.mark.parametrize("product", ["milan", "genoa", "turin"])
def test_every_byte_of_a_genuine_report_counts(snp: Path, product: str, mask: int) -> None:
    raw, vek = flip_pair(snp, product)
    assert outcome(raw, vek) == "authentic"
    outcomes = []
    for offset in range(len(raw)):
        flipped = bytearray(raw)
        flipped[offset] ^= mask
        outcomes.append(outcome(bytes(flipped), vek))
    assert len(outcomes) == 1184
    assert "authentic" not in outcomes
    # Nothing before the tail is let through to the tail's own check, and the tail has only that.
    assert "snp.report.unsigned_tail" not in outcomes[:0x330]
    assert set(outcomes[0x330:]) == {"snp.report.unsigned_tail"}
    assert set(outcomes[:4]) == {"UnsupportedError"} | set(outcomes[:1])


@pytest.mark.parametrize("product", ["milan", "genoa", "turin"])
def test_the_malleable_twin_verifies_and_says_the_same(snp: Path, product: str) -> None:
    # ECDSA lets anyone turn (r, s) into (r, n - s). The twin is not another statement: what
    # identifies a report is the digest of its 672 signed bytes.
    raw, vek = flip_pair(snp, product)
    report = parse_report(raw)
    twin = raw[:0x2E8] + (ORDER - report.signature_s).to_bytes(72, "little") + raw[0x330:]
    assert twin != raw
    authentic = authenticate_report(parse_report(twin), vek=vek, allowances=NO_ALLOWANCES)
    assert authentic.report.signed_bytes == report.signed_bytes


def test_longer_and_shorter_evidence_is_refused(snp: Path) -> None:
    raw, _ = flip_pair(snp, "turin")
    for wrong in (raw + b"\0", raw[:-1], b""):
        with pytest.raises(ParseError) as caught:
            parse_report(wrong)
        assert caught.value.got == f"{len(wrong)} bytes"
    with pytest.raises(UnsupportedError) as unsupported:
        parse_report(b"\x06" + raw[1:])
    assert unsupported.value.got == "version 6"
