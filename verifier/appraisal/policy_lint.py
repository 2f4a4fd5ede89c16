"""What a usable policy leaves open: warnings for its author, never a judgement of evidence.

A policy that parses does what it says. These are the rules by which it says little.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from verifier.appraisal.policy import KeysPolicy, LogPolicy, Policy, ReleasePolicy
from verifier.appraisal.policy_snp import SnpPolicy
from verifier.evidence.snp_report import HOST_VMPL, KNOWN_VERSIONS
from verifier.evidence.tcb import Product

__all__ = ["Remark", "lint_policy"]


@dataclass(frozen=True, slots=True)
class Remark:
    """A rule that lets much pass: its ``key``, and what follows from it."""

    key: str
    text: str


def lint_policy(policy: Policy) -> tuple[Remark, ...]:
    """What the author of ``policy`` should know, in the order of its sections."""
    return (
        *_stages(policy),
        *(_log(policy.log) if policy.log is not None else ()),
        *(_release(policy.release) if policy.release is not None else ()),
        *(_snp(policy.sev_snp) if policy.sev_snp is not None else ()),
        *(_keys(policy.keys) if policy.keys is not None else ()),
    )


def _stages(policy: Policy) -> Iterator[Remark]:
    if policy.platform == "simulated":
        yield Remark("platform", "evidence of a simulator counts; it proves nothing about hardware")
    if "evidence" not in policy.require:
        yield Remark("require", "no evidence: a verdict says nothing about any machine")
    if "release" not in policy.require:
        yield Remark("require", "no logged release: nothing says whose code a measurement is")


def _log(policy: LogPolicy) -> Iterator[Remark]:
    if policy.tlog.quorum is None:
        text = "quorum none: the log can show two people two trees, and neither would see it"
        yield Remark("log.policy", text)


def _release(policy: ReleasePolicy) -> Iterator[Remark]:
    if policy.publisher_threshold == 1 and len(policy.publishers) > 1:
        yield Remark("release.publisher_threshold", "any one of the publishers can release alone")
    if policy.minimum_security_version == 0:
        yield Remark("release.minimum_security_version", "any older release is taken")


def _keys(policy: KeysPolicy) -> Iterator[Remark]:
    if policy.publisher_threshold == 1 and len(policy.publishers) > 1:
        yield Remark(
            "keys.publisher_threshold", "any one of the publishers can give out keys alone"
        )


def _snp(policy: SnpPolicy) -> Iterator[Remark]:
    for key, text in (*_identity(policy), *_permissions(policy), *_contents(policy)):
        yield Remark(f"sev_snp.{key}", text)


def _identity(policy: SnpPolicy) -> Iterator[tuple[str, str]]:
    if Product.MILAN in policy.products:
        yield (
            "products",
            "Milan: whoever has a chip can extract the seed of its keys (arXiv 2605.12990)",
        )
    if unknown := sorted(set(policy.report_versions) - set(KNOWN_VERSIONS)):
        yield "report_versions", f"{unknown} are unknown here; such a verdict is at best PARTIAL"
    if policy.unknown_bits:
        yield "unknown_bits", "bits are let pass whose meaning is unknown here (at best PARTIAL)"
    if policy.masked_chip_id:
        yield "masked_chip_id", "a report may hide which chip it comes from"
    if policy.crl_not_checked:
        yield "crl", "a revoked certificate of the vendor would count"
    if policy.crl == "stale_accepted":
        yield "crl", "a revocation after the list was issued would not be seen"
    if HOST_VMPL in policy.vmpls:
        yield "vmpls", "a report that the host requested does not speak for the guest"
    if policy.hosts_not_checked and policy.chip_ids.not_checked:
        yield "hosts", "any genuine machine may answer, also one that nobody enrolled"


def _permissions(policy: SnpPolicy) -> Iterator[tuple[str, str]]:
    if policy.allow_debug:
        yield "debug", "the host may read and write the memory of the guest"
    if policy.allow_migrate_ma:
        yield "migrate_ma", "a migration agent may copy the guest elsewhere"
    if policy.allow_cxl:
        yield "cxl", "memory outside the processor package may be used"
    if policy.allow_provisional:
        yield "provisional_firmware", "the host can go back to older firmware"
    if "ALIAS_CHECK_COMPLETE" not in policy.platform_info_required:
        yield "platform_info_required", "without ALIAS_CHECK_COMPLETE, BadRAM is not answered"
    for product in policy.products:
        if not any(level for _, level in policy.minimum_reported_tcb[product].components()):
            yield "minimum_reported_tcb", f"any firmware of {product} is taken, however old"


def _contents(policy: SnpPolicy) -> Iterator[tuple[str, str]]:
    if policy.measurement.not_checked:
        yield "measurement", "nobody then knows which code ran (at best PARTIAL)"
    if policy.report_data.not_checked:
        yield "report_data", "nobody then knows for whom it was made (at best PARTIAL)"
    if policy.report_data.values:
        yield "report_data", "a fixed value shows no freshness: an old report passes as well"
    if policy.host_data.not_checked:
        yield "host_data", "the host may have configured the guest in any way"
    for advisory in policy.advisories.accepted:
        yield "advisories.accepted", f"{advisory} may be open"
