from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key

from pipeline.platform.simulated_report import encode_signed_part, sign_report
from tests.synthetic_amd import NOW, SyntheticAmd, synthetic_amd
from verifier.appraisal.authenticate_snp import (
    REPORT_CHECKS,
    AuthenticReport,
    authenticate_report,
    authenticate_vek,
)
from verifier.appraisal.findings import Finding, FindingClass, Rejected, Status
from verifier.appraisal.snp_report_checks import NO_ALLOWANCES
from verifier.evidence.snp_report import parse_report
from verifier.evidence.tcb import Firmware, Product, Tcb
from verifier.evidence.vek_certificate import VekKind, parse_vek_certificate

MILAN = synthetic_amd()
GENOA = synthetic_amd(Product.GENOA)
TURIN = synthetic_amd(Product.TURIN)
VLEK = synthetic_amd(Product.MILAN, VekKind.VLEK)
# SEC 2 section 2.5.1, as the hexadecimal words that it prints.
ORDER = int(
    "FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFF FFFFFFFF"
    "C7634D81 F4372DDF 581A0DB2 48B0A77A ECEC196A CCC52973".replace(" ", ""),
    16,
)
FIRMWARE = "snp.firmware.order"
SIGNATURE = "snp.report.signature"
KEY = "snp.report.signing_key"
TAIL = "snp.report.unsigned_tail"
BITS = "snp.report.unknown_bits"
TCB = "snp.tcb.reported_equals_certificate"
TCB_ORDER = "snp.tcb.order"
CHIP = "snp.chip_id.equals_certificate"
PRODUCT = "snp.product.agreement"


def enter(report: bytes, amd: SyntheticAmd = MILAN, vek: bytes | None = None) -> AuthenticReport:
    certificate = parse_vek_certificate(amd.vek() if vek is None else vek)
    authentic = authenticate_vek(certificate, roots=(amd.root,), offered_ca=(), now=NOW)
    return authenticate_report(parse_report(report), vek=authentic, allowances=NO_ALLOWANCES)


def refused(
    report: bytes, amd: SyntheticAmd = MILAN, vek: bytes | None = None
) -> Mapping[str, Finding]:
    """The failed findings of a door that stays shut, by check; the others passed."""
    with pytest.raises(Rejected) as caught:
        enter(report, amd, vek)
    findings = caught.value.findings
    assert tuple(f.check for f in findings) == REPORT_CHECKS
    assert {f.status for f in findings} <= {Status.PASS, Status.FAIL, Status.INFO}
    assert caught.value.what.startswith("SNP report: ")
    return {f.check: f for f in findings if f.status is Status.FAIL}


@pytest.mark.parametrize("product", list(Product))
@pytest.mark.parametrize("kind", list(VekKind))
@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_a_report_of_an_authentic_vek_is_authentic(
    product: Product, kind: VekKind, version: int
) -> None:
    amd = synthetic_amd(product, kind)
    authentic = enter(amd.report(version=version), amd)
    assert tuple(f.check for f in authentic.findings) == REPORT_CHECKS
    odd = {f.check: f.status for f in authentic.findings if f.status is not Status.PASS}
    # A VLEK names no chip, so there is nothing to compare, and no pass.
    chip = {"snp.chip_id.equals_certificate": Status.INFO}
    assert odd == (chip if kind is VekKind.VLEK else {})
    assert (authentic.product, authentic.platform) == (product, "simulated")
    assert authentic.reported_tcb == authentic.launch_tcb == amd.tcb
    assert authentic.report.measurement == b"\x11" * 48
    assert authentic.vek.certificate.kind is kind


def test_another_key_did_not_sign_the_report() -> None:
    other = generate_private_key(SECP384R1())
    failed = refused(MILAN.report(), vek=MILAN.vek(key=other))
    assert set(failed) == {SIGNATURE}
    assert failed[SIGNATURE].expected == "an ECDSA P-384 signature by the VCEK"
    assert failed[SIGNATURE].got == "not one"


@pytest.mark.parametrize("offset", [0x04, 0x10, 0x50, 0x90, 0xC0, 0x140, 0x1F8])
def test_a_changed_report_is_refused(offset: int) -> None:
    report = bytearray(MILAN.report())
    report[offset] ^= 1
    assert SIGNATURE in refused(bytes(report))


