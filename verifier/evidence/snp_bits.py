"""The bits of POLICY, PLATFORM_INFO and KEY_INFO in an SNP report, by name.

Source: SNP firmware ABI (publication 56860), guest policy, PLATFORM_INFO and ATTESTATION_REPORT.
A *permission* that is set makes the guest weaker, a *restriction* that is set makes it stronger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = [
    "KEY_BITS",
    "KEY_KNOWN",
    "PLATFORM_BITS",
    "PLATFORM_KNOWN",
    "POLICY_BITS",
    "POLICY_KNOWN",
    "RESTRICTIONS",
    "GuestPolicy",
    "foreign_bits",
    "set_bits",
]

POLICY_BITS: Mapping[int, str] = MappingProxyType(
    {
        **{bit: f"ABI_MINOR.{bit}" for bit in range(8)},
        **{bit + 8: f"ABI_MAJOR.{bit}" for bit in range(8)},
        16: "SMT",  # permission
        17: "RESERVED_ONE",
        18: "MIGRATE_MA",  # permission
        19: "DEBUG",  # permission
        20: "SINGLE_SOCKET",  # restriction
        21: "CXL_ALLOW",  # permission
        22: "MEM_AES_256_XTS",  # restriction
        23: "RAPL_DIS",  # restriction
        24: "CIPHERTEXT_HIDING_DRAM",  # restriction
        25: "PAGE_SWAP_DISABLE",  # restriction
    }
)
"""Names of the known bits of POLICY."""

RESTRICTIONS: Mapping[str, int] = MappingProxyType(
    {
        "SINGLE_SOCKET": 20,
        "MEM_AES_256_XTS": 22,
        "RAPL_DIS": 23,
        "CIPHERTEXT_HIDING_DRAM": 24,
        "PAGE_SWAP_DISABLE": 25,
    }
)
"""The bits of POLICY that bind the host, by name: set, they make the guest stronger."""

PLATFORM_BITS: Mapping[int, str] = MappingProxyType(
    {
        0: "SMT_EN",
        1: "TSME_EN",
        2: "ECC_EN",
        3: "RAPL_DIS",
        4: "CIPHERTEXT_HIDING_DRAM_EN",
        5: "ALIAS_CHECK_COMPLETE",
        6: "IOMMU_WRITE_SAFE",  # AMD has not published the name; Turin sets it
        7: "TIO_EN",
    }
)
"""Names of the known bits of PLATFORM_INFO."""

KEY_BITS: Mapping[int, str] = MappingProxyType(
    {
        0: "AUTHOR_KEY_EN",
        1: "MASK_CHIP_KEY",
        2: "SIGNING_KEY.0",
        3: "SIGNING_KEY.1",
        4: "SIGNING_KEY.2",
    }
)
"""Names of the known bits of KEY_INFO."""

POLICY_KNOWN = sum(1 << bit for bit in POLICY_BITS)
"""Mask of the known bits of POLICY."""
PLATFORM_KNOWN = sum(1 << bit for bit in PLATFORM_BITS)
"""Mask of the known bits of PLATFORM_INFO."""
KEY_KNOWN = sum(1 << bit for bit in KEY_BITS)
"""Mask of the known bits of KEY_INFO."""


@dataclass(frozen=True, slots=True)
class GuestPolicy:
    """POLICY of a guest, by the names of its bits; ``value`` is the 64-bit field."""

    value: int

    @property
    def abi_minor(self) -> int:
        """Least minor version of the firmware ABI that the guest runs on."""
        return self.value & 0xFF

    @property
    def abi_major(self) -> int:
        """Least major version of the firmware ABI that the guest runs on."""
        return self.value >> 8 & 0xFF

    @property
    def smt(self) -> bool:
        """Permission: the host may run simultaneous multithreading."""
        return self._bit(16)

    @property
    def migrate_ma(self) -> bool:
        """Permission: a migration agent may be bound to the guest."""
        return self._bit(18)

    @property
    def debug(self) -> bool:
        """Permission: the host may read and write guest memory."""
        return self._bit(19)

    @property
    def single_socket(self) -> bool:
        """Restriction: the guest runs on one socket only."""
        return self._bit(20)

    @property
    def cxl_allow(self) -> bool:
        """Permission: CXL memory and devices may be present."""
        return self._bit(21)

    @property
    def mem_aes_256_xts(self) -> bool:
        """Restriction: memory is encrypted with AES-256-XTS."""
        return self._bit(22)

    @property
    def rapl_dis(self) -> bool:
        """Restriction: the power meter (RAPL) is off."""
        return self._bit(23)

    @property
    def ciphertext_hiding_dram(self) -> bool:
        """Restriction: the host cannot read the guest's ciphertext."""
        return self._bit(24)

    @property
    def page_swap_disable(self) -> bool:
        """Restriction: the host cannot move or swap guest pages."""
        return self._bit(25)

    def _bit(self, bit: int) -> bool:
        return bool(self.value >> bit & 1)


def set_bits(value: int, names: Mapping[int, str]) -> tuple[str, ...]:
    """The names of the known bits that are set in ``value``, lowest first."""
    return tuple(name for bit, name in sorted(names.items()) if value >> bit & 1)


def foreign_bits(value: int, known: int) -> tuple[int, ...]:
    """The positions of the bits of ``value`` that the mask ``known`` does not have, lowest first.

    ``value`` is not negative.
    """
    rest = value & ~known
    return tuple(bit for bit in range(rest.bit_length()) if rest >> bit & 1) if rest else ()
