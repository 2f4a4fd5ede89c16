"""A drive through the path needs what lies on its way, and nothing of another way."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from tests.key_documents import keys_section
from tests.making import NOW, Log, entry, policy
from tests.verifier.appraisal.test_appraise_drive import (
    FAILED,
    GOOD,
    PARTIAL,
    VERIFIED,
    evidence,
    of,
    with_status,
)
from verifier.appraisal.drive.appraise_drive import (
    appraise_drive,
    left_out,
    required_of_drive,
)
from verifier.appraisal.drive.driven import Compared, Done, Driven, Scope, Seen, Way, stopped
from verifier.appraisal.drive.probes import PROBES, Need
from verifier.appraisal.findings import Finding, Status, finding
from verifier.appraisal.policy import parse_policy
from verifier.appraisal.required import KEY_DOCUMENT, required_of_bundle, required_of_keys
from verifier.appraisal.verdict import Outcome, Target, Verdict
from verifier.errors import FetchError, VerificationError
from verifier.evidence.drive_record import Accelerator, parse_drive_record

REQUIRE = ("evidence", "keys", "log", "release")
POLICY = parse_policy(
    policy(Log((entry(),)), require=REQUIRE, report_data="session") + keys_section()
)
WHOLE = Scope(machine=True, boots=True, way=Way.PATH)
GIVEN = Scope(machine=False, boots=False, way=Way.GIVEN)
ELSEWHERE = Scope(machine=False, boots=False, way=Way.DEPLOYMENT)
PATH = tuple(probe.check for probe in PROBES if Need.PATH in probe.needs)
WATCHED = tuple(probe.check for probe in PROBES if Need.WATCHED in probe.needs)
BOOTED = tuple(probe.check for probe in PROBES if Need.BOOT in probe.needs)
UNASKED = ("drive.path.key_consistency", "drive.path.feature_off")


def seen_in(scope: Scope, **changes: Seen | None) -> dict[str, Seen]:
    whole: dict[str, Seen | None] = {**GOOD, **dict.fromkeys(PATH, Done("seen"))}
    whole["drive.path.binding"] = Compared(expected="a", got="a", source="session-binding")
    whole |= {f"drive.path.{name}": seen for name, seen in changes.items()}
    wanted = required_of_drive(scope)
    return {check: seen for check, seen in whole.items() if seen is not None and check in wanted}


def judged(scope: Scope = WHOLE, given: Verdict = VERIFIED, **changes: Any) -> Verdict:
    booted = scope.way is Way.PATH
    driven = Driven(
        release=bytes(32),
        report=bytes(32),
        accelerator=Accelerator.TCG if booted else None,
        qemu="7.2" if booted else "",
        seen=seen_in(scope, **changes),
    )
    made = appraise_drive(driven, evidence=given, policy=POLICY, scope=scope, now=NOW)
    assert made.verdict.target.sha256 == hashlib.sha256(made.record).digest()
    recorded = {each.check: each.status for each in parse_drive_record(made.record).checks}
    assert recorded == {
        f.check: str(f.status) for f in made.verdict.findings if f.check.startswith("drive.")
    }
    return made.verdict


def test_a_whole_drive_through_the_path_is_verified_at_its_level() -> None:
    verdict = judged()
    assert (verdict.outcome, verdict.level) == (Outcome.VERIFIED, "emulated-enforced")
    assert verdict.not_proven == ()
    assert set(PATH) < set(verdict.required)
    assert "drive.answer" not in verdict.required  # asked straight, which is another way
    assert len(PATH) == 15


def test_cvms_that_were_given_are_not_said_to_be_booted() -> None:
    verdict = judged(GIVEN)
    assert (verdict.outcome, verdict.level) == (Outcome.PARTIAL, "")
    assert verdict.not_proven == left_out(GIVEN) == BOOTED
    assert of(verdict, "drive.boot").got == "not checked: nothing was booted here"
    assert of(verdict, "drive.tamper.kernel").got == "not checked: nothing was booted here"
    assert set(PATH) < set(verdict.required)


def test_a_deployment_of_somebody_else_is_partial_and_says_why() -> None:
    verdict = judged(ELSEWHERE)
    assert (verdict.outcome, verdict.exit_code) == (Outcome.PARTIAL, 4)
    assert set(verdict.not_proven) == {*BOOTED, *WATCHED}
    assert of(verdict, "drive.path.canary").got == (
        "not checked: somebody else runs this deployment: its hops cannot be watched"
    )
    assert [check for check in PATH if check in verdict.required] == [
        "drive.path.answer",
        "drive.path.binding",
        "drive.path.key_consistency",
        "drive.path.stateless",
    ]
    # Evidence of its own processor proves its measurement as it does in any other bundle.
    assert "release.measurement" not in verdict.not_proven


def test_nothing_of_another_way_may_be_seen() -> None:
    driven = Driven(
        release=bytes(32), report=None, accelerator=None, qemu="", seen={"drive.answer": Done("")}
    )
    with pytest.raises(ValueError, match=r"outside of the drive: drive\.answer"):
        appraise_drive(driven, evidence=None, policy=POLICY, scope=WHOLE, now=NOW)
    driven = replace(driven, seen={"drive.path.canary": Done("")})
    with pytest.raises(ValueError, match=r"outside of the drive: drive\.path\.canary"):
        appraise_drive(driven, evidence=None, policy=POLICY, scope=ELSEWHERE, now=NOW)


@pytest.mark.parametrize("check", PATH)
def test_each_promise_fails_alone_and_counts(check: str) -> None:
    def with_it(seen: Seen | None) -> Verdict:
        changes: dict[str, Any] = {check.removeprefix("drive.path."): seen}
        return judged(**changes)

    broken = VerificationError("gateway", expected="this", got="that")
    verdict = with_it(stopped(broken))
    assert verdict.outcome is Outcome.FAILED
    assert with_status(verdict, Status.FAIL) == [check]
    assert (of(verdict, check).expected, of(verdict, check).got) == ("this", "gateway: that")
    silent = stopped(FetchError("relay", expected="an answer", got="nothing"))
    assert with_it(silent).outcome is Outcome.NOT_DETERMINED
    verdict = with_it(None)
    assert verdict.outcome is Outcome.NOT_DETERMINED
    assert of(verdict, check).got == "not checked: the drive ended before"


@pytest.mark.parametrize("given", [FAILED, PARTIAL])
def test_what_needs_no_evidence_is_judged_without_it(given: Verdict) -> None:
    verdict = judged(given=given)
    assert [check for check in PATH if of(verdict, check).status is Status.PASS] == list(UNASKED)
    assert of(verdict, "drive.path.answer").got == (
        f"not checked: the evidence is {given.outcome}, so that nothing was asked"
    )
    assert set(UNASKED) <= set(verdict.required)


def found(check: str) -> Finding:
    return finding(check, Status.FAIL, expected="this", got="that", source=KEY_DOCUMENT)


def test_keys_that_do_not_hold_are_the_failure_and_the_rest_is_skipped() -> None:
    refused = replace(
        evidence(found("log.inclusion")),
        target=Target(KEY_DOCUMENT, bytes(32)),
        required=required_of_keys(),
    )
    verdict = judged(given=refused)
    assert verdict.outcome is Outcome.FAILED
    assert with_status(verdict, Status.FAIL) == ["log.inclusion"]
    assert set(required_of_bundle(POLICY)) <= set(verdict.required)
    assert of(verdict, "snp.report.signature").got == (
        "not checked: its keys did not hold, so that no CVM was reached"
    )
