from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.platform.der_writer import name
from pipeline.platform.simulated_certificate import vek_extensions
from pipeline.platform.simulated_vendor import issue_vek, simulated_names
from tests.synthetic_amd import (
    NOW,
    START,
    SyntheticAmd,
    chip_key,
    synthetic_amd,
    with_content,
)
from verifier.appraisal.authenticate_snp import VEK_CHECKS, AuthenticVek, authenticate_vek
from verifier.appraisal.findings import Finding, Rejected, Status
from verifier.evidence.tcb import Product
from verifier.evidence.vek_certificate import VekKind, parse_vek_certificate
from verifier.roots.amd import AMD_ROOTS
from verifier.roots.amd_name import amd_name
from verifier.roots.snp_root import Platform, SnpRoot

MILAN = synthetic_amd()
FORGED = synthetic_amd(swapped=True)
VLEK = synthetic_amd(Product.MILAN, VekKind.VLEK)
TRUSTED = (*AMD_ROOTS[2:], MILAN.root)


def enter(
    der: bytes,
    *,
    roots: tuple[SnpRoot, ...] = TRUSTED,
    offered_ca: tuple[bytes, ...] = (),
    now: datetime = NOW,
) -> AuthenticVek:
    certificate = parse_vek_certificate(der)
    return authenticate_vek(certificate, roots=roots, offered_ca=offered_ca, now=now)


def refused(der: bytes, **arguments: object) -> Mapping[str, Finding]:
    """The findings of a door that stays shut, by check."""
    with pytest.raises(Rejected) as caught:
        enter(der, **arguments)  # type: ignore[arg-type] # passed on as they are
    findings = caught.value.findings
    assert tuple(f.check for f in findings) == VEK_CHECKS
    first = next(f for f in findings if f.status is Status.FAIL)
    assert (caught.value.expected, caught.value.got) == (first.expected, first.got)
    assert caught.value.what == f"VEK certificate: {first.check}"
    return {finding.check: finding for finding in findings}


def failures(findings: Mapping[str, Finding]) -> set[str]:
    return {check for check, finding in findings.items() if finding.status is Status.FAIL}


@pytest.mark.parametrize("product", list(Product))
@pytest.mark.parametrize("kind", list(VekKind))
def test_a_vek_under_a_trusted_root_is_authentic(product: Product, kind: VekKind) -> None:
    amd = synthetic_amd(product, kind)
    der = amd.vek()
    vek = enter(der, roots=(amd.root,))
    assert vek.certificate.raw == der
    assert (vek.root, vek.now) == (amd.root, NOW)
    assert tuple(finding.check for finding in vek.findings) == VEK_CHECKS
    assert {finding.status for finding in vek.findings} == {Status.PASS}


def test_a_chain_with_amds_names_and_other_keys_is_refused() -> None:
    """The forgery that some verifiers accept: ARK, ASK and VCEK all come with the evidence."""
    vendor = MILAN.vendor
    offered = (vendor.signer.certificate, vendor.ark.certificate)
    findings = refused(MILAN.vek(), roots=AMD_ROOTS, offered_ca=offered)
    assert failures(findings) == {"snp.chain.root", "snp.vek.signature"}
    root = findings["snp.chain.root"]
    assert f"ARK-Milan with SHA-256 {AMD_ROOTS[0].ark.sha256.hex()}" in root.expected
    assert f"SEV-Milan with SHA-256 {AMD_ROOTS[0].signer.sha256.hex()}" in root.expected
    assert root.got.endswith(hashlib.sha256(vendor.signer.certificate).hexdigest())
    signature = findings["snp.vek.signature"]
    assert signature.expected == "an RSASSA-PSS signature by SEV-Milan"
    assert signature.got == "not one"


def test_a_forged_vek_alone_is_refused() -> None:
    findings = refused(MILAN.vek(), roots=AMD_ROOTS)
    assert failures(findings) == {"snp.vek.signature"}
    assert findings["snp.chain.root"].got == "none offered"


def test_offered_certificates_are_only_compared() -> None:
    vendor = MILAN.vendor
    good = (vendor.signer.certificate, vendor.ark.certificate)
    vek = enter(MILAN.vek(), offered_ca=good)
    assert vek.findings[0].got == "2 offered, all pinned"
    other = FORGED.vendor.ark.certificate
    findings = refused(MILAN.vek(), offered_ca=(*good, other))
    assert failures(findings) == {"snp.chain.root"}
    assert findings["snp.chain.root"].got.endswith(hashlib.sha256(other).hexdigest())


def test_a_pinned_certificate_of_another_root_is_not_this_chain() -> None:
    vendor = synthetic_amd(Product.GENOA).vendor
    findings = refused(MILAN.vek(), offered_ca=(vendor.ark.certificate,))
    assert failures(findings) == {"snp.chain.root"}


def test_any_byte_of_a_certificate_counts() -> None:
    der = bytearray(MILAN.vek())
    der[-1] ^= 1  # the signature itself
    assert failures(refused(bytes(der))) == {"snp.vek.signature"}
    changed = MILAN.vek(edit=with_content(b"\x02\x01\x05", 3, 1))
    for old, new in ((b"Milan-B0", b"Milan-B1"), (b"\x17\x0d26", b"\x17\x0d25")):
        assert changed.count(old) == 1
        assert "snp.vek.signature" in failures(refused(changed.replace(old, new)))


