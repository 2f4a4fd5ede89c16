"""Every state of revocation: fresh, stale, not yet valid, absent, foreign, malformed, revoked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.synthetic_amd import NOW, synthetic_amd
from verifier.appraisal.findings import Finding, FindingClass, Rejected, Status
from verifier.appraisal.snp_crl_checks import (
    CRL_CHECKS,
    CRL_DEMANDS,
    authenticate_crl,
    check_revocation,
)
from verifier.evidence.crl import parse_crl
from verifier.evidence.tcb import Product
from verifier.evidence.vek_certificate import VekKind
from verifier.roots.amd import AMD_ROOTS
from verifier.roots.amd_name import amd_name
from verifier.roots.snp_root import SnpRoot

MILAN = synthetic_amd()
OTHER = synthetic_amd(swapped=True)
FORMAT, SIGNATURE, FRESHNESS, REVOCATION = CRL_CHECKS
PASS, FAIL, SKIP, ERROR, INFO = Status


def judged(
    raw: bytes | None,
    *,
    root: SnpRoot = MILAN.root,
    now: datetime = NOW,
    demand: str = "fresh",
    not_checked: str = "",
) -> Mapping[str, Finding]:
    findings = check_revocation(raw, root=root, now=now, demand=demand, not_checked=not_checked)
    made = CRL_CHECKS if demand else CRL_CHECKS[-1:]
    assert sorted(f.check for f in findings) == sorted(made)
    return {finding.check: finding for finding in findings}


def statuses(findings: Mapping[str, Finding]) -> tuple[Status, ...]:
    return tuple(findings[check].status for check in CRL_CHECKS)


@pytest.mark.parametrize("demand", CRL_DEMANDS)
@pytest.mark.parametrize("kind", list(VekKind))
def test_a_fresh_and_empty_list(kind: VekKind, demand: str) -> None:
    amd = synthetic_amd(Product.MILAN, kind)
    findings = judged(amd.crl(), root=amd.root, demand=demand)
    assert statuses(findings) == (PASS, PASS, PASS, PASS)
    assert findings[FORMAT].got.startswith("CRL number 7, 0 revoked, ")
    assert findings[SIGNATURE].got == "it verifies"
    assert findings[FRESHNESS].got == (
        "fresh: 30 days old at 2026-11-21T12:00:00Z, renewal due in 335 days"
    )
    name = "SEV-Milan" if kind is VekKind.VCEK else "SEV-VLEK-Milan"
    assert findings[REVOCATION].got == (
        f"CRL number 7 lists neither {name} (serial 0x51001) nor ARK-Milan (serial 0x51000); "
        "VEKs have serial 0, no CRL lists one"
    )


def test_the_bounds_are_inclusive() -> None:
    for start, end in ((NOW, NOW), (NOW - timedelta(days=1), NOW), (NOW, NOW + timedelta(days=1))):
        raw = MILAN.crl(this_update=start, next_update=end)
        assert judged(raw)[FRESHNESS].status is PASS


def stale() -> bytes:
    return MILAN.crl(
        this_update=NOW - timedelta(days=400), next_update=NOW - timedelta(days=35, hours=2)
    )


def test_a_stale_list_where_a_fresh_one_is_demanded() -> None:
    findings = judged(stale())
    assert statuses(findings) == (PASS, PASS, FAIL, PASS)
    found = findings[FRESHNESS]
    assert found.cls is FindingClass.POLICY
    assert found.expected == "2025-10-17T12:00:00Z to 2026-10-17T10:00:00Z"
    assert found.got == ("stale: 400 days old at 2026-11-21T12:00:00Z, renewal due 35 days before")
    assert found.hint == "the vendor's key distribution service gives out the current one"


def test_a_stale_list_that_the_policy_accepts_is_named_and_judged() -> None:
    findings = judged(stale(), demand="stale_accepted")
    assert statuses(findings) == (PASS, PASS, INFO, PASS)
    assert findings[FRESHNESS].got.startswith("stale: 400 days old")
    assert findings[FRESHNESS].hint == ""
    revoked = MILAN.crl(
        this_update=NOW - timedelta(days=400),
        next_update=NOW - timedelta(days=35),
        revoked=((MILAN.root.signer.serial, NOW - timedelta(days=500)),),
    )
    assert statuses(judged(revoked, demand="stale_accepted")) == (PASS, PASS, INFO, FAIL)


@pytest.mark.parametrize("demand", CRL_DEMANDS)
def test_a_list_from_the_future(demand: str) -> None:
    start = NOW + timedelta(hours=3, minutes=5)
    findings = judged(MILAN.crl(this_update=start), demand=demand)
    assert statuses(findings) == (PASS, PASS, FAIL, PASS)
    assert findings[FRESHNESS].cls is FindingClass.POLICY
    assert findings[FRESHNESS].got == (
        "not yet valid at 2026-11-21T12:00:00Z: issued 3 h 5 min later"
    )


@pytest.mark.parametrize("demand", CRL_DEMANDS)
def test_no_list_leaves_revocation_unknown(demand: str) -> None:
    findings = judged(None, demand=demand)
    assert statuses(findings) == (SKIP, SKIP, SKIP, ERROR)
    found = findings[REVOCATION]
    assert found.cls is FindingClass.INFRASTRUCTURE
    assert (found.expected, found.got) == (
        "a CRL that does not list the chain",
        "revocation unknown: there is no CRL",
    )
    assert {findings[check].got for check in CRL_CHECKS[:-1]} == {"not checked: there is no CRL"}


@pytest.mark.parametrize("raw", [None, b"garbage"])
def test_what_the_policy_does_not_ask_for_is_skipped_with_its_reason(raw: bytes | None) -> None:
    findings = judged(raw, demand="", not_checked="no CRL of this vendor")
    assert list(findings) == [REVOCATION]
    assert findings[REVOCATION].status is SKIP
    assert {each.got for each in findings.values()} == {"not checked: no CRL of this vendor"}


@pytest.mark.parametrize("ca", ["signer", "ark"])
@pytest.mark.parametrize("since", [NOW - timedelta(days=100), NOW + timedelta(days=1)])
def test_a_revoked_ca_fails_whenever_it_was_revoked(ca: str, since: datetime) -> None:
    facts = getattr(MILAN.root, ca)
    raw = MILAN.crl(revoked=((1, NOW), (facts.serial, since)))
    findings = judged(raw)
    assert statuses(findings) == (PASS, PASS, PASS, FAIL)
    found = findings[REVOCATION]
    assert found.cls is FindingClass.SECURITY
    assert found.expected == "no certificate of the chain in the CRL"
    assert found.got == (
        f"{facts.common_name} (serial {facts.serial:#x}) is revoked since "
        f"{since:%Y-%m-%dT%H:%M:%SZ}"
    )


def test_other_serial_numbers_do_not_matter() -> None:
    serial = MILAN.root.signer.serial
    raw = MILAN.crl(revoked=((0, NOW), (serial - 2, NOW), (serial + 1, NOW)))
    assert statuses(judged(raw)) == (PASS,) * 4


def test_a_list_by_another_key_under_the_right_name() -> None:
    findings = judged(OTHER.crl())
    assert statuses(findings) == (PASS, FAIL, SKIP, SKIP)
    found = findings[SIGNATURE]
    assert found.cls is FindingClass.SECURITY
    assert (found.expected, found.got) == ("an RSASSA-PSS signature by ARK-Milan", "not one")
    assert findings[REVOCATION].got == "not checked: the CRL is not the vendor's"


@pytest.mark.parametrize("name", ["ARK-Genoa", "SEV-Milan"])
def test_a_list_by_the_right_key_under_another_name(name: str) -> None:
    findings = judged(MILAN.crl(issuer=amd_name(name)))
    assert statuses(findings) == (PASS, FAIL, SKIP, SKIP)
    assert findings[SIGNATURE].got.startswith(f"issued by '{name}', Name 307b")


def test_an_issuer_without_a_name() -> None:
    findings = judged(MILAN.crl(issuer=b"\x30\x00"))
    assert statuses(findings) == (PASS, FAIL, SKIP, SKIP)
    assert findings[SIGNATURE].got == "issued by 3000, Name 3000"


def test_a_list_that_the_signing_ca_signed_itself() -> None:
    raw = MILAN.crl(key=MILAN.vendor.signer.key)
    assert statuses(judged(raw)) == (PASS, FAIL, SKIP, SKIP)


def test_a_malformed_list_is_the_claimants_failure() -> None:
    findings = judged(b"\x30\x00")
    assert statuses(findings) == (FAIL, SKIP, SKIP, SKIP)
    assert findings[FORMAT].cls is FindingClass.INPUT
    assert findings[FORMAT].expected == "DER of this shape"
    assert findings[REVOCATION].got == "not checked: the CRL is malformed"


def test_the_door_gives_the_finding() -> None:
    crl = parse_crl(MILAN.crl())
    authentic = authenticate_crl(crl, root=MILAN.root)
    assert (authentic.crl, authentic.root) == (crl, MILAN.root)
    assert [(f.check, f.status) for f in authentic.findings] == [(SIGNATURE, PASS)]
    with pytest.raises(Rejected) as caught:
        authenticate_crl(crl, root=OTHER.root)
    assert caught.value.what == "CRL: snp.crl.signature"
    assert caught.value.got == "not one"


@pytest.mark.parametrize(
    ("demand", "not_checked"),
    [("", ""), ("fresh", "why"), ("whatever", ""), ("Fresh", "")],
)
def test_a_caller_must_say_what_is_demanded(demand: str, not_checked: str) -> None:
    with pytest.raises(ValueError, match="or a reason"):
        judged(MILAN.crl(), demand=demand, not_checked=not_checked)


def test_a_caller_must_say_the_time_zone() -> None:
    with pytest.raises(ValueError, match="now has no time zone"):
        judged(MILAN.crl(), now=NOW.replace(tzinfo=None))


GENUINE = {
    "genoa": (Product.GENOA, datetime(2025, 1, 1, tzinfo=UTC)),
    "milan": (Product.MILAN, datetime(2026, 1, 1, tzinfo=UTC)),
}


@pytest.mark.parametrize("name", GENUINE)
@pytest.mark.parametrize("kind", list(VekKind))
def test_genuine_lists_clear_the_pinned_keys_and_are_stale_today(
    vectors: Path, name: str, kind: VekKind
) -> None:
    raw = (vectors / "snp" / "crl" / f"{name}.crl").read_bytes()
    product, then = GENUINE[name]
    root = next(r for r in AMD_ROOTS if (r.product, r.kind) == (product, kind))
    assert statuses(judged(raw, root=root, now=then)) == (PASS,) * 4
    assert statuses(judged(raw, root=root)) == (PASS, PASS, FAIL, PASS)
    accepted = judged(raw, root=root, demand="stale_accepted")
    assert statuses(accepted) == (PASS, PASS, INFO, PASS)
    wrong = next(r for r in AMD_ROOTS if r.product is Product.TURIN)
    assert judged(raw, root=wrong)[SIGNATURE].got.startswith(f"issued by 'ARK-{product}'")


def test_the_genuine_list_revokes_the_first_genoa_ask(vectors: Path) -> None:
    """Whoever still pinned serial 0x020001 would see it fail; 0x020002 took its place."""
    raw = (vectors / "snp" / "crl" / "genoa.crl").read_bytes()
    root = next(r for r in AMD_ROOTS if (r.product, r.kind) == (Product.GENOA, VekKind.VCEK))
    first = replace(root, signer=replace(root.signer, serial=0x020001))
    found = judged(raw, root=first, now=GENUINE["genoa"][1])[REVOCATION]
    assert found.status is FAIL
    assert found.got == "SEV-Genoa (serial 0x20001) is revoked since 2022-10-31T12:00:00Z"
