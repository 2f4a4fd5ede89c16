"""The direct drive: boot the logged artifacts, judge the machine's evidence, ask, and tamper.

Nothing lies between the client and the CVM here, no relay and no gateway. What is seen on the way
is only collected here: ``verifier.appraisal.drive`` judges it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

from verifier.appraisal.drive.appraise_drive import appraise_drive
from verifier.appraisal.drive.driven import Done, Driven, Scope, Seen, Stopped, Way
from verifier.appraisal.drive.recorded import RECORD_ROLE
from verifier.appraisal.verdict import Verdict
from verifier.client.session import files_of_bundle
from verifier.drive.artifacts import check_artifacts
from verifier.drive.attempt import attempt
from verifier.drive.boots import FirstBoot, Say, boots_beside, first_boot
from verifier.drive.plan import Plan, Rules
from verifier.drive.talk import Talked, talk
from verifier.release.entry import parse_release_entry

__all__ = ["RECORD", "Drive", "Plan", "concluded", "drive_direct", "released_artifacts"]

RECORD = "drive-record.json"
"""Where a bundle has the record of the drive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """What came of a drive: its verdict, and the files of a bundle by path.

    The bundle holds the evidence and a record of the drive; it is empty where no evidence came.
    """

    verdict: Verdict
    bundle: Mapping[str, bytes]


def drive_direct(plan: Plan, *, say: Say) -> Drive:
    """Boot the release, judge it, and boot what must be refused, as far as ``plan`` says.

    ``say`` gets a line at each step. Whatever is wrong with the release, the guest or this host is
    in the verdict, and raises nothing.
    """
    seen: dict[str, Seen] = {"drive.artifacts": attempt(partial(released_artifacts, plan))}
    first: FirstBoot | None = None
    talked: Talked | None = None
    if not isinstance(seen["drive.artifacts"], Stopped):
        first, talked = first_boot(plan, lambda guests, _: talk(guests[0], plan), say, guests=1)
        seen["drive.boot"] = first.seen
        if talked is not None:
            seen |= talked.seen
            said = "no evidence came" if talked.evidence is None else talked.evidence.outcome
            say(f"evidence: {said}")
        if plan.tamper and first.serves and first.boot is not None:
            seen |= boots_beside(first.boot, took=first.seconds, seconds=plan.seconds, say=say)
    return concluded(plan, plan.scope(Way.DIRECT), seen, first=first, talked=talked)


def released_artifacts(plan: Plan) -> Done:
    """Compare what is to be booted with the release. Raises VerificationError, ParseError."""
    check_artifacts(plan.artifacts, parse_release_entry(plan.entry))
    return Done(f"all {len(plan.artifacts.by_role())} are those of the release")


def concluded(
    rules: Rules,
    scope: Scope,
    seen: Mapping[str, Seen],
    *,
    first: FirstBoot | None,
    talked: Talked | None,
) -> Drive:
    """The drive of what was ``seen``; ``first`` and ``talked`` are None for what was not tried."""
    boot = None if first is None else first.boot
    driven = Driven(
        release=sha256(rules.entry).digest(),
        report=None if talked is None else talked.report,
        accelerator=None if boot is None else boot.accelerator,
        qemu="" if first is None else first.qemu,
        seen=seen,
    )
    evidence = None if talked is None else talked.evidence
    appraisal = appraise_drive(
        driven, evidence=evidence, policy=rules.policy, scope=scope, now=rules.now
    )
    bundle: Mapping[str, bytes] = {}
    if talked is not None and talked.contents:
        contents = {**talked.contents, RECORD: (RECORD_ROLE, appraisal.record)}
        bundle = files_of_bundle(contents, captured=rules.now)
    return Drive(verdict=appraisal.verdict, bundle=bundle)
