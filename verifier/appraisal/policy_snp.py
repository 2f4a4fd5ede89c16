"""The part of a policy that speaks of AMD SEV-SNP reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from verifier.errors import ParseError, PolicyError
from verifier.evidence.snp_bits import PLATFORM_BITS
from verifier.evidence.tcb import Firmware, Product, Tcb
from verifier.release.cvm_release import TCB_COMPONENTS, TcbFloor
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import parse_decimal, parse_hex

__all__ = ["Expectation", "SnpPolicy", "parse_snp_policy", "tcb_of_floor"]

_REASON = r"[ -~]{3,200}"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a field must be: one of ``values``, or derived, or explicitly not checked.

    Exactly one of the four is set: ``values`` (non-empty), ``from_release`` (the rows of the
    logged release), ``from_nonce`` (the nonce of the auditor), ``not_checked`` (a reason).
    """

    values: tuple[bytes, ...] = ()
    from_release: bool = False
    from_nonce: bool = False
    not_checked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpPolicy:
    """What a report must say. TCB floors are by product line, component by component."""

    products: tuple[Product, ...]
    signing_keys: tuple[str, ...]
    csp_ids: tuple[str, ...]
    vmpls: tuple[int, ...]
    allow_debug: bool
    allow_migrate_ma: bool
    allow_smt: bool
    platform_info_required: tuple[str, ...]
    minimum_firmware: Firmware
    minimum_reported_tcb: Mapping[Product, Tcb]
    minimum_launch_tcb: Mapping[Product, Tcb]
    measurement: Expectation
    report_data: Expectation
    host_data: Expectation
    chip_ids: Expectation


def parse_snp_policy(section: JsonObject) -> SnpPolicy:
    """Read the ``[sev_snp]`` table; every key is required. Raises PolicyError."""
    names = section.texts("products", pattern="|".join(Product), minimum=1)
    policy = SnpPolicy(
        products=tuple(Product(name) for name in names),
        signing_keys=section.texts("signing_keys", pattern="VCEK|VLEK", minimum=1),
        csp_ids=section.texts("csp_ids"),
        vmpls=_vmpls(section),
        allow_debug=_allowed(section, "debug"),
        allow_migrate_ma=_allowed(section, "migrate_ma"),
        allow_smt=_allowed(section, "smt"),
        platform_info_required=section.texts(
            "platform_info_required", pattern="|".join(PLATFORM_BITS.values())
        ),
        minimum_firmware=_firmware(section),
        minimum_reported_tcb=_floors(section, "minimum_reported_tcb", names),
        minimum_launch_tcb=_floors(section, "minimum_launch_tcb", names),
        measurement=_expectation(section, "measurement", 48, "release"),
        report_data=_expectation(section, "report_data", 64, "nonce"),
        host_data=_expectation(section, "host_data", 32, ""),
        chip_ids=_expectation(section, "chip_ids", 64, ""),
    )
    section.end()
    if ("VLEK" in policy.signing_keys) != bool(policy.csp_ids):
        got = f"signing_keys {list(policy.signing_keys)}, csp_ids {list(policy.csp_ids)}"
        raise section.refuse(
            "csp_ids", expected="one or more exactly when VLEK is allowed", got=got
        )
    return policy


def _vmpls(section: JsonObject) -> tuple[int, ...]:
    values = section.array("vmpls", minimum=1, maximum=4)
    if any(type(value) is not int or not 0 <= value <= 3 for value in values):
        raise section.refuse("vmpls", expected="integers 0 to 3", got=str(values)[:60])
    return values


def _allowed(section: JsonObject, name: str) -> bool:
    return section.choice(name, ("allowed", "forbidden")) == "allowed"


def _firmware(section: JsonObject) -> Firmware:
    text = section.text("minimum_firmware", pattern=r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
    try:
        parts = [parse_decimal(part, what="", maximum=255) for part in text.split(".")]
    except ParseError as error:
        raise section.refuse("minimum_firmware", expected=error.expected, got=text) from None
    return Firmware(major=parts[0], minor=parts[1], build=parts[2])


def _floors(section: JsonObject, name: str, products: tuple[str, ...]) -> Mapping[Product, Tcb]:
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


def _expectation(section: JsonObject, name: str, size: int, derived: str) -> Expectation:
    value: Any = section.take(name)
    if derived and value == derived:
        return Expectation(from_release=derived == "release", from_nonce=derived == "nonce")
    if isinstance(value, dict):
        reason = JsonObject(value, what=f"{section.what}.{name}", error=PolicyError)
        expectation = Expectation(not_checked=reason.text("not_checked", pattern=_REASON))
        reason.end()
        return expectation
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        keyword = f'"{derived}", ' if derived else ""
        expected = f'{keyword}a list of hex values, or {{ not_checked = "why" }}'
        raise section.refuse(name, expected=expected, got=repr(value)[:60])
    try:
        return Expectation(values=tuple(parse_hex(v, what="", size=size) for v in value))
    except ParseError as error:
        raise section.refuse(name, expected=error.expected, got=error.got) from None
