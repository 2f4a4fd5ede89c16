"""What evidence says of known vulnerabilities: each kind of criterion, on both sides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.synthetic_amd import NOW, TCBS, synthetic_amd
from verifier.appraisal.advisories.advisory import Advisory, Exposure
from verifier.appraisal.advisories.appraise_advisories import (
    ADVISORY_CHECKS,
    appraise_advisories,
)
from verifier.appraisal.advisories.criteria import (
    Criterion,
    any_of,
    firmware_floor,
    mitigation_bit,
    platform_bit,
    policy_bit,
    tcb_floor,
)
from verifier.appraisal.advisories.judge import (
    AdvisoryVerdict,
    Exposed,
    judge_advisories,
    judge_advisory,
)
from verifier.appraisal.advisories.table import ADVISORIES, PHYSICAL, PRODUCT_WARNINGS, TABLE_DATE
from verifier.appraisal.authenticate_snp import (
    AuthenticReport,
    authenticate_report,
    authenticate_vek,
)
from verifier.appraisal.checks import CHECKS
from verifier.appraisal.findings import Finding, FindingClass, Status
from verifier.appraisal.policy_values import AdvisoryPolicy
from verifier.appraisal.posture import posture_of
from verifier.appraisal.snp_report_checks import NO_ALLOWANCES
from verifier.evidence.snp_report import parse_report
from verifier.evidence.tcb import Firmware, Product
from verifier.evidence.vek_certificate import parse_vek_certificate
from verifier.roots.snp_root import Platform

LENIENT = AdvisoryPolicy(accepted=(), undecidable=True, maximum_age_days=90)
SOURCE = "a test"


def evidence(product: Product = Product.MILAN, **changes: Any) -> AuthenticReport:
    """A report of a synthetic chip; ``tcb`` changes certificate and report alike."""
    amd = synthetic_amd(product)
    certificate = amd.vek(tcb=changes["tcb"]) if "tcb" in changes else amd.vek()
    vek = authenticate_vek(
        parse_vek_certificate(certificate), roots=(amd.root,), offered_ca=(), now=NOW
    )
    report = parse_report(amd.report(**changes))
    return authenticate_report(report, vek=vek, allowances=NO_ALLOWANCES)


def advisory(*criteria: Criterion, open_question: str = "") -> Advisory:
    exposure = Exposure(
        product=Product.MILAN, fixed_in="1", criteria=criteria, open_question=open_question
    )
    return Advisory(
        id="CVE-1",
        name="a hole",
        bulletin="SB-1",
        published="2026-01-01",
        source=SOURCE,
        exposures=(exposure,),
        elsewhere="the vendor names Milan only",
    )


def judged(authentic: AuthenticReport, *criteria: Criterion, open_question: str = "") -> Exposed:
    made = advisory(*criteria, open_question=open_question)
    return judge_advisory(posture_of(authentic), advisory=made).exposed


def by_id(authentic: AuthenticReport) -> dict[str, AdvisoryVerdict]:
    return {verdict.advisory.id: verdict for verdict in judge_advisories(posture_of(authentic))}


def by_check(authentic: AuthenticReport, policy: AdvisoryPolicy) -> dict[str, Finding]:
    findings = appraise_advisories(posture_of(authentic), policy=policy, now=NOW)
    return {finding.check: finding for finding in findings}


LEVELS = {
    "bl": replace(TCBS[Product.MILAN], bootloader=3),
    "tee": replace(TCBS[Product.MILAN], tee=7),
    "snp": replace(TCBS[Product.MILAN], snp=23),
    "uc": replace(TCBS[Product.MILAN], microcode=218),
}


@pytest.mark.parametrize("component", LEVELS)
def test_a_level_of_the_certificate_on_both_sides(component: str) -> None:
    tcb = LEVELS[component]
    level = dict(tcb.components())[component]
    authentic = evidence(tcb=tcb)
    assert judged(authentic, tcb_floor(component, level, source=SOURCE)) is Exposed.MITIGATED
    too_low = judge_advisory(
        posture_of(authentic), advisory=advisory(tcb_floor(component, level + 1, source=SOURCE))
    )
    assert too_low.exposed is Exposed.VULNERABLE
    assert too_low.reason == f"{component} {level} ({component} >= {level + 1} is asked)"


def test_a_newer_running_tcb_is_not_what_counts() -> None:
    old = replace(TCBS[Product.MILAN], snp=23)
    authentic = evidence(
        tcb=old, committed_tcb=TCBS[Product.MILAN], current_tcb=TCBS[Product.MILAN]
    )
    assert by_id(authentic)["CVE-2024-56161"].exposed is Exposed.VULNERABLE


@pytest.mark.parametrize(
    ("firmware", "exposed"),
    [
        (Firmware(1, 55, 21), Exposed.VULNERABLE),
        (Firmware(1, 54, 255), Exposed.VULNERABLE),
        (Firmware(1, 55, 22), Exposed.MITIGATED),
        (Firmware(1, 56, 0), Exposed.MITIGATED),
        (Firmware(2, 0, 0), Exposed.MITIGATED),
    ],
)
def test_a_firmware_build_on_both_sides(firmware: Firmware, exposed: Exposed) -> None:
    authentic = evidence(current_firmware=firmware, committed_firmware=Firmware(1, 0, 0))
    criterion = firmware_floor(Firmware(1, 55, 22), source=SOURCE)
    assert judged(authentic, criterion) is exposed
    reason = judge_advisory(posture_of(authentic), advisory=advisory(criterion)).reason
    assert reason == f"firmware {firmware} (firmware >= 1.55.22 is asked)"


def test_a_platform_bit_on_both_sides() -> None:
    criterion = platform_bit(5, source=SOURCE)
    assert judged(evidence(platform_info=0x20), criterion) is Exposed.MITIGATED
    authentic = evidence(platform_info=0x5F)
    assert judged(authentic, criterion) is Exposed.VULNERABLE
    reason = judge_advisory(posture_of(authentic), advisory=advisory(criterion)).reason
    assert reason == (
        "PLATFORM_INFO.ALIAS_CHECK_COMPLETE 0 (PLATFORM_INFO.ALIAS_CHECK_COMPLETE 1 is asked)"
    )


def test_a_policy_bit_on_both_sides() -> None:
    criterion = policy_bit(25, source=SOURCE)
    assert judged(evidence(policy=0x30000 | 1 << 25), criterion) is Exposed.MITIGATED
    authentic = evidence(policy=0x30000 | 1 << 24)
    assert judged(authentic, criterion) is Exposed.VULNERABLE
    reason = judge_advisory(posture_of(authentic), advisory=advisory(criterion)).reason
    assert reason == "POLICY.PAGE_SWAP_DISABLE 0 (POLICY.PAGE_SWAP_DISABLE 1 is asked)"


@pytest.mark.parametrize(
    ("vectors", "exposed"),
    [
        ((0b10, 0b10), Exposed.MITIGATED),
        ((0b11, 0b110), Exposed.MITIGATED),
        ((0b00, 0b10), Exposed.VULNERABLE),  # launched without it
        ((0b10, 0b00), Exposed.VULNERABLE),
        ((0b01, 0b101), Exposed.VULNERABLE),
    ],
)
def test_a_mitigation_bit_at_launch_and_now(vectors: tuple[int, int], exposed: Exposed) -> None:
    assert judged(evidence(mitigations=vectors), mitigation_bit(1, source=SOURCE)) is exposed


@pytest.mark.parametrize("version", [2, 3, 4])
def test_an_old_report_shows_no_mitigation_bit(version: int) -> None:
    verdict = judge_advisory(
        posture_of(evidence(version=version)), advisory=advisory(mitigation_bit(1, source=SOURCE))
    )
    assert verdict.exposed is Exposed.UNDECIDABLE
    assert verdict.reason == (
        f"a report of version {version}, which has no mitigation vectors "
        "(bit 1 of both mitigation vectors is asked)"
    )


def test_one_of_several_measures_is_enough() -> None:
    either = any_of(policy_bit(25, source=SOURCE), platform_bit(4, source="another"))
    assert either.source == "a test; another"
    assert judged(evidence(policy=0x30000 | 1 << 25), either) is Exposed.MITIGATED
    assert judged(evidence(platform_info=0x34), either) is Exposed.MITIGATED
    verdict = judge_advisory(posture_of(evidence()), advisory=advisory(either))
    assert verdict.exposed is Exposed.VULNERABLE
    assert verdict.reason == (
        "POLICY.PAGE_SWAP_DISABLE 0, PLATFORM_INFO.CIPHERTEXT_HIDING_DRAM_EN 0 "
        "(POLICY.PAGE_SWAP_DISABLE 1 or PLATFORM_INFO.CIPHERTEXT_HIDING_DRAM_EN 1 is asked)"
    )
    unshown = any_of(mitigation_bit(1, source=SOURCE), platform_bit(4, source=SOURCE))
    assert judged(evidence(version=3), unshown) is Exposed.UNDECIDABLE
    doubtful = any_of(platform_bit(5, source=SOURCE), policy_bit(25, source="", confirmed=False))
    assert judged(evidence(), doubtful) is Exposed.UNDECIDABLE


def test_every_criterion_has_to_hold() -> None:
    met, unmet = tcb_floor("snp", 24, source=SOURCE), tcb_floor("snp", 25, source=SOURCE)
    unshown = mitigation_bit(1, source=SOURCE)
    old = evidence(version=3)
    assert judged(old, met, met) is Exposed.MITIGATED
    assert judged(old, met, unmet) is Exposed.VULNERABLE
    assert judged(old, met, unshown) is Exposed.UNDECIDABLE
    assert judged(old, unshown, unmet) is Exposed.VULNERABLE


def test_an_unconfirmed_number_decides_nothing() -> None:
    for level in (24, 25):
        criterion = tcb_floor("snp", level, source="a quotation", confirmed=False)
        verdict = judge_advisory(posture_of(evidence()), advisory=advisory(criterion))
        assert verdict.exposed is Exposed.UNDECIDABLE
        assert verdict.reason == f"snp 24 (snp >= {level} is asked, which is unconfirmed)"


def test_an_unconfirmed_number_can_raise_a_doubt_and_settle_none() -> None:
    confirmed = tcb_floor("snp", 24, source=SOURCE)
    quoted = [firmware_floor(Firmware(1, 55, b), source="q", confirmed=False) for b in (49, 50)]
    assert judged(evidence(), confirmed, quoted[0]) is Exposed.MITIGATED
    assert judged(evidence(), confirmed, quoted[1]) is Exposed.UNDECIDABLE
    assert judged(evidence(), quoted[0], quoted[0]) is Exposed.UNDECIDABLE
    missing = tcb_floor("snp", 25, source=SOURCE)
    assert judged(evidence(), missing, quoted[0]) is Exposed.VULNERABLE


def test_an_open_question_is_never_mitigated() -> None:
    met = tcb_floor("snp", 24, source=SOURCE)
    verdict = judge_advisory(
        posture_of(evidence()), advisory=advisory(met, open_question="the host decides")
    )
    assert verdict.exposed is Exposed.UNDECIDABLE
    assert verdict.reason == "snp 24 (snp >= 24 is asked); the host decides"
    unmet = tcb_floor("snp", 25, source=SOURCE)
    assert judged(evidence(), unmet, open_question="the host decides") is Exposed.VULNERABLE
    alone = judge_advisory(posture_of(evidence()), advisory=advisory(open_question="no level"))
    assert (alone.exposed, alone.reason) == (Exposed.UNDECIDABLE, "no level")


def test_another_product_is_not_affected() -> None:
    made = advisory(tcb_floor("snp", 255, source=SOURCE))
    verdict = judge_advisory(posture_of(evidence(Product.GENOA)), advisory=made)
    assert verdict.exposed is Exposed.NOT_AFFECTED
    assert verdict.reason == "Genoa: the vendor names Milan only"


def test_an_exposure_says_something() -> None:
    with pytest.raises(ValueError, match="Milan: neither criteria nor an open question"):
        Exposure(product=Product.MILAN, fixed_in="1")


def test_the_table_is_complete_and_sourced() -> None:
    ids = [entry.id for entry in ADVISORIES]
    assert len(set(ids)) == len(ids) == 18
    for entry in ADVISORIES:
        products = [exposure.product for exposure in entry.exposures]
        assert products
        assert len(set(products)) == len(products)
        # Whoever is left out is left out for a reason.
        assert bool(entry.elsewhere) == (set(products) != set(Product)), entry.id
        assert all((entry.name, entry.bulletin, entry.published, entry.source))
        assert entry.published <= f"{TABLE_DATE:%Y-%m-%d}"
        for exposure in entry.exposures:
            assert all(criterion.source for criterion in exposure.criteria)
            for criterion in exposure.criteria:
                # The one that several agree on.
                agreed = criterion.source == "AMD-SB-3019, quoted in microsoft/CCF issue 6812"
                quoted = "quoted" in criterion.source and not agreed
                assert criterion.confirmed != quoted, entry.id


@pytest.mark.parametrize(
    ("product", "changes", "advisory_id", "exposed"),
    [
        ("Milan", {}, "CVE-2024-56161", Exposed.MITIGATED),
        ("Genoa", {"tcb": replace(TCBS[Product.GENOA], snp=23)}, "CVE-2024-56161", "mitigated"),
        ("Genoa", {"tcb": replace(TCBS[Product.GENOA], snp=22)}, "CVE-2024-56161", "vulnerable"),
        ("Turin", {}, "CVE-2024-56161", "undecidable"),
        ("Turin", {}, "CVE-2025-29943", "undecidable"),
        ("Turin", {}, "CVE-2025-0033", "undecidable"),
        ("Milan", {}, "CVE-2024-21944", "mitigated"),
        ("Milan", {"platform_info": 0x04}, "CVE-2024-21944", "vulnerable"),
        ("Turin", {"platform_info": 0x04}, "CVE-2024-21944", "not affected"),
        ("Milan", {}, "CVE-2023-20592", "undecidable"),
        ("Genoa", {}, "CVE-2023-20592", "not affected"),
        ("Milan", {"mitigations": (2, 2)}, "CVE-2025-0033", "undecidable"),
        ("Milan", {"mitigations": (4, 4)}, "CVE-2023-20585", "undecidable"),
        ("Turin", {}, "CVE-2023-20585", "not affected"),
        ("Milan", {}, "milanlaunchy", "undecidable"),
        ("Genoa", {}, "milanlaunchy", "not affected"),
        ("Turin", {"platform_info": 0x34}, "heracles", "mitigated"),
        ("Turin", {}, "heracles", "vulnerable"),
        ("Turin", {}, "memory-interposers", "undecidable"),
    ],
)
def test_the_table_on_synthetic_evidence(
    product: str, changes: dict[str, Any], advisory_id: str, exposed: str
) -> None:
    authentic = evidence(Product(product), **changes)
    assert authentic.platform is Platform.SIMULATED  # and judged like its product
    assert by_id(authentic)[advisory_id].exposed == exposed


def firmware_and_bits(build: int) -> dict[str, Any]:
    return {
        "current_firmware": Firmware(1, 55, build),
        "committed_firmware": Firmware(1, 55, build),
    }


@pytest.mark.parametrize(
    ("product", "advisory_id", "least"),
    [
        (Product.MILAN, "CVE-2024-21944", 22),
        (Product.GENOA, "CVE-2024-21944", 38),
        (Product.MILAN, "CVE-2023-20585", 35),
        (Product.GENOA, "CVE-2023-20585", 49),
    ],
)
def test_the_builds_of_the_table_on_both_sides(
    product: Product, advisory_id: str, least: int
) -> None:
    below = by_id(evidence(product, **firmware_and_bits(least - 1)))[advisory_id]
    assert below.exposed is Exposed.VULNERABLE
    assert f"firmware 1.55.{least - 1} (firmware >= 1.55.{least} is asked)" in below.reason
    at = by_id(evidence(product, **firmware_and_bits(least)))[advisory_id]
    assert at.exposed is not Exposed.VULNERABLE


ACCEPTED = ("heracles",)


def test_a_vulnerable_platform_fails_and_is_listed() -> None:
    authentic = evidence(platform_info=0x04)
    finding = by_check(authentic, replace(LENIENT, accepted=ACCEPTED))["snp.advisories"]
    assert (finding.status, finding.cls) == (Status.FAIL, FindingClass.POLICY)
    assert finding.expected == "none that is vulnerable, but for heracles"
    assert finding.got == (
        "CVE-2024-21944 (BadRAM): vulnerable: firmware 1.55.49 (firmware >= 1.55.22 is asked); "
        "PLATFORM_INFO.ALIAS_CHECK_COMPLETE 0 (PLATFORM_INFO.ALIAS_CHECK_COMPLETE 1 is asked)"
    )
    assert finding.hint
    accepted = replace(LENIENT, accepted=(*ACCEPTED, "CVE-2024-21944"))
    finding = by_check(authentic, accepted)["snp.advisories"]
    assert finding.status is Status.PASS
    assert finding.got == "1 not affected, 1 mitigated, 2 vulnerable, 14 undecidable"


def test_what_nobody_accepts_is_refused() -> None:
    finding = by_check(evidence(), LENIENT)["snp.advisories"]
    assert finding.status is Status.FAIL
    assert finding.expected == "none that is vulnerable"
    assert finding.got.startswith("heracles (Heracles): vulnerable: ")


def test_a_policy_may_refuse_what_cannot_be_decided() -> None:
    strict = AdvisoryPolicy(accepted=ACCEPTED, undecidable=False, maximum_age_days=90)
    finding = by_check(evidence(), strict)["snp.advisories"]
    assert finding.status is Status.FAIL
    assert finding.expected == "none that is vulnerable or undecidable, but for heracles"
    assert "one-glitch (One Glitch): undecidable: no field shows whether" in finding.got
    assert "CVE-2024-56161" not in finding.got
    every = replace(strict, accepted=tuple(entry.id for entry in ADVISORIES))
    assert by_check(evidence(), every)["snp.advisories"].status is Status.PASS


@pytest.mark.parametrize(
    ("days", "status", "got"),
    [
        (0, Status.PASS, "0 days, of 2026-11-21"),
        (90, Status.PASS, "90 days, of 2026-11-21"),
        (91, Status.FAIL, "91 days, of 2026-11-21"),
        (-1, Status.PASS, "of 2026-11-21, so advisories published after the instant are included"),
    ],
)
def test_the_age_of_the_table(days: int, status: Status, got: str) -> None:
    assert datetime(2026, 11, 21, tzinfo=UTC) == TABLE_DATE
    findings = appraise_advisories(
        posture_of(evidence()), policy=LENIENT, now=TABLE_DATE + timedelta(days=days)
    )
    (finding,) = [f for f in findings if f.check == "snp.advisories.age"]
    assert (finding.status, finding.expected, finding.got) == (status, "at most 90 days", got)
    assert finding.cls is FindingClass.POLICY


@pytest.mark.parametrize("product", Product)
def test_the_reader_is_told_everything_once(product: Product) -> None:
    findings = appraise_advisories(posture_of(evidence(product)), policy=LENIENT, now=NOW)
    decisive, told = findings[:2], findings[2:]
    assert tuple(finding.check for finding in decisive) == ADVISORY_CHECKS
    assert all(finding.status is Status.INFO for finding in told)
    assert all(CHECKS[finding.check].informative for finding in told)
    advisories = [finding for finding in told if finding.check == "snp.advisory"]
    assert [f.expected.split(" ")[0] for f in advisories] == [entry.id for entry in ADVISORIES]
    shown = {finding.expected for finding in advisories}
    if product is Product.MILAN:
        assert (
            "CVE-2024-21944 (BadRAM), AMD-SB-3015; source: AMD's record of CVE-2024-21944, "
            "SNP firmware ABI, PLATFORM_INFO"
        ) in shown
    assert "CVE-2023-20592 (CacheWarp), AMD-SB-3005; source: AMD's CVE record" in shown
    warnings = [f.got for f in told if f.check == "snp.product.warning"]
    assert warnings == ([PRODUCT_WARNINGS[product]] if product is Product.MILAN else [])
    assert [f.got for f in told if f.check == "snp.physical"] == [PHYSICAL]
    assert len(told) == len(advisories) + len(warnings) + 1