def with_signature(r: int, s: int) -> bytes:
    return MILAN.report()[:0x2A0] + r.to_bytes(72, "little") + s.to_bytes(72, "little") + bytes(368)


@pytest.mark.parametrize(
    ("r", "s"), [(0, 0), (0, 1), (1, 0), (ORDER, 1), (1, ORDER), (2**384 - 1, 1)]
)
def test_r_and_s_are_in_range(r: int, s: int) -> None:
    failed = refused(with_signature(r, s))
    assert set(failed) == {SIGNATURE}
    assert "out of range" in failed[SIGNATURE].got


@pytest.mark.parametrize(("r", "s"), [(1, 1), (ORDER - 1, ORDER - 1)])
def test_the_bounds_of_r_and_s_are_only_wrong(r: int, s: int) -> None:
    failed = refused(with_signature(r, s))
    assert failed[SIGNATURE].got == "not one"


def test_the_malleable_twin_of_a_signature_verifies() -> None:
    """(r, n - s) is a signature of the same bytes: ECDSA allows it, and it changes no statement.

    So a report must never be identified by a digest of its 1184 bytes; the signed 672 are what
    is one and the same.
    """
    report = parse_report(MILAN.report())
    twin = report.raw[:0x2E8] + (ORDER - report.signature_s).to_bytes(72, "little") + bytes(368)
    assert twin != report.raw
    assert enter(twin).report.signed_bytes == report.signed_bytes


@pytest.mark.parametrize("offset", [0x330, 0x400, 0x49F])
def test_nothing_rides_in_the_unsigned_tail(offset: int) -> None:
    report = bytearray(MILAN.report())
    report[offset] = 1
    failed = refused(bytes(report))
    assert set(failed) == {TAIL}
    assert failed[TAIL].cls is FindingClass.INPUT
    assert (failed[TAIL].expected, failed[TAIL].got) == ("all zero", "1 bytes are not zero")


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"policy": 0x30000 | 1 << 26}, "POLICY bit 26"),
        ({"platform_info": 1 << 8}, "PLATFORM_INFO bit 8"),
        ({"key_info": 1 << 5}, "KEY_INFO bit 5"),
        (
            {"policy": 0x30000 | 1 << 63, "platform_info": 1 << 9},
            "POLICY bit 63, PLATFORM_INFO bit 9",
        ),
    ],
)
def test_an_unknown_bit_is_named(changes: dict[str, Any], got: str) -> None:
    failed = refused(MILAN.report(**changes))
    assert set(failed) == {BITS}
    assert (failed[BITS].expected, failed[BITS].got) == ("none", got)


@pytest.mark.parametrize(
    ("key_info", "got"),
    [
        (1 << 2, "VLEK"),
        (2 << 2, "reserved value 2"),
        (6 << 2, "reserved value 6"),
        (7 << 2, "NONE"),
        (0b10, "VCEK, MASK_CHIP_KEY is set"),
        (0b11110, "NONE, MASK_CHIP_KEY is set"),
    ],
)
def test_the_signing_key_is_the_one_that_was_certified(key_info: int, got: str) -> None:
    failed = refused(MILAN.report(key_info=key_info))
    assert set(failed) == {KEY}
    assert failed[KEY].expected == "VCEK"
    assert failed[KEY].got.startswith(got)


def test_a_vlek_signs_as_a_vlek() -> None:
    failed = refused(VLEK.report(key_info=0), VLEK)
    assert (failed[KEY].expected, failed[KEY].got) == ("VLEK", "VCEK")


def test_a_masked_report_has_no_signature() -> None:
    report = MILAN.report(key_info=0b10)[:0x2A0] + bytes(0x200)
    failed = refused(report)
    assert set(failed) == {KEY, SIGNATURE}
    assert "the firmware writes no signature" in failed[KEY].got


COMPONENTS = ("bootloader", "tee", "snp", "microcode")


