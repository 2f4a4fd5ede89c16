"""The part of a policy that speaks of AMD SEV-SNP reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from verifier.appraisal.advisories.table import ADVISORIES
from verifier.appraisal.policy_values import (
    AdvisoryPolicy,
    Expectation,
    HclPolicy,
    read_expectation,
    read_firmware,
    read_floors,
    read_masks,
    read_reason,
    read_version,
)
from verifier.errors import ParseError
from verifier.evidence.snp_bits import PLATFORM_BITS, RESTRICTIONS
from verifier.evidence.snp_report import HOST_VMPL
from verifier.evidence.tcb import Firmware, Product, Tcb
from verifier.tlog.json_object import JsonObject
from verifier.tlog.strict import excerpt, parse_hex

__all__ = ["PRODUCT_TABLES", "SnpPolicy", "parse_snp_policy"]

PRODUCT_TABLES = (
    "minimum_reported_tcb",
    "minimum_launch_tcb",
    "minimum_committed_tcb",
    "mitigations",
)
"""The keys whose tables have an entry for each product line of ``products``."""

_ANSWERS = ("nonce", "session", "hcl")  # what REPORT_DATA may be derived from
_UNKNOWN_BIT = r"(POLICY|PLATFORM_INFO|KEY_INFO) bit [0-9]{1,2}"
_BITS = "|".join(PLATFORM_BITS.values())
_RESTRICTIONS = "|".join(RESTRICTIONS)
_REGISTERS = tuple(str(number) for number in range(24))
_ADVISORY_IDS = tuple(advisory.id for advisory in ADVISORIES)


# Without eq a policy is hashed as the object that it is, so that what follows from it can be kept.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SnpPolicy:
    """What a report must say. TCB floors and masks are by product line.

    ``report_versions`` may name versions that this verifier does not know, and ``unknown_bits``
    bits whose meaning it does not know: that is how an auditor takes them on their own word.
    ``crl`` is ``fresh``, ``stale_accepted``, or empty where ``crl_not_checked`` says why; ``hosts``
    and ``id_block`` say whether they are demanded, or why not. ``minimum_abi`` is (major, minor).
    """

    products: tuple[Product, ...]
    report_versions: tuple[int, ...]
    unknown_bits: tuple[str, ...]
    signing_keys: tuple[str, ...]
    csp_ids: tuple[str, ...]
    masked_chip_id: bool
    crl: str
    crl_not_checked: str
    vmpls: tuple[int, ...]
    allow_debug: bool
    allow_migrate_ma: bool
    allow_smt: bool
    allow_cxl: bool
    restrictions_required: tuple[str, ...]
    minimum_abi: tuple[int, ...]
    platform_info_required: tuple[str, ...]
    platform_info_forbidden: tuple[str, ...]
    minimum_firmware: Firmware
    allow_provisional: bool
    minimum_reported_tcb: Mapping[Product, Tcb]
    minimum_launch_tcb: Mapping[Product, Tcb]
    minimum_committed_tcb: Mapping[Product, Tcb]
    mitigations: Mapping[Product, int]
    mitigations_not_checked: str
    minimum_guest_svn: int
    measurement: Expectation
    report_data: Expectation
    host_data: Expectation
    family_id: Expectation
    image_id: Expectation
    id_key: Expectation
    author_key: Expectation
    id_block_not_checked: str
    migration_agent: Expectation
    chip_ids: Expectation
    denied_chip_ids: tuple[bytes, ...]
    hosts_not_checked: str
    advisories: AdvisoryPolicy
    hcl: HclPolicy | None


def parse_snp_policy(section: JsonObject) -> SnpPolicy:
    """Read the ``[sev_snp]`` table; every key is required. Raises PolicyError."""
    names = section.texts("products", pattern="|".join(Product), minimum=1)
    crl, crl_not_checked = _word(section, "crl", ("fresh", "stale_accepted"))
    mitigations, mitigations_not_checked = read_masks(section, "mitigations", names)
    policy = SnpPolicy(
        products=tuple(Product(name) for name in names),
        report_versions=_report_versions(section),
        unknown_bits=section.texts("unknown_bits", pattern=_UNKNOWN_BIT),
        signing_keys=section.texts("signing_keys", pattern="VCEK|VLEK", minimum=1),
        csp_ids=section.texts("csp_ids"),
        masked_chip_id=_allowed(section, "masked_chip_id"),
        crl=crl,
        crl_not_checked=crl_not_checked,
        vmpls=_vmpls(section),
        allow_debug=_allowed(section, "debug"),
        allow_migrate_ma=_allowed(section, "migrate_ma"),
        allow_smt=_allowed(section, "smt"),
        allow_cxl=_allowed(section, "cxl"),
        restrictions_required=section.texts("restrictions_required", pattern=_RESTRICTIONS),
        minimum_abi=read_version(section, "minimum_abi", parts=2),
        platform_info_required=section.texts("platform_info_required", pattern=_BITS),
        platform_info_forbidden=section.texts("platform_info_forbidden", pattern=_BITS),
        minimum_firmware=read_firmware(section, "minimum_firmware"),
        allow_provisional=_allowed(section, "provisional_firmware"),
        minimum_reported_tcb=read_floors(section, "minimum_reported_tcb", names),
        minimum_launch_tcb=read_floors(section, "minimum_launch_tcb", names),
        minimum_committed_tcb=read_floors(section, "minimum_committed_tcb", names),
        mitigations=mitigations,
        mitigations_not_checked=mitigations_not_checked,
        minimum_guest_svn=section.integer("minimum_guest_svn", maximum=2**32 - 1),
        measurement=read_expectation(section, "measurement", size=48, derived=("release",)),
        report_data=read_expectation(section, "report_data", size=64, derived=_ANSWERS),
        host_data=read_expectation(section, "host_data", size=32),
        family_id=read_expectation(section, "family_id", size=16),
        image_id=read_expectation(section, "image_id", size=16),
        id_key=read_expectation(section, "id_key", size=48),
        author_key=read_expectation(section, "author_key", size=48),
        id_block_not_checked=_word(section, "id_block", ("required",))[1],
        migration_agent=read_expectation(section, "migration_agent", size=32, derived=("none",)),
        chip_ids=read_expectation(section, "chip_ids", size=64),
        denied_chip_ids=_denied(section),
        hosts_not_checked=_word(section, "hosts", ("enrolled",))[1],
        advisories=_advisories(section.object("advisories")),
        hcl=_hcl(section.object("hcl")) if section.has("hcl") else None,
    )
    section.end()
    _require_consistent(section, policy)
    return policy


def _require_consistent(section: JsonObject, policy: SnpPolicy) -> None:
    if ("VLEK" in policy.signing_keys) != bool(policy.csp_ids):
        got = f"signing_keys {list(policy.signing_keys)}, csp_ids {list(policy.csp_ids)}"
        expected = "one or more exactly when VLEK is allowed"
        raise section.refuse("csp_ids", expected=expected, got=got)
    if (policy.report_data.derived == "hcl") != (policy.hcl is not None):
        expected = 'the table exactly when report_data is "hcl"'
        got = "it is missing" if policy.hcl is None else "the table"
        raise section.refuse("hcl", expected=expected, got=got)
    if policy.hcl is not None and policy.measurement.derived == "release":
        expected = "digests of the paravisor, or not_checked: no release states what is Azure's"
        raise section.refuse("measurement", expected=expected, got='"release"')
    both = set(policy.platform_info_required) & set(policy.platform_info_forbidden)
    if both:
        expected = "bits that are not required as well"
        raise section.refuse("platform_info_forbidden", expected=expected, got=min(both))


def _word(section: JsonObject, name: str, words: tuple[str, ...]) -> tuple[str, str]:
    """One of ``words`` and no reason, or no word and the reason why it is not checked."""
    value: Any = section.take(name)
    if isinstance(value, dict):
        return "", read_reason(section, name, value)
    if not isinstance(value, str) or value not in words:
        shown = ", ".join(f'"{word}"' for word in words)
        expected = f'{shown}, or {{ not_checked = "why" }}'
        raise section.refuse(name, expected=expected, got=repr(value)[:60])
    return value, ""


def _allowed(section: JsonObject, name: str) -> bool:
    return section.choice(name, ("allowed", "forbidden")) == "allowed"


def _report_versions(section: JsonObject) -> tuple[int, ...]:
    values = section.array("report_versions", minimum=1, maximum=16)
    if any(type(value) is not int or not 2 <= value <= 255 for value in values):
        raise section.refuse("report_versions", expected="integers 2 to 255", got=str(values)[:60])
    return values


def _vmpls(section: JsonObject) -> tuple[int, ...]:
    values = section.array("vmpls", minimum=1, maximum=5)
    if any(value != "host" and (type(value) is not int or not 0 <= value <= 3) for value in values):
        raise section.refuse("vmpls", expected='integers 0 to 3, or "host"', got=str(values)[:60])
    return tuple(HOST_VMPL if value == "host" else value for value in values)


def _denied(section: JsonObject) -> tuple[bytes, ...]:
    values = section.texts("denied_chip_ids")
    try:
        return tuple(parse_hex(value, what="", size=64) for value in values)
    except ParseError as error:
        raise section.refuse("denied_chip_ids", expected=error.expected, got=error.got) from None


def _hcl(table: JsonObject) -> HclPolicy:
    quote = _word(table, "quote", ("nonce",))[1]
    registers = table.object("pcrs")
    values: dict[int, bytes] = {}
    for name in registers.names():
        if name not in _REGISTERS:
            raise table.refuse("pcrs", expected="registers 0 to 23", got=excerpt(name))
        values[_REGISTERS.index(name)] = registers.hex(name, size=32)
    if quote and values:
        raise table.refuse(
            "pcrs", expected="none without a quote", got=", ".join(registers.names())
        )
    table.end()
    return HclPolicy(MappingProxyType(values), quote)


def _advisories(table: JsonObject) -> AdvisoryPolicy:
    policy = AdvisoryPolicy(
        accepted=table.texts("accepted", pattern="|".join(map(re.escape, _ADVISORY_IDS))),
        undecidable=_allowed(table, "undecidable"),
        maximum_age_days=table.integer("maximum_age_days", minimum=1, maximum=3650),
    )
    table.end()
    return policy
