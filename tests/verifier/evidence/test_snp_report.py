from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.platform.simulated_report import ReportFields, encode_signed_part
from tests.synthetic_amd import synthetic_amd
from tests.verifier.tlog.rejection import rejects
from verifier.errors import ParseError, UnsupportedError
from verifier.evidence.snp_bits import PLATFORM_BITS, GuestPolicy, foreign_bits, set_bits
from verifier.evidence.snp_report import SIGNED_SIZE, SIZE, parse_report, unknown_bits
from verifier.evidence.tcb import Firmware, Product, Tcb, encode_tcb

VERSIONS = (2, 3, 4, 5)
FIELDS = ReportFields(
    product=Product.MILAN,
    version=5,
    guest_svn=7,
    policy=0x3001F,
    family_id=bytes(range(16)),
    image_id=bytes(range(16, 32)),
    vmpl=1,
    platform_info=0x25,
    key_info=0b00101,
    report_data=bytes(range(64)),
    measurement=bytes(range(48)),
    host_data=bytes(range(32)),
    report_id=b"\x07" * 32,
    tcb=Tcb(None, 1, 2, 3, 4),
    committed_tcb=Tcb(None, 2, 3, 4, 5),
    current_tcb=Tcb(None, 3, 4, 5, 6),
    launch_tcb=Tcb(None, 4, 5, 6, 7),
    chip_id=bytes(range(64, 128)),
    current_firmware=Firmware(1, 55, 29),
    committed_firmware=Firmware(1, 54, 28),
    mitigations=(0xB, 0x3F),
)


def raw_report(fields: ReportFields = FIELDS, r: int = 5, s: int = 6, tail: bytes = b"") -> bytes:
    signature = r.to_bytes(72, "little") + s.to_bytes(72, "little")
    return encode_signed_part(fields) + signature + tail.ljust(368, b"\0")


def patched(offset: int, value: int, fields: ReportFields = FIELDS) -> bytes:
    raw = bytearray(raw_report(fields))
    raw[offset] = value
    return bytes(raw)


def test_every_field_is_where_the_layout_says() -> None:
    raw = raw_report(tail=b"\x01")
    report = parse_report(raw)
    assert report.raw == raw
    assert report.signed_bytes == raw[:SIGNED_SIZE]
    assert (report.version, report.guest_svn, report.policy, report.vmpl) == (5, 7, 0x3001F, 1)
    assert report.family_id == FIELDS.family_id
    assert report.image_id == FIELDS.image_id
    assert report.signature_algorithm == 1
    assert report.platform_info == 0x25
    assert (report.author_key_enabled, report.mask_chip_key, report.signing_key) == (True, False, 1)
    assert report.report_data == FIELDS.report_data
    assert report.measurement == FIELDS.measurement
    assert report.host_data == FIELDS.host_data
    assert report.id_key_digest == report.author_key_digest == bytes(48)
    assert report.report_id == b"\x07" * 32
    assert report.report_id_ma == b"\xff" * 32
    assert report.reported_tcb == encode_tcb(FIELDS.tcb, Product.MILAN)
    assert report.committed_tcb == bytes((2, 3, 0, 0, 0, 0, 4, 5))
    assert report.current_tcb == bytes((3, 4, 0, 0, 0, 0, 5, 6))
    assert report.launch_tcb == bytes((4, 5, 0, 0, 0, 0, 6, 7))
    assert report.cpuid == (0x19, 0x01, 0x01)
    assert report.chip_id == FIELDS.chip_id
    assert report.current_firmware == Firmware(1, 55, 29)
    assert report.committed_firmware == Firmware(1, 54, 28)
    assert report.launch_mitigation_vector == 0xB
    assert report.current_mitigation_vector == 0x3F
    assert (report.signature_r, report.signature_s) == (5, 6)
    assert report.tail == b"\x01" + bytes(367)
    assert not report.host_requested


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_has_its_own_fields(version: int) -> None:
    report = parse_report(raw_report(replace(FIELDS, version=version)))
    assert report.version == version
    assert (report.cpuid is None) == (version == 2)
    assert (report.launch_mitigation_vector is None) == (version < 5)
    assert (report.current_mitigation_vector is None) == (version < 5)


@pytest.mark.parametrize("version", [0, 1, 6, 0xFFFFFFFF])
def test_an_unknown_version_is_named(version: int) -> None:
    raw = raw_report(replace(FIELDS, version=version))
    with rejects(
        UnsupportedError, "SNP report", expected="2, 3, 4 or 5", got=f"^version {version}$"
    ):
        parse_report(raw)


@pytest.mark.parametrize("size", [0, 1, SIZE - 1, SIZE + 1, 2048])
def test_a_report_is_1184_bytes(size: int) -> None:
    raw = raw_report().ljust(size, b"\0")[:size]
    with rejects(ParseError, "SNP report", expected="1184 bytes", got=f"^{size} bytes$"):
        parse_report(raw)