@pytest.mark.parametrize(
    ("amd", "component"),
    [(amd, c) for amd in (MILAN, GENOA, VLEK) for c in COMPONENTS]
    + [(TURIN, c) for c in ("fmc", *COMPONENTS)],
)
@pytest.mark.parametrize("difference", [-1, 1])
def test_the_certificate_is_the_authority_on_every_component(
    amd: SyntheticAmd, component: str, difference: int
) -> None:
    tcb = replace(amd.tcb, **{component: abs(getattr(amd.tcb, component) + difference)})
    failed = refused(amd.report(tcb=tcb), amd)
    assert set(failed) == {TCB}
    assert (failed[TCB].expected, failed[TCB].got) == (str(amd.tcb), str(tcb))
    assert set(refused(amd.report(), amd, amd.vek(tcb=tcb))) == {TCB}


@pytest.mark.parametrize("field", [0x38, 0x180, 0x1E0, 0x1F0])
@pytest.mark.parametrize(("amd", "byte"), [(MILAN, 2), (GENOA, 5), (TURIN, 4), (TURIN, 6)])
def test_reserved_bytes_of_a_tcb_are_zero(amd: SyntheticAmd, byte: int, field: int) -> None:
    failed = refused(amd.patched(field + byte, b"\x07"), amd)
    assert set(failed) == {TCB, TCB_ORDER}
    for check in (TCB, TCB_ORDER):
        assert failed[check].cls is FindingClass.INPUT
        assert f"reserved byte {byte}" in failed[check].expected
        assert failed[check].got == "7"


@pytest.mark.parametrize("component", COMPONENTS)
def test_tcbs_are_in_order(component: str) -> None:
    high = replace(MILAN.tcb, **{component: getattr(MILAN.tcb, component) + 2})
    between = replace(MILAN.tcb, **{component: getattr(MILAN.tcb, component) + 1})
    in_order = MILAN.report(committed_tcb=between, current_tcb=high)
    assert enter(in_order).tcbs.current == high
    for committed, current in ((high, between), (between, MILAN.tcb)):
        failed = refused(MILAN.report(committed_tcb=committed, current_tcb=current))
        assert set(failed) == {TCB_ORDER}
        assert failed[TCB_ORDER].expected == "reported <= committed <= current"
        assert f"committed {committed}, current {current}" in failed[TCB_ORDER].got


def test_one_component_does_not_make_up_for_another() -> None:
    # As one integer the second is larger, because microcode is the most significant byte.
    failed = refused(MILAN.report(committed_tcb=Tcb(None, 3, 0, 24, 255)))
    assert TCB_ORDER in failed


def test_the_firmware_is_in_order() -> None:
    older, newer = Firmware(1, 55, 31), Firmware(1, 56, 2)
    authentic = enter(MILAN.report(committed_firmware=older, current_firmware=newer))
    assert authentic.report.current_firmware == newer
    failed = refused(MILAN.report(committed_firmware=newer, current_firmware=older))
    assert set(failed) == {FIRMWARE}
    assert failed[FIRMWARE].got == "committed 1.56.2, current 1.55.31"


def test_the_launch_tcb_is_not_ordered() -> None:
    # A guest that was migrated or resumed carries the TCB of its first launch.
    assert enter(MILAN.report(launch_tcb=Tcb(None, 1, 0, 1, 1))).launch_tcb == Tcb(None, 1, 0, 1, 1)


@pytest.mark.parametrize("amd", [MILAN, TURIN], ids=["Milan", "Turin"])
@pytest.mark.parametrize("position", [0, 7])
def test_the_chip_is_the_one_of_the_certificate(amd: SyntheticAmd, position: int) -> None:
    other = bytearray(amd.hw_id)
    other[position] ^= 1
    failed = refused(amd.report(), amd, amd.vek(identity=bytes(other)))
    assert set(failed) == {CHIP}
    assert failed[CHIP].expected == bytes(other).hex().ljust(128, "0")
    assert failed[CHIP].got == amd.hw_id.hex().ljust(128, "0")


def test_the_rest_of_a_turin_chip_id_is_zero() -> None:
    failed = refused(TURIN.report(chip_id=TURIN.hw_id + bytes(55) + b"\x01"), TURIN)
    assert set(failed) == {CHIP}


@pytest.mark.parametrize("vek", [MILAN.vek(), MILAN.vek(identity=bytes(64))])
def test_a_masked_chip_id_binds_nothing(vek: bytes) -> None:
    failed = refused(MILAN.report(chip_id=bytes(64)), vek=vek)
    assert set(failed) == {CHIP}
    assert failed[CHIP].got == "all zero (masked)"
    assert "MASK_CHIP_ID" in failed[CHIP].hint


