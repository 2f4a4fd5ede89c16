"""What a policy does not demand of a report, and why: the one place where a check is let off.

Computed from the policy alone, before any evidence is read, so that no evidence can shorten the
list of what is required (ATK-054).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from verifier.appraisal.findings import Status
from verifier.appraisal.policy_snp import SnpPolicy
from verifier.evidence.tcb import Product, Tcb

__all__ = ["undemanded"]

_Reason = tuple[Status, str]


@lru_cache(maxsize=16)
def undemanded(policy: SnpPolicy) -> Mapping[str, _Reason]:
    """Check to ``skip`` (the policy gives a reason) or ``info`` (it demands nothing), and words."""
    return MappingProxyType(
        {
            **{check: (Status.INFO, text) for check, text in _nothing(policy)},
            **{
                check: (Status.SKIP, f"the policy says: {reason}")
                for check, reason in _reasons(policy)
                if reason
            },
            **{check: (Status.INFO, text) for check, text in _judged_elsewhere(policy)},
        }
    )


def _nothing(policy: SnpPolicy) -> Iterator[tuple[str, str]]:
    allowed = (
        ("snp.policy.debug", policy.allow_debug),
        ("snp.policy.migrate", policy.allow_migrate_ma),
        ("snp.policy.smt", policy.allow_smt),
        ("snp.policy.cxl", policy.allow_cxl),
        ("snp.firmware.provisional", policy.allow_provisional),
    )
    yield from ((check, "the policy allows it") for check, given in allowed if given)
    lists: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("snp.policy.restrictions", policy.restrictions_required),
        ("snp.platform_info", policy.platform_info_required),
        ("snp.platform_info.forbidden", policy.platform_info_forbidden),
        ("snp.chip.denied", policy.denied_chip_ids),
    )
    yield from ((check, "the policy lists none") for check, values in lists if not values)
    floors = (
        ("snp.policy.abi", policy.minimum_abi == (0, 0)),
        ("snp.guest_svn", policy.minimum_guest_svn == 0),
        ("snp.firmware.minimum", str(policy.minimum_firmware) == "0.0.0"),
        ("snp.tcb.reported_minimum", _all_zero(policy.minimum_reported_tcb)),
        ("snp.tcb.launch_minimum", _all_zero(policy.minimum_launch_tcb)),
        ("snp.tcb.committed_minimum", _all_zero(policy.minimum_committed_tcb)),
    )
    yield from ((check, "the policy sets no floor") for check, zero in floors if zero)


def _all_zero(floors: Mapping[Product, Tcb]) -> bool:
    return not any(level for floor in floors.values() for _, level in floor.components())


def _reasons(policy: SnpPolicy) -> tuple[tuple[str, str], ...]:
    return (
        ("snp.mitigations", policy.mitigations_not_checked),
        ("snp.measurement", policy.measurement.not_checked),
        ("snp.report_data", policy.report_data.not_checked),
        ("snp.host_data", policy.host_data.not_checked),
        ("snp.family_id", policy.family_id.not_checked),
        ("snp.image_id", policy.image_id.not_checked),
        ("snp.id_key", policy.id_key.not_checked),
        ("snp.author_key", policy.author_key.not_checked),
        ("snp.migration_agent", policy.migration_agent.not_checked),
        ("snp.chip.enrolled", policy.chip_ids.not_checked),
    )


def _judged_elsewhere(policy: SnpPolicy) -> Iterator[tuple[str, str]]:
    if policy.measurement.derived == "release":
        yield "snp.measurement", "release.measurement is the comparison"
    if policy.report_data.derived == "hcl":
        yield "snp.report_data", "snp.hcl.runtime_data is the comparison"
