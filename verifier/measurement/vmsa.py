"""The save area of a vCPU (VMSA): the registers with which it starts, as one measured page.

Offsets: AMD64 Architecture Programmer's Manual, volume 2, table B-4; names as in Linux
``struct sev_es_save_area``. Values: the state after reset (volume 2, table 14-1) as KVM and each
launcher change it. Everything that is not listed is zero.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from verifier.measurement.page_chain import PAGE_SIZE
from verifier.measurement.vmm import Vmm

__all__ = ["SVSM_GUEST_FEATURES", "SaveAreas", "save_areas"]

SVSM_GUEST_FEATURES = 1
"""SEV_FEATURES of every vCPU that Coconut's QEMU launches: SNPActive alone."""

_BOOT_EIP = 0xFFFF_FFF0

# segment: selector, attributes, limit, base
_SEGMENT = struct.Struct("<HHIQ")
_Segment = tuple[int, int, int, int]
_SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs", "gdtr", "ldtr", "idtr", "tr")  # 16 bytes each

# register: offset, size in bytes
_REGISTERS = {
    "efer": (0x0D0, 8),
    "cr4": (0x148, 8),
    "cr0": (0x158, 8),
    "dr7": (0x160, 8),
    "dr6": (0x168, 8),
    "rflags": (0x170, 8),
    "rip": (0x178, 8),
    "g_pat": (0x268, 8),
    "rdx": (0x310, 8),
    "sev_features": (0x3B0, 8),
    "xcr0": (0x3E8, 8),
    "mxcsr": (0x408, 4),
    "x87_fcw": (0x410, 2),
}

# KVM turns on EFER.SVME and CR4.MCE; the rest is the architectural reset state.
_RESET_REGISTERS = {
    "efer": 0x1000,
    "cr4": 0x40,
    "cr0": 0x10,
    "dr7": 0x400,
    "dr6": 0xFFFF_0FF0,
    "rflags": 0x2,
    "xcr0": 0x1,
    "g_pat": 0x0007_0406_0007_0406,
}
_RESET_SEGMENTS: dict[str, _Segment] = {
    "es": (0, 0x93, 0xFFFF, 0),
    "ss": (0, 0x93, 0xFFFF, 0),
    "ds": (0, 0x93, 0xFFFF, 0),
    "fs": (0, 0x93, 0xFFFF, 0),
    "gs": (0, 0x93, 0xFFFF, 0),
    "gdtr": (0, 0, 0xFFFF, 0),
    "ldtr": (0, 0x82, 0xFFFF, 0),
    "idtr": (0, 0, 0xFFFF, 0),
    "tr": (0, 0x8B, 0xFFFF, 0),
}

# The SVSM starts in 32-bit protected mode with flat segments.
_FLAT_DATA: _Segment = (0x10, 0xC93, 0xFFFF_FFFF, 0)
_FLAT_CODE: _Segment = (0x08, 0xC9B, 0xFFFF_FFFF, 0)

# What QEMU leaves in RDX is the CPUID signature; EC2 and GCE leave a constant there.
_CLOUD_RDX = 0x600


@dataclass(frozen=True, slots=True)
class SaveAreas:
    """The 4096-byte pages of the boot vCPU and of each other vCPU."""

    boot: bytes
    other: bytes


def save_areas(*, vmm: Vmm, reset_eip: int, vcpu_signature: int, guest_features: int) -> SaveAreas:
    """The measured pages of the vCPUs of one launch.

    ``reset_eip`` is where the other vCPUs start (under QEMU_SVSM: all of them), 32 bits;
    ``vcpu_signature`` is CPUID 1 EAX, 32 bits, and used by QEMU only; ``guest_features`` is
    SEV_FEATURES, 64 bits.
    """
    if vmm is Vmm.QEMU_SVSM:
        page = _page(*_svsm_state(reset_eip, vcpu_signature), guest_features)
        return SaveAreas(page, page)
    boot, other = (
        _page(*_reset_state(vmm, eip, vcpu_signature), guest_features)
        for eip in (_BOOT_EIP, reset_eip)
    )
    return SaveAreas(boot, other)


def _reset_state(
    vmm: Vmm, eip: int, vcpu_signature: int
) -> tuple[dict[str, _Segment], dict[str, int]]:
    segments = _RESET_SEGMENTS | {"cs": (0xF000, 0x9B, 0xFFFF, eip & 0xFFFF_0000)}
    registers = _RESET_REGISTERS | {"rip": eip & 0xFFFF, "rdx": _CLOUD_RDX}
    if vmm is Vmm.QEMU:
        registers |= {"rdx": vcpu_signature, "mxcsr": 0x1F80, "x87_fcw": 0x37F}
    elif vmm is Vmm.EC2:
        # EC2 leaves "accessed" and "busy" clear, except in the code segment of application vCPUs.
        cs_attributes = 0x9A if eip == _BOOT_EIP else 0x9B
        segments["cs"] = (0xF000, cs_attributes, 0xFFFF, eip & 0xFFFF_0000)
        segments |= {"ss": (0, 0x92, 0xFFFF, 0), "tr": (0, 0x83, 0xFFFF, 0)}
    else:
        registers["g_pat"] = 0x0007_0106
    return segments, registers


def _svsm_state(eip: int, vcpu_signature: int) -> tuple[dict[str, _Segment], dict[str, int]]:
    flat = dict.fromkeys(("es", "ss", "ds", "fs"), _FLAT_DATA) | {"cs": _FLAT_CODE}
    registers = {"cr0": 0x11, "rip": eip, "rdx": vcpu_signature, "mxcsr": 0x1F80}
    return _RESET_SEGMENTS | flat, _RESET_REGISTERS | registers


def _page(segments: dict[str, _Segment], registers: dict[str, int], guest_features: int) -> bytes:
    page = bytearray(PAGE_SIZE)
    for place, name in enumerate(_SEGMENTS):
        _SEGMENT.pack_into(page, place * _SEGMENT.size, *segments[name])
    for name, value in (registers | {"sev_features": guest_features}).items():
        offset, size = _REGISTERS[name]
        page[offset : offset + size] = value.to_bytes(size, "little")
    return bytes(page)