@pytest.mark.parametrize(("chip_id", "got"), [(bytes(64), "all zero"), (b"\x01" * 64, "0101")])
def test_a_vlek_names_no_chip(chip_id: bytes, got: str) -> None:
    findings = {f.check: f for f in enter(VLEK.report(chip_id=chip_id), VLEK).findings}
    assert findings[CHIP].expected == "nothing: a VLEK names no chip"
    assert findings[CHIP].got.startswith(got)


@pytest.mark.parametrize(
    ("amd", "cpuid", "got"),
    [
        (MILAN, (0x19, 0x11, 1), r"CPUID 0x19/0x11/0x1 (Genoa), productName Milan-B0"),
        (MILAN, (0x1A, 0x02, 1), r"CPUID 0x1a/0x2/0x1 (Turin), productName Milan-B0"),
        (GENOA, (0x19, 0x01, 1), r"CPUID 0x19/0x1/0x1 (Milan), productName Genoa"),
        (TURIN, (0x1A, 0x50, 0), r"CPUID 0x1a/0x50/0x0 (unknown), productName Turin"),
        (MILAN, (0, 0, 0), r"CPUID 0x0/0x0/0x0 (unknown), productName Milan-B0"),
    ],
)
def test_the_processor_is_of_the_product(
    amd: SyntheticAmd, cpuid: tuple[int, int, int], got: str
) -> None:
    failed = refused(amd.report(cpuid=cpuid), amd)
    assert set(failed) == {PRODUCT}
    signer = amd.root.signer.common_name
    assert failed[PRODUCT].expected == f"{amd.root.product}, by the pinned key {signer}"
    assert failed[PRODUCT].got == got


@pytest.mark.parametrize("model", [0x10, 0x1F, 0xA0, 0xA2, 0xAF])
def test_bergamo_and_siena_are_genoa(model: int) -> None:
    assert enter(GENOA.report(cpuid=(0x19, model, 2)), GENOA).product is Product.GENOA


def test_the_product_name_is_the_one_of_the_key() -> None:
    failed = refused(MILAN.report(), vek=MILAN.vek(product_name="Genoa"))
    assert set(failed) == {PRODUCT}
    assert failed[PRODUCT].got.endswith("productName Genoa")


@pytest.mark.parametrize(
    ("amd", "chip_id", "got"),
    [
        (MILAN, bytes(range(1, 9)), "version 2 with CHIP_ID of 8 bytes"),
        (TURIN, bytes(range(1, 65)), "version 2 with CHIP_ID of 64 bytes"),
    ],
)
def test_version_2_tells_its_product_by_the_chip_id(
    amd: SyntheticAmd, chip_id: bytes, got: str
) -> None:
    failed = refused(amd.report(version=2, chip_id=chip_id), amd)
    assert set(failed) == {CHIP, PRODUCT}
    assert failed[PRODUCT].got.startswith(got)


def test_version_2_with_a_masked_chip_id_tells_nothing() -> None:
    failed = refused(MILAN.report(version=2, chip_id=bytes(64)))
    assert set(failed) == {CHIP}


def test_every_failure_is_given() -> None:
    other = generate_private_key(SECP384R1())
    fields = MILAN.fields(
        policy=0x30000 | 1 << 40,
        key_info=7 << 2,
        tcb=Tcb(None, 9, 9, 9, 9),
        committed_tcb=MILAN.tcb,
        committed_firmware=Firmware(9, 0, 0),
        chip_id=bytes(64),
        cpuid=(0x19, 0x11, 1),
    )
    report = bytearray(sign_report(encode_signed_part(fields), key=other))
    report[0x340] = 1
    assert set(refused(bytes(report))) == set(REPORT_CHECKS)


ALLOWED: tuple[Callable[[], bytes], ...] = (
    lambda: MILAN.report(policy=0xB0000),  # DEBUG
    lambda: MILAN.report(vmpl=0xFFFFFFFF),
    lambda: MILAN.report(committed_firmware=Firmware(1, 0, 0)),
)


@pytest.mark.parametrize("make", ALLOWED)
def test_authentic_is_not_yet_acceptable(make: Callable[[], bytes]) -> None:
    # What the firmware truly says is authentic; whether it is wanted is the policy's question.
    assert enter(make()).platform == "simulated"
