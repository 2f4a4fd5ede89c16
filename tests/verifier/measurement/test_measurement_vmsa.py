from __future__ import annotations

import struct

import pytest

from verifier.measurement.vcpu_types import VCPU_SIGNATURES, vcpu_types_of
from verifier.measurement.vmm import Vmm
from verifier.measurement.vmsa import SaveAreas, save_areas


def areas(vmm: Vmm, *, features: int = 0x21) -> SaveAreas:
    return save_areas(vmm=vmm, reset_eip=0x80B004, vcpu_signature=0xA00F11, guest_features=features)


def segment(page: bytes, offset: int) -> tuple[int, ...]:
    return struct.unpack_from("<HHIQ", page, offset)


def word(page: bytes, offset: int, size: int = 8) -> int:
    return int.from_bytes(page[offset : offset + size], "little")


def test_the_boot_vcpu_starts_at_the_reset_vector_and_the_others_where_firmware_says() -> None:
    pages = areas(Vmm.QEMU)
    assert segment(pages.boot, 0x10) == (0xF000, 0x9B, 0xFFFF, 0xFFFF0000)
    assert word(pages.boot, 0x178) == 0xFFF0
    assert segment(pages.other, 0x10) == (0xF000, 0x9B, 0xFFFF, 0x800000)
    assert word(pages.other, 0x178) == 0xB004
    assert len(pages.boot) == len(pages.other) == 4096


def test_qemu_shows_the_signature_and_the_features() -> None:
    page = areas(Vmm.QEMU).boot
    assert (word(page, 0x310), word(page, 0x3B0)) == (0xA00F11, 0x21)
    assert (word(page, 0x408, 4), word(page, 0x410, 2)) == (0x1F80, 0x37F)


@pytest.mark.parametrize("vmm", [Vmm.EC2, Vmm.GCE])
def test_clouds_do_not_show_the_signature(vmm: Vmm) -> None:
    page = areas(vmm).boot
    assert (word(page, 0x310), word(page, 0x3B0)) == (0x600, 0x21)
    assert (word(page, 0x408, 4), word(page, 0x410, 2)) == (0, 0)


def test_ec2_marks_segments_otherwise() -> None:
    pages = areas(Vmm.EC2)
    assert segment(pages.boot, 0x10)[1] == 0x9A
    assert segment(pages.other, 0x10)[1] == 0x9B
    assert segment(pages.boot, 0x20)[1] == 0x92
    assert segment(pages.boot, 0x90)[1] == 0x83


def test_gce_has_its_own_page_attribute_table() -> None:
    assert word(areas(Vmm.GCE).boot, 0x268) == 0x00070106
    assert word(areas(Vmm.QEMU).boot, 0x268) == 0x0007040600070406


def test_an_svsm_starts_every_vcpu_alike_in_protected_mode() -> None:
    pages = areas(Vmm.QEMU_SVSM, features=1)
    assert pages.boot == pages.other
    assert segment(pages.boot, 0x10) == (8, 0xC9B, 0xFFFFFFFF, 0)
    assert segment(pages.boot, 0x30) == (16, 0xC93, 0xFFFFFFFF, 0)
    assert segment(pages.boot, 0x50) == (0, 0x93, 0xFFFF, 0)
    assert (word(pages.boot, 0x158), word(pages.boot, 0x178)) == (0x11, 0x80B004)
    assert word(pages.boot, 0x410, 2) == 0


@pytest.mark.parametrize(
    ("name", "family", "model", "stepping"),
    [
        ("EPYC-v4", 23, 1, 2),
        ("EPYC-Rome-v5", 23, 49, 0),
        ("EPYC-Milan-v3", 25, 1, 1),
        ("EPYC-Genoa-v2", 25, 17, 0),
        ("EPYC-Turin-v1", 26, 0, 0),
    ],
)
def test_signatures_encode_family_model_and_stepping(
    name: str, family: int, model: int, stepping: int
) -> None:
    signature = (family - 15) << 20 | (model >> 4) << 16 | 15 << 8 | (model & 15) << 4 | stepping
    assert VCPU_SIGNATURES[name] == signature
    assert name in vcpu_types_of(signature)
    assert name.rsplit("-v", 1)[0] in vcpu_types_of(signature)


def test_an_unknown_signature_has_no_type() -> None:
    assert vcpu_types_of(0x12345678) == ()
