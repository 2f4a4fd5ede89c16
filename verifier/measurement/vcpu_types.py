"""The vCPU types of QEMU and the CPUID signature that each shows to its guest.

QEMU puts the signature (CPUID function 1, EAX) into RDX of every vCPU at reset, so it is measured.
Family, model and stepping: QEMU ``target/i386/cpu.c``, ``builtin_x86_defs``; a version (``-v4``)
changes features only, never these three. Encoding: AMD publication 25481, function 0000_0001.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["VCPU_SIGNATURES", "vcpu_types_of"]

_NAPLES = 0x00800F12  # family 23, model 1, stepping 2
_ROME = 0x00830F10  # family 23, model 49, stepping 0
_MILAN = 0x00A00F11  # family 25, model 1, stepping 1
_GENOA = 0x00A10F10  # family 25, model 17, stepping 0
_TURIN = 0x00B00F00  # family 26, model 0, stepping 0: QEMU's model, not what the silicon says

VCPU_SIGNATURES: Mapping[str, int] = MappingProxyType(
    {
        "EPYC": _NAPLES,
        "EPYC-v1": _NAPLES,
        "EPYC-v2": _NAPLES,
        "EPYC-IBPB": _NAPLES,
        "EPYC-v3": _NAPLES,
        "EPYC-v4": _NAPLES,
        "EPYC-v5": _NAPLES,
        "EPYC-Rome": _ROME,
        "EPYC-Rome-v1": _ROME,
        "EPYC-Rome-v2": _ROME,
        "EPYC-Rome-v3": _ROME,
        "EPYC-Rome-v4": _ROME,
        "EPYC-Rome-v5": _ROME,
        "EPYC-Milan": _MILAN,
        "EPYC-Milan-v1": _MILAN,
        "EPYC-Milan-v2": _MILAN,
        "EPYC-Milan-v3": _MILAN,
        "EPYC-Genoa": _GENOA,
        "EPYC-Genoa-v1": _GENOA,
        "EPYC-Genoa-v2": _GENOA,
        "EPYC-Turin": _TURIN,
        "EPYC-Turin-v1": _TURIN,
    }
)
"""Name of a QEMU vCPU type to its 32-bit CPUID signature."""


def vcpu_types_of(signature: int) -> tuple[str, ...]:
    """Names of the QEMU vCPU types that show ``signature``; empty if none does."""
    return tuple(name for name, known in VCPU_SIGNATURES.items() if known == signature)
