"""Appraises a drive: the verdict on its evidence, and what was seen beside it, in one verdict.

This is the only place where a drive is judged. What is not there is skipped with its reason, and
what the auditor left out is named as not proven: neither is ever a pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from verifier.appraisal.drive.driven import Booted, Driven, Scope, Start, Way
from verifier.appraisal.drive.probes import CONTROL, PROBES, Circumstances, Need, Probe, judge
from verifier.appraisal.drive.reached import reached_level
from verifier.appraisal.findings import Finding
from verifier.appraisal.ledger import Ledger
from verifier.appraisal.policy import Policy
from verifier.appraisal.required import KEY_DOCUMENT, required_of_bundle
from verifier.appraisal.verdict import Outcome, Target, Verdict
from verifier.evidence.drive_record import (
    MAX_RECORDED_TEXT,
    Accelerator,
    DriveRecord,
    Level,
    RecordedCheck,
    encode_drive_record,
)

__all__ = ["DriveAppraisal", "appraise_drive", "left_out", "required_of_drive"]

_STAGE = "drive"
_MEASURED = "release.measurement"
_LEFT_OUT = {
    Need.BOOT: "nothing was booted here",
    Need.WATCHED: "somebody else runs this deployment: its hops cannot be watched",
    Need.MACHINE: "--process: no firmware measures what is run",
    Need.BOOTS: "--no-tamper: nothing was booted that must be refused",
}
_OFFERED = {
    Way.DIRECT: frozenset({Need.DIRECT, Need.BOOT}),
    Way.PATH: frozenset({Need.PATH, Need.BOOT, Need.WATCHED}),
    Way.GIVEN: frozenset({Need.PATH, Need.WATCHED}),
    Way.DEPLOYMENT: frozenset({Need.PATH}),
}
_WAYS = frozenset({Need.DIRECT, Need.PATH})


@dataclass(frozen=True, slots=True)
class DriveAppraisal:
    """The verdict, whose target is the SHA-256 of ``record``: a drive-record/v1 document."""

    verdict: Verdict
    record: bytes


def required_of_drive(scope: Scope) -> tuple[str, ...]:
    """The checks that a drive needs beside those of its evidence; known before it begins."""
    return tuple(probe.check for probe in _probes(scope) if not _denied(probe, scope))


def left_out(scope: Scope) -> tuple[str, ...]:
    """What the auditor leaves out by ``scope``: never proven, whatever else is.

    A processor that signs for a program without having seen it start proves no measurement.
    """
    simulated = Need.BOOT in _OFFERED[scope.way] and not scope.machine
    measured = (_MEASURED,) if simulated else ()
    return (*measured, *(probe.check for probe in _probes(scope) if _denied(probe, scope)))


def appraise_drive(
    driven: Driven, *, evidence: Verdict | None, policy: Policy, scope: Scope, now: datetime
) -> DriveAppraisal:
    """Judge a drive; ``evidence`` is the verdict on what the guest gave, None where none came.

    ValueError for something that was seen and lies outside of ``scope``, or is no check.
    """
    _require_within(driven, scope)
    ledger = Ledger()
    required = required_of_bundle(policy)
    if evidence is None:
        ledger.skip(required, reason="no evidence came", source="drive")
    else:
        ledger.record(evidence.findings)
        required = _require_all(ledger, evidence, policy)
    made = tuple(_findings(driven, evidence, scope))
    ledger.record(made)
    platform = "" if evidence is None else evidence.platform
    level = reached_level(driven.accelerator, platform=platform, findings=made)
    record = _record(driven, level, made)
    unasked = _unasked(evidence, scope)
    verdict = Verdict(
        target=Target(_STAGE, hashlib.sha256(record).digest()),
        policy_name=policy.name,
        policy_sha256=policy.sha256,
        stages=(*policy.require, _STAGE),
        instant=now,
        platform=platform,
        level="" if level is None else level,
        required=(*required, *(c for c in required_of_drive(scope) if c not in unasked)),
        findings=ledger.findings,
        not_proven=_distinct(
            (*(() if evidence is None else evidence.not_proven), *left_out(scope), *unasked)
        ),
    )
    return DriveAppraisal(verdict, record)


def _require_all(ledger: Ledger, evidence: Verdict, policy: Policy) -> tuple[str, ...]:
    """What is required of the evidence; with it what was not reached, where keys did not hold."""
    if evidence.target.kind != KEY_DOCUMENT:
        return evidence.required
    required = required_of_bundle(policy)
    made = {each.check for each in evidence.findings}
    unmade = tuple(check for check in required if check not in made)
    ledger.skip(unmade, reason="its keys did not hold, so that no CVM was reached", source="drive")
    return required


def _require_within(driven: Driven, scope: Scope) -> None:
    strange = sorted(driven.seen.keys() - set(required_of_drive(scope)))
    if strange:
        message = f"seen, and outside of the drive: {', '.join(strange)}"
        raise ValueError(message)


def _probes(scope: Scope) -> tuple[Probe, ...]:
    """The checks of a drive that goes this way; those of another way are none that it lacks."""
    offered = _OFFERED[scope.way]
    return tuple(probe for probe in PROBES if probe.needs & _WAYS <= offered)


def _denied(probe: Probe, scope: Scope) -> tuple[Need, ...]:
    offered = _OFFERED[scope.way]
    given = {
        Need.BOOT: Need.BOOT in offered,
        Need.WATCHED: Need.WATCHED in offered,
        Need.MACHINE: scope.machine,
        Need.BOOTS: scope.boots,
    }
    return tuple(need for need, there in given.items() if need in probe.needs and not there)


def _unasked(evidence: Verdict | None, scope: Scope) -> tuple[str, ...]:
    # Where the policy itself leaves something unproven, nothing is asked either: that is no gap
    # which a better drive would close, and it is named like what it follows from.
    if evidence is None or evidence.outcome is not Outcome.PARTIAL:
        return ()
    return tuple(
        probe.check
        for probe in _probes(scope)
        if Need.SESSION in probe.needs and not _denied(probe, scope)
    )


def _findings(driven: Driven, evidence: Verdict | None, scope: Scope) -> Iterator[Finding]:
    control = driven.seen.get(CONTROL)
    circumstances = Circumstances(
        hardware=driven.accelerator is Accelerator.SNP,
        steady=isinstance(control, Booted) and control.start is Start.READY,
    )
    for probe in _probes(scope):
        reason = _reason(probe, evidence, scope)
        seen = driven.seen.get(probe.check)
        if not reason and seen is not None:
            yield judge(probe, seen, circumstances)
        else:
            yield from _skipped(probe, reason or "the drive ended before")


def _reason(probe: Probe, evidence: Verdict | None, scope: Scope) -> str:
    """Why a check is not made, whatever was seen; empty if nothing keeps it from being made."""
    denied = _denied(probe, scope)
    if denied:
        return _LEFT_OUT[denied[0]]
    if Need.SESSION not in probe.needs:
        return ""
    if evidence is None:
        return "no evidence came"
    verified = evidence.outcome is Outcome.VERIFIED
    return "" if verified else f"the evidence is {evidence.outcome}, so that nothing was asked"


def _skipped(probe: Probe, reason: str) -> tuple[Finding, ...]:
    ledger = Ledger()
    ledger.skip((probe.check,), reason=reason, source="drive")
    return ledger.findings


def _record(driven: Driven, level: Level | None, findings: Iterable[Finding]) -> bytes:
    checks = tuple(
        RecordedCheck(each.check, str(each.status), _text(each.expected), _text(each.got))
        for each in findings
    )
    return encode_drive_record(
        DriveRecord(
            level=level,
            accelerator=driven.accelerator,
            qemu=driven.qemu,
            release=driven.release,
            report=driven.report,
            checks=checks,
        )
    )


def _text(text: str) -> str:
    # RFC 8785 has no form for half of a surrogate pair.
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return whole if len(whole) <= MAX_RECORDED_TEXT else f"{whole[: MAX_RECORDED_TEXT - 3]}..."


def _distinct(checks: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(checks))
