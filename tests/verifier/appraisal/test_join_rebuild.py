"""A drive after a rebuild: what either needs is needed, and nothing is passed on by the other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from tests.making import NOW
from verifier.appraisal.findings import Finding, FindingClass, Status, finding
from verifier.appraisal.rebuild.join_rebuild import join_rebuild
from verifier.appraisal.verdict import Outcome, Target, Verdict

POLICY = sha256(b"policy").digest()


def made(check: str, status: Status = Status.PASS) -> Finding:
    return finding(
        check, status, expected="a", got="b", source="s", cls=FindingClass.INFRASTRUCTURE
    )


def verdict(kind: str, stages: tuple[str, ...], *findings: Finding, **more: object) -> Verdict:
    whole = Verdict(
        target=Target(kind, sha256(kind.encode()).digest()),
        policy_name="test",
        policy_sha256=POLICY,
        stages=stages,
        instant=NOW,
        platform="",
        required=tuple(dict.fromkeys(each.check for each in findings)),
        findings=findings,
        not_proven=(),
    )
    return replace(whole, **more)  # type: ignore[arg-type] # members of a verdict


DRIVE = verdict("drive", ("log", "drive"), made("log.inclusion"), made("drive.boot"))


def rebuilt(status: Status = Status.PASS, **more: object) -> Verdict:
    findings = made("log.inclusion"), made("rebuild.artifact"), made("rebuild.artifact", status)
    return verdict("release-entry", ("log", "release", "rebuild"), *findings, **more)


def test_both_are_required() -> None:
    joined = join_rebuild(DRIVE, rebuilt())
    assert joined.outcome is Outcome.VERIFIED
    assert (joined.target, joined.stages) == (DRIVE.target, ("log", "drive", "rebuild"))
    assert joined.required == ("log.inclusion", "drive.boot", "rebuild.artifact")
    # The checks that both make are not told twice.
    checks = [each.check for each in joined.findings]
    assert checks == ["log.inclusion", "drive.boot", "rebuild.artifact", "rebuild.artifact"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (Status.FAIL, Outcome.FAILED),
        (Status.ERROR, Outcome.NOT_DETERMINED),
        (Status.SKIP, Outcome.NOT_DETERMINED),
    ],
)
def test_a_rebuild_that_did_not_hold_is_never_better(status: Status, outcome: Outcome) -> None:
    assert join_rebuild(DRIVE, rebuilt(status)).outcome is outcome


def test_a_drive_that_did_not_hold_stays_so() -> None:
    for status, outcome in ((Status.FAIL, Outcome.FAILED), (Status.ERROR, Outcome.NOT_DETERMINED)):
        drive = verdict("drive", ("log", "drive"), made("drive.boot", status))
        assert join_rebuild(drive, rebuilt()).outcome is outcome


def test_what_a_rebuild_leaves_open_is_open_and_what_the_drive_showed_is_not() -> None:
    # A rebuild alone proves no evidence; a drive has it.
    left = rebuilt(not_proven=("snp.report.signature", "release.measurement"))
    assert join_rebuild(DRIVE, left).not_proven == ()
    joined = join_rebuild(replace(DRIVE, not_proven=("drive.control",)), rebuilt())
    assert joined.not_proven == ("drive.control",)
    joined = join_rebuild(DRIVE, rebuilt(not_proven=("rebuild.coverage",)))
    assert (joined.not_proven, joined.outcome) == (("rebuild.coverage",), Outcome.PARTIAL)


def test_two_policies_or_instants_do_not_join() -> None:
    for other in (
        rebuilt(policy_sha256=sha256(b"another").digest()),
        rebuilt(instant=NOW + timedelta(seconds=1)),
    ):
        with pytest.raises(ValueError, match="two policies, or at two instants"):
            join_rebuild(DRIVE, other)
