"""How the values of a policy are written: expectations, floors, versions, reasons.

Each reader takes one key of a table and refuses everything else with the key's name, what it takes
and what it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from verifier.errors import ParseError, PolicyError
from verifier.evidence.tcb import Firmware, Product, Tcb
from verifier.release.cvm_release import TCB_COMPONENTS, TcbFloor
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_decimal, parse_hex, parse_hex_integer

__all__ = [
    "AdvisoryPolicy",
    "Expectation",
    "HclPolicy",
    "read_expectation",
    "read_firmware",
    "read_floors",
    "read_masks",
    "read_reason",
    "read_version",
    "tcb_of_floor",
]

_REASON = r"[ -~]{3,200}"


@dataclass(frozen=True, slots=True)
class AdvisoryPolicy:
    """What is made of known vulnerabilities.

    ``accepted``: ids that may be open. ``undecidable``: whether a vulnerability may stand of which
    the evidence cannot tell. ``maximum_age_days``: how old the table may be at the instant.
    """

    accepted: tuple[str, ...]
    undecidable: bool
    maximum_age_days: int


@dataclass(frozen=True, slots=True)
class HclPolicy:
    """What the quote of Azure's virtual TPM must say.

    ``pcrs``: register 0 to 23 to the 32 bytes that it must hold. ``quote_not_checked``: why no
    quote is asked for, or empty: then it must answer the auditor's nonce.
    """

    pcrs: Mapping[int, bytes]
    quote_not_checked: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a field must be. Exactly one of the three is set.

    ``values``: one of these. ``derived``: what the word says, ``release`` (the rows of the logged
    release), ``nonce`` (the auditor's), ``session`` (the binding of the TLS session), ``hcl`` (the
    runtime data of the container), ``none`` (the value that the ABI defines as none).
    ``not_checked``: nothing, for this reason.
    """

    values: tuple[bytes, ...] = ()
    derived: str = ""
    not_checked: str = ""


def read_version(section: JsonObject, name: str, *, parts: int) -> tuple[int, ...]:
    """Numbers of 0 to 255 with points between them, such as ``"1.55.29"``."""
    pattern = r"\.".join([r"[0-9]{1,3}"] * parts)
    text = section.text(name, pattern=pattern)
    try:
        return tuple(parse_decimal(part, what="", maximum=255) for part in text.split("."))
    except ParseError as error:
        raise section.refuse(name, expected=error.expected, got=text) from None


def read_firmware(section: JsonObject, name: str) -> Firmware:
    """A firmware version, ``"major.minor.build"``."""
    major, minor, build = read_version(section, name, parts=3)
    return Firmware(major, minor, build)


def read_floors(section: JsonObject, name: str, products: tuple[str, ...]) -> Mapping[Product, Tcb]:
    """A table with a TCB for each product, and for no other."""
    tables = section.object(name)
    floors = {Product(product): _floor(tables.object(product), product) for product in products}
    tables.end()
    return MappingProxyType(floors)


def _floor(table: JsonObject, product: str) -> Tcb:
    names = TCB_COMPONENTS[product]
    floor = TcbFloor(product, tuple((name, table.integer(name, maximum=255)) for name in names))
    table.end()
    return tcb_of_floor(floor)


def tcb_of_floor(floor: TcbFloor) -> Tcb:
    """The floor of a policy or a release as a TCB of its product."""
    levels = dict(floor.components)
    return Tcb(
        fmc=levels.get("fmc"),
        bootloader=levels["bootloader"],
        tee=levels["tee"],
        snp=levels["snp"],
        microcode=levels["microcode"],
    )


def read_masks(
    section: JsonObject, name: str, products: tuple[str, ...]
) -> tuple[Mapping[Product, int], str]:
    """A table with a 64-bit mask (``"0x…"``, not zero) for each product, or why there is none."""
    value = section.take(name)
    if isinstance(value, dict) and "not_checked" in value:
        return MappingProxyType({}), read_reason(section, name, value)
    table = JsonObject(value, what=f"{section.what}.{name}", error=PolicyError)
    masks = {Product(product): _mask(table, product) for product in products}
    table.end()
    return MappingProxyType(masks), ""


def _mask(table: JsonObject, product: str) -> int:
    text = table.text(product)
    try:
        mask = parse_hex_integer(text, what="", maximum=2**64 - 1)
    except ParseError as error:
        raise table.refuse(product, expected=error.expected, got=error.got) from None
    if not mask:
        raise table.refuse(product, expected="at least one bit", got=text)
    return mask


def read_expectation(
    section: JsonObject, name: str, *, size: int, derived: tuple[str, ...] = ()
) -> Expectation:
    """A word of ``derived``, a list of values of ``size`` bytes, or ``{ not_checked = "why" }``."""
    value: Any = section.take(name)
    if isinstance(value, str) and value in derived:
        return Expectation(derived=value)
    if isinstance(value, dict):
        return Expectation(not_checked=read_reason(section, name, value))
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        words = "".join(f'"{word}", ' for word in derived)
        expected = f'{words}a list of hex values, or {{ not_checked = "why" }}'
        raise section.refuse(name, expected=expected, got=repr(value)[:60])
    try:
        return Expectation(values=tuple(parse_hex(v, what="", size=size) for v in value))
    except ParseError as error:
        raise section.refuse(name, expected=error.expected, got=error.got) from None


def read_reason(section: JsonObject, name: str, value: object) -> str:
    """The reason of ``{ not_checked = "why" }``, 3 to 200 printable characters."""
    table = JsonObject(value, what=f"{section.what}.{name}", error=PolicyError)
    reason = table.text("not_checked", pattern=_REASON)
    table.end()
    return reason
