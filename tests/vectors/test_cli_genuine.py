"""Genuine and tampered AMD evidence through the program: exit 4, exit 0 when pinned, exit 1."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.making import policy
from tests.running import Ran, cvm_audit
from tests.vectors.manifest import genuine_pairs
from verifier.evidence.snp_bits import PLATFORM_BITS, RESTRICTIONS, set_bits
from verifier.evidence.snp_report import AttestationReport, parse_report
from verifier.evidence.tcb import Tcb, decode_tcb
from verifier.evidence.vek_certificate import VekCertificate, parse_vek_certificate

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def instant(certificate: VekCertificate) -> str:
    during = min(NOW, certificate.not_after - timedelta(days=1))
    return f"{during:%Y-%m-%dT%H:%M:%SZ}"


def floor(tcb: Tcb) -> dict[str, int]:
    levels = {
        "bootloader": tcb.bootloader,
        "tee": tcb.tee,
        "snp": tcb.snp,
        "microcode": tcb.microcode,
    }
    return levels if tcb.fmc is None else {"fmc": tcb.fmc} | levels


def pinned(report: AttestationReport, certificate: VekCertificate) -> bytes:
    """A policy that accepts this report and nothing weaker."""
    product = str(certificate.product)
    granted = report.guest_policy
    tcbs = {
        f"minimum_{name}_tcb": {product: floor(decode_tcb(raw, certificate.product))}
        for name, raw in (
            ("reported", report.reported_tcb),
            ("launch", report.launch_tcb),
            ("committed", report.committed_tcb),
        )
    }
    committed = (report.committed_tcb, report.committed_firmware)
    running = (report.current_tcb, report.current_firmware)
    rules: dict[str, Any] = {
        "products": [product],
        "signing_keys": [str(certificate.kind)],
        "csp_ids": [certificate.csp_id] if certificate.csp_id else [],
        "vmpls": [report.vmpl],
        "debug": "allowed" if granted.debug else "forbidden",
        "migrate_ma": "allowed" if granted.migrate_ma else "forbidden",
        "smt": "allowed" if granted.smt else "forbidden",
        "cxl": "allowed" if granted.cxl_allow else "forbidden",
        "restrictions_required": [n for n, bit in RESTRICTIONS.items() if report.policy >> bit & 1],
        "minimum_abi": f"{granted.abi_major}.{granted.abi_minor}",
        "platform_info_forbidden": [
            name for bit, name in PLATFORM_BITS.items() if not report.platform_info >> bit & 1
        ],
        "report_versions": [report.version],
        "minimum_guest_svn": report.guest_svn,
        "provisional_firmware": "forbidden" if committed == running else "allowed",
        "family_id": [report.family_id.hex()],
        "image_id": [report.image_id.hex()],
        "id_key": [report.id_key_digest.hex()],
        "migration_agent": [report.report_id_ma.hex()],
        "platform_info_required": list(set_bits(report.platform_info, PLATFORM_BITS)),
        "minimum_firmware": str(report.current_firmware),
        "measurement": [report.measurement.hex()],
        "report_data": [report.report_data.hex()],
        "host_data": [report.host_data.hex()],
        "chip_ids": [report.chip_id.hex()],
        **tcbs,
    }
    return policy(require=("evidence",), platform="hardware", **rules)


def verify(report: Path, vek: Path, at: str, *more: object) -> Ran:
    paths = ("--report", report, "--vek", vek)
    return cvm_audit("evidence", "verify", *paths, "--at", at, "--offline", *more)


@pytest.mark.usefixtures("offline")
def test_every_genuine_pair(vectors: Path, tmp_path: Path) -> None:
    seen = set()
    for report_path, vek_path in genuine_pairs(vectors / "snp"):
        report = parse_report(report_path.read_bytes())
        certificate = parse_vek_certificate(vek_path.read_bytes())
        at = instant(certificate)
        alone = verify(report_path, vek_path, at)
        assert (alone.code, alone.err) == (4, ""), report_path.name
        rules = tmp_path / "policy.toml"
        rules.write_bytes(pinned(report, certificate))
        ran = verify(report_path, vek_path, at, "--policy", rules, "--format", "json")
        assert ran.code == 0, (report_path.name, ran.out, ran.err)
        assert json.loads(ran.out)["platform"] == "hardware"
        seen.add((str(certificate.product), report.version))
    products = {product for product, _ in seen}
    assert products == {"Milan", "Genoa", "Turin"}
    assert {version for _, version in seen} == {2, 3, 5}


def test_the_expired_vlek_is_refused_today(vectors: Path) -> None:
    name = "milan-v3-vlek-trustee-decdab"
    report = vectors / "snp" / "reports" / f"{name}.bin"
    vek = vectors / "snp" / "certs" / f"{name}.vlek.der"
    ran = verify(report, vek, "2026-11-21T12:00:00Z")
    assert ran.code == 1
    assert "failed: snp.vek.validity;" in ran.last


def test_everything_negative_is_failed(vectors: Path) -> None:
    snp = vectors / "snp"
    pairs = genuine_pairs(snp)
    veks = [vek for _, vek in pairs]
    negative = sorted((snp / "negative").iterdir())
    assert negative
    for path in negative:
        others = [(path, vek) for vek in veks]
        if path.suffix == ".der":
            others = [(report, path) for report, _ in pairs]
        for report, vek in others:
            ran = verify(report, vek, "2026-11-21T12:00:00Z")
            assert ran.code == 1, (report.name, vek.name)
            assert ran.last.startswith("FAILED; ")


def test_a_pinning_policy_accepts_nothing_else(vectors: Path, tmp_path: Path) -> None:
    pairs = genuine_pairs(vectors / "snp")
    report_path, vek_path = pairs[0]
    report = parse_report(report_path.read_bytes())
    certificate = parse_vek_certificate(vek_path.read_bytes())
    rules = tmp_path / "policy.toml"
    rules.write_bytes(pinned(report, certificate))
    for other_report, other_vek in pairs[1:]:
        at = instant(parse_vek_certificate(other_vek.read_bytes()))
        assert verify(other_report, other_vek, at, "--policy", rules).code == 1
