from __future__ import annotations

import pytest

from tests.making import NOW
from verifier.appraisal.findings import Status, finding
from verifier.appraisal.verdict import Outcome, Target, Verdict
from verifier.drive.direct import concluded
from verifier.drive.level import Level

CHECK = "release.measurement"
VERIFIED = Verdict(
    target=Target("bundle", bytes(32)),
    policy_name="test",
    policy_sha256=bytes(32),
    stages=("evidence",),
    instant=NOW,
    platform="simulated",
    required=(CHECK,),
    findings=(finding(CHECK, Status.PASS, expected="x", got="x", source="snp-report"),),
    not_proven=(),
)


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.PROCESS])
def test_a_measured_boot_leaves_the_verdict_as_it_is(level: Level) -> None:
    assert concluded(VERIFIED, level=level) is VERIFIED


def test_without_a_measured_boot_nothing_is_verified() -> None:
    verdict = concluded(VERIFIED, level=Level.PROCESS)
    assert (verdict.outcome, verdict.exit_code) == (Outcome.PARTIAL, 4)
    assert verdict.not_proven == (CHECK,)
