"""Findings about known vulnerabilities, under what the policy accepts."""

from __future__ import annotations

from datetime import datetime
from functools import cache, lru_cache

from verifier.appraisal.advisories.judge import AdvisoryVerdict, Exposed, judge_advisories
from verifier.appraisal.advisories.table import PHYSICAL, PRODUCT_WARNINGS, TABLE_DATE
from verifier.appraisal.findings import Finding, FindingClass, Status, compared, finding
from verifier.appraisal.policy_values import AdvisoryPolicy
from verifier.appraisal.posture import Posture
from verifier.evidence.tcb import Product

__all__ = ["ADVISORY_CHECKS", "appraise_advisories", "appraise_warnings"]

ADVISORY_CHECKS = ("snp.advisories", "snp.advisories.age")
"""The checks that a policy can require; all others of this module only inform."""

_SOURCE = "snp-report"
_TABLE = "table of advisories"


def appraise_advisories(
    posture: Posture, *, policy: AdvisoryPolicy, now: datetime
) -> tuple[Finding, ...]:
    """The findings of ``ADVISORY_CHECKS``, and what the reader should know besides.

    ``now`` is the instant of the verdict, with a time zone.
    """
    first, *rest = _of_posture(posture, policy)
    return (first, _age(policy, now), *rest)


@lru_cache(maxsize=64)
def _of_posture(posture: Posture, policy: AdvisoryPolicy) -> tuple[Finding, ...]:
    verdicts = judge_advisories(posture)
    return (
        _open(verdicts, policy),
        *(_told(verdict) for verdict in verdicts),
        *appraise_warnings(posture.product),
    )


def _open(verdicts: tuple[AdvisoryVerdict, ...], policy: AdvisoryPolicy) -> Finding:
    refused = (
        {Exposed.VULNERABLE}
        if policy.undecidable
        else {
            Exposed.VULNERABLE,
            Exposed.UNDECIDABLE,
        }
    )
    faults = [
        f"{verdict.advisory.id} ({verdict.advisory.name}): {verdict.exposed}: {verdict.reason}"
        for verdict in verdicts
        if verdict.exposed in refused and verdict.advisory.id not in policy.accepted
    ]
    kinds = "vulnerable" if policy.undecidable else "vulnerable or undecidable"
    but = f", but for {', '.join(policy.accepted)}" if policy.accepted else ""
    return compared(
        "snp.advisories",
        holds=not faults,
        expected=f"none that is {kinds}{but}",
        got="; ".join(faults) or _counted(verdicts),
        source=_SOURCE,
        cls=FindingClass.POLICY,
        hint="update the platform, or accept the id in the policy",
    )


def _counted(verdicts: tuple[AdvisoryVerdict, ...]) -> str:
    counts = ((kind, sum(v.exposed is kind for v in verdicts)) for kind in Exposed)
    return ", ".join(f"{count} {kind}" for kind, count in counts if count)


def _age(policy: AdvisoryPolicy, now: datetime) -> Finding:
    days = (now - TABLE_DATE).days
    dated = f"{TABLE_DATE:%Y-%m-%d}"
    got = f"{days} days, of {dated}"
    if days < 0:
        # An audit of the past knows more than was known then, which is no fault.
        got = f"of {dated}, so advisories published after the instant are included"
    return compared(
        "snp.advisories.age",
        holds=days <= policy.maximum_age_days,
        expected=f"at most {policy.maximum_age_days} days",
        got=got,
        source=_TABLE,
        cls=FindingClass.POLICY,
        hint="a newer release of this program has a newer table",
    )


def _told(verdict: AdvisoryVerdict) -> Finding:
    advisory = verdict.advisory
    return _information(
        "snp.advisory",
        expected=f"{advisory.id} ({advisory.name}), {advisory.bulletin}; "
        f"source: {', '.join(verdict.sources)}",
        got=f"{verdict.exposed}: {verdict.reason}",
    )


@cache
def appraise_warnings(product: Product) -> tuple[Finding, ...]:
    """What evidence of this product, and any evidence, cannot prove, whatever a policy says."""
    warning = PRODUCT_WARNINGS.get(product)
    of_product = (
        ()
        if warning is None
        else (_information("snp.product.warning", expected=f"to know of {product}", got=warning),)
    )
    general = _information("snp.physical", expected="to know of every product", got=PHYSICAL)
    return (*of_product, general)


def _information(check: str, *, expected: str, got: str) -> Finding:
    return finding(
        check,
        Status.INFO,
        expected=expected,
        got=got,
        source=_TABLE,
        cls=FindingClass.POLICY,
    )