@pytest.mark.parametrize(
    ("algorithm", "error"), [(0, ParseError), (2, UnsupportedError), (0x10000, UnsupportedError)]
)
def test_another_signature_algorithm_is_refused(
    algorithm: int, error: type[ParseError | UnsupportedError]
) -> None:
    raw = raw_report(replace(FIELDS, signature_algorithm=algorithm))
    with rejects(error, "SNP report, SIGNATURE_ALGO", expected="^1 ", got=f"^{algorithm}$"):
        parse_report(raw)


ALWAYS_RESERVED = {0x4C, 0x4D, 0x4E, 0x4F, 0x1EB, 0x1EF}
RESERVED = {
    2: ALWAYS_RESERVED | {*range(0x188, 0x1A0), *range(0x1F8, 0x2A0)},
    3: ALWAYS_RESERVED | {*range(0x18B, 0x1A0), *range(0x1F8, 0x2A0)},
    4: ALWAYS_RESERVED | {*range(0x18B, 0x1A0), *range(0x1F8, 0x2A0)},
    5: ALWAYS_RESERVED | {*range(0x18B, 0x1A0), *range(0x208, 0x2A0)},
}
PADDING = {*range(0x2D0, 0x2E8), *range(0x318, 0x330)}


@pytest.mark.parametrize("version", VERSIONS)
def test_exactly_the_reserved_bytes_are_zero(version: int) -> None:
    fields = replace(FIELDS, version=version)
    refused = {}
    for offset in (*range(0x4C, 0x50), *range(0x180, SIZE)):
        try:
            parse_report(patched(offset, 0x80, fields))
        except ParseError as error:
            refused[offset] = (error.what, error.expected, error.got)
    assert refused == {
        offset: (f"SNP report, reserved byte at offset {offset:#x}", "0x00", "0x80")
        for offset in RESERVED[version] | PADDING
    }


def test_policy_bit_17_is_one() -> None:
    raw = raw_report(replace(FIELDS, policy=0x1001F))
    with rejects(ParseError, "SNP report, POLICY", expected="bit 17", got="^0x1001f$"):
        parse_report(raw)


def test_known_bits_are_not_reported() -> None:
    fields = replace(FIELDS, policy=(1 << 26) - 1, platform_info=0xFF, key_info=0b11111)
    assert unknown_bits(parse_report(raw_report(fields))) == ()


@given(
    st.lists(st.integers(26, 63), max_size=3, unique=True).map(sorted),
    st.lists(st.integers(8, 63), max_size=3, unique=True).map(sorted),
    st.lists(st.integers(5, 31), max_size=3, unique=True).map(sorted),
)
def test_unknown_bits_are_named(policy: list[int], platform: list[int], key: list[int]) -> None:
    fields = replace(
        FIELDS,
        policy=FIELDS.policy | sum(1 << bit for bit in policy),
        platform_info=FIELDS.platform_info | sum(1 << bit for bit in platform),
        key_info=FIELDS.key_info | sum(1 << bit for bit in key),
    )
    assert unknown_bits(parse_report(raw_report(fields))) == (
        *(f"POLICY bit {bit}" for bit in policy),
        *(f"PLATFORM_INFO bit {bit}" for bit in platform),
        *(f"KEY_INFO bit {bit}" for bit in key),
    )


@pytest.mark.parametrize(("key_info", "key"), [(0, 0), (1 << 2, 1), (7 << 2, 7), (0b11, 0)])
def test_key_info_is_taken_apart(key_info: int, key: int) -> None:
    report = parse_report(raw_report(replace(FIELDS, key_info=key_info)))
    assert report.signing_key == key
    assert report.author_key_enabled == bool(key_info & 1)
    assert report.mask_chip_key == bool(key_info & 2)


def test_a_host_request_is_named() -> None:
    assert parse_report(raw_report(replace(FIELDS, vmpl=0xFFFFFFFF))).host_requested


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (16, "smt"),
        (18, "migrate_ma"),
        (19, "debug"),
        (20, "single_socket"),
        (21, "cxl_allow"),
        (22, "mem_aes_256_xts"),
        (23, "rapl_dis"),
        (24, "ciphertext_hiding_dram"),
        (25, "page_swap_disable"),
    ],
)
def test_a_policy_bit_has_a_name(bit: int, name: str) -> None:
    every = (1 << 26) - 1
    assert getattr(GuestPolicy(1 << bit), name) is True
    assert getattr(GuestPolicy(every & ~(1 << bit)), name) is False


def test_the_policy_view_reads_the_field() -> None:
    policy = parse_report(raw_report(replace(FIELDS, policy=0xB0237))).guest_policy
    assert (policy.value, policy.abi_major, policy.abi_minor) == (0xB0237, 2, 0x37)
    assert (policy.debug, policy.smt, policy.migrate_ma) == (True, True, False)


def test_set_bits_are_named_in_order() -> None:
    assert set_bits(0x24, PLATFORM_BITS) == ("ECC_EN", "ALIAS_CHECK_COMPLETE")
    assert set_bits(1 << 40, PLATFORM_BITS) == ()
    assert foreign_bits(0x124, 0x24) == (8,)


def test_the_simulated_processor_speaks_the_format() -> None:
    amd = synthetic_amd()
    report = parse_report(amd.report())
    assert report.chip_id == amd.hw_id
    assert report.signing_key == 0
