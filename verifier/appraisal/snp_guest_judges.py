"""Judges of who speaks in a report, and under which guest policy on which platform.

A permission that is set makes a guest weaker, a restriction that is set makes it stronger; a policy
forbids the one and requires the other. Source: SNP firmware ABI (AMD publication 56860), guest
policy and PLATFORM_INFO.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from verifier.appraisal.policy_snp import SnpPolicy
from verifier.appraisal.posture import Posture
from verifier.appraisal.snp_judging import Judged, PostureJudge, one_of
from verifier.evidence.snp_bits import PLATFORM_BITS, RESTRICTIONS, set_bits
from verifier.evidence.snp_report import HOST_VMPL
from verifier.evidence.vek_certificate import VekKind

__all__ = ["GUEST_JUDGES"]


def _product(posture: Posture, policy: SnpPolicy) -> Judged:
    product = posture.product
    return Judged(product in policy.products, one_of(policy.products), product)


def _version(posture: Posture, policy: SnpPolicy) -> Judged:
    version, accepted = posture.version, policy.report_versions
    return Judged(version in accepted, f"version {one_of(accepted)}", f"version {version}")


def _signing_key(posture: Posture, policy: SnpPolicy) -> Judged:
    by_provider = posture.key is VekKind.VLEK
    named = not by_provider or posture.csp_id in policy.csp_ids
    return Judged(
        posture.key in policy.signing_keys and named,
        one_of((*policy.signing_keys, *policy.csp_ids)),
        f"{posture.key} of {posture.csp_id}" if by_provider else str(posture.key),
    )


def _vmpl(posture: Posture, policy: SnpPolicy) -> Judged:
    vmpl, accepted = posture.vmpl, policy.vmpls
    return Judged(
        vmpl in accepted,
        one_of(map(_level, accepted)),
        _level(vmpl),
        "a report requested by the host does not speak for the guest" if vmpl == HOST_VMPL else "",
    )


def _level(vmpl: int) -> str:
    if vmpl == HOST_VMPL:
        return f"{vmpl:#x} (requested by the host)"
    return str(vmpl) if vmpl <= 3 else f"{vmpl:#x}"


def _permission(name: str, *, given: bool, allowed: bool, policy: int) -> Judged:
    expected = f"{name} {'0 or 1' if allowed else '0'}"
    return Judged(allowed or not given, expected, f"{name} {given:d} (POLICY {policy:#x})")


def _debug(posture: Posture, policy: SnpPolicy) -> Judged:
    granted, allowed = posture.guest_policy, policy.allow_debug
    return _permission("DEBUG", given=granted.debug, allowed=allowed, policy=granted.value)


def _migrate(posture: Posture, policy: SnpPolicy) -> Judged:
    granted, allowed = posture.guest_policy, policy.allow_migrate_ma
    return _permission(
        "MIGRATE_MA", given=granted.migrate_ma, allowed=allowed, policy=granted.value
    )


def _smt(posture: Posture, policy: SnpPolicy) -> Judged:
    granted, allowed = posture.guest_policy, policy.allow_smt
    return _permission("SMT", given=granted.smt, allowed=allowed, policy=granted.value)


def _cxl(posture: Posture, policy: SnpPolicy) -> Judged:
    granted, allowed = posture.guest_policy, policy.allow_cxl
    return _permission("CXL_ALLOW", given=granted.cxl_allow, allowed=allowed, policy=granted.value)


def _restrictions(posture: Posture, policy: SnpPolicy) -> Judged:
    required = policy.restrictions_required
    on = [name for name, bit in RESTRICTIONS.items() if posture.policy >> bit & 1]
    missing = [name for name in required if name not in on]
    return Judged(not missing, ", ".join(required), _without(missing, on))


def _abi(posture: Posture, policy: SnpPolicy) -> Judged:
    granted, floor = posture.guest_policy, policy.minimum_abi
    demanded = (granted.abi_major, granted.abi_minor)
    return Judged(
        demanded >= floor,
        f"at least {floor[0]}.{floor[1]}",
        f"{demanded[0]}.{demanded[1]} (POLICY {granted.value:#x})",
    )


def _platform_required(posture: Posture, policy: SnpPolicy) -> Judged:
    required = policy.platform_info_required
    on = set_bits(posture.platform_info, PLATFORM_BITS)
    missing = [name for name in required if name not in on]
    return Judged(not missing, ", ".join(required), _without(missing, on))


def _platform_forbidden(posture: Posture, policy: SnpPolicy) -> Judged:
    forbidden = policy.platform_info_forbidden
    on = set_bits(posture.platform_info, PLATFORM_BITS)
    present = [name for name in forbidden if name in on]
    got = f"{', '.join(present)} of {', '.join(on)}" if present else ", ".join(on) or "none"
    return Judged(not present, f"without {', '.join(forbidden)}", got)


def _without(missing: list[str], on: list[str] | tuple[str, ...]) -> str:
    return (f"without {', '.join(missing)}: " if missing else "") + (", ".join(on) or "none")


GUEST_JUDGES: Mapping[str, PostureJudge] = MappingProxyType(
    {
        "snp.product.allowed": _product,
        "snp.report.version": _version,
        "snp.signing_key.allowed": _signing_key,
        "snp.vmpl": _vmpl,
        "snp.policy.debug": _debug,
        "snp.policy.migrate": _migrate,
        "snp.policy.smt": _smt,
        "snp.policy.cxl": _cxl,
        "snp.policy.restrictions": _restrictions,
        "snp.policy.abi": _abi,
        "snp.platform_info": _platform_required,
        "snp.platform_info.forbidden": _platform_forbidden,
    }
)
"""Check to judge."""
