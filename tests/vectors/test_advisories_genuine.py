"""What genuine evidence says of known vulnerabilities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.vectors.manifest import genuine_pairs
from verifier.appraisal.advisories.judge import Exposed, judge_advisories
from verifier.appraisal.authenticate_snp import (
    AuthenticReport,
    authenticate_report,
    authenticate_vek,
)
from verifier.appraisal.posture import posture_of
from verifier.appraisal.snp_report_checks import NO_ALLOWANCES
from verifier.evidence.snp_report import parse_report
from verifier.evidence.vek_certificate import parse_vek_certificate
from verifier.roots.amd import AMD_ROOTS

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ENTRYSIGN, BADRAM, IOMMU = "CVE-2024-56161", "CVE-2024-21944", "CVE-2023-20585"


@pytest.fixture(scope="module")
def genuine(vectors: Path) -> dict[str, AuthenticReport]:
    found = {}
    for report, certificate in genuine_pairs(vectors / "snp"):
        parsed = parse_vek_certificate(certificate.read_bytes())
        now = min(NOW, parsed.not_after - timedelta(days=1))
        vek = authenticate_vek(parsed, roots=AMD_ROOTS, offered_ca=(), now=now)
        found[report.stem] = authenticate_report(
            parse_report(report.read_bytes()), vek=vek, allowances=NO_ALLOWANCES
        )
    assert len(found) >= 17
    return found


def exposed(authentic: AuthenticReport) -> dict[str, Exposed]:
    return {
        verdict.advisory.id: verdict.exposed for verdict in judge_advisories(posture_of(authentic))
    }


def test_entrysign_is_open_on_old_milan(genuine: dict[str, AuthenticReport]) -> None:
    milan = {name: exposed(report) for name, report in genuine.items() if name.startswith("milan")}
    below = {name for name, verdicts in milan.items() if verdicts[ENTRYSIGN] is Exposed.VULNERABLE}
    assert below == {name for name in milan if "-v2-" in name or "dstack" in name}
    assert len(below) == 6
    above = set(milan) - below
    assert {milan[name][ENTRYSIGN] for name in above} == {Exposed.MITIGATED}


def test_entrysign_on_genoa_is_doubted_where_the_build_is_older(
    genuine: dict[str, AuthenticReport],
) -> None:
    doubted = set()
    for name, report in genuine.items():
        if name.startswith("genoa"):
            verdict = exposed(report)[ENTRYSIGN]
            assert verdict in (Exposed.MITIGATED, Exposed.UNDECIDABLE)
            doubted |= {name} if verdict is Exposed.UNDECIDABLE else set()
    # snp 23 as the bulletin demands, with firmware 1.55.39 and microcode of before the fix.
    assert doubted == {"genoa-v3-vcek-routex-dc5d43"}


def test_badram_is_open_where_the_alias_check_was_not_done(
    genuine: dict[str, AuthenticReport],
) -> None:
    for name, report in genuine.items():
        verdict = exposed(report)[BADRAM]
        if name.startswith("turin"):
            assert verdict is Exposed.NOT_AFFECTED
        else:
            old = "-v2-" in name
            assert verdict is (Exposed.VULNERABLE if old else Exposed.MITIGATED), name


def test_only_the_newest_firmware_has_the_iommu_fix(genuine: dict[str, AuthenticReport]) -> None:
    for name, report in genuine.items():
        expected = {
            "turin": Exposed.NOT_AFFECTED,
            "genoa-v5": Exposed.UNDECIDABLE,  # the firmware has it; the host's part is not shown
        }
        match = next((value for key, value in expected.items() if name.startswith(key)), None)
        assert exposed(report)[IOMMU] is (match or Exposed.VULNERABLE), name


def test_what_no_genuine_report_can_show(genuine: dict[str, AuthenticReport]) -> None:
    for name, report in genuine.items():
        verdicts = exposed(report)
        assert verdicts["memory-interposers"] is Exposed.UNDECIDABLE
        assert verdicts["heracles"] is Exposed.VULNERABLE
        milan = name.startswith("milan")
        expected = Exposed.UNDECIDABLE if milan else Exposed.NOT_AFFECTED
        assert verdicts["milanlaunchy"] is verdicts["one-glitch"] is expected
