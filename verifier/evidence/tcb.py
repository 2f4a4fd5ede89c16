"""TCB_VERSION: the security patch levels of AMD's firmware components.

Source: SNP firmware ABI (publication 56860), TCB_VERSION. The eight bytes mean different things
on different products, so they are kept as bytes until the product is known, and two TCBs are
compared component by component, never as one integer: a newer microcode does not make up for an
older bootloader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from verifier.errors import ParseError
from verifier.roots.snp_root import Product

__all__ = ["TCB_SIZE", "Firmware", "Product", "Tcb", "decode_tcb", "encode_tcb", "product_of_cpuid"]

TCB_SIZE = 8
"""Bytes of TCB_VERSION."""


@dataclass(frozen=True, slots=True)
class Tcb:
    """Security patch levels, each 0..255. ``fmc`` exists from Turin on and is None before."""

    fmc: int | None
    bootloader: int
    tee: int
    snp: int
    microcode: int

    def components(self) -> tuple[tuple[str, int], ...]:
        """The components that the product has, as (name, level), in the order of the text."""
        rest = (
            ("bl", self.bootloader),
            ("tee", self.tee),
            ("snp", self.snp),
            ("uc", self.microcode),
        )
        return rest if self.fmc is None else (("fmc", self.fmc), *rest)

    def below(self, floor: Tcb) -> tuple[str, ...]:
        """The names of the components that are lower than in ``floor``; empty if none is.

        Raises ValueError if only one of the two has an FMC: they are of different products.
        """
        if self is floor:
            return ()
        mine, others = self.components(), floor.components()
        if len(mine) != len(others):
            message = f"TCBs of different products: {self} and {floor}"
            raise ValueError(message)
        return tuple(
            name for (name, level), (_, least) in zip(mine, others, strict=True) if level < least
        )

    def __str__(self) -> str:
        fmc = "" if self.fmc is None else f"fmc{self.fmc} "
        return f"{fmc}bl{self.bootloader} tee{self.tee} snp{self.snp} uc{self.microcode}"


@dataclass(frozen=True, slots=True, order=True)
class Firmware:
    """Version of the SNP firmware; ordered as (major, minor, build)."""

    major: int
    minor: int
    build: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.build}"


# (fmc, bootloader, tee, snp, microcode) byte positions, then the reserved ones.
_BEFORE_TURIN = ((None, 0, 1, 6, 7), (2, 3, 4, 5))
_FROM_TURIN = ((0, 1, 2, 3, 7), (4, 5, 6))
_LAYOUTS: Mapping[Product, tuple[tuple[int | None, int, int, int, int], tuple[int, ...]]] = (
    MappingProxyType(
        {
            Product.MILAN: _BEFORE_TURIN,
            Product.GENOA: _BEFORE_TURIN,
            Product.TURIN: _FROM_TURIN,
        }
    )
)


def decode_tcb(raw: bytes, product: Product) -> Tcb:
    """Read the 8 bytes of a TCB_VERSION as ``product`` lays them out.

    Raises ParseError for a wrong size and for a reserved byte that is not zero.
    """
    if len(raw) != TCB_SIZE:
        raise ParseError("TCB_VERSION", expected=f"{TCB_SIZE} bytes", got=f"{len(raw)} bytes")
    (fmc, bootloader, tee, snp, microcode), reserved = _LAYOUTS[product]
    for position in reserved:
        if raw[position]:
            raise ParseError(
                f"TCB_VERSION of {product}, reserved byte {position}",
                expected="0",
                got=str(raw[position]),
            )
    return Tcb(
        None if fmc is None else raw[fmc], raw[bootloader], raw[tee], raw[snp], raw[microcode]
    )


def encode_tcb(tcb: Tcb, product: Product) -> bytes:
    """The 8 bytes of a TCB_VERSION; exact inverse of decode_tcb.

    Raises ValueError if ``tcb`` is not one of this product, or a level is not a byte.
    """
    (fmc, bootloader, tee, snp, microcode), _ = _LAYOUTS[product]
    if (fmc is None) != (tcb.fmc is None):
        message = f"{tcb} is not a TCB of {product}"
        raise ValueError(message)
    raw = bytearray(TCB_SIZE)
    raw[bootloader], raw[tee], raw[snp], raw[microcode] = (
        tcb.bootloader,
        tcb.tee,
        tcb.snp,
        tcb.microcode,
    )
    if fmc is not None and tcb.fmc is not None:
        raw[fmc] = tcb.fmc
    return bytes(raw)


_MODELS = (
    (0x19, 0x00, 0x0F, Product.MILAN),
    (0x19, 0x10, 0x1F, Product.GENOA),
    (0x19, 0xA0, 0xAF, Product.GENOA),  # Bergamo and Siena use Genoa's keys
    (0x1A, 0x00, 0x11, Product.TURIN),
)


def product_of_cpuid(family: int, model: int) -> Product | None:
    """The product of a combined CPUID family and model; None if it is none that is known.

    Bounds are inclusive. Source: AMD processor programming references, CPUID Fn0000_0001_EAX.
    """
    for known_family, first, last, product in _MODELS:
        if family == known_family and first <= model <= last:
            return product
    return None