def test_an_unknown_issuer_is_named_and_the_rest_is_skipped() -> None:
    names = simulated_names(Product.MILAN, VekKind.VCEK)
    vendor = replace(MILAN.vendor, signer=replace(MILAN.vendor.signer, name=names.signer))
    der = SyntheticAmd(vendor, MILAN.root).vek()
    findings = refused(der, roots=AMD_ROOTS, offered_ca=(b"something",))
    assert failures(findings) == {"snp.chain.root", "snp.vek.issuer"}
    issuer = findings["snp.vek.issuer"]
    assert "SEV-Milan or SEV-VLEK-Milan or SEV-Genoa" in issuer.expected
    assert "'SEV-Milan-SIMULATED'" in issuer.got
    skipped = {check for check, f in findings.items() if f.status is Status.SKIP}
    assert skipped == {"snp.chain.validity", "snp.vek.signature", "snp.vek.validity"}
    for check in skipped:
        assert findings[check].got == "not checked: the issuer is unknown"


def test_without_roots_nothing_is_authentic() -> None:
    findings = refused(MILAN.vek(), roots=(), offered_ca=(b"x",))
    assert failures(findings) == {"snp.chain.root", "snp.vek.issuer"}
    assert findings["snp.chain.root"].expected == "no root is given"
    assert "no root is given" in findings["snp.vek.issuer"].expected


def test_an_issuer_is_compared_by_its_exact_bytes() -> None:
    # The same text as a PrintableString is another Name.
    printable = amd_name("SEV-Milan").replace(b"\x0c\x09SEV", b"\x13\x09SEV")
    vendor = replace(MILAN.vendor, signer=replace(MILAN.vendor.signer, name=printable))
    findings = refused(SyntheticAmd(vendor, MILAN.root).vek())
    assert failures(findings) == {"snp.vek.issuer"}
    assert printable.hex()[:80] in findings["snp.vek.issuer"].got


def test_a_vcek_comes_from_the_ask() -> None:
    # An ASVK that signs something which calls itself a VCEK.
    asvk = replace(VLEK.vendor, kind=VekKind.VCEK, vek_name=amd_name("SEV-VCEK"))
    findings = refused(SyntheticAmd(asvk, VLEK.root).vek(), roots=(VLEK.root,))
    assert failures(findings) == {"snp.vek.issuer"}
    assert findings["snp.vek.issuer"].expected == "a VLEK, as SEV-VLEK-Milan issues them"
    assert findings["snp.vek.issuer"].got.startswith("a VCEK with another subject from SEV-VLEK")


def test_the_subject_is_the_vendors() -> None:
    vendor = replace(MILAN.vendor, vek_name=name("Somebody", "SEV-VCEK"))
    findings = refused(SyntheticAmd(vendor, MILAN.root).vek())
    assert failures(findings) == {"snp.vek.issuer"}
    assert findings["snp.vek.issuer"].got == "a VCEK with another subject from SEV-Milan"


END = START + timedelta(days=7 * 365)


@pytest.mark.parametrize("now", [START, END])
def test_the_bounds_of_validity_are_inclusive(now: datetime) -> None:
    assert enter(MILAN.vek(), now=now).now == now


@pytest.mark.parametrize("now", [START + timedelta(days=364), END + timedelta(seconds=1)])
def test_a_vek_is_valid_at_the_instant(now: datetime) -> None:
    der = MILAN.vek(start=START + timedelta(days=365)) if now < END else MILAN.vek()
    findings = refused(der, now=now)
    assert failures(findings) == {"snp.vek.validity"}
    validity = findings["snp.vek.validity"]
    assert validity.got == f"{now:%Y-%m-%dT%H:%M:%SZ}"
    assert " to " in validity.expected


@pytest.mark.parametrize(
    "now", [START - timedelta(seconds=1), START + timedelta(days=25 * 365, seconds=1)]
)
def test_the_chain_is_valid_at_the_instant(now: datetime) -> None:
    der = MILAN.vek(start=now - timedelta(days=1))
    findings = refused(der, now=now)
    assert failures(findings) == {"snp.chain.validity"}
    assert findings["snp.chain.validity"].expected.startswith(f"{START:%Y-%m-%dT%H:%M:%SZ} to ")


def test_both_ca_certificates_have_to_be_valid() -> None:
    late = replace(MILAN.root.signer, not_before=NOW + timedelta(seconds=1))
    root = replace(MILAN.root, signer=late)
    assert failures(refused(MILAN.vek(), roots=(root,))) == {"snp.chain.validity"}
    ended = replace(MILAN.root.ark, not_after=NOW - timedelta(seconds=1))
    root = replace(MILAN.root, ark=ended)
    assert failures(refused(MILAN.vek(), roots=(root,))) == {"snp.chain.validity"}


def test_an_instant_has_a_time_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        enter(MILAN.vek(), now=NOW.replace(tzinfo=None))


def test_every_failure_is_given() -> None:
    certificate = MILAN.vek(start=datetime(2040, 1, 1, tzinfo=UTC))
    findings = refused(certificate, roots=AMD_ROOTS, offered_ca=(b"x",))
    assert failures(findings) == {"snp.chain.root", "snp.vek.signature", "snp.vek.validity"}


def test_a_simulated_vek_stays_simulated() -> None:
    names = simulated_names(Product.MILAN, VekKind.VCEK)
    signer = replace(MILAN.vendor.signer, name=names.signer)
    vendor = replace(MILAN.vendor, signer=signer, vek_name=names.vek)
    facts = replace(MILAN.root.signer, subject=names.signer, common_name="SEV-Milan-SIMULATED")
    root = replace(MILAN.root, signer=facts, vek_subject=names.vek)
    extensions = vek_extensions(
        VekKind.VCEK, Product.MILAN, product_name="Milan", tcb=MILAN.tcb, identity=MILAN.hw_id
    )
    der = issue_vek(vendor, public_key=chip_key().public_key(), extensions=extensions, start=START)
    vek = enter(der, roots=(*AMD_ROOTS, root))
    assert vek.root.platform is Platform.SIMULATED
    assert vek.findings[2].got == "a VCEK from SEV-Milan-SIMULATED"
